//! The revisions, and what may be asked of one.

use bytes::Bytes;
use omni_call::Ask;
use serde_json::{Map, Value};

use super::rules::{
    AskedBy, CancelledBy, Era, LivenessProbe, QuestionSupport, ResultEnvelope, RevisionRules,
    StructuredContent, ToolFields,
};
use super::{v2024_11_05, v2025_03_26, v2025_06_18, v2025_11_25, v2026_07_28};
use crate::ErrorCode;
use crate::content_part::ContentPart;
use crate::method::Method;
use omni_call::Question;

/// A published revision of the protocol.
///
/// Revisions have no order that could be asked for: what one has is no hint at what the next has. Ask for what is to be
/// known by its name, below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Revision {
    /// The first one.
    V2024_11_05,
    V2025_03_26,
    V2025_06_18,
    V2025_11_25,
    V2026_07_28,
}

impl Revision {
    /// Oldest first.
    pub(super) const ALL: [Revision; 5] = {
        use Revision::{V2024_11_05, V2025_03_26, V2025_06_18, V2025_11_25, V2026_07_28};
        // Does not compile while one is missing, so that none is forgotten below.
        match V2024_11_05 {
            V2024_11_05 | V2025_03_26 | V2025_06_18 | V2025_11_25 | V2026_07_28 => {}
        }
        [V2024_11_05, V2025_03_26, V2025_06_18, V2025_11_25, V2026_07_28]
    };

    /// What a session without a version header speaks, by the specification of Streamable HTTP.
    pub const WITHOUT_HEADER: Revision = Revision::V2025_03_26;

    /// Its answers to all questions.
    pub(super) const fn rules(self) -> &'static RevisionRules {
        match self {
            Revision::V2024_11_05 => &v2024_11_05::RULES,
            Revision::V2025_03_26 => &v2025_03_26::RULES,
            Revision::V2025_06_18 => &v2025_06_18::RULES,
            Revision::V2025_11_25 => &v2025_11_25::RULES,
            Revision::V2026_07_28 => &v2026_07_28::RULES,
        }
    }

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        self.rules().name
    }

    /// The revision of that name, if we speak it.
    pub fn from_name(name: &str) -> Option<Revision> {
        Revision::ALL.into_iter().find(|revision| revision.name() == name)
    }

    /// The revision whose discriminant (`revision as u8`) that is.
    pub fn from_index(index: u8) -> Option<Revision> {
        Revision::ALL.get(usize::from(index)).copied()
    }

    /// How a conversation opens. For who reads and writes what differs between the eras, which is this crate.
    pub(crate) fn era(self) -> Era {
        self.rules().era
    }

    /// Whether a conversation opens with `initialize`, which agrees on what holds for the session that follows.
    pub fn has_sessions(self) -> bool {
        match self.era() {
            Era::Legacy => true,
            Era::Modern => false,
        }
    }

    /// Whether it has that method.
    pub fn has_method(self, method: Method) -> bool {
        (self.rules().has_method)(method) && (self.rules().extensions || !method.is_of_skills())
    }

    /// What a client sends to find out whether its server is still there.
    pub fn liveness_probe(self) -> LivenessProbe {
        self.rules().liveness_probe
    }

    /// Whether several messages may come in one array.
    pub fn has_batches(self) -> bool {
        self.rules().batches
    }

    /// Which members of a tool's description it knows.
    pub fn tool_fields(self) -> ToolFields {
        self.rules().tool_fields
    }

    /// How a client is asked something.
    pub fn asked_by(self) -> AskedBy {
        self.rules().asked_by
    }

    /// How a client takes a request back over HTTP.
    pub fn cancelled_by(self) -> CancelledBy {
        self.rules().cancelled_by
    }

    /// Whether events of a stream have ids, by which a client resumes it.
    pub fn has_event_ids(self) -> bool {
        self.rules().event_ids
    }

    /// Whether HTTP requests repeat method, name and marked arguments in headers, which the server compares.
    pub fn has_method_headers(self) -> bool {
        self.rules().method_headers
    }

    /// Whether HTTP requests say in a header which revision they are.
    pub(crate) fn has_version_header(self) -> bool {
        self.rules().version_header
    }

    /// Whether it has that question.
    pub(crate) fn question_support(self, question: Question) -> QuestionSupport {
        (self.rules().question_support)(question)
    }

    /// The parameters of a question as it has them. `name`, a JSON string, names this one question among ours.
    pub(crate) fn ask_params(self, ask: &Ask, name: &[u8]) -> Bytes {
        (self.rules().ask_params)(ask, name)
    }

    /// Has the answer to a question the newest revision's form; whether it was changed.
    pub(super) fn restore_answer(self, ask: &Ask, answer: &mut Map<String, Value>) -> bool {
        (self.rules().restore_answer)(ask, answer)
    }

    /// Whether content has that part.
    pub(crate) fn has_content(self, part: ContentPart) -> bool {
        (self.rules().has_content)(part)
    }

    /// What a tool's result may carry beside its content.
    pub(crate) fn structured_content(self) -> StructuredContent {
        self.rules().structured_content
    }

    /// What every result says of itself.
    pub(crate) fn result_envelope(self) -> ResultEnvelope {
        self.rules().result_envelope
    }

    /// Whether lists and resources say how long they may be kept, and for whom.
    pub(crate) fn has_cache_hints(self) -> bool {
        self.rules().cache_hints
    }

    /// Whether a progress notification may carry a message.
    pub(crate) fn has_progress_message(self) -> bool {
        self.rules().progress_message
    }

    /// What an unknown resource is refused with.
    pub(crate) fn unknown_resource(self) -> ErrorCode {
        self.rules().unknown_resource
    }

    /// Whether a request for completions may say which other arguments are known.
    pub(crate) fn has_completion_context(self) -> bool {
        self.rules().completion_context
    }

    /// Whether a server may declare extensions.
    pub(crate) fn has_extensions(self) -> bool {
        self.rules().extensions
    }

    /// Whether the answer that opens a conversation may carry instructions for the model.
    pub(crate) fn has_instructions(self) -> bool {
        self.rules().instructions
    }
}
