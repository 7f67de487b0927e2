//! What only a fork parent and the processes it forks can get right or wrong.

mod support;

use std::collections::HashSet;

use omni_call::{ForkSettings, OutcomeKind};
use serde_json::{Value, json};
use support::{Lab, ProcessKind, parent, text, wait_gone, wait_until};

/// The process that forked the one which ran the call.
async fn fork_parent(lab: &Lab) -> i32 {
    let mut running = lab.call("sleeps").args(&json!({"seconds": 60})).context().start();
    let pid = running.pid().await;
    let parent = parent(pid);
    running.cancel().await;
    wait_gone(pid).await;
    parent
}

#[tokio::test]
async fn each_call_has_a_fresh_process_that_has_imported_the_skill_already() {
    let lab = Lab::fork();
    let first = lab.call("counts").value().await;
    let parent = fork_parent(&lab).await;
    assert_ne!(first["pid"], json!(parent));
    let mut pids = HashSet::new();
    // The first calls import the file by themselves; then its parent has it.
    for _ in 0..20 {
        let seen = lab.call("counts").value().await;
        assert_eq!(seen["n"], 1, "no call sees what another did to the module");
        pids.insert(seen["pid"].as_i64());
    }
    assert_eq!(pids.len(), 20);
    lab.finish().await;
}

#[tokio::test]
async fn a_process_serves_as_many_calls_as_it_may_and_is_then_replaced() {
    let lab = Lab::of(ProcessKind::Fork { ahead: 0, calls: 3 }, |_| {});
    let mut seen = Vec::new();
    for _ in 0..7 {
        seen.push(lab.call("counts").value().await["n"].as_u64());
    }
    assert_eq!(seen, [1, 2, 3, 1, 2, 3, 1].map(Some));
    lab.finish().await;
}

#[tokio::test]
async fn a_process_that_was_forked_ahead_waits_for_the_next_call_and_serves_only_that() {
    let lab = Lab::of(ProcessKind::FORK_AHEAD, |_| {});
    lab.call("counts").value().await;
    // A parent and two processes ahead of their call.
    wait_until("processes ahead", || lab.processes().len() == 3).await;
    let ahead: HashSet<i64> = lab.processes().into_iter().map(i64::from).collect();
    let mut pids = HashSet::new();
    let mut from_ahead = 0;
    for _ in 0..10 {
        let seen = lab.call("counts").value().await;
        assert_eq!(seen["n"], 1);
        from_ahead += i32::from(ahead.contains(&seen["pid"].as_i64().unwrap_or_default()));
        pids.insert(seen["pid"].as_i64());
    }
    assert_eq!(pids.len(), 10);
    assert!((0..=2).contains(&from_ahead), "each serves one call");
    lab.finish().await;
}

#[tokio::test]
async fn calls_run_at_the_same_time_and_each_gets_its_own_answer() {
    let lab = Lab::fork();
    let runs: Vec<_> =
        (0..24).map(|n| lab.call("echo").args(&json!({"text": format!("call {n}")})).start()).collect();
    for (n, run) in runs.into_iter().enumerate() {
        assert_eq!(text(&run.end().await.0), format!("call {n}"));
    }
    lab.finish().await;
}

#[tokio::test]
async fn a_killed_parent_is_replaced_and_costs_no_running_call() {
    let lab = Lab::fork();
    let mut running = lab.call("sleeps").args(&json!({"seconds": 1})).context().start();
    let pid = running.pid().await;
    let before = parent(pid);
    support::kill(before);
    wait_gone(before).await;
    assert_eq!(text(&running.end().await.0), "slept");
    assert_ne!(fork_parent(&lab).await, before);
    lab.finish().await;
}

