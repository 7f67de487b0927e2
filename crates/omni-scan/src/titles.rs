//! Which nodes of a schema lose their titles.

use serde_json::{Map, Value as Json};

const STRUCTURAL: [&str; 8] = ["type", "properties", "$ref", "items", "allOf", "oneOf", "anyOf", "required"];

const DESCRIPTIVE: [&str; 5] = ["title", "description", "deprecated", "readOnly", "writeOnly"];

const MAPS: [&str; 6] =
    ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"];

const SINGLE: [&str; 12] = [
    "items",
    "additionalItems",
    "additionalProperties",
    "contains",
    "contentSchema",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
    "if",
    "then",
    "else",
    "not",
];

const LISTS: [&str; 4] = ["allOf", "anyOf", "oneOf", "prefixItems"];

pub(crate) fn loses_title(schema: &Map<String, Json>) -> bool {
    schema.keys().any(|key| STRUCTURAL.contains(&key.as_str()))
        || schema.keys().all(|key| DESCRIPTIVE.contains(&key.as_str()))
}

/// Takes titles off every node that is recognisably a schema.
pub(crate) fn without_titles(schema: &mut Map<String, Json>) {
    if schema.get("title").is_some_and(Json::is_string) && loses_title(schema) {
        schema.shift_remove("title");
    }
    for (key, value) in schema {
        let key = key.as_str();
        match value {
            Json::Object(inner) if MAPS.contains(&key) => {
                inner.values_mut().filter_map(Json::as_object_mut).for_each(without_titles);
            }
            Json::Object(inner) if SINGLE.contains(&key) => without_titles(inner),
            Json::Array(items) if LISTS.contains(&key) => {
                items.iter_mut().filter_map(Json::as_object_mut).for_each(without_titles);
            }
            _ => {}
        }
    }
}
