"""Pydantic models."""

from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, ClassVar, Generic, List, Literal, Optional, TypeVar, Union

from pydantic import (
    AliasChoices,
    AliasGenerator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    RootModel,
    computed_field,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel, to_pascal

from omni import tool

T = TypeVar("T")


class Kind(str, Enum):
    A = "a"
    B = "b"


class User(BaseModel):
    name: str
    age: int = 3


class Documented(BaseModel):
    """A documented model.

    With more text.
    """

    name: str = Field(description="The name.", min_length=1)
    note: Optional[str] = Field(None, title="A note")
    kind: Kind = Kind.A
    when: datetime
    price: Decimal = Decimal("1.50")


class Forbidding(BaseModel):
    model_config = ConfigDict(extra="forbid")
    a: int


class Allowing(BaseModel):
    model_config = {"extra": "allow", "title": "Renamed"}
    a: int


class OldConfig(BaseModel):
    a: int

    class Config:
        extra = "forbid"


class ByKeyword(BaseModel, extra="forbid"):
    a: int


class WithExample(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"a": 1}]})
    a: int


class Aliased(BaseModel):
    first_name: str = Field(alias="firstName")
    last_name: str = Field(validation_alias="lastName")
    nick: str = Field("x", serialization_alias="nickName")
    either: int = Field(1, validation_alias=AliasChoices("one", "two"))


class Camel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)
    first_name: str
    last_name: str = "x"
    given: int = Field(1, alias="GIVEN")


class Pascal(BaseModel):
    model_config = ConfigDict(alias_generator=to_pascal, serialize_by_alias=True)
    first_name: str


class Private(BaseModel):
    shown: int
    constant: ClassVar[int] = 3
    _hidden: int = PrivateAttr(default=1)


class Parent(BaseModel):
    """The parent."""

    a: int
    b: str = "x"


class Child(Parent):
    c: float
    b: str = "y"


class Outer(BaseModel):
    user: User
    users: List[User] = []
    by_name: dict[str, User] = {}
    maybe: Optional[User] = None


class Node(BaseModel):
    value: int
    children: list["Node"] = []


class Computed(BaseModel):
    width: int
    secret: str = Field("s", exclude=True)

    @computed_field
    @property
    def area(self) -> int:
        """The area."""
        return self.width**2

    @computed_field(description="Twice.")
    @property
    def double(self) -> float:
        return self.width * 2


class Validated(BaseModel):
    a: int

    @field_validator("a")
    @classmethod
    def positive(cls, value):
        return value

    @model_validator(mode="after")
    def whole(self):
        return self


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog", "hound"]
    tricks: list[str] = []


Pet = Annotated[Union[Cat, Dog], Field(discriminator="kind")]


class Owner(BaseModel):
    pet: Union[Cat, Dog] = Field(discriminator="kind")
    other: Cat | Dog | None = None


class Names(RootModel[list[str]]):
    """Names."""


class Scores(RootModel):
    root: dict[str, int]


class Anything(BaseModel):
    a: Any
    b: Any = None
    c: Any = Field(description="C.")


class Box(BaseModel, Generic[T]):
    item: T
    items: list[T] = []


class Deprecated(BaseModel):
    old: int = Field(1, deprecated=True)
    new: Annotated[int, Field(ge=0, examples=[1])] = 1


class FactoryDefault(BaseModel):
    a: list[int] = Field(default_factory=list)
    b: dict[str, int] = {}
    c: User = User(name="x")


class Left(BaseModel):
    right: "Optional[Right]" = None


class Right(BaseModel):
    left: Optional[Left] = None


@tool
def model(a: User): ...


@tool
def documented(a: Documented): ...


@tool
def configured(a: Forbidding, b: Allowing, c: OldConfig, d: ByKeyword, e: WithExample): ...


@tool
def aliased(a: Aliased, b: Camel, c: Pascal): ...


@tool
def private(a: Private): ...


@tool
def inherited(a: Child): ...


@tool
def nested(a: Outer): ...


@tool
def recursive(a: Node): ...


@tool
def mutual(a: Left): ...


@tool
def computed(a: Computed): ...


@tool
def validated(a: Validated): ...


@tool
def optional(a: Optional[User] = None, b: list[User] = [], c: User | Cat = None): ...


@tool
def discriminated(a: Pet, b: Owner): ...


@tool
def roots(a: Names, b: Scores): ...


@tool
def anything(a: Anything): ...


@tool
def generic(a: Box[int], b: Box[str], c: Box): ...


@tool
def generic_nested(a: Box[User], b: Box[list[int]]): ...


@tool
def deprecated(a: Deprecated): ...


@tool
def described(a: Annotated[User, Field(description="The user.")], b: User = Field(description="B.")):
    """Do."""


@tool
def from_docs(a: User, b: Optional[User] = None):
    """Do.

    Args:
        a: The user.
        b: Another.
    """


@tool
def returns_model() -> User: ...


@tool
def returns_models() -> list[User]: ...


@tool
def returns_documented() -> Documented: ...


@tool
def returns_optional() -> Optional[User]: ...


@tool
def returns_computed() -> Computed: ...


@tool
def returns_aliased() -> Aliased: ...


@tool
def returns_camel() -> Camel: ...


@tool
def returns_pascal() -> Pascal: ...


@tool
def returns_node() -> Node: ...


@tool
def returns_nested() -> Outer: ...


@tool
def returns_root() -> Names: ...


@tool
def returns_scores() -> Scores: ...


@tool
def returns_generic() -> Box[int]: ...


@tool
def returns_pet() -> Pet: ...


@tool
def returns_mutual() -> Left: ...


@tool
def returns_configured() -> Forbidding: ...


@tool
def returns_mapping() -> dict[str, User]: ...
