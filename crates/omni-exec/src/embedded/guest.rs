//! The interpreter in this process: its threads, who may use them, and what happens to one that does not come back.

use std::future::poll_fn;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use omni_call::{Call, CallPort};
use omni_libpython::{Interpreter, Startup};
use omni_process::Printed;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::control::{Control, Stopped};
use super::thread::Thread;
use crate::asks::Asks;
use crate::attempt::{AttemptResult, AttemptSite, Hearing, Reader};
use crate::bounds::{CANCEL_PATIENCE, STDERR_TAIL_BYTES};
use crate::children::Children;
use crate::stack::user_frames;
use crate::wire::Mode;
use crate::within::poll_within;
use crate::{Embedding, ExecConfig};

/// So many threads that do not come back are put up with. Each takes a megabyte or so.
const LOST_MAX: usize = 16;

/// The interpreter, from its start on.
pub(super) struct Guest {
    python: Interpreter,
    control: Arc<Control>,
    config: Arc<ExecConfig>,
    runtime: Handle,
    /// One for each plain call that may run.
    seats: Arc<Semaphore>,
    threads: Mutex<Threads>,
    lost: AtomicUsize,
    /// Names the next call.
    next: AtomicU64,
}

#[derive(Default)]
struct Threads {
    /// Those that wait for a plain call.
    idle: Vec<Arc<Thread>>,
    /// The one that async calls share.
    shared: Option<Arc<Thread>>,
}

impl Guest {
    /// Starts the interpreter. The error says why that failed.
    pub(super) async fn start(
        config: &Arc<ExecConfig>,
        children: &Arc<Children>,
        embedding: &Embedding,
    ) -> Result<Arc<Self>, String> {
        let startup = Startup {
            program: config.interpreter.path.clone(),
            library: embedding.library.clone(),
            package_dir: Some(PathBuf::clone(&config.package_dir)),
            utf8: embedding.utf8,
        };
        let environment = children.guest_environment().await;
        let (control, ready) = Control::start(startup, config, environment)
            .map_err(|error| format!("a thread cannot be started: {error}"))?;
        let python = match timeout(config.ready_timeout, ready).await {
            Ok(Ok(started)) => started?,
            Ok(Err(_)) => return Err("its thread is gone".to_owned()),
            Err(_) => {
                return Err(format!("was not ready after {} s", config.ready_timeout.as_secs_f64()));
            }
        };
        Ok(Arc::new(Guest {
            python,
            control,
            config: Arc::clone(config),
            runtime: Handle::current(),
            seats: Arc::new(Semaphore::new(config.embedded_threads)),
            threads: Mutex::default(),
            lost: AtomicUsize::new(0),
            next: AtomicU64::new(1),
        }))
    }

    /// Whether calls had better go elsewhere.
    pub(super) fn stuck(&self) -> bool {
        *self.control.wedged().borrow() || self.lost.load(Ordering::Relaxed) >= LOST_MAX
    }

    /// Hands a call over to a thread. `None` when calls had better go elsewhere.
    pub(super) async fn begin(self: &Arc<Self>, call: &Call) -> Option<std::io::Result<Ride>> {
        loop {
            if self.stuck() {
                return None;
            }
            let (seat, thread) = if call.spec.target.python().is_some_and(|python| python.is_async) {
                (None, self.shared())
            } else {
                let mut wedged = self.control.wedged();
                let seat = tokio::select! {
                    seat = Arc::clone(&self.seats).acquire_owned() => seat.ok()?,
                    _ = wedged.wait_for(|wedged| *wedged) => return None,
                };
                (Some(seat), self.idle())
            };
            let thread = match thread {
                Ok(thread) => thread,
                Err(error) => return Some(Err(error)),
            };
            let id = self.next.fetch_add(1, Ordering::Relaxed);
            if thread.begin(call, id) {
                let printed = Printed::new(STDERR_TAIL_BYTES);
                return Some(Ok(Ride {
                    guest: Arc::clone(self),
                    thread,
                    id,
                    seat,
                    printed,
                    over: false,
                    told: None,
                }));
            }
            // It has gone since it was last used.
        }
    }

