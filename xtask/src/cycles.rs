//! Which modules of a crate import each other in a cycle, and which of those may.
//!
//! A cycle is a set of files each of which takes a name from another of them, directly or on the way round.
//! Nobody can read, test or move one of its files alone. Where a recursion is the subject itself, each file
//! says so in its first comment, in a sentence that begins with [`SENTENCE`].

mod crate_modules;
mod module_graph;
mod paths;

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result};

use crate::test_counts::TestCounts;
use crate::workspace::Workspace;
use crate_modules::CrateModules;
use module_graph::ModuleCycle;

/// The cycles whose subject is a recursion, each by all its files.
const ACCEPTED: &[&[&str]] = &[
    // Values of Python expressions.
    &[
        "crates/omni-scan/src/enum_members.rs",
        "crates/omni-scan/src/evaluator.rs",
        "crates/omni-scan/src/default_objects.rs",
    ],
];

/// More than these would mean that a cycle is easier to accept than to break.
const ACCEPTED_MAX: usize = 4;
const _: () = assert!(ACCEPTED.len() <= ACCEPTED_MAX);

/// How the sentence begins that gives the reason for a cycle, in the first comment of each of its files.
const SENTENCE: &str = "A module cycle on purpose:";

/// Checks every crate; each counts as one, and so do the accepted cycles and the control.
pub(crate) fn check(workspace: &Workspace) -> Result<TestCounts> {
    let text = |file: &str| fs::read_to_string(workspace.root.join(file)).ok();
    let mut counts = TestCounts::one(report("a made-up cycle", &control()?));
    let mut found = Vec::new();
    for root in roots(workspace)? {
        let modules = CrateModules::read(&root, &text)?;
        let cycles = module_graph::cycles(&modules.uses());
        let faults: Vec<String> = cycles.iter().filter_map(|cycle| fault(cycle, ACCEPTED, &text)).collect();
        let ok = report(&format!("{root}, {} files", modules.files().len()), &faults);
        counts += TestCounts::one(ok);
        found.extend(cycles);
    }
    counts += TestCounts::one(report("the accepted cycles", &gone(ACCEPTED, &found)));
    Ok(counts)
}

/// The root files of the workspace's crates: `src/lib.rs`, `src/main.rs` or both.
fn roots(workspace: &Workspace) -> Result<Vec<String>> {
    let mut crates = vec!["xtask".to_owned()];
    for entry in workspace.root.join("crates").read_dir().context("`crates/` cannot be listed")? {
        crates.push(format!("crates/{}", entry?.file_name().to_string_lossy()));
    }
    crates.sort();
    let files = crates.iter().flat_map(|name| ["lib", "main"].map(|root| format!("{name}/src/{root}.rs")));
    Ok(files.filter(|file| workspace.root.join(file).is_file()).collect())
}

/// What is wrong with a cycle: that it is there, or that it is accepted and a file of it does not say why.
fn fault(cycle: &ModuleCycle, accepted: &[&[&str]], text: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    if !accepted.iter().any(|files| cycle.is(files)) {
        return Some(format!(
            "{cycle}\n  move what is taken the wrong way to a file of its own, below both; only where a \
             recursion is the subject itself, add the cycle to `ACCEPTED` in xtask/src/cycles.rs and say why in \
             each file (`//! {SENTENCE} …`)"
        ));
    }
    let silent = |file: &&String| !says_why(&text(file).unwrap_or_default());
    let silent: Vec<&String> = cycle.files().filter(silent).collect();
    (!silent.is_empty()).then(|| {
        format!("the first comment does not say why (`//! {SENTENCE} …`) in {silent:?}, which form a cycle")
    })
}

/// Whether the file's first comment has the sentence, with something behind it.
fn says_why(source: &str) -> bool {
    let comment = source.lines().map_while(|line| line.strip_prefix("//!")).collect::<Vec<_>>().join("");
    comment.split_once(SENTENCE).is_some_and(|(_, reason)| !reason.trim().is_empty())
}

