//! The built binary on HTTP: both eras on one endpoint, the checks at the door, streams, sessions.
#![allow(clippy::disallowed_methods, reason = "a test runs what a user runs")]

mod support;

use std::io::{Read, Write};

use serde_json::{Value, json};
use support::{Folder, Http, kind, text, wait_file, wait_gone};

const TOOLS: &str = r#"
import os, time

@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b

@tool
def steps(ctx: Context) -> str:
    """Report progress."""
    for n in range(3):
        ctx.progress(n, 3)
        time.sleep(0.3)
    return "done"

@tool
def nap(path: str) -> str:
    """Say who runs, then sleep."""
    with open(path, "w") as file:
        file.write(str(os.getpid()))
    time.sleep(3600)
    return "rested"

@tool(input_schema={"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}})
def placed(region: str = "none") -> str:
    """Take a mirrored parameter."""
    return region
"#;

#[test]
fn a_modern_request_is_served_without_a_session() {
    let folder = Folder::new(TOOLS);
    let server = folder.http(&[]);
    let reply = server.modern("tools/call", json!({"name": "t.add", "arguments": {"a": 2, "b": 40}}), &[]);
    assert_eq!((reply.status, reply.header("mcp-session-id")), (200, None));
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(text(&reply.json()["result"]), "42");
    assert_eq!(reply.json()["result"]["structuredContent"], json!({"result": 42}));
    assert_eq!(
        server.modern("tools/list", json!({}), &[]).json()["result"]["tools"].as_array().unwrap().len(),
        4
    );
}

#[test]
fn it_says_what_it_serves_and_how_to_connect() {
    let folder = Folder::new(TOOLS);
    folder.write("skills/t/scripts/broken.py", "def broken(:\n");
    let server = folder.http(&[]);
    assert!(server.announced.contains("serves 4 tools of 1 skill"), "{}", server.announced);
}

#[test]
fn headers_that_disagree_with_the_body_are_refused() {
    let folder = Folder::new(TOOLS);
    let server = folder.http(&[]);
    let call = || json!({"name": "t.add", "arguments": {"a": 1, "b": 1}});
    for wrong in [
        ("Mcp-Method", "tools/list"),
        ("Mcp-Method", "TOOLS/CALL"),
        ("Mcp-Name", "t.nap"),
        ("Mcp-Name", "=?base64?%%?="),
        ("MCP-Protocol-Version", "2025-11-25"),
        ("Mcp-Method", ""),
        ("Mcp-Name", ""),
        ("MCP-Protocol-Version", ""),
    ] {
        let reply = server.modern("tools/call", call(), &[wrong]);
        assert_eq!((reply.status, reply.code()), (400, -32020), "{wrong:?}");
    }
    assert_eq!(server.modern("tools/call", call(), &[("Mcp-Name", "=?base64?dC5hZGQ=?=")]).status, 200);
    let placed = || json!({"name": "t.placed", "arguments": {"region": "eu"}});
    assert_eq!(server.modern("tools/call", placed(), &[]).code(), -32020);
    assert_eq!(server.modern("tools/call", placed(), &[("Mcp-Param-Region", "us")]).code(), -32020);
    let good = server.modern("tools/call", placed(), &[("Mcp-Param-Region", "eu")]);
    assert_eq!(text(&good.json()["result"]), "eu");
}

#[test]
fn each_refusal_has_the_status_of_its_kind() {
    let folder = Folder::new(TOOLS);
    let server = folder.http(&[]);
    let unknown = server.modern("no/such", json!({}), &[]);
    assert_eq!((unknown.status, unknown.code()), (404, -32601));
    let tool = server.modern("tools/call", json!({"name": "t.nope"}), &[]);
    assert_eq!((tool.status, tool.code()), (200, -32602));
    let cursor = server.modern("tools/list", json!({"cursor": "nonsense"}), &[]);
    assert_eq!(cursor.code(), -32602);
    let not_json = server.post(&[], "{");
    assert_eq!((not_json.status, not_json.code()), (400, -32700));
    let no_meta = server.post(&[], r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
    assert_eq!((no_meta.status, no_meta.code()), (400, -32602));
    let batch = server.post(&[], r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#);
    assert_eq!((batch.status, batch.code()), (400, -32600));
    let type_ = server.post(&[("Content-Type", "text/plain")], "{}");
    assert_eq!(type_.status, 415);
    let accept = server.post(&[("Accept", "text/html")], "{}");
    assert_eq!(accept.status, 406);
    let large = server.raw(&server.head("POST", &[], 5 << 20), "");
    assert_eq!(large.status, 413);
    let get = server.raw(&server.head("GET", &[], 0), "");
    assert_eq!((get.status, get.header("allow")), (405, Some("POST, GET, DELETE")));
    let elsewhere = server.raw(
        "GET /.well-known/oauth-protected-resource HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        "",
    );
    assert_eq!(elsewhere.status, 404);
}

#[test]
fn strangers_are_turned_away_on_every_route() {
    let folder = Folder::new(TOOLS);
    let server = folder.http(&["--allow-host", "mcp.example.com"]);
    for method in ["POST", "GET", "DELETE"] {
        for (name, value) in [("Host", "evil.example.com"), ("Origin", "http://evil.example.com")] {
            let reply = server.raw(&server.head(method, &[(name, value)], 2), "{}");
            assert_eq!(reply.status, 403, "{method} {name}");
            assert!(reply.body.contains("--allow-"), "{}", reply.body);
        }
    }
    let allowed = server.modern("tools/list", json!({}), &[("Host", "mcp.example.com")]);
    assert_eq!(allowed.status, 200);
}

#[test]
fn a_length_together_with_chunks_or_a_second_length_is_refused() {
    let folder = Folder::new(TOOLS);
    let server = folder.http(&[]);
    let head = |more: &str| {
        format!(
            "POST /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n{more}\r\n"
        )
    };
    for more in [
        "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n",
        "Content-Length: 2\r\nContent-Length: 3\r\n",
        "Content-Length: 2\r\nContent-Length: 2\r\n",
    ] {
        let reply = server.raw(&head(more), "{}");
        assert_eq!(reply.status, 400, "{more}");
    }
}

#[test]
fn a_session_lives_from_initialize_to_delete() {
    let folder = Folder::new(TOOLS);
    let server = folder.http(&[]);
    for revision in ["2025-03-26", "2025-06-18", "2025-11-25"] {
        let session = server.session(revision);
        let headers = [("Mcp-Session-Id", session.as_str())];
        let notified = server.post(&headers, r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        assert_eq!((notified.status, notified.body.as_str()), (202, ""));
        let list = server.post(&headers, r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
        assert_eq!((list.status, list.json()["result"].get("resultType")), (200, None));
        let unknown = server.post(&headers, r#"{"jsonrpc":"2.0","id":2,"method":"no/such"}"#);
        assert_eq!((unknown.status, unknown.code()), (200, -32601), "404 would mean the session is gone");
        let deleted = server.raw(&server.head("DELETE", &headers, 0), "");
        assert_eq!(deleted.status, 200);
        assert_eq!(server.post(&headers, r#"{"jsonrpc":"2.0","id":3,"method":"ping"}"#).status, 404);
    }
    let forged = server.post(&[("Mcp-Session-Id", "0123")], r#"{"jsonrpc":"2.0","id":3,"method":"ping"}"#);
    assert_eq!(forged.status, 404);
    let future = [("MCP-Protocol-Version", "2099-01-01")];
    assert_eq!(server.post(&future, r#"{"jsonrpc":"2.0","id":3,"method":"tools/list"}"#).status, 400);
}

#[test]
fn a_session_survives_a_restart_of_the_server() {
    let folder = Folder::new(TOOLS);
    let session = folder.http(&[]).session("2025-11-25");
    let server = folder.http(&[]);
    let list =
        server.post(&[("Mcp-Session-Id", &session)], r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
    assert_eq!(list.status, 200);
}

#[test]
fn a_call_with_something_to_say_first_is_answered_as_a_stream() {
    let folder = Folder::new(TOOLS);
    let server = folder.http(&[]);
    let params = json!({"name": "t.steps", "arguments": {}, "_meta": {"progressToken": 7}});
    let events = server.modern("tools/call", params.clone(), &[]).events();
    let values: Vec<&Value> = events.iter().map(|event| &event["params"]["progress"]).collect();
    assert_eq!(values, [&json!(0.0), &json!(1.0), &json!(2.0), &Value::Null]);
    assert_eq!(text(&events[3]["result"]), "done");
    let plain = server.modern("tools/call", params, &[("Accept", "application/json")]);
    assert_eq!(text(&plain.json()["result"]), "done");
}

#[test]
fn a_client_that_hangs_up_takes_its_call_with_it() {
    let folder = Folder::new(TOOLS);
    let server = folder.http(&[]);
    let marker = folder.path("pid");
    let call = json!({"name": "t.nap", "arguments": {"path": marker}, "_meta": support::modern(&json!({}))});
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}).to_string();
    let headers =
        [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/call"), ("Mcp-Name", "t.nap")];
    let mut stream = server.connect();
    stream.write_all((server.head("POST", &headers, body.len()) + &body).as_bytes()).unwrap();
    let pid = wait_file(&marker);
    drop(stream);
    // The worker either obeys and serves the next call, or is gone: `add` is answered, and nobody sleeps.
    let reply = server.modern("tools/call", json!({"name": "t.add", "arguments": {"a": 1, "b": 1}}), &[]);
    assert_eq!(text(&reply.json()["result"]), "2");
    wait_idle(pid.parse().unwrap());
}

/// Waits until a process is gone or no longer inside the call that wrote its pid: it then blocks on its
/// control channel, not in a sleep.
fn wait_idle(pid: u32) {
    let deadline = std::time::Instant::now() + support::PATIENCE;
    loop {
        match std::fs::read_to_string(format!("/proc/{pid}/syscall")) {
            Err(_) => return,
            // recvfrom or recvmsg on x86-64 and read anywhere: waiting for its next frame.
            Ok(call) if ["45 ", "47 ", "0 ", "207 ", "212 ", "63 "].iter().any(|n| call.starts_with(n)) => {
                return;
            }
            Ok(call) => assert!(std::time::Instant::now() < deadline, "still in {call}"),
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

#[test]
fn a_legacy_cancel_comes_on_another_connection_and_ends_the_call() {
    let folder = Folder::new(TOOLS);
    let server = folder.http(&[]);
    let session = server.session("2025-11-25");
    let headers = [("Mcp-Session-Id", session.as_str())];
    let marker = folder.path("pid");
    let body = json!({"jsonrpc": "2.0", "id": 5, "method": "tools/call",
        "params": {"name": "t.nap", "arguments": {"path": marker}}})
    .to_string();
    let mut stream = server.connect();
    stream.write_all((server.head("POST", &headers, body.len()) + &body).as_bytes()).unwrap();
    wait_file(&marker);
    let cancelled = server
        .post(&headers, r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5}}"#);
    assert_eq!(cancelled.status, 202);
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    assert!(reply.starts_with("HTTP/1.1 200") && !reply.contains("jsonrpc"), "{reply}");
}

#[test]
fn a_time_limit_ends_the_call_and_kills_what_does_not_obey() {
    let folder = Folder::new(
        "import os, signal, time\n@tool\ndef warm() -> str:\n    \"Have a worker started.\"\n    return ''\n@tool(timeout=0.5)\ndef deaf(path: str) -> str:\n    \"Ignore signals.\"\n    \
         signal.signal(signal.SIGTERM, signal.SIG_IGN)\n    signal.signal(signal.SIGUSR2, signal.SIG_IGN)\n    \
         open(path, 'w').write(str(os.getpid()))\n    time.sleep(3600)\n    return ''\n",
    );
    let server: Http = folder.http(&[]);
    server.modern("tools/call", json!({"name": "t.warm"}), &[]);
    let marker = folder.path("pid");
    let reply = server.modern("tools/call", json!({"name": "t.deaf", "arguments": {"path": marker}}), &[]);
    let result = &reply.json()["result"];
    assert_eq!(kind(result), "timeout_total", "{result}");
    wait_gone(wait_file(&marker).parse().unwrap());
}

#[test]
fn a_server_told_to_stop_answers_the_calls_that_still_run() {
    let folder = Folder::new(TOOLS);
    let server = folder.http(&[]);
    let marker = folder.path("pid");
    let body = json!({"jsonrpc": "2.0", "id": 5, "method": "tools/call",
        "params": {"name": "t.nap", "arguments": {"path": marker}}})
    .to_string();
    let session = server.session("2025-11-25");
    let mut stream = server.connect();
    let head =
        server.head("POST", &[("Mcp-Session-Id", &session), ("Accept", "application/json")], body.len());
    stream.write_all((head + &body).as_bytes()).unwrap();
    wait_file(&marker);
    std::process::Command::new("kill").arg(server.child.id().to_string()).status().unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    assert!(reply.starts_with("HTTP/1.1 200") && reply.contains("\"kind\":\"shutdown\""), "{reply}");
}

#[test]
fn a_slow_call_becomes_a_stream_so_that_its_client_sees_headers() {
    let folder = Folder::new(
        "import time\n@tool\ndef slow() -> str:\n    \"Take a while.\"\n    time.sleep(6)\n    return 'slow'\n",
    );
    let server = folder.http(&[]);
    let reply = server.modern("tools/call", json!({"name": "t.slow"}), &[]);
    assert!(reply.body.starts_with(":\n\n"), "{}", reply.body);
    assert_eq!(text(&reply.events()[0]["result"]), "slow");
}

#[test]
fn a_session_has_one_stream_to_listen_on_and_takes_it_along_when_it_ends() {
    let folder = Folder::new(TOOLS);
    let server = folder.http(&[]);
    let session = server.session("2025-06-18");
    let get = |session: &str, accept: &str| {
        server.open(&server.head("GET", &[("Mcp-Session-Id", session), ("Accept", accept)], 0), "")
    };
    assert_eq!(get("nobody", "text/event-stream").status, 404);
    assert_eq!(get(&session, "application/json").status, 406);
    let mut first = get(&session, "*/*");
    assert_eq!((first.status, first.header("content-type")), (200, Some("text/event-stream")));
    let mut second = get(&session, "text/event-stream");
    assert_eq!(second.status, 200);
    assert_eq!(first.next(), None, "a message may go to one stream only, so the newer one takes over");
    let ended = server.raw(&server.head("DELETE", &[("Mcp-Session-Id", &session)], 0), "");
    assert_eq!(ended.status, 200);
    assert_eq!(second.next(), None);
}

#[test]
fn a_subscription_is_a_stream_that_is_acknowledged_first_and_ends_with_a_result() {
    let folder = Folder::new(TOOLS);
    let server = folder.http(&[]);
    let params = || json!({"notifications": {"toolsListChanged": true, "resourcesListChanged": true}});
    let refused = server.modern("subscriptions/listen", params(), &[("Accept", "application/json")]);
    assert_eq!(refused.code(), -32600);
    let mut stream = server.open_modern("subscriptions/listen", params());
    assert_eq!(stream.status, 200);
    let acknowledged = stream.next().expect("an acknowledgement");
    assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged");
    let key = "io.modelcontextprotocol/subscriptionId";
    assert_eq!(
        acknowledged["params"],
        json!({"_meta": {key: 1}, "notifications": {"toolsListChanged": true, "resourcesListChanged": true}})
    );
    server.stop();
    let ended = stream.next().expect("the result");
    assert_eq!((&ended["id"], &ended["result"]["_meta"][key]), (&json!(1), &json!(1)));
    assert_eq!(stream.next(), None);
}
