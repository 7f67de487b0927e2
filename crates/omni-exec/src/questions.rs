//! What running calls ask their clients and the server: which questions a worker may ask, and the answers that are
//! waited for.
//!
//! Whether a worker may ask is checked by the numbers of questions alone ([`QuestionNumbers`]), so whoever reads its
//! frames can do that without the call. The answers ([`PendingAnswers`]) belong to the future of the call; dropping
//! that takes the questions back.

use std::collections::VecDeque;
use std::future::ready;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use omni_call::{
    Answer, Ask, AskMethod, AskRefusal, BoxFuture, CallPort, ChildStatus, Deadline, ExecutorKind,
    ServerMethod, ServerRequest,
};

use crate::wire::{AskFrame, WireError};

/// How much of the name of an unknown method a message repeats.
const METHOD_CHARS_MAX: usize = 80;

/// Answers at most that wait here because the worker does not read: twice as many as questions may be open, since half
/// of them may be answers to questions that have been taken back meanwhile.
const UNREAD_MAX: usize = 2 * Ask::OPEN_MAX;

/// The questions of one call, by their numbers.
#[derive(Debug, Default)]
pub(crate) struct QuestionNumbers {
    last: u64,
    open: Vec<u64>,
    /// The answers that the worker's socket had not taken when they were written: for each, how many bytes had been
    /// written to the socket with it.
    unread: VecDeque<u64>,
}

impl QuestionNumbers {
    /// Notes a question. `taken` is how many bytes the worker's socket has taken so far.
    fn ask(&mut self, number: u64, taken: u64) -> Result<(), WireError> {
        while self.unread.front().is_some_and(|end| *end <= taken) {
            self.unread.pop_front();
        }
        if number != self.last + 1 {
            return Err(WireError::AskNumber { given: number, wanted: self.last + 1 });
        }
        if self.open.len() >= Ask::OPEN_MAX || self.open.len() + self.unread.len() >= UNREAD_MAX {
            return Err(WireError::TooManyAsks);
        }
        self.last = number;
        self.open.push(number);
        Ok(())
    }

    /// Notes that a question has been taken back.
    fn retract(&mut self, number: u64) -> Result<(), WireError> {
        if number > self.last {
            return Err(WireError::AskNumber { given: number, wanted: self.last });
        }
        // It may have been answered while the frame that takes it back was on its way.
        self.open.retain(|open| *open != number);
        Ok(())
    }

    /// Notes a frame about a question, by [`ask`](Self::ask) or [`retract`](Self::retract).
    pub(crate) fn take(&mut self, asking: &QuestionFrame, taken: u64) -> Result<(), WireError> {
        match asking {
            QuestionFrame::Ask(number, _) => self.ask(*number, taken),
            QuestionFrame::Retract(number) => self.retract(*number),
        }
    }

    /// Notes that a question has its answer. False when nobody waits for it.
    pub(crate) fn answer(&mut self, number: u64) -> bool {
        let before = self.open.len();
        self.open.retain(|open| *open != number);
        self.open.len() < before
    }

    /// Notes how many bytes have been written to the worker in all, up to the end of the last answer.
    pub(crate) fn written(&mut self, end: u64) {
        self.unread.push_back(end);
    }
}

/// What a frame of a worker says about a question, kept for the future of the call.
#[derive(Debug)]
pub(crate) enum QuestionFrame {
    /// The number, and the question.
    Ask(u64, Question),
    Retract(u64),
}

/// Who a question is for.
#[derive(Debug)]
pub(crate) enum Question {
    Client(Ask),
    /// The server itself, with the parameters.
    Server(ServerMethod, Bytes),
    /// Nobody: the answer is this refusal.
    Nobody(Answer),
}

impl QuestionFrame {
    pub(crate) fn of(frame: &AskFrame<'_>) -> Self {
        // Copied, because a large frame holds a reservation of the memory for results, and a person may take minutes to
        // answer.
        let params = || Bytes::copy_from_slice(frame.params.bytes());
        let question = match (AskMethod::from_name(&frame.method), ServerMethod::from_name(&frame.method)) {
            (Some(method), _) => Question::Client(Ask { key: frame.key.clone(), method, params: params() }),
            (None, Some(method)) => Question::Server(method, params()),
            (None, None) => Question::Nobody(no_such_method(&frame.method)),
        };
        QuestionFrame::Ask(frame.ask, question)
    }
}

