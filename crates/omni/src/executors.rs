//! The executors that this binary has, and which of them runs a tool.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use omni_call::{BoxFuture, Call, Ending, EventSink, Executor, Outcome, Way};
use omni_exec::{Embedding, ExecConfig, Pool, ProcessLimits, Spawn, WorkerLife, WorkerStart};
use tokio::sync::OnceCell;

use crate::python::{Python, Refusal};
use crate::settings::{Places, RunSettings};
use crate::{assets, python};

/// Every way to run a tool, made ready by the first call: a client that only lists never starts Python,
/// nor even looks for one.
pub(crate) struct Executors {
    plan: Arc<Plan>,
    ready: OnceCell<Ready>,
}

struct Ready {
    config: Arc<ExecConfig>,
    python: Python,
    cache: PathBuf,
    pool: Pool,
    spawn: Spawn,
    /// Made by the first call that wants it, since the interpreter is asked about its library then.
    embedded: OnceCell<Result<Embedded, Refusal>>,
}

/// What runs tools with the interpreter inside a process of ours.
struct Embedded {
    workers: Pool,
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
                let (python, config) =
                    tokio::task::spawn_blocking(move || plan.config()).await.context("bug")??;
                Ok(Ready::new(python, Arc::new(config), self.plan.cache.clone()))
            })
            .await
    }
}

impl Plan {
    fn config(&self) -> Result<(Python, ExecConfig)> {
        let python = python::find(self.python.as_deref(), &self.cache)?;
        let package = assets::python_package(&self.cache)?;
        // By way of /proc the running binary is found even after an update has replaced its file.
        let launcher = PathBuf::from("/proc/self/exe");
        let mut config = ExecConfig::new(python.executable.clone(), package, launcher, self.root.clone());
        config.settings = self.settings.clone();
        config.env_allowed = self.env.clone();
        config.workers_min = self.workers.min;
        config.workers_max = self.workers.max;
        config.worker_life = self.worker_life;
        config.limits = self.limits;
        Ok((python, config))
    }
}

impl Ready {
    fn new(python: Python, config: Arc<ExecConfig>, cache: PathBuf) -> Self {
        Ready {
            pool: Pool::new(config.clone()),
            spawn: Spawn::new(config.clone()),
            config,
            python,
            cache,
            embedded: OnceCell::new(),
        }
    }

    fn run<'a>(&'a self, call: Call, events: &'a mut dyn EventSink) -> BoxFuture<'a, Outcome> {
        let executor: &dyn Executor = match call.spec.way {
            Way::Pool => &self.pool,
            Way::Spawn | Way::Zygote | Way::Prewarmed | Way::Recycled => &self.spawn,
            Way::EmbeddedWorker => return Box::pin(self.run_embedded(call, events)),
            // No skill can ask for these yet.
            Way::Embedded | Way::Runner => &self.pool,
        };
        executor.run(call, events)
    }

    async fn run_embedded(&self, call: Call, events: &mut dyn EventSink) -> Outcome {
        match self.embedded().await {
            Ok(embedded) => embedded.workers.run(call, events).await,
            Err(refusal) => refuse(&call, refusal.message.clone(), refusal.hint.clone()),
        }
    }

    async fn embedded(&self) -> Result<&Embedded, &Refusal> {
        let made = self.embedded.get_or_init(|| async {
            let (python, config) = (self.python.clone(), self.config.clone());
            let cache = self.cache.clone();
            let tried =
                tokio::task::spawn_blocking(move || python::embedding(&python, &config.package_dir, &cache));
            let tried = tried.await.map_err(|bug| Refusal {
                message: format!("looking for its library failed: {bug}"),
                hint: "use `executor: pool`".into(),
            })?;
            Ok(Embedded::new(&self.config, tried?.embedding()))
        });
        made.await.as_ref()
    }
}

impl Embedded {
    fn new(config: &Arc<ExecConfig>, embedding: Embedding) -> Self {
        let workers = ExecConfig { worker_start: WorkerStart::Embedded(embedding), ..(**config).clone() };
        Embedded { workers: Pool::new(Arc::new(workers)) }
    }
}

/// The answer to a call for which there is no executor.
fn refuse(call: &Call, message: String, hint: String) -> Outcome {
    let elapsed = Instant::now().duration_since(call.deadline.accepted());
    Outcome::unstarted(Ending::WorkerStart { message, hint }, elapsed)
}

impl Executor for Executors {
    fn run<'a>(&'a self, call: Call, events: &'a mut dyn EventSink) -> BoxFuture<'a, Outcome> {
        if let Some(ready) = self.ready.get() {
            return ready.run(call, events);
        }
        Box::pin(async move {
            match self.make_ready().await {
                Ok(ready) => ready.run(call, events).await,
                Err(error) => {
                    let hint = "`omni doctor` shows what omni finds on this machine";
                    refuse(&call, format!("{error:#}"), hint.into())
                }
            }
        })
    }

    fn shut_down(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if let Some(ready) = self.ready.get() {
                tokio::join!(ready.pool.shut_down(), ready.spawn.shut_down(), async {
                    if let Some(Ok(embedded)) = ready.embedded.get() {
                        embedded.workers.shut_down().await;
                    }
                });
            }
        })
    }
}
