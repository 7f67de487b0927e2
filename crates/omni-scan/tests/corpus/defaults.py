"""Defaults of every kind."""

import math
import os
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Optional

from omni import tool

SIZE = 10
DOUBLE = SIZE * 2
NAME = "n" + "m"
TAGS = ["a", "b"]
OPTIONS = {"depth": 2, "tags": TAGS}
EMPTY = ()
HALF = 1 / 2
POWER = 2**10
SHIFTED = 1 << 4
FLOOR = 7 // 2
REST = -7 % 3
MEGA = 1_000_000
HEX = 0xFF
BIG = 9007199254740993
REBOUND = 1
REBOUND = 2
ROOT = Path("/srv")
SENTINEL = object()
FROM_ENVIRONMENT = os.environ.get("HOME", "x")


class Defaults:
    LIMIT = 3


class Mode(Enum):
    FAST = "fast"


DEFAULT_MODE = Mode.FAST


def compute():
    return 3


@tool
def constants(a: int = SIZE, b: int = DOUBLE, c: str = NAME, d: float = HALF): ...


@tool
def containers(a: list[str] = TAGS, b: dict[str, Any] = OPTIONS, c: tuple = EMPTY): ...


@tool
def arithmetic(a: int = POWER, b: int = SHIFTED, c: int = FLOOR, d: int = REST, e: int = 60 * 60, f: int = MEGA, g: int = HEX): ...


@tool
def big(a: int = BIG): ...


@tool
def negative(a: int = -1, b: float = -0.5, c: float = 1e3): ...


@tool
def expressions(a: str = "a" * 3, b: list[int] = [1] + [2], c: str = "x" "y"): ...


@tool
def enum_constant(a: Mode = DEFAULT_MODE): ...


@tool
def path_constant(a: Path = ROOT, b: Path = ROOT / "x" / "y.txt"): ...


@tool
def objects(a: Any = SENTINEL, b: Any = compute): ...


@tool
def lambdas(a: Any = lambda: 1): ...


@tool
def multiline(a: str = """one
two""", b: str = "tab\tquote\"", c: str = r"raw\d", d: str = "uni\u00e9\N{BULLET}"): ...


@tool
def formatted_constant(a: str = "%s" % "x"): ...


@tool
def nested(a: dict = {"a": {"b": [1, {"c": None}]}, "z": True}, b: list = [[1], [2, [3]]]): ...


@tool
def integer_keys(a: dict = {1: "a", 2: "b"}): ...


@tool
def spread(a: list = [*TAGS, "c"], b: dict = {**OPTIONS, "more": 1}): ...


@tool
def floats(a: float = 1.0, b: float = 100.0, c: float = 1e20, d: float = 0.1, e: float = 3.14159): ...


@tool
def tuples(a: tuple[int, int] = (1, 2), b: list[tuple[str, int]] = [("a", 1)]): ...


@tool
def none_in_list(a: list[Optional[int]] = [None, 1]): ...


@tool
def truth(a: int = True, b: bool = 1): ...
