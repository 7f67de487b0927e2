//! HTTP+SSE: sessions whose answers come by one stream while their messages are posted to another address.

use std::time::Duration;

use omni_call::{AskMethod, OutcomeKind, ToolResult};
use omni_testkit::{ScriptedExecutor, SseClient, TestServer, call_tool, cancelled, reply, request};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{LEGACY, one_skill, scripted};

fn echoing() -> TestServer {
    TestServer::new(&one_skill(), ScriptedExecutor::echoing())
}

async fn session(server: &TestServer) -> SseClient {
    let mut client = server.sse().await;
    client.initialize("2024-11-05").await;
    client
}

#[tokio::test(start_paused = true)]
async fn what_is_posted_is_answered_on_the_stream_in_every_revision_with_sessions() {
    let server = echoing();
    for revision in LEGACY {
        let mut client = server.sse().await;
        assert!(client.endpoint.starts_with("/messages?session_id="), "{}", client.endpoint);
        let opened = client.initialize(revision).await;
        assert_eq!(opened["result"]["protocolVersion"], revision);
        client.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
        let mut stdio = server.stdio();
        stdio.initialize(revision).await;
        for asked in [request(1, "tools/list", json!({})), request(2, "ping", json!({}))] {
            assert_eq!(client.request(&asked).await, stdio.request(&asked).await, "{revision}");
        }
        let called = client.request(&call_tool(3, "t.run", json!({"a": 1}))).await;
        assert!(called["result"]["content"].is_array(), "{called}");
    }
}

#[tokio::test(start_paused = true)]
async fn sessions_with_equal_ids_do_not_cross_and_each_has_a_name_of_its_own() {
    let (server, mut calls) = scripted();
    let (mut one, mut other) = (session(&server).await, session(&server).await);
    assert_ne!(one.endpoint, other.endpoint);
    one.send(&call_tool(7, "t.run", json!({"of": "one"}))).await;
    let of_one = calls.next().await;
    other.send(&call_tool(7, "t.run", json!({"of": "other"}))).await;
    let of_other = calls.next().await;
    of_other.finish("for the other");
    assert_eq!(other.next().await["result"]["content"][0]["text"], "for the other");
    of_one.finish("for the one");
    assert_eq!(one.next().await["result"]["content"][0]["text"], "for the one");
}

