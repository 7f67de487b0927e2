"""Which files does the project have, what is in them, and how are they changed?"""

from __future__ import annotations

import re
import stat
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from re import Pattern
from typing import Literal, Optional

from omni import Context, Text, ToolError, tool
from omni.beneath import folder, open_at, open_file, place

from ._edit import replace_exactly
from ._glob import Glob
from ._replace import append, create, look, replace
from ._search import LineMatches, matches_in
from ._text import as_text, lines
from ._tree import Entry, walk

# What one answer of `read` or `search` may hold: about 25,000 tokens.
ANSWER_CHARS_MAX = 100_000
# Larger files are left out of a search and refused by an edit.
SEARCH_BYTES_MAX = 4 * 1024 * 1024
EDIT_BYTES_MAX = 16 * 1024 * 1024


@dataclass
class Found:
    """Paths that a pattern means."""

    paths: list[str]
    # How many there are in all, beyond the limit too.
    total: int
    truncated: bool


@dataclass
class Written:
    """What a write left behind."""

    path: str
    bytes: int
    created: bool


@dataclass
class Edited:
    """What an edit changed."""

    path: str
    replacements: int
    # The line each replacement begins on, in the new text.
    lines: list[int]


@tool(name="list", title="List a folder", read_only=True, open_world=False, timeout=60)
def list_folder(ctx: Context, path: str = ".", depth: int = 1, hidden: bool = False, limit: int = 400) -> Text:
    """List what is in a folder as an indented tree: folders end in `/`, files show their size, links their target.

    Use it to get to know a project; to look for names use `files.find`.
    Folders of tools (`.git`, `node_modules`, `__pycache__`, `.venv`, caches) are named but not entered.

    Args:
        path: The folder, relative to the project root.
        depth: How many levels to show; 1 is the folder alone.
        hidden: Include names that begin with a dot.
        limit: The most entries to show, up to 5,000.

    Returns:
        The tree, with a note at the end when it was cut.
    """
    limit = _between("limit", limit, 1, 5000)
    depth = _between("depth", depth, 1, 64)
    with folder(ctx.root, path) as (descriptor, shown):
        entries = list(islice(walk(descriptor, depth=depth, hidden=hidden), limit + 1))
    rows = [f"{shown}/"]
    rows += ["  " * entry.depth + _row(entry, depth) for entry in entries[:limit]]
    if len(entries) > limit:
        rows.append(f"[cut at {limit} entries: list a folder further down, or use `files.find`]")
    elif not entries:
        rows.append("  (empty)" if hidden else "  (nothing but hidden names, or empty)")
    return Text("\n".join(rows))


@tool(title="Read a text file", read_only=True, open_world=False, timeout=60)
def read(
    ctx: Context,
    path: str,
    start: int = 1,
    limit: int = 2000,
    numbers: bool = True,
    encoding: Optional[str] = None,
) -> Text:
    """Read a text file, whole or a range of its lines.

    Long files come in pieces: the last line says where to go on. Binary files are refused.

    Args:
        path: The file, relative to the project root.
        start: First line, from 1. Negative counts from the end: -50 gives the last 50 lines.
        limit: The most lines to read. An answer also ends at about 100,000 characters.
        numbers: Put each line's number and a tab before it. The numbers are not part of the file.
        encoding: How the file is encoded, when it is neither UTF-8 nor marked as UTF-16 or UTF-32.

    Returns:
        The lines, then a note in square brackets when the file goes on or could not be decoded.
    """
    if start == 0:
        raise ToolError("`start` counts lines from 1; use a negative number to read from the end")
    limit = _between("limit", limit, 1, 100_000)
    with open_file(ctx.root, path) as file:
        text = as_text(file, path, encoding)
        first, wanted, total = _range(ctx, lines(text.stream), start, limit)
    if total == 0:
        return Text(f"[`{path}` is empty]")
    if not wanted:
        raise ToolError(f"`{path}` has {total:,} lines; `start` is {start:,}")
    shown = _fitting(wanted)
    last = first + len(shown) - 1
    rows = [f"{number:>6}\t{line}" for number, line in enumerate(shown, first)] if numbers else shown
    if last < total:
        rows.append(f"[lines {first:,}-{last:,} of {total:,}; go on with start={last + 1}]")
    if any("\ufffd" in line for line in shown):
        rows.append(f"[some bytes are not {text.encoding} and show as \ufffd; try `encoding`, such as `latin-1`]")
    return Text("\n".join(rows))


