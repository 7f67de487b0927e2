//! Who sees something otherwise than everybody: a session, or where there is none, whoever the client is.

use std::sync::Arc;

use omni_catalog::{NamedItem, TooManyChanges, Visibility};

use crate::admission::PeerAccount;
use crate::server::Server;
use crate::session::Session;

/// Whose call it is: what it shows and hides is for this client alone.
#[derive(Clone)]
pub(crate) struct Viewer {
    pub(crate) session: Arc<Session>,
    pub(crate) account: PeerAccount,
}

impl Viewer {
    /// What the client sees otherwise; `None` for nearly all.
    pub(crate) fn view(&self, server: &Server) -> Option<Arc<Visibility>> {
        view_of(server, &self.session, &self.account)
    }

    /// Shows or hides these, and has the client told that its lists have changed.
    pub(crate) fn change(
        &self,
        server: &Server,
        items: &[NamedItem],
        shown: bool,
    ) -> Result<(), TooManyChanges> {
        if self.session.keeps_state() {
            return self.session.change_view(|view| view.with(items, shown));
        }
        server.views.change(self.account.key(), |view| view.with(items, shown))
    }
}

/// What the client of a session, or of a request outside of any, sees otherwise.
pub(crate) fn view_of(server: &Server, session: &Session, account: &PeerAccount) -> Option<Arc<Visibility>> {
    if session.keeps_state() { session.view() } else { server.views.of(account.key()) }
}
