//! One sync call's hold on a worker, from the moment it waits for one to the moment it gives it back.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use omni_call::{Call, CallPort, Outcome};

use super::Shared;
use super::queue::{Grant, Place};
use crate::worker::{End, Worker};

/// A worker that runs one call and nothing else.
///
/// Dropping it gives the worker back when the call has ended. When it has not, the call is thereby
/// cancelled: a task takes the worker over and ends the call, or the process, before anyone else gets it.
pub(super) struct Lease<'a> {
    shared: &'a Arc<Shared>,
    /// Taken only by `drop`.
    worker: Option<Box<Worker>>,
}

impl<'a> Lease<'a> {
    /// Takes over a worker that has begun a call.
    pub(super) fn new(shared: &'a Arc<Shared>, worker: Box<Worker>) -> Self {
        Lease { shared, worker: Some(worker) }
    }

    /// Drives the call to its end.
    pub(super) async fn finish(&mut self, call: &mut Call, events: &mut dyn CallPort) -> End {
        self.worker().finish(&mut call.deadline, events).await
    }

    pub(super) fn worker(&mut self) -> &mut Worker {
        self.worker.as_mut().expect("a lease has its worker until it is dropped")
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let Some(worker) = self.worker.take() else { return };
        if worker.busy() {
            self.shared.end_call(worker);
        } else {
            self.shared.give_back(worker);
        }
    }
}

/// A place in the line for a worker. Dropping it gives the place up.
pub(super) struct Ticket<'a> {
    shared: &'a Arc<Shared>,
    place: Option<Place>,
}

impl<'a> Ticket<'a> {
    pub(super) fn new(shared: &'a Arc<Shared>, place: Place) -> Self {
        Ticket { shared, place: Some(place) }
    }
}

impl<'a> Future for Ticket<'a> {
    type Output = Result<(Call, Lease<'a>), Box<Outcome>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(place) = self.place else { return Poll::Pending };
        let Some(grant) = self.shared.lock().queue.claim(place, cx.waker()) else { return Poll::Pending };
        self.place = None;
        Poll::Ready(match grant {
            Grant::Begun(call, worker) => Ok((call, Lease::new(self.shared, worker))),
            Grant::Refused(outcome) => Err(outcome),
        })
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let Some(place) = self.place else { return };
        let grant = self.shared.lock().queue.abandon(place);
        if let Some(Grant::Begun(_, worker)) = grant {
            drop(Lease::new(self.shared, worker));
        }
    }
}
