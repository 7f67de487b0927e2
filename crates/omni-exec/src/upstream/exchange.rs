//! One request and its answer, with all that the server says and asks in between.

use std::future::poll_fn;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use omni_call::{Answer, AskRefusal, BoxFuture, CallPort, Deadline, Expired};
use omni_protocol::client::{Incoming, InputResponses, Outgoing, ServerNotification};
use omni_protocol::{AskedBy, CancelledBy, ErrorCode, Id, Message, PeerError, Response, decode};
use tokio::time::{sleep_until, timeout};

use super::conversation::{Asked, Handshake, Upstream};
use super::error::UpstreamError;
use super::http::PostResult;
use super::opening::{self, id};
use super::transport::UpstreamTransport;

/// Questions of the server that are open at once, at most.
const QUESTIONS_MAX: usize = 32;

/// How long a request that is taken back may take to be.
const TAKE_BACK_WAIT: Duration = Duration::from_secs(2);

impl Upstream {
    /// Sends a request and returns its result. A session that has ended meanwhile is opened anew, once. While questions of
    /// the server are open, the clocks stand still.
    pub(super) async fn exchange(
        &mut self,
        request: &Asked,
        resume: &InputResponses,
        deadline: &mut Deadline,
        port: &mut dyn CallPort,
    ) -> Result<Bytes, UpstreamError> {
        self.take_back("the client has stopped waiting").await;
        let method = request.action.method().name();
        let ended = match self.send(request, resume, *deadline).await {
            Ok((id, SendResult::Answer)) => self.answer(&id, method, deadline, port).await,
            // The server has not looked at the request, so sending it again is safe.
            Ok((_, SendResult::SessionGone)) => {
                self.in_flight = None;
                self.open_again().await?;
                match self.send(request, resume, *deadline).await {
                    Ok((id, SendResult::Answer)) => self.answer(&id, method, deadline, port).await,
                    Ok((_, SendResult::SessionGone)) => Err(UpstreamError::Broken {
                        address: self.server(),
                        reason: "it ends each session at once".to_owned(),
                    }),
                    Err(error) => Err(error),
                }
            }
            Err(error) => Err(error),
        };
        // It may have ended with questions open.
        deadline.resume(Instant::now());
        if matches!(ended, Err(UpstreamError::TimedOut { .. })) {
            self.take_back("its time is up").await;
        }
        self.in_flight = None;
        let result = ended?;
        result.map_err(|error| UpstreamError::Refused { server: self.server(), method, error })
    }

    /// Takes back a request whose answer nobody waits for any more.
    pub(super) async fn take_back(&mut self, reason: &str) {
        let Some(id) = self.in_flight.take() else { return };
        let revision = self.handshake.revision;
        match (&mut self.transport, revision.cancelled_by()) {
            (UpstreamTransport::Http(http), CancelledBy::Closing) => http.abandon(),
            (transport, CancelledBy::Closing | CancelledBy::Notification) => {
                let cancelled = self.encoder.cancelled_notification(revision, &id, reason);
                // Whether or not the server could be told, nothing more is read of its answer.
                let _ = timeout(TAKE_BACK_WAIT, transport.tell(&cancelled)).await;
                if let UpstreamTransport::Http(http) = transport {
                    http.abandon();
                }
            }
        }
    }

    async fn open_again(&mut self) -> Result<(), UpstreamError> {
        if let UpstreamTransport::Http(http) = &mut self.transport {
            http.forget_session();
        }
        let Self { config, encoder, transport, next_id, .. } = self;
        let agreed = opening::open(config, encoder, transport, next_id).await?;
        self.handshake = Handshake { revision: agreed.revision, server: agreed.server };
        Ok(())
    }

