"""Every type that is described is also made of its JSON, and written back as JSON: one table, both ways."""
# ruff: noqa: FA100 - how the annotations are written is what is tested

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import ipaddress
import json
import os
import pathlib
import re
import sys
import textwrap
import typing as t
import uuid
import zoneinfo

import pytest

from omni.content import BadResultError, is_async_iterator, json_text, materialised
from omni.convert import plan_arguments
from omni.library import ArgumentError
from omni.load import LoadError, load_module

T = t.TypeVar("T")
U = t.TypeVar("U")


class Color(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Unit:
    title: str
    above: t.Optional["Unit"] = None
    below: t.Optional[t.List["Unit"]] = None


class Chain(t.TypedDict):
    day: dt.date
    then: t.Optional["Chain"]


class Twig(t.NamedTuple):
    day: dt.date
    twigs: t.Optional[t.List["Twig"]] = None


@dataclasses.dataclass
class Span(t.Generic[T]):
    low: T
    high: t.Optional[T] = None


@dataclasses.dataclass
class Longer(Span[dt.date], t.Generic[U]):
    more: t.Optional[t.List[U]] = None


Value = t.Union[None, bool, int, dt.date, t.List["Value"], t.Dict[str, "Value"]]

DAY = dt.date(2025, 1, 31)

#: What is annotated, its JSON, its Python value, and the JSON of that value where it differs.
BOTH_WAYS = [
    (str, "a", "a"),
    (int, 3, 3),
    (float, 3, 3.0),
    (bool, True, True),
    (bytes, "a", b"a"),
    (bytearray, "a", bytearray(b"a")),
    (complex, "1+2j", 1 + 2j),
    (decimal.Decimal, "1.50", decimal.Decimal("1.50")),
    (decimal.Decimal, 0.1, decimal.Decimal("0.1"), "0.1"),
    (fractions.Fraction, "1/3", fractions.Fraction(1, 3)),
    (fractions.Fraction, 0.5, fractions.Fraction(1, 2), "1/2"),
    (dt.date, "2025-01-31", DAY),
    (dt.datetime, "2025-01-31T12:00:00Z", dt.datetime(2025, 1, 31, 12, tzinfo=dt.timezone.utc)),
    (dt.time, "12:30:00", dt.time(12, 30)),
    (dt.timedelta, "PT1H", dt.timedelta(hours=1)),
    (dt.timedelta, 90, dt.timedelta(seconds=90), "PT1M30S"),
    (uuid.UUID, "12345678-1234-5678-1234-567812345678", uuid.UUID(int=0x12345678123456781234567812345678)),
    (pathlib.Path, "a/b", pathlib.Path("a/b")),
    (pathlib.PurePosixPath, "a/b", pathlib.PurePosixPath("a/b")),
    (os.PathLike, "a/b", pathlib.Path("a/b")),
    ("os.PathLike[str]", "a/b", pathlib.Path("a/b")),
    (re.Pattern, "a+", re.compile("a+")),
    (t.Pattern[str], "a+", re.compile("a+")),
    (t.Pattern[bytes], "a+", re.compile(b"a+")),
    (zoneinfo.ZoneInfo, "Europe/Rome", zoneinfo.ZoneInfo("Europe/Rome")),
    (ipaddress.IPv4Address, "10.0.0.1", ipaddress.IPv4Address("10.0.0.1")),
    (ipaddress.IPv6Network, "fe80::/64", ipaddress.IPv6Network("fe80::/64")),
    (Color, "red", Color.RED),
    (t.List[dt.date], ["2025-01-31"], [DAY]),
    (t.Sequence[dt.date], ["2025-01-31"], [DAY]),
    (t.Iterable[dt.date], ["2025-01-31"], [DAY]),
    (t.Collection[dt.date], ["2025-01-31"], [DAY]),
    (t.Tuple[dt.date, ...], ["2025-01-31"], (DAY,)),
    (t.Tuple[int, dt.date], [1, "2025-01-31"], (1, DAY)),
    (t.Set[int], [1, 1], {1}, [1]),
    (t.FrozenSet[int], [1], frozenset({1})),
    (t.AbstractSet[int], [1], {1}),
    (t.Deque[dt.date], ["2025-01-31"], collections.deque([DAY])),
    (collections.deque, [1], collections.deque([1])),
    (t.Dict[str, dt.date], {"a": "2025-01-31"}, {"a": DAY}),
    (t.Dict[int, int], {"1": 2}, {1: 2}),
    (t.Mapping[str, dt.date], {"a": "2025-01-31"}, {"a": DAY}),
    (t.Counter[int], {"1": 2}, collections.Counter({1: 2})),
    (collections.Counter, {"a": 2}, collections.Counter({"a": 2})),
    (t.DefaultDict[str, t.List[int]], {"a": [1]}, collections.defaultdict(list, {"a": [1]})),
    (collections.OrderedDict, {"a": 1}, collections.OrderedDict({"a": 1})),
    (t.OrderedDict[str, dt.date], {"a": "2025-01-31"}, collections.OrderedDict({"a": DAY})),
    (Unit, {"title": "a", "above": {"title": "b"}}, Unit("a", Unit("b")), None),
    (t.List[Unit], [{"title": "a"}], [Unit("a")], None),
    (t.Optional[t.List[Unit]], [{"title": "a", "below": [{"title": "b"}]}],
     [Unit("a", None, [Unit("b")])], None),
    (Chain, {"day": "2025-01-31", "then": {"day": "2025-01-31", "then": None}},
     {"day": DAY, "then": {"day": DAY, "then": None}}),
    (Twig, {"day": "2025-01-31", "twigs": [{"day": "2025-01-31"}]}, Twig(DAY, [Twig(DAY)]), None),
    (Span[dt.date], {"low": "2025-01-31", "high": "2025-01-31"}, Span(DAY, DAY)),
    (t.Dict[str, Span[dt.date]], {"a": {"low": "2025-01-31"}}, {"a": Span(DAY)}, None),
    (Longer[dt.time], {"low": "2025-01-31", "high": None, "more": ["12:00:00"]},
     Longer(DAY, None, [dt.time(12)])),
    (Value, {"a": ["2025-01-31", [None, {"b": 1}]]}, {"a": [DAY, [None, {"b": 1}]]}),
    (t.Optional[Span[dt.date]], {"low": "2025-01-31", "high": None}, Span(DAY)),
]  # fmt: skip


def convert(annotation: t.Any, value: t.Any) -> t.Any:
    def function(x: t.Any) -> None: ...

    function.__annotations__ = {"x": annotation}
    plan = plan_arguments(function)
    return value if plan is None else plan({"x": value})["x"]


@pytest.mark.parametrize("row", BOTH_WAYS, ids=lambda row: str(row[0]))
def test_a_value_arrives_as_its_type_and_goes_back_as_its_json(row):
    annotation, given, expected = row[:3]
    made = convert(annotation, given)
    assert made == expected
    assert type(made) is type(expected)
    back = given if len(row) == 3 else row[3]
    if back is not None:
        assert json.loads(json_text(made)) == back


def test_a_default_dict_makes_what_is_missing():
    assert convert(t.DefaultDict[str, t.List[int]], {})["new"] == []
    with pytest.raises(KeyError):
        convert(t.DefaultDict[str, Unit], {})["new"]


def test_an_iterator_can_be_gone_through_with_next():
    made = convert(t.Iterator[dt.date], ["2025-01-31"])
    assert (next(made), next(made, None)) == (DAY, None)
    with pytest.raises(ArgumentError, match=r"`x\[1\]`"):
        convert(t.Generator[dt.date, None, None], ["2025-01-31", "x"])


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-inf", "sNaN"])
@pytest.mark.parametrize("kind", [decimal.Decimal, fractions.Fraction])
def test_a_number_is_finite(kind, text):
    with pytest.raises(ArgumentError, match="no finite number"):
        convert(kind, text)


def test_keys_and_complex_numbers_are_finite_too():
    for annotation, value in [(t.Dict[float, int], {"nan": 1}), (complex, "nan+1j"), (complex, "infj")]:
        with pytest.raises(ArgumentError, match="no finite number"):
            convert(annotation, value)


@pytest.mark.parametrize(
    ("annotation", "wrong"),
    [
        (zoneinfo.ZoneInfo, "No/Where"),
        (zoneinfo.ZoneInfo, "../../etc/passwd"),
        (zoneinfo.ZoneInfo, "Europe"),
        (zoneinfo.ZoneInfo, ""),
        (fractions.Fraction, "1/0"),
        (fractions.Fraction, "x"),
        (complex, "x"),
        (dt.timedelta, 1e300),
        (re.Pattern, "("),
        (Span[dt.date], {"low": "nonsense"}),
        (t.OrderedDict[str, dt.date], {"a": "x"}),
    ],
)
def test_what_is_no_value_of_the_type_is_an_argument_error(annotation, wrong):
    with pytest.raises(ArgumentError, match="`x"):
        convert(annotation, wrong)


@pytest.mark.parametrize("kind", [dt.date, dt.datetime, dt.time, dt.timedelta, complex])
def test_what_a_refusal_says_to_write_is_accepted(kind):
    with pytest.raises(ArgumentError) as caught:
        convert(kind, "?")
    hint = str(caught.value).partition("write it like ")[2]
    assert isinstance(convert(kind, hint), kind)


# -- results ---------------------------------------------------------------------------------------------


class Int64:
    """Stands for numpy.int64: no `int`, but it has `__index__`."""

    def __index__(self):
        return 7


class NotATime(dt.datetime):
    """Stands for pandas.NaT."""

    def isoformat(self, *_args, **_kwargs):
        return "NaT"


def test_what_can_index_is_an_integer():
    assert json_text({"a": [Int64()], Int64(): 1}) == '{"a":[7],"7":1}'


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (NotATime(1, 1, 1), "result is `NaT`"),
        ({"rows": [{"seen": NotATime(1, 1, 1)}]}, r"result\.rows\[0\]\.seen is `NaT`"),
        (decimal.Decimal("NaN"), "result is `NaN`"),
        ([decimal.Decimal("-Infinity")], r"result\[0\] is `-Infinity`"),
        (complex("nan"), "result is `nan"),
        ((item for item in "ab"), "result is a `generator`"),
    ],
)
def test_what_is_no_time_or_number_is_refused_by_place(value, message):
    with pytest.raises(BadResultError, match=message):
        json_text(value)