fn no_such_method(method: &str) -> Answer {
    let client = AskMethod::ALL.map(|method| format!("`{}`", method.name())).join(", ");
    let server = ServerMethod::ALL.map(|method| format!("`{}`", method.name())).join(", ");
    let method: String = method.chars().take(METHOD_CHARS_MAX).collect();
    Answer::Refused {
        why: AskRefusal::Unsupported,
        message: format!("a client cannot be asked `{method}`, only {client}; the server answers {server}"),
    }
}

/// The answers that one call waits for. Dropping it takes the questions back.
#[derive(Default)]
pub(crate) struct PendingAnswers {
    answers: Vec<PendingAnswer>,
}

struct PendingAnswer {
    number: u64,
    /// It is its client's: a person may be thinking. What the server answers takes of the call's own time.
    of_client: bool,
    /// What is told of what the server has set going for it.
    child: Option<Arc<ChildStatus>>,
    answer: BoxFuture<'static, Answer>,
}

impl PendingAnswer {
    /// A person is asked, by the call itself or by one that it has made.
    fn waits_for_client(&self) -> bool {
        self.of_client || self.child.as_ref().is_some_and(|child| child.waits_for_client())
    }
}

impl PendingAnswers {
    /// Asks the client or the server, or takes a question back. From the first open question to the last answer the idle
    /// clock is stopped, and the total one as long as one of them is the client's.
    pub(crate) fn take(&mut self, asking: QuestionFrame, deadline: &mut Deadline, port: &mut dyn CallPort) {
        let now = Instant::now();
        match asking {
            QuestionFrame::Ask(number, question) => {
                deadline.beat(now);
                port.alive();
                let of_client = matches!(question, Question::Client(_));
                let child = matches!(question, Question::Server(..)).then(Arc::default);
                let answer = match question {
                    Question::Client(ask) => port.ask(ask),
                    Question::Server(method, params) => {
                        let remaining = deadline.remaining(now);
                        let child = child.clone().unwrap_or_default();
                        port.request(ServerRequest { method, params, remaining, child })
                    }
                    Question::Nobody(answer) => Box::pin(ready(answer)),
                };
                self.answers.push(PendingAnswer { number, of_client, child, answer });
            }
            QuestionFrame::Retract(number) => self.answers.retain(|pending| pending.number != number),
        }
        self.set_clocks(deadline, now);
    }

    /// The next answer that has come.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, deadline: &mut Deadline) -> Option<(u64, Answer)> {
        for at in 0..self.answers.len() {
            let PendingAnswer { number, answer, .. } = &mut self.answers[at];
            let number = *number;
            if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
                drop(self.answers.remove(at));
                self.set_clocks(deadline, Instant::now());
                return Some((number, bounded(answer)));
            }
        }
        // What the server has set going may have asked the client something meanwhile, or have its answer.
        if self.answers.iter().any(|pending| pending.child.is_some()) {
            self.set_clocks(deadline, Instant::now());
        }
        None
    }

    /// Whether the call does without the place that it has in that executor: it waits for a person, or what it waits for
    /// wants the place.
    pub(crate) fn lends(&self, executor: ExecutorKind) -> bool {
        let wanted =
            |pending: &PendingAnswer| pending.child.as_ref().is_some_and(|child| child.wants(executor));
        self.answers.iter().any(|pending| pending.waits_for_client() || wanted(pending))
    }

    fn set_clocks(&self, deadline: &mut Deadline, now: Instant) {
        if self.answers.is_empty() {
            deadline.resume_idle(now);
        } else {
            deadline.pause_idle(now);
        }
        if self.answers.iter().any(PendingAnswer::waits_for_client) {
            deadline.pause(now);
        } else {
            deadline.resume(now);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }
}

