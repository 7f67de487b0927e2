//! Is every message that a server wrote one of its revision, and the only answer to its request?
//!
//! A [`WireCheck`] is told what one client sent and what came back, in that order, and says what is wrong with the
//! latter. It knows nothing of the server: only the specification's schemas, closed against members that they do not
//! name, and the rules of JSON-RPC that no schema can say.

mod schema;

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

pub use schema::Schema;
use serde_json::Value;

/// The revision without sessions, whose requests say it themselves.
const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";

/// What sessions over HTTP have agreed on, by their ids: a session outlives the connection that opened it.
static SESSIONS: LazyLock<Mutex<HashMap<String, &'static str>>> = LazyLock::new(Mutex::default);

/// One conversation: a pair of streams, or one exchange over HTTP.
#[derive(Default)]
pub struct WireCheck {
    /// What `initialize` agreed on.
    session: Option<&'static Schema>,
    /// Whether a request of the revision without sessions has been sent.
    has_modern: bool,
    /// Requests that have no answer yet, and notifications may be about.
    waiting: Vec<Waiting>,
    /// Ids that several requests had at the same time, with the number of errors that one or the other of them got.
    refused: Vec<(Value, usize)>,
    /// What the client sent that is no request that can be read: each may be answered with one error, under an id that
    /// was found in it or none.
    unreadable: usize,
    /// Whether a request of the revision without sessions asked for log messages.
    wants_log: bool,
    /// Whether this is a stream of a session, which may go on with what belongs to a request of another exchange.
    is_resumed: bool,
    /// Half a line that the client sent.
    half_line: Vec<u8>,
    /// The ids of requests of the server that the client has not answered.
    asked: Vec<Value>,
}

struct Waiting {
    id: Value,
    method: String,
    /// Of a request that says its revision itself.
    own: Option<&'static Schema>,
    progress_token: Option<Value>,
    progress: Option<f64>,
}

impl WireCheck {
    /// One exchange over HTTP: a request with this body, of the session that its head names if it names one.
    pub fn exchange(session: Option<&str>, body: &[u8]) -> Self {
        let mut check = WireCheck::default();
        let sessions = SESSIONS.lock().unwrap_or_else(PoisonError::into_inner);
        let agreed = session.and_then(|session| sessions.get(session).copied());
        drop(sessions);
        check.session = agreed.and_then(Schema::of);
        match body {
            b"" => check.is_resumed = true,
            body => check.sent_message(body),
        }
        check
    }

    /// The exchange was refused by its status, which no request needs to be read for.
    pub fn refused(&mut self) {
        self.unreadable += 1;
    }

    /// Remembers what a session has agreed on, by the answer to its `initialize`.
    pub fn opened(session: &str, answer: &Value) {
        let revision = answer["result"]["protocolVersion"].as_str().and_then(Schema::of);
        if let Some(schema) = revision {
            let mut sessions = SESSIONS.lock().unwrap_or_else(PoisonError::into_inner);
            sessions.insert(session.to_owned(), schema.revision);
        }
    }

