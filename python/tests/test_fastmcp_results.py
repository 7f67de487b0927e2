"""Is what a client reads of a return value what FastMCP would have it read?

FastMCP is the framework that most Python servers are written with, so clients are made to show its results.
Where ours differ on purpose, the reason stands in `DIFFERENT` and in `docs/guide/writing-a-skill.md`.
"""

import array
import collections
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import ipaddress
import json
import pathlib
import re
import types
import typing
import uuid

import pytest

from omni.completion_values import render_completion
from omni.content import BadResultError, OutputLimitError, render
from omni.prompt_messages import render_prompt
from omni.resource_contents import render_resource

try:
    import mcp_types
    import pydantic
    from fastmcp.prompts.base import Message, Prompt, PromptResult
    from fastmcp.resources.base import ResourceContent, ResourceResult, convert_raw_to_resource_result
    from fastmcp.tools.base import Tool, ToolResult
    from fastmcp.utilities.types import Audio, File, Image
except ImportError as error:
    pytest.skip(
        f"FastMCP cannot be imported here ({error}), so no result was compared with its own: it needs "
        "Python 3.10 and the packages of `xtask/tools.txt`",
        allow_module_level=True,
    )


class Color(enum.Enum):
    RED = "red"
    BLUE = 2


class Level(enum.IntEnum):
    HIGH = 3


class Word(str, enum.Enum):
    YES = "yes"


@dataclasses.dataclass
class Point:
    x: int
    y: float = 0.5
    at: dt.date = dt.date(2025, 1, 31)


class Pair(typing.NamedTuple):
    a: int
    b: str


class User(pydantic.BaseModel):
    name: str
    born: dt.date
    tags: list[str] = []


class Words(pydantic.RootModel):
    root: list[str]


class Ended(pydantic.RootModel):
    root: None


class Secret(pydantic.BaseModel):
    key: pydantic.SecretStr


TEXT = mcp_types.TextContent(type="text", text="a")
LINK = mcp_types.ResourceLink(type="resource_link", uri="x:1", name="one")
EMBEDDED = mcp_types.EmbeddedResource(
    type="resource", resource=mcp_types.TextResourceContents(uri="x:1", text="t", mime_type="text/plain")
)
PICTURE = mcp_types.ImageContent(type="image", data="AP8=", mime_type="image/png")
UTC = dt.timezone.utc

