//! How a call ends whose file is there and gives nothing.

use omni_call::OutcomeKind;

/// What a client reads when a file that is there gives nothing. `kind` names it for programs.
pub(super) fn failed(kind: &str, message: String, location: Option<String>) -> OutcomeKind {
    OutcomeKind::ToolError {
        kind: kind.to_owned(),
        bases: Box::default(),
        message,
        location,
        intended: true,
        traceback: None,
    }
}
