//! What forked calls can do to their parent, to each other, to those that wait for a call, and to the server: nothing,
//! and nothing that they start outlives them.
#![allow(clippy::disallowed_methods, reason = "a test runs what a user runs")]

mod support;

use std::time::Duration;

use omni_call::OutcomeKind;
use serde_json::json;
use support::{Lab, ProcessKind, Request, lives, text, wait_until};

/// Most of what is tried; `enters` needs rights besides.
const ATTACKS: [&str; 11] = [
    "affinity",
    "descriptors",
    "environ",
    "group",
    "limits",
    "maps",
    "mem",
    "reads_memory",
    "signal",
    "takes_a_descriptor",
    "trace",
];

/// What is about another's memory, which is closed also where processes can see each other.
const ON_MEMORY: [&str; 7] =
    ["descriptors", "environ", "maps", "mem", "reads_memory", "takes_a_descriptor", "trace"];

fn hostile(lab: &Lab, function: &str) -> Request {
    lab.call_in("hostile.py", function)
}

fn daemons(lab: &Lab) -> usize {
    lab.processes().iter().filter(|pid| command_line(**pid).contains("time.sleep(600)")).count()
}

fn command_line(pid: i32) -> String {
    String::from_utf8_lossy(&std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default()).into_owned()
}

async fn still_serves(lab: &Lab) {
    assert_eq!(lab.call("echo").args(&json!({"text": "a"})).value().await, "a");
}

/// The numbers of all that a hostile call might reach: those of this lab as they are out here, the server's, and every
/// small number that a namespace gives away, but for the namespace's own init.
fn victims(lab: &Lab) -> Vec<i32> {
    let server = i32::try_from(std::process::id()).unwrap_or_default();
    lab.processes().into_iter().chain([server]).chain(2..200).collect()
}

/// A call that runs, beside processes that wait where some are forked ahead. Ends well when its file is there.
async fn neighbour(lab: &Lab) -> (support::Running, std::path::PathBuf) {
    let go = lab.root().join("go");
    let mut running = hostile(lab, "waits_for").args(&json!({"path": go})).context().start();
    running.first_log().await;
    // The first call of each file imports it, and has what was forked before replaced.
    for _ in 0..3 {
        still_serves(lab).await;
    }
    (running, go)
}

#[tokio::test]
async fn a_forked_call_reaches_neither_its_parent_nor_a_sibling_nor_an_idle_one_nor_the_server() {
    for process in ProcessKind::FORKS {
        let Some(lab) = Lab::isolated(process) else { return };
        let own = hostile(&lab, "attacks_its_child").value().await;
        for attack in ATTACKS {
            assert!(own.as_array().is_some_and(|own| own.contains(&json!(attack))), "{attack}: {own}");
        }
        let (running, go) = neighbour(&lab).await;
        if process == ProcessKind::FORK_AHEAD {
            // A parent, the neighbour, and two that wait.
            wait_until("processes ahead", || lab.processes().len() >= 4).await;
        }
        let victims = victims(&lab);
        let succeeded = hostile(&lab, "attacks").args(&json!({"pids": victims})).value().await;
        assert_eq!(succeeded, json!([]), "{process:?}");
        let seen = hostile(&lab, "sees").value().await;
        assert_eq!(seen.as_array().map(Vec::len), Some(2), "{process:?}: only init and itself: {seen}");
        assert_eq!(hostile(&lab, "kills_everything").value().await, "done", "{process:?}");
        std::fs::write(go, "").expect("the lab's folder can be written to");
        assert_eq!(text(&running.end().await.0), "survived", "{process:?}");
        lab.finish().await;
    }
}