#: Name, value; what Python has, and what stands in JSON for it.
SAME = {
    "text": "plain",
    "text with quotes": 'say "hi"\n',
    "text beyond ASCII": "Größe 🦀",
    "empty text": "",
    "text that looks like JSON": '{"a": 1}',
    "nothing": None,
    "true": True,
    "false": False,
    "zero": 0,
    "a negative integer": -7,
    "an integer beyond 64 bits": 2**70,
    "a float": 1.5,
    "a whole float": 1.0,
    "a small float": 0.0001,
    "a large float": 1e16,
    "a date": dt.date(2025, 1, 31),
    "a date and time": dt.datetime(2025, 1, 31, 12, 30),
    "a date and time in UTC": dt.datetime(2025, 1, 31, 12, 30, tzinfo=UTC),
    "a date and time of a zone": dt.datetime(2025, 1, 31, 12, tzinfo=dt.timezone(dt.timedelta(hours=2))),
    "a time": dt.time(12, 30),
    "a time with microseconds": dt.time(12, 30, 1, 5),
    "a duration": dt.timedelta(days=1, hours=2, seconds=3),
    "a short duration": dt.timedelta(milliseconds=1500),
    "no duration": dt.timedelta(),
    "a decimal": decimal.Decimal("1.50"),
    "a large decimal": decimal.Decimal("12345678901234567890.123456789"),
    "a UUID": uuid.UUID(int=1),
    "an enum of text": Color.RED,
    "an enum of numbers": Color.BLUE,
    "an integer enum": Level.HIGH,
    "a text enum": Word.YES,
    "bytes of text": b"abc",
    "bytes beyond ASCII": "ü".encode(),
    "an IPv4 address": ipaddress.ip_address("10.0.0.1"),
    "an IPv6 network": ipaddress.ip_network("fe80::/10"),
    "a pattern": re.compile("a+"),
    "a list of integers": [1, 2, 3],
    "a list of text": ["a", "ü"],
    "a list of nothing": [None],
    "a list in a list": [[1], []],
    "a list of dates": [dt.date(2025, 1, 31)],
    "a list of enums": [Color.RED, Color.BLUE],
    "a list of models": [User(name="a", born=dt.date(2000, 1, 1))],
    "a list of mixed values": [1, "a", None, 2.5, {"b": dt.date(2025, 1, 31)}],
    "a tuple": (1, "a"),
    "a named tuple": Pair(1, "b"),
    "a set": {1},
    "a frozen set": frozenset(["a"]),
    "an empty dictionary": {},
    "a dictionary": {"a": 1, "b": [True, None]},
    "a dictionary of dates": {"at": dt.datetime(2025, 1, 31, tzinfo=UTC)},
    "a dictionary of decimals": {"price": decimal.Decimal("9.90")},
    "a dictionary of bytes": {"data": b"abc"},
    "a dictionary with integer keys": {1: "a", 2: "b"},
    "a dictionary with UUID keys": {uuid.UUID(int=1): 1},
    "a dictionary with date keys": {dt.date(2025, 1, 31): 1},
    "a dictionary with enum keys": {Color.RED: 1},
    "a dictionary with boolean keys": {True: 1},
    "an ordered dictionary": collections.OrderedDict(b=1, a=2),
    "a counter": collections.Counter("aab"),
    "a default dictionary": collections.defaultdict(list, a=[1]),
    "a dataclass": Point(1, at=dt.date(2025, 1, 31)),
    "dataclasses in a dictionary": {"p": Point(1)},
    "a model": User(name="a", born=dt.date(2000, 1, 1), tags=["x"]),
    "a model that is a list": Words(["a"]),
    "a model that is nothing": Ended(None),
    "a model with a secret": Secret(key="k"),
    "a model in a list in a dictionary": {"u": [User(name="a", born=dt.date(2000, 1, 1))]},
    "a URL of Pydantic": pydantic.HttpUrl("https://example.com/a"),
    "a text block": TEXT,
    "a list of blocks": [TEXT, LINK],
    "a picture of the SDK": PICTURE,
    "an embedded resource": EMBEDDED,
    "a picture of FastMCP": Image(data=b"\x00\xff", format="png"),
    "a sound of FastMCP": Audio(data=b"\x00", format="wav"),
    "a file of FastMCP": File(data=b"text", format="plain", name="a"),
    "text before a picture": ["see", Image(data=b"\x00", format="png")],
    "a picture between values": [1, PICTURE, {"a": 1}, "b"],
    "a tuple with a block": ("a", TEXT),
    "a whole result": ToolResult(content=[TEXT], structured_content={"a": 1}, meta={"k": 1}),
    "a whole result of structured content": ToolResult(structured_content={"a": dt.date(2025, 1, 31)}),
    "a whole result that is an error": ToolResult(content="no", is_error=True),
    "a whole result of the SDK": mcp_types.CallToolResult(content=[TEXT], structured_content={"a": 1}),
}

#: Name, value, what we say instead (a part of the message where it is refused), and why.
DIFFERENT = {
    "an empty list": (
        [],
        "[]",
        "FastMCP sends no content, and a model could not tell it from a tool that says nothing",
    ),
    "an empty tuple": ((), "[]", "as for the empty list"),
    "a date beside a block": (
        [dt.date(2025, 1, 31), TEXT],
        ["2025-01-31", "a"],
        "FastMCP quotes it here, though not alone; a value reads the same wherever it stands",
    ),
    "nothing beside a block": (
        [None, TEXT],
        ["a"],
        "FastMCP writes `null`; nothing is no content, here as alone",
    ),
    "a tiny float": (
        1e-7,
        "1e-07",
        "the same number as Python writes it; FastMCP's `1e-7` is Rust's spelling",
    ),
    "a path": (
        pathlib.PurePosixPath("/a/b"),
        "/a/b",
        "FastMCP's text has quotes where the function's annotation does not say that it is a path",
    ),
    "a fraction": (fractions.Fraction(1, 3), "1/3", "as for the path"),
    "a deque": (collections.deque([1, 2]), "[1,2]", "without an annotation FastMCP writes its `repr`"),
    "a dictionary with the key None": (
        {None: 1},
        '{"null":1}',
        "as Python's own `json`; Pydantic writes `None`",
    ),
    "bytes that are no text": (
        b"\xff\x00",
        BadResultError("no UTF-8"),
        "FastMCP sends base64 as text, which a model cannot read; the author is told what to return",
    ),
    "not a number": (float("nan"), BadResultError("NaN"), "refused by both; ours names the place"),
    "an infinity inside": ({"a": [float("inf")]}, BadResultError("result.a[0]"), "as for NaN"),
    "a class of the skill's own": (
        types.SimpleNamespace(a=1),
        '{"a":1}',
        "FastMCP writes the object's `repr`; ours its members",
    ),
    "an array": (array.array("i", [1]), BadResultError("array"), "FastMCP writes the object's `repr`"),
    "an object without a form": (
        object(),
        BadResultError("`object`"),
        "FastMCP writes its `repr`, an address in memory, which says nothing to a model",
    ),
}


