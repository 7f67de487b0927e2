//! Who is told that which list has changed: once, by its own notification, and only who knows the old one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use omni_call::{BoxFuture, CallRequest, RunSpec};
use omni_protocol::{ItemKind, ListKind, Offers};
use omni_server::{Library, Unavailable};
use omni_testkit::{ScriptedExecutor, SkillFolder, TestServer, modern, request};
use serde_json::{Value, json};

use crate::one_skill;

/// Lists that are empty, and have a version.
#[derive(Default)]
struct Versions {
    resources: AtomicUsize,
    prompts: AtomicUsize,
}

impl Library for Versions {
    fn offers(&self) -> Offers {
        Offers { resources: true, prompts: true }
    }

    fn list_version(&self, kind: ListKind) -> Option<Arc<str>> {
        let version = match kind {
            ListKind::Tools => return None,
            ListKind::Resources => &self.resources,
            ListKind::Prompts => &self.prompts,
        };
        Some(version.load(Ordering::Relaxed).to_string().into())
    }

    fn list(&self, _kind: ItemKind) -> BoxFuture<'_, Result<Bytes, Unavailable>> {
        Box::pin(std::future::ready(Ok(Bytes::from_static(b"[]"))))
    }

    fn spec(&self, request: &CallRequest) -> Result<Arc<RunSpec>, String> {
        Err(format!("there is no `{}`", request.named().unwrap_or_default()))
    }
}

/// A server of lists that the test changes.
struct World {
    folder: SkillFolder,
    library: Arc<Versions>,
    server: TestServer,
    changes: usize,
}

impl World {
    fn new() -> Self {
        let (folder, library) = (one_skill(), Arc::<Versions>::default());
        let server =
            TestServer::builder(&folder, ScriptedExecutor::echoing()).library(library.clone()).start();
        World { folder, library, server, changes: 0 }
    }

    /// Changes these lists, and has the server look.
    async fn change(&mut self, kinds: &[ListKind]) {
        self.changes += 1;
        for kind in kinds {
            match kind {
                ListKind::Tools => {
                    let source = "from omni import tool\n\n@tool\ndef run() -> str: ...\n";
                    self.folder.write(&format!("new{}/scripts/t.py", self.changes), source);
                }
                ListKind::Resources => _ = self.library.resources.fetch_add(1, Ordering::Relaxed),
                ListKind::Prompts => _ = self.library.prompts.fetch_add(1, Ordering::Relaxed),
            }
        }
        self.server.refresh().await;
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
        let mut filter: serde_json::Map<_, _> = members.collect();
        let honoured = Value::Object(filter.clone());
        // There are none that tell of their updates.
        filter.insert("resourceSubscriptions".into(), json!(["a:b"]));
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
async fn only_lists_that_have_versions_are_declared_and_acknowledged() {
    let all = |server: &TestServer| server.stdio();
    let versioned = World::new();
    let opened = all(&versioned.server).initialize("2025-11-25").await;
    for kind in ListKind::ALL {
        let declared = &opened["result"]["capabilities"][kind.feature()];
        assert_eq!(*declared, json!({"listChanged": true}), "{opened}");
    }
    // Without a library there are tools alone.
    let server = TestServer::new(&one_skill(), ScriptedExecutor::echoing());
    let discovered = all(&server).request(&modern(request(1, "server/discover", json!({})))).await;
    let capabilities = json!({"logging": {}, "tools": {"listChanged": true}});
    assert_eq!(discovered["result"]["capabilities"], capabilities);
    let everything =
        json!({"toolsListChanged": true, "resourcesListChanged": true, "promptsListChanged": true});
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
