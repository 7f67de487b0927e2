"""What becomes of values that are not what they look like, and does a statement ever take them for numbers?"""

from __future__ import annotations

import inspect
import json
import sqlite3
import sys

import pytest

from omni import ToolError
from omni.answer_size import DATA_TOKENS, tokens

SALES = 'region,amount,qty\nnorth,"1,234.56",3\nsouth,"2,000.00",4\neast,950,N/A\n'


@pytest.fixture
def sales(ctx):
    (ctx.root / "sales.csv").write_text(SALES)
    return ctx


@pytest.fixture
def ask(ctx, skill):
    """Write one CSV file of a single table `t` and ask it."""

    def asked(content, sql, name="t.csv", encoding="utf-8"):
        (ctx.root / name).write_bytes(content.encode(encoding) if isinstance(content, str) else content)
        return skill.query(ctx, sql, [name])

    return asked


def column(*values):
    """Return a CSV file with one column `x`, every value quoted."""
    return "x\n" + "".join(f'"{value}"\n' for value in values)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT sum(amount) FROM sales",
        "SELECT SUM( DISTINCT sales.amount ) FROM sales",
        "SELECT avg((amount)) FROM sales",
        'SELECT total("amount") FROM sales',
        "SELECT region, sum(s.amount) OVER (ORDER BY region) FROM sales s",
        "SELECT amount * qty FROM sales",
        "SELECT 2 * amount FROM sales",
        "SELECT amount + 0 FROM sales",
        "SELECT CAST(amount AS REAL) FROM sales",
        "SELECT round(amount, 1) FROM sales",
        "SELECT max(amount) FROM sales",
        "SELECT region FROM sales WHERE amount > 1000",
        "SELECT region FROM sales WHERE 1000 <= amount",
        "SELECT region FROM sales WHERE amount BETWEEN 1 AND 5",
        "SELECT region FROM sales WHERE amount IN (950, 951)",
        "SELECT region FROM sales ORDER BY amount DESC LIMIT 1",
        "SELECT sum(a) FROM (SELECT amount AS a FROM sales)",
        "WITH t AS (SELECT amount a FROM sales) SELECT a / 2 FROM t",
        "SELECT sum(a) FROM (SELECT coalesce(amount, '') AS a FROM sales)",
        "WITH t(a) AS (SELECT amount FROM sales) SELECT avg(a) FROM t",
        "SELECT sum(-amount) FROM sales -- amount",
    ],
)  # fmt: skip
def test_numbers_with_separators_are_never_computed_with_as_text(sales, skill, sql):
    with pytest.raises(ToolError, match=r"number\("):
        skill.query(sales, sql, ["sales.csv"])


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT round(sum(number(amount)), 2) FROM sales", [[4184.56]]),
        ("SELECT avg(number(amount)) FROM sales WHERE region <> 'east'", [[1617.28]]),
        ("SELECT region FROM sales ORDER BY number(amount) LIMIT 1", [["east"]]),
        ("SELECT region FROM sales WHERE number(amount) > 1500", [["south"]]),
        ("SELECT number(amount) * 2 FROM sales LIMIT 1", [[2469.12]]),
        ("SELECT CAST(replace(amount, ',', '') AS REAL) FROM sales LIMIT 1", [[1234.56]]),
        ("SELECT region FROM sales WHERE amount = '2,000.00'", [["south"]]),
        ("SELECT count(amount), count(*) FROM sales", [[3, 3]]),
        ("SELECT sum(qty), avg(qty) FROM sales", [[7, 3.5]]),
        ("SELECT 'sum(amount)', \"amount\" || '*2' FROM sales LIMIT 1", [["sum(amount)", "1,234.56*2"]]),
        ("SELECT length(amount) * 2 FROM sales LIMIT 1", [[16]]),
        ("SELECT region, count(*) FROM sales GROUP BY amount ORDER BY region LIMIT 1", [["east", 1]]),
        ("SELECT * FROM sales LIMIT 1", [["north", "1,234.56", 3]]),
    ],
)  # fmt: skip
def test_what_does_not_take_text_for_numbers_is_answered(sales, skill, sql, rows):
    assert skill.query(sales, sql, ["sales.csv"]).rows == rows


