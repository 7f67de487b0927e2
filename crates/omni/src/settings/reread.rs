//! `omni.toml` while a server runs: what of an edit takes effect at once, and what waits for the next start.

use std::path::PathBuf;

use omni_call::ErrorDetail;
use omni_catalog::{NameStyle, ToolRules};
use omni_server::LiveSettings;
use toml::{Table, Value};

use super::keys::KEYS;
use super::places::of_profile;
use super::run::RunSettings;
use super::settings_file::SettingsFile;
use super::settings_status::SettingsInForce;
use crate::args::{Names, PlaceArguments, RunArguments};
use crate::trust::{SETTINGS, TrustStore};
use crate::user_dirs::UserDirs;

/// The keys that take effect while a server runs. With a name of a table, all beneath it.
pub(super) const LIVE: [&str; 9] = [
    "timeout",
    "idle_timeout",
    "grace",
    "errors",
    "filter",
    "overrides",
    "profiles",
    "log_level",
    "log_output",
];

/// Reads the settings again and again, as they were read at the start.
#[derive(Debug)]
pub(crate) struct SettingsRereader {
    place: PlaceArguments,
    run: RunArguments,
    here: PathBuf,
    home: UserDirs,
    /// What clients read of exceptions where nobody says.
    errors: ErrorDetail,
    grace: std::time::Duration,
    /// By the runner contract: names are canonical, and only filters count.
    is_runner: bool,
    in_force: Table,
    filter: Vec<String>,
    trusted: bool,
    /// Why the last edit is not obeyed.
    problem: Option<String>,
}

/// What an edit has changed.
#[derive(Debug)]
pub(crate) struct SettingsChange {
    pub(crate) rules: ToolRules,
    pub(crate) live: LiveSettings,
    pub(crate) log_level: Option<String>,
    /// The keys that take effect, and those that wait for the next start.
    pub(crate) live_keys: Vec<String>,
    pub(crate) waiting_keys: Vec<String>,
}

/// What came of reading them again.
#[derive(Debug)]
pub(crate) enum Reread {
    Same,
    /// They cannot be obeyed, which has not been said yet. What is in force stays.
    Refused(String),
    /// They can be obeyed again, and are what is in force.
    Mended,
    Changed(Box<SettingsChange>),
}

impl SettingsRereader {
    /// `live` is what is in force. `None` where the working folder, or the file, is gone already.
    pub(crate) fn new(
        place: PlaceArguments,
        run: RunArguments,
        live: LiveSettings,
        is_runner: bool,
    ) -> Option<Self> {
        let here = std::env::current_dir().ok()?;
        let home = UserDirs::find();
        let found = SettingsInForce::find(&place, &here, &home, &TrustStore::read(&home.state)).ok()?;
        let (trusted, filter) = (found.is_trusted(), found.file.found_patterns().to_vec());
        let in_force = found.file.written;
        let LiveSettings { errors, grace, .. } = live;
        Some(SettingsRereader {
            place,
            run,
            here,
            home,
            errors,
            grace,
            is_runner,
            in_force,
            filter,
            trusted,
            problem: None,
        })
    }

