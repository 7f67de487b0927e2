"""How JSON arguments become what a function's annotations name."""

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import ipaddress
import pathlib
import re
import sys
import typing as t
import uuid

import pytest

from omni import Context
from omni.convert import plan_arguments
from omni.stdlib_types import ArgumentError, UnresolvedError


class Color(enum.Enum):
    RED = "red"
    GREEN = "green"


class Size(enum.IntEnum):
    S = 1


class Pair(enum.Enum):
    A = (1, 2)


@dataclasses.dataclass
class Point:
    x: int
    y: float = 0.0


@dataclasses.dataclass
class Line:
    start: Point
    ends: t.List[Point]
    made: dt.date = dt.date(2000, 1, 1)
    cached: int = dataclasses.field(default=7, init=False)
    limit: t.ClassVar[int] = 9


@dataclasses.dataclass
class Node:
    name: pathlib.Path
    children: "t.List[Node]" = dataclasses.field(default_factory=list)


class Options(t.TypedDict, total=False):
    since: dt.date
    name: str


class Named(t.NamedTuple):
    where: pathlib.Path
    count: int = 1


Alias = t.NewType("Alias", pathlib.Path)


def convert(annotation, value, *, checked=False):
    def function(x):
        pass

    function.__annotations__ = {"x": annotation}
    plan = plan_arguments(function, set(), checked=checked)
    return value if plan is None else plan({"x": value})["x"]


UTC = dt.timezone.utc
P = pathlib.Path
GOOD = [
    (int, 3, 3),
    (int, 3.0, 3),
    (float, 3, 3.0),
    (str, "a", "a"),
    (bool, True, True),
    (t.Any, [1], [1]),
    (P, "a/b", P("a/b")),
    (pathlib.PurePosixPath, "a", pathlib.PurePosixPath("a")),
    (t.Optional[P], "a", P("a")),
    (t.Optional[P], None, None),
    (dt.date, "2025-01-31", dt.date(2025, 1, 31)),
    (dt.date, "2025-01-31T00:00:00", dt.date(2025, 1, 31)),
    (dt.datetime, "2025-01-31T12:30:00Z", dt.datetime(2025, 1, 31, 12, 30, tzinfo=UTC)),
    (
        dt.datetime,
        "2025-01-31t12:30:00.5+01:30",
        dt.datetime(2025, 1, 31, 12, 30, 0, 500000, dt.timezone(dt.timedelta(minutes=90))),
    ),
    (dt.datetime, "2025-01-31 12:30", dt.datetime(2025, 1, 31, 12, 30)),
    (dt.datetime, "2025-01-31T12:30:00.123456789", dt.datetime(2025, 1, 31, 12, 30, 0, 123456)),
    (dt.datetime, "2025-01-31", dt.datetime(2025, 1, 31)),
    (dt.time, "12:30:05.25", dt.time(12, 30, 5, 250000)),
    (dt.time, "12:30Z", dt.time(12, 30, tzinfo=UTC)),
    (dt.timedelta, "P1DT2H3.5S", dt.timedelta(days=1, hours=2, seconds=3.5)),
    (dt.timedelta, "-PT90M", -dt.timedelta(minutes=90)),
    (dt.timedelta, "P2W", dt.timedelta(weeks=2)),
    (dt.timedelta, "1 day, 02:00:00", dt.timedelta(days=1, hours=2)),
    (dt.timedelta, "00:01:30", dt.timedelta(seconds=90)),
    (dt.timedelta, 1.5, dt.timedelta(seconds=1.5)),
    (decimal.Decimal, "1.10", decimal.Decimal("1.10")),
    (decimal.Decimal, 0.1, decimal.Decimal("0.1")),
    (uuid.UUID, str(uuid.UUID(int=5)), uuid.UUID(int=5)),
    (bytes, "ü", "ü".encode()),
    (ipaddress.IPv4Address, "1.2.3.4", ipaddress.ip_address("1.2.3.4")),
    (re.Pattern, "a+", re.compile("a+")),
    (Color, "red", Color.RED),
    (Size, 1, Size.S),
    (Size, 1.0, Size.S),
    (Pair, [1, 2], Pair.A),
    (t.Literal["a", 1], "a", "a"),
    (t.Literal[Color.RED], "red", Color.RED),
    (t.List[P], ["a"], [P("a")]),
    (t.List[int], [1, 2.0], [1, 2]),
    (t.Sequence[Color], ["red"], [Color.RED]),
    (list, [1], [1]),
    (t.Tuple[int, P], [1, "a"], (1, P("a"))),
    (t.Tuple[P, ...], ["a", "b"], (P("a"), P("b"))),
    (tuple, [1], (1,)),
    (t.Set[int], [1, 1], {1}),
    (set, [1, 1], {1}),
    (t.FrozenSet[str], ["a"], frozenset("a")),
    (t.Deque[int], [1], collections.deque([1])),
    (t.Dict[str, P], {"k": "a"}, {"k": P("a")}),
    (t.Dict[int, str], {"1": "a"}, {1: "a"}),
    (t.Dict[Color, int], {"red": 1}, {Color.RED: 1}),
    (t.Mapping[str, t.List[Color]], {"k": ["red"]}, {"k": [Color.RED]}),
    (dict, {"a": 1}, {"a": 1}),
    (Point, {"x": 1}, Point(1)),
    (Point, {"x": 1, "y": 2, "z": 3}, Point(1, 2.0)),
    (
        Line,
        {"start": {"x": 1}, "ends": [{"x": 2}], "made": "2025-01-31"},
        Line(Point(1), [Point(2)], dt.date(2025, 1, 31)),
    ),
    (Node, {"name": "a", "children": [{"name": "b"}]}, Node(P("a"), [Node(P("b"))])),
    (Options, {"since": "2025-01-31"}, {"since": dt.date(2025, 1, 31)}),
    (Named, ["a"], Named(P("a"))),
    (Named, ["a", 2], Named(P("a"), 2)),
    (Named, {"where": "a"}, Named(P("a"))),
    (Alias, "a", P("a")),
    (t.Union[int, str], "5", "5"),
    (t.Union[P, str], "a", "a"),
    (t.Union[dt.date, int], "2025-01-31", dt.date(2025, 1, 31)),
    (t.Union[int, float], 2, 2),
    (t.Union[dt.date, dt.datetime], "2025-01-31T01:00:00", dt.datetime(2025, 1, 31, 1)),
    (t.Union[Point, Options], {"name": "n"}, {"name": "n"}),
    (t.Union[Point, Options], {"x": 1}, Point(1)),
    (t.Union[t.List[int], t.List[Color]], ["red"], [Color.RED]),
    (t.Optional[t.List[Point]], [{"x": 1}], [Point(1)]),
    (t.Optional[float], 1, 1.0),
    ("pathlib.Path", "a", P("a")),
    ("t.Optional[Color]", "red", Color.RED),
    ("int", 3.0, 3),
]
if sys.version_info >= (3, 10):
    GOOD += [
        ("Color | None", "red", Color.RED),
        (Color | None, None, None),
        (list[P] | None, ["a"], [P("a")]),
    ]
