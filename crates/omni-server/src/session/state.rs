//! What is known of one client, behind one lock.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use omni_call::LogLevel;
use omni_catalog::{CatalogKind, ProfileId, TooManyChanges, Visibility};
use omni_protocol::{ClientCapabilities, ClientInfo, Id, ListKinds, Revision};
use tokio::sync::{Notify, oneshot};

use super::pending_requests::PendingRequests;
use crate::authentication::Identity;
use crate::change_queue::ChangeQueue;
use crate::list_changes::{ListVersionSeen, ListVersions};
use crate::outbox::Outbox;
use crate::principal::Principal;
use crate::resource_updates::Subscriptions;
use crate::tool_state::{SessionStates, ToolStates};

/// No revision has been agreed.
const NOT_AGREED: u8 = u8::MAX;

/// One client's session.
///
/// On stdio there is one; Streamable HTTP has one for each session id; a request outside of any has one of its own,
/// which ends with it. Its state is behind one lock, which is held for one step at a time and never across a wait; what
/// each request reads is outside of it.
pub(crate) struct Session {
    /// The principal that opened it, and alone may use it.
    pub(crate) principal: Principal,
    /// The profile that its credentials always have.
    pub(crate) assigned_profile: Option<Arc<str>>,
    /// Frames for the client that belong to no request of it. Read by whatever stream the client has for that.
    pub(crate) outbox: Outbox,
    /// Names it to tools, and over HTTP to its client; unset until there is a session to speak of.
    pub(super) name: OnceLock<Arc<str>>,
    /// The [`Revision`] that `initialize` agreed, as its number: read for each request.
    negotiated: AtomicU8,
    /// The [`ProfileId`] that was chosen then, as its number.
    profile: AtomicU16,
    pub(super) scope: SessionScope,
    /// What has changed for it alone, once anybody listens or subscribes.
    changes: OnceLock<Arc<ChangeQueue>>,
    /// Calls have shown its client something or hidden it; read for each request.
    has_view: AtomicBool,
    /// Where tools keep values for its client, once one does.
    kept: OnceLock<SessionStates>,
    /// Wakes those who wait for its end.
    ending: Notify,
    state: Mutex<SessionState>,
}

/// How long a session lasts, and how much it may have open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SessionScope {
    /// It ends with the one request that it is for: nobody can take that back by its id, or use its id again.
    OneRequest,
    /// As long as its connection, with so many requests open at once.
    Connection { in_flight_max: usize },
    /// Until it is ended. Its requests come on connections, and those are bounded.
    Lasting,
}

#[derive(Default)]
pub(super) struct SessionState {
    pub(super) log_level: Option<LogLevel>,
    pub(super) ignores_cursors: bool,
    /// What the client said of itself.
    pub(super) client: Option<ClientInfo>,
    /// What the client lets itself be asked.
    pub(super) capabilities: ClientCapabilities,
    /// Dropping a sender cancels its request. The number tells two requests of one id apart, when the second begins
    /// before the cancelled first is gone.
    pub(super) in_flight: HashMap<Id, (u64, oneshot::Sender<()>)>,
    pub(super) begun: u64,
    /// What the client knows of each list.
    pub(super) seen: ListVersionSeen,
    /// The resources that it has subscribed to.
    pub(super) subscriptions: Option<Subscriptions>,
    /// What its client sees otherwise than everybody.
    view: Option<Arc<Visibility>>,
    /// Subscriptions that tell when that changes.
    view_listeners: Vec<Weak<ChangeQueue>>,
    /// Requests of ours that the client has not answered.
    pub(super) pending: PendingRequests,
    /// Dropping it ends the stream that the client listens on.
    pub(super) stream: Option<oneshot::Sender<()>>,
    /// Something happened in it since it was last looked at.
    pub(super) used: bool,
    /// It has ended, or left the table.
    pub(super) closed: bool,
}

/// What `initialize` agreed, as far as a token carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Negotiated {
    pub(super) revision: Revision,
    pub(super) ignores_cursors: bool,
    pub(super) capabilities: ClientCapabilities,
    pub(super) profile: ProfileId,
}

impl Session {
    /// The session of a connection that carries everything of one client.
    pub(crate) fn of_connection(owner: &Identity, in_flight_max: usize) -> Arc<Self> {
        Arc::new(Session::new(owner, SessionScope::Connection { in_flight_max }))
    }

