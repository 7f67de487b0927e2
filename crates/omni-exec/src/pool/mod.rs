//! A: calls in warm Python workers that are started when needed, kept, and killed when a call must end.

mod affine;
mod contender;
mod house;
mod lease;
mod multiplex;
mod preload;
mod queue;
mod succession;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use omni_call::{
    BoxFuture, Call, CallPort, Ending, Executor, ExecutorKind, Outcome, Phase, RunSpec, ToolResult,
};
use omni_process::TERM_GRACE;
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::ExecConfig;
use crate::bounds::{CANCEL_PATIENCE, RETRY_AFTER, REVOKED_FOR, SHUTDOWN_GRACE};
use crate::children::Children;
use crate::failures::Failures;
use crate::outcome::{ending, outcome, refuse_oversized, start_failed, unstarted, without_worker_frames};
use crate::quarantine::{self, Quarantine};
use crate::targets::refuse_target;
use crate::wire::Terms;
use crate::worker::{End, Worker};
use affine::Affine;
use house::Purpose;
use house::Watch;
use lease::{Lease, Ticket};
use multiplex::Multiplex;
use preload::Preload;
use queue::{Handed, Place, Queue};
use succession::Succession;

/// The managed pool of Python workers.
///
/// A sync tool has its worker to itself while it runs; async tools share one. Nothing is started before the
/// first call or [`warm_up`](Self::warm_up). Needs a tokio runtime from then on. Dropping the pool kills its
/// workers; [`shut_down`](Executor::shut_down) also waits until they are gone.
pub struct Pool {
    shared: Arc<Shared>,
    multiplex: Multiplex,
    kind: Kind,
}

/// Whether any worker may serve a call.
enum Kind {
    Common(Affine),
    /// One worker that keeps a skill's state.
    OfOne {
        /// The key of the worker that served last, plus one; 0 for none.
        served_by: AtomicU64,
    },
}

/// What the calls, the housekeeper and the tasks that start and end workers share.
struct Shared {
    config: Arc<ExecConfig>,
    children: Arc<Children>,
    state: Mutex<State>,
    preload: Arc<Preload>,
    /// Calls the housekeeper.
    house: Notify,
    /// Told when workers of a new generation have taken over.
    renewed: Notify,
    /// The runtime on which workers are started and ended: a call may be dropped outside of it.
    runtime: OnceLock<Handle>,
    cores: usize,
}

#[derive(Default)]
struct State {
    /// Idle workers, the last used on top, so that those at the bottom can be retired.
    #[expect(clippy::vec_box, reason = "moved on at every call, between here, the line and a lease")]
    idle: Vec<Box<Worker>>,
    queue: Queue,
    /// Workers in being, from the decision to start one until its process is gone.
    workers: usize,
    /// Of these, those that are not ready yet.
    starting: usize,
    /// Of these, those that have been ready: idle, busy, or being ended.
    serving: usize,
    /// Calls finished so far: how the housekeeper sees that the workers get on.
    finished: u64,
    watch: Watch,
    failures: Failures,
    quarantine: Quarantine,
    succession: Succession,
    /// When other pools were asked for a place last.
    asked: Option<Instant>,
    /// Workers that go at the end of their call, so that another pool can have one.
    give_up: usize,
    closing: bool,
}

/// What a call finds that wants a worker.
enum Admission {
    /// A worker that has been sent the call.
    Begun(Call, Box<Worker>),
    Waits(Place),
    Refused(Box<Outcome>),
}

impl Pool {
    /// A pool without workers.
    pub fn new(config: Arc<ExecConfig>) -> Self {
        let kind = Kind::Common(Affine::new(Arc::clone(&config)));
        Self::with(config, kind)
    }

    /// A pool for calls that must all meet in one worker, async ones too.
    fn of_one(config: Arc<ExecConfig>) -> Self {
        Self::with(config, Kind::OfOne { served_by: AtomicU64::new(0) })
    }

