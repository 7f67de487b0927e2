"""What a call has left behind that would hurt the next one in this process.

Looked for after every call, before its answer is sent, so it costs microseconds and asks the kernel three
times. What can simply be put back is not looked for here but put back after the answer: see `restore_state`.

It stands against accidents and against manners that are bad but common. A tool that sets out to deceive code
in its own process can; the borders against that are the kernel's.
"""

from __future__ import annotations

import os
import posixpath
import select
import sys
import time
from _functools import partial
from _operator import itemgetter
from _thread import _count as count_threads

from omni import invoke, wire
from omni.channel import Channel, copy_high
from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here
from omni.reap_children import reap
from omni.restore_state import open_files_max

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

#: Threads that may stay: idle ones of a pool that a module keeps, say.
_THREADS_MAX = 32
#: Milliseconds that a thread or a child has to come to its end.
_ENDING_MAX = 10
#: Descriptors that may stay open, the connections of a client that a module keeps among them.
_DESCRIPTORS_MAX = 256
#: How often children are killed and looked for again: what they leave becomes ours.
_KILLS_MAX = 20
#: So many more descriptors must be to be had.
_RESERVE = 8

_SIGKILL = 9
#: How the module of a skill's own code begins.
_SKILLS = "omni_skills"
#: What no library has a reason to replace.
_NEVER_RENEWED = frozenset(
    [
        "builtins",
        "sys",
        "omni.wire",
        "omni.invoke",
        "omni.invoke.ToolRunner",
        "omni.channel.Channel",
    ]
)

_BUILTINS = (
    "__build_class__ __import__ dict getattr int isinstance iter len list next open print range setattr "
    "str super tuple type"
)
_OS = (
    "close dup2 environ fork fspath getcwd kill listdir mkdir open path read remove rename scandir stat write"
)
#: Modules that a worker need not have loaded, and what of them a later call would miss.
_LATER = {
    "json": "dump dumps load loads",
    "socket": "create_connection socket",
    "struct": "Struct pack unpack",
    "subprocess": "Popen run",
    "threading": "Event Thread",
    "tempfile": "mkdtemp mkstemp",
    "shutil": "copyfile rmtree which",
}


