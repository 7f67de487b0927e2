//! How processes are found that left their worker's group: by the mark in the environment or the arguments they were
//! born with.
//!
//! A tool may start a daemon, which leaves group and session and outlives its parent. Not found is what has
//! also emptied both; a pid namespace holds that, and a fork parent finds it among its children.

use std::fs;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::environment::MARK;

/// Looks at most so often. More than one look is needed for what forks while it is looked for.
const LOOKS_MAX: usize = 50;

/// Kills every process whose mark starts with `mark`, and returns when none is left. Reads all of `/proc`: a
/// millisecond or two, so not for the thread that serves clients.
pub(crate) fn kill_orphans(mark: &str) {
    let wanted = [MARK.as_bytes(), b"=", mark.as_bytes()].concat();
    let mut killed = Vec::new();
    for _ in 0..LOOKS_MAX {
        let found = kill_marked(&wanted);
        let none = found.is_empty();
        killed.extend(found);
        // Who is about to end has given up its memory, and the mark with it, before its files and its folder.
        killed.retain(|pid| runs(*pid));
        if none && killed.is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    tracing::warn!("a tool left processes behind that multiply faster than they can be killed");
}

/// Kills the processes that carry `wanted` in their environment or among their arguments, and says which.
fn kill_marked(wanted: &[u8]) -> Vec<Pid> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let marked = processes.flatten().filter_map(|process| {
        let pid = Pid::from_raw(process.file_name().to_str()?.parse().ok()?)?;
        // Both unreadable means another user's, which a tool of ours cannot have become; both empty means dead. The
        // environment of a process that hides its memory is unreadable too: a fork parent and what it forked carry the
        // mark among their arguments.
        let marked = |name: &str| {
            let words = fs::read(process.path().join(name)).unwrap_or_default();
            words.split(|byte| *byte == 0).any(|word| word.starts_with(wanted))
        };
        (marked("environ") || marked("cmdline")).then_some(pid)
    });
    marked
        .inspect(|pid| {
            tracing::debug!(pid = pid.as_raw_nonzero(), "killing what a tool left behind");
            let _ = kill_process(*pid, Signal::KILL);
        })
        .collect()
}

/// Whether a process exists that is not just waiting to be reaped.
fn runs(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    // Behind the name, which may hold anything.
    stat.rsplit_once(") ").is_some_and(|(_, fields)| !fields.starts_with(['Z', 'X']))
}
