//! Drives the call of a task to its end, and stores how it has ended.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use omni_call::with_causes;
use omni_protocol::{Encoder, ErrorCode, Frame, Id, ReplyPayload, RpcError, TaskState, error_frame};
use omni_store::{Changed, Ending, Store, StoreError};
use serde::Deserialize;
use tokio::sync::oneshot;

use super::live::{LiveTask, StopReason, logged};
use crate::call_future::{CallFuture, bug};

/// Drives the call of a task. `request` is the id that its reply is written for. Dropping it cancels the call, and leaves the task
/// to whoever finds its server gone.
pub(super) async fn drive(
    (encoder, store): (Arc<Encoder>, Store),
    task: Arc<LiveTask>,
    mut call: CallFuture,
    request: Id,
    stopped: oneshot::Receiver<StopReason>,
) {
    let ended = std::future::poll_fn(|cx| {
        let polled = call.as_mut().poll(cx);
        if polled.is_pending() {
            task.look(&encoder, &store);
        }
        polled
    });
    let end = tokio::select! {
        biased;
        why = stopped => Err(why.unwrap_or(StopReason::Shutdown)),
        end = ended => Ok(end),
    };
    // It is over before anybody is told that it is.
    drop(call);
    let id = &task.row.id;
    match end {
        Ok(end) => {
            // A request of a batch alone may end without an answer.
            let reply = match end {
                Ok(reply) => reply.unwrap_or_else(|| no_answer(&request)),
                Err(panic) => bug(&request, &*panic),
            };
            let payload = ReplyPayload::of(reply, &request);
            finish(&store, &task, payload.unwrap_or_else(|| of_error(&no_answer(&request), &request))).await;
        }
        Err(StopReason::Cancelled) => tracing::info!(task = logged(id), "a task was cancelled by its client"),
        Err(StopReason::Expired) => {
            tracing::warn!(task = logged(id), "a task was ended: the time that it is kept for is over")
        }
        Err(StopReason::Shutdown) => {
            tracing::warn!(task = logged(id), tool = task.row.name, "a task was ended: the server stops");
            let why = "the server was stopped before the tool had ended";
            finish(&store, &task, payload_of(&RpcError::new(ErrorCode::Internal, why), &request)).await;
        }
    }
}

fn no_answer(request: &Id) -> Frame {
    error_frame(Some(request), &RpcError::new(ErrorCode::Internal, "the call has ended without an answer"))
}

fn of_error(frame: &Frame, request: &Id) -> ReplyPayload {
    ReplyPayload::of(frame.clone(), request).unwrap_or(ReplyPayload::Error(Bytes::from_static(b"{}")))
}

fn payload_of(error: &RpcError, request: &Id) -> ReplyPayload {
    of_error(&error_frame(Some(request), error), request)
}

/// Stores how a task has ended. Where that cannot be, it stays in memory, as long as this process lives.
async fn finish(store: &Store, task: &LiveTask, payload: ReplyPayload) {
    let id = &task.row.id;
    let mut payload = payload;
    loop {
        match store.finish(id, ending(&payload), SystemTime::now()).await {
            Ok(Changed::Done | Changed::HadEnded(_)) => return,
            // Its time is over, and it was removed.
            Ok(Changed::Unknown) => return,
            Err(StoreError::Quota(quota)) if matches!(payload, ReplyPayload::Result(_)) => {
                tracing::warn!(task = logged(id), %quota, "the result of a task cannot be kept");
                let why = format!("the tool has run, and its result cannot be kept: {quota}");
                let request = Id::parse(&Bytes::from_static(b"0")).expect("an integer is an id");
                payload = payload_of(&RpcError::new(ErrorCode::Internal, why), &request);
            }
            Err(error) => {
                let error = with_causes(&error);
                tracing::error!(
                    task = logged(id),
                    error,
                    "how a task has ended cannot be stored: it is known until the server stops"
                );
                task.keep_end(match payload {
                    ReplyPayload::Result(result) => TaskState::Completed(result),
                    ReplyPayload::Error(error) => TaskState::Failed(error),
                });
                return;
            }
        }
    }
}

fn ending(payload: &ReplyPayload) -> Ending {
    #[derive(Deserialize)]
    struct Said {
        message: String,
    }
    match payload {
        ReplyPayload::Result(result) => Ending::Completed(result.to_vec()),
        ReplyPayload::Error(error) => {
            let message = serde_json::from_slice(error).map(|Said { message }| message).unwrap_or_default();
            Ending::Failed { message, error: error.to_vec() }
        }
    }
}
