//! The client of a call of the modern era: whoever has sent the latest request for it, and what it has not answered.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use bytes::Bytes;
use omni_call::{Answer, Ask, BoxFuture, Refusal, Wants};
use omni_protocol::{ClientCapabilities, Encoder, Frame, Id, Revision};
use tokio::sync::oneshot;

use super::audience::Audience;
use super::refusal::{not_askable, refused};
use crate::outbox::Outbox;

/// Questions that one call may have open at once.
const QUESTIONS_MAX: usize = 32;

/// Joins a call to its client, which may change from request to request.
///
/// Its lock is held for one step at a time and never across a wait.
pub(crate) struct Link {
    encoder: Arc<Encoder>,
    state: Mutex<State>,
}

struct State {
    /// `None` while nobody waits: the call is parked.
    audience: Option<Audience>,
    /// What the client of the latest request speaks, and may be asked.
    revision: Revision,
    capabilities: ClientCapabilities,
    /// What is open, in the order in which it was asked.
    questions: Vec<OpenQuestion>,
    asked: u64,
    /// The call is over and waits for somebody to tell.
    waiting: Option<Waker>,
}

struct OpenQuestion {
    /// Under which the client answers. Unique in one call.
    key: String,
    ask: Ask,
    answer: oneshot::Sender<Answer>,
    /// The client of the latest request knows of it.
    told: bool,
}

impl Link {
    pub(super) fn new(encoder: Arc<Encoder>, audience: Audience, capabilities: ClientCapabilities) -> Self {
        let state = State {
            revision: audience.revision,
            audience: Some(audience),
            capabilities,
            questions: Vec::new(),
            asked: 0,
            waiting: None,
        };
        Link { encoder, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wants(&self) -> Wants {
        self.state().audience.as_ref().map(Audience::wants).unwrap_or_default()
    }

    /// Lets whoever waits at the moment be told something.
    pub(super) fn with_audience(&self, tell: impl FnOnce(&Audience)) {
        if let Some(audience) = &self.state().audience {
            tell(audience);
        }
    }

    /// Under which id whoever waits at the moment is answered, and what it is told before.
    pub(super) fn address(&self) -> (Id, Option<Arc<Outbox>>) {
        self.state()
            .audience
            .as_ref()
            .map(Audience::address)
            .expect("a client that has just sent a request waits")
    }

    /// Takes the audience, for the answer, once there is one.
    pub(super) async fn audience(&self) -> Audience {
        std::future::poll_fn(|cx| {
            let mut state = self.state();
            match state.audience.take() {
                Some(audience) => Poll::Ready(audience),
                None => {
                    state.waiting = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Opens a question. It is told when its call can go no further without.
    pub(super) fn ask(self: &Arc<Self>, ask: Ask) -> BoxFuture<'static, Answer> {
        let ready = |answer| -> BoxFuture<'static, Answer> { Box::pin(std::future::ready(answer)) };
        let mut state = self.state();
        if let Err(why) = state.capabilities.allows(state.revision, &ask) {
            return ready(not_askable(why));
        }
        if state.questions.len() >= QUESTIONS_MAX {
            let why = format!("the call has {QUESTIONS_MAX} questions open already");
            return ready(refused(Refusal::Failed, &why));
        }
        state.asked += 1;
        let key = format!("q{}", state.asked);
        let (answer, coming) = oneshot::channel();
        state.questions.push(OpenQuestion { key: key.clone(), ask, answer, told: false });
        drop(state);
        let open = Open { link: self.clone(), key };
        Box::pin(async move {
            let answer = coming.await;
            drop(open);
            answer.unwrap_or_else(|_| refused(Refusal::Gone, "the call has ended"))
        })
    }

    /// Ends the client's request when the call has asked something that its client does not know of: `park` keeps the
    /// call, and gives the text that it is found by or what its questions are answered with instead. What is given back
    /// is the answer to the request.
    pub(super) fn end_request(&self, park: impl FnOnce() -> Result<String, Answer>) -> Option<Frame> {
        let mut state = self.state();
        if state.audience.is_none() || state.questions.iter().all(|question| question.told) {
            return None;
        }
        let text = match park() {
            Ok(text) => text,
            Err(answer) => {
                let questions = std::mem::take(&mut state.questions);
                drop(state);
                // The call is woken by them, and goes on.
                for question in questions {
                    let _ = question.answer.send(answer.clone());
                }
                return None;
            }
        };
        let audience = state.audience.take()?;
        for question in &mut state.questions {
            question.told = true;
        }
        let questions = state.questions.iter().map(|question| (question.key.as_str(), &question.ask));
        Some(self.encoder.input_required(&audience.id, audience.revision, questions, &text))
    }

    /// Somebody has come back for the call, with answers to some of its questions. The others are told again.
    pub(super) fn attach(
        &self,
        audience: Audience,
        capabilities: ClientCapabilities,
        responses: &[(String, Bytes)],
    ) {
        let revision = audience.revision;
        let mut state = self.state();
        state.audience = Some(audience);
        state.revision = revision;
        state.capabilities = capabilities;
        let mut answered = Vec::new();
        let mut open = Vec::new();
        for mut question in std::mem::take(&mut state.questions) {
            let response = responses.iter().find(|(key, _)| *key == question.key);
            let answer = match (response, capabilities.allows(revision, &question.ask)) {
                (Some((_, result)), _) => Some(Answer::Result(result.clone())),
                (None, Err(why)) => Some(not_askable(why)),
                (None, Ok(())) => None,
            };
            match answer {
                Some(answer) => answered.push((question, answer)),
                None => {
                    question.told = false;
                    open.push(question);
                }
            }
        }
        state.questions = open;
        let waiting = state.waiting.take();
        drop(state);
        for (question, answer) in answered {
            // Nobody waits any more for what was taken back just now.
            let _ = question.answer.send(answer);
        }
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }
}

/// A question that somebody waits for. Dropping it takes the question back.
struct Open {
    link: Arc<Link>,
    key: String,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.link.state().questions.retain(|question| question.key != self.key);
    }
}
