"""What the clients on the official Python SDK share."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2
from mcp import MCPError, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult


def socket_client(path: str, **options: object) -> httpx2.AsyncClient:
    """Return an HTTP client whose connections are all to a Unix socket."""
    return httpx2.AsyncClient(transport=httpx2.AsyncHTTPTransport(uds=path), **options)


@contextlib.asynccontextmanager
async def over_socket(path: str, url: str) -> AsyncIterator[object]:
    """Streamable HTTP over a Unix socket."""
    async with (
        socket_client(path, timeout=60) as client,
        streamable_http_client(url, http_client=client) as s,
    ):
        yield s


def server_of(job: dict) -> object:
    """
    Return what a `Client` is made with.

    That is the job's `url`, over its `socket` where it has one, its `sse`, which is a URL too, or a process of its `command`.
    """
    if "socket" in job:
        return over_socket(job["socket"], job["url"])
    if "sse" in job:
        return sse_client(job["sse"])
    if "url" in job:
        return job["url"]
    command, *arguments = job["command"]
    return stdio_client(StdioServerParameters(command=command, args=arguments))


def text_of(result: CallToolResult) -> str:
    """Return the text blocks of a result, a line each."""
    return "\n".join(block.text for block in result.content if block.type == "text")


async def step(ask: Callable[..., Awaitable[Any]], client: object, wanted: dict) -> dict | None:
    """Make a step; return what it gave, or the code of the error, or None where `ask` has no function for it."""
    try:
        result = await ask(client, wanted["method"], wanted.get("params", {}))
    except MCPError as error:
        return {"refused": error.error.code}
    return result and result.model_dump(mode="json", by_alias=True, exclude_none=True)


# What a server tells of, as the methods of MCP name it.
KINDS = ("tools", "resources", "prompts")


class Told:
    """What a client was told: the kinds whose list changed, and that a resource was updated.

    Attributes:
        lists: Set once it was told of every list.
        all: Set once it was told of everything.
    """

    def __init__(self) -> None:
        self.kinds: set[str] = set()
        self.lists = asyncio.Event()
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
        if self.kinds.issuperset(KINDS):
            self.lists.set()
        if len(self.kinds) > len(KINDS):
            self.all.set()

    async def hear_all(self, events: AsyncIterable[object]) -> None:
        """Take in events until everything was told."""
        async for event in events:
            self.hear(event)
            if self.all.is_set():
                return
