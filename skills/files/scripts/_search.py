"""Which lines of one file match?"""

from __future__ import annotations

from dataclasses import dataclass, field
from re import Match, Pattern
from typing import BinaryIO, Optional

from ._text import encoding_of

# Only so much of a line is looked at, which bounds what a backtracking expression can cost per line.
_LOOK_CHARS = 10_000
# A long matching line is shown around its match.
_SHOWN_CHARS = 400


@dataclass
class LineMatches:
    """What a search found in one file, or why it did not look."""

    # Line number, text, and whether the line matches or stands beside one that does.
    rows: list[tuple[int, str, bool]] = field(default_factory=list)
    binary: bool = False
    too_large: bool = False


def matches_in(file: BinaryIO, finder: Pattern[str], bytes_max: int, context: int) -> LineMatches:
    """Search an open file line by line.

    Args:
        file: The file; read from where it stands.
        finder: What to look for.
        bytes_max: A larger file is reported as too large and not searched.
        context: Lines to add before and after each match.
    """
    data = file.read(bytes_max + 1)
    if len(data) > bytes_max:
        return LineMatches(too_large=True)
    encoding = encoding_of(data)
    if encoding is None:
        return LineMatches(binary=True)
    lines = data.decode(encoding, errors="replace").split("\n")
    found = {}
    for number, line in enumerate(lines, 1):
        match = finder.search(line.rstrip("\r")[:_LOOK_CHARS])
        if match is not None:
            found[number] = match
    if lines[-1] == "":
        # What follows the last line feed is no line, though an expression such as `^$` matches it.
        found.pop(len(lines), None)
        lines.pop()
    around = sorted(
        {near for number in found for near in range(max(1, number - context), min(len(lines), number + context) + 1)}
    )
    return LineMatches([(number, _shown(lines[number - 1], found.get(number)), number in found) for number in around])


def _shown(line: str, match: Optional[Match[str]]) -> str:
    line = line.rstrip("\r")
    if len(line) <= _SHOWN_CHARS:
        return line
    middle = match.start() if match is not None else 0
    start = max(0, min(middle - _SHOWN_CHARS // 4, len(line) - _SHOWN_CHARS))
    end = start + _SHOWN_CHARS
    return ("…" if start else "") + line[start:end] + ("…" if end < len(line) else "")
