//! One Python process that speaks the worker wire: how it becomes ready, and how one call runs on it.

use std::ffi::OsString;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use omni_call::{Call, CallPort, Deadline, Event, Expiry, LogLevel, NoClient, ToolResult, Wants};
use omni_process::{Exit, Listener, Output, Process, StartError, Started, StatusPage};
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::process::Signal;
use tokio::time::{Sleep, sleep};

use crate::ExecConfig;
use crate::asks::{Asking, Asks};
use crate::bounds::{DEATH_GRACE, STACK_QUIET, STACK_WAIT, STOPPED_LOOK};
use crate::channel::{Body, Channel};
use crate::children::{Children, Python};
use crate::stack::{call_heading, looks_complete, user_frames};
use crate::wear::Wear;
use crate::wire::{self, ErrorFrame, Fault, Hello, Key, Mode, Sending, Terms, Up};

/// What a worker ends with when it cannot trust its channel any more, and how its last line then begins: `Channel.fail`
/// in `channel.py`.
const GAVE_UP: i32 = 70;
const LAST_WORDS: &str = "omni worker: ";

/// The module whose `main` forks workers.
pub(crate) const FORK_PARENT: &str = "omni.fork_parent";

/// The next worker's key.
static NEXT_KEY: AtomicU64 = AtomicU64::new(0);

/// A live worker process with everything that belongs to it. Dropping it closes its channel and kills it.
pub(crate) struct Worker {
    pub(crate) channel: Channel,
    pub(crate) output: Output,
    pub(crate) process: Process,
    page: Arc<StatusPage>,
    /// Kept from call to call and set anew only when a call's deadline is nearer than what it is set to:
    /// most calls end before they would have needed a timer.
    alarm: Pin<Box<Sleep>>,
    call: Option<Current>,
    /// Names the worker among those of this server.
    pub(crate) key: u64,
    /// The number of the call at hand, or of the one that ended last. Calls are numbered as they are sent.
    number: u64,
    /// The number of the last call sent.
    sent: u64,
    /// When the call at hand began.
    begun_at: Instant,
    /// It has said that it is ready.
    ready: bool,
    /// It broke the protocol, or its last call has changed it: it gets no further call.
    spoiled: bool,
    /// How its last call has changed it, until somebody asks.
    tainted: Option<Box<str>>,
    result_bytes_max: usize,
    /// What it has been through.
    pub(crate) wear: Wear,
}

/// The call that a worker runs.
struct Current {
    id: u64,
    wants: Wants,
    /// It can ask its client something.
    may_ask: bool,
    /// It has done so.
    asked: bool,
    /// There was a moment when nothing had arrived. What was there before it may have been sent before the call was.
    waited: bool,
    /// It has said or printed something: what it printed last may have come with its result.
    talked: bool,
    /// Its last frame says that it has printed.
    printed: bool,
    /// When to look next whether the process still runs.
    look_at: Instant,
    /// It was stopped when that was looked at last.
    stopped: bool,
    /// The channel broke then, for this reason; it is still to be seen whether the process has died.
    broken: Option<(Instant, Fault)>,
}

/// How one call on one worker ended.
pub(crate) enum End {
    Result(ToolResult),
    Error(ErrorFrame),
    /// A part of the result was larger than a result may be.
    TooLarge,
    /// The call was revoked, and the worker had not begun it.
    Skipped,
    Died(Exit),
    Broken(Fault),
    Expired(Expiry),
}

/// The words that have Python run the function `main` of a module of our package.
///
/// Python looks for modules in the working folder first, with `-c` as with `-m`, and that folder is the project's: an
/// `omni.py` in it would run in place of our package. So it is taken off the path before anything is imported; `sys`
/// is in the interpreter itself. (`-P` does the same, from Python 3.11 on.)
///
/// `-m` would also have `runpy` import half of `importlib`, and double what a worker needs beyond bare Python until it
/// is ready.
pub(crate) fn main_of(module: &str) -> Vec<OsString> {
    let code =
        format!("import sys; sys.path[:1] == [''] and sys.path.pop(0); from {module} import main; main()");
    vec!["-c".into(), code.into()]
}

