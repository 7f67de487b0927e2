//! How environments are made.

use std::path::PathBuf;
use std::time::Duration;

use omni_call::{PythonRange, PythonVersion, Requirements};
use omni_process::ProcessConfig;

/// How environments are made.
#[derive(Clone, Debug)]
pub struct EnvironmentConfig {
    /// The folder that holds them all.
    pub folder: PathBuf,
    /// The interpreter that tools run with which need nothing: an absolute path.
    pub interpreter: PathBuf,
    /// How processes are started. Installers have no limits, and none of the variables that tools are allowed.
    pub process: ProcessConfig,
    /// The version of that interpreter.
    pub python_version: PythonVersion,
    /// The program `uv`; `None` makes do with `venv` and pip.
    pub uv: Option<PathBuf>,
    /// Further words for the installer: where packages come from.
    pub install_args: Vec<String>,
    /// Why nothing may be built from source, and nothing taken from an address that a skill names; the text is what to
    /// do about it. Either runs what the skill's author chose, before any call. `None` allows both.
    pub builds_refused: Option<String>,
    /// How long making one may take. Default 10 min.
    pub timeout: Duration,
}

impl EnvironmentConfig {
    /// Whether the interpreter at hand is one that the requirements allow.
    pub(crate) fn python_allows(&self, requirements: &Requirements) -> bool {
        let range = requirements.python.as_ref().and_then(|range| range.parse::<PythonRange>().ok());
        range.is_none_or(|range| range.allows(self.python_version))
    }
}
