//! Tools that are programs of any kind: how they are started and what their output means.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::Requirements;

/// A tool that is a program of any kind instead of a Python function.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramTarget {
    /// Absolute path of the skill's folder.
    pub dir: PathBuf,
    /// The file that declares it, relative to the skill's folder.
    pub file: String,
    /// Program and arguments; no shell reads them. A first word with a `/` is relative to the skill's folder,
    /// any other is looked up in `PATH`.
    pub argv: Vec<String>,
    #[serde(default)]
    pub input: ProgramInput,
    #[serde(default)]
    pub output: ProgramOutput,
    /// Working folder, relative to the skill's folder; the project's root without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// Variables set for the program besides the allowed ones.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// What has to be installed for it; `None` leaves the machine's programs to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirements: Option<Requirements>,
}

/// How a program gets the call's arguments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProgramInput {
    /// The JSON object on standard input.
    #[default]
    Stdin,
    /// The JSON object in a file, whose path is the last word of the command line.
    File,
    /// `--name=value` for each argument, in their order: `true` is the name alone, `false` and `null` are left
    /// out, a list repeats the name, `_` in a name becomes `-`.
    Flags,
}

/// What a program's standard output is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProgramOutput {
    /// One block of text.
    #[default]
    Text,
    /// One JSON value: text and structured content.
    Json,
}
