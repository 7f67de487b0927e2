//! One HTTP request and its reply.

#![expect(
    clippy::result_large_err,
    reason = "a refusal is a reply like any other, and is made once a request"
)]

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request as HttpRequest, Response, StatusCode};
use omni_protocol::{
    Action, Era, ErrorCode, Frame, Message, Notification, RawNotification, RawRequest, Rejected, Request,
    Revision, RpcError, error_frame,
};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::sleep;

use super::Shared;
use super::body::{EventStream, Held, ReplyBody};
use crate::access::Visit;
use crate::changes;
use crate::gate::Closed;
use crate::mirror;
use crate::running::{EventQueue, Running, Step};
use crate::server::{Answer, Caller};
use crate::session::Session;
use crate::transport::stdio::{decode_frame, join_batch};

/// A call that takes longer than this is answered as a stream, so that its client sees headers before it
/// gives up.
const STREAM_AFTER: Duration = Duration::from_secs(5);

const SESSION_HEADER: HeaderName = HeaderName::from_static("mcp-session-id");
const VERSION_HEADER: HeaderName = HeaderName::from_static("mcp-protocol-version");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");

type Reply = Response<ReplyBody>;

/// Answers one HTTP request. Dropping the future (the client hung up) cancels what it started.
pub(super) async fn respond(
    shared: Arc<Shared>,
    visit: Arc<Visit>,
    request: HttpRequest<Incoming>,
) -> Result<Reply, Infallible> {
    Ok(exchange(&shared, &visit, request).await.unwrap_or_else(|refusal| refusal))
}

async fn exchange(
    shared: &Arc<Shared>,
    visit: &Visit,
    request: HttpRequest<Incoming>,
) -> Result<Reply, Reply> {
    if let Some(why) = &visit.refused {
        return Err(refusal(StatusCode::FORBIDDEN, None, ErrorCode::InvalidRequest, why));
    }
    let (parts, body) = request.into_parts();
    shared.names.check(parts.version, &parts.uri, &parts.headers).map_err(|closed| match closed {
        Closed::Malformed(why) => refusal(StatusCode::BAD_REQUEST, None, ErrorCode::InvalidRequest, &why),
        Closed::Forbidden(why) => refusal(StatusCode::FORBIDDEN, None, ErrorCode::InvalidRequest, &why),
    })?;
    if parts.uri.path() != "/mcp" {
        return Err(plain(StatusCode::NOT_FOUND, "the endpoint is /mcp\n"));
    }
    match parts.method {
        Method::POST => post(shared, &parts.headers, body).await,
        Method::GET if parts.headers.contains_key(SESSION_HEADER) => listen(shared, &parts.headers),
        Method::DELETE => Ok(delete(shared, &parts.headers)),
        _ => {
            let why = "POST a message; in a session, GET what is said outside of requests, or DELETE it\n";
            let mut reply = plain(StatusCode::METHOD_NOT_ALLOWED, why);
            reply.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST, GET, DELETE"));
            Err(reply)
        }
    }
}

async fn post(shared: &Arc<Shared>, headers: &HeaderMap, body: Incoming) -> Result<Reply, Reply> {
    let accepts = check_negotiation(headers)?;
    let budget = take_budget(shared, &body)?;
    let text = read_body(body, shared.server.config.limits.body_bytes_max).await?;
    let message = decode_frame(text).await.map_err(bad_request)?;
    match message {
        Message::Request(raw) => Exchange { shared, headers, accepts, budget }.request(raw).await,
        Message::Notification(raw) => notification(shared, headers, &raw),
        Message::Response => Ok(accepted()),
        Message::Batch(items) => Exchange { shared, headers, accepts, budget }.batch(items).await,
    }
}

