//! The parameters of each method: read from a client's request, and for our own requests written.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use bytes::Bytes;
use omni_call::{CompletionReference, CompletionRequest};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::params::{Params, log_level, responses};
use super::refusal::invalid;
use super::table::Revision;
use crate::RpcError;
use crate::asking::ClientCapabilities;
use crate::error::truncate_chars;
use crate::method::Method;
use crate::object_writer::ObjectWriter;
use crate::request::{
    Action, CallTool, ClientInfo, GetPrompt, Initialize, ItemKind, ListKind, RESOURCE_SUBSCRIPTIONS,
    SubscriptionFilter, TASK_SUBSCRIPTIONS,
};

/// Reads what is asked by a method that `revision` has.
pub(super) fn read(method: Method, params: Params<'_>, revision: Revision) -> Result<Action, RpcError> {
    let cursor = |params: Params<'_>| params.cursor.map(Cow::into_owned);
    let list = |kind, params| Action::List { kind, cursor: cursor(params) };
    match method {
        Method::Initialize => initialize(params),
        Method::Discover => Ok(Action::Discover),
        Method::Ping => Ok(Action::Ping),
        Method::ListTools => Ok(Action::ListTools { cursor: cursor(params) }),
        Method::CallTool => call_tool(params),
        Method::SetLogLevel => match params.level {
            Some(level) => Ok(Action::SetLogLevel(log_level(&level, "params.level")?)),
            None => Err(invalid("`params.level` is missing")),
        },
        Method::ListResources => Ok(list(ItemKind::Resource, params)),
        Method::ListResourceTemplates => Ok(list(ItemKind::ResourceTemplate, params)),
        Method::ReadResource => Ok(Action::ReadResource { uri: resource_uri(&params)? }),
        Method::Subscribe => Ok(Action::Subscribe { uri: resource_uri(&params)? }),
        Method::Unsubscribe => Ok(Action::Unsubscribe { uri: resource_uri(&params)? }),
        Method::ListPrompts => Ok(list(ItemKind::Prompt, params)),
        Method::GetPrompt => get_prompt(params),
        Method::Complete => {
            complete(&params, revision).map(|completing| Action::Complete(Box::new(completing)))
        }
        Method::Listen => listen(&params),
        Method::ListSkills => Ok(Action::ListSkills { cursor: cursor(params) }),
        Method::GetSkill => {
            let uri =
                uri(&params).ok_or_else(|| invalid("`params.uri` must be a string: of which `SKILL.md`?"))?;
            Ok(Action::GetSkill { uri })
        }
        Method::ReadDirectory => {
            let uri =
                uri(&params).ok_or_else(|| invalid("`params.uri` must be a string: which directory?"))?;
            Ok(Action::ReadDirectory { uri, cursor: cursor(params) })
        }
        Method::GetTask => Ok(Action::GetTask { task: task_id(&params)? }),
        Method::UpdateTask => {
            let given = params.input_responses.filter(|given| given.get().starts_with('{'));
            let given = given.ok_or_else(|| invalid("`params.inputResponses` must be an object"))?;
            Ok(Action::UpdateTask { task: task_id(&params)?, responses: responses(given, &params)? })
        }
        Method::CancelTask => Ok(Action::CancelTask { task: task_id(&params)? }),
    }
}

fn task_id(params: &Params<'_>) -> Result<String, RpcError> {
    let id = params.task_id.and_then(|id| serde_json::from_str(id.get()).ok());
    id.ok_or_else(|| invalid("`params.taskId` must be a string: which task?"))
}