#[tokio::test]
async fn without_namespaces_no_forked_call_reads_the_memory_of_another() {
    if rustix::process::getuid().is_root() {
        eprintln!("not tested here: root may read every process's memory");
        return;
    }
    for process in ProcessKind::FORKS {
        let lab = Lab::of(process, |_| {});
        let (running, go) = neighbour(&lab).await;
        let succeeded =
            hostile(&lab, "attacks").args(&json!({"pids": lab.processes()})).value().await.to_string();
        for attack in ON_MEMORY {
            assert!(!succeeded.contains(attack), "{process:?}: {succeeded}");
        }
        std::fs::write(go, "").expect("the lab's folder can be written to");
        assert_eq!(text(&running.end().await.0), "survived", "{process:?}");
        lab.finish().await;
    }
}

/// With namespaces and without.
fn both(process: ProcessKind) -> impl Iterator<Item = Lab> {
    [Lab::isolated(process), Some(Lab::of(process, |_| {}))].into_iter().flatten()
}

#[tokio::test]
async fn twenty_daemons_without_parent_session_and_environment_end_with_their_call() {
    for process in ProcessKind::FORKS {
        for lab in both(process) {
            let path = lab.root().join("daemon");
            for _ in 0..2 {
                let left = hostile(&lab, "leaves_daemons").args(&json!({"count": 20, "path": path}));
                assert_eq!(text(&left.run().await), "done", "{process:?}");
                wait_until("the daemons to end", || daemons(&lab) == 0).await;
                for number in 0..20 {
                    let _ = std::fs::remove_file(lab.root().join(format!("daemon-{number}")));
                }
            }
            still_serves(&lab).await;
            lab.finish().await;
        }
    }
}

#[tokio::test]
async fn daemons_that_are_forked_and_nothing_else_end_with_their_call() {
    for process in [ProcessKind::FORK, ProcessKind::FORK_AHEAD] {
        for lab in both(process) {
            let path = lab.root().join("daemon");
            let left = hostile(&lab, "forks_daemons").args(&json!({"count": 20, "path": path}));
            assert_eq!(text(&left.run().await), "done", "{process:?}");
            still_serves(&lab).await;
            // The parent, and what waits for a call.
            wait_until("the daemons to end", || lab.processes().len() <= 3).await;
            lab.finish().await;
        }
    }
}

#[tokio::test]
async fn a_call_past_its_deadline_takes_its_daemons_along_and_no_neighbour() {
    for process in ProcessKind::FORKS {
        for lab in both(process) {
            let (running, go) = neighbour(&lab).await;
            let arguments = json!({"count": 3, "path": lab.root().join("daemon"), "seconds": 600});
            let request = hostile(&lab, "leaves_daemons").args(&arguments).context();
            let outcome = request.timeout(Duration::from_secs(2)).run().await;
            assert!(matches!(outcome.kind, OutcomeKind::TimedOut { .. }), "{process:?}: {outcome:?}");
            wait_until("the daemons to end", || daemons(&lab) == 0).await;
            std::fs::write(go, "").expect("the lab's folder can be written to");
            assert_eq!(text(&running.end().await.0), "survived", "{process:?}");
            lab.finish().await;
        }
    }
}

#[tokio::test]
async fn a_cancelled_call_takes_its_daemons_along() {
    for process in ProcessKind::FORKS {
        for lab in both(process) {
            let arguments = json!({"count": 3, "path": lab.root().join("daemon"), "seconds": 600});
            let mut running = hostile(&lab, "leaves_daemons").args(&arguments).context().start();
            running.first_log().await;
            running.cancel().await;
            wait_until("the daemons to end", || daemons(&lab) == 0).await;
            still_serves(&lab).await;
            lab.finish().await;
        }
    }
}

#[tokio::test]
async fn the_end_of_one_call_s_init_is_the_end_of_that_call_alone() {
    let Some(lab) = Lab::isolated(ProcessKind::FORK) else { return };
    still_serves(&lab).await;
    let (running, go) = neighbour(&lab).await;
    // The fork parent and the neighbour: whatever served the calls before is gone.
    wait_until("earlier calls' processes to end", || lab.processes().len() == 2).await;
    let others = lab.processes();
    let mut victim = lab.call("sleeps").args(&json!({"seconds": 600})).context().start();
    victim.first_log().await;
    // The next call's init may be on its way as well; it has nobody in its namespace.
    let init =
        lab.processes().into_iter().filter(|pid| !others.contains(pid)).find_map(|pid| init_of(&lab, pid));
    support::kill(init.expect("each call has an init"));
    assert_eq!(victim.end().await.0.kind, OutcomeKind::Signalled { signal: 9 });
    still_serves(&lab).await;
    std::fs::write(go, "").expect("the lab's folder can be written to");
    assert_eq!(text(&running.end().await.0), "survived");
    lab.finish().await;
}

