"""What functions of the kinds resource, prompt and completion are called with, and what they may return."""

import asyncio
import base64
import datetime as dt
import decimal
import enum
import json
import pathlib
import typing
from dataclasses import dataclass

import pytest

from omni import (
    AssistantMessage,
    Audio,
    CompletionResult,
    EmbeddedResource,
    Image,
    Message,
    NotFoundError,
    PromptResult,
    ResourceContent,
    ResourceLink,
    ResourceResult,
    Text,
    ToolError,
    UserMessage,
)
from omni.completion_values import plan_completion, render_completion
from omni.content import BadResultError, OutputLimitError, Yielded, materialised, materialised_async
from omni.convert import plan_arguments
from omni.prompt_messages import render_prompt
from omni.resource_contents import render_resource
from omni.stdlib_types import ArgumentError

URI = "notes://today"
JSON = "application/json"


class Color(enum.Enum):
    RED = "red"


class Size(enum.Enum):
    LARGE = 2


@dataclass
class Point:
    x: int
    y: float = 0.5


def encoded(data):
    return base64.b64encode(data).decode()


# -- resources -------------------------------------------------------------------------------------------


def read(value, mime_type=None, bytes_max=1000):
    rendered = render_resource(value, URI, mime_type, bytes_max)
    return json.loads(rendered.content), None if rendered.meta is None else json.loads(rendered.meta)


def test_what_is_said_of_a_resource_is_said_of_each_of_its_contents_beneath_their_own():
    value = [ResourceContent("a"), ResourceContent("b", meta={"own": 1, "ui": {"prefersBorder": True}})]
    said = {"ui": {"csp": {}}, "k": 1}
    contents = json.loads(render_resource(value, URI, None, 1000, said).content)
    assert [item["_meta"] for item in contents] == [
        {"ui": {"csp": {}}, "k": 1},
        {"ui": {"prefersBorder": True}, "k": 1, "own": 1},
    ]
    assert said == {"ui": {"csp": {}}, "k": 1}


CONTENTS = [
    ("text", "a", {"mimeType": "text/plain", "text": "a"}),
    ("bytes", b"\xff", {"mimeType": "application/octet-stream", "blob": "/w=="}),
    ("a bytearray", bytearray(b"a"), {"mimeType": "application/octet-stream", "blob": "YQ=="}),
    (
        "an object",
        {"at": dt.date(2025, 1, 31)},
        {"mimeType": "application/json", "text": '{"at":"2025-01-31"}'},
    ),
    ("a list of values", [1, "a"], {"mimeType": "application/json", "text": '[1,"a"]'}),
    ("an empty list", [], {"mimeType": "application/json", "text": "[]"}),
    ("a number", 3, {"mimeType": "application/json", "text": "3"}),
    ("a dataclass", Point(1), {"mimeType": "application/json", "text": '{"x":1,"y":0.5}'}),
    ("a text block", Text("a", meta={"k": 1}), {"mimeType": "text/plain", "text": "a", "_meta": {"k": 1}}),
    ("a picture", Image(b"a"), {"mimeType": "image/png", "blob": "YQ=="}),
    ("a sound", Audio(b"a"), {"mimeType": "audio/wav", "blob": "YQ=="}),
    ("an own type", ResourceContent("# a", "text/markdown"), {"mimeType": "text/markdown", "text": "# a"}),
    (
        "an own URI and meta",
        ResourceContent({"a": 1}, uri="notes://1", meta={"k": 1}),
        {"uri": "notes://1", "mimeType": "application/json", "text": '{"a":1}', "_meta": {"k": 1}},
    ),
    (
        "an embedded resource",
        EmbeddedResource("x:1", "t", mime_type="text/csv"),
        {"uri": "x:1", "mimeType": "text/csv", "text": "t"},
    ),
]


@pytest.mark.parametrize(("value", "expected"), [pytest.param(*case[1:], id=case[0]) for case in CONTENTS])
def test_what_a_resource_function_returns_becomes_contents(value, expected):
    assert read(value) == ([{"uri": URI, **expected}], None)


