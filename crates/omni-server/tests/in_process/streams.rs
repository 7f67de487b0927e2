//! What is said before an answer, and replies that become streams.

use std::time::Duration;

use omni_call::LogLevel;
use omni_testkit::{call_tool, modern, request};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::scripted;

/// A call that wants progress under this token.
fn with_progress(mut call: Value, token: Value) -> Value {
    call["params"]["_meta"]["progressToken"] = token;
    call
}

#[tokio::test(start_paused = true)]
async fn progress_goes_to_who_asked_for_it_grows_and_stops_with_the_answer() {
    let (server, mut calls) = scripted();
    let mut client = server.stdio();
    client.initialize("2025-11-25").await;
    client.send(&with_progress(call_tool(1, "t.run", json!({})), json!("one"))).await;
    let first = calls.next().await;
    client.send(&call_tool(2, "t.run", json!({}))).await;
    let silent = calls.next().await;
    for value in [1.0, 1.0, 0.5, f64::NAN, f64::INFINITY, 2.0] {
        first.progress(value, Some(2.0));
        silent.progress(value, None);
    }
    silent.finish("2");
    first.finish("1");
    let mut seen = Vec::new();
    for _ in 0..4 {
        let message = client.next().await;
        seen.push(match message["method"].as_str() {
            Some("notifications/progress") => {
                assert_eq!(message["params"]["progressToken"], "one");
                message["params"]["progress"].clone()
            }
            _ => json!({"answer": message["id"]}),
        });
    }
    let of_first: Vec<_> = seen.iter().filter(|value| **value != json!({"answer": 2})).collect();
    assert_eq!(of_first, [&json!(1.0), &json!(2.0), &json!({"answer": 1})], "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_over_http_is_json_until_something_must_be_said_before_its_answer() {
    let (server, mut calls) = scripted();
    let mut client = server.http().await;
    let call = with_progress(modern(call_tool(1, "t.run", json!({}))), json!(7));
    let (reply, ()) = tokio::join!(client.post(&call), async { assert!(calls.next().await.finish("quick")) });
    assert_eq!(reply.headers["content-type"], "application/json");
    assert_eq!(reply.json()["result"]["content"][0]["text"], "quick");
    let (reply, ()) = tokio::join!(client.post(&call), async {
        let call = calls.next().await;
        call.progress(1.0, None);
        call.progress(2.0, None);
        call.finish("told");
    });
    let methods: Vec<_> = reply.messages().iter().map(|message| message["method"].clone()).collect();
    let progress = json!("notifications/progress");
    assert_eq!(methods, [progress.clone(), progress, Value::Null], "{reply:?}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_call_gives_its_client_the_head_after_five_seconds_and_signs_of_life_after_that() {
    let (server, mut calls) = scripted();
    let mut client = server.http().await;
    let began = Instant::now();
    let reply = client.open(&modern(call_tool(1, "t.run", json!({})))).await;
    assert_eq!(began.elapsed(), Duration::from_secs(5));
    assert_eq!(reply.headers()["content-type"], "text/event-stream");
    let call = calls.next().await;
    drop(reply);
    drop(client);
    let mut call = call;
    call.dropped().await;
}

#[tokio::test(start_paused = true)]
async fn log_messages_come_from_the_level_that_was_asked_for() {
    let levels = [
        LogLevel::Debug,
        LogLevel::Info,
        LogLevel::Notice,
        LogLevel::Warning,
        LogLevel::Error,
        LogLevel::Critical,
        LogLevel::Alert,
        LogLevel::Emergency,
    ];
    for (n, wanted) in levels.into_iter().enumerate() {
        let (server, mut calls) = scripted();
        let mut client = server.stdio();
        client.initialize("2025-11-25").await;
        let level = json!({"level": wanted.name()});
        let set = client.request(&request("level", "logging/setLevel", level)).await;
        assert_eq!(set["result"], json!({}), "{set}");
        client.send(&call_tool(1, "t.run", json!({}))).await;
        let call = calls.next().await;
        for level in levels {
            call.log(level, &json!(level.name()));
        }
        call.finish("done");
        client.answer(&json!(1)).await;
        let (said, _) = client.close().await;
        let said: Vec<_> = said.iter().map(|message| message["params"]["data"].as_str().unwrap()).collect();
        let expected: Vec<_> = levels[n..].iter().map(|level| level.name()).collect();
        assert_eq!(said, expected, "from {}", wanted.name());
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_loses_notifications_and_is_told_how_many() {
    let (server, mut calls) = scripted();
    let mut client = server.stdio();
    client.initialize("2025-11-25").await;
    client.request(&request("level", "logging/setLevel", json!({"level": "debug"}))).await;
    client.send(&call_tool(1, "t.run", json!({}))).await;
    let call = calls.next().await;
    for n in 0..20_000 {
        call.log(LogLevel::Info, &json!(n));
    }
    call.finish("done");
    // All of it has reached the server before anything is read.
    tokio::time::sleep(Duration::from_secs(1)).await;
    client.answer(&json!(1)).await;
    let (said, _) = client.close().await;
    let lost: usize = said
        .iter()
        .filter_map(|message| message["params"]["data"].as_str())
        .map(|text| text.split(' ').next().unwrap().parse::<usize>().unwrap())
        .sum();
    let kept = said.iter().filter(|message| message["params"]["data"].is_number()).count();
    assert!(lost > 0, "nothing was lost, so this test proves nothing");
    assert_eq!(kept + lost, 20_000);
}
