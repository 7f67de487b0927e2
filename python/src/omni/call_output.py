"""Which call prints what where calls run side by side: each piece of text goes up as its call's own."""

from __future__ import annotations

from time import monotonic

from omni import wire
from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here
from omni.skill import CURRENT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from omni.invoke import ToolRunner
    from omni.skill import Context

# A line whose end has not come yet waits for it, but not for longer than this: it is a sign of life.
_INTERVAL_SECONDS = 0.25
_HELD_BYTES_MAX = 8192
_PIECE_BYTES_MAX = 65536
# More than the server shows of a call. What comes beyond is counted, and is a sign of life all the same.
_BYTES_PER_CALL_MAX = 512 << 10
# Whoever waits longer for the channel holds it himself: a destructor or a signal handler prints.
_PATIENCE_SECONDS = 0.1


class _Said:
    """What one call has printed on one of its two streams."""

    __slots__ = ("held", "left_out")

    def __init__(self) -> None:
        self.held = b""
        self.left_out = 0


class CallOutput:
    """Sends what calls print up the channel, each piece with the number of the call that wrote it."""

    def __init__(self, tool_runner: ToolRunner) -> None:
        """Speak for the calls of `tool_runner`."""
        self._tool_runner = tool_runner
        #: The call whose skill is being imported: nothing else runs meanwhile.
        self.loading: Context | None = None
        #: By call: when it spoke last, how much more it may say, and what waits on each.
        self.calls: dict[int, tuple[list[float], dict[int, _Said]]] = {}

    def speak(self, fd: int, data: Any) -> bool:
        """Take what is written to descriptor `fd`. False when nobody can say for which call that is."""
        context = CURRENT.get() or self.loading
        if context is None or not context._open or not self._tool_runner.speaks:
            return False
        call_id = context._call.id
        pace, streams = self.calls.setdefault(call_id, ([0.0, _BYTES_PER_CALL_MAX], {}))
        said = streams.get(fd)
        if said is None:
            said = streams[fd] = _Said()
        data = bytes(data)
        room = int(pace[1])
        said.left_out += max(0, len(data) - room)
        held = said.held = said.held + data[:room]
        pace[1] = room - min(room, len(data))
        now = monotonic()
        if now - pace[0] >= _INTERVAL_SECONDS or (
            len(data) <= room and (b"\n" in data or len(held) >= _HELD_BYTES_MAX)
        ):
            pace[0] = now
            return self._send(call_id, fd, said)
        return True

    def end(self, call_id: int) -> None:
        """Send what still waits of a call that ends."""
        _, streams = self.calls.pop(call_id, (None, {}))
        for fd, said in streams.items():
            if said.held or said.left_out:
                self._send(call_id, fd, said)

    def _send(self, call_id: int, fd: int, said: _Said) -> bool:
        held, said.held = said.held, b""
        left_out, said.left_out = said.left_out, 0
        frames = [
            wire.output(call_id, fd, held[at : at + _PIECE_BYTES_MAX].decode("utf-8", "replace"), 0)
            for at in range(0, len(held), _PIECE_BYTES_MAX)
        ]
        if left_out:
            frames.append(wire.output(call_id, fd, "", left_out))
        lock = self._tool_runner.lock
        if not lock.acquire(timeout=_PATIENCE_SECONDS):
            return False
        try:
            for frame in frames:
                self._tool_runner.send_locked(frame)
        finally:
            lock.release()
        return True
