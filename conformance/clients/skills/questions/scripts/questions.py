"""Tools that ask their client something, and one that does not."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from omni import Context, tool


@dataclass
class Size:
    size: str


@dataclass
class Colour:
    colour: str


def told(answer: Any) -> Any:
    """Return an answer as JSON has it."""
    if isinstance(answer, list):
        return [[root.name, root.uri] for root in answer]
    data = answer.data
    return [answer.action, data if data is None or isinstance(data, str) else vars(data)]


@tool
def once(ctx: Context) -> str:
    """Ask for a form."""
    return json.dumps(told(ctx.elicit_sync("size?", Size)))


@tool
def in_turn(ctx: Context) -> str:
    """Ask for a form, then for the folders, then for another form."""
    asked = [ctx.elicit_sync("size?", Size), ctx.roots_sync(), ctx.elicit_sync("colour?", Colour)]
    return json.dumps([told(answer) for answer in asked])


@tool
async def at_once(ctx: Context) -> str:
    """Ask for two forms and the folders at the same time."""
    asked = (ctx.elicit("size?", Size), ctx.roots(), ctx.elicit("colour?", Colour, key="colour"))
    return json.dumps([told(answer) for answer in await asyncio.gather(*asked)])


@tool
async def other_kinds(ctx: Context) -> str:
    """Ask for one value, to visit a page, and the client's model."""
    value = await ctx.elicit("value?", response_type=str)
    page = await ctx.elicit_url("Sign in, please.", "https://example.com/in")
    said = await ctx.sample("Say hello.", system_prompt="Be brief.", max_tokens=9)
    return json.dumps([told(value), told(page), [said.text, said.model, said.stop_reason]])


@tool
def echo(text: str) -> str:
    """Return what it is given."""
    return text
