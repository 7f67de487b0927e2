"""How do the bytes of a file become lines of text, and back?"""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple, Optional

from omni import ToolError

# What decides whether a file is text: a NUL byte in its beginning, as `git` and `grep` do it.
_LOOK_BYTES = 8192

# A line longer than this reaches the model cut; minified code has lines of megabytes.
LINE_CHARS_MAX = 2000

_MARKS = (
    # UTF-32 first: its mark begins with UTF-16's.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)


def encoding_of(beginning: bytes) -> Optional[str]:
    """Return the encoding that a file's first bytes tell, `utf-8` without a mark, `None` for binary."""
    for mark, name in _MARKS:
        if beginning.startswith(mark):
            return name
    return None if b"\0" in beginning[:_LOOK_BYTES] else "utf-8"


class TextFile(NamedTuple):
    """A file opened as text, and the encoding that it is read with."""

    stream: io.TextIOWrapper
    encoding: str


def as_text(file: BinaryIO, shown: str, encoding: Optional[str] = None) -> TextFile:
    """Read an open file as text. What the encoding cannot say becomes U+FFFD.

    Raises:
        ToolError: The file is binary, or the encoding is not one that Python knows.
    """
    beginning = file.read(_LOOK_BYTES)
    file.seek(0)
    if encoding is None:
        encoding = encoding_of(beginning)
        if encoding is None:
            raise ToolError(
                f"`{shown}` is binary ({_looks_like(beginning)}); `text_hash` compares it, `data_schema` reads SQLite"
            )
    try:
        return TextFile(io.TextIOWrapper(file, encoding=encoding, errors="replace"), encoding)
    except LookupError:
        raise ToolError(f"Python knows no encoding `{encoding}`; try `utf-8`, `latin-1` or `cp1252`") from None


def lines(stream: io.TextIOWrapper, column: int = 1) -> Iterator[str]:
    """Yield each line without its end, cut at `LINE_CHARS_MAX` with a note. Memory stays bounded.

    Args:
        stream: The text.
        column: The first character of each line to yield, from 1.
    """
    while True:
        line, is_whole = _piece(stream, column - 1, is_whole=False)
        if line is None:
            return
        if is_whole or len(line) < LINE_CHARS_MAX:
            yield line
            continue
        more = 0
        while not is_whole:
            rest = stream.readline(1 << 20)
            more += len(rest.rstrip("\n"))
            is_whole = not rest or rest.endswith("\n")
        if more:
            line += f"… [{more:,} more characters in this line; go on with column={column + len(line)}]"
        yield line


def _piece(stream: io.TextIOWrapper, skipped: int, *, is_whole: bool) -> tuple[Optional[str], bool]:
    """Return a piece of the next line and whether its end was reached; `None` at the end of the file."""
    began = False
    while skipped > 0 and not is_whole:
        left_out = stream.readline(min(skipped, 1 << 20))
        if not left_out:
            return ("" if began else None), True
        began = True
        is_whole = left_out.endswith("\n")
        skipped -= len(left_out)
    if is_whole:
        return "", True
    line = stream.readline(LINE_CHARS_MAX)
    if not line:
        return ("" if began else None), True
    return (line[:-1], True) if line.endswith("\n") else (line, False)


def _looks_like(beginning: bytes) -> str:
    for start, kind in (
        (b"\x89PNG", "a PNG image"),
        (b"\xff\xd8\xff", "a JPEG image"),
        (b"GIF8", "a GIF image"),
        (b"%PDF", "a PDF document"),
        (b"PK\x03\x04", "a ZIP archive or office document"),
        (b"\x1f\x8b", "gzip data"),
        (b"SQLite format 3", "a SQLite database"),
        (b"\x7fELF", "an executable"),
    ):
        if beginning.startswith(start):
            return kind
    return "it holds NUL bytes"
