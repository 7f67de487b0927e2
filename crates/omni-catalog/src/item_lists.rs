//! The resources, templates and prompts that each profile shows, and the skills that are not served.

use std::sync::Arc;

use crate::catalog_kind::ITEM_KINDS;
use crate::item_list::ItemList;
use crate::source_defaults::SourceDefaults;
use crate::tool_rules::ProfileId;

/// The lists of resources, templates and prompts.
pub(crate) type ItemLists = [Arc<ItemList>; ITEM_KINDS.len()];

/// Everything that clients can be shown besides tools.
#[derive(Clone, Debug)]
pub(crate) struct MergedItems {
    /// What there is, left out or not.
    pub(crate) all: ItemLists,
    /// What each profile shows, everybody else's first.
    pub(crate) lists: Arc<[ItemLists]>,
    /// Of each source.
    pub(crate) defaults: Arc<[SourceDefaults]>,
}

impl MergedItems {
    /// What a profile shows.
    pub(crate) fn of(&self, id: ProfileId) -> &ItemLists {
        self.lists.get(id.index()).unwrap_or(&self.all)
    }
}

/// Folders of skills that are not served, each with the number of its source.
pub(crate) type HiddenSkills = Vec<(usize, String)>;
