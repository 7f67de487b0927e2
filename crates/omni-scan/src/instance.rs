//! What is the JSON form of an object that a default constructs?

use crate::classes::{Family, MEMBERS_MAX, family};
use crate::package::{FileId, Item, Package};
use crate::syntax::{Expr, ExprKind};
use crate::value::{Evaluator, Value};

/// The JSON form of an instance of a named tuple or plain dataclass of the skill: `Point(1, y=2)`.
pub(crate) fn instance(
    package: &Package,
    (file, index): (FileId, usize),
    positional: Vec<Value>,
    mut named: Vec<(String, Value)>,
) -> Option<Value> {
    let _level = package.level()?;
    let kind = family(package, file, index);
    let class = &package.file(file).classes[index];
    // What `__init__` or a base class adds is not followed.
    let own = class
        .methods
        .iter()
        .any(|method| matches!(method.name.as_str(), "__init__" | "__post_init__" | "__new__"));
    if !matches!(kind, Family::NamedTuple | Family::Dataclass) || own || class.fields.len() > MEMBERS_MAX {
        return None;
    }
    if kind == Family::Dataclass && !class.bases.is_empty() {
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
        Family::NamedTuple => Value::Tuple(values.into_iter().map(|(_, value)| value).collect()),
        _ => Value::Dict(values),
    })
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
