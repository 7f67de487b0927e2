"""Children that have ended and that nobody has waited for: each keeps its number until somebody does."""

from __future__ import annotations

import sys
from os import WNOHANG, waitpid

from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_modules = sys.modules


def reap(pids: list[int]) -> None:
    """Wait for children that have ended, which nobody else is to do. Never raises.

    Who keeps an object for one learns its exit code all the same.
    """
    reap_known()
    held, awaited = _held()
    for pid in pids:
        if pid in awaited:
            continue
        try:
            owner = held.get(pid)
            if owner is None or owner.poll() is None:
                waitpid(pid, WNOHANG)
        except Exception:  # it was waited for already, or the object is a tool's own
            continue


def reap_known() -> None:
    """Wait for the children that have ended and that Python's own modules know of. Never raises."""
    subprocess, processes = _modules.get("subprocess"), _modules.get("multiprocessing.process")
    try:
        # Those whose objects were let go before they had ended.
        if subprocess is not None and subprocess._active:
            subprocess._cleanup()
        if processes is not None and processes._children:
            processes._cleanup()
    except Exception:  # a tool has taken something away
        return


def _held() -> tuple[dict[int, Any], set[int]]:
    """Return the objects that stand for children, by number, and the children that event loops wait for."""
    popen = getattr(_modules.get("subprocess"), "Popen", None)
    transport = getattr(_modules.get("asyncio.base_subprocess"), "BaseSubprocessTransport", None)
    kinds = tuple(kind for kind in (popen, transport) if isinstance(kind, type))
    if not kinds:
        return {}, set()
    # Slow where a tool keeps much in memory, and seldom: only when somebody has not waited.
    from gc import get_objects

    found = [one for one in get_objects() if isinstance(one, kinds)]
    loops = [one for one in found if transport is not None and isinstance(one, transport)]
    awaited = {one._pid for one in loops if one._loop is not None and one._loop.is_running()}
    return {one.pid: one for one in found if one not in loops and hasattr(one, "pid")}, awaited
