//! Whose state is kept by which worker: one worker for each key, whose calls wait for it and for no other.

use std::time::{Duration, Instant};

use super::effect::WorkerHandle;
use super::queue::Queue;
use super::slots::{SlotHandle, Slots};

/// How long a session's worker may be idle before it goes, and its state with it.
pub(super) const SESSION_IDLE_TTL: Duration = Duration::from_secs(30 * 60);

/// Whose state it is.
pub(in crate::pool) trait StateKey: Eq {
    /// Whether all callers share it: then its worker is kept for good. A session's goes when the session seems to
    /// be over.
    fn is_shared(&self) -> bool;
}

/// One state, and the worker that keeps it.
#[derive(Debug)]
pub(super) struct SkillState<K> {
    pub(super) key: K,
    /// Until its process is gone: there are never two.
    pub(super) worker: Option<WorkerHandle>,
    pub(super) queue: Queue,
    /// When a call came last.
    pub(super) used: Instant,
    /// The worker that served last, by its name among those of this server.
    served_by: Option<u64>,
}

/// All states. Those without a worker are remembered too, so that a call can be told that its state is lost.
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

    /// The session's state that was used longest ago and that `is_idle`.
    pub(super) fn oldest(&self, is_idle: impl Fn(&SkillState<K>) -> bool) -> Option<SlotHandle> {
        let sessions = self.0.iter().filter(|(_, state)| !state.key.is_shared() && is_idle(state));
        sessions.min_by_key(|(_, state)| state.used).map(|(handle, _)| handle)
    }

    /// Notes which worker has served a call. True when an earlier one was served by another, with which the state
    /// has gone.
    pub(super) fn call_served(&mut self, state: SlotHandle, worker: u64) -> bool {
        let Some(state) = self.0.get_mut(state) else { return false };
        state.served_by.replace(worker).is_some_and(|before| before != worker)
    }
}
