"""Can the official Python client be asked, while other calls of it go on?

Takes one JSON argument, `{"mode": …, "command": […] or "url": …, "others": N}`: a server of the skill `questions`. One
call asks for a form, and the client answers only once N more calls, sent behind it, have come back; then calls ask for
several things in turn, at once, and for what else there is to ask: a value, a page, the client's model. Prints one JSON
object with what came of each.
"""

from __future__ import annotations

import asyncio
import json
import sys

from mcp.client import Client
from mcp.types import CreateMessageResult, ElicitResult, ListRootsResult, Root, TextContent
from python_sdk import server_of, text_of

SECONDS_MAX = 60


async def ask_around(job: dict) -> dict:
    """Call, answer, and tell what happened."""
    asked = asyncio.Event()
    others_done = asyncio.Event()

    async def elicit(_context: object, params: object) -> ElicitResult:
        asked.set()
        await others_done.wait()
        if params.mode == "url":
            return ElicitResult(action="accept" if params.url == "https://example.com/in" else "cancel")
        field = params.message.removesuffix("?")
        return ElicitResult(action="accept", content={field: f"a {field}"})

    async def roots(_context: object) -> ListRootsResult:
        return ListRootsResult(roots=[Root(uri="file:///work", name="work")])

    async def sample(_context: object, params: object) -> CreateMessageResult:
        said = f"{params.system_prompt} {params.messages[0].content.text} {params.max_tokens}"
        text = TextContent(type="text", text=said)
        return CreateMessageResult(role="assistant", content=text, model="m", stop_reason="endTurn")

    async with Client(
        server_of(job),
        mode=job["mode"],
        elicitation_callback=elicit,
        list_roots_callback=roots,
        sampling_callback=sample,
    ) as client:

        async def call(tool: str, **arguments: str) -> str:
            return text_of(await client.call_tool(f"questions_{tool}", arguments))

        first = asyncio.create_task(call("once"))
        await asked.wait()
        others = await asyncio.gather(*(call("echo", text=str(n)) for n in range(job["others"])))
        waited = not first.done()
        others_done.set()
        return {
            "protocol": str(client.protocol_version),
            "others": others == [str(n) for n in range(job["others"])],
            "waited": waited,
            "once": json.loads(await first),
            "in_turn": json.loads(await call("in_turn")),
            "at_once": json.loads(await call("at_once")),
            "other_kinds": json.loads(await call("other_kinds")),
        }


print(json.dumps(asyncio.run(asyncio.wait_for(ask_around(json.loads(sys.argv[1])), SECONDS_MAX))))
