//! Arguments that clients repeat in headers: whether a schema's `x-mcp-header` annotations are such that a client does
//! not leave the tool out for them (Streamable HTTP, "Custom Headers from Tool Parameters").

use std::collections::BTreeSet;

use serde_json::Value;

const ANNOTATION: &str = "x-mcp-header";

/// Keywords whose value is a schema, or holds schemas, and below which an annotation names no argument of its own.
const OTHER_SCHEMAS: [&str; 20] = [
    "items",
    "prefixItems",
    "contains",
    "additionalProperties",
    "patternProperties",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
    "dependentSchemas",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "$defs",
    "definitions",
    "contentSchema",
    "additionalItems",
];

/// What a finding of this kind is called.
pub(crate) const CODE: &str = "bad-header-name";
pub(crate) const HELP: &str =
    "give each annotated property of a simple type a header name of its own, such as \"Region\"";

/// What is wrong with the annotations of an input schema; `None` when nothing is, or there are none.
pub(crate) fn problem(schema: &Value) -> Option<String> {
    in_schema(schema, "", SchemaPosition::Root, &mut BTreeSet::new())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum SchemaPosition {
    Root,
    /// Reached from the root by `properties` alone.
    Property,
    Elsewhere,
}

fn in_schema(
    schema: &Value,
    pointer: &str,
    place: SchemaPosition,
    names: &mut BTreeSet<String>,
) -> Option<String> {
    let schema = schema.as_object()?;
    if let Some(name) = schema.get(ANNOTATION) {
        let Some(name) = name.as_str().filter(|name| is_token(name)) else {
            return Some(format!("`{pointer}/{ANNOTATION}` is no name that a header can have"));
        };
        if place != SchemaPosition::Property {
            return Some(format!(
                "`{pointer}/{ANNOTATION}` stands where no client looks: only below `properties`"
            ));
        }
        let simple = ["string", "integer", "boolean", "number"];
        if !schema.get("type").and_then(Value::as_str).is_some_and(|kind| simple.contains(&kind)) {
            return Some(format!(
                "`{pointer}` has an `{ANNOTATION}`, and its type is not one of {}",
                simple.join(", ")
            ));
        }
        if !names.insert(name.to_ascii_lowercase()) {
            return Some(format!("`{pointer}/{ANNOTATION}` is `{name}`, which another property has already"));
        }
    }
    let below = if place == SchemaPosition::Root { SchemaPosition::Property } else { place };
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    for (key, property) in properties {
        if let Some(problem) = in_schema(property, &format!("{pointer}/properties/{key}"), below, names) {
            return Some(problem);
        }
    }
    OTHER_SCHEMAS.iter().find_map(|keyword| {
        let pointer = format!("{pointer}/{keyword}");
        match schema.get(*keyword)? {
            Value::Array(schemas) => schemas
                .iter()
                .find_map(|schema| in_schema(schema, &pointer, SchemaPosition::Elsewhere, names)),
            // The members of these are schemas; the value of every other keyword is one.
            Value::Object(members)
                if matches!(*keyword, "patternProperties" | "dependentSchemas" | "$defs" | "definitions") =>
            {
                members
                    .values()
                    .find_map(|schema| in_schema(schema, &pointer, SchemaPosition::Elsewhere, names))
            }
            schema => in_schema(schema, &pointer, SchemaPosition::Elsewhere, names),
        }
    })
}

/// `token` of RFC 9110, section 5.6.2.
fn is_token(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn headers_that_clients_accept_are_no_finding() {
        for properties in [
            json!({"a": {"type": "string", "x-mcp-header": "A"}, "b": {"type": "integer", "x-mcp-header": "B-1"}}),
            json!({"deep": {"type": "object", "properties": {"a": {"type": "boolean", "x-mcp-header": "A"}}}}),
            // A property that happens to have the annotation's name.
            json!({"x-mcp-header": {"type": "object"}, "a": {"default": {"x-mcp-header": 5}}}),
        ] {
            assert_eq!(problem(&json!({"type": "object", "properties": properties})), None, "{properties}");
        }
    }

    #[test]
    fn headers_for_which_clients_leave_a_tool_out_are_named() {
        let annotated = |name: Value| json!({"type": "string", "x-mcp-header": name});
        for (schema, named) in [
            (json!({"properties": {"a": annotated(json!("X")), "b": annotated(json!("x"))}}), "already"),
            (
                json!({"properties": {"a": annotated(json!("X")), "o": {"properties": {"b": annotated(json!("x"))}}}}),
                "/properties/o/properties/b",
            ),
            (json!({"properties": {"a": annotated(json!(""))}}), "no name"),
            (json!({"properties": {"a": annotated(json!("a b"))}}), "no name"),
            (json!({"properties": {"a": annotated(json!("a\r\nEvil: 1"))}}), "no name"),
            (json!({"properties": {"a": annotated(json!("é"))}}), "no name"),
            (json!({"properties": {"a": annotated(json!(5))}}), "no name"),
            (json!({"properties": {"a": {"type": "object", "x-mcp-header": "A"}}}), "type"),
            (json!({"properties": {"a": {"type": ["string", "null"], "x-mcp-header": "A"}}}), "type"),
            (json!({"properties": {"a": {"x-mcp-header": "A"}}}), "type"),
            (annotated(json!("A")), "no client looks"),
            (json!({"properties": {"l": {"items": annotated(json!("A"))}}}), "no client looks"),
            (json!({"anyOf": [{"properties": {"a": annotated(json!("A"))}}]}), "no client looks"),
            (json!({"$defs": {"d": annotated(json!("A"))}}), "no client looks"),
        ] {
            let found = problem(&schema).unwrap_or_default();
            assert!(found.contains(named), "{schema}: {found}");
        }
    }
}
