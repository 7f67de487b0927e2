//! Number 1 of the namespace of one forked call: made ahead by a fork parent, which forks the call into it:
//! decision 0021.
//!
//! It starts nothing. It adopts what loses its parent there, and its end is the end of everything in the namespace.
//! `python/src/omni/call_borders.py` is the other side of the line.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;

use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{DumpableBehavior, WaitOptions, set_dumpable_behavior, setsid, wait};
use rustix::stdio::{dup2_stdin, stdin};
use rustix::thread::{CapabilitySet, CapabilitySets, UnshareFlags, set_capabilities};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::init::own_proc;
use super::namespace::{let_go, unshare};

/// The word after `__launch` that makes such an init of the process.
pub(super) const CALL_INIT: &str = "call-init";

/// Becomes the init; the line to the fork parent comes as standard input. Ends by being killed, or when that is gone
/// before it is ready.
pub(super) fn run() -> io::Result<u8> {
    let mut line = UnixStream::from(fcntl_dupfd_cloexec(stdin(), 3)?);
    let become_init = || {
        setsid()?;
        dup2_stdin(&File::open("/dev/null")?)?;
        unshare(UnshareFlags::NEWNS)?;
        own_proc()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let children = runtime.block_on(async { signal(SignalKind::child()) })?;
        Ok((runtime, children))
    };
    let (runtime, children) = match become_init() {
        Ok(ready) => ready,
        Err(error) => {
            let error: io::Error = error;
            line.write_all(error.to_string().as_bytes())?;
            return Ok(127);
        }
    };
    // Now the parent opens our namespaces. After the next step it could not any more.
    line.write_all(b"1")?;
    line.read_exact(&mut [0])?;
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    // A call runs under our own user: it must not read or trace what the next one gets.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let_go()?;
    line.write_all(b"3")?;
    drop(line);
    runtime.block_on(reap(children));
    Ok(0)
}

/// Reaps what has ended, for ever.
async fn reap(mut children: Signal) {
    loop {
        while matches!(wait(WaitOptions::NOHANG), Ok(Some(_))) {}
        children.recv().await;
    }
}
