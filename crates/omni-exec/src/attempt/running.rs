//! The call at hand of a worker that runs one at a time, as the worker's frames tell of it.

use std::task::{Context, Poll};

use omni_call::Wants;

use super::call_context::CallContext;
use super::frame_reader::{FinalMessage, FrameReader};
use crate::channel::Channel;
use crate::wire::{self, WireError, WorkerMessage};

/// What the frames have told so far of the call that a worker runs.
///
/// Three things make its frames harder to read than they look.
///
/// *Answers that come early.* Calls are sent ahead of their turn (decision 0008), so when one becomes the call at hand its
/// answer may have been read already, together with the one before. An honest worker has then noted in the status page that
/// it began the call. A tool that got hold of the channel could as well have written an answer for a call to come; so a
/// result that was there before there was ever a moment with nothing to read counts only if the page says that the call has
/// begun (decision 0003). After such a moment the worker has had the call, and the page need not be looked at, which is a
/// system call saved on almost every call.
///
/// *Frames after the last answer.* A thread that a call has left behind can speak in the name of that call for as long as
/// the process lives. What names an earlier call is passed over: its caller has had the end. What names a later call cannot
/// have come from the worker, which takes calls in the order of their numbers, so the worker is not to be trusted any more.
///
/// *Cancelling a call that asks.* A sync worker is told to end its call by a signal. One that arrives between the tool's
/// look for it and its wait for an answer would wake nobody, so a call that has ever asked is told on the channel as well,
/// where a thread reads as long as a question is open (decision 0038).
pub(crate) struct RunningCall {
    /// Its number at this worker.
    pub(crate) id: u64,
    pub(crate) reader: FrameReader,
    /// It has asked its client something.
    pub(crate) asked: bool,
    /// There was a moment when nothing had arrived. What was there before it may have been sent before the call was.
    waited: bool,
    /// It has said or printed something: what it printed last may have come with its result.
    pub(crate) talked: bool,
    /// Its last frame says that it has printed.
    pub(crate) printed: bool,
}

/// What is asked of the worker whose frames these are.
pub(crate) struct WorkerView<'a> {
    pub(crate) channel: &'a mut Channel,
    /// Whether the code of the call of this number has begun.
    pub(crate) has_started: &'a dyn Fn(u64) -> bool,
    /// Set when the worker says that it is ready.
    pub(crate) ready: &'a mut bool,
}

impl RunningCall {
    pub(crate) fn new(id: u64, reader: FrameReader) -> Self {
        RunningCall { id, reader, asked: false, waited: false, talked: false, printed: false }
    }

    pub(crate) fn wants(&self) -> Wants {
        self.reader.wants
    }

    /// Takes in every frame that has arrived, up to the last of the call. Ready with that, or with the reason why nothing
    /// more can be read.
    pub(crate) fn poll_frames(
        &mut self,
        cx: &mut Context<'_>,
        worker: &mut WorkerView<'_>,
        context: &mut CallContext<'_>,
    ) -> Poll<Result<FinalMessage, WireError>> {
        while let Poll::Ready(length) = worker.channel.poll_frame(cx) {
            if let Some(last) = length.and_then(|length| self.take_frame(length, worker, context)).transpose()
            {
                return Poll::Ready(last);
            }
        }
        self.waited = true;
        Poll::Pending
    }

    fn take_frame(
        &mut self,
        length: usize,
        worker: &mut WorkerView<'_>,
        context: &mut CallContext<'_>,
    ) -> Result<Option<FinalMessage>, WireError> {
        let body = worker.channel.body(length);
        let message = wire::decode(body.bytes())?;
        let mut last = None;
        match message.call() {
            Some(id) if id == self.id => {
                let early = !self.waited && matches!(message, WorkerMessage::Result(_));
                if early && !(worker.has_started)(id) {
                    return Err(WireError::Foreign);
                }
                // What has begun is never begun again: a tool that found the channel could have its call run twice so.
                // (Where the one behind it has begun as well, the page does not say any more what became of this one.)
                let started = || (worker.has_started)(id) && !(worker.has_started)(id + 1);
                if matches!(message, WorkerMessage::Stale(_)) && started() {
                    return Err(WireError::Foreign);
                }
                self.talked |= !matches!(message, WorkerMessage::Result(_));
                let asks = matches!(message, WorkerMessage::Ask(_));
                let meaning = self.reader.read(body, message, || (worker.has_started)(id))?;
                self.asked |= asks;
                last = context.apply(meaning, worker.channel.taken())?;
            }
            Some(id) if id > self.id => return Err(WireError::Foreign),
            Some(_) => {}
            None => *worker.ready |= matches!(message, WorkerMessage::Ready(_)),
        }
        if let Some(last) = &last {
            self.printed = last.printed;
            self.talked |= last.printed;
        }
        worker.channel.consume(length);
        Ok(last)
    }
}
