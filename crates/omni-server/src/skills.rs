//! The extension for skills, `io.modelcontextprotocol/skills`: `skills/list`, `skills/get` and
//! `resources/directory/read`. The files themselves are resources like others.

use std::sync::Arc;
use std::time::Duration;

use omni_catalog::{ProfileId, SkillList, Snapshot, Visibility, closest};
use omni_protocol::{
    CacheScope, ErrorCode, Frame, Id, ListCache, ListKind, RequestMeta, Revision, RpcError, error_frame,
};

use crate::caller::{Caller, RequestAnswer};
use crate::lists::{self, ListRequest};
use crate::running_request::RunningRequest;
use crate::server::Server;
use crate::viewer::view_of;

/// Descriptions of skills above this many bytes are read on another thread: less takes no millisecond.
const READ_INLINE_BYTES_MAX: usize = 128 << 10;

/// How long a client waits for the skills of a source that has never said which there are. Some give up before three
/// seconds.
const UNREAD_WAIT: Duration = Duration::from_secs(1);

/// Of a URI that there is not, so much is said.
const URI_CHARS_MAX: usize = 200;

/// Answers `skills/list`.
pub(crate) fn list(
    server: &Arc<Server>,
    id: Id,
    revision: Revision,
    cursor: Option<String>,
    meta: &RequestMeta,
    caller: &Caller,
) -> RequestAnswer {
    let profile = server.profile_of(meta.client.as_ref(), &caller.session);
    let request = ListRequest { id: id.clone(), revision, cursor, whole: lists::is_whole(meta, caller) };
    let scope = scope_of(server, caller);
    with_list(server, id, profile, caller, move |server, skills| {
        let page = |page: Option<usize>| match page {
            Some(page) => skills.page(page),
            None => Some(skills.page_all()),
        };
        let keep = ListCache { scope, is_settled: are_known(server) };
        lists::framed(&request, skills.version(), page, |page, next| {
            server.encoder.list_skills_result(&request.id, request.revision, page, next, keep)
        })
    })
}

/// Answers `skills/get`.
pub(crate) fn get(
    server: &Arc<Server>,
    id: Id,
    revision: Revision,
    uri: String,
    meta: &RequestMeta,
    caller: &Caller,
) -> RequestAnswer {
    let profile = server.profile_of(meta.client.as_ref(), &caller.session);
    let scope = scope_of(server, caller);
    with_list(server, id.clone(), profile, caller, move |server, skills| match skills.entry(&uri) {
        Some(entry) => {
            let keep = ListCache { scope, is_settled: are_known(server) };
            server.encoder.get_skill_result(&id, revision, entry, keep)
        }
        None => {
            let near = closest(&uri, skills.uris()).map(|near| format!("; did you mean `{near}`?"));
            let message = format!("no skill is served at `{}`{}", cut(&uri), near.unwrap_or_default());
            error_frame(Some(&id), &RpcError::new(ErrorCode::InvalidParams, message))
        }
    })
}

/// Answers `resources/directory/read`. A directory of a skill has 512 files at most, which is one page.
pub(crate) fn directory(
    server: &Arc<Server>,
    id: Id,
    revision: Revision,
    uri: String,
    cursor: Option<String>,
    meta: &RequestMeta,
    caller: &Caller,
) -> RequestAnswer {
    let profile = server.profile_of(meta.client.as_ref(), &caller.session);
    with_list(server, id.clone(), profile, caller, move |server, skills| {
        let refused = |message| error_frame(Some(&id), &RpcError::new(ErrorCode::InvalidParams, message));
        if cursor.is_some() {
            return refused(
                "`params.cursor` is not one of this directory: all of it is on one page".to_owned(),
            );
        }
        match skills.directory(&uri) {
            Some(children) => server.encoder.read_directory_result(&id, revision, children),
            None => refused(format!(
                "`{}` is not a directory resource: those are `omni://skill/NAME` and the folders below it",
                cut(&uri)
            )),
        }
    })
}

/// Answers from the skills that a client is shown: at once where these are known, else when they have been read.
fn with_list(
    server: &Arc<Server>,
    id: Id,
    profile: ProfileId,
    caller: &Caller,
    answer: impl FnOnce(&Server, &SkillList) -> Frame + Send + 'static,
) -> RequestAnswer {
    let view = view_of(server, &caller.session, &caller.account);
    if server.is_refreshed(ListKind::Resources)
        && view.is_none()
        && let Some(list) = server.snapshot().skill_list_ready(profile)
    {
        return RequestAnswer::Now(answer(server, list));
    }
    let server = Arc::clone(server);
    let later = async move {
        server.catalog_ready(ListKind::Resources).await;
        let list = shown(&server.snapshot(), profile, view).await;
        answer(&server, &list)
    };
    RequestAnswer::Later(RunningRequest::new(id, later, None))
}

/// Whether all sources have said which skills they have: those of a folder come with its tools, and those of a runner are among
/// its resources.
pub(crate) fn are_known(server: &Server) -> bool {
    [ListKind::Tools, ListKind::Resources].into_iter().all(|list| server.is_refreshed(list))
}

/// Waits until they have, but not for a source that does not answer.
pub(crate) async fn known(server: &Server) {
    let ready = async {
        server.catalog_ready(ListKind::Tools).await;
        server.catalog_ready(ListKind::Resources).await;
    };
    let _ = tokio::time::timeout(UNREAD_WAIT, ready).await;
}

/// The skills that a profile shows to a client that sees this otherwise, read without keeping this thread from others for
/// long.
pub(crate) async fn shown(
    snapshot: &Arc<Snapshot>,
    profile: ProfileId,
    view: Option<Arc<Visibility>>,
) -> Arc<SkillList> {
    let is_ready = view.is_none() && snapshot.skill_list_ready(profile).is_some();
    if !is_ready && snapshot.skill_bytes() > READ_INLINE_BYTES_MAX {
        let (snapshot, view) = (Arc::clone(snapshot), view.clone());
        let made = tokio::task::spawn_blocking(move || snapshot.skills_seen(profile, view.as_deref()));
        if let Ok(list) = made.await {
            return list;
        }
        // It has panicked: the same happens here, and is answered as any bug is.
    }
    snapshot.skills_seen(profile, view.as_deref())
}

/// Who may be given what one client was told of skills.
fn scope_of(server: &Server, caller: &Caller) -> CacheScope {
    server.cache_scope(view_of(server, &caller.session, &caller.account).is_some())
}

fn cut(uri: &str) -> String {
    uri.chars().take(URI_CHARS_MAX).collect()
}
