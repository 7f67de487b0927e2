"""What a worker prints: lines for whoever listens, and the end of it for when the call fails."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

_CHUNK_BYTES = 65536
_LINE_BYTES_MAX = 8 << 10
_TAIL_BYTES_MAX = 64 << 10
# Lines and bytes of one call that are reported: more, nobody reads.
_LINES_MAX = 1000
_BYTES_MAX = 256 << 10


class Allowance:
    """How much of one call's output may still be reported."""

    __slots__ = ("bytes", "lines")

    def __init__(self) -> None:
        self.lines = _LINES_MAX
        self.bytes = _BYTES_MAX


class Printed:
    """One pipe of a worker, cut into lines. Keeps the last 64 KiB."""

    __slots__ = ("_descriptor", "_line", "level", "name", "tail")

    def __init__(self, descriptor: int, name: str, level: str) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self.name = name
        self.level = level
        self._line = b""
        self.tail = b""

    def fileno(self) -> int:
        """Return the descriptor, for `poll`."""
        return self._descriptor

    def begin(self) -> None:
        """Forget what the last call printed."""
        self._line = self.tail = b""

    def read(self, allowance: Allowance, report: Callable[[str], None] | None) -> bool:
        """Take in what has arrived and report whole lines. False when everybody has closed the other end."""
        try:
            data = os.read(self._descriptor, _CHUNK_BYTES)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if not data:
            return False
        self.tail = (self.tail + data)[-_TAIL_BYTES_MAX:]
        if report is None or not allowance.lines:
            self._line = b""
            return True
        *lines, self._line = (self._line + data).split(b"\n")
        for line in lines:
            self._report(line, allowance, report)
        if len(self._line) >= _LINE_BYTES_MAX:
            self.end(allowance, report)
        return True

    def end(self, allowance: Allowance, report: Callable[[str], None] | None) -> None:
        """Report the line that was begun."""
        line, self._line = self._line, b""
        if report is not None:
            self._report(line, allowance, report)

    def _report(self, line: bytes, allowance: Allowance, report: Callable[[str], None]) -> None:
        line = line[:-1] if line.endswith(b"\r") else line
        if not line or not allowance.lines:
            return
        if allowance.lines > 1 and allowance.bytes >= len(line):
            allowance.lines -= 1
            allowance.bytes -= len(line)
            report(line.decode("utf-8", "replace"))
        else:
            allowance.lines = 0
            report("… (more output is not shown)")


_HEADING = "most recent call first"


def looks_complete(dump: bytes, number: int) -> bool:
    """Tell whether what a worker printed when it was asked for its stack may be all of it.

    Where an awaitable waits is printed after where the threads are.
    """
    heading = b"Call %d " % number if b'/omni/waiting.py"' in dump else _HEADING.encode()
    return dump.endswith(b"\n") and heading in dump


def user_frames(dump: str, folder: str, number: int) -> str | None:
    """Return the frames of a skill's files in what a worker printed, innermost last.

    Of several stacks, the one where the call waits, else that of the thread that runs calls, which has the
    worker's own frames below. None when the skill is on no stack.
    """
    inside = f'File "{folder}/'
    best: list[str] = []
    rank = 0
    frames: list[str] = []
    ours = 1
    for line in [*dump.splitlines(), _HEADING]:
        if _HEADING in line:
            if frames and ours > rank:
                best, rank = frames, ours
            frames, ours = [], 3 if line.startswith(f"Call {number} ") else 1
        elif line.startswith("  "):
            frame = line.strip()
            if frame.startswith(inside):
                frames.append('  File "' + frame[len(inside) :])
            elif '/omni/worker.py"' in frame:
                ours = max(ours, 2)
    return "\n".join(reversed(best)) or None
