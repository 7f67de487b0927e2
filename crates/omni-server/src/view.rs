//! What one client sees otherwise than everybody, since calls have shown or hidden something.

use std::sync::{Arc, Mutex, PoisonError};

use omni_catalog::{CatalogKind, NamedItem, ProfileId, Snapshot, TooManyChanges, ToolList, Visibility};

/// What one client sees otherwise. A change makes another one.
#[derive(Debug, Default)]
pub(crate) struct View {
    pub(crate) visibility: Visibility,
    /// The list of tools made with it last.
    tools: Mutex<Option<MadeTools>>,
}

#[derive(Debug)]
struct MadeTools {
    profile: ProfileId,
    /// The version of the list that it was made of.
    of: Box<str>,
    list: Arc<ToolList>,
}

impl View {
    /// The tools of a snapshot, as this client sees them.
    pub(crate) fn tools(&self, snapshot: &Snapshot, profile: ProfileId) -> Arc<ToolList> {
        let of = snapshot.for_profile(profile).version();
        let mut made = self.tools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = made.as_ref().filter(|made| made.profile == profile && *made.of == *of) {
            return made.list.clone();
        }
        let list = snapshot.tools_seen(profile, &self.visibility);
        *made = Some(MadeTools { profile, of: of.into(), list: list.clone() });
        list
    }

    /// Whether the client has something.
    pub(crate) fn has(&self, kind: CatalogKind, key: &str, is_on: bool) -> bool {
        self.visibility.has(kind, key, is_on)
    }

    /// The same with these shown or hidden; `None` where that changes nothing.
    pub(crate) fn with(&self, items: &[NamedItem], shown: bool) -> Result<Option<View>, TooManyChanges> {
        let mut visibility = self.visibility.clone();
        let mut changed = false;
        for item in items {
            changed |= visibility.set(item, shown)?;
        }
        Ok(changed.then(|| View { visibility, tools: Mutex::default() }))
    }
}
