//! What running tools want of the server: calls of other tools, resources, values that are kept.

use std::time::Duration;

use omni_call::{
    Answer, AskMethod, AskRefusal, CallResult, Event, OutcomeKind, ResourceContents, ServerMethod, Target,
};
use omni_testkit::{
    HttpClient, OpenQuestion, RunningCall, ScriptedExecutor, SkillFolder, StartedCalls, StdioClient,
    TestServer, call_tool, cancelled, from_client, modern, modern_able, reply, request, retry,
};
use serde_json::{Value, json};

const SOURCE: &str = "\
from omni import Context, resource, tool

@tool
def run(ctx: Context, n: int = 0): ...

@tool
def other(ctx: Context) -> int: ...

@tool
def plain(n: int): ...

@tool(enabled=False)
def secret(): ...

@tool(timeout=5)
def hurried(ctx: Context): ...

@resource('notes://{name}')
def notes(name: str): ...
";

fn world() -> (TestServer, StartedCalls) {
    let folder = SkillFolder::new()
        .python("t", SOURCE)
        .python("u", "from omni import *\n\n\n@tool\ndef run(ctx: Context): ...\n");
    let (executor, calls) = ScriptedExecutor::new();
    (TestServer::new(&folder, executor), calls)
}

/// A client on stdio whose call of `t.run` is at the executor.
async fn running(server: &TestServer, calls: &mut StartedCalls) -> (StdioClient, RunningCall) {
    let mut client = server.stdio();
    client.initialize("2025-11-25").await;
    client.send(&call_tool(1, "t.run", json!({}))).await;
    let call = calls.next().await;
    (client, call)
}

async fn refusal(question: OpenQuestion) -> String {
    match question.answer().await {
        Answer::Refused { why: AskRefusal::Failed, message } => message,
        other => panic!("{other:?}"),
    }
}

fn get(call: &RunningCall, params: Value) -> OpenQuestion {
    call.request(ServerMethod::GetState, &params, None)
}

fn set(call: &RunningCall, params: Value) -> OpenQuestion {
    call.request(ServerMethod::SetState, &params, None)
}

#[tokio::test(start_paused = true)]
async fn a_tool_calls_another_and_has_its_result() {
    let (server, mut calls) = world();
    let (mut client, call) = running(&server, &mut calls).await;
    let asked = call.call_tool("t.plain", &json!({"n": 3}));
    let child = calls.next().await;
    assert_eq!((child.call.spec.tool.as_str(), child.arguments()), ("t.plain", json!({"n": 3})));
    assert_eq!(child.call.parent.as_ref().unwrap().names(), "t.run");
    assert_eq!(child.call.origin, call.call.origin, "it is the client's one request");
    child.event(Event::Progress { value: 1.0, total: None, message: None });
    child.finish("three");
    let result = asked.result().await;
    assert_eq!(result["content"][0]["text"], "three");
    assert_eq!(result.get("isError"), None, "{result}");
    call.finish("done");
    let answer = client.next().await;
    assert_eq!(answer["id"], 1, "nothing of the child went to the client: {answer}");
}