class ContaminationCheck:
    """Knows how the process was, and says what has become of it."""

    __slots__ = (
        "_accepted",
        "_answers",
        "_asks",
        "_children",
        "_copy",
        "_descriptors",
        "_first_free",
        "_later",
        "_later_count",
        "_marks",
        "_niceness",
        "_own_threads",
        "_poll",
        "_threads",
    )

    def __init__(self, copy: int) -> None:
        """Remember how things are. `copy` is a descriptor of the worker's own."""
        self._copy = copy
        self._marks = [
            _WatchedNames("builtins", vars(sys.modules["builtins"]), _BUILTINS),
            _WatchedNames("os", vars(os), _OS),
            _WatchedNames("os.path", vars(posixpath), "abspath dirname exists isfile join"),
            _WatchedNames("sys", vars(sys), "exit modules"),
            _WatchedNames("time", vars(time), "sleep time"),
            _WatchedNames("omni.wire", vars(wire), "error quote result scan seal"),
            _WatchedNames("omni.invoke", vars(invoke), "prepare render"),
            _WatchedNames("omni.invoke.ToolRunner", vars(invoke.ToolRunner), "answer begin describe run"),
            _WatchedNames("omni.channel.Channel", vars(Channel), "receive send send_locked"),
        ]
        self._later = dict(_LATER)
        self._later_count = 0
        #: What was there before any call, and what has been looked at since.
        self._own_threads = self._threads = count_threads()
        self._accepted: frozenset[int] = frozenset()
        #: The kernel's list of the main thread's children.
        self._children = _open_children()
        self._first_free = self._lowest_free()
        # One question for two things: that our own descriptor is there, and one is not that would be if too
        # many were left open.
        poll = new_poll()
        poll.register(copy, 0)
        poll.register(_beyond(self._first_free), 0)
        self._poll = poll.poll
        self._descriptors = poll.poll(0)
        self._niceness = _getpriority(_PRIO_PROCESS, 0)
        self.accept()

    def accept(self) -> None:
        """Take for granted what libraries have replaced while a skill was imported: they do so once.

        What the skill's own code replaces is another matter: other skills may be served here next.
        """
        self._niceness = _getpriority(_PRIO_PROCESS, 0)
        for mark in self._marks:
            mark.renew()
        for name in [name for name in self._later if name in sys.modules]:
            mark = _WatchedNames(name, vars(sys.modules[name]), self._later.pop(name))
            mark.distrust(lambda value: str(getattr(value, "__module__", "")).startswith(_SKILLS))
            self._marks.append(mark)
        self._ask_for_marks()

    def _ask_for_marks(self) -> None:
        self._asks = [mark.ask for mark in self._marks]
        self._answers = [mark.values for mark in self._marks]

    def findings(self, *, first: bool) -> list[str] | None:
        """Say what the call that has just ended did to the process; None when all is well.

        In its `first` call here a tool may leave a child process running, as a helper for its later calls.
        """
        found: list[str] = []
        if len(_modules) != self._later_count:
            self._look_at_new_modules()
        try:
            if [ask() for ask in self._asks] != self._answers:
                found += [mark.broken() for mark in self._marks if mark.ask() != mark.values]
        except KeyError:  # one of them was deleted
            found += [mark.broken() for mark in self._marks if mark.lacks()]
        threads = count_threads()
        if threads != self._threads:
            found += self._unwelcome_threads()
        if self._poll(0) != self._descriptors:
            self._look_at_descriptors(found)
        if self._accepted or threads != self._own_threads or self._has_children():
            self._look_at_children(found, first=first)
        if _getpriority(_PRIO_PROCESS, 0) != self._niceness:
            self._look_at_niceness(found)
        return found or None

    def _look_at_new_modules(self) -> None:
        self._later_count = len(_modules)
        for name in [name for name in self._later if name in _modules]:
            # Loaded by the call itself. A function tells by its module whether it is the real one.
            mark = _WatchedNames(name, vars(_modules[name]), self._later.pop(name))
            mark.distrust(
                lambda value, name=name: getattr(value, "__module__", None) not in (name, f"_{name}")
            )
            self._marks.append(mark)
        self._ask_for_marks()

    @property
    def has_children(self) -> bool:
        """Whether processes that calls have left may stay."""
        return bool(self._accepted)

    # -- threads --------------------------------------------------------------------------------------

    def _unwelcome_threads(self) -> list[str]:
        # A thread that is about to end, as our own do that listen during a call, is nothing to speak of.
        for _ in range(_ENDING_MAX):
            found: list[str] = []
            self._look_at_threads(found)
            if not found:
                break
            _sleep(0.001)
        return found

    def _look_at_threads(self, found: list[str]) -> None:
        self._threads = count_threads()
        count = self._threads - self._own_threads
        if count <= 0:
            return
        threading = sys.modules.get("threading")
        pools = sys.modules.get("concurrent.futures.thread")
        work = getattr(pools, "_worker", None)
        known = 0
        for thread in list(getattr(threading, "_active", {}).values()):
            if thread.__class__.__name__ == "_MainThread":
                continue
            known += 1
            if not thread.daemon and (work is None or getattr(thread, "_target", None) is not work):
                found.append(f"the thread `{thread.name}` was left running")
        if count > known:
            found.append(f"{count - known} thread(s) that `threading` does not know were left running")
        elif count > _THREADS_MAX:
            found.append(f"{count} threads were left running")

    # -- descriptors ------------------------------------------------------------------------------------

    def _lowest_free(self) -> int:
        try:
            free = _dup(self._copy)
        except OSError:
            return -1
        _close(free)
        return free

    def _look_at_descriptors(self, found: list[str]) -> None:
        # The lowest free number grows with every descriptor that is not closed, sooner or later.
        free = self._lowest_free()
        if free < 0:
            found.append("a descriptor of the worker's own was closed, or no more can be had")
        elif free > self._first_free + _DESCRIPTORS_MAX:
            found.append(f"{free - self._first_free} descriptors were left open")

    # -- children -----------------------------------------------------------------------------------------

    def _has_children(self) -> bool:
        # A thread's children go to another thread when it ends, so with one thread all are here.
        try:
            return bool(_pread(self._children, 1, 0))
        except OSError:  # a kernel that does not tell, or a tool has closed the descriptor
            return True

    def _look_at_children(self, found: list[str], *, first: bool) -> None:
        try:
            dead = _waitid(_P_ALL, 0, _ANY_STATE)
        except ChildProcessError:
            # None, living or dead: the usual case.
            self._accepted = _NOBODY
            return
        except OSError:
            return
        if dead is not None:
            _reap_dead()
        children = _children()
        if children == self._accepted:
            return
        unwelcome = self._unwelcome_children(first=first)
        if unwelcome:
            found.append(f"{len(unwelcome)} process(es) were left running")
            _end(_children() - self._accepted - _multiprocessing_children())
            _reap_dead()
        else:
            self._accepted = _children()

    def _unwelcome_children(self, *, first: bool) -> frozenset[int]:
        session = _getsid(0)
        # One that is about to end, as the child of `os.popen` is after its output, is nothing to speak of. A
        # first call may leave one, but one that ends right after it would lie about dead in the next call.
        for _ in range(_ENDING_MAX):
            own = _multiprocessing_children()
            states = {pid: _state(pid) for pid in _children() - self._accepted}
            living = {
                pid: theirs for pid, (state, theirs) in states.items() if state != "Z" and pid not in own
            }
            if not living:
                break
            _sleep(0.001)
        if any(state == "Z" for state, _ in states.values()):
            _reap_dead()
        return frozenset(pid for pid, theirs in living.items() if not (first and theirs == session))

    # -- priority -----------------------------------------------------------------------------------------

    def _look_at_niceness(self, found: list[str]) -> None:
        try:
            _setpriority(_PRIO_PROCESS, 0, self._niceness)
        except OSError:  # who is not root may only raise it
            niceness = _getpriority(_PRIO_PROCESS, 0)
            found.append(f"its niceness was raised from {self._niceness} to {niceness}")


