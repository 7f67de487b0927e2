//! The decorator's options.

use omni_call::{ExecutorKind, ForkSettings};
use serde_json::json;

use omni_call::{OptionKind, OptionPlace, ToolOption};

use super::{commands, findings, scan_text, tool};

#[test]
fn every_option_arrives_where_it_belongs() {
    let tool = tool(
        r#"from omni import tool
SECONDS = 60
@tool(
    name="take-stock", description="Says.", category="shop", title="Take stock", read_only=True, destructive=False,
    idempotent=True, open_world=False, timeout=SECONDS * 2, idle_timeout=0.5, executor="spawn",
    input_schema={"type": "object", "properties": {"n": {"type": "integer"}}},
    output_schema={"properties": {"ok": {"type": "boolean"}}}, meta={"a": [1, None]},
    icons=[{"src": "data:x", "mimeType": "image/png"}], tags=["b", "a", "b"], version=3,
)
async def stock(n): "Not used."
"#,
    );
    assert_eq!(
        json!({
            "command": "take-stock", "function": "stock", "file": "scripts/a.py", "line": 10, "is_async": true,
            "title": "Take stock", "description": "Says.",
            "input_schema": {"type": "object", "properties": {"n": {"type": "integer"}}},
            "output_schema": {"properties": {"ok": {"type": "boolean"}}, "type": "object"},
            "annotations": {"title": "Take stock", "readOnlyHint": true, "destructiveHint": false,
                "idempotentHint": true, "openWorldHint": false},
            "limits": {"timeout_ms": 120_000, "idle_timeout_ms": 500}, "executor": "spawn", "meta": {"a": [1, null]},
            "icons": [{"src": "data:x", "mimeType": "image/png"}], "tags": ["b", "a"], "category": "shop",
            "version": "3",
        }),
        serde_json::to_value(&tool).unwrap()
    );
    assert_eq!(Some(ExecutorKind::Spawn), tool.executor);
}

#[test]
fn what_is_done_around_a_call_is_declared_in_the_decorator() {
    let tool = tool(
        r#"import requests
from omni import tool
@tool(affinity="session", concurrency=2, retry_on=(ConnectionError, requests.Timeout, "Own"), max_attempts=4, cache_ttl=1.5)
def go(): ...
"#,
    );
    assert_eq!(
        json!({"retry_on": ["ConnectionError", "Timeout", "Own"], "max_attempts": 4, "cache_ttl_ms": 1500,
            "concurrency": 2, "affinity": "session"}),
        serde_json::to_value(&tool.policy).unwrap()
    );
}

#[test]
fn one_exception_needs_no_tuple_and_may_be_a_text() {
    for value in ["ConnectionError", "\"ConnectionError\"", "[ConnectionError]", "errors.ConnectionError"] {
        let text = format!("from omni import tool\n@tool(retry_on={value}, cache_ttl=0)\ndef go(): ...\n");
        let tool = tool(&text);
        assert_eq!(
            (vec!["ConnectionError".to_owned()], Some(0)),
            (tool.policy.retry_on, tool.policy.cache_ttl_ms)
        );
    }
}

#[test]
fn a_policy_that_makes_no_sense_is_refused_with_what_would() {
    let found = scan_text(
        "from omni import tool\n@tool(affinity=\"sticky\", concurrency=0, retry_on=3, max_attempts=11, cache_ttl=-1)\ndef go(): ...\n",
    );
    assert_eq!(
        vec![
            "`affinity=` must be \"none\", \"session\" or \"single\"",
            "`concurrency=` must be a number of calls from 1 to 4096",
            "`retry_on=` must be an exception class or a tuple of them",
            "`max_attempts=` must be a number from 1 to 10",
            "`cache_ttl=` must be a number of seconds from 0 (off) to a week",
        ],
        found.diagnostics.iter().map(|finding| finding.message.as_str()).collect::<Vec<_>>()
    );
    assert_eq!(omni_call::Policy::default(), found.tools[0].policy);
}

#[test]
fn zero_switches_a_clock_off_and_a_tiny_limit_does_not() {
    let tool = tool("from omni import tool\n@tool(timeout=0, idle_timeout=1e-9)\ndef go(): ...\n");
    assert_eq!((Some(0), Some(1)), (tool.limits.timeout_ms, tool.limits.idle_timeout_ms));
}

