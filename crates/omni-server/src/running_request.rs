//! A request that is still being answered, and the notifications it sends meanwhile.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::FutureExt;
use omni_protocol::{Frame, Id};

use crate::call_client::ParkHandle;
use crate::call_future::{CallEnd, CallFuture, bug};
use crate::outbox::Outbox;
use crate::tasks::{BecomingTask, TaskStep};

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
    /// It may become a task.
    becoming: Option<Box<BecomingTask>>,
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
        RunningRequest::of(id, future, outbox)
    }

    fn of(id: Id, future: CallFuture, outbox: Option<Arc<Outbox>>) -> Self {
        RunningRequest { id, future, outbox, ended: None, only_listens: false, parking: None, becoming: None }
    }

    /// A request whose client may have to repeat it with answers.
    pub(crate) fn parkable(
        (id, outbox): (Id, Option<Arc<Outbox>>),
        parking: Arc<ParkHandle>,
        future: impl Future<Output = Frame> + Send + 'static,
    ) -> Self {
        let mut running = RunningRequest::new(id, future, outbox);
        running.may_be_parked(parking);
        running
    }

    fn may_be_parked(&mut self, parking: Arc<ParkHandle>) {
        self.becoming = parking.task_seed().map(|seed| Box::new(BecomingTask::new(seed.clone())));
        self.parking = Some(parking);
    }

    /// A request that was repeated with answers. `ended` is how its call has ended meanwhile, if it has.
    pub(crate) fn resumed(
        (id, outbox): (Id, Option<Arc<Outbox>>),
        parking: Arc<ParkHandle>,
        future: CallFuture,
        ended: Option<CallEnd>,
    ) -> Self {
        let mut running = RunningRequest::of(id, future, outbox);
        running.may_be_parked(parking);
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
        RunningRequest::of(no_id(), future, None)
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
        if let (Some(becoming), Some(parking)) = (&mut self.becoming, &self.parking) {
            let has_ended = finished.is_some() || self.ended.is_some();
            match becoming.poll(cx, parking.link(), has_ended) {
                TaskStep::Stays => {}
                TaskStep::Committing => {
                    if let Some(answer) = finished {
                        self.ended = Some(Box::new(answer));
                    }
                    return Poll::Pending;
                }
                TaskStep::Committed => {
                    let ended = finished.or_else(|| self.ended.take().map(|ended| *ended));
                    let call = match ended {
                        Some(answer) => Box::pin(std::future::ready(Ok(answer))),
                        None => std::mem::replace(&mut self.future, Box::pin(std::future::pending())),
                    };
                    let told = becoming.hand_over(parking.link(), call, self.id.clone());
                    return Poll::Ready(told.map(RequestOutput::Done));
                }
            }
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
        end.unwrap_or_else(|panic| Some(bug(&self.id, &*panic)))
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
