"""The borders between forked calls: a process-id namespace for each, or at least memory nobody else reads.

A namespace needs a process number 1, and making that takes longer than a fork. So these inits are made
ahead, and one whose namespace is empty again serves the next call. The parent enters the namespace for the
length of one fork; its child then takes over init's mounts, which have a `/proc` of their own, and gives up
every right.

Python has `setns` from 3.12 on and has no word for capabilities, so all of it goes through `ctypes`.
"""

from __future__ import annotations

import _socket
import errno
import os
import select
from _signal import SIGKILL

from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

_CLONE_NEWNS = 0x00020000
_CLONE_NEWPID = 0x20000000
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_CAP_SYS_CHROOT = 18
_CAP_SYS_ADMIN = 21
#: `_LINUX_CAPABILITY_VERSION_3`.
_CAPABILITY_VERSION = 0x20080522
#: More idle inits than this are not kept. Each takes a few hundred KiB.
_IDLE_MAX = 4


class Kernel:
    """System calls that Python lacks. Each raises `OSError`."""

    def __init__(self) -> None:
        import ctypes

        self._ctypes = ctypes
        self._library = ctypes.CDLL(None, use_errno=True)
        # Version and process (0: ourselves), then effective, permitted and inheritable in two halves.
        self._header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
        self._nothing = (ctypes.c_uint32 * 6)()
        self._prctl = self._library.prctl
        self._prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
        for name in ("setns", "unshare", "capset"):
            getattr(self._library, name)

    def setns(self, descriptor: int, kind: int) -> None:
        """Enter a namespace: with a process-id namespace, the children to come do."""
        self._check("setns", self._library.setns(descriptor, kind))

    def unshare(self, kind: int) -> None:
        """Have the children to come begin a namespace."""
        self._check("unshare", self._library.unshare(kind))

    def give_up_capabilities(self) -> None:
        """Drop all capabilities for good."""
        self._check("capset", self._library.capset(self._header, self._nothing))

    def keep_capabilities(self) -> None:
        """Have programs that are executed start without our capabilities."""
        self._check("prctl", self._prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0))

    def pass_capabilities(self) -> None:
        """Have programs that are executed start with what it takes to make a namespace."""
        for capability in (_CAP_SYS_CHROOT, _CAP_SYS_ADMIN):
            self._check("prctl", self._prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0))

    def hide_memory(self) -> None:
        """Let nobody without rights read or trace this process, until it executes another program."""
        self._check("prctl", self._prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0))

    def adopt_orphans(self) -> None:
        """Have processes below this one that lose their parent become its children."""
        self._check("prctl", self._prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))

    def find_in_memory(self, start: int, end: int, wanted: bytes) -> int | None:
        """Return the address at which `wanted` stands between two addresses of this process."""
        at = self._ctypes.string_at(start, end - start).find(wanted)
        return start + at if at >= 0 else None

    def write_memory(self, address: int, content: bytes) -> None:
        """Write over memory of this process."""
        self._ctypes.memmove(address, content, len(content))

    def _check(self, name: str, result: int) -> None:
        if result < 0:
            number = self._ctypes.get_errno()
            raise OSError(number, f"{name}: {os.strerror(number)}")


class CallInit:
    """Number 1 of one call's namespace."""

    __slots__ = ("line", "mounts", "numbers", "pid", "watch")

    def __init__(self, pid: int, line: Any) -> None:
        self.pid = pid
        #: Readable when it has ended, and so when all in its namespace has.
        self.watch = os.pidfd_open(pid)
        #: What it says until it is ready.
        self.line: Any = line
        #: Descriptors of its namespaces.
        self.numbers = -1
        self.mounts = -1

    def descriptors(self) -> list[int]:
        """Return every descriptor that belongs to it."""
        own = [self.watch, self.numbers, self.mounts, self.line.fileno() if self.line else -1]
        return [descriptor for descriptor in own if descriptor >= 0]