    async fn send(
        &mut self,
        request: &Asked,
        resume: &InputResponses,
        deadline: Deadline,
    ) -> Result<(Id, SendResult), UpstreamError> {
        let id = id(&mut self.next_id);
        let (revision, action) = (self.handshake.revision, &request.action);
        let outgoing = self.encoder.retry_request(revision, &id, action, &request.meta(&id), resume);
        let mut outgoing: Outgoing = outgoing.map_err(UpstreamError::UnsupportedMethod)?;
        outgoing.headers.extend(request.headers.iter().cloned());
        self.in_flight = Some(id.clone());
        let repeatable = !matches!(action, omni_protocol::Action::CallTool(_));
        let posted = tokio::select! {
            posted = self.transport.request(&outgoing, repeatable) => posted?,
            () = until(deadline) => return Err(self.timed_out(action.method().name(), deadline)),
        };
        match posted {
            PostResult::Answer => Ok((id, SendResult::Answer)),
            PostResult::SessionGone => Ok((id, SendResult::SessionGone)),
            PostResult::Status(error) => Err(error),
        }
    }

    /// Reads until the answer to `id` comes.
    async fn answer(
        &mut self,
        id: &Id,
        method: &'static str,
        deadline: &mut Deadline,
        port: &mut dyn CallPort,
    ) -> Result<Result<Bytes, PeerError>, UpstreamError> {
        let mut questions = ServerQuestions::default();
        let awaited = AwaitedRequest { id, method };
        loop {
            let now = Instant::now();
            if questions.is_empty() {
                deadline.resume(now);
            } else {
                deadline.pause(now);
            }
            tokio::select! {
                biased;
                frame = self.transport.next() => {
                    let frame = frame?;
                    match decode(&frame) {
                        Ok(message) => {
                            let taken = self.take(message, awaited, deadline, &mut questions, port).await?;
                            if let Some(answer) = taken {
                                return Ok(answer);
                            }
                        }
                        Err(rejected) => {
                            self.unreadable(rejected, awaited)?;
                            self.stray_output.note(&frame);
                        }
                    }
                }
                (question, answer) = questions.next() => {
                    self.reply(&question, answer).await?;
                    // A person may have thought about it for long.
                    deadline.beat(Instant::now());
                }
                () = until(*deadline) => return Err(self.timed_out(method, *deadline)),
            }
        }
    }

    /// Takes one message; returns the answer that is awaited if it is that.
    async fn take(
        &mut self,
        message: Message,
        awaited: AwaitedRequest<'_>,
        deadline: &mut Deadline,
        questions: &mut ServerQuestions,
        port: &mut dyn CallPort,
    ) -> Result<Option<Result<Bytes, PeerError>>, UpstreamError> {
        match message {
            Message::Response(Response { id: answered, result }) => {
                // Without an id it is about a message that could not be read, and only this one is open.
                let is_ours = answered.as_ref().is_none_or(|answered| answered == awaited.id);
                Ok(is_ours.then_some(result))
            }
            Message::Notification(raw) => {
                match ServerNotification::read(&raw) {
                    ServerNotification::Progress { token, event } if token == awaited.id.as_json() => {
                        deadline.beat(Instant::now());
                        port.alive();
                        port.event(event);
                    }
                    ServerNotification::Log(event) => {
                        deadline.beat(Instant::now());
                        port.alive();
                        port.event(event);
                    }
                    ServerNotification::Cancelled(question) => questions.drop(&question),
                    ServerNotification::Progress { .. }
                    | ServerNotification::ToolsChanged
                    | ServerNotification::Changed(_)
                    | ServerNotification::Other => {}
                }
                Ok(None)
            }
            Message::Request(raw) => {
                match self.handshake.revision.asked_by() {
                    // Where a server asks by its results, it has no requests, and takes no answers.
                    AskedBy::InputRequired => return Ok(None),
                    AskedBy::Request => {}
                }
                match Incoming::read(&raw) {
                    Incoming::Ping => {
                        let pong = Answer::Result(Bytes::from_static(b"{}"));
                        self.reply(&raw.id, pong).await?;
                    }
                    Incoming::Ask(ask) if questions.0.len() < QUESTIONS_MAX => {
                        deadline.beat(Instant::now());
                        questions.0.push((raw.id, port.ask(ask)));
                    }
                    Incoming::Ask(_) => {
                        let message = format!("more than {QUESTIONS_MAX} questions are open");
                        self.reply(&raw.id, Answer::Refused { why: AskRefusal::Failed, message }).await?;
                    }
                    Incoming::Unknown { method } => {
                        let message = format!("this client has no method `{method}`");
                        self.reply(&raw.id, Answer::Refused { why: AskRefusal::Unsupported, message })
                            .await?;
                    }
                }
                Ok(None)
            }
            Message::Batch(messages) => {
                let mut found = None;
                for message in messages {
                    match message {
                        Ok(message) => {
                            let taken = self.take(message, awaited, deadline, questions, port);
                            let taken = Box::pin(taken).await?;
                            found = found.or(taken);
                        }
                        Err(rejected) => self.unreadable(rejected, awaited)?,
                    }
                }
                Ok(found)
            }
        }
    }