/// The answer, or a refusal in its place where it is larger than a worker may be sent.
fn bounded(answer: Answer) -> Answer {
    match answer {
        Answer::Result(result) if result.len() > Answer::BYTES_MAX => Answer::Refused {
            why: AskRefusal::Failed,
            message: format!(
                "the answer is {} bytes, more than the {} allowed",
                result.len(),
                Answer::BYTES_MAX
            ),
        },
        Answer::Refused { why, mut message } if message.len() > Answer::MESSAGE_BYTES_MAX => {
            message.truncate(message.floor_char_boundary(Answer::MESSAGE_BYTES_MAX));
            Answer::Refused { why, message }
        }
        answer @ (Answer::Result(_) | Answer::Refused { .. }) => answer,
    }
}

/// The questions of one call.
#[derive(Default)]
pub(crate) struct CallQuestions {
    numbers: QuestionNumbers,
    pending: PendingAnswers,
    /// The call's caller has left: nobody can be asked any more.
    over: bool,
}

impl CallQuestions {
    /// For a call whose caller has left.
    pub(crate) fn over() -> Self {
        CallQuestions { over: true, ..CallQuestions::default() }
    }

    /// Checks what a frame says about a question, and passes it on. `taken` is how many bytes the worker's socket has
    /// taken so far, 0 where answers do not go through a socket.
    pub(crate) fn take(
        &mut self,
        asking: QuestionFrame,
        taken: u64,
        deadline: &mut Deadline,
        port: &mut dyn CallPort,
    ) -> Result<(), WireError> {
        if self.over {
            return Ok(());
        }
        self.numbers.take(&asking, taken)?;
        self.pending.take(asking, deadline, port);
        Ok(())
    }

