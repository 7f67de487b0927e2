//! What is done when something has changed: on the watcher's thread, everything that takes time.

use std::collections::HashSet;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use omni_call::{SkillChange, shown_path, with_causes};
use omni_catalog::{Catalog, Diagnostic, PreparedSnapshot, Severity, Skill, ToolRules};
use omni_server::LiveSettings;
use omni_watch::{Look, Watched, Why};
use tokio::sync::mpsc::UnboundedSender;

use super::differences::{Differences, place};
use super::kept_versions::KeptVersions;
use crate::log;
use crate::settings::{Reread, SettingsChange, SettingsRereader};
use crate::text::{first_of, plural};

/// What the front has to do: at once, and without waiting for anything.
pub(super) struct Publication {
    /// `None` where the snapshot in force stays.
    pub(super) prepared: Option<PreparedSnapshot>,
    /// The skills whose code is another, or gone.
    pub(super) changed: Vec<SkillChange>,
    /// Other settings of the server.
    pub(super) live: Option<LiveSettings>,
    /// Told whether it could be done: not where another snapshot has come between.
    pub(super) done: SyncSender<bool>,
}

/// What is known of the looks so far, for whoever asks.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// How each folder is watched, once it is.
    pub(super) watched: Vec<Watched>,
    /// Why the last look failed.
    pub(super) failed: Option<String>,
    /// Why the settings file, as it is now, is not obeyed.
    pub(super) settings_refused: Option<String>,
    /// What the last change was, and when it took effect.
    pub(super) last: Option<(Instant, Differences)>,
}

/// Looks at the folders, and hands what it finds to the front.
pub(super) struct CatalogLook {
    pub(super) catalog: Arc<Catalog>,
    pub(super) front: UnboundedSender<Publication>,
    pub(super) known: Arc<Mutex<Known>>,
    /// The settings file, where it is looked at.
    pub(super) settings: Option<SettingsRereader>,
    /// What an edit of it has changed and nobody sees yet.
    pub(super) change: Option<SettingsChange>,
    pub(super) versions: KeptVersions,
}

