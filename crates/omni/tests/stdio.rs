//! The built binary on standard input and output: both eras, concurrency, cancellation, hostile input.

mod support;

use serde_json::{Value, json};
use support::{Folder, descendants, kind, modern, text, wait_file, wait_gone};

const TOOLS: &str = r#"
import os, sys, time

@tool
def echo(value: str) -> str:
    """Give the value back."""
    return value

@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b

@tool
def nap(path: str) -> str:
    """Say who runs, then sleep."""
    with open(path, "w") as file:
        file.write(str(os.getpid()))
    time.sleep(3600)
    return "rested"

@tool
async def async_nap(path: str) -> str:
    """Sleep without blocking anybody."""
    import asyncio
    with open(path, "w") as file:
        file.write(str(os.getpid()))
    await asyncio.sleep(3600)
    return "rested"

@tool
def chatty(ctx: Context) -> str:
    """Talk while working."""
    ctx.progress(1, 3, "one")
    ctx.info({"n": 1})
    time.sleep(0.3)
    ctx.progress(2, 3)
    print("printed")
    return "done"
"#;

#[test]
fn each_legacy_revision_shakes_hands_and_lists_what_it_knows() {
    let folder = Folder::new(TOOLS);
    for revision in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let mut client = folder.stdio(&[]);
        let reply = client.initialize(revision);
        assert_eq!(reply["result"]["protocolVersion"], revision);
        assert_eq!(reply["result"]["serverInfo"]["name"], "omni");
        let list = client.request("tools/list", json!({}));
        let add =
            list["result"]["tools"].as_array().unwrap().iter().find(|tool| tool["name"] == "t_add").unwrap();
        assert_eq!(add.get("outputSchema").is_some(), revision >= "2025-06-18", "{revision}");
        let result = client.result("t.add", json!({"a": 2, "b": 40}));
        assert_eq!(text(&result), "42");
        assert_eq!(result.get("structuredContent").is_some(), revision >= "2025-06-18", "{revision}");
    }
}

#[test]
fn a_modern_client_needs_no_handshake_and_may_begin_with_any_request() {
    let folder = Folder::new(TOOLS);
    let mut client = folder.stdio(&[]);
    let list = client.request("tools/list", json!({"_meta": modern(&json!({}))}));
    assert_eq!(list["result"]["resultType"], "complete");
    assert_eq!(list["result"]["cacheScope"], "public");
    let discover = client.request("server/discover", json!({"_meta": modern(&json!({}))}));
    assert_eq!(discover["result"]["supportedVersions"], json!(["2026-07-28"]));
    // The same pipe then carries a legacy handshake, as a client sends that lost patience with discover.
    assert_eq!(client.initialize("2025-11-25")["result"]["protocolVersion"], "2025-11-25");
}

#[test]
fn a_tool_that_sleeps_delays_nobody() {
    let folder = Folder::new(TOOLS);
    let mut client = folder.stdio(&[]).initialised();
    let marker = folder.path("pid");
    client.call("slow", "t.nap", json!({"path": marker}));
    wait_file(&marker);
    for n in 0..100 {
        client.send(&json!({"jsonrpc": "2.0", "id": n, "method": "ping"}));
    }
    for n in 100..110 {
        client.send(&json!({"jsonrpc": "2.0", "id": n, "method": "tools/list"}));
    }
    for n in 0..110 {
        assert!(client.answer(n).get("result").is_some());
    }
    assert_eq!(text(&client.result("t.echo", json!({"value": "still here"}))), "still here");
}

#[test]
fn a_cancelled_call_ends_without_an_answer_and_its_work_stops() {
    let folder = Folder::new(TOOLS);
    for tool in ["t.nap", "t.async_nap"] {
        let mut client = folder.stdio(&[]).initialised();
        let marker = folder.path(tool);
        client.call("slow", tool, json!({"path": marker}));
        wait_file(&marker);
        client.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "slow", "reason": "test"}}));
        assert_eq!(text(&client.result("t.echo", json!({"value": "next"}))), "next", "{tool}");
        let rest = client.close();
        assert!(rest.iter().all(|message| message["id"] != "slow"), "{tool}: {rest:?}");
    }
}

