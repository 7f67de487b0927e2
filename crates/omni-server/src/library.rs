//! Resources and prompts: the trait that lists them, and how one of them is called.
//!
//! To read a resource, to have a prompt filled in or an argument completed is a call like any other, with its deadline,
//! its place in the log and its questions. Only what runs it differs, which the library says.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use omni_call::{
    BoxFuture, Call, CallPort, CallRequest, CallResult, Deadline, Ending, ErrorDetail, Outcome, RunSpec,
};
use omni_protocol::{ErrorCode, Frame, Id, ItemKind, ListKind, Offers, Revision, RpcError, error_frame};

use crate::call::{Terms, log_failure};
use crate::call_log::{CallLog, Timing};
use crate::dispatch::{Answer, Caller};
use crate::running::Running;
use crate::server::Server;

/// Whoever has resources and prompts to offer. The server knows nothing else of them.
pub trait Library: Send + Sync {
    /// What is offered at all. Asked once; methods of the rest are unknown to clients, and never called.
    fn offers(&self) -> Offers;

    /// The version of a list; two lists that show clients the same have the same. `None`, which is the default, when
    /// nobody can say whether it has changed: clients are then never told that it has. Whether there are versions must
    /// not change. After a new one, [`Server::catalog_checked`] is to be called.
    fn list_version(&self, _kind: ListKind) -> Option<Arc<str>> {
        None
    }

    /// All items of that kind: a JSON array of objects as the newest revision of MCP has them. Dropping the future
    /// gives the answer up. It may not wait for ever.
    fn list(&self, kind: ItemKind) -> BoxFuture<'_, Result<Bytes, Unavailable>>;

    /// How a request that is no tool call is run: what its call says to the executor. Whether there is what it names
    /// may be found out there. The error says to a client that there is not.
    fn spec(&self, request: &CallRequest) -> Result<Arc<RunSpec>, String>;
}

/// Whoever has the items cannot be reached, or failed. The text is for the client.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub String);

impl From<Unavailable> for RpcError {
    fn from(Unavailable(why): Unavailable) -> Self {
        tracing::warn!(why, "a list of resources or prompts could not be had");
        RpcError::new(ErrorCode::Internal, why)
    }
}

/// The lists of resources, templates and prompts: in flight, unless the client's account is full.
pub(crate) fn answer(
    server: &Arc<Server>,
    id: Id,
    revision: Revision,
    kind: ItemKind,
    cursor: Option<String>,
    caller: Caller,
) -> Answer {
    let Some(library) = server.library.clone() else {
        // Not reached: without a library the request was refused when it was read.
        return Answer::Refused(RpcError::new(ErrorCode::MethodNotFound, "method not found"));
    };
    let turn = match caller.share.turn() {
        Ok(turn) => turn,
        Err(overloaded) => return Answer::Refused(overloaded.into()),
    };
    caller.session.saw_list(kind.list(), library.list_version(kind.list()).as_deref());
    let of = id.clone();
    let list = list(server.clone(), library, id.clone(), revision, kind, cursor);
    let answer = async move {
        match turn.wait().await {
            Ok(_permit) => list.await,
            Err(overloaded) => error_frame(Some(&of), &overloaded.into()),
        }
    };
    Answer::Later(Running::new(id, answer, None))
}

/// Writes a list.
async fn list(
    server: Arc<Server>,
    library: Arc<dyn Library>,
    id: Id,
    revision: Revision,
    kind: ItemKind,
    cursor: Option<String>,
) -> Frame {
    if cursor.is_some() {
        let why = "`params.cursor` is not one of this list: it has one page; ask without a cursor";
        return error_frame(Some(&id), &RpcError::new(ErrorCode::InvalidParams, why));
    }
    match library.list(kind).await {
        Ok(items) => server.encoder.items(&id, revision, kind, &items),
        Err(unavailable) => error_frame(Some(&id), &unavailable.into()),
    }
}

/// When a call that is no tool's has to end: there is nobody who could have declared limits for it.
pub(crate) fn deadline(server: &Server, accepted: Instant) -> Deadline {
    Deadline::new(accepted, server.config.timeout, server.config.idle_timeout)
}

impl Server {
    /// Runs a request that is no tool call and says how it ended.
    pub(crate) async fn run_item(
        &self,
        request: CallRequest,
        terms: Terms,
        events: &mut dyn CallPort,
    ) -> (Outcome, Timing) {
        let Terms { deadline, wants, session } = terms;
        let spec = match &self.library {
            Some(library) => library.spec(&request),
            None => Err(nothing_there(&request)),
        };
        let spec = match spec {
            Ok(spec) => spec,
            Err(message) => {
                tracing::info!(method = request.method(), kind = "not_found", "call");
                return (Outcome::unstarted(Ending::NotFound { message }, Duration::ZERO), Timing::default());
            }
        };
        let mut call = Call { id: self.next_call_id(), spec, request, deadline, wants, session };
        let of = call.clone();
        let mut log = CallLog::new(&of, of.name(), events);
        call.wants = CallLog::wants(wants, self.config.log_output);
        let mut outcome = self.executor.run(call, &mut log).await;
        if let Ending::Finished(result) = &outcome.ending
            && !result.answers(&of.request)
        {
            outcome.ending = Ending::BadResult { message: "it is the answer to something else".to_owned() };
        }
        if self.config.log_failures {
            log_failure(of.id, of.name(), &outcome);
        }
        let timing = log.end(&outcome);
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
    let code = match outcome.ending {
        Ending::Finished(result) => return Ok(result),
        Ending::NotFound { message } => {
            return Err(match request {
                CallRequest::Resource { uri } => RpcError::resource_not_found(revision, uri, message),
                CallRequest::Tool { .. } | CallRequest::Prompt { .. } | CallRequest::Completion(_) => {
                    RpcError::new(ErrorCode::InvalidParams, message)
                }
            });
        }
        Ending::InvalidArguments { .. } => ErrorCode::InvalidParams,
        Ending::ToolError { .. }
        | Ending::BadResult { .. }
        | Ending::LoadError { .. }
        | Ending::Exited { .. }
        | Ending::Signalled { .. }
        | Ending::TimedOut { .. }
        | Ending::Idle { .. }
        | Ending::OutOfMemory { .. }
        | Ending::OutputLimit { .. }
        | Ending::Lost { .. }
        | Ending::Cancelled
        | Ending::Shutdown
        | Ending::Busy { .. }
        | Ending::Quarantined { .. }
        | Ending::WorkerStart { .. } => ErrorCode::Internal,
    };
    let named = request.named().unwrap_or_default();
    Err(RpcError::new(code, outcome.into_refusal(named, detail)))
}

/// What a client is told of something that nobody offers.
fn nothing_there(request: &CallRequest) -> String {
    let named: String = request.named().unwrap_or_default().chars().take(200).collect();
    match request {
        CallRequest::Resource { .. } => format!("there is no resource `{named}`"),
        CallRequest::Prompt { .. } => format!("there is no prompt `{named}`"),
        CallRequest::Tool { .. } | CallRequest::Completion(_) => format!("there is no `{named}`"),
    }
}
