//! Settings from flags, environment, file and defaults, resolved once, in that order.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use omni_call::{ErrorDetail, Way};
use omni_catalog::{Catalog, CatalogConfig};
use omni_exec::{ProcessLimits, WorkerLife};
use serde::Deserialize;

use crate::access::HttpTable;
use crate::args::{Errors, Isolation, PlaceArguments, RunArguments, Workers, offered_way};
use crate::assets;
use crate::home::Home;
use crate::runner::{RunnerFile, RunnerSettings, ToolsFrom};
use crate::worker_settings::WorkerSettings;

/// Where everything is, for every command.
#[derive(Debug)]
pub(crate) struct Places {
    pub(crate) skills: PathBuf,
    pub(crate) root: PathBuf,
    pub(crate) cache: PathBuf,
    pub(crate) state: PathBuf,
    pub(crate) runner: Option<RunnerSettings>,
    pub(crate) file: File,
}

/// How tools are run.
#[derive(Debug)]
pub(crate) struct RunSettings {
    pub(crate) python: Option<PathBuf>,
    /// For tools that name none; `None` when nobody says.
    pub(crate) executor: Option<Way>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) workers: Workers,
    pub(crate) worker_life: WorkerLife,
    pub(crate) errors: ErrorDetail,
    pub(crate) env: Vec<String>,
    pub(crate) limits: ProcessLimits,
    pub(crate) embedded_threads: usize,
    pub(crate) environments: EnvironmentSettings,
    pub(crate) isolation: omni_exec::Isolation,
}

/// How what skills need is installed.
#[derive(Clone, Debug)]
pub(crate) struct EnvironmentSettings {
    pub(crate) uv: Option<PathBuf>,
    pub(crate) install_args: Vec<String>,
    pub(crate) timeout: Duration,
}

/// `[embedded]` of `omni.toml`: the interpreter inside the server.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct EmbeddedTable {
    /// Plain calls at most that run in it at once.
    threads: Option<usize>,
}

impl EmbeddedTable {
    const THREADS: usize = 4;
    const THREADS_MAX: usize = 64;

    fn threads(&self) -> Result<usize> {
        match self.threads {
            None => Ok(Self::THREADS),
            Some(threads @ 1..=Self::THREADS_MAX) => Ok(threads),
            Some(threads) => {
                bail!("`embedded.threads = {threads}` in omni.toml is not from 1 to {}", Self::THREADS_MAX)
            }
        }
    }
}

/// `[environments]` of `omni.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct EnvironmentsTable {
    /// The program `uv`, a path or a name to be looked up.
    uv: Option<PathBuf>,
    /// Further arguments of the installer, such as `--index-url`.
    #[serde(default)]
    install_args: Vec<String>,
    /// Seconds that making one environment may take.
    timeout: Option<f64>,
}

/// `[limits]` of `omni.toml`: what every process of a tool may take from the machine.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    /// Memory in MiB.
    memory_mib: Option<u64>,
    open_files: Option<u64>,
    /// Size of a file that is written, in MiB.
    file_mib: Option<u64>,
}

/// `omni.toml`. Every key is optional; an unknown one is an error, so that a typing mistake is seen.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    /// Folder of skills, relative to the file.
    skills_dir: Option<PathBuf>,
    /// Folder that tools work in, relative to the file.
    root: Option<PathBuf>,
    /// The Python to run tools with.
    python: Option<PathBuf>,
    /// Total time limit of a call in seconds, 0 for none.
    timeout: Option<f64>,
    /// Time limit without a sign of life in seconds, 0 for none.
    idle_timeout: Option<f64>,
    /// How tools are run that do not say it themselves.
    executor: Option<String>,
    workers: Option<WorkerSettings>,
    runner: Option<RunnerFile>,
    errors: Option<Errors>,
    isolation: Option<Isolation>,
    /// Environment variables passed on to tools.
    #[serde(default)]
    env: Vec<String>,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    pub(crate) http: HttpTable,
    #[serde(default)]
    embedded: EmbeddedTable,
    #[serde(default)]
    environments: EnvironmentsTable,
    /// Settings of one skill each, given to its tools as `Context.settings`: `[skills.web]`.
    #[serde(default)]
    pub(crate) skills: serde_json::Map<String, serde_json::Value>,
}

