//! Whether an interpreter can run inside a process at all. Tried in a process that may crash.

use std::path::Path;

use omni_libpython::{LoadError, Startup, start};

use crate::Embedding;

/// Loads the interpreter `python` into this process and has it print `{"prefix":…`, the folder that it believes to be
/// installed in.
///
/// # Errors
///
/// Why the library cannot be loaded. An installation that is broken ends the process instead.
pub fn check_embedding(python: &Path, embedding: &Embedding) -> Result<(), String> {
    let startup = Startup {
        program: python.to_owned(),
        library: embedding.library.clone(),
        package_dir: None,
        utf8: embedding.utf8,
    };
    start(&startup).map_err(|error: LoadError| error.to_string())?.main("omni.embedded")
}
