"""What can be counted, compared, found or computed in a text exactly, which a model would guess at?"""

from __future__ import annotations

import difflib
import hashlib
import io
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Callable, Literal, Optional, TypedDict

from omni import Context, Text, ToolError, tool
from omni.answer_size import DATA_TOKENS, TEXT_TOKENS, fitting, tokens
from omni.safe_paths import open_file

from ._json_view import at_pointer, outline, parse, shape
from ._source import text_of

# Longer lines, matches and groups are cut.
LINE_CHARS_MAX = 2000
# Comparing is quadratic in the worst case.
DIFF_LINES_MAX = 50_000

_PATTERNS = {
    "emails": r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}",
    "urls": r"https?://[^\s<>\"'`\\^{|}]+",
    "numbers": r"(?<![\w.])[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?(?!\w)",
    "dates": r"\b\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?\b",
    "ips": r"(?<![\w.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?!\w|\.\d)",
    "words": r"[^\W_]+(?:['\u2019-][^\W_]+)*",
}  # fmt: skip


@dataclass
class Counts:
    """How much of what a text has."""

    characters: int
    bytes_utf8: int
    words: int
    lines: int
    # Paragraphs are separated by blank lines.
    paragraphs: int
    longest_line: int
    # How often the text asked for occurs; `null` when none was.
    occurrences: Optional[int]


class _MatchLine(TypedDict):
    text: str
    line: int


class Match(_MatchLine, total=False):
    """One thing that was found."""

    # The expression's groups, in order, when it has any.
    groups: list[Optional[str]]


@dataclass
class Extracted:
    """What was found, in the order of the text."""

    matches: list[Match]
    # How many there are in all, beyond the limit too.
    total: int
    # Whether there are more than these; go on with `skip`.
    truncated: bool


@dataclass
class Digest:
    """The checksum of a text or a file."""

    algorithm: str
    hex: str
    bytes: int
    # Whether it is the one expected; `null` when none was given.
    matches: Optional[bool]


@tool(title="Count in a text", read_only=True, open_world=False, timeout=30)
def count(
    ctx: Context,
    text: Optional[str] = None,
    path: Optional[str] = None,
    of: Optional[str] = None,
    ignore_case: bool = False,
) -> Counts:
    """Count characters, words, lines and paragraphs, and how often an exact piece of text occurs.

    Counting by eye goes wrong beyond a line: use this for limits ("at most 280 characters"), for
    letters in a word, and for the size of a file.

    Args:
        text: The text itself.
        path: A file of the project instead of `text`.
        of: A piece of text to count the occurrences of, without overlaps.
        ignore_case: Let upper and lower case be the same for `of`.

    Returns:
        The counts. A line ends at a line feed; the last one may end without.
    """
    content = text_of(ctx.root, text, path)
    if of == "":
        raise ToolError("`of` is empty; leave it out, or say what to count")
    occurrences = None
    if of is not None:
        occurrences = content.casefold().count(of.casefold()) if ignore_case else content.count(of)
    lines = content.split("\n")
    if lines[-1] == "":
        lines.pop()
    blank = [not line.strip() for line in lines]
    return Counts(
        characters=len(content),
        bytes_utf8=len(content.encode("utf-8")),
        words=len(content.split()),
        lines=len(lines),
        paragraphs=sum(1 for n, empty in enumerate(blank) if not empty and (n == 0 or blank[n - 1])),
        longest_line=max((len(line) for line in lines), default=0),
        occurrences=occurrences,
    )


@tool(title="Compare two texts", read_only=True, open_world=False, timeout=60)
def diff(
    ctx: Context,
    before: Optional[str] = None,
    after: Optional[str] = None,
    before_path: Optional[str] = None,
    after_path: Optional[str] = None,
    context: int = 3,
    ignore_blanks: bool = False,
) -> Text:
    """Compare two texts or files line by line and show the differences as a unified diff.

    For what changed in a repository use `git_diff`.

    Args:
        before: The old text.
        after: The new text.
        before_path: A file of the project instead of `before`.
        after_path: A file of the project instead of `after`.
        context: Equal lines to show around each difference, up to 100.
        ignore_blanks: Let lines be equal that differ only in blanks and tabs.

    Returns:
        The diff, or one line that says that they are equal.
    """
    if not 0 <= context <= 100:
        raise ToolError(f"`context` is {context}; it must be between 0 and 100")
    old = text_of(ctx.root, before, before_path, "`before` or `before_path`")
    new = text_of(ctx.root, after, after_path, "`after` or `after_path`")
    if old == new:
        return Text("[the two are equal]")
    old_lines, new_lines = _with_ends(old), _with_ends(new)
    if max(len(old_lines), len(new_lines)) > DIFF_LINES_MAX:
        raise ToolError(f"more than {DIFF_LINES_MAX:,} lines; compare `text_hash` of both, or parts of them")
    rows = _unified(old_lines, new_lines, context, ignore_blanks)
    if not rows:
        return Text("[the two differ only in blanks]")
    head = [f"--- {before_path or 'before'}", f"+++ {after_path or 'after'}"]
    shown = _fitting([_short(row) for row in rows])
    more = [f"[cut: {len(rows) - len(shown):,} more lines; compare parts]"] if len(shown) < len(rows) else []
    return Text("\n".join([*head, *shown, *more]))


