"""Which paths does a glob pattern mean?

`fnmatch` knows no `**` and no `{a,b}`, and `pathlib` matches by walking the disk itself, links
included. So patterns are split into segments here; each segment is an `fnmatch` expression, which
Python writes so that it cannot backtrack, and `**` is any number of segments.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from re import Pattern
from typing import Optional

from omni import ToolError

# `{a,b}{c,d}…` multiplies; more alternatives than this is a mistake, not a question.
ALTERNATIVES_MAX = 64

# `None` stands for `**`.
_Segments = tuple[Optional[Pattern[str]], ...]


class Glob:
    """A compiled pattern.

    A pattern without `/` means names at any depth (`*.py`); with one it means the path from the
    folder that is searched (`src/**/test_*.py`). `*` and `?` stay within a name, `**` crosses folders.

    Args:
        pattern: The pattern, with `*`, `?`, `[abc]`, `[!abc]`, `**` and `{one,two}`.

    Raises:
        ToolError: The pattern is empty, or its braces have too many alternatives.
    """

    def __init__(self, pattern: str) -> None:
        text = pattern.strip()
        while text.startswith("./"):
            text = text[2:]
        if not text:
            raise ToolError("the pattern is empty; `*` means every name, `**/*.md` every Markdown file")
        self._alternatives: list[_Segments] = []
        for alternative in _braces(text):
            segments = [segment for segment in alternative.split("/") if segment]
            if len(segments) == 1 and "/" not in alternative.rstrip("/"):
                segments.insert(0, "**")
            self._alternatives.append(tuple(None if s == "**" else re.compile(fnmatch.translate(s)) for s in segments))

    def matches(self, path: str) -> bool:
        """Return whether the pattern means `path`, given from the searched folder with `/`."""
        names = path.split("/")
        return any(_matches(segments, names) for segments in self._alternatives)


def _matches(segments: _Segments, names: Sequence[str]) -> bool:
    # reached[n]: the segments so far can account for the first n names. One row per segment, so the
    # work is at most segments x names however many `**` there are.
    reached = [True] + [False] * len(names)
    for segment in segments:
        if segment is None:
            any_before = False
            row = []
            for before in reached:
                any_before = any_before or before
                row.append(any_before)
            reached = row
        else:
            reached = [False] + [reached[n] and segment.match(name) is not None for n, name in enumerate(names)]
        if not any(reached):
            return False
    return reached[-1]


def _braces(text: str) -> list[str]:
    """Expand `{a,b}` from the left. A brace without its partner or a comma is an ordinary character."""
    done: list[str] = []
    todo = [text]
    while todo:
        current = todo.pop()
        found = _first_braces(current)
        if found is None:
            done.append(current)
        else:
            start, end, options = found
            todo.extend(current[:start] + option + current[end:] for option in options)
        if len(done) + len(todo) > ALTERNATIVES_MAX:
            raise ToolError(f"`{text}` stands for more than {ALTERNATIVES_MAX} patterns; search in several steps")
    return done


def _first_braces(text: str) -> Optional[tuple[int, int, list[str]]]:
    start = text.find("{")
    while start >= 0:
        depth, piece, options = 0, start + 1, []
        for at in range(start, len(text)):
            if text[at] == "{":
                depth += 1
            elif text[at] == "}":
                depth -= 1
            if (text[at] == "," and depth == 1) or depth == 0:
                options.append(text[piece:at])
                piece = at + 1
            if depth == 0:
                break
        if depth == 0 and len(options) > 1:
            return start, piece, options
        start = text.find("{", start + 1)
    return None
