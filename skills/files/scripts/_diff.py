"""What does a change look like, before it is made?"""

from __future__ import annotations

import difflib
from typing import Optional

from omni.answer_size import DATA_TOKENS, fitting

from ._text import encoding_of

# Comparing takes time that grows with the square of this in the worst case.
_LINES_MAX = 10_000
# One long line says no more for being shown whole.
_LINE_CHARS_MAX = 500


def difference(path: str, before: Optional[bytes], after: bytes) -> str:
    """Return how a file changes, as a unified diff. Line ends are not shown.

    Args:
        path: The file.
        before: Its content, or `None` when it is new.
        after: Its content then.
    """
    old, new = _lines(before or b""), _lines(after)
    head = [f"--- {'/dev/null' if before is None else path}", f"+++ {path}"]
    if old is None or new is None:
        return "\n".join([*head, f"[binary: {len(before or b''):,} bytes, then {len(after):,}]"])
    if len(old) + len(new) > _LINES_MAX and before is not None:
        return "\n".join([*head, f"[{len(old):,} lines, then {len(new):,}: too many to compare here]"])
    rows = list(difflib.unified_diff(old, new, lineterm="", n=3))[2:]
    if not rows and before is None:
        return "\n".join([*head, "[an empty file]"])
    if not rows:
        return "\n".join([*head, "[only line ends change]" if before != after else "[nothing changes]"])
    return "\n".join([*head, *(_short(row) for row in rows)])


def bounded(diff: str, most: int = DATA_TOKENS // 2) -> str:
    """Return as much of a diff as an answer holds, with a note when it was cut."""
    kept = fitting(diff, most)
    if kept >= len(diff):
        return diff
    shown = diff[:kept].rpartition("\n")[0]
    return f"{shown}\n[cut: {diff.count(chr(10)) - shown.count(chr(10)):,} more lines]"


def _lines(data: bytes) -> Optional[list[str]]:
    encoding = encoding_of(data)
    if encoding is None:
        return None
    return data.decode(encoding, "replace").replace("\r\n", "\n").split("\n")


def _short(row: str) -> str:
    return row if len(row) <= _LINE_CHARS_MAX else f"{row[:_LINE_CHARS_MAX]}… [{len(row) - _LINE_CHARS_MAX:,} more]"
