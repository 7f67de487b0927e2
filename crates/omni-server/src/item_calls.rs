//! How a resource is read, a prompt filled in and an argument completed: a call like any other, with its deadline, its
//! place in the log and its questions. Only what runs it differs, which the catalogue says.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use omni_call::{
    Call, CallId, CallOrigin, CallPort, CallRequest, CallResult, Completion, CompletionReference,
    CompletionRequest, Deadline, ErrorDetail, Outcome, OutcomeKind, ParentCall, RunSpec, Wants,
};
use omni_catalog::{FoundResource, Item, ProfileId, Visibility};
use omni_protocol::{CacheHints, CacheScope, ErrorCode, ListKind, Revision, RpcError};

use crate::call_changes::CallChanges;
use crate::call_log::{CallLog, Timing};
use crate::call_options::earlier;
use crate::failure_log::log_failure;
use crate::nested::RequestScope;
use crate::resource_updates::URI_BYTES_MAX;
use crate::server::Server;
use crate::stale_call::StaleCall;
use crate::viewer::Viewer;

/// Arguments of a prompt above this many bytes are refused: they are texts that somebody types.
const ARGUMENT_BYTES_MAX: usize = 256 << 10;

/// A request that is no tool call, as its client made it.
pub(crate) struct ItemRequest<'a> {
    pub(crate) request: CallRequest,
    pub(crate) wants: Wants,
    /// Names the client's session; may be empty.
    pub(crate) session: Arc<str>,
    /// What the client sees: it can ask for nothing else.
    pub(crate) profile: ProfileId,
    /// When the request arrived: its deadline counts from here.
    pub(crate) accepted: Instant,
    /// What is left of the time of the tool that asks; `None` for a client, and without a limit.
    pub(crate) remaining: Option<Duration>,
    /// As in [`CallOptions`](crate::call_options::CallOptions).
    pub(crate) forwards: bool,
    /// Who asks, where that is a client that can be shown something.
    pub(crate) viewer: Option<&'a Viewer>,
    pub(crate) origin: Option<Arc<CallOrigin>>,
    /// The call that asks.
    pub(crate) parent: Option<Arc<ParentCall>>,
}

/// What is kept of a request that may have to be run again.
struct Runs<'a> {
    id: CallId,
    asked: &'a ItemRequest<'a>,
    wants: Wants,
    deadline: Deadline,
    scope: RequestScope<'a>,
}

/// What answers a request.
struct Resolved {
    /// The number of the source that it is of.
    source: usize,
    spec: Arc<RunSpec>,
    request: CallRequest,
    /// What its author says of keeping what is read.
    cache: CacheHints,
    /// The prompt that is filled in.
    prompt: Option<Arc<Item>>,
    /// It is no URI of a list, but one that holds a client's values: the log names what answers it.
    has_values: bool,
}

/// How a request that is no tool call ended.
pub(crate) struct ItemReply {
    pub(crate) outcome: Outcome,
    /// What was run, where that is not what was asked for.
    pub(crate) ran: Option<String>,
    pub(crate) timing: Timing,
    pub(crate) cache: CacheHints,
}

impl Server {
    /// What answers a request, after its arguments were looked at; else how it ends. What a cache says of the folders is not
    /// believed before these have been looked at; and before all sources have been asked, what nobody lists may still come.
    async fn item(&self, asked: &ItemRequest<'_>) -> Result<Resolved, OutcomeKind> {
        let list = match &asked.request {
            CallRequest::Prompt { .. } => ListKind::Prompts,
            CallRequest::Completion(completing)
                if matches!(completing.reference, CompletionReference::Prompt { .. }) =>
            {
                ListKind::Prompts
            }
            _ => ListKind::Resources,
        };
        if self.is_refreshed(list) {
            return self.resolve(asked);
        }
        self.folders_ready().await;
        let found = self.resolve(asked);
        if !matches!(found, Err(OutcomeKind::NotFound { .. })) {
            return found;
        }
        self.folders_read().await;
        self.catalog_ready(list).await;
        self.resolve(asked)
    }

    /// How long what is read may be kept, and for whom: for everybody only what everybody has. `differs` is whether this client
    /// has been shown or hidden something.
    fn hints(&self, item: &Item, differs: bool) -> CacheHints {
        let public = item.is_public() && self.cache_scope(differs) == CacheScope::Public;
        CacheHints { ttl_ms: item.cache.ttl_ms.unwrap_or(0), public }
    }

