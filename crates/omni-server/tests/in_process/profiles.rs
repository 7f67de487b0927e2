//! Two clients of one server that see two lists: what each lists, calls, and is told of.

use omni_catalog::{
    ClientPattern, Filter, FilterRule, Located, NameStyle, Override, Overrides, Profile, SettingLocation,
    ToolRules,
};
use omni_testkit::{
    HttpClient, ScriptedExecutor, SkillFolder, StartedCalls, TestServer, call_tool, from_client, initialize,
    modern, request,
};
use serde_json::{Value, json};

use crate::LEGACY;

fn setting(key: &str) -> SettingLocation {
    SettingLocation::new(key, "omni.toml", 4)
}

fn filter(patterns: &[&str]) -> Filter {
    Filter::new(patterns.iter().map(|text| FilterRule::new(text, setting("filter")).unwrap()).collect())
}

fn change(tool: &str, alias: Option<&str>, hidden: bool) -> Override {
    Override {
        tool: tool.to_owned(),
        setting: setting(tool),
        alias: alias.map(|alias| Located { value: alias.to_owned(), setting: setting("alias") }),
        append_doc: None,
        title: None,
        hidden: Some(hidden),
    }
}

fn profile(name: &str, clients: &[&str], principals: &[&str]) -> Profile {
    let patterns = |texts: &[&str]| texts.iter().map(|text| ClientPattern::new(text).unwrap()).collect();
    Profile {
        name: name.to_owned(),
        setting: setting(name),
        clients: patterns(clients),
        principals: patterns(principals),
        filter: Filter::default(),
        overrides: Overrides::default(),
        names: None,
    }
}

/// Rules by which the clients of that name have what these patterns leave, and all others have everything.
pub(crate) fn only_for(client: &str, patterns: &[&str]) -> ToolRules {
    let own = Profile { filter: filter(patterns), ..profile("own", &[client], &[]) };
    ToolRules::new(Vec::new(), Overrides::default(), NameStyle::Underscore, vec![own])
}

/// `a.x`, `a.y`, `b.z` and `secret.s`, which nobody has. Claudes see `a.x` as `first` and may call `a.y`, which they do not
/// see; cursors have `b.z` alone, with its dot; user 7 has all but `b`; everybody else has no `a.y`.
fn folder() -> SkillFolder {
    let claude = Profile {
        overrides: Overrides::new(vec![change("a.x", Some("first"), false), change("a.y", None, true)]),
        ..profile("claude", &["claude*"], &[])
    };
    let cursor = Profile {
        filter: filter(&["*", "!b.*", "!secret"]),
        names: Some(NameStyle::Dotted),
        ..profile("cursor", &["cursor*"], &[])
    };
    let seven = Profile { filter: filter(&["b"]), ..profile("seven", &[], &["user:7"]) };
    let default = Profile { filter: filter(&["a.y"]), ..profile("default", &[], &[]) };
    let rules = ToolRules::new(
        vec![filter(&["secret"])],
        Overrides::default(),
        NameStyle::Underscore,
        vec![claude, cursor, seven, default],
    );
    SkillFolder::new().skill("a", &["x", "y"]).skill("b", &["z"]).skill("secret", &["s"]).seen_as(rules)
}

fn server() -> (SkillFolder, TestServer, StartedCalls) {
    let folder = folder();
    let (executor, calls) = ScriptedExecutor::new();
    let server = TestServer::new(&folder, executor);
    (folder, server, calls)
}

fn listing() -> Value {
    request("list", "tools/list", json!({}))
}

fn names(answer: &Value) -> Vec<&str> {
    let tools = answer["result"]["tools"].as_array().unwrap_or_else(|| panic!("{answer}"));
    tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect()
}

