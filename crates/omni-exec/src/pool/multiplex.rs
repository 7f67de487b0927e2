//! Async calls: many at a time on one worker, which is started when the first of them comes.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use omni_call::{Call, Ending, Event, EventSink, Outcome, Phase, Wants};
use tokio::sync::oneshot;
use tokio::time::{Sleep, sleep, sleep_until, timeout, timeout_at};

use super::preload::{NoWorker, Preload};
use super::queue::REVOKED_FOR;
use super::succession::EXIT_GRACE;
use super::{CANCEL_PATIENCE, RETRY_AFTER, note_taint};
use crate::failures::Failures;
use crate::outcome::{ending, outcome, start_failed, unstarted, waited_out};
use crate::process::{Children, Exit, Listener, StatusPage, TERM_GRACE};
use crate::quarantine::{self, Quarantine};
use crate::wire::{self, Fault, Mode, Up};
use crate::worker::{DEATH_GRACE, End, StartFailure, Worker, event_of, result_of};

/// Events of one call that wait to be taken. What comes beyond is dropped: the worker must never wait for a
/// caller.
const EVENTS_WAITING_MAX: usize = 256;

/// When calls wait and none has begun or ended for so long, while the worker imports nothing, a tool blocks the
/// event loop. A worker that only has much to do gets on.
const STALL_AFTER: Duration = Duration::from_secs(1);

/// How often that is looked at while calls wait.
const STALL_LOOK: Duration = Duration::from_millis(250);

/// Workers at most, those included that have been left because a tool blocks them.
const LINES_MAX: usize = 4;

/// Async calls and the worker they share.
pub(super) struct Multiplex {
    shared: Arc<Shared>,
}

struct Shared {
    children: Arc<Children>,
    preload: Arc<Preload>,
    state: Mutex<State>,
    /// Held while a worker is started, so that one start serves all who wait for it.
    opening: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    current: Option<Arc<Line>>,
    failures: Failures,
    /// Calls accepted and not ended.
    calls: usize,
    /// How often all workers have been replaced.
    generation: u64,
    /// Somebody is starting a worker in place of the current one.
    succeeding: bool,
    /// Workers in being.
    lines: usize,
    quarantine: Quarantine,
}

impl Multiplex {
    pub(super) fn new(children: Arc<Children>, preload: Arc<Preload>) -> Self {
        let shared =
            Shared { children, preload, state: Mutex::default(), opening: tokio::sync::Mutex::new(()) };
        Multiplex { shared: Arc::new(shared) }
    }

    /// Runs one async call to its end. Dropping the future cancels the call.
    pub(super) async fn run(&self, mut call: Call, events: &mut dyn EventSink) -> Outcome {
        let Some(_admitted) = Admitted::new(&self.shared) else {
            return unstarted(&call, Ending::Busy { retry_after: RETRY_AFTER });
        };
        if let Some(retry_after) = self.shared.lock().quarantine.refuses(&call.spec.tool) {
            return unstarted(&call, Ending::Quarantined { retry_after });
        }
        let mut attempt = 1;
        loop {
            let line = match self.line(&call).await {
                Ok(line) => line,
                Err(outcome) => return *outcome,
            };
            // A worker that went between here and there has not seen the call.
            let Some(mut ride) = Ride::begin(line, &call, attempt) else { continue };
            let end = ride.finish(&mut call, events).await;
            if matches!(end, End::Skipped) && !self.shared.children.closing() {
                // It had not begun, and its worker is blocked.
                continue;
            }
            let lost = matches!(end, End::Died(_) | End::Broken(_));
            if lost && attempt == 1 && !ride.has_started() && !self.shared.children.closing() {
                attempt += 1;
                continue;
            }
            return self.conclude(&call, ride, end, attempt).await;
        }
    }