    fn resolve(&self, asked: &ItemRequest<'_>) -> Result<Resolved, OutcomeKind> {
        let ItemRequest { request, profile, viewer, .. } = asked;
        let snapshot = self.catalog.snapshot();
        let view = viewer.map(|viewer| viewer.view(self));
        // Whoever serves others' clients, and the command line, have what is off as well.
        let seen = view.as_ref().map(|view| view.as_deref().unwrap_or_else(|| Visibility::as_everybody()));
        let differs = view.as_ref().is_some_and(Option::is_some);
        let not_found = || OutcomeKind::NotFound { message: nothing_there(request) };
        match request {
            CallRequest::Resource { uri, .. } => {
                let (mut cache, mut has_values) = (CacheHints::default(), true);
                let (source, spec, request) =
                    match snapshot.resource(*profile, uri, seen).ok_or_else(not_found)? {
                        FoundResource::Listed(item) => {
                            has_values = false;
                            cache = self.hints(&item, differs);
                            (item.source, self.spec_of(&item), request.clone())
                        }
                        FoundResource::Source(source) => (source, self.source_spec(source), request.clone()),
                        FoundResource::FromTemplate(item, variables) => {
                            let arguments = Bytes::from(serde_json::to_vec(&variables).unwrap_or_default());
                            checked(&item, uri, &arguments)?;
                            cache = self.hints(&item, differs);
                            let request = CallRequest::Resource { uri: uri.clone(), arguments };
                            (item.source, self.spec_of(&item), request)
                        }
                    };
                let spec = spec.ok_or_else(not_found)?;
                Ok(Resolved { source, spec, request, cache, prompt: None, has_values })
            }
            CallRequest::Prompt { name, arguments } => {
                let item = snapshot.prompt(*profile, name, seen).ok_or_else(not_found)?;
                checked(&item, name, request.arguments())?;
                // By its canonical name it is known to whoever runs it, such as a runner with the same folder.
                let request = CallRequest::Prompt { name: item.name().into(), arguments: arguments.clone() };
                let spec = self.spec_of(&item).ok_or_else(not_found)?;
                let (source, cache) = (item.source, CacheHints::default());
                Ok(Resolved { source, spec, request, cache, prompt: Some(item), has_values: false })
            }
            CallRequest::Completion(completing) => {
                let mut completing = completing.clone();
                let found = match &completing.reference {
                    CompletionReference::Prompt { name } => {
                        snapshot.prompt(*profile, name, seen).map(FoundResource::Listed)
                    }
                    CompletionReference::Resource { uri } => snapshot.template(*profile, uri, seen),
                };
                let (source, spec) = match found.ok_or_else(not_found)? {
                    FoundResource::Source(source) => (source, self.source_completing(source)?),
                    FoundResource::Listed(item) | FoundResource::FromTemplate(item, _) => {
                        let spec = self.completing(&item, &completing)?;
                        completing.reference = match completing.reference {
                            CompletionReference::Prompt { .. } => {
                                CompletionReference::Prompt { name: item.name().to_owned() }
                            }
                            CompletionReference::Resource { .. } => {
                                CompletionReference::Resource { uri: item.key.clone() }
                            }
                        };
                        (item.source, spec)
                    }
                };
                let request = CallRequest::Completion(completing);
                let spec = spec.ok_or_else(not_found)?;
                let cache = CacheHints::default();
                Ok(Resolved { source, spec, request, cache, prompt: None, has_values: false })
            }
            CallRequest::Tool { .. } => Err(not_found()),
        }
    }

    /// How an item is run: as it says itself, or as its source says of all that it has.
    /// What reads or fills in an item.
    pub(crate) fn spec_of(&self, item: &Item) -> Option<Arc<RunSpec>> {
        item.spec.clone().or_else(|| self.source_spec(item.source))
    }

    fn source_spec(&self, source: usize) -> Option<Arc<RunSpec>> {
        self.catalog.sources().get(source)?.items_spec()
    }

    /// What completes an argument of an item; else the answer, where nobody has to be asked for it.
    fn completing(
        &self,
        item: &Item,
        completing: &CompletionRequest,
    ) -> Result<Option<Arc<RunSpec>>, OutcomeKind> {
        if item.spec.is_none() {
            return self.source_completing(item.source);
        }
        match item.completion(&completing.argument) {
            Some(how) => match how.fixed(&completing.value) {
                Some(completion) => Err(OutcomeKind::Finished(CallResult::Completion(completion))),
                None => Ok(how.function().cloned()),
            },
            None if item.has_argument(&completing.argument) => Err(nothing_to_complete()),
            None => Err(OutcomeKind::InvalidArguments { message: item.no_argument(&completing.argument) }),
        }
    }

