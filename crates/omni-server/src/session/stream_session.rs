//! A session whose messages all travel on one pair of streams, with the requests that it answers.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::stream::{BoxStream, FuturesUnordered, SelectAll, StreamExt, select_all};
use omni_protocol::{ErrorCode, Frame, Id, Message, RpcError, error_frame};

use crate::admission::{PeerAccount, Permit, Quantity};
use crate::authentication::Identity;
use crate::call_client::ParkedCalls;
use crate::change_queue::Changes;
use crate::frames::{decode_frame, refusal};
use crate::list_changes::CurrentVersions;
use crate::random::random_hex;
use crate::running_request::RequestOutput;
use crate::server::Server;
use crate::session::{InFlightRequest, MessageContext, Received, Session};
use crate::subscriptions;

/// One client's side of everything, driven by the one task that owns it: frames go in by [`receive`](Self::receive) and
/// come out by it and by [`next`](Self::next). **Dropping it cancels what runs.**
pub(crate) struct StreamSession {
    server: Arc<Server>,
    session: Arc<Session>,
    account: PeerAccount,
    parked: Arc<ParkedCalls>,
    running: FuturesUnordered<DrivenRequest>,
    /// Kept between two waits, or each of them would register itself anew. A stream of it that has nothing new is not even
    /// asked, and with each call all of them would be.
    changes: SelectAll<BoxStream<'static, Change>>,
    answers: Option<AnswerBound>,
}

/// How long an answer may be on streams that carry no longer ones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AnswerBound {
    pub(crate) bytes_max: usize,
    /// What a client is told of a longer one: why it is not sent, and what to do.
    pub(crate) why: &'static str,
}

impl AnswerBound {
    /// The answer to the request of that id, or the error that stands for one that is too long.
    fn apply(self, id: &Id, answer: Frame) -> Frame {
        if answer.len() <= self.bytes_max {
            return answer;
        }
        let why = format!(
            "the request was carried out, and its answer of {} bytes cannot be sent: {}",
            answer.len(),
            self.why
        );
        error_frame(Some(id), &RpcError::new(ErrorCode::Internal, why))
    }
}

/// What a client may have to be told of.
enum Change {
    Everybody(CurrentVersions),
    ThisClient(Changes),
}

impl StreamSession {
    /// The session of the client on stdio.
    pub(crate) fn new(server: Arc<Server>, owner: &Identity) -> Self {
        // There is one client, whoever started the process: its account needs no key.
        let account = server.admission.account(None);
        Self::of(server, owner, account, None)
    }

    /// The session of one client of many, whose requests are on `account`.
    pub(crate) fn over_http(
        server: Arc<Server>,
        owner: &Identity,
        account: PeerAccount,
        answers: AnswerBound,
    ) -> Self {
        let this = Self::of(server, owner, account, Some(answers));
        // Tools tell sessions apart by it. Nobody can reach the session by this name.
        let _ = this.session.name.set(random_hex::<16>().into());
        this
    }

    fn of(server: Arc<Server>, owner: &Identity, account: PeerAccount, answers: Option<AnswerBound>) -> Self {
        let session = Session::of_connection(owner, server.config.limits.in_flight_max);
        let for_everybody = server.changes.listen().into_stream().map(Change::Everybody);
        let for_client = session.changes().clone().into_stream().map(Change::ThisClient);
        let changes = select_all([for_everybody.boxed(), for_client.boxed()]);
        let parked = ParkedCalls::new(&server);
        let running = FuturesUnordered::new();
        StreamSession { server, session, account, parked, running, changes, answers }
    }

    /// Takes a frame; returns what can be answered at once.
    pub(crate) async fn receive(&mut self, frame: Bytes) -> Option<Frame> {
        let bytes = frame.len();
        match decode_frame(frame).await {
            Ok(message) => self.take(message, |account| account.charge(Quantity::RequestBytes, bytes)),
            Err(rejected) => Some(refusal(&rejected)),
        }
    }

