//! The resources, templates and prompts that each profile shows, and the skills that are not served.

use std::collections::HashMap;
use std::sync::Arc;

use crate::catalog_kind::ITEM_KINDS;
use crate::item_list::ItemList;
use crate::skill_uri::skill_of;
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
    pub(crate) here: SkillsHere,
}

/// The skills of folders here that offer resources, each with the number of its source: nobody else offers anything
/// beneath their URIs. Empty where nobody else offers resources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SkillsHere(pub(crate) Arc<HashMap<String, usize>>);

impl SkillsHere {
    /// The source of the skill that a URI, or the template of some, lies beneath.
    pub(crate) fn source_of(&self, uri: &str) -> Option<usize> {
        if self.0.is_empty() {
            return None;
        }
        self.0.get(&skill_of(uri)?).copied()
    }
}

impl MergedItems {
    /// What a profile shows.
    pub(crate) fn of(&self, id: ProfileId) -> &ItemLists {
        self.lists.get(id.index()).unwrap_or(&self.all)
    }
}

/// Folders of skills that are not served, each with the number of its source.
pub(crate) type HiddenSkills = Vec<(usize, String)>;
