//! The questions that a revision answers. Each revision has a file with its answers, all of them: `v2024_11_05.rs` and
//! so on.

use bytes::Bytes;
use omni_call::Ask;
use serde_json::{Map, Value};

use crate::ErrorCode;
use crate::content_part::ContentPart;
use crate::method::Method;
use omni_call::Question;

/// What one revision says to every question that we ask of revisions.
///
/// There is no default and no revision to fall back on: a new question is a member, which no file compiles without, and
/// a new revision is a file, in which no answer can be left out.
pub(super) struct RevisionRules {
    /// The name on the wire.
    pub(super) name: &'static str,
    /// How a conversation opens, and with that how a request is read.
    pub(super) era: Era,
    /// Whether it has that method.
    pub(super) has_method: fn(Method) -> bool,
    /// What a client sends to find out whether its server is still there.
    pub(super) liveness_probe: LivenessProbe,
    /// Whether several messages may come in one array.
    pub(super) batches: bool,

    /// Which members of a tool's description it knows.
    pub(super) tool_fields: ToolFields,
    /// Whether content has that part.
    pub(super) has_content: fn(ContentPart) -> bool,
    /// What a tool's result may carry beside its content.
    pub(super) structured_content: StructuredContent,
    /// What every result says of itself.
    pub(super) result_envelope: ResultEnvelope,
    /// Whether lists and resources say how long they may be kept, and for whom.
    pub(super) cache_hints: bool,
    /// Whether the answer that opens a conversation may carry instructions for the model.
    pub(super) instructions: bool,
    /// Whether a server may declare extensions, and with that has the methods of the one for skills.
    pub(super) extensions: bool,
    /// Whether a progress notification may carry a message.
    pub(super) progress_message: bool,
    /// Whether a request for completions may say which other arguments are known.
    pub(super) completion_context: bool,
    /// What an unknown resource is refused with.
    pub(super) unknown_resource: ErrorCode,

    /// How a client is asked something while its request is being answered.
    pub(super) asked_by: AskedBy,
    /// Whether it has that question.
    pub(super) question_support: fn(Question) -> QuestionSupport,
    /// The parameters of a question as it has them. The bytes, a JSON string, name this one question among ours.
    pub(super) ask_params: fn(&Ask, &[u8]) -> Bytes,
    /// Has the answer to a question the newest revision's form again, where [`ask_params`](Self::ask_params) asked for another;
    /// whether it was changed.
    pub(super) restore_answer: fn(&Ask, &mut Map<String, Value>) -> bool,

    /// Whether HTTP requests say in a header which revision they are.
    pub(super) version_header: bool,
    /// Whether HTTP requests repeat method, name and marked arguments in headers, which the server compares.
    pub(super) method_headers: bool,
    /// How a client takes a request back over HTTP.
    pub(super) cancelled_by: CancelledBy,
    /// Whether events of a stream have ids, by which a client resumes it. A stream with ids begins with an event without
    /// data.
    pub(super) event_ids: bool,
}

/// The two ways to open a conversation.
///
/// Eras cannot be compared, so whoever needs to know one matches on it, and a third would not compile there.
#[derive(Clone, Copy, Debug)]
pub enum Era {
    /// An `initialize` handshake, then a session.
    Legacy,
    /// Every request carries what it needs.
    Modern,
}

/// What a client sends to find out whether its server is still there.
#[derive(Clone, Copy, Debug)]
pub enum LivenessProbe {
    Ping,
    Discover,
}

/// Which members of a tool's description a revision knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ToolFields {
    /// Name, description and input schema.
    Basic,
    /// … and annotations.
    Annotated,
    /// … and title, output schema and `_meta`.
    Structured,
    /// … and icons: everything.
    All,
}

/// What `structuredContent` of a tool's result may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StructuredContent {
    /// There is no such member.
    Absent,
    /// An object.
    Object,
    /// Any JSON value.
    AnyJson,
}

/// What every result says of itself.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ResultEnvelope {
    /// Nothing.
    Plain,
    /// Of which type it is (`resultType`), and in `_meta` whose it is (`serverInfo`).
    Typed,
}

/// How a client is asked something while its request is being answered.
#[derive(Clone, Copy, Debug)]
pub enum AskedBy {
    /// By a request of ours on its session.
    Request,
    /// By an answer that says what is missing; the client repeats its request with it.
    InputRequired,
}

/// Whether a revision has a question, and how its clients say that they answer it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QuestionSupport {
    /// It has no such question.
    No,
    /// It has, and clients declare it.
    Yes,
    /// It has, and there is no word for it among the capabilities.
    Undeclared,
}

/// How a client takes a request back over HTTP.
#[derive(Clone, Copy, Debug)]
pub enum CancelledBy {
    /// By a notification that names it.
    Notification,
    /// By closing the connection that its answer would come on.
    Closing,
}