/// The stream of a legacy session, for what belongs to no request.
fn listen(shared: &Arc<Shared>, headers: &HeaderMap) -> Result<Reply, Reply> {
    let session = find_session(shared, headers)
        .map_err(|error| json(StatusCode::NOT_FOUND, error_frame(None, &error)))?;
    // There is nothing but events to be had here, so a client that takes anything takes those.
    let anything = || headers.get_all(header::ACCEPT).iter().any(|value| value == "*/*");
    let session =
        session.filter(|_| accepted_kinds(headers).is_some_and(|accepts| accepts.events) || anything());
    let Some(session) = session else {
        let why = "`Accept` must allow `text/event-stream`";
        return Err(refusal(StatusCode::NOT_ACCEPTABLE, None, ErrorCode::InvalidRequest, why));
    };
    let budget = shared.budget.clone().try_acquire_owned().map_err(|_| overloaded())?;
    let ended = session.begin_stream();
    let queue = Arc::new(EventQueue::default());
    let said = changes::session_stream(shared.server.clone(), session.told.clone(), queue.clone());
    let running = Running::without_id(said, Some(queue));
    Ok(stream(EventStream::new(running, Some(ended), None, Held { _budget: budget, _in_flight: None })))
}

/// Which content types a client takes.
#[derive(Clone, Copy)]
struct Accepts {
    json: bool,
    events: bool,
}

fn check_negotiation(headers: &HeaderMap) -> Result<Accepts, Reply> {
    let content_type =
        headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or(b"application/json");
    let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    if !essence.eq_ignore_ascii_case(b"application/json") {
        let why = "`Content-Type` must be `application/json`";
        return Err(refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, None, ErrorCode::InvalidRequest, why));
    }
    accepted_kinds(headers).ok_or_else(|| {
        let why = "`Accept` must allow `application/json` and `text/event-stream`";
        refusal(StatusCode::NOT_ACCEPTABLE, None, ErrorCode::InvalidRequest, why)
    })
}

/// What `Accept` allows; `None` when that is nothing we have.
fn accepted_kinds(headers: &HeaderMap) -> Option<Accepts> {
    let mut accepts = Accepts { json: false, events: false };
    let mut values = headers.get_all(header::ACCEPT).iter().peekable();
    if values.peek().is_none() {
        return Some(Accepts { json: true, events: false });
    }
    for kind in values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')) {
        match kind.split(';').next().unwrap_or_default().trim() {
            "application/json" | "application/*" => accepts.json = true,
            "text/event-stream" | "text/*" => accepts.events = true,
            "*/*" => accepts = Accepts { json: true, events: accepts.events },
            _ => {}
        }
    }
    (accepts.json || accepts.events).then_some(accepts)
}

/// Takes the body's share of the budget before a byte of it is read.
fn take_budget(shared: &Shared, body: &Incoming) -> Result<OwnedSemaphorePermit, Reply> {
    let max = shared.server.config.limits.body_bytes_max;
    let hint = body.size_hint();
    if hint.lower() > max as u64 {
        return Err(too_large(max));
    }
    // A chunked body does not say how long it is: it takes the most it may need.
    let bytes = hint.exact().unwrap_or(max as u64);
    let kib = u32::try_from(bytes / 1024 + 1).unwrap_or(u32::MAX);
    shared.budget.clone().try_acquire_many_owned(kib).map_err(|_| overloaded())
}

fn overloaded() -> Reply {
    let why = "the server holds as many requests as its memory budget allows; try again in a second";
    let mut reply = refusal(StatusCode::SERVICE_UNAVAILABLE, None, ErrorCode::Overloaded, why);
    reply.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    reply
}

async fn read_body(mut body: Incoming, max: usize) -> Result<Bytes, Reply> {
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            let why = format!("the body could not be read: {error}");
            refusal(StatusCode::BAD_REQUEST, None, ErrorCode::InvalidRequest, &why)
        })?;
        let Ok(data) = frame.into_data() else { continue };
        if first.len() + all.len() + data.len() > max {
            return Err(too_large(max));
        }
        if first.is_empty() && all.is_empty() {
            first = data;
            continue;
        }
        if all.is_empty() {
            all.extend_from_slice(&std::mem::take(&mut first));
        }
        all.extend_from_slice(&data);
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

