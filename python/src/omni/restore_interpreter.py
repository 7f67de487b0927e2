"""What a call may have changed in the interpreter and is simply put back: hooks, paths, variables, settings.

Most of it costs as little to look at as a few names. What belongs to a module of the library is looked at
only once somebody has loaded that module. What the import of a skill sets is how things are from then on.
"""

from __future__ import annotations

import os
import sys
import time
from _operator import itemgetter
from _socket import getdefaulttimeout, setdefaulttimeout
from _thread import _excepthook
from _warnings import filters as _filters

from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_modules = sys.modules

_loaded_before = "gc" in _modules
import gc as _gc  # noqa: E402 - after the look

if not _loaded_before:
    # Ours alone: that it is loaded shall mean that a tool has loaded it.
    _modules.pop("gc", None)

_names = vars(sys)
_variables: dict[bytes, bytes] = os.environ._data  # type: ignore[attr-defined]
_putenv, _unsetenv = os.putenv, os.unsetenv
_tzset = getattr(time, "tzset", lambda: None)
_getinterval, _setinterval = sys.getswitchinterval, sys.setswitchinterval
_getdigits = getattr(sys, "get_int_max_str_digits", lambda: 0)
_setdigits = getattr(sys, "set_int_max_str_digits", lambda _digits: None)

#: How the module of a skill's own code begins.
_SKILLS = "omni_skills"
#: Attributes of `sys` that are one thing and stay it.
_FIXED = [
    name
    for name in (
        "argv",
        "breakpointhook",
        "displayhook",
        "dont_write_bytecode",
        "excepthook",
        "meta_path",
        "path",
        "path_hooks",
        "pycache_prefix",
        "unraisablehook",
    )
    if name in _names
]
_fixed = itemgetter(*_FIXED)
#: Modules that were taken out by us, and shall not come back.
_forgotten: dict[str, Any] = {}
#: Those that are lists of values.
_LISTS = [name for name in ("argv", "path") if name in _FIXED]
#: Those that are lists to which libraries add when they are imported, in a call too.
_FINDERS = ("meta_path", "path_hooks")


def forget_modules(gone: dict[str, Any]) -> None:
    """Have modules that were taken out of `sys.modules` stay out. There is one restorer in a process."""
    _forgotten.update(gone)