    fn idle(&self) -> std::io::Result<Arc<Thread>> {
        let idle = self.lock().idle.pop();
        idle.map_or_else(|| Thread::start(self.python, &self.config, Mode::Sync), Ok)
    }

    fn shared(&self) -> std::io::Result<Arc<Thread>> {
        let mut threads = self.lock();
        if let Some(thread) = threads.shared.as_ref().filter(|thread| thread.usable()) {
            return Ok(Arc::clone(thread));
        }
        let thread = Thread::start(self.python, &self.config, Mode::Async)?;
        threads.shared = Some(Arc::clone(&thread));
        Ok(thread)
    }

    /// Takes back a thread whose plain call has ended.
    fn give_back(&self, thread: Arc<Thread>) {
        let mut threads = self.lock();
        if threads.idle.len() < self.config.embedded_threads {
            threads.idle.push(thread);
        } else {
            thread.close();
        }
    }

    /// Waits for the end of a call that nobody listens to any more; does without its thread if that takes too long.
    async fn see_off(
        self: Arc<Self>,
        thread: Arc<Thread>,
        id: u64,
        seat: Option<OwnedSemaphorePermit>,
        told: Option<bool>,
    ) {
        let inside = match told {
            Some(inside) => inside,
            None => {
                let stopped = self.control.stop(thread.key(), id, CANCEL_PATIENCE).await;
                let ended = poll_fn(|cx| thread.poll_ended(cx, id));
                if timeout(CANCEL_PATIENCE, ended).await.is_ok() {
                    thread.forget(id);
                    if seat.is_some() {
                        self.give_back(thread);
                    }
                    return;
                }
                stopped.is_none_or(|stopped| stopped.inside)
            }
        };
        match seat {
            Some(seat) => self.lose(thread, id, seat).await,
            // Whether it blocks the loop, or only does not listen, decides about the others.
            None if inside => self.replace_shared(&thread, id).await,
            None => thread.forget(id),
        }
    }

    /// Does without the thread of a plain call until it comes back.
    async fn lose(&self, thread: Arc<Thread>, id: u64, seat: OwnedSemaphorePermit) {
        let lost = self.lost.fetch_add(1, Ordering::Relaxed) + 1;
        tracing::warn!(
            lost,
            "an embedded call does not end; its thread is left alone and another takes its place"
        );
        // Another thread may take its seat, as long as there are not too many of them.
        let mut seat = Some(seat);
        if lost < LOST_MAX {
            drop(seat.take());
        }
        poll_fn(|cx| thread.poll_ended(cx, id)).await;
        thread.forget(id);
        self.lost.fetch_sub(1, Ordering::Relaxed);
        self.give_back(thread);
    }

    /// Has later async calls run on another thread, since this one does not turn.
    async fn replace_shared(&self, thread: &Arc<Thread>, id: u64) {
        let lost = self.lost.fetch_add(1, Ordering::Relaxed) + 1;
        tracing::warn!(lost, "an embedded async call blocks its event loop; another takes its place");
        thread.abandon(id);
        // Nobody else is hurt now by what is raised there.
        let _ = self.control.stop(thread.key(), id, CANCEL_PATIENCE).await;
        poll_fn(|cx| thread.poll_ended(cx, id)).await;
        thread.forget(id);
        self.lost.fetch_sub(1, Ordering::Relaxed);
    }

    /// Lets all threads go that are not busy, and runs what skills registered for the end.
    pub(super) async fn leave(&self, grace: Duration) {
        {
            let mut threads = self.lock();
            let shared = threads.shared.take();
            threads.idle.drain(..).chain(shared).for_each(|thread| thread.close());
        }
        self.seats.close();
        self.control.drain(grace).await;
    }

