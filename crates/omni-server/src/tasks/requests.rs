//! `tasks/get`, `tasks/update` and `tasks/cancel`.

use std::sync::Arc;

use bytes::Bytes;
use omni_call::with_causes;
use omni_protocol::{ErrorCode, Frame, Id, Revision, RpcError, error_frame};
use omni_store::StoreError;

use crate::caller::{Caller, RequestAnswer};
use crate::running_request::RunningRequest;
use crate::server::Server;

/// Of an id that no task has, so much is said.
const ID_CHARS_MAX: usize = 100;

/// `tasks/get`: at once for a task that runs here.
pub(crate) fn get(
    server: &Arc<Server>,
    id: Id,
    revision: Revision,
    task: String,
    caller: &Caller,
) -> RequestAnswer {
    let Some(tasks) = server.tasks.clone() else { return not_offered(&id) };
    let owner = caller.session.principal.seal_text().into_owned();
    let server = server.clone();
    let running = id.clone();
    let answer = async move {
        match tasks.find(&task, &owner).await {
            Ok(Some(task)) => server.encoder.task_result(&id, revision, &task),
            found => error_frame(Some(&id), &refusal(&task, found.err())),
        }
    };
    RequestAnswer::Later(RunningRequest::new(running, answer, None))
}

/// `tasks/update`: hands answers to a task's questions. Those of questions that are not open are passed over.
pub(crate) fn update(
    server: &Arc<Server>,
    id: Id,
    revision: Revision,
    (task, responses): (String, Vec<(String, Bytes)>),
    caller: &Caller,
) -> RequestAnswer {
    let Some(tasks) = server.tasks.clone() else { return not_offered(&id) };
    let owner = caller.session.principal.seal_text().into_owned();
    acknowledged(server, id, revision, async move {
        let answered = tasks.answer(&task, &owner, &responses).await;
        known(&task, answered)
    })
}

/// `tasks/cancel`: ends a task. One that has ended stays as it is.
pub(crate) fn cancel(
    server: &Arc<Server>,
    id: Id,
    revision: Revision,
    task: String,
    caller: &Caller,
) -> RequestAnswer {
    let Some(tasks) = server.tasks.clone() else { return not_offered(&id) };
    let owner = caller.session.principal.seal_text().into_owned();
    acknowledged(server, id, revision, async move {
        let cancelled = tasks.cancel(&task, &owner).await;
        known(&task, cancelled)
    })
}

/// What is asked for is done whether or not the client waits for the answer.
fn acknowledged(
    server: &Arc<Server>,
    id: Id,
    revision: Revision,
    done: impl Future<Output = Result<(), RpcError>> + Send + 'static,
) -> RequestAnswer {
    let server = server.clone();
    let running = id.clone();
    // Dropping the answer would leave it half done: a task that is stored as cancelled, and runs on.
    let done = tokio::spawn(done);
    let answer = async move {
        match done.await.unwrap_or_else(|bug| std::panic::resume_unwind(bug.into_panic())) {
            Ok(()) => server.encoder.empty_result(&id, revision),
            Err(error) => error_frame(Some(&id), &error),
        }
    };
    RequestAnswer::Later(RunningRequest::new(running, answer, None))
}

fn known(task: &str, found: Result<bool, StoreError>) -> Result<(), RpcError> {
    match found {
        Ok(true) => Ok(()),
        Ok(false) => Err(refusal(task, None)),
        Err(error) => Err(refusal(task, Some(error))),
    }
}

/// Why a task is not told of: there is none, or the store cannot be used.
fn refusal(task: &str, error: Option<StoreError>) -> RpcError {
    match error {
        None => {
            let task: String = task.chars().take(ID_CHARS_MAX).collect();
            let why = format!("there is no task `{task}`: it was never there, or its time is over");
            RpcError::new(ErrorCode::InvalidParams, why)
        }
        Some(error) => {
            tracing::error!(error = with_causes(&error), "a task cannot be read");
            RpcError::new(ErrorCode::Internal, "the server's store of tasks cannot be used; its log says why")
        }
    }
}

/// Its method is unknown then, so this is not reached by a client.
fn not_offered(id: &Id) -> RequestAnswer {
    let why = "this server has no tasks";
    let frame: Frame = error_frame(Some(id), &RpcError::new(ErrorCode::MethodNotFound, why));
    RequestAnswer::Now(frame)
}
