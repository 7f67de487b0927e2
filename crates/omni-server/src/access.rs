//! Who may call over a socket.
//!
//! A port on loopback is open to every user and every sandboxed process of the machine, while the tools behind it
//! act as the user that runs the server. So the kernel is asked whose each connection is. Over a Unix socket it is asked
//! as well: the file's permissions may let more in than `allow_users` names.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::header::HeaderValue;

use crate::authentication::{Authentication, Identity, Refusal};
use crate::peer::{Peer, PeerLookup};
use crate::transport::listener::{Addresses, ClientStream};

/// The rules by which callers are let in. One that satisfies all of them is.
#[derive(Debug)]
pub struct Access {
    /// Whose connections are served; `None` where nobody asks.
    users: Option<UserRule>,
    /// What each request must prove; `None` where nothing.
    authentication: Option<Authentication>,
}

/// Connections of our own user, of root and of `others` are served.
#[derive(Debug)]
struct UserRule {
    lookup: PeerLookup,
    own: u32,
    others: Vec<u32>,
    refusals: Mutex<RefusalLog>,
}

/// The least time between two lines of the log about refused connections: others can make as many as they like.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// Connections of users who are not let in, for the log.
#[derive(Debug, Default)]
struct RefusalLog {
    logged: Option<Instant>,
    since: u64,
}

impl RefusalLog {
    fn log(&mut self, uid: u32, now: Instant) {
        self.since += 1;
        if self.logged.is_none_or(|logged| now.duration_since(logged) >= LOG_EVERY) {
            tracing::warn!(
                uid,
                connections = self.since,
                "refused: only our own user, root and `http.allow_users` may call"
            );
            *self = RefusalLog { logged: Some(now), since: 0 };
        }
    }
}

/// A connection as it was found when it was accepted.
#[derive(Debug)]
pub struct AccessDecision {
    pub peer: Peer,
    /// Why none of its requests is served: a sentence that names the setting that would let it in.
    pub refused: Option<String>,
}

impl Access {
    /// Lets in the connections that processes of our own user, of root or of `others` made, as `lookup` tells.
    pub fn users(lookup: PeerLookup, others: Vec<u32>) -> Self {
        let own = rustix::process::geteuid().as_raw();
        let users = UserRule { lookup, own, others, refusals: Mutex::default() };
        Access { users: Some(users), authentication: None }
    }

    /// Lets in whoever sends credentials with each request that `authentication` knows, and nobody else.
    pub fn authenticated(authentication: Authentication) -> Self {
        Access::everybody().with_authentication(authentication)
    }

    /// Lets in whoever reaches the socket.
    pub fn everybody() -> Self {
        Access { users: None, authentication: None }
    }

    /// The same, and each request must have credentials that `authentication` knows.
    pub fn with_authentication(self, authentication: Authentication) -> Self {
        Access { authentication: Some(authentication), ..self }
    }

    /// Finds out who is at the other end of a connection that was just accepted, and whether its requests are served.
    ///
    /// To be asked once for a connection, before anything is read from it: what it is told holds for all of its
    /// requests. Asks the kernel twice, which takes a few microseconds, and does not wait.
    pub(crate) fn check(&self, stream: &ClientStream, addresses: Addresses) -> AccessDecision {
        let peer = |uid| Peer { addresses, uid };
        let Some(UserRule { lookup, own, others, refusals }) = &self.users else {
            return AccessDecision { peer: peer(None), refused: None };
        };
        let (uid, who) = match lookup.user(stream, addresses) {
            Ok(uid) if uid == *own || uid == 0 || others.contains(&uid) => {
                return AccessDecision { peer: peer(Some(uid)), refused: None };
            }
            Ok(uid) => (Some(uid), format!("this connection is of user {uid}")),
            Err(unknown) => (None, format!("whose this connection is cannot be told: {unknown}")),
        };
        match uid {
            Some(uid) => refusals.lock().unwrap_or_else(PoisonError::into_inner).log(uid, Instant::now()),
            // Not worth a warning: a probe that only tries whether the port is open has gone by now, too.
            None => tracing::debug!(remote = %addresses, "refused: {who}"),
        }
        let otherwise = match addresses {
            Addresses::Tcp { .. } => ", `--http-token FILE` whoever has a token",
            Addresses::Unix => "",
        };
        let why = format!(
            "only user {own}, who runs this server, and root may call it, and {who}; `http.allow_users` in omni.toml \
             lets other users in{otherwise}"
        );
        AccessDecision { peer: peer(uid), refused: Some(why) }
    }

    /// Who has sent a request with these headers: whom its credentials stand for where callers need some, else
    /// whom its connection is of.
    pub(crate) async fn identify(
        &self,
        connection: &Arc<Identity>,
        headers: &HeaderMap,
    ) -> Result<Arc<Identity>, Refusal> {
        match &self.authentication {
            Some(authentication) => authentication.identify(headers).await,
            None => Ok(connection.clone()),
        }
    }

    /// The document at a path of this server that tells whose tokens are taken, if there is one.
    pub(crate) fn metadata_at(&self, path: &str) -> Option<Bytes> {
        self.authentication.as_ref()?.metadata_at(path)
    }

    /// The value of `WWW-Authenticate` for a request that was refused; `None` where none belongs.
    pub(crate) fn challenge(&self, refusal: &Refusal) -> Option<HeaderValue> {
        self.authentication.as_ref()?.challenge(refusal)
    }
}
