//! All children of one executor: starts them, reaps them, and knows when none is left.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use thiserror::Error;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::environment::{self, MARK};
use super::{Exit, Life, Process, keeper, starter, sweep};
use crate::ExecConfig;

/// What to start: Python's arguments and the variables that only this process gets.
#[derive(Debug, Default)]
pub(crate) struct Program {
    pub(crate) args: Vec<OsString>,
    pub(crate) env: Vec<(&'static str, OsString)>,
}

/// A process that has just been started, and our ends of its pipes.
pub(crate) struct Started {
    pub(crate) process: Process,
    pub(crate) control: UnixStream,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
}

/// Why no process could be started.
#[derive(Debug, Error)]
pub(crate) enum StartError {
    #[error("there is no Python interpreter at `{path}`")]
    NoInterpreter { path: String },
    #[error("the launcher `{path}` cannot be started: {source}")]
    Launcher { path: String, source: io::Error },
    #[error("{what} failed: {source}")]
    System { what: &'static str, source: io::Error },
    #[error("the server is stopping")]
    Closing,
}

/// The children of one executor. Each belongs to a task of its own that waits for its end.
#[derive(Debug)]
pub(crate) struct Children {
    config: Arc<ExecConfig>,
    inherited: Vec<(OsString, OsString)>,
    /// Start of the mark that every child of this executor carries.
    mark: String,
    next: AtomicU64,
    living: Mutex<HashMap<u64, Arc<Life>>>,
    /// Children that are being started and are not among the living yet.
    expected: AtomicUsize,
    closing: AtomicBool,
    /// Told whenever a child is gone.
    gone: Notify,
}

impl Children {
    pub(crate) fn new(config: Arc<ExecConfig>) -> Arc<Self> {
        static EXECUTORS: AtomicU64 = AtomicU64::new(0);
        let executor = EXECUTORS.fetch_add(1, Ordering::Relaxed);
        Arc::new(Children {
            inherited: environment::inherited(&config),
            config,
            mark: format!("{}{executor}.", keeper::server_mark()),
            next: AtomicU64::new(0),
            living: Mutex::default(),
            expected: AtomicUsize::new(0),
            closing: AtomicBool::new(false),
            gone: Notify::new(),
        })
    }

    pub(crate) fn config(&self) -> &ExecConfig {
        &self.config
    }

    /// Whether [`end_all`](Self::end_all) has begun.
    pub(crate) fn closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    /// Starts a process. `seat` is dropped when it is gone, however it ended. Needs a tokio runtime.
    pub(crate) async fn start(
        self: &Arc<Self>,
        program: Program,
        seat: Box<dyn Send>,
    ) -> Result<Started, StartError> {
        if self.closing() {
            return Err(StartError::Closing);
        }
        let interpreter = &self.config.interpreter.path;
        if !interpreter.exists() {
            return Err(StartError::NoInterpreter { path: interpreter.display().to_string() });
        }
        keeper::ensure(&self.config.launcher).await;
        let system = |what| move |source: io::Error| StartError::System { what, source };
        let serial = self.next.fetch_add(1, Ordering::Relaxed);
        let mark = format!("{}{serial}.", self.mark);
        let (control, theirs) = UnixStream::pair().map_err(system("making a socket pair"))?;
        control.set_nonblocking(true).map_err(system("setting up a socket"))?;
        let command = self.command(program, &mark, theirs.into());
        let expected = Box::new(Expected::new(self));
        let (child, expected) =
            starter::start(command, expected).await.map_err(|source| self.start_error(source))?;
        let started = self.adopt(serial, mark, child, control, seat)?;
        drop(expected);
        // Whoever ends all children has signalled those that were there before this one.
        if self.closing() { Err(StartError::Closing) } else { Ok(started) }
    }

    /// Takes over a child that runs: from here on it is reaped and its group killed, whatever happens.
    fn adopt(
        self: &Arc<Self>,
        serial: u64,
        mark: String,
        mut child: Child,
        control: UnixStream,
        seat: Box<dyn Send>,
    ) -> Result<Started, StartError> {
        let system = |what| move |source: io::Error| StartError::System { what, source };
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let pid = Pid::from_child(&child);
        let pidfd = match watch(pid) {
            Ok(pidfd) => pidfd,
            Err(source) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(system("watching a process (this needs Linux 5.3)")(source));
            }
        };
        let life = Arc::new(Life::new(pid));
        self.living().insert(serial, Arc::clone(&life));
        let process = Process { life: Arc::clone(&life) };
        let children = Arc::clone(self);
        tokio::spawn(async move {
            children.reap(serial, &mark, child, pidfd, &life).await;
            drop(seat);
        });
        match (stdout, stderr) {
            (Some(stdout), Some(stderr)) => {
                Ok(Started { process, control, stdout: stdout.into(), stderr: stderr.into() })
            }
            _ => Err(system("capturing output")(io::Error::other("no pipe"))),
        }
    }

