//! How processes are found that left their worker's group: by the mark in the environment they were born with.
//!
//! A tool may start a daemon, which leaves group and session and outlives its parent. Not found is what has
//! also emptied its environment; only a pid namespace would hold that.

use std::fs;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::environment::MARK;

/// Looks at most so often. More than one look is needed for what forks while it is looked for.
const LOOKS_MAX: usize = 50;

/// Kills every process whose mark starts with `mark`, and returns when none is left. Reads all of `/proc`: a
/// millisecond or two, so not for the thread that serves clients.
pub(super) fn sweep(mark: &str) {
    let wanted = [MARK.as_bytes(), b"=", mark.as_bytes()].concat();
    for _ in 0..LOOKS_MAX {
        if kill_marked(&wanted) == 0 {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    tracing::warn!("a tool left processes behind that multiply faster than they can be killed");
}

/// Kills the processes that carry `wanted` in their environment, and says how many there were.
fn kill_marked(wanted: &[u8]) -> usize {
    let Ok(processes) = fs::read_dir("/proc") else { return 0 };
    let marked = processes.flatten().filter_map(|process| {
        let pid = Pid::from_raw(process.file_name().to_str()?.parse().ok()?)?;
        // Unreadable means another user's, which a tool of ours cannot have become; empty means dead.
        let environment = fs::read(process.path().join("environ")).ok()?;
        environment.split(|byte| *byte == 0).any(|variable| variable.starts_with(wanted)).then_some(pid)
    });
    marked
        .inspect(|pid| {
            tracing::debug!(pid = pid.as_raw_nonzero(), "killing what a tool left behind");
            let _ = kill_process(*pid, Signal::KILL);
        })
        .count()
}
