//! The program that the tests' workers are started through: what `omni __launch` does, without the rest of omni.

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    // The program's name comes first, and the word `__launch`.
    match omni_process::launch(std::env::args_os().skip(2)) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "cannot become a worker: {error}");
            ExitCode::from(127)
        }
    }
}
