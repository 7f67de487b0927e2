//! What a skill's source says about one tool.

use omni_call::{ExecutorKind, ForkSettings, InjectedParameter, Policy, TimeLimits};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A tool as its source describes it. Names are the skill's own: the folder's name is not part of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tool {
    /// The name a client calls it by, behind `<skill>.`. One that [`is_tool_name`](crate::is_tool_name) takes.
    pub command: String,
    /// The function's name in its file.
    pub function: String,
    /// Path of the file as it was given in [`Source::path`](crate::Source::path).
    pub file: String,
    /// Line of the `def`, counted from 1.
    pub line: u32,
    pub is_async: bool,
    /// `title=`, or one made from the name: some clients drop a tool that has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// `description=` as it is, or the docstring up to its first section.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// JSON Schema 2020-12 of the arguments: an object.
    pub input_schema: Value,
    /// JSON Schema 2020-12 of the structured result: an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Value>,
    /// The return value goes under `{"result": …}`, because the type it has is not an object's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wrap_result: bool,
    /// `title`, `readOnlyHint`, `destructiveHint`, `idempotentHint`, `openWorldHint`: what the author gave.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub annotations: Map<String, Value>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inject: Vec<InjectedParameter>,
    #[serde(default)]
    pub limits: TimeLimits,
    /// What is done around its calls. `skill_concurrency` and `repeatable` are not set here.
    #[serde(default, skip_serializing_if = "Policy::is_empty")]
    pub policy: Policy,
    /// The executor that the tool asks for.
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
    pub category: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}
