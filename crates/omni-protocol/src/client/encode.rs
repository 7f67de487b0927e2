//! Requests, notifications and answers of a client as bytes, in the shape of the revision that was agreed on.

use bytes::Bytes;
use serde_json::{Map, Value, json};
use thiserror::Error;

use super::headers::{self, Header};
use crate::asking::ClientCapabilities;
use crate::encode::{Implementation, error_frame};
use crate::message::Id;
use crate::request::{Action, ItemKind, RequestMeta};
use crate::revision::{Era, Revision};
use crate::{ErrorCode, RpcError};

/// A message for a server, and what Streamable HTTP says of it in headers.
#[derive(Clone, Debug, PartialEq)]
pub struct Outgoing {
    /// One line of JSON, without its end.
    pub frame: Bytes,
    /// For HTTP only. Without `Accept`, `Content-Type` and the session's id, which are the transport's.
    pub headers: Vec<Header>,
}

/// A request that the agreed revision has no words for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("`{method}` is not a method of protocol version `{}`", revision.name())]
pub struct UnsupportedMethod {
    pub method: &'static str,
    pub revision: Revision,
}

/// What a retry of a request carries that was answered with questions (modern era). Unlike the
/// [`InputResponses`](crate::InputResponses) that our own server takes, it may have no state: other servers need none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InputResponses {
    /// As it came; the server's affair.
    pub state: Option<String>,
    /// By the key of each question, the JSON object that answers it.
    pub answers: Vec<(String, Bytes)>,
}

/// Writes what a client sends. Holds what is the same in all of it.
#[derive(Clone, Debug)]
pub struct ClientEncoder {
    client: Value,
    capabilities: ClientCapabilities,
}

impl ClientEncoder {
    /// `capabilities` are the questions that this client declares it answers.
    pub fn new(client: &Implementation, capabilities: ClientCapabilities) -> Self {
        ClientEncoder { client: json!(client), capabilities }
    }

    /// A request. Of `meta`, progress token, log level and timing are written where the revision has them: the rest is
    /// what a server reads of its client, and who asks is always this client. Of `Action::Initialize`, `agreed` is the
    /// revision that is asked for.
    ///
    /// # Errors
    /// The revision has no such method.
    pub fn request(
        &self,
        revision: Revision,
        id: &Id,
        action: &Action,
        meta: &RequestMeta,
    ) -> Result<Outgoing, UnsupportedMethod> {
        self.retry_request(revision, id, action, meta, &InputResponses::default())
    }

    /// A request once more, with the answers to what the server wanted to know first. An empty `resume` is none.
    ///
    /// # Errors
    /// The revision has no such method.
    pub fn retry_request(
        &self,
        revision: Revision,
        id: &Id,
        action: &Action,
        meta: &RequestMeta,
        resume: &InputResponses,
    ) -> Result<Outgoing, UnsupportedMethod> {
        let method = action.method();
        if !revision.has_method(action) {
            return Err(UnsupportedMethod { method, revision });
        }
        let mut params = ObjectWriter::default();
        let own = self.meta(revision, meta);
        if !own.is_empty() {
            params.put_raw("_meta", &own.text());
        }
        match action {
            Action::Discover | Action::Ping => {}
            Action::Initialize(initialize) => {
                params.put("protocolVersion", &json!(initialize.agreed.name()));
                params.put("capabilities", &self.capabilities.write(revision));
                params.put("clientInfo", &self.client);
            }
            Action::ListTools { cursor } | Action::List { cursor, .. } => {
                if let Some(cursor) = cursor {
                    params.put("cursor", &json!(cursor));
                }
            }
            Action::CallTool(call) => {
                params.put("name", &json!(call.name));
                params.put_object("arguments", call.arguments.as_ref());
            }
            Action::SetLogLevel(level) => params.put("level", &json!(level.name())),
            Action::ReadResource { uri } => params.put("uri", &json!(uri)),
            Action::GetPrompt(prompt) => {
                params.put("name", &json!(prompt.name));
                params.put_object("arguments", prompt.arguments.as_ref());
            }
            Action::Complete(completing) => {
                params.put("ref", &completing.reference.to_json());
                params.put("argument", &completing.argument_to_json());
                if let Some(known) = completing.context.as_ref().filter(|_| revision.has_completion_context())
                {
                    let mut context = ObjectWriter::default();
                    context.put_object("arguments", Some(known));
                    params.put_raw("context", &context.text());
                }
            }
            Action::Listen(filter) => {
                let wanted = filter.lists.iter().map(|kind| (kind.filter_member().to_owned(), true.into()));
                params.put("notifications", &Value::Object(wanted.collect::<Map<_, _>>()));
            }
        }
        if let Some(state) = &resume.state {
            params.put("requestState", &json!(state));
        }
        if !resume.answers.is_empty() {
            let mut answers = ObjectWriter::default();
            for (key, answer) in &resume.answers {
                answers.put_object(key, Some(answer));
            }
            params.put_raw("inputResponses", &answers.text());
        }
        let mut message = ObjectWriter::message();
        message.put_raw("id", &String::from_utf8_lossy(id.as_json()));
        message.put("method", &json!(method));
        // The clients of the first revisions left an empty one out, and some servers were tried with nothing else.
        if !params.is_empty() {
            message.put_raw("params", &params.text());
        }
        let name = match action {
            Action::CallTool(call) => Some(call.name.as_str()),
            Action::GetPrompt(prompt) => Some(prompt.name.as_str()),
            Action::ReadResource { uri } => Some(uri.as_str()),
            _ => None,
        };
        let headers = match action {
            // There is no agreement yet.
            Action::Initialize(_) => Vec::new(),
            _ => headers::standard(revision, method, name),
        };
        Ok(Outgoing { frame: message.frame(), headers })
    }

