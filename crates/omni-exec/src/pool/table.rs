//! The calls and the workers themselves. The scheduler knows them by handles only; this applies its decisions to them.

use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use omni_call::{AffinityKey, Call, Outcome, OutcomeKind};
use omni_process::StatusPage;

use super::scheduler::{
    Admission, CallFacts, CallHandle, Effect, PoolBounds, RefusalReason, Scheduler, WorkerHandle,
};
use crate::attempt::FrameReader;
use crate::outcome::{start_failed, unstarted};
use crate::shared_bounds::{SharedBounds, WorkerPermit};
use crate::wire::AttemptInfo;
use crate::within::expired;
use crate::worker::Worker;

/// Only calls with arguments up to this size are pipelined: the socket takes them at once.
const PIPELINED_BYTES_MAX: usize = 4096;

/// A worker, with the handle by which the scheduler knows it. Boxed, since it moves between the table, a slot and a
/// lease at every call.
pub(super) struct PooledWorker {
    pub(super) id: WorkerHandle,
    pub(super) worker: Worker,
}

/// What a call in the queue gets at last.
#[expect(
    clippy::large_enum_variant,
    reason = "it is moved once for each call, and a box would be an allocation"
)]
pub(super) enum CallGrant {
    /// A worker that has already been sent the call.
    Begun(Call, Box<PooledWorker>),
    Refused(Box<Outcome>),
}

/// What a call gets at once that wants a worker.
#[expect(clippy::large_enum_variant, reason = "as above")]
pub(super) enum AdmitResult {
    /// A worker that is to be sent the call.
    Begun(Call, Box<PooledWorker>),
    Waits(CallHandle),
    Refused(Box<Outcome>),
}

/// The scheduler, and the calls and workers that it decides about, each at the index that its handle has.
pub(super) struct Table {
    pub(super) scheduler: Scheduler<Arc<AffinityKey>>,
    calls: Vec<CallSlot>,
    workers: Vec<WorkerSlot>,
    /// Workers that were found dead when they should have been sent a call.
    unfit: Vec<DeferredTask>,
}

#[derive(Default)]
enum CallSlot {
    #[default]
    Free,
    Waiting(WaitingCall),
    Granted(CallGrant),
}

struct WaitingCall {
    call: Call,
    info: AttemptInfo,
    waker: Option<Waker>,
}

/// What is kept here of a worker.
#[derive(Default)]
struct WorkerSlot {
    /// Where it notes which call it has begun.
    page: Option<Arc<StatusPage>>,
    /// Its permit among the workers of all pools.
    permit: Option<Arc<WorkerPermit>>,
    /// The worker itself, while it is idle. Whoever runs a call on it has it otherwise.
    pooled: Option<Box<PooledWorker>>,
}

/// What is to be done once the lock is released: a waker may run anything, and dropping a worker kills it.
#[derive(Default)]
pub(super) struct Deferred {
    /// Callers to be woken. Nearly always one at most, which needs no memory.
    pub(super) wake: Option<Waker>,
    pub(super) more: Vec<DeferredTask>,
    pub(super) tick: bool,
    pub(super) renewed: bool,
}

pub(super) enum DeferredTask {
    Wake(Waker),
    /// With its permit among the workers of all pools; `None` for a worker that keeps a state.
    Start(WorkerHandle, Option<Arc<WorkerPermit>>),
    EndCall(Box<PooledWorker>),
    AskToExit(Box<PooledWorker>),
    Kill(Box<PooledWorker>),
    KillAndReap(Box<PooledWorker>),
    RequestWorkerPermit {
        workers: usize,
    },
}

impl Deferred {
    fn wake(&mut self, waker: Option<Waker>) {
        if self.wake.is_none() {
            self.wake = waker;
        } else {
            self.more.extend(waker.map(DeferredTask::Wake));
        }
    }
}

/// The facts by which the scheduler decides about a call.
fn facts_of(call: &Call, info: AttemptInfo, again: bool) -> CallFacts<Arc<AffinityKey>> {
    CallFacts {
        tool: Arc::as_ptr(&call.spec).addr(),
        key: call.affinity.clone(),
        code: call.spec.code(),
        // A call that another waits for must not stand behind one that may take long.
        pipelines: !info.asks && call.parent.is_none(),
        below: call.parent.is_some(),
        small: call.arguments().len() <= PIPELINED_BYTES_MAX,
        again,
        accepted: call.deadline.accepted(),
        expires: call.deadline.next(),
    }
}

