//! What is the JSON form of an object that a default constructs?
//!
//! A module cycle on purpose: an object's members are values of expressions (`evaluator`), which may be members of
//! objects.

use crate::class_kind::{ClassKind, MEMBERS_MAX, class_kind};
use crate::evaluator::Evaluator;
use crate::package::{FileId, Item, Package, last};
use crate::syntax::{Call, Expr, ExprKind};
use crate::value::Value;

/// The JSON form of an instance of a named tuple or plain dataclass of the skill: `Point(1, y=2)`.
pub(crate) fn instance(
    package: &Package,
    (file, index): (FileId, usize),
    positional: Vec<Value>,
    mut named: Vec<(String, Value)>,
) -> Option<Value> {
    let _level = package.level()?;
    let kind = class_kind(package, file, index);
    let class = &package.file(file).classes[index];
    // What `__init__` or a base class adds is not followed.
    let own = class
        .methods
        .iter()
        .any(|method| matches!(method.name.as_str(), "__init__" | "__post_init__" | "__new__"));
    if !matches!(kind, ClassKind::NamedTuple | ClassKind::Dataclass)
        || own
        || class.fields.len() > MEMBERS_MAX
    {
        return None;
    }
    if kind == ClassKind::Dataclass && !class.bases.is_empty() {
        return None;
    }
    let mut positional = positional.into_iter();
    let mut values = Vec::new();
    for field in class.fields.iter().filter(|field| field.annotation.is_some()) {
        let given = named.iter().position(|(name, _)| *name == field.name).map(|at| named.swap_remove(at).1);
        let value = match given.or_else(|| positional.next()) {
            Some(value) => value,
            None => field_default(package, file, field.value.as_ref()?)?,
        };
        values.push((Value::Str(field.name.clone()), value));
    }
    if positional.next().is_some() || !named.is_empty() {
        return None;
    }
    Some(match kind {
        ClassKind::NamedTuple => Value::Tuple(values.into_iter().map(|(_, value)| value).collect()),
        _ => Value::Dict(values),
    })
}

/// The JSON form of what is made by a class, or a name for a type, that a call made: `Point(1, y=2)` where
/// `Point = namedtuple("Point", "x y")`, `UserId(1)` where `UserId = NewType("UserId", int)`.
pub(crate) fn functional_instance(
    evaluator: &mut Evaluator<'_>,
    file: FileId,
    made: &Call,
    positional: Vec<Value>,
    mut named: Vec<(String, Value)>,
) -> Option<Value> {
    let Item::External(path) = evaluator.package().resolve(file, &made.function) else { return None };
    match last(&path) {
        "NewType" if named.is_empty() => {
            let mut positional = positional.into_iter();
            positional.next().filter(|_| positional.next().is_none())
        }
        // With `defaults=` or `rename=` the fields are not as listed.
        "NamedTuple" | "namedtuple" if made.keywords.is_empty() => {
            let names = field_names(evaluator, file, made.arguments.get(1)?)?;
            let mut positional = positional.into_iter();
            let values = names.iter().map(|name| {
                let given = named.iter().position(|(found, _)| found == name);
                given.map(|at| named.swap_remove(at).1).or_else(|| positional.next())
            });
            let values: Vec<Value> = values.collect::<Option<_>>()?;
            (positional.next().is_none() && named.is_empty()).then_some(Value::Tuple(values))
        }
        _ => None,
    }
}

/// `"x y"`, `["x", "y"]` or `[("x", int), ("y", int)]`.
fn field_names(evaluator: &mut Evaluator<'_>, file: FileId, fields: &Expr) -> Option<Vec<String>> {
    if let ExprKind::List(items) | ExprKind::Tuple(items) = &fields.kind
        && !items.is_empty()
        && items.iter().all(|item| matches!(item.kind, ExprKind::Tuple(_)))
    {
        let name = |item: &Expr| match &item.kind {
            ExprKind::Tuple(pair) => match &pair.first()?.kind {
                ExprKind::Str(name) => Some(name.clone()),
                _ => None,
            },
            _ => None,
        };
        return items.iter().map(name).collect();
    }
    match evaluator.value(file, fields)? {
        Value::Str(names) => {
            Some(names.split([',', ' ']).filter(|name| !name.is_empty()).map(str::to_owned).collect())
        }
        Value::List(names) | Value::Tuple(names) => {
            names.iter().map(|name| name.str().map(str::to_owned)).collect()
        }
        _ => None,
    }
}

/// The default of a dataclass's field: a value, `field(default=…)` or `field(default_factory=list)`.
fn field_default(package: &Package, file: FileId, expr: &Expr) -> Option<Value> {
    if let ExprKind::Call(call) = &expr.kind
        && matches!(package.resolve(file, &call.function), Item::External(path) if path == "dataclasses.field")
    {
        if let Some(default) = call.keyword("default") {
            return Evaluator::new(package).value(file, default);
        }
        return match package.resolve(file, call.keyword("default_factory")?) {
            Item::External(path) if path == "builtins.list" => Some(Value::List(Vec::new())),
            Item::External(path) if path == "builtins.dict" => Some(Value::Dict(Vec::new())),
            _ => None,
        };
    }
    Evaluator::new(package).value(file, expr)
}