    /// What is no message: the answer, spoilt, or a line of a program that also prints.
    fn unreadable(
        &self,
        rejected: omni_protocol::Rejected,
        awaited: AwaitedRequest<'_>,
    ) -> Result<(), UpstreamError> {
        if rejected.id.as_ref() == Some(awaited.id) || matches!(self.transport, UpstreamTransport::Http(_)) {
            return Err(UpstreamError::Unreadable {
                server: self.server(),
                method: awaited.method,
                why: rejected.error.message,
                stderr: self.transport.stderr_tail(),
            });
        }
        tracing::debug!(error = rejected.error.message, "a line of the server is no message");
        Ok(())
    }

    /// Answers a request of the server.
    async fn reply(&mut self, id: &Id, answer: Answer) -> Result<(), UpstreamError> {
        let revision = self.handshake.revision;
        let outgoing = match answer {
            Answer::Result(result) => self.encoder.answer(revision, id, &result),
            Answer::Refused { why, message } => {
                let code = match why {
                    AskRefusal::Unsupported => ErrorCode::MethodNotFound,
                    AskRefusal::Failed | AskRefusal::Gone => ErrorCode::Internal,
                };
                self.encoder.refusal(revision, id, code, &message)
            }
        };
        self.transport.tell(&outgoing).await
    }

    pub(super) fn timed_out(&self, method: &'static str, deadline: Deadline) -> UpstreamError {
        let expiry = deadline.expired(Instant::now());
        let expiry = expiry.unwrap_or(Expired::Total { limit: self.config.patience });
        let (server, printed, stderr) =
            (self.server(), self.stray_output.shown(), self.transport.stderr_tail());
        UpstreamError::TimedOut { server, method, expiry, printed, stderr }
    }
}

/// The request whose answer is read.
#[derive(Clone, Copy)]
struct AwaitedRequest<'a> {
    id: &'a Id,
    method: &'static str,
}

enum SendResult {
    Answer,
    SessionGone,
}

/// Ready when the deadline has passed; never while its clocks stand still.
async fn until(deadline: Deadline) {
    match deadline.next() {
        Some(at) => sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// The server's questions that have no answer yet.
#[derive(Default)]
struct ServerQuestions(Vec<(Id, BoxFuture<'static, Answer>)>);

impl ServerQuestions {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The server takes a question back.
    fn drop(&mut self, id: &Id) {
        self.0.retain(|(open, _)| open != id);
    }

    /// The next answer, in whatever order they come. Never ready while no question is open.
    async fn next(&mut self) -> (Id, Answer) {
        poll_fn(|cx| {
            for at in 0..self.0.len() {
                if let Poll::Ready(answer) = self.0[at].1.as_mut().poll(cx) {
                    return Poll::Ready((self.0.swap_remove(at).0, answer));
                }
            }
            Poll::Pending
        })
        .await
    }
}
