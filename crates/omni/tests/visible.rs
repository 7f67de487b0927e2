//! What a call shows its client and hides from it, in the whole binary: every way of running, both eras, both transports,
//! and a real client that is told.

#![allow(clippy::disallowed_methods, reason = "a test runs what a user runs")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::process::Command;

use serde_json::{Value, json};
use support::{Folder, Http, Stdio_, text, ways};

const SKILL: &str = r#"
from omni import Context, prompt, resource, tool


@tool
def unlock(ctx: Context) -> str:
    ctx.show("t.later_*")
    return "open"


@tool
async def lock(ctx: Context) -> str:
    await ctx.hide("t.later_*")
    return "shut"


@tool
def wrong(ctx: Context) -> str:
    ctx.show("t.later_secrt")
    return "done"


@tool(enabled=False)
def later_secret() -> str:
    return "the secret"


@resource("t://off", enabled=False)
def later_off() -> str:
    return "what was off"


@resource("t://day/{n}", enabled=False)
def later_day(n: int) -> str:
    return f"day {n}"


@prompt(enabled=False)
def later_hush() -> str:
    return "hush"


@resource("t://knock")
def knock(ctx: Context) -> str:
    ctx.show("t.later_hush")
    return "who is there"
"#;

fn folder() -> Folder {
    let folder = Folder::empty();
    folder.write("skills/t/SKILL.md", "---\nname: t\ndescription: Tools for tests.\n---\n");
    folder.write("skills/t/scripts/t.py", SKILL);
    folder
}

/// What can be asked for only when it is shown: how it is asked, and what stands in the answer.
fn hidden() -> [(&'static str, Value, &'static str); 4] {
    [
        ("tools/call", json!({"name": "t_later_secret", "arguments": {}}), "the secret"),
        ("resources/read", json!({"uri": "t://off"}), "what was off"),
        ("resources/read", json!({"uri": "t://day/7"}), "day 7"),
        ("prompts/get", json!({"name": "t_later_hush"}), "hush"),
    ]
}

const LISTS: [(&str, &str, &str); 4] = [
    ("tools/list", "tools", "t_later_secret"),
    ("resources/list", "resources", "t://off"),
    ("resources/templates/list", "resourceTemplates", "t://day/{n}"),
    ("prompts/list", "prompts", "t_later_hush"),
];

/// Whether what is off is in all lists, and can be asked for; `None` where that is true of some only.
fn is_shown(what: &str, mut ask: impl FnMut(&str, Value) -> Value) -> bool {
    let mut shown = Vec::new();
    for (method, member, key) in LISTS {
        let list = ask(method, json!({}));
        assert!(list["result"][member].is_array(), "{what}: {list}");
        shown.push(list["result"][member].to_string().contains(&format!("\"{key}\"")));
    }
    for (method, params, wanted) in hidden() {
        let answer = ask(method, params);
        let has = answer["result"].to_string().contains(wanted);
        assert!(has || answer["error"].is_object(), "{what}: {answer}");
        shown.push(has);
    }
    assert!(shown.iter().all(|one| *one == shown[0]), "{what}: {shown:?}");
    shown[0]
}

/// The lists that a client is told of before the answer to a ping that follows them.
fn told(client: &mut Stdio_) -> Vec<String> {
    let wanted = ["tools", "resources", "prompts"].map(|kind| format!("notifications/{kind}/list_changed"));
    let mut told: Vec<String> = wanted
        .iter()
        .map(|method| {
            client.wait_for(|message| message["method"] == **method)["method"].as_str().unwrap().to_owned()
        })
        .collect();
    client.send(&json!({"jsonrpc": "2.0", "id": "silent", "method": "ping"}));
    loop {
        let message = client.next();
        if message["id"] == "silent" {
            return told;
        }
        told.extend(message["method"].as_str().map(str::to_owned));
    }
}

fn a_session_is_shown_and_told_once_of_each_list(way: &str) {
    let folder = folder();
    let (arguments, backing) =
        ways::prepare(way, &folder, &folder.path("skills"), folder.dir.path(), "NOTHING");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut client = folder.stdio(&arguments).initialised();
    assert!(!is_shown(way, |method, params| client.request(method, params)));
    for (tool, said, shown) in
        [("t.unlock", "open", true), ("t.lock", "shut", false), ("t.unlock", "open", true)]
    {
        assert_eq!(text(&client.result(tool, json!({}))), said, "{way}");
        assert_eq!(told(&mut client).len(), 3, "{way} {tool}: once of each list");
        assert_eq!(is_shown(way, |method, params| client.request(method, params)), shown, "{way} {tool}");
    }
    let wrong = client.result("t.wrong", json!({}));
    assert!(
        wrong["isError"] == true && text(&wrong).contains("did you mean `t.later_secret`?"),
        "{way}: {wrong}"
    );
    client.close();
    // A function of a resource shows, too, but for what a runner answers at once.
    let mut client = folder.stdio(&arguments).initialised();
    assert!(
        !is_shown(way, |method, params| client.request(method, params)),
        "{way}: it ends with its session"
    );
    let read = client.request("resources/read", json!({"uri": "t://knock"}));
    assert_eq!(read["result"]["contents"][0]["text"], "who is there", "{way}: {read}");
    let prompts = client.request("prompts/list", json!({}));
    assert_eq!(prompts.to_string().contains("t_later_hush"), way != "runner", "{way}: {prompts}");
    client.close();
    drop(backing);
}