/// Why a process did not become a worker.
#[derive(Clone, Debug)]
pub(crate) struct StartFailure {
    pub(crate) message: String,
    pub(crate) hint: String,
    pub(crate) stderr: Option<String>,
    /// The server is stopping: nobody's fault.
    pub(crate) closing: bool,
}

impl Worker {
    /// Starts a process and waits until it says that it is ready. `seat` is dropped when the process is
    /// gone. Dropping the future kills the process.
    pub(crate) async fn start(
        children: &Arc<Children>,
        mode: Mode,
        seat: Box<dyn Send>,
    ) -> Result<Self, StartFailure> {
        Worker::start_module(children, "omni.worker", mode, seat).await
    }

    /// As [`start`](Self::start), with the function `main` of another module.
    pub(crate) async fn start_module(
        children: &Arc<Children>,
        module: &str,
        mode: Mode,
        seat: Box<dyn Send>,
    ) -> Result<Self, StartFailure> {
        let python = Python { args: main_of(module), env: Vec::new(), forks: module == FORK_PARENT };
        let mut worker = Worker::launch(children, python, mode, seat).await.map_err(StartFailure::from)?;
        let config = children.config();
        match tokio::time::timeout(config.ready_timeout, worker.wait_ready()).await {
            Ok(Ok(())) => Ok(worker),
            Ok(Err(reason)) => Err(worker.start_failure(config, &reason, children.closing())),
            Err(_) => {
                let reason = format!("was not ready after {} s", config.ready_timeout.as_secs_f64());
                Err(worker.start_failure(config, &reason, children.closing()))
            }
        }
    }

    /// Starts a process and introduces the server to it.
    pub(crate) async fn launch(
        children: &Arc<Children>,
        python: Python,
        mode: Mode,
        seat: Box<dyn Send>,
    ) -> Result<Self, StartError> {
        let started = children.start_python(python, seat).await?;
        Worker::assemble(started, children.config(), mode)
    }

    /// Makes a worker of a process that runs, and introduces the server to it.
    pub(crate) fn assemble(started: Started, config: &ExecConfig, mode: Mode) -> Result<Self, StartError> {
        let system = |what| move |source: io::Error| StartError::System { what, source };
        let page = StatusPage::new().map_err(system("making a status page"))?;
        let mut channel =
            Channel::new(started.control, config.frame_bytes_max).map_err(system("watching a socket"))?;
        let output = Output::new(started.stdout, started.stderr, config.stderr_bytes_max, config.log_output)
            .map_err(system("capturing output"))?;
        greet(&mut channel, &page, config, mode, started.process.temp().map(|temp| temp.path()))
            .map_err(system("introducing the server"))?;
        let key = NEXT_KEY.fetch_add(1, Ordering::Relaxed);
        let now = Instant::now();
        Ok(Worker {
            channel,
            output,
            process: started.process,
            page: Arc::new(page),
            alarm: Box::pin(sleep(Duration::MAX)),
            call: None,
            key,
            number: 0,
            sent: 0,
            begun_at: now,
            ready: false,
            spoiled: false,
            tainted: None,
            result_bytes_max: config.result_bytes_max,
            wear: Wear::new(&config.worker_life, key, now),
        })
    }

