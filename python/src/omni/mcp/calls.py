"""One `tools/call`, from its arguments to its result: checked, run on a worker, run again where declared."""

from __future__ import annotations

import os
import select
import sys
import time
from threading import Lock, Semaphore

from omni import wire
from omni.describe import call_target
from omni.mcp import endings, programs, validate
from omni.supervise import Busy, Closed, Job, Supervisor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from omni.supervise import Config

_PAUSES_SECONDS = (0.05, 2.0)
_WAIT_SECONDS = 0.25


class Cancel:
    """Stands for a client that may take its call back."""

    #: What `poll` has to look for.
    events = select.POLLIN

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        self._lock = Lock()
        self._left = False

    def fileno(self) -> int:
        """Return a descriptor that stirs when the call is taken back."""
        return self._reader

    def left(self) -> bool:
        """Tell whether the call was taken back."""
        return self._left

    def cancel(self) -> None:
        """Take the call back."""
        with self._lock:
            self._left = True
            if self._writer >= 0:
                os.close(self._writer)
                self._writer = -1

    def close(self) -> None:
        """Let go of the descriptors, when the call has ended."""
        self.cancel()
        with self._lock:
            if self._reader >= 0:
                os.close(self._reader)
                self._reader = -1


class Limits:
    """What holds for tools that declare nothing themselves."""

    def __init__(self, *, timeout: float, idle_timeout: float, full_errors: bool) -> None:
        #: Seconds; 0 is no limit.
        self.timeout = timeout
        self.idle_timeout = idle_timeout
        self.full_errors = full_errors


class Calls:
    """Runs calls, each in the thread that asks for it."""

    def __init__(self, skills_dir: str, config: Config, limits: Limits, workers: tuple[int, int]) -> None:
        self._skills_dir = skills_dir
        self._config = config
        self._limits = limits
        self._workers = Supervisor(config, workers=workers)
        self._lock = Lock()
        self._turns: dict[tuple[str, int], Semaphore] = {}

    def renew(self) -> None:
        """Let no worker serve another call that may have imported what the skills were."""
        self._workers.renew()

    def close(self) -> None:
        """End every worker. Calls that run end as `shutdown`."""
        self._workers.close()

    def run(
        self, tool: dict, arguments: dict, *, context: dict, say: Callable[[str, dict], None], cancel: Cancel
    ) -> dict | None:
        """Run a call and return its result; None when it was taken back.

        Args:
            tool: The tool as it was described.
            arguments: The call's arguments.
            context: What the client wants to hear, and its session.
            say: Takes each event's name and body.
            cancel: Who may take the call back.
        """
        faults = validate.argument_faults(tool["name"], tool["inputSchema"], arguments)
        if faults is not None:
            return endings.refused(faults)
        call = _Call(self, tool, arguments, context=context, say=say, cancel=cancel)
        return call.run()

    def limits_of(self, tool: dict) -> tuple[int | None, int | None]:
        """Return how many milliseconds a tool's call may take, and how many it may be silent."""
        omni = tool["omni"]
        total = omni["timeout_ms"]
        idle = omni["idle_timeout_ms"]
        total = int(self._limits.timeout * 1000) if total is None else total
        idle = int(self._limits.idle_timeout * 1000) if idle is None else idle
        # One that can never strike first is none.
        return total or None, idle if idle and (not total or idle < total) else None

    @property
    def full_errors(self) -> bool:
        """Whether clients may read exceptions."""
        return self._limits.full_errors

    def turn(self, tool: dict) -> list[Semaphore]:
        """Return what limits how many calls of a tool run at once."""
        omni = tool["omni"]
        wanted = (
            (tool["name"], omni["policy"].get("concurrency")),
            (f"{omni['skill']}/", omni["policy"].get("skill_concurrency")),
        )
        with self._lock:
            return [
                self._turns.setdefault((name, count), Semaphore(count)) for name, count in wanted if count
            ]

    def drive(self, tool: dict, job: Job) -> bytes | None:
        """Run one attempt and return its last line; None when it was taken back."""
        omni = tool["omni"]
        if "program" in omni:
            return programs.run(job, omni["program"], self._config.environment, self._config.root)
        return self._workers.run(job)

    def target(self, tool: dict) -> dict[str, Any]:
        """Return what a `call` frame says about a tool's function."""
        return call_target(self._skills_dir, tool)


