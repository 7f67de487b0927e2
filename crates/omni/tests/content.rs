//! Does each type of content reach clients of each revision as that revision has it, whatever runs the tool?

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use serde_json::{Value, json};
use support::{Folder, modern, ways};

macro_rules! each_way {
    ($($way:ident)*) => {
        $(#[test] fn $way() { each_type_reaches_each_revision(stringify!($way)); })*
    };
}
ways::with_each_way!(each_way);

const SKILL: &str = r#"
from omni import Audio, EmbeddedResource, Image, ResourceLink, Text, ToolResult, tool

BLOCKS = [
    Text("plain", meta={"k": 1}),
    Image(b"image", format="png", annotations={"priority": 0.5, "lastModified": "2026-11-30"}),
    Audio(b"sound", format="wav"),
    EmbeddedResource("a:b", "embedded"),
    ResourceLink("https://example.org/a.pdf", "a.pdf", title="A", mime_type="application/pdf", size=7),
]

@tool
def blocks() -> list:
    return BLOCKS

@tool
def failed() -> ToolResult:
    return ToolResult(BLOCKS, is_error=True)

@tool
def structured() -> ToolResult:
    return ToolResult("see", {"a": [1]}, {"own": 2})
"#;

fn each_type_reaches_each_revision(way: &str) {
    let folder = Folder::empty();
    folder.write("skills/s/SKILL.md", "---\nname: s\ndescription: Content.\n---\n");
    folder.write("skills/s/scripts/s.py", SKILL);
    let skills = folder.path("skills");
    let (arguments, backing) = ways::prepare(way, &folder, &skills, folder.dir.path(), "NOTHING");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let newest = ["text", "image", "audio", "resource", "resource_link"];
    for (revision, types) in [
        ("2024-11-05", &["text", "image", "text", "resource", "resource", "text"][..]),
        ("2025-03-26", &["text", "image", "audio", "resource", "text"]),
        ("2025-06-18", &newest),
        ("2025-11-25", &newest),
        ("2026-07-28", &newest),
    ] {
        let mut client = folder.stdio(&arguments);
        let is_modern = revision == "2026-07-28";
        if !is_modern {
            client.initialize(revision);
        }
        let early = types[types.len() - 1] == "text";
        let mut result = |tool: &str| {
            let mut params = json!({"name": format!("s.{tool}"), "arguments": {}});
            if is_modern {
                params["_meta"] = modern(&json!({}));
            }
            client.request("tools/call", params)["result"].take()
        };
        for tool in ["blocks", "failed"] {
            let result = result(tool);
            let case = format!("{way}, {revision}, {tool}: {result}");
            assert_eq!(result["isError"], if tool == "failed" { json!(true) } else { Value::Null }, "{case}");
            let blocks = result["content"].as_array().unwrap();
            let got: Vec<&str> = blocks.iter().map(|block| block["type"].as_str().unwrap()).collect();
            assert_eq!(got, types, "{case}");
            assert_eq!(blocks[0].get("_meta").is_none(), early, "{case}");
            assert_eq!(blocks[1]["annotations"].get("lastModified").is_none(), early, "{case}");
            let newer = &result["_meta"]["omni/newer"];
            assert_eq!(newer.is_null(), !early, "{case}");
            if early {
                assert_eq!(newer["/content/0/_meta"], json!({"k": 1}), "{case}");
                let link = "resource `a.pdf` (A; application/pdf; 7 bytes): https://example.org/a.pdf";
                assert_eq!(blocks[blocks.len() - 1]["text"], link, "{case}");
            }
            let sound =
                if revision == "2024-11-05" { &blocks[3]["resource"]["blob"] } else { &blocks[2]["data"] };
            assert_eq!(sound, "c291bmQ=", "{case}");
        }
        let result = result("structured");
        let texts: Vec<&str> = result["content"]
            .as_array()
            .unwrap()
            .iter()
            .map(|block| block["text"].as_str().unwrap())
            .collect();
        if early {
            assert_eq!((texts, result.get("structuredContent")), (vec!["see", r#"{"a":[1]}"#], None));
        } else {
            assert_eq!((texts, &result["structuredContent"]), (vec!["see"], &json!({"a": [1]})));
        }
        assert_eq!(result["_meta"]["own"], 2, "{way}, {revision}: {result}");
        client.close();
    }
    drop(backing);
}
