"""What a skill's code talks to while a call runs: the call's `Context`, and the errors of a call."""

from __future__ import annotations

from _contextvars import ContextVar
from time import monotonic

from omni import wire
from omni.asking import Asking
from omni.call_errors import AskRefused, CallCancelled, McpError, ToolError  # noqa: F401 - they are known from here
from omni.call_frame import Call, Target
from omni.decorator import skill_command, tool  # noqa: F401 - an author may import them from here
from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path
    from typing import Any, Callable, Protocol

    from omni.asks import Asks
    from omni.server_requests import Client, ReadResourceResult, ToolCallResult

    class Host(Protocol):
        """Where a context's words go: the worker that runs the call."""

        root: str
        settings: dict[str, Any]
        lock: Any
        #: In a process that a tool forked: where its reports go, by call. None in the worker itself.
        elsewhere: dict[int, str] | None
        #: What a context keeps that belongs to no call. None where the server keeps it.
        kept: dict[tuple[str, str | None], str] | None

        def listen(self, context: Context) -> str | None:
            """Hear what the call's child processes report; return the address for them."""

        def hold(self) -> None:
            """Keep a signal from interrupting this thread until `release`."""

        def release(self) -> None:
            """Let signals interrupt again."""

        def send_locked(self, frame: bytes) -> None:
            """Send a frame; the caller holds `lock`."""

        def asks(self) -> Asks | None:
            """Return what asks the clients of calls; None where nobody can be asked."""


LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
_RANKS = {level: rank for rank, level in enumerate(LEVELS)}
# At most four signs of life a second leave the worker: a client cannot show more.
_INTERVAL_SECONDS = 0.25
_NOTE_CHARACTERS_MAX = 200
_NEVER = float("-inf")


class _Done:
    """Lets `await ctx.info("…")` work for a call that has already happened."""

    __slots__ = ()

    def __await__(self) -> Generator[None, None, None]:
        return
        yield

    def __repr__(self) -> str:
        return "<done>"


_DONE = _Done()


