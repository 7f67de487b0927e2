"""Annotations that are text."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated, Any, Literal, NotRequired, Optional, TypedDict

from pydantic import BaseModel, Field

from omni import Context, tool


class Color(Enum):
    RED = "red"


@dataclass
class Item:
    name: str
    parent: Item | None = None
    tags: list[str] = field(default_factory=list)


class Row(TypedDict):
    a: int
    b: NotRequired[str]


class Model(BaseModel):
    item: Item
    rows: list[Row] = []
    more: Optional[Model] = None


@tool
def simple(a: str, b: int = 1, c: Optional[float] = None): ...


@tool
def fields(a: Annotated[int, Field(ge=1, description="A.")], b: Annotated[str, "B."] = "x"): ...


@tool
def classes(a: Item, b: Row, c: Model, d: Color = Color.RED): ...


@tool
def with_context(ctx: Context, a: Literal["x", "y"]) -> dict[str, Any]: ...


@tool
def returns_text() -> str: ...


@tool
def returns_none() -> None: ...


@tool
def returns_any() -> Any: ...


@tool
def returns_model() -> Model: ...


@tool
def returns_list() -> list: ...


@tool
def returns_optional() -> Item | None: ...