def test_the_type_that_a_resource_is_said_to_have_is_that_of_its_contents_unless_they_name_one():
    said = "application/x-notes"
    for value in ("a", b"a", {"a": 1}, Text("a"), ResourceContent("a")):
        assert [item["mimeType"] for item in read(value, said)[0]] == [said]
    for value, own in (
        (Image(b"a"), "image/png"),
        (ResourceContent("a", "text/csv"), "text/csv"),
        (EmbeddedResource("x:1", "t", mime_type="text/csv"), "text/csv"),
    ):
        assert [item["mimeType"] for item in read(value, said)[0]] == [own]


def test_a_list_of_contents_is_as_many():
    contents, meta = read(
        ResourceResult(
            ["a", b"b", ResourceContent("c", "text/csv", uri="notes://c"), {"d": 1}], meta={"n": 4}
        )
    )
    assert [(item["uri"], item["mimeType"]) for item in contents] == [
        (URI, "text/plain"),
        (URI, "application/octet-stream"),
        ("notes://c", "text/csv"),
        (URI, "application/json"),
    ]
    assert meta == {"n": 4}
    assert len(read(["a", Image(b"b")])[0]) == 2
    assert len(read(["a", "b"])[0]) == 1, "a list of texts is one value"


def test_a_path_is_what_its_file_holds(tmp_path):
    (tmp_path / "a.md").write_text("# ü")
    (tmp_path / "a.png").write_bytes(b"\x89PNG\xff")
    assert read(tmp_path / "a.md")[0] == [{"uri": URI, "mimeType": "text/markdown", "text": "# ü"}]
    assert read(tmp_path / "a.png", "image/x")[0] == [
        {"uri": URI, "mimeType": "image/x", "blob": encoded(b"\x89PNG\xff")}
    ]
    assert len(read([tmp_path / "a.md", tmp_path / "a.png"])[0]) == 2
    with pytest.raises(OutputLimitError, match="4 bytes, more than the 3 allowed"):
        read(tmp_path / "a.md", bytes_max=3)
    with pytest.raises(BadResultError, match="no regular file"):
        read(pathlib.Path("/dev/null"))
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "none")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "result is `None`, which is no contents"),
        (ResourceContent(None), "raise `NotFoundError`"),
        (["a", ResourceLink("x:1")], "result[1] is a `omni.content.ResourceLink`: a link has no contents"),
        ({"a": object()}, "result.a is a `object`"),
        ([b"a", {"b": float("nan")}], "result[1].b is NaN"),
    ],
)
def test_what_is_no_contents_is_named(value, said):
    with pytest.raises(BadResultError) as refused:
        read(value)
    assert said in str(refused.value)


def test_to_a_tool_not_found_is_an_error_like_another():
    assert issubclass(NotFoundError, ToolError)


# -- prompts ---------------------------------------------------------------------------------------------


def filled(value):
    rendered, description = render_prompt(value)
    return json.loads(rendered.content), description, rendered.meta


def user(text):
    return {"role": "user", "content": {"type": "text", "text": text}}


def model(text):
    return {"role": "assistant", "content": {"type": "text", "text": text}}


PROMPTS = [
    ("text", 'say "hi"', [user('say "hi"')]),
    ("a message", Message("a"), [user("a")]),
    ("a message of the model", Message("a", role="assistant"), [model("a")]),
    ("messages of both", [UserMessage("a"), AssistantMessage("b"), "c"], [user("a"), model("b"), user("c")]),
    ("a tuple", ("a", "b"), [user("a"), user("b")]),
    ("nothing at all", [], []),
    ("a value", Message({"at": dt.date(2025, 1, 31)}), [user('{"at":"2025-01-31"}')]),
    ("a date", Message(dt.date(2025, 1, 31)), [user("2025-01-31")]),
    ("a list of values", Message([1, 2]), [user("[1,2]")]),
    ("a picture", Image(b"a"), [{"role": "user", "content": Image(b"a").block()}]),
    (
        "an embedded resource of the model",
        AssistantMessage(EmbeddedResource("x:1", "t")),
        [{"role": "assistant", "content": {"type": "resource", "resource": {"uri": "x:1", "text": "t"}}}],
    ),
    (
        "several blocks",
        Message(["see", Image(b"a")]),
        [user("see"), {"role": "user", "content": Image(b"a").block()}],
    ),
    ("a dictionary", {"role": "assistant", "content": "a"}, [model("a")]),
    ("a dictionary with a block", {"role": "user", "content": {"type": "text", "text": "a"}}, [user("a")]),
    (
        "a dictionary with blocks",
        [{"role": "user", "content": [{"type": "text", "text": "a"}, "b"]}],
        [user("a"), user("b")],
    ),
]