@tool(title="Extract from a text", read_only=True, open_world=False, timeout=15)
def extract(
    ctx: Context,
    kind: Literal["emails", "urls", "numbers", "dates", "ips", "words", "regex"],
    text: Optional[str] = None,
    path: Optional[str] = None,
    pattern: Optional[str] = None,
    unique: bool = False,
    limit: int = 500,
    skip: int = 0,
) -> Extracted:
    """Pull every e-mail address, URL, number, date, IP address, word or match of an expression out of a text.

    The expression is Python's: nested repeats such as `(a+)+` can take for ever and then end at the time limit.

    Args:
        kind: What to find; `regex` takes `pattern`. Dates are ISO 8601, with or without a time.
        text: The text itself.
        path: A file of the project instead of `text`.
        pattern: A Python regular expression for `regex`. `^` and `$` mean the ends of a line.
        unique: Keep only the first of equal matches.
        limit: The most matches to return, up to 10,000. An answer also ends at about 8,000 tokens.
        skip: How many to leave out first, to go on.

    Returns:
        Each match with its line, and its groups when the expression has any.
    """
    if not 1 <= limit <= 10_000:
        raise ToolError(f"`limit` is {limit}; it must be between 1 and 10,000")
    if skip < 0:
        raise ToolError(f"`skip` is {skip}; it must not be negative")
    content = text_of(ctx.root, text, path)
    expression = _expression(kind, pattern)
    matches: list[Match] = []
    seen = set()
    total, line, counted, taken = 0, 1, 0, 0
    for found in expression.finditer(content):
        value = found.group()
        if kind == "urls":
            value = _without_tail(value)
        key = (value, found.groups())
        if unique and key in seen:
            continue
        seen.add(key)
        total += 1
        if total <= skip or len(matches) >= limit or (taken > DATA_TOKENS and matches):
            continue
        line += content.count("\n", counted, found.start())
        counted = found.start()
        match = Match(text=_short(value), line=line)
        if found.groups():
            match["groups"] = [None if group is None else _short(group) for group in found.groups()]
        taken += tokens(str(match))
        if taken <= DATA_TOKENS or not matches:
            matches.append(match)
    return Extracted(matches, total, total > skip + len(matches))


@tool(name="hash", title="Checksum", read_only=True, open_world=False, timeout=300)
def digest(
    ctx: Context,
    text: Optional[str] = None,
    path: Optional[str] = None,
    algorithm: Literal["sha256", "sha1", "sha512", "md5", "blake2b", "crc32"] = "sha256",
    expected: Optional[str] = None,
) -> Digest:
    """Compute the checksum of a text (as UTF-8) or of a file of any kind and size, and compare it with an expected one.

    Args:
        text: The text itself.
        path: A file of the project instead of `text`.
        algorithm: Which checksum. md5, sha1 and crc32 find accidents, not attacks.
        expected: A checksum in hexadecimal to compare with.

    Returns:
        The checksum in hexadecimal, and whether it is the expected one.
    """
    if (text is None) == (path is None):
        raise ToolError("give exactly one of `text` or `path`: the text itself, or a file of the project")
    if path is not None:
        with open_file(ctx.root, path) as file:
            value, size = _digest(ctx, file, algorithm)
    else:
        value, size = _digest(ctx, io.BytesIO((text or "").encode("utf-8")), algorithm)
    matches = None if expected is None else value == expected.strip().lower()
    return Digest(algorithm, value, size, matches)


