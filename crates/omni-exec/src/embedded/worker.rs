//! The form that can be killed: a worker like any other, whose program is ours with the interpreter loaded into it.

use std::ffi::OsString;
use std::path::Path;

use omni_libpython::{LoadError, Startup, start};

use crate::{Embedding, ExecConfig};

/// The command line of such a worker, as [`embedded_worker`] wants it read.
pub(crate) fn worker_argv(config: &ExecConfig, embedding: &Embedding) -> Vec<OsString> {
    let mut argv = vec![config.launcher.clone().into()];
    argv.extend(["worker", "--embedded"].map(OsString::from));
    if embedding.utf8 {
        argv.push("--utf8".into());
    }
    argv.extend(["--python".into(), config.interpreter.path.clone().into()]);
    argv.extend(["--library".into(), embedding.library.clone().into()]);
    argv
}

/// Runs `module.main()` of the interpreter `python` in this process, which is its own from here on.
///
/// A worker's `main` ends the process; this returns for others, or when the interpreter cannot be loaded.
pub fn embedded_worker(python: &Path, embedding: &Embedding, module: &str) -> Result<(), String> {
    let startup = Startup {
        program: python.to_owned(),
        library: embedding.library.clone(),
        package_dir: None,
        utf8: embedding.utf8,
    };
    start(&startup).map_err(|error: LoadError| error.to_string())?.main(module)
}
