//! What a call shows its client and hides from it: in lists and in calls, for that client alone, as long as it lasts.

use std::time::Duration;

use omni_call::Event;
use omni_testkit::{
    HttpClient, ScriptedExecutor, SkillFolder, StartedCalls, StdioClient, TestServer, call_tool, modern,
    request,
};
use serde_json::{Value, json};

/// How long a client without a session sees what it was shown.
const VIEW_LASTS: Duration = Duration::from_secs(60 * 60);

/// Skill `t` has the tools `run` and `other`, and `secret` and `secret_too`, which are off.
struct World {
    server: TestServer,
    calls: StartedCalls,
    folder: SkillFolder,
}

const SOURCE: &str = "\
from omni import tool

@tool
def run(): ...

@tool
def other(): ...

@tool(enabled=False)
def secret(): ...

@tool(enabled=False)
def secret_too(): ...
";

impl World {
    fn new() -> World {
        let folder = SkillFolder::new();
        folder.write("t/SKILL.md", "---\nname: t\ndescription: d\n---\n");
        folder.write("t/scripts/t.py", SOURCE);
        let (executor, calls) = ScriptedExecutor::new();
        let server = TestServer::new(&folder, executor);
        World { server, calls, folder }
    }

    /// Has the call of `run` that is under way do that, and return.
    async fn act(&mut self, changes: &[(&str, bool)]) {
        let call = self.calls.next().await;
        for (name, shown) in changes {
            call.event(Event::Visibility { name: (*name).to_owned(), shown: *shown });
        }
        call.finish("done");
    }
}

const CHANGED: &str = "notifications/tools/list_changed";

