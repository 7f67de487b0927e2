//! Async calls: many at a time on one worker, which is started when the first of them comes.

mod ride;
mod serve;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use omni_call::{Call, CallPort, Outcome, OutcomeKind};
use tokio::time::sleep;

use super::preload::{NoWorker, Preload};
use crate::attempt::{Attempts, Concluding, conclude};
use crate::bounds::RETRY_AFTER;
use crate::children::Children;
use crate::failures::Failures;
use crate::outcome::{start_failed, unstarted};
use crate::start_failure::StartFailure;
use crate::wire::Mode;
use crate::within::within;

use ride::{Line, Ride};
use serve::{Owner, serve};

/// Workers at most, those included that have been left because a tool blocks them.
const LINES_MAX: usize = 4;

/// Async calls and the worker they share.
pub(super) struct Multiplex {
    shared: Arc<Shared>,
}

struct Shared {
    children: Arc<Children>,
    preload: Arc<Preload>,
    state: Mutex<State>,
    /// Held while a worker is started, so that one start serves all who wait for it.
    opening: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    current: Option<Arc<Line>>,
    failures: Failures,
    /// Calls accepted and not ended.
    calls: usize,
    /// How often all workers have been replaced.
    generation: u64,
    /// Somebody is starting a worker in place of the current one.
    succeeding: bool,
    /// Workers in being.
    lines: usize,
}

impl Multiplex {
    pub(super) fn new(children: Arc<Children>, preload: Arc<Preload>) -> Self {
        let shared =
            Shared { children, preload, state: Mutex::default(), opening: tokio::sync::Mutex::new(()) };
        Multiplex { shared: Arc::new(shared) }
    }

    /// Runs one async call to its end. Dropping the future cancels the call.
    pub(super) async fn run(&self, mut call: Call, events: &mut dyn CallPort) -> Outcome {
        let Some(_admitted) = Admitted::new(&self.shared) else {
            return unstarted(&call, OutcomeKind::Busy { retry_after: RETRY_AFTER });
        };
        let mut attempts = Attempts::default();
        loop {
            let line = match self.line(&call).await {
                Ok(line) => line,
                Err(outcome) => return *outcome,
            };
            // A worker that went between here and there has not seen the call.
            let Some(mut ride) = Ride::begin(line, &call, attempts.number()) else { continue };
            let result = ride.finish(&mut call, events).await;
            let closing = self.shared.children.closing();
            if attempts.again(&call, &result, &ride, closing) {
                continue;
            }
            let config = self.shared.children.config();
            let concluding = Concluding { config, attempt: attempts.number(), closing };
            return conclude(&mut ride, &call, result, concluding).await;
        }
    }

    /// The worker in use, or a new one.
    async fn line(&self, call: &Call) -> Result<Arc<Line>, Box<Outcome>> {
        if let Some(line) = self.shared.current() {
            if line.lock().worn {
                self.shared.succeed_aside();
            }
            return Ok(line);
        }
        // In a task of its own: others may wait for this start when this call is taken back.
        let opening = tokio::spawn(open(Arc::clone(&self.shared)));
        let kind = match within(&call.deadline, opening).await {
            Ok(Ok(Ok(line))) => return Ok(line),
            Ok(Ok(Err(failure))) => return Err(Box::new(start_failed(call, &failure))),
            // The task panicked, or the runtime is going down.
            Ok(Err(error)) => OutcomeKind::Lost { message: format!("starting its worker failed: {error}") },
            Err(kind) => kind,
        };
        Err(Box::new(unstarted(call, kind)))
    }
}

impl Multiplex {
    /// Has a new worker take all calls from the return of this on; those under way end where they are. While
    /// none can be started, this waits and the old one goes on.
    pub(super) async fn renew(&self) {
        let wanted = {
            let mut state = self.shared.lock();
            state.generation += 1;
            state.generation
        };
        loop {
            let line = self.shared.current();
            if line.is_none_or(|line| line.generation >= wanted) || self.shared.children.closing() {
                return;
            }
            if succeed(Arc::clone(&self.shared), wanted).await.is_err() {
                sleep(RETRY_AFTER).await;
            }
        }
    }
}

