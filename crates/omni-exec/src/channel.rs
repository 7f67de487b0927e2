//! Frames in and out of one worker's socket, with buffers that small calls never make grow.

use std::future::Future;
use std::io;
use std::mem;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream as StdStream;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::net::UnixStream;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::bounds::{DECODE_INLINE_BYTES_MAX, READ_BYTES_PER_TURN};
use crate::result_memory::ResultReservation;
use crate::wire::{self, FrameKey, JsonPart, WireError, WorkerMessage};

/// The size of the inbox. A larger frame gets memory of its own, which is shared with what is kept of the frame.
const INBOX_BYTES: usize = 16 << 10;

/// The memory of a larger outbox is freed after use.
const OUTBOX_BYTES_KEPT: usize = 256 << 10;

/// Our end of a worker's control channel.
pub(crate) struct Channel {
    socket: UnixStream,
    frame_bytes_max: usize,
    inbox: Vec<u8>,
    /// Where the next frame begins in `inbox`.
    at: usize,
    /// The frame before `at`, when it was a large one.
    large: Option<Bytes>,
    /// There may be more to read, which is left for the next turn.
    paused: bool,
    /// What `large` says, while that is found out on another thread.
    decoding: Option<JoinHandle<Result<WorkerMessage<'static>, WireError>>>,
    /// The memory reserved for the large frame that is arriving.
    reservation: ResultReservation,
    outbox: Vec<u8>,
    sent: usize,
    /// How many bytes the socket has taken in all, not counting those of the first frame.
    taken: u64,
    /// The key that comes before each frame, from the second on.
    key: Option<FrameKey>,
    /// The same, until the first frame has arrived.
    next_key: Option<FrameKey>,
}

/// A frame that has arrived whole, and whose message can be read without making other calls wait.
pub(crate) struct ArrivedFrame {
    pub(crate) length: usize,
    /// What it says, where it was large and has been read already.
    message: Option<Box<WorkerMessage<'static>>>,
}

impl ArrivedFrame {
    /// What it says. `body` is the frame's.
    pub(crate) fn message(self, body: FrameBody<'_>) -> Result<WorkerMessage<'_>, WireError> {
        match self.message {
            Some(message) => Ok(*message),
            None => wire::decode(body.bytes),
        }
    }
}

/// The body of a frame that has arrived whole.
#[derive(Clone, Copy)]
pub(crate) struct FrameBody<'a> {
    bytes: &'a [u8],
    large: Option<&'a Bytes>,
}

/// Of a larger body, parts that are kept are shared instead of copied.
const COPIED_BYTES_MAX: usize = 4 << 10;

impl<'a> FrameBody<'a> {
    /// All of `bytes`.
    pub(crate) fn of(bytes: &'a Bytes) -> Self {
        FrameBody { bytes, large: (bytes.len() > COPIED_BYTES_MAX).then_some(bytes) }
    }

    pub(crate) fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// A part of the body as bytes that outlive it: copied from a small frame, shared with a large one.
    pub(crate) fn keep(self, part: &JsonPart<'_>) -> Bytes {
        match (part, self.large) {
            (JsonPart::Shared(bytes), _) => bytes.clone(),
            (JsonPart::Read(part), Some(large)) => large.slice_ref(part.get().as_bytes()),
            (JsonPart::Read(part), None) => Bytes::copy_from_slice(part.get().as_bytes()),
        }
    }
}

impl Channel {
    /// Takes over a socket that is in non-blocking mode.
    pub(crate) fn new(socket: StdStream, frame_bytes_max: usize) -> io::Result<Self> {
        Ok(Channel {
            socket: UnixStream::from_std(socket)?,
            frame_bytes_max,
            inbox: Vec::with_capacity(INBOX_BYTES),
            at: 0,
            large: None,
            paused: false,
            decoding: None,
            reservation: ResultReservation::default(),
            outbox: Vec::new(),
            sent: 0,
            taken: 0,
            key: None,
            next_key: None,
        })
    }

    /// Has every frame from the second on refused that does not come after `key`. The worker sends its first frame
    /// before it has been told the key.
    pub(crate) fn expect_key(&mut self, key: FrameKey) {
        self.next_key = Some(key);
    }

    /// The bytes before a frame's body.
    fn header_length(&self) -> usize {
        wire::header_length() + self.key.as_ref().map_or(0, |key| key.len())
    }

