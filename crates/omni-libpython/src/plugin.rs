//! The plugin, and how it gets from inside the binary into the process.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use rustix::fs::{MemfdFlags, memfd_create};

use crate::abi::{MainFn, ServeFn, StartFn};
use crate::load_error::LoadError;

/// The plugin's file; empty when this omni was built without it.
static PLUGIN: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/plugin.so"));

/// Why it was built without.
const MISSING: &str = include_str!(concat!(env!("OUT_DIR"), "/missing.txt"));

/// The plugin's functions, for as long as the process lives.
#[derive(Clone, Copy)]
pub(crate) struct Plugin {
    pub(crate) start: StartFn,
    pub(crate) serve: ServeFn,
    pub(crate) main: MainFn,
}

impl Plugin {
    /// Loads the plugin; `libpython` must have been loaded for everyone to see.
    pub(crate) fn load() -> Result<Self, LoadError> {
        if PLUGIN.is_empty() {
            return Err(LoadError::Missing { reason: MISSING });
        }
        let file = in_memory().map_err(LoadError::Memory)?;
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        // SAFETY: the plugin has no code that runs when it is loaded, and all that it needs is there by now.
        let library =
            unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) }.map_err(LoadError::Plugin)?;
        // SAFETY: these are the types of the plugin's functions, which it checks against the same file.
        let plugin = unsafe {
            Plugin {
                start: *library.get::<StartFn>(b"omni_embed_start\0").map_err(LoadError::Plugin)?,
                serve: *library.get::<ServeFn>(b"omni_embed_serve\0").map_err(LoadError::Plugin)?,
                main: *library.get::<MainFn>(b"omni_embed_main\0").map_err(LoadError::Plugin)?,
            }
        };
        // Never unloaded: Python cannot be.
        std::mem::forget(library);
        Ok(plugin)
    }
}

/// A file with the plugin that is on no disk.
fn in_memory() -> io::Result<OwnedFd> {
    let file = memfd_create("omni-embed", MemfdFlags::CLOEXEC)?;
    let mut file = File::from(file);
    file.write_all(PLUGIN)?;
    Ok(file.into())
}
