//! The executors of each environment that is in use.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use omni_call::{OutcomeKind, SkillChange};
use omni_environments::Environment;
use omni_exec::{ExecConfig, Interpreter, InterpreterExecutors};

use super::interpreter::executors_of;
use crate::python::Python;

/// Executors of an environment that was not used for so long are dropped, fork parents included.
/// Their idle workers go much earlier.
const IDLE_TTL: Duration = Duration::from_secs(600);

/// How often it is looked whether the last call of executors that were retired has ended.
const RETIRED_LOOK: Duration = Duration::from_millis(200);

/// Skills at most that have sets of their own at a time. Beyond, the one goes that was used longest ago.
const OWN_MAX: usize = 64;

/// The executors of all environments in use. Tools of different environments share no process.
pub(crate) struct EnvironmentSets {
    /// For skills that need no environment and share with no other.
    python: Python,
    config: Arc<ExecConfig>,
    /// Where what that interpreter says of itself is remembered.
    cache: PathBuf,
    state: Mutex<SetsState>,
}

/// Who shares a set: the tools of one environment, and of one skill where that shares with no other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct SetKey {
    /// By name; `None` for the interpreter alone.
    environment: Option<String>,
    skill: Option<String>,
}

#[derive(Default)]
struct SetsState {
    by_key: HashMap<SetKey, SetInUse>,
    /// No call gets one of these any more; each ends with its last.
    retired: Vec<SetInUse>,
    /// A task looks after those that are idle.
    tended: bool,
    closing: bool,
}

struct SetInUse {
    set: Arc<InterpreterExecutors>,
    /// Keeps the environment from being removed.
    _environment: Option<Arc<Environment>>,
    used: Instant,
}

impl EnvironmentSets {
    /// `config` holds for the executors of every environment, but for the interpreter and how many idle
    /// workers are kept.
    pub(crate) fn new(python: Python, config: Arc<ExecConfig>, cache: PathBuf) -> Arc<Self> {
        Arc::new(EnvironmentSets { python, config, cache, state: Mutex::default() })
    }

