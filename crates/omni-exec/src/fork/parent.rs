//! The process that forks others: how it is started, what it is asked, and how it is replaced when it has ended.

use std::collections::{HashMap, HashSet};
use std::future::poll_fn;
use std::io::{self, IoSlice, PipeReader, PipeWriter, pipe};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as StdStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Instant;

use omni_call::PythonTarget;
use omni_process::{
    AdoptedExit, AdoptedProcess, ExitStatus, Isolation, Output, Process, StartError, StartedProcess,
};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::process::Signal;
use serde::Deserialize;
use serde_json::json;
use tokio::net::UnixStream;
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use crate::channel::Channel;
use crate::executor_processes::ExecutorProcesses;
use crate::failures::Failures;
use crate::start_failure::StartFailure;
use crate::wire::{self, WorkerMode};
use crate::worker::{FORK_PARENT, Worker};

/// The fork parents of an executor: the present one, if there is any, and what to remember for the next.
pub(super) struct ForkParents {
    processes: Arc<ExecutorProcesses>,
    state: Mutex<ParentsState>,
    /// Held while one is started.
    opening: tokio::sync::Mutex<()>,
    /// How the last parent said that forked processes are kept apart.
    borders: watch::Sender<Option<ForkBorders>>,
}

#[derive(Default)]
struct ParentsState {
    current: Option<Arc<ForkParent>>,
    failures: Failures,
    /// Files that no parent is to import. Each call imports them by itself.
    excluded: HashSet<PathBuf>,
}

/// The next parent's number; 0 stands for none.
static NEXT_PARENT: AtomicU64 = AtomicU64::new(1);

/// One fork parent.
pub(super) struct ForkParent {
    socket: UnixStream,
    /// Held while a frame is sent.
    sending: tokio::sync::Mutex<()>,
    process: Process,
    next: AtomicU64,
    pending: Mutex<PendingReplies>,
    gone: AtomicBool,
    /// How many processes that it has forked are alive.
    live_children: AtomicUsize,
    /// It forks no more, and is ended when the processes that it has forked have ended.
    retired: AtomicBool,
    /// The upper half is the parent's own number, the lower half how many files it has imported: a process that was
    /// forked earlier lacks the later imports.
    pub(super) generation: AtomicU64,
}

/// Requests that the parent has not answered yet, by number.
#[derive(Default)]
struct PendingReplies {
    forks: HashMap<u64, oneshot::Sender<Result<i32, String>>>,
    ends: HashMap<u64, oneshot::Sender<AdoptedExit>>,
    preloads: HashMap<u64, PathBuf>,
    /// The files that it was told to import.
    known: HashSet<PathBuf>,
}

/// A frame of a fork parent.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ParentMessage {
    Ready {},
    Borders(ForkBorders),
    Forked {
        id: u64,
        pid: i32,
    },
    Failed {
        id: u64,
        message: String,
    },
    Exited {
        id: u64,
        code: Option<i32>,
        signal: Option<i32>,
        #[serde(default)]
        left: bool,
    },
    Preloaded {
        id: u64,
    },
    Unsafe {
        id: u64,
        reason: String,
    },
}

/// How the processes that one parent forks are kept apart.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ForkBorders {
    /// Why they have no process-id namespaces of their own; `None` when they have.
    pub reason: Option<String>,
    /// Without special rights, none of them can read or trace another's memory (`PR_SET_DUMPABLE`).
    pub hides: bool,
}

impl Default for ForkBorders {
    fn default() -> Self {
        ForkBorders { reason: Some("the fork parent does not say".to_owned()), hides: false }
    }
}

/// Why a parent did not fork.
enum ForkError {
    /// It has ended. Another parent may fork instead.
    Gone,
    Start(StartError),
}

impl ForkParents {
    pub(super) fn new(processes: Arc<ExecutorProcesses>) -> Arc<Self> {
        Arc::new(ForkParents {
            processes,
            state: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
            borders: watch::Sender::new(None),
        })
    }

