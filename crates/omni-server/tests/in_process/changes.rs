//! Who is told that which list has changed: once, by its own notification, and only who knows the old one.

use std::sync::Arc;

use omni_call::ExecutorKind;
use omni_catalog::{CatalogKind, NameStyle, RemoteSource};
use omni_protocol::ListKind;
use omni_testkit::{ScriptedExecutor, SkillFolder, TestServer, modern, request};
use serde_json::{Value, json};

use crate::one_skill;

/// A source of no tools.
fn source() -> Arc<RemoteSource> {
    let kinds = [CatalogKind::Resources, CatalogKind::Templates, CatalogKind::Prompts];
    Arc::new(RemoteSource::new("items", None, NameStyle::Underscore, ExecutorKind::Runner, &kinds))
}

/// A server of lists that the test changes.
pub(crate) struct World {
    folder: SkillFolder,
    items: Arc<RemoteSource>,
    pub(crate) server: TestServer,
    changes: usize,
}

/// A Python file with one tool.
fn tool(name: &str) -> String {
    format!("from omni import tool\n\n@tool\ndef {name}() -> str: ...\n")
}

impl World {
    pub(crate) fn new() -> Self {
        let (folder, items) = (one_skill().python("p", &tool("run")), source());
        let server =
            TestServer::builder(&folder, ScriptedExecutor::echoing()).sources(vec![items.clone()]).start();
        World { folder, items, server, changes: 0 }
    }

    /// Changes these lists, and has the server look.
    pub(crate) async fn change(&mut self, kinds: &[ListKind]) {
        self.changes += 1;
        for kind in kinds {
            match kind {
                ListKind::Tools => {
                    // In a file that there is: another one would be another resource.
                    self.folder.write("p/scripts/tools.py", &tool(&format!("run{}", self.changes)));
                }
                // Of the two lists that one notification tells of, now one changes, now the other.
                ListKind::Resources if self.changes.is_multiple_of(2) => {
                    let template = json!({"uriTemplate": format!("x:{{n}}/{}", self.changes), "name": "n"});
                    self.describe(CatalogKind::Templates, &json!({"resourceTemplates": [template]}));
                }
                ListKind::Resources => {
                    let resource = json!({"uri": format!("x:{}", self.changes), "name": "n"});
                    self.describe(CatalogKind::Resources, &json!({"resources": [resource]}));
                }
                ListKind::Prompts => {
                    let prompt = json!({"name": self.changes.to_string()});
                    self.describe(CatalogKind::Prompts, &json!({"prompts": [prompt]}));
                }
            }
        }
        self.server.refresh().await;
    }

    fn describe(&self, kind: CatalogKind, list: &Value) {
        assert!(self.items.describe_items(kind, list.to_string().as_bytes()).unwrap());
    }
}

use ListKind::{Prompts, Resources, Tools};

/// Which lists change at once, in every combination.
const CHANGES: &[&[ListKind]] = &[
    &[Tools],
    &[Resources],
    &[Prompts],
    &[Tools, Resources],
    &[Tools, Prompts],
    &[Resources, Prompts],
    &[Tools, Resources, Prompts],
    &[],
];

fn notification(kind: ListKind) -> String {
    format!("notifications/{}/list_changed", kind.feature())
}

fn listing(kind: ListKind) -> String {
    format!("{}/list", kind.feature())
}