class CallInits:
    """Inits for the calls to come, and their life until nothing is left of them."""

    def __init__(self, kernel: Kernel, launcher: int, poll: Any) -> None:
        """Use the open program `launcher` to make inits, and have `poll` wait for them too."""
        self._kernel = kernel
        self._launcher = launcher
        self._poll = poll
        self._own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        self._folder = os.getcwd()
        #: Root's tools keep its rights, and could do to init or its mounts what the next call would meet.
        self._reuses = os.geteuid() != 0
        if self._reuses:
            kernel.keep_capabilities()
        self._idle: list[CallInit] = []
        self._rising: list[CallInit] = []
        #: All that live, by a descriptor that `poll` waits for: the line of one that rises, then its watch.
        self._all: dict[int, CallInit] = {}
        #: One has been ready: where it fails later, that is no reason to do without.
        self.proven = False

    def prepare(self, wanted: int) -> None:
        """Begin to make inits until so many are idle or on their way; raises `OSError`."""
        while len(self._idle) + len(self._rising) < min(wanted, _IDLE_MAX):
            self._begin()

    def _begin(self) -> None:
        ours, theirs = _socket.socketpair()
        path = f"/proc/self/fd/{self._launcher}"
        self._kernel.unshare(_CLONE_NEWPID)
        try:
            # Root's programs have root's rights in any case.
            if self._reuses:
                self._kernel.pass_capabilities()
            actions = [(os.POSIX_SPAWN_DUP2, theirs.fileno(), 0)]
            arguments = ["omni", "__launch", "call-init"]
            pid = os.posix_spawn(path, arguments, {}, file_actions=actions)
        finally:
            if self._reuses:
                self._kernel.keep_capabilities()
            # A second `unshare` without this would fail, and so would a thread.
            self._kernel.setns(self._own, _CLONE_NEWPID)
            theirs.close()
        init = CallInit(pid, ours)
        self._rising.append(init)
        self._register(init, ours.fileno())

    def is_ready(self) -> bool:
        """Tell whether `take` would return one."""
        return bool(self._idle)

    def take(self) -> CallInit | None:
        """Return an init that is ready, if one is."""
        return self._idle.pop() if self._idle else None

    def hear(self, descriptor: int) -> bool:
        """Hear what `poll` has found; False when that is none of ours.

        Raises `OSError` when an init could not be made.
        """
        init = self._all.get(descriptor)
        if init is None:
            return False
        if init.line and descriptor == init.line.fileno():
            self._hear_rising(init)
        else:
            self._reap(init)
        return True

    def _hear_rising(self, init: CallInit) -> None:
        said = init.line.recv(1000)
        if said == b"1":
            # It stands, and can still be looked at: as soon as it hears from us it cannot any more.
            flags = os.O_RDONLY | os.O_CLOEXEC
            try:
                init.numbers = os.open(f"/proc/{init.pid}/ns/pid", flags)
                init.mounts = os.open(f"/proc/{init.pid}/ns/mnt", flags)
            except OSError as error:
                self._fail(init, f"{error}")
            init.line.send(b"2")
        elif said == b"3":
            self._watch(init)
            self._idle.append(init)
            self.proven = True
        else:
            self._fail(init, said.decode("utf-8", "replace") or "its init ended without a word")

    def _watch(self, init: CallInit) -> None:
        """Wait for the end of an init that has said its last word."""
        self._rising.remove(init)
        self._unregister(init.line.fileno())
        init.line.close()
        init.line = None
        self._register(init, init.watch)

    def _fail(self, init: CallInit, reason: str) -> NoReturn:
        self._watch(init)
        os.kill(init.pid, SIGKILL)
        raise OSError(errno.EIO, f"a process-id namespace for a call: {reason}")

    def fork(self, init: CallInit) -> int:
        """Fork into init's namespace. Raises `OSError`; `ENOMEM` also when init is dead."""
        self._kernel.setns(init.numbers, _CLONE_NEWPID)
        try:
            pid = os.fork()
        except BaseException:
            self._kernel.setns(self._own, _CLONE_NEWPID)
            raise
        if pid:
            self._kernel.setns(self._own, _CLONE_NEWPID)
        return pid

    def enter(self, init: CallInit) -> None:
        """In the child: take over init's mounts, and keep neither rights nor a way to any other namespace."""
        self._kernel.setns(init.mounts, _CLONE_NEWNS)
        os.chdir(self._folder)
        if self._reuses:
            self._kernel.give_up_capabilities()
        for other in self._all.values():
            for descriptor in other.descriptors():
                os.close(descriptor)
        os.close(self._own)
        # The launcher's was closed by the fork itself: see `copy_high`.

    def give_back(self, init: CallInit) -> None:
        """Keep an init whose call has been reaped if its namespace is empty; else end all that is there."""
        if self._reuses and len(self._idle) < _IDLE_MAX and self._is_empty(init):
            self._idle.append(init)
        else:
            self.discard(init)

    def discard(self, init: CallInit) -> None:
        """End an init, and with it everything in its namespace."""
        # It is reaped by us alone, so the number is still its own.
        os.kill(init.pid, SIGKILL)

    def end_all(self) -> None:
        """End every init that was not reaped yet."""
        for init in self._all.values():
            os.kill(init.pid, SIGKILL)

    def _is_empty(self, init: CallInit) -> bool:
        # The first entry is looked up under the kernel's lock, and whoever loses its parent is init's child
        # before that parent is gone: so an empty list says that nobody is left.
        try:
            with open(f"/proc/{init.pid}/task/{init.pid}/children", "rb") as file:
                return not file.read(1)
        except OSError:  # gone
            return False

    def _reap(self, init: CallInit) -> None:
        self._unregister(init.watch)
        if init in self._idle:
            self._idle.remove(init)
        for descriptor in init.descriptors():
            os.close(descriptor)
        try:
            os.waitpid(init.pid, 0)
        except ChildProcessError:  # it was taken for something that a call has left
            pass

    def _register(self, init: CallInit, descriptor: int) -> None:
        self._all[descriptor] = init
        self._poll.register(descriptor, select.POLLIN)

    def _unregister(self, descriptor: int) -> None:
        del self._all[descriptor]
        self._poll.unregister(descriptor)
