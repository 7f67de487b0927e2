//! Is the server in Python alone one that clients can be switched to? The same requests to both, and the same
//! answers from both.

mod support;

use serde_json::{Value, json};
use support::{Folder, Stdio_, kind, modern, wait_file, wait_gone};

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
def environment() -> list[str]:
    return sorted(name for name in os.environ if name.startswith("SECRET"))

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
def leaves(code: int) -> str:
    os._exit(code)

@tool
def exits() -> str:
    sys.exit("bye")

@tool
def dies() -> str:
    os.kill(os.getpid(), signal.SIGKILL)

@tool
def segfaults() -> str:
    os.kill(os.getpid(), signal.SIGSEGV)

@tool(timeout=0.3)
def too_long() -> str:
    time.sleep(600)

@tool(idle_timeout=0.3)
def too_quiet() -> str:
    time.sleep(600)

@tool
def hungry() -> str:
    raise MemoryError

@tool(read_only=True)
def crashes_once(path: str) -> str:
    if not os.path.exists(path):
        open(path, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return "made it"

@tool(retry_on=OSError, max_attempts=3)
def fails_twice(path: str) -> str:
    with open(path, "a") as file:
        file.write("x")
    if os.path.getsize(path) < 3:
        raise ConnectionError("not yet")
    return "made it"

@tool
def nap(path: str) -> str:
    with open(path, "w") as file:
        file.write(str(os.getpid()))
    try:
        time.sleep(600)
    finally:
        open(path + ".left", "w").write("left")

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
        ("t.environment", json!({})),
        ("t.raises", json!({})),
        ("t.refuses", json!({})),
        ("t.lies", json!({})),
        ("t.odd", json!({})),
        ("t.leaves", json!({"code": 3})),
        ("t.exits", json!({})),
        ("t.dies", json!({})),
        ("t.segfaults", json!({})),
        ("t.too_long", json!({})),
        ("t.too_quiet", json!({})),
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

/// An answer without what differs from run to run.
fn steady(mut answer: Value) -> Value {
    if let Some(failure) = answer.pointer_mut("/result/_meta/omni~1failure").and_then(Value::as_object_mut) {
        failure.remove("elapsed_ms");
        // Where Python was: the line of the tool is the last one in both.
        failure.remove("stack");
    }
    answer
}

fn both(folder: &Folder, arguments: &[&str]) -> [Stdio_; 2] {
    [folder.stdio(arguments), folder.python_alone(arguments)]
}

fn ask(client: &mut Stdio_, method: &str, params: &Value) -> Value {
    client.send(&json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}));
    steady(client.answer(7))
}

/// Sends the same to both and compares the answers.
fn assert_same(clients: &mut [Stdio_; 2], method: &str, params: &Value) {
    let [rust, python] = clients;
    let expected = ask(rust, method, params);
    assert_eq!(ask(python, method, params), expected, "{method} {params}");
}

#[test]
fn every_call_has_the_same_result_from_both() {
    let folder = folder();
    let mut clients = both(&folder, &[]).map(Stdio_::initialised);
    assert_same(&mut clients, "tools/list", &json!({}));
    let calls = calls();
    assert!(calls.len() >= 40);
    for (tool, arguments) in calls {
        assert_same(&mut clients, "tools/call", &json!({"name": tool, "arguments": arguments}));
    }
    let mut clients = both(&folder, &["--errors", "full"]).map(Stdio_::initialised);
    for tool in ["t.refuses", "t.exits", "t.leaves"] {
        assert_same(&mut clients, "tools/call", &json!({"name": tool, "arguments": {"code": 1}}));
    }
}

