"""Which files does the project have, what is in them, and how are they changed?"""

from __future__ import annotations

import re
import stat
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from re import Pattern
from typing import Literal, NamedTuple, Optional

from omni import Context, Text, ToolError, tool
from omni.answer_size import DATA_TOKENS, TEXT_TOKENS, fitting, tokens
from omni.safe_paths import folder, open_at, open_file, place

from ._batch import Batch
from ._diff import bounded
from ._edit import replace_exactly
from ._glob import Glob
from ._move import check_move, make_move
from ._plan import EDIT_BYTES_MAX, Change, Plan, encoded
from ._replace import append, create, look, replace
from ._rules import between, refuse_git
from ._search import LineMatches, matches_in
from ._text import as_text, lines
from ._tree import Entry, walk

# Larger files are left out of a search.
SEARCH_BYTES_MAX = 4 * 1024 * 1024
# So many files are read, or changes made, by one call.
FILES_MAX = 20
CHANGES_MAX = 50


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
    # Only for a dry run, which writes nothing: what would change.
    diff: Optional[str] = None


@dataclass
class Edited:
    """What an edit changed."""

    path: str
    replacements: int
    # The line each replacement begins on, in the new text; the first 100.
    lines: list[int]
    # Only for a dry run, which writes nothing: what would change.
    diff: Optional[str] = None


@dataclass
class Moved:
    """What was moved, and where it is now."""

    path: str
    to: str
    # Whether a file was there that is replaced.
    replaced: bool
    dry_run: bool


@dataclass
class Folder:
    """A folder that is there now."""

    path: str
    # Whether it is new.
    created: bool


@dataclass
class Changed:
    """Several changes that were made, or would be."""

    # Where each change led, in their order.
    paths: list[str]
    # Only for a dry run, which changes nothing: what would change.
    diff: Optional[str] = None


@tool(name="list", title="List a folder", read_only=True, open_world=False, timeout=60)
def list_folder(ctx: Context, path: str = ".", depth: int = 1, hidden: bool = False, limit: int = 400) -> Text:
    """List what is in a folder as an indented tree: folders end in `/`, files show their size, links their target.

    Use it to get to know a project; to look for names use `files_find`.
    Folders of tools (`.git`, `node_modules`, `__pycache__`, `.venv`, caches) are named but not entered.

    Args:
        path: The folder, relative to the project root.
        depth: How many levels to show; 1 is the folder alone.
        hidden: Include names that begin with a dot.
        limit: The most entries to show, up to 5,000.

    Returns:
        The tree, with a note at the end when it was cut.
    """
    limit = between("limit", limit, 1, 5000)
    depth = between("depth", depth, 1, 64)
    with folder(ctx.root, path) as (descriptor, shown):
        entries = list(islice(walk(descriptor, depth=depth, hidden=hidden), limit + 1))
    rows = [f"{shown}/"]
    rows += _fitting(["  " * entry.depth + _row(entry, depth) for entry in entries[:limit]])
    if len(entries) > len(rows) - 1:
        rows.append(f"[cut at {len(rows) - 1:,} entries: list a folder further down, or use `files_find`]")
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
    column: int = 1,
) -> Text:
    """Read a text file, whole or a range of its lines.

    Long files come in pieces: the last line says where to go on. Binary files are refused. For several files at once
    use `files_read_many`.

    Args:
        path: The file, relative to the project root.
        start: First line, from 1. Negative counts from the end: -50 gives the last 50 lines.
        limit: The most lines to read. An answer also ends at about 16,000 tokens.
        numbers: Put each line's number and a tab before it. The numbers are not part of the file.
        encoding: How the file is encoded, when it is neither UTF-8 nor marked as UTF-16 or UTF-32.
        column: The first character of each line to show, from 1: to go on in lines that are cut after 2,000.

    Returns:
        The lines, then a note in square brackets when the file goes on or could not be decoded.
    """
    if start == 0:
        raise ToolError("`start` counts lines from 1; use a negative number to read from the end")
    limit = between("limit", limit, 1, 100_000)
    column = between("column", column, 1, 2**40)
    return Text(_shown_file(ctx, path, _Range(start, limit, column, numbers), encoding, TEXT_TOKENS))