    fn lock(&self) -> MutexGuard<'_, ParentsState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The generation of the present parent; 0 when there is none.
    pub(super) fn generation(&self) -> u64 {
        self.lock().current.as_ref().map_or(0, |parent| parent.generation.load(Ordering::Relaxed))
    }

    /// Has a process forked that speaks the worker protocol. With `rehearse` it first runs a call that does nothing,
    /// which warms it up. Also returns its [`generation`](Self::generation), which may be too low by imports that end
    /// meanwhile.
    ///
    /// Dropping the future leaves a process behind that exits by itself.
    pub(super) async fn fork(self: &Arc<Self>, rehearse: bool) -> Result<(Worker, u64), StartFailure> {
        let mut again = true;
        loop {
            let parent = self.parent().await.map_err(|failure| (*failure).clone())?;
            let generation = parent.generation.load(Ordering::Relaxed);
            match parent.fork(&self.processes, rehearse).await {
                Ok(started) => {
                    let worker = Worker::assemble(started, self.processes.config(), WorkerMode::Sync);
                    return worker.map(|worker| (worker, generation)).map_err(StartFailure::from);
                }
                // It was renewed between the two, and has not died.
                Err(ForkError::Gone) if parent.retired.load(Ordering::Relaxed) => {}
                Err(ForkError::Gone) if again => {
                    // Its exit may not have been seen yet. Marked here, so that no other call tries to use it.
                    parent.gone.store(true, Ordering::Relaxed);
                    parent.process.signal(Signal::KILL);
                    again = false;
                }
                Err(ForkError::Gone) => {
                    return Err(StartFailure {
                        message: "the fork parent died twice in a row".to_owned(),
                        hint: "the log says how; `executor: spawn` needs none".to_owned(),
                        stderr: None,
                        closing: self.processes.closing(),
                    });
                }
                Err(ForkError::Start(error)) => return Err(error.into()),
            }
        }
    }

    /// Has later processes forked by a new parent, which has imported nothing yet.
    pub(super) fn renew(&self) {
        let old = {
            let mut state = self.lock();
            // The files may have changed.
            state.excluded.clear();
            state.current.take()
        };
        if let Some(old) = old {
            old.retired.store(true, Ordering::Relaxed);
            old.end_when_alone();
        }
    }

    /// Whether the parent has imported files beneath a skill's folder, or was told to.
    pub(super) fn has_imported(&self, folder: &Path) -> bool {
        let parent = self.lock().current.clone();
        parent.is_some_and(|parent| parent.lock().known.iter().any(|file| file.starts_with(folder)))
    }

    /// Has the parent import the file of a tool, of which a call has shown that it can be imported.
    pub(super) fn preload(&self, skill: &str, python: &PythonTarget) {
        let file = python.dir.join(&python.file);
        let state = self.lock();
        if state.excluded.contains(&file) {
            return;
        }
        let Some(parent) = state.current.clone() else { return };
        drop(state);
        if !parent.lock().known.insert(file.clone()) {
            return;
        }
        let id = parent.number();
        parent.lock().preloads.insert(id, file);
        let mut body = json!({"preload": {
            "id": id, "skill": skill, "dir": python.dir.to_string_lossy(), "file": python.file,
            "async": python.is_async,
        }});
        if let Some(digest) = &python.digest {
            body["preload"]["digest"] = digest.as_str().into();
        }
        tokio::spawn(async move { parent.send(&body.to_string(), &[]).await });
    }