class InterpreterRestorer:
    """Remembers how things are, and makes them so again. Never raises."""

    __slots__ = (
        "_contents",
        "_digits",
        "_finders",
        "_fixed",
        "_interval",
        "_keeps_variables",
        "_known",
        "_known_count",
        "_lists",
        "_loaded",
        "_places",
        "_settings",
        "_timeout",
        "_variables",
    )

    def __init__(self, *, keeps_variables: bool = False) -> None:
        """Remember how things are. With `keeps_variables` those of the environment are a tool's to keep."""
        self._keeps_variables = keeps_variables
        self._fixed = _fixed(_names)
        self._keep_lists(
            [(_names[name], list(_names[name])) for name in _LISTS],
            [(_names[name], list(_names[name])) for name in _FINDERS],
        )
        self._variables = dict(_variables)
        self._interval = _getinterval()
        self._digits = _getdigits()
        self._timeout = getdefaulttimeout()
        self._settings = _settings()
        #: Those whose module is there.
        self._loaded: list[_Setting] = []
        self._known: dict[str, Any] = {}
        self._known_count = 0
        self._keep_modules()

    def look(self) -> tuple:
        """Return how things are before an import, for `accept`."""
        lists = [list(_names[name]) for name in (*_LISTS, *_FINDERS)]
        settings = {setting: setting.read() for setting in self._loaded}
        scalars = (_getinterval(), _getdigits(), getdefaulttimeout())
        return _fixed(_names), lists, dict(_variables), scalars, settings

    def accept(self, before: tuple) -> None:
        """Take what has changed since that look as how things are.

        What was changed already is not: an import of one skill may happen while calls of another run.
        """
        fixed, lists, variables, scalars, settings = before
        self._fixed = tuple(
            kept if now is then else now for kept, then, now in zip(self._fixed, fixed, _fixed(_names))
        )
        places = dict(zip(_FIXED, self._fixed))
        kept = [content for _, content in (*self._lists, *self._finders)]
        pairs = [
            (places[name], _with_changes(content, then, list(_names[name])))
            for name, content, then in zip((*_LISTS, *_FINDERS), kept, lists)
        ]
        self._keep_lists(pairs[: len(_LISTS)], pairs[len(_LISTS) :])
        for name in variables.keys() | _variables.keys():
            value = _variables.get(name)
            if value == variables.get(name):
                continue
            if value is None:
                self._variables.pop(name, None)
            else:
                self._variables[name] = value
        now = (_getinterval(), _getdigits(), getdefaulttimeout())
        own = (self._interval, self._digits, self._timeout)
        self._interval, self._digits, self._timeout = (
            kept if value == then else value for kept, then, value in zip(own, scalars, now)
        )
        self._keep_modules()
        for setting in self._loaded:
            value = setting.read()
            if setting not in settings or settings[setting] != value:
                setting.value = value

    def restore(self) -> None:
        """Put everything back."""
        if len(_modules) != self._known_count:
            self._keep_modules()
        try:
            if _fixed(_names) != self._fixed:
                self._restore_fixed()
        except KeyError:  # one of them was deleted
            self._restore_fixed()
        if self._places != self._contents:
            self._restore_lists()
        if _variables != self._variables and not self._keeps_variables:
            self._restore_variables()
        if _getinterval() != self._interval:
            _setinterval(self._interval)
        if _getdigits() != self._digits:
            _setdigits(self._digits)
        if getdefaulttimeout() != self._timeout:
            setdefaulttimeout(self._timeout)
        for setting in self._loaded:
            try:
                usual = not setting.differs(setting)
            except Exception:  # a tool has taken something away
                usual = False
            if not usual:
                setting.restore()

    def _keep_modules(self) -> None:
        """Put back modules that were forgotten: code that is there would get others of that name, or none."""
        for name, module in self._known.items():
            if name not in _modules and _forgotten.get(name) is not module:
                _modules[name] = module
        _forgotten.clear()
        self._known = dict(_modules)
        self._known_count = len(self._known)
        self._loaded = [setting for setting in self._settings if setting.module in self._known]

    def _restore_lists(self) -> None:
        for place, content in self._lists:
            place[:] = content
        for place, content in self._finders:
            if place != content:
                _put_back_finders(place, content)

    def _keep_lists(self, lists: list, finders: list) -> None:
        self._lists, self._finders = lists, finders
        # As one question for all of them.
        self._places = [place for place, _ in (*lists, *finders)]
        self._contents = [content for _, content in (*lists, *finders)]

    def _restore_fixed(self) -> None:
        for name, value in zip(_FIXED, self._fixed):
            if _names.get(name, self) is not value:
                _names[name] = value

    def _restore_variables(self) -> None:
        changed = set()
        for name in [name for name in _variables if name not in self._variables]:
            del _variables[name]
            _unsetenv(name)
            changed.add(name)
        for name, value in self._variables.items():
            if _variables.get(name) != value:
                _variables[name] = value
                _putenv(name, value)
                changed.add(name)
        if b"TZ" in changed:
            _tzset()


def _with_changes(kept: list, then: list, now: list) -> list:
    """Return `kept` with what was added between `then` and `now`, where it stands now."""
    return kept if now == then else [one for one in now if one in kept or one not in then]


def _put_back_finders(place: list, content: list) -> None:
    # A library that a call has imported adds to these for good; without them it could not go on.
    added = [finder for finder in place if finder not in content and not _is_of_a_skill(finder)]
    if all(finder in place for finder in content):
        content[:] = [finder for finder in place if finder in content or finder in added]
    else:
        content.extend(added)
    place[:] = content


def _is_of_a_skill(finder: Any) -> bool:
    module = getattr(finder, "__module__", None)
    return isinstance(module, str) and module.startswith(_SKILLS)


# -- of modules that may be loaded ---------------------------------------------------------------------------


