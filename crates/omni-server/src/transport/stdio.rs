//! MCP over a pair of byte streams: one client, one JSON text a line.
//!
//! One task owns everything: it reads lines, drives the requests that are still running and writes what is
//! ready. A tool that runs delays nothing, since only its own future waits for it.

use std::collections::{HashMap, VecDeque};
use std::io::{self, IoSlice};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt};
use omni_protocol::{
    Action, ErrorCode, Frame, Id, Message, Notification, RawRequest, Rejected, Request, Revision, RpcError,
    decode, error_frame, salvage_id,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::{oneshot, watch};

use crate::admission::{Permit, Quantity};
use crate::changes::Told;
use crate::running::{Running, Step};
use crate::server::{Answer, Caller, Server};
use crate::transport::batch::{self, Item};
use crate::transport::lines::{Line, Lines};
use crate::transport::stopped;

/// While more than this many bytes wait for a client that does not read, no further input is read.
const WAITING_BYTES_MAX: usize = 8 << 20;

/// With more than this many bytes waiting, writing comes before collecting: a tool that talks without
/// pause must not keep its own words from going out.
const WRITE_FIRST_BYTES: usize = 256 << 10;

/// Most frames in one write.
const SLICES_MAX: usize = 48;

/// Lines larger than this are decoded on another thread, so that no other work waits for a millisecond.
const DECODE_INLINE_BYTES_MAX: usize = 256 * 1024;

/// Serves one client until its input ends or `stop` turns true.
///
/// Then running calls have the grace period to finish; those that do not are ended with the executor and answered as
/// shut down. Returns when everything that could be written has been. Ends early when the output breaks.
pub async fn serve(
    server: Arc<Server>,
    input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Unpin,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let frame_bytes_max = server.config.limits.frame_bytes_max;
    let caller = Caller {
        // Whoever started us is the only one there is, and has no name.
        share: server.admission.share(None),
        session: Arc::default(),
        log_level: None,
        ignores_cursors: false,
        told: Told::default(),
        takes_events: true,
    };
    let mut client = Client {
        server,
        revision: None,
        caller,
        open: HashMap::new(),
        running: FuturesUnordered::new(),
        outbox: Outbox { output, waiting: VecDeque::new(), written: 0, bytes: 0 },
    };
    client.serve(Lines::new(input, frame_bytes_max), stop).await?;
    client.drain().await
}

struct Client<W> {
    server: Arc<Server>,
    /// What `initialize` agreed, once it has.
    revision: Option<Revision>,
    caller: Caller,
    /// The ids in flight. Dropping a sender cancels its request.
    open: HashMap<Id, oneshot::Sender<()>>,
    running: FuturesUnordered<StepFuture>,
    outbox: Outbox<W>,
}

type StepFuture = std::pin::Pin<Box<dyn Future<Output = Stepped> + Send>>;

/// A request that has something to send, or that was cancelled and has nothing.
struct Stepped {
    id: Option<Id>,
    /// The ids of a batch that has ended.
    batch: Vec<Id>,
    step: Option<Step>,
    /// The request itself, when it goes on.
    rest: Option<(Running, oneshot::Receiver<()>, Permit)>,
}

impl<W: AsyncWrite + Unpin> Client<W> {
    async fn serve<R: AsyncRead + Unpin>(
        &mut self,
        mut lines: Lines<R>,
        mut stop: watch::Receiver<bool>,
    ) -> io::Result<()> {
        let mut changes = self.server.changes.listen();
        loop {
            let may_read = self.may_read();
            tokio::select! {
                // Answers first: a flood of requests must not keep finished work waiting.
                biased;
                () = stopped(&mut stop) => return Ok(()),
                Some(stepped) = self.running.next(), if self.may_collect() => self.stepped(stepped),
                written = self.outbox.write(), if !self.outbox.waiting.is_empty() => written?,
                Some(version) = changes.changed() => self.tell(&version),
                line = lines.next(), if may_read => match line? {
                    Some(line) => {
                        self.line(line).await;
                        // Everything that came in one read is taken before the next wait.
                        while lines.has_line() && self.may_read() {
                            let Some(line) = lines.next().await? else { break };
                            self.line(line).await;
                        }
                    }
                    None => return Ok(()),
                },
            }
        }
    }

    /// Tells a legacy client that its list of tools is out of date. A modern one subscribes to that.
    fn tell(&mut self, version: &Arc<str>) {
        if self.revision.is_some() && self.caller.told.is_news(version) {
            self.outbox.push(self.server.encoder.tools_changed(None));
        }
    }

    /// Whether more may be taken from a client that does not read, or whose requests fill the memory there is for
    /// them: what it writes waits in its own pipe. It is never closed for that: whoever started this server may have
    /// stopped to look at something.
    fn may_read(&self) -> bool {
        self.outbox.bytes < WAITING_BYTES_MAX && self.caller.share.may_send_more()
    }

    /// Whether finished work may be added to the outbox, or must wait until some of it is written.
    fn may_collect(&self) -> bool {
        !self.running.is_empty() && self.outbox.bytes < WRITE_FIRST_BYTES
    }

    /// After the end of input: lets running calls finish within the grace period, then ends the processes that run
    /// them, which answers them as shut down.
    async fn drain(&mut self) -> io::Result<()> {
        let (server, grace) = (Arc::clone(&self.server), self.server.config.grace);
        // Subscriptions would last for the whole grace period.
        server.changes.end();
        self.settle(tokio::time::sleep(grace)).await?;
        self.settle(server.executor.shut_down()).await?;
        self.running.clear();
        for (id, _) in self.open.drain() {
            let error =
                RpcError::new(ErrorCode::Internal, "the server is shutting down; the request was stopped");
            self.outbox.push(error_frame(Some(&id), &error));
        }
        // A client that does not read its last answers is not waited for.
        let flush = async {
            while !self.outbox.waiting.is_empty() {
                self.outbox.write().await?;
            }
            self.outbox.output.flush().await
        };
        tokio::time::timeout(grace, flush).await.unwrap_or(Ok(()))
    }

    /// Collects answers and writes them until no request is open, or until `end`; what is ready by then still counts.
    async fn settle(&mut self, end: impl Future<Output = ()>) -> io::Result<()> {
        tokio::pin!(end);
        while !self.running.is_empty() || !self.outbox.waiting.is_empty() {
            tokio::select! {
                biased;
                Some(stepped) = self.running.next(), if !self.running.is_empty() => self.stepped(stepped),
                written = self.outbox.write(), if !self.outbox.waiting.is_empty() => written?,
                () = end.as_mut() => break,
            }
        }
        Ok(())
    }

    async fn line(&mut self, line: Line) {
        let line = match line {
            Line::Whole(line) => line,
            Line::TooLong(start) => {
                let max = self.server.config.limits.frame_bytes_max;
                let error =
                    RpcError::new(ErrorCode::InvalidRequest, format!("a line may have {max} bytes at most"));
                return self.outbox.push(error_frame(salvage_id(&start).as_ref(), &error));
            }
        };
        match decode_frame(line).await {
            Ok(Message::Batch(items)) if self.revision.is_some_and(Revision::has_batches) => {
                self.batch(items)
            }
            Ok(Message::Batch(_)) => {
                let error = RpcError::new(ErrorCode::InvalidRequest, "this protocol revision has no batches");
                self.outbox.push(error_frame(None, &error));
            }
            Ok(message) => {
                if let Some(frame) = self.message(message) {
                    self.outbox.push(frame);
                }
            }
            Err(rejected) => self.outbox.push(error_frame(rejected.id.as_ref(), &rejected.error)),
        }
    }

    /// Takes one message; returns what can be answered at once.
    fn message(&mut self, message: Message) -> Option<Frame> {
        match message {
            Message::Request(raw) => match self.request(raw)? {
                Answer::Now(frame) | Answer::Refused(frame) => Some(frame),
                Answer::Later(_) => None,
            },
            Message::Notification(raw) => {
                if let Notification::Cancelled(cancelled) = Notification::read(&raw)
                    && self.open.remove(&cancelled.request).is_some()
                {
                    tracing::debug!(id = ?cancelled.request, reason = cancelled.reason, "cancelled by the client");
                }
                None
            }
            Message::Response(_) | Message::Batch(_) => None,
        }
    }

    /// Reads a request, applies what it changes here, and starts it. `None` when it was put in flight.
    fn request(&mut self, raw: RawRequest) -> Option<Answer> {
        let id = raw.id.clone();
        let bytes = raw.params.as_ref().map_or(0, Bytes::len);
        match self.begin(raw) {
            Err(rejected) => Some(Answer::Now(error_frame(rejected.id.as_ref(), &rejected.error))),
            Ok(Answer::Later(running)) => {
                let cancelled = self.in_flight(&id);
                let held = self.caller.share.charge(Quantity::RequestBytes, bytes);
                self.running.push(Box::pin(step(Some(id), running, cancelled, held)));
                None
            }
            Ok(answer) => Some(answer),
        }
    }

    /// Takes note of a request that is being answered. What is returned resolves when its client takes it back.
    fn in_flight(&mut self, id: &Id) -> oneshot::Receiver<()> {
        let (cancel, cancelled) = oneshot::channel();
        self.open.insert(id.clone(), cancel);
        cancelled
    }

    /// Reads a request, applies what it changes here, and begins to answer it.
    fn begin(&mut self, raw: RawRequest) -> Result<Answer, Rejected> {
        let request = self.admit(raw)?;
        match &request.action {
            Action::Initialize(initialize) => {
                self.revision = Some(initialize.agreed);
                self.caller.ignores_cursors = initialize.client.ignores_cursors();
                self.caller.session = "stdio".into();
                tracing::info!(
                    client = initialize.client.name,
                    version = initialize.client.version,
                    revision = initialize.agreed.name(),
                    "client initialised"
                );
            }
            Action::SetLogLevel(level) => self.caller.log_level = Some(*level),
            _ => {}
        }
        Ok(self.server.answer(request, self.caller.clone()))
    }

    fn admit(&self, raw: RawRequest) -> Result<Request, Rejected> {
        let refuse = |id: &Id, code, message: String| {
            Err(Rejected { id: Some(id.clone()), error: RpcError::new(code, message) })
        };
        if self.open.contains_key(&raw.id) {
            return refuse(&raw.id, ErrorCode::InvalidRequest, "a request with this id is still open".into());
        }
        let max = self.server.config.limits.in_flight_max;
        if self.open.len() >= max && &*raw.method != "ping" {
            return refuse(
                &raw.id,
                ErrorCode::Overloaded,
                format!("{max} requests are open; wait for one to end"),
            );
        }
        self.server.read(raw, self.revision)
    }

    /// A batch of 2025-03-26: its answers come together, in one array. Each of its ids is in flight until then.
    fn batch(&mut self, messages: Vec<Result<Message, Rejected>>) {
        let mut items = Vec::new();
        let mut batch = Vec::new();
        let mut bytes = 0;
        for message in messages {
            let begun = match message {
                Ok(Message::Request(raw)) => {
                    let id = raw.id.clone();
                    bytes += raw.params.as_ref().map_or(0, Bytes::len);
                    self.begin(raw).map(|answer| (id, answer))
                }
                Ok(message) => {
                    self.message(message);
                    continue;
                }
                Err(rejected) => Err(rejected),
            };
            items.push(match begun {
                Err(rejected) => Item::refused(&rejected),
                Ok((id, answer)) => {
                    let cancelled = Some(self.in_flight(&id));
                    batch.push(id.clone());
                    Item { id: Some(id), answer, cancelled }
                }
            });
        }
        if items.is_empty() {
            return;
        }
        let share = self.caller.share.clone();
        let held = share.charge(Quantity::RequestBytes, bytes);
        self.running.push(Box::pin(async move {
            let _held = held;
            let step = batch::join(items, &share).await.map(Step::Done);
            Stepped { id: None, batch, step, rest: None }
        }));
    }

    fn stepped(&mut self, stepped: Stepped) {
        for id in stepped.batch {
            // One that was cancelled may be in use again, by a request that is still listened to.
            if self.open.get(&id).is_some_and(oneshot::Sender::is_closed) {
                self.open.remove(&id);
            }
        }
        match stepped.step {
            Some(Step::Event(frame)) => self.outbox.push(frame),
            Some(Step::Done(frame)) => {
                if let Some(id) = &stepped.id {
                    self.open.remove(id);
                }
                self.outbox.push(frame);
            }
            None => {}
        }
        if let Some((running, cancelled, held)) = stepped.rest {
            self.running.push(Box::pin(step(stepped.id, running, cancelled, held)));
        }
    }
}

/// Drives a request until it has something to send or is cancelled.
async fn step(
    id: Option<Id>,
    mut running: Running,
    mut cancelled: oneshot::Receiver<()>,
    held: Permit,
) -> Stepped {
    let step = tokio::select! {
        biased;
        _ = &mut cancelled => None,
        step = running.step() => Some(step),
    };
    let rest = matches!(step, Some(Step::Event(_))).then_some((running, cancelled, held));
    Stepped { id, batch: Vec::new(), step, rest }
}

/// Decodes a frame, on another thread when it is large.
pub(crate) async fn decode_frame(frame: Bytes) -> Result<Message, Rejected> {
    if frame.len() <= DECODE_INLINE_BYTES_MAX {
        return decode(&frame);
    }
    tokio::task::spawn_blocking(move || decode(&frame)).await.unwrap_or_else(|error| {
        let message = format!("the frame could not be read: {error}");
        Err(Rejected { id: None, error: RpcError::new(ErrorCode::Internal, message) })
    })
}

/// Frames on their way to the client.
struct Outbox<W> {
    output: W,
    waiting: VecDeque<Bytes>,
    /// Bytes of the first waiting piece that are already out.
    written: usize,
    bytes: usize,
}

impl<W: AsyncWrite + Unpin> Outbox<W> {
    fn push(&mut self, frame: Frame) {
        self.bytes += frame.len() + 1;
        if frame.is_whole() && frame.len() < 4096 {
            // One piece a small frame: the line break is worth a copy.
            let mut line = Vec::with_capacity(frame.len() + 1);
            line.extend_from_slice(&frame.head);
            line.push(b'\n');
            return self.waiting.push_back(line.into());
        }
        self.waiting.extend(frame.into_parts().chain([Bytes::from_static(b"\n")]));
    }

    /// Writes as much as the client takes, all waiting frames in one go. Cancel safe.
    async fn write(&mut self) -> io::Result<()> {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let mut count = 0;
        for (slot, piece) in slices.iter_mut().zip(&self.waiting) {
            *slot = IoSlice::new(if count == 0 { &piece[self.written..] } else { piece });
            count += 1;
        }
        let mut wrote = self.output.write_vectored(&slices[..count]).await?;
        if wrote == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.bytes = self.bytes.saturating_sub(wrote);
        while let Some(first) = self.waiting.front() {
            let left = first.len() - self.written;
            if wrote < left {
                self.written += wrote;
                return Ok(());
            }
            wrote -= left;
            self.written = 0;
            self.waiting.pop_front();
        }
        Ok(())
    }
}
