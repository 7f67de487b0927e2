//! What tools keep for their clients between calls: JSON values in memory, each under a key of its skill.
//!
//! Whose a value is depends on what ties the calls of a client together. In a session that is the session, with which the
//! values go. A client of the stateless era has none: there it is who the client is, together with a handle that the tool
//! has given out and gets again as an argument. Nothing here outlives the process.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::admission::AccountKey;

/// A value at most, in bytes.
pub(crate) const VALUE_BYTES_MAX: usize = 256 << 10;

/// A key or a handle at most, in bytes.
pub(crate) const NAME_BYTES_MAX: usize = 256;

/// What one skill keeps for one owner at most, keys included.
pub(crate) const OWNER_BYTES_MAX: usize = 1 << 20;

/// All values together at most; beyond that what was used longest ago goes.
const BYTES_MAX: usize = 64 << 20;

/// What an entry costs besides its key and its value, about.
const ENTRY_BYTES: usize = 128;

/// How long values are kept that belong to no session, after they were last used.
const KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// The values that tools keep.
#[derive(Debug, Default)]
pub(crate) struct ToolStates {
    state: Mutex<States>,
    sessions: AtomicU64,
}

/// Whose values, of which skill.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct StateOwner {
    pub(crate) client: StateClient,
    /// The source that has the skill.
    pub(crate) source: usize,
    pub(crate) skill: Box<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum StateClient {
    /// A session, by a number that no other has.
    Session(u64),
    /// Who the client is, and a handle; empty where none was given.
    Client(AccountKey, Box<str>),
}

#[derive(Debug, Default)]
struct States {
    owners: HashMap<StateOwner, Kept>,
    /// Owners by when they were used last, longest ago first.
    used: BTreeMap<u64, StateOwner>,
    clock: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Kept {
    values: HashMap<Box<str>, Bytes>,
    bytes: usize,
    used: u64,
    at: Instant,
}

/// A session's place among those that keep values. Dropping it drops these.
#[derive(Debug)]
pub(crate) struct SessionStates {
    pub(crate) number: u64,
    states: Weak<ToolStates>,
}

impl ToolStates {
    fn lock(&self) -> MutexGuard<'_, States> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a session.
    pub(crate) fn session(self: &Arc<Self>) -> SessionStates {
        let number = self.sessions.fetch_add(1, Ordering::Relaxed);
        SessionStates { number, states: Arc::downgrade(self) }
    }

    /// The value of a key, if one is kept.
    pub(crate) fn get(&self, owner: &StateOwner, key: &str, now: Instant) -> Option<Bytes> {
        let mut states = self.lock();
        let kept = states.touch(owner, now)?;
        kept.values.get(key).cloned()
    }

    /// Keeps a value, or with `None` drops what is kept under the key.
    ///
    /// # Errors
    ///
    /// There is no room for it: a sentence for the tool's author.
    pub(crate) fn set(
        &self,
        owner: &StateOwner,
        key: &str,
        value: Option<Bytes>,
        now: Instant,
    ) -> Result<(), String> {
        let mut states = self.lock();
        let states = &mut *states;
        let before = states.touch(owner, now).map_or(0, |kept| kept.bytes);
        let old =
            states.owners.get(owner).and_then(|kept| kept.values.get(key)).map_or(0, |old| cost(key, old));
        let new = value.as_ref().map_or(0, |value| cost(key, value));
        let bytes = before - old + new;
        if value.is_some() && bytes > OWNER_BYTES_MAX {
            return Err(format!(
                "`{key}` is not kept: with it the skill would keep {bytes} bytes for this client, more than the \
                 {OWNER_BYTES_MAX} allowed; delete what is not needed any more"
            ));
        }
        let Some(value) = value else {
            if let Some(kept) = states.owners.get_mut(owner) {
                kept.values.remove(key);
                kept.bytes = bytes;
                states.bytes -= old;
                if kept.values.is_empty() {
                    states.drop_owner(owner);
                }
            }
            return Ok(());
        };
        if !states.owners.contains_key(owner) {
            states.clock += 1;
            let used = states.clock;
            states.used.insert(used, owner.clone());
            states.owners.insert(owner.clone(), Kept { values: HashMap::new(), bytes: 0, used, at: now });
        }
        if let Some(kept) = states.owners.get_mut(owner) {
            kept.values.insert(key.into(), value);
            kept.bytes = bytes;
        }
        states.bytes += new;
        states.bytes -= old;
        states.make_room(owner);
        Ok(())
    }
}

impl States {
    /// What is kept for an owner, noted as used. What has been kept for too long is dropped.
    fn touch(&mut self, owner: &StateOwner, now: Instant) -> Option<&mut Kept> {
        let at = self.owners.get(owner)?.at;
        if matches!(owner.client, StateClient::Client(..)) && now >= at + KEPT_FOR {
            self.drop_owner(owner);
            return None;
        }
        self.clock += 1;
        let kept = self.owners.get_mut(owner)?;
        self.used.remove(&kept.used);
        (kept.used, kept.at) = (self.clock, now);
        self.used.insert(self.clock, owner.clone());
        Some(kept)
    }

