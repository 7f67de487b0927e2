//! What several revisions have in common in how they ask a client.

use bytes::Bytes;
use omni_call::Ask;
use serde_json::{Map, Value};

use super::rules::QuestionSupport;
use crate::question::Question;

/// The questions of the revisions before there were forms.
pub(super) fn questions_before_elicitation(question: Question) -> QuestionSupport {
    match question {
        Question::Sample | Question::ListRoots => QuestionSupport::Yes,
        Question::SampleContext => QuestionSupport::Undeclared,
        Question::ElicitForm | Question::ElicitUrl | Question::SampleTools => QuestionSupport::No,
    }
}

/// The parameters as the tool gave them: they have the newest revision's form, and an older one's where that is the same.
pub(super) fn unchanged(ask: &Ask, _name: &[u8]) -> Bytes {
    ask.params.clone()
}

/// The parameters with a change. What is no object stays as it is.
pub(super) fn change_params(ask: &Ask, change: impl FnOnce(&mut Map<String, Value>)) -> Bytes {
    let params = serde_json::from_slice::<Map<String, Value>>(&ask.params);
    let changed = params.ok().and_then(|mut params| {
        change(&mut params);
        serde_json::to_vec(&params).ok()
    });
    changed.map_or_else(|| ask.params.clone(), Bytes::from)
}
