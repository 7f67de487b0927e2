//! The era of the `initialize` handshake: 2024-11-05 to 2025-11-25.

use super::params::{MetaParts, Params, Parts, log_level, progress_token, shared, timing};
use super::refusal::{invalid, method_not_found};
use super::table::{Era, Revision};
use crate::RpcError;
use crate::asking::ClientCapabilities;
use crate::request::{Action, ClientInfo, Initialize};

pub(super) fn read<'a>(
    method: &str,
    params: Params<'a>,
    session: Option<Revision>,
) -> Result<Parts<'a>, RpcError> {
    let meta = MetaParts {
        progress_token: progress_token(params.meta.as_ref())?,
        timing: timing(params.meta.as_ref()),
        ..MetaParts::default()
    };
    if method == "initialize" {
        let Some(requested) = params.protocol_version else {
            return Err(invalid("`params.protocolVersion` is missing"));
        };
        let agreed = agree(&requested);
        let client = params.client_info.map(ClientInfo::from).unwrap_or_default();
        let declared = params.capabilities.map(|declared| ClientCapabilities::read(declared.get()));
        let capabilities = declared.unwrap_or_default();
        return Ok(Parts {
            revision: agreed,
            action: Action::Initialize(Initialize { agreed, client, capabilities }),
            meta,
        });
    }
    let revision = session.unwrap_or(Revision::WITHOUT_HEADER);
    let action = match method {
        // A client may ping before it initialises.
        "ping" => Action::Ping,
        _ if session.is_none() => return Err(no_session(method)),
        "logging/setLevel" => match params.level {
            Some(level) => Action::SetLogLevel(log_level(&level, "params.level")?),
            None => return Err(invalid("`params.level` is missing")),
        },
        _ => shared(method, params, revision).unwrap_or_else(|| Err(method_not_found(method)))?,
    };
    Ok(Parts { revision, action, meta })
}

/// The revision a session will speak: the client's own when we know it, else our newest legacy one.
///
/// A modern name is answered with a legacy one too: some clients open their legacy handshake with it, and
/// one that is told 2026-07-28 here goes on without the `_meta` which that revision needs.
fn agree(requested: &str) -> Revision {
    Revision::from_name(requested)
        .filter(|revision| revision.era() == Era::Legacy)
        .unwrap_or(Revision::NEWEST_LEGACY)
}

/// What a request gets that is neither modern nor in a session. One that no revision knows gets -32601, so
/// that a probe for another protocol falls back.
fn no_session(method: &str) -> RpcError {
    match method {
        "tools/list"
        | "tools/call"
        | "resources/list"
        | "resources/templates/list"
        | "resources/read"
        | "prompts/list"
        | "prompts/get"
        | "completion/complete"
        | "logging/setLevel"
        | "server/discover"
        | "subscriptions/listen" => invalid(format!(
            "`{method}` needs `io.modelcontextprotocol/protocolVersion` and \
             `io.modelcontextprotocol/clientCapabilities` in `params._meta`, or an `initialize` before it"
        )),
        _ => method_not_found(method),
    }
}
