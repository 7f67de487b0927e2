//! Which worker may run which version of a skill's code: what a renewal changes for workers and for calls.
//!
//! A worker that has imported a skill runs that version of it until it ends (a process cannot take back what it has
//! imported). So when skills change ([`Scheduler::renew`], decision 0046):
//!
//! - Workers that have imported none of them belong to the new generation at once, and go on.
//! - Those that have get no call of a changed skill any more. Calls of others run there until the first worker of the new
//!   generation is ready; then the old ones go, each at the end of its call.
//! - A call of a changed skill waits for a worker of the new generation, apart from the others ([`Scheduler::held`]).
//! - A call that was resolved against the version before is refused as stale, wherever it waits: whoever resolved it does so
//!   anew. What was sent behind another call is revoked first, and comes back if the worker has not begun it.
//! - A worker keeps the state of one skill. When that changes, the old one goes first: there must never be two.

use std::time::Instant;

use omni_call::{Code, SkillId};

use super::effect::{CallHandle, Effect, RefusalReason, StartPurpose, WorkerHandle};
use super::queue::Queue;
use super::skill_states::{SkillStates, StateKey};
use super::slots::SlotHandle;
use super::state::{Scheduler, WorkerStage, WorkerState};

impl WorkerState {
    /// Notes that the worker has imported files of a skill, or may have.
    pub(super) fn note_loaded(&mut self, skill: SkillId) {
        if let Err(at) = self.loaded.binary_search(&skill) {
            self.loaded.insert(at, skill);
        }
    }

    pub(super) fn has_loaded(&self, skill: SkillId) -> bool {
        self.loaded.binary_search(&skill).is_ok()
    }

    /// Whether it has imported files of one of the skills, or may be doing so.
    fn may_have_loaded(&self, changed: &[Code]) -> bool {
        changed.iter().any(|code| {
            self.has_loaded(code.skill)
                || self.running == Some(code.skill)
                || self.pipeline.has_behind(code.skill)
        })
    }
}

impl<K: StateKey> Scheduler<K> {
    /// Has no call run the code that is `outdated` any more but those that have begun, and each call of those skills get a
    /// worker that has imported none of it. States go whose key has `changed`. `preloads`: workers that are being started
    /// may be importing some of it. Returns a number by which [`is_renewed`](Self::is_renewed) says when no worker of
    /// before takes a call any more.
    pub(in crate::pool) fn renew(
        &mut self,
        outdated: &[Code],
        preloads: bool,
        changed: impl Fn(&K) -> bool,
        now: Instant,
    ) -> u64 {
        self.retire_changed_states(changed);
        self.recycle.renew(outdated);
        self.refuse_stale();
        self.revoke_pipelined(outdated, now);
        let newest = self.recycle.generation;
        let (mut old, mut serving, mut starting) = (false, false, false);
        for (_, worker) in self.workers.iter_mut() {
            if worker.state.is_some() || worker.exited || worker.stage == WorkerStage::Released {
                continue;
            }
            let starts = worker.stage == WorkerStage::Starting;
            // One of an earlier generation has imported what changed before.
            if worker.generation + 1 == newest && !worker.may_have_loaded(outdated) && !(starts && preloads) {
                worker.generation = newest;
                serving |= !starts;
                starting |= starts;
            } else {
                old = true;
            }
        }
        if !old || serving || self.count.workers >= self.bounds.workers_max {
            self.retire_old_generations();
        } else if !starting && self.failures.forbids(now).is_none() {
            self.start(StartPurpose::Renewal, None);
        }
        self.hold_changed();
        self.serve_queue(now);
        // The autoscaler tries again when the start fails.
        self.effects.push_back(Effect::Tick);
        newest
    }

    /// Whether no worker from before that renewal takes a call any more.
    pub(in crate::pool) fn is_renewed(&self, generation: u64) -> bool {
        self.closing || self.recycle.oldest >= generation
    }

    /// Lets no worker of an earlier generation take a call any more. Calls of changed skills are like all others then.
    pub(super) fn retire_old_generations(&mut self) {
        let newest = self.recycle.generation;
        self.recycle.oldest = newest;
        self.recycle.changed.clear();
        let is_old =
            |id: &WorkerHandle| self.workers.get(id.0).is_none_or(|worker| worker.generation < newest);
        let old: Vec<WorkerHandle> = self.idle.extract_if(.., |id| is_old(id)).collect();
        old.into_iter().for_each(|id| self.retire(id, true));
        for call in self.calls.take_back(&mut self.held, |_| true) {
            self.calls.requeue(&mut self.queue, call, false);
        }
        self.effects.push_back(Effect::Renewed);
    }

    /// Has calls of changed skills wait for a worker of the newest generation.
    fn hold_changed(&mut self) {
        if !self.recycle.renewing() {
            return;
        }
        let recycle = &self.recycle;
        for call in self.calls.take_back(&mut self.queue, |call| recycle.holds(call.code.skill)) {
            self.calls.requeue(&mut self.held, call, true);
        }
    }

    /// Refuses the calls in the queues that were resolved against code that is outdated.
    fn refuse_stale(&mut self) {
        let states = self.states.0.iter_mut().map(|(_, state)| &mut state.queue);
        let mut stale = Vec::new();
        for queue in [&mut self.queue, &mut self.held].into_iter().chain(states) {
            stale.append(&mut self.calls.take_out(queue, |call| self.recycle.outdated.has(call.code)));
        }
        self.refuse_all(stale, &RefusalReason::Stale);
    }

    /// Takes calls of changed skills back that stand behind another one at a worker, and those that a worker was sent and
    /// has not begun: it skips them.
    fn revoke_pipelined(&mut self, changed: &[Code], now: Instant) {
        for (handle, worker) in self.workers.iter_mut() {
            let is_changed = |skill| changed.iter().any(|code| code.skill == skill);
            let behind = changed.iter().any(|code| worker.pipeline.has_behind(code.skill));
            let up_to = match behind {
                true => worker.pipeline.revoke(now),
                false => worker.running.is_some_and(is_changed).then(|| worker.pipeline.revoke_at_hand()),
            };
            if let Some(up_to) = up_to {
                self.effects.push_back(Effect::Revoke { worker: WorkerHandle(handle), up_to });
            }
        }
    }

    /// Puts a call back in its queue that a worker has not begun, or refuses it when what it was resolved against is outdated
    /// by now. `state` is the one that the worker keeps.
    pub(super) fn take_back(&mut self, call: CallHandle, state: Option<SlotHandle>) {
        let Some(code) = self.calls.get(call).map(|waiting| waiting.code) else { return };
        if self.recycle.outdated.has(code) {
            self.calls.grant(call);
            return self.refuse_all(vec![call], &RefusalReason::Stale);
        }
        let held = state.is_none() && self.recycle.holds(code.skill);
        let queue = queue_of(&mut self.queue, &mut self.held, &mut self.states, state, held);
        self.calls.requeue(queue, call, held);
    }

    /// Refuses the calls that wait for a worker of the newest generation, since none can be started.
    pub(super) fn refuse_held(&mut self, why: &RefusalReason) {
        let refused = self.calls.take_out(&mut self.held, |_| true);
        self.refuse_all(refused, why);
    }
}

/// The line in which a call waits.
pub(super) fn queue_of<'a, K>(
    queue: &'a mut Queue,
    held: &'a mut Queue,
    states: &'a mut SkillStates<K>,
    state: Option<SlotHandle>,
    is_held: bool,
) -> &'a mut Queue {
    match state.and_then(|state| states.0.get_mut(state)) {
        Some(state) => &mut state.queue,
        None if is_held => held,
        None => queue,
    }
}
