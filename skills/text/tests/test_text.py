"""What the text tools compute."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess

import pytest

from omni import ToolError
from omni.answer_size import DATA_TOKENS, tokens


def test_counts_say_how_much_there_is(ctx, skill):
    counts = skill.count(ctx, "Ein Käse.\n\nZwei  Käse!\nEnde", of="Käse")
    assert (counts.characters, counts.bytes_utf8, counts.words, counts.lines) == (27, 29, 5, 4)
    assert (counts.paragraphs, counts.longest_line, counts.occurrences) == (2, 11, 2)


def test_letters_of_a_word_are_counted_exactly(ctx, skill):
    assert skill.count(ctx, "Strawberry RASPBERRY", of="r").occurrences == 3
    assert skill.count(ctx, "Strawberry RASPBERRY", of="r", ignore_case=True).occurrences == 6
    assert skill.count(ctx, "").lines == 0
    assert skill.count(ctx, "x").occurrences is None


def test_a_file_can_stand_for_the_text(ctx, skill):
    (ctx.root / "a.txt").write_text("one two\n")
    assert skill.count(ctx, path="a.txt").words == 2
    with pytest.raises(ToolError, match="exactly one of"):
        skill.count(ctx, "x", path="a.txt")
    with pytest.raises(ToolError, match="exactly one of"):
        skill.count(ctx)
    with pytest.raises(ToolError, match="leads out"):
        skill.count(ctx, path="../a.txt")


def test_a_file_that_is_not_text_is_refused(ctx, skill):
    (ctx.root / "x.bin").write_bytes(b"ab\xff\xfe\x00")
    with pytest.raises(ToolError, match="byte 2 cannot be decoded"):
        skill.count(ctx, path="x.bin")


@pytest.mark.skipif(shutil.which("patch") is None, reason="`patch` is not installed")
@pytest.mark.parametrize("end", ["more\n", "more", ""])
def test_a_diff_can_be_applied_by_patch(ctx, skill, end):
    before = "".join(f"line {n}\n" for n in range(40))
    after = before.replace("line 3\n", "line three\n").replace("line 20\n", "").replace("line 39\n", "line 39\n" + end)
    (ctx.root / "t").write_text(before)
    patch = skill.diff(ctx, before_path="t", after=after).text
    subprocess.run(["patch", "t"], cwd=ctx.root, input=patch + "\n", text=True, check=True, capture_output=True)
    assert (ctx.root / "t").read_text() == after


def test_equal_texts_and_blanks_are_told_apart(ctx, skill):
    assert skill.diff(ctx, "a\n", "a\n").text == "[the two are equal]"
    assert skill.diff(ctx, "a  b\n", "a b\n", ignore_blanks=True).text == "[the two differ only in blanks]"
    assert skill.diff(ctx, "a  b\nc\n", "a b\nd\n", ignore_blanks=True).text.endswith("@@ -1,2 +1,2 @@\n a b\n-c\n+d")


def test_diff_names_the_parameters_that_are_missing(ctx, skill):
    with pytest.raises(ToolError, match="`after` or `after_path`"):
        skill.diff(ctx, before="a")


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("emails", "Ask a.b+c@example.co.uk, not @nobody or x@y.", ["a.b+c@example.co.uk"]),
        (
            "urls",
            "See (https://x.org/a_(b)), or http://y.net/?q=1&r=2.",
            ["https://x.org/a_(b)", "http://y.net/?q=1&r=2"],
        ),
        ("numbers", "-3 of 1,234.5 and 6e-2; v1.2 h2o 10%", ["-3", "1,234.5", "6e-2", "10"]),
        ("dates", "2024-02-29, 2024-03-01T10:00:00Z 24-1-1", ["2024-02-29", "2024-03-01T10:00:00Z"]),
        ("ips", "10.0.0.1, 256.1.1.1, 1.2.3.4.5 and 192.168.1.255.", ["10.0.0.1", "192.168.1.255"]),
        ("words", "Don't stop, naïve well-known x2", ["Don't", "stop", "naïve", "well-known", "x2"]),
    ],
)
def test_named_kinds_find(ctx, skill, kind, text, expected):
    assert [match["text"] for match in skill.extract(ctx, kind, text).matches] == expected


def test_an_expression_gives_lines_and_groups(ctx, skill):
    found = skill.extract(ctx, "regex", "a=1\n\nb=\n", pattern=r"^(\w)=(\d)?$")
    assert [(m["text"], m["line"], m["groups"]) for m in found.matches] == [
        ("a=1", 1, ["a", "1"]),
        ("b=", 3, ["b", None]),
    ]


def test_extract_counts_beyond_the_limit_and_drops_repeats(ctx, skill):
    found = skill.extract(ctx, "numbers", "1 2 1 3 1", unique=True, limit=2)
    assert ([m["text"] for m in found.matches], found.total, found.truncated) == (["1", "2"], 3, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"kind": "regex", "text": "x"}, "needs a `pattern`"),
        ({"kind": "regex", "text": "x", "pattern": "("}, "not a Python regular expression"),
        ({"kind": "urls", "text": "x", "pattern": "y"}, 'goes with kind="regex"'),
        ({"kind": "urls", "text": "x", "limit": 0}, "between 1 and"),
    ],
)
def test_extract_explains_what_was_wrong(ctx, skill, arguments, said):
    with pytest.raises(ToolError, match=said):
        skill.extract(ctx, **arguments)


def test_checksums_are_those_of_the_command_line(ctx, skill):
    data = bytes(range(256)) * 5000
    (ctx.root / "f.bin").write_bytes(data)
    result = skill.digest(ctx, path="f.bin", expected=" " + hashlib.sha256(data).hexdigest().upper() + "\n")
    assert (result.hex, result.bytes, result.matches) == (hashlib.sha256(data).hexdigest(), len(data), True)
    assert skill.digest(ctx, text="abc", algorithm="crc32").hex == "352441c2"
    assert skill.digest(ctx, text="abc", algorithm="md5").hex == "900150983cd24fb0d6963f7d28e17f72"
    assert skill.digest(ctx, text="abc", expected="00").matches is False


def test_lines_are_sorted_in_every_way(ctx, skill):
    text = "file10\nfile2\nFile1\n"
    assert skill.lines(ctx, text, sort="text").text == "File1\nfile10\nfile2"
    assert skill.lines(ctx, text, sort="natural").text == "File1\nfile2\nfile10"
    assert skill.lines(ctx, "b 10\na -2.5\nnone\n", sort="number").text == "a -2.5\nb 10\nnone"
    assert skill.lines(ctx, "ccc\na\nbb", sort="length", reverse=True).text == "ccc\nbb\na"
    assert skill.lines(ctx, "b\na\nb\n", sort="count").text == "2\tb\n1\ta"
    assert skill.lines(ctx, "1" * 1500 + "\n2\nx1y\n", sort="natural").text == "2\n" + "1" * 1500 + "\nx1y"


def test_lines_are_filtered_and_deduplicated(ctx, skill):
    text = "GET /a\nPOST /b\nGET /a\nGET /health\n"
    assert skill.lines(ctx, text, keep="^GET", drop="health", unique=True).text == "GET /a"
    assert skill.lines(ctx, text, keep="nothing").text == "[no lines]"
    assert skill.lines(ctx, text, limit=1).text == "GET /a\n[3 more lines; go on with skip=1]"
    with pytest.raises(ToolError, match="there are 4 lines; `skip` is 4"):
        skill.lines(ctx, text, skip=4)


DOCUMENT = json.dumps(
    {
        "name": "x",
        "items": [{"id": n, "tags": ["a", "b"], "note": "é" * 300} for n in range(8)],
        "a/b": {"~": None},
        "empty": [],
    }
)


def test_an_outline_shows_the_shape_of_a_document(ctx, skill):
    text = skill.look_into_json(ctx, DOCUMENT, depth=3, items=1).text
    assert text.startswith(
        '[the document is an object of 4 members]\n{\n  "name": "x"\n  "items": [\n    {\n      "id": 0\n'
    )
    assert '      "tags": [… 2 items]' in text
    assert "… 100 more characters" in text
    assert "    … 7 more items" in text
    assert '  "empty": []' in text


def test_a_pointer_leads_to_a_place(ctx, skill):
    assert skill.look_into_json(ctx, DOCUMENT, pointer="/items/7/id").text == "[/items/7/id is a number]\n7"
    assert skill.look_into_json(ctx, DOCUMENT, pointer="/a~1b/~0").text == "[/a~1b/~0 is null]\nnull"
    compact = skill.look_into_json(ctx, '{"b": [1, 2]}', form="compact").text
    assert compact.split("\n")[1] == '{"b":[1,2]}'
    assert skill.look_into_json(ctx, "[1]", form="pretty").text.endswith("[\n  1\n]")


@pytest.mark.parametrize(
    ("text", "pointer", "said"),
    [
        ('{"a": 1,}', "", "line 1, column 9"),
        ("", "", "line 1, column 1"),
        ("{\n  'a': 1}", "", "line 2, column 3, near `  'a'"),
        ("[NaN]", "", "`NaN` is not a JSON number"),
        ("[" * 100_000, "", "nested too deeply"),
        ("[" + "9" * 5000 + "]", "/1", "no index|cannot be read"),
        (DOCUMENT, "/item", "did you mean `items`"),
        (DOCUMENT, "/items/8", "has 8 items"),
        (DOCUMENT, "/name/x", "is a string"),
        (DOCUMENT, "items.0", "write it as `/items/0`"),
    ],
)
def test_what_is_wrong_with_a_document_or_a_pointer_is_said(ctx, skill, text, pointer, said):
    with pytest.raises(ToolError, match=said):
        skill.look_into_json(ctx, text, pointer=pointer)


def test_a_document_that_is_deep_but_sound_is_no_crash(ctx, skill):
    deep = "[" * 900 + "]" * 900
    assert "… 1 items" in skill.look_into_json(ctx, deep).text
    skill.look_into_json(ctx, deep, depth=10_000)


@pytest.mark.parametrize(
    "content",
    [
        "word word word 12\n" * 30_000,
        "漢字かな交じり文 12\n" * 20_000,
        "x1;" * 1_000_000,
        "".join(f"{n} https://example.org/{'p' * 200}/{n}\n" for n in range(3000)),
    ],
    ids=["long", "chinese", "one line", "addresses"],
)
def test_no_answer_drowns_the_conversation(ctx, skill, content):
    (ctx.root / "a").write_text(content)
    (ctx.root / "b").write_text(content.replace("1", "2").replace("o", "0"))
    (ctx.root / "c.json").write_text(json.dumps({f"{'k' * 50}{n}": line for n, line in enumerate(content.split("\n"))}))
    for answer in (
        skill.lines(ctx, path="a", limit=50_000),
        skill.lines(ctx, path="a", limit=50_000, sort="count"),
        skill.diff(ctx, before_path="a", after="x\n"),
        skill.diff(ctx, before_path="a", after_path="b") if content.count("\n") < 100 else skill.diff(ctx, "a", "b"),
        skill.look_into_json(ctx, path="c.json"),
        skill.look_into_json(ctx, path="c.json", form="compact"),
    ):
        assert tokens(answer.text) < 17_500
    for kind in ("numbers", "words", "urls"):
        found = skill.extract(ctx, kind, path="a", limit=10_000)
        assert tokens(str(found)) < DATA_TOKENS * 1.2
    whole = skill.extract(ctx, "regex", path="a", pattern="(?s)(.*)", limit=10_000)
    assert tokens(str(whole)) < DATA_TOKENS * 1.2


def test_what_was_cut_can_be_had(ctx, skill):
    (ctx.root / "a").write_text("".join(f"{n} some more words\n" for n in range(20_000)))
    first = skill.extract(ctx, "numbers", path="a", limit=10_000)
    assert first.truncated
    assert skill.extract(ctx, "numbers", path="a", skip=len(first.matches), limit=1).matches == [
        {"text": str(len(first.matches)), "line": len(first.matches) + 1}
    ]
    text = skill.lines(ctx, path="a", limit=50_000).text
    skip = int(text.rsplit("skip=", 1)[1].rstrip("]"))
    assert skill.lines(ctx, path="a", skip=skip, limit=1).text.startswith(f"{skip} some")
    with pytest.raises(ToolError, match="must not be negative"):
        skill.lines(ctx, path="a", skip=-1)
