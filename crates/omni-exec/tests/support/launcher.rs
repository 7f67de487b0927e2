//! The program that the tests' workers are started through: `omni __launch` without the rest of omni.

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    // The program's name and the word `__launch` come first.
    let error = omni_exec::launch(std::env::args_os().skip(2));
    let _ = writeln!(std::io::stderr(), "cannot become a worker: {error}");
    ExitCode::from(127)
}
