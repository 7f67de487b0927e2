//! Calls that wait for their clients: their workers count nowhere meanwhile, and come back above the bound if need be.
//!
//! The rules (decision 0074), and the reason for each:
//!
//! - A worker whose call waits is not among those that serve, nor among those that there may be: it needs no core, and a
//!   person may take minutes. So a pool in which all calls wait is like one without workers, and starts one.
//! - When the call goes on, its worker counts again at once, since it runs already. There may be more workers than
//!   `workers_max` then, until one can go: an idle one at once, else the next that ends its call.
//! - A worker that keeps a state stays the only one with that state. Calls for that state wait for it; only the bound on
//!   how many states there are does not count it.
//! - Nothing is pipelined behind a call that can ask (decision 0038), so no other call waits with it.

use super::effect::{Effect, WorkerHandle};
use super::skill_states::StateKey;
use super::state::{Scheduler, WorkerStage, WorkerState};

impl<K: StateKey> Scheduler<K> {
    /// The call that a worker runs waits for its client.
    pub(in crate::pool) fn call_waits(&mut self, id: WorkerHandle) {
        let Some(worker) = self.workers.get_mut(id.0).filter(|worker| !worker.exited && !worker.waits) else {
            return;
        };
        worker.waits = true;
        let (stateful, serves) = (worker.state.is_some(), worker.serves);
        if stateful {
            self.stateful -= 1;
        } else {
            self.count.workers -= 1;
            self.count.serving -= usize::from(serves);
        }
        // Perhaps a call waits that could have a worker in its place, or the pool is too small now.
        self.effects.push_back(Effect::Tick);
    }

    /// The call has its answer, or is to be ended. Where this pool has too many workers now, one goes. Says whether it had
    /// room; the workers of all pools together may still be too many.
    pub(in crate::pool) fn call_goes_on(&mut self, id: WorkerHandle) -> bool {
        let Some(worker) = self.workers.get_mut(id.0).filter(|worker| worker.waits) else { return true };
        worker.waits = false;
        let (stateful, serves) = (worker.state.is_some(), worker.serves);
        if stateful {
            self.stateful += 1;
            self.evict_states_above_bound();
            return true;
        }
        self.count.workers += 1;
        self.count.serving += usize::from(serves);
        let above = self.is_above_bound();
        if above {
            // Where none is idle, the next that comes back from a call goes.
            self.give_up_idle();
        }
        !above
    }

    /// Whether there are more workers that serve any call than there may be, without those that are going already.
    pub(super) fn is_above_bound(&self) -> bool {
        // Nearly always the first is enough to know.
        self.count.workers > self.bounds.workers_max && self.staying() > self.bounds.workers_max
    }

    /// Workers that serve any call, and are neither going nor waiting for a client with their call.
    pub(super) fn staying(&self) -> usize {
        // Those that have been asked to exit are not counted, though their processes may still run.
        let stays = |worker: &&WorkerState| {
            worker.state.is_none() && worker.stage != WorkerStage::Released && !worker.exited && !worker.waits
        };
        self.workers.iter().map(|(_, worker)| worker).filter(stays).count()
    }

    /// How many states there are whose workers do not wait for a client.
    pub(super) fn states_counted(&self) -> usize {
        let waiting =
            self.workers.iter().filter(|(_, worker)| worker.waits && worker.state.is_some()).count();
        self.states.0.len().saturating_sub(waiting)
    }

    /// Gives up states of sessions that have no call, until there are no more than may be or all others have calls.
    pub(super) fn evict_states_above_bound(&mut self) {
        while self.stateful > self.bounds.workers_max
            && self.states_counted() > self.bounds.workers_max
            && self.evict_state().is_some()
        {}
    }
}
