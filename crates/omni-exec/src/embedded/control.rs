//! The control thread of the embedded interpreter: it ends calls, and its answers show that the interpreter lock is
//! free.

use std::collections::HashMap;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use omni_libpython::{Host, Interpreter, PAGE_SLOTS, Received, Startup, start};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::{Notify, oneshot, watch};

use omni_call::Answer;
use omni_process::UnattributedOutput;

use super::inbox::Inbox;
use super::py_thread::{bodies, payload};
use crate::ExecConfig;
use crate::wire;

/// What Python said when it was told to stop a call.
#[derive(Debug, Deserialize)]
pub(super) struct StopReply {
    id: u64,
    /// Where it was, in the notation of `faulthandler`.
    pub(super) stack: String,
    /// It blocks its thread: nothing else can run there until it ends.
    pub(super) inside: bool,
}

/// What the control thread says.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum ControlMessage {
    Ready {},
    Stopped(StopReply),
    Drained {},
}

type StartResult = Result<Interpreter, String>;

/// The server's side of the control thread.
pub(super) struct Control {
    inbox: Inbox,
    page: [AtomicU64; PAGE_SLOTS],
    next: AtomicU64,
    asked: Mutex<HashMap<u64, oneshot::Sender<StopReply>>>,
    /// Whether the control thread has not answered, because a call holds the interpreter lock.
    wedged: watch::Sender<bool>,
    ready: Mutex<Option<oneshot::Sender<StartResult>>>,
    python: Mutex<Option<Interpreter>>,
    drained: Notify,
    /// What is printed on that thread, which belongs to no call.
    aside: Mutex<UnattributedOutput>,
}

impl Control {
    /// Starts the interpreter in a thread of its own. The receiver resolves when it is ready, or could not be started.
    pub(super) fn start(
        startup: Startup,
        config: &ExecConfig,
        environment: Map<String, Value>,
    ) -> std::io::Result<(Arc<Self>, oneshot::Receiver<StartResult>)> {
        let (ready, started) = oneshot::channel();
        let control = Arc::new(Control {
            inbox: Inbox::blocking(),
            page: Default::default(),
            next: AtomicU64::new(0),
            asked: Mutex::default(),
            wedged: watch::Sender::new(false),
            ready: Mutex::new(Some(ready)),
            python: Mutex::default(),
            drained: Notify::new(),
            aside: Mutex::new(UnattributedOutput::new(config.log_output)),
        });
        let hello =
            json!({"hello": {"root": config.process.root.to_string_lossy(), "environment": environment}});
        control.inbox.put(hello.to_string().into());
        let own = Arc::clone(&control);
        std::thread::Builder::new().name("omni-python-0".into()).spawn(move || own.run(&startup))?;
        Ok((control, started))
    }

    fn run(self: Arc<Self>, startup: &Startup) {
        let python = match start(startup) {
            Ok(python) => python,
            Err(error) => return self.started(Err(error.to_string())),
        };
        *self.python.lock().unwrap_or_else(PoisonError::into_inner) = Some(python);
        let host: Arc<dyn Host> = self.clone();
        let ended = python.serve("control", host);
        let reason = ended.err().unwrap_or_else(|| "its control thread was let go".to_owned());
        self.inbox.close();
        self.wedged.send_replace(true);
        self.started(Err(reason));
    }

    fn started(&self, started: StartResult) {
        if let Some(ready) = self.ready.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = ready.send(started);
        }
    }

    /// Tells Python to end a call on the thread `thread`. `None` when Python has not answered within `patience`: some
    /// call holds the interpreter lock, and the interpreter counts as wedged until the control thread answers.
    pub(super) async fn stop(&self, thread: u64, call: u64, patience: Duration) -> Option<StopReply> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (reply, answer) = oneshot::channel();
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).insert(id, reply);
        let order = json!({"stop": {"id": id, "thread": thread, "call": call}});
        if self.inbox.put(order.to_string().into())
            && let Ok(Ok(stopped)) = tokio::time::timeout(patience, answer).await
        {
            return Some(stopped);
        }
        if !self.wedged.send_replace(true) {
            tracing::warn!(
                "a call holds the lock of the embedded interpreter and does not give it back; until it does, calls \
                 for `embedded` go to the pool"
            );
        }
        None
    }

    /// Hands the answer to a question of the call `call` to Python. It goes to the control thread because the call's
    /// own thread waits for it inside the tool and reads no frames.
    pub(super) fn answer(&self, call: u64, number: u64, answer: &Answer) {
        let mut frame = Vec::new();
        wire::push_answer(&mut frame, call, number, answer);
        self.inbox.put(payload(frame));
    }

    /// Whether the interpreter is wedged: a call holds the interpreter lock and does not give it back.
    pub(super) fn wedged(&self) -> watch::Receiver<bool> {
        self.wedged.subscribe()
    }

    /// Runs what skills registered with `atexit`, for `grace` at most, and ends the thread.
    pub(super) async fn run_exit_handlers(&self, grace: Duration) {
        let drained = self.drained.notified();
        if self.inbox.put(br#"{"drain":{}}"#.to_vec()) {
            let _ = tokio::time::timeout(grace, drained).await;
        }
        self.inbox.close();
    }
}

impl Host for Control {
    fn key(&self) -> u64 {
        0
    }

    fn page(&self) -> &[AtomicU64; PAGE_SLOTS] {
        &self.page
    }

    fn wake(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn receive(&self, wait: bool) -> Received {
        self.inbox.take(wait)
    }

    fn send(&self, frames: &[u8]) {
        for body in bodies(frames) {
            match serde_json::from_slice(body) {
                Ok(ControlMessage::Ready {}) => {
                    let python = *self.python.lock().unwrap_or_else(PoisonError::into_inner);
                    self.started(python.ok_or_else(|| "it was ready before it was started".to_owned()));
                }
                Ok(ControlMessage::Stopped(stopped)) => {
                    if self.wedged.send_replace(false) {
                        tracing::warn!("the embedded interpreter turns again");
                    }
                    let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner).remove(&stopped.id);
                    if let Some(reply) = asked {
                        let _ = reply.send(stopped);
                    }
                }
                Ok(ControlMessage::Drained {}) => self.drained.notify_one(),
                Err(_) => {}
            }
        }
    }

    fn print(&self, _id: u64, stream: i32, bytes: &[u8]) {
        self.aside.lock().unwrap_or_else(PoisonError::into_inner).take(stream == 2, bytes);
    }
}