#[tokio::test(start_paused = true)]
async fn what_a_call_knows_of_its_client_is_what_that_says() {
    let (server, mut calls) = world();
    let (_client, call) = running(&server, &mut calls).await;
    let origin = call.call.origin.as_ref().unwrap();
    assert_eq!(&*origin.request_id, "1");
    let client: Value = serde_json::from_str(&origin.client).unwrap();
    assert_eq!(client, json!({"name": "testkit", "version": "1", "capabilities": []}));
    let mut other = server.stdio();
    let able = json!({"elicitation": {}, "sampling": {"tools": {}}});
    other.send(&from_client(modern_able(call_tool("a", "t.run", json!({})), able), "c")).await;
    let call = calls.next().await;
    let origin = call.call.origin.as_ref().unwrap();
    assert_eq!(&*origin.request_id, "a");
    let client: Value = serde_json::from_str(&origin.client).unwrap();
    let capabilities = json!(["elicitation.form", "sampling", "sampling.tools"]);
    assert_eq!(client, json!({"name": "c", "version": "1", "capabilities": capabilities}));
    let mut third = server.stdio();
    third.send(&modern(call_tool(1, "t.plain", json!({"n": 1})))).await;
    assert!(calls.next().await.call.origin.is_none(), "a tool without a context is told nothing");
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_a_result_and_what_is_not_there_a_refusal() {
    let (server, mut calls) = world();
    let (_client, call) = running(&server, &mut calls).await;
    let asked = call.call_tool("t.other", &json!({}));
    calls.next().await.end(OutcomeKind::tool_error("ToolError", "no luck".into(), None));
    let result = asked.result().await;
    assert_eq!(result["isError"], true);
    assert!(result["content"][0]["text"].as_str().unwrap().contains("no luck"), "{result}");
    let faulty = call.call_tool("t.plain", &json!({"n": "x"})).result().await;
    assert_eq!(faulty["isError"], true, "{faulty}");
    for (name, part) in [("t.plian", "`t.plain`"), ("t.secret", "t.secret")] {
        let why = refusal(call.call_tool(name, &json!({}))).await;
        assert!(why.contains(part), "{why}");
    }
    let why =
        refusal(call.request(ServerMethod::CallTool, &json!({"name": "t.plain", "arguments": []}), None));
    assert_eq!(why.await, "the arguments of a call must be an object");
    assert!(calls.try_next().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_tool_sees_what_its_client_sees_at_the_moment() {
    let (server, mut calls) = world();
    let (_client, call) = running(&server, &mut calls).await;
    call.event(Event::Visibility { name: "t.secret".into(), shown: true });
    call.event(Event::Visibility { name: "t.plain".into(), shown: false });
    let asked = call.call_tool("t.secret", &json!({}));
    calls.next().await.finish("found");
    assert_eq!(asked.result().await["content"][0]["text"], "found");
    refusal(call.call_tool("t.plain", &json!({"n": 1}))).await;
}

#[tokio::test(start_paused = true)]
async fn calls_go_eight_deep_and_the_ninth_is_told_the_chain() {
    let (server, mut calls) = world();
    let (mut client, first) = running(&server, &mut calls).await;
    let mut chain = vec![first];
    let mut asked = Vec::new();
    for depth in 1..=8 {
        asked.push(chain.last().unwrap().call_tool("t.run", &json!({"n": depth})));
        let child = calls.next().await;
        assert_eq!(child.arguments(), json!({"n": depth}));
        chain.push(child);
    }
    let why = refusal(chain.last().unwrap().call_tool("u.run", &json!({}))).await;
    assert!(
        why.starts_with("`u.run` was not called: calls made one by the other go 8 deep at most: t.run → "),
        "{why}"
    );
    assert!(why.ends_with("→ t.run → u.run"), "{why}");
    for call in chain.into_iter().rev() {
        call.finish("done");
        if let Some(asked) = asked.pop() {
            assert_eq!(asked.result().await["content"][0]["text"], "done");
        }
    }
    assert_eq!(client.answer(&json!(1)).await["result"]["content"][0]["text"], "done");
}

#[tokio::test(start_paused = true)]
async fn the_time_of_a_child_is_what_its_parent_has_left() {
    let (server, mut calls) = world();
    let (_client, call) = running(&server, &mut calls).await;
    for (tool, left, limit) in [
        ("t.run", Some(Duration::from_secs(60)), 60),
        ("t.run", None, 30 * 60),
        ("t.hurried", Some(Duration::from_secs(60)), 5),
        ("t.hurried", Some(Duration::from_secs(2)), 2),
    ] {
        let params = json!({"name": tool});
        let _asked = call.request(ServerMethod::CallTool, &params, left);
        let child = calls.next().await.call;
        let total = child.deadline.remaining(child.deadline.accepted());
        assert_eq!(total, Some(Duration::from_secs(limit)), "{tool} {left:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_child_ends_with_its_parent_and_when_nobody_waits_for_it() {
    let (server, mut calls) = world();
    let (mut client, call) = running(&server, &mut calls).await;
    let asked = call.call_tool("t.run", &json!({}));
    let mut child = calls.next().await;
    let _deeper = child.call_tool("t.other", &json!({}));
    let mut grandchild = calls.next().await;
    drop(asked);
    child.dropped().await;
    grandchild.dropped().await;
    let _asked = call.call_tool("t.run", &json!({}));
    let mut child = calls.next().await;
    let _left = child.call_tool("t.other", &json!({}));
    let mut grandchild = calls.next().await;
    client.send(&cancelled(1)).await;
    child.dropped().await;
    grandchild.dropped().await;
    let (mut client, call) = running(&server, &mut calls).await;
    let _unheard = call.call_tool("t.run", &json!({}));
    let mut child = calls.next().await;
    call.finish("done");
    child.dropped().await;
    assert_eq!(client.answer(&json!(1)).await["result"]["content"][0]["text"], "done");
}

#[tokio::test(start_paused = true)]
async fn a_child_asks_the_client_of_its_parent_in_both_eras() {
    let (server, mut calls) = world();
    let form =
        json!({"mode": "form", "message": "m", "requestedSchema": {"type": "object", "properties": {}}});
    let answer = json!({"action": "accept", "content": {}});
    let able = json!({"elicitation": {}});
    let mut client = server.stdio();
    client.initialize_able("2025-11-25", able.clone()).await;
    client.send(&call_tool(1, "t.run", json!({}))).await;
    let call = calls.next().await;
    let asked = call.call_tool("t.other", &json!({}));
    let child = calls.next().await;
    let question = child.ask(AskMethod::Elicit, &form);
    let sent = client.asked("elicitation/create").await;
    assert!(call.call.parent.is_none());
    assert!(child.call.parent.as_ref().unwrap().child.waits_for_client());
    client.send(&reply(&sent, answer.clone())).await;
    assert_eq!(question.result().await, answer);
    assert!(!child.call.parent.as_ref().unwrap().child.waits_for_client());
    child.finish("1");
    asked.result().await;
    call.finish("done");
    client.answer(&json!(1)).await;

    let mut client = server.stdio();
    let first = modern_able(call_tool(1, "t.run", json!({})), able);
    client.send(&first).await;
    let call = calls.next().await;
    let asked = call.call_tool("t.other", &json!({}));
    let child = calls.next().await;
    let question = child.ask(AskMethod::Elicit, &form);
    let parked = client.answer(&json!(1)).await;
    let key = parked["result"]["inputRequests"].as_object().unwrap().keys().next().unwrap().clone();
    client.send(&retry(&first, 2, &parked, json!({key: answer}))).await;
    assert_eq!(question.result().await, answer);
    child.finish("1");
    asked.result().await;
    call.finish("done");
    assert_eq!(client.answer(&json!(2)).await["result"]["content"][0]["text"], "done");
}

#[tokio::test(start_paused = true)]
async fn a_tool_reads_a_resource() {
    let (server, mut calls) = world();
    let (_client, call) = running(&server, &mut calls).await;
    let read = |uri: &str| call.request(ServerMethod::ReadResource, &json!({"uri": uri}), None);
    let asked = read("notes://a");
    let child = calls.next().await;
    assert!(matches!(&child.call.spec.target, Target::Python(python) if python.function == "notes"));
    assert!(child.call.parent.is_some());
    let contents = json!([{"uri": "notes://a", "text": "hi"}]);
    let held = ResourceContents { contents: contents.to_string().into(), meta: None };
    child.end(OutcomeKind::Finished(CallResult::Resource(held)));
    assert_eq!(asked.result().await, json!({"contents": contents}));
    assert_eq!(refusal(read("other://a")).await, "there is no resource `other://a`");
}

#[tokio::test(start_paused = true)]
async fn a_session_keeps_what_its_tools_set_and_its_end_drops_it() {
    let (server, mut calls) = world();
    let (_client, call) = running(&server, &mut calls).await;
    assert_eq!(get(&call, json!({"key": "k"})).result().await, json!({}));
    assert_eq!(set(&call, json!({"key": "k", "value": {"a": null}})).result().await, json!({}));
    assert_eq!(get(&call, json!({"key": "k"})).result().await, json!({"value": {"a": null}}));
    let asked = call.call_tool("u.run", &json!({}));
    let child = calls.next().await;
    assert_eq!(get(&child, json!({"key": "k"})).result().await, json!({}), "it is another skill's");
    child.finish("1");
    asked.result().await;
    let (_other, call) = running(&server, &mut calls).await;
    assert_eq!(get(&call, json!({"key": "k"})).result().await, json!({}), "it is another session's");
    set(&call, json!({"key": "k", "value": 1})).result().await;
    set(&call, json!({"key": "k"})).result().await;
    assert_eq!(get(&call, json!({"key": "k"})).result().await, json!({}));
    set(&call, json!({"key": "h", "handle": "a", "value": 1})).result().await;
    let (_third, call) = running(&server, &mut calls).await;
    let held = get(&call, json!({"key": "h", "handle": "a"})).result().await;
    assert_eq!(held, json!({"value": 1}), "a handle is good in every session of the client");
    assert_eq!(get(&call, json!({"key": "h", "handle": "b"})).result().await, json!({}));
}

/// A call of a stateless client over HTTP, of that user.
async fn stateless(server: &TestServer, calls: &mut StartedCalls, uid: Option<u32>) -> RunningCall {
    let mut client: HttpClient = server.http_as(uid).await;
    tokio::spawn(async move { client.post(&modern(call_tool(1, "t.run", json!({})))).await });
    calls.next().await
}

#[tokio::test(start_paused = true)]
async fn without_a_session_values_are_the_user_s_and_of_nobody_known_only_by_a_handle() {
    let (server, mut calls) = world();
    let call = stateless(&server, &mut calls, Some(7)).await;
    set(&call, json!({"key": "k", "value": 1})).result().await;
    let again = stateless(&server, &mut calls, Some(7)).await;
    assert_eq!(get(&again, json!({"key": "k"})).result().await, json!({"value": 1}));
    let other = stateless(&server, &mut calls, Some(8)).await;
    assert_eq!(get(&other, json!({"key": "k"})).result().await, json!({}));
    let nobody = stateless(&server, &mut calls, None).await;
    let why = refusal(get(&nobody, json!({"key": "k"}))).await;
    assert!(why.contains("give a `handle`"), "{why}");
    set(&nobody, json!({"key": "k", "handle": "h", "value": 2})).result().await;
    let nobody = stateless(&server, &mut calls, None).await;
    assert_eq!(get(&nobody, json!({"key": "k", "handle": "h"})).result().await, json!({"value": 2}));
    let other = stateless(&server, &mut calls, Some(8)).await;
    assert_eq!(get(&other, json!({"key": "k", "handle": "h"})).result().await, json!({}));
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_has_bounds_that_are_said() {
    let (server, mut calls) = world();
    let (_client, call) = running(&server, &mut calls).await;
    for (params, part) in [
        (json!({"key": "", "value": 1}), "the key of a value that is kept is empty"),
        (json!({"key": "x".repeat(257), "value": 1}), "has 257 bytes, more than the 256 allowed"),
        (json!({"key": "k", "handle": "", "value": 1}), "the handle of a value that is kept is empty"),
        (
            json!({"key": "k", "value": "x".repeat(256 << 10)}),
            "262146 bytes are more than the 262144 allowed",
        ),
        (json!({"value": 1}), "the request cannot be read: missing field `key`"),
    ] {
        let why = refusal(set(&call, params)).await;
        assert!(why.contains(part), "{why}");
    }
}

#[tokio::test(start_paused = true)]
async fn many_children_run_side_by_side_under_the_one_permit_of_their_parent() {
    let folder = SkillFolder::new().python("t", SOURCE);
    let (executor, mut calls) = ScriptedExecutor::new();
    let server = TestServer::builder(&folder, executor).config(|config| config.limits.calls_max = 1).start();
    let mut client = server.stdio();
    client.initialize("2025-11-25").await;
    client.send(&call_tool(1, "t.run", json!({}))).await;
    let call = calls.next().await;
    let asked: Vec<OpenQuestion> = (0..3).map(|n| call.call_tool("t.run", &json!({"n": n}))).collect();
    let mut children = Vec::new();
    for _ in 0..3 {
        children.push(calls.next().await);
    }
    for child in children {
        child.finish("done");
    }
    for asked in asked {
        asked.result().await;
    }
    call.finish("done");
    client.answer(&json!(1)).await;
    let listed = client.request(&request(2, "tools/list", json!({}))).await;
    assert!(listed["result"]["tools"].is_array());
}
