//! The one account of what peers hold, and what is taken from it and given back.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::oneshot;

use super::connection_status::ConnectionStatus;
use crate::config::Limits;
use crate::peer::PeerKey;

/// What is shared by peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantity {
    /// Open HTTP connections.
    Connections,
    /// Bytes of requests, from their arrival to their answer.
    RequestBytes,
    /// Bytes of answers that wait to be read. Only counted, never refused: an answer takes its memory when it is made.
    AnswerBytes,
    /// Calls that an executor has and that do not wait for their clients.
    Calls,
    /// Calls that wait for an executor.
    WaitingCalls,
    /// Resources that sessions and streams have subscribed to.
    Subscriptions,
}

pub(super) const QUANTITIES: usize = 6;

/// Subscriptions that one peer alone may have: each keeps a URI and two places in tables.
const SUBSCRIPTIONS_OPEN: usize = 50_000;

/// How much there is of a quantity.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bound {
    /// What one peer alone may take.
    pub(super) open: usize,
    /// What is kept beyond that for peers below their fair share.
    pub(super) reserve: usize,
}

/// The one account of what peers hold.
#[derive(Debug)]
pub(crate) struct Admission {
    state: Mutex<AdmissionState>,
}

/// Whose account it is; `None` is the client on stdio.
pub(crate) type AccountKey = Option<PeerKey>;

#[derive(Debug, Default)]
pub(super) struct AdmissionState {
    pub(super) bounds: [Bound; QUANTITIES],
    pub(super) used: [usize; QUANTITIES],
    /// How many peers hold some of it.
    pub(super) holders: [usize; QUANTITIES],
    pub(super) slots_by_key: HashMap<AccountKey, usize>,
    pub(super) slots: Vec<Slot>,
    pub(super) free: Vec<usize>,
    /// Peers with calls that wait, in the order of their turns.
    pub(super) call_queue: VecDeque<usize>,
    /// Peers with bodies that wait, in the order of their turns.
    pub(super) body_queue: VecDeque<usize>,
    /// What the first body in line may take beyond [`Bound::open`].
    pub(super) first_body_bytes: usize,
    /// The body that may go beyond the bound, so that bodies which are all half read do not wait for each other.
    pub(super) first_body: Option<u64>,
    pub(super) bodies: u64,
}

/// What one peer holds.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) account: Weak<Handle>,
    pub(super) used: [usize; QUANTITIES],
    pub(super) calls: VecDeque<Waiter>,
    /// Calls that it may have at a time, where it has a bound of its own.
    pub(super) calls_max: Option<usize>,
    pub(super) bodies: VecDeque<Waiter>,
    /// Its connections, roughly in the order of their last use.
    pub(super) connections: VecDeque<Arc<ConnectionStatus>>,
}

#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) amount: usize,
    pub(super) body: Option<u64>,
    pub(super) granted: oneshot::Sender<Permit>,
}

/// One peer's account. Clones are the same account, which ends with the last of them.
#[derive(Clone, Debug)]
pub(crate) struct PeerAccount(pub(super) Arc<Handle>);

#[derive(Debug)]
pub(super) struct Handle {
    pub(super) admission: Arc<Admission>,
    pub(super) key: AccountKey,
    pub(super) slot: usize,
}

/// Something that a peer holds. Given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    pub(super) account: PeerAccount,
    pub(super) quantity: Quantity,
    pub(super) amount: usize,
}

impl Admission {
    /// An account in which nobody holds anything. `descriptors` is how many connections the process can have open.
    pub(crate) fn new(limits: &Limits, descriptors: usize) -> Arc<Self> {
        let mut state =
            AdmissionState { first_body_bytes: limits.body_bytes_max, ..AdmissionState::default() };
        let connections = limits.connections_max.min(descriptors).max(1);
        let requests = limits.request_bytes_max();
        let bounds = [
            (Quantity::Connections, connections - connections / 32, connections / 32),
            // The first body in line may go half of the way into the reserve.
            (
                Quantity::RequestBytes,
                requests.saturating_sub(2 * limits.body_bytes_max).max(limits.body_bytes_max),
                2 * limits.body_bytes_max,
            ),
            (Quantity::AnswerBytes, limits.answer_bytes_max(), 0),
            (Quantity::Calls, limits.calls_max, limits.calls_max / 16),
            (Quantity::WaitingCalls, limits.calls_waiting_max, limits.calls_waiting_max / 16),
            (Quantity::Subscriptions, SUBSCRIPTIONS_OPEN, SUBSCRIPTIONS_OPEN / 16),
        ];
        for (quantity, open, reserve) in bounds {
            state.bounds[quantity as usize] = Bound { open, reserve };
        }
        Arc::new(Admission { state: Mutex::new(state) })
    }

