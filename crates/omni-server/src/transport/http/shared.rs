//! What all connections of an endpoint share, and what is known of an admitted one.

use std::sync::Arc;

use crate::access::{Access, AccessDecision};
use crate::admission::Connection;
use crate::call_client::ParkedCalls;
use crate::host_check::AllowedHosts;
use crate::server::Server;
use crate::session::Sessions;

/// What all connections of an endpoint share.
pub(super) struct Shared {
    pub(super) server: Arc<Server>,
    pub(super) access: Access,
    pub(super) names: AllowedHosts,
    pub(super) sessions: Sessions,
    pub(super) parked: Arc<ParkedCalls>,
}

/// An admitted connection: whether its peer may call, and its place in the account.
pub(super) struct AdmittedConnection {
    pub(super) access: AccessDecision,
    pub(super) connection: Arc<Connection>,
}

impl Shared {
    /// Takes a place for a connection; `None` when all are taken and at work.
    pub(super) fn reserve(&self, access: AccessDecision) -> Option<AdmittedConnection> {
        let admission = &self.server.admission;
        let connection = admission.connect(&admission.account(Some(access.peer.key())))?;
        Some(AdmittedConnection { access, connection: Arc::new(connection) })
    }
}
