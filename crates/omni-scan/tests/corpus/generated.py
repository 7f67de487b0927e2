"""Made by generate.py: do not edit."""

import datetime
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Dict, List, Literal, NamedTuple, NotRequired, Optional, Set, Tuple, TypedDict, Union
from uuid import UUID

from pydantic import BaseModel, Field

from omni import Context, tool


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Level(Enum):
    """How much."""

    LOW = 1
    HIGH = 2


@dataclass
class Item:
    """An item."""

    name: str
    size: int = 1


class Row(TypedDict):
    key: str
    value: NotRequired[float]


class Pair(NamedTuple):
    left: int
    right: str = "r"


class User(BaseModel):
    """A user."""

    name: str = Field(description="The name.", min_length=1)
    level: Level = Level.LOW
    items: list[Item] = []
    friend: "Optional[User]" = None


@tool
async def case_0(*, query: str) -> Any | None:
    """Do the thing.

    :param query: Where it is.
    """


@tool
def case_1(*, options: dict[int, int], x: Dict[Color, Literal[True]] = Field(default=[], description="What to look for.")):
    """Do the thing.

    In detail.

    Args:
        x: What to look for.

    Returns:
        A thing.
    """


@tool
async def case_2(*, x: dict[str, Union[float, float]], dryRun: Optional[Any] = Field(description="Needed."), max_results: Any | None = Field(description="Needed."), query: Any):
    """Do the thing."""


@tool
def case_3(*, x: Path = 0.5, max_results: tuple[dict[Color, Level], ...] = -7) -> list[Item]:
    """Do the thing.

    In detail.

    Args:
        x: Where it is.

    Returns:
        A thing.
    """


@tool
async def case_4(*, user_id: Literal[1, 2] = Field(default=None, description="What to look for.")) -> Tuple[Color | None, ...]:
    """Do the thing."""


@tool
def case_5(*, x: Union[Literal[True], str] = Field(default=[1, 2], description="Switches: on or off."), options: int, ctx: Context, query: list[bytes] = Field(description="Needed.")) -> Annotated[bool, Field(description="Where it is.", title="The X")]:
    """Do the thing."""


@tool
def case_6(*, x: float, query: Annotated[str, Field(min_length=1, max_length=2)] = Path("a/b"), user_id: bool, ctx: Context, limit: tuple[Any, float] = Field(default="x", description="Switches: on or off.")):
    """Do the thing.

    In detail.

    Args:
        user_id: Switches: on or off.
        limit: How many at most.

    Returns:
        A thing.
    """


@tool
def case_7(*, a1b2: str, ctx: Context, dryRun: float, path: tuple[float, ...] = Field(description="Needed."), user_id: Optional[int]) -> User:
    """Do the thing.

    In detail.

    Args:
        a1b2: Switches: on or off.

    Returns:
        A thing.
    """


@tool
async def case_8(*, dryRun: Optional[Optional[Literal["a", "b"]]], a1b2: float, ctx: Context, query: list[UUID] = None, x: Optional[bool] | None = Field(description="Needed.")):
    """Do the thing.

    In detail.

    Args:
        dryRun: Switches: on or off.
        a1b2: Where it is.
        query: How many at most.
        x: Switches: on or off.

    Returns:
        A thing.
    """


@tool
def case_9(*, _under: int | None = "x", user_id: bool, path: dict[Literal["x", "y"], str] | None = Level.HIGH) -> Union[str, str]:
    """Do the thing.

    In detail.

    Args:
        _under: What to look for.
        user_id: What to look for.
        path: Where it is.

    Returns:
        A thing.
    """


@tool
async def case_10(*, a1b2: datetime.datetime, x: str = [], options: int, ctx: Context, path: Optional[float | None] = Field(default=1, description="What to look for.")) -> Annotated[Set[bool], Field(description="Where it is.", title="Q")]:
    """Do the thing.

    In detail.

    Args:
        path: How many at most.

    Returns:
        A thing.
    """


@tool
def case_11(*, max_results: float | None) -> Literal["a", 1, None] | datetime.date | float | Any | bool:
    """Do the thing.

    In detail.

    Args:
        max_results: Switches: on or off.

    Returns:
        A thing.
    """


@tool
def case_12(*, options: bool = Field(description="Needed.")) -> Any | Any | int | None:
    """Do the thing."""


@tool
def case_13(*, _under: Any, dryRun: bool | str | float = Field(default="x", description="Switches: on or off."), a1b2: int = Path("a/b"), x: Row = Field(description="Needed.")) -> Tuple[Literal["a", "b"], ...]:
    """Do the thing."""


@tool
async def case_14(*, limit: Annotated[str, Field(pattern="^[a-z]+$", examples=["a"])] = Field(description="Needed."), x: tuple[Any | None, ...] = 0.5, max_results: Union[bool, str] = Field(default=None, description="Where it is."), _under: Dict[str, bool | Any | int] = None):
    """Do the thing.

    :param limit: What to look for.
    :param max_results: Where it is.
    """


@tool
def case_15(*, path: Level, x: dict[Color, Optional[bool]] = Decimal("2.50"), max_results: Annotated[int | None, Field(ge=0, lt=96)] = Field(description="Needed."), limit: int = Field(description="Needed.")) -> tuple[Literal[True], Any]:
    """Do the thing.

    :param path: Where it is.
    :param limit: Switches: on or off.
    """


@tool
def case_16(*, dryRun: Literal[1, 2] = [1, 2], user_id: Annotated[str, Field(pattern="^[a-z]+$", examples=["a"])], query: Any, ctx: Context):
    """Do the thing.

    In detail.

    Args:
        dryRun: How many at most.
        query: How many at most.

    Returns:
        A thing.
    """


@tool
def case_17(*, query: Annotated[str, Field(pattern="^[a-z]+$", examples=["a"])] = {3, 1}):
    """Do the thing.

    :param query: How many at most.
    """


@tool
def case_18(*, user_id: Optional[int] = Field(description="Needed.")) -> Optional[Union[Any, int]]:
    """Do the thing.

    Parameters
    ----------
    user_id : type
        How many at most.
    """


@tool
async def case_19(*, dryRun: Literal[True] | int | float = Field(default={"k": [1]}, description="How many at most.")):
    """Do the thing."""


@tool
def case_20(*, x: tuple[Level, ...] = Level.HIGH, limit: Annotated[str, Field(pattern="^[a-z]+$", examples=["a"])] = None):
    """Do the thing.

    Parameters
    ----------
    x : type
        How many at most.
    limit : type
        What to look for.
    """


@tool
def case_21(*, options: bool = True) -> Optional[Any]:
    """Do the thing.

    Parameters
    ----------
    options : type
        What to look for.
    """


