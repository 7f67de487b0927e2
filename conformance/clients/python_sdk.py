"""What the clients on the official Python SDK share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable

from mcp import StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.types import CallToolResult


def server_of(job: dict) -> object:
    """Return what a `Client` is made with: the job's `url`, or a process of its `command`."""
    if "url" in job:
        return job["url"]
    command, *arguments = job["command"]
    return stdio_client(StdioServerParameters(command=command, args=arguments))


def text_of(result: CallToolResult) -> str:
    """Return the text blocks of a result, a line each."""
    return "\n".join(block.text for block in result.content if block.type == "text")


# What a server tells of, as the methods of MCP name it.
KINDS = ("tools", "resources", "prompts")


class Told:
    """What a client was told: the kinds whose list changed, and that a resource was updated.

    Attributes:
        all: Set once it was told of everything.
    """

    def __init__(self) -> None:
        self.kinds: set[str] = set()
        self.all = asyncio.Event()

    def hear(self, message: object) -> None:
        """Take in a message or an event; others than these are passed over."""
        name = type(message).__name__
        if name.startswith("ResourceUpdated"):
            self.kinds.add("updated")
        # `ToolListChangedNotification` in a session, `ToolsListChanged` of a `listen`.
        self.kinds |= {
            kind
            for kind in KINDS
            if name.lower().startswith((f"{kind}listchanged", f"{kind[:-1]}listchanged"))
        }
        if len(self.kinds) > len(KINDS):
            self.all.set()

    async def hear_all(self, events: AsyncIterable[object]) -> None:
        """Take in events until everything was told."""
        async for event in events:
            self.hear(event)
            if self.all.is_set():
                return
