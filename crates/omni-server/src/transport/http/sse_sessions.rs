//! The sessions of HTTP+SSE that are open: whose each is, and where its messages go.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use omni_protocol::{Frame, Message};
use tokio::sync::mpsc;

use crate::admission::Permit;
use crate::authentication::Identity;
use crate::random::random_hex;

/// Messages of one client that are read and that its session has not taken: further posts wait.
const POSTED_MAX: usize = 16;

/// The sessions of HTTP+SSE of one server, by the names in their endpoints' addresses.
#[derive(Default)]
pub(super) struct SseSessions {
    table: Mutex<SseTable>,
}

#[derive(Default)]
struct SseTable {
    open: HashMap<Arc<str>, SseEntry>,
    /// The server stops: no session is opened any more.
    ended: bool,
}

struct SseEntry {
    /// Who opened it, and alone may post to it.
    owner: Arc<Identity>,
    posts: mpsc::Sender<Posted>,
}

/// A message on its way to its session.
pub(super) enum Posted {
    /// With what its bytes hold.
    Message(Message, Permit),
    /// The answer to a message that could not be read.
    Refused(Frame),
}

/// A session's place in the table, which it leaves when this is dropped.
pub(super) struct SessionPlace {
    sessions: Arc<SseSessions>,
    pub(super) name: Arc<str>,
}

impl Drop for SessionPlace {
    fn drop(&mut self) {
        self.sessions.table().open.remove(&self.name);
    }
}

impl SseSessions {
    /// Opens a session under a name that nobody can guess; `None` when the server stops.
    pub(super) fn open(
        self: &Arc<Self>,
        owner: Arc<Identity>,
    ) -> Option<(SessionPlace, mpsc::Receiver<Posted>)> {
        let name: Arc<str> = random_hex::<16>().into();
        let (posts, posted) = mpsc::channel(POSTED_MAX);
        let mut table = self.table();
        if table.ended {
            return None;
        }
        table.open.insert(name.clone(), SseEntry { owner, posts });
        drop(table);
        Some((SessionPlace { sessions: self.clone(), name }, posted))
    }

    /// Where to hand messages for that session; `None` when there is none of that name, or it is somebody else's, or of
    /// credentials that give another profile.
    pub(super) fn find(&self, name: &str, owner: &Identity) -> Option<mpsc::Sender<Posted>> {
        let table = self.table();
        let entry = table.open.get(name)?;
        let is_owner = owner.owns(&entry.owner.principal, entry.owner.profile.as_deref());
        is_owner.then(|| entry.posts.clone())
    }

    /// The server stops: nothing more is taken, what runs may finish, and the streams end with it.
    pub(super) fn end(&self) {
        let mut table = self.table();
        table.ended = true;
        table.open.clear();
    }

    fn table(&self) -> MutexGuard<'_, SseTable> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::principal::Principal;

    fn user(uid: u32) -> Arc<Identity> {
        Arc::new(Identity::of(Principal::User(uid)))
    }

    #[test]
    fn a_session_is_found_by_its_name_alone_and_by_its_owner_alone() {
        let sessions = Arc::new(SseSessions::default());
        let (place, _posted) = sessions.open(user(1)).unwrap();
        let name = place.name.clone();
        assert!(sessions.find(&name, &user(1)).is_some());
        let of_another_profile = Identity { profile: Some("p".into()), ..(*user(1)).clone() };
        for other in [&*user(2), &Identity::of(Principal::Unknown), &of_another_profile] {
            assert!(sessions.find(&name, other).is_none(), "{other:?}");
        }
        assert!(sessions.find("", &user(1)).is_none());
        drop(place);
        assert!(sessions.find(&name, &user(1)).is_none());
    }
}
