//! What one line of a runner's answer means. Bytes only, no I/O; the cases are those of
//! `conformance/runner-cases.jsonl`.

use std::io;
use std::time::{Duration, Instant};

use bytes::Bytes;
use omni_call::{Call, Event, OutcomeKind, Question};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::task::spawn_blocking;

use crate::attempt::{AttemptResult, FinalMessage, FrameMeaning, FrameReader, error_outcome_kind};
use crate::bounds::DECODE_INLINE_BYTES_MAX;
use crate::channel::FrameBody;
use crate::questions::QuestionFrame;
use crate::wire::{self, ErrorFrame, ErrorKind, WireError, WorkerMessage};

/// What a line means for the call. It differs from what a worker's frame means in two ways: `started` is sent, since no
/// status page is shared with a runner; and the last line is an outcome already, since the runner knows how the process
/// ended (a signal, a limit, the end of standard error).
#[derive(Debug)]
pub(super) enum RunnerLine {
    /// Its own code is about to run.
    Started,
    /// A sign of life, and what the caller wants to hear of it.
    Event(Option<Event>),
    /// A question to the client, or one that is taken back.
    Question(QuestionFrame),
    /// The last line.
    End(Box<FinalLine>),
    /// Something that a later version says.
    Nothing,
}

#[derive(Debug)]
pub(super) struct FinalLine {
    pub(super) kind: OutcomeKind,
    pub(super) stack: Option<String>,
    pub(super) stderr: Option<String>,
    /// Why the process that ran the call serves no other.
    pub(super) worker: Option<Box<str>>,
    /// The call was the end of its process.
    pub(super) died: bool,
}

/// The body of an `error`: that of a worker, and what only who runs workers can know.
#[derive(Debug, Deserialize)]
struct FailureBody {
    #[serde(default)]
    id: u64,
    kind: String,
    class: Option<String>,
    bases: Option<Vec<String>>,
    message: Option<String>,
    location: Option<String>,
    intended: Option<bool>,
    traceback: Option<String>,
    #[serde(default, deserialize_with = "crate::wire::capability")]
    capability: Option<Question>,
    code: Option<i32>,
    data: Option<Box<RawValue>>,
    signal: Option<i32>,
    limit_ms: Option<u64>,
    limit_bytes: Option<u64>,
    retry_after_ms: Option<u64>,
    stack: Option<String>,
    stderr: Option<String>,
    tainted: Option<Box<RawValue>>,
}

