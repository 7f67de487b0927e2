//! Idle forked processes: some were forked before there was a call for them, some have served calls before.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::parent::ForkParents;
use crate::worker::Worker;

/// The forked processes that are idle.
///
/// A call gets an idle process only if it could not tell it from one that was forked just now:
///
/// - A *fresh* one has run nothing but the rehearsal. It must have been forked after the parent's last import, so both
///   halves of its generation must be the parent's present ones. An older one would have to import by itself what newer
///   ones have already, and be slower than no cache at all (decision 0012). Only tools that have some forked `ahead`
///   get one, or other tools would use up what these have memory spent on.
/// - A *used* one has imported what its calls needed, so only its parent must be the present one (the upper half of the
///   generation): with another parent the files may have changed. It goes to tools that let one process serve several
///   calls, as long as it has served fewer than the tool allows (decision 0020). The last used goes first, since its
///   memory is warm.
/// - Both must still be `reusable`.
///
/// The generation is read before a process is forked, so one that was forked while an import ended counts as older than
/// that import and is not used. The parent's present generation is read when a process is taken; a renewal after that
/// counts as if it had come after the call. Processes are dropped, which kills them, when no lock is held.
pub(super) struct ForkCache {
    parents: Arc<ForkParents>,
    /// How long a process that has served calls is kept idle.
    ttl: Duration,
    state: Mutex<CacheState>,
}

#[derive(Default)]
struct CacheState {
    /// First those that have served no call, the oldest first; then those that have, the last used at the end.
    idle: Vec<IdleFork>,
    /// A task is forking fresh ones.
    filling: bool,
    /// A task is running that ends those that have been idle for too long.
    expiring: bool,
    closed: bool,
}

/// An idle forked process.
pub(super) struct IdleFork {
    pub(super) worker: Box<Worker>,
    /// How many calls it has served.
    pub(super) calls: u32,
    /// The generation of the parent that forked it: see [`ForkParents::generation`].
    generation: u64,
    since: Instant,
}

impl IdleFork {
    pub(super) fn new(worker: Box<Worker>, generation: u64) -> Self {
        IdleFork { worker, calls: 0, generation, since: Instant::now() }
    }

    fn is_fresh(&self) -> bool {
        self.calls == 0
    }

    /// Whether it may serve a call when the present parent has this generation. A fresh one may not when the parent has
    /// imported anything since: it would have to import that by itself.
    fn is_current(&self, generation: u64) -> bool {
        let parent = |generation| generation >> 32;
        let same = if self.is_fresh() {
            self.generation == generation
        } else {
            parent(self.generation) == parent(generation)
        };
        same && self.worker.reusable()
    }
}

impl CacheState {
    fn fresh(&self) -> usize {
        self.idle.iter().filter(|idle| idle.is_fresh()).count()
    }
}

impl ForkCache {
    pub(super) fn new(parents: Arc<ForkParents>, ttl: Duration) -> Arc<Self> {
        Arc::new(ForkCache { parents, ttl, state: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, CacheState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A process for a call of a tool that lets one process serve `calls` calls: the used one that was used last, else,
    /// for a tool that has them forked `ahead`, the oldest fresh one.
    pub(super) fn take(&self, ahead: bool, calls: u32) -> Option<IdleFork> {
        let generation = self.parents.generation();
        let mut state = self.lock();
        let (current, stale): (Vec<_>, Vec<_>) =
            std::mem::take(&mut state.idle).into_iter().partition(|idle| idle.is_current(generation));
        state.idle = current;
        let used = state.idle.iter().rposition(|idle| !idle.is_fresh() && idle.calls < calls);
        let fresh = || state.idle.iter().position(|idle| ahead && idle.is_fresh());
        let found = used.or_else(fresh).map(|at| state.idle.remove(at));
        drop(state);
        // Dropping kills them, which must not be done under a lock.
        drop(stale);
        found
    }

    /// Has `count` processes forked ahead, one after the other, unless a task is doing so already.
    pub(super) fn fill(self: &Arc<Self>, count: usize) {
        {
            let mut state = self.lock();
            if state.filling || state.closed || state.fresh() >= count {
                return;
            }
            state.filling = true;
        }
        let this = Arc::clone(self);
        tokio::spawn(async move {
            loop {
                let forked = this.parents.fork(true).await;
                let mut state = this.lock();
                // A failure is not reported here: the next call will find no process, fork one itself and report its
                // failure.
                if let Ok((worker, generation)) = forked
                    && !state.closed
                {
                    let fresh = state.fresh();
                    state.idle.insert(fresh, IdleFork::new(Box::new(worker), generation));
                    if fresh + 1 < count {
                        continue;
                    }
                }
                state.filling = false;
                return;
            }
        });
    }

    /// Keeps a process for its next call, unless the parent has been replaced.
    pub(super) fn give_back(self: &Arc<Self>, mut idle: IdleFork) {
        idle.since = Instant::now();
        let current = idle.is_current(self.parents.generation());
        let mut state = self.lock();
        if state.closed || !current {
            drop(state);
            return drop(idle);
        }
        state.idle.push(idle);
        if std::mem::replace(&mut state.expiring, true) {
            return;
        }
        drop(state);
        tokio::spawn(expire(Arc::clone(self)));
    }

    /// Ends all of them.
    pub(super) fn clear(&self) {
        let gone = std::mem::take(&mut self.lock().idle);
        drop(gone);
    }

    /// Ends all of them, and keeps none from now on.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.clear();
    }
}

/// Ends used processes that have been idle for too long, as long as there are used ones. Fresh ones may wait for any
/// time.
async fn expire(cache: Arc<ForkCache>) {
    loop {
        tokio::time::sleep(cache.ttl).await;
        let mut state = cache.lock();
        let (old, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut state.idle)
            .into_iter()
            .partition(|idle| !idle.is_fresh() && idle.since.elapsed() >= cache.ttl);
        state.idle = kept;
        state.expiring = state.idle.iter().any(|idle| !idle.is_fresh());
        let done = !state.expiring;
        drop(state);
        drop(old);
        if done {
            return;
        }
    }
}
