//! Who sent a request, and how it is answered.

use std::sync::Arc;

use omni_call::LogLevel;
use omni_protocol::{ClientCapabilities, Frame, RpcError};

use crate::admission::PeerAccount;
use crate::call_client::ParkedCalls;
use crate::running_request::RunningRequest;
use crate::session::Session;

/// Who sent a request, as far as its answer depends on it.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) session: Arc<Session>,
    /// Where its calls are kept while nobody waits for them.
    pub(crate) parked: Arc<ParkedCalls>,
    /// Whose account a call is on.
    pub(crate) account: PeerAccount,
    /// What `logging/setLevel` asked for.
    pub(crate) log_level: Option<LogLevel>,
    pub(crate) ignores_cursors: bool,
    /// What `initialize` declared that the client may be asked.
    pub(crate) capabilities: ClientCapabilities,
    /// Notifications can reach this client before its answer.
    pub(crate) takes_events: bool,
}

/// The answer to a request: there at once, or on its way.
pub(crate) enum RequestAnswer {
    Now(Frame),
    /// It was not begun: there is no room for it, not even in the queue, or it cannot be answered over this connection.
    Refused(RpcError),
    Later(RunningRequest),
}
