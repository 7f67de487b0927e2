//! `embedded`: calls in an interpreter that is part of the server's own process.
//!
//! Nothing can be killed there: a call that crashes ends the server, and one that does not end goes on for ever. So a
//! skill has to ask for it. What the executor does promise is said at [`Embedded`].

mod check;
mod control;
mod inbox;
mod interpreter;
mod py_thread;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use omni_call::{BoxFuture, Call, CallPort, Executor, ExecutorKind, Outcome, OutcomeKind};
use tokio::sync::{OnceCell, watch};

use crate::attempt::{AttemptCounter, AttemptFacts, conclude};
use crate::bounds::SHUTDOWN_GRACE;
use crate::call_slot::CallSlot;
use crate::executor_processes::ExecutorProcesses;
use crate::outcome::unstarted;
use crate::within::within;
use crate::{Embedding, ExecConfig};
use interpreter::{EmbeddedCall, EmbeddedInterpreter};

pub use check::check_embedding;

/// The interpreter inside this process.
///
/// It starts with the first call, on threads of its own. Plain calls run on a few of its threads, async ones on one
/// thread with an event loop; all share the interpreter lock. A plain call that waits for its client has a thread beside
/// those few. In a call that has to end, `CallCancelled` is raised; 250
/// ms later its caller gets the outcome, whether the call has ended or not. A thread that a call goes on blocking is
/// replaced by another. While a call holds the interpreter lock and does not give it back, the interpreter counts as
/// wedged, and other calls go to `instead`.
pub struct Embedded {
    config: Arc<ExecConfig>,
    embedding: Embedding,
    /// Starts nothing. It marks the processes that tools start here, so that they can be found and ended.
    processes: Arc<ExecutorProcesses>,
    interpreter: OnceCell<Result<Arc<EmbeddedInterpreter>, String>>,
    /// Runs calls while the interpreter is wedged.
    instead: Arc<dyn Executor>,
    /// How many calls run or wait for a thread. Not those that wait for their clients.
    calls: AtomicUsize,
    closed: watch::Sender<bool>,
}

/// What came of handing over a call.
enum HandOverResult {
    Over(EmbeddedCall),
    /// The interpreter is wedged.
    Elsewhere,
    Refused(Box<Outcome>),
}

impl Embedded {
    /// The interpreter of `config`, not yet started.
    pub fn new(config: Arc<ExecConfig>, embedding: Embedding, instead: Arc<dyn Executor>) -> Self {
        Embedded {
            processes: ExecutorProcesses::new(Arc::clone(&config)),
            config,
            embedding,
            interpreter: OnceCell::new(),
            instead,
            calls: AtomicUsize::new(0),
            closed: watch::Sender::new(false),
        }
    }

    async fn run_open(&self, call: Call, events: &mut dyn CallPort) -> Outcome {
        let Some(mut count) = CallCount::new(self) else {
            return unstarted(&call, OutcomeKind::BUSY);
        };
        let mut closed = self.closed.subscribe();
        let accepted = call.deadline.accepted();
        tokio::select! {
            biased;
            outcome = self.run_call(call, &mut count, events) => outcome,
            _ = closed.wait_for(|closed| *closed) => {
                Outcome::unstarted(OutcomeKind::Shutdown, Instant::now().duration_since(accepted))
            }
        }
    }

    async fn run_call(
        &self,
        mut call: Call,
        count: &mut CallCount<'_>,
        events: &mut dyn CallPort,
    ) -> Outcome {
        let mut attempts = AttemptCounter::default();
        loop {
            match self.hand_over(&call).await {
                HandOverResult::Over(mut embedded_call) => {
                    let result = embedded_call.finish(&mut call, events, count).await;
                    let closing = *self.closed.borrow();
                    // There is another attempt only when the thread was given up. The same thread would skip the call
                    // again.
                    if !attempts.should_retry(
                        &call,
                        &result,
                        &embedded_call,
                        closing || !embedded_call.thread_closed(),
                    ) {
                        let facts =
                            AttemptFacts { config: &self.config, attempt: attempts.number(), closing };
                        return conclude(&mut embedded_call, &call, result, facts).await;
                    }
                }
                HandOverResult::Refused(outcome) => return *outcome,
                HandOverResult::Elsewhere => break,
            }
        }
        let mut outcome = self.instead.run(call, events).await;
        if let OutcomeKind::Finished(result) = outcome.kind {
            outcome.kind = OutcomeKind::Finished(result.with_meta("omni/executor", "\"pool\""));
        }
        outcome
    }

