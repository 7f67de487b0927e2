//! Which type does an annotation name?

use std::collections::HashMap;

use serde_json::json;

use crate::evaluator::Evaluator;
use crate::field::{FieldInfo, Metadata};
use crate::library_types::{ITERABLES, generic_name, object, plain};
use crate::package::{Alias, FileId, Item, Package, last};
use crate::syntax::{Call, Expr, ExprKind, Operator, TypeParameter, parse_annotation};
use crate::type_ir::{DefId, Definition, Shape, TypeIr, TypeKind};
use crate::value::Value;

/// Works out the types of one tool.
pub(crate) struct Types<'p> {
    pub(crate) package: &'p Package,
    pub(crate) definitions: Vec<Definition>,
    known: HashMap<DefinitionKey, DefId>,
    /// What type variables stand for, innermost last.
    pub(crate) variables: Vec<(String, TypeIr)>,
    pub(crate) problems: Vec<Problem>,
    /// Names for type expressions that are being followed, innermost last, with the definition of those that were
    /// met within themselves. Within a definition it begins anew: that one ends the recursion.
    pub(crate) following: Vec<(FileId, String, Option<DefId>)>,
    /// Classes whose bodies are being read, innermost last: their nested classes are in scope.
    pub(crate) within: Vec<(FileId, usize)>,
    fuel: u32,
    depth: u32,
}

/// What a definition is for: a class or alias of a file, and the type arguments it was given.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct DefinitionKey {
    pub(crate) file: FileId,
    pub(crate) what: Named,
    pub(crate) arguments: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Named {
    Class(usize),
    /// A class made by a call, or a `type` statement, by the name it is bound to.
    Bound(String),
}

/// Something about a type that only Python knows.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) file: FileId,
    pub(crate) at: u32,
    pub(crate) message: String,
}

/// Types that one tool may name, those of its classes' fields included. Aliases of aliases could otherwise
/// grow a short text into a huge schema.
const FUEL: u32 = 4_000;

/// Types within types; nobody follows a schema that is deeper.
const DEPTH_MAX: u32 = 40;

impl<'p> Types<'p> {
    pub(crate) fn new(package: &'p Package) -> Self {
        Types {
            package,
            definitions: Vec::new(),
            known: HashMap::new(),
            variables: Vec::new(),
            problems: Vec::new(),
            following: Vec::new(),
            within: Vec::new(),
            fuel: FUEL,
            depth: 0,
        }
    }

    pub(crate) fn problem(&mut self, file: FileId, at: u32, message: String) {
        self.problems.push(Problem { file, at, message });
    }

    pub(crate) fn unknown(&mut self, file: FileId, at: u32, message: String) -> TypeIr {
        self.problem(file, at, message);
        TypeKind::Unknown.into()
    }

