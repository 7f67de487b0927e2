"""Several changes at once, dry runs, and edits of odd files."""

from __future__ import annotations

import os
import sys

import pytest

from omni import CallCancelled, ToolError
from omni.answer_size import tokens


@pytest.fixture
def project(ctx):
    (ctx.root / "src").mkdir()
    (ctx.root / "src" / "a.py").write_text("import b\nprint(b.x)\nprint(b.x)\n")
    (ctx.root / "src" / "b.py").write_text("x = 1\n")
    (ctx.root / "src" / "b.py").chmod(0o640)
    return ctx


@pytest.fixture
def make(skill):
    """Return what makes a change."""
    return skill.Change


def everything(root):
    return {
        str(path.relative_to(root)): (path.read_bytes(), path.stat().st_mode) if path.is_file() else None
        for path in root.rglob("*")
    }


@pytest.fixture
def renaming(make):
    """A module is renamed, and everything that names it is changed."""
    return [
        make("edit", "src/b.py", old="x = 1", new="y = 1"),
        make("move", "src/b.py", to="src/pkg/c.py"),
        make("edit", "src/pkg/c.py", old="y = 1\n", new="z = 2\n"),
        make("edit", "src/a.py", old="import b", new="from pkg import c"),
        make("edit", "src/a.py", old="b.x", new="c.z", replace_all=True),
        make("write", "docs/new.md", content="# New\n"),
        make("make_folder", "empty/folder"),
    ]


def test_changes_build_on_each_other(project, skill, renaming):
    changed = skill.change(project, renaming)
    assert changed.diff is None
    assert changed.paths == [
        "src/b.py", "src/pkg/c.py", "src/pkg/c.py", "src/a.py", "src/a.py", "docs/new.md", "empty/folder"
    ]  # fmt: skip
    assert (project.root / "src/a.py").read_text() == "from pkg import c\nprint(c.z)\nprint(c.z)\n"
    assert (project.root / "src/pkg/c.py").read_text() == "z = 2\n"
    assert (project.root / "src/pkg/c.py").stat().st_mode & 0o777 == 0o640
    assert (project.root / "empty/folder").is_dir()
    assert not (project.root / "src/b.py").exists()


def test_a_dry_run_shows_all_and_changes_nothing(project, skill, renaming):
    before = everything(project.root)
    shown = skill.change(project, renaming, dry_run=True)
    assert everything(project.root) == before
    assert "--- src/b.py\n+++ src/b.py\n@@ -1,2 +1,2 @@\n-x = 1\n+y = 1\n" in shown.diff
    assert "move src/b.py -> src/pkg/c.py\n--- src/pkg/c.py\n+++ src/pkg/c.py\n" in shown.diff
    assert "-print(b.x)\n-print(b.x)\n+print(c.z)\n+print(c.z)" in shown.diff
    assert "--- /dev/null\n+++ docs/new.md\n" in shown.diff
    assert "make folder empty/folder/" in shown.diff
    assert shown.paths == skill.change(project, renaming).paths


