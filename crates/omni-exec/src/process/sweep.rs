//! How processes are found that left their worker's group: by the mark in the environment they were born with.
//!
//! A tool may start a daemon, which leaves group and session and outlives its parent. Not found is what has
//! also emptied its environment; only a pid namespace would hold that.

use std::fs;
use std::os::unix::ffi::OsStrExt;

use rustix::process::{Pid, Signal, kill_process};

use super::environment::MARK;

/// Kills every process whose mark starts with `mark`. Reads all of `/proc`: a millisecond or two, so not for
/// the thread that serves clients.
pub(super) fn sweep(mark: &str) {
    let wanted = [MARK.as_bytes(), b"=", mark.as_bytes()].concat();
    let Ok(processes) = fs::read_dir("/proc") else { return };
    for process in processes.flatten() {
        let name = process.file_name();
        let Some(pid) = std::str::from_utf8(name.as_bytes()).ok().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // Unreadable means another user's, which a tool of ours cannot have become.
        let Ok(environment) = fs::read(process.path().join("environ")) else { continue };
        if environment.split(|byte| *byte == 0).any(|variable| variable.starts_with(&wanted))
            && let Some(pid) = Pid::from_raw(pid)
        {
            tracing::debug!(pid = pid.as_raw_nonzero(), "killing what a tool left behind");
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}
