"""The folder for temporary files that a process of a tool has to itself: what calls leave there, and its end.

The server makes it, names it in `hello` and removes it when the process has ended, however it ended. In
between this process sees to it that a call finds nothing of the call before. Looking whether there is
anything to do is one system call: a folder tells when something was last put in or taken out.
"""

from __future__ import annotations

import os
import sys
import time

from omni import wire
from omni.channel import copy_high
from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

#: A folder that was changed less than so many nanoseconds ago may change again without its time doing so: the
#: kernel's clock for files ticks every few milliseconds.
_TICK = 50_000_000
#: Files that are named at most.
_NAMED_MAX = 8
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_VARIABLE = b"TMPDIR"

_chmod = os.chmod
_close = os.close
_fchmod = os.fchmod
_listdir = os.listdir
_mkdir = os.mkdir
_modules = sys.modules
_now = time.time_ns
_open = os.open
_rename = os.rename
_rmdir = os.rmdir
_stat = os.stat
_fstat = os.fstat
_unlink = os.unlink
_basename, _dirname, _fsdecode, _fsencode = os.path.basename, os.path.dirname, os.fsdecode, os.fsencode
_variables: dict = os.environ._data  # type: ignore[attr-defined]


class TemporaryFolder:
    """Where this process and what it starts put temporary files: `TMPDIR`, and `tempfile.gettempdir()`."""

    __slots__ = ("_fd", "_identity", "_kept", "_needle", "_path", "_seen", "_sure", "_value", "stays")

    def __init__(self, path: str, *, stays: bool = False) -> None:
        """Use a folder that the server has made for this process alone.

        With `stays` what calls leave lasts as long as the process: many calls share it, or a skill keeps its
        state here.

        Raises:
            OSError: It is not there.
        """
        self.stays = stays
        self._path = path
        #: How its path begins in the text of a frame.
        self._needle = wire.quote(path)[1:-1].encode() + b"/"
        self._fd = -1
        self._identity = (0, 0)
        self._open()
        #: What is there for good, by name.
        self._kept: frozenset[str] = frozenset()
        #: When the folder was last changed as far as we have looked, and whether a later change would show.
        self._seen = 0
        self._sure = False
        self._value = _fsencode(path)
        self.put_back()

    def _open(self) -> None:
        fd = _open(self._path, _FOLDER)
        self._fd = copy_high(fd, 2)
        _close(fd)
        about = _stat(self._fd)
        self._identity = (about.st_dev, about.st_ino)

    def put_back(self) -> None:
        """Have everything in this process that asks for a temporary folder find this one."""
        if _variables.get(_VARIABLE) != self._value:
            os.environ["TMPDIR"] = self._path
        module = _modules.get("tempfile")
        if module is not None and module.tempdir != self._path and module.tempdir is not None:
            module.tempdir = self._path

    def changed(self) -> bool:
        """Tell whether something may have been put there or taken away since the last look."""
        try:
            return _fstat(self._fd).st_mtime_ns != self._seen or not self._sure
        except OSError:  # a tool has closed the descriptor
            return True

    def accept(self) -> None:
        """Take what is there for good: what a skill makes while it is imported it wants in every call."""
        if not self.stays and self.changed():
            self._kept = frozenset(self._look())

    def leave_nothing(self, frame: bytes, *, keep: bool) -> bytes:
        """Remove what a call has left, and return its answer; where that names such files, it says so.

        With `keep` it stays, for good.

        Raises:
            OSError: It cannot be removed, or the folder is another now: this process may serve no more calls.
        """
        names = self._look()
        left = [name for name in names if name not in self._kept]
        if keep:
            self._kept = self._kept.union(left)
            return frame
        libraries = _of_libraries(self._path)
        left = [name for name in left if name not in libraries]
        if not left:
            return frame
        if self._needle in frame:
            frame = _with_named(frame, self._path, left, gone=True)
        for name in left:
            _remove(self._fd, name)
        # The removal is a change of our own, and one that is too recent to tell the next from.
        self._sure = False
        return frame

    def mention(self, frame: bytes) -> bytes:
        """Return an answer that says so where it names files that go with this process."""
        if self._needle not in frame:
            return frame
        try:
            names = _listdir(self._path)
        except OSError:
            return frame
        return _with_named(frame, self._path, names, gone=False)

    def _look(self) -> list[str]:
        """Return the names that are there."""
        try:
            about = _stat(self._fd)
            known = (about.st_dev, about.st_ino) == self._identity
        except OSError:
            known = False
        if not known or not about.st_nlink:
            about = self._find_again()
        self._seen = about.st_mtime_ns
        self._sure = abs(_now() - self._seen) > _TICK
        return _listdir(self._fd)

    def _find_again(self) -> os.stat_result:
        """Open the folder anew, whose descriptor was closed, or make it anew when it was removed."""
        identity = self._identity
        try:
            self._open()
        except FileNotFoundError:
            _mkdir(self._path, 0o700)
            self._open()
            self._kept = frozenset()
        else:
            if self._identity != identity:
                message = "another folder is in its place"
                raise OSError(message)
        return _stat(self._fd)


