//! B: a process of its own for every call. It is started from nothing, like `python -m omni.skills.run SKILL
//! COMMAND --args JSON`, or forked by a zygote that has imported what it needs: on request, ahead of time, or
//! to serve a number of calls.

mod program;
mod report;
mod shelf;
mod zygote;

use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use std::time::Instant;

use omni_call::{BoxFuture, Call, Ending, EventSink, Executor, Outcome, Phase, Way};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{timeout, timeout_at};

use crate::ExecConfig;
use crate::outcome::{ending, outcome, refuse_oversized, start_failed, unstarted, waited_out};
use crate::process::{Children, Program, TERM_GRACE};
use crate::wire::{ErrorKind, Mode};
use crate::worker::{End, StartFailure, Worker, main_of};
use shelf::{Ready, Shelf};
use zygote::Zygotes;

/// Arguments longer than this travel in the call frame: the kernel takes 128 KiB for one argument.
const ARGV_BYTES_MAX: usize = 100 << 10;

/// How long a cancelled tool gets before its process is ended.
const CANCEL_PATIENCE: Duration = Duration::from_millis(250);

/// How long a process may take to end after its result, for `atexit` and the threads it waits for.
const EXIT_GRACE: Duration = Duration::from_secs(1);

const SHUTDOWN_GRACE: Duration = Duration::from_millis(200);

const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Runs each call in a process of its own, `spawned_max` at a time. Where it comes from is the call's
/// [`Way`]: `Zygote`, `Prewarmed` and `Recycled` are forked, every other is started from nothing.
///
/// Needs a tokio runtime while calls run. Dropping it kills nothing by itself: every process belongs to its
/// call, and ends when that is dropped.
pub struct Spawn {
    config: Arc<ExecConfig>,
    children: Arc<Children>,
    zygotes: Arc<Zygotes>,
    shelf: Arc<Shelf>,
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Spawn {
    /// An executor without processes.
    pub fn new(config: Arc<ExecConfig>) -> Self {
        let children = Children::new(Arc::clone(&config));
        let zygotes = Zygotes::new(Arc::clone(&children));
        Spawn {
            children,
            shelf: Shelf::new(Arc::clone(&zygotes)),
            zygotes,
            places: Arc::new(Semaphore::new(config.spawned_max)),
            waiting: AtomicUsize::new(0),
            config,
        }
    }

    async fn run_once(&self, mut call: Call, events: &mut dyn EventSink) -> Outcome {
        let place = match self.place(&call).await {
            Ok(place) => place,
            Err(ending) => return unstarted(&call, ending),
        };
        let spec = Arc::clone(&call.spec);
        if let Some(program) = &spec.program {
            return program::run(&self.children, call, program, place, events).await;
        }
        let mut run = match self.begin(&call, place).await {
            Ok(run) => run,
            Err(failure) => return start_failed(&call, &failure),
        };
        let end = run.worker().finish(&mut call.deadline, events).await;
        self.prepare_next(&call, &end);
        self.conclude(&call, run, end).await
    }

    /// Waits for one of the `spawned_max` places.
    async fn place(&self, call: &Call) -> Result<OwnedSemaphorePermit, Ending> {
        if self.children.closing() {
            return Err(Ending::Shutdown);
        }
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(place);
        }
        let _waiting = Waiting::new(&self.waiting, self.config.queue_max).ok_or(BUSY)?;
        let place = Arc::clone(&self.places).acquire_owned();
        let place = match call.deadline.next() {
            None => place.await,
            Some(at) => {
                let place = timeout_at(at.into(), place).await;
                place.map_err(|_| waited_out(call, Instant::now()).unwrap_or(BUSY))?
            }
        };
        place.map_err(|_| Ending::Shutdown)
    }

    /// Finds a process for the call and sends it.
    async fn begin(&self, call: &Call, place: OwnedSemaphorePermit) -> Result<Run, StartFailure> {
        let way = call.spec.way;
        let waiting = match way {
            Way::Prewarmed => self.shelf.take_ahead(),
            Way::Recycled => self.shelf.take_used(),
            _ => None,
        };
        let mut ready = match (waiting, way) {
            (Some(ready), _) => ready,
            (None, Way::Zygote | Way::Prewarmed | Way::Recycled) => {
                let (worker, generation) = self.zygotes.fork(false).await?;
                Ready::new(Box::new(worker), 0, generation)
            }
            (None, _) => {
                let started = Worker::launch(&self.children, program(call), Mode::Sync, Box::new(()));
                Ready::new(Box::new(started.await?), 0, 0)
            }
        };
        ready.worker.begin(call, 1);
        let recycled = (way == Way::Recycled).then(|| (Arc::clone(&self.shelf), Arc::clone(&self.config)));
        Ok(Run { ready: Some(ready), place: Some(place), recycled })
    }

