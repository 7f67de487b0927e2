//! How one call runs on a worker that it has to itself, from its first byte to its end.

use std::future::{Future, poll_fn};
use std::task::{Context, Poll};
use std::time::Instant;

use omni_call::{Call, CallPort, Deadline};
use omni_process::{ExitStatus, OutputListener};

use super::clocks::CallClocks;
use super::{CurrentCall, Worker};
use crate::attempt::{AttemptResult, AttemptSite as _, CallContext, FrameReader, RunningCall, WorkerView};
use crate::bounds::TIMER_GRAIN;
use crate::call_slot::{CallSlot, SlotWhileRunning};
use crate::questions::CallQuestions;
use crate::wire::{self, AttemptInfo, DispatchInfo, WireError};

/// The exit code of a worker that cannot trust its channel any more, and how the line begins in which it says why:
/// `Channel.fail` in `channel.py`.
const GAVE_UP_EXIT_CODE: i32 = 70;
const GAVE_UP_PREFIX: &str = "omni worker: ";

impl Worker {
    /// Sends `call` to the worker, which must have none. Does not wait: what the socket does not take now is sent by
    /// [`poll_call`](Self::poll_call).
    pub(crate) fn begin(&mut self, call: &Call, info: AttemptInfo) {
        // What the worker has printed so far does not belong to this call.
        self.output.settle();
        let number = self.pipeline_call(call, info);
        self.make_current(number, FrameReader::of(call, call.spec.may_ask(), self.result_bytes_max));
        self.flush();
    }

    /// Writes `call` behind the ones that were written before it, to be sent with the next
    /// [`flush`](Self::flush). Returns its number, for [`make_current`](Self::make_current).
    pub(crate) fn pipeline_call(&mut self, call: &Call, info: AttemptInfo) -> u64 {
        self.sent += 1;
        if call.spec.keep_temp {
            self.keep_temp();
        }
        let sending = DispatchInfo { id: self.sent, info, now: Instant::now() };
        wire::push_call(self.channel.outbox(), call, sending);
        self.sent
    }

    /// Sends what was written.
    pub(crate) fn flush(&mut self) {
        self.channel.flush_now();
    }

    /// Makes a call that was sent the current one, whose frames `reader` reads. There must be no other.
    pub(crate) fn make_current(&mut self, number: u64, reader: FrameReader) {
        self.output.begin_call();
        self.number = number;
        self.begun_at = Instant::now();
        self.call = Some(CurrentCall {
            running: RunningCall::new(number, reader),
            clocks: CallClocks::new(self.begun_at, self.unusable),
        });
    }

    /// Drives the current call to its end, reports what it says to `port`, and passes on what it asks. While it waits for
    /// its client, `slot` is released. Dropping the future takes its open questions back, and the slot again.
    pub(crate) async fn finish(
        &mut self,
        deadline: &mut Deadline,
        port: &mut dyn CallPort,
        slot: &mut dyn CallSlot,
    ) -> AttemptResult {
        port.begun();
        let mut asks = CallQuestions::default();
        let mut slot = SlotWhileRunning::new(slot);
        poll_fn(|cx| {
            let end = self.poll_call(cx, &mut CallContext { deadline, port, asks: &mut asks });
            slot.note(|executor| end.is_pending() && asks.lends(executor));
            end
        })
        .await
    }

    /// Polls everything that can happen to the current call. Output comes before frames, so that what a tool printed is
    /// reported before its result.
    pub(super) fn poll_call(
        &mut self,
        cx: &mut Context<'_>,
        context: &mut CallContext<'_>,
    ) -> Poll<AttemptResult> {
        let level = self.call.as_ref().and_then(|call| call.running.wants().log);
        if self.output.poll(cx, Some(&mut OutputListener { events: context.port, level })) {
            context.alive(None);
            if let Some(call) = &mut self.call {
                call.running.talked = true;
            }
        }
        let _ = self.channel.poll_flush(cx);
        let mut end = self.poll_frames(cx, context);
        if end.is_none() {
            self.poll_answers(cx, context);
        }
        // A process may end as soon as it has sent its result, which counts as long as it is not read.
        if end.is_none()
            && !self.channel.holds_back()
            && let Poll::Ready(exit) = self.process.poll_exit(cx)
        {
            self.output.poll(cx, Some(&mut OutputListener { events: context.port, level }));
            end = Some(AttemptResult::Died(exit));
        }
        if end.is_none() {
            end = self.poll_clocks(cx, context.deadline);
        }
        match end {
            None => Poll::Pending,
            Some(end) => {
                let mut listener = OutputListener { events: context.port, level };
                Poll::Ready(self.close_call(end, &mut listener))
            }
        }
    }

