//! How much a store may hold, and how long it waits.

use std::time::Duration;

/// The bounds of a [`Store`](crate::Store). Several servers that share a folder each hold to their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    /// How many tasks there may be, finished ones that are still kept included.
    pub tasks_max: u64,
    /// How many of these one owner may have.
    pub tasks_per_owner_max: u64,
    /// How many bytes all tasks together may take; each counts as at least 4 KiB.
    pub bytes_max: u64,
    /// How many used nonces are remembered, until they expire.
    pub nonces_max: u64,
    /// How long an operation waits for another server that is writing.
    pub lock_timeout: Duration,
}

impl Default for StoreConfig {
    fn default() -> Self {
        StoreConfig {
            tasks_max: 10_000,
            tasks_per_owner_max: 1_000,
            bytes_max: 256 << 20,
            nonces_max: 100_000,
            lock_timeout: Duration::from_secs(5),
        }
    }
}

/// What every task is charged at least, in bytes. It is charged when the task is created, so that an ending of this size,
/// such as "the result was too large", always fits.
pub(crate) const TASK_BYTES_MIN: i64 = 4096;

/// How many operations may wait for the writer. Beyond it callers are told [`StoreError::Busy`](crate::StoreError::Busy).
pub(crate) const QUEUE_MAX: usize = 1024;

/// How many bytes the waiting operations may hold together.
pub(crate) const QUEUE_BYTES_MAX: usize = 64 << 20;

/// How many operations are committed in one step at most: one wait for the disk for all of them.
pub(crate) const BATCH_MAX: usize = 64;

/// How many damaged databases are kept beside the one in use; older ones are removed.
pub(crate) const PUT_ASIDE_MAX: usize = 2;
