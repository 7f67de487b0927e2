//! The calls and the workers themselves, beside the scheduler that decides about them by their handles: carries out
//! what needs both.

use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use omni_call::{AffinityKey, Call, Outcome, OutcomeKind, Wants};
use omni_process::StatusPage;

use super::scheduler::{Admission, Bounds, CallFacts, CallId, Effect, Refusal, Scheduler, WorkerId};
use crate::bounds::RETRY_AFTER;
use crate::outcome::{start_failed, unstarted};
use crate::shared_bounds::{SharedBounds, WorkerPlace};
use crate::wire::Terms;
use crate::within::expired;
use crate::worker::Worker;

/// Only calls with arguments up to this size are sent ahead: the socket takes them at once.
const AHEAD_BYTES_MAX: usize = 4096;

/// A worker by which the scheduler knows it. Boxed, since it moves at every call between table, slot and lease.
pub(super) struct Hired {
    pub(super) id: WorkerId,
    pub(super) worker: Worker,
}

/// What a waiting call gets.
pub(super) enum Grant {
    /// A worker that has already been sent the call.
    Begun(Call, Box<Hired>),
    Refused(Box<Outcome>),
}

/// What a call finds that wants a worker.
pub(super) enum Admitted {
    /// A worker that is to be sent the call.
    Begun(Call, Box<Hired>),
    Waits(CallId),
    Refused(Box<Outcome>),
}

/// Where the scheduler's decisions meet what they are about. Indexed by its handles.
pub(super) struct Table {
    pub(super) scheduler: Scheduler<Arc<AffinityKey>>,
    calls: Vec<Slot>,
    workers: Vec<Station>,
    /// Workers that were found dead when they should have been sent a call.
    unfit: Vec<Task>,
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
    terms: Terms,
    waker: Option<Waker>,
}

/// What is kept of a worker here.
#[derive(Default)]
struct Station {
    /// Where it notes which call it has begun.
    page: Option<Arc<StatusPage>>,
    /// The worker itself, while it is in the scheduler's hands.
    hired: Option<Box<Hired>>,
}

/// What is to be done once no lock is held: a waker may run anything, and dropping a worker kills it.
#[derive(Default)]
pub(super) struct Later {
    /// Callers to be woken. Nearly always one at most, which needs no memory.
    pub(super) wake: Option<Waker>,
    pub(super) more: Vec<Task>,
    pub(super) look: bool,
    pub(super) renewed: bool,
}

pub(super) enum Task {
    Wake(Waker),
    /// With its place among the workers of all pools; `None` for one that keeps a state.
    Start(WorkerId, Option<WorkerPlace>),
    EndCall(Box<Hired>),
    Dismiss(Box<Hired>),
    Discard(Box<Hired>),
    Bury(Box<Hired>),
    AskForPlace {
        workers: usize,
    },
}

impl Later {
    fn wake(&mut self, waker: Option<Waker>) {
        if self.wake.is_none() {
            self.wake = waker;
        } else {
            self.more.extend(waker.map(Task::Wake));
        }
    }
}

/// The facts by which the scheduler decides about a call.
fn facts_of(call: &Call, terms: Terms, again: bool) -> CallFacts<Arc<AffinityKey>> {
    CallFacts {
        tool: Arc::as_ptr(&call.spec).addr(),
        key: call.affinity.clone(),
        pipelines: !terms.asks,
        small: call.arguments().len() <= AHEAD_BYTES_MAX,
        again,
        accepted: call.deadline.accepted(),
        expires: call.deadline.next(),
    }
}

/// The outcome of a call that got no worker.
fn refusal(call: &Call, why: &Refusal) -> Outcome {
    let busy = OutcomeKind::Busy { retry_after: RETRY_AFTER };
    match why {
        Refusal::Busy => unstarted(call, busy),
        Refusal::Expired => unstarted(call, call.deadline.expired(Instant::now()).map_or(busy, expired)),
        Refusal::CannotStart(failure) => start_failed(call, failure),
        Refusal::Shutdown => unstarted(call, OutcomeKind::Shutdown),
    }
}

