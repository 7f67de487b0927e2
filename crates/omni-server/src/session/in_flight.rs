//! A request that a session has taken and not answered yet.

use std::collections::hash_map::Entry;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use omni_protocol::{ErrorCode, Id, RpcError, error_frame};
use tokio::sync::oneshot;

use crate::running_request::{RequestOutput, RunningRequest};
use crate::session::Session;

/// What becomes of a request whose client ends the session that it belongs to.
const SESSION_ENDED: &str = "its client has ended the session, and with it this request";

/// Keeps a request's id taken until it is dropped.
pub(crate) struct InFlightId {
    session: Arc<Session>,
    id: Id,
    number: u64,
}

impl Drop for InFlightId {
    fn drop(&mut self) {
        let mut state = self.session.state();
        if let Some((id, open)) = state.in_flight.remove_entry(&self.id)
            && open.0 != self.number
        {
            // This one was cancelled, and its id is another's by now.
            state.in_flight.insert(id, open);
        }
    }
}

impl Session {
    /// Registers a request. The receiver resolves when the session ends, and to an error when the client cancels it. The
    /// id comes back when a request of that id is still open.
    pub(super) fn begin(self: &Arc<Self>, id: Id) -> Result<(InFlightId, oneshot::Receiver<()>), Id> {
        let mut state = self.state();
        state.used = true;
        state.begun += 1;
        let number = state.begun;
        let Entry::Vacant(place) = state.in_flight.entry(id.clone()) else { return Err(id) };
        let (cancel, cancelled) = oneshot::channel();
        place.insert((number, cancel));
        drop(state);
        Ok((InFlightId { session: self.clone(), id, number }, cancelled))
    }
}

/// A request on its way to its answer, which its client may take back. Whoever holds it drives it; **dropping it cancels
/// the request** and frees its id.
pub(crate) struct InFlightRequest {
    /// `None` when it has ended.
    running: Option<RunningRequest>,
    /// Resolves when its session ends, and to an error when the client takes the request back.
    cancelled: Option<oneshot::Receiver<()>>,
    /// Its id, where another message can name it.
    in_flight: Option<InFlightId>,
}

impl InFlightRequest {
    pub(super) fn new(running: RunningRequest, taken: Option<(InFlightId, oneshot::Receiver<()>)>) -> Self {
        let (in_flight, cancelled) = taken.unzip();
        InFlightRequest { running: Some(running), cancelled, in_flight }
    }

    /// Something that runs for no single request, until `ended` resolves: the stream of a session.
    pub(crate) fn stream(running: RunningRequest, ended: oneshot::Receiver<()>) -> Self {
        InFlightRequest { running: Some(running), cancelled: Some(ended), in_flight: None }
    }

    /// Its id, where another message can name it.
    pub(crate) fn id(&self) -> Option<&Id> {
        self.in_flight.as_ref().map(|taken| &taken.id)
    }

    /// Whether it has no work to do but to tell what changes.
    pub(crate) fn only_listens(&self) -> bool {
        self.running.as_ref().is_some_and(RunningRequest::only_listens)
    }

    /// Drives the request until it has something to send. `None` when it has ended without an answer: its client took
    /// it back, and nothing may be said of it any more. When its session ends it is answered with an error, since its
    /// client may still wait.
    pub(crate) fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<Option<RequestOutput>> {
        if let Some(cancelled) = &mut self.cancelled
            && let Poll::Ready(withdrawn) = Pin::new(cancelled).poll(cx)
        {
            self.cancelled = None;
            self.running = None;
            if withdrawn.is_ok()
                && let Some(in_flight) = self.in_flight.take()
            {
                let error = RpcError::new(ErrorCode::InvalidRequest, SESSION_ENDED);
                return Poll::Ready(Some(RequestOutput::Done(error_frame(Some(&in_flight.id), &error))));
            }
        }
        let Some(running) = &mut self.running else { return Poll::Ready(None) };
        running.poll_output(cx)
    }

    /// Waits for the next step. Dropping the wait loses nothing.
    pub(crate) async fn step(&mut self) -> Option<RequestOutput> {
        std::future::poll_fn(|cx| self.poll_output(cx)).await
    }

    /// Gives its id to somebody who keeps it taken for longer.
    pub(super) fn take_id(&mut self) -> Option<InFlightId> {
        self.in_flight.take()
    }
}