    fn with(config: Arc<ExecConfig>, kind: Kind) -> Self {
        let children = Children::new(Arc::clone(&config));
        let preload = Arc::new(Preload::default());
        let pool = Pool {
            kind,
            multiplex: Multiplex::new(Arc::clone(&children), Arc::clone(&preload)),
            shared: Arc::new(Shared {
                children,
                config,
                preload,
                state: Mutex::default(),
                house: Notify::new(),
                renewed: Notify::new(),
                runtime: OnceLock::new(),
                cores: std::thread::available_parallelism().map_or(1, usize::from),
            }),
        };
        pool.shared.join();
        pool
    }

    /// Whether a call goes to a worker that keeps the state of its skill, and so serves no other skill.
    pub fn is_stateful(call: &Call) -> bool {
        call.affinity.is_some()
    }

    /// Starts the workers that are kept anyway (`workers_min`), without waiting for them. Must be called on
    /// a tokio runtime.
    pub fn warm_up(&self) {
        let mut state = self.shared.lock();
        while state.workers < self.shared.config.workers_min && !state.closing {
            if !self.shared.start_worker(&mut state, Purpose::Wanted) {
                return;
            }
        }
    }

    /// Has the workers that are started from now on import a tool's file before they take calls. A skill that says
    /// `preload` needs this only before its first call; its calls do it too.
    pub fn preload(&self, tool: &Arc<RunSpec>) {
        self.shared.preload.note(tool);
    }

    /// Replaces every worker by a new one, so that from the return of this on calls run their skills as they
    /// are on disk now. Calls that run meanwhile end on the workers they run on. Where no worker can be started,
    /// this waits, and the old ones go on.
    ///
    /// Workers that keep a skill's state are replaced only when `changed` says so of that skill.
    pub async fn renew(&self, changed: impl Fn(&str) -> bool) {
        self.shared.preload.renew();
        match &self.kind {
            Kind::Common(affine) => {
                tokio::join!(self.shared.renew(), self.multiplex.renew(), affine.renew(changed));
            }
            Kind::OfOne { .. } => self.shared.renew().await,
        }
    }

    /// Runs a sync call: on a worker of its own, and on a second one when the first died before a line of
    /// the tool had run.
    async fn run_alone(&self, mut call: Call, events: &mut dyn CallPort) -> Outcome {
        let asks = call.spec.may_ask() && events.can_be_asked();
        let mut attempt = 1;
        loop {
            let mut lease;
            (call, lease) = match self.lease(call, Terms { attempt, asks }).await {
                Ok(granted) => granted,
                Err(outcome) => return *outcome,
            };
            let end = lease.finish(&mut call, events).await;
            if matches!(end, End::Skipped) && !self.shared.children.closing() {
                continue;
            }
            let again = matches!(end, End::Died(_))
                && attempt == 1
                && !lease.worker().has_started()
                && !self.shared.children.closing();
            if !again {
                return self.conclude(&call, lease, end, attempt).await;
            }
            tracing::debug!(call = %call.id, "a worker died before the call began; trying another");
            attempt += 1;
        }
    }

    /// Finds a worker for `call` and has it begin.
    async fn lease(&self, call: Call, terms: Terms) -> Result<(Call, Lease<'_>), Box<Outcome>> {
        match self.shared.admit(call, terms) {
            Admission::Begun(call, worker) => Ok((call, Lease::new(&self.shared, worker))),
            Admission::Waits(place) => Ticket::new(&self.shared, place).await,
            Admission::Refused(outcome) => Err(outcome),
        }
    }

    /// Says how the call ended, and lets the worker go.
    async fn conclude(&self, call: &Call, mut lease: Lease<'_>, end: End, attempt: u32) -> Outcome {
        let worker = lease.worker();
        let tainted = worker.take_tainted();
        if let Some(findings) = &tainted {
            note_taint(call, findings);
        }
        if let End::Result(result) = end {
            let result = self.with_news(result, worker.key);
            let outcome = outcome(call, result.into(), Phase::Started, attempt);
            return Outcome { worker: tainted, ..outcome };
        }
        let died = matches!(end, End::Died(_) | End::Broken(_)) && !self.shared.children.closing();
        if died && worker.has_started() && self.shared.lock().quarantine.note(&call.spec.tool, Instant::now())
        {
            quarantine::warn(&call.spec.tool);
        }
        let phase = if worker.has_started() { Phase::Started } else { Phase::Starting };
        // Before Python is asked for its stack, which it prints there as well.
        let package_dir = &self.shared.config.package_dir;
        let stderr = worker.output.stderr_tail().map(|stderr| without_worker_frames(stderr, package_dir));
        let stack = match (&end, call.spec.target.python()) {
            (End::Expired(_), Some(python)) => {
                let number = worker.number();
                worker.stack(&python.dir, python.is_async, number).await
            }
            _ => None,
        };
        let ending = match end {
            End::Died(_) if self.shared.children.closing() => Ending::Shutdown,
            end => ending(end, &self.shared.config),
        };
        Outcome { stack, stderr, worker: tainted, died, ..outcome(call, ending, phase, attempt) }
    }
}

