//! What happens to a call: it comes, its caller leaves, and the pool closes on it.

use std::time::Instant;

use super::effect::{Admission, CallFacts, CallId, Effect, Farewell, Purpose, Refusal, WorkerId};
use super::line::Whereabouts;
use super::load::TickRate;
use super::slots::Handle;
use super::state::{Scheduler, Stage, WorkerState};
use super::states::{KeptState, StateKey};

impl<K: StateKey> Scheduler<K> {
    /// Gives a call an idle worker, or a place in line, or refuses it.
    pub(in crate::pool) fn call_came(&mut self, mut facts: CallFacts<K>, now: Instant) -> Admission {
        if self.closing {
            return Admission::Refused(Refusal::Shutdown);
        }
        if let Some(key) = facts.key.take() {
            return match self.state_of(key, now) {
                Some(state) => self.call_for_state(&facts, state, now),
                None => Admission::Refused(Refusal::Busy),
            };
        }
        while let Some(id) = self.idle.pop() {
            if !self.take(id) {
                continue;
            }
            if self.idle.is_empty() {
                self.look_at_rate(TickRate::Spare);
            }
            return Admission::Run(id);
        }
        let nobody = self.count.serving == 0 && self.count.starting == 0;
        let admission = self.wait_in_line(&facts, None, nobody, now);
        if nobody && matches!(admission, Admission::Waits(_)) && self.count.workers < self.bounds.workers_max
        {
            self.start(Purpose::Wanted, None);
        }
        admission
    }

    /// A call whose worker must be the one that keeps its state.
    fn call_for_state(&mut self, facts: &CallFacts<K>, state: Handle, now: Instant) -> Admission {
        let worker = self.states.0.get(state).and_then(|state| state.worker);
        let stage = worker.and_then(|id| self.workers.get(id.0)).map(|worker| worker.stage);
        if let (Some(id), Some(Stage::Idle { .. })) = (worker, stage)
            && self.take(id)
        {
            return Admission::Run(id);
        }
        let nobody = matches!(stage, None | Some(Stage::Idle { .. } | Stage::Released));
        let admission = self.wait_in_line(facts, Some(state), nobody, now);
        if matches!(admission, Admission::Waits(_)) {
            self.start_for(state);
        }
        admission
    }

    /// Takes an idle worker for a call. False when it has died meanwhile.
    fn take(&mut self, id: WorkerId) -> bool {
        let Some(worker) = self.workers.get_mut(id.0) else { return false };
        if worker.gone {
            self.let_go(id, false);
            return false;
        }
        worker.stage = Stage::Busy;
        worker.pipeline.begin();
        true
    }

    /// Puts a call in line, unless the line is full or `nobody` is there to serve it and none can be started.
    fn wait_in_line(
        &mut self,
        facts: &CallFacts<K>,
        state: Option<Handle>,
        nobody: bool,
        now: Instant,
    ) -> Admission {
        if nobody && let Some(failure) = self.failures.forbids(now) {
            return Admission::Refused(Refusal::CannotStart(failure.clone()));
        }
        // One that was in line before has been let in already.
        if !facts.again && !self.calls.has_room(facts.tool, &self.bounds) {
            return Admission::Refused(Refusal::Busy);
        }
        let line = match state.and_then(|state| self.states.0.get_mut(state)) {
            Some(state) => &mut state.line,
            None => &mut self.line,
        };
        let call = self.calls.push(line, facts, state);
        self.look_at_rate(TickRate::Line);
        Admission::Waits(call)
    }

    /// The state that a key names. Where there are as many as may be, the session's goes that was used longest ago
    /// and has nothing to do; `None` when all have.
    fn state_of(&mut self, key: K, now: Instant) -> Option<Handle> {
        let state = match self.states.find(&key) {
            Some(state) => state,
            None => {
                if self.states.0.len() >= self.bounds.workers_max {
                    self.evict_state()?;
                }
                self.states.add(key, now)
            }
        };
        self.states.0.get_mut(state)?.used = now;
        Some(state)
    }

