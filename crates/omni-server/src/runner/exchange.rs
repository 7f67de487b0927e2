//! One request and its answer.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request as HttpRequest, Response, StatusCode};
use omni_call::{
    Answer, Ask, CallPort, CallRequest, Deadline, ErrorDetail, Event, EventSink, NoClient, Outcome,
    OutcomeKind, Wants,
};
use omni_catalog::{CatalogKind, ProfileId};
use omni_protocol::{ListKind, read_complete_params};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout_at;

use super::line_queue::{self, SharedLineQueue};
use super::questions::{Taken, call_of, read_answer};
use super::request::{RunRequest, object_text};
use super::shared::{BODY_BYTES_MAX, CALLS_MAX, Guard, HEAD_BYTES_MAX, Shared};
use super::stream::{CallEvents, CallStream};
use crate::authority::{Authority, Host};
use crate::call::NamedTool;
use crate::call_options::CallOptions;
use crate::item_calls::{ItemReply, ItemRequest};
use crate::list_changes::list_of;
use crate::mcp_result::{self, joined};

/// A caller has this long to send the body of a request.
const BODY_PATIENCE: Duration = Duration::from_secs(30);

/// The contract's version.
pub(super) const CONTRACT: u32 = 2;

const ROUTES: [(&str, Method); 9] = [
    ("/run_tool", Method::POST),
    (ANSWER, Method::POST),
    ("/tools", Method::GET),
    ("/health", Method::GET),
    ("/resources", Method::GET),
    ("/resources/read", Method::POST),
    ("/prompts", Method::GET),
    ("/prompts/get", Method::POST),
    ("/complete", Method::POST),
];

/// `CALL` stands for a call's name.
const ANSWER: &str = "/calls/CALL/answer";

/// The header that tells a caller its call's name.
const CALL_HEADER: HeaderName = HeaderName::from_static("omni-call");

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const LINES: HeaderValue = HeaderValue::from_static("application/x-ndjson");

type Reply = Response<ReplyBody>;

/// The body of any answer.
pub(super) enum ReplyBody {
    Whole(Option<Bytes>),
    Call(Box<CallStream>),
}

/// Answers one request. Dropping the future (the caller hung up) cancels what it started.
pub(super) async fn respond(
    shared: Arc<Shared>,
    guard: Guard,
    request: HttpRequest<Incoming>,
) -> Result<Reply, Infallible> {
    Ok(exchange(&shared, guard, request).await.unwrap_or_else(|refusal| refusal))
}

