//! What a call has asked and been answered, so that it can be run again with the same answers: after its process was
//! lost, or from the state that its client brings back.

use omni_call::Answer;

use super::digest::Digest;

/// Answers of one call that are remembered, with what is kept of their questions. A call with more of them cannot be run
/// again with its answers: they would not fit into the state that its client keeps.
const LOG_BYTES_MAX: usize = 64 << 10;

/// A question that has been asked, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GivenAnswer {
    /// Which question it was.
    pub(super) question: Digest,
    /// `None` where the tool took it back.
    pub(super) answer: Option<Answer>,
}

impl GivenAnswer {
    fn size(&self) -> usize {
        let text = match &self.answer {
            Some(Answer::Result(result)) => result.len(),
            Some(Answer::Refused { message, .. }) => message.len(),
            None => 0,
        };
        size_of::<Digest>() + text
    }
}

/// The questions of one call and their answers, in the order in which they were answered.
#[derive(Debug, Default)]
pub(super) struct AnswerLog {
    entries: Vec<LogEntry>,
    /// So many of the first entries are of an earlier run. The call has to ask them again before it asks anything else.
    earlier: usize,
    bytes: usize,
    /// There was more than is remembered, and nothing is.
    overflowed: bool,
}

#[derive(Debug)]
struct LogEntry {
    given: GivenAnswer,
    /// This run has asked it.
    asked: bool,
}

/// What the log says to a question.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Recalled {
    /// It was asked and answered in an earlier run.
    Answer(Answer),
    /// It is to be asked.
    New,
    /// It was never asked, although earlier ones that were answered have not been asked again: this run goes another way
    /// than the one before, and the answers are none to its questions.
    Different,
}

impl AnswerLog {
    /// The log of a call that is run again from its beginning, with the answers of an earlier run.
    pub(super) fn of_earlier_run(answers: Vec<GivenAnswer>) -> Self {
        let mut log = AnswerLog::default();
        answers.into_iter().for_each(|given| log.push(given, false));
        log.earlier = log.entries.len();
        log
    }

    /// Looks a question up that the call asks. Questions that were open at the same time may come in any order.
    pub(super) fn recall(&mut self, question: &Digest) -> Recalled {
        let earlier = &mut self.entries[..self.earlier];
        let is_same = |entry: &LogEntry| !entry.asked && entry.given.question == *question;
        let answered = earlier.iter().position(|entry| is_same(entry) && entry.given.answer.is_some());
        let same = answered.or_else(|| earlier.iter().position(is_same));
        match same.map(|at| (at, &earlier[at].given.answer)) {
            Some((at, Some(answer))) => {
                let answer = answer.clone();
                earlier[at].asked = true;
                Recalled::Answer(answer)
            }
            // It was given up then, for want of time perhaps, and may be answered now.
            Some((at, None)) => {
                let entry = self.entries.remove(at);
                self.bytes -= entry.given.size();
                self.earlier -= 1;
                Recalled::New
            }
            None if earlier.iter().any(|entry| !entry.asked && entry.given.answer.is_some()) => {
                Recalled::Different
            }
            None => Recalled::New,
        }
    }

    /// Remembers what came of a question that this run has asked.
    pub(super) fn record(&mut self, question: Digest, answer: Option<&Answer>) {
        self.push(GivenAnswer { question, answer: answer.cloned() }, true);
    }

    fn push(&mut self, given: GivenAnswer, asked: bool) {
        if self.overflowed {
            return;
        }
        self.bytes += given.size();
        if self.bytes > LOG_BYTES_MAX {
            // What an earlier run was answered stays good for this one, which is asking it just now.
            self.overflowed = true;
            return;
        }
        self.entries.push(LogEntry { given, asked });
    }

    /// The call begins anew: whatever it asks first has been answered. `late` came for the run before, when it had ended.
    pub(super) fn restart(&mut self, late: Vec<GivenAnswer>) {
        if self.overflowed {
            // It is asked everything anew.
            *self = AnswerLog { overflowed: true, ..AnswerLog::default() };
            return;
        }
        self.entries.iter_mut().for_each(|entry| entry.asked = false);
        self.earlier = self.entries.len();
        late.into_iter().for_each(|given| self.add_earlier(given));
    }

    /// Takes an answer to what an earlier run has asked, and this one has not yet.
    pub(super) fn add_earlier(&mut self, given: GivenAnswer) {
        let before = self.entries.len();
        self.push(given, false);
        if self.entries.len() > before {
            self.entries[self.earlier..].rotate_right(1);
            self.earlier += 1;
        }
    }

    /// All that was asked and answered; `None` where that is more than is remembered.
    pub(super) fn answers(&self) -> Option<Vec<GivenAnswer>> {
        (!self.overflowed).then(|| self.entries.iter().map(|entry| entry.given.clone()).collect())
    }