if sys.version_info >= (3, 12):
    scope = {"P": P}
    exec("type Place = P | None", scope)
    GOOD += [(scope["Place"], "a", P("a"))]


@pytest.mark.parametrize(("annotation", "value", "expected"), GOOD)
@pytest.mark.parametrize("checked", [False, True])
def test_an_argument_becomes_its_type(annotation, value, expected, checked):
    made = convert(annotation, value, checked=checked)
    assert made == expected
    assert type(made) is type(expected)


@pytest.mark.parametrize(
    "annotations",
    [
        {"a": str, "b": bool, "c": dict, "d": list, "return": P},
        {"a": "str", "b": "bool", "c": "None"},
        {"a": t.Any},
        {"a": t.Dict[str, t.Any]},
        {"a": t.List[str]},
        {"a": t.Literal["x"]},
        {},
    ],
)
def test_types_that_json_has_need_no_conversion(annotations):
    def function():
        pass

    function.__annotations__ = annotations
    assert plan_arguments(function) is None


BAD = [
    (dt.date, "2025-02-30", "/x: '2025-02-30' is no date: day is out of range for month"),
    (dt.datetime, "soon", "/x: 'soon' is no date and time: write it like 2025-01-31T12:30:00Z"),
    (
        dt.date,
        "2025-01-31T10:00:00",
        "/x: '2025-01-31T10:00:00' is no date: it has a time of day; write it like 2025-01-31",
    ),
    (dt.timedelta, "P", "/x: 'P' is no duration: write it like PT1H30M"),
    (dt.timedelta, "", "/x: '' is no duration: write it like PT1H30M"),
    (dt.time, "25:00", "/x: '25:00' is no time of day: hour must be in 0..23"),
    (decimal.Decimal, "x", "/x: 'x' is no decimal number"),
    (uuid.UUID, "x", "/x: 'x' is no UUID: badly formed hexadecimal UUID string"),
    (Color, "blue", "/x: 'blue' is none of 'red', 'green'"),
    (t.List[dt.date], ["2025-01-01", "x"], "/x/1: 'x' is no date: write it like 2025-01-31"),
    (t.Dict[str, Color], {"k": "x"}, "/x/k: 'x' is none of 'red', 'green'"),
    (t.Dict[int, str], {"k": "x"}, "/x/k: the key 'k' is no number"),
    (Line, {"start": {"x": 1}, "ends": [{}]}, "/x/ends/0/x: required, but missing"),
    (t.Tuple[int, int], [1], "/x: [1] is no list of 2"),
    (t.Optional[dt.date], "x", "/x: 'x' is no date: write it like 2025-01-31"),
    (t.Union[int, Color], "x", "/x: 'x' fits none of int, Color"),
    (re.Pattern, "(", "/x: '(' is no regular expression: missing ), unterminated subpattern at position 0"),
]