    /// The method is offered as soon as one source completes arguments. One that does not is not asked.
    fn source_completing(&self, source: usize) -> Result<Option<Arc<RunSpec>>, OutcomeKind> {
        match self.catalog.sources().get(source) {
            Some(source) if !source.completes() => Err(nothing_to_complete()),
            source => Ok(source.and_then(|source| source.items_spec())),
        }
    }

    /// Runs a request that is no tool call and says how it ended. Where its skill turns out to be another one than it was,
    /// and no line of it has run, it is resolved and checked anew.
    pub(crate) async fn run_item(&self, asked: &ItemRequest<'_>, events: &mut dyn CallPort) -> ItemReply {
        let resolved = self.item(asked).await;
        let Resolved { source, spec, request, cache, prompt, has_values } = match resolved {
            Ok(resolved) => resolved,
            Err(kind) => {
                if !matches!(kind, OutcomeKind::Finished(_)) {
                    tracing::info!(method = asked.request.method(), kind = kind.name(), "call");
                }
                let waited = Instant::now().duration_since(asked.accepted);
                return ItemReply {
                    outcome: Outcome::unstarted(kind, waited),
                    ran: None,
                    timing: Timing::default(),
                    cache: CacheHints::default(),
                };
            }
        };
        let live = self.live();
        let (total, idle) = spec.limits.resolve(live.timeout, live.idle_timeout);
        let deadline = Deadline::new(asked.accepted, earlier(total, asked.remaining), idle);
        let id = self.next_call_id();
        let mut call = Call {
            wants: asked.wants,
            session: Arc::clone(&asked.session),
            origin: asked.origin.clone(),
            parent: asked.parent.clone(),
            ..Call::new(id, spec, request, deadline)
        };
        let of = call.clone();
        let changes = (!asked.forwards).then(|| CallChanges::new(self, source, asked.profile, asked.viewer));
        let name = if has_values { &of.spec.tool } else { of.name() };
        let mut log = CallLog::new(&of, name, events, changes);
        call.wants = CallLog::wants(asked.wants, live.log_output);
        let scope =
            RequestScope { profile: asked.profile, viewer: asked.viewer, source, forwards: asked.forwards };
        let runs = Runs { id, asked, wants: call.wants, deadline, scope };
        let mut outcome = self.execute(call, scope, &mut log).await;
        if matches!(outcome.kind, OutcomeKind::Stale { .. }) {
            outcome = self.run_item_anew(&runs, of.spec.clone(), outcome, &mut log).await;
        }
        if let OutcomeKind::Finished(result) = &outcome.kind
            && !result.answers(&of.request)
        {
            outcome.kind =
                OutcomeKind::BadResult { message: "it is the answer to something else".to_owned() };
        }
        if let (Some(prompt), OutcomeKind::Finished(CallResult::Prompt(messages))) =
            (prompt, &mut outcome.kind)
        {
            // What it says of itself in its list, where what made the messages says nothing else.
            messages.description = messages.description.take().or_else(|| prompt.text("description"));
        }
        let timing = log.end(&mut outcome);
        let ran = match outcome.kind {
            OutcomeKind::Finished(_) => None,
            _ => completing_function(&of.spec, &asked.request),
        };
        if self.config.log_failures {
            log_failure(of.id, name, ran.as_deref(), &outcome, live.log_output);
        }
        ItemReply { outcome, ran, timing, cache }
    }

    /// As for a tool's call: see [`StaleCall`].
    async fn run_item_anew(
        &self,
        runs: &Runs<'_>,
        mut ran: Arc<RunSpec>,
        mut outcome: Outcome,
        log: &mut CallLog<'_>,
    ) -> Outcome {
        let mut stale = StaleCall::new(runs.deadline);
        while stale.settled(self, &ran, &mut outcome).await {
            match self.resolve(runs.asked) {
                Err(kind) => {
                    outcome.kind = kind;
                    return outcome;
                }
                Ok(Resolved { spec, request, .. }) => {
                    tracing::debug!(call = %runs.id, "the skill has changed: the call is resolved anew");
                    ran = Arc::clone(&spec);
                    let call = Call {
                        wants: runs.wants,
                        session: Arc::clone(&runs.asked.session),
                        origin: runs.asked.origin.clone(),
                        parent: runs.asked.parent.clone(),
                        ..Call::new(runs.id, spec, request, runs.deadline)
                    };
                    outcome = self.execute(call, runs.scope, log).await;
                }
            }
        }
        outcome
    }
}

