//! Calls at a runner, the small one that is written in Python: what comes back, and what becomes of calls when the runner
//! hangs or dies. What `omni runner` does besides is seen through the whole binary.

mod support;

use std::time::Duration;

use omni_call::{CallRequest, CallResult, OutcomeKind, Phase, Policy};
use omni_exec::{Listing, Runner, RunnerConfig};
use serde_json::{Value, json};
use support::{Lab, PATIENCE, Request, Site, said, text, wait_until};

const SHORT: Duration = Duration::from_millis(300);

fn repeatable(request: Request) -> Request {
    request.policy(Policy { repeatable: true, ..Policy::default() })
}

#[tokio::test]
async fn a_result_comes_back_as_the_tool_made_it() {
    let lab = Lab::at_runner();
    let outcome = lab.call("echo").args(&json!({"text": "grüezi"})).run().await;
    assert_eq!((text(&outcome).as_str(), outcome.phase, outcome.attempt), ("grüezi", Phase::Started, 1));
    let outcome = lab.call("table").run().await;
    let OutcomeKind::Finished(CallResult::Tool(result)) = &outcome.kind else { panic!("{outcome:?}") };
    assert_eq!(result.structured.as_deref(), Some("{\"rows\":[1,2],\"city\":\"Zürich\"}".as_bytes()));
    assert_eq!(lab.call("async_echo").args(&json!({"text": "a"})).value().await, json!("a"));
    lab.finish().await;
}

#[tokio::test]
async fn exceptions_and_bad_results_are_told_as_in_a_worker_of_ours() {
    let lab = Lab::at_runner();
    let outcome = lab.call("raises").run().await;
    let OutcomeKind::ToolError { kind, message, location, intended, traceback, .. } = outcome.kind else {
        panic!("{outcome:?}")
    };
    assert_eq!((kind.as_str(), message.as_str(), intended), ("KeyError", "'missing'", false));
    assert!(location.unwrap().starts_with("scripts/tools.py:"));
    assert!(traceback.unwrap().contains("raise KeyError"));
    let outcome = lab.call("refuses").run().await;
    assert!(
        matches!(&outcome.kind, OutcomeKind::ToolError { message, intended: true, .. } if message == "no such note"),
        "{outcome:?}"
    );
    let outcome = lab.call("not_a_number").run().await;
    assert!(matches!(outcome.kind, OutcomeKind::BadResult { .. }), "{outcome:?}");
    let outcome = lab.call("large").args(&json!({"size": (8 << 20) + 1})).run().await;
    assert_eq!(outcome.kind, OutcomeKind::OutputLimit { limit_bytes: 8 << 20 });
    lab.finish().await;
}

#[tokio::test]
async fn eight_mebibytes_go_both_ways() {
    let lab = Lab::at_runner();
    // Twice in the answer: as text and as structured content.
    let long = "z".repeat((8 << 20) - 64);
    let outcome = lab.call("echo").args(&json!({"text": long})).run().await;
    assert!(text(&outcome) == long);
    lab.finish().await;
}

#[tokio::test]
async fn what_a_tool_says_comes_in_order_before_its_result() {
    let lab = Lab::at_runner();
    let (outcome, events) = lab.call("narrates").start().end().await;
    assert_eq!(text(&outcome), "done");
    assert_eq!(
        said(&events),
        [
            "info -: \"first\"",
            "progress 1 Some(2.0) Some(\"half\")",
            "updated x:1",
            "show x.y",
            "hide x.*",
            "warning -: {\"n\":2}"
        ]
    );
    lab.finish().await;
}

#[tokio::test]
async fn many_calls_at_once_each_get_their_own_answer() {
    let lab = Lab::at_runner();
    let calls: Vec<_> =
        (0..60).map(|n| lab.call("echo").args(&json!({"text": format!("text {n}")})).start()).collect();
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(text(&call.end().await.0), format!("text {n}"));
    }
    lab.finish().await;
}

#[tokio::test]
async fn a_runner_that_keeps_no_time_limit_holds_nobody_up() {
    let lab = Lab::at_runner();
    let limit = SHORT * 3;
    let outcome = lab.call("sleeps").args(&json!({"seconds": 6})).timeout(limit).run().await;
    assert_eq!((outcome.kind, outcome.phase), (OutcomeKind::TimedOut { limit }, Phase::Started));
    let outcome = lab.call("sleeps").args(&json!({"seconds": 6})).idle_timeout(limit).run().await;
    assert_eq!((outcome.kind, outcome.phase), (OutcomeKind::Idle { limit }, Phase::Started));
    let beats = lab.call("beats").args(&json!({"times": 8, "pause": 0.3}));
    assert_eq!(beats.idle_timeout(SHORT * 5).value().await, json!("alive"));
    assert_eq!(lab.call("echo").args(&json!({"text": "up"})).value().await, json!("up"));
    lab.finish().await;
}