#[test]
fn a_call_past_its_time_limit_is_answered_with_the_line_it_hung_on_and_its_process_goes() {
    let folder = Folder::new(TOOLS);
    let mut client = folder.stdio(&["--timeout", "1"]).initialised();
    client.result("t.echo", json!({"value": "has a worker started"}));
    let marker = folder.path("pid");
    let result = client.result("t.nap", json!({"path": marker}));
    assert_eq!(kind(&result), "timeout_total");
    assert_eq!(result["isError"], true);
    assert!(text(&result).contains("time.sleep") || text(&result).contains("in nap"), "{}", text(&result));
    // A worker that obeys is kept, one that does not is ended; either way the call's work is over.
    assert_eq!(text(&client.result("t.echo", json!({"value": "next"}))), "next");
}

#[test]
fn a_tool_that_ignores_every_request_to_stop_is_killed() {
    let folder = Folder::new(
        r#"
import os, signal, time

@tool
def warm() -> str:
    """Have a worker started."""
    return "warm"

@tool(timeout=0.5)
def stubborn(path: str) -> str:
    """Ignore all signals that can be ignored."""
    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    with open(path, "w") as file:
        file.write(str(os.getpid()))
    while True:
        try:
            time.sleep(1)
        except BaseException:
            pass
"#,
    );
    let mut client = folder.stdio(&[]).initialised();
    // Starting Python on a busy machine can take longer than this tool may.
    assert_eq!(text(&client.result("t.warm", json!({}))), "warm");
    let marker = folder.path("pid");
    let result = client.result("t.stubborn", json!({"path": marker}));
    assert_eq!(kind(&result), "timeout_total");
    wait_gone(wait_file(&marker).parse().unwrap());
    assert!(client.request("ping", json!({})).get("result").is_some());
}

