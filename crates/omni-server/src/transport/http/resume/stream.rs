//! One stream that can be resumed: whoever has the turn drives it.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use omni_call::LogLevel;
use omni_protocol::{ErrorCode, Frame, RpcError, error_frame, event_parts, priming_event};
use tokio::time::sleep;

use super::event_id::{EventId, StreamSource};
use super::event_log::{EventLog, EventText};
use crate::admission::{AccountKey, PeerAccount, Permit};
use crate::authentication::Identity;
use crate::random::random_bytes;
use crate::running_request::RequestOutput;
use crate::server::Server;
use crate::session::{InFlightRequest, Session};
use crate::transport::http::counted_answer::counted;

/// How many milliseconds a client is told to wait before it comes back.
const RETRY_MS: u32 = 1000;

/// An answer of more bytes is not kept for a client that is away: it would hold memory that results of others need.
const UNREAD_ANSWER_BYTES_MAX: usize = 1 << 20;

/// The events of a request, or of a session, and what they come from.
///
/// One at a time drives it: the reader that a connection holds or, while there is none, a task that waits for
/// the next one and ends the stream when its time is over. Who takes the turn ends the one before: a client that comes
/// back knows sooner than we that its old connection is broken.
pub(super) struct ResumableStream {
    pub(super) number: u64,
    pub(super) source: StreamSource,
    pub(super) session: Arc<Session>,
    server: Arc<Server>,
    account: PeerAccount,
    /// Whose request it is: without its credentials nobody can come back.
    identity: Arc<Identity>,
    state: Mutex<StreamState>,
}

struct StreamState {
    /// What the events come from, with the bytes of its message; `None` once it has ended.
    running: Option<(InFlightRequest, Option<Permit>)>,
    log: EventLog,
    /// The number of whoever drives it; others have had their turn.
    turn: u64,
    has_reader: bool,
    /// Nothing more can be kept for a client that is away.
    is_stalled: bool,
    /// Wakes whoever has the turn.
    waker: Option<Waker>,
}

/// What a stream is made of.
pub(in super::super) struct NewStream {
    pub(in super::super) server: Arc<Server>,
    pub(in super::super) session: Arc<Session>,
    pub(in super::super) source: StreamSource,
    /// What its events come from; `None` when the first is the last.
    pub(in super::super) running: Option<InFlightRequest>,
    /// What is there to be sent already.
    pub(in super::super) first: Option<Frame>,
    /// The bytes of the request, held until it is answered.
    pub(in super::super) bytes: Option<Permit>,
    pub(in super::super) account: PeerAccount,
    pub(in super::super) identity: Arc<Identity>,
}

impl ResumableStream {
    /// The turn of a stream's first reader.
    pub(super) const FIRST_TURN: u64 = 0;

    /// A stream that has its first reader.
    pub(super) fn open(new: NewStream) -> Arc<Self> {
        let NewStream { server, session, source, running, first, bytes, account, identity } = new;
        let mut state = StreamState {
            running: None,
            log: EventLog::default(),
            turn: Self::FIRST_TURN,
            has_reader: true,
            is_stalled: false,
            waker: None,
        };
        let number = u64::from_be_bytes(random_bytes());
        let id = EventId { stream: number, number: 1, source: source.clone() };
        if let Some(frame) = first {
            let is_large = frame.len() > UNREAD_ANSWER_BYTES_MAX;
            let text: EventText = event_parts(frame, Some(&id.to_string())).collect();
            // The reader takes it before anything else.
            if is_large || !state.log.push_unread(text.clone(), &account) {
                state.log.push_counted(text);
            }
        }
        state.running = running.map(|running| (running, bytes));
        Arc::new(ResumableStream {
            number,
            source,
            session,
            server,
            account,
            identity,
            state: Mutex::new(state),
        })
    }

    /// Whose account its events are on.
    pub(super) fn account_key(&self) -> &AccountKey {
        self.account.key()
    }

    /// Gives the turn to a new reader, which begins after that event. `None` when there was no such event.
    pub(super) fn read_after(&self, number: u64) -> Option<u64> {
        let mut state = self.state();
        if number >= state.log.next_number() {
            return None;
        }
        state.has_reader = true;
        state.is_stalled = false;
        Some(state.next_turn())
    }

    /// A reader leaves, if it still has the turn; gives the turn after its own.
    pub(super) fn leave(&self, turn: u64) -> Option<u64> {
        let mut state = self.state();
        if state.turn != turn {
            return None;
        }
        state.has_reader = false;
        Some(state.next_turn())
    }

    pub(super) fn has_reader(&self) -> bool {
        self.state().has_reader
    }

    /// Whether nothing will be added.
    pub(super) fn has_ended(&self) -> bool {
        self.state().running.is_none()
    }

    /// Ends it: what it drives is cancelled, and what it keeps is forgotten.
    pub(super) fn end(&self) {
        let mut state = self.state();
        state.next_turn();
        state.log.forget_all();
        let running = state.running.take();
        drop(state);
        // Cancelling may look at anything.
        drop(running);
    }

    /// What a reader that begins after that event gives its client first: an event from which it can resume if it gets no
    /// other. A client that came back is told again where it is, since some forget it with each connection.
    pub(super) fn priming(&self, after: u64) -> Bytes {
        priming_event(&self.event_id(after), RETRY_MS)
    }

