//! Who may call over HTTP: whose a connection is, asked of the kernel, and tokens.

#![allow(clippy::disallowed_methods, reason = "a test runs what a user runs")]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]

mod support;

use std::fs::Permissions;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use serde_json::json;
use support::{Folder, Http, signal, text};

const TOOLS: &str = r#"
@tool
def mark(path: str) -> str:
    """Leave a file."""
    open(path, "w").close()
    return "marked"
"#;

/// A program that sends its standard input to an address and prints what comes back. In the shell, since Python may be
/// where other users cannot read it.
const CALLER: &str = "exec 3<>/dev/tcp/$0/$1; cat >&3; cat <&3";

/// The user of nobody in particular.
const NOBODY: u32 = 65534;

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Says that a test needs to be root, which alone can act as another user.
fn skipped(what: &str) {
    eprintln!("SKIPPED {what}: only root can act as another user");
}

/// The whole text of a request that calls `t.mark`.
fn request(server: &Http, path: &std::path::Path, headers: &[(&str, &str)]) -> String {
    let params = json!({"name": "t.mark", "arguments": {"path": path}, "_meta": support::modern(&json!({}))});
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string();
    let mut all =
        vec![("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/call"), ("Mcp-Name", "t.mark")];
    all.extend(headers);
    server.head("POST", &all, body.len()) + &body
}

