//! The executors that this binary has, and which of them runs a tool.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use omni_call::{BoxFuture, Call, CallPort, Ending, Executor, ExecutorKind, ForkSettings, Outcome, Trust};
use omni_catalog::Snapshot;
use omni_environments::{Environment, Environments, NoEnvironment};
use omni_exec::{
    Embedded, ExecConfig, Fork, ForkBorders, Native, Pool, Protected, Runner, Spawn, WorkerLife,
};
use omni_process::{Isolation, ProcessConfig, ProcessLimits, TempFolders};
use tokio::sync::OnceCell;

use crate::environments::{self, Sets};
use crate::native::{self, NativeTools};
use crate::python::{Chosen, Python, Refusal};
use crate::settings::{EnvironmentSettings, ExecBounds, Places, RunSettings};
use crate::{assets, protected, python, variables};

/// The program that becomes workers: ours. By way of /proc it is found even after an update has replaced its file.
pub(crate) const LAUNCHER: &str = "/proc/self/exe";

/// Every way to run a tool, made ready by the first call: a client that only lists never starts Python,
/// nor even looks for one.
pub(crate) struct Executors {
    plan: Arc<Plan>,
    ready: OnceCell<Ready>,
    /// Needs no Python here.
    runner: Option<Arc<Runner>>,
    /// Nor does it.
    native: Native,
    /// Tools are run here also where none asks for it.
    warms: bool,
}

struct Ready {
    /// For tools that need nothing installed.
    common: Set,
    environments: Environments,
    /// For those that do, and for skills that share with no other.
    sets: Arc<Sets>,
}

/// The executors that run tools with one interpreter.
pub(crate) struct Set {
    config: Arc<ExecConfig>,
    python: Python,
    /// Where what the interpreter says of itself is remembered.
    cache: PathBuf,
    pool: Arc<Pool>,
    fork: Fork,
    spawn: Spawn,
    /// Made by the first call that wants it, since the interpreter is asked about its library then.
    embedded: OnceCell<Embedded>,
    instead_of_runner: Option<ExecutorKind>,
}

/// What is needed to make the executors.
struct Plan {
    python: Option<Chosen>,
    cache: PathBuf,
    root: PathBuf,
    protected: Vec<Protected>,
    settings: serde_json::Map<String, serde_json::Value>,
    env: Vec<String>,
    workers: crate::args::Workers,
    worker_life: WorkerLife,
    limits: ProcessLimits,
    fork: ForkSettings,
    embedded_threads: usize,
    bounds: ExecBounds,
    environments: EnvironmentSettings,
    isolation: Isolation,
    log_output: bool,
    /// What runs tools that ask for a runner, where this process is one.
    instead_of_runner: Option<ExecutorKind>,
    trust: SkillsTrust,
}

/// Whether the skills may do more than run when they are called, and how that is had.
#[derive(Clone)]
struct SkillsTrust {
    trusted: bool,
    command: String,
}

/// The environments that skills need, for the commands that run no tool. Finds Python, and starts nothing else.
/// `allow_build` allows what only trusted skills have: to be built from source, and to come from addresses of their own.
pub(crate) fn environments(
    places: &Places,
    settings: &RunSettings,
    allow_build: bool,
) -> Result<Environments> {
    let mut plan = Plan::new(places, settings);
    plan.trust.trusted |= allow_build;
    let (python, config) = plan.config()?;
    plan.environments(config.process, &python)
}

/// What stands between forked calls. Starts a fork parent to find out, and ends it.
pub(crate) fn fork_borders(places: &Places, settings: &RunSettings) -> Result<ForkBorders> {
    let (_, config) = Plan::new(places, settings).config()?;
    crate::front::runtime()?.block_on(async {
        let fork = Fork::new(Arc::new(config));
        let borders = fork.borders().await;
        fork.shut_down().await;
        borders.map_err(anyhow::Error::msg)
    })
}

impl Executors {
    /// # Errors
    ///
    /// When the settings name a tool of omni's own that there is not.
    pub(crate) fn new(places: &Arc<Places>, settings: &RunSettings) -> Result<Arc<Self>> {
        let runner = places.runner.as_ref().map(|runner| runner.connect_with(&settings.bounds));
        Self::with(Plan::new(places, settings), runner, places.runs_here(), places, settings)
    }

    fn with(
        plan: Plan,
        runner: Option<Arc<Runner>>,
        warms: bool,
        places: &Arc<Places>,
        settings: &RunSettings,
    ) -> Result<Arc<Self>> {
        let native = native::executor(&NativeTools::named(&places.file.native_tools)?, places, settings);
        let (plan, ready) = (Arc::new(plan), OnceCell::new());
        Ok(Arc::new(Executors { plan, ready, runner, native, warms }))
    }

