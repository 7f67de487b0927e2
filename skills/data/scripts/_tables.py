"""How do files become tables that one SQL statement can join?

CSV, TSV and JSON files are read into an in-memory database; SQLite files are attached to it, read-only.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import math
import os
import re
import sqlite3
import stat
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Callable, NamedTuple, Optional
from urllib.parse import quote

from omni import Context, ToolError
from omni.beneath import Place, open_file, place

# A table that is read into memory may come from so much text; SQLite files are not read and may be larger.
LOADED_BYTES_MAX = 256 * 1024 * 1024
# JSON takes about ten times its size while it is parsed.
JSON_BYTES_MAX = 64 * 1024 * 1024
# SQLite itself attaches no more than 10 databases.
FILES_MAX = 8
COLUMNS_MAX = 500
# What all databases of this process together may hold in memory; reading fails beyond it, nothing else does.
HEAP_BYTES_MAX = 1024 * 1024 * 1024

_DELIMITERS = {".csv": None, ".tsv": "\t", ".tab": "\t", ".psv": "|"}
_JSON = {".json", ".jsonl", ".ndjson", ".geojson"}
_SQLITE_START = b"SQLite format 3\0"
_ROWS_PER_STEP = 20_000
_INT64_MAX = 2**63 - 1

_INTEGER = re.compile(r"[-+]?(?:0|[1-9]\d{0,18})")
_REAL = re.compile(r"[-+]?(?:\d+\.\d*|\.\d+|\d+(?=[eE]))(?:[eE][-+]?\d+)?")


class Column(NamedTuple):
    """One column as SQLite knows it."""

    name: str
    type: str


class Table(NamedTuple):
    """One table that statements can name."""

    # As a statement writes it, quoted where that is needed: `sales` or `shop.orders`.
    name: str
    schema: str
    bare_name: str
    file: str
    columns: list[Column]


class Tables:
    """The files of one call, open as tables of one database. Close it, or use it in a `with` block.

    Args:
        ctx: The call.
        files: Paths beneath the project root.

    Raises:
        ToolError: A file is missing, too large, of an unknown kind or not what its name says.
    """

    def __init__(self, ctx: Context, files: Sequence[str]) -> None:
        if not files:
            raise ToolError('`files` is empty; name the files to ask, such as ["sales.csv", "shop.db"]')
        if len(files) > FILES_MAX:
            raise ToolError(f"{len(files)} files; one call may name {FILES_MAX}")
        self._ctx = ctx
        self._held: list[BinaryIO] = []
        self.notes: list[str] = []
        self.tables: list[Table] = []
        # `isolation_level=None`: no transaction is begun behind our back.
        self.database = sqlite3.connect("file::memory:", uri=True, isolation_level=None)
        try:
            self.database.execute(f"PRAGMA hard_heap_limit={HEAP_BYTES_MAX}")
            # Views of a file that somebody else made call no function with effects.
            self.database.execute("PRAGMA trusted_schema=OFF")
            for file in files:
                self._add(file)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Tables:  # noqa: PYI034 - `Self` is younger than Python 3.9
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database, then the files."""
        self.database.close()
        # After the database: closing any descriptor of a file drops the locks that SQLite holds on it.
        for file in self._held:
            file.close()
        self._held.clear()

    def only(self, table: Optional[str]) -> Table:
        """Return the table of that name, or the only one.

        Raises:
            ToolError: There is no such table, or there are several and none was named.
        """
        if table is None:
            if len(self.tables) == 1:
                return self.tables[0]
            raise ToolError(f"there are {len(self.tables)} tables; set `table` to one of {self.names()}")
        for known in self.tables:
            if table in (known.name, known.bare_name):
                return known
        raise ToolError(f"there is no table `{table}`; there are {self.names()}")

    def names(self) -> str:
        """Return the names of all tables for an error text."""
        shown = ", ".join(f"`{table.name}`" for table in self.tables[:30])
        return shown + (f" and {len(self.tables) - 30} more" if len(self.tables) > 30 else "") or "no tables"

    def _add(self, path: str) -> None:
        file = open_file(self._ctx.root, path)
        self._held.append(file)
        beginning = file.read(len(_SQLITE_START))
        file.seek(0)
        ending = os.path.splitext(path)[1].lower()
        if beginning == _SQLITE_START:
            self._attach(path, file)
        elif ending in _JSON:
            self._load(path, *_json_rows(_bytes(file, path, JSON_BYTES_MAX), path, ending))
        elif ending in _DELIMITERS:
            self._load_separated(path, _bytes(file, path, LOADED_BYTES_MAX), _DELIMITERS[ending])
        else:
            raise ToolError(
                f"`{path}` is neither CSV, TSV, JSON, JSON Lines (by its ending) nor SQLite (by its content); "
                "rename a copy if it is one of them"
            )

    def _attach(self, path: str, file: BinaryIO) -> None:
        schema = self._free_name(path, [row[1] for row in self.database.execute("PRAGMA database_list")])
        with place(self._ctx.root, path) as here:
            real = os.path.join(os.path.realpath(self._ctx.root), here.path)
            _check_beside(here, path)
        ours = os.fstat(file.fileno())
        held_before = _descriptors_of(ours)
        try:
            self.database.execute(f"ATTACH ? AS {quoted(schema)}", (f"file:{quote(real)}?mode=ro",))
            # The first statement that reads is what opens the file.
            found = self.database.execute(
                f"SELECT name FROM {quoted(schema)}.sqlite_master WHERE type IN ('table', 'view') "
                "AND name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY name"
            ).fetchall()
        except sqlite3.Error as error:
            raise ToolError(f"`{path}` cannot be read as a SQLite database: {error}") from None
        # SQLite opens by path, so that a link could have been put in its place since we looked: it must
        # have opened the very file that we hold.
        if _descriptors_of(ours) <= held_before:
            raise ToolError(f"`{path}` was replaced while it was opened; try again")
        for (name,) in found:
            columns = [
                Column(row[1], row[2] or "ANY")
                for row in self.database.execute(f"PRAGMA {quoted(schema)}.table_info({quoted(name)})")
            ]
            self.tables.append(Table(f"{quoted(schema)}.{quoted(name)}", schema, name, path, columns))

    def _load_separated(self, path: str, data: bytes, delimiter: Optional[str]) -> None:
        encoding = _encoding(data)
        if encoding != "utf-8-sig":
            self.notes.append(f"`{path}` was read as {encoding}")
        header, rows = _separated_rows(data, encoding, delimiter or _delimiter(data, encoding), path)
        kinds = [_Kind() for _ in header]
        uneven = 0
        for row in rows():
            uneven += len(row) != len(header)
            for kind, value in zip(kinds, row):
                kind.see(value)
        if uneven:
            self.notes.append(
                f"`{path}`: {uneven:,} rows have more or fewer fields than the header; the extra ones were dropped, "
                "the missing ones are NULL"
            )
        width = len(header)

        def values() -> Iterator[tuple[Any, ...]]:
            for row in rows():
                fields = row[:width] + [""] * (width - len(row))
                yield tuple(kind.value(field) for kind, field in zip(kinds, fields))

        self._load(path, [Column(name, kind.type()) for name, kind in zip(header, kinds)], values)

    def _load(self, path: str, columns: list[Column], rows: Callable[[], Iterator[tuple[Any, ...]]]) -> None:
        if len(columns) > COLUMNS_MAX:
            raise ToolError(f"`{path}` has {len(columns)} columns; {COLUMNS_MAX} can be read")
        name = self._free_name(path, [table.bare_name for table in self.tables])
        declared = ", ".join(f"{quoted(column.name)} {column.type}" for column in columns)
        self.database.execute(f"CREATE TABLE {quoted(name)} ({declared})")
        insert = f"INSERT INTO {quoted(name)} VALUES ({', '.join('?' * len(columns))})"
        source, count = rows(), 0
        self.database.execute("BEGIN")
        while True:
            step = list(islice(source, _ROWS_PER_STEP))
            if not step:
                break
            self.database.executemany(insert, step)
            count += len(step)
            if count > _ROWS_PER_STEP:
                self._ctx.progress(count, message=f"{count:,} rows of `{path}` read")
        self.database.execute("COMMIT")
        self.tables.append(Table(quoted(name), "main", name, path, columns))

    def _free_name(self, path: str, taken: Sequence[str]) -> str:
        stem = re.sub(r"\W+", "_", Path(path).name.split(".")[0]).strip("_") or "t"
        if stem[0].isdigit():
            stem = f"t_{stem}"
        used = {name.casefold() for name in taken} | {"main", "temp"}
        name, number = stem, 1
        while name.casefold() in used:
            number += 1
            name = f"{stem}_{number}"
        return name


