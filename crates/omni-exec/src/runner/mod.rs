//! `runner`: calls are sent over HTTP/1.1 to a runner that somebody else has started. The contract is
//! `docs/reference/runner.md`.

mod address;
mod client;
mod connection;
mod connection_pool;
mod items;
mod line_splitter;
mod questions;
mod routes;
mod runner_line;

use std::time::Instant;

use bytes::Bytes;
use hyper::{Method, StatusCode};
use omni_call::{BoxFuture, Call, CallPort, CallRequest, Executor, Outcome, OutcomeKind, Phase};

use crate::attempt::{AttemptCounter, alive};
use crate::bounds::{READ_BYTES_PER_TURN, RUNNER_ANSWER_GRACE};
use crate::outcome::{outcome, start_failed, unstarted};
use crate::start_failure::StartFailure;
use crate::wire::{self, AttemptInfo, DispatchInfo, WireError};
use crate::within::{within, within_and};
use questions::RunnerQuestions;
use runner_line::{FinalLine, RunnerLine};

pub(crate) use address::RunnerEndpoint;
pub use address::{AddressError, RunnerAddress};
pub use client::{Runner, RunnerConfig};
pub(crate) use connection::{ConnectionError, RunnerConnection};
pub(crate) use line_splitter::{LineSplitter, LineTooLong};
pub use routes::{Listing, RunnerError};

impl Runner {
    /// Runs a call until it ends, or until this executor is shut down.
    async fn run_tool(&self, mut call: Call, events: &mut dyn CallPort) -> Outcome {
        let mut progress = CallProgress { phase: Phase::Queued, attempts: AttemptCounter::default() };
        let mut closed = self.closed.subscribe();
        let ended = tokio::select! {
            biased;
            ended = self.attempts(&mut call, &mut progress, events) => ended,
            _ = closed.wait_for(|closed| *closed) => Err(Box::new(unstarted(&call, OutcomeKind::Shutdown))),
        };
        let (phase, attempt) = (progress.phase, progress.attempts.number());
        match ended {
            Ok(FinalLine { kind, stack, stderr, worker, died }) => {
                Outcome { stack, stderr, worker, died, ..outcome(&call, kind, phase, attempt) }
            }
            Err(refused) => Outcome { phase, attempt, ..*refused },
        }
    }

    /// Has a call answered that is no tool call.
    async fn run_item(&self, call: Call, events: &mut dyn CallPort) -> Outcome {
        let mut closed = self.closed.subscribe();
        events.begun();
        let FinalLine { kind, stack, stderr, worker, died } = tokio::select! {
            biased;
            last = self.item(&call) => last,
            _ = closed.wait_for(|closed| *closed) => FinalLine::of(OutcomeKind::Shutdown),
        };
        Outcome { stack, stderr, worker, died, ..outcome(&call, kind, Phase::Started, 1) }
    }

    /// Sends the call, and once more when a connection breaks before the runner has taken it.
    async fn attempts(
        &self,
        call: &mut Call,
        progress: &mut CallProgress,
        events: &mut dyn CallPort,
    ) -> Result<FinalLine, Box<Outcome>> {
        let mut connection = self.connect_in_time(call, self.connections.take()).await?;
        let (connection, questions) = loop {
            let request = self.request(Method::POST, "/run_tool", body(call, progress.attempts.number()));
            let request = request.map_err(|error| refused(call, &error))?;
            let head = within(&call.deadline, connection.send(request)).await;
            match head.map_err(|kind| Box::new(unstarted(call, kind)))? {
                Ok(head) if head.status() == StatusCode::OK => {
                    break (connection, RunnerQuestions::new(self, head.headers()));
                }
                Ok(head) => {
                    let body = within(&call.deadline, connection.rest(self.config.line_bytes_max)).await;
                    let body = body.map_err(|kind| Box::new(unstarted(call, kind)))?;
                    let body = body.map_err(|broken| lost(call, broken))?;
                    self.connections.put(connection);
                    return Err(refused(call, &routes::refusal(head.status(), head.headers(), &body)));
                }
                Err(ConnectionError::Unanswered(reason)) if progress.attempts.count_retry() => {
                    tracing::debug!(call = %call.id, reason, "a connection broke before the call began; trying another");
                    connection = self.connect_in_time(call, self.connections.open()).await?;
                }
                Err(broken) => return Err(lost(call, broken)),
            }
        };
        progress.phase = Phase::Starting;
        events.begun();
        Ok(self.follow(connection, questions, call, progress, events).await)
    }

