//! The options of a call, of a tool or of anything else.

use std::sync::Arc;
use std::time::Duration;

use omni_call::{CallOrigin, Deadline, ParentCall, Wants};

/// The deadline of a call, the events its client wants, and its session.
pub(crate) struct CallOptions {
    pub(crate) deadline: Deadline,
    pub(crate) wants: Wants,
    pub(crate) session: Arc<str>,
    /// What the call changes for clients, and what it wants of the server, is done by whoever sent it: both come with its
    /// events.
    pub(crate) forwards: bool,
    /// What the tool may know of who asks.
    pub(crate) origin: Option<Arc<CallOrigin>>,
    /// The call that has made this one.
    pub(crate) parent: Option<Arc<ParentCall>>,
}

/// The shorter of two limits, of which one may be none.
pub(crate) fn earlier(own: Option<Duration>, left: Option<Duration>) -> Option<Duration> {
    match (own, left) {
        (Some(own), Some(left)) => Some(own.min(left)),
        (one, other) => one.or(other),
    }
}
