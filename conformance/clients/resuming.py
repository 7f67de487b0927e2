"""Does the official Python client get the whole of a call whose connection breaks?

Takes one JSON argument, `{"url": …, "tool": …, "arguments": …}`, and prints one JSON object: the protocol agreed on,
the values of progress that were heard, and the text of the answer. Runs on the 1.x line and on 2.x.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable


async def first_line(job: dict, hear: Callable[..., Awaitable[None]]) -> tuple[str, str]:
    """Make the call with the 1.x line."""
    from mcp import ClientSession
    from mcp.client.streamable_http import streamablehttp_client

    async with (
        streamablehttp_client(job["url"]) as (reading, writing, _),
        ClientSession(reading, writing) as session,
    ):
        opened = await session.initialize()
        result = await session.call_tool(job["tool"], job["arguments"], progress_callback=hear)
        return opened.protocolVersion, result.content[0].text


async def second_line(job: dict, hear: Callable[..., Awaitable[None]]) -> tuple[str, str]:
    """Make the call with the 2.x line, in a session."""
    from mcp.client import Client

    async with Client(job["url"], mode="legacy") as client:
        result = await client.call_tool(job["tool"], job["arguments"], progress_callback=hear)
        return str(client.protocol_version), result.content[0].text


async def main() -> None:
    """Do the job and print what came of it."""
    progress: list[float] = []

    async def hear(value: float, _total: float | None, _message: str | None) -> None:
        progress.append(value)

    try:
        import mcp.client.client  # noqa: F401  The 2.x line has it.
    except ImportError:
        call = first_line
    else:
        call = second_line
    protocol, text = await call(json.loads(sys.argv[1]), hear)
    print(json.dumps({"protocol": protocol, "progress": progress, "text": text}))


asyncio.run(main())
