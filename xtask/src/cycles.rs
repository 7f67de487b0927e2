//! Which modules of a crate import each other in a circle, and which of those may.
//!
//! A circle is a set of files each of which takes a name from another of them, directly or on the way round.
//! Nobody can read, test or move one of its files alone. Where a recursion is the subject itself, each file
//! says so in its first comment, in a sentence that begins with [`SENTENCE`].

mod graph;
mod house;
mod paths;

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result};

use crate::tally::Tally;
use crate::toolbox::Workspace;
use graph::Circle;
use house::House;

/// The circles whose subject is a recursion, each by all its files.
const ACCEPTED: &[&[&str]] = &[
    // Values of Python expressions.
    &[
        "crates/omni-scan/src/enum_members.rs",
        "crates/omni-scan/src/evaluator.rs",
        "crates/omni-scan/src/default_objects.rs",
    ],
];

/// More than these would mean that a circle is easier to accept than to break.
const ACCEPTED_MAX: usize = 4;
const _: () = assert!(ACCEPTED.len() <= ACCEPTED_MAX);

/// How the sentence begins that gives the reason for a circle, in the first comment of each of its files.
const SENTENCE: &str = "A module cycle on purpose:";

/// Checks every crate; each counts as one, and so do the accepted circles and the control.
pub(crate) fn check(workspace: &Workspace) -> Result<Tally> {
    let text = |file: &str| fs::read_to_string(workspace.root.join(file)).ok();
    let mut tally = Tally::one(report("a made-up circle", &control()?));
    let mut found = Vec::new();
    for root in roots(workspace)? {
        let house = House::read(&root, &text)?;
        let circles = graph::circles(&house.uses());
        let faults: Vec<String> =
            circles.iter().filter_map(|circle| fault(circle, ACCEPTED, &text)).collect();
        let ok = report(&format!("{root}, {} files", house.files().len()), &faults);
        tally += Tally::one(ok);
        found.extend(circles);
    }
    tally += Tally::one(report("the accepted circles", &gone(ACCEPTED, &found)));
    Ok(tally)
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

/// What is wrong with a circle: that it is there, or that it is accepted and a file of it does not say why.
fn fault(circle: &Circle, accepted: &[&[&str]], text: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    if !accepted.iter().any(|files| circle.is(files)) {
        return Some(format!(
            "{circle}\n  move what is taken the wrong way to a file of its own, below both; only where a \
             recursion is the subject itself, add the circle to `ACCEPTED` in xtask/src/cycles.rs and say why in \
             each file (`//! {SENTENCE} …`)"
        ));
    }
    let silent = |file: &&String| !says_why(&text(file).unwrap_or_default());
    let silent: Vec<&String> = circle.files().filter(silent).collect();
    (!silent.is_empty()).then(|| {
        format!("the first comment does not say why (`//! {SENTENCE} …`) in {silent:?}, which form a circle")
    })
}

/// Whether the file's first comment has the sentence, with something behind it.
fn says_why(source: &str) -> bool {
    let comment = source.lines().map_while(|line| line.strip_prefix("//!")).collect::<Vec<_>>().join("");
    comment.split_once(SENTENCE).is_some_and(|(_, reason)| !reason.trim().is_empty())
}

/// The accepted circles that are no more: their entry must not wait for the next one.
fn gone(accepted: &[&[&str]], found: &[Circle]) -> Vec<String> {
    let gone = accepted.iter().filter(|files| !found.iter().any(|circle| circle.is(files)));
    gone.map(|files| format!("{files:?} form no circle any more: take them from `ACCEPTED`")).collect()
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
    let circles = graph::circles(&House::read("src/lib.rs", &text)?.uses());
    let files: BTreeSet<&String> = circles.iter().flat_map(Circle::files).collect();
    let right = circles.len() == 1 && files.iter().map(|file| file.as_str()).eq(["src/a.rs", "src/b.rs"]);
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

    fn circle() -> Circle {
        let text = |file: &str| {
            Some(match file {
                "src/lib.rs" => "mod a;\nmod b;".to_owned(),
                "src/a.rs" => "use super::b::B;\npub struct A;".to_owned(),
                "src/b.rs" => "use super::a::A;\npub struct B;".to_owned(),
                _ => return None,
            })
        };
        graph::circles(&House::read("src/lib.rs", &text).unwrap().uses()).remove(0)
    }

    fn saying(sentence: &'static str) -> impl Fn(&str) -> Option<String> {
        move |_| Some(format!("//! What this is.\n//!\n//! {sentence}\n\nfn f() {{}}"))
    }

    #[test]
    fn a_circle_that_nobody_accepted_is_a_fault_that_names_what_ties_it() {
        let fault = fault(&circle(), &[], &saying("")).unwrap();
        assert!(
            fault.contains("src/a.rs -> src/b.rs: B") && fault.contains("src/b.rs -> src/a.rs: A"),
            "{fault}"
        );
    }

    #[test]
    fn an_accepted_circle_needs_its_reason_in_each_file() {
        let reason = "A module cycle on purpose: a type holds types.";
        assert_eq!(fault(&circle(), &[ROOM], &saying(reason)), None);
        for empty in ["", "A module cycle on purpose:", "A cycle on purpose: a type holds types."] {
            let fault = fault(&circle(), &[ROOM], &saying(empty)).unwrap();
            assert!(fault.contains("src/a.rs") && fault.contains("src/b.rs"), "{empty}: {fault}");
        }
    }

    #[test]
    fn a_circle_that_grew_is_not_the_accepted_one() {
        assert!(fault(&circle(), &[&["src/a.rs", "src/b.rs", "src/c.rs"]], &saying("")).is_some());
        assert!(fault(&circle(), &[&["src/a.rs"]], &saying("")).is_some());
    }

    #[test]
    fn an_accepted_circle_that_is_no_more_is_a_fault() {
        assert!(gone(&[ROOM], &[circle()]).is_empty());
        assert_eq!(gone(&[ROOM], &[]).len(), 1);
    }

    #[test]
    fn the_made_up_circle_is_found() {
        assert!(control().unwrap().is_empty());
    }
}
