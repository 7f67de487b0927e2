//! Carries out what the scheduler decides: one lock, the task of the autoscaler, and tasks that start and end workers.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use omni_call::{AffinityKey, Call, Code, SkillChange};
use omni_process::TERM_GRACE;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout, timeout_at};

use super::preload::{Preload, WorkerStartError};
use super::scheduler::{AbandonedCallEnd, PoolBounds, WorkerCondition, WorkerHandle};
use super::table::{AdmitResult, Deferred, DeferredTask, PooledWorker, Table, last_begun};
use crate::bounds::{CANCEL_PATIENCE, EXIT_GRACE, REVOKED_FOR, SHUTDOWN_GRACE};
use crate::executor_processes::ExecutorProcesses;
use crate::shared_bounds::WorkerPermit;
use crate::wire::{AttemptInfo, WorkerMode};
use crate::worker::Worker;
use crate::{ExecConfig, RecycleLimits};

/// What the calls, the autoscaler and the tasks that start and end workers share.
pub(super) struct Driver {
    pub(super) config: Arc<ExecConfig>,
    pub(super) processes: Arc<ExecutorProcesses>,
    /// The processes of workers that keep a state. Their use has no limits, since their state would be lost.
    stateful: Arc<ExecutorProcesses>,
    pub(super) preload: Arc<Preload>,
    table: Mutex<Table>,
    /// Wakes the autoscaler.
    autoscaler: Notify,
    /// Notified when workers of a new generation have taken over.
    renewed: Notify,
    /// The runtime on which workers are started and ended. Kept, since a call may be dropped outside of any runtime.
    runtime: OnceLock<Handle>,
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver").finish_non_exhaustive()
    }
}