    /// Those of a process that is the runner itself: what asks for one runs as what names no executor.
    pub(crate) fn of_runner(places: &Arc<Places>, settings: &RunSettings) -> Result<Arc<Self>> {
        let own = settings.executor.unwrap_or_default();
        if own == ExecutorKind::Runner {
            let written = variables::written("executor", "runner");
            bail!("{written}: this is the runner; name the executor that it shall run tools with");
        }
        let plan = Plan { instead_of_runner: Some(own), ..Plan::new(places, settings) };
        Self::with(plan, None, true, places, settings)
    }

    /// Has the calls that come from now on run skills as they are on disk. Those that run end where they run. The state
    /// that a skill keeps goes where `changed` says that the skill is another one.
    pub(crate) async fn renew(&self, changed: impl Fn(&str) -> bool) {
        if let Some(ready) = self.ready.get() {
            tokio::join!(ready.common.renew(&changed), ready.sets.renew(&changed));
        }
    }

    /// The runner, if there is one.
    pub(crate) fn runner(&self) -> Option<&Arc<Runner>> {
        self.runner.as_ref()
    }

    /// Finds Python and starts the first workers, so that no call has to wait for it. Where a runner runs the tools,
    /// the first that names another executor sees to that.
    /// They import what the skills of the snapshot want imported, where the user has trusted these: importing runs them.
    pub(crate) async fn warm_up(&self, snapshot: Arc<Snapshot>) -> Result<()> {
        if !self.warms {
            return Ok(());
        }
        let ready = self.make_ready().await?;
        if !self.plan.trust.trusted {
            ready.common.pool.warm_up();
            return Ok(());
        }
        // Parses all tools.
        let asking = move || {
            snapshot
                .tools()
                .filter(|tool| tool.spec.target.python().is_some_and(|python| python.preload))
                .collect::<Vec<_>>()
        };
        for tool in tokio::task::spawn_blocking(asking).await.context("bug")? {
            // Others' workers import nothing of a skill that shares with none; its own do with its first call.
            if tool.spec.target.requirements().is_none() && tool.spec.trust == Trust::Shared {
                ready.common.pool.preload(&tool.spec);
            }
        }
        ready.common.pool.warm_up();
        Ok(())
    }

    /// Makes the environments that the tools want, so that no call has to wait for them either; with a runner, calls
    /// do, and for skills that nobody has trusted.
    pub(crate) async fn prepare_environments(&self, snapshot: Arc<Snapshot>) {
        if !self.warms || !self.plan.trust.trusted {
            return;
        }
        let look = {
            let snapshot = Arc::clone(&snapshot);
            move || environments::any_required(&snapshot)
        };
        if !tokio::task::spawn_blocking(look).await.unwrap_or(false) {
            return;
        }
        // The call that needs it will be told why there is none.
        let Ok(ready) = self.make_ready().await else { return };
        environments::prepare_all(&ready.environments, snapshot).await;
    }

    async fn make_ready(&self) -> Result<&Ready> {
        self.ready
            .get_or_try_init(|| async {
                let plan = self.plan.clone();
                // Lays out files and may start Python to ask for its version.
                tokio::task::spawn_blocking(move || plan.ready()).await.context("bug")?
            })
            .await
    }
}

impl Plan {
    fn new(places: &Places, settings: &RunSettings) -> Self {
        Plan {
            python: settings.python.clone(),
            cache: places.cache.clone(),
            root: places.root.clone(),
            protected: places.protected.clone(),
            settings: places.file.skills.clone(),
            env: settings.env.clone(),
            workers: settings.workers,
            worker_life: settings.worker_life,
            limits: settings.limits,
            fork: settings.fork,
            embedded_threads: settings.embedded_threads,
            bounds: settings.bounds,
            environments: settings.environments.clone(),
            isolation: settings.isolation,
            log_output: settings.log_output,
            instead_of_runner: None,
            trust: SkillsTrust {
                trusted: places.standing.skills_trusted(),
                command: places.standing.trust_skills(),
            },
        }
    }

    fn ready(&self) -> Result<Ready> {
        let (python, config) = self.config()?;
        let environments = self.environments(config.process.clone(), &python)?;
        let config = Arc::new(config);
        let instead = self.instead_of_runner;
        let common = Set::new(python.clone(), Arc::clone(&config), self.cache.clone(), instead);
        Ok(Ready { common, environments, sets: Sets::new(python, config, self.cache.clone(), instead) })
    }

    fn environments(&self, process: ProcessConfig, python: &Python) -> Result<Environments> {
        environments::open(&self.cache, &self.environments, self.trust.builds_refused(), process, python)
    }