class _Setting:
    """Something that a module keeps: how it is read and written, and what it should be."""

    __slots__ = ("_read", "_write", "differs", "module", "value")

    def __init__(
        self,
        module: str,
        read: Callable[[Any], Any],
        write: Callable[[Any, Any], None],
        fresh: Any = None,
        differs: Callable[[_Setting], bool] | None = None,
    ) -> None:
        """Know a setting of `module`, which is `fresh` where that is loaded, until something sets it.

        `differs` looks whether it is what it should be, where that is quicker than reading it.
        """
        self.differs = differs or _differs
        self.module = module
        self._read = read
        self._write = write
        self.value = fresh
        if module in _modules:
            self.value = self.read()

    def read(self) -> Any:
        """Return what it is; what it should be where it cannot be read."""
        try:
            return self._read(_modules[self.module])
        except Exception:  # a tool has taken something away
            return self.value

    def restore(self) -> None:
        """Make it what it should be."""
        if self.read() != self.value:
            try:
                self._write(_modules[self.module], self.value)
            except Exception:  # not to be had any more, whoever needs it
                self.value = self.read()


def _differs(setting: _Setting) -> bool:
    return setting.read() != setting.value


def _warnings_differ(setting: _Setting) -> bool:
    warnings = _modules[setting.module]
    filters, show = setting.value
    return warnings.filters != filters or warnings.showwarning is not (show or warnings._showwarning_orig)


def _thread_hook_differs(setting: _Setting) -> bool:
    return _modules[setting.module].excepthook is not setting.value


def _settings() -> list[_Setting]:
    found = [
        _Setting("gc", _read_gc, _write_gc, _read_gc(_gc)),
        _Setting("logging", _read_logging, _write_logging, (30, (), 0)),
        _Setting("warnings", _read_warnings, _write_warnings, (list(_filters), None), _warnings_differ),
        _Setting("asyncio.events", _read_asyncio, _write_asyncio, (None, None, False)),
        _Setting("urllib.request", lambda module: module._opener, _write_opener),
        _Setting("tracemalloc", lambda module: module.is_tracing(), _write_tracing, fresh=False),
        _Setting(
            "threading",
            lambda module: module.excepthook,
            _write_thread_hook,
            _excepthook,
            _thread_hook_differs,
        ),
    ]
    locale = _locale()
    if locale is not None:
        found.append(locale)
    return found


def _read_gc(gc: Any) -> tuple:
    return gc.isenabled(), gc.get_threshold(), gc.get_debug(), tuple(gc.callbacks)


def _write_gc(gc: Any, value: tuple) -> None:
    enabled, threshold, debug, callbacks = value
    (gc.enable if enabled else gc.disable)()
    gc.set_threshold(*threshold)
    gc.set_debug(debug)
    gc.callbacks[:] = callbacks


def _read_logging(logging: Any) -> tuple:
    root = logging.root
    return root.level, tuple(root.handlers), root.manager.disable


def _write_logging(logging: Any, value: tuple) -> None:
    level, handlers, disable = value
    root = logging.root
    root.handlers[:] = handlers
    root.manager.disable = disable
    # Not by hand: loggers remember what they are enabled for.
    root.setLevel(level)


def _read_warnings(warnings: Any) -> tuple:
    show = warnings.showwarning
    return list(warnings.filters), None if show is warnings._showwarning_orig else show


def _write_warnings(warnings: Any, value: tuple) -> None:
    filters, show = value
    warnings.filters[:] = filters
    warnings.showwarning = show or warnings._showwarning_orig
    # What was shown or left out before is decided anew.
    getattr(warnings, "_filters_mutated", lambda: None)()


def _read_asyncio(events: Any) -> tuple:
    policy = events._event_loop_policy
    local = getattr(policy, "_local", None)
    return policy, getattr(local, "_loop", None), getattr(local, "_set_called", False)


def _write_asyncio(events: Any, value: tuple) -> None:
    policy, loop, called = value
    events._event_loop_policy = policy
    local = getattr(policy, "_local", None)
    if local is not None:
        local._loop, local._set_called = loop, called


def _write_opener(module: Any, value: Any) -> None:
    module._opener = value


def _write_tracing(module: Any, value: Any) -> None:
    (module.start if value else module.stop)()


def _write_thread_hook(threading: Any, value: Any) -> None:
    threading.excepthook = value


def _locale() -> _Setting | None:
    try:
        from _locale import LC_ALL, setlocale
    except ImportError:
        return None
    now = setlocale(LC_ALL, None)
    return _Setting(
        "locale", lambda _: setlocale(LC_ALL, None), lambda _, value: setlocale(LC_ALL, value), now
    )