@pytest.mark.parametrize(
    ("do", "path", "given", "said"),
    [
        ("edit", "src/a.py", {"old": "nowhere", "new": ""}, "`old` was not found"),
        ("edit", "src/a.py", {"old": "print", "new": ""}, r"there 2 times .*lines 2, 3"),
        ("edit", "src/b.py", {"old": "x", "new": "y"}, "no file `src/b.py` after the changes before"),
        ("edit", "src/a.py", {"new": "y"}, "`edit` needs `old`"),
        ("edit", "src/a.py", {"old": "a", "new": "y", "to": "c"}, "`edit` takes no `to`"),
        ("write", "src/a.py", {"content": ""}, "exists already"),
        ("write", "src/gone/a.py/x", {"content": ""}, "is a file, not a folder"),
        ("write", "src", {"content": "", "overwrite": True}, "is a folder"),
        ("write", "x", {}, "`write` needs `content`"),
        ("write", "x", {"content": "\ud800"}, "half a character"),
        ("move", "src/b.py", {"to": "d.py"}, "there is no `src/b.py`"),
        ("move", "src", {"to": "src/deep/src"}, "into itself"),
        ("move", "src/a.py", {"to": "src/gone"}, "is a folder"),
        ("move", "src/a.py", {"to": "../x"}, "leads out"),
        ("move", "src/a.py", {}, "`move` needs `to`"),
        ("make_folder", "src/a.py", {}, "is no folder"),
        ("make_folder", "x", {"content": ""}, "takes no `content`"),
        ("make_folder", "x", {"overwrite": True}, "takes no `overwrite`"),
        ("edit", ".git/config", {"old": "a", "new": "b"}, "git's own"),
    ],
)
@pytest.mark.parametrize("dry_run", [False, True])
def test_one_wrong_change_leaves_all_undone(project, skill, make, do, path, given, said, dry_run):
    before = everything(project.root)
    changes = [
        make("write", "first.txt", content="1"),
        make("move", "src/b.py", to="src/gone/a.py"),
        make(do, path, **given),
    ]
    with pytest.raises(ToolError, match=rf"nothing was changed. Change 3 of 3, `{do}` `{path}`, failed: .*{said}"):
        skill.change(project, changes, dry_run=dry_run)
    assert everything(project.root) == before


def test_folders_move_with_what_was_planned_in_them(project, skill, make):
    changes = [
        make("write", "src/new.py", content="n\n"),
        make("move", "src", to="lib"),
        make("edit", "lib/new.py", old="n", new="m"),
        make("edit", "lib/b.py", old="1", new="2"),
        make("move", "lib/b.py", to="src/b.py"),
    ]
    assert "-x = 1\n+x = 2" in skill.change(project, changes, dry_run=True).diff
    skill.change(project, changes)
    assert (project.root / "lib/new.py").read_text() == "m\n"
    assert (project.root / "src/b.py").read_text() == "x = 2\n"
    assert sorted(os.listdir(project.root / "lib")) == ["a.py", "new.py"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), CallCancelled()])
def test_what_fails_in_the_middle_takes_back_what_was_made(project, skill, make, monkeypatch, error):
    (project.root / "over.txt").write_text("old")
    before = everything(project.root)
    batch = sys.modules[skill.Batch.__module__]
    replace, calls = batch.replace, []

    def failing(place, data, known):
        calls.append(place.path)
        if len(calls) == 3:
            if isinstance(error, OSError):
                raise ToolError(f"cannot write: {error.strerror}")
            raise error
        replace(place, data, known)

    monkeypatch.setattr(batch, "replace", failing)
    changes = [
        make("write", "deep/er/first.txt", content="1"),
        make("move", "src/b.py", to="over.txt", overwrite=True),
        make("edit", "src/a.py", old="import b", new="import c"),
        make("write", "deep/er/first.txt", content="2", overwrite=True),
        make("make_folder", "made"),
        make("edit", "src/a.py", old="import c", new="import d"),
    ]
    with pytest.raises(type(error) if isinstance(error, CallCancelled) else ToolError):
        skill.change(project, changes)
    assert calls[:3] == ["src/a.py", "deep/er/first.txt", "src/a.py"]
    assert everything(project.root) == before


def test_a_change_of_somebody_else_is_not_taken_back(project, skill, make, monkeypatch):
    batch = sys.modules[skill.Batch.__module__]

    def failing(*_):
        (project.root / "first.txt").write_text("somebody's")
        raise ToolError("the disk is full")

    monkeypatch.setattr(batch, "replace", failing)
    changes = [make("write", "first.txt", content="1"), make("edit", "src/a.py", old="import b", new="import c")]
    with pytest.raises(ToolError, match="could not be taken back: `first.txt`: somebody else .*the disk is full"):
        skill.change(project, changes)
    assert (project.root / "first.txt").read_text() == "somebody's"


