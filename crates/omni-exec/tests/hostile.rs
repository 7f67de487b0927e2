//! Tools that mean harm: to the process they run in, to the server, to their neighbours. After each the next call is
//! fine, and nothing of them is left.

#![expect(clippy::unwrap_used, reason = "a panic here is the report of a failure")]

mod support;

use omni_call::{ErrorDetail, Outcome, OutcomeKind};
use serde_json::{Value, json};
use support::{Lab, Request, lives, text, wait_until};

fn hostile(lab: &Lab, function: &str) -> Request {
    lab.call_in("hostile.py", function)
}

/// What the result says about the worker.
fn replaced(outcome: &Outcome) -> Vec<String> {
    let result = outcome.clone().into_result("lab.x", ErrorDetail::Full);
    let meta: Value = serde_json::from_slice(result.meta.as_deref().unwrap_or(b"{}")).unwrap();
    let findings = meta["omni/worker"]["replaced"].as_array().cloned().unwrap_or_default();
    findings.iter().map(|finding| finding.as_str().unwrap().to_owned()).collect()
}

async fn pid(lab: &Lab) -> i64 {
    hostile(lab, "pid").value().await.as_i64().unwrap()
}

#[tokio::test]
async fn what_would_hurt_the_next_call_is_said_and_the_worker_replaced() {
    for (function, finding) in [
        ("patches_os", "`os."),
        ("patches_json", "`json."),
        ("patches_socket", "`socket."),
        ("patches_builtins", "`builtins."),
        ("leaves_a_thread", "thread"),
    ] {
        let lab = Lab::pool();
        let before = pid(&lab).await;
        let outcome = hostile(&lab, function).run().await;
        assert_eq!(text(&outcome), "done", "{function}");
        assert!(replaced(&outcome).iter().any(|found| found.contains(finding)), "{function}: {outcome:?}");
        let other = lab.call("echo").args(&json!({"text": "a"})).run().await;
        assert_eq!((text(&other).as_str(), replaced(&other)), ("a", vec![]), "{function}");
        assert_ne!(pid(&lab).await, before, "{function}");
        lab.finish().await;
    }
}

#[tokio::test]
async fn what_can_be_put_back_is_and_the_worker_goes_on() {
    let lab = Lab::pool();
    let state = hostile(&lab, "state").value().await;
    for function in ["masks_signals", "takes_signals", "changes_the_process"] {
        let before = pid(&lab).await;
        let outcome = hostile(&lab, function).run().await;
        assert_eq!((text(&outcome).as_str(), replaced(&outcome)), ("done", vec![]), "{function}");
        assert_eq!(hostile(&lab, "state").value().await, state, "{function}");
        assert_eq!(pid(&lab).await, before, "{function}");
        // The server's own signal still reaches the tool.
        let mut sleeping = lab.call("sleeps").args(&json!({"seconds": 600})).context().start();
        sleeping.pid().await;
        sleeping.cancel().await;
    }
    lab.finish().await;
}

#[tokio::test]
async fn calls_that_were_sent_ahead_never_run_on_a_worker_that_was_changed() {
    let lab = Lab::pool_with(|config| config.workers_max = 1);
    let before = pid(&lab).await;
    let echo = std::sync::Arc::new(hostile(&lab, "pid").spec);
    for _ in 0..50 {
        // Short calls, so that those in line are sent ahead.
        hostile(&lab, "pid").with(&echo).run().await;
    }
    let first = hostile(&lab, "patches_os").start();
    let others: Vec<_> = (0..20).map(|_| hostile(&lab, "state").start()).collect();
    assert_eq!(text(&first.end().await.0), "done");
    for other in others {
        let (outcome, _) = other.end().await;
        assert!(text(&outcome).contains("umask"), "{outcome:?}");
    }
    assert_ne!(pid(&lab).await, before);
    lab.finish().await;
}

#[tokio::test]
async fn a_tool_that_closes_every_descriptor_loses_its_own_result_at_most() {
    let lab = Lab::pool();
    pid(&lab).await;
    let _ = hostile(&lab, "closes_descriptors").run().await;
    assert_eq!(lab.call("echo").args(&json!({"text": "a"})).value().await, "a");
    lab.finish().await;
}

#[tokio::test]
async fn a_daemon_without_parent_session_and_environment_is_found_and_ended() {
    let lab = Lab::pool();
    let path = lab.root().join("daemon");
    let outcome = hostile(&lab, "leaves_a_daemon").args(&json!({"path": path})).run().await;
    assert_eq!(text(&outcome), "done");
    let daemon = std::fs::read_to_string(&path).unwrap().parse().unwrap();
    assert_eq!(replaced(&outcome), ["1 process(es) were left running"]);
    wait_until("the daemon to end", || !lives(daemon)).await;
    assert_eq!(lab.call("echo").args(&json!({"text": "a"})).value().await, "a");
    lab.finish().await;
}

#[tokio::test]
async fn what_a_tool_writes_to_the_channel_is_nobody_s_answer() {
    for function in ["forges_a_result", "writes_noise"] {
        let lab = Lab::pool();
        let before = pid(&lab).await;
        // The second call of this worker; the next would be the third.
        let arguments = if function == "writes_noise" { json!({}) } else { json!({"call": 3}) };
        let outcome = hostile(&lab, function).args(&arguments).run().await;
        assert!(matches!(outcome.kind, OutcomeKind::Lost { .. }), "{function}: {outcome:?}");
        for _ in 0..3 {
            assert_eq!(lab.call("echo").args(&json!({"text": "a"})).value().await, "a", "{function}");
        }
        assert_ne!(pid(&lab).await, before, "{function}");
        lab.finish().await;
    }
}
