"""How is a statement run so that it can neither change anything, run for ever, nor take text for numbers?"""

from __future__ import annotations

import json
import math
import re
import sqlite3
from time import monotonic
from typing import Any, NamedTuple, Optional

from omni import CallCancelled, Context, ToolError
from omni.answer_size import DATA_TOKENS, fitting, tokens

from ._columns import Judge, Oddity, Verdict
from ._sums import NAMES, Functions
from ._tables import Column, Table, Tables, column_notes, quoted
from ._use import has_window, numeric_use

# One long cell may hold so much.
CELL_CHARS_MAX = 4000
# A row of many columns is cut to fit, but no cell below this.
_CELL_CHARS_MIN = 24
# How many steps of SQLite's machine pass between two looks at the clock: about a millisecond.
_STEPS_PER_LOOK = 50_000
# So many rows of a column in a SQLite file are looked at before it is added up.
_PROBED = 2000
_NOTES_CHARS_MAX = 6000

_ALLOWED = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE})
_FORBIDDEN_FUNCTIONS = frozenset({"load_extension", "fts3_tokenizer"})


class Answer(NamedTuple):
    """What a statement gave."""

    columns: list[str]
    rows: list[list[Any]]
    truncated: bool
    notes: list[str]


def ask(
    ctx: Context,
    tables: Tables,
    sql: str,
    limit: int,
    seconds: float,
    *,
    most: int = DATA_TOKENS,
    ours: bool = False,
) -> Answer:
    """Run one statement that reads.

    Args:
        ctx: The call. Told of progress while SQLite works.
        tables: What the statement may name.
        sql: The statement.
        limit: The most rows to return.
        seconds: How long it may take.
        most: How many tokens the rows may have.
        ours: The statement is one of this skill's own, which knows what it does.

    Raises:
        ToolError: The statement is wrong, wants to change something, takes text for numbers, or took too
            long. The text says which tables and columns there are, or what to write instead.
    """
    clock = _Clock(ctx, seconds)
    database = tables.database
    functions = Functions(database)
    seen = _Seen()
    database.set_progress_handler(clock.look, _STEPS_PER_LOOK)
    try:
        if not ours:
            seen.read(database, sql)
        reads = _read_columns(tables, seen)
        _refuse_text_as_numbers(sql, reads)
        if NAMES & seen.functions and not seen.view_sums and any(not read.pure for read in reads):
            functions.guard_sums(windows=has_window(sql))
        database.set_authorizer(_authorize)
        cursor = database.execute(sql)
        if cursor.description is None:
            raise ToolError("the statement gives no rows; write a SELECT")
        columns = [column[0] for column in cursor.description]
        rows, truncated, cut = _rows(cursor, limit, most)
        return Answer(
            columns, rows, truncated, [*_notes_of(reads), *_notes_on(functions, truncated, cut, len(rows), limit)]
        )
    except MemoryError:
        raise ToolError("the statement needs more memory than it may have; select less of it") from None
    except (sqlite3.Error, sqlite3.Warning) as error:
        # The sign to stop reaches the progress handler, or the moment before it begins. Neither can raise
        # through SQLite, which ends the statement and says that it was interrupted.
        if clock.stopped is not None:
            raise clock.stopped from None
        if functions.stopped_by is not None:
            raise ToolError(_no_sum(*functions.stopped_by)) from None
        if "interrupted" in str(error) and not clock.over:
            raise CallCancelled from None
        raise ToolError(_explained(str(error), tables, clock, seconds)) from None
    finally:
        database.set_progress_handler(None, 0)
        database.set_authorizer(_allow)


class _Clock:
    """Ends a statement whose time is over, and tells the client that it still runs."""

    def __init__(self, ctx: Context, seconds: float) -> None:
        self._ctx = ctx
        self._began = monotonic()
        self._seconds = seconds
        self.over = False
        self.stopped: Optional[BaseException] = None

    def look(self) -> int:
        """Return 1 to end the statement, 0 to let it go on."""
        try:
            self.over = monotonic() - self._began > self._seconds
            self._ctx.heartbeat()
        except BaseException as stopped:  # handed on by `ask`; SQLite would swallow it
            self.stopped = stopped
            return 1
        return int(self.over)


