"""What a return value becomes: content blocks, structured content, or a refusal that names the place."""

import asyncio
import collections
import dataclasses
import datetime as dt
import decimal
import enum
import ipaddress
import itertools
import json
import pathlib
import re
import sys
import uuid

import pytest

from omni import Audio, EmbeddedResource, Image, ResourceLink, Text, ToolResult, content
from omni.content import (
    BadResultError,
    OutputLimitError,
    find_surrogate,
    json_text,
    materialised,
    materialised_async,
    render,
)


class Color(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Word(str, enum.Enum):
    YES = "yes"


@dataclasses.dataclass
class Point:
    x: int
    y: float = 0.5


Row = collections.namedtuple("Row", "a b")


def text(value):
    return [{"type": "text", "text": value}]


PLAIN = [
    ("text", 'a\n"ü"', 'a\n"ü"'),
    ("empty text", "", ""),
    ("integer", 3, "3"),
    ("big integer", 10**30, str(10**30)),
    ("float", 1.0, "1.0"),
    ("boolean", True, "true"),
    ("list", [1, "ü", None], '[1,"ü",null]'),
    ("empty list", [], "[]"),
    ("dictionary", {"a": {"b": []}}, '{"a":{"b":[]}}'),
    ("dictionary with other keys", {1: 2, None: 3, False: 4}, '{"1":2,"null":3,"false":4}'),
    ("dictionary with library keys", {Color.RED: 1, pathlib.PurePosixPath("a"): 2}, '{"red":1,"a":2}'),
    ("tuple", (1, 2), "[1,2]"),
    ("named tuple", Row(1, 2), "[1,2]"),
    ("set", {1}, "[1]"),
    ("frozen set", frozenset(["a"]), '["a"]'),
    ("deque", collections.deque([1]), "[1]"),
    ("dataclass", Point(1), '{"x":1,"y":0.5}'),
    ("dataclasses in a list", [Point(1), Point(2)], '[{"x":1,"y":0.5},{"x":2,"y":0.5}]'),
    ("enum", Color.RED, "red"),
    ("integer enum", [Level.HIGH], "[3]"),
    ("text enum", Word.YES, "yes"),
    ("date", dt.date(2025, 1, 31), "2025-01-31"),
    ("datetime", dt.datetime(2025, 1, 31, 12, tzinfo=dt.timezone.utc), "2025-01-31T12:00:00Z"),
    ("time", dt.time(12, 30), "12:30:00"),
    ("duration", dt.timedelta(days=1, hours=2, seconds=3, milliseconds=500), "P1DT2H3.5S"),
    ("no duration", dt.timedelta(), "PT0S"),
    ("negative duration", -dt.timedelta(minutes=90), "-PT1H30M"),
    ("path", pathlib.PurePosixPath("/a/b"), "/a/b"),
    ("uuid", uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    ("decimal", decimal.Decimal("1.10"), "1.10"),
    ("address", ipaddress.ip_address("::1"), "::1"),
]


@pytest.mark.parametrize(("value", "expected"), [pytest.param(*case[1:], id=case[0]) for case in PLAIN])
def test_a_value_becomes_one_text_block(value, expected):
    assert json.loads(render(value, structured=False, wrap=False).content) == text(expected)


@pytest.mark.parametrize(("value", "expected"), [pytest.param(*case[1:], id=case[0]) for case in PLAIN])
def test_structured_content_is_the_value_as_json(value, expected):
    wrapped = json.loads(render(value, structured=True, wrap=True).structured)
    bare = json.loads(render(value, structured=True, wrap=False).structured)
    assert wrapped == {"result": bare}
    # What is text there is the same text in the block, without quotes.
    assert bare == expected if isinstance(bare, str) else bare == json.loads(expected)


def test_nothing_becomes_no_content():
    assert render(None, structured=False, wrap=False).content == "[]"
    assert render(None, structured=True, wrap=True).structured == '{"result":null}'


BLOCKS = [
    (Text("a"), {"type": "text", "text": "a"}),
    (
        Text("a", annotations={"priority": 1}, meta={"k": 2}),
        {"type": "text", "text": "a", "annotations": {"priority": 1}, "_meta": {"k": 2}},
    ),
    (Image(b"\x00\xff"), {"type": "image", "data": "AP8=", "mimeType": "image/png"}),
    (Image(b"a", format="jpg"), {"type": "image", "data": "YQ==", "mimeType": "image/jpeg"}),
    (Image(b"a", mime_type="image/x"), {"type": "image", "data": "YQ==", "mimeType": "image/x"}),
    (Audio(b"a"), {"type": "audio", "data": "YQ==", "mimeType": "audio/wav"}),
    (Audio(b"a", format="mp3"), {"type": "audio", "data": "YQ==", "mimeType": "audio/mpeg"}),
    (ResourceLink("file:///a/b.txt"), {"type": "resource_link", "uri": "file:///a/b.txt", "name": "b.txt"}),
    (
        ResourceLink("x:1", "n", title="t", description="d", mime_type="m", size=3),
        {
            "type": "resource_link",
            "uri": "x:1",
            "name": "n",
            "title": "t",
            "description": "d",
            "mimeType": "m",
            "size": 3,
        },
    ),
    (EmbeddedResource("x:1", "t"), {"type": "resource", "resource": {"uri": "x:1", "text": "t"}}),
    (
        EmbeddedResource("x:1", data=b"a", mime_type="m"),
        {"type": "resource", "resource": {"uri": "x:1", "mimeType": "m", "blob": "YQ=="}},
    ),
]


@pytest.mark.parametrize(("block", "expected"), BLOCKS)
def test_a_content_type_becomes_its_block(block, expected):
    rendered = render(block, structured=True, wrap=True)
    assert json.loads(rendered.content) == [expected]
    assert rendered.structured is None


def test_a_list_with_content_types_becomes_blocks_in_order():
    value = ["a", Image(b"a"), {"k": 1}, None, [1]]
    assert json.loads(render(value, structured=False, wrap=False).content) == [
        *text("a"),
        {"type": "image", "data": "YQ==", "mimeType": "image/png"},
        *text('{"k":1}'),
        *text("[1]"),
    ]


def test_a_picture_is_read_from_a_file_and_typed_by_its_suffix(tmp_path):
    (tmp_path / "plot.svg").write_bytes(b"<svg/>")
    assert Image(path=tmp_path / "plot.svg").block() == {
        "type": "image",
        "data": "PHN2Zy8+",
        "mimeType": "image/svg+xml",
    }
    (tmp_path / "plain").write_bytes(b"a")
    assert Image(path=tmp_path / "plain").mime_type == "image/png"


@pytest.mark.parametrize(
    "make", [Image, Audio, lambda: EmbeddedResource("x:1"), lambda: Image(b"a", path="b")]
)
def test_a_content_type_without_content_is_refused(make):
    with pytest.raises(ValueError, match="takes either"):
        make()


RESULTS = [
    (ToolResult("a"), text("a"), None, None, False),
    (ToolResult(structured={"n": 1}), text('{"n":1}'), {"n": 1}, None, False),
    (ToolResult("a", {"n": 1}, {"m": 2}), text("a"), {"n": 1}, {"m": 2}, False),
    (ToolResult(["a", Text("b")], is_error=True), [*text("a"), *text("b")], None, None, True),
    (ToolResult(), [], None, None, False),
]


@pytest.mark.parametrize(("value", "content", "structured", "meta", "is_error"), RESULTS)
def test_a_result_given_in_full_is_taken_as_it_is(value, content, structured, meta, is_error):
    rendered = render(value, structured=True, wrap=True)
    assert json.loads(rendered.content) == content
    assert (rendered.structured and json.loads(rendered.structured)) == structured
    assert (rendered.meta and json.loads(rendered.meta)) == meta
    assert rendered.is_error is is_error


def cycle():
    value = {"a": []}
    value["a"].append(value)
    return value


class Unknown:
    pass


NAN = float("nan")
BAD = [
    (NAN, "result is NaN"),
    ({"items": [0, 0, 0, {"price": NAN}]}, "result.items[3].price is NaN"),
    ([float("-inf")], "result[0] is infinite"),
    (b"\xff", "result is a `bytes` that is no UTF-8"),
    ({"a": {"b": b"\xff"}}, "result.a.b is a `bytes`"),
    ({"not an identifier": [b"\xff"]}, "result['not an identifier'][0] is a `bytes`"),
    (Unknown(), "result is a `test_content.Unknown`"),
    ([Point(1), Point(NAN)], "result[1].x is NaN"),
    (cycle(), "result.a[0] contains itself"),
    ("a\ud800", "result has half a surrogate pair (U+D800) at character 1"),
    ({"k": "\udfff"}, "result.k has half a surrogate pair"),
    ({"\ud800": 1}, "a key of result has half a surrogate pair"),
    ({(1, 2): 3}, "a key of result is a `tuple`"),
    ({Unknown(): 3}, "a key of result is a `test_content.Unknown`"),
    ({NAN: 1}, "a key of result is NaN"),
    ((number for number in [1]), "result is a `generator`"),
    (ToolResult("a", structured={"n": NAN}), "result.structured.n is NaN"),
    (ToolResult("a", meta={"n": b"\xff"}), "result.meta.n is a `bytes`"),
    (ToolResult([Text("a"), [b"\xff"]]), "result.content[1][0] is a `bytes`"),
    (print, "result is a `builtin_function_or_method`"),
]


@pytest.mark.parametrize(("value", "expected"), BAD, ids=[case[1] for case in BAD])
def test_what_json_cannot_carry_is_refused_by_path_and_type(value, expected):
    with pytest.raises(BadResultError) as caught:
        encode(value)
    assert str(caught.value).startswith(expected)


def encode(value):
    try:
        return render(value, structured=False, wrap=False).content.encode()
    except UnicodeEncodeError:
        raise find_surrogate(value) from None


def test_a_result_nested_too_deep_is_refused():
    value = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(BadResultError, match="nested deeper than"):
        json_text(value)


def test_an_error_raised_by_the_tool_s_own_class_is_that_error():
    @dataclasses.dataclass
    class Moody:
        x: int

        def __getattribute__(self, name):
            if name == "x":
                raise KeyError(name)
            return super().__getattribute__(name)

    with pytest.raises(KeyError):
        json_text(Moody(1))


def test_pydantic_models_are_dumped_by_pydantic():
    pydantic = pytest.importorskip("pydantic")

    class Item(pydantic.BaseModel):
        when: dt.date
        size: float = 1.0

    assert json_text([Item(when="2025-01-31")]) == '[{"when":"2025-01-31","size":1.0}]'
    with pytest.raises(BadResultError, match=r"result\[0\]\.size is NaN"):
        json_text([Item(when="2025-01-31", size=NAN)])


class TestWithOrjson:
    @pytest.fixture(autouse=True)
    def _orjson(self, monkeypatch):
        pytest.importorskip("orjson")
        monkeypatch.setattr(content, "_orjson", content._Orjson())
        content._orjson.load()
        assert content._orjson.module

    @pytest.mark.parametrize(("value", "expected"), [pytest.param(*case[1:], id=case[0]) for case in PLAIN])
    def test_a_value_is_written_as_without_it(self, value, expected):
        if not isinstance(value, str):
            assert json_text(value) == expected

    @pytest.mark.parametrize(("value", "expected"), BAD, ids=[case[1] for case in BAD])
    def test_what_json_cannot_carry_is_refused_as_without_it(self, value, expected):
        with pytest.raises(BadResultError) as caught:
            encode(value)
        assert str(caught.value).startswith(expected)

    @pytest.mark.parametrize("value", [[None, 1], 2**70, {"a": 2**64}, [0.1, 1e16, 5e-324, -0.0]])
    def test_numbers_and_nulls_keep_their_values(self, value):
        assert json.loads(json_text(value)) == value

    def test_it_is_loaded_for_the_first_large_result(self, monkeypatch):
        monkeypatch.setattr(content, "_orjson", content._Orjson())
        json_text(["x"])
        assert not content._orjson.tried
        json_text(["x" * 100_000])
        assert content._orjson.module


def test_a_generator_without_end_is_ended_when_a_result_is_full():
    with pytest.raises(OutputLimitError, match="had yielded"):
        materialised(itertools.count())
    with pytest.raises(OutputLimitError, match="had yielded 9 values"):
        materialised("x" * 1_000_000 for _ in itertools.count())

    async def endless():
        while True:
            yield b"x" * 1_000_000

    with pytest.raises(OutputLimitError, match="had yielded 9 values"):
        asyncio.run(materialised_async(endless()))
    assert materialised(iter([1, 2])) == [1, 2]


def test_a_picture_takes_a_path_where_other_servers_take_one(tmp_path):
    file = tmp_path / "dot.gif"
    file.write_bytes(b"GIF89a")
    expected = Image(path=file).block()
    assert Image(str(file)).block() == Image(file).block() == expected
    assert expected["mimeType"] == "image/gif"
    with pytest.raises(ValueError, match="either"):
        Image(str(file), path=file)


def test_an_integer_that_python_does_not_write_is_refused_by_place():
    if not hasattr(sys, "get_int_max_str_digits"):
        pytest.skip("this Python writes all of them")
    for value, path in ((10**5000, "result"), ({"a": [1, -(10**5000)]}, "result.a[1]")):
        with pytest.raises(BadResultError, match=f"^{re.escape(path)} is an integer of 16610 bits"):
            json_text(value, "result")
    assert json_text(10**4000, "result") == str(10**4000)


def test_a_duration_of_pandas_keeps_its_nanoseconds():
    pandas = pytest.importorskip("pandas")
    for nanoseconds, text in (
        (1, "PT0.000000001S"),
        (-7, "-PT0.000000007S"),
        (1_500_000_007, "PT1.500000007S"),
    ):
        assert json_text(pandas.Timedelta(nanoseconds, "ns"), "result") == f'"{text}"'
