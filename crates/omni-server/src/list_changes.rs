//! Who hears that a list has changed, and when.
//!
//! The server knows the version of each list in force; each legacy session, the versions that its client was shown or
//! told of last. Comparing the two tells a client exactly once, also when the change came between two of its streams.

use std::sync::Arc;

use futures_util::stream::{self, Stream, StreamExt};
use omni_catalog::{CatalogKind, ProfileId, Visibility};
use omni_protocol::{ListKind, ListKinds};
use tokio::sync::watch;

/// What clients see lists of. Each has a version of its own, and is shown by itself.
pub(crate) const LISTED: [CatalogKind; 4] =
    [CatalogKind::Tools, CatalogKind::Resources, CatalogKind::Templates, CatalogKind::Prompts];

/// The list whose notification tells of that one, where there is one: skills have none, and are told of with tools.
pub(crate) fn list_of(kind: CatalogKind) -> ListKind {
    match kind {
        CatalogKind::Tools | CatalogKind::Skills => ListKind::Tools,
        CatalogKind::Resources | CatalogKind::Templates => ListKind::Resources,
        CatalogKind::Prompts => ListKind::Prompts,
    }
}

/// The version of each list; `None` for one whose changes nobody can tell of. Two lists that show clients the same have
/// the same version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ListVersions([Option<Arc<str>>; LISTED.len()]);

impl ListVersions {
    pub(crate) fn of(version: impl Fn(CatalogKind) -> Option<Arc<str>>) -> Self {
        ListVersions(LISTED.map(version))
    }

    /// The same for a client that sees something otherwise.
    pub(crate) fn seen_by(self, visibility: Option<&Visibility>) -> Self {
        let Some(visibility) = visibility else { return self };
        let mut kinds = LISTED.into_iter();
        ListVersions(self.0.map(|version| {
            let kind = kinds.next()?;
            Some(visibility.version(kind, &version?).into())
        }))
    }

    /// The lists that have another version in `other`.
    pub(crate) fn differing(&self, other: &ListVersions) -> ListKinds {
        let all = LISTED.into_iter().zip(self.0.iter().zip(&other.0));
        all.filter(|(_, (one, other))| one != other).map(|(kind, _)| list_of(kind)).collect()
    }
}

/// The versions in force, of each profile's lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CurrentVersions(Arc<[ListVersions]>);

impl CurrentVersions {
    /// By the numbers of the profiles.
    pub(crate) fn new(by_profile: Arc<[ListVersions]>) -> Self {
        CurrentVersions(by_profile)
    }

    /// What a client with that profile sees.
    pub(crate) fn of(&self, profile: ProfileId) -> ListVersions {
        self.0.get(profile.index()).cloned().unwrap_or_default()
    }
}

/// The versions in force, for everybody who listens.
pub(crate) struct ListChanges {
    state: watch::Sender<ListChangesState>,
}

#[derive(Clone)]
struct ListChangesState {
    versions: CurrentVersions,
    /// The server is ending, and with it everything that listens.
    ended: bool,
}

/// One listener's view. What changes while nobody looks is seen as one change.
pub(crate) struct VersionListener {
    state: watch::Receiver<ListChangesState>,
}

impl ListChanges {
    pub(crate) fn new(versions: CurrentVersions) -> Self {
        ListChanges { state: watch::Sender::new(ListChangesState { versions, ended: false }) }
    }

    /// Makes `versions` those in force; wakes listeners when they are others.
    pub(crate) fn set(&self, versions: CurrentVersions) {
        self.state.send_if_modified(|state| {
            let differ = state.versions != versions;
            state.versions = versions;
            differ
        });
    }

    /// Ends every subscription; each gets its result.
    pub(crate) fn end(&self) {
        self.state.send_modify(|state| state.ended = true);
    }

    /// The versions in force.
    pub(crate) fn current(&self) -> CurrentVersions {
        self.state.borrow().versions.clone()
    }

    pub(crate) fn listen(&self) -> VersionListener {
        VersionListener { state: self.state.subscribe() }
    }
}

impl VersionListener {
    pub(crate) fn versions(&mut self) -> CurrentVersions {
        self.state.borrow_and_update().versions.clone()
    }

    /// All changes, until the server ends.
    pub(crate) fn into_stream(self) -> impl Stream<Item = CurrentVersions> + Send {
        // Fused: it is asked again after its end, along with whatever else is waited for.
        stream::unfold(self, async |mut listener| Some((listener.changed().await?, listener))).fuse()
    }

    /// Waits for the next change; `None` once the server ends. Cancel safe.
    pub(crate) async fn changed(&mut self) -> Option<CurrentVersions> {
        if self.state.borrow().ended || self.state.changed().await.is_err() {
            return None;
        }
        let state = self.state.borrow_and_update();
        (!state.ended).then(|| state.versions.clone())
    }
}

