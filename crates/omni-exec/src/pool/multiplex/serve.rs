//! The task of a shared worker: carries frames between it and its calls, and ends it.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use omni_call::{Event, EventSink};
use omni_process::{Exit, StatusPage, TERM_GRACE};
use tokio::time::{Sleep, sleep, timeout};

use super::ride::{Command, Line, LineState, Passenger, STALL_LOOK};
use crate::attempt::{AttemptResult, Meaning};
use crate::bounds::{DEATH_GRACE, EXIT_GRACE};
use crate::channel::Channel;
use crate::wire::{self, Fault, Up};
use crate::worker::Worker;

/// Why the task of a worker stops serving it.
enum Stop {
    Died(Exit),
    Broken(Fault),
    Ended {
        reason: String,
    },
    /// It has no calls, and is not needed any more.
    Idle,
}

/// Whoever has started the worker, and may have another one take its place.
pub(super) trait Owner {
    /// A tool blocks the event loop of this worker, and calls wait behind it.
    fn stalled(self: Arc<Self>, line: &Line);

    /// A worker is no more.
    fn gone(&self);
}

/// Carries frames between one worker and its calls until the worker ends.
pub(super) async fn serve<O: Owner>(line: Arc<Line>, mut worker: Worker, idle_ttl: Duration, owner: Weak<O>) {
    let _counted = Counted(Weak::clone(&owner));
    let mut look = pin!(sleep(STALL_LOOK));
    let stop = loop {
        let mut idle = pin!(sleep(idle_ttl));
        let command = poll_fn(|cx| {
            if let Poll::Ready(next) = poll_line(&line, &mut worker, cx) {
                return Poll::Ready(next);
            }
            while idle.as_mut().poll(cx).is_ready() {
                if line.lock().calls.is_empty() {
                    return Poll::Ready(Err(Stop::Idle));
                }
                idle.as_mut().reset(tokio::time::Instant::now() + idle_ttl);
            }
            poll_look(&line, &owner, look.as_mut(), cx);
            Poll::Pending
        })
        .await;
        match command {
            Ok(Command::Stack { skill_dir, id, reply }) => {
                drop(reply.send(worker.python_stack(&skill_dir, true, id).await))
            }
            Ok(Command::End { reason }) => break Stop::Ended { reason },
            Err(stop) => break stop,
        }
    };
    line.lock().closed = true;
    let stop = match stop {
        // Usually the process is dying. Only the kernel can say, so wait for its word.
        Stop::Broken(Fault::Closed | Fault::Io(_)) => match timeout(DEATH_GRACE, worker.process.wait()).await
        {
            Ok(exit) => Stop::Died(exit),
            Err(_) => Stop::Broken(Fault::Closed),
        },
        stop => stop,
    };
    let kindly = matches!(stop, Stop::Idle);
    close(&line, stop);
    if kindly {
        worker.dismiss();
        if timeout(EXIT_GRACE, worker.drain()).await.is_ok() {
            return;
        }
    }
    worker.process.end(TERM_GRACE).await;
}

/// Counts a worker among those in being.
struct Counted<O: Owner>(Weak<O>);

impl<O: Owner> Drop for Counted<O> {
    fn drop(&mut self) {
        if let Some(owner) = self.0.upgrade() {
            owner.gone();
        }
    }
}

/// Looks now and then whether calls begin, and has another worker take over when they do not.
fn poll_look<O: Owner>(line: &Line, owner: &Weak<O>, mut look: Pin<&mut Sleep>, cx: &mut Context<'_>) {
    loop {
        let Some(at) = line.look_at() else { return };
        let at = tokio::time::Instant::from_std(at);
        if look.deadline() != at {
            look.as_mut().reset(at);
        }
        if look.as_mut().poll(cx).is_pending() {
            return;
        }
        if line.is_stalled(Instant::now())
            && let Some(owner) = owner.upgrade()
        {
            owner.stalled(line);
        }
    }
}

