//! What is decided by time alone: the autoscaler, what is stalled, who has waited or been idle for too long.

use std::time::Instant;

use super::effect::{Effect, Purpose, Refusal, WorkerId};
use super::load::{GROW_AFTER, LINE_TICK, Load, SPARE_TICK, STARTING_MAX, TickRate};
use super::slots::Handle;
use super::state::{Scheduler, Stage, WorkerState};
use super::states::{SESSION_IDLE_TTL, StateKey};

impl<K: StateKey> Scheduler<K> {
    /// Starts the workers that are kept anyway.
    pub(in crate::pool) fn warm_up(&mut self) {
        while self.count.workers < self.bounds.workers_min && !self.closing {
            self.start(Purpose::Wanted, None);
        }
    }

    /// Looks after everything that time alone changes. Returns when to look again, unless
    /// [told to](Effect::Look) before; `None` for not by itself. `contended`: the next place that comes free is for a
    /// pool that has calls and no worker.
    pub(in crate::pool) fn tick(&mut self, now: Instant, contended: bool) -> Option<Instant> {
        if self.closing {
            return None;
        }
        if self.check_stalled(now) {
            // What comes back in line by that is seen by a look of its own, before anything else is decided.
            self.effects.push_back(Effect::Look);
            return Some(now);
        }
        self.refuse_expired(now);
        self.retire_idle(now);
        if self.wants_another(now, contended) {
            let renews = self.recycling.renewing();
            self.start(if renews { Purpose::Renewal } else { Purpose::Wanted }, None);
        }
        self.start_for_states(now);
        self.next_look(now)
    }

    /// Looks after the calls that were sent ahead: where the call at hand takes long, those behind it are revoked, and
    /// go back in line as soon as it is certain that they never begin. True when a status page is to be read for it.
    fn check_stalled(&mut self, now: Instant) -> bool {
        let mut due = false;
        for (handle, worker) in self.workers.iter_mut() {
            let id = WorkerId(handle);
            if worker.pipeline.is_due(now) {
                due = true;
                self.effects.push_back(Effect::ReadPage { worker: id });
            } else if worker.pipeline.is_stalled()
                && let Some(up_to) = worker.pipeline.revoke(now)
            {
                self.effects.push_back(Effect::Revoke { worker: id, up_to });
            }
        }
        due
    }

    /// Ends the calls whose time ran out while they waited.
    fn refuse_expired(&mut self, now: Instant) {
        let states = self.states.0.iter_mut().map(|(_, state)| &mut state.line);
        let mut expired = Vec::new();
        for line in std::iter::once(&mut self.line).chain(states) {
            expired.append(&mut self.calls.take_out(line, |call| call.expires.is_some_and(|at| now >= at)));
        }
        self.refuse_all(expired, &Refusal::Expired);
    }

    /// Lets the idle workers go that died or that have been idle for too long.
    fn retire_idle(&mut self, now: Instant) {
        let is_gone = |id: &WorkerId| self.workers.get(id.0).is_none_or(|worker| worker.gone);
        let mut retired: Vec<WorkerId> = self.idle.extract_if(.., |id| is_gone(id)).collect();
        // Those that have been told to go do not count any more, though their processes may take their time over it.
        let stays =
            |worker: &&WorkerState| worker.state.is_none() && worker.stage != Stage::Released && !worker.gone;
        let staying = self.workers.iter().map(|(_, worker)| worker).filter(stays).count();
        let spare = staying.saturating_sub(self.bounds.workers_min);
        let expired = |id: &&WorkerId| match self.workers.get(id.0).map(|worker| worker.stage) {
            Some(Stage::Idle { since }) => now >= since + self.bounds.idle_ttl,
            _ => false,
        };
        let count = self.idle.iter().take(spare).take_while(expired).count();
        retired.extend(self.idle.drain(..count));
        for (handle, worker) in self.workers.iter() {
            let Some(state) = worker.state else { continue };
            let kept = self.states.0.get(state).is_some_and(|state| state.key.is_shared());
            if let Stage::Idle { since } = worker.stage
                && (worker.gone || !kept && now >= since + SESSION_IDLE_TTL)
            {
                retired.push(WorkerId(handle));
            }
        }
        retired.into_iter().for_each(|id| self.let_go(id, true));
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
        if contended && (count.workers > 0 || self.line.is_empty()) {
            return false;
        }
        if count.workers < self.bounds.workers_min || (self.recycling.renewing() && count.starting == 0) {
            return true;
        }
        let Some(first) = self.line.first() else {
            let held = self.load.is_held(self.finished, now);
            return self.idle.is_empty() && count.starting == 0 && count.serving > 0 && held;
        };
        if count.serving == 0 {
            return count.starting == 0;
        }
        let waited = self.calls.get(first).is_some_and(|call| now >= call.accepted + GROW_AFTER);
        let finished = self.load.finished_in_line_window(self.finished, now);
        // More workers than cores do not make short calls shorter: grow on only while some workers have
        // been held all along.
        let held = finished.is_some_and(|finished| finished < count.serving as u64);
        waited && (held || (finished.is_some() && count.workers < self.bounds.cores))
    }

    /// Starts the workers of states that have none: where calls wait first, then where one is kept for good.
    fn start_for_states(&mut self, now: Instant) {
        if self.failures.forbids(now).is_some() {
            return;
        }
        let missing = self.states.0.iter().filter(|(_, state)| state.worker.is_none());
        let mut wanted: Vec<(bool, Handle)> = missing
            .filter(|(_, state)| !state.line.is_empty() || state.key.is_shared())
            .map(|(handle, state)| (state.line.is_empty(), handle))
            .collect();
        wanted.sort_by_key(|(nobody_waits, _)| *nobody_waits);
        wanted.into_iter().for_each(|(_, state)| self.start_for(state));
    }

    /// Decides when to look again.
    fn next_look(&mut self, now: Instant) -> Option<Instant> {
        let worked = self.load.note(self.finished, now);
        let waiting = !self.line.is_empty()
            || self.states.0.iter().any(|(_, state)| !state.line.is_empty())
            || self.workers.iter().any(|(_, worker)| !worker.pipeline.is_empty());
        self.rate = if waiting {
            TickRate::Line
        } else if worked || (self.idle.is_empty() && self.count.serving > 0) || self.recycling.renewing() {
            // `worked`: in steady traffic it is cheaper to look every now and then than to be called.
            TickRate::Spare
        } else {
            self.load = Load::default();
            TickRate::Asleep
        };
        match self.rate {
            TickRate::Line => Some(now + LINE_TICK),
            TickRate::Spare => Some(now + SPARE_TICK),
            TickRate::Asleep => self.next_retirement(now),
        }
    }

    /// When the first worker may have been idle for too long.
    fn next_retirement(&self, now: Instant) -> Option<Instant> {
        let idle_since = |id: WorkerId| match self.workers.get(id.0)?.stage {
            Stage::Idle { since } => Some(since),
            Stage::Starting | Stage::Busy | Stage::Released => None,
        };
        let above = self.count.workers > self.bounds.workers_min;
        let oldest = self.idle.first().filter(|_| above).and_then(|id| idle_since(*id));
        // A session's worker that is busy now can have been idle for so long no sooner than so long from now.
        let sessions = self.states.0.iter().filter(|(_, state)| !state.key.is_shared());
        let session = sessions
            .filter_map(|(_, state)| state.worker)
            .map(|id| idle_since(id).unwrap_or(now) + SESSION_IDLE_TTL)
            .min();
        oldest.map(|since| since + self.bounds.idle_ttl).into_iter().chain(session).min()
    }
}
