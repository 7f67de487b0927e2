//! Legacy HTTP sessions: a sealed token that carries what `initialize` agreed, and a table of what changed
//! since.
//!
//! The token alone revives a session, so a restart of the server (with the same key) costs its clients
//! nothing: most of them turn a 404 into an error that their user sees.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use omni_call::LogLevel;
use omni_protocol::{Id, Initialize, Revision};
use tokio::sync::oneshot;

use crate::admission::Key;
use crate::changes::Told;

/// Random bytes in a token; 128 bits cannot be guessed.
const NONCE_BYTES: usize = 16;
/// Bytes of the seal that are kept.
const SEAL_BYTES: usize = 16;
const TOKEN_BYTES: usize = NONCE_BYTES + 2 + SEAL_BYTES;

/// Ended sessions remembered, so that their tokens are refused. Beyond it the set starts anew.
const ENDED_MAX: usize = 100_000;

/// The secret that seals session tokens. Kept in the state folder, it lets sessions outlive a restart.
#[derive(Clone)]
pub struct SessionKey(pub [u8; 32]);

impl SessionKey {
    /// A new key. Sessions sealed with it end with whoever holds it.
    pub fn random() -> Self {
        let mut key = [0; 32];
        getrandom::fill(&mut key).expect("the kernel gives random bytes");
        SessionKey(key)
    }

    /// The seal of a session that belongs to `owner`.
    fn seal(&self, payload: &[u8], owner: &str) -> [u8; SEAL_BYTES] {
        let mut seal = [0; SEAL_BYTES];
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(payload).update(owner.as_bytes());
        seal.copy_from_slice(&hasher.finalize().as_bytes()[..SEAL_BYTES]);
        seal
    }
}

/// All sessions of one HTTP server.
pub(crate) struct Sessions {
    key: SessionKey,
    sessions_max: usize,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    open: HashMap<Box<str>, Arc<Session>>,
    /// The sessions of each peer, roughly in the order of their last use; ended ones may be among them.
    by_peer: HashMap<Key, VecDeque<Arc<Session>>>,
    ended: HashSet<Box<str>>,
}

/// One client's session.
pub(crate) struct Session {
    pub(crate) token: Arc<str>,
    /// Who opened it, and nobody else may use it; empty when that is not known.
    owner: Box<str>,
    pub(crate) revision: Revision,
    pub(crate) ignores_cursors: bool,
    /// Which list of tools the client knows.
    pub(crate) told: Told,
    /// The peer that opened or revived it.
    peer: Key,
    state: Mutex<SessionState>,
}

struct SessionState {
    log_level: Option<LogLevel>,
    /// Dropping a sender cancels its request. The number tells two requests of one id apart, when the
    /// second begins before the cancelled first is gone.
    in_flight: HashMap<Id, (u64, oneshot::Sender<()>)>,
    begun: u64,
    /// Dropping it ends the stream that the client listens on.
    stream: Option<oneshot::Sender<()>>,
    /// Something happened in it since it was last looked at.
    used: bool,
    /// It has left the table.
    closed: bool,
}

impl Sessions {
    pub(crate) fn new(key: SessionKey, sessions_max: usize) -> Self {
        Sessions { key, sessions_max, table: Mutex::default() }
    }

    /// Opens a session of `owner` for what `initialize` agreed.
    pub(crate) fn open(&self, initialize: &Initialize, owner: &str, peer: &Key) -> Arc<Session> {
        let mut payload = [0; NONCE_BYTES + 2];
        getrandom::fill(&mut payload[..NONCE_BYTES]).expect("the kernel gives random bytes");
        payload[NONCE_BYTES] = initialize.agreed as u8;
        payload[NONCE_BYTES + 1] = u8::from(initialize.client.ignores_cursors());
        let token: String =
            payload.iter().chain(&self.key.seal(&payload, owner)).map(|byte| format!("{byte:02x}")).collect();
        let ignores_cursors = initialize.client.ignores_cursors();
        let session =
            Session::new(token.into(), (owner, peer), initialize.agreed, ignores_cursors, Told::default());
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.insert(session, self.sessions_max)
    }

