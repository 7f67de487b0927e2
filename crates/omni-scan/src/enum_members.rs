//! Which members does an enumeration have, and which values?
//!
//! A module cycle on purpose: a member's value is an expression (`evaluator`), which may name members of enumerations.

use crate::class_kind::{AutoValue, ClassKind, MEMBERS_MAX, class_kind};
use crate::evaluator::Evaluator;
use crate::package::{FileId, Item, Package};
use crate::syntax::{Expr, ExprKind, Field, Function};
use crate::value::Value;

/// The members of an enumeration in order, aliases included; `None` when only Python knows them.
pub(crate) fn enum_members(package: &Package, file: FileId, index: usize) -> Option<Vec<(String, Value)>> {
    let _level = package.level()?;
    let ClassKind::Enum(automatic) = class_kind(package, file, index) else { return None };
    let class = &package.file(file).classes[index];
    let makes_values =
        |method: &Function| matches!(method.name.as_str(), "__new__" | "__init__" | "_generate_next_value_");
    if class.methods.iter().any(makes_values) || class.fields.len() > MEMBERS_MAX {
        return None;
    }
    let mut evaluator = Evaluator::new(package);
    let mut members: Vec<(String, Value)> = Vec::new();
    for field in &class.fields {
        let (Some(expr), None) = (&field.value, &field.annotation) else { continue };
        // `_name_` is reserved and `__name` private; `_name` is a member like any other.
        if field.name.starts_with("__") || field.name.starts_with('_') && field.name.ends_with('_') {
            continue;
        }
        let value = member_value(package, file, &mut evaluator, &members, field, expr, automatic)?;
        evaluator.define(&field.name, value.clone());
        members.push((field.name.clone(), value));
    }
    Some(members)
}

fn member_value(
    package: &Package,
    file: FileId,
    evaluator: &mut Evaluator<'_>,
    members: &[(String, Value)],
    field: &Field,
    expr: &Expr,
    automatic: AutoValue,
) -> Option<Value> {
    if let ExprKind::Call(call) = &expr.kind
        && let Item::External(path) = package.resolve(file, &call.function)
        && path == "enum.auto"
    {
        return automatic_value(members, &field.name, automatic);
    }
    match evaluator.value(file, expr)? {
        Value::Member(value) => Some(*value),
        value => Some(value),
    }
}

fn automatic_value(members: &[(String, Value)], name: &str, automatic: AutoValue) -> Option<Value> {
    let integers = members.iter().filter_map(|(_, value)| match value {
        Value::Int(value) => Some(*value),
        _ => None,
    });
    match automatic {
        AutoValue::LowerName => Some(Value::Str(name.to_lowercase())),
        AutoValue::Count => integers.max().unwrap_or(0).checked_add(1).map(Value::Int),
        AutoValue::Power => match integers.max().filter(|highest| *highest > 0) {
            None => Some(Value::Int(1)),
            Some(highest) => 1_i64.checked_shl(64 - highest.leading_zeros()).map(Value::Int),
        },
    }
}

/// Values of an enumeration made by a call: names alone, or pairs of name and value.
pub(crate) fn enum_values(contents: &Value, automatic: AutoValue) -> Option<Vec<Value>> {
    let names = |names: &[&str]| {
        let mut members: Vec<(String, Value)> = Vec::new();
        for name in names {
            let value = automatic_value(&members, name, automatic)?;
            members.push(((*name).to_owned(), value));
        }
        Some(members.into_iter().map(|(_, value)| value).collect())
    };
    match contents {
        Value::Str(text) => {
            names(&text.split([',', ' ']).filter(|name| !name.is_empty()).collect::<Vec<_>>())
        }
        Value::List(items) | Value::Tuple(items) => {
            if let Some(texts) = items.iter().map(Value::str).collect::<Option<Vec<_>>>() {
                return names(&texts);
            }
            items
                .iter()
                .map(|item| match item {
                    Value::Tuple(pair) | Value::List(pair) if pair.len() == 2 => Some(pair[1].clone()),
                    _ => None,
                })
                .collect()
        }
        Value::Dict(entries) => Some(entries.iter().map(|(_, value)| value.clone()).collect()),
        _ => None,
    }
}