@tool
async def case_22(*, x: tuple[Literal["a", 1, int] | bool | Any, int, object], _under: Annotated[str, Field(pattern="^[a-z]+$", examples=["a"])] = Level.HIGH) -> Dict[Literal["x", "y"], Any]:
    """Do the thing.

    In detail.

    Args:
        x: How many at most.
        _under: Switches: on or off.

    Returns:
        A thing.
    """


@tool
def case_23(*, x: str = True, _under: UUID = None) -> Union[Tuple[str, ...], Annotated[bool, Field(description="What to look for.")]]:
    """Do the thing.

    In detail.

    Args:
        _under: What to look for.

    Returns:
        A thing.
    """


@tool
def case_24(*, options: Optional[datetime.date], ctx: Context, a1b2: tuple[bool, Literal[1, 2]] = Field(default=None, description="Where it is.")):
    """Do the thing."""


@tool
def case_25(*, path: Literal["a", 1, None], max_results: list[int | bool | float], options: Any = -7, user_id: Annotated[Literal["a", 1, None], Field(description="Switches: on or off.")], ctx: Context):
    """Do the thing.

    In detail.

    Args:
        path: Switches: on or off.
        max_results: Where it is.
        options: What to look for.

    Returns:
        A thing.
    """


@tool
def case_26(*, x: float = Field(description="Needed."), _under: Any = Color.RED, query: str = {3, 1}) -> tuple[list[Path], Path | None, Union[bool, str]]:
    """Do the thing.

    :param query: What to look for.
    """


@tool
async def case_27(*, user_id: dict[str, bool | float | float] = Field(description="Needed."), a1b2: Any | bytes | bool = Field(description="Needed.")) -> datetime.datetime | None:
    """Do the thing.

    Parameters
    ----------
    user_id : type
        How many at most.
    a1b2 : type
        Switches: on or off.
    """


@tool
def case_28(*, _under: Set[dict[int, Any]] = [1, 2], a1b2: Union[Any | None, Annotated[str, Field(pattern="^[a-z]+$", examples=["a"])]] = None, dryRun: Path = Level.HIGH, x: Optional[User] = [1, 2]) -> Set[datetime.datetime]:
    """Do the thing.

    Parameters
    ----------
    _under : type
        What to look for.
    a1b2 : type
        What to look for.
    dryRun : type
        How many at most.
    x : type
        Switches: on or off.
    """


@tool
def case_29(*, ctx: Context, query: Annotated[int | None, Field(ge=2, lt=92)] = Field(default=0.5, description="Where it is.")) -> Literal[True] | None:
    """Do the thing.

    Parameters
    ----------
    query : type
        Switches: on or off.
    """


@tool
def case_30(*, x: str = Field(default=None, description="How many at most."), path: Annotated[int, Field(description="What to look for.")] = Path("a/b"), query: float = [], user_id: str = Field(default=None, description="What to look for.")) -> int | float | bool:
    """Do the thing.

    Parameters
    ----------
    x : type
        Switches: on or off.
    query : type
        Switches: on or off.
    user_id : type
        Where it is.
    """


@tool
async def case_31(*, user_id: tuple[Annotated[Any, "How many at most."], ...] = Field(description="Needed."), query: Color | tuple[str, ...] | tuple[Any, ...] = ()):
    """Do the thing.

    In detail.

    Args:
        user_id: What to look for.

    Returns:
        A thing.
    """


@tool
def case_32(*, limit: bool = Color.RED, x: Color, ctx: Context, a1b2: Optional[list[bool]] = Field(default=None, description="Switches: on or off.")) -> Annotated[int, "Where it is."]:
    """Do the thing.

    In detail.

    Args:
        limit: Switches: on or off.
        a1b2: How many at most.

    Returns:
        A thing.
    """


@tool
def case_33(*, x: bool = 1, options: str | None, path: Optional[Union[bool, Literal["a", 1, None]]] = {3, 1}):
    """Do the thing.

    In detail.

    Args:
        options: Switches: on or off.
        path: How many at most.

    Returns:
        A thing.
    """


@tool
def case_34(*, path: tuple[int, None] = Level.HIGH) -> Union[Optional[User], int | None]:
    """Do the thing."""


@tool
def case_35(*, path: str, a1b2: User, options: tuple[bool, ...], dryRun: set[str] = []) -> list[str] | Annotated[str, Field(pattern="^[a-z]+$", examples=["a"])] | float | None:
    """Do the thing.

    Parameters
    ----------
    path : type
        How many at most.
    a1b2 : type
        What to look for.
    options : type
        How many at most.
    """


@tool
async def case_36(*, query: Annotated[Dict[int, Literal[1, 2]], "Where it is."], user_id: datetime.datetime = None, a1b2: bool) -> tuple[Optional[Literal["a"]], Decimal]:
    """Do the thing.

    :param query: Where it is.
    :param user_id: Where it is.
    :param a1b2: How many at most.
    """


@tool
async def case_37(*, path: Literal["a"] = -7, _under: list[Any], user_id: Optional[bool], limit: Union[int, tuple[str, float]] = 1):
    """Do the thing.

    Parameters
    ----------
    path : type
        How many at most.
    user_id : type
        What to look for.
    limit : type
        What to look for.
    """


@tool
def case_38(*, user_id: Item = Field(default=None, description="Where it is."), options: Decimal, path: tuple[bool, Any, bool] = Field(description="Needed."), x: int = 1) -> tuple[Any]:
    """Do the thing."""


@tool
def case_39(*, a1b2: int | Level | float = {"k": [1]}, query: list[int] = [1, 2], dryRun: int | None = Field(description="Needed.")) -> Optional[str | None]:
    """Do the thing."""


@tool
async def case_40(*, x: tuple[Any, bool, Any]) -> dict[int, bool | None]:
    """Do the thing."""


@tool
def case_41(*, limit: Literal["a", 1, None] = Field(description="Needed."), dryRun: str = Field(default=[1, 2], description="What to look for."), _under: tuple[Literal[True], ...] = (), options: None = Color.RED):
    """Do the thing.

    In detail.

    Args:
        limit: How many at most.
        _under: What to look for.

    Returns:
        A thing.
    """


@tool
async def case_42(*, _under: tuple[int, Path], x: Optional[Any] | None = {}, user_id: Optional[Level]):
    """Do the thing."""


@tool
async def case_43(*, query: tuple[bool | User | int, str | None, Annotated[int, Field(description="Where it is.", title="Limit")]] = Field(description="Needed."), user_id: Any | None) -> Set[bool]:
    """Do the thing.

    Parameters
    ----------
    query : type
        Switches: on or off.
    user_id : type
        What to look for.
    """


@tool
async def case_44(*, limit: str = None, _under: bool, max_results: float | None, a1b2: set[int]) -> int | None:
    """Do the thing.

    Parameters
    ----------
    _under : type
        What to look for.
    max_results : type
        Switches: on or off.
    a1b2 : type
        How many at most.
    """


