"""What does the Python client of the 1.x line see of a server, can it do what it may, and is it told of changes?

Takes and prints what `python_offers.py` does; `mode` is always `legacy`, the only one it knows. It tells no server that it
has given up a call, so it cancels none.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from contextlib import AsyncExitStack

import httpx
from deeds import all_of, edit, printed
from mcp import ClientSession, McpError, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import ElicitResult, PromptReference, ResourceTemplateReference

CHANGE_SECONDS_MAX = 30
KINDS = ("tools", "resources", "prompts")


async def ask(session: ClientSession, method: str, params: dict) -> object:
    """Make a request by the client's function for it."""
    if method == "completion/complete":
        ref = params["ref"]
        kind = PromptReference if ref["type"] == "ref/prompt" else ResourceTemplateReference
        return await session.complete(kind(**ref), params["argument"])
    functions = {
        "tools/list": session.list_tools,
        "tools/call": session.call_tool,
        "resources/list": session.list_resources,
        "resources/templates/list": session.list_resource_templates,
        "resources/read": session.read_resource,
        "prompts/list": session.list_prompts,
        "prompts/get": session.get_prompt,
    }
    return await functions[method](**params) if method in functions else None


async def step(session: ClientSession, wanted: dict) -> dict | None:
    """Make a step; return what it gave, or the code of the error, or None where there is no function for it."""
    try:
        result = await ask(session, wanted["method"], wanted.get("params", {}))
    except McpError as error:
        return {"refused": error.error.code}
    return result and result.model_dump(mode="json", by_alias=True, exclude_none=True)


async def connected(world: AsyncExitStack, job: dict) -> tuple:
    """Connect as the job says; return the streams."""
    if "sse" in job:
        return await world.enter_async_context(sse_client(job["sse"]))
    if "url" in job:
        over = httpx.AsyncHTTPTransport(uds=job.get("socket"))
        client = await world.enter_async_context(httpx.AsyncClient(transport=over, timeout=60))
        return await world.enter_async_context(streamable_http_client(job["url"], http_client=client))
    command, *arguments = job["command"]
    return await world.enter_async_context(
        stdio_client(StdioServerParameters(command=command, args=arguments))
    )


async def answer(_context: object, params: object) -> ElicitResult:
    """Fill in the form that a tool shows."""
    field = params.message.removesuffix("?")
    return ElicitResult(action="accept", content={field: f"a {field}"})


async def look(job: dict, seen: dict) -> None:
    told: set[str] = set()
    told_all = asyncio.Event()

    async def hear(message: object) -> None:
        method = getattr(getattr(message, "root", None), "method", "")
        told.update(kind for kind in KINDS if method == f"notifications/{kind}/list_changed")
        if method == "notifications/resources/updated":
            told.add("updated")
        if len(told) > len(KINDS):
            told_all.set()

    async with AsyncExitStack() as world:
        streams = await connected(world, job)
        session = ClientSession(*streams[:2], message_handler=hear, elicitation_callback=answer)
        await world.enter_async_context(session)

        async def call(tool: str, arguments: dict, hear: object = None) -> str:
            result = await session.call_tool(tool, arguments, progress_callback=hear)
            return "\n".join(block.text for block in result.content if block.type == "text")

        seen["protocol"] = (await session.initialize()).protocolVersion
        seen["steps"] = [await step(session, wanted) for wanted in job["steps"]]
        await session.subscribe_resource(job["subscribes"])
        edit(job)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(told_all.wait(), CHANGE_SECONDS_MAX)
        await session.unsubscribe_resource(job["subscribes"])
        lists = {kind: await step(session, {"method": f"{kind}/list"}) for kind in KINDS}
        seen["changes"] = {"told": sorted(told), "lists": lists}
        seen.update(await all_of(call, job, cancels=False))


printed(look, json.loads(sys.argv[1]))
