//! The layer that runs a call again after it has failed, where its tool's author says that this may help.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use omni_call::{BoxFuture, Call, CallPort, Executor, Outcome, OutcomeKind};
use tokio::time::sleep;

use super::ask_recorder::AskRecorder;
use super::clock::now;

const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// Runs a call again while the policy of its tool and its one deadline allow it: after an exception that `retry_on`
/// names, and after a crash or a loss where the tool may be repeated. A call that has asked its client something is run
/// again only where its tool may be repeated.
pub struct Retry<E> {
    executor: E,
}

impl<E: Executor> Retry<E> {
    /// Around `executor`, which sees each attempt as a call.
    pub fn new(executor: E) -> Self {
        Retry { executor }
    }

    /// Runs the call until it ends in a way that is not to be tried again.
    async fn attempts(&self, mut call: Call, port: &mut dyn CallPort) -> Outcome {
        // The time in which an attempt waited for the client is not the next one's either.
        let deadline = Arc::new(Mutex::new(call.deadline));
        let mut port = AskRecorder::stopping(port, &deadline);
        let mut tried = 0;
        loop {
            let mut outcome = self.executor.run(call.clone(), &mut port).await;
            call.deadline = *deadline.lock().unwrap_or_else(PoisonError::into_inner);
            tried += outcome.attempt;
            outcome.attempt = tried;
            let Some(pause) = pause(&call, &outcome, port.asked, now()) else {
                return with_attempts(outcome);
            };
            tracing::info!(
                call = %call.id, tool = call.spec.tool, kind = outcome.kind.name(), attempt = tried,
                "running the call again"
            );
            sleep(pause).await;
        }
    }
}

impl<E: Executor> Executor for Retry<E> {
    fn run<'a>(&'a self, call: Call, port: &'a mut dyn CallPort) -> BoxFuture<'a, Outcome> {
        if call.spec.policy.attempts_max() == 1 {
            return self.executor.run(call, port);
        }
        Box::pin(self.attempts(call, port))
    }

    fn shut_down(&self) -> BoxFuture<'_, ()> {
        self.executor.shut_down()
    }
}

/// Says in a result that it took more than one attempt. A failure says so by itself.
fn with_attempts(mut outcome: Outcome) -> Outcome {
    if outcome.attempt > 1
        && let OutcomeKind::Finished(result) = outcome.kind
    {
        outcome.kind = OutcomeKind::Finished(result.with_meta("omni/attempt", &outcome.attempt.to_string()));
    }
    outcome
}

