"""What a call may have changed in the process and is simply put back, after its answer is sent.

A handler, the signal mask, timers, the mask for new files, limits and hooks. Setting them costs as little as
looking at them. What cannot be put back ends the process: nothing runs in it any more that anybody waits for.
"""

from __future__ import annotations

import os
import sys
from _signal import (
    ITIMER_PROF,
    ITIMER_REAL,
    ITIMER_VIRTUAL,
    SIG_BLOCK,
    SIG_SETMASK,
    SIGALRM,
    SIGCHLD,
    SIGHUP,
    SIGINT,
    SIGTERM,
    SIGUSR1,
    getsignal,
    pthread_sigmask,
    setitimer,
    signal,
)

from omni.private import __builtins__  # noqa: F401 - functions find built-in names here

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_modules = sys.modules

_loaded_before = "resource" in _modules
try:
    import resource
except ImportError:  # an interpreter built without it: its tools cannot lower limits either
    resource = None
if not _loaded_before:
    # Ours alone: that it is loaded shall mean that a tool has loaded it.
    _modules.pop("resource", None)

_umask = os.umask
_gettrace, _settrace = sys.gettrace, sys.settrace
_getprofile, _setprofile = sys.getprofile, sys.setprofile
_getrecursionlimit, _setrecursionlimit = sys.getrecursionlimit, sys.setrecursionlimit
_getrlimit = getattr(resource, "getrlimit", None)
_setrlimit = getattr(resource, "setrlimit", None)
_LIMITS = [
    getattr(resource, name)
    for name in ("RLIMIT_NOFILE", "RLIMIT_DATA", "RLIMIT_AS", "RLIMIT_FSIZE")
    if hasattr(resource, name)
]
_TIMERS = (ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF)
_SIGNALS = (SIGINT, SIGTERM, SIGHUP, SIGALRM, SIGCHLD)


def _thread_hooks() -> tuple:
    """Return what threads to come are traced and profiled by."""
    threading = _modules.get("threading")
    return (getattr(threading, "_trace_hook", None), getattr(threading, "_profile_hook", None))


class Order:
    """Remembers how things are, and makes them so again."""

    __slots__ = (
        "_handlers",
        "_limits",
        "_mask",
        "_profile",
        "_recursion_limit",
        "_stack_handler",
        "_thread_hooks",
        "_trace",
        "_umask",
        "_watch_stack_signal",
    )

    def __init__(self, watch_stack_signal: Callable[[], None]) -> None:
        """Remember how things are. The function sets up what SIGUSR1 does beside its Python handler."""
        self._umask = _umask(0o077)
        _umask(self._umask)
        self._mask = pthread_sigmask(SIG_BLOCK, ())
        self._watch_stack_signal = watch_stack_signal
        self.accept()
        self._stack_handler = getsignal(SIGUSR1)
        self._limits = [(kind, _getrlimit(kind)) for kind in _LIMITS]
        self._trace = _gettrace()
        self._profile = _getprofile()

    def accept(self) -> None:
        """Take for granted what a skill's import has set: handlers, hooks of threads, depth of recursion."""
        self._recursion_limit = _getrecursionlimit()
        self._thread_hooks = _thread_hooks()
        self._handlers = [(number, getsignal(number)) for number in _SIGNALS]

    def restore(self) -> None:
        """Put everything back. Raises `OSError` or `ValueError` where that cannot be done."""
        if _getrecursionlimit() != self._recursion_limit:
            _setrecursionlimit(self._recursion_limit)
        _umask(self._umask)
        # What needs a module is only looked at when somebody has loaded that: most tools have not.
        if "signal" in _modules:
            self._restore_signals()
        if "resource" in _modules:
            for kind, limits in self._limits:
                if _getrlimit(kind) != limits:
                    _setrlimit(kind, limits)
        if _gettrace() is not self._trace:
            _settrace(self._trace)
        if _getprofile() is not self._profile:
            _setprofile(self._profile)
        if _thread_hooks() != self._thread_hooks:
            threading = _modules["threading"]
            threading._trace_hook, threading._profile_hook = self._thread_hooks

    def _restore_signals(self) -> None:
        # Handlers first: with one gone, what comes in as soon as its signal is let through could end us.
        for number, handler in self._handlers:
            if getsignal(number) is not handler and handler is not None:  # None: it is not Python's
                signal(number, handler)
        if getsignal(SIGUSR1) is not self._stack_handler:
            signal(SIGUSR1, self._stack_handler)
            self._watch_stack_signal()
            self._stack_handler = getsignal(SIGUSR1)
        for timer in _TIMERS:
            setitimer(timer, 0)
        pthread_sigmask(SIG_SETMASK, self._mask)
