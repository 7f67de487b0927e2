//! Async calls beside one that blocks the event loop they share: their deadlines hold, and none is lost that may be
//! run again.

mod support;

use std::time::Duration;

use omni_call::{OutcomeKind, Phase, Policy};
use serde_json::json;
use support::{Lab, Request, text, wait_gone};

fn sleeper(lab: &Lab, seconds: f64) -> Request {
    lab.call("async_sleeps").args(&json!({"seconds": seconds})).context()
}

#[tokio::test]
async fn a_block_does_not_outlive_the_deadline_of_a_neighbour() {
    let lab = Lab::pool();
    let mut neighbour = sleeper(&lab, 60.0).timeout(Duration::from_secs(2)).start();
    let pid = neighbour.pid().await;
    // Its own limit is half a minute away.
    let mut blocking = lab.call("async_blocks").context().start();
    blocking.pid().await;
    let outcome = neighbour.end().await.0;
    assert_eq!(outcome.kind, OutcomeKind::TimedOut { limit: Duration::from_secs(2) });
    wait_gone(pid).await;
    let outcome = blocking.end().await.0;
    assert!(matches!(outcome.kind, OutcomeKind::Lost { .. }), "{outcome:?}");
    assert_eq!(lab.call("async_echo").args(&json!({"text": "up"})).value().await, json!("up"));
    lab.finish().await;
}

#[tokio::test]
async fn neighbours_of_a_block_are_run_again_when_they_may_be() {
    let lab = Lab::governed();
    let again = Policy { repeatable: true, ..Policy::default() };
    let mut may = sleeper(&lab, 2.0).policy(again).start();
    let pid = may.pid().await;
    let mut may_not = sleeper(&lab, 60.0).start();
    may_not.pid().await;
    let mut blocking = lab.call("async_blocks").context().timeout(Duration::from_secs(1)).start();
    blocking.pid().await;
    let unstarted = lab.call("async_echo").args(&json!({"text": "x"})).start();
    let outcome = blocking.end().await.0;
    assert_eq!(outcome.kind, OutcomeKind::TimedOut { limit: Duration::from_secs(1) });
    assert!(outcome.stack.is_some_and(|stack| stack.contains(" in async_blocks")));
    wait_gone(pid).await;
    assert_eq!(text(&unstarted.end().await.0), "x");
    let outcome = may.end().await.0;
    assert_eq!((text(&outcome).as_str(), outcome.attempt), ("slept", 2));
    let outcome = may_not.end().await.0;
    assert!(matches!(outcome.kind, OutcomeKind::Lost { .. }), "{outcome:?}");
    assert_eq!(outcome.phase, Phase::Started);
    lab.finish().await;
}

#[tokio::test]
async fn calls_that_wait_behind_a_block_move_to_another_worker_and_the_block_may_go_on() {
    let lab = Lab::pool();
    let mut blocking = lab.call("async_blocks").args(&json!({"seconds": 6})).context().start();
    let blocked = blocking.pid().await;
    let behind: Vec<_> = (0..10).map(|_| lab.call("async_counts").start()).collect();
    let mut numbers = Vec::new();
    for call in behind {
        let outcome = call.end().await.0;
        assert_eq!(outcome.attempt, 1);
        let said: serde_json::Value = serde_json::from_str(&text(&outcome)).unwrap_or_default();
        assert_ne!(said["pid"], json!(blocked));
        numbers.push(said["n"].as_u64());
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=10).map(Some).collect::<Vec<_>>(), "each ran once");
    assert!(!blocking.task.is_finished());
    assert_eq!(text(&blocking.end().await.0), "went on");
    wait_gone(blocked).await;
    // What it had been sent did not run there in the end.
    assert_eq!(lab.call("async_counts").value().await["n"], 11);
    lab.finish().await;
}

#[tokio::test]
async fn a_skill_that_takes_long_to_import_is_no_block() {
    let lab = Lab::pool();
    lab.call("async_echo").args(&json!({"text": "the worker is ready"})).run().await;
    std::fs::write(
        lab.root().join("skills/lab/scripts/slow.py"),
        "import os, time\ntime.sleep(3)\nfrom omni import tool\n\n@tool\nasync def async_pid() -> int:\n    return os.getpid()\n",
    )
    .expect("a file in the lab's folder");
    let calls: Vec<_> = (0..5).map(|_| lab.call_in("slow.py", "async_pid").start()).collect();
    let mut pids = std::collections::HashSet::new();
    for call in calls {
        pids.insert(text(&call.end().await.0));
    }
    assert_eq!(pids.len(), 1);
    lab.finish().await;
}

#[tokio::test]
async fn a_worker_that_has_much_to_do_is_not_taken_for_a_blocked_one() {
    let lab = Lab::pool();
    let busy = |n: u32| lab.call("async_is_busy").args(&json!({"milliseconds": 20, "n": n}));
    busy(0).run().await;
    // Two seconds of work, of which the last call waits for nearly all.
    let calls: Vec<_> = (0..100).map(|n| busy(n).start()).collect();
    let mut pids = std::collections::HashSet::new();
    for call in calls {
        pids.insert(text(&call.end().await.0));
    }
    assert_eq!(pids.len(), 1);
    lab.finish().await;
}

#[tokio::test]
async fn a_call_that_comes_while_a_neighbour_is_told_to_end_does_not_share_its_fate() {
    let lab = Lab::pool();
    let mut ignoring = lab.call("async_ignores").context().timeout(Duration::from_secs(1)).start();
    let pid = ignoring.pid().await;
    let outcome = ignoring.end().await.0;
    assert_eq!(outcome.kind, OutcomeKind::TimedOut { limit: Duration::from_secs(1) });
    // The worker has not been given up yet, since the call may still obey.
    assert_eq!(sleeper(&lab, 1.0).value().await, json!("slept"));
    wait_gone(pid).await;
    lab.finish().await;
}