    fn event_id(&self, number: u64) -> String {
        EventId { stream: self.number, number, source: self.source.clone() }.to_string()
    }

    /// The next event for the reader that has that turn, which has been given all before `next`; `None` when there is
    /// nothing more for it.
    pub(super) fn poll_event(
        &self,
        turn: u64,
        next: &mut u64,
        cx: &mut Context<'_>,
    ) -> Poll<Option<EventText>> {
        let mut state = self.state();
        let state = &mut *state;
        if state.turn != turn {
            return Poll::Ready(None);
        }
        let lost = state.log.lost_from(*next);
        if lost > 0 {
            *next += lost;
            if let Some(said) = self.say_lost(lost, *next - 1) {
                return Poll::Ready(Some(said));
            }
        }
        if let Some(text) = state.log.event(*next) {
            let text = text.clone();
            *next += 1;
            return Poll::Ready(Some(text));
        }
        let Some((request, _)) = &mut state.running else {
            // All of it has been handed over.
            state.log.settle(&self.account);
            return Poll::Ready(None);
        };
        let output = match request.poll_output(cx) {
            Poll::Ready(output) => output,
            Poll::Pending => {
                state.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
        };
        let id = self.event_id(*next);
        let text: EventText = match output {
            Some(RequestOutput::Event(frame)) => {
                let text: EventText = event_parts(frame, Some(&id)).collect();
                state.log.push_given(text.clone(), &self.account);
                text
            }
            Some(RequestOutput::Done(frame)) => {
                state.running = None;
                let text: EventText = event_parts(counted(frame, &self.account), Some(&id)).collect();
                state.log.push_counted(text.clone());
                text
            }
            // Its client took it back: nothing more is said of it.
            None => {
                state.running = None;
                return Poll::Ready(None);
            }
        };
        *next += 1;
        Poll::Ready(Some(text))
    }

    /// Tells a client that listens to the log how much of the stream it cannot have any more. Counts as the last event
    /// of what is lost.
    fn say_lost(&self, lost: u64, number: u64) -> Option<EventText> {
        tracing::warn!(lost, "a stream was resumed from an event after which some are kept no more");
        if !self.session.hears(LogLevel::Warning) {
            return None;
        }
        let text = format!("\"{lost} messages of this stream are lost: they are kept no more\"");
        let frame = self.server.encoder.log_notification(LogLevel::Warning, Some("omni"), text.as_bytes());
        Some(event_parts(frame, Some(&self.event_id(number))).collect())
    }

    /// Drives it while nobody reads, as far as what comes of it can be kept. Ready when another has the turn.
    fn poll_unread(&self, turn: u64, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state();
        let state = &mut *state;
        if state.turn != turn {
            return Poll::Ready(());
        }
        state.waker = Some(cx.waker().clone());
        // What a session is to be told waits in the session, where a new stream of it finds it.
        while self.source != StreamSource::Session && !state.is_stalled && !state.log.is_full() {
            let Some((request, _)) = &mut state.running else { break };
            let Poll::Ready(output) = request.poll_output(cx) else { break };
            let id = self.event_id(state.log.next_number());
            match output {
                Some(RequestOutput::Event(frame)) => {
                    let text: EventText = event_parts(frame.clone(), Some(&id)).collect();
                    if !state.log.push_unread(text, &self.account) {
                        // Nothing more is taken out until somebody reads.
                        state
                            .log
                            .push_counted(event_parts(counted(frame, &self.account), Some(&id)).collect());
                        state.is_stalled = true;
                    }
                }
                Some(RequestOutput::Done(frame)) => {
                    state.running = None;
                    self.keep_answer(&mut state.log, frame, &id);
                }
                None => state.running = None,
            }
        }
        Poll::Pending
    }

    /// Keeps the answer of a client that is away or, where there is no room, an error in its place.
    fn keep_answer(&self, log: &mut EventLog, frame: Frame, id: &str) {
        let bytes = frame.len();
        let is_kept = bytes <= UNREAD_ANSWER_BYTES_MAX
            && log.push_unread(event_parts(frame, Some(id)).collect(), &self.account);
        if is_kept {
            return;
        }
        let why = format!(
            "the answer to this request, of {bytes} bytes, came while you did not read its stream, and was too much to be \
             kept"
        );
        let request = match &self.source {
            StreamSource::Request(request) => request.as_ref(),
            StreamSource::Session => None,
        };
        let error = error_frame(request, &RpcError::new(ErrorCode::Internal, why));
        log.push_counted(event_parts(error, Some(id)).collect());
    }

    fn state(&self) -> MutexGuard<'_, StreamState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StreamState {
    /// Ends the turn of whoever has it; gives the number of the next.
    fn next_turn(&mut self) -> u64 {
        self.turn += 1;
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
        self.turn
    }
}

/// Drives a stream without a reader until another has the turn; false when nobody came in time, or its credentials were
/// taken back.
pub(super) async fn keep(stream: &ResumableStream, turn: u64, kept_for: Duration) -> bool {
    let over = async {
        tokio::select! {
            () = sleep(kept_for) => {}
            () = stream.identity.revoked() => {}
        }
    };
    tokio::pin!(over);
    poll_fn(|cx| match stream.poll_unread(turn, cx) {
        Poll::Ready(()) => Poll::Ready(true),
        Poll::Pending => over.as_mut().poll(cx).map(|()| false),
    })
    .await
}
