"""What the data tools read, answer and refuse."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import struct
import subprocess
import sys
import threading

import pytest

from omni import CallCancelled, ToolError


@pytest.fixture
def shop(ctx):
    """A project with the same little shop in every format."""
    (ctx.root / "sales-2024.csv").write_text(
        "id,customer,amount,when,zip\n1,Ann,10.5,2024-01-02,01234\n2,Bob,,2024-02-03,99999\n3,Ann,4,2024-02-04,00007\n"
    )
    (ctx.root / "people.json").write_text(
        json.dumps({"total": 2, "items": [{"name": "Ann", "vip": True, "tags": ["a"]}, {"name": "Bob", "age": 41.5}]})
    )
    (ctx.root / "events.jsonl").write_text('{"n": 1}\n\n{"n": 2, "big": 123456789012345678901234567890}\n')
    database = sqlite3.connect(ctx.root / "shop.db")
    database.executescript(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, who TEXT, total REAL, raw BLOB);"
        "INSERT INTO orders VALUES (1, 'Ann', 9e999, x'00ff'), (2, 'Bob', 2.5, NULL);"
        'CREATE VIEW "big orders" AS SELECT * FROM orders WHERE total > 3;'
    )
    database.close()
    return ctx


def test_a_csv_file_is_a_table_with_types(shop, skill):
    rows = skill.query(shop, "SELECT customer, sum(amount) FROM sales_2024 GROUP BY 1 ORDER BY 1", ["sales-2024.csv"])
    assert (rows.columns, rows.rows) == (["customer", "sum(amount)"], [["Ann", 14.5], ["Bob", None]])


def test_files_of_all_formats_are_joined(shop, skill):
    rows = skill.query(
        shop,
        "SELECT p.name, p.vip, s.amount, o.id FROM people p JOIN sales_2024 s ON s.customer = p.name "
        "JOIN shop.orders o ON o.who = p.name ORDER BY s.id",
        ["people.json", "sales-2024.csv", "shop.db"],
    )
    assert rows.rows == [["Ann", 1, 10.5, 1], ["Bob", None, None, 2], ["Ann", 1, 4.0, 1]]


def test_schema_tells_names_types_and_counts(shop, skill):
    shapes = skill.schema(shop, ["sales-2024.csv", "people.json", "events.jsonl", "shop.db"]).tables
    assert [(t.table, t.rows) for t in shapes] == [
        ("sales_2024", 3),
        ("people", 2),
        ("events", 2),
        ('shop."big orders"', 1),
        ("shop.orders", 2),
    ]
    assert [(c.name, c.type) for c in shapes[0].columns] == [
        ("id", "INTEGER"),
        ("customer", "TEXT"),
        ("amount", "REAL"),
        ("when", "TEXT"),
        ("zip", "TEXT"),
    ]
    assert [(c.name, c.type) for c in shapes[1].columns] == [
        ("name", "TEXT"),
        ("vip", "INTEGER"),
        ("tags", "TEXT"),
        ("age", "REAL"),
    ]
    assert [(c.name, c.type) for c in shapes[2].columns] == [("n", "INTEGER"), ("big", "TEXT")]


def test_nested_json_can_be_asked(shop, skill):
    assert skill.query(shop, "SELECT json_extract(tags, '$[0]') FROM people", ["people.json"]).rows == [
        ["a"],
        [None],
    ]


def test_what_json_cannot_say_is_said_in_words(shop, skill):
    assert skill.sample(shop, "shop.db", table="orders").rows == [
        [1, "Ann", "inf", "<2 bytes: 00ff>"],
        [2, "Bob", 2.5, None],
    ]


def test_a_sample_says_whether_there_is_more(shop, skill):
    assert skill.sample(shop, "sales-2024.csv", rows=2).truncated
    everything = skill.sample(shop, "sales-2024.csv", rows=3, which="random")
    assert not everything.truncated
    assert sorted(row[0] for row in everything.rows) == [1, 2, 3]


def test_describe_summarises_columns(shop, skill):
    summary = skill.describe(shop, "sales-2024.csv")
    amount = summary.columns[2]
    assert (amount.nulls, amount.distinct, amount.smallest, amount.largest, amount.mean) == (
        1,
        2,
        4.0,
        10.5,
        7.25,
    )
    customer = summary.columns[1]
    assert [(f.value, f.rows) for f in customer.frequent] == [("Ann", 2), ("Bob", 1)]
    assert customer.mean is None
    assert [c.name for c in skill.describe(shop, "sales-2024.csv", columns=["zip"]).columns] == ["zip"]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("semi.csv", "a;b\n1,5;x\n2,5;y\n", [["1,5", "x"], ["2,5", "y"]]),
        ("t.tsv", "a\tb\n1\t2,3\n", [[1, "2,3"]]),
        ("pipe.csv", "a|b\n1|2\n", [[1, 2]]),
        ("one.csv", "a\n1\n2\n", [[1], [2]]),
        ("quoted.csv", 'a,b\n"x, ""y""\nz",1\n', [['x, "y"\nz', 1]]),
        ("bom.csv", "\ufeffa,b\r\n1,2\r\n", [[1, 2]]),
        ("uneven.csv", "a,b\n1\n2,3,4\n", [[1, None], [2, 3]]),
        ("same.csv", "a,A,,a\n1,2,3,4\n", [[1, 2, 3, 4]]),
        (
            "numbers.csv",
            "a,b,c,d\n1,1.5,007,99999999999999999999\n-2,1e3,8,1\n",
            [[1, 1.5, "007", "9" * 20], [-2, 1000.0, "8", "1"]],
        ),
        ("words.csv", "a\n1\nword\n", [["1"], ["word"]]),
        ("markers.csv", "a\n1\nnan\n", [[1], [None]]),
    ],
)  # fmt: skip
def test_separated_files_are_read_as_people_write_them(ctx, skill, name, content, expected):
    (ctx.root / name).write_bytes(content.encode("utf-8"))
    assert skill.sample(ctx, name).rows == expected


def test_columns_without_or_with_the_same_name_get_one(ctx, skill):
    (ctx.root / "same.csv").write_text("a,A,,a\n1,2,3,4\n")
    assert skill.sample(ctx, "same.csv").columns == ["a", "A_2", "column_3", "a_3"]


def test_uneven_rows_and_old_encodings_are_noted(ctx, skill):
    (ctx.root / "odd.csv").write_bytes(b"name,n\nJos\xe9,1\nx\n")
    rows = skill.sample(ctx, "odd.csv")
    assert rows.rows == [["José", 1], ["x", None]]
    assert "read as cp1252" in rows.notes[0]
    assert "1 row has more or fewer fields than the header (line 3 has 1 of 2)" in rows.notes[1]


def test_files_of_one_name_become_different_tables(ctx, skill):
    for folder in ("a", "b"):
        (ctx.root / folder).mkdir()
        (ctx.root / folder / "data.csv").write_text(f"x\n{folder}\n")
    rows = skill.query(ctx, "SELECT data.x, data_2.x FROM data, data_2", ["a/data.csv", "b/data.csv"])
    assert rows.rows == [["a", "b"]]


WRITES = [
    "INSERT INTO orders (who) VALUES ('Eve')",
    "UPDATE shop.orders SET total = 0",
    "DELETE FROM shop.orders",
    "DROP TABLE shop.orders",
    "CREATE TABLE shop.evil (x)",
    "CREATE TEMP TABLE evil (x)",
    "ATTACH '/tmp/evil.db' AS evil",
    "DETACH shop",
    "PRAGMA shop.journal_mode = DELETE",
    "PRAGMA writable_schema = 1",
    "VACUUM",
    "VACUUM INTO '/tmp/evil.db'",
    "SELECT load_extension('/tmp/evil.so')",
    "BEGIN",
    "SELECT 1; DROP TABLE shop.orders",
    "WITH x AS (SELECT 1) INSERT INTO shop.orders (who) SELECT 'Eve' FROM x",
    "REINDEX",
    "ANALYZE",
    "",
]


@pytest.mark.parametrize("sql", WRITES)
def test_nothing_can_be_changed(shop, skill, sql):
    before = {path: path.read_bytes() for path in shop.root.iterdir()}
    with pytest.raises(ToolError, match="only statements that read|one statement|gives no rows"):
        skill.query(shop, sql, ["shop.db"])
    assert {path: path.read_bytes() for path in shop.root.iterdir()} == before


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT price FROM sales_2024", "The columns are: sales_2024"),
        ("SELECT * FROM sales", "The tables are: sales_2024"),
        ("SELEC 1", "single quotes"),
    ],
)
def test_a_wrong_statement_is_answered_with_what_there_is(shop, skill, sql, said):
    with pytest.raises(ToolError, match=said):
        skill.query(shop, sql, ["sales-2024.csv"])


def test_a_statement_without_end_is_stopped(shop, skill):
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
    with pytest.raises(ToolError, match="stopped after 0.1 s"):
        skill.query(shop, endless, ["shop.db"], seconds=0.1)


def test_a_statement_stops_when_the_call_is_cancelled(shop, skill):
    def cancelled(*_):
        raise CallCancelled

    shop.__class__ = type("Cancelled", (shop.__class__,), {"heartbeat": cancelled})
    with pytest.raises(CallCancelled):
        skill.query(
            shop,
            "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n",
            ["shop.db"],
        )


def test_a_statement_stops_when_the_worker_is_told_to_cancel(shop, skill):
    def told(*_):
        raise CallCancelled

    before = signal.signal(signal.SIGUSR2, told)
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGUSR2))
    try:
        timer.start()
        with pytest.raises(CallCancelled):
            skill.query(
                shop,
                "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n",
                ["shop.db"],
            )
    finally:
        timer.cancel()
        signal.signal(signal.SIGUSR2, before)


def test_an_answer_has_an_end(ctx, skill):
    (ctx.root / "wide.csv").write_text("a\n" + ("x" * 3000 + "\n") * 500)
    rows = skill.query(ctx, "SELECT a FROM wide", ["wide.csv"], limit=500)
    assert rows.truncated
    assert 3 < len(rows.rows) < 20
    assert f"go on with OFFSET {len(rows.rows)}" in rows.notes[-1]
    assert skill.query(ctx, "SELECT a FROM wide", ["wide.csv"], limit=2).truncated
    cell = skill.query(ctx, "SELECT replace(hex(zeroblob(20000)), '0', 'a ')", ["wide.csv"]).rows[0][0]
    assert cell.endswith("[76,000 more characters]")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.txt", b"hello", "neither CSV"),
        ("empty.csv", b"", "first row must name"),
        ("bad.json", b'[{"a": }]', "is not JSON: .* column 8"),
        ("bad.jsonl", b'{"a": 1\n{"a" 2}\n', "neither JSON Lines nor JSON: line 1, "),
        ("empty.json", b"[]", "no records"),
        ("broken.db", b"SQLite format 3\0" + b"\xff" * 4096, "cannot be read as a SQLite database"),
    ],
)
def test_files_that_cannot_be_read_are_explained(ctx, skill, name, content, said):
    (ctx.root / name).write_bytes(content)
    with pytest.raises(ToolError, match=said):
        skill.schema(ctx, [name])


@pytest.mark.parametrize("files", [[], ["a.csv"] * 9, ["../x.csv"], ["missing.csv"]])
def test_a_wrong_list_of_files_is_refused(ctx, skill, files):
    (ctx.root / "a.csv").write_text("x\n1\n")
    with pytest.raises(ToolError):
        skill.query(ctx, "SELECT 1", files)


def test_a_missing_table_or_column_is_answered_with_the_names(shop, skill):
    with pytest.raises(ToolError, match="there are 2 tables"):
        skill.sample(shop, "shop.db")
    with pytest.raises(ToolError, match="no table `x`; there are"):
        skill.sample(shop, "shop.db", table="x")
    with pytest.raises(ToolError, match="no column `x`"):
        skill.describe(shop, "sales-2024.csv", columns=["x"])


def test_links_do_not_lead_out(ctx, skill):
    outside = ctx.root.parent / "outside.db"
    database = sqlite3.connect(outside)
    database.executescript("CREATE TABLE secret (x)")
    database.close()
    os.symlink(outside, ctx.root / "link.db")
    with pytest.raises(ToolError, match="leads out"):
        skill.schema(ctx, ["link.db"])


@pytest.mark.parametrize("ending", ["-wal", "-shm", "-journal"])
@pytest.mark.parametrize("kind", ["link", "link to nothing", "named pipe", "folder"])
def test_what_sqlite_keeps_beside_a_database_leads_nowhere(ctx, skill, ending, kind):
    outside = ctx.root.parent / "outside"
    outside.mkdir()
    (outside / "there").write_text("outside")
    database = sqlite3.connect(ctx.root / "own.db")
    database.execute("CREATE TABLE own (x)")
    database.close()
    beside = ctx.root / f"own.db{ending}"
    if kind == "named pipe":
        os.mkfifo(beside)
    elif kind == "folder":
        beside.mkdir()
    else:
        os.symlink(outside / ("there" if kind == "link" else "new"), beside)
    with pytest.raises(ToolError, match="symbolic link|not a regular file"):
        skill.schema(ctx, ["own.db"])
    assert [(path.name, path.read_text()) for path in outside.iterdir()] == [("there", "outside")]


def test_a_made_journal_deletes_no_file(ctx, skill):
    """A database that is read only is not rolled back, so SQLite deletes nothing that its journal names."""
    victim = ctx.root.parent / "victim.txt"
    victim.write_text("not a journal\n")
    database = sqlite3.connect(ctx.root / "own.db")
    database.execute("CREATE TABLE own (x)")
    database.close()
    mark = bytes.fromhex("d9d505f920a163d7")
    head = mark + struct.pack(">IIIII", 0, 1234, 2, 512, 4096)
    name = os.fsencode(victim)
    end = struct.pack(">I", 0x40000000 // 4096 + 1) + name + struct.pack(">II", len(name), sum(name)) + mark
    (ctx.root / "own.db-journal").write_bytes(head.ljust(512, b"\0") + end)
    with pytest.raises(ToolError, match="cannot be read as a SQLite database"):
        skill.schema(ctx, ["own.db"])
    assert victim.exists()


def test_a_database_swapped_for_a_link_is_never_read(ctx, skill):
    for path, table in ((ctx.root.parent / "outside.db", "secret"), (ctx.root / "race.db", "own")):
        database = sqlite3.connect(path)
        database.executescript(f"CREATE TABLE {table} (x)")
        database.close()
    os.symlink("../outside.db", ctx.root / "link")
    stop = threading.Event()

    def swap():
        while not stop.is_set():
            os.rename(ctx.root / "race.db", ctx.root / "aside")
            os.rename(ctx.root / "link", ctx.root / "race.db")
            os.rename(ctx.root / "race.db", ctx.root / "link")
            os.rename(ctx.root / "aside", ctx.root / "race.db")

    thread = threading.Thread(target=swap, daemon=True)
    thread.start()
    seen = set()
    try:
        for _ in range(1500):
            try:
                seen.update(table.table for table in skill.schema(ctx, ["race.db"]).tables)
            except ToolError:
                seen.add("refused")
    finally:
        stop.set()
        thread.join()
    assert seen == {"race.own", "refused"}


WRITER = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.executescript("PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES (1)")
database.execute("BEGIN IMMEDIATE")
database.execute("INSERT INTO t VALUES (2)")
print("begun", flush=True)
sys.stdin.readline()
database.execute("COMMIT")
print("committed", flush=True)
sys.stdin.readline()
"""


def test_a_database_that_another_program_writes_can_be_read(ctx, skill):
    command = [sys.executable, "-c", WRITER, str(ctx.root / "live.db")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout.readline() == "begun\n"
        assert skill.query(ctx, "SELECT count(*) FROM live.t", ["live.db"]).rows == [[1]]
        writer.stdin.write("\n")
        writer.stdin.flush()
        assert writer.stdout.readline() == "committed\n"
        assert skill.query(ctx, "SELECT count(*) FROM t", ["live.db"]).rows == [[2]]
        writer.stdin.close()


def test_reading_many_rows_reports_progress_and_leaves_nothing_open(ctx, skill):
    (ctx.root / "many.csv").write_text("n,s\n" + "".join(f"{n},text {n}\n" for n in range(70_000)))
    before = len(os.listdir("/dev/fd"))
    assert skill.query(ctx, "SELECT sum(n) FROM many", ["many.csv"]).rows == [[70_000 * 69_999 // 2]]
    assert [value for value, _ in ctx.reported] == [40_000, 60_000, 70_000]
    assert len(os.listdir("/dev/fd")) == before