macro_rules! each_way {
    ($($way:ident)*) => {
        mod a_session_is_shown {
            $(#[test] fn $way() { super::a_session_is_shown_and_told_once_of_each_list(stringify!($way)) })*
        }
    };
}
ways::with_each_way!(each_way);

fn legacy(server: &Http, session: &str, method: &str, params: &Value) -> Value {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
    server.post(&[("Mcp-Session-Id", session)], &body).json()
}

#[test]
fn over_http_it_is_a_sessions_own_or_the_users_who_has_none() {
    let folder = folder();
    let server = folder.http(&[]);
    let (one, other) = (server.session("2025-11-25"), server.session("2025-06-18"));
    let modern = |method: &str, params: Value| server.modern(method, params, &[]).json();
    let session = |name: &str| {
        let (server, name) = (&server, name.to_owned());
        move |method: &str, params: Value| legacy(server, &name, method, &params)
    };
    let everybody = |shown: [bool; 3]| {
        let seen =
            [is_shown("one", session(&one)), is_shown("other", session(&other)), is_shown("modern", modern)];
        assert_eq!(seen, shown);
    };
    everybody([false, false, false]);
    let call = json!({"name": "t.unlock", "arguments": {}});
    assert_eq!(text(&legacy(&server, &one, "tools/call", &call)["result"]), "open");
    everybody([true, false, false]);
    let wanted = json!({"toolsListChanged": true, "resourcesListChanged": true, "promptsListChanged": true});
    let mut told = server.open_modern("subscriptions/listen", json!({"notifications": wanted}));
    assert_eq!(told.next().unwrap()["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(text(&modern("tools/call", call)["result"]), "open");
    let mut kinds: Vec<String> =
        (0..3).map(|_| told.next().unwrap()["method"].as_str().unwrap().to_owned()).collect();
    kinds.sort();
    assert_eq!(
        kinds,
        ["prompts", "resources", "tools"].map(|kind| format!("notifications/{kind}/list_changed"))
    );
    everybody([true, false, true]);
    assert_eq!(text(&modern("tools/call", json!({"name": "t.lock", "arguments": {}}))["result"]), "shut");
    everybody([true, false, false]);
}

/// Opens a client of the official SDK, has it unlock, and prints what it was told of and then lists and reads.
const SDK: &str = r#"
import asyncio, json, sys

from mcp import StdioServerParameters
from mcp.client import Client
from mcp.client.stdio import stdio_client

KINDS = ("tool", "resource", "prompt")


async def main(mode, command):
    told, everything = [], asyncio.Event()

    def heard(message):
        name = type(message).__name__.lower()
        told.extend(kind for kind in KINDS if name.startswith((f"{kind}listchanged", f"{kind}slistchanged")))
        if len(told) >= len(KINDS):
            everything.set()

    async def hear(message):
        # In the new era it gets what the subscription gets.
        if mode == "legacy":
            heard(message)

    async def hear_all(events):
        async for event in events:
            heard(event)
            if everything.is_set():
                return

    server = stdio_client(StdioServerParameters(command=command[0], args=command[1:]))
    async with Client(server, mode=mode, message_handler=hear) as client:
        before = [tool.name for tool in (await client.list_tools()).tools]
        await client.list_resources(), await client.list_prompts()
        if str(client.protocol_version) >= "2026-07-28":
            async with client.listen(
                tools_list_changed=True, resources_list_changed=True, prompts_list_changed=True
            ) as events:
                await client.call_tool("t_unlock", {})
                await asyncio.wait_for(hear_all(events), 60)
        else:
            await client.call_tool("t_unlock", {})
            await asyncio.wait_for(everything.wait(), 60)
        after = [tool.name for tool in (await client.list_tools()).tools]
        read = (await client.read_resource("t://off")).contents[0].text
        prompts = [prompt.name for prompt in (await client.list_prompts()).prompts]
        return {"told": sorted(told), "new": sorted(set(after) - set(before)), "read": read, "prompts": prompts}


print(json.dumps(asyncio.run(main(sys.argv[1], sys.argv[2:]))))
"#;

#[test]
fn a_client_on_the_official_python_sdk_is_told_in_both_eras() {
    let Some(python) = support::python_with_sdk() else { return };
    let folder = folder();
    folder.write("client.py", SDK);
    for mode in ["legacy", "auto"] {
        // The SDK hands its server few variables, so the folder's own come with the command.
        let omni = folder.omni(&[]);
        let mut command = Command::new(&python);
        command.arg(folder.path("client.py")).arg(mode).arg("env").current_dir(folder.dir.path());
        for (name, value) in omni.get_envs() {
            if let Some(value) = value {
                command.arg(format!("{}={}", name.to_str().unwrap(), value.to_str().unwrap()));
            }
        }
        let output = command.arg(env!("CARGO_BIN_EXE_omni")).arg("mcp").output().unwrap();
        let seen: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{mode}: {}", String::from_utf8_lossy(&output.stderr)));
        let wanted = json!({
            "told": ["prompt", "resource", "tool"], "new": ["t_later_secret"], "read": "what was off", "prompts": ["t_later_hush"],
        });
        assert_eq!(seen, wanted, "{mode}");
    }
}
