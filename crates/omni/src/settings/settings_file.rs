//! `omni.toml` as it is written.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use omni_call::{ExecutorKind, UnknownExecutor};
use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use toml::Table;

use super::admission::AdmissionTable;
use super::asking::AskingTable;
use super::embedded::EmbeddedTable;
use super::environments::EnvironmentsTable;
use super::fork::ForkTable;
use super::limits::Limits;
use super::lines::KeyLines;
use super::profiles::{FoundFilter, ProfileTable};
use super::queue::{QueueTable, SpawnTable};
use super::reload::ReloadMode;
use super::results::ResultsTable;
use super::streams::StreamsTable;
use super::tasks::TasksTable;
use super::workers::WorkerSettings;
use crate::args::{Errors, Isolation, Names, Transport};
use crate::http_access::HttpTable;
use crate::runner::RunnerFile;

/// `omni.toml`. Every key is optional; an unknown one is an error, so that a typing mistake is seen.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SettingsFile {
    /// Folder of skills, or several, relative to the file; `shipped` are those that come with omni.
    #[serde(default)]
    pub(super) skills_dir: SkillsDirs,
    /// Folder that tools work in, relative to the file.
    pub(super) root: Option<PathBuf>,
    /// The Python to run tools with: a name to be looked up, or a path relative to the file.
    pub(super) python: Option<PathBuf>,
    /// Total time limit of a call in seconds, 0 for none.
    pub(super) timeout: Option<f64>,
    /// Time limit without a sign of life in seconds, 0 for none.
    pub(super) idle_timeout: Option<f64>,
    /// How long calls may go on when the server stops, in seconds.
    pub(super) grace: Option<f64>,
    /// How tools are run that do not say it themselves.
    pub(super) executor: Option<String>,
    pub(super) workers: Option<WorkerSettings>,
    pub(super) runner: Option<RunnerFile>,
    /// How clients reach `omni mcp`.
    pub(crate) transport: Option<Transport>,
    pub(super) errors: Option<Errors>,
    /// How the tools are named for clients.
    pub(super) names: Option<Names>,
    pub(super) isolation: Option<Isolation>,
    /// How a server that runs sees what is edited.
    pub(super) reload: Option<ReloadMode>,
    /// How much the log says.
    pub(super) log_level: Option<String>,
    /// Whether the log has what tools print and log and no client asked for.
    pub(super) log_output: Option<bool>,
    /// What the model of every client is told first.
    pub(crate) instructions: Option<String>,
    /// Whether the tool is listed by which a model reads skills.
    pub(super) skill_read: Option<bool>,
    /// Patterns of tools and skills that are left out, and with `!` before it of such that are not.
    #[serde(default)]
    pub(super) filter: Vec<String>,
    /// What is shown of a tool in another way than it says itself: `[overrides."git.log"]`.
    #[serde(default)]
    pub(super) overrides: Table,
    /// What some clients see: `[profiles.NAME]`.
    #[serde(default)]
    pub(super) profiles: BTreeMap<String, ProfileTable>,
    /// Environment variables passed on to tools.
    #[serde(default)]
    pub(super) env: Vec<String>,
    /// Tools of omni's own that are served beside those of the skills: `doctor`.
    #[serde(default)]
    pub(crate) native_tools: Vec<String>,
    #[serde(default)]
    pub(super) limits: Limits,
    #[serde(default)]
    pub(super) admission: AdmissionTable,
    #[serde(default)]
    pub(super) streams: StreamsTable,
    #[serde(default)]
    pub(super) asking: AskingTable,
    #[serde(default)]
    pub(super) tasks: TasksTable,
    #[serde(default)]
    pub(crate) http: HttpTable,
    #[serde(default)]
    pub(super) fork: ForkTable,
    #[serde(default)]
    pub(super) spawn: SpawnTable,
    #[serde(default)]
    pub(super) results: ResultsTable,
    #[serde(default)]
    pub(super) queue: QueueTable,
    #[serde(default)]
    pub(super) embedded: EmbeddedTable,
    #[serde(default)]
    pub(super) environments: EnvironmentsTable,
    /// Settings of one skill each, given to its tools as `Context.settings`: `[skills.web]`.
    #[serde(default)]
    pub(crate) skills: serde_json::Map<String, serde_json::Value>,
    /// All of it that is obeyed, as it is written.
    #[serde(skip)]
    pub(super) written: Table,
    /// What a file that nobody has trusted leaves out besides.
    #[serde(skip)]
    pub(super) found_filter: Option<FoundFilter>,
    /// Of the file that is obeyed as a whole.
    #[serde(skip)]
    pub(super) lines: KeyLines,
}

impl SettingsFile {
    /// The patterns of a file that nobody has trusted.
    pub(super) fn found_patterns(&self) -> &[String] {
        self.found_filter.as_ref().map_or(&[], |found| &found.patterns)
    }

    /// The file and the line where a key stands; 0 where it is not written there as it is written here.
    pub(crate) fn written_at(&self, key: &str) -> (String, u32) {
        let setting = self.lines.setting(key);
        (setting.file().to_owned(), setting.line())
    }

    /// How a server that runs sees what is edited.
    pub(crate) fn reload(&self) -> ReloadMode {
        self.reload.unwrap_or_default()
    }

    /// The executor of tools that name none, as far as the file says.
    pub(crate) fn executor(&self) -> Result<Option<ExecutorKind>> {
        let kind = self.executor.as_deref().map(str::parse).transpose();
        kind.map_err(|why: UnknownExecutor| anyhow::anyhow!("`executor` in omni.toml: {why}"))
    }
}

/// One folder of skills, or a list of them.
#[derive(Clone, Debug, Default)]
pub(super) struct SkillsDirs(pub(super) Vec<PathBuf>);

impl<'de> Deserialize<'de> for SkillsDirs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // By hand, because a derived choice between a text and a list loses the message about a wrong member.
        deserializer.deserialize_any(OneOrMore)
    }
}

struct OneOrMore;

impl<'de> Visitor<'de> for OneOrMore {
    type Value = SkillsDirs;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a folder of skills, or a list of folders")
    }

    fn visit_str<E: serde::de::Error>(self, path: &str) -> Result<SkillsDirs, E> {
        Ok(SkillsDirs(vec![path.into()]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<SkillsDirs, A::Error> {
        let mut paths = Vec::new();
        while let Some(path) = list.next_element::<PathBuf>()? {
            paths.push(path);
        }
        Ok(SkillsDirs(paths))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_does_not_exist_is_an_error_that_names_it() {
        let error = toml::from_str::<SettingsFile>("timeuot = 5").unwrap_err().to_string();
        assert!(error.contains("timeuot") && error.contains("timeout"), "{error}");
    }

    #[test]
    fn an_executor_that_nobody_has_is_refused_with_those_there_are() {
        let file: SettingsFile = toml::from_str("executor = \"thread\"").unwrap();
        let error = file.executor().unwrap_err().to_string();
        assert!(error.contains("`thread`") && error.contains("`fork`"), "{error}");
    }

    #[test]
    fn a_former_executor_is_refused_with_its_new_spelling() {
        let file: SettingsFile = toml::from_str("executor = \"recycled\"").unwrap();
        let error = file.executor().unwrap_err().to_string();
        assert_eq!(error, "`executor` in omni.toml: `recycled` is now `fork` with `calls = 100`");
    }
}
