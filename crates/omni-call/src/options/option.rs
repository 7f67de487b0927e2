//! What is said of one option: its kind, its places, a value of it.

/// One option of a tool, a resource, a prompt or a completion.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ToolOption {
    pub name: &'static str,
    /// Second names, which mean the same.
    pub also: &'static [&'static str],
    pub kind: OptionKind,
    /// Where it may stand.
    pub places: &'static [OptionPlace],
    /// What holds until a wrong value in the front matter is put right. Empty for an option that cannot stand there.
    pub without: &'static str,
}

/// What values an option has, and so how one is read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum OptionKind {
    Text,
    Flag,
    /// A flag that clients are shown as an annotation of this name.
    Hint(&'static str),
    /// A time. 0 is one, and what it means is for who acts on it.
    Seconds,
    Count {
        min: u32,
        max: u32,
        /// What is counted; may be empty.
        of: &'static str,
    },
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Names of exception classes.
    Exceptions,
    Executor,
    /// A JSON Schema of an object.
    Schema,
    Object,
    Icons,
    /// What the extension for apps says of a tool or a page.
    App,
    Texts,
    Version,
    /// A URI, or a template of URIs.
    Uri,
    MimeType,
    /// A number of bytes.
    Size,
    /// What MCP calls the annotations of a resource.
    Annotations,
    /// A function of the skill, or a text that is the name of what it makes.
    Function,
}

/// Where options stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionPlace {
    /// `@tool(…)`.
    Decorator,
    /// The front matter of a `SKILL.md`, for all tools of the skill.
    FrontMatter,
    /// A tool that is a program, as it is declared in `SKILL.md` or `pyproject.toml`.
    Program,
    /// `@resource(…)`.
    Resource,
    /// `@prompt(…)`.
    Prompt,
    /// `@completion(…)`.
    Completion,
}

impl OptionPlace {
    /// Whether the option stands in Python, where a value is written as Python writes it.
    pub const fn in_python(self) -> bool {
        !matches!(self, OptionPlace::FrontMatter | OptionPlace::Program)
    }
}

/// A value that has been read and is within its bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OptionValue {
    Flag(bool),
    Milliseconds(u64),
    Count(u32),
    Choice(&'static str),
    Texts(Vec<String>),
}
