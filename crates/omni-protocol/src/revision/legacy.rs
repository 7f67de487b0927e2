//! How requests are read in the era of the `initialize` handshake.

use super::method_params;
use super::params::{MetaParts, Params, Parts, progress_token, timing};
use super::refusal::{invalid, method_not_found};
use super::table::Revision;
use crate::RpcError;
use crate::method::Method;
use crate::request::Action;

/// Reads a request whose `_meta` names no protocol version.
pub(super) fn read<'a>(
    name: &str,
    params: Params<'a>,
    session: Option<Revision>,
) -> Result<Parts<'a>, RpcError> {
    let meta = MetaParts {
        progress_token: progress_token(params.meta.as_ref())?,
        timing: timing(params.meta.as_ref()),
        ..MetaParts::default()
    };
    let method = Method::from_name(name).ok_or_else(|| method_not_found(name))?;
    if session.is_none() && !may_come_first(method) {
        return Err(no_session(method));
    }
    let revision = session.unwrap_or(Revision::WITHOUT_HEADER);
    if !revision.has_method(method) {
        return Err(method_not_found(name));
    }
    let action = method_params::read(method, params, revision)?;
    let revision = if let Action::Initialize(initialize) = &action { initialize.agreed } else { revision };
    Ok(Parts { revision, action, meta })
}

/// Whether a request may come outside of a session. A client may ping before it initialises.
fn may_come_first(method: Method) -> bool {
    match method {
        Method::Initialize | Method::Ping => true,
        Method::Discover
        | Method::ListTools
        | Method::CallTool
        | Method::SetLogLevel
        | Method::ListResources
        | Method::ListResourceTemplates
        | Method::ReadResource
        | Method::Subscribe
        | Method::Unsubscribe
        | Method::ListPrompts
        | Method::GetPrompt
        | Method::Complete
        | Method::Listen
        | Method::ListSkills
        | Method::GetSkill
        | Method::ReadDirectory
        | Method::GetTask
        | Method::UpdateTask
        | Method::CancelTask => false,
    }
}

/// What a request gets that is neither modern nor in a session. One that no revision knows gets -32601, so that a probe
/// for another protocol falls back.
fn no_session(method: Method) -> RpcError {
    invalid(format!(
        "`{}` needs `io.modelcontextprotocol/protocolVersion` and `io.modelcontextprotocol/clientCapabilities` in \
         `params._meta`, or an `initialize` before it",
        method.name()
    ))
}
