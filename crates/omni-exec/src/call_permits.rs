//! Permits for calls that run at once, with which a bound can be exceeded for a while: by calls that waited for their
//! clients and go on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{AcquireError, Semaphore};

use crate::call_slot::CallSlot;

/// Permits for so many calls at once.
#[derive(Debug)]
pub(crate) struct CallPermits {
    free: Arc<Semaphore>,
    /// So many calls run above the bound: as many permits that come back are for nobody. Never above 0 while a permit is
    /// free, which the lock is for.
    above: Mutex<usize>,
}

/// The permit of one call. Dropping it lets another call run.
#[derive(Debug)]
pub(crate) struct CallPermit {
    permits: Arc<CallPermits>,
    /// Given back for as long as the call waits.
    released: bool,
}

impl CallPermits {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(CallPermits { free: Arc::new(Semaphore::new(max)), above: Mutex::new(0) })
    }

    /// A permit, if one is free and nobody waits for it.
    pub(crate) fn try_acquire(self: &Arc<Self>) -> Option<CallPermit> {
        self.free.try_acquire().ok()?.forget();
        Some(self.taken())
    }

    /// A permit, as soon as there is one; first come, first served. The error says that they have been
    /// [closed](Self::close).
    pub(crate) async fn acquire(self: &Arc<Self>) -> Result<CallPermit, AcquireError> {
        self.free.acquire().await?.forget();
        Ok(self.taken())
    }

    /// Gives out none from now on.
    pub(crate) fn close(&self) {
        self.free.close();
    }

    fn taken(self: &Arc<Self>) -> CallPermit {
        CallPermit { permits: Arc::clone(self), released: false }
    }

    fn above(&self) -> MutexGuard<'_, usize> {
        self.above.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_back(&self) {
        let mut above = self.above();
        match above.checked_sub(1) {
            Some(fewer) => *above = fewer,
            None => self.free.add_permits(1),
        }
    }

    fn take_whether_free_or_not(&self) {
        let mut above = self.above();
        match self.free.try_acquire() {
            Ok(permit) => permit.forget(),
            Err(_) => *above += 1,
        }
    }
}

impl CallSlot for CallPermit {
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
    use super::*;

    #[test]
    fn a_call_that_goes_on_counts_again_and_above_the_bound_if_need_be() {
        let permits = CallPermits::new(2);
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
        let permits = CallPermits::new(1);
        let mut waiting = permits.try_acquire().unwrap();
        waiting.release();
        drop(waiting);
        let one = permits.try_acquire();
        assert!(one.is_some() && permits.try_acquire().is_none());
    }

    #[tokio::test]
    async fn who_waits_for_a_permit_gets_that_of_a_call_that_waits_for_its_client() {
        let permits = CallPermits::new(1);
        let mut waiting = permits.acquire().await.unwrap();
        let next = tokio::spawn({
            let permits = Arc::clone(&permits);
            async move { permits.acquire().await.is_ok() }
        });
        tokio::task::yield_now().await;
        assert!(!next.is_finished());
        waiting.release();
        assert!(next.await.unwrap());
    }

    #[test]
    fn closed_permits_are_given_to_nobody_and_who_has_one_goes_on() {
        let permits = CallPermits::new(1);
        let mut waiting = permits.try_acquire().unwrap();
        waiting.release();
        permits.close();
        waiting.reacquire();
        assert!(permits.try_acquire().is_none());
    }
}
