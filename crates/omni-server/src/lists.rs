//! `tools/list`: pages of bytes that were made with the snapshot.

use std::sync::Arc;

use omni_catalog::{ListShape, ProfileId};
use omni_protocol::{
    ErrorCode, Frame, Id, ListKind, RequestMeta, Revision, RpcError, ToolFields, error_frame,
};

use crate::dispatch::{Answer, Caller};
use crate::running::Running;
use crate::server::Server;
use crate::session::Session;

/// Answers at once, or when the catalogue is checked.
pub(crate) fn tools(
    server: &Arc<Server>,
    id: Id,
    revision: Revision,
    cursor: Option<String>,
    meta: &RequestMeta,
    caller: Caller,
) -> Answer {
    let whole = caller.ignores_cursors || meta.client.as_ref().is_some_and(|client| client.ignores_cursors());
    let profile = server.profile_of(meta.client.as_ref(), &caller.session);
    if server.catalog_is_checked() {
        return Answer::Now(page(
            server,
            (&id, revision),
            profile,
            cursor.as_deref(),
            whole,
            &caller.session,
        ));
    }
    let server = server.clone();
    let list = {
        let id = id.clone();
        async move {
            server.catalog_ready().await;
            page(&server, (&id, revision), profile, cursor.as_deref(), whole, &caller.session)
        }
    };
    Answer::Later(Running::new(id, list, None))
}

fn page(
    server: &Server,
    (id, revision): (&Id, Revision),
    profile: ProfileId,
    cursor: Option<&str>,
    whole: bool,
    session: &Session,
) -> Frame {
    let snapshot = server.snapshot();
    let list = snapshot.for_profile(profile);
    let version = list.version();
    session.saw_list(ListKind::Tools, Some(version));
    let shape = list_shape(revision.tool_fields());
    if whole {
        return server.encoder.tools(id, revision, list.page_all(shape).items, None);
    }
    // A cursor names the snapshot it walks, or pages of two lists could be mixed.
    let stamp = version.get(..16).unwrap_or(version);
    let page = match cursor {
        None => Some(0),
        Some(cursor) => cursor
            .split_once('.')
            .filter(|(_, of)| *of == stamp)
            .and_then(|(page, _)| page.parse::<usize>().ok()),
    };
    let Some(page) = page.and_then(|page| list.page(shape, page)) else {
        let message = "`params.cursor` is not one of this list: the list may have changed; \
                       start again without a cursor";
        return error_frame(Some(id), &RpcError::new(ErrorCode::InvalidParams, message));
    };
    let next = page.next.map(|next| format!("{next}.{stamp}"));
    server.encoder.tools(id, revision, page.items, next.as_deref())
}

fn list_shape(fields: ToolFields) -> ListShape {
    match fields {
        ToolFields::Basic => ListShape::Basic,
        ToolFields::Annotated => ListShape::Annotated,
        ToolFields::Structured => ListShape::Structured,
        ToolFields::All => ListShape::All,
    }
}