    /// Waits for a child's end, ends what is left of its group, and takes it off the list.
    async fn reap(&self, serial: u64, mark: &str, mut child: Child, pidfd: AsyncFd<OwnedFd>, life: &Life) {
        // The kernel's word and nobody else's: a socket can be closed, or held open, by anyone.
        if pidfd.readable().await.is_err() {
            // Only a runtime that is going down cannot say; then nobody will need the child either.
            life.signal(Signal::KILL);
        }
        let (exit, waker, ended_by_us) = {
            let mut state = life.lock();
            // Until `wait` below the dead leader keeps its number, so no other group can have it.
            let _ = kill_process_group(life.pid, Signal::KILL);
            let exit = child.wait().map_or(Exit::Code(-1), Exit::from);
            state.exit = Some(exit);
            (exit, state.waker.take(), state.ended_by_us)
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        if (ended_by_us || exit != Exit::Code(0)) && !self.closing() {
            sweep_aside(mark.to_owned()).await;
        }
        self.living().remove(&serial);
        self.gone.notify_waiters();
    }

    /// Ends every child and what the children left behind: SIGTERM, `grace`, SIGKILL. Returns when all are
    /// reaped; no child can be started afterwards.
    pub(crate) async fn end_all(&self, grace: Duration) {
        self.closing.store(true, Ordering::Relaxed);
        if self.next.load(Ordering::Relaxed) == 0 {
            return;
        }
        self.signal_all(Signal::TERM);
        self.signal_all(Signal::CONT);
        if timeout(grace, self.wait_empty()).await.is_err() {
            self.signal_all(Signal::KILL);
            self.wait_empty().await;
        }
        sweep_aside(self.mark.clone()).await;
    }

    async fn wait_empty(&self) {
        loop {
            let mut gone = std::pin::pin!(self.gone.notified());
            // Registered before the look, or a child that goes in between is missed.
            gone.as_mut().enable();
            if self.living().is_empty() && self.expected.load(Ordering::Relaxed) == 0 {
                return;
            }
            gone.await;
        }
    }

    fn signal_all(&self, signal: Signal) {
        for life in self.living().values() {
            life.signal_group(signal);
        }
    }

    fn living(&self) -> MutexGuard<'_, HashMap<u64, Arc<Life>>> {
        self.living.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn command(&self, program: Program, mark: &str, control: OwnedFd) -> Command {
        let mut command = Command::new(&self.config.launcher);
        command
            .arg("__launch")
            .arg(std::process::id().to_string())
            .arg(&self.config.interpreter.path)
            .args(program.args)
            .env_clear()
            .envs(self.inherited.iter().map(|(name, value)| (name, value)))
            .envs(program.env)
            .env(MARK, mark)
            .current_dir(&self.config.root)
            .stdin(Stdio::from(control))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Names what is wrong, which the kernel's `No such file or directory` does not.
    fn start_error(&self, source: io::Error) -> StartError {
        if !self.config.root.is_dir() {
            return StartError::System { what: "entering the project's root folder", source };
        }
        StartError::Launcher { path: self.config.launcher.display().to_string(), source }
    }
}

/// Counts a child from before it exists until it is among the living.
struct Expected(Arc<Children>);

impl Expected {
    fn new(children: &Arc<Children>) -> Self {
        children.expected.fetch_add(1, Ordering::Relaxed);
        Expected(Arc::clone(children))
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        self.0.expected.fetch_sub(1, Ordering::Relaxed);
        self.0.gone.notify_waiters();
    }
}

impl From<std::process::ExitStatus> for Exit {
    fn from(status: std::process::ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Exit::Code(code),
            (None, Some(signal)) => Exit::Signal(signal),
            (None, None) => Exit::Code(-1),
        }
    }
}

/// A descriptor that becomes readable when the process has ended.
#[expect(
    deprecated,
    reason = "its successor is unsafe, for types whose descriptor may change; an owned one never does"
)]
fn watch(pid: Pid) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(pidfd_open(pid, PidfdFlags::NONBLOCK)?, Interest::READABLE)
}

/// Sweeps on a thread of the blocking pool.
async fn sweep_aside(mark: String) {
    let _ = tokio::task::spawn_blocking(move || sweep::sweep(&mark)).await;
}
