//! The seam between the server and every way to run a tool.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;

use crate::{Call, LogLevel, Outcome};

pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One way to run tools: a worker pool, a process per call, an embedded interpreter, another server.
pub trait Executor: Send + Sync {
    /// Runs one call to its end and reports what happens meanwhile to `events`.
    ///
    /// The future answers exactly once, and always: deadline, crash and lost worker are outcomes, not
    /// errors. **Dropping the future cancels the call**: the executor takes over whatever process runs
    /// it, asks it to stop, then kills it, and gives its place free only when it is gone. Nothing reaches
    /// `events` after the drop.
    fn run<'a>(&'a self, call: Call, events: &'a mut dyn EventSink) -> BoxFuture<'a, Outcome>;

    /// Ends every process that this executor owns and resolves when they are gone. Calls still running
    /// end as [`Ending::Shutdown`](crate::Ending::Shutdown). Safe to call twice.
    fn shut_down(&self) -> BoxFuture<'_, ()>;
}

impl<E: Executor + ?Sized> Executor for std::sync::Arc<E> {
    fn run<'a>(&'a self, call: Call, events: &'a mut dyn EventSink) -> BoxFuture<'a, Outcome> {
        (**self).run(call, events)
    }

    fn shut_down(&self) -> BoxFuture<'_, ()> {
        (**self).shut_down()
    }
}

/// Something a running tool said before its result.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// How far the tool has got. Counts as a sign of life.
    Progress { value: f64, total: Option<f64>, message: Option<String> },
    /// A log message of the tool, or a line it printed (`logger` is then `stdout` or `stderr`).
    Log {
        level: LogLevel,
        logger: Option<String>,
        /// Any JSON value, as the tool gave it.
        data: Bytes,
    },
}

/// Where an executor's events go. Must not block: the executor reads its worker on the same thread.
pub trait EventSink: Send {
    fn event(&mut self, event: Event);

    /// The tool gave a sign of life: its idle clock has just been restarted. An event may follow that says more.
    /// For callers that keep such a clock of their own; the rest need nothing here.
    fn alive(&mut self) {}

    /// A process has the call now: what came before was waiting. Told once for each attempt.
    fn begun(&mut self) {}

    /// The call has ended, and so many bytes of what it printed have become no events.
    fn left_out(&mut self, _bytes: u64) {}
}

/// A sink for callers that want to hear nothing.
pub struct NoEvents;

impl EventSink for NoEvents {
    fn event(&mut self, _event: Event) {}
}