#[test]
fn every_revision_and_every_refusal_is_the_same_from_both() {
    let folder = folder();
    for revision in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28", "1999-01-01"] {
        let mut clients = both(&folder, &[]);
        assert_same(&mut clients, "tools/list", &json!({}));
        assert_same(&mut clients, "sub/marine", &json!({}));
        assert_same(&mut clients, "ping", &json!({}));
        assert_same(&mut clients, "initialize", &json!({}));
        let hello = json!({"protocolVersion": revision, "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}});
        assert_same(&mut clients, "initialize", &hello);
        for (method, params) in [
            ("tools/list", json!({})),
            ("tools/list", json!({"cursor": "x"})),
            ("tools/call", json!({"name": "t.record", "arguments": {"point": {"x": 1}}})),
            ("tools/call", json!({"name": "t.several"})),
            ("tools/call", json!({"name": "t.recrod", "arguments": {}})),
            ("tools/call", json!({"name": "record"})),
            ("tools/call", json!({"arguments": {}})),
            ("tools/call", json!({"name": "t.record", "arguments": [1]})),
            ("tools/call", json!({"name": "t.text", "_meta": {"progressToken": []}})),
            ("logging/setLevel", json!({"level": "loud"})),
            ("logging/setLevel", json!({})),
            ("logging/setLevel", json!({"level": "info"})),
            ("resources/list", json!({})),
            ("prompts/get", json!({"name": "x"})),
            ("server/discover", json!({})),
            ("nothing/like/it", json!({})),
        ] {
            assert_same(&mut clients, method, &params);
        }
        for line in
            ["[]", "{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"ping\"}", "{\"jsonrpc\":\"2.0\",\"id\":1}"]
        {
            for client in &mut clients {
                client.raw(format!("{line}\n").as_bytes());
            }
            let [rust, python] = &mut clients;
            assert_eq!(python.next(), rust.next(), "{line}");
        }
    }
}

#[test]
fn a_modern_client_is_answered_the_same_by_both() {
    let folder = folder();
    let mut clients = both(&folder, &[]);
    for (method, mut params) in [
        ("server/discover", json!({})),
        ("tools/list", json!({})),
        ("tools/call", json!({"name": "t.number", "arguments": {"value": 2}})),
        ("tools/call", json!({"name": "t.raises", "arguments": {}})),
        ("ping", json!({})),
        ("initialize", json!({})),
        ("subscriptions/listen", json!({})),
    ] {
        params["_meta"] = modern(&json!({}));
        assert_same(&mut clients, method, &params);
    }
    let wrong = json!({"_meta": {"io.modelcontextprotocol/protocolVersion": "2030-01-01"}});
    assert_same(&mut clients, "tools/list", &wrong);
    let bare = json!({"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}});
    assert_same(&mut clients, "tools/list", &bare);
}

#[test]
fn progress_and_log_messages_are_the_same_from_both() {
    let folder = folder();
    let heard = both(&folder, &[]).map(|client| {
        let mut client = client.initialised();
        client.request("logging/setLevel", json!({"level": "info"}));
        client.send(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": "t.talks", "arguments": {}, "_meta": {"progressToken": "p"}}}));
        let mut heard = Vec::new();
        loop {
            let message = client.next();
            let done = message["id"] == 1;
            heard.push(message);
            if done {
                return heard;
            }
        }
    });
    let [rust, python] = heard.map(|messages| {
        // Numbers are compared as numbers, and what a tool prints may come a little earlier or later.
        let mut texts: Vec<String> =
            messages.iter().map(|message| message.to_string().replace(".0", "")).collect();
        texts.sort();
        texts
    });
    assert_eq!(python, rust);
}

#[test]
fn further_attempts_are_made_by_both() {
    let folder = folder();
    for (place, mut client) in ["a", "b"].into_iter().zip(both(&folder, &[]).map(Stdio_::initialised)) {
        for (tool, attempts) in [("t.crashes_once", 2), ("t.fails_twice", 3)] {
            let path = folder.path(&format!("{place}-{tool}"));
            let result = client.result(tool, json!({"path": path}));
            assert_eq!(support::text(&result), "made it", "{result}");
            assert_eq!(result["_meta"]["omni/attempt"], attempts);
        }
    }
}

#[test]
fn a_call_that_is_taken_back_ends_and_is_not_answered_by_python_alone_either() {
    let folder = folder();
    let mut client = folder.python_alone(&[]).initialised();
    let file = folder.path("napping");
    client.call(1, "t.nap", json!({"path": file}));
    wait_file(&file);
    client.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}));
    assert_eq!(wait_file(&folder.path("napping.left")), "left");
    assert_eq!(support::text(&client.result("t.later", json!({"value": 4}))), "4");
    let rest = client.close();
    assert!(rest.iter().all(|message| message["id"] != 1), "{rest:?}");
}

#[test]
fn when_its_input_ends_python_alone_ends_the_calls_that_run_and_all_processes() {
    let folder = folder();
    let mut client = folder.python_alone(&[]).initialised();
    let file = folder.path("napping");
    client.call(1, "t.nap", json!({"path": file}));
    let pid: u32 = wait_file(&file).parse().unwrap();
    let rest = client.close();
    let last = rest.iter().find(|message| message["id"] == 1).unwrap();
    assert_eq!(kind(&last["result"]), "shutdown");
    wait_gone(pid);
}

#[test]
fn python_alone_tells_its_client_that_the_tools_have_changed() {
    let folder = folder();
    let mut client = folder.python_alone(&[]).initialised();
    client.request("tools/list", json!({}));
    folder.write(
        "skills/t/scripts/more.py",
        "from omni import tool\n@tool\ndef added() -> int:\n    return 5\n",
    );
    client.wait_for(|message| message["method"] == "notifications/tools/list_changed");
    let listed = client.request("tools/list", json!({}));
    let names = listed["result"]["tools"].as_array().unwrap();
    assert!(names.iter().any(|tool| tool["name"] == "t.added"));
    assert_eq!(support::text(&client.result("t.added", json!({}))), "5");
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
        let next = if stage == "rust" { folder.stdio(&[]) } else { folder.python_alone(&[]) };
        let mut next = next.initialised();
        lists.push(next.request("tools/list", json!({}))["result"]["tools"].to_string());
        if let Some(mut before) = before.take() {
            for answer in before.close() {
                assert_worked(&answer);
                answered += 1;
            }
        }
        load(&mut next, &mut answered);
        before = Some(next);
    }
    for answer in before.unwrap().close() {
        assert_worked(&answer);
        answered += 1;
    }
    assert_eq!(answered, 3 * (CALLS + IN_FLIGHT));
    assert_eq!(lists[1], lists[0]);
    assert_eq!(lists[2], lists[0]);
}
