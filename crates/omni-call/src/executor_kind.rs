//! Which executors there are, and by which names they are chosen: the one table of them.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Which executor runs a tool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecutorKind {
    /// A warm worker of the managed pool.
    #[default]
    Pool,
    /// A process forked from a parent that has imported the skill: see [`ForkSettings`].
    Fork,
    /// A process of its own for every call, started from nothing.
    Spawn,
    /// An interpreter inside the server's own process.
    Embedded,
    /// A tool runner that somebody else started, reached over HTTP.
    Runner,
    /// The server's own code. No tool of a skill can choose it.
    Native,
}

impl ExecutorKind {
    pub const ALL: [ExecutorKind; 6] = [
        ExecutorKind::Pool,
        ExecutorKind::Fork,
        ExecutorKind::Spawn,
        ExecutorKind::Embedded,
        ExecutorKind::Runner,
        ExecutorKind::Native,
    ];

    /// Those that a tool, its skill or a setting may name.
    pub const CHOICES: [ExecutorKind; 5] = [
        ExecutorKind::Pool,
        ExecutorKind::Fork,
        ExecutorKind::Spawn,
        ExecutorKind::Embedded,
        ExecutorKind::Runner,
    ];

    /// The name in decorators, front matter, settings and manifests.
    pub const fn name(self) -> &'static str {
        match self {
            ExecutorKind::Pool => "pool",
            ExecutorKind::Fork => "fork",
            ExecutorKind::Spawn => "spawn",
            ExecutorKind::Embedded => "embedded",
            ExecutorKind::Runner => "runner",
            ExecutorKind::Native => "native",
        }
    }

    /// Where the tool runs, in words for an author who chooses.
    pub const fn about(self) -> &'static str {
        match self {
            ExecutorKind::Pool => "a warm Python process that serves one call after the other; the default",
            ExecutorKind::Fork => {
                "a process of its own for each call, forked from a parent that has imported the skill"
            }
            ExecutorKind::Spawn => {
                "a process of its own for each call, started from nothing; every program is run so"
            }
            ExecutorKind::Embedded => {
                "the server's own process, with Python loaded into it; nothing there can be killed"
            }
            ExecutorKind::Runner => "a tool runner that somebody else started: `--runner ADDRESS`",
            ExecutorKind::Native => "a function of the server itself, for tools of its own",
        }
    }

    /// Names that executors once had, each with what to write instead. Whoever reads a name refuses these with
    /// these words.
    pub const FORMER: [(&'static str, &'static str); 4] = [
        ("zygote", "`zygote` is now `fork`"),
        ("prewarmed", "`prewarmed` is now `fork` with `ahead = 2`"),
        ("recycled", "`recycled` is now `fork` with `calls = 100`"),
        ("embedded_worker", "`embedded_worker` is gone; use `pool`, which runs a tool in the same way"),
    ];

    /// The names to choose from in words, for messages: pool, … or runner, each in back-ticks.
    pub fn names() -> String {
        let names = ExecutorKind::CHOICES.map(|kind| format!("`{}`", kind.name()));
        match names.as_slice() {
            [rest @ .., last] if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
            names => names.concat(),
        }
    }
}

/// A name that is no executor's. Its text says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct UnknownExecutor(String);

impl FromStr for ExecutorKind {
    type Err = UnknownExecutor;

    fn from_str(name: &str) -> Result<Self, UnknownExecutor> {
        if let Some(kind) = ExecutorKind::CHOICES.into_iter().find(|kind| kind.name() == name) {
            return Ok(kind);
        }
        if name == ExecutorKind::Native.name() {
            let names = ExecutorKind::names();
            return Err(UnknownExecutor(format!("`{name}` runs functions of omni itself only; use {names}")));
        }
        // `embedded-worker` is how a command line would spell it.
        let plain = name.replace('-', "_");
        let former = ExecutorKind::FORMER.into_iter().find(|(former, _)| *former == plain);
        Err(UnknownExecutor(match former {
            Some((_, instead)) => instead.to_owned(),
            None => format!("`{name}` is no executor; use {}", ExecutorKind::names()),
        }))
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_executor_is_found_by_its_name_and_serialised_by_it() {
        for kind in ExecutorKind::ALL {
            assert_eq!(serde_json::to_value(kind).ok(), Some(kind.name().into()));
            let chosen = kind.name().parse().ok();
            assert_eq!(chosen, ExecutorKind::CHOICES.contains(&kind).then_some(kind));
        }
    }

    #[test]
    fn the_server_s_own_executor_is_nobody_s_choice() {
        let refused = "native".parse::<ExecutorKind>().map_err(|error| error.to_string());
        assert_eq!(
            refused,
            Err(format!("`native` runs functions of omni itself only; use {}", ExecutorKind::names()))
        );
    }

    #[test]
    fn a_former_name_is_refused_with_what_to_write_instead() {
        let refused = |name: &str| name.parse::<ExecutorKind>().map_err(|error| error.to_string());
        assert_eq!(refused("prewarmed"), Err("`prewarmed` is now `fork` with `ahead = 2`".into()));
        assert_eq!(refused("embedded-worker"), refused("embedded_worker"));
        assert_eq!(refused("thread"), Err(format!("`thread` is no executor; use {}", ExecutorKind::names())));
        for (former, instead) in ExecutorKind::FORMER {
            assert_eq!(refused(former), Err(instead.to_owned()));
            assert!(instead.starts_with(&format!("`{former}` is ")), "{instead}");
        }
    }
}
