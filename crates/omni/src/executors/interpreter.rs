//! The executors of one interpreter.

use std::path::PathBuf;
use std::sync::Arc;

use omni_exec::{ExecConfig, InterpreterExecutors, StartRefusal};

use crate::python::{self, Python, Refusal};

/// The executors of one interpreter. What it says of itself is remembered in `cache`.
pub(super) fn executors_of(python: Python, config: Arc<ExecConfig>, cache: PathBuf) -> InterpreterExecutors {
    let package = config.package_dir.clone();
    let find = move || match python::embedding(&python, &package, &cache) {
        Ok(tried) => Ok(tried.embedding()),
        Err(Refusal { message, hint }) => Err(StartRefusal { message, hint }),
    };
    InterpreterExecutors::new(config, Arc::new(find))
}
