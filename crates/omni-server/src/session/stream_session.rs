//! A session whose messages all travel on one pair of streams, with the requests that it answers.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::stream::{BoxStream, FuturesUnordered, SelectAll, StreamExt, select_all};
use omni_protocol::{ErrorCode, Frame, RpcError, error_frame};

use crate::admission::{PeerAccount, Permit, Quantity};
use crate::authentication::Identity;
use crate::call_client::ParkedCalls;
use crate::change_queue::Changes;
use crate::frames::{decode_frame, refusal};
use crate::list_changes::CurrentVersions;
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
}

/// What a client may have to be told of.
enum Change {
    Everybody(CurrentVersions),
    ThisClient(Changes),
}

impl StreamSession {
    pub(crate) fn new(server: Arc<Server>, owner: &Identity) -> Self {
        let session = Session::of_connection(owner, server.config.limits.in_flight_max);
        // On stdio there is one client, whoever started the process: its account needs no key.
        let account = server.admission.account(None);
        let for_everybody = server.changes.listen().into_stream().map(Change::Everybody);
        let for_client = session.changes().clone().into_stream().map(Change::ThisClient);
        let changes = select_all([for_everybody.boxed(), for_client.boxed()]);
        let parked = ParkedCalls::new(&server);
        let running = FuturesUnordered::new();
        StreamSession { server, session, account, parked, running, changes }
    }

    /// Takes a frame; returns what can be answered at once.
    pub(crate) async fn receive(&mut self, frame: Bytes) -> Option<Frame> {
        let bytes = frame.len();
        let message = match decode_frame(frame).await {
            Ok(message) => message,
            Err(rejected) => return Some(refusal(&rejected)),
        };
        let context = MessageContext {
            server: &self.server,
            account: &self.account,
            parked: &self.parked,
            takes_events: true,
        };
        match self.session.receive(message, &context) {
            Received::Nothing => None,
            Received::Answer(frame) => Some(frame),
            Received::Refused(rejected) => Some(refusal(&rejected)),
            Received::Later(request) => {
                let held = self.account.charge(Quantity::RequestBytes, bytes);
                self.running.push(DrivenRequest(Some((request, held))));
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
            self.running.push(DrivenRequest(rest));
        }
        frame
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
struct DrivenRequest(Option<(InFlightRequest, Permit)>);

impl Future for DrivenRequest {
    type Output = DriveResult;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<DriveResult> {
        let this = self.get_mut();
        let Some((request, _)) = &mut this.0 else { return Poll::Ready((None, None)) };
        let step = ready!(request.poll_output(cx));
        let rest = this.0.take();
        Poll::Ready(match step {
            Some(RequestOutput::Event(frame)) => (Some(frame), rest),
            // Its id is free before its answer is sent.
            Some(RequestOutput::Done(frame)) => (Some(frame), None),
            None => (None, None),
        })
    }
}

impl Drop for StreamSession {
    fn drop(&mut self) {
        self.session.close();
    }
}