def test_what_a_tool_yields_is_a_list():
    assert materialised(item for item in range(3)) == [0, 1, 2]
    assert materialised(map(str, [1])) == ["1"]
    assert materialised([1]) == [1]

    async def yields():
        yield 1

    assert is_async_iterator(yields())
    assert not is_async_iterator([])


def test_views_ranges_and_mappings_are_written():
    from types import MappingProxyType

    value = [range(2), {"a": 1}.keys(), {"a": 1}.items(), MappingProxyType({"b": 1})]
    assert json_text(value) == '[[0,1],["a"],[["a",1]],{"b":1}]'


class TestWithNumpy:
    @pytest.fixture(autouse=True)
    def _numpy(self):
        self.numpy = pytest.importorskip("numpy")

    def test_its_scalars_and_arrays_are_numbers(self):
        np = self.numpy
        value = {
            "i": np.int64(7),
            "b": np.bool_(1),
            "f": np.float32(0.5),
            "a": np.arange(3),
            "m": np.eye(2),
        }
        assert json.loads(json_text(value)) == {
            "i": 7, "b": True, "f": 0.5, "a": [0, 1, 2], "m": [[1.0, 0.0], [0.0, 1.0]]
        }  # fmt: skip

    def test_its_times_are_times(self):
        np = self.numpy
        times = np.array(["2025-01-31T12:00:00"], dtype="datetime64[ns]")
        assert json.loads(json_text([times, np.timedelta64(90, "s")])) == [
            ["2025-01-31T12:00:00.000000000"],
            "PT1M30S",
        ]
        for missing in (np.datetime64("NaT"), np.timedelta64("NaT")):
            with pytest.raises(BadResultError, match="NaT"):
                json_text(missing)
        with pytest.raises(BadResultError, match="NaN"):
            json_text([np.float32("nan")])


