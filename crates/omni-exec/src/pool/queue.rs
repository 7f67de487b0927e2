//! Who waits for a worker, in which order, and how a worker that comes free reaches the first in line.

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use omni_call::{Call, Outcome, Wants};
use omni_process::StatusPage;

use crate::bounds::REVOKED_FOR;

use crate::wire::Terms;
use crate::worker::Worker;

/// Calls that a worker may be sent ahead of the one it runs.
const AHEAD_MAX: usize = 16;

/// Only calls with arguments up to this size are sent ahead: the socket takes them at once.
const AHEAD_BYTES_MAX: usize = 4096;

/// A worker whose last call took less than this gets calls ahead.
const QUICK: Duration = Duration::from_millis(1);

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
    /// By the worker's key; only workers that have calls ahead.
    lanes: HashMap<u64, Lane>,
}

#[derive(Default)]
enum Slot {
    #[default]
    Free,
    Waiting(Waiting),
    /// Sent to a worker, behind the call that it runs.
    Ahead(Waiting),
    Granted(Grant),
}

/// The calls that were sent to one worker ahead of time.
struct Lane {
    page: Arc<StatusPage>,
    /// The number of the call at hand.
    running: u64,
    /// The calls behind it: number and slot; no slot for one whose caller has left.
    sent: VecDeque<(u64, Option<usize>)>,
    /// When they were revoked, if they were.
    revoked: Option<Instant>,
    /// The call that was at hand when the housekeeper last looked.
    seen: u64,
}

/// What became of a worker that came free.
pub(super) enum Handed {
    /// It runs the next call, whose task is to be woken once no lock is held.
    On(Option<Waker>),
    /// It runs a call whose caller has left.
    Orphaned(Box<Worker>),
    /// Nobody waits.
    Back(Box<Worker>),
}