@pytest.mark.parametrize(("value", "expected"), [pytest.param(*case[1:], id=case[0]) for case in PROMPTS])
def test_what_a_prompt_function_returns_becomes_messages(value, expected):
    assert filled(value) == (expected, None, None)


def test_a_prompt_may_say_what_it_is_about():
    assert filled(PromptResult(["a"], "about", {"k": 1})) == ([user("a")], "about", '{"k":1}')
    assert filled(PromptResult("a", description="about")) == ([user("a")], "about", None)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "result is a `NoneType`, but a message is text"),
        (3, "result is a `int`"),
        ({"a": 1}, "result is a `dict`"),
        (["a", 3], "result[1] is a `int`"),
        (Message(None), "result.content is `None`"),
        ({"role": "system", "content": "a"}, "MCP has no such role"),
        ([{"role": "user", "content": "a", "name": "b"}], "result[0] has `name`"),
        (Message({"a": object()}), "result.content.a is a `object`"),
    ],
)
def test_what_is_no_message_is_named(value, said):
    with pytest.raises(BadResultError) as refused:
        filled(value)
    assert said in str(refused.value)


def test_a_role_that_does_not_exist_is_refused_where_the_message_is_made():
    with pytest.raises(ValueError, match="not 'hello there'"):
        Message("user", "hello there")


# -- completions -----------------------------------------------------------------------------------------


def completed(value):
    rendered = render_completion(value)
    return json.loads(rendered.content), rendered.more()


@pytest.mark.parametrize(
    ("value", "expected", "more"),
    [
        (["a", "b"], ["a", "b"], ""),
        (("a",), ["a"], ""),
        ([], [], ""),
        (None, [], ""),
        ([Color.RED, 3, dt.date(2025, 1, 31)], ["red", "3", "2025-01-31"], ""),
        (CompletionResult(["a"], total=7, has_more=True), ["a"], ',"total":7,"has_more":true'),
        (CompletionResult(["a"], has_more=False), ["a"], ',"has_more":false'),
        ([str(n) for n in range(250)], [str(n) for n in range(100)], ',"total":250,"has_more":true'),
        (Yielded(str(n) for n in range(101)), [str(n) for n in range(100)], ',"has_more":true'),
        (Yielded("ab"), ["a", "b"], ""),
    ],
)
def test_what_a_completion_function_returns_becomes_values(value, expected, more):
    assert completed(value) == (expected, more)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("abc", "result is a `str`, but a completion returns a list of texts"),
        ({"a": 1}, "result is a `dict`"),
        (3, "result is a `int`"),
        (["a", None], "result[1] is a `NoneType`"),
        ([["a"]], "result[0] is a `list`"),
    ],
)
def test_what_is_no_list_of_texts_is_named(value, said):
    with pytest.raises(BadResultError) as refused:
        completed(value)
    assert said in str(refused.value)


