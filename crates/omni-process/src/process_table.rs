//! All children of one executor: starts them, reaps them, and knows when none is left.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use thiserror::Error;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

use crate::environment::{self, MARK};
use crate::launch::{ADOPT, ISOLATE, ISOLATE_ALL, NO_NEW_PRIVILEGES, RUN, limit_arguments};
use crate::process::{ExitStatus, Process, ProcessRecord};
use crate::temp::TempFolder;
use crate::{Isolation, ProcessConfig, isolation, orphan_reaper, orphans, starter};

/// The variable that names the folder for temporary files.
const TMPDIR: &str = "TMPDIR";

/// What to start that speaks with us: the program, its arguments, and the variables that only this process gets.
#[derive(Debug, Default)]
pub struct WorkerProgram {
    /// Absolute path.
    pub path: PathBuf,
    pub args: Vec<OsString>,
    pub env: Vec<(&'static str, OsString)>,
    /// It forks processes that we adopt, so it has to outlive them: nobody else can reap them.
    pub forks: bool,
}

/// A program of any kind to start.
pub struct PlainProgram {
    /// The program, a path or a name to be looked up, and its arguments.
    pub argv: Vec<OsString>,
    /// Variables for it besides those that every child gets.
    pub env: Vec<(OsString, OsString)>,
    pub cwd: PathBuf,
    pub stdin: OwnedFd,
}

/// A process that has just been started, and our ends of its pipes.
pub struct StartedProcess {
    pub process: Process,
    pub control: UnixStream,
    pub stdout: OwnedFd,
    pub stderr: OwnedFd,
}

/// Why no process could be started.
#[derive(Debug, Error)]
pub enum StartError {
    #[error("there is no program at `{path}`")]
    NoProgram { path: String },
    #[error("the launcher `{path}` cannot be started: {source}")]
    Launcher { path: String, source: io::Error },
    #[error("{what} failed: {source}")]
    System { what: &'static str, source: io::Error },
    #[error("the server is stopping")]
    Closing,
}

impl StartError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            StartError::Launcher { source, .. } | StartError::System { source, .. }
                if [Errno::MFILE, Errno::NFILE]
                    .iter()
                    .any(|full| source.raw_os_error() == Some(full.raw_os_error())) =>
            {
                "more files must be allowed open (`ulimit -n`), or fewer workers be kept (`--workers`)"
            }
            StartError::NoProgram { .. } => "was it moved or removed?",
            StartError::Launcher { .. } => "was omni moved or replaced while it ran? Start it again",
            StartError::System { .. } => "`omni doctor` checks what omni needs of this machine",
            StartError::Closing => "start the server again",
        }
    }
}

/// The children of one executor. Each belongs to a task of its own that waits for its end.
#[derive(Debug)]
pub struct ProcessTable {
    config: ProcessConfig,
    inherited: Vec<(OsString, OsString)>,
    /// Start of the mark that every child of this executor carries.
    mark: String,
    next: AtomicU64,
    living: Mutex<HashMap<u64, Arc<ProcessRecord>>>,
    /// Children that are being started and are not among the living yet.
    pending: AtomicUsize,
    closing: AtomicBool,
    /// The temporary folder of the interpreter inside this process: one for as long as the server lives.
    embedded_temp: OnceLock<Option<Arc<TempFolder>>>,
    /// Told whenever a child is gone.
    gone: Notify,
}

impl ProcessTable {
    pub fn new(config: ProcessConfig) -> Arc<Self> {
        static EXECUTORS: AtomicU64 = AtomicU64::new(0);
        let executor = EXECUTORS.fetch_add(1, Ordering::Relaxed);
        Arc::new(ProcessTable {
            inherited: environment::inherited(&config),
            config,
            mark: format!("{}{executor}.", orphan_reaper::server_mark()),
            next: AtomicU64::new(0),
            living: Mutex::default(),
            pending: AtomicUsize::new(0),
            closing: AtomicBool::new(false),
            embedded_temp: OnceLock::new(),
            gone: Notify::new(),
        })
    }

