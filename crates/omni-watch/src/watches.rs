//! Which folders does the kernel watch, for whom, and what does an event in one of them mean?

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::filesystem::without_events;
use crate::kernel::{Event, Kernel, WatchId};
use crate::names::{file_matters, is_left_out};
use crate::walk::{self, Role, Tree};
use crate::watched::Why;

/// What is walked at once: a part of a tree, or the way to it. `part` is `None` for a tree's own folder with the way there,
/// and for a single file.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Unit {
    target: usize,
    part: Option<OsString>,
}

/// What is watched for its own sake.
#[derive(Debug)]
enum Target {
    Tree(Tree),
    /// By its name, in its folder.
    File(PathBuf),
}

/// All watches, and what has to be walked again.
pub(crate) struct Watches {
    kernel: Kernel,
    targets: Vec<Target>,
    /// Why a target is not watched.
    given_up: Vec<Option<Why>>,
    by_id: HashMap<WatchId, Vec<(Unit, Role)>>,
    by_unit: HashMap<Unit, Vec<WatchId>>,
    /// In these, folders or links may have come or gone.
    stale: HashSet<Unit>,
}

impl Watches {
    /// Watches nothing before the first [`walk`](Self::walk), and never what the kernel does not see all changes of. Trees
    /// come first, in their order.
    pub(crate) fn new(kernel: Kernel, trees: &[Tree], files: &[PathBuf]) -> Self {
        let files = files.iter().cloned().map(Target::File);
        let targets: Vec<Target> = trees.iter().cloned().map(Target::Tree).chain(files).collect();
        let stale = (0..targets.len()).map(|target| Unit { target, part: None }).collect();
        let unseen = |target: &Target| {
            let place = match target {
                Target::Tree(tree) => &tree.path,
                Target::File(path) => path.parent()?,
            };
            without_events(place).ok().flatten().map(Why::FileSystem)
        };
        let given_up = targets.iter().map(unseen).collect();
        Watches { kernel, targets, given_up, by_id: HashMap::new(), by_unit: HashMap::new(), stale }
    }

    pub(crate) fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// Why the tree of that number is not watched.
    pub(crate) fn given_up(&self, tree: usize) -> Option<&Why> {
        self.given_up.get(tree).and_then(Option::as_ref)
    }

    /// Whether anything, be it a single file, is not watched.
    pub(crate) fn is_blind(&self) -> bool {
        self.given_up.iter().any(Option::is_some)
    }

    /// Reads all events there are, and says whether any of them matters.
    pub(crate) fn read(&mut self) -> bool {
        let mut events = Vec::new();
        let Watches { kernel, by_id, .. } = &*self;
        let mut overflow = false;
        // In a storm there are many of a few: what one means is found out once.
        let mut seen: HashSet<(WatchId, OsString, bool, bool)> = HashSet::new();
        let read = kernel.read(|event| match event {
            Event::Overflow => overflow = true,
            Event::Itself { watch } | Event::Ended { watch } if !by_id.contains_key(&watch) => {}
            Event::Itself { watch } => events.push(Told::Itself(watch)),
            Event::Ended { watch } => events.push(Told::Ended(watch)),
            Event::Inside { watch, name, is_folder, entry_changed } => {
                if seen.insert((watch, name.to_owned(), is_folder, entry_changed)) {
                    events.push(Told::Inside { watch, name: name.to_owned(), is_folder, entry_changed });
                }
            }
        });
        let mut matters = false;
        if overflow || read.is_err() {
            self.all_stale();
            matters = true;
        }
        for event in events {
            matters |= self.take(event);
        }
        matters
    }

    /// Nothing that was known of folders holds any more.
    pub(crate) fn all_stale(&mut self) {
        self.stale = (0..self.targets.len()).map(|target| Unit { target, part: None }).collect();
    }

    fn take(&mut self, event: Told) -> bool {
        match event {
            Told::Itself(watch) => self.stale_of(watch),
            Told::Ended(watch) => {
                let matters = self.stale_of(watch);
                for (unit, _) in self.by_id.remove(&watch).unwrap_or_default() {
                    if let Some(ids) = self.by_unit.get_mut(&unit) {
                        ids.retain(|id| *id != watch);
                    }
                }
                matters
            }
            Told::Inside { watch, name, is_folder, entry_changed } => {
                let Some(whose) = self.by_id.get(&watch) else { return false };
                let mut matters = false;
                for (unit, role) in whose {
                    let Some(stale) = self.meaning(unit, role, &name, is_folder, entry_changed) else {
                        continue;
                    };
                    matters = true;
                    self.stale.extend(stale);
                }
                matters
            }
        }
    }

    /// What an event says of one who watches the folder: nothing, or that something has changed, and what has to be walked
    /// again for it.
    fn meaning(
        &self,
        unit: &Unit,
        role: &Role,
        name: &OsStr,
        is_folder: bool,
        entry_changed: bool,
    ) -> Option<Option<Unit>> {
        let bytes = name.as_bytes();
        match role {
            Role::Entry(wanted) => (wanted == name).then(|| entry_changed.then(|| unit.clone())),
            Role::Tree => {
                if is_left_out(bytes) {
                    return None;
                }
                let part = Unit { target: unit.target, part: Some(name.to_owned()) };
                // A link to a folder is no folder to the kernel, and may be called anything.
                let is_part =
                    entry_changed && (is_folder || self.by_unit.contains_key(&part) || self.is_link(&part));
                (is_part || file_matters(bytes, false)).then(|| is_part.then_some(part))
            }
            Role::Inside { .. } if is_folder => (!is_left_out(bytes)).then(|| Some(unit.clone())),
            Role::Inside { documents } => {
                // It may be, or have been, a link.
                file_matters(bytes, *documents).then(|| entry_changed.then(|| unit.clone()))
            }
        }
    }

