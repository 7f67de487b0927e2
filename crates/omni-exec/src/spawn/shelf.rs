//! Forked processes that wait for their call: some forked ahead of time, some that have served calls before.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::zygote::Zygotes;
use crate::worker::Worker;

/// Processes that are ready for a call.
pub(super) struct Shelf {
    zygotes: Arc<Zygotes>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Forked ahead, each for one call; the oldest first.
    ahead: Vec<Ready>,
    /// Somebody is filling up `ahead`.
    filling: bool,
    /// With calls behind them and calls before them, the last used on top.
    used: Vec<Ready>,
    /// Somebody looks after what is unused for too long.
    tending: bool,
    closed: bool,
}

/// A process without a call.
pub(super) struct Ready {
    pub(super) worker: Box<Worker>,
    /// Calls that it has served.
    pub(super) calls: u32,
    /// The generation of the zygote that forked it.
    generation: u64,
    since: Instant,
}

impl Ready {
    pub(super) fn new(worker: Box<Worker>, calls: u32, generation: u64) -> Self {
        Ready { worker, calls, generation, since: Instant::now() }
    }
}

impl Shelf {
    pub(super) fn new(zygotes: Arc<Zygotes>) -> Arc<Self> {
        Arc::new(Shelf { zygotes, state: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A process that was forked ahead and has what the zygote has imported meanwhile.
    pub(super) fn take_ahead(&self) -> Option<Ready> {
        let generation = self.zygotes.generation();
        let mut state = self.lock();
        let mut stale = Vec::new();
        let mut found = None;
        while found.is_none() && !state.ahead.is_empty() {
            let ready = state.ahead.remove(0);
            if ready.generation == generation && ready.worker.reusable() {
                found = Some(ready);
            } else {
                stale.push(ready);
            }
        }
        drop(state);
        // Dropping kills, which is nothing to do under a lock.
        drop(stale);
        found
    }

    /// Has `count` processes forked ahead, one after the other, unless somebody is doing so already.
    pub(super) fn fill(self: &Arc<Self>, count: usize) {
        {
            let mut state = self.lock();
            if state.filling || state.closed || state.ahead.len() >= count {
                return;
            }
            state.filling = true;
        }
        let this = Arc::clone(self);
        tokio::spawn(async move {
            loop {
                let forked = this.zygotes.fork(true).await;
                let mut state = this.lock();
                // A call that finds nothing here meets the same failure, and reports it.
                if let Ok((worker, generation)) = forked
                    && !state.closed
                {
                    state.ahead.push(Ready::new(Box::new(worker), 0, generation));
                    if state.ahead.len() < count {
                        continue;
                    }
                }
                state.filling = false;
                return;
            }
        });
    }

    /// The process that served a call last.
    pub(super) fn take_used(&self) -> Option<Ready> {
        loop {
            let ready = self.lock().used.pop()?;
            if ready.worker.reusable() {
                return Some(ready);
            }
        }
    }

    /// Keeps a process for its next call, when it comes from the zygote at hand. It goes when none has come for
    /// `ttl`.
    pub(super) fn put(self: &Arc<Self>, mut ready: Ready, ttl: Duration) {
        let zygote = |generation| generation >> 32;
        let stale = zygote(ready.generation) != zygote(self.zygotes.generation());
        ready.since = Instant::now();
        let mut state = self.lock();
        if state.closed || stale {
            drop(state);
            return drop(ready);
        }
        state.used.push(ready);
        if std::mem::replace(&mut state.tending, true) {
            return;
        }
        drop(state);
        let this = Arc::clone(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(ttl).await;
                let mut state = this.lock();
                let kept = state.used.iter().position(|ready| ready.since.elapsed() < ttl);
                let count = kept.unwrap_or(state.used.len());
                let old: Vec<Ready> = state.used.drain(..count).collect();
                let done = state.used.is_empty();
                state.tending = !done;
                drop(state);
                drop(old);
                if done {
                    return;
                }
            }
        });
    }

    /// Lets all go that have nothing to do.
    pub(super) fn clear(&self) {
        let mut state = self.lock();
        let gone = (std::mem::take(&mut state.ahead), std::mem::take(&mut state.used));
        drop(state);
        drop(gone);
    }

    /// Lets all go, and keeps none from now on.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let gone = (std::mem::take(&mut state.ahead), std::mem::take(&mut state.used));
        drop(state);
        drop(gone);
    }
}
