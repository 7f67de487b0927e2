//! The executors that this binary has, and how they are made.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use omni_call::{
    BoxFuture, Call, CallPort, Ending, Executor, ExecutorKind, ForkSettings, Outcome, Requirements, Trust,
};
use omni_catalog::Snapshot;
use omni_environments::{Environments, NoEnvironment};
use omni_exec::{
    ChoiceRules, ExecConfig, ExecutorChoice, ExecutorProvider, ExecutorSets, Fork, ForkBorders,
    InterpreterExecutors, Native, Protected, Runner, SetNeeds, StartRefusal, WorkerLife,
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

pub(crate) struct Ready {
    /// For tools that need nothing installed.
    common: InterpreterExecutors,
    environments: Environments,
    /// For those that do, and for skills that share with no other.
    sets: Arc<Sets>,
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

    /// These, with the choice among them for each call.
    pub(crate) fn choice(self: &Arc<Self>) -> ExecutorChoice<Arc<Self>> {
        let trust = &self.plan.trust;
        let rules = ChoiceRules {
            instead_of_runner: self.plan.instead_of_runner,
            trust_command: (!trust.trusted).then(|| trust.command.clone()),
        };
        ExecutorChoice::new(Arc::clone(self), rules)
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
        let ready = self.find_python().await?;
        if !self.plan.trust.trusted {
            ready.common.warm_up();
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
                ready.common.preload(&tool.spec);
            }
        }
        ready.common.warm_up();
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
        let Ok(ready) = self.find_python().await else { return };
        environments::prepare_all(&ready.environments, snapshot).await;
    }

    async fn find_python(&self) -> Result<&Ready> {
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
        let common = executors_of(python.clone(), Arc::clone(&config), self.cache.clone());
        Ok(Ready { common, environments, sets: Sets::new(python, config, self.cache.clone()) })
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
}

impl ExecutorSets for Ready {
    type Set = InterpreterExecutors;

    fn common(&self) -> &InterpreterExecutors {
        &self.common
    }

    fn wants_environment(&self, requirements: &Requirements) -> bool {
        self.environments.wanted(requirements)
    }

    fn set_for<'a>(
        &'a self,
        call: &'a mut Call,
        needs: SetNeeds,
        port: &'a mut dyn CallPort,
    ) -> BoxFuture<'a, Result<Arc<InterpreterExecutors>, Box<Outcome>>> {
        Box::pin(async move {
            let spec = Arc::clone(&call.spec);
            let environment = match spec.target.requirements().filter(|_| needs.environment) {
                None => None,
                Some(requirements) => match self.environments.for_call(call, requirements, port).await {
                    Ok(environment) => Some(environment),
                    Err(none) => return Err(Box::new(without_environment(call, none))),
                },
            };
            let skill = needs.own_processes.then_some(spec.skill.as_str());
            let set = self.sets.of(environment.as_ref(), skill);
            set.map_err(|ending| Box::new(unstarted(call, ending)))
        })
    }
}

/// The executors of one interpreter. What it says of itself is remembered in `cache`.
pub(crate) fn executors_of(python: Python, config: Arc<ExecConfig>, cache: PathBuf) -> InterpreterExecutors {
    let package = config.package_dir.clone();
    let find = move || match python::embedding(&python, &package, &cache) {
        Ok(tried) => Ok(tried.embedding()),
        Err(Refusal { message, hint }) => Err(StartRefusal { message, hint }),
    };
    InterpreterExecutors::new(config, Arc::new(find))
}

/// The answer to a call that gets no environment.
fn without_environment(call: &Call, none: NoEnvironment) -> Outcome {
    match none {
        NoEnvironment::TimedOut { limit } => unstarted(call, Ending::TimedOut { limit }),
        NoEnvironment::Failed(error) if error.closing => unstarted(call, Ending::Shutdown),
        NoEnvironment::Failed(error) => {
            let (message, hint) = (error.message.clone(), error.hint.clone());
            let mut outcome = unstarted(call, Ending::WorkerStart { message, hint });
            outcome.stderr.clone_from(&error.output);
            outcome
        }
    }
}

fn unstarted(call: &Call, ending: Ending) -> Outcome {
    Outcome::unstarted(ending, Instant::now().duration_since(call.deadline.accepted()))
}

impl ExecutorProvider for Executors {
    type Sets = Ready;

    fn standing(&self, kind: ExecutorKind) -> Option<&dyn Executor> {
        match kind {
            ExecutorKind::Runner => self.runner.as_deref().map(|runner| runner as &dyn Executor),
            ExecutorKind::Native => Some(&self.native),
            ExecutorKind::Pool | ExecutorKind::Fork | ExecutorKind::Spawn | ExecutorKind::Embedded => None,
        }
    }

    fn ready(&self) -> Option<&Ready> {
        self.ready.get()
    }

    fn make_ready(&self) -> BoxFuture<'_, Result<&Ready, StartRefusal>> {
        Box::pin(async {
            self.find_python().await.map_err(|error| StartRefusal {
                message: format!("{error:#}"),
                hint: "`omni doctor` shows what omni finds on this machine".to_owned(),
            })
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
