//! 2024-11-05, the first revision: tools with text, images and resources; HTTP+SSE beside stdio.

use super::asks::{as_it_came, questions_before_elicitation, unchanged};
use super::rules::{
    AskedBy, CancelledBy, Era, LivenessProbe, ResultEnvelope, RevisionRules, StructuredContent, ToolFields,
};
use crate::ErrorCode;
use crate::content_part::ContentPart;
use crate::method::Method;

pub(super) const RULES: RevisionRules = RevisionRules {
    name: "2024-11-05",
    era: Era::Legacy,
    has_method: Method::in_legacy,
    liveness_probe: LivenessProbe::Ping,
    batches: false,

    tool_fields: ToolFields::Basic,
    has_content,
    structured_content: StructuredContent::Absent,
    result_envelope: ResultEnvelope::Plain,
    cache_hints: false,
    instructions: false,
    extensions: false,
    progress_message: false,
    completion_context: false,
    unknown_resource: ErrorCode::ResourceNotFound,

    asked_by: AskedBy::Request,
    question_support: questions_before_elicitation,
    ask_params: unchanged,
    restore_answer: as_it_came,

    version_header: false,
    method_headers: false,
    cancelled_by: CancelledBy::Notification,
    event_ids: false,
};

/// None: there are text, images and embedded resources.
fn has_content(part: ContentPart) -> bool {
    match part {
        ContentPart::Audio
        | ContentPart::ResourceLink
        | ContentPart::Meta
        | ContentPart::LastModified
        | ContentPart::Title
        | ContentPart::Icons => false,
    }
}
