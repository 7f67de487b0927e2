"""What calls print to and the folder they run in: kept as they were, whatever a tool does to them."""

from __future__ import annotations

import sys
from _operator import itemgetter
from fcntl import F_GETFL, F_SETFL, fcntl
from io import BufferedWriter, FileIO, TextIOWrapper
from os import (
    O_APPEND,
    O_NONBLOCK,
    O_RDONLY,
    chdir,
    close,
    devnull,
    dup2,
    get_blocking,
    get_inheritable,
    getcwd,
    set_blocking,
)
from os import open as open_descriptor

from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable


class StandardStream(FileIO):
    """Descriptor 1 or 2 as Python code writes to it: asks whose words those are where calls share it."""

    def __init__(self, streams: Streams, fd: int) -> None:
        """Belong to `streams`. Closing it leaves the descriptor open."""
        super().__init__(fd, "w", closefd=False)
        self._streams = streams
        self._number = fd

    def write(self, data: Any) -> int:
        """Hand the bytes to the call that writes them, or else to the descriptor."""
        streams = self._streams
        streams.printed = True
        speak = streams.speak
        if speak is None:
            return super().write(data)
        rest = memoryview(data).cast("B")
        length = len(rest)
        if speak(self._number, data):
            return length
        while rest:
            # A signal may cut a write short, and nobody above writes the rest.
            rest = rest[super().write(rest) or len(rest) :]
        return length


