//! What the log says of a call that failed.

use omni_call::{CallId, Ending, Outcome};

/// The full text of a failure goes to the log, since the client may see only part of it.
pub(crate) fn log_failure(call: CallId, tool: &str, outcome: &Outcome) {
    let kind = outcome.ending.kind();
    let (stack, stderr) = (outcome.stack.as_deref(), outcome.stderr.as_deref());
    match &outcome.ending {
        Ending::Finished(result) if !result.is_error() => {}
        Ending::Finished(_) => tracing::debug!(%call, tool, kind, stderr, "the tool's result is an error"),
        Ending::ToolError { kind: class, message, location, traceback, intended: false, .. } => {
            tracing::warn!(
                %call, tool, kind, class, location = location.as_deref(), text = message,
                traceback = traceback.as_deref(), "tool raised"
            )
        }
        Ending::LoadError { kind: class, message, location, traceback, .. } => tracing::warn!(
            %call, tool, kind, class, location = location.as_deref(), text = message,
            traceback = traceback.as_deref(), "tool could not be loaded"
        ),
        Ending::OutOfMemory { message, location, traceback, .. } => tracing::warn!(
            %call, tool, kind, location = location.as_deref(), text = message, traceback = traceback.as_deref(),
            "tool ran out of memory"
        ),
        Ending::Cancelled
        | Ending::Shutdown
        | Ending::NotFound { .. }
        | Ending::ToolError { .. }
        | Ending::InvalidArguments { .. } => {
            tracing::debug!(%call, tool, kind);
        }
        Ending::BadResult { .. }
        | Ending::Exited { .. }
        | Ending::Signalled { .. }
        | Ending::TimedOut { .. }
        | Ending::Idle { .. }
        | Ending::OutputLimit { .. }
        | Ending::Lost { .. }
        | Ending::Busy { .. }
        | Ending::Quarantined { .. }
        | Ending::WorkerStart { .. } => {
            let text = outcome.ending.in_full(tool);
            tracing::warn!(%call, tool, kind, text, stack, stderr, "call failed");
        }
    }
}
