"""What do the data files of the project say? Asked in SQL, whatever format they have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Optional

from omni import Context, ToolError, tool

from ._ask import ask
from ._tables import Table, Tables

SECONDS_MAX = 120


@dataclass
class Rows:
    """What a statement gave. `rows` holds a list per row, in the order of `columns`."""

    columns: list[str]
    rows: list[list[Any]]
    # Whether there are more rows than these.
    truncated: bool
    # What was odd about the files, such as rows that are too short.
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
    # Columns beyond the fortieth; ask for them by name.
    left_out: list[str]


@tool(title="Ask data files in SQL", read_only=True, open_world=False, timeout=180)
def query(ctx: Context, sql: str, files: list[str], limit: int = 100, seconds: float = 20) -> Rows:
    """Run a SELECT over CSV, TSV, JSON, JSON Lines and SQLite files, also joined with each other.

    Each CSV or JSON file is a table named like the file without its ending (`sales-2024.csv` is
    `sales_2024`). A SQLite file is a schema of that name: `shop.orders`, or just `orders`. The dialect is
    SQLite's, with window functions and `json_extract`. Nothing is ever changed.
    Call `data.schema` first when you do not know the columns.

    Args:
        sql: One statement that reads.
        files: The files it names, relative to the project root, up to 8.
        limit: The most rows to return, up to 10,000. Aggregate in SQL instead of fetching rows to count them.
        seconds: How long the statement may take, up to 120.

    Returns:
        The columns, the rows, and whether there are more.
    """
    limit = int(_between("limit", limit, 1, 10_000))
    seconds = _between("seconds", seconds, 0.01, SECONDS_MAX)
    with Tables(ctx, files) as tables:
        answer = ask(ctx, tables, sql, limit, seconds)
        return Rows(answer.columns, answer.rows, answer.truncated, tables.notes)


@tool(title="Tables and columns of data files", read_only=True, open_world=False, timeout=180)
def schema(ctx: Context, files: list[str]) -> Shapes:
    """Say which tables and columns data files have, their types, and how many rows.

    Args:
        files: CSV, TSV, JSON, JSON Lines or SQLite files, relative to the project root, up to 8.

    Returns:
        Each table with the name that `data.query` knows it by.
    """
    with Tables(ctx, files) as tables:
        shapes = [
            TableShape(
                table.name,
                table.file,
                _rows_of(ctx, tables, table),
                [ColumnShape(column.name, column.type) for column in table.columns],
            )
            for table in tables.tables
        ]
        return Shapes(shapes, tables.notes)


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
        answer = ask(ctx, tables, f"SELECT * FROM {chosen.name}{order} LIMIT {rows + 1}", rows, SECONDS_MAX)
        return Rows(answer.columns, answer.rows, answer.truncated, tables.notes)


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
            raise ToolError(f"there is no column `{unknown[0]}` in {chosen.name}; there are {', '.join(known)}")
        summaries = []
        for number, name in enumerate(wanted[:40], 1):
            summaries.append(_summary(ctx, tables, chosen, known[name].name, known[name].type))
            ctx.progress(number, min(len(wanted), 40), f"column `{name}`")
        return TableSummary(chosen.name, _rows_of(ctx, tables, chosen), summaries, wanted[40:])


def _summary(ctx: Context, tables: Tables, table: Table, name: str, kind: str) -> ColumnSummary:
    column = '"' + name.replace('"', '""') + '"'
    numbers = f"CASE WHEN typeof({column}) IN ('integer', 'real') THEN {column} END"
    totals = ask(
        ctx,
        tables,
        f"SELECT count(*) - count({column}), count(DISTINCT {column}), min({column}), max({column}), avg({numbers}) "
        f"FROM {table.name}",
        1,
        SECONDS_MAX,
    ).rows[0]
    frequent = ask(
        ctx,
        tables,
        f"SELECT {column}, count(*) FROM {table.name} WHERE {column} IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 5",
        5,
        SECONDS_MAX,
    ).rows
    nulls, distinct, smallest, largest, mean = totals
    return ColumnSummary(
        name, kind, nulls, distinct, _short(smallest), _short(largest), mean,
        [Frequency(_short(value), rows) for value, rows in frequent],
    )  # fmt: skip


def _rows_of(ctx: Context, tables: Tables, table: Table) -> int:
    return int(ask(ctx, tables, f"SELECT count(*) FROM {table.name}", 1, SECONDS_MAX).rows[0][0])


def _short(value: Any) -> Any:
    return value[:200] + "…" if isinstance(value, str) and len(value) > 200 else value


def _between(name: str, value: float, low: float, high: float) -> float:
    if not low <= value <= high:
        raise ToolError(f"`{name}` is {value}; it must be between {low:g} and {high:,}")
    return value