class Context(Asking):
    """The call that runs: where it is, how long it may take, and whom to tell how it goes.

    A parameter annotated with `Context` receives it; clients never see that parameter. In a test,
    `Context()` makes one that belongs to no call: it answers with the values given and tells nobody.

    Every method may be used from any thread, and its return value may be awaited.
    """

    __slots__ = (
        "_beat_at",
        "_call",
        "_host",
        "_open",
        "_pending",
        "_received",
        "_stands_at",
        "_stopped",
        "_value",
    )

    def __init__(
        self,
        *,
        root: str | Path = ".",
        skill_dir: str | Path = ".",
        settings: dict[str, Any] | None = None,
        call_id: int = 0,
        session_id: str = "",
        deadline_seconds: float | None = None,
    ) -> None:
        """Make a context that belongs to no call, for tests and for code that is run by hand.

        Args:
            root: What `root` answers.
            skill_dir: What `skill_dir` answers.
            settings: What `settings` answers; nothing by default.
            call_id: What `call_id` answers.
            session_id: What `session_id` answers.
            deadline_seconds: Seconds from now after which `remaining` is 0; None for no limit.
        """
        target = {"tool": "", "skill": "", "dir": str(skill_dir), "file": "", "function": ""}
        deadline_ms = None if deadline_seconds is None else deadline_seconds * 1000
        more = {"deadline_ms": deadline_ms, "context": {"session": session_id}}
        call = Call(call_id, Target(target), {}, more)
        self._bind(call, _Nobody(str(root), {"": settings or {}}))
        self._open = False

    def _bind(self, call: Call, host: Host) -> None:
        """Belong to `call`. The worker makes contexts this way, once per call."""
        self._call = call
        self._host = host
        #: When the call came, moved along by the time in which its clock stood still.
        self._received = monotonic()
        #: Since when the clock stands still, because the client is asked.
        self._stands_at: float | None = None
        self._open = True
        self._stopped = False
        self._value = self._beat_at = _NEVER
        self._pending: tuple[float, float | None, str | None] | None = None

    @property
    def root(self) -> Path:
        """The project's folder: what `omni mcp --root` names, by default the folder that it was started in.

        Paths that a model gives are relative to it; `omni.safe_paths` opens them and reaches nothing outside.
        """
        from pathlib import Path

        return Path(self._host.root)

    @property
    def skill_dir(self) -> Path:
        """The folder that holds the skill's `SKILL.md`: for templates and data that come with the skill."""
        from pathlib import Path

        return Path(self._call.target.folder)

    @property
    def settings(self) -> dict[str, Any]:
        """What the configuration says under `[skills.<skill>]`. A copy: changing it changes nothing."""
        return dict(self._host.settings.get(self._call.target.skill, {}))

    @property
    def call_id(self) -> int:
        """A number that this call has to itself in its worker process."""
        return self._call.id

    @property
    def session_id(self) -> str:
        """Name of the client's session; empty when the client keeps none."""
        return self._call.context.get("session") or ""

    @property
    def request_id(self) -> str:
        """The client's id of the request that this call answers; empty where there is none.

        A tool that another one calls has the request of that one.
        """
        return self._call.context.get("request") or ""

    @property
    def client(self) -> Client:
        """Who has sent the request: `ctx.client.name`, `ctx.client.version`, `ctx.client.can("elicitation")`.

        As the client says itself, which proves nothing. Where nothing is known, as on the command line, its
        name is None and it can be asked nothing.
        """
        from omni.server_requests import Client

        return Client(self._call.context.get("client") or {})

    @property
    def remaining(self) -> float | None:
        """Seconds until the call is ended, never below 0; None when it may take for ever.

        Stands still while the client is asked something.
        """
        limit = self._call.deadline_ms
        if limit is None:
            return None
        stands_at = self._stands_at
        now = monotonic() if stands_at is None else stands_at
        return max(0.0, self._received + limit / 1000 - now)

    @property
    def cancelled(self) -> bool:
        """Whether the client gave up, or the time ran out. A loop in a thread of your own asks this.

        The tool's own thread need not: there `CallCancelled` is raised, at the next line of Python or by the
        next method of the context.
        """
        return self._stopped

    def progress(self, value: float, total: float | None = None, message: str | None = None) -> _Done:
        """Tell the client how far the call has come, and the server that it is alive.

        Args:
            value: Must grow from call to call; a value that does not is dropped. Any finite number.
            total: What `value` will be at the end, when that is known.
            message: One line for a person.

        Calling it in a tight loop is fine: at most four messages a second leave the process, and the
        last one before the result always does.

        Raises:
            CallCancelled: The client gave up. Let it propagate.
            ValueError: A number is NaN or infinite.
        """
        value = _finite("value", value)
        if total is not None:
            total = _finite("total", total)
        if message is not None:
            message = str(message)
        if self._stopped:
            raise CallCancelled
        host = self._host
        if host.elsewhere is not None:
            return self._tell_parent({"progress": value, "total": total, "message": message})
        host.hold()
        try:
            with host.lock:
                if self._open and value > self._value:
                    self._value = value
                    self._pending = (value, total, message)
                    if monotonic() - self._beat_at >= _INTERVAL_SECONDS:
                        self._say_pending()
        finally:
            host.release()
        return _DONE

    def report_progress(
        self, progress: float, total: float | None = None, message: str | None = None
    ) -> _Done:
        """Do what `progress` does, under the name that other servers give it. `progress` is its `value`."""
        return self.progress(progress, total, message)

    def heartbeat(self, note: str | None = None) -> _Done:
        """Tell the server that this call is still alive.

        Restarts the idle clock; the total time limit stays as it is. Calling it in a tight loop is
        fine: at most four messages a second leave the process.

        Args:
            note: One line for the client. Cut at 200 characters.

        Raises:
            CallCancelled: The client gave up. Let it propagate.
        """
        if self._stopped:
            raise CallCancelled
        host = self._host
        if host.elsewhere is not None:
            return self._tell_parent({"heartbeat": None if note is None else str(note)})
        host.hold()
        try:
            with host.lock:
                if self._open and monotonic() - self._beat_at >= _INTERVAL_SECONDS:
                    if self._pending is not None:
                        self._say_pending()
                    else:
                        self._beat_at = monotonic()
                        note = None if note is None else str(note)[:_NOTE_CHARACTERS_MAX]
                        host.send_locked(wire.beat(self._call.id, note))
        finally:
            host.release()
        return _DONE

    def resource_updated(self, uri: str) -> _Done:
        """Tell that a resource has other content now.

        Clients that have subscribed to it hear so (`notifications/resources/updated`), and read it again.
        Calling it in a tight loop is fine: a client hears ten times a second at most of each resource, and
        always of the last time. A file of the skill, and a resource whose code changes, need none of this.

        A URI that is no resource's of this source, and of no template of it, fails the call when it returns.

        Args:
            uri: The resource's URI; of a template, the URI of the one resource. At most 8 KiB.

        Raises:
            CallCancelled: The client gave up. Let it propagate.
            ValueError: The URI is too long.
        """
        return self._change("resource_updated", uri, wire.resource_updated(self._call.id, _named("uri", uri)))

    def show(self, name: str) -> _Done:
        """Give the client of this call what is off (`enabled=False`), or what was hidden from it.

        That client alone has it from now on, in its lists and in its calls, and is told that these have
        changed. It ends with the client's session; a client of the stateless era has it as whoever it is (its
        token or its user, else its address) until an hour after the last change. What the operator's filters
        and profiles leave out stays out.

        A name that nothing of this source has fails the call when it returns: it is a mistake in the code.

        Args:
            name: The name of a tool or prompt, as in the source (`notes.save`) or as clients see it
                (`notes_save`); a resource's URI, a template, or their name in the source; or a pattern in
                which `*` stands for any text, which names and URIs are held to: `admin.*`. What several have
                in common means all of them. At most 8 KiB.

        Raises:
            CallCancelled: The client gave up. Let it propagate.
            ValueError: The name is too long.
        """
        return self._change("show", name, wire.visibility(self._call.id, _named("name", name), shown=True))

    def hide(self, name: str) -> _Done:
        """Take something from the client of this call: it is neither listed nor called or read any more.

        The reverse of `show`, with the same names, for the same client and as long.

        Args:
            name: As of `show`.

        Raises:
            CallCancelled: The client gave up. Let it propagate.
            ValueError: The name is too long.
        """
        return self._change("hide", name, wire.visibility(self._call.id, _named("name", name), shown=False))

    def _change(self, kind: str, name: str, frame: bytes) -> _Done:
        """Send what changes something for clients. Unlike signs of life, none is left out."""
        if self._stopped:
            raise CallCancelled
        host = self._host
        if host.elsewhere is not None:
            return self._tell_parent({kind: str(name)})
        host.hold()
        try:
            with host.lock:
                if self._open:
                    host.send_locked(frame)
        finally:
            host.release()
        return _DONE

    async def call_tool(self, name: str, arguments: dict[str, Any] | None = None) -> ToolCallResult:
        """Call another tool of the server, as the client of this call could.

        The tool runs with its own executor, its own limits and no more time than this call has left, and ends
        with this call. It needs no place of its own: it has this call's while that waits, so a tool may call
        itself whatever bounds there are. Calls made one by the other go 8 deep at most. What the tool asks,
        the same client is asked; its progress and its log are for the server's log alone.

        Args:
            name: The tool's name, as in the source (`notes.save`) or as the client sees it. What the client
                does not have is not there.
            arguments: A dictionary of what a result may hold; nothing by default. 1 MiB as JSON at most.

        Returns:
            What the tool has answered, 4 MiB at most: `text`, `data` (what it has returned), `content`,
            `structured`.

        Raises:
            ToolCallError: The tool has failed, with its text, or it could not be called.
            CallCancelled: The client gave up. Let it propagate.
        """
        from omni import server_requests

        return await server_requests.call_tool_async(self, name, arguments)

    def call_tool_sync(self, name: str, arguments: dict[str, Any] | None = None) -> ToolCallResult:
        """Do what `call_tool` does, and block this thread meanwhile: for plain functions and for threads.

        Raises:
            RuntimeError: This thread runs an event loop, which would stand still.
        """
        from omni import server_requests

        return server_requests.call_tool(self, name, arguments)

    async def read_resource(self, uri: str) -> ReadResourceResult:
        """Read a resource of the server, as the client of this call could.

        Args:
            uri: Of a resource, or of a template with its variables filled in.

        Returns:
            Its contents, 4 MiB at most: `text`, or each with `content` (text or bytes) and `mime_type`.

        Raises:
            RequestError: There is no such resource, or it could not be read.
            CallCancelled: The client gave up. Let it propagate.
        """
        from omni import server_requests

        return await server_requests.read_resource_async(self, uri)

    def read_resource_sync(self, uri: str) -> ReadResourceResult:
        """Do what `read_resource` does, and block this thread meanwhile."""
        from omni import server_requests

        return server_requests.read_resource(self, uri)

    async def get_state(self, key: str, default: Any = None, *, handle: str | None = None) -> Any:
        """Return a value that the skill keeps for the client of this call.

        Values are kept in the server's memory, for the skill that sets them, by `set_state`. In a session
        they are the session's and go with it. A client of the stateless era has no session: there they are
        whoever's it is (its token or its user), until a day after they were last used; of a client of which
        nothing is known but an address, a `handle` is needed.

        Args:
            key: 256 bytes at most.
            default: What is returned where nothing is kept.
            handle: Names one set of values among those of a client: a text that a tool has made up and
                returned, as `uuid.uuid4().hex`, and gets again as an argument. With a handle values belong to
                no session, and every session of the same client has them.

        Raises:
            RequestError: The server does not keep it.
            CallCancelled: The client gave up. Let it propagate.
        """
        from omni import server_requests

        return await server_requests.get_state_async(self, key, default, handle)

    def get_state_sync(self, key: str, default: Any = None, *, handle: str | None = None) -> Any:
        """Do what `get_state` does, and block this thread meanwhile."""
        from omni import server_requests

        return server_requests.get_state(self, key, default, handle)

    async def set_state(self, key: str, value: Any, *, handle: str | None = None) -> None:
        """Keep a value for the client of this call, until the server ends: see `get_state`.

        Args:
            key: As of `get_state`.
            value: Any JSON value, 256 KiB at most. A skill keeps 1 MiB for one client or handle at most, and
                beyond 64 MiB for all, what was used longest ago goes.
            handle: As of `get_state`.

        Raises:
            RequestError: It is too large, or the server does not know whose it is.
            TypeError: It is no JSON.
            CallCancelled: The client gave up. Let it propagate.
        """
        from omni import server_requests

        await server_requests.set_state_async(self, server_requests.state_change(key, handle, value))

    def set_state_sync(self, key: str, value: Any, *, handle: str | None = None) -> None:
        """Do what `set_state` does, and block this thread meanwhile."""
        from omni import server_requests

        server_requests.set_state(self, server_requests.state_change(key, handle, value))

    async def delete_state(self, key: str, *, handle: str | None = None) -> None:
        """Keep a value no more. Where none is kept, nothing happens."""
        from omni import server_requests

        await server_requests.set_state_async(self, server_requests.state_change(key, handle))

    def delete_state_sync(self, key: str, *, handle: str | None = None) -> None:
        """Do what `delete_state` does, and block this thread meanwhile."""
        from omni import server_requests

        server_requests.set_state(self, server_requests.state_change(key, handle))

    def child_env(self, environment: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return an environment for a child process, by which it can report on this call.

        In the child, `omni.progress`, `omni.heartbeat` and `omni.remaining` speak for this call, in a shell
        `python3 -m omni.report` does: see `omni.report` for other languages. What a child says counts as a
        sign of life of the call. A process that was forked, as by `multiprocessing`, is heard too, once this
        has been called.

        Args:
            environment: What the child gets besides; this process's environment by default.
        """
        from os import environ
        from os.path import dirname, pathsep

        from omni.report import ADDRESS, DEADLINE

        child = dict(environ if environment is None else environment)
        address = self._host.listen(self)
        limit = self._call.deadline_ms
        for name, value in (
            (ADDRESS, address),
            (DEADLINE, None if limit is None else repr(self._received + limit / 1000)),
        ):
            child.pop(name, None)
            if value is not None:
                child[name] = value
        package = dirname(dirname(__file__))
        path = child.get("PYTHONPATH")
        if not path:
            child["PYTHONPATH"] = package
        elif package not in path.split(pathsep):
            child["PYTHONPATH"] = path + pathsep + package
        return child

    def log(self, level: str, data: object, logger: str | None = None) -> _Done:
        """Send a log message to the client when it asked for such messages, else to the server's log.

        Asked for or not, it restarts the idle clock.

        Args:
            level: `debug`, `info`, `notice`, `warning`, `error`, `critical`, `alert` or `emergency`.
            data: Text or any JSON value; anything else is sent as its `repr`.
            logger: Who says it.

        Raises:
            CallCancelled: The client gave up. Let it propagate.
            ValueError: There is no such level.
        """
        rank = _RANKS.get(level)
        if rank is None:
            message = f"`{level}` is no log level; use one of {', '.join(LEVELS)}"
            raise ValueError(message)
        if self._stopped:
            raise CallCancelled
        if self._host.elsewhere is not None:
            return self._tell_parent({"heartbeat": None})
        wanted = self._call.context.get("log")
        if wanted is None or rank < _RANKS.get(wanted, 0):
            self._live()
            return _DONE
        frame = wire.log(self._call.id, level, None if logger is None else str(logger), _log_data(data))
        host = self._host
        host.hold()
        try:
            with host.lock:
                if self._open:
                    host.send_locked(frame)
        finally:
            host.release()
        return _DONE

    async def become_task(self) -> bool:
        """Go on as a task: the client is answered now, and asks for the result later.

        For an `async def` tool; a plain function uses `become_task_sync`. What the tool asks its client
        before is part of the call, and what it asks from now on part of the task. A call that takes long
        becomes one by itself, and one of a tool with `task="optional"` is one from its start.

        Returns:
            True if the call is a task now, or is about to be; False where its client takes none, or the tool
            has `task="forbidden"`. It goes on in either case.
        """
        from omni import server_requests

        return await server_requests.become_task_async(self)

    def become_task_sync(self) -> bool:
        """Do what `become_task` does, for plain functions."""
        from omni import server_requests

        return server_requests.become_task(self)

    def debug(self, data: object, logger: str | None = None) -> _Done:
        """Log at level `debug`."""
        return self.log("debug", data, logger)

    def info(self, data: object, logger: str | None = None) -> _Done:
        """Log at level `info`."""
        return self.log("info", data, logger)

    def notice(self, data: object, logger: str | None = None) -> _Done:
        """Log at level `notice`."""
        return self.log("notice", data, logger)

    def warning(self, data: object, logger: str | None = None) -> _Done:
        """Log at level `warning`."""
        return self.log("warning", data, logger)

    def error(self, data: object, logger: str | None = None) -> _Done:
        """Log at level `error`. Does not fail the call: raise `ToolError` for that."""
        return self.log("error", data, logger)

    def _live(self) -> None:
        """Give a sign of life, at most four a second, unless this thread is speaking already."""
        if not self._open or monotonic() - self._beat_at < _INTERVAL_SECONDS:
            return
        host = self._host
        if host.elsewhere is None and host.lock.acquire(blocking=False):
            try:
                self._beat_at = monotonic()
                host.send_locked(wire.beat(self._call.id))
            finally:
                host.lock.release()

    def _tell_parent(self, report: dict[str, Any]) -> _Done:
        # This process was forked by the tool: the channel is its parent's.
        from omni.report import send

        send((self._host.elsewhere or {}).get(self._call.id), report)
        return _DONE

    def _say_pending(self) -> None:
        # Under the host's lock. A client that asked for no progress gets the sign of life only.
        if self._pending is None:
            return
        value, total, message = self._pending
        self._pending = None
        self._beat_at = monotonic()
        if self._call.context.get("progress"):
            self._host.send_locked(wire.progress(self._call.id, value, total, message))
        else:
            self._host.send_locked(wire.beat(self._call.id))

    def _close(self) -> None:
        """Under the host's lock, before the result: say the last word; nothing leaves afterwards."""
        if self._open:
            if self._pending is not None:
                self._say_pending()
            self._open = False

    def __repr__(self) -> str:
        return f"<Context of call {self._call.id}>"


class _NoLock:
    """Stands in for a lock where there is nobody to share it with."""

    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...


class _Nobody:
    """The host of a context that belongs to no call."""

    lock = _NoLock()
    elsewhere = None

    def __init__(self, root: str, settings: dict) -> None:
        self.root = root
        self.settings = settings
        self.kept: dict[tuple[str, str | None], str] = {}

    def listen(self, context: Context) -> None: ...
    def hold(self) -> None: ...
    def release(self) -> None: ...
    def send_locked(self, frame: bytes) -> None: ...
    def asks(self) -> None: ...


def _finite(name: str, value: float) -> float:
    number = float(value)
    if number - number != 0.0:  # NaN and the infinities
        message = f"`{name}` of progress is {value}; use a finite number"
        raise ValueError(message)
    return number


# What the server takes; a longer frame would cost the worker.
_NAME_BYTES_MAX = 8 << 10


def _named(what: str, name: str) -> str:
    text = str(name)
    if len(text.encode("utf-8", "replace")) > _NAME_BYTES_MAX:
        message = f"`{what}` has more than {_NAME_BYTES_MAX} bytes"
        raise ValueError(message)
    return text


def _log_data(data: object) -> str:
    if type(data) is str:
        return wire.quote(data)
    from omni.content import BadResultError, json_text

    try:
        return json_text(data)
    except BadResultError:
        return wire.quote(repr(data))


#: The context of the call that this thread or task works for.
CURRENT: ContextVar[Context | None] = ContextVar("omni_call", default=None)


def _nothing_runs() -> Context | None:
    return None


#: Returns the call that this process runs when it runs exactly one: for threads, which have no context of
#: their own. Whatever runs calls puts its own function here.
only_call: Callable[[], Context | None] = _nothing_runs


def current() -> Context | None:
    """Return the context of the call that this code works for, None when there is none.

    In a thread that a tool has started it is the call that runs in this worker, as long as there is only
    one: always for plain tools. Where several `async def` tools run, hand the thread the context, or start it
    with `asyncio.to_thread`, which does so.
    """
    return CURRENT.get() or only_call()


def heartbeat(note: str | None = None) -> None:
    """Tell the server that the current call is still alive: `Context.heartbeat` without a context.

    Does nothing outside a call, so that code which calls it can be used and tested anywhere. In a process
    that a tool has started with `Context.child_env` it speaks for the tool's call.

    Args:
        note: One line for the client. Cut at 200 characters.

    Raises:
        CallCancelled: The client gave up. Let it propagate.
    """
    context = current()
    if context is not None:
        context.heartbeat(note)
    else:
        from omni import report

        report.heartbeat(note)


def resource_updated(uri: str) -> None:
    """Tell that a resource has other content now: `Context.resource_updated` without a context.

    Does nothing outside a call; in a process that a tool has started it speaks for the tool's call.

    Args:
        uri: The resource's URI; of a template, the URI of the one resource. At most 8 KiB.

    Raises:
        CallCancelled: The client gave up. Let it propagate.
        ValueError: The URI is too long.
    """
    context = current()
    if context is not None:
        context.resource_updated(uri)
    else:
        from omni import report

        report.resource_updated(_named("uri", uri))


def progress(value: float, total: float | None = None, message: str | None = None) -> None:
    """Tell the client how far the current call has come: `Context.progress` without a context.

    Does nothing outside a call; in a process that a tool has started it speaks for the tool's call.

    Args:
        value: Must grow from call to call; a value that does not is dropped. Any finite number.
        total: What `value` will be at the end, when that is known.
        message: One line for a person.

    Raises:
        CallCancelled: The client gave up. Let it propagate.
        ValueError: A number is NaN or infinite.
    """
    context = current()
    if context is not None:
        context.progress(value, total, message)
    else:
        from omni import report

        report.progress(_finite("value", value), None if total is None else _finite("total", total), message)


def remaining() -> float | None:
    """Seconds until the current call is ended: `Context.remaining` without a context.

    None outside a call, or when it may take for ever.
    """
    context = current()
    if context is not None:
        return context.remaining
    from omni import report

    return report.remaining()
