//! The lists that one client sees, for whom calls have shown or hidden something.

use std::sync::Arc;

use crate::seen_lists::SeenItems;
use crate::skill_list::SkillList;
use crate::tool_rules::{ProfileId, ToolFacts};
use crate::uri_form::SKILLS;
use crate::{CatalogKind, Snapshot, ToolList, Visibility};

impl Snapshot {
    /// The tools that one client sees, for whom something is otherwise than for everybody with its profile. Made anew, in
    /// about a millisecond for a thousand tools, unless a client has lately seen the same.
    pub fn tools_seen(&self, profile: ProfileId, visibility: &Visibility) -> Arc<ToolList> {
        let list = self.lists.get(profile.index()).unwrap_or(&self.all);
        if !visibility.changes(CatalogKind::Tools) {
            return list.clone();
        }
        let version = visibility.version(CatalogKind::Tools, list.version());
        self.seen.tools.get((profile, CatalogKind::Tools, version), || {
            let unlisted = |tool: &str| {
                self.rules.overrides_of(profile, tool).find_map(|own| own.hidden).unwrap_or(false)
            };
            list.seen(visibility, unlisted).map_or_else(|_| list.clone(), Arc::new)
        })
    }

    /// The resources, templates or prompts that a client sees; `None` for tools and skills.
    pub fn items_seen(
        &self,
        profile: ProfileId,
        kind: CatalogKind,
        visibility: Option<&Visibility>,
    ) -> Option<SeenItems> {
        let list = self.item_list(profile, kind)?;
        let Some(visibility) = visibility.filter(|visibility| visibility.changes(kind)) else {
            return Some(SeenItems(list.clone()));
        };
        let key = (profile, kind, visibility.version(kind, list.version()));
        Some(SeenItems(self.seen.items.get(key, || Arc::new(list.seen(visibility)))))
    }

    /// The skills that a client sees: without the files that are hidden from it, and with the names of the tools that it has.
    /// Made like [`skill_list`](Self::skill_list) where anything of these is otherwise.
    pub fn skills_seen(&self, profile: ProfileId, visibility: Option<&Visibility>) -> Arc<SkillList> {
        let of_skills = |visibility: &&Visibility| {
            let mut resources = visibility.of_kind(CatalogKind::Resources);
            visibility.changes(CatalogKind::Tools) || resources.any(|(uri, _)| uri.starts_with(SKILLS))
        };
        let Some(visibility) = visibility.filter(of_skills) else { return self.skill_list(profile).clone() };
        let of_resources = visibility.version(CatalogKind::Resources, "");
        let key = (profile, CatalogKind::Skills, visibility.version(CatalogKind::Tools, &of_resources));
        self.seen.skills.get(key, || {
            let is_filtered = |facts: &ToolFacts<'_>| self.rules.filtered(profile, facts).is_some();
            let is_hidden = |uri: &str| !visibility.has(CatalogKind::Resources, uri, true);
            let tools = self.tools_seen(profile, visibility);
            Arc::new(SkillList::new(&self.skills_with_remote(), &tools, is_filtered, is_hidden))
        })
    }
}
