//! What a client of ours needs to know of each revision: which there are to choose from, and how it asks.

use super::{Era, Revision};
use crate::request::Action;

impl Revision {
    /// The newest revision whose requests stand for themselves.
    pub const NEWEST_MODERN: Revision = Revision::V2026_07_28;

    /// All names, for messages: oldest first.
    pub fn names() -> Vec<&'static str> {
        Revision::ALL.into_iter().map(Revision::name).collect()
    }

    /// The newest of these that we speak and that is of that era.
    pub(crate) fn newest_of(names: &[String], era: Era) -> Option<Revision> {
        let known = names.iter().filter_map(|name| Revision::from_name(name));
        known.filter(|revision| revision.era() == era).max()
    }

    /// Whether HTTP requests say in a header which revision they are.
    pub(crate) fn has_version_header(self) -> bool {
        match self {
            Revision::V2024_11_05 | Revision::V2025_03_26 => false,
            Revision::V2025_06_18 | Revision::V2025_11_25 | Revision::V2026_07_28 => true,
        }
    }

    /// Whether HTTP requests repeat method, name and marked arguments in headers.
    pub fn has_method_headers(self) -> bool {
        match self {
            Revision::V2024_11_05 | Revision::V2025_03_26 | Revision::V2025_06_18 | Revision::V2025_11_25 => {
                false
            }
            Revision::V2026_07_28 => true,
        }
    }

    /// Whether the revision has the method.
    pub(crate) fn has_method(self, action: &Action) -> bool {
        match action {
            Action::Initialize(_) | Action::Ping | Action::SetLogLevel(_) => self.era() == Era::Legacy,
            Action::Discover | Action::Listen(_) => self.era() == Era::Modern,
            Action::ListTools { .. }
            | Action::CallTool(_)
            | Action::List { .. }
            | Action::ReadResource { .. }
            | Action::GetPrompt(_)
            | Action::Complete(_) => true,
        }
    }
}
