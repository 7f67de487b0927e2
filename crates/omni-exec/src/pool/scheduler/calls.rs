//! The events of a call: it arrives, its caller leaves, the pool closes.

use std::time::Instant;

use super::code::queue_of;
use super::effect::{
    AbandonedCallEnd, Admission, CallFacts, CallHandle, Effect, RefusalReason, StartPurpose, WorkerHandle,
};
use super::load::TickRate;
use super::queue::CallPosition;
use super::skill_states::{SkillState, StateKey};
use super::slots::SlotHandle;
use super::state::{Scheduler, WorkerStage, WorkerState};

impl<K: StateKey> Scheduler<K> {
    /// Gives a call an idle worker, or a place in the queue, or refuses it.
    pub(in crate::pool) fn call_arrived(&mut self, mut facts: CallFacts<K>, now: Instant) -> Admission {
        if self.closing {
            return Admission::Refused(RefusalReason::Shutdown);
        }
        if self.recycle.outdated.has(facts.code) {
            return Admission::Refused(RefusalReason::Stale);
        }
        if let Some(key) = facts.key.take() {
            return match self.state_of(key, now) {
                Some(state) => self.call_for_state(&facts, state, now),
                None => Admission::Refused(RefusalReason::Busy),
            };
        }
        if self.recycle.holds(facts.code.skill) {
            let nobody = self.count.starting == 0;
            return self.enqueue(&facts, None, nobody, now);
        }
        while let Some(id) = self.idle.pop() {
            if !self.take(id, &facts) {
                continue;
            }
            if self.idle.is_empty() {
                self.look_at_rate(TickRate::Spare);
            }
            return Admission::Run(id);
        }
        let nobody = self.count.serving == 0 && self.count.starting == 0;
        let admission = self.enqueue(&facts, None, nobody, now);
        if nobody && matches!(admission, Admission::Waits(_)) && self.count.workers < self.bounds.workers_max
        {
            self.start(StartPurpose::TooFew, None);
        }
        admission
    }

    /// Admits a call that needs the worker which keeps its state.
    fn call_for_state(&mut self, facts: &CallFacts<K>, state: SlotHandle, now: Instant) -> Admission {
        let worker = self.states.0.get(state).and_then(|state| state.worker);
        let stage = worker.and_then(|id| self.workers.get(id.0)).map(|worker| worker.stage);
        if let (Some(id), Some(WorkerStage::Idle { .. })) = (worker, stage)
            && self.take(id, facts)
        {
            return Admission::Run(id);
        }
        let nobody = matches!(stage, None | Some(WorkerStage::Idle { .. } | WorkerStage::Released));
        let admission = self.enqueue(facts, Some(state), nobody, now);
        if matches!(admission, Admission::Waits(_)) {
            self.start_for(state);
        }
        admission
    }

    /// Takes an idle worker for a call. False when the worker has died meanwhile.
    fn take(&mut self, id: WorkerHandle, facts: &CallFacts<K>) -> bool {
        let Some(worker) = self.workers.get_mut(id.0) else { return false };
        if worker.exited {
            self.retire(id, false);
            return false;
        }
        worker.stage = WorkerStage::Busy;
        worker.running = Some(facts.code.skill);
        worker.pipeline.begin();
        true
    }

    /// Puts a call in the queue, unless the queue is full or `nobody` is there to serve it and none can be started.
    fn enqueue(
        &mut self,
        facts: &CallFacts<K>,
        state: Option<SlotHandle>,
        nobody: bool,
        now: Instant,
    ) -> Admission {
        if nobody && let Some(failure) = self.failures.forbids(now) {
            return Admission::Refused(RefusalReason::CannotStart(failure.clone()));
        }
        // A call that was in the queue before is not refused when it comes back.
        if !facts.again && !self.calls.has_room(facts.tool, &self.bounds) {
            return Admission::Refused(RefusalReason::Busy);
        }
        let held = state.is_none() && self.recycle.holds(facts.code.skill);
        let queue = queue_of(&mut self.queue, &mut self.held, &mut self.states, state, held);
        let call = self.calls.push(queue, facts, state, held);
        self.look_at_rate(TickRate::Queue);
        Admission::Waits(call)
    }

    /// The state that a key names, made when there is none yet. Where there are as many states as may be, one of a
    /// session is given up for it: of those that have no call, the one that was used longest ago. `None` when all of
    /// them have calls.
    fn state_of(&mut self, key: K, now: Instant) -> Option<SlotHandle> {
        let state = match self.states.find(&key) {
            Some(state) => state,
            None => {
                if self.states.0.len() >= self.bounds.workers_max
                    && self.states_counted() >= self.bounds.workers_max
                {
                    self.evict_state()?;
                }
                self.states.add(key, now)
            }
        };
        self.states.0.get_mut(state)?.used = now;
        Some(state)
    }