def test_a_note_tells_the_column_an_example_and_the_conversion(sales, skill):
    notes = skill.query(sales, "SELECT amount FROM sales", ["sales.csv"]).notes
    assert len(notes) == 1
    assert "`sales.amount` is text, such as `1,234.56`" in notes[0]
    assert "number(amount)" in notes[0]


def test_nothing_is_noted_of_columns_that_are_not_read(sales, skill):
    assert skill.query(sales, "SELECT region FROM sales", ["sales.csv"]).notes == []
    assert len(skill.schema(sales, ["sales.csv"]).notes) == 2
    assert len(skill.describe(sales, "sales.csv", columns=["amount"]).notes) == 1
    assert len(skill.sample(sales, "sales.csv").notes) == 2


@pytest.mark.parametrize(
    ("values", "call", "total"),
    [
        (["1.234,56", "999,00"], "number(x, ',')", 2233.56),
        (["1 234", "1\u00a0234", "1\u202f234"], "number(x)", 3702),
        (["1 234,5", "2"], "number(x, ',')", 1236.5),
        (["$1,200", "$5"], "number(x)", 1205),
        (["1.200,50 €", "3 €"], "number(x, ',')", 1203.5),
        (["12%", "7.5%"], "number(x)", 19.5),
        (["(1,200)", "1,200", "-5", "5-", "\u22121"], "number(x)", -11),
        (["1,234", "5,678"], "number(x)", 6912),
        (["1.234.567", "1"], "number(x, ',')", 1234568),
        (["1'234.50", "1\u2019000"], "number(x)", 2234.5),
        (["12,34,567.5", "1"], "number(x)", 1234568.5),
        (["1,5", "2,5"], "number(x, ',')", 4.0),
        (["1,234.5", "1.234,5"], "number(x)", 2469.0),
        (["CHF 1'000", "USD 1"], "number(x)", 1001),
        (["1,5e3", "1"], "number(x, ',')", 1501),
        (["1_000", "2"], "number(x)", 1002),
    ],
)
def test_every_way_to_write_numbers_is_noted_with_what_makes_numbers_of_it(ask, values, call, total):
    notes = " ".join(ask(column(*values), "SELECT x FROM t").notes)
    assert call in notes
    with pytest.raises(ToolError, match=r"number\("):
        ask(column(*values), "SELECT sum(x) FROM t")
    assert ask(column(*values), f"SELECT sum({call}) FROM t").rows == [[total]]


def test_what_the_notes_warn_of(ask):
    assert "two ways" in ask(column("1,234.5", "1.234,5"), "SELECT x FROM t").notes[0]
    assert "several currencies ($, €)" in ask(column("$1", "€2"), "SELECT x FROM t").notes[0]
    assert "`1,234` counts as thousands" in ask(column("1,234", "5"), "SELECT x FROM t").notes[0]
    assert "`12%` becomes 12" in ask(column("12%", "5"), "SELECT x FROM t").notes[0]


@pytest.mark.parametrize("values", [["192.168.1.1"], ["1,2,3"], ["12,34.5"], ["2024-01-02"], ["1.2.3"], ["a 1,000"]])
def test_what_is_no_number_is_not_called_one(ask, values):
    assert ask(column(*values), "SELECT x FROM t").notes == []


def test_a_column_with_decimal_commas_tells_how_its_neighbours_are_written(ask):
    rows = ask("a;b\n1,5;1.500\n2;2.000\n", "SELECT sum(number(a, ',')), sum(number(b, ',')) FROM t")
    assert rows.rows == [[3.5, 3500]]
    alone = ask("a;b\nx;1.500\ny;2.000\n", "SELECT sum(b) FROM t")
    assert alone.rows == [[3.5]]
    assert "groups thousands" in alone.notes[0]


