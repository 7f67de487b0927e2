//! Which worker keeps which state: one worker for each key, and calls with that key wait for this worker alone.

use std::time::{Duration, Instant};

use super::effect::WorkerHandle;
use super::queue::Queue;
use super::slots::{SlotHandle, Slots};

/// How long a session's worker may be idle before it goes, and its state with it.
pub(super) const SESSION_IDLE_TTL: Duration = Duration::from_secs(30 * 60);

/// The key of a state: whose it is.
pub(in crate::pool) trait StateKey: Eq {
    /// Whether all callers share it. Then its worker is kept for good; the worker of a session's state is retired when
    /// it has been idle for [`SESSION_IDLE_TTL`].
    fn is_shared(&self) -> bool;
}

/// One state, and the worker that keeps it.
#[derive(Debug)]
pub(super) struct SkillState<K> {
    pub(super) key: K,
    /// Set until the worker's process is gone, so that there are never two.
    pub(super) worker: Option<WorkerHandle>,
    pub(super) queue: Queue,
    /// When a call came last.
    pub(super) used: Instant,
    /// The serial number of the worker that served last.
    served_by: Option<u64>,
}

/// All states. One without a worker is remembered too, so that its next call can be told that the state is lost.
#[derive(Debug)]
pub(super) struct SkillStates<K>(pub(super) Slots<SkillState<K>>);

impl<K> Default for SkillStates<K> {
    fn default() -> Self {
        SkillStates(Slots::default())
    }
}

impl<K: StateKey> SkillStates<K> {
    pub(super) fn find(&self, key: &K) -> Option<SlotHandle> {
        self.0.find(|state| state.key == *key)
    }

    pub(super) fn add(&mut self, key: K, now: Instant) -> SlotHandle {
        self.0.insert(SkillState { key, worker: None, queue: Queue::default(), used: now, served_by: None })
    }

    /// Of the states of sessions that are idle by `is_idle`, the one that was used longest ago.
    pub(super) fn oldest(&self, is_idle: impl Fn(&SkillState<K>) -> bool) -> Option<SlotHandle> {
        let sessions = self.0.iter().filter(|(_, state)| !state.key.is_shared() && is_idle(state));
        sessions.min_by_key(|(_, state)| state.used).map(|(handle, _)| handle)
    }

    /// Notes which worker has served a call. True when another worker served the call before: the state has gone with
    /// it.
    pub(super) fn call_served(&mut self, state: SlotHandle, worker: u64) -> bool {
        let Some(state) = self.0.get_mut(state) else { return false };
        state.served_by.replace(worker).is_some_and(|before| before != worker)
    }
}
