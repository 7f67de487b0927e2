"""The parent of processes that serve a call each: it has imported what they need, and forks them when asked.

Started by the server like a worker. Down its channel come `fork`, with the new process's channel and the ends
of two pipes, `preload` and `reap`; up go `borders`, `forked`, `exited`, `preloaded` and `unsafe`. A forked
process then speaks to the server by itself, exactly as a worker does.

It never starts a thread, since a fork takes only one along, and it imports nothing that has not been imported
by a process it forked: what kills or hangs at import does not kill or hang here.

What it forks must not reach it, nor each other: `omni.call_borders` has the means. Whatever a call leaves is
ended when the call's process has been reaped: with the namespace, or as a child that nobody here has forked.
"""

from __future__ import annotations

import _socket
import errno
import gc
import os
import sys
from _signal import SIG_DFL, SIGKILL, SIGTERM, signal

from omni.channel import Channel, ChannelError, copy_high, open_channel
from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here
from omni.worker import forget_current_folder, ready, take_signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from omni.call_borders import CallInit, CallInits, Kernel

_MARK = "OMNI_WORKER"
#: Where the launcher's program is, for who runs in a namespace and may make others.
_LAUNCHER_FD = "OMNI_LAUNCHER_FD"
_RECEIVE_BYTES = 65536
_DESCRIPTOR_BYTES = 4
#: A fork brings the control channel, standard output and standard error.
_DESCRIPTORS = 3
#: Looks for what a call has left, at most. More than one are needed for what forks meanwhile.
_LOOKS_MAX = 1000


def main() -> None:
    """Fork processes for the server until it closes the channel. Does not return."""
    forget_current_folder()
    # The server's mark, for who looks for what it has left: see `_Marks`.
    del sys.argv[1:]
    try:
        channel = open_channel()
    except ChannelError as error:
        os.write(2, f"omni fork parent: {error}\n".encode("utf-8", "replace"))
        os._exit(2)
    # What every worker needs, imported once for all.
    import faulthandler
    import mmap
    import select

    import omni.worker_loop

    del faulthandler, mmap
    channel.send(ready())
    ForkParent(channel, select).serve(omni.worker_loop)


class _Request:
    """A fork that the server wants."""

    def __init__(self, body: dict, descriptors: list[int]) -> None:
        self.number: int = body["id"]
        self.mark: str = body["mark"]
        self.rehearse = bool(body.get("rehearse"))
        #: The control channel, standard output and standard error.
        self.descriptors = descriptors
        #: It has met a dead init once.
        self.again = False

    def close(self) -> None:
        for descriptor in self.descriptors:
            os.close(descriptor)


