//! One call, from what a client named to its answer; of a tool, all that is done with it.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use omni_call::{
    Call, CallId, CallOrigin, CallPort, CallRequest, CallResult, Deadline, Outcome, OutcomeKind, ParentCall,
    Phase, Question, ResourceContents, ToolResult, Wants,
};
use omni_catalog::{CatalogKind, ProfileId, Tool, UnknownName};
use omni_protocol::{
    AdaptedResult, CacheHints, CallTool, ClientCapabilities, ErrorCode, Frame, Id, ListKind, RequestMeta,
    RequestSubject, Revision, RpcError, error_frame,
};

use crate::admission::{CallPermit, PendingPermit};
use crate::call_changes::CallChanges;
use crate::call_client::{AnswersAhead, CallClient, Replay, StateClaim};
use crate::call_log::{CallLog, Timing};
use crate::call_options::CallOptions;
use crate::caller::{Caller, RequestAnswer};
use crate::failure_log::log_failure;
use crate::item_calls::{self, ItemReply, ItemRequest};
use crate::nested::RequestScope;
use crate::request_origin::RequestOrigin;
use crate::server::Server;
use crate::session::Session;
use crate::skill_reader::is_skill_reader;
use crate::stale_call::StaleCall;
use crate::stored_results::{self, Owner, ReadError, StoredResults};
use crate::viewer::Viewer;

/// Arguments and results above this many bytes are checked and adapted on another thread: parsing them, when they are many
/// small values, takes about a millisecond, and every other client would wait for it.
const CHECK_INLINE_BYTES_MAX: usize = 64 * 1024;

/// Of the name of a tool that there is not, so much is said.
const NAME_CHARS_MAX: usize = 128;

/// A call to run: what [`Server::call`] takes.
#[derive(Clone, Debug)]
pub struct ToolRequest {
    /// The tool's name as the client wrote it.
    pub name: String,
    /// A JSON object, as text.
    pub arguments: Bytes,
    pub wants: Wants,
    /// Names the client's session to the tool; may be empty.
    pub session: Arc<str>,
    /// What the client sees: it can call nothing else.
    pub profile: ProfileId,
    /// When the call arrived: its deadline counts from here.
    pub accepted: Instant,
}

/// A tool, and the name by which a caller knows it.
#[derive(Clone, Copy)]
pub(crate) struct NamedTool<'a> {
    pub(crate) profile: ProfileId,
    pub(crate) name: &'a str,
    pub(crate) tool: &'a Arc<Tool>,
    /// Who calls it, where that is a client that can be shown something.
    pub(crate) viewer: Option<&'a Viewer>,
}

/// A call without its tool, which is looked up again where its skill turns out to have changed.
struct UnresolvedCall {
    id: CallId,
    arguments: Bytes,
    wants: Wants,
    session: Arc<str>,
    /// As it is before the call runs.
    deadline: Deadline,
    origin: Option<Arc<CallOrigin>>,
    parent: Option<Arc<ParentCall>>,
    forwards: bool,
}

impl UnresolvedCall {
    /// The call of this tool.
    fn of(&self, tool: &Tool) -> Call {
        let request = CallRequest::Tool { arguments: self.arguments.clone() };
        Call {
            wants: self.wants,
            session: self.session.clone(),
            origin: self.origin.clone(),
            parent: self.parent.clone(),
            ..Call::new(self.id, tool.spec.clone(), request, self.deadline)
        }
    }
}

/// How a call was answered.
#[derive(Clone, Debug)]
pub struct ToolReply {
    pub result: ToolResult,
    /// The name of the [`OutcomeKind`].
    pub kind: &'static str,
    /// How long it waited and ran.
    pub timing: Timing,
    /// Clients were told of an output schema, and may refuse a result without structured content.
    pub(crate) owes_structured: bool,
    /// What a client is answered with instead of the result.
    pub(crate) error: Option<RpcError>,
    /// What the tool had to ask its client, and that has not declared that it can be.
    pub(crate) undeclared: Option<Question>,
}

impl Server {
    /// Runs one call: look up, validate, execute, check the result. What the tool says meanwhile goes to
    /// `events`. The one path for every transport of MCP and for the command line.
    ///
    /// Dropping the future cancels the call.
    pub async fn call(
        &self,
        request: ToolRequest,
        events: &mut dyn CallPort,
    ) -> Result<ToolReply, UnknownName> {
        self.call_of(request, None, None, events).await
    }

