//! What is kept of a Python file.

/// A lowered file.
#[derive(Debug, Default)]
pub(crate) struct Module {
    pub(crate) names: Names,
    pub(crate) functions: Vec<Function>,
    pub(crate) classes: Vec<Class>,
    /// Modules imported with `*`, in order.
    pub(crate) stars: Vec<ModuleRef>,
    /// `from __future__ import annotations` is in force.
    pub(crate) lazy_annotations: bool,
    /// Every import, wherever it stands.
    pub(crate) imports: Vec<Import>,
    /// Calls whose results are dropped, at the top level: `tool(add)`.
    pub(crate) calls: Vec<Expr>,
    /// There is a block `if __name__ == "__main__":`.
    pub(crate) is_program: bool,
}

/// Whether an import happens, the surest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reach {
    /// When the file is loaded.
    Always,
    /// When the file is loaded, if some condition holds.
    Branch,
    /// When a function is called.
    Later,
    /// The file is prepared for its failing.
    Guarded,
    /// Not when omni runs the file.
    Never,
}

/// `import module as alias`, or `from module import names`.
#[derive(Debug)]
pub(crate) struct Import {
    /// Where the module is named.
    pub(crate) at: u32,
    pub(crate) module: ModuleRef,
    /// What `from` brings: each with its new name and its place. `None` for a plain import.
    pub(crate) names: Option<Vec<(String, Option<String>, u32)>>,
    pub(crate) alias: Option<String>,
    pub(crate) reach: Reach,
}

/// Where the file stops being Python.
#[derive(Debug)]
pub(crate) struct SyntaxError {
    pub(crate) at: u32,
    pub(crate) message: String,
}

/// What each name of a scope is bound to, in the order of the bindings.
pub(crate) type Names = std::collections::HashMap<String, Vec<Binding>>;

#[derive(Debug)]
pub(crate) struct Binding {
    /// Inside `if`, `try`, a loop or `with`: whether it happens is not known here.
    pub(crate) conditional: bool,
    pub(crate) kind: BindingKind,
}

#[derive(Debug)]
pub(crate) enum BindingKind {
    /// `import a.b as c`; without `as`, only the first part is bound.
    Module(ModuleRef),
    /// `from module import name`.
    Member(ModuleRef, String),
    /// Index into [`Module::functions`] (or the class's methods).
    Function(usize),
    /// Index into [`Module::classes`].
    Class(usize),
    Value(Expr),
    /// `type Name[T] = …`.
    TypeAlias {
        parameters: Vec<String>,
        value: Expr,
    },
    /// Bound in a way that says nothing about its value.
    Opaque,
}

/// A module named in an import: `level` leading dots, then a dotted path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ModuleRef {
    pub(crate) level: u32,
    pub(crate) path: String,
}

#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) at: u32,
    pub(crate) is_async: bool,
    pub(crate) decorators: Vec<Expr>,
    pub(crate) type_parameters: Vec<TypeParameter>,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) returns: Option<Expr>,
    pub(crate) docstring: Option<String>,
    /// Functions defined directly inside this one, at any statement depth.
    pub(crate) inner: Vec<Function>,
    /// What its own `return` statements return; `None` stands for anything but a name or a call.
    pub(crate) results: Vec<Option<Expr>>,
    /// Bound inside `if`, `try`, a loop or `with`.
    pub(crate) conditional: bool,
    /// Bound where nothing is run when the file is imported: `if __name__ == "__main__":`.
    pub(crate) never: bool,
}

#[derive(Debug)]
pub(crate) struct TypeParameter {
    pub(crate) name: String,
    pub(crate) bound: Option<Expr>,
}

#[derive(Debug)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) at: u32,
    pub(crate) kind: ParameterKind,
    pub(crate) annotation: Option<Expr>,
    pub(crate) default: Option<Expr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ParameterKind {
    PositionalOnly,
    Plain,
    KeywordOnly,
    VarArgs,
    VarKeywords,
}

#[derive(Debug)]
pub(crate) struct Class {
    pub(crate) name: String,
    pub(crate) at: u32,
    pub(crate) decorators: Vec<Expr>,
    pub(crate) bases: Vec<Expr>,
    pub(crate) keywords: Vec<Keyword>,
    pub(crate) type_parameters: Vec<TypeParameter>,
    pub(crate) docstring: Option<String>,
    pub(crate) fields: Vec<Field>,
    pub(crate) methods: Vec<Function>,
    /// Index of each nested class in [`Module::classes`].
    pub(crate) nested: Vec<(String, usize)>,
}

/// `name: annotation = value` or `name = value` in a class body.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) annotation: Option<Expr>,
    pub(crate) value: Option<Expr>,
}

#[derive(Clone, Debug)]
pub(crate) struct Expr {
    /// Byte offset in the file. Nodes inside a string annotation carry the string's.
    pub(crate) at: u32,
    pub(crate) kind: ExprKind,
}

#[derive(Clone, Debug)]
pub(crate) enum ExprKind {
    None,
    Bool(bool),
    Ellipsis,
    Int(i64),
    /// The digits of an integer that an `i64` cannot hold, in base ten, or the token as written.
    BigInt(String),
    Float(f64),
    /// Real and imaginary part.
    Complex(f64, f64),
    Str(String),
    Bytes(Vec<u8>),
    Name(String),
    Attribute(Box<Expr>, String),
    /// `value[a, b]`: the items of the tuple, or the one index; `value[()]` has none.
    Subscript(Box<Expr>, Vec<Expr>),
    Call(Box<Call>),
    List(Vec<Expr>),
    Tuple(Vec<Expr>),
    Set(Vec<Expr>),
    /// A missing key is `**value`.
    Dict(Vec<(Option<Expr>, Expr)>),
    Binary(Box<Expr>, Operator, Box<Expr>),
    Negative(Box<Expr>),
    Starred(Box<Expr>),
    /// Anything else, and anything past the depth that lowering follows.
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    FloorDivide,
    Modulo,
    Power,
    ShiftLeft,
    Or,
}

#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) function: Expr,
    pub(crate) arguments: Vec<Expr>,
    pub(crate) keywords: Vec<Keyword>,
}

#[derive(Clone, Debug)]
pub(crate) struct Keyword {
    pub(crate) at: u32,
    /// `None` for `**value`.
    pub(crate) name: Option<String>,
    pub(crate) value: Expr,
}

impl Call {
    pub(crate) fn keyword(&self, name: &str) -> Option<&Expr> {
        self.keywords
            .iter()
            .find(|keyword| keyword.name.as_deref() == Some(name))
            .map(|keyword| &keyword.value)
    }
}

impl Expr {
    /// `a`, `a.b`, `a.b.c` as written, or a stand-in for other expressions.
    pub(crate) fn dotted(&self) -> String {
        match &self.kind {
            ExprKind::Name(name) => name.clone(),
            ExprKind::Attribute(base, name) => format!("{}.{name}", base.dotted()),
            ExprKind::Call(call) => call.function.dotted(),
            ExprKind::Subscript(base, ..) => base.dotted(),
            ExprKind::Str(text) => text.clone(),
            _ => "…".to_owned(),
        }
    }
}
