//! What stands between the server and a CPython in its own process: the plugin that is loaded after `libpython`.
//!
//! It is written against Python's stable interface and linked with no Python at all, so one plugin serves every
//! version from 3.9 on. `omni-libpython` loads it and is the only caller of the three functions here.

mod abi;
mod host_channel;
mod interpreter;

use abi::{Complaint, HostChannel, MainFn, ServeFn, Start, StartFn, Text};

// What the binary takes these for.
const _: StartFn = omni_embed_start;
const _: ServeFn = omni_embed_serve;
const _: MainFn = omni_embed_main;

/// See [`abi::StartFn`].
///
/// # Safety
///
/// `start` is valid, and nobody else starts an interpreter in this process.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn omni_embed_start(start: *const Start, complaint: Complaint) -> bool {
    // SAFETY: the caller's promise.
    let started = unsafe { interpreter::start(&*start) };
    answer(started, complaint)
}

/// See [`abi::ServeFn`].
///
/// # Safety
///
/// The interpreter has been started, and what `host_channel` leads to outlives this thread.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn omni_embed_serve(
    entry: Text,
    host_channel: *const HostChannel,
    complaint: Complaint,
) -> bool {
    // SAFETY: the caller's promise.
    let (entry, host_channel) = unsafe { (entry.bytes(), *host_channel) };
    answer(interpreter::serve(entry, host_channel), complaint)
}

/// See [`abi::MainFn`].
///
/// # Safety
///
/// The interpreter has been started.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn omni_embed_main(module: Text, complaint: Complaint) -> bool {
    // SAFETY: the caller's promise.
    let module = unsafe { module.bytes() };
    answer(interpreter::main(module), complaint)
}

fn answer(result: Result<(), String>, complaint: Complaint) -> bool {
    if let Err(message) = &result {
        // SAFETY: a complaint's function may be called with its data and any text.
        unsafe { (complaint.say)(complaint.data, Text::of(message.as_bytes())) };
    }
    result.is_ok()
}
