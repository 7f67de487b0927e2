//! A message of a client, and what becomes of it.

use std::sync::Arc;

use omni_call::LogLevel;
use omni_protocol::{
    ClientCapabilities, ErrorCode, Frame, Message, Notification, RawNotification, RawRequest, Rejected,
    Request, Revision, RpcError,
};

use crate::admission::PeerAccount;
use crate::call_client::ParkedCalls;
use crate::caller::{Caller, RequestAnswer};
use crate::dispatch;
use crate::running_request::RunningRequest;
use crate::server::Server;
use crate::session::batch::{self, Item};
use crate::session::state::SessionScope;
use crate::session::{InFlightRequest, Session};

/// What a message comes with: its connection's account, and how its client can be reached.
#[derive(Clone, Copy)]
pub(crate) struct MessageContext<'a> {
    pub(crate) server: &'a Arc<Server>,
    /// Whose account its calls are on.
    pub(crate) account: &'a PeerAccount,
    /// Where its calls are kept while nobody waits for them.
    pub(crate) parked: &'a Arc<ParkedCalls>,
    /// Whether notifications can reach the client before the answer.
    pub(crate) takes_events: bool,
}

/// What is to be done for a message that a session has taken.
pub(crate) enum Received {
    /// Nothing: it wants no answer.
    Nothing,
    /// Its answer.
    Answer(Frame),
    /// It was not begun, for that reason.
    Refused(Rejected),
    /// It is being answered, as long as it is driven.
    Later(InFlightRequest),
}

impl Received {
    fn refused(request: omni_protocol::Id, error: RpcError) -> Self {
        Received::Refused(Rejected { id: Some(request), error })
    }
}

/// What the answer to a request depends on besides the request.
struct SessionSettings {
    log_level: Option<LogLevel>,
    ignores_cursors: bool,
    capabilities: ClientCapabilities,
}

impl Session {
    /// Takes one message, as it was decoded.
    pub(crate) fn receive(self: &Arc<Self>, message: Message, context: &MessageContext<'_>) -> Received {
        match message {
            Message::Request(raw) => self.request(raw, context),
            Message::Notification(raw) => {
                self.notification(&raw);
                Received::Nothing
            }
            Message::Response(response) => {
                self.reply(response);
                Received::Nothing
            }
            Message::Batch(messages) => self.batch(messages, context),
        }
    }

    /// Reads a request by the session's revision, and starts it.
    fn request(self: &Arc<Self>, raw: RawRequest, context: &MessageContext<'_>) -> Received {
        match dispatch::read(context.server, raw, || Ok(self.revision())) {
            Ok(request) => self.start(request, context),
            Err(rejected) => Received::Refused(rejected),
        }
    }

    /// Begins to answer a request.
    pub(crate) fn start(self: &Arc<Self>, request: Request, context: &MessageContext<'_>) -> Received {
        let id = request.id.clone();
        let terms = match self.admit(&request) {
            Ok(terms) => terms,
            Err(error) => return Received::refused(id, error),
        };
        let caller = Caller {
            session: self.clone(),
            parked: context.parked.clone(),
            account: context.account.clone(),
            log_level: terms.log_level,
            ignores_cursors: terms.ignores_cursors,
            capabilities: terms.capabilities,
            takes_events: context.takes_events,
        };
        let running = match dispatch::answer(context.server, request, caller) {
            RequestAnswer::Now(frame) => return Received::Answer(frame),
            RequestAnswer::Refused(error) => return Received::refused(id, error),
            RequestAnswer::Later(running) => running,
        };
        if self.scope == SessionScope::OneRequest {
            return Received::Later(InFlightRequest::new(running, None));
        }
        match self.begin(id) {
            Ok(taken) => Received::Later(InFlightRequest::new(running, Some(taken))),
            Err(id) => Received::refused(id, still_open()),
        }
    }

    /// Whether a request may be taken, and what its answer depends on.
    fn admit(&self, request: &Request) -> Result<SessionSettings, RpcError> {
        let state = self.state();
        if state.in_flight.contains_key(&request.id) {
            return Err(still_open());
        }
        if let SessionScope::Connection { in_flight_max: max } = self.scope
            && state.in_flight.len() >= max
            && !dispatch::is_always_answered(&request.action)
        {
            let why = format!("{max} requests are open; wait for one to end");
            return Err(RpcError::new(ErrorCode::Overloaded, why));
        }
        Ok(SessionSettings {
            log_level: state.log_level,
            ignores_cursors: state.ignores_cursors,
            capabilities: state.capabilities,
        })
    }

    fn notification(&self, raw: &RawNotification) {
        if let Notification::Cancelled(cancelled) = Notification::read(raw)
            && self.cancel(&cancelled.request)
        {
            tracing::debug!(id = ?cancelled.request, reason = cancelled.reason, "cancelled by the client");
        }
    }

    /// A batch of 2025-03-26: its answers come together, in one array. Each of its ids is in flight until then.
    fn batch(
        self: &Arc<Self>,
        messages: Vec<Result<Message, Rejected>>,
        context: &MessageContext<'_>,
    ) -> Received {
        if !self.revision().is_some_and(Revision::has_batches) {
            let error = RpcError::new(ErrorCode::InvalidRequest, "this protocol revision has no batches");
            return Received::Refused(Rejected { id: None, error });
        }
        // Notifications before an answer have no place in an array of answers.
        let context = MessageContext { takes_events: false, ..*context };
        let mut items = Vec::new();
        let mut taken = Vec::new();
        for message in messages {
            items.push(match message {
                Ok(Message::Request(raw)) => {
                    let id = raw.id.clone();
                    match self.request(raw, &context) {
                        Received::Answer(frame) => {
                            taken.extend(self.begin(id.clone()).map(|(in_flight, _)| in_flight));
                            Item::answered(id, frame)
                        }
                        Received::Later(mut request) => {
                            taken.extend(request.take_id());
                            Item::running(id, request)
                        }
                        Received::Refused(rejected) => Item::refused(&rejected),
                        Received::Nothing => continue,
                    }
                }
                Ok(message) => {
                    self.receive(message, &context);
                    continue;
                }
                Err(rejected) => Item::refused(&rejected),
            });
        }
        if items.is_empty() {
            return Received::Nothing;
        }
        let account = context.account.clone();
        let answers = async move {
            let _taken = taken;
            batch::join(items, &account).await
        };
        Received::Later(InFlightRequest::new(RunningRequest::of_batch(answers), None))
    }
}

fn still_open() -> RpcError {
    RpcError::new(ErrorCode::InvalidRequest, "a request with this id is still open")
}
