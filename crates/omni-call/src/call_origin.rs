//! What a tool may know of the request that it answers, and of who has made it.

/// Where a call comes from. Calls that one tool makes of another have the origin of the client's own call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallOrigin {
    /// The client's id of its request, without the quotes of a string; empty where there is none.
    pub request_id: Box<str>,
    /// What the client says of itself, as a JSON object: `name`, `version` and `capabilities`, a list of what it can be
    /// asked. `{}` where nothing is known.
    pub client: Box<str>,
}
