//! What a thread of Python has of us, behind functions that C can call.

use std::ffi::{c_int, c_void};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use crate::abi::{HostChannel, PAGE_SLOTS, Text};

/// The other end of one thread of Python. Its functions must not panic: there is nobody to catch it.
pub trait Host: Send + Sync + 'static {
    /// Names the thread among those of this process.
    fn key(&self) -> u64;

    /// The thread's status page. Its first slot names the last call that it has started, the second below which it must
    /// start none; further ones are the thread's own.
    fn page(&self) -> &[AtomicU64; PAGE_SLOTS];

    /// What becomes readable when there is a frame, for a thread that does not wait in `receive`.
    fn wake(&self) -> Option<BorrowedFd<'_>>;

    /// The next frame down. May block when it is to `wait`.
    fn receive(&self, wait: bool) -> Received;

    /// Takes one whole frame up, or several. Must not block: the caller holds the interpreter lock.
    fn send(&self, frames: &[u8]);

    /// Takes what the call `id` printed on its standard output (1) or error (2); `id` is 0 for no call. Must not block.
    fn print(&self, id: u64, stream: i32, bytes: &[u8]);
}

/// What [`Host::receive`] found.
pub enum Received {
    /// A frame's payload.
    Frame(Vec<u8>),
    /// Nothing yet.
    Nothing,
    /// There will be nothing more.
    Closed,
}

/// What the functions below are called with. Lives for ever: a tool may leave threads behind that still print.
struct Data {
    host: Arc<dyn Host>,
    /// The frame that was received last, which Python reads until it receives the next.
    frame: Mutex<Vec<u8>>,
}

/// The door to `host`.
pub(crate) fn host_channel(host: Arc<dyn Host>) -> HostChannel {
    let data: &'static Data = Box::leak(Box::new(Data { host, frame: Mutex::default() }));
    HostChannel {
        data: std::ptr::from_ref(data).cast(),
        key: data.host.key(),
        page: data.host.page().as_ptr().cast_mut().cast(),
        wake: data.host.wake().map_or(-1, |fd| fd.as_raw_fd()),
        receive,
        send,
        print,
    }
}

/// The data that a door was made with.
///
/// # Safety
///
/// `data` is a door's.
unsafe fn data(data: *const c_void) -> &'static Data {
    // SAFETY: the caller's promise, and it is never freed.
    unsafe { &*data.cast::<Data>() }
}

unsafe extern "C" fn receive(pointer: *const c_void, wait: bool, frame: *mut Text) -> c_int {
    // SAFETY: the plugin calls this with the door's data.
    let data = unsafe { data(pointer) };
    match data.host.receive(wait) {
        Received::Frame(payload) => {
            let mut last = data.frame.lock().unwrap_or_else(PoisonError::into_inner);
            *last = payload;
            // SAFETY: the plugin gives a place for it. The bytes stay where they are until the next call.
            unsafe { *frame = Text::of(&last) };
            1
        }
        Received::Nothing => 0,
        Received::Closed => -1,
    }
}

unsafe extern "C" fn send(pointer: *const c_void, frames: Text) {
    // SAFETY: the plugin calls this with the door's data, and with bytes that it holds until this returns.
    unsafe { data(pointer).host.send(frames.bytes()) };
}

unsafe extern "C" fn print(pointer: *const c_void, id: u64, stream: c_int, text: Text) {
    // SAFETY: as above.
    unsafe { data(pointer).host.print(id, stream, text.bytes()) };
}
