//! Async calls: many run at a time on one shared worker, which is started when the first of them comes.

mod serve;
mod shared_worker;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use omni_call::{Call, CallPort, ExecutorKind, Outcome, OutcomeKind, SkillChange, SkillId};
use tokio::sync::Notify;
use tokio::time::sleep;

use super::outdated::OutdatedCode;
use super::preload::{Preload, WorkerStartError};
use crate::attempt::{AttemptCounter, AttemptFacts, AttemptResult, conclude};
use crate::call_slot::CallSlot;
use crate::executor_processes::ExecutorProcesses;
use crate::failures::Failures;
use crate::outcome::{start_failed, unstarted};
use crate::start_failure::StartFailure;
use crate::wire::WorkerMode;
use crate::within::within;

use serve::{SharedWorkerOwner, serve};
use shared_worker::{CallGuard, SharedWorker, SharedWorkerState};

/// Shared workers at most at a time, counting those that are blocked by a tool and have been replaced.
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
    /// How many calls have been accepted and have not ended, without those that wait for their clients.
    calls: usize,
    /// How often the worker has been replaced because it had imported a skill that changed.
    generation: u64,
    /// Skills that have changed since the worker in use was started, and of which it has imported files: their calls
    /// wait for the next one.
    changed: Vec<SkillId>,
    outdated: OutdatedCode,
    /// A worker is being started to replace the current one.
    replacing: bool,
    /// How many shared workers there are.
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
        let Some(mut admitted) = AdmittedCall::new(&self.core) else {
            return unstarted(&call, OutcomeKind::BUSY);
        };
        let mut attempts = AttemptCounter::default();
        let skill = call.spec.code().skill;
        loop {
            let shared = match self.current_or_start(&call).await {
                Ok(shared) => shared,
                Err(outcome) => return *outcome,
            };
            // The worker has stopped taking calls since it was found: it has not seen this one.
            let Some(mut shared_worker) = CallGuard::begin(shared, &call, attempts.number()) else {
                continue;
            };
            let result = shared_worker.finish(&mut call, events, &mut admitted).await;
            let closing = self.core.processes.closing();
            if attempts.should_retry(&call, &result, &shared_worker, closing) {
                continue;
            }
            if matches!(result, AttemptResult::Stale) {
                self.core.worker_was_stale(&shared_worker, skill, &call).await;
            }
            let config = self.core.processes.config();
            let facts = AttemptFacts { config, attempt: attempts.number(), closing };
            return conclude(&mut shared_worker, &call, result, facts).await;
        }
    }

    /// The current worker, or a new one where there is none.
    async fn current_or_start(&self, call: &Call) -> Result<Arc<SharedWorker>, Box<Outcome>> {
        let code = call.spec.code();
        loop {
            let current = self.core.current();
            let held = {
                // Asked anew after each wait: the skill may have been edited once more meanwhile.
                let state = self.core.lock();
                if state.outdated.has(code) {
                    return Err(Box::new(unstarted(call, OutcomeKind::Stale { otherwise: None })));
                }
                current.as_ref().is_some_and(|shared| state.holds(code.skill, shared))
            };
            let Some(shared) = current else {
                return await_start(call, start_current(Arc::clone(&self.core))).await;
            };
            if held {
                self.core.replacement(call).await?;
                continue;
            }
            let (worn, cancelling) = {
                let state = shared.lock();
                (state.worn, state.cancelling > 0)
            };
            if cancelling {
                if let Err(kind) = within(&call.deadline, shared.cancels_over()).await {
                    return Err(Box::new(unstarted(call, kind)));
                }
                continue;
            }
            if worn {
                self.core.replace_in_background();
            }
            return Ok(shared);
        }
    }
}

impl Multiplex {
    /// Has no call run the code that is outdated by now but those that have begun. Takes effect at once; returns a
    /// number for [`renewed`](Self::renewed).
    pub(super) fn renew(&self, changes: &[SkillChange]) -> u64 {
        let current = self.core.current();
        let mut state = self.core.lock();
        let mut renews = current.is_none();
        for code in changes.iter().map(SkillChange::outdated) {
            state.outdated.note(code);
            if current.as_ref().is_some_and(|line| line.lock().loaded.contains(&code.skill)) {
                state.changed.push(code.skill);
                renews = true;
            }
        }
        // Without a worker one may be on its way, which may be importing what has changed.
        state.generation += u64::from(renews);
        state.generation
    }

