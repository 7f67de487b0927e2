//! 2025-06-18: structured content and output schemas, titles, links to resources, forms; no batches any more; the
//! version in a header.

use bytes::Bytes;
use omni_call::{Ask, AskMethod};
use serde_json::{Map, Value};

use super::asks::{change_params, describe_defaults, list_choices, params_of, strip_form};
use super::multi_select;
use super::rules::{
    AskedBy, CancelledBy, Era, LivenessProbe, QuestionSupport, ResultEnvelope, RevisionRules,
    StructuredContent, ToolFields,
};
use crate::ErrorCode;
use crate::content_part::ContentPart;
use crate::method::Method;
use omni_call::Question;

pub(super) const RULES: RevisionRules = RevisionRules {
    name: "2025-06-18",
    era: Era::Legacy,
    has_method: Method::in_legacy,
    liveness_probe: LivenessProbe::Ping,
    batches: false,

    tool_fields: ToolFields::Structured,
    has_content,
    structured_content: StructuredContent::Object,
    result_envelope: ResultEnvelope::Plain,
    cache_hints: false,
    instructions: true,
    extensions: false,
    progress_message: true,
    completion_context: true,
    unknown_resource: ErrorCode::ResourceNotFound,

    asked_by: AskedBy::Request,
    question_support,
    ask_params,
    restore_answer,

    version_header: true,
    method_headers: false,
    cancelled_by: CancelledBy::Notification,
    // It may have ids, but its clients break on an event without data, by which a client gets the first one.
    event_ids: false,
};

/// All but icons.
fn has_content(part: ContentPart) -> bool {
    match part {
        ContentPart::Audio
        | ContentPart::ResourceLink
        | ContentPart::Meta
        | ContentPart::LastModified
        | ContentPart::Title => true,
        ContentPart::Icons => false,
    }
}

fn question_support(question: Question) -> QuestionSupport {
    match question {
        Question::ElicitForm | Question::Sample | Question::ListRoots => QuestionSupport::Yes,
        Question::SampleContext => QuestionSupport::Undeclared,
        Question::ElicitUrl | Question::SampleTools => QuestionSupport::No,
    }
}

/// Forms were all there was, so there was no word for them, choices had their titles apart, and were of one value.
fn ask_params(ask: &Ask, _name: &[u8]) -> Bytes {
    match ask.method {
        AskMethod::Elicit => change_params(ask, |params| {
            params.remove("mode");
            strip_form(params);
            list_choices(params);
            multi_select::spread(params);
            describe_defaults(params);
        }),
        AskMethod::Sample | AskMethod::ListRoots => ask.params.clone(),
    }
}

fn restore_answer(ask: &Ask, answer: &mut Map<String, Value>) -> bool {
    match ask.method {
        AskMethod::Elicit => params_of(ask).is_some_and(|params| multi_select::gather(&params, answer)),
        AskMethod::Sample | AskMethod::ListRoots => false,
    }
}
