//! The interpreter in this process: its threads, which calls use them, and what happens to a thread that is blocked by
//! a call that does not end.

use std::future::poll_fn;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use omni_call::{Call, CallPort, ExecutorKind};
use omni_libpython::{Interpreter, Startup};
use omni_process::PrintedOutput;
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::control::{Control, StopReply};
use super::py_thread::PyThread;
use crate::attempt::{AttemptResult, AttemptSite, CallContext, FrameReader};
use crate::bounds::{CANCEL_PATIENCE, STDERR_TAIL_BYTES};
use crate::call_permits::{CallPermit, CallPermits};
use crate::call_slot::{CallSlot, SlotWhileRunning};
use crate::executor_processes::ExecutorProcesses;
use crate::questions::CallQuestions;
use crate::stack::user_frames;
use crate::wire::WorkerMode;
use crate::within::poll_within;
use crate::{Embedding, ExecConfig};

/// With so many blocked threads, no more calls are taken. Each takes a megabyte or so.
const ABANDONED_THREADS_MAX: usize = 16;

/// An interpreter that has been started.
pub(super) struct EmbeddedInterpreter {
    python: Interpreter,
    control: Arc<Control>,
    config: Arc<ExecConfig>,
    runtime: Handle,
    /// One permit for each plain call that may run. Calls that wait for their clients have none, but a thread.
    permits: Arc<CallPermits>,
    threads: Mutex<Threads>,
    abandoned: AtomicUsize,
    /// The next call's number.
    next: AtomicU64,
}

#[derive(Default)]
struct Threads {
    /// Those that wait for a plain call.
    idle: Vec<Arc<PyThread>>,
    /// The one that async calls share.
    shared: Option<Arc<PyThread>>,
}

impl EmbeddedInterpreter {
    /// Starts the interpreter. The error says why that failed.
    pub(super) async fn start(
        config: &Arc<ExecConfig>,
        processes: &Arc<ExecutorProcesses>,
        embedding: &Embedding,
    ) -> Result<Arc<Self>, String> {
        let startup = Startup {
            program: config.interpreter.path.clone(),
            library: embedding.library.clone(),
            package_dir: Some(PathBuf::clone(&config.package_dir)),
            utf8: embedding.utf8,
        };
        let environment = processes.embedded_environment().await;
        let (control, ready) = Control::start(startup, config, environment)
            .map_err(|error| format!("a thread cannot be started: {error}"))?;
        let python = match timeout(config.ready_timeout, ready).await {
            Ok(Ok(started)) => started?,
            Ok(Err(_)) => return Err("its thread is gone".to_owned()),
            Err(_) => {
                return Err(format!("was not ready after {} s", config.ready_timeout.as_secs_f64()));
            }
        };
        Ok(Arc::new(EmbeddedInterpreter {
            python,
            control,
            config: Arc::clone(config),
            runtime: Handle::current(),
            permits: CallPermits::new(ExecutorKind::Embedded, config.embedded_threads),
            threads: Mutex::default(),
            abandoned: AtomicUsize::new(0),
            next: AtomicU64::new(1),
        }))
    }

    /// Whether calls are to run elsewhere: the interpreter is wedged, or too many of its threads are blocked.
    pub(super) fn is_unavailable(&self) -> bool {
        *self.control.wedged().borrow() || self.abandoned.load(Ordering::Relaxed) >= ABANDONED_THREADS_MAX
    }

    /// Hands a call to a thread. `None` when calls are to run elsewhere.
    pub(super) async fn begin(self: &Arc<Self>, call: &Call) -> Option<std::io::Result<EmbeddedCall>> {
        loop {
            if self.is_unavailable() {
                return None;
            }
            let (permit, thread) = if call.spec.target.python().is_some_and(|python| python.is_async) {
                (None, self.shared())
            } else {
                let mut wedged = self.control.wedged();
                let permit = tokio::select! {
                    permit = self.permits.acquire_for(call) => permit?,
                    _ = wedged.wait_for(|wedged| *wedged) => return None,
                };
                (Some(permit), self.idle())
            };
            let thread = match thread {
                Ok(thread) => thread,
                Err(error) => return Some(Err(error)),
            };
            let id = self.next.fetch_add(1, Ordering::Relaxed);
            if thread.begin(call, id) {
                let printed = PrintedOutput::new(STDERR_TAIL_BYTES);
                return Some(Ok(EmbeddedCall {
                    interpreter: Arc::clone(self),
                    thread,
                    id,
                    permit,
                    printed,
                    over: false,
                    blocks_thread: None,
                }));
            }
            // The thread has ended since it was last used.
        }
    }