    /// The account of a peer; `None` is the client on stdio.
    pub(crate) fn account(self: &Arc<Self>, key: AccountKey) -> PeerAccount {
        let mut state = self.state();
        let known = state.slots_by_key.get(&key).and_then(|slot| state.slots[*slot].account.upgrade());
        if let Some(handle) = known {
            return PeerAccount(handle);
        }
        let slot = state.free.pop().unwrap_or_else(|| {
            state.slots.push(Slot::default());
            state.slots.len() - 1
        });
        let handle = Arc::new(Handle { admission: self.clone(), key: key.clone(), slot });
        state.slots[slot].account = Arc::downgrade(&handle);
        state.slots_by_key.insert(key, slot);
        PeerAccount(handle)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, AdmissionState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AdmissionState {
    /// Whether that much more may be held by the peer of `slot`.
    pub(super) fn fits(&self, quantity: Quantity, slot: usize, amount: usize) -> bool {
        let bound = self.bounds[quantity as usize];
        let used = self.used[quantity as usize].saturating_add(amount);
        if used <= bound.open {
            return true;
        }
        let own = self.slots[slot].used[quantity as usize];
        let alone = own == self.used[quantity as usize];
        !alone && used <= bound.open + bound.reserve && own + amount <= self.fair(quantity, slot)
    }

    /// What each peer could have if all of those that hold some held equally much.
    pub(super) fn fair(&self, quantity: Quantity, slot: usize) -> usize {
        let bound = self.bounds[quantity as usize];
        let holds = usize::from(self.slots[slot].used[quantity as usize] == 0);
        (bound.open + bound.reserve) / (self.holders[quantity as usize] + holds).max(1)
    }

    pub(super) fn take(&mut self, quantity: Quantity, slot: usize, amount: usize) {
        let own = &mut self.slots[slot].used[quantity as usize];
        self.holders[quantity as usize] += usize::from(*own == 0 && amount > 0);
        *own += amount;
        self.used[quantity as usize] += amount;
    }

    pub(super) fn give_back(&mut self, quantity: Quantity, slot: usize, amount: usize) {
        let own = &mut self.slots[slot].used[quantity as usize];
        *own -= amount;
        self.holders[quantity as usize] -= usize::from(*own == 0 && amount > 0);
        self.used[quantity as usize] -= amount;
    }
}

impl PeerAccount {
    pub(super) fn admission(&self) -> &Arc<Admission> {
        &self.0.admission
    }

    /// Whose account it is.
    pub(crate) fn key(&self) -> &AccountKey {
        &self.0.key
    }

    /// Bounds the calls that the peer may have at a time; those that it has go on.
    pub(crate) fn set_calls_max(&self, calls_max: Option<usize>) {
        self.admission().state().slots[self.0.slot].calls_max = calls_max;
    }

    /// Takes that much whether it fits or not: for bytes that are in memory already, and for a call that goes on.
    pub(crate) fn charge(&self, quantity: Quantity, amount: usize) -> Permit {
        self.admission().state().take(quantity, self.0.slot, amount);
        Permit { account: self.clone(), quantity, amount }
    }

    /// Takes that much if it fits.
    pub(crate) fn try_take(&self, quantity: Quantity, amount: usize) -> Option<Permit> {
        let mut state = self.admission().state();
        state.fits(quantity, self.0.slot, amount).then(|| {
            state.take(quantity, self.0.slot, amount);
            Permit { account: self.clone(), quantity, amount }
        })
    }

    /// Whether the peer's requests leave room for more.
    pub(crate) fn may_send_more(&self) -> bool {
        let state = self.admission().state();
        state.used[Quantity::RequestBytes as usize] <= state.bounds[Quantity::RequestBytes as usize].open
    }

    /// Whether the peer reads so slowly that its unread answers take memory that others need: more than half of what
    /// it may have.
    pub(crate) fn reads_too_slowly(&self) -> bool {
        let state = self.admission().state();
        let own = state.slots[self.0.slot].used[Quantity::AnswerBytes as usize];
        own > state.fair(Quantity::AnswerBytes, self.0.slot) / 2
    }
}

impl Permit {
    /// Adds another one of the same peer and quantity.
    pub(super) fn merge(&mut self, mut other: Permit) {
        debug_assert!(self.quantity == other.quantity, "permits of one quantity are merged");
        self.amount += std::mem::take(&mut other.amount);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.amount == 0 {
            return;
        }
        let mut state = self.account.admission().state();
        state.give_back(self.quantity, self.account.0.slot, self.amount);
        let unwanted = state.grant(self.quantity);
        drop(state);
        // Giving those back takes the lock again.
        drop(unwanted);
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut state = self.admission.state();
        // A new account of the same peer can have been opened between the last drop and this line.
        if state.slots_by_key.get(&self.key) == Some(&self.slot) {
            state.slots_by_key.remove(&self.key);
        }
        state.slots[self.slot] = Slot::default();
        state.free.push(self.slot);
    }
}
