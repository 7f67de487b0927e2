//! Does each type of content reach clients of each revision as that revision has it, whatever runs the tool?

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use serde_json::{Value, json};
use support::{Folder, modern, text, ways};

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

#[test]
fn fifty_megabytes_through_the_pool() {
    fifty_megabytes_are_a_preview_and_a_link("pool");
}

#[test]
fn fifty_megabytes_through_a_process_of_their_own() {
    fifty_megabytes_are_a_preview_and_a_link("spawn");
}

const LARGE: &str = r#"
from omni import tool

@tool
def large():
    return "0123456789" * 5_000_000
"#;

/// What the server may have taken at most: its frame, which may be as large as results may, and as much again.
const MEMORY_MAX_KIB: u64 = 256 << 10;

fn fifty_megabytes_are_a_preview_and_a_link(way: &str) {
    let folder = Folder::empty();
    folder.write("omni.toml", "[limits]\nresult_mib = 64\n");
    folder.write("skills/s/SKILL.md", "---\nname: s\ndescription: Large.\n---\n");
    folder.write("skills/s/scripts/s.py", LARGE);
    let (arguments, backing) =
        ways::prepare(way, &folder, &folder.path("skills"), folder.dir.path(), "NOTHING");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let part = |uri: &str| format!("{uri}?offset=49999990&length=100");
    let check = |over: &str, result: &Value, read: &mut dyn FnMut(&str) -> Value| {
        assert!(result.to_string().len() < 5_000, "{way} {over}: {:.300}", result.to_string());
        assert!(text(result).starts_with("01234567890123"), "{way} {over}: {result}");
        let link = &result["content"][1];
        assert_eq!(link["size"], 50_000_000, "{way} {over}: {result}");
        let answer = read(&part(link["uri"].as_str().unwrap()));
        assert_eq!(answer["contents"][0]["text"], "0123456789", "{way} {over}: {answer}");
    };
    let mut client = folder.stdio(&arguments).initialised();
    let result = client.result("s.large", json!({}));
    check("stdio", &result, &mut |uri| {
        client.request("resources/read", json!({"uri": uri}))["result"].take()
    });
    let taken = memory_kib(client.child.id());
    assert!(taken < MEMORY_MAX_KIB, "{way} stdio: {taken} KiB");
    client.close();
    let server = folder.http(&arguments);
    let called = server.modern("tools/call", json!({"name": "s.large", "arguments": {}}), &[]).json();
    check("http", &called["result"], &mut |uri| {
        server.modern("resources/read", json!({"uri": uri}), &[]).json()["result"].take()
    });
    let taken = memory_kib(server.child.id());
    assert!(taken < MEMORY_MAX_KIB, "{way} http: {taken} KiB");
    drop(backing);
}

/// The most that a process has had in memory.
fn memory_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

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
