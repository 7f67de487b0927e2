//! The interpreter inside this process: the same results as a worker's, and what becomes of calls that do not end.

#![expect(clippy::unwrap_used, reason = "a panic here is the report of a failure")]

mod support;

use std::time::Duration;

use omni_call::{CallResult, Event, Outcome, OutcomeKind, Phase};
use serde_json::{Value, json};
use support::{Lab, PATIENCE, Request, said, text, wait_until};

/// Long enough for a tool to begin, once Python has started and the skill is loaded.
const SHORT: Duration = Duration::from_millis(800);

/// A call whose function wants to know of its context.
fn with_context(lab: &Lab, function: &str) -> Request {
    lab.call(function).context()
}

/// A lab whose interpreter has started and has loaded the skill.
async fn warm(lab: Lab) -> Lab {
    for function in ["echo", "async_echo"] {
        assert_eq!(text(&lab.call(function).args(&json!({"text": "warm"})).run().await), "warm");
    }
    lab
}

/// How a call ended and what it said, the same in every lab.
fn told(lab: &Lab, outcome: &Outcome, events: &[Event]) -> String {
    let root = lab.root().canonicalize().unwrap().display().to_string();
    let all = format!("{:?} {:?} {:?} {:?}", outcome.kind, outcome.phase, outcome.stderr, said(events));
    all.replace(&root, "ROOT")
}

#[tokio::test]
async fn results_errors_and_events_are_those_of_a_worker() {
    let (worker, inside) = (Lab::pool(), Lab::embedded());
    let calls: [(&str, Value); 14] = [
        ("echo", json!({"text": "grüezi \u{1f600}"})),
        ("table", json!({})),
        ("nothing", json!({})),
        ("raises", json!({})),
        ("refuses", json!({})),
        ("not_a_number", json!({})),
        ("large", json!({"size": 9 << 20})),
        ("sys_exit", json!({"code": 3})),
        ("prints_text", json!({})),
        ("narrates", json!({})),
        ("where", json!({})),
        ("async_echo", json!({"text": "later"})),
        ("leaves_the_folder", json!({})),
        ("where", json!({})),
    ];
    for (function, arguments) in calls {
        let mut both = Vec::new();
        for lab in [&worker, &inside] {
            let request = if ["narrates", "where"].contains(&function) {
                with_context(lab, function)
            } else {
                lab.call(function)
            };
            let (outcome, events) = request.args(&arguments).start().end().await;
            both.push(told(lab, &outcome, &events));
        }
        assert_eq!(both[0], both[1], "{function}");
    }
    for (file, function) in [("broken.py", "anything"), ("tools.py", "is_not_there")] {
        let mut both = Vec::new();
        for lab in [&worker, &inside] {
            let (outcome, events) = lab.call_in(file, function).start().end().await;
            both.push(told(lab, &outcome, &events));
        }
        assert_eq!(both[0], both[1], "{function} in {file}");
    }
    worker.finish().await;
    inside.finish().await;
}

#[tokio::test]
async fn a_tool_sees_the_variables_of_a_worker() {
    let (worker, inside) = (Lab::pool(), Lab::embedded());
    let mut both = Vec::new();
    for lab in [&worker, &inside] {
        let Value::Object(mut variables) = lab.call("environment").value().await else { panic!() };
        // Each server has names of its own for these.
        assert!(variables.remove("OMNI_WORKER").is_some());
        assert!(variables.remove("TMPDIR").is_some());
        both.push(variables);
    }
    // Python's own program sets this in a locale that says nothing about text.
    both[0].remove("LC_CTYPE");
    // Where children of a worker find the skill. The server's own environment is not changed by a call.
    assert!(both[0].remove("OMNI_SKILL_FOLDERS").is_some());
    assert_eq!(both[0], both[1]);
    worker.finish().await;
    inside.finish().await;
}

#[tokio::test]
async fn a_loop_in_python_is_stopped_at_its_time_limit_and_its_thread_goes_on() {
    let lab = warm(Lab::embedded_with(|config| config.embedded_threads = 1)).await;
    for function in ["spins", "obeys"] {
        let outcome = with_context(&lab, function).timeout(SHORT).run().await;
        assert!(matches!(outcome.kind, OutcomeKind::TimedOut { limit } if limit == SHORT), "{outcome:?}");
        assert_eq!(outcome.phase, Phase::Started);
        let stack = outcome.stack.unwrap();
        assert!(stack.contains("File \"scripts/tools.py\"") && stack.contains(function), "{stack}");
        assert_eq!(text(&lab.call("echo").args(&json!({"text": "next"})).run().await), "next");
    }
    let outcome = lab.call("beats").args(&json!({"times": 1, "pause": 60})).idle_timeout(SHORT).run().await;
    assert!(matches!(outcome.kind, OutcomeKind::Idle { .. }), "{outcome:?}");
    lab.finish().await;
}

#[tokio::test]
async fn a_thread_that_sleeps_past_its_limit_is_replaced_by_another() {
    let lab = warm(Lab::embedded_with(|config| config.embedded_threads = 1)).await;
    for _ in 0..3 {
        let outcome = with_context(&lab, "sleeps").args(&json!({"seconds": 3600})).timeout(SHORT).run().await;
        assert!(matches!(outcome.kind, OutcomeKind::TimedOut { .. }), "{outcome:?}");
        assert!(outcome.stack.unwrap().contains("in sleeps"));
    }
    let outcome = lab.call("echo").args(&json!({"text": "next"})).run().await;
    let OutcomeKind::Finished(CallResult::Tool(result)) = &outcome.kind else { panic!("{outcome:?}") };
    assert_eq!(result.meta, None, "it ran here");
    lab.finish().await;
}

