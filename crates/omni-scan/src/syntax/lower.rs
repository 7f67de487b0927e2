//! From the parser's tree to ours.

use ruff_python_ast as ast;
use ruff_python_ast::{Expr as Node, Stmt};
use ruff_text_size::Ranged;

use super::imports::{imports, never};
use super::nesting::too_deep;
use super::tree::{
    Binding, BindingKind, Call, Class, Expr, ExprKind, Field, Function, Keyword, Module, ModuleRef, Names,
    Operator, Parameter, ParameterKind, SyntaxError, TypeParameter,
};

/// A tool's source is code for people; ten times the largest file of the standard library is not one.
const SOURCE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Expressions are followed this deep. Annotations and literals nested deeper are not written by hand.
const EXPRESSION_DEPTH_MAX: u32 = 48;

/// Statements within statements, functions within functions.
const STATEMENT_DEPTH_MAX: u32 = 40;

/// Lowers one file, or says where it stops being Python.
pub(crate) fn parse(text: &str) -> Result<Module, SyntaxError> {
    if text.len() > SOURCE_BYTES_MAX {
        let message = format!("the file is larger than {} MiB", SOURCE_BYTES_MAX / 1024 / 1024);
        return Err(SyntaxError { at: 0, message });
    }
    if text.contains('\0') {
        let at = offset(text.find('\0').unwrap_or(0));
        return Err(SyntaxError { at, message: "source code cannot contain null bytes".to_owned() });
    }
    if too_deep(text) {
        return Err(SyntaxError { at: 0, message: "expressions or blocks are nested too deeply".to_owned() });
    }
    // The parser is another project's and young: a panic in it must cost one file, not all skills.
    let parsed =
        std::panic::catch_unwind(|| ruff_python_parser::parse_module(text)).map_err(|_| SyntaxError {
            at: 0,
            message: "the parser failed on this file, which is a fault of the parser".to_owned(),
        })?;
    let parsed = parsed.map_err(|error| SyntaxError {
        at: error.location.start().to_u32(),
        message: lower_first(&error.error.to_string()),
    })?;
    let mut lowering = Lowering::default();
    lowering.block(&parsed.syntax().body, Place { conditional: false, never: false, depth: 0 });
    lowering.module.imports = imports(&parsed.syntax().body);
    Ok(lowering.module)
}

/// Parses a string annotation; every node is placed at `at`, the string's own offset.
pub(crate) fn parse_annotation(text: &str, at: u32) -> Option<Expr> {
    const ANNOTATION_BYTES_MAX: usize = 10_000;
    if text.len() > ANNOTATION_BYTES_MAX || too_deep(text) {
        return None;
    }
    // Python evaluates the text inside brackets, so it may span lines and start with blanks.
    let parsed = ruff_python_parser::parse_expression(text.trim()).ok()?;
    Some(Lowering { fixed: Some(at), ..Lowering::default() }.expr(parsed.expr()))
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}

