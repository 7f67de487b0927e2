//! The revisions of MCP: how each writes a request, and what its results may carry.
//!
//! The only place that knows a version by name. Each era decodes into the same [`Request`].

mod client;
mod legacy;
mod modern;

use std::borrow::Cow;
use std::collections::HashMap;

use bytes::Bytes;
use omni_call::{Ask, AskMethod, Completing, CompletionReference, LogLevel};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::asking::{ClientCapabilities, Question, Retry};

use crate::decode::Rejected;
use crate::error::cut;
use crate::message::{Id, RawNotification, RawRequest, is_integer};
use crate::request::{
    Action, CallTool, Cancelled, ClientInfo, GetPrompt, ItemKind, Notification, Request, RequestMeta,
};
use crate::{ErrorCode, RpcError};

pub(crate) use modern::unsupported;

/// Longest name and version of a client that are kept: they are for the log.
const CLIENT_CHARS_MAX: usize = 128;

/// Longest reason of a cancellation that is kept.
const REASON_CHARS_MAX: usize = 200;

/// Longest progress token.
const PROGRESS_TOKEN_BYTES_MAX: usize = 1024;

/// A published revision of the protocol, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Revision {
    /// The first one.
    V2024_11_05,
    V2025_03_26,
    V2025_06_18,
    V2025_11_25,
    V2026_07_28,
}

/// The two ways to open a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// An `initialize` handshake, then a session.
    Legacy,
    /// Every request carries what it needs.
    Modern,
}

/// Which members of a tool's description a revision knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ToolFields {
    /// Name, description and input schema.
    Basic,
    /// … and annotations.
    Annotated,
    /// … and title, output schema and `_meta`.
    Structured,
    /// … and icons: everything.
    All,
}

/// Whether a revision has a question, and how its clients say that they answer it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// It has no such question.
    No,
    /// It has, and clients declare it.
    Yes,
    /// It has, and there is no word for it among the capabilities.
    Undeclared,
}

/// How a client is asked something while its request is being answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskedBy {
    /// By a request of ours on its session.
    Request,
    /// By an answer that says what is missing; the client repeats its request with it.
    InputRequired,
}

impl Revision {
    const ALL: [Revision; 5] = [
        Revision::V2024_11_05,
        Revision::V2025_03_26,
        Revision::V2025_06_18,
        Revision::V2025_11_25,
        Revision::V2026_07_28,
    ];

    /// The newest revision that opens with `initialize`.
    pub const NEWEST_LEGACY: Revision = Revision::V2025_11_25;