class _Kind:
    """What a column of text holds, judged by all of its values."""

    def __init__(self) -> None:
        self._integer = self._real = True
        self._any = False

    def see(self, field: str) -> None:
        if field == "":
            return
        self._any = True
        if not self._real:
            return
        if _INTEGER.fullmatch(field) and abs(int(field)) <= _INT64_MAX:
            return
        self._integer = False
        # A number with a leading zero, or too large for 64 bits, is somebody's identifier: it stays text.
        self._real = _REAL.fullmatch(field) is not None

    def type(self) -> str:
        if not self._any or not self._real:
            return "TEXT"
        return "INTEGER" if self._integer else "REAL"

    def value(self, field: str) -> Any:
        if field == "":
            return None
        if not self._real:
            return field
        return int(field) if self._integer else float(field)


def quoted(name: str) -> str:
    """Return a name as SQL may write it: bare when that is unambiguous, else in double quotes."""
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) and name.upper() not in _KEYWORDS:
        return name
    return '"' + name.replace('"', '""') + '"'


def _bytes(file: BinaryIO, path: str, bytes_max: int) -> bytes:
    size = os.fstat(file.fileno()).st_size
    if size > bytes_max:
        raise ToolError(
            f"`{path}` has {size >> 20} MB; up to {bytes_max >> 20} MB of this format can be read into memory. "
            "Put it into a SQLite file once, and ask that"
        )
    return file.read(bytes_max)


