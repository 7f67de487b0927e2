//! The frames that a worker sends, and how they are decoded. What they mean is said by `attempt/frame_reader.rs`.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use omni_call::{Ask, Event, Question, TempFiles};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::error::WireError;

/// A JSON value of a frame that may be kept longer than the frame.
#[derive(Clone, Debug)]
pub(crate) enum JsonPart<'a> {
    /// It lies in the frame's body.
    Read(&'a RawValue),
    /// It shares the memory of a large frame, which was read before.
    Shared(Bytes),
}

impl JsonPart<'_> {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            JsonPart::Read(value) => value.get().as_bytes(),
            JsonPart::Shared(bytes) => bytes,
        }
    }

    /// The same without the borrow. `body` is the frame that it was read from.
    fn shared(self, body: &Bytes) -> JsonPart<'static> {
        JsonPart::Shared(match self {
            JsonPart::Read(value) => body.slice_ref(value.get().as_bytes()),
            JsonPart::Shared(bytes) => bytes,
        })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for JsonPart<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&RawValue>::deserialize(deserializer).map(JsonPart::Read)
    }
}

/// What a worker may say.
#[derive(Debug)]
pub(crate) enum WorkerMessage<'a> {
    Ready(ReadyFrame),
    Started(CallIdFrame),
    Beat(BeatFrame),
    Progress(ProgressFrame),
    Log(LogFrame<'a>),
    /// What a call has printed that shares its process with others.
    Output(OutputFrame<'a>),
    /// A question to the call's client.
    Ask(AskFrame<'a>),
    /// The call does not wait for the answer to a question any more.
    Retract(RetractFrame),
    /// A resource has other content now.
    ResourceUpdated(ResourceUpdatedFrame),
    /// The client is to have something from now on.
    Show(NameFrame),
    /// The client is not to have something any more.
    Hide(NameFrame),
    Result(ResultFrame<'a>),
    Error(ErrorFrame),
    /// The call was revoked before its code began.
    Skipped(CallIdFrame),
    /// The worker has other files of the call's skill than the call means, and has run nothing.
    Stale(StaleFrame),
    /// A type that a later version speaks.
    Unknown,
}

impl WorkerMessage<'_> {
    /// The call that the frame belongs to.
    pub(crate) fn call(&self) -> Option<u64> {
        match self {
            WorkerMessage::Ready(_) | WorkerMessage::Unknown => None,
            WorkerMessage::Started(named) | WorkerMessage::Skipped(named) => Some(named.id),
            WorkerMessage::Stale(stale) => Some(stale.id),
            WorkerMessage::Beat(beat) => Some(beat.id),
            WorkerMessage::Progress(progress) => Some(progress.id),
            WorkerMessage::Log(log) => Some(log.id),
            WorkerMessage::Output(output) => Some(output.id),
            WorkerMessage::Ask(ask) => Some(ask.id),
            WorkerMessage::Retract(asked) => Some(asked.id),
            WorkerMessage::ResourceUpdated(updated) => Some(updated.id),
            WorkerMessage::Show(named) | WorkerMessage::Hide(named) => Some(named.id),
            WorkerMessage::Result(result) => Some(result.id),
            WorkerMessage::Error(error) => Some(error.id),
        }
    }

    /// The same message with parts that share the memory of `body`, which it was read from.
    fn shared(self, body: &Bytes) -> WorkerMessage<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        let part = |part: JsonPart<'_>| part.shared(body);
        match self {
            WorkerMessage::Ready(ready) => WorkerMessage::Ready(ready),
            WorkerMessage::Started(named) => WorkerMessage::Started(named),
            WorkerMessage::Beat(beat) => WorkerMessage::Beat(beat),
            WorkerMessage::Progress(progress) => WorkerMessage::Progress(progress),
            WorkerMessage::Log(LogFrame { id, level, logger, data }) => {
                WorkerMessage::Log(LogFrame { id, level: owned(level), logger, data: part(data) })
            }
            WorkerMessage::Output(OutputFrame { id, stream, text, left_out }) => {
                WorkerMessage::Output(OutputFrame { id, stream: owned(stream), text: owned(text), left_out })
            }
            WorkerMessage::Ask(AskFrame { id, ask, key, method, params }) => {
                WorkerMessage::Ask(AskFrame { id, ask, key, method: owned(method), params: part(params) })
            }
            WorkerMessage::Retract(asked) => WorkerMessage::Retract(asked),
            WorkerMessage::ResourceUpdated(updated) => WorkerMessage::ResourceUpdated(updated),
            WorkerMessage::Show(named) => WorkerMessage::Show(named),
            WorkerMessage::Hide(named) => WorkerMessage::Hide(named),
            WorkerMessage::Result(result) => WorkerMessage::Result(ResultFrame {
                content: part(result.content),
                structured: result.structured.map(part),
                meta: result.meta.map(part),
                description: result.description.map(owned),
                stderr: result.stderr.map(owned),
                tainted: result.tainted.map(part),
                id: result.id,
                is_error: result.is_error,
                total: result.total,
                has_more: result.has_more,
                printed: result.printed,
                temp: result.temp,
            }),
            WorkerMessage::Error(error) => WorkerMessage::Error(error),
            WorkerMessage::Skipped(named) => WorkerMessage::Skipped(named),
            WorkerMessage::Stale(stale) => WorkerMessage::Stale(stale),
            WorkerMessage::Unknown => WorkerMessage::Unknown,
        }
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct ReadyFrame {
    pub(crate) proto: u32,
}

#[derive(Debug, Deserialize)]
pub(crate) struct StaleFrame {
    pub(crate) id: u64,
    /// The digest over the files that it has found or loaded.
    #[serde(default)]
    pub(crate) digest: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct CallIdFrame {
    pub(crate) id: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct BeatFrame {
    pub(crate) id: u64,
    /// A line for the client.
    #[serde(default)]
    pub(crate) note: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ProgressFrame {
    pub(crate) id: u64,
    pub(crate) value: f64,
    #[serde(default)]
    pub(crate) total: Option<f64>,
    #[serde(default)]
    pub(crate) message: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct LogFrame<'a> {
    pub(crate) id: u64,
    #[serde(borrow)]
    pub(crate) level: Cow<'a, str>,
    #[serde(default)]
    pub(crate) logger: Option<String>,
    #[serde(borrow)]
    pub(crate) data: JsonPart<'a>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct OutputFrame<'a> {
    pub(crate) id: u64,
    /// `stdout` or `stderr`.
    #[serde(borrow)]
    pub(crate) stream: Cow<'a, str>,
    /// A piece of what was printed, which may begin and end anywhere in a line.
    #[serde(borrow)]
    pub(crate) text: Cow<'a, str>,
    /// How many more bytes were printed that were not sent.
    #[serde(default)]
    pub(crate) left_out: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct AskFrame<'a> {
    pub(crate) id: u64,
    /// The number of the question in its call, from 1 on and without gaps.
    pub(crate) ask: u64,
    /// What the tool calls the question, if it does.
    #[serde(default)]
    pub(crate) key: Option<Box<str>>,
    /// MCP's name of what is asked for.
    #[serde(borrow)]
    pub(crate) method: Cow<'a, str>,
    /// An object.
    #[serde(borrow)]
    pub(crate) params: JsonPart<'a>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct RetractFrame {
    pub(crate) id: u64,
    pub(crate) ask: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ResourceUpdatedFrame {
    pub(crate) id: u64,
    pub(crate) uri: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct NameFrame {
    pub(crate) id: u64,
    /// Of a tool or prompt, or a resource's URI.
    pub(crate) name: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ResultFrame<'a> {
    pub(crate) id: u64,
    /// An array: content blocks of a tool, contents of a resource, messages of a prompt, values of a completion.
    #[serde(borrow)]
    pub(crate) content: JsonPart<'a>,
    #[serde(borrow, default)]
    pub(crate) structured: Option<JsonPart<'a>>,
    #[serde(borrow, default)]
    pub(crate) meta: Option<JsonPart<'a>>,
    #[serde(default)]
    pub(crate) is_error: bool,
    /// Of a prompt: what it is about, where its function says so.
    #[serde(borrow, default)]
    pub(crate) description: Option<Cow<'a, str>>,
    /// Of a completion: how many values there are in all, and whether there are more than those.
    #[serde(default)]
    pub(crate) total: Option<u64>,
    #[serde(default)]
    pub(crate) has_more: Option<bool>,
    /// The call has printed something, which has been written to the pipes before this frame.
    #[serde(default)]
    pub(crate) printed: bool,
    /// What a program wrote to standard error whose result is an error. Only runners send it.
    #[serde(borrow, default)]
    pub(crate) stderr: Option<Cow<'a, str>>,
    /// What the call has done to its process, which must serve no other: an array of sentences.
    #[serde(borrow, default)]
    pub(crate) tainted: Option<JsonPart<'a>>,
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
    /// Of a process that ended, or JSON-RPC's of an error of the protocol.
    /// What the client has not declared, without which it could not be asked something. One that is not known means
    /// nothing.
    #[serde(default, deserialize_with = "capability")]
    pub(crate) capability: Option<Question>,
    #[serde(default)]
    pub(crate) code: Option<i32>,
    /// Of an error of the protocol: any JSON value.
    #[serde(default)]
    pub(crate) data: Option<Box<RawValue>>,
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
    /// An error of the protocol, which the request is answered with.
    McpError,
    BadResult,
    InvalidArguments,
    LoadError,
    Cancelled,
    Exited,
    OutputLimit,
    /// There is nothing of that URI or name, says a function that is no tool's.
    NotFound,
}

/// Reads the name of a capability.
pub(crate) fn capability<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Question>, D::Error> {
    let name = Option::<Cow<'_, str>>::deserialize(deserializer)?;
    Ok(name.and_then(|name| Question::from_capability(&name)))
}

/// Reads the body of a large frame. What is kept of it shares its memory.
pub(crate) fn decode_large(body: &Bytes) -> Result<WorkerMessage<'static>, WireError> {
    decode(body).map(|message| message.shared(body))
}

/// Reads one frame's body.
pub(crate) fn decode(body: &[u8]) -> Result<WorkerMessage<'_>, WireError> {
    if body.contains(&b'\n') || body.contains(&b'\r') {
        return Err(WireError::LineBreak);
    }
    let up: WorkerMessage<'_> = serde_json::from_slice(body)?;
    if let WorkerMessage::Ask(ask) = &up {
        require(&ask.params, b'{', "params", "an object")?;
        let length = ask.params.bytes().len();
        if length > Ask::BYTES_MAX {
            return Err(WireError::AskTooLong { length });
        }
        if let Some(key) = &ask.key
            && !(1..=Ask::KEY_BYTES_MAX).contains(&key.len())
        {
            return Err(WireError::AskKey { length: key.len() });
        }
    }
    let name = match &up {
        WorkerMessage::ResourceUpdated(updated) => &updated.uri,
        WorkerMessage::Show(named) | WorkerMessage::Hide(named) => &named.name,
        _ => "",
    };
    if name.len() > Event::NAME_BYTES_MAX {
        return Err(WireError::NameTooLong { length: name.len() });
    }
    if let WorkerMessage::Result(result) = &up {
        require(&result.content, b'[', "content", "an array")?;
        if let Some(meta) = &result.meta {
            require(meta, b'{', "meta", "an object")?;
        }
        if let Some(tainted) = &result.tainted {
            require(tainted, b'[', "tainted", "an array")?;
        }
    }
    Ok(up)
}

fn require(
    value: &JsonPart<'_>,
    first: u8,
    member: &'static str,
    wanted: &'static str,
) -> Result<(), WireError> {
    if value.bytes().first() == Some(&first) { Ok(()) } else { Err(WireError::Shape { member, wanted }) }
}

impl<'de: 'a, 'a> Deserialize<'de> for WorkerMessage<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // By hand, because a derived enum refuses a variant it does not know instead of passing over it.
        deserializer.deserialize_map(WorkerMessageVisitor)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum WorkerMessageType {
    Ready,
    Started,
    Beat,
    Progress,
    Log,
    Output,
    Ask,
    Retract,
    ResourceUpdated,
    Show,
    Hide,
    Result,
    Error,
    Skipped,
    Stale,
    #[serde(other)]
    Unknown,
}

struct WorkerMessageVisitor;

impl<'de> Visitor<'de> for WorkerMessageVisitor {
    type Value = WorkerMessage<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with one member named after the frame's type")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<WorkerMessage<'de>, A::Error> {
        let Some(frame_type) = map.next_key()? else {
            return Err(serde::de::Error::custom("a frame without a type"));
        };
        let up = match frame_type {
            WorkerMessageType::Ready => WorkerMessage::Ready(map.next_value()?),
            WorkerMessageType::Started => WorkerMessage::Started(map.next_value()?),
            WorkerMessageType::Beat => WorkerMessage::Beat(map.next_value()?),
            WorkerMessageType::Progress => WorkerMessage::Progress(map.next_value()?),
            WorkerMessageType::Log => WorkerMessage::Log(map.next_value()?),
            WorkerMessageType::Output => WorkerMessage::Output(map.next_value()?),
            WorkerMessageType::Ask => WorkerMessage::Ask(map.next_value()?),
            WorkerMessageType::Retract => WorkerMessage::Retract(map.next_value()?),
            WorkerMessageType::ResourceUpdated => WorkerMessage::ResourceUpdated(map.next_value()?),
            WorkerMessageType::Show => WorkerMessage::Show(map.next_value()?),
            WorkerMessageType::Hide => WorkerMessage::Hide(map.next_value()?),
            WorkerMessageType::Result => WorkerMessage::Result(map.next_value()?),
            WorkerMessageType::Error => WorkerMessage::Error(map.next_value()?),
            WorkerMessageType::Skipped => WorkerMessage::Skipped(map.next_value()?),
            WorkerMessageType::Stale => WorkerMessage::Stale(map.next_value()?),
            WorkerMessageType::Unknown => {
                let body: &RawValue = map.next_value()?;
                if !body.get().starts_with('{') {
                    return Err(serde::de::Error::custom("a frame whose body is no object"));
                }
                WorkerMessage::Unknown
            }
        };
        match map.next_key::<IgnoredAny>()? {
            None => Ok(up),
            Some(_) => Err(serde::de::Error::custom("a frame with two types")),
        }
    }
}
