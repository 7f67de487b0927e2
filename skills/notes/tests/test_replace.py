"""That a replaced note keeps what it was, and that nobody's change is overwritten unseen."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

import omni
from omni import ToolError
from omni.answer_size import DATA_TOKENS, tokens

SKILL = Path(__file__).parents[1]
PACKAGE = Path(omni.__file__).parents[1]


@pytest.fixture
def note(ctx, skill):
    skill.save(ctx, "We use Postgres.", title="Storage", tags=["decision", "db"])
    return ctx


def test_text_title_and_tags_are_replaced_and_the_rest_stays(note, skill):
    replaced = skill.replace(note, 1, body="We use SQLite.", version=1)
    assert vars(replaced) == {
        "id": 1,
        "title": "Storage",
        "tags": ["db", "decision"],
        "version": 2,
        "previous_version": 1,
        "previous_title": "Storage",
        "previous_tags": ["db", "decision"],
        "previous_body": "We use Postgres.",
    }
    assert skill.replace(note, 1, title=" Where data is ").title == "Where data is"
    assert skill.replace(note, 1, tags=["Final"]).tags == ["final"]
    assert skill.replace(note, 1, tags=[]).previous_tags == ["final"]
    now = skill.read(note, 1)
    assert (now.title, now.body, now.tags, now.version) == ("Where data is", "We use SQLite.", [], 5)
    assert now.changed >= now.created


def test_what_a_note_was_can_be_read(note, skill):
    skill.replace(note, 1, body="Two.", title="T2", tags=["x", "two words"])
    skill.replace(note, 1, body="Three.")
    assert skill.read(note, 1).earlier == [1, 2]
    first = skill.read(note, 1, version=1)
    assert (first.title, first.body, first.tags) == ("Storage", "We use Postgres.", ["db", "decision"])
    second = skill.read(note, 1, version=2)
    assert (second.title, second.body, second.tags, second.version) == ("T2", "Two.", ["two words", "x"], 2)
    assert skill.read(note, 1, version=3).body == "Three."
    with pytest.raises(ToolError, match="has no version 9; there are 1, 2, 3"):
        skill.read(note, 1, version=9)


def test_a_note_that_somebody_changed_is_not_replaced(note, skill):
    seen = skill.read(note, 1).version
    assert skill.save(note, "Added meanwhile.", append_to=1).version == 2
    with pytest.raises(ToolError, match="has version 2 by now, not 1; nothing was replaced"):
        skill.replace(note, 1, body="mine", tags=["mine"], version=seen)
    now = skill.read(note, 1)
    assert (now.body, now.tags) == ("We use Postgres.\n\nAdded meanwhile.", ["db", "decision"])
    assert skill.replace(note, 1, body="both", version=now.version).version == 3


def test_a_replaced_note_is_found_by_its_new_words_only(note, skill):
    assert [hit.id for hit in skill.find(note, "postgres").notes] == [1]
    skill.replace(note, 1, body="We use SQLite.", tags=["file"])
    assert skill.find(note, "postgres").notes == []
    assert [hit.id for hit in skill.find(note, "sqlite").notes] == [1]
    assert skill.find(note, "sqlite", tag="decision").notes == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "nothing to replace"),
        ({"body": " "}, "`body` is empty"),
        ({"title": " "}, "`title` is empty"),
        ({"body": "x" * 200_001}, "a note may have 200,000"),
        ({"tags": ["x" * 51]}, "cannot be a tag"),
        ({"body": "\ud800"}, "half a character"),
        ({"title": "\ud800"}, "half a character"),
        ({"tags": ["\ud800"]}, "half a character"),
    ],
)
def test_what_cannot_be_stored_replaces_nothing(note, skill, given, said):
    with pytest.raises(ToolError, match=said):
        skill.replace(note, 1, **given)
    now = skill.read(note, 1)
    assert (now.version, now.body, now.tags) == (1, "We use Postgres.", ["db", "decision"])


@pytest.mark.parametrize("number", [0, 2, -1, 2**64])
def test_a_note_that_is_not_there_is_told(note, skill, number):
    with pytest.raises(ToolError, match="there is no note"):
        skill.replace(note, number, body="x")


def test_the_last_fifty_versions_are_kept(note, skill):
    for count in range(55):
        skill.replace(note, 1, body=f"text {count}")
    assert skill.read(note, 1).earlier == list(range(6, 56))


def test_a_deleted_note_takes_its_earlier_versions_along(note, skill):
    skill.replace(note, 1, body="x")
    skill.delete(note, 1)
    database = sqlite3.connect(note.root / ".omni" / "notes.db")
    assert database.execute("SELECT count(*) FROM earlier").fetchone() == (0,)
    database.close()


def test_notes_of_the_first_version_of_the_skill_go_on(ctx, skill):
    (ctx.root / ".omni").mkdir()
    database = sqlite3.connect(ctx.root / ".omni" / "notes.db")
    database.executescript(
        "CREATE TABLE notes (id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT NOT NULL, body TEXT NOT NULL,"
        " created TEXT NOT NULL, changed TEXT NOT NULL);"
        "CREATE TABLE tags (note INTEGER NOT NULL REFERENCES notes (id) ON DELETE CASCADE, tag TEXT NOT NULL,"
        " PRIMARY KEY (tag, note)) WITHOUT ROWID;"
        "CREATE TABLE revisions (notes INTEGER NOT NULL, words INTEGER NOT NULL);"
        "INSERT INTO revisions VALUES (1, 0);"
        "INSERT INTO notes VALUES (7, 'Old', 'kept', '2025', '2025');"
        "PRAGMA user_version = 1;"
    )
    database.close()
    assert (skill.read(ctx, 7).body, skill.read(ctx, 7).version) == ("kept", 1)
    assert skill.replace(ctx, 7, body="new", version=1).previous_body == "kept"
    assert [hit.id for hit in skill.find(ctx, "new").notes] == [7]


def test_of_two_that_read_the_same_version_one_is_told(note):
    """Many processes each count up a number in one note; none is lost."""
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from omni import Context, ToolError\n"
        "from omni.load import load_module\n"
        f"skill = load_module('notes', {str(SKILL)!r}, 'scripts/notes.py')\n"
        f"ctx = Context(root=Path({str(note.root)!r}), skill_dir=Path({str(SKILL)!r}))\n"
        "done = 0\n"
        "while done < 10:\n"
        "    read = skill.read(ctx, 1)\n"
        "    count = int(read.body) if read.body.isdigit() else 0\n"
        "    try:\n"
        "        skill.replace(ctx, 1, body=str(count + 1), version=read.version)\n"
        "    except ToolError as error:\n"
        "        assert 'by now' in str(error), error\n"
        "        continue\n"
        "    done += 1\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE)}
    running = [subprocess.Popen([sys.executable, "-c", program], env=environment) for _ in range(4)]
    assert [process.wait() for process in running] == [0] * 4
    skill = sys.modules["omni_skills.notes.notes"]
    assert skill.read(note, 1).body == "40"


@pytest.mark.parametrize("word", ["word ", "漢字", "a1;"])
def test_a_long_note_comes_in_pieces(ctx, skill, word):
    body = (word * 100_000)[:200_000].strip()
    skill.save(ctx, body, title="Long")
    pieces, start = [], 0
    while start is not None:
        piece = skill.read(ctx, 1, start=start)
        assert tokens(piece.body) <= DATA_TOKENS
        pieces.append(piece.body)
        start = piece.next
    assert "".join(pieces) == body
    with pytest.raises(ToolError, match="`start` is"):
        skill.read(ctx, 1, start=len(body))
    assert tokens(str(skill.replace(ctx, 1, body="short"))) < DATA_TOKENS


def test_lists_and_finds_are_bounded(ctx, skill):
    for count in range(120):
        tags = [f"{'tag' * 15}{count} {n}"[:50] for n in range(20)]
        skill.save(ctx, "the same words " * 20, title="title " * 30, tags=tags)
    found = skill.find(ctx, "words", limit=100)
    assert tokens(str(found)) < DATA_TOKENS * 1.2
    assert found.more
    listed = skill.list_notes(ctx, limit=1000)
    assert tokens(str(listed)) < DATA_TOKENS * 1.8
    assert (listed.more, listed.total) == (True, 120)
    after = skill.list_notes(ctx, limit=1000, skip=len(listed.notes))
    assert after.notes[0].id == listed.notes[-1].id - 1