@tool(title="Find files by name", read_only=True, open_world=False, timeout=120)
def find(
    ctx: Context,
    pattern: str,
    path: str = ".",
    kind: Literal["file", "folder", "any"] = "file",
    order: Literal["path", "newest", "largest"] = "path",
    hidden: bool = False,
    limit: int = 200,
) -> Found:
    """Find files or folders by a glob pattern on their names or paths.

    Folders of tools (`.git`, `node_modules`, `__pycache__`, `.venv`, caches) are not entered, links not followed.

    Args:
        pattern: `*.py` means that name at any depth; with a slash, `src/**/test_*.py`, the path from `path` on.
            `*` and `?` stay within a name, `**` crosses folders, `{a,b}` is either.
        path: The folder to search, relative to the project root.
        kind: What to find.
        order: By path, or the newest or largest first.
        hidden: Enter and find names that begin with a dot, such as `.github`.
        limit: The most paths to return, up to 5,000.

    Returns:
        The paths, relative to the project root.
    """
    limit = _between("limit", limit, 1, 5000)
    glob = Glob(pattern)
    found: list[Entry] = []
    with folder(ctx.root, path) as (descriptor, shown):
        for seen, entry in enumerate(walk(descriptor, hidden=hidden), 1):
            if kind in ("any", entry.kind) and glob.matches(entry.path):
                found.append(entry)
            if seen % 2000 == 0:
                ctx.progress(seen, message=f"{seen:,} names seen, {len(found):,} match")
    if order == "newest":
        found.sort(key=lambda entry: -entry.modified)
    elif order == "largest":
        found.sort(key=lambda entry: -entry.size)
    prefix = "" if shown == "." else shown + "/"
    return Found([prefix + entry.path for entry in found[:limit]], len(found), len(found) > limit)


@tool(title="Search in files", read_only=True, open_world=False, timeout=120)
def search(
    ctx: Context,
    pattern: str,
    path: str = ".",
    glob: str = "**/*",
    literal: bool = False,
    ignore_case: bool = False,
    context: int = 0,
    show: Literal["lines", "files"] = "lines",
    hidden: bool = False,
    limit: int = 100,
) -> Text:
    """Search the contents of files, line by line, for a regular expression or an exact text.

    Binary files, files above 4 MB and folders of tools (`.git`, `node_modules`, caches) are left out, and counted.
    The expression is Python's: nested repeats such as `(a+)+` can take for ever and then end at the time limit.

    Args:
        pattern: What to look for, as a Python regular expression.
        path: A folder, or one file, relative to the project root.
        glob: Which files, as in `files.find`: `*.rs`, `src/**/*.{ts,tsx}`.
        literal: Take `pattern` as exact text, not as an expression.
        ignore_case: Let upper and lower case be the same.
        context: Lines to show before and after each match, up to 20.
        show: The matching lines, or only the files that have one.
        hidden: Search names that begin with a dot too, such as `.github`.
        limit: The most matching lines (or files) to show, up to 2,000.

    Returns:
        `path:line: text` for a match, `path-line- text` for lines around it, and a summary.
    """
    limit = _between("limit", limit, 1, 2000)
    context = _between("context", context, 0, 20)
    finder = _finder(pattern, literal, ignore_case)
    wanted = Glob(glob)
    report = _Report(limit, show)
    with place(ctx.root, path) as here:
        info = look(here)
        if info is None or not stat.S_ISDIR(info.st_mode):
            # A missing file is explained by opening it.
            with open_at(here.folder, here.name, path) as file:
                report.add(here.path, matches_in(file, finder, SEARCH_BYTES_MAX, context))
            return Text(report.text())
    with folder(ctx.root, path) as (descriptor, shown):
        prefix = "" if shown == "." else shown + "/"
        for entry in walk(descriptor, hidden=hidden):
            if entry.kind != "file" or not wanted.matches(entry.path):
                continue
            report.add(prefix + entry.path, _matches_of(entry, finder, context))
            if report.full:
                break
            if report.files % 200 == 0:
                ctx.progress(report.files, message=f"{report.files:,} files searched")
    return Text(report.text())


