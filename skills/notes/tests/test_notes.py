"""That notes are kept, found, and not lost when several workers write."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

import omni
from omni import ToolError

SKILL = Path(__file__).parents[1]
PACKAGE = Path(omni.__file__).parents[1]


@pytest.fixture
def filled(ctx, skill):
    skill.save(
        ctx,
        "We chose SQLite because one file is easy to back up.",
        title="Storage decision",
        tags=["Decision"],
    )
    skill.save(ctx, "Run `make check` before a commit.\nIt takes a minute.", tags=["build", "#howto"])
    skill.save(ctx, "Der Käse schmeckt. 数据库选择的原因。")
    return ctx


def test_a_note_is_saved_and_read(ctx, skill):
    saved = skill.save(ctx, "# Heading\n\ntext", tags=["A", "a", "two words"])
    assert (saved.id, saved.title, saved.tags, saved.created) == (1, "Heading", ["a", "two words"], True)
    note = skill.read(ctx, 1)
    assert (note.title, note.body, note.tags) == ("Heading", "# Heading\n\ntext", ["a", "two words"])
    assert note.created == note.changed


def test_adding_keeps_what_was_there(filled, skill):
    before = skill.read(filled, 1).body
    saved = skill.save(filled, "Later: still right.", title="2025", tags=["review"], append_to=1)
    assert (saved.id, saved.title, saved.tags, saved.created) == (
        1,
        "Storage decision",
        ["decision", "review"],
        False,
    )
    assert skill.read(filled, 1).body == before + "\n\n## 2025\n\nLater: still right."


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("sqlite", [1]),
        ("SQLITE backup", [1]),
        ("comm", [2]),
        ("kase", [3]),
        ("decision", [1]),
        ("howto minute", [2]),
        ("minute storage", [1, 2]),
        ("选择", [3]),
        ("nowhere", []),
        ('NOT "NEAR( *', []),
    ],
)
def test_notes_are_found_by_words(filled, skill, query, ids):
    assert sorted(hit.id for hit in skill.find(filled, query).notes) == ids


def test_a_note_with_all_words_comes_first(ctx, skill):
    skill.save(ctx, "alpha alpha alpha alpha")
    skill.save(ctx, "beta beta beta")
    skill.save(ctx, "something about alpha and then, much later, beta")
    assert skill.find(ctx, "alpha beta").notes[0].id == 3


def test_a_hit_shows_the_place_and_is_limited_by_tag_and_number(filled, skill):
    skill.save(filled, "x " * 500 + "needle " + "y " * 500, tags=["long"])
    hit = skill.find(filled, "needle").notes[0]
    assert "needle" in hit.snippet
    assert len(hit.snippet) < 180
    assert skill.find(filled, "needle", tag="build").notes == []
    assert skill.find(filled, "run needle", limit=1).more


def test_what_was_changed_since_is_found_too(filled, skill):
    assert skill.find(filled, "zebra").notes == []
    skill.save(filled, "zebra", append_to=2)
    assert [hit.id for hit in skill.find(filled, "zebra").notes] == [2]
    skill.delete(filled, 2)
    assert skill.find(filled, "zebra").notes == []


def test_without_full_text_search_notes_are_found_all_the_same(filled, skill, helper, monkeypatch):
    monkeypatch.setattr(helper("_store"), "_has_full_text", lambda _: False)
    assert [hit.id for hit in skill.find(filled, "sqlite backup").notes] == [1]
    assert [hit.id for hit in skill.find(filled, "100%").notes] == []
    skill.save(filled, "written without an index")
    monkeypatch.undo()
    assert [hit.id for hit in skill.find(filled, "index").notes] == [4]


def test_the_list_has_the_last_changed_note_first(filled, skill):
    skill.save(filled, "more", append_to=1)
    listing = skill.list_notes(filled)
    assert [entry.id for entry in listing.notes] == [1, 3, 2]
    assert (listing.total, listing.tags) == (3, ["build", "decision", "howto"])
    assert [entry.id for entry in skill.list_notes(filled, limit=1, skip=1).notes] == [3]
    assert [entry.id for entry in skill.list_notes(filled, tag="BUILD").notes] == [2]


def test_an_id_is_not_used_again(filled, skill):
    assert skill.delete(filled, 3).title.startswith("Der Käse")
    assert skill.save(filled, "new").id == 4
    assert skill.list_notes(filled, tag="howto").total == 1


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda skill, ctx: skill.read(ctx, 9), "no note 9"),
        (lambda skill, ctx: skill.read(ctx, 2**70), "no note"),
        (lambda skill, ctx: skill.delete(ctx, 9), "no note 9"),
        (lambda skill, ctx: skill.save(ctx, "x", append_to=9), "no note 9"),
        (lambda skill, ctx: skill.save(ctx, " "), "is empty"),
        (lambda skill, ctx: skill.save(ctx, "x" * 200_001), "Keep a file"),
        (lambda skill, ctx: skill.save(ctx, "x", tags=[""]), "cannot be a tag"),
        (lambda skill, ctx: skill.save(ctx, "x", tags=[str(n) for n in range(21)]), "may have 20"),
        (lambda skill, ctx: skill.find(ctx, "!?"), "notes_list"),
        (lambda skill, ctx: skill.list_notes(ctx, limit=0), "between 1"),
    ],
)
def test_errors_say_what_to_do(filled, skill, call, said):
    with pytest.raises(ToolError, match=said):
        call(skill, filled)


def test_notes_are_kept_out_of_the_repository_and_where_the_settings_say(ctx, skill, call_with):
    skill.save(ctx, "x")
    assert (ctx.root / ".omni" / ".gitignore").read_text() == "*\n"
    skill.save(call_with(settings={"path": "elsewhere/my.db"}), "y")
    assert (ctx.root / "elsewhere" / "my.db").exists()
    assert skill.list_notes(ctx).total == 1


def test_a_link_in_place_of_the_folder_is_refused(ctx, skill):
    os.symlink("/tmp", ctx.root / ".omni")
    with pytest.raises(ToolError, match="symbolic link"):
        skill.save(ctx, "x")


def test_a_folder_that_cannot_be_made_is_explained(ctx, skill, call_with):
    (ctx.root / "file").write_text("in the way")
    with pytest.raises(ToolError, match="is a file, not a folder"):
        skill.save(call_with(settings={"path": "file/notes.db"}), "x")
    (ctx.root.parent / "file").write_text("in the way")
    with pytest.raises(ToolError, match="cannot be made"):
        skill.save(call_with(settings={"path": str(ctx.root.parent / "file" / "notes.db")}), "x")


def test_a_file_that_is_no_database_is_left_alone(ctx, skill):
    (ctx.root / ".omni").mkdir()
    path = ctx.root / ".omni" / "notes.db"
    path.write_bytes(b"something else entirely" * 100)
    with pytest.raises(ToolError, match="move the file away"):
        skill.save(ctx, "x")
    assert path.read_bytes() == b"something else entirely" * 100


def test_a_database_of_a_newer_version_is_refused(filled, skill):
    database = sqlite3.connect(filled.root / ".omni" / "notes.db")
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(ToolError, match="newer version"):
        skill.list_notes(filled)


WRITER = """
import sys
from pathlib import Path
from omni import Context
from omni.load import load_module