@pytest.mark.parametrize("marker", ["N/A", "NULL", "-", "null", "None", "#N/A", "nan", "n/a", "\u2014", "inf"])
def test_what_stands_for_no_number_is_null_in_a_column_of_numbers(ask, marker):
    answer = ask(column("1", marker, "2"), "SELECT avg(x), count(x), count(*) FROM t")
    assert answer.rows == [[1.5, 2, 3]]
    assert f"(1 of `{marker}`)" in answer.notes[0]
    assert ask(column("a", marker), "SELECT x FROM t ORDER BY 1").rows[-1 if marker < "a" else 0] is not None


def test_a_column_of_nothing_but_markers_stays_as_it_is(ask):
    assert ask(column("-", "-"), "SELECT DISTINCT x FROM t").rows == [["-"]]


def test_numbers_among_words_are_summed_only_where_they_are_asked_for(ask):
    content = column("12", "abc", "13")
    with pytest.raises(ToolError, match=r"given the text `abc`.*sum\(number\(x\)\)"):
        ask(content, "SELECT sum(x) FROM t")
    with pytest.raises(ToolError, match="takes text for a number"):
        ask(content, "SELECT x * 2 FROM t")
    answer = ask(content, "SELECT sum(number(x)) FROM t")
    assert answer.rows == [[25]]
    assert "2 of 3 are numbers and others are not, `abc` (line 3)" in answer.notes[0]
    assert "number() gives NULL for what it cannot read, here `abc`" in answer.notes[1]
    assert ask(content, "SELECT sum(x) FROM t WHERE x GLOB '[0-9]*'").rows == [[25]]


def test_leading_zeros_are_kept_and_not_compared_as_numbers(ask):
    content = column("01234", "00007", "99999")
    assert ask(content, "SELECT x FROM t WHERE x = '01234'").rows == [["01234"]]
    assert ask(content, "SELECT x FROM t").notes == []
    for sql in ("SELECT x FROM t WHERE x = 1234", "SELECT sum(x) FROM t"):
        with pytest.raises(ToolError, match="leading zeros"):
            ask(content, sql)
    assert ask(content, "SELECT sum(CAST(x AS INTEGER)) FROM t").rows == [[101240]]


def test_a_telephone_number_keeps_its_plus(ask):
    assert ask(column("+491701234567", "+4989123456"), "SELECT x FROM t LIMIT 1").rows == [["+491701234567"]]
    assert ask(column("+5", "-3"), "SELECT sum(x) FROM t").rows == [[2]]


def test_integers_beyond_64_bits_are_kept_and_summed_exactly(ask):
    answer = ask(column("99999999999999999999", "1"), "SELECT sum(x) FROM t")
    assert answer.rows == [["100000000000000000000"]]
    assert "larger than SQL's numbers" in answer.notes[0]
    with pytest.raises(ToolError, match="takes text for a number"):
        ask(column("99999999999999999999", "1"), "SELECT x + 1 FROM t")
    assert ask(column("9223372036854775807"), "SELECT x FROM t").rows == [[9223372036854775807]]


def test_exponents_are_numbers_and_doubtful_ones_are_noted(ask):
    assert ask(column("1.5e3", "-2E-1"), "SELECT sum(x) FROM t") == ask(column("1500", "-0.2"), "SELECT sum(x) FROM t")
    assert "`12E4` is read as 120000" in ask(column("12E4", "7"), "SELECT x FROM t").notes[0]
    assert ask(column("1e400", "2"), "SELECT x FROM t").rows == [["1e400"], ["2"]]


@pytest.mark.parametrize(("word", "other"), [("true", "false"), ("TRUE", "FALSE"), ("yes", "no"), ("Y", "N")])
def test_words_for_true_and_false_are_not_compared_with_numbers(ask, word, other):
    content = column(word, other, word)
    for sql in ("SELECT sum(x) FROM t", "SELECT count(*) FROM t WHERE x = 1", "SELECT 1 FROM t WHERE x = true"):
        with pytest.raises(ToolError, match=f"x = '{word}'"):
            ask(content, sql)
    assert ask(content, f"SELECT sum(x = '{word}') FROM t").rows == [[2]]


