//! What a tool or item says of itself that MCP has no member for: its own `_meta`, and tags.

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::Skill;

/// Where clients look for tags: FastMCP's clients and proxies filter by them.
const TAGS: (&str, &str) = ("fastmcp", "tags");
/// Where servers of earlier FastMCP put them.
const EARLIER: &str = "_fastmcp";

/// The author's own `_meta`, and what MCP has no member for. What the author has put in one of those places stays.
pub(crate) fn meta(
    own: Option<&Map<String, Value>>,
    category: Option<&str>,
    tags: &[String],
    version: Option<&str>,
) -> Map<String, Value> {
    let mut meta = own.cloned().unwrap_or_default();
    if let Some(category) = category {
        meta.entry("omni/category").or_insert_with(|| category.into());
    }
    if !tags.is_empty()
        && let Some(fastmcp) = meta.entry(TAGS.0).or_insert_with(|| Map::new().into()).as_object_mut()
    {
        fastmcp.entry(TAGS.1).or_insert_with(|| tags.to_vec().into());
    }
    if let Some(version) = version {
        meta.entry("omni/version").or_insert_with(|| version.into());
    }
    meta
}

/// The tags that a tool's `_meta` tells of.
pub(crate) fn told_tags(meta: &Value) -> Vec<String> {
    let of = |namespace: &str| meta[namespace][TAGS.1].as_array();
    let tags = of(TAGS.0).or_else(|| of(EARLIER)).into_iter().flatten();
    tags.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The member of `_meta` that hosts of the extension for apps read.
pub(crate) const APP: &str = "ui";

/// Whether a `_meta` says something to hosts of the extension for apps.
pub(crate) fn has_app(meta: &RawValue) -> bool {
    // Most have no such member, and are not looked into for that.
    meta.get().contains("\"ui\"")
        && serde_json::from_str::<Map<String, Value>>(meta.get()).is_ok_and(|meta| meta.contains_key(APP))
}

/// The own tags of a tool or item, and its skill's.
pub(crate) fn tags(skill: &Skill, own: &[String]) -> Vec<String> {
    let inherited = skill.tags.iter().filter(|tag| !own.contains(tag));
    own.iter().chain(inherited).cloned().collect()
}
