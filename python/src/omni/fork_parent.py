"""The parent of processes that serve a call each: it has imported what they need, and forks them when asked.

Started by the server like a worker. Down its channel come `fork`, with the new process's channel and the ends
of two pipes, `preload` and `reap`; up go `forked`, `exited`, `preloaded` and `unsafe`. A forked process then
speaks to the server by itself, exactly as a worker does.

It never starts a thread, since a fork takes only one along, and it imports nothing that has not been imported
by a process it forked: what kills or hangs at import does not kill or hang here.
"""

from __future__ import annotations

import _socket
import gc
import os
import sys
from _signal import SIG_DFL, SIGTERM, signal

from omni.channel import Channel, ChannelError, copy_high, open_channel
from omni.private import __builtins__  # noqa: F401 - functions find built-in names here
from omni.worker import forget_current_folder, ready, take_signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

_MARK = "OMNI_WORKER"
_RECEIVE_BYTES = 65536
_DESCRIPTOR_BYTES = 4
#: A fork brings the control channel, standard output and standard error.
_DESCRIPTORS = 3


def main() -> None:
    """Fork processes for the server until it closes the channel. Does not return."""
    forget_current_folder()
    try:
        channel = open_channel()
    except ChannelError as error:
        os.write(2, f"omni fork parent: {error}\n".encode("utf-8", "replace"))
        os._exit(2)
    # What every worker needs, imported once for all.
    import faulthandler
    import mmap
    import select

    import omni.host

    del faulthandler, mmap
    channel.send(ready())
    ForkParent(channel, select).serve(omni.host)


class ForkParent:
    """Forks, and tells how what it forked ended."""

    def __init__(self, channel: Channel, select: object) -> None:
        from omni import wire

        self._channel = channel
        self._wire = wire
        self._frames = wire.Splitter(1 << 20)
        self._descriptors: list[int] = []
        self._poll = select.poll()
        self._poll.register(channel.fileno(), select.POLLIN)
        #: The processes whose end has not been told, by the descriptor that becomes readable then.
        self._living: dict[int, tuple[int, int]] = {}
        #: Those that ended and wait for the server's word, by the server's number for them.
        self._ended: dict[int, int] = {}
        #: Where the children of our namespace's init stand, if we are in one: us, and orphans.
        self._orphans = "/proc/1/task/1/children" if (os.getpid(), os.getppid()) == (2, 1) else None
        signal(SIGTERM, self._leave)

    def _leave(self, _number: int, _frame: object) -> NoReturn:
        """Reap what has ended, which nobody else can, and end."""
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        finally:
            os._exit(0)

    def serve(self, host: object) -> NoReturn:
        """Do what the server says. Returns only in a forked process, which then ends in `host.serve`."""
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor in self._living:
                    self._tell_end(descriptor)
                    continue
                for payload in self._receive():
                    kind, body = self._wire.decode(payload)
                    if kind == "hello":
                        # For those who run calls; with it comes a page that only they need.
                        os.close(self._descriptors.pop(0))
                        self._channel.prove_with(body.get("key") or "")
                    elif kind == "fork":
                        control = self._fork(body)
                        if control is not None:
                            _serve_calls(host, *control, rehearse=body.get("rehearse"))
                    elif kind == "preload":
                        self._preload(body)
                    elif kind == "reap":
                        pid = self._ended.pop(body["id"], None)
                        if pid is not None:
                            os.waitpid(pid, 0)

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

    def _fork(self, body: dict) -> tuple[Channel, int] | None:
        """Fork, and return None in the parent, the new process's channel and error stream in the child."""
        control, out, err = self._descriptors[:_DESCRIPTORS]
        del self._descriptors[:_DESCRIPTORS]
        # What exists now is for ever: the collector of a child must not touch, and so copy, all of it.
        gc.freeze()
        try:
            pid = os.fork()
        except OSError as error:
            self._say("failed", body["id"], '"message":' + self._wire.quote(f"fork: {error}"))
            pid = -1
        if pid:
            for descriptor in (control, out, err):
                os.close(descriptor)
            if pid > 0:
                watch = os.pidfd_open(pid)
                self._living[watch] = (body["id"], pid)
                self._poll.register(watch, 1)
                self._say("forked", body["id"], f'"pid":{pid}')
            return None
        signal(SIGTERM, SIG_DFL)
        os.setsid()
        # Siblings are nothing to this process; the parent's channel was closed by the fork itself.
        for descriptor in (*self._living, *self._descriptors):
            os.close(descriptor)
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.close(out)
        os.close(err)
        _carry_mark(body["mark"])
        channel = Channel(copy_high(control, 0))
        os.close(control)
        return channel, take_signals()

    def _tell_end(self, watch: int) -> None:
        number, pid = self._living.pop(watch)
        self._poll.unregister(watch)
        os.close(watch)
        # Not reaped yet: the server may still send signals to this number, or to the group it leads.
        status = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        kind = "code" if status.si_code == os.CLD_EXITED else "signal"
        self._ended[number] = pid
        more = ',"left":true' if self._has_orphans() else ""
        self._say("exited", number, f'"{kind}":{status.si_status}{more}')

    def _has_orphans(self) -> bool:
        """Tell whether a process in our namespace has lost its parent: perhaps a call that just ended."""
        if self._orphans is None:
            return False
        try:
            with open(self._orphans, "rb") as file:
                return len(file.read().split()) > 1
        except OSError:  # a kernel that does not tell
            return False

    def _preload(self, body: dict) -> None:
        """Import a file of a skill, so that what is forked from now on has it."""
        from omni.load import load_module

        before = _open_descriptors()
        try:
            load_module(body["skill"], body["dir"], body["file"])
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


def _serve_calls(host: object, channel: Channel, err: int, *, rehearse: bool) -> NoReturn:
    channel.send(ready())
    host.serve(channel, err, rehearse=bool(rehearse))
    os._exit(0)


def _open_descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


def _carry_mark(mark: str) -> None:
    """Carry this process's own mark, by which the server finds what a tool leaves behind.

    What is started gets it from `os.environ`. What is forked only is known by the memory that the process was
    started with: there the mark is written over that of the parent, which is as long.
    """
    before = f"{_MARK}={os.environ.get(_MARK, '')}".encode()
    after = f"{_MARK}={mark}".encode()
    os.environ[_MARK] = mark
    if len(before) != len(after):
        return
    try:
        with open("/proc/self/stat", "rb") as file:
            start, end = (int(field) for field in file.read().rpartition(b")")[2].split()[47:49])
        with open("/proc/self/mem", "r+b", buffering=0) as memory:
            memory.seek(start)
            at = memory.read(end - start).find(before)
            if at >= 0:
                memory.seek(start + at)
                memory.write(after)
    except OSError:  # without `/proc` nothing is looked for there either
        pass
