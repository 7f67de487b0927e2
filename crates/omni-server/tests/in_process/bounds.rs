//! Each bound, tripped: what is refused, in which words, and that the rest goes on.

use futures_util::FutureExt;
use omni_testkit::{ScriptedExecutor, SkillFolder, TestServer, call_tool, modern, request};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{one_skill, scripted};

#[tokio::test(start_paused = true)]
async fn an_id_in_flight_is_taken_and_free_after_its_answer() {
    let (server, mut calls) = scripted();
    let mut client = server.stdio();
    client.initialize("2025-11-25").await;
    client.send(&call_tool("a", "t.run", json!({}))).await;
    let call = calls.next().await;
    let taken = client.request(&request("a", "ping", json!({}))).await;
    assert_eq!(taken["error"]["code"], -32600, "{taken}");
    call.finish("done");
    assert_eq!(client.answer(&json!("a")).await["result"]["content"][0]["text"], "done");
    assert!(client.request(&request("a", "ping", json!({}))).await.get("result").is_some());
}

#[tokio::test(start_paused = true)]
async fn requests_beyond_the_bound_of_a_stdio_client_are_refused_and_pings_are_not() {
    let (executor, mut calls) = ScriptedExecutor::new();
    let server =
        TestServer::builder(&one_skill(), executor).config(|config| config.limits.in_flight_max = 3).start();
    let mut client = server.stdio();
    client.initialize("2025-11-25").await;
    for n in 0..3 {
        client.send(&call_tool(n, "t.run", json!({}))).await;
    }
    let first = calls.next().await;
    let refused = client.request(&call_tool(3, "t.run", json!({}))).await;
    assert_eq!(refused["error"]["code"], -31000, "{refused}");
    assert!(refused["error"]["message"].as_str().unwrap().contains('3'), "{refused}");
    assert!(client.request(&request(4, "ping", json!({}))).await.get("result").is_some());
    first.finish("room");
    client.answer(&json!(0)).await;
    client.send(&call_tool(5, "t.run", json!({}))).await;
    // The two that waited, and the new one.
    for _ in 0..3 {
        calls.next().await.finish("done");
    }
    client.answer(&json!(5)).await;
}

#[tokio::test(start_paused = true)]
async fn calls_beyond_the_bounds_wait_and_those_beyond_that_are_refused() {
    let (executor, mut calls) = ScriptedExecutor::new();
    let server = TestServer::builder(&one_skill(), executor.clone())
        .config(|config| (config.limits.calls_max, config.limits.calls_waiting_max) = (2, 2))
        .start();
    let mut client = server.stdio();
    client.initialize("2025-11-25").await;
    for n in 0..8 {
        client.send(&call_tool(n, "t.run", json!({}))).await;
    }
    let pong = client.request(&request("ping", "ping", json!({}))).await;
    assert!(pong.get("result").is_some());
    let mut refused = 0;
    let mut answered = 0;
    let mut running: Vec<_> = std::iter::from_fn(|| calls.try_next()).collect();
    assert!(running.len() >= 2 && executor.running() == running.len(), "{} run", running.len());
    while answered + refused < 8 {
        if let Some(call) = running.pop() {
            assert!(call.finish("done"));
        }
        let message = client.next().await;
        match message["error"]["code"].as_i64() {
            Some(-31000) => {
                assert!(message["error"]["data"]["retry_after_ms"].is_number(), "{message}");
                refused += 1;
            }
            Some(_) => panic!("{message}"),
            None => answered += 1,
        }
        running.extend(std::iter::from_fn(|| calls.try_next()));
    }
    assert!(refused >= 2 && answered >= 4, "{answered} answered, {refused} refused");
}