    fn drop_owner(&mut self, owner: &StateOwner) {
        if let Some(kept) = self.owners.remove(owner) {
            self.used.remove(&kept.used);
            self.bytes -= kept.bytes;
        }
    }

    /// Drops the owners that were used longest ago, until the rest is within the bound. `owner` stays.
    fn make_room(&mut self, owner: &StateOwner) {
        while self.bytes > BYTES_MAX
            && let Some((_, first)) = self.used.first_key_value()
            && first != owner
        {
            let first = first.clone();
            tracing::info!(
                skill = &*first.skill,
                "values that a skill keeps are dropped: there are too many"
            );
            self.drop_owner(&first);
        }
    }
}

fn cost(key: &str, value: &Bytes) -> usize {
    key.len() + value.len() + ENTRY_BYTES
}

impl Drop for SessionStates {
    fn drop(&mut self) {
        let Some(states) = self.states.upgrade() else { return };
        let mut states = states.lock();
        let own = |owner: &&StateOwner| owner.client == StateClient::Session(self.number);
        let owners: Vec<_> = states.owners.keys().filter(own).cloned().collect();
        owners.iter().for_each(|owner| states.drop_owner(owner));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(client: StateClient, skill: &str) -> StateOwner {
        StateOwner { client, source: 0, skill: skill.into() }
    }

    fn handle(handle: &str) -> StateClient {
        StateClient::Client(None, handle.into())
    }

    fn value(text: &str) -> Option<Bytes> {
        Some(Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn a_value_is_its_client_s_and_its_skill_s() {
        let (states, now) = (ToolStates::default(), Instant::now());
        let mine = owner(handle("a"), "one");
        states.set(&mine, "k", value("1"), now).unwrap();
        assert_eq!(states.get(&mine, "k", now), value("1"));
        for other in
            [owner(handle("b"), "one"), owner(handle("a"), "two"), owner(StateClient::Session(0), "one")]
        {
            assert_eq!(states.get(&other, "k", now), None);
        }
        states.set(&mine, "k", value("2"), now).unwrap();
        assert_eq!(states.get(&mine, "k", now), value("2"));
        states.set(&mine, "k", None, now).unwrap();
        assert_eq!(states.get(&mine, "k", now), None);
        assert_eq!(states.lock().bytes, 0);
        assert!(states.lock().owners.is_empty() && states.lock().used.is_empty());
    }

    #[test]
    fn what_a_session_keeps_goes_with_it() {
        let (states, now) = (Arc::new(ToolStates::default()), Instant::now());
        let (one, two) = (states.session(), states.session());
        for session in [&one, &two] {
            states.set(&owner(StateClient::Session(session.number), "s"), "k", value("1"), now).unwrap();
        }
        let (first, second) = (StateClient::Session(one.number), StateClient::Session(two.number));
        drop(one);
        assert_eq!(states.get(&owner(first, "s"), "k", now), None);
        assert_eq!(states.get(&owner(second, "s"), "k", now), value("1"));
    }

    #[test]
    fn values_of_no_session_are_dropped_a_day_after_their_last_use() {
        let (states, now) = (ToolStates::default(), Instant::now());
        let mine = owner(handle(""), "s");
        states.set(&mine, "k", value("1"), now).unwrap();
        let later = now + KEPT_FOR / 2;
        assert!(states.get(&mine, "k", later).is_some());
        assert!(states.get(&mine, "k", later + KEPT_FOR / 2).is_some(), "it was used meanwhile");
        assert_eq!(states.get(&mine, "k", later + 2 * KEPT_FOR), None);
        assert_eq!(states.lock().bytes, 0);
    }

    #[test]
    fn one_owner_has_a_bound_and_a_value_may_be_replaced_at_it() {
        let (states, now) = (ToolStates::default(), Instant::now());
        let mine = owner(handle(""), "s");
        let large = Bytes::from(vec![b'1'; VALUE_BYTES_MAX]);
        for key in ["a", "b", "c"] {
            states.set(&mine, key, Some(large.clone()), now).unwrap();
        }
        let refused = states.set(&mine, "d", Some(large.clone()), now).unwrap_err();
        assert!(refused.contains("1048576 allowed"), "{refused}");
        states.set(&mine, "a", Some(large.clone()), now).unwrap();
        states.set(&mine, "b", None, now).unwrap();
        states.set(&mine, "d", Some(large), now).unwrap();
    }

    #[test]
    fn beyond_the_bound_of_all_those_go_that_were_used_longest_ago() {
        let (states, now) = (ToolStates::default(), Instant::now());
        let large = Bytes::from(vec![b'1'; VALUE_BYTES_MAX]);
        let name = |number: usize| owner(handle(&number.to_string()), "s");
        let count = BYTES_MAX / VALUE_BYTES_MAX + 10;
        for number in 0..count {
            states.set(&name(number), "k", Some(large.clone()), now).unwrap();
            assert!(states.get(&name(0), "k", now).is_some(), "it is in use all the time: {number}");
        }
        assert_eq!(states.get(&name(1), "k", now), None);
        assert!(states.get(&name(count - 1), "k", now).is_some());
        assert!(states.lock().bytes <= BYTES_MAX);
    }
}
