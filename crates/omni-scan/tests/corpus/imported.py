"""Types from helper files."""

from . import _shapes
from . import _units as units
from ._shapes import LIMIT, Box, Kind, Label, Positive, Shelf
from ._shapes import Side as Direction
from ._units import *

from omni import tool


@tool
def direct(a: Box, b: Label, c: Shelf): ...


@tool
def renamed(a: Direction, b: Direction = Direction.LEFT): ...


@tool
def by_module(a: _shapes.Box, b: units.Unit, c: _shapes.Kind = "big"): ...


@tool
def alias(a: Kind, b: Positive, c: int = LIMIT, d: int = _shapes.LIMIT): ...


@tool
def starred(a: Unit = DEFAULT_UNIT): ...


@tool
def result() -> list[Box]: ...


@tool
def model_result() -> Shelf: ...