#[tokio::test(start_paused = true)]
async fn a_line_or_a_body_that_is_too_long_is_refused_and_the_next_is_served() {
    let server = TestServer::builder(&one_skill(), ScriptedExecutor::echoing())
        .config(|config| (config.limits.frame_bytes_max, config.limits.body_bytes_max) = (1000, 1000))
        .start();
    let long = call_tool(7, "t.run", json!({"text": "x".repeat(1000)}));
    let mut client = server.stdio();
    client.initialize("2025-11-25").await;
    let refused = client.request(&long).await;
    assert_eq!(refused["error"]["code"], -32600, "{refused}");
    assert!(client.request(&request(7, "ping", json!({}))).await.get("result").is_some());
    let mut client = server.http().await;
    let refused = client.post(&modern(long)).await;
    assert_eq!(refused.status, 413, "{refused:?}");
    let mut client = server.http().await;
    assert_eq!(client.post(&modern(request(1, "tools/list", json!({})))).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_its_answers_holds_up_nobody_else() {
    let server = TestServer::builder(&one_skill(), ScriptedExecutor::echoing())
        .config(|config| config.limits.memory_bytes_max = 8 << 20)
        .start();
    let mut deaf = server.stdio();
    deaf.initialize("2025-11-25").await;
    let text = "x".repeat(20_000);
    let writing = tokio::spawn(async move {
        for n in 0..1000 {
            deaf.send(&call_tool(n, "t.run", json!({"text": text}))).await;
        }
        deaf
    });
    let mut other = server.http_as(Some(1000)).await;
    for n in 0..100 {
        let answer = other.post(&modern(call_tool(n, "t.run", json!({"n": n})))).await.json();
        assert_eq!(answer["result"]["content"][0]["text"], json!({"n": n}).to_string(), "{answer}");
    }
    assert!(!writing.is_finished(), "all of it was taken though nothing was read");
    writing.abort();
}

/// A server whose list of tools is long.
fn long_list() -> TestServer {
    let tools = (0..1000).map(|n| format!("@tool\ndef tool_{n}(text: str) -> None: ...\n\n\n"));
    let source = format!("from omni import tool\n\n\n{}", tools.collect::<String>());
    TestServer::new(&SkillFolder::new().python("many", &source), ScriptedExecutor::echoing())
}

#[tokio::test(start_paused = true)]
async fn large_answers_to_requests_sent_ahead_let_other_clients_in_between_on_stdio() {
    let server = long_list();
    let mut greedy = server.stdio();
    greedy.initialize("2025-11-25").await;
    let lines: String = (0..100).map(|n| format!("{}\n", request(n, "tools/list", json!({})))).collect();
    greedy.send_bytes(lines.as_bytes()).await;
    let mut other = server.http_as(Some(1000)).await;
    let call = call_tool("now", "many.tool_1", json!({"text": ""}));
    assert_eq!(other.post(&modern(call)).await.status, 200);
    for n in 0..100 {
        let tools = greedy.answer(&json!(n)).await["result"]["tools"].as_array().map(Vec::len);
        assert_eq!(tools, Some(1000));
    }
}

#[tokio::test(start_paused = true)]
async fn large_answers_to_requests_sent_ahead_let_other_clients_in_between_over_http() {
    let server = long_list();
    let body = modern(request(1, "tools/list", json!({}))).to_string();
    let one = format!(
        "POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: application/json, text/event-stream\r\n\
         content-type: application/json\r\nmcp-protocol-version: 2026-07-28\r\nmcp-method: tools/list\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    // Room for everything, so that nothing makes the server wait for this client.
    let mut greedy = server.http_stream(Some(1000), 64 << 20);
    greedy.write_all(one.repeat(100).as_bytes()).await.unwrap();
    let mut other = server.http_as(Some(1001)).await;
    let call = modern(call_tool(1, "many.tool_1", json!({"text": ""})));
    assert_eq!(other.post(&call).await.status, 200);
    let mut answered = Vec::new();
    while let Some(Ok(1..)) = greedy.read_buf(&mut answered).now_or_never() {}
    let answers = memchr::memmem::find_iter(&answered, "HTTP/1.1 200 OK").count();
    assert!((1..20).contains(&answers), "{answers} of 100 large answers came before the other client's");
}
