"""What holds for every path that is to be changed, whichever tool changes it?"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from omni import ToolError, protected
from omni.safe_paths import place, relative

from ._replace import look


def refuse_git(path: str) -> None:
    """Refuse what is git's: a hook or a setting written there is run by the next git command.

    Raises:
        ToolError: `.git` is on the path.
    """
    if any(part.casefold() == ".git" for part in path.split("/")):
        raise ToolError(f"`{path}` is git's own; change the repository with the `git` tools")


def canonical(root: Path, path: str) -> str:
    """Return where a path leads, relative to the root, links resolved, also when the end of it is not there yet.

    Raises:
        ToolError: It leads out of the root, through a file, or with `..` through what is not there.
    """
    parts = [part for part in relative(root, path).split("/") if part not in ("", ".")]
    for count in range(1, len(parts) + 1):
        with place(root, "/".join(parts[:count])) as here:
            info = look(here)
            rest = parts[count:]
            if rest and info is not None and not stat.S_ISDIR(info.st_mode):
                raise ToolError(f"`{here.path}` in `{path}` is a file, not a folder")
            if info is not None and rest:
                continue
            if ".." in rest:
                raise ToolError(f"`{path}` leads with `..` through `{here.path}`, which is not there")
            return "/".join([here.path, *rest])
    return "."


def check_may_write(root: Path, path: str) -> str:
    """Return where a path leads, and check that something may be written there, without making anything.

    Raises:
        ToolError: It is git's, or what omni itself runs or obeys, or leads out of the root.
    """
    refuse_git(path)
    found = canonical(root, path)
    refuse_git(found)
    parts = found.split("/")
    for count in range(1, len(parts) + 1):
        with place(root, "/".join(parts[:count]), write=count == len(parts)) as here:
            if look(here) is None:
                why = protected.obstacle(root, [here.folder], parts)
                if why is not None:
                    raise ToolError(f"`{path}` must not be written: {why}")
                break
    return found


def refuse_holder(root: Path, folder: str, shown: str) -> None:
    """Refuse a folder that holds what omni runs or obeys, or would hold it: it must neither go nor come.

    Raises:
        ToolError: It does. The text says what.
    """
    why = protected.held_by(os.path.join(os.path.realpath(root), folder))
    if why is not None:
        raise ToolError(f"`{shown}` must not be moved: {why}")


def between(name: str, value: int, low: int, high: int) -> int:
    """Return a number that is within its bounds.

    Raises:
        ToolError: It is not.
    """
    if not low <= value <= high:
        raise ToolError(f"`{name}` is {value}; it must be between {low:,} and {high:,}")
    return value