/// Says in the log why a worker is replaced after a call.
fn note_taint(call: &Call, findings: &str) {
    tracing::info!(tool = call.spec.tool, findings, "a call changed its worker, which is replaced");
}

impl Pool {
    /// Says in the result of a skill with state when that state is not what it was at the call before.
    fn with_news(&self, result: ToolResult, worker: u64) -> ToolResult {
        let Kind::OfOne { served_by } = &self.kind else { return result };
        let before = served_by.swap(worker + 1, Ordering::Relaxed);
        if before == 0 || before == worker + 1 { result } else { result.with_meta("omni/state", "\"lost\"") }
    }
}

impl Executor for Pool {
    fn run<'a>(&'a self, call: Call, events: &'a mut dyn CallPort) -> BoxFuture<'a, Outcome> {
        let refused = refuse_target(&call, ExecutorKind::Pool);
        if let Some(refused) = refused.or_else(|| refuse_oversized(&call, self.shared.config.frame_bytes_max))
        {
            return Box::pin(std::future::ready(refused));
        }
        if let Some(key) = &call.affinity
            && let Kind::Common(affine) = &self.kind
        {
            return Box::pin(affine.run(Arc::clone(key), call, events));
        }
        let python = call.spec.target.python();
        if python.is_some_and(|python| python.preload) {
            self.shared.preload.note(&call.spec);
        }
        if python.is_some_and(|python| python.is_async) {
            Box::pin(self.multiplex.run(call, events))
        } else {
            Box::pin(self.run_alone(call, events))
        }
    }

