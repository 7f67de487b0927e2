"""Where awaitables wait: a thread's stack only shows the loop that waits for them all."""

from __future__ import annotations

import asyncio
import faulthandler
from _signal import SIG_DFL, SIGUSR1, signal
from os import write as _write

from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from omni.call_frame import Call


def run(call: Call, awaitable: Any, err: int | None) -> Any:
    """Run a call's awaitable in a process that has no event loop of its own.

    Meanwhile SIGUSR1 writes to `err` where it waits.
    """

    async def wait() -> Any:
        return await awaitable

    waiting = wait()
    if err is None:
        return asyncio.run(waiting)
    dump_on_signal(err, lambda: lines(call, waiting, __file__))
    try:
        return asyncio.run(waiting)
    finally:
        faulthandler.unregister(SIGUSR1)
        signal(SIGUSR1, SIG_DFL)
        faulthandler.register(SIGUSR1, err)


def dump_on_signal(err: int, say: Callable[[], Iterable[str]]) -> None:
    """Have SIGUSR1 write these lines to `err` after the stacks of all threads."""
    # Python's own handler comes first and faulthandler's calls it: the C part must not wait for us.
    faulthandler.unregister(SIGUSR1)
    signal(SIGUSR1, lambda _number, _frame: _dump(err, say()))
    faulthandler.register(SIGUSR1, err, chain=True)


def _dump(err: int, said: Iterable[str]) -> None:
    _write(err, ("\n".join(said) + "\n").encode("utf-8", "replace"))


def lines(call: Call, coroutine: Any, own_file: str) -> list[str]:
    """Return a heading and a line for each frame that the call waits in, but those of `own_file`."""
    return [
        f"Call {call.id} (`{call.target.tool}`), most recent call first:",
        *(
            f'  File "{frame.f_code.co_filename}", line {frame.f_lineno} in {frame.f_code.co_name}'
            for frame in _frames(coroutine)
            if frame.f_code.co_filename != own_file
        ),
    ]


def _frames(waiting: Any) -> list[Any]:
    """Walk from a coroutine along what it awaits; innermost frame first."""
    frames: list[Any] = []
    while waiting is not None and len(frames) < 100:
        frame = getattr(waiting, "cr_frame", None) or getattr(waiting, "gi_frame", None)
        if frame is None:
            break
        frames.append(frame)
        waiting = getattr(waiting, "cr_await", None) or getattr(waiting, "gi_yieldfrom", None)
    return frames[::-1]
