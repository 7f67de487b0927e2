//! The events of a worker: it gets a permit or none, becomes ready or does not, comes back from a call, exits; the
//! skills are renewed; another pool wants its permit.

use std::time::{Duration, Instant};

use omni_call::SkillId;

use super::effect::{Effect, RefusalReason, StartPurpose, WorkerCondition, WorkerHandle};
use super::skill_states::StateKey;
use super::state::{Scheduler, WorkerStage};
use crate::start_failure::StartFailure;

/// How long after it has asked other pools for a permit a pool asks again: a worker that exits for it may run `atexit`
/// functions first.
const ASK_EVERY: Duration = Duration::from_millis(200);

/// What other pools may know of this one.
#[derive(Clone, Copy, Debug)]
pub(in crate::pool) struct PoolShare {
    pub(in crate::pool) workers: usize,
    /// Since when its longest idle worker has been idle.
    pub(in crate::pool) idle_since: Option<Instant>,
}

impl<K: StateKey> Scheduler<K> {
    /// Says whether a worker that is to be started got a permit among the workers of all pools.
    pub(in crate::pool) fn worker_permit_decided(&mut self, id: WorkerHandle, granted: bool, now: Instant) {
        if granted {
            self.asked = None;
            return;
        }
        let Some(refused) = self.workers.remove(id.0) else { return };
        self.count.workers -= 1;
        self.count.starting -= 1;
        match refused.purpose {
            // Other pools have the other permits, so the old worker has to go first.
            StartPurpose::Successor => {
                self.recycle.successor_starting = false;
                self.retire_worn_idle();
            }
            StartPurpose::Renewal => {
                self.retire_old_generations();
                self.serve_queue(now);
            }
            StartPurpose::TooFew | StartPurpose::Stateful => {}
        }
        let retirement_due = self.asked.is_none_or(|asked| now >= asked + ASK_EVERY);
        if retirement_due && !self.queue.is_empty() {
            self.asked = Some(now);
            self.effects.push_back(Effect::RequestWorkerPermit { workers: self.count.workers });
        }
    }

    /// A worker is ready for its first call, and has imported files of the skills in `loaded`. It is in the scheduler's
    /// hands.
    pub(in crate::pool) fn worker_ready(&mut self, id: WorkerHandle, loaded: &[SkillId], now: Instant) {
        let Some(worker) = self.workers.get_mut(id.0) else { return };
        loaded.iter().for_each(|skill| worker.note_loaded(*skill));
        worker.stage = WorkerStage::Busy;
        let (purpose, generation, exited) = (worker.purpose, worker.generation, worker.exited);
        let stateful = worker.state.is_some();
        worker.serves = !exited && !stateful;
        if !stateful {
            self.count.starting -= 1;
            self.count.serving += usize::from(!exited);
        }
        self.failures = Default::default();
        if purpose == StartPurpose::Successor {
            self.recycle.successor_starting = false;
        }
        if exited || self.closing {
            return self.retire(id, false);
        }
        if !stateful && self.recycle.renewing() && generation == self.recycle.generation {
            self.retire_old_generations();
        }
        if purpose == StartPurpose::Successor && generation >= self.recycle.oldest {
            self.retire_worn_idle();
        }
        // How long its calls take is not known yet, so no call is pipelined behind the first.
        self.worker_returned(id, WorkerCondition::Fit { worn: false, stale: false }, Duration::MAX, now);
    }

    /// A worker did not become ready. A `failure` forbids another start for a while.
    pub(in crate::pool) fn worker_start_failed(
        &mut self,
        id: WorkerHandle,
        failure: Option<StartFailure>,
        now: Instant,
    ) {
        let Some(worker) = self.workers.get(id.0) else { return };
        let (state, purpose) = (worker.state, worker.purpose);
        self.release(id);
        if state.is_none() {
            self.count.starting -= 1;
        }
        if purpose == StartPurpose::Successor {
            self.recycle.successor_starting = false;
        }
        let Some(failure) = failure else { return };
        let why = RefusalReason::CannotStart(self.failures.add_at(failure, now));
        let queue = match state {
            Some(state) => self.states.0.get_mut(state).map(|state| &mut state.queue),
            None => Some(&mut self.queue).filter(|_| self.count.serving == 0 && self.count.starting == 0),
        };
        if let Some(queue) = queue {
            let refused = self.calls.take_out(queue, |_| true);
            self.refuse_all(refused, &why);
        }
        if self.count.starting == 0 {
            self.refuse_held(&why);
        }
        // The autoscaler starts another worker when that is allowed again.
        self.effects.push_back(Effect::Tick);
    }

    /// A worker comes back from a call that took so long.
    pub(in crate::pool) fn worker_returned(
        &mut self,
        id: WorkerHandle,
        condition: WorkerCondition,
        took: Duration,
        now: Instant,
    ) {
        let Some(worker) = self.workers.get_mut(id.0) else { return };
        let stateful = worker.state.is_some();
        match condition {
            _ if self.closing => return self.retire(id, false),
            WorkerCondition::Fit { worn, stale } => {
                worker.worn |= worn;
                match worker.running.take() {
                    // It has imported another version, and will never have the one that is meant.
                    Some(skill) if stale => worker.outdated |= worker.has_loaded(skill),
                    Some(skill) => worker.note_loaded(skill),
                    None => {}
                }
            }
            // Which of the calls that were pipelined to it have begun is certain only once it is dead. Those that have
            // begun end with it; the others go back to the queue.
            WorkerCondition::Unfit if !worker.pipeline.is_empty() => {
                return self.effects.push_back(Effect::KillAndReap { worker: id });
            }
            WorkerCondition::Unfit => return self.retire(id, false),
            WorkerCondition::Dead { begun } => {
                self.requeue(id, begun, now);
                if self.worker(id).is_none_or(|worker| worker.pipeline.is_empty()) {
                    return self.retire(id, false);
                }
            }
        }
        if stateful {
            self.evict_states_above_bound();
        } else {
            self.finished += 1;
        }
        if self.should_retire(id, now) {
            return self.retire(id, true);
        }
        self.dispatch_next(id, took, now);
    }