    /// Waits for the first frame. The error says, after `it`, what happened instead.
    async fn wait_ready(&mut self) -> Result<(), String> {
        let mut closed: Option<Pin<Box<Sleep>>> = None;
        poll_fn(|cx| {
            self.output.poll_aside(cx);
            let _ = self.channel.poll_flush(cx);
            if closed.is_none()
                && let Poll::Ready(frame) = self.channel.poll_frame(cx)
            {
                match frame {
                    Ok(length) => {
                        let ready = readiness(self.channel.body(length).bytes());
                        self.channel.consume(length);
                        return Poll::Ready(ready);
                    }
                    Err(Fault::Closed | Fault::Io(_)) => closed = Some(Box::pin(sleep(DEATH_GRACE))),
                    Err(fault) => return Poll::Ready(Err(fault.to_string())),
                }
            }
            if let Poll::Ready(exit) = self.process.poll_exit(cx) {
                return Poll::Ready(Err(before_ready(exit)));
            }
            match closed.as_mut().map(|grace| grace.as_mut().poll(cx)) {
                Some(Poll::Ready(())) => {
                    Poll::Ready(Err("closed its control channel before it was ready".into()))
                }
                Some(Poll::Pending) | None => Poll::Pending,
            }
        })
        .await
    }

    /// Has the worker import what `frame` names, and waits until it says that it is ready again. The error says what
    /// happened instead.
    pub(crate) async fn preload(&mut self, frame: &str, patience: Duration) -> Result<(), String> {
        wire::push_body(self.channel.outbox(), frame.as_bytes());
        self.channel.flush_now();
        match tokio::time::timeout(patience, self.wait_ready()).await {
            Ok(ready) => ready,
            Err(_) => Err(format!("was not ready after {} s", patience.as_secs_f64())),
        }
    }

    /// What to say of a process that ended before it said that it was ready; `None` when it did say so.
    pub(crate) fn never_ready(&self, config: &ExecConfig, exit: Exit) -> Option<StartFailure> {
        (!self.ready).then(|| self.start_failure(config, &before_ready(exit), false))
    }

    fn start_failure(&self, config: &ExecConfig, reason: &str, closing: bool) -> StartFailure {
        let stderr = self.output.stderr_tail();
        let python = config.interpreter.path.display();
        let last = stderr.as_deref().and_then(|text| text.trim_end().lines().next_back());
        let message = match last {
            Some(line) => format!("`{python}` {reason}: {line}"),
            None => format!("`{python}` {reason}"),
        };
        let hint = format!("try `{python} -c pass`, and `omni doctor` for more").replace('\n', " ");
        StartFailure { message, hint, stderr, closing }
    }

    /// Sends `call` to the worker, which must have none. Does not wait: what the socket does not take goes
    /// with [`poll_call`](Self::poll_call).
    pub(crate) fn begin(&mut self, call: &Call, terms: Terms) {
        // What is there now is not the call's.
        self.output.settle();
        let number = self.send_ahead(call, terms);
        self.advance(number, call.wants, terms.asks);
        self.flush();
    }

    /// Writes `call` behind the ones that were sent before it, to be sent with the next
    /// [`flush`](Self::flush). Returns its number, by which [`advance`](Self::advance) makes it the call at hand.
    pub(crate) fn send_ahead(&mut self, call: &Call, terms: Terms) -> u64 {
        self.sent += 1;
        if call.spec.keep_temp {
            self.keep_temp();
        }
        let sending = Sending { id: self.sent, terms, now: Instant::now() };
        wire::push_call(self.channel.outbox(), call, sending);
        self.sent
    }

    /// Has what calls leave in the worker's temporary folder stay when the worker has ended.
    pub(crate) fn keep_temp(&self) {
        if let Some(temp) = self.process.temp() {
            temp.keep();
        }
    }

    /// Sends what was written.
    pub(crate) fn flush(&mut self) {
        self.channel.flush_now();
    }

    /// Makes a call that was sent the one at hand. There must be none. `asks` says whether it can ask its
    /// client something.
    pub(crate) fn advance(&mut self, number: u64, wants: Wants, asks: bool) {
        self.output.begin_call();
        self.number = number;
        self.begun_at = Instant::now();
        // Of a worker that broke the protocol, only its death is still of interest.
        let broken = self.spoiled.then_some((self.begun_at, Fault::Closed));
        let look_at = self.begun_at + STOPPED_LOOK;
        self.call = Some(Current {
            id: number,
            wants,
            may_ask: asks,
            asked: false,
            waited: false,
            talked: false,
            printed: false,
            look_at,
            stopped: false,
            broken,
        });
    }