def fastmcp(value, **options):
    """Return what FastMCP makes of a value, as MCP spells it."""
    made = Tool(name="t", parameters={}, **options).convert_result(value)
    return {
        "content": [
            block.model_dump(mode="json", by_alias=True, exclude_none=True) for block in made.content
        ],
        "structured": made.structured_content,
        "meta": made.meta,
        "is_error": made.is_error,
    }


def ours(value, *, structured=False, wrap=False):
    """Return what we make of it."""
    made = render(value, structured=structured, wrap=wrap)
    return {
        "content": json.loads(made.content),
        "structured": None if made.structured is None else json.loads(made.structured),
        "meta": None if made.meta is None else json.loads(made.meta),
        "is_error": made.is_error,
    }


@pytest.mark.parametrize("name", SAME)
def test_what_a_client_reads_of_a_value_is_what_fastmcp_has_it_read(name):
    theirs, own = fastmcp(SAME[name]), ours(SAME[name])
    assert own["content"] == theirs["content"]
    if isinstance(SAME[name], (ToolResult, mcp_types.CallToolResult)):
        assert own == theirs
    else:
        # Where a tool has no schema, FastMCP repeats an object as structured content.
        assert own["structured"] is None


@pytest.mark.parametrize("name", DIFFERENT)
def test_a_difference_is_the_one_that_is_meant(name):
    value, said, _ = DIFFERENT[name]
    try:
        theirs = [block.get("text") for block in fastmcp(value)["content"]]
    except Exception as error:
        theirs = error
    if isinstance(said, Exception):
        with pytest.raises((BadResultError, OutputLimitError), match=re.escape(str(said))):
            ours(value)
        assert theirs != [], "FastMCP says something, or refuses it too"
        return
    own = [block["text"] for block in ours(value)["content"]]
    assert own == (said if isinstance(said, list) else [said])
    assert own != theirs, "it is no difference any more: move it to `SAME`"


#: Annotation, value: what the structured content of a tool with a schema is.
STRUCTURED = [
    (str, "a"),
    (int, 3),
    (bool, True),
    (float, 1.5),
    (dt.date, dt.date(2025, 1, 31)),
    (dt.datetime, dt.datetime(2025, 1, 31, tzinfo=UTC)),
    (dt.timedelta, dt.timedelta(hours=1)),
    (decimal.Decimal, decimal.Decimal("1.50")),
    (uuid.UUID, uuid.UUID(int=1)),
    (Color, Color.RED),
    (list[int], [1]),
    (list[dt.date], [dt.date(2025, 1, 31)]),
    (typing.Optional[int], None),
    (dict[str, decimal.Decimal], {"a": decimal.Decimal("1.0")}),
    (Point, Point(1)),
    (User, User(name="a", born=dt.date(2000, 1, 1))),
    (Pair, Pair(1, "b")),
    (set[int], {1}),
]


@pytest.mark.parametrize(("annotation", "value"), STRUCTURED, ids=lambda item: str(item)[:40])
def test_structured_content_and_its_text_are_those_of_fastmcp(annotation, value):
    is_object = isinstance(value, dict) or dataclasses.is_dataclass(value) or isinstance(value, User)
    schema = {"type": "object"} if is_object else {"type": "object", "x-fastmcp-wrap-result": True}
    theirs = fastmcp(value, return_type=annotation, output_schema=schema)
    own = ours(value, structured=True, wrap=not is_object)
    assert (own["content"], own["structured"]) == (theirs["content"], theirs["structured"])


