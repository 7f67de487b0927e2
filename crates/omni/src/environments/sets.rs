//! The executors of each environment that is in use.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use omni_call::ExecutorKind;
use omni_exec::{Environment, ExecConfig, Interpreter};

use crate::executors::Set;
use crate::python::Python;

/// Executors of an environment that nobody has used for so long are let go, forking parents included.
/// Their idle workers go much earlier.
const IDLE_TTL: Duration = Duration::from_secs(600);

/// The executors of all environments in use. Tools of different environments share no process.
pub(crate) struct Sets {
    config: Arc<ExecConfig>,
    /// See [`Executors::of_runner`](crate::executors::Executors::of_runner).
    instead_of_runner: Option<ExecutorKind>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    by_name: HashMap<String, InUse>,
    /// A task looks after those that are idle.
    tended: bool,
    closing: bool,
}

struct InUse {
    set: Arc<Set>,
    /// Keeps the environment from being removed.
    _environment: Arc<Environment>,
    used: Instant,
}

impl Sets {
    /// `config` holds for the executors of every environment, but for the interpreter and how many idle
    /// workers are kept.
    pub(crate) fn new(config: Arc<ExecConfig>, instead_of_runner: Option<ExecutorKind>) -> Arc<Self> {
        Arc::new(Sets { config, instead_of_runner, state: Mutex::default() })
    }

    /// Has the calls that come from now on run skills as they are on disk: see
    /// [`Pool::renew`](omni_exec::Pool::renew).
    pub(crate) async fn renew(&self, changed: &impl Fn(&str) -> bool) {
        let sets: Vec<Arc<Set>> = self.lock().by_name.values().map(|used| Arc::clone(&used.set)).collect();
        for set in sets {
            set.renew(changed).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The executors of an environment; `None` once the server is stopping.
    pub(crate) fn of(self: &Arc<Self>, environment: &Arc<Environment>) -> Option<Arc<Set>> {
        let mut state = self.lock();
        if state.closing {
            return None;
        }
        if !state.tended {
            state.tended = true;
            tokio::spawn(tend(Arc::downgrade(self)));
        }
        let in_use = state.by_name.entry(environment.name.clone()).or_insert_with(|| InUse {
            set: Arc::new(self.set_for(environment)),
            _environment: Arc::clone(environment),
            used: Instant::now(),
        });
        in_use.used = Instant::now();
        Some(Arc::clone(&in_use.set))
    }

    fn set_for(&self, environment: &Environment) -> Set {
        let python = Python::at(environment.interpreter(), environment.made.python.clone());
        let config = ExecConfig {
            interpreter: Interpreter { path: environment.interpreter() },
            environment: Some(environment.folder.clone()),
            // There may be many environments, each with processes of its own.
            workers_min: 0,
            ..(*self.config).clone()
        };
        Set::new(python, Arc::new(config), environment.folder.clone(), self.instead_of_runner)
    }

    /// Takes out the sets that are idle since `before`. A call that runs holds its set.
    fn idle(&self, before: Instant) -> Vec<Arc<Set>> {
        let mut state = self.lock();
        let idle: Vec<String> = state
            .by_name
            .iter()
            .filter(|(_, in_use)| in_use.used < before && Arc::strong_count(&in_use.set) == 1)
            .map(|(name, _)| name.clone())
            .collect();
        idle.iter().filter_map(|name| state.by_name.remove(name)).map(|in_use| in_use.set).collect()
    }

    pub(crate) async fn shut_down(&self) {
        let all: Vec<InUse> = {
            let mut state = self.lock();
            state.closing = true;
            state.by_name.drain().map(|(_, in_use)| in_use).collect()
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

/// Lets idle sets go, as long as there is anybody to use them.
async fn tend(sets: Weak<Sets>) {
    loop {
        tokio::time::sleep(IDLE_TTL / 10).await;
        let Some(sets) = sets.upgrade() else { return };
        let Some(before) = Instant::now().checked_sub(IDLE_TTL) else { continue };
        for set in sets.idle(before) {
            set.shut_down().await;
        }
    }
}
