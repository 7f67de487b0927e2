//! `omni.toml` as it is written.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use omni_call::{ExecutorKind, UnknownExecutor, shown_path};
use serde::Deserialize;

use super::admission::AdmissionTable;
use super::embedded::EmbeddedTable;
use super::environments::EnvironmentsTable;
use super::fork::ForkTable;
use super::limits::Limits;
use super::workers::WorkerSettings;
use crate::access::HttpTable;
use crate::args::{Errors, Isolation};
use crate::runner::RunnerFile;

/// `omni.toml`. Every key is optional; an unknown one is an error, so that a typing mistake is seen.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    /// Folder of skills, relative to the file.
    pub(super) skills_dir: Option<PathBuf>,
    /// Folder that tools work in, relative to the file.
    pub(super) root: Option<PathBuf>,
    /// The Python to run tools with.
    pub(super) python: Option<PathBuf>,
    /// Total time limit of a call in seconds, 0 for none.
    pub(super) timeout: Option<f64>,
    /// Time limit without a sign of life in seconds, 0 for none.
    pub(super) idle_timeout: Option<f64>,
    /// How tools are run that do not say it themselves.
    pub(super) executor: Option<String>,
    pub(super) workers: Option<WorkerSettings>,
    pub(super) runner: Option<RunnerFile>,
    pub(super) errors: Option<Errors>,
    pub(super) isolation: Option<Isolation>,
    /// Environment variables passed on to tools.
    #[serde(default)]
    pub(super) env: Vec<String>,
    #[serde(default)]
    pub(super) limits: Limits,
    #[serde(default)]
    pub(super) admission: AdmissionTable,
    #[serde(default)]
    pub(crate) http: HttpTable,
    #[serde(default)]
    pub(super) fork: ForkTable,
    #[serde(default)]
    pub(super) embedded: EmbeddedTable,
    #[serde(default)]
    pub(super) environments: EnvironmentsTable,
    /// Settings of one skill each, given to its tools as `Context.settings`: `[skills.web]`.
    #[serde(default)]
    pub(crate) skills: serde_json::Map<String, serde_json::Value>,
}

impl File {
    /// The executor of tools that name none, as far as the file says.
    pub(crate) fn executor(&self) -> Result<Option<ExecutorKind>> {
        let kind = self.executor.as_deref().map(str::parse).transpose();
        kind.map_err(|why: UnknownExecutor| anyhow::anyhow!("`executor` in omni.toml: {why}"))
    }
}

pub(super) fn read_file(path: &Path) -> Result<File> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("`{}` cannot be read", shown_path(path)))?;
    // The message of `toml` names line, column and the keys there are.
    toml::from_str(&text).with_context(|| format!("`{}` is not a settings file of omni", shown_path(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_does_not_exist_is_an_error_that_names_it() {
        let error = toml::from_str::<File>("timeuot = 5").unwrap_err().to_string();
        assert!(error.contains("timeuot") && error.contains("timeout"), "{error}");
    }

    #[test]
    fn an_executor_that_nobody_has_is_refused_with_those_there_are() {
        let file: File = toml::from_str("executor = \"thread\"").unwrap();
        let error = file.executor().unwrap_err().to_string();
        assert!(error.contains("`thread`") && error.contains("`fork`"), "{error}");
    }

    #[test]
    fn a_former_executor_is_refused_with_its_new_spelling() {
        let file: File = toml::from_str("executor = \"recycled\"").unwrap();
        let error = file.executor().unwrap_err().to_string();
        assert_eq!(error, "`executor` in omni.toml: `recycled` is now `fork` with `calls = 100`");
    }
}
