"""How is a statement run so that it can neither change anything nor run for ever?"""

from __future__ import annotations

import math
import re
import sqlite3
from time import monotonic
from typing import Any, NamedTuple, Optional

from omni import CallCancelled, Context, ToolError

from ._tables import Tables

# What one answer may hold: about 50,000 tokens. One long cell may hold a tenth of it.
ANSWER_CHARS_MAX = 200_000
CELL_CHARS_MAX = 20_000
# How many steps of SQLite's machine pass between two looks at the clock: about a millisecond.
_STEPS_PER_LOOK = 50_000

_ALLOWED = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE})
_FORBIDDEN_FUNCTIONS = frozenset({"load_extension", "fts3_tokenizer"})


class Answer(NamedTuple):
    """What a statement gave."""

    columns: list[str]
    rows: list[list[Any]]
    truncated: bool


def ask(ctx: Context, tables: Tables, sql: str, limit: int, seconds: float) -> Answer:
    """Run one statement that reads.

    Args:
        ctx: The call. Told of progress while SQLite works.
        tables: What the statement may name.
        sql: The statement.
        limit: The most rows to return.
        seconds: How long it may take.

    Raises:
        ToolError: The statement is wrong, wants to change something, or took too long. The text says
            which tables and columns there are.
    """
    clock = _Clock(ctx, seconds)
    database = tables.database
    database.set_authorizer(_authorize)
    database.set_progress_handler(clock.look, _STEPS_PER_LOOK)
    try:
        cursor = database.execute(sql)
        if cursor.description is None:
            raise ToolError("the statement gives no rows; write a SELECT")
        columns = [column[0] for column in cursor.description]
        rows: list[list[Any]] = []
        chars = 0
        for row in cursor:
            if len(rows) >= limit or chars > ANSWER_CHARS_MAX:
                return Answer(columns, rows, truncated=True)
            rows.append([_cell(value) for value in row])
            chars += sum(len(str(value)) + 4 for value in rows[-1])
        return Answer(columns, rows, truncated=False)
    except MemoryError:
        raise ToolError("the statement needs more memory than it may have; select less of it") from None
    except (sqlite3.Error, sqlite3.Warning) as error:
        # The sign to stop reaches the progress handler, or the moment before it begins. Neither can raise
        # through SQLite, which ends the statement and says that it was interrupted.
        if clock.stopped is not None:
            raise clock.stopped from None
        if "interrupted" in str(error) and not clock.over:
            raise CallCancelled from None
        raise ToolError(_explained(str(error), tables, clock, seconds)) from None
    finally:
        database.set_progress_handler(None, 0)
        database.set_authorizer(None)


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


def _authorize(action: int, _first: Optional[str], second: Optional[str], *_: Optional[str]) -> int:
    if action not in _ALLOWED:
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_FUNCTION and second in _FORBIDDEN_FUNCTIONS:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK


def _cell(value: Any) -> Any:
    """Return a value as JSON can say it."""
    if isinstance(value, bytes):
        return f"<{len(value):,} bytes: {value[:16].hex()}{'…' if len(value) > 16 else ''}>"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, str) and len(value) > CELL_CHARS_MAX:
        return f"{value[:CELL_CHARS_MAX]}… [{len(value) - CELL_CHARS_MAX:,} more characters]"
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
        shown.append(f"… {len(tables.tables) - 20} more; see `data.schema`")
    return "; ".join(shown) or "none"
