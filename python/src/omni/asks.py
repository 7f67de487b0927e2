"""How a running call asks its client something, and waits for the answer.

Up goes `ask`, numbered within its call; down comes `answer`, to whoever reads what comes down: in a worker
with an event loop that loop, inside the server the thread that ends calls. A worker of plain tools reads
nothing while a call runs, so a thread does for as long as a question is open, which is over before the call's
own thread reads again.

Loaded by the first question of a process.
"""

from __future__ import annotations

import os
from time import monotonic

from omni import wire
from omni.call_errors import AskRefused, CallCancelled
from omni.channel import allocate_lock, begin_thread, keep_from_forks
from omni.constants import ASK_BYTES_MAX, ASK_KEY_BYTES_MAX, ASKS_OPEN_MAX
from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import Semaphore
    from typing import Any, Callable

    from omni.channel import Channel
    from omni.invoke import ToolRunner
    from omni.skill import Context

#: What the client answers. While it is asked, the clocks of the call stand still.
_OF_CLIENT = frozenset(("elicitation/create", "sampling/createMessage", "roots/list"))
_exit = os._exit
_POLLIN = 1
_close, _pipe, _write = os.close, os.pipe, os.write
_NO_LOOP = (
    "a question that ends in `_sync` would block the event loop in which this call runs; await the one "
    "without, such as `await ctx.elicit(…)`"
)
_ENDED = "the call ended before its question was answered"


class _Question:
    """An open question. `answer` is set before `wake` is called, once; None means that there will be none."""

    __slots__ = ("answer", "call_id", "context", "key", "number", "of_client", "wake")

    def __init__(
        self, context: Context, method: str, number: int, key: str | None, wake: Callable[[], object]
    ) -> None:
        self.context = context
        self.of_client = method in _OF_CLIENT
        self.call_id = context._call.id
        self.number = number
        self.key = key
        self.wake = wake
        self.answer: dict[str, Any] | None = None