    /// Hands the call to a thread, if there is one before its time is up.
    async fn hand_over(&self, call: &Call) -> HandOverResult {
        let refused = |kind| HandOverResult::Refused(Box::new(unstarted(call, kind)));
        let handing = async {
            let interpreter = match self.interpreter().await {
                Ok(interpreter) => interpreter,
                Err(message) => return refused(no_interpreter(message)),
            };
            if call.spec.keep_temp {
                self.processes.keep_embedded_temp();
            }
            match interpreter.begin(call).await {
                None => HandOverResult::Elsewhere,
                Some(Ok(embedded_call)) => HandOverResult::Over(embedded_call),
                Some(Err(error)) => refused(no_interpreter(&format!("a thread cannot be started: {error}"))),
            }
        };
        within(&call.deadline, handing).await.unwrap_or_else(refused)
    }

    async fn interpreter(&self) -> Result<&Arc<EmbeddedInterpreter>, &String> {
        let start = || {
            let (config, processes) = (Arc::clone(&self.config), Arc::clone(&self.processes));
            let embedding = self.embedding.clone();
            async move {
                // In a task of its own: other calls may wait for this start, and must not lose it when this call is
                // cancelled.
                let starting =
                    tokio::spawn(
                        async move { EmbeddedInterpreter::start(&config, &processes, &embedding).await },
                    );
                starting.await.unwrap_or_else(|bug| Err(bug.to_string()))
            }
        };
        self.interpreter.get_or_init(start).await.as_ref()
    }
}

fn no_interpreter(message: &str) -> OutcomeKind {
    OutcomeKind::WorkerStart {
        message: format!("the interpreter inside the server does not start: {message}"),
        hint: "`omni doctor` says more; `executor: pool` needs no interpreter inside".into(),
    }
}

/// Counts a call among those that have not ended, of which there may be `queue_max` that do not wait for their clients.
struct CallCount<'a> {
    embedded: &'a Embedded,
    released: bool,
}

impl<'a> CallCount<'a> {
    fn new(embedded: &'a Embedded) -> Option<Self> {
        let before = embedded.calls.fetch_add(1, Ordering::Relaxed);
        let counted = CallCount { embedded, released: false };
        (before < embedded.config.queue_max).then_some(counted)
    }
}

impl CallSlot for CallCount<'_> {
    fn executor(&self) -> ExecutorKind {
        ExecutorKind::Embedded
    }

    fn release(&mut self) {
        if !std::mem::replace(&mut self.released, true) {
            self.embedded.calls.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn reacquire(&mut self) {
        if std::mem::replace(&mut self.released, false) {
            self.embedded.calls.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for CallCount<'_> {
    fn drop(&mut self) {
        self.release();
    }
}

impl Executor for Embedded {
    fn run<'a>(&'a self, call: Call, events: &'a mut dyn CallPort) -> BoxFuture<'a, Outcome> {
        let refused = |outcome| -> BoxFuture<'a, Outcome> { Box::pin(std::future::ready(outcome)) };
        if *self.closed.borrow() {
            return refused(unstarted(&call, OutcomeKind::Shutdown));
        }
        Box::pin(self.run_open(call, events))
    }

    fn shut_down(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            if self.closed.send_replace(true) {
                return;
            }
            if let Some(Ok(interpreter)) = self.interpreter.get() {
                interpreter.shut_down(SHUTDOWN_GRACE).await;
            }
            self.processes.terminate_all(Duration::ZERO).await;
        })
    }
}
