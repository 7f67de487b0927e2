"""What is in a folder, and in the folders beneath it?

Every folder is opened from the descriptor of its parent and links are never followed, so a walk
cannot leave the folder it began in, whatever is renamed or replaced meanwhile.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple, Optional

from omni.safe_paths import printable

# Folders that hold no work of the user's and would drown what does. They are listed by name but not
# entered; giving one as `path` enters it.
SKIPPED = frozenset(
    {
        ".git", ".hg", ".svn", ".jj", "node_modules", "__pycache__", ".venv", ".tox", ".nox",
        ".mypy_cache", ".pytest_cache", ".ruff_cache", ".gradle", ".terraform",
    }
)  # fmt: skip

# Tools mark their caches with this file (https://bford.info/cachedir/): cargo's `target`, for one.
_CACHE_MARK = "CACHEDIR.TAG"

# Each level keeps one descriptor open while it is walked.
DEPTH_MAX = 64


class Entry(NamedTuple):
    """One thing in a folder."""

    # Descriptor of the folder it is in; open as long as the walk stands at this entry.
    folder: int
    name: str
    # From the folder where the walk began, with `/`.
    path: str
    depth: int
    kind: str  # "file", "folder", "link" or "other"
    size: int
    modified: float
    link_target: Optional[str]
    # A folder whose content the walk leaves out, because of its name, its mark or the depth.
    closed: bool


def walk(folder: int, *, depth: int = DEPTH_MAX, hidden: bool = False) -> Iterator[Entry]:
    """Walk a folder in the order of names, each folder before what is in it.

    Args:
        folder: Descriptor of the folder. Stays open.
        depth: How many levels to enter; 1 is the folder alone.
        hidden: Include names that begin with a dot.

    Yields:
        An entry for each thing; what cannot be read is left out, as `ls` would complain and go on.
    """
    yield from _walk(folder, "", 1, min(depth, DEPTH_MAX), hidden)


def _walk(folder: int, prefix: str, level: int, depth: int, hidden: bool) -> Iterator[Entry]:
    with os.scandir(folder) as listing:
        found = sorted(listing, key=lambda entry: entry.name)
    for entry in found:
        if entry.name.startswith(".") and not hidden:
            continue
        try:
            info = entry.stat(follow_symlinks=False)
            target = os.readlink(entry.name, dir_fd=folder) if entry.is_symlink() else None
        except OSError:
            continue
        inner = _open_inner(folder, entry) if entry.is_dir(follow_symlinks=False) else None
        try:
            closed = inner is None or level >= depth or entry.name in SKIPPED or _is_cache(inner)
            path = prefix + printable(entry.name)
            yield Entry(
                folder, entry.name, path, level, _kind(entry), info.st_size, info.st_mtime,
                None if target is None else printable(target), closed,
            )  # fmt: skip
            if inner is not None and not closed:
                yield from _walk(inner, path + "/", level + 1, depth, hidden)
        finally:
            if inner is not None:
                os.close(inner)


def _open_inner(folder: int, entry: os.DirEntry[str]) -> Optional[int]:
    try:
        return os.open(entry.name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        # Unreadable, or replaced since the listing.
        return None


def _is_cache(folder: int) -> bool:
    try:
        os.stat(_CACHE_MARK, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return False
    return True


def _kind(entry: os.DirEntry[str]) -> str:
    if entry.is_symlink():
        return "link"
    if entry.is_dir(follow_symlinks=False):
        return "folder"
    return "file" if entry.is_file(follow_symlinks=False) else "other"
