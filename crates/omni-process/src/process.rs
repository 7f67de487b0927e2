//! One child process: how it is watched, signalled and ended.

use std::ffi::OsString;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::time::timeout;

use crate::namespaced::{NamespacedProgram, outer_number};
use crate::temp::TempFolder;

/// How long a process group may take to end after SIGTERM before it is killed.
pub const TERM_GRACE: Duration = Duration::from_secs(1);

/// The same when the server stops. Shorter, because whoever stops a server waits for it, and no client will hear any more
/// of what runs.
pub const SHUTDOWN_GRACE: Duration = Duration::from_millis(200);

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    Code(i32),
    Signal(i32),
    /// It has ended, and whoever could say how is gone.
    Unknown,
}

impl std::fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ExitStatus::Code(code) => write!(f, "with exit code {code}"),
            ExitStatus::Signal(signal) => write!(f, "by signal {signal}"),
            ExitStatus::Unknown => f.write_str("in an unknown way"),
        }
    }
}

/// A running child and everything it has forked into its process group.
///
/// Dropping it kills the group at once. The child is reaped by a task of its [`ProcessTable`](crate::ProcessTable) in any case, and
/// its permit is given free only then.
pub struct Process {
    pub(crate) record: Arc<ProcessRecord>,
}

/// What the handle, the reaping task and the process table share.
#[derive(Debug)]
pub(crate) struct ProcessRecord {
    /// Our child: the program itself, or the launcher of a namespace that it runs in.
    pub(crate) pid: Pid,
    namespaced: Option<NamespacedProgram>,
    /// It forks processes of ours.
    pub(crate) forks: bool,
    /// Where it finds room for temporary files; removed when it has ended.
    pub(crate) temp: Option<Arc<TempFolder>>,
    state: Mutex<ProcessState>,
}

#[derive(Debug, Default)]
pub(crate) struct ProcessState {
    pub(crate) exit: Option<ExitStatus>,
    pub(crate) waker: Option<Waker>,
    /// We ended it, so what it left behind is looked for.
    pub(crate) ended_by_us: bool,
    /// What was in its temporary folder at its end, up to some names.
    pub(crate) left: Vec<OsString>,
}

impl ProcessRecord {
    pub(crate) fn new(pid: Pid, forks: bool, isolated: bool, temp: Option<Arc<TempFolder>>) -> Self {
        let namespaced = isolated.then(|| NamespacedProgram::new(pid));
        ProcessRecord { pid, namespaced, forks, temp, state: Mutex::default() }
    }

    /// The number of the program.
    fn program(&self) -> Pid {
        self.namespaced.as_ref().and_then(NamespacedProgram::program).unwrap_or(self.pid)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, ProcessState> {
        // A panic elsewhere must not make a process unkillable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends `signal` to the child alone.
    pub(crate) fn signal(&self, signal: Signal) {
        // The lock is held while the number is used: the reaper sets `exit` under it, and a number is not
        // given to another process before that.
        let state = self.lock();
        if state.exit.is_none() {
            match &self.namespaced {
                Some(namespaced) => namespaced.signal(signal),
                None => drop(kill_process(self.pid, signal)),
            }
        }
    }

    /// Sends `signal` to the child and to all that it forked into its group.
    pub(crate) fn signal_group(&self, signal: Signal) {
        let mut state = self.lock();
        if state.exit.is_none() {
            state.ended_by_us |= signal == Signal::TERM || signal == Signal::KILL;
            if let Some(namespaced) = &self.namespaced {
                return namespaced.signal_group(signal);
            }
            // The child leads its group only once the launcher has come that far, so it is named too.
            let _ = kill_process_group(self.pid, signal);
            let _ = kill_process(self.pid, signal);
        }
    }
}

impl Process {
    /// The process below this one that goes by `number` for itself.
    pub fn child(&self, number: i32) -> Option<Pid> {
        match &self.record.namespaced {
            Some(namespaced) => outer_number(namespaced.program()?, number),
            None => Pid::from_raw(number),
        }
    }

    /// Its temporary folder, which is removed when it has ended.
    pub fn temp(&self) -> Option<&Arc<TempFolder>> {
        self.record.temp.as_ref()
    }

    /// What its temporary folder held when it ended.
    pub fn take_left(&self) -> Vec<OsString> {
        std::mem::take(&mut self.record.lock().left)
    }

    /// Sends a signal to the process itself. Does nothing once it has ended.
    pub fn signal(&self, signal: Signal) {
        self.record.signal(signal);
    }

    /// Kills the process, its group, and everything in its namespace if it has one.
    pub fn kill(&self) {
        self.record.signal_group(Signal::KILL);
    }

    /// Whether the kernel says that it is stopped, by a signal or a debugger.
    pub fn is_stopped(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.record.program().as_raw_nonzero()));
        // Behind the name, which may hold anything.
        let state = stat.ok().and_then(|stat| stat.rsplit_once(") ")?.1.chars().next());
        matches!(state, Some('T' | 't'))
    }

    /// Whether the kernel knows of one thread and no child of it: then nothing that a call began goes on.
    pub fn is_alone(&self) -> bool {
        let children = std::fs::read_to_string(format!(
            "/proc/{0}/task/{0}/children",
            self.record.program().as_raw_nonzero()
        ));
        self.status("Threads:").is_some_and(|threads| threads == "1")
            && children.is_ok_and(|children| children.trim().is_empty())
    }

    /// How much memory it holds, itself alone.
    pub fn memory_bytes(&self) -> Option<u64> {
        let kibibytes: u64 = self.status("VmRSS:")?.strip_suffix(" kB")?.parse().ok()?;
        Some(kibibytes << 10)
    }

    /// What the kernel says of it under this name.
    fn status(&self, name: &str) -> Option<String> {
        let path = format!("/proc/{}/status", self.record.program().as_raw_nonzero());
        let status = std::fs::read_to_string(path).ok()?;
        let value = status.lines().find_map(|line| line.strip_prefix(name))?;
        Some(value.trim().to_owned())
    }

    /// Whether it is known to have ended.
    pub fn exited(&self) -> bool {
        self.record.lock().exit.is_some()
    }

    /// Ready once the kernel says that the process has ended and it has been reaped. Wakes the last poller
    /// only.
    pub fn poll_exit(&self, cx: &mut Context<'_>) -> Poll<ExitStatus> {
        let mut state = self.record.lock();
        if let Some(exit) = state.exit {
            return Poll::Ready(exit);
        }
        match &mut state.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Waits until the process has ended.
    pub async fn wait(&self) -> ExitStatus {
        std::future::poll_fn(|cx| self.poll_exit(cx)).await
    }

    /// Ends the process and its group: SIGTERM, `grace`, SIGKILL. Returns when it has been reaped.
    pub async fn terminate(&self, grace: Duration) -> ExitStatus {
        self.record.signal_group(Signal::TERM);
        // A stopped process would never get the signal.
        self.record.signal_group(Signal::CONT);
        if let Ok(exit) = timeout(grace, self.wait()).await {
            return exit;
        }
        self.record.signal_group(Signal::KILL);
        self.wait().await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.record.signal_group(Signal::KILL);
    }
}
