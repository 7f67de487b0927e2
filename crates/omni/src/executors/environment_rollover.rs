//! New environments are made aside: what a skill's calls run in until then, and when the one before goes.
//!
//! The requirements of a skill may change while it is served, and what they want takes seconds to be installed, or cannot
//! be. Until it is ready, the environment before serves the code that it served before; code that came with the new
//! requirements, or after them, waits for the new environment, since it may import what only that has. Where the new one
//! cannot be made there is nothing to wait for, and the one before serves whatever code there is
//! ([decision 0051](../../../../docs/decisions/0051-environments-aside.md)).

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use omni_call::{Requirements, RunSpec, Target};
use omni_catalog::Snapshot;
use omni_environments::{Environment, Environments};

use super::sets::EnvironmentSets;
use crate::environments::{required, wanted};

/// The skills whose requirements have changed, until their new environments are there.
pub(super) struct EnvironmentRollover {
    environments: Environments,
    sets: Arc<EnvironmentSets>,
    state: Mutex<RolloverState>,
}

#[derive(Default)]
struct RolloverState {
    before: HashMap<CodeFile, PreviousEnvironment>,
    /// The names of the environments that are being made here.
    making: HashSet<String>,
    /// Those that the newest snapshot wants, as far as anything of it has changed.
    wanted: HashSet<String>,
}

/// The tools, resources, prompts and completions of one file: requirements stand in a script of its own, or are those of its
/// skill.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct CodeFile {
    skill: String,
    file: String,
}

/// What ran the code of a file before its requirements changed.
#[derive(Clone)]
pub(super) struct PreviousEnvironment {
    /// `None` is the server's own interpreter, where nothing was to be installed.
    pub(super) environment: Option<Arc<Environment>>,
    /// The version of the code that it ran.
    digest: Option<String>,
    /// The name of the environment that is to follow.
    next: String,
    /// The next one could not be made.
    failed: bool,
}

/// Which environments are made before a call wants them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PrepareAhead {
    /// None: nobody has trusted these skills.
    Nothing,
    /// Those that follow one that is in use.
    Following,
    /// All that the skills want.
    Everything,
}

/// An environment that is to be made.
struct MissingEnvironment {
    name: String,
    requirements: Requirements,
    skill_dir: PathBuf,
}

