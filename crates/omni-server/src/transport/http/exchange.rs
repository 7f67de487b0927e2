//! One request to the endpoint of MCP and its reply.

#![expect(
    clippy::result_large_err,
    reason = "a refusal is a reply like any other, and is made once a request"
)]

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Response, StatusCode};
use omni_protocol::{ErrorCode, Frame, Id, Message, RawRequest, Rejected, RpcError, error_frame};
use tokio::time::sleep;

use super::body::{EventStream, HeldPermits, ReplyBody};
use super::counted_answer::counted;
use super::negotiation::{self, Accepts};
use super::reply::{
    EVENT_STREAM, Reply, accepted, accepted_with, json, method_not_allowed, refusal, refused, stream,
    unavailable,
};
use super::request_body;
use super::resume::{EventId, NewStream, Resumed, StreamSource};
use super::shared::Shared;
use crate::admission::{BusyGuard, PeerAccount, Permit};
use crate::authentication::Identity;
use crate::frames::decode_frame;
use crate::host_check::{HostRejection, single};
use crate::outbox::Outbox;
use crate::running_request::{RequestOutput, RunningRequest};
use crate::session::{InFlightRequest, MessageContext, Received, Session};
use crate::{dispatch, header_match, subscriptions};

/// A call that takes longer than this is answered as a stream, so that its client sees headers before it
/// gives up.
const STREAM_AFTER: Duration = Duration::from_secs(5);

const SESSION_HEADER: HeaderName = HeaderName::from_static("mcp-session-id");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Who sends a request, as its headers say.
#[derive(Clone, Copy)]
pub(super) struct Client<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) identity: &'a Arc<Identity>,
    pub(super) account: &'a PeerAccount,
    pub(super) headers: &'a HeaderMap,
}

