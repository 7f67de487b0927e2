//! Calls that wait for a worker, first come first served, and how many there are of each tool.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use omni_call::{Code, SkillId};

use super::effect::{CallFacts, CallHandle, PoolBounds, WorkerHandle};
use super::slots::{SlotHandle, Slots};

/// Where a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallPosition {
    InQueue,
    /// Sent to a worker, behind the call that the worker runs.
    Pipelined(WorkerHandle),
    /// It has got a worker or was refused, and its caller has not seen that yet.
    Granted,
}

/// A call that does not run yet.
#[derive(Debug)]
pub(super) struct QueuedCall {
    pub(super) tool: usize,
    /// The state that it needs.
    pub(super) state: Option<SlotHandle>,
    pub(super) code: Code,
    /// It waits for a worker of the newest generation.
    pub(super) held: bool,
    pub(super) pipelines: bool,
    pub(super) small: bool,
    pub(super) below: bool,
    pub(super) accepted: Instant,
    pub(super) expires: Option<Instant>,
    pub(super) is: CallPosition,
}

/// All calls that do not run yet, in whichever [`Queue`] they are, or pipelined.
#[derive(Debug, Default)]
pub(super) struct WaitingCalls {
    slots: Slots<QueuedCall>,
    /// How many of them each tool has.
    per_tool: HashMap<usize, usize>,
    /// How many of them are in a queue.
    queued: usize,
}

/// Calls that wait for the same workers.
#[derive(Debug, Default)]
pub(super) struct Queue(VecDeque<CallHandle>);

impl WaitingCalls {
    /// Whether one more call may wait.
    pub(super) fn has_room(&self, tool: usize, bounds: &PoolBounds) -> bool {
        let of_tool = self.per_tool.get(&tool).copied().unwrap_or(0);
        self.queued < bounds.queue_max && of_tool < bounds.queue_per_tool_max
    }

    pub(super) fn get(&self, call: CallHandle) -> Option<&QueuedCall> {
        self.slots.get(call.0)
    }

    /// Puts a call at the end of the queue. One that was in the queue before goes where it would be by its age.
    pub(super) fn push<K>(
        &mut self,
        queue: &mut Queue,
        facts: &CallFacts<K>,
        state: Option<SlotHandle>,
        held: bool,
    ) -> CallHandle {
        *self.per_tool.entry(facts.tool).or_default() += 1;
        let call = CallHandle(self.slots.insert(QueuedCall {
            tool: facts.tool,
            state,
            code: facts.code,
            held,
            pipelines: facts.pipelines,
            small: facts.small,
            below: facts.below,
            accepted: facts.accepted,
            expires: facts.expires,
            is: CallPosition::InQueue,
        }));
        if facts.again {
            self.insert_by_age(queue, call);
        } else {
            self.queued += 1;
            match facts.below.then(|| self.first_from_above(queue)).flatten() {
                Some(at) => queue.0.insert(at, call),
                None => queue.0.push_back(call),
            }
        }
        call
    }

    /// Puts a call back in the queue that was pipelined and has not begun: before those that came later.
    pub(super) fn requeue(&mut self, queue: &mut Queue, call: CallHandle, held: bool) {
        if let Some(waiting) = self.slots.get_mut(call.0) {
            (waiting.is, waiting.held) = (CallPosition::InQueue, held);
            self.insert_by_age(queue, call);
        }
    }

    /// Where the first call stands that no other call waits for.
    fn first_from_above(&self, queue: &Queue) -> Option<usize> {
        queue.0.iter().position(|call| self.slots.get(call.0).is_some_and(|waiting| !waiting.below))
    }

    fn insert_by_age(&mut self, queue: &mut Queue, call: CallHandle) {
        let order =
            |call: CallHandle| self.slots.get(call.0).map(|waiting| (!waiting.below, waiting.accepted));
        // Such a call is one of the oldest, so its position is near the front.
        let own = order(call);
        let at = queue.0.iter().position(|other| order(*other) > own).unwrap_or(queue.0.len());
        queue.0.insert(at, call);
        self.queued += 1;
    }