class _Seen:
    """What a statement reads and calls, as SQLite says when it prepares it."""

    def __init__(self) -> None:
        # Schema, table and column, in lower case.
        self.columns: set[tuple[str, str, str]] = set()
        self.functions: set[str] = set()
        # Whether a view in a file adds something up. Views may call nothing but SQLite's own functions.
        self.view_sums = False

    def read(self, database: sqlite3.Connection, sql: str) -> None:
        """Prepare a statement without running it. What is wrong with it is told when it is run."""
        database.set_authorizer(self._authorize)
        try:
            database.execute(f"EXPLAIN {sql}").close()
        except (sqlite3.Error, sqlite3.Warning, ValueError):
            return
        finally:
            database.set_authorizer(_allow)

    def _authorize(
        self, action: int, first: Optional[str], second: Optional[str], schema: Optional[str], view: Optional[str]
    ) -> int:
        if action == sqlite3.SQLITE_READ:
            self.columns.add(((schema or "").casefold(), (first or "").casefold(), (second or "").casefold()))
        elif action == sqlite3.SQLITE_FUNCTION:
            name = (second or "").casefold()
            self.functions.add(name)
            self.view_sums = self.view_sums or (name in NAMES and view is not None)
        return _authorize(action, first, second)


class _Read(NamedTuple):
    """A column that a statement reads."""

    table: Table
    column: Column
    # What its values are; of a SQLite file's column what the first ones are.
    verdict: Optional[Verdict]
    # Whether no text is in it for certain.
    pure: bool


def _read_columns(tables: Tables, seen: _Seen) -> list[_Read]:
    found = []
    for table in tables.tables:
        for column in table.columns:
            if (table.schema.casefold(), table.bare_name.casefold(), column.name.casefold()) not in seen.columns:
                continue
            verdict = column.verdict
            pure = verdict is not None and verdict.type != "TEXT"
            if verdict is None:
                verdict, pure = _probed(tables.database, table, column)
            found.append(_Read(table, column, verdict, pure))
    return found


def _probed(database: sqlite3.Connection, table: Table, column: Column) -> tuple[Optional[Verdict], bool]:
    """Look at the first values of a column in a SQLite file."""
    if table.is_view:
        # Its first rows may cost as much as the whole.
        return None, False
    name = quoted(column.name)
    judge = Judge()
    pure = not re.search("CHAR|CLOB|TEXT|BLOB|ANY", column.type.upper())
    for line, (value,) in enumerate(database.execute(f"SELECT {name} FROM {table.name} LIMIT {_PROBED}"), 1):
        if isinstance(value, str):
            pure = False
        if not isinstance(value, bytes):
            judge.see(value, line, quoted=True)
    verdict = judge.verdict()
    # What is a number there is one in SQL, and what is not stays as it is.
    return Verdict(verdict.type, type(verdict.markers)(), verdict.oddity), pure


def _refuse_text_as_numbers(sql: str, reads: list[_Read]) -> None:
    odd: dict[str, tuple[str, Oddity]] = {}
    fine = set()
    for read in reads:
        name = read.column.name.casefold()
        if read.verdict is not None and read.verdict.oddity is not None:
            odd.setdefault(name, (read.column.name, read.verdict.oddity))
        else:
            fine.add(name)
    # Another table has a column of that name which is what it seems: which is meant cannot be told from here.
    use = numeric_use(sql, {name: found for name, found in odd.items() if name not in fine})
    if use is None:
        return
    column = quoted(use.column)
    advice = use.oddity.advice.format(column=column, example=use.oddity.example)
    convert = use.oddity.convert.format(column=column)
    instead = f"; write {convert} instead of {column} there" if convert else ""
    raise ToolError(
        f"`{use.shown}` takes text for a number, and SQLite would give a wrong answer: `{use.column}` is text, such as "
        f"`{use.oddity.example}` ({advice}){instead}"
    )


def _no_sum(text: str, name: str) -> str:
    return (
        f"{name}() was given the text `{text}`, which is no plain number, and SQLite would have counted it as 0 or as "
        f"the digits it begins with. Write {name}(number(x)) for numbers with separators ({name}(number(x, ',')) with "
        "decimal commas); number() gives NULL for what is no number, and says so"
    )


def _notes_of(reads: list[_Read]) -> list[str]:
    notes: list[str] = []
    for read in reads:
        if read.verdict is not None:
            notes += column_notes(read.verdict, f"{read.table.name}.{quoted(read.column.name)}", read.column.name)
    return _bounded(notes)


