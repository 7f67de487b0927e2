//! How a worker is started: its process, the first frame to it, and the frame that says that it is ready.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use omni_process::{ExitStatus, StartError};
use tokio::time::{Sleep, sleep};

use super::Worker;
use super::python_command::{FORK_PARENT, python_main_args};
use crate::ExecConfig;
use crate::bounds::DEATH_GRACE;
use crate::executor_processes::{ExecutorProcesses, PythonCommand};
use crate::start_failure::StartFailure;
use crate::wire::{self, WireError, WorkerMessage, WorkerMode};

impl Worker {
    /// Starts a process and waits until it says that it is ready. `permit` is dropped when the process is
    /// gone. Dropping the future kills the process.
    pub(crate) async fn start(
        processes: &Arc<ExecutorProcesses>,
        mode: WorkerMode,
        permit: Box<dyn Send>,
    ) -> Result<Self, StartFailure> {
        Worker::start_module(processes, "omni.worker", mode, permit).await
    }

    /// As [`start`](Self::start), with the function `main` of another module.
    pub(crate) async fn start_module(
        processes: &Arc<ExecutorProcesses>,
        module: &str,
        mode: WorkerMode,
        permit: Box<dyn Send>,
    ) -> Result<Self, StartFailure> {
        let python =
            PythonCommand { args: python_main_args(module), env: Vec::new(), forks: module == FORK_PARENT };
        let mut worker = Worker::launch(processes, python, mode, permit).await.map_err(StartFailure::from)?;
        let config = processes.config();
        match tokio::time::timeout(config.ready_timeout, worker.wait_ready()).await {
            Ok(Ok(())) => Ok(worker),
            Ok(Err(reason)) => Err(worker.start_failure(config, &reason, processes.closing())),
            Err(_) => {
                let reason = format!("was not ready after {} s", config.ready_timeout.as_secs_f64());
                Err(worker.start_failure(config, &reason, processes.closing()))
            }
        }
    }

    /// Starts a process and sends it the first frame.
    pub(crate) async fn launch(
        processes: &Arc<ExecutorProcesses>,
        python: PythonCommand,
        mode: WorkerMode,
        permit: Box<dyn Send>,
    ) -> Result<Self, StartError> {
        let started = processes.start_python(python, permit).await?;
        Worker::assemble(started, processes.config(), mode)
    }

    /// Waits for the first frame. The error says, after `it`, what happened instead.
    async fn wait_ready(&mut self) -> Result<(), String> {
        let mut closed: Option<Pin<Box<Sleep>>> = None;
        poll_fn(|cx| {
            self.output.poll_unattributed(cx);
            let _ = self.channel.poll_flush(cx);
            if closed.is_none()
                && let Poll::Ready(frame) = self.channel.poll_frame(cx)
            {
                match frame {
                    Ok(length) => {
                        let ready = readiness(self.channel.body(length).bytes());
                        self.channel.consume(length);
                        return Poll::Ready(ready);
                    }
                    Err(WireError::Closed | WireError::Io(_)) => closed = Some(Box::pin(sleep(DEATH_GRACE))),
                    Err(error) => return Poll::Ready(Err(error.to_string())),
                }
            }
            if let Poll::Ready(exit) = self.process.poll_exit(cx) {
                return Poll::Ready(Err(before_ready(exit)));
            }
            match closed.as_mut().map(|grace| grace.as_mut().poll(cx)) {
                Some(Poll::Ready(())) => {
                    Poll::Ready(Err("closed its control channel before it was ready".into()))
                }
                Some(Poll::Pending) | None => Poll::Pending,
            }
        })
        .await
    }

    /// Has the worker import what `frame` names, and waits until it says that it is ready again. The error says what
    /// happened instead.
    pub(crate) async fn preload(&mut self, frame: &str, patience: Duration) -> Result<(), String> {
        wire::push_body(self.channel.outbox(), frame.as_bytes());
        self.channel.flush_now();
        match tokio::time::timeout(patience, self.wait_ready()).await {
            Ok(ready) => ready,
            Err(_) => Err(format!("was not ready after {} s", patience.as_secs_f64())),
        }
    }

    /// What to say of a process that ended before it said that it was ready; `None` when it did say so.
    pub(crate) fn never_ready(&self, config: &ExecConfig, exit: ExitStatus) -> Option<StartFailure> {
        (!self.ready).then(|| self.start_failure(config, &before_ready(exit), false))
    }

    fn start_failure(&self, config: &ExecConfig, reason: &str, closing: bool) -> StartFailure {
        let stderr = self.output.stderr_tail();
        let python = config.interpreter.path.display();
        let last = stderr.as_deref().and_then(|text| text.trim_end().lines().next_back());
        let message = match last {
            Some(line) => format!("`{python}` {reason}: {line}"),
            None => format!("`{python}` {reason}"),
        };
        let hint = format!("try `{python} -c pass`, and `omni doctor` for more").replace('\n', " ");
        StartFailure { message, hint, stderr, closing }
    }
}

fn before_ready(exit: ExitStatus) -> String {
    match exit {
        ExitStatus::Code(code) => format!("ended with exit code {code} before it was ready"),
        ExitStatus::Signal(signal) => format!("was ended by signal {signal} before it was ready"),
        ExitStatus::Unknown => "ended before it was ready".to_owned(),
    }
}

/// Reads the first frame of a worker.
fn readiness(body: &[u8]) -> Result<(), String> {
    match wire::decode(body) {
        Ok(WorkerMessage::Ready(ready)) if ready.proto == wire::PROTO => Ok(()),
        Ok(WorkerMessage::Ready(ready)) => Err(format!(
            "speaks version {} of the worker protocol, not {}; its `omni` package is from another release",
            ready.proto,
            wire::PROTO
        )),
        Ok(_) => Err("did not begin with `ready`".into()),
        Err(error) => Err(error.to_string()),
    }
}
