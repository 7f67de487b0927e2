//! What a tool or item says of itself that MCP has no member for: its own `_meta`, and tags.

use serde_json::{Map, Value};

use crate::Skill;

/// The author's own `_meta`, and what MCP has no member for.
pub(crate) fn meta(
    own: Option<&Map<String, Value>>,
    category: Option<&str>,
    tags: &[String],
    version: Option<&str>,
) -> Map<String, Value> {
    let mut meta = own.cloned().unwrap_or_default();
    let mut add = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            meta.entry(key).or_insert(value);
        }
    };
    add("omni/category", category.map(Value::from));
    add("omni/tags", (!tags.is_empty()).then(|| tags.to_vec().into()));
    add("omni/version", version.map(Value::from));
    meta
}

/// The own tags of a tool or item, and its skill's.
pub(crate) fn tags(skill: &Skill, own: &[String]) -> Vec<String> {
    let inherited = skill.tags.iter().filter(|tag| !own.contains(tag));
    own.iter().chain(inherited).cloned().collect()
}
