//! What people see of a call on the server's standard error: its one line, and what it printed that no client hears.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use serde_json::{Value, json};
use support::{Folder, wait_until};

const TOOLS: &str = r#"
import asyncio, logging, sys

logging.basicConfig(level=logging.INFO)

@tool
def talks(ctx: Context) -> str:
    print("printed \x1b[31m" + "red")
    print("to stderr", file=sys.stderr)
    logging.info("logged")
    ctx.warning("told\nus")
    ctx.debug("details")
    return "ok"

@tool
async def talks_async(name: str) -> str:
    print("I am", end=" ")
    await asyncio.sleep(0.01)
    print(name)
    return "ok"

@tool
def floods(bytes: int) -> str:
    for _ in range(bytes // 100):
        print("y" * 99)
    return "ok"

@tool
def fails() -> str:
    raise KeyError("x")

@tool(cache_ttl=60)
def kept() -> str:
    return "kept"
"#;

/// A client on standard input and output whose server's standard error is kept.
struct Client {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Client {
    fn start(folder: &Folder, arguments: &[&str]) -> Self {
        let mut command = folder.omni(&["mcp"]);
        command.args(arguments).env_remove("OMNI_LOG");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let mut client = Client { child, input, output };
        let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}});
        client.request("initialize", &params);
        client
    }

    fn request(&mut self, method: &str, params: &Value) -> Value {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        writeln!(self.input.as_mut().unwrap(), "{message}").unwrap();
        loop {
            let mut line = String::new();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "the server ended");
            let message: Value = serde_json::from_str(&line).unwrap();
            if message["id"] == 1 {
                return message;
            }
        }
    }

    fn call(&mut self, tool: &str, arguments: &Value) -> Value {
        self.request("tools/call", &json!({"name": tool, "arguments": arguments}))
    }

    /// All lines of the server's standard error, when it has ended.
    fn log(mut self) -> Vec<String> {
        drop(self.input.take());
        let mut text = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        assert!(self.child.wait().unwrap().success());
        text.lines().map(str::to_owned).collect()
    }
}

/// The lines that hold all of the words.
fn with<'a>(log: &'a [String], words: &[&str]) -> Vec<&'a str> {
    log.iter().map(String::as_str).filter(|line| words.iter().all(|word| line.contains(word))).collect()
}