@tool(title="Sort and filter lines", read_only=True, open_world=False, timeout=30)
def lines(
    ctx: Context,
    text: Optional[str] = None,
    path: Optional[str] = None,
    sort: Literal["none", "text", "natural", "number", "length", "count"] = "none",
    unique: bool = False,
    reverse: bool = False,
    keep: Optional[str] = None,
    drop: Optional[str] = None,
    limit: int = 1000,
    skip: int = 0,
) -> Text:
    """Sort, deduplicate and filter the lines of a text or a file, exactly and however many there are.

    The steps are in this order: keep and drop, then unique, then sort, then reverse, then limit.

    Args:
        text: The text itself.
        path: A file of the project instead of `text`.
        sort: By text; natural (`file2` before `file10`, case ignored); by the first number in the line; by length;
            or by count, the most frequent first and its count before it.
        unique: Keep the first of equal lines.
        reverse: Turn the order round.
        keep: A Python regular expression; lines without a match go.
        drop: A Python regular expression; lines with a match go.
        limit: The most lines to return, up to 50,000. An answer also ends at about 16,000 tokens.
        skip: How many to leave out first, to go on.

    Returns:
        The lines, and a note when there are more.
    """
    if not 1 <= limit <= 50_000:
        raise ToolError(f"`limit` is {limit}; it must be between 1 and 50,000")
    if skip < 0:
        raise ToolError(f"`skip` is {skip}; it must not be negative")
    rows = text_of(ctx.root, text, path).splitlines()
    for expression, wanted in ((keep, True), (drop, False)):
        if expression is not None:
            finder = _compiled(expression, 0)
            rows = [row for row in rows if (finder.search(row) is not None) is wanted]
    if sort == "count":
        rows = _counted(rows)
    else:
        if unique:
            rows = list(dict.fromkeys(rows))
        key = _SORT_KEYS.get(sort)
        if key is not None:
            rows.sort(key=key)
    if reverse:
        rows.reverse()
    if not rows:
        return Text("[no lines]")
    if skip >= len(rows):
        raise ToolError(f"there are {len(rows):,} lines; `skip` is {skip:,}")
    shown = _fitting([_short(row) for row in rows[skip : skip + limit]])
    end = skip + len(shown)
    note = [f"[{len(rows) - end:,} more lines; go on with skip={end}]"] if len(rows) > end else []
    return Text("\n".join(shown + note))


@tool(name="json", title="Look into JSON", read_only=True, open_world=False, timeout=30)
def look_into_json(
    ctx: Context,
    text: Optional[str] = None,
    path: Optional[str] = None,
    pointer: str = "",
    depth: int = 3,
    items: int = 5,
    form: Literal["outline", "pretty", "compact"] = "outline",
) -> Text:
    """Look into a JSON text or file without reading all of it: an outline first, then what a JSON Pointer leads to.

    It also checks: what is not JSON is refused with line and column. For questions over many records use
    `data_query`.

    Args:
        text: The JSON itself.
        path: A file of the project instead of `text`.
        pointer: Where to look, such as `/items/0/name`. Empty means the whole document.
        depth: For an outline: how many levels to show.
        items: For an outline: how many items of each array to show.
        form: `outline` counts what is deep or long, `pretty` and `compact` give everything.

    Returns:
        One line that says what is there, then the JSON.
    """
    value = at_pointer(parse(text_of(ctx.root, text, path)), pointer)
    try:
        body = _written(value, form, depth, items)
    except RecursionError:
        raise ToolError("the JSON is nested too deeply; look further down with `pointer`") from None
    kept = fitting(body, TEXT_TOKENS)
    if kept < len(body):
        body = f"{body[:kept]}\n[cut: {len(body) - kept:,} more characters; go deeper with `pointer`]"
    return Text(f"[{pointer or 'the document'} is {shape(value)}]\n{body}")


def _written(value: object, form: str, depth: int, items: int) -> str:
    if form == "outline":
        return outline(value, min(max(depth, 0), 64), max(items, 0))
    if form == "pretty":
        return json.dumps(value, ensure_ascii=False, indent=2)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _unified(old: list[str], new: list[str], context: int, ignore_blanks: bool) -> list[str]:
    seen_old, seen_new = old, new
    if ignore_blanks:
        seen_old, seen_new = ([" ".join(line.split()) for line in side] for side in (old, new))
    rows: list[str] = []
    matcher = difflib.SequenceMatcher(None, seen_old, seen_new, autojunk=False)
    for group in matcher.get_grouped_opcodes(context):
        first, last = group[0], group[-1]
        rows.append(f"@@ -{_span(first[1], last[2])} +{_span(first[3], last[4])} @@")
        for tag, old_from, old_to, new_from, new_to in group:
            if tag == "equal":
                rows += [" " + _without_end(line) for line in new[new_from:new_to]]
            else:
                rows += ["-" + _without_end(line) for line in old[old_from:old_to]]
                rows += ["+" + _without_end(line) for line in new[new_from:new_to]]
    return rows


