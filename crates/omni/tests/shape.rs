//! What clients see by `filter`, `[overrides]` and `[profiles]`, through the built binary: over stdio and HTTP, and on the
//! command line.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::io::Write as _;
use std::process::{Output, Stdio};

use serde_json::{Value, json};
use support::{Folder, Http, modern, text};

const SETTINGS: &str = r#"filter = ["secret"]

[overrides."git.log"]
alias = "history"
append_doc = "Ask first."

[profiles.reviewers]
clients = ["claude-code*"]
filter = ["*", "!git"]

[profiles.reviewers.overrides."git.push"]
hidden = true

[profiles.dots]
clients = ["cursor*"]
names = "dotted"
"#;

fn folder(settings: &str) -> Folder {
    let folder = Folder::empty();
    for (skill, tools) in [("git", &["log", "push"][..]), ("web", &["fetch"]), ("secret", &["s"])] {
        let source: String = tools
            .iter()
            .map(|tool| {
                format!("@tool\ndef {tool}() -> str:\n    \"\"\"Says {tool}.\"\"\"\n    return '{tool}'\n\n")
            })
            .collect();
        folder.write(&format!("skills/{skill}/scripts/t.py"), &format!("from omni import tool\n\n{source}"));
        folder.write(
            &format!("skills/{skill}/SKILL.md"),
            &format!("---\nname: {skill}\ndescription: Says.\n---\n"),
        );
    }
    folder.write("omni.toml", settings);
    folder
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn names(answer: &Value) -> Vec<&str> {
    let tools = answer["result"]["tools"].as_array().unwrap_or_else(|| panic!("{answer}"));
    tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect()
}

fn hello(client: &str) -> Value {
    json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": client, "version": "1"}})
}

/// What each client lists; a name that is a call of `git.log` for it, and one that is none.
const SEEN: [(&str, &[&str], &str, &str); 3] = [
    ("claude-code", &["history"], "history", "web_fetch"),
    ("Cursor", &["history", "git.push", "web.fetch"], "git.log", "secret.s"),
    ("other", &["history", "git_push", "web_fetch"], "git_log", "secret_s"),
];

struct Session<'a> {
    http: &'a Http,
    id: String,
}

impl Session<'_> {
    fn open<'a>(http: &'a Http, client: &str) -> Session<'a> {
        let body = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello(client)});
        let reply = http.post(&[], &body.to_string());
        Session { http, id: reply.header("mcp-session-id").expect("a session").to_owned() }
    }

    fn request(&self, method: &str, params: &Value) -> Value {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        self.http.post(&[("Mcp-Session-Id", &self.id)], &body.to_string()).json()
    }
}

#[test]
fn clients_of_one_server_have_a_profile_each_on_every_way_in() {
    let folder = folder(SETTINGS);
    let http = folder.http(&[]);
    let sessions: Vec<_> = SEEN.iter().map(|(client, ..)| Session::open(&http, client)).collect();
    for ((client, listed, called, missing), session) in SEEN.iter().zip(&sessions) {
        let mut stdio = folder.stdio(&[]);
        stdio.request("initialize", hello(client));
        assert_eq!(names(&stdio.request("tools/list", json!({}))), *listed, "{client}");
        assert_eq!(text(&stdio.result(called, json!({}))), "log", "{client}");
        let refused = stdio.request("tools/call", json!({"name": missing}));
        assert_eq!(refused["error"]["code"], -32602, "{client}: {refused}");

        assert_eq!(names(&session.request("tools/list", &json!({}))), *listed, "{client}");
        assert_eq!(text(&session.request("tools/call", &json!({"name": called}))["result"]), "log");
        assert!(session.request("tools/call", &json!({"name": missing}))["error"].is_object());

        let who = json!({"io.modelcontextprotocol/clientInfo": {"name": client, "version": "1"}});
        let list = stdio.request("tools/list", json!({"_meta": modern(&who)}));
        assert_eq!(names(&list), *listed, "{client}");
        let description = list["result"]["tools"][0]["description"].as_str().unwrap();
        assert!(description.ends_with("Says log.\n\nAsk first."), "{description}");
        let called = http.modern("tools/call", json!({"name": called, "_meta": who}), &[]);
        assert_eq!(called.status, 200, "{called:?}");
    }
}

