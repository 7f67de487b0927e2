//! One async call's hold on a worker that it shares, and what all calls there share with the task that serves it.

use std::collections::{HashMap, HashSet};
use std::future::poll_fn;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use omni_call::{Call, CallPort, Event, SkillId};
use omni_process::{OutputListener, PrintedOutput, StatusPage, TempFolder};
use tokio::sync::{Notify, oneshot};
use tokio::time::{sleep, timeout};

use crate::attempt::{AttemptResult, AttemptSite, FrameReader};
use crate::bounds::{CANCEL_PATIENCE, REVOKED_FOR};
use crate::call_slot::{CallSlot, SlotWhileRunning};
use crate::questions::{PendingAnswers, QuestionFrame, QuestionNumbers};
use crate::wire::{self, WireError};
use crate::within::poll_within;

/// Events of one call at most that wait until its caller takes them. More are dropped, since the worker must never wait
/// for a caller.
const EVENTS_WAITING_MAX: usize = 256;

/// The same for those that must not be lost. Whoever reads takes all that wait, so more than this is a tool that changes
/// something thousands of times while the front does one step.
const CHANGES_WAITING_MAX: usize = 16 * EVENTS_WAITING_MAX;

/// When calls wait and for so long none has begun or ended, though the worker imports nothing, a tool blocks the event
/// loop. A worker that is merely busy begins and ends calls all the time.
const STALL_AFTER: Duration = Duration::from_secs(1);

/// How often this is checked while calls wait.
pub(super) const STALL_CHECK_EVERY: Duration = Duration::from_millis(250);

/// What the calls on one worker share with the task that serves it.
pub(super) struct SharedWorker {
    pub(super) page: Arc<StatusPage>,
    /// The generation of workers that it belongs to.
    pub(super) generation: u64,
    /// The worker's folder for temporary files, which all calls share.
    pub(super) temp: Option<Arc<TempFolder>>,
    /// A part of a result at most, in bytes.
    pub(super) result_bytes_max: usize,
    pub(super) state: Mutex<SharedWorkerState>,
    /// Wakes calls that wait in [`cancels_over`](Self::cancels_over).
    pub(super) cancel_over: Notify,
}

#[derive(Default)]
pub(super) struct SharedWorkerState {
    pub(super) calls: HashMap<u64, PendingCall>,
    /// Frames to be sent.
    pub(super) outbox: Vec<u8>,
    /// How many bytes were written to the worker before those in the outbox.
    pub(super) outbox_at: u64,
    pub(super) commands: Vec<WorkerCommand>,
    /// Wakes the serving task.
    pub(super) task: Option<Waker>,
    /// How many calls have been sent so far.
    pub(super) begun: u64,
    /// How many calls have ended.
    pub(super) ended: u64,
    /// How many cancelled calls have not ended yet. The worker is ended if one of them does not obey in time.
    pub(super) cancelling: u32,
    /// The highest number of a call that is known to have started. Calls start in the order in which they were sent, so
    /// all lower ones have started too.
    pub(super) started: u64,
    /// The worker has reached a limit of its use, or is stalled: it is to be replaced.
    pub(super) worn: bool,
    /// A tool blocks the worker's event loop, and calls wait.
    pub(super) stalled: bool,
    /// When to check next whether the calls that were sent have begun.
    pub(super) next_check: Option<Instant>,
    /// How many calls had begun and ended at the last check at which either number had changed, and when that was.
    pub(super) seen: Option<(u64, u64, Instant)>,
    /// Skills of which it has imported files, or may have.
    pub(super) loaded: HashSet<SkillId>,
    /// The worker has been replaced: it takes no further call, and exits when its calls have ended.
    pub(super) retiring: bool,
    /// The worker is being ended, and takes no further call.
    pub(super) closed: bool,
}

/// One call on a shared worker.
pub(super) struct PendingCall {
    /// Counted from 1 in the order of sending.
    pub(super) number: u64,
    pub(super) reader: FrameReader,
    pub(super) numbers: QuestionNumbers,
    /// What it has asked and its caller has not taken yet.
    pub(super) asked: Vec<QuestionFrame>,
    pub(super) events: Vec<Event>,
    /// What it has printed; `None` before it prints.
    pub(super) printed: Option<Box<PrintedOutput>>,
    /// How many bytes it has printed that have become no events.
    pub(super) left_out: u64,
    pub(super) beat: Option<Instant>,
    pub(super) end: Option<AttemptResult>,
    /// What it has done to the process, as a JSON array.
    pub(super) contamination: Option<Box<str>>,
    pub(super) waker: Option<Waker>,
}

