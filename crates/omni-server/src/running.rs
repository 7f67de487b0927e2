//! A request that is still being answered, and the notifications it sends meanwhile.

use std::any::Any;
use std::collections::VecDeque;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::FutureExt;
use omni_call::{Answer, Ask, BoxFuture, CallPort, Event, EventSink, LogLevel};
use omni_protocol::{Encoder, ErrorCode, Frame, Id, Revision, RpcError, error_frame};

/// Notifications that one request may have waiting. A client that reads slower than its tool talks loses
/// the ones beyond, and is told how many.
const EVENTS_WAITING_MAX: usize = 1_000;

/// The same in bytes. One is always taken, however long it is.
const EVENTS_WAITING_BYTES_MAX: usize = 1 << 20;

/// One request on its way to its answer. Whoever holds it drives it; **dropping it cancels the request**.
pub(crate) struct Running {
    id: Id,
    future: Pin<Box<dyn Future<Output = Result<Frame, Panic>> + Send>>,
    events: Option<Arc<EventQueue>>,
    done: Option<Frame>,
}

/// What a panic carried.
type Panic = Box<dyn Any + Send>;

/// What a running request has to send next.
pub(crate) enum Step {
    /// A notification; more will follow.
    Event(Frame),
    /// The answer; nothing follows.
    Done(Frame),
}

impl Running {
    pub(crate) fn new(
        id: Id,
        future: impl Future<Output = Frame> + Send + 'static,
        events: Option<Arc<EventQueue>>,
    ) -> Self {
        Running { id, future: Box::pin(AssertUnwindSafe(future).catch_unwind()), events, done: None }
    }

    /// Something that runs for no single request: a batch, or the stream of a session.
    pub(crate) fn without_id(
        future: impl Future<Output = Frame> + Send + 'static,
        events: Option<Arc<EventQueue>>,
    ) -> Self {
        let id = Id::parse(&Bytes::from_static(b"0")).expect("a literal integer is an id");
        Running::new(id, future, events)
    }

    /// A request that has only its answer left to send.
    pub(crate) fn finished(frame: Frame) -> Self {
        Running { done: Some(frame), ..Running::without_id(std::future::pending(), None) }
    }

    /// Drives the request until it has something to send.
    pub(crate) fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        if self.done.is_none()
            && let Poll::Ready(finished) = self.future.as_mut().poll(cx)
        {
            self.done = Some(finished.unwrap_or_else(|panic| self.bug(&*panic)));
        }
        if let Some(frame) = self.events.as_ref().and_then(|events| events.pop()) {
            return Poll::Ready(Step::Event(frame));
        }
        match self.done.take() {
            Some(frame) => Poll::Ready(Step::Done(frame)),
            None => Poll::Pending,
        }
    }

    /// Waits for the next step. Dropping the wait loses nothing.
    pub(crate) async fn step(&mut self) -> Step {
        std::future::poll_fn(|cx| self.poll_step(cx)).await
    }

    /// Waits for the answer and drops the notifications before it, for clients that take none.
    pub(crate) async fn answer(mut self) -> Frame {
        loop {
            if let Step::Done(frame) = self.step().await {
                return frame;
            }
        }
    }

    /// A panic of ours costs this one request: the client gets a number that stands in the log too.
    fn bug(&self, panic: &(dyn Any + Send)) -> Frame {
        let what =
            panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
        let incident = random_hex::<4>();
        tracing::error!(incident, id = ?self.id, panic = what.unwrap_or("unknown"), "bug: a request panicked");
        let message = format!("internal error; look for incident {incident} in the server's log");
        error_frame(Some(&self.id), &RpcError::new(ErrorCode::Internal, message))
    }
}

/// `N` random bytes in hexadecimal digits.
pub(crate) fn random_hex<const N: usize>() -> String {
    let mut bytes = [0u8; N];
    getrandom::fill(&mut bytes).expect("the kernel gives random bytes");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Frames that a running request wants sent before its answer.
#[derive(Default)]
pub(crate) struct EventQueue {
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    frames: VecDeque<Frame>,
    bytes: usize,
    dropped: usize,
}

impl EventQueue {
    pub(crate) fn push(&self, frame: Frame) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let room = waiting.frames.len() < EVENTS_WAITING_MAX
            && waiting.bytes.saturating_add(frame.len()) <= EVENTS_WAITING_BYTES_MAX;
        if room || waiting.frames.is_empty() {
            waiting.bytes += frame.len();
            waiting.frames.push_back(frame);
        } else {
            waiting.dropped += 1;
        }
    }

    fn pop(&self) -> Option<Frame> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let frame = waiting.frames.pop_front()?;
        waiting.bytes -= frame.len();
        Some(frame)
    }

    fn take_dropped(&self) -> usize {
        std::mem::take(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner).dropped)
    }
}

/// Turns a tool's events into the notifications its client asked for.
pub(crate) struct Notifier {
    pub(crate) encoder: Arc<Encoder>,
    pub(crate) revision: Revision,
    pub(crate) progress_token: Option<Bytes>,
    pub(crate) log_level: Option<LogLevel>,
    /// The last progress value sent: values must grow, whatever the tool reports.
    pub(crate) progress: Option<f64>,
    pub(crate) queue: Arc<EventQueue>,
}

impl EventSink for Notifier {
    fn event(&mut self, event: Event) {
        match event {
            Event::Progress { value, total, message } => {
                let Some(token) = &self.progress_token else { return };
                if self.progress.is_some_and(|last| value <= last) || !value.is_finite() {
                    return;
                }
                self.progress = Some(value);
                self.queue.push(self.encoder.progress(
                    self.revision,
                    token,
                    value,
                    total,
                    message.as_deref(),
                ));
            }
            Event::Log { level, logger, data } => {
                if self.log_level.is_some_and(|wanted| level >= wanted) {
                    self.queue.push(self.encoder.log(level, logger.as_deref(), &data));
                }
            }
        }
    }
}

impl CallPort for Notifier {
    fn ask(&mut self, ask: Ask) -> BoxFuture<'static, Answer> {
        Box::pin(std::future::ready(Answer::unsupported(ask.method)))
    }
}

impl Notifier {
    /// Says how many notifications were lost, if any were. To be called when the call has ended.
    pub(crate) fn report_dropped(&self) {
        let dropped = self.queue.take_dropped();
        if dropped > 0 {
            tracing::warn!(dropped, "a client read too slowly: notifications of its call were dropped");
            if self.log_level.is_some() {
                let text =
                    format!("\"{dropped} notifications of this call were dropped: you read too slowly\"");
                let frame = self.encoder.log(LogLevel::Warning, Some("omni"), text.as_bytes());
                let mut waiting = self.queue.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                waiting.bytes += frame.len();
                waiting.frames.push_back(frame);
            }
        }
    }
}
