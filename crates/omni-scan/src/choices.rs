//! Which values can an argument have, as a client writes them?

use serde_json::Value;

/// References to definitions that are followed at most.
pub(crate) const STEPS_MAX: u32 = 16;

/// The values that a property of an object's schema may have, as text: the members of its `enum` or `const`, `true` and
/// `false` for a boolean, those of all its variants for a union. Empty when another value may be given.
///
/// `null` is no value that a client could write, so a variant that is only that adds nothing.
pub fn choices(schema: &Value, property: &str) -> Vec<String> {
    let mut found = Vec::new();
    let property = schema.get("properties").and_then(|properties| properties.get(property));
    match property {
        Some(property) if gather(schema, property, &mut found, STEPS_MAX) => found,
        _ => Vec::new(),
    }
}

/// Adds what a schema lists; `false` when it allows more than it lists.
fn gather(root: &Value, schema: &Value, found: &mut Vec<String>, steps: u32) -> bool {
    let Some(steps) = steps.checked_sub(1) else { return false };
    if let Some(definition) = definition(root, schema) {
        return definition.is_some_and(|definition| gather(root, definition, found, steps));
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return values.iter().all(|value| add(value, found));
    }
    if let Some(value) = schema.get("const") {
        return add(value, found);
    }
    if let Some(variants) = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array) {
        return variants.iter().all(|variant| gather(root, variant, found, steps));
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("boolean") => ["true", "false"].iter().all(|word| add(&Value::from(*word), found)),
        Some("null") => true,
        _ => false,
    }
}

/// What a schema that is a reference leads to: a definition of `root`, or nothing. `None` for one that is no reference.
pub(crate) fn definition<'a>(root: &'a Value, schema: &Value) -> Option<Option<&'a Value>> {
    let name = schema.get("$ref").and_then(Value::as_str)?.strip_prefix("#/$defs/")?;
    Some(root.get("$defs").and_then(|definitions| definitions.get(name)))
}

fn add(value: &Value, found: &mut Vec<String>) -> bool {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Null => return true,
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(_) | Value::Object(_) => return false,
    };
    if !found.contains(&text) {
        found.push(text);
    }
    true
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_property_lists_are_its_choices_and_no_more() {
        let schema = json!({
            "type": "object",
            "properties": {
                "words": {"enum": ["a", "b"]},
                "one": {"const": 3},
                "flag": {"type": "boolean"},
                "maybe": {"anyOf": [{"$ref": "#/$defs/Level"}, {"type": "null"}]},
                "open": {"anyOf": [{"enum": ["a"]}, {"type": "string"}]},
                "loop": {"$ref": "#/$defs/Loop"},
                "any": {}
            },
            "$defs": {"Level": {"enum": ["low", "high"]}, "Loop": {"$ref": "#/$defs/Loop"}}
        });
        let of = |name| choices(&schema, name);
        assert_eq!(of("words"), ["a", "b"]);
        assert_eq!(of("one"), ["3"]);
        assert_eq!(of("flag"), ["true", "false"]);
        assert_eq!(of("maybe"), ["low", "high"]);
        for name in ["open", "loop", "any", "missing"] {
            assert_eq!(of(name), [""; 0], "{name}");
        }
    }
}
