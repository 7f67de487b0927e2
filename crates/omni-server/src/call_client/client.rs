//! The client of one call: what it hears, what it may be asked, and how its answer gets there.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use omni_call::{
    Answer, Ask, AskRefusal, BoxFuture, CallPort, Event, EventSink, OutcomeKind, RunSpec, ServerMethod,
    ServerRequest, TaskSupport, Wants,
};
use omni_protocol::{
    AskedBy, ClientCapabilities, Encoder, Frame, Id, InputResponses, Method, Request, RequestMeta,
    RequestSubject, Revision, error_frame,
};

use super::answers_ahead::AnswersAhead;
use super::asking_calls::AskingCall;
use super::call_ending::CallEnding;
use super::client_link::ClientLink;
use super::parked::{BroughtState, ParkHandle, RequestIdentity, Resumed, Resumption};
use super::recipient::Recipient;
use super::refusal::{in_words, not_askable, refused};
use super::replay::Replay;
use crate::admission::CallPermit;
use crate::caller::Caller;
use crate::outbox::Outbox;
use crate::running_request::RunningRequest;
use crate::server::Server;
use crate::session::{PeerReply, Session};
use crate::tasks::TaskSeed;

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
    /// `None` where the client can be asked nothing.
    asking: Option<Box<Asking>>,
}

/// What the questions of a call share that asks by requests of ours.
struct Asking {
    call: AskingCall,
    expires_after: Duration,
    ending: Arc<CallEnding>,
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
    /// The client that has sent this request, and what has come with it before its call asks anything.
    pub(crate) fn of(
        server: &Server,
        (id, revision): (Id, Revision),
        meta: &RequestMeta,
        caller: &Caller,
        subject: RequestSubject<'_>,
        ahead: AnswersAhead,
    ) -> Self {
        let tasks =
            server.tasks.as_ref().filter(|_| meta.takes_tasks && subject.method == Method::CallTool.name());
        let capabilities = match revision.asked_by() {
            AskedBy::InputRequired if !meta.capabilities.is_empty() || ahead.is_rerun || tasks.is_some() => {
                let recipient = recipient_of((id, revision), meta, caller, false);
                let encoder = server.encoder.clone();
                let link = Arc::new(ClientLink::new(encoder, recipient, meta.capabilities, ahead));
                let identity = RequestIdentity::new(&caller.session.principal, &caller.account, subject);
                let task = tasks.map(|tasks| {
                    link.may_become_task();
                    let owner = caller.session.principal.seal_text();
                    TaskSeed::new(tasks, &owner, subject.method, subject.name)
                });
                let parking = ParkHandle::new(&caller.parked, identity, link, task);
                return CallClient::Resumable(Arc::new(parking));
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
        let asking = (!capabilities.is_empty()).then(|| {
            let limits = server.config.asking;
            let call = AskingCall::new(&server.asking, limits, caller.account.key());
            Box::new(Asking { call, expires_after: limits.expires_after, ending: Arc::default() })
        });
        CallClient::SingleRequest(SingleRequest { recipient, capabilities, session, asked_by, asking })
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
        ClientPort { client: self, encoder, permit, progress: None, begun: false }
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
    /// A process has had the call.
    begun: bool,
}

impl EventSink for ClientPort<'_> {
    fn begun(&mut self) {
        if std::mem::replace(&mut self.begun, true)
            && let CallClient::Resumable(parking) = self.client
        {
            parking.link.restart();
        }
    }

    fn event(&mut self, event: Event) {
        match self.client {
            CallClient::SingleRequest(SingleRequest { recipient, .. }) => {
                recipient.tell(self.encoder, &mut self.progress, event);
            }
            CallClient::Resumable(parking) => {
                parking.link.heard(&event);
                parking
                    .link
                    .with_recipient(|recipient| recipient.tell(self.encoder, &mut self.progress, event));
            }
        }
    }
}

impl CallPort for ClientPort<'_> {
    fn ask(&mut self, ask: Ask) -> BoxFuture<'static, Answer> {
        let (revision, answer) = match self.client {
            CallClient::SingleRequest(single) => match single.ask(self.encoder, &ask) {
                Ok(answer) => (single.recipient.revision, self.permit.awaiting(answer)),
                Err(refused) => return Box::pin(std::future::ready(refused)),
            },
            CallClient::Resumable(parking) => {
                (parking.link.revision(), self.permit.awaiting(parking.link.ask(ask.clone())))
            }
        };
        Box::pin(async move { held_to_its_question(revision, &ask, answer.await) })
    }

    fn can_be_asked(&self) -> bool {
        match self.client {
            CallClient::SingleRequest(single) => !single.capabilities.is_empty(),
            CallClient::Resumable(parking) => parking.link.can_be_asked(),
        }
    }

