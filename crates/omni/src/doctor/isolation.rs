//! What stands between the processes of tools, and between calls of `fork`.

use std::path::Path;

use anyhow::Result;
use omni_exec::ForkBorders;
use omni_process::{Isolation, namespaces};
use serde_json::{Value, json};

use super::finding::{Finding, Section};
use crate::executors::{self, LAUNCHER};
use crate::settings::{Places, RunSettings};

/// Starts a fork parent to find out, where there is a Python.
pub(super) fn examine(has_python: bool, places: &Places, settings: &RunSettings) -> Section {
    let isolation = match settings.isolation {
        Isolation::None => Err("`isolation` is `none`"),
        Isolation::Auto => namespaces(Path::new(LAUNCHER)),
    };
    let fork = has_python.then(|| executors::fork_borders(places, settings));
    let mut findings = vec![tools(isolation, settings.isolation)];
    findings.extend(fork.as_ref().map(|found| forked(isolation.is_ok(), found)));
    Section::of(findings)
        .with("isolation", if isolation.is_ok() { "namespaces" } else { "none" })
        .with("isolation_reason", isolation.err())
        .with("fork_isolation", fork.as_ref().map(fork_name))
        .with("fork_isolation_reason", fork.as_ref().map_or(Value::Null, fork_reason))
        .with("no_new_privileges", settings.isolation == Isolation::Auto)
}

/// Many machines have none, so it is no more than a fact.
fn tools(isolation: Result<(), &'static str>, wanted: Isolation) -> Finding {
    let found = match isolation {
        Ok(()) => Finding::fact("tools", "run in process-id namespaces of their own"),
        Err(reason) => {
            Finding::fact("tools", format!("run without namespaces of their own: {reason}")).note(
                "a tool can see and signal the server and other tools, and read their workers' memory; a daemon that has \
                 emptied its environment can outlive its call",
            )
        }
    };
    match wanted {
        Isolation::None => {
            found.note("set-user-id programs that a tool starts (`sudo`) gain their owner's rights")
        }
        Isolation::Auto => found,
    }
}

fn forked(namespaces: bool, found: &Result<ForkBorders>) -> Finding {
    let fact = |text: &str| Finding::fact("fork", text);
    match found {
        Ok(ForkBorders { reason: None, .. }) => {
            fact("gives each call a namespace of its own, and hides its memory")
        }
        Ok(ForkBorders { hides: true, reason }) => {
            let fact = fact("hides the memory of calls from each other, and ends what they leave");
            match reason.as_deref().filter(|_| namespaces) {
                Some(reason) => {
                    fact.note(format!("calls can see and signal each other and their parent: {reason}"))
                }
                None => fact,
            }
        }
        Ok(ForkBorders { hides: false, reason }) => {
            let reason = reason.as_deref().unwrap_or("for no reason that it says");
            fact(&format!("lets calls see, signal and read each other and their parent: {reason}"))
                .hint("use a Python with `ctypes`, or `executor: pool`")
        }
        Err(error) => fact(&format!("does not start: {error:#}")),
    }
}

fn fork_name(found: &Result<ForkBorders>) -> &'static str {
    match found {
        Ok(ForkBorders { reason: None, .. }) => "namespaces",
        Ok(ForkBorders { hides: true, .. }) => "hidden memory",
        Ok(_) | Err(_) => "none",
    }
}

fn fork_reason(found: &Result<ForkBorders>) -> Value {
    match found {
        Ok(borders) => json!(borders.reason),
        Err(error) => json!(format!("{error:#}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_tool_can_reach_is_said_with_what_follows() {
        let apart = tools(Ok(()), Isolation::Auto);
        assert_eq!((&*apart.text, apart.notes.len()), ("run in process-id namespaces of their own", 0));
        let together = tools(Err("`isolation` is `none`"), Isolation::None);
        assert!(together.text.ends_with("`isolation` is `none`"), "{together:?}");
        assert!(together.notes[0].contains("signal the server") && together.notes[1].contains("sudo"));
    }

    #[test]
    fn what_fork_keeps_apart_is_said_and_named() {
        let borders =
            |hides, reason: Option<&str>| Ok(ForkBorders { hides, reason: reason.map(str::to_owned) });
        for (found, name, text) in [
            (borders(true, None), "namespaces", "gives each call a namespace"),
            (borders(true, Some("no")), "hidden memory", "hides the memory"),
            (borders(false, Some("no")), "none", "lets calls see"),
            (Err(anyhow::anyhow!("no Python")), "none", "does not start: no Python"),
        ] {
            assert_eq!(fork_name(&found), name);
            assert!(forked(true, &found).text.starts_with(text), "{found:?}");
        }
        // Where no tool has a namespace, that calls of `fork` have none is no news.
        assert_eq!(forked(false, &borders(true, Some("no"))).notes, Vec::<String>::new());
    }
}
