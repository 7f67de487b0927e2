"""Field(…) and Annotated."""

import re
from decimal import Decimal
from typing import Annotated, Any, Literal, Optional

import annotated_types
import pydantic
from annotated_types import Ge, Gt, Interval, Le, Len, Lt, MaxLen, MinLen, MultipleOf
from pydantic import AliasChoices, BeforeValidator, Field, StringConstraints, WithJsonSchema

from omni import tool

NAME_FIELD = Field(description="A name.", min_length=1)
Name = Annotated[str, Field(description="Named by alias.")]
Short = Annotated[str, "A short text."]
LIMIT = 100
WORDS = "from a constant"


def strip(value):
    return value


@tool
def described(a: Annotated[str, Field(description="The a.")], b: Annotated[int, Field(description="The b.")] = 1): ...


@tool
def described_text(a: Annotated[str, "The a."], b: Annotated[Optional[int], "The b."] = None): ...


@tool
def two_texts(a: Annotated[str, "one", "two"], b: Annotated[Annotated[str, "one"], "two"]): ...


@tool
def text_inside(a: list[Annotated[str, "inner"]], b: Optional[Annotated[str, "inner"]] = None): ...


@tool
def text_and_field(a: Annotated[str, "text", Field(min_length=1)], b: Annotated[str, Field(description="F"), "text"]): ...


@tool
def as_default(a: str = Field(description="The a."), b: int = Field(default=3, description="The b."), c: int = Field(5)): ...


@tool
def required_default(a: str = Field(..., description="The a."), b: str = Field(description="x")): ...


@tool
def default_inside(a: Annotated[int, Field(default=3)], b: Annotated[str, Field("x", description="b")]): ...


@tool
def default_both(a: Annotated[int, Field(default=3)] = 4): ...


@tool
def both_places(a: Annotated[int, Field(ge=1, description="inner")] = Field(3, ge=5, description="outer")): ...


@tool
def numbers(
    a: Annotated[int, Field(ge=1)],
    b: Annotated[int, Field(gt=0, lt=10)],
    c: Annotated[float, Field(ge=0.0, le=1.0)],
    d: Annotated[int, Field(multiple_of=5)] = 5,
    e: int = Field(1, ge=1, le=100),
): ...


@tool
def texts(
    a: Annotated[str, Field(min_length=1, max_length=10)],
    b: Annotated[str, Field(pattern=r"^\d+$")],
    c: str = Field("x", pattern="^x"),
): ...


@tool
def collections(
    a: Annotated[list[int], Field(min_length=1, max_length=3)],
    b: Annotated[dict[str, int], Field(min_length=1)],
    c: Annotated[set[int], Field(max_length=2)],
    d: Annotated[tuple[int, ...], Field(min_length=1)],
    e: Annotated[tuple[int, int], Field(description="pair")] = (1, 2),
): ...


@tool
def titles(a: Annotated[str, Field(title="Alpha")], b: str = Field("x", title="B"), c: Annotated[Any, Field(title="See")] = None): ...


@tool
def title_same(a_b: Annotated[int, Field(title="A B")], inner: list[Annotated[int, Field(title="Item")]] = []): ...


@tool
def examples(a: Annotated[str, Field(examples=["x", "y"])], b: int = Field(1, examples=[1, 2], deprecated=True)): ...


@tool
def extra(a: Annotated[str, Field(json_schema_extra={"format": "color", "x-y": {"z": 1}})]): ...


@tool
def extra_title(a: Annotated[Any, Field(json_schema_extra={"x-ui": {"title": "kept"}})] = None): ...


@tool
def aliased(a: Annotated[str, Field(alias="alpha")], b: int = Field(1, alias="beta", description="B.")):
    """Do.

    Args:
        a: not used
        alpha: by alias
    """


@tool
def validation_aliased(a: Annotated[str, Field(validation_alias="alpha")], b: int = Field(1, validation_alias=AliasChoices("x", "y"))): ...


