//! Batches of revision 2025-03-26: one array for all answers, whatever is in it and whatever it travels over.

use omni_testkit::{
    HttpClient, HttpReply, ScriptedExecutor, StartedCalls, StdioClient, TestServer, call_tool, cancelled,
    notification, request,
};
use serde_json::{Value, json};

use crate::{LEGACY, one_skill, scripted};

/// A client of a session in revision 2025-03-26, on either transport.
enum Client {
    Stdio(StdioClient),
    /// The second connection is for what is sent while the first waits for an answer.
    Http(HttpClient, HttpClient),
}

/// The answer to a batch that is on its way.
enum Coming {
    Stdio,
    Http(tokio::task::JoinHandle<(HttpClient, HttpReply)>),
}

impl Client {
    /// One client on each transport, each of a server of its own.
    async fn both() -> [(Client, TestServer, StartedCalls); 2] {
        let [over_stdio, over_http] = [scripted(), scripted()];
        let mut stdio = over_stdio.0.stdio();
        stdio.initialize("2025-03-26").await;
        let (mut http, mut other) = (over_http.0.http().await, over_http.0.http().await);
        http.initialize("2025-03-26").await;
        other.session.clone_from(&http.session);
        [
            (Client::Stdio(stdio), over_stdio.0, over_stdio.1),
            (Client::Http(http, other), over_http.0, over_http.1),
        ]
    }

    /// Sends a batch. Over HTTP the client is gone until its answer has come.
    async fn send(&mut self, batch: &Value, server: &TestServer) -> Coming {
        match self {
            Client::Stdio(client) => {
                client.send(batch).await;
                Coming::Stdio
            }
            Client::Http(client, _) => {
                let mut sender = std::mem::replace(client, server.http().await);
                client.session.clone_from(&sender.session);
                let batch = batch.to_string();
                Coming::Http(tokio::spawn(async move {
                    let reply = sender.post_bytes(&[], batch).await;
                    (sender, reply)
                }))
            }
        }
    }

    /// The array of answers; `None` when nothing is said.
    async fn answers(&mut self, coming: Coming) -> Option<Value> {
        match (self, coming) {
            (Client::Http(..), Coming::Http(coming)) => {
                let (_sender, reply) = coming.await.unwrap();
                assert!(reply.status.is_success(), "{reply:?}");
                (!reply.body.is_empty()).then(|| reply.json())
            }
            (Client::Stdio(client), Coming::Stdio) => {
                // A ping is answered at once; by the second, what the batch has to say has been said.
                client.request(&request("after", "ping", json!({}))).await;
                client.send(&request("last", "ping", json!({}))).await;
                let next = client.next().await;
                if next["id"] == "last" {
                    return None;
                }
                client.answer(&json!("last")).await;
                Some(next)
            }
            _ => unreachable!("what was sent is answered on its transport"),
        }
    }

    /// Sends one message while a batch is being answered, and gives its answer.
    async fn meanwhile(&mut self, message: &Value) -> Option<Value> {
        match self {
            Client::Stdio(client) if message.get("id").is_some() => Some(client.request(message).await),
            Client::Stdio(client) => {
                client.send(message).await;
                None
            }
            Client::Http(_, other) => {
                let reply = other.post_bytes(&[], message.to_string()).await;
                (!reply.body.is_empty()).then(|| reply.json())
            }
        }
    }
}