    /// The session of a token: open, or revived from its seal. `None` for tokens that we never sealed for `owner`
    /// and for sessions that were ended.
    pub(crate) fn find(&self, token: &str, owner: &str, peer: &Key) -> Option<Arc<Session>> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = table.open.get(token) {
            return (*session.owner == *owner).then(|| session.clone());
        }
        if table.ended.contains(token) {
            return None;
        }
        let session = self.unseal(token, owner, peer)?;
        Some(table.insert(session, self.sessions_max))
    }

    /// Ends a session and cancels what runs in it. False when there is no such session.
    pub(crate) fn end(&self, token: &str, owner: &str, peer: &Key) -> bool {
        let Some(session) = self.find(token, owner, peer) else { return false };
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.open.remove(token);
        session.close();
        table.forget(&session.peer);
        if table.ended.len() >= ENDED_MAX {
            table.ended.clear();
        }
        table.ended.insert(token.into());
        true
    }

    /// Ends the streams that clients listen on. Their sessions stay.
    pub(crate) fn end_streams(&self) {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        for session in table.open.values() {
            session.state().stream = None;
        }
    }

    fn unseal(&self, token: &str, owner: &str, peer: &Key) -> Option<Session> {
        let bytes = unhex(token)?;
        let (payload, seal) = bytes.split_at(NONCE_BYTES + 2);
        // `blake3::Hash` compares in constant time; the truncated seal is compared by hand the same way.
        let expected = self.key.seal(payload, owner);
        let difference = expected.iter().zip(seal).fold(0, |sum, (a, b)| sum | (a ^ b));
        let revision = Revision::from_index(payload[NONCE_BYTES])?;
        let ignores_cursors = payload[NONCE_BYTES + 1] == 1;
        (difference == 0)
            .then(|| Session::new(token.into(), (owner, peer), revision, ignores_cursors, Told::unknown()))
    }
}

