//! Functions that are no tools: resources, prompts and completions run in every executor as tools do, with the same limits
//! and errors.

#![expect(clippy::unwrap_used, reason = "a panic here is the report of a failure")]

mod support;

use std::time::Duration;

use omni_call::{
    CallRequest, CallResult, CompletionReference, CompletionRequest, FunctionKind, Outcome, OutcomeKind,
    Phase, Policy, Target,
};
use serde_json::{Value, json};
use support::{Lab, ProcessKind, Request};

const SKILL: &str = r#"
import asyncio, time
from omni import Context, Message, NotFoundError, PromptResult, ResourceResult

def note(number: int, ctx: Context):
    if number < 1:
        raise NotFoundError(f"there is no note {number}")
    ctx.progress(1, 2, "half")
    return ResourceResult({"number": number}, meta={"k": 1})

async def async_note(number: int):
    return b"\xff" * number

def review(language: str, strict: bool = False):
    yield f"review this {language}" + (" strictly" if strict else "")
    yield Message("gladly", role="assistant")

async def async_review():
    return PromptResult("do", description="about")

def languages(value: str, known: dict):
    return [name for name in ("dart", "de", "rust") if name.startswith(value)] + sorted(known)

async def async_languages(value: str):
    while True:
        yield value

def slow(number: int):
    time.sleep(60)

async def async_slow(number: int):
    await asyncio.sleep(60)

def dies_once():
    import os
    if not os.path.exists("died"):
        open("died", "w").close()
        os.kill(os.getpid(), 9)
    return "read"
"#;

/// A call of a function of that file.
fn item(lab: &Lab, function: &str, request: CallRequest) -> Request {
    let file = lab.root().join("skills/lab/scripts/items.py");
    // Once: a process that loads the file while it is written again would find half of it.
    if !file.exists() {
        std::fs::write(file, SKILL).unwrap();
    }
    let mut call = lab.call_in("items.py", function);
    let Target::Python(python) = &mut call.spec.target else { unreachable!("it is a function") };
    python.kind = request.kind();
    if request.kind() == FunctionKind::Resource && !function.starts_with("async") {
        python.mime_type = Some("application/x-note".to_owned());
    }
    call.request = request;
    call
}

fn resource(arguments: &str) -> CallRequest {
    CallRequest::Resource { uri: "notes://7".into(), arguments: arguments.to_owned().into() }
}

fn prompt(arguments: &str) -> CallRequest {
    CallRequest::Prompt { name: "review".into(), arguments: Some(arguments.to_owned().into()) }
}

fn completion(value: &str, context: Option<&str>) -> CallRequest {
    CallRequest::Completion(Box::new(CompletionRequest {
        reference: CompletionReference::Prompt { name: "review".to_owned() },
        argument: "language".to_owned(),
        value: value.to_owned(),
        context: context.map(|context| context.to_owned().into()),
    }))
}

fn parsed(json: &[u8]) -> Value {
    serde_json::from_slice(json).unwrap()
}

fn finished(outcome: &Outcome) -> &CallResult {
    assert_eq!((outcome.phase, outcome.attempt), (Phase::Started, 1), "{outcome:?}");
    let OutcomeKind::Finished(result) = &outcome.kind else { panic!("{outcome:?}") };
    result
}

async fn everything(lab: Lab) {
    resources_are_read(&lab).await;
    prompts_are_filled_in(&lab).await;
    arguments_are_completed(&lab).await;
    what_fails_fails_as_a_call(&lab).await;
    lab.finish().await;
}

