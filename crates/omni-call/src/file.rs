//! What is a file of a skill, and is answered from it without Python: a resource, or a prompt.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A file of a skill, opened when a call asks for it and never outside the skill's folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileTarget {
    /// Absolute path of the skill's folder.
    pub dir: PathBuf,
    /// Relative to the skill's folder, with `/`: no empty, `.` or `..` segment, no backslash, no NUL.
    pub path: String,
    /// What it is offered as.
    pub kind: FileKind,
}

/// What a file is offered as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileKind {
    /// Its bytes are the resource.
    Resource {
        /// `None` where nothing is known of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mime_type: Option<String>,
        /// The `_meta` of its contents.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        meta: Option<Box<Map<String, Value>>>,
    },
    /// A template that the prompt's arguments are filled into.
    Prompt {
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        arguments: Vec<PromptArgument>,
    },
}

/// What a prompt may be given, as MCP has it: texts by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptArgument {
    pub name: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// What it is where the caller leaves it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// The values that there are; empty where any will do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
}