def _encoding(data: bytes) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(data), 1 << 20):
            decoder.decode(data[start : start + (1 << 20)])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        # What spreadsheets on Windows write; nearly every byte means something in it.
        return "cp1252"
    return "utf-8-sig"


def _text(data: bytes, encoding: str) -> io.TextIOWrapper:
    # Decoded as it is read: the whole as one `str` would double what a large file takes.
    return io.TextIOWrapper(io.BytesIO(data), encoding=encoding, errors="replace", newline="")


def _delimiter(data: bytes, encoding: str) -> str:
    """Guess what separates the fields: what gives the first rows the same number of fields, and most of them."""
    beginning = list(islice(_text(data[:65536], encoding), 20))
    if len(data) > 65536 and len(beginning) > 1:
        # The last line may be cut.
        beginning.pop()
    best, chosen = (0.0, 0), ","
    for candidate in ",;\t|":
        widths = [len(row) for row in csv.reader(beginning, delimiter=candidate) if row]
        if not widths or widths[0] < 2:
            continue
        score = (sum(width == widths[0] for width in widths) / len(widths), widths[0])
        if score > best:
            best, chosen = score, candidate
    return chosen


def _separated_rows(
    data: bytes, encoding: str, delimiter: str, path: str
) -> tuple[list[str], Callable[[], Iterator[list[str]]]]:
    """Return the names of the columns, and a function that reads the rows below them from the start."""

    def rows() -> Iterator[list[str]]:
        reader = csv.reader(_text(data, encoding), delimiter=delimiter)
        try:
            yield from (row for row in reader if row)
        except csv.Error as error:
            raise ToolError(f"`{path}`, line {reader.line_num}: {error}") from None

    csv.field_size_limit(16 * 1024 * 1024)
    first = next(rows(), None)
    if first is None:
        raise ToolError(f"`{path}` is empty; the first row must name the columns")
    return _distinct([name.strip() for name in first]), lambda: islice(rows(), 1, None)


def _distinct(names: Sequence[str]) -> list[str]:
    """Return names for all columns, none empty and no two equal (SQLite does not tell case apart)."""
    taken: dict[str, int] = {}
    result = []
    for number, given in enumerate(names, 1):
        name = given or f"column_{number}"
        while name.casefold() in taken:
            taken[name.casefold()] += 1
            name = f"{name}_{taken[name.casefold()]}"
        taken[name.casefold()] = 1
        result.append(name)
    return result


def _json_rows(data: bytes, path: str, ending: str) -> tuple[list[Column], Callable[[], Iterator[tuple[Any, ...]]]]:
    text = data.decode(_encoding(data), errors="replace")
    records = _records(text, path, lines=ending in (".jsonl", ".ndjson"))
    names: dict[str, set] = {}
    for record in records:
        for key, value in record.items():
            names.setdefault(key, set()).add(_json_type(value))
    if not names:
        raise ToolError(f"`{path}` holds no records with members; look at it with `text.json`")
    keys = list(names)
    columns = [Column(name, _common_type(names[key])) for key, name in zip(keys, _distinct(keys))]
    return columns, lambda: (tuple(_json_value(record.get(key)) for key in keys) for record in records)


