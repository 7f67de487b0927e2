"""Tools that give back what they were given, in every way in which something reaches a client."""

import asyncio
from pathlib import Path

from omni import Context, resource, tool


@tool
def echo(text: str) -> str:
    return text


@tool
async def told(ctx: Context, text: str) -> str:
    """Say it as progress and in the log before it is the answer."""
    await ctx.progress(1, 2, text)
    await ctx.log("info", text)
    return text


@tool
async def keep(ctx: Context, text: str, handle: str = "shared") -> str:
    """Keep a value, and return what was kept."""
    before = await ctx.get_state("value", handle=handle)
    await ctx.set_state("value", text, handle=handle)
    return f"{before} then {await ctx.get_state('value', handle=handle)}"


@tool
async def kept(ctx: Context, handle: str = "shared") -> str:
    return str(await ctx.get_state("value", handle=handle))


@tool
async def keep_in_session(ctx: Context, text: str) -> str:
    before = await ctx.get_state("value")
    await ctx.set_state("value", text)
    return f"{before} then {await ctx.get_state('value')}"


@tool
async def ask(ctx: Context, text: str) -> str:
    answer = await ctx.elicit(f"{text}?", str)
    return f"{text} {answer.data}"


@tool
async def below(ctx: Context, text: str) -> str:
    """Have another tool answer."""
    return (await ctx.call_tool("own.echo", {"text": text})).text


@tool
async def other(ctx: Context, tool: str) -> str:
    """Call whatever tool its client names."""
    return (await ctx.call_tool(tool, {})).text


@tool
async def read(ctx: Context, uri: str) -> str:
    """Read whatever its client names."""
    return (await ctx.read_resource(uri)).text


@tool
def large(text: str) -> str:
    """More than is sent at once."""
    return text * (2_000_000 // len(text))


@tool(task="optional")
async def work(ctx: Context, text: str, ask: bool = False) -> str:
    await ctx.progress(1, 2, text)
    if ask:
        text += " " + (await ctx.elicit(f"{text}?", str)).data
    return text


@tool(cache_ttl=3600)
async def cached(ctx: Context) -> str:
    return str(await ctx.get_state("value", handle="shared"))


def write(path: str, text: str) -> None:
    Path(path).write_text(text)


@tool
async def begin(ctx: Context, path: str, text: str) -> str:
    """Work until it is stopped; the file says so."""
    write(path, "begun")
    try:
        await ctx.progress(1, 2, text)
        await asyncio.sleep(3600)
    finally:
        write(path, "stopped")
    return text


@tool(enabled=False)
def hidden() -> str:
    return "the hidden tool"


@tool
async def reveal(ctx: Context) -> str:
    await ctx.show("own.hidden")
    return "shown"


@tool
async def conceal(ctx: Context) -> str:
    await ctx.hide("own.hidden")
    return "hidden"


@resource("crossing://shared", name="shared")
def shared() -> str:
    return "for everybody"
