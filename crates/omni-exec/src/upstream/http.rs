//! A server over Streamable HTTP: each message is a POST of its own, and its answer is one frame or a stream of them.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, LOCATION,
};
use hyper::{Method, Request, Response, StatusCode};
use omni_protocol::client::{EventReader, Outgoing};
use tokio::time::{sleep, timeout};

use super::address::HttpAddress;
use super::error::UpstreamError;
use crate::runner::{ConnectionError, RunnerAddress, RunnerConnection, RunnerEndpoint};

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");

/// How long a connection may take to open.
const CONNECT_WAIT: Duration = Duration::from_secs(10);

/// How long a message that nobody answers (a notification, the end of a session) may take to be taken.
const ASIDE_WAIT: Duration = Duration::from_secs(10);

/// What a server wants to be left alone before its stream is asked for again, when it does not say.
const RETRY_DEFAULT: Duration = Duration::from_secs(1);

/// How often in a row a stream is asked for again that brings nothing.
const RESUMES_MAX: u32 = 5;

/// Longest text of an answer that is no JSON that a message repeats.
const SAID_CHARS_MAX: usize = 200;

/// The connections to one server. Dropping it closes them, by which the server knows that what runs is taken back.
pub(super) struct Http {
    address: HttpAddress,
    /// Sent with each request: they say who asks.
    headers: HeaderMap,
    frame_bytes_max: usize,
    session: Option<HeaderValue>,
    /// The version header of whatever is not itself an outgoing message.
    version: Option<HeaderValue>,
    idle: Option<RunnerConnection>,
    answer: Option<HttpAnswer>,
}

/// An answer that is being read.
struct HttpAnswer {
    link: RunnerConnection,
    kind: HttpAnswerKind,
    /// Whole frames that nobody has taken yet.
    ready: VecDeque<Bytes>,
    /// In a row, without a frame in between.
    resumed: u32,
}

enum HttpAnswerKind {
    /// All of it has been read.
    Whole,
    Events(EventReader),
}

/// What came of a request before its frames.
pub(super) enum PostResult {
    /// Frames follow; for an error's status, one that says which.
    Answer,
    /// An HTTP status that stands for a refusal, and no JSON-RPC with it.
    Status(UpstreamError),
    /// The session that the request named is gone.
    SessionGone,
}

impl Http {
    pub(super) fn new(address: HttpAddress, headers: HeaderMap, frame_bytes_max: usize) -> Self {
        Http { address, headers, frame_bytes_max, session: None, version: None, idle: None, answer: None }
    }

    pub(super) fn address(&self) -> &HttpAddress {
        &self.address
    }

    /// Forgets the session, so that another can be opened.
    pub(super) fn forget_session(&mut self) {
        self.session = None;
        self.version = None;
    }

    /// Sends a request; the frames of its answer are then [`next`](Self::next)'s. An earlier answer is given up, which
    /// cancels its request where the server takes a closed connection for that.
    ///
    /// `repeatable` requests go once more where a kept connection turns out to be closed.
    pub(super) async fn post(
        &mut self,
        outgoing: &Outgoing,
        repeatable: bool,
    ) -> Result<PostResult, UpstreamError> {
        self.answer = None;
        let request = self.request(Method::POST, outgoing)?;
        let mut kept = self.idle.take();
        let reused = match &mut kept {
            Some(link) => link.is_free().await,
            None => false,
        };
        let mut link = match kept {
            Some(link) if reused => link,
            _ => self.connect().await?,
        };
        let head = match link.send(request.clone()).await {
            Err(ConnectionError::Unanswered(_)) if reused && repeatable => {
                link = self.connect().await?;
                link.send(request).await
            }
            other => other,
        };
        let head = head.map_err(|broken| self.broken(broken))?;
        self.begin(link, &head).await
    }

