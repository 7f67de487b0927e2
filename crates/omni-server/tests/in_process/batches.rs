//! Batches of revision 2025-03-26: one array for all answers, whatever is in it.

use omni_testkit::{ScriptedExecutor, TestServer, call_tool, cancelled, notification, request};
use serde_json::{Value, json};

use crate::{LEGACY, one_skill, scripted};

fn ids(answers: &Value) -> Vec<Value> {
    answers.as_array().unwrap().iter().map(|answer| answer["id"].clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn answers_come_together_in_the_order_of_the_requests_over_both_transports() {
    let (server, mut calls) = scripted();
    let batch = json!([
        call_tool("slow", "t.run", json!({})),
        request(2, "ping", json!({})),
        notification("notifications/initialized", json!({})),
        {"jsonrpc": "2.0", "id": 3, "method": "no/such"},
        {"jsonrpc": "2.0", "id": 4},
        5,
        call_tool("quick", "t.other", json!({})),
    ]);
    let mut stdio = server.stdio();
    stdio.initialize("2025-03-26").await;
    stdio.send(&batch).await;
    let slow = calls.next().await;
    calls.next().await.finish("first");
    assert!(stdio.request(&request("between", "ping", json!({}))).await.get("result").is_some());
    slow.finish("second");
    let over_stdio = stdio.next().await;

    let mut http = server.http().await;
    http.initialize("2025-03-26").await;
    let reply = tokio::spawn(async move { http.post_bytes(&[], batch.to_string()).await.json() });
    let slow = calls.next().await;
    calls.next().await.finish("first");
    slow.finish("second");
    let over_http = reply.await.unwrap();

    let null = Value::Null;
    assert_eq!(ids(&over_stdio), [json!("slow"), json!(2), json!(3), json!(4), null, json!("quick")]);
    assert_eq!(over_stdio, over_http);
    assert_eq!(over_stdio[0]["result"]["content"][0]["text"], "second");
    assert_eq!(over_stdio[2]["error"]["code"], -32601);
}

#[tokio::test(start_paused = true)]
async fn each_other_revision_refuses_a_batch_and_goes_on() {
    let server = TestServer::new(&one_skill(), ScriptedExecutor::echoing());
    for revision in LEGACY.into_iter().filter(|revision| *revision != "2025-03-26") {
        let mut client = server.stdio();
        client.initialize(revision).await;
        let refused = client.request(&json!([request(1, "ping", json!({}))])).await;
        assert_eq!((&refused["id"], &refused["error"]["code"]), (&Value::Null, &json!(-32600)), "{revision}");
        assert!(client.request(&request(1, "ping", json!({}))).await.get("result").is_some());
        let mut client = server.http().await;
        client.initialize(revision).await;
        let refused = client.post_bytes(&[], json!([request(1, "ping", json!({}))]).to_string()).await;
        assert_eq!((refused.status.as_u16(), &refused.json()["error"]["code"]), (400, &json!(-32600)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_of_a_batch_that_is_cancelled_leaves_the_array() {
    let (server, mut calls) = scripted();
    let mut client = server.stdio();
    client.initialize("2025-03-26").await;
    let batch = json!([call_tool(1, "t.run", json!({})), call_tool(2, "t.run", json!({}))]);
    client.send(&batch).await;
    let (mut first, second) = (calls.next().await, calls.next().await);
    // An id of a batch is taken while any of it is open.
    let taken = client.request(&request(2, "ping", json!({}))).await;
    assert_eq!(taken["error"]["code"], -32600, "{taken}");
    client.send(&cancelled(1)).await;
    first.dropped().await;
    second.finish("kept");
    assert_eq!(ids(&client.next().await), [json!(2)]);
    // All of them cancelled: nothing may be said.
    client.send(&batch).await;
    let (mut first, mut second) = (calls.next().await, calls.next().await);
    client.send(&cancelled(1)).await;
    client.send(&cancelled(2)).await;
    first.dropped().await;
    second.dropped().await;
    let (rest, _) = client.close().await;
    assert_eq!(rest, Vec::<Value>::new());
}

#[tokio::test(start_paused = true)]
async fn a_batch_without_requests_is_answered_by_nothing_and_an_empty_one_is_an_error() {
    let server = TestServer::new(&one_skill(), ScriptedExecutor::echoing());
    let mut client = server.stdio();
    client.initialize("2025-03-26").await;
    client.send(&json!([notification("notifications/initialized", json!({}))])).await;
    client.send(&json!([])).await;
    assert_eq!(client.next().await["error"]["code"], -32600);
    let (rest, _) = client.close().await;
    assert_eq!(rest, Vec::<Value>::new());
    let mut client = server.http().await;
    client.initialize("2025-03-26").await;
    let only = json!([notification("notifications/initialized", json!({}))]).to_string();
    assert_eq!(client.post_bytes(&[], only).await.status, 202);
}