async fn exchange(
    shared: &Arc<Shared>,
    guard: Guard,
    request: HttpRequest<Incoming>,
) -> Result<Reply, Reply> {
    let accepted = Instant::now();
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    // hyper bounds what it has not understood yet; a head that came in one piece may be longer.
    let head_bytes: usize =
        parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if head_bytes + parts.uri.path().len() > HEAD_BYTES_MAX {
        let why = format!("a request's head may be {HEAD_BYTES_MAX} bytes long");
        return Err(last(refusal(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "too_large", &why)));
    }
    if guard == Guard::Closed {
        let why = "only the user that runs this runner, root, and those in `http.allow_users` of its omni.toml may \
                   call it; its log names the user of this connection";
        return Err(last(refusal(StatusCode::FORBIDDEN, "forbidden", why)));
    }
    let answered = call_of(path);
    let route = if answered.is_some() { ANSWER } else { path };
    let Some((_, method)) = ROUTES.iter().find(|(known, _)| *known == route) else {
        let routes: Vec<String> = ROUTES.iter().map(|(route, method)| format!("{method} {route}")).collect();
        let path: String = path.chars().take(100).collect();
        let why = format!("there is no `{path}`; there are {}", routes.join(", "));
        return Err(refusal(StatusCode::NOT_FOUND, "not_found", &why));
    };
    if parts.method != *method {
        let why = format!("`{path}` takes {method}");
        return Err(refusal(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", &why));
    }
    if guard == Guard::NoPages {
        check_caller(method, &parts.headers)
            .map_err(|why| refusal(StatusCode::FORBIDDEN, "forbidden", &why))?;
    }
    let (body, held) = read_body(shared, &parts.headers, body).await?;
    if let Some(call) = answered {
        return Ok(take_answer(shared, call, &body));
    }
    match path {
        "/run_tool" => run_tool(shared, accepted, &body, held).await,
        "/tools" => Ok(tools(shared, &parts.headers).await),
        "/health" => Ok(ok(health(shared).to_string())),
        "/resources" => {
            let resources = list(shared, CatalogKind::Resources).await;
            let templates = list(shared, CatalogKind::Templates).await;
            Ok(ok(joined(&[("resources", Some(&resources)), ("resourceTemplates", Some(&templates))])))
        }
        "/prompts" => Ok(ok(joined(&[("prompts", Some(&list(shared, CatalogKind::Prompts).await))]))),
        "/resources/read" => item(shared, accepted, resource_request(&body)).await,
        "/complete" => item(shared, accepted, completion_request(&body)).await,
        _ => item(shared, accepted, prompt_request(&body)).await,
    }
}

/// Keeps web pages out: none of them can send a request that passes this.
fn check_caller(method: &Method, headers: &HeaderMap) -> Result<(), String> {
    if headers.contains_key(header::ORIGIN) {
        return Err("a web page cannot use a runner".into());
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok()).unwrap_or_default();
    // Any IP address is fine: a page has a name, and only a name could be made to lead here by its DNS.
    let ours = match Authority::parse(host).map(|authority| authority.host) {
        Some(Host::Name(name)) => &*name == "localhost",
        Some(Host::Address(_)) => true,
        None => false,
    };
    if !ours || hosts.next().is_some() {
        let host: String = host.chars().take(100).collect();
        return Err(format!("`Host: {host}` is no name of this runner; use localhost or an address"));
    }
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    if method == Method::POST && !kind.eq_ignore_ascii_case(b"application/json") {
        return Err("`Content-Type` must be `application/json`".into());
    }
    Ok(())
}

/// Reads a body within its bounds. What is held of it counts until the permit goes.
async fn read_body(
    shared: &Shared,
    headers: &HeaderMap,
    mut body: Incoming,
) -> Result<(Bytes, Option<OwnedSemaphorePermit>), Reply> {
    if headers.contains_key(header::TRANSFER_ENCODING) {
        let why = "say how long the body is: `Content-Length`";
        return Err(last(refusal(StatusCode::LENGTH_REQUIRED, "too_large", why)));
    }
    let length = body.size_hint().lower();
    if length > BODY_BYTES_MAX as u64 {
        let why = format!("a request's body may be {BODY_BYTES_MAX} bytes long, not {length}");
        return Err(last(refusal(StatusCode::PAYLOAD_TOO_LARGE, "too_large", &why)));
    }
    let until = tokio::time::Instant::now() + BODY_PATIENCE;
    let mut held: Option<OwnedSemaphorePermit> = None;
    let mut all = BytesMut::new();
    loop {
        let Ok(frame) = timeout_at(until, body.frame()).await else {
            let why = format!("the body did not come within {} s", BODY_PATIENCE.as_secs());
            return Err(last(refusal(StatusCode::REQUEST_TIMEOUT, "bad_request", &why)));
        };
        let Some(frame) = frame else { return Ok((all.freeze(), held)) };
        let frame = frame.map_err(|error| {
            let why = format!("the body could not be read: {error}");
            last(refusal(StatusCode::BAD_REQUEST, "bad_request", &why))
        })?;
        let Ok(data) = frame.into_data() else { continue };
        let kib = u32::try_from(data.len() / 1024 + 1).unwrap_or(u32::MAX);
        // Charged as it arrives: a caller that only announces a body takes no room.
        let Ok(permit) = Arc::clone(&shared.bodies).try_acquire_many_owned(kib) else {
            return Err(last(busy("as many requests are held as memory is set aside for")));
        };
        match &mut held {
            Some(held) => held.merge(permit),
            None => held = Some(permit),
        }
        all.extend_from_slice(&data);
    }
}

async fn run_tool(
    shared: &Arc<Shared>,
    accepted: Instant,
    body: &Bytes,
    held: Option<OwnedSemaphorePermit>,
) -> Result<Reply, Reply> {
    let asked = RunRequest::read(body).map_err(|why| bad_request(&why))?;
    if shared.draining.load(Ordering::Relaxed) {
        let why = "the runner is about to end";
        return Err(last(retry_later(refusal(StatusCode::SERVICE_UNAVAILABLE, "draining", why))));
    }
    if shared.calls.count() >= CALLS_MAX {
        return Err(busy("as many calls run as there is room for"));
    }
    let server = Arc::clone(&shared.server);
    server.catalog_ready(ListKind::Tools).await;
    let tool = server
        .find(ProfileId::EVERYBODY, &asked.name, None)
        .map_err(|unknown| refusal(StatusCode::NOT_FOUND, "unknown_tool", &unknown.for_people()))?;
    let waiting = SharedLineQueue::default();
    let questions = (asked.asks && tool.spec.may_ask()).then(|| shared.questions.begin());
    let name = questions.as_ref().and_then(|questions| HeaderValue::from_str(questions.name()).ok());
    let mut speaker = CallEvents::new(asked.id, Arc::clone(&waiting), questions);
    let id = asked.id;
    let call = async move {
        // Held as long as the arguments are in memory.
        let _held = held;
        let options = CallOptions {
            deadline: Deadline::new(accepted, asked.deadline, asked.idle),
            wants: asked.wants,
            session: asked.session.into(),
            forwards: true,
            origin: asked.origin,
            parent: None,
        };
        let named = NamedTool { profile: ProfileId::EVERYBODY, name: &asked.name, tool: &tool, viewer: None };
        let outcome = match server.run(named, asked.arguments, options, &mut speaker).await {
            Ok((outcome, _)) => outcome,
            // It went while the call waited.
            Err(unknown) => {
                let kind = OutcomeKind::NotFound { message: unknown.for_people() };
                Outcome::unstarted(kind, accepted.elapsed())
            }
        };
        speaker.lines().end(id, outcome);
    };
    let stream = CallStream::new(id, call, waiting, shared.calls.begin());
    let mut reply = Response::new(ReplyBody::Call(Box::new(stream)));
    reply.headers_mut().insert(header::CONTENT_TYPE, LINES);
    if let Some(name) = name {
        reply.headers_mut().insert(CALL_HEADER, name);
    }
    Ok(reply)
}

/// Takes the answer to a call's question. Also while the runner drains: the call may end well.
fn take_answer(shared: &Shared, call: &str, body: &Bytes) -> Reply {
    let (number, answer) = match read_answer(body) {
        Ok(read) => read,
        Err(why) => return bad_request(&why),
    };
    if let Answer::Result(result) = &answer
        && result.len() > Answer::BYTES_MAX
    {
        let why = format!("an answer's result may be {} bytes long, not {}", Answer::BYTES_MAX, result.len());
        return refusal(StatusCode::PAYLOAD_TOO_LARGE, "too_large", &why);
    }
    match shared.questions.answer(call, number, answer) {
        Taken::Yes => ok("{}"),
        Taken::NoCall => {
            let why = "no call of that name runs here, or it cannot ask";
            refusal(StatusCode::NOT_FOUND, "unknown_call", why)
        }
        Taken::NotOpen => {
            let why = format!(
                "question {number} of that call is not open: it was never asked, was taken back, or has its answer"
            );
            refusal(StatusCode::CONFLICT, "not_open", &why)
        }
    }
}

async fn tools(shared: &Arc<Shared>, headers: &HeaderMap) -> Reply {
    shared.server.catalog_ready(ListKind::Tools).await;
    let making = Arc::clone(shared);
    let made = tokio::task::spawn_blocking(move || making.listing.of(making.server.catalog.snapshot())).await;
    let Ok(list) = made else {
        return refusal(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the list could not be made");
    };
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let same = known.flat_map(|value| value.split(',')).any(|tag| {
        let tag = tag.trim();
        tag.strip_prefix("W/").unwrap_or(tag) == list.etag
    });
    let mut reply = ok(list.body);
    if same {
        reply = Response::new(ReplyBody::Whole(None));
        *reply.status_mut() = StatusCode::NOT_MODIFIED;
    }
    if let Ok(etag) = HeaderValue::from_str(&list.etag) {
        reply.headers_mut().insert(header::ETAG, etag);
    }
    reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    reply
}

fn health(shared: &Shared) -> Value {
    let initializing = !shared.server.is_refreshed(ListKind::Tools);
    let status = match (shared.draining.load(Ordering::Relaxed), initializing) {
        (true, _) => "draining",
        (false, true) => "initializing",
        (false, false) => "ok",
    };
    let version = &shared.server.config.implementation.version;
    json!({
        "status": status,
        "ready": status == "ok",
        "initializing": initializing,
        "contract": CONTRACT,
        "completions": shared.server.offers().completions,
        "runner": format!("omni {version}"),
        "pid": std::process::id(),
        "calls": shared.calls.count(),
    })
}

// -- resources and prompts -------------------------------------------------------------------------------

/// All items of that kind, as a JSON array.
async fn list(shared: &Shared, kind: CatalogKind) -> Bytes {
    shared.server.catalog_ready(list_of(kind)).await;
    shared.server.snapshot().items_told(kind).unwrap_or_else(|| Bytes::from_static(b"[]"))
}

fn resource_request(body: &[u8]) -> Result<CallRequest, String> {
    #[derive(Deserialize)]
    struct ResourceParams {
        uri: Box<str>,
    }
    let text = object_text(body)?;
    let ResourceParams { uri } =
        serde_json::from_str(text).map_err(|error| format!("`uri` must be a string: {error}"))?;
    Ok(CallRequest::resource(uri))
}

fn prompt_request(body: &[u8]) -> Result<CallRequest, String> {
    #[derive(Deserialize)]
    struct PromptParams<'a> {
        name: Box<str>,
        #[serde(borrow)]
        arguments: Option<&'a RawValue>,
    }
    let text = object_text(body)?;
    let PromptParams { name, arguments } =
        serde_json::from_str(text).map_err(|error| format!("`name` must be a string: {error}"))?;
    if arguments.is_some_and(|arguments| !arguments.get().starts_with('{')) {
        return Err("`arguments` must be an object".to_owned());
    }
    let arguments = arguments.map(|arguments| Bytes::copy_from_slice(arguments.get().as_bytes()));
    Ok(CallRequest::Prompt { name, arguments })
}

fn completion_request(body: &[u8]) -> Result<CallRequest, String> {
    let text = Bytes::copy_from_slice(object_text(body)?.as_bytes());
    let read = read_complete_params(&text);
    // The body is what MCP has in `params`.
    let completing = read.map_err(|error| error.message.replace("`params.", "`"))?;
    Ok(CallRequest::Completion(Box::new(completing)))
}

/// Reads a resource, has a prompt filled in or an argument completed.
async fn item(
    shared: &Shared,
    accepted: Instant,
    request: Result<CallRequest, String>,
) -> Result<Reply, Reply> {
    let request = request.map_err(|why| bad_request(&why))?;
    let server = &shared.server;
    let named: String = request.named().unwrap_or_default().chars().take(200).collect();
    let asked = ItemRequest {
        request,
        wants: Wants::default(),
        session: "".into(),
        profile: ProfileId::EVERYBODY,
        accepted,
        forwards: true,
        remaining: None,
        origin: None,
        parent: None,
        viewer: None,
    };
    let ItemReply { outcome, ran, .. } = server.run_item(&asked, &mut Unheard { named: &named }).await;
    let named = ran.unwrap_or(named);
    match outcome.kind {
        OutcomeKind::Finished(result) => Ok(ok(mcp_result::of(result))),
        OutcomeKind::NotFound { message } => Err(refusal(StatusCode::NOT_FOUND, "not_found", &message)),
        OutcomeKind::InvalidArguments { message } => Err(bad_request(&message)),
        OutcomeKind::Busy { .. } => Err(busy(&outcome.into_refusal(&named, ErrorDetail::Full))),
        _ => {
            let failure = line_queue::failure(&outcome);
            Err(failed(&outcome.into_refusal(&named, ErrorDetail::Full), &failure))
        }
    }
}

/// What answers at once has no lines by which it could say more: what such a function would change for clients is lost.
struct Unheard<'a> {
    named: &'a str,
}

impl EventSink for Unheard<'_> {
    fn event(&mut self, event: Event) {
        let (method, what) = match event {
            Event::Progress { .. } | Event::Log { .. } => return,
            Event::ResourceUpdated { uri } => ("resource_updated", uri),
            Event::Visibility { name, shown: true } => ("show", name),
            Event::Visibility { name, shown: false } => ("hide", name),
        };
        let of = self.named;
        tracing::warn!(
            of,
            what,
            "`ctx.{method}` does nothing here: behind a runner, tools alone change what clients have"
        );
    }
}