class Asks:
    """The open questions of the calls of one `ToolRunner`. Its methods may be used from any thread."""

    def __init__(self, tool_runner: ToolRunner, channel: Channel | None) -> None:
        """Ask in the name of the calls of `tool_runner`.

        Args:
            tool_runner: Sends what is asked; its lock guards the numbers of questions.
            channel: Where answers come down, when nobody else reads it while a call runs.
        """
        self._tool_runner = tool_runner
        #: By call and number. Each is taken out once, by whoever wakes it.
        self._open: dict[tuple[int, int], _Question] = {}
        #: The number of the last question, by call.
        self._last: dict[int, int] = {}
        #: Asked by tasks that go on: sent in one go, so that the server knows of all that is asked at once.
        self._unsent: list[tuple[Context, bytes]] = []
        #: Since when the client is asked something, by call: its clock stands still.
        self._asking: dict[int, float] = {}
        #: What lets so many tasks of a call at once ask the server, by call.
        self.rooms: dict[int, Semaphore] = {}
        self._reader = None if channel is None else _AnswerThread(channel, self)

    # -- asking ------------------------------------------------------------------------------------

    def ask(self, context: Context, method: str, params: object, key: str | None) -> dict[str, Any]:
        """Ask, and block this thread until the answer is there. See `Context._ask`."""
        if _loop_runs_here():
            raise RuntimeError(_NO_LOOP)
        gate = allocate_lock()
        gate.acquire()
        question = self._begin(context, method, params, key, gate.release)
        try:
            # A signal that cancels the call raises here.
            gate.acquire()
        except BaseException:
            self._give_up(context, question)
            raise
        return _result(context, question, method, params)

    async def ask_async(
        self, context: Context, method: str, params: object, key: str | None
    ) -> dict[str, Any]:
        """Ask, and let others run until the answer is there. See `Context._ask_async`."""
        from asyncio import get_running_loop

        loop = get_running_loop()
        answered = loop.create_future()

        def wake() -> None:
            try:
                loop.call_soon_threadsafe(_settle, answered)
            except RuntimeError:  # the loop is closed: nobody waits
                pass

        question = self._begin(context, method, params, key, wake, loop.call_soon)
        try:
            await answered
        except BaseException:
            self._give_up(context, question)
            raise
        return _result(context, question, method, params)

    def _begin(  # noqa: PLR0917 - what a question is made of
        self,
        context: Context,
        method: str,
        params: object,
        key: str | None,
        wake: Callable[[], object],
        soon: Callable[[Callable[[], None]], object] | None = None,
    ) -> _Question:
        params_json = _checked(method, params, key)
        tool_runner, call_id = self._tool_runner, context._call.id
        tool_runner.hold()
        try:
            with tool_runner.lock:
                if not context._open:
                    raise AskRefused("gone", "the call has ended; nobody can be asked in its name")
                mine = [question for question in list(self._open.values()) if question.call_id == call_id]
                if len(mine) >= ASKS_OPEN_MAX:
                    message = f"{ASKS_OPEN_MAX} questions of this call are open; wait for an answer first"
                    raise AskRefused("failed", message)
                if key is not None and any(question.key == key for question in mine):
                    message = f"a question of this call is open under the key `{key}`; each needs its own"
                    raise AskRefused("failed", message)
                number = self._last.get(call_id, 0) + 1
                frame = wire.ask(call_id, number, method, params_json, key)
                question = _Question(context, method, number, key, wake)
                self._open[call_id, number] = question
                self._last[call_id] = number
                if question.of_client:
                    context._stands_at = self._asking.setdefault(call_id, monotonic())
                if self._reader is not None:
                    self._reader.start()
                self._unsent.append((context, frame))
                if soon is None:
                    self._send_locked()
                else:
                    # Behind what the loop runs in this turn, such as other tasks that ask.
                    soon(self._send)
        finally:
            tool_runner.release()
        return question

    def _send(self) -> None:
        """Send what was asked."""
        tool_runner = self._tool_runner
        tool_runner.hold()
        try:
            with tool_runner.lock:
                self._send_locked()
        finally:
            tool_runner.release()

    def _send_locked(self) -> None:
        # In the order of their numbers. Of a call that has ended nobody wants to hear.
        frames = [frame for context, frame in self._unsent if context._open]
        self._unsent.clear()
        if frames:
            self._tool_runner.send_together_locked(frames)

    def _give_up(self, context: Context, question: _Question) -> None:
        """Tell that nobody waits for an answer any more."""
        tool_runner = self._tool_runner
        tool_runner.hold()
        try:
            with tool_runner.lock:
                if self._open.pop((question.call_id, question.number), None) is None:
                    return  # it has come
                self._closed(question)
                # Of a call that was taken back nobody wants to hear.
                if context._open and not context._stopped:
                    # Questions have no gaps: it is taken back once it has been asked.
                    self._send_locked()
                    tool_runner.send_locked(wire.retract(question.call_id, question.number))
                if self._reader is not None and not self._open:
                    self._reader.tell()
        finally:
            tool_runner.release()

    @staticmethod
    def check(method: str, params: Any, key: str | None) -> str | None:
        """Raise what `ask` would raise of these parameters, and return the capability that they need."""
        _checked(method, params, key)
        return capability_of(method, params)

    # -- answers -----------------------------------------------------------------------------------

    def deliver(self, body: dict[str, Any]) -> bool:
        """Hand over what an `answer` frame says. False when nobody here has asked that."""
        # Without the lock, here and below: a call interrupted inside the server may never give it back.
        question = self._open.pop((body["id"], body["ask"]), None)
        if question is None:
            return False
        question.answer = body
        self._closed(question)
        question.wake()
        return True

    def _closed(self, question: _Question) -> None:
        """Have the clock of a call go on whose client is asked nothing else."""
        call_id, context = question.call_id, question.context
        if self._asks_client(call_id):
            return
        # Taken out by one of those who come here at once.
        since = self._asking.pop(call_id, None)
        if since is not None:
            now = monotonic()
            context._received += now - since
            context._stands_at = None
            # Another may have been asked between the two.
            if self._asks_client(call_id):
                context._stands_at = self._asking.setdefault(call_id, now)

    def _asks_client(self, call_id: int) -> bool:
        return any(
            question.of_client and question.call_id == call_id for question in list(self._open.values())
        )

    def is_idle(self) -> bool:
        """Whether no question is open."""
        return not self._open

    def stop(self, call_id: int) -> None:
        """Let go whoever waits in a call that is to end."""
        for key in list(self._open):
            question = self._open.pop(key, None) if key[0] == call_id else None
            if question is not None:
                self._closed(question)
                question.wake()

    def cancel(self, call_id: int) -> None:
        """Let go whoever waits in a call that was taken back.

        The signal that says so to the main thread does not wake it when it comes just before the wait begins.
        """
        self._tool_runner.note_taken_back(call_id)
        self.stop(call_id)

    def end(self, call_id: int) -> None:
        """Let go whoever waits in a call that has ended. From here on nothing is read in its name."""
        self.stop(call_id)
        self._last.pop(call_id, None)
        self._asking.pop(call_id, None)
        self.rooms.pop(call_id, None)
        if self._reader is not None:
            self._reader.end()


