//! What a tool's author declares about its calls: retries, caching, concurrency, affinity.

use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// What is done around a call besides running it. The default does nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// Names of exception classes after which the call is run again, while attempts are left.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub retry_on: Vec<String>,
    /// How often a call may be run at most, the first time included: see
    /// [`attempts_max`](Self::attempts_max).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    /// For how many milliseconds a successful result answers the same call again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_ttl_ms: Option<u64>,
    /// Calls of the tool that run at once at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// Calls of the whole skill that run at once at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skill_concurrency: Option<u32>,
    /// `None` is [`Affinity::None`], or what the skill says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,
    /// The author declared the tool idempotent or read-only: a call that was lost on the way may be run again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub repeatable: bool,
}

impl Policy {
    /// Attempts at most when `retry_on` is given and `max_attempts` is not.
    pub const ATTEMPTS_DEFAULT: u32 = 3;
    /// More attempts than this are a mistake.
    pub const ATTEMPTS_MAX: u32 = 10;
    /// More calls at once than this are no limit.
    pub const CONCURRENCY_MAX: u32 = 4_096;

    /// How often a call may be run at most. A repeatable tool without `retry_on` gets a second chance after a
    /// crash.
    pub fn attempts_max(&self) -> u32 {
        let default = match (self.retry_on.is_empty(), self.repeatable) {
            (false, _) => Self::ATTEMPTS_DEFAULT,
            (true, true) => 2,
            (true, false) => 1,
        };
        self.max_attempts.unwrap_or(default)
    }
}

/// Which calls of a skill must meet in one worker, because the skill keeps state in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Affinity {
    /// Any worker may serve any call.
    #[default]
    None,
    /// One worker for each client session.
    Session,
    /// One worker for all.
    Single,
}

impl Affinity {
    pub const ALL: [Affinity; 3] = [Affinity::None, Affinity::Session, Affinity::Single];

    /// The name in decorators, front matter and manifests.
    pub fn name(self) -> &'static str {
        match self {
            Affinity::None => "none",
            Affinity::Session => "session",
            Affinity::Single => "single",
        }
    }
}

/// Names the calls that must meet in one worker, since their skill keeps state in memory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AffinityKey {
    pub skill: String,
    /// Whose state it is; `None` for state that all callers share.
    pub session: Option<Arc<str>>,
}

impl FromStr for Affinity {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Affinity::ALL.into_iter().find(|affinity| affinity.name() == name).ok_or(())
    }
}