fn names(list: &Value) -> Vec<&str> {
    list["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect()
}

/// Calls `run`, which shows and hides these; gives the answer.
async fn change(world: &mut World, client: &mut StdioClient, changes: &[(&str, bool)]) -> Value {
    client.send(&call_tool("change", "t.run", json!({}))).await;
    world.act(changes).await;
    client.answer(&json!("change")).await
}

async fn listed(client: &mut StdioClient) -> Vec<String> {
    let list = client.request(&request("list", "tools/list", json!({}))).await;
    names(&list).into_iter().map(str::to_owned).collect()
}

/// Whether a tool can be called.
async fn callable(world: &mut World, client: &mut StdioClient, tool: &str) -> bool {
    client.send(&call_tool("try", tool, json!({}))).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    let reached = world.calls.try_next();
    let is_reached = reached.is_some();
    if let Some(call) = reached {
        call.finish("x");
    }
    let answer = client.answer(&json!("try")).await;
    assert_eq!(answer.get("result").is_some(), is_reached, "{answer}");
    assert!(is_reached || answer["error"]["code"] == -32602, "{answer}");
    is_reached
}

#[tokio::test(start_paused = true)]
async fn what_is_off_is_neither_listed_nor_called_until_a_call_shows_it_and_not_after_one_hides_it() {
    let mut world = World::new();
    let mut client = world.server.stdio();
    client.initialize("2025-11-25").await;
    assert_eq!(listed(&mut client).await, ["t_other", "t_run"]);
    assert!(!callable(&mut world, &mut client, "t_secret").await);
    assert!(callable(&mut world, &mut client, "t_other").await);
    let answer = change(&mut world, &mut client, &[("t.secret", true), ("t_other", false)]).await;
    assert_eq!(answer["result"]["content"][0]["text"], "done");
    assert_eq!(client.next().await["method"], CHANGED);
    assert_eq!(listed(&mut client).await, ["t_run", "t_secret"]);
    assert!(callable(&mut world, &mut client, "t.secret").await);
    assert!(!callable(&mut world, &mut client, "t_other").await);
    // The same again changes nothing, and is told to nobody.
    change(&mut world, &mut client, &[("t.secret", true), ("t.other", false)]).await;
    change(&mut world, &mut client, &[("t.secret", false), ("t.other", true)]).await;
    assert_eq!(client.next().await["method"], CHANGED);
    assert_eq!(listed(&mut client).await, ["t_other", "t_run"]);
    assert_eq!(client.close().await.0, Vec::<Value>::new());
}

#[tokio::test(start_paused = true)]
async fn a_pattern_means_all_that_fit_and_a_session_alone_sees_what_its_calls_have_shown() {
    let mut world = World::new();
    let (mut client, mut other) = (world.server.stdio(), world.server.stdio());
    for client in [&mut client, &mut other] {
        client.initialize("2025-06-18").await;
        assert_eq!(listed(client).await, ["t_other", "t_run"]);
    }
    change(&mut world, &mut client, &[("t.secret*", true)]).await;
    assert_eq!(client.next().await["method"], CHANGED);
    assert_eq!(listed(&mut client).await, ["t_other", "t_run", "t_secret", "t_secret_too"]);
    assert_eq!(listed(&mut other).await, ["t_other", "t_run"]);
    assert!(!callable(&mut world, &mut other, "t_secret").await);
    // A new version of the skill changes both lists, and each is told once.
    world.folder.write("t/scripts/u.py", "from omni import tool\n\n@tool\ndef late(): ...\n");
    world.server.refresh().await;
    for client in [&mut client, &mut other] {
        assert_eq!(client.next().await["method"], CHANGED);
    }
    assert_eq!(listed(&mut client).await, ["t_late", "t_other", "t_run", "t_secret", "t_secret_too"]);
    assert_eq!(listed(&mut other).await, ["t_late", "t_other", "t_run"]);
    assert_eq!(client.close().await.0, Vec::<Value>::new());
}

#[tokio::test(start_paused = true)]
async fn a_name_that_nothing_has_fails_the_call_and_says_what_was_meant() {
    let mut world = World::new();
    let mut client = world.server.stdio();
    client.initialize("2025-11-25").await;
    for (name, shown, expected) in [
        (
            "t.secrt",
            true,
            "`ctx.show(\"t.secrt\")`: there is no such tool, resource, template or prompt here; did you mean `t.secret`?",
        ),
        (
            "other",
            false,
            "`ctx.hide(\"other\")`: there is no such tool, resource, template or prompt here; did you mean `t.other`?",
        ),
        ("x.*", true, "`ctx.show(\"x.*\")`: there is no such tool, resource, template or prompt here"),
    ] {
        let answer = change(&mut world, &mut client, &[(name, shown), ("t.run", true)]).await;
        assert_eq!(answer["result"]["isError"], true, "{answer}");
        let text = answer["result"]["content"][0]["text"].as_str().unwrap();
        assert!(text.contains(expected), "{text}");
    }
    assert_eq!(listed(&mut client).await, ["t_other", "t_run"]);
}

/// The names that a modern client lists over HTTP, and who may keep the list.
async fn modern_list(client: &mut HttpClient) -> (Vec<String>, String) {
    let list = client.post(&modern(request(1, "tools/list", json!({})))).await.json();
    let scope = list["result"]["cacheScope"].as_str().unwrap().to_owned();
    (names(&list).into_iter().map(str::to_owned).collect(), scope)
}

#[tokio::test(start_paused = true)]
async fn without_a_session_it_holds_for_the_user_and_is_told_on_its_subscriptions_and_ends_after_an_hour() {
    let mut world = World::new();
    let (mut client, mut same, mut stranger) = (
        world.server.http_as(Some(1)).await,
        world.server.http_as(Some(1)).await,
        world.server.http_as(Some(2)).await,
    );
    let listen =
        modern(request("s", "subscriptions/listen", json!({"notifications": {"toolsListChanged": true}})));
    let (mut one, mut two) = (world.server.http_as(Some(1)).await, world.server.http_as(Some(2)).await);
    let (mut told, mut not_told) = (one.open_events(&listen).await, two.open_events(&listen).await);
    for stream in [&mut told, &mut not_told] {
        assert_eq!(stream.next().await.unwrap()["method"], "notifications/subscriptions/acknowledged");
    }
    assert_eq!(modern_list(&mut client).await, (vec!["t_other".into(), "t_run".into()], "private".into()));
    let call = modern(call_tool("change", "t.run", json!({})));
    let (answer, ()) = tokio::join!(client.post(&call), world.act(&[("t.secret", true), ("t.other", false)]));
    assert_eq!(answer.json()["result"]["content"][0]["text"], "done");
    assert_eq!(told.next().await.unwrap()["method"], CHANGED);
    for client in [&mut client, &mut same] {
        assert_eq!(modern_list(client).await, (vec!["t_run".into(), "t_secret".into()], "private".into()));
    }
    assert_eq!(modern_list(&mut stranger).await.0, ["t_other", "t_run"]);
    let refused = stranger.post(&modern(call_tool(2, "t.secret", json!({})))).await.json();
    assert_eq!(refused["error"]["code"], -32602);
    // A session of the same user is another client.
    let mut session = world.server.http_as(Some(1)).await;
    session.initialize("2025-11-25").await;
    let list = session.post(&request(1, "tools/list", json!({}))).await.json();
    assert_eq!(names(&list), ["t_other", "t_run"]);
    tokio::time::sleep(VIEW_LASTS + Duration::from_secs(1)).await;
    assert_eq!(told.next().await.unwrap()["method"], CHANGED);
    // Its connection was closed meanwhile, since it was idle.
    let mut client = world.server.http_as(Some(1)).await;
    assert_eq!(modern_list(&mut client).await, (vec!["t_other".into(), "t_run".into()], "private".into()));
    world.folder.write("t/scripts/u.py", "from omni import tool\n\n@tool\ndef late(): ...\n");
    world.server.refresh().await;
    assert_eq!(
        not_told.next().await.unwrap()["method"],
        CHANGED,
        "it heard of the new tool, and of nothing before"
    );
}

#[tokio::test(start_paused = true)]
async fn a_session_over_http_is_told_on_its_stream_and_a_modern_client_on_stdio_by_its_subscription() {
    let mut world = World::new();
    let (mut client, mut listener) = (world.server.http().await, world.server.http().await);
    client.initialize("2025-11-25").await;
    listener.session.clone_from(&client.session);
    client.post(&request(1, "tools/list", json!({}))).await;
    let call = call_tool("change", "t.run", json!({}));
    let (_, ()) = tokio::join!(client.post(&call), world.act(&[("t.secret", true)]));
    let mut stream = listener.listen().await;
    assert_eq!(stream.next().await.unwrap()["method"], CHANGED);
    let list = client.post(&request(1, "tools/list", json!({}))).await.json();
    assert_eq!(names(&list), ["t_other", "t_run", "t_secret"]);
    let mut stdio = world.server.stdio();
    let filter = json!({"notifications": {"toolsListChanged": true}});
    stdio.send(&modern(request("s", "subscriptions/listen", filter))).await;
    stdio.next().await;
    stdio.send(&modern(call_tool("change", "t.run", json!({})))).await;
    world.act(&[("t.secret_too", true)]).await;
    let mut told = [stdio.next().await, stdio.next().await];
    told.sort_by_key(|message| message.get("id").is_some());
    assert_eq!((&told[0]["method"], &told[1]["id"]), (&json!(CHANGED), &json!("change")));
    let list = stdio.request(&modern(request("list", "tools/list", json!({})))).await;
    assert_eq!(names(&list), ["t_other", "t_run", "t_secret_too"]);
}
