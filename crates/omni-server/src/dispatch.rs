//! Which method leads where: the one table. A new method is decoded in `omni-protocol`, has its line here, and its
//! handler in a file of its own.

use std::sync::Arc;

use omni_call::CallRequest;
use omni_catalog::ProfileId;
use omni_protocol::{Action, ClientInfo, GetPrompt, RawRequest, Rejected, Request, Revision, RpcError};

use crate::call::Callee;
use crate::call_client::StateUse;
use crate::caller::{Caller, RequestAnswer};
use crate::opening::{self, Opening};
use crate::server::Server;
use crate::{call, call_client, lists, session, skills, subscriptions, tasks};

/// Reads a request whose session is looked up only if its era has sessions. A method of a feature that is not offered
/// is as unknown as any other.
pub(crate) fn read(
    server: &Server,
    raw: RawRequest,
    session: impl FnOnce() -> Result<Option<Revision>, RpcError>,
) -> Result<Request, Rejected> {
    let request = Request::read_in(raw, session)?;
    let refused = match request.action.offered(|| server.offers()) {
        true => request.lacks_capability(),
        false => Some(RpcError::method_not_found(&request.method)),
    };
    match refused {
        None => Ok(request),
        Some(error) => Err(Rejected { id: Some(request.id), error }),
    }
}

/// Whether a request is answered however many are open: it costs nothing, and asks whether we are there.
pub(crate) fn is_always_answered(action: &Action) -> bool {
    matches!(action, Action::Ping)
}

/// Notes in the log who a client says it is, and what it is shown for that: profiles go by this name.
fn note_client(server: &Server, client: &ClientInfo, revision: Revision, profile: ProfileId, what: &str) {
    tell_of_client(server, client);
    tracing::info!(
        client = client.name,
        version = client.version,
        revision = revision.name(),
        profile = server.profile_name(profile),
        "{what}"
    );
}

fn tell_of_client(server: &Server, client: &ClientInfo) {
    if let Some(clients) = &server.config.clients {
        clients.connected(&client.name, &client.version);
    }
}

/// Begins to answer a request. Only what an executor is asked, subscriptions, and what is listed or said of skills before
/// the catalogue has been refreshed, take time.
pub(crate) fn answer(server: &Arc<Server>, request: Request, caller: Caller) -> RequestAnswer {
    let mut replay = None;
    if let Some(brought) = &request.meta.input_responses
        && let Some(subject) = request.subject()
    {
        match call_client::use_state(&request, brought, subject, &caller) {
            StateUse::Resumed(running) => return RequestAnswer::Later(running),
            StateUse::Refused(error) => return RequestAnswer::Now(error),
            StateUse::Gone(gone) => replay = Some(gone),
        }
    }
    let Request { id, revision, action, meta, method: _ } = request;
    match action {
        Action::Initialize(initialize) => {
            let profile = server.profile_of(Some(&initialize.client), &caller.session);
            session::initialize(&caller.session, &initialize, profile);
            note_client(server, &initialize.client, initialize.agreed, profile, "client initialised");
            opening::answer(server, id, initialize.agreed, Opening::Initialize, profile)
        }
        Action::Discover => {
            // Most clients that have no sessions begin with this.
            let profile = server.profile_of(meta.client.as_ref(), &caller.session);
            if let Some(client) = &meta.client {
                note_client(server, client, revision, profile, "client discovered the server");
            }
            opening::answer(server, id, revision, Opening::Discover, profile)
        }
        Action::Ping => RequestAnswer::Now(server.encoder.empty_result(&id, revision)),
        Action::SetLogLevel(level) => {
            session::set_log_level(&caller.session, level);
            RequestAnswer::Now(server.encoder.empty_result(&id, revision))
        }
        Action::ListTools { cursor } => {
            // Some clients that have no sessions never discover the server.
            if let Some(client) = &meta.client {
                tell_of_client(server, client);
            }
            lists::tools(server, id, revision, cursor, &meta, caller)
        }
        Action::CallTool(call) => {
            call::answer(server, (id, revision), Callee::Tool(call), meta, caller, replay)
        }
        Action::ReadResource { uri } => {
            let request = CallRequest::resource(uri);
            call::answer(server, (id, revision), Callee::Item(request), meta, caller, replay)
        }
        Action::Subscribe { uri } => subscriptions::subscribe(server, id, revision, uri, &meta, caller),
        Action::Unsubscribe { uri } => {
            session::unsubscribe(&caller.session, &uri);
            RequestAnswer::Now(server.encoder.empty_result(&id, revision))
        }
        Action::GetPrompt(GetPrompt { name, arguments }) => {
            let request = CallRequest::Prompt { name: name.into(), arguments };
            call::answer(server, (id, revision), Callee::Item(request), meta, caller, replay)
        }
        Action::Complete(completing) => {
            let request = CallRequest::Completion(completing);
            call::answer(server, (id, revision), Callee::Item(request), meta, caller, replay)
        }
        Action::List { kind, cursor } => lists::items(server, id, revision, kind, cursor, &meta, caller),
        Action::ListSkills { cursor } => skills::list(server, id, revision, cursor, &meta, &caller),
        Action::GetSkill { uri } => skills::get(server, id, revision, uri, &meta, &caller),
        Action::ReadDirectory { uri, cursor } => {
            skills::directory(server, id, revision, uri, cursor, &meta, &caller)
        }
        Action::GetTask { task } => tasks::get(server, id, revision, task, &caller),
        Action::UpdateTask { task, responses } => {
            tasks::update(server, id, revision, (task, responses), &caller)
        }
        Action::CancelTask { task } => tasks::cancel(server, id, revision, task, &caller),
        Action::Listen(filter) => subscriptions::listen(server, id, revision, filter, &meta, &caller),
    }
}
