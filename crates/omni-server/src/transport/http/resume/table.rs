//! The streams of all sessions that can be resumed, and how many of them are kept without a reader.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;

use super::event_id::EventId;
use super::event_log::EventText;
use super::stream::{NewStream, ResumableStream, keep};
use crate::admission::AccountKey;

/// Streams of one peer that are kept without a reader. One more ends the oldest, of those that have ended if any has.
const UNREAD_PER_PEER: usize = 256;

/// The same of all peers together; then whoever has most gives way.
const UNREAD_MAX: usize = 1024;

/// All streams of an endpoint that can be resumed.
pub(in super::super) struct ResumableStreams {
    /// How long a stream is kept without a reader.
    kept_for: Duration,
    table: Mutex<StreamTable>,
}

#[derive(Default)]
struct StreamTable {
    by_session: HashMap<Arc<str>, Vec<Arc<ResumableStream>>>,
    /// Those without a reader, the longest unread first.
    unread: HashMap<AccountKey, VecDeque<Arc<ResumableStream>>>,
    /// The server stops: nobody can come back.
    is_closed: bool,
}

/// What there is to be had of a stream that a client wants to resume.
pub(in super::super) enum Resumed {
    Reader(StreamReader),
    /// The stream is there and never had that event.
    NoSuchEvent,
    /// The stream is kept no more, if it ever was.
    Unknown,
}

impl ResumableStreams {
    /// None yet. Without a time to be kept for, no stream can be resumed.
    pub(in super::super) fn new(kept_for: Duration) -> Arc<Self> {
        Arc::new(ResumableStreams { kept_for, table: Mutex::default() })
    }

    /// Whether there are such streams at all.
    pub(in super::super) fn are_offered(&self) -> bool {
        !self.kept_for.is_zero()
    }

    /// A new stream, with its first reader.
    pub(in super::super) fn open(self: &Arc<Self>, new: NewStream) -> StreamReader {
        let stream = ResumableStream::open(new);
        self.table().by_session.entry(stream.session.name()).or_default().push(stream.clone());
        self.reader(stream, ResumableStream::FIRST_TURN, 0)
    }

    /// A reader of what came after an event in one of the session's streams.
    pub(in super::super) fn resume(self: &Arc<Self>, session: &str, after: &EventId) -> Resumed {
        let mut table = self.table();
        let mut of_session = table.by_session.get(session).into_iter().flatten();
        let found = of_session.find(|stream| stream.number == after.stream && stream.source == after.source);
        let Some(stream) = found.cloned() else { return Resumed::Unknown };
        let Some(turn) = stream.read_after(after.number) else { return Resumed::NoSuchEvent };
        table.remove_unread(&stream);
        Resumed::Reader(self.reader(stream, turn, after.number))
    }

    /// Forgets the streams of a session that has ended. Those that are read may still say so.
    pub(in super::super) fn end_session(&self, session: &str) {
        let ended = self.table().by_session.remove(session).unwrap_or_default();
        for stream in ended {
            if !stream.has_reader() {
                self.table().remove_unread(&stream);
                stream.end();
            }
        }
    }

    /// The server stops: what nobody reads ends now, and the others with their readers.
    pub(in super::super) fn close(&self) {
        let mut table = self.table();
        table.is_closed = true;
        let unread: Vec<_> = table.unread.drain().flat_map(|(_, streams)| streams).collect();
        drop(table);
        unread.iter().for_each(|stream| stream.end());
    }

    fn reader(self: &Arc<Self>, stream: Arc<ResumableStream>, turn: u64, after: u64) -> StreamReader {
        let priming = Some(stream.priming(after));
        StreamReader { streams: self.clone(), stream, turn, next: after + 1, priming }
    }

    /// A reader has gone: if it still had its turn, the stream is kept for the next one.
    fn leave(self: &Arc<Self>, stream: &Arc<ResumableStream>, turn: u64) {
        let mut table = self.table();
        let Some(turn) = stream.leave(turn) else { return };
        let of_session = table.by_session.get(&*stream.session.name());
        let is_known =
            of_session.is_some_and(|streams| streams.iter().any(|known| Arc::ptr_eq(known, stream)));
        let runtime = Handle::try_current().ok().filter(|_| is_known && !table.is_closed);
        let Some(runtime) = runtime else {
            table.forget(stream);
            drop(table);
            return stream.end();
        };
        let pushed_out = table.make_room(stream.account_key());
        table.unread.entry(stream.account_key().clone()).or_default().push_back(stream.clone());
        drop(table);
        pushed_out.iter().for_each(|stream| stream.end());
        let (streams, stream) = (self.clone(), stream.clone());
        runtime.spawn(async move {
            if !keep(&stream, turn, streams.kept_for).await {
                tracing::debug!("nobody came back for a stream: it is over");
                streams.table().forget(&stream);
                stream.end();
            }
        });
    }

    fn table(&self) -> MutexGuard<'_, StreamTable> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one that reads a stream. **When it is dropped the stream goes on** for as long as it is kept without a reader.
pub(in super::super) struct StreamReader {
    streams: Arc<ResumableStreams>,
    stream: Arc<ResumableStream>,
    turn: u64,
    /// The number of the next event.
    next: u64,
    /// What goes out first.
    priming: Option<Bytes>,
}

impl StreamReader {
    /// The next event; `None` when there is none any more, or the client reads it elsewhere.
    pub(in super::super) fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<EventText>> {
        match self.priming.take() {
            Some(priming) => Poll::Ready(Some(EventText::from([priming]))),
            None => self.stream.poll_event(self.turn, &mut self.next, cx),
        }
    }
}

impl Drop for StreamReader {
    fn drop(&mut self) {
        self.streams.leave(&self.stream, self.turn);
    }
}

impl StreamTable {
    /// Takes the streams out that have to go before one more of that peer is kept without a reader.
    fn make_room(&mut self, peer: &AccountKey) -> Option<Arc<ResumableStream>> {
        let total: usize = self.unread.values().map(VecDeque::len).sum();
        let of_peer = self.unread.get(peer).map_or(0, VecDeque::len);
        let from = if of_peer >= UNREAD_PER_PEER {
            peer.clone()
        } else if total >= UNREAD_MAX {
            self.unread.iter().max_by_key(|(_, streams)| streams.len())?.0.clone()
        } else {
            return None;
        };
        let streams = self.unread.get(&from)?;
        let ended = streams.iter().find(|stream| stream.has_ended());
        let oldest = ended.or_else(|| streams.front())?.clone();
        self.forget(&oldest);
        Some(oldest)
    }

    fn forget(&mut self, stream: &Arc<ResumableStream>) {
        let session = stream.session.name();
        if let Some(streams) = self.by_session.get_mut(&session) {
            streams.retain(|known| !Arc::ptr_eq(known, stream));
            if streams.is_empty() {
                self.by_session.remove(&session);
            }
        }
        self.remove_unread(stream);
    }

    fn remove_unread(&mut self, stream: &Arc<ResumableStream>) {
        if let Some(streams) = self.unread.get_mut(stream.account_key()) {
            streams.retain(|known| !Arc::ptr_eq(known, stream));
            if streams.is_empty() {
                self.unread.remove(stream.account_key());
            }
        }
    }
}
