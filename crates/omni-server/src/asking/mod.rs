//! What joins a running call to the client that waits for it: events go up, questions too, and their answers come down.
//!
//! In reading order: a `client` is made of a request and gives its call a port. A client of the legacy
//! era is asked by a request of ours on its session. One of the modern era is answered with what is missing: its call
//! is kept by `parked` and found again by its `state`, and a `link` says who its client is at the moment.

mod audience;
mod client;
mod link;
mod parked;
mod refusal;
mod state;

pub(crate) use client::{CallClient, resume};
pub(crate) use parked::{ParkedCalls, Parking};
