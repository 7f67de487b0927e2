//! What joins a running call to the client that waits for it: events go up, questions too, and their answers come down.
//!
//! In reading order: a [`CallClient`] is made of a request and gives its call a [`ClientPort`]. A client of the legacy
//! era is asked by a request of ours on its session. One of the modern era is answered with what is missing: its call
//! is kept by `parked` and found again by its `state`, and a `link` says who its client is at the moment.

mod link;
mod parked;
mod state;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use omni_call::{Answer, Ask, BoxFuture, CallPort, Event, EventSink, LogLevel, Refusal, Wants};
use omni_protocol::{
    About, AskedBy, ClientCapabilities, Encoder, Frame, Id, NotAskable, Request, RequestMeta, Retry,
    Revision, error_frame,
};

use crate::dispatch::{Answer as Reply, Caller};
use crate::outbox::Outbox;
use crate::running::Running;
use crate::server::Server;
use crate::session::{PendingReply, Session};

pub(crate) use link::Link;
pub(crate) use parked::ParkedCalls;

/// A question that nobody has answered for so long is given up, and so is a parked call that nobody has come back to. A
/// person may have to look something up; whoever has left must not keep a worker for the rest of the call's time.
pub(crate) const ANSWER_WAIT: Duration = Duration::from_secs(15 * 60);

/// The client of one call.
pub(crate) enum CallClient {
    /// It waits for the answer to one request until it has it.
    Constant(Constant),
    /// It may have to repeat its request before there is an answer.
    Returning(Arc<Link>),
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

/// Who is told of a call, and how its answer is addressed.
pub(crate) struct Audience {
    pub(crate) id: Id,
    pub(crate) revision: Revision,
    /// For what is said before the answer; `None` when the client takes or wants none of it.
    outbox: Option<Arc<Outbox>>,
    progress_token: Option<Bytes>,
    log_level: Option<LogLevel>,
    /// It wants to know how long the call waited and ran.
    pub(crate) timing: bool,
}

impl Audience {
    /// With `asks_by_stream` there is a way for what is said before the answer even if no events are wanted.
    fn of((id, revision): (Id, Revision), meta: &RequestMeta, caller: &Caller, asks_by_stream: bool) -> Self {
        let log_level = meta.log_level.or(caller.log_level);
        let wants_events = meta.progress_token.is_some() || log_level.is_some();
        let outbox = (caller.takes_events && (wants_events || asks_by_stream)).then(Arc::default);
        let (progress_token, log_level) = match outbox {
            Some(_) => (meta.progress_token.clone(), log_level),
            None => (None, None),
        };
        Audience { id, revision, outbox, progress_token, log_level, timing: meta.timing }
    }
}

impl CallClient {
    /// The client that has sent this request.
    pub(crate) fn of(
        server: &Server,
        id: Id,
        revision: Revision,
        meta: &RequestMeta,
        caller: &Caller,
        about: About<'_>,
    ) -> Self {
        let capabilities = match revision.asked_by() {
            AskedBy::InputRequired if !meta.capabilities.is_empty() => {
                let audience = Audience::of((id, revision), meta, caller, false);
                let link = Link::new(server.encoder.clone(), audience, meta.capabilities, caller, about);
                return CallClient::Returning(Arc::new(link));
            }
            AskedBy::InputRequired => meta.capabilities,
            AskedBy::Request => caller.capabilities,
        };
        let session = caller.session.clone();
        let by_stream = !capabilities.is_empty() && !session.has_one_stream();
        let audience = Audience::of((id, revision), meta, caller, by_stream);
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
            CallClient::Returning(link) => link.wants(),
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
            CallClient::Returning(link) => {
                let link = link.clone();
                Running::linked(link.address(), link, answer(self))
            }
        }
    }

    /// Whom the answer goes to, once there is somebody, who is told first how much of the call's events was lost.
    pub(crate) async fn audience(self, encoder: &Encoder) -> Audience {
        let audience = match self {
            CallClient::Constant(constant) => constant.audience,
            CallClient::Returning(link) => link.audience().await,
        };
        audience.report_dropped(encoder);
        audience
    }
}

impl Audience {
    fn address(&self) -> (Id, Option<Arc<Outbox>>) {
        (self.id.clone(), self.outbox.clone())
    }

    fn wants(&self) -> Wants {
        Wants { progress: self.progress_token.is_some(), log: self.log_level }
    }

    /// Says how many notifications were lost, if any were.
    fn report_dropped(&self, encoder: &Encoder) {
        let Some(outbox) = &self.outbox else { return };
        let dropped = outbox.take_dropped();
        if dropped > 0 {
            tracing::warn!(dropped, "a client read too slowly: notifications of its call were dropped");
            if self.log_level.is_some() {
                let text =
                    format!("\"{dropped} notifications of this call were dropped: you read too slowly\"");
                let frame = encoder.log(LogLevel::Warning, Some("omni"), text.as_bytes());
                // One for each call.
                let _ = outbox.push_always(frame);
            }
        }
    }

    /// Sends what of an event this client wants. `progress` is the last value sent: values must grow, whatever the tool
    /// reports.
    fn tell(&self, encoder: &Encoder, progress: &mut Option<f64>, event: Event) {
        let Some(outbox) = &self.outbox else { return };
        match event {
            Event::Progress { value, total, message } => {
                let Some(token) = &self.progress_token else { return };
                if progress.is_some_and(|last| value <= last) || !value.is_finite() {
                    return;
                }
                *progress = Some(value);
                outbox.push(encoder.progress(self.revision, token, value, total, message.as_deref()));
            }
            Event::Log { level, logger, data } => {
                if self.log_level.is_some_and(|wanted| level >= wanted) {
                    outbox.push(encoder.log(level, logger.as_deref(), &data));
                }
            }
        }
    }
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
            CallClient::Returning(link) => {
                link.with_audience(|audience| audience.tell(self.encoder, &mut self.progress, event));
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
            CallClient::Returning(link) => link.ask(ask),
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

fn refused(why: Refusal, message: &str) -> Answer {
    Answer::Refused { why, message: message.to_owned() }
}

fn not_askable(why: NotAskable) -> Answer {
    let refusal = match why {
        NotAskable::Undeclared(_) | NotAskable::Unknown(..) => Refusal::Unsupported,
        NotAskable::Malformed(_) => Refusal::Failed,
    };
    refused(refusal, &why.to_string())
}

/// Goes on with a call whose questions this request answers.
pub(crate) fn resume(request: &Request, retry: &Retry, about: About<'_>, caller: &Caller) -> Reply {
    let Request { id, revision, meta, .. } = request;
    let audience = Audience::of((id.clone(), *revision), meta, caller, false);
    match caller.parked.resume(retry, audience, meta.capabilities, caller, about) {
        Ok(running) => Reply::Later(running),
        Err(error) => Reply::Now(error_frame(Some(id), &error)),
    }
}
