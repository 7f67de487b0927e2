//! What is known of one client, whatever its messages travel over.
//!
//! In reading order: a [`Session`] is the state; `receive` takes a message and says what becomes of it; `lifecycle` is
//! what `initialize` and its like change; `in_flight` is a request that is being answered; `batch` joins answers;
//! `replies` are the answers to requests of ours; `conversation` drives a session whose messages all travel on one
//! pair of streams, and `table` keeps the sessions that HTTP clients name by a token.

mod batch;
mod conversation;
mod in_flight;
mod lifecycle;
mod receive;
mod replies;
mod table;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU8, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use omni_call::LogLevel;
use omni_catalog::{Kind, ProfileId};
use omni_protocol::{ClientCapabilities, ErrorCode, Id, ListKinds, Request, Revision, RpcError};
use tokio::sync::{Notify, oneshot};

use crate::changes::{ListVersionSeen, ListVersions};
use crate::dispatch;
use crate::outbox::Outbox;
use crate::principal::Principal;

pub(crate) use conversation::Conversation;
pub(crate) use in_flight::{InFlight, InFlightRequest};
pub(crate) use lifecycle::{initialize, set_log_level};
pub(crate) use receive::{Arrival, Received};
pub(crate) use replies::PendingReply;
pub use table::SessionKey;
pub(crate) use table::Sessions;

/// No revision has been agreed.
const NOT_AGREED: u8 = u8::MAX;

/// One client's session.
///
/// On stdio there is one; Streamable HTTP has one for each session id; a request outside of any has one of its own,
/// which ends with it. Its state is behind one lock, which is held for one step at a time and never across a wait; what
/// each request reads is outside of it.
pub(crate) struct Session {
    /// Whose it is.
    pub(crate) principal: Principal,
    /// Frames for the client that belong to no request of it. Read by whatever stream the client has for that.
    pub(crate) outbox: Outbox,
    /// Names it to tools, and over HTTP to its client; unset until there is a session to speak of.
    name: OnceLock<Arc<str>>,
    /// The [`Revision`] that `initialize` agreed, as its number: read for each request.
    agreed: AtomicU8,
    /// The [`ProfileId`] that was chosen then, as its number.
    profile: AtomicU16,
    extent: Extent,
    /// Wakes those who wait for its end.
    ending: Notify,
    state: Mutex<State>,
}

/// How long a session lasts, and how much it may have open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// It ends with the one request that it is for: nobody can take that back by its id, or use its id again.
    OneRequest,
    /// As long as its connection, with so many requests open at once.
    Connection { in_flight_max: usize },
    /// Until it is ended. Its requests come on connections, and those are bounded.
    Lasting,
}

#[derive(Default)]
struct State {
    log_level: Option<LogLevel>,
    ignores_cursors: bool,
    /// What the client lets itself be asked.
    capabilities: ClientCapabilities,
    /// Dropping a sender cancels its request. The number tells two requests of one id apart, when the second begins
    /// before the cancelled first is gone.
    in_flight: HashMap<Id, (u64, oneshot::Sender<()>)>,
    begun: u64,
    /// What the client knows of each list.
    seen: ListVersionSeen,
    /// Requests of ours that the client has not answered.
    asked: replies::Asked,
    /// Dropping it ends the stream that the client listens on.
    stream: Option<oneshot::Sender<()>>,
    /// Something happened in it since it was last looked at.
    used: bool,
    /// It has ended, or left the table.
    closed: bool,
}

/// What `initialize` agreed, as far as a token carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Agreed {
    revision: Revision,
    ignores_cursors: bool,
    capabilities: ClientCapabilities,
    profile: ProfileId,
}

/// What the answer to a request depends on besides the request.
struct Terms {
    log_level: Option<LogLevel>,
    ignores_cursors: bool,
    capabilities: ClientCapabilities,
}

impl Session {
    /// The session of a connection that carries everything of one client.
    pub(crate) fn of_connection(principal: Principal, in_flight_max: usize) -> Arc<Self> {
        Arc::new(Session::new(principal, Extent::Connection { in_flight_max }))
    }

    /// A session for one request, as long as it is not opened.
    pub(crate) fn of_request(principal: Principal) -> Arc<Self> {
        Arc::new(Session::new(principal, Extent::OneRequest))
    }

    /// A session that an `initialize` is about to open, and that later requests will name.
    pub(crate) fn lasting(principal: Principal) -> Arc<Self> {
        Arc::new(Session::new(principal, Extent::Lasting))
    }

