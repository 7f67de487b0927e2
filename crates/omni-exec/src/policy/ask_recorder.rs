//! Notes whether a call has asked its client or the server something. A call that has asked its client is not repeated;
//! the result of one that has asked either is not cached.

use std::sync::{Arc, Mutex, PoisonError};

use omni_call::{Answer, Ask, BoxFuture, CallPort, Deadline, Event, EventSink, OpenQuestions, ServerRequest};

use super::clock::now;

/// A port that notes whether something was asked.
pub(super) struct AskRecorder<'a> {
    port: &'a mut dyn CallPort,
    /// It has asked its client.
    pub(super) asked: bool,
    /// It has asked the server, whose answer may be another for each client.
    pub(super) requested: bool,
    /// The questions to its client that are open, where somebody wants to know.
    questions: Option<OpenQuestions>,
}

impl<'a> AskRecorder<'a> {
    pub(super) fn new(port: &'a mut dyn CallPort) -> Self {
        AskRecorder { port, asked: false, requested: false, questions: None }
    }

    /// One that stops the clocks of a deadline as long as the client is asked something.
    pub(super) fn stopping(port: &'a mut dyn CallPort, deadline: &Arc<Mutex<Deadline>>) -> Self {
        let deadline = Arc::clone(deadline);
        let questions = OpenQuestions::new(move |waits| {
            let mut deadline = deadline.lock().unwrap_or_else(PoisonError::into_inner);
            if waits {
                deadline.pause(now());
            } else {
                deadline.resume(now());
            }
        });
        AskRecorder { questions: Some(questions), ..AskRecorder::new(port) }
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
        let answer = self.port.ask(ask);
        match &self.questions {
            Some(questions) => questions.counted(answer),
            None => answer,
        }
    }

    fn can_be_asked(&self) -> bool {
        self.port.can_be_asked()
    }

    fn request(&mut self, request: ServerRequest) -> BoxFuture<'static, Answer> {
        self.requested = true;
        self.port.request(request)
    }
}
