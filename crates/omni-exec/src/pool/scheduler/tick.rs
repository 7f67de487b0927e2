//! What the scheduler decides because time has passed: whether more workers are started, which calls are stalled or
//! have waited for too long, and which workers have been idle for too long.

use std::time::Instant;

use super::effect::{Effect, RefusalReason, StartPurpose, WorkerHandle};
use super::load::{GROW_AFTER, LoadHistory, QUEUE_TICK, SPARE_TICK, STARTING_MAX, TickRate};
use super::skill_states::{SESSION_IDLE_TTL, StateKey};
use super::slots::SlotHandle;
use super::state::{Scheduler, WorkerStage};

impl<K: StateKey> Scheduler<K> {
    /// Starts workers until there are `workers_min`.
    pub(in crate::pool) fn warm_up(&mut self) {
        while self.count.workers < self.bounds.workers_min && !self.closing {
            self.start(StartPurpose::TooFew, None);
        }
    }

    /// Decides what is due by now. Returns when to call it again, unless [`Effect::Tick`] asks for it before; `None`
    /// when only that does. `contended`: the next permit that comes free is for another pool, which has calls and no
    /// worker.
    pub(in crate::pool) fn tick(&mut self, now: Instant, contended: bool) -> Option<Instant> {
        if self.closing {
            return None;
        }
        if self.check_stalled(now) {
            // Reading a page may put calls back in the queue. Another tick sees them before anything else is decided.
            self.effects.push_back(Effect::Tick);
            return Some(now);
        }
        self.refuse_expired(now);
        self.retire_idle(now);
        if self.wants_another(now, contended) {
            let renews = self.recycle.renewing();
            self.start(if renews { StartPurpose::Renewal } else { StartPurpose::TooFew }, None);
        }
        if !self.held.is_empty() && self.count.starting == 0 && self.failures.forbids(now).is_none() {
            // No worker of the newest generation can come while the old ones have all places.
            self.retire_old_generations();
            self.serve_queue(now);
        }
        self.start_for_states(now);
        self.next_tick(now)
    }

    /// Where a worker's current call takes long, revokes those that were pipelined behind it, and has them put back in
    /// the queue as soon as it is certain that they never begin. True when a status page is to be read for that.
    fn check_stalled(&mut self, now: Instant) -> bool {
        let mut retirement_due = false;
        for (handle, worker) in self.workers.iter_mut() {
            let id = WorkerHandle(handle);
            if worker.pipeline.is_due(now) {
                retirement_due = true;
                self.effects.push_back(Effect::ReadPage { worker: id });
            } else if worker.pipeline.is_stalled()
                && let Some(up_to) = worker.pipeline.revoke(now)
            {
                self.effects.push_back(Effect::Revoke { worker: id, up_to });
            }
        }
        retirement_due
    }

    /// Refuses the calls whose time limit has passed while they waited.
    fn refuse_expired(&mut self, now: Instant) {
        let states = self.states.0.iter_mut().map(|(_, state)| &mut state.queue);
        let mut expired = Vec::new();
        for queue in [&mut self.queue, &mut self.held].into_iter().chain(states) {
            expired.append(&mut self.calls.take_out(queue, |call| call.expires.is_some_and(|at| now >= at)));
        }
        self.refuse_all(expired, &RefusalReason::Expired);
    }

    /// Retires the idle workers that have died or have been idle for too long.
    fn retire_idle(&mut self, now: Instant) {
        let is_gone = |id: &WorkerHandle| self.workers.get(id.0).is_none_or(|worker| worker.exited);
        let mut retired: Vec<WorkerHandle> = self.idle.extract_if(.., |id| is_gone(id)).collect();
        let spare = self.staying().saturating_sub(self.bounds.workers_min);
        let expired = |id: &&WorkerHandle| match self.workers.get(id.0).map(|worker| worker.stage) {
            Some(WorkerStage::Idle { since }) => now >= since + self.bounds.idle_ttl,
            _ => false,
        };
        let count = self.idle.iter().take(spare).take_while(expired).count();
        retired.extend(self.idle.drain(..count));
        for (handle, worker) in self.workers.iter() {
            let Some(state) = worker.state else { continue };
            let kept = self.states.0.get(state).is_some_and(|state| state.key.is_shared());
            if let WorkerStage::Idle { since } = worker.stage
                && (worker.exited || !kept && now >= since + SESSION_IDLE_TTL)
            {
                retired.push(WorkerHandle(handle));
            }
        }
        retired.into_iter().for_each(|id| self.retire(id, true));
    }