class ForkParent:
    """Forks, and tells how what it forked ended."""

    def __init__(self, channel: Channel, select: object) -> None:
        from omni import wire

        self._channel = channel
        self._wire = wire
        self._frames = wire.Splitter(1 << 20)
        self._descriptors: list[int] = []
        #: Forks that wait until there is an init for them.
        self._requests: list[_Request] = []
        self._poll = select.poll()
        self._poll.register(channel.fileno(), select.POLLIN)
        #: The processes whose end has not been told, by the descriptor that becomes readable then.
        self._living: dict[int, tuple[int, int, CallInit | None]] = {}
        #: Those that ended and wait for the server's word, by the server's number for them.
        self._ended: dict[int, tuple[int, CallInit | None]] = {}
        self._launcher = _take_launcher()
        self._kernel: Kernel | None = None
        self._inits: CallInits | None = None
        #: Calls get namespaces of their own.
        self._isolates = False
        self._marks = _Marks(None)
        signal(SIGTERM, self._leave)

    def _raise_borders(self) -> None:
        """Find out what can stand between what is forked."""
        try:
            from omni.call_borders import CallInits, Kernel

            self._kernel = kernel = Kernel()
        except (ImportError, AttributeError, OSError) as error:
            # Without this nothing below can be had.
            return self._say_borders(f"Python's `ctypes` does not work: {error}", hides=False)
        self._marks = _Marks(kernel)
        if self._launcher is not None:
            try:
                self._inits = CallInits(kernel, self._launcher, self._poll)
                self._inits.prepare(1)
                self._isolates = True
            except OSError as error:
                self._go_without(error)
        else:
            self._say_borders("namespaces are off, or cannot be had", hides=True)
        if not self._isolates:
            kernel.adopt_orphans()
        kernel.hide_memory()
        return None

    def _go_without(self, error: OSError) -> None:
        """Go on where namespaces cannot be made, and say so."""
        self._isolates = False
        if self._kernel is not None:
            self._kernel.adopt_orphans()
        self._say_borders(str(error), hides=self._kernel is not None)

    def _say_borders(self, reason: str | None, *, hides: bool) -> None:
        """Say what stands between what is forked: namespaces, or for some `reason` less."""
        said = "null" if reason is None else self._wire.quote(reason)
        text = '{"borders":{"reason":%s,"hides":%s}}' % (said, "true" if hides else "false")
        self._channel.send(self._wire.seal_lossy(text))

    def _leave(self, _number: int, _frame: object) -> NoReturn:
        """Reap what has ended, which nobody else can, and end."""
        try:
            if self._inits is not None:
                self._inits.end_all()
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        finally:
            os._exit(0)

    def serve(self, loop: object) -> NoReturn:
        """Do what the server says. Does not return: a forked process ends in `worker_loop.serve`."""
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor in self._living:
                    self._tell_end(descriptor)
                    continue
                if descriptor != self._channel.fileno():
                    self._hear_init(descriptor)
                    continue
                for payload in self._receive():
                    kind, body = self._wire.decode(payload)
                    if kind == "hello":
                        # For those who run calls; with it comes a page that only they need.
                        os.close(self._descriptors.pop(0))
                        self._channel.prove_with(body.get("key") or "")
                        # Before it the server would not hear what stands between calls.
                        self._raise_borders()
                    elif kind == "fork":
                        self._requests.append(_Request(body, self._descriptors[:_DESCRIPTORS]))
                        del self._descriptors[:_DESCRIPTORS]
                    elif kind == "preload":
                        self._preload(body)
                    elif kind == "reap":
                        self._reap(body["id"])
            while self._requests and self._may_fork():
                request = self._requests.pop(0)
                control = self._fork(request)
                if control is not None:
                    _serve_calls(loop, *control, rehearse=request.rehearse)
            # For the next fork, or for those that wait.
            self._prepare()

    def _hear_init(self, descriptor: int) -> None:
        """Hear an init; when it has failed, so has the fork that waits for one."""
        if self._inits is None:
            return
        proven = self._inits.proven
        try:
            self._inits.hear(descriptor)
        except OSError as error:
            self._report_init(error)
        if self._inits.proven and not proven:
            self._say_borders(None, hides=True)

    def _may_fork(self) -> bool:
        return not self._isolates or (self._inits is not None and self._inits.is_ready())

    def _prepare(self) -> None:
        """Have an init on its way for each fork that waits, and one more."""
        if self._inits is None or not self._isolates:
            return
        try:
            self._inits.prepare(len(self._requests) + 1)
        except OSError as error:
            self._report_init(error)

    def _report_init(self, error: OSError) -> None:
        """Refuse the forks that wait, when no init can be made; where none ever could, go on without."""
        if self._inits is None or not self._isolates:
            return
        if not self._inits.proven:
            self._go_without(error)
            return
        while self._requests:
            self._refuse_fork(self._requests.pop(0), error)

    def _receive(self) -> list[bytes]:
        data, ancillary = self._channel.receive_with_descriptors(_RECEIVE_BYTES, 4 * _DESCRIPTORS)
        if not data:
            os._exit(0)
        for level, kind, content in ancillary:
            if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
                for at in range(0, len(content) - _DESCRIPTOR_BYTES + 1, _DESCRIPTOR_BYTES):
                    number = int.from_bytes(content[at : at + _DESCRIPTOR_BYTES], sys.byteorder)
                    self._descriptors.append(number)
        return self._frames.feed(data)

    def _fork(self, request: _Request) -> tuple[Channel, int] | None:
        """Fork, and return None in the parent, the new process's channel and error stream in the child."""
        # What exists now is for ever: the collector of a child must not touch, and so copy, all of it.
        gc.freeze()
        init = self._inits.take() if self._inits is not None and self._isolates else None
        try:
            pid = os.fork() if init is None or self._inits is None else self._inits.fork(init)
        except OSError as error:
            if init is not None and self._inits is not None:
                self._inits.discard(init)
                if error.errno == errno.ENOMEM and not request.again:
                    # Most likely its init has died since it was idle, which nobody need hear of.
                    request.again = True
                    self._requests.insert(0, request)
                    return None
            self._refuse_fork(request, error)
            return None
        if pid:
            request.close()
            watch = os.pidfd_open(pid)
            self._living[watch] = (request.number, pid, init)
            self._poll.register(watch, 1)
            self._say("forked", request.number, f'"pid":{pid}')
            return None
        signal(SIGTERM, SIG_DFL)
        os.setsid()
        control, out, err = request.descriptors
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.close(out)
        os.close(err)
        self._stand_apart(init)
        self._marks.carry(request.mark)
        channel = Channel(copy_high(control, 0))
        os.close(control)
        return channel, take_signals()

    def _refuse_fork(self, request: _Request, error: OSError) -> None:
        request.close()
        self._say("failed", request.number, '"message":' + self._wire.quote(f"fork: {error}"))

    def _stand_apart(self, init: CallInit | None) -> None:
        """In the child: let go of what is the parent's, and be out of reach of the others."""
        # Siblings are nothing to this process; the parent's channel was closed by the fork itself.
        for descriptor in (*self._living, *self._descriptors):
            os.close(descriptor)
        for request in self._requests:
            request.close()
        if self._kernel is None:
            return
        if init is not None and self._inits is not None:
            self._inits.enter(init)
        # Both are the parent's alone, or not passed on by a fork.
        self._kernel.adopt_orphans()
        self._kernel.hide_memory()

    def _tell_end(self, watch: int) -> None:
        number, pid, init = self._living.pop(watch)
        self._poll.unregister(watch)
        os.close(watch)
        # Not reaped yet: the server may still send signals to this number, or to the group it leads.
        status = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        kind = "code" if status.si_code == os.CLD_EXITED else "signal"
        self._ended[number] = (pid, init)
        # Without the kernel's help here, the server looks for what the call has left.
        more = ',"left":true' if self._kernel is None else ""
        self._say("exited", number, f'"{kind}":{status.si_status}{more}')

    def _reap(self, number: int) -> None:
        """Let a process go that the server has done with, and end whatever it has left."""
        pid, init = self._ended.pop(number, (None, None))
        if pid is None:
            return
        os.waitpid(pid, 0)
        if init is not None and self._inits is not None:
            self._inits.give_back(init)
        elif self._kernel is not None:
            self._end_leftovers()

    def _end_leftovers(self) -> None:
        """End the children that nobody here has forked: the calls that live keep their orphans themselves."""
        for _ in range(_LOOKS_MAX):
            known = {pid for _, pid, _ in self._living.values()}
            known.update(pid for pid, _ in self._ended.values())
            left = [pid for pid in _children() if pid not in known]
            if not left:
                return
            for pid in left:
                # Reaped by us alone, so the number is still its own.
                os.kill(pid, SIGKILL)
            ended = [os.waitpid(pid, os.WNOHANG)[0] for pid in left]
            if not any(ended):
                _sleep(0.001)

    def _preload(self, body: dict) -> None:
        """Import a file of a skill, so that what is forked from now on has it."""
        from omni.load import preload
        from omni.skill_version import StaleError

        before = _open_descriptors()
        try:
            preload(body["skill"], body["dir"], body["file"], body.get("digest"))
        except StaleError:
            # The call that it was asked for meant another version; a parent of that one will come.
            pass
        except BaseException as error:
            self._refuse(body["id"], f"its import raised {type(error).__name__} the second time")
        if body.get("async"):
            import asyncio  # noqa: F401 - for the processes to come
        threads = len(os.listdir("/proc/self/task"))
        if threads > 1:
            self._refuse(
                body["id"], f"its import started {threads - 1} thread(s), which a fork leaves behind"
            )
        opened = _open_descriptors() - before
        if opened:
            self._refuse(
                body["id"], f"its import left {len(opened)} descriptor(s) open, which all forks would share"
            )
        self._say("preloaded", body["id"])

    def _refuse(self, number: int, reason: str) -> NoReturn:
        # What the import did cannot be undone, so this parent is of no more use.
        self._say("unsafe", number, '"reason":' + self._wire.quote(reason))
        os._exit(0)

    def _say(self, kind: str, number: int, more: str = "") -> None:
        text = '{"%s":{"id":%d%s}}' % (kind, number, "," + more if more else "")
        self._channel.send(self._wire.seal_lossy(text))