impl CallPort for Unheard<'_> {
    fn ask(&mut self, ask: Ask) -> BoxFuture<'static, Answer> {
        NoClient.ask(ask)
    }

    fn can_be_asked(&self) -> bool {
        NoClient.can_be_asked()
    }
}

// -- answers -----------------------------------------------------------------------------------------------

fn ok(body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(ReplyBody::Whole(Some(body.into())));
    reply.headers_mut().insert(header::CONTENT_TYPE, JSON);
    reply
}

fn refusal(status: StatusCode, code: &str, why: &str) -> Reply {
    let mut reply = ok(json!({ "error": { "code": code, "message": why } }).to_string());
    *reply.status_mut() = status;
    reply
}

/// Something else than a tool call has failed: how, says the body of an `error` event.
fn failed(why: &str, failure: &Value) -> Reply {
    let error = json!({"error": {"code": "internal", "message": why, "failure": failure}});
    let mut reply = ok(error.to_string());
    *reply.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    reply
}

fn bad_request(why: &str) -> Reply {
    refusal(StatusCode::BAD_REQUEST, "bad_request", why)
}

fn busy(why: &str) -> Reply {
    retry_later(refusal(StatusCode::SERVICE_UNAVAILABLE, "busy", why))
}

fn retry_later(mut reply: Reply) -> Reply {
    reply.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    reply
}

