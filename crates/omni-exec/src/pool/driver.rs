//! Carries out what the scheduler decides: one lock, one housekeeping task, and the tasks that start and end workers.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use omni_call::{AffinityKey, Call};
use omni_process::TERM_GRACE;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout, timeout_at};

use super::preload::{NoWorker, Preload};
use super::scheduler::{Bounds, Condition, Farewell, WorkerId};
use super::table::{Admitted, Hired, Later, Table, Task, begun};
use crate::bounds::{CANCEL_PATIENCE, EXIT_GRACE, REVOKED_FOR, SHUTDOWN_GRACE};
use crate::children::Children;
use crate::shared_bounds::WorkerPlace;
use crate::wire::{Mode, Terms};
use crate::worker::Worker;
use crate::{ExecConfig, WorkerLife};

/// What the calls, the housekeeper and the tasks that start and end workers share.
pub(super) struct Driver {
    pub(super) config: Arc<ExecConfig>,
    pub(super) children: Arc<Children>,
    /// The processes of workers that keep a state: they do not wear out.
    stateful: Arc<Children>,
    pub(super) preload: Arc<Preload>,
    table: Mutex<Table>,
    /// Calls the housekeeper.
    house: Notify,
    /// Told when workers of a new generation have taken over.
    renewed: Notify,
    /// The runtime on which workers are started and ended: a call may be dropped outside of it.
    runtime: OnceLock<Handle>,
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver").finish_non_exhaustive()
    }
}

