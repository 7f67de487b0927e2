//! The task of a shared worker: carries frames between it and its calls, and ends it.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use omni_call::{Event, EventSink};
use omni_process::{ExitStatus, StatusPage, TERM_GRACE};
use tokio::time::{Sleep, sleep, timeout};

use super::shared_worker::{PendingCall, STALL_CHECK_EVERY, SharedWorker, SharedWorkerState, WorkerCommand};
use crate::attempt::{AttemptResult, FrameMeaning};
use crate::bounds::{DEATH_GRACE, EXIT_GRACE};
use crate::channel::{ArrivedFrame, Channel};
use crate::wire::{WireError, WorkerMessage};
use crate::worker::Worker;

/// Why the task stops serving a worker.
enum StopReason {
    Died(ExitStatus),
    Broken(WireError),
    Ended {
        reason: String,
    },
    /// The worker has no calls, and has been replaced or idle for long.
    Idle,
}

/// Whoever has started the worker, and can replace it.
pub(super) trait SharedWorkerOwner {
    /// A tool blocks the event loop of this worker, and calls wait behind it.
    fn stalled(self: Arc<Self>, shared: &SharedWorker);

    /// A worker has ended.
    fn gone(&self);
}

/// Carries frames between one worker and its calls until the worker ends.
pub(super) async fn serve<O: SharedWorkerOwner>(
    shared: Arc<SharedWorker>,
    mut worker: Worker,
    idle_ttl: Duration,
    owner: Weak<O>,
) {
    let _counted = ExitNotice(Weak::clone(&owner));
    let mut look = pin!(sleep(STALL_CHECK_EVERY));
    let stop = loop {
        let mut idle = pin!(sleep(idle_ttl));
        let command = poll_fn(|cx| {
            if let Poll::Ready(next) = poll_serve(&shared, &mut worker, cx) {
                return Poll::Ready(next);
            }
            while idle.as_mut().poll(cx).is_ready() {
                if shared.lock().calls.is_empty() {
                    return Poll::Ready(Err(StopReason::Idle));
                }
                idle.as_mut().reset(tokio::time::Instant::now() + idle_ttl);
            }
            poll_stall_check(&shared, &owner, look.as_mut(), cx);
            Poll::Pending
        })
        .await;
        match command {
            Ok(WorkerCommand::Stack { skill_dir, id, reply }) => {
                drop(reply.send(worker.python_stack(&skill_dir, true, id).await))
            }
            Ok(WorkerCommand::End { reason }) => break StopReason::Ended { reason },
            Err(stop) => break stop,
        }
    };
    shared.lock().closed = true;
    let stop = match stop {
        // Usually the process is dying, but only the kernel can say so: that is waited for.
        StopReason::Broken(WireError::Closed | WireError::Io(_)) => {
            match timeout(DEATH_GRACE, worker.process.wait()).await {
                Ok(exit) => StopReason::Died(exit),
                Err(_) => StopReason::Broken(WireError::Closed),
            }
        }
        stop => stop,
    };
    let kindly = matches!(stop, StopReason::Idle);
    close(&shared, stop);
    if kindly {
        worker.ask_to_exit();
        if timeout(EXIT_GRACE, worker.wait_exit()).await.is_ok() {
            return;
        }
    }
    worker.process.terminate(TERM_GRACE).await;
}

/// Tells the owner, when it is dropped, that the worker has ended.
struct ExitNotice<O: SharedWorkerOwner>(Weak<O>);

impl<O: SharedWorkerOwner> Drop for ExitNotice<O> {
    fn drop(&mut self) {
        if let Some(owner) = self.0.upgrade() {
            owner.gone();
        }
    }
}

/// Checks now and then whether calls begin, and has the worker replaced when they do not.
fn poll_stall_check<O: SharedWorkerOwner>(
    shared: &SharedWorker,
    owner: &Weak<O>,
    mut look: Pin<&mut Sleep>,
    cx: &mut Context<'_>,
) {
    loop {
        let Some(at) = shared.next_check() else { return };
        let at = tokio::time::Instant::from_std(at);
        if look.deadline() != at {
            look.as_mut().reset(at);
        }
        if look.as_mut().poll(cx).is_pending() {
            return;
        }
        if shared.is_stalled(Instant::now())
            && let Some(owner) = owner.upgrade()
        {
            owner.stalled(shared);
        }
    }
}

