"""Literals and enumerations."""

import enum
from enum import Enum, Flag, IntEnum, IntFlag, StrEnum, auto
from typing import Literal, Optional

from omni import tool

Mode = Literal["r", "w"]


class Color(Enum):
    RED = "red"
    GREEN = "green"


class Described(str, Enum):
    """How it is described.

    In two paragraphs.
    """

    A = "a"
    B = "b"


class Level(IntEnum):
    LOW = 1
    HIGH = 10


class Word(StrEnum):
    ONE_TWO = auto()
    THREE = auto()


class Counting(Enum):
    A = auto()
    B = auto()
    C = 10
    D = auto()


class Bits(Flag):
    READ = auto()
    WRITE = auto()
    BOTH = READ | WRITE


class IntBits(IntFlag):
    A = 1
    B = 2
    C = 4


class Mixed(Enum):
    ONE = 1
    TWO = "two"


class Floats(float, Enum):
    HALF = 0.5
    WHOLE = 1.0


class Tuples(Enum):
    A = (1, 2)
    B = (3, 4)


class Booleans(Enum):
    YES = True
    NO = False


class Single(Enum):
    ONLY = "only"


class Aliased(Enum):
    A = 1
    B = 1
    C = 2


class Empty(Enum):
    pass


class Methods(enum.Enum):
    X = "x"
    _ignored = 3

    def shout(self):
        return self.value.upper()

    @property
    def low(self):
        return self.value

    @classmethod
    def default(cls):
        return cls.X


class Base(Enum):
    def hello(self):
        return 1


class Derived(Base):
    P = 1
    Q = 2


class Nulls(Enum):
    A = None
    B = 1


Made = Enum("Made", ["X", "Y"])
MadeText = Enum("MadeText", "P Q R")
MadePairs = Enum("MadePairs", {"A": "a", "B": "b"})
MadeStr = StrEnum("MadeStr", "Foo Bar")

ANSWER = 42
FIRST, SECOND = "first", "second"


class Computed(Enum):
    A = ANSWER
    B = ANSWER * 2 + 1
    C = FIRST + "!"


@tool
def literal(a: Literal["a"], b: Literal["a", "b"], c: Literal[1, 2, 3] = 1): ...


@tool
def literal_mixed(a: Literal["a", 1], b: Literal["a", None], c: Literal[True, False], d: Literal[True] = True): ...


@tool
def literal_null(a: Literal[None], b: Literal[1, "x", None] = None): ...


@tool
def literal_nested(a: Literal["x", Mode], b: Literal[Literal[1, 2], 3], c: Mode = "r"): ...


@tool
def literal_repeated(a: Literal["x", "x", "y"], b: Literal[1, True]): ...


@tool
def literal_negative(a: Literal[-1, 0, 1], b: Literal["", " "]): ...


@tool
def literal_enum(a: Literal[Color.RED], b: Literal[Color.RED, Color.GREEN]): ...


@tool
def literal_bytes(a: Literal[b"x", "y"]): ...


@tool
def enums(a: Color, b: Described, c: Level, d: Word): ...


@tool
def enums_default(a: Color = Color.RED, b: Level = Level.HIGH, c: Word = Word.THREE, d: Optional[Color] = None): ...


@tool
def enums_auto(a: Counting, b: Bits, c: IntBits): ...


@tool
def enums_odd(a: Mixed, b: Floats, c: Tuples, d: Booleans): ...


@tool
def enums_rare(a: Single, b: Aliased, c: Methods, d: Derived): ...


@tool
def enum_empty(a: Empty): ...


@tool
def enum_null(a: Nulls): ...


@tool
def enum_base(a: Derived | None = None, b: list[Derived] = []): ...


@tool
def enums_made(a: Made, b: MadeText, c: MadePairs, d: MadeStr): ...


@tool
def enums_computed(a: Computed, b: Computed = Computed.B): ...


@tool
def flag_default(a: Bits = Bits.READ | Bits.WRITE, b: IntBits = IntBits.A | IntBits.C): ...


@tool
def enum_keys(a: dict[Color, int], b: dict[Literal["x", "y"], int]): ...


@tool
def enum_value_default(a: str = Color.RED.value, b: str = Color.RED.name, c: int = Level.LOW): ...


@tool
def enum_described(a: Color, b: Described = Described.A):
    """Do it.

    Args:
        a: The colour.
        b: The letter.
    """


@tool
def mixed_default(a: Mixed = Mixed.ONE, b: Literal["a", 1] = 1): ...