# -- names that only type checkers see ---------------------------------------------------------------------


@pytest.fixture
def skill(tmp_path):
    scripts = tmp_path / "ship" / "scripts"
    scripts.mkdir(parents=True)

    def load(text: str, **others: str):
        for name, content in {"ship": text, **others}.items():
            (scripts / f"{name}.py").write_text(textwrap.dedent(content))
        name = f"ship{tmp_path.name}"
        return load_module(name, str(tmp_path / "ship"), "scripts/ship.py")

    yield load
    for name in [name for name in sys.modules if name.startswith(f"omni_skills.ship{tmp_path.name}")]:
        del sys.modules[name]


CHECKERS = """
    from __future__ import annotations
    from typing import TYPE_CHECKING, Optional
    if TYPE_CHECKING:
        from decimal import Decimal
        from ._shapes import Parcel
        import datetime as dt
        Prices = list[Decimal]

    def kinds(parcel: Parcel, price: Optional[Decimal] = None, days: list[dt.date] = (), prices: Prices = ()):
        return parcel, price, days, prices
"""
SHAPES = """
    from dataclasses import dataclass
    @dataclass
    class Parcel:
        grams: int
"""


def test_a_type_imported_for_type_checkers_is_made_like_any_other(skill):
    module = skill(CHECKERS, _shapes=SHAPES)
    plan = plan_arguments(module.kinds)
    made = plan({"parcel": {"grams": 5}, "price": "1.50", "days": ["2025-01-31"], "prices": ["2.5"]})
    assert type(made["parcel"]).__name__ == "Parcel"
    assert (made["price"], made["days"], made["prices"]) == (
        decimal.Decimal("1.50"),
        [DAY],
        [decimal.Decimal("2.5")],
    )
    assert not hasattr(module, "Parcel")