/// The outcome of a call that got no worker.
fn refusal(call: &Call, why: &RefusalReason) -> Outcome {
    let busy = OutcomeKind::BUSY;
    match why {
        RefusalReason::Busy => unstarted(call, busy),
        RefusalReason::Expired => {
            unstarted(call, call.deadline.expired(Instant::now()).map_or(busy, expired))
        }
        RefusalReason::CannotStart(failure) => start_failed(call, failure),
        RefusalReason::Stale => unstarted(call, OutcomeKind::Stale { otherwise: None }),
        RefusalReason::Shutdown => unstarted(call, OutcomeKind::Shutdown),
    }
}

impl Table {
    pub(super) fn new(bounds: PoolBounds) -> Self {
        Table { scheduler: Scheduler::new(bounds), calls: Vec::new(), workers: Vec::new(), unfit: Vec::new() }
    }

    /// Gives `call` an idle worker, or a place in the queue, or refuses it. `again`: it was in the queue before.
    pub(super) fn admit(&mut self, call: Call, info: AttemptInfo, again: bool) -> AdmitResult {
        loop {
            let admission = self.scheduler.call_arrived(facts_of(&call, info, again), Instant::now());
            match admission {
                Admission::Run(id) => match self.take_worker(id) {
                    Some(pooled) if pooled.worker.reusable() => return AdmitResult::Begun(call, pooled),
                    pooled => {
                        self.scheduler.worker_unfit(id);
                        self.unfit.extend(pooled.map(DeferredTask::Kill));
                    }
                },
                Admission::Waits(id) => {
                    self.keep_waiting(id, call, info);
                    return AdmitResult::Waits(id);
                }
                Admission::Refused(why) => return AdmitResult::Refused(Box::new(refusal(&call, &why))),
            }
        }
    }

    /// Keeps a call that has been told to wait.
    fn keep_waiting(&mut self, id: CallHandle, call: Call, info: AttemptInfo) {
        let index = id.0.index();
        if self.calls.len() <= index {
            self.calls.resize_with(index + 1, CallSlot::default);
        }
        self.calls[index] = CallSlot::Waiting(WaitingCall { call, info, waker: None });
    }

    /// Takes over a worker that comes back from a call or has just become ready.
    pub(super) fn put_worker(&mut self, pooled: Box<PooledWorker>) {
        let worker_slot = self.worker_slot(pooled.id);
        if worker_slot.page.is_none() {
            worker_slot.page = Some(pooled.worker.page());
        }
        worker_slot.pooled = Some(pooled);
    }

    /// Gives out an idle worker.
    fn take_worker(&mut self, id: WorkerHandle) -> Option<Box<PooledWorker>> {
        self.worker_slot(id).pooled.take_if(|pooled| pooled.id == id)
    }

    /// The same for a worker that does not come back.
    fn remove_worker(&mut self, id: WorkerHandle) -> Option<Box<PooledWorker>> {
        let pooled = self.take_worker(id)?;
        self.worker_slot(id).page = None;
        Some(pooled)
    }

    fn worker_slot(&mut self, id: WorkerHandle) -> &mut WorkerSlot {
        let index = id.0.index();
        if self.workers.len() <= index {
            self.workers.resize_with(index + 1, WorkerSlot::default);
        }
        &mut self.workers[index]
    }

    /// A worker's permit among the workers of all pools. One that keeps a state has none.
    pub(super) fn permit(&self, id: WorkerHandle) -> Option<Arc<WorkerPermit>> {
        self.workers.get(id.0.index())?.permit.clone()
    }

    /// The last call that a worker has begun, by number.
    pub(super) fn last_begun(&self, id: WorkerHandle) -> u64 {
        let page = self.workers.get(id.0.index()).and_then(|worker_slot| worker_slot.page.as_ref());
        page.map_or(u64::MAX, |page| last_begun(page))
    }

    /// What the call has got. `None` when that is nothing yet; `waker` is woken when it gets something.
    pub(super) fn claim(&mut self, id: CallHandle, waker: &Waker) -> Option<CallGrant> {
        match self.calls.get_mut(id.0.index())? {
            CallSlot::Waiting(waiting) => {
                match &mut waiting.waker {
                    Some(old) => old.clone_from(waker),
                    none => *none = Some(waker.clone()),
                }
                None
            }
            CallSlot::Free => None,
            CallSlot::Granted(_) => self.abandon(id),
        }
    }

    /// Takes a call out of the queue whose caller has left. Returns what the call had got meanwhile.
    pub(super) fn abandon(&mut self, id: CallHandle) -> Option<CallGrant> {
        self.scheduler.caller_left(id);
        match std::mem::take(self.calls.get_mut(id.0.index())?) {
            CallSlot::Granted(grant) => Some(grant),
            CallSlot::Free | CallSlot::Waiting(_) => None,
        }
    }