/// Does all that can be done now; ready with a command that takes time, or with the reason to stop.
fn poll_line(line: &Line, worker: &mut Worker, cx: &mut Context<'_>) -> Poll<Result<Command, Stop>> {
    let mut state = line.lock();
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
    while let Poll::Ready(frame) = worker.channel.poll_frame(cx) {
        let taken = frame.and_then(|length| {
            take_frame(&line.page, &mut state, &mut worker.channel, tail_bytes_max, length)
        });
        if let Err(fault) = taken {
            return Poll::Ready(Err(Stop::Broken(fault)));
        }
    }
    if let Poll::Ready(exit) = worker.process.poll_exit(cx) {
        return Poll::Ready(Err(Stop::Died(exit)));
    }
    if state.ended > ended_before {
        let (count, process) = (state.ended - ended_before, &worker.process);
        let worn = worker.wear.after_calls(count, Instant::now(), || process.memory_bytes());
        state.worn |= worn.is_some();
    }
    match state.commands.pop() {
        Some(command) => Poll::Ready(Ok(command)),
        None if state.leaving && state.calls.is_empty() => Poll::Ready(Err(Stop::Idle)),
        None => Poll::Pending,
    }
}

/// Reads what came by the pipes: from C code and children, and from code that runs for no call. It belongs to a call
/// only when there is exactly one.
fn poll_output(state: &mut LineState, worker: &mut Worker, cx: &mut Context<'_>) {
    let tail_bytes_max = worker.stderr_bytes_max();
    let mut calls = state.calls.values_mut().filter(|call| call.end.is_none());
    match (calls.next(), calls.next()) {
        (Some(passenger), None) => worker.output.poll_each(cx, &mut |on_stderr, bytes| {
            passenger.print(tail_bytes_max, |printed, listener| printed.take(on_stderr, bytes, listener));
        }),
        _ => worker.output.poll_aside(cx),
    }
}

impl EventSink for Passenger {
    fn event(&mut self, event: Event) {
        self.hear(event);
    }

    fn left_out(&mut self, bytes: u64) {
        self.left_out += bytes;
    }
}

/// Hands what a frame means to the call that it names. One that names none of ours is nobody's: its caller may have left.
fn take_frame(
    page: &StatusPage,
    state: &mut LineState,
    channel: &mut Channel,
    tail_bytes_max: usize,
    length: usize,
) -> Result<(), Fault> {
    let body = channel.body(length);
    let message = wire::decode(body.bytes())?;
    if matches!(message, Up::Ask(_)) {
        state.note_started(page);
    }
    let LineState { calls, started, ended, leaving, .. } = state;
    if let Some(passenger) = message.call().and_then(|id| calls.get_mut(&id)) {
        let (reader, number) = (passenger.reader, passenger.number);
        match reader.read(body, message, || number <= *started)? {
            Meaning::Ends(last) => {
                if last.contamination.is_some() {
                    // It begins no call any more, and skips those that are on their way to it.
                    *leaving = true;
                    passenger.contamination = last.contamination;
                }
                if passenger.end.is_none() {
                    *ended += 1;
                    if !matches!(last.result, AttemptResult::Skipped) {
                        *started = number.max(*started);
                    }
                }
                passenger.end(last.result);
            }
            Meaning::Alive(event) => passenger.alive(event),
            Meaning::Printed(output) => passenger.print(tail_bytes_max, |printed, listener| {
                printed.take(output.stream == "stderr", output.text.as_bytes(), listener);
                printed.leave_out(output.left_out);
            }),
            Meaning::Asks(asking) => {
                passenger.ledger.take(&asking, channel.taken())?;
                passenger.ask(asking);
            }
            Meaning::Started | Meaning::Nothing => {}
        }
    }
    channel.consume(length);
    Ok(())
}

/// Ends every call that is still on the worker.
fn close(line: &Line, stop: Stop) {
    let mut state = line.lock();
    state.note_started(&line.page);
    let started = state.started;
    let suspects = state.calls.values().filter(|call| call.end.is_none() && call.number <= started).count();
    for passenger in state.calls.values_mut() {
        let end = match &stop {
            // Only a call that was alone can have been the one that did it.
            Stop::Died(exit) if suspects <= 1 => AttemptResult::Died(*exit),
            Stop::Died(exit) => AttemptResult::Broken(Fault::Shared(format!(
                "it ended {exit} while {suspects} calls shared it"
            ))),
            Stop::Broken(fault) => AttemptResult::Broken(Fault::Shared(fault.to_string())),
            Stop::Ended { reason } => AttemptResult::Broken(Fault::Shared(reason.clone())),
            Stop::Idle => AttemptResult::Broken(Fault::Shared("its worker was let go".to_owned())),
        };
        passenger.end(end);
    }
}

#[cfg(test)]
mod tests;
