//! Which executors there are, and what each is: the one table of them.
//!
//! A new one is a variant and its row. What is said and checked of executors elsewhere (messages, the page of them, the
//! names that Python takes, which kinds of tool it runs) is made from the row; what does not compile then is where it is
//! wired.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Target;
use crate::alternatives::alternatives;

/// Which executor runs a tool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecutorKind {
    /// A warm worker of the managed pool.
    #[default]
    Pool,
    /// A process forked from a parent that has imported the skill: see [`ForkSettings`](crate::ForkSettings).
    Fork,
    /// A process of its own for every call, started from nothing.
    Spawn,
    /// An interpreter inside the server's own process.
    Embedded,
    /// A tool runner that somebody else started, reached over HTTP.
    Runner,
    /// The server's own code. No tool of a skill can choose it.
    Native,
    /// The server itself, which reads files of skills: their resources and prompts. Nothing else can choose it.
    File,
}

/// Where an executor is, and so who hands calls to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExecutorPlace {
    /// In a set of executors that have one interpreter, made by the first call that needs it.
    Interpreter(InterpreterExecutor),
    /// In the server, which has one of it. It needs no Python.
    Server(ServerExecutor),
}

/// An executor of one interpreter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InterpreterExecutor {
    /// See [`ExecutorKind::Pool`].
    Pool,
    /// See [`ExecutorKind::Fork`].
    Fork,
    /// See [`ExecutorKind::Spawn`].
    Spawn,
    /// See [`ExecutorKind::Embedded`].
    Embedded,
}

/// An executor that needs no interpreter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerExecutor {
    /// See [`ExecutorKind::Runner`].
    Runner,
    /// See [`ExecutorKind::Native`].
    Native,
    /// See [`ExecutorKind::File`].
    File,
}

/// A row of the table.
struct Row {
    /// In decorators, front matter, settings and manifests.
    name: &'static str,
    /// Where the tool runs, in words for an author who chooses.
    about: &'static str,
    /// Whether a tool, its skill or a setting may name it.
    is_choice: bool,
    place: ExecutorPlace,
    /// Which kinds of tool it has a way to run.
    runs: fn(&Target) -> bool,
}

impl ExecutorKind {
    pub const ALL: [ExecutorKind; 7] = {
        use ExecutorKind::{Embedded, File, Fork, Native, Pool, Runner, Spawn};
        // Does not compile while one is missing, so that none is forgotten below.
        match Pool {
            Pool | Fork | Spawn | Embedded | Runner | Native | File => {}
        }
        [Pool, Fork, Spawn, Embedded, Runner, Native, File]
    };

    const fn row(self) -> Row {
        match self {
            ExecutorKind::Pool => Row {
                name: "pool",
                about: "a warm Python process that serves one call after the other; the default",
                is_choice: true,
                place: ExecutorPlace::Interpreter(InterpreterExecutor::Pool),
                runs: is_python,
            },
            ExecutorKind::Fork => Row {
                name: "fork",
                about: "a process of its own for each call, forked from a parent that has imported the skill",
                is_choice: true,
                place: ExecutorPlace::Interpreter(InterpreterExecutor::Fork),
                runs: is_python,
            },
            ExecutorKind::Spawn => Row {
                name: "spawn",
                about: "a process of its own for each call, started from nothing; every program is run so",
                is_choice: true,
                place: ExecutorPlace::Interpreter(InterpreterExecutor::Spawn),
                runs: |target| matches!(target, Target::Python(_) | Target::Program(_)),
            },
            ExecutorKind::Embedded => Row {
                name: "embedded",
                about: "the server's own process, with Python loaded into it; nothing there can be killed",
                is_choice: true,
                place: ExecutorPlace::Interpreter(InterpreterExecutor::Embedded),
                runs: is_python,
            },
            ExecutorKind::Runner => Row {
                name: "runner",
                about: "a tool runner that somebody else started: `--runner ADDRESS`",
                is_choice: true,
                place: ExecutorPlace::Server(ServerExecutor::Runner),
                // It knows tools by their names, and may have the same folders.
                runs: |target| !is_native(target) && !is_file(target),
            },
            ExecutorKind::Native => Row {
                name: "native",
                about: "a function of the server itself, for tools of its own",
                is_choice: false,
                place: ExecutorPlace::Server(ServerExecutor::Native),
                runs: is_native,
            },
            ExecutorKind::File => Row {
                name: "file",
                about: "the server itself, which reads the files of skills",
                is_choice: false,
                place: ExecutorPlace::Server(ServerExecutor::File),
                runs: is_file,
            },
        }
    }

    /// The name in decorators, front matter, settings and manifests.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// Where the tool runs, in words for an author who chooses.
    pub const fn about(self) -> &'static str {
        self.row().about
    }

    /// Who hands calls to it.
    pub const fn place(self) -> ExecutorPlace {
        self.row().place
    }

    /// Whether it has a way to run such a tool.
    pub fn runs(self, target: &Target) -> bool {
        (self.row().runs)(target)
    }

    /// Those that a tool, its skill or a setting may name.
    pub fn choices() -> impl Iterator<Item = ExecutorKind> {
        ExecutorKind::ALL.into_iter().filter(|kind| kind.row().is_choice)
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
        ExecutorKind::list(ExecutorKind::choices())
    }

    /// The names of these in words: `pool`, … or `runner`, each in back-ticks.
    pub fn list(kinds: impl Iterator<Item = ExecutorKind>) -> String {
        let names: Vec<String> = kinds.map(|kind| format!("`{}`", kind.name())).collect();
        alternatives(&names)
    }
}

fn is_python(target: &Target) -> bool {
    target.python().is_some()
}

fn is_native(target: &Target) -> bool {
    matches!(target, Target::Native { .. })
}

fn is_file(target: &Target) -> bool {
    matches!(target, Target::File(_))
}

/// A name that is no executor's. Its text says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct UnknownExecutor(String);

impl FromStr for ExecutorKind {
    type Err = UnknownExecutor;

    fn from_str(name: &str) -> Result<Self, UnknownExecutor> {
        if let Some(kind) = ExecutorKind::choices().find(|kind| kind.name() == name) {
            return Ok(kind);
        }
        if name == ExecutorKind::Native.name() {
            let names = ExecutorKind::names();
            return Err(UnknownExecutor(format!("`{name}` runs functions of omni itself only; use {names}")));
        }
        if name == ExecutorKind::File.name() {
            let names = ExecutorKind::names();
            return Err(UnknownExecutor(format!("`{name}` reads files of skills only; use {names}")));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_executor_is_found_by_its_name_and_serialised_by_it() {
        for kind in ExecutorKind::ALL {
            assert_eq!(serde_json::to_value(kind).ok(), Some(kind.name().into()));
            let chosen = kind.name().parse().ok();
            assert_eq!(chosen, kind.row().is_choice.then_some(kind));
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
