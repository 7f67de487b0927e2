//! 2025-11-25: icons, pages to visit beside forms, tools for the client's model, schemas of 2020-12.

use bytes::Bytes;
use omni_call::{Ask, AskMethod};

use super::asks::{as_it_came, change_params, strip_form};
use super::rules::{
    AskedBy, CancelledBy, Era, LivenessProbe, QuestionSupport, ResultEnvelope, RevisionRules,
    StructuredContent, ToolFields,
};
use crate::ErrorCode;
use crate::content_part::ContentPart;
use crate::method::Method;
use omni_call::Question;

pub(super) const RULES: RevisionRules = RevisionRules {
    name: "2025-11-25",
    era: Era::Legacy,
    has_method: Method::in_legacy,
    liveness_probe: LivenessProbe::Ping,
    batches: false,

    tool_fields: ToolFields::All,
    has_content,
    structured_content: StructuredContent::Object,
    result_envelope: ResultEnvelope::Plain,
    cache_hints: false,
    instructions: true,
    extensions: true,
    progress_message: true,
    completion_context: true,
    unknown_resource: ErrorCode::ResourceNotFound,

    asked_by: AskedBy::Request,
    question_support,
    ask_params,
    restore_answer: as_it_came,

    version_header: true,
    method_headers: false,
    cancelled_by: CancelledBy::Notification,
    event_ids: true,
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

/// A page to visit has a name, under which the client is told that it was.
fn ask_params(ask: &Ask, name: &[u8]) -> Bytes {
    match ask.method {
        AskMethod::Elicit => change_params(ask, |params| {
            if params.get("mode").is_some_and(|mode| mode == "url") {
                let name = || serde_json::from_slice(name).unwrap_or_default();
                params.entry("elicitationId").or_insert_with(name);
            }
            strip_form(params);
        }),
        AskMethod::Sample | AskMethod::ListRoots => ask.params.clone(),
    }
}
