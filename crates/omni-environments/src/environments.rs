//! The environments of one server: which are ready, which are being made, and who waits for one.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use omni_call::{Call, Event, EventSink, Expired, Requirements};
use omni_process::{BackoffDelays, Failures, ProcessLimits, ProcessTable, SHUTDOWN_GRACE};
use tokio::sync::watch;
use tokio::time::sleep_until;

use crate::build::{self, BuildStage, EnvironmentBuilder};
use crate::config::EnvironmentConfig;
use crate::error::EnvironmentError;
use crate::installer_output::{self, BuildProgress};
use crate::sources;
use crate::store::{self, Environment};

/// How soon making an environment is tried again after it failed: it takes seconds, and a network.
const RETRY_DELAYS: BackoffDelays =
    BackoffDelays { min: Duration::from_secs(10), max: Duration::from_secs(600) };

/// How often a caller hears that a long step goes on.
const STILL_EVERY: Duration = Duration::from_secs(5);

/// The environments of one server. Needs a tokio runtime where it is asked for one.
///
/// Several servers may share a folder: each environment is made by one of them, and the others wait.
#[derive(Clone, Debug)]
pub struct Environments {
    shared: Arc<EnvironmentsInner>,
}

#[derive(Debug)]
struct EnvironmentsInner {
    builder: EnvironmentBuilder,
    state: Mutex<EnvironmentsState>,
}

#[derive(Debug, Default)]
struct EnvironmentsState {
    /// By name.
    ready: HashMap<String, Arc<Environment>>,
    making: HashMap<String, watch::Receiver<BuildStage>>,
    failures: HashMap<String, Failures<EnvironmentError>>,
}

/// Why a call gets no environment.
#[derive(Clone, Debug)]
pub enum NoEnvironment {
    /// It cannot be made.
    Failed(Arc<EnvironmentError>),
    /// The call's total time was up before it was made. Others may still get it.
    TimedOut {
        /// What the call had.
        limit: Duration,
    },
}

/// What was found by somebody who wants an environment.
enum Lookup {
    Ready(Arc<Environment>),
    Making(watch::Receiver<BuildStage>),
    Failed(Arc<EnvironmentError>),
}

impl Environments {
    pub fn new(config: EnvironmentConfig) -> Self {
        // Limits are for what tools do; an installer is not one.
        // Nor has it a use for what tools are given of the environment, which may be secrets.
        let mut process = config.process.clone();
        process.limits = ProcessLimits::default();
        process.env_allowed.clear();
        process.root.clone_from(&config.folder);
        let builder = EnvironmentBuilder { config, processes: ProcessTable::new(process) };
        Environments { shared: Arc::new(EnvironmentsInner { builder, state: Mutex::default() }) }
    }

    /// Whether the requirements want an environment at all: where nothing is to be installed and the
    /// interpreter at hand will do, it does.
    pub fn wanted(&self, requirements: &Requirements) -> bool {
        !requirements.dependencies.is_empty() || !self.shared.builder.config.python_allows(requirements)
    }

    /// The name of the folder for these requirements.
    pub fn name(&self, requirements: &Requirements) -> String {
        self.shared.name(requirements)
    }

    /// The folder that holds them all.
    pub fn folder(&self) -> &Path {
        &self.shared.builder.config.folder
    }

    /// What makes them, for people.
    pub fn installer(&self) -> String {
        match &self.shared.builder.config.uv {
            Some(uv) => format!("uv ({})", uv.display()),
            None => "pip, since there is no `uv`".to_owned(),
        }
    }

    /// Whether packages may be built from source.
    pub fn may_build(&self) -> bool {
        self.shared.builder.config.builds_refused.is_none()
    }

    /// The dependencies that come from an address instead of an index, without passwords.
    pub fn own_sources(&self, requirements: &Requirements) -> Vec<String> {
        let own =
            requirements.dependencies.iter().filter(|dependency| sources::address(dependency).is_some());
        own.map(|dependency| installer_output::without_passwords(dependency).into_owned()).collect()
    }

    /// Why the environment for these requirements cannot be made, as far as that is known beforehand.
    pub fn obstacle(&self, requirements: &Requirements, skill_dir: &Path) -> Option<EnvironmentError> {
        let config = &self.shared.builder.config;
        let allowed = build::check_python(config, requirements)
            .and_then(|()| build::check_sources(config, requirements, skill_dir));
        allowed.err()
    }