impl Table {
    pub(super) fn new(bounds: Bounds) -> Self {
        Table { scheduler: Scheduler::new(bounds), calls: Vec::new(), workers: Vec::new(), unfit: Vec::new() }
    }

    /// Gives `call` an idle worker, or a place in the line, or refuses it. `again`: it was in line before.
    pub(super) fn admit(&mut self, call: Call, terms: Terms, again: bool) -> Admitted {
        loop {
            let admission = self.scheduler.call_came(facts_of(&call, terms, again), Instant::now());
            match admission {
                Admission::Run(id) => match self.take(id) {
                    Some(hired) if hired.worker.reusable() => return Admitted::Begun(call, hired),
                    hired => {
                        self.scheduler.unfit(id);
                        self.unfit.extend(hired.map(Task::Discard));
                    }
                },
                Admission::Waits(id) => {
                    self.keep(id, call, terms);
                    return Admitted::Waits(id);
                }
                Admission::Refused(why) => return Admitted::Refused(Box::new(refusal(&call, &why))),
            }
        }
    }

    /// Keeps a call that has been told to wait.
    fn keep(&mut self, id: CallId, call: Call, terms: Terms) {
        let index = id.0.index();
        if self.calls.len() <= index {
            self.calls.resize_with(index + 1, Slot::default);
        }
        self.calls[index] = Slot::Waiting(Waiting { call, terms, waker: None });
    }

    /// Takes a worker in hands that comes back from a call or begins to serve.
    pub(super) fn put(&mut self, hired: Box<Hired>) {
        let station = self.station(hired.id);
        if station.page.is_none() {
            station.page = Some(hired.worker.page());
        }
        station.hired = Some(hired);
    }

    /// Gives a worker out of hands.
    fn take(&mut self, id: WorkerId) -> Option<Box<Hired>> {
        self.station(id).hired.take_if(|hired| hired.id == id)
    }

    /// The same, and nothing of it comes back.
    fn take_for_good(&mut self, id: WorkerId) -> Option<Box<Hired>> {
        let hired = self.take(id)?;
        self.station(id).page = None;
        Some(hired)
    }

    fn station(&mut self, id: WorkerId) -> &mut Station {
        let index = id.0.index();
        if self.workers.len() <= index {
            self.workers.resize_with(index + 1, Station::default);
        }
        &mut self.workers[index]
    }

    /// The last call that a worker has begun, by number.
    pub(super) fn begun(&self, id: WorkerId) -> u64 {
        let page = self.workers.get(id.0.index()).and_then(|station| station.page.as_ref());
        page.map_or(u64::MAX, |page| begun(page))
    }

    /// What the call has got, if anything yet; `waker` is woken when it gets something.
    pub(super) fn claim(&mut self, id: CallId, waker: &Waker) -> Option<Grant> {
        match self.calls.get_mut(id.0.index())? {
            Slot::Waiting(waiting) => {
                match &mut waiting.waker {
                    Some(old) => old.clone_from(waker),
                    none => *none = Some(waker.clone()),
                }
                None
            }
            Slot::Free => None,
            Slot::Granted(_) => self.abandon(id),
        }
    }

    /// Gives up a place in line. Returns what the call had got meanwhile.
    pub(super) fn abandon(&mut self, id: CallId) -> Option<Grant> {
        self.scheduler.caller_left(id);
        match std::mem::take(self.calls.get_mut(id.0.index())?) {
            Slot::Granted(grant) => Some(grant),
            Slot::Free | Slot::Waiting(_) => None,
        }
    }

