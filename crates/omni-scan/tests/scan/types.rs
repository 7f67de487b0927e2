//! Types that the corpus cannot show: what only Python knows, and what this project does its own way.

use omni_call::InjectedParameter;
use serde_json::json;

use super::{findings, scan_text, tool};

#[test]
fn a_type_that_only_python_knows_is_unconstrained_with_its_description() {
    let found = scan_text(
        "import numpy as np\nfrom omni import tool\n@tool\ndef go(data: np.ndarray, more: list[Missing] = None) -> np.ndarray:\n    \"\"\"Go.\n\n    Args:\n        data: The data.\n    \"\"\"\n",
    );
    let tool = &found.tools[0];
    assert_eq!(
        json!({
            "data": {"description": "The data."},
            "more": {"default": null, "items": {}, "type": "array"},
        }),
        tool.input_schema["properties"]
    );
    assert_eq!(None, tool.output_schema);
    assert_eq!(
        vec![
            "warning scripts/a.py:4:14 unknown-type: `numpy.ndarray` is not a type that can be read from source, so `data` \
             of `go` is not fully checked",
            "warning scripts/a.py:4:37 unknown-type: `Missing` is not known in this file, so `more` of `go` is not fully \
             checked",
            "note scripts/a.py:4:57 no-output-schema: `numpy.ndarray` is not a type that can be read from source, so `go` \
             has no output schema",
        ],
        findings(&found)
    );
}

#[test]
fn an_enumeration_that_python_computes_is_not_guessed() {
    for body in ["A = compute()", "A = 1\n    def __new__(cls, v): ...", "A = os.getpid()"] {
        let found = scan_text(&format!(
            "from enum import Enum\nfrom omni import tool\nclass E(Enum):\n    {body}\n@tool\ndef go(e: E): ...\n"
        ));
        assert_eq!(json!({}), found.tools[0].input_schema["properties"]["e"], "{body}");
        assert_eq!("unknown-type", found.diagnostics[0].code, "{body}");
    }
}

#[test]
fn the_context_is_injected_and_never_shown() {
    let tool = tool(
        "from omni import Context, tool\nfrom typing import Optional\n@tool\ndef go(a: int, ctx: Optional[\"Context\"] = None) -> int: ...\n",
    );
    assert_eq!(
        vec![InjectedParameter { parameter: "ctx".to_owned(), kind: "context".to_owned() }],
        tool.inject
    );
    assert_eq!(json!({"a": {"type": "integer"}}), tool.input_schema["properties"]);
    assert!(tool.wrap_result);
}

#[test]
fn a_dash_list_gives_each_parameter_its_text() {
    let tool = tool(
        r#"from omni import tool
@tool
def go(path: str, limit: int = 3, mode: str = "x", plain: str = "y"):
    """Go.

    Args:
        - path: str - Where it is.
        - limit: int = 3 - How many,
            at most.
        - mode (str): How: it goes.
        - `plain`: With no type.

    Returns:
        Nothing.
    """
"#,
    );
    let text = |name: &str| tool.input_schema["properties"][name]["description"].as_str().unwrap().to_owned();
    assert_eq!("Where it is.", text("path"));
    assert_eq!("How many,\nat most.", text("limit"));
    assert_eq!("How: it goes.", text("mode"));
    assert_eq!("With no type.", text("plain"));
    assert_eq!(Some("Go."), tool.description.as_deref());
}

#[test]
fn a_docstring_with_windows_line_ends_reads_the_same() {
    let text = "from omni import tool\n@tool\ndef go(a: int):\n    \"\"\"Go.\n\n    Args:\n        a: The a.\n    \"\"\"\n";
    assert_eq!(tool(text), tool(&text.replace('\n', "\r\n")));
}

#[test]
fn keyword_only_parameters_are_listed_like_any_other() {
    let tool = tool("from omni import tool\n@tool\ndef go(b: int, *, a: int, c: int = 1): ...\n");
    assert_eq!(json!(["b", "a"]), tool.input_schema["required"]);
}