#[test]
fn the_log_of_the_operator_says_which_setting_a_tool_is_filtered_by_and_the_client_is_not_told() {
    let folder = folder(SETTINGS);
    let mut command = folder.omni(&["mcp"]);
    let mut server =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = server.stdin.take().unwrap();
    let call = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "web_fetch"}});
    let open = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello("claude-code")});
    writeln!(input, "{open}\n{call}").unwrap();
    drop(input);
    let output = server.wait_with_output().unwrap();
    let answered = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(answered.contains("unknown tool `web_fetch`; the tool list names all there are"), "{answered}");
    let log = said(&output);
    let line = log.lines().find(|line| line.contains("filtered_tool")).unwrap_or_else(|| panic!("{log}"));
    for part in ["web.fetch", "reviewers", "the pattern `*` of `profiles.reviewers.filter`", "omni.toml:9"] {
        assert!(line.contains(part), "{part}: {line}");
    }
}

#[test]
fn the_log_says_what_a_client_calls_itself_and_which_profile_it_has_in_each_era() {
    let folder = folder(SETTINGS);
    let mut command = folder.omni(&["mcp"]);
    let mut server =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = server.stdin.take().unwrap();
    let who = json!({"io.modelcontextprotocol/clientInfo": {"name": "Cursor", "version": "3"}});
    let open = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello("Claude-Code")});
    let discover =
        json!({"jsonrpc": "2.0", "id": 2, "method": "server/discover", "params": {"_meta": modern(&who)}});
    writeln!(input, "{open}\n{discover}").unwrap();
    drop(input);
    let log = said(&server.wait_with_output().unwrap());
    for parts in [["client=Claude-Code", "profile=reviewers"], ["client=Cursor", "profile=dots"]] {
        let is_told = |line: &str| parts.iter().all(|part| line.contains(part));
        assert!(log.lines().any(is_told), "{parts:?}: {log}");
    }
}

#[test]
fn who_has_left_out_all_tools_is_told_by_which_pattern_and_not_how_to_write_the_first_tool() {
    let folder = folder("filter = [\n\"nothing\",\n\"*\"]\n[profiles.a]\nfilter = [\"git\"]\n");
    for arguments in [&["list"][..], &["doctor"]] {
        let output = folder.run(arguments);
        let all = format!("{}{}", String::from_utf8_lossy(&output.stdout), said(&output));
        let expected = "all 4 tools are left out: `git.log` by the pattern `*` of `filter` at `";
        assert!(all.contains(expected) && all.contains("omni.toml:3`"), "{all}");
        assert!(all.contains("`filter = [\"*\", \"!git.log\"]`") && !all.contains("to begin"), "{all}");
    }
    // Others have some: that is a profile's own filter.
    let folder = self::folder("[profiles.a]\nfilter = [\"*\"]\n");
    let of_a = said(&folder.run(&["list", "--profile", "a"]));
    assert!(
        of_a.contains("all 4 tools are left out: `git.log` by the pattern `*` of `profiles.a.filter`"),
        "{of_a}"
    );
    assert!(!said(&folder.run(&["list"])).contains("left out"));
}

#[test]
fn a_list_or_a_table_that_is_wanted_is_told_in_the_words_of_the_file() {
    for (settings, expected) in [
        ("filter = \"web.*\"\n", "omni.toml:1:10`: `filter` is a list: write `filter = [\"web.*\"]`"),
        (
            "[profiles.a]\nclients = \"claude*\"\n",
            "omni.toml:2:11`: `clients` is a list: write `clients = [\"claude*\"]`",
        ),
        ("[[overrides]]\ntool = \"x\"\n", "one table is wanted: write `[overrides.\"SKILL.COMMAND\"]`"),
        ("[[profiles]]\nname = \"x\"\n", "one table is wanted: write `[profiles.NAME]`"),
        ("native_tools = true\n", "`native_tools` is a list: write `native_tools = [\"…\"]`"),
    ] {
        let output = folder(settings).run(&["list"]);
        assert!(said(&output).contains(expected) && !output.status.success(), "{}", said(&output));
    }
}

