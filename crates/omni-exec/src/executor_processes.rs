//! The processes of one executor, and the settings that it runs calls by.

use std::ffi::OsString;
use std::ops::Deref;
use std::sync::Arc;

use omni_process::{ProcessConfig, StartError, StartedProcess, WorkerProgram};

use crate::ExecConfig;

/// Names the folder of compiled code to `omni.skill_code`, in the processes that tools start as well.
const CODE_CACHE: &str = "OMNI_CODE_CACHE";

/// What an executor starts Python with.
#[derive(Debug)]
pub(crate) struct ExecutorProcesses {
    config: Arc<ExecConfig>,
    processes: Arc<omni_process::ProcessTable>,
}

/// Python's arguments, and the variables that only this process gets.
#[derive(Debug, Default)]
pub(crate) struct PythonCommand {
    pub(crate) args: Vec<OsString>,
    pub(crate) env: Vec<(&'static str, OsString)>,
    /// It forks processes that we adopt, so it has to outlive them: nobody else can reap them.
    pub(crate) forks: bool,
}

impl ExecutorProcesses {
    pub(crate) fn new(config: Arc<ExecConfig>) -> Arc<Self> {
        let processes = omni_process::ProcessTable::new(with_variables(&config));
        Arc::new(ExecutorProcesses { config, processes })
    }

    pub(crate) fn config(&self) -> &ExecConfig {
        &self.config
    }

    /// Starts Python. `permit` is dropped when it is gone, however it ended. Needs a tokio runtime.
    pub(crate) async fn start_python(
        &self,
        python: PythonCommand,
        permit: Box<dyn Send>,
    ) -> Result<StartedProcess, StartError> {
        let path = self.config.interpreter.path.clone();
        let PythonCommand { args, env, forks } = python;
        self.processes.start(WorkerProgram { path, args, env, forks }, permit).await
    }
}

impl Deref for ExecutorProcesses {
    type Target = Arc<omni_process::ProcessTable>;

    fn deref(&self) -> &Self::Target {
        &self.processes
    }
}

/// How processes are started, with the variables that Python and the programs of its environment need.
fn with_variables(config: &ExecConfig) -> ProcessConfig {
    let mut process = config.process.clone();
    let mut set = |name: &str, value: OsString| process.env.push((name.into(), value));
    // None where no Python of ours runs; then whose programs they are decides.
    if !config.package_dir.as_os_str().is_empty() {
        set("PYTHONPATH", config.package_dir.clone().into());
    }
    if let Some(folder) = &config.code_cache {
        set(CODE_CACHE, folder.into());
    }
    if let Some(environment) = &config.environment {
        set("VIRTUAL_ENV", environment.into());
        process.programs = Some(environment.join("bin"));
    }
    process
}
