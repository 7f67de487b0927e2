//! How a program gets a process-id namespace: what runs there sees and signals nobody outside, and all of it ends with
//! the namespace's init, which is ours: decision 0017.
//!
//! Three processes stand in a row. The outer one, here, is the server's child and ends as the program did. Init, in
//! [`init`](super::init), is number 1 inside and adopts what loses its parent. The program is number 2.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, IoSlice, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus, Stdio};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::process::{Signal, chdir, getgid, getpid, getuid, kill_process};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout, stdin};
use rustix::thread::{
    CapabilitySet, UnshareFlags, capabilities, configure_capability_in_ambient_set, set_capabilities,
};

/// Our own program, whatever has become of its file.
pub(super) const SELF: &str = "/proc/self/exe";

/// The word after `__launch` that makes a namespace's init of the process.
pub(super) const INIT: &str = "init";

/// Runs a program in a namespace of its own and waits for its end; `words` are for init. Returns the program's exit
/// code; when a signal ended it, this process ends by that signal.
pub(super) fn run(
    words: Vec<&str>,
    program: OsString,
    args: impl Iterator<Item = OsString>,
) -> io::Result<u8> {
    enter().map_err(|error| io::Error::new(error.kind(), format!("a process-id namespace: {error}")))?;
    let (mut line, theirs) = UnixStream::pair()?;
    let mut init = Command::new(SELF)
        .args(["__launch", INIT])
        .args(words)
        .arg(program)
        .args(args)
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .spawn()?;
    // Standard input is the program's, or its control channel. Init learns thereby that we live.
    hand_over(&line, stdin())?;
    let_go()?;
    let mut status = [0; 4];
    let told = line.read_exact(&mut status);
    let end = init.wait()?;
    let end = if told.is_ok() { ExitStatus::from_raw(i32::from_le_bytes(status)) } else { end };
    Ok(end_like(end))
}

/// Enters new namespaces: what this process starts from now on is in them.
fn enter() -> io::Result<()> {
    let (uid, gid) = (getuid(), getgid());
    let wanted = UnshareFlags::NEWPID | UnshareFlags::NEWNS;
    // With a user namespace the files of other users would look different, so root goes without.
    if unshare(wanted).is_ok() {
        return Ok(());
    }
    unshare(wanted | UnshareFlags::NEWUSER)?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{0} {0} 1", uid.as_raw()))?;
    fs::write("/proc/self/gid_map", format!("{0} {0} 1", gid.as_raw()))?;
    // Init mounts `/proc`, and a fork parent makes more namespaces: both would lose the right to do so by their exec.
    let mut own = capabilities(None)?;
    own.inheritable |= PASSED_ON;
    set_capabilities(None, own)?;
    pass_on()
}

/// What it takes to make a namespace and to enter it.
const PASSED_ON: CapabilitySet = CapabilitySet::SYS_ADMIN.union(CapabilitySet::SYS_CHROOT);

/// Has the programs that this process becomes or starts keep what may be passed on.
fn pass_on() -> io::Result<()> {
    for capability in PASSED_ON.iter() {
        configure_capability_in_ambient_set(capability, true)?;
    }
    Ok(())
}

#[expect(deprecated, reason = "its successor is unsafe, for a flag that is not used here")]
pub(super) fn unshare(flags: UnshareFlags) -> rustix::io::Result<()> {
    rustix::thread::unshare(flags)
}

fn hand_over(line: &UnixStream, descriptor: impl AsFd) -> io::Result<()> {
    let descriptors = [descriptor.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    sendmsg(line, &[IoSlice::new(b".")], &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Gives up the streams and the folder: they are the program's, and whoever waits for their end waits for it alone.
pub(super) fn let_go() -> io::Result<()> {
    let nothing = File::options().read(true).write(true).open("/dev/null")?;
    dup2_stdin(&nothing)?;
    dup2_stdout(&nothing)?;
    dup2_stderr(&nothing)?;
    Ok(chdir("/")?)
}

/// The exit code to end with, unless a signal ends us right here.
fn end_like(end: ExitStatus) -> u8 {
    let Some(number) = end.signal() else {
        return end.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX);
    };
    if let Some(signal) = Signal::from_named_raw(number) {
        if signal == Signal::PIPE {
            // Rust's own start has this one ignored. An exec puts it back, one that fails too.
            let _ = Command::new("").exec();
        }
        // Twice: Rust's start also installs handlers, for SIGSEGV and SIGBUS, which step aside at the first.
        for _ in 0..2 {
            let _ = kill_process(getpid(), signal);
        }
    }
    u8::try_from(128 + number).unwrap_or(u8::MAX)
}