/// Sends a request as another user and returns the whole reply.
fn reply_to(uid: u32, server: &Http, request: &str) -> String {
    let (host, port) = (server.address.ip().to_string(), server.port.to_string());
    let mut child = Command::new("setpriv")
        .args([&format!("--reuid={uid}"), &format!("--regid={uid}"), "--clear-groups"])
        .args(["bash", "-c", CALLER, &host, &port])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(request.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

#[test]
fn another_user_of_this_machine_is_refused_with_what_would_let_it_in() {
    if !is_root() {
        return skipped("another_user_of_this_machine_is_refused_with_what_would_let_it_in");
    }
    let folder = Folder::new(TOOLS);
    for host in ["127.0.0.1", "::1"] {
        let server = folder.http(&["--host", host]);
        let marker = folder.path("marker");
        let reply = reply_to(NOBODY, &server, &request(&server, &marker, &[]));
        assert!(reply.starts_with("HTTP/1.1 403"), "{reply}");
        for named in ["connection: close", "user 65534", "http.allow_users", "--http-token FILE"] {
            assert!(reply.contains(named), "{named}: {reply}");
        }
        assert!(!marker.exists());
        let own = server.modern("tools/call", json!({"name": "t.mark", "arguments": {"path": marker}}), &[]);
        assert_eq!(text(&own.json()["result"]), "marked", "{host}");
        std::fs::remove_file(marker).unwrap();
    }
}

#[test]
fn a_user_is_let_in_by_name_or_number_and_no_other_is() {
    if !is_root() {
        return skipped("a_user_is_let_in_by_name_or_number_and_no_other_is");
    }
    let folder = Folder::new(TOOLS);
    let cases: [(&str, &[&str]); 4] = [
        ("[http]\nallow_users = ['nobody']\n", &[]),
        ("[http]\nallow_users = [65534]\n", &[]),
        ("", &["--allow-user", "nobody"]),
        ("[http]\nallow_users = ['daemon']\n", &["--allow-user", "65534"]),
    ];
    for (file, flags) in cases {
        folder.write("own.toml", file);
        let mut arguments = vec!["--config", "own.toml"];
        arguments.extend(flags);
        let server = folder.http(&arguments);
        let marker = folder.path("marker");
        let reply = reply_to(NOBODY, &server, &request(&server, &marker, &[]));
        assert!(reply.starts_with("HTTP/1.1 200"), "{file:?} {flags:?}: {reply}");
        let other = reply_to(4_321, &server, &request(&server, &marker, &[]));
        assert!(other.starts_with("HTTP/1.1 403"), "{other}");
    }
}

#[test]
fn a_user_whom_nobody_knows_keeps_the_server_from_starting() {
    let folder = Folder::new(TOOLS);
    for (file, flag, named) in [
        (
            "[http]\nallow_users = ['no-such-user']\n",
            None,
            "`http.allow_users` in omni.toml: there is no user `no-such-user`",
        ),
        ("[http]\nallow_users = [-1]\n", None, "`http.allow_users` in omni.toml: `-1`"),
        ("", Some("no-such-user"), "`--allow-user`: there is no user `no-such-user`"),
        ("[http]\nallow_user = ['root']\n", None, "allow_users"),
    ] {
        folder.write("own.toml", file);
        let mut arguments = vec!["mcp", "--transport", "http", "--port", "0", "--config", "own.toml"];
        arguments.extend(flag.iter().flat_map(|flag| ["--allow-user", flag]));
        let done = folder.run(&arguments);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(!done.status.success() && said.contains(named), "{named}: {said}");
    }
}

/// The server is stopped while a request is sent and its sender goes, so that it can be looked at only afterwards.
#[test]
fn whoever_sends_and_is_gone_is_never_taken_for_root_or_anybody() {
    let folder = Folder::new(TOOLS);
    let server = folder.http(&[]);
    let marker = folder.path("marker");
    let request = request(&server, &marker, &[]);
    let connect = || TcpStream::connect(server.address).unwrap();
    type Leave = fn(TcpStream);
    let ways: [(&str, Leave); 3] = [
        ("closed", drop),
        ("reset", |stream| {
            rustix::net::sockopt::set_socket_linger(&stream, Some(std::time::Duration::ZERO)).unwrap();
        }),
        ("closed for writing", |stream| {
            stream.shutdown(Shutdown::Write).unwrap();
            // Until the answer, which refuses it, has come.
            std::thread::spawn(move || (&stream).read_to_end(&mut Vec::new()));
        }),
    ];
    for (how, leave) in ways {
        signal(server.child.id(), "-STOP");
        let mut stream = connect();
        stream.write_all(request.as_bytes()).unwrap();
        leave(stream);
        signal(server.child.id(), "-CONT");
        assert_never_ran(&server, &folder, how);
    }
    signal(server.child.id(), "-STOP");
    let (host, port) = (server.address.ip().to_string(), server.port.to_string());
    let mut program = Command::new("bash")
        .args(["-c", "exec 3<>/dev/tcp/$0/$1; cat >&3", &host, &port])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    program.stdin.take().unwrap().write_all(request.as_bytes()).unwrap();
    program.wait().unwrap();
    signal(server.child.id(), "-CONT");
    assert_never_ran(&server, &folder, "exited");
}

/// Connections are taken in order: once a call that came later has run, an earlier one would have.
fn assert_never_ran(server: &Http, folder: &Folder, how: &str) {
    let later = json!({"name": "t.mark", "arguments": {"path": folder.path("later")}});
    assert_eq!(server.modern("tools/call", later, &[]).status, 200);
    assert!(!folder.path("marker").exists(), "{how}: the call ran");
}

#[test]
fn a_client_that_stops_sending_before_it_is_looked_at_is_told_that_it_is_refused() {
    let folder = Folder::new(TOOLS);
    let server = folder.http(&[]);
    signal(server.child.id(), "-STOP");
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.write_all(request(&server, &folder.path("marker"), &[]).as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    signal(server.child.id(), "-CONT");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    assert!(reply.starts_with("HTTP/1.1 403") && reply.contains("closed already"), "{reply}");
}

/// In a user namespace all users from outside look alike, so none of them is known, and none can be named.
#[test]
fn inside_a_user_namespace_own_callers_are_known_and_outsiders_are_nobody() {
    let folder = Folder::new(TOOLS);
    let inside = |arguments: &[&str]| {
        let outside = folder.omni(&[]);
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user"]).arg(outside.get_program());
        command.args(["mcp", "--transport", "http", "--port", "0"]).args(arguments);
        command.current_dir(folder.dir.path());
        for (name, value) in outside.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    };
    if !Command::new("unshare").args(["--user", "--map-root-user", "true"]).output().unwrap().status.success()
    {
        eprintln!(
            "SKIPPED inside_a_user_namespace_own_callers_are_known_and_outsiders_are_nobody: none to be had"
        );
        return;
    }
    let done = inside(&["--allow-user", "65534"]).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(!done.status.success() && said.contains("outside of this user namespace"), "{said}");
    let server = Http::of(inside(&[]));
    let marker = folder.path("marker");
    let own = server.modern("tools/call", json!({"name": "t.mark", "arguments": {"path": marker}}), &[]);
    assert_eq!(text(&own.json()["result"]), "marked");
    if !is_root() {
        return skipped(
            "the second half of inside_a_user_namespace_own_callers_are_known_and_outsiders_are_nobody",
        );
    }
    let reply = reply_to(NOBODY, &server, &request(&server, &folder.path("other"), &[]));
    assert!(reply.starts_with("HTTP/1.1 403") && reply.contains("user namespace"), "{reply}");
}

const TOKEN: &str = "0123456789abcdefghijklmnop";

fn with_token<'a>(folder: &Folder, more: &[&'a str]) -> Vec<&'a str> {
    folder.write("token", &format!("{TOKEN}\nanother-token-of-somebody\n"));
    std::fs::set_permissions(folder.path("token"), Permissions::from_mode(0o600)).unwrap();
    [&["--http-token", "token"], more].concat()
}

