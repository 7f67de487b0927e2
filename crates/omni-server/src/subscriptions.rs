//! The streams that tell a client what changes: a session's own, and `subscriptions/listen`.

use std::sync::Arc;

use omni_catalog::ProfileId;
use omni_protocol::{
    ErrorCode, Frame, Id, ListKind, RequestMeta, Revision, RpcError, SubscriptionFilter, error_frame,
};

use crate::caller::{Caller, RequestAnswer};
use crate::list_changes::CurrentVersions;
use crate::outbox::Outbox;
use crate::running_request::RunningRequest;
use crate::server::Server;
use crate::session::Session;

/// Tells a legacy client which of the lists it knows are out of date. A modern one subscribes to that.
pub(crate) fn notify(server: &Server, session: &Session, versions: &CurrentVersions, outbox: &Outbox) {
    if session.revision().is_some() {
        for kind in session.out_of_date(&versions.of(session.profile())).and(server.announced).iter() {
            outbox.push(server.encoder.list_changed_notification(kind, None));
        }
    }
}

/// A legacy session's stream for what belongs to no request of its client. Never ends by itself.
pub(crate) async fn session_stream(server: Arc<Server>, session: Arc<Session>, outbox: Arc<Outbox>) -> Frame {
    let mut listener = server.changes.listen();
    server.catalog_ready(ListKind::Tools).await;
    let versions = listener.versions();
    notify(&server, &session, &versions, &outbox);
    loop {
        tokio::select! {
            biased;
            frame = session.outbox.next() => {
                // Its bound is that of the session's outbox, and the stream reads on at once.
                let _ = outbox.push_always(frame);
            }
            Some(versions) = listener.changed() => notify(&server, &session, &versions, &outbox),
        }
    }
}

/// `subscriptions/listen`: a stream, so the client has to take one.
pub(crate) fn listen(
    server: &Arc<Server>,
    id: Id,
    revision: Revision,
    wanted: SubscriptionFilter,
    meta: &RequestMeta,
    caller: &Caller,
) -> RequestAnswer {
    if !caller.takes_events {
        let why = "a subscription is a stream: `Accept` must allow `text/event-stream`";
        return RequestAnswer::Now(error_frame(Some(&id), &RpcError::new(ErrorCode::InvalidRequest, why)));
    }
    let outbox = Arc::new(Outbox::default());
    let profile = server.profile_of(meta.client.as_ref(), &caller.session);
    let session = caller.session.clone();
    let (of, to) = ((id.clone(), revision), outbox.clone());
    let stream = subscription(server.clone(), session, of, profile, wanted, to);
    RequestAnswer::Later(RunningRequest::listening(id, stream, outbox))
}

/// One subscription, until the server or its session ends; then its result.
async fn subscription(
    server: Arc<Server>,
    session: Arc<Session>,
    (id, revision): (Id, Revision),
    profile: ProfileId,
    wanted: SubscriptionFilter,
    outbox: Arc<Outbox>,
) -> Frame {
    // Lists whose changes are never announced are left out, so that the client does not wait for them.
    let honoured = SubscriptionFilter { lists: wanted.lists.and(server.announced) };
    outbox.push(server.encoder.listen_acknowledged(&id, honoured));
    let mut listener = server.changes.listen();
    // The end of the first refresh is no change: what the client lists waits for it.
    for kind in honoured.lists.iter() {
        server.catalog_ready(kind).await;
    }
    let mut announced = listener.versions().of(profile);
    loop {
        let current = tokio::select! {
            biased;
            current = listener.changed() => current,
            () = session.ended() => None,
        };
        let Some(current) = current else { break };
        let current = current.of(profile);
        for kind in announced.differing(&current).and(honoured.lists).iter() {
            outbox.push(server.encoder.list_changed_notification(kind, Some(&id)));
        }
        announced = current;
    }
    server.encoder.listen_result(&id, revision)
}
