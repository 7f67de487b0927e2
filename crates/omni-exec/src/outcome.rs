//! Outcomes of calls that no worker has seen, and what all outcomes have in common.

use std::time::Instant;

use omni_call::{Call, Ending, Outcome, Phase};

use crate::start_failure::StartFailure;

/// The outcome of a call that ended in this way just now.
pub(crate) fn outcome(call: &Call, ending: Ending, phase: Phase, attempt: u32) -> Outcome {
    Outcome { phase, attempt, ..unstarted(call, ending) }
}

/// The outcome of a call that no worker took.
pub(crate) fn unstarted(call: &Call, ending: Ending) -> Outcome {
    Outcome::unstarted(ending, Instant::now().duration_since(call.deadline.accepted()))
}

/// The ending of a call that was not made, since these arguments cannot be: `why` goes on the sentence that says so.
pub(crate) fn not_called(call: &Call, why: &str) -> Ending {
    Ending::InvalidArguments { message: format!("`{}` was not called: {why}", call.spec.tool) }
}

/// The outcome of a call for which no worker could be started.
pub(crate) fn start_failed(call: &Call, failure: &StartFailure) -> Outcome {
    let mut outcome = unstarted(call, start_ending(failure));
    outcome.stderr.clone_from(&failure.stderr);
    outcome
}

fn start_ending(failure: &StartFailure) -> Ending {
    if failure.closing {
        Ending::Shutdown
    } else {
        Ending::WorkerStart { message: failure.message.clone(), hint: failure.hint.clone() }
    }
}
