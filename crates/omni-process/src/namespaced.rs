//! Where a program is that runs in a process-id namespace of its own: below its launcher and the namespace's init.
//!
//! The server's child is the launcher, and its end is the end of everything inside. Signals are for the program, whose
//! number out here nobody tells us: it is looked for when it is first needed.

use std::fs;
use std::os::fd::OwnedFd;
use std::sync::OnceLock;

use rustix::process::{
    Pid, PidfdFlags, Signal, kill_process, kill_process_group, pidfd_open, pidfd_send_signal,
};

/// The program's number inside.
const PROGRAM_PID_INSIDE: i32 = 2;

/// A namespace that a child of ours has made.
#[derive(Debug)]
pub(crate) struct NamespacedProgram {
    launcher: Pid,
    pids: OnceLock<NamespacePids>,
}

#[derive(Debug)]
struct NamespacePids {
    /// Init, by a descriptor: numbers out here are given to others as soon as those inside have ended.
    init: OwnedFd,
    program: OwnedFd,
    pid: Pid,
}

impl NamespacedProgram {
    pub(crate) fn new(launcher: Pid) -> Self {
        NamespacedProgram { launcher, pids: OnceLock::new() }
    }

    /// The program's number out here; `None` before it runs.
    pub(crate) fn program(&self) -> Option<Pid> {
        self.find().map(|pids| pids.pid)
    }

    fn find(&self) -> Option<&NamespacePids> {
        if self.pids.get().is_none() {
            let init_pid = first_child(self.launcher)?;
            let pid = first_child(init_pid)?;
            let init = pidfd_open(init_pid, PidfdFlags::empty()).ok()?;
            let program = pidfd_open(pid, PidfdFlags::empty()).ok()?;
            // Looked at again now that the descriptors hold them: these are the ones, and not some that came later.
            let theirs = first_child(self.launcher) == Some(init_pid) && first_child(init_pid) == Some(pid);
            if theirs && number_inside(pid) == Some(PROGRAM_PID_INSIDE) {
                let _ = self.pids.set(NamespacePids { init, program, pid });
            }
        }
        self.pids.get()
    }

    /// Sends a signal to the program.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(pids) = self.find() {
            let _ = pidfd_send_signal(&pids.program, signal);
        }
    }

    /// Sends a signal to the program and to all that it forked into its group. SIGKILL goes to init, which takes along
    /// everything in the namespace.
    pub(crate) fn signal_group(&self, signal: Signal) {
        let Some(pids) = self.find() else {
            // It does not run yet, so there is nobody to be asked kindly.
            if signal == Signal::KILL || signal == Signal::TERM {
                if let Some(init) = first_child(self.launcher) {
                    let _ = kill_process(init, Signal::KILL);
                }
                let _ = kill_process(self.launcher, Signal::KILL);
            }
            return;
        };
        if signal == Signal::KILL {
            let _ = pidfd_send_signal(&pids.init, signal);
        } else if pidfd_send_signal(&pids.program, signal).is_ok() {
            // With the program dead, all that it forked ends with init in a moment, and its number may be another's.
            let _ = kill_process_group(pids.pid, signal);
        }
    }
}

/// The process below `parent` that has this number in the namespace of `parent`. It may have another one of its own.
pub(crate) fn outer_number(parent: Pid, inside: i32) -> Option<Pid> {
    let depth = numbers(parent)?.len().checked_sub(1)?;
    // Most likely the youngest: it was forked just now.
    let children = children(parent).into_iter().rev();
    children.into_iter().find(|child| numbers(*child).is_some_and(|all| all.get(depth) == Some(&inside)))
}

fn first_child(parent: Pid) -> Option<Pid> {
    children(parent).into_iter().next()
}

/// The children of a process that has one thread, the oldest first.
fn children(parent: Pid) -> Vec<Pid> {
    let path = format!("/proc/{0}/task/{0}/children", parent.as_raw_nonzero());
    let list = fs::read_to_string(path).unwrap_or_default();
    list.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
}

/// The number of a process in the innermost of its namespaces.
fn number_inside(pid: Pid) -> Option<i32> {
    numbers(pid)?.pop()
}

/// The numbers of a process, from our namespace to the innermost of its own.
fn numbers(pid: Pid) -> Option<Vec<i32>> {
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).ok()?;
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    numbers.split_whitespace().map(|number| number.parse().ok()).collect()
}
