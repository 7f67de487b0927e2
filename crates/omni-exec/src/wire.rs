//! How frames to and from a worker are written and read: bytes only, no I/O.
//!
//! A frame is a length (u32, little-endian) and that many bytes of JSON: an object with one member, named
//! after the frame's type. Tool arguments go down and results come up as the raw bytes they are.

use std::borrow::Cow;
use std::fmt;

use omni_call::{Answer, Call, Target, TempFiles};
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::Protected;

/// The protocol spoken here. A worker that announces another one is refused.
pub(crate) const PROTO: u32 = 2;

/// The parameters of a question at most, in bytes. Python refuses larger ones before they are sent.
pub(crate) const ASK_BYTES_MAX: usize = 1 << 20;

/// An answer at most, in bytes: what is larger is told to the tool as a failure.
pub(crate) const ANSWER_BYTES_MAX: usize = 4 << 20;

/// Questions of one call at most that wait for an answer at the same time. Python refuses more before they are sent.
pub(crate) const ASKS_OPEN_MAX: usize = 16;

const HEADER: usize = 4;

/// How a worker takes calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// One at a time, in the main thread.
    Sync,
    /// Many at a time, as tasks of one event loop.
    Async,
}

/// The first frame down: what a worker has to know before its first call.
#[derive(Debug, Serialize)]
pub(crate) struct Hello<'a> {
    pub(crate) proto: u32,
    pub(crate) mode: Mode,
    /// A status page comes with the first byte of this frame.
    pub(crate) page: bool,
    /// The key that is to stand before each frame of the worker from now on, in hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<&'a str>,
    pub(crate) root: &'a str,
    pub(crate) settings: &'a Map<String, Value>,
    /// Paths that tools are kept from writing, what they are, and whether they are secret.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(crate) protected: &'a [Protected],
    pub(crate) frame_bytes_max: usize,
    pub(crate) result_bytes_max: usize,
    /// The worker's own folder for temporary files, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) temp: Option<&'a str>,
    /// What calls leave there stays as long as the worker, instead of being removed after the call.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) temp_stays: bool,
    /// The worker is kept for what a skill has in memory.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) stateful: bool,
}