@tool
def case_45(*, options: Annotated[Any, Field(description="Where it is.")] | None, a1b2: float | Optional[float] | Annotated[dict[str, int], Field(min_length=1, max_length=6)] = Level.HIGH, path: bool = {"k": [1]}) -> frozenset[Annotated[float, Field(description="Switches: on or off.", title="Limit")]]:
    """Do the thing.

    :param options: What to look for.
    """


@tool
def case_46(*, a1b2: Any, limit: set[str], x: Annotated[Any, "Where it is."] = 0.5, options: list[str] = Field(description="Needed.")) -> set[tuple[float]]:
    """Do the thing.

    Parameters
    ----------
    limit : type
        What to look for.
    x : type
        What to look for.
    options : type
        How many at most.
    """


@tool
def case_47(*, ctx: Context, max_results: Dict[Color, float] = "x", limit: float) -> list[Annotated[Row, "What to look for."]]:
    """Do the thing.

    :param limit: How many at most.
    """


@tool
def case_48(*, options: list[Dict[str, datetime.datetime]], a1b2: datetime.datetime | list[Any] | Optional[Any], path: int | None, _under: float) -> Annotated[str, Field(pattern="^[a-z]+$", examples=["a"])]:
    """Do the thing."""


@tool
async def case_49(*, query: int | None = 1, _under: bool = Field(default=[1, 2], description="Where it is.")) -> UUID | None:
    """Do the thing.

    In detail.

    Args:
        query: How many at most.

    Returns:
        A thing.
    """


@tool
async def case_50(*, dryRun: tuple[Item, list[bool]] = Decimal("2.50"), path: str = Level.HIGH, a1b2: str):
    """Do the thing.

    Parameters
    ----------
    dryRun : type
        What to look for.
    path : type
        What to look for.
    a1b2 : type
        Where it is.
    """


@tool
def case_51(*, ctx: Context, limit: str = Path("a/b"), _under: float = None, dryRun: bool) -> list[Annotated[str, Field(min_length=1, max_length=2)]]:
    """Do the thing.

    In detail.

    Args:
        limit: What to look for.
        _under: Switches: on or off.
        dryRun: How many at most.

    Returns:
        A thing.
    """


@tool
def case_52(*, x: datetime.datetime = [], path: Any | None = (), query: Annotated[Union[str, None], "Where it is."] = {"k": [1]}, limit: Union[Decimal, Any]) -> Annotated[str, Field(pattern="^[a-z]+$", examples=["a"])]:
    """Do the thing.

    In detail.

    Args:
        x: Where it is.
        path: Switches: on or off.

    Returns:
        A thing.
    """


@tool
def case_53(*, _under: list[UUID], ctx: Context, options: Pair) -> tuple[None, ...] | dict[Color, bool] | Set[Any]:
    """Do the thing.

    In detail.

    Args:
        _under: How many at most.
        options: How many at most.

    Returns:
        A thing.
    """


@tool
def case_54(*, user_id: Annotated[float, Field(description="Switches: on or off.", title="Limit")], path: Decimal, a1b2: Annotated[Annotated[str, Field(pattern="^[a-z]+$", examples=["a"])], Field(description="What to look for.")], options: Annotated[Union[Any, bytes], Field(description="Switches: on or off.", title="Q")] = None) -> Annotated[int | None, Field(ge=0, lt=78)]:
    """Do the thing."""


@tool
def case_55(*, ctx: Context, x: bool = 1, options: int = None, user_id: Optional[Literal["a"]] | Optional[int] | int = Field(description="Needed."), path: float | None = 0.5) -> tuple[str | None, list[float], Level]:
    """Do the thing.

    In detail.

    Args:
        options: How many at most.
        user_id: Where it is.
        path: Where it is.

    Returns:
        A thing.
    """


@tool
async def case_56(*, _under: float = {}):
    """Do the thing."""


@tool
async def case_57(*, x: Dict[Color, float] = Field(description="Needed."), user_id: object = Field(default=None, description="Switches: on or off."), _under: datetime.date = -7):
    """Do the thing."""


@tool
async def case_58(*, query: float, _under: list[Item] = None, a1b2: Literal["a"] | None, options: Annotated[int, Field(description="How many at most.")], ctx: Context):
    """Do the thing.

    Parameters
    ----------
    query : type
        What to look for.
    a1b2 : type
        Switches: on or off.
    options : type
        How many at most.
    """


@tool
async def case_59(*, options: bool) -> datetime.datetime:
    """Do the thing.

    In detail.

    Args:
        options: Where it is.

    Returns:
        A thing.
    """


@tool
def case_60(*, x: str = Field(default="x", description="How many at most."), _under: UUID = "x", options: Union[Any, Any] | None, query: Annotated[Any, "Where it is."]) -> Annotated[float, Field(ge=3, lt=75)] | None:
    """Do the thing."""


@tool
def case_61(*, query: Optional[datetime.date] = Field(description="Needed."), path: str) -> list[Optional[Path]]:
    """Do the thing.

    :param query: Switches: on or off.
    :param path: What to look for.
    """


@tool
def case_62(*, user_id: tuple[str | None] = Decimal("2.50"), _under: set[str | None], limit: float = Color.RED):
    """Do the thing.

    :param user_id: Switches: on or off.
    :param _under: What to look for.
    :param limit: What to look for.
    """


@tool
async def case_63(*, user_id: bool | None, x: Annotated[float, Field(description="Where it is.")], limit: bool = [], options: Any) -> bool | None | None:
    """Do the thing.

    Parameters
    ----------
    user_id : type
        How many at most.
    limit : type
        Switches: on or off.
    options : type
        Switches: on or off.
    """


@tool
def case_64(*, user_id: Literal[1, 2], options: None = Field(description="Needed."), a1b2: float | None, x: Any = "x"):
    """Do the thing.

    :param user_id: How many at most.
    :param a1b2: Where it is.
    :param x: How many at most.
    """


@tool
async def case_65(*, limit: set[Union[bool, bool]] = None) -> Literal[True]:
    """Do the thing.

    In detail.

    Args:
        limit: How many at most.

    Returns:
        A thing.
    """


@tool
def case_66(*, user_id: Optional[datetime.date | None] = Field(default=True, description="What to look for."), limit: Level = Path("a/b"), x: bool = -7, query: Annotated[set[bytes], Field(description="Where it is.")] = Path("a/b")) -> list[bool]:
    """Do the thing."""


@tool
def case_67(*, x: int = Field(description="Needed."), a1b2: str = Field(default=True, description="What to look for."), options: Annotated[list[bool], Field(description="What to look for.", title="Limit")] = None):
    """Do the thing.

    In detail.

    Args:
        x: What to look for.
        a1b2: Switches: on or off.
        options: Where it is.

    Returns:
        A thing.
    """