    pub fn config(&self) -> &ProcessConfig {
        &self.config
    }

    /// Whether [`terminate_all`](Self::terminate_all) has begun.
    pub fn closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    /// Starts a process. `permit` is dropped when it is gone, however it ended. Needs a tokio runtime.
    pub async fn start(
        self: &Arc<Self>,
        program: WorkerProgram,
        permit: Box<dyn Send>,
    ) -> Result<StartedProcess, StartError> {
        if self.closing() {
            return Err(StartError::Closing);
        }
        if !program.path.exists() {
            return Err(StartError::NoProgram { path: program.path.display().to_string() });
        }
        orphan_reaper::ensure(&self.config.launcher).await;
        let system = |what| move |source: io::Error| StartError::System { what, source };
        let (serial, mark) = self.next_mark();
        let (control, theirs) = UnixStream::pair().map_err(system("making a socket pair"))?;
        control.set_nonblocking(true).map_err(system("setting up a socket"))?;
        let forks = program.forks;
        let isolated = self.wants_namespace().await;
        let temp = self.make_temp();
        let mut command = self.command(program, &mark, theirs.into(), isolated);
        command.envs(temp.iter().map(|temp| (TMPDIR, temp.path())));
        let pending = Box::new(PendingStart::new(self));
        let (child, pending) =
            starter::start(command, pending).await.map_err(|source| self.start_error(source))?;
        let record = |pid| ProcessRecord::new(pid, forks, isolated, temp);
        let (process, stdout, stderr) = self.adopt_child(serial, mark, child, record, permit)?;
        drop(pending);
        // Whoever ends all children has signalled those that were there before this one.
        if self.closing() {
            return Err(StartError::Closing);
        }
        Ok(StartedProcess { process, control, stdout, stderr })
    }

    /// Starts a program that knows nothing of us. Returns our ends of its output and error streams with it.
    pub async fn start_plain(
        self: &Arc<Self>,
        program: PlainProgram,
    ) -> Result<(Process, OwnedFd, OwnedFd), StartError> {
        if self.closing() {
            return Err(StartError::Closing);
        }
        orphan_reaper::ensure(&self.config.launcher).await;
        let (serial, mark) = self.next_mark();
        let cwd = program.cwd.clone();
        let isolated = self.wants_namespace().await;
        let temp = self.make_temp();
        let mut command = Command::new(&self.config.launcher);
        command
            .args(["__launch", RUN, &std::process::id().to_string()])
            .args(limit_arguments(&self.config.limits))
            .args(self.no_new_privileges())
            .args(isolated.then_some(ISOLATE))
            .args(program.argv)
            .env_clear()
            .envs(self.inherited.iter().map(|(name, value)| (name, value)))
            .envs(temp.iter().map(|temp| (TMPDIR, temp.path())))
            .envs(program.env)
            .env(MARK, &mark)
            .current_dir(program.cwd)
            .stdin(Stdio::from(program.stdin))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let pending = Box::new(PendingStart::new(self));
        let (child, pending) = starter::start(command, pending).await.map_err(|source| {
            if cwd.is_dir() {
                self.start_error(source)
            } else {
                StartError::System { what: "entering the tool's folder", source }
            }
        })?;
        let record = |pid| ProcessRecord::new(pid, false, isolated, temp);
        let started = self.adopt_child(serial, mark, child, record, Box::new(()))?;
        drop(pending);
        if self.closing() { Err(StartError::Closing) } else { Ok(started) }
    }

    /// The variables for the interpreter inside this very process, so that what it starts has what our other children have; and
    /// is found by the same mark, also when the server is killed.
    pub async fn embedded_environment(&self) -> serde_json::Map<String, serde_json::Value> {
        orphan_reaper::ensure(&self.config.launcher).await;
        let mark = (OsString::from(MARK), OsString::from(self.next_mark().1));
        let text = |text: &OsString| text.to_string_lossy().into_owned();
        let temp = self.embedded_temp.get_or_init(|| self.make_temp());
        let temp = temp.as_ref().map(|temp| (OsString::from(TMPDIR), OsString::from(temp.path())));
        let all = self.inherited.iter().chain([&mark]).chain(&temp);
        all.map(|(name, value)| (text(name), text(value).into())).collect()
    }

