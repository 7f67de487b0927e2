//! Notes whether a call has asked its client or the server something. A call that has asked its client is not repeated;
//! the result of one that has asked either is not cached.

use omni_call::{Answer, Ask, BoxFuture, CallPort, Event, EventSink, ServerRequest};

/// A port that notes whether something was asked.
pub(super) struct AskRecorder<'a> {
    port: &'a mut dyn CallPort,
    /// It has asked its client.
    pub(super) asked: bool,
    /// It has asked the server, whose answer may be another for each client.
    pub(super) requested: bool,
}

impl<'a> AskRecorder<'a> {
    pub(super) fn new(port: &'a mut dyn CallPort) -> Self {
        AskRecorder { port, asked: false, requested: false }
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

    fn request(&mut self, request: ServerRequest) -> BoxFuture<'static, Answer> {
        self.requested = true;
        self.port.request(request)
    }
}