def test_dates_that_do_not_sort_are_noted_with_what_makes_them_sort(ask):
    answer = ask(column("31.12.2024", "1.2.2024"), "SELECT iso_date(x, 'dmy') FROM t ORDER BY 1")
    assert answer.rows == [["2024-02-01"], ["2024-12-31"]]
    assert "iso_date(x, 'dmy')" in answer.notes[0]
    assert "iso_date(x, 'mdy')" in ask(column("12/31/2024", "1/2/2024"), "SELECT x FROM t").notes[0]
    assert "the values do not tell" in ask(column("1/2/2024"), "SELECT x FROM t").notes[0]
    assert "the month first in others" in ask(column("31/1/2024", "1/31/2024"), "SELECT x FROM t").notes[0]
    assert ask(column("2024-01-02", "2024-02-01"), "SELECT x FROM t").notes == []
    wrong = ask(column("31.12.2024"), "SELECT iso_date(x, 'mdy') FROM t")
    assert (wrong.rows, "iso_date() gives NULL" in wrong.notes[-1]) == ([[None]], True)


def test_sums_are_those_of_sqlite(sales, skill, ctx):
    values = ["1", "2.5", "", "-4", "1e3", "word"]
    (ctx.root / "n.csv").write_text("x,k\n" + "".join(f"{value},{n % 2}\n" for n, value in enumerate(values)))
    where = "FROM n WHERE x <> 'word'"
    for call in ("sum(x)", "avg(x)", "total(x)", "sum(DISTINCT x)"):
        guarded = skill.query(ctx, f"SELECT {call} {where}", ["n.csv"]).rows
        plain = skill.query(
            ctx, f"SELECT {call} FROM (SELECT CASE WHEN x <> 'word' THEN number(x) END AS x FROM n)", ["n.csv"]
        )
        assert guarded == plain.rows
    assert skill.query(ctx, "SELECT sum(x), avg(x), total(x) FROM n WHERE x = ''", ["n.csv"]).rows == [
        [None, None, 0.0]
    ]
    grouped = skill.query(ctx, f"SELECT k, sum(x) {where} GROUP BY k HAVING sum(x) > 0", ["n.csv"])
    assert grouped.rows == [[0, 1001.0]]


def test_a_sum_over_a_window_is_guarded_where_python_can(ctx, skill, ask):
    content = "x,k\n1,1\n2,2\nabc,3\n"
    sql = "SELECT sum(x) OVER (ORDER BY k ROWS 1 PRECEDING) FROM t WHERE k < 3"
    assert [row[0] for row in ask(content, sql).rows] == [1, 3]
    if sys.version_info >= (3, 11):
        with pytest.raises(ToolError, match="given the text `abc`"):
            ask(content, sql.replace("WHERE k < 3", ""))
    else:
        assert "are numbers and others are not" in ask(content, sql.replace("WHERE k < 3", "")).notes[0]


@pytest.fixture
def shop(ctx):
    database = sqlite3.connect(ctx.root / "shop.db")
    database.executescript(
        "CREATE TABLE o (id INTEGER, price TEXT, n REAL, plain TEXT);"
        "INSERT INTO o VALUES (1, '1,234.5', 2, '5'), (2, '7', 3, '6'), (3, '8', 'N/A', '7');"
        "CREATE VIEW v AS SELECT sum(n) AS s FROM o;"
    )
    database.close()
    return ctx


def test_text_in_a_sqlite_file_is_not_summed_either(shop, skill):
    for call in ("sum(price)", "sum(n)", "avg(n)", "price * 2"):
        with pytest.raises(ToolError, match="number"):
            skill.query(shop, f"SELECT {call} FROM o", ["shop.db"])
    assert "`shop.o.price` is text" in skill.query(shop, "SELECT price FROM o", ["shop.db"]).notes[0]
    assert skill.query(shop, "SELECT sum(number(price)), sum(id), sum(plain) FROM o", ["shop.db"]).rows == [
        [1249.5, 6, 18]
    ]