def _serve_calls(loop: object, channel: Channel, err: int, *, rehearse: bool) -> NoReturn:
    channel.send(ready())
    loop.serve(channel, err, rehearse=bool(rehearse))
    os._exit(0)


def _open_descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


def _sleep(seconds: float) -> None:
    import time

    time.sleep(seconds)


def _children() -> list[int]:
    try:
        with open("/proc/thread-self/children", "rb") as file:
            return [int(pid) for pid in file.read().split()]
    except OSError:  # a kernel that does not tell
        return []


def _take_launcher() -> int | None:
    """Return the open program that makes namespaces, out of the way and not inherited."""
    number = os.environ.pop(_LAUNCHER_FD, None)
    if number is None:
        return None
    descriptor = copy_high(int(number), 3, forks=True)
    os.close(int(number))
    return descriptor


class _Marks:
    """This process's own mark, by which the server finds what is left of it, and what a tool leaves behind.

    What is started gets it from `os.environ`. What is forked only is known by the memory that the process was
    started with, its environment and its arguments, which anybody may read: there the mark is written over
    that of the parent, which is as long.
    """

    def __init__(self, kernel: Kernel | None) -> None:
        self._kernel = kernel
        self._places: list[int] = []
        self._before = f"{_MARK}={os.environ.get(_MARK, '')}".encode()
        if kernel is None:
            return
        try:
            with open("/proc/self/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError:  # without `/proc` nothing is looked for there either
            return
        for start, end in (fields[45:47], fields[47:49]):
            place = kernel.find_in_memory(int(start), int(end), self._before)
            if place is not None:
                self._places.append(place)

    def carry(self, mark: str) -> None:
        """Carry this mark from now on."""
        os.environ[_MARK] = mark
        after = f"{_MARK}={mark}".encode()
        if self._kernel is not None and len(after) == len(self._before):
            for place in self._places:
                self._kernel.write_memory(place, after)
