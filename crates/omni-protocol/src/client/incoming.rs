//! What a server says by itself: notifications, and requests to its client.

use bytes::Bytes;
use omni_call::{Ask, AskMethod, Event, LogLevel};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::message::{Id, RawNotification, RawRequest};
use crate::request::ItemKind;

/// A request of the server.
#[derive(Clone, Debug, PartialEq)]
pub enum Incoming {
    /// To be answered with an empty object.
    Ping,
    /// A question to this client.
    Ask(Ask),
    /// A method that no client of ours has.
    Unknown { method: String },
}

impl Incoming {
    /// Reads a request.
    pub fn read(request: &RawRequest) -> Incoming {
        if &*request.method == "ping" {
            return Incoming::Ping;
        }
        let params = request.params.clone().unwrap_or_else(|| Bytes::from_static(b"{}"));
        match AskMethod::from_name(&request.method) {
            Some(method) => Incoming::Ask(Ask { key: None, method, params }),
            None => Incoming::Unknown { method: request.method.chars().take(100).collect() },
        }
    }
}

/// A notification that means something to a client.
#[derive(Clone, Debug, PartialEq)]
pub enum ServerNotification {
    /// A call's progress, under the token that its request carried: a JSON string or number.
    Progress {
        token: Bytes,
        event: Event,
    },
    /// A log message.
    Log(Event),
    ToolsChanged,
    /// The list of resources (and their templates), or that of prompts.
    Changed(ItemKind),
    /// The server takes a request of its own back.
    Cancelled(Id),
    /// Any other one, and one that is malformed: ignored.
    Other,
}

impl ServerNotification {
    /// Reads a notification. Nobody waits for an answer, so what cannot be read is [`Other`](Self::Other).
    pub fn read(raw: &RawNotification) -> ServerNotification {
        let params = raw.params.as_ref();
        match &*raw.method {
            "notifications/progress" => params.and_then(progress),
            "notifications/message" => params.and_then(log),
            "notifications/tools/list_changed" => Some(ServerNotification::ToolsChanged),
            "notifications/resources/list_changed" => Some(ServerNotification::Changed(ItemKind::Resource)),
            "notifications/prompts/list_changed" => Some(ServerNotification::Changed(ItemKind::Prompt)),
            "notifications/cancelled" => params.and_then(cancelled),
            _ => None,
        }
        .unwrap_or(ServerNotification::Other)
    }
}

fn progress(params: &Bytes) -> Option<ServerNotification> {
    #[derive(Deserialize)]
    struct Params<'a> {
        #[serde(borrow, rename = "progressToken")]
        token: &'a RawValue,
        progress: f64,
        total: Option<f64>,
        message: Option<String>,
    }
    let Params { token, progress, total, message } = serde_json::from_slice(params).ok()?;
    let token = params.slice_ref(token.get().as_bytes());
    Some(ServerNotification::Progress { token, event: Event::Progress { value: progress, total, message } })
}

fn log(params: &Bytes) -> Option<ServerNotification> {
    #[derive(Deserialize)]
    struct Params<'a> {
        #[serde(default)]
        level: String,
        logger: Option<String>,
        #[serde(borrow)]
        data: &'a RawValue,
    }
    let Params { level, logger, data } = serde_json::from_slice(params).ok()?;
    let level = level.parse().unwrap_or(LogLevel::Info);
    let data = params.slice_ref(data.get().as_bytes());
    Some(ServerNotification::Log(Event::Log { level, logger, data }))
}

fn cancelled(params: &Bytes) -> Option<ServerNotification> {
    #[derive(Deserialize)]
    struct Params<'a> {
        #[serde(borrow, rename = "requestId")]
        request: &'a RawValue,
    }
    let Params { request } = serde_json::from_slice(params).ok()?;
    Some(ServerNotification::Cancelled(Id::parse(&params.slice_ref(request.get().as_bytes()))?))
}