    /// The same for a client, which may be shown something, and of which the tool may know.
    async fn call_of(
        &self,
        request: ToolRequest,
        viewer: Option<&Viewer>,
        origin: Option<&RequestOrigin>,
        events: &mut dyn CallPort,
    ) -> Result<ToolReply, UnknownName> {
        self.catalog_ready(ListKind::Tools).await;
        let tool = match self.find(request.profile, &request.name, viewer) {
            // Of a name that is new, a cache knows nothing.
            Err(_) if self.folders_read().await => self.find(request.profile, &request.name, viewer)?,
            found => found?,
        };
        let live = self.live();
        let (total, idle) = tool.spec.limits.resolve(live.timeout, live.idle_timeout);
        let options = CallOptions {
            deadline: Deadline::new(request.accepted, total, idle),
            wants: request.wants,
            session: request.session,
            forwards: false,
            origin: origin.and_then(|origin| origin.told(&tool.spec)),
            parent: None,
        };
        let named = NamedTool { profile: request.profile, name: &request.name, tool: &tool, viewer };
        // What the author says of tasks (`task`) holds from before anything runs.
        let refused = tool.spec.policy.task.is_some_and(|task| !events.declare_task(task));
        let (outcome, timing) = match refused {
            true => (tasks_alone(&request.name, request.accepted), Timing::default()),
            false => self.run(named, request.arguments, options, events).await?,
        };
        let kind = outcome.kind.name();
        let error = match &outcome.kind {
            OutcomeKind::McpError { code, message, data } => {
                Some(RpcError::of_author(*code, message.clone(), data.clone()))
            }
            _ => None,
        };
        let undeclared = outcome.kind.undeclared();
        let result = outcome.into_result(&request.name, live.errors);
        let owes_structured = tool.spec.structured && !result.is_error;
        Ok(ToolReply { result, kind, timing, owes_structured, error, undeclared })
    }

    /// The tool that a name means to whoever has that profile. The log knows when it is one that the profile has not, or
    /// that the client has not at the moment; the answer is the same as for one that there is not. Without a `viewer`, as on the
    /// command line and in a runner, what is off is there.
    pub(crate) fn find(
        &self,
        profile: ProfileId,
        name: &str,
        viewer: Option<&Viewer>,
    ) -> Result<Arc<Tool>, UnknownName> {
        let snapshot = self.catalog.snapshot();
        let list = snapshot.for_profile(profile);
        if let Some(tool) = list.tool(name) {
            let Some(viewer) = viewer else { return Ok(tool) };
            let view = viewer.view(self);
            let is_on = tool.spec.policy.enabled != Some(false);
            if view.as_ref().map_or(is_on, |view| view.has(CatalogKind::Tools, tool.name(), is_on)) {
                return Ok(tool);
            }
            tracing::info!(tool = tool.name(), kind = "hidden_tool", "call");
            return Err(match view {
                Some(view) => snapshot.tools_seen(profile, &view).unknown_name(name),
                None => list.unknown_name(name),
            });
        }
        match snapshot.filtered(profile, name) {
            Some(filtered) => {
                let rules = self.catalog.rules();
                let profile = rules.name(profile);
                tracing::info!(tool = filtered.tool, kind = "filtered_tool", profile, by = %filtered, "call");
            }
            None => tracing::info!(tool = cut(name), kind = "unknown_tool", "call"),
        }
        Err(list.unknown_name(name))
    }