    /// The number of the call at hand.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// How long the last call took, from when it was at hand.
    pub(crate) fn last_took(&self) -> Duration {
        self.begun_at.elapsed()
    }

    /// Where the worker notes which call it has started.
    pub(crate) fn page(&self) -> Arc<StatusPage> {
        Arc::clone(&self.page)
    }

    pub(crate) fn result_bytes_max(&self) -> usize {
        self.result_bytes_max
    }

    pub(crate) fn stderr_bytes_max(&self) -> usize {
        self.output.tail_bytes_max()
    }

    /// Whether a call has been begun here and has not ended.
    pub(crate) fn busy(&self) -> bool {
        self.call.is_some()
    }

    /// Whether the worker may serve another call: it lives, and owes nothing and is owed nothing.
    pub(crate) fn reusable(&self) -> bool {
        // With nothing sent ahead, what stands behind the last answer was made up for a call to come.
        let owes = self.sent != self.number;
        let settled = self.channel.flushed() && (owes || self.channel.is_empty());
        self.call.is_none() && !self.spoiled && settled && !self.process.exited()
    }

    /// What the call that has just ended did to the process, as a JSON array: a reason not to reuse it.
    pub(crate) fn take_tainted(&mut self) -> Option<Box<str>> {
        self.tainted.take()
    }

    /// Whether a line of the code of the call at hand has run.
    pub(crate) fn has_started(&self) -> bool {
        self.page.has_started(self.number)
    }

    /// Drives the call that was begun to its end, reports what it says to `port`, and passes on what it asks.
    /// Dropping the future takes its open questions back.
    pub(crate) async fn finish(&mut self, deadline: &mut Deadline, port: &mut dyn CallPort) -> End {
        port.begun();
        let mut asks = Asks::default();
        poll_fn(|cx| self.poll_call(cx, deadline, port, &mut asks)).await
    }

    /// Waits `patience` for the end of a call whose caller has left.
    async fn see_off(&mut self, patience: Duration) -> End {
        let mut deadline = Deadline::new(Instant::now(), Some(patience), None);
        let mut asks = Asks::over();
        poll_fn(|cx| self.poll_call(cx, &mut deadline, &mut NoClient, &mut asks)).await
    }

    /// One look at everything that can happen. Output comes before frames, so that what a tool printed is
    /// reported before its result.
    fn poll_call(
        &mut self,
        cx: &mut Context<'_>,
        deadline: &mut Deadline,
        port: &mut dyn CallPort,
        asks: &mut Asks,
    ) -> Poll<End> {
        let level = self.call.as_ref().and_then(|call| call.wants.log);
        if self.output.poll(cx, Some(&mut Listener { events: port, level })) {
            deadline.beat(Instant::now());
            port.alive();
            if let Some(call) = &mut self.call {
                call.talked = true;
            }
        }
        let _ = self.channel.poll_flush(cx);
        let mut end = self.poll_frames(cx, deadline, port, asks);
        if end.is_none() {
            self.poll_answers(cx, deadline, asks);
        }
        let mut listener = Listener { events: port, level };
        if end.is_none()
            && let Poll::Ready(exit) = self.process.poll_exit(cx)
        {
            self.output.poll(cx, Some(&mut listener));
            end = Some(End::Died(exit));
        }
        if end.is_none() {
            end = self.poll_clocks(cx, deadline);
        }
        match end {
            None => Poll::Pending,
            Some(end) => {
                // Of what a silent call has printed besides, the runtime has told above.
                if !matches!(end, End::Result(_)) || self.call.as_ref().is_some_and(|call| call.talked) {
                    self.output.catch_up(&mut listener);
                }
                self.output.end_call(&mut listener);
                if let Some(call) = self.call.as_ref().filter(|call| call.printed) {
                    self.page.note_heard(call.id);
                }
                let end = self.in_its_words(end);
                self.spoiled |= matches!(end, End::Broken(_));
                // After a deadline the call still runs here, until somebody has ended it.
                if !matches!(end, End::Expired(_)) {
                    self.call = None;
                }
                Poll::Ready(end)
            }
        }
    }