/// What a worker may say.
#[derive(Debug)]
pub(crate) enum Up<'a> {
    Ready(Ready),
    Started(Named),
    Beat(Beat),
    Progress(Progress),
    Log(Log<'a>),
    /// What a call has printed that shares its process.
    Output(OutputFrame<'a>),
    /// A question to the call's client.
    Ask(AskFrame<'a>),
    /// Nobody waits any more for the answer to a question.
    Retract(Asked),
    Result(ResultFrame<'a>),
    Error(ErrorFrame),
    /// The call was revoked before its code began.
    Skipped(Named),
    /// A type that a later version speaks.
    Unknown,
}

impl Up<'_> {
    /// The call that the frame belongs to.
    pub(crate) fn call(&self) -> Option<u64> {
        match self {
            Up::Ready(_) | Up::Unknown => None,
            Up::Started(named) | Up::Skipped(named) => Some(named.id),
            Up::Beat(beat) => Some(beat.id),
            Up::Progress(progress) => Some(progress.id),
            Up::Log(log) => Some(log.id),
            Up::Output(output) => Some(output.id),
            Up::Ask(ask) => Some(ask.id),
            Up::Retract(asked) => Some(asked.id),
            Up::Result(result) => Some(result.id),
            Up::Error(error) => Some(error.id),
        }
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Ready {
    pub(crate) proto: u32,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Named {
    pub(crate) id: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Beat {
    pub(crate) id: u64,
    /// A line for the client.
    #[serde(default)]
    pub(crate) note: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Progress {
    pub(crate) id: u64,
    pub(crate) value: f64,
    #[serde(default)]
    pub(crate) total: Option<f64>,
    #[serde(default)]
    pub(crate) message: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Log<'a> {
    pub(crate) id: u64,
    #[serde(borrow)]
    pub(crate) level: Cow<'a, str>,
    #[serde(default)]
    pub(crate) logger: Option<String>,
    #[serde(borrow)]
    pub(crate) data: &'a RawValue,
}

#[derive(Debug, Deserialize)]
pub(crate) struct OutputFrame<'a> {
    pub(crate) id: u64,
    /// `stdout` or `stderr`.
    #[serde(borrow)]
    pub(crate) stream: Cow<'a, str>,
    /// Any part of what was printed, and any number of lines.
    #[serde(borrow)]
    pub(crate) text: Cow<'a, str>,
    /// Bytes besides that were not sent.
    #[serde(default)]
    pub(crate) left_out: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct AskFrame<'a> {
    pub(crate) id: u64,
    /// The number of the question in its call, from 1 on and without gaps.
    pub(crate) ask: u64,
    /// MCP's name of what is asked for.
    #[serde(borrow)]
    pub(crate) method: Cow<'a, str>,
    /// An object.
    #[serde(borrow)]
    pub(crate) params: &'a RawValue,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    pub(crate) id: u64,
    pub(crate) ask: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ResultFrame<'a> {
    pub(crate) id: u64,
    #[serde(borrow)]
    pub(crate) content: &'a RawValue,
    #[serde(borrow, default)]
    pub(crate) structured: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) meta: Option<&'a RawValue>,
    #[serde(default)]
    pub(crate) is_error: bool,
    /// The call has printed something, which is in the pipes by now.
    #[serde(default)]
    pub(crate) printed: bool,
    /// What a program wrote to standard error, whose output says that it failed. Only a runner says it.
    #[serde(borrow, default)]
    pub(crate) stderr: Option<Cow<'a, str>>,
    /// What the call has done to its process, which must serve no other: an array of sentences.
    #[serde(borrow, default)]
    pub(crate) tainted: Option<&'a RawValue>,
    /// The result names temporary files that do not last.
    #[serde(default)]
    pub(crate) temp: Option<TempFiles>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ErrorFrame {
    pub(crate) id: u64,
    pub(crate) kind: ErrorKind,
    #[serde(default)]
    pub(crate) class: Option<String>,
    /// The classes above it, nearest first.
    #[serde(default)]
    pub(crate) bases: Vec<String>,
    #[serde(default)]
    pub(crate) message: String,
    #[serde(default)]
    pub(crate) location: Option<String>,
    #[serde(default)]
    pub(crate) intended: bool,
    #[serde(default)]
    pub(crate) traceback: Option<String>,
    #[serde(default)]
    pub(crate) code: Option<i32>,
    /// As in a result.
    #[serde(default)]
    pub(crate) printed: bool,
    #[serde(default)]
    pub(crate) tainted: Option<Box<RawValue>>,
    #[serde(default)]
    pub(crate) temp: Option<TempFiles>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ErrorKind {
    ToolError,
    BadResult,
    InvalidArguments,
    LoadError,
    Cancelled,
    Exited,
    OutputLimit,
}

/// Why bytes from a worker cannot be taken. The worker that sent them is not to be trusted any more.
#[derive(Debug, Error)]
pub(crate) enum Fault {
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
    #[error("it asked more than {ASKS_OPEN_MAX} questions of one call without reading their answers")]
    TooManyAsks,
    #[error("it asked a question of {length} bytes, the limit is {ASK_BYTES_MAX}")]
    AskTooLong { length: usize },
    #[error("something wrote to its control channel that is not the worker itself")]
    Keyless,
    #[error("it closed its control channel")]
    Closed,
    #[error("its process was stopped (SIGSTOP) and did not go on")]
    Stopped,
    /// Why the worker ended itself.
    #[error("{0}")]
    GaveUp(String),
    /// What happened to a worker that several calls shared.
    #[error("{0}")]
    Shared(String),
    #[error("its control channel failed: {0}")]
    Io(#[from] std::io::Error),
}

/// Looks at the bytes read so far: the length of the first frame's body, once its header is there.
pub(crate) fn body_length(bytes: &[u8], limit: usize) -> Result<Option<usize>, Fault> {
    let Some(header) = bytes.first_chunk::<HEADER>() else { return Ok(None) };
    // Checked before anything is allocated for it: the length is the worker's word.
    let length = u32::from_le_bytes(*header) as usize;
    if length > limit { Err(Fault::TooLong { length, limit }) } else { Ok(Some(length)) }
}

/// What stands before each frame of a worker that was told a key: whoever has found its channel does not know it.
pub(crate) type Key = [u8; 8];

/// The bytes behind the key that stands before a frame, once it is there.
pub(crate) fn behind_key<'a>(bytes: &'a [u8], key: Option<&Key>) -> Result<Option<&'a [u8]>, Fault> {
    let Some(key) = key else { return Ok(Some(bytes)) };
    let come = bytes.len().min(key.len());
    if bytes[..come] == key[..come] { Ok(bytes.get(key.len()..)) } else { Err(Fault::Keyless) }
}

/// The bytes that come before a frame's body.
pub(crate) const fn header_length() -> usize {
    HEADER
}

/// Reads one frame's body.
pub(crate) fn decode(body: &[u8]) -> Result<Up<'_>, Fault> {
    if body.contains(&b'\n') || body.contains(&b'\r') {
        return Err(Fault::LineBreak);
    }
    let up: Up<'_> = serde_json::from_slice(body)?;
    if let Up::Ask(ask) = &up {
        require(ask.params, '{', "params", "an object")?;
        let length = ask.params.get().len();
        if length > ASK_BYTES_MAX {
            return Err(Fault::AskTooLong { length });
        }
    }
    if let Up::Result(result) = &up {
        require(result.content, '[', "content", "an array")?;
        if let Some(meta) = result.meta {
            require(meta, '{', "meta", "an object")?;
        }
        if let Some(tainted) = result.tainted {
            require(tainted, '[', "tainted", "an array")?;
        }
    }
    Ok(up)
}

fn require(value: &RawValue, first: char, member: &'static str, wanted: &'static str) -> Result<(), Fault> {
    if value.get().starts_with(first) { Ok(()) } else { Err(Fault::Shape { member, wanted }) }
}

impl<'de: 'a, 'a> Deserialize<'de> for Up<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // By hand, because a derived enum refuses a variant it does not know instead of passing over it.
        deserializer.deserialize_map(UpVisitor)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum UpType {
    Ready,
    Started,
    Beat,
    Progress,
    Log,
    Output,
    Ask,
    Retract,
    Result,
    Error,
    Skipped,
    #[serde(other)]
    Unknown,
}

struct UpVisitor;

impl<'de> Visitor<'de> for UpVisitor {
    type Value = Up<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with one member named after the frame's type")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Up<'de>, A::Error> {
        let Some(frame_type) = map.next_key()? else {
            return Err(serde::de::Error::custom("a frame without a type"));
        };
        let up = match frame_type {
            UpType::Ready => Up::Ready(map.next_value()?),
            UpType::Started => Up::Started(map.next_value()?),
            UpType::Beat => Up::Beat(map.next_value()?),
            UpType::Progress => Up::Progress(map.next_value()?),
            UpType::Log => Up::Log(map.next_value()?),
            UpType::Output => Up::Output(map.next_value()?),
            UpType::Ask => Up::Ask(map.next_value()?),
            UpType::Retract => Up::Retract(map.next_value()?),
            UpType::Result => Up::Result(map.next_value()?),
            UpType::Error => Up::Error(map.next_value()?),
            UpType::Skipped => Up::Skipped(map.next_value()?),
            UpType::Unknown => {
                let body: &RawValue = map.next_value()?;
                if !body.get().starts_with('{') {
                    return Err(serde::de::Error::custom("a frame whose body is no object"));
                }
                Up::Unknown
            }
        };
        match map.next_key::<IgnoredAny>()? {
            None => Ok(up),
            Some(_) => Err(serde::de::Error::custom("a frame with two types")),
        }
    }
}

/// What a worker is told of a call that its caller did not say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) attempt: u32,
    /// The call can ask its client something: its tool has the means, and there is somebody.
    pub(crate) asks: bool,
}

impl Terms {
    /// Those of a call of whose client nothing is known.
    pub(crate) fn of(call: &Call, attempt: u32) -> Self {
        Terms { attempt, asks: call.spec.may_ask() }
    }
}

/// What of a call changes from one sending to the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sending {
    /// What the frame calls the call. A sync worker's calls are numbered by the worker they go to, so that
    /// "this one and all before it" is a single number.
    pub(crate) id: u64,
    pub(crate) terms: Terms,
    pub(crate) now: std::time::Instant,
}

/// Appends the frame that starts `call`. The target and the arguments are copied as they are.
pub(crate) fn push_call(out: &mut Vec<u8>, call: &Call, sending: Sending) {
    let start = begin(out);
    out.extend_from_slice(br#"{"call":{"id":"#);
    push_number(out, sending.id);
    out.extend_from_slice(br#","target":"#);
    out.extend_from_slice(call.spec.worker_target().as_bytes());
    out.extend_from_slice(br#","args":"#);
    out.extend_from_slice(call.arguments());
    push_terms(out, call, sending);
    out.extend_from_slice(b"}}");
    finish(out, start);
}

/// Appends the body of a request to a runner that starts `call`. It knows the tool by its name, which is its own for one
/// that it lists, and the canonical one for what stands in a folder that both have.
pub(crate) fn push_request(out: &mut Vec<u8>, call: &Call, sending: Sending) {
    out.extend_from_slice(br#"{"name":"#);
    push_string(
        out,
        match &call.spec.target {
            Target::Remote { name, .. } => name,
            Target::Python(_) | Target::Program(_) | Target::Native { .. } => &call.spec.tool,
        },
    );
    out.extend_from_slice(br#","arguments":"#);
    out.extend_from_slice(call.arguments());
    out.extend_from_slice(br#","id":"#);
    push_number(out, sending.id);
    push_terms(out, call, sending);
    // The context is the last member of the terms.
    out.pop();
    out.extend_from_slice(br#","ask":true}}"#);
}

/// Appends the members that say how long a call may take and what its caller wants to hear.
fn push_terms(out: &mut Vec<u8>, call: &Call, sending: Sending) {
    out.extend_from_slice(br#","deadline_ms":"#);
    push_millis(out, call.deadline.remaining(sending.now));
    out.extend_from_slice(br#","idle_ms":"#);
    push_millis(out, call.deadline.idle());
    out.extend_from_slice(br#","attempt":"#);
    push_number(out, sending.terms.attempt.into());
    out.extend_from_slice(if call.wants.progress {
        br#","context":{"progress":true,"log":"#
    } else {
        br#","context":{"progress":false,"log":"#
    });
    match call.wants.log {
        None => out.extend_from_slice(b"null"),
        Some(level) => push_string(out, level.name()),
    }
    out.extend_from_slice(br#","session":"#);
    push_string(out, &call.session);
    if call.spec.may_ask() && !sending.terms.asks {
        out.extend_from_slice(br#","asks":false"#);
    }
    out.push(b'}');
}

/// Appends the frame that introduces the server.
pub(crate) fn push_hello(out: &mut Vec<u8>, hello: &Hello<'_>) -> Result<(), Fault> {
    #[derive(Serialize)]
    struct Frame<'a> {
        hello: &'a Hello<'a>,
    }
    let start = begin(out);
    serde_json::to_writer(&mut *out, &Frame { hello })?;
    finish(out, start);
    Ok(())
}

/// Appends the frame that answers a question of a call. The client's result is copied as it is.
pub(crate) fn push_answer(out: &mut Vec<u8>, id: u64, ask: u64, answer: &Answer) {
    let start = begin(out);
    out.extend_from_slice(br#"{"answer":{"id":"#);
    push_number(out, id);
    out.push(b',');
    push_answer_members(out, ask, answer);
    out.extend_from_slice(b"}}");
    finish(out, start);
}

/// The body of a request that answers a question of a call at a runner.
pub(crate) fn answer_body(ask: u64, answer: &Answer) -> Vec<u8> {
    let mut out = vec![b'{'];
    push_answer_members(&mut out, ask, answer);
    out.push(b'}');
    out
}

fn push_answer_members(out: &mut Vec<u8>, ask: u64, answer: &Answer) {
    out.extend_from_slice(br#""ask":"#);
    push_number(out, ask);
    match answer {
        Answer::Result(result) => {
            out.extend_from_slice(br#","result":"#);
            out.extend_from_slice(result);
        }
        Answer::Refused { why, message } => {
            out.extend_from_slice(br#","refused":"#);
            push_string(out, why.name());
            out.extend_from_slice(br#","message":"#);
            push_string(out, message);
        }
    }
}

/// Appends the frame that asks a worker to end one call that is async, or waits for an answer.
pub(crate) fn push_cancel(out: &mut Vec<u8>, id: u64) {
    let start = begin(out);
    out.extend_from_slice(br#"{"cancel":{"id":"#);
    push_number(out, id);
    out.extend_from_slice(b"}}");
    finish(out, start);
}

/// Appends the frame that lets a worker end.
pub(crate) fn push_drain(out: &mut Vec<u8>) {
    push_body(out, br#"{"drain":{}}"#);
}

/// Appends a frame with this body.
pub(crate) fn push_body(out: &mut Vec<u8>, body: &[u8]) {
    let start = begin(out);
    out.extend_from_slice(body);
    finish(out, start);
}

fn begin(out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER]);
    start
}

/// Writes the length of the body that follows the header at `start`.
fn finish(out: &mut [u8], start: usize) {
    let length = u32::try_from(out.len() - start - HEADER).unwrap_or(u32::MAX);
    if let Some(header) = out.get_mut(start..start + HEADER) {
        header.copy_from_slice(&length.to_le_bytes());
    }
}

fn push_number(out: &mut Vec<u8>, mut number: u64) {
    // u64::MAX has 20 digits.
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

fn push_millis(out: &mut Vec<u8>, duration: Option<std::time::Duration>) {
    match duration {
        None => out.extend_from_slice(b"null"),
        Some(duration) => push_number(out, u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)),
    }
}

fn push_string(out: &mut Vec<u8>, text: &str) {
    // The plain case, which is every session id we make, without going through a serialiser.
    if text.bytes().all(|byte| (b' '..0x7f).contains(&byte) && byte != b'"' && byte != b'\\') {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        out.extend_from_slice(Value::from(text).to_string().as_bytes());
    }
}

#[cfg(test)]
mod tests;
