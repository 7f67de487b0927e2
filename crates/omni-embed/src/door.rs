//! The functions by which `omni.embedded` speaks with the host.

use std::ffi::{c_int, c_long, c_void};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCFunction, PyDict, PyTuple};

use crate::abi::{Door, PAGE_SLOTS, Text};
use crate::bytes;

/// What the host gave, for closures that any thread of Python may call.
#[derive(Clone, Copy)]
struct Host(Door);

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
struct Received(c_int, Text);

// SAFETY: the bytes belong to the thread that receives them until it receives again.
unsafe impl Send for Received {}

/// A dictionary of everything that `omni.embedded.Door` has of the host.
pub(crate) fn open<'py>(py: Python<'py>, door: Door) -> PyResult<Bound<'py, PyDict>> {
    let host = Host(door);
    let functions = PyDict::new(py);
    functions.set_item("key", door.key)?;
    functions.set_item("wake", door.wake)?;
    functions.set_item("page", page(py, door.page)?)?;
    functions
        .set_item("receive", PyCFunction::new_closure(py, None, None, move |args, _| receive(host, args))?)?;
    functions.set_item("send", PyCFunction::new_closure(py, None, None, move |args, _| send(host, args))?)?;
    functions
        .set_item("print", PyCFunction::new_closure(py, None, None, move |args, _| print(host, args))?)?;
    let armed = Arc::new(AtomicU64::new(0));
    let own = Arc::clone(&armed);
    functions.set_item("arm", PyCFunction::new_closure(py, None, None, move |args, _| arm(&own, args))?)?;
    let own = Arc::clone(&armed);
    functions
        .set_item("disarm", PyCFunction::new_closure(py, None, None, move |args, _| disarm(&own, args))?)?;
    functions.set_item(
        "interrupt",
        PyCFunction::new_closure(py, None, None, move |args, _| interrupt(&armed, args))?,
    )?;
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
            Received(got, frame)
        });
        (got, frame) = (received.0, received.1);
    }
    if got < 0 {
        return Ok(None);
    }
    // SAFETY: valid until this thread receives again.
    let payload = unsafe { bytes(frame) };
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

/// `arm(id)`: from now on `interrupt` may raise in the call `id`.
fn arm(armed: &AtomicU64, args: &Bound<'_, PyTuple>) -> PyResult<()> {
    armed.store(args.get_item(0)?.extract()?, Ordering::Relaxed);
    Ok(())
}

/// `disarm(thread)`: nothing is raised any more, not even what `interrupt` has asked for and has not happened.
///
/// One function in C: in Python the exception could come between the two lines.
fn disarm(armed: &AtomicU64, args: &Bound<'_, PyTuple>) -> PyResult<()> {
    let thread = args.get_item(0)?.extract()?;
    armed.store(0, Ordering::Relaxed);
    raise_in(thread, ptr::null_mut());
    Ok(())
}

/// `interrupt(id, thread, exception)`: raises `exception` in `thread`, if the call `id` is armed. Once: it is not armed
/// afterwards. True when it did.
fn interrupt(armed: &AtomicU64, args: &Bound<'_, PyTuple>) -> PyResult<bool> {
    let (id, thread) = (args.get_item(0)?.extract::<u64>()?, args.get_item(1)?.extract()?);
    let exception = args.get_item(2)?;
    // The interpreter lock is held, so nobody comes between the look and the deed.
    if id == 0 || armed.load(Ordering::Relaxed) != id {
        return Ok(false);
    }
    armed.store(0, Ordering::Relaxed);
    Ok(raise_in(thread, exception.as_ptr()))
}

fn raise_in(thread: c_long, exception: *mut ffi::PyObject) -> bool {
    // SAFETY: the interpreter lock is held by everyone who comes here, and Python takes its own reference.
    unsafe { ffi::PyThreadState_SetAsyncExc(thread, exception) > 0 }
}

const _: () = assert!(size_of::<*const c_void>() == 8, "thread idents and pages are 64 bits wide");
