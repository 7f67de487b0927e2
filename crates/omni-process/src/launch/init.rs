//! Number 1 of a process-id namespace: starts one program, adopts and reaps whatever loses its parent, and takes all of
//! it along when it ends.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::process::{
    DumpableBehavior, Pid, Signal, WaitOptions, set_dumpable_behavior, set_parent_process_death_signal,
    setsid, wait,
};
use rustix::stdio::stdin;
use rustix::thread::{CapabilitySet, capabilities, clear_ambient_capability_set, set_capabilities};

use super::arguments::{ADOPT, CONTROL_FD, CONTROL_FD_MIN, LAUNCHER_FD, RUN, usage};
use super::namespace::{SELF, let_go};

/// The word that has init live on until the last process in its namespace has ended: the program is a fork parent, and
/// what it forked is not to end with it.
pub(super) const LINGER: &str = "linger";

/// The word that has orphans come to the program and not to init.
pub(super) const ADOPTS: &str = "adopts";

/// Becomes the init that [`namespace`](super::namespace) has started; `args` are words, the program and its arguments.
/// The line to the outer process comes as standard input.
pub(super) fn run(args: impl Iterator<Item = OsString>) -> io::Result<u8> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let input = receive()?;
    // The outer process may have died before the first line; then nobody will ever send the signal.
    if hung_up()? {
        return Err(io::Error::other("the server that started this namespace is gone"));
    }
    setsid()?;
    own_proc()?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let mut args = args.peekable();
    let runs = args.next_if(|word| word == RUN).is_some();
    let lingers = args.next_if(|word| word == LINGER).is_some();
    if !lingers {
        give_up_rights()?;
    }
    let adopts = args.next_if(|word| word == ADOPTS).is_some();
    let program = args.next().ok_or_else(usage)?;
    let mut command = if adopts {
        let mut command = Command::new(SELF);
        command.args(["__launch", ADOPT]).arg(&program);
        command
    } else {
        Command::new(&program)
    };
    command.args(args).process_group(0);
    // A fork parent makes a namespace for each call: with the rights that were passed on, and with our own program.
    let image = if lingers { Some(inheritable(File::open(SELF)?.into())?) } else { None };
    if let Some(image) = &image {
        command.env(LAUNCHER_FD, image.as_raw_fd().to_string());
    }
    let control = if runs {
        command.stdin(Stdio::from(input));
        None
    } else {
        let control = inheritable(input.try_clone()?)?;
        command.stdin(Stdio::null()).env(CONTROL_FD, control.as_raw_fd().to_string());
        Some((control, input))
    };
    let child = command
        .spawn()
        .map_err(|error| io::Error::new(error.kind(), format!("`{}`: {error}", program.display())))?;
    drop((control, image, command));
    if lingers {
        give_up_rights()?;
    }
    let mut line = UnixStream::from(fcntl_dupfd_cloexec(stdin(), 0)?);
    let_go()?;
    watch(Pid::from_child(&child), &mut line, lingers)?;
    Ok(0)
}

/// A view of processes that shows this namespace's. Mounts from outside still appear here, none of ours there.
pub(super) fn own_proc() -> io::Result<()> {
    mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("proc", "/proc", "proc", flags, None)
        .map_err(|error| io::Error::new(io::Error::from(error).kind(), format!("mounting /proc: {error}")))
}

/// Gives up what was only kept for mounting. A user's program gets no rights here, and root's keeps its own.
fn give_up_rights() -> io::Result<()> {
    clear_ambient_capability_set()?;
    let mut own = capabilities(None)?;
    own.inheritable = CapabilitySet::empty();
    Ok(set_capabilities(None, own)?)
}

/// Waits for the program, reaps what it leaves, and tells the outer process how it ended.
fn watch(program: Pid, line: &mut UnixStream, lingers: bool) -> io::Result<()> {
    while let Ok(ended) = wait(WaitOptions::empty()) {
        if let Some((pid, status)) = ended
            && pid == program
        {
            line.write_all(&status.as_raw().to_le_bytes())?;
            if !lingers {
                break;
            }
        }
    }
    Ok(())
}

/// A copy of a descriptor for the program to find, out of the way of what tools use for plumbing.
fn inheritable(descriptor: OwnedFd) -> io::Result<OwnedFd> {
    let copy = fcntl_dupfd_cloexec(descriptor, CONTROL_FD_MIN)?;
    fcntl_setfd(&copy, FdFlags::empty())?;
    Ok(copy)
}

fn receive() -> io::Result<OwnedFd> {
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    recvmsg(stdin(), &mut [IoSliceMut::new(&mut byte)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    let received = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    received.ok_or_else(|| io::Error::other("the server that started this namespace is gone"))
}

fn hung_up() -> io::Result<bool> {
    let line = stdin();
    let mut polled = [PollFd::new(&line, PollFlags::RDHUP)];
    poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?;
    Ok(polled.iter().any(|one| one.revents().intersects(PollFlags::HUP | PollFlags::RDHUP)))
}