    fn idle(&self) -> std::io::Result<Arc<PyThread>> {
        let idle = self.lock().idle.pop();
        idle.map_or_else(|| PyThread::start(self.python, &self.config, WorkerMode::Sync), Ok)
    }

    fn shared(&self) -> std::io::Result<Arc<PyThread>> {
        let mut threads = self.lock();
        if let Some(thread) = threads.shared.as_ref().filter(|thread| thread.usable()) {
            return Ok(Arc::clone(thread));
        }
        let thread = PyThread::start(self.python, &self.config, WorkerMode::Async)?;
        threads.shared = Some(Arc::clone(&thread));
        Ok(thread)
    }

    /// Takes back a thread whose plain call has ended.
    fn give_back(&self, thread: Arc<PyThread>) {
        let mut threads = self.lock();
        if threads.idle.len() < self.config.embedded_threads {
            threads.idle.push(thread);
        } else {
            thread.close();
        }
    }

    /// Ends a call whose caller has left, and gives its thread back. When the call does not end in time, its thread is
    /// given up.
    async fn await_end(
        self: Arc<Self>,
        thread: Arc<PyThread>,
        id: u64,
        permit: Option<CallPermit>,
        blocks_thread: Option<bool>,
    ) {
        let inside = match blocks_thread {
            Some(inside) => inside,
            None => {
                let stopped = self.control.stop(thread.key(), id, CANCEL_PATIENCE).await;
                let ended = poll_fn(|cx| thread.poll_ended(cx, id));
                if timeout(CANCEL_PATIENCE, ended).await.is_ok() {
                    thread.forget(id);
                    if permit.is_some() {
                        self.give_back(thread);
                    }
                    return;
                }
                stopped.is_none_or(|stopped| stopped.inside)
            }
        };
        match permit {
            Some(permit) => self.abandon_thread(thread, id, permit).await,
            // Only when it blocks the event loop are the other calls on that thread affected.
            None if inside => self.replace_shared(&thread, id).await,
            None => thread.forget(id),
        }
    }

    /// Gives up the thread of a plain call until that call ends.
    async fn abandon_thread(&self, thread: Arc<PyThread>, id: u64, permit: CallPermit) {
        let abandoned = self.abandoned.fetch_add(1, Ordering::Relaxed) + 1;
        tracing::warn!(
            abandoned,
            "an embedded call does not end; its thread is left alone and another takes its place"
        );
        // Its permit goes to another call, and so to another thread, as long as not too many threads are blocked.
        let mut permit = Some(permit);
        if abandoned < ABANDONED_THREADS_MAX {
            drop(permit.take());
        }
        poll_fn(|cx| thread.poll_ended(cx, id)).await;
        thread.forget(id);
        self.abandoned.fetch_sub(1, Ordering::Relaxed);
        self.give_back(thread);
    }

    /// Has later async calls run on another thread, since a call blocks the event loop of this one.
    async fn replace_shared(&self, thread: &Arc<PyThread>, id: u64) {
        let abandoned = self.abandoned.fetch_add(1, Ordering::Relaxed) + 1;
        tracing::warn!(abandoned, "an embedded async call blocks its event loop; another takes its place");
        thread.abandon(id);
        // No other call runs there any more, so raising an exception there can only hit this one.
        let _ = self.control.stop(thread.key(), id, CANCEL_PATIENCE).await;
        poll_fn(|cx| thread.poll_ended(cx, id)).await;
        thread.forget(id);
        self.abandoned.fetch_sub(1, Ordering::Relaxed);
    }

    /// Ends all threads that are not busy, and runs what skills registered with `atexit`.
    pub(super) async fn shut_down(&self, grace: Duration) {
        {
            let mut threads = self.lock();
            let shared = threads.shared.take();
            threads.idle.drain(..).chain(shared).for_each(|thread| thread.close());
        }
        self.permits.close();
        self.control.run_exit_handlers(grace).await;
    }

