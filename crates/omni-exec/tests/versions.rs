//! A call that names a version of its skill's code runs that one or none, in every executor, also where nobody has told the
//! executor that the files have changed.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![allow(clippy::disallowed_methods, reason = "what starts Python here asks it for a digest, and waits")]

mod support;

use std::path::PathBuf;
use std::process::Command;

use omni_call::OutcomeKind;
use serde_json::json;
use support::{Lab, Request, text};

/// The version of the skill's code that is in its folder.
fn digest(lab: &Lab) -> String {
    let package = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../python/src"));
    let code = "import sys; from omni.skill_digest import read_skill; print(read_skill(sys.argv[1])[0])";
    let mut python = Command::new(support::python());
    python.args(["-c", code]).arg(lab.root().join("skills/lab")).env("PYTHONPATH", package);
    let output = python.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn meaning(lab: &Lab, tool: &str, digest: &str) -> Request {
    lab.call_in("edited.py", tool).meaning(digest)
}

/// The version that ran; `None` where none did.
async fn ran(request: Request) -> Option<u32> {
    let outcome = request.run().await;
    match outcome.kind {
        OutcomeKind::Stale { otherwise: None } => None,
        OutcomeKind::Finished(_) => Some(text(&outcome).parse().unwrap()),
        _ => panic!("{outcome:?}"),
    }
}

async fn each_call_runs_the_version_that_it_names(lab: Lab, tool: &str) {
    lab.edit(1);
    let mut meant = digest(&lab);
    assert_eq!(ran(meaning(&lab, tool, &meant)).await, Some(1));
    for version in 2..5 {
        lab.edit(version);
        // What its process has imported may run on for who means it; the new code is nothing that it means.
        let before = ran(meaning(&lab, tool, &meant)).await;
        assert!(before.is_none_or(|ran| ran == version - 1), "{before:?} for {}", version - 1);
        meant = digest(&lab);
        // A process that has the old code says so and goes, so that each is met once at most.
        let mut tries = 0;
        let ran = loop {
            tries += 1;
            if let Some(ran) = ran(meaning(&lab, tool, &meant)).await {
                break ran;
            }
            assert!(tries < 20, "it is stale for ever");
        };
        assert_eq!(ran, version);
        assert_eq!(json!(ran), meaning(&lab, tool, &meant).value().await, "and from then on");
    }
    assert_eq!(ran(meaning(&lab, tool, "no such version")).await, None);
    lab.finish().await;
}

#[tokio::test]
async fn the_pool_runs_the_version_that_a_call_names() {
    each_call_runs_the_version_that_it_names(Lab::pool(), "version").await;
}

#[tokio::test]
async fn the_worker_that_async_calls_share_runs_the_version_that_a_call_names() {
    each_call_runs_the_version_that_it_names(Lab::pool(), "async_version").await;
}

#[tokio::test]
async fn a_forked_process_runs_the_version_that_a_call_names() {
    each_call_runs_the_version_that_it_names(Lab::fork(), "version").await;
}

#[tokio::test]
async fn a_process_of_its_own_runs_the_version_that_a_call_names() {
    each_call_runs_the_version_that_it_names(Lab::spawn(), "version").await;
}

#[tokio::test]
async fn the_interpreter_inside_runs_the_version_that_a_call_names() {
    each_call_runs_the_version_that_it_names(Lab::embedded(), "version").await;
}

#[tokio::test]
async fn a_program_that_is_not_there_is_not_started() {
    let lab = Lab::spawn();
    let outcome = lab.call("gone").program(&["scripts/gone.sh"]).run().await;
    let OutcomeKind::Stale { otherwise: Some(otherwise) } = outcome.kind else { panic!("{outcome:?}") };
    assert!(matches!(*otherwise, OutcomeKind::WorkerStart { .. }), "{otherwise:?}");
    lab.finish().await;
}