    /// Whether one more worker that serves any call should be started now.
    fn wants_another(&self, now: Instant, contended: bool) -> bool {
        let count = &self.count;
        if count.workers >= self.bounds.workers_max
            || count.starting >= STARTING_MAX
            || self.failures.forbids(now).is_some()
        {
            return false;
        }
        if contended && (count.workers > 0 || self.queue.is_empty()) {
            return false;
        }
        if count.workers < self.bounds.workers_min || (self.recycle.renewing() && count.starting == 0) {
            return true;
        }
        let Some(first) = self.queue.first() else {
            let held = self.load.is_held(self.finished, now);
            return self.idle.is_empty() && count.starting == 0 && count.serving > 0 && held;
        };
        if count.serving == 0 {
            return count.starting == 0;
        }
        let waited = self.calls.get(first).is_some_and(|call| now >= call.accepted + GROW_AFTER);
        let finished = self.load.finished_in_queue_window(self.finished, now);
        // With more workers than cores, short calls take longer. So beyond that another worker is started only when
        // some workers have not finished a call in the whole window.
        let held = finished.is_some_and(|finished| finished < count.serving as u64);
        waited && (held || (finished.is_some() && count.workers < self.bounds.cores))
    }

    /// Starts workers for states that have none: first where calls wait, then for states that all callers share.
    fn start_for_states(&mut self, now: Instant) {
        if self.failures.forbids(now).is_some() {
            return;
        }
        let missing = self.states.0.iter().filter(|(_, state)| state.worker.is_none());
        let mut wanted: Vec<(bool, SlotHandle)> = missing
            .filter(|(_, state)| !state.queue.is_empty() || state.key.is_shared())
            .map(|(handle, state)| (state.queue.is_empty(), handle))
            .collect();
        wanted.sort_by_key(|(nobody_waits, _)| *nobody_waits);
        wanted.into_iter().for_each(|(_, state)| self.start_for(state));
    }

    /// When the next tick is due.
    fn next_tick(&mut self, now: Instant) -> Option<Instant> {
        let worked = self.load.note(self.finished, now);
        let waiting = !self.queue.is_empty()
            || !self.held.is_empty()
            || self.states.0.iter().any(|(_, state)| !state.queue.is_empty())
            || self.workers.iter().any(|(_, worker)| !worker.pipeline.is_empty());
        self.rate = if waiting {
            TickRate::Queue
        } else if worked || (self.idle.is_empty() && self.count.serving > 0) || self.recycle.renewing() {
            // `worked`: while calls come steadily, ticking now and then is cheaper than being woken for each.
            TickRate::Spare
        } else {
            self.load = LoadHistory::default();
            TickRate::Asleep
        };
        match self.rate {
            TickRate::Queue => Some(now + QUEUE_TICK),
            TickRate::Spare => Some(now + SPARE_TICK),
            TickRate::Asleep => self.next_retirement(now),
        }
    }

    /// When the first worker will have been idle for too long.
    fn next_retirement(&self, now: Instant) -> Option<Instant> {
        let idle_since = |id: WorkerHandle| match self.workers.get(id.0)?.stage {
            WorkerStage::Idle { since } => Some(since),
            WorkerStage::Starting | WorkerStage::Busy | WorkerStage::Released => None,
        };
        let above = self.count.workers > self.bounds.workers_min;
        let oldest = self.idle.first().filter(|_| above).and_then(|id| idle_since(*id));
        // A session's worker that is busy now will have been idle for too long at the earliest so long from now.
        let sessions = self.states.0.iter().filter(|(_, state)| !state.key.is_shared());
        let session = sessions
            .filter_map(|(_, state)| state.worker)
            .map(|id| idle_since(id).unwrap_or(now) + SESSION_IDLE_TTL)
            .min();
        oldest.map(|since| since + self.bounds.idle_ttl).into_iter().chain(session).min()
    }
}
