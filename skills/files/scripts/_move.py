"""How does a file or a folder come to another name, without anything being overwritten or half moved?

The kernel's own renaming is used between two folders that are held open. It overwrites files without asking, so
the new name is first taken by an empty file or folder, which only one can do; renaming replaces just that. On
another disk the kernel cannot rename: a copy is made beside the new name, put in place in one step, and then the
old is removed.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Optional

from omni import Context, ToolError
from omni.safe_paths import Place, folder, open_at, place, printable, similar

from ._replace import look
from ._rules import canonical, check_may_write, refuse_git, refuse_holder

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# Each level of a folder that is copied to another disk keeps two descriptors open.
_DEPTH_MAX = 64


class Move(NamedTuple):
    """What is to go where. Paths are relative to the root, links resolved."""

    path: str
    to: str
    is_folder: bool
    # Whether a file is there that will be replaced.
    replaces: bool


def check_move(root: Path, path: str, to: str, *, overwrite: bool) -> Move:
    """Check a move without making it.

    Args:
        root: The project root.
        path: What to move.
        to: Its new path; with `/` at its end, the folder to put it in.
        overwrite: Replace a file that is there.

    Raises:
        ToolError: It cannot be made. The text says what to do instead.
    """
    name = _last_name(root, path)
    target = to + name if to.endswith("/") else to
    source = check_may_write(root, path)
    with place(root, source) as here:
        info = look(here)
        if info is None:
            raise ToolError(f"there is no `{path}`{similar(here.folder, here.name)}")
        is_folder = _kind(info, path)
    destination = check_may_write(root, target)
    if destination == source:
        raise ToolError(f"`{path}` and `{to}` are the same place; nothing was moved")
    if destination.startswith(f"{source}/"):
        raise ToolError(f"`{path}` cannot be moved into itself, to `{to}`; choose a place outside of it")
    if is_folder:
        refuse_holder(root, source, path)
        refuse_holder(root, destination, to)
    replaces = _check_target(root, (source, info), destination, target, is_folder, overwrite)
    return Move(source, destination, is_folder, replaces)


def make_move(ctx: Context, move: Move) -> None:
    """Make a move that was checked. What changed since then is noticed, and nothing is overwritten for it.

    Raises:
        ToolError: The system refuses, or somebody was faster.
    """
    root = ctx.root
    with place(root, move.path, write=True) as source, place(root, move.to, make_folders=True) as target:
        refuse_git(target.path)
        if (source.path, target.path) != (move.path, move.to):
            raise ToolError(
                f"`{move.path}` or `{move.to}` was changed by somebody else meanwhile; look, then try again"
            )
        before, there = look(source), look(target)
        if before is None or _kind(before, move.path) != move.is_folder:
            raise ToolError(f"`{move.path}` was changed by somebody else meanwhile; look, then try again")
        try:
            if there is None:
                _rename_to_free(ctx, source, target, is_folder=move.is_folder)
            elif _same(before, there) or move.replaces:
                # Letters of another case on a disk that knows no case, or a file that may be replaced.
                _rename(ctx, source, target, is_folder=move.is_folder)
            else:
                raise ToolError(f"`{move.to}` was made by somebody else meanwhile; nothing was moved")
        except OSError as error:
            raise ToolError(f"cannot move `{move.path}` to `{move.to}`: {_reason(error)}") from None


def _last_name(root: Path, path: str) -> str:
    clean = path.rstrip("/")
    name = clean.rpartition("/")[2]
    if name in ("", ".", ".."):
        raise ToolError(
            f"`{path}` names no file or folder that can be moved; give its path with its own name at the end"
        )
    with folder(root, clean.rpartition("/")[0] or ("/" if clean.startswith("/") else ".")) as (descriptor, _):
        try:
            target = os.readlink(name, dir_fd=descriptor)
        except OSError:
            # No link, or not there, which is told later.
            return name
    raise ToolError(
        f"`{path}` is a symbolic link to `{printable(target)}`, which could lead elsewhere from another place; move "
        "what it points to, or ask the user to move the link"
    )


def _kind(info: os.stat_result, shown: str) -> bool:
    """Return whether it is a folder."""
    if not stat.S_ISDIR(info.st_mode) and not stat.S_ISREG(info.st_mode):
        raise ToolError(f"`{shown}` is neither a file nor a folder; it was left where it is")
    return stat.S_ISDIR(info.st_mode)


def _check_target(
    root: Path, source: tuple[str, os.stat_result], destination: str, shown: str, is_folder: bool, overwrite: bool
) -> bool:
    """Return whether there is a file that will be replaced."""
    path, info = source
    if canonical(root, os.path.dirname(destination) or ".") != (os.path.dirname(destination) or "."):
        raise ToolError(f"`{shown}` was changed by somebody else meanwhile; try again")
    if not _is_there(root, destination):
        return False
    with place(root, destination) as here:
        there = look(here)
        if there is None:
            return False
        if _same(info, there):
            if destination.casefold() == path.casefold():
                return False
            raise ToolError(f"`{path}` and `{shown}` are the same file under two names (hard links); nothing was moved")
        if stat.S_ISDIR(there.st_mode):
            name = path.rpartition("/")[2]
            raise ToolError(f"`{shown}` is a folder; to move into it, set `to` to `{shown.rstrip('/')}/{name}`")
        if is_folder or not stat.S_ISREG(there.st_mode):
            raise ToolError(
                f"`{shown}` exists already and is no file that a {'folder' if is_folder else 'file'} replaces"
            )
        if not overwrite:
            raise ToolError(f"`{shown}` exists already; choose another name, or set overwrite=true to replace it")
        if not os.access(here.name, os.W_OK, dir_fd=here.folder):
            raise ToolError(f"`{shown}` is write-protected; ask the user before replacing it")
        return True


def _is_there(root: Path, path: str) -> bool:
    parts = path.split("/")
    for count in range(1, len(parts) + 1):
        with place(root, "/".join(parts[:count])) as here:
            if look(here) is None:
                return False
    return True


def _rename_to_free(ctx: Context, source: Place, target: Place, *, is_folder: bool) -> None:
    with _taken(target, is_folder=is_folder):
        _rename(ctx, source, target, is_folder=is_folder)


@contextmanager
def _taken(target: Place, *, is_folder: bool) -> Iterator[None]:
    """Take a free name with something empty, and leave it free again when what should replace that fails."""
    try:
        if is_folder:
            os.mkdir(target.name, 0o700, dir_fd=target.folder)
        else:
            os.close(os.open(target.name, _NEW, 0o600, dir_fd=target.folder))
    except FileExistsError:
        raise ToolError(f"`{target.path}` was made by somebody else meanwhile; nothing was moved") from None
    ours = look(target)
    try:
        yield
    except BaseException:
        now = look(target)
        # What was moved there since, by us or by others, is not ours to remove.
        if now is not None and ours is not None and _same(now, ours):
            try:
                (os.rmdir if is_folder else os.unlink)(target.name, dir_fd=target.folder)
            except OSError:
                # Somebody has put something into the folder.
                pass
        raise


def _rename(ctx: Context, source: Place, target: Place, *, is_folder: bool) -> None:
    try:
        os.rename(source.name, target.name, src_dir_fd=source.folder, dst_dir_fd=target.folder)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _move_across(ctx, source, target, is_folder=is_folder)


def _move_across(ctx: Context, source: Place, target: Place, *, is_folder: bool) -> None:
    """Move to another disk: copy beside the new name, put in place, remove the old."""
    draft = f".{target.name[:100]}.{secrets.token_hex(6)}.omni"
    before = look(source)
    try:
        if is_folder:
            _copy_folder(ctx, (source.folder, source.name), (target.folder, draft), source.path, 0)
        else:
            _copy_file(ctx, (source.folder, source.name), (target.folder, draft), source.path)
        _check_unchanged(source, before, is_folder=is_folder)
        os.rename(draft, target.name, src_dir_fd=target.folder, dst_dir_fd=target.folder)
    except BaseException:
        _remove(target.folder, draft)
        raise
    try:
        _remove(source.folder, source.name)
    except OSError as error:
        raise ToolError(
            f"`{target.path}` is there now, a copy on another disk, but `{source.path}` could not be removed: "
            f"{error.strerror}"
        ) from None


def _check_unchanged(source: Place, before: Optional[os.stat_result], *, is_folder: bool) -> None:
    now = look(source)
    is_same = before is not None and now is not None and _same(before, now)
    if not is_same or (not is_folder and _version(before) != _version(now)):
        raise ToolError(f"`{source.path}` was changed by somebody else meanwhile; nothing was moved")


def _version(info: Optional[os.stat_result]) -> Optional[tuple[int, int]]:
    return None if info is None else (info.st_mtime_ns, info.st_size)


def _copy_file(ctx: Context, source: tuple[int, str], target: tuple[int, str], shown: str) -> None:
    with open_at(*source, shown) as file:
        info = os.fstat(file.fileno())
        descriptor = os.open(target[1], _NEW, 0o600, dir_fd=target[0])
        try:
            while True:
                block = file.read(1 << 20)
                if not block:
                    break
                view = memoryview(block)
                while view:
                    view = view[os.write(descriptor, view) :]
                ctx.heartbeat()
            os.fchmod(descriptor, stat.S_IMODE(info.st_mode))
            os.utime(descriptor, ns=(info.st_atime_ns, info.st_mtime_ns))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _copy_folder(ctx: Context, source: tuple[int, str], target: tuple[int, str], shown: str, depth: int) -> None:
    if depth > _DEPTH_MAX:
        raise ToolError(f"`{shown}` is more than {_DEPTH_MAX} folders deep; it cannot be moved to another disk")
    os.mkdir(target[1], 0o700, dir_fd=target[0])
    old = os.open(source[1], _FOLDER, dir_fd=source[0])
    try:
        new = os.open(target[1], _FOLDER, dir_fd=target[0])
        try:
            for name in sorted(os.listdir(old)):
                _copy_one(ctx, old, new, name, f"{shown}/{printable(name)}", depth)
            info = os.fstat(old)
            os.fchmod(new, stat.S_IMODE(info.st_mode))
            os.utime(new, ns=(info.st_atime_ns, info.st_mtime_ns))
        finally:
            os.close(new)
    finally:
        os.close(old)


def _copy_one(ctx: Context, old: int, new: int, name: str, shown: str, depth: int) -> None:
    mode = os.stat(name, dir_fd=old, follow_symlinks=False).st_mode
    if stat.S_ISDIR(mode):
        _copy_folder(ctx, (old, name), (new, name), shown, depth + 1)
    elif stat.S_ISLNK(mode):
        os.symlink(os.readlink(name, dir_fd=old), name, dir_fd=new)
    elif stat.S_ISREG(mode):
        _copy_file(ctx, (old, name), (new, name), shown)
    else:
        raise ToolError(f"`{shown}` is neither a file, a folder nor a link; it cannot be moved to another disk")


def _remove(parent: int, name: str) -> None:
    """Remove a file, or a folder with everything in it. Links are removed, not followed."""
    try:
        mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(mode):
        os.unlink(name, dir_fd=parent)
        return
    descriptor = os.open(name, _FOLDER, dir_fd=parent)
    try:
        # A folder that was copied with its permissions may be one that its owner cannot write.
        os.fchmod(descriptor, 0o700)
        for inner in os.listdir(descriptor):
            _remove(descriptor, inner)
    finally:
        os.close(descriptor)
    os.rmdir(name, dir_fd=parent)


def _same(one: os.stat_result, other: Optional[os.stat_result]) -> bool:
    return other is not None and (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)


def _reason(error: OSError) -> str:
    if error.errno == errno.EINVAL:
        return "a folder cannot be moved into itself"
    if error.errno in (errno.EACCES, errno.EPERM):
        return "permission denied; ask the user before changing permissions"
    if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
        return "something was put there meanwhile"
    return error.strerror or str(error)
