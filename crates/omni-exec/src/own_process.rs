//! What calls in processes of their own have in common, forked or started: how many there may be, what the end of one
//! means, and how its process goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use omni_call::{Call, Outcome, OutcomeKind};
use omni_process::TERM_GRACE;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::ExecConfig;
use crate::attempt::{AttemptFacts, AttemptResult, AttemptSite as _, conclude};
use crate::bounds::{CANCEL_PATIENCE, EXIT_GRACE};
use crate::executor_processes::ExecutorProcesses;
use crate::outcome::start_failed;
use crate::within::within;
use crate::worker::Worker;

/// How many calls of an executor run at once, and how many wait for that.
pub(crate) struct CallCapacity {
    permits: Arc<Semaphore>,
    /// Has no permits: only whether this executor is closed, where others go on with the same permits.
    closed: Semaphore,
    waiting: AtomicUsize,
    waiting_max: usize,
}

/// One of the calls that run at once. It is kept until the call's process is gone, or free for another call.
pub(crate) type CallPermit = OwnedSemaphorePermit;

impl CallCapacity {
    /// `permits` are shared with the executors of other sets.
    pub(crate) fn new(config: &ExecConfig, permits: Arc<Semaphore>) -> Self {
        CallCapacity {
            permits,
            closed: Semaphore::new(0),
            waiting: AtomicUsize::new(0),
            waiting_max: config.queue_max,
        }
    }

    /// Waits until the call may run, its deadline permitting. The error is how it ends otherwise.
    pub(crate) async fn acquire(&self, call: &Call) -> Result<CallPermit, OutcomeKind> {
        if self.closed.is_closed() {
            return Err(OutcomeKind::Shutdown);
        }
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Ok(permit);
        }
        let _waiting = WaitingCount::new(&self.waiting, self.waiting_max).ok_or(OutcomeKind::BUSY)?;
        let permit = async {
            tokio::select! {
                biased;
                _ = self.closed.acquire() => Err(OutcomeKind::Shutdown),
                permit = Arc::clone(&self.permits).acquire_owned() => permit.map_err(|_| OutcomeKind::Shutdown),
            }
        };
        within(&call.deadline, permit).await?
    }

    /// Whoever waits, or comes later, is told that the server stops.
    pub(crate) fn close(&self) {
        self.closed.close();
    }
}

/// One of the calls that wait.
struct WaitingCount<'a>(&'a AtomicUsize);

impl<'a> WaitingCount<'a> {
    fn new(waiting: &'a AtomicUsize, max: usize) -> Option<Self> {
        // Counted before it is looked at, so that the bound holds with several threads as well.
        let this = WaitingCount(waiting);
        (waiting.fetch_add(1, Ordering::Relaxed) < max).then_some(this)
    }
}

impl Drop for WaitingCount<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What the end of a call means to its caller, who need not wait for the process's exit.
pub(crate) async fn conclude_own_process(
    processes: &ExecutorProcesses,
    call: &Call,
    worker: &mut Worker,
    result: AttemptResult,
) -> Outcome {
    let (config, closing) = (processes.config(), processes.closing());
    // It was started for this call, so that one which never got that far is a start that failed.
    if let AttemptResult::Died(exit) = result
        && !closing
        && let Some(failure) = worker.never_ready(config, exit)
    {
        return start_failed(call, &failure);
    }
    // Nobody is told what a call did to a process of its own: it goes with the call.
    drop(worker.take_contamination());
    conclude(worker, call, result, AttemptFacts { config, attempt: 1, closing }).await
}

/// Ends a process that serves no call any more: kindly when its call has ended, by the whole ladder when it has not.
/// `permit` is kept until the process is gone.
pub(crate) fn end_in_background(mut worker: Box<Worker>, permit: Option<CallPermit>) {
    // Outside a runtime nothing can wait for it, so it is killed right here.
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    runtime.spawn(async move {
        let _permit = permit;
        let gone = if worker.has_call() {
            // A one-shot process that obeyed is as good as gone.
            worker.cancel(CANCEL_PATIENCE).await;
            worker.process.exited()
        } else {
            worker.ask_to_exit();
            timeout(EXIT_GRACE, worker.wait_exit()).await.is_ok()
        };
        if !gone {
            worker.process.terminate(TERM_GRACE).await;
        }
    });
}