    /// Validates, executes, checks the result. Where the skill turns out to be another one than it was, and no line of the
    /// tool has run, the call is resolved and validated anew.
    ///
    /// # Errors
    ///
    /// When the tool is gone by then.
    pub(crate) async fn run(
        &self,
        named: NamedTool<'_>,
        arguments: Bytes,
        options: CallOptions,
        events: &mut dyn CallPort,
    ) -> Result<(Outcome, Timing), UnknownName> {
        let CallOptions { deadline, wants, session, forwards, origin, parent } = options;
        let changes = || CallChanges::new(self, named.tool.source, named.profile, named.viewer);
        let changes = (!forwards).then(changes);
        let id = self.next_call_id();
        let mut unresolved =
            UnresolvedCall { id, arguments, wants, session, deadline, origin, parent, forwards };
        let mut call = unresolved.of(named.tool);
        let mut log = CallLog::new(&call, &named.tool.spec.tool, events, changes);
        unresolved.wants = CallLog::wants(wants, self.live().log_output);
        call.wants = unresolved.wants;
        let mut outcome = self.outcome(named, call, forwards, &mut log).await;
        if matches!(outcome.kind, OutcomeKind::Stale { .. }) {
            outcome = match self.run_anew(named, &unresolved, outcome, &mut log).await {
                Ok(outcome) => outcome,
                Err(unknown_name) => {
                    // Its line says that there is no such tool: `find` has written it.
                    log.logged_elsewhere();
                    return Err(unknown_name);
                }
            };
        }
        let timing = log.end(&mut outcome);
        if self.config.log_failures {
            log_failure(unresolved.id, &named.tool.spec.tool, None, &outcome, self.live().log_output);
        }
        Ok((outcome, timing))
    }

    /// Runs a call again that was found stale: against what the folders are in a quiet moment, never against one half of an
    /// edit. Where they change each time it is about to begin, it ends as stale after some seconds and tries, or before its own time
    /// is over.
    async fn run_anew(
        &self,
        named: NamedTool<'_>,
        unresolved: &UnresolvedCall,
        mut outcome: Outcome,
        log: &mut CallLog<'_>,
    ) -> Result<Outcome, UnknownName> {
        let mut stale = StaleCall::new(unresolved.deadline);
        let mut tool = named.tool.clone();
        while stale.settled(self, &tool.spec, &mut outcome).await {
            tool = self.find(named.profile, named.name, named.viewer)?;
            let id = unresolved.id;
            tracing::debug!(call = %id, tool = tool.name(), "the skill has changed: the call is resolved anew");
            let now = NamedTool { tool: &tool, ..named };
            outcome = self.outcome(now, unresolved.of(&tool), unresolved.forwards, log).await;
        }
        Ok(outcome)
    }

    async fn outcome(
        &self,
        named: NamedTool<'_>,
        call: Call,
        forwards: bool,
        log: &mut CallLog<'_>,
    ) -> Outcome {
        let NamedTool { profile, name: called, tool, viewer } = named;
        let arguments = call.arguments();
        let checked = match arguments.len() <= CHECK_INLINE_BYTES_MAX {
            true => argument_faults(tool, called, arguments),
            false => {
                let (tool, called, arguments) = (tool.clone(), called.to_owned(), arguments.clone());
                self.check_large("arguments", move || argument_faults(&tool, &called, &arguments)).await
            }
        };
        if let Err(faults) = checked {
            let waited = Instant::now().duration_since(call.deadline.accepted());
            return Outcome::unstarted(OutcomeKind::InvalidArguments { message: faults }, waited);
        }
        if is_skill_reader(&tool.spec) {
            let view = viewer.and_then(|viewer| viewer.view(self));
            return self.read_skill(profile, view, call, log).await;
        }
        let scope = RequestScope { profile, viewer, source: tool.source, forwards };
        self.check_output(tool, self.execute(call, scope, log).await).await
    }
}

impl Server {
    /// Has a call run. It ends with its tool, or earlier where its client cannot go on with it.
    pub(crate) async fn execute(
        &self,
        call: Call,
        scope: RequestScope<'_>,
        log: &mut CallLog<'_>,
    ) -> Outcome {
        let Some(ending) = log.ending(&call.spec) else {
            return self.run_with_requests(call, scope, log).await;
        };
        let (accepted, repeatable) = (call.deadline.accepted(), call.spec.policy.repeatable);
        let outcome = tokio::select! {
            biased;
            kind = ending => {
                let elapsed = Instant::now().duration_since(accepted);
                return Outcome { phase: Phase::Started, ..Outcome::unstarted(kind, elapsed) };
            }
            outcome = self.run_with_requests(call, scope, log) => outcome,
        };
        if repeatable && matches!(outcome.kind, OutcomeKind::Signalled { .. } | OutcomeKind::Lost { .. }) {
            log.lost();
        }
        outcome
    }
}