impl Client<'_> {
    /// Answers a request to the endpoint. Dropping the future (the client hung up) cancels what it started.
    pub(super) async fn answer(
        self,
        method: &Method,
        body: Incoming,
        work: BusyGuard,
    ) -> Result<Reply, Reply> {
        // A session is of the legacy era; whatever names the modern one has none.
        let in_session =
            self.headers.contains_key(SESSION_HEADER) && !header_match::names_no_session(self.headers);
        match *method {
            Method::POST => self.post(body, work).await,
            Method::GET if in_session => self.listen(),
            Method::DELETE if in_session => self.delete(),
            _ => {
                let why = "POST a message; in a session, GET what is said outside of requests, or DELETE it";
                Err(method_not_allowed("POST, GET, DELETE", why))
            }
        }
    }

    async fn post(self, body: Incoming, work: BusyGuard) -> Result<Reply, Reply> {
        let accepts = check_negotiation(self.headers)?;
        let max = self.shared.server.config.limits.body_bytes_max;
        let (text, bytes) = request_body::read(body, max, self.account).await?;
        let message = decode_frame(text).await.map_err(|rejected| refused(&rejected))?;
        let exchange = Exchange { client: self, accepts, bytes, work };
        match message {
            Message::Request(raw) => exchange.request(raw).await,
            message => exchange.message(message).await,
        }
    }

    /// The stream of a legacy session, for what belongs to no request, or the rest of any stream of it.
    fn listen(self) -> Result<Reply, Reply> {
        let session = self.session().map_err(|error| no_session(None, &error))?;
        let Some(session) = session.filter(|_| negotiation::takes_events(self.headers)) else {
            let why = "`Accept` must allow `text/event-stream`";
            return Err(refusal(StatusCode::NOT_ACCEPTABLE, None, ErrorCode::InvalidRequest, why));
        };
        if session.has_event_ids()
            && let Some(after) = self.last_event_id()?
            && let Some(reply) = self.resume(&session, &after)?
        {
            return Ok(reply);
        }
        let ended = session.begin_stream();
        let outbox = Arc::new(Outbox::default());
        let said = subscriptions::session_stream(self.shared.server.clone(), session.clone(), outbox.clone());
        let request = InFlightRequest::stream(RunningRequest::session_stream(said, outbox), ended);
        let source = StreamSource::Session;
        Ok(self.events(&session, source, Some(request), None, HeldPermits::default()))
    }

    /// The event after which the client wants the rest of its stream.
    fn last_event_id(self) -> Result<Option<EventId>, Reply> {
        let refuse = |why: &str| refusal(StatusCode::BAD_REQUEST, None, ErrorCode::InvalidRequest, why);
        let text = single(self.headers, &LAST_EVENT_ID).map_err(|rejection| {
            let (HostRejection::Malformed(why) | HostRejection::Forbidden(why)) = rejection;
            refuse(&why)
        })?;
        let Some(text) = text else { return Ok(None) };
        EventId::parse(text)
            .map(Some)
            .ok_or_else(|| refuse("`Last-Event-ID` is the id of no event of this server"))
    }

    /// The rest of a stream; `None` when it was the session's and a new one has to do.
    fn resume(self, session: &Session, after: &EventId) -> Result<Option<Reply>, Reply> {
        let Client { shared, account, .. } = self;
        let why = match shared.streams.resume(&session.name(), after) {
            Resumed::Reader(reader) => {
                let closes_after = shared.server.config.streams.closed_after;
                let held = HeldPermits::default();
                let events = EventStream::resumable(reader, closes_after, account.clone(), held);
                return Ok(Some(stream(events)));
            }
            Resumed::NoSuchEvent => "`Last-Event-ID` is of an event that its stream has not had yet",
            Resumed::Unknown => match &after.source {
                StreamSource::Session => {
                    session.forget_seen();
                    return Ok(None);
                }
                StreamSource::Request(Some(id)) if !session.has_open(id) => {
                    let why = "the rest of this request's stream cannot be had any more: nobody read it for too long, or \
                               the server was started anew; how far its call came is not known";
                    let answer = error_frame(Some(id), &RpcError::new(ErrorCode::Internal, why));
                    let events =
                        EventStream::new(None, Some(answer), account.clone(), HeldPermits::default());
                    return Ok(Some(stream(events)));
                }
                StreamSource::Request(_) => {
                    "the stream that `Last-Event-ID` names cannot be had any more: nobody read it for too long, or the \
                     server was started anew"
                }
            },
        };
        Err(refusal(StatusCode::BAD_REQUEST, None, ErrorCode::InvalidRequest, why))
    }

    /// A stream of events, which begins with `first` if there is something to send already. The client can resume it if
    /// its session's revision has that; else what `running` does ends with the connection.
    fn events(
        self,
        session: &Arc<Session>,
        source: StreamSource,
        running: Option<InFlightRequest>,
        first: Option<Frame>,
        held: HeldPermits,
    ) -> Reply {
        let Shared { server, streams, .. } = &**self.shared;
        let account = self.account.clone();
        if !(session.has_event_ids() && streams.are_offered()) {
            return stream(EventStream::new(running, first, account, held));
        }
        let HeldPermits { bytes, work } = held;
        let (server, session) = (server.clone(), session.clone());
        let closes_after = server.config.streams.closed_after;
        let identity = self.identity.clone();
        let new =
            NewStream { server, session, source, running, first, bytes, account: account.clone(), identity };
        let held = HeldPermits { bytes: None, work };
        stream(EventStream::resumable(streams.open(new), closes_after, account, held))
    }

    /// Waits for the answer, or for the reason to make the reply a stream: something to say before the answer,
    /// or a call that takes long.
    async fn drive(
        self,
        mut request: InFlightRequest,
        session: &Arc<Session>,
        held: HeldPermits,
        accepts: Accepts,
    ) -> Reply {
        let source = StreamSource::request(request.id());
        let first = {
            let step = request.step();
            tokio::pin!(step);
            let slow = sleep(STREAM_AFTER);
            tokio::pin!(slow);
            tokio::select! {
                biased;
                step = &mut step => Some(step),
                () = &mut slow, if accepts.events => None,
            }
        };
        let (running, event) = match first {
            Some(None) => return withdrawn(),
            Some(Some(RequestOutput::Done(frame))) if accepts.json => {
                let status = match frame.error {
                    Some(ErrorCode::MissingCapability) => StatusCode::BAD_REQUEST,
                    _ => StatusCode::OK,
                };
                return json(status, counted(frame, self.account));
            }
            Some(Some(RequestOutput::Done(frame))) => (None, Some(counted(frame, self.account))),
            Some(Some(RequestOutput::Event(frame))) => (Some(request), Some(frame)),
            None => (Some(request), None),
        };
        self.events(session, source, running, event, held)
    }

    fn delete(self) -> Result<Reply, Reply> {
        let session = self.session().map_err(|error| no_session(None, &error))?;
        if let Some(session) = session {
            self.shared.sessions.end(&session.name(), self.identity, self.account.key());
            self.shared.streams.end_session(&session.name());
        }
        Ok(accepted_with(StatusCode::OK))
    }

    /// The peer's session that the headers name; `None` when they name none.
    fn session(self) -> Result<Option<Arc<Session>>, RpcError> {
        let token = single(self.headers, &SESSION_HEADER).map_err(|rejection| {
            let (HostRejection::Malformed(why) | HostRejection::Forbidden(why)) = rejection;
            RpcError::new(ErrorCode::InvalidRequest, why)
        })?;
        let Some(token) = token else { return Ok(None) };
        let session = self.shared.sessions.find(token, self.identity, self.account.key());
        session.map(Some).ok_or_else(RpcError::unknown_session)
    }
}

