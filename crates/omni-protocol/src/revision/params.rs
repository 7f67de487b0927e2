//! The members of `params` that any method of ours reads, and the methods that both eras write alike.

use std::borrow::Cow;
use std::collections::HashMap;

use bytes::Bytes;
use omni_call::{Completing, CompletionReference, LogLevel};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::refusal::invalid;
use super::table::Revision;
use crate::RpcError;
use crate::asking::{ClientCapabilities, InputResponses};
use crate::error::truncate_chars;
use crate::message::is_integer;
use crate::request::{Action, CallTool, ClientInfo, GetPrompt, ItemKind, RequestMeta};

/// Longest name and version of a client that are kept: they are for the log.
const CLIENT_CHARS_MAX: usize = 128;

/// Longest progress token.
const PROGRESS_TOKEN_BYTES_MAX: usize = 1024;

/// A request read by one era, its metadata still borrowed.
pub(super) struct Parts<'a> {
    pub(super) revision: Revision,
    pub(super) action: Action,
    pub(super) meta: MetaParts<'a>,
}

/// The members of `params` that any method of ours reads.
#[derive(Default, Deserialize)]
pub(super) struct Params<'a> {
    #[serde(borrow, rename = "_meta")]
    pub(super) meta: Option<Meta<'a>>,
    #[serde(borrow)]
    pub(super) name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) arguments: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) cursor: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) uri: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) notifications: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) level: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "ref")]
    pub(super) reference: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) argument: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) context: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "requestState", deserialize_with = "present")]
    pub(super) request_state: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "inputResponses", deserialize_with = "present")]
    pub(super) input_responses: Option<&'a RawValue>,
    #[serde(borrow, rename = "protocolVersion")]
    pub(super) protocol_version: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) capabilities: Option<&'a RawValue>,
    #[serde(rename = "clientInfo")]
    pub(super) client_info: Option<WireClientInfo>,
    /// The text that all of this was read from, to cut pieces out of without copying.
    #[serde(skip)]
    pub(super) text: Bytes,
}

/// A member whose absence is one thing and whose null another.
pub(super) fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// The reserved keys of `_meta`.
#[derive(Default, Deserialize)]
pub(super) struct Meta<'a> {
    #[serde(borrow, rename = "progressToken")]
    pub(super) progress_token: Option<&'a RawValue>,
    #[serde(borrow, rename = "io.modelcontextprotocol/protocolVersion")]
    pub(super) protocol_version: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "io.modelcontextprotocol/clientCapabilities")]
    pub(super) client_capabilities: Option<&'a RawValue>,
    #[serde(rename = "io.modelcontextprotocol/clientInfo")]
    pub(super) client_info: Option<WireClientInfo>,
    #[serde(borrow, rename = "io.modelcontextprotocol/logLevel")]
    pub(super) log_level: Option<Cow<'a, str>>,
    /// Ours. Only `true` says something.
    #[serde(borrow, rename = "omni/timing")]
    pub(super) timing: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(super) struct WireClientInfo {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) version: String,
}

impl From<WireClientInfo> for ClientInfo {
    fn from(wire: WireClientInfo) -> Self {
        ClientInfo {
            name: truncate_chars(wire.name, CLIENT_CHARS_MAX),
            version: truncate_chars(wire.version, CLIENT_CHARS_MAX),
        }
    }
}

/// [`RequestMeta`] before its token is cut out of the frame.
#[derive(Default)]
pub(super) struct MetaParts<'a> {
    pub(super) progress_token: Option<&'a RawValue>,
    pub(super) log_level: Option<LogLevel>,
    pub(super) timing: bool,
    pub(super) client: Option<ClientInfo>,
    pub(super) capabilities: ClientCapabilities,
    pub(super) input_responses: Option<Box<InputResponses>>,
}

impl MetaParts<'_> {
    pub(super) fn own(self, params: Option<&Bytes>) -> RequestMeta {
        let token =
            self.progress_token.zip(params).map(|(token, text)| text.slice_ref(token.get().as_bytes()));
        RequestMeta {
            progress_token: token,
            log_level: self.log_level,
            timing: self.timing,
            client: self.client,
            capabilities: self.capabilities,
            input_responses: self.input_responses,
        }
    }
}

/// Whether a request asks how long its call waited and ran.
pub(super) fn timing(meta: Option<&Meta<'_>>) -> bool {
    meta.and_then(|meta| meta.timing).is_some_and(|timing| timing.get() == "true")
}

/// A progress token is a string or a number; anything else is refused rather than echoed.
pub(super) fn progress_token<'a>(meta: Option<&Meta<'a>>) -> Result<Option<&'a RawValue>, RpcError> {
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

pub(super) fn log_level(name: &str, at: &str) -> Result<LogLevel, RpcError> {
    name.parse().map_err(|()| {
        let names: Vec<_> = LogLevel::ALL.into_iter().map(LogLevel::name).collect();
        invalid(format!("`{at}` is `{name}`, not one of {}", names.join(", ")))
    })
}

/// Reads a method that both eras have and write alike; `None` for any other.
pub(super) fn shared(
    method: &str,
    params: Params<'_>,
    revision: Revision,
) -> Option<Result<Action, RpcError>> {
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

pub(super) fn call_tool(params: Params<'_>) -> Result<Action, RpcError> {
    let arguments = arguments(&params)?;
    let Some(name) = params.name else { return Err(invalid("`params.name` is missing: which tool?")) };
    Ok(Action::CallTool(CallTool { name: name.into_owned(), arguments }))
}

pub(super) fn read_resource(params: &Params<'_>) -> Result<Action, RpcError> {
    let uri = params.uri.and_then(|uri| serde_json::from_str(uri.get()).ok());
    uri.map(|uri| Action::ReadResource { uri })
        .ok_or_else(|| invalid("`params.uri` must be a string: which resource?"))
}

pub(super) fn get_prompt(params: Params<'_>) -> Result<Action, RpcError> {
    let arguments = arguments(&params)?;
    if !arguments.as_ref().is_none_or(|text| are_strings(text)) {
        return Err(invalid("`params.arguments` of a prompt must be an object whose values are strings"));
    }
    let Some(name) = params.name else { return Err(invalid("`params.name` is missing: which prompt?")) };
    Ok(Action::GetPrompt(GetPrompt { name: name.into_owned(), arguments }))
}

pub(super) fn completing(params: &Params<'_>, revision: Revision) -> Result<Completing, RpcError> {
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
            let other = truncate_chars(other.to_owned(), 60);
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
pub(super) fn are_strings(text: &[u8]) -> bool {
    serde_json::from_slice::<HashMap<Cow<'_, str>, Cow<'_, str>>>(text).is_ok()
}

/// The arguments as they stand in the frame.
pub(super) fn arguments(params: &Params<'_>) -> Result<Option<Bytes>, RpcError> {
    match params.arguments.map(RawValue::get) {
        // Some clients send null for "none".
        None | Some("null") => Ok(None),
        Some(text) if text.starts_with('{') => Ok(Some(params.text.slice_ref(text.as_bytes()))),
        Some(_) => Err(invalid("`params.arguments` must be an object")),
    }
}
