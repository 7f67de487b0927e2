"""How does a file of separated values become rows: its encoding, its delimiter, its header, its faults?"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple, Optional

from omni import ToolError

# Longer names of columns are cut, the more there are the shorter: a first line without end is no header.
_NAME_CHARS_MAX, _NAME_CHARS_MIN, _NAMES_CHARS_MAX = 100, 24, 10_000

_BEGINNING = 65536
_MARKS = (
    # UTF-32 first: its mark begins with UTF-16's.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NUMBER = re.compile(r"\s*[-+]?\d+(?:[.,]\d+)*\s*")


class Row(NamedTuple):
    """A row and the line of the file that it begins on."""

    line: int
    fields: list[str]


class Separated:
    """The text of a CSV file, to be read as often as is needed.

    Args:
        data: The file's bytes.
        path: Its path, for notes and errors.
        delimiter: What separates the fields; found out when left out.

    Raises:
        ToolError: The file is empty or binary.
    """

    def __init__(self, data: bytes, path: str, delimiter: Optional[str]) -> None:
        self._data = data
        self._path = path
        self.notes: list[str] = []
        self._encoding = encoding_of(data, path, self.notes)
        beginning = _beginning(data, self._encoding)
        declared = re.fullmatch(r"sep=(.)\s*", beginning[0]) if beginning else None
        self._skipped = 1 if declared else 0
        beginning = beginning[self._skipped :]
        self.delimiter = (declared[1] if declared else delimiter) or found_delimiter(beginning)
        self._blanks = _has_blanks(beginning, self.delimiter)
        self._open_quote: Optional[int] = None
        first = next(self._all(), None)
        if first is None:
            raise ToolError(f"`{path}` is empty; the first row must name the columns")
        self.header = self._named([name.strip() for name in first.fields])

    def rows(self) -> Iterator[Row]:
        """Read the rows below the header from the start. Empty lines are left out."""
        return islice(self._all(), 1, None)

    def note_open_quote(self) -> None:
        """Note after a whole reading that a quote was never closed, which makes one field of the rest."""
        if self._open_quote is not None:
            self.notes.append(
                f"`{self._path}`, line {self._open_quote:,}: a quote is opened and never closed; everything after it "
                "is in one field of one row"
            )

    def _all(self) -> Iterator[Row]:
        # Decoded as it is read: the whole as one `str` would double what a large file takes.
        text = io.TextIOWrapper(io.BytesIO(self._data), encoding=self._encoding, errors="replace", newline="")
        quotes = _Quotes(islice(text, self._skipped, None))
        csv.field_size_limit(16 * 1024 * 1024)
        reader = csv.reader(quotes, delimiter=self.delimiter, skipinitialspace=self._blanks)
        line = 1 + self._skipped
        try:
            for fields in reader:
                last = reader.line_num + self._skipped
                # Only the last row can have swallowed the rest of the file.
                self._open_quote = line if quotes.count % 2 and last > line else None
                quotes.count = 0
                if fields:
                    yield Row(line, fields)
                line = last + 1
        except csv.Error as error:
            raise ToolError(f"`{self._path}`, line {line:,}: {error}") from None

    def _named(self, given: list[str]) -> list[str]:
        if len(given) > 1 and all(not name or _NUMBER.fullmatch(name) for name in given) and any(given):
            self.notes.append(
                f"`{self._path}`: its first row looks like data and was taken as the names of the columns; "
                "if it is data, ask a copy with a header"
            )
        most = min(_NAME_CHARS_MAX, max(_NAME_CHARS_MIN, _NAMES_CHARS_MAX // len(given)))
        short = [name if len(name) <= most else name[: most - 1] + "…" for name in given]
        names = distinct(short)
        changed = [
            f"column {number} is `{name}`" for number, (name, old) in enumerate(zip(names, given), 1) if name != old
        ]
        if changed:
            more = f" and {len(changed) - 5} more" if len(changed) > 5 else ""
            self.notes.append(
                f"`{self._path}`: names that are empty, too long or there twice were changed: "
                f"{', '.join(changed[:5])}{more}"
            )
        return names


class _Quotes:
    """Counts the quotes of the lines that a row is made of."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self.count = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.count += line.count('"')
        return line