#[test]
fn a_slip_in_an_option_s_name_is_named_with_what_was_meant() {
    let found = scan_text("from omni import tool\n@tool(readonly=True, retries=3)\ndef go(): ...\n");
    assert_eq!(vec!["go"], commands(&found));
    assert_eq!(
        vec![
            "error scripts/a.py:2:7 unknown-option: `tool` has no option `readonly`, so it is not applied",
            "error scripts/a.py:2:22 unknown-option: `tool` has no option `retries`, so it is not applied",
        ],
        findings(&found)
    );
    assert_eq!(Some("did you mean `read_only`?"), found.diagnostics[0].help.as_deref());
}

#[test]
fn options_that_only_python_knows_are_refused() {
    let found = scan_text(
        "import os\nfrom omni import tool\n@tool(description=os.environ[\"X\"], **OPTIONS)\ndef go(): ...\n@tool(name=f\"{1}\")\ndef other(): ...\n",
    );
    assert_eq!(vec!["go"], commands(&found));
    assert_eq!(
        vec![
            "error scripts/a.py:3:7 computed-option: `description=` is worked out when the file runs",
            "error scripts/a.py:3:36 computed-option: options given with `**` are worked out when the file runs",
            "error scripts/a.py:5:7 computed-option: `name=` is worked out when the file runs",
        ],
        findings(&found)
    );
}

#[test]
fn a_constant_that_is_bound_twice_is_not_one() {
    let found = scan_text("from omni import tool\nN = 1\nN = 2\n@tool(timeout=N)\ndef go(n: int = N): ...\n");
    assert_eq!(1, findings(&found).len());
    assert_eq!(None, found.tools[0].limits.timeout_ms);
    assert_eq!(json!({"type": "integer"}), found.tools[0].input_schema["properties"]["n"]);
}

#[test]
fn options_of_the_wrong_kind_are_not_applied() {
    let found = scan_text(
        "from omni import tool\n@tool(timeout=\"5\", executor=5, ahead=65, calls=0, read_only=1, tags=\"x\", output_schema={\"type\": \"array\"})\ndef go(): ...\n",
    );
    assert_eq!(
        vec![
            "`timeout=` must be a number of seconds from 0 (off) to a week",
            "`executor=` must be a string",
            "`ahead=` must be a number of processes from 0 to 64",
            "`calls=` must be a number of calls from 1 to 100000",
            "`read_only=` must be `True` or `False`",
            "`tags=` must be a list of strings",
            "`output_schema=` must be the schema of an object (`\"type\": \"object\"`)",
        ],
        found.diagnostics.iter().map(|finding| finding.message.as_str()).collect::<Vec<_>>()
    );
    assert_eq!(vec!["go"], commands(&found));
}

#[test]
fn an_executor_is_one_of_those_there_are_and_a_former_one_says_what_it_is_now() {
    for (name, message) in [
        ("prewarmed", "`executor=\"prewarmed\"`: `prewarmed` is now `fork` with `ahead = 2`"),
        ("zygote", "`executor=\"zygote\"`: `zygote` is now `fork`"),
        (
            "thread",
            "`executor=\"thread\"`: `thread` is no executor; use `pool`, `fork`, `spawn`, `embedded` or `runner`",
        ),
    ] {
        let found = scan_text(&format!("from omni import tool\n@tool(executor={name:?})\ndef go(): ...\n"));
        assert_eq!(vec![format!("error scripts/a.py:2:7 invalid-option: {message}")], findings(&found));
        assert_eq!(Some("the option is not applied"), found.diagnostics[0].help.as_deref());
    }
}

#[test]
fn how_a_fork_has_processes_ready_is_read_and_means_nothing_elsewhere() {
    let found = tool("from omni import tool\n@tool(executor=\"fork\", ahead=2, calls=7)\ndef go(): ...\n");
    assert_eq!(Some(ExecutorKind::Fork), found.executor);
    assert_eq!(ForkSettings { ahead: Some(2), calls: Some(7) }, found.fork);
    let found = scan_text("from omni import tool\n@tool(executor=\"pool\", ahead=2)\ndef go(): ...\n");
    assert_eq!(
        vec![
            "warning scripts/a.py:3:5 option-without-effect: `ahead=` and `calls=` have no effect with `executor=\"pool\"`"
        ],
        findings(&found)
    );
}

