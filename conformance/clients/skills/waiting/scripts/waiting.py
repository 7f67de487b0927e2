"""A tool that goes on until it is cancelled, and one that tells how far it is."""

import asyncio
from pathlib import Path

from omni import Context, tool

SECONDS_MAX = 60
# Longer than the quarter of a second within which the worker says only one thing about progress.
PAUSE_SECONDS = 0.3


def touch(file: str) -> None:
    Path(file).touch()


@tool
async def until_cancelled(file: str) -> str:
    """Write `FILE.began`, go on, and write `FILE.cancelled` when the call is."""
    touch(f"{file}.began")
    try:
        await asyncio.sleep(SECONDS_MAX)
    except asyncio.CancelledError:
        touch(f"{file}.cancelled")
        raise
    return "nobody cancelled it"


@tool
async def counted(ctx: Context) -> str:
    """Tell three times how far it is, and rest after each: some clients forget what comes along with the result."""
    for value in (0, 50, 100):
        await ctx.report_progress(value, total=100)
        await asyncio.sleep(PAUSE_SECONDS)
    return "counted"
