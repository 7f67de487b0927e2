//! How many calls of one tool, and of one skill, run at once; the others wait in the order they came.
//!
//! A call that waits for another one (`ctx.call_tool`) keeps its permits, and lends each to one call below it at a time: a
//! tool may call itself. Two calls that hold what calls below the other one wait for would wait for ever; that is found
//! when the second begins to wait, and that one is refused.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use omni_call::{BoxFuture, Call, CallId, CallPort, Executor, Outcome, OutcomeKind, ParentCall, RunSpec};
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
        let _permits = match self.acquire(&call).await {
            Ok(permits) => permits,
            Err(kind) => return unstarted(&call, kind),
        };
        self.executor.run(call, port).await
    }

    /// Waits within the deadline. The error is how the call ends otherwise.
    async fn acquire(&self, call: &Call) -> Result<ConcurrencyPermits, OutcomeKind> {
        match self.limits.acquire(call) {
            AcquireResult::Now(permits) => Ok(permits),
            AcquireResult::Full => Err(OutcomeKind::BUSY),
            AcquireResult::Later(waiting) => within(&call.deadline, waiting.permits()).await?,
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
    waits: Arc<ChildWaits>,
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
    /// The calls with a permit that may call others.
    holders: Mutex<HashMap<CallId, Holder>>,
}

/// A call with a permit.
struct Holder {
    /// The permit that it lends to one call below it.
    lent: Arc<Semaphore>,
    /// Its permit is of the limit, and not lent by a call above it.
    is_own: bool,
}

/// A permit of one limit. Dropping it makes room.
struct ScopePermit {
    _permit: OwnedSemaphorePermit,
    /// Where the call stands among the holders, if it does.
    held: Option<(Arc<ScopeLimit>, CallId)>,
}

/// Lets a call run, until it is dropped.
struct ConcurrencyPermits(#[expect(dead_code, reason = "held for its drop")] [Option<ScopePermit>; 2]);

/// What a call gets at once that wants to run.
enum AcquireResult {
    Now(ConcurrencyPermits),
    Later(QueuedPermits),
    Full,
}

/// A place in the queue. Dropping it leaves the queue.
struct QueuedPermits {
    call: CallId,
    may_call: bool,
    parent: Option<Arc<ParentCall>>,
    limits: [Option<(Arc<ScopeLimit>, WaitingCount)>; 2],
    waits: Arc<ChildWaits>,
}

impl LimitTable {
    /// Permits for a call, or a place in the queue for them.
    fn acquire(&self, call: &Call) -> AcquireResult {
        let limits = self.limits(&call.spec);
        let (may_call, parent) = (call.spec.may_request(), call.parent.as_ref());
        let free = limits.each_ref().map(|limit| match limit {
            None => Some(None),
            Some(limit) => limit.try_acquire(call.id, may_call, parent).map(Some),
        });
        if let [Some(tool), Some(skill)] = free {
            return AcquireResult::Now(ConcurrencyPermits([tool, skill]));
        }
        let mut waits = [None, None];
        for (wait, limit) in waits.iter_mut().zip(limits) {
            if let Some(limit) = limit {
                let Some(counted) = WaitingCount::new(&limit) else { return AcquireResult::Full };
                *wait = Some((limit, counted));
            }
        }
        let (parent, waits_of_children) = (call.parent.clone(), Arc::clone(&self.waits));
        AcquireResult::Later(QueuedPermits {
            call: call.id,
            may_call,
            parent,
            limits: waits,
            waits: waits_of_children,
        })
    }

    /// Those of the tool and of the skill.
    fn limits(&self, spec: &RunSpec) -> [Option<Arc<ScopeLimit>>; 2] {
        let policy = &spec.policy;
        [
            policy.concurrency.map(|max| self.limit(LimitScope::Function(FunctionKey::of(spec)), max)),
            policy.skill_concurrency.map(|max| self.limit(LimitScope::Skill(spec.skill.clone()), max)),
        ]
    }

    fn limit(&self, scope: LimitScope, max: u32) -> Arc<ScopeLimit> {
        let mut by_scope = self.by_scope.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || {
            let permits = Arc::new(Semaphore::new(usize::try_from(max).unwrap_or(usize::MAX)));
            Arc::new(ScopeLimit { max, permits, waiting: AtomicUsize::new(0), holders: Mutex::default() })
        };
        let limit = by_scope.entry(scope).or_insert_with(fresh);
        // The skill was edited. Calls that hold permits of the old limit keep them.
        if limit.max != max {
            *limit = fresh();
        }
        Arc::clone(limit)
    }
}

impl ScopeLimit {
    fn holders(&self) -> MutexGuard<'_, HashMap<CallId, Holder>> {
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the nearest call above lends that has a permit.
    fn lent_to(&self, parent: Option<&Arc<ParentCall>>) -> Option<Arc<Semaphore>> {
        let holders = self.holders();
        parent?.chain().find_map(|above| holders.get(&above.id)).map(|holder| Arc::clone(&holder.lent))
    }

    fn try_acquire(
        self: &Arc<Self>,
        call: CallId,
        may_call: bool,
        parent: Option<&Arc<ParentCall>>,
    ) -> Option<ScopePermit> {
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Some(self.granted(permit, call, may_call, true));
        }
        let permit = self.lent_to(parent)?.try_acquire_owned().ok()?;
        Some(self.granted(permit, call, may_call, false))
    }

    /// Waits for a permit, first come first served, or for the one that a call above lends.
    async fn acquire(
        self: &Arc<Self>,
        call: CallId,
        may_call: bool,
        parent: Option<&Arc<ParentCall>>,
    ) -> Option<ScopePermit> {
        // The semaphores are never closed, so this never fails.
        let own = Arc::clone(&self.permits).acquire_owned();
        let Some(lent) = self.lent_to(parent) else {
            return own.await.ok().map(|permit| self.granted(permit, call, may_call, true));
        };
        tokio::select! {
            biased;
            permit = lent.acquire_owned() => permit.ok().map(|permit| self.granted(permit, call, may_call, false)),
            permit = own => permit.ok().map(|permit| self.granted(permit, call, may_call, true)),
        }
    }

    fn granted(
        self: &Arc<Self>,
        permit: OwnedSemaphorePermit,
        call: CallId,
        may_call: bool,
        is_own: bool,
    ) -> ScopePermit {
        if may_call {
            self.holders().insert(call, Holder { lent: Arc::new(Semaphore::new(1)), is_own });
        }
        ScopePermit { _permit: permit, held: may_call.then(|| (Arc::clone(self), call)) }
    }
}

impl Drop for ScopePermit {
    fn drop(&mut self) {
        if let Some((limit, call)) = &self.held {
            limit.holders().remove(call);
        }
    }
}

impl QueuedPermits {
    /// Resolves when the call may run. The error is that it never could.
    ///
    /// It holds nothing while it waits: of two permits it drops the one when the other is not free, and waits for that. Else a
    /// call that waits for its skill could hold what a call of that skill waits for.
    async fn permits(self) -> Result<ConcurrencyPermits, OutcomeKind> {
        let mut wanted = usize::from(self.limits[0].is_none());
        loop {
            let permit = self.wait_for(wanted).await?;
            let other = 1 - wanted;
            let Some((limit, _)) = &self.limits[other] else {
                return Ok(ConcurrencyPermits([permit, None]));
            };
            if let Some(second) = limit.try_acquire(self.call, self.may_call, self.parent.as_ref()) {
                return Ok(ConcurrencyPermits([permit, Some(second)]));
            }
            drop(permit);
            wanted = other;
        }
    }

    /// A permit of one of the limits.
    async fn wait_for(&self, which: usize) -> Result<Option<ScopePermit>, OutcomeKind> {
        let Some((limit, _counted)) = &self.limits[which] else { return Ok(None) };
        let _waits = match &self.parent {
            Some(parent) if limit.lent_to(Some(parent)).is_none() => {
                Some(self.waits.begin(limit, parent).ok_or_else(|| deadlock(parent))?)
            }
            _ => None,
        };
        Ok(limit.acquire(self.call, self.may_call, self.parent.as_ref()).await)
    }
}

fn deadlock(parent: &ParentCall) -> OutcomeKind {
    let message = format!(
        "it would wait for ever: other calls hold what its `concurrency` lets one have at a time, and wait for what \
         {} holds",
        parent.names()
    );
    OutcomeKind::tool_error("RuntimeError", message, None)
}

/// The calls that wait for a permit and have been made by other calls, which wait for them.
#[derive(Default)]
struct ChildWaits {
    waits: Mutex<HashMap<u64, WaitingChild>>,
    last: AtomicU64,
}

/// What one of them waits for, and the call that has made it.
struct WaitingChild {
    wanted: Arc<ScopeLimit>,
    parent: Arc<ParentCall>,
}

/// A call among those. Dropping it takes it out.
struct ChildWait {
    waits: Arc<ChildWaits>,
    number: u64,
}

impl ChildWaits {
    /// Notes that a call below `parent` waits; `None` when it would do so for ever.
    fn begin(self: &Arc<Self>, limit: &Arc<ScopeLimit>, parent: &Arc<ParentCall>) -> Option<ChildWait> {
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        waits.insert(number, WaitingChild { wanted: Arc::clone(limit), parent: Arc::clone(parent) });
        if is_stuck(&waits, limit, &mut Vec::new()) {
            waits.remove(&number);
            return None;
        }
        Some(ChildWait { waits: Arc::clone(self), number })
    }
}

impl Drop for ChildWait {
    fn drop(&mut self) {
        self.waits.waits.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}

/// Whether no permit of the limit ever comes back: each is held by a call that waits for one below it, which waits for a
/// limit that is stuck as well. `path` has the limits of which that is being found out: who comes to one of them again
/// has gone round in a circle.
fn is_stuck(
    waits: &HashMap<u64, WaitingChild>,
    limit: &Arc<ScopeLimit>,
    path: &mut Vec<*const ScopeLimit>,
) -> bool {
    if path.contains(&Arc::as_ptr(limit)) {
        return true;
    }
    path.push(Arc::as_ptr(limit));
    let holders: Vec<CallId> =
        limit.holders().iter().filter(|(_, holder)| holder.is_own).map(|(id, _)| *id).collect();
    // A call that calls nobody is no holder here, and ends by itself.
    let all_held = holders.len() >= usize::try_from(limit.max).unwrap_or(usize::MAX);
    let stuck = all_held
        && holders.iter().all(|holder| {
            waits.values().any(|child| {
                child.parent.chain().any(|above| above.id == *holder) && is_stuck(waits, &child.wanted, path)
            })
        });
    path.pop();
    stuck
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
    use omni_call::{CallRequest, Deadline, FunctionKind, InjectedParameter, PythonTarget, Target};

    use super::*;

    fn spec(command: &str, tool: Option<u32>, skill: Option<u32>) -> RunSpec {
        let mut spec = RunSpec::new("s", command, PythonTarget::new("/s", "a.py", command));
        spec.policy.concurrency = tool;
        spec.policy.skill_concurrency = skill;
        spec
    }

    fn call(id: u64, spec: &RunSpec, parent: Option<&Call>) -> Call {
        let copy: RunSpec = serde_json::from_value(serde_json::to_value(spec).unwrap()).unwrap();
        let deadline = Deadline::new(std::time::Instant::now(), None, None);
        let call = Call::new(CallId(id), Arc::new(copy), CallRequest::tool("{}"), deadline);
        let above = |parent: &Call| {
            let (spec, child) = (Arc::clone(&parent.spec), Arc::default());
            Arc::new(ParentCall { id: parent.id, spec, child, parent: parent.parent.clone() })
        };
        Call { parent: parent.map(above), ..call }
    }

    fn acquire(limits: &LimitTable, spec: &RunSpec) -> AcquireResult {
        limits.acquire(&call(0, spec, None))
    }

    fn now(wait: AcquireResult) -> Option<ConcurrencyPermits> {
        match wait {
            AcquireResult::Now(permit) => Some(permit),
            AcquireResult::Later(_) | AcquireResult::Full => None,
        }
    }

    #[test]
    fn a_skill_s_limit_counts_all_of_its_tools_and_a_tool_s_only_its_own() {
        let limits = LimitTable::default();
        let [one, two] = ["one", "two"].map(|command| spec(command, Some(1), Some(2)));
        let first = now(acquire(&limits, &one)).expect("the first may run");
        assert!(now(acquire(&limits, &one)).is_none(), "one at a time");
        let second = now(acquire(&limits, &two)).expect("another tool may run");
        assert!(now(acquire(&limits, &spec("three", None, Some(2)))).is_none(), "two of the skill at a time");
        drop((first, second));
        assert!(now(acquire(&limits, &one)).is_some());
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
        let _running = now(acquire(&limits, &prompt)).expect("the prompt may run");
        let _completing = now(acquire(&limits, &completion)).expect("what completes its arguments, too");
        assert!(now(acquire(&limits, &prompt)).is_none(), "the prompt runs once at a time all the same");
    }

    #[test]
    fn the_line_has_an_end() {
        let limits = LimitTable::default();
        let spec = spec("one", Some(1), None);
        let _running = now(acquire(&limits, &spec));
        let mut line = Vec::new();
        for _ in 0..WAITING_MAX {
            line.push(acquire(&limits, &spec));
        }
        assert!(line.iter().all(|wait| matches!(wait, AcquireResult::Later(_))));
        assert!(matches!(acquire(&limits, &spec), AcquireResult::Full));
        line.pop();
        assert!(matches!(acquire(&limits, &spec), AcquireResult::Later(_)), "whoever leaves makes room");
    }

    #[tokio::test]
    async fn the_first_who_came_is_the_first_to_run() {
        let limits = LimitTable::default();
        let spec = spec("one", Some(1), None);
        let running = now(acquire(&limits, &spec));
        let [mut first, mut second] =
            [acquire(&limits, &spec), acquire(&limits, &spec)].map(|wait| match wait {
                AcquireResult::Later(waiting) => Box::pin(waiting.permits()),
                AcquireResult::Now(_) | AcquireResult::Full => unreachable!("the place is taken"),
            });
        assert!(futures_pending(&mut first).await && futures_pending(&mut second).await);
        drop(running);
        assert!(futures_pending(&mut second).await, "the second waits for the first");
        let permit = first.await.unwrap();
        assert!(futures_pending(&mut second).await);
        drop(permit);
        second.await.unwrap();
    }

    /// A tool that may call others.
    fn calling(command: &str, tool: Option<u32>) -> RunSpec {
        let mut spec = spec(command, tool, None);
        let Target::Python(python) = &mut spec.target else { unreachable!("it is a function") };
        python.inject = vec![InjectedParameter { parameter: "ctx".into(), kind: "context".into() }];
        spec
    }

    fn later(wait: AcquireResult) -> QueuedPermits {
        match wait {
            AcquireResult::Later(waiting) => waiting,
            AcquireResult::Now(_) | AcquireResult::Full => panic!("it need not wait"),
        }
    }

    #[tokio::test]
    async fn a_call_lends_its_permit_to_one_call_below_it_at_a_time() {
        let limits = LimitTable::default();
        let spec = calling("one", Some(1));
        let first = call(1, &spec, None);
        let held = now(limits.acquire(&first)).expect("the first may run");
        assert!(now(acquire(&limits, &spec)).is_none(), "nobody else may");
        let child = call(2, &spec, Some(&first));
        let lent = now(limits.acquire(&child)).expect("what it calls itself may");
        let below = now(limits.acquire(&call(3, &spec, Some(&child)))).expect("and so on");
        let mut sibling = Box::pin(later(limits.acquire(&call(4, &spec, Some(&first)))).permits());
        assert!(futures_pending(&mut sibling).await, "one at a time");
        drop((below, lent));
        let lent = sibling.await.unwrap();
        drop((lent, held));
        assert!(now(acquire(&limits, &spec)).is_some(), "all is given back");
    }

    #[tokio::test]
    async fn calls_that_would_wait_for_each_other_for_ever_are_found() {
        let limits = LimitTable::default();
        let [a, b] = ["a", "b"].map(|command| calling(command, Some(1)));
        let (one, two) = (call(1, &a, None), call(2, &b, None));
        let held = (now(limits.acquire(&one)).unwrap(), now(limits.acquire(&two)).unwrap());
        let mut first = Box::pin(later(limits.acquire(&call(3, &b, Some(&one)))).permits());
        assert!(futures_pending(&mut first).await, "the other may end by itself");
        let second = later(limits.acquire(&call(4, &a, Some(&two)))).permits().await;
        let Err(OutcomeKind::ToolError { message, .. }) = second else { panic!("it waits for ever") };
        assert!(message.contains("what s.b holds"), "{message}");
        drop(held.1);
        first.await.expect("the one that was not refused goes on");
    }

    #[tokio::test]
    async fn a_call_that_waits_for_its_skill_holds_no_permit_that_a_call_of_the_skill_needs() {
        let limits = LimitTable::default();
        let skill = |command, tool| {
            let mut spec = calling(command, tool);
            spec.policy.skill_concurrency = Some(1);
            spec
        };
        let (a, b) = (skill("a", None), skill("b", Some(1)));
        let one = call(1, &a, None);
        let held = now(limits.acquire(&one)).expect("the first may run");
        let mut waiting = Box::pin(later(limits.acquire(&call(2, &b, None))).permits());
        assert!(futures_pending(&mut waiting).await, "the skill runs one call at a time");
        let child = now(limits.acquire(&call(3, &b, Some(&one)))).expect("the skill's permit is lent to it");
        assert!(futures_pending(&mut waiting).await);
        drop(child);
        assert!(futures_pending(&mut waiting).await);
        drop(held);
        waiting.await.expect("its turn");
        assert!(now(acquire(&limits, &b)).is_some(), "all is given back");
    }

    #[tokio::test]
    async fn a_permit_that_somebody_holds_who_calls_nobody_comes_back() {
        let limits = LimitTable::default();
        let [a, b] = ["a", "b"].map(|command| calling(command, Some(2)));
        let (one, two) = (call(1, &a, None), call(2, &b, None));
        let _held = [&one, &two].map(|call| now(limits.acquire(call)).unwrap());
        let _plain = now(limits.acquire(&call(5, &spec("a", Some(2), None), None))).unwrap();
        let _other = now(limits.acquire(&call(6, &b, None))).unwrap();
        let mut first = Box::pin(later(limits.acquire(&call(3, &b, Some(&one)))).permits());
        let mut second = Box::pin(later(limits.acquire(&call(4, &a, Some(&two)))).permits());
        assert!(futures_pending(&mut first).await && futures_pending(&mut second).await);
    }

    async fn futures_pending(
        future: &mut (impl Future<Output = Result<ConcurrencyPermits, OutcomeKind>> + Unpin),
    ) -> bool {
        std::future::poll_fn(|cx| {
            std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx).is_pending())
        })
        .await
    }
}