    pub(super) fn evict_state(&mut self) -> Option<()> {
        let is_idle = |state: &SkillState<K>| {
            let stage = state.worker.and_then(|id| self.workers.get(id.0)).map(|worker| worker.stage);
            state.queue.is_empty() && !matches!(stage, Some(WorkerStage::Busy | WorkerStage::Starting))
        };
        let oldest = self.states.oldest(is_idle)?;
        let evicted = self.states.0.remove(oldest)?;
        if let Some(id) = evicted.worker
            && let Some(WorkerState { stage: WorkerStage::Idle { .. }, .. }) = self.workers.get(id.0)
        {
            tracing::info!("a session's worker gives way to that of another session");
            self.retire(id, true);
        }
        Some(())
    }

    /// Starts the worker that is to keep a state, unless it has one or there are as many workers as may be. Where calls
    /// that waited have gone on there are more states than that, and each may have its worker.
    pub(super) fn start_for(&mut self, state: SlotHandle) {
        let missing = self.states.0.get(state).is_some_and(|state| state.worker.is_none());
        if missing && (self.stateful < self.bounds.workers_max || self.stateful < self.states_counted()) {
            self.start(StartPurpose::Stateful, Some(state));
        }
    }

    /// The worker that a call was given by [`Admission::Run`] was found unable to run it, and has been dropped.
    pub(in crate::pool) fn worker_unfit(&mut self, id: WorkerHandle) {
        self.release(id);
    }

    /// The caller has taken what its call got, or has left. When it has left, a worker that the call got must still be
    /// given back by [`worker_returned`](Self::worker_returned).
    pub(in crate::pool) fn caller_left(&mut self, call: CallHandle) {
        let Some(waiting) = self.calls.get(call) else { return };
        match waiting.is {
            CallPosition::Granted => {}
            CallPosition::Pipelined(id) => {
                if let Some(worker) = self.workers.get_mut(id.0) {
                    worker.pipeline.orphan(call);
                }
            }
            CallPosition::InQueue => {
                let (state, held) = (waiting.state, waiting.held);
                let queue = queue_of(&mut self.queue, &mut self.held, &mut self.states, state, held);
                self.calls.leave_queue(queue, call);
            }
        }
        self.calls.remove(call);
    }

    /// The caller of a running call has left. Says how the call is to be ended. The calls that were pipelined behind it
    /// are revoked first, so that the signal that ends it does not reach one of them.
    pub(in crate::pool) fn running_call_abandoned(
        &mut self,
        id: WorkerHandle,
        now: Instant,
    ) -> AbandonedCallEnd {
        let up_to = self.worker(id).and_then(|worker| worker.pipeline.revoke(now));
        match up_to {
            None => AbandonedCallEnd::Interrupt,
            Some(up_to) => {
                self.effects.push_back(Effect::Revoke { worker: id, up_to });
                AbandonedCallEnd::AfterRevocation
            }
        }
    }

    /// [`REVOKED_FOR`](crate::bounds::REVOKED_FOR) has passed since
    /// [`running_call_abandoned`](Self::running_call_abandoned). `begun` is the last call that the worker has begun.
    pub(in crate::pool) fn revocation_settled(
        &mut self,
        id: WorkerHandle,
        begun: u64,
        now: Instant,
    ) -> AbandonedCallEnd {
        self.requeue(id, begun, now);
        let moved_on = self.worker(id).is_some_and(|worker| !worker.pipeline.is_empty());
        if moved_on { AbandonedCallEnd::AwaitLastFrame } else { AbandonedCallEnd::Interrupt }
    }

    /// Closes the pool: later calls are refused, and so are those that run nowhere yet, in a queue or pipelined; idle
    /// workers are killed. Busy ones come back by [`worker_returned`](Self::worker_returned).
    pub(in crate::pool) fn close(&mut self) {
        self.closing = true;
        let mut refused = Vec::new();
        for (_, worker) in self.workers.iter_mut() {
            refused.extend(worker.pipeline.take_unstarted(0).filter_map(|sent| sent.call));
        }
        for call in &refused {
            self.calls.grant(*call);
        }
        let states = self.states.0.iter_mut().map(|(_, state)| &mut state.queue);
        for queue in [&mut self.queue, &mut self.held].into_iter().chain(states) {
            refused.extend(self.calls.take_out(queue, |_| true));
        }
        self.refuse_all(refused, &RefusalReason::Shutdown);
        self.idle.clear();
        let idle: Vec<WorkerHandle> = self
            .workers
            .iter()
            .filter(|(_, worker)| matches!(worker.stage, WorkerStage::Idle { .. }))
            .map(|(handle, _)| WorkerHandle(handle))
            .collect();
        idle.into_iter().for_each(|id| self.retire(id, false));
        self.effects.extend([Effect::Tick, Effect::Renewed]);
    }
}