    /// Has what calls of the embedded interpreter leave in their temporary folder stay.
    pub fn keep_embedded_temp(&self) {
        if let Some(Some(temp)) = self.embedded_temp.get() {
            temp.keep();
        }
    }

    /// A number for the next process, and the mark that it is to carry. All marks are of one length.
    pub fn next_mark(&self) -> (u64, String) {
        let serial = self.next.fetch_add(1, Ordering::Relaxed);
        (serial, format!("{}{serial:010}.", self.mark))
    }

    /// A temporary folder for the next process; `None` where there can be none.
    pub fn make_temp(&self) -> Option<Arc<TempFolder>> {
        let temp = self.config.temp.make()?;
        orphan_reaper::remove_after_death(temp.server());
        Some(Arc::new(temp))
    }

    /// Takes over a process that another child has forked: it is ended, and what it left behind with it, like one of ours.
    pub fn adopt_forked(
        self: &Arc<Self>,
        (serial, mark): (u64, String),
        adopted: AdoptedProcess,
        temp: Option<Arc<TempFolder>>,
    ) -> Result<Process, StartError> {
        let pid = adopted.pid;
        let Ok(pidfd) = open_pidfd(pid) else {
            let source = io::Error::other("it was gone at once");
            return Err(StartError::System { what: "watching a forked process", source });
        };
        // It shares its parent's namespace, if that has one.
        let record = ProcessRecord::new(pid, false, false, temp);
        let process =
            self.supervise(serial, mark, record, pidfd, ReapedBy::ForkParent(adopted), Box::new(()));
        if self.closing() { Err(StartError::Closing) } else { Ok(process) }
    }

