//! What cannot be read or is not known: an error under its id, and the next message is served.

use omni_testkit::{ScriptedExecutor, TestServer, call_tool, modern, request};
use serde_json::{Value, json};

use crate::one_skill;

/// A line, the id its answer has, and the code.
const BROKEN: &[(&str, &str, i64)] = &[
    ("nonsense", "null", -32700),
    ("{", "null", -32700),
    (r#"{"jsonrpc":"2.0","id":5,"method":"ping","params":"#, "5", -32700),
    ("\"text\"", "null", -32600),
    ("null", "null", -32600),
    ("17", "null", -32600),
    ("{}", "null", -32600),
    (r#"{"id":1,"method":"ping"}"#, "1", -32600),
    (r#"{"jsonrpc":"1.0","id":2,"method":"ping"}"#, "2", -32600),
    (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, "null", -32600),
    (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, "null", -32600),
    (r#"{"jsonrpc":"2.0","id":true,"method":"ping"}"#, "null", -32600),
    (r#"{"jsonrpc":"2.0","id":3,"method":7}"#, "3", -32600),
    (r#"{"jsonrpc":"2.0","id":4,"method":"ping","params":[1]}"#, "4", -32600),
    (r#"{"jsonrpc":"2.0","id":6,"id":6,"method":"ping"}"#, "6", -32600),
    (r#"{"jsonrpc":"2.0","id":8,"method":"no/such"}"#, "8", -32601),
    (r#"{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{}}"#, "9", -32602),
    (r#"{"jsonrpc":"2.0","id":10,"method":"tools/call","params":{"name":"t.rum"}}"#, "10", -32602),
    (r#"{"jsonrpc":"2.0","id":11,"method":"logging/setLevel","params":{"level":"loud"}}"#, "11", -32602),
    (r#"{"jsonrpc":"2.0","id":12,"method":"tools/list","params":{"cursor":"x"}}"#, "12", -32602),
    (r#"{"jsonrpc":"2.0","id":13,"method":"ping","params":{"a":"\ud800"}}"#, "13", -32700),
];

#[tokio::test(start_paused = true)]
async fn each_broken_line_has_one_answer_under_its_id_and_the_next_is_served() {
    let server = TestServer::new(&one_skill(), ScriptedExecutor::echoing());
    let mut client = server.stdio();
    client.initialize("2025-11-25").await;
    for (line, id, code) in BROKEN {
        client.send_bytes(format!("{line}\n").as_bytes()).await;
        let answer = client.next().await;
        let id: Value = serde_json::from_str(id).unwrap();
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&id, &json!(code)), "{line}: {answer}");
        assert!(client.request(&request("next", "ping", json!({}))).await.get("result").is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn lines_in_any_chunks_are_the_same_lines() {
    let folder = one_skill();
    let text: String = BROKEN.iter().map(|(line, ..)| format!("{line}\r\n\n")).collect();
    let mut transcripts = Vec::new();
    for size in [1, 2, 3, 7, 64, text.len()] {
        let server = TestServer::new(&folder, ScriptedExecutor::echoing());
        let mut client = server.stdio();
        client.initialize("2025-11-25").await;
        for chunk in text.as_bytes().chunks(size) {
            client.send_bytes(chunk).await;
            tokio::task::yield_now().await;
        }
        // Answers that take a look at the catalogue may come later than those that need none.
        let mut said: Vec<_> = client.close().await.0.iter().map(Value::to_string).collect();
        said.sort();
        transcripts.push(said);
    }
    assert_eq!(transcripts[0].len(), BROKEN.len());
    for transcript in &transcripts {
        assert_eq!(*transcript, transcripts[0]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_tool_is_answered_with_the_one_that_was_meant() {
    let server = TestServer::new(&one_skill(), ScriptedExecutor::echoing());
    let mut client = server.http().await;
    let reply = client.post(&modern(call_tool(1, "t.rnu", json!({})))).await;
    let error = &reply.json()["error"];
    assert_eq!(error["code"], -32602);
    assert!(error["message"].as_str().unwrap().contains("did you mean"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_panic_costs_its_request_and_nothing_else() {
    /// Panics in every call.
    struct Panics;
    impl omni_call::Executor for Panics {
        fn run<'a>(
            &'a self,
            _call: omni_call::Call,
            _events: &'a mut dyn omni_call::CallPort,
        ) -> omni_call::BoxFuture<'a, omni_call::Outcome> {
            Box::pin(async { panic!("a bug") })
        }
        fn shut_down(&self) -> omni_call::BoxFuture<'_, ()> {
            Box::pin(std::future::ready(()))
        }
    }
    let server = TestServer::new(&one_skill(), std::sync::Arc::new(Panics));
    let mut client = server.stdio();
    client.initialize("2025-11-25").await;
    let answer = client.request(&call_tool(1, "t.run", json!({}))).await;
    assert_eq!(answer["error"]["code"], -32603);
    assert!(answer["error"]["message"].as_str().unwrap().contains("incident"), "{answer}");
    assert!(client.request(&request(1, "ping", json!({}))).await.get("result").is_some());
}
