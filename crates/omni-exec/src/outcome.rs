//! Outcomes of calls that no worker has seen, and what all outcomes have in common.

use std::time::Instant;

use omni_call::{Call, Outcome, OutcomeKind, Phase};

use crate::start_failure::StartFailure;

/// The outcome of a call that ended in this way just now.
pub(crate) fn outcome(call: &Call, kind: OutcomeKind, phase: Phase, attempt: u32) -> Outcome {
    Outcome { phase, attempt, ..unstarted(call, kind) }
}

/// The outcome of a call that no worker took.
pub(crate) fn unstarted(call: &Call, kind: OutcomeKind) -> Outcome {
    Outcome::unstarted(kind, Instant::now().duration_since(call.deadline.accepted()))
}

/// How a call ended that was not made because its arguments cannot be passed on: `why` completes the sentence that says so.
pub(crate) fn invalid_arguments(call: &Call, why: &str) -> OutcomeKind {
    OutcomeKind::InvalidArguments { message: format!("`{}` was not called: {why}", call.spec.tool) }
}

/// The outcome of a call for which no worker could be started.
pub(crate) fn start_failed(call: &Call, failure: &StartFailure) -> Outcome {
    let mut outcome = unstarted(call, start_failure_kind(failure));
    outcome.stderr.clone_from(&failure.stderr);
    outcome
}

fn start_failure_kind(failure: &StartFailure) -> OutcomeKind {
    if failure.closing {
        OutcomeKind::Shutdown
    } else {
        OutcomeKind::WorkerStart { message: failure.message.clone(), hint: failure.hint.clone() }
    }
}
