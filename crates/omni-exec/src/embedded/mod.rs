//! C: calls in an interpreter that is part of the server's own process.
//!
//! There nothing can be killed: a call that crashes ends the server, and one that does not end is
//! left behind. So a skill has to ask for it, and what can be had of the promises of the other ways is: see
//! [`Embedded`].

mod check;
mod control;
mod guest;
mod mailbox;
mod thread;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use omni_call::{BoxFuture, Call, CallPort, Executor, Outcome, OutcomeKind};
use tokio::sync::{OnceCell, watch};

use crate::attempt::{Attempts, Concluding, conclude};
use crate::bounds::{RETRY_AFTER, SHUTDOWN_GRACE};
use crate::children::Children;
use crate::outcome::unstarted;
use crate::within::within;
use crate::{Embedding, ExecConfig};
use guest::{Guest, Ride};

pub use check::check_embedding;

/// The interpreter inside this process.
///
/// It starts with the first call, on threads of its own. Plain calls run on a few threads of it, async ones on one with
/// an event loop; the interpreter lock is shared by all. A call that has to end gets `CallCancelled` raised; 250 ms
/// later it is answered whether it has ended or not. A thread that does not come back is replaced by another. When
/// the interpreter lock cannot be had, the interpreter counts as wedged, and calls go to `instead` until it can.
pub struct Embedded {
    config: Arc<ExecConfig>,
    embedding: Embedding,
    /// Has no children: it knows what those carry that tools start here, and ends them.
    children: Arc<Children>,
    guest: OnceCell<Result<Arc<Guest>, String>>,
    /// Runs calls while the interpreter is wedged.
    instead: Arc<dyn Executor>,
    /// Calls that wait for a thread or run.
    calls: AtomicUsize,
    closed: watch::Sender<bool>,
}

/// What became of a call.
enum Handed {
    Over(Ride),
    /// The interpreter is wedged.
    Elsewhere,
    Refused(Box<Outcome>),
}

impl Embedded {
    /// The interpreter of `config`, not yet started.
    pub fn new(config: Arc<ExecConfig>, embedding: Embedding, instead: Arc<dyn Executor>) -> Self {
        Embedded {
            children: Children::new(Arc::clone(&config)),
            config,
            embedding,
            guest: OnceCell::new(),
            instead,
            calls: AtomicUsize::new(0),
            closed: watch::Sender::new(false),
        }
    }

    async fn run_open(&self, call: Call, events: &mut dyn CallPort) -> Outcome {
        let Some(_counted) = Counted::new(self) else {
            return unstarted(&call, OutcomeKind::Busy { retry_after: RETRY_AFTER });
        };
        let mut closed = self.closed.subscribe();
        let accepted = call.deadline.accepted();
        tokio::select! {
            biased;
            outcome = self.run_call(call, events) => outcome,
            _ = closed.wait_for(|closed| *closed) => {
                Outcome::unstarted(OutcomeKind::Shutdown, Instant::now().duration_since(accepted))
            }
        }
    }

    async fn run_call(&self, mut call: Call, events: &mut dyn CallPort) -> Outcome {
        let mut attempts = Attempts::default();
        loop {
            match self.hand_over(&call).await {
                Handed::Over(mut ride) => {
                    let result = ride.finish(&mut call, events).await;
                    let closing = *self.closed.borrow();
                    // Elsewhere only when its thread was given up: it would skip the call once more.
                    if !attempts.again(&call, &result, &ride, closing || !ride.abandoned()) {
                        let concluding =
                            Concluding { config: &self.config, attempt: attempts.number(), closing };
                        return conclude(&mut ride, &call, result, concluding).await;
                    }
                }
                Handed::Refused(outcome) => return *outcome,
                Handed::Elsewhere => break,
            }
        }
        let mut outcome = self.instead.run(call, events).await;
        if let OutcomeKind::Finished(result) = outcome.kind {
            outcome.kind = OutcomeKind::Finished(result.with_meta("omni/executor", "\"pool\""));
        }
        outcome
    }

    /// Hands the call to a thread, if there is one before its time is up.
    async fn hand_over(&self, call: &Call) -> Handed {
        let refused = |kind| Handed::Refused(Box::new(unstarted(call, kind)));
        let handing = async {
            let guest = match self.guest().await {
                Ok(guest) => guest,
                Err(message) => return refused(no_interpreter(message)),
            };
            if call.spec.keep_temp {
                self.children.keep_guest_temp();
            }
            match guest.begin(call).await {
                None => Handed::Elsewhere,
                Some(Ok(ride)) => Handed::Over(ride),
                Some(Err(error)) => refused(no_interpreter(&format!("a thread cannot be started: {error}"))),
            }
        };
        within(&call.deadline, handing).await.unwrap_or_else(refused)
    }

    async fn guest(&self) -> Result<&Arc<Guest>, &String> {
        let start = || {
            let (config, children) = (Arc::clone(&self.config), Arc::clone(&self.children));
            let embedding = self.embedding.clone();
            async move {
                // In a task of its own: others may wait for this start when this call is taken back.
                let starting =
                    tokio::spawn(async move { Guest::start(&config, &children, &embedding).await });
                starting.await.unwrap_or_else(|bug| Err(bug.to_string()))
            }
        };
        self.guest.get_or_init(start).await.as_ref()
    }
}

fn no_interpreter(message: &str) -> OutcomeKind {
    OutcomeKind::WorkerStart {
        message: format!("the interpreter inside the server does not start: {message}"),
        hint: "`omni doctor` says more; `executor: pool` needs no interpreter inside".into(),
    }
}

/// A call's share of the bound on calls.
struct Counted<'a>(&'a Embedded);

impl<'a> Counted<'a> {
    fn new(embedded: &'a Embedded) -> Option<Self> {
        let before = embedded.calls.fetch_add(1, Ordering::Relaxed);
        let counted = Counted(embedded);
        (before < embedded.config.queue_max).then_some(counted)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
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
            if let Some(Ok(guest)) = self.guest.get() {
                guest.leave(SHUTDOWN_GRACE).await;
            }
            self.children.end_all(Duration::ZERO).await;
        })
    }
}
