//! What a stranger, a broken client or a web page can send over HTTP, and what it gets: always JSON, and nothing runs.

mod support;

use std::io::{Read as _, Write as _};

use serde_json::{Value, json};
use support::{Folder, Http, Reply, text};

const TOOLS: &str = r#"
@tool
def echo(value: Any = None) -> str:
    """Say what came."""
    return "ran"

@tool(input_schema={"type": "object", "properties": {"count": {"type": "integer", "x-mcp-header": "Count"}}})
def counted(count: int = 0) -> str:
    """Take a number that is mirrored in a header."""
    return str(count)

@tool
def slow(path: str) -> str:
    """Say that it runs, and go on for long."""
    import time
    open(path, "w").write("1")
    time.sleep(3600)
    return ""
"#;

const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

fn server() -> (Folder, Http) {
    let folder = Folder::new(&format!("from typing import Any\n{TOOLS}"));
    let server = folder.http(&["--allow-origin", "https://app.example.com"]);
    (folder, server)
}

/// A reply that is JSON, as every one is that has a body.
fn status_and_json(reply: &Reply) -> (u16, Value) {
    assert_eq!(reply.header("content-type"), Some("application/json"), "{reply:?}");
    (reply.status, reply.json())
}

#[test]
fn a_host_or_origin_is_read_whole() {
    let (_folder, server) = server();
    let port = server.port;
    for (host, status) in [
        (format!("localhost:{port}"), 200),
        (format!("LOCALHOST:{port}"), 200),
        (format!("[::1]:{port}"), 200),
        ("[0:0:0:0:0:0:0:1]".into(), 200),
        ("localhost:".into(), 200),
        (format!("localhost:{port}.evil.example"), 400),
        ("localhost:80.evil.example".into(), 400),
        ("[::1].evil.example".into(), 400),
        ("localhost:65536".into(), 400),
        ("me@localhost".into(), 400),
        ("localhost@evil.example".into(), 400),
        ("[::1%25lo]".into(), 400),
        ("localhost, localhost".into(), 400),
        (" ".into(), 400),
        ("localhost.".into(), 403),
        ("localhost.evil.example".into(), 403),
        ("local%68ost".into(), 403),
        ("127.1".into(), 403),
        ("0x7f.1".into(), 403),
        ("127.0.0.1.evil.example".into(), 403),
        ("[::2]".into(), 403),
    ] {
        let reply = server.post(&[("Host", &host)], PING);
        assert_eq!(status_and_json(&reply).0, status, "{host}: {reply:?}");
    }
    for (origin, status) in [
        ("http://localhost:6274", 200),
        ("https://app.example.com", 200),
        ("http://localhost:80.evil.example", 403),
        ("http://[::1].evil.example", 403),
        ("http://localhost@evil.example", 403),
        ("http://localhost:65536", 403),
        ("http://localhost/", 403),
        ("http://127.1", 403),
        ("null", 403),
        ("https://app.example.com:8443", 403),
        ("http://app.example.com", 403),
    ] {
        for method in ["POST", "GET", "DELETE", "OPTIONS"] {
            let reply = server.raw(&server.head(method, &[("Origin", origin)], PING.len()), PING);
            let refused = reply.status == 403;
            assert_eq!(refused, status == 403, "{method} {origin}: {reply:?}");
            assert_eq!(reply.header("access-control-allow-origin"), (!refused).then_some(origin), "{origin}");
        }
    }
    for name in [
        "Host: localhost\r\nHost: localhost",
        "Host: localhost\r\nOrigin: http://localhost\r\nOrigin: http://localhost",
    ] {
        let head = format!(
            "POST /mcp HTTP/1.1\r\nConnection: close\r\n{name}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            PING.len()
        );
        assert_eq!(server.raw(&head, PING).status, 400, "{name}");
    }
}