/// The right-hand sides are what Pydantic writes into its schema for the same default.
#[test]
fn a_default_is_shown_whatever_class_of_the_library_it_is_of() {
    let cases = [
        ("dt.time(19, 30)", json!("19:30:00")),
        ("dt.time(hour=7, microsecond=5)", json!("07:00:00.000005")),
        ("dt.time(1, 2, tzinfo=dt.timezone.utc)", json!("01:02:00Z")),
        ("dt.datetime(2024, 1, 2)", json!("2024-01-02T00:00:00")),
        ("dt.datetime(2024, 1, 2, 3, 4, 5, 600, dt.timezone.utc)", json!("2024-01-02T03:04:05.000600Z")),
        ("dt.date(2024, 2, 29)", json!("2024-02-29")),
        ("dt.date(day=1, month=2, year=2024)", json!("2024-02-01")),
        ("dt.date.fromisoformat('2024-02-29')", json!("2024-02-29")),
        ("dt.timedelta(days=400, microseconds=5)", json!("P1Y35DT0.000005S")),
        ("Fraction(2, 6)", json!("1/3")),
        ("Fraction(1, -3)", json!("-1/3")),
        ("Fraction(4, 2)", json!("2")),
        (
            "uuid.UUID('{12345678-1234-5678-1234-567812345678}')",
            json!("12345678-1234-5678-1234-567812345678"),
        ),
        ("ipaddress.IPv4Address('10.0.0.1')", json!("10.0.0.1")),
        ("ipaddress.IPv6Address('FE80::0:1')", json!("fe80::1")),
        ("re.compile('a+')", json!("a+")),
        ("ZoneInfo('UTC')", json!("UTC")),
        ("collections.deque([1])", json!([1])),
        ("collections.OrderedDict({'a': 1})", json!({"a": 1})),
        ("collections.Counter()", json!({})),
        ("Slot()", json!({"at": "19:30:00", "on": "2024-02-29"})),
    ];
    let head = "import collections, datetime as dt, ipaddress, re, uuid\n\
         from dataclasses import dataclass, field\nfrom fractions import Fraction\n\
         from zoneinfo import ZoneInfo\nfrom omni import tool\n\
         @dataclass\nclass Slot:\n    at: dt.time = dt.time(19, 30)\n    \
         on: dt.date = field(default=dt.date(2024, 2, 29))\n";
    for (default, shown) in cases {
        let tool = tool(&format!("{head}@tool\ndef go(a: object = {default}): ...\n"));
        assert_eq!(shown, tool.input_schema["properties"]["a"]["default"], "{default}");
    }
    // What Python would refuse, or only it knows.
    for default in
        ["dt.time(24)", "dt.date(2023, 2, 29)", "dt.date.today()", "Fraction(1, 0)", "uuid.uuid4()"]
    {
        let tool = tool(&format!("{head}@tool\ndef go(a: object = {default}): ...\n"));
        assert_eq!(None, tool.input_schema["properties"]["a"].get("default"), "{default}");
    }
}

#[test]
fn a_plain_alias_that_holds_itself_is_a_definition_and_no_tower() {
    let tool = tool(
        "from typing import Dict, List, Union\nfrom omni import tool\n\
         Value = Union[int, List['Value'], Dict[str, 'Value']]\n\
         @tool\ndef go(a: Value, b: List[Value]): ...\n",
    );
    let inside = json!({"anyOf": [
        {"type": "integer"},
        {"type": "array", "items": {"$ref": "#/$defs/Value"}},
        {"type": "object", "additionalProperties": {"$ref": "#/$defs/Value"}},
    ]});
    assert_eq!(inside, tool.input_schema["$defs"]["Value"]);
    assert_eq!(json!({"$ref": "#/$defs/Value"}), tool.input_schema["properties"]["b"]["items"]);
}

/// Here the class is what ends the recursion, so the alias stays in place as Pydantic writes it.
#[test]
fn a_plain_alias_of_a_class_that_holds_the_alias_stands_in_place() {
    let tool = tool(
        "from dataclasses import dataclass\nfrom typing import Optional\nfrom omni import tool\n\
         MaybeNode = Optional['Node']\n\
         @dataclass\nclass Node:\n    next: 'MaybeNode' = None\n\
         @tool\ndef go(a: MaybeNode = None): ...\n",
    );
    let maybe = json!({"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}], "default": null});
    assert_eq!(maybe, tool.input_schema["properties"]["a"]);
    assert_eq!(maybe, tool.input_schema["$defs"]["Node"]["properties"]["next"]);
}

#[test]
fn a_default_that_only_python_can_make_leaves_the_parameter_optional() {
    let tool = tool("import os\nfrom omni import tool\n@tool\ndef go(a: str = os.getcwd()): ...\n");
    assert_eq!(json!({"type": "string"}), tool.input_schema["properties"]["a"]);
    assert_eq!(None, tool.input_schema.get("required"));
}

#[test]
fn a_class_derived_from_content_is_content_whichever_it_is() {
    for name in ["Text", "Image", "Audio", "ResourceLink", "EmbeddedResource", "ToolResult"] {
        let found = scan_text(&format!(
            "from omni import {name}, tool\nclass Own({name}):\n    pass\n@tool\ndef go() -> Own: ...\n"
        ));
        assert_eq!(
            (None, Vec::<String>::new()),
            (found.tools[0].output_schema.clone(), findings(&found)),
            "{name}"
        );
    }
}
