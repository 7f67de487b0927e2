//! Kind of content × revision × way to run: what functions return reaches a client in the words of its revision.
//!
//! What a client of each revision gets is what the table of `docs/reference/results.md` says, which is read here; and it is
//! what the specification's schema of that revision has, with nothing besides. One server a way serves tools,
//! resources and prompts over HTTP to a session of each older revision and to a client of the newest.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test runs what a user runs, and a panic is how it fails"
)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use omni_testkit::Schema;
use serde_json::{Map, Value, json};
use support::{Folder, Http};

const REVISIONS: [&str; 5] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"];

const SOURCE: &str = r#"
import dataclasses
from omni import (
    Audio, EmbeddedResource, Image, Message, PromptResult, ResourceContent, ResourceLink, Text, ToolResult,
    prompt, resource, tool,
)

PNG = b"\x89PNG\r\n\x1a\n"
WAV = b"RIFF\x24\x00\x00\x00WAVE"
MORE = {
    "annotations": {"audience": ["user"], "priority": 0.5, "lastModified": "2026-11-30T12:00:00Z"},
    "meta": {"vendor/key": {"deep": [1, "two"]}},
}

@dataclasses.dataclass
class Point:
    x: int
    y: int

class Linked(ResourceLink):
    def block(self):
        return {**super().block(), "icons": [{"src": "https://example.org/icon.png", "sizes": ["48x48"]}]}

def block(kind: str):
    return {
        "text": Text("a text", **MORE),
        "image": Image(PNG, mime_type="image/png", **MORE),
        "audio": Audio(WAV, mime_type="audio/wav", **MORE),
        "resource": EmbeddedResource(uri="test://note", mime_type="text/x-note", text="embedded", **MORE),
        "blob": EmbeddedResource(uri="test://picture", mime_type="image/png", data=PNG, **MORE),
        "resource_link": Linked(
            uri="test://linked", name="linked", title="A link", description="Numbers of the year",
            mime_type="text/x-note", size=7, **MORE,
        ),
    }[kind]

@tool
def one(kind: str, fails: bool = False) -> ToolResult:
    return ToolResult([Text("before"), block(kind), Text("after")], meta={"own": 2}, is_error=fails)

@tool
def typed() -> Point:
    return Point(3, 4)

@tool
def structured(value: str) -> ToolResult:
    return ToolResult("see", {"object": {"a": [1]}, "list": [1], "text": "t"}[value])

@prompt
def say(kind: str):
    return [Message("before"), Message(block(kind), role="assistant")]

@resource("test://text", mime_type="text/x-note")
def text():
    return ResourceContent("a text", meta={"k": 1})

@resource("test://blob", mime_type="image/png")
def blob():
    return ResourceContent(PNG, meta={"k": 1})
"#;

