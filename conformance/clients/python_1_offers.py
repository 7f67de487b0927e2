"""What does the Python client of the 1.x line see of resources, prompts and completions, and is it told of changes?

Takes and prints what `python_offers.py` does; `mode` is always `legacy`, the only one it knows.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from mcp import ClientSession, McpError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamablehttp_client
from mcp.types import PromptReference, ResourceTemplateReference

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


def edit(job: dict) -> None:
    """Make the job's edit."""
    Path(job["edit"]["file"]).write_text(job["edit"]["text"])


async def look(job: dict) -> dict:
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
        if "url" in job:
            streams = await world.enter_async_context(streamablehttp_client(job["url"]))
        else:
            command, *arguments = job["command"]
            server = StdioServerParameters(command=command, args=arguments)
            streams = await world.enter_async_context(stdio_client(server))
        session = await world.enter_async_context(ClientSession(*streams[:2], message_handler=hear))
        protocol = (await session.initialize()).protocolVersion
        steps = [await step(session, wanted) for wanted in job["steps"]]
        await session.subscribe_resource(job["subscribes"])
        edit(job)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(told_all.wait(), CHANGE_SECONDS_MAX)
        await session.unsubscribe_resource(job["subscribes"])
        lists = {kind: await step(session, {"method": f"{kind}/list"}) for kind in KINDS}
        changes = {"told": sorted(told), "lists": lists}
        return {"protocol": protocol, "steps": steps, "changes": changes}


print(json.dumps(asyncio.run(look(json.loads(sys.argv[1])))))
