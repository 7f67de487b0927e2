//! What a running tool wants of the server itself: another tool called, a resource read, a value kept for its client.
//!
//! In reading order: `serve` drives a call's executor and beside it what the call has asked for, whose `port` is
//! the call's own. `calls` calls a tool or reads a resource, as the call's client would, and `state` keeps values.

mod calls;
mod port;
mod serve;
mod state;

pub(crate) use serve::RequestScope;
