//! Which Python value does a literal, or a constant named elsewhere, have?
//!
//! A module cycle on purpose: a constant may be a member of an enumeration (`enum_members`) or an object's attribute
//! (`instance`), and the values of both are expressions again. Fuel and depth bound the recursion.

use crate::default_objects::{functional_instance, instance};
use crate::enum_members::enum_members;
use crate::library_values::{constant, made, posix_path};
use crate::package::{FileId, Item, Package};
use crate::syntax::{Call, Expr, ExprKind, Operator};
use crate::value::{Value, complex, distinct, number};

/// Evaluates what can be evaluated; `None` means that only Python knows.
pub(crate) struct Evaluator<'p> {
    package: &'p Package,
    /// Names that shadow the module's: the members above, inside an enumeration's body.
    local: Vec<(String, Value)>,
    fuel: u32,
}

/// Steps for one value. Constants may name constants, so the work is not bounded by the text.
const FUEL: u32 = 20_000;

/// Entries of one dictionary: each is compared with those before it.
const ENTRIES_MAX: usize = 2_000;

/// Longest string or list that an operator may produce.
const PRODUCED_MAX: usize = 100_000;

impl<'p> Evaluator<'p> {
    pub(crate) fn new(package: &'p Package) -> Self {
        Evaluator { package, local: Vec::new(), fuel: FUEL }
    }

