//! How one environment comes to be: found whole, or made under its lock by an installer.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use omni_call::Requirements;
use omni_process::{ExitStatus, LINE_BYTES_MAX, PlainProgram, ProcessTable};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::config::EnvironmentConfig;
use crate::error::EnvironmentError;
use crate::installer::{self, CONSTRAINTS, InstallRequest, InstallerStep, PipLocation};
use crate::installer_output::{self, BuildProgress, OutputFollower};
use crate::sources;
use crate::store::{self, Environment, FolderLock, LockMode};
use crate::variables;

/// How often it is looked whether another server has finished.
const LOCK_TICK: Duration = Duration::from_millis(100);

/// How much of what installers said is kept for an error. More stands in the log file.
const OUTPUT_BYTES_MAX: usize = 256 << 10;

const LOCK_FILE: &str = "uv.lock";

/// Who makes environments, and how.
#[derive(Debug)]
pub(crate) struct EnvironmentBuilder {
    pub(crate) config: EnvironmentConfig,
    pub(crate) processes: Arc<ProcessTable>,
}

/// How far one environment is.
#[derive(Clone, Debug)]
pub(crate) enum BuildStage {
    Making(BuildProgress),
    Done(Result<Arc<Environment>, Arc<EnvironmentError>>),
}

/// Finds the environment, or makes it.
pub(crate) async fn obtain(
    builder: &EnvironmentBuilder,
    name: &str,
    requirements: &Requirements,
    skill_dir: &Path,
    stage: &watch::Sender<BuildStage>,
) -> Result<Environment, EnvironmentError> {
    let folder = builder.config.folder.join(name);
    let mut sender = ProgressSender { follower: OutputFollower::default(), stage };
    let mut waiting = false;
    loop {
        if builder.processes.closing() {
            return Err(EnvironmentError::closing());
        }
        let lock = FolderLock::take(&folder, LockMode::Shared)
            .map_err(|error| EnvironmentError::unusable(&folder, &error))?;
        if let Some(lock) = lock
            && let Some(made) = store::read(&folder)
        {
            return Ok(Environment { name: name.to_owned(), folder, made, lock });
        }
        // Our own hold is gone here, or it would be in the way.
        if let Some(lock) = FolderLock::take(&folder, LockMode::Exclusive)
            .map_err(|error| EnvironmentError::unusable(&folder, &error))?
        {
            if store::read(&folder).is_none() {
                let work = Build { builder, folder: &folder, requirements, skill_dir, lock: &lock };
                work.make(&mut sender).await?;
            }
            continue;
        }
        if !waiting {
            sender.say("another omni is making the environment");
            waiting = true;
        }
        sleep(LOCK_TICK).await;
    }
}

/// Passes on what the installers say.
struct ProgressSender<'a> {
    follower: OutputFollower,
    stage: &'a watch::Sender<BuildStage>,
}

impl ProgressSender<'_> {
    fn say(&mut self, text: &str) {
        self.follower.say(text);
        self.tell();
    }

    fn hear(&mut self, line: &str) {
        if self.follower.hear(line) {
            self.tell();
        }
    }

    fn tell(&self) {
        self.stage.send_replace(BuildStage::Making(self.follower.progress().clone()));
    }
}

/// One environment to be made.
struct Build<'a> {
    builder: &'a EnvironmentBuilder,
    folder: &'a Path,
    requirements: &'a Requirements,
    skill_dir: &'a Path,
    lock: &'a FolderLock,
}

