//! What a tool's author declares about its calls: retries, caching, concurrency, affinity.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What is done around a call besides running it. The default does nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// Names of exception classes after which the call is run again, while attempts are left.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub retry_on: Vec<String>,
    /// How often a call may be run at most, the first time included. `None` is 1, or 3 with `retry_on`.
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
    #[serde(skip_serializing_if = "Affinity::is_none")]
    pub affinity: Affinity,
    /// The author declared the tool idempotent or read-only: a call that was lost on the way may be run again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub repeatable: bool,
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

    fn is_none(&self) -> bool {
        *self == Affinity::None
    }
}

impl FromStr for Affinity {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Affinity::ALL.into_iter().find(|affinity| affinity.name() == name).ok_or(())
    }
}