/// The accepted cycles that are no more: their entry must not wait for the next one.
fn gone(accepted: &[&[&str]], found: &[ModuleCycle]) -> Vec<String> {
    let gone = accepted.iter().filter(|files| !found.iter().any(|cycle| cycle.is(files)));
    gone.map(|files| format!("{files:?} form no cycle any more: take them from `ACCEPTED`")).collect()
}

/// Two files that take from each other through what their parent hands on: not to find them means that the
/// check finds nothing.
fn control() -> Result<Vec<String>> {
    let text = |file: &str| {
        Some(match file {
            "src/lib.rs" => "mod a;\nmod b;\npub use a::A;".to_owned(),
            "src/a.rs" => "use super::b;\npub struct A;\nfn f() { b::g() }".to_owned(),
            "src/b.rs" => "use crate::A;\npub(crate) fn g() -> A {}".to_owned(),
            _ => return None,
        })
    };
    let cycles = module_graph::cycles(&CrateModules::read("src/lib.rs", &text)?.uses());
    let files: BTreeSet<&String> = cycles.iter().flat_map(ModuleCycle::files).collect();
    let right = cycles.len() == 1 && files.iter().map(|file| file.as_str()).eq(["src/a.rs", "src/b.rs"]);
    Ok(if right { Vec::new() } else { vec![format!("the control failed: of it was found {files:?}")] })
}

/// Prints how it went; `true` when nothing is wrong.
fn report(what: &str, faults: &[String]) -> bool {
    if faults.is_empty() {
        println!("{what}: ok");
    }
    for fault in faults {
        println!("{what}: {fault}");
    }
    faults.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: &[&str] = &["src/a.rs", "src/b.rs"];

    fn cycle() -> ModuleCycle {
        let text = |file: &str| {
            Some(match file {
                "src/lib.rs" => "mod a;\nmod b;".to_owned(),
                "src/a.rs" => "use super::b::B;\npub struct A;".to_owned(),
                "src/b.rs" => "use super::a::A;\npub struct B;".to_owned(),
                _ => return None,
            })
        };
        module_graph::cycles(&CrateModules::read("src/lib.rs", &text).unwrap().uses()).remove(0)
    }

    fn saying(sentence: &'static str) -> impl Fn(&str) -> Option<String> {
        move |_| Some(format!("//! What this is.\n//!\n//! {sentence}\n\nfn f() {{}}"))
    }

    #[test]
    fn a_cycle_that_nobody_accepted_is_a_fault_that_names_what_ties_it() {
        let fault = fault(&cycle(), &[], &saying("")).unwrap();
        assert!(
            fault.contains("src/a.rs -> src/b.rs: B") && fault.contains("src/b.rs -> src/a.rs: A"),
            "{fault}"
        );
    }

    #[test]
    fn an_accepted_cycle_needs_its_reason_in_each_file() {
        let reason = "A module cycle on purpose: a type holds types.";
        assert_eq!(fault(&cycle(), &[ROOM], &saying(reason)), None);
        for empty in ["", "A module cycle on purpose:", "A cycle on purpose: a type holds types."] {
            let fault = fault(&cycle(), &[ROOM], &saying(empty)).unwrap();
            assert!(fault.contains("src/a.rs") && fault.contains("src/b.rs"), "{empty}: {fault}");
        }
    }

    #[test]
    fn a_cycle_that_grew_is_not_the_accepted_one() {
        assert!(fault(&cycle(), &[&["src/a.rs", "src/b.rs", "src/c.rs"]], &saying("")).is_some());
        assert!(fault(&cycle(), &[&["src/a.rs"]], &saying("")).is_some());
    }

    #[test]
    fn an_accepted_cycle_that_is_no_more_is_a_fault() {
        assert!(gone(&[ROOM], &[cycle()]).is_empty());
        assert_eq!(gone(&[ROOM], &[]).len(), 1);
    }

    #[test]
    fn the_made_up_cycle_is_found() {
        assert!(control().unwrap().is_empty());
    }
}
