//! What the future of a call lends to whoever reads the call's frames: its clocks, its client, its questions.

use std::time::Instant;

use omni_call::{CallPort, Deadline, Event};

use super::frame_reader::{FinalMessage, FrameMeaning};
use crate::questions::CallQuestions;
use crate::wire::WireError;

/// The clocks, the port and the open questions of one call, while its future is polled.
pub(crate) struct CallContext<'a> {
    pub(crate) deadline: &'a mut Deadline,
    pub(crate) port: &'a mut dyn CallPort,
    pub(crate) asks: &'a mut CallQuestions,
}

impl CallContext<'_> {
    /// Acts on what a frame means; `Some` when it ends the call. `taken` is how many bytes the worker's socket has
    /// taken so far, 0 where answers do not go through a socket. Frames with output are ignored: where this is used,
    /// output comes through pipes.
    pub(crate) fn apply(
        &mut self,
        meaning: FrameMeaning<'_>,
        taken: u64,
    ) -> Result<Option<FinalMessage>, WireError> {
        match meaning {
            FrameMeaning::Ends(last) => return Ok(Some(last)),
            FrameMeaning::Alive(event) => self.alive(event),
            FrameMeaning::Question(asking) => self.asks.take(asking, taken, self.deadline, self.port)?,
            FrameMeaning::Started | FrameMeaning::Printed(_) | FrameMeaning::Nothing => {}
        }
        Ok(None)
    }

    /// As [`alive`].
    pub(crate) fn alive(&mut self, event: Option<Event>) {
        alive(self.deadline, self.port, event);
    }
}

/// Notes a sign of life, and passes on the event that came with it.
pub(crate) fn alive(deadline: &mut Deadline, port: &mut dyn CallPort, event: Option<Event>) {
    deadline.beat(Instant::now());
    port.alive();
    if let Some(event) = event {
        port.event(event);
    }
}
