"""What did the author of YAML that cannot be read most likely mean?

The server's counterpart, with the same rounds: each tries, for the lines at and above the faulty one, what
people get wrong, and keeps the change after which reading comes furthest: a faulty line costs at most itself.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Callable

    #: Returns what the lines say, or the line of the file where reading stopped and why.
    Read = Callable[[list[str]], tuple[Any, int, str]]

_LINES_TRIED_MAX = 40
_READS_MAX = 400
_BYTES_MAX = 32 << 10
_DONE = 1 << 30
_FOREIGN = "\u00a0\u2007\u202f\u3000\u200b\ufeff"
_START = re.compile(r"(\s*(?:- +)?[A-Za-z0-9_-]+:)(?=[ \t])[ \t]*(.*)|(\s*-)[ \t]+(.*)")
_BLANKS = re.compile(rf"([ \t{_FOREIGN}]*)([A-Za-z0-9_-]+:)?([ \t{_FOREIGN}]*)(.*)")


def repaired(lines: list[str], read: Read) -> tuple[Any, list[tuple[int, str]]] | None:
    """Return what the lines say, changed where they have to be, and problems; None when nothing helps."""
    if sum(map(len, lines)) > _BYTES_MAX:
        return None
    problems: list[tuple[int, str]] = []
    lines = _with_blanks(lines, problems)
    value, faulty, why = read(lines)
    left = _READS_MAX
    while faulty != _DONE:
        best: tuple[int, int, str, Any, str] | None = None
        for at, text, dropped in _changes(lines, faulty - 2):
            left -= 1
            if left < 0:
                return None
            result, reached, next_why = read([*lines[:at], text, *lines[at + 1 :]])
            if (reached > faulty or dropped) and (best is None or reached > best[0]):
                best = (reached, at, text, result, next_why)
            if reached == _DONE:
                break
        if best is None:
            return None
        reached, at, text, value, next_why = best
        problems.append((at + 2, f"the front matter is not valid YAML: {why}"))
        lines = [*lines[:at], text, *lines[at + 1 :]]
        faulty, why = reached, next_why
    return value, problems


def _changes(lines: list[str], faulty: int) -> Iterator[tuple[int, str, bool]]:
    """Give other ways to write the lines at and above the faulty one; whether a line is left out."""
    faulty = max(0, min(faulty, len(lines) - 1))
    near = [
        at
        for at in range(faulty, max(-1, faulty - _LINES_TRIED_MAX), -1)
        if lines[at].strip() and not lines[at].lstrip().startswith("#")
    ]
    for way in (_spaced, _quoted):
        for at in near:
            text = way(lines[at])
            if text is not None:
                yield at, text, False
    for at in near:
        bare = lines[at].lstrip()
        if not _START.fullmatch(bare):
            continue
        around = [len(line) - len(line.lstrip()) for line in lines[max(0, at - 8) : at] if line.strip()]
        for indent in dict.fromkeys([*reversed(around), 0]):
            if indent != len(lines[at]) - len(bare):
                yield at, " " * indent + bare, False
    if lines:
        yield faulty, "#", True


def _spaced(line: str) -> str | None:
    found = re.fullmatch(r"(\s*(?:- )*[A-Za-z0-9_-]+):([^\s/:].*)", line)
    return found and f"{found[1]}: {found[2]}"


def _quoted(line: str) -> str | None:
    found = _START.fullmatch(line)
    start, value = (found[1] or found[3], (found[2] or found[4] or "").strip()) if found else ("", "")
    if value in ("", "|", ">", "|-", ">-", "[]", "{}"):
        return None
    for quote in "\"'":
        if value.startswith(quote):
            inner = value[1:]
            if inner.endswith(quote) and quote not in inner[:-1]:
                value = inner[:-1]
            elif quote not in inner:
                value = inner
            break
    return f"{start} '" + value.replace("'", "''") + "'"


def _with_blanks(lines: list[str], problems: list[tuple[int, str]]) -> list[str]:
    """Return the lines with blanks in the place of tabs that indent, and of what only looks like blanks."""
    made = []
    for at, written in enumerate(lines):
        line = written
        indent, key, gap, rest = _BLANKS.fullmatch(line).groups()  # type: ignore[union-attr] - it matches all
        if key is None:
            indent, gap = indent + gap, ""
        if any(sign in "\t" + _FOREIGN for sign in indent) or any(sign in _FOREIGN for sign in gap):
            problems.append((at + 2, "the front matter is not valid YAML: a tab or another kind of blank"))
            line = "".join("  " if sign == "\t" else " " for sign in indent)
            line += f"{key} {rest}" if key and gap else f"{key or ''}{rest}"
        made.append(line)
    return made