/// One request (or batch) with the headers it came under.
struct Exchange<'a> {
    shared: &'a Arc<Shared>,
    headers: &'a HeaderMap,
    accepts: Accepts,
    budget: OwnedSemaphorePermit,
}

impl Exchange<'_> {
    async fn request(self, raw: RawRequest) -> Result<Reply, Reply> {
        let method = raw.method.clone();
        let session = find_session(self.shared, self.headers)
            .map_err(|error| json(StatusCode::NOT_FOUND, error_frame(Some(&raw.id), &error)))?;
        let request = self
            .shared
            .server
            .read(raw, session.as_ref().map(|session| session.revision))
            .map_err(|rejected| self.rejected(rejected, session.is_some()))?;
        if request.revision.era() == Era::Modern {
            self.check_headers(&request, &method)?;
            return self.run(request, None).await;
        }
        self.check_version(&request)?;
        match &request.action {
            Action::Initialize(initialize) => {
                let session = self.shared.sessions.open(initialize);
                tracing::info!(
                    client = initialize.client.name,
                    version = initialize.client.version,
                    revision = initialize.agreed.name(),
                    "client initialised"
                );
                let token = HeaderValue::from_str(&session.token).expect("a token is hexadecimal");
                let mut reply = self.run(request, None).await?;
                reply.headers_mut().insert(SESSION_HEADER, token);
                return Ok(reply);
            }
            Action::SetLogLevel(level) => {
                if let Some(session) = &session {
                    session.set_log_level(*level);
                }
            }
            _ => {}
        }
        self.run(request, session).await
    }

    /// A legacy request may leave its version header out, or name any revision that we speak.
    fn check_version(&self, request: &Request) -> Result<(), Reply> {
        let Some(version) = self.headers.get(VERSION_HEADER) else { return Ok(()) };
        let version = String::from_utf8_lossy(version.as_bytes());
        if Revision::from_name(&version).is_some() || matches!(request.action, Action::Initialize(_)) {
            return Ok(());
        }
        let error = RpcError::unsupported_version(&version);
        Err(json(StatusCode::BAD_REQUEST, error_frame(Some(&request.id), &error)))
    }

    /// Holds a modern request's headers to its body.
    fn check_headers(&self, request: &Request, method: &str) -> Result<(), Reply> {
        let call = match &request.action {
            Action::CallTool(call) => Some(call),
            _ => None,
        };
        let name = match &request.action {
            Action::CallTool(call) => Some(call.name.as_str()),
            Action::GetPrompt(prompt) => Some(prompt.name.as_str()),
            Action::ReadResource { uri } => Some(uri.as_str()),
            _ => None,
        };
        let checked =
            mirror::check_standard(self.headers, request.revision.name(), method, name).and_then(|()| {
                let tool = call
                    .and_then(|call| Some((call, self.shared.server.catalog.snapshot().tool(&call.name)?)));
                tool.map_or(Ok(()), |(call, tool)| {
                    mirror::check_params(self.headers, &tool, call.arguments.as_deref())
                })
            });
        checked.map_err(|error| json(StatusCode::BAD_REQUEST, error_frame(Some(&request.id), &error)))
    }

    fn caller(&self, session: Option<&Arc<Session>>) -> Caller {
        Caller {
            session: session.map(|session| session.token.clone()).unwrap_or_default(),
            log_level: session.and_then(|session| session.log_level()),
            ignores_cursors: session.is_some_and(|session| session.ignores_cursors),
            told: session.map(|session| session.told.clone()).unwrap_or_default(),
            takes_events: self.accepts.events,
        }
    }

    /// Runs a request and chooses between one JSON text and a stream of events.
    async fn run(self, request: Request, session: Option<Arc<Session>>) -> Result<Reply, Reply> {
        let id = request.id.clone();
        let mut in_flight = None;
        let mut cancelled = None;
        if let Some(session) = &session {
            let Some((guard, receiver)) = session.begin(&id) else {
                let error = RpcError::new(ErrorCode::InvalidRequest, "a request with this id is still open");
                return Err(json(StatusCode::BAD_REQUEST, error_frame(Some(&id), &error)));
            };
            in_flight = Some(guard);
            cancelled = Some(receiver);
        }
        let caller = self.caller(session.as_ref());
        let held = Held { _budget: self.budget, _in_flight: in_flight };
        match self.shared.server.answer(request, caller) {
            Answer::Now(frame) => Ok(json(StatusCode::OK, frame)),
            Answer::Later(running) => Ok(drive(running, cancelled, held, self.accepts).await),
        }
    }

    /// A batch of 2025-03-26: answers come together, and a batch without requests gets none.
    async fn batch(self, items: Vec<Result<Message, Rejected>>) -> Result<Reply, Reply> {
        let session = find_session(self.shared, self.headers)
            .map_err(|error| json(StatusCode::NOT_FOUND, error_frame(None, &error)))?;
        let Some(session) = session.filter(|session| session.revision.has_batches()) else {
            let why = "this protocol revision has no batches";
            return Err(refusal(StatusCode::BAD_REQUEST, None, ErrorCode::InvalidRequest, why));
        };
        let mut answers = Vec::new();
        for item in items {
            let request = match item {
                Ok(Message::Request(raw)) => self.shared.server.read(raw, Some(session.revision)),
                Ok(Message::Notification(raw)) => {
                    apply(&session, &raw);
                    continue;
                }
                Ok(Message::Response | Message::Batch(_)) => continue,
                Err(rejected) => Err(rejected),
            };
            answers.push(match request {
                Ok(request) => {
                    let caller = Caller { takes_events: false, ..self.caller(Some(&session)) };
                    self.shared.server.answer(request, caller)
                }
                Err(rejected) => Answer::Now(error_frame(rejected.id.as_ref(), &rejected.error)),
            });
        }
        if answers.is_empty() {
            return Ok(accepted());
        }
        Ok(json(StatusCode::OK, join_batch(answers).await))
    }

    /// A request that could not be read. In a legacy session its error is an ordinary answer.
    fn rejected(&self, rejected: Rejected, in_session: bool) -> Reply {
        let version =
            self.headers.get(VERSION_HEADER).map(|version| String::from_utf8_lossy(version.as_bytes()));
        let mut error = rejected.error;
        if let Some(version) = version {
            let requested = error.data.as_ref().and_then(|data| data["requested"].as_str());
            if error.code == ErrorCode::UnsupportedVersion && requested.is_some_and(|body| body != version) {
                // Header and body disagree: which of them is unsupported is not for us to pick.
                let message = format!("`mcp-protocol-version` is `{version}`, but the body says otherwise");
                error = RpcError::new(ErrorCode::HeaderMismatch, message);
            } else if error.code != ErrorCode::UnsupportedVersion && Revision::from_name(&version).is_none() {
                error = RpcError::unsupported_version(&version);
            }
        }
        let status = match error.code {
            ErrorCode::MethodNotFound if in_session => StatusCode::OK,
            ErrorCode::MethodNotFound => StatusCode::NOT_FOUND,
            ErrorCode::InvalidParams if in_session => StatusCode::OK,
            _ => StatusCode::BAD_REQUEST,
        };
        json(status, error_frame(rejected.id.as_ref(), &error))
    }
}

