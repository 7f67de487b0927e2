//! Is the way back one that clients can be switched to? The same calls to `omni mcp` and to `python -m omni.mcp`, and
//! the same names, schemas and results from both.

mod support;

use serde_json::{Value, json};
use support::{Folder, Stdio_, kind, wait_file, without_page_links};

const TOOLS: &str = r#"
import asyncio, os, signal, sys, time
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

class Colour(Enum):
    RED = "red"
    BLUE = "blue"

@dataclass
class Point:
    x: int
    y: int = 0

@tool
def text(value: str = "é\n\"") -> str:
    return value

@tool
def number(value: float) -> float:
    return value

@tool
def nothing() -> None: ...

@tool
def record(point: Point, colour: Colour = Colour.RED) -> Point:
    return Point(point.x + 1, point.y)

@tool
def mapping(values: dict[str, list[int]]) -> dict[str, int]:
    return {name: sum(items) for name, items in values.items()}

@tool
def untyped(value=None):
    return {"got": value}

@tool
async def later(value: int) -> int:
    await asyncio.sleep(0.01)
    return value

@tool
def image() -> Image:
    return Image(b"\x89PNG", mime_type="image/png")

@tool
def several() -> ToolResult:
    return ToolResult(content=[Text("a"), ResourceLink(uri="file:///a", name="a")], structured={"n": 1}, meta={"k": [1]})

@tool
def in_place(path: Path) -> str:
    return f"{type(path).__name__} {os.getcwd() == os.path.realpath(os.getcwd())}"

@tool
def raises() -> str:
    raise KeyError("secret")

@tool
def refuses() -> str:
    raise ToolError("there is no such thing")

@tool
def lies() -> int:
    return "no number"

@tool
def odd():
    return object()

@tool
def exits() -> str:
    sys.exit("bye")

@tool
def hungry() -> str:
    raise MemoryError

@tool
def nap(path: str) -> str:
    with open(path, "w") as file:
        file.write("here")
    time.sleep(600)

@tool
def talks(ctx: Context) -> str:
    ctx.progress(1, 3, "one")
    ctx.info({"n": 1})
    ctx.debug("too quiet")
    ctx.log("warning", "loud", logger="mine")
    ctx.progress(0.5)
    time.sleep(0.3)
    ctx.progress(2, 3)
    print("printed")
    return ctx.session_id
"#;

/// Tools and arguments of which both servers make the same.
fn calls() -> Vec<(&'static str, Value)> {
    vec![
        ("t.text", json!({})),
        ("t.text", json!({"value": "x".repeat(100_000)})),
        ("t.number", json!({"value": 1})),
        ("t.number", json!({"value": 1.5e300})),
        ("t.nothing", json!({})),
        ("t.record", json!({"point": {"x": 1}, "colour": "blue"})),
        ("t.mapping", json!({"values": {"a": [1, 2], "b": []}})),
        ("t.untyped", json!({"value": [null, true, {"a": 9_007_199_254_740_993_u64}]})),
        ("t.later", json!({"value": 3})),
        ("t.image", json!({})),
        ("t.several", json!({})),
        ("t.in_place", json!({"path": "/a/b"})),
        ("t.raises", json!({})),
        ("t.refuses", json!({})),
        ("t.lies", json!({})),
        ("t.odd", json!({})),
        ("t.exits", json!({})),
        ("t.hungry", json!({})),
        ("t.unfinished", json!({})),
        ("broken.f", json!({})),
        ("t.count", json!({"text": "a b c"})),
        ("t.flagged", json!({"one_word": "x y", "many": [1, "b"], "yes": true, "no": false})),
        ("t.as_json", json!({"a": 1})),
        ("t.fails", json!({})),
        // Arguments that the schema refuses.
        ("t.number", json!({})),
        ("t.number", json!({"value": "1"})),
        ("t.number", json!({"valu": 1})),
        ("t.text", json!({"value": null, "other": 1})),
        ("t.record", json!({"point": {"y": "a", "z": 1}, "colour": "rad"})),
        ("t.record", json!({"point": []})),
        ("t.mapping", json!({"values": {"a": [1, "x"], "b": 3}})),
        ("t.later", json!({"value": 1.5})),
        ("t.later", json!({"value": 2.0})),
        ("t.later", json!({"value": true})),
    ]
}

