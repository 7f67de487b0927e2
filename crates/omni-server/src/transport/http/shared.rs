//! What all connections of an endpoint share, and what is known of an admitted one.

use std::sync::Arc;
use std::time::Instant;

use super::resume::ResumableStreams;
use super::sse_sessions::SseSessions;
use crate::access::{Access, AccessDecision};
use crate::admission::{Connection, PeerAccount};
use crate::authentication::Identity;
use crate::call_client::ParkedCalls;
use crate::host_check::AllowedHosts;
use crate::principal::Principal;
use crate::server::Server;
use crate::session::Sessions;

/// What all connections of an endpoint share.
pub(super) struct Shared {
    pub(super) server: Arc<Server>,
    pub(super) access: Access,
    pub(super) names: AllowedHosts,
    pub(super) sessions: Sessions,
    pub(super) parked: Arc<ParkedCalls>,
    pub(super) streams: Arc<ResumableStreams>,
    /// The sessions of HTTP+SSE.
    pub(super) sse: Arc<SseSessions>,
    /// When the endpoint was made.
    pub(super) started: Instant,
}

/// An admitted connection: whether its peer may call, and its place in the account.
pub(super) struct AdmittedConnection {
    pub(super) access: AccessDecision,
    /// Who its requests are from, where they carry no credentials.
    pub(super) identity: Arc<Identity>,
    pub(super) connection: Arc<Connection>,
}

impl Shared {
    /// The account that a request of `identity` is on, which has come over that connection.
    pub(super) fn account(&self, admitted: &AdmittedConnection, identity: &Arc<Identity>) -> PeerAccount {
        if Arc::ptr_eq(identity, &admitted.identity) {
            return admitted.connection.account().clone();
        }
        let account = self.server.admission.account(Some(identity.account_key(&admitted.access.peer)));
        account.set_calls_max(identity.calls_max);
        account
    }

    /// Takes a place for a connection; `None` when all are taken and at work.
    pub(super) fn reserve(&self, access: AccessDecision) -> Option<AdmittedConnection> {
        let admission = &self.server.admission;
        let connection = admission.connect(&admission.account(Some(access.peer.key())))?;
        let identity = Arc::new(Identity::of(Principal::of_user(access.peer.uid)));
        Some(AdmittedConnection { access, identity, connection: Arc::new(connection) })
    }
}
