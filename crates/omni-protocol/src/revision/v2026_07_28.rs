//! 2026-07-28: no sessions. Each request says which revision and which client it is of; a call that needs an answer is
//! answered with the question; what lists and resources hold says how long it holds.

use super::asks::{as_it_came, unchanged};
use super::rules::{
    AskedBy, CancelledBy, Era, LivenessProbe, QuestionSupport, ResultEnvelope, RevisionRules,
    StructuredContent, ToolFields,
};
use crate::ErrorCode;
use crate::content_part::ContentPart;
use crate::method::Method;
use omni_call::Question;

pub(super) const RULES: RevisionRules = RevisionRules {
    name: "2026-07-28",
    era: Era::Modern,
    has_method: Method::in_modern,
    liveness_probe: LivenessProbe::Discover,
    batches: false,

    tool_fields: ToolFields::All,
    has_content,
    structured_content: StructuredContent::AnyJson,
    result_envelope: ResultEnvelope::Typed,
    cache_hints: true,
    instructions: true,
    extensions: true,
    progress_message: true,
    completion_context: true,
    unknown_resource: ErrorCode::InvalidParams,

    asked_by: AskedBy::InputRequired,
    question_support,
    ask_params: unchanged,
    restore_answer: as_it_came,

    version_header: true,
    method_headers: true,
    cancelled_by: CancelledBy::Closing,
    event_ids: false,
};

/// All of them.
fn has_content(part: ContentPart) -> bool {
    match part {
        ContentPart::Audio
        | ContentPart::ResourceLink
        | ContentPart::Meta
        | ContentPart::LastModified
        | ContentPart::Title
        | ContentPart::Icons => true,
    }
}

/// All of them.
fn question_support(question: Question) -> QuestionSupport {
    match question {
        Question::ElicitForm
        | Question::ElicitUrl
        | Question::Sample
        | Question::SampleTools
        | Question::SampleContext
        | Question::ListRoots => QuestionSupport::Yes,
    }
}