fn folder() -> Folder {
    let folder = Folder::new(TOOLS);
    folder.write(
        "skills/t/SKILL.md",
        r#"---
name: t
description: Tools for tests.
tools:
  - name: count
    description: Count words.
    command: [wc, -w]
  - name: flagged
    description: Show flags.
    command: [printf, '%s\n', "--"]
    input: flags
  - name: as_json
    description: Give the arguments back.
    command: [cat]
    output: json
  - name: fails
    description: Fail.
    command: [sh, -c, "echo sorry; exit 3"]
---
"#,
    );
    folder.write("skills/broken/scripts/b.py", "from omni import tool\n@tool\ndef f(): ...\n");
    folder
}

/// What a client makes of an answer: what the SDK says besides (how long a list may be kept) is its own.
fn essence(answer: &Value) -> Value {
    if let Some(error) = answer.get("error") {
        return json!({"error": error["code"]});
    }
    let result = &answer["result"];
    let mut meta = result["_meta"].clone();
    let kind = meta.pointer("/omni~1failure/kind").and_then(Value::as_str).map(str::to_owned);
    if let Some(failure) = meta.pointer_mut("/omni~1failure").and_then(Value::as_object_mut) {
        failure.remove("elapsed_ms");
    }
    // What breaks a schema is said in the words of Python's validator there.
    let misfit = result["content"].to_string().contains("does not fit the output schema");
    let own_words = kind.as_deref() == Some("invalid_arguments") || misfit;
    let content = if own_words { &Value::Null } else { &result["content"] };
    json!({
        "content": content,
        "structured": result["structuredContent"],
        "is_error": result["isError"] == true,
        "meta": meta,
    })
}

fn both(folder: &Folder, arguments: &[&str]) -> Option<[Stdio_; 2]> {
    let alone = folder.python_alone(arguments)?;
    Some([folder.stdio(arguments), alone].map(Stdio_::initialised))
}

/// Makes the same call at both and compares what a client makes of the answers.
fn assert_same(clients: &mut [Stdio_; 2], tool: &str, arguments: &Value) {
    let params = json!({"name": tool, "arguments": arguments});
    let [expected, alone] =
        clients.each_mut().map(|client| essence(&client.request("tools/call", params.clone())));
    assert_eq!(alone, expected, "{tool} {arguments}");
}

#[test]
fn the_list_and_every_result_are_the_same_from_both() {
    let folder = folder();
    let Some(mut clients) = both(&folder, &[]) else { return };
    let [listed, alone] =
        clients.each_mut().map(|client| client.request("tools/list", json!({}))["result"]["tools"].take());
    assert!(listed.as_array().is_some_and(|tools| tools.len() > 15), "{listed}");
    assert_eq!(alone, without_page_links(listed));
    let calls = calls();
    assert!(calls.len() >= 30, "{}", calls.len());
    for (tool, arguments) in calls {
        assert_same(&mut clients, tool, &arguments);
    }
    let mut clients = both(&folder, &["--errors", "full"]).unwrap();
    for tool in ["t.refuses", "t.lies", "t.odd"] {
        assert_same(&mut clients, tool, &json!({}));
    }
}

