//! The members of `params` that any method reads, and what `_meta` says of the request.

use std::borrow::Cow;
use std::collections::HashMap;

use bytes::Bytes;
use omni_call::LogLevel;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::refusal::invalid;
use super::table::Revision;
use crate::RpcError;
use crate::asking::{ClientCapabilities, InputResponses};
use crate::error::truncate_chars;
use crate::message::is_integer;
use crate::request::{Action, ClientInfo, RequestMeta};

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
    #[serde(borrow, rename = "taskId")]
    pub(super) task_id: Option<&'a RawValue>,
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
    pub(super) takes_tasks: bool,
    pub(super) input_responses: Option<Box<InputResponses>>,
    pub(super) early_answers: Vec<(String, Bytes)>,
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
            takes_tasks: self.takes_tasks,
            input_responses: self.input_responses,
            early_answers: self.early_answers,
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

pub(super) fn responses_not_an_object() -> RpcError {
    invalid("`params.inputResponses` must be an object")
}

/// The answers to questions, each by its question's key.
pub(super) fn responses(given: &RawValue, params: &Params<'_>) -> Result<Vec<(String, Bytes)>, RpcError> {
    let given: HashMap<String, &RawValue> =
        serde_json::from_str(given.get()).map_err(|_| responses_not_an_object())?;
    let mut responses = Vec::with_capacity(given.len());
    for (key, response) in given {
        if !response.get().starts_with('{') {
            let key = truncate_chars(key, 60);
            return Err(invalid(format!("`params.inputResponses.{key}` must be an object")));
        }
        responses.push((key, params.text.slice_ref(response.get().as_bytes())));
    }
    Ok(responses)
}

pub(super) fn log_level(name: &str, at: &str) -> Result<LogLevel, RpcError> {
    name.parse().map_err(|()| {
        let names: Vec<_> = LogLevel::ALL.into_iter().map(LogLevel::name).collect();
        invalid(format!("`{at}` is `{name}`, not one of {}", names.join(", ")))
    })
}
