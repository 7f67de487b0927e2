"""How is an exact piece of a file replaced, and what is said when it is not there?"""

from __future__ import annotations

import difflib
from typing import NamedTuple

from omni import ToolError

from ._text import encoding_of

# Comparing every place of a larger file with the piece that was not found would take too long.
_CLOSEST_LINES_MAX = 20_000


class Replacement(NamedTuple):
    """The new content of a file, and the lines that its replacements begin on."""

    data: bytes
    lines: list[int]


def replace_exactly(data: bytes, old: str, new: str, *, everywhere: bool, shown: str) -> Replacement:
    r"""Replace `old` by `new` in the bytes of a text file, whose encoding and line ends are kept.

    Args:
        data: The file's content.
        old: What is there. Its `\n` also means `\r\n` when the file has Windows line ends.
        new: What to put there.
        everywhere: Replace every occurrence; otherwise there must be exactly one.
        shown: The file's path, for error texts.

    Raises:
        ToolError: `old` is empty, equal to `new`, not there, or there more than once; or the file is
            not text.
    """
    if not old:
        raise ToolError('`old` is empty; give the text to replace, or add with `files.write` and mode="append"')
    if old == new:
        raise ToolError("`old` and `new` are the same; nothing would change")
    encoding = encoding_of(data)
    if encoding is None:
        raise ToolError(f"`{shown}` is binary; only text can be edited")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise ToolError(
            f"`{shown}` is not valid {encoding} at byte {error.start}; editing it could damage it, so it was left alone"
        ) from None
    if "\r\n" in text and "\r\n" not in old and text.count("\r\n") == text.count("\n"):
        old, new = old.replace("\n", "\r\n"), new.replace("\r\n", "\n").replace("\n", "\r\n")
    count = text.count(old)
    if count == 0:
        raise ToolError(f"`old` was not found in `{shown}`; nothing was changed.{_closest(text, old)}")
    if count > 1 and not everywhere:
        where = ", ".join(str(line) for line in _lines_of(text, old, len(old))[:10])
        raise ToolError(
            f"`old` is there {count} times in `{shown}` (lines {where}{', …' if count > 10 else ''}); nothing was "
            "changed. Add lines around it until it is unique, or set replace_all=true"
        )
    changed = text.replace(old, new)
    return Replacement(_encoded(changed, encoding, data), _new_lines(text, old, new))


def _new_lines(text: str, old: str, new: str) -> list[int]:
    grown = new.count("\n") - old.count("\n")
    return [line + number * grown for number, line in enumerate(_lines_of(text, old, len(old)))]


def _lines_of(text: str, piece: str, step: int) -> list[int]:
    found, line, counted = [], 1, 0
    at = text.find(piece)
    while at >= 0:
        line += text.count("\n", counted, at)
        counted = at
        found.append(line)
        at = text.find(piece, at + step)
    return found


def _encoded(text: str, encoding: str, before: bytes) -> bytes:
    if encoding in ("utf-16", "utf-32"):
        # Python would write the mark again, in this machine's byte order: keep the file's.
        width = 2 if encoding == "utf-16" else 4
        mark = before[:width]
        little = mark[0] == 0xFF
        return mark + text.encode(f"{encoding}-{'le' if little else 'be'}")
    return text.encode(encoding)


def _closest(text: str, old: str) -> str:
    """Say where the text comes closest to `old`, so that the next try can be right."""
    lines = text.split("\n")
    wanted = old.strip("\r\n").split("\n")
    if len(lines) > _CLOSEST_LINES_MAX:
        return " Read the place again with `files.read`"
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
        return " No line is like it: read the file again with `files.read`"
    start = max(0, at - anchor)
    there = [line.rstrip("\r") for line in lines[start : start + len(wanted)]][:30]
    hint = ""
    if [line.split() for line in there] == [line.split() for line in wanted]:
        hint = " Only blanks or indentation differ."
    return f" The closest place begins on line {start + 1}.{hint} It is there as:\n" + "\n".join(there)