    /// The present parent, or a new one.
    async fn parent(self: &Arc<Self>) -> Result<Arc<ForkParent>, Arc<StartFailure>> {
        let current = |parents: &Self| {
            parents.lock().current.clone().filter(|parent| !parent.gone.load(Ordering::Relaxed))
        };
        if let Some(parent) = current(self) {
            return Ok(parent);
        }
        // In a task of its own: other calls may wait for this start, and must not lose it when this call is cancelled.
        let this = Arc::clone(self);
        let started = tokio::spawn(async move {
            let _turn = this.opening.lock().await;
            if let Some(parent) = current(&this) {
                return Ok(parent);
            }
            if let Some(failure) = this.lock().failures.forbids(Instant::now()) {
                return Err(Arc::clone(failure));
            }
            match this.open().await {
                Ok(parent) => {
                    let mut state = this.lock();
                    state.failures = Failures::default();
                    state.current = Some(Arc::clone(&parent));
                    Ok(parent)
                }
                Err(failure) => Err(this.lock().failures.add(failure)),
            }
        });
        started.await.unwrap_or_else(|error| {
            Err(Arc::new(StartFailure {
                message: format!("starting the fork parent failed: {error}"),
                hint: "start the server again".to_owned(),
                stderr: None,
                closing: true,
            }))
        })
    }

    /// Starts a parent and waits until it is ready.
    async fn open(self: &Arc<Self>) -> Result<Arc<ForkParent>, StartFailure> {
        let system = |what| move |source: io::Error| StartError::System { what, source };
        let started = Worker::start_module(&self.processes, FORK_PARENT, WorkerMode::Sync, Box::new(()));
        let Worker { channel, output, process, .. } = started.await?;
        let speaking = channel.as_fd().try_clone_to_owned().map_err(system("sharing a socket"))?;
        let socket = UnixStream::from_std(speaking.into()).map_err(system("watching a socket"))?;
        let parent = Arc::new(ForkParent {
            socket,
            sending: tokio::sync::Mutex::default(),
            process,
            next: AtomicU64::new(0),
            pending: Mutex::default(),
            gone: AtomicBool::new(false),
            live_children: AtomicUsize::new(0),
            retired: AtomicBool::new(false),
            generation: AtomicU64::new(NEXT_PARENT.fetch_add(1, Ordering::Relaxed) << 32),
        });
        tokio::spawn(serve(Arc::clone(self), Arc::clone(&parent), channel, output));
        Ok(parent)
    }

    /// How the processes that are forked here are kept apart. Starts a parent, if there is none.
    pub(super) async fn borders(self: &Arc<Self>) -> Result<ForkBorders, Arc<StartFailure>> {
        let mut known = self.borders.subscribe();
        self.parent().await?;
        let patience = self.processes.config().ready_timeout;
        match timeout(patience, known.wait_for(Option::is_some)).await {
            Ok(Ok(borders)) => Ok((*borders).clone().unwrap_or_default()),
            Ok(Err(_)) | Err(_) => Ok(ForkBorders::default()),
        }
    }

    fn note_borders(&self, borders: ForkBorders) {
        let before = self.borders.send_replace(Some(borders.clone()));
        // Where namespaces are switched off, or no process gets one, `isolation.rs` says so.
        let wanted = self.processes.config().process.isolation == Isolation::Auto;
        if let Some(reason) = &borders.reason
            && (wanted || !borders.hides)
            && before.as_ref() != Some(&borders)
        {
            tracing::warn!(
                reason,
                hidden = borders.hides,
                "forked calls run beside each other without namespaces of their own; `omni doctor` says what that means"
            );
        }
    }

    fn report_exit(&self, parent: &Arc<ForkParent>, exit: ExitStatus) {
        self.forget(parent);
        if !self.processes.closing() && !parent.retired.load(Ordering::Relaxed) {
            tracing::info!("the fork parent has ended {exit}; the next call starts another one");
        }
    }

    /// Forgets a parent that has ended: whoever waits for an answer gets none, and the file that it was importing is
    /// not imported by another parent.
    fn forget(&self, parent: &Arc<ForkParent>) {
        parent.gone.store(true, Ordering::Relaxed);
        let mut pending = std::mem::take(&mut *parent.lock());
        let mut state = self.lock();
        if state.current.as_ref().is_some_and(|current| Arc::ptr_eq(current, parent)) {
            state.current = None;
        }
        let retired = parent.retired.load(Ordering::Relaxed);
        for (_, file) in pending.preloads.drain().filter(|_| !retired) {
            tracing::warn!(
                file = %file.display(),
                "the fork parent died while it imported this file: from now on each call imports it by itself"
            );
            state.excluded.insert(file);
        }
    }
}

