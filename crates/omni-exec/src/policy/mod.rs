//! What is done around a call because its tool's author declared it: cached answers, limits on how many run
//! at once, and further attempts.

mod asked;
mod cache;
mod placement;
mod retry;
mod turns;

use std::sync::Arc;
use std::time::Instant;

use omni_call::{BoxFuture, Call, CallPort, CallResult, Ending, Executor, Outcome};
use tokio::time::sleep;

use crate::bounds::RETRY_AFTER;
use crate::outcome::unstarted;
use crate::within::within;
use asked::Asked;
use cache::{Cache, Key};
pub use placement::Placement;
use turns::{Turns, Wait};

/// Does what a tool's [`Policy`](omni_call::Policy) declares around the executor that runs the tool.
///
/// In this order: a result that is still good answers at once; the call waits for its turn where the tool or
/// its skill limits how many run; it is run; and it is run again where that is declared, all within the
/// call's one deadline. A call that has asked its client something is run again only where its tool may be repeated, and
/// its result answers no other. A call whose policy is plain goes straight through.
///
/// Dropping a call's future gives up its turn and cancels whichever attempt runs.
pub struct Governed<E> {
    executor: Placement<E>,
    cache: Cache,
    turns: Turns,
}

impl<E: Executor> Governed<E> {
    /// Around `executor`. Results are kept up to `cache_bytes_max` bytes in all, keys included; one may take an
    /// eighth of that.
    pub fn new(executor: E, cache_bytes_max: usize) -> Self {
        let executor = Placement::new(executor);
        Governed { executor, cache: Cache::new(cache_bytes_max), turns: Turns::default() }
    }

    async fn govern(&self, call: Call, events: &mut dyn CallPort) -> Outcome {
        let key = call.spec.policy.cache_ttl_ms.and_then(|_| Key::of(&call));
        if let Some(key) = &key
            && let Some((result, age)) = self.cache.get(key, &call.spec, Instant::now())
        {
            let age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
            let result = result.with_meta("omni/cached", &format!(r#"{{"age_ms":{age_ms}}}"#));
            return Outcome { phase: omni_call::Phase::Queued, ..unstarted(&call, result.into()) };
        }
        let _turn = match self.turn(&call).await {
            Ok(turn) => turn,
            Err(ending) => return unstarted(&call, ending),
        };
        let spec = Arc::clone(&call.spec);
        let mut port = Asked::new(events);
        let outcome = self.attempts(call, &mut port).await;
        if let (Some(key), Some(ttl_ms), Ending::Finished(CallResult::Tool(result))) =
            (key, spec.policy.cache_ttl_ms, &outcome.ending)
            && !result.is_error
            // What one client has said is not the answer to another.
            && !port.asked
        {
            self.cache.put(key, spec, result, ttl_ms, Instant::now());
        }
        outcome
    }

    /// Waits, within the deadline, until the tool and its skill have room for the call.
    async fn turn(&self, call: &Call) -> Result<turns::Turn, Ending> {
        let waiting = match self.turns.take(&call.spec) {
            Wait::Now(turn) => return Ok(turn),
            Wait::Full => return Err(Ending::Busy { retry_after: RETRY_AFTER }),
            Wait::Later(waiting) => waiting,
        };
        within(&call.deadline, waiting.turn()).await
    }

    /// Runs the call until it ends in a way that is not to be tried again.
    async fn attempts(&self, call: Call, port: &mut Asked<'_>) -> Outcome {
        let mut tried = 0;
        loop {
            let mut outcome = self.executor.run(call.clone(), port).await;
            tried += outcome.attempt;
            outcome.attempt = tried;
            let Some(pause) = retry::pause(&call, &outcome, port.asked, Instant::now()) else {
                return with_attempts(outcome);
            };
            tracing::info!(
                call = %call.id, tool = call.spec.tool, kind = outcome.ending.kind(), attempt = tried,
                "running the call again"
            );
            sleep(pause).await;
        }
    }
}

impl<E: Executor> Executor for Governed<E> {
    fn run<'a>(&'a self, call: Call, events: &'a mut dyn CallPort) -> BoxFuture<'a, Outcome> {
        if call.spec.policy.is_plain() {
            self.executor.run(call, events)
        } else {
            Box::pin(self.govern(call, events))
        }
    }

    fn shut_down(&self) -> BoxFuture<'_, ()> {
        self.executor.shut_down()
    }
}

/// Says in a result that it took more than one attempt. A failure says so by itself.
fn with_attempts(mut outcome: Outcome) -> Outcome {
    if outcome.attempt > 1
        && let Ending::Finished(result) = outcome.ending
    {
        outcome.ending = Ending::Finished(result.with_meta("omni/attempt", &outcome.attempt.to_string()));
    }
    outcome
}
