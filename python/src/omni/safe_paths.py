"""How is a path opened so that nothing outside the project root is ever reached?

A path is walked one component at a time from an open folder, and no component is ever followed by
the kernel: a symbolic link is read and its target is walked by us, from the folder we hold. Checking
a path first and opening it afterwards would leave a moment in which a link can be put in its place;
here there is no such moment, because what was checked is what is open.

Links that stay inside the root work. Links that lead out, `..` above the root and absolute paths
elsewhere are refused. With `write=True` so is what the server runs or obeys: see `omni.protected`.

For skills whose tools take paths from a model: `with open_file(ctx.root, path) as file`. POSIX only.
"""

from __future__ import annotations

import difflib
import errno
import os
import stat
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from omni import ToolError, protected

# One path may pass this many links, or lose this many races against somebody who swaps components.
LINKS_MAX = 40

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: opening a named pipe must not wait for its writer. It changes nothing for regular files.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Place(NamedTuple):
    """A name in an open folder: what a path comes to when every link on the way is resolved."""

    folder: int
    name: str
    # Where that is, relative to the root, with `/`; `.` for the root itself.
    path: str


def relative(root: Path, path: str) -> str:
    """Return `path` relative to the root, without touching the disk.

    Args:
        root: The project root.
        path: What the model gave: relative, or absolute and beneath the root.

    Raises:
        ToolError: The path is empty, holds a NUL byte, starts with `~`, or is absolute and elsewhere.
    """
    if not path or "\0" in path:
        raise ToolError("`path` is empty or holds a NUL byte; give a path relative to the project root")
    if path == "~" or path.startswith("~/"):
        raise ToolError(f"`{path}`: `~` is not expanded; give a path relative to the project root")
    if not os.path.isabs(path):
        return path
    inside = _beneath_root(root, path)
    if inside is None:
        raise ToolError(f"`{path}` is outside the project root `{root}`; only paths beneath it can be used")
    return inside


