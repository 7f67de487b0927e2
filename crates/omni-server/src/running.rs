//! A request that is still being answered, and the notifications it sends meanwhile.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::FutureExt;
use omni_call::{Answer, Ask, BoxFuture, CallPort, Event, EventSink, LogLevel};
use omni_protocol::{Encoder, ErrorCode, Frame, Id, Revision, RpcError, error_frame};

use crate::outbox::Outbox;

/// One request on its way to its answer. Whoever holds it drives it; **dropping it cancels the request**.
pub(crate) struct Running {
    id: Id,
    future: Pin<Box<dyn Future<Output = Result<Option<Frame>, Panic>> + Send>>,
    /// What it sends before its answer.
    outbox: Option<Arc<Outbox>>,
    /// How it has ended, when it has.
    answer: Option<Option<Frame>>,
    only_listens: bool,
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
        outbox: Option<Arc<Outbox>>,
    ) -> Self {
        let future = Box::pin(AssertUnwindSafe(future.map(Some)).catch_unwind());
        Running { id, future, outbox, answer: None, only_listens: false }
    }

    /// A request that has no work to do but to tell what changes.
    pub(crate) fn listening(
        id: Id,
        future: impl Future<Output = Frame> + Send + 'static,
        outbox: Arc<Outbox>,
    ) -> Self {
        let mut running = Running::new(id, future, Some(outbox));
        running.only_listens = true;
        running
    }

    /// The stream of a session, which runs for no request.
    pub(crate) fn session_stream(
        future: impl Future<Output = Frame> + Send + 'static,
        outbox: Arc<Outbox>,
    ) -> Self {
        Running::listening(no_id(), future, outbox)
    }

    /// The requests of a batch. They may end without an answer: each was taken back.
    pub(crate) fn of_batch(answers: impl Future<Output = Option<Frame>> + Send + 'static) -> Self {
        let future = Box::pin(AssertUnwindSafe(answers).catch_unwind());
        Running { id: no_id(), future, outbox: None, answer: None, only_listens: false }
    }

    pub(crate) fn only_listens(&self) -> bool {
        self.only_listens
    }

    /// Drives the request until it has something to send; `None` when it has ended without an answer. Not to be called
    /// again after its last step.
    pub(crate) fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Option<Step>> {
        if self.answer.is_none()
            && let Poll::Ready(finished) = self.future.as_mut().poll(cx)
        {
            self.answer = Some(finished.unwrap_or_else(|panic| Some(self.bug(&*panic))));
        }
        if let Some(frame) = self.outbox.as_ref().and_then(|outbox| outbox.pop()) {
            return Poll::Ready(Some(Step::Event(frame)));
        }
        match self.answer.take() {
            Some(answer) => Poll::Ready(answer.map(Step::Done)),
            None => Poll::Pending,
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

impl Drop for Running {
    fn drop(&mut self) {
        // What it would send from now on goes another way, or nowhere.
        if let Some(outbox) = &self.outbox {
            outbox.close();
        }
    }
}

fn no_id() -> Id {
    Id::parse(&Bytes::from_static(b"0")).expect("a literal integer is an id")
}

/// `N` random bytes in hexadecimal digits.
pub(crate) fn random_hex<const N: usize>() -> String {
    let mut bytes = [0u8; N];
    getrandom::fill(&mut bytes).expect("the kernel gives random bytes");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Turns a tool's events into the notifications its client asked for.
pub(crate) struct Notifier {
    pub(crate) encoder: Arc<Encoder>,
    pub(crate) revision: Revision,
    pub(crate) progress_token: Option<Bytes>,
    pub(crate) log_level: Option<LogLevel>,
    /// The last progress value sent: values must grow, whatever the tool reports.
    pub(crate) progress: Option<f64>,
    pub(crate) outbox: Arc<Outbox>,
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
                self.outbox.push(self.encoder.progress(
                    self.revision,
                    token,
                    value,
                    total,
                    message.as_deref(),
                ));
            }
            Event::Log { level, logger, data } => {
                if self.log_level.is_some_and(|wanted| level >= wanted) {
                    self.outbox.push(self.encoder.log(level, logger.as_deref(), &data));
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
        let dropped = self.outbox.take_dropped();
        if dropped > 0 {
            tracing::warn!(dropped, "a client read too slowly: notifications of its call were dropped");
            if self.log_level.is_some() {
                let text =
                    format!("\"{dropped} notifications of this call were dropped: you read too slowly\"");
                let frame = self.encoder.log(LogLevel::Warning, Some("omni"), text.as_bytes());
                // When nobody reads any more, nobody has lost anything either.
                let _ = self.outbox.push_always(frame);
            }
        }
    }
}
