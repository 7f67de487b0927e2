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
        ("from omni.skill import skill_command", "skill_command(category=\"x\")"),
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
    let found =
        scan_text("from omni import tool\n@tool\ndef go(a: int): ...\n\n@tool\ndef go(b: int): ...\n");
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
    let found = scan_text(
        "from omni import tool\n@tool\ndef go(a: int): ...\n@tool(name=\"go\")\ndef other(b: int): ...\n",
    );
    assert_eq!(vec!["go"], commands(&found));
    assert_eq!(
        vec!["error scripts/a.py:5:5 duplicate-tool: `go` is already the name of the tool at scripts/a.py:3"],
        findings(&found)
    );
}

#[test]
fn a_decorator_that_was_meant_as_ours_is_named_with_what_to_write() {
    for (import, decorator, code) in [
        ("from omni import tool", "Tool", "misspelt-decorator"),
        ("from omni import tool", "tools", "misspelt-decorator"),
        ("import omni", "omni.tools", "misspelt-decorator"),
        ("from omni import tool", "skill_tool", "misspelt-decorator"),
        ("from omni import tool", "skill_commnad(title=\"x\")", "misspelt-decorator"),
        ("from omni import tool", "command", "misspelt-decorator"),
        ("from mcp.server.fastmcp import FastMCP\nmcp = FastMCP(\"x\")", "mcp.tool", "foreign-decorator"),
        ("from fastmcp import FastMCP\nmcp = FastMCP(\"x\")", "mcp.tool()", "foreign-decorator"),
        ("from fastmcp import FastMCP\nmcp = FastMCP(\"x\")", "mcp.prompt", "foreign-decorator"),
        ("from fastmcp import FastMCP\nmcp = FastMCP(\"x\")", "mcp.resource(\"x://y\")", "foreign-decorator"),
        ("from app import app", "app.tool()", "foreign-decorator"),
        ("server = 1", "server.tools", "foreign-decorator"),
        ("from fastmcp.tools import tool", "tool", "foreign-decorator"),
    ] {
        let found = scan_text(&format!("{import}\n@{decorator}\ndef go(): ...\n"));
        let line = import.lines().count() + 1;
        assert!(found.tools.is_empty(), "@{decorator}");
        let said = findings(&found);
        assert_eq!(1, said.len(), "@{decorator}: {said:?}");
        assert!(said[0].contains(&format!("scripts/a.py:{line}:2 {code}: ")), "@{decorator}: {said:?}");
        assert!(said[0].contains("`go` is not listed"), "{said:?}");
        let help = found.diagnostics[0].help.as_deref().unwrap();
        assert!(help.contains("from omni import tool") || decorator.starts_with("mcp."), "{help}");
    }
}

#[test]
fn decorators_of_other_libraries_are_no_slips() {
    for text in [
        "import click\n@click.command()\ndef go(): ...\n",
        "import typer\napp = typer.Typer()\n@app.command()\ndef go(): ...\n",
        "from flask import app\n@app.route('/')\ndef go(): ...\n",
        "from click import command\n@command()\ndef go(): ...\n",
        "from pytest import fixture\n@fixture\ndef pool(): ...\n",
    ] {
        assert_eq!(Vec::<String>::new(), findings(&scan_text(text)), "{text}");
    }
}

#[test]
fn a_function_that_is_handed_to_a_call_is_pointed_out() {
    for (call, code) in [
        ("tool(add)", "called-decorator"),
        ("add = tool(add)", "called-decorator"),
        ("tool(name=\"sum\")(add)", "called-decorator"),
        ("double = tool(lambda x: 2 * x)", "called-decorator"),
        ("mcp.add_tool(add)", "foreign-decorator"),
        ("server = make()\nserver.tool()(add)", "foreign-decorator"),
        ("Tool.from_function(add)", "foreign-decorator"),
    ] {
        let found = scan_text(&format!("from omni import tool\ndef add(a: int): ...\n{call}\n"));
        assert!(found.tools.is_empty(), "{call}");
        let said = findings(&found);
        assert_eq!(1, said.len(), "{call}: {said:?}");
        let line = 2 + call.lines().count();
        assert!(
            said[0].contains(&format!("scripts/a.py:{line}:")) && said[0].contains(code),
            "{call}: {said:?}"
        );
    }
}

#[test]
fn a_class_and_a_function_that_is_never_defined_are_no_tools() {
    let found = scan_text(
        "from omni import tool\n@tool\nclass Adder:\n    def run(self): ...\nif __name__ == \"__main__\":\n    @tool\n    def late(): ...\nif True:\n    @tool\n    def fine(): ...\n",
    );
    assert_eq!(vec!["fine"], commands(&found));
    assert_eq!(
        vec![
            "error scripts/a.py:3:7 decorated-class: `Adder` is a class, so it is not listed",
            "error scripts/a.py:7:9 nested-tool: `late` is defined where nothing is run when the file is loaded, so it is not listed",
        ],
        findings(&found)
    );
}

#[test]
fn functions_that_nobody_marked_are_pointed_out_once_a_file() {
    let found = scan_text("def add(a): ...\ndef sub(a): ...\ndef _own(): ...\n");
    assert_eq!(
        vec![
            "warning scripts/a.py:1:5 undecorated: `add` and 1 other function of this file have no decorator, so nothing \
             here is a tool"
        ],
        findings(&found)
    );
    // A program, and a file beside tools, may well mean it.
    let found = scan_text("def add(a): ...\nif __name__ == '__main__':\n    add(1)\n");
    assert!(findings(&found)[0].starts_with("note scripts/a.py:1:5 undecorated"));
    for quiet in ["def main(): ...\n", "X = 1\n", "def _x(): ...\n", "class A:\n    def f(self): ...\n"] {
        assert_eq!(Vec::<String>::new(), findings(&scan_text(quiet)), "{quiet}");
    }
}

#[test]
fn what_a_model_would_have_to_guess_is_pointed_out() {
    for (function, expected) in [
        (
            "def go(a, b): ...",
            Some(
                "warning scripts/a.py:3:5 no-description: `go` has neither a docstring nor type hints: a model sees its name alone",
            ),
        ),
        (
            "def go(a, b: int):\n    \"\"\"Go.\"\"\"",
            Some("note scripts/a.py:3:5 no-hint: `a` of `go` has no type hint, so it takes any JSON value"),
        ),
        ("def go(a: int): ...", None),
        ("def go(): ...", None),
        ("def go(a=1):\n    \"\"\"Go.\"\"\"", None),
    ] {
        let found = scan_text(&format!("from omni import tool\n@tool\n{function}\n"));
        assert_eq!(vec!["go"], commands(&found));
        assert_eq!(expected.into_iter().collect::<Vec<_>>(), findings(&found), "{function}");
    }
}
