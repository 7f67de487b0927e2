"""Where is the repository of a folder, and does all of it lie beneath the project root?

A repository is where a `.git` is: in the folder or one above it, not above the project root. A folder that
merely looks like a repository (`HEAD`, `objects`, `refs`) is none, since any tool that writes files can
make one. Git is not asked: it would follow whatever the repository says, and this is what is checked here.

A repository can lead elsewhere by a link, by the text of a `.git` file, by `commondir`, `core.worktree`,
`objects/info/alternates`, and by links inside itself. Each must stay beneath the root, or in a folder that the
user has named in `allow_git_dirs`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Optional

from omni import ToolError, protected

# `.git` files, `commondir` and lists of alternates are a line or a few; a configuration is a few pages.
SMALL_BYTES_MAX = 1024 * 1024
# As deep as git follows alternates, and then some.
_ALTERNATES_MAX = 64

# The folders of a repository that git looks into here. Hooks, and the repositories of submodules and of other
# working trees, are not among them.
_LOOKED_INTO = ("info", "logs", "objects", "rebase-apply", "rebase-merge", "refs", "reftable", "sequencer")


class Bases:
    """The folders that may be reached: the project root, and what the user has named besides.

    Args:
        root: The project root, links resolved.
        allowed: Folders from the settings.
    """

    def __init__(self, root: Path, allowed: Sequence[str] = ()) -> None:
        self.root = root
        self.folders = (str(root), *(os.path.realpath(os.path.expanduser(folder)) for folder in allowed))

    def hold(self, path: str) -> bool:
        """Return whether a path without links lies in one of them."""
        return any(path == folder or path.startswith(folder.rstrip("/") + "/") for folder in self.folders)

    def check(self, path: str, source: str) -> str:
        """Return where a path leads with all links resolved.

        Args:
            path: The path.
            source: What leads there, for the error text: "`commondir` in `.git`".

        Raises:
            ToolError: It lies elsewhere.
        """
        if "\0" in path:
            raise ToolError(f"{source} holds a NUL byte; git did not write it")
        real = os.path.realpath(path)
        # Git takes `..` back in some texts before links are followed, in others after.
        outside = [place for place in (real, os.path.realpath(os.path.normpath(path))) if not self.hold(place)]
        if outside:
            raise ToolError(
                f"{source} leads to `{outside[0]}`, outside the project root `{self.root}`; a repository is used "
                "when all of it lies beneath the root. Start the server with a `--root` above both, or name the "
                "folder in `allow_git_dirs` of `[skills.git]`"
            )
        for secret, what, is_secret in protected.entries:
            # Git, or an error of ours, would show what is in it.
            if is_secret and real == secret:
                raise ToolError(f"{source} leads to {what}, which omni keeps to itself")
        return real


class Repositories(NamedTuple):
    """Where the parts of one repository are. Absolute, links resolved."""

    # The folder that holds the `.git`; the top of the working tree unless `core.worktree` says otherwise.
    holder: str
    # What is of this working tree only: `HEAD`, the index, a merge in progress.
    git_dir: str
    # What all working trees of the repository share: objects, refs, configuration.
    common_dir: str


def find(bases: Bases, folder: str) -> Optional[Repositories]:
    """Return the repository that a folder beneath the root is in, or `None`.

    Raises:
        ToolError: There is one, and it leads out of the root or is damaged.
    """
    here = folder
    while True:
        found = at(bases, here)
        if found is not None:
            return found
        if here == str(bases.root) or here == "/":
            return None
        here = os.path.dirname(here)


def at(bases: Bases, folder: str, *, nested: bool = False) -> Optional[Repositories]:
    """Return the repository whose `.git` is in this folder, or `None`.

    Args:
        bases: What may be reached.
        folder: The folder.
        nested: One in the working tree of another: a `.git` that leads to nothing is nothing.

    Raises:
        ToolError: As for `find`.
    """
    path = os.path.join(folder, ".git")
    try:
        mode = os.stat(path, follow_symlinks=False).st_mode
    except OSError:
        return None
    if stat.S_ISLNK(mode):
        path = bases.check(path, f"the symbolic link `{path}`")
        mode = _mode(path)
    if stat.S_ISREG(mode):
        text = _line(path)
        if not text.startswith("gitdir: "):
            raise ToolError(f"`{path}` is a file, but not one that says where a repository is (`gitdir: …`)")
        git_dir = bases.check(os.path.join(folder, text[len("gitdir: ") :]), f"`gitdir:` in `{path}`")
    elif stat.S_ISDIR(mode):
        git_dir = bases.check(path, f"`{path}`")
    else:
        raise ToolError(f"`{path}` is neither a folder nor a file; it is no repository")
    if not os.path.lexists(os.path.join(git_dir, "HEAD")):
        if nested or stat.S_ISDIR(mode):
            # An empty `.git`, as git sees it, is nothing at all.
            return None
        raise ToolError(f"`{path}` names `{git_dir}`, where there is no repository")
    common = os.path.join(git_dir, "commondir")
    if not os.path.lexists(common):
        return Repositories(folder, git_dir, git_dir)
    bases.check(common, f"the symbolic link `{common}`")
    return Repositories(
        folder, git_dir, bases.check(os.path.join(git_dir, _line(common)), f"`commondir` in `{git_dir}`")
    )


def check_inside(bases: Bases, found: Repositories) -> list[str]:
    """Check that nothing in a repository leads out of the root.

    Returns:
        The folders of objects that it borrows from.

    Raises:
        ToolError: A link or an alternate does, or something is neither a file nor a folder.
    """
    seen: set[str] = set()
    for folder in dict.fromkeys((found.git_dir, found.common_dir)):
        for entry in _entries(folder):
            if entry.is_dir(follow_symlinks=False):
                if entry.name in _LOOKED_INTO:
                    _check_tree(bases, entry.path, seen)
            elif entry.is_symlink():
                if entry.name not in ("hooks", "modules", "worktrees"):
                    for real in _check_link(bases, entry.path):
                        _check_tree(bases, real, seen)
            elif not entry.is_file(follow_symlinks=False) and not stat.S_ISSOCK(_mode(entry.path)):
                # A socket is the file system monitor's, and is not read.
                raise _no_file(entry.path)
    for folder in dict.fromkeys((found.git_dir, found.common_dir)):
        path = os.path.join(folder, "reftable", "tables.list")
        for line in (small_file(os.path.realpath(path)) or b"").split(b"\n"):
            if b"/" in line:
                raise ToolError(
                    f"`{path}` names `{os.fsdecode(line)}`, which is no file beside it; git did not write it"
                )
    return _alternates(bases, os.path.join(found.common_dir, "objects"), seen)


def check_written(found: Repositories) -> None:
    """Check that what a commit writes into a repository is written there.

    A link among these files, also one that stays beneath the root, would have the message of a commit, or its id,
    written over a file of the project's or of omni's.

    Raises:
        ToolError: One of them is a link.
    """
    names = ("logs", "refs", "index")
    todo = [os.path.join(folder, name) for folder in (found.git_dir, found.common_dir) for name in names]
    todo.append(os.path.join(found.git_dir, "COMMIT_EDITMSG"))
    while todo:
        path = todo.pop()
        mode = _mode(path)
        if stat.S_ISLNK(mode):
            raise ToolError(f"`{path}` is a symbolic link; a commit would be written to where it leads")
        if stat.S_ISDIR(mode):
            todo += [entry.path for entry in _entries(path)]


def small_file(path: str) -> Optional[bytes]:
    """Return the content of a small regular file, or `None` when there is none. The last name is no link.

    Raises:
        ToolError: It is something else, too large, or cannot be read.
    """
    try:
        # Opening a named pipe must not wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ToolError(f"cannot open `{path}`: {error.strerror}") from None
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _no_file(path)
        data = file.read(SMALL_BYTES_MAX + 1)
    if len(data) > SMALL_BYTES_MAX:
        raise ToolError(f"`{path}` is larger than {SMALL_BYTES_MAX >> 20} MB; it is no file of git's")
    return data


def _alternates(bases: Bases, objects: str, seen: set[str]) -> list[str]:
    found: list[str] = []
    todo = [os.path.realpath(objects)]
    while todo:
        folder = todo.pop()
        path = os.path.join(folder, "info", "alternates")
        for line in (small_file(os.path.realpath(path)) or b"").split(b"\n"):
            if not line or line.startswith(b"#"):
                continue
            if line.startswith(b'"'):
                # Git reads it as a quoted name, or as it stands, or as several: nothing that git writes is so.
                raise ToolError(f"`{path}` has a line in quotes, `{os.fsdecode(line)}`; write the path as it is")
            real = bases.check(os.path.join(folder, os.fsdecode(line)), f"`{path}`")
            if real in found:
                continue
            if len(found) >= _ALTERNATES_MAX:
                raise ToolError(f"`{path}`: more than {_ALTERNATES_MAX} folders of objects are borrowed from")
            found.append(real)
            todo.append(real)
            if os.path.isdir(real):
                _check_tree(bases, real, seen)
    return found


def _check_tree(bases: Bases, folder: str, seen: set[str]) -> None:
    todo = [folder]
    while todo:
        here = todo.pop()
        if here in seen:
            continue
        seen.add(here)
        for entry in _entries(here):
            if entry.is_dir(follow_symlinks=False):
                todo.append(entry.path)
            elif entry.is_symlink():
                todo += _check_link(bases, entry.path)
            elif not entry.is_file(follow_symlinks=False):
                raise _no_file(entry.path)


def _check_link(bases: Bases, path: str) -> list[str]:
    """Check where a link leads, and return that when it is a folder to be looked into."""
    real = bases.check(path, f"the symbolic link `{path}`")
    mode = _mode(real)
    if stat.S_ISDIR(mode):
        for secret, what, is_secret in protected.entries:
            # A file among the refs is read as a ref, and what it says is shown.
            if is_secret and secret.startswith(real.rstrip("/") + "/"):
                raise ToolError(f"the symbolic link `{path}` leads to where {what} is, which omni keeps to itself")
        return [real]
    if mode and not stat.S_ISREG(mode):
        raise _no_file(path)
    return []


def _entries(folder: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as listing:
            yield from listing
    except OSError as error:
        raise ToolError(f"cannot look into `{folder}`: {error.strerror}") from None


def _mode(path: str) -> int:
    try:
        return os.stat(path, follow_symlinks=False).st_mode
    except OSError:
        return 0


def _line(path: str) -> str:
    data = small_file(os.path.realpath(path)) or b""
    return os.fsdecode(data.rstrip(b"\r\n"))


def _no_file(path: str) -> ToolError:
    return ToolError(f"`{path}` is neither a file nor a folder; a repository has nothing else, so it is not used")