pub(super) enum WorkerCommand {
    /// Asks Python for the stack of a call.
    Stack { skill_dir: PathBuf, id: u64, reply: oneshot::Sender<Option<String>> },
    /// Ends the worker. Its calls end with this reason.
    End { reason: String },
}

impl SharedWorker {
    pub(super) fn lock(&self) -> MutexGuard<'_, SharedWorkerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn command(&self, command: WorkerCommand) {
        let mut state = self.lock();
        state.commands.push(command);
        state.wake_task();
    }

    pub(super) fn next_check(&self) -> Option<Instant> {
        self.lock().next_check
    }

    /// Waits until no cancelled call is left that may yet cost the worker its life, at most [`CANCEL_PATIENCE`]: a call
    /// that began there meanwhile would be lost with the worker, through no fault of its own.
    pub(super) async fn cancels_over(&self) {
        loop {
            let over = self.cancel_over.notified();
            if self.lock().cancelling == 0 {
                return;
            }
            over.await;
        }
    }

    pub(super) fn is(&self, other: &SharedWorker) -> bool {
        std::ptr::eq(self, other)
    }

    /// Has the worker exit when its calls have ended, and take no further call.
    pub(super) fn retire(&self) {
        let mut state = self.lock();
        state.retiring = true;
        state.wake_task();
    }

    /// Whether a tool blocks the event loop, so that a call has not begun that should have. Sets when to check again.
    pub(super) fn is_stalled(&self, now: Instant) -> bool {
        let mut state = self.lock();
        if state.next_check.is_none_or(|at| now < at) {
            return false;
        }
        state.note_started(&self.page);
        let (started, ended) = (state.started, state.ended);
        if !state.calls.values().any(|call| call.end.is_none() && call.number > started) {
            (state.next_check, state.seen) = (None, None);
            return false;
        }
        state.next_check = Some(now + STALL_CHECK_EVERY);
        let since = match state.seen {
            Some((begun, over, at)) if (begun, over) == (started, ended) => at,
            _ => {
                state.seen = Some((started, ended, now));
                return false;
            }
        };
        // Before its first call a worker may still be starting.
        now >= since + STALL_AFTER && started > 0 && !self.page.importing()
    }

    /// Has the calls that have not begun run on another worker. No more are sent here.
    ///
    /// A call must never run twice, and the event loop of this worker may go on at any moment. So all calls up to the
    /// newest are revoked on the status page first. The worker notes a call as begun before it looks there for what is
    /// revoked. [`REVOKED_FOR`] later, a call that is not noted as begun never will be, and may run elsewhere (decision
    /// 0038). A call that was noted as begun and then found revoked is skipped, which the worker says by a frame; until
    /// that comes, it counts as begun.
    pub(super) async fn requeue_unstarted(&self) {
        let Some(newest) = self.lock().calls.keys().max().copied() else { return };
        self.page.revoke(newest);
        sleep(REVOKED_FOR).await;
        let mut state = self.lock();
        state.note_started(&self.page);
        let started = state.started;
        for call in state.calls.values_mut().filter(|call| call.end.is_none() && call.number > started) {
            call.end(AttemptResult::Skipped);
        }
    }

    pub(super) async fn stack(&self, skill_dir: PathBuf, id: u64) -> Option<String> {
        let (reply, answer) = oneshot::channel();
        self.command(WorkerCommand::Stack { skill_dir, id, reply });
        answer.await.ok().flatten()
    }
}

impl SharedWorkerState {
    pub(super) fn wake_task(&mut self) {
        if let Some(task) = self.task.take() {
            task.wake();
        }
    }

    /// Has the worker ended, and its calls with this reason. It takes no further call from now on.
    fn end(&mut self, reason: &str) {
        self.retiring = true;
        self.commands.push(WorkerCommand::End { reason: reason.to_owned() });
        self.wake_task();
    }

    /// Notes from the worker's status page which calls have started.
    ///
    /// The page names one call (decision 0003), and here many run at once. That is enough: calls begin in the order in
    /// which their frames were sent, so those that were sent before the one that is named have begun too. The highest
    /// number that was ever seen is kept, since the call that the page names may have ended and be unknown here.
    pub(super) fn note_started(&mut self, page: &StatusPage) {
        let number = match page.last_started() {
            Some(id) => self.calls.get(&id).map_or(0, |pending| pending.number),
            // The page cannot be read. Then all count as started, since what has started is not run again.
            None => self.begun,
        };
        self.started = self.started.max(number);
    }
}