    pub(crate) fn package(&self) -> &'p Package {
        self.package
    }

    pub(crate) fn define(&mut self, name: &str, value: Value) {
        self.local.push((name.to_owned(), value));
    }

    pub(crate) fn local(&self, name: &str) -> Option<&Value> {
        self.local.iter().rev().find(|(found, _)| found == name).map(|(_, value)| value)
    }

    pub(crate) fn value(&mut self, file: FileId, expr: &Expr) -> Option<Value> {
        let _level = self.package.level()?;
        self.fuel = self.fuel.checked_sub(1)?;
        let value = self.value_within(file, expr)?;
        // A constant's text is copied wherever it is named.
        if let Value::Str(text) = &value {
            self.fuel = self.fuel.checked_sub(u32::try_from(text.len() / 64).unwrap_or(u32::MAX))?;
        }
        Some(value)
    }

    fn value_within(&mut self, file: FileId, expr: &Expr) -> Option<Value> {
        Some(match &expr.kind {
            ExprKind::None => Value::None,
            ExprKind::Bool(value) => Value::Bool(*value),
            ExprKind::Int(value) => Value::Int(*value),
            ExprKind::BigInt(digits) => Value::BigInt(decimal_digits(digits)?),
            ExprKind::Float(value) => Value::Float(*value),
            ExprKind::Complex(real, imaginary) => Value::Complex(*real, *imaginary),
            ExprKind::Str(text) => Value::Str(text.clone()),
            ExprKind::Bytes(bytes) => Value::Bytes(bytes.clone()),
            ExprKind::List(items) => Value::List(self.values(file, items)?),
            ExprKind::Tuple(items) => Value::Tuple(self.values(file, items)?),
            ExprKind::Set(items) => Value::Set(distinct(self.values(file, items)?)),
            ExprKind::Dict(items) => self.dict(file, items)?,
            ExprKind::Negative(operand) => negative(self.value(file, operand)?)?,
            ExprKind::Binary(left, operator, right) => {
                binary(self.value(file, left)?, *operator, self.value(file, right)?)?
            }
            ExprKind::Name(name) => match self.local(name) {
                Some(value) => value.clone(),
                None => self.named(file, expr)?,
            },
            ExprKind::Attribute(base, name) => self.attribute(file, expr, base, name)?,
            ExprKind::Call(call) => self.call(file, call)?,
            ExprKind::Ellipsis | ExprKind::Subscript(..) | ExprKind::Starred(_) | ExprKind::Other => {
                return None;
            }
        })
    }

    fn values(&mut self, file: FileId, items: &[Expr]) -> Option<Vec<Value>> {
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            match &item.kind {
                ExprKind::Starred(inner) => match self.value(file, inner)? {
                    Value::List(inner) | Value::Tuple(inner) => values.extend(inner),
                    _ => return None,
                },
                _ => values.push(self.value(file, item)?),
            }
            if values.len() > PRODUCED_MAX {
                return None;
            }
        }
        Some(values)
    }

    fn dict(&mut self, file: FileId, items: &[(Option<Expr>, Expr)]) -> Option<Value> {
        let mut entries: Vec<(Value, Value)> = Vec::with_capacity(items.len());
        for (key, value) in items {
            match key {
                Some(key) => {
                    let (key, value) = (self.value(file, key)?, self.value(file, value)?);
                    put(&mut entries, key, value);
                }
                None => match self.value(file, value)? {
                    Value::Dict(inner) => {
                        inner.into_iter().for_each(|(key, value)| put(&mut entries, key, value))
                    }
                    _ => return None,
                },
            }
            if entries.len() > ENTRIES_MAX {
                return None;
            }
        }
        Some(Value::Dict(entries))
    }

    fn named(&mut self, file: FileId, expr: &Expr) -> Option<Value> {
        match self.package.resolve(file, expr) {
            Item::Value(at, value) => {
                let ExprKind::Name(name) = &expr.kind else { return self.value(at, value) };
                // A name bound twice has whichever value ran last; only a lone binding is a constant.
                let constant = self.package.constant(file, name);
                if constant { self.value(at, value) } else { None }
            }
            Item::External(path) => constant(&path),
            _ => None,
        }
    }

    fn attribute(&mut self, file: FileId, expr: &Expr, base: &Expr, name: &str) -> Option<Value> {
        // `Color.RED`, `Color.RED.value`, `Color.RED.name`.
        if let Item::Class(at, class) = self.package.resolve(file, base) {
            let members = enum_members(self.package, at, class)?;
            return members
                .into_iter()
                .find(|(member, _)| member == name)
                .map(|(_, value)| Value::Member(Box::new(value)));
        }
        if let (ExprKind::Attribute(class, member), "value" | "name") = (&base.kind, name)
            && let Item::Class(at, class) = self.package.resolve(file, class)
        {
            let members = enum_members(self.package, at, class)?;
            let (found, value) = members.into_iter().find(|(found, _)| found == member)?;
            return Some(if name == "value" { value } else { Value::Str(found) });
        }
        match self.package.resolve(file, expr) {
            Item::Value(at, value) => self.value(at, value),
            Item::External(path) => constant(&path),
            _ => None,
        }
    }

    /// A call of an enumeration, of a class whose instances are records, or of a constructor of the library.
    fn call(&mut self, file: FileId, call: &Call) -> Option<Value> {
        let maker = self.package.resolve(file, &call.function);
        let arguments = match (&maker, call.arguments.as_slice()) {
            // What makes the missing values is no value itself.
            (Item::External(path), [_, rest @ ..]) if path == "collections.defaultdict" => rest,
            (_, arguments) => arguments,
        };
        let arguments = self.values(file, arguments)?;
        let mut named = Vec::new();
        for keyword in &call.keywords {
            named.push((keyword.name.clone()?, self.value(file, &keyword.value)?));
        }
        if let Item::Class(at, class) = maker {
            if let (Some(members), [value]) = (enum_members(self.package, at, class), arguments.as_slice()) {
                // `Color("red")` finds the member by its value.
                let found = members.into_iter().find(|(_, found)| found == value);
                return found.map(|(_, value)| Value::Member(Box::new(value)));
            }
            return instance(self.package, (at, class), arguments, named);
        }
        if let Item::Value(at, Expr { kind: ExprKind::Call(made), .. }) = maker {
            return functional_instance(self, at, made, arguments, named);
        }
        let Item::External(path) = maker else { return None };
        made(&path, &arguments, &named)
    }
}

fn put(entries: &mut Vec<(Value, Value)>, key: Value, value: Value) {
    match entries.iter_mut().find(|(found, _)| *found == key) {
        Some(entry) => entry.1 = value,
        None => entries.push((key, value)),
    }
}

