//! What peers may hold of the server: connections, bytes and calls. Asked before anything is held.
//!
//! Each quantity has a bound that any peer may fill when it is alone, and a reserve behind it for peers that hold
//! less than their fair share: whoever takes everything pays with waiting, and a newcomer is served at once. Who
//! waits is served in turns of peers, not of requests.

mod account;
mod connections;
mod status;
mod turn;

pub(crate) use account::{Admission, Key, Permit, Quantity, Share};
pub(crate) use connections::{Connection, Work};
pub(crate) use turn::{BodyBytes, Turn};

#[cfg(test)]
mod tests;
