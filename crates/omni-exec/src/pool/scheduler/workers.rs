//! What happens to a worker: it is ready or cannot start, it comes back from a call, it is gone, others want its place.

use std::time::{Duration, Instant};

use super::effect::{Condition, Effect, Purpose, Refusal, WorkerId};
use super::state::{Scheduler, Stage};
use super::states::StateKey;
use crate::start_failure::StartFailure;

/// A pool that has asked for a place asks again after so long: what gives way may run `atexit` functions first.
const ASK_EVERY: Duration = Duration::from_millis(200);

/// What other pools are told of this one.
#[derive(Clone, Copy, Debug)]
pub(in crate::pool) struct Holds {
    pub(in crate::pool) workers: usize,
    /// Since when its idle worker is idle that was used longest ago.
    pub(in crate::pool) idle_since: Option<Instant>,
}

impl<K: StateKey> Scheduler<K> {
    /// Whether a worker that is to be started got a place among those of all pools.
    pub(in crate::pool) fn place(&mut self, id: WorkerId, granted: bool, now: Instant) {
        if granted {
            self.asked = None;
            return;
        }
        let Some(refused) = self.workers.remove(id.0) else { return };
        self.count.workers -= 1;
        self.count.starting -= 1;
        match refused.purpose {
            // Other pools have the rest, so an old one goes first.
            Purpose::Successor => {
                self.recycling.coming = false;
                self.make_way();
            }
            Purpose::Renewal => self.move_on(),
            Purpose::Wanted | Purpose::Keyed => {}
        }
        let due = self.asked.is_none_or(|asked| now >= asked + ASK_EVERY);
        if due && !self.line.is_empty() {
            self.asked = Some(now);
            self.effects.push_back(Effect::AskForPlace { workers: self.count.workers });
        }
    }

    /// A worker is ready for its first call. It is in the scheduler's hands.
    pub(in crate::pool) fn ready(&mut self, id: WorkerId, now: Instant) {
        let Some(worker) = self.workers.get_mut(id.0) else { return };
        worker.stage = Stage::Busy;
        let (purpose, generation, gone) = (worker.purpose, worker.generation, worker.gone);
        let keyed = worker.state.is_some();
        worker.serves = !gone && !keyed;
        if !keyed {
            self.count.starting -= 1;
            self.count.serving += usize::from(!gone);
        }
        self.failures = Default::default();
        if purpose == Purpose::Successor {
            self.recycling.coming = false;
        }
        if gone || self.closing {
            return self.let_go(id, false);
        }
        if !keyed && self.recycling.renewing() && generation == self.recycling.generation {
            self.move_on();
        }
        if purpose == Purpose::Successor && generation >= self.recycling.oldest {
            self.make_way();
        }
        // It has shown nothing yet, so it gets one call and none behind it.
        self.ended(id, Condition::Fit { worn: false }, Duration::MAX, now);
    }

    /// A worker did not become ready. Without a `failure` nothing is known that forbids another start.
    pub(in crate::pool) fn start_failed(
        &mut self,
        id: WorkerId,
        failure: Option<StartFailure>,
        now: Instant,
    ) {
        let Some(worker) = self.workers.get(id.0) else { return };
        let (state, purpose) = (worker.state, worker.purpose);
        self.release(id);
        if state.is_none() {
            self.count.starting -= 1;
        }
        if purpose == Purpose::Successor {
            self.recycling.coming = false;
        }
        let Some(failure) = failure else { return };
        let why = Refusal::CannotStart(self.failures.add_at(failure, now));
        let line = match state {
            Some(state) => self.states.0.get_mut(state).map(|state| &mut state.line),
            None => Some(&mut self.line).filter(|_| self.count.serving == 0 && self.count.starting == 0),
        };
        if let Some(line) = line {
            let refused = self.calls.take_out(line, |_| true);
            self.refuse_all(refused, &why);
        }
        // The autoscaler tries again when that is allowed.
        self.effects.push_back(Effect::Look);
    }

    /// A worker comes back from a call, which took so long, into the scheduler's hands.
    pub(in crate::pool) fn ended(
        &mut self,
        id: WorkerId,
        condition: Condition,
        took: Duration,
        now: Instant,
    ) {
        let Some(worker) = self.workers.get_mut(id.0) else { return };
        let keyed = worker.state.is_some();
        match condition {
            _ if self.closing => return self.let_go(id, false),
            Condition::Fit { worn } => worker.worn |= worn,
            // Calls that it was sent ahead learn of its end by themselves, if it has begun them, and wait for another
            // worker if it has not. Which it has is certain once it is dead.
            Condition::Unfit if !worker.pipeline.is_empty() => {
                return self.effects.push_back(Effect::Bury { worker: id });
            }
            Condition::Unfit => return self.let_go(id, false),
            Condition::Dead { begun } => {
                self.requeue(id, begun, now);
                if self.worker(id).is_none_or(|worker| worker.pipeline.is_empty()) {
                    return self.let_go(id, false);
                }
            }
        }
        if !keyed {
            self.finished += 1;
        }
        if self.should_retire(id, now) {
            return self.let_go(id, true);
        }
        self.dispatch_next(id, took, now);
    }

