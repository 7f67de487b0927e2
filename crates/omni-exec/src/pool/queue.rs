//! Who waits for a worker, in which order, and how a worker that comes free reaches the first in line.

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use omni_call::{Call, Outcome};

use crate::worker::Worker;

/// What a waiting call gets.
pub(super) enum Grant {
    /// A worker that has already been sent the call.
    Begun(Call, Box<Worker>),
    Refused(Box<Outcome>),
}

/// A place in the queue, valid until it is claimed or abandoned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(usize);

/// Calls waiting for a worker, first come first served.
///
/// The queue holds the calls themselves, so that whoever frees a worker can send it the next one at once,
/// without waking that call's task first.
#[derive(Default)]
pub(super) struct Queue {
    slots: Vec<Slot>,
    free: Vec<usize>,
    order: VecDeque<usize>,
    /// Waiting calls by the address of their run specification, which they keep alive.
    per_tool: HashMap<usize, usize>,
}

#[derive(Default)]
enum Slot {
    #[default]
    Free,
    Waiting(Waiting),
    Granted(Grant),
}

struct Waiting {
    call: Call,
    attempt: u32,
    waker: Option<Waker>,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// How many calls of the same tool as `call` are waiting.
    pub(super) fn len_for(&self, call: &Call) -> usize {
        self.per_tool.get(&tool(call)).copied().unwrap_or(0)
    }

    /// When the first in line was accepted.
    pub(super) fn head_accepted(&self) -> Option<Instant> {
        match self.slots.get(*self.order.front()?)? {
            Slot::Waiting(waiting) => Some(waiting.call.deadline.accepted()),
            Slot::Free | Slot::Granted(_) => None,
        }
    }

    /// Puts a call at the end of the line.
    pub(super) fn push(&mut self, call: Call, attempt: u32) -> Place {
        *self.per_tool.entry(tool(&call)).or_default() += 1;
        let slot = Slot::Waiting(Waiting { call, attempt, waker: None });
        let at = match self.free.pop() {
            Some(at) => {
                self.slots[at] = slot;
                at
            }
            None => {
                self.slots.push(slot);
                self.slots.len() - 1
            }
        };
        self.order.push_back(at);
        Place(at)
    }

    /// Has the first in line begin on `worker`. The waker is to be woken once no lock is held; the worker
    /// comes back when nobody waits.
    pub(super) fn hand_over(&mut self, mut worker: Box<Worker>) -> Result<Option<Waker>, Box<Worker>> {
        let Some(at) = self.order.pop_front() else { return Err(worker) };
        let Some(waiting) = self.take_waiting(at) else { return Err(worker) };
        worker.begin(&waiting.call, waiting.attempt);
        self.slots[at] = Slot::Granted(Grant::Begun(waiting.call, worker));
        Ok(waiting.waker)
    }

    /// Refuses every waiting call for which `refusal` gives an outcome.
    pub(super) fn refuse(&mut self, mut refusal: impl FnMut(&Call) -> Option<Box<Outcome>>) -> Vec<Waker> {
        let mut wakers = Vec::new();
        for at in mem::take(&mut self.order) {
            let outcome = match self.slots.get(at) {
                Some(Slot::Waiting(waiting)) => refusal(&waiting.call),
                _ => None,
            };
            match outcome {
                None => self.order.push_back(at),
                Some(outcome) => {
                    wakers.extend(self.take_waiting(at).and_then(|waiting| waiting.waker));
                    self.slots[at] = Slot::Granted(Grant::Refused(outcome));
                }
            }
        }
        wakers
    }

    /// What the call at `place` has got, if anything yet; `waker` is woken when it gets something.
    pub(super) fn claim(&mut self, place: Place, waker: &Waker) -> Option<Grant> {
        match self.slots.get_mut(place.0)? {
            Slot::Waiting(waiting) => {
                match &mut waiting.waker {
                    Some(old) => old.clone_from(waker),
                    none => *none = Some(waker.clone()),
                }
                None
            }
            Slot::Free => None,
            Slot::Granted(_) => self.vacate(place),
        }
    }

