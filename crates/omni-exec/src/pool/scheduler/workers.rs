//! What happens to a worker: it is ready or cannot start, it comes back from a call, it is gone, others want its place.

use std::time::{Duration, Instant};

use super::effect::{Effect, RefusalReason, StartPurpose, WorkerCondition, WorkerHandle};
use super::skill_states::StateKey;
use super::state::{Scheduler, WorkerStage};
use crate::start_failure::StartFailure;

/// A pool that has asked for a place asks again after so long: what gives way may run `atexit` functions first.
const ASK_EVERY: Duration = Duration::from_millis(200);

/// What other pools are told of this one.
#[derive(Clone, Copy, Debug)]
pub(in crate::pool) struct PoolShare {
    pub(in crate::pool) workers: usize,
    /// Since when its idle worker is idle that was used longest ago.
    pub(in crate::pool) idle_since: Option<Instant>,
}

impl<K: StateKey> Scheduler<K> {
    /// Whether a worker that is to be started got a place among those of all pools.
    pub(in crate::pool) fn worker_permit_decided(&mut self, id: WorkerHandle, granted: bool, now: Instant) {
        if granted {
            self.asked = None;
            return;
        }
        let Some(refused) = self.workers.remove(id.0) else { return };
        self.count.workers -= 1;
        self.count.starting -= 1;
        match refused.purpose {
            // Other pools have the rest, so an old one goes first.
            StartPurpose::Successor => {
                self.recycle.successor_starting = false;
                self.retire_worn_idle();
            }
            StartPurpose::Renewal => self.retire_old_generations(),
            StartPurpose::TooFew | StartPurpose::Stateful => {}
        }
        let retirement_due = self.asked.is_none_or(|asked| now >= asked + ASK_EVERY);
        if retirement_due && !self.queue.is_empty() {
            self.asked = Some(now);
            self.effects.push_back(Effect::RequestWorkerPermit { workers: self.count.workers });
        }
    }

    /// A worker is ready for its first call. It is in the scheduler's hands.
    pub(in crate::pool) fn worker_ready(&mut self, id: WorkerHandle, now: Instant) {
        let Some(worker) = self.workers.get_mut(id.0) else { return };
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
        // It has shown nothing yet, so it gets one call and none behind it.
        self.worker_returned(id, WorkerCondition::Fit { worn: false }, Duration::MAX, now);
    }

