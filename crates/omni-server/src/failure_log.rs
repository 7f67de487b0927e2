//! What the log says of a call that failed.

use omni_call::{CallId, Outcome, OutcomeKind};

/// The full text of a failure goes to the log, since the client may see only part of it: what omni says of it, and what the
/// tool does if `with_output`, as with all that it prints. `ran` is what was run for a request, where that has another name.
pub(crate) fn log_failure(call: CallId, tool: &str, ran: Option<&str>, outcome: &Outcome, with_output: bool) {
    let kind = outcome.kind.name();
    let (stack, stderr) = (outcome.stack.as_deref(), outcome.stderr.as_deref().filter(|_| with_output));
    match &outcome.kind {
        OutcomeKind::Finished(result) if !result.is_error() => {}
        OutcomeKind::Finished(_) => {
            tracing::debug!(%call, tool, kind, stderr, "the tool's result is an error")
        }
        OutcomeKind::ToolError { kind: class, message, location, traceback, intended: false, .. } => {
            tracing::warn!(
                %call, tool, kind, class, location = location.as_deref(), text = with_output.then_some(message),
                traceback = traceback.as_deref().filter(|_| with_output), "tool raised"
            )
        }
        OutcomeKind::LoadError { kind: class, message, location, traceback, .. } => tracing::warn!(
            %call, tool, kind, class, location = location.as_deref(), text = message,
            traceback = traceback.as_deref(), "tool could not be loaded"
        ),
        OutcomeKind::OutOfMemory { message, location, traceback, .. } => tracing::warn!(
            %call, tool, kind, location = location.as_deref(), text = with_output.then_some(message),
            traceback = traceback.as_deref().filter(|_| with_output), "tool ran out of memory"
        ),
        OutcomeKind::Cancelled
        | OutcomeKind::Shutdown
        | OutcomeKind::NotFound { .. }
        | OutcomeKind::ToolError { .. }
        | OutcomeKind::McpError { .. }
        | OutcomeKind::InvalidArguments { .. }
        | OutcomeKind::Stale { otherwise: Some(_) } => {
            tracing::debug!(%call, tool, kind);
        }
        OutcomeKind::BadResult { .. }
        | OutcomeKind::Exited { .. }
        | OutcomeKind::Signalled { .. }
        | OutcomeKind::TimedOut { .. }
        | OutcomeKind::Idle { .. }
        | OutcomeKind::OutputLimit { .. }
        | OutcomeKind::Lost { .. }
        | OutcomeKind::Busy { .. }
        | OutcomeKind::Quarantined { .. }
        | OutcomeKind::WorkerStart { .. }
        | OutcomeKind::Stale { otherwise: None } => {
            let text = outcome.kind.in_full(ran.unwrap_or(tool));
            tracing::warn!(%call, tool, kind, text, stack, stderr, "call failed");
        }
    }
}
