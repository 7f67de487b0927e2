//! How a client that speaks both eras finds out what a server speaks.
//!
//! The specification says it for each transport ("Backward Compatibility" in stdio and in Streamable HTTP of the newest
//! revision, "Version Negotiation" in those with a handshake): try `server/discover` first. Its result, or an error that
//! only a modern server gives, means a modern server; anything else, and over stdio silence too, means one that wants
//! `initialize`. Which error it is must not matter: legacy servers refuse what they do not know in many ways.

use bytes::Bytes;
use serde::Deserialize;
use thiserror::Error;

use super::result::{HandshakeResult, ServerInfo};
use crate::message::PeerError;
use crate::revision::{Era, Revision};

/// Most requests that one opening takes: both probes, and each of them once more with another version.
const PROBES_MAX: usize = 4;

/// Longest of a server's words that a refusal repeats.
const SHOWN_CHARS_MAX: usize = 500;

/// What is sent to find out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Probe {
    /// `server/discover`, of a modern revision.
    Discover(Revision),
    /// `initialize`, asking for a legacy revision.
    Initialize(Revision),
}

/// What came of a probe.
#[derive(Clone, Debug, PartialEq)]
pub enum ProbeAnswer {
    /// The result's JSON text.
    Result(Bytes),
    /// A JSON-RPC error.
    Error(PeerError),
    /// Nothing within a reasonable time (stdio), or an HTTP status of 4xx whose body is no JSON-RPC error.
    None,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum NegotiationStep {
    Send(Probe),
    /// After a legacy agreement, `notifications/initialized` is due.
    Agreed(Agreed),
    Failed(NegotiationError),
}

/// What client and server will speak.
#[derive(Clone, Debug, PartialEq)]
pub struct Agreed {
    pub revision: Revision,
    pub server: ServerInfo,
}

/// Why there is no agreement.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NegotiationError {
    #[error("it speaks protocol version {}, and this client {}", listed(theirs), listed(ours))]
    NoSharedVersion { theirs: Vec<String>, ours: Vec<String> },
    #[error("it refuses this client: {message} (error {code})")]
    Refused { code: i64, message: String },
    #[error("it does not answer as an MCP server does: {why}")]
    NotMcp { why: String },
}