@tool
def case_68(*, path: Annotated[list[int], Field(min_length=1, max_length=5)] | datetime.datetime | None) -> Annotated[str, Field(pattern="^[a-z]+$", examples=["a"])]:
    """Do the thing.

    :param path: Where it is.
    """


@tool
async def case_69(*, query: Dict[str, int] = 1, options: bytes = True):
    """Do the thing.

    In detail.

    Args:
        options: How many at most.

    Returns:
        A thing.
    """


@tool
def case_70(*, user_id: Any) -> Annotated[tuple[Any], "What to look for."]:
    """Do the thing.

    In detail.

    Args:
        user_id: Where it is.

    Returns:
        A thing.
    """


@tool
def case_71(*, path: Union[str, bool] = {}) -> bool | float | Literal["a", "b"]:
    """Do the thing."""


@tool
def case_72(*, x: Any = Field(default={"k": [1]}, description="Switches: on or off."), a1b2: float, user_id: list[Any] = Field(default=1, description="What to look for.")) -> Dict[Literal["x", "y"], Annotated[list[int], Field(min_length=1, max_length=8)]]:
    """Do the thing.

    Parameters
    ----------
    x : type
        Where it is.
    a1b2 : type
        What to look for.
    user_id : type
        How many at most.
    """


@tool
def case_73(*, x: Any = Field(default=[], description="Where it is."), path: dict[Literal["x", "y"], tuple[Any, float, int]] = Field(description="Needed."), _under: Any):
    """Do the thing.

    Parameters
    ----------
    x : type
        Switches: on or off.
    path : type
        What to look for.
    _under : type
        How many at most.
    """


@tool
def case_74(*, max_results: Any = 1, limit: Tuple[Set[float], ...] = 0.5, options: datetime.datetime | None | None) -> int | float | str:
    """Do the thing.

    :param limit: Switches: on or off.
    """


@tool
def case_75(*, max_results: Annotated[Pair, Field(description="Switches: on or off.")]):
    """Do the thing."""


@tool
async def case_76(*, path: Any = None, limit: Annotated[str, Field(min_length=1, max_length=3)], dryRun: Decimal = [1, 2], query: Dict[str, int] = {3, 1}):
    """Do the thing.

    :param limit: What to look for.
    :param dryRun: Where it is.
    """


@tool
def case_77(*, query: float | None = {3, 1}, max_results: str | float | int | None, path: str = 1) -> Optional[int]:
    """Do the thing.

    In detail.

    Args:
        max_results: Switches: on or off.
        path: Switches: on or off.

    Returns:
        A thing.
    """


@tool
def case_78(*, x: Union[float, Literal["a"]] = Field(description="Needed."), user_id: float = (), limit: set[tuple[User, ...]] = Field(description="Needed."), ctx: Context):
    """Do the thing."""


@tool
def case_79(*, query: float = Field(description="Needed."), dryRun: str = -7, ctx: Context):
    """Do the thing.

    Parameters
    ----------
    query : type
        How many at most.
    """


@tool
def case_80(*, x: Any, max_results: bool = "x", path: bool):
    """Do the thing.

    In detail.

    Args:
        x: Where it is.
        path: What to look for.

    Returns:
        A thing.
    """


@tool
async def case_81(*, limit: list[str] | Any | Union[bool, bool] = Level.HIGH):
    """Do the thing.

    Parameters
    ----------
    limit : type
        How many at most.
    """


@tool
def case_82(*, path: Optional[datetime.datetime] = Field(default=None, description="Where it is."), _under: Optional[tuple[Any]] = Field(default=None, description="How many at most.")) -> Annotated[list[int], Field(min_length=1, max_length=3)]:
    """Do the thing.

    In detail.

    Args:
        path: Switches: on or off.

    Returns:
        A thing.
    """


@tool
async def case_83(*, query: str = None, path: tuple[Annotated[float, Field(description="How many at most.", title="Q")], float, Union[int, Literal["a"]]], dryRun: tuple[Literal["a", "b"] | None, Tuple[bool, ...]] = Field(default=None, description="Where it is.")) -> Union[Optional[Literal[True]], bool]:
    """Do the thing.

    :param path: How many at most.
    :param dryRun: What to look for.
    """


@tool
async def case_84(*, dryRun: Annotated[str, Field(pattern="^[a-z]+$", examples=["a"])] = Level.HIGH, path: Annotated[str | None, Field(min_length=1, max_length=6)] = {"k": [1]}, max_results: bool = None) -> Union[int, Color | float | bool]:
    """Do the thing.

    In detail.

    Args:
        dryRun: What to look for.
        path: How many at most.
        max_results: Switches: on or off.

    Returns:
        A thing.
    """


@tool
def case_85(*, options: Annotated[Annotated[int, Field(description="How many at most.", title="The X")], Field(description="Where it is.", title="The X")], user_id: Color = ()) -> int | None:
    """Do the thing."""


@tool
def case_86(*, query: Item = [1, 2], x: str = None, path: Optional[datetime.datetime] = "x", limit: str = {3, 1}):
    """Do the thing.

    In detail.

    Args:
        x: How many at most.
        path: Where it is.
        limit: What to look for.

    Returns:
        A thing.
    """


@tool
async def case_87(*, a1b2: Union[int, bool] = Level.HIGH, query: str, options: list[float] = Color.RED, max_results: Annotated[int, Field(description="Where it is.")]) -> Optional[list[str]]:
    """Do the thing.

    :param a1b2: What to look for.
    :param query: Switches: on or off.
    :param max_results: What to look for.
    """


@tool
def case_88(*, limit: tuple[Annotated[str | None, Field(min_length=1, max_length=5)]] = [1, 2], ctx: Context) -> tuple[tuple[Decimal, float]]:
    """Do the thing.

    In detail.

    Args:
        limit: Where it is.

    Returns:
        A thing.
    """


@tool
def case_89(*, user_id: int | float | bool = Color.RED) -> Annotated[list[Any], "How many at most."]:
    """Do the thing.

    In detail.

    Args:
        user_id: Switches: on or off.

    Returns:
        A thing.
    """


@tool
def case_90(*, ctx: Context, _under: UUID | int | bool) -> list[str]:
    """Do the thing."""


@tool
def case_91(*, x: float = Field(description="Needed."), ctx: Context) -> int | str | Any | None:
    """Do the thing."""


@tool
async def case_92(*, max_results: Optional[float] | list[str] | Any = None) -> Path:
    """Do the thing.

    Parameters
    ----------
    max_results : type
        What to look for.
    """


