//! What is known of whoever sends a request.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::peer::{Peer, PeerKey};
use crate::principal::Principal;

/// Who sends a request, and what they may. Every request has one: of its credentials where the server wants some, else of
/// its connection.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// Whom sessions, tasks, states and kept results belong to.
    pub(crate) principal: Principal,
    /// The profile of omni.toml that these credentials always have, whatever profiles match the client by.
    pub(crate) profile: Option<Arc<str>>,
    /// Calls that the principal may have running at a time; further ones wait. `None`: as many as anybody.
    pub(crate) calls_max: Option<usize>,
    /// Turns true when the credentials are taken back while they are in use. `None`: that never happens.
    pub(crate) revoked: Option<watch::Receiver<bool>>,
    /// When the credentials end by themselves: no request is begun with them then, and what only listens is over. A call
    /// that was begun before goes on, since it was allowed to. `None`: never.
    pub(crate) expires: Option<Instant>,
}

impl Identity {
    /// Somebody of whom no more is known than who it is.
    pub(crate) fn of(principal: Principal) -> Self {
        Identity { principal, profile: None, calls_max: None, revoked: None, expires: None }
    }

    /// Whether what that principal opened with credentials of that profile is this one's too. Credentials that give another
    /// profile do not go on with it: its client is asked to say again who it is, and is then shown what these may see.
    pub(crate) fn owns(&self, principal: &Principal, profile: Option<&str>) -> bool {
        self.principal == *principal && self.profile.as_deref() == profile
    }

    /// Whose account the requests are on that come over a connection of `peer`.
    pub(crate) fn account_key(&self, peer: &Peer) -> PeerKey {
        match &self.principal {
            Principal::LocalUser | Principal::User(_) | Principal::Unknown => peer.key(),
            named @ (Principal::Token(_) | Principal::UnnamedToken(_) | Principal::Subject { .. }) => {
                PeerKey::Principal(named.clone())
            }
        }
    }

    /// Waits until the credentials are taken back; for ever where they never are.
    pub(crate) async fn revoked(&self) {
        if let Some(revoked) = &self.revoked {
            let mut revoked = revoked.clone();
            // A sender that is gone without a word has ended with the server.
            if revoked.wait_for(|revoked| *revoked).await.is_ok() {
                return;
            }
        }
        std::future::pending().await
    }

    /// Waits until the credentials have expired; for ever where they never do.
    pub(crate) async fn expired(&self) {
        match self.expires {
            Some(expires) => sleep_until(expires).await,
            None => std::future::pending().await,
        }
    }
}
