//! The pool as an executor: which worker runs a call, how often it is tried, and what its outcome is.

use std::sync::Arc;

use omni_call::{
    BoxFuture, Call, CallPort, CallResult, Executor, ExecutorKind, Outcome, RunSpec, SkillChange,
};

use super::contender;
use super::driver::Driver;
use super::lease::{Lease, Ticket};
use super::multiplex::Multiplex;
use super::scheduler::WorkerHandle;
use super::table::AdmitResult;
use crate::ExecConfig;
use crate::attempt::{AttemptCounter, AttemptFacts, AttemptResult, conclude};
use crate::wire::AttemptInfo;

/// The managed pool of Python workers.
///
/// A sync tool has its worker to itself while it runs; async tools share one. Skills that keep state in memory have
/// workers of their own, one for each state. Nothing is started before the first call or [`warm_up`](Self::warm_up).
/// Needs a tokio runtime from then on. Dropping the pool kills its workers; [`shut_down`](Executor::shut_down) also
/// waits until they are gone.
pub struct Pool {
    driver: Arc<Driver>,
    multiplex: Multiplex,
}

impl Pool {
    /// A pool without workers.
    pub fn new(config: Arc<ExecConfig>) -> Self {
        let driver = Driver::new(config);
        contender::join(&driver);
        let multiplex = Multiplex::new(Arc::clone(&driver.processes), Arc::clone(&driver.preload));
        Pool { driver, multiplex }
    }

    /// Whether a call goes to a worker that keeps the state of its skill, and so serves no other skill.
    fn is_stateful(call: &Call) -> bool {
        call.affinity.is_some()
    }

    /// Starts `workers_min` workers, without waiting for them. Must be called on a tokio runtime.
    pub fn warm_up(&self) {
        self.driver.step(|table| table.scheduler.warm_up());
    }

    /// Has the workers that are started from now on import a tool's file before they take calls. Calls of a skill that
    /// says `preload` do this too, so it is needed only before the first of them.
    pub fn preload(&self, tool: &Arc<RunSpec>) {
        self.driver.preload.note(tool);
    }

    /// Has no call run the code that is outdated by these changes any more, at once, but those that have begun: they end
    /// where they run. A call that waits and was resolved against it ends as stale. Calls of these skills wait for a worker
    /// that has imported none of them; those of others run anywhere meanwhile. Workers that keep a changed skill's state go.
    ///
    /// The future that is returned ends when no worker that has imported outdated code takes a call any more; nobody has to
    /// wait for it. Where no worker can be started, it waits, and the old ones go on with calls of other skills.
    pub fn renew(&self, changes: &[SkillChange]) -> impl Future<Output = ()> + Send + '_ {
        self.driver.preload.renew();
        let (wanted, shared) = (self.driver.renew(changes), self.multiplex.renew(changes));
        async move {
            tokio::join!(self.driver.renewed(wanted), self.multiplex.renewed(shared));
        }
    }

    /// Runs a sync call: on a worker of its own, and on a second one when the first died before a line of
    /// the tool had run.
    async fn run_sync(&self, mut call: Call, events: &mut dyn CallPort) -> Outcome {
        let asks = call.spec.may_ask() && events.can_be_asked();
        let (mut attempts, mut before) = (AttemptCounter::default(), None);
        loop {
            let mut lease;
            (call, lease) =
                match self.lease(call, AttemptInfo { attempt: attempts.number(), asks }, before).await {
                    Ok(granted) => granted,
                    Err(outcome) => return *outcome,
                };
            let result = lease.finish(&mut call, events).await;
            if !attempts.should_retry(&call, &result, lease.worker(), self.driver.is_closing()) {
                return self.conclude(&call, lease, result, attempts.number()).await;
            }
            before = Some(lease);
        }
    }

    /// Finds a worker for `call` and sends it the call. `before` is the worker of the attempt before, which did not
    /// begin the call: it is given back only when the call is in the queue again, or others would get the worker first.
    async fn lease<'a>(
        &'a self,
        call: Call,
        info: AttemptInfo,
        before: Option<Lease<'a>>,
    ) -> Result<(Call, Lease<'a>), Box<Outcome>> {
        let parent = call.parent.clone();
        let admitted = self.driver.admit(call, info, before.is_some());
        drop(before);
        if let (AdmitResult::Waits(_), Some(parent)) = (&admitted, parent) {
            parent.ask_for_slots(ExecutorKind::Pool);
        }
        match admitted {
            AdmitResult::Begun(call, pooled) => Ok((call, Lease::new(&self.driver, pooled))),
            AdmitResult::Waits(place) => Ticket::new(&self.driver, place).await,
            AdmitResult::Refused(outcome) => Err(outcome),
        }
    }

    /// Makes the outcome of the call, and gives the worker back.
    async fn conclude(
        &self,
        call: &Call,
        mut lease: Lease<'_>,
        result: AttemptResult,
        attempt: u32,
    ) -> Outcome {
        let id = lease.id();
        let worker = lease.worker();
        let closing = self.driver.is_closing();
        let result = match result {
            AttemptResult::Result(result) => {
                AttemptResult::Result(self.with_state_notice(call, result, id, worker.key))
            }
            result => result,
        };
        conclude(worker, call, result, AttemptFacts { config: &self.driver.config, attempt, closing }).await
    }
}

impl Pool {
    /// Adds to the result of a skill with state that the state is lost, when another worker served its call before.
    fn with_state_notice(
        &self,
        call: &Call,
        result: CallResult,
        id: Option<WorkerHandle>,
        name: u64,
    ) -> CallResult {
        if !Pool::is_stateful(call) {
            return result;
        }
        let lost = id.is_some_and(|id| self.driver.step(|table| table.scheduler.call_served(id, name)));
        if lost { result.with_meta("omni/state", "\"lost\"") } else { result }
    }
}

impl Executor for Pool {
    fn run<'a>(&'a self, call: Call, events: &'a mut dyn CallPort) -> BoxFuture<'a, Outcome> {
        Box::pin(self.run_unboxed(call, events))
    }

    async fn run_unboxed(&self, call: Call, events: &mut dyn CallPort) -> Outcome {
        if Pool::is_stateful(&call) {
            return self.run_sync(call, events).await;
        }
        let python = call.spec.target.python();
        if python.is_some_and(|python| python.preload) {
            self.driver.preload.note(&call.spec);
        }
        if python.is_some_and(|python| python.is_async) {
            self.multiplex.run(call, events).await
        } else {
            self.run_sync(call, events).await
        }
    }

    fn shut_down(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            // Idle workers run nothing, so they get no grace: closing kills them.
            self.driver.close();
            self.driver.end_workers().await;
        })
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.driver.close();
    }
}
