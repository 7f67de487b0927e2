"""Resources and templates, as authors write them."""

from __future__ import annotations

import enum
from typing import Annotated, Literal, Optional

from omni import Context, resource, skill_resource
from pydantic import Field

BASE = "notes://"


class Kind(str, enum.Enum):
    """Of a note."""

    LONG = "long"
    SHORT = "short"


@resource("notes://today")
def plain(): ...


@skill_resource("notes://second", mime_type="text/markdown")
def second_name() -> str:
    """Read the second."""


@resource(BASE + "constant", name="constant", title="A constant", description="Said here.", tags=["a", "b"])
async def constant():
    """Not this."""


@resource(uri="data://status", mime_type="application/json", meta={"k": 1}, version=3)
def keyword(): ...


@resource("notes://annotated", annotations={"audience": ["user"], "priority": 0.5, "lastModified": "2020-01-31"})
def annotated(): ...


@resource("notes://kept", ttl=1.5, scope="private", size=12, timeout=5, executor="spawn")
def kept() -> bytes: ...


@resource("notes://icon", icons=[{"src": "https://example.org/i.png", "mimeType": "image/png"}])
def icon(): ...


@resource("notes://context")
def context(ctx: Context): ...


@resource("notes://default")
def unused_default(size: int = 3): ...


@resource("notes://{day}")
def one(day: str): ...


@resource("notes://{year}/{month}/{day}")
def several(year: int, month: int, day: int = 1):
    """Read the note of a day.

    Args:
        year: Of the note.
        month: From 1.
        day: From 1 too.
    """


@resource("files://{path*}")
def rest(path: str): ...


@resource("search://{scope}/find{?q,limit}")
def query(scope: str, q: str = "", limit: int = 10): ...


@resource("search://all{?q}")
def only_query(q: Optional[str] = None): ...


@resource("kinds://{kind}/{size}")
def choices(kind: Kind, size: Literal["s", "m"], own: bool = False): ...


@resource("described://{text}")
async def described(text: Annotated[str, Field(description="A text.")], ctx: Context): ...


@resource("repos://{owner}-{name}.git/info", name="repo")
def within(owner, name): ...


@resource("refused://{nobody}")
def refused_variable(): ...


@resource("refused://{a}")
def refused_parameter(a: str, b: str): ...


@resource("refused://x{?a}")
def refused_query(a: str): ...


@resource("refused://{a}/rest")
def refused_rest(a: str, *more: str): ...
