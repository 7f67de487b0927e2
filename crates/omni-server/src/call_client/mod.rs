//! The client of a running call: events and questions go to it, and its answers come back.
//!
//! In reading order: a `client` is made of a request and gives its call a port. A client of the legacy
//! era is asked by a request of ours on its session. One of the modern era is answered with what is missing: its call
//! is kept by `parked` and found again by its `request_state`, and a `client_link` says who its client is at the moment.

mod client;
mod client_link;
mod parked;
mod recipient;
mod refusal;
mod request_state;

pub(crate) use client::{CallClient, resume};
pub(crate) use parked::{ParkHandle, ParkedCalls};
