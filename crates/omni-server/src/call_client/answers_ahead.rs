//! What a client has answered before its call asks anything.

use bytes::Bytes;
use omni_call::{Answer, OutcomeKind};

use super::answer_log::{AnswerLog, GivenAnswer};
use super::digest::Digest;

/// What has come with a request before its call asks anything. The default is nothing.
#[derive(Default)]
pub(crate) struct AnswersAhead {
    /// Of an earlier run of the call, which has to ask the same.
    pub(super) log: AnswerLog,
    /// What that run had asked besides, by its keys.
    pub(super) told: Vec<(String, Digest)>,
    /// Answers to whatever the call may ask under these keys.
    pub(super) early_answers: Vec<(String, Bytes)>,
    /// Whether there was an earlier run.
    pub(super) is_rerun: bool,
    /// The call is not to be run at all, and ends so.
    pub(super) ending: Option<OutcomeKind>,
}

impl AnswersAhead {
    /// Answers that a client gives without having been asked, by the keys of the questions.
    pub(crate) fn early(early_answers: Vec<(String, Bytes)>) -> Self {
        AnswersAhead { early_answers, ..AnswersAhead::default() }
    }
}

/// An answer of a client to a question.
pub(super) fn given(question: Digest, result: Bytes) -> GivenAnswer {
    GivenAnswer { question, answer: Some(Answer::Result(result)) }
}

pub(super) fn response_to(key: &str, responses: &[(String, Bytes)]) -> Option<Bytes> {
    responses.iter().find(|(answered, _)| answered == key).map(|(_, result)| result.clone())
}
