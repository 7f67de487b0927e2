//! What a skill said when, and whether the answer to a call may be what it is.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What the tools of a skill answer: by tool, the constant of each file that has a part in the answer.
pub(crate) type Answers = BTreeMap<String, Vec<u32>>;

/// A state that a skill was edited to.
#[derive(Debug)]
pub(crate) struct Version {
    /// Before the first write.
    pub(crate) began: Instant,
    /// What its tools answer. Tools that it has not are missing.
    pub(crate) answers: Answers,
    /// From when on somebody outside knew that it is served: a list showed it, or a call was answered by it.
    pub(crate) visible: Option<Instant>,
    /// The writes of the edit lay so far apart that the server may have taken them for several.
    pub(crate) torn: bool,
}

/// All states of one skill, oldest first.
#[derive(Debug)]
pub(crate) struct History {
    /// A program reads its files itself, when it wants: those of two versions may be in one answer where an edit is under
    /// way. Never is one of them older than what was visible.
    pub(crate) reads_by_itself: bool,
    pub(crate) versions: Vec<Version>,
}

/// What came back from a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The constants.
    Constants(Vec<u32>),
    /// There is no such tool.
    Unknown,
    /// Anything else, in words.
    Failed(String),
}

/// What is to be said of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is that of the version with this number, or of a later one that answers the same.
    Good(usize),
    /// There is no such tool, and so it is, or was while the call ran.
    Gone,
    /// A program, during an edit: it has read one file before and one after, or found one gone after it had begun.
    ReadInBetween,
    /// The edit was torn, so nobody can tell what should have been.
    NotJudged,
    Failed(String),
    /// Constants that no version had together.
    Mixed(String),
}

impl History {
    pub(crate) fn new(reads_by_itself: bool, answers: Answers) -> Self {
        let now = Instant::now();
        let first = Version { began: now, answers, visible: Some(now), torn: false };
        History { reads_by_itself, versions: vec![first] }
    }

    pub(crate) fn newest(&self) -> &Version {
        self.versions.last().expect("there is always one")
    }

    /// An edit begins that leads there.
    pub(crate) fn begin(&mut self, answers: Answers) -> usize {
        self.versions.push(Version { began: Instant::now(), answers, visible: None, torn: false });
        self.versions.len() - 1
    }

    /// The version, and all before it, are known to be served or to have been.
    pub(crate) fn see(&mut self, version: usize, when: Instant) {
        for version in &mut self.versions[..=version] {
            version.visible.get_or_insert(when);
        }
    }

    /// The newest version that was visible at that time. Nothing older may answer a call of then.
    fn visible_at(&self, when: Instant) -> usize {
        self.versions
            .iter()
            .rposition(|version| version.visible.is_some_and(|since| since <= when))
            .unwrap_or(0)
    }

    /// Judges an answer. `sent` is when the call was, `answered` when it had its answer, which is now.
    ///
    /// It may be that of any version from the newest that was visible when the call was sent to the newest whose edit had
    /// begun when the answer came.
    pub(crate) fn judge(&self, tool: &str, sent: Instant, answered: Instant, answer: &Answer) -> Verdict {
        let oldest = self.visible_at(sent);
        let newest =
            self.versions.iter().rposition(|version| version.began <= answered).unwrap_or(0).max(oldest);
        let allowed = &self.versions[oldest..=newest];
        let verdict = match answer {
            Answer::Constants(said) => {
                match allowed.iter().position(|version| version.answers.get(tool) == Some(said)) {
                    Some(position) => return Verdict::Good(oldest + position),
                    None if self.reads_by_itself && each_in_some(allowed, said) => {
                        return Verdict::ReadInBetween;
                    }
                    None => self.fault(tool, said, oldest, newest),
                }
            }
            Answer::Unknown if allowed.iter().any(|version| !version.answers.contains_key(tool)) => {
                return Verdict::Gone;
            }
            Answer::Unknown => {
                Verdict::Failed("it was there all the time, and is said to be unknown".to_owned())
            }
            // The shell was started with a file that was renamed before it opened it.
            Answer::Failed(why)
                if self.reads_by_itself && allowed.len() > 1 && why.contains(": cannot open ") =>
            {
                return Verdict::ReadInBetween;
            }
            Answer::Failed(why) => Verdict::Failed(why.clone()),
        };
        if allowed.iter().any(|version| version.torn) { Verdict::NotJudged } else { verdict }
    }

    fn fault(&self, tool: &str, said: &[u32], oldest: usize, newest: usize) -> Verdict {
        let had = |versions: &[Version]| {
            versions.iter().any(|version| version.answers.get(tool).is_some_and(|answer| answer == said))
        };
        let expected: Vec<_> =
            self.versions[oldest..=newest].iter().map(|version| version.answers.get(tool)).collect();
        if had(&self.versions[..oldest]) {
            return Verdict::Failed(format!("{said:?} is older than what was visible: {expected:?}"));
        }
        if had(&self.versions) {
            return Verdict::Failed(format!("{said:?} was not written yet: {expected:?}"));
        }
        Verdict::Mixed(format!("{said:?} were never there together: {expected:?}"))
    }