/// Reads a token in its one spelling: as many digits as it has, in lower case. With a second one, an ended session
/// could be revived.
fn unhex(token: &str) -> Option<[u8; TOKEN_BYTES]> {
    let mut bytes = [0; TOKEN_BYTES];
    if token.len() != 2 * TOKEN_BYTES || !token.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(token.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}

impl Table {
    /// Adds a session; when the table is full, the longest unused one of the peer that has most leaves it first, so
    /// that nobody can push out the sessions of others. It is not ended: its token revives it, without its log level.
    fn insert(&mut self, session: Session, sessions_max: usize) -> Arc<Session> {
        if self.open.len() >= sessions_max
            && let Some(heaviest) = self.by_peer.iter().max_by_key(|(_, sessions)| sessions.len())
        {
            let heaviest = heaviest.0.clone();
            self.push_out(&heaviest);
        }
        let session = Arc::new(session);
        self.open.insert((*session.token).into(), session.clone());
        self.by_peer.entry(session.peer.clone()).or_default().push_back(session.clone());
        session
    }

    /// Takes the longest unused session of a peer off the table. What was used since the last look is passed over
    /// once, so that a use costs one step however many sessions are opened.
    fn push_out(&mut self, peer: &Key) {
        let Some(sessions) = self.by_peer.get_mut(peer) else { return };
        while let Some(session) = sessions.pop_front() {
            let mut state = session.state();
            if state.closed {
                continue;
            }
            if std::mem::take(&mut state.used) && !sessions.is_empty() {
                drop(state);
                sessions.push_back(session);
                continue;
            }
            state.closed = true;
            state.stream = None;
            drop(state);
            self.open.remove(&*session.token);
            break;
        }
        if sessions.is_empty() {
            self.by_peer.remove(peer);
        }
    }

    /// Forgets the ended sessions of a peer when they stand at the front or are many.
    fn forget(&mut self, peer: &Key) {
        let Some(sessions) = self.by_peer.get_mut(peer) else { return };
        while sessions.pop_front_if(|session| session.state().closed).is_some() {}
        if sessions.len() > 2 * self.open.len() + 16 {
            sessions.retain(|session| !session.state().closed);
        }
        if sessions.is_empty() {
            self.by_peer.remove(peer);
        }
    }
}

impl Session {
    fn new(
        token: Arc<str>,
        (owner, peer): (&str, &Key),
        revision: Revision,
        ignores_cursors: bool,
        told: Told,
    ) -> Self {
        let state = SessionState {
            log_level: None,
            in_flight: HashMap::new(),
            begun: 0,
            stream: None,
            used: false,
            closed: false,
        };
        let (owner, peer) = (owner.into(), peer.clone());
        Session { token, owner, revision, ignores_cursors, told, peer, state: Mutex::new(state) }
    }

    /// Cancels what runs in the session and ends its stream.
    fn close(&self) {
        let mut state = self.state();
        state.in_flight.clear();
        state.stream = None;
        state.closed = true;
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

    fn state(&self) -> std::sync::MutexGuard<'_, SessionState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn log_level(&self) -> Option<LogLevel> {
        self.state().log_level
    }

    pub(crate) fn set_log_level(&self, level: LogLevel) {
        self.state().log_level = Some(level);
    }

    /// Registers a request. The receiver resolves when the client cancels it or the session ends. `None`
    /// when a request of that id is still open.
    pub(crate) fn begin(self: &Arc<Self>, id: &Id) -> Option<(InFlight, oneshot::Receiver<()>)> {
        let mut state = self.state();
        state.used = true;
        if state.in_flight.contains_key(id) {
            return None;
        }
        let (cancel, cancelled) = oneshot::channel();
        state.begun += 1;
        let number = state.begun;
        state.in_flight.insert(id.clone(), (number, cancel));
        drop(state);
        Some((InFlight { session: self.clone(), id: id.clone(), number }, cancelled))
    }

    /// Cancels the request of that id, if it is still open.
    pub(crate) fn cancel(&self, id: &Id) {
        self.state().in_flight.remove(id);
    }
}

/// Keeps a request's id taken until it is dropped.
pub(crate) struct InFlight {
    session: Arc<Session>,
    id: Id,
    number: u64,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut state = self.session.state();
        if state.in_flight.get(&self.id).is_some_and(|(number, _)| *number == self.number) {
            state.in_flight.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use omni_protocol::ClientInfo;

    use super::*;
    use crate::peer::PeerKey;

    fn initialize(name: &str) -> Initialize {
        let client = ClientInfo { name: name.into(), version: "1".into() };
        Initialize { agreed: Revision::NEWEST_LEGACY, client, capabilities: Default::default() }
    }

    #[test]
    fn a_session_outlives_a_restart_with_the_same_key_and_no_other() {
        let key = SessionKey::random();
        let token = Sessions::new(key.clone(), 10)
            .open(&initialize("gemini-cli-mcp-client"), "me", &None)
            .token
            .clone();
        let revived = Sessions::new(key, 10).find(&token, "me", &None).expect("revived");
        assert_eq!(revived.revision, Revision::NEWEST_LEGACY);
        assert!(revived.ignores_cursors);
        assert!(Sessions::new(SessionKey::random(), 10).find(&token, "me", &None).is_none());
    }

    #[test]
    fn a_token_with_any_digit_changed_is_refused() {
        let sessions = Sessions::new(SessionKey::random(), 10);
        let token = sessions.open(&initialize("c"), "me", &None).token.to_string();
        for at in 0..token.len() {
            let mut forged = token.clone().into_bytes();
            forged[at] = if forged[at] == b'0' { b'1' } else { b'0' };
            assert!(
                sessions.find(std::str::from_utf8(&forged).unwrap(), "me", &None).is_none(),
                "digit {at}"
            );
        }
        let token = sessions.open(&initialize("c"), "me", &None).token.to_string();
        let other_spellings = [
            token.to_uppercase(),
            format!(" {token}"),
            format!("{token} "),
            format!("{token}="),
            format!("0{token}"),
        ];
        for spelled in other_spellings.iter().filter(|spelled| **spelled != token) {
            assert!(sessions.find(spelled, "me", &None).is_none(), "{spelled}");
        }
        assert!(sessions.find("", "me", &None).is_none() && sessions.find("é", "me", &None).is_none());
    }

    #[test]
    fn a_session_is_its_owners_also_when_it_is_revived() {
        let key = SessionKey::random();
        let sessions = Sessions::new(key.clone(), 10);
        let token = sessions.open(&initialize("c"), "me", &None).token.clone();
        for sessions in [sessions, Sessions::new(key, 10)] {
            for other in ["", "you", "m"] {
                assert!(sessions.find(&token, other, &None).is_none(), "{other}");
                assert!(!sessions.end(&token, other, &None), "{other}");
            }
            assert!(sessions.find(&token, "me", &None).is_some());
        }
    }

    #[test]
    fn an_ended_session_stays_ended_and_cancels_its_requests() {
        let sessions = Sessions::new(SessionKey::random(), 10);
        let session = sessions.open(&initialize("c"), "me", &None);
        let id = Id::parse(&Bytes::from_static(b"1")).unwrap();
        let (_in_flight, mut cancelled) = session.begin(&id).expect("first of its id");
        assert!(session.begin(&id).is_none(), "an id in flight is taken");
        assert!(sessions.end(&session.token, "me", &None));
        assert_eq!(cancelled.try_recv(), Err(oneshot::error::TryRecvError::Closed));
        assert!(sessions.find(&session.token, "me", &None).is_none());
        assert!(!sessions.end(&session.token, "me", &None));
    }

    #[test]
    fn a_full_table_forgets_the_longest_unused_but_its_token_still_works() {
        let sessions = Sessions::new(SessionKey::random(), 2);
        let first = sessions.open(&initialize("a"), "me", &None).token.clone();
        sessions.open(&initialize("b"), "me", &None);
        sessions.open(&initialize("c"), "me", &None);
        assert_eq!(sessions.table.lock().unwrap().open.len(), 2);
        assert!(sessions.find(&first, "me", &None).is_some());
    }
    #[test]
    fn a_peer_that_opens_sessions_without_end_pushes_out_its_own_and_nobody_elses() {
        let sessions = Sessions::new(SessionKey::random(), 100);
        let (modest, greedy) = (Some(PeerKey::User(1)), Some(PeerKey::User(2)));
        let kept = sessions.open(&initialize("a"), "a", &modest);
        kept.set_log_level(LogLevel::Debug);
        let first_of_greedy = sessions.open(&initialize("b"), "b", &greedy);
        for _ in 0..10_000 {
            first_of_greedy.begin_stream();
            sessions.open(&initialize("b"), "b", &greedy);
        }
        let found = sessions.find(&kept.token, "a", &modest).expect("open");
        assert_eq!(found.log_level(), Some(LogLevel::Debug), "it was never pushed out");
        let table = sessions.table.lock().unwrap();
        assert!(table.open.contains_key(&*first_of_greedy.token), "what is used is not the longest unused");
        assert_eq!(table.open.len(), 100);
        assert!(table.by_peer.values().map(VecDeque::len).sum::<usize>() <= 216);
    }

    #[test]
    fn sessions_that_are_ended_leave_nothing_behind_but_their_tokens() {
        let sessions = Sessions::new(SessionKey::random(), 100);
        let first = sessions.open(&initialize("a"), "me", &None);
        for _ in 0..10_000 {
            let session = sessions.open(&initialize("b"), "me", &None);
            assert!(sessions.end(&session.token, "me", &None));
        }
        assert!(sessions.table.lock().unwrap().by_peer[&None].len() <= 20);
        assert!(sessions.end(&first.token, "me", &None));
        assert!(sessions.table.lock().unwrap().by_peer.is_empty());
    }
}
