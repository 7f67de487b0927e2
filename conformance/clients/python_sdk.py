"""What the clients on the official Python SDK share."""

from __future__ import annotations

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
