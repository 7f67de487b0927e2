//! What executors are made with: everything that the settings say of them, once Python is found.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use omni_call::{Executor, ExecutorKind, ForkSettings};
use omni_environments::Environments;
use omni_exec::{ExecConfig, Fork, ForkBorders, Protected, RecycleLimits};
use omni_process::{Isolation, ProcessConfig, ProcessLimits, TempFolders};

use crate::python::{Python, PythonChoice};
use crate::settings::{EnvironmentSettings, ExecBounds, Places, RunSettings};
use crate::{assets, environments, protected, python, variables};

/// The program that becomes workers: ours. By way of /proc it is found even after an update has replaced its file.
pub(crate) const LAUNCHER: &str = "/proc/self/exe";

/// What is needed to make the executors.
pub(super) struct ExecutorSetup {
    python: Option<PythonChoice>,
    pub(super) cache: PathBuf,
    root: PathBuf,
    protected: Vec<Protected>,
    settings: serde_json::Map<String, serde_json::Value>,
    env: Vec<String>,
    workers: crate::args::Workers,
    recycle_limits: RecycleLimits,
    limits: ProcessLimits,
    fork: ForkSettings,
    embedded_threads: usize,
    bounds: ExecBounds,
    environments: EnvironmentSettings,
    isolation: Isolation,
    log_output: bool,
    /// What runs tools that ask for a runner, where this process is one.
    pub(super) instead_of_runner: Option<ExecutorKind>,
    pub(super) trust: SkillsTrust,
}

/// Whether the skills may do more than run when they are called, and how that is had.
#[derive(Clone)]
pub(super) struct SkillsTrust {
    pub(super) trusted: bool,
    pub(super) command: String,
}

/// The environments that skills need, for the commands that run no tool. Finds Python, and starts nothing else.
/// `allow_build` allows what only trusted skills have: to be built from source, and to come from addresses of their own.
pub(crate) fn environments(
    places: &Places,
    settings: &RunSettings,
    allow_build: bool,
) -> Result<Environments> {
    let mut setup = ExecutorSetup::new(places, settings);
    setup.trust.trusted |= allow_build;
    let (python, config) = setup.config()?;
    setup.environments(config.process, &python)
}

/// What stands between forked calls. Starts a fork parent to find out, and ends it.
pub(crate) fn fork_borders(places: &Places, settings: &RunSettings) -> Result<ForkBorders> {
    let (_, config) = ExecutorSetup::new(places, settings).config()?;
    crate::process_setup::runtime()?.block_on(async {
        let fork = Fork::new(Arc::new(config));
        let borders = fork.borders().await;
        fork.shut_down().await;
        borders.map_err(anyhow::Error::msg)
    })
}

impl ExecutorSetup {
    pub(super) fn new(places: &Places, settings: &RunSettings) -> Self {
        ExecutorSetup {
            python: settings.python.clone(),
            cache: places.cache.clone(),
            root: places.root.clone(),
            protected: places.protected.clone(),
            settings: places.file.skills.clone(),
            env: settings.env.clone(),
            workers: settings.workers,
            recycle_limits: settings.recycle_limits,
            limits: settings.limits,
            fork: settings.fork,
            embedded_threads: settings.embedded_threads,
            bounds: settings.bounds,
            environments: settings.environments.clone(),
            isolation: settings.isolation,
            log_output: settings.log_output,
            instead_of_runner: None,
            trust: SkillsTrust {
                trusted: places.settings_status.skills_trusted(),
                command: places.settings_status.trust_skills(),
            },
        }
    }

    /// That of a process which is the runner itself: what asks for one runs as `own`.
    pub(super) fn of_runner(places: &Places, settings: &RunSettings, own: ExecutorKind) -> Self {
        ExecutorSetup { instead_of_runner: Some(own), ..ExecutorSetup::new(places, settings) }
    }

    pub(super) fn environments(&self, process: ProcessConfig, python: &Python) -> Result<Environments> {
        environments::open(&self.cache, &self.environments, self.trust.builds_refused(), process, python)
    }

    pub(super) fn config(&self) -> Result<(Python, ExecConfig)> {
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
        config.recycle_limits = self.recycle_limits;
        config.process.limits = self.limits;
        config.fork = self.fork.or(&config.fork);
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
