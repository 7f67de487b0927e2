//! The lists that single clients see, for whom calls have shown or hidden something.

use std::sync::{Arc, Mutex, PoisonError};

use crate::item_list::ItemList;
use crate::skill_list::SkillList;
use crate::tool_rules::{ProfileId, ToolFacts};
use crate::{CatalogKind, ListFields, Page, Snapshot, ToolList, Visibility};

/// Lists of one kind that are kept: clients that see the same share one, and to make one again takes about a millisecond
/// for a thousand things.
const KEPT_MAX: usize = 32;

/// The lists made last, of one snapshot.
#[derive(Debug, Default)]
pub(crate) struct SeenLists {
    tools: LastMade<ToolList>,
    items: LastMade<ItemList>,
    skills: LastMade<SkillList>,
}

/// What names a list of a snapshot: a profile, and the version that it has for the client.
type SeenKey = (ProfileId, CatalogKind, String);

/// The last made first.
#[derive(Debug)]
struct LastMade<T>(Mutex<Vec<(SeenKey, Arc<T>)>>);

impl<T> Default for LastMade<T> {
    fn default() -> Self {
        LastMade(Mutex::default())
    }
}

impl<T> LastMade<T> {
    /// Made without the lock: losing a race costs nothing but time.
    fn get(&self, key: SeenKey, make: impl FnOnce() -> Arc<T>) -> Arc<T> {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, list)) = lock().iter().find(|(known, _)| *known == key) {
            return list.clone();
        }
        let made = make();
        let mut kept = lock();
        kept.truncate(KEPT_MAX - 1);
        kept.insert(0, (key, made.clone()));
        made
    }
}

/// A list of resources, templates or prompts as a client sees it.
#[derive(Debug)]
pub struct SeenItems(Arc<ItemList>);

impl SeenItems {
    /// A hash of the list: two that show clients the same have the same version.
    pub fn version(&self) -> &str {
        self.0.version()
    }

    /// See [`Snapshot::items`].
    pub fn page(&self, fields: ListFields, n: usize) -> Option<Page> {
        self.0.page(fields, n)
    }

    /// All of them on one page.
    pub fn page_all(&self, fields: ListFields) -> Page {
        self.0.page_all(fields)
    }
}

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
            Arc::new(SkillList::new(self.skills(), &tools, is_filtered, is_hidden))
        })
    }
}

/// How the URI of each file of a skill begins.
const SKILLS: &str = "omni://skill/";