#[tokio::test]
async fn how_a_process_ended_is_lost_with_its_parent_and_said_so() {
    let lab = Lab::fork();
    let mut running = lab.call("sleeps").args(&json!({"seconds": 60})).context().start();
    let pid = running.pid().await;
    let parent = parent(pid);
    support::kill(parent);
    wait_gone(parent).await;
    support::kill(pid);
    let (outcome, _) = running.end().await;
    assert!(
        matches!(&outcome.kind, OutcomeKind::Lost { message } if message.contains("fork parent")),
        "{outcome:?}"
    );
    lab.finish().await;
}

#[tokio::test]
async fn a_tool_that_kills_its_parent_harms_nobody_else() {
    let lab = Lab::fork();
    for _ in 0..3 {
        lab.call("kills_its_parent").run().await;
        assert_eq!(lab.call("echo").args(&json!({"text": "x"})).value().await, json!("x"));
    }
    lab.finish().await;
}

#[tokio::test]
async fn a_file_whose_import_starts_a_thread_is_left_to_its_calls() {
    let lab = Lab::fork();
    let scripts = lab.root().join("skills/lab/scripts");
    std::fs::write(
        scripts.join("threads.py"),
        "import os, threading\nLOOP = threading.Thread(target=threading.Event().wait, daemon=True)\nLOOP.start()\n\
         def alive():\n    return LOOP.is_alive()\n",
    )
    .unwrap_or_default();
    for _ in 0..10 {
        assert_eq!(lab.call_in("threads.py", "alive").value().await, Value::Bool(true));
    }
    lab.finish().await;
}

#[tokio::test]
async fn a_file_whose_import_opens_a_file_is_left_to_its_calls() {
    let lab = Lab::fork();
    let scripts = lab.root().join("skills/lab/scripts");
    std::fs::write(
        scripts.join("opens.py"),
        "import os\nFILE = open(__file__)\nBORN = os.getpid()\ndef own():\n    return BORN == os.getpid()\n",
    )
    .unwrap_or_default();
    for _ in 0..10 {
        assert_eq!(lab.call_in("opens.py", "own").value().await, Value::Bool(true));
    }
    lab.finish().await;
}

#[tokio::test]
async fn no_descriptor_is_lost_however_many_calls_are_made() {
    let lab = Lab::fork();
    for _ in 0..3 {
        lab.call("nothing").run().await;
    }
    let open = || std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    wait_until("the first processes to end", || lab.processes().len() == 1).await;
    let before = open();
    for _ in 0..60 {
        lab.call("nothing").run().await;
    }
    wait_until("the last processes to end", || lab.processes().len() == 1).await;
    wait_until("their descriptors to be closed", || open() <= before).await;
    let parent = lab.processes()[0];
    assert!(std::fs::read_dir(format!("/proc/{parent}/fd")).map_or(0, Iterator::count) < 12);
    lab.finish().await;
}

#[tokio::test]
async fn after_a_reload_all_that_is_forked_runs_the_skill_as_it_is_now() {
    for process in ProcessKind::FORKS {
        let ProcessKind::Fork { ahead, calls } = process else { continue };
        let settings = ForkSettings { ahead: Some(ahead), calls: Some(calls) };
        let (lab, fork) = Lab::fork_to_renew(|config| config.fork = settings);
        let version = || lab.call_in("edited.py", "version").value();
        lab.edit(1);
        for _ in 0..5 {
            assert_eq!(version().await, json!(1), "{process:?}");
        }
        let old = fork_parent(&lab).await;
        let mut under_way = lab.call("exits_later").args(&json!({"seconds": 1, "code": 5})).context().start();
        under_way.pid().await;
        lab.edit(2);
        fork.renew();
        for _ in 0..5 {
            assert_eq!(version().await, json!(2), "{process:?}");
        }
        // Its parent waits for it, to tell how it ends, and goes then.
        assert_eq!(under_way.end().await.0.kind, OutcomeKind::Exited { code: 5, message: None });
        wait_gone(old).await;
        drop(fork);
        lab.finish().await;
    }
}
