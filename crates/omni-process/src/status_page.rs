//! The page of memory that a worker shares with us: it notes which call's code it has begun, we note which
//! calls it must not begin any more. The retry boundary, at no system call per call.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::io::{pread, pwrite};

const PAGE_BYTES: u64 = 4096;

/// No call has this id, whereas 0 might be one.
const NONE: u64 = u64::MAX;

/// Where a worker notes that it imports a skill: the ninth slot.
const IMPORTING_AT: u64 = 64;

/// Where we note of which call we have read all that it printed: the tenth.
const OUTPUT_READ_AT: u64 = 72;

/// A shared page. Read by `pread`, never mapped on our side: what a worker does to its file cannot fault us.
#[derive(Debug)]
pub struct StatusPage {
    file: OwnedFd,
}

impl StatusPage {
    pub fn new() -> io::Result<Self> {
        let file = memfd_create("omni-status", MemfdFlags::CLOEXEC)?;
        ftruncate(&file, PAGE_BYTES)?;
        pwrite(&file, &NONE.to_le_bytes(), 0)?;
        Ok(StatusPage { file })
    }

    /// Tells a sync worker to skip every call up to `number` that it has not begun.
    ///
    /// The worker notes a call as begun first and looks here second. So a call that is not noted as begun
    /// some time after this, longer than a store takes to reach another core, never will be.
    pub fn revoke(&self, number: u64) {
        if let Err(error) = pwrite(&self.file, &(number + 1).to_le_bytes(), 8) {
            tracing::error!(%error, "bug: a status page cannot be written");
        }
    }

    /// Says that all was read which the calls up to this one have printed: the next may print.
    pub fn note_output_read(&self, number: u64) {
        if let Err(error) = pwrite(&self.file, &number.to_le_bytes(), OUTPUT_READ_AT) {
            tracing::error!(%error, "bug: a status page cannot be written");
        }
    }

    /// Whether the code of a sync worker's call `number`, or of a later one, has begun to run. Unreadable
    /// counts as begun: the safe side, since what has begun is not run again.
    pub fn has_started(&self, number: u64) -> bool {
        self.last_started().is_none_or(|started| started != NONE && started >= number)
    }

    /// Whether an async worker imports a skill at this moment, which stops its event loop for good reason.
    pub fn importing(&self) -> bool {
        let mut flag = [0; 8];
        pread(&self.file, &mut flag, IMPORTING_AT).is_ok_and(|read| read == flag.len() && flag != [0; 8])
    }

    /// The id of the last call whose code has begun to run; `None` when the page cannot be read.
    pub fn last_started(&self) -> Option<u64> {
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