    /// What a session without a version header speaks, by the specification of Streamable HTTP.
    pub const WITHOUT_HEADER: Revision = Revision::V2025_03_26;

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Revision::V2024_11_05 => "2024-11-05",
            Revision::V2025_03_26 => "2025-03-26",
            Revision::V2025_06_18 => "2025-06-18",
            Revision::V2025_11_25 => "2025-11-25",
            Revision::V2026_07_28 => "2026-07-28",
        }
    }

    /// The revision of that name, if we speak it.
    pub fn from_name(name: &str) -> Option<Revision> {
        Revision::ALL.into_iter().find(|revision| revision.name() == name)
    }

    /// The revision whose discriminant (`revision as u8`) that is.
    pub fn from_index(index: u8) -> Option<Revision> {
        Revision::ALL.get(usize::from(index)).copied()
    }

    pub fn era(self) -> Era {
        if self == Revision::V2026_07_28 { Era::Modern } else { Era::Legacy }
    }

    /// The names a client may put into a request's `_meta`, newest first.
    pub fn modern_names() -> Vec<&'static str> {
        let modern = Revision::ALL.into_iter().rev().filter(|revision| revision.era() == Era::Modern);
        modern.map(Revision::name).collect()
    }

    /// Whether several messages may come in one array. Only one revision had that.
    pub fn has_batches(self) -> bool {
        self == Revision::V2025_03_26
    }

    pub fn tool_fields(self) -> ToolFields {
        match self {
            Revision::V2024_11_05 => ToolFields::Basic,
            Revision::V2025_03_26 => ToolFields::Annotated,
            Revision::V2025_06_18 => ToolFields::Structured,
            Revision::V2025_11_25 | Revision::V2026_07_28 => ToolFields::All,
        }
    }

    /// How a client of this revision is asked something.
    pub fn asked_by(self) -> AskedBy {
        match self {
            Revision::V2024_11_05 | Revision::V2025_03_26 | Revision::V2025_06_18 | Revision::V2025_11_25 => {
                AskedBy::Request
            }
            Revision::V2026_07_28 => AskedBy::InputRequired,
        }
    }

    /// Whether it has that question.
    pub(crate) fn knows(self, question: Question) -> Known {
        use Question::{ElicitForm, ElicitUrl, ListRoots, Sample, SampleContext, SampleTools};
        match self {
            Revision::V2024_11_05 | Revision::V2025_03_26 => match question {
                Sample | ListRoots => Known::Yes,
                SampleContext => Known::Undeclared,
                ElicitForm | ElicitUrl | SampleTools => Known::No,
            },
            Revision::V2025_06_18 => match question {
                ElicitForm | Sample | ListRoots => Known::Yes,
                SampleContext => Known::Undeclared,
                ElicitUrl | SampleTools => Known::No,
            },
            Revision::V2025_11_25 | Revision::V2026_07_28 => Known::Yes,
        }
    }

    /// The parameters of a question as this revision has them. `name`, a JSON string, names this one question among
    /// ours.
    pub(crate) fn ask_params(self, ask: &Ask, name: &[u8]) -> Bytes {
        let change = |change: &dyn Fn(&mut Map<String, Value>)| {
            let params = serde_json::from_slice::<Map<String, Value>>(&ask.params);
            let changed = params.ok().and_then(|mut params| {
                change(&mut params);
                serde_json::to_vec(&params).ok()
            });
            changed.map_or_else(|| ask.params.clone(), Bytes::from)
        };
        match (self, ask.method) {
            // Forms were all there was, so there was no word for them.
            (Revision::V2025_06_18, AskMethod::Elicit) => change(&|params| {
                params.remove("mode");
            }),
            (Revision::V2025_11_25, AskMethod::Elicit) => change(&|params| {
                if params.get("mode").is_some_and(|mode| mode == "url") {
                    let name = || serde_json::from_slice(name).unwrap_or_default();
                    params.entry("elicitationId").or_insert_with(name);
                }
            }),
            (
                Revision::V2024_11_05
                | Revision::V2025_03_26
                | Revision::V2025_06_18
                | Revision::V2025_11_25
                | Revision::V2026_07_28,
                AskMethod::Elicit | AskMethod::Sample | AskMethod::ListRoots,
            ) => ask.params.clone(),
        }
    }

    /// Whether results carry structured content.
    pub(crate) fn has_structured_content(self) -> bool {
        self >= Revision::V2025_06_18
    }

    /// Whether structured content may be something other than an object.
    pub(crate) fn structured_content_is_any_json(self) -> bool {
        self.era() == Era::Modern
    }

    /// Whether a progress notification may carry a message.
    pub(crate) fn has_progress_message(self) -> bool {
        self >= Revision::V2025_03_26
    }

    /// What an unknown resource is refused with.
    pub(crate) fn resource_not_found(self) -> ErrorCode {
        match self.era() {
            Era::Legacy => ErrorCode::ResourceNotFound,
            Era::Modern => ErrorCode::InvalidParams,
        }
    }

    /// Whether a request for completions may say which other arguments are known.
    pub(crate) fn has_completion_context(self) -> bool {
        self >= Revision::V2025_06_18
    }

    /// Whether the answer to `initialize` may carry instructions for the model.
    pub(crate) fn has_instructions(self) -> bool {
        self >= Revision::V2025_03_26
    }
}

impl Request {
    /// Reads a request's parameters.
    ///
    /// A request whose `_meta` names a protocol version is a modern one, whatever came before on the
    /// connection; any other is read as the `session`'s revision. Without a session only `initialize` and
    /// `ping` can be read.
    pub fn read(raw: RawRequest, session: Option<Revision>) -> Result<Request, Rejected> {
        Request::read_in(raw, || Ok(session))
    }

