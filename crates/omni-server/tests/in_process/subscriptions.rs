//! Who is told that a resource was updated: who has subscribed to it, in either era, once for as long as it has not read it.

use std::sync::Arc;
use std::time::Duration;

use omni_call::{Event, ExecutorKind};
use omni_catalog::{CatalogKind, NameStyle, RemoteSource};
use omni_testkit::{
    ScriptedExecutor, SkillFolder, StartedCalls, StdioClient, TestServer, call_tool, modern, request,
};
use serde_json::{Value, json};

/// As many as one session, or one subscription, may have.
const SUBSCRIPTIONS_MAX: usize = 1_000;

/// Two sources: `one` has a tool, `x:` resources and a template; `other` has `y:1`.
struct World {
    server: TestServer,
    calls: StartedCalls,
    /// Another client than those that a test looks at.
    other: StdioClient,
    _folder: SkillFolder,
}

impl World {
    fn new() -> World {
        let kinds = [CatalogKind::Tools, CatalogKind::Resources, CatalogKind::Templates];
        let source = |name| {
            Arc::new(RemoteSource::new(name, None, NameStyle::Underscore, ExecutorKind::Runner, &kinds))
        };
        let (one, other) = (source("one"), source("other"));
        let tools = json!({"tools": [{"name": "t.run", "inputSchema": {"type": "object"}}]});
        one.describe(tools.to_string().as_bytes(), None).unwrap();
        let resources = json!({
            "resources": [{"uri": "x:1", "name": "1"}, {"uri": "x:today", "name": "today"}],
            "resourceTemplates": [{"uriTemplate": "x:day/{n}", "name": "day"}],
        });
        for kind in [CatalogKind::Resources, CatalogKind::Templates] {
            one.describe_items(kind, resources.to_string().as_bytes()).unwrap();
        }
        let resources = json!({"resources": [{"uri": "y:1", "name": "1"}]});
        other.describe_items(CatalogKind::Resources, resources.to_string().as_bytes()).unwrap();
        let folder = SkillFolder::new();
        let (executor, calls) = ScriptedExecutor::new();
        let server = TestServer::builder(&folder, executor).sources(vec![one, other]).start();
        let other = server.stdio();
        World { server, calls, other, _folder: folder }
    }

    /// A call of the other client says that these were updated, and returns; gives its answer.
    async fn update(&mut self, uris: &[&str]) -> Value {
        self.other.send(&modern(call_tool("update", "t.run", json!({})))).await;
        let call = self.calls.next().await;
        for uri in uris {
            call.event(Event::ResourceUpdated { uri: (*uri).to_owned() });
        }
        call.finish("done");
        self.other.answer(&json!("update")).await
    }
}

fn subscribe(uri: &str) -> Value {
    request("subscribe", "resources/subscribe", json!({"uri": uri}))
}

fn listen(id: &str, uris: &[&str]) -> Value {
    modern(request(id, "subscriptions/listen", json!({"notifications": {"resourceSubscriptions": uris}})))
}

fn updated(uri: &str) -> Value {
    json!({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": uri}})
}

fn updated_of(subscription: &str, uri: &str) -> Value {
    let meta = json!({"io.modelcontextprotocol/subscriptionId": subscription});
    json!({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"_meta": meta, "uri": uri}})
}

/// Nothing has been sent to a client besides the answer to a ping.
async fn silent(client: &mut StdioClient) {
    tokio::time::sleep(Duration::from_secs(1)).await;
    client.send(&request("silent", "ping", json!({}))).await;
    assert_eq!(client.next().await["id"], "silent");
}

#[tokio::test(start_paused = true)]
async fn a_legacy_session_hears_of_what_it_has_subscribed_to_until_it_unsubscribes() {
    for revision in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let mut world = World::new();
        let mut client = world.server.stdio();
        let opened = client.initialize(revision).await;
        assert_eq!(opened["result"]["capabilities"]["resources"]["subscribe"], true, "{revision}");
        for uri in ["x:1", "x:day/7", "x:1"] {
            assert_eq!(client.request(&subscribe(uri)).await["result"], json!({}), "{revision}");
        }
        world.update(&["x:1", "x:today", "x:day/8"]).await;
        assert_eq!(client.next().await, updated("x:1"));
        world.update(&["x:day/7"]).await;
        assert_eq!(client.next().await, updated("x:day/7"));
        for uri in ["x:1", "x:1", "x:none"] {
            let answer = client.request(&request(1, "resources/unsubscribe", json!({"uri": uri}))).await;
            assert_eq!(answer["result"], json!({}), "{revision}");
        }
        world.update(&["x:1"]).await;
        silent(&mut client).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_there_is_not_cannot_be_subscribed_to_and_has_the_error_of_a_read() {
    let world = World::new();
    let mut client = world.server.stdio();
    client.initialize("2025-11-25").await;
    for uri in ["x:2", "z:1", "x:day", ""] {
        let error = client.request(&subscribe(uri)).await["error"].clone();
        assert_eq!((&error["code"], &error["data"]["uri"]), (&json!(-32002), &json!(uri)));
    }
    let long = format!("x:day/{}", "7".repeat(9_000));
    let error = client.request(&subscribe(&long)).await["error"].clone();
    assert_eq!(error["code"], -32602);
    assert!(error["message"].as_str().unwrap().contains("8192 bytes"), "{error}");
    let modern = modern(subscribe("x:1"));
    assert_eq!(client.request(&modern).await["error"]["code"], -32601, "2026-07-28 has no such method");
}

#[tokio::test(start_paused = true)]
async fn a_subscription_is_told_what_of_its_uris_is_honoured_and_every_message_has_its_id() {
    let mut world = World::new();
    let mut client = world.server.stdio();
    let both =
        json!({"resourcesListChanged": true, "resourceSubscriptions": ["x:1", "x:2", "x:day/1", "x:1"]});
    client.send(&modern(request("a", "subscriptions/listen", json!({"notifications": both})))).await;
    let honoured = json!({"resourcesListChanged": true, "resourceSubscriptions": ["x:1", "x:day/1"]});
    assert_eq!(client.next().await["params"]["notifications"], honoured);
    client.send(&listen("b", &["x:today", "x:day/1"])).await;
    client.next().await;
    world.update(&["x:day/1"]).await;
    let mut told = vec![client.next().await, client.next().await];
    told.sort_by_key(Value::to_string);
    assert_eq!(told, [updated_of("a", "x:day/1"), updated_of("b", "x:day/1")]);
    world.update(&["x:today"]).await;
    assert_eq!(client.next().await, updated_of("b", "x:today"));
    client
        .send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "b"}}))
        .await;
    world.update(&["x:today", "x:1"]).await;
    assert_eq!(client.next().await, updated_of("a", "x:1"));
    let ended = client.close().await.0;
    assert_eq!((ended.len(), &ended[0]["id"]), (1, &json!("a")));
}

