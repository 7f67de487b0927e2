//! What passes between the binary and the plugin. Both sides compile this very file, and the binary carries the
//! plugin that was built with it, so there are no versions to agree on.

use std::ffi::{c_int, c_void};

/// Bytes that the callee may read until it returns, or where it is said so, longer.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Text {
    pub(crate) start: *const u8,
    pub(crate) length: usize,
}

impl Text {
    pub(crate) const fn of(bytes: &[u8]) -> Self {
        Text { start: bytes.as_ptr(), length: bytes.len() }
    }

    /// The bytes themselves.
    ///
    /// # Safety
    ///
    /// They must be readable for as long as the result is used.
    pub(crate) unsafe fn bytes<'a>(self) -> &'a [u8] {
        if self.length == 0 {
            return &[];
        }
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts(self.start, self.length) }
    }
}

/// How the interpreter of this process is to be started.
#[repr(C)]
pub(crate) struct Start {
    /// The interpreter's program, UTF-8: from its place Python finds its library and its virtual environment.
    pub(crate) program: Text,
    /// Put first on the module path; empty for nothing.
    pub(crate) package_dir: Text,
    /// Let Python handle SIGINT, as its own program does.
    pub(crate) signals: bool,
}

/// Takes the text of an error.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Complaint {
    pub(crate) data: *mut c_void,
    pub(crate) say: unsafe extern "C" fn(data: *mut c_void, text: Text),
}

/// How many numbers a status page holds here.
pub(crate) const PAGE_SLOTS: usize = 16;

/// What one thread of Python has of the host.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct HostChannel {
    /// The host's, for the functions below. It and all that it leads to outlive the thread.
    pub(crate) data: *const c_void,
    /// Names the thread among those of the host.
    pub(crate) key: u64,
    /// [`PAGE_SLOTS`] numbers: see `StatusPage`.
    pub(crate) page: *mut u64,
    /// Becomes readable when there is a frame; -1 for a thread that waits in `receive`.
    pub(crate) wake: c_int,
    /// Sets `frame` to the payload of the next frame down, valid until the next call. With `wait` it may block, and is
    /// called without the interpreter lock. 1: there is one; 0: none yet; -1: there will be none.
    pub(crate) receive: unsafe extern "C" fn(data: *const c_void, wait: bool, frame: *mut Text) -> c_int,
    /// Takes whole frames up. Must not block.
    pub(crate) send: unsafe extern "C" fn(data: *const c_void, frames: Text),
    /// Takes what the call `id` printed, on stream 1 or 2; 0 for no call. Must not block.
    pub(crate) print: unsafe extern "C" fn(data: *const c_void, id: u64, stream: c_int, text: Text),
}

/// `omni_embed_start`: starts the interpreter. Once in a process, before the others. The thread is left without the
/// interpreter lock.
pub(crate) type StartFn = unsafe extern "C" fn(start: *const Start, complaint: Complaint) -> bool;

/// `omni_embed_serve`: runs the function `entry` of `omni.embedded` in this thread, until it returns.
pub(crate) type ServeFn =
    unsafe extern "C" fn(entry: Text, host_channel: *const HostChannel, complaint: Complaint) -> bool;

/// `omni_embed_main`: runs the function `main` of a module in this thread, until it returns.
pub(crate) type MainFn = unsafe extern "C" fn(module: Text, complaint: Complaint) -> bool;
