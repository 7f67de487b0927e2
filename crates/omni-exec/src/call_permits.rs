//! Permits for calls that run at once, with which a bound can be exceeded for a while: by calls that waited for their
//! clients and go on.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use omni_call::{Call, ExecutorKind};
use tokio::sync::{Semaphore, oneshot};

use crate::call_slot::CallSlot;

/// Permits for so many calls at once.
#[derive(Debug)]
pub(crate) struct CallPermits {
    executor: ExecutorKind,
    free: Arc<Semaphore>,
    /// Nobody waits here while a permit is free, and none is while calls run above the bound, which the lock is for.
    state: Mutex<PermitsState>,
}

#[derive(Debug, Default)]
struct PermitsState {
    /// So many calls run above the bound: as many permits that come back are for nobody.
    above: usize,
    /// Calls that other calls have made, which wait for them: they are served before all others.
    below: VecDeque<oneshot::Sender<()>>,
    closed: bool,
}

/// The permit of one call. Dropping it lets another call run.
#[derive(Debug)]
pub(crate) struct CallPermit {
    permits: Arc<CallPermits>,
    /// Given back for as long as the call waits.
    released: bool,
}

impl CallPermits {
    /// For calls of that executor.
    pub(crate) fn new(executor: ExecutorKind, max: usize) -> Arc<Self> {
        Arc::new(CallPermits { executor, free: Arc::new(Semaphore::new(max)), state: Mutex::default() })
    }

    /// A permit, if one is free and nobody waits for it.
    pub(crate) fn try_acquire(self: &Arc<Self>) -> Option<CallPermit> {
        self.free.try_acquire().ok()?.forget();
        Some(self.taken())
    }

    /// A permit for this call, as soon as there is one; first come, first served, but for calls that others have made
    /// and wait for: they come first, and may have those others' permits. `None` when permits have been
    /// [closed](Self::close).
    pub(crate) async fn acquire_for(self: &Arc<Self>, call: &Call) -> Option<CallPermit> {
        let Some(parent) = &call.parent else {
            self.free.acquire().await.ok()?.forget();
            return Some(self.taken());
        };
        if let Some(permit) = self.try_acquire() {
            return Some(permit);
        }
        let place = {
            let mut state = self.state();
            if state.closed {
                return None;
            }
            let (granted, place) = oneshot::channel();
            state.below.push_back(granted);
            QueuePlace { permits: self, place }
        };
        parent.ask_for_slots(self.executor);
        place.granted().await
    }

    /// Gives out none from now on.
    pub(crate) fn close(&self) {
        self.free.close();
        let mut state = self.state();
        state.closed = true;
        state.below.clear();
    }

    fn taken(self: &Arc<Self>) -> CallPermit {
        CallPermit { permits: Arc::clone(self), released: false }
    }

    fn state(&self) -> MutexGuard<'_, PermitsState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_back(&self) {
        let mut state = self.state();
        if let Some(fewer) = state.above.checked_sub(1) {
            state.above = fewer;
            return;
        }
        while let Some(below) = state.below.pop_front() {
            if below.send(()).is_ok() {
                return;
            }
        }
        self.free.add_permits(1);
    }

    fn take_whether_free_or_not(&self) {
        let mut state = self.state();
        match self.free.try_acquire() {
            Ok(permit) => permit.forget(),
            Err(_) => state.above += 1,
        }
    }
}

/// The place in the queue of a call that another call has made. Dropping it leaves the queue.
struct QueuePlace<'a> {
    permits: &'a Arc<CallPermits>,
    place: oneshot::Receiver<()>,
}

impl QueuePlace<'_> {
    async fn granted(mut self) -> Option<CallPermit> {
        (&mut self.place).await.ok()?;
        Some(self.permits.taken())
    }
}

impl Drop for QueuePlace<'_> {
    fn drop(&mut self) {
        self.place.close();
        // Granted, and not taken.
        if self.place.try_recv().is_ok() {
            self.permits.give_back();
        }
    }
}

impl CallSlot for CallPermit {
    fn executor(&self) -> ExecutorKind {
        self.permits.executor
    }

    fn release(&mut self) {
        if !std::mem::replace(&mut self.released, true) {
            self.permits.give_back();
        }
    }

    fn reacquire(&mut self) {
        if std::mem::replace(&mut self.released, false) {
            self.permits.take_whether_free_or_not();
        }
    }
}

impl Drop for CallPermit {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use omni_call::{CallId, CallRequest, Deadline, ParentCall, PythonTarget, RunSpec};

    use super::*;

