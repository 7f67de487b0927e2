//! Queues for permits: calls wait for an executor, request bodies for memory.

use std::collections::VecDeque;
use std::time::Duration;

use omni_protocol::{ErrorCode, RpcError};
use tokio::sync::oneshot;

use super::account::{AdmissionState, PeerAccount, Permit, Quantity, Slot, Waiter};

/// A call that has waited this long is refused: its client has given up, or will.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// Most peers that are looked at when something becomes free and none of them can be served.
const LOOKS_MAX: usize = 64;

/// There is no room, and the queue is full too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server has as many calls as it takes; try again in a second")]
pub(crate) struct Overloaded;

/// The permit of a call: there at once, or waited for in the queue. Dropping it leaves the queue.
#[derive(Debug)]
pub(crate) enum PendingPermit {
    Now(Permit),
    Later {
        granted: oneshot::Receiver<Permit>,
        /// Counts it as waiting.
        waits: Permit,
    },
}

impl From<Overloaded> for RpcError {
    fn from(overloaded: Overloaded) -> Self {
        let data = serde_json::json!({ "retry_after_ms": 1000 });
        RpcError::new(ErrorCode::Overloaded, overloaded.to_string()).with_data(data)
    }
}

impl PendingPermit {
    /// Waits until the call may begin. The permit is to be held as long as an executor has the call, by a
    /// [`CallPermit`](super::CallPermit).
    pub(crate) async fn wait(self) -> Result<Permit, Overloaded> {
        match self {
            PendingPermit::Now(permit) => Ok(permit),
            PendingPermit::Later { granted, waits: _waits } => {
                let granted = tokio::time::timeout(WAIT_MAX, granted).await.map_err(|_| Overloaded)?;
                granted.map_err(|_| Overloaded)
            }
        }
    }
}

/// The bytes that a request body holds, and its place in the queue for more.
#[derive(Debug)]
pub(crate) struct BodyBytes {
    held: Permit,
    number: u64,
}

impl PeerAccount {
    /// Asks for a permit to begin a call. Refused at once when the queue is full too.
    pub(crate) fn call_permit(&self) -> Result<PendingPermit, Overloaded> {
        let slot = self.0.slot;
        let mut state = self.admission().state();
        // Calls that wait already came first.
        if state.slots[slot].calls.is_empty() && state.call_fits(slot) {
            state.take(Quantity::Calls, slot, 1);
            return Ok(PendingPermit::Now(Permit {
                account: self.clone(),
                quantity: Quantity::Calls,
                amount: 1,
            }));
        }
        if !state.fits(Quantity::WaitingCalls, slot, 1) {
            return Err(Overloaded);
        }
        state.take(Quantity::WaitingCalls, slot, 1);
        let waits = Permit { account: self.clone(), quantity: Quantity::WaitingCalls, amount: 1 };
        let (sender, granted) = oneshot::channel();
        state.wait(Queue::Calls, slot, Waiter { amount: 1, body: None, granted: sender });
        Ok(PendingPermit::Later { granted, waits })
    }

    /// Begins the account of a request body.
    pub(crate) fn body(&self) -> BodyBytes {
        let mut state = self.admission().state();
        state.bodies += 1;
        let held = Permit { account: self.clone(), quantity: Quantity::RequestBytes, amount: 0 };
        BodyBytes { held, number: state.bodies }
    }
}

impl BodyBytes {
    /// Takes room for bytes that have arrived, if there is some and nobody of the peer waits for it.
    pub(crate) fn grow_now(&mut self, amount: usize) -> bool {
        let account = &self.held.account;
        let mut state = account.admission().state();
        let slot = account.0.slot;
        let fits = state.slots[slot].bodies.is_empty() && state.fits(Quantity::RequestBytes, slot, amount);
        if fits {
            state.take(Quantity::RequestBytes, slot, amount);
            drop(state);
            self.held.amount += amount;
        }
        fits
    }

    /// Takes room for bytes that have arrived, and waits for it while there is none.
    ///
    /// One body at a time may go beyond the bound by its largest size. Without that, bodies that are all half read
    /// would wait for each other.
    pub(crate) async fn grow(&mut self, amount: usize) {
        let account = self.held.account.clone();
        let granted = {
            let mut state = account.admission().state();
            let slot = account.0.slot;
            if state.body_fits(slot, amount, self.number) {
                state.take(Quantity::RequestBytes, slot, amount);
                drop(state);
                self.held.amount += amount;
                return;
            }
            let (sender, granted) = oneshot::channel();
            let waiter = Waiter { amount, body: Some(self.number), granted: sender };
            state.wait(Queue::Bodies, slot, waiter);
            granted
        };
        if let Ok(permit) = granted.await {
            self.held.merge(permit);
        }
    }

    /// Lets another body be the one that may go beyond the bound, when nothing of this one has arrived for a while.
    pub(crate) fn step_back(&self) {
        let mut state = self.held.account.admission().state();
        if state.first_body == Some(self.number) {
            state.first_body = None;
            let unwanted = state.grant(Quantity::RequestBytes);
            drop(state);
            drop(unwanted);
        }
    }

