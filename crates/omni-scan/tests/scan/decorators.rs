//! What makes a function a tool, and what does not.

use super::{commands, findings, scan_text};

#[test]
fn every_way_to_import_the_decorator_is_followed() {
    for (import, decorator) in [
        ("from omni import tool", "tool"),
        ("from omni import tool", "tool()"),
        ("from omni import tool as t", "t"),
        ("import omni", "omni.tool"),
        ("import omni", "omni.tool(read_only=True)"),
        ("import omni as o", "o.skill_command"),
        ("import omni.skill", "omni.skill.tool"),
        ("from omni.skill import tool", "tool"),
        ("from omni import skill", "skill.tool"),
        ("from omni import *", "tool"),
        ("from omni.foundation.api.decorators import skill_command", "skill_command(category=\"x\")"),
        ("from omni import tool\nmark = tool", "mark"),
        ("import omni\nmark = omni.tool", "mark()"),
        ("from omni import tool\nreader = tool(read_only=True)", "reader"),
        (
            "from functools import partial\nfrom omni import tool\nreader = partial(tool, read_only=True)",
            "reader()",
        ),
        ("try:\n    from omni import tool\nexcept ImportError:\n    tool = None", "tool"),
    ] {
        let found = scan_text(&format!("{import}\n@{decorator}\ndef go(): ...\n"));
        assert_eq!((vec!["go"], Vec::new()), (commands(&found), findings(&found)), "{import} @{decorator}");
    }
}

#[test]
fn a_configured_decorator_brings_its_options_along() {
    let found = scan_text(
        "from omni import tool\nreader = tool(read_only=True, timeout=5)\n@reader\ndef go(): ...\n",
    );
    assert_eq!(Some(5000), found.tools[0].limits.timeout_ms);
    assert_eq!(Some(&true.into()), found.tools[0].annotations.get("readOnlyHint"));
}

#[test]
fn a_tool_decorator_of_another_library_is_pointed_out() {
    let found =
        scan_text("from langchain.tools import tool\n@tool\ndef go(): ...\n@mcp.tool()\ndef on(): ...\n");
    assert!(found.tools.is_empty());
    assert_eq!(
        vec![
            "warning scripts/a.py:2:2 foreign-decorator: `@tool` is not omni's `tool`, so `go` is not listed",
            "warning scripts/a.py:4:2 foreign-decorator: `@mcp.tool` is not omni's `tool`, so `on` is not listed",
        ],
        findings(&found)
    );
}

#[test]
fn tools_that_nobody_can_call_are_reported_and_not_listed() {
    let found = scan_text(
        "from omni import tool\nclass A:\n    @tool\n    def method(self): ...\ndef outer():\n    @tool\n    def inner(): ...\n@tool\ndef fine(): ...\n",
    );
    assert_eq!(vec!["fine"], commands(&found));
    assert_eq!(
        vec![
            "error scripts/a.py:4:9 nested-tool: `method` is a method, so it is not listed",
            "error scripts/a.py:7:9 nested-tool: `inner` is inside another function, so it is not listed",
        ],
        findings(&found)
    );
}

#[test]
fn parameters_that_no_client_can_fill_keep_a_tool_off_the_list() {
    let found = scan_text(
        "from omni import tool\n@tool\ndef a(*args): ...\n@tool\ndef b(x, **more): ...\n@tool\ndef c(self, x): ...\n@tool\ndef d(x, /, y): ...\n",
    );
    assert!(found.tools.is_empty());
    assert_eq!(
        vec![
            "error scripts/a.py:3:8 variadic-parameter: `*args` of `a` can't be described, so the tool is not listed",
            "error scripts/a.py:5:12 variadic-parameter: `**more` of `b` can't be described, so the tool is not listed",
            "error scripts/a.py:7:7 self-parameter: `c` takes `self` but is not a method, so the tool is not listed",
            "error scripts/a.py:9:7 positional-only-parameter: `x` of `d` can't be given by name, as arguments are, so the \
             tool is not listed",
        ],
        findings(&found)
    );
}

#[test]
fn a_wrapper_with_functools_wraps_is_looked_through() {
    let found = scan_text(
        "import functools\nfrom omni import tool\ndef timed(fn):\n    @functools.wraps(fn)\n    def wrapper(*a, **k):\n        return fn(*a, **k)\n    return wrapper\n@tool\n@timed\ndef go(x: int): ...\n",
    );
    assert_eq!((vec!["go"], Vec::<String>::new()), (commands(&found), findings(&found)));
    assert!(found.tools[0].input_schema["properties"]["x"].is_object());
}

#[test]
fn a_wrapper_without_it_hides_the_types_and_one_with_other_parameters_replaces_them() {
    let hidden = "from omni import tool\ndef timed(fn):\n    def wrapper(*a, **k):\n        return fn(*a, **k)\n    return wrapper\n@tool\n@timed\ndef go(x: int): ...\n";
    let found = scan_text(hidden);
    assert_eq!(vec!["go"], commands(&found));
    assert_eq!(
        vec![
            "warning scripts/a.py:7:2 hidden-signature: `@timed` does not use `functools.wraps`: `go` gets plain JSON \
             instead of its types"
        ],
        findings(&found)
    );
    let found = scan_text(&hidden.replace("*a, **k", "x, y"));
    assert!(found.tools.is_empty());
    assert_eq!(
        vec![
            "error scripts/a.py:7:2 replaced-signature: `@timed` puts `wrapper` with other parameters in its place, so \
             `go` is not listed"
        ],
        findings(&found)
    );
}

#[test]
fn a_decorator_from_outside_is_taken_to_keep_the_parameters() {
    let found = scan_text("import x\nfrom omni import tool\n@tool\n@x.cached(ttl=3)\ndef go(a: int): ...\n");
    assert_eq!(vec!["go"], commands(&found));
    assert_eq!(
        vec![
            "note scripts/a.py:4:2 unknown-decorator: `@x.cached` comes from outside the skill: it is taken to keep the \
             parameters of `go`"
        ],
        findings(&found)
    );
}

#[test]
fn a_decorator_that_calls_tool_itself_is_pointed_out() {
    let found = scan_text(
        "from omni import tool\ndef command(fn):\n    return tool(name=\"x\")(fn)\n@command\ndef go(): ...\n",
    );
    assert!(found.tools.is_empty());
    assert_eq!(
        vec![
            "warning scripts/a.py:4:2 indirect-tool: `@command` makes tools by calling `tool` itself, so `go` is not listed"
        ],
        findings(&found)
    );
}

#[test]
fn of_two_functions_of_one_name_the_one_that_python_keeps_is_listed() {
    let found = scan_text("from omni import tool\n@tool\ndef go(a): ...\n\n@tool\ndef go(b): ...\n");
    assert_eq!(vec![6], found.tools.iter().map(|tool| tool.line).collect::<Vec<_>>());
    assert_eq!(
        vec![
            "error scripts/a.py:3:5 replaced-tool: `go` is defined again at scripts/a.py:6, which replaces this one"
        ],
        findings(&found)
    );
}

#[test]
fn of_two_tools_of_one_name_the_first_is_listed_and_both_places_are_named() {
    let found =
        scan_text("from omni import tool\n@tool\ndef go(a): ...\n@tool(name=\"go\")\ndef other(b): ...\n");
    assert_eq!(vec!["go"], commands(&found));
    assert_eq!(
        vec!["error scripts/a.py:5:5 duplicate-tool: `go` is already the name of the tool at scripts/a.py:3"],
        findings(&found)
    );
}