impl PendingCall {
    pub(super) fn new(number: u64, reader: FrameReader) -> Self {
        PendingCall {
            number,
            reader,
            numbers: QuestionNumbers::default(),
            asked: Vec::new(),
            events: Vec::new(),
            printed: None,
            left_out: 0,
            beat: None,
            end: None,
            contamination: None,
            waker: None,
        }
    }

    pub(super) fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Passes a question on, unless the call has ended and nobody waits for the answer.
    pub(super) fn ask(&mut self, asking: QuestionFrame) {
        if self.end.is_none() {
            self.asked.push(asking);
        }
        self.wake();
    }

    /// Notes a sign of life, and keeps the event that came with it.
    pub(super) fn alive(&mut self, event: Option<Event>) {
        self.beat = Some(Instant::now());
        match event {
            Some(event) => self.push_event(event),
            None => self.wake(),
        }
    }

    pub(super) fn push_event(&mut self, event: Event) {
        let max = if event.may_be_lost() { EVENTS_WAITING_MAX } else { CHANGES_WAITING_MAX };
        if self.events.len() < max {
            self.events.push(event);
        } else if let Event::Log { data, .. } = event {
            self.left_out += data.len() as u64;
        }
        self.wake();
    }

    /// Has `take` record what the call has printed, which is a sign of life.
    pub(super) fn print(
        &mut self,
        tail_bytes_max: usize,
        take: impl FnOnce(&mut PrintedOutput, &mut OutputListener<'_>),
    ) {
        let mut printed = self.printed.take().unwrap_or_else(|| Box::new(PrintedOutput::new(tail_bytes_max)));
        let level = self.reader.wants.log;
        take(&mut printed, &mut OutputListener { events: self, level });
        self.printed = Some(printed);
        self.beat = Some(Instant::now());
        self.wake();
    }

    pub(super) fn end(&mut self, end: AttemptResult) {
        if let Some(mut printed) = self.printed.take() {
            let level = self.reader.wants.log;
            printed.end(&mut OutputListener { events: self, level });
            self.printed = Some(printed);
        }
        if self.end.is_none() {
            self.end = Some(end);
        }
        self.wake();
    }
}

/// A call that runs on a shared worker, for as long as its caller waits. Dropping it before the end cancels the call.
/// When the call does not end within [`CANCEL_PATIENCE`], the worker is ended: its event loop is blocked, or the tool
/// ignores the cancellation.
pub(super) struct CallGuard {
    shared: Arc<SharedWorker>,
    id: u64,
    number: u64,
    /// No call of its skill was sent there before.
    is_first_of_skill: bool,
    over: bool,
    /// What the call has done to the process, as a JSON array.
    contamination: Option<Box<str>>,
    /// The end of what the call has printed to standard error, when it has ended.
    stderr: Option<String>,
}

impl CallGuard {
    /// Sends the call. `None` when the worker takes no more.
    pub(super) fn begin(shared: Arc<SharedWorker>, call: &Call, attempt: u32) -> Option<Self> {
        let id = call.id.0;
        if let Some(temp) = shared.temp.as_ref().filter(|_| call.spec.keep_temp) {
            temp.keep();
        }
        let mut state = shared.lock();
        if state.closed || state.retiring {
            return None;
        }
        let is_first_of_skill = state.loaded.insert(call.spec.code().skill);
        state.begun += 1;
        let number = state.begun;
        let now = Instant::now();
        wire::push_call(
            &mut state.outbox,
            call,
            wire::DispatchInfo { id, info: wire::AttemptInfo::of(call, attempt), now },
        );
        state.next_check.get_or_insert(now + STALL_CHECK_EVERY);
        let reader = FrameReader::of(call, call.spec.may_ask(), shared.result_bytes_max);
        state.calls.insert(id, PendingCall::new(number, reader));
        state.wake_task();
        drop(state);
        Some(CallGuard {
            shared,
            id,
            number,
            is_first_of_skill,
            over: false,
            contamination: None,
            stderr: None,
        })
    }

    pub(super) fn worker(&self) -> &Arc<SharedWorker> {
        &self.shared
    }

    /// Whether it was the first call of its skill there, so that nothing had been imported before.
    pub(super) fn is_first_of_skill(&self) -> bool {
        self.is_first_of_skill
    }

    /// Drives the call to its end, reports what it says to `port`, and passes on what it asks. While it waits for its
    /// client, `slot` is released.
    pub(super) async fn finish(
        &mut self,
        call: &mut Call,
        port: &mut dyn CallPort,
        slot: &mut dyn CallSlot,
    ) -> AttemptResult {
        port.begun();
        let mut pending_answers = PendingAnswers::default();
        let mut slot = SlotWhileRunning::new(slot);
        poll_within(call, |cx, call| {
            let end = self.poll(cx, call, port, &mut pending_answers);
            if end.is_pending() && !pending_answers.is_empty() {
                self.poll_answers(cx, call, &mut pending_answers);
            }
            slot.note(|executor| end.is_pending() && pending_answers.lends(executor));
            end
        })
        .await
        .unwrap_or_else(AttemptResult::Expired)
    }

