//! `tools/list`, and the lists of resources, templates and prompts: pages of bytes that were made with the snapshot.

use std::sync::Arc;

use bytes::Bytes;
use omni_catalog::{CatalogKind, ListFields, Page, ProfileId, Visibility};
use omni_protocol::{
    ErrorCode, Frame, Id, ItemKind, ListCache, ListKind, RequestMeta, Revision, RpcError, ToolFields,
    error_frame,
};

use crate::caller::{Caller, RequestAnswer};
use crate::running_request::RunningRequest;
use crate::server::Server;
use crate::viewer::view_of;

/// How a list is asked for.
pub(crate) struct ListRequest {
    pub(crate) id: Id,
    pub(crate) revision: Revision,
    pub(crate) cursor: Option<String>,
    /// On one page, for a client that does not follow cursors.
    pub(crate) whole: bool,
}

/// Answers `tools/list` at once, or when the catalogue has been refreshed.
pub(crate) fn tools(
    server: &Arc<Server>,
    id: Id,
    revision: Revision,
    cursor: Option<String>,
    meta: &RequestMeta,
    caller: Caller,
) -> RequestAnswer {
    let profile = server.profile_of(meta.client.as_ref(), &caller.session);
    let request = ListRequest { id, revision, cursor, whole: is_whole(meta, &caller) };
    when_refreshed(server, ListKind::Tools, request.id.clone(), move |server| {
        tools_page(server, &request, profile, &caller)
    })
}

/// Answers `resources/list`, `resources/templates/list` or `prompts/list` at once, or when the catalogue has been refreshed.
pub(crate) fn items(
    server: &Arc<Server>,
    id: Id,
    revision: Revision,
    kind: ItemKind,
    cursor: Option<String>,
    meta: &RequestMeta,
    caller: Caller,
) -> RequestAnswer {
    let profile = server.profile_of(meta.client.as_ref(), &caller.session);
    let request = ListRequest { id, revision, cursor, whole: is_whole(meta, &caller) };
    when_refreshed(server, kind.list(), request.id.clone(), move |server| {
        items_page(server, &request, kind, profile, &caller)
    })
}

pub(crate) fn is_whole(meta: &RequestMeta, caller: &Caller) -> bool {
    caller.ignores_cursors || meta.client.as_ref().is_some_and(|client| client.ignores_cursors())
}

/// Answers the request of that id at once, or when it is known what that list has.
pub(crate) fn when_refreshed(
    server: &Arc<Server>,
    list: ListKind,
    id: Id,
    answer: impl FnOnce(&Server) -> Frame + Send + 'static,
) -> RequestAnswer {
    if server.is_refreshed(list) {
        return RequestAnswer::Now(answer(server));
    }
    let server = server.clone();
    let later = async move {
        server.catalog_ready(list).await;
        answer(&server)
    };
    RequestAnswer::Later(RunningRequest::new(id, later, None))
}

fn tools_page(server: &Server, request: &ListRequest, profile: ProfileId, caller: &Caller) -> Frame {
    let snapshot = server.snapshot();
    let view = view_of(server, &caller.session, &caller.account);
    let seen = view.as_deref().map(|seen| snapshot.tools_seen(profile, seen));
    let list = seen.as_deref().unwrap_or_else(|| snapshot.for_profile(profile));
    let differs = is_of_client(list.has_off(), view.as_deref(), CatalogKind::Tools);
    caller.session.saw_list(CatalogKind::Tools, list.version());
    let fields = list_fields(request.revision.tool_fields());
    let page = |page: Option<usize>| match page {
        Some(page) => list.page(fields, page),
        None => Some(list.page_all(fields)),
    };
    let keep = keep(server, ListKind::Tools, differs);
    framed(request, list.version(), page, |page, next| {
        server.encoder.list_tools_result(&request.id, request.revision, page, next, keep)
    })
}

fn items_page(
    server: &Server,
    request: &ListRequest,
    kind: ItemKind,
    profile: ProfileId,
    caller: &Caller,
) -> Frame {
    let snapshot = server.snapshot();
    let of = kind_of(kind);
    let view = view_of(server, &caller.session, &caller.account);
    let Some(list) = snapshot.items_seen(profile, of, view.as_deref()) else {
        // Each kind of item has one.
        return error_frame(Some(&request.id), &RpcError::new(ErrorCode::Internal, "there is no such list"));
    };
    caller.session.saw_list(of, list.version());
    let fields = list_fields(request.revision.tool_fields());
    let page = |page: Option<usize>| match page {
        Some(page) => list.page(fields, page),
        None => Some(list.page_all(fields)),
    };
    let differs = is_of_client(list.has_off(), view.as_deref(), of);
    let keep = keep(server, kind.list(), differs);
    framed(request, list.version(), page, |page, next| {
        server.encoder.list_items_result(&request.id, request.revision, kind, page, next, keep)
    })
}

/// How long a list may be kept. One that a call of the client may change is asked for anew: a client that has not
/// subscribed would not see what its own call has just shown it.
fn keep(server: &Server, list: ListKind, differs: bool) -> ListCache {
    ListCache { scope: server.cache_scope(differs), is_settled: server.is_refreshed(list) && !differs }
}

/// Whether a list may be another for the next client, or for this one after its next call, by what calls show.
fn is_of_client(has_off: bool, seen: Option<&Visibility>, kind: CatalogKind) -> bool {
    has_off || seen.is_some_and(|seen| seen.changes(kind))
}

/// The page that is asked for: `page` gives one by its number, and the whole list for `None`.
pub(crate) fn framed(
    request: &ListRequest,
    version: &str,
    page: impl FnOnce(Option<usize>) -> Option<Page>,
    frame: impl FnOnce(Bytes, Option<&str>) -> Frame,
) -> Frame {
    // A cursor names the list it walks, or pages of two lists could be mixed.
    let stamp = version.get(..16).unwrap_or(version);
    let number = match &request.cursor {
        _ if request.whole => Some(None),
        None => Some(Some(0)),
        Some(cursor) => cursor
            .split_once('.')
            .filter(|(_, of)| *of == stamp)
            .and_then(|(page, _)| page.parse::<usize>().ok())
            .map(Some),
    };
    let Some(page) = number.and_then(page) else {
        let message = "`params.cursor` is not one of this list: the list may have changed; \
                       start again without a cursor";
        return error_frame(Some(&request.id), &RpcError::new(ErrorCode::InvalidParams, message));
    };
    let next = page.next.map(|next| format!("{next}.{stamp}"));
    frame(page.items, next.as_deref())
}

/// What the catalogue calls it.
pub(crate) fn kind_of(kind: ItemKind) -> CatalogKind {
    match kind {
        ItemKind::Resource => CatalogKind::Resources,
        ItemKind::ResourceTemplate => CatalogKind::Templates,
        ItemKind::Prompt => CatalogKind::Prompts,
    }
}

fn list_fields(fields: ToolFields) -> ListFields {
    match fields {
        ToolFields::Basic => ListFields::Basic,
        ToolFields::Annotated => ListFields::Annotated,
        ToolFields::Structured => ListFields::Structured,
        ToolFields::All => ListFields::All,
    }
}
