//! Which revision is spoken: the newest of ours, of somebody else's, and of an era.

use super::rules::Era;
use super::table::Revision;

impl Revision {
    /// The newest revision that opens with `initialize`.
    pub const NEWEST_LEGACY: Revision = newest(Era::Legacy);

    /// The newest revision whose requests stand for themselves.
    pub const NEWEST_MODERN: Revision = newest(Era::Modern);

    /// All of them, for messages: oldest first.
    pub(crate) fn all() -> impl DoubleEndedIterator<Item = Revision> {
        Revision::ALL.into_iter()
    }

    /// The names a client may put into a request's `_meta`, newest first.
    pub(crate) fn modern_names() -> Vec<&'static str> {
        Revision::all().rev().filter_map(Revision::if_modern).map(Revision::name).collect()
    }

    /// The revision of that name, where it opens with `initialize`.
    pub(crate) fn legacy_from_name(name: &str) -> Option<Revision> {
        Revision::from_name(name).and_then(Revision::if_legacy)
    }

    /// The revision of that name, where its requests stand for themselves.
    pub(crate) fn modern_from_name(name: &str) -> Option<Revision> {
        Revision::from_name(name).and_then(Revision::if_modern)
    }

    /// The newest of these that we speak and that opens with `initialize`.
    pub(crate) fn newest_legacy_of(names: &[String]) -> Option<Revision> {
        Revision::all().rev().filter_map(Revision::if_legacy).find(|revision| revision.is_among(names))
    }

    /// The newest of these that we speak and whose requests stand for themselves.
    pub(crate) fn newest_modern_of(names: &[String]) -> Option<Revision> {
        Revision::all().rev().filter_map(Revision::if_modern).find(|revision| revision.is_among(names))
    }

    fn is_among(self, names: &[String]) -> bool {
        names.iter().any(|name| name == self.name())
    }

    fn if_legacy(self) -> Option<Revision> {
        match self.era() {
            Era::Legacy => Some(self),
            Era::Modern => None,
        }
    }

    fn if_modern(self) -> Option<Revision> {
        match self.era() {
            Era::Legacy => None,
            Era::Modern => Some(self),
        }
    }
}

const fn newest(era: Era) -> Revision {
    let mut at = Revision::ALL.len();
    loop {
        at -= 1;
        match (era, Revision::ALL[at].rules().era) {
            (Era::Legacy, Era::Legacy) | (Era::Modern, Era::Modern) => return Revision::ALL[at],
            (Era::Legacy, Era::Modern) | (Era::Modern, Era::Legacy) => {}
        }
    }
}
