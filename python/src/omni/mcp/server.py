"""The server's loop: lines from the client, answers and notifications to it."""

from __future__ import annotations

import os
import sys
import time
from threading import Condition, Event, Lock, Thread

from omni import wire
from omni.mcp import messages
from omni.mcp.calls import Cancel
from omni.mcp.messages import Message, Meta, RpcError, Writer
from omni.mcp.similar import closest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from omni.describe import Catalogue, Problem
    from omni.mcp.calls import Calls

    #: Makes an answer, in a thread of its own; None when there is none to give.
    Work = Callable[[], "dict | None"]

_LINE_BYTES_MAX = 16 << 20
_OPEN_MAX = 1024
_LOOK_SECONDS = 2.0
_GRACE_SECONDS = 1.0
#: How long the first list waits for a skill that hangs while it is imported.
_FIRST_LOOK_SECONDS = 10.0
_KNOWN = (
    *("tools/list", "tools/call", "resources/list", "resources/templates/list", "resources/read"),
    *("prompts/list", "prompts/get", "logging/setLevel", "server/discover", "subscriptions/listen"),
)
_SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"


class Stop(BaseException):
    """A signal asks the server to end."""


class Server:
    """Serves one client on a pair of descriptors."""

    def __init__(self, catalogue: Catalogue, calls: Calls, out: int, version: str) -> None:
        self._catalogue = catalogue
        self._calls = calls
        self._writer = Writer(version)
        self._out = out
        self._out_lock = Lock()
        #: What `initialize` agreed.
        self._revision: str | None = None
        self._session = ""
        self._log: str | None = None
        self._changed = Condition()
        self._open: dict[Any, Cancel] = {}
        #: Threads that make answers.
        self._working = 0
        self._tools: dict[str, dict] = {}
        self._known = Event()
        #: The list that a client was shown last.
        self._told: str | None = None
        self._subscriptions: dict[Any, bool] = {}
        self._ending = Event()

    def serve(self, lines: Any) -> None:
        """Serve until the input ends or a signal comes; then let calls end, and end those that do not."""
        Thread(target=self._watch, name="omni-skills", daemon=True).start()
        try:
            while True:
                line = lines.readline(_LINE_BYTES_MAX + 1)
                if not line:
                    break
                if len(line) > _LINE_BYTES_MAX and not line.endswith(b"\n"):
                    while not lines.readline(1 << 20).endswith((b"\n", b"")):
                        pass
                    message = f"a line may have {_LINE_BYTES_MAX} bytes at most"
                    self._send(messages.error(None, RpcError(messages.INVALID_REQUEST, message)))
                elif line.strip():
                    self._line(line)
        except Stop:
            pass
        self._end()

    def _end(self) -> None:
        self._ending.set()
        with self._changed:
            for subscription in self._subscriptions:
                self._open[subscription].cancel()
        for seconds, step in ((_GRACE_SECONDS, self._calls.close), (5.0, None)):
            end = time.monotonic() + seconds
            with self._changed:
                while self._working and time.monotonic() < end:
                    self._changed.wait(max(0.0, end - time.monotonic()))
            if step is not None:
                step()

    def _send(self, answer: Any) -> None:
        try:
            data = memoryview(wire.write_json(answer).encode("utf-8", "replace") + b"\n")
            with self._out_lock:
                while data:
                    data = data[os.write(self._out, data) :]
        except OSError:  # the client has closed its end; its input ends too
            pass

    # -- from a line to an answer --------------------------------------------------------------------

    def _line(self, line: bytes) -> None:
        try:
            value = messages.decode(line)
            if type(value) is list:
                self._batch(messages.batch(value, self._revision))
                return
            answer = self._message(value)
        except RpcError as error:
            self._send(messages.error(error.id, error))
            return
        if callable(answer):
            self._start(lambda: self._send_some(answer))
        elif answer is not None:
            self._send(answer)

    def _send_some(self, work: Work) -> None:
        answer = work()
        if answer is not None:
            self._send(answer)

    def _batch(self, values: list) -> None:
        """Answer several messages, in one array and in their order."""
        answers: list = []
        for value in values:
            try:
                answer = self._message(value)
            except RpcError as error:
                answer = messages.error(error.id, error)
            if answer is not None:
                answers.append(answer)

        def settle() -> None:
            threads = []
            for at, answer in enumerate(answers):
                if callable(answer):
                    threads.append(Thread(target=lambda at=at, work=answer: answers.__setitem__(at, work())))
                    threads[-1].start()
            for thread in threads:
                thread.join()
            self._send([answer for answer in answers if answer is not None])

        if answers:
            self._start(settle)

    def _start(self, work: Callable[[], None]) -> None:
        def run() -> None:
            try:
                work()
            finally:
                with self._changed:
                    self._working -= 1
                    self._changed.notify_all()

        with self._changed:
            self._working += 1
        Thread(target=run, name="omni-call", daemon=True).start()

    def _message(self, value: Any) -> dict | Work | None:
        """Return the answer to a message, or what makes it.

        Raises:
            RpcError: It is refused.
        """
        message = Message(value)
        if message.method is None:  # an answer to what nobody asked
            return None
        if message.id is None:
            self._notified(message)
            return None
        try:
            self._admit(message)
            return self._request(message)
        except RpcError as error:
            error.id = message.id
            raise

    def _admit(self, message: Message) -> None:
        with self._changed:
            if message.id in self._open:
                raise RpcError(messages.INVALID_REQUEST, "a request with this id is still open")
            if len(self._open) >= _OPEN_MAX and message.method != "ping":
                raise RpcError(messages.OVERLOADED, f"{_OPEN_MAX} requests are open; wait for one to end")

    def _notified(self, message: Message) -> None:
        if message.method == "notifications/cancelled":
            request = message.params.get("requestId")
            with self._changed:
                cancel = self._open.get(request) if type(request) in (str, int) else None
                if cancel is not None:
                    cancel.cancel()

    def _request(self, message: Message) -> dict | Work:
        meta = Meta(message, self._revision)
        method, revision = message.method, meta.revision
        if revision != messages.MODERN and method not in ("initialize", "ping") and revision is None:
            raise _without_session(method)
        if revision != messages.MODERN and method == "initialize":
            return self._initialize(message)
        if revision != messages.MODERN and method == "ping":
            return self._writer.result(message.id, revision, {})
        if revision != messages.MODERN and method == "logging/setLevel":
            if "level" not in message.params:
                raise RpcError(messages.INVALID_PARAMS, "`params.level` is missing")
            self._log = messages.level(message.params["level"], "params.level")
            return self._writer.result(message.id, revision, {})
        if revision == messages.MODERN and method == "server/discover":
            return self._writer.discovered(message.id)
        if revision == messages.MODERN and method == "subscriptions/listen":
            return self._subscribe(message)
        if method == "tools/list":
            return self._list(message, revision)
        if method == "tools/call":
            return self._call(message, meta)
        raise RpcError(messages.METHOD_NOT_FOUND, f"method `{method[:100]}` not found")

    def _initialize(self, message: Message) -> dict:
        requested = message.params.get("protocolVersion")
        if type(requested) is not str:
            raise RpcError(messages.INVALID_PARAMS, "`params.protocolVersion` is missing")
        agreed = requested if requested in messages.LEGACY else messages.LEGACY[-1]
        self._revision = agreed
        self._session = "stdio"
        return self._writer.initialized(message.id, agreed)

    # -- tools ---------------------------------------------------------------------------------------

    def _opened(self, request: Any, work: Callable[[Cancel], dict | None]) -> Work:
        """Note a request as open, so that it can be taken back, until its answer is made."""
        cancel = Cancel()
        with self._changed:
            self._open[request] = cancel

        def run() -> dict | None:
            try:
                answer = work(cancel)
                return None if cancel.left() and answer is None else answer
            except RpcError as error:
                return messages.error(request, error)
            except Exception as error:  # a bug of ours costs one request
                sys.stderr.write(f"omni: a bug: {type(error).__name__}: {error}\n")
                text = "internal error; the server's log has more"
                return messages.error(request, RpcError(messages.INTERNAL, text))
            finally:
                with self._changed:
                    self._open.pop(request, None)
                cancel.close()

        return run

    def _list(self, message: Message, revision: str | None) -> Work:
        if message.params.get("cursor") is not None:
            text = "`params.cursor` is not one of this list: the list may have changed; "
            text += "start again without a cursor"
            raise RpcError(messages.INVALID_PARAMS, text)

        def work(_cancel: Cancel) -> dict:
            tools = self._listed()
            self._told = _version(tools)
            return self._writer.tools(message.id, revision, list(tools.values()))

        return self._opened(message.id, work)

    def _call(self, message: Message, meta: Meta) -> Work:
        params = message.params
        arguments = params.get("arguments")
        if arguments is not None and type(arguments) is not dict:
            raise RpcError(messages.INVALID_PARAMS, "`params.arguments` must be an object")
        name = params.get("name")
        if type(name) is not str:
            raise RpcError(messages.INVALID_PARAMS, "`params.name` is missing: which tool?")
        wanted = meta.log or self._log
        context = {"progress": meta.token is not None, "log": wanted, "session": self._session}
        last = [float("-inf")]

        def say(kind: str, body: dict) -> None:
            if kind == "progress" and meta.token is not None and body["value"] > last[0]:
                last[0] = body["value"]
                self._send(self._writer.progress(meta.revision, meta.token, body))
            elif kind == "beat" and body.get("note") is not None and _reaches("info", wanted):
                self._send(messages.log("info", "heartbeat", body["note"]))
            elif kind == "log" and _reaches(body["level"], wanted):
                self._send(messages.log(body["level"], body.get("logger"), body.get("data")))

        def work(cancel: Cancel) -> dict | None:
            tools = self._listed()
            tool = tools.get(name)
            if tool is None:
                raise RpcError(messages.INVALID_PARAMS, _unknown(name, tools))
            result = self._calls.run(tool, arguments or {}, context=context, say=say, cancel=cancel)
            if result is None or cancel.left():
                return None
            return self._writer.tool_result(message.id, meta.revision, result)

        return self._opened(message.id, work)

    def _listed(self) -> dict[str, dict]:
        """Return the tools: those known so far, where it takes long until all are."""
        if self._known.wait(_FIRST_LOOK_SECONDS):
            return self._tools
        return {tool["name"]: tool for tool in self._catalogue.known()}

    # -- changes -------------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Keep the tools as the folder has them, and tell clients that know another list."""
        complained: set[str] = set()
        digests: list[str] | None = None
        while True:
            try:
                tools, problems = self._catalogue.read()
                self._tools = {tool["name"]: tool for tool in tools}
                complained = self._complain(problems, complained)
                now = [tool["omni"]["digest"] for tool in tools]
                if digests not in (None, now):
                    self._calls.renew()
                digests = now
                self._announce()
            except OSError as error:
                complained = self._complain([f"the skills cannot be read: {error}"], complained)
            self._known.set()
            if self._ending.wait(_LOOK_SECONDS):
                return

    def _complain(self, problems: list[Problem] | list[str], before: set[str]) -> set[str]:
        """Say what is wrong with the skills, once."""
        texts = {str(problem) for problem in problems}
        for text in sorted(texts - before):
            sys.stderr.write(f"omni: {text}\n")
        return texts

    def _announce(self) -> None:
        version = _version(self._tools)
        if self._told in (None, version):
            return
        self._told = version
        if self._revision is not None:
            self._send(messages.notification("tools/list_changed", {}))
        with self._changed:
            listening = [request for request, wanted in self._subscriptions.items() if wanted]
        for request in listening:
            self._send(messages.notification("tools/list_changed", {"_meta": {_SUBSCRIPTION: request}}))

    def _subscribe(self, message: Message) -> Work:
        wanted = message.params.get("notifications")
        if type(wanted) is not dict or type(wanted.get("toolsListChanged", False)) is not bool:
            text = '`params.notifications` must be an object such as {"toolsListChanged": true}'
            raise RpcError(messages.INVALID_PARAMS, text)
        tools = wanted.get("toolsListChanged", False)

        def work(cancel: Cancel) -> dict | None:
            listed = self._listed()
            with self._changed:
                self._subscriptions[message.id] = tools
                self._told = self._told or _version(listed)
            honoured = {"toolsListChanged": True} if tools else {}
            meta = {_SUBSCRIPTION: message.id}
            self._send(
                messages.notification(
                    "subscriptions/acknowledged", {"_meta": meta, "notifications": honoured}
                )
            )
            os.read(cancel.fileno(), 1)
            with self._changed:
                del self._subscriptions[message.id]
            if not self._ending.is_set():
                return None
            return self._writer.result(message.id, messages.MODERN, {}, meta)

        return self._opened(message.id, work)


def _reaches(level: str, wanted: str | None) -> bool:
    return wanted is not None and messages.LEVELS.index(level) >= messages.LEVELS.index(wanted)


def _version(tools: dict[str, dict]) -> str:
    """Return what changes when a client would see another list."""
    shown = [{name: value for name, value in tool.items() if name != "omni"} for tool in tools.values()]
    return wire.write_json(shown)


def _unknown(name: str, tools: dict[str, dict]) -> str:
    # The command alone, without its skill, is the most common slip.
    meant = next((known for known in tools if known.endswith(f".{name}")), None) or closest(name, tools)
    hint = "the tool list names all there are" if meant is None else f"did you mean `{meant}`?"
    return f"unknown tool `{name[:128]}`; {hint}"


def _without_session(method: str) -> RpcError:
    if method not in _KNOWN:
        return RpcError(messages.METHOD_NOT_FOUND, f"method `{method[:100]}` not found")
    return RpcError(
        messages.INVALID_PARAMS,
        f"`{method}` needs `io.modelcontextprotocol/protocolVersion` and "
        "`io.modelcontextprotocol/clientCapabilities` in `params._meta`, or an `initialize` before it",
    )