    /// How long ago the newest edit began.
    pub(crate) fn age(&self) -> Duration {
        self.newest().began.elapsed()
    }
}

/// Whether each constant is of one of the versions. It may be that of a tool with another name: an old command that runs a
/// new file.
fn each_in_some(allowed: &[Version], said: &[u32]) -> bool {
    let some_has = |(position, constant): (usize, &u32)| {
        let mut answers = allowed.iter().flat_map(|version| version.answers.values());
        answers.any(|answer| answer.get(position) == Some(constant))
    };
    said.iter().enumerate().all(some_has)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(of: &[(&str, [u32; 2])]) -> Answers {
        of.iter().map(|(tool, said)| ((*tool).to_owned(), said.to_vec())).collect()
    }

    /// Versions 0 and 1 are visible, 2 is being written.
    fn history() -> History {
        let mut history = History::new(false, answers(&[("a", [1, 1]), ("b", [1, 1])]));
        let one = history.begin(answers(&[("a", [2, 2])]));
        history.see(one, Instant::now());
        history.begin(answers(&[("a", [3, 3]), ("b", [3, 3])]));
        history
    }

    fn judged(history: &History, tool: &str, answer: Answer) -> Verdict {
        let now = Instant::now();
        history.judge(tool, now, now, &answer)
    }

    fn said(constants: [u32; 2]) -> Answer {
        Answer::Constants(constants.to_vec())
    }

    #[test]
    fn what_is_visible_and_what_is_being_written_may_answer() {
        assert_eq!(judged(&history(), "a", said([2, 2])), Verdict::Good(1));
        assert_eq!(judged(&history(), "a", said([3, 3])), Verdict::Good(2));
    }

    #[test]
    fn what_is_older_than_what_was_visible_is_a_failure() {
        let verdict = judged(&history(), "a", said([1, 1]));
        assert!(matches!(verdict, Verdict::Failed(why) if why.contains("older")));
    }

    #[test]
    fn a_call_from_before_may_end_on_the_old_version() {
        let history = history();
        let sent = history.versions[0].began;
        assert_eq!(history.judge("a", sent, Instant::now(), &said([1, 1])), Verdict::Good(0));
        assert_eq!(history.judge("b", sent, Instant::now(), &said([1, 1])), Verdict::Good(0));
    }

    #[test]
    fn an_answer_from_before_an_edit_began_is_not_its() {
        let history = history();
        let answered = history.versions[1].began;
        let verdict = history.judge("a", answered, answered, &said([3, 3]));
        assert!(matches!(verdict, Verdict::Failed(why) if why.contains("not written yet")));
    }

    #[test]
    fn constants_of_two_versions_are_mixed_unless_a_program_reads_them_during_the_edit() {
        let mut history = history();
        assert!(matches!(judged(&history, "a", said([2, 3])), Verdict::Mixed(_)));
        history.reads_by_itself = true;
        assert_eq!(judged(&history, "a", said([2, 3])), Verdict::ReadInBetween);
        assert!(matches!(judged(&history, "a", said([1, 3])), Verdict::Mixed(_)), "1 is too old");
        history.see(2, Instant::now());
        assert!(matches!(judged(&history, "a", said([2, 3])), Verdict::Mixed(_)), "the edit is over");
    }

    #[test]
    fn a_tool_is_unknown_only_where_a_version_has_it_not() {
        let mut history = history();
        assert_eq!(judged(&history, "b", Answer::Unknown), Verdict::Gone, "and is being added");
        assert!(matches!(judged(&history, "a", Answer::Unknown), Verdict::Failed(_)));
        history.see(2, Instant::now());
        assert!(matches!(judged(&history, "b", Answer::Unknown), Verdict::Failed(_)), "it was shown");
    }

    #[test]
    fn a_tool_that_was_seen_to_go_answers_no_more() {
        let mut history = history();
        history.versions.pop();
        assert!(matches!(judged(&history, "b", said([1, 1])), Verdict::Failed(_)));
    }

    #[test]
    fn nothing_is_said_of_an_edit_that_was_torn_and_all_of_the_next() {
        let mut history = history();
        history.versions[2].torn = true;
        assert_eq!(judged(&history, "a", said([2, 3])), Verdict::NotJudged);
        assert_eq!(judged(&history, "a", said([3, 3])), Verdict::Good(2));
        let next = history.begin(answers(&[("a", [4, 4])]));
        history.see(next, Instant::now());
        assert!(matches!(judged(&history, "a", said([3, 4])), Verdict::Mixed(_)));
    }
}
