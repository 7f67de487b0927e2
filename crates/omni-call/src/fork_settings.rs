//! How the executor `fork` has processes ready.

use serde::{Deserialize, Serialize};

/// How the executor `fork` has processes ready. `None` leaves it to the skill, then to the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ForkSettings {
    /// How many processes wait for a call, already forked, once the tool has been called. With 0, the server's
    /// default, each is forked when its call comes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ahead: Option<u32>,
    /// How many calls a process serves before another one takes its place. The server's default is 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls: Option<u32>,
}

impl ForkSettings {
    /// More processes than this that only wait are a mistake: each keeps some memory of its own.
    pub const AHEAD_MAX: u32 = 64;
    /// More calls than this are what `pool` is for.
    pub const CALLS_MAX: u32 = 100_000;

    /// These settings, and where they say nothing, `others`.
    #[must_use]
    pub fn or(self, others: ForkSettings) -> ForkSettings {
        ForkSettings { ahead: self.ahead.or(others.ahead), calls: self.calls.or(others.calls) }
    }

    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        *self == ForkSettings::default()
    }
}