    /// Carries out what the scheduler has decided, as far as it can be done here. The rest is to be done
    /// [later](Later), once no lock is held.
    pub(super) fn carry_out(&mut self, shared: &SharedBounds, workers_max: usize) -> Later {
        let mut later = Later { more: std::mem::take(&mut self.unfit), ..Later::default() };
        while let Some(effect) = self.scheduler.next_effect() {
            match effect {
                Effect::Send { worker, call, number } => self.send(worker, call, number),
                Effect::Begin { worker, call, number } => self.begin(worker, call, number, &mut later),
                Effect::Orphan { worker, number } => {
                    later.more.extend(self.take(worker).map(|mut hired| {
                        hired.worker.advance(number, Wants::default(), false);
                        Task::EndCall(hired)
                    }));
                }
                Effect::Revoke { worker, up_to } => {
                    if let Some(page) = &self.station(worker).page {
                        page.revoke(up_to);
                    }
                }
                Effect::ReadPage { worker } => {
                    let begun = self.begun(worker);
                    self.scheduler.begun(worker, begun, Instant::now());
                }
                Effect::Start { worker, keyed } => self.start(worker, keyed, shared, workers_max, &mut later),
                Effect::Dismiss { worker } => {
                    later.more.extend(self.take_for_good(worker).map(Task::Dismiss))
                }
                Effect::Discard { worker } => {
                    later.more.extend(self.take_for_good(worker).map(Task::Discard))
                }
                Effect::Bury { worker } => later.more.extend(self.take(worker).map(Task::Bury)),
                Effect::Refuse { call, why } => self.refuse(call, &why, &mut later),
                Effect::AskForPlace { workers } => later.more.push(Task::AskForPlace { workers }),
                Effect::Look => later.look = true,
                Effect::Renewed => later.renewed = true,
            }
        }
        later
    }

    fn send(&mut self, worker: WorkerId, call: CallId, number: u64) {
        let hired = self.workers.get_mut(worker.0.index()).and_then(|station| station.hired.as_mut());
        if let (Some(hired), Some(Slot::Waiting(waiting))) = (hired, self.calls.get(call.0.index())) {
            let sent = hired.worker.send_ahead(&waiting.call, waiting.terms);
            debug_assert_eq!(sent, number, "the scheduler counts as the worker does");
        }
    }

    fn begin(&mut self, worker: WorkerId, call: CallId, number: u64, later: &mut Later) {
        let hired = self.take(worker);
        let Some(slot) = self.calls.get_mut(call.0.index()) else { return };
        let (Some(mut hired), Slot::Waiting(waiting)) = (hired, std::mem::take(slot)) else { return };
        hired.worker.advance(number, waiting.call.wants, waiting.terms.asks);
        hired.worker.flush();
        *slot = Slot::Granted(Grant::Begun(waiting.call, hired));
        later.wake(waiting.waker);
    }

    fn start(
        &mut self,
        worker: WorkerId,
        keyed: bool,
        shared: &SharedBounds,
        workers_max: usize,
        later: &mut Later,
    ) {
        // Another worker may have had this number.
        *self.station(worker) = Station::default();
        if keyed {
            return later.more.push(Task::Start(worker, None));
        }
        let place = shared.take_place(workers_max);
        self.scheduler.place(worker, place.is_some(), Instant::now());
        later.more.extend(place.map(|place| Task::Start(worker, Some(place))));
    }

    fn refuse(&mut self, call: CallId, why: &Refusal, later: &mut Later) {
        let Some(slot) = self.calls.get_mut(call.0.index()) else { return };
        let Slot::Waiting(waiting) = std::mem::take(slot) else { return };
        *slot = Slot::Granted(Grant::Refused(Box::new(refusal(&waiting.call, why))));
        later.wake(waiting.waker);
    }
}

/// The last call that a worker has begun, as it notes on its page. Unreadable counts as all: what has begun is not run
/// again.
pub(super) fn begun(page: &StatusPage) -> u64 {
    match page.last_started() {
        // What stands there before the first.
        Some(u64::MAX) => 0,
        Some(number) => number,
        None => u64::MAX,
    }
}
