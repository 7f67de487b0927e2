//! Which states have been used: each is good for one request, whether its call was still there or not.

use std::collections::HashMap;

use super::request_state::StateId;

/// Used states that are remembered by themselves. Beyond that all that were given out before a moment count as used.
const USED_MAX: usize = 100_000;

/// The states that were used and have not expired yet.
#[derive(Debug, Default)]
pub(super) struct UsedStates {
    /// When each expires, in milliseconds of the wall clock.
    used: HashMap<StateId, u64>,
    /// A state that expires no later than this counts as used.
    forgotten_until_ms: u64,
}

impl UsedStates {
    /// Whether a state may be used no more.
    pub(super) fn has(&self, id: &StateId, expiry_ms: u64) -> bool {
        expiry_ms <= self.forgotten_until_ms || self.used.contains_key(id)
    }

    /// Takes note that a state is used, which expires then.
    pub(super) fn add(&mut self, id: StateId, expiry_ms: u64, now_ms: u64) {
        if self.used.len() >= USED_MAX {
            self.used.retain(|_, expiry| *expiry > now_ms);
        }
        if self.used.len() >= USED_MAX {
            // Rather refuse one that was not used than take one twice.
            self.forgotten_until_ms = self.used.drain().map(|(_, expiry)| expiry).max().unwrap_or_default();
        }
        self.used.insert(id, expiry_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: usize) -> StateId {
        (n as u128).to_be_bytes()
    }

    #[test]
    fn a_used_state_stays_used_however_many_are() {
        let mut used = UsedStates::default();
        for n in 0..=2 * USED_MAX {
            assert!(!used.has(&id(n), 10 + n as u64));
            used.add(id(n), 10 + n as u64, 0);
            assert!(used.used.len() <= USED_MAX);
        }
        for n in 0..=2 * USED_MAX {
            assert!(used.has(&id(n), 10 + n as u64), "{n}");
        }
    }

    #[test]
    fn what_has_expired_makes_room_first() {
        let mut used = UsedStates::default();
        for n in 0..USED_MAX {
            used.add(id(n), if n < 10 { 5 } else { 100 }, 0);
        }
        used.add(id(USED_MAX), 100, 50);
        assert_eq!(used.used.len(), USED_MAX - 9);
        assert!(!used.has(&id(USED_MAX + 1), 60), "nothing was forgotten");
    }
}
