//! Resources, templates and prompts that a call shows its client and hides from it: in lists, reads, completions,
//! subscriptions and skills.

use std::sync::Arc;
use std::time::Duration;

use omni_call::{Event, ExecutorKind};
use omni_catalog::{CatalogKind, NameStyle, RemoteSource};
use omni_testkit::{
    RunningCall, ScriptedExecutor, SkillFolder, StartedCalls, StdioClient, TestServer, call_tool,
    from_client, initialize, modern, modern_able, request,
};
use serde_json::{Value, json};

use crate::profiles::only_for;

const SOURCE: &str = r#"
from omni import completion, prompt, resource, tool

@tool
def run(): ...

@resource("t://open")
def open_one(): ...

@resource("t://off", enabled=False)
def off(): ...

@resource("t://day/{n}", enabled=False)
def day(n: int): ...

@resource("t://day/{n}/{part}")
def part(n: int, part: str): ...

@prompt
def ask(): ...

@prompt(enabled=False)
def secret(what: str): ...

@completion("what", prompt=secret)
def whats(value: str): ...
"#;

const FILED: &str = "---\ndescription: d\nenabled: false\n---\nHello.\n";

struct World {
    server: TestServer,
    calls: StartedCalls,
    folder: SkillFolder,
}

fn folder() -> SkillFolder {
    let folder = SkillFolder::new();
    folder.write("t/SKILL.md", "---\nname: t\ndescription: d\n---\nSee [more](references/more.md).\n");
    folder.write("t/references/more.md", "# More\n");
    folder.write("t/scripts/t.py", SOURCE);
    folder.write("t/prompts/filed.md", FILED);
    folder
}

impl World {
    fn of(folder: SkillFolder) -> World {
        let (executor, calls) = ScriptedExecutor::new();
        let server = TestServer::new(&folder, executor);
        World { server, calls, folder }
    }

    fn new() -> World {
        World::of(folder())
    }

    /// Has the call of `run` that is under way do that, and return.
    async fn act(&mut self, changes: &[(&str, bool)]) {
        let call = self.calls.next().await;
        for (name, shown) in changes {
            call.event(Event::Visibility { name: (*name).to_owned(), shown: *shown });
        }
        call.finish("done");
    }

    async fn change(&mut self, client: &mut StdioClient, changes: &[(&str, bool)]) -> Value {
        client.send(&call_tool("change", "t.run", json!({}))).await;
        self.act(changes).await;
        client.answer(&json!("change")).await
    }

    /// Whether a request reaches an executor, and else its error.
    async fn reached(&mut self, client: &mut StdioClient, asked: &Value) -> Result<(), Value> {
        client.send(asked).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        let reached: Option<RunningCall> = self.calls.try_next();
        let is_reached = reached.is_some();
        drop(reached);
        let answer = client.answer(&asked["id"]).await;
        if is_reached { Ok(()) } else { Err(answer["error"].clone()) }
    }
}

/// The names, URIs or templates of a list.
fn keys(list: &Value) -> Vec<&str> {
    let members = ["resources", "resourceTemplates", "prompts", "tools"];
    let items = members.iter().find_map(|member| list["result"].get(*member)?.as_array());
    let key =
        |item: &'_ Value| ["uri", "uriTemplate", "name"].into_iter().find(|key| item.get(*key).is_some());
    items.unwrap().iter().map(|item| item[key(item).unwrap()].as_str().unwrap()).collect()
}

/// What a client lists besides the files of the skill: resources, templates, prompts.
async fn listed(client: &mut StdioClient) -> [Vec<String>; 3] {
    let mut lists = [const { Vec::new() }; 3];
    for (method, found) in
        ["resources/list", "resources/templates/list", "prompts/list"].into_iter().zip(&mut lists)
    {
        let list = client.request(&request("list", method, json!({}))).await;
        *found = keys(&list)
            .into_iter()
            .filter(|key| !key.starts_with("omni://skill/"))
            .map(str::to_owned)
            .collect();
    }
    lists
}

fn read(uri: &str) -> Value {
    request("read", "resources/read", json!({"uri": uri}))
}

fn get(name: &str) -> Value {
    let arguments = if name.ends_with("secret") { json!({"what": "x"}) } else { json!({}) };
    request("get", "prompts/get", json!({"name": name, "arguments": arguments}))
}

