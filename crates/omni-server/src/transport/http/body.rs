//! Response bodies: one frame, or a stream of events that drives its request.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame as BodyFrame, SizeHint};
use omni_protocol::{COMMENT, Frame, event};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::{Instant, Sleep, sleep};

use crate::running::{Running, Step};
use crate::session::InFlight;

/// How often a quiet stream gets a comment line. Below the minute after which a big client gives up.
const COMMENT_EVERY: Duration = Duration::from_secs(15);

/// What a request holds until its reply is written.
pub(crate) struct Held {
    /// Its share of the byte budget.
    pub(crate) _budget: OwnedSemaphorePermit,
    /// Its id, in a legacy session.
    pub(crate) _in_flight: Option<InFlight>,
}

/// The body of any reply.
pub(crate) enum ReplyBody {
    Whole { parts: VecDeque<Bytes>, left: u64 },
    Events(Box<EventStream>),
}

impl ReplyBody {
    pub(crate) fn empty() -> Self {
        ReplyBody::Whole { parts: VecDeque::new(), left: 0 }
    }

    pub(crate) fn frame(frame: Frame) -> Self {
        let left = frame.len() as u64;
        let parts =
            [frame.head, frame.body, frame.tail].into_iter().filter(|part| !part.is_empty()).collect();
        ReplyBody::Whole { parts, left }
    }
}

/// The events of one request, ending with its answer. **Dropping it** (the client closed the connection)
/// **cancels the request.**
pub(crate) struct EventStream {
    running: Option<Running>,
    cancelled: Option<oneshot::Receiver<()>>,
    first: Option<Bytes>,
    comment: Pin<Box<Sleep>>,
    _held: Held,
}

impl EventStream {
    /// A stream that begins with `first`, if there is something to send already.
    pub(crate) fn new(
        running: Running,
        cancelled: Option<oneshot::Receiver<()>>,
        first: Option<&Frame>,
        held: Held,
    ) -> Self {
        // Without an event a comment goes first, so that headers and stream reach the client at once.
        let first = first.map_or(Bytes::from_static(COMMENT), |frame| event(&frame.parts()));
        EventStream {
            running: Some(running),
            cancelled,
            first: Some(first),
            comment: Box::pin(sleep(COMMENT_EVERY)),
            _held: held,
        }
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(first));
        }
        if let Some(cancelled) = &mut self.cancelled
            && Pin::new(cancelled).poll(cx).is_ready()
        {
            // The client took the request back: nothing more is sent for it, the stream just ends.
            self.cancelled = None;
            self.running = None;
        }
        let Some(running) = &mut self.running else { return Poll::Ready(None) };
        match running.poll_step(cx) {
            Poll::Ready(Step::Event(frame)) => return Poll::Ready(Some(event(&frame.parts()))),
            Poll::Ready(Step::Done(frame)) => {
                self.running = None;
                return Poll::Ready(Some(event(&frame.parts())));
            }
            Poll::Pending => {}
        }
        if self.comment.as_mut().poll(cx).is_ready() {
            self.comment.as_mut().reset(Instant::now() + COMMENT_EVERY);
            // Registers the timer anew.
            let _ = self.comment.as_mut().poll(cx);
            return Poll::Ready(Some(Bytes::from_static(COMMENT)));
        }
        Poll::Pending
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyFrame<Bytes>, Infallible>>> {
        let data = match self.get_mut() {
            ReplyBody::Whole { parts, left } => {
                let part = parts.pop_front();
                *left -= part.as_ref().map_or(0, |part| part.len() as u64);
                Poll::Ready(part)
            }
            ReplyBody::Events(stream) => stream.poll_event(cx),
        };
        data.map(|data| data.map(|bytes| Ok(BodyFrame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, ReplyBody::Whole { left: 0, .. })
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            ReplyBody::Whole { left, .. } => SizeHint::with_exact(*left),
            ReplyBody::Events(_) => SizeHint::default(),
        }
    }
}