def _bounded(notes: list[str]) -> list[str]:
    kept, chars = [], 0
    for note in notes:
        chars += len(note)
        if chars > _NOTES_CHARS_MAX:
            return [*kept, f"{len(notes) - len(kept)} more notes on columns; select fewer columns to see them"]
        kept.append(note)
    return kept


def _notes_on(functions: Functions, truncated: bool, cut: bool, rows: int, limit: int) -> list[str]:
    notes = [
        f"{name}() gives NULL for what it cannot read, here `{text}` for one"
        for name, text in sorted(functions.refused.items())
    ]
    if truncated and rows < limit:
        notes.append(
            f"the answer has room for {rows:,} of these rows; select fewer columns, aggregate, or go on with "
            f"OFFSET {rows}"
        )
    elif truncated:
        notes.append(f"there are more than {limit:,} rows; raise `limit`, aggregate, or go on with OFFSET {rows}")
    if cut:
        notes.append("long cells were cut; see the rest of one with substr(column, start, length)")
    return notes


def _rows(cursor: sqlite3.Cursor, limit: int, most: int) -> tuple[list[list[Any]], bool, bool]:
    """Return the rows that fit, whether there are more, and whether cells were cut."""
    rows: list[list[Any]] = []
    taken, any_cut = 0, False
    for given in cursor:
        if len(rows) >= limit:
            return rows, True, any_cut
        row = [_cell(value, CELL_CHARS_MAX) for value in given]
        size = _size(row)
        if size > most and not rows:
            # A single row that is too large: every cell gets its share.
            row = [_cell(value, max(_CELL_CHARS_MIN, 2 * most // len(given))) for value in given]
            size = _size(row)
            while size > most and len(row) > 1:
                row = [_cell(value, _CELL_CHARS_MIN) for value in given]
                size = most
        if taken + size > most and rows:
            return rows, True, any_cut
        any_cut = any_cut or any(isinstance(new, str) and new != old for new, old in zip(row, given) if old is not None)
        rows.append(row)
        taken += size
    return rows, False, any_cut


def _size(row: list[Any]) -> int:
    return tokens(json.dumps(row, ensure_ascii=False)) + 2


def _allow(*_: object) -> int:
    # Before Python 3.11, no authorizer meant that nothing is allowed.
    return sqlite3.SQLITE_OK


def _authorize(action: int, _first: Optional[str], second: Optional[str], *_: Optional[str]) -> int:
    if action not in _ALLOWED:
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_FUNCTION and second in _FORBIDDEN_FUNCTIONS:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK


def _cell(value: Any, chars_max: int) -> Any:
    """Return a value as JSON can say it."""
    if isinstance(value, bytes):
        return f"<{len(value):,} bytes: {value[:16].hex()}{'…' if len(value) > 16 else ''}>"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, str) and len(value) > chars_max // 4:
        kept = min(chars_max, fitting(value, chars_max // 2))
        if kept < len(value):
            return f"{value[:kept]}… [{len(value) - kept:,} more characters]"
    return value


def _explained(message: str, tables: Tables, clock: _Clock, seconds: float) -> str:
    if clock.over:
        return (
            f"the statement was stopped after {seconds:g} s. Narrow it with WHERE, avoid joins without a condition, "
            "or raise `seconds`"
        )
    if "not authorized" in message or "authorization denied" in message or "prohibited" in message:
        return "only statements that read can be run here: SELECT, WITH … SELECT, VALUES. The files are not changed"
    if "one statement at a time" in message:
        return "give one statement at a time, without another one after `;`"
    if "unable to open" in message or "readonly" in message:
        return f"{message}; the file may be in use, or need repair by the program that owns it"
    column = re.search(r"no such column: (.+)", message)
    if column is not None:
        return f"{message}. The columns are: {_columns(tables)}"
    if "no such table" in message:
        return f"{message}. The tables are: {_columns(tables)}"
    return f"{message}. SQLite runs the statement; text stands in single quotes, names with blanks in double quotes"


def _columns(tables: Tables) -> str:
    shown = []
    for table in tables.tables[:20]:
        names = ", ".join(column.name for column in table.columns[:40])
        more = f", … {len(table.columns) - 40} more" if len(table.columns) > 40 else ""
        shown.append(f"{table.name}({names}{more})")
    if len(tables.tables) > 20:
        shown.append(f"… {len(tables.tables) - 20} more; see `data_schema`")
    return "; ".join(shown) or "none"