/// Reads what a parent sends and prints until it ends.
async fn serve(parents: Arc<ForkParents>, parent: Arc<ForkParent>, mut channel: Channel, mut output: Output) {
    let mut closed = false;
    let exit = poll_fn(|cx| {
        output.poll_unattributed(cx);
        while !closed && let Poll::Ready(frame) = channel.poll_frame(cx) {
            let Ok(length) = frame else {
                // The process itself may live on, as long as processes that it forked share a namespace with it.
                closed = true;
                parents.forget(&parent);
                parent.end_what_is_left();
                break;
            };
            match serde_json::from_slice(channel.body(length).bytes()) {
                Ok(message) => parents.receive(&parent, message),
                Err(error) => {
                    tracing::warn!(%error, "the fork parent said something that is no word of its own")
                }
            }
            channel.consume(length);
        }
        parent.process.poll_exit(cx)
    })
    .await;
    parents.report_exit(&parent, exit);
}

impl ForkParents {
    fn receive(&self, parent: &ForkParent, message: ParentMessage) {
        let mut pending = parent.lock();
        match message {
            ParentMessage::Ready {} => {}
            ParentMessage::Borders(borders) => self.note_borders(borders),
            ParentMessage::Forked { id, pid } => {
                if let Some(fork) = pending.forks.remove(&id) {
                    let _ = fork.send(Ok(pid));
                }
            }
            ParentMessage::Failed { id, message } => {
                pending.ends.remove(&id);
                if let Some(fork) = pending.forks.remove(&id) {
                    let _ = fork.send(Err(message));
                }
            }
            ParentMessage::Exited { id, code, signal, left } => {
                let exit = match (code, signal) {
                    (Some(code), _) => ExitStatus::Code(code),
                    (None, Some(signal)) => ExitStatus::Signal(signal),
                    (None, None) => ExitStatus::Unknown,
                };
                if let Some(end) = pending.ends.remove(&id) {
                    let _ = end.send(AdoptedExit { exit, left });
                }
            }
            ParentMessage::Preloaded { id } => {
                pending.preloads.remove(&id);
                parent.generation.fetch_add(1, Ordering::Relaxed);
            }
            ParentMessage::Unsafe { id, reason } => {
                let Some(file) = pending.preloads.remove(&id) else { return };
                drop(pending);
                tracing::warn!(
                    file = %file.display(), reason,
                    "this file cannot be imported ahead of its calls: from now on each call imports it by itself"
                );
                self.lock().excluded.insert(file);
            }
        }
    }
}

