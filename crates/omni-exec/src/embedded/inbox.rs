//! Frames that wait to be taken by a thread of Python.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use omni_libpython::Received;
use rustix::event::{EventfdFlags, eventfd};

/// A queue of frames for one thread of Python.
pub(super) struct Inbox {
    state: Mutex<InboxState>,
    more: Condvar,
    /// Becomes readable when there is a frame, for a thread with an event loop.
    wake: Option<OwnedFd>,
}

#[derive(Default)]
struct InboxState {
    frames: VecDeque<Vec<u8>>,
    closed: bool,
}

impl Inbox {
    /// For a thread that blocks until there is a frame.
    pub(super) fn blocking() -> Self {
        Inbox { state: Mutex::default(), more: Condvar::new(), wake: None }
    }

    /// For a thread with an event loop.
    pub(super) fn with_eventfd() -> io::Result<Self> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Inbox { wake: Some(wake), ..Self::blocking() })
    }

    pub(super) fn wake(&self) -> Option<BorrowedFd<'_>> {
        self.wake.as_ref().map(AsFd::as_fd)
    }

    /// Adds the body of a frame. False when the inbox is closed.
    pub(super) fn put(&self, payload: Vec<u8>) -> bool {
        let mut state = self.lock();
        if state.closed {
            return false;
        }
        state.frames.push_back(payload);
        drop(state);
        self.tell();
        true
    }

    /// Has the thread end once it has taken what is there.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.tell();
    }

    pub(super) fn closed(&self) -> bool {
        self.lock().closed
    }

    pub(super) fn take(&self, wait: bool) -> Received {
        let mut state = self.lock();
        loop {
            if let Some(payload) = state.frames.pop_front() {
                return Received::Frame(payload);
            }
            if state.closed {
                return Received::Closed;
            }
            if let Some(wake) = &self.wake {
                // Reset under the lock, so that the wake-up for a later frame is not lost.
                let _ = rustix::io::read(wake, &mut [0_u8; 8]);
            }
            if !wait {
                return Received::Nothing;
            }
            state = self.more.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn tell(&self) {
        self.more.notify_one();
        if let Some(wake) = &self.wake {
            let _ = rustix::io::write(wake, &1_u64.to_ne_bytes());
        }
    }

    fn lock(&self) -> MutexGuard<'_, InboxState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