def test_one_that_cannot_be_imported_is_a_load_error_that_names_it(tmp_path, skill):
    from omni.call import Target
    from omni.load import prepare

    module = skill(CHECKERS)
    assert module.kinds
    target = Target.__new__(Target)
    target.skill, target.folder = f"ship{tmp_path.name}", str(tmp_path / "ship")
    target.file, target.function, target.inject = "scripts/ship.py", "kinds", []
    with pytest.raises(LoadError, match=r"scripts/ship\.py:\d+`: the annotation `Parcel` of `parcel`"):
        prepare(target)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="`type` statements came with Python 3.12")
def test_a_type_statement_gives_its_arguments_on_and_may_hold_itself(skill):
    module = skill("""
        import datetime as dt
        from dataclasses import dataclass
        type Maybe[T] = T | None
        type Tree[T] = dict[str, T | Tree[T]]
        type Nested = None | dt.date | list[Nested]
        @dataclass
        class Box[T]:
            held: T
            inner: "Box[T] | None" = None
        def f(a: Maybe[dt.date], b: Tree[dt.date], c: Nested, d: Box[dt.date]): ...
    """)
    made = plan_arguments(module.f)({
        "a": "2025-01-31",
        "b": {"x": {"y": "2025-01-31"}},
        "c": ["2025-01-31", [None]],
        "d": {"held": "2025-01-31", "inner": {"held": "2025-01-31"}},
    })  # fmt: skip
    assert made["a"] == DAY
    assert made["b"] == {"x": {"y": DAY}}
    assert made["c"] == [DAY, [None]]
    assert made["d"] == module.Box(DAY, module.Box(DAY))