#[test]
fn with_a_file_of_tokens_every_request_needs_one() {
    let folder = Folder::new(TOOLS);
    let server = folder.http(&with_token(&folder, &[]));
    for shown in [
        "--header \"Authorization: Bearer $(grep -m 1 . ",
        "--bearer-token-env-var OMNI_TOKEN",
        "export OMNI_TOKEN=",
    ] {
        assert!(server.announced.contains(shown), "{}", server.announced);
    }
    assert!(!server.announced.contains(TOKEN));
    let list = |authorization: &str| {
        let headers = [("Authorization", authorization)];
        server.modern("tools/list", json!({}), if authorization.is_empty() { &[] } else { &headers })
    };
    for good in
        [format!("Bearer {TOKEN}"), format!("bearer {TOKEN}"), "BEARER another-token-of-somebody".into()]
    {
        assert_eq!(list(&good).status, 200, "{good}");
    }
    for (bad, challenge) in [
        ("", "Bearer realm=\"omni\""),
        ("Basic MDEyMzQ1", "Bearer realm=\"omni\""),
        ("Bearer 0123456789abcdefghijklmno", "Bearer realm=\"omni\", error=\"invalid_token\""),
        ("Bearer", "Bearer realm=\"omni\""),
    ] {
        let reply = list(bad);
        assert_eq!((reply.status, reply.header("www-authenticate")), (401, Some(challenge)), "{bad}");
        assert!(reply.code() == -32600 && reply.body.contains("--http-token"), "{reply:?}");
    }
    let session = {
        let body = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;
        let reply = server.post(&[("Authorization", &format!("Bearer {TOKEN}"))], body);
        reply.header("mcp-session-id").unwrap().to_owned()
    };
    for (token, status) in [(TOKEN, 200), ("another-token-of-somebody", 404)] {
        let headers = [("Authorization", &*format!("Bearer {token}")), ("Mcp-Session-Id", &session)];
        let reply = server.post(&headers, r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
        assert_eq!(reply.status, status, "a session is its owner's: {reply:?}");
        let ended =
            server.raw(&server.head("GET", &[headers[0], headers[1], ("Accept", "application/json")], 0), "");
        assert_eq!(ended.status, if status == 200 { 406 } else { 404 });
    }
    for path in ["GET /.well-known/oauth-protected-resource", "GET /"] {
        let head = format!("{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        assert_eq!(server.raw(&head, "").status, 404, "what clients probe for is answered without a token");
    }
}

#[test]
fn a_file_of_tokens_that_others_can_read_keeps_the_server_from_starting() {
    let folder = Folder::new(TOOLS);
    let arguments = with_token(&folder, &["mcp", "--transport", "http", "--port", "0"]);
    std::fs::set_permissions(folder.path("token"), Permissions::from_mode(0o644)).unwrap();
    let done = folder.run(&[&arguments[2..], &arguments[..2]].concat());
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(!done.status.success() && said.contains("chmod 600"), "{said}");
}

#[test]
fn an_address_that_others_reach_needs_a_token_or_a_word_and_its_lines_work() {
    let folder = Folder::new(TOOLS);
    let done = folder.run(&["mcp", "--transport", "http", "--port", "0", "--host", "0.0.0.0"]);
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    for shown in ["--allow-unauthenticated", "--http-token FILE"] {
        assert!(!done.status.success() && said.contains(shown), "{said}");
    }
    let server = folder.http(&["--host", "0.0.0.0", "--allow-unauthenticated"]);
    assert!(server.announced.contains("ANYBODY WHO REACHES PORT"), "{}", server.announced);
    assert!(!server.address.ip().is_unspecified(), "an address that a client can call: {}", server.address);
    assert!(
        server.announced.contains(&format!("omni http://{}/mcp", server.address)),
        "{}",
        server.announced
    );
    // The address that was called needs no `--allow-host`, and another machine's page is still refused.
    assert_eq!(server.modern("tools/list", json!({}), &[]).status, 200);
    assert_eq!(server.modern("tools/list", json!({}), &[("Host", "evil.example")]).status, 403);
    let asked = folder.http(&with_token(&folder, &["--host", "0.0.0.0"]));
    assert!(asked.announced.contains("token included"), "{}", asked.announced);
    assert_eq!(asked.modern("tools/list", json!({}), &[]).status, 401);
    let loopback = folder.http(&["--allow-unauthenticated"]);
    assert!(loopback.announced.contains("changes nothing on loopback"), "{}", loopback.announced);
}

/// Tokens of two names, and a profile for one of them.
const NAMED: &str = r#"
[http.tokens.ci]
file = "ci.token"
calls = 4

[http.tokens.reader]
command = ["cat", "READER"]
refresh = 1
profile = "readers"

[profiles.readers]
filter = ["t.hold"]

[profiles.builders]
principals = ["token:ci"]
filter = ["t.mark"]
"#;

const HOLD: &str = r#"
import asyncio

@tool
def mark() -> str:
    """Say so."""
    return "marked"

@tool
async def hold(folder: str) -> str:
    """Wait until it is cancelled."""
    open(folder + "/began", "w").write("yes")
    try:
        await asyncio.Event().wait()
    finally:
        open(folder + "/ended", "w").write("yes")
"#;

/// Writes a private file that takes another's place at once.
fn write_private(folder: &Folder, name: &str, text: &str) {
    folder.write("token.new", text);
    std::fs::set_permissions(folder.path("token.new"), Permissions::from_mode(0o600)).unwrap();
    std::fs::rename(folder.path("token.new"), folder.path(name)).unwrap();
}

#[test]
fn tokens_with_names_are_replaced_while_the_server_runs() {
    let folder = Folder::new(HOLD);
    let (old, new, reader) = ("the-old-token-of-ci-01", "the-new-token-of-ci-02", "the-token-of-a-reader-3");
    folder.write("omni.toml", &NAMED.replace("READER", folder.path("reader").to_str().unwrap()));
    write_private(&folder, "ci.token", old);
    write_private(&folder, "reader", reader);
    let server = folder.http(&["--config", "omni.toml"]);
    let bearer = |token: &str| format!("Bearer {token}");
    let status =
        |token: &str| server.modern("tools/list", json!({}), &[("Authorization", &bearer(token))]).status;
    let names = |token: &str| {
        let reply = server.modern("tools/list", json!({}), &[("Authorization", &bearer(token))]).json();
        let tools = reply["result"]["tools"].as_array().unwrap().clone();
        tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    // Each has the profile of its token, or of its name.
    assert!(names(old).contains(&"t_hold".to_owned()) && !names(old).contains(&"t_mark".to_owned()));
    assert!(names(reader).contains(&"t_mark".to_owned()) && !names(reader).contains(&"t_hold".to_owned()));
    // A session, a stream and a call with the old token.
    let open = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
    let session = server.post(&[("Authorization", &bearer(old))], &open.to_string());
    let session = session.header("mcp-session-id").unwrap().to_owned();
    let ping = |token: &str| {
        let authorization = bearer(token);
        let headers = [("Authorization", &*authorization), ("Mcp-Session-Id", &session)];
        server.post(&headers, r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).status
    };
    let listen = |token: &str| {
        let params =
            json!({"notifications": {"toolsListChanged": true}, "_meta": support::modern(&json!({}))});
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": params})
            .to_string();
        let authorization = bearer(token);
        let headers = [
            ("MCP-Protocol-Version", "2026-07-28"),
            ("Mcp-Method", "subscriptions/listen"),
            ("Authorization", &authorization),
        ];
        let mut events = server.open(&server.head("POST", &headers, body.len()), &body);
        assert!(events.next().unwrap()["method"].as_str().unwrap().contains("acknowledged"));
        events
    };
    let mut streams = [listen(old), listen(old)];
    std::thread::scope(|scope| {
        let held = scope.spawn(|| {
            let arguments = json!({"name": "t.hold", "arguments": {"folder": folder.path("")}});
            server.modern("tools/call", arguments, &[("Authorization", &bearer(old))])
        });
        support::wait_file(&folder.path("began"));
        // Both are good, and one principal.
        write_private(&folder, "ci.token", &format!("{old}\n{new}\n"));
        support::wait_until("the new token is good", || status(new) == 200);
        assert_eq!((status(old), ping(old), ping(new), ping(reader)), (200, 200, 200, 404));
        assert!(!folder.path("ended").exists(), "nothing ends while its token is good");
        // The old one is taken back: what runs with it ends, and the session goes on with the new one.
        let mut others = listen(new);
        write_private(&folder, "ci.token", new);
        support::wait_until("the old token is refused", || status(old) == 401);
        for stream in &mut streams {
            assert_eq!(stream.next(), None, "a stream of a token that was taken back ends");
        }
        let reply = held.join().unwrap();
        assert!(!reply.body.contains("result"), "{reply:?}");
        support::wait_file(&folder.path("ended"));
        assert_eq!((ping(old), ping(new)), (401, 200));
        folder.write(
            "skills/t/scripts/t.py",
            &format!("from omni import tool\n{HOLD}\n@tool\ndef more() -> str:\n    \"\"\"More.\"\"\"\n"),
        );
        assert!(others.next().is_some(), "a stream of the new token goes on");
    });
    // What a command prints is asked for again.
    write_private(&folder, "reader", "another-token-of-a-reader");
    support::wait_until("the command's new token is good", || status("another-token-of-a-reader") == 200);
    support::wait_until("its old one is not", || status(reader) == 401);
    for token in [old, new, reader] {
        assert!(!server.announced.contains(token), "no token is shown");
    }
}

#[test]
fn tokens_that_cannot_be_used_keep_the_server_from_starting_with_where_and_why() {
    let folder = Folder::new(TOOLS);
    write_private(&folder, "good", TOKEN);
    for (settings, why) in [
        ("[http.tokens.a]\nfile = 'none'", "`http.tokens.a` in omni.toml cannot be opened"),
        ("[http.tokens.a]\nfile = 'good'\n[http.tokens.b]\nfile = 'good'", "`a`'s"),
        ("[http.tokens.a]\nfile = 'good'\nprofile = 'x'", "there is no `[profiles.x]`"),
        ("[http.tokens.a]\nprofile = 'x'", "there is no `[profiles.x]`"),
        ("[http.tokens.a]\ncalls = 1", "`command = ["),
        ("[http.tokens.a]\ncommand = ['false']", "`false` failed"),
        ("[http.tokens.'a b']\nfile = 'good'", "is no name for tokens"),
    ] {
        folder.write("omni.toml", settings);
        let done = folder.run(&["mcp", "--transport", "http", "--port", "0", "--config", "omni.toml"]);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(!done.status.success() && said.contains(why) && !said.contains(TOKEN), "{settings}: {said}");
    }
}

/// What the kernel tells is who made the socket: whoever is handed one speaks with its maker's voice.
#[test]
fn a_socket_handed_on_counts_as_its_makers() {
    if !is_root() {
        return skipped("a_socket_handed_on_counts_as_its_makers");
    }
    let folder = Folder::new(TOOLS);
    let server = folder.http(&[]);
    let marker = folder.path("marker");
    let stream = TcpStream::connect(server.address).unwrap();
    let copy: OwnedFd = stream.try_clone().unwrap().into();
    let mut child = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "cat"])
        .stdin(Stdio::piped())
        .stdout(copy)
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(request(&server, &marker, &[]).as_bytes()).unwrap();
    child.wait().unwrap();
    let mut reply = String::new();
    (&stream).read_to_string(&mut reply).unwrap();
    assert!(reply.starts_with("HTTP/1.1 200"), "{reply}");
}