    fn call(parent: Option<Arc<ParentCall>>) -> Call {
        let spec = Arc::new(RunSpec::new("s", "c", PythonTarget::new("/s", "a.py", "c")));
        let deadline = Deadline::new(Instant::now(), None, None);
        Call { parent, ..Call::new(CallId(1), spec, CallRequest::tool("{}"), deadline) }
    }

    fn is_pending<T>(future: &mut std::pin::Pin<Box<impl Future<Output = T>>>) -> bool {
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        future.as_mut().poll(&mut cx).is_pending()
    }

    fn parent() -> Arc<ParentCall> {
        let call = call(None);
        Arc::new(ParentCall { id: call.id, spec: call.spec, child: Arc::default(), parent: None })
    }

    #[tokio::test]
    async fn a_call_that_another_has_made_asks_for_its_place_and_comes_before_all_others() {
        let permits = CallPermits::new(ExecutorKind::Fork, 1);
        let mut running = permits.try_acquire().unwrap();
        let (other, parent) = (call(None), parent());
        let child = call(Some(Arc::clone(&parent)));
        let mut first = Box::pin(permits.acquire_for(&other));
        let mut second = Box::pin(permits.acquire_for(&child));
        assert!(is_pending(&mut first));
        assert!(!parent.child.wants(ExecutorKind::Fork));
        assert!(is_pending(&mut second));
        assert!(parent.child.wants(ExecutorKind::Fork) && !parent.child.wants(ExecutorKind::Spawn));
        running.release();
        let lent = second.await.unwrap();
        assert!(is_pending(&mut first), "it was for the call from below");
        running.reacquire();
        drop(lent);
        assert!(is_pending(&mut first), "the one that had lent it has it again");
        drop(running);
        assert!(first.await.is_some());
    }

    #[tokio::test]
    async fn who_leaves_the_queue_after_it_was_served_gives_the_permit_back() {
        let permits = CallPermits::new(ExecutorKind::Fork, 1);
        let running = permits.try_acquire().unwrap();
        let child = call(Some(parent()));
        let mut waiting = Box::pin(permits.acquire_for(&child));
        assert!(is_pending(&mut waiting));
        drop(running);
        drop(waiting);
        assert!(permits.try_acquire().is_some());
        let running = permits.try_acquire();
        let mut waiting = Box::pin(permits.acquire_for(&child));
        assert!(is_pending(&mut waiting), "{running:?} runs");
        permits.close();
        assert!(waiting.await.is_none());
        assert!(permits.acquire_for(&child).await.is_none());
    }

    #[test]
    fn a_call_that_goes_on_counts_again_and_above_the_bound_if_need_be() {
        let permits = CallPermits::new(ExecutorKind::Fork, 2);
        let mut waiting = permits.try_acquire().unwrap();
        let other = permits.try_acquire().unwrap();
        assert!(permits.try_acquire().is_none());
        waiting.release();
        waiting.release();
        let third = permits.try_acquire().expect("the place of the one that waits");
        assert!(permits.try_acquire().is_none(), "one place, however often it is released");
        waiting.reacquire();
        waiting.reacquire();
        drop(third);
        assert!(permits.try_acquire().is_none(), "two run: the third was above the bound");
        drop(other);
        let again = permits.try_acquire().expect("one runs");
        assert!(permits.try_acquire().is_none());
        drop((waiting, again));
        let all = [permits.try_acquire(), permits.try_acquire()];
        assert!(all.iter().all(Option::is_some) && permits.try_acquire().is_none(), "{all:?}");
    }

    #[test]
    fn a_call_that_ends_while_it_waits_gives_nothing_back_twice() {
        let permits = CallPermits::new(ExecutorKind::Fork, 1);
        let mut waiting = permits.try_acquire().unwrap();
        waiting.release();
        drop(waiting);
        let one = permits.try_acquire();
        assert!(one.is_some() && permits.try_acquire().is_none());
    }

    #[tokio::test]
    async fn who_waits_for_a_permit_gets_that_of_a_call_that_waits_for_its_client() {
        let permits = CallPermits::new(ExecutorKind::Fork, 1);
        let mut waiting = permits.acquire_for(&call(None)).await.unwrap();
        let next = tokio::spawn({
            let permits = Arc::clone(&permits);
            async move { permits.acquire_for(&call(None)).await.is_some() }
        });
        tokio::task::yield_now().await;
        assert!(!next.is_finished());
        waiting.release();
        assert!(next.await.unwrap());
    }

    #[test]
    fn closed_permits_are_given_to_nobody_and_who_has_one_goes_on() {
        let permits = CallPermits::new(ExecutorKind::Fork, 1);
        let mut waiting = permits.try_acquire().unwrap();
        waiting.release();
        permits.close();
        waiting.reacquire();
        assert!(permits.try_acquire().is_none());
    }
}
