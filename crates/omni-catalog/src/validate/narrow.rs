//! Where a value that is too large to be explained whole breaks its schema.
//!
//! The validator lists every fault of a value, and for alternatives every fault of each of them: with a recursive
//! schema that grows by the power of the depth, and a megabyte of small items takes a gigabyte. So a large value is
//! only *judged* by the validator, which is linear, and this module goes down from member to member to parts that are
//! small enough to be explained.

use std::collections::HashMap;
use std::sync::Arc;

use jsonschema::Validator;
use serde_json::{Map, Value};

use super::compile::compile;
use super::explain::explain;
use super::fault::{ArgumentFault, CheckedValue, FAULTS_SHOWN_MAX, escaped};

/// What explaining a value may cost; a small value without alternatives costs one. In time some 2 ms.
pub(super) const COST_MAX: usize = 2000;

/// Steps from member to member. Each looks through all that is below it.
const STEPS_MAX: usize = 12;

/// Alternatives within alternatives are counted so deep.
const NESTING_MAX: usize = 6;

/// How many containers' schemas may have to be tried in one place of a value.
pub(super) fn width(schema: &Value) -> usize {
    fn walk(root: &Value, schema: &Value) -> usize {
        let below = match schema {
            Value::Object(members) => members.values().map(|member| walk(root, member)).max(),
            Value::Array(items) => items.iter().map(|item| walk(root, item)).max(),
            _ => None,
        };
        below.unwrap_or(1).max(alternatives(root, schema, 0))
    }
    walk(schema, schema)
}

fn alternatives(root: &Value, schema: &Value, nesting: usize) -> usize {
    let Some(object) = schema.as_object() else { return 0 };
    if nesting > NESTING_MAX {
        return 1;
    }
    let count = |one: &Value| alternatives(root, one, nesting + 1);
    let lists = ["anyOf", "oneOf", "allOf"].iter().filter_map(|keyword| object.get(*keyword)?.as_array());
    let single = ["if", "then", "else", "not"].iter().filter_map(|keyword| object.get(*keyword));
    let reference = object.get("$ref").and_then(|target| target_of(root, target));
    let applied: usize = lists.flatten().chain(single).chain(reference).map(count).sum();
    let scalar =
        object.get("type").and_then(Value::as_str).is_some_and(|name| !matches!(name, "object" | "array"));
    applied.max(usize::from(!scalar))
}

fn target_of<'a>(root: &'a Value, reference: &Value) -> Option<&'a Value> {
    root.pointer(reference.as_str()?.strip_prefix('#')?)
}

/// Takes what explaining `value` costs at most from `left`; false when that is not enough.
pub(super) fn affordable(value: &Value, width: usize, left: &mut usize) -> bool {
    spend(value, width.max(1), 1, left)
}

fn spend(value: &Value, width: usize, weight: usize, left: &mut usize) -> bool {
    let bytes = value.as_str().map_or(0, str::len);
    let Some(rest) = left.checked_sub(weight.saturating_mul(1 + bytes / 256)) else { return false };
    *left = rest;
    let weight = weight.saturating_mul(width);
    match value {
        Value::Array(items) => items.iter().all(|item| spend(item, width, weight, left)),
        Value::Object(members) => members.values().all(|member| spend(member, width, weight, left)),
        _ => true,
    }
}

/// The first faults of a value that does not fit `root`.
pub(super) fn first_faults(
    root: &Value,
    value: &Value,
    kind: CheckedValue,
    width: usize,
) -> Vec<ArgumentFault> {
    let mut search = Search { root, width, left: COST_MAX, faults: Vec::new(), ready: HashMap::new() };
    search.visit(root, value, String::new(), kind, STEPS_MAX);
    search.faults
}

struct Search<'a> {
    root: &'a Value,
    width: usize,
    /// What may still be spent on explaining.
    left: usize,
    faults: Vec<ArgumentFault>,
    /// The parts of the schema met so far, by where they lie, each able to stand alone. `None` does not compile so.
    ready: HashMap<*const Value, Option<Arc<(Value, Validator)>>>,
}

impl<'a> Search<'a> {
    fn is_over(&self) -> bool {
        self.faults.len() >= FAULTS_SHOWN_MAX
    }

    fn push(&mut self, pointer: String, rule: &str, message: String) {
        self.faults.push(ArgumentFault { pointer, rule: rule.to_owned(), message });
    }

