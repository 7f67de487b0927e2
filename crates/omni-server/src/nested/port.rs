//! The port of a call, shared by its executor and the calls that its tool makes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use omni_call::{
    Answer, Ask, BoxFuture, CallPort, ChildStatus, Event, EventSink, ServerMethod, ServerRequest,
};
use tokio::sync::oneshot;

/// A call's port, and what its tool wants of the server.
///
/// All that use it are polled by the one future of the call, so nobody ever waits for the lock.
pub(super) struct SharedPort<'a> {
    port: Mutex<&'a mut dyn CallPort>,
    requests: Mutex<Vec<PendingRequest>>,
}

/// What a tool wants, and where the answer goes. The sender is closed when the tool waits no more.
pub(super) type PendingRequest = (ServerRequest, oneshot::Sender<Answer>);

impl<'a> SharedPort<'a> {
    pub(super) fn new(port: &'a mut dyn CallPort) -> Self {
        SharedPort { port: Mutex::new(port), requests: Mutex::default() }
    }

    fn port(&self) -> MutexGuard<'_, &'a mut dyn CallPort> {
        self.port.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the call's own port answers.
    pub(super) fn request(&self, request: ServerRequest) -> BoxFuture<'static, Answer> {
        self.port().request(request)
    }

    /// What the tool has asked for since the last time.
    pub(super) fn take_requests(&self) -> Vec<PendingRequest> {
        std::mem::take(&mut *self.requests.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The port that the executor has.
pub(super) struct ExecutorPort<'a>(pub(super) &'a SharedPort<'a>);

impl EventSink for ExecutorPort<'_> {
    fn event(&mut self, event: Event) {
        self.0.port().event(event);
    }

    fn alive(&mut self) {
        self.0.port().alive();
    }

    fn begun(&mut self) {
        self.0.port().begun();
    }

    fn left_out(&mut self, bytes: u64) {
        self.0.port().left_out(bytes);
    }
}

impl CallPort for ExecutorPort<'_> {
    fn ask(&mut self, ask: Ask) -> BoxFuture<'static, Answer> {
        self.0.port().ask(ask)
    }

    fn can_be_asked(&self) -> bool {
        self.0.port().can_be_asked()
    }

    fn request(&mut self, request: ServerRequest) -> BoxFuture<'static, Answer> {
        let method = request.method;
        let (answer, coming) = oneshot::channel();
        self.0.requests.lock().unwrap_or_else(PoisonError::into_inner).push((request, answer));
        Box::pin(async move { coming.await.unwrap_or_else(|_| Answer::no_server(method)) })
    }
}

/// The port of a call that the tool makes. The client hears no progress and no log of it, since both are of the one call
/// that it knows; what it says is a sign of life of that call. Its questions go to the same client.
pub(super) struct ChildPort<'a> {
    pub(super) port: &'a SharedPort<'a>,
    pub(super) status: Arc<ChildStatus>,
}

impl EventSink for ChildPort<'_> {
    fn event(&mut self, _event: Event) {}

    fn alive(&mut self) {
        self.port.port().alive();
    }
}

impl CallPort for ChildPort<'_> {
    fn ask(&mut self, ask: Ask) -> BoxFuture<'static, Answer> {
        let answer = self.port.port().ask(ask);
        let open = self.status.question();
        Box::pin(async move {
            let _open = open;
            answer.await
        })
    }

    fn can_be_asked(&self) -> bool {
        self.port.port().can_be_asked()
    }

    fn request(&mut self, request: ServerRequest) -> BoxFuture<'static, Answer> {
        let answer = match request.method {
            // Its client knows the one call alone that made it.
            ServerMethod::BecomeTask => Answer::Result(Bytes::from_static(br#"{"task":false}"#)),
            // The call has a port around this one that answers these.
            ServerMethod::CallTool
            | ServerMethod::ReadResource
            | ServerMethod::GetState
            | ServerMethod::SetState => Answer::no_server(request.method),
        };
        Box::pin(std::future::ready(answer))
    }
}
