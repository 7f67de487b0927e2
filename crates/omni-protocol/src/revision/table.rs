//! The revisions by name, and what each has: one exhaustive match for every question.

use bytes::Bytes;
use omni_call::{Ask, AskMethod};
use serde_json::{Map, Value};

use crate::ErrorCode;
use crate::question::Question;

/// A published revision of the protocol, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Revision {
    /// The first one.
    V2024_11_05,
    V2025_03_26,
    V2025_06_18,
    V2025_11_25,
    V2026_07_28,
}

/// The two ways to open a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// An `initialize` handshake, then a session.
    Legacy,
    /// Every request carries what it needs.
    Modern,
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

/// How a client is asked something while its request is being answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskedBy {
    /// By a request of ours on its session.
    Request,
    /// By an answer that says what is missing; the client repeats its request with it.
    InputRequired,
}

impl Revision {
    pub(super) const ALL: [Revision; 5] = [
        Revision::V2024_11_05,
        Revision::V2025_03_26,
        Revision::V2025_06_18,
        Revision::V2025_11_25,
        Revision::V2026_07_28,
    ];

    /// The newest revision that opens with `initialize`.
    pub const NEWEST_LEGACY: Revision = Revision::V2025_11_25;

    /// What a session without a version header speaks, by the specification of Streamable HTTP.
    pub const WITHOUT_HEADER: Revision = Revision::V2025_03_26;

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Revision::V2024_11_05 => "2024-11-05",
            Revision::V2025_03_26 => "2025-03-26",
            Revision::V2025_06_18 => "2025-06-18",
            Revision::V2025_11_25 => "2025-11-25",
            Revision::V2026_07_28 => "2026-07-28",
        }
    }

    /// The revision of that name, if we speak it.
    pub fn from_name(name: &str) -> Option<Revision> {
        Revision::ALL.into_iter().find(|revision| revision.name() == name)
    }

    /// The revision whose discriminant (`revision as u8`) that is.
    pub fn from_index(index: u8) -> Option<Revision> {
        Revision::ALL.get(usize::from(index)).copied()
    }

    pub fn era(self) -> Era {
        if self == Revision::V2026_07_28 { Era::Modern } else { Era::Legacy }
    }

    /// The names a client may put into a request's `_meta`, newest first.
    pub fn modern_names() -> Vec<&'static str> {
        let modern = Revision::ALL.into_iter().rev().filter(|revision| revision.era() == Era::Modern);
        modern.map(Revision::name).collect()
    }

    /// Whether several messages may come in one array. Only one revision had that.
    pub fn has_batches(self) -> bool {
        self == Revision::V2025_03_26
    }

    pub fn tool_fields(self) -> ToolFields {
        match self {
            Revision::V2024_11_05 => ToolFields::Basic,
            Revision::V2025_03_26 => ToolFields::Annotated,
            Revision::V2025_06_18 => ToolFields::Structured,
            Revision::V2025_11_25 | Revision::V2026_07_28 => ToolFields::All,
        }
    }

    /// How a client of this revision is asked something.
    pub fn asked_by(self) -> AskedBy {
        match self {
            Revision::V2024_11_05 | Revision::V2025_03_26 | Revision::V2025_06_18 | Revision::V2025_11_25 => {
                AskedBy::Request
            }
            Revision::V2026_07_28 => AskedBy::InputRequired,
        }
    }

    /// Whether it has that question.
    pub(crate) fn knows(self, question: Question) -> QuestionSupport {
        use Question::{ElicitForm, ElicitUrl, ListRoots, Sample, SampleContext, SampleTools};
        match self {
            Revision::V2024_11_05 | Revision::V2025_03_26 => match question {
                Sample | ListRoots => QuestionSupport::Yes,
                SampleContext => QuestionSupport::Undeclared,
                ElicitForm | ElicitUrl | SampleTools => QuestionSupport::No,
            },
            Revision::V2025_06_18 => match question {
                ElicitForm | Sample | ListRoots => QuestionSupport::Yes,
                SampleContext => QuestionSupport::Undeclared,
                ElicitUrl | SampleTools => QuestionSupport::No,
            },
            Revision::V2025_11_25 | Revision::V2026_07_28 => QuestionSupport::Yes,
        }
    }

    /// The parameters of a question as this revision has them. `name`, a JSON string, names this one question among
    /// ours.
    pub(crate) fn ask_params(self, ask: &Ask, name: &[u8]) -> Bytes {
        let change = |change: &dyn Fn(&mut Map<String, Value>)| {
            let params = serde_json::from_slice::<Map<String, Value>>(&ask.params);
            let changed = params.ok().and_then(|mut params| {
                change(&mut params);
                serde_json::to_vec(&params).ok()
            });
            changed.map_or_else(|| ask.params.clone(), Bytes::from)
        };
        match (self, ask.method) {
            // Forms were all there was, so there was no word for them.
            (Revision::V2025_06_18, AskMethod::Elicit) => change(&|params| {
                params.remove("mode");
            }),
            (Revision::V2025_11_25, AskMethod::Elicit) => change(&|params| {
                if params.get("mode").is_some_and(|mode| mode == "url") {
                    let name = || serde_json::from_slice(name).unwrap_or_default();
                    params.entry("elicitationId").or_insert_with(name);
                }
            }),
            (
                Revision::V2024_11_05
                | Revision::V2025_03_26
                | Revision::V2025_06_18
                | Revision::V2025_11_25
                | Revision::V2026_07_28,
                AskMethod::Elicit | AskMethod::Sample | AskMethod::ListRoots,
            ) => ask.params.clone(),
        }
    }

    /// Whether results carry structured content.
    pub(crate) fn has_structured_content(self) -> bool {
        self >= Revision::V2025_06_18
    }

    /// Whether structured content may be something other than an object.
    pub(crate) fn structured_content_is_any_json(self) -> bool {
        self.era() == Era::Modern
    }

    /// Whether a progress notification may carry a message.
    pub(crate) fn has_progress_message(self) -> bool {
        self >= Revision::V2025_03_26
    }

    /// What an unknown resource is refused with.
    pub(crate) fn resource_not_found(self) -> ErrorCode {
        match self.era() {
            Era::Legacy => ErrorCode::ResourceNotFound,
            Era::Modern => ErrorCode::InvalidParams,
        }
    }

    /// Whether a request for completions may say which other arguments are known.
    pub(crate) fn has_completion_context(self) -> bool {
        self >= Revision::V2025_06_18
    }

    /// Whether the answer to `initialize` may carry instructions for the model.
    pub(crate) fn has_instructions(self) -> bool {
        self >= Revision::V2025_03_26
    }
}
