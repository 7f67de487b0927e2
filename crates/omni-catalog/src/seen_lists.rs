//! The lists made last for clients that see something otherwise than everybody.

use std::sync::{Arc, Mutex, PoisonError};

use crate::item_list::ItemList;
use crate::skill_list::SkillList;
use crate::tool_rules::ProfileId;
use crate::{CatalogKind, ListFields, Page, ToolList};

/// Lists of one kind that are kept: clients that see the same share one, and to make one again takes about a millisecond
/// for a thousand things.
const KEPT_MAX: usize = 32;

/// The lists made last, of one snapshot.
#[derive(Debug, Default)]
pub(crate) struct SeenLists {
    pub(crate) tools: LastMade<ToolList>,
    pub(crate) items: LastMade<ItemList>,
    pub(crate) skills: LastMade<SkillList>,
}

/// What names a list of a snapshot: a profile, and the version that it has for the client.
pub(crate) type SeenKey = (ProfileId, CatalogKind, String);

/// The last made first.
#[derive(Debug)]
pub(crate) struct LastMade<T>(Mutex<Vec<(SeenKey, Arc<T>)>>);

impl<T> Default for LastMade<T> {
    fn default() -> Self {
        LastMade(Mutex::default())
    }
}

impl<T> LastMade<T> {
    /// Made without the lock: losing a race costs nothing but time.
    pub(crate) fn get(&self, key: SeenKey, make: impl FnOnce() -> Arc<T>) -> Arc<T> {
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
pub struct SeenItems(pub(crate) Arc<ItemList>);

impl SeenItems {
    /// A hash of the list: two that show clients the same have the same version.
    pub fn version(&self) -> &str {
        self.0.version()
    }

    /// Whether some clients have more of it than others, since there are things that are off.
    pub fn has_off(&self) -> bool {
        self.0.has_off()
    }

    /// The `n`th page, from 0: see [`Snapshot::items`](crate::Snapshot::items).
    pub fn page(&self, fields: ListFields, n: usize) -> Option<Page> {
        self.0.page(fields, n)
    }

    /// All of them on one page.
    pub fn page_all(&self, fields: ListFields) -> Page {
        self.0.page_all(fields)
    }
}
