//! `omni.toml` as it is written.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use omni_call::{ExecutorKind, UnknownExecutor, shown_path};
use omni_catalog::NameStyle;
use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use toml::Table;

use super::admission::AdmissionTable;
use super::bounds::{QueueTable, SpawnTable};
use super::embedded::EmbeddedTable;
use super::environments::EnvironmentsTable;
use super::fork::ForkTable;
use super::limits::Limits;
use super::lines::KeyLines;
use super::mistake;
use super::narrowing::narrowed;
use super::run::RunSettings;
use super::serve::ServeSettings;
use super::shape::{FoundFilter, ProfileTable};
use super::skills::SHIPPED;
use super::workers::WorkerSettings;
use crate::access::HttpTable;
use crate::args::{Errors, Isolation, Names, RunArguments, RunnerArguments, Transport};
use crate::native::NativeTools;
use crate::runner::{RunnerFile, RunnerSettings};

/// `omni.toml`. Every key is optional; an unknown one is an error, so that a typing mistake is seen.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
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
    /// How much the log says.
    pub(super) log_level: Option<String>,
    /// Whether the log has what tools print and log and no client asked for.
    pub(super) log_output: Option<bool>,
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
    pub(crate) http: HttpTable,
    #[serde(default)]
    pub(super) fork: ForkTable,
    #[serde(default)]
    pub(super) spawn: SpawnTable,
    #[serde(default)]
    pub(super) queue: QueueTable,
    #[serde(default)]
    pub(super) embedded: EmbeddedTable,
    #[serde(default)]
    pub(super) environments: EnvironmentsTable,
    /// Settings of one skill each, given to its tools as `Context.settings`: `[skills.web]`.
    #[serde(default)]
    pub(crate) skills: serde_json::Map<String, serde_json::Value>,
    /// What a file that nobody has trusted leaves out besides.
    #[serde(skip)]
    pub(super) found_filter: Option<FoundFilter>,
    /// Of the file that is obeyed as a whole.
    #[serde(skip)]
    pub(super) lines: KeyLines,
}

impl File {
    /// Whether each value can be meant, whatever flags and variables say instead.
    pub(super) fn check(&self) -> Result<()> {
        RunSettings::resolve(&RunArguments::default(), self)?;
        NativeTools::named(&self.native_tools)?;
        let runner = RunnerArguments::default();
        RunnerSettings::resolve(&runner, self.runner.as_ref(), true)?;
        ServeSettings::of_file(self).map(|_| ())
    }

    /// The executor of tools that name none, as far as the file says.
    pub(crate) fn executor(&self) -> Result<Option<ExecutorKind>> {
        let kind = self.executor.as_deref().map(str::parse).transpose();
        kind.map_err(|why: UnknownExecutor| anyhow::anyhow!("`executor` in omni.toml: {why}"))
    }
}

/// Longer than anybody writes. What is found by itself may be a link to anything.
const BYTES_MAX: u64 = 1 << 20;

/// A settings file that was read and is one, before anything of it is obeyed.
#[derive(Debug)]
pub(crate) struct Checked {
    path: PathBuf,
    content: Vec<u8>,
    table: Table,
}

impl Checked {
    /// Reads a file once: what is checked is what is obeyed.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or is not a settings file; the message names line, column and the keys there are.
    pub(crate) fn read(path: &Path) -> Result<Checked> {
        let unreadable = || format!("`{}` cannot be read", shown_path(path));
        let file = fs::File::open(path).with_context(unreadable)?;
        let mut content = Vec::new();
        file.take(BYTES_MAX + 1).read_to_end(&mut content).with_context(unreadable)?;
        if content.len() as u64 > BYTES_MAX {
            bail!("`{}` is longer than {BYTES_MAX} bytes, which no settings file is", shown_path(path));
        }
        let wrong = || format!("`{}` is not a settings file of omni", shown_path(path));
        let text = std::str::from_utf8(&content).with_context(wrong)?;
        if let Err(error) = toml::from_str::<File>(text) {
            return Err(mistake::of_text(path, text, &error));
        }
        let table = text.parse().with_context(wrong)?;
        Ok(Checked { path: path.to_owned(), content, table })
    }

    pub(crate) fn content(&self) -> &[u8] {
        &self.content
    }

    /// What the file is trusted by.
    pub(crate) fn digest(&self) -> String {
        crate::trust::digest(&self.content)
    }

    /// The keys in it that wait for trust.
    pub(crate) fn waiting(&self) -> Vec<String> {
        let (_, ignored) = narrowed(&Table::new(), &self.table);
        ignored.iter().map(|key| shown_key(key)).collect()
    }

    /// All of it, with `folder` for its relative paths.
    ///
    /// # Errors
    ///
    /// A value that no setting has; the message names the line.
    pub(super) fn whole(self, folder: &Path) -> Result<File> {
        let lines = self.lines();
        let mut file = anchored(self.table, folder)?;
        file.check().map_err(|why| mistake::of_value(&self.path, &lines, &why))?;
        file.lines = lines;
        file.shape(NameStyle::default())?;
        Ok(file)
    }

    /// What this file leaves of another one, or of nothing, when it may only narrow; and the keys of it that are
    /// ignored, for people.
    pub(super) fn narrowing(self, base: Option<(Checked, &Path)>) -> Result<(File, Vec<String>)> {
        let base_lines = base.as_ref().map(|(base, _)| base.lines()).unwrap_or_default();
        let (base, folder) =
            base.map_or_else(Default::default, |(base, folder)| (base.table, folder.to_owned()));
        let (table, ignored) = narrowed(&base, &self.table);
        let mut file = anchored(table, &folder)?;
        file.lines = base_lines;
        let patterns = self.table.get("filter").and_then(toml::Value::as_array).into_iter().flatten();
        let patterns = patterns.filter_map(toml::Value::as_str).map(str::to_owned).collect();
        // By itself, so that its `!` brings back nothing that the user's own filter leaves out.
        file.found_filter = Some(FoundFilter { patterns, lines: self.lines() });
        file.shape(NameStyle::default())?;
        Ok((file, ignored.iter().map(|key| shown_key(key)).collect()))
    }

    fn lines(&self) -> KeyLines {
        KeyLines::read(&self.path, &String::from_utf8_lossy(&self.content))
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

fn anchored(table: Table, folder: &Path) -> Result<File> {
    let mut file: File = table.try_into()?;
    // A name alone is looked for on the PATH.
    let anchor = |path: &mut PathBuf| {
        if path.components().count() > 1 {
            *path = folder.join(&*path);
        }
    };
    file.python.as_mut().map(anchor);
    file.environments.uv_mut().map(anchor);
    for skills in &mut file.skills_dir.0 {
        // `shipped` is no folder, but those that come with omni.
        if skills.as_os_str() != SHIPPED {
            *skills = folder.join(&*skills);
        }
    }
    for path in [&mut file.root, &mut file.http.token_file].into_iter().flatten() {
        *path = folder.join(&*path);
    }
    Ok(file)
}

/// `[skills.web]` or `python`, with nothing in it that a terminal would obey.
fn shown_key(key: &str) -> String {
    match key.strip_prefix("skills.") {
        Some(skill) => format!("`[skills.{}]`", skill.escape_debug()),
        None => format!("`{key}`"),
    }
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
