//! `omni.toml` while a server runs: what of an edit takes effect at once, and what waits for the next start.

use std::path::PathBuf;

use omni_call::ErrorDetail;
use omni_catalog::{NameStyle, ToolRules};
use omni_server::LiveSettings;
use toml::Table;

use super::checked::check;
use super::edited_keys::{SortedKeys, changed_keys, overruled_by};
use super::places::{Places, names_and_rules};
use super::run::RunSettings;
use super::settings_file::SettingsFile;
use super::settings_status::SettingsInForce;
use crate::args::{PlaceArguments, RunArguments};
use crate::trust::{SETTINGS, TrustStore};
use crate::user_dirs::UserDirs;

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
    /// What the server was started with: what waits for a start is compared with this.
    started: Table,
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
    /// Keys that waited for the next start, and are again as they were at this one.
    pub(crate) restored_keys: Vec<String>,
    /// Keys that have no effect, each with what says otherwise, for people.
    pub(crate) overruled_keys: Vec<String>,
}

impl SettingsChange {
    /// This edit and the one before it, of which nobody has seen anything.
    pub(crate) fn after(mut self, before: SettingsChange) -> Self {
        let add = |own: &mut Vec<String>, before: Vec<String>, not: &[String]| {
            let more: Vec<String> =
                before.into_iter().filter(|key| !own.contains(key) && !not.contains(key)).collect();
            own.extend(more);
        };
        add(&mut self.live_keys, before.live_keys, &[]);
        add(&mut self.waiting_keys, before.waiting_keys, &self.restored_keys);
        add(&mut self.restored_keys, before.restored_keys, &self.waiting_keys);
        add(&mut self.overruled_keys, before.overruled_keys, &[]);
        self
    }
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
    /// `places` were resolved from `place`, and `live` is what is in force. `None` where the working folder is gone already.
    pub(crate) fn new(
        places: &Places,
        place: PlaceArguments,
        run: RunArguments,
        live: LiveSettings,
        is_runner: bool,
    ) -> Option<Self> {
        let here = std::env::current_dir().ok()?;
        let LiveSettings { errors, grace, .. } = live;
        Some(SettingsRereader {
            place,
            run,
            here,
            home: UserDirs::find(),
            errors,
            grace,
            is_runner,
            started: places.file.written.clone(),
            in_force: places.file.written.clone(),
            filter: places.file.found_patterns().to_vec(),
            trusted: places.settings_status.narrowing().is_none(),
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
        // Also what this process has no use for: an edit with a fault is not obeyed in part.
        check(file).map_err(|error| format!("{error:#}"))?;
        let run = RunSettings::resolve(&self.run, file).map_err(|error| format!("{error:#}"))?;
        let rules = self.rules(file).map_err(|error| format!("{error:#}"))?;
        let mut keys = changed_keys(&self.in_force, &file.written);
        if file.found_patterns() != self.filter && !keys.iter().any(|key| key == "filter") {
            keys.push("filter".to_owned());
        }
        let sorted = SortedKeys::of(keys, &changed_keys(&self.started, &file.written), overruled_by);
        let live = LiveSettings {
            timeout: run.timeout,
            idle_timeout: run.idle_timeout,
            errors: run.errors.unwrap_or(self.errors),
            log_output: run.log_output,
            grace: run.grace.unwrap_or(self.grace),
        };
        let SortedKeys { live_keys, waiting_keys, restored_keys, overruled_keys } = sorted;
        let log_level = file.log_level.clone();
        let change =
            SettingsChange { rules, live, log_level, live_keys, waiting_keys, restored_keys, overruled_keys };
        self.filter = file.found_patterns().to_vec();
        self.in_force = found.file.written;
        self.trusted = trusted;
        Ok(Some(Box::new(change)))
    }

    fn rules(&self, file: &SettingsFile) -> anyhow::Result<ToolRules> {
        if self.is_runner {
            return Ok(file.tool_rules(NameStyle::Canonical)?.filters_alone());
        }
        names_and_rules(&self.place, file).map(|(_, rules)| rules)
    }
}