const KINDS: [&str; 6] = ["text", "image", "audio", "resource", "blob", "resource_link"];

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
    let promised = Promised::read();
    for revision in REVISIONS {
        let client = Client { server: &server, revision, session: None }.opened();
        for kind in KINDS {
            // An error's content is adapted as any other: one kind that is, and one that stays, are enough.
            let failing =
                if matches!(kind, "image" | "resource_link") { &[false, true][..] } else { &[false] };
            for &fails in failing {
                let arguments = json!({"kind": kind, "fails": fails});
                let result = client.ask("tools/call", json!({"name": "kinds_one", "arguments": arguments}));
                let mut newer = Map::new();
                let mut wanted = vec![json!({"type": "text", "text": "before"})];
                wanted.extend(promised.blocks(revision, kind, "/content/1", &mut newer));
                wanted.push(json!({"type": "text", "text": "after"}));
                let case = format!("{way}, {revision}, {kind}: {result:#}");
                assert_eq!(result["content"], json!(wanted), "{case}");
                assert_eq!(newer_of(&result), Value::from(newer), "{case}");
                assert_eq!(result["isError"] == json!(true), fails, "{case}");
                assert_eq!(result["_meta"]["own"], 2, "{case}");
            }
            let result = client.ask("prompts/get", json!({"name": "kinds_say", "arguments": {"kind": kind}}));
            let mut newer = Map::new();
            let blocks = promised.blocks(revision, kind, "/messages/1/content", &mut newer);
            let mut wanted = vec![json!({"role": "user", "content": {"type": "text", "text": "before"}})];
            wanted.extend(blocks.into_iter().map(|block| json!({"role": "assistant", "content": block})));
            assert_eq!(
                result["messages"],
                json!(wanted),
                "{way}, {revision}, {kind} in a prompt: {result:#}"
            );
        }
        let result = client.ask("tools/call", json!({"name": "kinds_typed", "arguments": {}}));
        let typed = json!({"x": 3, "y": 4});
        let kept = promised.says(revision, "structured content, an object") == AS_IT_IS;
        let wanted = if kept { typed.clone() } else { Value::Null };
        assert_eq!(result["structuredContent"], wanted, "{way}, {revision}: {result:#}");
        // One text says it, whether or not it is there as well.
        let twin = serde_json::from_str::<Value>(support::text(&result));
        assert_eq!((twin.ok(), result["content"].as_array().map(Vec::len)), (Some(typed), Some(1)));
        for (value, row, json) in [
            ("object", "structured content, an object", json!({"a": [1]})),
            ("list", "structured content, anything else", json!([1])),
            ("text", "structured content, anything else", json!("t")),
        ] {
            let call = json!({"name": "kinds_structured", "arguments": {"value": value}});
            let result = client.ask("tools/call", call);
            let kept = promised.says(revision, row) == AS_IT_IS;
            let mut texts = vec!["see".to_owned()];
            texts.extend((!kept).then(|| json.to_string()));
            let got = result["content"].as_array().unwrap().iter();
            let got: Vec<&str> = got.map(|block| block["text"].as_str().unwrap()).collect();
            let case = format!("{way}, {revision}, {value}: {result:#}");
            assert_eq!(got, texts, "{case}");
            assert_eq!(result["structuredContent"], if kept { json } else { Value::Null }, "{case}");
        }
        let known = promised.says(revision, META) == AS_IT_IS;
        for (uri, mut wanted) in [
            ("test://text", json!({"uri": "test://text", "mimeType": "text/x-note", "text": "a text"})),
            ("test://blob", json!({"uri": "test://blob", "mimeType": "image/png", "blob": PNG})),
        ] {
            let result = client.ask("resources/read", json!({"uri": uri}));
            let case = format!("{way}, {revision}, {uri}: {result:#}");
            let newer = if known { json!({}) } else { json!({"/contents/0/_meta": {"k": 1}}) };
            if known {
                wanted["_meta"] = json!({"k": 1});
            }
            assert_eq!(result["contents"], json!([wanted]), "{case}");
            assert_eq!(newer_of(&result), newer, "{case}");
        }
    }
}

fn newer_of(result: &Value) -> Value {
    result["_meta"].get("omni/newer").cloned().unwrap_or(json!({}))
}

const AS_IT_IS: &str = "as it is";
const META: &str = "`_meta` of a block, or of what a resource holds";

/// What the page promises to each revision: its table, by the name of a row.
struct Promised(BTreeMap<String, Vec<String>>);

