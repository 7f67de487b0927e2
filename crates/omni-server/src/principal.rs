//! Who a client is: what its sessions and parked calls are bound to.

use std::borrow::Cow;
use std::sync::Arc;

/// Who is behind a session. A session is its principal's, and nobody else may use it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Principal {
    /// Whoever started this process and speaks to it over its standard streams.
    LocalUser,
    /// A user of this machine, as the kernel says of the connection.
    User(u32),
    /// Whoever has a bearer token of that name.
    Token(Arc<str>),
    /// Whoever has one bearer token that has no name; what stands for it tells nothing of it.
    UnnamedToken(Arc<str>),
    /// Whom an issuer means by that name. Another issuer may mean somebody else.
    Subject { issuer: Arc<str>, subject: Arc<str> },
    /// Nothing but an address is known, which may change: all of these look alike.
    Unknown,
}

impl Principal {
    /// The user of a connection, where the kernel tells one.
    pub(crate) fn of_user(uid: Option<u32>) -> Self {
        uid.map_or(Principal::Unknown, Principal::User)
    }

    /// What profiles match it by.
    pub(crate) fn profile_text(&self) -> Cow<'static, str> {
        match self {
            Principal::LocalUser => "local".into(),
            Principal::User(uid) => format!("user:{uid}").into(),
            Principal::Token(name) => format!("token:{name}").into(),
            // Without a name all of them are one principal to profiles.
            Principal::UnnamedToken(_) => "token".into(),
            Principal::Subject { subject, .. } => format!("jwt:{subject}").into(),
            Principal::Unknown => "unknown".into(),
        }
    }

    /// What goes into the seal of a session's token. Changing it ends the sessions that clients have.
    pub(crate) fn seal_text(&self) -> Cow<'static, str> {
        match self {
            Principal::LocalUser => "local".into(),
            Principal::User(uid) => format!("user {uid}").into(),
            Principal::Token(name) => format!("token {name}").into(),
            Principal::UnnamedToken(digest) => format!("principal {digest}").into(),
            // The length says where one ends and the other begins.
            Principal::Subject { issuer, subject } => {
                format!("subject {} {issuer} {subject}", issuer.len()).into()
            }
            Principal::Unknown => "".into(),
        }
    }
}
