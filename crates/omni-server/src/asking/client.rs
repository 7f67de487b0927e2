//! The client of one call: what it hears, what it may be asked, and how its answer gets there.

use std::sync::Arc;

use omni_call::{Answer, Ask, BoxFuture, CallPort, Event, EventSink, Refusal, Wants};
use omni_protocol::{
    AskedBy, ClientCapabilities, Encoder, Frame, Id, InputResponses, Request, RequestMeta, RequestSubject,
    Revision, error_frame,
};

use super::audience::Audience;
use super::link::Link;
use super::parked::{Identity, Parking, Resumed};
use super::refusal::{ANSWER_WAIT, not_askable, refused};
use crate::caller::{Answer as Reply, Caller};
use crate::outbox::Outbox;
use crate::running::Running;
use crate::server::Server;
use crate::session::{PendingReply, Session};

/// The client of one call.
pub(crate) enum CallClient {
    /// It waits for the answer to one request until it has it.
    Constant(Constant),
    /// It may have to repeat its request before there is an answer.
    Returning(Arc<Parking>),
}

pub(crate) struct Constant {
    audience: Audience,
    capabilities: ClientCapabilities,
    session: Arc<Session>,
    asked_by: Way,
}

/// How a question reaches a client that is asked by requests of ours.
enum Way {
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
                let audience = audience_of((id, revision), meta, caller, false);
                let link = Arc::new(Link::new(server.encoder.clone(), audience, meta.capabilities));
                let identity = Identity::new(&caller.session.principal, &caller.share, subject);
                return CallClient::Returning(Arc::new(Parking::new(&caller.parked, identity, link)));
            }
            AskedBy::InputRequired => meta.capabilities,
            AskedBy::Request => caller.capabilities,
        };
        let session = caller.session.clone();
        let by_stream = !capabilities.is_empty() && !session.has_one_stream();
        let audience = audience_of((id, revision), meta, caller, by_stream);
        let asked_by = match &audience.outbox {
            _ if !caller.takes_events => Way::None,
            _ if session.has_one_stream() => Way::Session,
            Some(outbox) => Way::Stream(outbox.clone()),
            None => Way::None,
        };
        CallClient::Constant(Constant { audience, capabilities, session, asked_by })
    }

    /// What of the call's events somebody hears.
    pub(crate) fn wants(&self) -> Wants {
        match self {
            CallClient::Constant(constant) => constant.audience.wants(),
            CallClient::Returning(parking) => parking.link.wants(),
        }
    }

    /// The way of a call to this client.
    pub(crate) fn port<'a>(&'a self, encoder: &'a Arc<Encoder>) -> ClientPort<'a> {
        ClientPort { client: self, encoder, progress: None }
    }

    /// The request, driven by what `answer` makes of its client: a future that ends in the answer.
    pub(crate) fn running<F>(self, answer: impl FnOnce(CallClient) -> F) -> Running
    where
        F: Future<Output = Frame> + Send + 'static,
    {
        match &self {
            CallClient::Constant(Constant { audience, .. }) => {
                let (id, outbox) = audience.address();
                Running::new(id, answer(self), outbox)
            }
            CallClient::Returning(parking) => {
                let parking = parking.clone();
                Running::parkable(parking.link.address(), parking, answer(self))
            }
        }
    }

    /// Whom the answer goes to, once there is somebody, who is told first how much of the call's events was lost.
    pub(crate) async fn audience(self, encoder: &Encoder) -> Audience {
        let audience = match self {
            CallClient::Constant(constant) => constant.audience,
            CallClient::Returning(parking) => parking.link.audience().await,
        };
        audience.report_dropped(encoder);
        audience
    }
}

/// Who is told of the call of a request. With `asks_by_stream` there is a way for what is said before the answer even if no events are wanted.
fn audience_of(
    (id, revision): (Id, Revision),
    meta: &RequestMeta,
    caller: &Caller,
    asks_by_stream: bool,
) -> Audience {
    let log_level = meta.log_level.or(caller.log_level);
    let wants_events = meta.progress_token.is_some() || log_level.is_some();
    let outbox = (caller.takes_events && (wants_events || asks_by_stream)).then(Arc::default);
    let (progress_token, log_level) = match outbox {
        Some(_) => (meta.progress_token.clone(), log_level),
        None => (None, None),
    };
    Audience { id, revision, outbox, progress_token, log_level, timing: meta.timing }
}

/// The way of one call to its client.
pub(crate) struct ClientPort<'a> {
    client: &'a CallClient,
    encoder: &'a Arc<Encoder>,
    progress: Option<f64>,
}

impl EventSink for ClientPort<'_> {
    fn event(&mut self, event: Event) {
        match self.client {
            CallClient::Constant(Constant { audience, .. }) => {
                audience.tell(self.encoder, &mut self.progress, event);
            }
            CallClient::Returning(parking) => {
                parking.link.with_audience(|audience| audience.tell(self.encoder, &mut self.progress, event));
            }
        }
    }
}

impl CallPort for ClientPort<'_> {
    fn ask(&mut self, ask: Ask) -> BoxFuture<'static, Answer> {
        match self.client {
            CallClient::Constant(constant) => match constant.ask(self.encoder, &ask) {
                Ok(pending) => Box::pin(answer_of(pending)),
                Err(refused) => Box::pin(std::future::ready(refused)),
            },
            CallClient::Returning(parking) => parking.link.ask(ask),
        }
    }

    fn can_be_asked(&self) -> bool {
        match self.client {
            CallClient::Constant(constant) => !constant.capabilities.is_empty(),
            // It has declared something.
            CallClient::Returning(_) => true,
        }
    }
}

impl Constant {
    /// Sends a question as a request of ours.
    fn ask(&self, encoder: &Arc<Encoder>, ask: &Ask) -> Result<PendingReply, Answer> {
        self.capabilities.allows(self.audience.revision, ask).map_err(not_askable)?;
        let through = match &self.asked_by {
            Way::Stream(outbox) => Some(outbox.clone()),
            Way::Session => None,
            Way::None => {
                let why = "the client cannot be asked that: its request takes no message before its answer (it is in \
                           a batch, or its `Accept` lacks `text/event-stream`)";
                return Err(refused(Refusal::Unsupported, why));
            }
        };
        let pending = self.session.ask(encoder, through, ask);
        pending.map_err(|error| refused(Refusal::Failed, &error.to_string()))
    }
}

/// What a client's reply answers.
async fn answer_of(pending: PendingReply) -> Answer {
    match tokio::time::timeout(ANSWER_WAIT, pending).await {
        Ok(Some(Ok(result))) if result.starts_with(b"{") => Answer::Result(result),
        Ok(Some(Ok(_))) => refused(Refusal::Failed, "the client's answer is not a JSON object"),
        Ok(Some(Err(error))) => {
            let why = format!("the client answered with error {}: {}", error.code, error.message);
            refused(Refusal::Failed, &why)
        }
        Ok(None) => refused(Refusal::Gone, "the client went away before it answered"),
        Err(_) => {
            let why = format!("the client has not answered for {} minutes", ANSWER_WAIT.as_secs() / 60);
            refused(Refusal::Gone, &why)
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
    let audience = audience_of((id.clone(), *revision), meta, caller, false);
    match caller.parked.resume(retry, audience, meta.capabilities, &caller.session.principal, subject) {
        Ok(Resumed { address, parking, future, ended }) => {
            Reply::Later(Running::resumed(address, parking, future, ended))
        }
        Err(error) => Reply::Now(error_frame(Some(id), &error)),
    }
}