fn listed(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// One opening, stepped with what comes of each probe.
#[derive(Debug)]
pub struct Negotiation {
    /// Only one of the eras, where the user says which.
    only: Option<Era>,
    sent: Vec<Probe>,
}

impl Negotiation {
    /// Begins; the second value is what to send first. `only` leaves out the other era.
    pub fn begin(only: Option<Era>) -> (Negotiation, Probe) {
        let first = match only {
            None | Some(Era::Modern) => Probe::Discover(Revision::NEWEST_MODERN),
            Some(Era::Legacy) => Probe::Initialize(Revision::NEWEST_LEGACY),
        };
        (Negotiation { only, sent: vec![first] }, first)
    }

    /// The next step, after `answer` has come to a probe that was sent. The answer may be to an earlier one than the last:
    /// a server that was slow to start answers `server/discover` when `initialize` has been sent already.
    pub fn answered(&mut self, probe: Probe, answer: ProbeAnswer) -> NegotiationStep {
        match (probe, answer) {
            (Probe::Discover(_), ProbeAnswer::Result(result)) => self.discovered(&result),
            (Probe::Discover(_), ProbeAnswer::Error(error)) => match modern_error(&error) {
                Some(ModernError::Unsupported(supported)) => self.choose(supported, &error),
                Some(ModernError::Other) => refused(&error),
                None => self.fall_back(&error.message),
            },
            (Probe::Discover(_), ProbeAnswer::None) => self.fall_back("`server/discover` has no answer"),
            (Probe::Initialize(_), ProbeAnswer::Result(result)) => Self::initialized(&result),
            (Probe::Initialize(_), ProbeAnswer::Error(error)) => self.initialize_refused(&error),
            (Probe::Initialize(_), ProbeAnswer::None) => {
                not_mcp("neither `server/discover` nor `initialize` has an answer")
            }
        }
    }

    fn discovered(&mut self, result: &Bytes) -> NegotiationStep {
        let Some(introduction) = HandshakeResult::read(result) else {
            return self.fall_back("`server/discover` is answered with what is none of its results");
        };
        let Some(supported) = introduction.supported.clone() else {
            // Some servers answer anything with an empty result.
            return self.fall_back("`server/discover` is answered without `supportedVersions`");
        };
        match Revision::newest_modern_of(&supported) {
            Some(revision) => NegotiationStep::Agreed(Agreed { revision, server: introduction.server() }),
            None => self.legacy_of(supported),
        }
    }

    /// Goes on with one of the versions that a modern server says it supports.
    fn choose(&mut self, supported: Vec<String>, error: &PeerError) -> NegotiationStep {
        if supported.is_empty() {
            return refused(error);
        }
        match Revision::newest_modern_of(&supported).map(Probe::Discover) {
            Some(probe) if !self.sent.contains(&probe) => self.send(probe),
            // It refuses the version that it says it supports.
            Some(_) => refused(error),
            None => self.legacy_of(supported),
        }
    }

    /// Goes on with the handshake, if the versions that the server names have one in them that we speak.
    fn legacy_of(&mut self, supported: Vec<String>) -> NegotiationStep {
        match Revision::newest_legacy_of(&supported).map(Probe::Initialize) {
            Some(probe) if self.may_initialize() && !self.sent.contains(&probe) => self.send(probe),
            _ => self.no_shared_version(supported),
        }
    }

    fn fall_back(&mut self, why: &str) -> NegotiationStep {
        let initialize = Probe::Initialize(Revision::NEWEST_LEGACY);
        if !self.may_initialize() {
            return not_mcp(&format!("it does not know `server/discover`: {why}"));
        }
        if self.sent.contains(&initialize) {
            return not_mcp(why);
        }
        self.send(initialize)
    }

    fn initialized(result: &Bytes) -> NegotiationStep {
        let Some(introduction) = HandshakeResult::read(result) else {
            return not_mcp("`initialize` is answered with what is none of its results");
        };
        let Some(version) = introduction.version.clone() else {
            return not_mcp("`initialize` is answered without `protocolVersion`");
        };
        match Revision::newest_legacy_of(std::slice::from_ref(&version)) {
            Some(revision) => NegotiationStep::Agreed(Agreed { revision, server: introduction.server() }),
            None => NegotiationStep::Failed(NegotiationError::NoSharedVersion {
                theirs: vec![version],
                ours: names(Revision::all()),
            }),
        }
    }

    fn initialize_refused(&mut self, error: &PeerError) -> NegotiationStep {
        if let Some(supported) = supported(error) {
            // A modern server that was too slow to say so, or an older one that names what it speaks.
            let modern = Revision::newest_modern_of(&supported).map(Probe::Discover);
            if let Some(probe) = modern.filter(|_| self.may_discover()) {
                // Once more also where it was sent before: then it had no answer.
                let again = self.sent.iter().filter(|sent| **sent == probe).count() < 2;
                return if again { self.send(probe) } else { refused(error) };
            }
            return self.legacy_of(supported);
        }
        refused(error)
    }

    fn send(&mut self, probe: Probe) -> NegotiationStep {
        if self.sent.len() == PROBES_MAX {
            return not_mcp("it takes no version that it says it takes");
        }
        self.sent.push(probe);
        NegotiationStep::Send(probe)
    }

    fn no_shared_version(&self, theirs: Vec<String>) -> NegotiationStep {
        let theirs = theirs.into_iter().take(20).map(|name| shown(&name)).collect();
        let ours = Revision::all().filter(|revision| match revision.era() {
            Era::Legacy => self.may_initialize(),
            Era::Modern => self.may_discover(),
        });
        NegotiationStep::Failed(NegotiationError::NoSharedVersion { theirs, ours: names(ours) })
    }

    fn may_initialize(&self) -> bool {
        match self.only {
            None | Some(Era::Legacy) => true,
            Some(Era::Modern) => false,
        }
    }

    fn may_discover(&self) -> bool {
        match self.only {
            None | Some(Era::Modern) => true,
            Some(Era::Legacy) => false,
        }
    }
}

fn names(revisions: impl Iterator<Item = Revision>) -> Vec<String> {
    revisions.map(|revision| revision.name().to_owned()).collect()
}

fn refused(error: &PeerError) -> NegotiationStep {
    NegotiationStep::Failed(NegotiationError::Refused { code: error.code, message: shown(&error.message) })
}

fn not_mcp(why: &str) -> NegotiationStep {
    NegotiationStep::Failed(NegotiationError::NotMcp { why: shown(why) })
}

fn shown(text: &str) -> String {
    crate::error::truncate_chars(text.to_owned(), SHOWN_CHARS_MAX)
}

enum ModernError {
    /// With the versions that the server names.
    Unsupported(Vec<String>),
    Other,
}

/// The errors that only a modern server gives: `HeaderMismatch`, `MissingRequiredClientCapability` and
/// `UnsupportedProtocolVersion`.
fn modern_error(error: &PeerError) -> Option<ModernError> {
    match error.code {
        -32022 => Some(ModernError::Unsupported(supported(error).unwrap_or_default())),
        -32020 | -32021 => Some(ModernError::Other),
        _ => None,
    }
}

fn supported(error: &PeerError) -> Option<Vec<String>> {
    #[derive(Deserialize)]
    struct Data {
        supported: Vec<String>,
    }
    serde_json::from_slice::<Data>(error.data.as_ref()?).ok().map(|data| data.supported)
}