impl ForkParent {
    fn lock(&self) -> MutexGuard<'_, PendingReplies> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    async fn fork(
        self: &Arc<Self>,
        processes: &Arc<ExecutorProcesses>,
        rehearse: bool,
    ) -> Result<StartedProcess, ForkError> {
        let failed = |what| move |source: io::Error| ForkError::Start(StartError::System { what, source });
        if processes.closing() {
            return Err(ForkError::Start(StartError::Closing));
        }
        let (control, theirs) = StdStream::pair().map_err(failed("making a socket pair"))?;
        control.set_nonblocking(true).map_err(failed("setting up a socket"))?;
        let (stdout, their_stdout): (PipeReader, PipeWriter) = pipe().map_err(failed("making a pipe"))?;
        let (stderr, their_stderr) = pipe().map_err(failed("making a pipe"))?;
        let (serial, mark) = processes.next_mark();
        let id = self.number();
        let (forked, pid) = oneshot::channel();
        let (tell_end, ended) = oneshot::channel();
        {
            let mut pending = self.lock();
            pending.forks.insert(id, forked);
            pending.ends.insert(id, tell_end);
        }
        let request = json!({"fork": {"id": id, "mark": mark, "rehearse": rehearse}}).to_string();
        let theirs: [OwnedFd; 3] = [theirs.into(), their_stdout.into(), their_stderr.into()];
        if !self.send(&request, &theirs).await {
            return Err(ForkError::Gone);
        }
        drop(theirs);
        // Killed when it does not answer: it may hang in an import, or have been stopped.
        let patience = processes.config().ready_timeout;
        let pid = match timeout(patience, pid).await {
            Ok(Ok(Ok(number))) => self.process.child(number),
            Ok(Ok(Err(message))) => return Err(failed("forking")(io::Error::other(message))),
            Ok(Err(_)) => return Err(ForkError::Gone),
            Err(_) => {
                self.process.signal(Signal::KILL);
                return Err(ForkError::Gone);
            }
        };
        let pid = pid.ok_or(ForkError::Gone)?;
        let this = Arc::clone(self);
        let forked = LiveChild::new(self);
        let reap = Box::new(move || {
            this.reap(id);
            drop(forked);
        });
        let adopted = AdoptedProcess { pid, ended, reap };
        let temp = processes.make_temp();
        let process = processes.adopt_forked((serial, mark), adopted, temp).map_err(ForkError::Start)?;
        Ok(StartedProcess { process, control, stdout: stdout.into(), stderr: stderr.into() })
    }

    /// Kills what is left in the namespace of a parent that has ended, once the processes that it forked for us have
    /// ended.
    fn end_what_is_left(&self) {
        if self.gone.load(Ordering::Relaxed) && self.live_children.load(Ordering::Relaxed) == 0 {
            self.process.kill();
        }
    }

    /// Has the parent reap a process of which it has said how it ended.
    fn reap(self: &Arc<Self>, id: u64) {
        self.lock().ends.remove(&id);
        let this = Arc::clone(self);
        tokio::spawn(async move {
            this.send(&json!({"reap": {"id": id}}).to_string(), &[]).await;
            this.end_when_alone();
        });
    }

    /// Ends a retired parent once the processes that it has forked have ended. Only their parent can say how they end.
    fn end_when_alone(&self) {
        if self.retired.load(Ordering::Relaxed) && self.lock().ends.is_empty() {
            self.process.signal(Signal::TERM);
        }
    }

    /// Sends a frame and descriptors with it. False when the parent takes no more.
    async fn send(&self, body: &str, descriptors: &[OwnedFd]) -> bool {
        let _turn = self.sending.lock().await;
        let mut frame = Vec::new();
        wire::push_body(&mut frame, body.as_bytes());
        let descriptors: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
        let mut sent = 0;
        while sent < frame.len() {
            if self.gone.load(Ordering::Relaxed) || self.socket.writable().await.is_err() {
                return false;
            }
            let taken = self.socket.try_io(tokio::io::Interest::WRITABLE, || {
                let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
                let mut ancillary = SendAncillaryBuffer::new(&mut space);
                if sent == 0 && !descriptors.is_empty() {
                    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
                }
                let rest = [IoSlice::new(frame.get(sent..).unwrap_or_default())];
                Ok(sendmsg(&self.socket, &rest, &mut ancillary, SendFlags::NOSIGNAL)?)
            });
            match taken {
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return false,
            }
        }
        true
    }
}

/// Counts a process that a parent has forked while it lives.
struct LiveChild(Arc<ForkParent>);

impl LiveChild {
    fn new(parent: &Arc<ForkParent>) -> Self {
        parent.live_children.fetch_add(1, Ordering::Relaxed);
        LiveChild(Arc::clone(parent))
    }
}

impl Drop for LiveChild {
    fn drop(&mut self) {
        self.0.live_children.fetch_sub(1, Ordering::Relaxed);
        self.0.end_what_is_left();
    }
}
