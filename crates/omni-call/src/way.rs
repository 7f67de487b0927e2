//! The executors there are, by name.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Which executor runs a tool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// A warm worker of the managed pool (A).
    #[default]
    Pool,
    /// A process of its own for every call, started from nothing (B).
    Spawn,
    /// A process of its own for every call, forked from a parent that has imported the skill (B).
    Zygote,
    /// As `Zygote`, forked ahead of the call (B).
    Prewarmed,
    /// A forked process that serves a number of calls and is then replaced (B).
    Recycled,
    /// An interpreter inside the server's own process (C).
    Embedded,
    /// A warm worker of a pool whose process is this binary with an interpreter inside (C).
    EmbeddedWorker,
    /// A tool runner that somebody else started, reached over HTTP (A).
    Runner,
}

impl Way {
    pub const ALL: [Way; 8] = [
        Way::Pool,
        Way::Spawn,
        Way::Zygote,
        Way::Prewarmed,
        Way::Recycled,
        Way::Embedded,
        Way::EmbeddedWorker,
        Way::Runner,
    ];

    /// Those that a skill can ask for.
    pub const OFFERED: [Way; 8] = Way::ALL;

    /// [`OFFERED`](Self::OFFERED) in words, for messages: `"pool", … or "recycled"`.
    pub fn offered() -> String {
        let names = Way::OFFERED.map(|way| format!("\"{}\"", way.name()));
        match names.as_slice() {
            [rest @ .., last] if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
            names => names.concat(),
        }
    }

    /// The one of [`OFFERED`](Self::OFFERED) with this name.
    pub fn parse_offered(name: &str) -> Option<Way> {
        Way::OFFERED.into_iter().find(|way| way.name() == name)
    }

    /// The name in decorators, front matter, settings and manifests.
    pub fn name(self) -> &'static str {
        match self {
            Way::Pool => "pool",
            Way::Spawn => "spawn",
            Way::Zygote => "zygote",
            Way::Prewarmed => "prewarmed",
            Way::Recycled => "recycled",
            Way::Embedded => "embedded",
            Way::EmbeddedWorker => "embedded_worker",
            Way::Runner => "runner",
        }
    }
}

impl FromStr for Way {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Way::ALL.into_iter().find(|way| way.name() == name).ok_or(())
    }
}
