//! What a client reads of a call that failed: as much as the setting says, and the same however the tool is run.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use serde_json::{Value, json};
use support::{Folder, kind, text, ways};

/// Tools that fail in the way that they are told. What only the author should read holds `hunter2`.
const TOOLS: &str = r#"
import asyncio, dataclasses, datetime, os, sys
from omni import ToolError

class BaseExceptionGroup(Exception):
    """Like the one that Python has from 3.11 on."""
    def __init__(self, message, members):
        super().__init__(f"{message} ({len(members)} sub-exceptions)")
        self.exceptions = tuple(members)

class Group(BaseExceptionGroup): ...

class Meta(type):
    @property
    def __name__(cls):
        raise RuntimeError("no name")

class Nameless(Exception, metaclass=Meta): ...

class Unreadable(Exception):
    def __str__(self):
        raise RuntimeError("no text")

class Number(Exception):
    def __str__(self):
        return 5

def fail(how):
    if how == "value": raise ValueError("hunter2 is no number")
    if how == "empty": raise AssertionError
    if how == "key": return {}["hunter2"]
    if how == "lines": raise KeyError("first hunter2\nsecond line")
    if how == "chain":
        try: {}["inner hunter2"]
        except KeyError as error: raise RuntimeError("outer") from error
    if how == "context":
        try: {}["inner"]
        except KeyError: raise RuntimeError("outer hunter2")
    if how == "note":
        error = ValueError("hunter2"); error.__notes__ = ["try another"]; raise error
    if how == "group": raise Group("several", [ValueError("a hunter2"), KeyError("b")])
    if how == "tool group": raise Group("several", [ToolError("a for you"), ToolError("b for you")])
    if how == "huge": raise ValueError("hunter2 " + "é" * 100_000)
    if how == "surrogate": raise ValueError("hunter2 \ud800 end")
    if how == "unreadable": raise Unreadable
    if how == "number": raise Number
    if how == "nameless": raise Nameless("hunter2")
    if how == "interrupt": raise KeyboardInterrupt
    if how == "generator exit": raise GeneratorExit("hunter2")
    if how == "exit": sys.exit("hunter2 is wrong")
    if how == "memory": raise MemoryError("hunter2")
    if how == "tool": raise ToolError("for you")
    if how == "from": raise ToolError("for you") from ValueError("hunter2")
    if how == "last words":
        os.write(2, b"hunter2 went wrong\n"); os._exit(4)
    if how == "abort":
        os.write(2, b"free(): invalid pointer hunter2\n"); os.abort()

@tool
def fails(how: str) -> str:
    """Fail."""
    fail(how)

@tool
async def async_fails(how: str) -> str:
    """Fail in an event loop."""
    await asyncio.sleep(0)
    fail(how)

@tool
def yields(how: str) -> list:
    """Fail while what is yielded is gone through."""
    yield 1
    fail(how)

@dataclasses.dataclass
class Stay:
    day: datetime.date
    nights: int = 1
    def __post_init__(self):
        if self.nights > 30:
            raise ValueError("30 nights at most")

@tool
def books(day: datetime.date, stays: "list[Stay]") -> str:
    """Book."""
    return "booked"
"#;

const PROGRAMS: &str = "---
name: t
description: d
tools:
  - {name: quiet, description: d, command: [sh, -c, 'echo hunter2 is wrong >&2; exit 3']}
  - {name: loud, description: d, command: [sh, -c, 'echo it failed; echo hunter2 is wrong >&2; exit 3']}
  - {name: killed, description: d, command: [sh, -c, 'echo hunter2 is wrong >&2; kill -9 $$']}
  - {name: missing, description: d, command: [no-such-program]}
---
";

const BROKEN: &str = "
from omni import tool
raise RuntimeError('hunter2 on import')

@tool
def broken() -> str:
    ...
";

fn folder() -> Folder {
    let folder = Folder::new(TOOLS);
    folder.write("skills/t/SKILL.md", PROGRAMS);
    folder.write("skills/t/scripts/broken.py", BROKEN);
    std::fs::create_dir_all(folder.path("root")).unwrap();
    folder
}