/// Waits for the answer, or for the reason to make the reply a stream: something to say before the answer,
/// or a call that takes long.
async fn drive(
    mut running: Running,
    cancelled: Option<oneshot::Receiver<()>>,
    held: Held,
    accepts: Accepts,
) -> Reply {
    let mut cancelled = cancelled;
    let first = {
        let step = running.step();
        tokio::pin!(step);
        let slow = sleep(STREAM_AFTER);
        tokio::pin!(slow);
        tokio::select! {
            biased;
            () = wait_cancelled(&mut cancelled) => return withdrawn(),
            step = &mut step => Some(step),
            () = &mut slow, if accepts.events => None,
        }
    };
    match first {
        Some(Step::Done(frame)) if accepts.json => json(StatusCode::OK, frame),
        Some(Step::Done(frame)) => stream(EventStream::new(Running::finished(frame), None, None, held)),
        Some(Step::Event(frame)) => stream(EventStream::new(running, cancelled, Some(&frame), held)),
        None => stream(EventStream::new(running, cancelled, None, held)),
    }
}

async fn wait_cancelled(cancelled: &mut Option<oneshot::Receiver<()>>) {
    match cancelled {
        Some(receiver) => {
            let _ = Pin::new(receiver).await;
        }
        None => std::future::pending().await,
    }
}