    /// A session for one request, as long as it is not opened.
    pub(crate) fn of_request(owner: &Identity) -> Arc<Self> {
        Arc::new(Session::new(owner, SessionScope::OneRequest))
    }

    /// A session that an `initialize` is about to open, and that later requests will name.
    pub(crate) fn lasting(owner: &Identity) -> Arc<Self> {
        Arc::new(Session::new(owner, SessionScope::Lasting))
    }

    /// A session of which only its token is known: what its client was shown before is not, so whatever lists there are
    /// now are news to it.
    pub(super) fn revived(owner: &Identity, token: &str, negotiated: Negotiated) -> Arc<Self> {
        let Negotiated { revision, ignores_cursors, capabilities, profile } = negotiated;
        let session = Session::lasting(owner);
        session.agree(revision, profile);
        let _ = session.name.set(token.into());
        let mut state = session.state();
        state.ignores_cursors = ignores_cursors;
        state.capabilities = capabilities;
        state.seen = ListVersionSeen::unknown();
        drop(state);
        session
    }

    fn new(owner: &Identity, scope: SessionScope) -> Self {
        Session {
            principal: owner.principal.clone(),
            assigned_profile: owner.profile.clone(),
            outbox: Outbox::default(),
            name: OnceLock::new(),
            negotiated: AtomicU8::new(NOT_AGREED),
            profile: AtomicU16::new(ProfileId::EVERYBODY.number()),
            scope,
            changes: OnceLock::new(),
            has_view: AtomicBool::new(false),
            kept: OnceLock::new(),
            ending: Notify::new(),
            state: Mutex::default(),
        }
    }

    /// Whether it is that owner's.
    pub(super) fn belongs_to(&self, owner: &Identity) -> bool {
        owner.owns(&self.principal, self.assigned_profile.as_deref())
    }

    /// What tools know it by; empty outside of a session.
    pub(crate) fn name(&self) -> Arc<str> {
        self.name.get().cloned().unwrap_or_default()
    }

    /// What `initialize` agreed, once it has.
    pub(crate) fn revision(&self) -> Option<Revision> {
        // `NOT_AGREED` is the number of no revision.
        Revision::from_index(self.negotiated.load(Ordering::Relaxed))
    }

    /// Whether it is of a client that resumes streams by the ids of their events, and that names it by its token.
    pub(crate) fn has_event_ids(&self) -> bool {
        self.scope == SessionScope::Lasting
            && self.name.get().is_some()
            && self.revision().is_some_and(Revision::has_event_ids)
    }

    /// Whether its client wants log messages of that level.
    pub(crate) fn hears(&self, level: LogLevel) -> bool {
        self.state().log_level.is_some_and(|wanted| level >= wanted)
    }

    /// Whether a request of that id is being answered.
    pub(crate) fn has_open(&self, id: &Id) -> bool {
        self.state().in_flight.contains_key(id)
    }

    /// What its client was told of lists may not have reached it, so all of them are news.
    pub(crate) fn forget_seen(&self) {
        self.state().seen = ListVersionSeen::unknown();
    }

    /// Whether there is one stream for all that its client is sent, answers included.
    pub(crate) fn has_one_stream(&self) -> bool {
        matches!(self.scope, SessionScope::Connection { .. })
    }

    /// All that was agreed.
    pub(super) fn negotiated(&self) -> Option<Negotiated> {
        let revision = self.revision()?;
        let state = self.state();
        let (ignores_cursors, capabilities) = (state.ignores_cursors, state.capabilities);
        Some(Negotiated { revision, ignores_cursors, capabilities, profile: self.profile() })
    }

    /// What its client sees; everybody's as long as nobody has said who it is.
    pub(crate) fn profile(&self) -> ProfileId {
        ProfileId::from_number(self.profile.load(Ordering::Relaxed))
    }

    pub(super) fn agree(&self, revision: Revision, profile: ProfileId) {
        self.profile.store(profile.number(), Ordering::Relaxed);
        self.negotiated.store(revision as u8, Ordering::Relaxed);
    }

    pub(super) fn state(&self) -> MutexGuard<'_, SessionState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cancels the request of that id. False when none is open.
    pub(super) fn cancel(&self, id: &Id) -> bool {
        self.state().in_flight.remove(id).is_some()
    }

