"""Prompts, as authors write them."""

from __future__ import annotations

import datetime
import enum
from dataclasses import dataclass
from typing import Annotated, Any, Dict, List, Literal, Optional, Union

from omni import Context, prompt
from pydantic import BaseModel, Field

LANGUAGES = "rust"


class Depth(enum.Enum):
    """How far."""

    LOW = "low"
    HIGH = "high"


class Level(enum.IntEnum):
    """How much."""

    ONE = 1
    TWO = 2


@dataclass
class Point:
    """A place."""

    x: int
    y: int = 0


class Topic(BaseModel):
    """What it is about."""

    name: str
    weight: float = 1.0


@prompt
def bare(): ...


@prompt()
def called(text): ...


@prompt("by-position")
def positional(text: str): ...


@prompt(name="by-name", title="By name", description="Said here.", tags={"a"}, meta={"k": [1]}, version="2")
def keyword(text: str):
    """Not this."""


@prompt
async def waits(text: str, more: str = LANGUAGES):
    """Wait for it."""


@prompt
def google(code: str, language: str = "rust"):
    """Review code.

    Longer words.

    Args:
        code: What to look at.
        language: In which it is written.

    Returns:
        The messages.
    """


@prompt
def numpy(code, language="rust"):
    """Review code.

    Parameters
    ----------
    code : str
        What to look at.
    language : str
        In which it is written.
    """


@prompt
def sphinx(code, language="rust"):
    """Review code.

    :param code: What to look at.
    :param language: In which it is written.
    """


@prompt
def literal(language: Literal["rust", "python"], level: Literal[1, 2] = 1): ...


@prompt
def enumerated(depth: Depth, level: Level = Level.ONE): ...


@prompt
def optional(text: Optional[str] = None, depth: Optional[Depth] = None, words: str | None = None): ...


@prompt
def numbers(count: int, ratio: float = 0.5, flag: bool = False): ...


@prompt
def described(
    text: Annotated[str, "Some text."],
    field: Annotated[str, Field(description="A field.", title="Field title", min_length=2)],
    required: str = Field(description="Without one."),
    default: str = Field("x", description="With a default."),
): ...


@prompt
def lists(words: List[str], table: Dict[str, int], point: Point, topic: Topic, either: Union[str, int] = "a"): ...


@prompt
def listed_default(words: list[str] = ["a"], when: datetime.date = datetime.date(2020, 1, 2)): ...  # noqa: B006


@prompt
def anything(first, second: Any, third: object = None): ...


@prompt
def injected(text: str, ctx: Context): ...


@prompt
def injected_maybe(ctx: Optional[Context] = None, text: str = ""): ...


@prompt
def keyword_only(*, text: str, more: str = ""): ...


@prompt
def refused_rest(*texts: str): ...


@prompt
def refused_more(**texts: str): ...


@prompt(
    "limited", timeout=5, idle_timeout=2, executor="spawn", affinity="session", concurrency=2, retry_on=OSError,
    icons=[{"src": "https://example.org/i.png"}],
)
def limited(text: str): ...