/// The reply to a request that its client took back by a notification: an empty stream, since nothing may
/// be said for it any more.
fn withdrawn() -> Reply {
    let mut reply = Response::new(ReplyBody::empty());
    reply.headers_mut().insert(header::CONTENT_TYPE, EVENT_STREAM);
    reply
}

fn notification(shared: &Shared, headers: &HeaderMap, raw: &RawNotification) -> Result<Reply, Reply> {
    let session = find_session(shared, headers)
        .map_err(|error| json(StatusCode::NOT_FOUND, error_frame(None, &error)))?;
    if let Some(session) = session {
        apply(&session, raw);
    }
    Ok(accepted())
}

fn apply(session: &Session, raw: &RawNotification) {
    if let Notification::Cancelled(cancelled) = Notification::read(raw) {
        tracing::debug!(id = ?cancelled.request, reason = cancelled.reason, "cancelled by the client");
        session.cancel(&cancelled.request);
    }
}

fn delete(shared: &Shared, headers: &HeaderMap) -> Reply {
    let ended = headers
        .get(SESSION_HEADER)
        .and_then(|token| token.to_str().ok())
        .is_some_and(|token| shared.sessions.end(token));
    if ended { accepted_with(StatusCode::OK) } else { plain(StatusCode::NOT_FOUND, "no such session\n") }
}

/// The session that the headers name; `None` when they name none.
fn find_session(shared: &Shared, headers: &HeaderMap) -> Result<Option<Arc<Session>>, RpcError> {
    let Some(token) = headers.get(SESSION_HEADER) else { return Ok(None) };
    let session = token.to_str().ok().and_then(|token| shared.sessions.find(token));
    session.map(Some).ok_or_else(|| {
        RpcError::new(ErrorCode::UnknownSession, "no such session; send `initialize` to open a new one")
    })
}

fn bad_request(rejected: Rejected) -> Reply {
    json(StatusCode::BAD_REQUEST, error_frame(rejected.id.as_ref(), &rejected.error))
}

fn too_large(max: usize) -> Reply {
    let why = format!("a request body may have {max} bytes at most");
    refusal(StatusCode::PAYLOAD_TOO_LARGE, None, ErrorCode::InvalidRequest, &why)
}

fn refusal(status: StatusCode, id: Option<&omni_protocol::Id>, code: ErrorCode, why: &str) -> Reply {
    json(status, error_frame(id, &RpcError::new(code, why)))
}

fn json(status: StatusCode, frame: Frame) -> Reply {
    let mut reply = Response::new(ReplyBody::frame(frame));
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, JSON);
    reply
}

fn stream(events: EventStream) -> Reply {
    let mut reply = Response::new(ReplyBody::Events(Box::new(events)));
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, EVENT_STREAM);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Asks proxies not to hold events back.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    reply
}

fn accepted() -> Reply {
    accepted_with(StatusCode::ACCEPTED)
}

fn accepted_with(status: StatusCode) -> Reply {
    let mut reply = Response::new(ReplyBody::empty());
    *reply.status_mut() = status;
    reply
}

fn plain(status: StatusCode, text: &'static str) -> Reply {
    let mut reply = Response::new(ReplyBody::text(text));
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    reply
}