/// Does everything that can be done without waiting. Ready with a command that takes time, or with the reason to stop.
fn poll_serve(
    shared: &SharedWorker,
    worker: &mut Worker,
    cx: &mut Context<'_>,
) -> Poll<Result<WorkerCommand, StopReason>> {
    let mut state = shared.lock();
    match &mut state.task {
        Some(task) => task.clone_from(cx.waker()),
        none => *none = Some(cx.waker().clone()),
    }
    poll_output(&mut state, worker, cx);
    if !state.outbox.is_empty() {
        worker.channel.outbox().append(&mut state.outbox);
        state.outbox_at = worker.channel.written();
    }
    let _ = worker.channel.poll_flush(cx);
    let (ended_before, tail_bytes_max) = (state.ended, worker.stderr_bytes_max());
    while let Poll::Ready(frame) = worker.channel.poll_message(cx) {
        let taken = frame.and_then(|frame| {
            take_frame(&shared.page, &mut state, &mut worker.channel, tail_bytes_max, frame)
        });
        if let Err(error) = taken {
            return Poll::Ready(Err(StopReason::Broken(error)));
        }
    }
    // What a process has sent before its end counts as long as it is not read.
    if !worker.channel.holds_back()
        && let Poll::Ready(exit) = worker.process.poll_exit(cx)
    {
        return Poll::Ready(Err(StopReason::Died(exit)));
    }
    if state.ended > ended_before {
        let (count, process) = (state.ended - ended_before, &worker.process);
        let worn = worker.usage.after_calls(count, Instant::now(), || process.memory_bytes());
        state.worn |= worn.is_some();
    }
    match state.commands.pop() {
        Some(command) => Poll::Ready(Ok(command)),
        None if state.retiring && state.calls.is_empty() => Poll::Ready(Err(StopReason::Idle)),
        None => Poll::Pending,
    }
}

/// Reads what came through the pipes: from C code and child processes, and from code that runs for no call. Only when
/// there is exactly one call is it known to belong to it.
fn poll_output(state: &mut SharedWorkerState, worker: &mut Worker, cx: &mut Context<'_>) {
    let tail_bytes_max = worker.stderr_bytes_max();
    let mut calls = state.calls.values_mut().filter(|call| call.end.is_none());
    match (calls.next(), calls.next()) {
        (Some(pending), None) => worker.output.poll_each(cx, &mut |on_stderr, bytes| {
            pending.print(tail_bytes_max, |printed, listener| printed.take(on_stderr, bytes, listener));
        }),
        _ => worker.output.poll_unattributed(cx),
    }
}

impl EventSink for PendingCall {
    fn event(&mut self, event: Event) {
        self.push_event(event);
    }

    fn left_out(&mut self, bytes: u64) {
        self.left_out += bytes;
    }
}

/// Tells the call that a frame names what it means. A frame that names no call here is ignored, since a caller may have
/// left.
fn take_frame(
    page: &StatusPage,
    state: &mut SharedWorkerState,
    channel: &mut Channel,
    tail_bytes_max: usize,
    frame: ArrivedFrame,
) -> Result<(), WireError> {
    let length = frame.length;
    let body = channel.body(length);
    let message = frame.message(body)?;
    if matches!(message, WorkerMessage::Ask(_)) {
        state.note_started(page);
    }
    let SharedWorkerState { calls, started, ended, retiring, .. } = state;
    if let Some(pending) = message.call().and_then(|id| calls.get_mut(&id)) {
        let (reader, number) = (pending.reader, pending.number);
        match reader.read(body, message, || number <= *started)? {
            FrameMeaning::Ends(last) => {
                if last.contamination.is_some() {
                    // The worker begins no call any more, and skips those that have been sent already.
                    *retiring = true;
                    pending.contamination = last.contamination;
                }
                if pending.end.is_none() {
                    *ended += 1;
                    if !matches!(last.result, AttemptResult::Skipped | AttemptResult::Stale) {
                        *started = number.max(*started);
                    }
                }
                pending.end(last.result);
            }
            FrameMeaning::Alive(event) => pending.alive(event),
            FrameMeaning::Printed(output) => pending.print(tail_bytes_max, |printed, listener| {
                printed.take(output.stream == "stderr", output.text.as_bytes(), listener);
                printed.leave_out(output.left_out);
            }),
            FrameMeaning::Question(asking) => {
                pending.numbers.take(&asking, channel.taken())?;
                pending.ask(asking);
            }
            FrameMeaning::Started | FrameMeaning::Nothing => {}
        }
    }
    channel.consume(length);
    Ok(())
}

/// Ends every call that is still on the worker.
fn close(shared: &SharedWorker, stop: StopReason) {
    let mut state = shared.lock();
    state.note_started(&shared.page);
    let started = state.started;
    let suspects = state.calls.values().filter(|call| call.end.is_none() && call.number <= started).count();
    for pending in state.calls.values_mut() {
        let end = match &stop {
            // Only a call that ran alone is known to have ended the process.
            StopReason::Died(exit) if suspects <= 1 => AttemptResult::Died(*exit),
            StopReason::Died(exit) => AttemptResult::Broken(WireError::SharedWorkerEnded(format!(
                "it ended {exit} while {suspects} calls shared it"
            ))),
            StopReason::Broken(error) => {
                AttemptResult::Broken(WireError::SharedWorkerEnded(error.to_string()))
            }
            StopReason::Ended { reason } => {
                AttemptResult::Broken(WireError::SharedWorkerEnded(reason.clone()))
            }
            StopReason::Idle => {
                AttemptResult::Broken(WireError::SharedWorkerEnded("its worker was let go".to_owned()))
            }
        };
        pending.end(end);
    }
}

#[cfg(test)]
mod tests;