    /// Reads a request whose session is looked up only if its era has sessions. A refusal of `session` is the
    /// request's.
    pub fn read_in(
        raw: RawRequest,
        session: impl FnOnce() -> Result<Option<Revision>, RpcError>,
    ) -> Result<Request, Rejected> {
        let RawRequest { id, method, params } = raw;
        let read = || {
            let mut parsed: Params<'_> = match &params {
                None => Params::default(),
                Some(text) => serde_json::from_slice(text)
                    .map_err(|error| invalid(format!("`params` of `{method}` cannot be read: {error}")))?,
            };
            parsed.text = params.clone().unwrap_or_default();
            let params = parsed;
            let names_version = params.meta.as_ref().is_some_and(|meta| meta.protocol_version.is_some());
            if names_version {
                modern::read(&method, params)
            } else {
                legacy::read(&method, params, session()?)
            }
        };
        match read() {
            Ok(Parts { revision, action, meta }) => {
                let meta = meta.own(params.as_ref());
                Ok(Request { id, revision, method, action, meta })
            }
            Err(error) => Err(Rejected { id: Some(id), error }),
        }
    }
}

/// Reads the parameters of `completion/complete` as the newest revision has them.
///
/// # Errors
/// They are not what the specification says.
pub fn read_completing(params: &Bytes) -> Result<Completing, RpcError> {
    let mut parsed: Params<'_> = serde_json::from_slice(params)
        .map_err(|error| invalid(format!("what is to be completed cannot be read: {error}")))?;
    parsed.text = params.clone();
    completing(&parsed, Revision::NEWEST_MODERN)
}

impl Notification {
    /// Reads a notification. One that is malformed is ignored, since nobody waits for an answer.
    pub fn read(raw: &RawNotification) -> Notification {
        match &*raw.method {
            "notifications/initialized" => Notification::Initialized,
            "notifications/cancelled" => {
                cancelled(raw.params.as_ref()).map_or(Notification::Other, Notification::Cancelled)
            }
            _ => Notification::Other,
        }
    }
}

fn cancelled(params: Option<&Bytes>) -> Option<Cancelled> {
    #[derive(Deserialize)]
    struct CancelledParams<'a> {
        #[serde(borrow, rename = "requestId")]
        request: &'a RawValue,
        reason: Option<String>,
    }
    let text = params?;
    let CancelledParams { request, reason } = serde_json::from_slice(text).ok()?;
    let reason = reason.map(|reason| cut(reason, REASON_CHARS_MAX));
    Some(Cancelled { request: Id::parse(&text.slice_ref(request.get().as_bytes()))?, reason })
}

/// A request read by one era, its metadata still borrowed.
struct Parts<'a> {
    revision: Revision,
    action: Action,
    meta: MetaParts<'a>,
}

/// The members of `params` that any method of ours reads.
#[derive(Default, Deserialize)]
struct Params<'a> {
    #[serde(borrow, rename = "_meta")]
    meta: Option<Meta<'a>>,
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow)]
    cursor: Option<Cow<'a, str>>,
    #[serde(borrow)]
    uri: Option<&'a RawValue>,
    #[serde(borrow)]
    notifications: Option<&'a RawValue>,
    #[serde(borrow)]
    level: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "ref")]
    reference: Option<&'a RawValue>,
    #[serde(borrow)]
    argument: Option<&'a RawValue>,
    #[serde(borrow)]
    context: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "requestState", deserialize_with = "present")]
    request_state: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "inputResponses", deserialize_with = "present")]
    input_responses: Option<&'a RawValue>,
    #[serde(borrow, rename = "protocolVersion")]
    protocol_version: Option<Cow<'a, str>>,
    #[serde(borrow)]
    capabilities: Option<&'a RawValue>,
    #[serde(rename = "clientInfo")]
    client_info: Option<WireClientInfo>,
    /// The text that all of this was read from, to cut pieces out of without copying.
    #[serde(skip)]
    text: Bytes,
}

/// A member whose absence is one thing and whose null another.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// The reserved keys of `_meta`.
#[derive(Default, Deserialize)]
struct Meta<'a> {
    #[serde(borrow, rename = "progressToken")]
    progress_token: Option<&'a RawValue>,
    #[serde(borrow, rename = "io.modelcontextprotocol/protocolVersion")]
    protocol_version: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "io.modelcontextprotocol/clientCapabilities")]
    client_capabilities: Option<&'a RawValue>,
    #[serde(rename = "io.modelcontextprotocol/clientInfo")]
    client_info: Option<WireClientInfo>,
    #[serde(borrow, rename = "io.modelcontextprotocol/logLevel")]
    log_level: Option<Cow<'a, str>>,
    /// Ours. Only `true` says something.
    #[serde(borrow, rename = "omni/timing")]
    timing: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct WireClientInfo {
    #[serde(default)]
    name: String,
    #[serde(default)]
    version: String,
}

