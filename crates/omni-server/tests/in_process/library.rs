//! A server whose resources, prompts and tools come from a script: what a client on stdio sees of them, in both
//! eras, and what it is told when the list of tools changes.

use std::fs;
use std::sync::Arc;

use bytes::Bytes;
use omni_call::BoxFuture;
use omni_protocol::{ItemKind, Offers};
use omni_server::{Contents, Library, LibraryError, Prompt};
use omni_testkit::{ScriptedExecutor, SkillFolder, StdioClient, TestServer};
use serde_json::{Value, json};

struct Script(Offers);

impl Library for Script {
    fn offers(&self) -> Offers {
        self.0
    }

    fn list(&self, kind: ItemKind) -> BoxFuture<'_, Result<Bytes, LibraryError>> {
        let list = match kind {
            ItemKind::Resource => json!([{"uri": "x:1", "name": "one", "title": "One"}]),
            ItemKind::ResourceTemplate => json!([{"uriTemplate": "x:{n}", "name": "any"}]),
            ItemKind::Prompt => json!([{"name": "greet"}]),
        };
        Box::pin(std::future::ready(Ok(list.to_string().into())))
    }

    fn read<'a>(&'a self, uri: &'a str) -> BoxFuture<'a, Result<Contents, LibraryError>> {
        Box::pin(async move {
            match uri {
                "x:1" => Ok(Contents {
                    contents: json!([{"uri": uri, "text": "1"}]).to_string().into(),
                    meta: None,
                }),
                "x:down" => Err(LibraryError::Unavailable("nobody is there".into())),
                _ => Err(LibraryError::Unknown(format!("there is no `{uri}`"))),
            }
        })
    }

    fn prompt<'a>(
        &'a self,
        name: &'a str,
        arguments: Option<Bytes>,
    ) -> BoxFuture<'a, Result<Prompt, LibraryError>> {
        Box::pin(async move {
            match (name, arguments) {
                ("greet", Some(arguments)) => {
                    let arguments: Value = serde_json::from_slice(&arguments).unwrap();
                    let messages =
                        json!([{"role": "user", "content": {"type": "text", "text": arguments["who"]}}]);
                    Ok(Prompt { description: None, messages: messages.to_string().into(), meta: None })
                }
                ("greet", None) => Err(LibraryError::BadArguments("`who` is missing".into())),
                _ => Err(LibraryError::Unknown("no such prompt".into())),
            }
        })
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
        let mut builder = TestServer::builder(&folder, ScriptedExecutor::echoing());
        if let Some(offers) = library {
            builder = builder.library(Arc::new(Script(offers)));
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
        let down = world.request("resources/read", params(json!({"uri": "x:down"}))).await;
        assert_eq!(down["error"]["code"], -32603);
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