@tool
async def case_93(*, x: bool, dryRun: object = Level.HIGH, a1b2: Literal["a", "b"]) -> Level:
    """Do the thing.

    In detail.

    Args:
        dryRun: What to look for.
        a1b2: What to look for.

    Returns:
        A thing.
    """


@tool
def case_94(*, user_id: Union[Literal["a", "b"] | None, Tuple[bool, ...]]) -> Annotated[int | None, Field(description="How many at most.", title="Q")]:
    """Do the thing."""


@tool
def case_95(*, a1b2: bool = "x", user_id: float, limit: float = Field(description="Needed.")) -> float | None:
    """Do the thing.

    In detail.

    Args:
        a1b2: Switches: on or off.
        user_id: How many at most.
        limit: Switches: on or off.

    Returns:
        A thing.
    """


@tool
async def case_96(*, query: Any):
    """Do the thing.

    In detail.

    Args:
        query: Switches: on or off.

    Returns:
        A thing.
    """


@tool
async def case_97(*, a1b2: Any, options: list[float] = Field(description="Needed."), _under: Optional[bool] = (), user_id: None) -> list[bool]:
    """Do the thing."""


@tool
def case_98(*, x: Set[dict[Literal["x", "y"], Any]], user_id: Optional[Optional[str]] = {3, 1}, a1b2: User | tuple[Literal[1, 2], ...] | Dict[Literal["x", "y"], str] = Field(description="Needed.")) -> list[float | None]:
    """Do the thing.

    Parameters
    ----------
    x : type
        What to look for.
    user_id : type
        How many at most.
    a1b2 : type
        What to look for.
    """


@tool
async def case_99(*, a1b2: bool | Annotated[str, Field(pattern="^[a-z]+$", examples=["a"])] | Any = {}, max_results: object = Field(description="Needed.")):
    """Do the thing.

    :param a1b2: Switches: on or off.
    :param max_results: What to look for.
    """


@tool
def case_100(*, dryRun: Item = Field(description="Needed."), x: Tuple[Any, ...] = Field(description="Needed.")):
    """Do the thing."""


@tool
async def case_101(*, x: int = Path("a/b"), ctx: Context, user_id: str, path: tuple[Decimal, ...] = [1, 2], max_results: User) -> List[Optional[int]]:
    """Do the thing.

    :param x: Where it is.
    :param user_id: Where it is.
    :param path: Where it is.
    :param max_results: Switches: on or off.
    """


@tool
async def case_102(*, a1b2: Annotated[str, Field(pattern="^[a-z]+$", examples=["a"])] = Field(description="Needed.")) -> Annotated[tuple[Any, float], "Where it is."]:
    """Do the thing.

    In detail.

    Args:
        a1b2: Where it is.

    Returns:
        A thing.
    """


@tool
def case_103(*, dryRun: list[Any], query: Any = [], ctx: Context):
    """Do the thing.

    Parameters
    ----------
    dryRun : type
        How many at most.
    query : type
        What to look for.
    """


@tool
async def case_104(*, _under: int = 1, x: datetime.date | None | None, dryRun: None) -> list[tuple[Any, ...]]:
    """Do the thing.

    In detail.

    Args:
        _under: Where it is.
        dryRun: Switches: on or off.

    Returns:
        A thing.
    """


@tool
async def case_105(*, path: str, a1b2: tuple[Tuple[Item, ...], float, Color], limit: Optional[str] = None) -> List[list[str]]:
    """Do the thing."""


@tool
async def case_106(*, dryRun: datetime.date = 0.5):
    """Do the thing.

    In detail.

    Args:
        dryRun: Where it is.

    Returns:
        A thing.
    """


@tool
def case_107(*, query: list[bool] = Field(default={}, description="What to look for."), dryRun: set[str], limit: float) -> Dict[Literal["x", "y"], Path]:
    """Do the thing.

    In detail.

    Args:
        query: How many at most.
        limit: What to look for.

    Returns:
        A thing.
    """


@tool
def case_108(*, user_id: str, max_results: Pair = Path("a/b")) -> Any | List[float] | Union[Any, str]:
    """Do the thing.

    In detail.

    Args:
        user_id: Where it is.
        max_results: Switches: on or off.

    Returns:
        A thing.
    """


@tool
async def case_109(*, query: list[str] = 0.5):
    """Do the thing."""


@tool
def case_110(*, options: Path) -> Annotated[str, Field(pattern="^[a-z]+$", examples=["a"])]:
    """Do the thing."""


@tool
async def case_111(*, options: str, ctx: Context) -> str:
    """Do the thing.

    Parameters
    ----------
    options : type
        Switches: on or off.
    """


@tool
def case_112(*, dryRun: bool, path: Union[Level, float] = Color.RED):
    """Do the thing.

    :param dryRun: Where it is.
    :param path: Switches: on or off.
    """


@tool
async def case_113(*, ctx: Context, _under: bool = -7, dryRun: Annotated[str, Field(pattern="^[a-z]+$", examples=["a"])] = Field(default={}, description="How many at most."), path: float = Field(description="Needed.")):
    """Do the thing.

    In detail.

    Args:
        _under: How many at most.

    Returns:
        A thing.
    """


@tool
async def case_114(*, query: Dict[Literal["x", "y"], Pair] | None, options: int, max_results: list[float] = True, _under: float) -> set[Annotated[object, "How many at most."]]:
    """Do the thing.

    :param query: Where it is.
    :param options: Switches: on or off.
    :param max_results: How many at most.
    :param _under: What to look for.
    """


@tool
async def case_115(*, max_results: frozenset[str] = None, query: frozenset[str], dryRun: Annotated[Annotated[str, Field(description="What to look for.", title="The X")], "Switches: on or off."]) -> Union[int | int | Any, set[bool]]:
    """Do the thing.

    :param max_results: What to look for.
    """


@tool
def case_116(*, user_id: Tuple[int, ...] = None, _under: Level | None, query: str = Field(default=True, description="Switches: on or off."), options: Annotated[Any, "How many at most."] = "x"):
    """Do the thing.

    In detail.

    Args:
        user_id: What to look for.
        query: What to look for.
        options: How many at most.

    Returns:
        A thing.
    """


@tool
async def case_117(*, options: tuple[Pair] = {"k": [1]}, max_results: bool, _under: Literal["a", "b"] | None = Field(default={"k": [1]}, description="Where it is."), dryRun: Any = Field(description="Needed.")) -> tuple[Annotated[float, Field(description="What to look for.")]]:
    """Do the thing.

    :param _under: What to look for.
    :param dryRun: Where it is.
    """


@tool
async def case_118(*, dryRun: Level, a1b2: str):
    """Do the thing.

    Parameters
    ----------
    dryRun : type
        How many at most.
    """


@tool
def case_119(*, x: Any) -> float:
    """Do the thing.

    Parameters
    ----------
    x : type
        How many at most.
    """