/// What a client called.
pub(crate) enum Callee {
    Tool(CallTool),
    /// Anything else that can be called.
    Item(CallRequest),
}

impl Callee {
    fn subject(&self) -> RequestSubject<'_> {
        match self {
            Callee::Tool(call) => call.subject(),
            Callee::Item(request) => {
                let arguments = match request {
                    CallRequest::Prompt { arguments, .. } => arguments.as_ref(),
                    CallRequest::Tool { .. } | CallRequest::Resource { .. } | CallRequest::Completion(_) => {
                        None
                    }
                };
                RequestSubject {
                    method: request.method(),
                    name: request.named().unwrap_or_default(),
                    arguments,
                }
            }
        }
    }
}

/// A call of whatever kind: in flight, unless the client's account is full.
///
/// With `replay` it is one that is run again.
pub(crate) fn answer(
    server: &Arc<Server>,
    (id, revision): (Id, Revision),
    called: Callee,
    mut meta: RequestMeta,
    mut caller: Caller,
    replay: Option<Replay>,
) -> RequestAnswer {
    let permit = match caller.account.call_permit() {
        Ok(permit) => permit,
        Err(overloaded) => return RequestAnswer::Refused(overloaded.into()),
    };
    let (ahead, claim) = match replay.map(Replay::claim) {
        Some(Ok(claimed)) => claimed,
        Some(Err(error)) => return RequestAnswer::Now(error_frame(Some(&id), &error)),
        None => {
            let ahead = AnswersAhead::early(std::mem::take(&mut meta.early_answers));
            (ahead, StateClaim::default())
        }
    };
    if matches!(called, Callee::Item(CallRequest::Completion(_))) {
        // Whoever types waits for it, and its answer can be no question (2026-07-28, "Multi Round-Trip Requests").
        meta.capabilities = ClientCapabilities::default();
        caller.capabilities = ClientCapabilities::default();
    }
    let origin = RequestOrigin::new(&id, revision, &meta, &caller);
    let client = CallClient::of(server, (id, revision), &meta, &caller, called.subject(), ahead);
    let accepted = Instant::now();
    let profile = server.profile_of(meta.client.as_ref(), &caller.session);
    let server = server.clone();
    let viewer = Viewer { session: caller.session, account: caller.account };
    RequestAnswer::Later(client.running(|client| async move {
        if let Err(error) = claim.granted().await {
            let to = client.recipient(&server.encoder).await;
            return error_frame(Some(&to.id), &error);
        }
        let wants = client.wants();
        let (viewer, origin) = (&viewer, &origin);
        let context = CallContext { wants, revision, profile, accepted, viewer, origin };
        run(&server, client, permit, called, context).await
    }))
}

/// Runs a call and writes its answer.
async fn run(
    server: &Server,
    client: CallClient,
    permit: PendingPermit,
    called: Callee,
    context: CallContext<'_>,
) -> Frame {
    let session = &*context.viewer.session;
    let reply = match permit.wait().await {
        Ok(permit) => {
            // Held as long as an executor has the call, but while its client is asked.
            let permit = CallPermit::new(permit);
            server.answered(called, context, &mut client.port(&server.encoder, &permit)).await
        }
        Err(overloaded) => {
            let (tool, method) = match &called {
                Callee::Tool(call) => (Some(cut(&call.name)), None),
                Callee::Item(request) => (None, Some(request.method())),
            };
            tracing::info!(tool, method, kind = "busy", "call");
            Err(overloaded.into())
        }
    };
    let to = client.recipient(&server.encoder).await;
    match reply {
        Ok(Answered { result, timing, owes_structured, cache }) => {
            let result = if to.timing { timing.told(result) } else { result };
            let result = server.shortened(session, to.revision, result, owes_structured).await;
            match server.adapted(to.revision, result).await {
                Ok(adapted) => server.encoder.call_result(&to.id, &adapted.with_cache(cache)),
                Err(error) => error_frame(Some(&to.id), &error),
            }
        }
        Err(error) => error_frame(Some(&to.id), &error),
    }
}

/// A call that came to an end which is a result.
struct Answered {
    result: CallResult,
    timing: Timing,
    /// As in [`ToolReply`].
    owes_structured: bool,
    cache: CacheHints,
}

