//! The client of one call: what it hears, what it may be asked, and how its answer gets there.

use std::sync::Arc;

use omni_call::{Answer, Ask, AskRefusal, BoxFuture, CallPort, Event, EventSink, Wants};
use omni_protocol::{
    AskedBy, ClientCapabilities, Encoder, Frame, Id, InputResponses, Request, RequestMeta, RequestSubject,
    Revision, error_frame,
};

use super::client_link::ClientLink;
use super::parked::{ParkHandle, RequestIdentity, Resumed};
use super::recipient::Recipient;
use super::refusal::{ANSWER_WAIT, not_askable, refused};
use crate::admission::CallPermit;
use crate::caller::{Caller, RequestAnswer as Reply};
use crate::outbox::Outbox;
use crate::running_request::RunningRequest;
use crate::server::Server;
use crate::session::{PendingReply, Session};

/// The client of one call.
pub(crate) enum CallClient {
    /// It waits for the answer to one request until it has it.
    SingleRequest(SingleRequest),
    /// It may have to repeat its request before there is an answer.
    Resumable(Arc<ParkHandle>),
}

pub(crate) struct SingleRequest {
    recipient: Recipient,
    capabilities: ClientCapabilities,
    session: Arc<Session>,
    asked_by: QuestionRoute,
}

/// How a question reaches a client that is asked by requests of ours.
enum QuestionRoute {
    /// On the stream of the call's own answer.
    Stream(Arc<Outbox>),
    /// On the session's one stream.
    Session,
    /// Not at all.
    None,
}

impl CallClient {
    /// The client that has sent this request.
    pub(crate) fn of(
        server: &Server,
        id: Id,
        revision: Revision,
        meta: &RequestMeta,
        caller: &Caller,
        subject: RequestSubject<'_>,
    ) -> Self {
        let capabilities = match revision.asked_by() {
            AskedBy::InputRequired if !meta.capabilities.is_empty() => {
                let recipient = recipient_of((id, revision), meta, caller, false);
                let early = meta.early_answers.clone();
                let link = ClientLink::new(server.encoder.clone(), recipient, meta.capabilities, early);
                let link = Arc::new(link);
                let identity = RequestIdentity::new(&caller.session.principal, &caller.account, subject);
                return CallClient::Resumable(Arc::new(ParkHandle::new(&caller.parked, identity, link)));
            }
            AskedBy::InputRequired => meta.capabilities,
            AskedBy::Request => caller.capabilities,
        };
        let session = caller.session.clone();
        let by_stream = !capabilities.is_empty() && !session.has_one_stream();
        let recipient = recipient_of((id, revision), meta, caller, by_stream);
        let asked_by = match &recipient.outbox {
            _ if !caller.takes_events => QuestionRoute::None,
            _ if session.has_one_stream() => QuestionRoute::Session,
            Some(outbox) => QuestionRoute::Stream(outbox.clone()),
            None => QuestionRoute::None,
        };
        CallClient::SingleRequest(SingleRequest { recipient, capabilities, session, asked_by })
    }

    /// Which of the call's events the client wants.
    pub(crate) fn wants(&self) -> Wants {
        match self {
            CallClient::SingleRequest(single) => single.recipient.wants(),
            CallClient::Resumable(parking) => parking.link.wants(),
        }
    }

    /// The port through which a call reaches this client. While it waits for an answer it does not have its permit.
    pub(crate) fn port<'a>(&'a self, encoder: &'a Arc<Encoder>, permit: &'a CallPermit) -> ClientPort<'a> {
        ClientPort { client: self, encoder, permit, progress: None }
    }

    /// The request, driven by what `answer` makes of its client: a future that ends in the answer.
    pub(crate) fn running<F>(self, answer: impl FnOnce(CallClient) -> F) -> RunningRequest
    where
        F: Future<Output = Frame> + Send + 'static,
    {
        match &self {
            CallClient::SingleRequest(SingleRequest { recipient, .. }) => {
                let (id, outbox) = recipient.address();
                RunningRequest::new(id, answer(self), outbox)
            }
            CallClient::Resumable(parking) => {
                let parking = parking.clone();
                RunningRequest::parkable(parking.link.address(), parking, answer(self))
            }
        }
    }

    /// The recipient of the answer, once there is one. It is told first how many of the call's events were lost.
    pub(crate) async fn recipient(self, encoder: &Encoder) -> Recipient {
        let recipient = match self {
            CallClient::SingleRequest(single) => single.recipient,
            CallClient::Resumable(parking) => parking.link.recipient().await,
        };
        recipient.report_dropped(encoder);
        recipient
    }
}

