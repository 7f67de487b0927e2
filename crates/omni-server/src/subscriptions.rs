//! How a client is told what changes: by its session's stream, with `resources/subscribe`, or by `subscriptions/listen`.

use std::sync::Arc;

use omni_call::with_causes;
use omni_catalog::{ProfileId, Snapshot, Visibility};
use omni_protocol::{
    ErrorCode, Frame, Id, ListKind, RequestMeta, Revision, RpcError, SubscriptionFilter, error_frame,
};
use tokio::time::Instant;

use crate::admission::PeerAccount;
use crate::caller::{Caller, RequestAnswer};
use crate::change_queue::{ChangeQueue, Changes};
use crate::list_changes::CurrentVersions;
use crate::lists::when_refreshed;
use crate::outbox::Outbox;
use crate::resource_updates::{SubscriptionRefused, Subscriptions};
use crate::running_request::RunningRequest;
use crate::server::Server;
use crate::session::{self, Session};
use crate::tasks::TaskWatch;
use crate::viewer::view_of;

/// Tells a legacy client which of the lists it knows are out of date. A modern one subscribes to that.
pub(crate) fn notify(server: &Server, session: &Session, versions: &CurrentVersions, outbox: &Outbox) {
    if session.revision().is_some() {
        let versions = versions.of(session.profile()).seen_by(session.view().as_deref());
        for kind in session.out_of_date(&versions).and(server.announced).iter() {
            outbox.push(server.encoder.list_changed_notification(kind, None));
        }
    }
}

/// Tells a legacy client what has changed for it alone.
pub(crate) fn notify_changes(server: &Server, session: &Session, changes: Changes, outbox: &Outbox) {
    let Changes { lists, resources } = changes;
    if lists {
        notify(server, session, &server.changes.current(), outbox);
    }
    let withheld = Withheld { server, profile: session.profile(), view: session.view() };
    tell_updates(withheld, &resources, None, outbox);
}

/// What a client may not hear of, since it may not read it.
struct Withheld<'a> {
    server: &'a Server,
    profile: ProfileId,
    view: Option<Arc<Visibility>>,
}

impl Withheld<'_> {
    fn has(&self, snapshot: &Snapshot, uri: &str) -> bool {
        let seen = self.view.as_deref().unwrap_or_else(|| Visibility::as_everybody());
        snapshot.withholds(self.profile, uri, Some(seen))
    }
}

/// An update must not be lost: its client would go on with what it has read. Their number is bounded by the client's
/// subscriptions, and no more are taken out of the queue before these have been read.
fn tell_updates(withheld: Withheld<'_>, resources: &[Arc<str>], subscription: Option<&Id>, outbox: &Outbox) {
    if resources.is_empty() {
        return;
    }
    let snapshot = withheld.server.snapshot();
    for uri in resources.iter().filter(|uri| !withheld.has(&snapshot, uri)) {
        let frame = withheld.server.encoder.resource_updated_notification(uri, subscription);
        if outbox.push_always(frame).is_some() {
            tracing::debug!("a client has gone that had subscribed to a resource");
        }
    }
}

/// `resources/subscribe`, once it is known which resources there are. What the client may not read is not there.
pub(crate) fn subscribe(
    server: &Arc<Server>,
    id: Id,
    revision: Revision,
    uri: String,
    meta: &RequestMeta,
    caller: Caller,
) -> RequestAnswer {
    let profile = server.profile_of(meta.client.as_ref(), &caller.session);
    when_refreshed(server, ListKind::Resources, id.clone(), move |server| {
        let view = view_of(server, &caller.session, &caller.account);
        let subscribed = match (Withheld { server, profile, view }).has(&server.snapshot(), &uri) {
            true => Err(SubscriptionRefused::Unknown),
            false => session::subscribe(&caller.session, server, &uri, &caller.account),
        };
        match subscribed {
            Ok(()) => server.encoder.empty_result(&id, revision),
            Err(refused) => error_frame(Some(&id), &subscription_refused(refused, revision, &uri)),
        }
    })
}

