//! What calls that have a process to themselves share, whether it is forked or started: how many run at once, what
//! their outcome is, and how the process is ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use omni_call::{Call, Outcome, OutcomeKind};
use omni_process::TERM_GRACE;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::ExecConfig;
use crate::attempt::{AttemptFacts, AttemptResult, AttemptSite as _, conclude};
use crate::bounds::{CANCEL_PATIENCE, EXIT_GRACE};
use crate::call_permits::{CallPermit, CallPermits};
use crate::executor_processes::ExecutorProcesses;
use crate::outcome::start_failed;
use crate::within::within;
use crate::worker::Worker;

/// Bounds how many calls of an executor run at once, and how many wait.
pub(crate) struct CallCapacity {
    permits: Arc<CallPermits>,
    /// Has no permits. It is closed when this executor is closed, while others go on using `permits`.
    closed: Semaphore,
    waiting: AtomicUsize,
    waiting_max: usize,
}

impl CallCapacity {
    /// `permits` are shared with the executors of other interpreters.
    pub(crate) fn new(config: &ExecConfig, permits: Arc<CallPermits>) -> Self {
        CallCapacity {
            permits,
            closed: Semaphore::new(0),
            waiting: AtomicUsize::new(0),
            waiting_max: config.queue_max,
        }
    }

    /// Waits until the call may run. The permit is to be kept until the call's process has ended, or is idle again. The
    /// error is how the call ends when it may not before its deadline.
    pub(crate) async fn acquire(&self, call: &Call) -> Result<CallPermit, OutcomeKind> {
        if self.closed.is_closed() {
            return Err(OutcomeKind::Shutdown);
        }
        if let Some(permit) = self.permits.try_acquire() {
            return Ok(permit);
        }
        let _waiting = WaitingCount::new(&self.waiting, self.waiting_max).ok_or(OutcomeKind::BUSY)?;
        let permit = async {
            tokio::select! {
                biased;
                _ = self.closed.acquire() => Err(OutcomeKind::Shutdown),
                permit = self.permits.acquire_for(call) => permit.ok_or(OutcomeKind::Shutdown),
            }
        };
        within(&call.deadline, permit).await?
    }

    /// Ends calls that wait, and refuses later ones, with [`OutcomeKind::Shutdown`].
    pub(crate) fn close(&self) {
        self.closed.close();
    }
}

/// Counts a call among those that wait.
struct WaitingCount<'a>(&'a AtomicUsize);

impl<'a> WaitingCount<'a> {
    fn new(waiting: &'a AtomicUsize, max: usize) -> Option<Self> {
        // Counted before the bound is checked, so that it holds with several threads as well.
        let this = WaitingCount(waiting);
        (waiting.fetch_add(1, Ordering::Relaxed) < max).then_some(this)
    }
}

impl Drop for WaitingCount<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The outcome of a call. Its caller need not wait until the process has exited.
pub(crate) async fn conclude_own_process(
    processes: &ExecutorProcesses,
    call: &Call,
    worker: &mut Worker,
    result: AttemptResult,
) -> Outcome {
    let (config, closing) = (processes.config(), processes.closing());
    // The process was started for this call. Where it ended before it was ready, its start has failed.
    if let AttemptResult::Died(exit) = result
        && !closing
        && let Some(failure) = worker.never_ready(config, exit)
    {
        return start_failed(call, &failure);
    }
    // What a call did to its process does not matter, since the process ends with the call.
    drop(worker.take_contamination());
    conclude(worker, call, result, AttemptFacts { config, attempt: 1, closing }).await
}

/// Ends the process of a call, in a task of its own. A running call is interrupted first; a process without a call is
/// asked to exit. What does not help is followed by SIGTERM and SIGKILL. `permit` is kept until the process has ended.
pub(crate) fn end_in_background(mut worker: Box<Worker>, permit: Option<CallPermit>) {
    // Outside a runtime nothing can wait for it, so it is killed at once, by dropping it.
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    runtime.spawn(async move {
        let _permit = permit;
        let gone = if worker.has_call() {
            // A process for one call exits by itself when the call has ended.
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