async fn resources_are_read(lab: &Lab) {
    let outcome = item(lab, "note", resource(r#"{"number":"7"}"#)).context().run().await;
    let CallResult::Resource(read) = finished(&outcome) else { panic!("{outcome:?}") };
    let text = r#"{"number":7}"#;
    let contents = json!([{"uri": "notes://7", "mimeType": "application/x-note", "text": text}]);
    assert_eq!(parsed(&read.contents), contents);
    assert_eq!(parsed(read.meta.as_deref().unwrap())["k"], 1);
    let outcome = item(lab, "async_note", resource(r#"{"number":"1"}"#)).run().await;
    let CallResult::Resource(read) = finished(&outcome) else { panic!("{outcome:?}") };
    let contents = json!([{"uri": "notes://7", "mimeType": "application/octet-stream", "blob": "/w=="}]);
    assert_eq!(parsed(&read.contents), contents);
}

async fn prompts_are_filled_in(lab: &Lab) {
    let outcome = item(lab, "review", prompt(r#"{"language":"rust","strict":"true"}"#)).run().await;
    let CallResult::Prompt(filled) = finished(&outcome) else { panic!("{outcome:?}") };
    let messages = json!([
        {"role": "user", "content": {"type": "text", "text": "review this rust strictly"}},
        {"role": "assistant", "content": {"type": "text", "text": "gladly"}},
    ]);
    assert_eq!((parsed(&filled.messages), &filled.description), (messages, &None));
    let outcome = item(lab, "async_review", prompt("{}")).run().await;
    let CallResult::Prompt(filled) = finished(&outcome) else { panic!("{outcome:?}") };
    assert_eq!(filled.description.as_deref(), Some("about"));
}

async fn arguments_are_completed(lab: &Lab) {
    let outcome = item(lab, "languages", completion("d", Some(r#"{"topic":"a"}"#))).run().await;
    let CallResult::Completion(completed) = finished(&outcome) else { panic!("{outcome:?}") };
    assert_eq!(parsed(&completed.values), json!(["dart", "de", "topic"]));
    assert_eq!((completed.total, completed.has_more), (None, None));
    let outcome = item(lab, "async_languages", completion("x\"", None)).run().await;
    let CallResult::Completion(completed) = finished(&outcome) else { panic!("{outcome:?}") };
    assert_eq!(parsed(&completed.values), json!(vec!["x\""; 100]), "of an endless one");
    assert_eq!((completed.total, completed.has_more), (None, Some(true)));
}

async fn what_fails_fails_as_a_call(lab: &Lab) {
    let outcome = item(lab, "note", resource(r#"{"number":"0"}"#)).context().run().await;
    let missing = OutcomeKind::NotFound { message: "there is no note 0".to_owned() };
    assert_eq!(outcome.kind, missing);
    let outcome = item(lab, "note", resource(r#"{"number":"many"}"#)).context().run().await;
    let OutcomeKind::InvalidArguments { message } = &outcome.kind else { panic!("{outcome:?}") };
    assert!(message.contains("/number"), "{message}");
    let outcome = item(lab, "review", resource("{}")).run().await;
    assert!(matches!(outcome.kind, OutcomeKind::ToolError { .. }), "an argument is missing: {outcome:?}");
    let limit = Duration::from_millis(300);
    for (function, request) in [
        ("slow", resource(r#"{"number":"1"}"#)),
        ("async_slow", resource(r#"{"number":"1"}"#)),
        ("slow", prompt(r#"{"number":"1"}"#)),
    ] {
        let outcome = item(lab, function, request).timeout(limit).run().await;
        assert_eq!(outcome.kind, OutcomeKind::TimedOut { limit }, "{function}");
    }
}

#[tokio::test]
async fn in_the_pool() {
    everything(Lab::pool()).await;
}

#[tokio::test]
async fn in_processes_of_their_own() {
    everything(Lab::spawn()).await;
}

#[tokio::test]
async fn in_forks() {
    everything(Lab::fork()).await;
}

#[tokio::test]
async fn in_forks_ahead() {
    everything(Lab::of(ProcessKind::FORK_AHEAD, |_| {})).await;
}

#[tokio::test]
async fn in_forks_that_serve_several() {
    everything(Lab::of(ProcessKind::FORK_REUSED, |_| {})).await;
}

#[tokio::test]
async fn inside_the_server() {
    let lab = Lab::embedded();
    resources_are_read(&lab).await;
    prompts_are_filled_in(&lab).await;
    arguments_are_completed(&lab).await;
    lab.finish().await;
}

#[tokio::test]
async fn a_read_that_ends_its_process_is_tried_again_where_it_may_be_repeated() {
    let lab = Lab::governed();
    let policy = Policy { repeatable: true, ..Policy::default() };
    let outcome = item(&lab, "dies_once", resource("{}")).policy(policy).run().await;
    let OutcomeKind::Finished(CallResult::Resource(read)) = &outcome.kind else { panic!("{outcome:?}") };
    assert_eq!(parsed(&read.contents)[0]["text"], "read");
    assert_eq!((outcome.attempt, parsed(read.meta.as_deref().unwrap())), (2, json!({"omni/attempt": 2})));
    lab.finish().await;
}
