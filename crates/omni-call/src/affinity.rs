//! Which calls of a skill must meet in one worker?

use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

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
