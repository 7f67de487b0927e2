"""How a file of a skill becomes code: from what it says now, never from byte code that lies beside it.

Python believes a file in `__pycache__` when the second of the source's last change and its length are what
they were. Two edits within a second fit too, and then the older one runs for ever; so does what was put there
by somebody else. Beneath the folders of skills both reading and writing such files is therefore off. What was
compiled is kept in omni's cache instead, by the digest of the source. Other modules are loaded as ever.
"""

from __future__ import annotations

import io
import sys
from _frozen_importlib_external import MAGIC_NUMBER, SourceFileLoader, spec_from_file_location
from os import (
    O_CREAT,
    O_EXCL,
    O_WRONLY,
    environ,
    fsdecode,
    getcwd,
    listdir,
    mkdir,
    rename,
    stat,
    unlink,
    urandom,
    utime,
)
from os import open as open_descriptor
from os.path import abspath, dirname, isfile, realpath

from omni import skill_version
from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here
from omni.skill_digest import hash_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import CodeType
    from typing import Any

#: Where compiled code may be kept. Set by the server for its processes, and inherited by what those start.
_VARIABLE = "OMNI_CODE_CACHE"
#: Files that are kept at most; then the older half goes.
_KEPT_MAX = 1024
#: A digest in hexadecimal digits, before what it is the digest of.
_DIGEST_BYTES = 64
#: Byte code is of an interpreter's format and its level of optimisation.
_KIND = MAGIC_NUMBER.hex() + str(sys.flags.optimize)
#: Folders whose modules are others' wherever they lie.
_INSTALLED = ("/site-packages/", "/dist-packages/")

_original_get_code = SourceFileLoader.get_code
_original_open_code = io.open_code


class _SkillFolders:
    """Where skills lie."""

    #: Their folders, each ending in `/`.
    folders: tuple[str, ...] = ()


def ignore_bytecode(folder: str) -> None:
    """From now on, believe no byte code for what lies beneath a skill's folder, or beside it.

    However it is imported: relatively, by a path that the skill puts on `sys.path`, by a loader of its own.
    """
    new = {f"{path.rstrip('/')}/" for path in (folder, realpath(folder), *_common_parent(folder))}
    if not new.issubset(_SkillFolders.folders):
        _SkillFolders.folders = tuple(new.union(_SkillFolders.folders))
        SourceFileLoader.get_code = _get_code  # type: ignore[method-assign]
        io.open_code = _open_code


def _common_parent(folder: str) -> list[str]:
    """Return the folder that skills have in common, unless Python itself lies beneath it."""
    parent = dirname(realpath(folder))
    bases = (sys.prefix, sys.base_prefix, realpath(sys.base_prefix))
    return [] if any(f"{base}/".startswith(f"{parent.rstrip('/')}/") for base in bases) else [parent]


def _open_code(path: Any) -> Any:
    """Open a file to be run, as `runpy.run_path` does, and hold it to the version of its skill."""
    file = _original_open_code(path)
    whole = abspath(fsdecode(path))
    if not whole.endswith(".py") or not whole.startswith(_SkillFolders.folders):
        return file
    with file:
        source = file.read()
    found = hash_of(source)
    if skill_version.check(whole, "", found, len(source)) != found:
        # Whoever opens it wants the source, and where a version is kept that is the code at best.
        skill_version.refuse_as_not_kept(whole)
    return io.BytesIO(source)


def _get_code(loader: SourceFileLoader, name: str) -> CodeType | None:
    path = loader.path
    if not path.startswith("/"):
        path = f"{getcwd()}/{path}"
    if not path.startswith(_SkillFolders.folders) or any(part in path for part in _INSTALLED):
        return _original_get_code(loader, name)
    source = loader.get_data(path)
    found = hash_of(source)
    meant = skill_version.check(path, name, found, len(source))
    if meant != found:
        return _kept_code(meant, path)
    folder = environ.get(_VARIABLE)
    kept = _CachedCode(folder, meant) if folder else None
    code = kept and kept.read(path)
    if code is None:
        code = loader.source_to_code(source, path)
        if kept is not None:
            kept.write(code)
    return code


def _kept_code(digest: str, path: str) -> CodeType:
    """Return the code of a source that is not in its place any more, as that of the file at `path`.

    Raises:
        SkillChangedError: Neither is kept.
    """
    folder = environ.get(_VARIABLE)
    if not folder:
        skill_version.refuse_as_not_kept(path)
    cached = _CachedCode(folder, digest)
    code = cached.read(path)
    if code is None:
        source = _read(_source_path(folder, digest))
        if source is None or hash_of(source) != digest:
            skill_version.refuse_as_not_kept(path)
        code = compile(source, path, "exec", dont_inherit=True)
        cached.write(code)
    return code


