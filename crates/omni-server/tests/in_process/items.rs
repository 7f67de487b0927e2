//! A server whose resources, prompts and tools come from a script: what a client on stdio sees of them, in both
//! eras, and what it is told when the list of tools changes.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use omni_call::{
    Answer, AskMethod, AskRefusal, CallRequest, CallResult, Completion, CompletionReference, ErrorDetail,
    ExecutorKind, LogLevel, OutcomeKind, PromptMessages, ResourceContents, Target, ToolResult,
};
use omni_catalog::{CatalogKind, NameStyle, RemoteSource};
use omni_protocol::ServerCapabilities;
use omni_server::LiveSettings;
use omni_testkit::{ScriptedExecutor, SkillFolder, StdioClient, TestServer, TestServerBuilder};
use serde_json::{Value, json};

fn script(offers: ServerCapabilities) -> Arc<RemoteSource> {
    let mut kinds = Vec::new();
    if offers.resources {
        kinds.extend([CatalogKind::Resources, CatalogKind::Templates]);
    }
    if offers.prompts {
        kinds.push(CatalogKind::Prompts);
    }
    let source = RemoteSource::new("script", None, NameStyle::Underscore, ExecutorKind::Runner, &kinds);
    let lists = json!({
        "resources": [{"uri": "x:1", "name": "one", "title": "One"}],
        "resourceTemplates": [{"uriTemplate": "x:{n}", "name": "any"}],
        "prompts": [{"name": "greet"}],
    });
    for kind in kinds {
        source.describe_items(kind, lists.to_string().as_bytes()).unwrap();
    }
    source.set_completes(offers.completions);
    Arc::new(source)
}

fn contents(uri: &str) -> OutcomeKind {
    let contents = json!([{"uri": uri, "text": "1"}]).to_string().into();
    OutcomeKind::Finished(CallResult::Resource(ResourceContents { contents, meta: None }))
}

fn outcome_kind(request: &CallRequest) -> OutcomeKind {
    match request {
        CallRequest::Resource { uri, .. } => match &**uri {
            "x:1" => contents(uri),
            "x:down" => {
                OutcomeKind::WorkerStart { message: "nobody is there".into(), hint: "start it".into() }
            }
            "x:odd" => {
                ToolResult { content: "[]".into(), structured: None, meta: None, is_error: false }.into()
            }
            _ => OutcomeKind::NotFound { message: format!("there is no `{uri}`") },
        },
        CallRequest::Prompt { name, arguments } => match (&**name, arguments) {
            ("greet", Some(arguments)) => {
                let arguments: Value = serde_json::from_slice(arguments).unwrap();
                let messages =
                    json!([{"role": "user", "content": {"type": "text", "text": arguments["who"]}}]);
                let messages = messages.to_string().into();
                OutcomeKind::Finished(CallResult::Prompt(PromptMessages {
                    description: None,
                    messages,
                    meta: None,
                }))
            }
            ("greet", None) => OutcomeKind::InvalidArguments { message: "`who` is missing".into() },
            _ => OutcomeKind::NotFound { message: "no such prompt".into() },
        },
        CallRequest::Completion(completing) => match (&completing.reference, &*completing.value) {
            (_, "bad") => OutcomeKind::InvalidArguments { message: "`b` is no argument of it".into() },
            (_, "odd") => contents("x:1"),
            (CompletionReference::Prompt { name }, value) if name == "greet" => {
                let known = completing.context.as_deref().map(|known| String::from_utf8_lossy(known));
                completion(&json!({"values": [completing.argument, value, known.unwrap_or_default()]}))
            }
            (CompletionReference::Resource { uri }, "many") if uri == "x:{n}" => {
                completion(&json!({"values": vec!["v"; 101]}))
            }
            _ => OutcomeKind::NotFound { message: "there is no such thing to complete".into() },
        },
        CallRequest::Tool { .. } => panic!("{request:?}"),
    }
}

