//! Who hears, on the call's own future, what a call says.

use std::time::Instant;

use omni_call::{CallPort, Deadline, Event};

use super::frame_reader::{FinalMessage, FrameMeaning};
use crate::questions::CallQuestions;
use crate::wire::WireError;

/// The port of one call, its clocks and its questions, while its future is polled.
pub(crate) struct CallContext<'a> {
    pub(crate) deadline: &'a mut Deadline,
    pub(crate) port: &'a mut dyn CallPort,
    pub(crate) asks: &'a mut CallQuestions,
}

impl CallContext<'_> {
    /// Takes in what a frame means; `Some` when it ends the call. `taken` is how many bytes of answers the worker's socket
    /// has taken so far; 0 where answers go another way. What a call has printed comes by other ways than its frames
    /// wherever this is used.
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

/// Notes a sign of life, whoever hears it, and passes on what the caller wants to hear of it.
pub(crate) fn alive(deadline: &mut Deadline, port: &mut dyn CallPort, event: Option<Event>) {
    deadline.beat(Instant::now());
    port.alive();
    if let Some(event) = event {
        port.event(event);
    }
}