    fn lock(&self) -> MutexGuard<'_, Threads> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that runs on a thread of the interpreter, for as long as its caller waits. Dropping it before the end cancels
/// the call.
///
/// Ownership differs from that of a worker, since nothing in this process can be killed (decision 0015):
///
/// - While a plain call runs, its thread and the permit that lets it run belong to its `EmbeddedCall`. When that is
///   dropped before the end of the call, both go to the task that waits for the end (`EmbeddedInterpreter::await_end`),
///   so that never more calls run than there are permits. A thread is used again only when its call has ended.
/// - Python writes to buffers that belong to the `PyThread`, never to a future: it may write at any time, and must
///   never wait for a caller who has left. Dropping the `EmbeddedCall` drops the buffer of its call; what Python writes
///   for the call after that is ignored.
/// - A call that does not end keeps its thread and the thread's buffers for as long as it runs. It is counted in
///   `abandoned`; as long as few are, its permit goes to another call, which runs on another thread.
/// - The thread that async calls share belongs to no single call. A call that blocks it makes it useless for all: those
///   that have begun end as lost, the others run again on another thread. The thread's status page says which have
///   begun (decision 0003).
pub(super) struct EmbeddedCall {
    interpreter: Arc<EmbeddedInterpreter>,
    thread: Arc<PyThread>,
    id: u64,
    /// Held by a plain call; `None` for an async one.
    permit: Option<CallPermit>,
    printed: PrintedOutput,
    over: bool,
    /// Set when Python has been told to end the call and the grace for that has passed: whether the call blocks its
    /// thread.
    blocks_thread: Option<bool>,
}

impl EmbeddedCall {
    /// Drives the call to its end, reports what it says to `port`, and passes on what it asks. While it waits for its
    /// client, `count` and the permit of a plain call are released; the thread waits with it.
    pub(super) async fn finish(
        &mut self,
        call: &mut Call,
        port: &mut dyn CallPort,
        count: &mut dyn CallSlot,
    ) -> AttemptResult {
        let result_bytes_max = self.interpreter.config.result_bytes_max;
        let reader = FrameReader::of(call, call.spec.may_ask(), result_bytes_max);
        let (id, thread, control, printed) =
            (self.id, &self.thread, &self.interpreter.control, &mut self.printed);
        port.begun();
        let mut asks = CallQuestions::default();
        let mut slots = (self.permit.as_mut(), count);
        let mut slot = SlotWhileRunning::new(&mut slots);
        let end = poll_within(call, |cx, call| {
            let mut context = CallContext { deadline: &mut call.deadline, port, asks: &mut asks };
            let end = thread.poll_call(cx, id, &reader, printed, &mut context);
            if end.is_pending() {
                while let Some((number, answer)) = asks.poll(cx, &mut call.deadline) {
                    control.answer(id, number, &answer);
                }
            }
            slot.note(|executor| end.is_pending() && asks.lends(executor));
            end
        })
        .await
        .unwrap_or_else(AttemptResult::Expired);
        // A call that breaks the protocol still runs, though nothing more is read of it.
        self.over = !matches!(end, AttemptResult::Expired(_) | AttemptResult::Broken(_));
        end
    }

    /// Whether its thread takes no more calls, because it was given up or has ended.
    pub(super) fn thread_closed(&self) -> bool {
        !self.thread.usable()
    }

    /// Tells Python to end the call, and returns its stack. `None` when the interpreter is wedged.
    async fn stop(&mut self) -> Option<StopReply> {
        self.revoke();
        let began = Instant::now();
        let stopped = self.interpreter.control.stop(self.thread.key(), self.id, CANCEL_PATIENCE).await;
        let ended = poll_fn(|cx| self.thread.poll_ended(cx, self.id));
        self.over = timeout(CANCEL_PATIENCE.saturating_sub(began.elapsed()), ended).await.is_ok();
        self.blocks_thread = Some(stopped.as_ref().is_none_or(|stopped| stopped.inside));
        stopped
    }

    /// Revokes a plain call, so that it does not begin if it has not yet. Not for async calls: that would revoke all
    /// that were sent before as well, and they begin at once anyway.
    fn revoke(&self) {
        if self.permit.is_some() {
            self.thread.revoke(self.id);
        }
    }
}

impl AttemptSite for EmbeddedCall {
    fn has_started(&self) -> bool {
        self.thread.has_started(self.id)
    }

    /// Always `None`: what a call does to the server's own process is not looked for, since that cannot be replaced.
    fn take_contamination(&mut self) -> Option<Box<str>> {
        None
    }

    fn stderr_tail(&self) -> Option<String> {
        self.printed.stderr_tail()
    }

    async fn stack(&mut self, call: &Call) -> Option<String> {
        let dir = call.spec.target.dir()?;
        match self.stop().await {
            Some(stopped) => user_frames(&stopped.stack, dir, self.id),
            None => Some(
                "  nobody can look: the call, or another one, holds the interpreter lock inside a library"
                    .to_owned(),
            ),
        }
    }
}

impl Drop for EmbeddedCall {
    fn drop(&mut self) {
        let (thread, permit) = (Arc::clone(&self.thread), self.permit.take());
        if self.over {
            thread.forget(self.id);
            if permit.is_some() && thread.usable() {
                self.interpreter.give_back(thread);
            }
            return;
        }
        if permit.is_some() {
            thread.revoke(self.id);
        }
        let interpreter = Arc::clone(&self.interpreter);
        self.interpreter.runtime.spawn(interpreter.await_end(thread, self.id, permit, self.blocks_thread));
    }
}