/// How a client's call is to be answered.
struct CallContext<'a> {
    wants: Wants,
    revision: Revision,
    profile: ProfileId,
    accepted: Instant,
    viewer: &'a Viewer,
    origin: &'a RequestOrigin,
}

impl Server {
    /// The result of a client's call, or the error that it is answered with.
    async fn answered(
        &self,
        called: Callee,
        context: CallContext<'_>,
        port: &mut dyn CallPort,
    ) -> Result<Answered, RpcError> {
        let CallContext { wants, revision, profile, accepted, viewer, origin } = context;
        let of = &*viewer.session;
        let session = of.name();
        match called {
            Callee::Tool(CallTool { name, arguments }) => {
                let arguments = arguments.unwrap_or_else(|| Bytes::from_static(b"{}"));
                let request = ToolRequest { name, arguments, wants, profile, session, accepted };
                let called = request.name.clone();
                match self.call_of(request, Some(viewer), Some(origin), port).await {
                    Ok(ToolReply { error: Some(error), .. }) => Err(error),
                    Ok(ToolReply { result, timing, owes_structured, undeclared, .. }) => {
                        let missing = |question| RpcError::missing_capability(revision, &called, question);
                        match undeclared.and_then(missing) {
                            Some(error) => Err(error),
                            None => Ok(Answered {
                                result: result.into(),
                                timing,
                                owes_structured,
                                cache: CacheHints::default(),
                            }),
                        }
                    }
                    Err(unknown_name) => {
                        Err(RpcError::new(ErrorCode::InvalidParams, unknown_name.for_clients()))
                    }
                }
            }
            Callee::Item(request) => {
                if let CallRequest::Resource { uri, .. } = &request
                    && let Some(stored) = &self.config.stored_results
                    && uri.starts_with(stored_results::URI)
                {
                    let result = self.read_stored(stored, of, revision, uri).await?;
                    let (timing, cache) = (Timing::default(), CacheHints::default());
                    return Ok(Answered { result, timing, owes_structured: false, cache });
                }
                let errors = self.live().errors;
                let asked = ItemRequest {
                    request,
                    wants,
                    session,
                    profile,
                    accepted,
                    remaining: None,
                    forwards: false,
                    viewer: Some(viewer),
                    origin: Some(origin.of_request()),
                    parent: None,
                };
                let ItemReply { outcome, ran, timing, cache } = self.run_item(&asked, port).await;
                let result =
                    item_calls::result_or_error(outcome, ran.as_deref(), &asked.request, revision, errors)?;
                Ok(Answered { result, timing, owes_structured: false, cache })
            }
        }
    }
}

/// What a client gets of a large result that could not be made shorter, by a bug of ours.
fn unread(bug: tokio::task::JoinError) -> ToolResult {
    let said = format!(
        "the tool has run, and its result is lost by a bug of omni, which its log has more about: {bug}"
    );
    ToolResult { is_error: true, ..ToolResult::of_text(&said) }
}

/// Whose a result is that this session got.
fn owner_of(session: &Session) -> Owner {
    Owner::new(session.principal.clone(), session.name())
}

/// How a call ends whose tool runs as a task alone, and whose client takes none.
fn tasks_alone(tool: &str, accepted: Instant) -> Outcome {
    let RpcError { code, message, data } = RpcError::tasks_undeclared();
    tracing::info!(tool, kind = "not_a_task", "call");
    let kind = OutcomeKind::McpError {
        code: code.number(),
        message: format!("`{tool}` runs as a task alone: {message}"),
        data: data.map(|data| data.to_string().into()),
    };
    Outcome::unstarted(kind, accepted.elapsed())
}

/// The beginning of a name that a client made up.
fn cut(name: &str) -> String {
    name.chars().take(NAME_CHARS_MAX).collect()
}

fn argument_faults(tool: &Tool, called: &str, arguments: &[u8]) -> Result<(), String> {
    tool.check_arguments(called, arguments).map_err(|faults| faults.to_string())
}

