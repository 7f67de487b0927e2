//! What does a skill's source say about one function that completes an argument?

use omni_call::{ExecutorKind, ForkSettings, InjectedParameter, Policy, TimeLimits};
use serde::{Deserialize, Serialize};

/// A function that says what a user may have meant to type, as its source describes it.
///
/// It takes `value`, what has been typed, and when it wants it `context`, the arguments that are already given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Completion {
    pub of: CompletionOf,
    /// The prompt's argument, or the template's variable.
    pub argument: String,
    /// The function's name in its file.
    pub function: String,
    /// Path of the file as it was given in [`Source::path`](crate::Source::path).
    pub file: String,
    /// Line of the `def`, counted from 1.
    pub line: u32,
    pub is_async: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inject: Vec<InjectedParameter>,
    #[serde(default)]
    pub limits: TimeLimits,
    /// What is done around its calls. `skill_concurrency` is not set here.
    #[serde(default, skip_serializing_if = "Policy::is_empty")]
    pub policy: Policy,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executor: Option<ExecutorKind>,
    #[serde(default, skip_serializing_if = "ForkSettings::is_empty")]
    pub fork: ForkSettings,
}

/// Whose argument is completed. A name is one of the same skill.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CompletionOf {
    /// A prompt, by its name.
    Prompt(String),
    /// A resource with a template, by its name.
    Resource(String),
}
