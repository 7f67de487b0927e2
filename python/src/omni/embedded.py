"""Role C: runs calls in an interpreter that is part of the server's own process.

The server's threads come in by three functions and stay: `control` first, then one `serve_sync` for each
plain call that runs at once, and one `serve_async` for all async ones. Each has a `HostChannel` where a
worker has a `Channel`, with the same frames, handed over in memory.

Nothing here can be killed. A call that has to end gets `CallCancelled` raised in its thread, by `control`; if
it does not end then, the server leaves its thread alone and takes another.
"""

from __future__ import annotations

import atexit
import io
import os
import sys
from _thread import allocate_lock, get_ident

from omni import load, skill, skill_version, wire
from omni.call_frame import CallReader
from omni.invoke import ToolRunner, imports
from omni.restore_interpreter import forget_modules
from omni.restore_shared_state import SharedStateRestorer, open_children
from omni.skill import CURRENT, CallCancelled
from omni.streams import is_changed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

    from omni.async_loop import AsyncCalls
    from omni.call_frame import Call, Target
    from omni.load import Prepared
    from omni.skill import Context
    from omni.skill_version import SkillVersion

_exit = os._exit
#: In a page's second slot: no call may begin any more.
_ABANDONED = (1 << 64) - 1
#: For `receive`: do not wait.
_NOW = "now"

#: Those who run calls, by the server's number for their thread.
_tool_runners: dict[int, EmbeddedToolRunner] = {}


# The environment is the server's, whose threads may read it at any time.
load.tell_children = False


def main() -> None:
    """Say where this interpreter takes itself to be: the first half of what `omni embed-check` prints."""
    sys.stdout.write('{"prefix":' + wire.quote(sys.prefix))
    sys.stdout.flush()