    /// A connection, if there is one before the call's time is up.
    async fn connect_in_time(
        &self,
        call: &Call,
        connection: impl Future<Output = Result<RunnerConnection, StartFailure>>,
    ) -> Result<RunnerConnection, Box<Outcome>> {
        match within(&call.deadline, connection).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(failure)) => Err(Box::new(start_failed(call, &failure))),
            Err(kind) => Err(Box::new(unstarted(call, kind))),
        }
    }

    /// Reads what the runner says of the call. Where the last line does not come, nobody knows whether the tool has
    /// begun. Then it counts as begun, so that the caller is not told that repeating the call is safe.
    async fn follow(
        &self,
        connection: RunnerConnection,
        questions: RunnerQuestions<'_>,
        call: &mut Call,
        progress: &mut CallProgress,
        events: &mut dyn CallPort,
    ) -> FinalLine {
        match self.last_line(connection, questions, call, progress, events).await {
            Ok(last) => {
                if matches!(last.kind, OutcomeKind::Finished(_)) {
                    progress.phase = Phase::Started;
                }
                last
            }
            Err(kind) => {
                progress.phase = Phase::Started;
                FinalLine::of(kind)
            }
        }
    }

    /// Passes on what the runner says, until its last line or what came in its place.
    async fn last_line(
        &self,
        mut connection: RunnerConnection,
        mut questions: RunnerQuestions<'_>,
        call: &mut Call,
        progress: &mut CallProgress,
        events: &mut dyn CallPort,
    ) -> Result<FinalLine, OutcomeKind> {
        let limit = self.config.line_bytes_max;
        let mut lines = LineSplitter::new(limit);
        let mut read_now = 0;
        loop {
            if read_now >= READ_BYTES_PER_TURN {
                // A runner that writes as fast as this reads would keep everybody else waiting.
                read_now = 0;
                tokio::task::yield_now().await;
            }
            let deadline = call.deadline;
            let next = within_and(&deadline, RUNNER_ANSWER_GRACE, connection.next());
            let piece = tokio::select! {
                biased;
                // An answer has started the idle clock again, so the next wait must use the new deadline.
                answered = questions.answered(&mut call.deadline) => {
                    answered?;
                    continue;
                }
                piece = next => piece,
            };
            let piece = piece?.map_err(|broken| OutcomeKind::Lost { message: broken.reason() })?;
            if let Some(piece) = &piece {
                lines.push(piece);
                read_now += piece.len();
            }
            loop {
                let line = match lines.next() {
                    Ok(None) if piece.is_none() => lines.last(),
                    Ok(line) => line,
                    Err(line_splitter::LineTooLong) => {
                        return Err(broken(&WireError::TooLong { length: limit + 1, limit }));
                    }
                };
                let Some(line) = line else { break };
                match runner_line::read_beside(line, call, self.config.result_bytes_max)
                    .await
                    .map_err(|error| broken(&error))?
                {
                    RunnerLine::Started => progress.phase = Phase::Started,
                    RunnerLine::Event(event) => alive(&mut call.deadline, events, event),
                    RunnerLine::Question(asking) => {
                        progress.phase = Phase::Started;
                        let taken = questions.take(asking, &mut call.deadline, events);
                        taken.map_err(|error| broken(&error))?;
                    }
                    RunnerLine::End(last) => {
                        self.connections.put(connection);
                        return Ok(*last);
                    }
                    RunnerLine::Nothing => {}
                }
            }
            if piece.is_none() {
                return Err(OutcomeKind::Lost {
                    message: "its runner ended the answer without a result".into(),
                });
            }
        }
    }
}

