"""What is the least that a tool can do?"""

import asyncio
import time

from omni import Context, tool


@tool(read_only=True)
def echo(text: str) -> str:
    """Return the text unchanged"""
    return text


@tool(read_only=True)
def add(a: int, b: int) -> int:
    """Add two integers"""
    return a + b


@tool(read_only=True)
async def sleep(ms: int) -> str:
    """Sleep for some milliseconds"""
    await asyncio.sleep(ms / 1000)
    return str(ms)


@tool(read_only=True)
def tell(ctx: Context, text: str) -> str:
    """Report progress once, then return the text unchanged"""
    ctx.progress(1, total=1)
    return text


@tool(read_only=True)
def nap(ms: int) -> str:
    """Block for some milliseconds, as code does that waits for a disk or another server"""
    time.sleep(ms / 1000)
    return str(ms)


@tool(read_only=True)
def spin(ms: int) -> str:
    """Compute for some milliseconds of processor time"""
    end = time.thread_time() + ms / 1000
    while time.thread_time() < end:
        pass
    return str(ms)