fn subscription_refused(refused: SubscriptionRefused, revision: Revision, uri: &str) -> RpcError {
    match refused {
        SubscriptionRefused::Unknown => RpcError::resource_not_found(revision, uri, refused.to_string()),
        SubscriptionRefused::TooLong | SubscriptionRefused::TooMany => {
            RpcError::new(ErrorCode::InvalidParams, refused.to_string())
        }
        SubscriptionRefused::ServerFull => RpcError::new(ErrorCode::Overloaded, refused.to_string()),
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
            changes = session.changes().next() => notify_changes(&server, &session, changes, &outbox),
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
    let from = (caller.session.clone(), caller.account.clone());
    let (of, to) = ((id.clone(), revision), outbox.clone());
    let stream = subscription(server.clone(), from, of, profile, wanted, to);
    RequestAnswer::Later(RunningRequest::listening(id, stream, outbox))
}

/// Waits until then; for ever where there is no such time.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Tells a subscriber how a task is. How it has ended must not be lost: its client waits for that.
async fn tell_of_task(server: &Server, task: &str, owner: &str, subscription: &Id, outbox: &Outbox) {
    let Some(tasks) = &server.tasks else { return };
    let task = match tasks.find(task, owner).await {
        Ok(Some(task)) => task,
        // Its time is over.
        Ok(None) => return,
        Err(error) => {
            tracing::warn!(
                task,
                error = with_causes(&error),
                "a subscriber is not told of a task: it cannot be read"
            );
            return;
        }
    };
    let frame = server.encoder.task_notification(subscription, &task);
    if !task.state.status().is_final() {
        outbox.push(frame);
    } else if outbox.push_always(frame).is_some() {
        tracing::debug!("a client has gone that had subscribed to a task");
    }
}

/// One subscription, until the server or its session ends; then its result.
async fn subscription(
    server: Arc<Server>,
    (session, account): (Arc<Session>, PeerAccount),
    (id, revision): (Id, Revision),
    profile: ProfileId,
    wanted: SubscriptionFilter,
    outbox: Arc<Outbox>,
) -> Frame {
    let queue = Arc::new(ChangeQueue::default());
    let mut subscriptions = Subscriptions::new(server.updates.clone(), queue.clone());
    let mut resources = wanted.resources;
    if server.offers().subscribe && !resources.is_empty() {
        server.catalog_ready(ListKind::Resources).await;
        let withheld = Withheld { server: &server, profile, view: view_of(&server, &session, &account) };
        let snapshot = server.snapshot();
        resources.retain(|uri| {
            let subscribed = match withheld.has(&snapshot, uri) {
                true => Err(SubscriptionRefused::Unknown),
                false => subscriptions.add(uri, &server.catalog, &account),
            };
            subscribed
                .inspect_err(|refused| tracing::debug!(%refused, "a subscription leaves a resource out"))
                .is_ok()
        });
    } else {
        resources.clear();
    }
    // What is never announced is left out, so that the client does not wait for it.
    let watch = Arc::new(TaskWatch::default());
    let owner = session.principal.seal_text();
    let tasks = match &server.tasks {
        Some(tasks) if !wanted.tasks.is_empty() => tasks.watch(&owner, wanted.tasks, &watch).await,
        _ => Vec::new(),
    };
    let honoured = SubscriptionFilter { lists: wanted.lists.and(server.announced), resources, tasks };
    outbox.push(server.encoder.listen_acknowledged(&id, &honoured));
    let mut listener = server.changes.listen();
    // The end of the first refresh is no change: what the client lists waits for it.
    for kind in honoured.lists.iter() {
        server.catalog_ready(kind).await;
    }
    if session.keeps_state() {
        session.tell_of_view(&queue);
    } else {
        server.views.listen(account.key(), &queue);
    }
    let seen = |current: CurrentVersions| {
        current.of(profile).seen_by(view_of(&server, &session, &account).as_deref())
    };
    let mut announced = seen(listener.versions());
    loop {
        let view_ends = if session.keeps_state() { None } else { server.views.until(account.key()) };
        let current = tokio::select! {
            biased;
            current = listener.changed() => current,
            () = session.ended() => None,
            changes = queue.next() => {
                let view = view_of(&server, &session, &account);
                tell_updates(Withheld { server: &server, profile, view }, &changes.resources, Some(&id), &outbox);
                if !changes.lists {
                    continue;
                }
                Some(server.changes.current())
            }
            task = watch.next() => {
                tell_of_task(&server, &task, &owner, &id, &outbox).await;
                continue;
            }
            () = until(view_ends) => Some(server.changes.current()),
        };
        let Some(current) = current else { break };
        let current = seen(current);
        for kind in announced.differing(&current).and(honoured.lists).iter() {
            outbox.push(server.encoder.list_changed_notification(kind, Some(&id)));
        }
        announced = current;
    }
    drop((subscriptions, queue));
    server.views.leave(account.key());
    server.encoder.listen_result(&id, revision)
}