@pytest.mark.parametrize("count", [0, 51])
def test_there_are_bounds_to_how_much_one_call_changes(project, skill, make, count):
    with pytest.raises(ToolError, match="must be between 1 and 50"):
        skill.change(project, [make("make_folder", f"f{n}") for n in range(count)])


def test_a_dry_run_of_one_tool_shows_its_change(project, skill):
    before = everything(project.root)
    assert skill.edit(project, "src/b.py", "1", "2", dry_run=True).diff == (
        "--- src/b.py\n+++ src/b.py\n@@ -1,2 +1,2 @@\n-x = 1\n+x = 2\n "
    )
    written = skill.write(project, "new/c.py", "c\n", dry_run=True)
    assert (written.created, written.path) == (True, "new/c.py")
    assert "+c" in written.diff
    assert "+more" in skill.write(project, "src/b.py", "more\n", mode="append", dry_run=True).diff
    assert skill.write(project, "empty", "", dry_run=True).diff.endswith("[an empty file]")
    with pytest.raises(ToolError, match="exists already"):
        skill.write(project, "src/b.py", "", dry_run=True)
    assert everything(project.root) == before
    assert skill.edit(project, "src/b.py", "1", "2").diff is None


def test_a_large_diff_is_bounded(project, skill):
    (project.root / "big.txt").write_text("".join(f"line {n} of many words\n" for n in range(4000)))
    shown = skill.edit(project, "big.txt", "line", "row", replace_all=True, dry_run=True)
    assert "more lines]" in shown.diff
    assert tokens(shown.diff) < 5000
    assert (shown.replacements, len(shown.lines)) == (4000, 100)
    (project.root / "min.js").write_text("x" * 1_000_000)
    assert len(skill.edit(project, "min.js", "x" * 1_000_000, "y", dry_run=True).diff) < 2000


def test_one_of_several_places_is_chosen_by_its_line(project, skill):
    assert skill.edit(project, "src/a.py", "print(b.x)", "pass", line=3).lines == [3]
    assert (project.root / "src/a.py").read_text() == "import b\nprint(b.x)\npass\n"
    with pytest.raises(ToolError, match="begins on lines 2 of `src/a.py`, not once on line 1"):
        skill.edit(project, "src/a.py", "print(b.x)", "pass", line=1)
    (project.root / "twice").write_text("aa\n")
    with pytest.raises(ToolError, match="is there 2 times on line 1"):
        skill.edit(project, "twice", "a", "b", line=1)
    with pytest.raises(ToolError, match="not both"):
        skill.edit(project, "twice", "a", "b", line=1, replace_all=True)


@pytest.mark.parametrize(
    ("before", "old", "new", "after"),
    [
        (b"a\r\nb\r\nc\r\n", "a\nb\n", "x\ny\nz\n", b"x\r\ny\r\nz\r\nc\r\n"),
        (b"a\r\nb\nc\r\nd\r\n", "c\nd", "x\ny", b"a\r\nb\nx\r\ny\r\n"),
        (b"a\r\nb\nc\n", "b\nc", "x\ny", b"a\r\nx\ny\n"),
        (b"a\r\nb", "b", "x\ny", b"a\r\nx\r\ny"),
        (b"\xef\xbb\xbfa\nb\n", "a", "x", b"\xef\xbb\xbfx\nb\n"),
        ("\ufeffa\nb\n".encode("utf-16-be"), "b", "ü", "\ufeffa\nü\n".encode("utf-16-be")),
        (b"no end", "end", "end\n", b"no end\n"),
        (b"a\rb\r", "a", "x", b"x\rb\r"),
    ],
)
def test_line_ends_and_marks_stay_as_they_are(ctx, skill, before, old, new, after):
    (ctx.root / "f").write_bytes(before)
    skill.edit(ctx, "f", old, new)
    assert (ctx.root / "f").read_bytes() == after