@contextmanager
def place(root: Path, path: str, *, write: bool = False, make_folders: bool = False) -> Iterator[Place]:
    """Walk to `path` and hold the folder it is in.

    The last name need not exist. It is no link at the moment it is looked at, and callers open it with
    `O_NOFOLLOW`.

    Args:
        root: The project root.
        path: Relative to the root, or absolute and beneath it.
        write: Something is to be written there. What the server itself runs or obeys is refused.
        make_folders: Create the folders that are missing on the way. Means `write`, too.

    Yields:
        The place. Its descriptor is closed when the block ends.

    Raises:
        ToolError: The path leads out of the root, a folder on the way is missing or not a folder, or the
            place must not be written.
    """
    todo = deque(relative(root, path).split("/"))
    held: list[int] = []
    names: list[str] = []
    patience = LINKS_MAX
    try:
        held.append(os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        while todo:
            part = todo.popleft()
            if part in ("", "."):
                continue
            if part == "..":
                if not names:
                    raise ToolError(
                        f"`{path}` leads out of the project root; only paths beneath it can be used"
                    )
                os.close(held.pop())
                names.pop()
                continue
            part, target = _looked_at(held[-1], part)
            is_last = not any(rest not in ("", ".") for rest in todo)
            if target is None and (make_folders or (write and is_last)):
                # Before a folder is made: one that is not there yet may be one that omni would obey.
                _refuse_protected(root, held, [*names, part], path)
            if target is None and is_last:
                # A trailing slash or `/.` says nothing new about a folder and is dropped here.
                yield Place(held[-1], part, printable("/".join([*names, part])))
                return
            folder = _open_folder(held[-1], part, make=make_folders) if target is None else None
            if folder is not None:
                held.append(folder)
                names.append(part)
                continue
            patience -= 1
            if patience < 0:
                raise ToolError(
                    f"`{path}` passes more than {LINKS_MAX} symbolic links; give the path they lead to"
                )
            if target is None:
                # Missing, no folder, or a link put there since we looked: the last case is walked again.
                _explain_no_folder(held[-1], part, path)
                todo.appendleft(part)
                continue
            if os.path.isabs(target):
                inside = _beneath_root(root, target)
                if inside is None:
                    raise ToolError(f"`{path}` passes a symbolic link that leads out of the project root")
                while names:
                    os.close(held.pop())
                    names.pop()
                target = inside
            todo.extendleft(reversed(target.split("/")))
        if write or make_folders:
            _refuse_protected(root, held, names, path)
        yield Place(held[-1], ".", printable("/".join(names)) or ".")
    finally:
        for descriptor in held:
            os.close(descriptor)


@contextmanager
def folder(root: Path, path: str) -> Iterator[tuple[int, str]]:
    """Hold the folder at `path` open.

    Args:
        root: The project root.
        path: Relative to the root, or absolute and beneath it.

    Yields:
        Its descriptor and its path relative to the root, links resolved (`.` for the root).

    Raises:
        ToolError: There is no such folder beneath the root.
    """
    with place(root, path) as here:
        descriptor = _open_folder(here.folder, here.name, make=False)
        if descriptor is None:
            _explain_no_folder(here.folder, here.name, path)
            raise ToolError(f"`{path}` changed while it was opened; try again")
        try:
            yield descriptor, here.path
        finally:
            os.close(descriptor)


def open_file(root: Path, path: str) -> BinaryIO:
    """Open the regular file at `path` for reading. The caller closes it.

    Args:
        root: The project root: `ctx.root`.
        path: Relative to the root, or absolute and beneath it; links that stay inside are followed.

    Raises:
        ToolError: There is no such file beneath the root, it may not be read, it is not a regular
            file, or it holds a secret of the server's. The text suggests names that exist.
    """
    with place(root, path) as here:
        return open_at(here.folder, here.name, path)


def open_at(folder: int, name: str, shown: str) -> BinaryIO:
    """Open the regular file `name` of an open folder for reading. Links are not followed.

    Args:
        folder: Descriptor of the folder.
        name: A single name in it.
        shown: The path as the model knows it, for error texts.

    Raises:
        ToolError: As for `open_file`.
    """
    try:
        descriptor = os.open(name, _FILE, dir_fd=folder)
    except FileNotFoundError:
        raise ToolError(f"there is no file `{shown}`{similar(folder, name)}") from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ToolError(
                f"`{shown}` changed into a symbolic link while it was opened; try again"
            ) from None
        raise ToolError(f"cannot open `{shown}`: {error.strerror}") from None
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        kind = "a folder; list it with `files_list`" if stat.S_ISDIR(mode) else "not a regular file"
        raise ToolError(f"`{shown}` is {kind}")
    secret = protected.is_secret(descriptor)
    if secret is not None:
        os.close(descriptor)
        raise ToolError(f"`{shown}` is {secret}, which omni keeps to itself")
    return os.fdopen(descriptor, "rb")


def similar(folder: int, name: str) -> str:
    """Return `; did you mean …?` with names of the folder like `name`, or what to do without any."""
    try:
        names = [printable(entry) for entry in os.listdir(folder)]
    except OSError:
        names = []
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    if not close:
        folded = name.casefold()
        close = [entry for entry in names if entry.casefold() == folded][:3]
    if close:
        return "; did you mean " + " or ".join(f"`{entry}`" for entry in close) + "?"
    return "; see what is there with `files_list` or `files_find`"


def printable(name: str) -> str:
    r"""Return a file name as text that JSON can carry: bytes that are not UTF-8 become `\xff`."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _refuse_protected(root: Path, held: list[int], names: list[str], shown: str) -> None:
    why = protected.obstacle(root, held, names)
    if why is not None:
        raise ToolError(f"`{shown}` must not be written: {why}")


def _beneath_root(root: Path, path: str) -> str | None:
    """Return an absolute path relative to the root, by its text alone, or `None` when it is elsewhere."""
    for base in dict.fromkeys((str(root), os.path.realpath(root))):
        if path == base:
            return "."
        prefix = base.rstrip("/") + "/"
        if path.startswith(prefix):
            return path[len(prefix) :] or "."
    return None


def _looked_at(folder: int, shown: str) -> tuple[str, str | None]:
    """Return the name in a folder that a path means, and where it leads when it is a link."""
    name = _real_name(folder, shown)
    return name, _link_target(folder, name)


def _real_name(folder: int, name: str) -> str:
    r"""Return the name in a folder that was shown as `name`: `\xff` in it may be a byte, not UTF-8."""
    if "\\x" not in name:
        return name
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:
        # Nothing is called so; listing the folder is not cheap, and such names are rare.
        return next((entry for entry in os.listdir(folder) if printable(entry) == name), name)
    return name


def _link_target(folder: int, name: str) -> str | None:
    try:
        return os.readlink(name, dir_fd=folder)
    except OSError:
        # Not a link, or not there: opening it says which.
        return None


def _open_folder(folder: int, name: str, *, make: bool) -> int | None:
    """Open a folder in a folder, or return `None` when there is no real folder of that name."""
    if make:
        try:
            os.mkdir(name, dir_fd=folder)
        except FileExistsError:
            pass
        except OSError as error:
            raise ToolError(f"cannot create the folder `{printable(name)}`: {error.strerror}") from None
    try:
        return os.open(name, _FOLDER, dir_fd=folder)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            return None
        raise ToolError(f"cannot open the folder `{printable(name)}`: {error.strerror}") from None


def _explain_no_folder(folder: int, name: str, shown: str) -> None:
    """Raise what keeps `name` from being a folder; return when it is one, or a link, by now."""
    try:
        mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    except OSError:
        raise ToolError(
            f"there is no folder `{printable(name)}` in `{shown}`{similar(folder, name)}"
        ) from None
    if not stat.S_ISDIR(mode) and not stat.S_ISLNK(mode):
        raise ToolError(f"`{printable(name)}` in `{shown}` is a file, not a folder")