    /// Whether a worker that comes back from a call is retired now: it is of an earlier generation, there are too many,
    /// another pool wants its permit, or it is worn and need not wait for a successor.
    fn should_retire(&mut self, id: WorkerHandle, now: Instant) -> bool {
        let Some(worker) = self.workers.get(id.0) else { return false };
        // First it has to run the calls that were pipelined to it.
        if !worker.pipeline.is_empty() {
            return false;
        }
        if worker.outdated || worker.state.is_some() {
            return worker.outdated;
        }
        let worn = worker.worn;
        if worker.generation < self.recycle.oldest {
            return true;
        }
        if self.is_above_bound() {
            return true;
        }
        if self.give_up > 0 {
            self.give_up -= 1;
            return true;
        }
        if !worn {
            return false;
        }
        if std::mem::take(&mut self.recycle.retirement_due) || self.count.workers >= self.bounds.workers_max {
            return true;
        }
        if !self.recycle.successor_starting && self.failures.forbids(now).is_none() {
            self.recycle.successor_starting = true;
            self.start(StartPurpose::Successor, None);
        }
        false
    }

    /// The process of a worker has ended.
    pub(in crate::pool) fn worker_exited(&mut self, id: WorkerHandle) {
        let Some(worker) = self.workers.get_mut(id.0) else { return };
        worker.exited = true;
        let (state, serves) = (worker.state, worker.serves);
        let counted = !std::mem::take(&mut worker.waits);
        if worker.stage == WorkerStage::Released {
            self.workers.remove(id.0);
        }
        match state {
            None => {
                self.count.workers -= usize::from(counted);
                self.count.serving -= usize::from(counted && serves);
            }
            Some(state) => {
                self.stateful -= usize::from(counted);
                if let Some(state) = self.states.0.get_mut(state) {
                    state.worker = None;
                }
            }
        }
        // Perhaps a call waits that could have this worker's permit, or the pool is too small now.
        self.effects.push_back(Effect::Tick);
    }

    /// Notes that a worker, with this serial number, has served a call of the state that it keeps. True when another
    /// worker served the call before: the state has gone with it.
    pub(in crate::pool) fn call_served(&mut self, id: WorkerHandle, name: u64) -> bool {
        let state = self.workers.get(id.0).and_then(|worker| worker.state);
        state.is_some_and(|state| self.states.call_served(state, name))
    }

    /// The answer to [`Effect::ReadPage`]: `begun` is the last call that the worker has begun.
    pub(in crate::pool) fn page_read(&mut self, id: WorkerHandle, begun: u64, now: Instant) {
        self.requeue(id, begun, now);
    }

    /// Retires the workers that keep the state of a changed skill, before their successors start: there must never be
    /// two workers with one state.
    pub(super) fn retire_changed_states(&mut self, changed: impl Fn(&K) -> bool) {
        let changed: Vec<WorkerHandle> = self
            .states
            .0
            .iter()
            .filter(|(_, state)| changed(&state.key))
            .filter_map(|(_, state)| state.worker)
            .collect();
        for id in changed {
            let Some(worker) = self.worker(id) else { continue };
            worker.outdated = true;
            if matches!(worker.stage, WorkerStage::Idle { .. }) {
                self.retire(id, true);
            }
        }
    }

    /// Retires one worn worker that is idle, because its successor is ready or got no permit. When none is idle, the
    /// next worn worker that comes back is retired.
    fn retire_worn_idle(&mut self) {
        let worn = |id: &WorkerHandle| self.workers.get(id.0).is_some_and(|worker| worker.worn);
        let at = self.idle.iter().position(worn);
        self.recycle.retirement_due = at.is_none();
        if let Some(at) = at {
            let id = self.idle.remove(at);
            self.retire(id, true);
        }
    }

    /// What other pools may know of this one; `None` when it is closed.
    pub(in crate::pool) fn share(&self) -> Option<PoolShare> {
        let first = self.idle.first().and_then(|id| self.workers.get(id.0));
        let idle_since = first.and_then(|worker| match worker.stage {
            WorkerStage::Idle { since } => Some(since),
            WorkerStage::Starting | WorkerStage::Busy | WorkerStage::Released => None,
        });
        (!self.closing).then_some(PoolShare { workers: self.count.workers, idle_since })
    }

    /// Retires the longest idle worker, so that another pool gets its permit. False when none is idle.
    pub(in crate::pool) fn give_up_idle(&mut self) -> bool {
        while !self.idle.is_empty() {
            let id = self.idle.remove(0);
            let lives = self.workers.get(id.0).is_some_and(|worker| !worker.exited);
            self.retire(id, true);
            if lives {
                return true;
            }
        }
        false
    }

    /// Has a worker retired when its call has ended, so that another pool gets its permit.
    pub(in crate::pool) fn give_up_next(&mut self) {
        self.give_up = (self.give_up + 1).min(self.count.workers);
    }
}
