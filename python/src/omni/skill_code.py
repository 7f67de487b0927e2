"""How a file of a skill becomes code: from what it says now, never from byte code that lies beside it.

Python believes a file in `__pycache__` when the second of the source's last change and its length are what
they were. Two edits within a second fit too, and then the older one runs for ever; so does what was put there
by somebody else. Beneath the folders of skills both reading and writing such files is therefore off. What was
compiled is kept in omni's cache instead, by the digest of the source. Other modules are loaded as ever.
"""

from __future__ import annotations

import io
import sys
from _frozen_importlib_external import MAGIC_NUMBER, SourceFileLoader
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
)
from os import open as open_descriptor
from os.path import abspath, dirname, realpath

from omni import skill_version
from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any

#: Where compiled code may be kept. Set by the server for its processes, and inherited by what those start.
_VARIABLE = "OMNI_CODE_CACHE"
#: Files that are kept at most; then the older half goes.
_KEPT_MAX = 1024
_DIGEST_BYTES = 24
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
    skill_version.check(whole, "", source)
    return io.BytesIO(source)


def _get_code(loader: SourceFileLoader, name: str) -> CodeType | None:
    path = loader.path
    if not path.startswith("/"):
        path = f"{getcwd()}/{path}"
    if not path.startswith(_SkillFolders.folders) or any(part in path for part in _INSTALLED):
        return _original_get_code(loader, name)
    source = loader.get_data(path)
    skill_version.check(path, name, source)
    kept = _CachedCode.of(source)
    code = kept and kept.read(path)
    if code is None:
        code = loader.source_to_code(source, path)
        if kept is not None:
            kept.write(code)
    return code


class _CachedCode:
    """The code of one text, in a file that this text and this interpreter alone give its name."""

    __slots__ = ("_folder", "_hash", "_name")

    def __init__(self, folder: str, digest: str, hash_: type) -> None:
        self._folder = folder
        self._name = f"{folder}/{digest}"
        self._hash = hash_

    @classmethod
    def of(cls, source: bytes) -> _CachedCode | None:
        """Return where the code of a text is kept; None where nothing is."""
        folder = environ.get(_VARIABLE)
        if not folder:
            return None
        try:
            from _blake2 import blake2b
        except ImportError:  # an interpreter built without it
            return None
        kind = MAGIC_NUMBER + b"%d" % sys.flags.optimize
        return cls(folder, blake2b(source, digest_size=_DIGEST_BYTES, person=kind).hexdigest(), blake2b)

    def _seal(self, content: bytes) -> bytes:
        return self._hash(content, digest_size=_DIGEST_BYTES).digest()

    def read(self, path: str) -> CodeType | None:
        """Return the code, as that of the file at `path`; None when it is not there whole."""
        import marshal
        from _imp import _fix_co_filename

        try:
            with open(self._name, "rb") as file:
                content = file.read()
        except OSError:
            return None
        code = content[_DIGEST_BYTES:]
        # The power may have failed while it was written.
        if self._seal(code) != content[:_DIGEST_BYTES]:
            return None
        found = marshal.loads(code)  # noqa: S302 - of omni's own cache, which is the user's alone
        _fix_co_filename(found, path)
        return found

    def write(self, code: CodeType) -> None:
        """Keep the code. Where that cannot be done, it is compiled again the next time."""
        import marshal

        content = marshal.dumps(code)
        # Not by the process's number: in namespaces of their own many have the same.
        unfinished = f"{self._name}.{urandom(6).hex()}"
        try:
            descriptor = _create(self._folder, unfinished)
            with open(descriptor, "wb") as file:
                file.write(self._seal(content) + content)
            rename(unfinished, self._name)
            _make_room(self._folder)
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
