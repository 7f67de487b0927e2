//! A server whose resources, prompts and tools come from a script: what a client on stdio sees of them, in both
//! eras, and what it is told when the list of tools changes.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use omni_call::{
    BoxFuture, CallRequest, CallResult, Ending, LogLevel, PromptMessages, ResourceContents, RunSpec, Target,
    ToolResult,
};
use omni_protocol::{ItemKind, Offers};
use omni_server::{Library, Unavailable};
use omni_testkit::{ScriptedExecutor, SkillFolder, StdioClient, TestServer};
use serde_json::{Value, json};

struct Script(Offers, Arc<RunSpec>);

fn script(offers: Offers) -> Arc<Script> {
    let target = Target::Native { name: "script".into() };
    Arc::new(Script(offers, Arc::new(RunSpec::new("script", "items", target))))
}

impl Library for Script {
    fn offers(&self) -> Offers {
        self.0
    }

    fn list(&self, kind: ItemKind) -> BoxFuture<'_, Result<Bytes, Unavailable>> {
        let list = match kind {
            ItemKind::Resource => json!([{"uri": "x:1", "name": "one", "title": "One"}]),
            ItemKind::ResourceTemplate => json!([{"uriTemplate": "x:{n}", "name": "any"}]),
            ItemKind::Prompt => json!([{"name": "greet"}]),
        };
        Box::pin(std::future::ready(Ok(list.to_string().into())))
    }

    fn spec(&self, request: &CallRequest) -> Result<Arc<RunSpec>, String> {
        match request.named() {
            Some("x:0") => Err("there is no zeroth".to_owned()),
            _ => Ok(self.1.clone()),
        }
    }
}

fn contents(uri: &str) -> Ending {
    let contents = json!([{"uri": uri, "text": "1"}]).to_string().into();
    Ending::Finished(CallResult::Resource(ResourceContents { contents, meta: None }))
}

fn ending(request: &CallRequest) -> Ending {
    match request {
        CallRequest::Resource { uri } => match &**uri {
            "x:1" => contents(uri),
            "x:down" => Ending::WorkerStart { message: "nobody is there".into(), hint: "start it".into() },
            "x:odd" => {
                ToolResult { content: "[]".into(), structured: None, meta: None, is_error: false }.into()
            }
            _ => Ending::NotFound { message: format!("there is no `{uri}`") },
        },
        CallRequest::Prompt { name, arguments } => match (&**name, arguments) {
            ("greet", Some(arguments)) => {
                let arguments: Value = serde_json::from_slice(arguments).unwrap();
                let messages =
                    json!([{"role": "user", "content": {"type": "text", "text": arguments["who"]}}]);
                let messages = messages.to_string().into();
                Ending::Finished(CallResult::Prompt(PromptMessages {
                    description: None,
                    messages,
                    meta: None,
                }))
            }
            ("greet", None) => Ending::InvalidArguments { message: "`who` is missing".into() },
            _ => Ending::NotFound { message: "no such prompt".into() },
        },
        other => panic!("{other:?}"),
    }
}

struct World {
    folder: SkillFolder,
    server: TestServer,
    client: StdioClient,
}

impl World {
    async fn new(library: Option<Offers>) -> World {
        let folder = SkillFolder::new();
        let mut builder =
            TestServer::builder(&folder, ScriptedExecutor::answering(|call| ending(&call.request)));
        if let Some(offers) = library {
            builder = builder.library(script(offers));
        }
        let server = builder.start();
        let client = server.stdio();
        World { folder, server, client }
    }

    async fn send(&mut self, message: Value) {
        self.client.send(&message).await;
    }

    async fn next(&mut self) -> Value {
        self.client.next().await
    }

    async fn request(&mut self, method: &str, params: Value) -> Value {
        self.client.request(&omni_testkit::request(1, method, params)).await
    }

    async fn initialize(&mut self, revision: &str) -> Value {
        self.client.initialize(revision).await
    }

    /// Puts a skill with a tool into the folder, so that the list is another one.
    async fn add_tool(&self, name: &str) {
        let source = "from omni import tool\n\n@tool\ndef run() -> str:\n    return ''\n";
        self.folder.write(&format!("{name}/scripts/t.py"), source);
        self.server.refresh().await;
    }
}

fn modern(mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    params
}

const BOTH: Offers = Offers { resources: true, prompts: true };

