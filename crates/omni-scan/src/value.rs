//! A Python value that is known without running Python, and its form in JSON.

use serde_json::{Map, Number, Value as Json};

/// A Python value that is known without running Python.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    None,
    Bool(bool),
    Int(i64),
    /// Decimal digits of an integer beyond 64 bits.
    BigInt(String),
    Float(f64),
    /// Real and imaginary part.
    Complex(f64, f64),
    Str(String),
    Bytes(Vec<u8>),
    List(Vec<Value>),
    Tuple(Vec<Value>),
    Set(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    /// A member of an enumeration of the skill: its value.
    Member(Box<Value>),
    /// An object whose JSON form is this text: a path, a date, a decimal.
    Text(String),
}

pub(crate) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Int(value) => Some(*value as f64),
        Value::Float(value) => Some(*value),
        _ => None,
    }
}

pub(crate) fn distinct(values: Vec<Value>) -> Vec<Value> {
    let mut kept: Vec<Value> = Vec::new();
    for value in values {
        // A thousand distinct members are enough for a default; more cost quadratic time.
        if kept.len() > 1_000 || !kept.contains(&value) {
            kept.push(value);
        }
    }
    kept
}

pub(crate) fn complex(value: &Value) -> Option<(f64, f64)> {
    match value {
        Value::Complex(real, imaginary) => Some((*real, *imaginary)),
        other => number(other).map(|real| (real, 0.0)),
    }
}

/// A complex number as Python writes it, without the brackets.
fn complex_text(real: f64, imaginary: f64) -> Option<String> {
    let part = |value: f64| plain_float(value).map(|text| text.trim_end_matches(".0").to_owned());
    if real == 0.0 && real.is_sign_positive() {
        return Some(format!("{}j", part(imaginary)?));
    }
    let sign = if imaginary.is_sign_negative() { "" } else { "+" };
    Some(format!("{}{sign}{}j", part(real)?, part(imaginary)?))
}

/// A float as Python writes it; `None` where that takes an exponent.
fn plain_float(value: f64) -> Option<String> {
    let size = value.abs();
    (size == 0.0 || (1e-4..1e16).contains(&size)).then(|| format!("{value:?}"))
}

impl Value {
    /// The value as Pydantic writes it into a schema; `None` when JSON has no form for it.
    pub(crate) fn json(&self) -> Option<Json> {
        Some(match self {
            Value::None => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            Value::Int(value) => Json::from(*value),
            // Beyond 64 bits serde_json keeps no exact integer; leaving the value out is the honest choice.
            Value::BigInt(digits) => Json::Number(Number::from(digits.parse::<u64>().ok()?)),
            Value::Float(value) => Json::Number(Number::from_f64(*value)?),
            Value::Complex(real, imaginary) => Json::String(complex_text(*real, *imaginary)?),
            Value::Str(text) | Value::Text(text) => Json::String(text.clone()),
            Value::Bytes(bytes) => Json::String(String::from_utf8(bytes.clone()).ok()?),
            Value::List(items) | Value::Tuple(items) => {
                Json::Array(items.iter().map(Value::json).collect::<Option<_>>()?)
            }
            Value::Set(items) => Json::Array(sorted(items).iter().map(Value::json).collect::<Option<_>>()?),
            Value::Dict(entries) => {
                let mut map = Map::new();
                for (key, value) in entries {
                    map.insert(key.key()?, value.json()?);
                }
                Json::Object(map)
            }
            Value::Member(value) => value.json()?,
        })
    }

    /// The value as a key of a JSON object.
    fn key(&self) -> Option<String> {
        Some(match self {
            Value::Str(text) | Value::Text(text) => text.clone(),
            Value::Int(value) => value.to_string(),
            Value::Bool(value) => value.to_string(),
            Value::Float(value) => plain_float(*value)?,
            Value::None => "None".to_owned(),
            Value::Member(value) => value.key()?,
            _ => return None,
        })
    }

    pub(crate) fn str(&self) -> Option<&str> {
        match self {
            Value::Str(text) => Some(text),
            Value::Member(value) => value.str(),
            _ => None,
        }
    }
}

/// Sets are sorted where Python could sort them, so that a schema does not change with the hash seed.
fn sorted(items: &[Value]) -> Vec<Value> {
    let mut items = items.to_vec();
    if items.iter().all(|item| matches!(item, Value::Str(_))) {
        items.sort_by(|a, b| a.str().cmp(&b.str()));
    } else if items.iter().all(|item| number(item).is_some()) {
        items.sort_by(|a, b| number(a).partial_cmp(&number(b)).unwrap_or(std::cmp::Ordering::Equal));
    }
    items
}