    /// Takes the first call out of the queue, to be sent to a worker behind the call that it runs. `None` when that
    /// call may not be pipelined.
    pub(super) fn pipeline_next(&mut self, queue: &mut Queue, worker: WorkerHandle) -> Option<CallHandle> {
        let call = queue.first()?;
        let waiting = self.slots.get_mut(call.0).filter(|waiting| waiting.small && waiting.pipelines)?;
        waiting.is = CallPosition::Pipelined(worker);
        queue.0.pop_front();
        self.queued -= 1;
        Some(call)
    }

    /// Takes the first call out of the queue, since it gets a worker. Says whether others may be pipelined behind it.
    pub(super) fn grant_first(&mut self, queue: &mut Queue) -> Option<(CallHandle, bool)> {
        let call = queue.0.pop_front()?;
        self.queued -= 1;
        let pipelines = self.grant(call);
        Some((call, pipelines))
    }

    /// Notes that a call which is in no queue has got a worker or was refused. Says whether others may be pipelined
    /// behind it.
    pub(super) fn grant(&mut self, call: CallHandle) -> bool {
        let Some(waiting) = self.slots.get_mut(call.0) else { return false };
        waiting.is = CallPosition::Granted;
        let (tool, pipelines) = (waiting.tool, waiting.pipelines);
        self.forget_tool(tool);
        pipelines
    }

    /// Forgets a call that is in no queue.
    pub(super) fn remove(&mut self, call: CallHandle) {
        if let Some(waiting) = self.slots.remove(call.0)
            && waiting.is != CallPosition::Granted
        {
            self.forget_tool(waiting.tool);
        }
    }

    /// Takes a call out of the queue.
    pub(super) fn leave_queue(&mut self, queue: &mut Queue, call: CallHandle) {
        if let Some(at) = queue.0.iter().position(|other| *other == call) {
            queue.0.remove(at);
            self.queued -= 1;
        }
    }

    /// Takes those calls out of a queue for which `is_out` is true, in their order.
    pub(super) fn take_out(
        &mut self,
        queue: &mut Queue,
        is_out: impl Fn(&QueuedCall) -> bool,
    ) -> Vec<CallHandle> {
        let out = self.take_back(queue, is_out);
        for call in &out {
            self.grant(*call);
        }
        out
    }

    /// The same, for calls that go on waiting elsewhere: each is to be [requeued](Self::requeue).
    pub(super) fn take_back(
        &mut self,
        queue: &mut Queue,
        is_out: impl Fn(&QueuedCall) -> bool,
    ) -> Vec<CallHandle> {
        let out = |call: &CallHandle| self.slots.get(call.0).is_some_and(&is_out);
        // Nearly always there are none.
        if !queue.0.iter().any(out) {
            return Vec::new();
        }
        let (out, kept) = queue.0.drain(..).partition::<Vec<_>, _>(out);
        queue.0.extend(kept);
        self.queued -= out.len();
        out
    }

    /// The skill of a call that has not been taken out.
    pub(super) fn skill_of(&self, call: CallHandle) -> Option<SkillId> {
        self.get(call).map(|waiting| waiting.code.skill)
    }

    fn forget_tool(&mut self, tool: usize) {
        if let Some(count) = self.per_tool.get_mut(&tool) {
            *count -= 1;
            if *count == 0 {
                self.per_tool.remove(&tool);
            }
        }
    }

    /// Whether no call is known here any more.
    #[cfg(test)]
    pub(super) fn is_clear(&self) -> bool {
        self.slots.len() == 0 && self.per_tool.is_empty() && self.queued == 0
    }
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn first(&self) -> Option<CallHandle> {
        self.0.front().copied()
    }
}
