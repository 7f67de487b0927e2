//! A tool that calls others, reads resources and keeps values, in every way to run tools, where there is one place for
//! everything: one worker, one process, one thread, one call that is admitted, and one of the tool.

#![allow(clippy::disallowed_methods, reason = "a test runs what a user runs")]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use support::ways::{prepare, with_each_way};
use support::{Folder, Stdio_, text};

const TOOLS: &str = r#"
import asyncio

@resource("notes://{name}")
def note(name: str, ctx: Context) -> str:
    """Say what the note says."""
    return f"the note {name} for {ctx.request_id}"

@tool(concurrency=1)
def down(n: int, ctx: Context) -> int:
    """Count down by calling itself."""
    return 0 if n == 0 else 1 + ctx.call_tool_sync("t.down", {"n": n - 1}).data

@tool(concurrency=1)
async def down_async(n: int, ctx: Context) -> int:
    """Count down by calling itself, three at a time."""
    if n == 0:
        return 1
    counts = [ctx.call_tool("t.down_async", {"n": n - 1}) for _ in range(3)]
    return sum(result.data for result in await asyncio.gather(*counts))

@tool
async def mixed(n: int, ctx: Context) -> int:
    """Call a plain tool, which calls this one."""
    return 0 if n == 0 else 1 + (await ctx.call_tool("t.mixed_plain", {"n": n - 1})).data

@tool
def mixed_plain(n: int, ctx: Context) -> int:
    """Call an async tool, which calls this one."""
    return 0 if n == 0 else 1 + ctx.call_tool_sync("t.mixed", {"n": n - 1}).data

@tool
def fails(ctx: Context) -> str:
    """Fail."""
    raise ToolError("no luck today")

@tool
def catches(ctx: Context) -> str:
    """Call what fails, and what there is not."""
    said = []
    for name in ("t.fails", "t.flais"):
        try:
            ctx.call_tool_sync(name)
        except ToolCallError as error:
            said.append(f"{error.tool}: {error}")
    return "; ".join(said)

@tool
def reads(ctx: Context) -> str:
    """Read a resource."""
    return ctx.read_resource_sync("notes://a").text

@tool
def counts(ctx: Context) -> int:
    """Count the calls of a session."""
    count = ctx.get_state_sync("count", 0) + 1
    ctx.set_state_sync("count", count)
    return count

@tool
def who(ctx: Context) -> str:
    """Say who asks."""
    return f"{ctx.client.name} {ctx.client.version} {ctx.request_id} {ctx.client.can('roots')}"

@tool
def sleeps(ctx: Context) -> str:
    """Call what does not end."""
    return ctx.call_tool_sync("t.sleeps_on").text

@tool
def sleeps_on(ctx: Context) -> str:
    """Never end."""
    import time
    time.sleep(600)
"#;

const ONE_PLACE: &str =
    "workers = \"1..1\"\n[spawn]\nprocesses = 1\n[embedded]\nthreads = 1\n[admission]\ncalls = 1\n";

/// A client of a server with one place, that runs all tools one way.
fn with_client(way: &str, use_it: impl FnOnce(&mut Stdio_)) {
    let folder = Folder::new(TOOLS);
    folder.write("omni.toml", ONE_PLACE);
    let (skills, root) = (folder.path("skills"), folder.path(""));
    let (arguments, backing) = prepare(way, &folder, &skills, Path::new(&root), "HOME");
    let settings = std::fs::read_to_string(folder.path("omni.toml")).unwrap();
    folder.write("omni.toml", &settings.replace("[fork]\n", "[fork]\nprocesses = 1\n"));
    let mut client = folder.stdio(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {"roots": {}},
        "clientInfo": {"name": "tester", "version": "3"}});
    assert!(client.request("initialize", params).get("result").is_some());
    client.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    use_it(&mut client);
    client.close();
    drop(backing);
}

fn call(client: &mut Stdio_, tool: &str, arguments: Value) -> Value {
    client.call(tool, tool, arguments);
    let patience = Duration::from_secs(120);
    let answer = client.answer_within(tool, patience).unwrap_or_else(|why| panic!("`{tool}`: {why}"));
    answer["result"].clone()
}

fn calls_each_other(way: &str) {
    with_client(way, |client| {
        let deep = call(client, "t_down", json!({"n": 8}));
        assert_eq!(text(&deep), "8", "{deep}");
        let deeper = call(client, "t_down", json!({"n": 9}));
        assert_eq!(deeper["isError"], true, "{deeper}");
        assert!(text(&deeper).contains("go 8 deep at most: t.down → t.down"), "{deeper}");
        assert_eq!(text(&call(client, "t_down_async", json!({"n": 2}))), "9");
        assert_eq!(text(&call(client, "t_mixed", json!({"n": 4}))), "4");
        let caught = call(client, "t_catches", json!({}));
        assert!(text(&caught).contains("t.fails: "), "{caught}");
        assert!(text(&caught).contains("no luck today"), "{caught}");
        assert!(text(&caught).contains("did you mean `t.fails`?"), "{caught}");
        // A runner is not told whose request it reads a resource for.
        let asker = if way == "runner" { "" } else { "t_reads" };
        assert_eq!(text(&call(client, "t_reads", json!({}))), format!("the note a for {asker}"));
        assert_eq!(text(&call(client, "t_counts", json!({}))), "1");
        assert_eq!(text(&call(client, "t_counts", json!({}))), "2");
        assert_eq!(text(&call(client, "t_who", json!({}))), "tester 3 t_who True");
        client.call("long", "t_sleeps", json!({}));
        client.send(
            &json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "long"}}),
        );
        assert_eq!(
            text(&call(client, "t_who", json!({}))),
            "tester 3 t_who True",
            "both places are free again"
        );
    });
}

macro_rules! each {
    ($($way:ident)*) => { $(
        #[test]
        fn $way() {
            calls_each_other(stringify!($way));
        }
    )* };
}

with_each_way!(each);
