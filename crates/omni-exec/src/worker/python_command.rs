//! How Python is told to run a module of our package.

use std::ffi::OsString;

/// The module whose `main` forks workers.
pub(crate) const FORK_PARENT: &str = "omni.fork_parent";

/// The words that have Python run the function `main` of a module of our package.
///
/// Python looks for modules in the working folder first, with `-c` as with `-m`, and that folder is the project's: an
/// `omni.py` in it would run in place of our package. So it is taken off the path before anything is imported; `sys`
/// is in the interpreter itself. (`-P` does the same, from Python 3.11 on.)
///
/// `-m` would also have `runpy` import half of `importlib`, and double what a worker needs beyond bare Python until it
/// is ready.
pub(crate) fn python_main_args(module: &str) -> Vec<OsString> {
    let code =
        format!("import sys; sys.path[:1] == [''] and sys.path.pop(0); from {module} import main; main()");
    vec!["-c".into(), code.into()]
}
