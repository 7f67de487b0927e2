//! The kind of outcome that the result of an attempt is for the caller.

use bytes::Bytes;
use omni_call::OutcomeKind;
use omni_process::ExitStatus;

use super::result::AttemptResult;
use crate::ExecConfig;
use crate::wire::{ErrorFrame, ErrorKind};
use crate::within::expired;

/// How a call ended whose last attempt had this result.
pub(super) fn outcome_kind(result: AttemptResult, config: &ExecConfig) -> OutcomeKind {
    match result {
        AttemptResult::Result(result) => OutcomeKind::Finished(result),
        AttemptResult::Error(error) => {
            error_outcome_kind(error, config.result_bytes_max, config.process.limits.memory_bytes)
        }
        AttemptResult::TooLarge => OutcomeKind::OutputLimit { limit_bytes: config.result_bytes_max },
        // Such a call is always attempted again, unless the executor is closing.
        AttemptResult::Skipped => OutcomeKind::Shutdown,
        AttemptResult::Stale => OutcomeKind::Stale { otherwise: None },
        AttemptResult::Died(ExitStatus::Code(code)) => OutcomeKind::Exited { code, message: None },
        AttemptResult::Died(ExitStatus::Signal(signal)) => OutcomeKind::Signalled { signal },
        AttemptResult::Died(ExitStatus::Unknown) => OutcomeKind::Lost {
            message: "its process ended, and the fork parent that knew how is gone".into(),
        },
        AttemptResult::Broken(error) => OutcomeKind::Lost { message: error.to_string() },
        AttemptResult::Expired(expiry) => expired(expiry),
    }
}

/// How a call ended whose last frame is this error, where results and memory have these limits.
pub(crate) fn error_outcome_kind(
    error: ErrorFrame,
    result_bytes_max: usize,
    memory_bytes_max: Option<u64>,
) -> OutcomeKind {
    let raised = |error: ErrorFrame, default: &str| OutcomeKind::ToolError {
        kind: error.class.unwrap_or_else(|| default.to_owned()),
        bases: error.bases.into(),
        message: match &error.temp {
            Some(files) => format!("{}; {}", error.message, files.sentence()),
            None => error.message,
        },
        location: error.location,
        intended: error.intended,
        traceback: error.traceback,
        undeclared: error.capability,
    };
    match error.kind {
        ErrorKind::ToolError if is_memory_error(&error) => OutcomeKind::OutOfMemory {
            limit_bytes: memory_bytes_max,
            message: error.message,
            location: error.location,
            traceback: error.traceback,
        },
        ErrorKind::ToolError => raised(error, "Exception"),
        // When we cancel a call, its caller has left and nobody reads the outcome. So the tool raised this one by
        // itself.
        ErrorKind::Cancelled => raised(error, "CallCancelled"),
        ErrorKind::McpError => OutcomeKind::McpError {
            // JSON-RPC's code of an internal error, for a frame that leaves it out.
            code: error.code.unwrap_or(-32603),
            message: error.message,
            data: error.data.map(|data| Bytes::from(Box::<str>::from(data).into_string())),
        },
        ErrorKind::BadResult => OutcomeKind::BadResult { message: error.message },
        ErrorKind::InvalidArguments => OutcomeKind::InvalidArguments { message: error.message },
        ErrorKind::LoadError => OutcomeKind::LoadError {
            kind: error.class.unwrap_or_else(|| "ImportError".to_owned()),
            message: error.message,
            location: error.location,
            intended: error.intended,
            traceback: error.traceback,
        },
        ErrorKind::Exited => OutcomeKind::Exited {
            code: error.code.unwrap_or(0),
            message: Some(error.message).filter(|message| !message.trim().is_empty()),
        },
        ErrorKind::OutputLimit => OutcomeKind::OutputLimit { limit_bytes: result_bytes_max },
        ErrorKind::NotFound => OutcomeKind::NotFound { message: error.message },
    }
}

fn is_memory_error(error: &ErrorFrame) -> bool {
    const NAME: &str = "MemoryError";
    error.class.as_deref() == Some(NAME) || error.bases.iter().any(|base| base == NAME)
}