impl CatalogLook {
    fn known(&self, change: impl FnOnce(&mut Known)) {
        change(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Whether the settings are others.
    fn reread(&mut self) -> bool {
        let Some(settings) = &mut self.settings else { return false };
        match settings.reread() {
            Reread::Same => false,
            Reread::Refused(error) => {
                tracing::error!("{error}; what was in force stays");
                self.known(|known| known.settings_refused = Some(error));
                false
            }
            Reread::Mended => {
                self.known(|known| known.settings_refused = None);
                tracing::info!("omni.toml can be obeyed again, and says what is in force");
                false
            }
            Reread::Changed(change) => {
                self.known(|known| known.settings_refused = None);
                // Two edits before anybody has seen the first.
                self.change = Some(match self.change.take() {
                    Some(before) => change.after(before),
                    None => *change,
                });
                true
            }
        }
    }

    /// The rules to come, where an edit of the settings has changed them.
    fn rules(&self) -> Option<Arc<ToolRules>> {
        let change = self.change.as_ref()?;
        let is_of_rules = |key: &String| matches!(key.as_str(), "filter" | "overrides" | "profiles");
        if !change.live_keys.iter().any(is_of_rules) {
            return None;
        }
        let rules = change.rules.clone().in_place_of(&self.catalog.rules());
        if rules.is_none() {
            tracing::error!(
                "there have been more profiles than a server can keep; they take effect at the next start"
            );
        }
        rules.map(Arc::new)
    }

    fn refresh(&mut self) -> bool {
        let refreshed = self.catalog.refresh_sources();
        let failed = refreshed.as_ref().err().map(|error| with_causes(error));
        self.known(|known| {
            // Said when it begins and when it ends, not at each look between.
            match (&known.failed, &failed) {
                (before, Some(error)) if before.as_ref() != Some(error) => {
                    tracing::error!(%error, "the skills cannot be read; what was served before still is");
                }
                (Some(_), None) => tracing::info!("the skills can be read again"),
                _ => {}
            }
            known.failed = failed;
        });
        refreshed.is_ok_and(|report| report.replaced)
    }

    /// The snapshot to come, where it is another than the one in force.
    fn prepare(&self) -> Result<Option<PreparedSnapshot>, String> {
        let rules = self.rules();
        self.catalog.prepare(rules).map_err(|error| with_causes(&error))
    }
}

impl Look for CatalogLook {
    fn watched(&mut self, trees: &[Watched]) {
        for tree in trees {
            match &tree.why_not {
                None => tracing::debug!(folder = shown_path(&tree.path), "watched"),
                Some(Why::Wanted) => {}
                Some(why) => tracing::warn!(
                    folder = shown_path(&tree.path),
                    "looked at every 2 seconds instead of being watched: {why}"
                ),
            }
        }
        self.known(|known| known.watched = trees.to_vec());
        self.versions.keep_all(self.catalog.snapshot().skills());
    }

    fn look(&mut self) -> bool {
        let other_settings = self.reread();
        self.refresh() || other_settings
    }

    fn publish(&mut self) {
        loop {
            let prepared = match self.prepare() {
                Ok(prepared) => prepared,
                Err(error) => {
                    tracing::error!(%error, "what was served before still is");
                    return self.known(|known| known.failed = Some(error));
                }
            };
            let live = self.change.as_ref().map(|change| change.live);
            if prepared.is_none() && live.is_none() {
                return;
            }
            let (done, is_done) = std::sync::mpsc::sync_channel(1);
            let changed =
                prepared.as_ref().map(|it| it.after().changes_since(it.before())).unwrap_or_default();
            // Before they are served: an edit that breaks them may be the next one.
            if let Some(prepared) = &prepared {
                let is_changed = |skill: &&Skill| changed.iter().any(|change| change.skill == skill.folder);
                let skills = prepared.after().skills();
                skills.iter().filter(is_changed).for_each(|skill| self.versions.keep(skill));
            }
            let publication = Publication { prepared: prepared.clone(), changed, live, done };
            if self.front.send(publication).is_err() {
                return;
            }
            match is_done.recv() {
                Ok(true) => {}
                // Somebody else has changed what is served meanwhile: from there, again.
                Ok(false) => continue,
                // Nobody is served any more.
                Err(_) => return,
            }
            // After it has taken effect: to compare all there is takes long, and only people want to know.
            let at = Instant::now();
            let differences =
                prepared.as_ref().map(|it| Differences::between(it.before(), it.after())).unwrap_or_default();
            if let Some(conflicts) = prepared.as_ref().and_then(PreparedSnapshot::new_conflicts) {
                tracing::error!("{conflicts}");
            }
            if let Some(change) = self.change.take() {
                obeyed(&change);
            }
            report(&differences, self.catalog.snapshot().tool_count());
            if differences != Differences::default() {
                self.known(|known| known.last = Some((at, differences)));
            }
            return;
        }
    }
}

/// Says what of an edit of the settings holds, and what does not yet.
fn obeyed(change: &SettingsChange) {
    if change.live_keys.iter().any(|key| key == "log_level")
        && let Err(error) = log::by_settings(change.log_level.as_deref())
    {
        tracing::error!("{error}; what was in force stays");
    }
    if !change.live_keys.is_empty() {
        tracing::info!(keys = change.live_keys.join(", "), "omni.toml has changed, and this takes effect");
    }
    if !change.waiting_keys.is_empty() {
        tracing::warn!(
            keys = change.waiting_keys.join(", "),
            "omni.toml has changed, and this takes effect when the server is started anew"
        );
    }
    if !change.restored_keys.is_empty() {
        tracing::info!(
            keys = change.restored_keys.join(", "),
            "omni.toml has changed, and in this it says again what the server runs with"
        );
    }
    if !change.overruled_keys.is_empty() {
        tracing::warn!(
            keys = change.overruled_keys.join(", "),
            "omni.toml has changed, and this has no effect: the command line or the environment says it"
        );
    }
}

/// Findings of one look that are said one by one.
const SAID_MAX: usize = 20;

fn report(differences: &Differences, tools: usize) {
    let (skills, lists) = (some(&differences.skills), differences.lists.join(", "));
    match (skills.is_empty(), lists.is_empty()) {
        (true, true) => {}
        (false, true) => tracing::info!(skills, tools, "the skills have changed"),
        (false, false) => {
            tracing::info!(skills, tools, lists, "the skills have changed, and what clients see");
        }
        (true, false) if differences.rules => {
            tracing::info!(tools, lists, "no skill has changed; by omni.toml clients see something else");
        }
        (true, false) => tracing::info!(tools, lists, "what clients see has changed"),
    }
    for found in differences.new.iter().take(SAID_MAX) {
        let (at, message) = (place(found), found.message.as_str());
        match found.severity {
            Severity::Error => tracing::error!(at, help = help(found), "{message}"),
            Severity::Warning | Severity::Note => tracing::warn!(at, help = help(found), "{message}"),
        }
    }
    if let Some(more) = differences.new.len().checked_sub(SAID_MAX).filter(|more| *more > 0) {
        tracing::warn!("{} more: `omni doctor` lists them", plural(more, "problem"));
    }
    let mut healed: Vec<String> = differences.healed.iter().map(|found| found.file.clone()).collect();
    healed.dedup();
    let again: HashSet<&str> = differences.new.iter().map(|found| &*found.file).collect();
    healed.retain(|file| !again.contains(&**file));
    if !healed.is_empty() {
        tracing::info!(files = some(&healed), "mended");
    }
}

fn help(found: &Diagnostic) -> &str {
    found.help.as_deref().unwrap_or_default()
}

/// The first of many skills, or files.
pub(super) fn some(names: &[String]) -> String {
    first_of(names, 8)
}
