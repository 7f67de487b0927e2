//! Response bodies: one frame, or a stream of events that drives its request.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame as BodyFrame, SizeHint};
use omni_protocol::{COMMENT, Frame, event_parts};
use tokio::time::{Instant, Sleep, sleep};

use crate::admission::{BusyGuard, PeerAccount, Permit, Quantity};
use crate::running_request::RequestOutput;
use crate::session::InFlightRequest;

/// How often a quiet stream gets a comment line. Below the minute after which a big client gives up.
const COMMENT_EVERY: Duration = Duration::from_secs(15);

/// What a request holds until its reply is written.
#[derive(Default)]
pub(crate) struct HeldPermits {
    /// The bytes of its body.
    pub(crate) _bytes: Option<Permit>,
    /// Keeps its connection from being closed to make room.
    pub(crate) _work: Option<BusyGuard>,
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

/// An answer up to this size is not counted while it waits to be read: it fits into what the kernel holds.
const UNCOUNTED_BYTES_MAX: usize = 16 << 10;

/// Has the answer's bytes counted as the peer's until the last of them is written.
pub(crate) fn counted(frame: Frame, account: &PeerAccount) -> Frame {
    if frame.len() <= UNCOUNTED_BYTES_MAX {
        return frame;
    }
    let permit = Arc::new(account.charge(Quantity::AnswerBytes, frame.len()));
    // The permit goes with the bytes: the body is dropped when they are handed to a buffer, not when they are out.
    let count = |bytes: Bytes| match bytes.is_empty() {
        true => bytes,
        false => Bytes::from_owner(Counted { bytes, _permit: permit.clone() }),
    };
    let Frame { head, body, middle, second, tail, error } = frame;
    Frame {
        head: count(head),
        body: count(body),
        middle: count(middle),
        second: count(second),
        tail: count(tail),
        error,
    }
}

struct Counted {
    bytes: Bytes,
    _permit: Arc<Permit>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The events of one request, ending with its answer. **Dropping it** (the client closed the connection)
/// **cancels the request.**
pub(crate) struct EventStream {
    /// `None` when it has ended.
    request: Option<InFlightRequest>,
    /// What is left of the event that goes out now.
    parts: VecDeque<Bytes>,
    comment: Pin<Box<Sleep>>,
    account: PeerAccount,
    _held: HeldPermits,
}

impl EventStream {
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
            Some(frame) => event_parts(frame).collect(),
        };
        let comment = Box::pin(sleep(COMMENT_EVERY));
        EventStream { request, parts, comment, account, _held: held }
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(part) = self.parts.pop_front() {
            return Poll::Ready(Some(part));
        }
        let Some(request) = &mut self.request else { return Poll::Ready(None) };
        let frame = match request.poll_output(cx) {
            Poll::Ready(Some(RequestOutput::Event(frame))) => Some(frame),
            Poll::Ready(Some(RequestOutput::Done(frame))) => {
                self.request = None;
                Some(counted(frame, &self.account))
            }
            // The client took the request back: nothing more is sent for it, the stream just ends.
            Poll::Ready(None) => {
                self.request = None;
                return Poll::Ready(None);
            }
            Poll::Pending => None,
        };
        if let Some(frame) = frame {
            self.parts.extend(event_parts(frame));
            return Poll::Ready(self.parts.pop_front());
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
            ReplyBody::RevocableEvents { events, revoked } => {
                if events.is_some() && revoked.as_mut().poll(cx).is_ready() {
                    *events = None;
                }
                match events {
                    Some(stream) => stream.poll_event(cx),
                    None => Poll::Ready(None),
                }
            }
        };
        data.map(|data| data.map(|bytes| Ok(BodyFrame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, ReplyBody::Whole { left: 0, .. })
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            ReplyBody::Whole { left, .. } => SizeHint::with_exact(*left),
            ReplyBody::Events(_) | ReplyBody::RevocableEvents { .. } => SizeHint::default(),
        }
    }
}