    fn request(&mut self, request: ServerRequest) -> BoxFuture<'static, Answer> {
        let answer = match request.method {
            ServerMethod::BecomeTask => {
                let becomes = match self.client {
                    CallClient::SingleRequest(_) => false,
                    CallClient::Resumable(parking) => parking.link.wish_task(),
                };
                Answer::Result(Bytes::from(format!(r#"{{"task":{becomes}}}"#)))
            }
            ServerMethod::CallTool
            | ServerMethod::ReadResource
            | ServerMethod::GetState
            | ServerMethod::SetState => Answer::no_server(request.method),
        };
        Box::pin(std::future::ready(answer))
    }

    fn declare_task(&mut self, support: TaskSupport) -> bool {
        match self.client {
            CallClient::SingleRequest(_) => support != TaskSupport::Required,
            CallClient::Resumable(parking) => parking.link.declare_task(support),
        }
    }

    fn ending(&self, spec: &RunSpec) -> Option<BoxFuture<'static, OutcomeKind>> {
        match self.client {
            CallClient::SingleRequest(single) => {
                single.asking.as_ref().map(|asking| CallEnding::wait(asking.ending.clone()))
            }
            CallClient::Resumable(parking) => Some(parking.link.ending(spec.policy.repeatable)),
        }
    }

    fn lost(&mut self) {
        if let CallClient::Resumable(parking) = self.client {
            parking.link.lose();
        }
    }
}

impl SingleRequest {
    /// Sends a question as a request of ours.
    fn ask(&self, encoder: &Arc<Encoder>, ask: &Ask) -> Result<BoxFuture<'static, Answer>, Answer> {
        self.capabilities.allows(self.recipient.revision, ask).map_err(not_askable)?;
        let Some(Asking { call, expires_after, ending }) = self.asking.as_deref() else {
            return Err(Answer::unsupported(ask.method));
        };
        let through = match &self.asked_by {
            QuestionRoute::Stream(outbox) => Some(outbox.clone()),
            QuestionRoute::Session => None,
            QuestionRoute::None => {
                let why = "the client cannot be asked that: its request takes no message before its answer (it is in \
                           a batch, or its `Accept` lacks `text/event-stream`)";
                return Err(refused(AskRefusal::Unsupported, why));
            }
        };
        let failed = |error: &dyn std::error::Error| refused(AskRefusal::Failed, &error.to_string());
        let place = call.place().map_err(|error| failed(&error))?;
        let pending = self.session.ask(encoder, through, ask).map_err(|error| failed(&error))?;
        let (expires_after, ending) = (*expires_after, ending.clone());
        Ok(Box::pin(async move {
            let _place = place;
            match tokio::time::timeout(expires_after, pending).await {
                Ok(reply) => answer_of(reply),
                // Nobody answers any more, and the call has nobody to go on for.
                Err(_) => {
                    ending.set(unanswered(expires_after));
                    std::future::pending().await
                }
            }
        }))
    }
}

/// How a call ends whose question stays unanswered.
fn unanswered(expires_after: Duration) -> OutcomeKind {
    let message = format!(
        "the call was ended: its client has not answered what it was asked for {}",
        in_words(expires_after)
    );
    OutcomeKind::tool_error("Unanswered", message, None)
}

/// The answer that a client's reply gives; without one its session has ended.
fn answer_of(reply: Option<PeerReply>) -> Answer {
    match reply {
        Some(Ok(result)) if result.starts_with(b"{") => Answer::Result(result),
        Some(Ok(_)) => refused(AskRefusal::Failed, "the client's answer is not a JSON object"),
        Some(Err(error)) => {
            let why = format!("the client answered with error {}: {}", error.code, error.message);
            refused(AskRefusal::Failed, &why)
        }
        None => refused(AskRefusal::Gone, "the client went away before it answered"),
    }
}

/// A client's answer to a question in the newest revision's form, or the refusal of one that is no answer to it.
fn held_to_its_question(revision: Revision, ask: &Ask, answer: Answer) -> Answer {
    let Answer::Result(result) = answer else { return answer };
    match revision.read_answer(ask, result) {
        Ok(result) => Answer::Result(result),
        Err(malformed) => refused(AskRefusal::Failed, &malformed.to_string()),
    }
}

/// What becomes of a request that brings a `requestState`.
pub(crate) enum StateUse {
    /// Its call was parked, and goes on with it.
    Resumed(RunningRequest),
    /// The call is there no more, and is to be run again.
    Gone(Replay),
    Refused(Frame),
}

/// Looks for the call whose questions a request answers.
pub(crate) fn use_state(
    request: &Request,
    brought: &InputResponses,
    subject: RequestSubject<'_>,
    caller: &Caller,
) -> StateUse {
    let Request { id, revision, meta, .. } = request;
    let recipient = recipient_of((id.clone(), *revision), meta, caller, false);
    let principal = &caller.session.principal;
    let InputResponses { state, responses } = brought;
    let brought = BroughtState { text: state, responses, principal, subject };
    match caller.parked.resume(&brought, recipient, (meta.capabilities, meta.takes_tasks)) {
        Ok(Resumption::Call(Resumed { address, parking, future, ended })) => {
            StateUse::Resumed(RunningRequest::resumed(address, parking, future, ended))
        }
        Ok(Resumption::Gone(contents)) => {
            StateUse::Gone(Replay::new(caller.parked.clone(), contents, responses))
        }
        Err(error) => StateUse::Refused(error_frame(Some(id), &error)),
    }
}
