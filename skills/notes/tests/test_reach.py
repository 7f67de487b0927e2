"""That notes are kept where they belong: no link, no made file leads out of the root."""

from __future__ import annotations

import os
import shutil
import sqlite3
import struct

import pytest

from omni import ToolError


@pytest.fixture
def outside(ctx):
    """A folder beside the root with somebody's database in it."""
    folder = ctx.root.parent / "outside"
    folder.mkdir()
    with sqlite3.connect(folder / "notes.db") as database:
        database.execute("CREATE TABLE secrets AS SELECT 'secret' AS text")
    database.close()
    return folder


def calls(skill, ctx):
    return {
        "save": lambda: skill.save(ctx, "x"),
        "find": lambda: skill.find(ctx, "secret"),
        "list": lambda: skill.list_notes(ctx),
        "read": lambda: skill.read(ctx, 1),
        "delete": lambda: skill.delete(ctx, 1),
    }


def folder_of(ctx):
    (ctx.root / ".omni").mkdir(exist_ok=True)
    return ctx.root / ".omni"


WAYS_OUT = {
    "the folder is a link": lambda ctx, outside: os.symlink(outside, ctx.root / ".omni"),
    "the folder is a relative link": lambda ctx, outside: os.symlink("../outside", ctx.root / ".omni"),
    "the folder is a link through a link": lambda ctx, outside: (
        os.symlink(outside, ctx.root / "away"), os.symlink("away", ctx.root / ".omni"),
    ),
    "the database is a link": lambda ctx, outside: os.symlink(outside / "notes.db", folder_of(ctx) / "notes.db"),
    "the database is a link to nothing yet": lambda ctx, outside: os.symlink(
        outside / "new.db", folder_of(ctx) / "notes.db"
    ),
    "the log is a link": lambda ctx, outside: os.symlink(outside / "log", folder_of(ctx) / "notes.db-wal"),
    "the index of the log is a link": lambda ctx, outside: os.symlink(outside / "i", folder_of(ctx) / "notes.db-shm"),
    "the journal is a link": lambda ctx, outside: os.symlink(
        outside / "notes.db", folder_of(ctx) / "notes.db-journal"
    ),
    "the database is a named pipe": lambda ctx, outside: os.mkfifo(folder_of(ctx) / "notes.db"),
    "the log is a named pipe": lambda ctx, outside: os.mkfifo(folder_of(ctx) / "notes.db-wal"),
    "the database is a folder": lambda ctx, outside: (folder_of(ctx) / "notes.db").mkdir(),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS_OUT)
def test_notes_follow_nothing_out_of_the_root(ctx, skill, outside, way):
    WAYS_OUT[way](ctx, outside)
    before = {path.name: path.read_bytes() for path in outside.iterdir()}
    for call in calls(skill, ctx).values():
        with pytest.raises(ToolError, match="symbolic link|not a regular file|leads out of"):
            call()
    assert {path.name: path.read_bytes() for path in outside.iterdir()} == before


@pytest.mark.parametrize("path", ["kept/link/notes.db", "kept/notes.db"])
def test_a_path_of_the_settings_beneath_the_root_is_walked_too(ctx, skill, call_with, outside, path):
    (ctx.root / "kept").mkdir()
    os.symlink(outside, ctx.root / "kept" / "link")
    os.symlink(outside / "notes.db", ctx.root / "kept" / "notes.db")
    for setting in (path, str(ctx.root / path)):
        with pytest.raises(ToolError, match="symbolic link"):
            skill.save(call_with(settings={"path": setting}), "x")


def test_links_within_the_root_and_places_that_the_user_names_work(ctx, skill, call_with, outside):
    (ctx.root / "real").mkdir()
    os.symlink("real", ctx.root / ".omni")
    assert skill.save(ctx, "x").id == 1
    assert (ctx.root / "real" / "notes.db").exists()
    for setting in (str(outside / "mine" / "n.db"), "../outside/mine/n.db"):
        call = call_with(settings={"path": setting})
        skill.save(call, "y")
    assert skill.list_notes(call).total == 2


def test_a_made_journal_deletes_no_file(ctx, skill, outside):
    """SQLite deletes the file that the journal of several databases names, when it rolls one of them back."""
    skill.save(ctx, "x")
    victim = outside / "victim.txt"
    victim.write_text("not a journal\n")
    folder = ctx.root / ".omni"
    make_journal(folder / "notes.db", victim)
    for call in calls(skill, ctx).values():
        with pytest.raises(ToolError, match="names another file"):
            call()
    assert victim.exists()
    # The control: plain SQLite deletes it.
    shutil.copy(folder / "notes.db", outside / "copy.db")
    make_journal(outside / "copy.db", victim)
    database = sqlite3.connect(outside / "copy.db")
    try:
        database.execute("SELECT * FROM sqlite_master").fetchall()
    except sqlite3.Error:
        pass
    database.close()
    assert not victim.exists()


def make_journal(path, victim):
    mark = bytes.fromhex("d9d505f920a163d7")
    head = mark + struct.pack(">IIIII", 0, 1234, path.stat().st_size // 4096, 512, 4096)
    name = os.fsencode(victim)
    end = struct.pack(">I", 0x40000000 // 4096 + 1) + name + struct.pack(">II", len(name), sum(name)) + mark
    path.with_name(path.name + "-journal").write_bytes(head.ljust(512, b"\0") + end)


def test_a_file_put_in_the_place_of_the_database_while_it_is_opened_is_not_used(
    ctx, skill, helper, outside, monkeypatch
):
    store = helper("_store")
    skill.save(ctx, "x")
    check = store._check_files

    def check_then_swap(folder, name, path):
        found = check(folder, name, path)
        os.rename(path, path.with_name("aside.db"))
        os.symlink(outside / "notes.db", path)
        return found

    monkeypatch.setattr(store, "_check_files", check_then_swap)
    before = (outside / "notes.db").read_bytes()
    with pytest.raises(ToolError, match="replaced while it was opened"):
        skill.find(ctx, "secret")
    assert (outside / "notes.db").read_bytes() == before