#[tokio::test]
async fn resources_and_prompts_are_answered_in_every_revision() {
    for revision in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"] {
        let mut world = World::new(Some(BOTH)).await;
        let is_modern = revision == "2026-07-28";
        if !is_modern {
            world.initialize(revision).await;
        }
        let params = |params: Value| if is_modern { modern(params) } else { params };
        let list = world.request("resources/list", params(json!({}))).await;
        assert_eq!(list["result"]["resources"][0]["uri"], "x:1", "{revision}");
        let titled = list["result"]["resources"][0].get("title").is_some();
        assert_eq!(titled, revision >= "2025-06-18", "{revision}");
        let templates = world.request("resources/templates/list", params(json!({}))).await;
        assert_eq!(templates["result"]["resourceTemplates"][0]["uriTemplate"], "x:{n}");
        let read = world.request("resources/read", params(json!({"uri": "x:1"}))).await;
        assert_eq!(read["result"]["contents"], json!([{"uri": "x:1", "text": "1"}]));
        assert_eq!(read["result"].get("cacheScope").is_some(), is_modern);
        let unknown = world.request("resources/read", params(json!({"uri": "x:9"}))).await;
        assert_eq!(unknown["error"]["code"], if is_modern { -32602 } else { -32002 }, "{revision}");
        assert_eq!(unknown["error"]["data"]["uri"], "x:9");
        let refused = world.request("resources/read", params(json!({"uri": "x:0"}))).await;
        assert_eq!(refused["error"]["code"], unknown["error"]["code"]);
        assert_eq!(refused["error"]["message"], "there is no zeroth");
        let down = world.request("resources/read", params(json!({"uri": "x:down"}))).await;
        assert_eq!(down["error"]["code"], -32603);
        assert_eq!(down["error"]["message"], "nobody is there (start it)");
        let odd = world.request("resources/read", params(json!({"uri": "x:odd"}))).await;
        assert_eq!(odd["error"]["code"], -32603, "{odd}");
        let prompts = world.request("prompts/list", params(json!({}))).await;
        assert_eq!(prompts["result"]["prompts"], json!([{"name": "greet"}]));
        let get = json!({"name": "greet", "arguments": {"who": "you"}});
        let prompt = world.request("prompts/get", params(get)).await;
        assert_eq!(prompt["result"]["messages"][0]["content"]["text"], "you");
        for wrong in [json!({"name": "greet"}), json!({"name": "leave"})] {
            assert_eq!(world.request("prompts/get", params(wrong)).await["error"]["code"], -32602);
        }
        let paged = world.request("prompts/list", params(json!({"cursor": "2"}))).await;
        assert_eq!(paged["error"]["code"], -32602);
    }
}

#[tokio::test]
async fn a_read_is_a_call_with_progress_and_logs_and_can_be_cancelled() {
    let folder = SkillFolder::new();
    let (executor, mut calls) = ScriptedExecutor::new();
    let server = TestServer::builder(&folder, executor.clone()).library(script(BOTH)).start();
    let mut client = server.stdio();
    client.initialize("2025-11-25").await;
    let read = |id: u32, uri: &str| {
        let params = json!({"uri": uri, "_meta": {"progressToken": format!("p{id}")}});
        omni_testkit::request(id, "resources/read", params)
    };
    client.send(&read(1, "x:1")).await;
    let first = calls.next().await;
    assert_eq!(first.call.request, CallRequest::Resource { uri: "x:1".into() });
    assert!(first.progress(0.5, None));
    assert_eq!(client.next().await["params"]["progressToken"], "p1");
    // A second one of the same resource, taken back while the first one waits.
    client.send(&read(2, "x:1")).await;
    let mut second = calls.next().await;
    client
        .send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 2}}))
        .await;
    second.dropped().await;
    assert_eq!(executor.running(), 1);
    assert!(first.end(contents("x:1")));
    let answer = client.next().await;
    assert_eq!((&answer["id"], &answer["result"]["contents"][0]["text"]), (&json!(1), &json!("1")));
    client.request(&omni_testkit::request(3, "logging/setLevel", json!({"level": "info"}))).await;
    client.send(&omni_testkit::request(4, "prompts/get", json!({"name": "greet"}))).await;
    let third = calls.next().await;
    assert_eq!(third.call.request, CallRequest::Prompt { name: "greet".into(), arguments: None });
    assert!(third.log(LogLevel::Info, &json!("filling in")));
    assert_eq!(client.next().await["params"]["data"], "filling in");
    assert!(third.end(Ending::InvalidArguments { message: "`who` is missing".into() }));
    let answer = client.next().await;
    assert_eq!(answer["error"], json!({"code": -32602, "message": "`who` is missing"}));
}