    /// A worker that gives itself up says why in its last line: then the end is not the tool's exit.
    fn in_its_words(&self, end: End) -> End {
        if !matches!(end, End::Died(Exit::Code(GAVE_UP))) || !self.has_started() {
            return end;
        }
        let said = self.output.stderr_tail().unwrap_or_default();
        let reason = said.trim_end().lines().next_back().and_then(|line| line.strip_prefix(LAST_WORDS));
        reason.map_or(end, |reason| End::Broken(Fault::GaveUp(reason.to_owned())))
    }

    /// Takes in every frame that has arrived.
    fn poll_frames(
        &mut self,
        cx: &mut Context<'_>,
        deadline: &mut Deadline,
        port: &mut dyn CallPort,
        asks: &mut Asks,
    ) -> Option<End> {
        let current = self.call.as_mut().filter(|call| call.broken.is_none())?;
        while let Poll::Ready(frame) = self.channel.poll_frame(cx) {
            let taken = frame.and_then(|length| {
                let body = self.channel.body(length);
                let frame = wire::decode(body.bytes())?;
                let early = !current.waited && matches!(frame, Up::Result(_));
                if frame.call() > Some(current.id)
                    || early && frame.call() == Some(current.id) && !self.page.has_started(current.id)
                {
                    return Err(Fault::Foreign);
                }
                self.ready |= matches!(frame, Up::Ready(_));
                if frame.call() == Some(current.id)
                    && let Some(findings) = frame.tainted()
                {
                    self.spoiled = true;
                    self.tainted = Some(findings);
                }
                if frame.call() == Some(current.id) {
                    current.printed = frame.printed();
                    current.talked |= current.printed || !matches!(frame, Up::Result(_));
                }
                match &frame {
                    Up::Ask(ask) if ask.id == current.id => {
                        if !current.may_ask {
                            return Err(Fault::MayNotAsk);
                        }
                        if !self.page.has_started(current.id) {
                            return Err(Fault::Foreign);
                        }
                        current.asked = true;
                        asks.take(Asking::of(ask), self.channel.taken(), deadline, port)?;
                    }
                    Up::Retract(asked) if asked.id == current.id => {
                        asks.take(Asking::Retract(asked.ask), 0, deadline, port)?;
                    }
                    _ => {}
                }
                let end = take_frame(body, frame, current, deadline, port, self.result_bytes_max);
                self.channel.consume(length);
                Ok(end)
            });
            match taken {
                Ok(None) => {}
                Ok(Some(end)) => return Some(end),
                Err(fault @ (Fault::Closed | Fault::Io(_))) => {
                    // Usually the process is dying. Only the kernel can say, so wait for its word.
                    current.broken = Some((Instant::now(), fault));
                    return None;
                }
                Err(fault) => return Some(End::Broken(fault)),
            }
        }
        current.waited = true;
        None
    }

    /// Sends the answers that have come to the call's questions. What the socket does not take stays for later.
    fn poll_answers(&mut self, cx: &mut Context<'_>, deadline: &mut Deadline, asks: &mut Asks) {
        let mut answered = false;
        while let Some((number, answer)) = asks.poll(cx, deadline) {
            wire::push_answer(self.channel.outbox(), self.number, number, &answer);
            asks.written(self.channel.written());
            answered = true;
        }
        if answered {
            let _ = self.channel.poll_flush(cx);
        }
    }