@tool
async def case_120(*, dryRun: int | Row | Literal["a"] | None = 1, ctx: Context, limit: Tuple[float, ...]):
    """Do the thing.

    In detail.

    Args:
        dryRun: Where it is.
        limit: Switches: on or off.

    Returns:
        A thing.
    """


@tool
def case_121(*, x: float = 1, path: Optional[Any] = Field(description="Needed."), a1b2: Annotated[float, Field(description="Switches: on or off.", title="Q")]):
    """Do the thing.

    Parameters
    ----------
    x : type
        What to look for.
    path : type
        Switches: on or off.
    a1b2 : type
        What to look for.
    """


@tool
def case_122(*, max_results: Pair | None = -7, a1b2: tuple[float] = Field(default=True, description="Switches: on or off."), query: int) -> Annotated[dict[str, int], Field(min_length=1, max_length=7)]:
    """Do the thing.

    :param query: Switches: on or off.
    """


@tool
def case_123(*, limit: int | Literal["a", 1, None] | Any = None, query: Annotated[str, Field(pattern="^[a-z]+$", examples=["a"])] = {"k": [1]}, ctx: Context) -> Union[Annotated[Any, Field(description="What to look for.")], Annotated[list[int], Field(min_length=1, max_length=6)]]:
    """Do the thing."""


@tool
def case_124(*, _under: float) -> dict[str, Any]:
    """Do the thing.

    In detail.

    Args:
        _under: What to look for.

    Returns:
        A thing.
    """


@tool
async def case_125(*, user_id: float = []) -> Set[Path | None]:
    """Do the thing.

    Parameters
    ----------
    user_id : type
        How many at most.
    """


@tool
def case_126(*, max_results: Union[List[float], None] = Path("a/b"), limit: list[Level] = [1, 2], path: Any = Color.RED) -> Annotated[int | None, Field(ge=3, lt=40)]:
    """Do the thing.

    In detail.

    Args:
        max_results: How many at most.
        path: How many at most.

    Returns:
        A thing.
    """


@tool
def case_127(*, x: Optional[Set[bool]] = -7, a1b2: Annotated[Optional[Literal[True]], "How many at most."] = {"k": [1]}, limit: Set[float] = Field(default=True, description="Switches: on or off."), options: int = []) -> Tuple[tuple[Any, Any, Literal[1, 2]], ...]:
    """Do the thing.

    Parameters
    ----------
    a1b2 : type
        Where it is.
    limit : type
        Where it is.
    options : type
        How many at most.
    """


@tool
def case_128(*, query: UUID | float | float, ctx: Context, max_results: Annotated[str, Field(min_length=1, max_length=5)]):
    """Do the thing.

    In detail.

    Args:
        query: Where it is.

    Returns:
        A thing.
    """


@tool
def case_129(*, x: Tuple[bool, ...] | tuple[int] | Any | None, _under: list[bool] = (), path: bool = Field(description="Needed."), ctx: Context) -> bool | None | None:
    """Do the thing."""


@tool
async def case_130(*, limit: UUID, x: frozenset[datetime.date] = Field(description="Needed.")) -> Annotated[list[str], Field(description="What to look for.")]:
    """Do the thing.

    In detail.

    Args:
        x: What to look for.

    Returns:
        A thing.
    """


@tool
async def case_131(*, ctx: Context, _under: Path = {}, max_results: frozenset[Any] = {}) -> tuple[tuple[float], ...]:
    """Do the thing."""


@tool
def case_132(*, limit: Any, a1b2: Any = Field(description="Needed.")):
    """Do the thing."""


@tool
def case_133(*, options: Item = True) -> Annotated[Row, "How many at most."]:
    """Do the thing.

    In detail.

    Args:
        options: Switches: on or off.

    Returns:
        A thing.
    """


@tool
def case_134(*, ctx: Context, options: UUID | None = Field(description="Needed."), dryRun: list[bytes]) -> str | None:
    """Do the thing.

    Parameters
    ----------
    options : type
        Switches: on or off.
    dryRun : type
        Switches: on or off.
    """


@tool
def case_135(*, _under: Decimal = True, query: Pair):
    """Do the thing.

    :param _under: What to look for.
    :param query: How many at most.
    """


@tool
def case_136(*, query: float = True, max_results: int) -> UUID:
    """Do the thing.

    In detail.

    Args:
        query: What to look for.
        max_results: Where it is.

    Returns:
        A thing.
    """


@tool
def case_137(*, max_results: Tuple[Level, ...] = Field(default={"k": [1]}, description="What to look for."), limit: None = 1, a1b2: str = Field(description="Needed."), dryRun: Color) -> Optional[Tuple[datetime.datetime, ...]]:
    """Do the thing."""


@tool
def case_138(*, user_id: Any, a1b2: Path = Field(default={"k": [1]}, description="What to look for."), max_results: Literal["a", 1, None] = Field(description="Needed.")):
    """Do the thing."""


@tool
def case_139(*, ctx: Context, dryRun: Literal["a", "b"], options: dict[str, Any] = True, a1b2: Dict[str, Level]) -> UUID:
    """Do the thing."""


@tool
def case_140(*, a1b2: Annotated[str, Field(pattern="^[a-z]+$", examples=["a"])], max_results: Any | None = Field(default=None, description="Switches: on or off."), path: int = None) -> str | None:
    """Do the thing."""


@tool
async def case_141(*, options: Optional[str] = None, dryRun: Item = {}, user_id: Color, a1b2: datetime.date = Field(description="Needed.")):
    """Do the thing.

    :param options: How many at most.
    :param a1b2: Switches: on or off.
    """


@tool
async def case_142(*, x: UUID | list[int] | bytes | None = Field(default="x", description="Where it is.")) -> str | None | Any | float | Any | float | None:
    """Do the thing.

    In detail.

    Args:
        x: Where it is.

    Returns:
        A thing.
    """


@tool
def case_143(*, options: Any = 0.5, query: float):
    """Do the thing.

    :param options: What to look for.
    """


@tool
def case_144(*, max_results: Pair | None = Field(description="Needed."), query: Literal[1, 2] | None = [1, 2], _under: Decimal) -> tuple[int, Annotated[int, Field(description="Switches: on or off.", title="The X")], datetime.datetime]:
    """Do the thing.

    In detail.

    Args:
        max_results: Switches: on or off.
        query: Where it is.

    Returns:
        A thing.
    """


@tool
def case_145(*, path: str = Field(default=1, description="Where it is."), a1b2: datetime.datetime = 1, x: Annotated[dict[str, int], Field(min_length=1, max_length=2)] = Color.RED) -> list[Union[bool, float]]:
    """Do the thing."""


@tool
def case_146(*, dryRun: Decimal) -> Annotated[User, Field(description="How many at most.")]:
    """Do the thing."""


