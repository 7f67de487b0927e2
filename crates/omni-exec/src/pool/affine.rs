//! Skills that keep state in memory: their calls meet in one worker, for all callers or for each session.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use omni_call::{AffinityKey, Call, CallPort, Ending, Outcome};

use super::Pool;
use crate::bounds::RETRY_AFTER;
use crate::outcome::unstarted;
use crate::{ExecConfig, SharedBounds, WorkerLife};

/// How long a session's worker may be idle before it goes, and its state with it.
const SESSION_IDLE_TTL: Duration = Duration::from_secs(30 * 60);

/// The pools of one worker each, by whose state they hold.
pub(super) struct Affine {
    config: Arc<ExecConfig>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    pools: HashMap<Arc<AffinityKey>, Entry>,
    closing: bool,
}

struct Entry {
    pool: Arc<Pool>,
    used: Instant,
}

impl Affine {
    pub(super) fn new(config: Arc<ExecConfig>) -> Self {
        Affine { config, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a call in the one worker that has its skill's state.
    pub(super) async fn run(&self, key: Arc<AffinityKey>, call: Call, events: &mut dyn CallPort) -> Outcome {
        match self.pool(key) {
            Ok(pool) => pool.run_alone(call, events).await,
            Err(ending) => unstarted(&call, ending),
        }
    }

    fn pool(&self, key: Arc<AffinityKey>) -> Result<Arc<Pool>, Ending> {
        let now = Instant::now();
        let mut state = self.lock();
        if state.closing {
            return Err(Ending::Shutdown);
        }
        if let Some(entry) = state.pools.get_mut(&key) {
            entry.used = now;
            return Ok(Arc::clone(&entry.pool));
        }
        let evicted = if state.pools.len() >= self.config.workers_max { state.make_room()? } else { None };
        let mut config = (*self.config).clone();
        config.workers_max = 1;
        config.worker_life = WorkerLife::UNLIMITED;
        config.stateful = true;
        // Bounded by how many of these pools there are.
        config.shared = SharedBounds::default();
        // What all share stays for good; a session's worker goes when the session seems to be over.
        config.workers_min = usize::from(key.session.is_none());
        config.idle_worker_ttl = SESSION_IDLE_TTL;
        let pool = Arc::new(Pool::of_one(Arc::new(config)));
        state.pools.insert(key, Entry { pool: Arc::clone(&pool), used: now });
        drop(state);
        // Its worker is killed with it, which is nothing to do under a lock.
        drop(evicted);
        Ok(pool)
    }

    /// Replaces the workers of the skills that `changed` names, and their state with them.
    pub(super) async fn renew(&self, changed: impl Fn(&str) -> bool) {
        let pools: Vec<Arc<Pool>> = {
            let state = self.lock();
            let changed = state.pools.iter().filter(|(key, _)| changed(&key.skill));
            changed.map(|(_, entry)| Arc::clone(&entry.pool)).collect()
        };
        // Each may have no more than one worker, so its old one goes first and nothing is waited for.
        for pool in pools {
            pool.shared.renew().await;
        }
    }

    pub(super) async fn shut_down(&self) {
        let pools: Vec<Arc<Pool>> = {
            let mut state = self.lock();
            state.closing = true;
            state.pools.drain().map(|(_, entry)| entry.pool).collect()
        };
        // Each closes at once and then waits, so that together they take as long as the slowest.
        pools.iter().for_each(|pool| pool.shared.close());
        for pool in pools {
            pool.shared.end_workers().await;
        }
    }
}

impl State {
    /// Takes out the pool that was used longest ago and has nothing to do.
    fn make_room(&mut self) -> Result<Option<Arc<Pool>>, Ending> {
        let idle = self.pools.iter().filter(|(key, entry)| {
            // Ours is the only hold on it, so no call is on its way to it either.
            key.session.is_some() && Arc::strong_count(&entry.pool) == 1
        });
        let Some(key) = idle.min_by_key(|(_, entry)| entry.used).map(|(key, _)| key.clone()) else {
            return Err(Ending::Busy { retry_after: RETRY_AFTER });
        };
        tracing::info!(skill = key.skill, "a session's worker gives way to that of another session");
        Ok(self.pools.remove(&key).map(|entry| entry.pool))
    }
}