class _WatchedNames:
    """Names of one module, and what they meant: `ask()` should return `values`."""

    __slots__ = ("_module", "_names", "ask", "namespace", "values")

    def __init__(self, module: str, namespace: Mapping[str, Any], names: str) -> None:
        self._module = module
        self._names = [name for name in names.split() if name in namespace]
        self.namespace = namespace
        self.ask = partial(itemgetter(*self._names), namespace)
        self.values = self.ask()

    def renew(self) -> None:
        """Take what a library has put in place of a thing for that thing."""
        if self._module in _NEVER_RENEWED:
            return
        now = [self.namespace.get(name) for name in self._names]
        self.values = tuple(
            before if value is None or str(getattr(value, "__module__", "")).startswith(_SKILLS) else value
            for before, value in zip(self.values, now)
        )

    def distrust(self, foreign: Callable[[object], bool]) -> None:
        """Never hold again if one of the things is foreign."""
        self.values = tuple(self if foreign(value) else value for value in self.values)

    def lacks(self) -> bool:
        """Whether one of the names is gone."""
        return any(name not in self.namespace for name in self._names)

    def broken(self) -> str:
        """Say what is not as it was."""
        for name, value in zip(self._names, self.values):
            if self.namespace.get(name, self) is not value or value is self:
                return f"`{self._module}.{name}` was replaced"
        return f"`{self._module}` was changed"


_modules = sys.modules
_dup = os.dup
_close = os.close
_pread = os.pread
new_poll = select.poll
_getpriority = os.getpriority
_setpriority = os.setpriority
_PRIO_PROCESS = os.PRIO_PROCESS
_kill = os.kill
_getsid = os.getsid
_listdir = os.listdir
_sleep = time.sleep
_waitid = getattr(os, "waitid", None)
_P_ALL = getattr(os, "P_ALL", 0)
#: Asks whether there is any child, and takes nothing away from those who wait for it.
_ANY_STATE = getattr(os, "WEXITED", 0) | getattr(os, "WNOHANG", 0) | getattr(os, "WNOWAIT", 0)
_NOBODY: frozenset[int] = frozenset()


def _open_children() -> int:
    """Return a descriptor of the list of this thread's children; -1 where the kernel keeps none."""
    try:
        opened = os.open("/proc/thread-self/children", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1
    copy = copy_high(opened, 4)
    _close(opened)
    return copy


def _beyond(first_free: int) -> int:
    """Return a number that no descriptor has unless too many are open, or hardly any more can be had."""
    beyond = first_free + _DESCRIPTORS_MAX
    limit = open_files_max()
    return beyond if limit is None else max(first_free, min(beyond, limit - _RESERVE))


def _children() -> frozenset[int]:
    """Return our children, dead ones that nobody has waited for among them."""
    pids: set[int] = set()
    try:
        for task in _listdir("/proc/self/task"):
            with open(f"/proc/self/task/{task}/children", "rb") as file:
                pids.update(map(int, file.read().split()))
    except OSError:  # a kernel that does not tell
        pass
    return frozenset(pids)


def _reap_dead() -> None:
    reap([pid for pid in _children() if _state(pid)[0] == "Z"])


def _state(pid: int) -> tuple[str, int]:
    """Return the letter of a process's state, and its session."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b") ")[2].split()
        return fields[0].decode(), int(fields[3])
    except (OSError, IndexError, ValueError):
        return "Z", 0


def _multiprocessing_children() -> frozenset[int]:
    """Return the processes that pools of `multiprocessing` keep, which end with their pool."""
    own = getattr(sys.modules.get("multiprocessing.process"), "_children", ())
    pids = {process.pid for process in list(own)}
    for name in ("multiprocessing.resource_tracker", "joblib.externals.loky.backend.resource_tracker"):
        pids.add(getattr(getattr(sys.modules.get(name), "_resource_tracker", None), "_pid", None))
    server = getattr(sys.modules.get("multiprocessing.forkserver"), "_forkserver", None)
    pids.add(getattr(server, "_forkserver_pid", None))
    return frozenset(pid for pid in pids if type(pid) is int)


def _end(pids: frozenset[int]) -> None:
    """Kill processes, and then what they leave: as their next ancestor that adopts orphans, we get it."""
    before = _children() - pids
    for _ in range(_KILLS_MAX):
        living = [pid for pid in _children() - before if _state(pid)[0] != "Z"]
        if not living:
            return
        for pid in living:
            try:
                _kill(pid, _SIGKILL)
            except OSError:  # gone by itself, or another user's
                pass
        _sleep(0.001)