def test_a_view_that_adds_up_can_still_be_asked(shop, skill):
    assert skill.query(shop, "SELECT s, (SELECT sum(id) FROM o) FROM v", ["shop.db"]).rows == [[5.0, 6]]


def test_a_name_that_is_a_number_in_another_table_is_not_refused_by_its_words(sales, skill, ctx):
    (ctx.root / "other.csv").write_text("amount\n5\n6\n")
    sql = "SELECT sum(o.amount), (SELECT count(amount) FROM sales) FROM other o"
    assert skill.query(ctx, sql, ["other.csv", "sales.csv"]).rows == [[11, 3]]
    with pytest.raises(ToolError, match="given the text `1,234.56`"):
        skill.query(
            ctx, "SELECT sum(s.amount), (SELECT max(amount) FROM other) FROM sales s", ["other.csv", "sales.csv"]
        )


def test_a_last_line_that_is_being_written_is_left_out_and_told(ask):
    answer = ask('{"n": 1}\n{"n": 2}\n{"n": 3, "m', "SELECT sum(n) FROM t", name="t.jsonl")
    assert answer.rows == [[3]]
    assert (
        "its last line (3) is not whole and was left out (Unterminated string starting at column 10)" in answer.notes[0]
    )


def test_broken_lines_are_left_out_and_told_with_their_places(ask):
    lines = ['{"n": 1}'] * 20
    for number in (3, 7, 8, 9, 11, 13, 20):
        lines[number - 1] = "2024-01-01 Traceback"
    answer = ask("\n".join(lines) + "\n", "SELECT sum(n) FROM t", name="t.log")
    assert answer.rows == [[13]]
    assert "7 lines are not JSON and were left out of 20 (line 3: Extra data at column 5; line 7:" in answer.notes[0]
    assert "and 2 more" in answer.notes[0]


@pytest.mark.parametrize(
    ("name", "content", "total"),
    [
        ("t.json", '{"n": 1}\n{"n": 2}\n', 3),
        ("t.jsonl", '[\n{"n": 1},\n{"n": 2}\n]\n', 3),
        ("t.ndjson", '\ufeff{"n": 1}\r\n\r\n{"n": 2}\r\n', 3),
        ("t.log", '{"n": 1}\n{"n": 2}\n', 3),
        ("t.txt", "k\tn\na\t1\nb\t2\n", 3),
        ("t.data", "k;n\na;1\nb;2\n", 3),
        ("t.csv", "sep=;\nk;n\na;1\nb;2\n", 3),
        ("t.csv", "k, n\na, 1\nb, 2\n", 3),
        ("t.csv", "k,n\ra,1\rb,2\r", 3),
    ],
)
def test_files_are_known_by_what_is_in_them(ask, name, content, total):
    assert ask(content, "SELECT sum(n) FROM t", name=name).rows == [[total]]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_files_are_read_in_any_encoding_that_can_be_told(ask, encoding):
    content = "name;total\nJosé;1\nZoë;2\n"
    assert ask(content, "SELECT name, total FROM t ORDER BY 2", encoding=encoding).rows == [["José", 1], ["Zoë", 2]]


