"""Parameters that are filled in."""

import typing
from typing import Annotated, Optional

import omni
from omni import Context
from omni import Context as Ctx
from omni import tool

MyContext = Context


class OwnContext(Context):
    pass


@tool
def first(ctx: Context, a: int): ...


@tool
def last(a: int, ctx: Context): ...


@tool
def optional(a: int, ctx: Context | None = None): ...


@tool
def optional_typing(a: int, ctx: Optional[Context] = None): ...


@tool
def text(a: int, ctx: "Context"): ...


@tool
def text_optional(a: int, ctx: "Context | None" = None): ...


@tool
def renamed(a: int, c: Ctx): ...


@tool
def module(a: int, ctx: omni.Context): ...


@tool
def alias(a: int, ctx: MyContext): ...


@tool
def subclass(a: int, ctx: OwnContext): ...


@tool
def annotated(a: int, ctx: Annotated[Context, "the context"]): ...


@tool
def only(ctx: Context): ...


@tool
def keyword(a: int, *, ctx: Context, b: str = "x"): ...


@tool
async def documented(a: int, ctx: Context):
    """Do.

    Args:
        a: The number.
        ctx: Not shown.
    """