    /// Gives up a place. Returns what the call had got meanwhile.
    pub(super) fn abandon(&mut self, place: Place) -> Option<Grant> {
        if let Some(Slot::Waiting(_)) = self.slots.get(place.0) {
            self.order.retain(|at| *at != place.0);
            self.take_waiting(place.0);
        }
        self.vacate(place)
    }

    fn vacate(&mut self, place: Place) -> Option<Grant> {
        let slot = mem::take(self.slots.get_mut(place.0)?);
        self.free.push(place.0);
        match slot {
            Slot::Granted(grant) => Some(grant),
            Slot::Free | Slot::Waiting(_) => None,
        }
    }

    /// Takes a call out of its slot; the slot stays occupied.
    fn take_waiting(&mut self, at: usize) -> Option<Waiting> {
        let Slot::Waiting(waiting) = mem::take(self.slots.get_mut(at)?) else { return None };
        if let Some(count) = self.per_tool.get_mut(&tool(&waiting.call)) {
            *count -= 1;
            if *count == 0 {
                self.per_tool.remove(&tool(&waiting.call));
            }
        }
        Some(waiting)
    }
}

fn tool(call: &Call) -> usize {
    Arc::as_ptr(&call.spec).addr()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use omni_call::{CallId, Deadline, Ending, RunSpec, Wants};

    use super::*;

    fn call(id: u64, spec: &Arc<RunSpec>) -> Call {
        Call {
            id: CallId(id),
            spec: Arc::clone(spec),
            arguments: Bytes::from_static(b"{}"),
            deadline: Deadline::new(Instant::now(), None, None),
            wants: Wants::default(),
            session: "".into(),
        }
    }

    fn spec(command: &str) -> Arc<RunSpec> {
        Arc::new(RunSpec::new("s", command, "/s".into(), "scripts/a.py", "f"))
    }

    fn shutdown() -> Option<Box<Outcome>> {
        Some(Box::new(Outcome::unstarted(Ending::Shutdown, Duration::ZERO)))
    }

    #[test]
    fn an_abandoned_place_leaves_the_others_in_order_and_is_used_again() {
        let (a, b) = (spec("a"), spec("b"));
        let mut queue = Queue::default();
        let first = queue.push(call(1, &a), 1);
        let second = queue.push(call(2, &a), 1);
        let third = queue.push(call(3, &b), 1);
        assert_eq!((queue.len(), queue.len_for(&call(9, &a))), (3, 2));
        assert!(queue.abandon(second).is_none());
        assert_eq!((queue.len(), queue.len_for(&call(9, &a))), (2, 1));
        assert_eq!(queue.push(call(4, &a), 1), second);
        assert_eq!(Vec::from(queue.order.clone()), [first.0, third.0, second.0]);
    }

    #[test]
    fn a_refused_call_claims_its_outcome_once() {
        let a = spec("a");
        let mut queue = Queue::default();
        let (first, second) = (queue.push(call(1, &a), 1), queue.push(call(2, &a), 1));
        assert!(queue.claim(first, Waker::noop()).is_none());
        let wakers = queue.refuse(|call| if call.id == CallId(1) { shutdown() } else { None });
        assert_eq!((wakers.len(), queue.len()), (1, 1));
        assert!(matches!(queue.claim(first, Waker::noop()), Some(Grant::Refused(_))));
        assert!(queue.claim(second, Waker::noop()).is_none());
    }

    #[test]
    fn a_call_abandoned_after_it_was_refused_leaves_nothing_behind() {
        let a = spec("a");
        let mut queue = Queue::default();
        let place = queue.push(call(1, &a), 1);
        queue.refuse(|_| shutdown());
        assert!(queue.abandon(place).is_some());
        assert!(queue.is_empty() && queue.per_tool.is_empty());
        assert_eq!(queue.free.len(), queue.slots.len());
    }
}