    /// The files that make a difference, whether they are there or not.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let named = self.place.folders.config.clone();
        let found =
            [self.here.join(SETTINGS), self.home.config.join(SETTINGS), TrustStore::path(&self.home.state)];
        named.map_or_else(|| found.to_vec(), |named| vec![named])
    }

    /// Reads them again.
    pub(crate) fn reread(&mut self) -> Reread {
        match self.read() {
            Ok(None) if self.problem.take().is_some() => Reread::Mended,
            Ok(None) => Reread::Same,
            Ok(Some(change)) => {
                self.problem = None;
                Reread::Changed(change)
            }
            Err(problem) if self.problem.as_ref() == Some(&problem) => Reread::Same,
            Err(problem) => {
                self.problem = Some(problem.clone());
                Reread::Refused(problem)
            }
        }
    }

    fn read(&mut self) -> Result<Option<Box<SettingsChange>>, String> {
        let store = TrustStore::read(&self.home.state);
        let found = SettingsInForce::find(&self.place, &self.here, &self.home, &store);
        let found = found.map_err(|error| format!("{error:#}"))?;
        // Whoever may write the file and is not the user could take away what leaves tools out.
        if self.trusted && !found.is_trusted() {
            return Err(
                "omni.toml is not the one that was trusted any more; `omni trust` has it obeyed again"
                    .to_owned(),
            );
        }
        let (file, trusted) = (&found.file, found.is_trusted());
        if file.written == self.in_force && file.found_patterns() == self.filter {
            return Ok(None);
        }
        let run = RunSettings::resolve(&self.run, file).map_err(|error| format!("{error:#}"))?;
        let rules = self.rules(file).map_err(|error| format!("{error:#}"))?;
        let mut keys = changed_keys(&self.in_force, &file.written);
        if file.found_patterns() != self.filter && !keys.iter().any(|key| key == "filter") {
            keys.push("filter".to_owned());
        }
        let is_live = |key: &String| LIVE.contains(&key.as_str());
        let (live_keys, waiting_keys) = keys.into_iter().partition(is_live);
        let live = LiveSettings {
            timeout: run.timeout,
            idle_timeout: run.idle_timeout,
            errors: run.errors.unwrap_or(self.errors),
            log_output: run.log_output,
            grace: run.grace.unwrap_or(self.grace),
        };
        let change =
            SettingsChange { rules, live, log_level: file.log_level.clone(), live_keys, waiting_keys };
        self.filter = file.found_patterns().to_vec();
        self.in_force = found.file.written;
        self.trusted = trusted;
        Ok(Some(Box::new(change)))
    }

    fn rules(&self, file: &SettingsFile) -> anyhow::Result<ToolRules> {
        if self.is_runner {
            return Ok(file.tool_rules(NameStyle::Canonical)?.filters_alone());
        }
        let names = self.place.names.or(file.names).map(Names::style).unwrap_or_default();
        match &self.place.profile {
            Some(profile) => of_profile(file.tool_rules(names)?, profile),
            None => file.tool_rules(names),
        }
    }
}

/// The keys whose values differ, in the order of the reference.
fn changed_keys(before: &Table, after: &Table) -> Vec<String> {
    fn value<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
        match key.split_once('.') {
            Some((table_name, member)) => table.get(table_name)?.as_table()?.get(member),
            None => table.get(key),
        }
    }
    let differs = |key: &&str| value(before, key) != value(after, key);
    let mut keys: Vec<String> = KEYS.iter().map(|key| key.name).filter(differs).map(str::to_owned).collect();
    // `workers = "1..4"` and `runner = "ADDRESS"` stand for a table.
    for name in ["workers", "runner"] {
        let text = |table: &Table| table.get(name).filter(|value| !value.is_table()).cloned();
        if text(before) != text(after) && !keys.iter().any(|key| key.starts_with(&format!("{name}."))) {
            keys.push(name.to_owned());
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_that_differ_are_named_and_each_live_one_is_a_key() {
        let table = |text: &str| text.parse::<Table>().unwrap();
        let before = table("timeout = 5\nworkers = \"1..2\"\n[http]\nport = 1\n[skills.a]\nx = 1");
        let after =
            table("timeout = 6\nworkers = \"1..3\"\nfilter = [\"a\"]\n[http]\nport = 1\n[skills.a]\nx = 2");
        assert_eq!(changed_keys(&before, &after), ["timeout", "filter", "skills", "workers"]);
        assert_eq!(changed_keys(&before, &before), Vec::<String>::new());
        for key in LIVE {
            assert!(KEYS.iter().any(|row| row.name == key), "{key}");
        }
    }
}