fn negative(value: Value) -> Option<Value> {
    Some(match value {
        Value::Int(value) => Value::Int(value.checked_neg()?),
        Value::BigInt(digits) => Value::BigInt(format!("-{digits}")),
        Value::Float(value) => Value::Float(-value),
        Value::Complex(real, imaginary) => Value::Complex(-real, -imaginary),
        Value::Bool(value) => Value::Int(-i64::from(value)),
        _ => return None,
    })
}

fn binary(left: Value, operator: Operator, right: Value) -> Option<Value> {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => integers(left, operator, right),
        (Value::Str(left), Value::Str(right)) if operator == Operator::Add => {
            (left.len() + right.len() <= PRODUCED_MAX).then(|| Value::Str(left + &right))
        }
        (Value::Str(text), Value::Int(times)) if operator == Operator::Multiply => {
            let times = usize::try_from(times.max(0)).ok()?;
            (text.len().checked_mul(times)? <= PRODUCED_MAX).then(|| Value::Str(text.repeat(times)))
        }
        (Value::List(mut left), Value::List(right)) if operator == Operator::Add => {
            left.extend(right);
            Some(Value::List(left))
        }
        (Value::Tuple(mut left), Value::Tuple(right)) if operator == Operator::Add => {
            left.extend(right);
            Some(Value::Tuple(left))
        }
        (Value::Set(mut left), Value::Set(right)) if operator == Operator::Or => {
            left.extend(right);
            Some(Value::Set(distinct(left)))
        }
        (Value::Member(left), Value::Member(right)) if operator == Operator::Or => match (*left, *right) {
            (Value::Int(left), Value::Int(right)) => Some(Value::Member(Box::new(Value::Int(left | right)))),
            _ => None,
        },
        (Value::Text(left), Value::Str(right)) if operator == Operator::Divide => {
            let joined = if right.starts_with('/') { right } else { format!("{left}/{right}") };
            Some(Value::Text(posix_path(&joined)))
        }
        (left @ Value::Complex(..), right) | (left, right @ Value::Complex(..)) => {
            let (left, right) = (complex(&left)?, complex(&right)?);
            match operator {
                Operator::Add => Some(Value::Complex(left.0 + right.0, left.1 + right.1)),
                Operator::Subtract => Some(Value::Complex(left.0 - right.0, left.1 - right.1)),
                _ => None,
            }
        }
        (left, right) => floats(number(&left)?, operator, number(&right)?),
    }
}

fn integers(left: i64, operator: Operator, right: i64) -> Option<Value> {
    Some(Value::Int(match operator {
        Operator::Add => left.checked_add(right)?,
        Operator::Subtract => left.checked_sub(right)?,
        Operator::Multiply => left.checked_mul(right)?,
        Operator::FloorDivide => {
            let quotient = left.checked_div(right)?;
            quotient - i64::from(left % right != 0 && (left < 0) != (right < 0))
        }
        Operator::Modulo => {
            let rest = left.checked_rem(right)?;
            if rest != 0 && (rest < 0) != (right < 0) { rest + right } else { rest }
        }
        Operator::Power => left.checked_pow(u32::try_from(right).ok()?)?,
        Operator::ShiftLeft => {
            let bits = u32::try_from(right).ok().filter(|bits| *bits < 63)?;
            left.checked_mul(1_i64 << bits)?
        }
        Operator::Or => left | right,
        Operator::Divide => return floats(left as f64, operator, right as f64),
    }))
}

fn floats(left: f64, operator: Operator, right: f64) -> Option<Value> {
    let result = match operator {
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        Operator::Divide if right != 0.0 => left / right,
        Operator::Power => left.powf(right),
        _ => return None,
    };
    result.is_finite().then_some(Value::Float(result))
}

/// The token of an integer beyond 64 bits, in base ten; other bases are left to Python.
fn decimal_digits(token: &str) -> Option<String> {
    let digits: String = token.chars().filter(|c| *c != '_').collect();
    digits.bytes().all(|byte| byte.is_ascii_digit()).then_some(digits)
}