    /// A session of which only its token is known: what its client was shown before is not, so whatever lists there are
    /// now are news to it.
    fn revived(principal: Principal, token: &str, agreed: Agreed) -> Arc<Self> {
        let Agreed { revision, ignores_cursors, capabilities, profile } = agreed;
        let session = Session::lasting(principal);
        session.agree(revision, profile);
        let _ = session.name.set(token.into());
        let mut state = session.state();
        state.ignores_cursors = ignores_cursors;
        state.capabilities = capabilities;
        state.seen = ListVersionSeen::unknown();
        drop(state);
        session
    }

    fn new(principal: Principal, extent: Extent) -> Self {
        Session {
            principal,
            outbox: Outbox::default(),
            name: OnceLock::new(),
            agreed: AtomicU8::new(NOT_AGREED),
            profile: AtomicU16::new(ProfileId::EVERYBODY.number()),
            extent,
            ending: Notify::new(),
            state: Mutex::default(),
        }
    }

    /// What tools know it by; empty outside of a session.
    pub(crate) fn name(&self) -> Arc<str> {
        self.name.get().cloned().unwrap_or_default()
    }

    /// What `initialize` agreed, once it has.
    pub(crate) fn revision(&self) -> Option<Revision> {
        // A number that stands for nothing is no revision.
        Revision::from_index(self.agreed.load(Ordering::Relaxed))
    }

    /// Whether everything that its client is sent goes one way, answers too.
    pub(crate) fn has_one_stream(&self) -> bool {
        matches!(self.extent, Extent::Connection { .. })
    }

    /// All that was agreed.
    fn agreed(&self) -> Option<Agreed> {
        let revision = self.revision()?;
        let state = self.state();
        let (ignores_cursors, capabilities) = (state.ignores_cursors, state.capabilities);
        Some(Agreed { revision, ignores_cursors, capabilities, profile: self.profile() })
    }

    /// What its client sees; everybody's as long as nobody has said who it is.
    pub(crate) fn profile(&self) -> ProfileId {
        ProfileId::from_number(self.profile.load(Ordering::Relaxed))
    }

    fn agree(&self, revision: Revision, profile: ProfileId) {
        self.profile.store(profile.number(), Ordering::Relaxed);
        self.agreed.store(revision as u8, Ordering::Relaxed);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a request may be taken, and what its answer depends on.
    fn admit(&self, request: &Request) -> Result<Terms, RpcError> {
        let state = self.state();
        if state.in_flight.contains_key(&request.id) {
            return Err(still_open());
        }
        if let Extent::Connection { in_flight_max: max } = self.extent
            && state.in_flight.len() >= max
            && !dispatch::is_always_answered(&request.action)
        {
            let why = format!("{max} requests are open; wait for one to end");
            return Err(RpcError::new(ErrorCode::Overloaded, why));
        }
        Ok(Terms {
            log_level: state.log_level,
            ignores_cursors: state.ignores_cursors,
            capabilities: state.capabilities,
        })
    }

    /// Registers a request. The receiver resolves when the client cancels it or the session ends. The id comes back when
    /// a request of that id is still open.
    fn begin(self: &Arc<Self>, id: Id) -> Result<(InFlight, oneshot::Receiver<()>), Id> {
        let mut state = self.state();
        state.used = true;
        state.begun += 1;
        let number = state.begun;
        let Entry::Vacant(place) = state.in_flight.entry(id.clone()) else { return Err(id) };
        let (cancel, cancelled) = oneshot::channel();
        place.insert((number, cancel));
        drop(state);
        Ok((InFlight::new(self.clone(), id, number), cancelled))
    }

    /// Cancels the request of that id. False when none is open.
    fn cancel(&self, id: &Id) -> bool {
        self.state().in_flight.remove(id).is_some()
    }

    /// The ids of the requests that are open.
    fn open_ids(&self) -> Vec<Id> {
        self.state().in_flight.keys().cloned().collect()
    }

    /// Takes note that the client is being shown a list. Outside of a session nobody will be told of a later one.
    pub(crate) fn saw_list(&self, kind: Kind, version: &str) {
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

    /// The client says nothing more, and what runs may finish: its subscriptions end, and whoever waits for its reply to
    /// something is let go.
    fn end(&self) {
        let mut state = self.state();
        let asked = std::mem::take(&mut state.asked);
        state.stream = None;
        state.closed = true;
        drop(state);
        // Whoever waits wakes up by this, and may look at the session.
        drop(asked);
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
    fn close(&self) {
        self.state().in_flight.clear();
        self.end();
    }
}

fn still_open() -> RpcError {
    RpcError::new(ErrorCode::InvalidRequest, "a request with this id is still open")
}
