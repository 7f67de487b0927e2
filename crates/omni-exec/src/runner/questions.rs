//! What a call at a runner asks its client, and how the answers get there: each is posted on another connection, since
//! the call's own carries its events.

use std::future::poll_fn;
use std::task::Poll;

use bytes::Bytes;
use hyper::Method;
use hyper::header::HeaderMap;
use omni_call::{Answer, Ask, BoxFuture, CallPort, Deadline, OutcomeKind};
use tokio::time::sleep;

use super::client::Runner;
use super::routes::RunnerError;
use crate::questions::{CallQuestions, QuestionFrame};
use crate::wire::{self, WireError};

/// The header by which a runner says under what name it takes answers to a call's questions.
const CALL_HEADER: &str = "omni-call";

/// Such a name at most.
const NAME_BYTES_MAX: usize = 128;

/// Answers on their way at most: half of them may be to questions that were taken back meanwhile.
const POSTS_MAX: usize = 2 * Ask::OPEN_MAX;

/// The questions of one call. Dropping them takes them back.
pub(super) struct RunnerQuestions<'a> {
    runner: &'a Runner,
    /// The route that takes the answers; `None` where the runner has said of none.
    path: Option<String>,
    asks: CallQuestions,
    posts: Vec<BoxFuture<'a, Result<(), OutcomeKind>>>,
}

impl<'a> RunnerQuestions<'a> {
    /// Those of the call whose answer begins with this head.
    pub(super) fn new(runner: &'a Runner, head: &HeaderMap) -> Self {
        let name = head.get(CALL_HEADER).and_then(|name| name.to_str().ok()).filter(|name| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(plain)
        });
        let path = name.map(|name| format!("/calls/{name}/answer"));
        RunnerQuestions { runner, path, asks: CallQuestions::default(), posts: Vec::new() }
    }

    /// Passes on what the runner says of them.
    pub(super) fn take(
        &mut self,
        asking: QuestionFrame,
        deadline: &mut Deadline,
        port: &mut dyn CallPort,
    ) -> Result<(), WireError> {
        if self.path.is_none() {
            return Err(WireError::MayNotAsk);
        }
        if self.posts.len() >= POSTS_MAX {
            return Err(WireError::TooManyAsks);
        }
        self.asks.take(asking, 0, deadline, port)
    }

    /// Resolves when an answer has come and is being sent, with which the idle clock may run again. An error ends the
    /// call, whose tool would wait for ever. Dropping the future loses nothing.
    pub(super) async fn answered(&mut self, deadline: &mut Deadline) -> Result<(), OutcomeKind> {
        poll_fn(|cx| {
            let mut any = false;
            while let Some((number, answer)) = self.asks.poll(cx, deadline) {
                let path = self.path.clone().unwrap_or_default();
                self.posts.push(Box::pin(self.runner.answer(path, number, answer)));
                any = true;
            }
            let mut at = 0;
            while let Some(post) = self.posts.get_mut(at) {
                match post.as_mut().poll(cx) {
                    Poll::Ready(Ok(())) => drop(self.posts.swap_remove(at)),
                    Poll::Ready(Err(kind)) => return Poll::Ready(Err(kind)),
                    Poll::Pending => at += 1,
                }
            }
            if any { Poll::Ready(Ok(())) } else { Poll::Pending }
        })
        .await
    }
}

impl Runner {
    /// Posts an answer until the runner has taken it, or wants it no more.
    async fn answer(&self, path: String, number: u64, answer: Answer) -> Result<(), OutcomeKind> {
        let body: Bytes = wire::answer_body(number, &answer).into();
        let failed = |error: RunnerError| OutcomeKind::Lost {
            message: format!("its runner did not take the answer to a question: {error}"),
        };
        loop {
            let request = self.request(Method::POST, &path, body.clone()).map_err(failed)?;
            match self.ask(request).await {
                Ok(_) => return Ok(()),
                // The call has ended or the question was taken back, while the answer was on its way.
                Err(RunnerError::Refused { status: 404 | 409, message, .. }) => {
                    tracing::debug!(message, "the answer to a question came too late");
                    return Ok(());
                }
                Err(RunnerError::Refused { status: 503, retry_after, .. }) => {
                    sleep(retry_after.unwrap_or_default()).await;
                }
                Err(error) => return Err(failed(error)),
            }
        }
    }
}
