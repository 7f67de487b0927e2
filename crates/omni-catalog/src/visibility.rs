//! What one client has otherwise than everybody: what calls have shown it, and hidden from it.

use std::collections::BTreeMap;

use crate::CatalogKind;

/// Changes of what is on and off, for one client. Only what differs from what everybody has is kept, so two clients that
/// see the same have equal ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Visibility {
    /// Of each kind, by canonical name, URI or template: whether it is shown.
    changed: [BTreeMap<Box<str>, bool>; CatalogKind::ALL.len()],
}

/// What a client has for whom nothing is otherwise.
static AS_EVERYBODY: Visibility = Visibility { changed: [const { BTreeMap::new() }; CatalogKind::ALL.len()] };

/// Something that a source has, and that a call may show or hide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedItem {
    pub kind: CatalogKind,
    /// The canonical name of a tool, or the key of anything else.
    pub key: Box<str>,
    /// Whether everybody has it.
    pub is_on: bool,
}

/// One client can have so many things otherwise than everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a client has {} things shown or hidden already", Visibility::MAX)]
pub struct TooManyChanges;

impl Visibility {
    /// Things at most that are shown or hidden.
    pub const MAX: usize = 1_000;

    /// Of a client for whom nothing is otherwise.
    pub fn as_everybody() -> &'static Visibility {
        &AS_EVERYBODY
    }

    /// Nothing differs from what everybody has.
    pub fn is_empty(&self) -> bool {
        self.changed.iter().all(BTreeMap::is_empty)
    }

    /// Whether anything of a kind differs.
    pub fn changes(&self, kind: CatalogKind) -> bool {
        !self.changed[kind as usize].is_empty()
    }

    /// Whether the client has something, of which it is known whether everybody does.
    pub fn has(&self, kind: CatalogKind, key: &str, is_on: bool) -> bool {
        self.changed[kind as usize].get(key).copied().unwrap_or(is_on)
    }

    /// The same with these shown or hidden; `None` where that changes nothing.
    ///
    /// # Errors
    ///
    /// When that is too many: then none of them is.
    pub fn with(&self, items: &[NamedItem], shown: bool) -> Result<Option<Visibility>, TooManyChanges> {
        let mut visibility = self.clone();
        let mut changed = false;
        for item in items {
            changed |= visibility.set(item, shown)?;
        }
        Ok(changed.then_some(visibility))
    }

    /// Shows or hides one. Says whether that changes anything.
    fn set(&mut self, item: &NamedItem, shown: bool) -> Result<bool, TooManyChanges> {
        let count: usize = self.changed.iter().map(BTreeMap::len).sum();
        let changed = &mut self.changed[item.kind as usize];
        if shown == item.is_on {
            return Ok(changed.remove(&item.key).is_some());
        }
        if count >= Self::MAX && !changed.contains_key(&item.key) {
            return Err(TooManyChanges);
        }
        Ok(changed.insert(item.key.clone(), shown) != Some(shown))
    }

    /// All of a kind that are otherwise, with whether they are shown.
    pub(crate) fn of_kind(&self, kind: CatalogKind) -> impl Iterator<Item = (&str, bool)> {
        self.changed[kind as usize].iter().map(|(key, shown)| (&**key, *shown))
    }

    /// The version of a list of that kind as this client sees it, where everybody's has that `version`.
    pub fn version(&self, kind: CatalogKind, version: &str) -> String {
        if !self.changes(kind) {
            return version.to_owned();
        }
        let mut hasher = blake3::Hasher::new();
        for (key, shown) in self.of_kind(kind) {
            hasher
                .update(&(key.len() as u64).to_le_bytes())
                .update(key.as_bytes())
                .update(&[u8::from(shown)]);
        }
        hasher.update(version.as_bytes()).finalize().to_hex()[..32].to_owned()
    }
}

/// Whether a name is one that `pattern` means, in which each `*` stands for any text.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    // The leftmost place of each part leaves the most room for those after it.
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use CatalogKind::{Prompts, Tools};

    use super::*;

    fn item(kind: CatalogKind, key: &str, is_on: bool) -> NamedItem {
        NamedItem { kind, key: key.into(), is_on }
    }

    #[test]
    fn what_is_as_everybody_has_it_is_not_kept() {
        let mut seen = Visibility::default();
        let (on, off) = (item(Tools, "a", true), item(Tools, "b", false));
        assert_eq!(seen.set(&on, true), Ok(false));
        assert_eq!(seen.set(&off, false), Ok(false));
        assert!(seen.is_empty());
        assert_eq!(seen.set(&off, true), Ok(true));
        assert_eq!(seen.set(&off, true), Ok(false));
        assert_eq!(seen.set(&on, false), Ok(true));
        assert_eq!((seen.has(Tools, "a", true), seen.has(Tools, "b", false)), (false, true));
        assert_eq!((seen.has(Tools, "c", true), seen.has(Prompts, "a", true)), (true, true));
        assert_eq!(seen.set(&on, true), Ok(true));
        assert_eq!(seen.set(&off, false), Ok(true));
        assert_eq!(seen, Visibility::default());
    }

    #[test]
    fn a_list_has_another_version_for_who_sees_another_one_and_for_nobody_else() {
        let mut one = Visibility::default();
        assert_eq!(one.version(Tools, "v"), "v");
        one.set(&item(Tools, "a", true), false).unwrap();
        let mut other = Visibility::default();
        other.set(&item(Tools, "b", true), false).unwrap();
        assert_eq!(one.version(Prompts, "v"), "v");
        let versions = [one.version(Tools, "v"), one.version(Tools, "w"), other.version(Tools, "v")];
        assert!(versions.iter().all(|version| version.len() == 32), "{versions:?}");
        assert!(versions[0] != versions[1] && versions[0] != versions[2] && versions[1] != versions[2]);
        other.set(&item(Tools, "b", true), true).unwrap();
        other.set(&item(Tools, "a", true), false).unwrap();
        assert_eq!(one.version(Tools, "v"), other.version(Tools, "v"));
    }

    #[test]
    fn a_client_has_a_bounded_number_of_things_otherwise() {
        let mut seen = Visibility::default();
        for n in 0..Visibility::MAX {
            assert_eq!(seen.set(&item(Tools, &n.to_string(), true), false), Ok(true));
        }
        assert_eq!(seen.set(&item(Tools, "one more", true), false), Err(TooManyChanges));
        assert_eq!(seen.set(&item(Tools, "7", true), false), Ok(false), "it is hidden already");
        assert_eq!(seen.set(&item(Tools, "7", true), true), Ok(true));
        assert_eq!(seen.set(&item(Tools, "one more", true), false), Ok(true));
    }

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, name) in
            [("a.*", "a."), ("a.*", "a.b.c"), ("*", ""), ("*.b", "a.b"), ("a*b*c", "a1b2bc"), ("ab", "ab")]
        {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("a.*", "a"), ("*.b", "a.bc"), ("a*a", "a"), ("a*b*c", "acb"), ("ab", "abc")]
        {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }
}
