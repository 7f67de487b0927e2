//! A call that asks its client: in both eras, on stdio and over HTTP.

mod hostile;
mod interleavings;
mod legacy;
mod modern;
mod replay;

use std::collections::HashMap;

use omni_call::{Answer, AskMethod, AskRefusal};
use omni_testkit::{
    EventStream, HttpClient, OpenQuestion, RunningCall, ScriptedExecutor, SkillFolder, StartedCalls,
    StdioClient, TestServer, call_tool, modern_able,
};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// What a client declares that can be asked everything.
fn able() -> Value {
    json!({"elicitation": {"form": {}, "url": {}}, "sampling": {"tools": {}, "context": {}}, "roots": {}})
}

fn form() -> Value {
    json!({"mode": "form", "message": "name?", "requestedSchema": {"type": "object", "properties": {}}})
}

fn elicit(call: &RunningCall) -> OpenQuestion {
    call.ask(AskMethod::Elicit, &form())
}

fn accepted(name: &str) -> Value {
    json!({"action": "accept", "content": {"name": name}})
}

/// A call of a legacy client on stdio that has just asked for a form: its tool, the question, and what the client sees
/// of it.
async fn asking(
    client: &mut StdioClient,
    calls: &mut StartedCalls,
    id: u64,
) -> (RunningCall, OpenQuestion, Value) {
    client.send(&call_tool(id, "t.run", json!({}))).await;
    let running = calls.next().await;
    let question = elicit(&running);
    (running, question, client.asked("elicitation/create").await)
}

/// The same over HTTP, with the stream of the call and the client that holds it open.
async fn asking_over_http(
    mut client: HttpClient,
    calls: &mut StartedCalls,
) -> (RunningCall, OpenQuestion, Value, EventStream, HttpClient) {
    let opening =
        tokio::spawn(async move { (client.open_events(&call_tool(1, "t.run", json!({}))).await, client) });
    let running = calls.next().await;
    let question = elicit(&running);
    let (mut stream, client) = opening.await.unwrap();
    let asked = stream.next().await.unwrap();
    (running, question, asked, stream, client)
}

/// A call of a modern client that has just asked for a form: its tool, the question, and the answer that it is in.
async fn parked(
    client: &mut Wire<'_>,
    calls: &mut StartedCalls,
    first: &Value,
) -> (RunningCall, OpenQuestion, Value) {
    client.send(first).await;
    let running = calls.next().await;
    let question = elicit(&running);
    let asked = client.answer(first["id"].as_u64().unwrap()).await;
    (running, question, asked)
}

/// Why a question has no result, and what is said of it.
async fn refusal(question: OpenQuestion) -> (AskRefusal, String) {
    match question.answer().await {
        Answer::Refused { why, message } => (why, message),
        Answer::Result(result) => panic!("{result:?}"),
    }
}

/// A tool call of a modern client that can be asked everything.
fn call(id: u64, arguments: Value) -> Value {
    modern_able(call_tool(id, "t.run", arguments), able())
}

/// A folder with a tool that may be run again, `r.run`, and one that may not, `t.run`.
fn repeatable_skill() -> SkillFolder {
    let page = "---\nname: r\ndescription: A skill of a test.\ntools:\n  - {name: run, description: A tool., \
                command: [cat], idempotent: true}\n---\n";
    SkillFolder::new().skill("t", &["run"]).file("r/SKILL.md", page)
}

/// A server of [`repeatable_skill`].
fn repeatable() -> (TestServer, StartedCalls) {
    let (executor, calls) = ScriptedExecutor::new();
    (TestServer::new(&repeatable_skill(), executor), calls)
}

/// The same as [`call`], of the tool that may be run again.
fn call_again(id: u64, arguments: Value) -> Value {
    modern_able(call_tool(id, "r.run", arguments), able())
}

fn text(answer: &Value) -> &Value {
    &answer["result"]["content"][0]["text"]
}

/// The parameters of the questions in an answer, by their keys.
fn questions(answer: &Value) -> Vec<(String, Value)> {
    assert_eq!(answer["result"]["resultType"], "input_required", "{answer}");
    assert!(answer["result"]["requestState"].is_string(), "{answer}");
    let requests = answer["result"]["inputRequests"].as_object().unwrap();
    requests.iter().map(|(key, request)| (key.clone(), request.clone())).collect()
}

/// Answers to all questions of an answer, each its key.
fn all_accepted(answer: &Value) -> Value {
    questions(answer).into_iter().map(|(key, _)| (key.clone(), accepted(&key))).collect()
}

/// A client of the modern era, which sends a request without waiting for the answer.
enum Wire<'a> {
    Stdio(StdioClient),
    /// Each request has a connection of its own.
    Http {
        server: &'a TestServer,
        uid: Option<u32>,
        coming: HashMap<String, JoinHandle<Vec<Value>>>,
    },
}

impl<'a> Wire<'a> {
    /// Over HTTP and on stdio, in this order: with the end of its client on stdio a server ends what it runs.
    fn both(server: &'a TestServer) -> [Wire<'a>; 2] {
        [Wire::http(server, None), Wire::Stdio(server.stdio())]
    }

    fn http(server: &'a TestServer, uid: Option<u32>) -> Self {
        Wire::Http { server, uid, coming: HashMap::new() }
    }

    async fn send(&mut self, message: &Value) {
        match self {
            Wire::Stdio(client) => client.send(message).await,
            Wire::Http { server, uid, coming } => {
                let mut client: HttpClient = server.http_as(*uid).await;
                let (id, message) = (message["id"].to_string(), message.clone());
                let answer = tokio::spawn(async move { client.post(&message).await.messages() });
                coming.insert(id, answer);
            }
        }
    }

    /// The answer under that id.
    async fn answer(&mut self, id: u64) -> Value {
        match self {
            Wire::Stdio(client) => client.answer(&json!(id)).await,
            Wire::Http { .. } => self.messages(id).await.pop().unwrap(),
        }
    }

    /// All that is said to a request until its answer, which comes last.
    async fn messages(&mut self, id: u64) -> Vec<Value> {
        match self {
            Wire::Stdio(client) => {
                let mut messages = Vec::new();
                loop {
                    messages.push(client.next().await);
                    if messages.last().unwrap()["id"] == id {
                        return messages;
                    }
                }
            }
            Wire::Http { coming, .. } => coming.remove(&id.to_string()).unwrap().await.unwrap(),
        }
    }

    async fn request(&mut self, message: &Value) -> Value {
        self.send(message).await;
        self.answer(message["id"].as_u64().unwrap()).await
    }
}
