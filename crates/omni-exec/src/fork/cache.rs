//! Forked processes that wait for a call: some were forked ahead of it, some have served calls before.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::parent::ForkParents;
use crate::worker::Worker;

/// The forked processes that are idle.
///
/// A process is handed to a call only if the call could not tell it from one that was forked for it just now:
///
/// - A *fresh* one has run nothing but the rehearsal. It must have been forked after the parent's last import (its
///   generation is the parent's of this moment, both halves): an older one would import by itself what others find there,
///   and be slower than no cache at all (decision 0012). Only tools that have some forked `ahead` get one, or those
///   that do not would use up what others pay memory for.
/// - A *used* one has imported what its calls needed, so only the parent must be the same (the upper half): another parent
///   means that the files may be others. It serves tools that let one process serve several calls, up to the number of the
///   tool at hand (decision 0020), the last used first, whose memory is warm.
/// - Either must still be `reusable`: alive, owing nothing, and not changed by its last call.
///
/// The generation is read before a process is forked: one that was forked while an import ended counts as older than
/// that import and is thrown away, rather than trusted. Which generation is at hand is read when a process is taken; a
/// renewal that comes between that and the call is as if the call had come first. Processes are dropped, which kills them,
/// with no lock held.
pub(super) struct ForkCache {
    parents: Arc<ForkParents>,
    /// How long a process that has served calls waits for the next one.
    ttl: Duration,
    state: Mutex<CacheState>,
}

#[derive(Default)]
struct CacheState {
    /// Those that have served calls, the last used at the end, and before them those that have served none, the oldest
    /// first.
    idle: Vec<IdleFork>,
    /// A task forks ahead.
    filling: bool,
    /// A task looks after those that have been idle for too long.
    expiring: bool,
    closed: bool,
}

/// A process without a call.
pub(super) struct IdleFork {
    pub(super) worker: Box<Worker>,
    /// Calls that it has served.
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

    /// Whether it may serve a call while the parent at hand has this generation. What has been imported since a
    /// process was forked it would have to import by itself: a fresh one is no good then.
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

    /// A process for a call whose tool lets one serve `calls`: the one used last, or, when the tool has them forked
    /// `ahead`, the oldest that waits.
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
        // Dropping kills, which is nothing to do under a lock.
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
                // A call that finds nothing here meets the same failure, and reports it.
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

    /// Keeps a process for its next call, when it comes from the parent at hand.
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

    /// Lets all go.
    pub(super) fn clear(&self) {
        let gone = std::mem::take(&mut self.lock().idle);
        drop(gone);
    }

    /// Lets all go, and keeps none from now on.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.clear();
    }
}

/// Ends processes that have served calls and have been idle for too long, until there are none left. Those that were
/// forked ahead wait for as long as it takes.
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
