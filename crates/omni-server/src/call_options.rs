//! The options of a call, of a tool or of anything else.

use std::sync::Arc;

use omni_call::{Deadline, Wants};

/// The deadline of a call, the events its client wants, and its session.
pub(crate) struct CallOptions {
    pub(crate) deadline: Deadline,
    pub(crate) wants: Wants,
    pub(crate) session: Arc<str>,
    /// What the call changes for clients is done by whoever sent it: it comes with its events.
    pub(crate) forwards_changes: bool,
}
