//! What is known of one client, whatever its messages travel over.
//!
//! In reading order: a [`Session`] is the `state`; `receive` takes a message and says what becomes of it; `lifecycle` is
//! what `initialize` and its like change; `in_flight` is a request that is being answered; `batch` joins answers;
//! `replies` are the answers to requests of ours; `conversation` drives a session whose messages all travel on one
//! pair of streams, and `table` keeps the sessions that HTTP clients name by a token.

mod asked;
mod batch;
mod conversation;
mod in_flight;
mod lifecycle;
mod receive;
mod replies;
mod state;
mod table;

pub(crate) use conversation::Conversation;
pub(crate) use in_flight::InFlightRequest;
pub(crate) use lifecycle::{initialize, set_log_level};
pub(crate) use receive::{Arrival, Received};
pub(crate) use replies::PendingReply;
pub(crate) use state::Session;
pub use table::SessionKey;
pub(crate) use table::Sessions;