    async fn conclude(&self, call: &Call, ride: Ride, end: End, attempt: u32) -> Outcome {
        let config = self.shared.children.config();
        let worker = ride.tainted.clone();
        if let Some(findings) = &worker {
            note_taint(call, findings);
        }
        if let End::Result(_) = end {
            return Outcome { worker, ..outcome(call, ending(end, config), Phase::Started, attempt) };
        }
        let phase = if ride.has_started() { Phase::Started } else { Phase::Starting };
        // Died, not broken: so this call was the only one that can have done it.
        if matches!(end, End::Died(_))
            && phase == Phase::Started
            && !self.shared.children.closing()
            && self.shared.lock().quarantine.note(&call.spec.tool, Instant::now())
        {
            quarantine::warn(&call.spec.tool);
        }
        let stack = match end {
            End::Expired(_) => ride.line.stack(call.spec.skill_dir.clone(), call.id.0).await,
            _ => None,
        };
        let ending = match end {
            End::Died(_) | End::Broken(_) if self.shared.children.closing() => Ending::Shutdown,
            end => ending(end, config),
        };
        Outcome { stack, worker, ..outcome(call, ending, phase, attempt) }
    }

    /// The worker in use, or a new one.
    async fn line(&self, call: &Call) -> Result<Arc<Line>, Box<Outcome>> {
        if let Some(line) = self.shared.current() {
            if line.lock().worn {
                self.shared.succeed_aside();
            }
            return Ok(line);
        }
        // In a task of its own: others may wait for this start when this call is taken back.
        let opening = tokio::spawn(open(Arc::clone(&self.shared)));
        let opened = match call.deadline.next() {
            None => opening.await,
            Some(at) => match timeout_at(at.into(), opening).await {
                Ok(opened) => opened,
                Err(_) => {
                    let ending = waited_out(call, Instant::now());
                    let ending = ending.unwrap_or(Ending::Busy { retry_after: RETRY_AFTER });
                    return Err(Box::new(unstarted(call, ending)));
                }
            },
        };
        match opened {
            Ok(Ok(line)) => Ok(line),
            Ok(Err(failure)) => Err(Box::new(start_failed(call, &failure))),
            // The task panicked, or the runtime is going down.
            Err(error) => {
                let message = format!("starting its worker failed: {error}");
                Err(Box::new(unstarted(call, Ending::Lost { message })))
            }
        }
    }
}

impl Multiplex {
    /// Has a new worker take all calls from the return of this on; those under way end where they are. While
    /// none can be started, this waits and the old one goes on.
    pub(super) async fn renew(&self) {
        let wanted = {
            let mut state = self.shared.lock();
            state.generation += 1;
            state.generation
        };
        loop {
            let line = self.shared.current();
            if line.is_none_or(|line| line.generation >= wanted) || self.shared.children.closing() {
                return;
            }
            if succeed(Arc::clone(&self.shared), wanted).await.is_err() {
                sleep(RETRY_AFTER).await;
            }
        }
    }
}

/// A call's share of the bound on calls.
struct Admitted<'a>(&'a Shared);