#[tokio::test]
async fn while_a_call_keeps_the_interpreter_lock_calls_go_to_the_pool() {
    let lab = warm(Lab::embedded()).await;
    let request = with_context(&lab, "keeps_the_lock").args(&json!({"seconds": 8}));
    let outcome = request.timeout(SHORT).run().await;
    assert!(matches!(outcome.kind, OutcomeKind::TimedOut { .. }), "{outcome:?}");
    assert!(outcome.stack.unwrap().contains("holds the interpreter lock"));
    for function in ["echo", "async_echo"] {
        let outcome = lab.call(function).args(&json!({"text": "elsewhere"})).run().await;
        assert_eq!(text(&outcome), "elsewhere");
        let OutcomeKind::Finished(CallResult::Tool(result)) = outcome.kind else { panic!() };
        assert_eq!(result.meta.as_deref(), Some(&br#"{"omni/executor":"pool"}"#[..]));
    }
    // Once the lock is free, they come back.
    let here = i64::from(std::process::id());
    let mut pid = 0;
    for _ in 0..600 {
        pid = lab.call("pid").value().await.as_i64().unwrap();
        if pid == here {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(pid, here);
    lab.finish().await;
}

#[tokio::test]
async fn a_call_taken_back_is_stopped_and_its_thread_goes_on() {
    let lab = warm(Lab::embedded_with(|config| config.embedded_threads = 1)).await;
    for function in ["obeys", "spins"] {
        let mut running = with_context(&lab, function).start();
        running.first_log().await;
        running.cancel().await;
        assert_eq!(text(&lab.call("echo").args(&json!({"text": "next"})).run().await), "next");
    }
    // One that waits for a thread never begins.
    let mut running = with_context(&lab, "obeys").start();
    running.first_log().await;
    let path = lab.root().join("ran");
    let arguments = json!({"path": path, "line": "x"});
    let waiting = lab.call("notes").args(&arguments).start();
    tokio::task::yield_now().await;
    waiting.cancel().await;
    running.cancel().await;
    assert_eq!(text(&lab.call("echo").args(&json!({"text": "next"})).run().await), "next");
    assert!(!path.exists());
    lab.finish().await;
}

#[tokio::test]
async fn async_calls_share_a_thread_and_one_that_blocks_it_is_left_behind() {
    let lab = warm(Lab::embedded()).await;
    let long = with_context(&lab, "async_sleeps").args(&json!({"seconds": 3600})).timeout(SHORT).start();
    assert_eq!(text(&lab.call("async_echo").args(&json!({"text": "meanwhile"})).run().await), "meanwhile");
    let outcome = long.end().await.0;
    assert!(matches!(outcome.kind, OutcomeKind::TimedOut { .. }), "{outcome:?}");
    assert!(outcome.stack.unwrap().contains("in async_sleeps"));
    let outcome = with_context(&lab, "async_blocks").timeout(SHORT).run().await;
    assert!(matches!(outcome.kind, OutcomeKind::TimedOut { .. }), "{outcome:?}");
    assert!(outcome.stack.unwrap().contains("in async_blocks"));
    let request = lab.call("async_echo").args(&json!({"text": "on another thread"})).timeout(PATIENCE);
    assert_eq!(text(&request.run().await), "on another thread");
    lab.finish().await;
}

#[tokio::test]
async fn more_calls_than_threads_all_run() {
    let lab = Lab::embedded_with(|config| config.embedded_threads = 2);
    let running: Vec<_> = (0..100)
        .map(|n| {
            let function = if n % 3 == 0 { "async_echo" } else { "echo" };
            (n, lab.call(function).args(&json!({"text": n.to_string()})).start())
        })
        .collect();
    for (n, running) in running {
        assert_eq!(text(&running.end().await.0), n.to_string());
    }
    lab.finish().await;
}

#[tokio::test]
async fn shutting_down_answers_what_runs_and_ends_what_it_started() {
    let lab = Lab::embedded();
    let mut running = with_context(&lab, "starts_children").start();
    let started = running.first_log().await;
    lab.executor.shut_down().await;
    assert_eq!(running.end().await.0.kind, OutcomeKind::Shutdown);
    for pid in started["children"].as_array().unwrap() {
        let pid = i32::try_from(pid.as_i64().unwrap()).unwrap();
        // Ours to reap are those of Python, which has no time for it.
        wait_until("a tool's child to end", || !support::lives(pid)).await;
    }
    let outcome = lab.call("echo").args(&json!({"text": "late"})).run().await;
    assert_eq!(outcome.kind, OutcomeKind::Shutdown);
}

#[tokio::test]
async fn a_library_that_cannot_be_loaded_is_named() {
    let lab = Lab::embedded_from("/dev/null");
    let outcome = lab.call("echo").args(&json!({"text": "x"})).run().await;
    let OutcomeKind::WorkerStart { message, .. } = outcome.kind else { panic!("{outcome:?}") };
    assert!(message.contains("`/dev/null` cannot be loaded"), "{message}");
    lab.finish().await;
}