    /// Has the calls that come from now on run skills as they are on disk: see
    /// [`Pool::renew`](omni_exec::Pool::renew).
    pub(crate) async fn renew(&self, changes: &[SkillChange]) {
        let sets: Vec<Arc<InterpreterExecutors>> =
            self.lock().by_key.values().map(|used| Arc::clone(&used.set)).collect();
        // All are told before any is waited for.
        let renewals: Vec<_> = sets.iter().map(|set| set.renew(changes)).collect();
        for renewal in renewals {
            renewal.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, SetsState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The executors for tools of an environment, or of the interpreter alone; with `skill` for those of one skill that
    /// shares with no other. The error is how a call ends that cannot have them.
    pub(crate) fn of(
        self: &Arc<Self>,
        environment: Option<&Arc<Environment>>,
        skill: Option<&str>,
    ) -> Result<Arc<InterpreterExecutors>, OutcomeKind> {
        let key = SetKey {
            environment: environment.map(|environment| environment.name.clone()),
            skill: skill.map(str::to_owned),
        };
        let mut state = self.lock();
        if state.closing {
            return Err(OutcomeKind::Shutdown);
        }
        if !state.tended {
            state.tended = true;
            tokio::spawn(tend(Arc::downgrade(self)));
        }
        if skill.is_some()
            && !state.by_key.contains_key(&key)
            && let Some(idle) = state.make_room()?
        {
            tokio::spawn(async move { idle.shut_down().await });
        }
        let in_use = state.by_key.entry(key).or_insert_with(|| SetInUse {
            set: Arc::new(self.set_for(environment)),
            _environment: environment.cloned(),
            used: Instant::now(),
        });
        in_use.used = Instant::now();
        Ok(Arc::clone(&in_use.set))
    }

    fn set_for(&self, environment: Option<&Arc<Environment>>) -> InterpreterExecutors {
        // There may be many sets, each with processes of its own.
        let config = ExecConfig { workers_min: 0, ..(*self.config).clone() };
        let Some(environment) = environment else {
            return executors_of(self.python.clone(), Arc::new(config), self.cache.clone());
        };
        let python = Python::at(environment.interpreter(), environment.made.python.clone());
        let config = ExecConfig {
            interpreter: Interpreter { path: environment.interpreter() },
            environment: Some(environment.folder.clone()),
            ..config
        };
        executors_of(python, Arc::new(config), environment.folder.clone())
    }

    /// Removes the sets that are idle since `before`. A call that runs holds its set.
    fn idle(&self, before: Instant) -> Vec<Arc<InterpreterExecutors>> {
        let mut state = self.lock();
        let idle: Vec<SetKey> = state
            .by_key
            .iter()
            .filter(|(_, in_use)| in_use.used < before && Arc::strong_count(&in_use.set) == 1)
            .map(|(name, _)| name.clone())
            .collect();
        idle.iter().filter_map(|name| state.by_key.remove(name)).map(|in_use| in_use.set).collect()
    }

    /// Lets the executors of an environment go, each set when the last call that has it ends. The next call that wants
    /// the environment gets new ones.
    pub(crate) fn retire(self: &Arc<Self>, environment: &str) {
        let mut state = self.lock();
        let of = |key: &SetKey| key.environment.as_deref() == Some(environment);
        let keys: Vec<SetKey> = state.by_key.keys().filter(|key| of(key)).cloned().collect();
        let retired: Vec<SetInUse> = keys.iter().filter_map(|key| state.by_key.remove(key)).collect();
        if !retired.is_empty() {
            state.retired.extend(retired);
            tokio::spawn(end_retired(Arc::downgrade(self)));
        }
    }

    /// Takes out the retired sets that no call has any more; and how many are left.
    fn idle_retired(&self) -> (Vec<SetInUse>, usize) {
        let mut state = self.lock();
        let idle = |in_use: &SetInUse| Arc::strong_count(&in_use.set) == 1;
        let (idle, left) = std::mem::take(&mut state.retired).into_iter().partition(idle);
        state.retired = left;
        (idle, state.retired.len())
    }

    pub(crate) async fn shut_down(&self) {
        let all: Vec<SetInUse> = {
            let mut state = self.lock();
            state.closing = true;
            let SetsState { by_key, retired, .. } = &mut *state;
            by_key.drain().map(|(_, in_use)| in_use).chain(retired.drain(..)).collect()
        };
        // All at once, so that together they take as long as the slowest.
        let ending: Vec<_> = all
            .iter()
            .map(|in_use| Arc::clone(&in_use.set))
            .map(|set| tokio::spawn(async move { set.shut_down().await }))
            .collect();
        for ended in ending {
            let _ = ended.await;
        }
    }
}

impl SetsState {
    /// Takes out the set of one skill that was used longest ago and has nothing to do, where there are as many as there
    /// may be.
    fn make_room(&mut self) -> Result<Option<Arc<InterpreterExecutors>>, OutcomeKind> {
        let own = || self.by_key.iter().filter(|(key, _)| key.skill.is_some());
        if own().count() < OWN_MAX {
            return Ok(None);
        }
        let idle = own().filter(|(_, in_use)| Arc::strong_count(&in_use.set) == 1);
        let Some(key) = idle.min_by_key(|(_, in_use)| in_use.used).map(|(key, _)| key.clone()) else {
            return Err(OutcomeKind::BUSY);
        };
        Ok(self.by_key.remove(&key).map(|in_use| in_use.set))
    }
}

/// Drops idle sets, for as long as the executors exist.
async fn tend(sets: Weak<EnvironmentSets>) {
    loop {
        tokio::time::sleep(IDLE_TTL / 10).await;
        let Some(sets) = sets.upgrade() else { return };
        let Some(before) = Instant::now().checked_sub(IDLE_TTL) else { continue };
        for set in sets.idle(before) {
            set.shut_down().await;
        }
    }
}

/// Ends retired sets as their last calls do, until there is none.
async fn end_retired(sets: Weak<EnvironmentSets>) {
    loop {
        // A call that ends wakes nobody here, and nobody waits for this.
        tokio::time::sleep(RETIRED_LOOK).await;
        let Some(sets) = sets.upgrade() else { return };
        let (idle, left) = sets.idle_retired();
        for in_use in idle {
            in_use.set.shut_down().await;
        }
        if left == 0 {
            return;
        }
    }
}