impl<'a> Admitted<'a> {
    fn new(shared: &'a Shared) -> Option<Self> {
        let mut state = shared.lock();
        (state.calls < shared.children.config().queue_max).then(|| {
            state.calls += 1;
            Admitted(shared)
        })
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        self.0.lock().calls -= 1;
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn current(&self) -> Option<Arc<Line>> {
        self.lock().current.clone().filter(|line| {
            let state = line.lock();
            !state.closed && !state.leaving
        })
    }
}

impl Shared {
    /// Has a worker started that takes the place of the current one, unless that is under way.
    fn succeed_aside(self: &Arc<Self>) {
        let generation = {
            let mut state = self.lock();
            if std::mem::replace(&mut state.succeeding, true) {
                return;
            }
            state.generation
        };
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            // A failure is known to `failures` from then on, and the old worker goes on.
            let _ = succeed(Arc::clone(&shared), generation).await;
            shared.lock().succeeding = false;
        });
    }

    async fn start(self: &Arc<Self>) -> Result<Arc<Line>, Arc<StartFailure>> {
        if let Some(failure) = self.lock().failures.forbids(Instant::now()) {
            return Err(Arc::clone(failure));
        }
        let generation = self.lock().generation;
        let started = loop {
            match self.preload.start(&self.children, Mode::Async, Box::new(())).await {
                Ok(worker) => break Ok(worker),
                Err(NoWorker::Failed(failure)) => break Err(failure),
                Err(NoWorker::Preload) => {}
            }
        };
        match started {
            Ok(worker) => {
                let line = Arc::new(Line { page: worker.page(), generation, state: Mutex::default() });
                let idle_ttl = self.children.config().idle_worker_ttl;
                tokio::spawn(serve(Arc::clone(&line), worker, idle_ttl, Arc::downgrade(self)));
                let mut state = self.lock();
                state.failures = Failures::default();
                state.lines += 1;
                drop(state);
                Ok(line)
            }
            Err(failure) => Err(self.lock().failures.add(failure)),
        }
    }
}

/// Puts a new worker of this generation in the place of the current one, which then takes no further call and
/// ends when those it has are over.
async fn succeed(shared: Arc<Shared>, generation: u64) -> Result<(), Arc<StartFailure>> {
    let _turn = shared.opening.lock().await;
    let needed = |line: &Arc<Line>| line.generation < generation || line.lock().worn;
    let Some(old) = shared.current().filter(needed) else { return Ok(()) };
    let line = shared.start().await?;
    shared.lock().current = Some(line);
    old.leave();
    if old.lock().stalled {
        old.hand_on().await;
    }
    Ok(())
}

/// Starts the shared worker, unless somebody just has.
async fn open(shared: Arc<Shared>) -> Result<Arc<Line>, Arc<StartFailure>> {
    let _turn = shared.opening.lock().await;
    if let Some(line) = shared.current() {
        return Ok(line);
    }
    loop {
        let line = shared.start().await?;
        let mut state = shared.lock();
        // All workers may have been replaced since this one was started.
        if line.generation == state.generation {
            state.current = Some(Arc::clone(&line));
            return Ok(line);
        }
        drop(state);
        line.leave();
    }
}

/// What the calls on one worker share with the task that serves it.
struct Line {
    page: Arc<StatusPage>,
    /// Which of the generations of workers it belongs to.
    generation: u64,
    state: Mutex<LineState>,
}

#[derive(Default)]
struct LineState {
    calls: HashMap<u64, Passenger>,
    /// Frames to be sent.
    outbox: Vec<u8>,
    commands: Vec<Command>,
    /// The serving task, when it has nothing to do.
    task: Option<Waker>,
    /// How many calls were begun so far.
    begun: u64,
    /// How many the worker has answered.
    ended: u64,
    /// The highest number of a call that is known to have started: tasks start in the order in which they
    /// were sent.
    started: u64,
    /// The worker has served its time, or stands still: another one is to take its place.
    worn: bool,
    /// A tool blocks its event loop, and calls wait behind it.
    stalled: bool,
    /// When to look whether the calls that were sent have begun.
    look_at: Option<Instant>,
    /// How many had begun and ended when that was seen to change last.
    seen: Option<(u64, u64, Instant)>,
    /// Another one has: no further call may begin here, and those that have are seen to their end.
    leaving: bool,
    /// No further call may begin here.
    closed: bool,
}

/// One call on a shared worker.
struct Passenger {
    /// Counted from 1 in the order of sending.
    number: u64,
    wants: Wants,
    events: Vec<Event>,
    beat: Option<Instant>,
    end: Option<End>,
    /// What it has done to the process, as a JSON array.
    tainted: Option<Box<str>>,
    waker: Option<Waker>,
}

