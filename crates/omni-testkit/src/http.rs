//! A client over HTTP. It panics at a reply that is no message of its revision.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderMap};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::DuplexStream;
use tokio::task::JoinHandle;

use crate::{WireCheck, messages};

/// Where messages are posted, each with its session in a header.
const ENDPOINT: &str = "/mcp";

/// One connection over HTTP. Dropping it closes the connection.
pub struct HttpClient {
    sender: SendRequest<Full<Bytes>>,
    connection: JoinHandle<()>,
    /// The session that [`initialize`](Self::initialize) opened; later requests name it.
    pub session: Option<String>,
}

/// A reply that has come whole.
#[derive(Debug)]
pub struct HttpReply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// What has been sent and what has come of one exchange; it goes along with the reply.
#[derive(Clone)]
struct Exchange(Arc<Mutex<WireCheck>>);

impl Exchange {
    fn with<T>(&self, ask: impl FnOnce(&mut WireCheck) -> T) -> T {
        ask(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn received(&self, message: &Value) {
        let faults = self.with(|check| check.received(message));
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }
}

/// A reply that is a stream of events, of which only the head has come.
pub struct EventStream {
    exchange: Option<Exchange>,
    body: Incoming,
    waiting: BytesMut,
}

/// One event of a stream.
#[derive(Debug, PartialEq)]
pub struct ServerEvent {
    pub id: Option<String>,
    /// How many milliseconds the client is to wait before it comes back.
    pub retry: Option<u32>,
    /// What it carries; the event that a stream with ids begins with carries nothing.
    pub message: Option<Value>,
}

impl Drop for HttpClient {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl HttpClient {
    pub(crate) async fn connect(stream: DuplexStream) -> Self {
        let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(async move {
            // It ends with an error when the server closes the connection in the middle, which its requests see.
            let _ = connection.await;
        });
        HttpClient { sender, connection, session: None }
    }

    /// Sends a request to the endpoint with these headers besides the usual ones (of which `headers` replaces any), and
    /// waits for the head of its reply.
    pub async fn send(
        &mut self,
        method: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> hyper::Result<Response<Incoming>> {
        self.send_to(ENDPOINT, method, headers, body).await
    }

    /// The same to another address of the server.
    pub async fn send_to(
        &mut self,
        target: &str,
        method: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> hyper::Result<Response<Incoming>> {
        let usual = [
            (HOST, "127.0.0.1:8000"),
            (ACCEPT, "application/json, text/event-stream"),
            (CONTENT_TYPE, "application/json"),
        ];
        let body = body.into();
        let mut request =
            Request::builder().method(method).uri(target).body(Full::new(body.clone())).unwrap();
        for (name, value) in usual {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        if let Some(session) = &self.session {
            request.headers_mut().insert("mcp-session-id", session.parse().unwrap());
        }
        for (name, value) in headers {
            let name: hyper::header::HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        let session = request.headers().get("mcp-session-id").and_then(|session| session.to_str().ok());
        // What is at other addresses is a session of its own, or no MCP.
        let check = (target == ENDPOINT).then(|| WireCheck::exchange(session, &body));
        self.sender.ready().await?;
        let mut reply = crate::wait::expect("a reply", self.sender.send_request(request)).await?;
        if let Some(check) = check {
            reply.extensions_mut().insert(Exchange(Arc::new(Mutex::new(check))));
        }
        Ok(reply)
    }

    /// Sends a request to another address than the endpoint, and waits for the whole reply.
    pub async fn ask(
        &mut self,
        target: &str,
        method: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> HttpReply {
        HttpReply::read(self.send_to(target, method, headers, body).await.unwrap()).await
    }

    /// Posts a message as it is and waits for the whole reply.
    pub async fn post_bytes(&mut self, headers: &[(&str, &str)], body: impl Into<Bytes>) -> HttpReply {
        HttpReply::read(self.send("POST", headers, body).await.unwrap()).await
    }

    /// Posts a message, with the headers that its revision wants beside it, and waits for the whole reply.
    pub async fn post(&mut self, message: &Value) -> HttpReply {
        HttpReply::read(self.open(message).await).await
    }

    /// Posts a message and waits for the head of its reply.
    pub async fn open(&mut self, message: &Value) -> Response<Incoming> {
        let mut headers = Vec::new();
        let params = &message["params"];
        if let Some(revision) = params["_meta"]["io.modelcontextprotocol/protocolVersion"].as_str() {
            headers.push(("mcp-protocol-version", revision));
            headers.push(("mcp-method", message["method"].as_str().unwrap()));
            let named = ["name", "uri", "taskId"].into_iter().find_map(|member| params[member].as_str());
            if let Some(name) = named {
                headers.push(("mcp-name", name));
            }
        }
        self.send("POST", &headers, message.to_string()).await.unwrap()
    }

    /// Posts a message whose reply is a stream of events.
    pub async fn open_events(&mut self, message: &Value) -> EventStream {
        EventStream::of(self.open(message).await)
    }

    /// The stream of the session, for what belongs to no request.
    pub async fn listen(&mut self) -> EventStream {
        EventStream::of(self.send("GET", &[], "").await.unwrap())
    }

    /// The rest of a stream of the session, after the event of that id.
    pub async fn resume(&mut self, id: &str) -> EventStream {
        EventStream::of(self.send("GET", &[("last-event-id", id)], "").await.unwrap())
    }

    /// Opens a session of that revision, and stays in it.
    pub async fn initialize(&mut self, revision: &str) -> Value {
        self.initialize_able(revision, serde_json::json!({})).await
    }

    /// The same, declaring these capabilities.
    pub async fn initialize_able(&mut self, revision: &str, capabilities: Value) -> Value {
        let reply = self.post(&messages::initialize_able("initialize", revision, capabilities)).await;
        let session = reply.headers.get("mcp-session-id").expect("a session");
        self.session = Some(session.to_str().unwrap().to_owned());
        reply.json()
    }
}

impl HttpReply {
    async fn read(reply: Response<Incoming>) -> Self {
        let (parts, body) = reply.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let reply = HttpReply { status: parts.status, headers: parts.headers, body };
        let content = reply.headers.get(CONTENT_TYPE).map_or("", |content| content.to_str().unwrap());
        if let Some(exchange) = parts.extensions.get::<Exchange>()
            && matches!(content, "application/json" | "text/event-stream")
        {
            if !reply.status.is_success() {
                exchange.with(WireCheck::refused);
            }
            reply.messages().iter().for_each(|message| exchange.received(message));
            if let Some(session) = reply.headers.get("mcp-session-id") {
                let session = session.to_str().unwrap();
                reply.messages().iter().for_each(|message| WireCheck::opened(session, message));
            }
        }
        reply
    }

    /// The body, which is one JSON text.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.body))
    }

    /// The messages of the body, whether it is one JSON text or a stream of events.
    pub fn messages(&self) -> Vec<Value> {
        if self.headers[CONTENT_TYPE] != "text/event-stream" {
            return vec![self.json()];
        }
        std::str::from_utf8(&self.body).unwrap().split("\n\n").filter_map(message).collect()
    }
}

impl EventStream {
    pub(crate) fn of(reply: Response<Incoming>) -> Self {
        assert_eq!(reply.status(), StatusCode::OK);
        assert_eq!(reply.headers()[CONTENT_TYPE], "text/event-stream");
        let exchange = reply.extensions().get::<Exchange>().cloned();
        EventStream { exchange, body: reply.into_body(), waiting: BytesMut::new() }
    }

    /// The next message; `None` when the stream has ended, or broken off.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            let event = self.next_event().await?;
            if event.message.is_some() {
                return event.message;
            }
        }
    }

    /// The next event, with a message or not; `None` when the stream has ended, or broken off.
    pub async fn next_event(&mut self) -> Option<ServerEvent> {
        crate::wait::expect("an event", self.read()).await
    }

    async fn read(&mut self) -> Option<ServerEvent> {
        loop {
            let event = self.read_text().await?;
            // Nobody is told of a comment.
            if event.starts_with(':') {
                continue;
            }
            let field = |name: &str| {
                let mut lines = event.lines();
                lines.find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
            };
            let retry = field("retry:").map(|retry| retry.parse().unwrap());
            let message = message(&event);
            if let (Some(exchange), Some(message)) = (&self.exchange, &message) {
                exchange.received(message);
            }
            return Some(ServerEvent { id: field("id:"), retry, message });
        }
    }

    /// The next event or comment as it is written; `None` as above.
    pub async fn next_text(&mut self) -> Option<String> {
        crate::wait::expect("an event", self.read_text()).await
    }

    async fn read_text(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.waiting.windows(2).position(|two| two == b"\n\n") {
                let event = self.waiting.split_to(end + 2);
                return Some(String::from_utf8(event.to_vec()).unwrap());
            }
            match self.body.frame().await? {
                Ok(frame) => self.waiting.extend_from_slice(&frame.into_data().unwrap_or_default()),
                Err(_) => return None,
            }
        }
    }
}

/// The message that one event carries.
fn message(event: &str) -> Option<Value> {
    let data: String = event.lines().filter_map(|line| line.strip_prefix("data:")).collect();
    (!data.trim().is_empty()).then(|| serde_json::from_str(&data).unwrap())
}
