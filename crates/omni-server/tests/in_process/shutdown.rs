//! How a server ends: by its client, or told to.

use std::time::Duration;

use omni_testkit::{call_tool, modern};
use serde_json::json;
use tokio::time::Instant;

use crate::scripted;

#[tokio::test(start_paused = true)]
async fn calls_may_finish_after_the_end_of_input_within_the_grace_period() {
    let (server, mut calls) = scripted();
    let mut client = server.stdio();
    client.initialize("2025-11-25").await;
    client.send(&call_tool(1, "t.run", json!({}))).await;
    let call = calls.next().await;
    let (closed, ()) = tokio::join!(client.close(), async {
        tokio::time::sleep(Duration::from_millis(900)).await;
        assert!(call.finish("in time"));
    });
    let (rest, ended) = closed;
    ended.unwrap();
    assert_eq!(rest[0]["result"]["content"][0]["text"], "in time");
}

#[tokio::test(start_paused = true)]
async fn what_outlasts_the_grace_period_is_answered_as_shut_down_over_both_transports() {
    let (server, mut calls) = scripted();
    let mut stdio = server.stdio();
    stdio.initialize("2025-11-25").await;
    stdio.send(&call_tool(1, "t.run", json!({}))).await;
    let _open = calls.next().await;
    let began = Instant::now();
    server.stop();
    let rest = stdio.rest().await;
    assert_eq!(began.elapsed(), Duration::from_secs(1));
    assert_eq!(rest.len(), 1, "{rest:?}");
    assert_eq!(rest[0]["result"]["_meta"]["omni/failure"]["kind"], "shutdown");
    stdio.ended().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_told_to_stop_finishes_what_it_has_begun() {
    let (server, mut calls) = scripted();
    let mut client = server.http().await;
    let call = modern(call_tool(1, "t.run", json!({})));
    let (reply, ()) = tokio::join!(client.post(&call), async {
        let call = calls.next().await;
        server.stop();
        tokio::time::sleep(Duration::from_millis(10)).await;
        call.finish("still answered");
    });
    assert_eq!(reply.json()["result"]["content"][0]["text"], "still answered");
    assert!(client.send("POST", &[], "{}").await.is_err(), "the connection stayed open");
}
