"""Tools that are given a secret. What they answer is their author's; what is looked for is what the server makes of it."""

import asyncio
from pathlib import Path
from typing import Literal

from omni import Context, completion, prompt, resource, tool


@tool
def takes(secret: str, count: int = 1) -> str:
    return f"{len(secret) * count} characters"


@tool
def gives(secret: str) -> dict[str, str]:
    return {"secret": secret}


@tool
def fails(secret: str) -> str:
    """Fail with the secret in the message, in a variable and in what is printed."""
    kept = [secret]
    print(kept)
    raise ValueError(secret)


@tool
def large(secret: str) -> str:
    return secret * (1_200_000 // len(secret))


@tool
async def keeps(ctx: Context, secret: str) -> str:
    await ctx.set_state("secret", secret, handle=secret)
    return str(len(await ctx.get_state("secret", handle=secret)))


@tool
async def says(ctx: Context, secret: str) -> str:
    await ctx.progress(1, 2, secret)
    await ctx.log("info", secret)
    return "said"


@tool
async def asks(ctx: Context, secret: str) -> str:
    answer = await ctx.elicit(f"Is it {secret}?", str)
    return str(len(answer.data))


@tool(task="optional")
async def works(secret: str) -> str:
    return secret


@tool
async def calls(ctx: Context, secret: str) -> str:
    """Hand the secret to another tool, and to a resource."""
    await ctx.read_resource(f"leaky://items/{secret}")
    return (await ctx.call_tool("leaky.takes", {"secret": secret})).text


@tool
async def waits(path: str, secret: str) -> str:
    """Wait with the secret at hand, until it is stopped."""
    write(path, str(len(secret)))
    await asyncio.sleep(3600)
    return secret


def write(path: str, text: str) -> None:
    Path(path).write_text(text)


@tool
def setting(ctx: Context) -> str:
    return str(len(ctx.settings["password"]))


@resource("leaky://items/{item}", name="item")
def item(item: str) -> str:
    return f"{len(item)} characters"


@prompt
def page(secret: str, kind: Literal["long", "short"] = "long") -> str:
    return f"{kind}: {secret}"


@completion("secret", prompt=page)
def secrets_of(value: str) -> list[str]:
    return [value + value[:1]]