    /// The same for a message that is decoded. `held` gives what its bytes hold, if it is not answered at once.
    pub(crate) fn take(
        &mut self,
        message: Message,
        held: impl FnOnce(&PeerAccount) -> Permit,
    ) -> Option<Frame> {
        let bound = self.answers.and_then(|bound| match &message {
            Message::Request(raw) => Some((bound, raw.id.clone())),
            _ => None,
        });
        let context = MessageContext {
            server: &self.server,
            account: &self.account,
            parked: &self.parked,
            takes_events: true,
        };
        match self.session.receive(message, &context) {
            Received::Nothing => None,
            Received::Answer(frame) => Some(match bound {
                Some((bound, id)) => bound.apply(&id, frame),
                None => frame,
            }),
            Received::Refused(rejected) => Some(refusal(&rejected)),
            Received::Later(request) => {
                let held = held(&self.account);
                self.drive(request, held);
                None
            }
        }
    }

    /// Whether the requests that are held leave room for more.
    pub(crate) fn may_receive(&self) -> bool {
        self.account.may_send_more()
    }

    /// Drives what runs, and waits for the next frame that the client is to be sent. Cancel safe.
    pub(crate) async fn next(&mut self) -> Frame {
        loop {
            tokio::select! {
                // Answers first: notifications of changes can wait.
                biased;
                Some(driven) = self.running.next(), if !self.running.is_empty() => {
                    if let Some(frame) = self.driven(driven) {
                        return frame;
                    }
                }
                frame = self.session.outbox.next() => return frame,
                Some(change) = self.changes.next() => self.notify(change),
            }
        }
    }

    fn notify(&self, change: Change) {
        let outbox = &self.session.outbox;
        match change {
            Change::Everybody(versions) => {
                subscriptions::notify(&self.server, &self.session, &versions, outbox)
            }
            Change::ThisClient(changes) => {
                subscriptions::notify_changes(&self.server, &self.session, changes, outbox);
            }
        }
    }

    fn driven(&mut self, (frame, rest): DriveResult) -> Option<Frame> {
        if rest.is_some() {
            self.running.push(DrivenRequest { request: rest, answers: self.answers });
        }
        frame
    }

    fn drive(&mut self, request: InFlightRequest, held: Permit) {
        self.running.push(DrivenRequest { request: Some((request, held)), answers: self.answers });
    }

    /// Whether nothing runs.
    pub(crate) fn is_idle(&self) -> bool {
        self.running.is_empty()
    }

    /// The client says nothing more: its subscriptions end, which would last for the whole grace period otherwise, and what
    /// it was asked stays unanswered.
    pub(crate) fn end_of_input(&self) {
        self.session.end();
        self.parked.end();
    }

    /// Cancels what still runs; gives the errors that say so.
    pub(crate) fn abandon(&mut self) -> Vec<Frame> {
        let ids = self.session.open_ids();
        self.running.clear();
        let error =
            RpcError::new(ErrorCode::Internal, "the server is shutting down; the request was stopped");
        ids.iter().map(|id| error_frame(Some(id), &error)).collect()
    }
}

/// What a request has to send, if it was not taken back, and the request itself when it goes on.
type DriveResult = (Option<Frame>, Option<(InFlightRequest, Permit)>);

/// Drives a request until it has something to send or has ended. The permit is what its bytes hold.
struct DrivenRequest {
    request: Option<(InFlightRequest, Permit)>,
    answers: Option<AnswerBound>,
}

impl Future for DrivenRequest {
    type Output = DriveResult;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<DriveResult> {
        let this = self.get_mut();
        let Some((request, _)) = &mut this.request else { return Poll::Ready((None, None)) };
        let step = ready!(request.poll_output(cx));
        let rest = this.request.take();
        Poll::Ready(match step {
            Some(RequestOutput::Event(frame)) => (Some(frame), rest),
            // Its id is free before its answer is sent.
            Some(RequestOutput::Done(frame)) => {
                // The answers to a batch have no id in common, and go as they are.
                let id = rest.as_ref().and_then(|(request, _)| request.id());
                let frame = match (this.answers, id) {
                    (Some(bound), Some(id)) => bound.apply(id, frame),
                    _ => frame,
                };
                (Some(frame), None)
            }
            None => (None, None),
        })
    }
}

impl Drop for StreamSession {
    fn drop(&mut self) {
        self.session.close();
    }
}