    /// Returns when no worker that has imported outdated code takes a call any more. While no other can be started,
    /// this waits, and the old one goes on with calls of other skills.
    pub(super) async fn renewed(&self, wanted: u64) {
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

impl MultiplexState {
    /// Whether calls of a skill wait for the worker that comes after this one.
    fn holds(&self, skill: SkillId, line: &SharedWorker) -> bool {
        line.generation < self.generation && self.changed.contains(&skill)
    }
}

/// Counts a call among those that have not ended, of which there may be `queue_max` that do not wait for their clients.
struct AdmittedCall<'a> {
    core: &'a MultiplexCore,
    released: bool,
}

impl<'a> AdmittedCall<'a> {
    fn new(core: &'a MultiplexCore) -> Option<Self> {
        let mut state = core.lock();
        (state.calls < core.processes.config().queue_max).then(|| {
            state.calls += 1;
            AdmittedCall { core, released: false }
        })
    }
}

impl CallSlot for AdmittedCall<'_> {
    fn executor(&self) -> ExecutorKind {
        ExecutorKind::Pool
    }

    fn release(&mut self) {
        if !std::mem::replace(&mut self.released, true) {
            self.core.lock().calls -= 1;
        }
    }

    fn reacquire(&mut self) {
        if std::mem::replace(&mut self.released, false) {
            self.core.lock().calls += 1;
        }
    }
}

impl Drop for AdmittedCall<'_> {
    fn drop(&mut self) {
        self.release();
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
    /// Has the current worker replaced in a task of its own, unless that is under way.
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
            // A failure is noted in `failures`, and the old worker goes on.
            let _ = replace_current(Arc::clone(&core), generation).await;
            core.lock().replacing = false;
        });
    }

    /// Waits until another worker has taken the place of the current one. The error is how the call ends otherwise.
    async fn replacement(self: &Arc<Self>, call: &Call) -> Result<(), Box<Outcome>> {
        let generation = self.lock().generation;
        await_start(call, replace_current(Arc::clone(self), generation)).await
    }

    /// The worker has other files of a skill than a call means. Where it has imported them it will never have those
    /// that are meant, and another one takes its place.
    async fn worker_was_stale(self: &Arc<Self>, guard: &CallGuard, skill: SkillId, call: &Call) {
        let line = guard.worker();
        {
            let mut state = line.lock();
            if guard.is_first_of_skill() {
                state.loaded.remove(&skill);
                return;
            }
            state.worn = true;
        }
        // A failure is met again by the next attempt, and told then.
        let _ = self.replacement(call).await;
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
                    state: Mutex::new(SharedWorkerState {
                        loaded: worker.preloaded().iter().copied().collect(),
                        ..SharedWorkerState::default()
                    }),
                    cancel_over: Notify::new(),
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

/// Waits for a start or a replacement within the call's time. The error is how the call ends otherwise.
async fn await_start<T: Send + 'static>(
    call: &Call,
    starting: impl Future<Output = Result<T, Arc<StartFailure>>> + Send + 'static,
) -> Result<T, Box<Outcome>> {
    // In a task of its own: other calls may wait for this start, and must not lose it when this call is cancelled.
    let kind = match within(&call.deadline, tokio::spawn(starting)).await {
        Ok(Ok(Ok(ready))) => return Ok(ready),
        Ok(Ok(Err(failure))) => return Err(Box::new(start_failed(call, &failure))),
        // The task panicked, or the runtime is going down.
        Ok(Err(error)) => OutcomeKind::Lost { message: format!("starting its worker failed: {error}") },
        Err(kind) => kind,
    };
    Err(Box::new(unstarted(call, kind)))
}

/// Replaces the current worker by a new one, when it is worn or of an earlier generation than this. The old one takes
/// no further call, and exits when those that it has are over.
async fn replace_current(core: Arc<MultiplexCore>, generation: u64) -> Result<(), Arc<StartFailure>> {
    let _turn = core.starting.lock().await;
    let needed = |line: &Arc<SharedWorker>| line.generation < generation || line.lock().worn;
    let Some(old) = core.current().filter(needed) else { return Ok(()) };
    let shared = core.start().await?;
    {
        let mut state = core.lock();
        if shared.generation == state.generation {
            state.changed.clear();
        }
        state.current = Some(shared);
    }
    old.retire();
    // Those that have not begun must not begin with outdated code.
    if old.lock().stalled || old.generation < generation {
        old.requeue_unstarted().await;
    }
    Ok(())
}

/// Starts the shared worker, unless another call has just done that.
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
