//! Why bytes from a worker cannot be taken.

use omni_call::{Ask, Event};
use thiserror::Error;

/// Why bytes from a worker cannot be taken. The worker that sent them is not to be trusted any more.
#[derive(Debug, Error)]
pub(crate) enum WireError {
    #[error("it sent a frame of {length} bytes, the limit is {limit}")]
    TooLong { length: usize, limit: usize },
    #[error("it sent a frame that is not what it should be: {0}")]
    Malformed(#[from] serde_json::Error),
    #[error("it sent a frame with a raw line break, which would break the framing of the reply")]
    LineBreak,
    #[error("it sent `{member}` that is not {wanted}")]
    Shape { member: &'static str, wanted: &'static str },
    #[error("it answered a call that it had not begun")]
    Foreign,
    #[error("it asked a question for a call that cannot ask: its tool takes no context, or nobody is there")]
    MayNotAsk,
    #[error("it asked question {given} of its call where {wanted} was next")]
    AskNumber { given: u64, wanted: u64 },
    #[error("it asked more than {} questions of one call without reading their answers", Ask::OPEN_MAX)]
    TooManyAsks,
    #[error("it asked a question of {length} bytes, the limit is {}", Ask::BYTES_MAX)]
    AskTooLong { length: usize },
    #[error("it asked a question under a key of {length} bytes, a key has 1 to {}", Ask::KEY_BYTES_MAX)]
    AskKey { length: usize },
    #[error("it named something with {length} bytes, the limit is {}", Event::NAME_BYTES_MAX)]
    NameTooLong { length: usize },
    #[error("something wrote to its control channel that is not the worker itself")]
    Keyless,
    #[error("it closed its control channel")]
    Closed,
    #[error("its process was stopped (SIGSTOP) and did not go on")]
    Stopped,
    /// The worker exited because it could not trust its channel, and says why.
    #[error("{0}")]
    GaveUp(String),
    /// What happened to a worker that several calls shared, of which another one may have been the cause.
    #[error("{0}")]
    SharedWorkerEnded(String),
    #[error("its control channel failed: {0}")]
    Io(#[from] std::io::Error),
}
