//! What peers may hold of the server: connections, bytes and calls. Asked before anything is held.
//!
//! Each quantity has a bound that any peer may fill when it is alone, and a reserve behind it for peers that hold
//! less than their fair share: a peer that takes everything has to wait, and a newcomer is served at once. Of those
//! that wait, one request of each peer is served in turn.

mod account;
mod call_permit;
mod connection_status;
mod connections;
mod queue;

pub(crate) use account::{AccountKey, Admission, PeerAccount, Permit, Quantity};
pub(crate) use call_permit::CallPermit;
pub(crate) use connections::{BusyGuard, Connection};
pub(crate) use queue::{BodyBytes, PendingPermit};

#[cfg(test)]
mod tests;
