//! What do a schema's `propertyNames` mean where they name an enumeration of numbers?
//!
//! `dict[Level, str]` with an `IntEnum` is described by a reference to `{"enum": [1, 2]}`, as in FastMCP. JSON's names are
//! text, so nothing could ever fit: what is meant are the texts `"1"` and `"2"`, of which the worker makes the members.

use serde_json::{Map, Value, json};

/// Schemas within schemas that are looked into.
const DEPTH_MAX: usize = 64;

/// Replaces each such reference by the texts that it means.
pub(super) fn as_text(schema: &mut Value) {
    let definitions = schema.get("$defs").and_then(Value::as_object).cloned().unwrap_or_default();
    within(schema, &definitions, DEPTH_MAX);
}

fn within(schema: &mut Value, definitions: &Map<String, Value>, depth: usize) {
    let Some(depth) = depth.checked_sub(1) else { return };
    match schema {
        Value::Array(items) => items.iter_mut().for_each(|item| within(item, definitions, depth)),
        Value::Object(members) => {
            for (keyword, value) in members {
                match keyword.as_str() {
                    // Data, not schemas.
                    "default" | "const" | "enum" | "examples" => {}
                    "propertyNames" => {
                        if let Some(texts) = texts(value, definitions) {
                            *value = json!({"enum": texts});
                        }
                    }
                    _ => within(value, definitions, depth),
                }
            }
        }
        _ => {}
    }
}

/// The values of the enumeration that is referred to, as names; `None` when all are text or it is none.
fn texts(names: &Value, definitions: &Map<String, Value>) -> Option<Vec<String>> {
    let target = names.get("$ref")?.as_str()?.strip_prefix("#/$defs/")?;
    let values = definitions.get(target)?.get("enum")?.as_array()?;
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    values.iter().any(|value| !value.is_string()).then(|| values.iter().map(text).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_an_enumeration_of_numbers_are_their_texts_and_others_stay() {
        let defs = json!({"Level": {"enum": [1, true, null, "a"]}, "Color": {"enum": ["red"]}});
        let named = |name: &str| json!({"propertyNames": {"$ref": format!("#/$defs/{name}")}});
        let mut schema = json!({
            "properties": {"a": named("Level"), "b": {"items": named("Level")}, "c": named("Color")},
            "default": named("Level"),
            "$defs": defs,
        });
        as_text(&mut schema);
        let texts = json!({"propertyNames": {"enum": ["1", "true", "null", "a"]}});
        assert_eq!(schema["properties"]["a"], texts);
        assert_eq!(schema["properties"]["b"]["items"], texts);
        assert_eq!(schema["properties"]["c"], named("Color"));
        assert_eq!(schema["default"], named("Level"));
    }
}
