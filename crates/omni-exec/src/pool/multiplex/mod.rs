//! Async calls: many at a time on one worker, which is started when the first of them comes.

mod serve;
mod shared_worker;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use omni_call::{Call, CallPort, Outcome, OutcomeKind};
use tokio::time::sleep;

use super::preload::{Preload, WorkerStartError};
use crate::attempt::{AttemptCounter, AttemptFacts, conclude};
use crate::executor_processes::ExecutorProcesses;
use crate::failures::Failures;
use crate::outcome::{start_failed, unstarted};
use crate::start_failure::StartFailure;
use crate::wire::WorkerMode;
use crate::within::within;

use serve::{SharedWorkerOwner, serve};
use shared_worker::{CallGuard, SharedWorker};

/// Workers at most, those included that have been left because a tool blocks them.
const SHARED_WORKERS_MAX: usize = 4;

/// Async calls and the worker they share.
pub(super) struct Multiplex {
    core: Arc<MultiplexCore>,
}

struct MultiplexCore {
    processes: Arc<ExecutorProcesses>,
    preload: Arc<Preload>,
    state: Mutex<MultiplexState>,
    /// Held while a worker is started, so that one start serves all who wait for it.
    starting: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct MultiplexState {
    current: Option<Arc<SharedWorker>>,
    failures: Failures,
    /// Calls accepted and not ended.
    calls: usize,
    /// How often all workers have been replaced.
    generation: u64,
    /// Somebody is starting a worker in place of the current one.
    replacing: bool,
    /// Workers in being.
    worker_count: usize,
}

impl Multiplex {
    pub(super) fn new(processes: Arc<ExecutorProcesses>, preload: Arc<Preload>) -> Self {
        let core = MultiplexCore {
            processes,
            preload,
            state: Mutex::default(),
            starting: tokio::sync::Mutex::new(()),
        };
        Multiplex { core: Arc::new(core) }
    }

    /// Runs one async call to its end. Dropping the future cancels the call.
    pub(super) async fn run(&self, mut call: Call, events: &mut dyn CallPort) -> Outcome {
        let Some(_admitted) = AdmittedCall::new(&self.core) else {
            return unstarted(&call, OutcomeKind::BUSY);
        };
        let mut attempts = AttemptCounter::default();
        loop {
            let shared = match self.current_or_start(&call).await {
                Ok(shared) => shared,
                Err(outcome) => return *outcome,
            };
            // A worker that went between here and there has not seen the call.
            let Some(mut shared_worker) = CallGuard::begin(shared, &call, attempts.number()) else {
                continue;
            };
            let result = shared_worker.finish(&mut call, events).await;
            let closing = self.core.processes.closing();
            if attempts.should_retry(&call, &result, &shared_worker, closing) {
                continue;
            }
            let config = self.core.processes.config();
            let facts = AttemptFacts { config, attempt: attempts.number(), closing };
            return conclude(&mut shared_worker, &call, result, facts).await;
        }
    }

    /// The worker in use, or a new one.
    async fn current_or_start(&self, call: &Call) -> Result<Arc<SharedWorker>, Box<Outcome>> {
        if let Some(shared) = self.core.current() {
            if shared.lock().worn {
                self.core.replace_in_background();
            }
            return Ok(shared);
        }
        // In a task of its own: others may wait for this start when this call is taken back.
        let starting = tokio::spawn(start_current(Arc::clone(&self.core)));
        let kind = match within(&call.deadline, starting).await {
            Ok(Ok(Ok(shared))) => return Ok(shared),
            Ok(Ok(Err(failure))) => return Err(Box::new(start_failed(call, &failure))),
            // The task panicked, or the runtime is going down.
            Ok(Err(error)) => OutcomeKind::Lost { message: format!("starting its worker failed: {error}") },
            Err(kind) => kind,
        };
        Err(Box::new(unstarted(call, kind)))
    }
}

impl Multiplex {
    /// Has a new worker take all calls from the return of this on; those under way end where they are. While
    /// none can be started, this waits and the old one goes on.
    pub(super) async fn renew(&self) {
        let wanted = {
            let mut state = self.core.lock();
            state.generation += 1;
            state.generation
        };
        loop {
            let shared = self.core.current();
            if shared.is_none_or(|shared| shared.generation >= wanted) || self.core.processes.closing() {
                return;
            }
            if replace_current(Arc::clone(&self.core), wanted).await.is_err() {
                sleep(OutcomeKind::RETRY_AFTER).await;
            }
        }
    }
}

/// A call's share of the bound on calls.
struct AdmittedCall<'a>(&'a MultiplexCore);

