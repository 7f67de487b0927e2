"""What does the official Python client see of a server, can it do what it may, and is it told of changes?

Takes one JSON argument, `{"mode": …, "command": […] or "url": …, "steps": […], "edit": {"file", "text"}, "subscribes":
URI, "progress": TOOL, "ask": [TOOL, ARGUMENTS], "cancel": {"tool", "file"}}`. Makes each step, a method of MCP and its
params, by the client's own function for it; then subscribes to everything, writes the file, and waits until it has been
told of every kind. Then it hears how far a call is, is asked by one, cancels one, and with `"restart": {"ready", "done"}`
calls a tool after its server was started again. Prints one JSON object: the protocol, what each step gave, what was told and
listed after the edit, and what came of the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Awaitable
from contextlib import AsyncExitStack

from deeds import all_of, edit, printed
from mcp.client import Client
from mcp.types import ElicitResult, PromptReference, ResourceTemplateReference
from python_sdk import KINDS, Told, server_of, step, text_of

CHANGE_SECONDS_MAX = 30


async def ask(client: Client, method: str, params: dict) -> object:
    """Make a request by the client's function for it."""
    if method == "completion/complete":
        ref = params["ref"]
        kind = PromptReference if ref["type"] == "ref/prompt" else ResourceTemplateReference
        return await client.complete(kind(**ref), params["argument"])
    functions = {
        "tools/list": client.list_tools,
        "tools/call": client.call_tool,
        "resources/list": client.list_resources,
        "resources/templates/list": client.list_resource_templates,
        "resources/read": client.read_resource,
        "prompts/list": client.list_prompts,
        "prompts/get": client.get_prompt,
    }
    return await functions[method](**params) if method in functions else None


async def in_time(waiting: Awaitable[object]) -> None:
    """Wait so long at most; what was told until then is judged by who reads it."""
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(waiting, CHANGE_SECONDS_MAX)


async def change(client: Client, job: dict, told: Told) -> dict:
    """Subscribe to everything, edit, and wait to be told."""
    async with AsyncExitStack() as subscribed:
        if str(client.protocol_version) >= "2026-07-28":
            events = await subscribed.enter_async_context(
                client.listen(
                    tools_list_changed=True,
                    resources_list_changed=True,
                    prompts_list_changed=True,
                    resource_subscriptions=[job["subscribes"]],
                )
            )
            edit(job)
            await in_time(told.hear_all(events))
        else:
            await client.subscribe_resource(job["subscribes"])
            edit(job)
            await in_time(told.all.wait())
            await client.unsubscribe_resource(job["subscribes"])
    lists = {kind: await step(ask, client, {"method": f"{kind}/list"}) for kind in KINDS}
    return {"told": sorted(told.kinds), "lists": lists}


async def answer(_context: object, params: object) -> ElicitResult:
    """Fill in the form that a tool shows."""
    field = params.message.removesuffix("?")
    return ElicitResult(action="accept", content={field: f"a {field}"})


async def look(job: dict, seen: dict) -> None:
    told = Told()

    async def hear(message: object) -> None:
        told.hear(message)

    async with Client(
        server_of(job), mode=job["mode"], message_handler=hear, elicitation_callback=answer
    ) as client:

        async def call(tool: str, arguments: dict, hear: object = None) -> str:
            return text_of(await client.call_tool(tool, arguments, progress_callback=hear))

        seen["protocol"] = str(client.protocol_version)
        seen["steps"] = [await step(ask, client, wanted) for wanted in job["steps"]]
        seen["changes"] = await change(client, job, told)
        seen.update(await all_of(call, job))


printed(look, json.loads(sys.argv[1]))
