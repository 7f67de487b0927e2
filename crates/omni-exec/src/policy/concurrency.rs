//! How many calls of one tool, and of one skill, run at once; the others wait in the order they came.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use omni_call::{BoxFuture, Call, CallPort, Executor, Outcome, OutcomeKind, RunSpec};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::function_key::FunctionKey;
use crate::outcome::unstarted;
use crate::within::within;

/// Calls at most that wait because of one limit: as many as may wait for a worker for one tool.
const WAITING_MAX: usize = 1024;

/// Holds a call until its tool and its skill have room for it, where they declare how many of their calls run at once.
/// Dropping the call's future leaves the queue, or makes room.
pub struct ConcurrencyLimits<E> {
    executor: E,
    limits: LimitTable,
}

impl<E: Executor> ConcurrencyLimits<E> {
    /// Around `executor`, with nobody running.
    pub fn new(executor: E) -> Self {
        ConcurrencyLimits { executor, limits: LimitTable::default() }
    }

    async fn run_limited(&self, call: Call, port: &mut dyn CallPort) -> Outcome {
        let _permit = match self.acquire(&call).await {
            Ok(permit) => permit,
            Err(kind) => return unstarted(&call, kind),
        };
        self.executor.run(call, port).await
    }

    /// Waits within the deadline. The error is how the call ends otherwise.
    async fn acquire(&self, call: &Call) -> Result<ConcurrencyPermit, OutcomeKind> {
        match self.limits.acquire(&call.spec) {
            AcquireResult::Now(permit) => Ok(permit),
            AcquireResult::Full => Err(OutcomeKind::BUSY),
            AcquireResult::Later(waiting) => within(&call.deadline, waiting.permit()).await,
        }
    }
}

impl<E: Executor> Executor for ConcurrencyLimits<E> {
    fn run<'a>(&'a self, call: Call, port: &'a mut dyn CallPort) -> BoxFuture<'a, Outcome> {
        let policy = &call.spec.policy;
        if policy.concurrency.is_none() && policy.skill_concurrency.is_none() {
            return self.executor.run(call, port);
        }
        Box::pin(self.run_limited(call, port))
    }

    fn shut_down(&self) -> BoxFuture<'_, ()> {
        self.executor.shut_down()
    }
}

/// The limits in force, by tool and by skill.
#[derive(Default)]
struct LimitTable {
    by_scope: Mutex<HashMap<LimitScope, Arc<ScopeLimit>>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum LimitScope {
    Function(FunctionKey),
    Skill(String),
}

struct ScopeLimit {
    max: u32,
    permits: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// Lets a call run, until it is dropped.
struct ConcurrencyPermit(
    #[expect(dead_code, reason = "held for its drop")] [Option<OwnedSemaphorePermit>; 2],
);

/// What a call gets at once that wants to run.
enum AcquireResult {
    Now(ConcurrencyPermit),
    Later(QueuedPermit),
    Full,
}

/// A place in the queue. Dropping it leaves the queue.
struct QueuedPermit {
    limits: [Option<(Arc<ScopeLimit>, WaitingCount)>; 2],
}

impl LimitTable {
    /// A permit for a call of this tool, or a place in the queue for one.
    fn acquire(&self, spec: &RunSpec) -> AcquireResult {
        let policy = &spec.policy;
        // Always first of the tool, then of the skill: with one order for all there is no deadlock.
        let limits = [
            policy.concurrency.map(|max| self.limit(LimitScope::Function(FunctionKey::of(spec)), max)),
            policy.skill_concurrency.map(|max| self.limit(LimitScope::Skill(spec.skill.clone()), max)),
        ];
        let free = limits.each_ref().map(|limit| match limit {
            None => Ok(None),
            Some(limit) => Arc::clone(&limit.permits).try_acquire_owned().map(Some),
        });
        if let [Ok(tool), Ok(skill)] = free {
            return AcquireResult::Now(ConcurrencyPermit([tool, skill]));
        }
        let mut waits = [None, None];
        for (wait, limit) in waits.iter_mut().zip(limits) {
            if let Some(limit) = limit {
                let Some(counted) = WaitingCount::new(&limit) else { return AcquireResult::Full };
                *wait = Some((limit, counted));
            }
        }
        AcquireResult::Later(QueuedPermit { limits: waits })
    }

