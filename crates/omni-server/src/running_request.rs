//! A request that is still being answered, and the notifications it sends meanwhile.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::FutureExt;
use omni_protocol::{ErrorCode, Frame, Id, RpcError, error_frame};

use crate::call_client::ParkHandle;
use crate::call_future::{CallEnd, CallFuture};
use crate::outbox::Outbox;
use crate::random::random_hex;

/// One request on its way to its answer. Whoever holds it drives it; **dropping it cancels the request**.
pub(crate) struct RunningRequest {
    id: Id,
    future: CallFuture,
    /// What it sends before its answer.
    outbox: Option<Arc<Outbox>>,
    /// How it has ended, while it has something to send before that. In a box, since few have: a running request is
    /// moved several times on its way.
    ended: Option<Box<Option<Frame>>>,
    only_listens: bool,
    /// It may end with a question, and go on with another request.
    parking: Option<Arc<ParkHandle>>,
}

/// What a running request has to send next.
pub(crate) enum RequestOutput {
    /// A notification; more will follow.
    Event(Frame),
    /// The answer; nothing follows.
    Done(Frame),
}

impl RunningRequest {
    pub(crate) fn new(
        id: Id,
        future: impl Future<Output = Frame> + Send + 'static,
        outbox: Option<Arc<Outbox>>,
    ) -> Self {
        let future = Box::pin(AssertUnwindSafe(future.map(Some)).catch_unwind());
        RunningRequest { id, future, outbox, ended: None, only_listens: false, parking: None }
    }

    /// A request whose client may have to repeat it with answers.
    pub(crate) fn parkable(
        (id, outbox): (Id, Option<Arc<Outbox>>),
        parking: Arc<ParkHandle>,
        future: impl Future<Output = Frame> + Send + 'static,
    ) -> Self {
        let mut running = RunningRequest::new(id, future, outbox);
        running.parking = Some(parking);
        running
    }

    /// A request that was repeated with answers. `ended` is how its call has ended meanwhile, if it has.
    pub(crate) fn resumed(
        (id, outbox): (Id, Option<Arc<Outbox>>),
        parking: Arc<ParkHandle>,
        future: CallFuture,
        ended: Option<CallEnd>,
    ) -> Self {
        let mut running =
            RunningRequest { id, future, outbox, ended: None, only_listens: false, parking: Some(parking) };
        running.ended = ended.map(|ended| Box::new(running.end(ended)));
        running
    }

    /// A subscription: a request that only sends notifications of changes.
    pub(crate) fn listening(
        id: Id,
        future: impl Future<Output = Frame> + Send + 'static,
        outbox: Arc<Outbox>,
    ) -> Self {
        let mut running = RunningRequest::new(id, future, Some(outbox));
        running.only_listens = true;
        running
    }

    /// The stream of a session, which runs for no request.
    pub(crate) fn session_stream(
        future: impl Future<Output = Frame> + Send + 'static,
        outbox: Arc<Outbox>,
    ) -> Self {
        RunningRequest::listening(no_id(), future, outbox)
    }

    /// The requests of a batch. They may end without an answer: each was taken back.
    pub(crate) fn of_batch(answers: impl Future<Output = Option<Frame>> + Send + 'static) -> Self {
        let future = Box::pin(AssertUnwindSafe(answers).catch_unwind());
        RunningRequest { id: no_id(), future, outbox: None, ended: None, only_listens: false, parking: None }
    }

    pub(crate) fn only_listens(&self) -> bool {
        self.only_listens
    }

    /// Drives the request until it has something to send; `None` when it has ended without an answer. Not to be called
    /// again after its last step.
    pub(crate) fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<Option<RequestOutput>> {
        let finished = match &self.ended {
            Some(_) => None,
            None => match self.future.as_mut().poll(cx) {
                Poll::Ready(finished) => Some(self.end(finished)),
                Poll::Pending => None,
            },
        };
        if let Some(event) = self.outbox.as_ref().and_then(|outbox| outbox.pop()) {
            if let Some(answer) = finished {
                self.ended = Some(Box::new(answer));
            }
            return Poll::Ready(Some(RequestOutput::Event(event)));
        }
        match finished.or_else(|| self.ended.take().map(|ended| *ended)) {
            Some(answer) => Poll::Ready(answer.map(RequestOutput::Done)),
            // All events from before the question have been sent.
            None => match self.parking.as_ref().and_then(|parking| parking.park(&mut self.future)) {
                Some(asks) => Poll::Ready(Some(RequestOutput::Done(asks))),
                None => Poll::Pending,
            },
        }
    }

    fn end(&self, end: CallEnd) -> Option<Frame> {
        end.unwrap_or_else(|panic| Some(self.bug(&*panic)))
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

impl Drop for RunningRequest {
    fn drop(&mut self) {
        // What is sent from now on is lost, or returned to its sender where it must not be.
        if let Some(outbox) = &self.outbox {
            outbox.close();
        }
    }
}

fn no_id() -> Id {
    Id::parse(&Bytes::from_static(b"0")).expect("a literal integer is an id")
}