impl Driver {
    pub(super) fn new(config: Arc<ExecConfig>) -> Arc<Self> {
        let stateful = ExecConfig { stateful: true, worker_life: WorkerLife::UNLIMITED, ..(*config).clone() };
        let bounds = Bounds {
            workers_min: config.workers_min,
            workers_max: config.workers_max,
            queue_per_tool_max: config.queue_per_tool_max,
            queue_max: config.queue_max,
            idle_ttl: config.idle_worker_ttl,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
        };
        Arc::new(Driver {
            children: Children::new(Arc::clone(&config)),
            stateful: Children::new(Arc::new(stateful)),
            config,
            preload: Arc::new(Preload::default()),
            table: Mutex::new(Table::new(bounds)),
            house: Notify::new(),
            renewed: Notify::new(),
            runtime: OnceLock::new(),
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the processes are being ended.
    pub(super) fn is_closing(&self) -> bool {
        self.children.closing()
    }

    /// The runtime of the first call; the housekeeper starts with it.
    fn runtime(self: &Arc<Self>) -> &Handle {
        self.runtime.get_or_init(|| {
            let runtime = Handle::current();
            runtime.spawn(keep_house(Arc::clone(self)));
            runtime
        })
    }

    /// Tells the scheduler of an event, and carries out what it decides.
    pub(super) fn step<R>(self: &Arc<Self>, event: impl FnOnce(&mut Table) -> R) -> R {
        let mut table = self.lock();
        let result = event(&mut table);
        let later = table.carry_out(&self.config.shared, self.config.workers_max);
        drop(table);
        self.carry_on(later);
        result
    }

    /// Does what is to be done with no lock held.
    fn carry_on(self: &Arc<Self>, later: Later) {
        if let Some(waker) = later.wake {
            waker.wake();
        }
        if later.look {
            // A pool that finds no place for its first worker has started none, and has to look again all the same.
            if self.runtime.get().is_none() && Handle::try_current().is_ok() {
                self.runtime();
            }
            self.house.notify_one();
        }
        if later.renewed {
            self.renewed.notify_waiters();
        }
        for task in later.more {
            match task {
                Task::Wake(waker) => waker.wake(),
                Task::Start(id, place) => self.start(id, place),
                Task::EndCall(hired) => self.end_call(hired),
                Task::Dismiss(hired) => self.dismiss(hired.worker),
                Task::Discard(hired) => drop(hired),
                Task::Bury(hired) => self.bury(hired),
                Task::AskForPlace { workers } => {
                    self.config.shared.make_room(Arc::as_ptr(self).cast(), workers);
                }
            }
        }
    }

    /// Gives `call` to an idle worker, or a place in the line, or refuses it. `again`: it was in line before.
    pub(super) fn admit(self: &Arc<Self>, call: Call, terms: Terms, again: bool) -> Admitted {
        match self.step(|table| table.admit(call, terms, again)) {
            Admitted::Begun(call, mut hired) => {
                hired.worker.begin(&call, terms);
                Admitted::Begun(call, hired)
            }
            other => other,
        }
    }

    /// Takes a worker back whose call has ended: for the next call, or for later.
    pub(super) fn give_back(self: &Arc<Self>, mut hired: Box<Hired>) {
        let now = Instant::now();
        let (id, took) = (hired.id, hired.worker.last_took());
        let condition = condition_of(&mut hired.worker, now);
        self.step(|table| {
            table.put(hired);
            table.scheduler.ended(id, condition, took, now);
        });
    }

    /// Ends the call on a worker that its caller has left: asks the tool, then ends the process. The worker
    /// goes on when the tool obeys.
    pub(super) fn end_call(self: &Arc<Self>, mut hired: Box<Hired>) {
        let id = hired.id;
        let mut farewell = self.step(|table| table.scheduler.left_running(id, Instant::now()));
        let driver = Arc::clone(self);
        self.runtime().spawn(async move {
            if farewell == Farewell::AfterRevocation {
                // The signal must not reach a call of somebody else: first make sure that none can begin (0008).
                sleep(REVOKED_FOR).await;
                farewell = driver.step(|table| {
                    let begun = table.begun(id);
                    table.scheduler.farewell_due(id, begun, Instant::now())
                });
            }
            let worker = &mut hired.worker;
            if farewell == Farewell::Outlive && worker.outlive(CANCEL_PATIENCE).await {
                return driver.give_back(hired);
            }
            if !worker.cancel(CANCEL_PATIENCE).await {
                worker.process.end(TERM_GRACE).await;
            }
            driver.give_back(hired);
        });
    }

    /// Ends a worker that cannot go on, then sees to the calls it was sent ahead.
    fn bury(self: &Arc<Self>, hired: Box<Hired>) {
        let driver = Arc::clone(self);
        self.runtime().spawn(async move {
            hired.worker.process.end(Duration::ZERO).await;
            driver.give_back(hired);
        });
    }

    /// Lets a worker go that has nothing to do: its `atexit` functions run, then it ends.
    fn dismiss(&self, mut worker: Worker) {
        // A dead one has no farewell to say; and without a runtime no worker was ever started.
        let Some(runtime) = self.runtime.get().filter(|_| !worker.process.exited()) else { return };
        worker.dismiss();
        runtime.spawn(async move {
            if timeout(EXIT_GRACE, worker.drain()).await.is_err() {
                worker.process.end(TERM_GRACE).await;
            }
        });
    }

    /// Starts a worker in a task of its own; without a `place` one that keeps a state.
    fn start(self: &Arc<Self>, id: WorkerId, place: Option<WorkerPlace>) {
        let keyed = place.is_none();
        let permit = CapacityPermit { driver: Arc::clone(self), id, _place: place };
        let starting = Starting { driver: Arc::clone(self), id, told: false };
        self.runtime().spawn(async move {
            let (driver, permit) = (Arc::clone(&starting.driver), Box::new(permit));
            let result = if keyed {
                Worker::start(&driver.stateful, Mode::Sync, permit).await.map_err(NoWorker::Failed)
            } else {
                driver.preload.start(&driver.children, Mode::Sync, permit).await
            };
            starting.done(result);
        });
    }

    /// Replaces all workers, and those of the states that have `changed`. Returns when each call from now on gets a
    /// new one.
    pub(super) async fn renew(self: &Arc<Self>, changed: impl Fn(&Arc<AffinityKey>) -> bool) {
        let mut renewed = std::pin::pin!(self.renewed.notified());
        // Registered before anything is set in motion, or its end could be missed.
        renewed.as_mut().enable();
        let wanted = self.step(|table| table.scheduler.renew(changed, Instant::now()));
        while !self.lock().scheduler.is_renewed(wanted) {
            renewed.as_mut().await;
            renewed.set(self.renewed.notified());
            renewed.as_mut().enable();
        }
    }

    /// Stops taking calls, refuses those in line and lets the idle workers go.
    pub(super) fn close(self: &Arc<Self>) {
        self.step(|table| table.scheduler.close());
    }

    /// Ends all workers and waits until they are gone.
    pub(super) async fn end_workers(&self) {
        tokio::join!(self.children.end_all(SHUTDOWN_GRACE), self.stateful.end_all(SHUTDOWN_GRACE));
    }

    /// Has the housekeeper look.
    pub(super) fn look(&self) {
        self.house.notify_one();
    }
}

/// In what condition a worker comes back.
fn condition_of(worker: &mut Worker, now: Instant) -> Condition {
    if !worker.reusable() {
        let dead = worker.process.exited();
        return if dead { Condition::Dead { begun: begun(&worker.page()) } } else { Condition::Unfit };
    }
    let (served, process) = (u64::from(worker.number() > 0), &worker.process);
    let known = worker.wear.is_worn();
    let worn = worker.wear.after_calls(served, now, || process.memory_bytes());
    if let Some(worn) = worn.filter(|_| !known) {
        tracing::debug!("a worker has served its time {worn} and is replaced");
    }
    Condition::Fit { worn: worn.is_some() }
}

/// Has the scheduler look whenever it wants to, until the pool is closed.
async fn keep_house(driver: Arc<Driver>) {
    let mut next: Option<Instant> = None;
    loop {
        let called = driver.house.notified();
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

/// A worker's place among `workers_max`, taken until its process is gone.
struct CapacityPermit {
    driver: Arc<Driver>,
    id: WorkerId,
    /// Among the workers of all pools; given free when no lock is held.
    _place: Option<WorkerPlace>,
}

impl Drop for CapacityPermit {
    fn drop(&mut self) {
        self.driver.step(|table| table.scheduler.gone(self.id));
    }
}

/// A start under way. Dropping it says that nothing came of it.
struct Starting {
    driver: Arc<Driver>,
    id: WorkerId,
    told: bool,
}

impl Starting {
    fn done(mut self, result: Result<Worker, NoWorker>) {
        let id = self.id;
        match result {
            Ok(worker) => {
                self.told = true;
                let hired = Box::new(Hired { id, worker });
                self.driver.step(|table| {
                    table.put(hired);
                    table.scheduler.ready(id, Instant::now());
                });
            }
            // Its place is free again, which has the housekeeper start another one.
            Err(NoWorker::Preload) => {}
            // The server is stopping: nobody's fault.
            Err(NoWorker::Failed(failure)) if failure.closing => {}
            Err(NoWorker::Failed(failure)) => {
                self.told = true;
                tracing::warn!(error = failure.message, hint = failure.hint, "no worker could be started");
                self.driver.step(|table| table.scheduler.start_failed(id, Some(failure), Instant::now()));
            }
        }
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        if !self.told {
            self.driver.step(|table| table.scheduler.start_failed(self.id, None, Instant::now()));
        }
    }
}