    /// The client sent these bytes on its stream; call it before they can have arrived.
    pub fn sent(&mut self, bytes: &[u8]) {
        self.half_line.extend_from_slice(bytes);
        while let Some(end) = self.half_line.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.half_line.drain(..=end).collect();
            if !line.trim_ascii().is_empty() {
                self.sent_message(&line);
            }
        }
    }

    /// The client sends no more: half a line is a line.
    pub fn sent_end(&mut self) {
        let line = std::mem::take(&mut self.half_line);
        if !line.trim_ascii().is_empty() {
            self.sent_message(&line);
        }
    }

    fn sent_message(&mut self, text: &[u8]) {
        match serde_json::from_slice(text) {
            Ok(Value::Array(messages)) if !messages.is_empty() => {
                // Where no batches are allowed the whole is refused at once.
                self.unreadable += 1;
                messages.iter().for_each(|message| self.sent_one(message));
            }
            Ok(message) => self.sent_one(&message),
            Err(_) => self.unreadable += 1,
        }
    }

    fn sent_one(&mut self, message: &Value) {
        let (id, method) = (message.get("id"), message.get("method").and_then(Value::as_str));
        let is_id = |id: &Value| id.is_string() || id.is_i64() || id.is_u64();
        let (id, method) = match (id, method) {
            (Some(id), Some(_)) if !is_id(id) => {
                self.unreadable += 1;
                return;
            }
            (Some(id), Some(method)) => (id, method),
            (None, Some(_)) => return,
            (id, None) => {
                self.asked.retain(|asked| Some(asked) != id);
                // What is no message may be answered with an error; so may a response that answers nothing.
                self.unreadable += 1;
                return;
            }
        };
        let meta = &message["params"]["_meta"];
        let own = meta.get(PROTOCOL_VERSION).map(|revision| {
            // A revision that there is not is answered as the newest does.
            revision.as_str().and_then(Schema::of).unwrap_or(newest())
        });
        self.has_modern |= own.is_some();
        self.wants_log |= own.is_some() && meta.get(LOG_LEVEL).is_some();
        self.waiting.push(Waiting {
            id: id.clone(),
            method: method.to_owned(),
            own,
            progress_token: meta.get("progressToken").cloned(),
            progress: None,
        });
    }

    /// What is wrong with a message that the server sent; nothing, if it is one of its revision.
    pub fn received(&mut self, message: &Value) -> Vec<String> {
        let faults = match message {
            Value::Array(messages) => {
                let mut faults: Vec<String> =
                    messages.iter().flat_map(|message| self.received_one(message)).collect();
                match self.session {
                    Some(schema) if schema.has("JSONRPCBatchResponse") => {}
                    Some(schema) => faults.push(format!("{} has no batches", schema.revision)),
                    None => faults.push("a batch before a revision that has batches is agreed on".to_owned()),
                }
                faults
            }
            message => self.received_one(message),
        };
        faults.into_iter().map(|fault| format!("{fault}, in {}", shortened(message))).collect()
    }

    fn received_one(&mut self, message: &Value) -> Vec<String> {
        let method = message.get("method").and_then(Value::as_str);
        match (method, message.get("id")) {
            (Some(method), Some(id)) => self.request(method, id, message),
            (Some(method), None) => self.notification(method, message),
            (None, _) => self.answer(message),
        }
    }

    fn request(&mut self, method: &str, id: &Value, message: &Value) -> Vec<String> {
        let mut faults = self.in_session(method, message);
        if self.has_modern && self.session.is_none() {
            faults.push(format!("`{method}`: a server has no requests in the revision without sessions"));
        }
        if self.asked.contains(id) {
            faults.push(format!("the request {id} of the server is not answered yet"));
        }
        self.asked.push(id.clone());
        faults
    }

    fn notification(&mut self, method: &str, message: &Value) -> Vec<String> {
        let mut faults = self.in_session(method, message);
        let params = &message["params"];
        if method == "notifications/message" && self.session.is_none() && !self.wants_log {
            faults.push("no request asked for log messages".to_owned());
        }
        if method == "notifications/progress" {
            let token = &params["progressToken"];
            // Of several with one token it is of the first that has not come so far.
            let of_token = |one: &Waiting| one.progress_token.as_ref() == Some(token);
            let rises = |one: &Waiting| one.progress < params["progress"].as_f64();
            let at = self.waiting.iter().position(|one| of_token(one) && rises(one));
            let at = at.or_else(|| self.waiting.iter().position(of_token));
            let about = at.map(|at| &mut self.waiting[at]);
            match (about, params["progress"].as_f64()) {
                (None, _) if self.is_resumed => {}
                (None, _) => faults.push(format!("no request that waits has the progress token {token}")),
                (Some(_), None) => faults.push("progress without a number".to_owned()),
                (Some(about), Some(progress)) => {
                    if about.progress.is_some_and(|before| progress <= before) {
                        faults.push(format!("progress {progress} after {:?}", about.progress));
                    }
                    about.progress = Some(progress);
                }
            }
        }
        faults
    }

    /// A message that answers nothing is one of the session's revision, or of the one without sessions.
    fn in_session(&self, method: &str, message: &Value) -> Vec<String> {
        let modern = self.has_modern.then(newest);
        let mut schemas: Vec<&Schema> = self.session.into_iter().chain(modern).collect();
        if schemas.is_empty() {
            schemas = Schema::all().iter().collect();
        }
        one_of(&schemas, |schema| match schema.message(method) {
            Some(definition) if schema.is_of_servers(definition) => {
                schema.message_faults(definition, message)
            }
            Some(_) => vec![format!("`{method}` is not a server's to send in {}", schema.revision)],
            None => vec![format!("{} has no `{method}`", schema.revision)],
        })
    }

    fn answer(&mut self, message: &Value) -> Vec<String> {
        let id = message.get("id");
        let is_error = message.get("error").is_some();
        // An id that is in flight is refused to a second request, and free again once the first was cancelled: then it is not
        // known here whose answer this is. Of an error it is not even known what was asked, so it is only counted.
        let of_id: Vec<usize> =
            (0..self.waiting.len()).filter(|at| Some(&self.waiting[*at].id) == id).rev().collect();
        if of_id.is_empty() {
            return match (is_error, self.unreadable) {
                _ if self.is_resumed => self.answer_faults(None, message),
                (true, 1..) => {
                    self.unreadable -= 1;
                    self.answer_faults(None, message)
                }
                _ => vec![format!("no request of id {} waits for an answer", id.unwrap_or(&Value::Null))],
            };
        }
        let errors = self.refused.iter().position(|(refused, _)| Some(refused) == id);
        if is_error && of_id.len() > 1 {
            let at = errors.unwrap_or_else(|| {
                self.refused.push((self.waiting[of_id[0]].id.clone(), 0));
                self.refused.len() - 1
            });
            self.refused[at].1 += 1;
            let faults = self.answer_faults(Some(&self.waiting[of_id[0]]), message);
            self.forget_refused(at);
            return faults;
        }
        let tried = of_id.iter().rev().map(|at| (*at, self.answer_faults(Some(&self.waiting[*at]), message)));
        // Whatever a result has, it is one of a ping: anything else that was asked is meant first.
        let is_ping = |at: usize| self.waiting[at].method == "ping";
        let (at, faults) =
            tried.min_by_key(|(at, faults)| (faults.len(), is_ping(*at))).expect("one at least has this id");
        let answered = self.waiting.remove(at);
        if let Some(at) = errors {
            self.forget_refused(at);
        }
        if answered.method == "initialize"
            && let Some(agreed) = message["result"]["protocolVersion"].as_str()
        {
            self.session = Schema::of(agreed);
        }
        faults
    }

    /// Once as many requests of that id are left as had an error, those were they.
    fn forget_refused(&mut self, at: usize) {
        let (id, errors) = &self.refused[at];
        if self.waiting.iter().filter(|one| one.id == *id).count() <= *errors {
            let (id, _) = self.refused.swap_remove(at);
            self.waiting.retain(|one| one.id != id);
        }
    }

    /// What is wrong with a message as the answer to that request, if it answers one that is known.
    fn answer_faults(&self, waiting: Option<&Waiting>, message: &Value) -> Vec<String> {
        let method = waiting.map_or("", |waiting| &waiting.method);
        let agreed =
            (method == "initialize").then(|| message["result"]["protocolVersion"].as_str()).flatten();
        let own = match agreed.map(|agreed| (agreed, Schema::of(agreed))) {
            Some((agreed, None)) => return vec![format!("`{agreed}` is no revision")],
            Some((_, schema)) => schema,
            None => waiting.and_then(|waiting| waiting.own).or(self.session),
        };
        let schemas: Vec<&Schema> = own.map_or_else(|| Schema::all().iter().collect(), |schema| vec![schema]);
        one_of(&schemas, |schema| match message.get("error") {
            Some(_) => error_faults(schema, message),
            None => result_faults(schema, method, message),
        })
    }
}

