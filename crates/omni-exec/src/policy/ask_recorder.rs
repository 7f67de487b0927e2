//! Notes whether a call has asked its client something. Such a call is not repeated, and its result is not cached.

use omni_call::{Answer, Ask, BoxFuture, CallPort, Event, EventSink};

/// A port that notes whether something was asked.
pub(super) struct AskRecorder<'a> {
    port: &'a mut dyn CallPort,
    pub(super) asked: bool,
}

impl<'a> AskRecorder<'a> {
    pub(super) fn new(port: &'a mut dyn CallPort) -> Self {
        AskRecorder { port, asked: false }
    }
}

impl EventSink for AskRecorder<'_> {
    fn event(&mut self, event: Event) {
        self.port.event(event);
    }

    fn alive(&mut self) {
        self.port.alive();
    }

    fn begun(&mut self) {
        self.port.begun();
    }

    fn left_out(&mut self, bytes: u64) {
        self.port.left_out(bytes);
    }
}

impl CallPort for AskRecorder<'_> {
    fn ask(&mut self, ask: Ask) -> BoxFuture<'static, Answer> {
        self.asked = true;
        self.port.ask(ask)
    }

    fn can_be_asked(&self) -> bool {
        self.port.can_be_asked()
    }
}