impl Driver {
    pub(super) fn new(config: Arc<ExecConfig>) -> Arc<Self> {
        let stateful =
            ExecConfig { stateful: true, recycle_limits: RecycleLimits::UNLIMITED, ..(*config).clone() };
        let bounds = PoolBounds {
            workers_min: config.workers_min,
            workers_max: config.workers_max,
            queue_per_tool_max: config.queue_per_tool_max,
            queue_max: config.queue_max,
            idle_ttl: config.idle_worker_ttl,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
        };
        Arc::new(Driver {
            processes: ExecutorProcesses::new(Arc::clone(&config)),
            stateful: ExecutorProcesses::new(Arc::new(stateful)),
            config,
            preload: Arc::new(Preload::default()),
            table: Mutex::new(Table::new(bounds)),
            autoscaler: Notify::new(),
            renewed: Notify::new(),
            runtime: OnceLock::new(),
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the pool is shutting down.
    pub(super) fn is_closing(&self) -> bool {
        self.processes.closing()
    }

    /// The runtime of the first call; the autoscaler starts with it.
    fn runtime(self: &Arc<Self>) -> &Handle {
        self.runtime.get_or_init(|| {
            let runtime = Handle::current();
            runtime.spawn(run_autoscaler(Arc::clone(self)));
            runtime
        })
    }

    /// Tells the scheduler of an event, and carries out what it decides.
    pub(super) fn step<R>(self: &Arc<Self>, event: impl FnOnce(&mut Table) -> R) -> R {
        let mut table = self.lock();
        let result = event(&mut table);
        let deferred = table.apply_effects(&self.config.shared, self.config.workers_max);
        drop(table);
        self.run_deferred(deferred);
        result
    }

    /// Does what was put off until the lock is released.
    fn run_deferred(self: &Arc<Self>, deferred: Deferred) {
        if let Some(waker) = deferred.wake {
            waker.wake();
        }
        if deferred.tick {
            // A pool that got no permit for its first worker has started nothing yet, but its autoscaler must run all
            // the same.
            if self.runtime.get().is_none() && Handle::try_current().is_ok() {
                self.runtime();
            }
            self.autoscaler.notify_one();
        }
        if deferred.renewed {
            self.renewed.notify_waiters();
        }
        for task in deferred.more {
            match task {
                DeferredTask::Wake(waker) => waker.wake(),
                DeferredTask::Start(id, place) => self.start(id, place),
                DeferredTask::EndCall(pooled) => self.end_abandoned_call(pooled),
                DeferredTask::AskToExit(pooled) => self.ask_to_exit(pooled.worker),
                DeferredTask::Kill(pooled) => drop(pooled),
                DeferredTask::KillAndReap(pooled) => self.kill_and_reap(pooled),
                DeferredTask::RequestWorkerPermit { workers } => {
                    self.config.shared.make_room(Arc::as_ptr(self).cast(), workers);
                }
            }
        }
    }

    /// Gives `call` to an idle worker, or a place in the queue, or refuses it. `again`: it was in the queue before.
    pub(super) fn admit(self: &Arc<Self>, call: Call, info: AttemptInfo, again: bool) -> AdmitResult {
        match self.step(|table| table.admit(call, info, again)) {
            AdmitResult::Begun(call, mut pooled) => {
                pooled.worker.begin(&call, info);
                AdmitResult::Begun(call, pooled)
            }
            other => other,
        }
    }

    /// Takes back a worker whose call has ended: it gets the next call, or is idle, or is retired.
    pub(super) fn give_back(self: &Arc<Self>, mut pooled: Box<PooledWorker>) {
        let now = Instant::now();
        let (id, took) = (pooled.id, pooled.worker.last_call_duration());
        let condition = condition_of(&mut pooled.worker, now);
        self.step(|table| {
            table.put_worker(pooled);
            table.scheduler.worker_returned(id, condition, took, now);
        });
    }

    /// The call that a worker runs waits for its client: another worker may take this one's place.
    pub(super) fn call_waits(self: &Arc<Self>, id: WorkerHandle) {
        let permit = self.step(|table| {
            table.scheduler.call_waits(id);
            table.permit(id)
        });
        // With no lock held: the other pools are told.
        if let Some(permit) = permit {
            permit.release();
        }
    }

    /// The call goes on, or is to be ended. Where there are too many workers now, one goes.
    pub(super) fn call_goes_on(self: &Arc<Self>, id: WorkerHandle) {
        let (fits, permit) = self.step(|table| (table.scheduler.call_goes_on(id), table.permit(id)));
        if let Some(permit) = permit {
            permit.reacquire();
        }
        // Another pool may have taken the permit meanwhile.
        let shared = &self.config.shared;
        if fits && shared.is_above(self.config.workers_max) && !shared.give_up_idle() {
            self.lock().scheduler.give_up_next();
        }
    }

    /// Ends a running call whose caller has left: interrupts the tool and, when that does not help, ends the process. A
    /// worker whose tool obeyed goes on serving.
    pub(super) fn end_abandoned_call(self: &Arc<Self>, mut pooled: Box<PooledWorker>) {
        let id = pooled.id;
        let mut abandoned_end = self.step(|table| table.scheduler.running_call_abandoned(id, Instant::now()));
        let driver = Arc::clone(self);
        self.runtime().spawn(async move {
            if abandoned_end == AbandonedCallEnd::AfterRevocation {
                // The signal that interrupts must not reach a call that was pipelined behind this one, so wait until it
                // is certain that none of those can begin (decision 0008).
                sleep(REVOKED_FOR).await;
                abandoned_end = driver.step(|table| {
                    let begun = table.last_begun(id);
                    table.scheduler.revocation_settled(id, begun, Instant::now())
                });
            }
            let worker = &mut pooled.worker;
            if abandoned_end == AbandonedCallEnd::AwaitLastFrame
                && worker.await_last_frame(CANCEL_PATIENCE).await
            {
                return driver.give_back(pooled);
            }
            if !worker.cancel(CANCEL_PATIENCE).await {
                worker.process.terminate(TERM_GRACE).await;
            }
            driver.give_back(pooled);
        });
    }

    /// Kills a worker that must serve no other call, and gives it back dead. Only then is it certain which of the calls
    /// that were pipelined to it have begun.
    fn kill_and_reap(self: &Arc<Self>, pooled: Box<PooledWorker>) {
        let driver = Arc::clone(self);
        self.runtime().spawn(async move {
            pooled.worker.process.terminate(Duration::ZERO).await;
            driver.give_back(pooled);
        });
    }

    /// Has a worker exit that has no call: its `atexit` functions run first.
    fn ask_to_exit(&self, mut worker: Worker) {
        // A dead worker runs nothing any more. Where there is no runtime, no worker was ever started.
        let Some(runtime) = self.runtime.get().filter(|_| !worker.process.exited()) else { return };
        worker.ask_to_exit();
        runtime.spawn(async move {
            if timeout(EXIT_GRACE, worker.wait_exit()).await.is_err() {
                worker.process.terminate(TERM_GRACE).await;
            }
        });
    }

    /// Starts a worker in a task of its own. One without a `place` is to keep a state.
    fn start(self: &Arc<Self>, id: WorkerHandle, place: Option<Arc<WorkerPermit>>) {
        let stateful = place.is_none();
        let permit = ExitNotice { driver: Arc::clone(self), id, place };
        let starting = StartingWorker { driver: Arc::clone(self), id, reported: false };
        self.runtime().spawn(async move {
            let (driver, permit) = (Arc::clone(&starting.driver), Box::new(permit));
            let result = if stateful {
                Worker::start(&driver.stateful, WorkerMode::Sync, permit)
                    .await
                    .map_err(WorkerStartError::Failed)
            } else {
                driver.preload.start(&driver.processes, WorkerMode::Sync, permit).await
            };
            starting.done(result);
        });
    }

    /// Has no call run the code that is outdated by now but those that have begun. Takes effect at once; returns a number
    /// for [`renewed`](Self::renewed).
    pub(super) fn renew(self: &Arc<Self>, changes: &[SkillChange]) -> u64 {
        let outdated: Vec<Code> = changes.iter().map(SkillChange::outdated).collect();
        let preloads = self.preload.has_any(&outdated);
        let changed = |key: &Arc<AffinityKey>| changes.iter().any(|change| change.skill == key.skill);
        self.step(|table| table.scheduler.renew(&outdated, preloads, changed, Instant::now()))
    }

    /// Returns when no worker from before that renewal takes a call any more.
    pub(super) async fn renewed(&self, wanted: u64) {
        loop {
            let mut renewed = std::pin::pin!(self.renewed.notified());
            // Registered before it is looked at, or its end could be missed.
            renewed.as_mut().enable();
            if self.lock().scheduler.is_renewed(wanted) {
                return;
            }
            renewed.await;
        }
    }

    /// Stops taking calls, refuses those in the queue and lets the idle workers go.
    pub(super) fn close(self: &Arc<Self>) {
        self.step(|table| table.scheduler.close());
    }

    /// Ends all workers and waits until they are gone.
    pub(super) async fn end_workers(&self) {
        tokio::join!(
            self.processes.terminate_all(SHUTDOWN_GRACE),
            self.stateful.terminate_all(SHUTDOWN_GRACE)
        );
    }

    /// Has the autoscaler run now.
    pub(super) fn wake_autoscaler(&self) {
        self.autoscaler.notify_one();
    }
}

/// The condition of a worker that comes back from a call.
fn condition_of(worker: &mut Worker, now: Instant) -> WorkerCondition {
    if !worker.reusable() {
        let dead = worker.process.exited();
        return if dead {
            WorkerCondition::Dead { begun: last_begun(&worker.page()) }
        } else {
            WorkerCondition::Unfit
        };
    }
    let (served, process) = (u64::from(worker.number() > 0), &worker.process);
    let known = worker.usage.is_worn();
    let worn = worker.usage.after_calls(served, now, || process.memory_bytes());
    if let Some(worn) = worn.filter(|_| !known) {
        tracing::debug!("a worker has served its time {worn} and is replaced");
    }
    WorkerCondition::Fit { worn: worn.is_some(), stale: worker.take_stale() }
}

/// Calls the scheduler's `tick` whenever that wants to be called, until the pool is closed.
async fn run_autoscaler(driver: Arc<Driver>) {
    let mut next: Option<Instant> = None;
    loop {
        let called = driver.autoscaler.notified();
        match next {
            None => called.await,
            Some(at) => {
                let _ = timeout_at(at.into(), called).await;
            }
        }
        let now = Instant::now();
        let contended = driver.config.shared.is_contended(now);
        let closing;
        (closing, next) = driver.step(|table| {
            let next = table.scheduler.tick(now, contended);
            (table.scheduler.is_closing(), next)
        });
        if closing {
            return;
        }
    }
}

/// Lives as long as a worker's process. Dropping it tells the scheduler that the process is gone.
struct ExitNotice {
    driver: Arc<Driver>,
    id: WorkerHandle,
    /// The worker's permit among the workers of all pools.
    place: Option<Arc<WorkerPermit>>,
}

impl Drop for ExitNotice {
    fn drop(&mut self) {
        self.driver.step(|table| table.scheduler.worker_exited(self.id));
        // With no lock held: the other pools are told.
        if let Some(place) = &self.place {
            place.end();
        }
    }
}

/// A worker that is being started. Dropping it before it has reported tells the scheduler that the start failed.
struct StartingWorker {
    driver: Arc<Driver>,
    id: WorkerHandle,
    reported: bool,
}

impl StartingWorker {
    fn done(mut self, result: Result<Worker, WorkerStartError>) {
        let id = self.id;
        match result {
            Ok(worker) => {
                self.reported = true;
                let preloaded = worker.preloaded().to_vec();
                let pooled = Box::new(PooledWorker { id, worker });
                self.driver.step(|table| {
                    table.put_worker(pooled);
                    table.scheduler.worker_ready(id, &preloaded, Instant::now());
                });
            }
            // Its process is gone, and the autoscaler starts another worker.
            Err(WorkerStartError::PreloadFailed) => {}
            // The server is stopping: nobody's fault.
            Err(WorkerStartError::Failed(failure)) if failure.closing => {}
            Err(WorkerStartError::Failed(failure)) => {
                self.reported = true;
                tracing::warn!(error = failure.message, hint = failure.hint, "no worker could be started");
                self.driver
                    .step(|table| table.scheduler.worker_start_failed(id, Some(failure), Instant::now()));
            }
        }
    }
}

impl Drop for StartingWorker {
    fn drop(&mut self) {
        if !self.reported {
            self.driver.step(|table| table.scheduler.worker_start_failed(self.id, None, Instant::now()));
        }
    }
}