def _with_ends(text: str) -> list[str]:
    """Return the lines of a text with their line feeds: nothing else ends a line for `patch`."""
    rows = [line + "\n" for line in text.split("\n")]
    rows[-1] = rows[-1][:-1]
    return rows if rows[-1] else rows[:-1]


def _without_end(line: str) -> str:
    return line[:-1] if line.endswith("\n") else line + "\n\\ No newline at end of file"


def _span(start: int, end: int) -> str:
    # An empty range is named by the line before it, as `diff -u` does.
    return f"{start + 1 if end > start else start},{end - start}"


def _expression(kind: str, pattern: Optional[str]) -> re.Pattern[str]:
    if kind != "regex":
        if pattern is not None:
            raise ToolError(f'`pattern` goes with kind="regex", not with "{kind}"')
        return re.compile(_PATTERNS[kind])
    if not pattern:
        raise ToolError('kind="regex" needs a `pattern`')
    return _compiled(pattern, re.MULTILINE)


def _compiled(pattern: str, flags: int) -> re.Pattern[str]:
    try:
        return re.compile(pattern, flags)
    except re.error as error:
        raise ToolError(f"`{pattern}` is not a Python regular expression: {error}") from None
    except (OverflowError, RecursionError) as error:
        raise ToolError(f"the regular expression is too large: {error}") from None


def _without_tail(url: str) -> str:
    """Return a URL without the punctuation of the sentence it stands in."""
    while url and url[-1] in ".,;:!?)]*_":
        if url[-1] == ")" and url.count("(") >= url.count(")"):
            break
        if url[-1] == "]" and url.count("[") >= url.count("]"):
            break
        if url[-1] == "_":
            break
        url = url[:-1]
    return url


def _digest(ctx: Context, file: BinaryIO, algorithm: str) -> tuple[str, int]:
    checksum, size = 0, 0
    # Checksums of files, not of passwords.
    state = None if algorithm == "crc32" else hashlib.new(algorithm, usedforsecurity=False)
    for block in _blocks(file):
        size += len(block)
        if state is None:
            checksum = zlib.crc32(block, checksum)
        else:
            state.update(block)
        if size % (256 << 20) == 0:
            ctx.progress(size, message=f"{size >> 20:,} MB read")
    return (f"{checksum:08x}" if state is None else state.hexdigest()), size


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    while True:
        block = file.read(1 << 20)
        if not block:
            return
        yield block


def _counted(rows: list[str]) -> list[str]:
    counts: dict[str, int] = {}
    for row in rows:
        counts[row] = counts.get(row, 0) + 1
    return [f"{number}\t{row}" for row, number in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]


def _natural(row: str) -> list[tuple[int, int, str]]:
    # The first member keeps numbers and words apart. A number compares by its length first, so that it may
    # have any number of digits.
    parts = [part.lstrip("0") if part.isdecimal() else part for part in re.split(r"(\d+)", row.casefold())]
    return [(number % 2, len(part) if number % 2 else 0, part) for number, part in enumerate(parts)]


def _first_number(row: str) -> float:
    found = re.search(r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?", row)
    # Lines without a number come last.
    return float(found.group()) if found else float("inf")


_SORT_KEYS: dict[str, Callable[[str], object]] = {
    "text": lambda row: row,
    "natural": _natural,
    "number": _first_number,
    "length": len,
}


def _fitting(rows: list[str]) -> list[str]:
    """Return as many rows as an answer holds, at least one."""
    taken = 0
    for count, row in enumerate(rows):
        taken += tokens(row) + 1
        if taken > TEXT_TOKENS and count:
            return rows[:count]
    return rows


def _short(text: str) -> str:
    if len(text) <= LINE_CHARS_MAX:
        return text
    return f"{text[:LINE_CHARS_MAX]}… [{len(text) - LINE_CHARS_MAX:,} more characters]"