impl Places {
    pub(crate) fn resolve(arguments: &PlaceArguments) -> Result<Self> {
        let home = Home::find();
        let here = std::env::current_dir()
            .context("the current folder cannot be read; change to one that exists")?;
        let (file, file_dir) = match settings_file(arguments, &here, &home)? {
            Some(path) => {
                let dir = path.parent().unwrap_or(&here).to_owned();
                (read_file(&path)?, dir)
            }
            None => (File::default(), here.clone()),
        };
        // Absolute, since the interpreter inside this process changes to the folder that tools work in.
        let cache = std::path::absolute(arguments.cache_dir.clone().unwrap_or(home.cache))?;
        let root = arguments
            .root
            .clone()
            .or(file.root.as_ref().map(|root| file_dir.join(root)))
            .unwrap_or(here.clone());
        let root = existing_dir(&root, "--root")?;
        let named = arguments.skills.clone().or(file.skills_dir.as_ref().map(|skills| file_dir.join(skills)));
        let chosen = named.or(Some(here.join("skills")).filter(|skills| skills.is_dir()));
        let runner = RunnerSettings::resolve(&arguments.runner, file.runner.as_ref(), chosen.is_some())?;
        let skills = match chosen {
            Some(skills) => existing_dir(&skills, "--skills")?,
            None => assets::shipped_skills(&cache)?,
        };
        Ok(Places { skills, root, cache, state: home.state, runner, file })
    }

    /// The runner, when the list of tools is its own.
    pub(crate) fn lister(&self) -> Option<&RunnerSettings> {
        self.runner.as_ref().filter(|runner| runner.tools == ToolsFrom::Runner)
    }

    /// Who lists the tools: a folder's path, or a runner's address.
    pub(crate) fn source(&self) -> String {
        match self.lister() {
            Some(runner) => runner.address.to_string(),
            None => self.skills.display().to_string(),
        }
    }

    /// The catalogue of these places, with nothing looked at yet but the cache. `executor` is the one named for
    /// tools that name none.
    pub(crate) fn catalog(&self, executor: Option<Way>) -> Result<Catalog> {
        if let Some(runner) = self.lister() {
            return runner.catalog(&self.cache);
        }
        let default_way = match (&self.runner, executor) {
            (Some(_), None) => Way::Runner,
            (_, way) => way.unwrap_or_default(),
        };
        let config = CatalogConfig {
            skills_dir: self.skills.clone(),
            cache_dir: Some(self.cache.clone()),
            default_way,
        };
        Catalog::open(config).context("there are no skills to read")
    }
}

impl RunSettings {
    pub(crate) fn resolve(arguments: &RunArguments, file: &File) -> Result<Self> {
        let own = file.workers.clone().unwrap_or_default();
        let workers = match arguments.workers {
            Some(workers) => workers,
            None => own.count()?.unwrap_or(Workers { min: 1, max: 64 }),
        };
        let errors = match arguments.errors.or(file.errors) {
            Some(Errors::Full) => ErrorDetail::Full,
            Some(Errors::Masked) | None => ErrorDetail::Masked,
        };
        Ok(RunSettings {
            python: arguments.python.clone().or(file.python.clone()),
            executor: match arguments.executor {
                Some(way) => Some(way),
                None => file.executor()?,
            },
            timeout: seconds(arguments.timeout.or(file.timeout).unwrap_or(1800.0), "timeout")?,
            idle_timeout: seconds(
                arguments.idle_timeout.or(file.idle_timeout).unwrap_or(120.0),
                "idle-timeout",
            )?,
            workers,
            worker_life: own.life()?,
            errors,
            limits: file.limits.resolve()?,
            embedded_threads: file.embedded.threads()?,
            environments: file.environments.resolve()?,
            isolation: match arguments.isolation.or(file.isolation) {
                Some(Isolation::None) => omni_exec::Isolation::None,
                Some(Isolation::Auto) | None => omni_exec::Isolation::Auto,
            },
            env: arguments.env.iter().chain(&file.env).cloned().collect(),
        })
    }
}

impl File {
    /// The executor of tools that name none, as far as the file says.
    pub(crate) fn executor(&self) -> Result<Option<Way>> {
        let way = self.executor.as_deref().map(offered_way).transpose();
        way.map_err(|why| anyhow::anyhow!("`executor` in omni.toml: {why}"))
    }
}

impl EnvironmentsTable {
    const TIMEOUT_SECONDS: f64 = 600.0;

    fn resolve(&self) -> Result<EnvironmentSettings> {
        let limit = seconds(self.timeout.unwrap_or(Self::TIMEOUT_SECONDS), "environments.timeout")?;
        // A network that swallows everything would otherwise be waited for without end.
        let timeout = limit.context("`environments.timeout` in omni.toml must be more than 0")?;
        Ok(EnvironmentSettings { uv: self.uv.clone(), install_args: self.install_args.clone(), timeout })
    }
}

impl Limits {
    /// Less than this, and Python itself would not start.
    const MEMORY_MIB_MIN: u64 = 32;
    const OPEN_FILES_MIN: u64 = 64;

    fn resolve(&self) -> Result<ProcessLimits> {
        if let Some(mib) = self.memory_mib.filter(|mib| *mib < Self::MEMORY_MIB_MIN) {
            bail!(
                "`limits.memory_mib = {mib}` in omni.toml is too little for Python; use {} or more",
                Self::MEMORY_MIB_MIN
            );
        }
        if let Some(files) = self.open_files.filter(|files| *files < Self::OPEN_FILES_MIN) {
            bail!(
                "`limits.open_files = {files}` in omni.toml is too few for Python; use {} or more",
                Self::OPEN_FILES_MIN
            );
        }
        Ok(ProcessLimits {
            memory_bytes: self.memory_mib.map(|mib| mib.saturating_mul(1 << 20)),
            open_files: self.open_files,
            file_bytes: self.file_mib.map(|mib| mib.saturating_mul(1 << 20)),
        })
    }
}

