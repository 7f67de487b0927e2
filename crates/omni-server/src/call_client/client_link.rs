//! The client of a call of the modern era: whoever has sent the latest request for it, and what it has not answered.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use bytes::Bytes;
use omni_call::{Answer, Ask, AskRefusal, BoxFuture, Wants};
use omni_protocol::{ClientCapabilities, Encoder, Frame, Id, Revision};
use tokio::sync::oneshot;

use super::recipient::Recipient;
use super::refusal::{not_askable, refused};
use crate::outbox::Outbox;

/// Questions that one call may have open at once.
const QUESTIONS_MAX: usize = 32;

/// Joins a call to its client, which may change from request to request.
///
/// Its lock is held for one step at a time and never across a wait.
pub(crate) struct ClientLink {
    encoder: Arc<Encoder>,
    state: Mutex<LinkState>,
}

struct LinkState {
    /// `None` while nobody waits: the call is parked.
    recipient: Option<Recipient>,
    /// What the client of the latest request speaks, and may be asked.
    revision: Revision,
    capabilities: ClientCapabilities,
    /// What is open, in the order in which it was asked.
    questions: Vec<OpenQuestion>,
    asked: u64,
    /// What the first request has answered before it was asked, by key.
    early_answers: Vec<(String, Bytes)>,
    /// The call is over, and waits for a request to answer.
    waiting: Option<Waker>,
}

impl LinkState {
    fn is_open(&self, key: &str) -> bool {
        self.questions.iter().any(|question| question.key == key)
    }

    /// Takes the answer that came before the question. It answers one question.
    fn early_answer(&mut self, key: &str) -> Option<Bytes> {
        let at = self.early_answers.iter().position(|(given, _)| given == key)?;
        Some(self.early_answers.swap_remove(at).1)
    }

    /// The key of a question that the tool gave none.
    fn next_key(&mut self) -> String {
        loop {
            self.asked += 1;
            let key = format!("q{}", self.asked);
            // A tool may give keys of this kind itself.
            if !self.is_open(&key) {
                return key;
            }
        }
    }
}

struct OpenQuestion {
    /// Under which the client answers: the tool's, or `q1`, `q2`, … Unique among what is open.
    key: String,
    ask: Ask,
    answer: oneshot::Sender<Answer>,
    /// The client of the latest request knows of it.
    sent: bool,
}

impl ClientLink {
    pub(super) fn new(
        encoder: Arc<Encoder>,
        recipient: Recipient,
        capabilities: ClientCapabilities,
        early_answers: Vec<(String, Bytes)>,
    ) -> Self {
        let state = LinkState {
            revision: recipient.revision,
            recipient: Some(recipient),
            capabilities,
            questions: Vec::new(),
            asked: 0,
            early_answers,
            waiting: None,
        };
        ClientLink { encoder, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, LinkState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wants(&self) -> Wants {
        self.state().recipient.as_ref().map(Recipient::wants).unwrap_or_default()
    }

    /// Calls `tell` with the current recipient, if there is one.
    pub(super) fn with_recipient(&self, tell: impl FnOnce(&Recipient)) {
        if let Some(recipient) = &self.state().recipient {
            tell(recipient);
        }
    }

    /// The id that the current recipient is answered under, and the outbox for what is sent before.
    pub(super) fn address(&self) -> (Id, Option<Arc<Outbox>>) {
        self.state()
            .recipient
            .as_ref()
            .map(Recipient::address)
            .expect("a client that has just sent a request waits")
    }

    /// Takes the recipient, for the answer, once there is one.
    pub(super) async fn recipient(&self) -> Recipient {
        std::future::poll_fn(|cx| {
            let mut state = self.state();
            match state.recipient.take() {
                Some(recipient) => Poll::Ready(recipient),
                None => {
                    state.waiting = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Opens a question. It is sent when its call can go no further without.
    pub(super) fn ask(self: &Arc<Self>, ask: Ask) -> BoxFuture<'static, Answer> {
        let ready = |answer| -> BoxFuture<'static, Answer> { Box::pin(std::future::ready(answer)) };
        let mut state = self.state();
        if let Err(why) = state.capabilities.allows(state.revision, &ask) {
            return ready(not_askable(why));
        }
        if state.questions.len() >= QUESTIONS_MAX {
            let why = format!("the call has {QUESTIONS_MAX} questions open already");
            return ready(refused(AskRefusal::Failed, &why));
        }
        let key = match &ask.key {
            Some(key) if state.is_open(key) => {
                let why =
                    format!("a question of this call is open under the key `{key}`; each needs its own");
                return ready(refused(AskRefusal::Failed, &why));
            }
            Some(key) => match state.early_answer(key) {
                Some(result) => return ready(Answer::Result(result)),
                None => key.to_string(),
            },
            None => state.next_key(),
        };
        let (answer, coming) = oneshot::channel();
        state.questions.push(OpenQuestion { key: key.clone(), ask, answer, sent: false });
        drop(state);
        let open = Open { link: self.clone(), key };
        Box::pin(async move {
            let answer = coming.await;
            drop(open);
            answer.unwrap_or_else(|_| refused(AskRefusal::Gone, "the call has ended"))
        })
    }

    /// Ends the client's request when the call has asked something that its client does not know of: `park` keeps the
    /// call, and gives the text that it is found by or what its questions are answered with instead. Returns the
    /// answer to the request.
    pub(super) fn end_request(&self, park: impl FnOnce() -> Result<String, Answer>) -> Option<Frame> {
        let mut state = self.state();
        if state.recipient.is_none() || state.questions.iter().all(|question| question.sent) {
            return None;
        }
        let text = match park() {
            Ok(text) => text,
            Err(answer) => {
                let questions = std::mem::take(&mut state.questions);
                drop(state);
                // The call is woken by these answers, and goes on.
                for question in questions {
                    let _ = question.answer.send(answer.clone());
                }
                return None;
            }
        };
        let recipient = state.recipient.take()?;
        for question in &mut state.questions {
            question.sent = true;
        }
        let questions = state.questions.iter().map(|question| (question.key.as_str(), &question.ask));
        Some(self.encoder.input_required(&recipient.id, recipient.revision, questions, &text))
    }

    /// The client has repeated its request, with answers to some of its questions. The others are sent again.
    pub(super) fn attach(
        &self,
        recipient: Recipient,
        capabilities: ClientCapabilities,
        responses: &[(String, Bytes)],
    ) {
        let revision = recipient.revision;
        let mut state = self.state();
        state.recipient = Some(recipient);
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
                    question.sent = false;
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
    link: Arc<ClientLink>,
    key: String,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.link.state().questions.retain(|question| question.key != self.key);
    }
}
