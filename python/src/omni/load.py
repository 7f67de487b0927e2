"""How a skill's file becomes a function: import it inside a package made for the skill.

Every skill is a package `omni_skills.<skill>` whose files are its modules, so `from ._db import connect`
works and equal file names in two skills do not meet. Nothing is put on `sys.path`.
"""

from __future__ import annotations

import sys

# `importlib` gives these out too, but imports `contextlib` and half the library with it.
from _frozen_importlib import ModuleSpec, module_from_spec
from _frozen_importlib_external import spec_from_file_location
from _thread import RLock
from os import environ
from os.path import exists, isfile

from omni import skill_version
from omni.convert import context_parameters, plan_arguments, unwrapped
from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here
from omni.skill_code import find_kept, ignore_bytecode, keep_version, kept_version
from omni.skill_digest import as_lines
from omni.skill_version import ROOT, SkillChangedError, StaleError, module_part
from omni.stdlib_types import UnresolvedError
from omni.wire import write_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any, Callable

    from omni.call_frame import Target
    from omni.skill_version import SkillVersion

#: Held while a package, or a file that the import system has no name for, is executed; and which those are.
_lock = RLock()
_executing: set[str] = set()
_SCRIPTS = "scripts"


class LoadError(Exception):
    """A skill's file cannot be imported, or lacks the function. `location` is `file:line` in the skill.

    `intended`: the words are ours, about the skill's source, and no exception's of somebody else.
    """

    def __init__(
        self,
        message: str,
        location: str | None = None,
        class_name: str = "LoadError",
        *,
        intended: bool = True,
    ) -> None:
        super().__init__(message)
        self.location = location
        self.class_name = class_name
        self.intended = intended


class Prepared:
    """A tool's function, ready to be called with the client's arguments."""

    __slots__ = ("convert", "function")

    def __init__(self, function: Callable[..., Any], convert: Callable[[dict], dict] | None) -> None:
        self.function = function
        #: Turns JSON arguments into the annotated types; None where they are those types already.
        self.convert = convert


def prepare(target: Target, *, checked: bool = False) -> Prepared:
    """Import the file that `target` names and find its function.

    With `checked`, arguments are checked against the annotations, and injected parameters that `target` does
    not name are found and written into it: for callers without a server.

    Raises:
        LoadError: The import failed; its cause is the exception.
        StaleError: The skill's files, or what is loaded of them, are not the version that `target` means.
    """
    version = None
    if target.digest is not None:
        kept = kept_version if target.last_good else None
        version = target.version = skill_version.settle(target.skill, target.folder, target.digest, kept)
        if version.is_kept:
            find_kept()
    try:
        prepared = _prepared(target, version, checked=checked)
    except LoadError as error:
        # A failure that comes of an edit meanwhile is none of the version that is meant. What is kept of one
        # fails by itself, whatever the folder has, unless it is not kept whole.
        if (
            version is not None
            and (not version.is_kept or _is_refused(error))
            and (found := version.digest_now()) != version.digest
        ):
            raise StaleError(found) from None
        raise
    if version is not None and not version.is_loaded:
        version.is_loaded = True
        keep_version(version.digest, as_lines(version.hashes))
    return prepared


def _is_refused(error: BaseException | None) -> bool:
    """Tell whether an error comes of a file that was refused, as one of another version than is meant."""
    while error is not None and not isinstance(error, SkillChangedError):
        error = error.__cause__ or error.__context__
    return error is not None


def _prepared(target: Target, version: SkillVersion | None, *, checked: bool) -> Prepared:
    module = load_module(target.skill, target.folder, target.file, version)
    function = getattr(module, target.function, None)
    if not callable(function):
        message = f"`{target.file}` has no function `{target.function}`: it was renamed, or is made elsewhere"
        raise LoadError(message, target.file)
    if checked and not target.inject:
        target.inject = [(name, "context") for name in context_parameters(function)]
    injected = {name for name, _ in target.inject}
    try:
        if target.kind == "completion":
            from omni.completion_values import plan_completion

            return Prepared(function, plan_completion(function, injected))
        # What is read or filled in gets texts, which a URI and a form are made of.
        texts = target.kind != "tool"
        return Prepared(function, plan_arguments(function, injected, checked=checked, texts=texts))
    except UnresolvedError as error:
        line = getattr(getattr(unwrapped(function), "__code__", None), "co_firstlineno", 1)
        place = f"{target.file}:{line}"
        raise LoadError(f"`{place}`: {error}", place, "UnresolvedError") from error


def preload(skill: str, folder: str, file: str, digest: str | None) -> None:
    """Import one file of a skill before anybody calls it, and settle which version of the skill runs here.

    Raises:
        LoadError: The import failed; its cause is the exception.
        StaleError: The files are not the version that `digest` names.
    """
    version = skill_version.settle(skill, folder, digest)
    load_module(skill, folder, file, version)
    version.is_loaded = True


def load_module(skill: str, folder: str, file: str, version: SkillVersion | None = None) -> ModuleType:
    """Import one file of a skill, or return it when that has happened before.

    With `version`, what is imported belongs to that one, or is refused.

    Raises:
        LoadError: The import failed; its cause is the exception.
    """
    top, _, inner = file.partition("/")
    root, parts = (f"{folder}/{_SCRIPTS}", inner) if top == _SCRIPTS and inner else (folder, file)
    package = skill_version.plain_package(skill) if version is None else version.package
    try:
        ignore_bytecode(folder)
        _ensure_package(ROOT, None)
        _ensure_package(package, root, version)
        return _import(package, root, parts)
    except Exception as error:
        raise _load_error(error, package, folder, file) from error


