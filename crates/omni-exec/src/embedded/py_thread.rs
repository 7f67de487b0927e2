//! One thread of Python that runs calls: the frames and the output that it writes for each of them.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::BorrowedFd;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use omni_call::Call;
use omni_libpython::{Host, Interpreter, PAGE_SLOTS, Received};
use omni_process::{OutputListener, PrintedOutput, UnattributedOutput};
use tokio::task::{JoinHandle, spawn_blocking};

use super::inbox::Inbox;
use crate::ExecConfig;
use crate::attempt::{AttemptResult, CallContext, FinalMessage, FrameReader};
use crate::bounds::DECODE_INLINE_BYTES_MAX;
use crate::channel::FrameBody;
use crate::wire::{self, AttemptInfo, DispatchInfo, ServerHello, WireError, WorkerMessage, WorkerMode};

/// The stack of a thread. As large as that of Python's own main thread, since older versions recurse on it.
const STACK_BYTES: usize = 8 << 20;

/// Frames and pieces of output of one call at most that wait until its caller takes them. More are dropped, since
/// Python must never wait for a caller.
const OUTPUT_ITEMS_MAX: usize = 1024;

/// A thread of Python as the server sees it.
pub(super) struct PyThread {
    key: u64,
    page: [AtomicU64; PAGE_SLOTS],
    inbox: Inbox,
    state: Mutex<PyThreadState>,
    /// What is printed on that thread and belongs to no call.
    aside: Mutex<UnattributedOutput>,
}

#[derive(Default)]
struct PyThreadState {
    calls: HashMap<u64, CallBuffer>,
    /// Why the thread has ended; `None` while it runs.
    gone: Option<String>,
}

/// What one call has sent and printed, and its caller has not taken yet.
#[derive(Default)]
struct CallBuffer {
    outputs: VecDeque<OutputItem>,
    ended: bool,
    /// How many bytes of its output were dropped.
    left_out: u64,
    waker: Option<Waker>,
}

enum OutputItem {
    Frame(Bytes),
    /// A large frame, which is decoded on another thread.
    Decoding(Bytes, JoinHandle<Result<WorkerMessage<'static>, WireError>>),
    Printed {
        on_stderr: bool,
        bytes: Bytes,
    },
    Gone(String),
    /// The call has not begun and never will.
    Skipped,
}

/// The next thread's key.
static NEXT_KEY: AtomicU64 = AtomicU64::new(1);

impl PyThread {
    /// Starts a thread for calls of this mode. It ends when it is [closed](Self::close).
    pub(super) fn start(python: Interpreter, config: &ExecConfig, mode: WorkerMode) -> io::Result<Arc<Self>> {
        let (entry, inbox) = match mode {
            WorkerMode::Sync => ("serve_sync", Inbox::blocking()),
            WorkerMode::Async => ("serve_async", Inbox::with_eventfd()?),
        };
        let thread = Arc::new(PyThread {
            key: NEXT_KEY.fetch_add(1, Ordering::Relaxed),
            page: Default::default(),
            inbox,
            state: Mutex::default(),
            aside: Mutex::new(UnattributedOutput::new(config.log_output)),
        });
        let mut hello = Vec::new();
        let introduction = ServerHello {
            proto: wire::PROTO,
            mode,
            page: true,
            key: None,
            root: &config.process.root.to_string_lossy(),
            settings: &config.settings,
            protected: &config.protected,
            frame_bytes_max: config.frame_bytes_max,
            result_bytes_max: config.result_bytes_max,
            // Temporary files are not removed after a call here, since other calls run in the same process.
            temp: None,
            temp_stays: true,
            stateful: config.stateful,
        };
        wire::push_hello(&mut hello, &introduction).map_err(io::Error::other)?;
        thread.inbox.put(payload(hello));
        let own = Arc::clone(&thread);
        std::thread::Builder::new().name("omni-python".into()).stack_size(STACK_BYTES).spawn(move || {
            let host: Arc<dyn Host> = own.clone();
            let ended = python.serve(entry, host);
            own.leave(&ended.err().unwrap_or_else(|| "it was let go".to_owned()));
        })?;
        Ok(thread)
    }

    pub(super) fn key(&self) -> u64 {
        self.key
    }

    /// Whether it takes calls.
    pub(super) fn usable(&self) -> bool {
        !self.inbox.closed()
    }

    /// Has the thread end after the calls that it has.
    pub(super) fn close(&self) {
        self.inbox.close();
    }

    /// Hands a call to the thread. False when the thread takes no more.
    pub(super) fn begin(&self, call: &Call, id: u64) -> bool {
        let mut frame = Vec::with_capacity(call.arguments().len() + call.spec.worker_target().len() + 256);
        wire::push_call(
            &mut frame,
            call,
            DispatchInfo { id, info: AttemptInfo::of(call, 1), now: Instant::now() },
        );
        let mut state = self.lock();
        if state.gone.is_some() {
            return false;
        }
        state.calls.insert(id, CallBuffer::default());
        drop(state);
        let taken = self.inbox.put(payload(frame));
        if !taken {
            self.forget(id);
        }
        taken
    }