#[tokio::test(start_paused = true)]
async fn a_session_is_its_owners_and_what_names_none_is_refused() {
    let server = echoing();
    let client = server.sse_as(Some(1)).await;
    let ping = request(1, "ping", json!({})).to_string();
    let mut stranger = server.http_as(Some(2)).await;
    let of_another = stranger.ask(&client.endpoint, "POST", &[], ping.clone()).await;
    let unknown = format!("/messages?session_id={}", "0".repeat(32));
    let of_nobody = stranger.ask(&unknown, "POST", &[], ping.clone()).await;
    assert_eq!((of_another.status.as_u16(), of_nobody.status.as_u16()), (404, 404));
    assert_eq!(of_another.body, of_nobody.body, "whether there is such a session is nobody's affair");
    assert_eq!(stranger.ask("/messages", "POST", &[], ping.clone()).await.status, 400);
    // Clients that try Streamable HTTP first go on with GET after a 405.
    let tried = stranger.ask("/sse", "POST", &[], ping.clone()).await;
    assert_eq!((tried.status.as_u16(), &tried.headers["allow"]), (405, &"GET".parse().unwrap()));
    let got = stranger.ask("/messages", "GET", &[], "").await;
    assert_eq!((got.status.as_u16(), &got.headers["allow"]), (405, &"POST".parse().unwrap()));
    for accept in ["application/json", "text/event-stream;q=0"] {
        assert_eq!(stranger.ask("/sse", "GET", &[("accept", accept)], "").await.status, 406, "{accept}");
    }
    for target in ["/sse", client.endpoint.as_str()] {
        let foreign = stranger.ask(target, "GET", &[("host", "evil.example")], "").await;
        assert_eq!(foreign.status, 403, "{target}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_stream_is_the_end_of_the_session_and_cancels_its_calls() {
    let (server, mut calls) = scripted();
    let mut client = session(&server).await;
    client.send(&call_tool(1, "t.run", json!({}))).await;
    let mut call = calls.next().await;
    let endpoint = client.endpoint.clone();
    drop(client);
    call.dropped().await;
    let gone =
        server.http().await.ask(&endpoint, "POST", &[], request(2, "ping", json!({})).to_string()).await;
    assert_eq!(gone.status, 404);
}

#[tokio::test(start_paused = true)]
async fn progress_questions_and_cancellation_go_by_the_two_ways() {
    let (server, mut calls) = scripted();
    let mut client = server.sse().await;
    client.initialize_able("2025-06-18", json!({"elicitation": {}})).await;
    let mut call = call_tool(1, "t.run", json!({}));
    call["params"]["_meta"] = json!({"progressToken": "p"});
    client.send(&call).await;
    let running = calls.next().await;
    running.progress(0.5, Some(1.0));
    let told = client.next().await;
    assert_eq!(
        (&told["method"], &told["params"]["progressToken"]),
        (&json!("notifications/progress"), &json!("p"))
    );
    let form =
        json!({"mode": "form", "message": "name?", "requestedSchema": {"type": "object", "properties": {}}});
    let question = running.ask(AskMethod::Elicit, &form);
    let asked = client.next().await;
    assert_eq!(asked["method"], "elicitation/create", "{asked}");
    client.send(&reply(&asked, json!({"action": "accept", "content": {}}))).await;
    question.answer().await;
    running.finish("done");
    assert_eq!(client.next().await["result"]["content"][0]["text"], "done");
    client.send(&call_tool(2, "t.run", json!({}))).await;
    let mut running = calls.next().await;
    client.send(&cancelled(2)).await;
    running.dropped().await;
    assert_eq!(client.request(&request(3, "ping", json!({}))).await["result"], json!({}));
}

#[tokio::test(start_paused = true)]
async fn a_changed_list_is_told_to_every_session_that_knows_it() {
    let folder = one_skill();
    let server = TestServer::new(&folder, ScriptedExecutor::echoing());
    let (mut one, mut other) = (session(&server).await, session(&server).await);
    for client in [&mut one, &mut other] {
        client.request(&request(1, "tools/list", json!({}))).await;
    }
    folder.write("t/scripts/more.py", "from omni import tool\n\n@tool\ndef more() -> str: ...\n");
    server.refresh().await;
    for client in [&mut one, &mut other] {
        // A new file is a new resource, too.
        let said = [client.next().await["method"].clone()];
        assert!(said.contains(&json!("notifications/tools/list_changed")), "{said:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_refused_and_answered_where_its_client_waits() {
    let server = echoing();
    let mut client = session(&server).await;
    for body in ["", "{", "[]", r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#] {
        let refused = client.post_bytes(body).await;
        assert_eq!(refused.status, 400, "{body}");
        assert!(refused.json()["error"]["code"].is_i64(), "{body}");
    }
    let with_id = client.post_bytes(r#"{"jsonrpc":"2.0","id":5,"method":"ping","params":[]}"#).await;
    assert_eq!((with_id.status.as_u16(), &with_id.json()["id"]), (400, &json!(5)));
    let told = client.next().await;
    assert_eq!(told, with_id.json());
    assert_eq!(client.request(&request(6, "ping", json!({}))).await["result"], json!({}));
}

#[tokio::test(start_paused = true)]
async fn a_quiet_stream_has_a_comment_line_now_and_then() {
    let server = echoing();
    let mut client = session(&server).await;
    let began = Instant::now();
    for n in 1..=3 {
        assert_eq!(client.stream.next_text().await.as_deref(), Some(":\n\n"));
        assert_eq!(began.elapsed(), Duration::from_secs(15 * n));
    }
    // The connection of its posts was closed meanwhile, as any that says nothing.
    let ping = request(1, "ping", json!({})).to_string();
    assert_eq!(server.http().await.ask(&client.endpoint, "POST", &[], ping).await.status, 202);
    assert_eq!(client.next().await["result"], json!({}));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_would_end_the_connection_of_some_clients_is_an_error() {
    let text = |arguments: &Value| "x".repeat(usize::try_from(arguments["bytes"].as_u64().unwrap()).unwrap());
    let executor = ScriptedExecutor::answering(move |call| {
        let arguments = serde_json::from_slice(call.arguments()).unwrap();
        OutcomeKind::from(ToolResult::of_text(&text(&arguments)))
    });
    let server = TestServer::new(&one_skill(), executor);
    let mut client = session(&server).await;
    let fits = client.request(&call_tool(1, "t.run", json!({"bytes": 1_000_000}))).await;
    assert_eq!(fits["result"]["content"][0]["text"].as_str().map(str::len), Some(1_000_000));
    let long = client.request(&call_tool(2, "t.run", json!({"bytes": 1 << 20}))).await;
    assert_eq!(long["error"]["code"], json!(-32603), "{long}");
    assert!(long["error"]["message"].as_str().unwrap().contains("HTTP+SSE"), "{long}");
    assert_eq!(client.request(&request(3, "ping", json!({}))).await["result"], json!({}));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_holds_little_and_is_closed() {
    let (server, mut calls) = scripted();
    let mut client = session(&server).await;
    client.send(&request("level", "logging/setLevel", json!({"level": "debug"}))).await;
    client.send(&call_tool(1, "t.run", json!({}))).await;
    let mut call = calls.next().await;
    let line = json!("x".repeat(10_000));
    for _ in 0..1_000 {
        call.log(omni_call::LogLevel::Info, &line);
        tokio::task::yield_now().await;
    }
    let began = Instant::now();
    call.dropped().await;
    assert!(began.elapsed() <= Duration::from_secs(60), "{:?}", began.elapsed());
    let ping = request(2, "ping", json!({})).to_string();
    let late = server.http().await.ask(&client.endpoint, "POST", &[], ping).await;
    assert_eq!(late.status, 404, "its session has ended with its stream");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stops_answers_what_runs_and_then_ends_the_stream() {
    let (server, mut calls) = scripted();
    let (mut idle, mut busy) = (session(&server).await, session(&server).await);
    busy.send(&call_tool(1, "t.run", json!({}))).await;
    let call = calls.next().await;
    server.stop();
    assert_eq!(idle.stream.next().await, None);
    call.finish("still answered");
    assert_eq!(busy.next().await["result"]["content"][0]["text"], "still answered");
    assert_eq!(busy.stream.next().await, None);
}
