//! Who hears that the list of tools has changed, and when.
//!
//! The server knows the version of the list in force; each legacy client, the version it was shown or told of
//! last. Comparing the two tells a client exactly once, also when the change came between two of its streams.

use std::sync::{Arc, Mutex, PoisonError};

use omni_protocol::{Frame, Id, Revision, Topics};
use tokio::sync::watch;

use crate::running::EventQueue;
use crate::server::Server;

/// The version of the list in force, for everybody who listens.
pub(crate) struct Changes {
    state: watch::Sender<State>,
}

#[derive(Clone)]
struct State {
    tools: Arc<str>,
    /// The server is ending, and with it everything that listens.
    ended: bool,
}

/// One listener's view. What changes while nobody looks is seen as one change.
pub(crate) struct Listener {
    state: watch::Receiver<State>,
}

impl Changes {
    pub(crate) fn new(tools: &str) -> Self {
        Changes { state: watch::Sender::new(State { tools: tools.into(), ended: false }) }
    }

    /// Makes `tools` the version in force; wakes listeners when it is another one.
    pub(crate) fn set(&self, tools: &str) {
        self.state.send_if_modified(|state| {
            let differs = *state.tools != *tools;
            if differs {
                state.tools = tools.into();
            }
            differs
        });
    }

    /// Ends every subscription; each gets its result.
    pub(crate) fn end(&self) {
        self.state.send_modify(|state| state.ended = true);
    }

    pub(crate) fn listen(&self) -> Listener {
        Listener { state: self.state.subscribe() }
    }
}

impl Listener {
    pub(crate) fn version(&mut self) -> Arc<str> {
        self.state.borrow_and_update().tools.clone()
    }

    /// Waits for the next change; `None` once the server ends. Cancel safe.
    pub(crate) async fn changed(&mut self) -> Option<Arc<str>> {
        if self.state.borrow().ended || self.state.changed().await.is_err() {
            return None;
        }
        let state = self.state.borrow_and_update();
        (!state.ended).then(|| state.tools.clone())
    }
}

/// The version of the tool list that one legacy client was shown or told of last. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Told(Arc<Mutex<Option<Arc<str>>>>);

impl Told {
    /// For a session of which only its token is known: what it was shown before is not, so whatever list there
    /// is now is news to it.
    pub(crate) fn unknown() -> Self {
        let told = Told::default();
        told.shown("");
        told
    }

    /// The client is being shown this version.
    pub(crate) fn shown(&self, version: &str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(version.into());
    }

    /// Whether this version is news to the client, which then counts as told. A client that has not asked for
    /// the list has nothing that could be out of date.
    pub(crate) fn is_news(&self, version: &Arc<str>) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let news = told.as_ref().is_some_and(|told| told != version);
        if news {
            *told = Some(version.clone());
        }
        news
    }
}

/// A legacy session's stream for what belongs to no request. Never ends by itself.
pub(crate) async fn session_stream(server: Arc<Server>, told: Told, queue: Arc<EventQueue>) -> Frame {
    let mut listener = server.changes.listen();
    server.catalog_ready().await;
    let mut version = Some(listener.version());
    while let Some(current) = version {
        if told.is_news(&current) {
            queue.push(server.encoder.tools_changed(None));
        }
        version = listener.changed().await;
    }
    std::future::pending().await
}

/// One `subscriptions/listen`, until the server ends; then its result.
pub(crate) async fn subscription(
    server: Arc<Server>,
    id: Id,
    revision: Revision,
    topics: Topics,
    queue: Arc<EventQueue>,
) -> Frame {
    queue.push(server.encoder.subscribed(&id, topics));
    let mut listener = server.changes.listen();
    // A catalogue that is still being read has not changed when that is done.
    server.catalog_ready().await;
    let mut told = listener.version();
    while let Some(current) = listener.changed().await {
        if topics.tools && current != told {
            queue.push(server.encoder.tools_changed(Some(&id)));
        }
        told = current;
    }
    server.encoder.unsubscribed(&id, revision)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Arc<str> {
        text.into()
    }

    #[test]
    fn a_client_is_told_once_of_each_change_and_never_before_it_has_listed() {
        let told = Told::default();
        assert!(!told.is_news(&version("a")), "it has not listed");
        told.shown("a");
        assert!(!told.is_news(&version("a")));
        assert!(told.is_news(&version("b")));
        assert!(!told.is_news(&version("b")));
        assert!(Told::unknown().is_news(&version("a")));
    }

    #[tokio::test]
    async fn a_listener_hears_of_another_version_and_of_the_end_and_of_nothing_else() {
        let changes = Changes::new("a");
        let mut listener = changes.listen();
        changes.set("a");
        changes.set("b");
        assert_eq!(listener.changed().await.as_deref(), Some("b"));
        changes.end();
        assert_eq!(listener.changed().await, None);
        assert_eq!(listener.changed().await, None);
    }
}