impl Promised {
    fn read() -> Self {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/results.md");
        let page = fs::read_to_string(page).unwrap();
        let table = page.split("## Content by revision").nth(1).unwrap();
        let rows = table.lines().skip_while(|line| !line.starts_with('|'));
        let rows = rows.take_while(|line| line.starts_with('|')).map(|line| {
            let mut cells = line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned());
            (cells.next().unwrap(), cells.collect::<Vec<_>>())
        });
        let rows: BTreeMap<String, Vec<String>> = rows.collect();
        assert_eq!(rows["content"], REVISIONS, "its columns are the revisions");
        Promised(rows)
    }

    /// What becomes of the content of this row for a revision.
    fn says(&self, revision: &str, row: &str) -> &str {
        let column = REVISIONS.iter().position(|known| *known == revision).unwrap();
        let cells = self.0.get(row).unwrap_or_else(|| panic!("the page has no row `{row}`"));
        match cells[column].as_str() {
            "as they are" => AS_IT_IS,
            says => says,
        }
    }

    /// What a client of a revision has to get of a block that is at `at` in the result, and what of it stands in the
    /// result's `_meta` instead.
    fn blocks(&self, revision: &str, kind: &str, at: &str, newer: &mut Map<String, Value>) -> Vec<Value> {
        for row in ["text, image, embedded resource", "annotations `audience`, `priority`"] {
            assert_eq!(self.says(revision, row), AS_IT_IS);
        }
        let mut annotations = json!({"audience": ["user"], "priority": 0.5});
        let modified = json!("2026-11-30T12:00:00Z");
        match self.says(revision, "annotation `lastModified`") {
            AS_IT_IS => annotations["lastModified"] = modified,
            _ => drop(newer.insert(format!("{at}/annotations/lastModified"), modified)),
        }
        let mut common = json!({"annotations": annotations});
        let meta = json!({"vendor/key": {"deep": [1, "two"]}});
        match self.says(revision, META) {
            AS_IT_IS => common["_meta"] = meta,
            _ => drop(newer.insert(format!("{at}/_meta"), meta)),
        }
        let with = |mut block: Value| {
            block.as_object_mut().unwrap().extend(common.as_object().unwrap().clone());
            block
        };
        let text = |text: &str| with(json!({"type": "text", "text": text}));
        let one = match kind {
            "text" => text("a text"),
            "image" => with(json!({"type": "image", "mimeType": "image/png", "data": PNG})),
            "resource" => with(json!({"type": "resource", "resource":
                {"uri": "test://note", "mimeType": "text/x-note", "text": "embedded"}})),
            "blob" => with(json!({"type": "resource", "resource":
                {"uri": "test://picture", "mimeType": "image/png", "blob": PNG}})),
            "audio" => match self.says(revision, "audio") {
                AS_IT_IS => with(json!({"type": "audio", "mimeType": "audio/wav", "data": WAV})),
                "a text and an embedded resource with its bytes" => {
                    let uri = "cid:audio-1";
                    let resource = json!({"uri": uri, "mimeType": "audio/wav", "blob": WAV});
                    return vec![
                        text(&format!("sound (audio/wav): the embedded resource {uri}")),
                        with(json!({"type": "resource", "resource": resource})),
                    ];
                }
                says => panic!("`{says}` of audio is not tried"),
            },
            "resource_link" => {
                let icons = json!([{"src": "https://example.org/icon.png", "sizes": ["48x48"]}]);
                let knows_icons = self.says(revision, "… its `icons`") == AS_IT_IS;
                if !knows_icons {
                    newer.insert(format!("{at}/icons"), icons.clone());
                }
                match self.says(revision, "`resource_link`") {
                    AS_IT_IS => {
                        let mut link = json!({"type": "resource_link", "uri": "test://linked", "name": "linked",
                            "title": "A link", "description": "Numbers of the year", "mimeType": "text/x-note", "size": 7});
                        if knows_icons {
                            link["icons"] = icons;
                        }
                        with(link)
                    }
                    "a text" => text(
                        "resource `linked` (A link; text/x-note; 7 bytes): test://linked\nNumbers of the year",
                    ),
                    says => panic!("`{says}` of links is not tried"),
                }
            }
            kind => panic!("{kind}"),
        };
        vec![one]
    }
}

/// A client of one revision: a session, or none.
struct Client<'a> {
    server: &'a Http,
    revision: &'a str,
    session: Option<String>,
}

impl Client<'_> {
    fn opened(mut self) -> Self {
        self.session = (self.revision < "2026-07-28").then(|| self.server.session(self.revision));
        self
    }

    /// The result of a request, which is what the revision's schema says; an error is a panic.
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
        let result = answer["result"].take();
        let schema = Schema::of(self.revision).unwrap();
        let faults = schema.faults(&schema.result(method), &result);
        assert!(faults.is_empty(), "{}: {faults:#?} of {result:#}", self.revision);
        result
    }
}
