//! A skill that changes while a call of it is on its way: no line of the tool has run, so the call is resolved and validated
//! anew, and its client sees no more of it than that.

use std::fmt::Debug;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use omni_call::{Call, OutcomeKind, ToolResult};
use omni_testkit::{ScriptedExecutor, SkillFolder, TestServer, call_tool};
use serde_json::{Value, json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

const STALE: OutcomeKind = OutcomeKind::Stale { otherwise: None };

fn source(parameters: &str) -> String {
    format!(
        "from omni import tool\n\n@tool\ndef run({parameters}):\n    \"\"\"Runs.\"\"\"\n    return \"\"\n"
    )
}

/// The version of its skill's code that a call means.
fn digest(call: &Call) -> String {
    call.spec.target.python().unwrap().digest.clone().unwrap()
}

/// Serves a skill whose call is stale for the first time, when `edit` is made in its folder. Returns the client's answer,
/// and the versions that its calls meant at the executor.
async fn answered(edit: impl FnOnce(&SkillFolder), arguments: Value) -> (Value, Vec<String>) {
    let folder = SkillFolder::new().python("t", &source("text: str"));
    let (executor, mut calls) = ScriptedExecutor::new();
    let server = TestServer::new(&folder, executor);
    let mut client = server.stdio();
    client.initialize("2025-11-25").await;
    client.send(&call_tool(1, "t_run", arguments)).await;
    let call = calls.next().await;
    let mut meant = vec![digest(&call.call)];
    edit(&folder);
    call.end(STALE);
    let answer = loop {
        tokio::select! {
            answer = client.next() => break answer,
            call = calls.next() => {
                meant.push(digest(&call.call));
                call.finish("ran");
            }
        }
    };
    (answer, meant)
}

#[tokio::test]
async fn a_stale_call_runs_with_the_code_that_there_is_then() {
    let edit = |folder: &SkillFolder| folder.write("t/scripts/_helper.py", "x = 2\n");
    let (answer, meant) = answered(edit, json!({"text": "a"})).await;
    assert_eq!(answer["result"]["content"][0]["text"], "ran", "{answer}");
    assert_eq!(meant.len(), 2);
    assert_ne!(meant[0], meant[1]);
}

#[tokio::test]
async fn an_argument_that_the_tool_has_no_more_is_refused_by_the_new_schema() {
    let edit = |folder: &SkillFolder| folder.write("t/scripts/tools.py", &source("number: int"));
    let (answer, meant) = answered(edit, json!({"text": "a"})).await;
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    assert_eq!(answer["result"]["_meta"]["omni/failure"]["kind"], "invalid_arguments", "{answer}");
    assert!(answer["result"]["content"][0]["text"].as_str().unwrap().contains("number"), "{answer}");
    assert_eq!(meant.len(), 1, "it did not run");
}

/// How calls have ended according to the log, which has a line of each.
#[derive(Clone, Default)]
struct CallLines(Arc<Mutex<Vec<String>>>);

impl Subscriber for CallLines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = LogLine::default();
        event.record(&mut line);
        if line.message == "call" {
            self.0.lock().unwrap().push(line.kind);
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct LogLine {
    message: String,
    kind: String,
}

impl Visit for LogLine {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "kind" {
            value.clone_into(&mut self.kind);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        }
    }
}

#[tokio::test]
async fn a_tool_that_is_gone_by_then_is_an_unknown_tool() {
    let log = CallLines::default();
    let _log = tracing::subscriber::set_default(log.clone());
    let edit = |folder: &SkillFolder| folder.write("t/scripts/tools.py", "x = 1\n");
    let (answer, meant) = answered(edit, json!({"text": "a"})).await;
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    assert!(answer["error"]["message"].as_str().unwrap().contains("t_run"), "{answer}");
    assert_eq!(meant.len(), 1, "it did not run");
    assert_eq!(*log.0.lock().unwrap(), ["unknown_tool"], "nobody has cancelled it");
}

/// Calls the one tool of a skill with this source, whose first `stale` runs are. Returns the answer and how often it ran.
async fn answered_after(source: &str, stale: u32) -> (Value, u32) {
    let folder = SkillFolder::new().python("t", source);
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let executor = ScriptedExecutor::answering(move |_| match counted.fetch_add(1, Ordering::Relaxed) {
        run if run < stale => STALE,
        _ => ToolResult::of_text("ran").into(),
    });
    let server = TestServer::new(&folder, executor);
    let mut client = server.stdio();
    client.initialize("2025-11-25").await;
    let answer = client.request(&call_tool(1, "t_run", json!({"text": "a"}))).await;
    (answer, runs.load(Ordering::Relaxed))
}

fn is_stale(answer: &Value) -> bool {
    let failure = &answer["result"]["_meta"]["omni/failure"];
    (&failure["kind"], &failure["retryable"]) == (&json!("stale"), &json!(true))
}

#[tokio::test(start_paused = true)]
async fn a_call_outlasts_a_series_of_edits() {
    let (answer, runs) = answered_after(&source("text: str"), 25).await;
    assert_eq!(answer["result"]["content"][0]["text"], "ran", "{answer}");
    assert_eq!(runs, 26);
}

#[tokio::test(start_paused = true)]
async fn where_the_files_change_each_time_the_call_ends_after_five_seconds_and_says_so() {
    let began = tokio::time::Instant::now();
    let (answer, _) = answered_after(&source("text: str"), u32::MAX).await;
    assert!(is_stale(&answer), "{answer}");
    assert!(
        answer["result"]["content"][0]["text"].as_str().unwrap().contains("changed each time"),
        "{answer}"
    );
    let took = began.elapsed().as_secs_f64();
    assert!((4.0..=5.0).contains(&took), "{took}");
}

#[tokio::test(start_paused = true)]
async fn a_call_is_not_tried_again_when_its_own_time_would_be_over() {
    let limited = source("text: str").replace("@tool", "@tool(timeout=0.1)");
    let (answer, runs) = answered_after(&limited, u32::MAX).await;
    assert!(is_stale(&answer), "{answer}");
    assert!(runs <= 5, "the pause after the fifth is longer than its limit: {runs}");
}

#[tokio::test]
async fn what_is_missing_at_a_second_look_as_well_is_told_as_what_it_is() {
    let folder = SkillFolder::new().skill("t", &["run"]);
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let missing = || OutcomeKind::WorkerStart { message: "`x` cannot be run".into(), hint: "look".into() };
    let executor = ScriptedExecutor::answering(move |_| match counted.fetch_add(1, Ordering::Relaxed) {
        2 => ToolResult::of_text("it is back").into(),
        _ => OutcomeKind::Stale { otherwise: Some(Box::new(missing())) },
    });
    let server = TestServer::new(&folder, executor);
    let mut client = server.stdio();
    client.initialize("2025-11-25").await;
    let answer = client.request(&call_tool(1, "t_run", json!({}))).await;
    assert_eq!(answer["result"]["_meta"]["omni/failure"]["kind"], "worker_start", "{answer}");
    assert_eq!(runs.load(Ordering::Relaxed), 2);
    let answer = client.request(&call_tool(2, "t_run", json!({}))).await;
    assert_eq!(answer["result"]["content"][0]["text"], "it is back", "{answer}");
}

#[tokio::test(start_paused = true)]
async fn where_an_edit_has_broken_a_file_and_the_version_before_is_not_kept_the_call_soon_says_so() {
    let folder = SkillFolder::new().python("t", &source("text: str"));
    folder.catalog().keep_last_good();
    folder.catalog().refresh().unwrap();
    let server = TestServer::new(&folder, ScriptedExecutor::answering(|_| STALE));
    folder.write("t/scripts/tools.py", "def (\n");
    server.refresh().await;
    let mut client = server.stdio();
    client.initialize("2025-11-25").await;
    let began = tokio::time::Instant::now();
    let answer = client.request(&call_tool(1, "t_run", json!({"text": "a"}))).await;
    let failure = &answer["result"]["_meta"]["omni/failure"];
    assert_eq!((&failure["kind"], &failure["retryable"]), (&json!("load_error"), &json!(false)), "{answer}");
    assert!(answer["result"]["content"][0]["text"].as_str().unwrap().contains("is not kept"), "{answer}");
    assert!(began.elapsed().as_secs_f64() < 1.0, "{:?}", began.elapsed());
}