fn settings_file(arguments: &PlaceArguments, here: &Path, home: &Home) -> Result<Option<PathBuf>> {
    if let Some(path) = &arguments.config {
        if !path.is_file() {
            bail!("`--config {}`: there is no such file", path.display());
        }
        return Ok(Some(std::path::absolute(path)?));
    }
    let candidates = [here.join("omni.toml"), home.config.join("omni.toml")];
    Ok(candidates.into_iter().find(|path| path.is_file()))
}

fn read_file(path: &Path) -> Result<File> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("`{}` cannot be read", path.display()))?;
    // The message of `toml` names line, column and the keys there are.
    toml::from_str(&text).with_context(|| format!("`{}` is not a settings file of omni", path.display()))
}

fn existing_dir(path: &Path, setting: &str) -> Result<PathBuf> {
    match path.canonicalize() {
        Ok(real) if real.is_dir() => Ok(real),
        Ok(_) => bail!("`{setting} {}`: that is not a folder", path.display()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            bail!("`{setting} {}`: there is no such folder; create it or name another", path.display())
        }
        Err(error) => Err(error).with_context(|| format!("`{setting} {}` cannot be opened", path.display())),
    }
}

/// A time limit; 0 switches it off.
fn seconds(value: f64, name: &str) -> Result<Option<Duration>> {
    if value == 0.0 {
        return Ok(None);
    }
    match Duration::try_from_secs_f64(value) {
        // A year is as good as no limit, and keeps sums of times far from overflow.
        Ok(duration) if duration <= Duration::from_secs(366 * 86_400) => Ok(Some(duration)),
        _ => bail!("`--{name} {value}` is not a number of seconds from 0 to a year"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
        let file: File =
            toml::from_str("timeout = 5\nworkers = \"2..3\"\nerrors = \"full\"\nexecutor = \"spawn\"")
                .unwrap();
        let flags = RunArguments { timeout: Some(7.0), ..RunArguments::default() };
        let settings = RunSettings::resolve(&flags, &file).unwrap();
        assert_eq!(settings.timeout, Some(Duration::from_secs(7)));
        assert_eq!(settings.workers, Workers { min: 2, max: 3 });
        assert_eq!(settings.errors, ErrorDetail::Full);
        assert_eq!(settings.executor, Some(Way::Spawn));
        assert_eq!(settings.idle_timeout, Some(Duration::from_secs(120)));
    }

    #[test]
    fn a_key_that_does_not_exist_is_an_error_that_names_it() {
        let error = toml::from_str::<File>("timeuot = 5").unwrap_err().to_string();
        assert!(error.contains("timeuot") && error.contains("timeout"), "{error}");
    }

    #[test]
    fn an_executor_that_nobody_has_is_refused_with_those_there_are() {
        let file: File = toml::from_str("executor = \"thread\"").unwrap();
        let error = file.executor().unwrap_err().to_string();
        assert!(error.contains("`thread`") && error.contains("\"zygote\""), "{error}");
    }

    #[test]
    fn limits_of_processes_are_given_in_mebibytes_and_too_small_ones_are_refused() {
        let resolve = |text: &str| toml::from_str::<File>(text).unwrap().limits.resolve();
        let limits = resolve("[limits]\nmemory_mib = 512\nopen_files = 256").unwrap();
        assert_eq!(
            (limits.memory_bytes, limits.open_files, limits.file_bytes),
            (Some(512 << 20), Some(256), None)
        );
        for (text, named) in [("memory_mib = 1", "memory_mib"), ("open_files = 3", "open_files")] {
            let error = resolve(&format!("[limits]\n{text}")).unwrap_err().to_string();
            assert!(error.contains(named) && error.contains("or more"), "{error}");
        }
        assert!(toml::from_str::<File>("[limits]\nmemory = 1").is_err());
    }

    #[test]
    fn embedded_threads_are_few() {
        let threads = |text: &str| toml::from_str::<File>(text).unwrap().embedded.threads();
        assert_eq!((threads("").unwrap(), threads("[embedded]\nthreads = 1").unwrap()), (4, 1));
        let error = threads("[embedded]\nthreads = 0").unwrap_err().to_string();
        assert!(error.contains("embedded.threads = 0"), "{error}");
    }

    #[test]
    fn limits_that_are_no_time_are_refused_and_zero_is_no_limit() {
        assert_eq!(seconds(0.0, "timeout").unwrap(), None);
        for wrong in [-1.0, f64::NAN, f64::INFINITY, 1e300] {
            assert!(seconds(wrong, "timeout").is_err(), "{wrong}");
        }
    }
}
