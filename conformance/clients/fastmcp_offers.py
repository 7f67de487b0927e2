"""What does FastMCP's client see of a server, can it do what it may, and is it told of changes?

Takes and prints what `python_offers.py` does. It has no function to subscribe: of changes it hears only in sessions, and of
no update of a resource.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Callable

from deeds import all_of, edit, printed
from fastmcp import Client
from fastmcp.client.transports import SSETransport, StdioTransport, StreamableHttpTransport
from mcp.types import PromptReference, ResourceTemplateReference
from python_sdk import KINDS, Told, socket_client, step, text_of

CHANGE_SECONDS_MAX = 30


def transport_of(job: dict) -> object:
    """Connect as the job says."""
    if "sse" in job:
        return SSETransport(job["sse"])
    if "url" in job:
        return StreamableHttpTransport(job["url"], httpx_client_factory=factory_of(job.get("socket")))
    command, *arguments = job["command"]
    return StdioTransport(command, arguments, keep_alive=False)


def factory_of(socket: str | None) -> Callable[..., object] | None:
    """Return what makes HTTP clients whose connections are to this Unix socket."""

    def make(**options: object) -> object:
        return socket_client(socket, **{"timeout": 60, **options})

    return make if socket else None


async def ask(client: Client, method: str, params: dict) -> object:
    """Make a request by the client's function for it."""
    if method == "completion/complete":
        ref = params["ref"]
        kind = PromptReference if ref["type"] == "ref/prompt" else ResourceTemplateReference
        return await client.complete_mcp(kind(**ref), params["argument"])
    functions = {
        "tools/list": client.list_tools_mcp,
        "tools/call": client.call_tool_mcp,
        "resources/list": client.list_resources_mcp,
        "resources/templates/list": client.list_resource_templates_mcp,
        "resources/read": client.read_resource_mcp,
        "prompts/list": client.list_prompts_mcp,
        "prompts/get": client.get_prompt_mcp,
    }
    return await functions[method](**params) if method in functions else None


async def answer(message: str, kind: type, *_: object) -> object:
    """Fill in the form that a tool shows."""
    field = message.removesuffix("?")
    return kind(**{field: f"a {field}"})


async def change(client: Client, job: dict, told: Told) -> dict:
    """Edit, and wait to be told of every list."""
    edit(job)
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(told.lists.wait(), CHANGE_SECONDS_MAX)
    lists = {kind: await step(ask, client, {"method": f"{kind}/list"}) for kind in KINDS}
    return {"told": sorted(told.kinds), "lists": lists}


async def look(job: dict, seen: dict) -> None:
    told = Told()

    async def hear(message: object) -> None:
        told.hear(getattr(message, "root", message))

    async with Client(
        transport_of(job), mode=job["mode"], message_handler=hear, elicitation_handler=answer
    ) as client:

        async def call(tool: str, arguments: dict, hear: object = None) -> str:
            return text_of(await client.call_tool_mcp(tool, arguments, progress_handler=hear))

        seen["protocol"] = str(client.session.protocol_version)
        seen["steps"] = [await step(ask, client, wanted) for wanted in job["steps"]]
        is_session = seen["protocol"] < "2026-07-28"
        seen["changes"] = await change(client, job, told) if is_session else None
        seen.update(await all_of(call, job))


printed(look, json.loads(sys.argv[1]))
