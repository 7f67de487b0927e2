//! What does a skill's source say about one resource or resource template?

use omni_call::{ExecutorKind, ForkSettings, InjectedParameter, Policy, TimeLimits};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A function whose result clients read at a URI, as its source describes it.
///
/// It has a `uri`, or a `uri_template`, or neither: then it is read at `omni://skill/<skill>/<name>`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resource {
    /// Unique among the resources of the skill.
    pub name: String,
    /// The function's name in its file.
    pub function: String,
    /// Path of the file as it was given in [`Source::path`](crate::Source::path).
    pub file: String,
    /// Line of the `def`, counted from 1.
    pub line: u32,
    pub is_async: bool,
    /// The URI of a resource that takes no variables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// RFC 6570 with `{x}`, `{x*}` and `{?a,b}`; each variable is a property of `input_schema`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri_template: Option<String>,
    /// `title=`, or one made from the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// `description=` as it is, or the docstring up to its first section.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    /// In bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// MCP's `audience`, `priority` and `lastModified`, and what else the author gave.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub annotations: Map<String, Value>,
    /// What a client is told of keeping what it has read.
    #[serde(default, skip_serializing_if = "CacheHint::is_empty")]
    pub cache: CacheHint,
    /// JSON Schema 2020-12 of the template's variables: an object, empty for a resource without any. The variables of a
    /// URI are strings; the schema says what the function makes of them.
    pub input_schema: Value,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inject: Vec<InjectedParameter>,
    #[serde(default)]
    pub limits: TimeLimits,
    /// What is done around its calls. `skill_concurrency` is not set here.
    #[serde(default, skip_serializing_if = "Policy::is_empty")]
    pub policy: Policy,
    /// The executor that the resource asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executor: Option<ExecutorKind>,
    #[serde(default, skip_serializing_if = "ForkSettings::is_empty")]
    pub fork: ForkSettings,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta: Option<Map<String, Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icons: Option<Value>,
    /// In the author's order, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// How long a client may show what it has read without asking again, and to whom. `None` leaves it to the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheHint {
    /// MCP's `ttlMs`; 0 says that it may be stale at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<CacheScope>,
}

impl CacheHint {
    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Who may share what was read: MCP's `cacheScope`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CacheScope {
    /// Every user of the server.
    Public,
    /// The one who asked.
    Private,
}
