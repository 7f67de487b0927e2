//! Legacy HTTP sessions: a sealed token that carries what `initialize` agreed, and the table of those that are open.
//!
//! The token alone revives a session, so a restart of the server (with the same key) costs its clients
//! nothing: most of them turn a 404 into an error that their user sees.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use omni_catalog::{ProfileId, ToolRules};
use omni_protocol::{ClientCapabilities, Revision};

use crate::admission::AccountKey;
use crate::authentication::Identity;
use crate::principal::Principal;
use crate::seal_key::{KeySource, SealKey};
use crate::server::Server;
use crate::session::state::{Negotiated, Session};

/// Random bytes in a token; 128 bits cannot be guessed.
const NONCE_BYTES: usize = 16;
/// Bytes of the seal that are kept.
const SEAL_BYTES: usize = 16;
/// The nonce, and what was agreed: three bytes, and which profile by its name, since others may stand before it after a
/// restart.
const PAYLOAD_BYTES: usize = NONCE_BYTES + 3 + STAMP_BYTES;
const STAMP_BYTES: usize = 4;
const TOKEN_BYTES: usize = PAYLOAD_BYTES + SEAL_BYTES;

/// Ended sessions remembered, so that their tokens are refused. Beyond it the set starts anew.
const ENDED_MAX: usize = 100_000;

/// The seal of a session that belongs to `owner`, whose credentials may give it a profile.
fn seal(
    key: &SealKey,
    payload: &[u8],
    owner: &Principal,
    assigned_profile: Option<&str>,
) -> [u8; SEAL_BYTES] {
    let mut seal = [0; SEAL_BYTES];
    let mut hasher = blake3::Hasher::new_keyed(&key.0);
    if let Some(profile) = assigned_profile {
        hasher.update(blake3::hash(profile.as_bytes()).as_bytes());
    }
    hasher.update(payload).update(owner.seal_text().as_bytes());
    seal.copy_from_slice(&hasher.finalize().as_bytes()[..SEAL_BYTES]);
    seal
}

/// All sessions of one HTTP server.
pub(crate) struct Sessions {
    key: KeySource,
    sessions_max: usize,
    /// The stamps of the profiles that there are at the moment.
    profiles: Box<dyn Fn() -> Vec<ProfileStamp> + Send + Sync>,
    table: Mutex<SessionTable>,
}

type ProfileStamp = [u8; STAMP_BYTES];

/// The stamp of each profile in a token, by their numbers.
fn profile_stamps(rules: &ToolRules) -> Vec<ProfileStamp> {
    rules.ids().map(|id| stamp(id, rules.name(id))).collect()
}

/// The stamp of a profile in a token, made of its name. All zero for everybody's, whatever its name.
fn stamp(id: ProfileId, name: &str) -> ProfileStamp {
    let mut stamp = [0; STAMP_BYTES];
    if id != ProfileId::EVERYBODY {
        stamp.copy_from_slice(&blake3::hash(name.as_bytes()).as_bytes()[..STAMP_BYTES]);
    }
    stamp
}

#[derive(Default)]
struct SessionTable {
    open: HashMap<Box<str>, SessionEntry>,
    /// The sessions of each peer, roughly in the order of their last use; ended ones may be among them.
    by_peer: HashMap<AccountKey, VecDeque<Arc<Session>>>,
    ended: HashSet<Box<str>>,
}

struct SessionEntry {
    session: Arc<Session>,
    /// The peer that opened or revived it.
    peer: AccountKey,
}

impl Sessions {
    /// None yet, as many at most as the server's bounds say.
    pub(crate) fn of_server(server: &Server) -> Self {
        let catalog = Arc::clone(&server.catalog);
        let profiles = move || profile_stamps(&catalog.rules());
        Sessions::new(server.config.seal_key.clone(), server.config.limits.sessions_max, profiles)
    }

    /// `profiles` gives the [`profile_stamps`] of the rules in force.
    fn new(
        key: KeySource,
        sessions_max: usize,
        profiles: impl Fn() -> Vec<ProfileStamp> + Send + Sync + 'static,
    ) -> Self {
        Sessions { key, sessions_max, profiles: Box::new(profiles), table: Mutex::default() }
    }