    fn evict_state(&mut self) -> Option<()> {
        let is_idle = |state: &KeptState<K>| {
            let stage = state.worker.and_then(|id| self.workers.get(id.0)).map(|worker| worker.stage);
            state.line.is_empty() && !matches!(stage, Some(Stage::Busy | Stage::Starting))
        };
        let oldest = self.states.oldest(is_idle)?;
        let evicted = self.states.0.remove(oldest)?;
        if let Some(id) = evicted.worker
            && let Some(WorkerState { stage: Stage::Idle { .. }, .. }) = self.workers.get(id.0)
        {
            tracing::info!("a session's worker gives way to that of another session");
            self.let_go(id, true);
        }
        Some(())
    }

    /// Starts the worker that is to keep a state, unless there is one or there may be no more.
    pub(super) fn start_for(&mut self, state: Handle) {
        let missing = self.states.0.get(state).is_some_and(|state| state.worker.is_none());
        if missing && self.keyed < self.bounds.workers_max {
            self.start(Purpose::Keyed, Some(state));
        }
    }

    /// The worker that a call was given by [`Admission::Run`] is found unable to run it, and nobody has it any more.
    pub(in crate::pool) fn unfit(&mut self, id: WorkerId) {
        self.release(id);
    }

    /// The caller has taken what its call got, or has left. In the latter case a worker that the call got is still
    /// to be given back.
    pub(in crate::pool) fn caller_left(&mut self, call: CallId) {
        let Some(waiting) = self.calls.get(call) else { return };
        match waiting.is {
            Whereabouts::Granted => {}
            Whereabouts::Ahead(id) => {
                if let Some(worker) = self.workers.get_mut(id.0) {
                    worker.pipeline.orphan(call);
                }
            }
            Whereabouts::InLine => {
                let line = match waiting.state.and_then(|state| self.states.0.get_mut(state)) {
                    Some(state) => &mut state.line,
                    None => &mut self.line,
                };
                self.calls.leave_line(line, call);
            }
        }
        self.calls.remove(call);
    }

    /// The caller of a running call has left: says how the call is ended. What was sent behind it is revoked first,
    /// so that no signal reaches a call of somebody else.
    pub(in crate::pool) fn left_running(&mut self, id: WorkerId, now: Instant) -> Farewell {
        let up_to = self.worker(id).and_then(|worker| worker.pipeline.revoke(now));
        match up_to {
            None => Farewell::Cancel,
            Some(up_to) => {
                self.effects.push_back(Effect::Revoke { worker: id, up_to });
                Farewell::AfterRevocation
            }
        }
    }

    /// [`REVOKED_FOR`](crate::bounds::REVOKED_FOR) has passed since [`left_running`](Self::left_running); the worker has
    /// begun no call after `begun`.
    pub(in crate::pool) fn farewell_due(&mut self, id: WorkerId, begun: u64, now: Instant) -> Farewell {
        self.requeue(id, begun, now);
        let moved_on = self.worker(id).is_some_and(|worker| !worker.pipeline.is_empty());
        if moved_on { Farewell::Outlive } else { Farewell::Cancel }
    }

    /// Takes no call any more, refuses those that have no worker of their own, wherever they stand, and lets go of
    /// the idle workers. The others come back by [`ended`](Self::ended).
    pub(in crate::pool) fn close(&mut self) {
        self.closing = true;
        let mut refused = Vec::new();
        for (_, worker) in self.workers.iter_mut() {
            refused.extend(worker.pipeline.take_unbegun(0).filter_map(|sent| sent.call));
        }
        for call in &refused {
            self.calls.grant(*call);
        }
        let states = self.states.0.iter_mut().map(|(_, state)| &mut state.line);
        for line in std::iter::once(&mut self.line).chain(states) {
            refused.extend(self.calls.take_out(line, |_| true));
        }
        self.refuse_all(refused, &Refusal::Shutdown);
        self.idle.clear();
        let idle: Vec<WorkerId> = self
            .workers
            .iter()
            .filter(|(_, worker)| matches!(worker.stage, Stage::Idle { .. }))
            .map(|(handle, _)| WorkerId(handle))
            .collect();
        idle.into_iter().for_each(|id| self.let_go(id, false));
        self.effects.extend([Effect::Look, Effect::Renewed]);
    }
}