    /// Sends the answers that have come to the call's questions.
    fn poll_answers(&self, cx: &mut Context<'_>, call: &mut Call, pending_answers: &mut PendingAnswers) {
        while let Some((number, answer)) = pending_answers.poll(cx, &mut call.deadline) {
            let mut state = self.shared.lock();
            let SharedWorkerState { calls, outbox, outbox_at, .. } = &mut *state;
            let Some(pending) = calls.get_mut(&self.id) else { return };
            // The call may have taken the question back by now.
            if pending.numbers.answer(number) {
                wire::push_answer(outbox, self.id, number, &answer);
                pending.numbers.written(*outbox_at + outbox.len() as u64);
                state.wake_task();
            }
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        call: &mut Call,
        port: &mut dyn CallPort,
        pending_answers: &mut PendingAnswers,
    ) -> Poll<AttemptResult> {
        let (beat, events, asked, left_out, end) = {
            let mut state = self.shared.lock();
            let Some(pending) = state.calls.get_mut(&self.id) else {
                return Poll::Ready(AttemptResult::Broken(WireError::Closed));
            };
            let beat = pending.beat.take();
            if let Some(at) = beat {
                call.deadline.beat(at);
            }
            pending.waker = Some(cx.waker().clone());
            self.contamination = pending.contamination.take();
            let end = pending.end.take();
            if end.is_some() {
                self.stderr = pending.printed.as_ref().and_then(|printed| printed.stderr_tail());
            }
            let left_out = std::mem::take(&mut pending.left_out);
            let asked = std::mem::take(&mut pending.asked);
            (beat, std::mem::take(&mut pending.events), asked, left_out, end)
        };
        if beat.is_some() {
            port.alive();
        }
        events.into_iter().for_each(|event| port.event(event));
        if left_out > 0 {
            port.left_out(left_out);
        }
        if end.is_none() {
            asked.into_iter().for_each(|asking| pending_answers.take(asking, &mut call.deadline, port));
        }
        match end {
            None => Poll::Pending,
            Some(end) => {
                self.over = true;
                Poll::Ready(end)
            }
        }
    }
}

impl AttemptSite for CallGuard {
    fn has_started(&self) -> bool {
        let mut state = self.shared.lock();
        state.note_started(&self.shared.page);
        state.started >= self.number
    }

    fn take_contamination(&mut self) -> Option<Box<str>> {
        self.contamination.take()
    }

    fn stderr_tail(&self) -> Option<String> {
        let printed = || {
            let state = self.shared.lock();
            state.calls.get(&self.id).and_then(|call| call.printed.as_ref()?.stderr_tail())
        };
        self.stderr.clone().or_else(printed)
    }

    async fn stack(&mut self, call: &Call) -> Option<String> {
        let dir = call.spec.target.dir()?;
        self.shared.stack(dir.to_owned(), self.id).await
    }
}

impl Drop for CallGuard {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if self.over || state.closed {
            state.calls.remove(&self.id);
            if state.retiring {
                state.wake_task();
            }
            return;
        }
        wire::push_cancel(&mut state.outbox, self.id);
        state.wake_task();
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => {
                state.cancelling += 1;
                drop(state);
                drop(runtime.spawn(await_cancel(Arc::clone(&self.shared), self.id)));
            }
            // Outside a runtime nothing can wait for the call's end, so the worker is ended at once.
            Err(_) => state.end(UNCANCELLED_NEIGHBOUR),
        }
    }
}

const UNCANCELLED_NEIGHBOUR: &str = "another call that shared its worker did not end when it was told to";

/// Waits for a cancelled call to end, and ends its worker when it does not.
async fn await_cancel(shared: Arc<SharedWorker>, id: u64) {
    let ended = poll_fn(|cx| {
        let mut state = shared.lock();
        match state.calls.get_mut(&id) {
            Some(pending) if pending.end.is_none() => {
                pending.waker = Some(cx.waker().clone());
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    });
    let obeyed = timeout(CANCEL_PATIENCE, ended).await.is_ok();
    {
        let mut state = shared.lock();
        state.calls.remove(&id);
        state.cancelling -= 1;
        if !obeyed {
            state.end(UNCANCELLED_NEIGHBOUR);
        }
        state.wake_task();
    }
    shared.cancel_over.notify_waiters();
}
