//! How many calls of the legacy era wait for their clients' replies: each holds what it had, a worker above all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::admission::AccountKey;
use crate::config::AskingLimits;

/// The calls of a server that wait for a reply to a request of ours.
#[derive(Debug, Default)]
pub(crate) struct AskingCalls(Mutex<AskingCounts>);

#[derive(Debug, Default)]
struct AskingCounts {
    all: usize,
    of_peers: HashMap<AccountKey, usize>,
}

impl AskingCalls {
    fn counts(&self) -> MutexGuard<'_, AskingCounts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One call that may ask. Its questions share one place.
pub(super) struct AskingCall {
    calls: Arc<AskingCalls>,
    limits: AskingLimits,
    peer: AccountKey,
    place: Mutex<Weak<AskingPlace>>,
}

/// The place of a call that waits. It is free again when the last question of the call has gone.
#[derive(Debug)]
pub(super) struct AskingPlace {
    calls: Arc<AskingCalls>,
    peer: AccountKey,
}

/// As many calls wait as may.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{all} calls wait for answers of their clients already, {of_peer} of them of this one")]
pub(super) struct TooManyAsking {
    all: usize,
    of_peer: usize,
}

impl AskingCall {
    pub(super) fn new(calls: &Arc<AskingCalls>, limits: AskingLimits, peer: &AccountKey) -> Self {
        AskingCall { calls: calls.clone(), limits, peer: peer.clone(), place: Mutex::default() }
    }

    /// The call's place, to be held as long as its question is open.
    pub(super) fn place(&self) -> Result<Arc<AskingPlace>, TooManyAsking> {
        let mut own = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = own.upgrade() {
            return Ok(place);
        }
        let mut counts = self.calls.counts();
        let (all, of_peer) = (counts.all, counts.of_peers.get(&self.peer).copied().unwrap_or_default());
        if all >= self.limits.total || of_peer >= self.limits.per_principal {
            return Err(TooManyAsking { all, of_peer });
        }
        counts.all += 1;
        *counts.of_peers.entry(self.peer.clone()).or_default() += 1;
        drop(counts);
        let place = Arc::new(AskingPlace { calls: self.calls.clone(), peer: self.peer.clone() });
        *own = Arc::downgrade(&place);
        Ok(place)
    }
}

impl Drop for AskingPlace {
    fn drop(&mut self) {
        let mut counts = self.calls.counts();
        counts.all -= 1;
        if let Some(of_peer) = counts.of_peers.get_mut(&self.peer) {
            *of_peer -= 1;
            if *of_peer == 0 {
                counts.of_peers.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::peer::PeerKey;

    #[test]
    fn a_call_has_one_place_for_all_its_questions_and_gives_it_back_with_the_last() {
        let limits = AskingLimits { per_principal: 2, total: 3, expires_after: Duration::from_secs(1) };
        let calls = Arc::default();
        let of = |uid| AskingCall::new(&calls, limits, &Some(PeerKey::User(uid)));
        let (one, two, three) = (of(1), of(1), of(1));
        let first = one.place().unwrap();
        let again = one.place().unwrap();
        let second = two.place().unwrap();
        assert_eq!(three.place().unwrap_err(), TooManyAsking { all: 2, of_peer: 2 });
        let other = of(2).place().unwrap();
        let (fourth, fifth) = (of(3), of(3));
        assert_eq!(fourth.place().unwrap_err(), TooManyAsking { all: 3, of_peer: 0 });
        drop(first);
        assert!(three.place().is_err(), "its other question is open");
        drop(again);
        let third = three.place().unwrap();
        drop((second, other, third));
        assert!(fourth.place().is_ok() && fifth.place().is_ok());
        assert!(calls.counts().of_peers.is_empty() && calls.counts().all == 0);
    }
}