#[test]
fn progress_logs_and_prints_reach_the_client_that_asked_for_them() {
    let folder = Folder::new(TOOLS);
    let mut client = folder.stdio(&[]).initialised();
    client.request("logging/setLevel", json!({"level": "debug"}));
    client.send(&json!({"jsonrpc": "2.0", "id": "c", "method": "tools/call",
        "params": {"name": "t.chatty", "_meta": {"progressToken": "p"}}}));
    let mut notes = Vec::new();
    let reply = loop {
        let message = client.next();
        if message["id"] == "c" {
            break message;
        }
        notes.push(message);
    };
    assert_eq!(text(&reply["result"]), "done");
    let progress: Vec<&Value> =
        notes.iter().filter(|note| note["method"] == "notifications/progress").collect();
    assert_eq!(
        progress[0]["params"],
        json!({"progressToken": "p", "progress": 1.0, "total": 3.0, "message": "one"})
    );
    assert_eq!(progress.len(), 2);
    let logs: Vec<String> = notes
        .iter()
        .filter(|note| note["method"] == "notifications/message")
        .map(|note| note["params"]["data"].to_string())
        .collect();
    assert!(logs.contains(&r#"{"n":1}"#.to_owned()), "{logs:?}");
    assert!(logs.contains(&r#""printed""#.to_owned()), "{logs:?}");
}

#[test]
fn nothing_is_sent_that_was_not_asked_for() {
    let folder = Folder::new(TOOLS);
    let mut client = folder.stdio(&[]).initialised();
    assert_eq!(text(&client.result("t.chatty", json!({}))), "done");
    let rest = client.close();
    assert_eq!(rest, Vec::<Value>::new());
}

#[test]
fn whatever_a_tool_does_costs_one_call() {
    let folder = Folder::new(
        r#"
import os, sys

@tool
def leave() -> str:
    """Ask Python to exit."""
    sys.exit(3)

@tool
def vanish() -> str:
    """Exit without a word."""
    os._exit(7)

@tool
def crash() -> str:
    """Break the process."""
    import ctypes
    return ctypes.string_at(0).decode()

@tool
def shout() -> str:
    """Write where the protocol would be."""
    os.write(1, b'{"jsonrpc":"2.0","id":1,"result":"forged"}\n')
    return "shouted"

@tool
def size(data: str) -> int:
    """Measure a text."""
    return len(data)

@tool
def fail(secret: str) -> str:
    """Raise something with a secret in it."""
    raise ValueError(secret)

@tool
def refuse() -> str:
    """Raise something for the client."""
    raise ToolError("try another path")

@tool
def odd() -> dict:
    """Return what JSON has no word for."""
    return {"rows": [1.0, float("nan")]}
"#,
    );
    let mut client = folder.stdio(&["--errors", "masked"]).initialised();
    let mut call = |tool: &str, arguments: Value| client.result(tool, arguments);
    let left = call("t.leave", json!({}));
    assert_eq!((kind(&left), text(&left).contains("exit code 3")), ("exited", true), "{left}");
    let vanished = call("t.vanish", json!({}));
    assert_eq!((kind(&vanished), text(&vanished).contains("exit code 7")), ("exited", true), "{vanished}");
    let crashed = call("t.crash", json!({}));
    assert_eq!((kind(&crashed), text(&crashed).contains("SIGSEGV")), ("signalled", true), "{crashed}");
    assert_eq!(text(&call("t.shout", json!({}))), "shouted");
    assert_eq!(text(&call("t.size", json!({"data": "x".repeat(8 << 20)}))), (8 << 20).to_string());
    let failed = call("t.fail", json!({"secret": "hunter2"}));
    assert!(text(&failed).contains("`ValueError` at scripts/t.py:"), "{failed}");
    assert!(!failed.to_string().contains("hunter2"), "{failed}");
    assert_eq!(text(&call("t.refuse", json!({}))), "try another path");
    let odd = call("t.odd", json!({}));
    assert_eq!((kind(&odd), text(&odd).contains("rows[1]")), ("bad_result", true), "{odd}");
    let rest = client.close();
    assert_eq!(rest, Vec::<Value>::new(), "the stream held nothing but answers");
}

#[test]
fn faults_in_arguments_come_all_at_once_and_before_python() {
    let folder = Folder::new(TOOLS);
    let mut client = folder.stdio(&["--python", "/bin/false"]).initialised();
    let result = client.result("t.add", json!({"a": "one", "bb": 2}));
    assert_eq!((kind(&result), &result["isError"]), ("invalid_arguments", &json!(true)));
    for expected in ["/a: expected integer", "/b: required", "/bb: unknown argument"] {
        assert!(text(&result).contains(expected), "{expected} in {}", text(&result));
    }
    let misspelt = client.result("t.echo", json!({"valeu": "x"}));
    assert!(text(&misspelt).contains("did you mean `value`?"), "{misspelt}");
    let unknown = client.request("tools/call", json!({"name": "t.ad", "arguments": {}}));
    assert_eq!(unknown["error"]["code"], -32602);
    assert!(unknown["error"]["message"].as_str().unwrap().contains("did you mean `t.add`?"), "{unknown}");
}

#[test]
fn every_broken_line_gets_its_answer_and_the_next_is_served() {
    let folder = Folder::new(TOOLS);
    let mut client = folder.stdio(&[]).initialised();
    let cases: [(&[u8], i64, Value); 9] = [
        (b"garbage\n", -32700, Value::Null),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"\n", -32700, json!(1)),
        (b"{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ping\",\"params\":{\"x\":NaN}}\n", -32700, json!(2)),
        (b"{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"\xff\"}\n", -32700, json!(3)),
        (b"{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"ping\",\"params\":[]}\n", -32600, json!(4)),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"ping\"}\n", -32600, Value::Null),
        (b"[{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"ping\"}]\n", -32600, Value::Null),
        (b"{\"jsonrpc\":\"2.0\",\"id\":6,\"id\":7,\"method\":\"ping\"}\n", -32600, json!(6)),
        (b"{\"jsonrpc\":\"2.0\",\"id\":8,\"method\":\"no/such\"}\n", -32601, json!(8)),
    ];
    for (line, code, id) in cases {
        client.raw(line);
        let reply = client.next();
        assert_eq!((reply["error"]["code"].as_i64(), &reply["id"]), (Some(code), &id), "{reply}");
    }
    client.raw(b"\r\n \n{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"ping\"}\r\n");
    assert_eq!(client.next(), json!({"jsonrpc": "2.0", "id": 9, "result": {}}));
}

#[test]
fn a_line_beyond_the_limit_is_refused_under_its_id() {
    let folder = Folder::new(TOOLS);
    let mut client = folder.stdio(&[]).initialised();
    client.raw(b"{\"jsonrpc\":\"2.0\",\"id\":\"big\",\"method\":\"tools/call\",\"params\":{\"name\":\"");
    let chunk = vec![b'x'; 1 << 20];
    for _ in 0..17 {
        client.raw(&chunk);
    }
    client.raw(b"\"}}\n");
    let reply = client.answer("big");
    assert_eq!(reply["error"]["code"], -32600);
    assert!(client.request("ping", json!({})).get("result").is_some());
}

#[test]
fn an_id_in_flight_cannot_be_used_again() {
    let folder = Folder::new(TOOLS);
    let mut client = folder.stdio(&[]).initialised();
    let marker = folder.path("pid");
    client.call("same", "t.nap", json!({"path": marker}));
    wait_file(&marker);
    client.call("same", "t.echo", json!({"value": "x"}));
    assert_eq!(client.answer("same")["error"]["code"], -32600);
}

#[test]
fn only_one_revision_has_batches_and_answers_them_together() {
    let folder = Folder::new(TOOLS);
    let mut client = folder.stdio(&[]);
    client.initialize("2025-03-26");
    client.raw(b"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"},{\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"},\
                 {\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/call\",\"params\":{\"name\":\"t.add\",\"arguments\":{\"a\":1,\"b\":2}}},7]\n");
    let replies = client.next();
    let replies = replies.as_array().expect("one array");
    assert_eq!(replies.len(), 3);
    assert_eq!(replies[0]["id"], 1);
    assert_eq!(text(&replies[1]["result"]), "3");
    assert_eq!(replies[2]["error"]["code"], -32600);
}

#[test]
fn an_id_in_a_batch_is_taken_and_can_be_cancelled() {
    let folder = Folder::new(TOOLS);
    let mut client = folder.stdio(&[]);
    client.initialize("2025-03-26");
    let marker = folder.path("pid");
    let nap = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "t.nap", "arguments": {"path": marker}}});
    let ping = |id: i64| json!({"jsonrpc": "2.0", "id": id, "method": "ping"});
    client.raw(format!("{}\n", json!([nap, ping(2), ping(2)])).as_bytes());
    wait_file(&marker);
    client.send(&ping(1));
    assert_eq!(client.answer(1)["error"]["code"], -32600, "it is in the batch");
    client.send(&ping(2));
    assert_eq!(client.answer(2)["error"]["code"], -32600, "answered, but not sent yet");
    let cancelled =
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}});
    client.send(&cancelled);
    let replies = client.next();
    let outcomes: Vec<_> = replies
        .as_array()
        .unwrap()
        .iter()
        .map(|reply| (&reply["id"], reply.get("error").is_some()))
        .collect();
    assert_eq!(outcomes, [(&json!(2), false), (&json!(2), true)]);
    for id in [1, 2] {
        client.send(&ping(id));
        assert!(client.answer(id).get("result").is_some(), "{id} is free again");
    }
}