def encoding_of(data: bytes, path: str, notes: list[str]) -> str:
    """Return the encoding of a text file, and note when it is none that goes without saying.

    Raises:
        ToolError: The file is binary.
    """
    for mark, name in _MARKS:
        if data.startswith(mark):
            notes.append(f"`{path}` was read as {name}")
            return name
    if b"\0" in data[:8192]:
        return _unmarked_wide(data[:8192], path, notes)
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(data), 1 << 20):
            decoder.decode(data[start : start + (1 << 20)])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
        wrong = text.count("\ufffd")
        right = (len(data) - wrong - len(text.encode("ascii", "ignore"))) // 2
        if right > 4 * wrong or data[:-4].decode("utf-8", "ignore").encode() == data[:-4]:
            notes.append(f"`{path}`: {wrong:,} places are no UTF-8 and show as \ufffd")
            return "utf-8-sig"
        # What spreadsheets on Windows write; nearly every byte means something in it.
        notes.append(f"`{path}` is no UTF-8 and was read as cp1252; where letters look wrong, convert a copy to UTF-8")
        return "cp1252"
    return "utf-8-sig"


def _unmarked_wide(beginning: bytes, path: str, notes: list[str]) -> str:
    half = max(len(beginning) // 2, 1)
    even, odd = beginning[::2].count(0) / half, beginning[1::2].count(0) / half
    for first, second, name in ((even, odd, "utf-16-le"), (odd, even, "utf-16-be")):
        if first < 0.1 and second > 0.4:
            notes.append(f"`{path}` was read as {name}")
            return name
    raise ToolError(f"`{path}` is binary: it holds NUL bytes; CSV and JSON are text. Convert a copy of it")


def _beginning(data: bytes, encoding: str) -> list[str]:
    text = io.TextIOWrapper(io.BytesIO(data[:_BEGINNING]), encoding=encoding, errors="replace", newline="")
    lines = list(islice(text, 20))
    if len(data) > _BEGINNING and 1 < len(lines) < 20:
        # The last line may be cut.
        lines.pop()
    return lines


def found_delimiter(beginning: Sequence[str]) -> str:
    """Guess what separates the fields: what gives the first rows the same number of fields, and most of them."""
    best, chosen = (0.0, 0), ","
    for candidate in ",;\t|":
        score = delimiter_score(beginning, candidate)
        if score > best:
            best, chosen = score, candidate
    return chosen


def delimiter_score(beginning: Sequence[str], candidate: str) -> tuple[float, int]:
    """Return which share of the first rows has as many fields as the header, and how many fields that are."""
    try:
        widths = [len(row) for row in csv.reader(beginning, delimiter=candidate) if row]
    except csv.Error:
        return (0.0, 0)
    if not widths or widths[0] < 2:
        return (0.0, 0)
    return sum(width == widths[0] for width in widths) / len(widths), widths[0]


def _has_blanks(beginning: Sequence[str], delimiter: str) -> bool:
    """Return whether a blank follows every delimiter, as people write lists: it is no part of the field then."""
    if delimiter.isspace():
        return False
    inner = [field for row in csv.reader(beginning, delimiter=delimiter) for field in row[1:]]
    return bool(inner) and all(field.startswith(" ") for field in inner)


def distinct(names: Sequence[str]) -> list[str]:
    """Return names for all columns, none empty and no two equal (SQLite does not tell case apart)."""
    given = {name.casefold() for name in names}
    used: set[str] = set()
    result = []
    for place, wanted in enumerate(names, 1):
        base = wanted or f"column_{place}"
        name, number = base, 1
        while name.casefold() in used or (number > 1 and name.casefold() in given):
            number += 1
            name = f"{base}_{number}"
        used.add(name.casefold())
        result.append(name)
    return result