class HostChannel:
    """One thread's way to the server: what `Channel` is to a worker."""

    def __init__(self, functions: dict[str, Any]) -> None:
        self.key: int = functions["key"]
        self.thread: int = functions["thread"]
        #: Where the call that starts is noted, and below which none may: see `ToolRunner`.
        self.page: memoryview = functions["page"]
        #: Waits for a payload; None when there will be no more. With an argument it does not wait.
        self.receive = functions["receive"]
        self.print = functions["print"]
        #: Sends the answer to a call, in which nothing is raised from then on.
        self.answer = functions["answer"]
        self.interrupt = functions["interrupt"]
        self.raise_in = functions["raise_in"]
        self.frame_bytes_max = 0
        #: There will be no more payloads.
        self.closed = False
        self.lock = allocate_lock()
        #: False in a process that a tool forked: the channel stays with the parent.
        self.mine = True
        #: The thread that ends calls hears the answers to their questions.
        self.answers = "told"
        self._send = functions["send"]
        self._wake: int = functions["wake"]
        os.register_at_fork(after_in_child=self._disown)

    def send_locked(self, frames: bytes) -> None:
        """Hand over whole frames. They are never cut, whoever interrupts."""
        if self.mine:
            self._send(frames)

    #: Nobody has to wait for another: what the server does with a frame does not block.
    send = send_locked

    def joined(self, frames: list[bytes]) -> bytes:
        """Return frames to be sent in one go."""
        return b"".join(frames)

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when there is a payload."""
        return self._wake

    def receive_now(self) -> bytes:
        """Return every payload that has arrived, each behind its length. `closed` says if it was the last."""
        frames = []
        while True:
            payload = self.receive(_NOW)
            self.closed = payload is None
            if not payload:
                return b"".join(frames)
            frames.append(len(payload).to_bytes(4, "little") + payload)

    def fail(self, message: str) -> None:
        """Give up on a server that cannot be understood. The thread ends."""
        raise RuntimeError(message)

    def _disown(self) -> None:
        self.mine = False
        self.lock = allocate_lock()


class EmbeddedToolRunner(ToolRunner):
    """Runs calls for one thread of the server."""

    def __init__(self, channel: HostChannel, hello: dict) -> None:
        super().__init__(channel, hello, channel.page, _STREAMS)  # type: ignore[arg-type]
        skill.only_call = _only_call
        self.host_channel = channel
        self.async_calls: AsyncCalls | None = None
        self._children = open_children()

    def inspected(self, answer: bytes) -> bytes:
        """Look for nothing: what is found here may be the server's own, or another call's."""
        return answer

    def tidy(self) -> None:
        """Put back what a call has changed."""
        if not self.host_channel.mine:
            _exit(0)
        self.put_back()

    def put_back(self) -> bool:
        """Do the same; False where this thread must run no more calls."""
        _STREAMS.restore()
        if skill_version.refusals:
            # Said in the call's result. There is no process to replace.
            skill_version.take_refusals()
        # What an import needs while it goes on is nobody's to put back.
        if not _importing:
            _RESTORER.restore()
        return _RESTORER.restore_thread(self._children)

    def _look(self) -> tuple:
        return _RESTORER.look()

    def _prepare(self, target: Target) -> Prepared:
        _importing.append(target)
        try:
            return super()._prepare(target)
        except BaseException:
            _importing.remove(target)
            raise

    def _accept(self, before: tuple | None) -> None:
        _RESTORER.accept(before)
        _importing.pop()

    def leave(self) -> None:
        """No more calls come to this thread."""
        _tool_runners.pop(self.host_channel.key, None)
        if self._children >= 0:
            os.close(self._children)

    def where(self, call_id: int) -> tuple[str, bool]:
        """Return stacks, among them that of the call, and whether this thread runs its code just now."""
        frame = sys._current_frames().get(self.host_channel.thread)
        if self.async_calls is None:
            context = self._context
            running = context is not None and context.call_id == call_id
            return (_listed(frame), True) if running else ("", False)
        if self.async_calls.is_inside(frame, call_id):
            return _listed(frame), True
        return "\n".join(self.async_calls.where()), False

    def stop(self, call_id: int) -> tuple[str, bool]:
        """Have a call end, and return where it was and whether it holds its thread."""
        stack, inside = self.where(call_id)
        if self.async_calls is not None:
            self.async_calls.cancel_soon(call_id)
        elif self._context is not None and self._context.call_id == call_id:
            self._context._stopped = True
        # What is half imported would stay so for everybody; such a call ends when its import has.
        if inside and not imports(sys._current_frames().get(self.host_channel.thread)):
            if self.async_calls is None:
                self.host_channel.interrupt(call_id, CallCancelled)
                # Nothing is raised in a thread that waits for an answer before it goes on.
                if self._asks is not None:
                    self._asks.stop(call_id)
            elif self.host_channel.page[1] == _ABANDONED:
                # Not before the server has given the loop up: a moment late, it would hit the loop itself or
                # another call.
                self.host_channel.raise_in(self.host_channel.thread, CallCancelled)
        return stack, inside


def _listed(frame: FrameType | None) -> str:
    lines = ["Thread (most recent call first):"]
    while frame is not None:
        code = frame.f_code
        lines.append(f'  File "{code.co_filename}", line {frame.f_lineno} in {code.co_name}')
        frame = frame.f_back
    return "\n".join(lines)


# -- the threads -----------------------------------------------------------------------------------------


def control(functions: dict[str, Any]) -> None:
    """Prepare the interpreter, then end calls when the server says so. The first thread to come in.

    It never runs a tool. As long as it answers, the interpreter turns.
    """
    channel = HostChannel(functions)
    hello = _receive(channel)[1]
    _settle(hello)
    channel.send(wire.ready("%d.%d.%d" % sys.version_info[:3], os.getpid()))
    while True:
        kind, body = _receive(channel)
        if kind == "stop":
            tool_runner = _tool_runners.get(body["thread"])
            stack, inside = ("", False) if tool_runner is None else tool_runner.stop(body["call"])
            said = '{"stopped":{"id":%d,"stack":%s,"inside":%s}}'
            channel.send(
                wire.seal_lossy(said % (body["id"], wire.quote(stack), "true" if inside else "false"))
            )
        elif kind == "answer":
            any(tool_runner.answered(body) for tool_runner in list(_tool_runners.values()))
        elif kind == "drain":
            # What skills registered with `atexit`: nobody else will run it.
            try:
                atexit._run_exitfuncs()
            finally:
                channel.send(wire.seal('{"drained":{}}'))
        else:
            return


def serve_sync(functions: dict[str, Any]) -> None:
    """Run calls one after the other, until the server has no more for this thread."""
    channel = HostChannel(functions)
    tool_runner = _enter(channel, EmbeddedToolRunner(channel, _receive(channel)[1]))
    receive, answer = channel.receive, channel.answer
    read, run, put_back = CallReader().read, tool_runner.run, tool_runner.put_back
    try:
        while True:
            payload = receive()
            if payload is None:
                return
            call = read(payload)[1]
            frame = None
            try:
                frame = run(call)
                if not channel.mine:
                    _exit(0)  # a fork that came back out of the tool
                answer(frame)
            except CallCancelled:  # it came when the call's own end was being written
                answer(frame or _cancelled(call))
            # While the server reads the answer.
            if not put_back():
                return
    finally:
        tool_runner.leave()


def _cancelled(call: Call) -> bytes:
    return wire.error(call.id, "cancelled", "CallCancelled", "the call was cancelled")


def serve_async(functions: dict[str, Any]) -> None:
    """Run async calls side by side in an event loop, until the server has no more for this thread."""
    import asyncio

    from omni.async_loop import AsyncCalls

    channel = HostChannel(functions)
    hello = _receive(channel)[1]
    channel.frame_bytes_max = hello["frame_bytes_max"]
    tool_runner = EmbeddedToolRunner(channel, hello)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    async_calls = tool_runner.async_calls = AsyncCalls(channel, tool_runner, loop)  # type: ignore[arg-type]
    skill.only_call = _only_call
    _enter(channel, tool_runner)

    def on_readable() -> None:
        data = channel.receive_now()
        if data:
            async_calls.take(data)
        if channel.closed:
            async_calls.ended = True
            loop.stop()

    loop.add_reader(channel.fileno(), on_readable)
    loop.call_soon(on_readable)
    try:
        while not async_calls.ended:
            # Whatever is raised out of here was meant for a task, and came a moment late.
            try:
                loop.run_forever()
            except BaseException:
                continue
    finally:
        tool_runner.leave()


def _enter(channel: HostChannel, tool_runner: EmbeddedToolRunner) -> EmbeddedToolRunner:
    _tool_runners[channel.key] = tool_runner
    _threads[channel.thread] = tool_runner
    return tool_runner


def _receive(channel: HostChannel) -> tuple[str, dict]:
    payload = channel.receive()
    return ("", {}) if payload is None else wire.decode(payload)


# -- what calls print ------------------------------------------------------------------------------------

#: Those who run calls, by their thread.
_threads: dict[int, EmbeddedToolRunner] = {}


class _Stream(io.RawIOBase):
    """Standard output or error of all calls. The descriptors of that name are the server's."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def writable(self) -> bool:
        return True

    def close(self) -> None:
        """Stay open: others print here too."""

    def write(self, data: Any) -> int:
        data = bytes(data)
        tool_runner, call_id = _speaker()
        if tool_runner is not None and tool_runner.host_channel.mine:
            tool_runner.host_channel.print(call_id, self._number, data)
        return len(data)