def test_a_file_in_another_encoding_is_edited_in_it(ctx, skill):
    (ctx.root / "f").write_bytes("Größe\n".encode("latin-1"))
    with pytest.raises(ToolError, match="Say how it is encoded with `encoding`"):
        skill.edit(ctx, "f", "Gr", "gr")
    skill.edit(ctx, "f", "Größe", "Maß", encoding="latin-1")
    assert (ctx.root / "f").read_bytes() == "Maß\n".encode("latin-1")
    with pytest.raises(ToolError, match="cannot be written in latin-1"):
        skill.edit(ctx, "f", "Maß", "漢", encoding="latin-1")
    with pytest.raises(ToolError, match="knows no encoding `klingon`"):
        skill.edit(ctx, "f", "Maß", "x", encoding="klingon")


def test_line_numbers_in_old_are_recognised(project, skill):
    with pytest.raises(ToolError, match="Leave out the line numbers"):
        skill.edit(project, "src/a.py", "     1\timport b\n     2\tprint(b.x)", "x")


def test_several_files_are_read_and_one_that_cannot_be_is_told(project, skill):
    (project.root / "empty").write_text("")
    (project.root / "bin").write_bytes(b"\0\1")
    text = skill.read_many(project, ["src/b.py", "src/c.py", "empty", "bin", "../x", "src"], numbers=False).text
    assert text == (
        "== src/b.py ==\nx = 1\n== src/c.py ==\n[there is no file `src/c.py`; did you mean `b.py` or `a.py`?]\n"
        "== empty ==\n[`empty` is empty]\n== bin ==\n[`bin` is binary (it holds NUL bytes); `text_hash` compares it, "
        "`data_schema` reads SQLite]\n== ../x ==\n[`../x` leads out of the project root; only paths beneath it can be "
        "used]\n== src ==\n[`src` is a folder; list it with `files_list`]"
    )


def test_several_large_files_share_an_answer(project, skill):
    for name in ("a", "b", "c"):
        (project.root / name).write_text("several words in each line\n" * 3000)
    (project.root / "small").write_text("small\n")
    text = skill.read_many(project, ["small", "a", "b", "c"]).text
    assert tokens(text) < 17_000
    notes = [line for line in text.split("\n") if line.startswith("[lines 1-")]
    assert len(notes) == 3
    assert "small" in text
    with pytest.raises(ToolError, match="must be between 1 and 20"):
        skill.read_many(project, [])


def test_a_long_line_is_read_on_by_its_column(ctx, skill):
    (ctx.root / "min.js").write_text("a" * 2000 + "b" * 2000 + "c" * 10 + "\nshort\n")
    assert "go on with column=2001" in skill.read(ctx, "min.js").text
    text = skill.read(ctx, "min.js", column=2001, numbers=False).text.split("\n")
    assert text[0] == "b" * 2000 + "… [10 more characters in this line; go on with column=4001]"
    assert text[1] == ""
    assert skill.read(ctx, "min.js", column=4001, numbers=False, limit=1).text.split("\n")[0] == "c" * 10
    assert skill.read(ctx, "min.js", column=5000, numbers=False, limit=1).text.split("\n")[0] == ""


@pytest.mark.parametrize(
    "content",
    [
        "漢字かな" * 200 + "\n",
        "x" * 1900 + "\n",
        '{"a": [1, 2, 3], "b": "c"}\n' * 3,
        "\x1b[31mred\x1b[0m\n",
        "0123456789abcdef" * 50 + "\n",
    ],
)
def test_no_answer_drowns_the_conversation(ctx, skill, content):
    for number in range(30):
        (ctx.root / f"file with a long name {'n' * 150} {number}.txt").write_text(content * 2000)
    first = f"file with a long name {'n' * 150} 0.txt"
    for text in (
        skill.read(ctx, first, limit=100_000),
        skill.read_many(ctx, [first] * 20),
        skill.search(ctx, ".", limit=2000, context=20),
        skill.list_folder(ctx, limit=5000),
    ):
        assert tokens(text.text) < 17_500
    assert tokens(str(skill.find(ctx, "*", limit=5000).paths)) < 10_000