    fn limit(&self, scope: LimitScope, max: u32) -> Arc<ScopeLimit> {
        let mut by_scope = self.by_scope.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || {
            let permits = Arc::new(Semaphore::new(usize::try_from(max).unwrap_or(usize::MAX)));
            Arc::new(ScopeLimit { max, permits, waiting: AtomicUsize::new(0) })
        };
        let limit = by_scope.entry(scope).or_insert_with(fresh);
        // The skill was edited. Calls that hold permits of the old limit keep them.
        if limit.max != max {
            *limit = fresh();
        }
        Arc::clone(limit)
    }
}

impl QueuedPermit {
    /// Resolves when the call may run, first come first served.
    async fn permit(self) -> ConcurrencyPermit {
        let mut permits = [None, None];
        for (permit, limit) in permits.iter_mut().zip(self.limits) {
            if let Some((limit, _counted)) = limit {
                // The semaphore is never closed, so this never fails.
                *permit = Arc::clone(&limit.permits).acquire_owned().await.ok();
            }
        }
        ConcurrencyPermit(permits)
    }
}

/// Counts a call among those that wait because of a limit.
struct WaitingCount(Arc<ScopeLimit>);

impl WaitingCount {
    fn new(limit: &Arc<ScopeLimit>) -> Option<Self> {
        // Counted before the bound is checked, so that it holds with several threads as well.
        let this = WaitingCount(Arc::clone(limit));
        (limit.waiting.fetch_add(1, Ordering::Relaxed) < WAITING_MAX).then_some(this)
    }
}

impl Drop for WaitingCount {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use omni_call::{FunctionKind, PythonTarget, Target};

    use super::*;

    fn spec(command: &str, tool: Option<u32>, skill: Option<u32>) -> RunSpec {
        let mut spec = RunSpec::new("s", command, PythonTarget::new("/s", "a.py", command));
        spec.policy.concurrency = tool;
        spec.policy.skill_concurrency = skill;
        spec
    }

    fn now(wait: AcquireResult) -> Option<ConcurrencyPermit> {
        match wait {
            AcquireResult::Now(permit) => Some(permit),
            AcquireResult::Later(_) | AcquireResult::Full => None,
        }
    }

    #[test]
    fn a_skill_s_limit_counts_all_of_its_tools_and_a_tool_s_only_its_own() {
        let limits = LimitTable::default();
        let [one, two] = ["one", "two"].map(|command| spec(command, Some(1), Some(2)));
        let first = now(limits.acquire(&one)).expect("the first may run");
        assert!(now(limits.acquire(&one)).is_none(), "one at a time");
        let second = now(limits.acquire(&two)).expect("another tool may run");
        assert!(now(limits.acquire(&spec("three", None, Some(2)))).is_none(), "two of the skill at a time");
        drop((first, second));
        assert!(now(limits.acquire(&one)).is_some());
    }

    #[test]
    fn what_is_offered_as_several_things_by_one_name_has_a_limit_for_each() {
        let limits = LimitTable::default();
        let offered = |kind: FunctionKind, max: u32| {
            let mut spec = spec("one", Some(max), None);
            let Target::Python(python) = &mut spec.target else { unreachable!("it is a function") };
            python.kind = kind;
            spec
        };
        let (prompt, completion) = (offered(FunctionKind::Prompt, 1), offered(FunctionKind::Completion, 2));
        let _running = now(limits.acquire(&prompt)).expect("the prompt may run");
        let _completing = now(limits.acquire(&completion)).expect("what completes its arguments, too");
        assert!(now(limits.acquire(&prompt)).is_none(), "the prompt runs once at a time all the same");
    }

    #[test]
    fn the_line_has_an_end() {
        let limits = LimitTable::default();
        let spec = spec("one", Some(1), None);
        let _running = now(limits.acquire(&spec));
        let mut line = Vec::new();
        for _ in 0..WAITING_MAX {
            line.push(limits.acquire(&spec));
        }
        assert!(line.iter().all(|wait| matches!(wait, AcquireResult::Later(_))));
        assert!(matches!(limits.acquire(&spec), AcquireResult::Full));
        line.pop();
        assert!(matches!(limits.acquire(&spec), AcquireResult::Later(_)), "whoever leaves makes room");
    }

    #[tokio::test]
    async fn the_first_who_came_is_the_first_to_run() {
        let limits = LimitTable::default();
        let spec = spec("one", Some(1), None);
        let running = now(limits.acquire(&spec));
        let [mut first, mut second] = [limits.acquire(&spec), limits.acquire(&spec)].map(|wait| match wait {
            AcquireResult::Later(waiting) => Box::pin(waiting.permit()),
            AcquireResult::Now(_) | AcquireResult::Full => unreachable!("the place is taken"),
        });
        assert!(futures_pending(&mut first).await && futures_pending(&mut second).await);
        drop(running);
        assert!(futures_pending(&mut second).await, "the second waits for the first");
        let permit = first.await;
        assert!(futures_pending(&mut second).await);
        drop(permit);
        second.await;
    }

    async fn futures_pending(future: &mut (impl Future<Output = ConcurrencyPermit> + Unpin)) -> bool {
        std::future::poll_fn(|cx| {
            std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx).is_pending())
        })
        .await
    }
}