/// The process that calls are forked from. Its children have its command line, and, once the kernel's numbers have begun
/// again from below, maybe lower numbers.
fn fork_parent(lab: &Lab) -> Option<i32> {
    let all = lab.processes();
    let of_fork = all.iter().copied().filter(|pid| command_line(*pid).contains("fork_parent"));
    of_fork.into_iter().find(|pid| !all.contains(&support::parent(*pid)))
}

/// The init of the namespace in which a forked call's process runs.
fn init_of(lab: &Lab, process: i32) -> Option<i32> {
    let parent = fork_parent(lab)?;
    let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok()?;
    let namespace = |pid: i32| std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let mut children = children.split_whitespace().filter_map(|pid| pid.parse().ok());
    children.find(|pid| {
        command_line(*pid).contains("call-init")
            && namespace(*pid).is_some()
            && namespace(*pid) == namespace(process)
    })
}

#[tokio::test]
async fn a_parent_that_dies_takes_no_call_along_and_leaves_nothing() {
    let Some(lab) = Lab::isolated(ProcessKind::FORK) else { return };
    let (running, go) = neighbour(&lab).await;
    let parent = fork_parent(&lab).expect("a call runs, so there is a parent");
    support::kill(parent);
    wait_until("the parent to end", || !lives(parent)).await;
    still_serves(&lab).await;
    std::fs::write(go, "").expect("the lab's folder can be written to");
    assert_eq!(text(&running.end().await.0), "survived");
    // The new parent, and nothing of the old one's namespace.
    wait_until("what the old parent has left to end", || lab.processes().len() == 1).await;
    lab.finish().await;
}

#[tokio::test]
async fn what_stands_between_forked_calls_is_told() {
    let (lab, fork) = Lab::fork_to_renew(|_| {});
    let borders = fork.borders().await.expect("a fork parent starts");
    assert!(borders.hides && borders.reason.is_some(), "{borders:?}");
    lab.finish().await;
    if Lab::isolated(ProcessKind::FORK).is_none() {
        return;
    }
    let (lab, fork) = Lab::fork_to_renew(|config| config.process.isolation = omni_process::Isolation::Auto);
    let borders = fork.borders().await.expect("a fork parent starts");
    assert_eq!(borders, omni_exec::ForkBorders { reason: None, hides: true });
    lab.finish().await;
}

#[tokio::test]
async fn a_python_without_ctypes_forks_all_the_same_and_says_what_is_open() {
    let package = tempfile::tempdir().expect("a temporary folder");
    let ours = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../python/src/omni");
    let copied = std::process::Command::new("cp").arg("-r").arg(ours).arg(package.path()).status();
    assert!(copied.is_ok_and(|status| status.success()));
    std::fs::write(package.path().join("ctypes.py"), "raise ImportError('none here')\n")
        .expect("the copy can be written to");
    let (lab, fork) = Lab::fork_to_renew(|config| {
        config.package_dir = package.path().to_owned();
        config.process.isolation = omni_process::Isolation::Auto;
    });
    let borders = fork.borders().await.expect("a fork parent starts");
    assert!(!borders.hides, "{borders:?}");
    assert!(borders.reason.is_some_and(|reason| reason.contains("`ctypes`") && reason.contains("none here")));
    // `tools.py` imports what is not there.
    lab.edit(1);
    for _ in 0..3 {
        assert_eq!(lab.call_in("edited.py", "version").value().await, 1);
    }
    lab.finish().await;
}
