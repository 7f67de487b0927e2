"""A helper: types that other files import."""

from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Literal, TypedDict

from pydantic import BaseModel, Field

from ._units import DEFAULT_UNIT, Unit

LIMIT = 25
Kind = Literal["big", "small"]
Positive = Annotated[int, Field(gt=0, description="More than nothing.")]


class Side(Enum):
    LEFT = "left"
    RIGHT = "right"


@dataclass
class Box:
    """A box."""

    width: int
    height: int = 2
    unit: Unit = DEFAULT_UNIT


class Label(TypedDict, total=False):
    text: str
    side: Side


class Shelf(BaseModel):
    """A shelf."""

    boxes: list[Box] = []
    label: Label | None = None