def _ensure_package(name: str, folder: str | None, version: SkillVersion | None = None) -> None:
    if name in sys.modules and name not in _executing:
        return
    with _lock:
        if name not in sys.modules:
            _make_package(name, folder, version)


def _make_package(name: str, folder: str | None, version: SkillVersion | None) -> None:
    if folder is not None:
        _tell_children(name, folder, version)
    _execute(_package_spec(name, folder))


def _package_spec(name: str, folder: str | None) -> ModuleSpec:
    start = None if folder is None else f"{folder}/__init__.py"
    if start is not None and isfile(start):
        return spec_from_file_location(name, start, submodule_search_locations=[folder])
    spec = ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = [] if folder is None else [folder]
    return spec


# -- in processes that a tool starts ---------------------------------------------------------------------

#: Where the packages of skills lie, and of which version they are where that is known, as a JSON object of
#: lists: what a process started from nothing imports them by.
_FOLDERS_VARIABLE = "OMNI_SKILL_FOLDERS"
_folders: dict[str, list[str]] = {}
#: Off where this interpreter is part of the server, whose threads may read the environment at any time.
tell_children = True


def _tell_children(package: str, folder: str, version: SkillVersion | None) -> None:
    """Have the children of this process find a skill's package by its name: see `omni_skills`."""
    _folders[package] = [folder] if version is None else [folder, version.folder, version.digest]
    if tell_children:
        environ[_FOLDERS_VARIABLE] = write_json(_folders)


class SkillFinder:
    """Finds the packages of skills, and their files whose names have a dot, in a child of a worker."""

    @staticmethod
    def find_spec(name: str, _path: Any = None, _target: Any = None) -> ModuleSpec | None:
        """Return how a module of a skill is loaded; None for one that the import system finds by itself."""
        if not name.startswith(f"{ROOT}."):
            return None
        from json import loads

        package = ".".join(name.split(".")[:2])
        known = loads(environ.get(_FOLDERS_VARIABLE) or "{}").get(package)
        if known is None:
            return None
        folder, *version = known
        if version:
            skill_version.expect(package, *version)
        ignore_bytecode(folder.removesuffix(f"/{_SCRIPTS}"))
        if name == package:
            return _package_spec(package, folder)
        file = f"{folder}/{name[len(package) + 1 :].replace('%2E', '.')}.py"
        return spec_from_file_location(name, file) if "%2E" in name and isfile(file) else None


def _execute(spec: ModuleSpec) -> ModuleType:
    module = module_from_spec(spec)
    # Another thread must not take it for one that is there: an interpreter inside the server has several.
    _executing.add(spec.name)
    sys.modules[spec.name] = module
    try:
        if spec.has_location:
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[spec.name]
        raise
    finally:
        _executing.discard(spec.name)
    return module


def _import(package: str, root: str, path: str) -> ModuleType:
    stem = path.removesuffix(".py")
    if "." not in stem:
        name = ".".join([package, *stem.split("/")])
        module = sys.modules.get(name)
        if module is None or getattr(module.__spec__, "_initializing", False):
            # Waits for another thread that imports it just now.
            __import__(name)
            module = sys.modules[name]
        return module
    # The import system takes a dot for a level: such a file is loaded by its path.
    name = f"{package}.{module_part(stem.replace('/', '.'))}"
    if name in sys.modules and name not in _executing:
        return sys.modules[name]
    with _lock:
        return sys.modules.get(name) or _execute(spec_from_file_location(name, f"{root}/{path}"))


def _load_error(error: Exception, package: str, folder: str, file: str) -> LoadError:
    from omni.failure import class_name, full_message, innermost_location, missing_variable_advice

    place = innermost_location(error, folder) or file
    name = class_name(error)
    if isinstance(error, SyntaxError):
        return LoadError(f"`{place}`: {name}: {error.msg}", place, name)
    if isinstance(error, ModuleNotFoundError) and error.name:
        return LoadError(f"`{place}`: {_missing_module(error, package, folder)}", place, name)
    text = full_message(error)
    lack = missing_variable_advice(error)
    if lack is not None:
        # Names nothing but the variable: a client may read it.
        return LoadError(f"`{place}`: {lack}", place, name)
    return LoadError(f"`{place}`: {name}" + (f": {text}" if text else ""), place, name, intended=False)


def _missing_module(error: ModuleNotFoundError, own: str, folder: str) -> str:
    name = error.name
    if name == own or name.startswith(own + "."):
        inside = name[len(own) + 1 :].replace(".", "/") or "__init__"
        return f"the skill has no file `{_SCRIPTS}/{inside}.py`"
    top = name.partition(".")[0]
    if top == _SCRIPTS and exists(f"{folder}/{_SCRIPTS}"):
        return (
            f"the files under `{_SCRIPTS}` of this skill are imported relatively: "
            f"write `from .name import …` instead of `from {_SCRIPTS}.name import …`"
        )
    if exists(f"{folder}/{_SCRIPTS}/{top}.py") or exists(f"{folder}/{_SCRIPTS}/{top}"):
        return (
            f"`{top}` is a file of this skill and is imported relatively: write `from .{top} import …` "
            f"instead of `import {top}`"
        )
    if top in getattr(sys, "stdlib_module_names", ()):
        version = sys.version.split()[0]
        return f"module `{name}` of Python's library is missing in Python {version} at `{sys.executable}`"
    return (
        f"module `{name}` is not installed; add the package that has it to `dependencies` in the skill's "
        f"`pyproject.toml` (often `{top}`), or name an interpreter that has it with `--python`"
    )