    fn config(&self) -> Result<(Python, ExecConfig)> {
        let python = python::find(self.python.as_ref(), &self.cache)?;
        let package = assets::python_package(&self.cache)?;
        assets::bytecode(&package, &python);
        let launcher = PathBuf::from(LAUNCHER);
        let mut config = ExecConfig::new(python.executable.clone(), package, launcher, self.root.clone());
        config.code_cache = Some(self.cache.join("code"));
        config.settings = self.settings.clone();
        config.protected = self.protected.clone();
        config
            .protected
            .extend(protected::of_python(&python, environments::uv(&self.environments)?.as_deref()));
        config.process.env_allowed = self.env.clone();
        config.workers_min = self.workers.min;
        config.workers_max = self.workers.max;
        config.worker_life = self.worker_life;
        config.process.limits = self.limits;
        config.fork = self.fork.or(config.fork);
        config.embedded_threads = self.embedded_threads;
        self.bounds.apply(&mut config);
        config.process.isolation = self.isolation;
        config.log_output = self.log_output;
        config.process.temp = TempFolders::below(variables::temporary_folder());
        Ok((python, config))
    }
}

impl SkillsTrust {
    /// What to do about it where nothing may be built from source for these skills.
    fn builds_refused(&self) -> Option<String> {
        let hint =
            || format!("`omni sync --allow-build` makes it once, or `{}` trusts these skills", self.command);
        (!self.trusted).then(hint)
    }

    /// The answer to a call that would run inside the server.
    fn refuse(&self, call: &Call) -> Outcome {
        let message = format!(
            "`{}` would run inside the server, and its skills were found in the working folder and are not trusted",
            call.spec.tool
        );
        refuse(call, message, format!("`{}` allows it from the next start on", self.command))
    }
}

impl Ready {
    fn run<'a>(&'a self, call: Call, events: &'a mut dyn CallPort) -> BoxFuture<'a, Outcome> {
        if call.spec.trust == Trust::Own && self.common.kind(&call) == ExecutorKind::Embedded {
            let message = format!(
                "`{}` is of a skill that says `trust: own`, and `embedded` is the server's own process, which all share",
                call.spec.tool
            );
            let hint = "choose `executor: pool`, `fork` or `spawn`, or take `trust: own` out of its SKILL.md";
            return Box::pin(std::future::ready(refuse(&call, message, hint.into())));
        }
        if call.spec.target.requirements().is_some() {
            return Box::pin(self.run_with_requirements(call, events));
        }
        match self.own_skill(&call) {
            None => self.common.run(call, events),
            Some(_) => Box::pin(self.run_in(None, call, events)),
        }
    }

    /// The skill that a call needs processes of its own for. One that keeps state has a worker of its own anyway.
    fn own_skill<'a>(&self, call: &'a Call) -> Option<&'a str> {
        let kept_apart = self.common.kind(call) == ExecutorKind::Pool && Pool::is_stateful(call);
        (call.spec.trust == Trust::Own && !kept_apart).then_some(call.spec.skill.as_str())
    }

    /// Runs a call with the executors of an environment, and of its skill where that shares with no other.
    async fn run_in(
        &self,
        environment: Option<&Arc<Environment>>,
        call: Call,
        events: &mut dyn CallPort,
    ) -> Outcome {
        match self.sets.of(environment, self.own_skill(&call)) {
            Ok(set) => set.run(call, events).await,
            Err(ending) => unstarted(&call, ending),
        }
    }

    /// Runs a call in the environment that its tool needs.
    async fn run_with_requirements(&self, mut call: Call, events: &mut dyn CallPort) -> Outcome {
        let spec = Arc::clone(&call.spec);
        let Some(requirements) = spec.target.requirements().filter(|needs| self.environments.wanted(needs))
        else {
            return match self.own_skill(&call) {
                None => self.common.run(call, events).await,
                Some(_) => self.run_in(None, call, events).await,
            };
        };
        if spec.executor == ExecutorKind::Embedded {
            let message = format!(
                "`{}` asks for packages of its own in `{}`, and the interpreter inside the server has its own only",
                spec.tool, requirements.file
            );
            let hint = "choose `executor: pool` or `fork`";
            return refuse(&call, message, hint.into());
        }
        let environment = match self.environments.for_call(&mut call, requirements, events).await {
            Ok(environment) => environment,
            Err(none) => return without_environment(&call, none),
        };
        self.run_in(Some(&environment), call, events).await
    }
}

impl Set {
    /// Executors without processes.
    pub(crate) fn new(
        python: Python,
        config: Arc<ExecConfig>,
        cache: PathBuf,
        instead_of_runner: Option<ExecutorKind>,
    ) -> Self {
        Set {
            pool: Arc::new(Pool::new(config.clone())),
            fork: Fork::new(config.clone()),
            spawn: Spawn::new(config.clone()),
            config,
            python,
            cache,
            embedded: OnceCell::new(),
            instead_of_runner,
        }
    }