enum Command {
    /// Asks Python for its stack.
    Stack { skill_dir: PathBuf, id: u64, reply: oneshot::Sender<Option<String>> },
    /// Ends the worker; its other calls are told why.
    End { reason: String },
}

impl Line {
    fn lock(&self) -> MutexGuard<'_, LineState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn command(&self, command: Command) {
        let mut state = self.lock();
        state.commands.push(command);
        state.call_task();
    }

    fn look_at(&self) -> Option<Instant> {
        self.lock().look_at
    }

    fn is(&self, other: &Line) -> bool {
        std::ptr::eq(self, other)
    }

    /// Lets the worker go when its calls have ended.
    fn leave(&self) {
        let mut state = self.lock();
        state.leaving = true;
        state.call_task();
    }

    /// Whether a call waits that should have begun by now, behind a tool that does not let the event loop turn.
    /// Says when to look again.
    fn is_stalled(&self, now: Instant) -> bool {
        let mut state = self.lock();
        if state.look_at.is_none_or(|at| now < at) {
            return false;
        }
        state.note_started(&self.page);
        let (started, ended) = (state.started, state.ended);
        if !state.calls.values().any(|call| call.end.is_none() && call.number > started) {
            (state.look_at, state.seen) = (None, None);
            return false;
        }
        state.look_at = Some(now + STALL_LOOK);
        let since = match state.seen {
            Some((begun, over, at)) if (begun, over) == (started, ended) => at,
            _ => {
                state.seen = Some((started, ended, now));
                return false;
            }
        };
        // Before its first call a worker is busy with itself.
        now >= since + STALL_AFTER && started > 0 && !self.page.importing()
    }

    /// Lets the calls go that have not begun, for another worker. No more are sent here.
    async fn hand_on(&self) {
        let Some(newest) = self.lock().calls.keys().max().copied() else { return };
        self.page.revoke(newest);
        sleep(REVOKED_FOR).await;
        let mut state = self.lock();
        state.note_started(&self.page);
        let started = state.started;
        // Of those that begin at this moment the worker itself says whether it skipped them.
        for call in state.calls.values_mut().filter(|call| call.end.is_none() && call.number > started) {
            call.end(End::Skipped);
        }
    }

    async fn stack(&self, skill_dir: PathBuf, id: u64) -> Option<String> {
        let (reply, answer) = oneshot::channel();
        self.command(Command::Stack { skill_dir, id, reply });
        answer.await.ok().flatten()
    }
}

impl LineState {
    fn call_task(&mut self) {
        if let Some(task) = self.task.take() {
            task.wake();
        }
    }

    /// Notes from the worker's page which calls have started.
    fn note_started(&mut self, page: &StatusPage) {
        let number = match page.last_started() {
            Some(id) => self.calls.get(&id).map_or(0, |passenger| passenger.number),
            // Unreadable: the safe side is that all have.
            None => self.begun,
        };
        self.started = self.started.max(number);
    }
}

impl Passenger {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn hear(&mut self, event: Event) {
        if self.events.len() < EVENTS_WAITING_MAX {
            self.events.push(event);
        }
        self.wake();
    }

    fn end(&mut self, end: End) {
        if self.end.is_none() {
            self.end = Some(end);
        }
        self.wake();
    }
}

/// One call's hold on a shared worker. Dropped before its end, it cancels the call; a worker that does not
/// obey within [`CANCEL_PATIENCE`] is ended, since its event loop is blocked or the tool ignores us.
struct Ride {
    line: Arc<Line>,
    id: u64,
    number: u64,
    over: bool,
    /// What the call has done to the process, as a JSON array.
    tainted: Option<Box<str>>,
}

