"""What does the official Python client see of a server?

Takes one JSON argument, `{"mode": …, "command": […] or "url": …, "name": …, "calls": […]}`, and prints one JSON object:
the protocol agreed on, the tools' names, and how each call went. With `"changes": TOOL` it also reads a resource,
gets a prompt, and waits to be told that the call of TOOL has changed the list of tools.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterable

from mcp import MCPError
from mcp.client import Client
from mcp.types import Implementation, ToolListChangedNotification
from python_sdk import server_of, text_of

CHANGE_SECONDS_MAX = 30


async def names_of(client: Client) -> list[str]:
    """List all tools."""
    names, cursor = [], None
    while True:
        page = await client.list_tools(cursor=cursor)
        names += [tool.name for tool in page.tools]
        cursor = page.next_cursor
        if cursor is None:
            return names


async def first(events: AsyncIterable[object]) -> object:
    """Wait for an event."""
    async for event in events:
        return event
    return None


async def look_around(client: Client, changes: str, heard: asyncio.Event) -> dict:
    """Read a resource, get a prompt, and see the list of tools change."""
    before = len(await names_of(client))
    read = await client.read_resource("test://static-text")
    prompt = await client.get_prompt("test_prompt_with_arguments", {"arg1": "one", "arg2": "two"})
    try:
        await client.read_resource("test://unknown")
        unknown = None
    except MCPError as error:
        unknown = error.error.code
    if str(client.protocol_version) >= "2026-07-28":
        async with client.listen(tools_list_changed=True) as told:
            await client.call_tool(changes, {})
            await asyncio.wait_for(first(told), CHANGE_SECONDS_MAX)
    else:
        await client.call_tool(changes, {})
        await asyncio.wait_for(heard.wait(), CHANGE_SECONDS_MAX)
    return {
        "resource": read.contents[0].text,
        "prompt": prompt.messages[0].content.text,
        "unknown": unknown,
        "added": len(await names_of(client)) - before,
    }


async def told(client: Client, wanted: dict) -> dict:
    """Make a call; a tool's failure is a result, and a refusal an error, and both are a call that failed."""
    try:
        result = await client.call_tool(wanted["tool"], wanted["arguments"])
    except MCPError as error:
        return {"tool": wanted["tool"], "failed": True, "text": error.error.message}
    return {"tool": wanted["tool"], "failed": bool(result.is_error), "text": text_of(result)}


async def look(job: dict) -> dict:
    """List everything, then call what the job asks for."""
    heard = asyncio.Event()

    async def hear(message: object) -> None:
        if isinstance(message, ToolListChangedNotification):
            heard.set()

    named = Implementation(name=job.get("name", "python"), version="1")
    async with Client(server_of(job), mode=job["mode"], message_handler=hear, client_info=named) as client:
        names = await names_of(client)
        calls = [await told(client, call) for call in job["calls"]]
        seen = {"protocol": str(client.protocol_version), "tools": names, "calls": calls}
        if "changes" in job:
            seen["around"] = await look_around(client, job["changes"], heard)
        return seen


print(json.dumps(asyncio.run(look(json.loads(sys.argv[1])))))
