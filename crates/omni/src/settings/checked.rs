//! A settings file that was read and checked, and how much of it is obeyed.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use omni_call::shown_path;
use omni_catalog::NameStyle;
use toml::Table;

use super::lines::KeyLines;
use super::mistake;
use super::narrowing::narrowed;
use super::profiles::FoundFilter;
use super::run::RunSettings;
use super::serve::ServeSettings;
use super::settings_file::SettingsFile;
use super::skills_path::SHIPPED;
use crate::args::{RunArguments, RunnerArguments};
use crate::log;
use crate::native::NativeTools;
use crate::runner::RunnerSettings;

/// Longer than anybody writes. A file that omni found by itself may be a link to anything.
const BYTES_MAX: u64 = 1 << 20;

/// A settings file that was read and is one, before anything of it is obeyed.
#[derive(Debug)]
pub(crate) struct CheckedFile {
    path: PathBuf,
    content: Vec<u8>,
    table: Table,
}

impl CheckedFile {
    /// Reads a file once: what is checked is what is obeyed.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or is not a settings file; the message names line, column and the keys there are.
    pub(crate) fn read(path: &Path) -> Result<CheckedFile> {
        let unreadable = || format!("`{}` cannot be read", shown_path(path));
        let file = fs::File::open(path).with_context(unreadable)?;
        let mut content = Vec::new();
        file.take(BYTES_MAX + 1).read_to_end(&mut content).with_context(unreadable)?;
        if content.len() as u64 > BYTES_MAX {
            bail!("`{}` is longer than {BYTES_MAX} bytes, which no settings file is", shown_path(path));
        }
        let wrong = || format!("`{}` is not a settings file of omni", shown_path(path));
        let text = std::str::from_utf8(&content).with_context(wrong)?;
        if let Err(error) = toml::from_str::<SettingsFile>(text) {
            return Err(mistake::of_text(path, text, &error));
        }
        let table = text.parse().with_context(wrong)?;
        Ok(CheckedFile { path: path.to_owned(), content, table })
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
    pub(super) fn whole(self, folder: &Path) -> Result<SettingsFile> {
        let lines = self.lines();
        let mut file = anchored(self.table, folder)?;
        check(&file).map_err(|why| mistake::of_value(&self.path, &lines, &why))?;
        file.lines = lines;
        file.tool_rules(NameStyle::default())?;
        Ok(file)
    }

    /// What this file leaves of another one, or of nothing, when it may only narrow; and the keys of it that are
    /// ignored, for people.
    pub(super) fn narrowing(self, base: Option<(CheckedFile, &Path)>) -> Result<(SettingsFile, Vec<String>)> {
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
        file.tool_rules(NameStyle::default())?;
        Ok((file, ignored.iter().map(|key| shown_key(key)).collect()))
    }

    fn lines(&self) -> KeyLines {
        KeyLines::read(&self.path, &String::from_utf8_lossy(&self.content))
    }
}

/// Whether each value can be meant, whatever flags and variables say instead.
pub(super) fn check(file: &SettingsFile) -> Result<()> {
    RunSettings::resolve(&RunArguments::default(), file)?;
    file.log_level.as_deref().map_or(Ok(()), log::check_settings).map_err(anyhow::Error::msg)?;
    NativeTools::named(&file.native_tools)?;
    let runner = RunnerArguments::default();
    RunnerSettings::resolve(&runner, file.runner.as_ref(), true)?;
    ServeSettings::of_file(file).map(|_| ())
}

fn anchored(table: Table, folder: &Path) -> Result<SettingsFile> {
    let mut file: SettingsFile = table.clone().try_into()?;
    file.written = table;
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
    for path in [&mut file.root, &mut file.http.token_file, &mut file.http.unix].into_iter().flatten() {
        *path = folder.join(&*path);
    }
    for tokens in file.http.tokens.values_mut() {
        if let Some(path) = &mut tokens.file {
            *path = folder.join(&*path);
        }
        // A name alone is looked for on the PATH.
        if let Some(program) = tokens.command.as_mut().and_then(|words| words.first_mut())
            && program.contains('/')
            && let Some(path) = folder.join(&*program).to_str()
        {
            *program = path.to_owned();
        }
    }
    if let Some(jwt) = &mut file.http.jwt {
        jwt.anchor(folder);
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