    /// Takes over a child that runs: from here on it is reaped and its group killed, whatever happens.
    fn adopt_child(
        self: &Arc<Self>,
        serial: u64,
        mark: String,
        mut child: Child,
        record: impl FnOnce(Pid) -> ProcessRecord,
        permit: Box<dyn Send>,
    ) -> Result<(Process, OwnedFd, OwnedFd), StartError> {
        let system = |what| move |source: io::Error| StartError::System { what, source };
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let pid = Pid::from_child(&child);
        let pidfd = match open_pidfd(pid) {
            Ok(pidfd) => pidfd,
            Err(source) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(system("watching a process (this needs Linux 5.3)")(source));
            }
        };
        let process = self.supervise(serial, mark, record(pid), pidfd, ReapedBy::Us(child), permit);
        match (stdout, stderr) {
            (Some(stdout), Some(stderr)) => Ok((process, stdout.into(), stderr.into())),
            _ => Err(system("capturing output")(io::Error::other("no pipe"))),
        }
    }

    /// Has a task wait for the process's end.
    fn supervise(
        self: &Arc<Self>,
        serial: u64,
        mark: String,
        record: ProcessRecord,
        pidfd: AsyncFd<OwnedFd>,
        parent: ReapedBy,
        permit: Box<dyn Send>,
    ) -> Process {
        let record = Arc::new(record);
        self.living().insert(serial, Arc::clone(&record));
        let process = Process { record: Arc::clone(&record) };
        let children = Arc::clone(self);
        tokio::spawn(async move {
            children.reap(serial, &mark, parent, pidfd, &record).await;
            drop(permit);
        });
        process
    }

    /// Waits for a child's end, ends what is left of its group, and takes it off the list.
    async fn reap(
        &self,
        serial: u64,
        mark: &str,
        mut parent: ReapedBy,
        pidfd: AsyncFd<OwnedFd>,
        record: &ProcessRecord,
    ) {
        // The kernel's word and nobody else's: a socket can be closed, or held open, by anyone.
        if pidfd.readable().await.is_err() {
            // Only a runtime that is going down cannot say; then nobody will need the child either.
            record.signal(Signal::KILL);
        }
        let told = match &mut parent {
            ReapedBy::Us(_) => None,
            ReapedBy::ForkParent(adopted) => Some(adopted.end().await),
        };
        let (exit, ended_by_us) = {
            let state = record.lock();
            // Until it is reaped below, the dead leader keeps its number, so no other group can have it.
            let _ = kill_process_group(record.pid, Signal::KILL);
            let exit = match parent {
                ReapedBy::Us(mut child) => child.wait().map_or(ExitStatus::Unknown, ExitStatus::from),
                ReapedBy::ForkParent(adopted) => {
                    (adopted.reap)();
                    told.map_or(ExitStatus::Unknown, |end| end.exit)
                }
            };
            (exit, state.ended_by_us)
        };
        // Before anybody hears of the end, so that the files are gone when the caller reads the outcome.
        let temp_gone = remove_temp(record).await;
        let waker = {
            let mut state = record.lock();
            state.exit = Some(exit);
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        let left = told.is_some_and(|end| end.left);
        if (ended_by_us || left || exit != ExitStatus::Code(0)) && !self.closing() {
            kill_orphans_in_background(mark.to_owned()).await;
        }
        if let Some(temp) = record.temp.clone().filter(|_| !temp_gone) {
            // Once more: what had to be killed may have gone on writing.
            let _ = tokio::task::spawn_blocking(move || temp.remove()).await;
        }
        self.living().remove(&serial);
        self.gone.notify_waiters();
    }

    /// Ends every child and what the children left behind: SIGTERM, `grace`, SIGKILL. Returns when all are
    /// reaped; no child can be started afterwards.
    pub async fn terminate_all(&self, grace: Duration) {
        self.closing.store(true, Ordering::Relaxed);
        if self.next.load(Ordering::Relaxed) == 0 {
            return;
        }
        // Those that fork others go last.
        for forks in [false, true] {
            self.signal_all(forks, Signal::TERM);
            self.signal_all(forks, Signal::CONT);
            if timeout(grace, self.wait_gone(forks)).await.is_err() {
                self.signal_all(forks, Signal::KILL);
                self.wait_gone(forks).await;
            }
        }
        kill_orphans_in_background(self.mark.clone()).await;
    }

    /// Waits until all are gone that fork others, or all that do not.
    async fn wait_gone(&self, forks: bool) {
        loop {
            let mut gone = std::pin::pin!(self.gone.notified());
            // Registered before the look, or a child that goes in between is missed.
            gone.as_mut().enable();
            if self.living().values().all(|record| record.forks != forks)
                && self.pending.load(Ordering::Relaxed) == 0
            {
                return;
            }
            gone.await;
        }
    }

    fn signal_all(&self, forks: bool, signal: Signal) {
        for record in self.living().values().filter(|record| record.forks == forks) {
            record.signal_group(signal);
        }
    }

    fn living(&self) -> MutexGuard<'_, HashMap<u64, Arc<ProcessRecord>>> {
        self.living.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether what is started next gets a process-id namespace of its own.
    async fn wants_namespace(&self) -> bool {
        isolation::wanted(self.config.isolation, &self.config.launcher).await
    }

    /// The word that keeps children from gaining rights. Where there are no namespaces too: whether `sudo` works in a
    /// tool is for the setting to say, and not for the kernel at hand.
    fn no_new_privileges(&self) -> Option<&'static str> {
        (self.config.isolation == Isolation::Auto).then_some(NO_NEW_PRIVILEGES)
    }

    fn command(&self, program: WorkerProgram, mark: &str, control: OwnedFd, isolated: bool) -> Command {
        let isolate = if program.forks { ISOLATE_ALL } else { ISOLATE };
        let mut command = Command::new(&self.config.launcher);
        command
            .arg("__launch")
            .arg(std::process::id().to_string())
            .args(limit_arguments(&self.config.limits))
            .args(self.no_new_privileges())
            // A fork parent is the parent of processes that are somebody else's.
            .args((!program.forks).then_some(ADOPT))
            .args(isolated.then_some(isolate))
            .arg(program.path)
            .args(program.args)
            // Read where the environment cannot be: see `orphans`.
            .args(program.forks.then(|| format!("{MARK}={mark}")))
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

/// A process that another child of ours has forked.
pub struct AdoptedProcess {
    pub pid: Pid,
    /// How it ended, from its parent; closed when the parent is gone.
    pub ended: oneshot::Receiver<AdoptedExit>,
    /// Lets the parent reap it. Until then its number is not given to another process.
    pub reap: Box<dyn FnOnce() + Send>,
}

/// What a parent says of a process that it has forked and that has ended.
#[derive(Clone, Copy, Debug)]
pub struct AdoptedExit {
    pub exit: ExitStatus,
    /// Something runs there that has lost its parent, so that what this process left is looked for.
    pub left: bool,
}

/// A parent that has not said for so long how its child ended is not asked any more.
const ADOPTED_EXIT_WAIT: Duration = Duration::from_secs(2);

impl AdoptedProcess {
    async fn end(&mut self) -> AdoptedExit {
        match timeout(ADOPTED_EXIT_WAIT, &mut self.ended).await {
            Ok(Ok(end)) => end,
            Ok(Err(_)) | Err(_) => AdoptedExit { exit: ExitStatus::Unknown, left: false },
        }
    }
}

/// Who reaps a process.
enum ReapedBy {
    Us(Child),
    ForkParent(AdoptedProcess),
}

/// Counts a child from before it exists until it is among the living.
struct PendingStart(Arc<ProcessTable>);

impl PendingStart {
    fn new(children: &Arc<ProcessTable>) -> Self {
        children.pending.fetch_add(1, Ordering::Relaxed);
        PendingStart(Arc::clone(children))
    }
}

impl Drop for PendingStart {
    fn drop(&mut self) {
        self.0.pending.fetch_sub(1, Ordering::Relaxed);
        self.0.gone.notify_waiters();
    }
}

impl From<std::process::ExitStatus> for ExitStatus {
    fn from(status: std::process::ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => ExitStatus::Code(code),
            (None, Some(signal)) => ExitStatus::Signal(signal),
            (None, None) => ExitStatus::Unknown,
        }
    }
}

