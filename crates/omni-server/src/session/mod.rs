//! What is known of one client, whatever its messages travel over.
//!
//! In reading order: a [`Session`] is the `state`; `receive` takes a message and says what becomes of it; `lifecycle` is
//! what `initialize` and its like change; `in_flight` is a request that is being answered; `batch` joins answers;
//! `replies` are the answers to requests of ours; `stream_session` drives a session whose messages all travel on one
//! pair of streams, and `table` keeps the sessions that HTTP clients name by a token.

mod batch;
mod in_flight;
mod lifecycle;
mod pending_requests;
mod receive;
mod replies;
mod state;
mod stream_session;
mod table;

pub(crate) use in_flight::InFlightRequest;
pub(crate) use lifecycle::{initialize, set_log_level, subscribe, unsubscribe};
pub(crate) use pending_requests::PeerReply;
pub(crate) use receive::{MessageContext, Received};
pub(crate) use state::Session;
pub(crate) use stream_session::{AnswerBound, StreamSession};
pub(crate) use table::Sessions;
