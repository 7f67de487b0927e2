//! The executors that this binary has, and which of them runs a tool.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use omni_call::{BoxFuture, Call, Ending, EventSink, Executor, Outcome, Way};
use omni_exec::{ExecConfig, Pool, ProcessLimits, Spawn, WorkerLife};
use tokio::sync::OnceCell;

use crate::settings::{Places, RunSettings};
use crate::{assets, python};

/// Every way to run a tool, made ready by the first call: a client that only lists never starts Python,
/// nor even looks for one.
pub(crate) struct Executors {
    plan: Arc<Plan>,
    ready: OnceCell<Ready>,
}

struct Ready {
    pool: Pool,
    spawn: Spawn,
}

/// What is needed to make the executors.
struct Plan {
    python: Option<PathBuf>,
    cache: PathBuf,
    root: PathBuf,
    settings: serde_json::Map<String, serde_json::Value>,
    env: Vec<String>,
    workers: crate::args::Workers,
    worker_life: WorkerLife,
    limits: ProcessLimits,
}

impl Executors {
    pub(crate) fn new(places: &Places, settings: &RunSettings) -> Arc<Self> {
        let plan = Plan {
            python: settings.python.clone(),
            cache: places.cache.clone(),
            root: places.root.clone(),
            settings: places.file.skills.clone(),
            env: settings.env.clone(),
            workers: settings.workers,
            worker_life: settings.worker_life,
            limits: settings.limits,
        };
        Arc::new(Executors { plan: Arc::new(plan), ready: OnceCell::new() })
    }

    /// Finds Python and starts the first workers, so that no call has to wait for it.
    pub(crate) async fn warm_up(&self) -> Result<()> {
        self.make_ready().await?.pool.warm_up();
        Ok(())
    }

    async fn make_ready(&self) -> Result<&Ready> {
        self.ready
            .get_or_try_init(|| async {
                let plan = self.plan.clone();
                // Lays out files and may start Python to ask for its version.
                let config = tokio::task::spawn_blocking(move || plan.config()).await.context("bug")??;
                let config = Arc::new(config);
                Ok(Ready { pool: Pool::new(config.clone()), spawn: Spawn::new(config) })
            })
            .await
    }
}

impl Plan {
    fn config(&self) -> Result<ExecConfig> {
        let python = python::find(self.python.as_deref(), &self.cache)?;
        let package = assets::python_package(&self.cache)?;
        // By way of /proc the running binary is found even after an update has replaced its file.
        let launcher = PathBuf::from("/proc/self/exe");
        let mut config = ExecConfig::new(python.executable, package, launcher, self.root.clone());
        config.settings = self.settings.clone();
        config.env_allowed = self.env.clone();
        config.workers_min = self.workers.min;
        config.workers_max = self.workers.max;
        config.worker_life = self.worker_life;
        config.limits = self.limits;
        Ok(config)
    }
}

impl Ready {
    fn executor(&self, way: Way) -> &dyn Executor {
        match way {
            Way::Pool => &self.pool,
            Way::Spawn | Way::Zygote | Way::Prewarmed | Way::Recycled => &self.spawn,
            // No skill can ask for these yet.
            Way::Embedded | Way::Runner => &self.pool,
        }
    }
}

impl Executor for Executors {
    fn run<'a>(&'a self, call: Call, events: &'a mut dyn EventSink) -> BoxFuture<'a, Outcome> {
        if let Some(ready) = self.ready.get() {
            return ready.executor(call.spec.way).run(call, events);
        }
        Box::pin(async move {
            match self.make_ready().await {
                Ok(ready) => ready.executor(call.spec.way).run(call, events).await,
                Err(error) => {
                    let ending = Ending::WorkerStart {
                        message: format!("{error:#}"),
                        hint: "`omni doctor` shows what omni finds on this machine".into(),
                    };
                    Outcome::unstarted(ending, Instant::now().duration_since(call.deadline.accepted()))
                }
            }
        })
    }

    fn shut_down(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if let Some(ready) = self.ready.get() {
                tokio::join!(ready.pool.shut_down(), ready.spawn.shut_down());
            }
        })
    }
}
