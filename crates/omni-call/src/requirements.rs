//! What has to be installed for a tool to run.

use serde::{Deserialize, Serialize};

/// What a tool needs besides Python itself and the `omni` package: it runs in an environment that has this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirements {
    /// Names the environment: a hash of all that the skill says about what is installed. Tools with equal keys
    /// share one.
    pub key: String,
    pub source: RequirementsSource,
    /// Where they stand, relative to the skill's folder, with `/`.
    pub file: String,
    /// `requires-python`, a version specifier that [`PythonRange`](crate::PythonRange) reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub python: Option<String>,
    /// Dependency specifiers (PEP 508). Each begins with a package's name, so none can be taken for an option.
    pub dependencies: Vec<String>,
    /// The hash (BLAKE3, in hexadecimal) of the `uv.lock` that the key was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked: Option<String>,
}

/// What kind of file requirements stand in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RequirementsSource {
    /// `[project] dependencies` of a `pyproject.toml`.
    Pyproject,
    /// A `uv.lock` beside the `pyproject.toml`.
    Lock,
    /// The inline metadata of a script (PEP 723).
    Script,
}
