//! How a schema that is being written refers to a definition, before definitions have names.

use serde_json::{Map, Value as Json};

use crate::type_ir::DefId;

const PREFIX: &str = "#/$defs/\u{0}";

pub(crate) fn reference(id: DefId) -> Map<String, Json> {
    let mut schema = Map::new();
    schema.insert("$ref".to_owned(), Json::String(format!("{PREFIX}{id}")));
    schema
}

pub(crate) fn referenced(value: &Json) -> Option<DefId> {
    value.as_str()?.strip_prefix(PREFIX)?.parse().ok()
}
