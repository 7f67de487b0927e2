"""One call on one worker, from its frame down to its last word, with the clocks kept here."""

from __future__ import annotations

import signal
import time

from omni import wire
from omni.supervise.printed import Allowance, looks_complete, user_frames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Protocol

    from omni.supervise.process import Process

    class Caller(Protocol):
        """Who may go away while a call runs."""

        #: What `poll` has to look for on the descriptor.
        events: int

        def fileno(self) -> int:
            """Return a descriptor that stirs when the caller goes."""

        def left(self) -> bool:
            """Tell whether the caller is gone."""


_LOOK_SECONDS = 2.5
#: How soon the caller hears that the call has started, unless there is more to say before; the longer that
#: takes, the less often it is looked at.
_FLUSH_SECONDS = 0.002
_FLUSH_SECONDS_MAX = 0.1
_DEATH_SECONDS = 0.25
_STACK_SECONDS = 1.0
_STACK_QUIET_SECONDS = 0.01
_LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
_SIGNS_OF_LIFE = ("beat", "progress")


class Job:
    """A call to be run: which tool, with what, until when, and who hears of it."""

    __slots__ = (
        "_accepted",
        "affinity",
        "arguments",
        "attempt",
        "begun",
        "caller",
        "context",
        "deadline",
        "flush",
        "id",
        "idle",
        "limits",
        "say",
        "target",
        "target_text",
    )

    def __init__(
        self,
        target: dict[str, Any],
        arguments: str = "{}",
        *,
        call_id: int = 0,
        deadline_ms: int | None = None,
        idle_ms: int | None = None,
        attempt: int = 1,
        context: dict[str, Any] | None = None,
        say: Callable[[bytes], None] | None = None,
        flush: Callable[[], None] | None = None,
        begun: Callable[[], None] | None = None,
        caller: Caller | None = None,
        affinity: tuple[str, str] | None = None,
    ) -> None:
        """Describe a call. Its time runs from now on.

        Args:
            target: What a `call` frame of the worker wire says about the function.
            arguments: JSON text of an object.
            call_id: What the events call the call.
            deadline_ms: Milliseconds it may take in all, waiting included; None is no limit.
            idle_ms: Milliseconds it may be without a sign of life; None is no limit.
            attempt: Counted from 1.
            context: `progress`, `log` and `session`, as in a `call` frame.
            say: Takes each event but the last, as one line of JSON without its end. An `OSError` of it means
                that the caller is gone.
            flush: Called when nothing has followed `started` for a moment: `say` may have kept it until then.
            begun: Called before the call is given to a worker: from here on its code may run. As `say`.
            caller: Who may go away; the call is then cancelled.
            affinity: Calls with the same one meet in one worker: a skill, and a session or nothing.
        """
        self._accepted = time.monotonic()
        self.target = target
        #: The target as JSON, for a caller that has it ready.
        self.target_text: str | None = None
        self.arguments = arguments
        self.id = call_id
        self.attempt = attempt
        self.context = context or {}
        self.say = say or _nobody
        self.flush = flush
        self.begun = begun
        self.caller = caller
        self.affinity = affinity
        #: The limits as they were given.
        self.limits = (deadline_ms, idle_ms)
        #: Until when the call may run, by the monotonic clock.
        self.deadline = None if deadline_ms is None else self._accepted + deadline_ms / 1000
        self.idle = None if idle_ms is None else idle_ms / 1000

    @property
    def silent_until(self) -> float | None:
        """Until when the call may be silent that has not said anything yet."""
        return None if self.idle is None else self._accepted + self.idle

    def expired(self, now: float, silent_until: float | None) -> str | None:
        """Return the kind of the limit that has been reached."""
        if self.deadline is not None and now >= self.deadline:
            return "timeout_total"
        if silent_until is not None and now >= silent_until:
            return "timeout_idle"
        return None

    def overdue(self, kind: str) -> dict[str, Any]:
        """Return what the last word of a call says whose time is up."""
        return {"kind": kind, "limit_ms": self.limits[0 if kind == "timeout_total" else 1]}

    def wants_log(self, level: str) -> bool:
        """Tell whether messages of this level are wanted."""
        least = self.context.get("log")
        return least is not None and _LEVELS.index(level) >= _LEVELS.index(least)

    def failure(self, **members: object) -> bytes:
        """Word a last line that says how the call failed."""
        return wire.seal_lossy(wire.write_json({"error": {"id": self.id, **members}}))[4:]


def _nobody(_line: bytes) -> None:
    pass