    fn shut_down(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            // The idle ones need no grace: their socket is closed and they are killed right here.
            self.shared.close();
            match &self.kind {
                Kind::Common(affine) => {
                    tokio::join!(affine.shut_down(), self.shared.end_workers());
                }
                Kind::OfOne { .. } => self.shared.end_workers().await,
            }
        })
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The runtime of the first call; the housekeeper starts with it.
    fn runtime(self: &Arc<Self>) -> &Handle {
        self.runtime.get_or_init(|| {
            let runtime = Handle::current();
            runtime.spawn(house::keep(Arc::clone(self)));
            runtime
        })
    }

    /// Gives `call` to an idle worker, or a place in the line, or refuses it.
    fn admit(self: &Arc<Self>, call: Call, terms: Terms) -> Admission {
        let mut state = self.lock();
        if state.closing {
            return Admission::Refused(Box::new(unstarted(&call, Ending::Shutdown)));
        }
        if let Some(retry_after) = state.quarantine.refuses(&call.spec.tool) {
            return Admission::Refused(Box::new(unstarted(&call, Ending::Quarantined { retry_after })));
        }
        while let Some(mut worker) = state.idle.pop() {
            if worker.reusable() {
                if state.idle.is_empty() {
                    self.watch(&mut state, Watch::Spare);
                }
                drop(state);
                worker.begin(&call, terms);
                return Admission::Begun(call, worker);
            }
        }
        let nobody = state.serving == 0 && state.starting == 0;
        if nobody && let Some(failure) = state.failures.forbids(Instant::now()) {
            return Admission::Refused(Box::new(start_failed(&call, failure)));
        }
        if state.queue.len() >= self.config.queue_max
            || state.queue.len_for(&call) >= self.config.queue_per_tool_max
        {
            let busy = Ending::Busy { retry_after: RETRY_AFTER };
            return Admission::Refused(Box::new(unstarted(&call, busy)));
        }
        let place = state.queue.push(call, terms);
        if nobody && state.workers < self.config.workers_max {
            self.start_worker(&mut state, Purpose::Wanted);
        }
        self.watch(&mut state, Watch::Line);
        Admission::Waits(place)
    }

    /// Takes a worker back whose call has ended: for the next call, or for later.
    fn give_back(self: &Arc<Self>, mut worker: Box<Worker>) {
        let mut state = self.lock();
        if !worker.reusable() {
            // Calls that were sent ahead learn of its end by themselves, if they have begun, and wait for
            // another worker if they have not. That is certain once it is dead.
            if !state.queue.has_lane(worker.key) || state.closing {
                return;
            }
            if !worker.process.exited() {
                drop(state);
                return self.bury(worker);
            }
            state.queue.recall(worker.key);
            if !state.queue.has_lane(worker.key) {
                return;
            }
        }
        if state.closing {
            return;
        }
        state.finished += 1;
        let gives_way = state.give_up > 0 && !state.queue.has_lane(worker.key);
        if gives_way {
            state.give_up -= 1;
        }
        if gives_way || self.takes_leave(&mut state, &mut worker) {
            drop(state);
            return self.dismiss(worker);
        }
        // Short calls gain nothing from more workers than cores.
        let sharers = state.serving.min(self.cores);
        match state.queue.hand_over(worker, sharers) {
            Handed::On(waker) => {
                if state.queue.has_lanes() {
                    self.watch(&mut state, Watch::Line);
                }
                drop(state);
                if let Some(waker) = waker {
                    waker.wake();
                }
            }
            Handed::Orphaned(worker) => {
                drop(state);
                self.end_call(worker);
            }
            Handed::Back(back) => {
                worker = back;
                worker.idle_since = Instant::now();
                state.idle.push(worker);
            }
        }
    }

    /// Puts what the worker was sent ahead back in line. True when it has begun a call of those meanwhile.
    fn recall(&self, key: u64) -> bool {
        let mut state = self.lock();
        state.queue.recall(key);
        self.watch(&mut state, Watch::Line);
        state.queue.has_lane(key)
    }

    /// Ends a worker that cannot go on, then sees to the calls it was sent ahead.
    fn bury(self: &Arc<Self>, worker: Box<Worker>) {
        let shared = Arc::clone(self);
        self.runtime().spawn(async move {
            worker.process.end(Duration::ZERO).await;
            shared.give_back(worker);
        });
    }

    /// Ends the call on a worker that its caller has left: asks the tool, then ends the process. The worker
    /// goes on when the tool obeys.
    fn end_call(self: &Arc<Self>, mut worker: Box<Worker>) {
        let shared = Arc::clone(self);
        let ahead = {
            let mut state = self.lock();
            state.queue.revoke(worker.key, Instant::now());
            state.queue.has_lane(worker.key)
        };
        self.runtime().spawn(async move {
            if ahead {
                // The signal must not reach a call of somebody else: first make sure that none can begin.
                tokio::time::sleep(REVOKED_FOR).await;
                let moved_on = shared.recall(worker.key);
                if moved_on && worker.outlive(CANCEL_PATIENCE).await {
                    return shared.give_back(worker);
                }
            }
            if !worker.cancel(CANCEL_PATIENCE).await {
                worker.process.end(TERM_GRACE).await;
            }
            shared.give_back(worker);
        });
    }

    /// Ends all workers and waits until they are gone.
    async fn end_workers(&self) {
        self.children.end_all(SHUTDOWN_GRACE).await;
    }

    /// Stops taking calls, refuses those in line and lets the idle workers go.
    fn close(&self) {
        let mut state = self.lock();
        state.closing = true;
        state.queue.recall_all();
        let idle = std::mem::take(&mut state.idle);
        let wakers = state.queue.refuse(|call| Some(Box::new(unstarted(call, Ending::Shutdown))));
        drop(state);
        drop(idle);
        wakers.into_iter().for_each(std::task::Waker::wake);
        self.house.notify_one();
        self.renewed.notify_waiters();
    }
}
