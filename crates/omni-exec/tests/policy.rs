//! What a tool's author declares about its calls, with real workers: retries, cached results, limits on how many
//! run at once, state that stays with one worker, and the pause for tools that crash.

mod support;

use std::sync::Arc;
use std::time::Duration;

use omni_call::{Affinity, CallResult, OutcomeKind, Policy, ToolResult};
use serde_json::{Value, json};
use support::{Lab, Request, text};

fn retrying(max_attempts: Option<u32>) -> Policy {
    Policy { retry_on: vec!["OSError".into()], max_attempts, ..Policy::default() }
}

fn failing(lab: &Lab, times: u32, how: &str) -> Request {
    let path = lab.root().join("runs");
    lab.call("fails_at_first").args(&json!({"path": path, "times": times, "how": how}))
}

fn meta(kind: &OutcomeKind) -> Value {
    let OutcomeKind::Finished(CallResult::Tool(ToolResult { meta, .. })) = kind else {
        panic!("not finished: {kind:?}")
    };
    meta.as_deref().map_or(Value::Null, |meta| serde_json::from_slice(meta).unwrap_or_default())
}

#[tokio::test]
async fn a_named_exception_is_tried_again_and_the_result_says_so() {
    let lab = Lab::governed();
    let outcome = failing(&lab, 2, "raise").policy(retrying(None)).run().await;
    assert_eq!(text(&outcome), "3");
    assert_eq!((outcome.attempt, meta(&outcome.kind)["omni/attempt"].as_u64()), (3, Some(3)));
    lab.finish().await;
}

#[tokio::test]
async fn the_last_attempt_s_failure_is_the_answer() {
    let lab = Lab::governed();
    let outcome = failing(&lab, 9, "raise").policy(retrying(Some(2))).run().await;
    assert!(
        matches!(&outcome.kind, OutcomeKind::ToolError { kind, .. } if kind == "ConnectionResetError"),
        "{outcome:?}"
    );
    assert_eq!(outcome.attempt, 2);
    assert_eq!(std::fs::read_to_string(lab.root().join("runs")).ok().as_deref(), Some("xx"));
    lab.finish().await;
}

#[tokio::test]
async fn a_crash_is_tried_again_only_where_the_author_says_that_it_may() {
    let lab = Lab::governed();
    let outcome = failing(&lab, 1, "crash").run().await;
    assert!(matches!(outcome.kind, OutcomeKind::Signalled { signal: 9 }), "{outcome:?}");
    let again = Policy { repeatable: true, ..Policy::default() };
    std::fs::remove_file(lab.root().join("runs")).ok();
    let outcome = failing(&lab, 1, "crash").policy(again).run().await;
    assert_eq!((text(&outcome).as_str(), outcome.attempt), ("2", 2));
    lab.finish().await;
}

#[tokio::test]
async fn attempts_end_with_the_call_s_one_deadline() {
    let lab = Lab::governed();
    let patient = failing(&lab, 1_000, "raise").policy(retrying(Some(10)));
    let outcome = patient.timeout(Duration::from_millis(300)).run().await;
    assert!(outcome.attempt < 10, "{outcome:?}");
    lab.finish().await;
}

#[tokio::test]
async fn a_result_answers_equal_arguments_until_its_time_is_over() {
    let lab = Lab::governed();
    let cached = Policy { cache_ttl_ms: Some(60_000), ..Policy::default() };
    let spec = Arc::new(lab.call("counts").policy(cached).spec);
    let first = lab.call("counts").with(&spec).run().await;
    let second = lab.call("counts").with(&spec).session("another").run().await;
    assert_eq!(text(&first), text(&second));
    assert_eq!(meta(&first.kind), Value::Null);
    assert!(meta(&second.kind)["omni/cached"]["age_ms"].is_u64(), "{second:?}");
    let brief = Policy { cache_ttl_ms: Some(1), ..Policy::default() };
    let spec = Arc::new(lab.call("counts").policy(brief).spec);
    let first = lab.call("counts").with(&spec).run().await;
    support::wait_until("the result to grow old", {
        let began = std::time::Instant::now();
        move || began.elapsed() > Duration::from_millis(2)
    })
    .await;
    assert_ne!(text(&first), text(&lab.call("counts").with(&spec).run().await));
    lab.finish().await;
}

