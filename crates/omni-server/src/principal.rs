//! Who a client is: what its sessions and parked calls are bound to.

use std::borrow::Cow;
use std::sync::Arc;

use crate::peer::Peer;

/// Who is behind a session. A session is its principal's, and nobody else may use it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Principal {
    /// Whoever started this process and speaks to it over its standard streams.
    LocalUser,
    /// A user of this machine, as the kernel says of the connection.
    User(u32),
    /// Whoever has one of the bearer tokens; the name tells nothing of it.
    TokenHolder(Arc<str>),
    /// Nothing but an address is known, which may change: all of these look alike.
    Unknown,
}

impl Principal {
    /// The most that is known of who sent a request: whom its token stands for, else the user of its connection.
    pub(crate) fn of(peer: &Peer) -> Self {
        match (&peer.principal, peer.uid) {
            (Some(holder), _) => Principal::TokenHolder(holder.clone()),
            (None, Some(uid)) => Principal::User(uid),
            (None, None) => Principal::Unknown,
        }
    }

    /// What profiles match it by.
    pub(crate) fn profile_text(&self) -> Cow<'static, str> {
        match self {
            Principal::LocalUser => "local".into(),
            Principal::User(uid) => format!("user:{uid}").into(),
            // A token has no name, so all of them are one principal to profiles.
            Principal::TokenHolder(_) => "token".into(),
            Principal::Unknown => "unknown".into(),
        }
    }

    /// What goes into the seal of a session's token. Changing it ends the sessions that clients have.
    pub(crate) fn seal_text(&self) -> Cow<'static, str> {
        match self {
            Principal::LocalUser => "local".into(),
            Principal::User(uid) => format!("user {uid}").into(),
            Principal::TokenHolder(holder) => format!("principal {holder}").into(),
            Principal::Unknown => "".into(),
        }
    }
}
