//! `spawn`: a new process for every call. It runs the equivalent of `python -m omni.skills.run SKILL COMMAND --args -`, or any
//! program.

mod program;
mod report;

use std::path::Path;
use std::sync::Arc;

use omni_call::{BoxFuture, Call, CallPort, Executor, Outcome, Target};

use crate::ExecConfig;
use crate::attempt::AttemptResult;
use crate::bounds::SHUTDOWN_GRACE;
use crate::call_permits::CallPermit;
use crate::executor_processes::{ExecutorProcesses, PythonCommand};
use crate::outcome::{start_failed, unstarted};
use crate::own_process::{CallCapacity, conclude_own_process, end_in_background};
use crate::start_failure::StartFailure;
use crate::wire::{AttemptInfo, WorkerMode};
use crate::worker::{Worker, python_main_args};

/// Runs each call in a process of its own, `spawned_max` at a time.
///
/// Needs a tokio runtime while calls run. Dropping it kills no running call: every process belongs to its call, and
/// ends when that is dropped.
pub struct Spawn {
    processes: Arc<ExecutorProcesses>,
    capacity: CallCapacity,
}

impl Spawn {
    /// An executor without processes.
    pub fn new(config: Arc<ExecConfig>) -> Self {
        let capacity = CallCapacity::new(&config, config.shared.spawned(config.spawned_max));
        Spawn { processes: ExecutorProcesses::new(config), capacity }
    }

    async fn run_call(&self, mut call: Call, events: &mut dyn CallPort) -> Outcome {
        let permit = match self.capacity.acquire(&call).await {
            Ok(permit) => permit,
            Err(kind) => return unstarted(&call, kind),
        };
        let spec = Arc::clone(&call.spec);
        if let Target::Program(program) = &spec.target {
            return program::run(&self.processes, call, program, permit, events).await;
        }
        let started = Worker::launch(&self.processes, python_command(&call), WorkerMode::Sync, Box::new(()));
        let worker = match started.await {
            Ok(worker) => Box::new(worker),
            Err(failure) => return start_failed(&call, &StartFailure::from(failure)),
        };
        let mut run = SpawnedCall { worker: Some(worker), permit: Some(permit) };
        run.worker().begin(&call, AttemptInfo::of(&call, 1));
        let end = run.finish(&mut call, events).await;
        conclude_own_process(&self.processes, &call, run.worker(), end).await
    }
}

/// The command line of a call. It names the tool, for whoever looks for what a machine does, and never its arguments, which stand
/// in the call's frame: every user of the machine can read command lines.
fn python_command(call: &Call) -> PythonCommand {
    let spec = &call.spec;
    let mut python =
        PythonCommand { args: python_main_args("omni.skills.run"), env: Vec::new(), forks: false };
    python.args.extend([spec.skill.clone().into(), spec.command.clone().into(), "--args".into(), "-".into()]);
    if let Some(skills) = spec.target.dir().and_then(Path::parent) {
        python.env.push(("OMNI_SKILLS", skills.into()));
    }
    python
}

impl Executor for Spawn {
    fn run<'a>(&'a self, call: Call, events: &'a mut dyn CallPort) -> BoxFuture<'a, Outcome> {
        Box::pin(self.run_call(call, events))
    }

    fn shut_down(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.capacity.close();
            self.processes.terminate_all(SHUTDOWN_GRACE).await;
        })
    }
}

/// One call's process. Dropping it ends the process, in a task of its own.
struct SpawnedCall {
    /// Taken only by `drop`.
    worker: Option<Box<Worker>>,
    permit: Option<CallPermit>,
}

impl SpawnedCall {
    fn worker(&mut self) -> &mut Worker {
        self.worker.as_mut().expect("a run has its process until it is dropped")
    }

    /// Drives the call to its end.
    async fn finish(&mut self, call: &mut Call, port: &mut dyn CallPort) -> AttemptResult {
        let worker = self.worker.as_mut().expect("a run has its process until it is dropped");
        let permit = self.permit.as_mut().expect("a run has its permit until it is dropped");
        worker.finish(&mut call.deadline, port, permit).await
    }
}

impl Drop for SpawnedCall {
    fn drop(&mut self) {
        if let Some(worker) = self.worker.take() {
            end_in_background(worker, self.permit.take());
        }
    }
}
