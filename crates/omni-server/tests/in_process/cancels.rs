//! What a client takes back ends, is answered by nothing, and its id is free again.

use omni_call::OutcomeKind;
use omni_testkit::{ScriptedExecutor, TestServer, call_tool, cancelled, modern, request};
use serde_json::json;

use crate::{one_skill, scripted};

#[tokio::test(start_paused = true)]
async fn a_cancelled_call_on_stdio_is_dropped_at_once_and_its_id_can_be_used_again() {
    let (executor, mut calls) = ScriptedExecutor::new();
    let server = TestServer::new(&one_skill(), executor.clone());
    let mut client = server.stdio();
    client.initialize("2025-11-25").await;
    for round in 0..3 {
        client.send(&call_tool(1, "t.run", json!({"round": round}))).await;
        let mut call = calls.next().await;
        assert_eq!(call.arguments(), json!({"round": round}));
        client.send(&cancelled(1)).await;
        call.dropped().await;
        assert!(!call.finish("too late"), "the server still listens to a cancelled call");
    }
    client.send(&call_tool(1, "t.run", json!({}))).await;
    calls.next().await.finish("the last");
    let answer = client.answer(&json!(1)).await;
    assert_eq!(answer["result"]["content"][0]["text"], "the last");
    let (rest, ended) = client.close().await;
    ended.unwrap();
    assert_eq!(rest, Vec::<serde_json::Value>::new(), "a cancelled call was answered");
    assert_eq!(executor.running(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_cancels_nothing_changes_nothing() {
    let (server, mut calls) = scripted();
    let mut client = server.stdio();
    client.initialize("2025-11-25").await;
    client.send(&call_tool(1, "t.run", json!({}))).await;
    let call = calls.next().await;
    for harmless in [
        cancelled(2),
        // An id is a number or a text, and these are others.
        cancelled("1"),
        cancelled(json!(null)),
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled"}),
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": [1]}}),
        json!({"jsonrpc": "2.0", "method": "notifications/unheard_of", "params": {"requestId": 1}}),
    ] {
        client.send(&harmless).await;
    }
    assert!(client.request(&request(9, "ping", json!({}))).await.get("result").is_some());
    assert!(call.finish("done"), "the call was dropped");
    assert_eq!(client.answer(&json!(1)).await["result"]["content"][0]["text"], "done");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_ready_when_it_is_cancelled_is_given_once_or_not_at_all() {
    let (server, mut calls) = scripted();
    let mut client = server.stdio();
    client.initialize("2025-11-25").await;
    for n in 0..20 {
        client.send(&call_tool(n, "t.run", json!({}))).await;
        let call = calls.next().await;
        // Both reach the server before it runs again.
        call.finish("ready");
        client.send(&cancelled(n)).await;
    }
    let (rest, _) = client.close().await;
    for n in 0..20 {
        assert!(rest.iter().filter(|message| message["id"] == n).count() <= 1, "{n} was answered twice");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancel_over_http_comes_on_another_connection_and_only_in_its_session() {
    let (server, mut calls) = scripted();
    let (mut caller, mut other) = (server.http().await, server.http().await);
    caller.initialize("2025-06-18").await;
    let reply = tokio::spawn(async move { caller.post(&call_tool(1, "t.run", json!({}))).await });
    let mut call = calls.next().await;
    // Another session has an id 1 of its own.
    other.initialize("2025-06-18").await;
    assert_eq!(other.post_bytes(&[], cancelled(1).to_string()).await.status, 202);
    assert!(call.progress(1.0, None), "a stranger cancelled the call");
    // The session of the call: its token is what the executor knows it by.
    other.session = Some(call.call.session.to_string());
    assert_eq!(other.post_bytes(&[], cancelled(1).to_string()).await.status, 202);
    call.dropped().await;
    let reply = reply.await.unwrap();
    assert_eq!((reply.status.as_u16(), &reply.body[..]), (200, &b""[..]));
}

#[tokio::test(start_paused = true)]
async fn closing_the_connection_cancels_what_it_carries() {
    let (executor, mut calls) = ScriptedExecutor::new();
    let server = TestServer::new(&one_skill(), executor.clone());
    for message in [modern(call_tool(1, "t.run", json!({}))), call_tool(2, "t.run", json!({}))] {
        let mut client = server.http().await;
        if message["params"].get("_meta").is_none() {
            client.initialize("2025-06-18").await;
        }
        let posting = tokio::spawn(async move {
            let reply = client.post(&message).await;
            panic!("answered: {reply:?}");
        });
        let mut call = calls.next().await;
        posting.abort();
        call.dropped().await;
    }
    assert_eq!(executor.running(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_any_ending_is_the_answer_of_its_call() {
    let (server, mut calls) = scripted();
    let mut client = server.stdio();
    client.initialize("2025-11-25").await;
    let kinds = [
        OutcomeKind::Cancelled,
        OutcomeKind::Shutdown,
        OutcomeKind::Exited { code: 3, message: None },
        OutcomeKind::Signalled { signal: 11 },
        OutcomeKind::BadResult { message: "no".into() },
        OutcomeKind::Lost { message: "gone".into() },
    ];
    for (n, kind) in kinds.into_iter().enumerate() {
        let name = kind.name();
        client.send(&call_tool(n, "t.run", json!({}))).await;
        calls.next().await.end(kind);
        let answer = client.answer(&json!(n)).await;
        assert_eq!(answer["result"]["isError"], true, "{answer}");
        assert_eq!(answer["result"]["_meta"]["omni/failure"]["kind"], name);
    }
}
