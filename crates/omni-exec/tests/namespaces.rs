//! Tools in process-id namespaces of their own: what they attack they cannot see, and what they leave ends with them.
//! Each test does nothing where the machine has no such namespaces.

mod support;

use std::time::Duration;

use omni_call::OutcomeKind;
use serde_json::json;
use support::{Lab, ProcessKind, Request, lives, text, wait_until};

fn hostile(lab: &Lab, function: &str) -> Request {
    lab.call_in("hostile.py", function)
}

async fn still_serves(lab: &Lab) {
    assert_eq!(lab.call("echo").args(&json!({"text": "a"})).value().await, "a");
}

#[tokio::test]
async fn a_tool_sees_its_own_namespace_and_nobody_of_ours() {
    for process in ProcessKind::ALL {
        let Some(lab) = Lab::isolated(process) else { return };
        let seen: Vec<u32> = serde_json::from_value(hostile(&lab, "sees").value().await).unwrap();
        assert!(!seen.contains(&std::process::id()) && seen.contains(&1), "{process:?}: {seen:?}");
        assert!(seen.iter().all(|pid| *pid < 100), "{process:?}: {seen:?}");
        let read = hostile(&lab, "reads_of").args(&json!({"pid": std::process::id()})).value().await;
        assert_eq!(read, "", "{process:?}");
        lab.finish().await;
    }
}

#[tokio::test]
async fn a_signal_to_the_parent_reaches_nobody_who_minds() {
    for process in [ProcessKind::Pool, ProcessKind::Spawn] {
        let Some(lab) = Lab::isolated(process) else { return };
        for number in [9, 19] {
            let outcome = hostile(&lab, "signals_its_parent").args(&json!({"number": number})).run().await;
            assert_eq!(text(&outcome), "done", "{process:?}");
            still_serves(&lab).await;
        }
        lab.finish().await;
    }
}

#[tokio::test]
async fn a_signal_to_everybody_stays_inside() {
    for process in [ProcessKind::Pool, ProcessKind::Spawn] {
        // Without a namespace this would end the machine's session: the lab is made only with one, and the call made only
        // after the tool itself has seen it.
        let Some(lab) = Lab::isolated(process) else { return };
        let seen: Vec<u32> = serde_json::from_value(hostile(&lab, "sees").value().await).unwrap();
        assert!(!seen.contains(&std::process::id()));
        assert_eq!(text(&hostile(&lab, "kills_everything").run().await), "done");
        still_serves(&lab).await;
        lab.finish().await;
    }
}

#[tokio::test]
async fn a_daemon_without_parent_session_and_environment_ends_with_its_call_s_process() {
    for process in [ProcessKind::Pool, ProcessKind::Spawn] {
        let Some(lab) = Lab::isolated(process) else { return };
        let path = lab.root().join("daemon");
        assert_eq!(text(&hostile(&lab, "leaves_a_daemon").args(&json!({"path": path})).run().await), "done");
        // Its number is one of the namespace's, so it is known by its folder.
        wait_until("the daemon to end", || {
            lab.processes().iter().all(|pid| !command_line(*pid).contains("time.sleep(600)"))
        })
        .await;
        still_serves(&lab).await;
        lab.finish().await;
    }
}

fn command_line(pid: i32) -> String {
    String::from_utf8_lossy(&std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default()).into_owned()
}

#[tokio::test]
async fn how_a_process_ended_is_told_exactly() {
    for process in ProcessKind::ALL {
        let Some(lab) = Lab::isolated(process) else { return };
        let ended = lab.call("os_exit").args(&json!({"code": 7})).run().await;
        assert_eq!(ended.kind, OutcomeKind::Exited { code: 7, message: None }, "{process:?}");
        let ended = lab.call("segfault").run().await;
        assert_eq!(ended.kind, OutcomeKind::Signalled { signal: 11 }, "{process:?}");
        let ended = lab.call("abort").run().await;
        assert_eq!(ended.kind, OutcomeKind::Signalled { signal: 6 }, "{process:?}");
        for signal in [7, 13, 15] {
            let ended = hostile(&lab, "dies_of").args(&json!({"number": signal})).run().await;
            assert_eq!(ended.kind, OutcomeKind::Signalled { signal }, "{process:?}");
        }
        lab.finish().await;
    }
}

#[tokio::test]
async fn a_time_limit_tells_the_line_and_ends_everything_inside() {
    for process in ProcessKind::ALL {
        let Some(lab) = Lab::isolated(process) else { return };
        // Imported before, so that the limit strikes in the tool however busy the machine is.
        still_serves(&lab).await;
        let request = lab.call("spins").context().timeout(Duration::from_millis(1500));
        let outcome = request.run().await;
        assert!(matches!(outcome.kind, OutcomeKind::TimedOut { .. }), "{process:?}: {outcome:?}");
        assert!(
            outcome.stack.as_deref().is_some_and(|stack| stack.contains("spins")),
            "{process:?}: {outcome:?}"
        );
        still_serves(&lab).await;
        lab.finish().await;
    }
}

#[tokio::test]
async fn a_cancelled_call_ends_and_its_worker_serves_the_next() {
    for process in ProcessKind::ALL {
        let Some(lab) = Lab::isolated(process) else { return };
        let mut running = lab.call("sleeps").args(&json!({"seconds": 600})).context().start();
        running.first_log().await;
        running.cancel().await;
        still_serves(&lab).await;
        lab.finish().await;
    }
}

#[tokio::test]
async fn the_end_of_init_is_the_end_of_the_worker() {
    let Some(lab) = Lab::isolated(ProcessKind::Pool) else { return };
    still_serves(&lab).await;
    let before = lab.processes();
    before.iter().for_each(|pid| support::kill(*pid));
    wait_until("the worker to end", || before.iter().all(|pid| !lives(*pid))).await;
    // On a busy machine one that was only being started is among them, and calls are told so until the next has started.
    for _ in 0..600 {
        let outcome = lab.call("echo").args(&json!({"text": "a"})).run().await;
        match outcome.kind {
            OutcomeKind::WorkerStart { .. } => tokio::time::sleep(Duration::from_millis(50)).await,
            _ => break,
        }
    }
    still_serves(&lab).await;
    lab.finish().await;
}
