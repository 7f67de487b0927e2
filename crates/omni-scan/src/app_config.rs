//! What does `app=` say, in the spelling of the extension for apps?

use serde_json::{Map, Value as Json};

use crate::value::Value;

/// The members that FastMCP's classes spell as Python does, and the extension as JavaScript does.
const SPELLINGS: [(&str, &str); 7] = [
    ("resource_uri", "resourceUri"),
    ("prefers_border", "prefersBorder"),
    ("connect_domains", "connectDomains"),
    ("resource_domains", "resourceDomains"),
    ("frame_domains", "frameDomains"),
    ("base_uri_domains", "baseUriDomains"),
    ("clipboard_write", "clipboardWrite"),
];

/// The objects within it.
const WITHIN: [&str; 2] = ["csp", "permissions"];

/// Classes whose objects are dictionaries of what they are given: FastMCP's, by their three homes, and omni's.
pub(crate) fn is_class(path: &str) -> bool {
    let Some((home, class)) = path.rsplit_once('.') else { return false };
    matches!(home, "omni" | "fastmcp.apps" | "fastmcp.apps.config" | "fastmcp.server.apps")
        && matches!(class, "AppConfig" | "ResourceCSP" | "ResourcePermissions")
}

/// The extension's spelling of a member that may be written as Python writes names: `prefers_border` is `prefersBorder`.
pub fn app_member(name: &str) -> &str {
    SPELLINGS.iter().find(|(python, _)| *python == name).map_or(name, |(_, spelling)| spelling)
}

/// The object for `_meta.ui`: of a dictionary, or of a tool also of the page's URI alone. What it has in it is checked by
/// whoever knows which pages there are.
pub(crate) fn read(value: &Value, of_tool: bool) -> Option<Map<String, Json>> {
    if let (Value::Str(uri), true) = (value, of_tool) {
        return Some(Map::from_iter([("resourceUri".to_owned(), Json::String(uri.clone()))]));
    }
    match (value, value.json()) {
        (Value::Dict(_), Some(Json::Object(given))) => Some(spelled(given, true)),
        _ => None,
    }
}

/// With the extension's names, and without what is not set.
fn spelled(given: Map<String, Json>, outermost: bool) -> Map<String, Json> {
    let given = given.into_iter().filter(|(_, value)| !value.is_null());
    let members = given.map(|(name, value)| {
        let name = app_member(&name).to_owned();
        match value {
            Json::Object(inner) if outermost && WITHIN.contains(&name.as_str()) => {
                (name, Json::Object(spelled(inner, false)))
            }
            value => (name, value),
        }
    });
    members.collect()
}
