//! Who shares processes with whom.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Which other skills may be served by the processes that serve a skill, one call after the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trust {
    /// All that need the same environment and say nothing else.
    #[default]
    Shared,
    /// None: the skill has workers, and a parent that forks them, for itself.
    Own,
}

impl Trust {
    pub const ALL: [Trust; 2] = [Trust::Shared, Trust::Own];

    /// The name in front matter and manifests.
    pub fn name(self) -> &'static str {
        match self {
            Trust::Shared => "shared",
            Trust::Own => "own",
        }
    }

    /// Whether nothing is said that differs from the default.
    pub fn is_shared(&self) -> bool {
        *self == Trust::Shared
    }
}

impl FromStr for Trust {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Trust::ALL.into_iter().find(|trust| trust.name() == name).ok_or(())
    }
}
