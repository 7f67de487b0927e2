//! The functions by which `omni.embedded` speaks with the host.

use std::ffi::{c_int, c_long, c_void};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCFunction, PyDict, PyTuple};

use crate::abi::{HostChannel, PAGE_SLOTS, Text};

/// What the host gave, for closures that any thread of Python may call.
#[derive(Clone, Copy)]
struct Host(HostChannel);

// SAFETY: the host's functions may be called from any thread, with data that outlives them all.
unsafe impl Send for Host {}
// SAFETY: as above.
unsafe impl Sync for Host {}

impl Host {
    /// 1: `frame` is the next frame; 0: there is none yet; -1: there will be none.
    fn receive(&self, wait: bool) -> (c_int, Text) {
        let mut frame = Text::of(&[]);
        // SAFETY: `frame` is written to before it returns; waiting is done without the interpreter lock.
        let got = unsafe { (self.0.receive)(self.0.data, wait, &raw mut frame) };
        (got, frame)
    }
}

/// A text that crosses the border of a `detach`: the thread is the same on both sides.
struct ReceivedFrame(c_int, Text);

// SAFETY: the bytes belong to the thread that receives them until it receives again.
unsafe impl Send for ReceivedFrame {}

/// A dictionary of everything that `omni.embedded.HostChannel` has of the host.
pub(crate) fn open<'py>(py: Python<'py>, host_channel: HostChannel) -> PyResult<Bound<'py, PyDict>> {
    let host = Host(host_channel);
    let functions = PyDict::new(py);
    functions.set_item("key", host_channel.key)?;
    functions.set_item("wake", host_channel.wake)?;
    functions.set_item("page", page(py, host_channel.page)?)?;
    functions
        .set_item("receive", PyCFunction::new_closure(py, None, None, move |args, _| receive(host, args))?)?;
    functions.set_item("send", PyCFunction::new_closure(py, None, None, move |args, _| send(host, args))?)?;
    functions
        .set_item("print", PyCFunction::new_closure(py, None, None, move |args, _| print(host, args))?)?;
    let thread = py.import("_thread")?.getattr("get_ident")?.call0()?.extract()?;
    functions.set_item("thread", thread)?;
    let interrupt_state = Arc::new(InterruptState::new(host_channel.page, thread));
    let own = Arc::clone(&interrupt_state);
    functions.set_item(
        "answer",
        PyCFunction::new_closure(py, None, None, move |args, _| answer(host, &own, args))?,
    )?;
    functions.set_item(
        "interrupt",
        PyCFunction::new_closure(py, None, None, move |args, _| interrupt(&interrupt_state, args))?,
    )?;
    functions.set_item("raise_in", PyCFunction::new_closure(py, None, None, move |args, _| raise(args))?)?;
    Ok(functions)
}

