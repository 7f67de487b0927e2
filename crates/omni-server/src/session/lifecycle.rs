//! What changes a session: `initialize`, `logging/setLevel`.

use omni_call::LogLevel;
use omni_catalog::ProfileId;
use omni_protocol::Initialize;

use super::state::{Session, SessionScope};

/// Agrees on a revision, and on what the client sees. A client may do so again, and then speaks the newer one.
pub(crate) fn initialize(session: &Session, initialize: &Initialize, profile: ProfileId) {
    session.agree(initialize.agreed, profile);
    let mut state = session.state();
    state.ignores_cursors = initialize.client.ignores_cursors();
    state.capabilities = initialize.capabilities;
    drop(state);
    if let SessionScope::Connection { .. } = session.scope {
        // A connection has one session only, so any unique name does.
        let _ = session.name.set("stdio".into());
    }
}

/// From now on the client hears what is as severe as that.
pub(crate) fn set_log_level(session: &Session, level: LogLevel) {
    session.state().log_level = Some(level);
}