/// A descriptor that becomes readable when the process has ended.
#[expect(
    deprecated,
    reason = "its successor is unsafe, for types whose descriptor may change; an owned one never does"
)]
fn open_pidfd(pid: Pid) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(pidfd_open(pid, PidfdFlags::NONBLOCK)?, Interest::READABLE)
}

/// How long an outcome may wait for the removal of a large temporary folder, which goes on after that.
const REMOVAL_WAIT: Duration = Duration::from_millis(50);

/// Removes the temporary folder of a process that has ended, and notes what was in it. False when that takes longer.
async fn remove_temp(record: &ProcessRecord) -> bool {
    let Some(temp) = record.temp.clone() else { return true };
    if temp.remove_empty() {
        return true;
    }
    record.lock().left = temp.left();
    let removal = tokio::task::spawn_blocking(move || {
        temp.remove();
        temp.remove_empty()
    });
    timeout(REMOVAL_WAIT, removal).await.is_ok_and(|gone| gone.unwrap_or(false))
}

/// Sweeps on a thread of the blocking pool.
async fn kill_orphans_in_background(mark: String) {
    let _ = tokio::task::spawn_blocking(move || orphans::kill_orphans(&mark)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_finds_no_descriptors_names_their_limit() {
        let hint =
            |errno: Errno| StartError::Launcher { path: "omni".to_owned(), source: errno.into() }.hint();
        assert!(hint(Errno::MFILE).contains("ulimit -n"), "{}", hint(Errno::MFILE));
        assert!(hint(Errno::NOENT).contains("moved"), "{}", hint(Errno::NOENT));
    }
}
