"""The worker's life in async mode: many calls at once, as tasks of one event loop."""

from __future__ import annotations

import asyncio
import sys
from os import _exit

from omni import skill, wire
from omni.await_outside_loop import dump_on_signal, lines
from omni.call_frame import CallReader
from omni.call_output import CallOutput
from omni.contamination import ContaminationCheck
from omni.content import is_async_iterator, materialised, materialised_async
from omni.invoke import own_precision, values_enough
from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here
from omni.restore_state import StateRestorer
from omni.skill import CURRENT, CallCancelled, Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from omni.call_frame import Call
    from omni.channel import Channel
    from omni.invoke import ToolRunner

_Task = asyncio.Task
_EAGER: dict[str, Any] = {"eager_start": True} if sys.version_info >= (3, 12) else {}


class _Running:
    """A call that has not been answered yet. `context` is None until its task has begun."""

    __slots__ = ("call", "context", "started", "task")

    def __init__(self, call: Call) -> None:
        self.call = call
        self.context: Context | None = None
        self.task: asyncio.Task[None] | None = None
        #: The tasks that the tool has started and that have not ended.
        self.started: set[asyncio.Task] = set()


class AsyncCalls:
    """Runs every call as a task, and answers in the order in which they end."""

    def __init__(self, channel: Channel, tool_runner: ToolRunner, loop: asyncio.AbstractEventLoop) -> None:
        self._channel = channel
        self._tool_runner = tool_runner
        self._loop = loop
        self._reader = CallReader()
        self._splitter = wire.Splitter(channel.frame_bytes_max)
        self._running: dict[int, _Running] = {}
        self._answers: list[bytes] = []
        self._draining = False
        self._output = CallOutput(tool_runner)
        tool_runner.attribute(self._output.speak)
        skill.only_call = self._only_call
        loop.set_task_factory(self._make_task)
        channel.answers = "told"
        #: Whether there is nothing left to do.
        self.ended = False

    def take(self, data: bytes) -> None:
        """Handle what arrived on the channel."""
        try:
            for payload in self._splitter.feed(data):
                self._handle(*self._reader.read(payload))
        except wire.MalformedFrameError as error:
            self._channel.fail(f"a malformed frame came down: {error}")

    def contexts(self) -> list[Context | None]:
        """Return the contexts of the calls that run. For any thread."""
        return [running.context for running in list(self._running.values())]

    def on_readable(self) -> None:
        """Receive from a channel that has something, or that the server closed."""
        data = self._channel.receive_now()
        if not data:
            _exit(0)
        self.take(data)

    def _handle(self, kind: str, body: Any) -> None:
        if kind == "call":
            self._start(body)
        elif kind == "cancel":
            self._cancel(body["id"])
        elif kind == "answer":
            self._tool_runner.answered(body)
        elif kind == "drain":
            self._draining = True
            self._stop_when_idle()
        elif kind == "preload":
            self._channel.send(self._tool_runner.preload(body["files"]))

    def _start(self, call: Call) -> None:
        if self._tool_runner.tainted:
            self._channel.send(wire.skipped(call.id))
            return
        running = self._running[call.id] = _Running(call)
        running.task = _Task(self._run(running), loop=self._loop, **_EAGER)

    async def _run(self, running: _Running) -> None:
        call, tool_runner = running.call, self._tool_runner
        context = running.context = Context.__new__(Context)
        context._bind(call, tool_runner)
        try:
            self._output.loading = context
            try:
                function, arguments = tool_runner.begin(call, context)
            finally:
                self._output.loading = None
            CURRENT.set(context)
            if "decimal" in sys.modules:
                own_precision()
            value = function(**arguments)
            if hasattr(type(value), "__await__"):
                value = await value
            if is_async_iterator(value):
                value = await materialised_async(value, values_enough(call.target))
            value = materialised(value, values_enough(call.target))
            frame = tool_runner.mentioned(call, tool_runner.answer(call, value))
        except BaseException as error:
            frame = tool_runner.describe(call, context, error)
        if self._output.calls:
            self._output.end(call.id)
        tool_runner.end(context)
        if context._stopped:
            # What it has left would work on for a caller who has gone.
            for task in list(running.started):
                task.cancel()
        if self._running.pop(call.id, None) is not None:
            self._answer(frame)

    def _make_task(self, loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task:
        """Make a task for a tool, and remember whose it is."""
        task = _Task(coroutine, loop=loop, **options)
        context = CURRENT.get()
        running = None if context is None else self._running.get(context._call.id)
        if running is not None:
            running.started.add(task)
            task.add_done_callback(running.started.discard)
        return task

    def _only_call(self) -> Context | None:
        # Asked by threads: another one may change the table meanwhile.
        running = list(self._running.values())
        return running[0].context if len(running) == 1 else None

    def _cancel(self, call_id: int) -> None:
        running = self._running.get(call_id)
        if running is None:
            return  # answered while the cancel was on its way
        if running.context is not None:
            running.context._stopped = True
        else:
            # Its task has not taken its first step and never will: nobody else would answer.
            del self._running[call_id]
            self._answer(self._tool_runner.describe(running.call, Context(), CallCancelled()))
        running.task.cancel()

    def _answer(self, frame: bytes) -> None:
        """Send an answer: at once when it is the only call, together with others that end now otherwise."""
        if not self._running and not self._answers:
            self._channel.send(self._tool_runner.inspected(frame))
            self._rest()
            return
        if not self._answers:
            self._loop.call_soon(self._send_answers)
        self._answers.append(frame)

    def _send_answers(self) -> None:
        answers, self._answers = self._answers, []
        if not self._running:
            # Nobody can say which of them did it.
            answers[-1] = self._tool_runner.inspected(answers[-1])
        self._channel.send(self._channel.joined(answers))
        self._rest()

    def _rest(self) -> None:
        if not self._running:
            # The working folder belongs to all calls: it is put back when none of them runs.
            self._tool_runner.tidy()
        self._stop_when_idle()

    def _stop_when_idle(self) -> None:
        if self._draining and not self._running and not self._answers:
            self.ended = True
            self._loop.stop()

    def where(self) -> list[str]:
        """Say where every call waits, in the notation of stacks."""
        said: list[str] = []
        for running in list(self._running.values()):
            if running.task is not None:
                said += lines(running.call, running.task.get_coro(), __file__)
        return said

    # -- for other threads -----------------------------------------------------------------------------

    def is_inside(self, frame: Any, call_id: int) -> bool:
        """Tell whether the code at `frame` runs on behalf of a call."""
        while frame is not None:
            if frame.f_code is AsyncCalls._run.__code__:
                return frame.f_locals["running"].call.id == call_id
            frame = frame.f_back
        return False

    def cancel_soon(self, call_id: int) -> None:
        """Cancel a call as soon as the loop turns."""
        self._loop.call_soon_threadsafe(self._cancel, call_id)


def serve_async(channel: Channel, tool_runner: ToolRunner, err: int) -> None:
    """Serve calls until the channel closes (the process ends there) or the server says `drain`."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    calls = AsyncCalls(channel, tool_runner, loop)

    def watch_stack_signal() -> None:
        dump_on_signal(err, calls.where)

    watch_stack_signal()
    restorer = StateRestorer(watch_stack_signal, keeps_variables=tool_runner.stateful)
    tool_runner.restore_after_calls(ContaminationCheck(err), restorer)
    loop.add_reader(channel.fileno(), calls.on_readable)
    loop.call_soon(calls.take, channel.take_buffered())
    while not calls.ended:
        try:
            loop.run_forever()
        except BaseException:
            continue