@pytest.mark.parametrize(("annotation", "value", "message"), BAD)
def test_a_value_that_is_none_of_its_type_is_refused_by_place(annotation, value, message):
    with pytest.raises(ArgumentError) as caught:
        convert(annotation, value)
    assert str(caught.value) == message


CHECKED = [
    (int, "3", "/x: '3' is no integer"),
    (int, True, "/x: True is no integer"),
    (int, 3.5, "/x: 3.5 is no integer"),
    (float, "1", "/x: '1' is no number"),
    (str, 3, "/x: 3 is no string"),
    (bool, 1, "/x: 1 is no boolean"),
    (t.List[int], [1, "a"], "/x/1: 'a' is no integer"),
    (t.List[t.Any], {}, "/x: {} is no list"),
    (t.Literal["a"], "b", "/x: 'b' is none of 'a'"),
    (t.Optional[str], 3, "/x: 3 is no string"),
]


@pytest.mark.parametrize(("annotation", "value", "message"), CHECKED)
def test_without_a_schema_json_s_own_types_are_checked_too(annotation, value, message):
    with pytest.raises(ArgumentError) as caught:
        convert(annotation, value, checked=True)
    assert str(caught.value) == message


@dataclasses.dataclass
class Booking:
    day: dt.date
    nights: int = 1

    def __post_init__(self):
        if self.nights > 30:
            raise ValueError("a month at most")
        if self.nights < 0:
            raise KeyError("a bug, and no word on the argument")


def test_all_that_is_wrong_is_told_at_once_by_json_pointers():
    def function(days: t.List[dt.date], by: t.Dict[str, Color], pair: t.Tuple[int, dt.date], booked: Booking):
        pass

    with pytest.raises(ArgumentError) as caught:
        plan_arguments(function)(
            {
                "days": ["x", "2025-01-31", "y"],
                "by": {"a/b~c": "blue"},
                "pair": [1, "z"],
                "booked": {"day": "d"},
            }
        )
    places = [place for place, _ in caught.value.faults]
    assert places == ["/days/0", "/days/2", "/by/a~1b~0c", "/pair/1", "/booked/day"]


def test_of_a_list_of_nothing_but_faults_not_all_are_looked_for():
    with pytest.raises(ArgumentError) as caught:
        convert(t.List[dt.date], ["x"] * 5000)
    assert len(caught.value.faults) == 100


def test_a_class_refuses_an_argument_by_a_value_error_or_a_type_error_and_by_nothing_else():
    day = "2025-01-31"
    with pytest.raises(ArgumentError, match=r"^/x/0: a month at most$"):
        convert(t.List[Booking], [{"day": day, "nights": 31}])
    with pytest.raises(KeyError):
        convert(Booking, {"day": day, "nights": -1})
    with pytest.raises(ArgumentError, match="unhashable"):
        convert(t.Set[t.List[int]], [[1]])


def test_of_a_union_the_fault_is_told_of_the_member_that_was_meant():
    @dataclasses.dataclass
    class Cat:
        kind: t.Literal["cat"]
        born: dt.date

    @dataclasses.dataclass
    class Dog:
        kind: t.Literal["dog"]
        born: dt.date

    with pytest.raises(ArgumentError) as caught:
        convert(t.Union[Cat, Dog], {"kind": "dog", "born": "2025-02-30"})
    assert str(caught.value) == "/x/born: '2025-02-30' is no date: day is out of range for month"


