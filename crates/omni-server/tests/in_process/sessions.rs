//! What a session remembers, on stdio and over HTTP.

use omni_testkit::{ScriptedExecutor, TestServer, call_tool, initialize, modern, request};
use serde_json::{Value, json};

use crate::{LEGACY, one_skill, scripted};

#[tokio::test(start_paused = true)]
async fn every_revision_is_agreed_and_an_unknown_one_gets_the_newest_with_sessions() {
    let server = TestServer::new(&one_skill(), ScriptedExecutor::echoing());
    for asked in LEGACY.into_iter().chain(["1999-01-01", "2026-07-28"]) {
        let agreed = if LEGACY.contains(&asked) { asked } else { "2025-11-25" };
        let over_stdio = server.stdio().request(&initialize(1, asked)).await;
        let over_http = server.http().await.post(&initialize(1, asked)).await.json();
        assert_eq!(over_stdio["result"]["protocolVersion"], agreed, "{asked}");
        assert_eq!(over_stdio, over_http);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_before_initialize_is_refused_and_ping_too() {
    let server = TestServer::new(&one_skill(), ScriptedExecutor::echoing());
    let mut client = server.stdio();
    for (n, method) in ["tools/list", "tools/call", "logging/setLevel"].into_iter().enumerate() {
        let answer = client.request(&request(n, method, json!({"name": "t.run", "level": "info"}))).await;
        assert!(answer.get("error").is_some(), "{answer}");
    }
    client.initialize("2025-06-18").await;
    assert!(client.request(&request("list", "tools/list", json!({}))).await.get("result").is_some());
}

#[tokio::test(start_paused = true)]
async fn both_eras_are_served_on_one_connection() {
    let server = TestServer::new(&one_skill(), ScriptedExecutor::echoing());
    let mut stdio = server.stdio();
    stdio.initialize("2025-06-18").await;
    let legacy = stdio.request(&request(1, "tools/list", json!({}))).await;
    let new = stdio.request(&modern(request(2, "tools/list", json!({})))).await;
    assert_eq!(legacy["result"]["tools"].as_array().unwrap().len(), 2);
    assert_eq!(new["result"]["tools"].as_array().unwrap().len(), 2);
    assert_eq!(new["result"]["resultType"], "complete");
    assert_eq!(legacy["result"].get("resultType"), None);
    let mut http = server.http().await;
    http.initialize("2025-06-18").await;
    assert_eq!(http.post(&request(1, "tools/list", json!({}))).await.json(), legacy);
    http.session = None;
    assert_eq!(http.post(&modern(request(2, "tools/list", json!({})))).await.json(), new);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_session_is_gone_and_takes_its_calls_along() {
    let (server, mut calls) = scripted();
    let (mut caller, mut other) = (server.http().await, server.http().await);
    caller.initialize("2025-11-25").await;
    other.session = caller.session.clone();
    let calling = tokio::spawn(async move { caller.post(&call_tool(1, "t.run", json!({}))).await });
    let mut call = calls.next().await;
    assert_eq!(other.send("DELETE", &[], "").await.unwrap().status(), 200);
    call.dropped().await;
    let answer = calling.await.unwrap().json();
    assert_eq!(answer["error"]["code"], -32600, "its client may still wait: {answer}");
    let gone = other.post(&request(2, "ping", json!({}))).await;
    assert_eq!((gone.status.as_u16(), gone.json()["error"]["code"].clone()), (404, json!(-32600)));
    assert_eq!(other.send("DELETE", &[], "").await.unwrap().status(), 404);
}

#[tokio::test(start_paused = true)]
async fn a_log_level_is_the_sessions_and_lasts() {
    let (server, mut calls) = scripted();
    let (mut first, mut second) = (server.http().await, server.http().await);
    first.initialize("2025-11-25").await;
    second.initialize("2025-11-25").await;
    first.post(&request("level", "logging/setLevel", json!({"level": "info"}))).await;
    for (client, expected) in [(&mut first, 2), (&mut second, 1)] {
        for n in 0..3 {
            let call = call_tool(n, "t.run", json!({}));
            let (reply, ()) = tokio::join!(client.post(&call), async {
                let call = calls.next().await;
                call.log(omni_call::LogLevel::Info, &json!("said"));
                call.finish("done");
            });
            assert_eq!(reply.messages().len(), expected, "{reply:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_stream_of_a_session_is_one_and_the_newest_has_it() {
    let folder = one_skill();
    let server = TestServer::new(&folder, ScriptedExecutor::echoing());
    let (mut client, mut again) = (server.http().await, server.http().await);
    client.initialize("2025-11-25").await;
    client.post(&request(1, "tools/list", json!({}))).await;
    again.session = client.session.clone();
    let mut old = client.listen().await;
    let mut new = again.listen().await;
    assert_eq!(old.next().await, None, "two streams of one session");
    folder.write("u/scripts/t.py", "from omni import tool\n\n@tool\ndef run() -> str: ...\n");
    server.refresh().await;
    let told = new.next().await.unwrap();
    assert_eq!(told["method"], "notifications/tools/list_changed");
    // Once: nothing else comes until the server stops.
    server.refresh().await;
    client.session.clone_from(&again.session);
    assert_eq!(client.send("DELETE", &[], "").await.unwrap().status(), 200);
    assert_eq!(new.next().await, None::<Value>);
}

#[tokio::test(start_paused = true)]
async fn what_runs_in_a_session_that_its_client_ends_is_told_so_and_ended() {
    let (server, mut calls) = scripted();
    for (revision, progress) in [("2025-06-18", false), ("2025-11-25", true)] {
        let (mut client, mut other) = (server.http().await, server.http().await);
        client.initialize(revision).await;
        other.session.clone_from(&client.session);
        let mut call = call_tool(1, "t.run", json!({}));
        if progress {
            call["params"]["_meta"]["progressToken"] = "p".into();
        }
        let answered = tokio::spawn(async move { client.post(&call).await.messages() });
        let mut running = calls.next().await;
        if progress {
            running.progress(1.0, None);
        }
        assert_eq!(other.send("DELETE", &[], "").await.unwrap().status(), 200);
        let messages = answered.await.unwrap();
        let answer = messages.last().unwrap();
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(1), &json!(-32600)), "{revision}");
        assert!(answer["error"]["message"].as_str().unwrap().contains("ended the session"), "{answer}");
        running.dropped().await;
    }
}

#[tokio::test(start_paused = true)]
async fn sessions_belong_to_the_user_who_opened_them() {
    let server = TestServer::new(&one_skill(), ScriptedExecutor::echoing());
    let (mut mine, mut yours) = (server.http_as(Some(1000)).await, server.http_as(Some(1001)).await);
    mine.initialize("2025-11-25").await;
    yours.session = mine.session.clone();
    assert_eq!(yours.post(&request(1, "ping", json!({}))).await.status, 404);
    assert_eq!(yours.send("DELETE", &[], "").await.unwrap().status(), 404);
    assert_eq!(mine.post(&request(1, "ping", json!({}))).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn two_sessions_that_use_the_same_ids_at_once_each_get_their_own_answers() {
    let (server, mut calls) = scripted();
    let (mut stdio, mut other_stdio) = (server.stdio(), server.stdio());
    let (mut http, mut other_http) = (server.http().await, server.http().await);
    stdio.initialize("2025-11-25").await;
    other_stdio.initialize("2025-11-25").await;
    http.initialize("2025-11-25").await;
    other_http.initialize("2025-11-25").await;
    let call = |of: &str| call_tool(1, "t.run", json!({"of": of}));
    stdio.send(&call("stdio")).await;
    other_stdio.send(&call("other stdio")).await;
    let over_http = tokio::spawn(async move { http.post(&call("http")).await.json() });
    let over_other = tokio::spawn(async move { other_http.post(&call("other http")).await.json() });
    let mut open = Vec::new();
    for _ in 0..4 {
        open.push(calls.next().await);
    }
    // The last that came is answered first.
    for call in open.into_iter().rev() {
        let of = call.arguments()["of"].as_str().unwrap().to_owned();
        assert!(call.finish(&of));
    }
    for (answer, of) in [
        (stdio.next().await, "stdio"),
        (other_stdio.next().await, "other stdio"),
        (over_http.await.unwrap(), "http"),
        (over_other.await.unwrap(), "other http"),
    ] {
        assert_eq!((&answer["id"], &answer["result"]["content"][0]["text"]), (&json!(1), &json!(of)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_to_nothing_that_was_asked_is_ignored_and_one_in_no_session_refused() {
    let server = TestServer::new(&one_skill(), ScriptedExecutor::echoing());
    let replies = [
        json!({"jsonrpc": "2.0", "id": 1, "result": {}}),
        json!({"jsonrpc": "2.0", "id": "1", "error": {"code": 1, "message": "no"}}),
        json!({"jsonrpc": "2.0", "error": {"code": 1, "message": "no"}}),
    ];
    let (mut stdio, mut http) = (server.stdio(), server.http().await);
    stdio.initialize("2025-11-25").await;
    http.initialize("2025-11-25").await;
    for reply in &replies {
        stdio.send(reply).await;
        assert!(stdio.request(&request(1, "ping", json!({}))).await.get("result").is_some());
        assert_eq!(http.post_bytes(&[], reply.to_string()).await.status, 202);
    }
    assert_eq!(stdio.close().await.0, Vec::<Value>::new());
    http.session = Some("0".repeat(70));
    assert_eq!(http.post_bytes(&[], replies[0].to_string()).await.status, 404);
}
