//! A result in the words of the revision that it goes to: nothing in it that the revision does not have, and nothing of
//! it lost.
//!
//! What a revision does not have becomes what a model can read: a link becomes a text, sound an embedded resource, and
//! structured content that no text says becomes one ([`adapter`]). What no model reads, `_meta` and icons of a block or
//! when it was last changed, goes into the `_meta` of the result, which all revisions have, under [`NEWER`].
//!
//! Content is read only where something may have to be changed: not for a revision that has all parts, nor where
//! there is only text ([`plain`]).

mod adapter;
mod members;
mod plain;
mod structured;

use omni_call::{CallResult, ToolResult};

use self::adapter::{Adapter, instead_of};
use crate::content_part::ContentPart;
use crate::revision::{Revision, StructuredContent};

/// The member of a result's `_meta` with what its revision has no place for: an object whose names are JSON pointers into
/// the result, and whose values would stand there.
const NEWER: &str = "omni/newer";

/// A result that has nothing but what its client's revision has: no other can be encoded.
#[derive(Clone, Debug, PartialEq)]
pub struct AdaptedResult {
    pub(crate) revision: Revision,
    pub(crate) result: CallResult,
    pub(crate) cache: CacheHints,
}

/// How long a client may show what it has read without asking again, and to whom: `ttlMs` and `cacheScope`, in revisions
/// that have them. Default: it may be stale at once, and another user may be shown another thing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheHints {
    pub ttl_ms: u64,
    /// Every user of the server may be shown it.
    pub public: bool,
}

impl AdaptedResult {
    /// The same result with hints of its own; they are said of a resource that was read.
    pub fn with_cache(self, cache: CacheHints) -> AdaptedResult {
        AdaptedResult { cache, ..self }
    }
}

impl Revision {
    /// The result with nothing in it that this revision does not have. Content that is not what MCP says, which only
    /// other servers can have made, stays as it is.
    ///
    /// It takes no time unless it [`may_change`](Self::may_change); then a look at each byte of what is only text, and of
    /// anything else as long as it takes to read and write the whole.
    pub fn adapt(self, mut result: CallResult) -> AdaptedResult {
        if self.may_change(&result) {
            let mut adapter = Adapter::new(self);
            match &mut result {
                CallResult::Tool(tool) => {
                    if !self.has_all_parts() && !plain::is_text_only(&tool.content) {
                        adapter.blocks(&mut tool.content);
                    }
                    if let Some(structured) = tool.structured.take_if(|value| !self.has_structured(value))
                        && let Some(text) = structured::unsaid(&structured, &tool.content)
                    {
                        *tool = std::mem::replace(tool, ToolResult::of_text("")).with_text(text);
                        tool.content = instead_of(std::mem::take(&mut tool.content), structured);
                    }
                }
                CallResult::Resource(resource) => adapter.contents(&mut resource.contents),
                CallResult::Prompt(prompt) => adapter.messages(&mut prompt.messages),
                CallResult::Completion(_) => {}
            }
            if let Some(newer) = adapter.into_newer() {
                result = result.with_meta(NEWER, &newer);
            }
        }
        AdaptedResult { revision: self, result, cache: CacheHints::default() }
    }

    /// Whether this result has to be looked at before it is known that the revision has all of it. To ask costs nothing.
    pub fn may_change(self, result: &CallResult) -> bool {
        match result {
            CallResult::Tool(result) => {
                !self.has_all_parts()
                    || result.structured.as_ref().is_some_and(|structured| !self.has_structured(structured))
            }
            CallResult::Resource(_) | CallResult::Prompt(_) => !self.has_all_parts(),
            CallResult::Completion(_) => false,
        }
    }

    /// Whether a tool's result may have structured content.
    pub fn has_structured_content(self) -> bool {
        match self.structured_content() {
            StructuredContent::Absent => false,
            StructuredContent::Object | StructuredContent::AnyJson => true,
        }
    }

    fn has_all_parts(self) -> bool {
        ContentPart::ALL.into_iter().all(|part| self.has_content(part))
    }

    fn has_structured(self, structured: &[u8]) -> bool {
        match self.structured_content() {
            StructuredContent::Absent => false,
            StructuredContent::Object => structured.first() == Some(&b'{'),
            StructuredContent::AnyJson => true,
        }
    }
}

#[cfg(test)]
mod tests;