    /// The body is whole: what it holds is kept until its request is answered.
    pub(crate) fn whole(mut self) -> Permit {
        let account = self.held.account.clone();
        let none = Permit { account, quantity: Quantity::RequestBytes, amount: 0 };
        std::mem::replace(&mut self.held, none)
    }
}

impl Drop for BodyBytes {
    fn drop(&mut self) {
        self.step_back();
    }
}

impl AdmissionState {
    /// Whether a call of the peer of `slot` may begin. A peer with more unread answers than it may have
    /// gets no further calls begun.
    fn call_fits(&self, slot: usize) -> bool {
        let unread = self.slots[slot].used[Quantity::AnswerBytes as usize];
        !self.has_own_calls(slot)
            && self.fits(Quantity::Calls, slot, 1)
            && (unread == 0 || unread <= self.fair(Quantity::AnswerBytes, slot))
    }

    /// Whether the peer of `slot` has as many calls as its own bound allows.
    fn has_own_calls(&self, slot: usize) -> bool {
        let Slot { calls_max, used, .. } = &self.slots[slot];
        calls_max.is_some_and(|max| used[Quantity::Calls as usize] >= max)
    }

    fn body_fits(&mut self, slot: usize, amount: usize, body: u64) -> bool {
        if self.fits(Quantity::RequestBytes, slot, amount) {
            return true;
        }
        let used = self.used[Quantity::RequestBytes as usize] + amount;
        let first = *self.first_body.get_or_insert(body) == body;
        first && used <= self.bounds[Quantity::RequestBytes as usize].open + self.first_body_bytes
    }

    fn queue(&mut self, queue: Queue, slot: usize) -> (&mut VecDeque<usize>, &mut VecDeque<Waiter>) {
        match queue {
            Queue::Calls => (&mut self.call_queue, &mut self.slots[slot].calls),
            Queue::Bodies => (&mut self.body_queue, &mut self.slots[slot].bodies),
        }
    }

    fn wait(&mut self, queue: Queue, slot: usize, waiter: Waiter) {
        let (turns, waiting) = self.queue(queue, slot);
        // Calls that were given up leave the queue before it grows, so that a flood of cancelled calls does not pile up.
        if waiting.len() == waiting.capacity() {
            waiting.retain(|waiter| !waiter.granted.is_closed());
        }
        waiting.push_back(waiter);
        if waiting.len() == 1 && !turns.contains(&slot) {
            turns.push_back(slot);
        }
    }

    /// Serves those who wait for what a quantity's return may have made possible, one of each peer in turn, as long
    /// as something fits. Returns the permits of calls that were given up, to be dropped
    /// after the lock: dropping one takes it.
    pub(super) fn grant(&mut self, returned: Quantity) -> Vec<Permit> {
        match returned {
            Quantity::Calls | Quantity::AnswerBytes if !self.call_queue.is_empty() => {
                self.serve(Queue::Calls)
            }
            Quantity::RequestBytes if !self.body_queue.is_empty() => self.serve(Queue::Bodies),
            _ => Vec::new(),
        }
    }

    fn serve(&mut self, queue: Queue) -> Vec<Permit> {
        let mut unwanted = Vec::new();
        // Peers that have as many calls as they may are passed over, however many they are: else those behind them
        // would wait for theirs to end.
        let (mut looks, mut passed) = (0, 0);
        loop {
            let turns = match queue {
                Queue::Calls => &mut self.call_queue,
                Queue::Bodies => &mut self.body_queue,
            };
            if looks + passed >= turns.len() || looks == LOOKS_MAX {
                return unwanted;
            }
            let Some(slot) = turns.pop_front() else { return unwanted };
            let (_, waiting) = self.queue(queue, slot);
            while waiting.pop_front_if(|waiter| waiter.granted.is_closed()).is_some() {}
            let Some(&Waiter { amount, body, .. }) = waiting.front() else { continue };
            let fits = match body {
                Some(body) => self.body_fits(slot, amount, body),
                None => self.call_fits(slot),
            };
            match body.is_none() && self.has_own_calls(slot) {
                true => passed += 1,
                false => looks += 1,
            }
            if fits && let Some(account) = self.slots[slot].account.upgrade() {
                (looks, passed) = (0, 0);
                let quantity = queue.quantity();
                self.take(quantity, slot, amount);
                let permit = Permit { account: PeerAccount(account), quantity, amount };
                let waiter = self.queue(queue, slot).1.pop_front();
                unwanted.extend(waiter.and_then(|waiter| waiter.granted.send(permit).err()));
            }
            let (turns, waiting) = self.queue(queue, slot);
            if !waiting.is_empty() {
                turns.push_back(slot);
            }
        }
    }
}

/// What is waited for.
#[derive(Clone, Copy, Debug)]
enum Queue {
    Calls,
    Bodies,
}

impl Queue {
    fn quantity(self) -> Quantity {
        match self {
            Queue::Calls => Quantity::Calls,
            Queue::Bodies => Quantity::RequestBytes,
        }
    }
}
