//! A request's credentials: who it is from, and what becomes of it when they are taken back while it runs.

use std::sync::Arc;

use futures_util::StreamExt as _;
use hyper::header::{self, HeaderMap};
use omni_protocol::ErrorCode;

use super::body::ReplyBody;
use super::reply::{Reply, refusal};
use super::shared::{AdmittedConnection, Shared};
use crate::authentication::{Identity, Refusal};

/// Who has sent a request with these headers. To be asked before everything but what anybody may know.
///
/// # Errors
/// The reply to a request whose credentials are missing or not good, with a challenge.
pub(super) async fn authenticate(
    shared: &Shared,
    admitted: &AdmittedConnection,
    headers: &HeaderMap,
) -> Result<Arc<Identity>, Reply> {
    shared.access.identify(&admitted.identity, headers).await.map_err(|why| refused(shared, &why))
}

/// Waits for the reply to a request of `identity`. When its credentials are taken back before, what it has started is
/// cancelled and it is refused; when that happens while its reply is a stream, the stream ends. So does a stream that only
/// listens when they expire.
pub(super) async fn until_revoked(
    shared: &Shared,
    identity: &Arc<Identity>,
    answer: impl Future<Output = Result<Reply, Reply>>,
) -> Result<Reply, Reply> {
    if identity.revoked.is_none() && identity.expires.is_none() {
        return answer.await;
    }
    let reply = tokio::select! {
        biased;
        reply = answer => reply?,
        () = identity.revoked() => {
            return Err(refused(shared, &Refusal::Invalid("this bearer token was taken back".into())));
        }
    };
    Ok(reply.map(|body| match body {
        ReplyBody::Events(events) => {
            let (identity, listens) = (identity.clone(), events.only_listens());
            let revoked = Box::pin(async move {
                tokio::select! {
                    () = identity.revoked() => {}
                    () = identity.expired(), if listens => {}
                }
            });
            ReplyBody::RevocableEvents { events: Some(events), revoked }
        }
        // A session of HTTP+SSE, whose calls go on when the credentials expire.
        ReplyBody::Stream(events) => {
            let identity = identity.clone();
            ReplyBody::Stream(events.take_until(async move { identity.revoked().await }).boxed())
        }
        body @ (ReplyBody::Whole { .. } | ReplyBody::RevocableEvents { .. }) => body,
    }))
}

fn refused(shared: &Shared, why: &Refusal) -> Reply {
    let mut reply = refusal(why.status(), None, ErrorCode::InvalidRequest, &why.why());
    if let Some(challenge) = shared.access.challenge(why) {
        reply.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    reply
}
