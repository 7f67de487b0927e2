//! `spawn`: a process of its own for every call, started from nothing: like `python -m omni.skills.run SKILL COMMAND
//! --args JSON`, or any program.

mod program;
mod report;

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use omni_call::{BoxFuture, Call, CallPort, Executor, Outcome, Target};

use crate::ExecConfig;
use crate::bounds::SHUTDOWN_GRACE;
use crate::children::{Children, Python};
use crate::outcome::{start_failed, unstarted};
use crate::own_process::{Capacity, CapacityPermit, concluded, end_aside};
use crate::start_failure::StartFailure;
use crate::wire::{Mode, Terms};
use crate::worker::{Worker, main_of};

/// Arguments longer than this travel in the call frame: the kernel takes 128 KiB for one argument.
const ARGV_BYTES_MAX: usize = 100 << 10;

/// Runs each call in a process of its own, `spawned_max` at a time.
///
/// Needs a tokio runtime while calls run. Dropping it kills nothing by itself: every process belongs to its
/// call, and ends when that is dropped.
pub struct Spawn {
    children: Arc<Children>,
    capacity: Capacity,
}

impl Spawn {
    /// An executor without processes.
    pub fn new(config: Arc<ExecConfig>) -> Self {
        let capacity = Capacity::new(&config, config.shared.spawned(config.spawned_max));
        Spawn { children: Children::new(config), capacity }
    }

    async fn run_once(&self, mut call: Call, events: &mut dyn CallPort) -> Outcome {
        let permit = match self.capacity.acquire(&call).await {
            Ok(permit) => permit,
            Err(kind) => return unstarted(&call, kind),
        };
        let spec = Arc::clone(&call.spec);
        if let Target::Program(program) = &spec.target {
            return program::run(&self.children, call, program, permit, events).await;
        }
        let started = Worker::launch(&self.children, python(&call), Mode::Sync, Box::new(()));
        let worker = match started.await {
            Ok(worker) => Box::new(worker),
            Err(failure) => return start_failed(&call, &StartFailure::from(failure)),
        };
        let mut run = Run { worker: Some(worker), permit: Some(permit) };
        run.worker().begin(&call, Terms::of(&call, 1));
        let end = run.worker().finish(&mut call.deadline, events).await;
        concluded(&self.children, &call, run.worker(), end).await
    }
}

/// The command line of a call.
fn python(call: &Call) -> Python {
    let arguments: OsString = match std::str::from_utf8(call.arguments()) {
        Ok(arguments) if arguments.len() <= ARGV_BYTES_MAX => arguments.into(),
        _ => "-".into(),
    };
    let spec = &call.spec;
    let mut python = Python { args: main_of("omni.skills.run"), env: Vec::new(), forks: false };
    python.args.extend([spec.skill.clone().into(), spec.command.clone().into(), "--args".into(), arguments]);
    if let Some(skills) = spec.target.dir().and_then(Path::parent) {
        python.env.push(("OMNI_SKILLS", skills.into()));
    }
    python
}

impl Executor for Spawn {
    fn run<'a>(&'a self, call: Call, events: &'a mut dyn CallPort) -> BoxFuture<'a, Outcome> {
        Box::pin(self.run_once(call, events))
    }

    fn shut_down(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.capacity.close();
            self.children.end_all(SHUTDOWN_GRACE).await;
        })
    }
}

/// One call's process. Dropping it ends the process, in a task of its own.
struct Run {
    /// Taken only by `drop`.
    worker: Option<Box<Worker>>,
    permit: Option<CapacityPermit>,
}

impl Run {
    fn worker(&mut self) -> &mut Worker {
        self.worker.as_mut().expect("a run has its process until it is dropped")
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if let Some(worker) = self.worker.take() {
            end_aside(worker, self.permit.take());
        }
    }
}