    /// Looks at the deadline, and at the grace of a broken channel.
    fn poll_clocks(&mut self, cx: &mut Context<'_>, deadline: &Deadline) -> Option<End> {
        loop {
            let current = self.call.as_mut()?;
            let grace = current.broken.as_ref().map(|(since, _)| *since + DEATH_GRACE);
            let sooner = |one: Instant, other: Option<Instant>| other.map_or(one, |other| one.min(other));
            let next = sooner(sooner(current.look_at, deadline.next()), grace);
            let next = tokio::time::Instant::from_std(next);
            if self.alarm.deadline() > next {
                self.alarm.as_mut().reset(next);
            }
            if self.alarm.as_mut().poll(cx).is_pending() {
                return None;
            }
            let now = Instant::now();
            if let Some(expiry) = deadline.expired(now) {
                return Some(End::Expired(expiry));
            }
            if grace.is_some_and(|grace| now >= grace)
                && let Some((_, fault)) = current.broken.take()
            {
                return Some(End::Broken(fault));
            }
            if now >= current.look_at {
                let stopped = self.process.is_stopped();
                if stopped && current.stopped {
                    return Some(End::Broken(Fault::Stopped));
                }
                current.stopped = stopped;
                current.look_at = now + STOPPED_LOOK;
                continue;
            }
            // It was set for an earlier call, or for a deadline that a heartbeat has moved since. One
            // millisecond is the timer's own grain.
            self.alarm
                .as_mut()
                .reset(next.max(tokio::time::Instant::from_std(now) + Duration::from_millis(1)));
        }
    }

    /// Asks Python where the call `id` is, and waits a little for the answer. `None` when it does not say, or is not in
    /// the skill's files.
    pub(crate) async fn stack(&mut self, skill_dir: &Path, is_async: bool, id: u64) -> Option<String> {
        if self.process.is_stopped() {
            return None;
        }
        // Where an async call waits is said after where the threads are.
        let heading = if is_async { call_heading(id) } else { String::new() };
        let mark = self.output.stderr_length();
        self.process.signal(Signal::USR1);
        let mut length = mark;
        let mut quiet = Box::pin(sleep(STACK_QUIET));
        let all = poll_fn(|cx| {
            self.output.poll(cx, None);
            if self.process.poll_exit(cx).is_ready() {
                return Poll::Ready(());
            }
            if self.output.stderr_length() != length {
                length = self.output.stderr_length();
                quiet.as_mut().reset(tokio::time::Instant::now() + STACK_QUIET);
            }
            while quiet.as_mut().poll(cx).is_ready() {
                if looks_complete(self.output.stderr_since(mark), &heading) {
                    return Poll::Ready(());
                }
                quiet.as_mut().reset(tokio::time::Instant::now() + STACK_QUIET);
            }
            Poll::Pending
        });
        let _ = tokio::time::timeout(STACK_WAIT, all).await;
        user_frames(&String::from_utf8_lossy(self.output.stderr_since(mark)), skill_dir, id)
    }

    /// Tells a worker to end once it is done: what skills registered with `atexit` runs first.
    pub(crate) fn dismiss(&mut self) {
        wire::push_drain(self.channel.outbox());
        self.channel.flush_now();
    }

    /// Waits for the process to end by itself, so long as it takes, and lets it print meanwhile.
    pub(crate) async fn drain(&mut self) -> Exit {
        poll_fn(|cx| {
            self.output.poll_aside(cx);
            self.process.poll_exit(cx)
        })
        .await
    }

    /// Waits `patience` for the end of a call that has ended already in the worker: its last frame is on its
    /// way. True when it came.
    pub(crate) async fn outlive(&mut self, patience: Duration) -> bool {
        !matches!(self.see_off(patience).await, End::Expired(_))
    }