/// Nothing more can be read from the connection, or shall be.
fn last(mut reply: Reply) -> Reply {
    reply.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    reply
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = match self.get_mut() {
            ReplyBody::Whole(whole) => Poll::Ready(whole.take()),
            ReplyBody::Call(stream) => stream.poll_lines(cx),
        };
        data.map(|data| data.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, ReplyBody::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            ReplyBody::Whole(whole) => {
                SizeHint::with_exact(whole.as_ref().map_or(0, |body| body.len() as u64))
            }
            ReplyBody::Call(_) => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use omni_call::CompletionReference;

    use super::*;
    use crate::runner::contract_cases;

    #[test]
    fn what_is_to_be_completed_is_read_or_refused_as_the_contracts_cases_say() {
        let cases = contract_cases("complete");
        for case in &cases {
            let completing = match completion_request(case["text"].as_str().unwrap().as_bytes()) {
                Ok(CallRequest::Completion(completing)) => completing,
                Ok(other) => panic!("{other:?}"),
                Err(why) => {
                    assert_eq!(case["status"], 400, "{}: {why}", case["name"]);
                    assert!(!why.contains("params."), "{why}");
                    continue;
                }
            };
            let (kind, name) = match &completing.reference {
                CompletionReference::Prompt { name } => ("prompt", name),
                CompletionReference::Resource { uri } => ("resource", uri),
            };
            let known = completing.context.as_deref().map(|known| std::str::from_utf8(known).unwrap());
            let is = json!({"kind": kind, "name": name, "argument": completing.argument,
                "value": completing.value, "known": known});
            assert_eq!(is, case["reads"], "{}", case["name"]);
        }
        assert!(cases.len() > 15, "{}", cases.len());
    }
}