#[test]
fn a_name_that_the_protocol_forbids_keeps_the_tool_off_the_list() {
    let long = "x".repeat(129);
    for name in ["with blank", "größe!", "a/b", long.as_str()] {
        let found = scan_text(&format!("from omni import tool\n@tool(name={name:?})\ndef go(): ...\n"));
        assert!(found.tools.is_empty(), "{name}");
        assert_eq!("invalid-name", found.diagnostics[0].code);
    }
}

#[test]
fn a_schema_given_by_hand_silences_findings_about_types() {
    let found = scan_text(
        "import x\nfrom omni import tool\n@tool(input_schema={\"type\": \"object\"}, output_schema=None)\ndef go(a: x.Y) -> x.Z: ...\n",
    );
    assert_eq!(Vec::<String>::new(), findings(&found));
    assert_eq!(None, found.tools[0].output_schema);
}

#[test]
fn an_explicit_wrapped_schema_wraps() {
    let tool = tool(
        "from omni import tool\n@tool(output_schema={\"type\": \"object\", \"x-fastmcp-wrap-result\": True})\ndef go() -> int: ...\n",
    );
    assert!(tool.wrap_result);
}

#[test]
fn a_text_that_stands_alone_is_the_tool_s_name() {
    let found = scan_text(
        "from omni import tool\nNAME = \"own\"\n@tool(\"sum\", timeout=5)\ndef add(): ...\n@tool(NAME)\ndef other(): ...\n",
    );
    assert_eq!((vec!["sum", "own"], Vec::new()), (commands(&found), findings(&found)));
}

#[test]
fn what_python_refuses_keeps_the_file_s_tools_off_the_list() {
    for decorator in ["tool(5)", "tool(\"a\", \"b\")", "tool([\"a\"])", "tools", "omni.tools"] {
        let found = scan_text(&format!(
            "import omni\nfrom omni import tool\n@tool\ndef fine(): ...\n@{decorator}\ndef go(): ...\n"
        ));
        assert_eq!((0, 1), (found.tools.len(), found.diagnostics.len()), "{decorator}: {found:?}");
        assert_eq!(omni_scan::Severity::Error, found.diagnostics[0].severity);
    }
}

#[test]
fn options_of_earlier_decorators_cost_a_warning_and_nothing_else() {
    let found = scan_text(
        "from omni import skill_command\n@skill_command(name=\"x\", autowire=True, log_level=\"debug\")\ndef go(): ...\n",
    );
    assert_eq!(vec!["x"], commands(&found));
    assert_eq!(
        vec![
            "warning scripts/a.py:2:26 option-without-effect: option `autowire` has no effect",
            "warning scripts/a.py:2:41 option-without-effect: option `log_level` has no effect",
        ],
        findings(&found)
    );
}

#[test]
fn every_option_of_the_table_is_read_and_a_wrong_value_costs_that_option_alone() {
    let plain = tool("from omni import tool\n@tool(tags=[], input_schema={})\ndef go(): ...\n");
    for option in ToolOption::all(OptionPlace::Decorator) {
        let (good, bad) = samples(option.kind);
        let read = |value: &str| {
            scan_text(&format!("from omni import tool\n@tool({}={value})\ndef go(): ...\n", option.name))
        };
        let found = read(&good);
        let other = |code: &&omni_scan::Diagnostic| code.code != "no-description";
        assert_eq!(found.diagnostics.iter().find(other), None, "{}={good}", option.name);
        assert_ne!(found.tools[0], plain, "{}={good} is read and goes nowhere", option.name);
        let found = read(&bad);
        let codes: Vec<&str> = found.diagnostics.iter().filter(other).map(|finding| finding.code).collect();
        assert_eq!(codes, ["invalid-option"], "{}={bad}", option.name);
    }
}

