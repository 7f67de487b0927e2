//! The era of self-contained requests: 2026-07-28.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::params::{MetaParts, Params, Parts, log_level, progress_token, shared, timing};
use super::refusal::{invalid, method_not_found, unsupported};
use super::table::{Era, Revision};
use crate::RpcError;
use crate::asking::{ClientCapabilities, InputResponses};
use crate::error::truncate_chars;
use crate::request::{Action, ClientInfo, ListKind, SubscriptionFilter};

/// Reads a request whose `_meta` names a protocol version.
pub(super) fn read<'a>(method: &str, mut params: Params<'a>) -> Result<Parts<'a>, RpcError> {
    let meta = params.meta.as_ref();
    let requested = meta.and_then(|meta| meta.protocol_version.as_deref()).unwrap_or_default();
    let Some(revision) = Revision::from_name(requested).filter(|revision| revision.era() == Era::Modern)
    else {
        return Err(unsupported(requested));
    };
    let capabilities = meta.and_then(|meta| meta.client_capabilities);
    let Some(capabilities) = capabilities.filter(|capabilities| capabilities.get().starts_with('{')) else {
        return Err(invalid(
            "`params._meta` must hold an object `io.modelcontextprotocol/clientCapabilities` (`{}` for none)",
        ));
    };
    let capabilities = ClientCapabilities::read(capabilities.get());
    let input_responses = input_responses(&params)?;
    let level = meta.and_then(|meta| meta.log_level.as_deref());
    let log_level =
        level.map(|name| log_level(name, "_meta.io.modelcontextprotocol/logLevel")).transpose()?;
    let progress_token = progress_token(meta)?;
    let timing = timing(meta);
    let client = params.meta.as_mut().and_then(|meta| meta.client_info.take()).map(ClientInfo::from);
    let action = match method {
        "server/discover" => Action::Discover,
        "subscriptions/listen" => listen(&params)?,
        _ => shared(method, params, revision).unwrap_or_else(|| Err(method_not_found(method)))?,
    };
    let meta = MetaParts { progress_token, log_level, timing, client, capabilities, input_responses };
    Ok(Parts { revision, action, meta })
}

/// Reads the answers to what an earlier result asked for. Without its state they belong to nothing, and mean nothing.
fn input_responses(params: &Params<'_>) -> Result<Option<Box<InputResponses>>, RpcError> {
    let malformed = || invalid("`params.inputResponses` must be an object");
    if params.input_responses.is_some_and(|responses| !responses.get().starts_with('{')) {
        return Err(malformed());
    }
    // Whoever keeps a tool's question open gave the state out as a string; nothing else can be one.
    let Some(state) = params.request_state else { return Ok(None) };
    let state = serde_json::from_str(state.get())
        .map_err(|_| invalid("`params.requestState` must be a string, as it was given out"))?;
    let mut responses = Vec::new();
    if let Some(given) = params.input_responses {
        let given: HashMap<String, &RawValue> = serde_json::from_str(given.get()).map_err(|_| malformed())?;
        for (key, response) in given {
            if !response.get().starts_with('{') {
                return Err(invalid(format!(
                    "`params.inputResponses.{}` must be an object",
                    truncate_chars(key, 60)
                )));
            }
            responses.push((key, params.text.slice_ref(response.get().as_bytes())));
        }
    }
    Ok(Some(Box::new(InputResponses { state, responses })))
}

/// Reads which changes a client wants to hear of. What we never announce is left out of the answer.
fn listen(params: &Params<'_>) -> Result<Action, RpcError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Filter<'a> {
        #[serde(default)]
        tools_list_changed: bool,
        #[serde(default)]
        resources_list_changed: bool,
        #[serde(default)]
        prompts_list_changed: bool,
        /// Read only so that what is no list of URIs is refused.
        #[serde(borrow, default, rename = "resourceSubscriptions")]
        _resources: Vec<Cow<'a, str>>,
    }
    let filter = params.notifications.filter(|filter| filter.get().starts_with('{'));
    let Some(filter) = filter else {
        return Err(invalid("`params.notifications` must be an object such as {\"toolsListChanged\": true}"));
    };
    let filter: Filter<'_> = serde_json::from_str(filter.get()).map_err(|error| {
        invalid(format!(
            "`params.notifications` must be an object such as {{\"toolsListChanged\": true}}: {error}"
        ))
    })?;
    let wanted = |kind: &ListKind| match kind {
        ListKind::Tools => filter.tools_list_changed,
        ListKind::Resources => filter.resources_list_changed,
        ListKind::Prompts => filter.prompts_list_changed,
    };
    let lists = ListKind::ALL.into_iter().filter(wanted).collect();
    Ok(Action::Listen(SubscriptionFilter { lists }))
}
