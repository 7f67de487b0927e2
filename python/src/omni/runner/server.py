"""The runner itself: listens, gives each connection a thread, and drains when it is told to end."""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time
from ipaddress import ip_address
from threading import Condition, Thread, stack_size

from omni import wire
from omni.runner.exchange import Connection, RefusedError, Request, read_object
from omni.runner.request import RunRequest
from omni.runner.skills import Skills
from omni.supervise import Busy, Closed, Job, Supervisor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from omni.supervise import Config

VERSION = "0.1.0"
CONTRACT = 1
_CONNECTIONS_MAX = 1024
_STACK_BYTES = 512 << 10
#: A connection on which nothing comes for so long is closed.
_IDLE_SECONDS = 300
_ROUTES = {
    "/run_tool": "POST",
    "/tools": "GET",
    "/health": "GET",
    "/resources": "GET",
    "/resources/read": "POST",
    "/prompts": "GET",
    "/prompts/get": "POST",
}


class Server:
    """Answers what the contract says, about one folder of skills."""

    def __init__(
        self,
        skills: str,
        config: Config,
        *,
        workers: tuple[int, int],
        hosts: tuple[str, ...] | None,
        grace: float,
    ) -> None:
        """Make a server that does not listen yet.

        Args:
            skills: The folder of skills.
            config: What workers need to know.
            workers: How many are kept, and how many there may be.
            hosts: Names besides `localhost` and addresses by which clients may call this machine; None on a
                Unix socket, where no browser comes.
            grace: For how many seconds calls may go on after the signal to end.
        """
        stack_size(_STACK_BYTES)
        self._supervisor = Supervisor(config, workers=workers)
        self._skills = Skills(skills, self._supervisor.renew)
        self._hosts = hosts
        self._grace = grace
        self._draining = False
        self._changed = Condition()
        self._running = 0
        self._connections = 0

    def serve(self, listener: socket.socket) -> None:
        """Serve until SIGTERM or SIGINT, then drain. A second signal ends it at once."""
        wake, woken = os.pipe()
        os.set_blocking(woken, False)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        poll = select.poll()
        poll.register(listener, select.POLLIN)
        poll.register(wake, select.POLLIN)
        end = None
        while end is None or (time.monotonic() < end and self._running):
            for descriptor, _ in poll.poll(None if end is None else 50):
                if descriptor == listener.fileno():
                    self._accept(listener)
                elif end is None:
                    os.read(wake, 100)
                    self._draining = True
                    end = time.monotonic() + self._grace
                else:
                    end = time.monotonic()
        self._end(listener)

    def _end(self, listener: socket.socket) -> None:
        listener.close()
        self._skills.close()
        self._supervisor.close()
        # Those who were cut short are told so before their connections go.
        limit = time.monotonic() + 1
        with self._changed:
            while self._running and time.monotonic() < limit:
                self._changed.wait(0.05)

    def _accept(self, listener: socket.socket) -> None:
        try:
            stream, _ = listener.accept()
        except OSError:  # gone again, or no descriptor is left
            time.sleep(0.01)
            return
        if stream.family != socket.AF_UNIX:
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._connections >= _CONNECTIONS_MAX:
            with stream:
                stream.settimeout(0)
                refused = RefusedError(
                    503, "busy", "as many connections are open as may be", retry_after=1, final=True
                )
                try:
                    Connection(stream).refuse(refused)
                except OSError:
                    pass
            return
        with self._changed:
            self._connections += 1
        Thread(target=self._attend, args=(stream,), name="omni-client", daemon=True).start()

    # -- one connection ------------------------------------------------------------------------------

    def _attend(self, stream: socket.socket) -> None:
        try:
            with stream:
                connection = Connection(stream, idle_seconds=_IDLE_SECONDS)
                while self._attend_once(connection):
                    pass
        except OSError:  # the client went away, or was silent for too long
            pass
        finally:
            with self._changed:
                self._connections -= 1

    def _attend_once(self, connection: Connection) -> bool:
        """Answer one request. False when the connection has served its last."""
        request = None
        try:
            request = connection.receive()
            if request is None:
                return False
            self._check(request)
            if request.path == "/run_tool":
                return self._run_tool(connection, request) and request.keep_alive
            self._answer(connection, request)
        except RefusedError as refused:
            refused.final = refused.final or request is None or not request.keep_alive
            connection.refuse(refused)
            return not refused.final
        except OSError:
            raise
        except Exception as error:
            sys.stderr.write(f"omni runner: a bug: {type(error).__name__}: {error}\n")
            connection.refuse(RefusedError(500, "internal", "the runner is broken; see its log", final=True))
            return False
        return request.keep_alive

    def _check(self, request: Request) -> None:
        method = _ROUTES.get(request.path)
        if method is None:
            routes = ", ".join(f"{method} {path}" for path, method in _ROUTES.items())
            raise RefusedError(404, "not_found", f"there is no `{request.path[:100]}`; there are {routes}")
        if request.method != method:
            message = f"`{request.path}` takes {method}"
            raise RefusedError(405, "method_not_allowed", message)
        if self._hosts is None:
            return
        if "origin" in request.headers:
            raise RefusedError(403, "forbidden", "a web page cannot use a runner")
        if not _is_ours(request.headers.get("host", ""), self._hosts):
            message = (
                f"`Host: {request.headers.get('host', '')[:100]}` is no name of this runner; `--allow-host`"
            )
            raise RefusedError(403, "forbidden", message)
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if method == "POST" and kind != "application/json":
            raise RefusedError(403, "forbidden", "`Content-Type` must be `application/json`")

    def _answer(self, connection: Connection, request: Request) -> None:
        headers = ""
        if request.path == "/health":
            answer = self._health()
        elif request.path == "/tools":
            self._skills.wait()
            body, etag = self._skills.listing()
            headers = f"ETag: {etag}\r\nCache-Control: no-cache\r\n"
            known = [tag.strip() for tag in request.headers.get("if-none-match", "").split(",")]
            if etag in known or f"W/{etag}" in known:
                connection.answer(304, headers=headers, keep_alive=request.keep_alive)
            else:
                connection.answer(200, body, headers=headers, keep_alive=request.keep_alive)
            return
        elif request.path == "/resources":
            answer = self._skills.resources()
        elif request.path == "/resources/read":
            uri = read_object(request.body).get("uri")
            if type(uri) is not str:
                raise RefusedError(400, "bad_request", "`uri` must be a string")
            answer = self._skills.read(uri)
        elif request.path == "/prompts":
            answer = {"prompts": []}
        else:
            name = read_object(request.body).get("name")
            if type(name) is not str:
                raise RefusedError(400, "bad_request", "`name` must be a string")
            raise RefusedError(
                404, "not_found", f"there is no prompt `{name[:100]}`: skills declare none yet"
            )
        body = wire.write_json(answer).encode("utf-8", "replace")
        connection.answer(200, body, keep_alive=request.keep_alive)

    def _health(self) -> dict:
        state = self._supervisor.state()
        waiting = state.pop("waiting")
        initializing = not self._skills.ready
        status = "draining" if self._draining else "initializing" if initializing else "ok"
        return {
            "status": status,
            "ready": status == "ok",
            "initializing": initializing,
            "contract": CONTRACT,
            "runner": f"omni.runner {VERSION}",
            "python": "%d.%d.%d" % sys.version_info[:3],
            "pid": os.getpid(),
            "workers": state,
            "waiting": waiting,
        }

    # -- calls ---------------------------------------------------------------------------------------

    def _run_tool(self, connection: Connection, request: Request) -> bool:
        """Run a call. False when the client went away meanwhile."""
        asked = RunRequest(request.body)
        if self._draining:
            raise RefusedError(503, "draining", "the runner is about to end", retry_after=1)
        if not self._skills.ready:
            self._skills.wait(None if asked.deadline_ms is None else asked.deadline_ms / 1000)
        target = self._skills.target(asked.name)
        if target is None:
            message = f"there is no tool `{asked.name[:200]}`; `GET /tools` lists those there are"
            raise RefusedError(404, "unknown_tool", message)
        answer = _Answer(connection)
        job = Job(
            target.members,
            asked.arguments,
            call_id=asked.id,
            deadline_ms=asked.deadline_ms,
            idle_ms=asked.idle_ms,
            attempt=asked.attempt,
            context=asked.context,
            say=answer.say,
            flush=answer.flush,
            begun=answer.begin,
            caller=connection,
            affinity=_meeting(target.members["skill"], target.affinity, asked.session),
        )
        job.target_text = target.text
        with self._changed:
            self._running += 1
        try:
            last = self._run(job)
            if last is None:
                return False
            answer.end(last)
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()
        return True

    def _run(self, job: Job) -> bytes | None:
        try:
            return self._supervisor.run(job)
        except Busy:
            message = "as many calls wait for a worker as may"
            raise RefusedError(503, "busy", message, retry_after=1) from None
        except Closed:
            raise RefusedError(503, "draining", "the runner is about to end", retry_after=1) from None


