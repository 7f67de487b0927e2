//! The requests of ours that one client has not answered.

use std::collections::HashMap;

use bytes::Bytes;
use omni_protocol::{Id, PeerError};
use tokio::sync::oneshot;

/// What a client answered: the JSON text of its result, or its error.
pub(crate) type PeerReply = Result<Bytes, PeerError>;

/// The requests that wait for a reply, by their ids, which nobody can guess. A reply is looked for only in the session
/// that it came in.
#[derive(Default)]
pub(super) struct PendingRequests {
    pub(super) waiting: HashMap<Id, oneshot::Sender<PeerReply>>,
}