impl Build<'_> {
    async fn make(&self, sender: &mut ProgressSender<'_>) -> Result<(), EnvironmentError> {
        check_python(&self.builder.config, self.requirements)?;
        check_sources(&self.builder.config, self.requirements, self.skill_dir)?;
        let log = log_path(self.folder);
        let limit = self.builder.config.timeout;
        sender.say("making the environment");
        let result = match timeout(limit, self.install(&log, sender)).await {
            Ok(result) => result,
            Err(_) => {
                let hint = "raise `timeout` under `[environments]` in omni.toml, or call again: what was \
                            downloaded is kept";
                Err(self.failure(&format!("was not made within {} s", limit.as_secs_f64()), hint, None))
            }
        };
        match &result {
            Ok(()) => drop(std::fs::remove_file(&log)),
            // Nobody will use what is there; the next attempt would clear it away, too.
            Err(_) => drop(self.clear().await),
        }
        result
    }

    async fn install(&self, log: &Path, sender: &mut ProgressSender<'_>) -> Result<(), EnvironmentError> {
        self.clear().await.map_err(|error| EnvironmentError::unusable(self.folder, &error))?;
        self.check_lock()?;
        let mut log =
            InstallerLog::new(log).map_err(|error| EnvironmentError::unusable(self.folder, &error))?;
        let order = InstallRequest {
            folder: self.folder,
            requirements: self.requirements,
            skill_dir: self.skill_dir,
        };
        let pip = self.pip(&mut log, sender).await?;
        for step in installer::steps(&self.builder.config, &order, pip) {
            if step.constrained {
                self.write_constraints()?;
            }
            let name = step.name;
            let said_before = log.text.len();
            let exit = self.run(step, &mut log, sender).await?;
            if self.builder.processes.closing() {
                return Err(EnvironmentError::closing());
            }
            if exit != ExitStatus::Code(0) {
                return Err(self.step_failed(
                    name,
                    exit,
                    log.text.get(said_before..).unwrap_or_default(),
                    &log,
                ));
            }
        }
        self.check_lock()?;
        store::mark(self.folder, self.requirements, self.skill_dir)
            .map_err(|error| EnvironmentError::unusable(self.folder, &error))
    }

    async fn pip(
        &self,
        log: &mut InstallerLog,
        sender: &mut ProgressSender<'_>,
    ) -> Result<PipLocation, EnvironmentError> {
        if self.builder.config.uv.is_some() {
            return Ok(PipLocation::Inside);
        }
        let found = self.run(installer::probe(&self.builder.config), log, sender).await?;
        Ok(if found == ExitStatus::Code(0) { PipLocation::Outside } else { PipLocation::Inside })
    }

    async fn clear(&self) -> io::Result<()> {
        let folder = self.folder.to_owned();
        // Thousands of files, perhaps.
        tokio::task::spawn_blocking(move || store::clear(&folder)).await.map_err(io::Error::other)?
    }

    /// The lock must be the one that the environment is named after, or a later one would be found under its
    /// name for ever.
    fn check_lock(&self) -> Result<(), EnvironmentError> {
        let Some(locked) = &self.requirements.locked else { return Ok(()) };
        let path = self.skill_dir.join(LOCK_FILE);
        let text = std::fs::read(&path).map_err(|error| EnvironmentError::unusable(&path, &error))?;
        if blake3::hash(&text).to_hex().as_str() == locked {
            return Ok(());
        }
        let message = format!("`{}` has changed since omni read it", path.display());
        let hint = "start omni again, or run `omni sync`".to_owned();
        Err(EnvironmentError::new(message, hint))
    }

    fn write_constraints(&self) -> Result<(), EnvironmentError> {
        if self.requirements.locked.is_none() {
            return Ok(());
        }
        let path = self.skill_dir.join(LOCK_FILE);
        let text =
            std::fs::read_to_string(&path).map_err(|error| EnvironmentError::unusable(&path, &error))?;
        let constraints = installer::constraints(&text).map_err(|error| {
            self.failure(
                &format!("has a `{LOCK_FILE}` that is not valid: {}", error.message()),
                "run `uv lock`",
                None,
            )
        })?;
        let path = self.folder.join(CONSTRAINTS);
        let written = store::create(&path).and_then(|mut file| file.write_all(constraints.as_bytes()));
        written.map_err(|error| EnvironmentError::unusable(&path, &error))
    }

    /// Runs one program to its end. Dropping the future kills it.
    async fn run(
        &self,
        step: InstallerStep,
        log: &mut InstallerLog,
        sender: &mut ProgressSender<'_>,
    ) -> Result<ExitStatus, EnvironmentError> {
        let processes = &self.builder.processes;
        let mut env = variables::of_installers(&self.builder.config.interpreter);
        env.extend(step.env);
        let stdin = self.lock.share().map_err(|error| EnvironmentError::unusable(self.folder, &error))?;
        log.line(&format!("$ {}", shown(&step.argv)));
        // Installers obey files that they find in the working folder and above it (`uv.toml`, `pyproject.toml`), and the
        // cache may lie anywhere.
        let cwd = PathBuf::from("/");
        let program = PlainProgram { argv: step.argv, env, cwd, stdin: OwnedFd::from(stdin) };
        let (process, stdout, stderr) =
            processes.start_plain(program).await.map_err(EnvironmentError::from)?;
        let captured = pipe::Receiver::from_owned_fd(stdout)
            .and_then(|stdout| Ok((stdout, pipe::Receiver::from_owned_fd(stderr)?)));
        let (stdout, stderr) = captured.map_err(|error| EnvironmentError::unusable(self.folder, &error))?;
        let mut streams = [InstallerStream::new(stdout), InstallerStream::new(stderr)];
        loop {
            let [out, err] = &mut streams;
            tokio::select! {
                exit = process.wait() => {
                    for stream in &mut streams {
                        stream.drain(log, sender);
                    }
                    return Ok(exit);
                }
                read = out.pipe.read_buf(&mut out.held), if out.open => out.take(read, log, sender),
                read = err.pipe.read_buf(&mut err.held), if err.open => err.take(read, log, sender),
            }
        }
    }

    fn step_failed(
        &self,
        name: &str,
        exit: ExitStatus,
        output: &str,
        log: &InstallerLog,
    ) -> EnvironmentError {
        let ended = match exit {
            ExitStatus::Code(code) => format!("exit code {code}"),
            ExitStatus::Signal(signal) => format!("signal {signal}"),
            ExitStatus::Unknown => "an unknown end".to_owned(),
        };
        let reason = installer_output::reason(output);
        let reason = if reason.is_empty() { ended } else { reason };
        let Requirements { file, .. } = self.requirements;
        let mut hint = format!("the whole output is in {}", log.path.display());
        if name == "python -m venv" && reason.contains("ensurepip") {
            hint.insert_str(0, "install `uv`, or on Debian and Ubuntu `python3-venv`; ");
        } else if name == "uv venv" && !self.builder.config.python_allows(self.requirements) {
            hint.insert_str(0, &format!("install a Python that `requires-python` in `{file}` allows; "));
        } else {
            hint.insert_str(0, &format!("check the dependencies in `{file}`; "));
        }
        self.failure(&format!("could not be made: `{name}` failed: {reason}"), &hint, Some(output))
    }

    /// What happened to the environment of these requirements.
    fn failure(&self, what: &str, hint: &str, output: Option<&str>) -> EnvironmentError {
        let Requirements { file, dependencies, .. } = self.requirements;
        let blamed: Vec<String> = output
            .map(|output| dependencies.iter().filter(|wanted| blames(output, wanted)).collect::<Vec<_>>())
            .unwrap_or_default()
            .into_iter()
            .map(|wanted| format!("`{}`", installer_output::without_passwords(wanted)))
            .collect();
        let about = if blamed.is_empty() { String::new() } else { format!(" ({})", blamed.join(", ")) };
        EnvironmentError {
            message: format!("the environment that `{file}` asks for{about} {what}"),
            hint: hint.to_owned(),
            output: output.map(|output| installer_output::without_passwords(output).into_owned()),
            closing: false,
        }
    }
}

