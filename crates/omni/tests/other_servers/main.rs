//! `--server` of `omni list`, `describe` and `call`: our own server and others', good and bad, over both transports.

#![allow(clippy::disallowed_methods, reason = "a test runs what a user runs")]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Folder, wait_file};

const FAKE: &str = include_str!("fake.py");

/// A folder with the fake server in it.
struct Fake(Folder);

impl Fake {
    fn new() -> Self {
        let folder = Folder::empty();
        folder.write("fake.py", FAKE);
        Fake(folder)
    }

    /// The command of a fake server of that kind, which notes what it was told.
    fn command(kind: &str) -> String {
        format!("python3 fake.py {kind} told")
    }

    fn omni(&self, command: &[&str], server: &str, more: &[&str]) -> Done {
        Done(self.0.run(&[command, &["--server", server], more].concat()))
    }

    /// What the server was told.
    fn told(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.0.path("told")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn methods(&self) -> Vec<String> {
        let method = |told: &Value| told["message"]["method"].as_str().unwrap_or("-").to_owned();
        self.told().iter().map(method).collect()
    }

    fn http(&self, kind: &str) -> HttpFake {
        let mut child = Command::new("python3")
            .args(["fake.py", kind, "told", "--http"])
            .current_dir(self.0.dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        HttpFake { child, address: format!("http://127.0.0.1:{}", port.trim()) }
    }
}

struct HttpFake {
    child: Child,
    address: String,
}

impl HttpFake {
    fn url(&self) -> String {
        format!("{}/mcp", self.address)
    }
}

impl Drop for HttpFake {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command of omni that has ended.
struct Done(Output);

impl Done {
    fn code(&self) -> i32 {
        self.0.status.code().unwrap()
    }

    fn out(&self) -> &str {
        std::str::from_utf8(&self.0.stdout).unwrap()
    }

    fn err(&self) -> &str {
        std::str::from_utf8(&self.0.stderr).unwrap()
    }

    /// What it printed, of a command that went well.
    fn good(&self) -> &str {
        assert_eq!(self.code(), 0, "{}", self.err());
        self.out()
    }

    fn json(&self) -> Value {
        serde_json::from_str(self.good()).unwrap()
    }

    /// It failed with this code, and said all of that.
    fn failed(&self, code: i32, parts: &[&str]) {
        assert_eq!((self.code(), self.out()), (code, ""), "{}", self.err());
        for part in parts {
            assert!(self.err().contains(part), "`{part}` is not in: {}", self.err());
        }
    }
}

const OWN_TOOLS: &str = r#"
@tool
def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b

@tool
def fail() -> str:
    """Refuse."""
    raise ToolError("no such thing")

@tool
def steps(ctx: Context) -> str:
    """Take steps."""
    ctx.progress(1, 2, "half")
    return "done"
"#;

/// The same five commands against our own server: what is printed does not depend on how it is reached.
#[test]
fn our_own_server_is_asked_over_both_transports_and_in_both_eras() {
    let folder = Folder::new(OWN_TOOLS);
    let http = folder.http(&[]);
    let binary = env!("CARGO_BIN_EXE_omni");
    let skills = folder.path("skills");
    let servers = [
        format!("{binary} mcp --skills '{}'", skills.display()),
        format!("http://127.0.0.1:{}/mcp", http.port),
    ];
    for server in &servers {
        for (era, protocol) in [("", "2026-07-28"), ("legacy", "2025-11-25"), ("modern", "2026-07-28")] {
            let omni = |command: &[&str]| {
                let era = if era.is_empty() { vec![] } else { vec!["--server-era", era] };
                Done(folder.run(&[command, &["--server", server], &era].concat()))
            };
            let list = omni(&["list", "--json"]).json();
            let names: Vec<&str> =
                list["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
            assert_eq!(names, ["t_add", "t_fail", "t_steps"], "{server} {era}");
            assert_eq!(list["server"]["protocol"], protocol);
            assert_eq!(list["server"]["name"], "omni");
            assert!(omni(&["list"]).good().starts_with("t_add    Add two numbers.\n"));
            assert!(omni(&["describe", "t_add"]).good().contains("\n  Add two numbers.\n"));
            assert_eq!(omni(&["call", "t_add", "a=41"]).good(), "42\n");
            // A name that is not listed and is taken all the same.
            assert_eq!(omni(&["call", "t.add", "--args", "{\n\"a\": 1}"]).good(), "2\n");
            let steps = omni(&["call", "t_steps"]);
            assert_eq!(steps.good(), "done\n");
            assert!(steps.err().contains("1/2 half"), "{}", steps.err());
            let failed = omni(&["call", "t_fail"]);
            assert_eq!((failed.code(), failed.out()), (1, ""));
            assert!(failed.err().contains("no such thing"));
            let whole = omni(&["call", "t_add", "a=1", "--json"]).json();
            assert_eq!(whole["content"][0]["text"], "2");
            omni(&["call", "t_nope"])
                .failed(2, &["unknown tool `t_nope`", "lists `t_add`, `t_fail`, `t_steps`"]);
            omni(&["describe", "add"]).failed(1, &["no tool `add`; did you mean `t_add`?"]);
        }
    }
}

#[test]
fn what_json_says_of_another_servers_tool_has_the_members_that_it_has_of_ours() {
    let folder = Folder::new(OWN_TOOLS);
    let server = format!("{} mcp --skills skills", env!("CARGO_BIN_EXE_omni"));
    let json = |arguments: &[&str]| Done(folder.run(arguments)).json();
    let keys = |value: &Value| {
        let keys = value.as_object().unwrap().keys().filter(|key| *key != "server");
        let mut keys: Vec<String> = keys.cloned().collect();
        keys.sort();
        keys
    };
    let (ours, theirs) = (json(&["list", "--json"]), json(&["list", "--json", "--server", &server]));
    assert_eq!(keys(&ours), keys(&theirs));
    assert_eq!(keys(&ours["tools"][0]), keys(&theirs["tools"][0]));
    let ours = json(&["describe", "t.add", "--json"]);
    let theirs = json(&["describe", "t_add", "--json", "--server", &server]);
    assert_eq!(keys(&ours), keys(&theirs));
    assert_eq!(ours["tool"]["inputSchema"], theirs["tool"]["inputSchema"]);
}

#[test]
fn servers_of_each_era_and_of_each_habit_are_spoken_to() {
    for (kind, protocol) in [
        ("old", "2024-11-05"),
        ("legacy", "2025-11-25"),
        ("banner", "2025-11-25"),
        ("modern", "2026-07-28"),
        ("both", "2026-07-28"),
    ] {
        let fake = Fake::new();
        let server = Fake::command(kind);
        let list = fake.omni(&["list"], &server, &["--json"]).json();
        assert_eq!(
            list["server"],
            json!({"address": server, "name": "fake", "version": "1", "protocol": protocol})
        );
        assert_eq!(list["tools"].as_array().unwrap().len(), 4, "both pages: {kind}");
        let called = fake.omni(&["call", "echo", "text=é\n", "n=1"], &server, &[]);
        assert_eq!(called.good(), "{\"n\": 1, \"text\": \"é\\n\"}\n", "{kind}");
        assert!(
            called.err().contains("1/2 half") && called.err().contains("warning fake: careful"),
            "{kind}"
        );
        fake.omni(&["call", "no_such"], &server, &[]).failed(2, &["Unknown tool: no_such", "lists `echo`"]);
    }
}

#[test]
fn a_server_on_the_official_python_sdk_is_spoken_to_in_both_eras() {
    let Some(python) = support::python_with_sdk() else { return };
    let fake = Fake::new();
    fake.0.write("official.py", include_str!("official.py"));
    let server = format!("'{}' official.py", python.to_string_lossy());
    for (era, protocol) in [("legacy", "2025-11-25"), ("modern", "2026-07-28")] {
        let omni = |command: &[&str], more: &[&str]| {
            fake.omni(command, &server, &[&["--server-era", era], more].concat())
        };
        let list = omni(&["list"], &["--json"]).json();
        assert_eq!((&list["server"]["name"], &list["server"]["protocol"]), (&json!("sdk"), &json!(protocol)));
        assert_eq!(list["tools"].as_array().unwrap().len(), 4);
        assert_eq!(omni(&["call", "add", "a=41"], &[]).good(), "42\n");
        let steps = omni(&["call", "steps"], &[]);
        assert!(steps.good() == "done\n" && steps.err().contains("1/2 half"), "{}", steps.err());
        assert_eq!(omni(&["call", "fail"], &[]).code(), 1);
    }
    let asked = fake.omni(&["call", "ask"], &server, &["--server-era", "legacy"]);
    assert!(
        asked.good().contains("cancel") && asked.err().contains("the tool asks: who are you?"),
        "{}",
        asked.err()
    );
}

#[test]
fn a_server_that_never_answers_discover_gets_the_handshake() {
    let fake = Fake::new();
    assert!(fake.omni(&["list"], &Fake::command("quiet"), &[]).good().starts_with("echo  Say it again.\n"));
    assert_eq!(fake.methods()[..3], ["server/discover", "initialize", "notifications/initialized"]);
}

#[test]
fn an_era_that_the_server_does_not_speak_is_refused_with_what_it_speaks() {
    let fake = Fake::new();
    let legacy = ["--server-era", "legacy"];
    fake.omni(&["list"], &Fake::command("modern"), &legacy)
        .failed(1, &["`python3 fake.py modern told`", "`2026-07-28`, and this client `2024-11-05`"]);
    fake.omni(&["list"], &Fake::command("legacy"), &["--server-era", "modern"])
        .failed(1, &["no MCP server is at", "does not know `server/discover`"]);
    fake.omni(&["list"], &Fake::command("future"), &[])
        .failed(1, &["it speaks protocol version `2099-01-01`"]);
}

#[test]
fn what_a_server_asks_of_its_client_is_answered_or_refused_and_told() {
    let fake = Fake::new();
    let legacy = fake.omni(&["call", "ask"], &Fake::command("legacy"), &[]);
    // A pong, a form that nobody is there to fill in, and two methods that no client of ours has.
    assert_eq!(legacy.good(), "[{}, {\"action\": \"cancel\"}, -32601, -32601]\n");
    let asked = "the tool asks: who are you? (it wants `name`)";
    assert!(legacy.err().contains(asked), "{}", legacy.err());
    let modern = fake.omni(&["call", "ask"], &Fake::command("modern"), &[]);
    assert_eq!(modern.good(), "[{\"q\": {\"action\": \"cancel\"}}, \"s\"]\n");
    assert!(modern.err().contains(asked), "{}", modern.err());
}

#[test]
fn servers_that_misbehave_end_in_one_clear_error() {
    let fake = Fake::new();
    let short = ["--server-timeout", "2"];
    let list = |kind: &str, more: &[&str], parts: &[&str]| {
        fake.omni(&["list"], &Fake::command(kind), more).failed(1, parts);
    };
    list("noise", &[], &["no MCP server is at", "no message of MCP: `tick`"]);
    list(
        "mute",
        &short,
        &["did not answer `server/discover` within 2 s", "listening on port 8080", "--server-timeout"],
    );
    list("stuck", &short, &["did not answer `tools/list` within 2 s"]);
    list("pages", &[], &["the list `tools/list`", "does not end", "more than 1000 pages"]);
    list("loop", &[], &["does not end: after page 2 its cursor leads back"]);
    list("malformed", &[], &["its answer to `tools/list` is not what MCP says: `tools` is no array"]);
    list("huge", &[], &["answers with more than 16842752 bytes at once"]);
    let list = |server: &str, parts: &[&str]| fake.omni(&["list"], server, &[]).failed(1, parts);
    list(
        "python3 -c 'import sys; sys.exit(\"no config\")'",
        &["ended with exit code 1", "no config", "by itself"],
    );
    list("echo hello", &["no MCP server is at `echo hello`", "what it said is no message of MCP: `hello`"]);
    list("no-such-program --flag", &["`no-such-program --flag` cannot be started", "on the PATH?"]);
    list(
        "python3 'fake",
        &["cannot be cut into the words of a command: the quote ' at character 9 has no end"],
    );
    list("python3 fake.py | cat", &["no shell runs"]);
    list("https://127.0.0.1/mcp", &["TLS"]);
    let dead = fake.omni(&["call", "nap"], &Fake::command("dies"), &[]);
    dead.failed(1, &["ended with exit code 7 before it answered", "I am dying"]);
    let chatty = fake.omni(&["call", "nap"], &Fake::command("chatty"), &["--timeout", "1"]);
    chatty.failed(124, &["within 1 s; it printed what is no message of MCP: `log line 1`", "disk full"]);
    fake.omni(&["call", "nap"], &Fake::command("cut"), &[])
        .failed(1, &["its answer to `tools/call` cannot be read", "EOF while parsing"]);
}

#[test]
fn what_is_no_server_is_told_with_what_was_meant() {
    let fake = Fake::new();
    fake.0.write("script.py", "");
    for (server, parts) in [
        (
            "127.0.0.1:1/mcp",
            ["cannot be started", "an address begins with `http://`: `http://127.0.0.1:1/mcp`"],
        ),
        ("localhost:8000", ["cannot be started", "`http://localhost:8000/mcp`"]),
        ("./script.py", ["Permission denied", "name what runs it"]),
        ("TOKEN=a python3 fake.py legacy", ["`TOKEN=…` before a command", "write `env TOKEN=… COMMAND`"]),
        ("python3 ~/fake.py", ["`~` at character 9", "no shell runs"]),
    ] {
        fake.omni(&["list"], server, &[]).failed(1, &parts);
    }
}

#[test]
fn a_server_that_calls_an_unknown_name_a_failed_tool_is_told_apart_by_its_list() {
    let fake = Fake::new();
    let unknown = fake.omni(&["call", "ech"], &Fake::command("soft"), &[]);
    unknown.failed(1, &["Unknown tool: ech", "the server lists no tool `ech`; did you mean `echo`?"]);
}

#[test]
fn a_result_for_programs_alone_is_printed() {
    let fake = Fake::new();
    let data = fake.omni(&["call", "data"], &Fake::command("both"), &[]);
    assert_eq!(data.good().trim(), r#"{"n": 5}"#);
}

#[test]
fn a_server_that_declares_no_tools_has_none_and_one_that_does_is_told_to_be_wrong() {
    let fake = Fake::new();
    let bare = fake.omni(&["list"], &Fake::command("bare"), &[]);
    assert_eq!(bare.good(), "no tools at python3 fake.py bare told\n");
    fake.omni(&["list"], &Fake::command("liar"), &[])
        .failed(1, &["answers `tools/list` with error -32601: Method not found"]);
}

#[test]
fn a_call_whose_time_is_up_is_taken_back_and_nothing_of_the_server_is_left() {
    let fake = Fake::new();
    let began = Instant::now();
    let done = fake.omni(&["call", "nap"], &Fake::command("legacy"), &["--timeout", "1"]);
    done.failed(124, &["did not answer `tools/call` within 1 s", "--timeout"]);
    assert!(began.elapsed() < Duration::from_secs(30), "it does not wait for the tool");
    fake.omni(&["call", "nap"], &Fake::command("legacy"), &["--idle-timeout", "1", "--timeout", "0"])
        .failed(124, &["said nothing for 1 s"]);
    let running = Command::new("pgrep").args(["-f", &fake.0.path("").display().to_string()]).output();
    if let Ok(running) = running {
        assert_eq!(String::from_utf8_lossy(&running.stdout), "", "nothing runs in the folder");
    }
}

#[test]
fn a_server_that_omni_leaves_by_a_signal_goes_with_it() {
    let fake = Fake::new();
    fake.0.write("serve.sh", "echo $$ > pid.new; mv pid.new pid; exec python3 fake.py legacy\n");
    let mut omni = fake.0.omni(&["call", "nap", "--server", "sh serve.sh"]);
    let mut child = omni.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let server: u32 = wait_file(&fake.0.path("pid")).trim().parse().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    support::wait_gone(server);
}

#[test]
fn the_command_gets_the_callers_variables_and_folder() {
    let mut fake = Fake::new();
    fake.0.env.push(("SOME_API_KEY", "k-123".to_owned()));
    let server = "sh -c 'echo \"$SOME_API_KEY in $(pwd)\" >&2; exit 1'";
    let folder = fake.0.dir.path().canonicalize().unwrap();
    fake.omni(&["list"], server, &[]).failed(1, &[&format!("k-123 in {}", folder.display())]);
}

#[test]
fn http_servers_are_told_what_a_proxy_wants_to_see_and_only_that() {
    let fake = Fake::new();
    let http = fake.http("headers");
    let called = fake.omni(&["call", "echo", "text=é"], &http.url(), &[]);
    assert_eq!(called.good(), "{\"text\": \"é\"}\n");
    assert!(called.err().contains("bad") && called.err().contains("only a string, an integer or a boolean"));
    let call = fake.told().into_iter().find(|told| told["message"]["method"] == "tools/call").unwrap();
    let expected = [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "echo"),
        ("mcp-param-text", "=?base64?w6k=?="),
        ("accept", "application/json, text/event-stream"),
    ];
    for (name, value) in expected {
        assert_eq!(call["headers"][name], value, "{name}");
    }
    assert_eq!(call["headers"]["mcp-session-id"], Value::Null);
    let list = fake.omni(&["list"], &http.url(), &[]);
    assert!(!list.good().contains("bad"), "a tool that cannot be called over HTTP is not listed");
}

#[test]
fn legacy_http_has_a_session_that_is_ended_and_one_that_is_lost_is_opened_anew() {
    let fake = Fake::new();
    let http = fake.http("forgetful");
    assert!(fake.omni(&["list"], &http.url(), &[]).good().starts_with("echo"));
    let methods = fake.methods();
    let expected = [
        "server/discover",
        "initialize",
        "notifications/initialized",
        "tools/list",
        "server/discover",
        "initialize",
        "notifications/initialized",
        "tools/list",
        "tools/list",
        "DELETE",
    ];
    assert_eq!(methods, expected);
    let told = fake.told();
    assert_eq!(told[3]["headers"]["mcp-session-id"], "s0");
    for at in [6, 7, 8, 9] {
        assert_eq!(told[at]["headers"]["mcp-session-id"], "s1", "{at}");
        assert_eq!(told[at]["headers"]["mcp-protocol-version"], "2025-11-25", "{at}");
    }
    assert_eq!(told[5]["headers"]["mcp-session-id"], Value::Null);
}

#[test]
fn streams_are_read_in_any_pieces_and_go_on_after_they_were_cut_off() {
    for kind in ["crlf", "resume"] {
        let fake = Fake::new();
        let http = fake.http(kind);
        let called = fake.omni(&["call", "echo", "text=a"], &http.url(), &[]);
        assert_eq!(called.good(), "{\"text\": \"a\"}\n", "{kind}");
        assert!(called.err().contains("warning fake: careful"), "{kind}: {}", called.err());
        assert_eq!(fake.methods().contains(&"GET".to_owned()), kind == "resume");
    }
}

#[test]
fn a_token_comes_from_a_private_file_and_never_from_the_command_line() {
    let fake = Fake::new();
    let http = fake.http("locked");
    let url = http.url();
    fake.omni(&["list"], &url, &[]).failed(1, &["does not let this client in (401", "--server-token FILE"]);
    let token = |text: &str, mode: u32| {
        fake.0.write("token", text);
        fs::set_permissions(fake.0.path("token"), fs::Permissions::from_mode(mode)).unwrap();
        fake.omni(&["list"], &url, &["--server-token", "token"])
    };
    assert!(token("the-right-token\n", 0o600).good().starts_with("echo"));
    assert!(token("Authorization: Bearer the-right-token\nX-Other: 1\n", 0o600).good().starts_with("echo"));
    assert!(fake.told().iter().any(|told| told["headers"]["x-other"] == "1"));
    token("the-wrong-token", 0o600).failed(1, &["(401", "still good"]);
    token("the-right-token", 0o644).failed(1, &["chmod 600"]);
    token("two words", 0o600).failed(1, &["line 1 is neither a token"]);
    token("Host: evil", 0o600).failed(1, &["line 1 names a header that the request itself needs"]);
    token("", 0o600).failed(1, &["holds neither a token nor a header"]);
    let done = fake.omni(&["list"], &Fake::command("legacy"), &["--server-token", "token"]);
    done.failed(1, &["for servers at an address"]);
}

#[test]
fn an_address_at_which_no_server_is_gets_a_hint() {
    let fake = Fake::new();
    let legacy = fake.http("legacy");
    let other = format!("{}/sse", legacy.address);
    fake.omni(&["list"], &other, &[])
        .failed(1, &["HTTP status 404: not here", &format!("try `{}`", legacy.url())]);
    let wrong = |kind: &str, parts: &[&str]| {
        let http = fake.http(kind);
        fake.omni(&["list"], &http.url(), &[]).failed(1, parts);
    };
    wrong("page", &["no MCP server is at", "`text/html`: a page for browsers"]);
    wrong("moved", &["HTTP status 307", "leads to `http://127.0.0.1:1/other`"]);
    wrong("broken", &["HTTP status 500: out of order"]);
    let gone = legacy.url();
    drop(legacy);
    fake.omni(&["list"], &gone, &[])
        .failed(1, &["cannot be reached: connection refused", "is the server running"]);
}

#[test]
fn what_says_how_skills_are_run_does_not_go_with_another_server() {
    let mut fake = Fake::new();
    let server = Fake::command("legacy");
    for flag in [["--skills", "x"], ["--runner", "unix:/x"], ["--config", "x"]] {
        fake.omni(&["list"], &server, &flag).failed(2, &[flag[0], "`--server`", "leave one out"]);
    }
    fake.omni(&["call", "echo"], &server, &["--workers", "2"]).failed(2, &["`--workers`"]);
    let done = Done(fake.0.run(&["list", "--server-era", "legacy"]));
    done.failed(2, &["--server"]);
    fake.omni(&["list"], &server, &["--server-timeout", "0"]).failed(1, &["needs some time"]);
    // Variables are for all commands, and mean nothing to this one.
    fake.0.env.push(("OMNI_SKILLS", "/no/such/folder".to_owned()));
    fake.0.env.push(("OMNI_RUNNER", "nonsense".to_owned()));
    assert!(fake.omni(&["list"], &server, &[]).good().starts_with("echo"));
    fake.0.env.push(("OMNI_TIMEOUT", "1".to_owned()));
    fake.omni(&["call", "nap"], &server, &[]).failed(124, &["within 1 s"]);
}