#[tokio::test(start_paused = true)]
async fn a_session_on_stdio_is_told_of_each_list_it_has_seen_once_a_change_and_of_no_other() {
    for seen in CHANGES {
        let mut world = World::new();
        let mut client = world.server.stdio();
        client.initialize("2025-11-25").await;
        for kind in *seen {
            client.request(&request("list", &listing(*kind), json!({}))).await;
            if *kind == Resources {
                client.request(&request("list", "resources/templates/list", json!({}))).await;
            }
        }
        for changed in CHANGES {
            world.change(changed).await;
            // The same again is no change.
            world.change(&[]).await;
            for kind in changed.iter().filter(|kind| seen.contains(kind)) {
                assert_eq!(client.next().await["method"], notification(*kind), "{seen:?} {changed:?}");
            }
            client.request(&request("between", "ping", json!({}))).await;
        }
        assert_eq!(client.close().await.0, Vec::<Value>::new(), "{seen:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_over_http_hears_by_its_stream_also_of_what_came_while_it_had_none() {
    let mut world = World::new();
    let (mut client, mut listener) = (world.server.http().await, world.server.http().await);
    client.initialize("2025-11-25").await;
    listener.session.clone_from(&client.session);
    for kind in [Tools, Prompts] {
        client.post(&request(1, &listing(kind), json!({}))).await;
    }
    world.change(&[Tools, Resources, Prompts]).await;
    world.change(&[Prompts]).await;
    let mut stream = listener.listen().await;
    assert_eq!(stream.next().await.unwrap()["method"], notification(Tools));
    assert_eq!(stream.next().await.unwrap()["method"], notification(Prompts));
    world.change(&[Resources]).await;
    world.change(&[Prompts]).await;
    assert_eq!(stream.next().await.unwrap()["method"], notification(Prompts));
    client.send("DELETE", &[], "").await.unwrap();
    assert_eq!(stream.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_subscription_hears_of_what_its_filter_names_and_is_told_what_that_is() {
    for wanted in CHANGES {
        let mut world = World::new();
        let mut client = world.server.stdio();
        let members = wanted.iter().map(|kind| (format!("{}ListChanged", kind.feature()), json!(true)));
        let filter: serde_json::Map<_, _> = members.collect();
        let honoured = Value::Object(filter.clone());
        let listen = request("s", "subscriptions/listen", json!({"notifications": filter}));
        client.send(&modern(listen)).await;
        assert_eq!(client.next().await["params"]["notifications"], honoured);
        for changed in CHANGES {
            world.change(changed).await;
            world.change(&[]).await;
            for kind in changed.iter().filter(|kind| wanted.contains(kind)) {
                let told = client.next().await;
                assert_eq!(told["method"], notification(*kind), "{wanted:?} {changed:?}");
                assert_eq!(told["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], "s");
            }
            client.request(&modern(request("between", "tools/list", json!({})))).await;
        }
        let rest = client.close().await.0;
        assert_eq!(rest.len(), 1, "{rest:?}");
        assert_eq!(rest[0]["id"], "s");
    }
}

#[tokio::test(start_paused = true)]
async fn only_lists_that_can_change_are_declared_and_acknowledged() {
    let all = |server: &TestServer| server.stdio();
    let all_three = World::new();
    let opened = all(&all_three.server).initialize("2025-11-25").await;
    for kind in ListKind::ALL {
        let declared = &opened["result"]["capabilities"][kind.feature()];
        assert_eq!(declared["listChanged"], true, "{opened}");
        assert_eq!(declared.get("subscribe").is_some(), kind == Resources, "{opened}");
    }
    // An edit may give the skills of a folder any of them. Where there is none for good, nothing is declared.
    let opened =
        all(&TestServer::new(&one_skill(), ScriptedExecutor::echoing())).initialize("2025-11-25").await;
    let capabilities = opened["result"]["capabilities"].as_object().unwrap();
    assert_eq!(
        capabilities.keys().collect::<Vec<_>>(),
        ["logging", "tools", "resources", "prompts", "extensions"],
        "nothing completes anything yet"
    );
    let server = TestServer::builder(&one_skill(), ScriptedExecutor::echoing()).without_folder().start();
    let discovered = all(&server).request(&modern(request(1, "server/discover", json!({})))).await;
    let capabilities = json!({"logging": {}, "tools": {"listChanged": true}});
    assert_eq!(discovered["result"]["capabilities"], capabilities);
    let everything = json!({"toolsListChanged": true, "resourcesListChanged": true, "promptsListChanged": true,
            "resourceSubscriptions": ["a:b"]});
    let mut client = all(&server);
    client.send(&modern(request("s", "subscriptions/listen", json!({"notifications": everything})))).await;
    assert_eq!(client.next().await["params"]["notifications"], json!({"toolsListChanged": true}));
}

#[tokio::test(start_paused = true)]
async fn a_subscription_ends_with_its_session_and_those_of_others_go_on() {
    let mut world = World::new();
    let listen =
        modern(request("s", "subscriptions/listen", json!({"notifications": {"toolsListChanged": true}})));
    let mut client = world.server.stdio();
    let (mut stays, mut http) = (world.server.stdio(), world.server.http().await);
    for client in [&mut client, &mut stays] {
        client.send(&listen).await;
        client.next().await;
    }
    let mut stream = http.open_events(&listen).await;
    stream.next().await;
    let began = tokio::time::Instant::now();
    let rest = client.close().await.0;
    assert_eq!((rest.len(), &rest[0]["id"]), (1, &json!("s")));
    assert_eq!(began.elapsed(), std::time::Duration::ZERO, "it lasted for the grace period");
    world.change(&[Tools]).await;
    assert_eq!(stays.next().await["method"], notification(Tools));
    assert_eq!(stream.next().await.unwrap()["method"], notification(Tools));
}