/// The status page as Python sees memory.
fn page(py: Python<'_>, page: *mut u64) -> PyResult<Bound<'_, PyAny>> {
    const WRITABLE: c_int = 0x200;
    const PAGE_BYTES: usize = size_of::<u64>() * PAGE_SLOTS;
    // SAFETY: the memory outlives the thread, and the interpreter lock is held.
    let view = unsafe {
        Bound::from_owned_ptr_or_err(
            py,
            ffi::PyMemoryView_FromMemory(page.cast(), PAGE_BYTES.cast_signed(), WRITABLE),
        )?
    };
    view.call_method1("cast", ("Q",))
}

/// `receive(wait=True)`: the payload of the next frame, `b""` for none yet, `None` for never again.
fn receive(host: Host, args: &Bound<'_, PyTuple>) -> PyResult<Option<Py<PyBytes>>> {
    let py = args.py();
    // Most often there is one or none is wanted; only who has to wait gives the interpreter to others.
    let (mut got, mut frame) = host.receive(false);
    if got == 0 && args.is_empty() {
        let received = py.detach(move || {
            let (got, frame) = host.receive(true);
            ReceivedFrame(got, frame)
        });
        (got, frame) = (received.0, received.1);
    }
    if got < 0 {
        return Ok(None);
    }
    // SAFETY: valid until this thread receives again.
    let payload = unsafe { frame.bytes() };
    Ok(Some(PyBytes::new(py, payload).unbind()))
}

/// `send(frames)`.
fn send(host: Host, args: &Bound<'_, PyTuple>) -> PyResult<()> {
    let frames = args.get_item(0)?;
    let frames = frames.cast::<PyBytes>()?;
    // SAFETY: the host reads the bytes before it returns.
    unsafe { (host.0.send)(host.0.data, Text::of(frames.as_bytes())) };
    Ok(())
}

/// `print(id, stream, data)`.
fn print(host: Host, args: &Bound<'_, PyTuple>) -> PyResult<()> {
    let (id, stream) = (args.get_item(0)?.extract::<u64>()?, args.get_item(1)?.extract::<c_int>()?);
    let data = args.get_item(2)?;
    let data = data.cast::<PyBytes>()?;
    // SAFETY: the host reads the bytes before it returns.
    unsafe { (host.0.print)(host.0.data, id, stream, Text::of(data.as_bytes())) };
    Ok(())
}

/// Up to where a thread that runs one call at a time has come. Read and written under the interpreter lock.
struct InterruptState {
    page: *mut u64,
    thread: c_long,
    /// The last call in which nothing is raised any more: it was answered, or something was raised in it.
    over: AtomicU64,
    /// Something was raised, and may not have happened yet.
    raised: AtomicBool,
}

// SAFETY: the page outlives all threads, and its numbers are read and written as atomic ones.
unsafe impl Send for InterruptState {}
// SAFETY: as above.
unsafe impl Sync for InterruptState {}

impl InterruptState {
    fn new(page: *mut u64, thread: c_long) -> Self {
        InterruptState { page, thread, over: AtomicU64::new(0), raised: AtomicBool::new(false) }
    }

    /// The call that was begun last.
    fn begun(&self) -> u64 {
        // SAFETY: see above.
        unsafe { AtomicU64::from_ptr(self.page) }.load(Ordering::Relaxed)
    }
}

/// `answer(frame)`: sends the answer to the call that was begun last. From here on nothing is raised in it, not even
/// what `interrupt` has asked for and has not happened.
///
/// One function in C: in Python the exception could come between the lines.
fn answer(host: Host, interrupt_state: &InterruptState, args: &Bound<'_, PyTuple>) -> PyResult<()> {
    interrupt_state.over.store(interrupt_state.begun(), Ordering::Relaxed);
    if interrupt_state.raised.load(Ordering::Relaxed) {
        interrupt_state.raised.store(false, Ordering::Relaxed);
        raise_in(interrupt_state.thread, ptr::null_mut());
    }
    send(host, args)
}

/// `interrupt(id, exception)`: raises `exception` in the door's thread, if it is at the call `id`. Once for a call. True
/// when it did.
fn interrupt(interrupt_state: &InterruptState, args: &Bound<'_, PyTuple>) -> PyResult<bool> {
    let id = args.get_item(0)?.extract::<u64>()?;
    // The interpreter lock is held, so nobody comes between the look and the deed.
    if interrupt_state.begun() != id || interrupt_state.over.load(Ordering::Relaxed) >= id {
        return Ok(false);
    }
    interrupt_state.over.store(id, Ordering::Relaxed);
    interrupt_state.raised.store(true, Ordering::Relaxed);
    Ok(raise_in(interrupt_state.thread, args.get_item(1)?.as_ptr()))
}

/// `raise_in(thread, exception)`: raises `exception` in `thread`, wherever it is.
fn raise(args: &Bound<'_, PyTuple>) -> PyResult<bool> {
    Ok(raise_in(args.get_item(0)?.extract()?, args.get_item(1)?.as_ptr()))
}

fn raise_in(thread: c_long, exception: *mut ffi::PyObject) -> bool {
    // SAFETY: the interpreter lock is held by everyone who comes here, and Python takes its own reference.
    unsafe { ffi::PyThreadState_SetAsyncExc(thread, exception) > 0 }
}

const _: () = assert!(size_of::<*const c_void>() == 8, "thread idents and pages are 64 bits wide");