    /// `notifications/initialized`, which ends the handshake of the legacy era.
    pub fn initialized_notification(&self, revision: Revision) -> Outgoing {
        let mut message = ObjectWriter::message();
        message.put("method", &json!("notifications/initialized"));
        let headers = headers::standard(revision, "notifications/initialized", None);
        Outgoing { frame: message.frame(), headers }
    }

    /// `notifications/cancelled`: takes a request back. Over HTTP the modern era closes the connection instead.
    pub fn cancelled_notification(&self, revision: Revision, request: &Id, reason: &str) -> Outgoing {
        let mut params = ObjectWriter::default();
        let meta = self.meta(revision, &RequestMeta::default());
        if !meta.is_empty() {
            params.put_raw("_meta", &meta.text());
        }
        params.put_raw("requestId", &String::from_utf8_lossy(request.as_json()));
        params.put("reason", &json!(reason));
        let mut message = ObjectWriter::message();
        message.put("method", &json!("notifications/cancelled"));
        message.put_raw("params", &params.text());
        let headers = headers::standard(revision, "notifications/cancelled", None);
        Outgoing { frame: message.frame(), headers }
    }

    /// The answer to a request of the server. `result` is a JSON object.
    pub fn answer(&self, revision: Revision, id: &Id, result: &Bytes) -> Outgoing {
        let mut message = ObjectWriter::message();
        message.put_raw("id", &String::from_utf8_lossy(id.as_json()));
        message.put_object("result", Some(result));
        Outgoing { frame: message.frame(), headers: headers::of_answer(revision) }
    }

    /// The refusal of a request of the server that this client does not answer.
    pub fn refusal(&self, revision: Revision, id: &Id, code: ErrorCode, message: &str) -> Outgoing {
        let frame = error_frame(Some(id), &RpcError::new(code, message)).into_bytes();
        Outgoing { frame, headers: headers::of_answer(revision) }
    }

    fn meta(&self, revision: Revision, meta: &RequestMeta) -> ObjectWriter {
        let mut own = ObjectWriter::default();
        match revision.era() {
            Era::Legacy => {}
            Era::Modern => {
                own.put("io.modelcontextprotocol/protocolVersion", &json!(revision.name()));
                own.put("io.modelcontextprotocol/clientInfo", &self.client);
                own.put("io.modelcontextprotocol/clientCapabilities", &self.capabilities.write(revision));
                if let Some(level) = meta.log_level {
                    own.put("io.modelcontextprotocol/logLevel", &json!(level.name()));
                }
            }
        }
        if let Some(token) = &meta.progress_token {
            own.put_raw("progressToken", &String::from_utf8_lossy(token));
        }
        if meta.timing {
            own.put("omni/timing", &json!(true));
        }
        own
    }
}

impl Action {
    /// The method on the wire.
    pub fn method(&self) -> &'static str {
        match self {
            Action::Initialize(_) => "initialize",
            Action::Discover => "server/discover",
            Action::Ping => "ping",
            Action::ListTools { .. } => "tools/list",
            Action::CallTool(_) => "tools/call",
            Action::SetLogLevel(_) => "logging/setLevel",
            Action::List { kind: ItemKind::Resource, .. } => "resources/list",
            Action::List { kind: ItemKind::ResourceTemplate, .. } => "resources/templates/list",
            Action::List { kind: ItemKind::Prompt, .. } => "prompts/list",
            Action::ReadResource { .. } => "resources/read",
            Action::GetPrompt(_) => "prompts/get",
            Action::Complete(_) => "completion/complete",
            Action::Listen(_) => "subscriptions/listen",
        }
    }
}

/// The members of a JSON object that is being written.
#[derive(Default)]
struct ObjectWriter(String);

impl ObjectWriter {
    fn message() -> Self {
        ObjectWriter(r#""jsonrpc":"2.0""#.to_owned())
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn put(&mut self, name: &str, value: &Value) {
        self.put_raw(name, &value.to_string());
    }

    /// `json` is JSON text. Line ends in it, which can only be white space, would end a frame over stdio.
    fn put_raw(&mut self, name: &str, json: &str) {
        if !self.0.is_empty() {
            self.0.push(',');
        }
        self.0.push_str(&json!(name).to_string());
        self.0.push(':');
        if json.contains(['\n', '\r']) {
            self.0.push_str(&json.replace(['\n', '\r'], " "));
        } else {
            self.0.push_str(json);
        }
    }

    fn put_object(&mut self, name: &str, object: Option<&Bytes>) {
        if let Some(object) = object {
            self.put_raw(name, &String::from_utf8_lossy(object));
        }
    }

    fn text(&self) -> String {
        format!("{{{}}}", self.0)
    }

    fn frame(&self) -> Bytes {
        self.text().into()
    }
}
