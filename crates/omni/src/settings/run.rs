//! How tools are run, from flags, environment, `omni.toml` and defaults, in that order.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};
use omni_call::{ErrorDetail, ExecutorKind, ForkSettings, shown_path};
use omni_exec::RecycleLimits;
use omni_process::ProcessLimits;
use omni_server::StoredResultsConfig;

use super::bounds::ExecBounds;
use super::environments::EnvironmentSettings;
use super::seconds::grace;
use super::settings_file::SettingsFile;
use super::tasks::TaskSettings;
use super::time_limit::{IDLE_TIMEOUT_DEFAULT, TIMEOUT_DEFAULT, time_limit};
use crate::args::{Errors, Isolation, RunArguments, Workers};
use crate::python::PythonChoice;
use crate::variables;

/// How tools are run.
#[derive(Clone, Debug)]
pub(crate) struct RunSettings {
    pub(crate) python: Option<PythonChoice>,
    /// For tools that name none; `None` when nobody says.
    pub(crate) executor: Option<ExecutorKind>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) idle_timeout: Option<Duration>,
    /// How long calls may go on when the server stops; `None` when nobody says.
    pub(crate) grace: Option<Duration>,
    pub(crate) workers: Workers,
    pub(crate) recycle_limits: RecycleLimits,
    /// How much of an exception clients may read; `None` when nobody says: then it depends on who they are.
    pub(crate) errors: Option<ErrorDetail>,
    pub(crate) env: Vec<String>,
    /// Of those that `--env` names, what is not set here.
    pub(crate) unset: Vec<String>,
    pub(crate) limits: ProcessLimits,
    pub(crate) admission: omni_server::Limits,
    pub(crate) streams: omni_server::StreamSettings,
    pub(crate) asking: omni_server::AskingLimits,
    pub(crate) tasks: TaskSettings,
    pub(crate) fork: ForkSettings,
    pub(crate) embedded_threads: usize,
    pub(crate) bounds: ExecBounds,
    pub(crate) environments: EnvironmentSettings,
    pub(crate) isolation: omni_process::Isolation,
    /// Whether the log has what tools print and log and no client asked for.
    pub(crate) log_output: bool,
    /// Which results are kept in files instead of being sent; `None` is none.
    pub(crate) stored_results: Option<StoredResultsConfig>,
}

impl RunSettings {
    pub(crate) fn resolve(arguments: &RunArguments, file: &SettingsFile) -> Result<Self> {
        let own = file.workers.clone().unwrap_or_default();
        let workers = match arguments.workers {
            Some(workers) => workers,
            None => own.count()?.unwrap_or(Workers { min: 1, max: 64 }),
        };
        let errors = arguments.errors.or(file.errors).map(|errors| match errors {
            Errors::Masked => ErrorDetail::Masked,
            Errors::Message => ErrorDetail::Message,
            Errors::Full => ErrorDetail::Full,
        });
        for name in &arguments.env {
            check_name(name, "`--env ")?;
        }
        for name in &file.env {
            check_name(name, "`env` in omni.toml: `")?;
        }
        let admission = file.admission.resolve()?;
        let is_unset = |name: &&String| variables::get(name).is_none();
        Ok(RunSettings {
            unset: arguments.env.iter().filter(is_unset).cloned().collect(),
            python: python(arguments.python.as_ref(), file.python.as_ref()),
            executor: match arguments.executor {
                Some(kind) => Some(kind),
                None => file.executor()?,
            },
            timeout: time_limit("timeout", arguments.timeout, file.timeout, TIMEOUT_DEFAULT)?,
            idle_timeout: time_limit(
                "idle-timeout",
                arguments.idle_timeout,
                file.idle_timeout,
                IDLE_TIMEOUT_DEFAULT,
            )?,
            grace: file
                .grace
                .map(|value| grace(value, &format!("`grace = {value}` in omni.toml")))
                .transpose()?,
            workers,
            recycle_limits: own.life()?,
            errors,
            limits: file.limits.resolve()?,
            bounds: ExecBounds::resolve(file, &admission)?,
            admission,
            streams: file.streams.resolve()?,
            asking: file.asking.resolve()?,
            tasks: file.tasks.resolve()?,
            fork: file.fork.resolve()?,
            embedded_threads: file.embedded.threads()?,
            environments: file.environments.resolve()?,
            isolation: match arguments.isolation.or(file.isolation) {
                Some(Isolation::None) => omni_process::Isolation::None,
                Some(Isolation::Auto) | None => omni_process::Isolation::Auto,
            },
            stored_results: file.results.resolve()?,
            log_output: arguments.log_output.or(file.log_output).unwrap_or(true),
            env: arguments.env.iter().chain(&file.env).cloned().collect(),
        })
    }
}

/// Whether this is the name of a variable alone. Its value, which people write there, is not shown.
fn check_name(name: &str, written: &str) -> Result<()> {
    if let Some((name, _)) = name.split_once('=') {
        bail!(
            "{written}{name}=…`: the name alone is wanted; the value is the one that the variable has where omni is started"
        );
    }
    if name.is_empty() || name.contains('\0') {
        bail!("{written}{name}`: that is no name of a variable");
    }
    Ok(())
}

/// The interpreter from a flag or its variable, else from the file.
fn python(argument: Option<&PathBuf>, file: Option<&PathBuf>) -> Option<PythonChoice> {
    let named = argument.map(|path| (path, variables::written("python", shown_path(path))));
    let listed = file.map(|path| (path, format!("`python = \"{}\"` in omni.toml", shown_path(path))));
    named.or(listed).map(|(path, written)| PythonChoice { path: path.clone(), written })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
        let file: SettingsFile =
            toml::from_str("timeout = 5\nworkers = \"2..3\"\nerrors = \"full\"\nexecutor = \"spawn\"")
                .unwrap();
        let flags = RunArguments { timeout: Some(7.0), ..RunArguments::default() };
        let settings = RunSettings::resolve(&flags, &file).unwrap();
        assert_eq!(settings.timeout, Some(Duration::from_secs(7)));
        assert_eq!(settings.workers, Workers { min: 2, max: 3 });
        assert_eq!(settings.errors, Some(ErrorDetail::Full));
        assert_eq!(settings.executor, Some(ExecutorKind::Spawn));
        assert_eq!(settings.idle_timeout, Some(Duration::from_secs(600)));
    }
}
