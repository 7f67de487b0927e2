//! One `tools/call`, from its name to its answer.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use omni_call::{Call, CallId, Deadline, Ending, NoEvents, Outcome, ToolResult, Wants};
use omni_catalog::Tool;
use omni_protocol::{CallTool, ErrorCode, Frame, Id, RequestMeta, Revision, RpcError, error_frame};
use serde_json::json;

use crate::running::{EventQueue, Notifier};
use crate::server::{Caller, Server};

/// Arguments above this many bytes are checked on another thread: parsing them takes about a millisecond,
/// and every other client would wait for it.
const CHECK_INLINE_BYTES_MAX: usize = 256 * 1024;

/// A tool call as the protocol read it.
pub(crate) struct ToolCall {
    pub(crate) id: Id,
    pub(crate) revision: Revision,
    pub(crate) call: CallTool,
    pub(crate) meta: RequestMeta,
    pub(crate) caller: Caller,
    pub(crate) accepted: Instant,
    pub(crate) queue: Option<Arc<EventQueue>>,
}

impl ToolCall {
    /// Runs the call: look up, validate, execute, check, encode.
    pub(crate) async fn run(self, server: Arc<Server>) -> Frame {
        server.catalog_ready().await;
        let snapshot = server.catalog.snapshot();
        let Some(tool) = snapshot.tool(&self.call.name) else {
            return error_frame(
                Some(&self.id),
                &unknown_tool(&self.call.name, snapshot.suggest(&self.call.name)),
            );
        };
        drop(snapshot);
        let arguments = self.call.arguments.clone().unwrap_or_else(|| Bytes::from_static(b"{}"));
        if let Err(faults) = check_arguments(&tool, &arguments).await {
            return server.encoder.tool_result(&self.id, self.revision, &refused(&faults));
        }
        let result = self.execute(&server, &tool, arguments).await;
        server.encoder.tool_result(&self.id, self.revision, &result)
    }

    async fn execute(&self, server: &Server, tool: &Arc<Tool>, arguments: Bytes) -> ToolResult {
        let (total, idle) = tool.spec.limits.resolve(server.config.timeout, server.config.idle_timeout);
        let log_level = self.meta.log_level.or(self.caller.log_level);
        let call = Call {
            id: server.next_call_id(),
            spec: tool.spec.clone(),
            arguments,
            deadline: Deadline::new(self.accepted, total, idle),
            wants: Wants {
                progress: self.queue.is_some() && self.meta.progress_token.is_some(),
                log: log_level.filter(|_| self.queue.is_some()),
            },
            session: self.caller.session.clone(),
        };
        let call_id = call.id;
        let outcome = match &self.queue {
            None => server.executor.run(call, &mut NoEvents).await,
            Some(queue) => {
                let mut notifier = Notifier {
                    encoder: server.encoder.clone(),
                    revision: self.revision,
                    progress_token: self.meta.progress_token.clone(),
                    log_level,
                    progress: None,
                    queue: queue.clone(),
                };
                let outcome = server.executor.run(call, &mut notifier).await;
                notifier.report_dropped();
                outcome
            }
        };
        let outcome = check_output(tool, outcome);
        log_failure(call_id, &tool.spec.tool, &outcome);
        outcome.into_result(&self.call.name, server.config.errors)
    }
}

async fn check_arguments(tool: &Arc<Tool>, arguments: &Bytes) -> Result<(), String> {
    if arguments.len() <= CHECK_INLINE_BYTES_MAX {
        return tool.check_arguments(arguments).map_err(|faults| faults.to_string());
    }
    let (tool, arguments) = (tool.clone(), arguments.clone());
    let check = tokio::task::spawn_blocking(move || {
        tool.check_arguments(&arguments).map_err(|faults| faults.to_string())
    });
    check.await.unwrap_or_else(|error| Err(format!("the check of the arguments failed: {error}")))
}

/// Holds a finished result to the tool's output schema: a client may rely on it.
fn check_output(tool: &Tool, mut outcome: Outcome) -> Outcome {
    if let Ending::Finished(result) = &outcome.ending
        && tool.spec.structured
        && !result.is_error
    {
        let fault = match &result.structured {
            Some(structured) => tool.check_output(structured).err().map(|fault| fault.to_string()),
            None => Some("it declares an output schema and returned no structured content".to_owned()),
        };
        if let Some(message) = fault {
            outcome.ending = Ending::BadResult { message };
        }
    }
    outcome
}

/// The full text of a failure goes to the log, since the client may see only part of it.
fn log_failure(call: CallId, tool: &str, outcome: &Outcome) {
    let kind = outcome.ending.kind();
    match &outcome.ending {
        Ending::Finished(_) => {}
        Ending::ToolError { kind: class, message, traceback, intended: false, .. } => tracing::warn!(
            %call, tool, kind, class, message, traceback = traceback.as_deref(), "tool raised"
        ),
        Ending::Cancelled | Ending::Shutdown | Ending::ToolError { .. } => tracing::debug!(%call, tool, kind),
        Ending::BadResult { .. }
        | Ending::LoadError { .. }
        | Ending::Exited { .. }
        | Ending::Signalled { .. }
        | Ending::TimedOut { .. }
        | Ending::Idle { .. }
        | Ending::OutputLimit { .. }
        | Ending::Lost { .. }
        | Ending::Busy { .. }
        | Ending::WorkerStart { .. } => tracing::warn!(
            %call, tool, kind, ending = ?outcome.ending, stack = outcome.stack.as_deref(),
            stderr = outcome.stderr.as_deref(), "call failed"
        ),
    }
}

/// Arguments that break the schema: a result the model can act on, not a protocol error.
fn refused(faults: &str) -> ToolResult {
    let failure = json!({ "kind": "invalid_arguments", "phase": "validation", "retryable": false });
    ToolResult {
        content: json!([{ "type": "text", "text": faults }]).to_string().into(),
        structured: None,
        meta: Some(json!({ "omni/failure": failure }).to_string().into()),
        is_error: true,
    }
}

fn unknown_tool(name: &str, suggestion: Option<String>) -> RpcError {
    let name: String = name.chars().take(128).collect();
    let hint = match suggestion {
        Some(suggestion) => format!("; did you mean `{suggestion}`?"),
        None => "; `tools/list` names all there are".to_owned(),
    };
    RpcError::new(ErrorCode::InvalidParams, format!("unknown tool `{name}`{hint}"))
}
