//! What a client is told when it opens a conversation: what the server offers, and which skills there are, for its model.

use std::sync::Arc;

use omni_catalog::{ProfileId, Snapshot};
use omni_protocol::{Frame, Id, ListCache, Revision, ServerCapabilities};

use crate::caller::RequestAnswer;
use crate::running_request::RunningRequest;
use crate::server::Server;
use crate::skill_reader::{SKILL_READER, is_skill_reader};
use crate::skills;

/// How a client opens.
#[derive(Clone, Copy)]
pub(crate) enum Opening {
    Initialize,
    Discover,
}

/// Answers at once, or when the skills have been read. What a session is told stays as it was: a later edit is for later
/// sessions.
pub(crate) fn answer(
    server: &Arc<Server>,
    id: Id,
    revision: Revision,
    opening: Opening,
    profile: ProfileId,
) -> RequestAnswer {
    let snapshot = server.snapshot();
    if skills::are_known(server) && snapshot.skill_list_ready(profile).is_some() {
        return RequestAnswer::Now(frame(server, &id, revision, opening, &snapshot, profile));
    }
    let server = Arc::clone(server);
    let running = id.clone();
    let later = async move {
        skills::known(&server).await;
        let snapshot = server.snapshot();
        skills::shown(&snapshot, profile, None).await;
        frame(&server, &id, revision, opening, &snapshot, profile)
    };
    RequestAnswer::Later(RunningRequest::new(running, later, None))
}

fn frame(
    server: &Server,
    id: &Id,
    revision: Revision,
    opening: Opening,
    snapshot: &Snapshot,
    profile: ProfileId,
) -> Frame {
    let tools = snapshot.for_profile(profile);
    let reader = tools.tool(SKILL_READER);
    let reader = reader.as_ref().filter(|tool| is_skill_reader(&tool.spec) && tools.is_listed(tool));
    let reader = reader.map(|tool| tool.wire_name.as_str());
    let own = server.config.instructions.as_deref();
    let instructions = snapshot.skill_list(profile).instructions(own, reader);
    let offers = ServerCapabilities { apps: snapshot.has_apps(profile), ..server.offers() };
    match opening {
        Opening::Initialize => {
            server.encoder.initialize_result(id, revision, offers, instructions.as_deref())
        }
        Opening::Discover => {
            let keep = ListCache { scope: server.cache_scope(false), is_settled: skills::are_known(server) };
            server.encoder.discover_result(id, revision, offers, instructions.as_deref(), keep)
        }
    }
}