fn nothing_to_complete() -> OutcomeKind {
    OutcomeKind::Finished(CallResult::Completion(Completion::nothing()))
}

/// Holds arguments to what an item takes.
fn checked(item: &Item, called: &str, arguments: &Bytes) -> Result<(), OutcomeKind> {
    if arguments.len() > ARGUMENT_BYTES_MAX && item.spec.is_some() {
        let message = format!(
            "`{called}` was not called: its arguments are {} bytes long; {ARGUMENT_BYTES_MAX} at most are taken",
            arguments.len()
        );
        return Err(OutcomeKind::InvalidArguments { message });
    }
    item.check_arguments(called, arguments).map_err(|message| OutcomeKind::InvalidArguments { message })
}

/// The function that completes an argument, and which, as it stands between two back-ticks: its failures are not those of the
/// prompt. `None` for other requests, and where only its source knows the function.
fn completing_function(spec: &RunSpec, asked: &CallRequest) -> Option<String> {
    let CallRequest::Completion(completing) = asked else { return None };
    let function = &spec.target.python()?.function;
    Some(format!("{function}` for the argument `{}` of `{}", completing.argument, asked.named()?))
}

/// The result of a request that is no tool call, or what its client is told instead. `ran` is what was run, where that is not
/// what was asked for.
pub(crate) fn result_or_error(
    outcome: Outcome,
    ran: Option<&str>,
    request: &CallRequest,
    revision: Revision,
    detail: ErrorDetail,
) -> Result<CallResult, RpcError> {
    let named = ran.or(request.named()).unwrap_or_default();
    let undeclared = outcome.kind.undeclared();
    let missing = |question| RpcError::missing_capability(revision, named, question);
    if let Some(error) = undeclared.and_then(missing) {
        return Err(error);
    }
    let code = match outcome.kind {
        OutcomeKind::Finished(result) => return Ok(result),
        OutcomeKind::NotFound { message } => {
            return Err(match request {
                CallRequest::Resource { uri, .. } => RpcError::resource_not_found(revision, uri, message),
                CallRequest::Tool { .. } | CallRequest::Prompt { .. } | CallRequest::Completion(_) => {
                    RpcError::new(ErrorCode::InvalidParams, message)
                }
            });
        }
        OutcomeKind::McpError { code, message, data } => {
            return Err(RpcError::of_author(code, message, data));
        }
        OutcomeKind::InvalidArguments { .. } => ErrorCode::InvalidParams,
        OutcomeKind::ToolError { .. }
        | OutcomeKind::BadResult { .. }
        | OutcomeKind::LoadError { .. }
        | OutcomeKind::Exited { .. }
        | OutcomeKind::Signalled { .. }
        | OutcomeKind::TimedOut { .. }
        | OutcomeKind::Idle { .. }
        | OutcomeKind::OutOfMemory { .. }
        | OutcomeKind::OutputLimit { .. }
        | OutcomeKind::Lost { .. }
        | OutcomeKind::Cancelled
        | OutcomeKind::Shutdown
        | OutcomeKind::Busy { .. }
        | OutcomeKind::Quarantined { .. }
        | OutcomeKind::WorkerStart { .. }
        | OutcomeKind::Stale { .. } => ErrorCode::Internal,
    };
    Err(RpcError::new(code, outcome.into_refusal(named, detail)))
}

/// What a client is told of something that nobody offers.
fn nothing_there(request: &CallRequest) -> String {
    let named: String = request.named().unwrap_or_default().chars().take(200).collect();
    let what = match request {
        CallRequest::Resource { .. } => "resource ",
        CallRequest::Prompt { .. } => "prompt ",
        CallRequest::Completion(completing) => match &completing.reference {
            CompletionReference::Prompt { .. } => "prompt ",
            CompletionReference::Resource { .. } => "resource template ",
        },
        CallRequest::Tool { .. } => "",
    };
    let length = request.named().map_or(0, str::len);
    if matches!(request, CallRequest::Resource { .. }) && length > URI_BYTES_MAX {
        return format!(
            "there is no resource `{named}…`: the URI has {length} bytes, and no template is tried for more than {URI_BYTES_MAX}"
        );
    }
    format!("there is no {what}`{named}`")
}
