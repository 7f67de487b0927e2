"""What a call may have changed in the process and is simply put back, after its answer is sent.

A handler, the signal mask, timers, the mask for new files, limits, processors and hooks; what is the
interpreter's own is in `restore_interpreter`. Setting them costs as little as looking at them. What cannot
be put back ends the process: nothing runs in it any more that anybody waits for.
"""

from __future__ import annotations

import os
import sys
from _operator import attrgetter
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
    set_wakeup_fd,
    setitimer,
    signal,
)
from faulthandler import cancel_dump_traceback_later as _cancel_dump

from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here
from omni.restore_interpreter import InterpreterRestorer

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
getrlimit = getattr(resource, "getrlimit", None)
setrlimit = getattr(resource, "setrlimit", None)
LIMITS = [
    getattr(resource, name)
    for name in ("RLIMIT_NOFILE", "RLIMIT_DATA", "RLIMIT_AS", "RLIMIT_FSIZE")
    if hasattr(resource, name)
]
_getaffinity = getattr(os, "sched_getaffinity", lambda _pid: None)
_setaffinity = getattr(os, "sched_setaffinity", lambda _pid, _processors: None)
TIMERS = (ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF)
_SIGNALS = (SIGINT, SIGTERM, SIGHUP, SIGALRM, SIGCHLD)


def open_files_max() -> int | None:
    """Return how many descriptors this process may have; None where nothing bounds them."""
    if resource is None:
        return None
    soft = getrlimit(resource.RLIMIT_NOFILE)[0]
    return None if soft == resource.RLIM_INFINITY else soft


_hooks = attrgetter("_trace_hook", "_profile_hook")
_NO_HOOKS = (None, None)


def thread_hooks() -> tuple:
    """Return what threads to come are traced and profiled by."""
    threading = _modules.get("threading")
    return _NO_HOOKS if threading is None else _hooks(threading)


def _handlers() -> list[tuple]:
    return [(number, getsignal(number)) for number in _SIGNALS]


class StateRestorer:
    """Remembers how things are, and makes them so again."""

    __slots__ = (
        "_affinity",
        "_handlers",
        "_interpreter",
        "_limits",
        "_mask",
        "_profile",
        "_recursion_limit",
        "_stack_handler",
        "_thread_hooks",
        "_trace",
        "_umask",
        "_wakeup",
        "_watch_stack_signal",
    )

    def __init__(self, watch_stack_signal: Callable[[], None], *, keeps_variables: bool = False) -> None:
        """Remember how things are.

        Args:
            watch_stack_signal: Sets up what SIGUSR1 does beside its Python handler.
            keeps_variables: What tools set in the environment stays: it is one skill's state.
        """
        self._umask = _umask(0o077)
        _umask(self._umask)
        self._mask = pthread_sigmask(SIG_BLOCK, ())
        self._watch_stack_signal = watch_stack_signal
        self._recursion_limit = _getrecursionlimit()
        self._thread_hooks = thread_hooks()
        self._handlers = _handlers()
        self._affinity = _getaffinity(0)
        self._interpreter = InterpreterRestorer(keeps_variables=keeps_variables)
        self._stack_handler = getsignal(SIGUSR1)
        self._wakeup = set_wakeup_fd(-1)
        if self._wakeup >= 0:
            set_wakeup_fd(self._wakeup)
        self._limits = [(kind, getrlimit(kind)) for kind in LIMITS]
        self._trace = _gettrace()
        self._profile = _getprofile()

    def look(self) -> tuple:
        """Return how things are before an import, for `accept`."""
        own = (_getrecursionlimit(), thread_hooks(), _getaffinity(0))
        return own, _handlers(), self._interpreter.look()

    def accept(self, before: tuple) -> None:
        """Take for granted what a skill's import has set since that look, and nothing that was so already."""
        own, handlers, interpreter = before
        now = (_getrecursionlimit(), thread_hooks(), _getaffinity(0))
        kept = (self._recursion_limit, self._thread_hooks, self._affinity)
        self._recursion_limit, self._thread_hooks, self._affinity = (
            value if value != then else was for was, then, value in zip(kept, own, now)
        )
        self._handlers = [
            was if value is then else (number, value)
            for was, (_, then), (number, value) in zip(self._handlers, handlers, _handlers())
        ]
        self._interpreter.accept(interpreter)

    def restore(self) -> None:
        """Put everything back. Raises `OSError` or `ValueError` where that cannot be done."""
        if _getrecursionlimit() != self._recursion_limit:
            _setrecursionlimit(self._recursion_limit)
        _umask(self._umask)
        _cancel_dump()
        if _getaffinity(0) != self._affinity:
            self._restore_affinity()
        # What needs a module is only looked at when somebody has loaded that: most tools have not.
        if "signal" in _modules:
            self._restore_signals()
        if "resource" in _modules:
            for kind, limits in self._limits:
                if getrlimit(kind) != limits:
                    setrlimit(kind, limits)
        if _gettrace() is not self._trace:
            _settrace(self._trace)
        if _getprofile() is not self._profile:
            _setprofile(self._profile)
        if thread_hooks() != self._thread_hooks:
            threading = _modules["threading"]
            threading._trace_hook, threading._profile_hook = self._thread_hooks
        self._interpreter.restore()

    def _restore_affinity(self) -> None:
        try:
            _setaffinity(0, self._affinity)
        except OSError:  # all of these processors were taken from us, by who manages the machine
            pass
        self._affinity = _getaffinity(0)

    def _restore_signals(self) -> None:
        # Handlers first: with one gone, what comes in as soon as its signal is let through could end us.
        for number, handler in self._handlers:
            if getsignal(number) is not handler and handler is not None:  # None: it is not Python's
                signal(number, handler)
        if getsignal(SIGUSR1) is not self._stack_handler:
            signal(SIGUSR1, self._stack_handler)
            self._watch_stack_signal()
            self._stack_handler = getsignal(SIGUSR1)
        for timer in TIMERS:
            setitimer(timer, 0)
        pthread_sigmask(SIG_SETMASK, self._mask)
        if set_wakeup_fd(-1) != self._wakeup or self._wakeup >= 0:
            set_wakeup_fd(self._wakeup)
