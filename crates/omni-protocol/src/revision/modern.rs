//! How requests are read in the era of those that carry what they need.

use bytes::Bytes;

use super::method_params;
use super::params::{
    MetaParts, Params, Parts, log_level, progress_token, responses, responses_not_an_object, timing,
};
use super::refusal::{invalid, method_not_found, unsupported};
use super::table::Revision;
use crate::RpcError;
use crate::asking::{ClientCapabilities, InputResponses, takes_tasks};
use crate::method::Method;
use crate::request::ClientInfo;

/// Reads a request whose `_meta` names a protocol version.
pub(super) fn read<'a>(name: &str, mut params: Params<'a>) -> Result<Parts<'a>, RpcError> {
    let meta = params.meta.as_ref();
    let requested = meta.and_then(|meta| meta.protocol_version.as_deref()).unwrap_or_default();
    let revision = Revision::modern_from_name(requested).ok_or_else(|| unsupported(requested))?;
    let capabilities = meta.and_then(|meta| meta.client_capabilities);
    let Some(capabilities) = capabilities.filter(|capabilities| capabilities.get().starts_with('{')) else {
        return Err(invalid(
            "`params._meta` must hold an object `io.modelcontextprotocol/clientCapabilities` (`{}` for none)",
        ));
    };
    let takes_tasks = takes_tasks(capabilities.get());
    let capabilities = ClientCapabilities::read(capabilities.get());
    let (input_responses, early_answers) = input_responses(&params)?;
    let level = meta.and_then(|meta| meta.log_level.as_deref());
    let log_level =
        level.map(|level| log_level(level, "_meta.io.modelcontextprotocol/logLevel")).transpose()?;
    let progress_token = progress_token(meta)?;
    let timing = timing(meta);
    let client = params.meta.as_mut().and_then(|meta| meta.client_info.take()).map(ClientInfo::from);
    let method = Method::from_name(name).filter(|method| revision.has_method(*method));
    let method = method.ok_or_else(|| method_not_found(name))?;
    let action = method_params::read(method, params, revision)?;
    let meta = MetaParts {
        progress_token,
        log_level,
        timing,
        client,
        capabilities,
        takes_tasks,
        input_responses,
        early_answers,
    };
    Ok(Parts { revision, action, meta })
}

/// Answers by the keys of their questions.
type Answers = Vec<(String, Bytes)>;

/// Reads the answers to what an earlier result asked for. Without the state that it gave out they are for questions that
/// have not been asked yet.
fn input_responses(params: &Params<'_>) -> Result<(Option<Box<InputResponses>>, Answers), RpcError> {
    if params.input_responses.is_some_and(|responses| !responses.get().starts_with('{')) {
        return Err(responses_not_an_object());
    }
    let responses = params.input_responses.map_or(Ok(Vec::new()), |given| responses(given, params))?;
    // Whoever keeps a tool's question open gave the state out as a string; nothing else can be one.
    let Some(state) = params.request_state else { return Ok((None, responses)) };
    let state = serde_json::from_str(state.get())
        .map_err(|_| invalid("`params.requestState` must be a string, as it was given out"))?;
    Ok((Some(Box::new(InputResponses { state, responses })), Vec::new()))
}