    /// The ids of the requests that are open.
    pub(super) fn open_ids(&self) -> Vec<Id> {
        self.state().in_flight.keys().cloned().collect()
    }

    /// Whether it lasts longer than a request, so that what is known of its client is kept in it.
    pub(crate) fn keeps_state(&self) -> bool {
        match self.scope {
            SessionScope::OneRequest => false,
            SessionScope::Connection { .. } | SessionScope::Lasting => true,
        }
    }

    /// What its client said of itself; `None` where that is not known, as after a restart.
    pub(crate) fn client(&self) -> Option<ClientInfo> {
        self.state().client.clone()
    }

    /// The number by which tools keep values for its client.
    pub(crate) fn states(&self, states: &Arc<ToolStates>) -> u64 {
        self.kept.get_or_init(|| states.session()).number
    }

    /// What its client sees otherwise than everybody; `None` for nearly all.
    pub(crate) fn view(&self) -> Option<Arc<Visibility>> {
        if !self.has_view.load(Ordering::Acquire) {
            return None;
        }
        self.state().view.clone()
    }

    /// Has the client see something else, and be told so.
    pub(crate) fn change_view(
        &self,
        change: impl FnOnce(&Visibility) -> Result<Option<Visibility>, TooManyChanges>,
    ) -> Result<(), TooManyChanges> {
        let mut state = self.state();
        let seen = state.view.as_deref().unwrap_or_else(|| Visibility::as_everybody());
        let Some(view) = change(seen)? else { return Ok(()) };
        let view = (!view.is_empty()).then(|| Arc::new(view));
        self.has_view.store(view.is_some(), Ordering::Release);
        state.view = view;
        let listeners: Vec<_> = state.view_listeners.iter().filter_map(Weak::upgrade).collect();
        drop(state);
        listeners.iter().chain([self.changes()]).for_each(|listener| listener.lists_changed());
        Ok(())
    }

    /// Tells `listener` when what the client sees changes, as long as somebody has it.
    pub(crate) fn tell_of_view(&self, listener: &Arc<ChangeQueue>) {
        let listeners = &mut self.state().view_listeners;
        listeners.retain(|listener| listener.strong_count() > 0);
        listeners.push(Arc::downgrade(listener));
    }

    /// What has changed for this client alone.
    pub(crate) fn changes(&self) -> &Arc<ChangeQueue> {
        self.changes.get_or_init(Arc::default)
    }

    /// Takes note that the client is being shown a list. Outside of a session nobody will be told of a later one.
    pub(crate) fn saw_list(&self, kind: CatalogKind, version: &str) {
        if self.revision().is_some() {
            self.state().seen.saw(kind, version);
        }
    }

    /// The lists of which the client knows another version than these; it then counts as told.
    pub(crate) fn out_of_date(&self, versions: &ListVersions) -> ListKinds {
        self.state().seen.take_out_of_date(versions)
    }

    /// Registers the stream that the client listens on. It takes the place of an earlier one, since a message
    /// may go to one stream only. The receiver resolves when the stream is to end.
    pub(crate) fn begin_stream(&self) -> oneshot::Receiver<()> {
        let (end, ended) = oneshot::channel();
        let mut state = self.state();
        state.used = true;
        state.stream = Some(end);
        ended
    }

    /// The client will send nothing more, and what runs may finish: its subscriptions end, and calls that wait for its
    /// replies go on without them.
    pub(super) fn end(&self) {
        let mut state = self.state();
        let pending = std::mem::take(&mut state.pending);
        let subscriptions = state.subscriptions.take();
        state.stream = None;
        state.closed = true;
        drop(state);
        // Whoever waits wakes up by this, and may look at the session.
        drop(pending);
        drop(subscriptions);
        self.ending.notify_waiters();
    }

    /// Waits until the client says nothing more. Outside of a session that is never: whoever hangs up drops the wait.
    pub(crate) async fn ended(&self) {
        let ending = self.ending.notified();
        if !self.state().closed {
            ending.await;
        }
    }

    /// Ends it, and cancels what runs in it.
    pub(super) fn close(&self) {
        let in_flight = std::mem::take(&mut self.state().in_flight);
        for (_, ended) in in_flight.into_values() {
            // One that has just been answered waits for nothing.
            let _ = ended.send(());
        }
        self.end();
    }
}
