//! Requests, notifications and answers of a client as bytes, in the shape of the revision that was agreed on.

use bytes::Bytes;
use serde_json::{Value, json};
use thiserror::Error;

use super::headers::{self, Header};
use crate::asking::ClientCapabilities;
use crate::encode::{Implementation, error_frame};
use crate::message::Id;
use crate::method::Method;
use crate::object_writer::ObjectWriter;
use crate::request::{Action, RequestMeta};
use crate::revision::{Era, Revision, write_params};
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
        if !revision.has_method(method) {
            return Err(UnsupportedMethod { method: method.name(), revision });
        }
        let mut params = ObjectWriter::default();
        let own = self.meta(revision, meta);
        if !own.is_empty() {
            params.put_raw("_meta", &own.text());
        }
        write_params(action, revision, &self.client, self.capabilities, &mut params);
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
        message.put("method", &json!(method.name()));
        // The clients of the first revisions left an empty one out, and some servers were tried with nothing else.
        if !params.is_empty() {
            message.put_raw("params", &params.text());
        }
        let headers = match method {
            // There is no agreement yet.
            Method::Initialize => Vec::new(),
            _ => headers::standard(revision, method.name(), action.routing_name()),
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