#[tokio::test(start_paused = true)]
async fn over_http_a_session_hears_by_its_stream_and_a_subscription_by_its_own() {
    let mut world = World::new();
    let (mut client, mut stream_client) = (world.server.http().await, world.server.http().await);
    client.initialize("2025-11-25").await;
    stream_client.session.clone_from(&client.session);
    assert_eq!(client.post(&subscribe("x:1")).await.json()["result"], json!({}));
    let mut modern_client = world.server.http().await;
    let mut subscription = modern_client.open_events(&listen("s", &["x:1"])).await;
    assert_eq!(subscription.next().await.unwrap()["method"], "notifications/subscriptions/acknowledged");
    world.update(&["x:1"]).await;
    assert_eq!(subscription.next().await.unwrap(), updated_of("s", "x:1"));
    // What was updated while the session had no stream is told on the one that it opens.
    let mut stream = stream_client.listen().await;
    assert_eq!(stream.next().await.unwrap(), updated("x:1"));
    world.update(&["x:1"]).await;
    assert_eq!(stream.next().await.unwrap(), updated("x:1"));
    client.send("DELETE", &[], "").await.unwrap();
    assert_eq!(stream.next().await, None);
    // A session that has ended is told of nothing, and keeps nothing.
    world.update(&["x:1"]).await;
    assert_eq!(subscription.next().await.unwrap(), updated_of("s", "x:1"));
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_updates_is_told_of_once_at_its_begin_and_once_after_it() {
    let mut world = World::new();
    let mut client = world.server.stdio();
    client.initialize("2025-11-25").await;
    client.request(&subscribe("x:1")).await;
    client.request(&subscribe("x:today")).await;
    let storm: Vec<&str> = ["x:1", "x:today"].into_iter().cycle().take(20_000).collect();
    world.update(&storm).await;
    let began = tokio::time::Instant::now();
    let mut told = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        client.send(&request("between", "ping", json!({}))).await;
        let message = client.next().await;
        if message["id"] == "between" {
            break;
        }
        told += 1;
        client.answer(&json!("between")).await;
    }
    assert!((1..=8).contains(&told), "{told} notifications in {:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_client_has_a_bounded_number_of_subscriptions_and_the_others_are_left_out() {
    let world = World::new();
    let mut client = world.server.stdio();
    client.initialize("2025-11-25").await;
    for n in 0..SUBSCRIPTIONS_MAX {
        let answer = client.request(&subscribe(&format!("x:day/{n}"))).await;
        assert_eq!(answer["result"], json!({}), "{n}");
    }
    let refused = client.request(&subscribe("x:1")).await["error"].clone();
    assert_eq!(refused["code"], -32602);
    assert!(refused["message"].as_str().unwrap().contains("1000 resources"), "{refused}");
    client.request(&request(1, "resources/unsubscribe", json!({"uri": "x:day/0"}))).await;
    assert_eq!(client.request(&subscribe("x:1")).await["result"], json!({}));
    let many: Vec<String> = (0..=SUBSCRIPTIONS_MAX).map(|n| format!("x:day/{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    client.send(&listen("s", &many)).await;
    let acknowledged = client.next().await;
    let honoured = acknowledged["params"]["notifications"]["resourceSubscriptions"].as_array().unwrap().len();
    assert_eq!(honoured, SUBSCRIPTIONS_MAX);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_updates_what_its_source_has_not_fails_and_says_what_was_meant() {
    let mut world = World::new();
    let mut client = world.server.stdio();
    client.initialize("2025-11-25").await;
    client.request(&subscribe("y:1")).await;
    for (uri, expected) in [
        (
            "x:tody",
            "`ctx.resource_updated(\"x:tody\")`: there is no such resource, and no template that it is made \
                    from; did you mean `x:today`?",
        ),
        (
            "y:1",
            "`ctx.resource_updated(\"y:1\")`: there is no such resource, and no template that it is made from",
        ),
    ] {
        let answer = world.update(&["x:1", uri]).await;
        assert_eq!(answer["result"]["isError"], true, "{answer}");
        let text = answer["result"]["content"][0]["text"].as_str().unwrap();
        assert!(text.contains(expected), "{text}");
    }
    silent(&mut client).await;
}
