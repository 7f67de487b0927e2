"""Where do notes live, and how do several workers write them at once without losing one?

One SQLite database in write-ahead mode. Every change is one immediate transaction, so that two workers
queue at its beginning instead of failing in its middle. The full-text index is kept in step by a
revision number: a Python whose SQLite has no FTS5 can still write, and the next one that has it notices
and rebuilds.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from time import monotonic, sleep

from omni import Context, ToolError

# How long one worker waits for another's transaction.
_BUSY_SECONDS = 10
_SCHEMA_VERSION = 1

_SCHEMA = """
CREATE TABLE notes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    title TEXT NOT NULL,
    body TEXT NOT NULL,
    created TEXT NOT NULL,
    changed TEXT NOT NULL
);
CREATE TABLE tags (
    note INTEGER NOT NULL REFERENCES notes (id) ON DELETE CASCADE,
    tag TEXT NOT NULL,
    PRIMARY KEY (tag, note)
) WITHOUT ROWID;
CREATE INDEX tags_of ON tags (note);
CREATE TABLE revisions (notes INTEGER NOT NULL, words INTEGER NOT NULL);
INSERT INTO revisions VALUES (0, 0);
"""


class Store:
    """The notes of a project, open for one call.

    Args:
        database: An open connection, its schema in place.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self.database = database

    @contextmanager
    def change(self) -> Iterator[None]:
        """Make everything in the block one change: all of it happens, or, after an exception, nothing."""
        self.database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.database.execute("UPDATE revisions SET notes = notes + 1")
            self.database.execute("COMMIT")
        except BaseException:
            if self.database.in_transaction:
                self.database.execute("ROLLBACK")
            raise

    def index_words(self) -> bool:
        """Bring the full-text index up to date.

        Returns:
            Whether there is one: not every SQLite has FTS5.
        """
        database = self.database
        if not _has_full_text(database):
            return False
        if _up_to_date(database):
            return True
        with self._rebuilding():
            # Another worker may have done it while this one waited.
            if not _up_to_date(database):
                database.execute("DROP TABLE IF EXISTS words")
                database.execute(
                    "CREATE VIRTUAL TABLE words USING fts5 "
                    '(title, body, tags, tokenize = "unicode61 remove_diacritics 2")'
                )
                database.execute(
                    "INSERT INTO words (rowid, title, body, tags) SELECT id, title, body, "
                    "coalesce((SELECT group_concat(tag, ' ') FROM tags WHERE note = id), '') FROM notes"
                )
                database.execute("UPDATE revisions SET words = notes")
        return True

    @contextmanager
    def _rebuilding(self) -> Iterator[None]:
        self.database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.database.execute("COMMIT")
        except BaseException:
            if self.database.in_transaction:
                self.database.execute("ROLLBACK")
            raise

    def tags_of(self, note: int) -> list[str]:
        """Return the tags of a note in order."""
        return [row[0] for row in self.database.execute("SELECT tag FROM tags WHERE note = ? ORDER BY tag", (note,))]


@contextmanager
def opened(ctx: Context) -> Iterator[Store]:
    """Open the notes of the call's project, which are made on first use, and close them afterwards.

    They are in `.omni/notes.db` beneath the project root, or where the setting `path` says.

    Raises:
        ToolError: The database cannot be opened, is damaged, or was written by a newer version.
    """
    try:
        path = _path(ctx)
    except OSError as error:
        raise ToolError(f"the folder of the notes cannot be made: {error}; set `path` in `[skills.notes]`") from None
    try:
        database = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
        try:
            _use_write_ahead(database)
            # In write-ahead mode this survives a crash of the program; a loss of power may cost the last note.
            database.execute("PRAGMA synchronous = NORMAL")
            database.execute("PRAGMA foreign_keys = ON")
            _ensure_schema(database, path)
            yield Store(database)
        finally:
            database.close()
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise ToolError(f"another program has been writing `{path}` for {_BUSY_SECONDS} s; try again") from None
        raise ToolError(f"the notes in `{path}` cannot be used: {error}") from None
    except sqlite3.DatabaseError as error:
        raise ToolError(
            f"`{path}` is damaged or no database of notes ({error}); nothing was changed. Ask the user to move the "
            "file away; a new one is made then"
        ) from None


def now() -> str:
    """Return this moment as text that sorts by time."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _path(ctx: Context) -> Path:
    given = ctx.settings.get("path")
    if given is not None:
        path = ctx.root / os.path.expanduser(given)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path
    folder = ctx.root / ".omni"
    if folder.is_symlink():
        raise ToolError(f"`{folder}` is a symbolic link; notes are not kept behind one. Set `path` in `[skills.notes]`")
    if not folder.exists():
        folder.mkdir(exist_ok=True)
        # Notes are the user's, not the repository's.
        (folder / ".gitignore").write_text("*\n")
    return folder / "notes.db"


def _use_write_ahead(database: sqlite3.Connection) -> None:
    # While another worker changes the mode, SQLite says "locked" at once instead of waiting, since two that
    # wait for each other here would do so for ever.
    until = monotonic() + _BUSY_SECONDS
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or monotonic() > until:
                raise
            sleep(0.01)
        else:
            return


def _ensure_schema(database: sqlite3.Connection, path: Path) -> None:
    version = _version(database)
    if version == 0:
        database.execute("BEGIN IMMEDIATE")
        try:
            # Another worker may have made it while this one waited.
            if _version(database) == 0:
                for statement in _SCHEMA.split(";\n"):
                    database.execute(statement)
                database.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
            database.execute("COMMIT")
        except BaseException:
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise
        version = _version(database)
    if version > _SCHEMA_VERSION:
        raise ToolError(f"`{path}` was written by a newer version of this skill; update it, or set another `path`")


def _version(database: sqlite3.Connection) -> int:
    return int(database.execute("PRAGMA user_version").fetchone()[0])


def _has_full_text(database: sqlite3.Connection) -> bool:
    try:
        return database.execute("SELECT 1 FROM pragma_module_list WHERE name = 'fts5'").fetchone() is not None
    except sqlite3.OperationalError:
        # A SQLite before 3.30 cannot say what it has.
        return False


def _up_to_date(database: sqlite3.Connection) -> bool:
    notes, words = database.execute("SELECT notes, words FROM revisions").fetchone()
    return notes == words and _has_words(database)


def _has_words(database: sqlite3.Connection) -> bool:
    return database.execute("SELECT 1 FROM sqlite_master WHERE name = 'words'").fetchone() is not None
