"""Which form a type is, and what a filled in form becomes."""

import dataclasses
import datetime as dt
import decimal
import enum
from typing import Any, Dict, List, Literal, NamedTuple, Optional, Set

import pytest

from omni.elicit_form import form_of
from omni.stdlib_types import ArgumentError

try:
    from typing import TypedDict
except ImportError:  # pragma: no cover
    from typing_extensions import TypedDict


class Colour(enum.Enum):
    """Seen by nobody."""

    RED = "red"
    BLUE = "blue"


class Size(enum.IntEnum):
    S = 1
    M = 2


@dataclasses.dataclass
class Order:
    """An order."""

    name: str
    count: int = 3
    weight: Optional[float] = None  # noqa: FA100 - it is the type that is asked for
    colour: Colour = Colour.RED
    size: Size = Size.M
    wrap: Literal["paper", "box"] = "paper"
    extras: List[Literal["card", "ribbon"]] = dataclasses.field(default_factory=list)
    until: dt.date = dt.date(2026, 1, 1)
    price: decimal.Decimal = decimal.Decimal(1)
    gift: bool = False


class Person(TypedDict, total=False):
    name: str
    age: int


class Broken(NamedTuple):
    name: str


@dataclasses.dataclass
class Nested:
    order: Order


@dataclasses.dataclass
class Unresolved:
    a: "Missing"  # noqa: F821


class Plain:
    pass


def test_a_dataclass_is_a_form_in_the_few_words_that_forms_have():
    form = form_of(Order)
    assert form.schema == {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "count": {"type": "integer", "default": 3},
            "weight": {"type": "number"},
            "colour": {
                "type": "string",
                "enum": ["red", "blue"],
                "default": "red",
                "description": "Seen by nobody.",
            },
            "size": {"type": "string", "enum": ["1", "2"], "default": "2"},
            "wrap": {"type": "string", "enum": ["paper", "box"], "default": "paper"},
            "extras": {"type": "array", "items": {"type": "string", "enum": ["card", "ribbon"]}},
            "until": {"type": "string", "format": "date", "default": "2026-01-01"},
            "price": {"type": "number"},
            "gift": {"type": "boolean", "default": False},
        },
        "required": ["name"],
    }
    answer = {"name": "Ada", "size": "1", "colour": "blue", "extras": ["card"], "until": "2026-02-03"}
    assert form.read({**answer, "price": 2.5, "weight": None, "unasked": 1}) == Order(
        name="Ada",
        size=Size.S,
        colour=Colour.BLUE,
        extras=["card"],
        until=dt.date(2026, 2, 3),
        price=decimal.Decimal("2.5"),
    )


def test_all_that_does_not_fit_is_told_at_once():
    with pytest.raises(ArgumentError) as caught:
        form_of(Order).read(
            {"count": "x", "colour": "green", "gift": 1, "extras": ["card", "bow"], "size": 1}
        )
    assert str(caught.value) == (
        "/name: required, but missing; /count: 'x' is not a whole number; /colour: 'green' is none of 'red', "
        "'blue'; /size: 1 is none of '1', '2'; /extras/1: 'bow' is none of 'card', 'ribbon'; "
        "/gift: 1 is not true or false"
    )


def test_a_typed_dictionary_has_what_was_filled_in():
    assert form_of(Person).schema["properties"] == {"name": {"type": "string"}, "age": {"type": "integer"}}
    assert form_of(Person).read({"age": 4.0}) == {"age": 4}