impl From<WireClientInfo> for ClientInfo {
    fn from(wire: WireClientInfo) -> Self {
        ClientInfo { name: cut(wire.name, CLIENT_CHARS_MAX), version: cut(wire.version, CLIENT_CHARS_MAX) }
    }
}

/// [`RequestMeta`] before its token is cut out of the frame.
#[derive(Default)]
struct MetaParts<'a> {
    progress_token: Option<&'a RawValue>,
    log_level: Option<LogLevel>,
    timing: bool,
    client: Option<ClientInfo>,
    capabilities: ClientCapabilities,
    retry: Option<Box<Retry>>,
}

impl MetaParts<'_> {
    fn own(self, params: Option<&Bytes>) -> RequestMeta {
        let token =
            self.progress_token.zip(params).map(|(token, text)| text.slice_ref(token.get().as_bytes()));
        RequestMeta {
            progress_token: token,
            log_level: self.log_level,
            timing: self.timing,
            client: self.client,
            capabilities: self.capabilities,
            retry: self.retry,
        }
    }
}

/// Whether a request asks how long its call waited and ran.
fn timing(meta: Option<&Meta<'_>>) -> bool {
    meta.and_then(|meta| meta.timing).is_some_and(|timing| timing.get() == "true")
}

fn invalid(message: impl Into<String>) -> RpcError {
    RpcError::new(ErrorCode::InvalidParams, message)
}

pub(crate) fn method_not_found(method: &str) -> RpcError {
    let method: String = method.chars().take(100).collect();
    RpcError::new(ErrorCode::MethodNotFound, format!("method `{method}` not found"))
}

/// A progress token is a string or a number; anything else is refused rather than echoed.
fn progress_token<'a>(meta: Option<&Meta<'a>>) -> Result<Option<&'a RawValue>, RpcError> {
    let Some(token) = meta.and_then(|meta| meta.progress_token) else { return Ok(None) };
    if token.get().len() > PROGRESS_TOKEN_BYTES_MAX {
        // It comes back with each notification.
        return Err(invalid(format!(
            "`_meta.progressToken` may have {PROGRESS_TOKEN_BYTES_MAX} bytes at most"
        )));
    }
    match token.get().as_bytes() {
        [b'"', ..] => Ok(Some(token)),
        number if is_integer(number) => Ok(Some(token)),
        _ => Err(invalid("`_meta.progressToken` must be a string or an integer")),
    }
}

fn log_level(name: &str, at: &str) -> Result<LogLevel, RpcError> {
    name.parse().map_err(|()| {
        let names: Vec<_> = LogLevel::ALL.into_iter().map(LogLevel::name).collect();
        invalid(format!("`{at}` is `{name}`, not one of {}", names.join(", ")))
    })
}

/// Reads a method that both eras have and write alike; `None` for any other.
fn shared(method: &str, params: Params<'_>, revision: Revision) -> Option<Result<Action, RpcError>> {
    let cursor = |params: Params<'_>| params.cursor.map(Cow::into_owned);
    let list = |kind, params| Action::List { kind, cursor: cursor(params) };
    Some(match method {
        "tools/list" => Ok(Action::ListTools { cursor: cursor(params) }),
        "tools/call" => call_tool(params),
        "resources/list" => Ok(list(ItemKind::Resource, params)),
        "resources/templates/list" => Ok(list(ItemKind::ResourceTemplate, params)),
        "resources/read" => read_resource(&params),
        "prompts/list" => Ok(list(ItemKind::Prompt, params)),
        "prompts/get" => get_prompt(params),
        "completion/complete" => {
            completing(&params, revision).map(|completing| Action::Complete(Box::new(completing)))
        }
        _ => return None,
    })
}

fn call_tool(params: Params<'_>) -> Result<Action, RpcError> {
    let arguments = arguments(&params)?;
    let Some(name) = params.name else { return Err(invalid("`params.name` is missing: which tool?")) };
    Ok(Action::CallTool(CallTool { name: name.into_owned(), arguments }))
}