@tool(title="Write a file", read_only=False, destructive=True, open_world=False, timeout=60)
def write(ctx: Context, path: str, content: str, mode: Literal["create", "overwrite", "append"] = "create") -> Written:
    """Write a whole text file in UTF-8, or add to its end. Missing folders on the way are created.

    For a change inside an existing file use `files.edit`: it is shorter and cannot lose the rest.
    Nothing inside `.git` can be written, nor what omni itself runs or obeys: served skills, its settings.

    Args:
        path: The file, relative to the project root.
        content: The text. A last line should end with a line feed.
        mode: `create` refuses to touch a file that exists, `overwrite` replaces it in one step, `append` adds.

    Returns:
        Where it was written, how many bytes, and whether the file is new.
    """
    _refuse_git(path)
    data = content.encode("utf-8")
    with place(ctx.root, path, make_folders=True) as here:
        _refuse_git(here.path)
        if mode == "append":
            return Written(here.path, len(data), append(here, data))
        if mode == "create":
            create(here, data)
            return Written(here.path, len(data), created=True)
        before = look(here)
        replace(here, data, before)
        return Written(here.path, len(data), created=before is None)


@tool(title="Edit a file", read_only=False, destructive=True, open_world=False, timeout=60)
def edit(ctx: Context, path: str, old: str, new: str, replace_all: bool = False) -> Edited:
    """Replace an exact piece of a text file by another. The rest of the file stays as it is, byte for byte.

    `old` must occur exactly once, unless `replace_all` is set: give enough lines around the change to
    make it unique. Leave out the line numbers that `files.read` puts before the lines. Files with
    Windows line ends may be edited with plain line feeds. When `old` is not found, the error shows the
    closest place.

    Args:
        path: The file, relative to the project root.
        old: The text that is there now, with its indentation.
        new: The text to put in its place; empty deletes.
        replace_all: Replace every occurrence.

    Returns:
        How many replacements, and on which lines.
    """
    _refuse_git(path)
    with place(ctx.root, path, write=True) as here:
        _refuse_git(here.path)
        before = look(here)
        with open_at(here.folder, here.name, path) as file:
            data = file.read(EDIT_BYTES_MAX + 1)
        if len(data) > EDIT_BYTES_MAX:
            raise ToolError(f"`{path}` is larger than {EDIT_BYTES_MAX >> 20} MB; that is too large to edit here")
        result = replace_exactly(data, old, new, everywhere=replace_all, shown=path)
        replace(here, result.data, before)
        return Edited(here.path, len(result.lines), result.lines)


