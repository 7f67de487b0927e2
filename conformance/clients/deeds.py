"""What the clients on a Python SDK do besides requests of which there is one answer: with any of these SDKs alike.

A client hands in `call(tool, arguments, hear)`, which makes a call and returns its text, and tells `hear`, where there is
one, how far the call is.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, Callable

SECONDS_MAX = 30
Call = Callable[..., Awaitable[str]]


def exists(file: str) -> bool:
    return Path(file).exists()


def edit(job: dict[str, Any]) -> None:
    """Make the job's edit."""
    Path(job["edit"]["file"]).write_text(job["edit"]["text"])


def touch(file: str) -> None:
    Path(file).touch()


async def appears(file: str) -> bool:
    """Wait for a file; whether it came in time."""
    for _ in range(SECONDS_MAX * 50):
        if exists(file):
            return True
        await asyncio.sleep(0.02)
    return False


async def progress(call: Call, job: dict) -> list[float]:
    """Return what a call said of how far it is."""
    heard: list[float] = []

    async def hear(value: float, _total: float | None = None, _message: str | None = None) -> None:
        heard.append(value)

    await call(job["progress"], {}, hear)
    return heard


async def cancel(call: Call, job: dict) -> bool:
    """Cancel a call once it has begun, as a program on this SDK does; whether its tool was."""
    file = job["cancel"]["file"]
    task = asyncio.create_task(call(job["cancel"]["tool"], {"file": file}))
    await appears(f"{file}.began")
    task.cancel()
    await asyncio.wait([task])
    return await appears(f"{file}.cancelled")


async def restart(call: Call, job: dict) -> str:
    """Have the server end and start again; whether the same session goes on, or what the program is told."""
    touch(job["restart"]["ready"])
    await appears(job["restart"]["done"])
    try:
        await asyncio.wait_for(call(*job["ask"]), SECONDS_MAX)
    except Exception as error:  # noqa: BLE001 -- whatever this SDK raises
        return f"{type(error).__name__}: {error}"
    return "goes on"


async def all_of(call: Call, job: dict, *, cancels: bool = True) -> dict[str, Any]:
    """Do what the job asks for besides; `cancels` is whether this SDK tells the server."""
    return {
        "progress": await progress(call, job),
        "asked": await call(*job["ask"]),
        "cancelled": await cancel(call, job) if cancels else None,
        **({"restart": await restart(call, job)} if "restart" in job else {}),
    }


def printed(look: Callable[[dict, dict], Awaitable[None]], job: dict) -> None:
    """Let a client look, which fills in what it saw, and print that; the end of a session whose server was ended may fail."""
    seen: dict[str, Any] = {}
    try:
        asyncio.run(look(job, seen))
    except Exception:
        if seen.get("restart", "goes on") == "goes on":
            raise
    print(json.dumps(seen))
