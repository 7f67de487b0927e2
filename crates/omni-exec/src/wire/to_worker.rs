//! The frames that a worker is sent, and the requests that a runner is sent. What belongs to a call is copied as bytes.

use std::borrow::Cow;

use omni_call::{Answer, Call, CallRequest, Target};
use serde::Serialize;
use serde_json::{Map, Value};

use super::error::WireError;
use super::frame::{begin, finish, push_body};
use crate::Protected;

/// How a worker takes calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum WorkerMode {
    /// One at a time, in the main thread.
    Sync,
    /// Many at a time, as tasks of one event loop.
    Async,
}

/// The first frame down: what a worker has to know before its first call.
#[derive(Debug, Serialize)]
pub(crate) struct ServerHello<'a> {
    pub(crate) proto: u32,
    pub(crate) mode: WorkerMode,
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

/// What a worker is told about an attempt, besides the call itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AttemptInfo {
    pub(crate) attempt: u32,
    /// The call can ask its client something: its tool takes the call's context, and the client can be asked.
    pub(crate) asks: bool,
}

impl AttemptInfo {
    /// For a call of which it is not known whether its client can be asked.
    pub(crate) fn of(call: &Call, attempt: u32) -> Self {
        AttemptInfo { attempt, asks: call.spec.may_ask() }
    }
}

/// What a call's frame says besides the call: it differs each time that the call is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DispatchInfo {
    /// The number of the call on this channel. A sync worker's calls are numbered in the order of sending, so that
    /// "this call and all before it" is a single number.
    pub(crate) id: u64,
    pub(crate) info: AttemptInfo,
    pub(crate) now: std::time::Instant,
}

/// Appends the frame that starts `call`. The target and the arguments are copied as they are.
pub(crate) fn push_call(out: &mut Vec<u8>, call: &Call, sending: DispatchInfo) {
    let start = begin(out);
    out.extend_from_slice(br#"{"call":{"id":"#);
    push_number(out, sending.id);
    out.extend_from_slice(br#","target":"#);
    out.extend_from_slice(call.spec.worker_target().as_bytes());
    out.extend_from_slice(br#","args":"#);
    out.extend_from_slice(&function_arguments(call));
    push_terms(out, call, sending);
    if let CallRequest::Resource { uri, .. } = &call.request {
        out.extend_from_slice(br#","uri":"#);
        push_string(out, uri);
    }
    out.extend_from_slice(b"}}");
    finish(out, start);
}

/// What the function is called with, a JSON object: the arguments or variables as they came; of a completion what was
/// typed, and what is known besides.
fn function_arguments(call: &Call) -> Cow<'_, [u8]> {
    let CallRequest::Completion(completing) = &call.request else { return Cow::Borrowed(call.arguments()) };
    let mut out = br#"{"value":"#.to_vec();
    push_string(&mut out, &completing.value);
    if let Some(known) = &completing.context {
        out.extend_from_slice(br#","context":"#);
        out.extend_from_slice(known);
    }
    out.push(b'}');
    Cow::Owned(out)
}

/// Appends the body of the request that has a runner start `call`. The runner is sent the tool's name: the one that it
/// lists itself or, for a tool in a folder that both have, the canonical one.
pub(crate) fn push_request(out: &mut Vec<u8>, call: &Call, sending: DispatchInfo) {
    out.extend_from_slice(br#"{"name":"#);
    push_string(
        out,
        match &call.spec.target {
            Target::Remote { name, .. } => name,
            Target::Python(_) | Target::Program(_) | Target::File(_) | Target::Native { .. } => {
                &call.spec.tool
            }
        },
    );
    out.extend_from_slice(br#","arguments":"#);
    out.extend_from_slice(call.arguments());
    out.extend_from_slice(br#","id":"#);
    push_number(out, sending.id);
    push_terms(out, call, sending);
    // Reopens the context, which `push_terms` has written last.
    out.pop();
    out.extend_from_slice(br#","ask":true}}"#);
}

/// Appends the members that say how long a call may take and what its caller wants to hear.
fn push_terms(out: &mut Vec<u8>, call: &Call, sending: DispatchInfo) {
    out.extend_from_slice(br#","deadline_ms":"#);
    push_millis(out, call.deadline.remaining(sending.now));
    out.extend_from_slice(br#","idle_ms":"#);
    push_millis(out, call.deadline.idle());
    out.extend_from_slice(br#","attempt":"#);
    push_number(out, sending.info.attempt.into());
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
    if call.spec.may_ask() && !sending.info.asks {
        out.extend_from_slice(br#","asks":false"#);
    }
    if let Some(origin) = &call.origin {
        out.extend_from_slice(br#","request":"#);
        push_string(out, &origin.request_id);
        out.extend_from_slice(br#","client":"#);
        out.extend_from_slice(origin.client.as_bytes());
    }
    out.push(b'}');
}

/// Appends the first frame to a worker.
pub(crate) fn push_hello(out: &mut Vec<u8>, hello: &ServerHello<'_>) -> Result<(), WireError> {
    #[derive(Serialize)]
    struct Frame<'a> {
        hello: &'a ServerHello<'a>,
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

/// Appends the frame that asks a worker to exit.
pub(crate) fn push_drain(out: &mut Vec<u8>) {
    push_body(out, br#"{"drain":{}}"#);
}

pub(super) fn push_number(out: &mut Vec<u8>, mut number: u64) {
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
