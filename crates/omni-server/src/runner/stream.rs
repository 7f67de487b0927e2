//! The answer to a call: a body that drives the call and sends what it says. Dropping it cancels the call.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::FutureExt;
use omni_call::{
    Answer, Ask, AskRefusal, BoxFuture, CallPort, Event, EventSink, Outcome, OutcomeKind, ServerRequest,
};

use super::line_queue::{LineQueue, SharedLineQueue, lock};
use super::questions::Questions;
use super::shared::RunningCall;
use crate::random::random_hex;

/// Signs of life that come sooner after each other than this are one.
const BEAT_EVERY: Duration = Duration::from_millis(100);

/// Runs a call and yields its lines.
pub(super) struct CallStream {
    id: u64,
    call: Option<Pin<Box<Caught>>>,
    waiting: SharedLineQueue,
    /// The head of the answer has been written.
    head_sent: bool,
    /// Counts the call as running.
    _running: RunningCall,
}

/// What a panic carried.
type Panic = Box<dyn Any + Send>;

/// A call whose panics are caught.
type Caught = dyn Future<Output = Result<(), Panic>> + Send;

impl CallStream {
    /// A stream whose `call` puts its last line into `waiting` before it ends.
    pub(super) fn new(
        id: u64,
        call: impl Future<Output = ()> + Send + 'static,
        waiting: SharedLineQueue,
        running: RunningCall,
    ) -> Self {
        let call = Box::pin(AssertUnwindSafe(call).catch_unwind());
        CallStream { id, call: Some(call), waiting, head_sent: false, _running: running }
    }

    /// The next lines; `None` after the last one.
    pub(super) fn poll_lines(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if !self.head_sent {
            // The head is the retry boundary: it must be with the kernel before the call is with an executor, and it
            // is flushed when its body has nothing to say.
            self.head_sent = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Some(call) = &mut self.call
            && let Poll::Ready(ended) = call.as_mut().poll(cx)
        {
            self.call = None;
            if let Err(panic) = ended {
                self.bug(&*panic);
            }
        }
        let mut waiting = lock(&self.waiting);
        match (waiting.is_empty(), &self.call) {
            (false, _) => Poll::Ready(Some(waiting.take())),
            (true, None) => Poll::Ready(None),
            (true, Some(_)) => Poll::Pending,
        }
    }

    /// A panic of ours costs this one call.
    fn bug(&self, panic: &(dyn Any + Send)) {
        let what =
            panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
        let incident = random_hex::<4>();
        tracing::error!(incident, id = self.id, panic = what.unwrap_or("unknown"), "bug: a call panicked");
        let message = format!("internal error; look for incident {incident} in the runner's log");
        lock(&self.waiting).end(self.id, Outcome::unstarted(OutcomeKind::Lost { message }, Duration::ZERO));
    }
}

/// Receives the events of a call and queues them as lines.
pub(super) struct CallEvents {
    id: u64,
    waiting: SharedLineQueue,
    beat_at: Option<Instant>,
    /// `None` for a call that cannot ask, or whose caller cannot be asked.
    questions: Option<Questions>,
}

impl CallEvents {
    pub(super) fn new(id: u64, waiting: SharedLineQueue, questions: Option<Questions>) -> Self {
        CallEvents { id, waiting, beat_at: None, questions }
    }

    pub(super) fn lines(&self) -> std::sync::MutexGuard<'_, LineQueue> {
        lock(&self.waiting)
    }

    /// Has the caller asked what `say` writes; `unasked` is the answer where it takes no questions.
    fn open(
        &self,
        say: impl FnOnce(&mut LineQueue, u64),
        unasked: impl FnOnce() -> Answer,
    ) -> BoxFuture<'static, Answer> {
        let Some(questions) = &self.questions else { return Box::pin(std::future::ready(unasked())) };
        match questions.open(self.id, &self.waiting, say) {
            Some(asked) => Box::pin(asked),
            None => {
                let message = format!("more than {} questions of this call are open", Ask::OPEN_MAX);
                Box::pin(std::future::ready(Answer::Refused { why: AskRefusal::Failed, message }))
            }
        }
    }
}

impl EventSink for CallEvents {
    fn event(&mut self, event: Event) {
        lock(&self.waiting).event(self.id, &event);
    }

    fn alive(&mut self) {
        let now = Instant::now();
        if self.beat_at.is_none_or(|at| now.duration_since(at) >= BEAT_EVERY) {
            self.beat_at = Some(now);
            lock(&self.waiting).beat(self.id);
        }
    }
}

impl CallPort for CallEvents {
    fn ask(&mut self, ask: Ask) -> BoxFuture<'static, Answer> {
        let id = self.id;
        let unsupported = || Answer::unsupported(ask.method);
        self.open(|lines, number| lines.ask(id, number, &ask), unsupported)
    }

    /// Whoever called the runner has the tools, the client and what is kept for it.
    fn request(&mut self, request: ServerRequest) -> BoxFuture<'static, Answer> {
        // Whoever does it may send calls here again, of which nobody knows whose they are.
        request.child.ask_for_any();
        let id = self.id;
        let no_server = || Answer::no_server(request.method);
        self.open(|lines, number| lines.request(id, number, &request), no_server)
    }
}