impl Ride {
    /// Sends the call; `None` when the worker takes no more.
    fn begin(line: Arc<Line>, call: &Call, attempt: u32) -> Option<Self> {
        let id = call.id.0;
        let mut state = line.lock();
        if state.closed || state.leaving {
            return None;
        }
        state.begun += 1;
        let number = state.begun;
        let now = Instant::now();
        wire::push_call(&mut state.outbox, call, wire::Sending { id, attempt, now });
        state.look_at.get_or_insert(now + STALL_LOOK);
        let passenger = Passenger {
            number,
            wants: call.wants,
            events: Vec::new(),
            beat: None,
            end: None,
            tainted: None,
            waker: None,
        };
        state.calls.insert(id, passenger);
        state.call_task();
        drop(state);
        Some(Ride { line, id, number, over: false, tainted: None })
    }

    async fn finish(&mut self, call: &mut Call, events: &mut dyn EventSink) -> End {
        let far = || tokio::time::Instant::now() + Duration::from_secs(86_400 * 365);
        let mut alarm = pin!(sleep_until(call.deadline.next().map_or_else(far, Into::into)));
        poll_fn(|cx| {
            if let Poll::Ready(end) = self.poll(cx, call, events) {
                return Poll::Ready(end);
            }
            while alarm.as_mut().poll(cx).is_ready() {
                let now = Instant::now();
                if let Some(expiry) = call.deadline.expired(now) {
                    return Poll::Ready(End::Expired(expiry));
                }
                // A heartbeat has moved the deadline since the timer was set.
                let next = call.deadline.next().map_or_else(far, Into::into);
                alarm.as_mut().reset(next.max(tokio::time::Instant::from(now) + Duration::from_millis(1)));
            }
            Poll::Pending
        })
        .await
    }

    fn poll(&mut self, cx: &mut Context<'_>, call: &mut Call, events: &mut dyn EventSink) -> Poll<End> {
        let (heard, end) = {
            let mut state = self.line.lock();
            let Some(passenger) = state.calls.get_mut(&self.id) else {
                return Poll::Ready(End::Broken(Fault::Closed));
            };
            if let Some(at) = passenger.beat.take() {
                call.deadline.beat(at);
            }
            passenger.waker = Some(cx.waker().clone());
            self.tainted = passenger.tainted.take();
            (std::mem::take(&mut passenger.events), passenger.end.take())
        };
        heard.into_iter().for_each(|event| events.event(event));
        match end {
            None => Poll::Pending,
            Some(end) => {
                self.over = true;
                Poll::Ready(end)
            }
        }
    }

    /// Whether a line of the call's own code has run.
    fn has_started(&self) -> bool {
        let mut state = self.line.lock();
        state.note_started(&self.line.page);
        state.started >= self.number
    }
}

impl Drop for Ride {
    fn drop(&mut self) {
        let mut state = self.line.lock();
        if self.over || state.closed {
            state.calls.remove(&self.id);
            if state.leaving {
                state.call_task();
            }
            return;
        }
        wire::push_cancel(&mut state.outbox, self.id);
        state.call_task();
        drop(state);
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(see_off(Arc::clone(&self.line), self.id))),
            // Outside the runtime nothing can wait, so the worker goes now.
            Err(_) => self.line.command(Command::End { reason: BYSTANDER.into() }),
        }
    }
}

const BYSTANDER: &str = "another call that shared its worker did not end when it was told to";

