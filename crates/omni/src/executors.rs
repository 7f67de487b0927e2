//! The executors that this binary has, and how they are made.

mod environment_rollover;
mod interpreter;
mod ready;
mod sets;
mod setup;

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use omni_call::{BoxFuture, Executor, ExecutorKind, ServerExecutor, SkillChange, Trust};
use omni_catalog::Snapshot;
use omni_exec::{ChoiceRules, ExecutorChoice, ExecutorProvider, Files, Native, Runner, StartRefusal};
use tokio::sync::OnceCell;

use crate::native::{self, NativeTools};
use crate::settings::{Places, RunSettings};
use crate::{environments, variables};
use ready::ReadyExecutors;
use setup::ExecutorSetup;

pub(crate) use environment_rollover::PrepareAhead;
pub(crate) use setup::{LAUNCHER, environments, fork_borders};

/// Every way to run a tool, made ready by the first call: a client that only lists never starts Python,
/// nor even looks for one.
pub(crate) struct Executors {
    setup: Arc<ExecutorSetup>,
    ready: OnceCell<ReadyExecutors>,
    /// Needs no Python here.
    runner: Option<Arc<Runner>>,
    /// Nor does it.
    native: Native,
    /// Reads the files of skills.
    files: Files,
    /// Tools are run here also where none asks for it.
    warms: bool,
}

impl Executors {
    /// # Errors
    ///
    /// When the settings name a tool of omni's own that there is not.
    pub(crate) fn new(places: &Arc<Places>, settings: &RunSettings) -> Result<Arc<Self>> {
        let runner = places.runner.as_ref().map(|runner| runner.connect_with(&settings.bounds));
        Self::with(ExecutorSetup::new(places, settings), runner, places.runs_here(), places, settings)
    }

    fn with(
        setup: ExecutorSetup,
        runner: Option<Arc<Runner>>,
        warms: bool,
        places: &Arc<Places>,
        settings: &RunSettings,
    ) -> Result<Arc<Self>> {
        let native = native::executor(&NativeTools::named(&places.file.native_tools)?, places, settings);
        let (setup, ready) = (Arc::new(setup), OnceCell::new());
        // One read gives as much as a result of a tool may have.
        let files = Files::new(settings.bounds.result_bytes_max);
        Ok(Arc::new(Executors { setup, ready, runner, native, files, warms }))
    }

    /// The executors of a process that is itself a runner: a tool that asks for a runner runs like one that names no
    /// executor.
    pub(crate) fn of_runner(places: &Arc<Places>, settings: &RunSettings) -> Result<Arc<Self>> {
        let own = settings.executor.unwrap_or_default();
        if own == ExecutorKind::Runner {
            let written = variables::written("executor", "runner");
            bail!("{written}: this is the runner; name the executor that it shall run tools with");
        }
        Self::with(ExecutorSetup::of_runner(places, settings, own), None, true, places, settings)
    }

    /// Has no call run the code that is outdated by these changes any more, but those that have begun: they end where they
    /// run. Takes effect when the future is polled first, so that a new snapshot may take effect right after that; nobody has
    /// to wait for its end, when no process that has imported outdated code takes a call any more.
    pub(crate) async fn renew(&self, changes: &[SkillChange]) {
        if let Some(ready) = self.ready.get() {
            tokio::join!(ready.common.renew(changes), ready.sets.renew(changes));
        }
    }

    /// The executor that chooses among these for each call.
    pub(crate) fn choice(self: &Arc<Self>) -> ExecutorChoice<Arc<Self>> {
        let trust = &self.setup.trust;
        let rules = ChoiceRules {
            instead_of_runner: self.setup.instead_of_runner,
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
        if !self.setup.trust.trusted {
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
            // A skill that shares no process is imported by workers of its own, which start with its first call.
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
        if !self.warms || !self.setup.trust.trusted {
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

    /// Takes note that the snapshot `now` has followed `before`: new environments are made aside, `ahead` of calls where the
    /// skills are trusted, and those that nobody wants any more go.
    pub(crate) async fn environments_changed(
        &self,
        before: Arc<Snapshot>,
        now: Arc<Snapshot>,
        ahead: PrepareAhead,
    ) {
        if !self.warms {
            return;
        }
        let Some(ready) = self.ready.get() else {
            // Nothing has run yet, so nothing serves meanwhile.
            if ahead == PrepareAhead::Everything {
                self.prepare_environments(now).await;
            }
            return;
        };
        let ahead = if self.setup.trust.trusted { ahead } else { PrepareAhead::Nothing };
        let rollover = Arc::clone(&ready.rollover);
        let runtime = tokio::runtime::Handle::current();
        // Parses tools.
        let look = move || {
            let _here = runtime.enter();
            rollover.changed(&before, &now, ahead);
        };
        if let Err(error) = tokio::task::spawn_blocking(look).await {
            tracing::error!(%error, "bug: looking for new requirements failed");
        }
    }

    async fn find_python(&self) -> Result<&ReadyExecutors> {
        self.ready
            .get_or_try_init(|| async {
                let setup = self.setup.clone();
                // Lays out files and may start Python to ask for its version.
                tokio::task::spawn_blocking(move || ReadyExecutors::of(&setup)).await.context("bug")?
            })
            .await
    }
}

impl ExecutorProvider for Executors {
    type Sets = ReadyExecutors;

    fn standing(&self, executor: ServerExecutor) -> Option<&dyn Executor> {
        match executor {
            ServerExecutor::Runner => self.runner.as_deref().map(|runner| runner as &dyn Executor),
            ServerExecutor::Native => Some(&self.native),
            ServerExecutor::File => Some(&self.files),
        }
    }

    fn ready(&self) -> Option<&ReadyExecutors> {
        self.ready.get()
    }

    fn make_ready(&self) -> BoxFuture<'_, Result<&ReadyExecutors, StartRefusal>> {
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
            self.files.shut_down().await;
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
