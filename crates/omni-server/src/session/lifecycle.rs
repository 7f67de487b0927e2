//! What changes a session: `initialize`, `logging/setLevel`, `resources/subscribe`.

use omni_call::LogLevel;
use omni_catalog::ProfileId;
use omni_protocol::Initialize;

use super::state::{Session, SessionScope};
use crate::admission::PeerAccount;
use crate::resource_updates::{SubscriptionRefused, Subscriptions};
use crate::server::Server;

/// Agrees on a revision, and on what the client sees. A client may do so again, and then speaks the newer one.
pub(crate) fn initialize(session: &Session, initialize: &Initialize, profile: ProfileId) {
    session.agree(initialize.agreed, profile);
    let mut state = session.state();
    state.ignores_cursors = initialize.client.ignores_cursors();
    state.capabilities = initialize.capabilities;
    state.client = Some(initialize.client.clone());
    drop(state);
    if let SessionScope::Connection { .. } = session.scope {
        // A connection has one session only, so any unique name does.
        let _ = session.name.set("stdio".into());
    }
}

/// From now on the client is told when that resource is updated, until the session ends or it says otherwise.
pub(crate) fn subscribe(
    session: &Session,
    server: &Server,
    uri: &str,
    account: &PeerAccount,
) -> Result<(), SubscriptionRefused> {
    let listener = session.changes().clone();
    let mut state = session.state();
    if state.closed {
        // Nobody would end what is subscribed to now.
        return Ok(());
    }
    let subscriptions =
        state.subscriptions.get_or_insert_with(|| Subscriptions::new(server.updates.clone(), listener));
    subscriptions.add(uri, &server.catalog, account)
}

/// The client is told of that resource no more. Of one that it has not subscribed to, nothing happens.
pub(crate) fn unsubscribe(session: &Session, uri: &str) {
    if let Some(subscriptions) = &mut session.state().subscriptions {
        subscriptions.remove(uri);
    }
}

/// From now on the client hears what is as severe as that.
pub(crate) fn set_log_level(session: &Session, level: LogLevel) {
    session.state().log_level = Some(level);
}
