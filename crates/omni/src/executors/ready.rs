//! The executors once Python is found, and which set of them a call gets.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use omni_call::{BoxFuture, Call, CallPort, Outcome, OutcomeKind, Requirements};
use omni_environments::{Environments, NoEnvironment};
use omni_exec::{ExecutorSets, InterpreterExecutors, SetNeeds};

use super::interpreter::executors_of;
use super::sets::EnvironmentSets;
use super::setup::ExecutorSetup;

/// Every set of executors that needs Python.
pub(crate) struct ReadyExecutors {
    /// For tools that need nothing installed.
    pub(super) common: InterpreterExecutors,
    pub(super) environments: Environments,
    /// For those that do, and for skills that share with no other.
    pub(super) sets: Arc<EnvironmentSets>,
}

impl ReadyExecutors {
    /// Finds Python, and makes them with it. Lays out files and may start Python to ask for its version; starts no worker.
    pub(super) fn of(setup: &ExecutorSetup) -> Result<ReadyExecutors> {
        let (python, config) = setup.config()?;
        let environments = setup.environments(config.process.clone(), &python)?;
        let config = Arc::new(config);
        let common = executors_of(python.clone(), Arc::clone(&config), setup.cache.clone());
        Ok(ReadyExecutors {
            common,
            environments,
            sets: EnvironmentSets::new(python, config, setup.cache.clone()),
        })
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
                Some(requirements) => match self.environments.for_call(call, requirements, port).await {
                    Ok(environment) => Some(environment),
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