/// What is raised, how the call ends, and what is read of it with `message`.
const RAISED: &[(&str, &str, &str)] = &[
    ("value", "tool_error", ": hunter2 is no number"),
    ("empty", "tool_error", " without a message"),
    ("key", "tool_error", ": 'hunter2'"),
    ("lines", "tool_error", ": first hunter2\nsecond line"),
    ("chain", "tool_error", ": outer\ncaused by `KeyError`: 'inner hunter2'"),
    ("context", "tool_error", ": outer hunter2"),
    ("note", "tool_error", ": hunter2\ntry another"),
    ("group", "tool_error", "sub-exceptions)\n- `ValueError`: a hunter2\n- `KeyError`: 'b'"),
    ("huge", "tool_error", "… (cut: it has 100008 characters)"),
    ("surrogate", "tool_error", ": hunter2 ? end"),
    ("unreadable", "tool_error", ": <the exception's text cannot be read: RuntimeError>"),
    ("number", "tool_error", ": <the exception's text cannot be read: TypeError>"),
    ("nameless", "tool_error", "`Nameless` at scripts/t.py:"),
    ("interrupt", "tool_error", "`KeyboardInterrupt` at scripts/t.py:"),
    ("generator exit", "tool_error", ": hunter2"),
    ("exit", "exited", " with exit code 1: hunter2 is wrong"),
    ("memory", "oom", ": hunter2"),
    ("last words", "exited", "last output on stderr:\nhunter2 went wrong"),
    ("abort", "signalled", "last output on stderr:\nfree(): invalid pointer hunter2"),
];

/// What the author means for the client.
const INTENDED: &[(&str, &str)] =
    &[("tool", "for you"), ("from", "for you"), ("tool group", "a for you\nb for you")];