@tool
def case_147(*, max_results: Any, x: str = (), dryRun: str = []):
    """Do the thing.

    In detail.

    Args:
        max_results: What to look for.
        dryRun: Switches: on or off.

    Returns:
        A thing.
    """


@tool
def case_148(*, x: str = [], path: Optional[float] | None, _under: int, ctx: Context, a1b2: Union[bool, int]) -> Any | None:
    """Do the thing.

    :param x: Where it is.
    :param path: What to look for.
    :param _under: Where it is.
    """


@tool
def case_149(*, _under: str = Field(description="Needed."), dryRun: set[Literal["a"]] = Path("a/b"), x: str | int | Any = Field(default="x", description="What to look for.")) -> Level:
    """Do the thing.

    In detail.

    Args:
        _under: How many at most.
        dryRun: How many at most.
        x: How many at most.

    Returns:
        A thing.
    """


@tool
def case_150(*, path: int = Field(description="Needed."), ctx: Context):
    """Do the thing.

    :param path: What to look for.
    """


@tool
async def case_151(*, _under: int | None = None, query: int, dryRun: str = Field(description="Needed.")) -> Tuple[str, ...] | None:
    """Do the thing.

    :param _under: What to look for.
    :param query: How many at most.
    :param dryRun: Where it is.
    """


@tool
def case_152(*, query: int = [], _under: Set[int] | bool | None | Tuple[Any, ...], path: Decimal = Field(description="Needed.")):
    """Do the thing.

    Parameters
    ----------
    query : type
        Where it is.
    _under : type
        Switches: on or off.
    path : type
        How many at most.
    """


@tool
async def case_153(*, path: Level, max_results: Union[tuple[Any, Path], bool]):
    """Do the thing.

    :param path: How many at most.
    :param max_results: What to look for.
    """


@tool
def case_154(*, max_results: list[None], _under: Union[int | None, Annotated[Any, Field(description="How many at most.", title="The X")]] = [], a1b2: set[tuple[int, ...]], query: Annotated[str, Field(pattern="^[a-z]+$", examples=["a"])] = None) -> User:
    """Do the thing.

    :param _under: Switches: on or off.
    :param a1b2: What to look for.
    :param query: Where it is.
    """


@tool
async def case_155(*, a1b2: float = {}, max_results: list[str] = Level.HIGH, limit: float, _under: Optional[bool] = Field(default=[1, 2], description="What to look for.")):
    """Do the thing.

    :param a1b2: Where it is.
    :param limit: Where it is.
    """


@tool
async def case_156(*, query: Annotated[float, "Where it is."], _under: Annotated[Any, Field(description="Switches: on or off.")] = "x", a1b2: Literal[True]):
    """Do the thing.

    Parameters
    ----------
    a1b2 : type
        Switches: on or off.
    """


@tool
def case_157(*, options: Dict[int, bool] = None) -> Union[List[int], bool]:
    """Do the thing."""


@tool
async def case_158(*, max_results: list[Annotated[bool, "How many at most."]], a1b2: float, user_id: Annotated[str, Field(pattern="^[a-z]+$", examples=["a"])] = True, path: list[str] = -7) -> Annotated[Annotated[float, Field(description="Switches: on or off.", title="The X")], "Where it is."]:
    """Do the thing.

    In detail.

    Args:
        max_results: How many at most.
        a1b2: Switches: on or off.
        user_id: Where it is.
        path: How many at most.

    Returns:
        A thing.
    """


@tool
def case_159(*, path: tuple[Annotated[str, Field(pattern="^[a-z]+$", examples=["a"])]] = Field(default=None, description="Switches: on or off."), query: tuple[bool, float] = Field(default=(), description="How many at most."), a1b2: float = Field(default=None, description="How many at most.")) -> List[int | None]:
    """Do the thing.

    In detail.

    Args:
        path: How many at most.
        a1b2: What to look for.

    Returns:
        A thing.
    """


@tool
def case_160(*, limit: bool = Level.HIGH, _under: list[Literal["a", 1, None]] = Level.HIGH, options: Union[bool, Literal["a", 1, None]] = None):
    """Do the thing.

    :param limit: Where it is.
    :param _under: Switches: on or off.
    :param options: Switches: on or off.
    """


@tool
def case_161(*, _under: Union[Color, Literal["a"]] | str | None | Item, ctx: Context, user_id: Union[Any, list[float]], max_results: str = "x") -> list[tuple[Any, Literal["a", "b"], int]]:
    """Do the thing."""


@tool
def case_162(*, query: list[bytes] = Field(default=True, description="What to look for."), ctx: Context, user_id: Union[Level, Optional[Any]], max_results: Optional[float] = True) -> datetime.date:
    """Do the thing.

    :param query: Switches: on or off.
    :param user_id: What to look for.
    :param max_results: What to look for.
    """


@tool
def case_163(*, dryRun: datetime.date = Field(default={"k": [1]}, description="How many at most.")):
    """Do the thing.

    Parameters
    ----------
    dryRun : type
        Switches: on or off.
    """


@tool
def case_164(*, options: str = Color.RED, x: Annotated[int, Field(ge=2, lt=52)] = []) -> Optional[Literal["a", "b"] | None]:
    """Do the thing.

    In detail.

    Args:
        x: How many at most.

    Returns:
        A thing.
    """


@tool
def case_165(*, _under: Literal["a", "b"] = [1, 2]) -> int:
    """Do the thing."""


@tool
def case_166(*, options: list[Item] = [], max_results: Any = Field(description="Needed.")):
    """Do the thing.

    In detail.

    Args:
        options: Switches: on or off.

    Returns:
        A thing.
    """


@tool
async def case_167(*, _under: bool = (), limit: frozenset[None] = Field(default=None, description="Switches: on or off.")):
    """Do the thing."""


@tool
async def case_168(*, limit: Any = 0.5, options: bool = Path("a/b"), path: bool = None, ctx: Context, _under: Annotated[Annotated[dict[str, int], Field(min_length=1, max_length=8)], Field(description="How many at most.")] = Path("a/b")) -> datetime.date:
    """Do the thing."""


@tool
def case_169(*, query: float = Color.RED):
    """Do the thing."""


@tool
def case_170(*, x: Optional[frozenset[datetime.datetime]] = None, path: str, limit: Any, dryRun: Item):
    """Do the thing."""


@tool
async def case_171(*, query: list[int] = Field(description="Needed."), path: Any, dryRun: frozenset[Any]) -> Annotated[tuple[float, bool], Field(description="Switches: on or off.")]:
    """Do the thing.

    In detail.

    Args:
        query: What to look for.
        dryRun: How many at most.

    Returns:
        A thing.
    """


