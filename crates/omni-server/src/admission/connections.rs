//! Connections: how many there may be, and which of them goes when another peer needs the room.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::account::{Admission, AdmissionState, PeerAccount, Permit, Quantity};
use super::connection_status::ConnectionStatus;

/// Connections that are passed over at most, because they are at work, before a new one is refused.
const PASSED_OVER_MAX: usize = 64;

/// An open connection. Dropping it gives its place back.
#[derive(Debug)]
pub(crate) struct Connection {
    permit: Permit,
    status: Arc<ConnectionStatus>,
}

impl Connection {
    pub(crate) fn account(&self) -> &PeerAccount {
        &self.permit.account
    }

    /// Keeps the connection from being sent away until what is returned is dropped: a request is at work on it. A
    /// connection that waits for its client, or on which its client only listens, is not at work.
    pub(crate) fn mark_busy(self: &Arc<Self>) -> BusyGuard {
        self.status.busy.store(true, Ordering::Relaxed);
        self.touch();
        BusyGuard(self.clone())
    }

    /// Notes that something happens on the connection.
    pub(crate) fn touch(&self) {
        self.status.used.fetch_add(1, Ordering::Relaxed);
    }

    /// Resolves when the connection is to make room for another.
    pub(crate) async fn evicted(&self) {
        while !self.is_evicted() {
            self.status.leave.notified().await;
        }
    }

    pub(super) fn is_evicted(&self) -> bool {
        self.status.evicted.load(Ordering::Relaxed)
    }
}

/// A request at work on a connection. There is one at a time.
#[derive(Debug)]
pub(crate) struct BusyGuard(Arc<Connection>);

impl Drop for BusyGuard {
    fn drop(&mut self) {
        self.0.status.busy.store(false, Ordering::Relaxed);
        self.0.touch();
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.status.closed.store(true, Ordering::Relaxed);
    }
}

impl Admission {
    /// Lets a connection of that peer in, in the place of a silent one where all are taken. `None` when there is no
    /// room and nobody who could make some.
    pub(crate) fn connect(self: &Arc<Self>, account: &PeerAccount) -> Option<Connection> {
        let mut state = self.state();
        let slot = account.0.slot;
        if !state.fits(Quantity::Connections, slot, 1) && !state.evict_silent_for(slot) {
            return None;
        }
        state.take(Quantity::Connections, slot, 1);
        let status = Arc::new(ConnectionStatus::default());
        let connections = &mut state.slots[slot].connections;
        // Those that are gone are forgotten before the list grows.
        if connections.len() == connections.capacity() {
            connections.retain(|status| !status.closed.load(Ordering::Relaxed));
        }
        connections.push_back(status.clone());
        drop(state);
        let permit = Permit { account: account.clone(), quantity: Quantity::Connections, amount: 1 };
        Some(Connection { permit, status })
    }

    /// Closes the oldest silent connection of the peer that has most: the system has no room for another. False when
    /// there is none.
    pub(crate) fn make_room(&self) -> bool {
        let mut state = self.state();
        state.heaviest().is_some_and(|slot| state.evict_oldest_silent(slot))
    }
}

impl AdmissionState {
    /// Closes a silent connection to make room for one of the peer of `slot`: one of the peer that has most, which may
    /// be itself.
    fn evict_silent_for(&mut self, slot: usize) -> bool {
        let count = |slot: usize| self.slots[slot].used[Quantity::Connections as usize];
        let heaviest = self.heaviest().filter(|heaviest| count(*heaviest) > count(slot));
        self.evict_oldest_silent(heaviest.unwrap_or(slot))
    }

    fn heaviest(&self) -> Option<usize> {
        let count = |slot: &usize| self.slots[*slot].used[Quantity::Connections as usize];
        (0..self.slots.len()).max_by_key(count)
    }

    /// Tells the connection of that peer on which nothing has happened for longest to close. False when there is none.
    ///
    /// The list is in the order of the last look: what was used since goes to its end. So each use costs one step,
    /// however often a new connection needs room.
    fn evict_oldest_silent(&mut self, slot: usize) -> bool {
        let connections = &mut self.slots[slot].connections;
        let mut busy = 0;
        // Twice, since what was used since the last look is passed over once.
        for _ in 0..2 * connections.len() {
            let Some(status) = connections.pop_front_if(|_| busy < PASSED_OVER_MAX) else { break };
            if status.closed.load(Ordering::Relaxed) {
                continue;
            }
            let used = status.used.load(Ordering::Relaxed);
            let silent = !status.busy.load(Ordering::Relaxed);
            if silent && status.seen.swap(used, Ordering::Relaxed) == used {
                status.evicted.store(true, Ordering::Relaxed);
                status.leave.notify_one();
                return true;
            }
            connections.push_back(status);
            busy += usize::from(!silent);
        }
        false
    }
}