/// Writes what [`read`] reads, for a server that speaks `revision`. `client` and `capabilities` say who asks.
pub(crate) fn write_params(
    action: &Action,
    revision: Revision,
    client: &Value,
    capabilities: ClientCapabilities,
    params: &mut ObjectWriter,
) {
    match action {
        Action::Discover | Action::Ping => {}
        Action::Initialize(initialize) => {
            params.put("protocolVersion", &json!(initialize.agreed.name()));
            params.put("capabilities", &capabilities.write(revision));
            params.put("clientInfo", client);
        }
        Action::ListTools { cursor } | Action::List { cursor, .. } | Action::ListSkills { cursor } => {
            if let Some(cursor) = cursor {
                params.put("cursor", &json!(cursor));
            }
        }
        Action::CallTool(call) => {
            params.put("name", &json!(call.name));
            params.put_object("arguments", call.arguments.as_ref());
        }
        Action::SetLogLevel(level) => params.put("level", &json!(level.name())),
        Action::ReadResource { uri }
        | Action::Subscribe { uri }
        | Action::Unsubscribe { uri }
        | Action::GetSkill { uri } => params.put("uri", &json!(uri)),
        Action::ReadDirectory { uri, cursor } => {
            params.put("uri", &json!(uri));
            if let Some(cursor) = cursor {
                params.put("cursor", &json!(cursor));
            }
        }
        Action::GetPrompt(prompt) => {
            params.put("name", &json!(prompt.name));
            params.put_object("arguments", prompt.arguments.as_ref());
        }
        Action::Complete(completing) => {
            params.put("ref", &completing.reference.to_json());
            params.put("argument", &completing.argument_to_json());
            if let Some(known) = completing.context.as_ref().filter(|_| revision.has_completion_context()) {
                let mut context = ObjectWriter::default();
                context.put_object("arguments", Some(known));
                params.put_raw("context", &context.text());
            }
        }
        Action::Listen(filter) => {
            let wanted = filter.lists.iter().map(|kind| (kind.filter_member().to_owned(), true.into()));
            let mut wanted: Map<_, _> = wanted.collect();
            if !filter.resources.is_empty() {
                wanted.insert(RESOURCE_SUBSCRIPTIONS.to_owned(), json!(filter.resources));
            }
            if !filter.tasks.is_empty() {
                wanted.insert(TASK_SUBSCRIPTIONS.to_owned(), json!(filter.tasks));
            }
            params.put("notifications", &Value::Object(wanted));
        }
        Action::GetTask { task } | Action::CancelTask { task } => params.put("taskId", &json!(task)),
        Action::UpdateTask { task, responses } => {
            params.put("taskId", &json!(task));
            let mut given = ObjectWriter::default();
            for (key, response) in responses {
                given.put_object(key, Some(response));
            }
            params.put_raw("inputResponses", &given.text());
        }
    }
}

fn initialize(params: Params<'_>) -> Result<Action, RpcError> {
    let Some(requested) = params.protocol_version else {
        return Err(invalid("`params.protocolVersion` is missing"));
    };
    // The client's own when we know it. A modern name is answered with a legacy one too: some clients open their legacy
    // handshake with it, and one that is told 2026-07-28 here goes on without the `_meta` which that revision needs.
    let agreed = Revision::legacy_from_name(&requested).unwrap_or(Revision::NEWEST_LEGACY);
    let client = params.client_info.map(ClientInfo::from).unwrap_or_default();
    let declared = params.capabilities.map(|declared| ClientCapabilities::read(declared.get()));
    let capabilities = declared.unwrap_or_default();
    Ok(Action::Initialize(Initialize { agreed, client, capabilities }))
}

fn call_tool(params: Params<'_>) -> Result<Action, RpcError> {
    let arguments = arguments(&params)?;
    let Some(name) = params.name else { return Err(invalid("`params.name` is missing: which tool?")) };
    Ok(Action::CallTool(CallTool { name: name.into_owned(), arguments }))
}

fn resource_uri(params: &Params<'_>) -> Result<String, RpcError> {
    uri(params).ok_or_else(|| invalid("`params.uri` must be a string: which resource?"))
}

fn uri(params: &Params<'_>) -> Option<String> {
    params.uri.and_then(|uri| serde_json::from_str(uri.get()).ok())
}

fn get_prompt(params: Params<'_>) -> Result<Action, RpcError> {
    let arguments = arguments(&params)?;
    if let Some(fault) = arguments.as_deref().and_then(|text| no_texts("params.arguments", text)) {
        return Err(invalid(fault));
    }
    let Some(name) = params.name else { return Err(invalid("`params.name` is missing: which prompt?")) };
    Ok(Action::GetPrompt(GetPrompt { name: name.into_owned(), arguments }))
}