    /// What a name stands for, where it stands.
    pub(crate) fn resolve(&self, file: FileId, expr: &Expr) -> Item<'p> {
        if let ExprKind::Name(name) = &expr.kind
            && let Some((at, class)) = self.within.last().filter(|(at, _)| *at == file)
            && let Some((_, nested)) =
                self.package.file(*at).classes[*class].nested.iter().find(|(found, _)| found == name)
        {
            return Item::Class(*at, *nested);
        }
        self.package.resolve(file, expr)
    }

    pub(crate) fn value(&mut self, file: FileId, expr: &Expr) -> Option<Value> {
        Evaluator::new(self.package).value(file, expr)
    }

    /// Makes each type variable of a function or class stand for its bound, or for anything.
    pub(crate) fn declare(&mut self, file: FileId, parameters: &[TypeParameter]) {
        for parameter in parameters {
            let ty = match &parameter.bound {
                Some(bound) => self.annotation(file, bound),
                None => TypeKind::Anything.into(),
            };
            self.variables.push((parameter.name.clone(), ty));
        }
    }

    /// The type that an annotation names. What is not known becomes unconstrained and adds a problem.
    pub(crate) fn annotation(&mut self, file: FileId, expr: &Expr) -> TypeIr {
        if self.fuel == 0 || self.depth >= DEPTH_MAX || self.package.step().is_none() {
            return self.unknown(file, expr.at, "the type is too large to be followed".to_owned());
        }
        self.fuel -= 1;
        self.depth += 1;
        let ty = self.annotation_within(file, expr);
        self.depth -= 1;
        ty
    }

    fn annotation_within(&mut self, file: FileId, expr: &Expr) -> TypeIr {
        match &expr.kind {
            ExprKind::None => TypeKind::None.into(),
            ExprKind::Str(text) => match parse_annotation(text, expr.at) {
                Some(parsed) => self.annotation(file, &parsed),
                None => self.unknown(file, expr.at, format!("`{}` is not a type", shortened(text))),
            },
            ExprKind::Name(name) => {
                if let Some((_, ty)) = self.variables.iter().rev().find(|(found, _)| found == name) {
                    return ty.clone();
                }
                self.named(file, expr)
            }
            ExprKind::Attribute(..) => self.named(file, expr),
            ExprKind::Subscript(base, arguments) => self.generic(file, expr, base, arguments),
            ExprKind::Binary(left, Operator::Or, right) => {
                let choices = vec![self.annotation(file, left), self.annotation(file, right)];
                TypeIr::union(choices)
            }
            ExprKind::Call(call) => self.made(file, expr, call),
            ExprKind::List(_) | ExprKind::Tuple(_) => {
                let message = "a list or tuple of types is not a type".to_owned();
                self.unknown(file, expr.at, message)
            }
            _ => self.unknown(file, expr.at, "this type is worked out when the file runs".to_owned()),
        }
    }

    fn named(&mut self, file: FileId, expr: &Expr) -> TypeIr {
        match self.resolve(file, expr) {
            Item::External(path) if path.starts_with("pydantic") && last(&path) == "JsonValue" => {
                // Pydantic defines it like a `type` statement of its own.
                let key = DefinitionKey {
                    file,
                    what: Named::Bound("pydantic.JsonValue".to_owned()),
                    arguments: String::new(),
                };
                let (id, _) = self.define(key, "JsonValue");
                self.definitions[id].shape = Shape::Alias(TypeIr::any());
                TypeKind::Definition(id).into()
            }
            Item::External(path) => match plain(&path) {
                Some(ty) => ty,
                None => self.unknown(
                    file,
                    expr.at,
                    format!("`{path}` is not a type that can be read from source"),
                ),
            },
            Item::Class(at, class) => self.class(at, class, &[], (file, expr.at)),
            Item::Value(at, value) => self.bound_value(file, expr, at, value),
            Item::TypeAlias(at, alias) => self.alias(at, alias, Vec::new()),
            Item::Function(..) | Item::File(_) => {
                self.unknown(file, expr.at, format!("`{}` is not a type", expr.dotted()))
            }
            Item::Unknown | Item::Unnamed => {
                self.unknown(file, expr.at, format!("`{}` is not known in this file", expr.dotted()))
            }
        }
    }

    /// A name for a type expression: an alias, a `NewType`, a class made by a call.
    fn bound_value(&mut self, file: FileId, expr: &Expr, at: FileId, value: &Expr) -> TypeIr {
        let ExprKind::Call(call) = &value.kind else { return self.plain_alias(&expr.dotted(), at, value) };
        let name = expr.dotted();
        let name = last(&name);
        match self.resolve(at, &call.function) {
            Item::External(path) => match last(&path) {
                "NewType" => match call.arguments.get(1) {
                    Some(inner) => self.annotation(at, inner),
                    None => self.unknown(file, expr.at, format!("`{name}` has no type")),
                },
                "TypeVar" => self.type_variable(at, call),
                "TypeAliasType" => match call.arguments.get(1) {
                    Some(inner) => self.alias(at, Alias { name, parameters: &[], value: inner }, Vec::new()),
                    None => self.unknown(file, expr.at, format!("`{name}` has no type")),
                },
                _ => self.class_call(at, name, last(&path), call, (file, expr.at)),
            },
            _ => self.annotation(at, value),
        }
    }

    /// `Value = Union[int, List["Value"]]`: one that holds itself becomes a definition, any other stands in place.
    fn plain_alias(&mut self, name: &str, at: FileId, value: &Expr) -> TypeIr {
        let name = last(name).to_owned();
        let met = self.following.iter().position(|(file, found, _)| *file == at && *found == name);
        if let Some(index) = met {
            let id = match self.following[index].2 {
                Some(id) => id,
                None => {
                    let key = DefinitionKey {
                        file: at,
                        what: Named::Bound(name.clone()),
                        arguments: String::new(),
                    };
                    self.define(key, &name).0
                }
            };
            self.following[index].2 = Some(id);
            return TypeKind::Definition(id).into();
        }
        let key = DefinitionKey { file: at, what: Named::Bound(name.clone()), arguments: String::new() };
        if let Some(id) = self.known.get(&key) {
            return TypeKind::Definition(*id).into();
        }
        self.following.push((at, name, None));
        let ty = self.annotation(at, value);
        match self.following.pop() {
            Some((_, _, Some(id))) => {
                self.definitions[id].shape = Shape::Alias(ty);
                TypeKind::Definition(id).into()
            }
            _ => ty,
        }
    }

    fn type_variable(&mut self, file: FileId, call: &Call) -> TypeIr {
        if let Some(bound) = call.keyword("bound") {
            return self.annotation(file, bound);
        }
        let choices: Vec<TypeIr> =
            call.arguments.iter().skip(1).map(|choice| self.annotation(file, choice)).collect();
        if choices.is_empty() { TypeKind::Anything.into() } else { TypeIr::union(choices) }
    }

    /// A `type` statement: a definition of its own.
    fn alias(&mut self, file: FileId, alias: Alias<'_>, arguments: Vec<TypeIr>) -> TypeIr {
        let key = DefinitionKey {
            file,
            what: Named::Bound(alias.name.to_owned()),
            arguments: if arguments.is_empty() { String::new() } else { format!("{arguments:?}") },
        };
        let name = if arguments.is_empty() {
            alias.name.to_owned()
        } else {
            let shown: Vec<String> = arguments.iter().map(|argument| self.display(argument)).collect();
            format!("{}[{}]", alias.name, shown.join(","))
        };
        let (id, new) = self.define(key, &name);
        if new {
            let depth = self.variables.len();
            let following = std::mem::take(&mut self.following);
            for (index, name) in alias.parameters.iter().enumerate() {
                let ty = arguments.get(index).cloned().unwrap_or_else(TypeIr::any);
                self.variables.push((name.clone(), ty));
            }
            let ty = self.annotation(file, alias.value);
            self.variables.truncate(depth);
            self.following = following;
            self.definitions[id].shape = Shape::Alias(ty);
        }
        TypeKind::Definition(id).into()
    }

    /// Returns the definition for a key, and whether it is new and has to be worked out.
    pub(crate) fn define(&mut self, key: DefinitionKey, name: &str) -> (DefId, bool) {
        if let Some(id) = self.known.get(&key) {
            return (*id, false);
        }
        let id = self.definitions.len();
        let module = self.package.dotted(key.file);
        self.definitions.push(Definition {
            name: name.to_owned(),
            qualified: format!("{module}.{name}"),
            shape: Shape::Pending,
        });
        self.known.insert(key, id);
        (id, true)
    }

    /// `Base[arguments]`.
    fn generic(&mut self, file: FileId, expr: &Expr, base: &Expr, arguments: &[Expr]) -> TypeIr {
        match self.resolve(file, base) {
            Item::External(path) => self.external_generic(file, expr, &path, arguments),
            Item::Class(at, class) => {
                let arguments: Vec<TypeIr> =
                    arguments.iter().map(|argument| self.annotation(file, argument)).collect();
                self.class(at, class, &arguments, (file, expr.at))
            }
            Item::TypeAlias(at, alias) => {
                let arguments = arguments.iter().map(|argument| self.annotation(file, argument)).collect();
                self.alias(at, alias, arguments)
            }
            // `Pair = tuple[T, T]` used as `Pair[int]`.
            Item::Value(at, value) => {
                let given: Vec<TypeIr> =
                    arguments.iter().map(|argument| self.annotation(file, argument)).collect();
                let mut names = Vec::new();
                self.free_variables(at, value, &mut names, 0);
                if names.is_empty() {
                    return self.unknown(
                        file,
                        expr.at,
                        format!("`{}` takes no type arguments", base.dotted()),
                    );
                }
                let depth = self.variables.len();
                self.variables.extend(names.into_iter().zip(given));
                let ty = self.annotation(at, value);
                self.variables.truncate(depth);
                ty
            }
            _ => self.unknown(file, expr.at, format!("`{}` is not known in this file", base.dotted())),
        }
    }

    fn free_variables(&self, file: FileId, expr: &Expr, names: &mut Vec<String>, depth: u32) {
        if depth > DEPTH_MAX {
            return;
        }
        match &expr.kind {
            ExprKind::Name(name) => {
                if let Item::Value(at, Expr { kind: ExprKind::Call(call), .. }) = self.resolve(file, expr)
                    && let Item::External(path) = self.resolve(at, &call.function)
                    && last(&path) == "TypeVar"
                    && !names.contains(name)
                {
                    names.push(name.clone());
                }
            }
            ExprKind::Subscript(_, arguments) => {
                arguments.iter().for_each(|argument| self.free_variables(file, argument, names, depth + 1));
            }
            ExprKind::Binary(left, _, right) => {
                self.free_variables(file, left, names, depth + 1);
                self.free_variables(file, right, names, depth + 1);
            }
            _ => {}
        }
    }

    fn external_generic(&mut self, file: FileId, expr: &Expr, path: &str, arguments: &[Expr]) -> TypeIr {
        let name = generic_name(path);
        match name {
            "Annotated" => return self.annotated(file, expr, arguments),
            "Literal" => return self.literal(file, expr, arguments),
            "Optional" => {
                let mut choices = self.each(file, arguments);
                choices.push(TypeKind::None.into());
                return TypeIr::union(choices);
            }
            "Union" => {
                let choices = self.each(file, arguments);
                return TypeIr::union(choices);
            }
            "tuple" => return self.tuple(file, expr, arguments),
            _ => {}
        }
        let mut given = self.each(file, arguments).into_iter();
        let mut next = || Box::new(given.next().unwrap_or_else(TypeIr::any));
        let kind = match name {
            "list" | "deque" => TypeKind::List(next()),
            "Sequence" | "MutableSequence" => TypeKind::Sequence(next()),
            name if ITERABLES.contains(&name) => TypeKind::Iterable(next()),
            "set" | "frozenset" | "Set" | "MutableSet" => TypeKind::Set(next()),
            "dict" | "OrderedDict" | "Mapping" | "MutableMapping" | "defaultdict" | "Counter" => {
                let key = next();
                if self.is_no_key(&key) {
                    let shown = arguments.first().map_or_else(String::new, Expr::dotted);
                    let message = format!("JSON's keys are text, which makes no `{shown}`");
                    self.problem(file, expr.at, message);
                }
                match name {
                    "Counter" => TypeKind::Dict(key, Box::new(TypeKind::Int.into())),
                    "dict" | "OrderedDict" => TypeKind::Dict(key, next()),
                    _ => TypeKind::Mapping(key, next()),
                }
            }
            // Says nothing about the value beyond its argument.
            "Required" | "NotRequired" | "ReadOnly" | "Final" | "ClassVar" | "InitVar" | "SkipValidation" => {
                return *next();
            }
            "Json" => TypeKind::JsonText(next()),
            "SerializeAsAny" | "InstanceOf" if name == "SerializeAsAny" => return *next(),
            "Pattern" => TypeKind::Format("regex"),
            "PathLike" => TypeKind::Format("path"),
            "Secret" => {
                TypeKind::Fixed(object(&json!({"type": "string", "format": "password", "writeOnly": true})))
            }
            _ => {
                return self.unknown(
                    file,
                    expr.at,
                    format!("`{path}[…]` is not a type that can be read from source"),
                );
            }
        };
        kind.into()
    }

    /// Whether no text can become a value of this type, so that it cannot be that of JSON's keys.
    fn is_no_key(&self, ty: &TypeIr) -> bool {
        match &ty.kind {
            TypeKind::List(_)
            | TypeKind::Sequence(_)
            | TypeKind::Iterable(_)
            | TypeKind::Set(_)
            | TypeKind::Tuple(_)
            | TypeKind::TupleOf(_)
            | TypeKind::Dict(..)
            | TypeKind::Mapping(..) => true,
            TypeKind::Wrapped(inner) => self.is_no_key(inner),
            TypeKind::Definition(id) => {
                matches!(&self.definitions[*id].shape, Shape::NamedTuple(_))
                    || matches!(&self.definitions[*id].shape, Shape::Object(object) if !object.root)
            }
            _ => false,
        }
    }

    fn each(&mut self, file: FileId, arguments: &[Expr]) -> Vec<TypeIr> {
        arguments.iter().map(|argument| self.annotation(file, argument)).collect()
    }

    fn tuple(&mut self, file: FileId, expr: &Expr, arguments: &[Expr]) -> TypeIr {
        let empty = |argument: &Expr| matches!(&argument.kind, ExprKind::Tuple(items) if items.is_empty());
        match arguments {
            // `tuple[()]`.
            [] => TypeKind::Tuple(Vec::new()).into(),
            [only] if empty(only) => TypeKind::Tuple(Vec::new()).into(),
            [item, Expr { kind: ExprKind::Ellipsis, .. }] => {
                TypeKind::TupleOf(Box::new(self.annotation(file, item))).into()
            }
            _ if arguments
                .iter()
                .any(|item| matches!(item.kind, ExprKind::Ellipsis | ExprKind::Starred(_))) =>
            {
                self.unknown(file, expr.at, "a tuple like this can't be described".to_owned())
            }
            _ => TypeKind::Tuple(self.each(file, arguments)).into(),
        }
    }

    fn literal(&mut self, file: FileId, expr: &Expr, arguments: &[Expr]) -> TypeIr {
        const LITERAL_MAX: usize = 1_000;
        let mut values: Vec<Value> = Vec::new();
        for argument in arguments.iter().take(LITERAL_MAX + 1) {
            let found = match &argument.kind {
                // `Literal[Literal["a"], "b"]`, and an alias for a `Literal`.
                ExprKind::Subscript(..) | ExprKind::Name(_) => match self.annotation(file, argument).kind {
                    TypeKind::Literal(inner) => Some(inner),
                    _ => None,
                },
                _ => self.value(file, argument).map(|value| vec![value]),
            };
            let Some(found) = found else {
                return self.unknown(
                    file,
                    argument.at,
                    "this `Literal` is worked out when the file runs".to_owned(),
                );
            };
            for value in found {
                if !values.contains(&value) {
                    values.push(value);
                }
            }
        }
        if values.len() > LITERAL_MAX {
            return self.unknown(
                file,
                expr.at,
                format!("a `Literal` of more than {LITERAL_MAX} values is not followed"),
            );
        }
        if values.is_empty() {
            return self.unknown(file, expr.at, "an empty `Literal` accepts nothing".to_owned());
        }
        TypeKind::Literal(values).into()
    }

    /// `Annotated` inside another type: its metadata applies right here.
    fn annotated(&mut self, file: FileId, expr: &Expr, arguments: &[Expr]) -> TypeIr {
        let Some((inner, metadata)) = arguments.split_first() else {
            return self.unknown(file, expr.at, "`Annotated` needs a type".to_owned());
        };
        let ty = self.annotation(file, inner);
        let mut info = FieldInfo::default();
        for item in metadata {
            match self.metadata(file, item) {
                Metadata::Field(field) => info.merge(*field),
                Metadata::Text(_) | Metadata::Ignored => {}
                Metadata::Unknown => self.unknown_metadata(file, item),
            }
        }
        self.apply(ty, info)
    }

    pub(crate) fn unknown_metadata(&mut self, file: FileId, item: &Expr) {
        let message = format!("what `{}` does to this type is only known to Python", item.dotted());
        self.problem(file, item.at, message);
    }

    /// Puts metadata on a type: constraints, keywords, then the default.
    pub(crate) fn apply(&mut self, ty: TypeIr, info: FieldInfo) -> TypeIr {
        let mut ty = match &info.discriminator {
            Some(field) => self.discriminate(ty, field),
            None => ty,
        };
        ty = info.constrain(ty);
        ty.updates.extend(info.updates());
        ty.extra.extend(info.extra.clone());
        ty.from_annotated = true;
        self.with_default(ty, &info)
    }

    pub(crate) fn with_default(&self, ty: TypeIr, info: &FieldInfo) -> TypeIr {
        match &info.default {
            None => ty,
            Some(crate::field::Default::Known(value)) => {
                TypeKind::Default(Box::new(ty), Some(value.clone())).into()
            }
            Some(crate::field::Default::Computed) => TypeKind::Default(Box::new(ty), None).into(),
        }
    }

    /// `conint(ge=1)` and its like: a call that makes a type.
    fn made(&mut self, file: FileId, expr: &Expr, call: &Call) -> TypeIr {
        let Item::External(path) = self.resolve(file, &call.function) else {
            return self.unknown(
                file,
                expr.at,
                format!("`{}(…)` is worked out when the file runs", call.function.dotted()),
            );
        };
        let item = call.arguments.first().or_else(|| call.keyword("item_type"));
        let kind = match (last(&path), path.starts_with("pydantic")) {
            ("conint", true) => TypeKind::Int,
            ("confloat", true) => TypeKind::Float,
            ("constr", true) => TypeKind::Str,
            ("conbytes", true) => TypeKind::Bytes,
            ("condecimal", true) => TypeKind::Decimal,
            ("condate", true) => TypeKind::Temporal("date"),
            ("conlist", true) => {
                TypeKind::List(Box::new(item.map_or_else(TypeIr::any, |item| self.annotation(file, item))))
            }
            ("conset" | "confrozenset", true) => {
                TypeKind::Set(Box::new(item.map_or_else(TypeIr::any, |item| self.annotation(file, item))))
            }
            _ => {
                return self.unknown(file, expr.at, format!("`{path}(…)` is worked out when the file runs"));
            }
        };
        let info = self.field_call(
            file,
            &Call { function: call.function.clone(), arguments: Vec::new(), keywords: call.keywords.clone() },
        );
        self.apply(kind.into(), FieldInfo { constraints: info.constraints, ..FieldInfo::default() })
    }
}

fn shortened(text: &str) -> String {
    const SHOWN: usize = 60;
    if text.chars().count() <= SHOWN {
        text.to_owned()
    } else {
        text.chars().take(SHOWN).collect::<String>() + "…"
    }
}