def _meeting(skill: str, affinity: str, session: str) -> tuple[str, str] | None:
    """Return which calls a call has to meet in one worker."""
    if affinity == "single":
        return skill, ""
    # A client without sessions gets any worker.
    return (skill, session) if affinity == "session" and session else None


class _Answer:
    """The stream of events of one call: its head goes once, its first event with the next if that is near."""

    __slots__ = ("_begun", "_connection", "_held")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._begun = False
        self._held: bytes | None = None

    def begin(self) -> None:
        """Send the head, if that has not been done."""
        if not self._begun:
            self._begun = True
            self._connection.begin_events()

    def say(self, line: bytes) -> None:
        """Send an event; `started` waits for the next one, or for `flush`."""
        if line.startswith(b'{"started":'):
            self._held = line
        else:
            self._connection.event(self._with_held(line))

    def flush(self) -> None:
        """Send what waits."""
        if self._held is not None:
            line, self._held = self._held, None
            self._connection.event(line)

    def end(self, line: bytes) -> None:
        """Send the last event."""
        self.begin()
        self._connection.event(self._with_held(line), last=True)

    def _with_held(self, line: bytes) -> bytes:
        held, self._held = self._held, None
        return line if held is None else held + b"\n" + line


def _is_ours(host: str, hosts: tuple[str, ...]) -> bool:
    """Tell whether a `Host` is one that no other web site can have."""
    name = host.rpartition("]")[0][1:] if host.startswith("[") else host.rpartition(":")[0] or host
    if name == "localhost" or name in hosts:
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
