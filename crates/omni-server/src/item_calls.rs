//! How a resource is read, a prompt filled in and an argument completed: a call like any other, with its deadline, its
//! place in the log and its questions. Only what runs it differs, which the catalogue says.

use std::time::{Duration, Instant};

use omni_call::{
    Call, CallPort, CallRequest, CallResult, Completion, CompletionReference, Deadline, ErrorDetail, Outcome,
    OutcomeKind,
};
use omni_protocol::{ErrorCode, ListKind, Revision, RpcError};

use crate::call_changes::CallChanges;
use crate::call_log::{CallLog, Timing};
use crate::call_options::CallOptions;
use crate::failure_log::log_failure;
use crate::server::Server;

/// When a call that is no tool's has to end: there is nobody who could have declared limits for it.
pub(crate) fn deadline(server: &Server, accepted: Instant) -> Deadline {
    let live = server.live();
    Deadline::new(accepted, live.timeout, live.idle_timeout)
}

impl Server {
    /// The number of the source that has what a request names. Before all sources have been asked, what nobody lists may still come.
    async fn item_source(&self, request: &CallRequest) -> Option<usize> {
        let list = match request {
            CallRequest::Resource { .. } => ListKind::Resources,
            CallRequest::Prompt { .. } => ListKind::Prompts,
            CallRequest::Completion(completing) => match &completing.reference {
                CompletionReference::Prompt { .. } => ListKind::Prompts,
                CompletionReference::Resource { .. } => ListKind::Resources,
            },
            CallRequest::Tool { .. } => return None,
        };
        let found = self.source_of(request);
        if found.is_some() || self.is_refreshed(list) {
            return found;
        }
        self.catalog_ready(list).await;
        self.source_of(request)
    }

    fn source_of(&self, request: &CallRequest) -> Option<usize> {
        let snapshot = self.catalog.snapshot();
        match request {
            CallRequest::Resource { uri, .. } => snapshot.source_of_resource(uri),
            CallRequest::Prompt { name, .. } => snapshot.source_of_prompt(name),
            CallRequest::Completion(completing) => match &completing.reference {
                CompletionReference::Prompt { name } => snapshot.source_of_prompt(name),
                CompletionReference::Resource { uri } => snapshot.source_of_template(uri),
            },
            CallRequest::Tool { .. } => None,
        }
    }

    /// Runs a request that is no tool call and says how it ended.
    pub(crate) async fn run_item(
        &self,
        request: CallRequest,
        options: CallOptions,
        events: &mut dyn CallPort,
    ) -> (Outcome, Timing) {
        let CallOptions { deadline, wants, session, forwards_changes } = options;
        let number = self.item_source(&request).await;
        let source = number.and_then(|number| self.catalog.sources().get(number));
        let Some((source, spec)) = source.and_then(|source| Some((source, source.items_spec()?))) else {
            tracing::info!(method = request.method(), kind = "not_found", "call");
            let kind = OutcomeKind::NotFound { message: nothing_there(&request) };
            return (Outcome::unstarted(kind, Duration::ZERO), Timing::default());
        };
        if matches!(request, CallRequest::Completion(_)) && !source.completes() {
            // The method is offered because another source completes arguments. This one does not, so it is not asked.
            let kind = OutcomeKind::Finished(CallResult::Completion(Completion::nothing()));
            return (Outcome::unstarted(kind, Duration::ZERO), Timing::default());
        }
        let mut call = Call { wants, session, ..Call::new(self.next_call_id(), spec, request, deadline) };
        let of = call.clone();
        let changes = number.filter(|_| !forwards_changes).map(|source| CallChanges::new(self, source));
        let mut log = CallLog::new(&of, of.name(), events, changes);
        call.wants = CallLog::wants(wants, self.live().log_output);
        let mut outcome = self.executor.run(call, &mut log).await;
        if let OutcomeKind::Finished(result) = &outcome.kind
            && !result.answers(&of.request)
        {
            outcome.kind =
                OutcomeKind::BadResult { message: "it is the answer to something else".to_owned() };
        }
        let timing = log.end(&mut outcome);
        if self.config.log_failures {
            log_failure(of.id, of.name(), &outcome);
        }
        (outcome, timing)
    }
}

/// The result of a request that is no tool call, or what its client is told instead.
pub(crate) fn result_or_error(
    outcome: Outcome,
    request: &CallRequest,
    revision: Revision,
    detail: ErrorDetail,
) -> Result<CallResult, RpcError> {
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
    let named = request.named().unwrap_or_default();
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
    format!("there is no {what}`{named}`")
}