    /// Asks a sync worker to raise `CallCancelled` in its call, and waits `patience` for the call to end.
    /// True when it did and the worker can go on: a thread or a child that the call has left would work on in the
    /// name of a caller who has gone.
    pub(crate) async fn cancel(&mut self, patience: Duration) -> bool {
        self.process.signal(Signal::USR2);
        if let Some(call) = self.call.as_ref().filter(|call| call.asked) {
            // A signal that comes in just before the call begins to wait for an answer does not wake it.
            wire::push_cancel(self.channel.outbox(), call.id);
        }
        match self.see_off(patience).await {
            End::Result(_) | End::Error(_) | End::TooLarge | End::Skipped => {
                self.reusable() && self.process.is_alone()
            }
            End::Died(_) | End::Broken(_) | End::Expired(_) => false,
        }
    }
}

/// Sends the first frame, with the status page's descriptor beside its first byte.
fn greet(
    channel: &mut Channel,
    page: &StatusPage,
    config: &ExecConfig,
    mode: Mode,
    temp: Option<&Path>,
) -> io::Result<()> {
    let mut frame = Vec::new();
    let mut key = Key::default();
    getrandom::fill(&mut key).map_err(io::Error::other)?;
    let digits: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let hello = Hello {
        proto: wire::PROTO,
        mode,
        page: true,
        key: Some(&digits),
        root: &config.process.root.to_string_lossy(),
        settings: &config.settings,
        protected: &config.protected,
        frame_bytes_max: config.frame_bytes_max,
        result_bytes_max: config.result_bytes_max,
        // One whose name is no text could not be found by Python either.
        temp: temp.and_then(Path::to_str),
        temp_stays: config.stateful || mode == Mode::Async,
        stateful: config.stateful,
    };
    wire::push_hello(&mut frame, &hello).map_err(io::Error::other)?;
    channel.expect_key(key);
    let descriptors = [page.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    // A new socket takes some bytes at once; what it does not take is sent as the worker reads.
    let sent = sendmsg(channel.as_fd(), &[IoSlice::new(&frame)], &mut ancillary, SendFlags::NOSIGNAL)?;
    channel.outbox().extend_from_slice(frame.get(sent..).unwrap_or_default());
    Ok(())
}

fn before_ready(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("ended with exit code {code} before it was ready"),
        Exit::Signal(signal) => format!("was ended by signal {signal} before it was ready"),
        Exit::Unknown => "ended before it was ready".to_owned(),
    }
}

/// Reads the first frame of a worker.
fn readiness(body: &[u8]) -> Result<(), String> {
    match wire::decode(body) {
        Ok(Up::Ready(ready)) if ready.proto == wire::PROTO => Ok(()),
        Ok(Up::Ready(ready)) => Err(format!(
            "speaks version {} of the worker protocol, not {}; its `omni` package is from another release",
            ready.proto,
            wire::PROTO
        )),
        Ok(_) => Err("did not begin with `ready`".into()),
        Err(fault) => Err(fault.to_string()),
    }
}

/// What one frame means for the call that runs; `Some` when it ends the call.
fn take_frame(
    body: Body<'_>,
    frame: Up<'_>,
    current: &Current,
    deadline: &mut Deadline,
    port: &mut dyn CallPort,
    result_bytes_max: usize,
) -> Option<End> {
    if frame.call() != Some(current.id) {
        // A thread that a former call left behind, or a type that a later version speaks.
        return None;
    }
    match frame {
        Up::Result(result) => return Some(result_of(body, &result, result_bytes_max)),
        Up::Error(error) => return Some(End::Error(error)),
        Up::Skipped(_) => return Some(End::Skipped),
        Up::Beat(_) | Up::Progress(_) | Up::Log(_) => {
            // A sign of life whoever hears it.
            deadline.beat(Instant::now());
            port.alive();
            if let Some(event) = event_of(body, frame, current.wants) {
                port.event(event);
            }
        }
        // This process runs one call at a time, and has pipes for what it prints. Questions have been taken in.
        Up::Ready(_) | Up::Started(_) | Up::Output(_) | Up::Ask(_) | Up::Retract(_) | Up::Unknown => {}
    }
    None
}

