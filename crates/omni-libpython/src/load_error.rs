//! Why no interpreter could be loaded into this process.

use std::io;

use thiserror::Error;

/// Why there is no interpreter in this process.
#[derive(Debug, Error)]
pub enum LoadError {
    #[error("this omni was built without the plugin for embedded Python: {reason}")]
    Missing { reason: &'static str },
    #[error("the plugin for embedded Python cannot be put into memory: {0}")]
    Memory(io::Error),
    #[error("`{path}` cannot be loaded: {source}")]
    Library { path: String, source: libloading::Error },
    #[error("the plugin for embedded Python cannot be loaded: {0}")]
    Plugin(libloading::Error),
    #[error("Python did not start in this process: {0}")]
    Start(String),
    #[error("this process runs `{running}` already, and there can only be one Python in it")]
    Another { running: String },
}