#[tokio::test]
async fn a_failure_is_never_kept() {
    let lab = Lab::governed();
    let cached = Policy { cache_ttl_ms: Some(60_000), ..Policy::default() };
    let spec = Arc::new(failing(&lab, 1, "raise").policy(cached).spec);
    let outcome = failing(&lab, 1, "raise").with(&spec).run().await;
    assert!(matches!(outcome.kind, OutcomeKind::ToolError { .. }), "{outcome:?}");
    assert_eq!(text(&failing(&lab, 1, "raise").with(&spec).run().await), "2");
    lab.finish().await;
}

#[tokio::test]
async fn a_tool_runs_no_more_often_at_once_than_it_declares() {
    let lab = Lab::governed();
    let one = Policy { concurrency: Some(1), ..Policy::default() };
    let mut running = lab.call("obeys").policy(one.clone()).context().start();
    running.pid().await;
    let spec = lab.call("obeys").policy(one.clone()).context();
    let waited = spec.timeout(Duration::from_millis(100)).run().await;
    assert!(matches!(waited.kind, OutcomeKind::TimedOut { .. }), "{waited:?}");
    assert_eq!(waited.phase, omni_call::Phase::Queued);
    // Another tool does not wait, and the place is free once the call has left it.
    assert_eq!(lab.call("echo").args(&json!({"text": "x"})).value().await, json!("x"));
    running.cancel().await;
    let mut next = lab.call("obeys").policy(one).context().start();
    next.pid().await;
    next.cancel().await;
    lab.finish().await;
}

#[tokio::test]
async fn calls_of_a_skill_with_state_meet_in_one_worker_sync_and_async_alike() {
    let lab = Lab::governed();
    let single = Policy { affinity: Some(Affinity::Single), ..Policy::default() };
    let mut seen = Vec::new();
    for (tool, session) in [("counts", "a"), ("async_counts", "b"), ("counts", "c")] {
        seen.push(lab.call(tool).policy(single.clone()).session(session).value().await);
    }
    let pid = &seen[0]["pid"];
    assert!(seen.iter().all(|seen| &seen["pid"] == pid), "{seen:?}");
    assert_eq!(seen.iter().map(|seen| seen["n"].as_u64()).collect::<Vec<_>>(), [Some(1), Some(2), Some(3)]);
    lab.finish().await;
}

#[tokio::test]
async fn each_session_has_state_of_its_own_and_learns_when_it_is_lost() {
    let lab = Lab::governed();
    let own = Policy { affinity: Some(Affinity::Session), ..Policy::default() };
    let count = |session| lab.call("counts").policy(own.clone()).session(session);
    let numbers = [count("a").value().await, count("b").value().await, count("a").value().await];
    assert_eq!(numbers.map(|seen| seen["n"].as_u64()), [Some(1), Some(1), Some(2)]);
    let crash = lab.call("os_exit").args(&json!({"code": 3})).policy(own.clone()).session("a");
    assert!(matches!(crash.run().await.kind, OutcomeKind::Exited { code: 3, .. }));
    let after = count("a").run().await;
    assert_eq!(meta(&after.kind)["omni/state"], "lost");
    assert_eq!(meta(&count("a").run().await.kind), Value::Null, "said once");
    assert_eq!(count("b").value().await["n"], 2, "the other session has lost nothing");
    lab.finish().await;
}

#[tokio::test]
async fn a_tool_that_crashes_three_times_gets_a_pause_and_no_other_does() {
    let lab = Lab::governed();
    for _ in 0..3 {
        let outcome = lab.call("segfault").run().await;
        assert!(matches!(outcome.kind, OutcomeKind::Signalled { signal: 11 }), "{outcome:?}");
    }
    let refused = lab.call("segfault").run().await;
    let OutcomeKind::Quarantined { retry_after } = refused.kind else { panic!("{refused:?}") };
    assert!(retry_after > Duration::ZERO && retry_after <= Duration::from_secs(30));
    assert_eq!(lab.call("echo").args(&json!({"text": "x"})).value().await, json!("x"));
    lab.finish().await;
}