fn ids(answers: &Value) -> Vec<Value> {
    answers.as_array().unwrap().iter().map(|answer| answer["id"].clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn answers_come_together_in_the_order_of_the_requests_over_both_transports() {
    let batch = json!([
        call_tool("slow", "t.run", json!({})),
        request(2, "ping", json!({})),
        notification("notifications/initialized", json!({})),
        {"jsonrpc": "2.0", "id": 3, "method": "no/such"},
        {"jsonrpc": "2.0", "id": 4},
        5,
        {"jsonrpc": "2.0", "id": 99, "result": {}},
        call_tool("quick", "t.other", json!({})),
    ]);
    let mut all = Vec::new();
    for (mut client, server, mut calls) in Client::both().await {
        let coming = client.send(&batch, &server).await;
        let slow = calls.next().await;
        calls.next().await.finish("first");
        let between = client.meanwhile(&request("between", "ping", json!({}))).await.unwrap();
        assert!(between.get("result").is_some(), "{between}");
        slow.finish("second");
        all.push(client.answers(coming).await.unwrap());
    }
    let null = Value::Null;
    assert_eq!(ids(&all[0]), [json!("slow"), json!(2), json!(3), json!(4), null, json!("quick")]);
    assert_eq!(all[0], all[1]);
    assert_eq!(all[0][0]["result"]["content"][0]["text"], "second");
    assert_eq!(all[0][2]["error"]["code"], -32601);
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
    let batch = json!([call_tool(1, "t.run", json!({})), call_tool(2, "t.run", json!({}))]);
    for (mut client, server, mut calls) in Client::both().await {
        let coming = client.send(&batch, &server).await;
        let (mut first, second) = (calls.next().await, calls.next().await);
        client.meanwhile(&cancelled(1)).await;
        first.dropped().await;
        second.finish("kept");
        assert_eq!(ids(&client.answers(coming).await.unwrap()), [json!(2)]);
        // All of them cancelled: nothing may be said.
        let coming = client.send(&batch, &server).await;
        let (mut first, mut second) = (calls.next().await, calls.next().await);
        client.meanwhile(&cancelled(1)).await;
        client.meanwhile(&cancelled(2)).await;
        first.dropped().await;
        second.dropped().await;
        assert_eq!(client.answers(coming).await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn each_id_of_a_batch_is_taken_until_all_are_answered() {
    let batch = json!([
        request("ping", "ping", json!({})),
        request("ping", "ping", json!({})),
        call_tool("quick", "t.run", json!({})),
        call_tool("slow", "t.run", json!({})),
    ]);
    for (mut client, server, mut calls) in Client::both().await {
        let coming = client.send(&batch, &server).await;
        let (quick, slow) = (calls.next().await, calls.next().await);
        quick.finish("1");
        for id in ["ping", "quick", "slow"] {
            let taken = client.meanwhile(&request(id, "ping", json!({}))).await.unwrap();
            assert_eq!((&taken["id"], &taken["error"]["code"]), (&json!(id), &json!(-32600)), "{taken}");
        }
        slow.finish("2");
        let answers = client.answers(coming).await.unwrap();
        assert_eq!(ids(&answers), [json!("ping"), json!("ping"), json!("quick"), json!("slow")]);
        assert_eq!(answers[1]["error"]["code"], -32600, "an id that stands twice: {answers}");
        for id in ["ping", "quick", "slow"] {
            let free = client.meanwhile(&request(id, "ping", json!({}))).await.unwrap();
            assert!(free.get("result").is_some(), "{free}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_changes_its_session_as_its_messages_alone_would() {
    let level = json!([request(1, "logging/setLevel", json!({"level": "info"}))]);
    for (mut client, server, mut calls) in Client::both().await {
        let coming = client.send(&level, &server).await;
        assert_eq!(client.answers(coming).await.unwrap()[0]["result"], json!({}));
        // The log message before the answer shows the level; within a batch there is no place for it.
        let call = call_tool(2, "t.run", json!({}));
        for (message, messages) in [(call.clone(), 2), (json!([call]), 1)] {
            let coming = client.send(&message, &server).await;
            let call = calls.next().await;
            call.log(omni_call::LogLevel::Info, &json!("said"));
            call.finish("done");
            let said = match (&mut client, coming) {
                (Client::Http(..), Coming::Http(coming)) => coming.await.unwrap().1.messages(),
                (Client::Stdio(client), _) => {
                    let mut said = Vec::new();
                    for _ in 0..messages {
                        said.push(client.next().await);
                    }
                    said
                }
                _ => unreachable!("what was sent is answered on its transport"),
            };
            assert_eq!(said.len(), messages, "{said:?}");
            assert_eq!(said[0]["method"] == "notifications/message", messages == 2, "{said:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_without_requests_is_answered_by_nothing_and_an_empty_one_is_an_error() {
    let only = json!([notification("notifications/initialized", json!({}))]);
    for (mut client, server, _calls) in Client::both().await {
        let coming = client.send(&only, &server).await;
        assert_eq!(client.answers(coming).await, None);
        match client {
            Client::Stdio(mut client) => {
                client.send(&json!([])).await;
                assert_eq!(client.next().await["error"]["code"], -32600);
            }
            Client::Http(mut client, _) => {
                assert_eq!(client.post_bytes(&[], only.to_string()).await.status, 202);
                let empty = client.post_bytes(&[], "[]").await;
                assert_eq!((empty.status.as_u16(), &empty.json()["error"]["code"]), (400, &json!(-32600)));
            }
        }
    }
}