/// The end that a result frame means.
pub(crate) fn result_of(body: Body<'_>, result: &wire::ResultFrame<'_>, bytes_max: usize) -> End {
    let too_large =
        |part: Option<&serde_json::value::RawValue>| part.is_some_and(|part| part.get().len() > bytes_max);
    if too_large(Some(result.content)) || too_large(result.structured) || too_large(result.meta) {
        return End::TooLarge;
    }
    let kept = ToolResult {
        content: body.keep(result.content),
        structured: result.structured.map(|structured| body.keep(structured)),
        meta: result.meta.map(|meta| body.keep(meta)),
        is_error: result.is_error,
    };
    End::Result(match &result.temp {
        Some(files) => kept.naming(files),
        None => kept,
    })
}

/// The event that a frame means for a caller who wants such events.
pub(crate) fn event_of(body: Body<'_>, frame: Up<'_>, wants: Wants) -> Option<Event> {
    match frame {
        Up::Progress(progress) => wants.progress.then_some(Event::Progress {
            value: progress.value,
            total: progress.total,
            message: progress.message,
        }),
        Up::Log(log) => {
            let level = log.level.parse().unwrap_or(LogLevel::Info);
            let wanted = wants.log.is_some_and(|least| level >= least);
            wanted.then(|| Event::Log { level, logger: log.logger, data: body.keep(log.data) })
        }
        Up::Beat(beat) => {
            let level = LogLevel::Info;
            let note = beat.note.filter(|_| wants.log.is_some_and(|least| level >= least))?;
            let data = Bytes::from(serde_json::Value::from(note).to_string());
            Some(Event::Log { level, logger: Some("heartbeat".to_owned()), data })
        }
        Up::Ready(_)
        | Up::Started(_)
        | Up::Output(_)
        | Up::Ask(_)
        | Up::Retract(_)
        | Up::Result(_)
        | Up::Error(_)
        | Up::Skipped(_)
        | Up::Unknown => None,
    }
}

impl From<StartError> for StartFailure {
    fn from(error: StartError) -> Self {
        let hint = match &error {
            StartError::NoProgram { .. } => "name a Python of 3.9 or later with `--python PATH`",
            StartError::Launcher { source, .. } | StartError::System { source, .. }
                if [Errno::MFILE, Errno::NFILE]
                    .iter()
                    .any(|full| source.raw_os_error() == Some(full.raw_os_error())) =>
            {
                "more files must be allowed open (`ulimit -n`), or fewer workers be kept (`--workers`)"
            }
            StartError::Launcher { .. } => "was omni moved or replaced while it ran? Start it again",
            StartError::System { .. } => "`omni doctor` checks what omni needs of this machine",
            StartError::Closing => "start the server again",
        };
        StartFailure {
            message: match &error {
                StartError::NoProgram { path } => format!("there is no Python interpreter at `{path}`"),
                other => other.to_string(),
            },
            hint: hint.to_owned(),
            stderr: None,
            closing: matches!(error, StartError::Closing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_finds_no_descriptors_names_their_limit() {
        let failure = |errno: Errno| {
            StartFailure::from(StartError::Launcher { path: "omni".to_owned(), source: errno.into() }).hint
        };
        assert!(failure(Errno::MFILE).contains("ulimit -n"), "{}", failure(Errno::MFILE));
        assert!(failure(Errno::NOENT).contains("moved"), "{}", failure(Errno::NOENT));
    }

    #[test]
    fn the_last_words_of_a_worker_are_those_that_it_says() {
        let shared = include_str!("../../../conformance/shared.json");
        let shared: serde_json::Value = serde_json::from_str(shared).unwrap();
        assert_eq!(shared["wire"]["gave_up"], GAVE_UP);
        assert_eq!(shared["wire"]["last_words"], LAST_WORDS);
    }
}