fn offset(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[derive(Clone, Copy)]
struct Place {
    conditional: bool,
    /// Nothing here is run when the file is imported.
    never: bool,
    depth: u32,
}

impl Place {
    fn branch(self) -> Place {
        Place { conditional: true, never: self.never, depth: self.depth + 1 }
    }
}

#[derive(Default)]
struct Lowering {
    module: Module,
    /// Set while lowering a string annotation.
    fixed: Option<u32>,
    depth: u32,
}

impl Lowering {
    fn block(&mut self, body: &[Stmt], place: Place) {
        if place.depth > STATEMENT_DEPTH_MAX {
            return;
        }
        for statement in body {
            self.statement(statement, place);
        }
    }

    /// A statement at module level, or in a branch that module level may take.
    fn statement(&mut self, statement: &Stmt, place: Place) {
        match statement {
            Stmt::FunctionDef(node) => {
                let function = self.function(node, place);
                let index = self.module.functions.len();
                self.bind(&function.name.clone(), place, BindingKind::Function(index));
                self.module.functions.push(function);
            }
            Stmt::ClassDef(node) => {
                let (name, index) = self.class(node, place);
                self.bind(&name, place, BindingKind::Class(index));
            }
            Stmt::Import(node) => self.import(node, place),
            Stmt::ImportFrom(node) => self.import_from(node, place),
            Stmt::Assign(node) => {
                let value = self.expr(&node.value);
                for target in &node.targets {
                    self.assign(target, Some(&value), place);
                }
            }
            Stmt::AnnAssign(node) => {
                let value = node.value.as_ref().map(|value| self.expr(value));
                if let Some(value) = &value {
                    self.assign(&node.target, Some(value), place);
                }
            }
            Stmt::AugAssign(node) => self.assign(&node.target, None, place),
            Stmt::TypeAlias(node) => {
                if let Node::Name(name) = node.name.as_ref() {
                    let parameters = type_parameter_names(node.type_params.as_deref());
                    let kind = BindingKind::TypeAlias { parameters, value: self.expr(&node.value) };
                    self.bind(name.id.as_str(), place, kind);
                }
            }
            Stmt::Expr(node) if node.value.is_call_expr() && !place.never => {
                let call = self.expr(&node.value);
                self.module.calls.push(call);
            }
            Stmt::If(node) => {
                let never = never(&node.test);
                self.module.is_program |= never && node.test.is_compare_expr();
                self.block(&node.body, Place { never: never || place.never, ..place.branch() });
                for clause in &node.elif_else_clauses {
                    self.block(&clause.body, place.branch());
                }
            }
            Stmt::Try(node) => {
                self.block(&node.body, place.branch());
                for ast::ExceptHandler::ExceptHandler(handler) in &node.handlers {
                    self.block(&handler.body, place.branch());
                }
                self.block(&node.orelse, place.branch());
                self.block(&node.finalbody, place.branch());
            }
            Stmt::With(node) => {
                for item in &node.items {
                    if let Some(target) = &item.optional_vars {
                        self.assign(target, None, place);
                    }
                }
                self.block(&node.body, place.branch());
            }
            Stmt::For(node) => {
                self.assign(&node.target, None, place);
                self.block(&node.body, place.branch());
                self.block(&node.orelse, place.branch());
            }
            Stmt::While(node) => {
                self.block(&node.body, place.branch());
                self.block(&node.orelse, place.branch());
            }
            Stmt::Match(node) => {
                for case in &node.cases {
                    self.block(&case.body, place.branch());
                }
            }
            _ => {}
        }
    }

    fn bind(&mut self, name: &str, place: Place, kind: BindingKind) {
        let binding = Binding { conditional: place.conditional, kind };
        let names: &mut Names = &mut self.module.names;
        names.entry(name.to_owned()).or_default().push(binding);
    }

    fn assign(&mut self, target: &Node, value: Option<&Expr>, place: Place) {
        match target {
            Node::Name(name) => {
                let kind = value.map_or(BindingKind::Opaque, |value| BindingKind::Value(value.clone()));
                self.bind(name.id.as_str(), place, kind);
            }
            Node::Tuple(node) => self.assign_each(&node.elts, value, place),
            Node::List(node) => self.assign_each(&node.elts, value, place),
            Node::Starred(node) => self.assign(&node.value, None, place),
            _ => {}
        }
    }

    fn assign_each(&mut self, targets: &[Node], value: Option<&Expr>, place: Place) {
        let values = match value.map(|value| &value.kind) {
            Some(ExprKind::Tuple(items) | ExprKind::List(items)) if items.len() == targets.len() => {
                Some(items)
            }
            _ => None,
        };
        for (index, target) in targets.iter().enumerate() {
            self.assign(target, values.and_then(|values| values.get(index)), place);
        }
    }

    fn import(&mut self, node: &ast::StmtImport, place: Place) {
        for alias in &node.names {
            let path = alias.name.id.as_str();
            let (name, bound) = match &alias.asname {
                Some(asname) => (asname.id.as_str(), path),
                // `import a.b` binds `a`.
                None => {
                    let first = path.split('.').next().unwrap_or(path);
                    (first, first)
                }
            };
            let module = ModuleRef { level: 0, path: bound.to_owned() };
            self.bind(name, place, BindingKind::Module(module));
        }
    }

    fn import_from(&mut self, node: &ast::StmtImportFrom, place: Place) {
        let path = node.module.as_ref().map_or("", |module| module.id.as_str());
        let module = ModuleRef { level: node.level, path: path.to_owned() };
        for alias in &node.names {
            let name = alias.name.id.as_str();
            if node.level == 0 && path == "__future__" {
                self.module.lazy_annotations |= name == "annotations";
                continue;
            }
            if name == "*" {
                self.module.stars.push(module.clone());
                continue;
            }
            let bound = alias.asname.as_ref().map_or(name, |asname| asname.id.as_str());
            let kind = BindingKind::Member(module.clone(), name.to_owned());
            self.bind(bound, place, kind);
        }
    }

    fn function(&mut self, node: &ast::StmtFunctionDef, place: Place) -> Function {
        let mut function = Function {
            name: node.name.id.to_string(),
            at: self.at(&node.name),
            is_async: node.is_async,
            decorators: node.decorator_list.iter().map(|item| self.expr(&item.expression)).collect(),
            type_parameters: self.type_parameters(node.type_params.as_deref()),
            parameters: self.parameters(&node.parameters),
            returns: node.returns.as_ref().map(|returns| self.expr(returns)),
            docstring: docstring(&node.body),
            inner: Vec::new(),
            results: Vec::new(),
            conditional: place.conditional,
            never: place.never,
        };
        self.body(&node.body, &mut function, place.depth + 1);
        function
    }

    /// Collects the functions and results of a body: what a decorator returns decides whether it can be
    /// looked through, and a tool defined inside is one that nobody can call.
    fn body(&mut self, body: &[Stmt], function: &mut Function, depth: u32) {
        if depth > STATEMENT_DEPTH_MAX {
            return;
        }
        for statement in body {
            match statement {
                Stmt::FunctionDef(node) => {
                    let inner = self.function(node, Place { conditional: false, never: false, depth });
                    function.inner.push(inner);
                }
                // Its methods matter only to be reported, and only when decorated.
                Stmt::ClassDef(node) => self.body(&node.body, function, depth + 1),
                Stmt::Return(node) => {
                    let result = node.value.as_deref().filter(|value| names_or_calls(value));
                    let result = result.map(|value| self.expr(value));
                    function.results.push(result);
                }
                Stmt::If(node) => {
                    self.body(&node.body, function, depth + 1);
                    for clause in &node.elif_else_clauses {
                        self.body(&clause.body, function, depth + 1);
                    }
                }
                Stmt::Try(node) => {
                    self.body(&node.body, function, depth + 1);
                    for ast::ExceptHandler::ExceptHandler(handler) in &node.handlers {
                        self.body(&handler.body, function, depth + 1);
                    }
                    self.body(&node.orelse, function, depth + 1);
                    self.body(&node.finalbody, function, depth + 1);
                }
                Stmt::With(node) => self.body(&node.body, function, depth + 1),
                Stmt::For(node) => {
                    self.body(&node.body, function, depth + 1);
                    self.body(&node.orelse, function, depth + 1);
                }
                Stmt::While(node) => self.body(&node.body, function, depth + 1),
                Stmt::Match(node) => {
                    for case in &node.cases {
                        self.body(&case.body, function, depth + 1);
                    }
                }
                _ => {}
            }
        }
    }

    fn parameters(&mut self, node: &ast::Parameters) -> Vec<Parameter> {
        let mut parameters = Vec::new();
        let mut with_default = |this: &mut Self, item: &ast::ParameterWithDefault, kind| {
            let default = item.default.as_ref().map(|default| this.expr(default));
            parameters.push(this.parameter(&item.parameter, kind, default));
        };
        for item in &node.posonlyargs {
            with_default(self, item, ParameterKind::PositionalOnly);
        }
        for item in &node.args {
            with_default(self, item, ParameterKind::Plain);
        }
        for item in &node.kwonlyargs {
            with_default(self, item, ParameterKind::KeywordOnly);
        }
        if let Some(item) = &node.vararg {
            parameters.push(self.parameter(item, ParameterKind::VarArgs, None));
        }
        if let Some(item) = &node.kwarg {
            parameters.push(self.parameter(item, ParameterKind::VarKeywords, None));
        }
        parameters
    }

    fn parameter(&mut self, node: &ast::Parameter, kind: ParameterKind, default: Option<Expr>) -> Parameter {
        let annotation = node.annotation.as_ref().map(|annotation| self.expr(annotation));
        Parameter { name: node.name.id.to_string(), at: self.at(&node.name), kind, annotation, default }
    }

    fn type_parameters(&mut self, node: Option<&ast::TypeParams>) -> Vec<TypeParameter> {
        let Some(node) = node else { return Vec::new() };
        let mut found = Vec::new();
        for parameter in &node.type_params {
            if let ast::TypeParam::TypeVar(variable) = parameter {
                let bound = variable.bound.as_ref().map(|bound| self.expr(bound));
                found.push(TypeParameter { name: variable.name.id.to_string(), bound });
            }
        }
        found
    }

    fn class(&mut self, node: &ast::StmtClassDef, place: Place) -> (String, usize) {
        let arguments = node.arguments.as_deref();
        let class = Class {
            name: node.name.id.to_string(),
            at: self.at(&node.name),
            decorators: node.decorator_list.iter().map(|item| self.expr(&item.expression)).collect(),
            bases: arguments.map_or_else(Vec::new, |found| self.exprs(&found.args)),
            keywords: arguments.map_or_else(Vec::new, |found| self.keywords(&found.keywords)),
            type_parameters: self.type_parameters(node.type_params.as_deref()),
            docstring: docstring(&node.body),
            fields: Vec::new(),
            methods: Vec::new(),
            nested: Vec::new(),
        };
        let name = class.name.clone();
        let index = self.module.classes.len();
        self.module.classes.push(class);
        self.class_body(&node.body, index, Place { depth: place.depth + 1, ..place });
        (name, index)
    }

    fn class_body(&mut self, body: &[Stmt], index: usize, place: Place) {
        if place.depth > STATEMENT_DEPTH_MAX {
            return;
        }
        for statement in body {
            match statement {
                Stmt::FunctionDef(node) => {
                    let method = self.function(node, place);
                    self.module.classes[index].methods.push(method);
                }
                Stmt::ClassDef(node) => {
                    let nested = self.class(node, place);
                    self.module.classes[index].nested.push(nested);
                }
                Stmt::AnnAssign(node) => {
                    let annotation = Some(self.expr(&node.annotation));
                    let value = node.value.as_ref().map(|value| self.expr(value));
                    self.class_field(index, &node.target, annotation, value);
                }
                Stmt::Assign(node) => {
                    let value = self.expr(&node.value);
                    for target in &node.targets {
                        match (target, &value.kind) {
                            (Node::Tuple(targets), ExprKind::Tuple(values))
                                if targets.elts.len() == values.len() =>
                            {
                                for (target, value) in targets.elts.iter().zip(values) {
                                    self.class_field(index, target, None, Some(value.clone()));
                                }
                            }
                            _ => self.class_field(index, target, None, Some(value.clone())),
                        }
                    }
                }
                Stmt::If(node) => {
                    self.class_body(&node.body, index, place.branch());
                    for clause in &node.elif_else_clauses {
                        self.class_body(&clause.body, index, place.branch());
                    }
                }
                _ => {}
            }
        }
    }

    fn class_field(&mut self, index: usize, target: &Node, annotation: Option<Expr>, value: Option<Expr>) {
        if let Node::Name(name) = target {
            let field = Field { name: name.id.to_string(), annotation, value };
            self.module.classes[index].fields.push(field);
        }
    }

    fn at(&self, node: &impl Ranged) -> u32 {
        self.fixed.unwrap_or_else(|| node.start().to_u32())
    }

    fn exprs(&mut self, nodes: &[Node]) -> Vec<Expr> {
        nodes.iter().map(|node| self.expr(node)).collect()
    }

    fn keywords(&mut self, nodes: &[ast::Keyword]) -> Vec<Keyword> {
        nodes
            .iter()
            .map(|node| Keyword {
                at: self.at(node),
                name: node.arg.as_ref().map(|name| name.id.to_string()),
                value: self.expr(&node.value),
            })
            .collect()
    }

    fn expr(&mut self, node: &Node) -> Expr {
        let at = self.at(node);
        if self.depth >= EXPRESSION_DEPTH_MAX {
            return Expr { at, kind: ExprKind::Other };
        }
        self.depth += 1;
        let kind = self.kind(node);
        self.depth -= 1;
        Expr { at, kind }
    }

    fn boxed(&mut self, node: &Node) -> Box<Expr> {
        Box::new(self.expr(node))
    }

    fn kind(&mut self, node: &Node) -> ExprKind {
        match node {
            Node::NoneLiteral(_) => ExprKind::None,
            Node::BooleanLiteral(node) => ExprKind::Bool(node.value),
            Node::EllipsisLiteral(_) => ExprKind::Ellipsis,
            Node::NumberLiteral(node) => number(&node.value),
            Node::StringLiteral(node) => ExprKind::Str(node.value.to_str().to_owned()),
            Node::BytesLiteral(node) => ExprKind::Bytes(node.value.bytes().collect()),
            Node::Name(node) => ExprKind::Name(node.id.to_string()),
            Node::Attribute(node) => ExprKind::Attribute(self.boxed(&node.value), node.attr.id.to_string()),
            Node::Subscript(node) => {
                let value = self.boxed(&node.value);
                match node.slice.as_ref() {
                    Node::Tuple(tuple) => ExprKind::Subscript(value, self.exprs(&tuple.elts)),
                    slice => ExprKind::Subscript(value, vec![self.expr(slice)]),
                }
            }
            Node::Call(node) => ExprKind::Call(Box::new(Call {
                function: self.expr(&node.func),
                arguments: self.exprs(&node.arguments.args),
                keywords: self.keywords(&node.arguments.keywords),
            })),
            Node::List(node) => ExprKind::List(self.exprs(&node.elts)),
            Node::Tuple(node) => ExprKind::Tuple(self.exprs(&node.elts)),
            Node::Set(node) => ExprKind::Set(self.exprs(&node.elts)),
            Node::Dict(node) => ExprKind::Dict(
                node.items
                    .iter()
                    .map(|item| (item.key.as_ref().map(|key| self.expr(key)), self.expr(&item.value)))
                    .collect(),
            ),
            Node::BinOp(node) => match operator(node.op) {
                Some(operator) => ExprKind::Binary(self.boxed(&node.left), operator, self.boxed(&node.right)),
                None => ExprKind::Other,
            },
            Node::UnaryOp(node) if node.op == ast::UnaryOp::USub => {
                ExprKind::Negative(self.boxed(&node.operand))
            }
            Node::Starred(node) => ExprKind::Starred(self.boxed(&node.value)),
            _ => ExprKind::Other,
        }
    }
}

fn operator(operator: ast::Operator) -> Option<Operator> {
    Some(match operator {
        ast::Operator::Add => Operator::Add,
        ast::Operator::Sub => Operator::Subtract,
        ast::Operator::Mult => Operator::Multiply,
        ast::Operator::Div => Operator::Divide,
        ast::Operator::FloorDiv => Operator::FloorDivide,
        ast::Operator::Mod => Operator::Modulo,
        ast::Operator::Pow => Operator::Power,
        ast::Operator::LShift => Operator::ShiftLeft,
        ast::Operator::BitOr => Operator::Or,
        _ => return None,
    })
}

fn number(value: &ast::Number) -> ExprKind {
    match value {
        ast::Number::Int(value) => {
            value.as_i64().map_or_else(|| ExprKind::BigInt(value.to_string()), ExprKind::Int)
        }
        ast::Number::Float(value) => ExprKind::Float(*value),
        ast::Number::Complex { real, imag } => ExprKind::Complex(*real, *imag),
    }
}

fn names_or_calls(node: &Node) -> bool {
    matches!(node, Node::Name(_) | Node::Call(_) | Node::Attribute(_))
}

fn type_parameter_names(node: Option<&ast::TypeParams>) -> Vec<String> {
    let Some(node) = node else { return Vec::new() };
    node.type_params.iter().map(|parameter| parameter.name().id.to_string()).collect()
}

fn docstring(body: &[Stmt]) -> Option<String> {
    match body.first()? {
        Stmt::Expr(statement) => match statement.value.as_ref() {
            Node::StringLiteral(text) => Some(text.value.to_str().to_owned()),
            _ => None,
        },
        _ => None,
    }
}