    /// Takes in every frame that has arrived.
    fn poll_frames(&mut self, cx: &mut Context<'_>, context: &mut CallContext<'_>) -> Option<AttemptResult> {
        let call = self.call.as_mut().filter(|call| !call.clocks.is_broken())?;
        let page = &self.page;
        let mut view = WorkerView {
            channel: &mut self.channel,
            has_started: &|number| page.has_started(number),
            ready: &mut self.ready,
        };
        let Poll::Ready(last) = call.running.poll_frames(cx, &mut view, context) else { return None };
        match last {
            Ok(last) => {
                if last.contamination.is_some() {
                    self.unusable = true;
                    self.contamination = last.contamination;
                }
                Some(last.result)
            }
            Err(error @ (WireError::Closed | WireError::Io(_))) => {
                call.clocks.broke(error, Instant::now());
                None
            }
            Err(error) => Some(AttemptResult::Broken(error)),
        }
    }

    /// Sends the answers that have come to the call's questions. What the socket does not take stays for later.
    fn poll_answers(&mut self, cx: &mut Context<'_>, context: &mut CallContext<'_>) {
        let mut answered = false;
        while let Some((number, answer)) = context.asks.poll(cx, context.deadline) {
            wire::push_answer(self.channel.outbox(), self.number, number, &answer);
            context.asks.written(self.channel.written());
            answered = true;
        }
        if answered {
            let _ = self.channel.poll_flush(cx);
        }
    }

    /// Whether one of the call's clocks has ended it.
    fn poll_clocks(&mut self, cx: &mut Context<'_>, deadline: &Deadline) -> Option<AttemptResult> {
        let clocks = &mut self.call.as_mut()?.clocks;
        // Setting a timer for each call would cost more than most calls need it: it is set anew only when it would fire
        // too late.
        let next = clocks.next(deadline).into();
        if self.alarm.deadline() > next {
            self.alarm.as_mut().reset(next);
        }
        while self.alarm.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            if let Some(end) = clocks.strike(now, deadline, || self.process.is_stopped()) {
                return Some(end);
            }
            // It was set for an earlier call, or for a deadline that a heartbeat has moved since.
            self.alarm.as_mut().reset(clocks.next(deadline).max(now + TIMER_GRAIN).into());
        }
        None
    }

    /// Ends the current call: reads the rest of its output, and notes what its end says about the worker.
    fn close_call(&mut self, end: AttemptResult, listener: &mut OutputListener<'_>) -> AttemptResult {
        let running = self.call.as_ref().map(|call| &call.running);
        // What a call has printed that never said anything else has been read by now: that needs no system call.
        if !matches!(end, AttemptResult::Result(_)) || running.is_some_and(|call| call.talked) {
            self.output.catch_up(listener);
        }
        self.output.end_call(listener);
        if let Some(call) = running.filter(|call| call.printed) {
            self.page.note_output_read(call.id);
        }
        let end = self.explain_gave_up(end);
        self.unusable |= matches!(end, AttemptResult::Broken(_));
        self.stale = matches!(end, AttemptResult::Stale);
        // After a deadline the call still runs here, until somebody has ended it.
        if !matches!(end, AttemptResult::Expired(_)) {
            self.call = None;
        }
        end
    }

    /// A worker that cannot trust its channel says so in its last line and exits. Then the tool has not exited: this
    /// puts the worker's reason in the place of its exit code.
    fn explain_gave_up(&self, end: AttemptResult) -> AttemptResult {
        if !matches!(end, AttemptResult::Died(ExitStatus::Code(GAVE_UP_EXIT_CODE))) || !self.has_started() {
            return end;
        }
        let said = self.output.stderr_tail().unwrap_or_default();
        let reason = said.trim_end().lines().next_back().and_then(|line| line.strip_prefix(GAVE_UP_PREFIX));
        reason.map_or(end, |reason| AttemptResult::Broken(WireError::GaveUp(reason.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_of_a_worker_are_those_that_it_says() {
        let shared = include_str!("../../../../conformance/shared.json");
        let shared: serde_json::Value = serde_json::from_str(shared).unwrap();
        assert_eq!(shared["wire"]["gave_up"], GAVE_UP_EXIT_CODE);
        assert_eq!(shared["wire"]["last_words"], GAVE_UP_PREFIX);
    }
}