class _AnswerThread:
    """The thread that takes answers off a channel while questions are open."""

    def __init__(self, channel: Channel, asks: Asks) -> None:
        # Loaded where a channel is read, and before any skill could replace what it needs.
        from omni.contamination import new_poll

        self._new_poll = new_poll
        self._channel = channel
        self._asks = asks
        #: Held while the thread runs.
        self._runs = allocate_lock()
        self._ends: tuple[int, int] | None = None
        #: What came down that is no answer: calls that were sent ahead, for when this one has ended.
        self._set_aside: list[bytes] = []

    def start(self) -> None:
        """Have the thread run. The caller holds the lock of the channel."""
        if not self._runs.acquire(blocking=False):
            return
        try:
            if self._ends is None:
                self._ends = _pipe()
                for end in self._ends:
                    keep_from_forks(end)
            begin_thread(self._read, ())
        except BaseException:
            self._runs.release()
            raise

    def tell(self) -> None:
        """Have the thread look whether it is still needed."""
        if self._ends is not None:
            _write(self._ends[1], b".")

    def end(self) -> None:
        """Wait until the thread has ended. No question may be open."""
        if self._ends is None:
            return
        self.tell()
        with self._runs:
            ends, self._ends = self._ends, None
        if self._set_aside:
            set_aside, self._set_aside = self._set_aside, []
            self._channel.put_back(set_aside)
        for end in ends:
            keep_from_forks(end, keep=False)
            _close(end)

    def _read(self) -> None:
        channel, asks = self._channel, self._asks
        wait = self._new_poll()
        wait.register(channel.fileno(), _POLLIN)
        wait.register(self._ends[0], _POLLIN)
        try:
            while True:
                with channel.lock:
                    # Under the lock under which questions are asked: whoever asks next starts another thread.
                    if asks.is_idle():
                        self._runs.release()
                        return
                if not channel.has_buffered():
                    ready = {descriptor for descriptor, _ in wait.poll()}
                    if self._ends[0] in ready:
                        os.read(self._ends[0], 64)
                    if channel.fileno() not in ready:
                        continue
                payload = channel.receive()
                if payload is None:
                    _exit(0)
                kind, body = wire.decode(payload)
                if kind == "answer":
                    asks.deliver(body)
                elif kind == "cancel":
                    asks.cancel(body["id"])
                else:
                    self._set_aside.append(payload)
        except wire.MalformedFrameError as error:
            channel.fail(f"a malformed frame came down: {error}")
        except BaseException as error:
            channel.fail(f"the control channel cannot be read any more: {error}")


def _checked(method: str, params: object, key: object) -> str:
    """Return the parameters as JSON text."""
    if key is not None:
        if not isinstance(key, str):
            message = f"the key of a question is a text, not `{type(key).__name__}`"
            raise TypeError(message)
        length = len(key.encode("utf-8", "replace"))
        if not 1 <= length <= ASK_KEY_BYTES_MAX:
            message = f"the key of a question has 1 to {ASK_KEY_BYTES_MAX} bytes, not {length}"
            raise ValueError(message)
    if not isinstance(method, str):
        message = f"the method of a question is a text, not `{type(method).__name__}`"
        raise TypeError(message)
    if not isinstance(params, dict):
        message = f"the parameters of `{method}` are a dictionary, not `{type(params).__name__}`"
        raise TypeError(message)
    text = wire.write_json(params)
    size = len(text) if text.isascii() else len(text.encode())
    if size > ASK_BYTES_MAX:
        message = f"the parameters of `{method}` are {size} bytes, more than the {ASK_BYTES_MAX} allowed"
        raise ValueError(message)
    return text


def capability_of(method: str, params: dict[str, Any]) -> str | None:
    """Return what a client declares that can be asked this; None of a method that there is not."""
    if method == "elicitation/create":
        return "elicitation.url" if params.get("mode") == "url" else "elicitation.form"
    if method == "sampling/createMessage":
        if "tools" in params or "toolChoice" in params:
            return "sampling.tools"
        return "sampling" if params.get("includeContext", "none") == "none" else "sampling.context"
    return "roots" if method == "roots/list" else None


def _result(context: Context, question: _Question, method: str, params: Any) -> dict[str, Any]:
    answer = question.answer
    if answer is None:
        if context._stopped:
            raise CallCancelled
        raise AskRefused("gone", _ENDED)
    if "refused" in answer:
        why = answer["refused"]
        capability = capability_of(method, params) if why == "unsupported" else None
        raise AskRefused(why, answer.get("message") or "", capability)
    return answer["result"]


def _settle(future: Any) -> None:
    if not future.done():
        future.set_result(None)


def _loop_runs_here() -> bool:
    from sys import modules

    events = modules.get("asyncio.events")
    return events is not None and events._get_running_loop() is not None