/// The recipient of a call. With `asks_by_stream` it has an outbox even if it wants no events: for questions.
fn recipient_of(
    (id, revision): (Id, Revision),
    meta: &RequestMeta,
    caller: &Caller,
    asks_by_stream: bool,
) -> Recipient {
    let log_level = meta.log_level.or(caller.log_level);
    let wants_events = meta.progress_token.is_some() || log_level.is_some();
    let outbox = (caller.takes_events && (wants_events || asks_by_stream)).then(Arc::default);
    let (progress_token, log_level) = match outbox {
        Some(_) => (meta.progress_token.clone(), log_level),
        None => (None, None),
    };
    Recipient { id, revision, outbox, progress_token, log_level, timing: meta.timing }
}

/// The port through which one call reaches its client.
pub(crate) struct ClientPort<'a> {
    client: &'a CallClient,
    encoder: &'a Arc<Encoder>,
    permit: &'a CallPermit,
    progress: Option<f64>,
}

impl EventSink for ClientPort<'_> {
    fn event(&mut self, event: Event) {
        match self.client {
            CallClient::SingleRequest(SingleRequest { recipient, .. }) => {
                recipient.tell(self.encoder, &mut self.progress, event);
            }
            CallClient::Resumable(parking) => {
                parking
                    .link
                    .with_recipient(|recipient| recipient.tell(self.encoder, &mut self.progress, event));
            }
        }
    }
}

impl CallPort for ClientPort<'_> {
    fn ask(&mut self, ask: Ask) -> BoxFuture<'static, Answer> {
        match self.client {
            CallClient::SingleRequest(single) => match single.ask(self.encoder, &ask) {
                Ok(pending) => self.permit.awaiting(Box::pin(answer_of(pending))),
                Err(refused) => Box::pin(std::future::ready(refused)),
            },
            CallClient::Resumable(parking) => self.permit.awaiting(parking.link.ask(ask)),
        }
    }

    fn can_be_asked(&self) -> bool {
        match self.client {
            CallClient::SingleRequest(single) => !single.capabilities.is_empty(),
            // A client is resumable only if it has declared that it can be asked.
            CallClient::Resumable(_) => true,
        }
    }
}

impl SingleRequest {
    /// Sends a question as a request of ours.
    fn ask(&self, encoder: &Arc<Encoder>, ask: &Ask) -> Result<PendingReply, Answer> {
        self.capabilities.allows(self.recipient.revision, ask).map_err(not_askable)?;
        let through = match &self.asked_by {
            QuestionRoute::Stream(outbox) => Some(outbox.clone()),
            QuestionRoute::Session => None,
            QuestionRoute::None => {
                let why = "the client cannot be asked that: its request takes no message before its answer (it is in \
                           a batch, or its `Accept` lacks `text/event-stream`)";
                return Err(refused(AskRefusal::Unsupported, why));
            }
        };
        let pending = self.session.ask(encoder, through, ask);
        pending.map_err(|error| refused(AskRefusal::Failed, &error.to_string()))
    }
}

/// The answer that a client's reply gives.
async fn answer_of(pending: PendingReply) -> Answer {
    match tokio::time::timeout(ANSWER_WAIT, pending).await {
        Ok(Some(Ok(result))) if result.starts_with(b"{") => Answer::Result(result),
        Ok(Some(Ok(_))) => refused(AskRefusal::Failed, "the client's answer is not a JSON object"),
        Ok(Some(Err(error))) => {
            let why = format!("the client answered with error {}: {}", error.code, error.message);
            refused(AskRefusal::Failed, &why)
        }
        Ok(None) => refused(AskRefusal::Gone, "the client went away before it answered"),
        Err(_) => {
            let why = format!("the client has not answered for {} minutes", ANSWER_WAIT.as_secs() / 60);
            refused(AskRefusal::Gone, &why)
        }
    }
}

/// Goes on with a call whose questions this request answers.
pub(crate) fn resume(
    request: &Request,
    retry: &InputResponses,
    subject: RequestSubject<'_>,
    caller: &Caller,
) -> Reply {
    let Request { id, revision, meta, .. } = request;
    let recipient = recipient_of((id.clone(), *revision), meta, caller, false);
    match caller.parked.resume(retry, recipient, meta.capabilities, &caller.session.principal, subject) {
        Ok(Resumed { address, parking, future, ended }) => {
            Reply::Later(RunningRequest::resumed(address, parking, future, ended))
        }
        Err(error) => Reply::Now(error_frame(Some(id), &error)),
    }
}
