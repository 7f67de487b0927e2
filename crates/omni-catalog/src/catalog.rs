//! How the snapshot in force follows from the sources, and is replaced.

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, Guard};
use omni_call::with_causes;

use crate::manifest_diff::ManifestDiff;
use crate::merge::merge;
use crate::snapshot::SourceEntry;
use crate::source::folder::{FolderConfig, FolderSource};
use crate::source::{RefreshReport, Source, SourceError};
use crate::tool_rules::{RuleConflicts, ToolRules};
use crate::{CatalogKind, Snapshot};

/// All that is served, of all sources. Shared in an `Arc`; every method may be called from any thread.
///
/// The snapshot in force changes only in [`refresh`](Catalog::refresh), in [`merge`](Catalog::merge), or, in two steps, in
/// [`prepare`](Catalog::prepare) and [`commit`](Catalog::commit). Nothing is watched, and dropping a catalogue stops nothing.
#[derive(Debug)]
pub struct Catalog {
    sources: Vec<Arc<dyn Source>>,
    /// By kind.
    cached: [bool; CatalogKind::ALL.len()],
    current: ArcSwap<Snapshot>,
    /// One refresh at a time; readers of the snapshot never wait for it.
    refreshing: Mutex<()>,
    keeps_last_good: AtomicBool,
}

/// More sources than this are not numbered.
const SOURCES_MAX: usize = 1_000;

impl Catalog {
    /// A catalogue of what these sources have, seen as `rules` says: at once what each knows already, such as from its
    /// cache. Where two have something of one name, the first has it.
    ///
    /// # Errors
    ///
    /// When they describe more than 4 GiB of tools together, and for more than 1,000 sources.
    pub fn new(sources: Vec<Arc<dyn Source>>, rules: ToolRules) -> Result<Catalog, SourceError> {
        if sources.len() > SOURCES_MAX {
            return Err(SourceError::TooMany { count: sources.len(), max: SOURCES_MAX });
        }
        let entries = source_entries(&sources);
        // Without any source there is nothing that a first refresh could find.
        let cached = CatalogKind::ALL.map(|kind| entries.iter().all(|source| source.snapshot.knows(kind)));
        let rules = Arc::new(rules);
        let current = merge(entries, &rules, None).map_err(|_| too_large(&sources))?;
        let current = ArcSwap::from_pointee(current);
        Ok(Catalog {
            sources,
            cached,
            current,
            refreshing: Mutex::default(),
            keeps_last_good: AtomicBool::new(false),
        })
    }

    /// The catalogue of one folder, as it is.
    ///
    /// # Errors
    ///
    /// As for [`FolderSource::open`].
    pub fn of_folder(config: FolderConfig) -> Result<Catalog, SourceError> {
        let rules = ToolRules::plain(config.names);
        Catalog::new(vec![Arc::new(FolderSource::open(config)?)], rules)
    }

    /// The snapshot in force. Never waits.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// What is seen of them, and by whom, at the moment. Never waits.
    pub fn rules(&self) -> RulesInForce {
        RulesInForce(self.current.load())
    }

    /// From now on broken edits leave what is served: see [`Source::refresh`].
    pub fn keep_last_good(&self) {
        self.keeps_last_good.store(true, Ordering::Relaxed);
    }

    /// Who has something to offer, in their order.
    pub fn sources(&self) -> &[Arc<dyn Source>] {
        &self.sources
    }

    /// Whether any source may ever have something of this kind.
    pub fn offers(&self, kind: CatalogKind) -> bool {
        self.sources.iter().any(|source| source.offers(kind))
    }

    /// Whether arguments of the prompts or templates of any source can be completed, at the moment.
    pub fn completes(&self) -> bool {
        self.sources.iter().any(|source| source.completes())
    }

    /// Whether every source had this kind kept when the catalogue was made, or never has any of it, so that there is a
    /// list before the first refresh.
    pub fn has_cached(&self, kind: CatalogKind) -> bool {
        self.cached[kind as usize]
    }

    /// Has every source refresh, and makes the snapshot what came of it. Blocks, for as long as they
    /// take one after the other. Two refreshes at once run one after the other.
    ///
    /// # Errors
    ///
    /// When no source could: of one that fails among others the last good snapshot stays, with a finding in
    /// the snapshot.
    pub fn refresh(&self) -> Result<RefreshReport, SourceError> {
        let _turn = self.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        let refreshed = self.refresh_each();
        let merged = self.apply()?;
        let all = refreshed?;
        Ok(RefreshReport { changed: merged.changed, replaced: merged.replaced, ..all })
    }

    /// Has every source refresh, and leaves the snapshot as it is until somebody [`prepare`](Self::prepare)s and
    /// [`commit`](Self::commit)s another. Blocks.
    ///
    /// # Errors
    ///
    /// As for [`refresh`](Self::refresh).
    pub fn refresh_sources(&self) -> Result<RefreshReport, SourceError> {
        let _turn = self.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        self.refresh_each()
    }

    fn refresh_each(&self) -> Result<RefreshReport, SourceError> {
        let mut all = RefreshReport::default();
        let mut errors = Vec::new();
        let in_force = self.keeps_last_good.load(Ordering::Relaxed).then(|| self.snapshot());
        for (at, source) in self.sources.iter().enumerate() {
            let served = in_force.as_ref().and_then(|snapshot| snapshot.sources.get(at));
            match source.refresh(served.map(|entry| &*entry.snapshot)) {
                Ok(refreshed) => all = all.and(refreshed),
                Err(error) => errors.push((source.name(), error)),
            }
        }
        if errors.len() == self.sources.len()
            && let Some((_, error)) = errors.pop()
        {
            return Err(error);
        }
        for (source, error) in errors {
            tracing::warn!(source, error = with_causes(&error), "what was served of it before still is");
        }
        Ok(all)
    }

