//! What is known of a connection to whoever looks for one that can go.

use std::sync::atomic::{AtomicBool, AtomicU64};

use tokio::sync::Notify;

/// What is known of a connection to whoever looks for one that can go.
#[derive(Debug, Default)]
pub(super) struct ConnectionStatus {
    /// A request of it is being read or answered.
    pub(super) busy: AtomicBool,
    /// Counts what happens on it.
    pub(super) used: AtomicU64,
    /// How often it had been used when it was last looked at.
    pub(super) seen: AtomicU64,
    pub(super) closed: AtomicBool,
    pub(super) evicted: AtomicBool,
    pub(super) leave: Notify,
}