    /// Whether a worker that comes back from a call goes now: another pool wants its place, or it has served its time
    /// and need not wait for a successor.
    fn should_retire(&mut self, id: WorkerId, now: Instant) -> bool {
        let Some(worker) = self.workers.get(id.0) else { return false };
        // What it was sent ahead it has to do first.
        if !worker.pipeline.is_empty() {
            return false;
        }
        if worker.state.is_some() {
            return worker.outdated;
        }
        let worn = worker.worn;
        if worker.generation < self.recycling.oldest {
            return true;
        }
        if self.give_up > 0 {
            self.give_up -= 1;
            return true;
        }
        if !worn {
            return false;
        }
        if std::mem::take(&mut self.recycling.due) || self.count.workers >= self.bounds.workers_max {
            return true;
        }
        if !self.recycling.coming && self.failures.forbids(now).is_none() {
            self.recycling.coming = true;
            self.start(Purpose::Successor, None);
        }
        false
    }

    /// The process of a worker has ended, and its place is free.
    pub(in crate::pool) fn gone(&mut self, id: WorkerId) {
        let Some(worker) = self.workers.get_mut(id.0) else { return };
        worker.gone = true;
        let (state, serves) = (worker.state, worker.serves);
        if worker.stage == Stage::Released {
            self.workers.remove(id.0);
        }
        match state {
            None => {
                self.count.workers -= 1;
                self.count.serving -= usize::from(serves);
            }
            Some(state) => {
                self.keyed -= 1;
                if let Some(state) = self.states.0.get_mut(state) {
                    state.worker = None;
                }
            }
        }
        // Perhaps somebody waits for the place, or the pool is too small now.
        self.effects.push_back(Effect::Look);
    }

    /// Notes which worker, by its name among those of this server, has served a call. True when an earlier call of
    /// the same state was served by another worker, with which the state has gone.
    pub(in crate::pool) fn served(&mut self, id: WorkerId, name: u64) -> bool {
        let state = self.workers.get(id.0).and_then(|worker| worker.state);
        state.is_some_and(|state| self.states.served(state, name))
    }

    /// The worker has begun no call after `begun`: the answer to [`Effect::ReadPage`].
    pub(in crate::pool) fn begun(&mut self, id: WorkerId, begun: u64, now: Instant) {
        self.requeue(id, begun, now);
    }

    /// Replaces all workers that keep no state, and those whose state is of a key that has `changed`. Returns a
    /// number by which [`is_renewed`](Self::is_renewed) says when each call from now on gets a new one.
    pub(in crate::pool) fn renew(&mut self, changed: impl Fn(&K) -> bool, now: Instant) -> u64 {
        self.outdate_states(changed);
        self.recycling.generation += 1;
        if self.count.workers == 0 || self.count.workers >= self.bounds.workers_max {
            self.move_on();
        } else if self.failures.forbids(now).is_none() {
            self.start(Purpose::Renewal, None);
        }
        // The autoscaler tries again when the start fails.
        self.effects.push_back(Effect::Look);
        self.recycling.generation
    }

    /// Whether no worker from before that renewal takes a call any more.
    pub(in crate::pool) fn is_renewed(&self, generation: u64) -> bool {
        self.closing || self.recycling.oldest >= generation
    }

    /// Has the workers of changed skills go: each has its state to itself, so the old one goes first.
    fn outdate_states(&mut self, changed: impl Fn(&K) -> bool) {
        let changed: Vec<WorkerId> = self
            .states
            .0
            .iter()
            .filter(|(_, state)| changed(&state.key))
            .filter_map(|(_, state)| state.worker)
            .collect();
        for id in changed {
            let Some(worker) = self.worker(id) else { continue };
            worker.outdated = true;
            if matches!(worker.stage, Stage::Idle { .. }) {
                self.let_go(id, true);
            }
        }
    }

    /// Takes the idle worker out of service in whose place a new one has become ready, or cannot come. When none is
    /// idle, the next that comes back goes.
    fn make_way(&mut self) {
        let worn = |id: &WorkerId| self.workers.get(id.0).is_some_and(|worker| worker.worn);
        let at = self.idle.iter().position(worn);
        self.recycling.due = at.is_none();
        if let Some(at) = at {
            let id = self.idle.remove(at);
            self.let_go(id, true);
        }
    }

    /// Lets no worker of an earlier generation take a call any more.
    pub(super) fn move_on(&mut self) {
        let newest = self.recycling.generation;
        self.recycling.oldest = newest;
        let is_old = |id: &WorkerId| self.workers.get(id.0).is_none_or(|worker| worker.generation < newest);
        let old: Vec<WorkerId> = self.idle.extract_if(.., |id| is_old(id)).collect();
        old.into_iter().for_each(|id| self.let_go(id, true));
        self.effects.push_back(Effect::Renewed);
    }

    /// What other pools are told; `None` when it is closed.
    pub(in crate::pool) fn holds(&self) -> Option<Holds> {
        let first = self.idle.first().and_then(|id| self.workers.get(id.0));
        let idle_since = first.and_then(|worker| match worker.stage {
            Stage::Idle { since } => Some(since),
            Stage::Starting | Stage::Busy | Stage::Released => None,
        });
        (!self.closing).then_some(Holds { workers: self.count.workers, idle_since })
    }

    /// Lets the idle worker go that was used longest ago, for another pool. False when none is idle.
    pub(in crate::pool) fn give_up_idle(&mut self) -> bool {
        while !self.idle.is_empty() {
            let id = self.idle.remove(0);
            let lives = self.workers.get(id.0).is_some_and(|worker| !worker.gone);
            self.let_go(id, true);
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
