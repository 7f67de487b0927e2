//! What a child does between being started and being Python: its session, its death signal, its descriptors.
//!
//! The server cannot do this between fork and exec, where only async-signal-safe code may run, so it starts
//! this program first, and this program becomes Python: decision 0005.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use rustix::process::{
    Pid, Resource, Rlimit, Signal, getpid, getppid, getrlimit, set_child_subreaper,
    set_parent_process_death_signal, setrlimit, setsid,
};
use rustix::stdio::{dup2_stdin, stdin};
use rustix::thread::set_no_new_privs;

mod arguments;
mod call_init;
mod descriptors;
mod init;
mod namespace;

pub use descriptors::raise_descriptor_limit;

use crate::ProcessLimits;
use crate::orphan_reaper::{KEEP, run_orphan_reaper};
pub(crate) use arguments::{ADOPT, CONTROL_FD, ISOLATE, ISOLATE_ALL, NO_NEW_PRIVILEGES, PROBE, RUN};
use arguments::{CONTROL_FD_MIN, usage};
use call_init::CALL_INIT;
use namespace::INIT;

/// How a word of the command line begins that sets a limit: `limit-data=1048576`.
const LIMIT: &str = "limit-";

/// The limit on open files that a process may raise again by itself.
const SOFT_FILES: &str = "nofile-soft";

/// The words that have the launcher set these limits.
pub(crate) fn limit_arguments(limits: &ProcessLimits) -> impl Iterator<Item = String> {
    // What was raised for the server's connections is not for its tools.
    let ordinary = descriptors::ordinary().filter(|_| limits.open_files.is_none());
    let set = [("data", limits.memory_bytes), ("nofile", limits.open_files), ("fsize", limits.file_bytes)];
    set.into_iter()
        .chain([(SOFT_FILES, ordinary)])
        .filter_map(|(name, value)| Some(format!("{LIMIT}{name}={}", value?)))
}

/// Sets the limit that a word names.
fn limit(word: &str) -> io::Result<()> {
    let usage = || io::Error::new(io::ErrorKind::InvalidInput, format!("`{LIMIT}{word}` is no limit"));
    let (name, value) = word.split_once('=').ok_or_else(usage)?;
    let resource = match name {
        "data" => Resource::Data,
        "nofile" | SOFT_FILES => Resource::Nofile,
        "fsize" => Resource::Fsize,
        _ => return Err(usage()),
    };
    let value = value.parse().map_err(|_| usage())?;
    // A limit above the one in force cannot be had, and need not.
    let value = getrlimit(resource).maximum.map_or(value, |maximum| maximum.min(value));
    let maximum = if name == SOFT_FILES { getrlimit(resource).maximum } else { Some(value) };
    Ok(setrlimit(resource, Rlimit { current: Some(value), maximum })?)
}

/// Turns this process into a worker: `args` are the server's process id, words, the program and its arguments.
///
/// The control channel arrives as standard input and leaves as a higher descriptor, named by
/// `OMNI_CONTROL_FD`. Returns only when that failed, with the reason; the caller prints it and exits with
/// code 127. A process that has to wait for the program's end returns the code to exit with, without a word.
///
/// With `run` before them, the program is one that knows nothing of us: standard input stays what it is.
///
/// With the arguments `run_orphan_reaper MARK` this process becomes the one that ends what tools leave behind when the
/// server is killed; then it returns when that is done. `init`, `call-init`, `adopt` and `probe` are for our own use
/// inside a namespace.
pub fn launch(args: impl Iterator<Item = OsString>) -> io::Result<u8> {
    let mut args = args.peekable();
    let word =
        args.next_if(|word| [KEEP, RUN, INIT, CALL_INIT, ADOPT, PROBE].iter().any(|known| word == known));
    match word.as_deref().and_then(OsStr::to_str) {
        Some(KEEP) => become_orphan_reaper(args),
        Some(RUN) => become_program(args),
        Some(INIT) => init::run(args),
        Some(CALL_INIT) => call_init::run(),
        Some(ADOPT) => become_parent(args),
        Some(PROBE) => probe(),
        _ => become_worker(args),
    }
}