pub(super) fn complete(params: &Params<'_>, revision: Revision) -> Result<CompletionRequest, RpcError> {
    #[derive(Deserialize)]
    struct Reference<'a> {
        #[serde(borrow, rename = "type")]
        kind: Cow<'a, str>,
        name: Option<String>,
        uri: Option<String>,
    }
    #[derive(Deserialize)]
    struct Argument {
        name: String,
        value: String,
    }
    #[derive(Deserialize)]
    struct Context<'a> {
        #[serde(borrow)]
        arguments: Option<&'a RawValue>,
    }
    // A list would be read as the members in their order.
    let object = |value: Option<&'_ RawValue>| value.is_some_and(|value| value.get().starts_with('{'));
    let text = |value: Option<&'_ RawValue>| value.map_or("", RawValue::get).to_owned();
    if !object(params.reference) {
        return Err(invalid("`params.ref` must be an object: of which prompt, or which resource?"));
    }
    let reference = text(params.reference);
    let reference: Reference<'_> = serde_json::from_str(&reference)
        .map_err(|error| invalid(format!("`params.ref` cannot be read: {error}")))?;
    let missing =
        |member: &str, kind: &str| invalid(format!("`params.ref.{member}` is missing: which {kind}?"));
    let reference = match &*reference.kind {
        "ref/prompt" => {
            CompletionReference::Prompt { name: reference.name.ok_or_else(|| missing("name", "prompt"))? }
        }
        "ref/resource" => {
            CompletionReference::Resource { uri: reference.uri.ok_or_else(|| missing("uri", "resource"))? }
        }
        other => {
            let other = truncate_chars(other.to_owned(), 60);
            return Err(invalid(format!(
                "`params.ref.type` is `{other}`, not `ref/prompt` or `ref/resource`"
            )));
        }
    };
    if !object(params.argument) {
        return Err(invalid("`params.argument` must be an object: which argument, and what is there of it?"));
    }
    let Argument { name: argument, value } = serde_json::from_str(&text(params.argument))
        .map_err(|error| invalid(format!("`params.argument` cannot be read: {error}")))?;
    // A revision that has no context passes over it like over any member that it does not know.
    let given = params.context.filter(|given| revision.has_completion_context() && given.get() != "null");
    let context = match given {
        None => None,
        Some(_) if !object(given) => return Err(invalid("`params.context` must be an object")),
        Some(given) => {
            let Context { arguments } = serde_json::from_str(given.get())
                .map_err(|error| invalid(format!("`params.context` cannot be read: {error}")))?;
            arguments.map(|arguments| params.text.slice_ref(arguments.get().as_bytes()))
        }
    };
    if let Some(fault) = context.as_deref().and_then(|text| no_texts("params.context.arguments", text)) {
        return Err(invalid(fault));
    }
    Ok(CompletionRequest { reference, argument, value, context })
}

/// What is wrong with what is to be a JSON object of strings, such as the arguments of a prompt.
fn no_texts(place: &str, text: &[u8]) -> Option<String> {
    if serde_json::from_slice::<HashMap<Cow<'_, str>, Cow<'_, str>>>(text).is_ok() {
        return None;
    }
    let mut fault = format!("`{place}` must be an object whose values are strings");
    let members: Map<String, Value> = serde_json::from_slice(text).unwrap_or_default();
    if let Some((name, value)) = members.iter().find(|(_, value)| !value.is_string()) {
        let (name, written) =
            (truncate_chars(name.clone(), NAME_CHARS_MAX), json!(value.to_string()).to_string());
        let _ = match written.len() <= VALUE_BYTES_MAX {
            true => write!(fault, "; that of `{name}` is none: write {written}"),
            false => write!(fault, "; that of `{name}` is none: write its JSON as a string"),
        };
    }
    Some(fault)
}

/// Of a name and of a value that are refused, so much is said.
const NAME_CHARS_MAX: usize = 100;
const VALUE_BYTES_MAX: usize = 100;

/// The arguments as they stand in the frame.
fn arguments(params: &Params<'_>) -> Result<Option<Bytes>, RpcError> {
    match params.arguments.map(RawValue::get) {
        // Some clients send null for "none".
        None | Some("null") => Ok(None),
        Some(text) if text.starts_with('{') => Ok(Some(params.text.slice_ref(text.as_bytes()))),
        Some(_) => Err(invalid("`params.arguments` must be an object")),
    }
}

/// Reads which changes a client wants to hear of. What is not served is left out of the acknowledgement.
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
        #[serde(borrow, default)]
        resource_subscriptions: Vec<Cow<'a, str>>,
        #[serde(borrow, default)]
        task_ids: Vec<Cow<'a, str>>,
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
    let once = |named: &[Cow<'_, str>]| {
        let mut seen = HashSet::new();
        let named = named.iter().filter(|name| seen.insert(&***name));
        named.map(|name| name.clone().into_owned()).collect()
    };
    let (resources, tasks) = (once(&filter.resource_subscriptions), once(&filter.task_ids));
    Ok(Action::Listen(SubscriptionFilter { lists, resources, tasks }))
}