    /// Gives a session that `initialize` has opened the token that later requests name it by. `None` when none has.
    pub(crate) fn keep(&self, session: &Arc<Session>, peer: &AccountKey) -> Option<Arc<str>> {
        let Negotiated { revision, ignores_cursors, capabilities, profile } = session.negotiated()?;
        let mut payload = [0; PAYLOAD_BYTES];
        getrandom::fill(&mut payload[..NONCE_BYTES]).expect("the kernel gives random bytes");
        let (flags, stamp) = payload[NONCE_BYTES..].split_at_mut(3);
        flags.copy_from_slice(&[revision as u8, u8::from(ignores_cursors), capabilities.bits()]);
        stamp.copy_from_slice((self.profiles)().get(profile.index())?);
        let seal = seal(self.key.key(), &payload, &session.principal, session.assigned_profile.as_deref());
        let token: String = payload.iter().chain(&seal).map(|byte| format!("{byte:02x}")).collect();
        let token: Arc<str> = token.into();
        session.name.set(token.clone()).ok()?;
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.insert(&token, session.clone(), peer, self.sessions_max);
        Some(token)
    }

    /// The session of a token: open, or revived from its seal. `None` for tokens that we never sealed for `owner`
    /// and for sessions that were ended.
    pub(crate) fn find(&self, token: &str, owner: &Identity, peer: &AccountKey) -> Option<Arc<Session>> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(SessionEntry { session, .. }) = table.open.get(token) {
            return session.belongs_to(owner).then(|| session.clone());
        }
        if table.ended.contains(token) {
            return None;
        }
        let session = self.unseal(token, owner)?;
        table.insert(token, session.clone(), peer, self.sessions_max);
        Some(session)
    }

    /// Ends a session and cancels what runs in it. False when there is no such session.
    pub(crate) fn end(&self, token: &str, owner: &Identity, peer: &AccountKey) -> bool {
        let Some(session) = self.find(token, owner, peer) else { return false };
        session.close();
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = table.open.remove(token) {
            table.forget(&entry.peer);
        }
        if table.ended.len() >= ENDED_MAX {
            table.ended.clear();
        }
        table.ended.insert(token.into());
        true
    }

    /// Ends the streams that clients listen on. Their sessions stay.
    pub(crate) fn end_streams(&self) {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in table.open.values() {
            entry.session.state().stream = None;
        }
    }

    fn unseal(&self, token: &str, owner: &Identity) -> Option<Arc<Session>> {
        let bytes = unhex(token)?;
        let (payload, given) = bytes.split_at(PAYLOAD_BYTES);
        // `blake3::Hash` compares in constant time; the truncated seal is compared by hand the same way.
        let expected = seal(self.key.key(), payload, &owner.principal, owner.profile.as_deref());
        let difference = expected.iter().zip(given).fold(0, |sum, (a, b)| sum | (a ^ b));
        let revision = Revision::from_index(payload[NONCE_BYTES])?;
        let ignores_cursors = payload[NONCE_BYTES + 1] == 1;
        let capabilities = ClientCapabilities::from_bits(payload[NONCE_BYTES + 2])?;
        // Without its profile a client is asked to say again who it is: everybody's may show it more than its own did.
        let stamp = &payload[NONCE_BYTES + 3..];
        let profile = (self.profiles)().iter().position(|known| known == stamp)?;
        let profile = ProfileId::from_number(u16::try_from(profile).ok()?);
        let negotiated = Negotiated { revision, ignores_cursors, capabilities, profile };
        (difference == 0).then(|| Session::revived(owner, token, negotiated))
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

impl SessionTable {
    /// Adds a session; when the table is full, the longest unused one of the peer that has most leaves it first, so
    /// that nobody can push out the sessions of others. It is not ended: its token revives it, without its log level.
    fn insert(&mut self, token: &str, session: Arc<Session>, peer: &AccountKey, sessions_max: usize) {
        if self.open.len() >= sessions_max
            && let Some(heaviest) = self.by_peer.iter().max_by_key(|(_, sessions)| sessions.len())
        {
            let heaviest = heaviest.0.clone();
            self.evict(&heaviest);
        }
        self.by_peer.entry(peer.clone()).or_default().push_back(session.clone());
        self.open.insert(token.into(), SessionEntry { session, peer: peer.clone() });
    }

    /// Takes the longest unused session of a peer off the table. What was used since the last look is passed over
    /// once, so that a use costs one step however many sessions are opened.
    fn evict(&mut self, peer: &AccountKey) {
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
            drop(state);
            // Replies go to the session that the token revives, which has asked for nothing.
            session.end();
            self.open.remove(&*session.name());
            break;
        }
        if sessions.is_empty() {
            self.by_peer.remove(peer);
        }
    }

    /// Forgets the ended sessions of a peer when they stand at the front or are many.
    fn forget(&mut self, peer: &AccountKey) {
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use omni_call::LogLevel;
    use omni_catalog::{ClientPattern, Filter, NameStyle, Overrides, Profile, SettingLocation};
    use omni_protocol::{ClientInfo, Id, Initialize, Question};

    use super::*;
    use crate::peer::PeerKey;

    const ME: Identity = Identity {
        principal: Principal::User(1),
        profile: None,
        calls_max: None,
        revoked: None,
        expires: None,
    };

    fn table(key: KeySource, sessions_max: usize) -> Sessions {
        Sessions::new(key, sessions_max, || profile_stamps(&ToolRules::default()))
    }

    fn token(name: &str) -> Identity {
        Identity::of(Principal::Token(name.into()))
    }

    /// A session that a client of that name has opened.
    fn open(sessions: &Sessions, name: &str, owner: &Identity, peer: &AccountKey) -> Arc<Session> {
        let client = ClientInfo { name: name.into(), version: "1".into() };
        let session = Session::lasting(owner);
        let capabilities = ClientCapabilities::of(&[Question::ListRoots]);
        let agreed = Revision::NEWEST_LEGACY;
        crate::session::initialize(
            &session,
            &Initialize { agreed, client, capabilities },
            ProfileId::EVERYBODY,
        );
        sessions.keep(&session, peer).expect("it is opened");
        session
    }

    #[test]
    fn a_session_outlives_a_restart_with_the_same_key_and_no_other() {
        let key = KeySource::random();
        let token = open(&table(key.clone(), 10), "gemini-cli-mcp-client", &ME, &None).name();
        let revived = table(key, 10).find(&token, &ME, &None).expect("revived");
        assert_eq!(revived.name(), token);
        let capabilities = ClientCapabilities::of(&[Question::ListRoots]);
        let negotiated = Negotiated {
            revision: Revision::NEWEST_LEGACY,
            ignores_cursors: true,
            capabilities,
            profile: ProfileId::EVERYBODY,
        };
        assert_eq!(revived.negotiated(), Some(negotiated));
        assert!(table(KeySource::random(), 10).find(&token, &ME, &None).is_none());
    }

    #[test]
    fn a_token_with_any_digit_changed_is_refused() {
        let sessions = table(KeySource::random(), 10);
        let token = open(&sessions, "c", &ME, &None).name().to_string();
        for at in 0..token.len() {
            let mut forged = token.clone().into_bytes();
            forged[at] = if forged[at] == b'0' { b'1' } else { b'0' };
            assert!(sessions.find(std::str::from_utf8(&forged).unwrap(), &ME, &None).is_none(), "digit {at}");
        }
        let token = open(&sessions, "c", &ME, &None).name().to_string();
        let other_spellings = [
            token.to_uppercase(),
            format!(" {token}"),
            format!("{token} "),
            format!("{token}="),
            format!("0{token}"),
        ];
        for spelled in other_spellings.iter().filter(|spelled| **spelled != token) {
            assert!(sessions.find(spelled, &ME, &None).is_none(), "{spelled}");
        }
        assert!(sessions.find("", &ME, &None).is_none() && sessions.find("é", &ME, &None).is_none());
    }

    #[test]
    fn a_session_is_its_owners_also_when_it_is_revived() {
        let key = KeySource::random();
        let sessions = table(key.clone(), 10);
        let token = open(&sessions, "c", &ME, &None).name();
        for sessions in [sessions, table(key, 10)] {
            let others = [
                Principal::Unknown,
                Principal::LocalUser,
                Principal::User(10),
                Principal::UnnamedToken("1".into()),
                Principal::Token("1".into()),
            ];
            for other in others.map(Identity::of) {
                assert!(sessions.find(&token, &other, &None).is_none(), "{other:?}");
                assert!(!sessions.end(&token, &other, &None), "{other:?}");
            }
            assert!(sessions.find(&token, &ME, &None).is_some());
        }
    }

    #[test]
    fn a_session_is_found_only_with_the_profile_of_its_credentials() {
        let key = KeySource::random();
        let sessions = table(key.clone(), 10);
        let of = |profile: Option<&str>| Identity { profile: profile.map(Into::into), ..token("ci") };
        let name = open(&sessions, "c", &of(Some("readers")), &None).name();
        for sessions in [sessions, table(key, 10)] {
            for other in [None, Some("admins"), Some("")] {
                assert!(sessions.find(&name, &of(other), &None).is_none(), "{other:?}");
            }
            assert!(sessions.find(&name, &of(Some("readers")), &None).is_some());
        }
    }

    #[test]
    fn an_ended_session_stays_ended_and_ends_its_requests() {
        let sessions = table(KeySource::random(), 10);
        let session = open(&sessions, "c", &ME, &None);
        let id = Id::parse(&Bytes::from_static(b"1")).unwrap();
        let (_in_flight, mut cancelled) = session.begin(id.clone()).expect("first of its id");
        assert!(session.begin(id).is_err(), "an id in flight is taken");
        assert!(sessions.end(&session.name(), &ME, &None));
        assert_eq!(cancelled.try_recv(), Ok(()), "it is told so, and not cancelled");
        assert!(sessions.find(&session.name(), &ME, &None).is_none());
        assert!(!sessions.end(&session.name(), &ME, &None));
    }

    #[test]
    fn a_full_table_forgets_the_longest_unused_but_its_token_still_works() {
        let sessions = table(KeySource::random(), 2);
        let first = open(&sessions, "a", &ME, &None).name();
        open(&sessions, "b", &ME, &None);
        open(&sessions, "c", &ME, &None);
        assert_eq!(sessions.table.lock().unwrap().open.len(), 2);
        assert!(sessions.find(&first, &ME, &None).is_some());
    }
    #[test]
    fn a_peer_that_opens_sessions_without_end_pushes_out_its_own_and_nobody_elses() {
        let sessions = table(KeySource::random(), 100);
        let (modest, greedy) = (Some(PeerKey::User(1)), Some(PeerKey::User(2)));
        let kept = open(&sessions, "a", &token("a"), &modest);
        crate::session::set_log_level(&kept, LogLevel::Debug);
        let first_of_greedy = open(&sessions, "b", &token("b"), &greedy);
        for _ in 0..10_000 {
            first_of_greedy.begin_stream();
            open(&sessions, "b", &token("b"), &greedy);
        }
        let found = sessions.find(&kept.name(), &token("a"), &modest).expect("open");
        assert_eq!(found.state().log_level, Some(LogLevel::Debug), "it was never pushed out");
        let table = sessions.table.lock().unwrap();
        assert!(table.open.contains_key(&*first_of_greedy.name()), "what is used is not the longest unused");
        assert_eq!(table.open.len(), 100);
        assert!(table.by_peer.values().map(VecDeque::len).sum::<usize>() <= 216);
    }

    #[test]
    fn sessions_that_are_ended_leave_nothing_behind_but_their_tokens() {
        let sessions = table(KeySource::random(), 100);
        let first = open(&sessions, "a", &ME, &None);
        for _ in 0..10_000 {
            let session = open(&sessions, "b", &ME, &None);
            assert!(sessions.end(&session.name(), &ME, &None));
        }
        assert!(sessions.table.lock().unwrap().by_peer[&None].len() <= 20);
        assert!(sessions.end(&first.name(), &ME, &None));
        assert!(sessions.table.lock().unwrap().by_peer.is_empty());
    }

    #[test]
    fn a_revived_session_keeps_its_profile_by_name_or_is_opened_anew() {
        let rules = |names: &[&str]| {
            let profile = |name: &&str| Profile {
                name: (*name).to_owned(),
                setting: SettingLocation::new(name, "omni.toml", 1),
                clients: vec![ClientPattern::new(name).unwrap()],
                principals: Vec::new(),
                filter: Filter::default(),
                overrides: Overrides::default(),
                names: None,
            };
            ToolRules::new(
                Vec::new(),
                Overrides::default(),
                NameStyle::default(),
                names.iter().map(profile).collect(),
            )
        };
        let key = KeySource::random();
        let before = rules(&["claude", "cursor"]);
        let stamps = profile_stamps(&before);
        let sessions = Sessions::new(key.clone(), 10, move || stamps.clone());
        let session = Session::lasting(&ME);
        let client = ClientInfo { name: "cursor".into(), version: "1".into() };
        let agreed = Revision::NEWEST_LEGACY;
        let initialize = Initialize { agreed, client, capabilities: ClientCapabilities::of(&[]) };
        crate::session::initialize(&session, &initialize, before.choose(Some("cursor"), ""));
        let token = sessions.keep(&session, &None).unwrap();
        let revived = |names: &[&str]| {
            let (stamps, rules) = (profile_stamps(&rules(names)), rules(names));
            let sessions = Sessions::new(key.clone(), 10, move || stamps.clone());
            sessions.find(&token, &ME, &None).map(|session| rules.name(session.profile()).to_owned())
        };
        assert_eq!(revived(&["claude", "cursor"]).as_deref(), Some("cursor"));
        assert_eq!(revived(&["cursor", "other", "claude"]).as_deref(), Some("cursor"));
        assert_eq!(revived(&["claude"]), None, "everybody's could show it more");
    }
}
