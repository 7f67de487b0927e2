"""Which worker runs which call, and how many there are."""

from __future__ import annotations

import time
from collections import deque
from threading import Condition, Thread

from omni.supervise.affine import Seats
from omni.supervise.drive import CallerLeft, Drive, Unstarted
from omni.supervise.process import Process, StartError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from omni.supervise.drive import Job
    from omni.supervise.process import Config

_IDLE_SECONDS = 60.0
_HOUSE_SECONDS = 1.0
#: How often somebody who waits for a worker is looked after.
_WAIT_SECONDS = 0.25
_BACK_OFF_SECONDS = (0.1, 30.0)


class Busy(Exception):  # noqa: N818 - said to the caller, not a fault
    """As many calls wait for a worker as may."""


class Closed(Exception):  # noqa: N818 - said to the caller, not a fault
    """The supervisor is closing and takes no more calls."""


class Supervisor:
    """Keeps workers and runs jobs on them. May be used from any number of threads."""

    def __init__(
        self,
        config: Config,
        *,
        workers: tuple[int, int] = (1, 64),
        queue_max: int = 4096,
        of_one: bool = False,
    ) -> None:
        """Keep at least and at most so many workers, which start in the background.

        Args:
            config: What workers need to know.
            workers: How many are kept whatever happens, and how many there may be. As many again serve
                calls with an affinity.
            queue_max: How many calls may wait for one.
            of_one: There is one worker, and it is kept for its memory.
        """
        self._config = config
        self._min, self._max = workers
        self._queue_max = queue_max
        self._changed = Condition()
        self._idle: deque[Process] = deque()
        self._all: set[Process] = set()
        #: Workers that live, start or are being ended.
        self._count = 0
        self._waiting = 0
        self._failures = 0
        self._failure = ""
        self._try_at = 0.0
        self._generation = 0
        self._closing = False
        #: The process that the last result came from.
        self.served_by: int | None = None
        self._seats: Seats | None = None
        if not of_one:
            self._seats = Seats(lambda: Supervisor(config, workers=(0, 1), of_one=True), self._max)
            Thread(target=self._keep, name="omni-house", daemon=True).start()

    # -- calls ---------------------------------------------------------------------------------------

    def run(self, job: Job) -> bytes | None:
        """Run a call to its end and return its last line; None when its caller went away.

        Raises:
            Busy: Too many wait.
            Closed: No more calls are taken.
        """
        if job.affinity is not None and self._seats is not None:
            if self._closing:
                raise Closed
            return self._seats.run(job.affinity, job)
        begun = job.begun
        for again in (True, False):
            process = self._lease(job)
            if process is None or isinstance(process, bytes):
                return process
            if begun is not None:
                try:
                    begun()
                except OSError:
                    self._put(process)
                    return None
                begun = None
            drive = Drive(process, job)
            try:
                last = drive.run()
            except CallerLeft:
                last = None
            except Unstarted as unstarted:
                self._give_back(process, drive)
                if again and not self._closing:
                    continue  # our loss, not the caller's
                return self._shut(job) or unstarted.last
            except BaseException:
                drive.unended = True
                self._give_back(process, drive)
                raise
            self.served_by = process.pid
            self._give_back(process, drive)
            if last is not None and not drive.answered and self._closing:
                return self._shut(job)
            return last
        return None

    def _shut(self, job: Job) -> bytes | None:
        return job.failure(kind="shutdown") if self._closing else None

    def _lease(self, job: Job) -> Process | bytes | None:
        """Wait for a worker. A last line when there will be none; None when the caller went away."""
        with self._changed:
            if self._closing:
                raise Closed
            if self._waiting >= self._queue_max:
                raise Busy
            self._waiting += 1
            try:
                while True:
                    if self._closing:
                        raise Closed
                    if self._idle:
                        return self._idle.pop()
                    if self._count < self._max:
                        if time.monotonic() >= self._try_at:
                            self._count += 1
                            break
                        if self._count == 0:
                            return job.failure(kind="worker_start", message=self._failure)
                    kind = job.expired(time.monotonic(), job.silent_until)
                    if kind is not None:
                        return job.failure(**job.overdue(kind))
                    if job.caller is not None and job.caller.left():
                        return None
                    self._changed.wait(self._patience(job))
            finally:
                self._waiting -= 1
        return self._start(job)

    def _patience(self, job: Job) -> float:
        now = time.monotonic()
        limits = [limit - now for limit in (job.deadline, job.silent_until) if limit is not None]
        return max(0.0, min([_WAIT_SECONDS, *limits]))

    def _start(self, job: Job | None = None) -> Process | bytes | None:
        """Start a worker, which is counted already."""
        generation = self._generation
        try:
            process = Process(self._config)
        except BaseException as error:
            with self._changed:
                self._count -= 1
                self._failures += 1
                self._failure = str(error)
                least, most = _BACK_OFF_SECONDS
                self._try_at = time.monotonic() + min(most, least * 2 ** (self._failures - 1))
                self._changed.notify_all()
            if job is None or not isinstance(error, StartError):
                raise
            return job.failure(kind="worker_start", message=str(error))
        process.generation = generation
        with self._changed:
            self._failures = 0
            self._all.add(process)
            closing = self._closing
        if closing:
            self._bury(process)
            raise Closed
        return process

    def _give_back(self, process: Process, drive: Drive) -> None:
        """Take a worker back whose call has ended here, if not in the worker."""
        if drive.unended:
            # The caller has its answer, or is gone; nobody need wait for the end of the tool.
            Thread(target=self._end_call, args=(process, drive), name="omni-end", daemon=True).start()
        elif drive.intact:
            self._put(process)
        else:
            self._bury(process)

    def _end_call(self, process: Process, drive: Drive) -> None:
        if process.end_call(drive.number):
            self._put(process)
        else:
            self._forget(process)

    def _put(self, process: Process) -> None:
        process.idle_since = time.monotonic()
        with self._changed:
            if not self._closing and process.generation == self._generation:
                self._idle.append(process)
                self._changed.notify()
                return
        process.dismiss()
        self._forget(process)

    def _bury(self, process: Process) -> None:
        process.kill()
        self._forget(process)

    def _forget(self, process: Process) -> None:
        with self._changed:
            self._all.discard(process)
            self._count -= 1
            self._changed.notify_all()

    # -- workers -------------------------------------------------------------------------------------

    def _keep(self) -> None:
        """Start the workers that are kept, and let go of those that nobody needs."""
        while True:
            retired = []
            with self._changed:
                if self._closing:
                    return
                now = time.monotonic()
                wanted = now >= self._try_at and len(self._all) < self._min and self._count < self._max
                if wanted:
                    self._count += 1
                else:
                    while (
                        self._idle
                        and self._count - len(retired) > self._min
                        and now - self._idle[0].idle_since > _IDLE_SECONDS
                    ):
                        retired.append(self._idle.popleft())
            if wanted:
                try:
                    self._put(self._start())
                except (StartError, Closed):
                    pass
                continue
            for process in retired:
                process.dismiss()
                self._forget(process)
            with self._changed:
                if not self._closing:
                    self._changed.wait(_HOUSE_SECONDS)

    def renew(self) -> None:
        """Let no worker serve another call that may have imported what the skills were."""
        with self._changed:
            self._generation += 1
            old, self._idle = list(self._idle), deque()
        for process in old:
            process.dismiss()
            self._forget(process)
        for seat in self._seats.every() if self._seats else ():
            seat.renew()

    def state(self) -> dict[str, int]:
        """Return how many workers and calls there are."""
        with self._changed:
            idle = len(self._idle)
            state = {
                "busy": self._count - idle,
                "idle": idle,
                "max": self._max,
                "waiting": self._waiting,
            }
        for seat in self._seats.every() if self._seats else ():
            for name, number in seat.state().items():
                state[name] += number
        return state

    def close(self) -> None:
        """End every worker and wait until they are gone. Calls that run end as `shutdown`."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            every = list(self._all)
            idle = set(self._idle)
            self._idle.clear()
        for seat in self._seats.every() if self._seats else ():
            seat.close()
        for process in every:
            # The thread that drives it buries it; nobody drives an idle one.
            if process in idle:
                self._bury(process)
            else:
                process.end_now()
        end = time.monotonic() + 5
        with self._changed:
            while self._count and time.monotonic() < end:
                self._changed.wait(0.1)