    /// Whether a line of the call's own code has run.
    pub(super) fn has_started(&self, id: u64) -> bool {
        self.page[0].load(Ordering::Acquire) >= id
    }

    /// Revokes this call and all before it, on a thread that runs one call at a time.
    pub(super) fn revoke(&self, id: u64) {
        self.page[1].store(id + 1, Ordering::Release);
    }

    /// Drops what the call has written, and what it writes from now on.
    pub(super) fn forget(&self, id: u64) {
        self.lock().calls.remove(&id);
    }

    /// Ready when the call has ended.
    pub(super) fn poll_ended(&self, cx: &Context<'_>, id: u64) -> Poll<()> {
        let mut state = self.lock();
        match state.calls.get_mut(&id) {
            Some(hearing) if !hearing.ended => {
                hearing.waker = Some(cx.waker().clone());
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    }

    /// Acts on everything that the call has written. Ready with its result when it has ended.
    pub(super) fn poll_call(
        &self,
        cx: &mut Context<'_>,
        id: u64,
        reader: &FrameReader,
        printed: &mut PrintedOutput,
        hearing: &mut CallContext<'_>,
    ) -> Poll<AttemptResult> {
        let (mut outputs, left_out) = {
            let mut state = self.lock();
            let Some(call) = state.calls.get_mut(&id) else {
                return Poll::Ready(AttemptResult::Broken(WireError::Closed));
            };
            match &mut call.waker {
                Some(waker) => waker.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
            (std::mem::take(&mut call.outputs), std::mem::take(&mut call.left_out))
        };
        printed.leave_out(left_out);
        let level = reader.wants.log;
        while let Some(output) = outputs.pop_front() {
            let end = match aside(output) {
                OutputItem::Printed { on_stderr, bytes } => {
                    hearing.alive(None);
                    printed.take(on_stderr, &bytes, &mut OutputListener { events: hearing.port, level });
                    None
                }
                OutputItem::Skipped => Some(AttemptResult::Skipped),
                OutputItem::Gone(reason) => Some(AttemptResult::Broken(WireError::SharedWorkerEnded(reason))),
                OutputItem::Frame(frame) => {
                    self.take_frame(&frame, wire::decode(&frame), id, reader, hearing)
                }
                OutputItem::Decoding(frame, mut decoding) => match Pin::new(&mut decoding).poll(cx) {
                    Poll::Pending => {
                        outputs.push_front(OutputItem::Decoding(frame, decoding));
                        self.put_back(id, outputs);
                        return Poll::Pending;
                    }
                    Poll::Ready(decoded) => {
                        let message = decoded.unwrap_or_else(|bug| Err(io::Error::other(bug).into()));
                        self.take_frame(&frame, message, id, reader, hearing)
                    }
                },
            };
            if let Some(end) = end {
                printed.end(&mut OutputListener { events: hearing.port, level });
                return Poll::Ready(end);
            }
        }
        Poll::Pending
    }

    fn take_frame(
        &self,
        frame: &Bytes,
        message: Result<WorkerMessage<'_>, WireError>,
        id: u64,
        reader: &FrameReader,
        hearing: &mut CallContext<'_>,
    ) -> Option<AttemptResult> {
        let last = message
            .and_then(|message| reader.read(FrameBody::of(frame), message, || self.has_started(id)))
            // Python takes answers out of its inbox at once, so there is no count of unread ones.
            .and_then(|meaning| hearing.apply(meaning, 0));
        match last {
            Ok(last) => last.map(|FinalMessage { result, .. }| result),
            Err(error) => Some(AttemptResult::Broken(error)),
        }
    }

    /// Has outputs wait that were taken, before those that have come since.
    fn put_back(&self, id: u64, mut outputs: VecDeque<OutputItem>) {
        if let Some(call) = self.lock().calls.get_mut(&id) {
            outputs.append(&mut call.outputs);
            call.outputs = outputs;
        }
    }

    fn hear(&self, id: u64, outputs: OutputItem, last: bool) {
        let mut state = self.lock();
        let Some(hearing) = state.calls.get_mut(&id) else {
            if let (0, OutputItem::Printed { on_stderr, bytes }) = (id, outputs) {
                drop(state);
                self.aside.lock().unwrap_or_else(PoisonError::into_inner).take(on_stderr, &bytes);
            }
            return;
        };
        hearing.ended |= last;
        // A question is never dropped: the call waits for the answer, and only so many may be open.
        let asks = matches!(&outputs, OutputItem::Frame(frame) if frame.starts_with(br#"{"ask""#));
        if last || asks || hearing.outputs.len() < OUTPUT_ITEMS_MAX {
            hearing.outputs.push_back(outputs);
        } else if let OutputItem::Printed { bytes, .. } = outputs {
            hearing.left_out += bytes.len() as u64;
        }
        let waker = hearing.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Gives up a thread that the call `blocker` blocks. Its other calls end: those that have not begun as skipped, the
    /// others as lost.
    pub(super) fn abandon(&self, blocker: u64) {
        self.inbox.close();
        self.page[1].store(u64::MAX, Ordering::SeqCst);
        let started = self.page[0].load(Ordering::SeqCst);
        let others: Vec<u64> = self.lock().calls.keys().copied().filter(|id| *id != blocker).collect();
        for id in others {
            let outputs = if id > started {
                OutputItem::Skipped
            } else {
                OutputItem::Gone("another call blocks the event loop that it shared".to_owned())
            };
            self.hear(id, outputs, true);
        }
    }

    /// The thread has left Python.
    fn leave(&self, reason: &str) {
        self.inbox.close();
        let ids: Vec<u64> = {
            let mut state = self.lock();
            state.gone = Some(reason.to_owned());
            state.calls.keys().copied().collect()
        };
        let started = self.page[0].load(Ordering::SeqCst);
        for id in ids {
            // The call may have been handed over while the thread was ending.
            let outputs = if id > started {
                OutputItem::Skipped
            } else {
                OutputItem::Gone(format!("its thread of the interpreter ended: {reason}"))
            };
            self.hear(id, outputs, true);
        }
    }

    fn lock(&self) -> MutexGuard<'_, PyThreadState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Host for PyThread {
    fn key(&self) -> u64 {
        self.key
    }

    fn page(&self) -> &[AtomicU64; PAGE_SLOTS] {
        &self.page
    }

    fn wake(&self) -> Option<BorrowedFd<'_>> {
        self.inbox.wake()
    }

    fn receive(&self, wait: bool) -> Received {
        self.inbox.take(wait)
    }

    fn send(&self, frames: &[u8]) {
        for body in bodies(frames) {
            if let Some(id) = call_of(body) {
                self.hear(id, OutputItem::Frame(Bytes::copy_from_slice(body)), ends_call(body));
            }
        }
    }

    fn print(&self, id: u64, stream: i32, bytes: &[u8]) {
        let outputs = OutputItem::Printed { on_stderr: stream == 2, bytes: Bytes::copy_from_slice(bytes) };
        self.hear(id, outputs, false);
    }
}

/// Has a large frame decoded on another thread: every other call would wait for it here.
fn aside(output: OutputItem) -> OutputItem {
    match output {
        OutputItem::Frame(frame) if frame.len() > DECODE_INLINE_BYTES_MAX => {
            let body = frame.clone();
            OutputItem::Decoding(frame, spawn_blocking(move || wire::decode_large(&body)))
        }
        output => output,
    }
}

/// The body of a frame, without the length before it.
pub(super) fn payload(mut frame: Vec<u8>) -> Vec<u8> {
    frame.drain(..wire::header_length());
    frame
}

/// The bodies of the frames that `frames` is made of.
pub(super) fn bodies(mut frames: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let length = wire::body_length(frames, usize::MAX).ok()??;
        let (body, rest) = frames.get(wire::header_length()..)?.split_at_checked(length)?;
        frames = rest;
        Some(body)
    })
}

/// The call that a frame names. Read without parsing the frame, since Python waits meanwhile; `id` always comes first.
fn call_of(body: &[u8]) -> Option<u64> {
    const ID: &[u8] = br#":{"id":"#;
    let head = body.get(..32.min(body.len()))?;
    let at = head.windows(ID.len()).position(|window| window == ID)? + ID.len();
    let digits = body.get(at..)?;
    let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(&digits[..end]).ok()?.parse().ok()
}

/// Whether this is the last frame of its call.
fn ends_call(body: &[u8]) -> bool {
    [&br#"{"result""#[..], br#"{"error""#, br#"{"skipped""#].iter().any(|start| body.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_that_come_together_are_taken_apart() {
        let mut frames = Vec::new();
        wire::push_body(&mut frames, br#"{"result":{"id":7,"content":[]}}"#);
        wire::push_body(&mut frames, br#"{"log":{"id":12,"level":"info"}}"#);
        let found: Vec<_> = bodies(&frames).map(|body| (call_of(body), ends_call(body))).collect();
        assert_eq!(found, [(Some(7), true), (Some(12), false)]);
    }

    #[test]
    fn a_frame_that_is_about_no_call_is_nobodys() {
        for body in [&b"{}"[..], b"", br#"{"ready":{"proto":1}}"#, br#"{"log":{"id":"#] {
            assert_eq!(call_of(body), None);
        }
    }
}
