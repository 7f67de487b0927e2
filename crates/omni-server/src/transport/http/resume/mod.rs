//! Streams that a client can resume when their connection breaks: their events have ids, and are kept for a while.
//!
//! In reading order: an `event_id` names a stream and an event of it; the `event_log` keeps events, within bounds; a
//! `stream` is driven by the connection that reads it and, while nobody does, by a task that ends it when its time is
//! over; `table` knows the streams of all sessions.

mod event_id;
mod event_log;
mod stream;
mod table;

pub(super) use event_id::{EventId, StreamSource};
pub(super) use stream::NewStream;
pub(super) use table::{ResumableStreams, Resumed, StreamReader};
