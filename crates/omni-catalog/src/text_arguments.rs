//! Arguments that are texts, as those of a prompt and the variables of a URI, read as what their schema asks for.
//!
//! A text is taken as it is where the schema takes it so, and else as what it stands for: a number, `true`, `null`, JSON. An
//! empty one where no text is meant is an argument that was not given: forms send all their fields.
//!
//! What a call gets is what its client sent: the function's own types decide there, by the same rule (`python/src/omni/convert.py`).
//! This is for the check alone, so that `"3"` is a number where a number is asked for, and `"three"` a fault.

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
            (Value::String(text), Some(property)) => meant(&schema, name, property, text),
            _ => Meant::AsItIs,
        };
        changed |= !matches!(meant, Meant::AsItIs);
        match meant {
            Meant::AsItIs => drop(read.insert(name.clone(), value.clone())),
            Meant::Value(value) => drop(read.insert(name.clone(), value)),
            Meant::NotGiven => {}
        }
    }
    changed.then(|| serde_json::to_vec(&read).ok()).flatten()
}

/// What to write for an argument, in words for whoever wrote something else; `None` where what is expected says it.
pub(crate) fn how_to_write(schema: &str, name: &str) -> Option<&'static str> {
    let root: Value = serde_json::from_str(schema).ok()?;
    let property = root.get("properties")?.get(name)?;
    let takes = |value| accepts(&root, property, &value, Exactness::Type, STEPS_MAX);
    if takes(Value::String("\u{0}".to_owned())) {
        return None;
    }
    [
        (Value::Bool(true), "write `true` or `false`"),
        (Value::Array(Vec::new()), r#"write JSON, such as `["a", "b"]`"#),
        (Value::Object(Map::new()), r#"write JSON, such as `{"key": "value"}`"#),
    ]
    .into_iter()
    .find_map(|(value, how)| takes(value).then_some(how))
}

enum Meant {
    AsItIs,
    Value(Value),
    NotGiven,
}

fn meant(root: &Value, name: &str, property: &Value, text: &str) -> Meant {
    let takes = |value: &Value, exactness| accepts(root, property, value, exactness, STEPS_MAX);
    // What is meant as text may look like a number.
    if takes(&Value::String(text.to_owned()), Exactness::Value) {
        return Meant::AsItIs;
    }
    let required = root.get("required").and_then(Value::as_array);
    let is_required = required.is_some_and(|required| required.iter().any(|one| one == name));
    if text.trim().is_empty() && !is_required {
        return Meant::NotGiven;
    }
    let meanings = meanings(text);
    let find = |exactness| meanings.iter().find(|value| takes(value, exactness)).cloned();
    // A number that is not among those that there are is still no text.
    find(Exactness::Value).or_else(|| find(Exactness::Type)).map_or(Meant::AsItIs, Meant::Value)
}

/// What a text may stand for where no text is meant, the likeliest first.
fn meanings(text: &str) -> Vec<Value> {
    let text = text.trim();
    let json = serde_json::from_str(text).ok();
    let word = match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(Value::Bool(true)),
        "false" | "no" | "off" | "0" => Some(Value::Bool(false)),
        "none" | "null" | "" => Some(Value::Null),
        _ => None,
    };
    json.into_iter().chain(word).collect()
}

/// How much of a schema counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Exactness {
    /// That the value is among those which it lists, too.
    Value,
    Type,
}

/// Whether a schema takes a value by its type, or by the values that it lists. All else is for the check to say.
fn accepts(root: &Value, schema: &Value, value: &Value, exactness: Exactness, steps: u32) -> bool {
    // What goes too deep is checked as it was sent.
    let Some(steps) = steps.checked_sub(1) else { return value.is_string() };
    let Value::Object(members) = schema else { return schema != &Value::Bool(false) };
    let by = |schema: &Value| accepts(root, schema, value, exactness, steps);
    if let Some(path) = members.get("$ref").and_then(Value::as_str) {
        let definition = path.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        return definition.map_or(value.is_string(), by);
    }
    let is_listed = |listed: &Value| match exactness {
        Exactness::Value => listed == value,
        Exactness::Type => std::mem::discriminant(listed) == std::mem::discriminant(value),
    };
    if let Some(values) = members.get("enum").and_then(Value::as_array) {
        return values.iter().any(is_listed);
    }
    if let Some(listed) = members.get("const") {
        return is_listed(listed);
    }
    if let Some(variants) = members.get("anyOf").or_else(|| members.get("oneOf")).and_then(Value::as_array) {
        return variants.iter().any(by);
    }
    if let Some(parts) = members.get("allOf").and_then(Value::as_array) {
        return parts.iter().all(by);
    }
    match members.get("type") {
        None => true,
        Some(Value::Array(types)) => types.iter().any(|one| is_of(value, one)),
        Some(one) => is_of(value, one),
    }
}

fn is_of(value: &Value, kind: &Value) -> bool {
    match kind.as_str() {
        Some("string") => value.is_string(),
        Some("integer") => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => false,
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
            (json!({"type": "boolean"}), "1", json!(true)),
            (json!({"type": "boolean"}), "0", json!(false)),
            (json!({"anyOf": [{"type": "integer"}, {"type": "boolean"}]}), "1", json!(1)),
            // What is listed is meant exactly: a text, else what it stands for.
            (json!({"enum": [1, "x"]}), "1", json!(1)),
            (json!({"enum": [1, "x", true]}), "true", json!(true)),
            (json!({"enum": [1, "1"]}), "1", json!("1")),
            (json!({"enum": [1.5, null]}), "1.5", json!(1.5)),
            (json!({"anyOf": [{"enum": ["q"]}, {"type": "null"}]}), "null", json!(null)),
            (json!({"anyOf": [{"enum": ["null"]}, {"type": "null"}]}), "null", json!("null")),
            (json!({"enum": [1, 2]}), "3", json!(3)),
            (json!({"enum": [1, 2]}), "ONE", json!("ONE")),
        ] {
            assert_eq!(meaning(&property, text), value, "{property} {text}");
        }
    }

    #[test]
    fn an_empty_text_is_one_where_a_text_is_meant_and_else_an_argument_that_was_not_given() {
        let nothing = json!({"anyOf": [{"type": "integer"}, {"type": "null"}]});
        let schema = |required: &[&str]| {
            json!({"properties": {"a": nothing, "b": {"type": "boolean"}, "c": {"type": "string"}},
                "required": required})
            .to_string()
        };
        let read = |required: &[&str]| {
            let raw = json!({"a": "", "b": " ", "c": ""}).to_string();
            let read = read(&schema(required), raw.as_bytes());
            serde_json::from_slice::<Value>(&read.unwrap_or(raw.into_bytes())).unwrap()
        };
        assert_eq!(read(&[]), json!({"c": ""}));
        assert_eq!(read(&["a", "b", "c"]), json!({"a": null, "b": " ", "c": ""}));
    }

    #[test]
    fn how_a_value_is_written_is_said_of_what_is_no_text_and_no_number() {
        let how = |property: Value| how_to_write(&json!({"properties": {"a": property}}).to_string(), "a");
        assert_eq!(how(json!({"type": "boolean"})), Some("write `true` or `false`"));
        assert!(how(json!({"type": "array"})).unwrap().contains(r#"["a", "b"]"#));
        assert!(how(json!({"anyOf": [{"type": "object"}, {"type": "null"}]})).unwrap().contains("JSON"));
        for property in [json!({"type": "string"}), json!({"type": "integer"}), json!({"enum": [1]})] {
            assert_eq!(how(property), None);
        }
    }
}
