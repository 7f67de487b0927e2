//! A request that a session has taken and not answered yet.

use std::collections::hash_map::Entry;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use omni_protocol::Id;
use tokio::sync::oneshot;

use crate::running_request::{RequestOutput, RunningRequest};
use crate::session::Session;

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
    /// Registers a request. The receiver resolves when the client cancels it or the session ends. The id comes back when
    /// a request of that id is still open.
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
    /// Resolves when the client takes the request back.
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
    /// it back, and nothing may be said of it any more.
    pub(crate) fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<Option<RequestOutput>> {
        if let Some(cancelled) = &mut self.cancelled
            && Pin::new(cancelled).poll(cx).is_ready()
        {
            self.cancelled = None;
            self.running = None;
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