/// A call's share of the bound on calls.
struct Admitted<'a>(&'a Shared);

impl<'a> Admitted<'a> {
    fn new(shared: &'a Shared) -> Option<Self> {
        let mut state = shared.lock();
        (state.calls < shared.children.config().queue_max).then(|| {
            state.calls += 1;
            Admitted(shared)
        })
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        self.0.lock().calls -= 1;
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn current(&self) -> Option<Arc<Line>> {
        self.lock().current.clone().filter(|line| {
            let state = line.lock();
            !state.closed && !state.leaving
        })
    }
}

impl Shared {
    /// Has a worker started that takes the place of the current one, unless that is under way.
    fn succeed_aside(self: &Arc<Self>) {
        let generation = {
            let mut state = self.lock();
            if std::mem::replace(&mut state.succeeding, true) {
                return;
            }
            state.generation
        };
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            // A failure is known to `failures` from then on, and the old worker goes on.
            let _ = succeed(Arc::clone(&shared), generation).await;
            shared.lock().succeeding = false;
        });
    }

    async fn start(self: &Arc<Self>) -> Result<Arc<Line>, Arc<StartFailure>> {
        if let Some(failure) = self.lock().failures.forbids(Instant::now()) {
            return Err(Arc::clone(failure));
        }
        let generation = self.lock().generation;
        let started = loop {
            match self.preload.start(&self.children, Mode::Async, Box::new(())).await {
                Ok(worker) => break Ok(worker),
                Err(NoWorker::Failed(failure)) => break Err(failure),
                Err(NoWorker::Preload) => {}
            }
        };
        match started {
            Ok(worker) => {
                let temp = worker.process.temp().cloned();
                let line = Arc::new(Line {
                    page: worker.page(),
                    generation,
                    temp,
                    result_bytes_max: worker.result_bytes_max(),
                    state: Mutex::default(),
                });
                let idle_ttl = self.children.config().idle_worker_ttl;
                tokio::spawn(serve(Arc::clone(&line), worker, idle_ttl, Arc::downgrade(self)));
                let mut state = self.lock();
                state.failures = Failures::default();
                state.lines += 1;
                drop(state);
                Ok(line)
            }
            Err(failure) => Err(self.lock().failures.add(failure)),
        }
    }
}

impl Owner for Shared {
    fn stalled(self: Arc<Self>, line: &Line) {
        if self.lock().lines < LINES_MAX && self.current().is_some_and(|current| current.is(line)) {
            tracing::warn!("an async tool blocks the event loop that it shares; calls behind it move on");
            {
                let mut state = line.lock();
                (state.worn, state.stalled) = (true, true);
            }
            self.succeed_aside();
        }
    }

    fn gone(&self) {
        self.lock().lines -= 1;
    }
}

/// Puts a new worker of this generation in the place of the current one, which then takes no further call and
/// ends when those it has are over.
async fn succeed(shared: Arc<Shared>, generation: u64) -> Result<(), Arc<StartFailure>> {
    let _turn = shared.opening.lock().await;
    let needed = |line: &Arc<Line>| line.generation < generation || line.lock().worn;
    let Some(old) = shared.current().filter(needed) else { return Ok(()) };
    let line = shared.start().await?;
    shared.lock().current = Some(line);
    old.leave();
    if old.lock().stalled {
        old.hand_on().await;
    }
    Ok(())
}

/// Starts the shared worker, unless somebody just has.
async fn open(shared: Arc<Shared>) -> Result<Arc<Line>, Arc<StartFailure>> {
    let _turn = shared.opening.lock().await;
    if let Some(line) = shared.current() {
        return Ok(line);
    }
    loop {
        let line = shared.start().await?;
        let mut state = shared.lock();
        // All workers may have been replaced since this one was started.
        if line.generation == state.generation {
            state.current = Some(Arc::clone(&line));
            return Ok(line);
        }
        drop(state);
        line.leave();
    }
}