class Unstarted(Exception):  # noqa: N818 - no error: the worker was lost before the call's code began
    """The worker died before the call's code began, so another one may run it. `last` says how."""

    def __init__(self, last: bytes) -> None:
        super().__init__()
        self.last = last


class CallerLeft(Exception):  # noqa: N818 - no error either
    """Nobody waits for the call any more."""


def _is_plain(payload: bytes) -> bool:
    """Tell whether a result can pass as it is: one line, and nothing in it for whoever keeps the worker."""
    return payload.endswith(b"}}") and b"\n" not in payload and b'"tainted":' not in payload


class Drive:
    """Runs one job on one worker."""

    def __init__(self, process: Process, job: Job) -> None:
        self._process = process
        self._job = job
        process.calls += 1
        #: What the worker calls the call.
        self.number = process.calls
        #: The worker can serve another call.
        self.intact = False
        #: The last line is the worker's own.
        self.answered = False
        #: The call has not ended in the worker, so somebody has to end it there.
        self.unended = False
        self._started = False
        self._allowance = Allowance()
        self._silent_until = job.silent_until
        self._result = b'{"result":{"id":%d,' % self.number
        self._start = b'{"started":{"id":%d}}' % self.number
        #: When to look next whether the call has started, and then to send what `say` may have kept.
        self._look_seconds = _FLUSH_SECONDS
        self._flush_at: float | None = time.monotonic() + _FLUSH_SECONDS

    def run(self) -> bytes:
        """Give the call to the worker and return its last line.

        Raises:
            Unstarted: The worker was lost before the call's code began.
            CallerLeft: The caller went away.
        """
        process, job = self._process, self._job
        process.out.begin()
        process.err.begin()
        try:
            process.send("call", self._body())
        except OSError:
            return self._lost()
        caller = job.caller
        if caller is not None:
            process.poll.register(caller.fileno(), caller.events)
        try:
            return self._wait()
        except (EOFError, ConnectionError):
            return self._lost()
        except wire.MalformedFrameError as error:
            return self._broken(f"it sent a frame that is not what it should be: {error}")
        finally:
            if caller is not None:
                process.poll.unregister(caller.fileno())

    def _body(self) -> str:
        job = self._job
        left = None if job.deadline is None else max(0, int((job.deadline - time.monotonic()) * 1000))
        return '{"id":%d,"target":%s,"args":%s,"deadline_ms":%s,"idle_ms":%s,"attempt":%d,"context":%s}' % (
            self.number,
            job.target_text or wire.write_json(job.target),
            job.arguments,
            "null" if left is None else left,
            "null" if job.limits[1] is None else job.limits[1],
            job.attempt,
            wire.write_json(job.context),
        )

    # -- waiting -------------------------------------------------------------------------------------

    def _wait(self) -> bytes:
        process, job = self._process, self._job
        channel, caller = process.channel.fileno(), job.caller
        look_at, was_stopped = time.monotonic() + _LOOK_SECONDS, False
        while True:
            now = time.monotonic()
            until = look_at if self._flush_at is None else self._flush_at
            for limit in (job.deadline, self._silent_until):
                until = until if limit is None else min(until, limit)
            ready = dict(process.poll.poll(max(0.0, until - now) * 1000))
            for pipe in (process.out, process.err):
                if pipe.fileno() in ready and not self._read(pipe):
                    process.poll.unregister(pipe)
            if channel in ready:
                last = self._take(process.receive())
                if last is not None:
                    return last
            elif any(process.watches(descriptor) for descriptor in ready):
                raise EOFError
            if caller is not None and caller.fileno() in ready and caller.left():
                self.unended = True
                raise CallerLeft
            now = time.monotonic()
            if self._flush_at is not None and now >= self._flush_at:
                self._flush()
            kind = job.expired(now, self._silent_until)
            if kind is not None:
                return self._overdue(kind)
            if now >= look_at:
                stopped = process.is_stopped()
                if stopped and was_stopped:
                    return self._broken("its process was stopped (SIGSTOP) and did not go on")
                look_at, was_stopped = now + _LOOK_SECONDS, stopped

    def _take(self, payloads: list[bytes]) -> bytes | None:
        for payload in payloads:
            if payload.startswith(self._result) and _is_plain(payload):
                return self._end(b'{"result":{"id":%d,' % self._job.id + payload[len(self._result) :])
            if payload == self._start:
                self._note_start()
                continue
            kind, body = wire.decode(payload)
            if body.get("id") != self.number:
                continue  # a thread that a former call left behind
            if kind in _SIGNS_OF_LIFE and self._job.idle is not None:
                self._silent_until = time.monotonic() + self._job.idle
            body["id"] = self._job.id
            line = wire.seal_lossy(wire.write_json({kind: body}))[4:]
            if kind in ("result", "error"):
                return self._end(line, tainted="tainted" in body)
            if kind in ("beat", "progress", "log"):
                self._look_for_start()
                self._say(line)
        return None

    def _flush(self) -> None:
        self._look_for_start()
        if not self._started:
            self._look_seconds = min(2 * self._look_seconds, _FLUSH_SECONDS_MAX)
            self._flush_at = time.monotonic() + self._look_seconds
            return
        self._flush_at = None
        if self._job.flush is None:
            return
        try:
            self._job.flush()
        except OSError:
            self.unended = True
            raise CallerLeft from None

    def _say(self, line: bytes) -> None:
        try:
            self._job.say(line)
        except OSError:
            self.unended = True
            raise CallerLeft from None

    def _look_for_start(self) -> None:
        if not self._started and self._process.has_started(self.number):
            self._note_start()

    def _note_start(self) -> None:
        if not self._started:
            self._started = True
            self._say(b'{"started":{"id":%d}}' % self._job.id)

    def _end(self, line: bytes, *, tainted: bool = False) -> bytes:
        self._look_for_start()
        self.intact = not tainted
        self.answered = True
        self._catch_up()
        return line

    # -- what it prints ------------------------------------------------------------------------------

    def _reporter(self, pipe: Any) -> Callable[[str], None] | None:
        job = self._job
        if not job.wants_log(pipe.level):
            return None

        def report(line: str) -> None:
            self._look_for_start()
            log = {"id": job.id, "level": pipe.level, "logger": pipe.name, "data": line}
            self._say(wire.seal_lossy(wire.write_json({"log": log}))[4:])

        return report

    def _read(self, pipe: Any) -> bool:
        return pipe.read(self._allowance, self._reporter(pipe))

    def _catch_up(self) -> None:
        """Report what was printed before the last word."""
        process = self._process
        if not self._job.wants_log(process.err.level):
            return  # nor what is less severe
        ready = dict(process.poll.poll(0))
        for pipe in (process.out, process.err):
            report = self._reporter(pipe)
            if report is not None:
                if pipe.fileno() in ready:
                    pipe.read(self._allowance, report)
                pipe.end(self._allowance, report)

    def _stderr(self) -> dict[str, str]:
        tail = self._process.err.tail
        return {"stderr": tail.decode("utf-8", "replace")} if tail else {}

    # -- ends that are no answer ---------------------------------------------------------------------

    def _lost(self) -> bytes:
        """Say how a worker ended that closed its channel, or that the kernel says is gone."""
        process = self._process
        # Its last words may have been: the answer, and what it printed.
        try:
            process.channel.settimeout(0)
            while True:
                last = self._take(process.receive())
                if last is not None:
                    self.intact = False
                    return last
        except (OSError, EOFError, wire.MalformedFrameError):
            pass
        code = process.exit_code(_DEATH_SECONDS)
        for pipe in (process.out, process.err):
            self._read(pipe)
            pipe.end(self._allowance, self._reporter(pipe))
        if code is None:
            return self._broken("it closed its control channel")
        self._look_for_start()
        how = {"kind": "exited", "code": code} if code >= 0 else {"kind": "signalled", "signal": -code}
        last = self._job.failure(**how, **self._stderr())
        if not self._started:
            raise Unstarted(last)
        return last

    def _broken(self, message: str) -> bytes:
        self._look_for_start()
        self._catch_up()
        return self._job.failure(kind="lost", message=message, **self._stderr())

    def _overdue(self, kind: str) -> bytes:
        self._look_for_start()
        self.unended = True
        stderr = self._stderr()
        stack = self._stack()
        return self._job.failure(**self._job.overdue(kind), **({"stack": stack} if stack else {}), **stderr)

    def _stack(self) -> str | None:
        """Ask Python where the call is, and wait a little for the answer."""
        if self._process.is_stopped():
            return None
        err = self._process.err
        # Empty, so that what comes now is the dump.
        err.begin()
        self._process.signal(signal.SIGUSR1)
        end = time.monotonic() + _STACK_SECONDS
        length = -1
        while time.monotonic() < end:
            time.sleep(_STACK_QUIET_SECONDS)
            err.read(self._allowance, None)
            if len(err.tail) == length and looks_complete(err.tail, self.number):
                break
            length = len(err.tail)
        return user_frames(err.tail.decode("utf-8", "replace"), self._job.target["dir"], self.number)
