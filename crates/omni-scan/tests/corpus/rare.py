"""Seldom seen, but Python."""

import typing
import typing as t
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Dict,
    Final,
    Generic,
    List,
    Literal,
    LiteralString,
    NamedTuple,
    NotRequired,
    Optional,
    Text,
    Tuple,
    TypedDict,
    TypeVar,
    Union,
)
from uuid import UUID

from annotated_types import Gt, Len
from pydantic import BaseModel, ConfigDict, Field, RootModel, constr
from typing_extensions import Doc

from omni import Context, tool

T = TypeVar("T")
K = TypeVar("K")


class Priority(Enum):
    LOW = 1
    HIGH = 2


class Kept(BaseModel):
    """Kept."""

    model_config = ConfigDict(frozen=True, str_strip_whitespace=True, use_enum_values=True)

    priority: Priority = Priority.HIGH
    limits: dict[str, int] = Field(default_factory=dict, description="Limits.")
    where: Path = Path("data")
    wait: timedelta = timedelta(seconds=5)
    id: Optional[UUID] = None
    pair: Tuple[int, str] = (1, "x")
    mapping: Dict[Priority, List[int]] = {}
    literal: Literal["a", "b"] = "a"
    union: Union[int, str, None] = None
    anything: Any = None
    nested: "Optional[Kept]" = None


class Pair(BaseModel, Generic[T, K]):
    first: T
    second: K


class Step(TypedDict, total=False):
    """One step."""

    name: Annotated[str, Field(description="Name.")]
    args: Dict[str, Any]
    then: "List[Step]"


class Point(NamedTuple):
    x: float = 0.0
    y: float = 0.0


class Track(BaseModel):
    points: List[Point]
    origin: Point = Point()


class Matrix(RootModel[List[List[float]]]):
    pass


@dataclass
class Query:
    """A query."""

    text: str
    filters: "dict[str, Filter] | None" = None
    order: Literal["asc", "desc"] = "asc"
    limit: Annotated[int, Field(ge=1, le=1000, description="How many.")] = 10


@dataclass
class Filter:
    values: List[Union[int, str]]
    negate: bool = False


@tool
def kept(a: Kept): ...


@tool
def returns_kept() -> Kept: ...


@tool
def pairs(a: Pair[int, str], b: Pair[Priority, Kept]): ...


@tool
def steps(plan: List[Step]) -> Dict[str, Step]: ...


@tool
def track(a: Track) -> Track: ...


@tool
def matrix(a: Matrix) -> Matrix: ...


@tool
def query(q: Query) -> list[Query]: ...


@tool
def documented(a: Annotated[int, Doc("Not used.")], b: Annotated[str, Gt("a"), "text"] = "x"): ...


@tool
def literal_string(a: LiteralString, b: Text): ...


@tool
def by_module(a: typing.Dict[str, typing.Any], b: t.Optional[t.List[int]] = None, c: t.Literal["x"] = "x") -> t.Dict[str, int]: ...


@tool
def deep(a: Dict[str, List[Dict[str, Optional[Tuple[int, ...]]]]]): ...


@tool
def title_edge(iD: Any = None, x2y: Any = None, a__b_: Any = None, ÄÖ: Any = None, o_clock_3rd: Any = None): ...


@tool
def shadowed(type: str, id: int, list: list[str] = [], format: Literal["json", "text"] = "json"): ...


@tool
def property_names(title: str, default: int = 1, description: str = "x", properties: dict = {}, enum: list[str] = []): ...


@tool
def described_literal(kind: Annotated[Literal["a", 1], Field(description="Which.")] = "a"): ...


@tool
def described_enum(level: Annotated[Priority, Field(description="How urgent.")] = Priority.LOW): ...


@tool
def list_of_enum(levels: list[Priority] = [Priority.LOW], by_name: dict[str, Priority] = {"a": Priority.HIGH}): ...


@tool
def enum_tuple(levels: tuple[Priority, ...] = (Priority.LOW, Priority.HIGH)): ...


@tool
def decimals(a: Decimal = Decimal("0"), b: list[Decimal] = [Decimal("1.5")], c: Decimal | None = None): ...


@tool
def optional_everything(a: int | None = None, b: str | None = None, c: list[str] | None = None, d: dict[str, Any] | None = None): ...


@tool
def lengths(a: Annotated[str, Len(2)], b: Annotated[list[str], Len(1, 3)], c: constr(pattern="^x")): ...


@tool
def context_in_middle(a: int, ctx: Context, b: str = "x") -> Annotated[list[str], Field(description="Lines.")]: ...


@tool
def union_of_models(a: Union[Kept, Query, Step]): ...


@tool
def model_or_text(a: Query | str = "all"): ...


@tool
def nested_optional_models(a: Optional[Dict[str, Optional[Query]]] = None): ...


@tool
def default_model(a: Point = Point(1.0, 2.0)): ...


@tool
def default_dataclass(a: Filter = Filter(values=[1])): ...


@tool
def enum_by_value(a: Priority = Priority(2)): ...


class Holder(BaseModel):
    step: Query = Query("x", order="desc")
    model: Track = Track(points=[])


@tool
def holder(a: Holder): ...


@tool
def final(a: "Final[int]" = 3): ...
