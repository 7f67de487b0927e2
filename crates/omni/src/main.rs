//! The binary: arguments, environment, files, wiring, exit codes. Nothing else may touch those.

mod access;
mod args;
mod assets;
mod call;
mod connect;
mod describe;
mod doctor;
mod environments;
mod executors;
mod home;
mod list;
mod mcp;
mod progress_line;
mod python;
mod python_path;
mod reading;
mod runner;
mod settings;
mod streams;
mod sync;
mod worker;

use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use tracing_subscriber::EnvFilter;

use crate::args::{Arguments, Command, Transport};

/// The name under which the executors start this binary anew, to become Python. Not for people.
const LAUNCH: &str = "__launch";

fn main() -> ExitCode {
    // Before anything else: every process of a tool passes here, and pays for what stands above.
    if std::env::args_os().nth(1).is_some_and(|word| word == LAUNCH) {
        return match omni_exec::launch(std::env::args_os().skip(2)) {
            Ok(code) => ExitCode::from(code),
            Err(error) => {
                let _ = writeln!(io::stderr(), "omni: cannot start {error}");
                ExitCode::from(127)
            }
        };
    }
    let Arguments { command } = Arguments::parse();
    log_to_stderr(&command);
    match run(&command) {
        Ok(code) => ExitCode::from(code),
        // The reader of our output has seen enough: `omni list | head`.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn run(command: &Command) -> anyhow::Result<u8> {
    let mut out = io::stdout().lock();
    match command {
        Command::Mcp(arguments) => {
            // In stdio mode the protocol alone may write there.
            drop(out);
            mcp::run(arguments)
        }
        Command::Call(arguments) => {
            // The result alone goes there, whatever a library prints in this process.
            drop(out);
            call::run(arguments, &mut File::from(streams::take_output()?))
        }
        Command::List(arguments) => list::run(arguments, &mut out),
        Command::Describe(arguments) => describe::run(arguments, &mut out),
        Command::Sync(arguments) => sync::run(arguments, &mut out),
        Command::Doctor(arguments) => doctor::run(arguments, &mut out),
        Command::PythonPath(arguments) => python_path::run(arguments, &mut out),
        Command::Worker(arguments) => worker::run(arguments, &mut out),
    }
}

/// Logs go to stderr at the level that `OMNI_LOG` names. Where a person watches, the default says a little
/// more.
fn log_to_stderr(command: &Command) {
    let watched = matches!(command, Command::Mcp(mcp) if mcp.transport == Transport::Http);
    let default = if watched { "info" } else { "warn" };
    let filter = EnvFilter::try_from_env("OMNI_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .with_target(false)
        .init();
}