impl EnvironmentRollover {
    pub(super) fn new(environments: Environments, sets: Arc<EnvironmentSets>) -> Arc<Self> {
        Arc::new(EnvironmentRollover { environments, sets, state: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, RolloverState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What something ran in before, while what it wants now is not there.
    pub(super) fn previous(&self, spec: &RunSpec) -> Option<PreviousEnvironment> {
        let state = self.lock();
        if state.before.is_empty() {
            return None;
        }
        state.before.get(&CodeFile::of(spec)?).cloned()
    }

    /// Takes note that the snapshot `now` has followed `before`, and begins to make what is missing. Compares all that is offered
    /// and parses what differs: not for the thread that serves clients.
    pub(super) fn changed(self: &Arc<Self>, before: &Snapshot, now: &Snapshot, ahead: PrepareAhead) {
        let by_file = |spec: Arc<RunSpec>| Some((CodeFile::of(&spec)?, spec));
        let old: HashMap<CodeFile, Arc<RunSpec>> = before.run_specs_unlike(now).filter_map(by_file).collect();
        let new: HashMap<CodeFile, Arc<RunSpec>> = now.run_specs_unlike(before).filter_map(by_file).collect();
        let needs =
            |files: &HashMap<CodeFile, Arc<RunSpec>>| files.values().any(|spec| required(spec).is_some());
        if !needs(&old) && !needs(&new) {
            return;
        }
        let wanted = wanted(now, &self.environments).into_iter().map(|wanted| wanted.name).collect();
        let mut missing = Vec::new();
        let mut state = self.lock();
        state.wanted = wanted;
        state.before.retain(|file, _| !old.contains_key(file) || new.contains_key(file));
        for (file, spec) in new {
            if let Some(found) = self.follow(&mut state, &file, old.get(&file), &spec, ahead) {
                missing.push(found);
            }
        }
        // What nobody wants any more goes, but for what serves meanwhile.
        let left: HashSet<String> = old
            .values()
            .filter_map(|spec| required(spec))
            .map(|requirements| self.environments.name(requirements))
            .collect();
        drop(state);
        self.retire(left);
        for one in missing {
            self.make(one);
        }
    }

    /// What is to be made for what a file has, if anything. `old` is how it was run.
    fn follow(
        &self,
        state: &mut RolloverState,
        file: &CodeFile,
        old: Option<&Arc<RunSpec>>,
        spec: &RunSpec,
        ahead: PrepareAhead,
    ) -> Option<MissingEnvironment> {
        let requirements = required(spec).filter(|requirements| self.environments.wanted(requirements));
        let Some(requirements) = requirements.filter(|wanted| self.environments.ready(wanted).is_none())
        else {
            state.before.remove(file);
            return None;
        };
        let next = self.environments.name(requirements);
        if let Some(served) = old.and_then(|old| self.served(old)) {
            state.before.insert(file.clone(), PreviousEnvironment { next: next.clone(), ..served });
        } else if let Some(before) = state.before.get_mut(file) {
            // It is tried again with each change of its skill.
            before.next.clone_from(&next);
            before.failed = false;
            self.environments.forget_failure(requirements);
        }
        let wanted = match ahead {
            PrepareAhead::Nothing => false,
            PrepareAhead::Following => state.before.contains_key(file),
            PrepareAhead::Everything => true,
        };
        let skill_dir = spec.target.dir()?.to_owned();
        wanted.then(|| MissingEnvironment { name: next, requirements: requirements.clone(), skill_dir })
    }

    /// What something was run in, if that is at hand.
    fn served(&self, old: &RunSpec) -> Option<PreviousEnvironment> {
        let wanted = required(old).filter(|requirements| self.environments.wanted(requirements));
        let environment = match wanted {
            None => None,
            Some(requirements) => Some(self.environments.ready(requirements)?),
        };
        Some(PreviousEnvironment { environment, digest: digest(old), next: String::new(), failed: false })
    }

    /// Begins to make what a call wants, where that is not done already.
    pub(super) fn make_for(self: &Arc<Self>, spec: &RunSpec, requirements: &Requirements) {
        if self.environments.may_try(requirements) {
            let name = self.environments.name(requirements);
            let skill_dir = spec.target.dir().unwrap_or_else(|| Path::new("")).to_owned();
            self.make(MissingEnvironment { name, requirements: requirements.clone(), skill_dir });
        }
    }

    fn make(self: &Arc<Self>, MissingEnvironment { name, requirements, skill_dir }: MissingEnvironment) {
        if !self.lock().making.insert(name.clone()) {
            return;
        }
        let rollover = Arc::clone(self);
        tokio::spawn(async move {
            let made = rollover.environments.prepare(&requirements, &skill_dir, |_| {}).await;
            match made {
                Ok(_) => rollover.made(&name),
                Err(error) if error.closing => {}
                Err(error) => rollover.not_made(&name, &skill_dir, &error),
            }
        });
    }

    /// The calls from now on run in it.
    fn made(&self, name: &str) {
        let mut state = self.lock();
        state.making.remove(name);
        let mut left = HashSet::new();
        state.before.retain(|_, before| {
            let over = before.next == name;
            if over {
                left.extend(before.environment.as_ref().map(|environment| environment.name.clone()));
            }
            !over
        });
        drop(state);
        self.retire(left);
    }

    fn not_made(&self, name: &str, skill_dir: &Path, error: &omni_environments::EnvironmentError) {
        let mut state = self.lock();
        state.making.remove(name);
        let mut serves = false;
        for before in state.before.values_mut().filter(|before| before.next == name) {
            before.failed = true;
            serves = true;
        }
        drop(state);
        let (skill, hint) = (omni_call::shown_path(skill_dir), &error.hint);
        if serves {
            tracing::warn!(%skill, %error, hint, "no new environment: the one before goes on serving");
        } else {
            tracing::warn!(%skill, %error, hint, "no environment");
        }
    }

    /// Lets those of the environments go that nobody wants any more. Calls that run there end there.
    fn retire(&self, environments: HashSet<String>) {
        let state = self.lock();
        let used = |name: &String| {
            let serves = |before: &PreviousEnvironment| {
                before.environment.as_ref().is_some_and(|one| one.name == *name)
            };
            state.wanted.contains(name) || state.before.values().any(serves)
        };
        let needless: Vec<String> = environments.into_iter().filter(|name| !used(name)).collect();
        drop(state);
        for name in needless {
            self.sets.retire(&name);
            self.environments.release(&name);
        }
    }
}

impl CodeFile {
    /// `None` for what is no code that is run: a page, say, or a script as text.
    fn of(spec: &RunSpec) -> Option<CodeFile> {
        if matches!(spec.target, Target::File(_)) {
            return None;
        }
        Some(CodeFile { skill: spec.skill.clone(), file: spec.target.file()?.to_owned() })
    }
}

impl PreviousEnvironment {
    /// Whether it serves this call: it ran this very code, or nothing is to follow.
    pub(super) fn serves(&self, spec: &RunSpec) -> bool {
        self.failed || self.digest == digest(spec)
    }
}

/// The version of the code that is meant.
fn digest(spec: &RunSpec) -> Option<String> {
    spec.target.python()?.digest.clone()
}
