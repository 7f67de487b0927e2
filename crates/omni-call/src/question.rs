//! The kinds of question that a client may be asked.

/// One kind of question, as fine as capabilities tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Question {
    /// A form to fill in.
    ElicitForm,
    /// A page to visit.
    ElicitUrl,
    /// A completion of the client's model.
    Sample,
    /// … for which the model may use tools.
    SampleTools,
    /// … to which the client adds what its servers said before.
    SampleContext,
    /// The folders that the client works in.
    ListRoots,
}

impl Question {
    pub const ALL: [Question; 6] = [
        Question::ElicitForm,
        Question::ElicitUrl,
        Question::Sample,
        Question::SampleTools,
        Question::SampleContext,
        Question::ListRoots,
    ];

    /// The capability by which a client declares that it can be asked.
    pub fn capability(self) -> &'static str {
        match self {
            Question::ElicitForm => "elicitation.form",
            Question::ElicitUrl => "elicitation.url",
            Question::Sample => "sampling",
            Question::SampleTools => "sampling.tools",
            Question::SampleContext => "sampling.context",
            Question::ListRoots => "roots",
        }
    }

    /// The question that has this capability.
    pub fn from_capability(name: &str) -> Option<Question> {
        Question::ALL.into_iter().find(|question| question.capability() == name)
    }

    /// A bit of its own, for sets of questions. It stands in tokens that outlive the process, so it stays as it is.
    pub fn bit(self) -> u8 {
        1 << self as u8
    }
}
