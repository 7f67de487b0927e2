//! `fork`: each call in a process that was forked from a parent which has imported the skill. Some wait ahead of
//! their calls, and one may serve several: [`ForkSettings`].

mod cache;
mod parent;

use std::sync::Arc;

use omni_call::{BoxFuture, Call, CallPort, Executor, ForkSettings, Outcome};

use crate::ExecConfig;
use crate::attempt::AttemptResult;
use crate::bounds::SHUTDOWN_GRACE;
use crate::children::Children;
use crate::outcome::{start_failed, unstarted};
use crate::own_process::{Capacity, CapacityPermit, concluded, end_aside};
use crate::start_failure::StartFailure;
use crate::wire::{ErrorKind, Terms};
use crate::worker::Worker;
use cache::{ForkCache, IdleFork};
pub use parent::ForkBorders;
use parent::ForkParents;

/// Runs each call in a forked process, `forked_max` at a time.
///
/// Needs a tokio runtime while calls run. Dropping it kills nothing by itself: a process belongs to its call, or to
/// the cache of those that are idle, and ends when that is dropped.
pub struct Fork {
    config: Arc<ExecConfig>,
    children: Arc<Children>,
    parents: Arc<ForkParents>,
    cache: Arc<ForkCache>,
    capacity: Capacity,
}

/// [`ForkSettings`](omni_call::ForkSettings) with nothing left open.
#[derive(Clone, Copy)]
struct Settings {
    ahead: usize,
    calls: u32,
}

impl Fork {
    /// An executor without processes.
    pub fn new(config: Arc<ExecConfig>) -> Self {
        let children = Children::new(Arc::clone(&config));
        let parents = ForkParents::new(Arc::clone(&children));
        Fork {
            cache: ForkCache::new(Arc::clone(&parents), config.idle_worker_ttl),
            parents,
            capacity: Capacity::new(&config, config.shared.forked(config.forked_max)),
            children,
            config,
        }
    }

    /// Has every call from now on run its skill as it is on disk now: what is idle goes, and so does the parent once
    /// what it has forked has ended.
    pub fn renew(&self) {
        self.parents.renew();
        self.cache.clear();
    }

    /// What stands between the calls that are forked here. Starts a fork parent for that, if there is none yet.
    ///
    /// # Errors
    ///
    /// Why no fork parent could be started.
    pub async fn borders(&self) -> Result<ForkBorders, String> {
        self.parents.borders().await.map_err(|failure| failure.message.clone())
    }

    async fn run_once(&self, mut call: Call, events: &mut dyn CallPort) -> Outcome {
        let permit = match self.capacity.acquire(&call).await {
            Ok(permit) => permit,
            Err(kind) => return unstarted(&call, kind),
        };
        let mut run = match self.begin(&call, permit).await {
            Ok(run) => run,
            Err(failure) => return start_failed(&call, &failure),
        };
        let end = run.worker().finish(&mut call.deadline, events).await;
        self.prepare_next(&call, &end, run.settings);
        concluded(&self.children, &call, run.worker(), end).await
    }

    /// Finds a process for the call and sends it.
    async fn begin(&self, call: &Call, permit: CapacityPermit) -> Result<Run, StartFailure> {
        let settings = self.settings(call);
        let mut idle = match self.cache.take(settings.ahead > 0, settings.calls) {
            Some(idle) => idle,
            None => {
                let (worker, generation) = self.parents.fork(false).await?;
                IdleFork::new(Box::new(worker), generation)
            }
        };
        idle.worker.begin(call, Terms::of(call, 1));
        Ok(Run { idle: Some(idle), permit: Some(permit), settings, cache: Arc::clone(&self.cache) })
    }

    fn settings(&self, call: &Call) -> Settings {
        let own = call.spec.target.python().map_or(ForkSettings::default(), |python| python.fork);
        let chosen = own.or(self.config.fork);
        Settings {
            ahead: usize::try_from(chosen.ahead.unwrap_or(0)).unwrap_or(0),
            calls: chosen.calls.unwrap_or(1),
        }
    }

    /// Sees to what later calls of the tool find: its file imported in the parent, and processes forked ahead.
    fn prepare_next(&self, call: &Call, end: &AttemptResult, settings: Settings) {
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
        Box::pin(self.run_once(call, events))
    }

    fn shut_down(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.capacity.close();
            self.cache.close();
            self.children.end_all(SHUTDOWN_GRACE).await;
        })
    }
}

/// One call's process. Dropping it gives the process back for its next call, or ends it in a task of its own.
struct Run {
    /// Taken only by `drop`.
    idle: Option<IdleFork>,
    permit: Option<CapacityPermit>,
    settings: Settings,
    cache: Arc<ForkCache>,
}

impl Run {
    fn worker(&mut self) -> &mut Worker {
        &mut self.idle.as_mut().expect("a run has its process until it is dropped").worker
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let Some(mut idle) = self.idle.take() else { return };
        idle.calls += 1;
        if idle.calls < self.settings.calls && idle.worker.reusable() {
            self.cache.give_back(idle);
        } else {
            end_aside(idle.worker, self.permit.take());
        }
    }
}
