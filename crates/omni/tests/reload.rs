//! What is edited while a server runs is listed and run, over every transport, and told once.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![allow(clippy::disallowed_methods, reason = "a test runs what a user runs")]

mod support;

use std::fs;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use support::{Folder, Stdio_, signal, text};

const TOOLS_CHANGED: &str = "notifications/tools/list_changed";

/// A tool `t.NAME` that says a word.
fn tool(name: &str, word: &str) -> String {
    format!("from omni import tool\n\n@tool\ndef {name}() -> str:\n    return {word:?}\n")
}

fn skill(folder: &Folder, name: &str, source: &str) {
    folder.write(&format!("skills/{name}/SKILL.md"), &format!("---\nname: {name}\ndescription: d\n---\n"));
    folder.write(&format!("skills/{name}/scripts/{name}.py"), source);
}

fn names(list: &Value) -> Vec<String> {
    let tools = list["result"]["tools"].as_array().unwrap_or_else(|| panic!("no tools in {list}"));
    tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

/// A client on standard input and output that has seen the list, and what it is told since.
struct Client {
    stdio: Stdio_,
}

impl Client {
    fn of(folder: &Folder) -> Self {
        let mut stdio = folder.stdio(&[]).initialised();
        stdio.request("tools/list", json!({}));
        Client { stdio }
    }

    /// Waits until clients are told of other tools, and gives the names in the list.
    fn told(&mut self) -> Vec<String> {
        self.stdio.wait_for(|message| message["method"] == TOOLS_CHANGED);
        self.list()
    }

    fn list(&mut self) -> Vec<String> {
        names(&self.stdio.request("tools/list", json!({})))
    }

    /// All notifications that came and nobody has waited for.
    fn close(mut self) -> Vec<String> {
        let rest = self.stdio.close();
        rest.iter().filter_map(|message| message["method"].as_str().map(str::to_owned)).collect()
    }
}

/// An edit, the names that the list has then, and what it is called.
type Edit = (&'static str, fn(&Folder), &'static [&'static str]);

fn rename(folder: &Folder, from: &str, to: &str) {
    fs::rename(folder.path(from), folder.path(to)).unwrap();
}

/// Each changes the list, and leaves what the next one begins with.
const EDITS: &[Edit] = &[
    ("a file that is written", |it| it.write("skills/t/scripts/t.py", &tool("two", "2")), &["t_two"]),
    ("a new file", |it| it.write("skills/t/scripts/more.py", &tool("more", "m")), &["t_more", "t_two"]),
    (
        "a file that is renamed over another, as editors save",
        |it| {
            it.write("skills/t/scripts/.t.py.new", &tool("three", "3"));
            rename(it, "skills/t/scripts/.t.py.new", "skills/t/scripts/t.py");
        },
        &["t_more", "t_three"],
    ),
    (
        "a file that is removed",
        |it| fs::remove_file(it.path("skills/t/scripts/more.py")).unwrap(),
        &["t_three"],
    ),
    (
        "a folder that is nested",
        |it| it.write("skills/t/scripts/deep/er/deep.py", &tool("deep", "d")),
        &["t_deep", "t_three"],
    ),
    (
        "an edit in it",
        |it| it.write("skills/t/scripts/deep/er/deep.py", &tool("deeper", "d")),
        &["t_deeper", "t_three"],
    ),
    (
        "a folder that goes elsewhere",
        |it| rename(it, "skills/t/scripts/deep", "skills/t/.deep"),
        &["t_three"],
    ),
    ("a new skill", |it| skill(it, "u", &tool("run", "u")), &["t_three", "u_run"]),
    ("a skill under another name", |it| rename(it, "skills/u", "skills/v"), &["t_three", "v_run"]),
    (
        "the text of a skill",
        |it| it.write("skills/v/SKILL.md", "---\nname: v\ndescription: d\nflat: true\n---\n"),
        &["run", "t_three"],
    ),
    ("a skill that is removed", |it| fs::remove_dir_all(it.path("skills/v")).unwrap(), &["t_three"]),
    (
        "another folder of skills in its place",
        |it| {
            it.write("next/w/scripts/w.py", &tool("run", "w"));
            rename(it, "skills", "old");
            rename(it, "next", "skills");
        },
        &["w_run"],
    ),
];

fn start() -> Folder {
    let folder = Folder::empty();
    skill(&folder, "t", &tool("one", "1"));
    folder
}

#[test]
fn every_kind_of_edit_is_told_once_and_listed_over_stdio() {
    let folder = start();
    let mut client = Client::of(&folder);
    for (what, edit, expected) in EDITS {
        edit(&folder);
        assert_eq!(client.told(), *expected, "{what}");
    }
    assert_eq!(client.close(), Vec::<String>::new(), "something was told twice");
}

#[test]
fn every_kind_of_edit_is_told_once_over_http_in_both_eras() {
    let folder = start();
    let server = folder.http(&[]);
    let session = server.session("2025-11-25");
    let old_era = [("mcp-session-id", session.as_str()), ("mcp-protocol-version", "2025-11-25")];
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).to_string();
    let mut old = server.open(&server.head("GET", &old_era, 0), "");
    server.post(&old_era, &list);
    let mut new =
        server.open_modern("subscriptions/listen", json!({"notifications": {"toolsListChanged": true}}));
    assert_eq!(new.next().unwrap()["method"], "notifications/subscriptions/acknowledged");
    for (what, edit, expected) in EDITS {
        edit(&folder);
        assert_eq!(old.next().unwrap()["method"], TOOLS_CHANGED, "{what}");
        assert_eq!(new.next().unwrap()["method"], TOOLS_CHANGED, "{what}");
        let list = server.post(&old_era, &list);
        assert_eq!(names(&list.json()), *expected, "{what}");
    }
}

/// `omni reload` with these words.
fn reload(folder: &Folder, arguments: &[&str]) -> Output {
    folder.run(&[&["reload"], arguments].concat())
}

/// Asks all servers of the folder to look, once they can be asked, and gives what they say.
fn looked(folder: &Folder) -> Vec<Value> {
    let deadline = std::time::Instant::now() + support::PATIENCE;
    loop {
        let asked = reload(folder, &["--all", "--json"]);
        if asked.status.success() {
            return serde_json::from_slice(&asked.stdout).unwrap();
        }
        assert!(std::time::Instant::now() < deadline, "{}", String::from_utf8_lossy(&asked.stderr));
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn an_edit_that_changes_no_list_is_told_to_nobody_and_is_run() {
    let folder = Folder::new("from .inner import word\n@tool\ndef says() -> str:\n    return word()\n");
    folder.write("skills/t/scripts/inner.py", "def word():\n    return 'one'\n");
    let mut client = Client::of(&folder);
    assert_eq!(text(&client.stdio.result("t.says", json!({}))), "one");
    looked(&folder);
    for word in ["two", "three"] {
        folder.write("skills/t/scripts/inner.py", &format!("def word():\n    return {word:?}\n"));
        looked(&folder);
        while text(&client.stdio.result("t.says", json!({}))) != word {}
    }
    assert_eq!(client.close(), Vec::<String>::new());
}

#[test]
fn a_skill_that_is_moved_out_and_back_can_be_called_as_before() {
    let folder = start();
    let mut client = Client::of(&folder);
    assert_eq!(text(&client.stdio.result("t.one", json!({}))), "1");
    looked(&folder);
    rename(&folder, "skills/t", "aside");
    assert_eq!(client.told(), Vec::<String>::new());
    rename(&folder, "aside", "skills/t");
    assert_eq!(client.told(), ["t_one"]);
    assert_eq!(text(&client.stdio.result("t.one", json!({}))), "1");
}

#[test]
fn a_version_that_no_call_has_run_outlasts_a_broken_edit() {
    let folder = Folder::new("from .inner import word\n@tool\ndef says() -> str:\n    return word()\n");
    folder.write("skills/t/scripts/inner.py", "def word():\n    return 'one'\n");
    let mut client = Client::of(&folder);
    looked(&folder);
    // The one of the start, and one that an edit has made.
    for word in ["one", "two"] {
        let good = fs::read_to_string(folder.path("skills/t/scripts/t.py")).unwrap();
        folder.write("skills/t/scripts/inner.py", &format!("def word():\n    return {word:?}\n"));
        looked(&folder);
        folder.write("skills/t/scripts/t.py", "def (\n");
        looked(&folder);
        assert_eq!(text(&client.stdio.result("t.says", json!({}))), word);
        folder.write("skills/t/scripts/t.py", &good);
        looked(&folder);
    }
}

#[test]
fn omni_reload_has_servers_look_where_nothing_else_does_and_prints_what_they_say() {
    let folder = start();
    folder.write("omni.toml", "reload = \"off\"\n");
    let none = reload(&folder, &["--all"]);
    assert_eq!(none.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&none.stderr), "error: no server of yours runs\n");
    let mut client = Client::of(&folder);
    looked(&folder);
    folder.write("skills/t/scripts/t.py", &tool("two", "2"));
    let said = looked(&folder);
    assert_eq!((&said[0]["changed"], &said[0]["lists"]), (&json!(["t"]), &json!(["tools"])), "{said:?}");
    assert_eq!(client.told(), ["t_two"]);
    // Whoever asks next is told of it all the same: mostly the watcher has seen an edit first.
    let said = looked(&folder);
    assert_eq!((&said[0]["changed"], &said[0]["lists"]), (&json!([]), &json!([])), "{said:?}");
    let last = &said[0]["last_change"];
    assert_eq!((&last["changed"], &last["lists"]), (&json!(["t"]), &json!(["tools"])), "{said:?}");
    assert!(last["seconds_ago"].is_number(), "{said:?}");
    let printed = String::from_utf8(reload(&folder, &[]).stdout).unwrap();
    assert!(
        printed.contains(": last change ") && printed.contains(" ago: t; clients see other tools\n"),
        "{printed}"
    );
    folder.write("skills/t/scripts/t.py", "def (\n");
    let said = reload(&folder, &[]);
    let printed = String::from_utf8(said.stdout).unwrap();
    assert!(printed.starts_with("omni mcp on stdio (process "), "{printed}");
    assert!(printed.contains(": changed: t\n") || printed.contains(": changed: t; "), "{printed}");
    assert!(printed.contains("\n  error: t/scripts/t.py:1:"), "{printed}");
    assert!(printed.contains("\n  served as before the edit until that is mended: t\n"), "{printed}");
    let elsewhere = reload(&folder, &["/"]);
    assert!(elsewhere.status.success(), "everything is below it");
    folder.write("other/x", "");
    let elsewhere = reload(&folder, &["other"]);
    assert_eq!(elsewhere.status.code(), Some(1));
    let refused = String::from_utf8(elsewhere.stderr).unwrap();
    assert!(
        refused.contains("no server of yours that runs serves `") && refused.contains("--list"),
        "{refused}"
    );
    drop(client);
    let listed = reload(&folder, &["--list"]);
    assert!(listed.status.success() && listed.stdout.is_empty(), "{listed:?}");
}

#[test]
fn a_server_that_stands_still_is_named_and_holds_up_no_other() {
    let folder = start();
    let (still, other) = (Client::of(&folder), Client::of(&folder));
    while looked(&folder).len() < 2 {}
    signal(still.stdio.child.id(), "-STOP");
    let said = reload(&folder, &["--all"]);
    signal(still.stdio.child.id(), "-CONT");
    let printed = String::from_utf8(said.stdout).unwrap();
    assert_eq!(said.status.code(), Some(1), "{printed}");
    assert!(
        printed.contains(&format!("omni mcp on stdio (process {}), 1 tool", other.stdio.child.id())),
        "{printed}"
    );
    let place = folder.dir.path().canonicalize().unwrap();
    let named = format!("process {} in {}: it has not answered", still.stdio.child.id(), place.display());
    assert!(printed.contains(&named), "{printed}");
    assert_eq!(looked(&folder).len(), 2);
}

#[test]
fn sighup_has_a_server_look() {
    let folder = start();
    folder.write("omni.toml", "reload = \"off\"\n");
    let mut client = Client::of(&folder);
    looked(&folder);
    for name in ["two", "three"] {
        folder.write("skills/t/scripts/t.py", &tool(name, "2"));
        signal(client.stdio.child.id(), "-HUP");
        assert_eq!(client.told(), [format!("t_{name}")]);
    }
}

#[test]
fn without_events_edits_are_seen_by_looking_and_doctor_says_why() {
    let folder = start();
    // In a namespace of its own, this user may watch nothing.
    let none = "echo 0 > /proc/sys/user/max_inotify_watches && exec \"$@\"";
    let alone = |program: &[&str]| -> Command {
        let omni = folder.omni(&[]);
        let mut command = Command::new("unshare");
        command.args(["-Ur", "sh", "-c", none, "sh"]).args(program).current_dir(folder.dir.path());
        for (name, value) in omni.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    };
    let can = alone(&["true"]).stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    if !can {
        println!("skipped: this machine lets nobody make a namespace of users, so no limit can be set");
        return;
    }
    let omni = env!("CARGO_BIN_EXE_omni");
    let doctor = alone(&[omni, "doctor"]).output().unwrap();
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(said.contains("are seen within 2 seconds, not at once: the limit on watched folders"), "{said}");
    let mut stdio = Stdio_::of(alone(&[omni, "mcp"])).initialised();
    stdio.request("tools/list", json!({}));
    let mut client = Client { stdio };
    for (what, edit, expected) in &EDITS[..4] {
        edit(&folder);
        assert_eq!(client.told(), *expected, "{what}");
    }
    assert_eq!(client.close(), Vec::<String>::new());
}

#[test]
fn filters_overrides_and_time_limits_of_omni_toml_take_effect_and_the_rest_is_named() {
    let folder = start();
    folder.write(
        "skills/t/scripts/slow.py",
        "from omni import tool\nimport time\n\n@tool\ndef slow() -> str:\n    time.sleep(60)\n",
    );
    folder.write("omni.toml", "timeout = 50\n");
    let mut client = Client::of(&folder);
    looked(&folder);
    folder.write("omni.toml", "timeout = 50\nfilter = [\"t.slow\"]\n");
    assert_eq!(client.told(), ["t_one"]);
    folder.write("omni.toml", "timeout = 0.2\n[overrides.\"t.one\"]\nalias = \"first\"\n");
    assert_eq!(client.told(), ["first", "t_slow"]);
    assert_eq!(support::kind(&client.stdio.result("t_slow", json!({}))), "timeout_total");
    // A broken edit keeps what is in force.
    folder.write("omni.toml", "timeout = 0.2\nfilter = [\n");
    for _ in 0..2 {
        let said = reload(&folder, &[]);
        let printed = String::from_utf8(said.stdout).unwrap();
        assert_eq!(said.status.code(), Some(1), "{printed}");
        let refused = printed.lines().find(|line| line.starts_with("  error: "));
        let refused = refused.unwrap_or_else(|| panic!("no word of the settings in {printed}"));
        assert!(refused.contains("omni.toml") && refused.ends_with("; what was in force stays"), "{printed}");
    }
    assert_eq!(client.list(), ["first", "t_slow"]);
    // So does one with a fault anywhere, whatever else it says.
    folder.write("omni.toml", "timeout = 0.2\nfilter = [\"t\"]\nlog_level = \"blah\"\n");
    assert_eq!(reload(&folder, &[]).status.code(), Some(1), "the file is not obeyed");
    assert_eq!(client.list(), ["first", "t_slow"]);
    folder.write("omni.toml", "workers = \"1..2\"\n");
    assert_eq!(client.told(), ["t_one", "t_slow"]);
    assert_eq!(client.close(), Vec::<String>::new());
}