def test_of_an_endless_completion_no_more_is_asked_for_than_is_sent():
    asked = []

    def endless():
        while True:
            asked.append(1)
            yield "a"

    async def endless_async():
        while True:
            yield "a"

    assert len(materialised(endless(), 101)) == 101
    assert len(asked) <= 102
    assert len(asyncio.run(materialised_async(endless_async(), 101))) == 101


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda value: 0, {"value": "de"}),  # noqa: ARG005
        (lambda prefix: 0, {"prefix": "de"}),  # noqa: ARG005
        (lambda prefix, known: 0, {"prefix": "de", "known": {"a": "b"}}),  # noqa: ARG005
        (lambda context, value: 0, {"context": {"a": "b"}, "value": "de"}),  # noqa: ARG005
        (lambda context, typed: 0, {"context": {"a": "b"}, "typed": "de"}),  # noqa: ARG005
        (lambda ctx, prefix: 0, {"prefix": "de"}),  # noqa: ARG005
        (lambda: 0, {}),
    ],
)
def test_a_completion_function_takes_what_was_typed_and_if_it_likes_what_else_is_known(function, expected):
    convert = plan_completion(function, {"ctx"})
    assert convert({"value": "de", "context": {"a": "b"}}) == expected


# -- texts that stand for values ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        (str, "5", "5"),
        (str, '"a"', '"a"'),
        (int, "5", 5),
        (int, " 5 ", 5),
        (float, "1.5", 1.5),
        (float, "2", 2.0),
        (bool, "true", True),
        (bool, "No", False),
        (bool, "1", True),
        (bool, "0", False),
        (typing.Optional[bool], "1", True),
        (typing.Optional[int], "", None),
        (typing.Optional[int], "none", None),
        (typing.Optional[typing.Literal["q"]], "null", None),
        (typing.Literal[1, "x"], "1", 1),
        (typing.Literal[1, "x"], "x", "x"),
        (typing.Literal[1, 2, "x", True], "true", True),
        (list, '["a"]', ["a"]),
        (dict, '{"a": 1}', {"a": 1}),
        (typing.List[int], "[1, 2]", [1, 2]),
        (typing.Optional[int], "5", 5),
        (typing.Optional[int], "null", None),
        (typing.Optional[str], "null", "null"),
        (typing.Union[int, str], "5", "5"),
        (typing.Any, "5", "5"),
        (typing.Literal[1, 2], "2", 2),
        (typing.Literal["a", "b"], "b", "b"),
        (Color, "red", Color.RED),
        (Size, "2", Size.LARGE),
        (dt.date, "2025-01-31", dt.date(2025, 1, 31)),
        (decimal.Decimal, "1.50", decimal.Decimal("1.50")),
        (pathlib.Path, "/a", pathlib.Path("/a")),
        (Point, '{"x": 1}', Point(1)),
        (typing.Dict[str, int], '{"a": 1}', {"a": 1}),
    ],
)
def test_a_text_becomes_the_type_of_its_parameter(annotation, text, value):
    def function(given):
        return given

    function.__annotations__["given"] = annotation
    convert = plan_arguments(function, texts=True)
    made = {"given": text} if convert is None else convert({"given": text})
    assert made["given"] == value
    assert type(made["given"]) is type(value)


def test_an_empty_text_where_no_text_is_meant_is_an_argument_that_was_not_given():
    def function(n=3, on="yes", o=5, day=None, t="t"): ...

    function.__annotations__.update(
        n=int, on=bool, o=typing.Optional[int], day=typing.Optional[dt.date], t=str
    )
    convert = plan_arguments(function, texts=True)
    assert convert(dict.fromkeys(("n", "on", "o", "day", "t"), "")) == {"t": ""}
    assert convert({"n": " ", "on": "off"}) == {"on": False}

    def required(n: int): ...

    with pytest.raises(ArgumentError):
        plan_arguments(required, texts=True)({"n": ""})


def test_texts_that_stand_for_nothing_are_all_named():
    def function(n: int, day: dt.date, points: typing.List[Point], name: str = "a"): ...

    convert = plan_arguments(function, texts=True)
    with pytest.raises(ArgumentError) as refused:
        convert({"n": "many", "day": "today", "points": '[{"x": "1"}]'})
    assert [place for place, _ in refused.value.faults] == ["/n", "/day", "/points/0/x"]


def test_a_function_of_texts_needs_no_plan():
    def function(a: str, b="c"): ...

    assert plan_arguments(function, texts=True) is None
