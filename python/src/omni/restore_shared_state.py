"""What calls inside the server have changed in its process, and is put back.

All of them share the process, so what one changes another meets; it is put back as soon as any of them ends.
"""

from __future__ import annotations

import os
import sys
from _signal import SIG_BLOCK, SIG_SETMASK, pthread_sigmask, setitimer

from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here
from omni.reap_children import reap, reap_known
from omni.restore_interpreter import InterpreterRestorer
from omni.restore_state import LIMITS, TIMERS, getrlimit, setrlimit, thread_hooks
from omni.streams import BlockingModes

_modules = sys.modules
_umask = os.umask
_pread = os.pread
_getaffinity = getattr(os, "sched_getaffinity", lambda _pid: None)
_setaffinity = getattr(os, "sched_setaffinity", lambda _pid, _processors: None)
_getpriority, _setpriority, _PRIO_PROCESS = os.getpriority, os.setpriority, os.PRIO_PROCESS
_gettrace, _settrace = sys.gettrace, sys.settrace
_getprofile, _setprofile = sys.getprofile, sys.setprofile
_getrecursionlimit, _setrecursionlimit = sys.getrecursionlimit, sys.setrecursionlimit


class SharedStateRestorer:
    """Remembers how things are in the server's process, and makes them so again."""

    def remember(self) -> None:
        """Take how things are for how they should be, before any call."""
        self._umask = _umask(0o077)
        _umask(self._umask)
        #: Of descriptors 0 to 2, which the server shares with whoever started it.
        self._blocking = BlockingModes()
        self._affinity = _getaffinity(0)
        self._niceness = _getpriority(_PRIO_PROCESS, 0)
        self._mask = pthread_sigmask(SIG_BLOCK, ())
        self._limits = [(kind, getrlimit(kind)) for kind in LIMITS]
        self._hooks = thread_hooks()
        self._recursion_limit = _getrecursionlimit()
        self._interpreter = InterpreterRestorer()
        self.look = self._interpreter.look
        self.accept = self._interpreter.accept

    def restore_thread(self, children: int) -> bool:
        """Put back what is this thread's own; False where it cannot be: no call may run in it any more.

        `children` is a descriptor of the list of its children: those are no other's to wait for.
        """
        self._blocking.restore()
        if _gettrace() is not None:
            _settrace(None)
        if _getprofile() is not None:
            _setprofile(None)
        if _getaffinity(0) != self._affinity:
            try:
                _setaffinity(0, self._affinity)
            except OSError:  # all of these processors were taken from us, by who manages the machine
                pass
        if "signal" in _modules:
            pthread_sigmask(SIG_SETMASK, self._mask)
        try:
            listed = _pread(children, 4096, 0)
            if listed:
                reap([int(pid) for pid in listed.split() if _is_dead(pid)])
        except OSError:  # a kernel that does not tell
            pass
        if _getpriority(_PRIO_PROCESS, 0) != self._niceness:
            try:
                _setpriority(_PRIO_PROCESS, 0, self._niceness)
            except OSError:  # who is not root may only raise it
                return False
        return True

    def restore(self) -> None:
        """Put back what all threads share."""
        _umask(self._umask)
        if "signal" in _modules:
            for timer in TIMERS:
                setitimer(timer, 0)
        if "resource" in _modules:
            self._restore_limits()
        if _getrecursionlimit() != self._recursion_limit:
            _setrecursionlimit(self._recursion_limit)
        if thread_hooks() != self._hooks:
            threading = _modules["threading"]
            threading._trace_hook, threading._profile_hook = self._hooks
        reap_known()
        self._interpreter.restore()

    def _restore_limits(self) -> None:
        for kind, limits in self._limits:
            try:
                if getrlimit(kind) != limits:
                    setrlimit(kind, limits)
            except (OSError, ValueError):  # a hard limit was lowered, for the whole server and for good
                continue


def open_children() -> int:
    """Return a descriptor of the list of this thread's children; -1 where the kernel keeps none."""
    try:
        return os.open("/proc/thread-self/children", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1


def _is_dead(pid: bytes) -> bool:
    try:
        with open(b"/proc/%s/stat" % pid, "rb") as file:
            return file.read().rpartition(b") ")[2][:1] == b"Z"
    except OSError:
        return False
