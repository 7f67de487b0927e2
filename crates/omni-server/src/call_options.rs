//! What is set for a call, whatever it calls.

use std::sync::Arc;

use omni_call::{Deadline, Wants};

/// When a call has to end, and what is heard of it meanwhile.
pub(crate) struct CallOptions {
    pub(crate) deadline: Deadline,
    pub(crate) wants: Wants,
    pub(crate) session: Arc<str>,
}