class _Call:
    """One call of one tool, in one or several attempts."""

    def __init__(
        self,
        calls: Calls,
        tool: dict,
        arguments: dict,
        *,
        context: dict,
        say: Callable[[str, dict], None],
        cancel: Cancel,
    ) -> None:
        self._calls = calls
        self._tool = tool
        self._arguments = wire.write_json(arguments)
        self._context = context
        self._tell = say
        self._cancel = cancel
        self._accepted = time.monotonic()
        self._limits = calls.limits_of(tool)
        self._phase = "queued"
        self._attempt = 1

    def run(self) -> dict | None:
        turns = self._calls.turn(self._tool)
        taken = []
        try:
            for turn in turns:
                while not turn.acquire(timeout=_WAIT_SECONDS):
                    if self._cancel.left():
                        return None
                    kind = self._job().expired(time.monotonic(), None)
                    if kind is not None:
                        return self._failed({"kind": kind, "limit_ms": self._limits[0]})
                taken.append(turn)
            return self._attempts()
        finally:
            for turn in taken:
                turn.release()

    def _attempts(self) -> dict | None:
        while True:
            self._phase = "queued"
            try:
                last = self._calls.drive(self._tool, self._job())
            except Busy:
                return self._failed({"kind": "busy"})
            except Closed:
                return self._failed({"kind": "shutdown"})
            if last is None:
                return None
            kind, body = wire.decode(last)
            if kind == "result":
                return self._finished(body)
            pause = self._pause(body)
            if pause is None:
                return self._failed(body)
            time.sleep(pause)
            self._attempt += 1

    def _job(self) -> Job:
        total, idle = self._limits
        if total is not None:
            total = max(0, total - int((time.monotonic() - self._accepted) * 1000))
        omni = self._tool["omni"]
        # There is one client, so that one session is all.
        meets = omni["policy"].get("affinity") in ("session", "single")
        return Job(
            self._calls.target(self._tool),
            self._arguments,
            deadline_ms=total,
            idle_ms=idle,
            attempt=self._attempt,
            context=self._context,
            say=self._say,
            begun=self._begun,
            caller=self._cancel,
            affinity=(omni["skill"], "") if meets else None,
        )

    def _begun(self) -> None:
        self._phase = "starting"

    def _say(self, line: bytes) -> None:
        kind, body = wire.decode(line)
        if kind == "started":
            self._phase = "started"
        else:
            self._tell(kind, body)

    def _pause(self, error: dict) -> float | None:
        """Return how long to wait before the next attempt; None when there is none."""
        policy = self._tool["omni"]["policy"]
        retry_on, repeatable = policy.get("retry_on", ()), policy.get("repeatable", False)
        most = policy.get("max_attempts") or (3 if retry_on else 2 if repeatable else 1)
        kind = endings.kind_of(error)
        again = kind in ("signalled", "lost") and repeatable
        if kind == "tool_error":
            again = any(name in retry_on for name in (error.get("class"), *(error.get("bases") or ())))
        least, longest = _PAUSES_SECONDS
        pause = min(longest, least * 2 ** min(self._attempt - 1, 16))
        total = self._limits[0]
        in_time = total is None or time.monotonic() + pause < self._accepted + total / 1000
        return pause if again and in_time and self._attempt < most else None

    def _finished(self, body: dict) -> dict:
        result = {name: body[name] for name in ("content", "is_error") if name in body}
        structured = body.get("structured")
        schema = self._tool.get("outputSchema")
        if schema is not None and not body.get("is_error"):
            fault = "it declares an output schema and returned no structured content"
            if "structured" in body:
                fault = validate.output_faults(schema, structured)
            if fault is not None:
                return self._failed({"kind": "bad_result", "message": fault})
        if "structured" in body:
            result["structured"] = structured
        meta = body.get("meta") or {}
        if self._attempt > 1:
            meta = {"omni/attempt": self._attempt, **meta}
        return {**result, "meta": meta} if meta else result

    def _failed(self, error: dict) -> dict:
        if error["kind"] in ("timeout_total", "timeout_idle"):
            error = {**error, "limit_ms": self._limits[0 if error["kind"] == "timeout_total" else 1]}
        self._log(error)
        return endings.failed(
            self._tool["name"],
            error,
            phase=self._phase,
            elapsed=time.monotonic() - self._accepted,
            attempt=self._attempt,
            full=self._calls.full_errors,
        )

    def _log(self, error: dict) -> None:
        """Say in full what the client may see only part of."""
        if error.get("intended") or error["kind"] == "shutdown":
            return
        text = error.get("traceback") or error.get("message") or ""
        sys.stderr.write(f"omni: {self._tool['name']}: {error['kind']}: {text.rstrip()}\n")
