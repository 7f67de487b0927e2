"""How is an exact piece of a file replaced, and what is said when it is not there?"""

from __future__ import annotations

import difflib
import re
from typing import NamedTuple, Optional

from omni import ToolError

from ._text import encoding_of

# Comparing every place of a larger file with the piece that was not found would take too long.
_CLOSEST_LINES_MAX = 20_000


class Replacement(NamedTuple):
    """The new content of a file, and the lines that its replacements begin on."""

    data: bytes
    lines: list[int]


def replace_exactly(
    data: bytes,
    old: str,
    new: str,
    *,
    everywhere: bool,
    shown: str,
    line: Optional[int] = None,
    encoding: Optional[str] = None,
) -> Replacement:
    r"""Replace `old` by `new` in the bytes of a text file, whose encoding and line ends are kept.

    Args:
        data: The file's content.
        old: What is there. Its `\n` also means `\r\n` where the file has Windows line ends.
        new: What to put there.
        everywhere: Replace every occurrence; otherwise there must be exactly one.
        shown: The file's path, for error texts.
        line: Which of several: the one that begins on this line.
        encoding: How the file is encoded, when it is neither UTF-8 nor marked.

    Raises:
        ToolError: `old` is empty, equal to `new`, not there, or there more than once; or the file is
            not text.
    """
    if not old:
        raise ToolError('`old` is empty; give the text to replace, or add with `files_write` and mode="append"')
    if old == new:
        raise ToolError("`old` and `new` are the same; nothing would change")
    text, encoding = _decoded(data, encoding, shown)
    places = _places(text, old)
    if not places:
        raise ToolError(f"`old` was not found in `{shown}`; nothing was changed.{_closest(text, old)}")
    lines = _lines_at(text, [start for start, _ in places])
    if line is not None:
        if everywhere:
            raise ToolError("give either `line` or replace_all=true, not both")
        places = [place for place, begins in zip(places, lines) if begins == line]
        if len(places) != 1:
            found = (
                f"begins on lines {_listed(lines)}" if not places else f"is there {len(places)} times on line {line}"
            )
            raise ToolError(f"`old` {found} of `{shown}`, not once on line {line}; nothing was changed")
        lines = [line]
    elif len(places) > 1 and not everywhere:
        raise ToolError(
            f"`old` is there {len(places)} times in `{shown}` (lines {_listed(lines)}); nothing was changed. Add lines "
            "around it until it is unique, say which with `line`, or set replace_all=true"
        )
    pieces, at, grown = [], 0, 0
    changed_lines = []
    for (start, end), begins in zip(places, lines):
        piece = _with_ends(new, text, start, end)
        changed_lines.append(begins + grown)
        grown += piece.count("\n") - text.count("\n", start, end)
        pieces += [text[at:start], piece]
        at = end
    changed = "".join([*pieces, text[at:]])
    return Replacement(_encoded(changed, encoding, data, shown), changed_lines)


def _decoded(data: bytes, encoding: Optional[str], shown: str) -> tuple[str, str]:
    encoding = encoding or encoding_of(data)
    if encoding is None:
        raise ToolError(f"`{shown}` is binary; only text can be edited")
    try:
        return data.decode(encoding), encoding
    except LookupError:
        raise ToolError(f"Python knows no encoding `{encoding}`; try `utf-8`, `latin-1` or `cp1252`") from None
    except UnicodeDecodeError as error:
        raise ToolError(
            f"`{shown}` is not valid {encoding} at byte {error.start}; editing it could damage it, so it was left "
            "alone. Say how it is encoded with `encoding`, such as `latin-1`"
        ) from None


def _places(text: str, old: str) -> list[tuple[int, int]]:
    """Return where a piece begins and ends, each time it is there, whatever ends the lines in the file."""
    found = []
    at = text.find(old)
    while at >= 0:
        found.append((at, at + len(old)))
        at = text.find(old, at + len(old))
    if found or "\r" not in text or "\n" not in old:
        return found
    ends = r"\r?\n".join(re.escape(line) for line in old.replace("\r\n", "\n").split("\n"))
    return [match.span() for match in re.finditer(ends, text)]


def _with_ends(new: str, text: str, start: int, end: int) -> str:
    """Return what is put at a place, its lines ended as the lines there are."""
    line_end = text.find("\n", start)
    if line_end < 0:
        line_end = text.rfind("\n", 0, end)
    if line_end > 0 and text[line_end - 1] == "\r":
        return new.replace("\r\n", "\n").replace("\n", "\r\n")
    return new


def _lines_at(text: str, starts: list[int]) -> list[int]:
    found, line, counted = [], 1, 0
    for start in starts:
        line += text.count("\n", counted, start)
        counted = start
        found.append(line)
    return found


def _listed(lines: list[int]) -> str:
    return ", ".join(str(line) for line in lines[:10]) + (", …" if len(lines) > 10 else "")


def _encoded(text: str, encoding: str, before: bytes, shown: str) -> bytes:
    try:
        return _encoded_as(text, encoding, before)
    except UnicodeEncodeError as error:
        raise ToolError(
            f"`{text[error.start]!a}` in `new` cannot be written in {encoding}, in which `{shown}` is; nothing was "
            "changed"
        ) from None


def _encoded_as(text: str, encoding: str, before: bytes) -> bytes:
    if encoding in ("utf-16", "utf-32"):
        # Python would write the mark again, in this machine's byte order: keep the file's.
        width = 2 if encoding == "utf-16" else 4
        mark = before[:width] if encoding_of(before) == encoding else b""
        little = not mark or mark[0] == 0xFF
        return mark + text.encode(f"{encoding}-{'le' if little else 'be'}")
    return text.encode(encoding)


def _closest(text: str, old: str) -> str:
    """Say where the text comes closest to `old`, so that the next try can be right."""
    lines = text.split("\n")
    wanted = old.strip("\r\n").split("\n")
    if len(lines) > _CLOSEST_LINES_MAX:
        return " Read the place again with `files_read`"
    if all(re.match(r"\s*\d+\t", line) for line in wanted):
        return " Leave out the line numbers and the tab that `files_read` puts before each line"
    # The line of `old` that says most stands for all of it; then the lines around are compared.
    anchor = max(range(len(wanted)), key=lambda n: len(wanted[n].strip()))
    best, at = 0.0, -1
    matcher = difflib.SequenceMatcher(autojunk=False)
    matcher.set_seq2(wanted[anchor].strip())
    for number, line in enumerate(lines):
        matcher.set_seq1(line.strip()[:500])
        if matcher.real_quick_ratio() > best and matcher.quick_ratio() > best:
            ratio = matcher.ratio()
            if ratio > best:
                best, at = ratio, number
    if best < 0.6:
        return " No line is like it: read the file again with `files_read`"
    start = max(0, at - anchor)
    there = [line.rstrip("\r")[:500] for line in lines[start : start + len(wanted)]][:30]
    hint = ""
    if [line.split() for line in there] == [line.split() for line in wanted]:
        hint = " Only blanks or indentation differ."
    return f" The closest place begins on line {start + 1}.{hint} It is there as:\n" + "\n".join(there)