class Streams:
    """Standard output and error, which the server captures, and the working folder.

    Text is written line by line as UTF-8; what UTF-8 cannot carry is written as an escape, so that no
    `print` fails.
    """

    __slots__ = (
        "_blocking",
        "_err",
        "_flags",
        "_home",
        "_in",
        "_out",
        "_out_copy",
        "err_copy",
        "printed",
        "speak",
    )

    def __init__(self, out_copy: int | None = None, err_copy: int | None = None) -> None:
        """Remember how things are. The copies of descriptors 1 and 2 serve to put them back."""
        self._home = getcwd()
        self._out_copy = out_copy
        #: A descriptor for standard error that tools do not know.
        self.err_copy = err_copy
        #: Something was written here since somebody set this to False. What C code writes is not noticed.
        self.printed = False
        #: Takes what is written to descriptor 1 or 2, if it can tell whose it is: see `omni.call_output`.
        self.speak: Callable[[int, Any], bool] | None = None
        self._in = sys.stdin
        # Under both names, before any skill is imported: a logging handler keeps the stream that it finds.
        self._out = sys.stdout = sys.__stdout__ = self._text(1)
        self._err = sys.stderr = sys.__stderr__ = self._text(2)
        self._blocking = BlockingModes()
        if out_copy is not None:
            _mark()
        self._flags = _flags()

    def attribute(self, speak: Callable[[int, Any], bool]) -> None:
        """From now on have `speak` asked first, with each piece of text as it is written.

        Nothing may wait in a buffer that all calls share.
        """
        self.speak = speak
        self._out = sys.stdout = sys.__stdout__ = self._text(1)
        self._err = sys.stderr = sys.__stderr__ = self._text(2)

    def _text(self, fd: int) -> TextIOWrapper:
        raw: Any = StandardStream(self, fd)
        if self.speak is not None:
            return TextIOWrapper(raw, encoding="utf-8", errors=_ERRORS, write_through=True)
        return TextIOWrapper(BufferedWriter(raw), encoding="utf-8", errors=_ERRORS, line_buffering=True)

    def _prepared(self, stream: TextIOWrapper, fd: int) -> TextIOWrapper:
        through = self.speak is not None
        try:
            if not stream.closed:
                stream.reconfigure(
                    encoding="utf-8", errors=_ERRORS, line_buffering=not through, write_through=through
                )
                return stream
        except ValueError:  # what it wrote to was taken away
            pass
        return self._text(fd)

    def _put_back(self, name: str, stream: TextIOWrapper, fd: int) -> TextIOWrapper:
        stream = self._prepared(stream, fd)
        # What stood in its place may go with this, and take along what both have written to.
        setattr(sys, name, stream)
        if is_changed(stream):
            stream = self._prepared(stream, fd)
            setattr(sys, name, stream)
        return stream

    def flush(self) -> None:
        """Push out what a call printed, so that it comes before the call's answer."""
        out, err = getattr(sys, "stdout", None), getattr(sys, "stderr", None)
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
        # A cheap way to see that something else has taken one of the numbers: children inherit these, and not
        # what a tool opens; and what it has put there with `dup2` lacks the flag that these are marked with.
        try:
            inherited = get_inheritable(0) and get_inheritable(1) and get_inheritable(2)
            flags = (fcntl(0, F_GETFL), fcntl(1, F_GETFL), fcntl(2, F_GETFL)) if inherited else None
        except OSError:  # one of them is closed
            flags = None
        if flags is None or flags != self._flags:
            self._restore_flags(flags)
        try:
            out, err = self._out, self._err
            usual = _streams(_names) == (self._in, out, err) and out.errors == err.errors == _ERRORS
            usual = usual and not (out.closed or err.closed or (self._in is not None and self._in.closed))
        except (KeyError, AttributeError, ValueError):  # deleted, or robbed of what it led to
            usual = False
        if not usual:
            self._restore_streams()
        try:
            if getcwd() == self._home:
                return
        except OSError:  # the tool removed the folder it was in
            pass
        try:
            chdir(self._home)
        except OSError:
            pass

    def _restore_flags(self, flags: tuple[int, ...] | None) -> None:
        were = self._flags
        others = flags is None or were is None or any((a ^ b) & ~O_NONBLOCK for a, b in zip(flags, were))
        if others and self._out_copy is not None:
            self._restore_descriptors()
        self._blocking.restore()

    def _restore_streams(self) -> None:
        self._out = self._put_back("stdout", self._out, 1)
        self._err = self._put_back("stderr", self._err, 2)
        sys.stdin = self._in
        if self._in is not None and self._in.closed:
            self._in = sys.stdin = open(0, encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115

    def _restore_descriptors(self) -> None:
        nothing = open_descriptor(devnull, O_RDONLY)
        dup2(nothing, 0)
        if nothing > 2:
            close(nothing)
        dup2(self._out_copy, 1)
        dup2(self.err_copy, 2)
        _mark()


_ERRORS = "backslashreplace"
_names = vars(sys)
_streams = itemgetter("stdin", "stdout", "stderr")


def is_changed(stream: TextIOWrapper) -> bool:
    """Tell whether a stream is closed, robbed of what it writes to, or set to another encoding."""
    try:
        return stream.closed or stream.errors != _ERRORS
    except ValueError:
        return True


class BlockingModes:
    """Whether reading and writing descriptors 0 to 2 waits. That is so for all who have a copy of one."""

    __slots__ = ("were",)

    def __init__(self) -> None:
        """Remember how they are."""
        self.were = _blocking()

    def restore(self) -> None:
        """Make them so again."""
        try:
            if (get_blocking(0), get_blocking(1), get_blocking(2)) == self.were:
                return
        except OSError:  # one of them is closed
            pass
        for number, were in enumerate(self.were or ()):
            try:
                set_blocking(number, were)
            except OSError:
                continue


def _mark() -> None:
    """Set a flag on descriptors 0 to 2 that means nothing there, and that what a tool opens has not."""
    for number in range(3):
        try:
            fcntl(number, F_SETFL, fcntl(number, F_GETFL) | O_APPEND)
        except OSError:  # closed, or no file that has flags
            continue


def _flags() -> tuple[int, ...] | None:
    try:
        return fcntl(0, F_GETFL), fcntl(1, F_GETFL), fcntl(2, F_GETFL)
    except OSError:
        return None


def _blocking() -> tuple[bool, bool, bool] | None:
    try:
        return get_blocking(0), get_blocking(1), get_blocking(2)
    except OSError:
        return None
