//! Whether a connection is in use: what decides which one is closed when another needs the room.

use std::sync::atomic::{AtomicBool, AtomicU64};

use tokio::sync::Notify;

/// Whether a connection is in use, and the signal to close it.
#[derive(Debug, Default)]
pub(super) struct ConnectionStatus {
    /// A request of it is being read or answered.
    pub(super) busy: AtomicBool,
    /// Counts what happens on it.
    pub(super) used: AtomicU64,
    /// What `used` was when a connection to close was last looked for.
    pub(super) seen: AtomicU64,
    pub(super) closed: AtomicBool,
    pub(super) evicted: AtomicBool,
    pub(super) leave: Notify,
}