    /// Carries out what the scheduler has decided, as far as that can be done under the lock. The rest is
    /// [returned](Deferred), to be done once the lock is released.
    pub(super) fn apply_effects(&mut self, shared: &SharedBounds, workers_max: usize) -> Deferred {
        let mut deferred = Deferred { more: std::mem::take(&mut self.unfit), ..Deferred::default() };
        while let Some(effect) = self.scheduler.next_effect() {
            match effect {
                Effect::Send { worker, call, number } => self.send(worker, call, number),
                Effect::Begin { worker, call, number } => self.begin(worker, call, number, &mut deferred),
                Effect::EndAbandoned { worker, number } => {
                    deferred.more.extend(self.take_worker(worker).map(|mut pooled| {
                        let reader = FrameReader::of_nobody(pooled.worker.result_bytes_max());
                        pooled.worker.make_current(number, reader);
                        DeferredTask::EndCall(pooled)
                    }));
                }
                Effect::Revoke { worker, up_to } => {
                    if let Some(page) = &self.worker_slot(worker).page {
                        page.revoke(up_to);
                    }
                }
                Effect::ReadPage { worker } => {
                    let begun = self.last_begun(worker);
                    self.scheduler.page_read(worker, begun, Instant::now());
                }
                Effect::Start { worker, stateful } => {
                    self.start(worker, stateful, shared, workers_max, &mut deferred)
                }
                Effect::AskToExit { worker } => {
                    deferred.more.extend(self.remove_worker(worker).map(DeferredTask::AskToExit))
                }
                Effect::Kill { worker } => {
                    deferred.more.extend(self.remove_worker(worker).map(DeferredTask::Kill))
                }
                Effect::KillAndReap { worker } => {
                    deferred.more.extend(self.take_worker(worker).map(DeferredTask::KillAndReap))
                }
                Effect::Refuse { call, why } => self.refuse(call, &why, &mut deferred),
                Effect::RequestWorkerPermit { workers } => {
                    deferred.more.push(DeferredTask::RequestWorkerPermit { workers })
                }
                Effect::Tick => deferred.tick = true,
                Effect::Renewed => deferred.renewed = true,
            }
        }
        deferred
    }

    fn send(&mut self, worker: WorkerHandle, call: CallHandle, number: u64) {
        let pooled =
            self.workers.get_mut(worker.0.index()).and_then(|worker_slot| worker_slot.pooled.as_mut());
        if let (Some(pooled), Some(CallSlot::Waiting(waiting))) = (pooled, self.calls.get(call.0.index())) {
            let sent = pooled.worker.pipeline_call(&waiting.call, waiting.info);
            debug_assert_eq!(sent, number, "the scheduler counts as the worker does");
        }
    }

    fn begin(&mut self, worker: WorkerHandle, call: CallHandle, number: u64, deferred: &mut Deferred) {
        let pooled = self.take_worker(worker);
        let Some(slot) = self.calls.get_mut(call.0.index()) else { return };
        let (Some(mut pooled), CallSlot::Waiting(waiting)) = (pooled, std::mem::take(slot)) else { return };
        let may_ask = waiting.call.spec.may_ask();
        let reader = FrameReader::of(&waiting.call, may_ask, pooled.worker.result_bytes_max());
        pooled.worker.make_current(number, reader);
        pooled.worker.flush();
        *slot = CallSlot::Granted(CallGrant::Begun(waiting.call, pooled));
        deferred.wake(waiting.waker);
    }

    fn start(
        &mut self,
        worker: WorkerHandle,
        stateful: bool,
        shared: &SharedBounds,
        workers_max: usize,
        deferred: &mut Deferred,
    ) {
        // Another worker may have had this index before.
        *self.worker_slot(worker) = WorkerSlot::default();
        if stateful {
            return deferred.more.push(DeferredTask::Start(worker, None));
        }
        let place = shared.take_worker_permit(workers_max);
        self.scheduler.worker_permit_decided(worker, place.is_some(), Instant::now());
        self.worker_slot(worker).permit.clone_from(&place);
        deferred.more.extend(place.map(|place| DeferredTask::Start(worker, Some(place))));
    }

    fn refuse(&mut self, call: CallHandle, why: &RefusalReason, deferred: &mut Deferred) {
        let Some(slot) = self.calls.get_mut(call.0.index()) else { return };
        let CallSlot::Waiting(waiting) = std::mem::take(slot) else { return };
        *slot = CallSlot::Granted(CallGrant::Refused(Box::new(refusal(&waiting.call, why))));
        deferred.wake(waiting.waker);
    }
}

/// The number of the last call that a worker has begun, from its status page. A page that cannot be read counts as if
/// all had begun, since what has begun is not run again.
pub(super) fn last_begun(page: &StatusPage) -> u64 {
    match page.last_started() {
        // The worker has not begun any call.
        Some(u64::MAX) => 0,
        Some(number) => number,
        None => u64::MAX,
    }
}
