//! What all connections of an endpoint share, and who is at the other end of one.

use std::sync::Arc;

use crate::access::{Access, Visit};
use crate::admission::Connection;
use crate::asking::ParkedCalls;
use crate::gate::AllowedNames;
use crate::server::Server;
use crate::session::Sessions;

/// What all connections of an endpoint share.
pub(super) struct Shared {
    pub(super) server: Arc<Server>,
    pub(super) access: Access,
    pub(super) names: AllowedNames,
    pub(super) sessions: Sessions,
    pub(super) parked: Arc<ParkedCalls>,
}

/// Who is at the other end of a connection, and the place it takes.
pub(super) struct Guest {
    pub(super) visit: Visit,
    pub(super) connection: Arc<Connection>,
}

impl Shared {
    /// Takes a place for a connection; `None` when all are taken and at work.
    pub(super) fn receive(&self, visit: Visit) -> Option<Guest> {
        let admission = &self.server.admission;
        let connection = admission.connect(&admission.share(Some(visit.peer.key())))?;
        Some(Guest { visit, connection: Arc::new(connection) })
    }
}