    fn lock(&self) -> MutexGuard<'_, Threads> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One call's hold on a thread of the interpreter. Dropped before its end, it cancels the call.
///
/// Who owns what here differs from a worker, since nothing in this process can be killed (decision 0015):
///
/// - A thread belongs to whoever is to hear of its end. While a plain call runs that is its ride, with the seat that lets the
///   call run; when the ride is dropped too early it is the task that sees the call off (`Guest::see_off`), and the seat goes
///   along, so that never more calls run than there are seats. Only a thread that comes back is used again.
/// - What Python writes goes to buffers of ours that the thread shares (`Thread`), never to a future: it may write at any
///   time, and must never wait for a caller who has gone. A call's words are forgotten when its ride is over, and what comes
///   later in its name finds nobody.
/// - A call that does not end keeps its thread, and the thread's `Arc` keeps the buffers, for as long as Python holds
///   them. It is counted as lost; another thread takes its seat while there are few of those.
/// - The one thread that async calls share belongs to nobody's ride. A call that blocks it takes it out of use for all: those
///   that have begun end with it, those that have not are begun again elsewhere, which the marks in the thread's page tell
///   apart (decision 0003).
pub(super) struct Ride {
    guest: Arc<Guest>,
    thread: Arc<Thread>,
    id: u64,
    /// Held by a plain call.
    seat: Option<OwnedSemaphorePermit>,
    printed: Printed,
    over: bool,
    /// Python has been told to end the call, and has had its time for it: whether the call holds its thread.
    told: Option<bool>,
}

impl Ride {
    /// Drives the call to its end, reports what it says to `port`, and passes on what it asks.
    pub(super) async fn finish(&mut self, call: &mut Call, port: &mut dyn CallPort) -> AttemptResult {
        let result_bytes_max = self.guest.config.result_bytes_max;
        let reader = Reader { wants: call.wants, may_ask: call.spec.may_ask(), result_bytes_max };
        let (id, thread, control, printed) = (self.id, &self.thread, &self.guest.control, &mut self.printed);
        port.begun();
        let mut asks = Asks::default();
        let end = poll_within(call, |cx, call| {
            let mut hearing = Hearing { deadline: &mut call.deadline, port, asks: &mut asks };
            let end = thread.poll_call(cx, id, &reader, printed, &mut hearing);
            if end.is_pending() {
                while let Some((number, answer)) = asks.poll(cx, &mut call.deadline) {
                    control.answer(id, number, &answer);
                }
            }
            end
        })
        .await
        .unwrap_or_else(AttemptResult::Expired);
        // Of one that does not keep to the wire nothing more is heard, but it runs.
        self.over = !matches!(end, AttemptResult::Expired(_) | AttemptResult::Broken(_));
        end
    }

    /// Whether its thread takes no more calls.
    pub(super) fn abandoned(&self) -> bool {
        !self.thread.usable()
    }

    /// Tells Python to end the call, and returns where it was. `None`: nobody can look, or have it end.
    async fn stop(&mut self) -> Option<Stopped> {
        self.revoke();
        let began = Instant::now();
        let stopped = self.guest.control.stop(self.thread.key(), self.id, CANCEL_PATIENCE).await;
        let ended = poll_fn(|cx| self.thread.poll_ended(cx, self.id));
        self.over = timeout(CANCEL_PATIENCE.saturating_sub(began.elapsed()), ended).await.is_ok();
        self.told = Some(stopped.as_ref().is_none_or(|stopped| stopped.inside));
        stopped
    }

    /// Keeps a plain call from beginning that has not begun. Among async calls those behind it would be meant too;
    /// they begin at once anyway.
    fn revoke(&self) {
        if self.seat.is_some() {
            self.thread.revoke(self.id);
        }
    }
}

impl AttemptSite for Ride {
    fn has_started(&self) -> bool {
        self.thread.has_started(self.id)
    }

    /// What a call does to the server's own process is not looked for: nothing could be replaced.
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

impl Drop for Ride {
    fn drop(&mut self) {
        let (thread, seat) = (Arc::clone(&self.thread), self.seat.take());
        if self.over {
            thread.forget(self.id);
            if seat.is_some() && thread.usable() {
                self.guest.give_back(thread);
            }
            return;
        }
        if seat.is_some() {
            thread.revoke(self.id);
        }
        let guest = Arc::clone(&self.guest);
        self.guest.runtime.spawn(guest.see_off(thread, self.id, seat, self.told));
    }
}
