//! One sync call's hold on a worker, from the moment it waits for one to the moment it gives it back.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use omni_call::{Call, CallPort, Outcome};

use super::driver::Driver;
use super::scheduler::{CallId, WorkerId};
use super::table::{Grant, Hired};
use crate::attempt::AttemptResult;
use crate::worker::Worker;

/// A worker that runs one call and nothing else.
///
/// Dropping it gives the worker back when the call has ended. When it has not, the call is thereby
/// cancelled: a task takes the worker over and ends the call, or the process, before anyone else gets it.
pub(super) struct Lease<'a> {
    driver: &'a Arc<Driver>,
    /// Taken only by `drop`.
    hired: Option<Box<Hired>>,
}

impl<'a> Lease<'a> {
    /// Takes over a worker that has begun a call.
    pub(super) fn new(driver: &'a Arc<Driver>, hired: Box<Hired>) -> Self {
        Lease { driver, hired: Some(hired) }
    }

    /// Drives the call to its end.
    pub(super) async fn finish(&mut self, call: &mut Call, events: &mut dyn CallPort) -> AttemptResult {
        self.worker().finish(&mut call.deadline, events).await
    }

    pub(super) fn worker(&mut self) -> &mut Worker {
        &mut self.hired.as_mut().expect("a lease has its worker until it is dropped").worker
    }

    pub(super) fn id(&self) -> Option<WorkerId> {
        self.hired.as_ref().map(|hired| hired.id)
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let Some(hired) = self.hired.take() else { return };
        if hired.worker.busy() {
            self.driver.end_call(hired);
        } else {
            self.driver.give_back(hired);
        }
    }
}

/// A place in the line for a worker. Dropping it gives the place up.
pub(super) struct Ticket<'a> {
    driver: &'a Arc<Driver>,
    place: Option<CallId>,
}

impl<'a> Ticket<'a> {
    pub(super) fn new(driver: &'a Arc<Driver>, place: CallId) -> Self {
        Ticket { driver, place: Some(place) }
    }
}

impl<'a> Future for Ticket<'a> {
    type Output = Result<(Call, Lease<'a>), Box<Outcome>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(place) = self.place else { return Poll::Pending };
        let Some(grant) = self.driver.lock().claim(place, cx.waker()) else { return Poll::Pending };
        self.place = None;
        Poll::Ready(match grant {
            Grant::Begun(call, hired) => Ok((call, Lease::new(self.driver, hired))),
            Grant::Refused(outcome) => Err(outcome),
        })
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let Some(place) = self.place else { return };
        let grant = self.driver.lock().abandon(place);
        if let Some(Grant::Begun(_, hired)) = grant {
            drop(Lease::new(self.driver, hired));
        }
    }
}