def _of_libraries(path: str) -> set[str]:
    """Return the name of the folder that `multiprocessing` has made for as long as this process lives."""
    process = _modules.get("multiprocessing.process")
    config = getattr(getattr(process, "_current_process", None), "_config", None) or {}
    folder = config.get("tempdir")
    return {_basename(folder)} if isinstance(folder, str) and _dirname(folder) == path else set()


def _with_named(frame: bytes, path: str, names: Iterable[str], *, gone: bool) -> bytes:
    """Return an answer with those of the files that it names, for the server to put into words."""
    found = []
    for name in names:
        try:
            text = wire.quote(f"{path}/{name}")
            if text[1:-1].encode() in frame:
                found.append(text)
        except UnicodeEncodeError:  # no text, so no result can name it
            continue
        if len(found) == _NAMED_MAX:
            break
    if not found:
        return frame
    member = '"temp":{"files":[%s],"gone":%s}' % (",".join(found), "true" if gone else "false")
    return wire.with_member(frame, member)


def _remove(top: int, name: str) -> None:
    """Remove an entry of the folder `top`, whatever it is. Follows no link, and minds no depth.

    A folder within a folder is moved up to `top` first, so that no path and no recursion grows with the tree.
    """
    pending = [name]
    number = 0
    while pending:
        name = pending.pop()
        try:
            _unlink(name, dir_fd=top)
            continue
        except FileNotFoundError:
            continue
        except IsADirectoryError:
            pass
        folder = _open_folder(top, name)
        try:
            for entry in _listdir(folder):
                try:
                    _unlink(entry, dir_fd=folder)
                except IsADirectoryError:
                    number += 1
                    pending.append(_move_up(folder, entry, top, number))
                except FileNotFoundError:
                    pass
        finally:
            _close(folder)
        _rmdir(name, dir_fd=top)


def _open_folder(top: int, name: str) -> int:
    try:
        folder = _open(name, _FOLDER, dir_fd=top)
    except PermissionError:
        _chmod(name, 0o700, dir_fd=top)
        folder = _open(name, _FOLDER, dir_fd=top)
    try:
        _fchmod(folder, 0o700)
    except OSError:  # another user's
        pass
    return folder


def _move_up(folder: int, name: str, top: int, number: int) -> str:
    # Nobody else knows the name.
    free = f".omni-{os.getpid()}-{_now()}-{number}"
    try:
        _rename(name, free, src_dir_fd=folder, dst_dir_fd=top)
    except PermissionError:
        # A folder that may not be written to cannot get another parent either.
        _chmod(name, 0o700, dir_fd=folder)
        _rename(name, free, src_dir_fd=folder, dst_dir_fd=top)
    return free