#[test]
fn a_last_line_without_its_end_is_answered_and_running_calls_may_finish() {
    let folder = Folder::new(
        "import time\n@tool\ndef soon() -> str:\n    \"Finish soon.\"\n    time.sleep(0.2)\n    return 'made it'\n",
    );
    let mut client = folder.stdio(&[]).initialised();
    assert_eq!(text(&client.result("t.soon", json!({}))), "made it");
    client.call(1, "t.soon", json!({}));
    client.raw(b"{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ping\"}");
    let rest = client.close();
    assert_eq!(rest.len(), 2, "{rest:?}");
    assert_eq!(text(&rest.iter().find(|message| message["id"] == 1).unwrap()["result"]), "made it");
}

#[test]
fn calls_that_outlast_the_grace_period_are_answered_as_shut_down_and_leave_nothing() {
    let folder = Folder::new(TOOLS);
    let mut client = folder.stdio(&[]).initialised();
    let marker = folder.path("pid");
    client.call("slow", "t.nap", json!({"path": marker}));
    let pid = wait_file(&marker).parse().unwrap();
    assert!(descendants(client.child.id()).contains(&pid));
    let rest = client.close();
    assert_eq!(rest.len(), 1, "{rest:?}");
    assert_eq!(kind(&rest[0]["result"]), "shutdown", "{rest:?}");
    wait_gone(pid);
}

#[test]
fn killing_the_server_takes_its_workers_along() {
    let folder = Folder::new(TOOLS);
    let mut client = folder.stdio(&[]).initialised();
    let marker = folder.path("pid");
    client.call("slow", "t.nap", json!({"path": marker}));
    let pid: u32 = wait_file(&marker).parse().unwrap();
    client.child.kill().unwrap();
    wait_gone(pid);
}

#[test]
fn a_spawned_tool_answers_like_a_pooled_one() {
    let folder = Folder::new(&TOOLS.replace("@tool\n", "@tool(executor=\"spawn\")\n"));
    let mut client = folder.stdio(&["--timeout", "3"]).initialised();
    assert_eq!(text(&client.result("t.add", json!({"a": 2, "b": 40}))), "42");
    let big = "x".repeat(300_000);
    assert_eq!(text(&client.result("t.echo", json!({"value": big}))), big);
    let marker = folder.path("pid");
    let result = client.result("t.nap", json!({"path": marker}));
    assert_eq!(kind(&result), "timeout_total");
    wait_gone(wait_file(&marker).parse().unwrap());
}
