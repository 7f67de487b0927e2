//! One sync call's hold on a worker, from the moment it waits for one to the moment it gives it back.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use omni_call::{Call, CallPort, ExecutorKind, Outcome};

use super::driver::Driver;
use super::scheduler::{CallHandle, WorkerHandle};
use super::table::{CallGrant, PooledWorker};
use crate::attempt::AttemptResult;
use crate::call_slot::CallSlot;
use crate::worker::Worker;

/// A worker that runs one call and nothing else.
///
/// Dropping it gives the worker back when the call has ended. When the call has not ended, dropping it cancels the
/// call: a task takes the worker over and ends the call, or the process, before anyone else gets the worker.
pub(super) struct Lease<'a> {
    driver: &'a Arc<Driver>,
    /// Taken only by `drop`.
    pooled: Option<Box<PooledWorker>>,
}

impl<'a> Lease<'a> {
    /// Takes over a worker that has begun a call.
    pub(super) fn new(driver: &'a Arc<Driver>, pooled: Box<PooledWorker>) -> Self {
        Lease { driver, pooled: Some(pooled) }
    }

    /// Drives the call to its end.
    pub(super) async fn finish(&mut self, call: &mut Call, events: &mut dyn CallPort) -> AttemptResult {
        let pooled = self.pooled.as_mut().expect("a lease has its worker until it is dropped");
        let mut slot = PoolSlot { driver: self.driver, id: pooled.id };
        pooled.worker.finish(&mut call.deadline, events, &mut slot).await
    }

    pub(super) fn worker(&mut self) -> &mut Worker {
        &mut self.pooled.as_mut().expect("a lease has its worker until it is dropped").worker
    }

    pub(super) fn id(&self) -> Option<WorkerHandle> {
        self.pooled.as_ref().map(|pooled| pooled.id)
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let Some(pooled) = self.pooled.take() else { return };
        if pooled.worker.has_call() {
            self.driver.end_abandoned_call(pooled);
        } else {
            self.driver.give_back(pooled);
        }
    }
}

/// A worker's place among those that there may be.
struct PoolSlot<'a> {
    driver: &'a Arc<Driver>,
    id: WorkerHandle,
}

impl CallSlot for PoolSlot<'_> {
    fn executor(&self) -> ExecutorKind {
        ExecutorKind::Pool
    }

    fn release(&mut self) {
        self.driver.call_waits(self.id);
    }

    fn reacquire(&mut self) {
        self.driver.call_goes_on(self.id);
    }
}

/// A place in the queue for a worker. Dropping it gives the place up.
pub(super) struct Ticket<'a> {
    driver: &'a Arc<Driver>,
    place: Option<CallHandle>,
}

impl<'a> Ticket<'a> {
    pub(super) fn new(driver: &'a Arc<Driver>, place: CallHandle) -> Self {
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
            CallGrant::Begun(call, pooled) => Ok((call, Lease::new(self.driver, pooled))),
            CallGrant::Refused(outcome) => Err(outcome),
        })
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let Some(place) = self.place else { return };
        let grant = self.driver.lock().abandon(place);
        if let Some(CallGrant::Begun(_, pooled)) = grant {
            drop(Lease::new(self.driver, pooled));
        }
    }
}