    /// Sees to what later calls of the tool find: its file imported in the zygote, and processes forked ahead.
    fn prepare_next(&self, call: &Call, end: &End) {
        let imported = matches!(end, End::Result(_) | End::TooLarge)
            || matches!(end, End::Error(error) if error.kind == ErrorKind::ToolError);
        if imported && matches!(call.spec.way, Way::Zygote | Way::Prewarmed | Way::Recycled) {
            self.zygotes.preload(&call.spec);
        }
        if call.spec.way == Way::Prewarmed {
            self.shelf.fill(self.config.prewarmed);
        }
    }

    /// Says how the call ended. The process goes on alone: its caller need not wait for its exit.
    async fn conclude(&self, call: &Call, mut run: Run, end: End) -> Outcome {
        let worker = run.worker();
        if let End::Died(exit) = end
            && !self.children.closing()
            && let Some(failure) = worker.never_ready(&self.config, exit)
        {
            return start_failed(call, &failure);
        }
        let phase = match end {
            End::Result(_) => Phase::Started,
            _ if worker.has_started() => Phase::Started,
            _ => Phase::Starting,
        };
        let stderr = match end {
            End::Result(_) => None,
            _ => worker.output.stderr_tail(),
        };
        let stack = match end {
            End::Expired(_) => {
                let number = worker.number();
                worker.stack(&call.spec.skill_dir, call.spec.is_async, number).await
            }
            _ => None,
        };
        let ending = match end {
            End::Died(_) if self.children.closing() => Ending::Shutdown,
            end => ending(end, &self.config),
        };
        Outcome { stack, stderr, ..outcome(call, ending, phase, 1) }
    }
}

const BUSY: Ending = Ending::Busy { retry_after: RETRY_AFTER };

/// The command line of a call.
fn program(call: &Call) -> Program {
    let arguments: OsString = match std::str::from_utf8(&call.arguments) {
        Ok(arguments) if arguments.len() <= ARGV_BYTES_MAX => arguments.into(),
        _ => "-".into(),
    };
    let spec = &call.spec;
    let mut program = Program { args: main_of("omni.skills.run"), env: Vec::new(), forks: false };
    program.args.extend([spec.skill.clone().into(), spec.command.clone().into(), "--args".into(), arguments]);
    if let Some(skills) = spec.skill_dir.parent() {
        program.env.push(("OMNI_SKILLS", skills.into()));
    }
    program
}

impl Spawn {
    /// Has every call from now on run its skill as it is on disk now: what was forked ahead goes, and so does the
    /// zygote once what it has forked has ended.
    pub fn renew(&self) {
        self.zygotes.renew();
        self.shelf.clear();
    }
}

impl Executor for Spawn {
    fn run<'a>(&'a self, call: Call, events: &'a mut dyn EventSink) -> BoxFuture<'a, Outcome> {
        match refuse_oversized(&call, self.config.frame_bytes_max) {
            Some(refused) => Box::pin(std::future::ready(refused)),
            None => Box::pin(self.run_once(call, events)),
        }
    }

    fn shut_down(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.places.close();
            self.shelf.close();
            self.children.end_all(SHUTDOWN_GRACE).await;
        })
    }
}

/// One call's process. Dropping it hands the process to a task that ends it: kindly when the call has ended,
/// by the whole ladder when it has not.
struct Run {
    /// Taken only by `drop`.
    ready: Option<Ready>,
    /// Among the `spawned_max`; given free when the process is gone or free for another call.
    place: Option<OwnedSemaphorePermit>,
    /// Where the process goes that may serve another call.
    recycled: Option<(Arc<Shelf>, Arc<ExecConfig>)>,
}

impl Run {
    fn worker(&mut self) -> &mut Worker {
        &mut self.ready.as_mut().expect("a run has its process until it is dropped").worker
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let Some(mut ready) = self.ready.take() else { return };
        let place = self.place.take();
        // Outside a runtime nothing can wait for it, so it is killed right here.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        ready.calls += 1;
        if let Some((shelf, config)) = &self.recycled
            && ready.calls < config.recycled_calls
            && ready.worker.reusable()
        {
            return shelf.put(ready, config.idle_worker_ttl);
        }
        let mut worker = ready.worker;
        runtime.spawn(async move {
            let _place = place;
            let gone = if worker.busy() {
                // A one-shot process that obeyed is as good as gone.
                worker.cancel(CANCEL_PATIENCE).await;
                worker.process.exited()
            } else {
                worker.dismiss();
                timeout(EXIT_GRACE, worker.drain()).await.is_ok()
            };
            if !gone {
                worker.process.end(TERM_GRACE).await;
            }
        });
    }
}

/// A place among the calls that wait.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(waiting: &'a AtomicUsize, max: usize) -> Option<Self> {
        // Counted before it is looked at, so that the bound holds with several threads as well.
        let this = Waiting(waiting);
        (waiting.fetch_add(1, Ordering::Relaxed) < max).then_some(this)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