# -- what resources and prompts return ---------------------------------------------------------------------

PROMPTS = {
    "text": "a",
    "a list of text": ["a", "b"],
    "messages": [Message("a"), Message("b", role="assistant")],
    "a message of a value": [Message({"at": dt.date(2025, 1, 31)})],
    "a message of a list": [Message([1, "a"])],
    "a message with a picture": [Message(PICTURE)],
    "text and messages": ["a", Message("b", role="assistant")],
    "a whole result": PromptResult([Message("a")], description="about", meta={"k": 1}),
    "a whole result of text": PromptResult("a"),
}


@pytest.mark.parametrize("name", PROMPTS)
def test_messages_are_those_that_fastmcp_sends(name):
    made = Prompt(name="p").convert_result(PROMPTS[name]).to_mcp_prompt_result()
    theirs = made.model_dump(mode="json", by_alias=True, exclude_none=True)
    rendered, description = render_prompt(PROMPTS[name])
    assert json.loads(rendered.content) == theirs["messages"]
    assert description == theirs.get("description")
    assert (None if rendered.meta is None else json.loads(rendered.meta)) == theirs.get("_meta")


CONTENTS = {
    "text": "a",
    "bytes": b"\xff",
    "an object": {"a": [1, None]},
    "a list of values": [1, "a"],
    "an empty list": [],
    "a number": 3,
    "one content": [ResourceContent("a", mime_type="text/csv", meta={"k": 1})],
    "several contents": [ResourceContent("a"), ResourceContent(b"b"), ResourceContent({"c": 1})],
    "a whole result": ResourceResult([ResourceContent("a")], meta={"n": 1}),
    "a whole result of text": ResourceResult("a"),
}


@pytest.mark.parametrize("mime_type", [None, "text/markdown"])
@pytest.mark.parametrize("name", CONTENTS)
def test_contents_are_those_that_fastmcp_sends(name, mime_type):
    made = convert_raw_to_resource_result(CONTENTS[name], mime_type=mime_type, meta=None)
    theirs = made.to_mcp_result("x:1").model_dump(mode="json", by_alias=True, exclude_none=True)
    rendered = render_resource(CONTENTS[name], "x:1", mime_type, 1000)
    own = json.loads(rendered.content)
    for item in (*own, *theirs["contents"]):
        if item.get("text", "")[:1] in ("{", "["):
            # FastMCP writes a blank behind each comma here, though nowhere else.
            item["text"] = json.loads(item["text"])
    if mime_type is None or not isinstance(CONTENTS[name], (list, ResourceResult)):
        assert own == theirs["contents"]
    else:
        # Its own contents have a type already when they are made.
        assert [item["uri"] for item in own] == [item["uri"] for item in theirs["contents"]]
    assert (None if rendered.meta is None else json.loads(rendered.meta)) == theirs.get("_meta")


def test_contents_and_messages_of_the_sdk_are_taken_as_they_are():
    content = mcp_types.TextResourceContents(uri="x:2", text="a", mime_type="text/csv")
    whole = mcp_types.ReadResourceResult(contents=[content])
    for value in ([content], whole):
        rendered = render_resource(value, "x:1", None, 1000)
        assert json.loads(rendered.content) == [{"uri": "x:2", "mimeType": "text/csv", "text": "a"}]
    message = mcp_types.PromptMessage(role="assistant", content=TEXT)
    whole = mcp_types.GetPromptResult(messages=[message], description="about")
    for value, about in ([message], None), (whole, "about"):
        rendered, description = render_prompt(value)
        assert json.loads(rendered.content) == [
            {"role": "assistant", "content": {"type": "text", "text": "a"}}
        ]
        assert description == about
    completion = mcp_types.Completion(values=["a"], total=3, has_more=True)
    rendered = render_completion(completion)
    assert (rendered.content, rendered.total, rendered.has_more) == ('["a"]', 3, True)


def test_enough_values_are_compared():
    assert len(SAME) >= 60