@tool
def serialization_aliased(a: Annotated[str, Field(serialization_alias="alpha")]): ...


@tool
def factory(a: list[int] = Field(default_factory=list), b: Annotated[dict, Field(default_factory=dict)] = {}): ...


@tool
def factory_inside(a: Annotated[list[int], Field(default_factory=list, description="A.")]): ...


@tool
def named(a: str = NAME_FIELD, b: Name = "x", c: Short = "y", d: list[Name] = []): ...


@tool
def alias_and_more(a: Annotated[Name, Field(min_length=2)], b: Annotated[Name, "text"], c: Optional[Name] = None): ...


@tool
def constants(a: Annotated[int, Field(le=LIMIT)], b: Annotated[str, Field(description=WORDS)], c: int = LIMIT): ...


@tool
def joined(a: Annotated[str, Field(description="one " "two")], b: Annotated[str, Field(description="a" + "b")]): ...


@tool
def marks(a: Annotated[int, Gt(0)], b: Annotated[int, Ge(1), Le(9)], c: Annotated[float, Lt(1.5)], d: Annotated[int, MultipleOf(2)]): ...


@tool
def more_marks(a: Annotated[str, MinLen(1)], b: Annotated[list[int], MaxLen(3)], c: Annotated[str, Len(1, 5)], d: Annotated[int, Interval(ge=1, le=5)]): ...


@tool
def module_marks(a: Annotated[int, annotated_types.Gt(0)], b: Annotated[int, pydantic.Field(gt=0)]): ...


@tool
def strings(a: Annotated[str, StringConstraints(min_length=2, pattern="^a", strip_whitespace=True)]): ...


@tool
def optional_bounds(a: Annotated[int | None, Field(ge=1, description="A.")] = None, b: Optional[int] = Field(None, ge=1)): ...


@tool
def bound_on_text(a: Annotated[str, Field(ge="a")] = "b"): ...


@tool
def decimal_bounds(a: Annotated[Decimal, Field(ge=0, max_digits=5, decimal_places=2)], b: Decimal = Field(Decimal("1.5"), gt=1)): ...


@tool
def literal_described(a: Annotated[Literal["x", "y"], Field(description="Pick.")] = "x"): ...


@tool
def any_described(a: Annotated[Any, Field(description="Any.")], b: Any = Field(None, description="B.")): ...


@tool
def validators(a: Annotated[str, BeforeValidator(strip)], b: Annotated[int, pydantic.AfterValidator(strip)] = 1): ...


@tool
def given_schema(a: Annotated[Any, WithJsonSchema({"type": "string", "format": "hex"})]): ...


@tool
def compiled(a: Annotated[str, Field(pattern=re.compile("^x"))]): ...


@tool
def strict(a: Annotated[int, Field(strict=True)], b: Annotated[int, pydantic.Strict()] = 1): ...


@tool
def frozen_field(a: Annotated[int, Field(frozen=True, repr=False, exclude=True)] = 1): ...


@tool
def empty_description(a: Annotated[str, Field(description="")], b: Annotated[str, ""]):
    """Do.

    Args:
        a: from docs
        b: from docs
    """


@tool
def float_bounds(a: Annotated[float, Field(ge=1, le=2.5)], b: Annotated[int, Field(ge=1.5)]): ...


@tool
def nested_annotated(a: dict[str, Annotated[int, Field(ge=0)]], b: list[Annotated[list[Annotated[int, Field(le=3)]], Field(min_length=1)]]): ...


@tool
def default_in_container(a: list[Annotated[int, Field(default=3)]]): ...


@tool
def iterable_bounds(a: Annotated[list[int] | None, Field(min_length=1)] = None): ...


@tool
def key_bounds(a: dict[Annotated[str, Field(min_length=1)], int], b: dict[Annotated[str, Field(pattern="^x")], int]): ...
