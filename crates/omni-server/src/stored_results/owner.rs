//! Whose a kept result is, and what its URI is.

use std::sync::Arc;

use crate::principal::Principal;

/// What the URIs of results begin with; the rest is a name that nobody can guess.
pub(crate) const URI: &str = "omni://result/";

/// Whose a result is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    principal: Principal,
    /// The name of the session; empty for requests outside of any, which only their principal ties together.
    session: Arc<str>,
}

impl Owner {
    pub(crate) fn new(principal: Principal, session: Arc<str>) -> Owner {
        Owner { principal, session }
    }
}
