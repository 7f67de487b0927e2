//! What the rules need to know of a tool.

/// What the rules need to know of a tool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ToolFacts<'a> {
    /// The canonical one.
    pub(crate) name: &'a str,
    /// The skill's folder.
    pub(crate) skill: &'a str,
    pub(crate) tags: &'a [String],
}
