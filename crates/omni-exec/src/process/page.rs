//! The page of memory in which a worker notes which call's code it has begun: the retry boundary, at no
//! system call per call.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::io::{pread, pwrite};

const PAGE_BYTES: u64 = 4096;

/// A shared page. Read by `pread`, never mapped on our side: what a worker does to its file cannot fault us.
#[derive(Debug)]
pub(crate) struct StatusPage {
    file: OwnedFd,
}

impl StatusPage {
    pub(crate) fn new() -> io::Result<Self> {
        let file = memfd_create("omni-status", MemfdFlags::CLOEXEC)?;
        ftruncate(&file, PAGE_BYTES)?;
        // No call has this id, whereas 0 might be one.
        pwrite(&file, &u64::MAX.to_le_bytes(), 0)?;
        Ok(StatusPage { file })
    }

    /// The id of the last call whose code has begun to run; `None` when the page cannot be read.
    pub(crate) fn last_started(&self) -> Option<u64> {
        let mut id = [0; 8];
        let read = pread(&self.file, &mut id, 0).ok()?;
        (read == id.len()).then(|| u64::from_le_bytes(id))
    }
}

impl AsFd for StatusPage {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