#[test]
fn progress_and_log_messages_are_the_same_from_both() {
    let folder = folder();
    let Some(clients) = both(&folder, &[]) else { return };
    let [expected, alone] = clients.map(|mut client| {
        client.request("logging/setLevel", json!({"level": "info"}));
        client.send(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": "t.talks", "arguments": {}, "_meta": {"progressToken": "p"}}}));
        let mut heard = Vec::new();
        loop {
            let message = client.next();
            if message["id"] == 1 {
                // In whatever order, and numbers as numbers.
                heard.sort();
                return heard;
            }
            // What a tool prints is in the log of a process that has no other.
            if message["params"]["logger"] != "stdout" {
                heard.push(message.to_string().replace(".0", ""));
            }
        }
    });
    assert_eq!(alone, expected);
    assert!(expected.len() >= 4, "{expected:?}");
}

#[test]
fn a_call_that_is_taken_back_is_not_answered_and_stands_in_no_others_way() {
    let folder = folder();
    let Some(alone) = folder.python_alone(&[]) else { return };
    let mut client = alone.initialised();
    let file = folder.path("napping");
    client.call(1, "t.nap", json!({"path": file}));
    wait_file(&file);
    client.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}));
    assert_eq!(support::text(&client.result("t.later", json!({"value": 4}))), "4");
    let rest = client.close();
    assert!(rest.iter().all(|message| message["id"] != 1 || message.get("result").is_none()), "{rest:?}");
}

#[test]
fn what_a_model_reads_about_a_failure_is_as_much_from_both() {
    let folder = folder();
    for (arguments, speaks) in
        [(&[][..], true), (&["--errors", "masked"], false), (&["--errors", "message"], true)]
    {
        let Some(mut clients) = both(&folder, arguments) else { return };
        for client in &mut clients {
            let result = client.result("t.raises", json!({}));
            assert_eq!(kind(&result), "tool_error");
            assert_eq!(support::text(&result).contains("secret"), speaks, "{result}");
        }
        for tool in ["t.raises", "t.refuses", "t.lies", "t.odd"] {
            assert_same(&mut clients, tool, &json!({}));
        }
    }
}

/// Calls that are sent before a client is switched away, and as many that run at that moment.
const CALLS: u64 = 150;
const IN_FLIGHT: u64 = 16;

/// Keeps calls running on a client until `CALLS` have been answered, and leaves those that run running.
fn load(client: &mut Stdio_, answered: &mut u64) {
    for id in 0..CALLS + IN_FLIGHT {
        if id >= IN_FLIGHT {
            assert_worked(&client.answer(id - IN_FLIGHT));
            *answered += 1;
        }
        client.call(id, "t.work", json!({"n": id}));
    }
}

fn assert_worked(answer: &Value) {
    let n = answer["id"].as_u64().expect("ids are numbers here");
    assert_eq!(answer["result"]["structuredContent"]["result"], n * 2, "{answer}");
}

#[test]
fn under_load_a_client_is_switched_to_python_alone_and_back_and_no_call_fails() {
    let folder = Folder::new(
        "import time\n@tool(read_only=True)\ndef work(n: int) -> int:\n    time.sleep(n % 5 / 500)\n    return n * 2\n",
    );
    let mut lists = Vec::new();
    let mut answered = 0;
    let mut before: Option<Stdio_> = None;
    for stage in ["rust", "python", "rust"] {
        // The next server comes up while the one before still runs calls.
        let next = if stage == "rust" { Some(folder.stdio(&[])) } else { folder.python_alone(&[]) };
        let Some(next) = next else { return };
        let mut next = next.initialised();
        lists.push(next.request("tools/list", json!({}))["result"]["tools"].take());
        if let Some(mut before) = before.take() {
            for answer in before.close() {
                assert_worked(&answer);
                answered += 1;
            }
        }
        load(&mut next, &mut answered);
        if stage == "python" {
            // The SDK gives up what runs when its input ends, so its client leaves when all is answered.
            for id in CALLS..CALLS + IN_FLIGHT {
                assert_worked(&next.answer(id));
                answered += 1;
            }
        }
        before = Some(next);
    }
    for answer in before.unwrap().close() {
        assert_worked(&answer);
        answered += 1;
    }
    assert_eq!(answered, 3 * (CALLS + IN_FLIGHT));
    assert_eq!(lists[2], lists[0]);
    assert_eq!(lists[1], without_page_links(lists[0].clone()));
}