    /// Ready with the length of the next frame once it has arrived whole. [`body`](Self::body) returns it until
    /// [`consume`](Self::consume).
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, WireError>> {
        self.paused = false;
        let mut read_now = 0;
        loop {
            if let Some(large) = &self.large {
                return Poll::Ready(Ok(large.len()));
            }
            let held = self.inbox.len() - self.at;
            let length = match wire::after_key(&self.inbox[self.at..], self.key.as_ref())? {
                Some(frame) => wire::body_length(frame, self.frame_bytes_max)?,
                None => None,
            };
            if let Some(length) = length
                && held >= self.header_length() + length
            {
                if length > INBOX_BYTES {
                    self.set_large_aside(length);
                }
                return Poll::Ready(Ok(length));
            }
            if let Some(length) = length.filter(|length| *length > INBOX_BYTES) {
                // Until memory is reserved nothing more is read, so the worker has to wait.
                ready!(self.reservation.poll(length, cx));
            }
            self.make_room(self.header_length() + length.unwrap_or(0));
            if read_now >= READ_BYTES_PER_TURN {
                // A worker that writes as fast as this reads would keep everybody else waiting for all of its frame.
                self.paused = true;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            // A read that returns less than the buffer holds tells tokio that nothing is left, so the next poll costs
            // no system call.
            let read = pin!(self.socket.read_buf(&mut self.inbox)).poll(cx);
            match ready!(read)? {
                0 => return Poll::Ready(Err(WireError::Closed)),
                read => read_now += read,
            }
        }
    }

    /// The same for a frame that is read as a [`WorkerMessage`]: ready once that takes no time any more. A large one is
    /// read on another thread, since every other call would wait for it here: 50 MB take some 100 ms.
    pub(crate) fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<ArrivedFrame, WireError>> {
        let length = ready!(self.poll_frame(cx))?;
        let Some(large) = self.large.as_ref().filter(|large| large.len() > DECODE_INLINE_BYTES_MAX) else {
            return Poll::Ready(Ok(ArrivedFrame { length, message: None }));
        };
        let decoding = self.decoding.get_or_insert_with(|| {
            let body = large.clone();
            spawn_blocking(move || wire::decode_large(&body))
        });
        let decoded = ready!(Pin::new(decoding).poll(cx));
        self.decoding = None;
        let message = decoded.map_err(io::Error::other)??;
        Poll::Ready(Ok(ArrivedFrame { length, message: Some(Box::new(message)) }))
    }

    /// Whether something has arrived that is not read yet, though nobody waits for the worker: a large frame waits for
    /// memory or for its next turn, or is being decoded. What is known of the worker besides, such as that it has ended, came later.
    pub(crate) fn holds_back(&self) -> bool {
        self.large.is_some() || self.paused || self.reservation.is_waiting()
    }

    /// The frame that [`poll_frame`](Self::poll_frame) found.
    pub(crate) fn body(&self, length: usize) -> FrameBody<'_> {
        match &self.large {
            Some(large) => FrameBody { bytes: large, large: Some(large) },
            None => {
                let start = self.at + self.header_length();
                FrameBody { bytes: self.inbox.get(start..start + length).unwrap_or_default(), large: None }
            }
        }
    }

    /// Drops the frame that [`poll_frame`](Self::poll_frame) found.
    pub(crate) fn consume(&mut self, length: usize) {
        self.decoding = None;
        if self.large.take().is_none() {
            self.at += self.header_length() + length;
            if self.at >= self.inbox.len() {
                self.inbox.clear();
                self.at = 0;
            }
        }
        if let Some(key) = self.next_key.take() {
            self.key = Some(key);
        }
    }

    /// Where frames to be sent are appended; [`flush_now`](Self::flush_now) or
    /// [`poll_flush`](Self::poll_flush) sends them.
    pub(crate) fn outbox(&mut self) -> &mut Vec<u8> {
        &mut self.outbox
    }

    /// Whether nothing has arrived that has not been consumed.
    pub(crate) fn is_empty(&self) -> bool {
        self.large.is_none() && self.inbox.is_empty()
    }

    /// How many bytes the socket has taken in all, for comparison with [`written`](Self::written).
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// What [`taken`](Self::taken) will be when everything in the outbox has been sent.
    pub(crate) fn written(&self) -> u64 {
        self.taken + (self.outbox.len() - self.sent) as u64
    }

    /// Whether everything has been handed to the kernel.
    pub(crate) fn flushed(&self) -> bool {
        self.outbox.is_empty()
    }

    /// Sends what the socket takes without waiting. [`poll_flush`](Self::poll_flush) sends the rest.
    pub(crate) fn flush_now(&mut self) {
        if self.flushed() {
            return;
        }
        match self.socket.try_write(&self.outbox[self.sent..]) {
            Ok(sent) => {
                self.sent += sent;
                self.taken += sent as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => self.give_up_sending(),
        }
        self.forget_sent();
    }

    /// Sends what is left in the outbox. Pending while the worker does not read.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while !self.flushed() {
            match ready!(Pin::new(&mut self.socket).poll_write(cx, &self.outbox[self.sent..])) {
                Ok(sent) => {
                    self.sent += sent;
                    self.taken += sent as u64;
                }
                Err(_) => self.give_up_sending(),
            }
            self.forget_sent();
        }
        Poll::Ready(())
    }

    /// Discards what is left in the outbox: the worker is dying, or has closed its socket. That is no error here, since
    /// whoever watches the process and reads the socket will find out.
    fn give_up_sending(&mut self) {
        self.taken = self.written();
        self.sent = self.outbox.len();
    }

    fn forget_sent(&mut self) {
        if self.sent >= self.outbox.len() {
            self.sent = 0;
            self.outbox.clear();
            if self.outbox.capacity() > OUTBOX_BYTES_KEPT {
                self.outbox = Vec::new();
            }
        }
    }

    /// Moves a large frame out of the inbox, so that parts of it can be shared instead of copied.
    fn set_large_aside(&mut self, length: usize) {
        let start = self.at + self.header_length();
        let mut rest = Vec::with_capacity(INBOX_BYTES);
        rest.extend_from_slice(&self.inbox[start + length..]);
        let mut whole = mem::replace(&mut self.inbox, rest);
        whole.truncate(start + length);
        self.large = Some(self.reservation.fill(whole).slice(start..));
        self.at = 0;
    }

    /// Makes room in the inbox for a frame of `wanted` bytes that begins at `at`, all at once: growing step by step
    /// would copy a large frame again and again, and leave the allocator holes of half its size.
    fn make_room(&mut self, wanted: usize) {
        if self.at > 0 {
            self.inbox.drain(..self.at);
            self.at = 0;
        }
        if self.inbox.len() == self.inbox.capacity() || self.inbox.capacity() < INBOX_BYTES {
            self.inbox.reserve_exact(wanted.saturating_sub(self.inbox.len()).max(INBOX_BYTES));
        }
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