/// How long to wait before the next attempt; `None` when there is none: the outcome is final, the attempts are
/// used up, or the deadline would come first. With `asked` the call has asked its client something, who would be asked
/// the same once more: that too only a tool that may be repeated can have done to him.
fn pause(call: &Call, outcome: &Outcome, asked: bool, now: Instant) -> Option<Duration> {
    let policy = &call.spec.policy;
    if outcome.attempt >= policy.attempts_max() || (asked && !policy.repeatable) {
        return None;
    }
    let again = match &outcome.kind {
        // The author said which exceptions may be temporary.
        OutcomeKind::ToolError { kind, bases, .. } => {
            policy.retry_on.iter().any(|name| name == kind || bases.contains(name))
        }
        // Nobody knows how far the call had come, so only the author can say that running it twice does no harm.
        OutcomeKind::Signalled { .. } | OutcomeKind::Lost { .. } => policy.repeatable,
        OutcomeKind::Finished(_)
        | OutcomeKind::NotFound { .. }
        | OutcomeKind::McpError { .. }
        | OutcomeKind::BadResult { .. }
        | OutcomeKind::InvalidArguments { .. }
        | OutcomeKind::LoadError { .. }
        | OutcomeKind::Exited { .. }
        | OutcomeKind::TimedOut { .. }
        | OutcomeKind::Idle { .. }
        | OutcomeKind::OutOfMemory { .. }
        | OutcomeKind::OutputLimit { .. }
        | OutcomeKind::Cancelled
        | OutcomeKind::Shutdown
        | OutcomeKind::Busy { .. }
        | OutcomeKind::Quarantined { .. }
        | OutcomeKind::WorkerStart { .. }
        | OutcomeKind::Stale { .. } => false,
    };
    let doublings = outcome.attempt.saturating_sub(1).min(16);
    let pause = PAUSE_MIN.saturating_mul(1 << doublings).min(PAUSE_MAX);
    let in_time = call.deadline.next().is_none_or(|end| now + pause < end);
    (again && in_time).then_some(pause)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use omni_call::{CallId, CallRequest, Deadline, Phase, Policy, PythonTarget, RunSpec, Wants};

    use super::*;

    fn call(policy: Policy, total: Option<Duration>, now: Instant) -> Call {
        let mut spec = RunSpec::new("s", "c", PythonTarget::new("/s", "a.py", "c"));
        spec.policy = policy;
        Call {
            id: CallId(1),
            spec: Arc::new(spec),
            request: CallRequest::tool("{}"),
            deadline: Deadline::new(now, total, None),
            wants: Wants::default(),
            session: "".into(),
            affinity: None,
            origin: None,
            parent: None,
        }
    }

    fn ended(kind: OutcomeKind, attempt: u32) -> Outcome {
        Outcome { attempt, phase: Phase::Started, ..Outcome::unstarted(kind, Duration::ZERO) }
    }

    fn raised(kind: &str, bases: &[&str]) -> OutcomeKind {
        OutcomeKind::ToolError {
            kind: kind.into(),
            bases: bases.iter().map(|&base| base.into()).collect(),
            message: String::new(),
            location: None,
            intended: false,
            traceback: None,
            undeclared: None,
        }
    }

    #[test]
    fn an_exception_is_tried_again_when_it_or_a_class_above_it_is_named() {
        let now = Instant::now();
        let policy = Policy { retry_on: vec!["OSError".into()], ..Policy::default() };
        let call = call(policy, None, now);
        let lost = raised("ConnectionError", &["OSError", "Exception"]);
        assert_eq!(pause(&call, &ended(lost.clone(), 1), false, now), Some(PAUSE_MIN));
        assert_eq!(pause(&call, &ended(lost.clone(), 2), false, now), Some(2 * PAUSE_MIN));
        assert_eq!(pause(&call, &ended(lost, 3), false, now), None, "three attempts by default");
        assert_eq!(pause(&call, &ended(raised("KeyError", &["LookupError"]), 1), false, now), None);
        assert_eq!(pause(&call, &ended(OutcomeKind::Signalled { signal: 11 }, 1), false, now), None);
    }

    #[test]
    fn a_crash_is_tried_again_once_for_a_tool_that_may_be_repeated() {
        let now = Instant::now();
        let crash = |attempt| ended(OutcomeKind::Signalled { signal: 11 }, attempt);
        let repeatable = call(Policy { repeatable: true, ..Policy::default() }, None, now);
        assert_eq!(pause(&repeatable, &crash(1), false, now), Some(PAUSE_MIN));
        assert_eq!(pause(&repeatable, &crash(2), false, now), None);
        assert_eq!(
            pause(&repeatable, &ended(OutcomeKind::Exited { code: 1, message: None }, 1), false, now),
            None
        );
        let plain = call(Policy { max_attempts: Some(9), ..Policy::default() }, None, now);
        assert_eq!(pause(&plain, &crash(1), false, now), None);
    }

    #[test]
    fn a_call_that_has_asked_is_tried_again_only_for_a_tool_that_may_be_repeated() {
        let now = Instant::now();
        let lost = ended(raised("OSError", &[]), 1);
        let policy = Policy { retry_on: vec!["OSError".into()], ..Policy::default() };
        let once = call(policy.clone(), None, now);
        assert_eq!(pause(&once, &lost, false, now), Some(PAUSE_MIN));
        assert_eq!(pause(&once, &lost, true, now), None);
        let repeatable = call(Policy { repeatable: true, ..policy }, None, now);
        assert_eq!(pause(&repeatable, &lost, true, now), Some(PAUSE_MIN));
    }

    #[test]
    fn no_attempt_begins_that_the_deadline_would_end_at_once() {
        let now = Instant::now();
        let call = call(Policy { repeatable: true, ..Policy::default() }, Some(PAUSE_MIN), now);
        assert_eq!(pause(&call, &ended(OutcomeKind::Signalled { signal: 9 }, 1), false, now), None);
    }

    #[test]
    fn the_pauses_are_those_that_the_shared_file_has() {
        let shared = include_str!("../../../../conformance/shared.json");
        let shared: serde_json::Value = serde_json::from_str(shared).unwrap();
        let ms = |name: &str| shared["retry"][name].as_u64().map(Duration::from_millis);
        assert_eq!((ms("pause_min_ms"), ms("pause_max_ms")), (Some(PAUSE_MIN), Some(PAUSE_MAX)));
    }
}