/// A client, what it lists, and what calls by each name reach.
type Seen = (&'static str, &'static [&'static str], &'static [(&'static str, Option<&'static str>)]);

const SEEN: &[Seen] = &[
    (
        "claude-code",
        &["first", "b_z"],
        &[
            ("first", Some("a.x")),
            ("a.x", Some("a.x")),
            ("a_x", Some("a.x")),
            ("a_y", Some("a.y")),
            ("secret_s", None),
        ],
    ),
    (
        "Cursor",
        &["b.z"],
        &[("b.z", Some("b.z")), ("b_z", Some("b.z")), ("first", None), ("a.x", None), ("secret.s", None)],
    ),
    (
        "other",
        &["a_x", "b_z"],
        &[("a_x", Some("a.x")), ("b.z", Some("b.z")), ("first", None), ("a_y", None), ("a.y", None)],
    ),
];

async fn session(server: &TestServer, revision: &str, client: &str) -> HttpClient {
    let mut http = server.http().await;
    let reply = http.post(&from_client(initialize("i", revision), client)).await;
    http.session = Some(reply.headers["mcp-session-id"].to_str().unwrap().to_owned());
    http
}

#[tokio::test(start_paused = true)]
async fn each_client_lists_and_calls_what_its_profile_has_on_every_revision_and_transport() {
    for revision in LEGACY {
        let (_folder, server, mut calls) = server();
        // All at once, so that none has what another was given.
        let mut clients = Vec::new();
        for (client, ..) in SEEN {
            let mut stdio = server.stdio();
            stdio.request(&from_client(initialize("i", revision), client)).await;
            clients.push((stdio, session(&server, revision, client).await));
        }
        for ((client, listed, called), (stdio, http)) in SEEN.iter().zip(&mut clients) {
            assert_eq!(names(&stdio.request(&listing()).await), *listed, "{client} {revision}");
            assert_eq!(names(&http.post(&listing()).await.json()), *listed, "{client} {revision}");
            for (n, (name, tool)) in called.iter().enumerate() {
                let call = call_tool(n, name, json!({"n": n}));
                match tool {
                    Some(tool) => {
                        stdio.send(&call).await;
                        let running = calls.next().await;
                        assert_eq!(running.call.spec.tool, *tool, "{client} {name}");
                        running.finish("done");
                        assert_eq!(stdio.answer(&json!(n)).await["result"]["content"][0]["text"], "done");
                    }
                    None => {
                        for answer in [stdio.request(&call).await, http.post(&call).await.json()] {
                            assert_eq!(answer["error"]["code"], -32602, "{client} {name}: {answer}");
                        }
                    }
                }
            }
        }
        assert!(calls.try_next().is_none(), "no call of a tool that a client does not have has begun");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_without_a_session_says_itself_whose_it_is() {
    let (_folder, server, mut calls) = server();
    let (mut stdio, mut http) = (server.stdio(), server.http().await);
    // One connection may carry requests of several.
    for (client, listed, called) in SEEN {
        let request = from_client(modern(listing()), client);
        assert_eq!(names(&stdio.request(&request).await), *listed, "{client}");
        assert_eq!(names(&http.post(&request).await.json()), *listed, "{client}");
        for (n, (name, tool)) in called.iter().enumerate() {
            let call = from_client(modern(call_tool(n, name, json!({}))), client);
            stdio.send(&call).await;
            match tool {
                Some(tool) => {
                    let running = calls.next().await;
                    assert_eq!(running.call.spec.tool, *tool, "{client} {name}");
                    running.finish("done");
                    assert!(stdio.answer(&json!(n)).await["result"].is_object());
                }
                None => {
                    assert_eq!(stdio.answer(&json!(n)).await["error"]["code"], -32602, "{client} {name}");
                    assert_eq!(http.post(&call).await.json()["error"]["code"], -32602, "{client} {name}");
                }
            }
        }
    }
    // A cache that several clients share does not know of profiles, so nothing that they decide is for it.
    for method in ["server/discover", "tools/list", "prompts/list", "resources/list", "skills/list"] {
        let answer = http.post(&from_client(modern(request("l", method, json!({}))), "other")).await.json();
        assert_eq!(answer["result"]["cacheScope"], "private", "{method}: {answer}");
        assert_ne!(answer["result"]["ttlMs"], 0, "{method}: it may be kept for that client");
    }
    // Who says nothing is everybody else.
    assert_eq!(names(&stdio.request(&modern(listing())).await), ["a_x", "b_z"]);
}

#[tokio::test(start_paused = true)]
async fn a_filtered_tool_gets_the_answer_of_one_that_there_is_not() {
    let (_folder, server, _calls) = server();
    let mut stdio = server.stdio();
    stdio.request(&from_client(initialize("i", "2025-11-25"), "cursor")).await;
    let mut said = async |name: &str| {
        let answer = stdio.request(&call_tool(name, name, json!({}))).await;
        answer["error"]["message"].as_str().unwrap().replace(name, "NAME")
    };
    let unknown = said("qqqqqqq.qqqqqq").await;
    assert_eq!(unknown, "unknown tool `NAME`; the tool list names all there are");
    assert_eq!(said("secret.s").await, unknown);
    assert_eq!(said("a.y").await, unknown);
}

#[tokio::test(start_paused = true)]
async fn a_profile_may_be_for_whoever_a_client_is() {
    let (_folder, server, _calls) = server();
    for (uid, client, listed) in [
        (7, "whatever", &["a_x", "a_y"][..]),
        (8, "whatever", &["a_x", "b_z"]),
        // The first that fits, in the order of the file.
        (7, "claude", &["first", "b_z"]),
    ] {
        let mut http = server.http_as(Some(uid)).await;
        let reply = http.post(&from_client(initialize("i", "2025-06-18"), client)).await;
        http.session = Some(reply.headers["mcp-session-id"].to_str().unwrap().to_owned());
        assert_eq!(names(&http.post(&listing()).await.json()), listed, "{uid} {client}");
        let mut stateless = server.http_as(Some(uid)).await;
        let request = from_client(modern(listing()), client);
        assert_eq!(names(&stateless.post(&request).await.json()), listed, "{uid} {client}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_is_told_of_a_change_of_its_own_list_and_of_no_other() {
    let (folder, server, _calls) = server();
    let mut claude = server.stdio();
    let mut cursor = server.stdio();
    for (stdio, name) in [(&mut claude, "claude-code"), (&mut cursor, "cursor")] {
        stdio.request(&from_client(initialize("i", "2025-11-25"), name)).await;
        stdio.request(&listing()).await;
    }
    let mut listening = server.stdio();
    let everything = json!({"notifications": {"toolsListChanged": true}});
    let listen = from_client(modern(request("s", "subscriptions/listen", everything)), "cursor");
    listening.send(&listen).await;
    assert_eq!(listening.next().await["method"], "notifications/subscriptions/acknowledged");
    let told =
        |message: Value| assert_eq!(message["method"], "notifications/tools/list_changed", "{message}");

    // One that cursors do not have.
    folder.write("c/scripts/t.py", "from omni import tool\n\n@tool\ndef new() -> str: ...\n");
    server.refresh().await;
    told(claude.next().await);
    assert_eq!(names(&claude.request(&listing()).await), ["first", "b_z", "c_new"]);
    assert_eq!(names(&cursor.request(&listing()).await), ["b.z"]);

    // One that only they are shown something new of: claudes do not see a hidden tool.
    folder.write("b/scripts/t.py", "from omni import tool\n\n@tool\ndef new() -> str: ...\n");
    server.refresh().await;
    told(claude.next().await);
    told(cursor.next().await);
    told(listening.next().await);
    assert_eq!(names(&cursor.request(&listing()).await), ["b.new", "b.z"]);

    // Nothing that anybody has.
    folder.write("secret/scripts/t.py", "from omni import tool\n\n@tool\ndef new() -> str: ...\n");
    server.refresh().await;
    for stdio in [claude, cursor] {
        assert_eq!(stdio.close().await.0, Vec::<Value>::new());
    }
    let rest = listening.close().await.0;
    assert!(rest.len() == 1 && rest[0]["id"] == "s", "{rest:?}");
}
