"""Typed dictionaries, named tuples, dataclasses."""

import dataclasses
from collections import namedtuple
from dataclasses import KW_ONLY, InitVar, dataclass, field
from typing import Annotated, Any, ClassVar, Generic, NamedTuple, NotRequired, Optional, Required, TypedDict, TypeVar

import typing_extensions
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as pydantic_dataclass

from omni import tool

T = TypeVar("T")


class Point(TypedDict):
    x: int
    y: int


class Partial(TypedDict, total=False):
    """Some of it."""

    name: Required[str]
    size: int


class Loose(TypedDict):
    a: str
    b: NotRequired[int]
    c: Annotated[str, Field(description="See.", min_length=1)]
    d: NotRequired[Annotated[int, Field(ge=0)]]
    e: Annotated[NotRequired[int], Field(le=9)]


class Extended(Point):
    z: int


class ExtendedLoose(Partial):
    extra: Any


class Backport(typing_extensions.TypedDict):
    x: int
    y: typing_extensions.NotRequired[str]


class Strict(TypedDict):
    __pydantic_config__ = ConfigDict(extra="forbid")
    x: int


Functional = TypedDict("Functional", {"in": str, "with-dash": int})
FunctionalLoose = TypedDict("FunctionalLoose", {"a": Required[int], "b": str}, total=False)


class Nested(TypedDict):
    point: Point
    points: list[Point]
    maybe: Optional[Partial]


class Tree(TypedDict):
    value: int
    children: "list[Tree]"


class Pair(NamedTuple):
    """A pair."""

    left: int
    right: str = "r"


class Anything(NamedTuple):
    a: Any
    b: Any = None


OldPair = namedtuple("OldPair", "a b")
OldTriple = namedtuple("OldTriple", ["a", "b", "c"])
TypedOld = NamedTuple("TypedOld", [("a", int), ("b", str)])


@dataclass
class Plain:
    name: str
    size: int = 1
    tags: list[str] = field(default_factory=list)


@dataclass
class Documented:
    """A documented class.

    With more text.
    """

    name: str = field(metadata={"description": "The name.", "title": "Called"})
    note: Optional[str] = None
    ratio: float = field(default=0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    a: int = 1
    b: str


@dataclass
class Ordered:
    a: int
    _: KW_ONLY
    b: int = 2
    c: str


@dataclass
class KeywordField:
    a: int = field(kw_only=True)
    b: str


@dataclass
class Special:
    shown: int
    hidden: int = field(init=False)
    seed: InitVar[int]
    counter: ClassVar[int] = 0
    made: int = field(init=False, default=3)
    quiet: str = field(default="q", repr=False, compare=False)
    _private: int = 0


@dataclass
class Parent:
    a: int
    b: str = "x"


@dataclass
class Child(Parent):
    c: float = 1.0
    b: str = "y"


@dataclass
class Outer:
    plain: Plain
    many: list[Plain]
    maybe: Plain | None = None


@dataclass
class Node:
    value: int
    next: "Optional[Node]" = None


@dataclass
class FieldDefaults:
    a: Annotated[int, Field(ge=1, description="A.")] = 1
    b: int = Field(default=2, le=5)
    c: list[int] = Field(default_factory=list)


@pydantic_dataclass
class PydanticPlain:
    """By Pydantic."""

    a: int
    b: str = Field("x", description="B.")


@dataclasses.dataclass
class ByModule:
    a: int = dataclasses.field(default=1)


@dataclass
class Shape:
    @dataclass
    class Corner:
        x: int

    corner: Corner


@tool
def typed_dicts(a: Point, b: Partial, c: Loose): ...


@tool
def typed_dict_inheritance(a: Extended, b: ExtendedLoose): ...


@tool
def typed_dict_rare(a: Backport, b: Functional, c: FunctionalLoose, d: Strict): ...


@tool
def typed_dict_nested(a: Nested): ...


@tool
def typed_dict_tree(a: Tree): ...


@tool
def typed_dict_default(a: Point = {"x": 1, "y": 2}, b: Optional[Point] = None): ...


@tool
def named_tuples(a: Pair, b: Anything): ...


@tool
def named_tuples_made(a: OldPair, b: OldTriple, c: TypedOld): ...


@tool
def dataclasses_plain(a: Plain, b: Documented): ...


@tool
def dataclasses_keyword(a: Frozen, b: Ordered, c: KeywordField): ...


@tool
def dataclass_special(a: Special): ...


@tool
def dataclass_child(a: Child): ...


@tool
def dataclass_outer(a: Outer): ...


@tool
def dataclass_node(a: Node): ...


@tool
def dataclass_fields(a: FieldDefaults): ...


@tool
def dataclass_pydantic(a: PydanticPlain): ...


@tool
def dataclass_module(a: ByModule): ...


@tool
def dataclass_inner(a: Shape): ...


@tool
def dataclass_optional(a: Plain | None = None, b: list[Plain] = [], c: dict[str, Plain] = {}): ...


@tool
def dataclass_described(a: Annotated[Plain, Field(description="The plain one.")]):
    """Do."""


@tool
def dataclass_docs(a: Plain, b: Documented):
    """Do.

    Args:
        a: The first.
        b: The second.
    """


@tool
def returns_point() -> Point: ...


@tool
def returns_points() -> list[Point]: ...


@tool
def returns_pair() -> Pair: ...


@tool
def returns_plain() -> Plain: ...


@tool
def returns_special() -> Special: ...


@tool
def returns_tree() -> Tree: ...


@tool
def returns_node() -> Node: ...


@tool
def returns_nodes() -> list[Node]: ...


@tool
def returns_partial() -> Partial: ...


@tool
def returns_optional_plain() -> Plain | None: ...


@tool
def returns_union() -> Plain | Point: ...


@tool
def returns_mapping() -> dict[str, Plain]: ...


@tool
def returns_extended() -> Extended: ...


@tool
def returns_described() -> Annotated[Plain, Field(description="The plain one.", title="Plainly")]: ...


@tool
def returns_described_node() -> Annotated[Node, Field(description="A node.")]: ...