fn error_faults(schema: &Schema, message: &Value) -> Vec<String> {
    let mut message = message.clone();
    // Before 2025-11-25 no answer goes without an id, so no error about what cannot be read has a form of its own there.
    if message.get("id").is_none() {
        message["id"] = "none".into();
    }
    let code = message["error"]["code"].as_i64().unwrap_or_default();
    schema.faults(schema.error(code), &message)
}

fn result_faults(schema: &Schema, method: &str, message: &Value) -> Vec<String> {
    let result = &message["result"];
    let definition = match result["resultType"].as_str() {
        Some("input_required") => "InputRequiredResult".to_owned(),
        Some("task") => "CreateTaskResult".to_owned(),
        _ => schema.result(method),
    };
    if !schema.has(&definition) {
        return vec![format!("{} has no {definition}", schema.revision)];
    }
    let envelope =
        if schema.has("JSONRPCResultResponse") { "JSONRPCResultResponse" } else { "JSONRPCResponse" };
    let mut faults = schema.faults(envelope, message);
    faults.extend(schema.faults(&definition, result));
    faults
}

/// What is wrong by the schema that has the least against it.
fn one_of(schemas: &[&Schema], faults: impl Fn(&Schema) -> Vec<String>) -> Vec<String> {
    let mut least: Option<Vec<String>> = None;
    for schema in schemas.iter().rev() {
        let found = faults(schema);
        if found.is_empty() {
            return found;
        }
        let found: Vec<String> =
            found.into_iter().map(|fault| format!("{}: {fault}", schema.revision)).collect();
        if least.as_ref().is_none_or(|least| found.len() < least.len()) {
            least = Some(found);
        }
    }
    least.unwrap_or_default()
}

fn newest() -> &'static Schema {
    Schema::all().last().expect("there are revisions")
}

/// Enough of a message to know it by.
fn shortened(message: &Value) -> String {
    const CHARS_MAX: usize = 2_000;
    let text = message.to_string();
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text,
    }
}