fn read_resource(params: &Params<'_>) -> Result<Action, RpcError> {
    let uri = params.uri.and_then(|uri| serde_json::from_str(uri.get()).ok());
    uri.map(|uri| Action::ReadResource { uri })
        .ok_or_else(|| invalid("`params.uri` must be a string: which resource?"))
}

fn get_prompt(params: Params<'_>) -> Result<Action, RpcError> {
    let arguments = arguments(&params)?;
    if !arguments.as_ref().is_none_or(|text| are_strings(text)) {
        return Err(invalid("`params.arguments` of a prompt must be an object whose values are strings"));
    }
    let Some(name) = params.name else { return Err(invalid("`params.name` is missing: which prompt?")) };
    Ok(Action::GetPrompt(GetPrompt { name: name.into_owned(), arguments }))
}

fn completing(params: &Params<'_>, revision: Revision) -> Result<Completing, RpcError> {
    #[derive(Deserialize)]
    struct Reference<'a> {
        #[serde(borrow, rename = "type")]
        kind: Cow<'a, str>,
        name: Option<String>,
        uri: Option<String>,
    }
    #[derive(Deserialize)]
    struct Argument {
        name: String,
        value: String,
    }
    #[derive(Deserialize)]
    struct Context<'a> {
        #[serde(borrow)]
        arguments: Option<&'a RawValue>,
    }
    // A list would be read as the members in their order.
    let object = |value: Option<&'_ RawValue>| value.is_some_and(|value| value.get().starts_with('{'));
    let text = |value: Option<&'_ RawValue>| value.map_or("", RawValue::get).to_owned();
    if !object(params.reference) {
        return Err(invalid("`params.ref` must be an object: of which prompt, or which resource?"));
    }
    let reference = text(params.reference);
    let reference: Reference<'_> = serde_json::from_str(&reference)
        .map_err(|error| invalid(format!("`params.ref` cannot be read: {error}")))?;
    let missing =
        |member: &str, kind: &str| invalid(format!("`params.ref.{member}` is missing: which {kind}?"));
    let reference = match &*reference.kind {
        "ref/prompt" => {
            CompletionReference::Prompt { name: reference.name.ok_or_else(|| missing("name", "prompt"))? }
        }
        "ref/resource" => {
            CompletionReference::Resource { uri: reference.uri.ok_or_else(|| missing("uri", "resource"))? }
        }
        other => {
            let other = cut(other.to_owned(), 60);
            return Err(invalid(format!(
                "`params.ref.type` is `{other}`, not `ref/prompt` or `ref/resource`"
            )));
        }
    };
    if !object(params.argument) {
        return Err(invalid("`params.argument` must be an object: which argument, and what is there of it?"));
    }
    let Argument { name: argument, value } = serde_json::from_str(&text(params.argument))
        .map_err(|error| invalid(format!("`params.argument` cannot be read: {error}")))?;
    // A revision that has no context passes over it like over any member that it does not know.
    let given = params.context.filter(|given| revision.has_completion_context() && given.get() != "null");
    let context = match given {
        None => None,
        Some(_) if !object(given) => return Err(invalid("`params.context` must be an object")),
        Some(given) => {
            let Context { arguments } = serde_json::from_str(given.get())
                .map_err(|error| invalid(format!("`params.context` cannot be read: {error}")))?;
            arguments.map(|arguments| params.text.slice_ref(arguments.get().as_bytes()))
        }
    };
    if !context.as_ref().is_none_or(|text| are_strings(text)) {
        return Err(invalid("`params.context.arguments` must be an object whose values are strings"));
    }
    Ok(Completing { reference, argument, value, context })
}

/// Whether that is a JSON object of strings.
fn are_strings(text: &[u8]) -> bool {
    serde_json::from_slice::<HashMap<Cow<'_, str>, Cow<'_, str>>>(text).is_ok()
}

/// The arguments as they stand in the frame.
fn arguments(params: &Params<'_>) -> Result<Option<Bytes>, RpcError> {
    match params.arguments.map(RawValue::get) {
        // Some clients send null for "none".
        None | Some("null") => Ok(None),
        Some(text) if text.starts_with('{') => Ok(Some(params.text.slice_ref(text.as_bytes()))),
        Some(_) => Err(invalid("`params.arguments` must be an object")),
    }
}

#[cfg(test)]
mod tests;
