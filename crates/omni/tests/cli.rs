//! The command line: what works with no server, and one clear sentence for each mistake.

#![allow(clippy::disallowed_methods, reason = "a test runs what a user runs")]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

use support::Folder;

const TOOLS: &str = r#"
import time

@tool
def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b

@tool
def fail() -> str:
    """Refuse."""
    raise ToolError("no such thing")

@tool
def nap() -> str:
    """Sleep."""
    time.sleep(3600)
    return ""
"#;

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_question_of_a_tool_is_shown_and_cancelled_where_no_terminal_is() {
    let folder = Folder::empty();
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/skills");
    let notes = format!("notes={}", folder.path("notes").to_string_lossy());
    let output = folder.run(&["call", "asks.asks_once", &notes, "--skills", fixtures]);
    assert!(stderr(&output).contains("the tool asks: "), "{}", stderr(&output));
    assert!(stdout(&output).contains("cancel"), "{}", stdout(&output));
}

#[test]
fn a_tool_is_called_without_a_server_and_the_exit_code_tells_how_it_went() {
    let folder = Folder::new(TOOLS);
    let cases: [(&[&str], i32, &str); 8] = [
        (&["call", "t.add", "a=41"], 0, "42\n"),
        (&["call", "t.add", "--args", "{\"a\": 1, \"b\": 2}"], 0, "3\n"),
        (&["call", "t.fail"], 1, ""),
        (&["call", "t.add"], 2, ""),
        (&["call", "t.add", "a=x"], 2, ""),
        (&["call", "t.nope"], 2, ""),
        (&["call", "t.add", "--args", "[1]"], 2, ""),
        (&["call", "t.nap", "--timeout", "1"], 124, ""),
    ];
    for (arguments, code, out) in cases {
        let output = folder.run(arguments);
        assert_eq!(
            (output.status.code(), stdout(&output).as_str()),
            (Some(code), out),
            "{arguments:?}: {}",
            stderr(&output)
        );
    }
    let json = folder.run(&["call", "t.add", "a=1", "--json"]);
    let result: serde_json::Value = serde_json::from_str(&stdout(&json)).unwrap();
    assert_eq!(result["structuredContent"]["result"], 2);
}

#[test]
fn each_mistake_at_the_start_is_one_sentence_that_says_what_to_do() {
    let folder = Folder::new(TOOLS);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let http = |more: &[&str]| {
        let mut arguments = vec!["mcp", "--transport", "http"];
        arguments.extend(more);
        folder.run(&arguments)
    };
    let cases = [
        (http(&["--port", &port]), "is in use; take another one with `--port"),
        (http(&["--port", "0", "--skills", "nowhere"]), "`--skills nowhere`: there is no such folder"),
        (
            http(&["--port", "0", "--python", "nowhere/python3"]),
            "there is no such program; give the path of a Python 3.9",
        ),
        (http(&["--port", "0", "--host", "0.0.0.0"]), "anybody there could run the tools"),
        (http(&["--port", "0", "--timeout", "-1"]), "is not a number of seconds"),
        (http(&["--port", "0", "--config", "none.toml"]), "there is no such file"),
    ];
    for (output, expected) in cases {
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.starts_with("error: ") && said.contains(expected), "{expected} in {said}");
        assert_eq!(said.trim_end().lines().count(), 1, "{said}");
    }
}

