//! The executors once Python is found, and which set of them a call gets.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use omni_call::{BoxFuture, Call, CallPort, Outcome, OutcomeKind, Requirements};
use omni_environments::{Environment, Environments, NoEnvironment};
use omni_exec::{ExecutorSets, InterpreterExecutors, SetNeeds};

use super::environment_rollover::EnvironmentRollover;
use super::interpreter::executors_of;
use super::sets::EnvironmentSets;
use super::setup::ExecutorSetup;

/// Every set of executors that needs Python.
pub(crate) struct ReadyExecutors {
    /// For tools that need nothing installed.
    pub(super) common: InterpreterExecutors,
    pub(super) environments: Environments,
    /// For tools that need something installed, and for skills that share no process.
    pub(super) sets: Arc<EnvironmentSets>,
    pub(super) rollover: Arc<EnvironmentRollover>,
}

impl ReadyExecutors {
    /// Finds Python, and makes them with it. Lays out files and may start Python to ask for its version; starts no worker.
    pub(super) fn of(setup: &ExecutorSetup) -> Result<ReadyExecutors> {
        let (python, config) = setup.config()?;
        let environments = setup.environments(config.process.clone(), &python)?;
        let config = Arc::new(config);
        let common = executors_of(python.clone(), Arc::clone(&config), setup.cache.clone());
        let sets = EnvironmentSets::new(python, config, setup.cache.clone());
        let rollover = EnvironmentRollover::new(environments.clone(), Arc::clone(&sets));
        Ok(ReadyExecutors { common, environments, sets, rollover })
    }

    /// The environment for a call: what its tool wants, or, while that is not there, the one before where that serves it;
    /// `None` for the interpreter alone.
    async fn environment(
        &self,
        call: &mut Call,
        requirements: &Requirements,
        port: &mut dyn CallPort,
    ) -> Result<Option<Arc<Environment>>, NoEnvironment> {
        if let Some(environment) = self.environments.ready(requirements) {
            return Ok(Some(environment));
        }
        let before = self.rollover.previous(&call.spec);
        if let Some(before) = &before {
            self.rollover.make_for(&call.spec, requirements);
            if before.serves(&call.spec) {
                return Ok(before.environment.clone());
            }
        }
        match (self.environments.for_call(call, requirements, port).await, before) {
            (Ok(environment), _) => Ok(Some(environment)),
            (Err(NoEnvironment::Failed(error)), Some(before)) if !error.closing => Ok(before.environment),
            (Err(none), _) => Err(none),
        }
    }
}

impl ExecutorSets for ReadyExecutors {
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
                Some(requirements) => match self.environment(call, requirements, port).await {
                    Ok(environment) => environment,
                    Err(none) => return Err(Box::new(without_environment(call, none))),
                },
            };
            let skill = needs.own_processes.then_some(spec.skill.as_str());
            let set = self.sets.of(environment.as_ref(), skill);
            set.map_err(|kind| Box::new(unstarted(call, kind)))
        })
    }
}

/// The answer to a call that gets no environment.
fn without_environment(call: &Call, none: NoEnvironment) -> Outcome {
    match none {
        NoEnvironment::TimedOut { limit } => unstarted(call, OutcomeKind::TimedOut { limit }),
        NoEnvironment::Failed(error) if error.closing => unstarted(call, OutcomeKind::Shutdown),
        NoEnvironment::Failed(error) => {
            let (message, hint) = (error.message.clone(), error.hint.clone());
            let mut outcome = unstarted(call, OutcomeKind::WorkerStart { message, hint });
            outcome.stderr.clone_from(&error.output);
            outcome
        }
    }
}

fn unstarted(call: &Call, kind: OutcomeKind) -> Outcome {
    Outcome::unstarted(kind, Instant::now().duration_since(call.deadline.accepted()))
}