struct Waiting {
    call: Call,
    terms: Terms,
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
            Slot::Free | Slot::Ahead(_) | Slot::Granted(_) => None,
        }
    }

    /// Puts a call at the end of the line.
    pub(super) fn push(&mut self, call: Call, terms: Terms) -> Place {
        *self.per_tool.entry(tool(&call)).or_default() += 1;
        let slot = Slot::Waiting(Waiting { call, terms, waker: None });
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

    /// Has the next call begin on a worker that came free: the one it was sent ahead, else the first in line.
    ///
    /// A worker whose calls are short also gets a share of those behind it in line, so that it need not wait
    /// for us between them: two processes that take turns for every call spend more on the turns than on the
    /// calls. `sharers` is how many workers the line is shared among. What can
    /// ask its client goes alone.
    pub(super) fn hand_over(&mut self, mut worker: Box<Worker>, sharers: usize) -> Handed {
        if let Some((number, at)) = self.next_ahead(worker.key) {
            let waiting = at.and_then(|at| Some((at, self.take_waiting(at)?)));
            let Some((at, waiting)) = waiting else {
                worker.advance(number, Wants::default(), false);
                return Handed::Orphaned(worker);
            };
            worker.advance(number, waiting.call.wants, waiting.terms.asks);
            self.slots[at] = Slot::Granted(Grant::Begun(waiting.call, worker));
            return Handed::On(waiting.waker);
        }
        let share = self.order.len().div_ceil(sharers.max(1)).min(AHEAD_MAX + 1);
        let quick = worker.last_took() < QUICK;
        let first = self.order.pop_front().and_then(|at| Some((at, self.take_waiting(at)?)));
        let Some((at, waiting)) = first else { return Handed::Back(worker) };
        let number = worker.send_ahead(&waiting.call, waiting.terms);
        worker.advance(number, waiting.call.wants, waiting.terms.asks);
        if quick && !waiting.terms.asks {
            self.send_ahead(&mut worker, share.saturating_sub(1));
        }
        worker.flush();
        self.slots[at] = Slot::Granted(Grant::Begun(waiting.call, worker));
        Handed::On(waiting.waker)
    }

    /// Sends the worker up to `count` calls from the head of the line behind the one at hand.
    fn send_ahead(&mut self, worker: &mut Worker, count: usize) {
        let mut sent = VecDeque::new();
        while sent.len() < count
            && let Some(&at) = self.order.front()
            && let Some(Slot::Waiting(waiting)) = self.slots.get_mut(at)
            && waiting.call.arguments().len() <= AHEAD_BYTES_MAX
            && !waiting.terms.asks
        {
            let number = worker.send_ahead(&waiting.call, waiting.terms);
            sent.push_back((number, Some(at)));
            self.order.pop_front();
            if let Slot::Waiting(waiting) = mem::take(&mut self.slots[at]) {
                self.slots[at] = Slot::Ahead(waiting);
            }
        }
        if !sent.is_empty() {
            let running = worker.number();
            let lane = Lane { page: worker.page(), running, sent, revoked: None, seen: 0 };
            self.lanes.insert(worker.key, lane);
        }
    }

    /// Moves a worker's lane on by one call.
    fn next_ahead(&mut self, key: u64) -> Option<(u64, Option<usize>)> {
        let lane = self.lanes.get_mut(&key)?;
        let next = lane.sent.pop_front();
        lane.running = next.map_or(lane.running, |(number, _)| number);
        if lane.sent.is_empty() {
            self.lanes.remove(&key);
        }
        next
    }

    /// Whether any call is ahead of its time at some worker.
    pub(super) fn has_lanes(&self) -> bool {
        !self.lanes.is_empty()
    }

    /// Whether that worker has calls ahead.
    pub(super) fn has_lane(&self, key: u64) -> bool {
        self.lanes.contains_key(&key)
    }

    /// Looks after the calls that were sent ahead: where the call at hand takes long, those behind it are
    /// revoked, and go back to the head of the line as soon as it is certain that they never begin.
    pub(super) fn tend_lanes(&mut self, now: Instant) {
        let keys: Vec<u64> = self.lanes.keys().copied().collect();
        for key in keys {
            let Some(lane) = self.lanes.get_mut(&key) else { continue };
            if lane.revoked.is_some_and(|revoked| now >= revoked + REVOKED_FOR) {
                self.recall(key);
            } else if lane.revoked.is_none() && lane.seen == lane.running {
                lane.revoke(now);
            } else {
                lane.seen = lane.running;
            }
        }
    }

    /// Revokes what a worker was sent ahead. To be followed by [`recall`](Self::recall), [`REVOKED_FOR`] later.
    pub(super) fn revoke(&mut self, key: u64, now: Instant) {
        if let Some(lane) = self.lanes.get_mut(&key) {
            lane.revoke(now);
        }
    }

    /// Puts the calls that a worker was sent ahead and has not begun back to the head of the line. They must
    /// have been revoked for long enough, or the worker must be dead.
    pub(super) fn recall(&mut self, key: u64) {
        let Some(lane) = self.lanes.get_mut(&key) else { return };
        let begun = lane.sent.iter().take_while(|(number, _)| lane.page.has_started(*number)).count();
        let back: Vec<_> = lane.sent.drain(begun..).collect();
        // What has begun is heard of by the worker's own frames.
        if lane.sent.is_empty() {
            self.lanes.remove(&key);
        }
        for at in back.into_iter().rev().filter_map(|(_, at)| at) {
            if let Some(Slot::Ahead(waiting)) = self.slots.get_mut(at).map(mem::take) {
                self.slots[at] = Slot::Waiting(waiting);
                self.order.push_front(at);
            }
        }
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

    /// Puts all calls that were sent ahead back in line, whether they have begun or not: the pool is closing.
    pub(super) fn recall_all(&mut self) {
        for (_, lane) in mem::take(&mut self.lanes) {
            for at in lane.sent.into_iter().filter_map(|(_, at)| at) {
                if let Some(Slot::Ahead(waiting)) = self.slots.get_mut(at).map(mem::take) {
                    self.slots[at] = Slot::Waiting(waiting);
                    self.order.push_back(at);
                }
            }
        }
    }

    /// What the call at `place` has got, if anything yet; `waker` is woken when it gets something.
    pub(super) fn claim(&mut self, place: Place, waker: &Waker) -> Option<Grant> {
        match self.slots.get_mut(place.0)? {
            Slot::Waiting(waiting) | Slot::Ahead(waiting) => {
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
        match self.slots.get(place.0) {
            Some(Slot::Waiting(_)) => {
                self.order.retain(|at| *at != place.0);
                self.take_waiting(place.0);
            }
            Some(Slot::Ahead(_)) => {
                let sent = self.lanes.values_mut().flat_map(|lane| &mut lane.sent);
                sent.filter(|(_, at)| *at == Some(place.0)).for_each(|(_, at)| *at = None);
                self.take_waiting(place.0);
            }
            Some(Slot::Free | Slot::Granted(_)) | None => {}
        }
        self.vacate(place)
    }

    fn vacate(&mut self, place: Place) -> Option<Grant> {
        let slot = mem::take(self.slots.get_mut(place.0)?);
        self.free.push(place.0);
        match slot {
            Slot::Granted(grant) => Some(grant),
            Slot::Free | Slot::Waiting(_) | Slot::Ahead(_) => None,
        }
    }

    /// Takes a call out of its slot; the slot stays occupied.
    fn take_waiting(&mut self, at: usize) -> Option<Waiting> {
        let (Slot::Waiting(waiting) | Slot::Ahead(waiting)) = mem::take(self.slots.get_mut(at)?) else {
            return None;
        };
        if let Some(count) = self.per_tool.get_mut(&tool(&waiting.call)) {
            *count -= 1;
            if *count == 0 {
                self.per_tool.remove(&tool(&waiting.call));
            }
        }
        Some(waiting)
    }
}

impl Lane {
    fn revoke(&mut self, now: Instant) {
        if let Some((last, _)) = self.sent.back() {
            self.page.revoke(*last);
            self.revoked.get_or_insert(now);
        }
    }
}

fn tool(call: &Call) -> usize {
    Arc::as_ptr(&call.spec).addr()
}

#[cfg(test)]
mod tests {
    use omni_call::{CallId, CallRequest, Deadline, Ending, PythonTarget, RunSpec};

    use super::*;

    fn call(id: u64, spec: &Arc<RunSpec>) -> Call {
        Call {
            id: CallId(id),
            spec: Arc::clone(spec),
            request: CallRequest::tool("{}"),
            deadline: Deadline::new(Instant::now(), None, None),
            wants: Wants::default(),
            session: "".into(),
            affinity: None,
        }
    }

    const ONCE: Terms = Terms { attempt: 1, asks: false };

    fn spec(command: &str) -> Arc<RunSpec> {
        Arc::new(RunSpec::new("s", command, PythonTarget::new("/s", "scripts/a.py", "f")))
    }

    fn shutdown() -> Option<Box<Outcome>> {
        Some(Box::new(Outcome::unstarted(Ending::Shutdown, Duration::ZERO)))
    }

    #[test]
    fn an_abandoned_place_leaves_the_others_in_order_and_is_used_again() {
        let (a, b) = (spec("a"), spec("b"));
        let mut queue = Queue::default();
        let first = queue.push(call(1, &a), ONCE);
        let second = queue.push(call(2, &a), ONCE);
        let third = queue.push(call(3, &b), ONCE);
        assert_eq!((queue.len(), queue.len_for(&call(9, &a))), (3, 2));
        assert!(queue.abandon(second).is_none());
        assert_eq!((queue.len(), queue.len_for(&call(9, &a))), (2, 1));
        assert_eq!(queue.push(call(4, &a), ONCE), second);
        assert_eq!(Vec::from(queue.order.clone()), [first.0, third.0, second.0]);
    }

    #[test]
    fn a_refused_call_claims_its_outcome_once() {
        let a = spec("a");
        let mut queue = Queue::default();
        let (first, second) = (queue.push(call(1, &a), ONCE), queue.push(call(2, &a), ONCE));
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
        let place = queue.push(call(1, &a), ONCE);
        queue.refuse(|_| shutdown());
        assert!(queue.abandon(place).is_some());
        assert!(queue.is_empty() && queue.per_tool.is_empty());
        assert_eq!(queue.free.len(), queue.slots.len());
    }
}