    /// The environment for a call. Makes it when it is not there, and waits for it within the call's total time
    /// limit: an installer may be silent for longer than a tool may. A caller who asked for progress hears of
    /// every step, and every few seconds that it goes on.
    ///
    /// Dropping the future leaves the making to itself: another call will want the result.
    ///
    /// # Errors
    ///
    /// Why the call cannot run.
    pub async fn for_call(
        &self,
        call: &mut Call,
        requirements: &Requirements,
        events: &mut dyn EventSink,
    ) -> Result<Arc<Environment>, NoEnvironment> {
        // What needs something installed stands in a skill's folder.
        let dir = call.spec.target.dir().unwrap_or_else(|| Path::new(""));
        let mut stage = match self.shared.find(requirements, dir) {
            Lookup::Ready(environment) => return Ok(environment),
            Lookup::Failed(failure) => return Err(NoEnvironment::Failed(failure)),
            Lookup::Making(stage) => stage,
        };
        let mut reporter = ProgressReporter::default();
        loop {
            let next = Instant::now() + STILL_EVERY;
            let alarm = call.deadline.next().map_or(next, |end| end.min(next));
            let changed = tokio::select! {
                changed = stage.changed() => changed.is_ok(),
                () = sleep_until(alarm.into()) => true,
            };
            let now = Instant::now();
            if let Some(Expired::Total { limit }) = call.deadline.expired(now) {
                return Err(NoEnvironment::TimedOut { limit });
            }
            call.deadline.beat(now);
            events.alive();
            let current = stage.borrow_and_update().clone();
            match current {
                BuildStage::Done(Ok(environment)) => return Ok(environment),
                BuildStage::Done(Err(failure)) => return Err(NoEnvironment::Failed(failure)),
                BuildStage::Making(_) if !changed => {
                    return Err(NoEnvironment::Failed(Arc::new(EnvironmentError::abandoned())));
                }
                BuildStage::Making(progress) if call.wants.progress => {
                    if let Some(event) = reporter.event(&progress, now) {
                        events.event(event);
                    }
                }
                BuildStage::Making(_) => {}
            }
        }
    }

    /// The environment for these requirements, if it is there and somebody here has had it. Makes nothing, and looks no
    /// further than at its interpreter.
    pub fn ready(&self, requirements: &Requirements) -> Option<Arc<Environment>> {
        let name = self.shared.name(requirements);
        self.shared.lock().ready(&name)
    }

    /// Lets the environment of that name be removed, once its last user is gone. Who wants it again gets it again.
    pub fn release(&self, name: &str) {
        self.shared.lock().ready.remove(name);
    }

    /// Whether it would be tried now to make the environment for these requirements: it did not fail a moment ago.
    pub fn may_try(&self, requirements: &Requirements) -> bool {
        let name = self.shared.name(requirements);
        self.shared.lock().failures.get(&name).and_then(|failures| failures.forbids(Instant::now())).is_none()
    }

    /// Lets the environment for these requirements be tried again at once, where it could not be made.
    pub fn forget_failure(&self, requirements: &Requirements) {
        let name = self.shared.name(requirements);
        self.shared.lock().failures.remove(&name);
    }

    /// The environment for these requirements, made when it is not there. `skill_dir` is a skill that needs it.
    ///
    /// # Errors
    ///
    /// When it cannot be made; also when that was tried a moment ago.
    pub async fn prepare(
        &self,
        requirements: &Requirements,
        skill_dir: &Path,
        mut report: impl FnMut(&BuildProgress),
    ) -> Result<Arc<Environment>, EnvironmentError> {
        let mut stage = match self.shared.find(requirements, skill_dir) {
            Lookup::Ready(environment) => return Ok(environment),
            Lookup::Failed(failure) => return Err(EnvironmentError::clone(&failure)),
            Lookup::Making(stage) => stage,
        };
        loop {
            let changed = stage.changed().await.is_ok();
            let now = stage.borrow_and_update().clone();
            match now {
                BuildStage::Done(Ok(environment)) => return Ok(environment),
                BuildStage::Done(Err(failure)) => return Err(EnvironmentError::clone(&failure)),
                BuildStage::Making(_) if !changed => return Err(EnvironmentError::abandoned()),
                BuildStage::Making(progress) => report(&progress),
            }
        }
    }

    /// Ends whatever is being made, and waits until it has ended.
    pub async fn shut_down(&self) {
        self.shared.builder.processes.terminate_all(SHUTDOWN_GRACE).await;
    }
}

/// What one caller has been told.
#[derive(Default)]
struct ProgressReporter {
    events: u32,
    /// The step that was told last, and when.
    last: Option<(u32, Instant)>,
}