class _Report:
    """Collects what a search found until it is full."""

    def __init__(self, limit: int, show: str) -> None:
        self.files = 0
        self._rows: list[str] = []
        self._chars = 0
        self._limit = limit
        self._show = show
        self._shown = 0
        self._files_matching = 0
        self._binary = 0
        self._too_large = 0

    @property
    def full(self) -> bool:
        """Whether nothing more may be added."""
        return self._shown >= self._limit or self._chars >= ANSWER_CHARS_MAX

    def add(self, path: str, found: LineMatches) -> None:
        """Add what one file holds."""
        self.files += 1
        self._binary += found.binary
        self._too_large += found.too_large
        matched = False
        for number, line, is_match in found.rows:
            matched = True
            if self._show == "files":
                self._put(path)
                self._shown += 1
                break
            if self.full:
                break
            mark = ":" if is_match else "-"
            self._put(f"{path}{mark}{number}{mark} {line}")
            self._shown += is_match
        self._files_matching += matched

    def text(self) -> str:
        """Return the rows and a summary."""
        files = f"{_count(self.files, 'file')} searched"
        left_out = [
            f"{count:,} {why}" for count, why in ((self._binary, "binary"), (self._too_large, "too large")) if count
        ]
        if left_out:
            files += f", {' and '.join(left_out)} left out"
        if not self._rows:
            return f"[no match; {files}]"
        matching = _count(self._shown, "matching " + ("file" if self._show == "files" else "line"))
        where = "" if self._show == "files" else f" in {_count(self._files_matching, 'file')}"
        end = "; stopped there, narrow it with `path` or `glob`" if self.full else ""
        return "\n".join([*self._rows, f"[{matching}{where}; {files}{end}]"])

    def _put(self, row: str) -> None:
        self._rows.append(row)
        self._chars += len(row) + 1


def _matches_of(entry: Entry, finder: Pattern[str], context: int) -> LineMatches:
    if entry.size > SEARCH_BYTES_MAX:
        return LineMatches(too_large=True)
    try:
        file = open_at(entry.folder, entry.name, entry.path)
    except ToolError:
        # Unreadable or gone since the listing: a search over many files goes on.
        return LineMatches(binary=True)
    with file:
        return matches_in(file, finder, SEARCH_BYTES_MAX, context)


def _finder(pattern: str, literal: bool, ignore_case: bool) -> Pattern[str]:
    if not pattern:
        raise ToolError("`pattern` is empty; give a regular expression, or a text with literal=true")
    try:
        return re.compile(re.escape(pattern) if literal else pattern, re.IGNORECASE if ignore_case else 0)
    except re.error as error:
        raise ToolError(
            f"`{pattern}` is not a regular expression: {error}; use literal=true to search for it as it stands"
        ) from None
    except (OverflowError, RecursionError) as error:
        raise ToolError(f"the regular expression is too large: {error}") from None


def _range(ctx: Context, every: Iterator[str], start: int, limit: int) -> tuple[int, list[str], int]:
    """Return the first line's number, the lines asked for and how many the file has."""
    tail: deque[str] = deque(maxlen=limit if start > 0 else -start)
    kept: list[str] = []
    total = 0
    for total, line in enumerate(every, 1):
        if start < 0:
            tail.append(line)
        elif start <= total < start + limit:
            kept.append(line)
        if total % 500_000 == 0:
            ctx.progress(total, message=f"{total:,} lines read")
    if start > 0:
        return start, kept, total
    return total - len(tail) + 1, list(tail)[:limit], total


def _fitting(wanted: list[str]) -> list[str]:
    """Return as many lines as one answer may hold, at least one."""
    chars = 0
    for count, line in enumerate(wanted):
        chars += len(line) + 8
        if chars > ANSWER_CHARS_MAX and count > 0:
            return wanted[:count]
    return wanted


def _row(entry: Entry, depth: int) -> str:
    name = entry.path.rsplit("/", 1)[-1]
    if entry.kind == "folder":
        return f"{name}/" + (" (not entered)" if entry.closed and entry.depth < depth else "")
    if entry.kind == "link":
        return f"{name} -> {entry.link_target}"
    return f"{name}  {_size(entry.size)}" if entry.kind == "file" else f"{name}  (not a regular file)"


def _size(count: int) -> str:
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            break
        size /= 1000
    return f"{count} B" if unit == "B" else f"{size:.1f} {unit}"


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def _refuse_git(path: str) -> None:
    # A hook or a setting written there is run by the next git command.
    if any(part.casefold() == ".git" for part in path.split("/")):
        raise ToolError(f"`{path}` is git's own; change the repository with the `git` tools")


def _between(name: str, value: int, low: int, high: int) -> int:
    if not low <= value <= high:
        raise ToolError(f"`{name}` is {value}; it must be between {low:,} and {high:,}")
    return value
