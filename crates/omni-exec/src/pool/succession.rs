//! Which worker takes another's place: one that is worn, or all of them when the skills have changed.
//!
//! The new worker is ready before the old one stops taking calls. Only where there may be no more workers than
//! there are, the old one goes first, and calls wait in line for the new one.

use std::sync::Arc;
use std::time::Instant;

use omni_process::TERM_GRACE;
use tokio::time::timeout;

use super::house::Purpose;
use super::{Shared, State};
use crate::bounds::EXIT_GRACE;

use crate::worker::Worker;

/// What the pool remembers of workers that are being replaced.
#[derive(Debug, Default)]
pub(super) struct Succession {
    /// The generation of the workers that are started now.
    pub(super) generation: u64,
    /// Workers of an earlier generation get no further call.
    pub(super) oldest: u64,
    /// A worker is being started in place of one that is worn.
    pub(super) coming: bool,
    /// One is ready, and no worn one has gone for it yet.
    ready: bool,
}

impl Succession {
    /// Whether workers of the newest generation are wanted and none serves yet.
    pub(super) fn renewing(&self) -> bool {
        self.oldest < self.generation
    }
}

impl Shared {
    /// Decides about a worker that comes back from a call: true when it has served its time and is to go. Until
    /// a successor is ready it goes on.
    pub(super) fn takes_leave(self: &Arc<Self>, state: &mut State, worker: &mut Worker) -> bool {
        let now = Instant::now();
        let process = &worker.process;
        let served = u64::from(worker.number() > 0);
        let worn = worker.wear.after_calls(served, now, || process.memory_bytes());
        if state.queue.has_lane(worker.key) {
            // What it was sent ahead it has to do first.
            return false;
        }
        let succession = &mut state.succession;
        if worker.generation < succession.oldest {
            return true;
        }
        let Some(worn) = worn else { return false };
        if std::mem::take(&mut succession.ready) || state.workers >= self.config.workers_max {
            tracing::debug!("a worker has served its time {worn} and goes");
            return true;
        }
        if !succession.coming && state.failures.forbids(now).is_none() {
            if !self.start_worker(state, Purpose::Successor) {
                // Other pools have the rest, so this one goes first.
                return true;
            }
            state.succession.coming = true;
        }
        false
    }

    /// Takes out the idle worker in whose place a new one has become ready. When it is not idle, it goes at the
    /// end of its call.
    pub(super) fn make_way(state: &mut State) -> Option<Box<Worker>> {
        let worn = state.idle.iter().position(|worker| worker.wear.is_worn());
        state.succession.ready = worn.is_none();
        worn.map(|at| state.idle.remove(at))
    }

    /// Lets no worker of an earlier generation take a call any more. Returns those that are idle.
    #[expect(clippy::vec_box, reason = "they are boxed already")]
    pub(super) fn move_on(&self, state: &mut State) -> Vec<Box<Worker>> {
        let newest = state.succession.generation;
        state.succession.oldest = newest;
        let (kept, old) =
            std::mem::take(&mut state.idle).into_iter().partition(|worker| worker.generation >= newest);
        state.idle = kept;
        self.renewed.notify_waiters();
        old
    }

    /// Replaces all workers. Returns when each call from now on gets a new one.
    pub(super) async fn renew(self: &Arc<Self>) {
        let mut renewed = std::pin::pin!(self.renewed.notified());
        // Registered before anything is set in motion, or its end could be missed.
        renewed.as_mut().enable();
        let (wanted, old) = {
            let mut state = self.lock();
            state.succession.generation += 1;
            let wanted = state.succession.generation;
            let old = if state.workers == 0 || state.workers >= self.config.workers_max {
                self.move_on(&mut state)
            } else {
                let full = state.failures.forbids(Instant::now()).is_none()
                    && !self.start_worker(&mut state, Purpose::Wanted);
                // The housekeeper tries again when the start fails.
                self.house.notify_one();
                if full { self.move_on(&mut state) } else { Vec::new() }
            };
            (wanted, old)
        };
        old.into_iter().for_each(|worker| self.dismiss(worker));
        loop {
            {
                let state = self.lock();
                if state.closing || state.succession.oldest >= wanted {
                    return;
                }
            }
            renewed.as_mut().await;
            renewed.set(self.renewed.notified());
            renewed.as_mut().enable();
        }
    }

    /// Lets a worker go that has nothing to do: its `atexit` functions run, then it ends.
    pub(super) fn dismiss(&self, mut worker: Box<Worker>) {
        // A dead one has no farewell to say; and without a runtime no worker was ever started.
        let Some(runtime) = self.runtime.get().filter(|_| !worker.process.exited()) else { return };
        worker.dismiss();
        runtime.spawn(async move {
            if timeout(EXIT_GRACE, worker.drain()).await.is_err() {
                worker.process.end(TERM_GRACE).await;
            }
        });
    }
}
