"""What calls print to and the folder they run in: kept as they were, whatever a tool does to them."""

from __future__ import annotations

import sys
from os import O_RDONLY, chdir, close, devnull, dup2, get_inheritable, getcwd
from os import open as open_descriptor

from omni.private import __builtins__  # noqa: F401 - functions find built-in names here

TYPE_CHECKING = False
if TYPE_CHECKING:
    from io import TextIOWrapper


class Streams:
    """Standard output and error, which the server captures, and the working folder.

    Text is written line by line as UTF-8; what UTF-8 cannot carry is written as an escape, so that no
    `print` fails.
    """

    __slots__ = ("_err", "_home", "_out", "_out_copy", "err_copy")

    def __init__(self, out_copy: int | None = None, err_copy: int | None = None) -> None:
        """Remember how things are. The copies of descriptors 1 and 2 serve to put them back."""
        self._home = getcwd()
        self._out_copy = out_copy
        #: A descriptor for standard error that tools do not know.
        self.err_copy = err_copy
        self._out = sys.stdout = _prepared(sys.stdout, 1)
        self._err = sys.stderr = _prepared(sys.stderr, 2)

    def flush(self) -> None:
        """Push out what a call printed, so that it comes before the call's answer."""
        out, err = sys.stdout, sys.stderr
        try:
            out.flush()
            err.flush()
        except BaseException:  # a stream of the tool's own may do anything
            pass
        if out is not self._out or err is not self._err:
            try:
                self._out.flush()
                self._err.flush()
            except (OSError, ValueError):  # the descriptor was closed, or the stream
                pass

    def restore(self) -> None:
        """Put back the descriptors, the streams and the folder."""
        # Descriptors 1 and 2 are inherited by children, files opened by a tool are not: a cheap way to
        # see that one of them has taken the number.
        if self._out_copy is not None and not (_is_standard(0) and _is_standard(1) and _is_standard(2)):
            self._restore_descriptors()
        if sys.stdout is not self._out or self._out.closed:
            self._out = sys.stdout = _prepared(self._out, 1)
        if sys.stderr is not self._err or self._err.closed:
            self._err = sys.stderr = _prepared(self._err, 2)
        try:
            if getcwd() == self._home:
                return
        except OSError:  # the tool removed the folder it was in
            pass
        try:
            chdir(self._home)
        except OSError:
            pass

    def _restore_descriptors(self) -> None:
        nothing = open_descriptor(devnull, O_RDONLY)
        dup2(nothing, 0)
        if nothing > 2:
            close(nothing)
        dup2(self._out_copy, 1)
        dup2(self.err_copy, 2)


def _prepared(stream: TextIOWrapper | None, fd: int) -> TextIOWrapper:
    if stream is None or stream.closed:
        return open(fd, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)
    stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    return stream


def _is_standard(fd: int) -> bool:
    try:
        return get_inheritable(fd)
    except OSError:
        return False