/// A value that an option of the kind takes, and one that it does not take.
fn samples(kind: OptionKind) -> (String, String) {
    match kind {
        OptionKind::Flag | OptionKind::Hint(_) => ("True".to_owned(), "1".to_owned()),
        OptionKind::Seconds => ("1.5".to_owned(), "604801".to_owned()),
        OptionKind::Count { max, .. } => (max.to_string(), (i64::from(max) + 1).to_string()),
        OptionKind::Choice(words) => (format!("{:?}", words[0]), "\"sticky\"".to_owned()),
        OptionKind::Exceptions => ("OSError".to_owned(), "3".to_owned()),
        OptionKind::Executor => ("\"spawn\"".to_owned(), "\"thread\"".to_owned()),
        OptionKind::Schema => ("{\"title\": \"T\"}".to_owned(), "\"x\"".to_owned()),
        OptionKind::Object => ("{\"a\": 1}".to_owned(), "\"x\"".to_owned()),
        OptionKind::Icons => ("[{\"src\": \"data:x\"}]".to_owned(), "[{}]".to_owned()),
        OptionKind::App => ("{\"domain\": \"a.b\"}".to_owned(), "True".to_owned()),
        OptionKind::Texts => ("[\"a\"]".to_owned(), "\"a\"".to_owned()),
        OptionKind::Text | OptionKind::Version => ("\"x\"".to_owned(), "1.5".to_owned()),
        OptionKind::Uri => ("\"notes://x\"".to_owned(), "3".to_owned()),
        OptionKind::MimeType => ("\"text/plain\"".to_owned(), "\"plain\"".to_owned()),
        OptionKind::Size => ("12".to_owned(), "-1".to_owned()),
        OptionKind::Annotations => ("{\"priority\": 0.5}".to_owned(), "\"high\"".to_owned()),
        OptionKind::Function => ("\"review\"".to_owned(), "3".to_owned()),
    }
}

#[test]
fn every_option_of_a_resource_or_prompt_is_read_and_a_wrong_value_costs_that_option_alone() {
    for (word, place) in [("resource", OptionPlace::Resource), ("prompt", OptionPlace::Prompt)] {
        let read = |options: &str| {
            scan_text(&format!("from omni import {word}\n@{word}({options})\ndef go(): ...\n"))
        };
        let listed = |options: &str| {
            let found = read(options);
            let shown = format!("{:?} {:?}", found.resources, found.prompts);
            (shown, found.diagnostics)
        };
        let (plain, _) = listed("");
        for option in ToolOption::all(place) {
            let (good, bad) = samples(option.kind);
            let (shown, diagnostics) = listed(&format!("{}={good}", option.name));
            assert_eq!(diagnostics, [], "{word} {}={good}", option.name);
            assert_ne!(shown, plain, "{word} {}={good} is read and goes nowhere", option.name);
            let (shown, diagnostics) = listed(&format!("{}={bad}", option.name));
            let codes: Vec<&str> = diagnostics.iter().map(|finding| finding.code).collect();
            assert_eq!(codes, ["invalid-option"], "{word} {}={bad}", option.name);
            // Without its URI a resource would be found where nobody looks for it.
            assert_eq!(shown == plain, option.kind != OptionKind::Uri, "{word} {}={bad}", option.name);
        }
    }
}

#[test]
fn every_option_of_a_completion_is_read_and_a_wrong_value_is_told() {
    let read = |options: &str| {
        scan_text(&format!(
            "from omni import completion, prompt\n@prompt\ndef review(x): ...\n@prompt\ndef other(x): ...\n\
             @completion({options})\ndef go(value): ...\n"
        ))
    };
    let plain = read("prompt=\"other\"").completions;
    assert_eq!(plain.len(), 1);
    for option in ToolOption::all(OptionPlace::Completion) {
        let (mut good, bad) = samples(option.kind);
        if option.name == "resource" {
            // Tested where there is a template.
            continue;
        }
        let target = if option.name == "prompt" { "" } else { "prompt=\"other\", " };
        if option.name == "prompt" {
            good = "review".to_owned();
        }
        let found = read(&format!("{target}{}={good}", option.name));
        assert_eq!(found.diagnostics, [], "{}={good}", option.name);
        let same = found.completions == plain;
        assert_eq!(same, option.name == "argument", "{}={good} is read and goes nowhere", option.name);
        let found = read(&format!("{target}{}={bad}", option.name));
        let codes: Vec<&str> = found.diagnostics.iter().map(|finding| finding.code).collect();
        assert_eq!(codes, ["invalid-option"], "{}={bad}", option.name);
    }
}

#[test]
fn whether_calls_become_tasks_is_a_word_or_a_flag_as_in_fastmcp() {
    for (value, read) in [
        ("True", Some("optional")),
        ("False", Some("forbidden")),
        ("\"required\"", Some("required")),
        ("\"maybe\"", None),
        ("1", None),
    ] {
        let text = format!("from omni import tool\n@tool(task={value})\ndef go(): ...\n");
        let found = scan_text(&text);
        assert_eq!(found.tools[0].policy.task.map(omni_call::TaskSupport::name), read, "{value}");
        assert_eq!(found.diagnostics.len(), usize::from(read.is_none()), "{value}");
    }
}