fn check_negotiation(headers: &HeaderMap) -> Result<Accepts, Reply> {
    negotiation::check_content(headers)
        .map_err(|why| refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, None, ErrorCode::InvalidRequest, why))?;
    negotiation::accepted(headers).ok_or_else(|| {
        let why = "`Accept` must allow `application/json` and `text/event-stream`";
        refusal(StatusCode::NOT_ACCEPTABLE, None, ErrorCode::InvalidRequest, why)
    })
}

/// One request (or batch) with the headers it came under.
struct Exchange<'a> {
    client: Client<'a>,
    accepts: Accepts,
    /// What its body holds.
    bytes: Permit,
    work: BusyGuard,
}

impl Exchange<'_> {
    async fn request(self, raw: RawRequest) -> Result<Reply, Reply> {
        let client = self.client;
        let server = &client.shared.server;
        let mut session = None;
        let read = dispatch::read(server, raw, || {
            session = client.session()?;
            Ok(session.as_ref().and_then(|session| session.revision()))
        });
        let request = read.map_err(|rejected| self.rejected(rejected, session.is_some()))?;
        let opens_session = request.opens_session();
        let session = match session {
            Some(session) if !opens_session => session,
            _ if opens_session => Session::lasting(client.identity),
            _ => Session::of_request(client.identity),
        };
        header_match::check(client.headers, &request, server, &session)
            .map_err(|error| refused(&Rejected { id: Some(request.id.clone()), error }))?;
        let received = session.start(request, &self.context());
        let token = opens_session.then(|| client.shared.sessions.keep(&session, client.account.key()));
        let mut reply = self.reply(received, &session).await?;
        if let Some(token) = token.flatten() {
            let token = HeaderValue::from_str(&token).expect("a token is hexadecimal");
            reply.headers_mut().insert(SESSION_HEADER, token);
        }
        Ok(reply)
    }

    /// Any other message than a single request. No notification of a client of the modern era has a meaning
    /// here.
    async fn message(self, message: Message) -> Result<Reply, Reply> {
        let client = self.client;
        let session = match header_match::names_no_session(client.headers) {
            true => None,
            false => client.session().map_err(|error| no_session(None, &error))?,
        };
        let session = session.unwrap_or_else(|| Session::of_request(client.identity));
        let received = session.receive(message, &self.context());
        self.reply(received, &session).await
    }

    fn context(&self) -> MessageContext<'_> {
        MessageContext {
            server: &self.client.shared.server,
            account: self.client.account,
            parked: &self.client.shared.parked,
            takes_events: self.accepts.events,
        }
    }

    /// Chooses between one JSON text and a stream of events.
    async fn reply(self, received: Received, session: &Arc<Session>) -> Result<Reply, Reply> {
        let Exchange { client, accepts, bytes, work } = self;
        let account = client.account;
        match received {
            Received::Nothing => Ok(accepted()),
            Received::Answer(frame) if accepts.json => Ok(json(StatusCode::OK, frame)),
            Received::Answer(frame) => {
                let held = HeldPermits { bytes: Some(bytes), work: Some(work) };
                Ok(stream(EventStream::new(None, Some(counted(frame, account)), account.clone(), held)))
            }
            Received::Refused(rejected) if rejected.error.code == ErrorCode::Overloaded => {
                Err(unavailable(error_frame(rejected.id.as_ref(), &rejected.error)))
            }
            Received::Refused(rejected) => Err(refused(&rejected)),
            Received::Later(request) => {
                // A client that only listens is not at work: its stream can go when another needs the room.
                let work = (!request.only_listens()).then_some(work);
                let held = HeldPermits { bytes: Some(bytes), work };
                Ok(client.drive(request, session, held, accepts).await)
            }
        }
    }

    /// A request that could not be read. In a legacy session its error is an ordinary answer.
    fn rejected(&self, rejected: Rejected, in_session: bool) -> Reply {
        let error = header_match::explain(self.client.headers, rejected.error);
        let status = match error.code {
            ErrorCode::MethodNotFound if in_session => StatusCode::OK,
            ErrorCode::MethodNotFound => StatusCode::NOT_FOUND,
            ErrorCode::InvalidParams if in_session => StatusCode::OK,
            ErrorCode::UnknownSession => StatusCode::NOT_FOUND,
            _ => StatusCode::BAD_REQUEST,
        };
        json(status, error_frame(rejected.id.as_ref(), &error))
    }
}

/// The reply to a request that its client took back by a notification: an empty stream, since nothing may
/// be said for it any more.
fn withdrawn() -> Reply {
    let mut reply = Response::new(ReplyBody::empty());
    reply.headers_mut().insert(header::CONTENT_TYPE, EVENT_STREAM);
    reply
}

/// The refusal of a request whose session cannot be had.
fn no_session(id: Option<&Id>, error: &RpcError) -> Reply {
    let status = match error.code {
        ErrorCode::UnknownSession => StatusCode::NOT_FOUND,
        _ => StatusCode::BAD_REQUEST,
    };
    json(status, error_frame(id, error))
}