    fn is_link(&self, unit: &Unit) -> bool {
        let Some((Target::Tree(tree), part)) = self.targets.get(unit.target).zip(unit.part.as_ref()) else {
            return false;
        };
        fs::symlink_metadata(tree.path.join(part)).is_ok_and(|found| found.is_symlink())
    }

    fn stale_of(&mut self, watch: WatchId) -> bool {
        let units: Vec<Unit> =
            self.by_id.get(&watch).into_iter().flatten().map(|(unit, _)| unit.clone()).collect();
        let known = !units.is_empty();
        self.stale.extend(units);
        known
    }

    /// Walks what has to be walked again: folders that are new are watched, those that are no more are not.
    pub(crate) fn walk(&mut self) {
        let mut stale: Vec<Unit> = self.stale.drain().collect();
        // A tree before its parts: it walks them all.
        stale.sort();
        let mut whole = None;
        for unit in stale {
            if whole == Some(unit.target) && unit.part.is_some() || self.given_up[unit.target].is_some() {
                continue;
            }
            if unit.part.is_none() {
                whole = Some(unit.target);
            }
            let target = unit.target;
            if let Err(why) = self.walk_unit(unit) {
                self.give_up(target, why);
            }
        }
    }

    fn walk_unit(&mut self, unit: Unit) -> Result<(), Why> {
        let target = unit.target;
        match (&self.targets[target], &unit.part) {
            (Target::File(path), _) => {
                let path = path.clone();
                self.renew(unit, |watch| walk::way_to(&path, watch))
            }
            (Target::Tree(tree), Some(part)) => {
                let Ok(real) = tree.path.canonicalize() else { return self.renew(unit, |_| Ok(())) };
                let part = part.clone();
                self.renew(unit, |watch| walk::part(&real, &part, watch))
            }
            (Target::Tree(tree), None) => {
                let Tree { path, only } = tree.clone();
                let real = path.canonicalize().ok();
                self.renew(unit, |watch| {
                    walk::way_to(&path, watch)?;
                    match (&real, &only) {
                        (Some(real), Some(only)) => watch(real, Role::Entry(only.clone())),
                        (Some(real), None) => watch(real, Role::Tree),
                        (None, _) => Ok(()),
                    }
                })?;
                let now = real.map(|real| walk::parts(&real, only.as_deref())).unwrap_or_default();
                let before = self.by_unit.keys().filter(|unit| unit.target == target);
                let mut parts: Vec<OsString> =
                    before.filter_map(|unit| unit.part.clone()).chain(now).collect();
                parts.sort();
                parts.dedup();
                parts.into_iter().try_for_each(|part| self.walk_unit(Unit { target, part: Some(part) }))
            }
        }
    }

    /// Has what `walk` wants watched for a unit, and no longer what was watched for it and is not wanted.
    fn renew(
        &mut self,
        unit: Unit,
        walk: impl FnOnce(walk::Watch<'_, Why>) -> Result<(), Why>,
    ) -> Result<(), Why> {
        let before = self.by_unit.remove(&unit).unwrap_or_default();
        for id in &before {
            if let Some(whose) = self.by_id.get_mut(id) {
                whose.retain(|(who, _)| *who != unit);
            }
        }
        let Watches { kernel, by_id, .. } = self;
        let mut now = Vec::new();
        let walked = walk(&mut |folder: &Path, role| {
            match kernel.watch(folder) {
                Ok(id) => {
                    let whose = by_id.entry(id).or_default();
                    if !whose.iter().any(|(who, known)| *who == unit && *known == role) {
                        whose.push((unit.clone(), role));
                    }
                    now.push(id);
                    Ok(())
                }
                Err(Errno::NOSPC | Errno::NOMEM) => Err(Why::WatchLimit),
                // Gone meanwhile, or not to be read: then nobody reads it, and its own folder says when that changes.
                Err(_) => Ok(()),
            }
        });
        now.sort_unstable();
        now.dedup();
        if !now.is_empty() {
            self.by_unit.insert(unit, now);
        }
        self.forget(before);
        walked
    }

    fn forget(&mut self, ids: Vec<WatchId>) {
        for id in ids {
            if self.by_id.get(&id).is_some_and(Vec::is_empty) {
                self.by_id.remove(&id);
                self.kernel.unwatch(id);
            }
        }
    }

    /// Watches nothing of a target: what was watched of it is of no use, and others may need it.
    fn give_up(&mut self, target: usize, why: Why) {
        self.given_up[target] = Some(why);
        let units: Vec<Unit> = self.by_unit.keys().filter(|unit| unit.target == target).cloned().collect();
        for unit in units {
            // A walk that wants nothing does not fail.
            let _ = self.renew(unit, |_| Ok(()));
        }
    }
}

/// An event that was read.
enum Told {
    Inside { watch: WatchId, name: OsString, is_folder: bool, entry_changed: bool },
    Itself(WatchId),
    Ended(WatchId),
}

#[cfg(test)]
mod tests;
