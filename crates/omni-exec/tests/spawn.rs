//! What only a process per call can get right or wrong.

mod support;

use std::collections::HashSet;
use std::time::Duration;

use omni_call::{OutcomeKind, Phase};
use serde_json::json;
use support::{Lab, Running, text, wait_gone, wait_until};

#[tokio::test]
async fn every_call_has_a_process_of_its_own() {
    let lab = Lab::spawn();
    let mut pids = HashSet::new();
    for _ in 0..3 {
        let pid = lab.call("pid").value().await.as_i64().unwrap();
        pids.insert(pid);
        wait_gone(i32::try_from(pid).unwrap()).await;
    }
    assert_eq!(pids.len(), 3);
    lab.finish().await;
}

#[tokio::test]
async fn the_command_line_names_the_tool_and_none_of_its_arguments() {
    let lab = Lab::spawn();
    let request = lab.call("sleeps").args(&json!({"seconds": 60})).context();
    let mut running = request.start();
    let pid = running.pid().await;
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap();
    let words: Vec<&str> = std::str::from_utf8(&line).unwrap().trim_end_matches('\0').split('\0').collect();
    assert_eq!(words[1], "-c");
    assert!(words[2].contains("from omni.skills.run import main"), "{words:?}");
    assert_eq!(words[3..], ["lab", "sleeps", "--args", "-"]);
    running.cancel().await;
    wait_gone(pid).await;
    lab.finish().await;
}

#[tokio::test]
async fn async_tools_run_too() {
    let lab = Lab::spawn();
    assert_eq!(lab.call("async_echo").args(&json!({"text": "a"})).value().await, json!("a"));
    lab.finish().await;
}

#[tokio::test]
async fn processes_are_bounded_and_calls_wait_their_turn() {
    let lab = Lab::spawn_with(|config| config.spawned_max = 2);
    let runs: Vec<Running> = (0..6).map(|_| lab.call("pid").start()).collect();
    tokio::task::yield_now().await;
    wait_until("the first processes", || !lab.processes().is_empty()).await;
    assert!(lab.processes().len() <= 2);
    for run in runs {
        text(&run.end().await.0);
    }
    lab.finish().await;
}

#[tokio::test]
async fn a_call_whose_time_runs_out_while_it_waits_never_starts() {
    let lab = Lab::spawn_with(|config| config.spawned_max = 1);
    let request = lab.call("sleeps").args(&json!({"seconds": 60})).context();
    let mut first = request.start();
    first.pid().await;
    let outcome = lab.call("nothing").timeout(Duration::from_millis(100)).run().await;
    assert!(matches!(outcome.kind, OutcomeKind::TimedOut { .. }), "{outcome:?}");
    assert_eq!(outcome.phase, Phase::Queued);
    first.cancel().await;
    lab.finish().await;
}

#[tokio::test]
async fn a_process_that_will_not_go_after_its_result_is_ended() {
    let lab = Lab::spawn();
    assert_eq!(lab.call("lingers").value().await, json!("done"));
    wait_until("the process to be ended", || lab.processes().is_empty()).await;
    lab.finish().await;
}
