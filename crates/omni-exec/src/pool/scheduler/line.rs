//! Calls that wait for a worker, first come first served, and how many there are of each tool.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use super::effect::{Bounds, CallFacts, CallId, WorkerId};
use super::slots::{Handle, Slots};

/// Where a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whereabouts {
    InLine,
    /// Sent to a worker, behind the call that this one runs.
    Ahead(WorkerId),
    /// It has a worker or was refused, and its caller has not looked yet.
    Granted,
}

/// A call that has no worker of its own yet.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) tool: usize,
    /// The state that it needs.
    pub(super) state: Option<Handle>,
    pub(super) pipelines: bool,
    pub(super) small: bool,
    pub(super) accepted: Instant,
    pub(super) expires: Option<Instant>,
    pub(super) is: Whereabouts,
}

/// All calls without a worker. Which of them wait for the same workers is said by [`Line`]s.
#[derive(Debug, Default)]
pub(super) struct Calls {
    slots: Slots<Waiting>,
    /// Calls that have no worker of their own, by tool.
    per_tool: HashMap<usize, usize>,
    /// How many stand in any line.
    in_line: usize,
}

/// Calls that wait for the same workers.
#[derive(Debug, Default)]
pub(super) struct Line(VecDeque<CallId>);

impl Calls {
    /// Whether one more call may wait.
    pub(super) fn has_room(&self, tool: usize, bounds: &Bounds) -> bool {
        let of_tool = self.per_tool.get(&tool).copied().unwrap_or(0);
        self.in_line < bounds.queue_max && of_tool < bounds.queue_per_tool_max
    }

    pub(super) fn get(&self, call: CallId) -> Option<&Waiting> {
        self.slots.get(call.0)
    }

    /// Puts a call at the end of the line; one that has had its turn among those that came when it did.
    pub(super) fn push<K>(&mut self, line: &mut Line, facts: &CallFacts<K>, state: Option<Handle>) -> CallId {
        *self.per_tool.entry(facts.tool).or_default() += 1;
        let call = CallId(self.slots.insert(Waiting {
            tool: facts.tool,
            state,
            pipelines: facts.pipelines,
            small: facts.small,
            accepted: facts.accepted,
            expires: facts.expires,
            is: Whereabouts::InLine,
        }));
        if facts.again {
            self.insert_by_age(line, call);
        } else {
            self.in_line += 1;
            line.0.push_back(call);
        }
        call
    }

    /// Puts a call back in line that was sent ahead in vain: before those that came later.
    pub(super) fn requeue(&mut self, line: &mut Line, call: CallId) {
        if let Some(waiting) = self.slots.get_mut(call.0) {
            waiting.is = Whereabouts::InLine;
            self.insert_by_age(line, call);
        }
    }

    fn insert_by_age(&mut self, line: &mut Line, call: CallId) {
        let accepted = |call: CallId| self.slots.get(call.0).map(|waiting| waiting.accepted);
        // Such a call is one of the oldest, so its place is found near the head.
        let own = accepted(call);
        let at = line.0.iter().position(|other| accepted(*other) > own).unwrap_or(line.0.len());
        line.0.insert(at, call);
        self.in_line += 1;
    }

    /// Sends the first in line to a worker, behind the call it runs, if that one may be sent so.
    pub(super) fn send_ahead(&mut self, line: &mut Line, worker: WorkerId) -> Option<CallId> {
        let call = line.first()?;
        let waiting = self.slots.get_mut(call.0).filter(|waiting| waiting.small && waiting.pipelines)?;
        waiting.is = Whereabouts::Ahead(worker);
        line.0.pop_front();
        self.in_line -= 1;
        Some(call)
    }

    /// Gives a worker to the first in line. Says whether others may be sent behind it.
    pub(super) fn grant_first(&mut self, line: &mut Line) -> Option<(CallId, bool)> {
        let call = line.0.pop_front()?;
        self.in_line -= 1;
        let pipelines = self.grant(call);
        Some((call, pipelines))
    }

    /// Notes that a call which stands in no line has got what it waited for. Says whether it pipelines.
    pub(super) fn grant(&mut self, call: CallId) -> bool {
        let Some(waiting) = self.slots.get_mut(call.0) else { return false };
        waiting.is = Whereabouts::Granted;
        let (tool, pipelines) = (waiting.tool, waiting.pipelines);
        self.forget_tool(tool);
        pipelines
    }

    /// Takes out a call that has been granted something, or that stands in no line any more.
    pub(super) fn remove(&mut self, call: CallId) {
        if let Some(waiting) = self.slots.remove(call.0)
            && waiting.is != Whereabouts::Granted
        {
            self.forget_tool(waiting.tool);
        }
    }

    /// Takes a call out of the line.
    pub(super) fn leave_line(&mut self, line: &mut Line, call: CallId) {
        if let Some(at) = line.0.iter().position(|other| *other == call) {
            line.0.remove(at);
            self.in_line -= 1;
        }
    }

    /// Takes the calls out of a line that `is_out` names, in their order.
    pub(super) fn take_out(&mut self, line: &mut Line, is_out: impl Fn(&Waiting) -> bool) -> Vec<CallId> {
        let out = |call: &CallId| self.slots.get(call.0).is_some_and(&is_out);
        // Nearly always none is.
        if !line.0.iter().any(out) {
            return Vec::new();
        }
        let (gone, kept) = line.0.drain(..).partition::<Vec<_>, _>(out);
        line.0.extend(kept);
        self.in_line -= gone.len();
        for call in &gone {
            self.grant(*call);
        }
        gone
    }

    fn forget_tool(&mut self, tool: usize) {
        if let Some(count) = self.per_tool.get_mut(&tool) {
            *count -= 1;
            if *count == 0 {
                self.per_tool.remove(&tool);
            }
        }
    }

    /// Whether nothing is left of any call.
    #[cfg(test)]
    pub(super) fn is_clear(&self) -> bool {
        self.slots.len() == 0 && self.per_tool.is_empty() && self.in_line == 0
    }
}

impl Line {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn first(&self) -> Option<CallId> {
        self.0.front().copied()
    }
}