    /// A part of the schema, with the definitions that it may refer to.
    fn ready(&mut self, schema: &'a Value) -> Option<Arc<(Value, Validator)>> {
        let root = self.root;
        let made = self.ready.entry(std::ptr::from_ref(schema)).or_insert_with(|| {
            let mut alone = schema.clone();
            if let Value::Object(members) = &mut alone {
                for keyword in ["$defs", "definitions", "$schema"] {
                    if let Some(value) = root.get(keyword) {
                        members.entry(keyword).or_insert_with(|| value.clone());
                    }
                }
            }
            let validator = compile(&alone).ok()?;
            Some(Arc::new((alone, validator)))
        });
        made.clone()
    }

    /// Goes on with a part of the value when it breaks a part of the schema.
    fn look(&mut self, schema: &'a Value, value: &Value, pointer: impl Fn() -> String, steps: usize) {
        if self.ready(schema).is_some_and(|ready| !ready.1.is_valid(value)) {
            self.visit(schema, value, pointer(), CheckedValue::Output, steps - 1);
        }
    }

    /// Finds out in what `value` breaks `schema`, which it does.
    fn visit(&mut self, schema: &'a Value, value: &Value, pointer: String, kind: CheckedValue, steps: usize) {
        let before = self.faults.len();
        let scalar = !(value.is_array() || value.is_object());
        let mut left = self.left;
        if (scalar || affordable(value, self.width, &mut left))
            && let Some(ready) = self.ready(schema)
        {
            self.left = left;
            for mut fault in explain(&ready.1, &ready.0, value, kind) {
                fault.pointer.insert_str(0, &pointer);
                self.faults.push(fault);
            }
        } else if steps > 0 {
            match value {
                Value::Object(members) => self.members(schema, members, &pointer, kind, steps),
                Value::Array(items) => self.items(schema, items, &pointer, steps),
                _ => {}
            }
            if self.faults.len() == before
                && let Some(meant) = self.meant(schema, value)
            {
                self.visit(meant, value, pointer.clone(), kind, steps - 1);
            }
        }
        if self.faults.len() == before {
            let message = "does not fit, and is too large or too deep to say in what".to_owned();
            self.push(pointer, "schema", message);
        }
    }

    fn members(
        &mut self,
        schema: &'a Value,
        members: &Map<String, Value>,
        pointer: &str,
        kind: CheckedValue,
        steps: usize,
    ) {
        let place = |name: &str| format!("{pointer}/{}", escaped(name));
        for name in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
            let name = name.as_str().unwrap_or_default();
            if !members.contains_key(name) && !self.is_over() {
                self.push(place(name), "required", "required, but missing".to_owned());
            }
        }
        let properties = schema.get("properties").and_then(Value::as_object);
        // Which names the others are then takes more than a look.
        let others = schema.get("additionalProperties").filter(|_| schema.get("patternProperties").is_none());
        for (name, member) in members {
            if self.is_over() {
                return;
            }
            match properties.and_then(|properties| properties.get(name)).or(others) {
                Some(Value::Bool(false)) => {
                    let what = if kind == CheckedValue::Arguments { "argument" } else { "property" };
                    let name = name.chars().take(128).collect::<String>();
                    self.push(place(&name), "additionalProperties", format!("unknown {what}"));
                }
                Some(schema) => self.look(schema, member, || place(name), steps),
                None => {}
            }
        }
    }

    fn items(&mut self, schema: &'a Value, items: &[Value], pointer: &str, steps: usize) {
        let first =
            schema.get("prefixItems").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let rest = schema.get("items");
        for (index, item) in items.iter().enumerate() {
            if self.is_over() {
                return;
            }
            let Some(schema) = first.get(index).or(rest) else { return };
            self.look(schema, item, || format!("{pointer}/{index}"), steps);
        }
    }

    /// The one schema that stands for `schema` with this value: what it refers to, or the only alternative of the
    /// value's type and tag.
    fn meant(&self, schema: &'a Value, value: &Value) -> Option<&'a Value> {
        if let Some(reference) = schema.get("$ref") {
            return target_of(self.root, reference);
        }
        let list = schema.get("anyOf").or_else(|| schema.get("oneOf"))?.as_array()?;
        let mut fitting = list.iter().filter(|one| self.may_be_meant(one, value));
        fitting.next().filter(|_| fitting.next().is_none())
    }

    fn may_be_meant(&self, schema: &'a Value, value: &Value) -> bool {
        let schema =
            schema.get("$ref").and_then(|reference| target_of(self.root, reference)).unwrap_or(schema);
        if let Some(name) = schema.get("type").and_then(Value::as_str) {
            let same = match value {
                Value::Object(_) => name == "object",
                Value::Array(_) => name == "array",
                _ => true,
            };
            if !same {
                return false;
            }
        }
        let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
        let mut tags =
            properties.filter_map(|(name, property)| Some((property.get("const")?, value.get(name)?)));
        tags.all(|(tag, found)| tag == found)
    }
}