def test_without_a_schema_the_names_are_checked_too():
    def function(a: int, b: int = 1, *, ctx: Context):
        pass

    plan = plan_arguments(function, {"ctx"}, checked=True)
    assert plan({"a": 1}) == {"a": 1}
    with pytest.raises(ArgumentError, match=r"^/a: required, but missing$"):
        plan({"b": 1})
    with pytest.raises(ArgumentError, match=re.escape("/c: unknown argument (known: `a`, `b`)")):
        plan({"a": 1, "c": 2})
    with pytest.raises(ArgumentError, match=r"^/ctx: unknown argument"):
        plan({"a": 1, "ctx": 2})


def test_an_annotation_that_names_nothing_is_refused_by_name():
    def function(a: "Missing", b: "pathlib.Path"):  # noqa: F821
        pass

    with pytest.raises(UnresolvedError, match=r"`Missing` of `a` cannot be resolved .*NameError"):
        plan_arguments(function)


def test_a_wrapper_made_with_functools_keeps_the_types():
    import functools

    def function(a: P):
        pass

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    assert plan_arguments(wrapper)({"a": "b"}) == {"a": P("b")}


class TestWithPydantic:
    pydantic = None

    @pytest.fixture(autouse=True)
    def _pydantic(self):
        self.pydantic = pytest.importorskip("pydantic")

    def test_models_are_made_wherever_they_stand(self):
        class Item(self.pydantic.BaseModel):
            when: dt.date

        item = Item(when=dt.date(2025, 1, 31))
        assert convert(Item, {"when": "2025-01-31"}) == item
        assert convert(t.Optional[t.List[Item]], [{"when": "2025-01-31"}]) == [item]

    def test_a_model_s_refusal_names_the_field(self):
        class Item(self.pydantic.BaseModel):
            size: int

        with pytest.raises(ArgumentError, match=r"^/x/size: Input should be a valid integer"):
            convert(Item, {"size": "big"})

    def test_a_model_s_refusals_are_told_by_their_places_in_the_value(self):
        class Cat(self.pydantic.BaseModel):
            lives: int
            name: str

        class Dog(self.pydantic.BaseModel):
            barks: bool

        with pytest.raises(ArgumentError) as caught:
            convert(t.List[t.Union[Cat, Dog]], [{"lives": "many"}])
        places = [place for place, _ in caught.value.faults]
        assert places == ["/x/0/lives", "/x/0/name", "/x/0/barks"]

    def test_a_field_s_default_stands_in_for_the_argument(self):
        field = self.pydantic.Field

        def function(a: int = field(5), b: list = field(default_factory=list), c: str = field(...)):
            pass

        function.__annotations__["d"] = t.Annotated[P, field(default="x")]
        assert plan_arguments(function)({"c": "c"}) == {"a": 5, "b": [], "c": "c", "d": "x"}

    def test_an_alias_is_the_argument_s_name(self):
        def function(a: int = self.pydantic.Field(1, alias="from")):
            pass

        assert plan_arguments(function)({"from": 2.0}) == {"a": 2}


@dataclasses.dataclass
class Plus:
    left: "Formula"
    right: "Formula"
    op: t.Literal["plus"]


@dataclasses.dataclass
class Minus:
    left: "Formula"
    right: "Formula"
    op: t.Literal["minus"]


Formula = t.Union[Plus, Minus, int]
Dates = t.Union[dt.date, t.List["Dates"]]


def test_a_deep_value_of_a_recursive_union_is_converted_once_and_not_once_for_each_way_there():
    value, expected = 1, 1
    for _ in range(40):
        value = {"left": value, "right": 2, "op": "minus"}
        expected = Minus(expected, 2, "minus")
    assert convert(Formula, value) == expected
    # Equal parts at two places are two values, and so are those of two calls.
    twice = {
        "left": {"left": 1, "right": 2, "op": "plus"},
        "right": {"left": 1, "right": 3, "op": "plus"},
        "op": "plus",
    }
    made = convert(Formula, twice)
    assert (made.left.right, made.right.right) == (2, 3)
    assert convert(Formula, twice).left is not made.left


def test_a_fault_deep_in_a_recursive_list_is_found_once_for_each_level():
    value = "no date"
    for _ in range(40):
        value = [value]
    with pytest.raises(ArgumentError):
        convert(Dates, value)
    with pytest.raises(ArgumentError, match=r"^/x/2: "):
        convert(t.List[dt.date], ["2020-01-01", "2020-01-02", "no date"])