fn become_orphan_reaper(mut args: impl Iterator<Item = OsString>) -> io::Result<u8> {
    let mark = args.next().and_then(|mark| mark.into_string().ok());
    let mark =
        mark.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "usage: __launch keep MARK"))?;
    // A key that interrupts the server must not reach this process first.
    setsid()?;
    run_orphan_reaper(&mark);
    Ok(0)
}

fn become_worker(mut args: impl Iterator<Item = OsString>) -> io::Result<u8> {
    let prepared = prepare(&mut args)?;
    if let Some(arguments) = prepared.init_words {
        return namespace::run(arguments, prepared.program, args);
    }
    let control = fcntl_dupfd_cloexec(stdin(), CONTROL_FD_MIN)?;
    fcntl_setfd(&control, FdFlags::empty())?;
    dup2_stdin(File::open("/dev/null")?)?;
    Err(Command::new(&prepared.program).args(args).env(CONTROL_FD, control.as_raw_fd().to_string()).exec())
}

fn become_program(mut args: impl Iterator<Item = OsString>) -> io::Result<u8> {
    let prepared = prepare(&mut args)?;
    if let Some(mut arguments) = prepared.init_words {
        arguments.insert(0, RUN);
        return namespace::run(arguments, prepared.program, args);
    }
    Err(exec(&prepared.program, args))
}

/// Becomes a program to which orphans below it come, at the end of the way through a namespace's init.
fn become_parent(mut args: impl Iterator<Item = OsString>) -> io::Result<u8> {
    set_child_subreaper(Some(getpid()))?;
    let program = args.next().ok_or_else(usage)?;
    Err(exec(&program, args))
}

/// Finds out whether this is the only program in a namespace of its own that shows itself in `/proc`.
fn probe() -> io::Result<u8> {
    let shown = std::fs::read_link("/proc/self")?;
    let alone = shown.as_os_str() == "2" && getppid().is_some_and(|init| init == Pid::INIT);
    if alone { Ok(0) } else { Err(io::Error::other(format!("/proc shows it as {}", shown.display()))) }
}

fn exec(program: &OsStr, args: impl Iterator<Item = OsString>) -> io::Error {
    let error = Command::new(program).args(args).exec();
    io::Error::new(error.kind(), format!("`{}`: {error}", program.display()))
}

/// What is left to do when a child is as it should be.
struct Prepared {
    program: OsString,
    /// Words for a namespace's init, when the program is to have one.
    init_words: Option<Vec<&'static str>>,
}

/// Makes this process a child as it should be.
fn prepare(args: &mut impl Iterator<Item = OsString>) -> io::Result<Prepared> {
    let server = args.next().and_then(|pid| pid.to_str()?.parse::<i32>().ok()).ok_or_else(usage)?;
    let mut prepared = Prepared { program: args.next().ok_or_else(usage)?, init_words: None };
    let mut adopts = false;
    loop {
        let word = prepared.program.to_str();
        if let Some(word) = word.and_then(|word| word.strip_prefix(LIMIT)) {
            limit(word)?;
        } else {
            match word {
                Some(ADOPT) => adopts = true,
                Some(NO_NEW_PRIVILEGES) => set_no_new_privs(true)?,
                Some(ISOLATE) => prepared.init_words = Some(Vec::new()),
                Some(ISOLATE_ALL) => prepared.init_words = Some(vec![init::LINGER]),
                _ => break,
            }
        }
        prepared.program = args.next().ok_or_else(usage)?;
    }
    setsid()?;
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // The server may have died before the line above; then nobody will ever send the signal.
    if getppid().map(|pid| pid.as_raw_nonzero().get()) != Some(server) {
        return Err(io::Error::other("the server that started this worker is gone"));
    }
    // A crashing tool must not leave a core file in the user's project.
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    if adopts {
        match &mut prepared.init_words {
            // Not inherited: init's own child has to ask for it.
            Some(arguments) => arguments.push(init::ADOPTS),
            None => set_child_subreaper(Some(getpid()))?,
        }
    }
    Ok(prepared)
}
