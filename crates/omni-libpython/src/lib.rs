//! CPython inside this process: opens the interpreter's own library and the plugin that was built for it, and makes
//! their functions safe to call.
//!
//! Neither is linked: which Python runs the tools is decided when omni runs. The library is opened under its absolute
//! path, or the system's linker might find that of another Python.

mod host;
mod interpreter;
mod load_error;
mod plugin;

#[path = "../../omni-embed/src/abi.rs"]
mod abi;

pub use host::{Host, Received};

/// How many numbers a status page holds here.
pub const PAGE_SLOTS: usize = abi::PAGE_SLOTS;
pub use interpreter::{Interpreter, Startup, start};
pub use load_error::LoadError;
