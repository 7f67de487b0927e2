//! Which resource of the server a request's target names, and what is asked of a request before it is answered.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request as HttpRequest, StatusCode};
use omni_protocol::{ErrorCode, Frame};

use super::credentials::{authenticate, until_revoked};
use super::exchange::Client;
use super::reply::{Reply, json, method_not_allowed, refusal};
use super::shared::{AdmittedConnection, Shared};
use super::{cors, health, sse};
use crate::admission::BusyGuard;
use crate::host_check::HostRejection;
use crate::transport::listener::Addresses;

/// Others are looked at before an answer of more bytes is written.
const LARGE_ANSWER_BYTES: u64 = 32 << 10;

/// What of the server a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    /// Answered without credentials.
    Open(OpenRoute),
    /// Answered to whoever may call tools.
    Guarded(GuardedRoute),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OpenRoute {
    /// `/health`: whether the server answers.
    Health,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum GuardedRoute {
    /// `/mcp`: the endpoint of MCP, in both eras (Streamable HTTP).
    Mcp,
    /// `/sse`: begins a session of HTTP+SSE.
    Sse,
    /// `/messages`: takes the messages of one.
    Messages,
}

impl Route {
    /// `None` for what this server does not have.
    fn of(path: &str) -> Option<Route> {
        // Many clients and proxies add the slash.
        Some(match path.strip_suffix('/').unwrap_or(path) {
            "/mcp" => Route::Guarded(GuardedRoute::Mcp),
            "/sse" => Route::Guarded(GuardedRoute::Sse),
            "/messages" => Route::Guarded(GuardedRoute::Messages),
            "/health" => Route::Open(OpenRoute::Health),
            _ => return None,
        })
    }
}

/// Answers one HTTP request. Dropping the future (the client hung up) cancels what it started.
pub(super) async fn respond(
    shared: Arc<Shared>,
    admitted: Arc<AdmittedConnection>,
    request: HttpRequest<Incoming>,
) -> Result<Reply, Infallible> {
    let work = admitted.connection.mark_busy();
    let origin = shared.names.reading_origin(request.headers()).cloned();
    let mut reply = answer(&shared, &admitted, request, work).await.unwrap_or_else(|refusal| refusal);
    cors::mark(&mut reply, origin);
    if reply.body().size_hint().lower() > LARGE_ANSWER_BYTES {
        // A client may send requests ahead of their answers. Tokio lets a connection go on for 128 answers before
        // others are looked at, and those of large lists take a millisecond each. In a task, since hyper asks again
        // within the same turn, which would count as having yielded.
        let _ = tokio::spawn(tokio::task::yield_now()).await;
    }
    Ok(reply)
}

/// Whose connection it is, and by which names it calls us, is checked on every route; then the route decides.
async fn answer(
    shared: &Arc<Shared>,
    admitted: &AdmittedConnection,
    request: HttpRequest<Incoming>,
    work: BusyGuard,
) -> Result<Reply, Reply> {
    let access = &admitted.access;
    if let Some(why) = &access.refused {
        let mut reply = refusal(StatusCode::FORBIDDEN, None, ErrorCode::InvalidRequest, why);
        // Nothing else will be served on this connection, so it is closed and its place is free.
        reply.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        return Err(reply);
    }
    let (parts, body) = request.into_parts();
    let headers = &parts.headers;
    let local = match access.peer.addresses {
        Addresses::Tcp { local, .. } => Some(local.ip()),
        Addresses::Unix => None,
    };
    shared.names.check(parts.version, &parts.uri, headers, local).map_err(|rejection| match rejection {
        HostRejection::Malformed(why) => {
            refusal(StatusCode::BAD_REQUEST, None, ErrorCode::InvalidRequest, &why)
        }
        HostRejection::Forbidden(why) => {
            refusal(StatusCode::FORBIDDEN, None, ErrorCode::InvalidRequest, &why)
        }
    })?;
    if let Some(document) = shared.access.metadata_at(parts.uri.path()) {
        return Ok(resource_metadata(&parts.method, headers, document));
    }
    let route = Route::of(parts.uri.path()).ok_or_else(|| {
        let why = "the endpoint is `/mcp`, and `/sse` for clients of HTTP+SSE; a proxy that serves them under a prefix \
                   has to take it off";
        refusal(StatusCode::NOT_FOUND, None, ErrorCode::InvalidRequest, why)
    })?;
    if parts.method == Method::OPTIONS
        && let Some(answer) = cors::preflight(headers)
    {
        return Ok(answer);
    }
    let route = match route {
        Route::Guarded(route) => route,
        Route::Open(OpenRoute::Health) => {
            // Whoever sends no credentials is told less, and not refused: a load balancer has none.
            let identity = authenticate(shared, admitted, headers).await.ok();
            return Ok(health::answer(shared, &parts.method, identity.as_deref()));
        }
    };
    let identity = &authenticate(shared, admitted, headers).await?;
    let account = &shared.account(admitted, identity);
    let client = Client { shared, identity, account, headers };
    until_revoked(shared, identity, async {
        match (route, &parts.method) {
            (GuardedRoute::Mcp, method) => client.answer(method, body, work).await,
            (GuardedRoute::Sse, &Method::GET) => Ok(sse::open(client, &admitted.connection, &parts.uri)),
            (GuardedRoute::Messages, &Method::POST) => sse::post(client, &parts.uri, body).await,
            // Clients that try Streamable HTTP first POST here, and take this for the sign to go on with GET.
            (GuardedRoute::Sse, _) => {
                let why = "GET begins a session of HTTP+SSE; Streamable HTTP is at `/mcp`";
                Err(method_not_allowed("GET", why))
            }
            (GuardedRoute::Messages, _) => {
                Err(method_not_allowed("POST", "POST the messages of a session of HTTP+SSE here"))
            }
        }
    })
    .await
}

/// Whose tokens are taken, for whoever asks (RFC 9728): a client has none yet when it reads this.
fn resource_metadata(method: &Method, headers: &HeaderMap, document: Bytes) -> Reply {
    if *method == Method::OPTIONS
        && let Some(answer) = cors::preflight(headers)
    {
        return answer;
    }
    match *method {
        Method::GET | Method::HEAD => {
            let mut reply = json(StatusCode::OK, Frame { head: document, ..Frame::default() });
            reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=300"));
            reply
        }
        _ => method_not_allowed("GET, HEAD", "GET what clients have to know of this server's tokens"),
    }
}