@tool
def case_172(*, x: tuple[Pair, str, Decimal] | None = None, max_results: float | None = None) -> Pair:
    """Do the thing.

    :param x: Switches: on or off.
    :param max_results: What to look for.
    """


@tool
async def case_173(*, x: float = 1):
    """Do the thing."""


@tool
async def case_174(*, options: list[float] = Level.HIGH) -> Any | None:
    """Do the thing.

    In detail.

    Args:
        options: Switches: on or off.

    Returns:
        A thing.
    """


@tool
def case_175(*, path: Any, max_results: int = (), _under: tuple[Any, Pair]) -> list[tuple[bool, str]]:
    """Do the thing.

    Parameters
    ----------
    path : type
        Where it is.
    max_results : type
        How many at most.
    """


@tool
async def case_176(*, options: tuple[int, str, Any] = 1, max_results: Decimal, x: Annotated[str, Field(pattern="^[a-z]+$", examples=["a"])] = (), user_id: Union[float, str | bool | Row] = Field(description="Needed.")) -> Set[bool]:
    """Do the thing.

    :param options: How many at most.
    :param max_results: How many at most.
    :param x: How many at most.
    :param user_id: How many at most.
    """


@tool
def case_177(*, dryRun: set[UUID], x: Any = {}, user_id: float, query: Any):
    """Do the thing."""


@tool
async def case_178(*, _under: list[Row]) -> Dict[Color, str | None]:
    """Do the thing.

    :param _under: What to look for.
    """


@tool
async def case_179(*, path: float = {"k": [1]}, dryRun: bool, limit: str | int | float = 0.5) -> Annotated[int, Field(ge=2, lt=94)]:
    """Do the thing."""


@tool
async def case_180(*, a1b2: list[list[int]] = Field(default=[], description="Switches: on or off.")) -> Any:
    """Do the thing."""


@tool
def case_181(*, user_id: int, _under: frozenset[Decimal], x: tuple[float] = Field(default=1, description="Switches: on or off.")):
    """Do the thing."""


@tool
def case_182(*, a1b2: bool = [], path: tuple[bool], max_results: Any = Field(default=0.5, description="Where it is.")) -> Annotated[datetime.datetime, "How many at most."]:
    """Do the thing.

    In detail.

    Args:
        path: Where it is.

    Returns:
        A thing.
    """


@tool
def case_183(*, options: Annotated[str | None, Field(min_length=1, max_length=6)] = Field(default=True, description="How many at most.")) -> Annotated[Tuple[datetime.datetime, ...], Field(description="Switches: on or off.", title="Q")]:
    """Do the thing.

    In detail.

    Args:
        options: How many at most.

    Returns:
        A thing.
    """


@tool
def case_184(*, max_results: int, path: bool | int | Decimal | None, limit: datetime.datetime = {"k": [1]}, dryRun: dict[Literal["x", "y"], datetime.date]) -> dict[str, tuple[str, ...]]:
    """Do the thing.

    Parameters
    ----------
    max_results : type
        What to look for.
    dryRun : type
        Where it is.
    """


@tool
def case_185(*, user_id: tuple[Annotated[bytes, "What to look for."], ...], limit: Any = Field(description="Needed.")) -> tuple[Pair]:
    """Do the thing.

    :param user_id: Where it is.
    :param limit: How many at most.
    """


@tool
def case_186(*, path: User = {"k": [1]}, ctx: Context) -> dict[Literal["x", "y"], float | float | User]:
    """Do the thing."""


@tool
def case_187(*, limit: list[Any] = Field(description="Needed."), ctx: Context, max_results: str = 0.5, dryRun: Optional[Level] = Field(description="Needed.")):
    """Do the thing.

    In detail.

    Args:
        max_results: Switches: on or off.

    Returns:
        A thing.
    """


@tool
def case_188(*, max_results: float, limit: bool, user_id: bool, path: Annotated[int | None, Field(ge=4, lt=62)]) -> frozenset[float]:
    """Do the thing.

    Parameters
    ----------
    max_results : type
        What to look for.
    limit : type
        Switches: on or off.
    user_id : type
        Where it is.
    path : type
        What to look for.
    """


@tool
def case_189(*, _under: Row) -> Optional[str | bool | Row]:
    """Do the thing.

    In detail.

    Args:
        _under: Switches: on or off.

    Returns:
        A thing.
    """


@tool
def case_190(*, dryRun: int = Path("a/b")) -> Annotated[datetime.date | None, Field(description="Where it is.")]:
    """Do the thing."""


@tool
async def case_191(*, dryRun: Color | float | str = Level.HIGH, user_id: Any, query: Dict[str, str] = Color.RED, limit: Union[str, bool]) -> Pair:
    """Do the thing.

    In detail.

    Args:
        dryRun: What to look for.
        user_id: How many at most.
        limit: Where it is.

    Returns:
        A thing.
    """


@tool
def case_192(*, max_results: frozenset[tuple[float, ...]] = True) -> int | None:
    """Do the thing."""


@tool
def case_193(*, max_results: Union[bool, str] = None, limit: Annotated[list[int], Field(min_length=1, max_length=5)] = 0.5, dryRun: tuple[Any, Pair, float] = {}) -> dict[Literal["x", "y"], frozenset[str]]:
    """Do the thing.

    In detail.

    Args:
        max_results: Switches: on or off.
        limit: Switches: on or off.
        dryRun: What to look for.

    Returns:
        A thing.
    """


@tool
def case_194(*, ctx: Context, user_id: str = {3, 1}) -> tuple[dict[int, float], frozenset[UUID]]:
    """Do the thing.

    In detail.

    Args:
        user_id: Switches: on or off.

    Returns:
        A thing.
    """


@tool
async def case_195(*, options: Path, a1b2: int = None) -> Set[User]:
    """Do the thing."""


@tool
def case_196(*, _under: Optional[str] = [1, 2], limit: float = (), path: Dict[int, bool], ctx: Context):
    """Do the thing."""


@tool
def case_197(*, max_results: Any, x: Annotated[str | Literal[1, 2] | int, Field(description="How many at most.")], limit: datetime.datetime = True):
    """Do the thing.

    Parameters
    ----------
    max_results : type
        How many at most.
    x : type
        How many at most.
    """


@tool
def case_198(*, path: bool = Field(default=[], description="Switches: on or off.")) -> Optional[Any | float | float]:
    """Do the thing.

    :param path: What to look for.
    """


@tool
def case_199(*, user_id: Union[Any, int] = Field(default=None, description="What to look for."), limit: Annotated[list[int], Field(min_length=1, max_length=2)], ctx: Context, a1b2: Path = {"k": [1]}) -> Dict[Color, Optional[bool]]:
    """Do the thing.

    In detail.

    Args:
        user_id: What to look for.
        limit: Where it is.
        a1b2: What to look for.

    Returns:
        A thing.
    """
