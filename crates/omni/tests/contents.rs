//! Kind of content × revision × way to run: what functions return reaches a client in the words of its revision.
//!
//! One server a way serves tools, resources and prompts over HTTP to a session of each older revision and to a client of
//! the newest.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test runs what a user runs, and a panic is how it fails"
)]

mod support;

use serde_json::{Value, json};
use support::{Folder, Http};

const REVISIONS: [&str; 5] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"];

const SOURCE: &str = r#"
import dataclasses
from omni import Audio, EmbeddedResource, Image, Message, ResourceLink, Text, ToolResult, prompt, resource, tool

PNG = b"\x89PNG\r\n\x1a\n"
WAV = b"RIFF\x24\x00\x00\x00WAVE"

@dataclasses.dataclass
class Point:
    x: int
    y: int

def block(kind: str):
    return {
        "text": Text("a text"),
        "image": Image(PNG, mime_type="image/png"),
        "audio": Audio(WAV, mime_type="audio/wav"),
        "resource": EmbeddedResource(uri="test://embedded", mime_type="text/x-note", text="an embedded text"),
        "blob": EmbeddedResource(uri="test://embedded-blob", mime_type="image/png", data=PNG),
        "resource_link": ResourceLink(uri="test://linked", name="linked", mime_type="text/x-note"),
    }[kind]

@tool
def one(kind: str) -> ToolResult:
    return ToolResult(content=[Text("before"), block(kind), Text("after")])

@tool
def structured() -> Point:
    return Point(3, 4)

@prompt
def say(kind: str):
    return [Message("before"), Message(block(kind), role="assistant")]

@resource("test://text", mime_type="text/x-note")
def text() -> str:
    return "a text"

@resource("test://blob", mime_type="image/png")
def blob() -> bytes:
    return PNG
"#;

/// In base64, as they travel.
const PNG: &str = "iVBORw0KGgo=";
const WAV: &str = "UklGRiQAAABXQVZF";

/// Makes a test of each way.
macro_rules! walks {
    ($($way:ident)*) => {
        $(#[test] fn $way() { super::walk(stringify!($way)); })*
    };
}

mod each_content_reaches_a_client_in_the_words_of_its_revision {
    super::support::ways::with_each_way!(walks);
}

fn walk(way: &str) {
    let folder = Folder::empty();
    folder.write("skills/kinds/SKILL.md", "---\nname: kinds\ndescription: Answers in many ways.\n---\n");
    folder.write("skills/kinds/scripts/kinds.py", SOURCE);
    let (arguments, _backing) =
        support::ways::prepare(way, &folder, &folder.path("skills"), folder.dir.path(), "NOTHING_IS_SHOWN");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let server = folder.http(&arguments);
    let mut faults = Vec::new();
    for revision in REVISIONS {
        let client = Client::of(&server, revision);
        for kind in ["text", "image", "audio", "resource", "blob", "resource_link"] {
            let wanted = in_words_of(revision, kind);
            let result = client.ask("tools/call", json!({"name": "kinds_one", "arguments": {"kind": kind}}));
            check(&mut faults, way, revision, kind, &result["content"][1], &wanted);
            assert_eq!(result["content"][0]["text"], "before", "{way} {revision} {kind}: {result}");
            assert_eq!(
                result["content"].as_array().unwrap().last().unwrap()["text"],
                "after",
                "{way} {revision} {kind}: {result}"
            );
            let result = client.ask("prompts/get", json!({"name": "kinds_say", "arguments": {"kind": kind}}));
            let message = &result["messages"][1];
            check(&mut faults, way, revision, &format!("{kind} in a prompt"), &message["content"], &wanted);
            assert_eq!(message["role"], "assistant", "{way} {revision} {kind}: {result}");
        }
        let result = client.ask("tools/call", json!({"name": "kinds_structured", "arguments": {}}));
        let wanted = if revision < "2025-06-18" { Value::Null } else { json!({"x": 3, "y": 4}) };
        check(&mut faults, way, revision, "structured content", &result["structuredContent"], &wanted);
        let twin = serde_json::from_str::<Value>(support::text(&result));
        assert_eq!(twin.ok(), Some(json!({"x": 3, "y": 4})), "{way} {revision}: {result}");
        for (uri, wanted) in [
            ("test://text", json!({"uri": "test://text", "mimeType": "text/x-note", "text": "a text"})),
            ("test://blob", json!({"uri": "test://blob", "mimeType": "image/png", "blob": PNG})),
        ] {
            let result = client.ask("resources/read", json!({"uri": uri}));
            check(&mut faults, way, revision, uri, &result["contents"], &json!([wanted]));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// What a client of a revision has to get of a kind of content. `…` in a text stands for anything.
fn in_words_of(revision: &str, kind: &str) -> Value {
    match kind {
        "text" => json!({"type": "text", "text": "a text"}),
        "image" => json!({"type": "image", "mimeType": "image/png", "data": PNG}),
        "audio" if revision < "2025-03-26" => json!({"type": "text", "text": "…audio/wav…"}),
        "audio" => json!({"type": "audio", "mimeType": "audio/wav", "data": WAV}),
        "resource" => json!({"type": "resource", "resource":
            {"uri": "test://embedded", "mimeType": "text/x-note", "text": "an embedded text"}}),
        "blob" => json!({"type": "resource", "resource":
            {"uri": "test://embedded-blob", "mimeType": "image/png", "blob": PNG}}),
        _ if revision < "2025-06-18" => json!({"type": "text", "text": "…test://linked…"}),
        _ => {
            json!({"type": "resource_link", "uri": "test://linked", "name": "linked", "mimeType": "text/x-note"})
        }
    }
}

fn check(faults: &mut Vec<String>, way: &str, revision: &str, what: &str, got: &Value, wanted: &Value) {
    let fits = match (wanted["text"].as_str().and_then(|text| text.strip_prefix('…')), got["text"].as_str())
    {
        (Some(part), Some(text)) => got["type"] == "text" && text.contains(part.trim_end_matches('…')),
        (Some(_), None) => false,
        (None, _) => got == wanted,
    };
    if !fits {
        faults.push(format!("{way} {revision} {what}: {got} instead of {wanted}"));
    }
}

/// A client of one revision: a session, or none.
struct Client<'a> {
    server: &'a Http,
    revision: &'a str,
    session: Option<String>,
}

impl<'a> Client<'a> {
    fn of(server: &'a Http, revision: &'a str) -> Self {
        let session = (revision < "2026-07-28").then(|| server.session(revision));
        Client { server, revision, session }
    }

    /// The result of a request; an error is a panic.
    fn ask(&self, method: &str, params: Value) -> Value {
        let reply = match &self.session {
            None => self.server.modern(method, params, &[]),
            Some(session) => {
                let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
                let headers = [("Mcp-Session-Id", &**session), ("MCP-Protocol-Version", self.revision)];
                self.server.post(&headers, &body)
            }
        };
        let mut answer = reply.json();
        assert!(answer.get("result").is_some(), "{} {method}: {answer}", self.revision);
        answer["result"].take()
    }
}