/// The version of each list that one legacy client was shown or told of last.
#[derive(Debug, Default)]
pub(crate) struct ListVersionSeen([Option<Arc<str>>; LISTED.len()]);

impl ListVersionSeen {
    /// For a session of which only its token is known: what its client was shown before is not, so whatever list there
    /// is now is news to it.
    pub(crate) fn unknown() -> Self {
        ListVersionSeen(LISTED.map(|_| Some("".into())))
    }

    /// The client is being shown this version.
    pub(crate) fn saw(&mut self, kind: CatalogKind, version: &str) {
        let of_kind = LISTED.into_iter().zip(&mut self.0).find(|(listed, _)| *listed == kind);
        if let Some((_, seen)) = of_kind
            && seen.as_deref() != Some(version)
        {
            *seen = Some(version.into());
        }
    }

    /// The lists of which the client knows another version; it then counts as told of these. A client that has not
    /// asked for a list has nothing that could be out of date.
    pub(crate) fn take_out_of_date(&mut self, versions: &ListVersions) -> ListKinds {
        let mut kinds = Vec::new();
        for (kind, (seen, version)) in LISTED.into_iter().zip(self.0.iter_mut().zip(&versions.0)) {
            if let (Some(seen), Some(version)) = (seen, version)
                && seen != version
            {
                *seen = version.clone();
                kinds.push(list_of(kind));
            }
        }
        kinds.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use ListKind::{Prompts, Resources, Tools};

    use super::*;

    fn versions(tools: &str, prompts: &str) -> ListVersions {
        ListVersions::of(|kind| match kind {
            CatalogKind::Tools => Some(tools.into()),
            CatalogKind::Prompts => Some(prompts.into()),
            _ => None,
        })
    }

    #[test]
    fn a_client_is_told_once_of_each_change_and_never_before_it_has_listed() {
        let mut seen = ListVersionSeen::default();
        let told = |seen: &mut ListVersionSeen, versions: ListVersions| {
            seen.take_out_of_date(&versions).iter().collect::<Vec<_>>()
        };
        assert_eq!(told(&mut seen, versions("a", "a")), [], "it has not listed");
        seen.saw(CatalogKind::Tools, "a");
        assert_eq!(told(&mut seen, versions("a", "b")), [], "it has not listed prompts");
        seen.saw(CatalogKind::Prompts, "b");
        assert_eq!(told(&mut seen, versions("b", "b")), [Tools]);
        assert_eq!(told(&mut seen, versions("b", "b")), []);
        assert_eq!(told(&mut seen, versions("c", "c")), [Tools, Prompts]);
        let unknown = &mut ListVersionSeen::unknown();
        assert_eq!(
            told(unknown, versions("a", "a")),
            [Tools, Prompts],
            "a list without versions is never out of date"
        );
    }

    #[test]
    fn of_resources_and_templates_each_can_be_out_of_date_and_the_client_is_told_of_both_at_once() {
        let both = |resources: &str, templates: &str| {
            ListVersions::of(|kind| match kind {
                CatalogKind::Resources => Some(resources.into()),
                CatalogKind::Templates => Some(templates.into()),
                _ => None,
            })
        };
        let mut seen = ListVersionSeen::default();
        seen.saw(CatalogKind::Resources, "a");
        seen.saw(CatalogKind::Templates, "a");
        assert_eq!(seen.take_out_of_date(&both("b", "b")).iter().collect::<Vec<_>>(), [Resources]);
        // The new templates were shown, the new resources not yet.
        seen.saw(CatalogKind::Templates, "c");
        assert_eq!(seen.take_out_of_date(&both("c", "c")).iter().collect::<Vec<_>>(), [Resources]);
        assert_eq!(seen.take_out_of_date(&both("c", "c")).iter().count(), 0);
    }

    #[tokio::test]
    async fn a_listener_hears_of_another_version_and_of_the_end_and_of_nothing_else() {
        let in_force = |tools: [&str; 2], prompts: &str| {
            CurrentVersions::new(tools.map(|tools| versions(tools, prompts)).into())
        };
        let changes = ListChanges::new(in_force(["a", "x"], "a"));
        let mut listener = changes.listen();
        changes.set(in_force(["a", "x"], "a"));
        changes.set(in_force(["a", "y"], "b"));
        let changed = listener.changed().await.expect("it changed");
        assert_eq!(changed.of(ProfileId::EVERYBODY), versions("a", "b"));
        assert_eq!(changed.of(ProfileId::from_number(1)), versions("y", "b"), "each profile has its own");
        changes.end();
        assert_eq!(listener.changed().await, None);
        assert_eq!(listener.changed().await, None);
    }
}
