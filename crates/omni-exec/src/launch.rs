//! What a child does between being started and being Python: its session, its death signal, its descriptors.
//!
//! The server cannot do this between fork and exec, where only async-signal-safe code may run, so it starts
//! this program first, and this program becomes Python.

use std::convert::Infallible;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use rustix::process::{
    Resource, Rlimit, Signal, getpid, getppid, getrlimit, set_child_subreaper,
    set_parent_process_death_signal, setrlimit, setsid,
};
use rustix::stdio::{dup2_stdin, stdin};

use crate::ProcessLimits;
use crate::process::{KEEP, keep};

/// The variable in which Python finds the number of its control channel.
pub(crate) const CONTROL_FD: &str = "OMNI_CONTROL_FD";

/// The word after `__launch` for a program that has no control channel.
pub(crate) const RUN: &str = "run";

/// Above the numbers that tools use for plumbing (`exec 3>…` in a shell).
const CONTROL_FD_MIN: i32 = 64;

/// How a word of the command line begins that sets a limit: `limit-data=1048576`.
const LIMIT: &str = "limit-";

/// The word that has orphans below the process become its children: a daemon that a tool leaves is seen by its worker.
pub(crate) const ADOPT: &str = "adopt";

/// The words that have the launcher set these limits.
pub(crate) fn limit_words(limits: &ProcessLimits) -> impl Iterator<Item = String> {
    [("data", limits.memory_bytes), ("nofile", limits.open_files), ("fsize", limits.file_bytes)]
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{LIMIT}{name}={}", value?)))
}

/// Sets the limit that a word names.
fn limit(word: &str) -> io::Result<()> {
    let usage = || io::Error::new(io::ErrorKind::InvalidInput, format!("`{LIMIT}{word}` is no limit"));
    let (name, value) = word.split_once('=').ok_or_else(usage)?;
    let resource = match name {
        "data" => Resource::Data,
        "nofile" => Resource::Nofile,
        "fsize" => Resource::Fsize,
        _ => return Err(usage()),
    };
    let value = value.parse().map_err(|_| usage())?;
    // A limit above the one in force cannot be had, and need not.
    let value = getrlimit(resource).maximum.map_or(value, |maximum| maximum.min(value));
    Ok(setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) })?)
}

/// Turns this process into a worker: `args` are the server's process id, limits, the program and its arguments.
///
/// The control channel arrives as standard input and leaves as a higher descriptor, named by
/// `OMNI_CONTROL_FD`. Returns only when that failed, with the reason; the caller prints it and exits with
/// code 127.
///
/// With `run` before them, the program is one that knows nothing of us: standard input stays what it is.
///
/// With the arguments `keep MARK` this process becomes the one that ends what tools leave behind when the
/// server is killed; then it returns when that is done.
pub fn launch(args: impl Iterator<Item = OsString>) -> io::Error {
    let mut args = args.peekable();
    let result = if args.next_if(|word| word == KEEP).is_some() {
        become_keeper(args)
    } else if args.next_if(|word| word == RUN).is_some() {
        become_program(args)
    } else {
        become_worker(args)
    };
    match result {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

fn become_keeper(mut args: impl Iterator<Item = OsString>) -> io::Result<Infallible> {
    let mark = args.next().and_then(|mark| mark.into_string().ok());
    let mark =
        mark.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "usage: __launch keep MARK"))?;
    // A key that interrupts the server must not reach this process first.
    setsid()?;
    keep(&mark);
    Err(io::Error::other("the server has ended, and so has what its tools had left behind"))
}

fn become_worker(mut args: impl Iterator<Item = OsString>) -> io::Result<Infallible> {
    let program = settle(&mut args)?;
    let control = fcntl_dupfd_cloexec(stdin(), CONTROL_FD_MIN)?;
    fcntl_setfd(&control, FdFlags::empty())?;
    dup2_stdin(File::open("/dev/null")?)?;
    Err(Command::new(&program).args(args).env(CONTROL_FD, control.as_raw_fd().to_string()).exec())
}

fn become_program(mut args: impl Iterator<Item = OsString>) -> io::Result<Infallible> {
    let program = settle(&mut args)?;
    let error = Command::new(&program).args(args).exec();
    Err(io::Error::new(error.kind(), format!("`{}`: {error}", program.display())))
}

/// Makes this process a child as it should be, and returns the program to become.
fn settle(args: &mut impl Iterator<Item = OsString>) -> io::Result<OsString> {
    let usage = || io::Error::new(io::ErrorKind::InvalidInput, "usage: __launch SERVER_PID PROGRAM [ARG…]");
    let server = args.next().and_then(|pid| pid.to_str()?.parse::<i32>().ok()).ok_or_else(usage)?;
    let mut program = args.next().ok_or_else(usage)?;
    loop {
        let word = program.to_str();
        if let Some(word) = word.and_then(|word| word.strip_prefix(LIMIT)) {
            limit(word)?;
        } else if word == Some(ADOPT) {
            set_child_subreaper(Some(getpid()))?;
        } else {
            break;
        }
        program = args.next().ok_or_else(usage)?;
    }
    setsid()?;
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // The server may have died before the line above; then nobody will ever send the signal.
    if getppid().map(|pid| pid.as_raw_nonzero().get()) != Some(server) {
        return Err(io::Error::other("the server that started this worker is gone"));
    }
    // A crashing tool must not leave a core file in the user's project.
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    Ok(program)
}
