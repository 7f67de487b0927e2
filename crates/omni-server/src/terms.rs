//! On what terms a call runs, whatever it calls.

use std::sync::Arc;

use omni_call::{Deadline, Wants};

/// When a call has to end, and what is heard of it meanwhile.
pub(crate) struct Terms {
    pub(crate) deadline: Deadline,
    pub(crate) wants: Wants,
    pub(crate) session: Arc<str>,
}