#[tokio::test]
async fn a_read_has_the_servers_time_limits_and_a_place_in_its_account() {
    let folder = SkillFolder::new();
    let (executor, mut calls) = ScriptedExecutor::new();
    let server = TestServer::builder(&folder, executor)
        .library(script(BOTH))
        .config(|config| {
            config.timeout = Some(Duration::from_secs(7));
            config.idle_timeout = Some(Duration::from_secs(3));
        })
        .start();
    let mut client = server.stdio();
    client.initialize("2025-11-25").await;
    client.send(&omni_testkit::request(1, "resources/read", json!({"uri": "x:1"}))).await;
    let call = calls.next().await;
    let deadline = call.call.deadline;
    assert_eq!(deadline.idle(), Some(Duration::from_secs(3)));
    assert_eq!(deadline.remaining(deadline.accepted()), Some(Duration::from_secs(7)));
    assert!(call.end(Ending::TimedOut { limit: Duration::from_secs(7) }));
    let error = client.next().await["error"].clone();
    assert_eq!(error["code"], -32603);
    assert!(
        error["message"].as_str().unwrap().starts_with("`x:1` was stopped at its time limit of 7 s"),
        "{error}"
    );
}

#[tokio::test]
async fn what_is_not_offered_is_neither_announced_nor_known() {
    for offers in [None, Some(Offers::default()), Some(Offers { resources: true, prompts: false })] {
        let mut world = World::new(offers).await;
        let Offers { resources, prompts } = offers.unwrap_or_default();
        let capabilities = world.initialize("2025-11-25").await["result"]["capabilities"].clone();
        assert_eq!(capabilities.get("resources").is_some(), resources, "{capabilities}");
        assert_eq!(capabilities.get("prompts").is_some(), prompts, "{capabilities}");
        for (method, offered) in [("resources/list", resources), ("prompts/list", prompts)] {
            for params in [json!({}), modern(json!({}))] {
                let reply = world.request(method, params).await;
                assert_eq!(reply.get("result").is_some(), offered, "{reply}");
                assert!(offered || reply["error"]["code"] == -32601, "{reply}");
            }
        }
    }
}

#[tokio::test]
async fn a_legacy_client_that_has_listed_the_tools_is_told_once_that_they_changed() {
    let mut world = World::new(None).await;
    let opened = world.initialize("2025-06-18").await;
    assert_eq!(opened["result"]["capabilities"]["tools"], json!({"listChanged": true}));
    world.add_tool("before").await;
    // What changed before it listed is no news: the next thing it reads is its list.
    let list = world.request("tools/list", json!({})).await;
    assert_eq!(list["result"]["tools"].as_array().unwrap().len(), 1);
    world.server.refresh().await;
    world.add_tool("after").await;
    let told = json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed", "params": {}});
    assert_eq!(world.next().await, told);
    let list = world.request("tools/list", json!({})).await;
    assert_eq!(list["result"]["tools"].as_array().unwrap().len(), 2);
    // A skill without tools changes the catalogue and not the list: a ping's answer comes next.
    fs::create_dir(world.folder.path().join("empty")).unwrap();
    world.server.refresh().await;
    assert!(world.request("ping", json!({})).await.get("result").is_some());
}

#[tokio::test]
async fn a_modern_client_hears_of_changes_under_the_id_of_its_subscription() {
    let mut world = World::new(None).await;
    let listen = |id: Value, filter: Value| {
        json!({"jsonrpc": "2.0", "id": id, "method": "subscriptions/listen",
            "params": modern(json!({"notifications": filter}))})
    };
    let key = "io.modelcontextprotocol/subscriptionId";
    world.send(listen(json!("s"), json!({"toolsListChanged": true, "promptsListChanged": true}))).await;
    let acknowledged = world.next().await;
    assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(
        acknowledged["params"],
        json!({"_meta": {key: "s"}, "notifications": {"toolsListChanged": true}})
    );
    world.send(listen(json!(7), json!({}))).await;
    assert_eq!(world.next().await["params"], json!({"_meta": {key: 7}, "notifications": {}}));
    world.request("tools/list", modern(json!({}))).await;
    world.add_tool("new").await;
    let changed = world.next().await;
    assert_eq!(changed["method"], "notifications/tools/list_changed");
    assert_eq!(changed["params"], json!({"_meta": {key: "s"}}));
    // The other one asked for nothing, and a cancelled one hears nothing more.
    world
        .send(json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "s"}}))
        .await;
    world.request("tools/list", modern(json!({}))).await;
    world.add_tool("newer").await;
    world.request("tools/list", modern(json!({}))).await;
    // At the end the one that is left gets its result.
    let (rest, ended) = world.client.close().await;
    ended.unwrap();
    assert_eq!(rest.len(), 1, "{rest:?}");
    assert_eq!((&rest[0]["id"], &rest[0]["result"]["_meta"][key]), (&json!(7), &json!(7)));
}