impl ProgressReporter {
    /// What to tell now, if anything.
    ///
    /// Values must only grow, the tool's own to come included, so these stay close to zero; the text tells the
    /// rest.
    fn event(&mut self, progress: &BuildProgress, now: Instant) -> Option<Event> {
        let since = match self.last {
            Some((number, at)) if number == progress.number => Some(now.duration_since(at)),
            _ => None,
        };
        let message = match since {
            Some(since) if since < STILL_EVERY => return None,
            Some(since) => format!("still {} ({} s)", progress.text, since.as_secs()),
            None => {
                self.last = Some((progress.number, now));
                progress.text.clone()
            }
        };
        if message.is_empty() {
            return None;
        }
        self.events += 1;
        Some(Event::Progress { value: f64::from(self.events) / 1_000.0, total: None, message: Some(message) })
    }
}

impl EnvironmentsState {
    /// One look, so that a cache that somebody cleared costs time and no call.
    fn ready(&mut self, name: &str) -> Option<Arc<Environment>> {
        let environment = self.ready.get(name)?;
        if store::interpreter(&environment.folder).exists() {
            return Some(Arc::clone(environment));
        }
        self.ready.remove(name);
        None
    }
}

impl EnvironmentsInner {
    fn lock(&self) -> MutexGuard<'_, EnvironmentsState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key, and what else decides what is installed: the interpreter and where packages come from.
    fn name(&self, requirements: &Requirements) -> String {
        let EnvironmentConfig { interpreter, python_version: [major, minor, micro], install_args, .. } =
            &self.builder.config;
        let mut hasher = blake3::Hasher::new();
        let mut part = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        part(interpreter.as_os_str().as_encoded_bytes());
        part(format!("{major}.{minor}.{micro}").as_bytes());
        install_args.iter().for_each(|word| part(word.as_bytes()));
        let tag = &hasher.finalize().to_hex()[..8];
        // Another one, of uv's choice.
        let python = if self.builder.config.python_allows(requirements) {
            format!("cp{major}{minor}")
        } else {
            "uv".to_owned()
        };
        format!("{}-{python}-{tag}", requirements.key)
    }

    fn find(self: &Arc<Self>, requirements: &Requirements, skill_dir: &Path) -> Lookup {
        let name = self.name(requirements);
        let mut state = self.lock();
        if let Some(environment) = state.ready(&name) {
            return Lookup::Ready(environment);
        }
        if let Some(stage) = state.making.get(&name) {
            return Lookup::Making(stage.clone());
        }
        if let Some(failure) = state.failures.get(&name).and_then(|failures| failures.forbids(Instant::now()))
        {
            return Lookup::Failed(Arc::clone(failure));
        }
        let (sender, receiver) = watch::channel(BuildStage::Making(BuildProgress::default()));
        state.making.insert(name.clone(), receiver.clone());
        drop(state);
        let (shared, requirements, skill_dir) =
            (Arc::clone(self), requirements.clone(), skill_dir.to_owned());
        tokio::spawn(async move {
            // However the task ends, the next one may begin.
            let _making = MakingGuard { shared: &shared, name: &name };
            let result = build::obtain(&shared.builder, &name, &requirements, &skill_dir, &sender).await;
            let result = shared.note(&name, result);
            sender.send_replace(BuildStage::Done(result));
        });
        Lookup::Making(receiver)
    }

    /// Remembers how making an environment ended.
    fn note(
        &self,
        name: &str,
        result: Result<Environment, EnvironmentError>,
    ) -> Result<Arc<Environment>, Arc<EnvironmentError>> {
        let mut state = self.lock();
        match result {
            Ok(environment) => {
                let environment = Arc::new(environment);
                state.failures.remove(name);
                state.ready.insert(name.to_owned(), Arc::clone(&environment));
                Ok(environment)
            }
            Err(failure) if failure.closing => Err(Arc::new(failure)),
            Err(failure) => {
                // Whoever wants it is told, and says it aloud.
                tracing::debug!(
                    environment = name,
                    error = failure.message,
                    hint = failure.hint,
                    "an environment could not be made"
                );
                Err(state
                    .failures
                    .entry(name.to_owned())
                    .or_insert_with(|| Failures::at(RETRY_DELAYS))
                    .add(failure))
            }
        }
    }
}

/// Says that an environment is being made, until it is dropped.
struct MakingGuard<'a> {
    shared: &'a EnvironmentsInner,
    name: &'a str,
}

impl Drop for MakingGuard<'_> {
    fn drop(&mut self) {
        self.shared.lock().making.remove(self.name);
    }
}