#[test]
fn a_target_leads_to_the_endpoint_or_nowhere() {
    let (_folder, server) = server();
    for (target, status) in [
        ("/mcp", 200),
        ("/mcp/", 200),
        ("/mcp?x=/other", 200),
        ("/mcp/?", 200),
        ("http://localhost/mcp", 200),
        ("http://LOCALHOST:1/mcp/", 200),
        ("http://evil.example/mcp", 403),
        ("http://localhost:80.evil.example/mcp", 400),
        ("http://me@localhost/mcp", 400),
        ("ftp://localhost/mcp", 400),
        ("//mcp", 404),
        ("/%2Fmcp", 404),
        ("/%6dcp", 404),
        ("/MCP", 404),
        ("/mcp//", 404),
        ("/mcp/x", 404),
        ("/mcp;x", 404),
        ("/./mcp", 404),
        ("/x/../mcp", 404),
        ("/", 404),
        ("/sse", 405),
        ("/sse/x", 404),
        ("/messages", 400),
        ("/messages?session_id=0", 404),
        ("http://evil.example/messages?session_id=0", 403),
        ("/health", 405),
        ("/healthy", 404),
    ] {
        let head = server.head("POST", &[], PING.len()).replacen("/mcp", target, 1);
        let reply = server.raw(&head, PING);
        assert_eq!(reply.status, status, "{target}: {reply:?}");
    }
}

#[test]
fn a_method_is_what_the_request_line_says() {
    let (_folder, server) = server();
    let session = server.session("2025-06-18");
    for name in ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "_method"] {
        let headers = [("Mcp-Session-Id", session.as_str()), (name, "DELETE")];
        assert_eq!(server.post(&headers, PING).status, 200, "{name}");
    }
    for method in ["PUT", "PATCH", "TRACE", "OPTIONS", "HEAD", "post", "CONNECT", "GET", "DELETE"] {
        let reply = server.raw(&server.head(method, &[], 0), "");
        assert!(matches!(reply.status, 405 | 404 | 400), "{method}: {reply:?}");
        if reply.status == 405 {
            assert_eq!(reply.header("allow"), Some("POST, GET, DELETE"), "{method}");
            assert_eq!(reply.body.is_empty(), method == "HEAD", "{method}");
        }
    }
}

#[test]
fn a_body_says_what_it_is() {
    let (_folder, server) = server();
    for (name, value, status) in [
        ("Content-Type", "Application/JSON; Charset=\"UTF-8\"", 200),
        ("Content-Type", "application/json; charset=latin-1", 415),
        ("Content-Type", "application/json, text/plain", 415),
        ("Content-Type", "text/plain;charset=UTF-8", 415),
        ("Content-Type", "", 415),
        ("Content-Encoding", "identity", 200),
        ("Content-Encoding", "gzip", 415),
        ("Content-Encoding", "identity, br", 415),
        ("Accept", "APPLICATION/JSON;q=0.2", 200),
        ("Accept", "application/json;q=0, */*", 406),
        ("Accept", "text/html", 406),
    ] {
        let reply = server.post(&[(name, value)], PING);
        assert_eq!(status_and_json(&reply).0, status, "{name}: {value}: {reply:?}");
    }
    let length = PING.len();
    let bare =
        format!("POST /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n");
    assert_eq!(server.raw(&format!("{bare}\r\n"), PING).status, 415, "a page can send a body without a type");
    let twice = format!("{bare}Content-Type: application/json\r\nContent-Type: application/json\r\n\r\n");
    assert_eq!(server.raw(&twice, PING).status, 415);
    let only_events = server.post(&[("Accept", "text/event-stream")], PING);
    assert_eq!((only_events.status, &only_events.events()[0]["id"]), (200, &json!(1)));
}