#[test]
fn settings_come_from_omni_toml_and_reach_the_tools() {
    let folder = Folder::new(
        "@tool\ndef setting(ctx: Context) -> str:\n    \"Tell a setting.\"\n    return ctx.settings['colour']\n",
    );
    folder.write("omni.toml", "[skills.t]\ncolour = \"blue\"\n");
    assert_eq!(stdout(&folder.run(&["call", "t.setting"])), "blue\n");
    folder.write("omni.toml", "timeuot = 3\n");
    let output = folder.run(&["call", "t.setting"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("timeuot"), "{}", stderr(&output));
}

#[test]
fn listing_describing_and_checking_never_start_python() {
    let folder = Folder::new(TOOLS);
    let script = format!("#!/bin/sh\ntouch '{}'\nexit 1\n", folder.path("started").display());
    folder.write("python3", &script);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path("python3"), mode).unwrap();
    for arguments in [&["list"][..], &["describe", "t.add"], &["sync"], &["list", "--json"]] {
        let output = folder.omni(arguments).env("PATH", folder.dir.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
    }
    let mut client = folder.stdio(&["--python", folder.path("python3").to_str().unwrap()]).initialised();
    let list = client.request("tools/list", serde_json::json!({}));
    assert_eq!(list["result"]["tools"].as_array().unwrap().len(), 3);
    client.close();
    assert!(!folder.path("started").exists());
    // The control: a call does start it, so the trap works.
    assert_eq!(
        folder
            .run(&["call", "t.add", "a=1", "--python", folder.path("python3").to_str().unwrap()])
            .status
            .code(),
        Some(1)
    );
    assert!(folder.path("started").exists());
}

#[test]
fn a_broken_file_is_reported_with_its_line_and_hides_no_neighbour() {
    let folder = Folder::new(TOOLS);
    folder.write("skills/t/scripts/broken.py", "from omni import tool\n\n@tool\ndef broken(:\n    pass\n");
    folder.write("skills/odd/SKILL.md", "---\nname: odd\ndescription: colons: everywhere\n---\n");
    folder.write(
        "skills/odd/scripts/odd.py",
        "from omni import tool\n@tool\ndef one() -> int:\n    \"One.\"\n    return 1\n",
    );
    let listed = stdout(&folder.run(&["list"]));
    for tool in ["t.add", "t.fail", "t.nap", "odd.one"] {
        assert!(listed.contains(tool), "{tool} in {listed}");
    }
    let doctor = folder.run(&["doctor"]);
    let said = stdout(&doctor) + &stderr(&doctor);
    assert!(said.contains("broken.py:4:"), "{said}");
    assert!(said.contains("SKILL.md:3:"), "{said}");
    assert_eq!(folder.run(&["doctor", "--strict"]).status.code(), Some(1));
}

#[test]
fn a_former_executor_is_refused_with_its_new_spelling_wherever_it_is_named() {
    let folder = Folder::new(TOOLS);
    let said = |arguments: &[&str]| {
        let output = folder.run(arguments);
        (output.status.code(), stdout(&output) + &String::from_utf8_lossy(&output.stderr))
    };
    let new = "`prewarmed` is now `fork` with `ahead = 2`";
    let (code, text) = said(&["call", "t.add", "a=41", "--executor", "prewarmed"]);
    assert!(code == Some(2) && text.contains(new), "{code:?}: {text}");
    folder.write("omni.toml", "executor = \"prewarmed\"\n");
    let (code, text) = said(&["call", "t.add", "a=41"]);
    assert!(code != Some(0) && text.contains(new) && text.contains("omni.toml"), "{code:?}: {text}");
    folder.write("omni.toml", "[fork]\nahead = 1\ncalls = 2\n");
    let (_, text) = said(&["call", "t.add", "a=41", "--executor", "fork"]);
    assert!(text.contains("42"), "{text}");
    folder.write("skills/t/SKILL.md", "---\nname: t\ndescription: d\nexecutor: prewarmed\nahead: 99\n---\n");
    let (_, text) = said(&["doctor"]);
    assert!(text.contains(&format!("`executor: prewarmed`: {new}")), "{text}");
    assert!(text.contains("`ahead` must be a number of processes from 0 to 64; it is `99`"), "{text}");
    folder.write(
        "skills/t/scripts/old.py",
        "from omni import tool\n@tool(executor=\"prewarmed\")\ndef old(): ...\n",
    );
    let (_, text) = said(&["doctor"]);
    assert!(text.contains("old.py:2:7") && text.contains(new), "{text}");
    // An option that is wrong is not applied, and costs the tool nothing else.
    let (code, text) = said(&["call", "t.old"]);
    assert_eq!(code, Some(0), "{text}");
}

#[test]
fn doctor_says_whether_python_runs_inside_omni() {
    let folder = Folder::new(TOOLS);
    let report: serde_json::Value =
        serde_json::from_slice(&folder.run(&["doctor", "--json"]).stdout).unwrap();
    assert!(report["embedding"]["library"].as_str().unwrap().contains("libpython"), "{report}");
    assert!(report["embedding"]["ready_ms"].as_f64().unwrap() > 0.0);
    assert!(stdout(&folder.run(&["doctor"])).contains("embedding works with /"));
}

/// A client may leak what it has open into omni; a tool, and what the tool starts, gets none of it.
#[test]
fn a_descriptor_that_omni_inherits_reaches_no_tool() {
    let tool = "import subprocess\n@tool\ndef held() -> str:\n    \
         listed = subprocess.run(['ls', '-l', '/proc/self/fd'], close_fds=False, capture_output=True, text=True)\n    \
         return str('leaked-file' in listed.stdout)\n";
    let folder = Folder::new(tool);
    folder.write("leaked-file", "secret");
    let call = folder.omni(&["call", "t.held"]);
    for executor in ["pool", "fork", "spawn"] {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", "exec 9<leaked-file; exec \"$@\"", "sh"])
            .arg(call.get_program())
            .args(call.get_args());
        shell.args(["--executor", executor]).current_dir(folder.path(""));
        for (name, value) in call.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        let done = shell.stdin(Stdio::null()).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&done.stdout), "False\n", "{executor}: {done:?}");
    }
}
