//! Whether a call waits for its client, for whoever stands between the two.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use crate::{Answer, BoxFuture};

/// Counts the questions of one call whose answers are waited for. Clones count together.
#[derive(Clone)]
pub struct OpenQuestions(Arc<QuestionCount>);

struct QuestionCount {
    open: Mutex<usize>,
    on_change: Box<dyn Fn(bool) + Send + Sync>,
}

impl OpenQuestions {
    /// `on_change` is called with true when the call begins to wait, and with false when no question is open any more. It
    /// must not block, and not count questions itself.
    pub fn new(on_change: impl Fn(bool) + Send + Sync + 'static) -> Self {
        OpenQuestions(Arc::new(QuestionCount { open: Mutex::new(0), on_change: Box::new(on_change) }))
    }

    /// The same answer, and counted from when it is first waited for until it is there or nobody waits any more: what is
    /// answered at once is not counted.
    pub fn counted(&self, answer: BoxFuture<'static, Answer>) -> BoxFuture<'static, Answer> {
        Box::pin(CountedAnswer { answer, questions: self.clone(), open: false })
    }

    /// Notes one more or one fewer. The lock is held over `on_change`, so that it is called in this order.
    fn note(&self, opens: bool) {
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *open;
        *open = if opens { before + 1 } else { before.saturating_sub(1) };
        if (before == 0) != (*open == 0) {
            (self.0.on_change)(opens);
        }
    }
}

struct CountedAnswer {
    answer: BoxFuture<'static, Answer>,
    questions: OpenQuestions,
    open: bool,
}

impl CountedAnswer {
    fn note(&mut self, open: bool) {
        if self.open != open {
            self.open = open;
            self.questions.note(open);
        }
    }
}

impl Future for CountedAnswer {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        let answer = self.answer.as_mut().poll(cx);
        self.note(answer.is_pending());
        answer
    }
}

impl Drop for CountedAnswer {
    fn drop(&mut self) {
        self.note(false);
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::task::Waker;

    use super::*;
    use crate::AskMethod;

    #[test]
    fn a_call_waits_from_its_first_open_question_to_its_last() {
        let changes = Arc::new(Mutex::new(Vec::new()));
        let questions = OpenQuestions::new({
            let changes = changes.clone();
            move |waits| changes.lock().unwrap().push(waits)
        });
        let seen = || changes.lock().unwrap().clone();
        let mut cx = Context::from_waker(Waker::noop());
        let refused = Answer::unsupported(AskMethod::Elicit);
        let mut at_once = questions.counted(Box::pin(ready(refused.clone())));
        assert_eq!(at_once.as_mut().poll(&mut cx), Poll::Ready(refused));
        drop(at_once);
        let mut first = questions.counted(Box::pin(pending()));
        let mut second = questions.counted(Box::pin(pending()));
        assert!(seen().is_empty(), "nobody has waited yet");
        for _ in 0..2 {
            assert!(first.as_mut().poll(&mut cx).is_pending());
        }
        assert!(second.as_mut().poll(&mut cx).is_pending());
        drop(first);
        assert_eq!(seen(), [true]);
        drop(second);
        assert_eq!(seen(), [true, false]);
    }
}