    /// Bytes that it holds.
    pub(super) fn size(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use omni_call::AskRefusal;

    use super::*;

    const ONE: Digest = [1; 32];
    const TWO: Digest = [2; 32];
    const NEW: Digest = [9; 32];

    fn yes(text: &'static str) -> Answer {
        Answer::Result(text.into())
    }

    /// The log of a call that has asked these, answered by their place; the last is that of a question taken back.
    fn restarted(questions: &[Digest]) -> AnswerLog {
        let mut log = AnswerLog::default();
        for (n, question) in questions.iter().enumerate() {
            assert_eq!(log.recall(question), Recalled::New);
            log.record(*question, Some(&Answer::Result(n.to_string().into())));
        }
        log.restart(Vec::new());
        log
    }

    #[test]
    fn a_run_gets_the_answers_of_the_run_before_and_asks_what_is_new() {
        let mut log = restarted(&[ONE, TWO]);
        assert_eq!(log.recall(&ONE), Recalled::Answer(yes("0")));
        assert_eq!(log.recall(&TWO), Recalled::Answer(yes("1")));
        assert_eq!(log.recall(&NEW), Recalled::New);
        let refused = Answer::Refused { why: AskRefusal::Unsupported, message: "no".into() };
        log.record(NEW, Some(&refused));
        log.restart(Vec::new());
        for (question, answer) in [(ONE, yes("0")), (TWO, yes("1")), (NEW, refused)] {
            assert_eq!(log.recall(&question), Recalled::Answer(answer));
        }
    }

    #[test]
    fn a_run_that_asks_something_else_is_found_out_before_it_is_answered() {
        let mut log = restarted(&[ONE, TWO]);
        assert_eq!(log.recall(&ONE), Recalled::Answer(yes("0")));
        assert_eq!(log.recall(&NEW), Recalled::Different);
        let mut log = restarted(&[ONE]);
        assert_eq!(log.recall(&NEW), Recalled::Different);
    }

    #[test]
    fn what_was_open_at_once_comes_in_any_order_and_the_same_question_twice_has_two_answers() {
        let mut log = restarted(&[ONE, TWO, ONE]);
        assert_eq!(log.recall(&TWO), Recalled::Answer(yes("1")));
        assert_eq!(log.recall(&ONE), Recalled::Answer(yes("0")));
        assert_eq!(log.recall(&ONE), Recalled::Answer(yes("2")));
        assert_eq!(log.recall(&ONE), Recalled::New, "a third time it has not been asked yet");
    }

    #[test]
    fn what_was_taken_back_is_asked_again_and_keeps_nothing_waiting() {
        let mut log = AnswerLog::default();
        log.record(ONE, None);
        log.record(TWO, Some(&yes("two")));
        let mut log = AnswerLog::of_earlier_run(log.answers().unwrap());
        assert_eq!(log.recall(&ONE), Recalled::New);
        log.record(ONE, Some(&yes("one")));
        assert_eq!(log.recall(&TWO), Recalled::Answer(yes("two")));
        let answers = log.answers().unwrap();
        assert_eq!(answers.len(), 2);
        let mut log = AnswerLog::default();
        log.record(ONE, None);
        log.restart(Vec::new());
        assert_eq!(log.recall(&NEW), Recalled::New, "nothing that was answered is left out");
    }

    #[test]
    fn an_answer_that_came_too_late_for_a_run_is_there_for_the_next() {
        let mut log = AnswerLog::default();
        log.record(ONE, None);
        let late = GivenAnswer { question: TWO, answer: Some(yes("late")) };
        log.restart(vec![late]);
        assert_eq!(log.recall(&TWO), Recalled::Answer(yes("late")));

        // Its question was taken back when the run ended, and another one is open by now.
        let mut log = AnswerLog::default();
        log.record(ONE, None);
        log.restart(Vec::new());
        log.record(TWO, Some(&yes("two")));
        log.add_earlier(GivenAnswer { question: ONE, answer: Some(yes("late")) });
        assert_eq!(log.recall(&ONE), Recalled::Answer(yes("late")));
        log.restart(Vec::new());
        assert_eq!(log.recall(&TWO), Recalled::Answer(yes("two")));
    }

    #[test]
    fn more_than_a_state_may_hold_is_not_remembered_and_everything_is_asked_anew() {
        let mut log = restarted(&[ONE]);
        assert_eq!(log.recall(&ONE), Recalled::Answer(yes("0")));
        log.record(TWO, Some(&Answer::Result("x".repeat(LOG_BYTES_MAX).into())));
        assert_eq!(log.answers(), None);
        assert!(log.size() > 0);
        log.restart(Vec::new());
        assert_eq!(log.recall(&ONE), Recalled::New);
        log.record(ONE, Some(&yes("again")));
        assert_eq!(log.answers(), None);

        // What was taken back counts, too: nobody may ask for ever.
        let mut log = AnswerLog::default();
        (0..LOG_BYTES_MAX / size_of::<Digest>()).for_each(|_| log.record(ONE, None));
        assert!(log.answers().is_some());
        log.record(ONE, None);
        assert!(log.answers().is_none());
    }
}
