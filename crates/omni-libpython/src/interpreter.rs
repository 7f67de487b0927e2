//! The one interpreter that this process may have.

use std::ffi::{c_int, c_void};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};

use crate::abi::{Complaint, Start, Text};
use crate::host::{Host, host_channel};
use crate::load_error::LoadError;
use crate::plugin::Plugin;

/// Which interpreter is to run in this process, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Startup {
    /// The interpreter's program; from its place Python finds its library and its virtual environment.
    pub program: PathBuf,
    /// The interpreter's shared library.
    pub library: PathBuf,
    /// Put first on the module path. With it Python is a guest: it reads no environment variables and handles no
    /// signals. Without it this process is Python's own, and both are as they would be in Python's own program.
    pub package_dir: Option<PathBuf>,
    /// Text is UTF-8 whatever the locale says: for the locale `C`, which says nothing.
    pub utf8: bool,
}

/// The interpreter of this process. It never ends before the process does.
#[derive(Clone, Copy)]
pub struct Interpreter {
    plugin: Plugin,
}

/// The interpreter that was started, and how.
static RUNNING: Mutex<Option<(Startup, Interpreter)>> = Mutex::new(None);

/// Starts the interpreter, or returns the one that runs if it was started in the same way.
///
/// **An installation that is broken ends the process**: Python has no other way to say so. Try it in a process that
/// may be lost before this one.
pub fn start(startup: &Startup) -> Result<Interpreter, LoadError> {
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((how, interpreter)) = &*running {
        if how == startup {
            return Ok(*interpreter);
        }
        return Err(LoadError::Another { running: how.program.display().to_string() });
    }
    load_library(&startup.library, startup)?;
    let plugin = Plugin::load()?;
    let package_dir = startup.package_dir.as_deref().map(Path::as_os_str).unwrap_or_default();
    let start = Start {
        program: Text::of(startup.program.as_os_str().as_encoded_bytes()),
        package_dir: Text::of(package_dir.as_encoded_bytes()),
        signals: startup.package_dir.is_none(),
    };
    // SAFETY: `start` is valid, and the lock above keeps everyone else out.
    complaining(|complaint| unsafe { (plugin.start)(&raw const start, complaint) })
        .map_err(LoadError::Start)?;
    let interpreter = Interpreter { plugin };
    *running = Some((startup.clone(), interpreter));
    Ok(interpreter)
}

impl Interpreter {
    /// Runs the function `entry` of `omni.embedded` in this thread, which belongs to Python until it returns. The error
    /// is what it raised.
    pub fn serve(self, entry: &str, host: Arc<dyn Host>) -> Result<(), String> {
        let host_channel = host_channel(host);
        // SAFETY: the interpreter runs, and a door's data lives for ever.
        complaining(|complaint| unsafe {
            (self.plugin.serve)(Text::of(entry.as_bytes()), &raw const host_channel, complaint)
        })
    }

    /// Runs the function `main` of a module in this thread.
    pub fn main(self, module: &str) -> Result<(), String> {
        // SAFETY: the interpreter runs.
        complaining(|complaint| unsafe { (self.plugin.main)(Text::of(module.as_bytes()), complaint) })
    }
}

/// Loads the interpreter's library so that the plugin and every extension module of Python see it.
fn load_library(path: &Path, startup: &Startup) -> Result<(), LoadError> {
    let error = |source| LoadError::Library { path: path.display().to_string(), source };
    // SAFETY: Python's library runs no code of its own when it is loaded.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) }.map_err(error)?;
    if startup.utf8 {
        set(&library, b"Py_UTF8Mode\0");
    }
    if startup.package_dir.is_some() {
        set(&library, b"Py_IgnoreEnvironmentFlag\0");
    }
    // Never unloaded: Python cannot be.
    std::mem::forget(library);
    Ok(())
}

/// Sets one of the variables that Python looks at when it starts; a version that has no such variable goes without.
fn set(library: &Library, name: &[u8]) {
    // SAFETY: these are variables of type `int` in every version that has them, and Python has not been started.
    unsafe {
        if let Ok(flag) = library.get::<*mut c_int>(name) {
            **flag = 1;
        }
    }
}

/// Calls a function of the plugin, and returns what it complained of.
fn complaining(call: impl FnOnce(Complaint) -> bool) -> Result<(), String> {
    unsafe extern "C" fn say(data: *mut c_void, text: Text) {
        // SAFETY: `data` is the string below, and the plugin holds the text until this returns.
        unsafe { *data.cast::<String>() = String::from_utf8_lossy(text.bytes()).into_owned() };
    }
    let mut message = String::new();
    let complaint = Complaint { data: (&raw mut message).cast(), say };
    if call(complaint) { Ok(()) } else { Err(message) }
}