fn complete(name: &str) -> Value {
    let of = json!({"type": "ref/prompt", "name": name});
    request("complete", "completion/complete", json!({"ref": of, "argument": {"name": "what", "value": ""}}))
}

fn subscribe(uri: &str) -> Value {
    request("subscribe", "resources/subscribe", json!({"uri": uri}))
}

async fn opened(world: &World, revision: &str) -> StdioClient {
    let mut client = world.server.stdio();
    client.initialize(revision).await;
    client
}

const RESOURCES: &str = "notifications/resources/list_changed";
const PROMPTS: &str = "notifications/prompts/list_changed";

/// The methods of the next two notifications, sorted.
async fn two(client: &mut StdioClient) -> [Value; 2] {
    let mut told = [client.next().await["method"].clone(), client.next().await["method"].clone()];
    told.sort_by_key(ToString::to_string);
    told
}

#[tokio::test(start_paused = true)]
async fn what_is_off_is_in_no_list_and_in_no_answer_until_a_call_shows_it() {
    for revision in ["2024-11-05", "2025-11-25"] {
        let mut world = World::new();
        let mut client = opened(&world, revision).await;
        let before = listed(&mut client).await;
        assert_eq!(before, [vec!["t://open"], vec!["t://day/{n}/{part}"], vec!["t_ask"]], "{revision}");
        // The error is that of what there is not.
        for (asked, of_none) in [
            (read("t://off"), read("t://no")),
            (read("t://day/7"), read("t://no")),
            (get("t_secret"), get("t_none")),
            (get("t.filed"), get("t_none")),
            (complete("t_secret"), complete("t_none")),
            (subscribe("t://off"), subscribe("t://no")),
            (subscribe("t://day/7"), subscribe("t://no")),
        ] {
            let mut errors = Vec::new();
            for (asked, name) in [(&asked, &asked), (&of_none, &of_none)] {
                let error = world.reached(&mut client, asked).await.unwrap_err();
                let of = |key: &str| name["params"][key].as_str().unwrap_or("t_secret").to_owned();
                let named = if name["params"].get("uri").is_some() { of("uri") } else { of("name") };
                let named = name["params"]["ref"]["name"].as_str().map_or(named, str::to_owned);
                errors.push(error.to_string().replace(&named, "it"));
            }
            assert_eq!(errors[0], errors[1], "{revision}");
        }
        let names =
            [("t://off", true), ("t.day", true), ("t.secret", true), ("t_filed", true), ("t://open", false)];
        let answer = world.change(&mut client, &names).await;
        assert_eq!(answer["result"]["content"][0]["text"], "done", "{answer}");
        assert_eq!(
            two(&mut client).await,
            [PROMPTS, RESOURCES],
            "{revision}: resources and templates are one list"
        );
        let after = listed(&mut client).await;
        assert_eq!(after[0], ["t://off"], "{revision}");
        assert_eq!(after[1], ["t://day/{n}", "t://day/{n}/{part}"], "{revision}");
        assert_eq!(after[2], ["t_ask", "t_filed", "t_secret"], "{revision}");
        for asked in [
            read("t://off"),
            read("t://day/7"),
            read("t://day/7/x"),
            get("t_secret"),
            get("t.filed"),
            complete("t.secret"),
        ] {
            assert_eq!(world.reached(&mut client, &asked).await, Ok(()), "{revision} {asked}");
        }
        assert!(world.reached(&mut client, &read("t://open")).await.is_err());
        // The same again is told to nobody, and the way back is.
        world.change(&mut client, &names).await;
        world.change(&mut client, &names.map(|(name, shown)| (name, !shown))).await;
        assert_eq!(two(&mut client).await, [PROMPTS, RESOURCES], "{revision}");
        assert_eq!(listed(&mut client).await, before, "{revision}");
        assert_eq!(client.close().await.0, Vec::<Value>::new(), "{revision}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pattern_means_all_of_a_skill_and_a_misspelt_name_says_what_was_meant() {
    let mut world = World::new();
    let mut client = opened(&world, "2025-11-25").await;
    listed(&mut client).await;
    for (name, meant) in [
        ("t://of", "; did you mean `t://off`?"),
        ("t.secrt", "; did you mean `t.secret`?"),
        ("t_secre", "; did you mean `t_secret`?"),
        ("whatever://*", ""),
    ] {
        let answer = world.change(&mut client, &[(name, true)]).await;
        let text = answer["result"]["content"][0]["text"].as_str().unwrap();
        let wanted = format!(
            "`ctx.show(\"{name}\")`: there is no such tool, resource, template or prompt here{meant}"
        );
        assert!(answer["result"]["isError"] == true && text.contains(&wanted), "{text}");
    }
    // The same name is a tool's and a resource's: both are meant.
    world.folder.write(
        "t/scripts/u.py",
        "from omni import resource, tool\n\n@tool(enabled=False)\ndef both(): ...\n",
    );
    world.folder.write(
        "t/scripts/v.py",
        "from omni import resource\n\n@resource(name=\"both\", enabled=False)\ndef other(): ...\n",
    );
    world.server.refresh().await;
    listed(&mut client).await;
    world.change(&mut client, &[("t.both", true)]).await;
    let list = client.request(&request(1, "resources/list", json!({}))).await;
    assert!(keys(&list).iter().any(|uri| uri.ends_with("/both")), "{list}");
    let list = client.request(&request(1, "tools/list", json!({}))).await;
    assert_eq!(keys(&list), ["t_both", "t_run"]);
    world.change(&mut client, &[("t.*", false), ("t.run", true)]).await;
    assert_eq!(listed(&mut client).await, [const { Vec::<String>::new() }; 3]);
    let list = client.request(&request(1, "resources/list", json!({}))).await;
    assert_eq!(keys(&list), Vec::<&str>::new(), "a skill's files are of it, too");
    let list = client.request(&request(1, "tools/list", json!({}))).await;
    assert_eq!(keys(&list), ["t_run"]);
}

#[tokio::test(start_paused = true)]
async fn a_hidden_file_of_a_skill_is_hidden_wherever_it_could_be_read() {
    let mut world = World::of(folder().with_skill_reader());
    let mut client = world.server.stdio();
    let able = json!({"extensions": {"io.modelcontextprotocol/skills": {}}});
    let ask = |method: &str, params: Value| modern_able(request("ask", method, params), able.clone());
    let more = "omni://skill/t/references/more.md";
    let mut hide = modern(call_tool("change", "t.run", json!({})));
    hide["id"] = json!("change");
    let reader = |path: &str| {
        ask("tools/call", json!({"name": "skill_read", "arguments": {"skill": "t", "path": path}}))
    };
    let get = ask("skills/get", json!({"uri": "omni://skill/t/SKILL.md"}));
    let directory = ask("resources/directory/read", json!({"uri": "omni://skill/t"}));
    assert!(client.request(&get).await.to_string().contains(more));
    assert!(client.request(&directory).await.to_string().contains("references"));
    client.send(&hide).await;
    world.act(&[(more, false)]).await;
    client.answer(&json!("change")).await;
    assert!(!client.request(&get).await.to_string().contains(more));
    assert!(!client.request(&directory).await.to_string().contains("references"));
    let refused = client.request(&reader("references/more.md")).await;
    assert!(refused.to_string().contains("has no file `references/more.md`"), "{refused}");
    for uri in [more.to_owned(), format!("{more}?offset=0&length=3")] {
        let error =
            world.reached(&mut client, &ask("resources/read", json!({"uri": uri}))).await.unwrap_err();
        assert_eq!(error["code"], -32602, "{uri}");
    }
    // With its page a skill goes.
    client.send(&hide).await;
    world.act(&[("omni://skill/t/SKILL.md", false)]).await;
    client.answer(&json!("change")).await;
    let list = client.request(&ask("skills/list", json!({}))).await;
    assert_eq!(list["result"]["skills"], json!([]), "{list}");
    assert!(client.request(&reader("SKILL.md")).await.to_string().contains("no skill"));
    // Whoever has nothing otherwise has all of it.
    let mut other = world.server.stdio();
    assert!(other.request(&get).await.to_string().contains(more));
}

#[tokio::test(start_paused = true)]
async fn nothing_that_is_shown_goes_past_a_filter_and_nobody_is_told_of_it() {
    let rules = only_for("guest", &["t.secret", "t.off", "t.day", "t.open_one"]);
    let mut world = World::of(folder().seen_as(rules));
    let mut guest = world.server.stdio();
    guest.request(&from_client(initialize(1, "2025-11-25"), "guest")).await;
    guest.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    let before = listed(&mut guest).await;
    assert_eq!(before, [vec![], vec!["t://day/{n}/{part}"], vec!["t_ask"]]);
    let answer = world
        .change(&mut guest, &[("t.*", true), ("t://off", true), ("t://open", true), ("t.day", true)])
        .await;
    assert_eq!(answer["result"]["content"][0]["text"], "done", "it is no mistake of the author's: {answer}");
    // The prompt that is a file is in no filter.
    assert_eq!(guest.next().await["method"], PROMPTS);
    assert_eq!(listed(&mut guest).await, [vec![], vec!["t://day/{n}/{part}"], vec!["t_ask", "t_filed"]]);
    for asked in [read("t://off"), read("t://open"), read("t://day/7"), get("t_secret"), complete("t_secret")]
    {
        assert!(world.reached(&mut guest, &asked).await.is_err(), "{asked}");
    }
    // Everybody else is shown them.
    let mut client = opened(&world, "2025-11-25").await;
    let answer = world.change(&mut client, &[("t.*", true)]).await;
    assert_eq!(answer["result"]["content"][0]["text"], "done", "{answer}");
    assert_eq!(world.reached(&mut client, &read("t://off")).await, Ok(()));
    assert_eq!(guest.close().await.0, Vec::<Value>::new());
}

fn listen(id: &str, uris: &[&str]) -> Value {
    let wanted =
        json!({"resourcesListChanged": true, "promptsListChanged": true, "resourceSubscriptions": uris});
    modern(request(id, "subscriptions/listen", json!({"notifications": wanted})))
}

#[tokio::test(start_paused = true)]
async fn nobody_subscribes_to_what_its_profile_or_a_call_withholds_and_nobody_is_told_of_it_after() {
    let rules = only_for("guest", &["t.open_one"]);
    let mut world = World::of(folder().seen_as(rules));
    let mut guest = world.server.stdio();
    guest.request(&from_client(initialize(1, "2025-11-25"), "guest")).await;
    let of_none = guest.request(&subscribe("t://no")).await["error"]["code"].clone();
    assert_eq!(guest.request(&subscribe("t://open")).await["error"]["code"], of_none);
    let mut modern_guest = world.server.stdio();
    modern_guest.send(&from_client(listen("s", &["t://open", "t://day/7/x"]), "guest")).await;
    let acknowledged = modern_guest.next().await;
    assert_eq!(acknowledged["params"]["notifications"]["resourceSubscriptions"], json!(["t://day/7/x"]));
    let mut client = opened(&world, "2025-11-25").await;
    let mut stdio = world.server.stdio();
    stdio.send(&listen("s", &["t://open"])).await;
    assert_eq!(stdio.next().await["params"]["notifications"]["resourceSubscriptions"], json!(["t://open"]));
    listed(&mut client).await;
    assert_eq!(client.request(&subscribe("t://open")).await["result"], json!({}));
    world.change(&mut client, &[("t://open", false)]).await;
    assert_eq!(client.next().await["method"], RESOURCES);
    // Another client's call says that it was updated: who may read it is told, and the one from whom it is hidden is not.
    let mut other = opened(&world, "2025-11-25").await;
    other.send(&call_tool("update", "t.run", json!({}))).await;
    let call = world.calls.next().await;
    call.event(Event::ResourceUpdated { uri: "t://open".to_owned() });
    call.finish("done");
    assert_eq!(stdio.next().await["method"], "notifications/resources/updated");
    tokio::time::sleep(Duration::from_secs(1)).await;
    client.send(&request("quiet", "ping", json!({}))).await;
    assert_eq!(client.next().await["id"], "quiet");
    // It is shown again, and is heard of again.
    world.change(&mut client, &[("t://open", true)]).await;
    assert_eq!(client.next().await["method"], RESOURCES);
    other.send(&call_tool("update", "t.run", json!({}))).await;
    let call = world.calls.next().await;
    call.event(Event::ResourceUpdated { uri: "t://open".to_owned() });
    call.finish("done");
    assert_eq!(client.next().await["method"], "notifications/resources/updated");
}

#[tokio::test(start_paused = true)]
async fn without_a_session_items_are_shown_to_the_user_and_told_on_its_subscriptions() {
    let mut world = World::new();
    let mut client = world.server.http_as(Some(1)).await;
    let mut stranger = world.server.http_as(Some(2)).await;
    let (mut one, mut two) = (world.server.http_as(Some(1)).await, world.server.http_as(Some(2)).await);
    let (mut told, mut not_told) =
        (one.open_events(&listen("s", &[])).await, two.open_events(&listen("s", &[])).await);
    for stream in [&mut told, &mut not_told] {
        assert_eq!(stream.next().await.unwrap()["method"], "notifications/subscriptions/acknowledged");
    }
    let list = modern(request(1, "prompts/list", json!({})));
    let listed = client.post(&list).await.json();
    assert_eq!(listed["result"]["cacheScope"], "private", "some are off");
    assert_eq!(listed["result"]["ttlMs"], 0, "whoever does not subscribe sees what its next call shows");
    let call = modern(call_tool("change", "t.run", json!({})));
    let (answer, ()) = tokio::join!(client.post(&call), world.act(&[("t.secret", true), ("t.off", true)]));
    assert_eq!(answer.json()["result"]["content"][0]["text"], "done");
    let mut methods =
        [told.next().await.unwrap()["method"].clone(), told.next().await.unwrap()["method"].clone()];
    methods.sort_by_key(ToString::to_string);
    assert_eq!(methods, [PROMPTS, RESOURCES]);
    assert_eq!(keys(&client.post(&list).await.json()), ["t_ask", "t_secret"]);
    assert_eq!(keys(&stranger.post(&list).await.json()), ["t_ask"]);
    let refused = stranger.post(&modern(get("t_secret"))).await.json();
    assert_eq!(refused["error"]["code"], -32602, "{refused}");
    let quiet = tokio::time::timeout(Duration::from_secs(5), not_told.next()).await;
    assert!(quiet.is_err(), "{quiet:?}");
}

#[tokio::test(start_paused = true)]
async fn a_runner_says_what_of_its_resources_and_prompts_is_off() {
    let kinds = [CatalogKind::Tools, CatalogKind::Resources, CatalogKind::Templates, CatalogKind::Prompts];
    let source = Arc::new(RemoteSource::new("r", None, NameStyle::Underscore, ExecutorKind::Runner, &kinds));
    let off = json!({"enabled": false});
    let tools = json!({"tools": [
        {"name": "t.run", "inputSchema": {"type": "object"}},
        {"name": "t.secret", "inputSchema": {"type": "object"}, "omni": {"policy": {"enabled": false}}},
    ]});
    source.describe(tools.to_string().as_bytes(), None).unwrap();
    let items = json!({
        "resources": [{"uri": "x:1", "name": "1"}, {"uri": "x:2", "name": "2", "omni": off}],
        "resourceTemplates": [{"uriTemplate": "x:day/{n}", "name": "day", "omni": off}],
        "prompts": [{"name": "ask"}, {"name": "secret", "omni": off}],
    });
    for kind in [CatalogKind::Resources, CatalogKind::Templates, CatalogKind::Prompts] {
        source.describe_items(kind, items.to_string().as_bytes()).unwrap();
    }
    let folder = SkillFolder::new();
    let (executor, calls) = ScriptedExecutor::new();
    let server = TestServer::builder(&folder, executor).sources(vec![source]).start();
    let mut world = World { server, calls, folder };
    let mut client = opened(&world, "2025-11-25").await;
    assert_eq!(listed(&mut client).await, [vec!["x:1"], vec![], vec!["ask"]]);
    // Its only source may have more than it lists, and is not asked for what it says is off.
    for asked in [read("x:2"), read("x:day/1"), get("secret")] {
        assert!(world.reached(&mut client, &asked).await.is_err(), "{asked}");
    }
    assert_eq!(world.reached(&mut client, &read("x:unlisted")).await, Ok(()));
    world.change(&mut client, &[("x:*", true), ("secret", true), ("t.secret", true)]).await;
    assert_eq!(two(&mut client).await, [PROMPTS, RESOURCES]);
    assert_eq!(listed(&mut client).await, [vec!["x:1", "x:2"], vec!["x:day/{n}"], vec!["ask", "secret"]]);
    for asked in [read("x:2"), read("x:day/1"), get("secret"), call_tool("t", "t_secret", json!({}))] {
        assert_eq!(world.reached(&mut client, &asked).await, Ok(()), "{asked}");
    }
}