def test_a_pydantic_model_says_its_bounds_and_checks_the_rest_itself():
    pydantic = pytest.importorskip("pydantic")

    class Member(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(extra="forbid")

        name: str = pydantic.Field(title="Your name", min_length=2)
        age: int = pydantic.Field(ge=18, lt=100, description="in years")
        colour: Optional[Colour] = None  # noqa: FA100 - as above
        code: str = pydantic.Field("ab", pattern="^[a-z]+$")

        @pydantic.field_validator("name")
        @classmethod
        def not_bob(cls, value):
            if value == "Bob":
                raise ValueError("not you, Bob")
            return value

    form = form_of(Member)
    assert form.schema == {
        "type": "object",
        "properties": {
            "name": {"type": "string", "title": "Your name", "minLength": 2},
            "age": {"type": "integer", "title": "Age", "description": "in years", "minimum": 18},
            "colour": {"type": "string", "enum": ["red", "blue"], "description": "Seen by nobody."},
            "code": {"type": "string", "title": "Code", "default": "ab"},
        },
        "required": ["name", "age"],
    }
    assert form.read({"name": "Ada", "age": 36, "more": 1}) == Member(name="Ada", age=36)
    for wrong, said in [
        ({"name": "A", "age": 17}, "/name: 'A' is not at least 2 characters; /age: 17 is not at least 18"),
        ({"name": "Ada", "age": 100}, "/age: 100 is not less than 100"),
        ({"name": "Ada", "age": 20, "code": "AB"}, "/code: 'AB' does not match `^[a-z]+$`"),
        ({"name": "Bob", "age": 20}, "/name: Value error, not you, Bob"),
    ]:
        with pytest.raises(ArgumentError) as caught:
            form.read(wrong)
        assert str(caught.value) == said


@pytest.mark.parametrize(
    ("asked_for", "field", "answer", "data"),
    [
        (str, {"type": "string"}, "x", "x"),
        (bool, {"type": "boolean"}, False, False),
        (int, {"type": "integer"}, 3.0, 3),
        (float, {"type": "number"}, 3, 3.0),
        (dt.date, {"type": "string", "format": "date"}, "2026-01-02", dt.date(2026, 1, 2)),
        (
            Colour,
            {"type": "string", "enum": ["red", "blue"], "description": "Seen by nobody."},
            "red",
            Colour.RED,
        ),
        (Size, {"type": "string", "enum": ["1", "2"]}, "2", Size.M),
        (Literal["a", 1], {"type": "string", "enum": ["a", "1"]}, "1", 1),
        (Literal["a"], {"type": "string", "enum": ["a"]}, "a", "a"),
        (Set[Size], {"type": "array", "items": {"type": "string", "enum": ["1", "2"]}}, ["1"], {Size.S}),
        (["a", "b"], {"type": "string", "enum": ["a", "b"]}, "b", "b"),
        ([1, 2.5], {"type": "string", "enum": ["1", "2.5"]}, "2.5", 2.5),
        (
            {"lo": "Low", "hi": {"title": "High"}, "no": None},
            {
                "type": "string",
                "oneOf": [
                    {"const": "lo", "title": "Low"},
                    {"const": "hi", "title": "High"},
                    {"const": "no", "title": "no"},
                ],
            },
            "hi",
            "hi",
        ),
        ([["a", "b"]], {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}}, ["b"], ["b"]),
        ([{"a": "A"}], {"type": "array", "items": {"anyOf": [{"const": "a", "title": "A"}]}}, ["a"], ["a"]),
    ],
)
def test_one_value_is_a_form_with_one_field(asked_for, field, answer, data):
    form = form_of(asked_for)
    assert form.schema == {"type": "object", "properties": {"value": field}, "required": ["value"]}
    read = form.read({"value": answer})
    assert (read, type(read)) == (data, type(data))
    with pytest.raises(ArgumentError, match="/value: required, but missing"):
        form.read({})
    with pytest.raises(ArgumentError, match=r"^/value"):
        form.read({"value": {"wrong": 1}})


def test_one_value_that_may_be_none_may_be_left_out():
    form = form_of(Optional[int])
    assert form.schema == {"type": "object", "properties": {"value": {"type": "integer"}}}
    assert (form.read({}), form.read({"value": None}), form.read({"value": 2})) == (None, None, 2)


def test_the_one_value_may_have_a_label_and_a_form_has_its_own():
    field = form_of(["a"], "Letter", "Which one?").schema["properties"]["value"]
    assert field == {"type": "string", "enum": ["a"], "title": "Letter", "description": "Which one?"}
    with pytest.raises(TypeError, match="say it of each field"):
        form_of(Order, "Letter")


def test_a_schema_is_sent_as_it_is_and_its_defaults_fill_in():
    schema = {
        "type": "object",
        "properties": {
            "a": {"type": "string", "enum": ["x", "y"], "enumNames": ["X", "Y"]},
            "b": {"type": "integer", "default": 4, "exclusiveMaximum": 9},
            "c": {"type": "array", "maxItems": 1, "items": {"anyOf": [{"const": "p", "title": "P"}]}},
        },
        "required": ["a"],
    }
    form = form_of(schema)
    assert form.schema is schema
    assert form.read({"a": "x"}) == {"a": "x", "b": 4}
    with pytest.raises(ArgumentError) as caught:
        form.read({"a": "z", "b": 9, "c": ["p", "p"]})
    assert str(caught.value) == (
        "/a: 'z' is none of 'x', 'y'; /b: 9 is not less than 9; /c: ['p', 'p'] is not at most 1 choices"
    )


@pytest.mark.parametrize(
    ("asked_for", "error", "said"),
    [
        (None, TypeError, "says nothing of what is asked for: give a type, such as `bool`"),
        ("text", TypeError, "says nothing of what is asked for"),
        ([], ValueError, "nothing to choose from"),
        ([[]], ValueError, "nothing to choose from"),
        ({}, ValueError, "nothing to choose from"),
        (["a", "a"], ValueError, "the choice 'a' is there twice"),
        ([1, "1"], ValueError, "the choice '1' is there twice"),
        ([None], TypeError, "a choice is a text or a number, not `NoneType`"),
        ({"a": 5}, TypeError, "the title of the choice 'a' is a text"),
        (5, TypeError, "`5` is not a type"),
        (dict, TypeError, "`dict` has no fields that a form could ask for"),
        (Dict[str, int], TypeError, "no fields that a form could ask for"),
        (List[str], TypeError, "a form cannot ask for the value"),
        (Any, TypeError, "a form cannot ask for the value"),
        (Broken, TypeError, "a form cannot ask for the value"),
        (Nested, TypeError, "a form cannot ask for the field `order`"),
        (Plain, TypeError, "`Plain` is a plain class"),
        (Unresolved, TypeError, "`Missing`"),
        ({"type": "object", "properties": {"o": {"type": "object"}}}, TypeError, "the field `o`"),
        ({"type": "object", "properties": {"o": 5}}, TypeError, "the schema of `o` is no object"),
    ],
)
def test_what_no_form_can_ask_for_is_refused(asked_for, error, said):
    with pytest.raises(error) as caught:
        form_of(asked_for)
    assert said in str(caught.value)
