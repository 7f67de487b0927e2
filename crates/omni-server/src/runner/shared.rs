//! What all connections share: the calls that run, what they may hold, and how much that is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::{Notify, Semaphore};

use super::listing::Listing;
use super::questions;
use crate::server::Server;

/// A request's body at most, and an answer's line: 16 MiB and what stands around them.
pub(super) const BODY_BYTES_MAX: usize = (16 << 20) + (64 << 10);

/// A request's head at most.
pub(super) const HEAD_BYTES_MAX: usize = 64 << 10;

/// Request bodies that are held at once, all connections together.
pub(super) const BODIES_BYTES_MAX: usize = 256 << 20;

pub(super) const CONNECTIONS_MAX: usize = 1_024;

/// Calls at once: a call that asks needs a second connection for the answer, and must find one.
pub(super) const CALLS_MAX: usize = CONNECTIONS_MAX * 7 / 8;

/// What all connections share.
pub(super) struct Shared {
    pub(super) server: Arc<Server>,
    pub(super) listing: Listing,
    /// KiB of request bodies that may be held.
    pub(super) bodies: Arc<Semaphore>,
    pub(super) calls: CallCount,
    /// Those of them that may ask.
    pub(super) questions: questions::OpenCalls,
    pub(super) draining: AtomicBool,
}

/// How many calls run.
#[derive(Clone, Default)]
pub(super) struct CallCount(Arc<CountState>);

#[derive(Default)]
struct CountState {
    running: AtomicUsize,
    ended: Notify,
}

/// One call that counts as running until this is dropped.
pub(super) struct RunningCall(CallCount);

impl CallCount {
    pub(super) fn begin(&self) -> RunningCall {
        self.0.running.fetch_add(1, Ordering::Relaxed);
        RunningCall(self.clone())
    }

    pub(super) fn count(&self) -> usize {
        self.0.running.load(Ordering::Relaxed)
    }

    pub(super) async fn wait_none(&self) {
        while self.count() > 0 {
            self.0.ended.notified().await;
        }
    }
}

impl Drop for RunningCall {
    fn drop(&mut self) {
        self.0.0.running.fetch_sub(1, Ordering::Relaxed);
        // At most one task waits: the one that drains.
        self.0.0.ended.notify_one();
    }
}

/// What a connection's requests must pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guard {
    /// Who may open the socket may call.
    Nothing,
    /// A web page could have sent a request.
    NoPages,
    /// Somebody else's process: none of its requests is served.
    Closed,
}
