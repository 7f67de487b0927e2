"""How do files become tables that one SQL statement can join?

CSV, TSV and JSON files are read into an in-memory database; SQLite files are attached to it, read-only.
"""

from __future__ import annotations

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
from omni.safe_paths import Place, open_file, place

from ._columns import INT64_MAX, Judge, Verdict
from ._records import records_of
from ._separated import Separated, delimiter_score, distinct

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


class Column(NamedTuple):
    """One column as SQLite knows it."""

    name: str
    type: str
    # What its values are, where they were all seen: not so in a SQLite file.
    verdict: Optional[Verdict] = None


class Table(NamedTuple):
    """One table that statements can name."""

    # As a statement writes it, quoted where that is needed: `sales` or `shop.orders`.
    name: str
    schema: str
    bare_name: str
    file: str
    columns: list[Column]
    is_view: bool = False


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
        elif ending in _JSON or (ending not in _DELIMITERS and _looks_like_json(file)):
            self._load_records(path, _bytes(file, path, JSON_BYTES_MAX), lines=ending not in (".json", ".geojson"))
        elif ending in _DELIMITERS or _looks_separated(file):
            self._load_separated(path, _bytes(file, path, LOADED_BYTES_MAX), _DELIMITERS.get(ending))
        else:
            raise ToolError(
                f"`{path}` is neither CSV, TSV, JSON nor JSON Lines, by its ending or its content, nor SQLite"
                + _hint_for(ending)
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
                f"SELECT name, type FROM {quoted(schema)}.sqlite_master WHERE type IN ('table', 'view') "
                "AND name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY name"
            ).fetchall()
        except sqlite3.Error as error:
            raise ToolError(f"`{path}` cannot be read as a SQLite database: {error}") from None
        # SQLite opens by path, so that a link could have been put in its place since we looked: it must
        # have opened the very file that we hold.
        if _descriptors_of(ours) <= held_before:
            raise ToolError(f"`{path}` was replaced while it was opened; try again")
        for name, kind in found:
            columns = [
                Column(row[1], row[2] or "ANY")
                for row in self.database.execute(f"PRAGMA {quoted(schema)}.table_info({quoted(name)})")
            ]
            self.tables.append(Table(f"{quoted(schema)}.{quoted(name)}", schema, name, path, columns, kind == "view"))

    def _load_separated(self, path: str, data: bytes, delimiter: Optional[str]) -> None:
        source = Separated(data, path, delimiter)
        judges = [Judge() for _ in source.header]
        width = len(source.header)
        uneven, first = 0, ""
        for line, row in source.rows():
            if len(row) != width:
                uneven += 1
                first = first or f"line {line:,} has {len(row)} of {width}"
            for judge, value in zip(judges, row):
                judge.see(value, line)
        source.note_open_quote()
        self.notes += source.notes
        if uneven:
            rows = "1 row has" if uneven == 1 else f"{uneven:,} rows have"
            self.notes.append(
                f"`{path}`: {rows} more or fewer fields than the header ({first}); the extra ones were "
                "dropped, the missing ones are NULL"
            )
        verdicts = _verdicts(judges)
        readers = [_reader(verdict) for verdict in verdicts]

        def values() -> Iterator[tuple[Any, ...]]:
            for _, row in source.rows():
                fields = row[:width] + [""] * (width - len(row))
                yield tuple(read(field) if field else None for read, field in zip(readers, fields))

        columns = [Column(name, verdict.type, verdict) for name, verdict in zip(source.header, verdicts)]
        self._load(path, columns, values)

    def _load_records(self, path: str, data: bytes, *, lines: bool) -> None:
        records = records_of(data, path, self.notes, lines=lines)
        judges: dict[str, Judge] = {}
        for line, members in records:
            for key, value in members.items():
                judges.setdefault(key, Judge()).see(value, line, quoted=True)
        if not judges:
            raise ToolError(f"`{path}` holds no records with members; look at it with `text_json`")
        keys = list(judges)
        verdicts = _verdicts(list(judges.values()))
        readers = [_reader(verdict) for verdict in verdicts]
        columns = [Column(name, verdict.type, verdict) for name, verdict in zip(distinct(keys), verdicts)]
        self._load(
            path,
            columns,
            lambda: (tuple(read(members.get(key)) for read, key in zip(readers, keys)) for _, members in records),
        )

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


def _verdicts(judges: Sequence[Judge]) -> list[Verdict]:
    # One column with decimal commas tells how the others of the file are written.
    comma = any(judge.has_decimal_comma for judge in judges)
    return [judge.verdict(comma=comma) for judge in judges]


def _reader(verdict: Verdict) -> Callable[[Any], Any]:
    """Return the function that makes a value for SQLite of what a file has in such a column."""
    number = {"INTEGER": int, "REAL": float}.get(verdict.type)
    if number is None:
        return _as_text

    def read(value: Any) -> Any:
        if value is None or (isinstance(value, str) and value.strip() in verdict.markers):
            return None
        if isinstance(value, float) and not math.isfinite(value):
            return None
        return number(value)

    return read


def _as_text(value: Any) -> Any:
    if isinstance(value, str):
        # A lone surrogate is no text that SQLite can store.
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, int) and abs(value) > INT64_MAX:
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


# Of these a model is told whenever a statement reads them; of the others when it would take them for numbers.
_NOTED = frozenset({"separated", "mixed", "large", "date"})


def column_notes(verdict: Verdict, where: str, name: str, *, everything: bool = False) -> list[str]:
    """Return what must be known of a column, as sentences.

    Args:
        verdict: What its values are.
        where: How to name it with its table.
        name: Its own name.
        everything: Also what matters only to a statement that would be refused.
    """
    notes = []
    if verdict.markers:
        found = ", ".join(f"{count:,} of `{text}`" for text, count in verdict.markers.most_common(4))
        notes.append(f"`{where}`: what stands for no number was read as NULL ({found})")
    if verdict.doubt:
        notes.append(f"`{where}`: {verdict.doubt}")
    if verdict.oddity is not None and (everything or verdict.oddity.kind in _NOTED):
        advice = verdict.oddity.advice.format(column=quoted(name), example=verdict.oddity.example)
        use = (
            f"; compute and sort with {verdict.oddity.convert.format(column=quoted(name))}"
            if (verdict.oddity.convert)
            else ""
        )
        notes.append(f"`{where}` is text, such as `{verdict.oddity.example}`: {advice}{use}")
    return notes


def _looks_like_json(file: BinaryIO) -> bool:
    beginning = file.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n")
    file.seek(0)
    return beginning[:1] in (b"{", b"[") and b"\0" not in beginning


def _looks_separated(file: BinaryIO) -> bool:
    """Return whether the first rows of a file without a known ending all have as many fields, and several."""
    beginning = file.read(65536)
    file.seek(0)
    if b"\0" in beginning:
        return False
    lines = beginning.decode("utf-8", "replace").splitlines(keepends=True)[:20]
    return len(lines) > 1 and any(delimiter_score(lines, candidate)[0] == 1 for candidate in ",;\t|")


def _hint_for(ending: str) -> str:
    if ending in (".xlsx", ".xls", ".ods", ".numbers"):
        return "; save the sheet as CSV and ask that"
    if ending in (".parquet", ".feather", ".arrow", ".avro", ".orc"):
        return "; convert a copy to CSV, JSON Lines or SQLite and ask that"
    if ending in (".gz", ".zip", ".bz2", ".xz", ".zst"):
        return "; unpack a copy and ask that"
    return "; look at it with `files_read`, or rename a copy if it is one of them"


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