    /// The next answer that has come. [`written`](Self::written) is to be called when it has been written.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, deadline: &mut Deadline) -> Option<(u64, Answer)> {
        let (number, answer) = self.pending.poll(cx, deadline)?;
        self.numbers.answer(number);
        Some((number, answer))
    }

    pub(crate) fn written(&mut self, end: u64) {
        self.numbers.written(end);
    }

    /// As [`PendingAnswers::lends`].
    pub(crate) fn lends(&self, executor: ExecutorKind) -> bool {
        self.pending.lends(executor)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use omni_call::{Event, EventSink};
    use tokio::sync::oneshot;

    use super::*;

    #[test]
    fn questions_are_numbered_one_after_the_other() {
        let mut numbers = QuestionNumbers::default();
        numbers.ask(1, 0).unwrap();
        numbers.ask(2, 0).unwrap();
        for number in [0, 1, 2, 4, u64::MAX] {
            assert!(
                matches!(numbers.ask(number, 0), Err(WireError::AskNumber { wanted: 3, .. })),
                "{number} was taken for the third"
            );
        }
        assert!(numbers.retract(3).is_err(), "a question that was never asked was taken back");
    }

    #[test]
    fn so_many_questions_may_be_open_and_each_answer_makes_room() {
        let mut numbers = QuestionNumbers::default();
        let most = Ask::OPEN_MAX as u64;
        (1..=most).for_each(|number| numbers.ask(number, 0).unwrap());
        assert!(matches!(numbers.ask(most + 1, 0), Err(WireError::TooManyAsks)));
        assert!(numbers.answer(3) && !numbers.answer(3), "a question is answered once");
        numbers.ask(most + 1, 0).unwrap();
        numbers.retract(5).unwrap();
        assert!(!numbers.answer(5), "nobody waits for it");
        numbers.ask(most + 2, 0).unwrap();
    }

    #[test]
    fn who_does_not_read_answers_may_not_go_on_asking() {
        let mut numbers = QuestionNumbers::default();
        let mut number = 0;
        let refused = loop {
            number += 1;
            if let Err(error) = numbers.ask(number, 0) {
                break error;
            }
            assert!(number < 100, "the answers would fill our memory");
            numbers.answer(number);
            numbers.written(100 * number);
        };
        assert!(matches!(refused, WireError::TooManyAsks));
        numbers.ask(number, 100 * number).expect("the socket has taken them all");
    }

    #[test]
    fn what_a_worker_is_sent_has_bounds() {
        let large = bounded(Answer::Result(Bytes::from(vec![b' '; Answer::BYTES_MAX + 1])));
        let Answer::Refused { why: AskRefusal::Failed, message } = large else { panic!("{large:?}") };
        assert!(message.contains("4194305 bytes"), "{message}");
        let long = Answer::Refused { why: AskRefusal::Gone, message: "é".repeat(Answer::MESSAGE_BYTES_MAX) };
        let Answer::Refused { why: AskRefusal::Gone, message } = bounded(long) else { panic!() };
        assert_eq!(message.len(), Answer::MESSAGE_BYTES_MAX);
    }

    /// Answers when it is told to, and counts the questions that are open.
    #[derive(Default)]
    struct Person {
        answers: Vec<oneshot::Sender<Answer>>,
        open: Arc<AtomicUsize>,
    }

    struct Open(Arc<AtomicUsize>);

    impl Drop for Open {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }

    impl EventSink for Person {
        fn event(&mut self, _event: Event) {}
    }

    impl CallPort for Person {
        fn ask(&mut self, _ask: Ask) -> BoxFuture<'static, Answer> {
            let (sender, answer) = oneshot::channel();
            self.answers.push(sender);
            self.open.fetch_add(1, Ordering::Relaxed);
            let open = Open(Arc::clone(&self.open));
            Box::pin(async move {
                let _open = open;
                answer.await.unwrap_or_else(|_| Answer::unsupported(AskMethod::Elicit))
            })
        }
    }

    fn question(number: u64) -> QuestionFrame {
        let ask = Ask { key: None, method: AskMethod::Elicit, params: "{}".into() };
        QuestionFrame::Ask(number, Question::Client(ask))
    }

    #[test]
    fn both_clocks_stand_still_from_the_first_question_to_the_last_answer() {
        let limit = Duration::from_secs(10);
        let start = Instant::now();
        let mut deadline = Deadline::new(start, Some(2 * limit), Some(limit));
        let (mut pending, mut person) = (PendingAnswers::default(), Person::default());
        let mut cx = Context::from_waker(std::task::Waker::noop());
        pending.take(question(1), &mut deadline, &mut person);
        pending.take(question(2), &mut deadline, &mut person);
        assert_eq!(deadline.next(), None);
        assert!(pending.poll(&mut cx, &mut deadline).is_none());
        person.answers.pop().unwrap().send(Answer::Result("{}".into())).unwrap();
        let answered = pending.poll(&mut cx, &mut deadline);
        assert_eq!(answered, Some((2, Answer::Result("{}".into()))), "the later one may be answered first");
        assert_eq!(deadline.next(), None, "one is still open");
        pending.take(QuestionFrame::Retract(1), &mut deadline, &mut person);
        assert!(pending.is_empty());
        assert!(deadline.next().is_some_and(|next| next >= start + limit));
    }

    #[test]
    fn what_the_server_is_asked_takes_of_the_total_time_and_not_of_the_idle_one() {
        let limit = Duration::from_secs(10);
        let start = Instant::now();
        let mut deadline = Deadline::new(start, Some(2 * limit), Some(limit));
        let (mut pending, mut person) = (PendingAnswers::default(), Person::default());
        let request = Question::Server(ServerMethod::CallTool, "{}".into());
        pending.take(QuestionFrame::Ask(1, request), &mut deadline, &mut person);
        assert_eq!(deadline.next(), Some(start + 2 * limit));
        pending.take(question(2), &mut deadline, &mut person);
        assert_eq!(deadline.next(), None);
        pending.take(QuestionFrame::Retract(2), &mut deadline, &mut person);
        assert!(deadline.next().is_some_and(|next| next >= start + 2 * limit));
    }

    #[test]
    fn who_leaves_takes_the_questions_back() {
        let mut deadline = Deadline::new(Instant::now(), None, None);
        let mut person = Person::default();
        let mut pending = PendingAnswers::default();
        pending.take(question(1), &mut deadline, &mut person);
        pending.take(question(2), &mut deadline, &mut person);
        pending.take(QuestionFrame::Retract(1), &mut deadline, &mut person);
        assert_eq!(person.open.load(Ordering::Relaxed), 1);
        drop(pending);
        assert_eq!(person.open.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn what_no_client_can_be_asked_is_refused_with_what_it_can_be() {
        let Answer::Refused { why, message } = no_such_method(&"x".repeat(1000)) else { panic!() };
        assert_eq!(why, AskRefusal::Unsupported);
        assert!(message.contains("`roots/list`") && message.len() < 300, "{message}");
    }
}