#[tokio::test]
async fn a_tool_that_the_runner_does_not_have_is_named() {
    let lab = Lab::at_runner();
    let outcome = lab.call("no_such_tool").run().await;
    assert!(
        matches!(&outcome.kind, OutcomeKind::WorkerStart { message, .. } if message.contains("lab.no_such_tool")),
        "{outcome:?}"
    );
    lab.finish().await;
}

#[tokio::test]
async fn when_the_runner_dies_the_calls_it_ran_are_lost() {
    let mut lab = Lab::at_runner();
    let mut running = lab.call("sleeps").args(&json!({"seconds": 6})).start();
    running.pid().await;
    lab.site.take().unwrap().crash();
    let outcome = running.end().await.0;
    assert!(matches!(outcome.kind, OutcomeKind::Lost { .. }), "{outcome:?}");
    assert_eq!((outcome.phase, outcome.attempt), (Phase::Started, 1));
    lab.finish().await;
}

#[tokio::test]
async fn a_repeatable_call_that_a_dying_runner_lost_is_run_again_by_the_next_one() {
    let mut lab = Lab::at_runner();
    let marks = lab.root().join("marks");
    let arguments = json!({"path": marks, "line": "ran", "seconds": 3});
    let running = repeatable(lab.call("notes").args(&arguments)).start();
    let runs = || std::fs::read_to_string(&marks).unwrap_or_default().lines().count();
    wait_until("the call to begin", || runs() == 1).await;
    // The next one takes the address over, as a restart does, only without a moment in which nobody is there.
    let next = Site::open(lab.root(), "next.sock");
    let before = lab.site.take().unwrap();
    std::fs::rename(&next.socket, &before.socket).unwrap();
    before.crash();
    let outcome = running.end().await.0;
    assert_eq!((text(&outcome).as_str(), outcome.attempt), ("ran", 2), "{outcome:?}");
    assert_eq!(runs(), 2);
    lab.site = Some(next);
    lab.finish().await;
}

#[tokio::test]
async fn a_runner_that_is_started_again_is_found_again() {
    let mut lab = Lab::at_runner();
    assert_eq!(lab.call("echo").args(&json!({"text": "a"})).value().await, json!("a"));
    lab.site.take().unwrap().crash();
    let outcome = lab.call("echo").args(&json!({"text": "b"})).run().await;
    assert!(matches!(&outcome.kind, OutcomeKind::WorkerStart { .. }), "{outcome:?}");
    assert_eq!(outcome.phase, Phase::Queued);
    std::fs::remove_file(lab.root().join("runner.sock")).unwrap();
    lab.site = Some(Site::open(lab.root(), "runner.sock"));
    // It may be some seconds until the next try.
    wait_until_answered(&lab).await;
    lab.finish().await;
}

async fn wait_until_answered(lab: &Lab) {
    let tries = async {
        while !matches!(lab.call("nothing").run().await.kind, OutcomeKind::Finished(_)) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, tries).await.expect("the runner was not found again");
}

#[tokio::test]
async fn shutting_down_ends_what_runs() {
    let lab = Lab::at_runner();
    let mut running = lab.call("sleeps").args(&json!({"seconds": 6})).start();
    running.pid().await;
    lab.executor.shut_down().await;
    assert_eq!(running.end().await.0.kind, OutcomeKind::Shutdown);
    assert_eq!(lab.call("nothing").run().await.kind, OutcomeKind::Shutdown);
    lab.finish().await;
}

#[tokio::test]
async fn a_runner_says_what_it_has() {
    let lab = Lab::at_runner();
    let address = lab.site.as_ref().unwrap().address.parse().unwrap();
    let runner = Runner::new(RunnerConfig::new(address));
    let Listing::New { etag, body } = runner.tools(None).await.unwrap() else { panic!() };
    let tools: Value = serde_json::from_slice(&body).unwrap();
    let echo = tools["tools"].as_array().unwrap().iter().find(|tool| tool["name"] == "lab.echo").unwrap();
    assert_eq!(echo["omni"]["command"], "echo");
    assert_eq!(runner.tools(etag.as_deref()).await.unwrap(), Listing::Same);
    let health: Value = serde_json::from_slice(&runner.health().await.unwrap()).unwrap();
    assert_eq!((&health["ready"], &health["pid"]), (&json!(true), &json!(lab.site.as_ref().unwrap().pid())));
    let resources: Value = serde_json::from_slice(&runner.resources().await.unwrap()).unwrap();
    assert_eq!(resources, json!({"resources": [], "resourceTemplates": []}));
    for (request, named) in [
        (CallRequest::resource("omni://skill/lab/nothing"), "omni://skill/lab/nothing"),
        (CallRequest::Prompt { name: "greet".into(), arguments: None }, "greet"),
    ] {
        let mut read = lab.call("nothing");
        read.request = request;
        let OutcomeKind::NotFound { message } = read.run().await.kind else { panic!("{named}") };
        assert!(message.contains(named), "{message}");
    }
    assert_eq!(&runner.prompts().await.unwrap()[..], br#"{"prompts":[]}"#);
    lab.finish().await;
}
