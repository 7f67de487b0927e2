//! The binary: arguments, environment, files, wiring, exit codes. Nothing else may touch those.

mod args;
mod ask_user;
mod assets;
mod cache;
mod call;
#[cfg(test)]
mod captured_output;
mod connect;
mod connected_clients;
mod counts;
mod describe;
mod doctor;
mod embed_check;
mod environments;
mod executors;
mod getting_started;
mod http_access;
mod http_jwt;
mod http_setup;
mod http_tokens;
mod https_get;
mod item_text;
mod jwt_keys;
mod list;
mod listener;
mod log;
mod log_buffer;
mod mcp;
mod native;
mod other_server;
mod private;
mod private_file;
mod process_setup;
mod progress_line;
mod protected;
mod python;
mod python_path;
mod read_catalog;
mod reload;
mod runner;
mod serve_runner;
mod settings;
mod streams;
mod sync;
mod terminal;
mod text;
mod tool_call;
mod trust;
mod user_dirs;
mod variables;

use std::fs::File;
use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::args::{Arguments, Command};
use crate::terminal::Output;
use crate::variables::ArgumentError;

/// The name under which the executors start this binary anew, to become Python. Not for people.
const LAUNCH: &str = "__launch";

/// The name under which the reference page of the settings is asked for. Not for people, who read the page.
const SETTINGS_PAGE: &str = "__settings";

fn main() -> ExitCode {
    // Before anything else: every process of a tool passes here, and pays for what stands above.
    if std::env::args_os().nth(1).is_some_and(|word| word == LAUNCH) {
        return match omni_process::launch(std::env::args_os().skip(2)) {
            Ok(code) => ExitCode::from(code),
            Err(error) => {
                terminal::say(&format!("omni: cannot start {error}"));
                ExitCode::from(127)
            }
        };
    }
    if std::env::args_os().nth(1).is_some_and(|word| word == SETTINGS_PAGE) {
        return match Output::standard().write_all(settings::page().as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    // What the client has leaked into this process is not for tools. Our own descriptors are made close-on-exec.
    close_fds::set_fds_cloexec(3, &[]);
    let Arguments { command, log_level } = match variables::read(std::env::args_os()) {
        Ok(arguments) => arguments,
        Err(ArgumentError::Words(error)) => return refused(&error),
        Err(ArgumentError::Variable(sentence)) => return wrong(&sentence),
    };
    // A server shows each call, whoever keeps what it says: a person at a terminal, a unit's journal, a client's file.
    let serves = matches!(command, Command::Mcp(_) | Command::Runner(_));
    if let Err(sentence) = log::to_stderr(log_level.as_deref(), if serves { "info" } else { "warn" }) {
        return wrong(&sentence);
    }
    log::panics();
    if serves {
        terminal::buffer_log();
    }
    let ended = run(&command);
    terminal::flush_log(terminal::LOG_FLUSH_WAIT);
    match ended {
        Ok(code) => ExitCode::from(code),
        // The reader of our output has seen enough: `omni list | head`.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::say_error(&error);
            ExitCode::FAILURE
        }
    }
}

/// Says what is wrong with an environment variable.
fn wrong(sentence: &str) -> ExitCode {
    terminal::say(&format!("error: {sentence}"));
    ExitCode::from(2)
}

/// Says what is wrong with the command line, or prints the help that was asked for, in colour where nothing in it
/// comes from elsewhere.
fn refused(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    if omni_call::hidden(&text).next().is_some() {
        terminal::say(text.trim_end());
    } else {
        // Nobody may be listening.
        let _ = error.print();
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn run(command: &Command) -> anyhow::Result<u8> {
    let mut out = Output::standard();
    let code = match command {
        Command::Mcp(arguments) => {
            // In stdio mode the protocol alone may write there.
            drop(out);
            return mcp::run(arguments);
        }
        Command::Runner(arguments) => serve_runner::run(arguments, &mut out),
        Command::Call(arguments) => {
            // The result alone goes there, whatever a library prints in this process.
            drop(out);
            out = Output::file(File::from(streams::take_output()?));
            call::run(arguments, &mut out)
        }
        Command::List(arguments) => list::run(arguments, &mut out),
        Command::Describe(arguments) => describe::run(arguments, &mut out),
        Command::Sync(arguments) => sync::run(arguments, &mut out),
        Command::Doctor(arguments) => doctor::run(arguments, &mut out),
        Command::Reload(arguments) => reload::run(arguments, &mut out),
        Command::Trust(arguments) => trust::run(arguments, &mut out),
        Command::PythonPath(arguments) => python_path::run(arguments, &mut out),
        Command::EmbedCheck(arguments) => embed_check::run(arguments, &mut out),
    }?;
    out.flush()?;
    Ok(code)
}