    /// A worker did not become ready. Without a `failure` nothing is known that forbids another start.
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
        // The autoscaler tries again when that is allowed.
        self.effects.push_back(Effect::Tick);
    }

    /// A worker comes back from a call, which took so long, into the scheduler's hands.
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
            WorkerCondition::Fit { worn } => worker.worn |= worn,
            // Calls that were pipelined to it learn of its end by themselves, if it has begun them, and wait for another
            // worker if it has not. Which it has is certain once it is dead.
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
        if !stateful {
            self.finished += 1;
        }
        if self.should_retire(id, now) {
            return self.retire(id, true);
        }
        self.dispatch_next(id, took, now);
    }

    /// Whether a worker that comes back from a call goes now: another pool wants its place, or it has served its time
    /// and need not wait for a successor.
    fn should_retire(&mut self, id: WorkerHandle, now: Instant) -> bool {
        let Some(worker) = self.workers.get(id.0) else { return false };
        // What was pipelined to it it has to do first.
        if !worker.pipeline.is_empty() {
            return false;
        }
        if worker.state.is_some() {
            return worker.outdated;
        }
        let worn = worker.worn;
        if worker.generation < self.recycle.oldest {
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

    /// The process of a worker has ended, and its place is free.
    pub(in crate::pool) fn worker_exited(&mut self, id: WorkerHandle) {
        let Some(worker) = self.workers.get_mut(id.0) else { return };
        worker.exited = true;
        let (state, serves) = (worker.state, worker.serves);
        if worker.stage == WorkerStage::Released {
            self.workers.remove(id.0);
        }
        match state {
            None => {
                self.count.workers -= 1;
                self.count.serving -= usize::from(serves);
            }
            Some(state) => {
                self.stateful -= 1;
                if let Some(state) = self.states.0.get_mut(state) {
                    state.worker = None;
                }
            }
        }
        // Perhaps somebody waits for the place, or the pool is too small now.
        self.effects.push_back(Effect::Tick);
    }

    /// Notes which worker, by its name among those of this server, has served a call. True when an earlier call of
    /// the same state was served by another worker, with which the state has gone.
    pub(in crate::pool) fn call_served(&mut self, id: WorkerHandle, name: u64) -> bool {
        let state = self.workers.get(id.0).and_then(|worker| worker.state);
        state.is_some_and(|state| self.states.call_served(state, name))
    }

    /// The worker has begun no call after `begun`: the answer to [`Effect::ReadPage`].
    pub(in crate::pool) fn page_read(&mut self, id: WorkerHandle, begun: u64, now: Instant) {
        self.requeue(id, begun, now);
    }

    /// Replaces all workers that keep no state, and those whose state is of a key that has `changed`. Returns a
    /// number by which [`is_renewed`](Self::is_renewed) says when each call from now on gets a new one.
    pub(in crate::pool) fn renew(&mut self, changed: impl Fn(&K) -> bool, now: Instant) -> u64 {
        self.retire_changed_states(changed);
        self.recycle.generation += 1;
        if self.count.workers == 0 || self.count.workers >= self.bounds.workers_max {
            self.retire_old_generations();
        } else if self.failures.forbids(now).is_none() {
            self.start(StartPurpose::Renewal, None);
        }
        // The autoscaler tries again when the start fails.
        self.effects.push_back(Effect::Tick);
        self.recycle.generation
    }

    /// Whether no worker from before that renewal takes a call any more.
    pub(in crate::pool) fn is_renewed(&self, generation: u64) -> bool {
        self.closing || self.recycle.oldest >= generation
    }

    /// Has the workers of changed skills go: each has its state to itself, so the old one goes first.
    fn retire_changed_states(&mut self, changed: impl Fn(&K) -> bool) {
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

    /// Takes the idle worker out of service in whose place a new one has become ready, or cannot come. When none is
    /// idle, the next that comes back goes.
    fn retire_worn_idle(&mut self) {
        let worn = |id: &WorkerHandle| self.workers.get(id.0).is_some_and(|worker| worker.worn);
        let at = self.idle.iter().position(worn);
        self.recycle.retirement_due = at.is_none();
        if let Some(at) = at {
            let id = self.idle.remove(at);
            self.retire(id, true);
        }
    }

    /// Lets no worker of an earlier generation take a call any more.
    pub(super) fn retire_old_generations(&mut self) {
        let newest = self.recycle.generation;
        self.recycle.oldest = newest;
        let is_old =
            |id: &WorkerHandle| self.workers.get(id.0).is_none_or(|worker| worker.generation < newest);
        let old: Vec<WorkerHandle> = self.idle.extract_if(.., |id| is_old(id)).collect();
        old.into_iter().for_each(|id| self.retire(id, true));
        self.effects.push_back(Effect::Renewed);
    }

    /// What other pools are told; `None` when it is closed.
    pub(in crate::pool) fn share(&self) -> Option<PoolShare> {
        let first = self.idle.first().and_then(|id| self.workers.get(id.0));
        let idle_since = first.and_then(|worker| match worker.stage {
            WorkerStage::Idle { since } => Some(since),
            WorkerStage::Starting | WorkerStage::Busy | WorkerStage::Released => None,
        });
        (!self.closing).then_some(PoolShare { workers: self.count.workers, idle_since })
    }

    /// Lets the idle worker go that was used longest ago, for another pool. False when none is idle.
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

    /// Lets a worker go as soon as its call has ended, for another pool.
    pub(in crate::pool) fn give_up_next(&mut self) {
        self.give_up = (self.give_up + 1).min(self.count.workers);
    }
}
