//! The current call of a worker that runs one at a time: what its frames have said so far, and which frames count.

use std::task::{Context, Poll};

use omni_call::Wants;

use super::call_context::CallContext;
use super::frame_reader::{FinalMessage, FrameReader};
use crate::channel::{ArrivedFrame, Channel};
use crate::wire::{WireError, WorkerMessage};

/// The current call of a worker, as far as its frames have told of it.
///
/// Three things need care.
///
/// *Results that come early.* Calls are pipelined (decision 0008), so when a call becomes the current one its result
/// may have been read already, together with that of the call before. An honest worker has then noted on the status
/// page that the call has begun. But a tool that got hold of the channel could have written a result for a later call.
/// So a result counts only if the page says that the call has begun (decision 0003), unless there was a moment, since
/// the call became the current one, when nothing was left to read. After such a moment what arrives was written when
/// the worker had the call, and the page need not be read, which saves a system call for almost every call.
///
/// *Frames after the last one.* A thread that a call has left behind can send frames in the name of that call as long
/// as the process lives. A frame that names an earlier call is ignored, since its caller has the result. A frame that
/// names a later call cannot come from the worker, which takes calls in the order of their numbers, so the worker is
/// not to be trusted any more.
///
/// *Cancelling a call that asks.* A signal tells a sync worker to end its call. A signal that arrives after the tool
/// has looked for one, and before it waits for an answer, would wake nobody. So a call that has asked anything is told
/// on the channel as well, which a thread reads as long as a question is open (decision 0038).
pub(crate) struct RunningCall {
    /// Its number at this worker.
    pub(crate) id: u64,
    pub(crate) reader: FrameReader,
    /// It has asked its client something.
    pub(crate) asked: bool,
    /// There was a moment, since the call became the current one, when nothing was left to read.
    waited: bool,
    /// It has sent a frame or printed something before its result, so the end of its output may not have been read yet.
    pub(crate) talked: bool,
    /// Its last frame says that it has printed.
    pub(crate) printed: bool,
}

/// What reading frames needs of the worker that they come from.
pub(crate) struct WorkerView<'a> {
    pub(crate) channel: &'a mut Channel,
    /// Whether the code of the call of this number has begun.
    pub(crate) has_started: &'a dyn Fn(u64) -> bool,
    /// Set when a frame says that the worker is ready.
    pub(crate) ready: &'a mut bool,
}

impl RunningCall {
    pub(crate) fn new(id: u64, reader: FrameReader) -> Self {
        RunningCall { id, reader, asked: false, waited: false, talked: false, printed: false }
    }

    pub(crate) fn wants(&self) -> Wants {
        self.reader.wants
    }

    /// Reads every frame that has arrived, up to the last one of the call. Ready with that one, or with the reason why
    /// nothing more can be read.
    pub(crate) fn poll_frames(
        &mut self,
        cx: &mut Context<'_>,
        worker: &mut WorkerView<'_>,
        context: &mut CallContext<'_>,
    ) -> Poll<Result<FinalMessage, WireError>> {
        while let Poll::Ready(frame) = worker.channel.poll_message(cx) {
            if let Some(last) = frame.and_then(|frame| self.take_frame(frame, worker, context)).transpose() {
                return Poll::Ready(last);
            }
        }
        self.waited |= !worker.channel.holds_back();
        Poll::Pending
    }

    fn take_frame(
        &mut self,
        frame: ArrivedFrame,
        worker: &mut WorkerView<'_>,
        context: &mut CallContext<'_>,
    ) -> Result<Option<FinalMessage>, WireError> {
        let length = frame.length;
        let body = worker.channel.body(length);
        let message = frame.message(body)?;
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