impl FailureBody {
    /// Whether the call was the end of its process. A worker that reports an exit by itself, with the exception's
    /// class, has lived through it.
    fn died(&self) -> bool {
        match self.kind.as_str() {
            "signalled" | "lost" => true,
            "exited" => self.class.is_none(),
            _ => false,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FailureLine {
    error: FailureBody,
}

/// Reads one line of the answer to `call`, a large one on another thread: every other call would wait for it here. An error
/// means that the runner does not keep the contract.
pub(super) async fn read_beside(
    line: Bytes,
    call: &Call,
    result_bytes_max: usize,
) -> Result<RunnerLine, WireError> {
    if line.len() <= DECODE_INLINE_BYTES_MAX || names_error(line.trim_ascii()) {
        return read(&line, call, result_bytes_max);
    }
    let decoding = spawn_blocking(move || {
        let line = line.slice_ref(line.trim_ascii());
        wire::decode_large(&line).map(|message| (line, message))
    });
    let (line, message) = decoding.await.map_err(io::Error::other)??;
    meaning(&line, message, call, result_bytes_max)
}

/// Reads one line of the answer to `call`.
pub(super) fn read(line: &Bytes, call: &Call, result_bytes_max: usize) -> Result<RunnerLine, WireError> {
    let line = line.slice_ref(line.trim_ascii());
    if line.is_empty() {
        return Ok(RunnerLine::Nothing);
    }
    if names_error(&line) {
        let FailureLine { error } = serde_json::from_slice(&line)?;
        check_id(error.id, call)?;
        return Ok(RunnerLine::End(Box::new(last(error, call, result_bytes_max))));
    }
    meaning(&line, wire::decode(&line)?, call, result_bytes_max)
}

fn meaning(
    line: &Bytes,
    message: WorkerMessage<'_>,
    call: &Call,
    result_bytes_max: usize,
) -> Result<RunnerLine, WireError> {
    if let Some(id) = message.call() {
        check_id(id, call)?;
    }
    // Whether it may ask, and has begun, a runner says by itself: what it runs is hidden from us.
    let reader = FrameReader::of(call, true, result_bytes_max);
    Ok(match reader.read(FrameBody::of(line), message, || true)? {
        FrameMeaning::Started => RunnerLine::Started,
        FrameMeaning::Alive(event) => RunnerLine::Event(event),
        FrameMeaning::Question(asking) => RunnerLine::Question(asking),
        FrameMeaning::Ends(FinalMessage {
            result: AttemptResult::Result(result),
            contamination,
            stderr,
            ..
        }) => RunnerLine::End(Box::new(FinalLine {
            kind: OutcomeKind::Finished(result),
            stack: None,
            stderr,
            worker: contamination,
            died: false,
        })),
        FrameMeaning::Ends(FinalMessage {
            result: AttemptResult::TooLarge, contamination, stderr, ..
        }) => {
            let kind = OutcomeKind::OutputLimit { limit_bytes: result_bytes_max };
            RunnerLine::End(Box::new(FinalLine {
                kind,
                stack: None,
                stderr,
                worker: contamination,
                died: false,
            }))
        }
        // `error` was looked for above; the others are between a worker and whoever started it.
        FrameMeaning::Ends(_) | FrameMeaning::Printed(_) | FrameMeaning::Nothing => RunnerLine::Nothing,
    })
}

/// What the body of an `error` says that came as the refusal of something else than a tool call; `None` where it is none.
pub(super) fn failure(body: &str, call: &Call, result_bytes_max: usize) -> Option<FinalLine> {
    let body = serde_json::from_str(body).ok()?;
    Some(last(body, call, result_bytes_max))
}

impl FinalLine {
    /// An end of which nothing more is known.
    pub(super) fn of(kind: OutcomeKind) -> Self {
        FinalLine { kind, stack: None, stderr: None, worker: None, died: false }
    }
}

/// Whether the line's one event is an `error`, without reading it.
fn names_error(line: &[u8]) -> bool {
    let inside = line.strip_prefix(b"{").unwrap_or_default();
    inside.trim_ascii_start().starts_with(br#""error""#)
}

fn check_id(id: u64, call: &Call) -> Result<(), WireError> {
    if id == call.id.0 { Ok(()) } else { Err(WireError::Shape { member: "id", wanted: "the call's" }) }
}

fn last(failure: FailureBody, call: &Call, result_bytes_max: usize) -> FinalLine {
    let died = failure.died();
    let FailureBody { stack, stderr, tainted, .. } = failure;
    let worker = tainted.map(|findings| findings.get().into());
    let said = failure.limit_ms.map(Duration::from_millis);
    let message = failure.message.unwrap_or_default();
    let (location, traceback) = (failure.location.clone(), failure.traceback.clone());
    let raised = |kind| {
        let frame = ErrorFrame {
            id: failure.id,
            kind,
            class: failure.class,
            bases: failure.bases.unwrap_or_default(),
            message: message.clone(),
            location: failure.location,
            intended: failure.intended.unwrap_or_default(),
            traceback: failure.traceback,
            capability: failure.capability,
            code: failure.code,
            data: failure.data,
            printed: false,
            tainted: None,
            temp: None,
        };
        error_outcome_kind(frame, result_bytes_max, None)
    };
    let kind = match failure.kind.as_str() {
        "tool_error" => raised(ErrorKind::ToolError),
        "mcp_error" => raised(ErrorKind::McpError),
        "bad_result" => raised(ErrorKind::BadResult),
        "invalid_arguments" => raised(ErrorKind::InvalidArguments),
        "load_error" => raised(ErrorKind::LoadError),
        "output_limit" => raised(ErrorKind::OutputLimit),
        "cancelled" => raised(ErrorKind::Cancelled),
        "exited" => raised(ErrorKind::Exited),
        "signalled" => OutcomeKind::Signalled { signal: failure.signal.unwrap_or_default() },
        "oom" => OutcomeKind::OutOfMemory { limit_bytes: failure.limit_bytes, message, location, traceback },
        "timeout_total" => OutcomeKind::TimedOut { limit: total_limit(call, said) },
        "timeout_idle" => {
            let limits = call.deadline.idle().into_iter().chain(said);
            OutcomeKind::Idle { limit: limits.min().unwrap_or_default() }
        }
        "busy" => OutcomeKind::Busy { retry_after: retry_after(failure.retry_after_ms) },
        // It has resolved the call anew, as often as is sensible: nobody here knows its files better.
        "stale" => OutcomeKind::Stale { otherwise: None },
        "quarantined" => OutcomeKind::Quarantined { retry_after: retry_after(failure.retry_after_ms) },
        "shutdown" => OutcomeKind::Shutdown,
        "worker_start" => {
            OutcomeKind::WorkerStart { message, hint: "the runner's own log may say more".to_owned() }
        }
        "not_found" => OutcomeKind::NotFound { message },
        "lost" => OutcomeKind::Lost { message },
        kind if message.is_empty() => {
            OutcomeKind::Lost { message: format!("it ended as `{}`", kind.escape_debug()) }
        }
        _ => OutcomeKind::Lost { message },
    };
    FinalLine { kind, stack, stderr, worker, died }
}

/// A runner may say so much earlier that a time limit of ours is over: it counts in milliseconds.
const EARLY: Duration = Duration::from_millis(100);

/// Which limit a call has reached that a runner has stopped: its caller's, of which the runner was told what was left, or one that
/// the runner knows alone, such as that of a resource.
fn total_limit(call: &Call, said: Option<Duration>) -> Duration {
    let own = call.deadline.remaining(call.deadline.accepted());
    let left = call.deadline.remaining(Instant::now());
    match (own, left) {
        (Some(own), Some(left)) if left <= EARLY => own,
        (own, _) => said.or(own).unwrap_or_default(),
    }
}

/// How long a caller is told to wait: as long as we say ourselves where the runner does not say, and an hour at most.
fn retry_after(ms: Option<u64>) -> Duration {
    ms.map_or(OutcomeKind::RETRY_AFTER, Duration::from_millis).min(Duration::from_hours(1))
}