def _source_path(folder: str, digest: str) -> str:
    """Return where the server keeps a source of what it serves, for when an edit has broken it."""
    return f"{folder}/sources/{digest}.py"


class _CachedCode:
    """The code of one text, in a file that this text and this interpreter alone give its name."""

    __slots__ = ("_folder", "path")

    def __init__(self, folder: str, digest: str) -> None:
        """Know where the code of a source is kept that has this digest."""
        self._folder = folder
        self.path = f"{folder}/{digest}-{_KIND}"

    def read(self, path: str) -> CodeType | None:
        """Return the code, as that of the file at `path`; None when it is not there whole."""
        import marshal
        from _imp import _fix_co_filename

        content = _read(self.path)
        # The power may have failed while it was written.
        if content is None or hash_of(content[_DIGEST_BYTES:]).encode() != content[:_DIGEST_BYTES]:
            return None
        found = marshal.loads(content[_DIGEST_BYTES:])  # noqa: S302 - of omni's own cache, the user's alone
        _fix_co_filename(found, path)
        return found

    def write(self, code: CodeType) -> None:
        """Keep the code. Where that cannot be done, it is compiled again the next time."""
        import marshal

        content = marshal.dumps(code)
        _write(self._folder, self.path, hash_of(content).encode() + content)


# -- versions of skills -----------------------------------------------------------------------------------


def keep_version(digest: str, lines: str) -> None:
    """Keep which files make up a version of a skill, so that it can run when they are others.

    Args:
        digest: The skill's.
        lines: What that is the digest of.
    """
    folder = environ.get(_VARIABLE)
    if not folder:
        return
    path = f"{folder}/{digest}.files"
    try:
        # Used just now: not to go before others.
        utime(path)
    except OSError:
        _write(folder, path, lines.encode())


def kept_version(digest: str) -> dict[str, str] | None:
    """Return the hash of each file of a version that was loaded or served; None where that is not kept."""
    folder = environ.get(_VARIABLE)
    content = folder and (_read(f"{folder}/{digest}.files") or _read(f"{folder}/sources/{digest}.files"))
    if not content or hash_of(content) != digest:
        return None
    pairs = [line.split("  ", 1) for line in content.decode().splitlines()]
    return {path: value for value, path in pairs}


class KeptFinder:
    """Finds modules of a version that is kept whose files are gone from the folder.

    Asked before all others: a package without its file would be found as one that is spread over folders.
    """

    @staticmethod
    def find_spec(name: str, _path: Any = None, _target: Any = None) -> ModuleSpec | None:
        """Return how such a module is loaded; None for any other."""
        version = skill_version.kept_owner(name)
        package = version and sys.modules.get(version.package)
        if package is None:
            return None
        stem = f"{package.__path__[0]}/{name[len(version.package) + 1 :].replace('.', '/')}"
        for path, inside in ((f"{stem}/__init__.py", [stem]), (f"{stem}.py", None)):
            if version.inner(path) in version.hashes and not isfile(path):
                loader = _KeptLoader(name, path)
                return spec_from_file_location(name, path, loader=loader, submodule_search_locations=inside)
        return None


class _KeptLoader(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        version = skill_version.kept_owner(fullname)
        digest = version and version.hashes.get(version.inner(self.path))
        if not digest:
            skill_version.refuse_as_not_kept(self.path)
        return _kept_code(digest, self.path)


def find_kept() -> None:
    """From now on, find modules whose files are gone: see `KeptFinder`."""
    if KeptFinder not in sys.meta_path:
        sys.meta_path.insert(0, KeptFinder)


# -- the folder -------------------------------------------------------------------------------------------


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def _write(folder: str, path: str, content: bytes) -> None:
    # Not by the process's number: in namespaces of their own many have the same.
    unfinished = f"{path}.{urandom(6).hex()}"
    try:
        descriptor = _create(folder, unfinished)
        with open(descriptor, "wb") as file:
            file.write(content)
        rename(unfinished, path)
        _make_room(folder)
    except OSError:
        return


def _create(folder: str, path: str) -> int:
    """Create a file that is the user's alone, and its folder if need be."""
    flags = O_WRONLY | O_CREAT | O_EXCL
    try:
        return open_descriptor(path, flags, 0o600)
    except FileNotFoundError:
        mkdir(folder, 0o700)
        return open_descriptor(path, flags, 0o600)


def _make_room(folder: str) -> None:
    names = listdir(folder)
    if len(names) <= _KEPT_MAX:
        return
    aged = []
    for name in names:
        try:
            aged.append((stat(f"{folder}/{name}").st_mtime_ns, name))
        except OSError:  # another process makes room too
            continue
    for _, name in sorted(aged)[: _KEPT_MAX // 2]:
        try:
            unlink(f"{folder}/{name}")
        except OSError:
            continue
