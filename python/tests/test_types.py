"""What the table of types (test_types_table.py) cannot show: iterators, refusals, names for type checkers."""
# ruff: noqa: FA100 - how the annotations are written is what is tested

import dataclasses
import datetime as dt
import decimal
import fractions
import re
import sys
import textwrap
import typing as t
import zoneinfo

import pytest

from omni.content import BadResultError, is_async_iterator, json_text, materialised
from omni.convert import plan_arguments
from omni.load import LoadError, load_module
from omni.stdlib_types import ArgumentError

T = t.TypeVar("T")


@dataclasses.dataclass
class Unit:
    title: str
    above: t.Optional["Unit"] = None
    below: t.Optional[t.List["Unit"]] = None


@dataclasses.dataclass
class Span(t.Generic[T]):
    low: T
    high: t.Optional[T] = None


DAY = dt.date(2025, 1, 31)


def convert(annotation: t.Any, value: t.Any) -> t.Any:
    def function(x: t.Any) -> None: ...

    function.__annotations__ = {"x": annotation}
    plan = plan_arguments(function)
    return value if plan is None else plan({"x": value})["x"]


def test_a_default_dict_makes_what_is_missing():
    assert convert(t.DefaultDict[str, t.List[int]], {})["new"] == []
    with pytest.raises(KeyError):
        convert(t.DefaultDict[str, Unit], {})["new"]


def test_an_iterator_can_be_gone_through_with_next():
    made = convert(t.Iterator[dt.date], ["2025-01-31"])
    assert (next(made), next(made, None)) == (DAY, None)
    with pytest.raises(ArgumentError, match=r"^/x/1: "):
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
    with pytest.raises(ArgumentError, match=r"^/x"):
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
    from omni.call_frame import Target
    from omni.load import prepare

    module = skill(CHECKERS)
    assert module.kinds
    target = Target(
        {
            "tool": "ship.kinds",
            "skill": f"ship{tmp_path.name}",
            "dir": str(tmp_path / "ship"),
            "file": "scripts/ship.py",
            "function": "kinds",
        }
    )
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
