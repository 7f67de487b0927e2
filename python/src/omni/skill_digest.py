"""Which Python files are a skill's code, and by which digest is one version of them told from another?

The server computes the same as it reads the skill (`omni-catalog/src/folder/code.rs`), and each call names
the version that it means. `conformance/skill-digest.json` says the rules in words and holds both to the
same cases.
"""

from __future__ import annotations

import sys
from os import O_CLOEXEC, O_NONBLOCK, O_RDONLY, close, fstat, read, scandir
from os import open as open_descriptor
from stat import S_ISREG

from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import DirEntry

# Not from `hashlib`, which loads OpenSSL: that takes longer than hashing all of a skill's files.
try:
    if sys.version_info >= (3, 12):
        from _sha2 import sha256
    else:
        from _sha256 import sha256
except ImportError:  # an interpreter built without it
    from hashlib import sha256

#: Folders that hold others' code, wherever they lie, or none.
_LEFT_OUT = ("__pycache__", "node_modules", "site-packages")
#: Folders directly beneath the skill's that are for data and for tests.
_LEFT_OUT_AT_TOP = ("assets", "data", "references", "templates", "tests")
_DEPTH_MAX = 16
_FILES_MAX = 2000
_FILE_BYTES_MAX = 4 << 20


def read_skill(folder: str) -> tuple[str, dict[str, str]]:
    """Return the digest of a skill, and the hash of each of its Python files by its path in the folder.

    Reads every file once, and imports none. What cannot be read is left out.
    """
    paths: list[str] = []
    _list_files(folder, "", 0, paths)
    hashes = {}
    for path in sorted(paths):
        content = _content(f"{folder}/{path}")
        if content is not None:
            hashes[path] = hash_of(content)
    return hash_of(as_lines(hashes).encode()), hashes


def as_lines(hashes: dict[str, str]) -> str:
    """Return what the digest of a skill with these files is the digest of."""
    return "".join([f"{value}  {path}\n" for path, value in hashes.items()])


def hash_of(content: bytes) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal digits."""
    return sha256(content).hexdigest()


def counts(path: str, size: int, others: int) -> bool:
    """Tell whether a file would count as one of a skill's, by its path in the folder.

    Args:
        path: Relative to the skill's folder.
        size: In bytes.
        others: How many files the skill has already.
    """
    *folders, name = path.split("/")
    return (
        name.endswith(".py")
        and size <= _FILE_BYTES_MAX
        and others < _FILES_MAX
        and len(folders) <= _DEPTH_MAX
        and not name.startswith(".")
        and not any(_is_left_out(part, depth) for depth, part in enumerate(folders))
    )


def _is_left_out(name: str, depth: int) -> bool:
    """Tell whether what lies in a folder of this name is nobody's code, or others'; the skill has depth 0."""
    return name.startswith(".") or name in _LEFT_OUT or (depth == 0 and name in _LEFT_OUT_AT_TOP)


def _list_files(folder: str, inner: str, depth: int, paths: list[str]) -> None:
    try:
        with scandir(folder) as listed:
            entries = sorted(listed, key=_name)
    except OSError:
        return
    for entry in entries:
        name = entry.name
        if name.startswith(".") or not _is_text(name):
            continue
        if _is_folder(entry):
            if depth < _DEPTH_MAX and not _is_left_out(name, depth):
                _list_files(entry.path, f"{inner}{name}/", depth + 1, paths)
        elif name.endswith(".py") and len(paths) < _FILES_MAX:
            paths.append(inner + name)


def _name(entry: DirEntry) -> str:
    # In the order of the bytes: UTF-8 keeps that of the characters.
    return entry.name


def _is_text(name: str) -> bool:
    if name.isascii():
        return True
    try:
        name.encode()
    except UnicodeEncodeError:  # a name that is no UTF-8
        return False
    return True


def _is_folder(entry: DirEntry) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:  # gone meanwhile
        return False


def _content(path: str) -> bytes | None:
    """Return what stands in a file; None for what is none, is too large or cannot be read."""
    try:
        # Without waiting: where a pipe has that name, nobody may ever write to it.
        descriptor = open_descriptor(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    except OSError:
        return None
    try:
        state = fstat(descriptor)
        if not S_ISREG(state.st_mode) or state.st_size > _FILE_BYTES_MAX:
            return None
        content = b""
        # The file may grow while it is read.
        while len(content) <= _FILE_BYTES_MAX:
            wanted = max(state.st_size - len(content), 0) + 1
            more = read(descriptor, wanted)
            content += more
            if len(more) < wanted:
                return content
        return None
    except OSError:
        return None
    finally:
        close(descriptor)