    fn run<'a>(&'a self, call: Call, events: &'a mut dyn CallPort) -> BoxFuture<'a, Outcome> {
        let executor: &dyn Executor = match self.kind(&call) {
            ExecutorKind::Pool => &*self.pool,
            ExecutorKind::Fork => &self.fork,
            ExecutorKind::Spawn => &self.spawn,
            ExecutorKind::Embedded => return Box::pin(self.run_embedded(call, events)),
            ExecutorKind::Runner => {
                let hint = "name one with `--runner unix:/path/to/socket`, or choose another executor";
                let refused = refuse(&call, "it runs at a runner, and none is named".into(), hint.into());
                return Box::pin(std::future::ready(refused));
            }
            ExecutorKind::Native => {
                let hint = "this is a bug in omni: please report it";
                let refused = refuse(&call, "no Python runs a function of the server".into(), hint.into());
                return Box::pin(std::future::ready(refused));
            }
        };
        executor.run(call, events)
    }

    fn kind(&self, call: &Call) -> ExecutorKind {
        match (call.spec.executor, self.instead_of_runner) {
            (ExecutorKind::Runner, Some(instead)) => instead,
            (kind, _) => kind,
        }
    }

    /// See [`Executors::renew`].
    pub(crate) async fn renew(&self, changed: &impl Fn(&str) -> bool) {
        self.fork.renew();
        self.pool.renew(changed).await;
    }

    async fn run_embedded(&self, call: Call, events: &mut dyn CallPort) -> Outcome {
        match self.embedded().await {
            Ok(embedded) => embedded.run(call, events).await,
            Err(refusal) => refuse(&call, refusal.message, refusal.hint),
        }
    }

    /// Asked anew by the next call when it was refused: what was wrong may have been put right.
    async fn embedded(&self) -> Result<&Embedded, Refusal> {
        let made = self.embedded.get_or_try_init(|| async {
            let (python, config) = (self.python.clone(), self.config.clone());
            let cache = self.cache.clone();
            let tried =
                tokio::task::spawn_blocking(move || python::embedding(&python, &config.package_dir, &cache));
            let tried = tried.await.map_err(|bug| Refusal {
                message: format!("looking for its library failed: {bug}"),
                hint: "use `executor: pool`".into(),
            })?;
            let instead: Arc<dyn Executor> = self.pool.clone();
            Ok(Embedded::new(self.config.clone(), tried?.embedding(), instead))
        });
        made.await
    }

    pub(crate) async fn shut_down(&self) {
        tokio::join!(self.pool.shut_down(), self.fork.shut_down(), self.spawn.shut_down(), async {
            if let Some(embedded) = self.embedded.get() {
                embedded.shut_down().await;
            }
        });
    }
}

/// The answer to a call that gets no environment.
fn without_environment(call: &Call, none: NoEnvironment) -> Outcome {
    match none {
        NoEnvironment::TimedOut { limit } => unstarted(call, Ending::TimedOut { limit }),
        NoEnvironment::Failed(error) if error.closing => unstarted(call, Ending::Shutdown),
        NoEnvironment::Failed(error) => {
            let mut outcome = refuse(call, error.message.clone(), error.hint.clone());
            outcome.stderr.clone_from(&error.output);
            outcome
        }
    }
}

/// The answer to a call for which there is no executor.
fn refuse(call: &Call, message: String, hint: String) -> Outcome {
    unstarted(call, Ending::WorkerStart { message, hint })
}

fn unstarted(call: &Call, ending: Ending) -> Outcome {
    Outcome::unstarted(ending, Instant::now().duration_since(call.deadline.accepted()))
}

impl Executor for Executors {
    fn run<'a>(&'a self, call: Call, events: &'a mut dyn CallPort) -> BoxFuture<'a, Outcome> {
        if let Some(runner) = self.runner.as_ref().filter(|_| call.spec.executor == ExecutorKind::Runner) {
            return runner.run(call, events);
        }
        if call.spec.executor == ExecutorKind::Native {
            return self.native.run(call, events);
        }
        if call.spec.executor == ExecutorKind::Embedded && !self.plan.trust.trusted {
            return Box::pin(std::future::ready(self.plan.trust.refuse(&call)));
        }
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
            if let Some(runner) = &self.runner {
                runner.shut_down().await;
            }
            self.native.shut_down().await;
            if let Some(ready) = self.ready.get() {
                tokio::join!(
                    ready.common.shut_down(),
                    ready.environments.shut_down(),
                    ready.sets.shut_down()
                );
            }
        })
    }
}