impl Server {
    /// Holds a finished result to the tool's output schema: a client may rely on it.
    async fn check_output(&self, tool: &Arc<Tool>, mut outcome: Outcome) -> Outcome {
        let OutcomeKind::Finished(result) = &outcome.kind else { return outcome };
        let Some(result) = result.tool() else {
            outcome.kind = OutcomeKind::BadResult { message: "it is no result of a tool".to_owned() };
            return outcome;
        };
        if tool.spec.structured && !result.is_error {
            let checked = match &result.structured {
                Some(structured) if structured.len() <= CHECK_INLINE_BYTES_MAX => {
                    tool.check_output(structured)
                }
                Some(structured) => {
                    let (tool, structured) = (tool.clone(), structured.clone());
                    self.check_large("result", move || tool.check_output(&structured)).await
                }
                None => Err("it declares an output schema and returned no structured content".to_owned()),
            };
            if let Err(message) = checked {
                outcome.kind = OutcomeKind::BadResult { message };
            }
        }
        outcome
    }

    /// The result with nothing in it that the client's revision does not have.
    async fn adapted(&self, revision: Revision, result: CallResult) -> Result<AdaptedResult, RpcError> {
        if result.size() <= CHECK_INLINE_BYTES_MAX || !revision.may_change(&result) {
            return Ok(revision.adapt(result));
        }
        self.aside(move || revision.adapt(result)).await.map_err(|error| {
            RpcError::new(ErrorCode::Internal, format!("the result could not be written: {error}"))
        })
    }

    /// A result that is too large is kept, and the client gets a preview of it and a link.
    async fn shortened(
        &self,
        session: &Session,
        revision: Revision,
        result: CallResult,
        owes_structured: bool,
    ) -> CallResult {
        match (&self.config.stored_results, result) {
            (Some(stored), CallResult::Tool(result)) if stored.is_too_large(&result) => {
                let (own, owner) = (stored.clone(), owner_of(session));
                let keep_structured = owes_structured && revision.has_structured_content();
                // The result is dropped there too: to give many megabytes back takes a millisecond.
                let shortened = self.aside(move || own.shorten(&owner, result, keep_structured)).await;
                stored.remove_in_time();
                shortened.unwrap_or_else(unread).into()
            }
            (_, result) => result,
        }
    }

    /// The answer to `resources/read` for a result that is kept.
    pub(crate) async fn read_stored(
        &self,
        stored: &Arc<StoredResults>,
        session: &Session,
        revision: Revision,
        uri: &str,
    ) -> Result<CallResult, RpcError> {
        let (stored, owner, asked) = (stored.clone(), owner_of(session), uri.to_owned());
        let read = self.aside(move || stored.read(&owner, &asked)).await;
        let (kind, error) = match read {
            Ok(Ok(contents)) => {
                tracing::info!(method = "resources/read", kind = "finished", "call");
                let contents = contents.into();
                return Ok(CallResult::Resource(ResourceContents { contents, meta: None }));
            }
            Ok(Err(ReadError::NotThere)) => {
                let message = stored_results::not_there(uri);
                ("not_found", RpcError::resource_not_found(revision, uri, message))
            }
            Ok(Err(ReadError::BadRange(message))) => {
                ("invalid_arguments", RpcError::new(ErrorCode::InvalidParams, message))
            }
            Ok(Err(ReadError::System(error))) => {
                tracing::warn!(%error, "a kept result could not be read");
                ("tool_error", RpcError::new(ErrorCode::Internal, "the result could not be read"))
            }
            Err(error) => ("tool_error", RpcError::new(ErrorCode::Internal, error.to_string())),
        };
        tracing::info!(method = "resources/read", kind, "call");
        Err(error)
    }

    async fn check_large(
        &self,
        what: &str,
        check: impl FnOnce() -> Result<(), String> + Send + 'static,
    ) -> Result<(), String> {
        let checked = self.aside(check).await;
        checked.unwrap_or_else(|error| Err(format!("the check of the {what} failed: {error}")))
    }

    /// Works on a large value beside the front's thread, when it is its turn. Work that has begun goes on when its call is
    /// cancelled, and keeps its turn until it is over.
    async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, tokio::task::JoinError> {
        let permit = self.large_checks.clone().acquire_owned().await.expect("it is never closed");
        tokio::task::spawn_blocking(move || {
            let _turn = permit;
            work()
        })
        .await
    }
}
