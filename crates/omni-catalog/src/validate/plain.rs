//! Which schemas are so plain that compiling them cannot fail.

use serde_json::{Map, Value};

/// Whether `schema` uses only keywords and values that are known to compile. `false` says nothing: such a
/// schema has to be tried.
pub(super) fn surely_compiles(schema: &Value) -> bool {
    let defs = schema.get("$defs").and_then(Value::as_object);
    plain(schema, defs, 0)
}

const DEPTH_MAX: usize = 32;

fn plain(schema: &Value, defs: Option<&Map<String, Value>>, depth: usize) -> bool {
    let inside = |schema: &Value| plain(schema, defs, depth + 1);
    let object = match schema {
        Value::Bool(_) => return true,
        Value::Object(object) if depth < DEPTH_MAX => object,
        _ => return false,
    };
    object.iter().all(|(keyword, value)| match keyword.as_str() {
        "title" | "description" | "format" => value.is_string(),
        "default" | "const" => true,
        "examples" => value.is_array(),
        "deprecated" | "uniqueItems" => value.is_boolean(),
        "enum" => value.as_array().is_some_and(|options| !options.is_empty()),
        "type" => value.as_str().is_some_and(|name| TYPES.contains(&name)),
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => value.is_number(),
        "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties" => {
            value.is_u64()
        }
        "required" => value.as_array().is_some_and(|names| names.iter().all(Value::is_string)),
        "properties" | "$defs" => value.as_object().is_some_and(|members| members.values().all(inside)),
        "items" | "additionalProperties" | "propertyNames" => inside(value),
        "anyOf" | "prefixItems" => {
            value.as_array().is_some_and(|list| !list.is_empty() && list.iter().all(inside))
        }
        "$ref" => value
            .as_str()
            .and_then(|target| target.strip_prefix("#/$defs/"))
            .is_some_and(|name| defs.is_some_and(|defs| defs.contains_key(name))),
        _ => false,
    })
}

const TYPES: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];