def _records(text: str, path: str, *, lines: bool) -> list[dict[str, Any]]:
    if lines:
        rows = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
        value: Any = [_json(line, f"`{path}`, line {number}") for number, line in rows]
    else:
        value = _json(text, f"`{path}`")
    if isinstance(value, dict):
        # `{"items": […], "total": 3}`: what a person means by the rows of such a file is the one list.
        lists = [
            member for member in value.values() if isinstance(member, list) and any(isinstance(m, dict) for m in member)
        ]
        value = lists[0] if len(lists) == 1 else [value]
    if not isinstance(value, list):
        value = [value]
    return [item if isinstance(item, dict) else {"value": item} for item in value]


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        place_in_text = f"line {error.lineno}, column {error.colno}" if error.lineno > 1 else f"column {error.colno}"
        raise ToolError(f"{where} is not JSON: {error.msg} at {place_in_text}") from None
    except (ValueError, RecursionError) as error:
        raise ToolError(f"{where} cannot be read: {error}") from None


def _json_type(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, (bool, int)) and abs(value) <= _INT64_MAX:
        return "INTEGER"
    return "REAL" if isinstance(value, float) else "TEXT"


def _common_type(types: set) -> str:
    known = types - {""}
    if known == {"INTEGER"}:
        return "INTEGER"
    return "REAL" if known and known <= {"INTEGER", "REAL"} else "TEXT"


def _json_value(value: Any) -> Any:
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int) and abs(value) > _INT64_MAX:
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    # A lone surrogate is no text that SQLite can store.
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else value


def _check_beside(here: Place, path: str) -> None:
    """Refuse a link, or anything that is no file, where SQLite looks for its own files beside a database."""
    for ending in ("-wal", "-shm", "-journal"):
        try:
            mode = os.stat(here.name + ending, dir_fd=here.folder, follow_symlinks=False).st_mode
        except FileNotFoundError:
            continue
        if not stat.S_ISREG(mode):
            kind = "a symbolic link" if stat.S_ISLNK(mode) else "not a regular file"
            raise ToolError(f"`{path}{ending}` is {kind}; SQLite keeps a file of its own there. Ask a copy of `{path}`")


def _descriptors_of(file: os.stat_result) -> int:
    """Count the descriptors of this process that are this file."""
    count = 0
    for name in os.listdir("/dev/fd"):
        try:
            info = os.stat(int(name))
        except OSError:
            # The listing's own descriptor, closed by now.
            continue
        count += (info.st_dev, info.st_ino) == (file.st_dev, file.st_ino)
    return count


_KEYWORDS = frozenset(
    """
    ABORT ACTION ADD AFTER ALL ALTER ALWAYS ANALYZE AND AS ASC ATTACH AUTOINCREMENT BEFORE BEGIN BETWEEN BY CASCADE
    CASE CAST CHECK COLLATE COLUMN COMMIT CONFLICT CONSTRAINT CREATE CROSS CURRENT CURRENT_DATE CURRENT_TIME
    CURRENT_TIMESTAMP DATABASE DEFAULT DEFERRABLE DEFERRED DELETE DESC DETACH DISTINCT DO DROP EACH ELSE END ESCAPE
    EXCEPT EXCLUDE EXCLUSIVE EXISTS EXPLAIN FAIL FILTER FIRST FOLLOWING FOR FOREIGN FROM FULL GENERATED GLOB GROUP
    GROUPS HAVING IF IGNORE IMMEDIATE IN INDEX INDEXED INITIALLY INNER INSERT INSTEAD INTERSECT INTO IS ISNULL JOIN
    KEY LAST LEFT LIKE LIMIT MATCH MATERIALIZED NATURAL NO NOT NOTHING NOTNULL NULL NULLS OF OFFSET ON OR ORDER OTHERS
    OUTER OVER PARTITION PLAN PRAGMA PRECEDING PRIMARY QUERY RAISE RANGE RECURSIVE REFERENCES REGEXP REINDEX RELEASE
    RENAME REPLACE RESTRICT RETURNING RIGHT ROLLBACK ROW ROWS SAVEPOINT SELECT SET TABLE TEMP TEMPORARY THEN TIES TO
    TRANSACTION TRIGGER UNBOUNDED UNION UNIQUE UPDATE USING VACUUM VALUES VIEW VIRTUAL WHEN WHERE WINDOW WITH WITHOUT
    """.split()
)