    /// The snapshot that follows from what the sources have now, seen by `rules`, or as it is seen already. It takes effect
    /// with [`commit`](Self::commit). `None` where it would be the one in force. Blocks where there are many tools.
    ///
    /// # Errors
    ///
    /// When there are more than 4 GiB of tools.
    pub fn prepare(&self, rules: Option<Arc<ToolRules>>) -> Result<Option<PreparedSnapshot>, SourceError> {
        let _turn = self.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        self.prepared(rules)
    }

    fn prepared(&self, rules: Option<Arc<ToolRules>>) -> Result<Option<PreparedSnapshot>, SourceError> {
        let before = self.snapshot();
        let rules = rules.unwrap_or_else(|| Arc::clone(&before.rules));
        let entries = source_entries(&self.sources);
        let same = |(one, other): (&SourceEntry, &SourceEntry)| Arc::ptr_eq(&one.snapshot, &other.snapshot);
        if Arc::ptr_eq(&before.rules, &rules) && before.sources.iter().zip(&entries).all(same) {
            return Ok(None);
        }
        let after = merge(entries, &rules, Some(&before)).map_err(|_| too_large(&self.sources))?;
        Ok(Some(PreparedSnapshot { before, after: Arc::new(after) }))
    }

    /// Makes a prepared snapshot the one in force. Costs one exchange, so it may be done where nothing may be waited for;
    /// what is dropped with it may be large. `false`, and nothing has happened, where another snapshot has taken effect since
    /// this one was prepared: it is to be prepared anew.
    #[must_use]
    pub fn commit(&self, prepared: &PreparedSnapshot) -> bool {
        let replaced = self.current.compare_and_swap(&prepared.before, Arc::clone(&prepared.after));
        Arc::ptr_eq(&replaced, &prepared.before)
    }

    /// Makes the snapshot what the sources have now: to be called after one was given another list.
    /// Says whether clients see another list of any kind. Blocks where there are many tools.
    ///
    /// # Errors
    ///
    /// When there are more than 4 GiB of tools; the snapshot stays as it was.
    pub fn merge(&self) -> Result<bool, SourceError> {
        let _turn = self.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.snapshot();
        if !self.apply()?.replaced {
            return Ok(false);
        }
        let after = self.snapshot();
        let skills = CatalogKind::Skills;
        Ok(before.list_versions().ne(after.list_versions())
            || before.version(skills) != after.version(skills))
    }

    fn apply(&self) -> Result<RefreshReport, SourceError> {
        loop {
            let Some(prepared) = self.prepared(None)? else {
                return Ok(RefreshReport::default());
            };
            let PreparedSnapshot { before, after } = &prepared;
            if !self.commit(&prepared) {
                continue;
            }
            let changed = before.list_versions().ne(after.list_versions());
            if let Some(conflicts) = prepared.new_conflicts() {
                tracing::error!("{conflicts}");
            }
            return Ok(RefreshReport { changed, replaced: true, ..RefreshReport::default() });
        }
    }

    /// What a refresh would change in the manifests, without changing anything.
    ///
    /// # Errors
    ///
    /// As for [`Source::diff`] of any source.
    pub fn diff(&self) -> Result<ManifestDiff, SourceError> {
        let _turn = self.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = ManifestDiff::default();
        for source in &self.sources {
            all = all.and(source.diff()?);
        }
        Ok(all)
    }

    /// Where the manifests are kept, in the order of the sources that have one.
    pub fn manifest_paths(&self) -> Vec<PathBuf> {
        self.sources.iter().filter_map(|source| source.manifest_path()).collect()
    }
}

/// The rules in force when this was asked for.
pub struct RulesInForce(Guard<Arc<Snapshot>>);

impl Deref for RulesInForce {
    type Target = ToolRules;

    fn deref(&self) -> &ToolRules {
        &self.0.rules
    }
}

/// A snapshot that could be in force, and the one that is.
#[derive(Clone, Debug)]
pub struct PreparedSnapshot {
    before: Arc<Snapshot>,
    after: Arc<Snapshot>,
}

impl PreparedSnapshot {
    /// The one that was in force when this was prepared.
    pub fn before(&self) -> &Arc<Snapshot> {
        &self.before
    }

    /// The one that takes its place.
    pub fn after(&self) -> &Arc<Snapshot> {
        &self.after
    }

    /// The rules that cannot be obeyed with it, where these are others than before.
    pub fn new_conflicts(&self) -> Option<&RuleConflicts> {
        let (before, after) = (self.before.rule_conflicts(), self.after.rule_conflicts());
        (!after.is_empty() && after != before).then_some(after)
    }
}

fn source_entries(sources: &[Arc<dyn Source>]) -> Vec<SourceEntry> {
    let entry = |source: &Arc<dyn Source>| {
        let snapshot = source.snapshot();
        let prefix = snapshot.defaults().prefix.clone();
        let offers = CatalogKind::ALL.map(|kind| source.offers(kind));
        SourceEntry { name: source.name().into(), snapshot, prefix, offers }
    };
    sources.iter().map(entry).collect()
}

fn too_large(sources: &[Arc<dyn Source>]) -> SourceError {
    let names: Vec<&str> = sources.iter().map(|source| source.name()).collect();
    SourceError::TooLarge { source_name: names.join("`, `") }
}
