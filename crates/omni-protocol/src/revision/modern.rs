//! The era of self-contained requests: 2026-07-28.

use serde::Deserialize;
use serde_json::json;

use super::{
    ClientInfo, Era, MetaParts, Params, Parts, Revision, Topics, invalid, log_level, method_not_found,
    progress_token, shared, timing,
};
use crate::request::Action;
use crate::{ErrorCode, RpcError};

/// Reads a request whose `_meta` names a protocol version.
pub(super) fn read<'a>(method: &str, mut params: Params<'a>) -> Result<Parts<'a>, RpcError> {
    let meta = params.meta.as_ref();
    let requested = meta.and_then(|meta| meta.protocol_version.as_deref()).unwrap_or_default();
    let Some(revision) = Revision::from_name(requested).filter(|revision| revision.era() == Era::Modern)
    else {
        return Err(unsupported(requested));
    };
    let capabilities = meta.and_then(|meta| meta.client_capabilities);
    if !capabilities.is_some_and(|capabilities| capabilities.get().starts_with('{')) {
        return Err(invalid(
            "`params._meta` must hold an object `io.modelcontextprotocol/clientCapabilities` (`{}` for none)",
        ));
    }
    // Whoever keeps a tool's question open gave the state out as a string; nothing else can be one.
    if params.request_state.is_some_and(|state| !state.get().starts_with('"')) {
        return Err(invalid("`params.requestState` must be a string, as it was given out"));
    }
    if params.input_responses.is_some_and(|responses| !responses.get().starts_with('{')) {
        return Err(invalid("`params.inputResponses` must be an object"));
    }
    let level = meta.and_then(|meta| meta.log_level.as_deref());
    let log_level =
        level.map(|name| log_level(name, "_meta.io.modelcontextprotocol/logLevel")).transpose()?;
    let progress_token = progress_token(meta)?;
    let timing = timing(meta);
    let client = params.meta.as_mut().and_then(|meta| meta.client_info.take()).map(ClientInfo::from);
    let action = match method {
        "server/discover" => Action::Discover,
        "subscriptions/listen" => listen(&params)?,
        _ => shared(method, params).unwrap_or_else(|| Err(method_not_found(method)))?,
    };
    Ok(Parts { revision, action, meta: MetaParts { progress_token, log_level, timing, client } })
}

/// Reads which changes a client wants to hear of. What we never announce is left out of the answer.
fn listen(params: &Params<'_>) -> Result<Action, RpcError> {
    #[derive(Deserialize)]
    struct Filter {
        #[serde(default, rename = "toolsListChanged")]
        tools: bool,
    }
    let filter = params.notifications.filter(|filter| filter.get().starts_with('{'));
    let filter = filter.and_then(|filter| serde_json::from_str::<Filter>(filter.get()).ok());
    let Some(Filter { tools }) = filter else {
        return Err(invalid("`params.notifications` must be an object such as {\"toolsListChanged\": true}"));
    };
    Ok(Action::Listen(Topics { tools }))
}

/// The refusal that lists what we speak.
pub(crate) fn unsupported(requested: &str) -> RpcError {
    let requested: String = requested.chars().take(40).collect();
    let message = format!("protocol version `{requested}` is not supported in a request's `_meta`");
    let data = json!({ "supported": Revision::modern_names(), "requested": requested });
    RpcError::new(ErrorCode::UnsupportedVersion, message).with_data(data)
}
