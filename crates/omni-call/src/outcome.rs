//! How a call ended, as data.

mod message;

use std::time::Duration;

use bytes::Bytes;

use crate::{CallResult, Question, ToolResult};

/// One finished call.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub kind: OutcomeKind,
    pub phase: Phase,
    /// From acceptance to the end.
    pub elapsed: Duration,
    /// Counted from 1.
    pub attempt: u32,
    /// Python's stack at the moment a deadline struck, innermost frame last.
    pub stack: Option<String>,
    /// The end of what the process wrote to stderr, kept when it failed.
    pub stderr: Option<String>,
    /// Why the process that ran the call serves no other: a JSON array of findings.
    pub worker: Option<Box<str>>,
    /// Its process died, or broke its channel, when this call was the only one that can have done it: for one that
    /// others shared a process with, nobody can say whose fault it was.
    pub died: bool,
}

/// The ways a call can end. Matched without a wildcard everywhere, so a new way is a compile error until
/// each reader has thought about it.
#[derive(Clone, Debug, PartialEq)]
pub enum OutcomeKind {
    /// The tool returned, or the resource, prompt or completion is there.
    Finished(CallResult),
    /// There is no such resource or prompt. `message` is all that the client reads.
    NotFound { message: String },
    /// The tool raised. `kind` is the exception's class, `bases` the classes above it, nearest first,
    /// `location` its `file:line` in the skill.
    ToolError {
        kind: String,
        bases: Box<[String]>,
        message: String,
        location: Option<String>,
        /// The author raised it for the client to read (`ToolError`): shown whatever the settings say.
        intended: bool,
        traceback: Option<String>,
        /// What the tool had to ask, and its client has not declared that it can be.
        undeclared: Option<Question>,
    },
    /// The author raised an error of the protocol (`McpError`): the request is answered with it, and not with a result.
    /// `code` is JSON-RPC's, `data` any JSON value.
    McpError { code: i32, message: String, data: Option<Bytes> },
    /// The tool returned something that cannot be a result, or that breaks its output schema.
    BadResult { message: String },
    /// The arguments are none that the tool takes: they break its schema, or are no values of its types. `message` is
    /// all that the model reads, with a line for each fault.
    InvalidArguments { message: String },
    /// The skill's file could not be imported, or lacks the function. The members are those of `ToolError`; `intended`
    /// is also what we say ourselves of the skill's source, such as a module that it lacks.
    LoadError {
        kind: String,
        message: String,
        location: Option<String>,
        intended: bool,
        traceback: Option<String>,
    },
    /// The tool ended its interpreter (`sys.exit`, `os._exit`), or a program ended with another code than 0 and nothing
    /// on its output. `message` is what `sys.exit` was given to say, if it was.
    Exited { code: i32, message: Option<String> },
    /// A signal ended the process: a segmentation fault, an abort, the kernel's out-of-memory killer.
    Signalled { signal: i32 },
    /// The total time limit struck.
    TimedOut { limit: Duration },
    /// The tool was silent for longer than the idle limit.
    Idle { limit: Duration },
    /// There was no memory for what the tool wanted. `limit_bytes` is the limit of its process, if it has one; the other
    /// members are those of `ToolError`.
    OutOfMemory {
        limit_bytes: Option<u64>,
        message: String,
        location: Option<String>,
        traceback: Option<String>,
    },
    /// The result was larger than a result may be.
    OutputLimit { limit_bytes: usize },
    /// The worker broke the wire protocol, or closed its channel without ending.
    Lost { message: String },
    /// The caller went away or took the call back.
    Cancelled,
    /// The server is stopping.
    Shutdown,
    /// The queue is full.
    Busy { retry_after: Duration },
    /// The tool killed several workers in a short time and is refused for a while.
    Quarantined { retry_after: Duration },
    /// No worker could be started. `hint` says what to do about it.
    WorkerStart { message: String, hint: String },
    /// The skill is not what the call was resolved against, and no line of the tool has run: whoever resolved the call does
    /// so anew, and validates and runs it again. `otherwise` is how it ends where the skill turns out to be what it was;
    /// without it, the files change each time the call is about to begin.
    Stale { otherwise: Option<Box<OutcomeKind>> },
}

/// How far a call had come. Before `Started` no line of the tool has run, so a retry is always safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Queued,
    Starting,
    Started,
}

/// How much a client may read of an exception that the author did not mean for it, and of what a failed process wrote
/// to its standard error. What was meant for the client (`ToolError`) is shown whatever this says.
///
/// No default here: what is right depends on who the clients are, which only the binary knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorDetail {
    /// The exception's class and place. Its text can hold a password, a path or a row of somebody's data.
    Masked,
    /// Its message too, cut at [`MESSAGE_BYTES_MAX`](Self::MESSAGE_BYTES_MAX).
    Message,
    /// And the traceback, and all that was kept of standard error.
    Full,
}

