//! How one command of a stage is run: said first, shown while it runs, kept for counting.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// How long the output pipe may stay open after the command itself has ended.
const LINGERING_MAX: Duration = Duration::from_secs(10);

/// A command that has ended.
pub(crate) struct CommandOutput {
    /// It exited with status 0.
    pub(crate) ok: bool,
    /// What it wrote to stdout and stderr, in the order of writing.
    pub(crate) output: String,
}

/// Runs the command to its end and shows what it writes as it comes. Fails only when it cannot be started
/// or leaves processes behind that hold its output; a bad exit status is a result.
pub(crate) fn run(command: &mut Command) -> Result<CommandOutput> {
    println!("$ {}", written(command));
    let (mut reader, writer) = std::io::pipe().context("no pipe for the output")?;
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    for name in variables_of_cargo_run() {
        command.env_remove(name);
    }
    let mut child =
        command.spawn().with_context(|| format!("`{}` could not be started", program(command)))?;
    // The command keeps the write ends of the pipe; as long as they live here the pipe cannot end.
    command.stdout(Stdio::null()).stderr(Stdio::null());

    let output = Arc::new(Mutex::new(Vec::new()));
    let (ended, pipe_end) = mpsc::channel();
    let kept = Arc::clone(&output);
    std::thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        while let Ok(count @ 1..) = reader.read(&mut buffer) {
            let part = &buffer[..count];
            kept.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(part);
            let _ = std::io::stdout().write_all(part);
            let _ = std::io::stdout().flush();
        }
        let _ = ended.send(());
    });
    let status = child.wait()?;
    if pipe_end.recv_timeout(LINGERING_MAX).is_err() {
        bail!("`{}` ended, but a process that it left behind still holds its output", program(command));
    }
    let output = output.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(CommandOutput { ok: status.success(), output: String::from_utf8_lossy(&output).into_owned() })
}

/// Runs the command unseen and returns its stdout; a bad exit status is an error that shows its stderr.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("`{}` could not be started", program(command)))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` failed ({}): {}", written(command), output.status, stderr.trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{}` wrote no UTF-8", program(command)))
}

/// The command as a person would type it.
fn written(command: &Command) -> String {
    let mut line = String::new();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            line += &format!("{}={} ", name.to_string_lossy(), quoted(value));
        }
    }
    line += &program(command);
    for argument in command.get_args() {
        line += " ";
        line += &quoted(argument);
    }
    line
}

/// The program's path within the checkout, or its name alone when it is the machine's.
fn program(command: &Command) -> String {
    let path = Path::new(command.get_program());
    let ours = command.get_current_dir().and_then(|root| path.strip_prefix(root).ok());
    let shown = ours.or_else(|| path.file_name().map(Path::new)).unwrap_or(path);
    shown.to_string_lossy().into_owned()
}

fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |sign: char| sign.is_ascii_alphanumeric() || "-_=./:,+@%".contains(sign);
    if !word.is_empty() && word.chars().all(plain) { word.into_owned() } else { format!("'{word}'") }
}

/// `cargo run` tells us about the package `xtask` through the environment. A nested cargo, and the tests
/// that it runs, must not take that for themselves.
fn variables_of_cargo_run() -> impl Iterator<Item = std::ffi::OsString> {
    std::env::vars_os().map(|(name, _)| name).filter(|name| {
        let name = name.to_string_lossy();
        name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_of_both_streams_is_kept_in_order_and_the_status_is_a_result() {
        let ran = run(Command::new("sh").args(["-c", "echo one; echo two >&2; echo three; exit 3"])).unwrap();
        assert!(!ran.ok);
        assert_eq!(ran.output, "one\ntwo\nthree\n");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = run(&mut Command::new("/nowhere/omni-no-such-tool")).err().unwrap();
        assert_eq!(error.to_string(), "`omni-no-such-tool` could not be started");
    }

    #[test]
    fn reading_shows_why_a_command_failed() {
        let error = read(Command::new("sh").args(["-c", "echo broken >&2; exit 2"])).unwrap_err();
        assert_eq!(error.to_string(), "`sh -c 'echo broken >&2; exit 2'` failed (exit status: 2): broken");
    }

    #[test]
    fn a_command_is_written_as_a_person_would_type_it() {
        let mut command = Command::new("/usr/bin/cargo");
        command.args(["doc", "two words"]).env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(written(&command), "RUSTDOCFLAGS='-D warnings' cargo doc 'two words'");
        let mut ours = Command::new("/checkout/target/venv/bin/ruff");
        assert_eq!(written(ours.current_dir("/checkout").arg("check")), "target/venv/bin/ruff check");
    }
}