@tool(title="Read several text files", read_only=True, open_world=False, timeout=60)
def read_many(ctx: Context, paths: list[str], limit: int = 2000, numbers: bool = True) -> Text:
    """Read several text files in one call. One that cannot be read is told, and the others are shown.

    Args:
        paths: The files, relative to the project root, up to 20.
        limit: The most lines of each. The answer ends at about 16,000 tokens, of which each file has its share.
        numbers: Put each line's number and a tab before it.

    Returns:
        Each file beneath a line `== path ==`, with a note where it goes on: read on with `files_read`.
    """
    limit = between("limit", limit, 1, 100_000)
    between("the number of `paths`", len(paths), 1, FILES_MAX)
    rows: list[str] = []
    left = TEXT_TOKENS
    for number, path in enumerate(paths):
        # What the files before have not used is there for those that follow.
        share = max(left // (len(paths) - number) - tokens(path) - 50, 50)
        try:
            shown = _shown_file(ctx, path, _Range(1, limit, 1, numbers), None, share)
        except ToolError as error:
            shown = f"[{error}]"
        rows += [f"== {path} ==", shown]
        left -= tokens(path) + tokens(shown) + 5
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
        The paths, relative to the project root; narrow `pattern` or `path` when there are more than an answer holds.
    """
    limit = between("limit", limit, 1, 5000)
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
    paths = _fitting([prefix + entry.path for entry in found[:limit]], DATA_TOKENS)
    return Found(paths, len(found), len(found) > len(paths))


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
        glob: Which files, as in `files_find`: `*.rs`, `src/**/*.{ts,tsx}`.
        literal: Take `pattern` as exact text, not as an expression.
        ignore_case: Let upper and lower case be the same.
        context: Lines to show before and after each match, up to 20.
        show: The matching lines, or only the files that have one.
        hidden: Search names that begin with a dot too, such as `.github`.
        limit: The most matching lines (or files) to show, up to 2,000.

    Returns:
        `path:line: text` for a match, `path-line- text` for lines around it, and a summary.
    """
    limit = between("limit", limit, 1, 2000)
    context = between("context", context, 0, 20)
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
def write(
    ctx: Context,
    path: str,
    content: str,
    mode: Literal["create", "overwrite", "append"] = "create",
    dry_run: bool = False,
) -> Written:
    """Write a whole text file in UTF-8, or add to its end. Missing folders on the way are created.

    For a change inside an existing file use `files_edit`: it is shorter and cannot lose the rest.
    Nothing inside `.git` can be written, nor what omni itself runs or obeys: served skills, its settings.

    Args:
        path: The file, relative to the project root.
        content: The text. A last line should end with a line feed.
        mode: `create` refuses to touch a file that exists, `overwrite` replaces it in one step, `append` adds.
        dry_run: Write nothing; show what would change.

    Returns:
        Where it was written, how many bytes, and whether the file is new.
    """
    refuse_git(path)
    data = encoded(content)
    if dry_run:
        plan = Plan(ctx.root)
        found, created = plan.write(path, data, mode)
        return Written(found, len(data), created, bounded(plan.shown[0]))
    with place(ctx.root, path, make_folders=True) as here:
        refuse_git(here.path)
        if mode == "append":
            return Written(here.path, len(data), append(here, data))
        if mode == "create":
            create(here, data)
            return Written(here.path, len(data), created=True)
        before = look(here)
        replace(here, data, before)
        return Written(here.path, len(data), created=before is None)


@tool(title="Edit a file", read_only=False, destructive=True, open_world=False, timeout=60)
def edit(
    ctx: Context,
    path: str,
    old: str,
    new: str,
    replace_all: bool = False,
    line: Optional[int] = None,
    encoding: Optional[str] = None,
    dry_run: bool = False,
) -> Edited:
    """Replace an exact piece of a text file by another. The rest of the file stays as it is, byte for byte.

    `old` must occur exactly once, unless `replace_all` or `line` is set: give enough lines around the change to
    make it unique. Leave out the line numbers that `files_read` puts before the lines. Files with
    Windows line ends may be edited with plain line feeds. When `old` is not found, the error shows the
    closest place. For changes in several places or files use `files_change`.

    Args:
        path: The file, relative to the project root.
        old: The text that is there now, with its indentation.
        new: The text to put in its place; empty deletes.
        replace_all: Replace every occurrence.
        line: Which of several occurrences: the one that begins on this line.
        encoding: How the file is encoded, when it is neither UTF-8 nor marked as UTF-16 or UTF-32.
        dry_run: Change nothing; show what would change.

    Returns:
        How many replacements, and on which lines.
    """
    refuse_git(path)
    if dry_run:
        plan = Plan(ctx.root)
        planned = plan.edit(path, old, new, everywhere=replace_all, line=line, encoding=encoding)
        changed = planned.replacement.lines
        return Edited(planned.path, len(changed), changed[:100], bounded(plan.shown[0]))
    with place(ctx.root, path, write=True) as here:
        refuse_git(here.path)
        before = look(here)
        with open_at(here.folder, here.name, path) as file:
            data = file.read(EDIT_BYTES_MAX + 1)
        if len(data) > EDIT_BYTES_MAX:
            raise ToolError(f"`{path}` is larger than {EDIT_BYTES_MAX >> 20} MB; that is too large to edit here")
        result = replace_exactly(data, old, new, everywhere=replace_all, shown=path, line=line, encoding=encoding)
        replace(here, result.data, before)
        return Edited(here.path, len(result.lines), result.lines[:100])


@tool(title="Move or rename", read_only=False, destructive=True, idempotent=False, open_world=False, timeout=300)
def move(ctx: Context, path: str, to: str, overwrite: bool = False, dry_run: bool = False) -> Moved:
    """Move or rename a file or a folder with all that is in it. Missing folders on the way are created.

    Nothing is overwritten unless `overwrite` is set, and then only a file by a file. In a git repository `git_commit`
    of both paths records it as a rename. Links and what is in `.git` are not moved, nor what omni runs or obeys.

    Args:
        path: What to move, relative to the project root.
        to: Its new path with its new name, or a folder to put it in when it ends in `/`.
        overwrite: Replace a file that is there.
        dry_run: Move nothing; check whether it could be.

    Returns:
        Where it was and where it is.
    """
    found = check_move(ctx.root, path, to, overwrite=overwrite)
    if not dry_run:
        make_move(ctx, found)
    return Moved(found.path, found.to, found.replaces, dry_run)


@tool(title="Make a folder", read_only=False, destructive=False, idempotent=True, open_world=False, timeout=60)
def make_folder(ctx: Context, path: str) -> Folder:
    """Make a folder, and those that are missing on the way. `files_write` and `files_move` do that by themselves.

    Args:
        path: The folder, relative to the project root.

    Returns:
        Its path, and whether it is new: a folder that is there already is left as it is.
    """
    found, created = Plan(ctx.root).make_folder(path)
    if created:
        Batch(ctx).make(Change("make_folder", path))
    return Folder(found, created)


@tool(title="Change several files", read_only=False, destructive=True, idempotent=False, open_world=False, timeout=300)
def change(ctx: Context, changes: list[Change], dry_run: bool = False) -> Changed:
    """Make several changes of files together: edits, new files, moves, folders. All of them are made, or none.

    They are checked and made in order, each on what those before it left: edit a file twice, move it, then edit it
    under its new name. When one cannot be made, the error says which, and nothing is changed.

    Args:
        changes: What to do, up to 50: `{"do": "edit", "path": "a.py", "old": "x", "new": "y"}`,
            `{"do": "write", "path": "b.md", "content": "…"}`, `{"do": "move", "path": "c", "to": "d"}`,
            `{"do": "make_folder", "path": "e"}`.
        dry_run: Change nothing; show what would change as a diff.

    Returns:
        The paths that were changed; for a dry run with the diff.
    """
    between("the number of `changes`", len(changes), 1, CHANGES_MAX)
    plan = Plan(ctx.root)
    paths = []
    for number, wanted in enumerate(changes, 1):
        try:
            paths.append(plan.add(wanted))
        except ToolError as error:
            raise ToolError(_failed(number, changes, error, [])) from None
    if dry_run:
        return Changed(paths, bounded("\n".join(plan.shown)))
    batch = Batch(ctx)
    for number, wanted in enumerate(changes, 1):
        try:
            batch.make(wanted)
        except BaseException as error:
            # Also when the call is cancelled: some of the changes without the others are worse than none.
            failed = batch.take_back()
            if not isinstance(error, ToolError):
                raise
            raise ToolError(_failed(number, changes, error, failed)) from None
    return Changed(paths)


def _failed(number: int, changes: list[Change], error: ToolError, left: list[str]) -> str:
    # First what holds for all of them: the error may end in lines of a file.
    after = f"could not be taken back: {'; '.join(left)}" if left else "nothing was changed"
    wanted = changes[number - 1]
    return f"{after}. Change {number} of {len(changes)}, `{wanted.do}` `{wanted.path}`, failed: {error}"


class _Report:
    """Collects what a search found until it is full."""

    def __init__(self, limit: int, show: str) -> None:
        self.files = 0
        self._rows: list[str] = []
        self._tokens = 0
        self._limit = limit
        self._show = show
        self._shown = 0
        self._files_matching = 0
        self._binary = 0
        self._too_large = 0

    @property
    def full(self) -> bool:
        """Whether nothing more may be added."""
        return self._shown >= self._limit or self._tokens >= TEXT_TOKENS

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
        self._tokens += tokens(row) + 1


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


class _Range(NamedTuple):
    """Which lines of a file are shown, and how."""

    start: int
    limit: int
    column: int
    numbers: bool


def _shown_file(ctx: Context, path: str, wanted: _Range, encoding: Optional[str], most: int) -> str:
    with open_file(ctx.root, path) as file:
        text = as_text(file, path, encoding)
        first, kept, total = _range(ctx, lines(text.stream, wanted.column), wanted.start, wanted.limit)
    if total == 0:
        return f"[`{path}` is empty]"
    if not kept:
        raise ToolError(f"`{path}` has {total:,} lines; `start` is {wanted.start:,}")
    rows = [f"{number:>6}\t{line}" for number, line in enumerate(kept, first)] if wanted.numbers else kept
    whole = rows[0]
    rows = _fitting(rows, most)
    last = first + len(rows) - 1
    broken = any("\ufffd" in row for row in rows)
    if rows[0] != whole:
        shown = wanted.column + len(rows[0]) - 1 - (7 if wanted.numbers else 0)
        rows.append(f"[line {first:,} is cut; go on with start={first}, column={shown}]")
    elif last < total:
        rows.append(f"[lines {first:,}-{last:,} of {total:,}; go on with start={last + 1}]")
    if broken:
        rows.append(f"[some bytes are not {text.encoding} and show as \ufffd; try `encoding`, such as `latin-1`]")
    return "\n".join(rows)


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


def _fitting(rows: list[str], most: int = TEXT_TOKENS) -> list[str]:
    """Return as many rows as an answer may hold, at least one, which is cut then."""
    taken = 0
    for count, row in enumerate(rows):
        taken += tokens(row) + 1
        if taken > most:
            return rows[:count] if count else [row[: fitting(row, most)] + "…"]
    return rows


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