#[test]
fn aliases_that_collide_keep_everything_from_starting_and_name_both_tools_and_lines() {
    for (settings, parts) in [
        (
            "[overrides.\"git.log\"]\nalias = \"x\"\n[overrides.\"web.fetch\"]\nalias = \"x\"\n",
            &["`git.log`", "omni.toml:2", "`web.fetch`", "omni.toml:4"][..],
        ),
        (
            "[overrides.\"git.log\"]\nalias = \"web_fetch\"\n",
            &["`git.log`", "omni.toml:2", "a name of `web.fetch`"],
        ),
        (
            "[overrides.\"git.log\"]\nalias = \"git_push\"\n[overrides.\"git.push\"]\nalias = \"git_log\"\n",
            &["round in a circle", "omni.toml:2", "omni.toml:4"],
        ),
        ("[overrides.\"git.log\"]\nalias = \"git log\"\n", &["omni.toml:2", "`git log` has ` `"]),
        ("exclude = [\"web\"]\n", &["omni.toml:1", "no key `exclude`", "it is `filter` now"]),
    ] {
        let folder = folder(settings);
        for arguments in [&["mcp"][..], &["list"], &["call", "git.log"]] {
            let output = folder.run(arguments);
            assert!(!output.status.success(), "{arguments:?} {settings}");
            for part in parts {
                assert!(said(&output).contains(part), "{arguments:?} {part}: {}", said(&output));
            }
        }
    }
}

#[test]
fn the_command_line_shows_what_a_profile_shows_and_says_where_it_is_set() {
    let folder = folder(SETTINGS);
    let out = |arguments: &[&str]| {
        let output = folder.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let list = out(&["list"]);
    assert!(
        list.contains("git.log (history)") && list.contains("web.fetch") && !list.contains("secret"),
        "{list}"
    );
    let list = out(&["list", "--profile", "reviewers"]);
    assert!(list.contains("git.log (history)") && !list.contains("git.push"), "{list}");
    let described = out(&["describe", "history"]);
    for part in ["git.log  (Log)", "Ask first.", "listed as    history", "omni.toml:3` (alias, append_doc)"] {
        assert!(described.contains(part), "{part}: {described}");
    }
    let hidden = out(&["describe", "git.push", "--profile", "reviewers"]);
    assert!(hidden.contains("nothing, since it is hidden"), "{hidden}");
    assert_eq!(out(&["call", "history"]).trim(), "log");
    let output = folder.run(&["call", "secret.s"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said(&output).contains("`secret.s` is left out by the pattern `secret` of `filter`"),
        "{}",
        said(&output)
    );
    let output = folder.run(&["list", "--profile", "reviwers"]);
    assert!(
        said(&output).contains("no `[profiles.reviwers]`")
            && said(&output).contains("did you mean `reviewers`?")
    );
    // A server for one client, whatever that calls itself.
    let mut stdio = folder.stdio(&["--profile", "reviewers"]).initialised();
    assert_eq!(names(&stdio.request("tools/list", json!({}))), ["history"]);
}

#[test]
fn a_rule_that_nothing_is_meant_by_is_in_the_doctors_list_with_what_was_meant() {
    let folder = folder("filter = [\"sercet\"]\n\n[overrides.\"git.lgo\"]\nhidden = true\n");
    let report: Value =
        serde_json::from_slice(&folder.run(&["doctor", "--json"]).stdout).expect("a report of the doctor");
    let found: Vec<(i64, &str)> = report["diagnostics"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|found| found["code"] == "no-effect")
        .map(|found| (found["line"].as_i64().unwrap(), found["help"].as_str().unwrap()))
        .collect();
    assert_eq!(found, [(1, "did you mean `secret`?"), (3, "did you mean `git.log`?")]);
}

#[test]
fn a_file_that_nobody_has_trusted_leaves_more_out_and_brings_nothing_back() {
    let folder = folder("");
    folder.write("home/.config/omni/omni.toml", "filter = [\"secret\"]\n");
    folder.write(
        "proj/omni.toml",
        "filter = [\"web\", \"!secret\"]\n[overrides.\"git.log\"]\nalias = \"web_fetch\"\n[profiles.default]\nnames = \"dotted\"\n",
    );
    let output =
        folder.omni(&["list"]).current_dir(folder.path("proj")).env_remove("OMNI_CONFIG").output().unwrap();
    let (list, said) = (String::from_utf8_lossy(&output.stdout).into_owned(), said(&output));
    assert!(output.status.success(), "{said}");
    assert!(list.contains("git.log ") && !list.contains("secret") && !list.contains("web.fetch"), "{list}");
    assert!(
        said.contains("`overrides`") && said.contains("`profiles`") && !said.contains("`filter`"),
        "{said}"
    );
}
