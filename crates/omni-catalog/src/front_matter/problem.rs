//! What is wrong with front matter, and where.

/// Line and column of the file, both from 1, in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// Why the front matter could not be read as it stands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct YamlProblem {
    pub(crate) place: Position,
    pub(crate) message: String,
    pub(crate) help: String,
    /// No correction of a line would help: the text is too large, or made to grow when it is read.
    pub(crate) fatal: bool,
}