notes = load_module("notes", sys.argv[1], "scripts/notes.py")
ctx = Context(root=sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for number in range(25):
    notes.save(ctx, f"writer {sys.argv[3]} number {number}", tags=[f"w{sys.argv[3]}"])
    notes.save(ctx, f"line of {sys.argv[3]}", append_to=1)
    notes.find(ctx, "writer")
"""


def test_several_workers_write_at_once_and_nothing_is_lost(ctx, skill):
    # None of them finds a database: they also race to make it, all but the note that they all add to.
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(SKILL), str(ctx.root), str(number)],
            env={**os.environ, "PYTHONPATH": str(PACKAGE)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for number in range(4)
    ]
    for worker in workers:
        assert worker.stdout.readline() == b"ready\n"
    for worker in workers:
        worker.stdin.write(b"\n")
        worker.stdin.close()
    assert [worker.wait() for worker in workers] == [0] * 4
    for worker in workers:
        worker.stdout.close()
    assert skill.list_notes(ctx).total == 100
    assert [skill.list_notes(ctx, tag=f"w{number}").total for number in range(4)] == [25] * 4
    assert skill.read(ctx, 1).body.count("line of") == 100


def test_a_worker_killed_in_the_middle_of_a_change_leaves_no_half_of_it(filled, skill):
    code = (
        "import os, sys\nfrom omni import Context\nfrom omni.load import load_module\n"
        "store = load_module('notes', sys.argv[1], 'scripts/_store.py')\n"
        "with store.opened(Context(root=sys.argv[2])) as notes, notes.change():\n"
        "    notes.database.execute(\"UPDATE notes SET body = ''\")\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(SKILL), str(filled.root)],
        env={**os.environ, "PYTHONPATH": str(PACKAGE)},
        check=False,
    )
    assert done.returncode == -9
    assert skill.read(filled, 1).body.startswith("We chose SQLite")
    assert skill.save(filled, "goes on").id == 4