/// The log of the last attempt to make the environment of that name, and why it failed; `None` when it did not.
pub fn last_failure(folder: &Path, name: &str) -> Option<(PathBuf, String)> {
    let log = log_path(&folder.join(name));
    let reason = installer_output::reason(&std::fs::read_to_string(&log).ok()?);
    Some((log, reason))
}

/// Where all that the installers of an environment said is kept until they succeed.
fn log_path(folder: &Path) -> PathBuf {
    folder.with_extension("log")
}

/// Refuses what no interpreter at hand can do.
pub(crate) fn check_python(
    config: &EnvironmentConfig,
    requirements: &Requirements,
) -> Result<(), EnvironmentError> {
    if config.uv.is_some() || config.python_allows(requirements) {
        return Ok(());
    }
    let [major, minor, micro] = config.python_version;
    let Requirements { file, python, .. } = requirements;
    let message = format!(
        "`{file}` wants Python `{}`, and `{}` is {major}.{minor}.{micro}",
        python.as_deref().unwrap_or_default(),
        config.interpreter.display()
    );
    let hint = "name another one with `--python PATH`, or install `uv`, which finds those that are installed";
    Err(EnvironmentError::new(message, hint))
}

/// Refuses what would run or take what the skill's author chose, where the user has not allowed that.
pub(crate) fn check_sources(
    config: &EnvironmentConfig,
    requirements: &Requirements,
    skill_dir: &Path,
) -> Result<(), EnvironmentError> {
    let Some(hint) = &config.builds_refused else { return Ok(()) };
    let refused = |file: &str, what: String| {
        EnvironmentError::new(format!("`{file}` takes {what}, and its skill is not trusted"), hint.clone())
    };
    if let Some(address) =
        requirements.dependencies.iter().find(|dependency| sources::address(dependency).is_some())
    {
        return Err(refused(
            &requirements.file,
            format!("`{}`", installer_output::without_passwords(address).escape_debug()),
        ));
    }
    if requirements.locked.is_some() {
        let path = skill_dir.join(LOCK_FILE);
        let text =
            std::fs::read_to_string(&path).map_err(|error| EnvironmentError::unusable(&path, &error))?;
        if let Some(foreign) = sources::foreign(&text) {
            return Err(refused(LOCK_FILE, installer_output::without_passwords(&foreign).into_owned()));
        }
    }
    Ok(())
}

