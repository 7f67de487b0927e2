"""Calls that must meet in one worker, because their skill keeps state in memory."""

from __future__ import annotations

import json
import time
from threading import Lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

    from omni.supervise.drive import Job
    from omni.supervise.pool import Supervisor

#: A session's worker goes after so long without a call.
_SESSION_SECONDS = 1800.0


class _Seat:
    """One worker, and those who need it."""

    def __init__(self, supervisor: Supervisor) -> None:
        self.supervisor = supervisor
        self.users = 0
        self.used_at = 0.0
        #: The process whose memory the last result came from.
        self.pid: int | None = None


class Seats:
    """A worker for each affinity that calls have named."""

    def __init__(self, make: Callable[[], Supervisor], seats_max: int) -> None:
        """Keep up to so many workers, each in a supervisor of its own that `make` returns."""
        self._make = make
        self._max = seats_max
        self._lock = Lock()
        self._seats: dict[tuple[str, str], _Seat] = {}

    def run(self, key: tuple[str, str], job: Job) -> bytes | None:
        """Run a call on the worker of this affinity, after those that came before it.

        The result says so when the worker is not the one that served the call before: its memory is gone.

        Raises:
            Busy: There are as many such workers as may be, and none is idle.
            Closed: No more calls are taken.
        """
        seat, left = self._take(key)
        for old in left:
            old.supervisor.close()
        try:
            last = seat.supervisor.run(job)
        finally:
            with self._lock:
                seat.users -= 1
                seat.used_at = time.monotonic()
        pid = seat.supervisor.served_by
        if last is not None and last.startswith(b'{"result"') and pid is not None:
            if seat.pid not in (None, pid):
                last = _with_news(last)
            seat.pid = pid
        return last

    def _take(self, key: tuple[str, str]) -> tuple[_Seat, list[_Seat]]:
        from omni.supervise.pool import Busy

        with self._lock:
            left = []
            seat = self._seats.get(key)
            if seat is None:
                idle = sorted(
                    (other for other in self._seats if not self._seats[other].users),
                    key=lambda other: self._seats[other].used_at,
                )
                late = time.monotonic() - _SESSION_SECONDS
                for other in idle:
                    # A skill's only worker stays as long as there is room.
                    old = other[1] and self._seats[other].used_at < late
                    if old or len(self._seats) >= self._max:
                        left.append(self._seats.pop(other))
                if len(self._seats) >= self._max:
                    raise Busy
                seat = self._seats[key] = _Seat(self._make())
            seat.users += 1
            return seat, left

    def every(self) -> list[Supervisor]:
        """Return the supervisors there are."""
        with self._lock:
            return [seat.supervisor for seat in self._seats.values()]


def _with_news(line: bytes) -> bytes:
    said = json.loads(line)
    said["result"]["meta"] = {"omni/state": "lost", **(said["result"].get("meta") or {})}
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()
