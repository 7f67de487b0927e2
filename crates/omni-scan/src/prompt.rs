//! What does a skill's source say about one prompt?

use omni_call::{ExecutorKind, ForkSettings, InjectedParameter, Policy, TimeLimits};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A function that writes messages for a model, as its source describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prompt {
    /// Unique among the prompts of the skill. One that [`is_tool_name`](crate::is_tool_name) takes.
    pub name: String,
    /// The function's name in its file.
    pub function: String,
    /// Path of the file as it was given in [`Source::path`](crate::Source::path).
    pub file: String,
    /// Line of the `def`, counted from 1.
    pub line: u32,
    pub is_async: bool,
    /// `title=`, or one made from the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// `description=` as it is, or the docstring up to its first section.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// In the order of the function's parameters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<PromptArgument>,
    /// JSON Schema 2020-12 of the arguments, as for a tool: an object. What clients give is a string each; the schema says
    /// what the function makes of it.
    pub input_schema: Value,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inject: Vec<InjectedParameter>,
    #[serde(default)]
    pub limits: TimeLimits,
    /// What is done around its calls. `skill_concurrency` is not set here.
    #[serde(default, skip_serializing_if = "Policy::is_empty")]
    pub policy: Policy,
    /// The executor that the prompt asks for.
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

/// One argument of a prompt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptArgument {
    pub name: String,
    /// What the author calls it, with `Field(title=…)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The parameter has no default.
    pub required: bool,
    /// Where the parameter has one that the source tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// The values it may have, as a client writes them, from a `Literal`, an `Enum` or `bool`. Empty when any may be
    /// given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
}
