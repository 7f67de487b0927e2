"""What does the official Python client see of a server?

Takes one JSON argument, `{"mode": …, "command": […] or "url": …, "calls": […]}`, and prints one JSON object:
the protocol agreed on, the tools' names, and how each call went.
"""

from __future__ import annotations

import asyncio
import json
import sys

from mcp import StdioServerParameters
from mcp.client import Client
from mcp.client.stdio import stdio_client


async def look(job: dict) -> dict:
    """List everything, then call what the job asks for."""
    if "url" in job:
        server = job["url"]
    else:
        command, *arguments = job["command"]
        server = stdio_client(StdioServerParameters(command=command, args=arguments))
    async with Client(server, mode=job["mode"]) as client:
        names, cursor = [], None
        while True:
            page = await client.list_tools(cursor=cursor)
            names += [tool.name for tool in page.tools]
            cursor = page.next_cursor
            if cursor is None:
                break
        calls = []
        for call in job["calls"]:
            result = await client.call_tool(call["tool"], call["arguments"])
            text = "\n".join(block.text for block in result.content if block.type == "text")
            calls.append({"tool": call["tool"], "failed": bool(result.is_error), "text": text})
        return {"protocol": str(client.protocol_version), "tools": names, "calls": calls}


print(json.dumps(asyncio.run(look(json.loads(sys.argv[1])))))
