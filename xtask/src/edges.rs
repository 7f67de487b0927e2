//! Which crates must never be reached from which: the architecture's borders, checked in cargo's own graph.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::command;
use crate::test_counts::TestCounts;
use crate::workspace::Workspace;

/// What the crate must not reach, and where the same names must be found.
struct Edge {
    of: &'static str,
    never: &'static [&'static str],
    /// A crate that does reach every one of them. Without it a misspelt or renamed name would be absent
    /// everywhere, and its check would hold for ever.
    control: &'static str,
    reason: &'static str,
}

/// What brings a runtime, sockets, files or processes with it.
const INPUT_AND_OUTPUT: &[&str] = &["tokio", "hyper", "rustix", "mio", "socket2"];

const EDGES: &[Edge] = &[
    Edge {
        of: "omni-protocol",
        never: INPUT_AND_OUTPUT,
        control: "omni",
        reason: "the protocol is data and state machines, stepped by tests without a port",
    },
    Edge {
        of: "omni-call",
        never: INPUT_AND_OUTPUT,
        control: "omni",
        reason: "every crate meets here, so whatever it reaches they all reach",
    },
    Edge {
        of: "omni-scan",
        never: INPUT_AND_OUTPUT,
        control: "omni",
        reason: "reading source is a function of its text",
    },
    Edge {
        of: "omni-prompts",
        never: INPUT_AND_OUTPUT,
        control: "omni",
        reason: "a template reaches what it is handed, and nothing else",
    },
    Edge {
        of: "omni-jwt",
        never: INPUT_AND_OUTPUT,
        control: "omni",
        reason: "whether a token holds is a function of it, the keys and the time",
    },
    Edge {
        of: "omni-server",
        never: &["omni-exec"],
        control: "omni",
        reason: "the server knows only `dyn Executor`; a new way to run tools must not touch it",
    },
    Edge {
        of: "omni-catalog",
        never: &["tokio", "omni-exec"],
        control: "omni",
        reason: "listing tools works with no Python on the machine, in any thread",
    },
    Edge {
        of: "omni",
        never: &["pyo3", "pyo3-ffi"],
        control: "omni-embed",
        reason: "which Python runs the tools is decided at run time; only the plugin knows Python's interface",
    },
    Edge {
        of: "omni",
        never: &["omni-testkit"],
        control: "omni-testkit",
        reason: "what panics when it does not get what a test wants is for tests only",
    },
    Edge {
        of: "omni",
        never: &["omni-mutate"],
        control: "omni-mutate",
        reason: "what makes input to break readers with is for tests only",
    },
    Edge {
        of: "omni-process",
        never: &[
            "omni-exec",
            "omni-environments",
            "omni-server",
            "omni-catalog",
            "omni-scan",
            "omni-protocol",
        ],
        control: "omni",
        reason: "whoever needs a process must get one without all that runs calls",
    },
    Edge {
        of: "omni-environments",
        never: &["omni-exec", "omni-server", "omni-catalog"],
        control: "omni",
        reason: "what a skill needs installed does not depend on how its tools are run",
    },
    Edge {
        of: "omni-watch",
        never: &["tokio", "omni-catalog", "omni-exec", "omni-server"],
        control: "omni",
        reason: "when something has changed is found out by who knows folders and time, not what is made of them",
    },
    Edge {
        of: "omni-catalog",
        never: &["rusqlite"],
        control: "omni",
        reason: "what is served is read from its folders; only promises to clients are kept in a database",
    },
    Edge {
        of: "omni-exec",
        never: &["rusqlite"],
        control: "omni",
        reason: "how a call runs does not depend on whether somebody keeps its result",
    },
    Edge {
        of: "omni-store",
        never: &["hyper", "omni-catalog", "omni-exec", "omni-process", "omni-protocol", "omni-server"],
        control: "omni",
        reason: "what must outlive the process is rows and bytes; what they mean is their users' affair",
    },
    Edge {
        of: "omni-exec",
        never: &["omni-server", "omni-catalog", "omni-environments"],
        control: "omni",
        reason: "running a tool knows nothing of how it is served, nor of how tools are found",
    },
];