fn check(way: &str) {
    for detail in ["message", "masked"] {
        let folder = folder();
        let (mut arguments, _backing) =
            ways::prepare(way, &folder, &folder.path("skills"), &folder.path("root"), "NOTHING");
        if detail == "masked" {
            arguments.extend(["--errors".to_owned(), "masked".to_owned()]);
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut client = folder.stdio(&arguments).initialised();
        let mut read = |tool: &str, arguments: Value| client.result(tool, arguments);
        for tool in ["t.fails", "t.async_fails", "t.yields"] {
            for (how, expected, said) in RAISED {
                // There the process is the server's own.
                let ends_it = matches!(*how, "last words" | "abort");
                if ends_it && (way == "embedded" || tool == "t.yields") {
                    continue;
                }
                let result = read(tool, json!({"how": how}));
                let about = format!("{way}, {detail}, {tool} {how}: {result}");
                assert_eq!(kind(&result), *expected, "{about}");
                if detail == "message" {
                    assert!(text(&result).contains(said), "{about}");
                    assert!(text(&result).len() < 2300, "{about}");
                    assert_eq!(text(&result).contains("inner"), *how == "chain", "{about}");
                } else {
                    assert!(!result.to_string().contains("hunter2"), "{about}");
                }
                if matches!(*expected, "tool_error" | "oom") {
                    assert!(text(&result).contains(" at scripts/t.py:"), "{about}");
                }
            }
            for (how, said) in INTENDED {
                let result = read(tool, json!({"how": how}));
                assert_eq!(text(&result), *said, "{way}, {detail}, {tool} {how}");
            }
        }
        check_arguments(&read(
            "t.books",
            json!({"day": "20240228", "stays": [{"day": "2025-02-30"}, {"day": "2025-01-31", "nights": 31}]}),
        ));
        let broken = read("t.broken", json!({}));
        assert_eq!(kind(&broken), "load_error");
        assert!(
            text(&broken).contains("`RuntimeError`") || text(&broken).contains("RuntimeError: "),
            "{broken}"
        );
        assert!(text(&broken).contains("scripts/broken.py:3"), "{broken}");
        assert_eq!(broken.to_string().contains("hunter2"), detail == "message", "{broken}");
        for (tool, expected, said) in [
            ("t.quiet", "exited", "exit code 3"),
            ("t.loud", "finished", "it failed"),
            ("t.killed", "signalled", "signal 9"),
            ("t.missing", "worker_start", "`no-such-program` cannot be run"),
        ] {
            let result = read(tool, json!({}));
            let failure = &result["_meta"]["omni/failure"]["kind"];
            assert_eq!(failure.as_str().unwrap_or("finished"), expected, "{result}");
            assert!(text(&result).contains(said) && result["isError"] == true, "{result}");
            let told = result["content"].to_string();
            assert_eq!(
                told.contains("hunter2 is wrong"),
                detail == "message" && tool != "t.missing",
                "{tool}: {result}"
            );
            assert!(tool != "t.loud" || told.contains("ended with exit code 3"), "{result}");
            assert_eq!(told.contains("--errors message"), detail == "masked", "{tool}: {result}");
        }
    }
}

fn check_arguments(result: &Value) {
    let failure = &result["_meta"]["omni/failure"];
    assert_eq!((kind(result), &failure["phase"]), ("invalid_arguments", &json!("validation")), "{result}");
    let lines: Vec<&str> = text(result).lines().collect();
    assert_eq!(lines[0], "`t.books` was not called: 3 problems with its arguments", "{result}");
    for (line, place) in
        lines[1..].iter().zip(["- /day: '20240228' is no date", "- /stays/0/day: ", "- /stays/1: 30 nights"])
    {
        assert!(line.starts_with(place), "{line}, not {place}");
    }
    assert!(lines[1].ends_with("write it like 2025-01-31"), "{}", lines[1]);
}

macro_rules! a_failure_is_read_alike {
    ($($way:ident)*) => {$(
        #[test]
        fn $way() {
            check(stringify!($way));
        }
    )*};
}
ways::with_each_way!(a_failure_is_read_alike);

/// The whole of what `t.fails` says to a client over HTTP.
fn over_http(folder: &Folder, arguments: &[&str], headers: &[(&str, &str)]) -> String {
    let server = folder.http(arguments);
    let call = json!({"name": "t.fails", "arguments": {"how": "value"}});
    let mut all = vec![("Mcp-Name", "t.fails")];
    all.extend(headers);
    server.modern("tools/call", call, &all).json().to_string()
}

#[test]
fn over_http_messages_are_masked_as_soon_as_others_may_call_and_a_setting_wins() {
    let folder = folder();
    let token = "0123456789abcdef0123456789abcdef";
    folder.write("token", token);
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(folder.path("token"), private).unwrap();
    let token_file = folder.path("token").to_str().unwrap().to_owned();
    let bearer = format!("Bearer {token}");
    let with_token = [("Authorization", bearer.as_str())];
    for (arguments, headers, speaks) in [
        (&[][..], &[][..], true),
        (&["--allow-host", "app.localhost"], &[], true),
        (&["--allow-origin", "http://localhost:6274"], &[], true),
        (&["--allow-host", "example.com"], &[], false),
        (&["--allow-origin", "https://chat.example.com"], &[], false),
        (&["--allow-unauthenticated"], &[], false),
        (&["--allow-user", "0"], &[], false),
        (&["--http-token", &token_file], &with_token, false),
        (&["--http-token", &token_file, "--errors", "message"], &with_token, true),
        (&["--errors", "masked"], &[], false),
    ] {
        let said = over_http(&folder, arguments, headers);
        assert!(said.contains("`ValueError` at scripts/t.py:"), "{arguments:?}: {said}");
        assert_eq!(said.contains("hunter2"), speaks, "{arguments:?}: {said}");
    }
    folder.write("omni.toml", "errors = \"message\"\n[http]\nallow_users = [0]\n");
    let config = folder.path("omni.toml");
    assert!(over_http(&folder, &["--config", config.to_str().unwrap()], &[]).contains("hunter2"));
    folder.write("omni.toml", "[http]\nallow_users = [0]\n");
    assert!(!over_http(&folder, &["--config", config.to_str().unwrap()], &[]).contains("hunter2"));
}

#[test]
fn the_lines_at_start_and_the_doctor_say_which_step_is_in_force_and_why() {
    let folder = folder();
    for (arguments, said) in [
        (&[][..], "errors = message: clients read what an exception says\n"),
        (
            &["--allow-host", "example.com"],
            "errors = masked: clients read an exception's class and place, and not what it says, because of the allowed host `example.com`",
        ),
        (
            &["--allow-user", "0", "--errors", "full"],
            "errors = full: clients read what an exception says, its traceback, and what tools write to stderr, also those let in by `--allow-user`",
        ),
    ] {
        let announced = folder.http(arguments).announced.clone();
        assert!(announced.contains(said), "{arguments:?}: {announced}");
    }
    let doctor = |arguments: &[&str]| {
        String::from_utf8(folder.run(&[&["doctor"], arguments].concat()).stdout).unwrap()
    };
    assert!(doctor(&[]).contains("errors  message; masked over HTTP as soon as others may call\n"));
    folder.write("own.toml", "[http]\nallow_users = [0]\n");
    let config = folder.path("own.toml");
    let own = ["--config", config.to_str().unwrap()];
    assert!(
        doctor(&own).contains("errors  message over stdio, masked over HTTP because of `http.allow_users`\n")
    );
    folder.write("own.toml", "errors = \"full\"\n");
    assert!(doctor(&own).contains("errors  full, as it is set\n"));
}

#[test]
fn an_unknown_step_is_refused_with_the_three_there_are() {
    let mut folder = folder();
    let refused = |folder: &Folder, arguments: &[&str]| {
        let output = folder.run(&[&["call", "t.fails", "how=value"], arguments].concat());
        assert!(!output.status.success(), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        for name in ["loud", "masked", "message", "full"] {
            assert!(said.contains(name), "{name}: {said}");
        }
    };
    refused(&folder, &["--errors", "loud"]);
    folder.write("own.toml", "errors = \"loud\"\n");
    let config = folder.path("own.toml");
    refused(&folder, &["--config", config.to_str().unwrap()]);
    folder.env.push(("OMNI_ERRORS", "loud".into()));
    refused(&folder, &[]);
}

#[test]
fn the_command_line_prints_the_authors_traceback_once_and_nothing_of_ours() {
    let folder = folder();
    for arguments in [
        &["t.fails", "how=value"][..],
        &["t.async_fails", "how=value"],
        &["t.yields", "how=value"],
        &["t.broken"],
        &["t.fails", "how=value", "--executor", "spawn"],
        &["t.fails", "how=value", "--executor", "fork"],
        &["t.async_fails", "how=value", "--executor", "spawn"],
    ] {
        let output = folder.run(&[&["call"], arguments].concat());
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(said.matches("Traceback (most recent call last):").count(), 1, "{arguments:?}: {said}");
        let error = said
            .lines()
            .map(str::trim)
            .filter(|line| line.starts_with("ValueError: ") || line.starts_with("RuntimeError: "));
        assert_eq!(error.count(), 1, "{arguments:?}: {said}");
        assert!(said.contains("\n    File \""), "a frame stands on a line of its own: {said}");
        for ours in [
            "Some(",
            "\\n",
            "WARN",
            "omni/invoke.py",
            "omni/await_outside_loop.py",
            "omni/load.py",
            "asyncio",
            "importlib",
        ] {
            assert!(!said.contains(ours), "`{ours}` in {said}");
        }
    }
    let output = folder.run(&["call", "t.fails", "how=value", "--errors", "masked"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let (log, shown): (Vec<&str>, Vec<&str>) = said.lines().partition(|line| line.contains("WARN"));
    assert!(
        log.len() == 1 && log[0].contains(r#"text="hunter2 is no number""#) && log[0].contains("traceback="),
        "{said}"
    );
    assert!(!log[0].contains("Some(") && !log[0].contains(r"\\n"), "{said}");
    assert!(!shown.concat().contains("hunter2"), "{said}");
}
