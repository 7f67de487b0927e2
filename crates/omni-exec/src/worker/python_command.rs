//! How Python is told to run a module of our package.

use std::ffi::OsString;

/// The module whose `main` forks workers.
pub(crate) const FORK_PARENT: &str = "omni.fork_parent";

/// The arguments with which Python runs the function `main` of a module of our package.
///
/// With `-c` as with `-m`, Python looks for modules in the working folder first. That is the project's folder, and an
/// `omni.py` in it would run in place of our package. So the folder is taken off the path before anything but `sys` is
/// imported, which is built in. (From Python 3.11 on, `-P` does the same.)
///
/// `-m` would also have `runpy` import half of `importlib`, which doubles the time that a worker needs to become ready,
/// beyond what Python itself needs.
pub(crate) fn python_main_args(module: &str) -> Vec<OsString> {
    let code =
        format!("import sys; sys.path[:1] == [''] and sys.path.pop(0); from {module} import main; main()");
    vec!["-c".into(), code.into()]
}