#[test]
fn each_call_leaves_one_line_and_what_it_said_that_nobody_asked_for() {
    let folder = Folder::new(TOOLS);
    let mut client = Client::start(&folder, &[]);
    client.call("t.talks", &json!({}));
    client.call("t.talks_async", &json!({"name": "shared"}));
    client.call("t.fails", &json!({}));
    client.call("t.talks_async", &json!({"name": 3}));
    client.call("t.kept", &json!({}));
    client.call("t.kept", &json!({}));
    client.call("t.none", &json!({}));
    let log = client.log();
    for (tool, kind) in [
        ("t.talks", "finished"),
        ("t.talks_async", "finished"),
        ("t.fails", "tool_error"),
        ("t.talks_async", "invalid_arguments"),
    ] {
        let lines = with(
            &log,
            &[
                "INFO call ",
                &format!(" tool={tool} "),
                &format!(" kind={kind} "),
                " waiting_ms=",
                " running_ms=",
            ],
        );
        assert_eq!(lines.len(), 1, "{tool} {kind}: {log:#?}");
    }
    assert_eq!(with(&log, &["INFO call ", "tool=t.kept"]).len(), 2);
    assert_eq!(with(&log, &["INFO call ", "tool=t.kept", "cached=true"]).len(), 1);
    assert_eq!(with(&log, &["INFO call ", "tool=t.none kind=unknown_tool"]).len(), 1);
    for said in [
        r#"from=stdout text="printed \x1b[31mred""#,
        r#"from=stderr text="to stderr""#,
        "from=stderr text=INFO:root:logged",
        r#"level=warning text="told\nus""#,
    ] {
        assert_eq!(with(&log, &["INFO output tool=t.talks call=", said]).len(), 1, "{said}: {log:#?}");
    }
    assert_eq!(with(&log, &["output tool=t.talks_async", r#"text="I am shared""#]).len(), 1, "{log:#?}");
    assert_eq!(with(&log, &["details"]).len(), 0, "that is for `debug`");
}

#[test]
fn what_a_client_hears_is_not_logged_and_the_rest_is() {
    let folder = Folder::new(TOOLS);
    let mut client = Client::start(&folder, &["--log-level", "debug"]);
    client.request("logging/setLevel", &json!({"level": "warning"}));
    client.call("t.talks", &json!({}));
    let log = client.log();
    let output = with(&log, &[" output tool=t.talks"]);
    assert_eq!(output.len(), 2, "{output:#?}");
    assert!(output[0].contains("printed") && output[1].contains("details"), "{output:#?}");
}

#[test]
fn the_log_of_output_is_bounded_and_can_be_switched_off() {
    let folder = Folder::new(TOOLS);
    let mut client = Client::start(&folder, &[]);
    client.call("t.floods", &json!({"bytes": 1 << 20}));
    let log = client.log();
    let shown: usize =
        with(&log, &["output tool=t.floods"]).iter().map(|line| line.matches('y').count()).sum();
    assert!(shown > 32 << 10 && shown <= 64 << 10, "{shown}");
    let left_out = with(&log, &["more output is left out tool=t.floods"]);
    let bytes: usize = left_out[0].rsplit_once("bytes=").unwrap().1.parse().unwrap();
    assert!(bytes + shown > 1_000_000, "{bytes} {shown}");
    folder.write("omni.toml", "log_output = false\n");
    for arguments in [&[][..], &["--log-output", "true"]] {
        let mut client = Client::start(&folder, arguments);
        client.call("t.talks", &json!({}));
        let log = client.log();
        assert_eq!(with(&log, &["output tool="]).is_empty(), arguments.is_empty(), "{log:#?}");
        assert_eq!(with(&log, &["INFO call tool=t.talks"]).len(), 1);
    }
}

#[test]
fn a_level_that_is_taken_out_of_the_file_is_the_default_again_while_a_server_runs() {
    let folder = Folder::new(TOOLS);
    folder.write("omni.toml", "log_level = \"warn\"\n");
    let mut client = Client::start(&folder, &[]);
    let looks = || folder.run(&["reload"]).status.success();
    wait_until("the server cannot be asked to look", looks);
    client.call("t.kept", &json!({}));
    folder.write("omni.toml", "");
    assert!(looks());
    client.call("t.talks", &json!({}));
    let log = client.log();
    assert_eq!(with(&log, &["INFO call tool=t.kept"]).len(), 0, "{log:#?}");
    assert_eq!(with(&log, &["INFO call tool=t.talks"]).len(), 1, "{log:#?}");
}

#[test]
fn how_much_is_logged_is_said_by_flag_variable_or_file_and_what_is_no_level_is_refused_by_its_name() {
    let mut folder = Folder::new(TOOLS);
    folder.write("omni.toml", "log_level = \"warn\"\n");
    for (arguments, lines) in [(&[][..], 0), (&["--log-level", "info"], 1), (&["--log-level", "off"], 0)] {
        let mut client = Client::start(&folder, arguments);
        client.call("t.talks", &json!({}));
        assert_eq!(with(&client.log(), &["INFO call "]).len(), lines, "{arguments:?}");
    }
    let refused = |folder: &Folder, arguments: &[&str]| {
        let output = folder.run(arguments);
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let said = refused(&folder, &["list", "--log-level", "inof"]);
    assert!(said.contains("`--log-level inof`") && said.contains("`info`"), "{said}");
    folder.write("omni.toml", "log_level = \"loud\"\n");
    let said = refused(&folder, &["list"]);
    assert!(said.contains("`log_level = \"loud\"`") && said.contains("omni.toml"), "{said}");
    folder.env.push(("OMNI_LOG", "verbose".into()));
    let said = refused(&folder, &["list"]);
    assert!(said.contains("`OMNI_LOG=verbose`"), "{said}");
}

#[test]
fn a_reader_of_standard_error_who_stands_still_holds_up_no_call() {
    let folder = Folder::new(TOOLS);
    let mut client = Client::start(&folder, &[]);
    // More than a pipe holds, many times over.
    for _ in 0..40 {
        let reply = client.call("t.floods", &json!({"bytes": 64 << 10}));
        assert_eq!(reply["result"]["content"][0]["text"], "ok");
    }
    drop(client.input.take());
    assert!(client.child.wait().unwrap().success(), "nor the end of the server");
}

#[test]
fn a_result_says_how_long_its_call_waited_and_ran_when_that_is_asked() {
    let folder = Folder::new(TOOLS);
    let mut client = Client::start(&folder, &[]);
    for (asked, told) in [(json!(true), true), (json!(false), false), (json!("yes"), false)] {
        let params = json!({"name": "t.kept", "arguments": {}, "_meta": {"omni/timing": asked}});
        let reply = client.request("tools/call", &params);
        let timing = &reply["result"]["_meta"]["omni/timing"];
        assert_eq!(timing["waiting_ms"].is_f64() && timing["running_ms"].is_f64(), told, "{reply}");
    }
    client.log();
}
