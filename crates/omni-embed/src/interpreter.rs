//! How the interpreter is started, and how a thread goes into Python.

use std::ffi::c_int;

use pyo3::prelude::*;
use pyo3::{PyErr, ffi};

use crate::abi::{HostChannel, Start};
use crate::host_channel;

/// Starts the interpreter as the program `start.program` would be started.
///
/// # Safety
///
/// The texts of `start` are readable, and nobody else starts an interpreter in this process.
pub(crate) unsafe fn start(start: &Start) -> Result<(), String> {
    // SAFETY: the caller's promise.
    let (program, package) = unsafe { (start.program.bytes(), start.package_dir.bytes()) };
    let text = |bytes| std::str::from_utf8(bytes).map_err(|_| "a path that is not UTF-8".to_owned());
    let (program, package) = (text(program)?, text(package)?);
    // Characters as C has them here: 32 bits. Never freed, since Python keeps the pointer.
    let name = program.chars().chain(std::iter::once('\0')).map(|character| u32::from(character) as _);
    let name: &'static mut [_] = name.collect::<Vec<_>>().leak();
    // The stable interface has no other way to say where the interpreter is, and it works in every version.
    // SAFETY: called before the start, with a text that ends in a zero and lives for ever.
    #[allow(deprecated, reason = "what replaces it is outside the stable interface")]
    unsafe {
        ffi::Py_SetProgramName(name.as_ptr());
        ffi::Py_InitializeEx(c_int::from(start.signals));
    }
    let prepared = Python::attach(|py| {
        let sys = py.import("sys")?;
        if !package.is_empty() {
            sys.getattr("path")?.call_method1("insert", (0, package))?;
        }
        // As in a worker, which is started with `-c`.
        sys.setattr("argv", ["-c"])
    });
    // SAFETY: this thread has started the interpreter and so holds its lock.
    unsafe { ffi::PyEval_SaveThread() };
    prepared.map_err(|error| told(&error))
}

/// Runs the function `entry` of `omni.embedded` with `host_channel`, in a thread state that is kept until it returns.
pub(crate) fn serve(entry: &[u8], host_channel: HostChannel) -> Result<(), String> {
    let entry = String::from_utf8_lossy(entry);
    Python::attach(|py| {
        let host_channel = host_channel::open(py, host_channel)?;
        py.import("omni.embedded")?.getattr(entry.as_ref())?.call1((host_channel,))?;
        Ok(())
    })
    .map_err(|error| told(&error))
}

/// Runs the function `main` of a module.
pub(crate) fn main(module: &[u8]) -> Result<(), String> {
    let module = String::from_utf8_lossy(module);
    Python::attach(|py| py.import(module.as_ref())?.getattr("main")?.call0().map(drop))
        .map_err(|error| told(&error))
}

fn told(error: &PyErr) -> String {
    error.to_string()
}
