//! Arguments that are texts, as those of a prompt and the variables of a URI, read as what their schema asks for.
//!
//! What a call gets is what its client sent: the function's own types decide there. This is for the check alone, so that
//! `"3"` is a number where a number is asked for, and `"three"` a fault.

use serde_json::{Map, Value};

use crate::strict_json;

/// References to definitions that are followed at most.
const STEPS_MAX: u32 = 16;

/// The arguments as the schema has them, as JSON; `None` where they are no object, or where every text is meant as one.
pub(crate) fn read(schema: &str, raw: &[u8]) -> Option<Vec<u8>> {
    let schema: Value = serde_json::from_str(schema).ok()?;
    // What readers disagree about is a fault that only the text as it was sent shows.
    let Ok(Value::Object(arguments)) = strict_json::parse(raw) else { return None };
    let properties = schema.get("properties").and_then(Value::as_object)?;
    let mut changed = false;
    let mut read = Map::with_capacity(arguments.len());
    for (name, value) in &arguments {
        let meant = match (value, properties.get(name)) {
            (Value::String(text), Some(property)) if !takes_text(&schema, property, STEPS_MAX) => meant(text),
            _ => None,
        };
        changed |= meant.is_some();
        read.insert(name.clone(), meant.unwrap_or_else(|| value.clone()));
    }
    changed.then(|| serde_json::to_vec(&read).ok()).flatten()
}

/// What a text means where no text is asked for.
fn meant(text: &str) -> Option<Value> {
    let text = text.trim();
    let lower = text.to_ascii_lowercase();
    match lower.as_str() {
        "true" | "yes" | "on" => Some(Value::Bool(true)),
        "false" | "no" | "off" => Some(Value::Bool(false)),
        "none" => Some(Value::Null),
        _ => serde_json::from_str(text).ok(),
    }
}

/// Whether a schema takes some text as it is.
fn takes_text(root: &Value, schema: &Value, steps: u32) -> bool {
    // What goes too deep is checked as it was sent.
    let Some(steps) = steps.checked_sub(1) else { return true };
    let Value::Object(members) = schema else { return schema != &Value::Bool(false) };
    if let Some(path) = members.get("$ref").and_then(Value::as_str) {
        let definition = path.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        return definition.is_none_or(|definition| takes_text(root, definition, steps));
    }
    if let Some(values) = members.get("enum").and_then(Value::as_array) {
        return values.iter().any(Value::is_string);
    }
    if let Some(value) = members.get("const") {
        return value.is_string();
    }
    if let Some(variants) = members.get("anyOf").or_else(|| members.get("oneOf")).and_then(Value::as_array) {
        return variants.iter().any(|variant| takes_text(root, variant, steps));
    }
    if let Some(parts) = members.get("allOf").and_then(Value::as_array) {
        return parts.iter().all(|part| takes_text(root, part, steps));
    }
    match members.get("type") {
        None => true,
        Some(Value::Array(types)) => types.iter().any(|one| one == "string"),
        Some(one) => one == "string",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn meaning(property: &Value, text: &str) -> Value {
        let schema = json!({"properties": {"a": property}, "$defs": {"N": {"type": "integer"}}}).to_string();
        let raw = json!({"a": text}).to_string();
        let read = read(&schema, raw.as_bytes()).unwrap_or(raw.into_bytes());
        serde_json::from_slice::<Value>(&read).unwrap()["a"].clone()
    }

    #[test]
    fn a_text_is_read_as_what_is_asked_for() {
        for (property, text, value) in [
            (json!({"type": "integer"}), "3", json!(3)),
            (json!({"type": "integer"}), "three", json!("three")),
            (json!({"type": "number"}), " 1e3 ", json!(1e3)),
            (json!({"type": "boolean"}), "Yes", json!(true)),
            (json!({"type": "boolean"}), "false", json!(false)),
            (json!({"type": "array"}), "[1, 2]", json!([1, 2])),
            (json!({"$ref": "#/$defs/N"}), "7", json!(7)),
            (json!({"enum": [1, 2]}), "2", json!(2)),
            (json!({"anyOf": [{"type": "integer"}, {"type": "null"}]}), "None", json!(null)),
            (json!({"type": "string"}), "3", json!("3")),
            (json!({"enum": ["1", "2"]}), "2", json!("2")),
            (json!({"anyOf": [{"type": "integer"}, {"type": "string"}]}), "3", json!("3")),
            (json!({}), "true", json!("true")),
        ] {
            assert_eq!(meaning(&property, text), value, "{property} {text}");
        }
    }
}
