//! 2025-03-26: Streamable HTTP, batches, annotations of tools, audio.

use super::asks::{as_it_came, questions_before_elicitation, unchanged};
use super::rules::{
    AskedBy, CancelledBy, Era, LivenessProbe, ResultEnvelope, RevisionRules, StructuredContent, ToolFields,
};
use crate::ErrorCode;
use crate::content_part::ContentPart;
use crate::method::Method;

pub(super) const RULES: RevisionRules = RevisionRules {
    name: "2025-03-26",
    era: Era::Legacy,
    has_method: Method::in_legacy,
    liveness_probe: LivenessProbe::Ping,
    // The only one: they came with it, and went with the next.
    batches: true,

    tool_fields: ToolFields::Annotated,
    has_content,
    structured_content: StructuredContent::Absent,
    result_envelope: ResultEnvelope::Plain,
    cache_hints: false,
    instructions: true,
    extensions: false,
    progress_message: true,
    completion_context: false,
    unknown_resource: ErrorCode::ResourceNotFound,

    asked_by: AskedBy::Request,
    question_support: questions_before_elicitation,
    ask_params: unchanged,
    restore_answer: as_it_came,

    version_header: false,
    method_headers: false,
    cancelled_by: CancelledBy::Notification,
    // It may have ids, but its clients break on an event without data, by which a client gets the first one.
    event_ids: false,
};

fn has_content(part: ContentPart) -> bool {
    match part {
        ContentPart::Audio => true,
        ContentPart::ResourceLink
        | ContentPart::Meta
        | ContentPart::LastModified
        | ContentPart::Title
        | ContentPart::Icons => false,
    }
}