/// Waits for a cancelled call to end, and ends its worker when it does not.
async fn see_off(line: Arc<Line>, id: u64) {
    let ended = poll_fn(|cx| {
        let mut state = line.lock();
        match state.calls.get_mut(&id) {
            Some(passenger) if passenger.end.is_none() => {
                passenger.waker = Some(cx.waker().clone());
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    });
    let obeyed = timeout(CANCEL_PATIENCE, ended).await.is_ok();
    {
        let mut state = line.lock();
        state.calls.remove(&id);
        state.call_task();
    }
    if !obeyed {
        line.command(Command::End { reason: BYSTANDER.into() });
    }
}

/// Why the task of a worker stops serving it.
enum Stop {
    Died(Exit),
    Broken(Fault),
    Ended {
        reason: String,
    },
    /// It has no calls, and is not needed any more.
    Idle,
}

/// Carries frames between one worker and its calls until the worker ends.
async fn serve(line: Arc<Line>, mut worker: Worker, idle_ttl: Duration, shared: Weak<Shared>) {
    let _counted = Counted(Weak::clone(&shared));
    let mut look = pin!(sleep(STALL_LOOK));
    let stop = loop {
        let mut idle = pin!(sleep(idle_ttl));
        let command = poll_fn(|cx| {
            if let Poll::Ready(next) = poll_line(&line, &mut worker, cx) {
                return Poll::Ready(next);
            }
            while idle.as_mut().poll(cx).is_ready() {
                if line.lock().calls.is_empty() {
                    return Poll::Ready(Err(Stop::Idle));
                }
                idle.as_mut().reset(tokio::time::Instant::now() + idle_ttl);
            }
            poll_look(&line, &shared, look.as_mut(), cx);
            Poll::Pending
        })
        .await;
        match command {
            Ok(Command::Stack { skill_dir, id, reply }) => {
                drop(reply.send(worker.stack(&skill_dir, true, id).await))
            }
            Ok(Command::End { reason }) => break Stop::Ended { reason },
            Err(stop) => break stop,
        }
    };
    line.lock().closed = true;
    let stop = match stop {
        // Usually the process is dying. Only the kernel can say, so wait for its word.
        Stop::Broken(Fault::Closed | Fault::Io(_)) => match timeout(DEATH_GRACE, worker.process.wait()).await
        {
            Ok(exit) => Stop::Died(exit),
            Err(_) => Stop::Broken(Fault::Closed),
        },
        stop => stop,
    };
    let kindly = matches!(stop, Stop::Idle);
    close(&line, stop);
    if kindly {
        worker.dismiss();
        if timeout(EXIT_GRACE, worker.drain()).await.is_ok() {
            return;
        }
    }
    worker.process.end(TERM_GRACE).await;
}

/// Counts a worker among those in being.
struct Counted(Weak<Shared>);

impl Drop for Counted {
    fn drop(&mut self) {
        if let Some(shared) = self.0.upgrade() {
            shared.lock().lines -= 1;
        }
    }
}

/// Looks now and then whether calls begin, and has another worker take over when they do not.
fn poll_look(line: &Line, shared: &Weak<Shared>, mut look: Pin<&mut Sleep>, cx: &mut Context<'_>) {
    loop {
        let Some(at) = line.look_at() else { return };
        let at = tokio::time::Instant::from_std(at);
        if look.deadline() != at {
            look.as_mut().reset(at);
        }
        if look.as_mut().poll(cx).is_pending() {
            return;
        }
        let stalled = line.is_stalled(Instant::now());
        let Some(shared) = shared.upgrade().filter(|_| stalled) else { continue };
        if shared.lock().lines < LINES_MAX && shared.current().is_some_and(|current| current.is(line)) {
            tracing::warn!("an async tool blocks the event loop that it shares; calls behind it move on");
            {
                let mut state = line.lock();
                (state.worn, state.stalled) = (true, true);
            }
            shared.succeed_aside();
        }
    }
}

/// Does all that can be done now; ready with a command that takes time, or with the reason to stop.
fn poll_line(line: &Line, worker: &mut Worker, cx: &mut Context<'_>) -> Poll<Result<Command, Stop>> {
    let mut state = line.lock();
    match &mut state.task {
        Some(task) => task.clone_from(cx.waker()),
        none => *none = Some(cx.waker().clone()),
    }
    poll_output(&mut state, worker, cx);
    if !state.outbox.is_empty() {
        worker.channel.outbox().append(&mut state.outbox);
    }
    let _ = worker.channel.poll_flush(cx);
    let ended_before = state.ended;
    while let Poll::Ready(frame) = worker.channel.poll_frame(cx) {
        let taken = frame.and_then(|length| take_frame(&mut state, worker, length));
        if let Err(fault) = taken {
            return Poll::Ready(Err(Stop::Broken(fault)));
        }
    }
    if let Poll::Ready(exit) = worker.process.poll_exit(cx) {
        return Poll::Ready(Err(Stop::Died(exit)));
    }
    if state.ended > ended_before {
        let (count, process) = (state.ended - ended_before, &worker.process);
        let worn = worker.wear.after_calls(count, Instant::now(), || process.memory_bytes());
        state.worn |= worn.is_some();
    }
    match state.commands.pop() {
        Some(command) => Poll::Ready(Ok(command)),
        None if state.leaving && state.calls.is_empty() => Poll::Ready(Err(Stop::Idle)),
        None => Poll::Pending,
    }
}

/// Reads what was printed. It belongs to a call only when there is exactly one.
fn poll_output(state: &mut LineState, worker: &mut Worker, cx: &mut Context<'_>) {
    let mut calls = state.calls.values_mut();
    match (calls.next(), calls.next()) {
        (Some(passenger), None) => {
            let level = passenger.wants.log;
            worker.output.poll(cx, Some(&mut Listener { events: passenger, level }));
        }
        _ => worker.output.poll(cx, None),
    }
}

impl EventSink for Passenger {
    fn event(&mut self, event: Event) {
        self.hear(event);
    }
}

fn take_frame(state: &mut LineState, worker: &mut Worker, length: usize) -> Result<(), Fault> {
    let result_bytes_max = worker.result_bytes_max();
    let body = worker.channel.body(length);
    let frame = wire::decode(body.bytes())?;
    if let Some(passenger) = frame.call().and_then(|id| state.calls.get_mut(&id)) {
        if let Some(findings) = frame.tainted() {
            // It begins no call any more, and skips those that are on their way to it.
            state.leaving = true;
            passenger.tainted = Some(findings);
        }
        match frame {
            Up::Result(result) => passenger.end(result_of(body, &result, result_bytes_max)),
            Up::Error(error) => passenger.end(End::Error(error)),
            Up::Beat(_) | Up::Progress(_) | Up::Log(_) => {
                if matches!(frame, Up::Beat(_) | Up::Progress(_)) {
                    passenger.beat = Some(Instant::now());
                }
                if let Some(event) = event_of(body, frame, passenger.wants) {
                    passenger.hear(event);
                }
                passenger.wake();
            }
            Up::Skipped(_) => passenger.end(End::Skipped),
            Up::Ready(_) | Up::Started(_) | Up::Unknown => {}
        }
        if let Some(end) = &passenger.end {
            state.ended += 1;
            if !matches!(end, End::Skipped) {
                state.started = state.started.max(passenger.number);
            }
        }
    }
    worker.channel.consume(length);
    Ok(())
}

/// Ends every call that is still on the worker.
fn close(line: &Line, stop: Stop) {
    let mut state = line.lock();
    state.note_started(&line.page);
    let started = state.started;
    let suspects = state.calls.values().filter(|call| call.end.is_none() && call.number <= started).count();
    for passenger in state.calls.values_mut() {
        let end = match &stop {
            // Only a call that was alone can have been the one that did it.
            Stop::Died(exit) if suspects <= 1 => End::Died(*exit),
            Stop::Died(exit) => {
                let how = match exit {
                    Exit::Code(code) => format!("with exit code {code}"),
                    Exit::Signal(signal) => format!("by signal {signal}"),
                    Exit::Unknown => "in an unknown way".to_owned(),
                };
                End::Broken(Fault::Shared(format!("it ended {how} while {suspects} calls shared it")))
            }
            Stop::Broken(fault) => End::Broken(Fault::Shared(fault.to_string())),
            Stop::Ended { reason } => End::Broken(Fault::Shared(reason.clone())),
            Stop::Idle => End::Broken(Fault::Closed),
        };
        passenger.end(end);
    }
}