def test_a_file_cut_within_a_letter_is_still_utf_8(ask):
    answer = ask("a\nJosé\n".encode()[:-2], "SELECT a FROM t")
    assert answer.rows == [["Jos\ufffd"]]
    assert "1 places are no UTF-8" in answer.notes[0]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('a,b\n1,"x\n2,y\n3,z\n', "line 2: a quote is opened and never closed"),
        ("1,2\n3,4\n", "looks like data"),
        ("a,,A\n1,2,3\n", "column 2 is `column_2`, column 3 is `A_2`"),
        ("a,b\n1\n2,3,4\n", "2 rows have more or fewer fields than the header (line 2 has 1 of 2)"),
        ("a" * 5000 + "\n1\n", "were changed: column 1 is `aaa"),
    ],
)
def test_what_is_odd_about_a_file_is_told_with_its_place(ask, content, said):
    assert said in " ".join(ask(content, "SELECT * FROM t").notes)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.csv", b"", "is empty"),
        ("t.csv", b"\n\n", "is empty"),
        ("t.jsonl", b" \n", "has no records yet"),
        ("t.json", b"", "has no records yet"),
        ("t.csv", b"a\0\1\2\0\3", "is binary"),
        ("t.xlsx", b"PK\3\4\0\0", "save the sheet as CSV"),
        ("t.parquet", b"PAR1\0", "convert a copy"),
        ("t.csv.gz", b"\x1f\x8b\0", "unpack a copy"),
        ("t.jsonl", b"a,b\n1,2\n", "line 1, Expecting value"),
        ("t.json", b"[" * 100_000, "not JSON"),
    ],
)
def test_files_without_data_are_explained(ask, name, content, said):
    with pytest.raises(ToolError, match=said):
        ask(content, "SELECT 1", name=name)


def test_values_of_json_are_what_they_are(ask):
    records = [
        {"n": 1, "s": "1", "f": 1.5, "x": "N/A", "mixed": 1, "money": "1,200", "e": ""},
        {"n": True, "s": "2", "f": float("nan"), "x": 2, "mixed": "abc", "money": "5", "e": "y"},
    ]
    content = "\n".join(json.dumps(record) for record in records)
    assert ask(content, "SELECT sum(n), avg(f), sum(x), sum(s) FROM t", name="t.jsonl").rows == [[2, 1.5, 2, 3]]
    assert ask(content, "SELECT s, e FROM t", name="t.jsonl").rows == [["1", ""], ["2", "y"]]
    for sql in (
        "SELECT s + 1 FROM t",
        "SELECT s FROM t WHERE s > 1",
        "SELECT sum(money) FROM t",
        "SELECT sum(mixed) FROM t",
    ):
        with pytest.raises(ToolError, match="number"):
            ask(content, sql, name="t.jsonl")


@pytest.mark.parametrize(
    "content",
    [
        ",".join(f"c{n}" for n in range(400)) + "\n" + ",".join(["x" * 3000] * 400) + "\n",
        "a\n" + ("漢字" * 3000 + "\n") * 300,
        "a\n" + "0" * 3_000_000 + "\n",
        "a,b\n" + "word word,1234567.25\n" * 20_000,
        ",".join(f"{n}" * 200 for n in range(400)) + "\n",
        "n" * 3_000_000,
        ",".join(f"c{n}" for n in range(300)) + "\n" + ",".join(["1,5"] * 300) + "\n",
    ],
    ids=["wide", "chinese", "one line", "long", "names", "no header", "notes"],
)
def test_no_answer_drowns_the_conversation(ctx, skill, content):
    (ctx.root / "t.csv").write_text(content)
    for answer in (
        skill.query(ctx, "SELECT * FROM t", ["t.csv"], limit=10_000),
        skill.sample(ctx, "t.csv", rows=1000),
        skill.describe(ctx, "t.csv"),
        skill.schema(ctx, ["t.csv"]),
    ):
        size = tokens(json.dumps(answer, default=vars, ensure_ascii=False))
        # Structured answers are sent as text, too.
        assert 2 * size < 20_000 * 1.5
        assert size < DATA_TOKENS * 1.6


def test_a_program_may_ask_for_more(ctx, skill):
    (ctx.root / "t.csv").write_text("a\n" + "word word word\n" * 9000)
    assert len(skill.query(ctx, "SELECT * FROM t", ["t.csv"], limit=9000).rows) < 2000
    everything = skill.query(ctx, "SELECT * FROM t", ["t.csv"], limit=9000, tokens=200_000)
    assert (len(everything.rows), everything.truncated) == (9000, False)


def test_the_default_that_a_model_reads_is_the_bound_that_holds(skill):
    # The signature says it as a number: the list is made by reading this file alone.
    assert inspect.signature(skill.query).parameters["tokens"].default == DATA_TOKENS