    /// The next frame of the answer; `None` at its end. Losing the future loses nothing.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, UpstreamError> {
        loop {
            let Some(answer) = &mut self.answer else { return Ok(None) };
            if let Some(frame) = answer.ready.pop_front() {
                answer.resumed = 0;
                return Ok(Some(frame));
            }
            let HttpAnswerKind::Events(events) = &mut answer.kind else {
                self.keep_link();
                return Ok(None);
            };
            let piece = match answer.link.next().await {
                Ok(Some(piece)) => piece,
                // A stream may be cut off at any time, and goes on where its server has said where.
                Ok(None) | Err(_) if events.last_id().is_some() && answer.resumed < RESUMES_MAX => {
                    self.resume().await?;
                    continue;
                }
                Ok(None) => {
                    self.keep_link();
                    return Ok(None);
                }
                Err(broken) => return Err(self.broken(broken)),
            };
            match events.push(&piece) {
                // A stream's other events are none of MCP.
                Ok(read) => answer.ready.extend(
                    read.into_iter()
                        .filter(|event| event.kind == "message" && !event.data.is_empty())
                        .map(|event| event.data),
                ),
                Err(too_long) => {
                    return Err(UpstreamError::TooLong {
                        server: self.address.to_string(),
                        limit: too_long.limit,
                    });
                }
            }
        }
    }

    /// Sends a message to which there is no answer, on a connection of its own: the one of a request may be in use.
    pub(super) async fn post_aside(&mut self, outgoing: &Outgoing) -> Result<(), UpstreamError> {
        let request = self.request(Method::POST, outgoing)?;
        let sent = async {
            let mut link = self.connect().await?;
            let head = link.send(request).await.map_err(|broken| self.broken(broken))?;
            let status = head.status();
            if status.is_success() { Ok(()) } else { Err(self.refused(status, head.headers(), "")) }
        };
        match timeout(ASIDE_WAIT, sent).await {
            Ok(sent) => sent,
            Err(_) => Err(self.unreachable(&format!("no answer within {} s", ASIDE_WAIT.as_secs()))),
        }
    }

    /// Gives up the answer that is being read, by closing its connection.
    pub(super) fn abandon(&mut self) {
        self.answer = None;
    }

    /// Ends the session, if there is one. Nobody is harmed where the server does not take that.
    pub(super) async fn close(mut self) {
        self.answer = None;
        if self.session.is_none() {
            return;
        }
        let nothing = Outgoing { frame: Bytes::new(), headers: Vec::new() };
        let Ok(request) = self.request(Method::DELETE, &nothing) else { return };
        let ended = async {
            let mut link = self.connect().await.ok()?;
            link.send(request).await.ok()
        };
        let _ = timeout(Duration::from_secs(2), ended).await;
    }

    async fn connect(&self) -> Result<RunnerConnection, UpstreamError> {
        let HttpAddress { host, port, .. } = &self.address;
        let place = RunnerAddress(RunnerEndpoint::Tcp { host: host.clone(), port: *port });
        match timeout(CONNECT_WAIT, RunnerConnection::open(&place)).await {
            Ok(Ok(link)) => Ok(link),
            Ok(Err(error)) => {
                let text = error.to_string();
                let plain = text.split(" (os error").next().unwrap_or(&text).to_lowercase();
                Err(self.unreachable(&plain))
            }
            Err(_) => Err(self.unreachable(&format!("no answer within {} s", CONNECT_WAIT.as_secs()))),
        }
    }

    fn request(&self, method: Method, outgoing: &Outgoing) -> Result<Request<Full<Bytes>>, UpstreamError> {
        let mut request = Request::new(Full::new(outgoing.frame.clone()));
        let wrong = |why: String| self.unreachable(&why);
        *request.uri_mut() =
            self.address.path.parse().map_err(|error| wrong(format!("its path: {error}")))?;
        let headers = request.headers_mut();
        headers.extend(self.headers.clone());
        let host = self.address.authority();
        headers.insert(HOST, host.parse().map_err(|_| wrong(format!("`{host}` is no host")))?);
        if method == Method::POST {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        }
        if let Some(session) = &self.session {
            headers.insert(SESSION, session.clone());
        }
        if let Some(version) = &self.version {
            headers.insert("mcp-protocol-version", version.clone());
        }
        for header in &outgoing.headers {
            // The encoder writes visible ASCII only.
            if let (Ok(name), Ok(value)) = (header.name.parse::<HeaderName>(), header.value.parse()) {
                headers.insert(name, value);
            }
        }
        *request.method_mut() = method;
        Ok(request)
    }

    /// Notes what is sent with all further requests, once a version is agreed on.
    pub(super) fn agreed(&mut self, version: Option<&'static str>) {
        self.version = version.map(HeaderValue::from_static);
    }

    async fn begin(
        &mut self,
        mut link: RunnerConnection,
        head: &Response<()>,
    ) -> Result<PostResult, UpstreamError> {
        let (status, headers) = (head.status(), head.headers());
        if let Some(session) = headers.get(SESSION).filter(|_| status.is_success()) {
            self.session = Some(session.clone());
        }
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if status.is_success() && kind == "text/event-stream" {
            let kind = HttpAnswerKind::Events(EventReader::new(self.frame_bytes_max));
            self.answer = Some(HttpAnswer { link, kind, ready: VecDeque::new(), resumed: 0 });
            return Ok(PostResult::Answer);
        }
        let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        let too_long =
            || UpstreamError::TooLong { server: self.address.to_string(), limit: self.frame_bytes_max };
        if length.is_some_and(|length| length > self.frame_bytes_max as u64) {
            return Err(too_long());
        }
        let body = self.body(&mut link).await?;
        let is_json = body.trim_ascii_start().starts_with(b"{") || body.trim_ascii_start().starts_with(b"[");
        // 401 and 403 mean that access is refused, whatever the body says.
        let locked = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        if self.session.is_some() && status == StatusCode::NOT_FOUND {
            return Ok(PostResult::SessionGone);
        }
        if (status.is_success() || (!locked && is_json_rpc(&body))) && is_json {
            let ready = VecDeque::from([body]);
            self.answer = Some(HttpAnswer { link, kind: HttpAnswerKind::Whole, ready, resumed: 0 });
            return Ok(PostResult::Answer);
        }
        let said = said(&body);
        if status.is_success() {
            let why = match (body.is_empty(), kind.as_str()) {
                (true, _) => "it takes a request and gives no answer".to_owned(),
                (false, "") => format!("its answer is no JSON: {said}"),
                (false, kind) => format!("its answer is `{kind}`: {said}"),
            };
            return Ok(PostResult::Status(UpstreamError::NotMcp {
                server: self.address.to_string(),
                why,
                stderr: String::new(),
            }));
        }
        Ok(PostResult::Status(self.refused(status, headers, &said)))
    }

    async fn body(&self, link: &mut RunnerConnection) -> Result<Bytes, UpstreamError> {
        let limit = self.frame_bytes_max;
        let mut whole = Vec::new();
        while let Some(piece) = link.next().await.map_err(|broken| self.broken(broken))? {
            if whole.len() + piece.len() > limit {
                return Err(UpstreamError::TooLong { server: self.address.to_string(), limit });
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole.into())
    }

    /// Asks for the rest of a stream whose connection has ended (Streamable HTTP, "Resumability and Redelivery").
    async fn resume(&mut self) -> Result<(), UpstreamError> {
        let Some(answer) = &mut self.answer else { return Ok(()) };
        answer.resumed += 1;
        let HttpAnswerKind::Events(events) = &answer.kind else { return Ok(()) };
        let (wait, last) = (events.retry().unwrap_or(RETRY_DEFAULT), events.last_id().map(str::to_owned));
        sleep(wait).await;
        let nothing = Outgoing { frame: Bytes::new(), headers: Vec::new() };
        let mut request = self.request(Method::GET, &nothing)?;
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        if let Some(last) = last.and_then(|last| last.parse().ok()) {
            request.headers_mut().insert(LAST_EVENT, last);
        }
        let mut link = self.connect().await?;
        let head = link.send(request).await.map_err(|broken| self.broken(broken))?;
        if !head.status().is_success() {
            let reason = format!(
                "its answer ended before it was whole, and the rest is refused with HTTP status {}",
                head.status().as_u16()
            );
            return Err(UpstreamError::Broken { address: self.address.to_string(), reason });
        }
        if let Some(answer) = &mut self.answer {
            // What was begun on the old connection and had no end comes again.
            if let HttpAnswerKind::Events(events) = &mut answer.kind {
                events.cut_off();
            }
            answer.link = link;
        }
        Ok(())
    }

    /// Keeps a connection whose answer has been read.
    fn keep_link(&mut self) {
        self.idle = self.answer.take().map(|answer| answer.link);
    }

    fn refused(&self, status: StatusCode, headers: &HeaderMap, said: &str) -> UpstreamError {
        let address = self.address.to_string();
        let said = said.to_owned();
        let code = status.as_u16();
        let suggestion = match code {
            401 | 403 => {
                let with_token = !self.headers.is_empty();
                return UpstreamError::NotLetIn { address, status: code, said, with_token };
            }
            300..=399 => headers.get(LOCATION).and_then(|location| location.to_str().ok()).map(|location| {
                let shown: String = location.chars().take(SAID_CHARS_MAX).collect();
                format!("it leads to `{shown}`; if that is the server, name it")
            }),
            404 | 405 if self.address.path != "/mcp" => {
                Some(format!("most servers answer at `/mcp`: try `{}`", self.address.at("/mcp")))
            }
            404 | 405 => Some(
                "is that its path? A server that has only the older HTTP+SSE transport cannot be reached by omni"
                    .to_owned(),
            ),
            429 | 503 => Some("it has no room just now; try again later".to_owned()),
            _ => None,
        };
        UpstreamError::Status { address, status: code, said, suggestion }
    }

    fn broken(&self, broken: ConnectionError) -> UpstreamError {
        UpstreamError::Broken { address: self.address.to_string(), reason: broken.reason() }
    }

    fn unreachable(&self, reason: &str) -> UpstreamError {
        UpstreamError::Unreachable { address: self.address.to_string(), reason: reason.to_owned() }
    }
}

/// Whether a refusal's body is an answer of JSON-RPC.
fn is_json_rpc(body: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(body)
        .is_ok_and(|object| object.contains_key("jsonrpc"))
}

/// The beginning of a text answer, on one line. A page for browsers says nothing that helps.
fn said(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    if text.starts_with('<') {
        return "a page for browsers".to_owned();
    }
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SAID_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