#[test]
fn what_cannot_be_read_is_answered_in_json_under_its_id() {
    let (_folder, server) = server();
    let session = server.session("2025-11-25");
    let id = |reply: &Value| reply.get("id").cloned().unwrap_or(Value::Null);
    let call = |id: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"t.echo","arguments":{{}}}}}}"#
        )
    };
    for (wrong, code) in [
        ("007", -32700),
        ("+1", -32700),
        ("1.", -32700),
        ("0x1", -32700),
        ("-", -32700),
        ("NaN", -32700),
        ("\"a\u{1}b\"", -32700),
        (r#""\x""#, -32700),
        (r#""\ud800""#, -32700),
        ("1.5", -32600),
        ("1e400", -32600),
        ("null", -32600),
        ("[1]", -32600),
        ("{}", -32600),
        ("true", -32600),
    ] {
        let (status, reply) = status_and_json(&server.post(&[("Mcp-Session-Id", &session)], &call(wrong)));
        assert_eq!(
            (status, &reply["error"]["code"], id(&reply)),
            (400, &json!(code), Value::Null),
            "{wrong}"
        );
    }
    for (body, code, expected) in [
        ("[".repeat(100_000), -32700, Value::Null),
        (format!("{}{}", "[".repeat(70), "]".repeat(70)), -32600, Value::Null),
        (call("\"a\"").replace("{}", &"[".repeat(5_000)), -32700, json!("a")),
        (
            call("3").replace("{}", &format!(r#"{{"value":{}{}}}"#, "[".repeat(80), "]".repeat(80))),
            -32600,
            json!(3),
        ),
        (call("4").replace("{}", r#"{"value":{"a":[{"b":1,"b":2}]}}"#), -32600, json!(4)),
        (call("5").replace("{}", r#"{"value":1,"v\u0061lue":2}"#), -32600, json!(5)),
        (call("6").replace("{}", "{\"value\":\"\0\"}"), -32700, json!(6)),
        (call("7").replace("{}", "{\"value\":NaN}"), -32700, json!(7)),
        (call("8").replace("{}", r#"{"value":"\udead"}"#), -32700, json!(8)),
        (call("9") + "x", -32700, json!(9)),
        (call("10") + "\n" + &call("11"), -32700, json!(10)),
        ("\u{feff}\u{feff}".to_owned() + &call("12"), -32700, json!(12)),
        (String::new(), -32700, Value::Null),
        ("\0".into(), -32700, Value::Null),
        (r#""jsonrpc""#.into(), -32600, Value::Null),
    ] {
        let (status, reply) = status_and_json(&server.post(&[("Mcp-Session-Id", &session)], &body));
        let shown: String = body.chars().take(120).collect();
        assert_eq!((status, &reply["error"]["code"], id(&reply)), (400, &json!(code), expected), "{shown}");
    }
    for good in [
        "\u{feff}".to_owned() + &call("1"),
        call("1").replace(',', ",\r"),
        format!("\r\n\t{} \r\n", call("1")),
    ] {
        let reply = server.post(&[("Mcp-Session-Id", &session)], &good);
        assert_eq!(text(&reply.json()["result"]), "ran", "{good:?}");
    }
}

#[test]
fn a_session_header_has_one_spelling_and_means_nothing_in_the_modern_era() {
    let (_folder, server) = server();
    let session = server.session("2025-11-25");
    let status = |spelled: &str| server.post(&[("Mcp-Session-Id", spelled)], PING).status;
    assert_eq!(status(&session), 200);
    for spelled in [
        session.to_uppercase(),
        format!("{session}="),
        format!("0{session}"),
        format!("\"{session}\""),
        format!("{session}, {session}"),
        format!("{session};"),
        session[1..].to_owned(),
        "x".into(),
    ] {
        if spelled != session {
            assert_eq!(status(&spelled), 404, "{spelled}");
        }
    }
    let twice = [("Mcp-Session-Id", session.as_str()), ("mcp-session-id", session.as_str())];
    let refused = server.post(&twice, PING);
    assert_eq!((refused.status, refused.code()), (400, -32600));
    for (name, value) in [("Mcp-Session-Id", "nobody"), ("Mcp-Session-Id", session.as_str())] {
        let reply = server.modern("tools/call", json!({"name": "t.echo", "arguments": {}}), &[(name, value)]);
        assert_eq!((reply.status, text(&reply.json()["result"])), (200, "ran"), "{value}");
    }
    let modern = ("MCP-Protocol-Version", "2026-07-28");
    let told = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    assert_eq!(server.post(&[modern, ("Mcp-Session-Id", "nobody")], told).status, 202);
    for method in ["GET", "DELETE"] {
        let head = server.head(method, &[modern, ("Mcp-Session-Id", &session)], 0);
        assert_eq!(server.raw(&head, "").status, 405, "{method}");
    }
    assert_eq!(status(&session), 200, "it was not ended");
}

#[test]
fn pages_of_an_allowed_origin_can_read_every_answer_and_no_others_can() {
    let (_folder, server) = server();
    let session = server.session("2025-11-25");
    let mine = ("Origin", "https://app.example.com");
    let preflight = |origin: &str| {
        let headers = [
            ("Origin", origin),
            ("Access-Control-Request-Method", "POST"),
            (
                "Access-Control-Request-Headers",
                "content-type,mcp-protocol-version,mcp-param-count,authorization",
            ),
            ("Access-Control-Request-Private-Network", "true"),
        ];
        server.raw(&server.head("OPTIONS", &headers, 0), "")
    };
    let asked = preflight("https://app.example.com");
    assert_eq!((asked.status, asked.body.as_str()), (204, ""));
    assert_eq!(asked.header("access-control-allow-origin"), Some("https://app.example.com"));
    assert_eq!(asked.header("access-control-allow-methods"), Some("POST, GET, DELETE"));
    let allowed = asked.header("access-control-allow-headers").unwrap().to_ascii_lowercase();
    for name in [
        "content-type",
        "mcp-session-id",
        "mcp-protocol-version",
        "mcp-method",
        "mcp-name",
        "mcp-param-count",
        "authorization",
        "last-event-id",
        "accept",
    ] {
        assert!(allowed.split(", ").any(|allowed| allowed == name), "{name}: {allowed}");
    }
    assert!(asked.header("access-control-max-age").is_some());
    assert_eq!(asked.header("access-control-allow-private-network"), Some("true"));
    let foreign = preflight("https://evil.example");
    assert_eq!((foreign.status, foreign.header("access-control-allow-origin")), (403, None));
    let head = |method: &str, more: &[(&str, &str)], length: usize| {
        server.head(method, &[&[mine], more].concat(), length)
    };
    let call = json!({"name": "t.echo", "arguments": {}});
    let answers = [
        (200, server.modern("tools/call", call, &[mine])),
        (202, server.post(&[mine], r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)),
        (400, server.post(&[mine], "{")),
        (403, server.raw(&head("POST", &[("Host", "evil.example")], 0), "")),
        (404, server.raw(&head("POST", &[], 0).replacen("/mcp", "/other", 1), "")),
        (404, server.post(&[mine, ("Mcp-Session-Id", "nobody")], PING)),
        (405, server.raw(&head("GET", &[], 0), "")),
        (406, server.post(&[mine, ("Accept", "text/html")], PING)),
        (413, server.raw(&head("POST", &[], 5 << 20), "")),
        (415, server.post(&[mine, ("Content-Type", "text/plain")], PING)),
        (200, server.raw(&head("DELETE", &[("Mcp-Session-Id", &session)], 0), "")),
    ];
    for (status, reply) in answers {
        assert_eq!(reply.status, status, "{reply:?}");
        assert_eq!(reply.header("access-control-allow-origin"), Some(mine.1), "{reply:?}");
        assert!(
            reply.header("access-control-expose-headers").unwrap().contains("Mcp-Session-Id"),
            "{reply:?}"
        );
        assert!(reply.header("vary").unwrap().contains("Origin"), "{reply:?}");
        assert_eq!(reply.header("access-control-allow-credentials"), None, "{reply:?}");
    }
    let session = server.session("2025-11-25");
    let stream =
        server.open(&head("GET", &[("Mcp-Session-Id", &session), ("Accept", "text/event-stream")], 0), "");
    let of = |name: &str| {
        stream.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    };
    assert_eq!((stream.status, of("access-control-allow-origin")), (200, Some(mine.1)));
    let without = server.post(&[], PING);
    assert_eq!(
        (without.header("access-control-allow-origin"), without.header("vary")),
        (None, Some("Origin"))
    );
}

#[test]
fn a_body_with_two_lengths_ends_its_connection() {
    let (_folder, server) = server();
    for more in [
        "Content-Length: 40\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 2\r\nContent-Length: 40\r\n",
        "Content-Length: 40, 40\r\n",
        "Content-Length: +40\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    ] {
        let mut stream = server.connect();
        let head =
            format!("POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{more}\r\n");
        stream
            .write_all(format!("{head}{PING}\r\nGET /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())
            .unwrap();
        let mut all = String::new();
        // To its end: the server closes, and what came after is no second request.
        stream.read_to_string(&mut all).unwrap();
        assert!(all.starts_with("HTTP/1.1 400"), "{more}: {all}");
        assert_eq!(all.matches("HTTP/1.1").count(), 1, "{more}: {all}");
    }
}

#[test]
fn a_mirrored_parameter_stands_once_and_is_the_same_number() {
    let (_folder, server) = server();
    let call = |count: &str, headers: &[(&str, &str)]| {
        let params = format!(
            r#"{{"name":"t.counted","arguments":{{"count":{count}}},"_meta":{}}}"#,
            support::modern(&json!({}))
        );
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
        let mut all = vec![
            ("MCP-Protocol-Version", "2026-07-28"),
            ("Mcp-Method", "tools/call"),
            ("Mcp-Name", "t.counted"),
        ];
        all.extend(headers);
        server.post(&all, &body)
    };
    assert_eq!(text(&call("42", &[("Mcp-Param-Count", "42")]).json()["result"]), "42");
    assert_eq!(call("42", &[("Mcp-Param-Count", "42.0")]).status, 200);
    for headers in [
        &[("Mcp-Param-Count", "42"), ("mcp-param-count", "42")][..],
        &[("Mcp-Param-Count", "43")],
        &[("Mcp-Param-Count", "+42")],
        &[("Mcp-Param-Count", "042")],
        &[("Mcp-Param-Count", "42, 42")],
        &[],
    ] {
        let reply = call("42", headers);
        assert_eq!((reply.status, reply.code()), (400, -32020), "{headers:?}");
    }
    let large = call("9007199254740993", &[("Mcp-Param-Count", "9007199254740992")]);
    assert_eq!((large.status, large.code()), (400, -32020), "they differ by one");
    assert_eq!(call("9007199254740993", &[("Mcp-Param-Count", "9007199254740993")]).status, 200);
}

#[test]
fn an_id_in_a_batch_is_taken_as_long_as_its_batch_is_open() {
    let (folder, server) = server();
    let session = server.session("2025-03-26");
    let headers = [("Mcp-Session-Id", session.as_str())];
    let marker = folder.path("running");
    let slow = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "t.slow", "arguments": {"path": marker}}});
    let ping = |id: i64| json!({"jsonrpc": "2.0", "id": id, "method": "ping"});
    let twice = server.post(&headers, &json!([ping(7), ping(7), ping(8)]).to_string()).json();
    let ids: Vec<_> =
        twice.as_array().unwrap().iter().map(|reply| (&reply["id"], reply.get("error").is_some())).collect();
    assert_eq!(ids, [(&json!(7), false), (&json!(7), true), (&json!(8), false)]);
    let body = json!([slow, ping(2)]).to_string();
    let mut stream = server.connect();
    stream.write_all((server.head("POST", &headers, body.len()) + &body).as_bytes()).unwrap();
    support::wait_file(&marker);
    for id in [1, 2] {
        assert_eq!(server.post(&headers, &ping(id).to_string()).status, 400, "{id} is in the batch");
    }
    let cancelled = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    assert_eq!(server.post(&headers, cancelled).status, 202);
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    let (_, answers) = reply.split_once("\r\n\r\n").unwrap();
    let answers: Value = serde_json::from_str(answers).unwrap();
    assert_eq!(answers.as_array().unwrap().len(), 1, "what was cancelled has no answer: {answers}");
    assert_eq!(answers[0]["id"], 2);
    assert_eq!(server.post(&headers, &ping(1).to_string()).status, 200, "the id is free again");
}