/// Whether an installer's error names the package of a dependency.
fn blames(output: &str, dependency: &str) -> bool {
    let end = dependency.find(|sign: char| !(sign.is_ascii_alphanumeric() || "._-".contains(sign)));
    let name = dependency.get(..end.unwrap_or(dependency.len())).unwrap_or(dependency);
    installer_output::reason(output).contains(name)
}

/// A command line for a log, without passwords.
fn shown(argv: &[std::ffi::OsString]) -> String {
    let words: Vec<_> = argv.iter().map(|word| word.to_string_lossy()).collect();
    installer_output::without_passwords(&words.join(" ")).into_owned()
}

/// All that the installers said, in a file and, as far as an error needs it, in memory.
struct InstallerLog {
    path: PathBuf,
    file: File,
    text: String,
}

impl InstallerLog {
    fn new(path: &Path) -> io::Result<InstallerLog> {
        Ok(InstallerLog { path: path.to_owned(), file: store::create(path)?, text: String::new() })
    }

    fn line(&mut self, line: &str) {
        // A full disk will be heard of elsewhere.
        let _ = writeln!(self.file, "{}", installer_output::without_passwords(line));
        if self.text.len() < OUTPUT_BYTES_MAX {
            self.text.push_str(line);
            self.text.push('\n');
        }
    }
}

/// One pipe of an installer, cut into lines.
struct InstallerStream {
    pipe: pipe::Receiver,
    open: bool,
    held: Vec<u8>,
}

impl InstallerStream {
    fn new(pipe: pipe::Receiver) -> InstallerStream {
        InstallerStream { pipe, open: true, held: Vec::new() }
    }

    fn take(&mut self, read: io::Result<usize>, log: &mut InstallerLog, sender: &mut ProgressSender<'_>) {
        self.open = read.is_ok_and(|length| length > 0);
        let end = self.held.iter().rposition(|byte| matches!(byte, b'\n' | b'\r'));
        let length = match end {
            Some(end) => end + 1,
            None if self.held.len() > LINE_BYTES_MAX => self.held.len(),
            None => return,
        };
        let whole: Vec<u8> = self.held.drain(..length).collect();
        said_lines(&whole, log, sender);
    }

    /// Takes in what a process left behind that has ended. What holds the pipe open besides is not waited for.
    fn drain(&mut self, log: &mut InstallerLog, sender: &mut ProgressSender<'_>) {
        while matches!(self.pipe.try_read_buf(&mut self.held), Ok(length) if length > 0) {}
        said_lines(&std::mem::take(&mut self.held), log, sender);
    }
}

fn said_lines(bytes: &[u8], log: &mut InstallerLog, sender: &mut ProgressSender<'_>) {
    for line in String::from_utf8_lossy(bytes).split(['\n', '\r']).filter(|line| !line.trim().is_empty()) {
        log.line(line.trim_end());
        sender.hear(line);
    }
}