/// How far a call has come.
struct CallProgress {
    phase: Phase,
    attempts: AttemptCounter,
}

fn broken(error: &WireError) -> OutcomeKind {
    OutcomeKind::Lost { message: format!("its runner does not keep to the contract: {error}") }
}

fn lost(call: &Call, broken: ConnectionError) -> Box<Outcome> {
    let message = format!("its runner gave no answer: {}", broken.reason());
    Box::new(unstarted(call, OutcomeKind::Lost { message }))
}

/// The outcome of a call that the runner did not take.
fn refused(call: &Call, error: &RunnerError) -> Box<Outcome> {
    let kind = match error {
        RunnerError::Refused { status: 503, retry_after, .. } => {
            OutcomeKind::Busy { retry_after: retry_after.unwrap_or_default() }
        }
        RunnerError::Refused { code, .. } if code == "unknown_tool" => OutcomeKind::WorkerStart {
            message: format!("the runner has no tool `{}`", call.spec.tool),
            hint: "does it serve the same skills? `omni doctor` and the runner's `/tools` list them"
                .to_owned(),
        },
        error => OutcomeKind::WorkerStart {
            message: error.to_string(),
            hint: "the runner's own log may say more".to_owned(),
        },
    };
    Box::new(unstarted(call, kind))
}

/// The body of `POST /run_tool`.
fn body(call: &Call, attempt: u32) -> Bytes {
    let mut out = Vec::with_capacity(call.arguments().len() + 256);
    let sending = DispatchInfo { id: call.id.0, info: AttemptInfo::of(call, attempt), now: Instant::now() };
    wire::push_request(&mut out, call, sending);
    out.into()
}

impl Executor for Runner {
    fn run<'a>(&'a self, call: Call, events: &'a mut dyn CallPort) -> BoxFuture<'a, Outcome> {
        if *self.closed.borrow() {
            return Box::pin(std::future::ready(unstarted(&call, OutcomeKind::Shutdown)));
        }
        if !matches!(call.request, CallRequest::Tool { .. }) {
            return Box::pin(self.run_item(call, events));
        }
        Box::pin(self.run_tool(call, events))
    }

    fn shut_down(&self) -> BoxFuture<'_, ()> {
        self.closed.send_replace(true);
        self.connections.close();
        Box::pin(std::future::ready(()))
    }
}

/// What the lines of an answer to `call` mean that arrives in pieces of so many bytes, in words, up to the first that
/// breaks the contract.
#[cfg(any(test, fuzzing))]
pub(crate) fn read_lines(call: &Call, answer: &[u8], piece: usize, line_bytes_max: usize) -> Vec<String> {
    let mut lines = LineSplitter::new(line_bytes_max);
    let mut runner_line = Vec::new();
    let mut read = |line: &Bytes| match runner_line::read(line, call, line_bytes_max) {
        Ok(meaning) => {
            runner_line.push(format!("{meaning:?}"));
            true
        }
        Err(error) => {
            runner_line.push(error.to_string());
            false
        }
    };
    for piece in answer.chunks(piece) {
        lines.push(piece);
        loop {
            match lines.next() {
                Ok(Some(line)) if read(&line) => {}
                Ok(None) => break,
                Ok(Some(_)) => return runner_line,
                Err(line_splitter::LineTooLong) => {
                    runner_line.push("too long".to_owned());
                    return runner_line;
                }
            }
        }
    }
    if let Some(line) = lines.last() {
        read(&line);
    }
    runner_line
}

#[cfg(test)]
mod tests;