/// Checks every edge and its control; each counts as one.
pub(crate) fn check(workspace: &Workspace) -> Result<TestCounts> {
    let mut counts = TestCounts::default();
    for edge in EDGES {
        let reached = reached_from(workspace, edge.of)?;
        let control = reached_from(workspace, edge.control)?;
        let faults = faults(edge, &reached, &control);
        println!("{} never reaches {}: {}", edge.of, edge.never.join(", "), said(&faults));
        counts += TestCounts::one(faults.is_empty());
    }
    Ok(counts)
}

/// The names of all crates that a build of `package` contains, without those of tests and build scripts.
fn reached_from(workspace: &Workspace, package: &str) -> Result<BTreeSet<String>> {
    let mut tree = workspace.cargo();
    tree.args(["tree", "--package", package, "--edges", "normal", "--prefix", "none", "--format", "{p}"]);
    Ok(names(&command::read(&mut tree)?))
}

/// The first word of every line of `cargo tree --format {p}`.
fn names(tree: &str) -> BTreeSet<String> {
    tree.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

fn faults(edge: &Edge, reached: &BTreeSet<String>, control: &BTreeSet<String>) -> Vec<String> {
    let mut faults = Vec::new();
    for name in edge.never {
        if reached.contains(*name) {
            faults.push(format!(
                "reaches `{name}`, but {}; `cargo tree -p {} -e normal -i {name}` shows the way",
                edge.reason, edge.of
            ));
        }
        if !control.contains(*name) {
            faults.push(format!(
                "the control failed: `{}` does not reach `{name}` either, so this check proves nothing; is the \
                 name still right?",
                edge.control
            ));
        }
    }
    if !reached.contains(edge.of) {
        faults.push(format!("`cargo tree` did not list `{}` itself", edge.of));
    }
    faults
}

fn said(faults: &[String]) -> String {
    if faults.is_empty() { "ok".to_owned() } else { faults.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EDGE: Edge = Edge { of: "pure", never: &["tokio"], control: "binary", reason: "it is pure" };

    fn graph(crates: &[&str]) -> BTreeSet<String> {
        crates.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn crates_that_need_linux_say_so_before_anything_is_compiled() {
        for name in ["omni-libpython", "omni-server"] {
            let path = format!("{}/../crates/{name}/build.rs", env!("CARGO_MANIFEST_DIR"));
            let script = std::fs::read_to_string(path).expect("it has a build script");
            assert!(script.contains("\"CARGO_CFG_TARGET_OS\"") && script.contains("cargo::error="), "{name}");
        }
    }

    #[test]
    fn a_crate_without_the_forbidden_one_passes() {
        assert!(faults(&EDGE, &graph(&["pure", "serde"]), &graph(&["binary", "tokio"])).is_empty());
    }

    #[test]
    fn a_forbidden_crate_is_found_however_deep_it_lies() {
        let tree = "pure v0.1.0 (/somewhere/pure)\nbytes v1.9.0\ntokio v1.54.1 (*)\n";
        let faults = faults(&EDGE, &names(tree), &graph(&["binary", "tokio"]));
        assert_eq!(faults.len(), 1);
        assert!(faults[0].contains("`cargo tree -p pure -e normal -i tokio`"), "{faults:?}");
    }

    #[test]
    fn the_control_fails_when_nobody_has_the_forbidden_crate() {
        let faults = faults(&EDGE, &graph(&["pure"]), &graph(&["binary"]));
        assert_eq!(faults.len(), 1);
        assert!(faults[0].starts_with("the control failed"), "{faults:?}");
    }

    #[test]
    fn a_tree_that_lists_nothing_is_no_proof() {
        assert_eq!(faults(&EDGE, &graph(&[]), &graph(&["binary", "tokio"])).len(), 1);
    }
}
