//! What a pool gives up so that another pool of the same server, whose calls wait, can have a worker.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::{Shared, State};
use crate::shared_bounds::{Contender, Holding};

/// A pool that has asked for a place asks again after so long: what gives way may run `atexit` functions first.
const ASK_EVERY: Duration = Duration::from_millis(200);

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn join(self: &Arc<Self>) {
        let own: Weak<Shared> = Arc::downgrade(self);
        self.config.shared.join(own);
    }

    /// Whether other pools are to be asked for a place now, since none was free: calls wait, and it is not asked too
    /// often. To be followed by [`ask_for_place`](Self::ask_for_place) once no lock is held.
    pub(super) fn should_ask(state: &mut State, now: Instant) -> bool {
        let due = state.asked.is_none_or(|asked| now >= asked + ASK_EVERY);
        let ask = due && !state.queue.is_empty();
        if ask {
            state.asked = Some(now);
        }
        ask
    }

    pub(super) fn ask_for_place(self: &Arc<Self>, workers: usize) {
        self.config.shared.make_room(Arc::as_ptr(self).cast(), workers);
    }
}

impl Contender for Shared {
    fn holding(&self) -> Option<Holding> {
        let state = self.lock();
        (!state.closing).then(|| Holding {
            workers: state.workers,
            workers_min: self.config.workers_min,
            idle_since: state.idle.first().map(|worker| worker.idle_since),
        })
    }

    fn give_up_idle(&self) -> bool {
        let mut state = self.lock();
        if state.idle.is_empty() {
            return false;
        }
        let worker = state.idle.remove(0);
        drop(state);
        self.dismiss(worker);
        true
    }

    fn give_up_next(&self) {
        let mut state = self.lock();
        state.give_up = (state.give_up + 1).min(state.workers);
    }

    fn place_free(&self) {
        self.house.notify_one();
    }
}
