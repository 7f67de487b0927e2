//! `fork`: each call runs in a process that was forked from a parent which has imported the skill. Processes may be
//! forked before there is a call for them, and one process may serve several calls: [`ForkSettings`].

mod cache;
mod parent;

use std::sync::Arc;

use omni_call::{BoxFuture, Call, CallPort, Executor, ForkSettings, Outcome};

use crate::ExecConfig;
use crate::attempt::AttemptResult;
use crate::bounds::SHUTDOWN_GRACE;
use crate::call_permits::CallPermit;
use crate::executor_processes::ExecutorProcesses;
use crate::outcome::{start_failed, unstarted};
use crate::own_process::{CallCapacity, conclude_own_process, end_in_background};
use crate::start_failure::StartFailure;
use crate::wire::{AttemptInfo, ErrorKind};
use crate::worker::Worker;
use cache::{ForkCache, IdleFork};
pub use parent::ForkBorders;
use parent::ForkParents;

/// Runs each call in a forked process, `forked_max` at a time.
///
/// Needs a tokio runtime while calls run. Dropping it kills no running call: a process belongs to its call, or to the
/// cache of idle ones, and ends when that is dropped.
pub struct Fork {
    config: Arc<ExecConfig>,
    processes: Arc<ExecutorProcesses>,
    parents: Arc<ForkParents>,
    cache: Arc<ForkCache>,
    capacity: CallCapacity,
}

/// The [`ForkSettings`](omni_call::ForkSettings) of a call, with defaults in the place of what is not set.
#[derive(Clone, Copy)]
struct ResolvedForkSettings {
    ahead: usize,
    calls: u32,
}

impl Fork {
    /// An executor without processes.
    pub fn new(config: Arc<ExecConfig>) -> Self {
        let processes = ExecutorProcesses::new(Arc::clone(&config));
        let parents = ForkParents::new(Arc::clone(&processes));
        Fork {
            cache: ForkCache::new(Arc::clone(&parents), config.idle_worker_ttl),
            parents,
            capacity: CallCapacity::new(&config, config.shared.forked(config.forked_max)),
            processes,
            config,
        }
    }

    /// Has no call from now on run what the parent or an idle process has imported: what is idle goes, and so does the
    /// parent once what it has forked has ended. The next call starts another.
    pub fn renew(&self) {
        self.parents.renew();
        self.cache.clear();
    }

    /// How the calls that are forked here are kept apart. Starts a fork parent to find out, if there is none yet.
    ///
    /// # Errors
    ///
    /// Why no fork parent could be started.
    pub async fn borders(&self) -> Result<ForkBorders, String> {
        self.parents.borders().await.map_err(|failure| failure.message.clone())
    }

    async fn run_call(&self, mut call: Call, events: &mut dyn CallPort) -> Outcome {
        let permit = match self.capacity.acquire(&call).await {
            Ok(permit) => permit,
            Err(kind) => return unstarted(&call, kind),
        };
        let mut run = match self.begin(&call, permit).await {
            Ok(run) => run,
            Err(failure) => return start_failed(&call, &failure),
        };
        let end = run.finish(&mut call, events).await;
        if matches!(end, AttemptResult::Stale)
            && call.spec.target.dir().is_some_and(|folder| self.parents.has_imported(folder))
        {
            // Nothing that comes of this parent will ever have what is meant.
            self.renew();
        }
        self.prepare_next(&call, &end, run.settings);
        conclude_own_process(&self.processes, &call, run.worker(), end).await
    }

    /// Finds a process for the call and sends it.
    async fn begin(&self, call: &Call, permit: CallPermit) -> Result<ForkedCall, StartFailure> {
        let settings = self.settings(call);
        let mut idle = match self.cache.take(settings.ahead > 0, settings.calls) {
            Some(idle) => idle,
            None => {
                let (worker, generation) = self.parents.fork(false).await?;
                IdleFork::new(Box::new(worker), generation)
            }
        };
        idle.worker.begin(call, AttemptInfo::of(call, 1));
        Ok(ForkedCall { idle: Some(idle), permit: Some(permit), settings, cache: Arc::clone(&self.cache) })
    }

    fn settings(&self, call: &Call) -> ResolvedForkSettings {
        let own = call.spec.target.python().map_or(ForkSettings::default(), |python| python.fork);
        let chosen = own.or(&self.config.fork);
        ResolvedForkSettings {
            ahead: usize::try_from(chosen.ahead.unwrap_or(0)).unwrap_or(0),
            calls: chosen.calls.unwrap_or(1),
        }
    }

    /// Prepares later calls of the tool: has the parent import its file, and processes forked ahead.
    fn prepare_next(&self, call: &Call, end: &AttemptResult, settings: ResolvedForkSettings) {
        let imported = matches!(end, AttemptResult::Result(_) | AttemptResult::TooLarge)
            || matches!(end, AttemptResult::Error(error) if error.kind == ErrorKind::ToolError);
        if imported && let Some(python) = call.spec.target.python() {
            self.parents.preload(&call.spec.skill, python);
        }
        self.cache.fill(settings.ahead);
    }
}

impl Executor for Fork {
    fn run<'a>(&'a self, call: Call, events: &'a mut dyn CallPort) -> BoxFuture<'a, Outcome> {
        Box::pin(self.run_call(call, events))
    }

    fn shut_down(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.capacity.close();
            self.cache.close();
            self.processes.terminate_all(SHUTDOWN_GRACE).await;
        })
    }
}

/// One call's process. Dropping it gives the process back for its next call, or ends it in a task of its own.
struct ForkedCall {
    /// Taken only by `drop`.
    idle: Option<IdleFork>,
    permit: Option<CallPermit>,
    settings: ResolvedForkSettings,
    cache: Arc<ForkCache>,
}

impl ForkedCall {
    fn worker(&mut self) -> &mut Worker {
        &mut self.idle.as_mut().expect("a run has its process until it is dropped").worker
    }

    /// Drives the call to its end.
    async fn finish(&mut self, call: &mut Call, port: &mut dyn CallPort) -> AttemptResult {
        let idle = self.idle.as_mut().expect("a run has its process until it is dropped");
        let permit = self.permit.as_mut().expect("a run has its permit until it is dropped");
        idle.worker.finish(&mut call.deadline, port, permit).await
    }
}

impl Drop for ForkedCall {
    fn drop(&mut self) {
        let Some(mut idle) = self.idle.take() else { return };
        idle.calls += 1;
        if idle.calls < self.settings.calls && !idle.worker.take_stale() && idle.worker.reusable() {
            self.cache.give_back(idle);
        } else {
            end_in_background(idle.worker, self.permit.take());
        }
    }
}
