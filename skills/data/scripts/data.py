"""What do the data files of the project say? Asked in SQL, whatever format they have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Optional

from omni import Context, ToolError, tool
from omni.answer_size import DATA_TOKENS
from omni.answer_size import tokens as tokens_of

from ._ask import ask
from ._tables import Table, Tables, column_notes, quoted

SECONDS_MAX = 120
# What an answer may take when a program asks for more than a model reads.
TOKENS_MAX = 200_000
# Longer values are cut in a summary.
_VALUE_CHARS_MAX = 80


@dataclass
class Rows:
    """What a statement gave. `rows` holds a list per row, in the order of `columns`."""

    columns: list[str]
    rows: list[list[Any]]
    # Whether there are more rows than these.
    truncated: bool
    # What must be known: columns of text that look like numbers, lines that were left out, what was cut.
    notes: list[str]


@dataclass
class ColumnShape:
    """A column and the type it has in SQL."""

    name: str
    type: str


@dataclass
class TableShape:
    """A table as statements can name it, its file, and what it has."""

    table: str
    file: str
    rows: int
    columns: list[ColumnShape]


@dataclass
class Shapes:
    """All tables of the files asked about."""

    tables: list[TableShape]
    notes: list[str]


@dataclass
class Frequency:
    """A value and how many rows have it."""

    value: Any
    rows: int


@dataclass
class ColumnSummary:
    """What is in a column."""

    name: str
    type: str
    nulls: int
    distinct: int
    smallest: Any
    largest: Any
    # `null` unless the column holds numbers.
    mean: Optional[float]
    # The most frequent values.
    frequent: list[Frequency]


@dataclass
class TableSummary:
    """What is in a table, column by column."""

    table: str
    rows: int
    columns: list[ColumnSummary]
    # Columns beyond the fortieth, or beyond what an answer holds; ask for them by name.
    left_out: list[str]
    notes: list[str]


@tool(title="Ask data files in SQL", read_only=True, open_world=False, timeout=180)
def query(ctx: Context, sql: str, files: list[str], limit: int = 100, seconds: float = 20, tokens: int = 8_000) -> Rows:
    """Run a SELECT over CSV, TSV, JSON, JSON Lines and SQLite files, also joined with each other.

    Each CSV or JSON file is a table named like the file without its ending (`sales-2024.csv` is
    `sales_2024`). A SQLite file is a schema of that name: `shop.orders`, or just `orders`. The dialect is
    SQLite's, with window functions and `json_extract`. Nothing is ever changed.
    Call `data_schema` first when you do not know the columns.
    Columns such as `1,234.56` are text, and `notes` says so: `number(x)` makes numbers of them, `number(x, ',')`
    of decimal commas, `iso_date(x, 'dmy')` dates of `31.12.2024`. To add up or compare them without is refused.

    Args:
        sql: One statement that reads.
        files: The files it names, relative to the project root, up to 8.
        limit: The most rows to return, up to 10,000. Aggregate in SQL instead of fetching rows to count them.
        seconds: How long the statement may take, up to 120.
        tokens: About how long the answer may be, up to 200,000. More is for programs.

    Returns:
        The columns, the rows, whether there are more, and notes on what was read.
    """
    limit = int(_between("limit", limit, 1, 10_000))
    seconds = _between("seconds", seconds, 0.01, SECONDS_MAX)
    tokens = int(_between("tokens", tokens, 100, TOKENS_MAX))
    with Tables(ctx, files) as tables:
        answer = ask(ctx, tables, sql, limit, seconds, most=tokens)
        return Rows(answer.columns, answer.rows, answer.truncated, [*tables.notes, *answer.notes])


@tool(title="Tables and columns of data files", read_only=True, open_world=False, timeout=180)
def schema(ctx: Context, files: list[str], contains: Optional[str] = None) -> Shapes:
    """Say which tables and columns data files have, their types, and how many rows.

    `notes` says which columns only look like numbers or dates, and what was left out of a file that is broken.

    Args:
        files: CSV, TSV, JSON, JSON Lines or SQLite files, relative to the project root, up to 8.
        contains: Only tables whose name contains this, case ignored, where there are too many.

    Returns:
        Each table with the name that `data_query` knows it by.
    """
    with Tables(ctx, files) as tables:
        shapes: list[TableShape] = []
        notes = list(tables.notes)
        wanted = [table for table in tables.tables if (contains or "").casefold() in table.bare_name.casefold()]
        if not wanted and contains is not None:
            raise ToolError(f"no table's name contains `{contains}`; there are {tables.names()}")
        taken = 0
        for number, table in enumerate(wanted, 1):
            columns = [ColumnShape(column.name, column.type) for column in table.columns]
            taken += 20 + tokens_of(table.name + table.file) + sum(10 + tokens_of(c.name + c.type) for c in columns)
            if taken > DATA_TOKENS and shapes:
                rest = ", ".join(table.name for table in wanted[number - 1 :][:50])
                notes.append(f"{len(wanted) - number + 1:,} more tables, ask for them with `contains`: {rest}")
                break
            shapes.append(TableShape(table.name, table.file, _rows_of(ctx, tables, table), columns))
            notes += _notes_of(table)
            ctx.progress(number, len(wanted), f"table `{table.name}`")
        return Shapes(shapes, notes)


@tool(title="Sample rows of a data file", read_only=True, open_world=False, timeout=180)
def sample(
    ctx: Context,
    file: str,
    table: Optional[str] = None,
    rows: int = 10,
    which: Literal["first", "random"] = "first",
) -> Rows:
    """Show some rows of a CSV, TSV, JSON, JSON Lines or SQLite file.

    Args:
        file: The file, relative to the project root.
        table: Which table of a SQLite file; not needed when there is only one.
        rows: How many, up to 1,000.
        which: The first rows, or random ones, which show more of what there is.

    Returns:
        The columns and the rows.
    """
    rows = int(_between("rows", rows, 1, 1000))
    with Tables(ctx, [file]) as tables:
        chosen = tables.only(table)
        order = " ORDER BY random()" if which == "random" else ""
        # One more than asked for, to know whether there are more.
        statement = f"SELECT * FROM {chosen.name}{order} LIMIT {rows + 1}"
        answer = ask(ctx, tables, statement, rows, SECONDS_MAX, ours=True)
        notes = [*tables.notes, *_notes_of(chosen)]
        if len(answer.rows) < rows:
            notes += answer.notes
        return Rows(answer.columns, answer.rows, answer.truncated, notes)


@tool(title="Describe the columns of a data file", read_only=True, open_world=False, timeout=180)
def describe(ctx: Context, file: str, table: Optional[str] = None, columns: Optional[list[str]] = None) -> TableSummary:
    """Summarise each column of a data file: how many values are missing or distinct, range, mean, frequent values.

    Use it before you write a query on data you have not seen: it shows codes, outliers and empty columns.

    Args:
        file: A CSV, TSV, JSON, JSON Lines or SQLite file, relative to the project root.
        table: Which table of a SQLite file; not needed when there is only one.
        columns: Only these columns; all of them (up to 40) when left out.

    Returns:
        One summary per column.
    """
    with Tables(ctx, [file]) as tables:
        chosen = tables.only(table)
        known = {column.name: column for column in chosen.columns}
        wanted = list(known) if columns is None else columns
        unknown = [name for name in wanted if name not in known]
        if unknown:
            raise ToolError(
                f"there is no column `{unknown[0]}` in {chosen.name}; there are {', '.join(list(known)[:100])}"
            )
        summaries: list[ColumnSummary] = []
        taken = 0
        for number, name in enumerate(wanted[:40], 1):
            summary = _summary(ctx, tables, chosen, known[name].name, known[name].type)
            taken += 60 + tokens_of(str(summary))
            if taken > DATA_TOKENS and summaries:
                break
            summaries.append(summary)
            ctx.progress(number, min(len(wanted), 40), f"column `{name}`")
        left_out = wanted[len(summaries) :]
        notes = [*tables.notes, *_notes_of(chosen, {summary.name for summary in summaries})]
        if len(left_out) > 200:
            notes.append(f"{len(left_out) - 200:,} more columns are not named in `left_out`")
        return TableSummary(chosen.name, _rows_of(ctx, tables, chosen), summaries, left_out[:200], notes)


def _summary(ctx: Context, tables: Tables, table: Table, name: str, kind: str) -> ColumnSummary:
    column = quoted(name)
    numbers = f"CASE WHEN typeof({column}) IN ('integer', 'real') THEN {column} END"
    nulls, distinct, smallest, largest, mean = ask(
        ctx,
        tables,
        f"SELECT count(*) - count({column}), count(DISTINCT {column}), min({column}), max({column}), avg({numbers}) "
        f"FROM {table.name}",
        1,
        SECONDS_MAX,
        ours=True,
    ).rows[0]
    frequent = ask(
        ctx,
        tables,
        f"SELECT {column}, count(*) FROM {table.name} WHERE {column} IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 5",
        5,
        SECONDS_MAX,
        ours=True,
    ).rows
    return ColumnSummary(
        name, kind, nulls, distinct, _short(smallest), _short(largest), mean,
        # In a column of ids or of free text every value is there once, which says nothing.
        [Frequency(_short(value), rows) for value, rows in frequent if rows > 1 or distinct <= 5],
    )  # fmt: skip


def _notes_of(table: Table, names: Optional[set[str]] = None) -> list[str]:
    notes = []
    for column in table.columns:
        if column.verdict is not None and (names is None or column.name in names):
            notes += column_notes(column.verdict, f"{table.name}.{quoted(column.name)}", column.name, everything=True)
    return notes if len(notes) <= 30 else [*notes[:30], f"{len(notes) - 30} more notes on columns"]


def _rows_of(ctx: Context, tables: Tables, table: Table) -> int:
    return int(ask(ctx, tables, f"SELECT count(*) FROM {table.name}", 1, SECONDS_MAX, ours=True).rows[0][0])


def _short(value: Any) -> Any:
    return value[:_VALUE_CHARS_MAX] + "…" if isinstance(value, str) and len(value) > _VALUE_CHARS_MAX else value


def _between(name: str, value: float, low: float, high: float) -> float:
    if not low <= value <= high:
        raise ToolError(f"`{name}` is {value}; it must be between {low:g} and {high:,}")
    return value
