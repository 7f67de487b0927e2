//! Response bodies: one frame, or a stream of events that drives its request.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt};
use http_body::{Body, Frame as BodyFrame, SizeHint};
use omni_protocol::{COMMENT, Frame, event_parts};
use tokio::time::{Instant, Sleep, sleep};

use super::counted_answer::counted;
use super::resume::StreamReader;
use crate::admission::{BusyGuard, PeerAccount, Permit};
use crate::running_request::RequestOutput;
use crate::session::InFlightRequest;

/// How often a quiet stream gets a comment line. Below the minute after which a big client gives up.
pub(super) const COMMENT_EVERY: Duration = Duration::from_secs(15);

/// What a request holds until its reply is written.
#[derive(Default)]
pub(crate) struct HeldPermits {
    /// The bytes of its body.
    pub(crate) bytes: Option<Permit>,
    /// Keeps its connection from being closed to make room.
    pub(crate) work: Option<BusyGuard>,
}

/// The body of any reply.
pub(crate) enum ReplyBody {
    Whole {
        parts: VecDeque<Bytes>,
        left: u64,
    },
    Events(Box<EventStream>),
    /// The same, until the credentials are taken back that asked for it. Then the stream is dropped, which cancels its
    /// request, and the body ends.
    RevocableEvents {
        events: Option<Box<EventStream>>,
        revoked: Pin<Box<dyn Future<Output = ()> + Send>>,
    },
    /// Events as they are written.
    Stream(BoxStream<'static, Bytes>),
}

impl ReplyBody {
    pub(crate) fn empty() -> Self {
        ReplyBody::Whole { parts: VecDeque::new(), left: 0 }
    }

    pub(crate) fn frame(frame: Frame) -> Self {
        let left = frame.len() as u64;
        ReplyBody::Whole { parts: frame.into_parts().collect(), left }
    }
}

/// The events of one request, ending with its answer, or of a session. **Dropping it** (the client closed the
/// connection) **cancels the request**, unless its client can resume it.
pub(crate) struct EventStream {
    source: EventSource,
    /// What is left of the event that goes out now.
    parts: VecDeque<Bytes>,
    comment: Pin<Box<Sleep>>,
    /// When the connection is closed although there is more to come: the client asks for the rest.
    closes: Option<Pin<Box<Sleep>>>,
    account: PeerAccount,
    held: HeldPermits,
}

/// Where the events come from.
enum EventSource {
    /// A request, or `None` when it has ended.
    Request(Option<InFlightRequest>),
    /// A stream that goes on without this connection.
    Resumable(StreamReader),
}

impl EventStream {
    /// Whether it only tells what happens, and answers nothing that its connection is at work for.
    pub(crate) fn only_listens(&self) -> bool {
        self.held.work.is_none()
    }

    /// A stream that begins with `first`, if there is something to send already, and goes on as `request` does. Without
    /// one it ends with the first.
    pub(crate) fn new(
        request: Option<InFlightRequest>,
        first: Option<Frame>,
        account: PeerAccount,
        held: HeldPermits,
    ) -> Self {
        // Without an event a comment goes first, so that headers and stream reach the client at once.
        let parts = match first {
            None => VecDeque::from([Bytes::from_static(COMMENT)]),
            Some(frame) => event_parts(frame, None).collect(),
        };
        EventStream::of(EventSource::Request(request), parts, account, held)
    }

    /// What `reader` reads. After `closes_after`, if that is given, the connection is closed.
    pub(super) fn resumable(
        reader: StreamReader,
        closes_after: Option<Duration>,
        account: PeerAccount,
        held: HeldPermits,
    ) -> Self {
        let mut stream = EventStream::of(EventSource::Resumable(reader), VecDeque::new(), account, held);
        stream.closes = closes_after.map(|after| Box::pin(sleep(after)));
        stream
    }

    fn of(source: EventSource, parts: VecDeque<Bytes>, account: PeerAccount, held: HeldPermits) -> Self {
        let comment = Box::pin(sleep(COMMENT_EVERY));
        EventStream { source, parts, comment, closes: None, account, held }
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(part) = self.parts.pop_front() {
            return Poll::Ready(Some(part));
        }
        if let Poll::Ready(parts) = self.source.poll_parts(&self.account, cx) {
            self.parts = parts.unwrap_or_default();
            return Poll::Ready(self.parts.pop_front());
        }
        if self.closes.as_mut().is_some_and(|closes| closes.as_mut().poll(cx).is_ready()) {
            return Poll::Ready(None);
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

impl EventSource {
    /// The next event; `None` when there is none any more.
    fn poll_parts(&mut self, account: &PeerAccount, cx: &mut Context<'_>) -> Poll<Option<VecDeque<Bytes>>> {
        let request = match self {
            EventSource::Resumable(reader) => return reader.poll_event(cx),
            EventSource::Request(request) => request,
        };
        let Some(running) = request else { return Poll::Ready(None) };
        let frame = match ready!(running.poll_output(cx)) {
            Some(RequestOutput::Event(frame)) => Some(frame),
            Some(RequestOutput::Done(frame)) => {
                *request = None;
                Some(counted(frame, account))
            }
            // The client took the request back: nothing more is sent for it, the stream just ends.
            None => {
                *request = None;
                None
            }
        };
        Poll::Ready(frame.map(|frame| event_parts(frame, None).collect()))
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
            ReplyBody::RevocableEvents { events, revoked } => {
                if events.is_some() && revoked.as_mut().poll(cx).is_ready() {
                    *events = None;
                }
                match events {
                    Some(stream) => stream.poll_event(cx),
                    None => Poll::Ready(None),
                }
            }
            ReplyBody::Stream(stream) => stream.poll_next_unpin(cx),
        };
        data.map(|data| data.map(|bytes| Ok(BodyFrame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, ReplyBody::Whole { left: 0, .. })
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            ReplyBody::Whole { left, .. } => SizeHint::with_exact(*left),
            ReplyBody::Events(_) | ReplyBody::RevocableEvents { .. } | ReplyBody::Stream(_) => {
                SizeHint::default()
            }
        }
    }
}
