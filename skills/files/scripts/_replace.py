"""How does new content take the place of old without a moment in which neither is there?"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from typing import Optional

from omni import ToolError
from omni.safe_paths import Place, open_at

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def create(place: Place, data: bytes) -> None:
    """Write a file that must not exist yet.

    Raises:
        ToolError: Something of that name exists, or the system refuses.
    """
    try:
        descriptor = os.open(place.name, _NEW, 0o666, dir_fd=place.folder)
    except FileExistsError:
        raise ToolError(
            f"`{place.path}` exists already; change a part of it with `files_edit`, or replace all of it with "
            'mode="overwrite"'
        ) from None
    except OSError as error:
        raise ToolError(f"cannot create `{place.path}`: {error.strerror}") from None
    try:
        _write_all(descriptor, data)
    except BaseException:
        # Also when the call is cancelled: half a file that looks whole is worse than none.
        os.unlink(place.name, dir_fd=place.folder)
        raise
    finally:
        os.close(descriptor)


def replace(place: Place, data: bytes, before: Optional[os.stat_result]) -> None:
    """Put new content in place of a file, in one step: readers see all of the old or all of the new.

    The permissions of the old file are kept, its owner and its hard links are not.

    Args:
        place: Where.
        data: The whole new content.
        before: What the file was when its content was read, or `None` when there was no file. A
            change since then is not overwritten.

    Raises:
        ToolError: The file changed meanwhile, is not a regular file, may not be written, or the
            system refuses.
    """
    _check_unchanged(place, before)
    draft = f".{place.name[:100]}.{secrets.token_hex(6)}.omni"
    try:
        descriptor = os.open(draft, _NEW, 0o666, dir_fd=place.folder)
    except OSError as error:
        raise ToolError(f"cannot write beside `{place.path}`: {error.strerror}") from None
    try:
        try:
            _write_all(descriptor, data)
            if before is not None:
                os.fchmod(descriptor, stat.S_IMODE(before.st_mode))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        _check_unchanged(place, before)
        os.rename(draft, place.name, src_dir_fd=place.folder, dst_dir_fd=place.folder)
    except OSError as error:
        _forget(draft, place.folder)
        raise ToolError(f"cannot write `{place.path}`: {error.strerror}") from None
    except BaseException:
        _forget(draft, place.folder)
        raise


def append(place: Place, data: bytes) -> bool:
    """Add to the end of a file, which is created when it is missing. Of several hard links one is changed.

    Returns:
        Whether the file is new.

    Raises:
        ToolError: It is not a regular file, or the system refuses.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(place.name, flags, dir_fd=place.folder)
    except FileNotFoundError:
        create(place, data)
        return True
    except OSError as error:
        reason = "it is a symbolic link by now" if error.errno == errno.ELOOP else error.strerror
        raise ToolError(f"cannot append to `{place.path}`: {reason}") from None
    try:
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode):
            raise ToolError(f"`{place.path}` is not a regular file")
        if info.st_nlink == 1:
            _write_all(descriptor, data)
            return False
    finally:
        os.close(descriptor)
    # The same file under another name may be anything, and anywhere: that one stays as it is.
    with open_at(place.folder, place.name, place.path) as file:
        before = os.fstat(file.fileno())
        replace(place, file.read() + data, before)
    return False


def look(place: Place) -> Optional[os.stat_result]:
    """Return what is at a place now, links not followed, or `None` for nothing."""
    try:
        return os.stat(place.name, dir_fd=place.folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _check_unchanged(place: Place, before: Optional[os.stat_result]) -> None:
    now = look(place)
    if now is not None and not stat.S_ISREG(now.st_mode):
        kind = "a folder" if stat.S_ISDIR(now.st_mode) else "not a regular file"
        raise ToolError(f"`{place.path}` is {kind}; give the path of a file")
    if _identity(now) != _identity(before):
        raise ToolError(f"`{place.path}` was changed by somebody else meanwhile; read it again, then repeat the change")
    if now is not None and not os.access(place.name, os.W_OK, dir_fd=place.folder):
        raise ToolError(f"`{place.path}` is write-protected; ask the user before changing its permissions")


def _identity(info: Optional[os.stat_result]) -> Optional[tuple]:
    return None if info is None else (info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _forget(name: str, folder: int) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        pass