fn completion(json: &Value) -> OutcomeKind {
    let completion = Completion::read(json.to_string().as_bytes()).unwrap();
    OutcomeKind::Finished(CallResult::Completion(completion))
}

/// The parameters that ask for `who` of a prompt.
fn complete(prompt: &str, value: &str) -> Value {
    json!({"ref": {"type": "ref/prompt", "name": prompt}, "argument": {"name": "who", "value": value}})
}

struct World {
    folder: SkillFolder,
    server: TestServer,
    client: StdioClient,
}

impl World {
    async fn new(offers: Option<ServerCapabilities>) -> World {
        World::made(offers, |builder| builder).await
    }

    async fn made(
        offers: Option<ServerCapabilities>,
        change: impl FnOnce(TestServerBuilder) -> TestServerBuilder,
    ) -> World {
        let folder = SkillFolder::new();
        let executor = ScriptedExecutor::answering(|call| outcome_kind(&call.request));
        let mut builder = change(TestServer::builder(&folder, executor));
        if let Some(offers) = offers {
            builder = builder.sources(vec![script(offers)]);
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

const BOTH: ServerCapabilities = ServerCapabilities {
    resources: true,
    subscribe: true,
    prompts: true,
    completions: false,
    skills: false,
    apps: false,
    tasks: false,
};

const ALL: ServerCapabilities = ServerCapabilities { completions: true, ..BOTH };

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
async fn a_read_is_answered_by_the_settings_that_it_began_with() {
    let folder = SkillFolder::new();
    let (executor, mut calls) = ScriptedExecutor::new();
    let server = TestServer::builder(&folder, executor).sources(vec![script(BOTH)]).start();
    let mut client = server.stdio();
    client.initialize("2025-11-25").await;
    client.send(&omni_testkit::request(1, "resources/read", json!({"uri": "x:1"}))).await;
    let call = calls.next().await;
    let before = server.server.live();
    server.server.set_live(LiveSettings { errors: ErrorDetail::Full, ..before });
    call.end(OutcomeKind::LoadError {
        kind: "KeyError".into(),
        message: "a password".into(),
        location: None,
        intended: false,
        traceback: None,
    });
    let answer = client.next().await;
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains("KeyError") && !message.contains("password"), "{answer}");
}

#[tokio::test]
async fn a_read_is_a_call_with_progress_and_logs_and_can_be_cancelled() {
    let folder = SkillFolder::new();
    let (executor, mut calls) = ScriptedExecutor::new();
    let server = TestServer::builder(&folder, executor.clone()).sources(vec![script(BOTH)]).start();
    let mut client = server.stdio();
    client.initialize("2025-11-25").await;
    let read = |id: u32, uri: &str| {
        let params = json!({"uri": uri, "_meta": {"progressToken": format!("p{id}")}});
        omni_testkit::request(id, "resources/read", params)
    };
    client.send(&read(1, "x:1")).await;
    let first = calls.next().await;
    assert_eq!(first.call.request, CallRequest::resource("x:1"));
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
    assert!(third.end(OutcomeKind::InvalidArguments { message: "`who` is missing".into() }));
    let answer = client.next().await;
    assert_eq!(answer["error"], json!({"code": -32602, "message": "`who` is missing"}));
}

#[tokio::test]
async fn arguments_are_completed_in_every_revision() {
    for revision in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"] {
        let mut world = World::new(Some(ALL)).await;
        let is_modern = revision == "2026-07-28";
        if !is_modern {
            world.initialize(revision).await;
        }
        let params = |params: Value| if is_modern { modern(params) } else { params };
        let mut asked = complete("greet", "y");
        asked["context"] = json!({"arguments": {"lang": "en"}});
        let answer = world.request("completion/complete", params(asked)).await;
        let known = if revision >= "2025-06-18" { r#"{"lang":"en"}"# } else { "" };
        assert_eq!(answer["result"]["completion"], json!({"values": ["who", "y", known]}), "{revision}");
        assert_eq!(answer["result"].get("resultType"), is_modern.then(|| json!("complete")).as_ref());
        let of_template = json!({"type": "ref/resource", "uri": "x:{n}"});
        let many = json!({"ref": of_template, "argument": {"name": "n", "value": "many"}});
        let many = world.request("completion/complete", params(many)).await["result"]["completion"].clone();
        assert_eq!((many["values"].as_array().unwrap().len(), &many["hasMore"]), (100, &json!(true)));
        let unknown =
            json!({"ref": {"type": "ref/resource", "uri": "x:0"}, "argument": {"name": "n", "value": ""}});
        let no_template =
            json!({"ref": {"type": "ref/resource", "uri": "y:{n}"}, "argument": {"name": "n", "value": ""}});
        let no_kind =
            json!({"ref": {"type": "ref/tool", "name": "t"}, "argument": {"name": "n", "value": ""}});
        for (wrong, code, message) in [
            (complete("leave", ""), -32602, "there is no prompt `leave`"),
            (complete("greet", "bad"), -32602, "`b` is no argument of it"),
            (unknown, -32602, "there is no such thing to complete"),
            (no_template, -32602, "there is no such thing to complete"),
            (no_kind, -32602, "`params.ref.type` is `ref/tool`, not `ref/prompt` or `ref/resource`"),
            (complete("greet", "odd"), -32603, "`greet`"),
        ] {
            let error = world.request("completion/complete", params(wrong)).await["error"].clone();
            assert_eq!(error["code"], code, "{error}");
            assert!(error["message"].as_str().unwrap().contains(message), "{error}");
        }
    }
}

#[tokio::test]
async fn a_completion_is_a_call_that_has_limits_can_be_cancelled_and_asks_nobody() {
    for is_modern in [false, true] {
        let folder = SkillFolder::new();
        let (executor, mut calls) = ScriptedExecutor::new();
        let server = TestServer::builder(&folder, executor.clone())
            .sources(vec![script(ALL)])
            .config(|config| config.timeout = Some(Duration::from_secs(7)))
            .start();
        let mut client = server.stdio();
        let roots = json!({"elicitation": {}, "roots": {}});
        if !is_modern {
            let hello = json!({"protocolVersion": "2025-11-25", "capabilities": roots.clone(),
                "clientInfo": {"name": "c", "version": "1"}});
            client.request(&omni_testkit::request(1, "initialize", hello)).await;
        }
        let ask = |id: u32| {
            let mut params = complete("greet", "y");
            if is_modern {
                params = modern(params);
                params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = roots.clone();
            }
            params["_meta"]["progressToken"] = json!("p");
            omni_testkit::request(id, "completion/complete", params)
        };
        client.send(&ask(2)).await;
        let first = calls.next().await;
        let deadline = first.call.deadline;
        assert_eq!(deadline.remaining(deadline.accepted()), Some(Duration::from_secs(7)));
        assert!(first.progress(0.5, None));
        assert_eq!(client.next().await["params"]["progressToken"], "p");
        client.send(&ask(3)).await;
        let mut second = calls.next().await;
        let taken_back = json!({"jsonrpc": "2.0", "method": "notifications/cancelled",
            "params": {"requestId": 3}});
        client.send(&taken_back).await;
        second.dropped().await;
        assert_eq!(executor.running(), 1);
        let answer = first.ask(AskMethod::ListRoots, &json!({})).answer().await;
        assert!(matches!(answer, Answer::Refused { why: AskRefusal::Unsupported, .. }), "{answer:?}");
        assert!(first.end(completion(&json!({"values": ["you"], "total": 1, "hasMore": false}))));
        let answer = client.next().await;
        assert_eq!(answer["id"], 2);
        let expected = json!({"values": ["you"], "total": 1, "hasMore": false});
        assert_eq!(answer["result"]["completion"], expected);
    }
}

#[tokio::test]
async fn a_source_that_completes_nothing_is_not_asked_beside_one_that_does() {
    let folder = SkillFolder::new();
    let (executor, mut calls) = ScriptedExecutor::new();
    let other = RemoteSource::new(
        "other",
        None,
        NameStyle::Underscore,
        ExecutorKind::Runner,
        &[CatalogKind::Prompts],
    );
    other.describe_items(CatalogKind::Prompts, br#"{"prompts":[{"name":"mute"}]}"#).unwrap();
    let server = TestServer::builder(&folder, executor).sources(vec![script(ALL), Arc::new(other)]).start();
    let mut client = server.stdio();
    client.initialize("2025-11-25").await;
    let mute = omni_testkit::request(1, "completion/complete", complete("mute", "a"));
    let nothing = json!({"values": [], "total": 0, "hasMore": false});
    assert_eq!(client.request(&mute).await["result"]["completion"], nothing);
    assert!(calls.try_next().is_none());
}

#[tokio::test]
async fn a_read_has_the_servers_time_limits_and_a_place_in_its_account() {
    let folder = SkillFolder::new();
    let (executor, mut calls) = ScriptedExecutor::new();
    let server = TestServer::builder(&folder, executor)
        .sources(vec![script(BOTH)])
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
    assert!(call.end(OutcomeKind::TimedOut { limit: Duration::from_secs(7) }));
    let error = client.next().await["error"].clone();
    assert_eq!(error["code"], -32603);
    assert!(
        error["message"].as_str().unwrap().starts_with("`x:1` was stopped at its time limit of 7 s"),
        "{error}"
    );
}

#[tokio::test]
async fn a_long_list_comes_on_pages_whose_cursors_end_with_the_list() {
    let folder = SkillFolder::new();
    let source = script(BOTH);
    let list = |count: usize| {
        let prompts = (0..count).map(|n| json!({"name": format!("p{n}"), "title": "P"}));
        json!({"prompts": prompts.collect::<Vec<_>>()}).to_string()
    };
    source.describe_items(CatalogKind::Prompts, list(1_001).as_bytes()).unwrap();
    let server =
        TestServer::builder(&folder, ScriptedExecutor::echoing()).sources(vec![source.clone()]).start();
    for (revision, titled) in [("2025-11-25", true), ("2024-11-05", false)] {
        let mut client = server.stdio();
        client.initialize(revision).await;
        let mut page = async |params: Value| {
            client.request(&omni_testkit::request(1, "prompts/list", params)).await["result"].clone()
        };
        let first = page(json!({})).await;
        assert_eq!(first["prompts"].as_array().unwrap().len(), 1_000, "{revision}");
        assert_eq!(first["prompts"][999].get("title").is_some(), titled, "{revision}");
        let rest = page(json!({"cursor": first["nextCursor"]})).await;
        assert_eq!((&rest["prompts"][0]["name"], rest.get("nextCursor")), (&json!("p1000"), None));
    }
    let mut client = server.stdio();
    client.initialize("2025-11-25").await;
    let first = client.request(&omni_testkit::request(1, "prompts/list", json!({}))).await;
    source.describe_items(CatalogKind::Prompts, list(1_002).as_bytes()).unwrap();
    server.refresh().await;
    assert_eq!(client.next().await["method"], "notifications/prompts/list_changed");
    let stale = json!({"cursor": first["result"]["nextCursor"]});
    let refused = client.request(&omni_testkit::request(2, "prompts/list", stale)).await;
    assert_eq!(refused["error"]["code"], -32602);
}

#[tokio::test]
async fn each_read_and_prompt_goes_to_the_source_that_has_it_and_what_nobody_has_is_refused_here() {
    let folder = SkillFolder::new();
    let (executor, mut calls) = ScriptedExecutor::new();
    let kinds = [CatalogKind::Resources, CatalogKind::Templates, CatalogKind::Prompts];
    let source = |name: &str, lists: Value| {
        let source = RemoteSource::new(name, None, NameStyle::Underscore, ExecutorKind::Runner, &kinds);
        for kind in kinds {
            source.describe_items(kind, lists.to_string().as_bytes()).unwrap();
        }
        Arc::new(source)
    };
    let one = source("one", json!({"resources": [{"uri": "a:1", "name": "1"}], "prompts": [{"name": "p"}]}));
    let two = source(
        "two",
        json!({"resourceTemplates": [{"uriTemplate": "a:{n}", "name": "any"}], "prompts": [{"name": "q"}]}),
    );
    let server = TestServer::builder(&folder, executor).sources(vec![one, two]).start();
    let mut client = server.stdio();
    client.initialize("2025-11-25").await;
    let cases = [
        ("resources/read", json!({"uri": "a:1"}), "one"),
        ("resources/read", json!({"uri": "a:2"}), "two"),
        ("prompts/get", json!({"name": "p"}), "one"),
        ("prompts/get", json!({"name": "q"}), "two"),
    ];
    for (method, params, source) in cases {
        client.send(&omni_testkit::request(1, method, params)).await;
        let call = calls.next().await;
        assert_eq!(call.call.spec.target, Target::Remote { source: source.into(), name: "items".into() });
        assert!(call.end(OutcomeKind::NotFound { message: "gone".into() }));
        client.next().await;
    }
    let refused = [
        ("resources/read", json!({"uri": "b:1"}), -32002, "there is no resource `b:1`"),
        ("prompts/get", json!({"name": "r"}), -32602, "there is no prompt `r`"),
    ];
    for (method, params, code, message) in refused {
        let error = client.request(&omni_testkit::request(1, method, params)).await["error"].clone();
        assert_eq!((&error["code"], &error["message"]), (&json!(code), &json!(message)));
    }
    let long = format!("b:{}", "1".repeat(9_000));
    let asked = omni_testkit::request(1, "resources/read", json!({"uri": long}));
    let error = client.request(&asked).await["error"].clone();
    let message = error["message"].as_str().unwrap();
    assert!(
        message.ends_with("the URI has 9002 bytes, and no template is tried for more than 8192"),
        "{message}"
    );
}

#[tokio::test]
async fn what_is_said_to_be_there_and_empty_has_lists_that_are_never_told_of() {
    let folder = SkillFolder::new();
    let server = TestServer::builder(&folder, ScriptedExecutor::echoing())
        .without_folder()
        .config(|config| config.empty = ServerCapabilities { prompts: false, ..BOTH })
        .start();
    let mut client = server.stdio();
    let capabilities = client.initialize("2025-11-25").await["result"]["capabilities"].clone();
    assert_eq!((&capabilities["resources"], capabilities.get("prompts")), (&json!({}), None));
    let mut ask =
        async |method: &str, params: Value| client.request(&omni_testkit::request(1, method, params)).await;
    assert_eq!(ask("resources/list", json!({})).await["result"], json!({"resources": []}));
    assert_eq!(ask("resources/read", json!({"uri": "x:1"})).await["error"]["code"], -32002);
}

#[tokio::test]
async fn what_is_not_offered_is_neither_announced_nor_known() {
    let completing = ServerCapabilities { resources: false, ..ALL };
    for offers in [
        None,
        Some(ServerCapabilities::default()),
        Some(ServerCapabilities { prompts: false, ..BOTH }),
        Some(completing),
    ] {
        let mut world = World::made(offers, TestServerBuilder::without_folder).await;
        let ServerCapabilities { resources, prompts, completions, .. } = offers.unwrap_or_default();
        let capabilities = world.initialize("2025-11-25").await["result"]["capabilities"].clone();
        assert_eq!(capabilities.get("resources").is_some(), resources, "{capabilities}");
        assert_eq!(capabilities.get("prompts").is_some(), prompts, "{capabilities}");
        assert_eq!(capabilities.get("completions"), completions.then(|| json!({})).as_ref());
        let params = complete("greet", "y");
        for (method, params, offered) in [
            ("resources/list", json!({}), resources),
            ("prompts/list", json!({}), prompts),
            ("completion/complete", params, completions),
        ] {
            for params in [params.clone(), modern(params)] {
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
        json!({"_meta": {key: "s"}, "notifications": {"toolsListChanged": true, "promptsListChanged": true}})
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
