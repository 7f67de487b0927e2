//! The client of a running call: events and questions go to it, and its answers come back.
//!
//! In reading order: a `client` is made of a request and gives its call a port. A client of the legacy
//! era is asked by a request of ours on its session. One of the modern era is answered with what is missing: its call
//! is kept by `parked` and found again by its `request_state`, and a `client_link` says who its client is at the moment.
//! Where the call is gone meanwhile, `replay` runs it again with the answers of its `answer_log`.

mod answer_log;
mod answers_ahead;
mod asking_calls;
mod call_ending;
mod client;
mod client_link;
mod digest;
mod parked;
mod recipient;
mod refusal;
mod replay;
mod request_state;
mod used_states;

pub(crate) use answers_ahead::AnswersAhead;
pub(crate) use asking_calls::AskingCalls;
pub(crate) use client::{CallClient, StateUse, use_state};
pub(crate) use client_link::{ClientLink, TaskWish};
pub(crate) use parked::{ParkHandle, ParkedCalls};
pub(crate) use replay::{Replay, StateClaim};
