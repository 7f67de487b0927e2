"""Names for types."""

from dataclasses import dataclass
from enum import Enum
from typing import Annotated, NewType, Optional, TypeAlias, TypeVar, Union

from pydantic import BaseModel, Field
from typing_extensions import TypeAliasType

from omni import tool

UserId = NewType("UserId", int)
Email = NewType("Email", str)
Emails = list[Email]
Numbers: TypeAlias = "list[int]"
Json = Union[dict[str, "Json"], list["Json"], str]
Bounded = Annotated[int, Field(ge=0)]
Chain = Bounded
Longer = Chain
T = TypeVar("T")
N = TypeVar("N", bound=int)
C = TypeVar("C", int, str)
PairOf = tuple[T, T]
type Modern = list[int]
type Text = str
type Maybe = int | None
type Described = Annotated[int, Field(description="Inside.", ge=1)]
type Tree = dict[str, Tree] | int
type ListOf[X] = list[X]
Wrapped = TypeAliasType("Wrapped", list[str])


@dataclass
class Item:
    name: str


class Model(BaseModel):
    ids: list[UserId]
    modern: Modern


type Items = list[Item]
type ItemAlias = Item


@tool
def newtypes(a: UserId, b: Email, c: Emails, d: Optional[UserId] = None): ...


@tool
def plain_aliases(a: Numbers, b: Bounded, c: Chain, d: Longer = 3): ...


@tool
def modern(a: Modern, b: Text, c: Maybe = None): ...


@tool
def modern_described(a: Described, b: Annotated[Modern, Field(description="M.")] = []): ...


@tool
def modern_recursive(a: Tree): ...


@tool
def modern_items(a: Items, b: ItemAlias): ...


@tool
def modern_docs(a: Modern, b: Text = "x"):
    """Do.

    Args:
        a: The a.
        b: The b.
    """


@tool
def modern_generic(a: ListOf[int], b: ListOf[str] = []): ...


@tool
def backported(a: Wrapped): ...


@tool
def variables(a: T, b: N, c: C): ...


@tool
def bracketed[Z](a: Z, b: list[Z] = []): ...


@tool
def bracketed_bound[Z: int](a: Z): ...


@tool
def substituted(a: PairOf[int]): ...


@tool
def in_model(a: Model): ...


@tool
def optional_modern(a: Modern | None = None, b: list[Maybe] = []): ...


@tool
def returns_modern() -> Modern: ...


@tool
def returns_newtype() -> list[UserId]: ...


@tool
def returns_items() -> Items: ...


@tool
def returns_alias() -> ItemAlias: ...


@tool
def returns_numbers() -> Numbers: ...


@tool
def returns_tree() -> Tree: ...


@tool
def lone_alias(a: ItemAlias): ...


@tool
def lone_generic_alias(a: ListOf[int | str]): ...