impl<'a> AdmittedCall<'a> {
    fn new(core: &'a MultiplexCore) -> Option<Self> {
        let mut state = core.lock();
        (state.calls < core.processes.config().queue_max).then(|| {
            state.calls += 1;
            AdmittedCall(core)
        })
    }
}

impl Drop for AdmittedCall<'_> {
    fn drop(&mut self) {
        self.0.lock().calls -= 1;
    }
}

impl MultiplexCore {
    fn lock(&self) -> MutexGuard<'_, MultiplexState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn current(&self) -> Option<Arc<SharedWorker>> {
        self.lock().current.clone().filter(|shared| {
            let state = shared.lock();
            !state.closed && !state.retiring
        })
    }
}

impl MultiplexCore {
    /// Has a worker started that takes the place of the current one, unless that is under way.
    fn replace_in_background(self: &Arc<Self>) {
        let generation = {
            let mut state = self.lock();
            if std::mem::replace(&mut state.replacing, true) {
                return;
            }
            state.generation
        };
        let core = Arc::clone(self);
        tokio::spawn(async move {
            // A failure is known to `failures` from then on, and the old worker goes on.
            let _ = replace_current(Arc::clone(&core), generation).await;
            core.lock().replacing = false;
        });
    }

    async fn start(self: &Arc<Self>) -> Result<Arc<SharedWorker>, Arc<StartFailure>> {
        if let Some(failure) = self.lock().failures.forbids(Instant::now()) {
            return Err(Arc::clone(failure));
        }
        let generation = self.lock().generation;
        let started = loop {
            match self.preload.start(&self.processes, WorkerMode::Async, Box::new(())).await {
                Ok(worker) => break Ok(worker),
                Err(WorkerStartError::Failed(failure)) => break Err(failure),
                Err(WorkerStartError::PreloadFailed) => {}
            }
        };
        match started {
            Ok(worker) => {
                let temp = worker.process.temp().cloned();
                let shared = Arc::new(SharedWorker {
                    page: worker.page(),
                    generation,
                    temp,
                    result_bytes_max: worker.result_bytes_max(),
                    state: Mutex::default(),
                });
                let idle_ttl = self.processes.config().idle_worker_ttl;
                tokio::spawn(serve(Arc::clone(&shared), worker, idle_ttl, Arc::downgrade(self)));
                let mut state = self.lock();
                state.failures = Failures::default();
                state.worker_count += 1;
                drop(state);
                Ok(shared)
            }
            Err(failure) => Err(self.lock().failures.add(failure)),
        }
    }
}

impl SharedWorkerOwner for MultiplexCore {
    fn stalled(self: Arc<Self>, shared: &SharedWorker) {
        if self.lock().worker_count < SHARED_WORKERS_MAX
            && self.current().is_some_and(|current| current.is(shared))
        {
            tracing::warn!("an async tool blocks the event loop that it shares; calls behind it move on");
            {
                let mut state = shared.lock();
                (state.worn, state.stalled) = (true, true);
            }
            self.replace_in_background();
        }
    }

    fn gone(&self) {
        self.lock().worker_count -= 1;
    }
}

/// Puts a new worker of this generation in the place of the current one, which then takes no further call and
/// ends when those it has are over.
async fn replace_current(core: Arc<MultiplexCore>, generation: u64) -> Result<(), Arc<StartFailure>> {
    let _turn = core.starting.lock().await;
    let needed = |shared: &Arc<SharedWorker>| shared.generation < generation || shared.lock().worn;
    let Some(old) = core.current().filter(needed) else { return Ok(()) };
    let shared = core.start().await?;
    core.lock().current = Some(shared);
    old.retire();
    if old.lock().stalled {
        old.requeue_unstarted().await;
    }
    Ok(())
}

/// Starts the shared worker, unless somebody just has.
async fn start_current(core: Arc<MultiplexCore>) -> Result<Arc<SharedWorker>, Arc<StartFailure>> {
    let _turn = core.starting.lock().await;
    if let Some(shared) = core.current() {
        return Ok(shared);
    }
    loop {
        let shared = core.start().await?;
        let mut state = core.lock();
        // All workers may have been replaced since this one was started.
        if shared.generation == state.generation {
            state.current = Some(Arc::clone(&shared));
            return Ok(shared);
        }
        drop(state);
        shared.retire();
    }
}
