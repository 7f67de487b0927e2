"""The tools of the benchmarks served by FastMCP: `python fastmcp_server.py [PORT]`, stdio without a port."""

import asyncio
import os
import sys
import time

from fastmcp import FastMCP

server = FastMCP("bench")


@server.tool
def echo(text: str) -> str:
    """Return the text unchanged"""
    return text


@server.tool
def add(a: int, b: int) -> int:
    """Add two integers"""
    return a + b


@server.tool
async def sleep(ms: int) -> str:
    """Sleep for some milliseconds"""
    await asyncio.sleep(ms / 1000)
    return str(ms)


@server.tool
def nap(ms: int) -> str:
    """Block for some milliseconds, as code does that waits for a disk or another server"""
    time.sleep(ms / 1000)
    return str(ms)


def note(number: int) -> None:
    """Add a resource like those of `generate.resources`."""

    @server.resource(f"bench://note/{number:05}", name=f"note_{number:05}", mime_type="text/plain")
    def read() -> str:
        """Note of a collection, as somebody wrote it down."""
        return f"The note number {number}.\n" * 40


for number in range(int(os.environ.get("BENCH_RESOURCES", "0"))):
    note(number)

if len(sys.argv) > 1:
    server.run(
        transport="http",
        host="127.0.0.1",
        port=int(sys.argv[1]),
        stateless_http=True,
        json_response=True,
        show_banner=False,
        log_level="error",
    )
else:
    server.run(show_banner=False)
