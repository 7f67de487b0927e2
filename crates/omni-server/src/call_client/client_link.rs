//! The client of a call of the modern era: whoever has sent the latest request for it, and what it has not answered.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use bytes::Bytes;
use omni_call::{Answer, Ask, AskRefusal, BoxFuture, Event, OutcomeKind, TaskSupport, Wants};
use omni_protocol::{ClientCapabilities, Encoder, Frame, Id, Revision};
use tokio::sync::oneshot;

use super::answer_log::{AnswerLog, GivenAnswer, Recalled};
use super::answers_ahead::{AnswersAhead, given, response_to};
use super::call_ending::CallEnding;
use super::digest::{Digest, question_digest};
use super::recipient::Recipient;
use super::refusal::{not_askable, refused};
use crate::outbox::Outbox;

/// Of what a tool says of how far it is, a task keeps so much.
const MESSAGE_CHARS_MAX: usize = 500;

/// Questions that one call may have open at once.
const QUESTIONS_MAX: usize = 32;

/// Joins a call to its client, which may change from request to request.
///
/// Its lock is held for one step at a time and never across a wait.
pub(crate) struct ClientLink {
    encoder: Arc<Encoder>,
    state: Mutex<LinkState>,
    ending: Arc<CallEnding>,
    /// Its call is run again from its beginning.
    is_rerun: bool,
    /// Its call may be run again.
    repeatable: AtomicBool,
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
    /// What it was told of last and has not answered.
    told: Vec<(String, Digest)>,
    /// Another process has the call than the one that asked what its client was told of.
    restarted: bool,
    /// Answers to what the call asked before its process was lost, for the next one.
    late: Vec<GivenAnswer>,
    /// What the first request has answered before it was asked, by key.
    early_answers: Vec<(String, Bytes)>,
    log: AnswerLog,
    /// Its process is gone, and it can be run again.
    lost: bool,
    /// The call is over, and waits for a request to answer.
    waiting: Option<Waker>,
    task: TaskState,
}

/// Whether a call is to become a task, where its client takes tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum TaskWish {
    /// When it takes long.
    #[default]
    WhenSlow,
    /// Now: its tool says so.
    AtOnce,
    /// Never, says its tool.
    Never,
}

/// What is known of a call as a task.
#[derive(Default)]
struct TaskState {
    /// The client of its first request took tasks: what makes one is there.
    is_prepared: bool,
    /// Its client takes tasks.
    may_be: bool,
    wish: TaskWish,
    /// What the tool said last of how far it is.
    message: Option<String>,
    /// The keys of its questions, once it is a task: of them none may be used twice. `None` before.
    keys: Option<HashSet<String>>,
}

struct OpenQuestion {
    /// Under which the client answers: the tool's, or `q1`, `q2`, … Unique among what is open.
    key: String,
    ask: Ask,
    digest: Digest,
    answer: oneshot::Sender<Answer>,
    /// The client of the latest request knows of it.
    sent: bool,
}

/// What a call that is parked waits for, and what it has been answered before.
pub(super) struct ParkedQuestions {
    pub(super) questions: Vec<(String, Digest)>,
    pub(super) answers: Option<Vec<GivenAnswer>>,
    /// Bytes that both hold in memory.
    pub(super) bytes: usize,
}

impl ClientLink {
    pub(super) fn new(
        encoder: Arc<Encoder>,
        recipient: Recipient,
        capabilities: ClientCapabilities,
        ahead: AnswersAhead,
    ) -> Self {
        let AnswersAhead { log, told, early_answers, is_rerun, ending } = ahead;
        let state = LinkState {
            revision: recipient.revision,
            recipient: Some(recipient),
            capabilities,
            questions: Vec::new(),
            asked: 0,
            told,
            restarted: false,
            late: Vec::new(),
            early_answers,
            log,
            lost: false,
            waiting: None,
            task: TaskState::default(),
        };
        let link = ClientLink {
            encoder,
            state: Mutex::new(state),
            ending: Arc::default(),
            is_rerun,
            repeatable: AtomicBool::new(false),
        };
        ending.into_iter().for_each(|kind| link.ending.set(kind));
        link
    }