impl ErrorDetail {
    /// What of an exception's message, and of the end of standard error, is shown with [`Message`](Self::Message).
    pub const MESSAGE_BYTES_MAX: usize = 2 << 10;

    pub const ALL: [ErrorDetail; 3] = [ErrorDetail::Masked, ErrorDetail::Message, ErrorDetail::Full];

    /// The value of the setting `errors`.
    pub fn name(self) -> &'static str {
        match self {
            ErrorDetail::Masked => "masked",
            ErrorDetail::Message => "message",
            ErrorDetail::Full => "full",
        }
    }
}

impl From<ToolResult> for OutcomeKind {
    fn from(result: ToolResult) -> Self {
        OutcomeKind::Finished(CallResult::Tool(result))
    }
}

impl OutcomeKind {
    /// What goes with an error of the protocol (`data`) at most, in bytes. Python refuses more before it is sent.
    pub const ERROR_DATA_BYTES_MAX: usize = 64 << 10;

    /// What a refused call is told to wait before it comes again. A second is long against most calls, so that a place
    /// has become free by then, and short for a model that waits. Also what a runner means that does not say.
    pub const RETRY_AFTER: Duration = Duration::from_secs(1);

    /// The call was not taken, because as many wait as may.
    pub const BUSY: OutcomeKind = OutcomeKind::Busy { retry_after: OutcomeKind::RETRY_AFTER };

    /// A failure that is told in words of ours, written for the client to read: there is no exception behind it, and so
    /// no traceback. `kind` names it for programs, `location` is its `file:line` in the skill.
    pub fn tool_error(kind: &str, message: String, location: Option<String>) -> OutcomeKind {
        OutcomeKind::ToolError {
            kind: kind.to_owned(),
            bases: Box::default(),
            message,
            location,
            intended: true,
            traceback: None,
            undeclared: None,
        }
    }

    /// What its client would have had to declare, where the call has failed for want of that.
    pub fn undeclared(&self) -> Option<Question> {
        let OutcomeKind::ToolError { undeclared, .. } = self else { return None };
        *undeclared
    }

    /// The name in `_meta.kind`, in logs and in the reference table.
    pub fn name(&self) -> &'static str {
        match self {
            OutcomeKind::Finished(_) => "finished",
            OutcomeKind::NotFound { .. } => "not_found",
            OutcomeKind::ToolError { .. } => "tool_error",
            OutcomeKind::McpError { .. } => "mcp_error",
            OutcomeKind::BadResult { .. } => "bad_result",
            OutcomeKind::InvalidArguments { .. } => "invalid_arguments",
            OutcomeKind::LoadError { .. } => "load_error",
            OutcomeKind::Exited { .. } => "exited",
            OutcomeKind::Signalled { .. } => "signalled",
            OutcomeKind::TimedOut { .. } => "timeout_total",
            OutcomeKind::Idle { .. } => "timeout_idle",
            OutcomeKind::OutOfMemory { .. } => "oom",
            OutcomeKind::OutputLimit { .. } => "output_limit",
            OutcomeKind::Lost { .. } => "lost",
            OutcomeKind::Cancelled => "cancelled",
            OutcomeKind::Shutdown => "shutdown",
            OutcomeKind::Busy { .. } => "busy",
            OutcomeKind::Quarantined { .. } => "quarantined",
            OutcomeKind::WorkerStart { .. } => "worker_start",
            OutcomeKind::Stale { .. } => "stale",
        }
    }

    /// Whether the same call may succeed if it is sent again unchanged.
    fn retryable(&self) -> bool {
        match self {
            OutcomeKind::Busy { .. }
            | OutcomeKind::Quarantined { .. }
            | OutcomeKind::Shutdown
            | OutcomeKind::Lost { .. }
            | OutcomeKind::WorkerStart { .. }
            | OutcomeKind::Stale { .. } => true,
            OutcomeKind::Finished(_)
            | OutcomeKind::NotFound { .. }
            | OutcomeKind::ToolError { .. }
            | OutcomeKind::McpError { .. }
            | OutcomeKind::BadResult { .. }
            | OutcomeKind::InvalidArguments { .. }
            | OutcomeKind::LoadError { .. }
            | OutcomeKind::Exited { .. }
            | OutcomeKind::Signalled { .. }
            | OutcomeKind::TimedOut { .. }
            | OutcomeKind::Idle { .. }
            | OutcomeKind::OutOfMemory { .. }
            | OutcomeKind::OutputLimit { .. }
            | OutcomeKind::Cancelled => false,
        }
    }
}

impl Outcome {
    /// A call that ended before a worker took it.
    pub fn unstarted(kind: OutcomeKind, elapsed: Duration) -> Self {
        Outcome {
            kind,
            phase: Phase::Queued,
            elapsed,
            attempt: 1,
            stack: None,
            stderr: None,
            worker: None,
            died: false,
        }
    }
}