def _speaker() -> tuple[EmbeddedToolRunner | None, int]:
    """Return who prints: the call of this task or thread, or the only one that runs."""
    tool_runner = _threads.get(get_ident())
    context = CURRENT.get() or (tool_runner and tool_runner._context) or _only_call()
    if context is not None and context._open:
        return context._host, context.call_id  # type: ignore[return-value]
    return next(iter(_tool_runners.values()), None), 0


def _only_call() -> Context | None:
    """Return the call that runs, if there is just one."""
    running = [one._context for one in list(_tool_runners.values()) if one._context is not None]
    return running[0] if len(running) == 1 else None


class _Streams:
    """What calls print to and the folder they run in. They share it, being in one process."""

    def __init__(self) -> None:
        self._home = ""
        #: Somebody has changed the working folder.
        self._moved = False
        #: Nobody asks by a signal where an awaitable waits.
        self.err_copy = None
        #: Nothing waits here to be read: what is printed is handed over at once, as its call's.
        self.printed = False
        self._out = self._err = sys.stderr
        self._in: Any = None

    def install(self) -> None:
        self._home = os.getcwd()
        # Asking for the folder after every call would cost a third of what a small call takes.
        sys.addaudithook(self._note)
        self._out = sys.stdout = _text(1)
        self._err = sys.stderr = _text(2)
        self._in = sys.stdin = _nothing()

    def attribute(self, _speak: Any) -> None:
        """Do nothing: each piece finds its call already."""

    def flush(self) -> None:
        # Ours hold nothing back.
        out, err = getattr(sys, "stdout", None), getattr(sys, "stderr", None)
        if out is not self._out:
            _flush(out)
        if err is not self._err:
            _flush(err)

    def restore(self) -> None:
        names = vars(sys)
        if names.get("stdout") is not self._out or is_changed(self._out):
            self._out = sys.stdout = _text(1)
        if names.get("stderr") is not self._err or is_changed(self._err):
            self._err = sys.stderr = _text(2)
        if names.get("stdin") is not self._in or self._in.closed:
            self._in = sys.stdin = _nothing()
        if self._moved:
            try:
                os.chdir(self._home)
            except OSError:  # the tool removed the folder it was in
                pass
            self._moved = False

    def _note(self, event: str, _args: tuple) -> None:
        if event == "os.chdir":
            self._moved = True


def _flush(stream: Any) -> None:
    try:
        stream.flush()
    except BaseException:  # a stream of the tool's own may do anything
        pass


def _nothing() -> Any:
    return open(os.devnull, encoding="utf-8")


def _text(number: int) -> io.TextIOWrapper:
    stream: Any = _Stream(number)
    return io.TextIOWrapper(stream, encoding="utf-8", errors="backslashreplace", write_through=True)


_STREAMS: Any = _Streams()
_RESTORER = SharedStateRestorer()
#: An entry for each import of a skill that goes on.
_importing: list = []


def _versions_in_use() -> set[SkillVersion]:
    """Return the versions of skills that calls run on, in all threads."""
    contexts: list[Context | None] = []
    for tool_runner in list(_tool_runners.values()):
        calls = tool_runner.async_calls
        contexts += [tool_runner._context] if calls is None else calls.contexts()
    targets = [context._call.target for context in contexts if context is not None]
    return {target.version for target in targets if target.version is not None}


def _settle(hello: dict) -> None:
    """Make this interpreter, which has the server's surroundings, look like that of a worker."""
    os.chdir(hello["root"])
    allowed = hello["environment"]
    for name in list(os.environ):
        if name not in allowed:
            del os.environ[name]
    os.environ.update(allowed)
    _STREAMS.install()
    _RESTORER.remember()
    skill_version.forget = forget_modules
    skill_version.in_use = _versions_in_use