    fn state(&self) -> MutexGuard<'_, LinkState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wants(&self) -> Wants {
        let state = self.state();
        let wants = state.recipient.as_ref().map(Recipient::wants).unwrap_or_default();
        // A task has a line that says how far it is.
        Wants { progress: wants.progress || state.task.may_be, ..wants }
    }

    /// Whether asking can lead to anything.
    pub(super) fn can_be_asked(&self) -> bool {
        self.is_rerun || !self.state().capabilities.is_empty()
    }

    /// Its client takes a task for an answer.
    pub(super) fn may_become_task(&self) {
        let task = &mut self.state().task;
        (task.is_prepared, task.may_be) = (true, true);
    }

    /// Takes note of what the author has declared. `false` when the call may be nothing but a task, and cannot be one.
    pub(super) fn declare_task(&self, support: TaskSupport) -> bool {
        let task = &mut self.state().task;
        task.wish = match support {
            TaskSupport::Forbidden => TaskWish::Never,
            TaskSupport::Optional | TaskSupport::Required => TaskWish::AtOnce,
        };
        task.may_be || support != TaskSupport::Required
    }

    /// The tool wants to go on as a task. Returns whether it does.
    pub(super) fn wish_task(&self) -> bool {
        let task = &mut self.state().task;
        if task.may_be && task.wish == TaskWish::WhenSlow {
            task.wish = TaskWish::AtOnce;
        }
        task.may_be && task.wish == TaskWish::AtOnce
    }

    /// Whether the call is to become a task. Never, where the client of the latest request takes none.
    pub(crate) fn task_wish(&self) -> TaskWish {
        let task = &self.state().task;
        if task.may_be { task.wish } else { TaskWish::Never }
    }

    /// The call is a task from now on: the client that has begun it hears no more of it on its way. Returns what that client
    /// speaks.
    pub(crate) fn detach(&self) -> Revision {
        let mut state = self.state();
        if let Some(recipient) = &mut state.recipient {
            recipient.silence();
        }
        let keys = state.questions.iter().map(|question| question.key.clone()).collect();
        state.task.keys = Some(keys);
        state.revision
    }

    /// The questions that are open, by their keys, in the order in which they were asked.
    pub(crate) fn open_asks(&self) -> Vec<(String, Ask)> {
        let state = self.state();
        state.questions.iter().map(|question| (question.key.clone(), question.ask.clone())).collect()
    }

    /// The revision of the client's latest request.
    pub(crate) fn revision(&self) -> Revision {
        self.state().revision
    }

    /// What the tool said last of how far it is.
    pub(crate) fn last_message(&self) -> Option<String> {
        self.state().task.message.clone()
    }

    /// Answers questions by their keys. What is not open is passed over.
    pub(crate) fn answer(&self, responses: &[(String, Bytes)]) {
        let mut answered = Vec::new();
        let mut state = self.state();
        for question in std::mem::take(&mut state.questions) {
            match response_to(&question.key, responses) {
                Some(result) => {
                    let answer = Answer::Result(result);
                    state.log.record(question.digest, Some(&answer));
                    answered.push((question, answer));
                }
                None => state.questions.push(question),
            }
        }
        drop(state);
        for (question, answer) in answered {
            // Nobody waits any more for what was taken back just now.
            let _ = question.answer.send(answer);
        }
    }

    /// Takes note of what a task says of itself.
    pub(super) fn heard(&self, event: &Event) {
        if let Event::Progress { message: Some(message), .. } = event {
            let task = &mut self.state().task;
            if task.may_be {
                task.message = Some(message.chars().take(MESSAGE_CHARS_MAX).collect());
            }
        }
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

    /// Resolves when the call is to end although its tool goes on; at once, where it may not be run again and would be.
    pub(super) fn ending(&self, repeatable: bool) -> BoxFuture<'static, OutcomeKind> {
        self.repeatable.store(repeatable, Ordering::Relaxed);
        if self.is_rerun && !repeatable {
            self.ending.set(OutcomeKind::Lost { message: NOT_REPEATABLE.to_owned() });
        }
        CallEnding::wait(self.ending.clone())
    }

    /// Whether the call may be run again: known as soon as it runs.
    pub(super) fn is_repeatable(&self) -> bool {
        self.repeatable.load(Ordering::Relaxed)
    }

    /// The call begins anew, in another process: what it asks again has been answered.
    pub(super) fn restart(&self) {
        let mut state = self.state();
        let late = std::mem::take(&mut state.late);
        state.log.restart(late);
        state.restarted = true;
    }

    /// The process of the call is gone, and the call may be run again. While nobody waits for it, it is not worth
    /// keeping: its client's next request runs it again.
    pub(super) fn lose(&self) {
        let mut state = self.state();
        state.lost = state.recipient.is_none();
    }

    /// Whether the call was lost while it was parked.
    pub(super) fn is_lost(&self) -> bool {
        self.state().lost
    }

    /// Opens a question. It is sent when its call can go no further without. What an earlier run of the call was answered
    /// is answered at once; where this run goes another way than that one, the call ends.
    pub(super) fn ask(self: &Arc<Self>, ask: Ask) -> BoxFuture<'static, Answer> {
        let ready = |answer| -> BoxFuture<'static, Answer> { Box::pin(std::future::ready(answer)) };
        let digest = question_digest(&ask);
        let mut state = self.state();
        match state.log.recall(&digest) {
            Recalled::Answer(answer) => return ready(answer),
            Recalled::Different => {
                drop(state);
                self.ending.set(OutcomeKind::Lost { message: asked_something_else(&ask) });
                // Whatever the tool does without an answer, its call is dropped.
                return Box::pin(std::future::pending());
            }
            Recalled::New => {}
        }
        if let Some(answer) = state.answer_at_once(&ask) {
            state.log.record(digest, Some(&answer));
            return ready(answer);
        }
        let key = state.key_of(&ask, &digest);
        let key = state.task.unused(key);
        // A client that is away has the question already if an earlier process of the call has asked it.
        let sent = state.recipient.is_none() && state.told.iter().any(|(told, _)| *told == key);
        let (answer, coming) = oneshot::channel();
        state.questions.push(OpenQuestion { key: key.clone(), ask, digest, answer, sent });
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
    pub(super) fn end_request(
        &self,
        park: impl FnOnce(ParkedQuestions) -> Result<String, Answer>,
    ) -> Option<Frame> {
        let mut state = self.state();
        if state.recipient.is_none() || state.questions.iter().all(|question| question.sent) {
            return None;
        }
        let text = match park(state.parked_questions()) {
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
        state.told = state.open_questions();
        state.restarted = false;
        let questions = state.questions.iter().map(|question| (question.key.as_str(), &question.ask));
        Some(self.encoder.input_required(&recipient.id, recipient.revision, questions, &text))
    }

    /// The client has repeated its request, with answers to some of its questions. The others are sent again.
    pub(super) fn attach(
        &self,
        recipient: Recipient,
        (capabilities, takes_tasks): (ClientCapabilities, bool),
        responses: &[(String, Bytes)],
    ) {
        let revision = recipient.revision;
        let mut state = self.state();
        state.task.may_be = state.task.is_prepared && takes_tasks;
        state.recipient = Some(recipient);
        state.revision = revision;
        state.capabilities = capabilities;
        let mut answered = Vec::new();
        let mut open = Vec::new();
        for mut question in std::mem::take(&mut state.questions) {
            let response = response_to(&question.key, responses);
            let answer = match (response, capabilities.allows(revision, &question.ask)) {
                (Some(result), _) => Some(Answer::Result(result)),
                (None, Err(why)) => Some(not_askable(why)),
                (None, Ok(())) => None,
            };
            match answer {
                Some(answer) => {
                    state.log.record(question.digest, Some(&answer));
                    answered.push((question, answer));
                }
                None => {
                    question.sent = false;
                    open.push(question);
                }
            }
        }
        // Of what is open no more, the process that asked may be gone, and the next one ask it again.
        let told = std::mem::take(&mut state.told);
        let is_open = |key: &str| {
            open.iter().chain(answered.iter().map(|(question, _)| question)).any(|open| open.key == key)
        };
        let late = told
            .iter()
            .filter(|(key, _)| !is_open(key))
            .filter_map(|(key, question)| Some(given(*question, response_to(key, responses)?)))
            .collect();
        match state.restarted {
            true => Vec::into_iter(late).for_each(|given| state.log.add_earlier(given)),
            false => state.late = late,
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

impl TaskState {
    /// The key, or another where the task has used it before: a client passes over what it has answered. Each is unique over
    /// the lifetime of a task (extension for tasks, "Task Update Requests").
    fn unused(&mut self, key: String) -> String {
        let Some(used) = &mut self.keys else { return key };
        let mut unused = key.clone();
        let mut number = 1;
        while !used.insert(unused.clone()) {
            number += 1;
            unused = format!("{key}-{number}");
        }
        unused
    }
}

impl LinkState {
    fn is_open(&self, key: &str) -> bool {
        self.questions.iter().any(|question| question.key == key)
    }

    /// The answer to a question that need not be sent, or cannot be.
    fn answer_at_once(&mut self, ask: &Ask) -> Option<Answer> {
        if let Err(why) = self.capabilities.allows(self.revision, ask) {
            return Some(not_askable(why));
        }
        if self.questions.len() >= QUESTIONS_MAX {
            let why = format!("the call has {QUESTIONS_MAX} questions open already");
            return Some(refused(AskRefusal::Failed, &why));
        }
        let key = ask.key.as_deref()?;
        if self.is_open(key) {
            let why = format!("a question of this call is open under the key `{key}`; each needs its own");
            return Some(refused(AskRefusal::Failed, &why));
        }
        // One that came before the question answers one question.
        let at = self.early_answers.iter().position(|(given, _)| given == key)?;
        Some(Answer::Result(self.early_answers.swap_remove(at).1))
    }

    /// The key of the question that is being asked: the tool's, else the one that its client knows it by, else a new one.
    fn key_of(&mut self, ask: &Ask, digest: &Digest) -> String {
        if let Some(key) = &ask.key {
            return key.to_string();
        }
        let known = self.told.iter().find(|(key, told)| told == digest && !self.is_open(key));
        if let Some((key, _)) = known {
            return key.clone();
        }
        loop {
            self.asked += 1;
            let key = format!("q{}", self.asked);
            // A tool may give keys of this kind itself.
            if !self.is_open(&key) && self.told.iter().all(|(told, _)| *told != key) {
                return key;
            }
        }
    }

    fn open_questions(&self) -> Vec<(String, Digest)> {
        self.questions.iter().map(|question| (question.key.clone(), question.digest)).collect()
    }

    fn parked_questions(&self) -> ParkedQuestions {
        let params: usize = self.questions.iter().map(|question| question.ask.params.len()).sum();
        ParkedQuestions {
            questions: self.open_questions(),
            answers: self.log.answers(),
            bytes: params + self.log.size(),
        }
    }
}

/// Why a call is not run again: nothing says that it may.
const NOT_REPEATABLE: &str = "it waited for its client's answer and was ended, and it is not run again by itself, since its \
     author has not declared it `read_only` or `idempotent`";

fn asked_something_else(ask: &Ask) -> String {
    format!(
        "it was run again with the answers that its client had given, and asked something else than before \
         (`{}`), so these answers are none to its questions; call it again",
        ask.method.name()
    )
}

/// A question that somebody waits for. Dropping it takes the question back.
struct Open {
    link: Arc<ClientLink>,
    key: String,
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut state = self.link.state();
        let Some(at) = state.questions.iter().position(|question| question.key == self.key) else { return };
        let OpenQuestion { digest, .. } = state.questions.remove(at);
        state.log.record(digest, None);
    }
}
