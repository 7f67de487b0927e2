"""Where do notes live, and how do several workers write them at once without losing one?

One SQLite database in write-ahead mode. Every change is one immediate transaction, so that two workers
queue at its beginning instead of failing in its middle. The full-text index is kept in step by a
revision number: a Python whose SQLite has no FTS5 can still write, and the next one that has it notices
and rebuilds.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from time import monotonic, sleep
from urllib.parse import quote

from omni import Context, ToolError
from omni.safe_paths import place

# How long one worker waits for another's transaction.
_BUSY_SECONDS = 10
_SCHEMA_VERSION = 2
# So many earlier texts of a note are kept.
_EARLIER_MAX = 50
# What ends a rollback journal that names a journal of several databases (https://sqlite.org/fileformat.html).
_JOURNAL_MARK = bytes.fromhex("d9d505f920a163d7")

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

# What came with each version of the schema after the first.
_ADDED = {
    2: """
ALTER TABLE notes ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
CREATE TABLE earlier (
    note INTEGER NOT NULL REFERENCES notes (id) ON DELETE CASCADE,
    version INTEGER NOT NULL,
    title TEXT NOT NULL,
    body TEXT NOT NULL,
    tags TEXT NOT NULL,
    changed TEXT NOT NULL,
    PRIMARY KEY (note, version)
);
""",
}


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

    def keep_earlier(self, note: int) -> None:
        """Keep a note as it is now among its earlier texts, before it is changed in the same transaction."""
        self.database.execute(
            "INSERT INTO earlier (note, version, title, body, tags, changed) "
            "SELECT id, version, title, body, ?, changed FROM notes WHERE id = ?",
            ("\n".join(self.tags_of(note)), note),
        )
        self.database.execute(
            "DELETE FROM earlier WHERE note = ? AND version <= (SELECT version FROM notes WHERE id = ?) - ?",
            (note, note, _EARLIER_MAX),
        )

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
    with _place(ctx) as (folder, name, path):
        yield from _opened(folder, name, path)


def _opened(folder: int, name: str, path: Path) -> Iterator[Store]:
    try:
        made = _check_files(folder, name, path)
        # `mode=rw`: never made by SQLite, which would make it where a link leads.
        database = sqlite3.connect(
            f"file:{quote(str(path))}?mode=rw", uri=True, timeout=_BUSY_SECONDS, isolation_level=None
        )
        try:
            # A schema that somebody else wrote calls no function with effects.
            database.execute("PRAGMA trusted_schema = OFF")
            database.execute("SELECT count(*) FROM sqlite_master").fetchone()
            _check_opened(made, path)
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


@contextmanager
def _place(ctx: Context) -> Iterator[tuple[int, str, Path]]:
    """Hold the folder of the database, and give its name and path. Beneath the root no link out is followed."""
    given = ctx.settings.get("path")
    root = Path(os.path.realpath(ctx.root))
    chosen = os.path.normpath(root / os.path.expanduser(given or ".omni/notes.db"))
    if chosen.startswith(f"{str(root).rstrip('/')}/"):
        is_new = given is None and not os.path.lexists(root / ".omni")
        with place(root, chosen, make_folders=True) as here:
            if is_new:
                # Notes are the user's, not the repository's.
                _write_new(here.folder, ".gitignore", b"*\n")
            yield here.folder, here.name, root / here.path
        return
    # Elsewhere only because the user says so, who may use links of theirs.
    real = Path(os.path.realpath(chosen))
    try:
        real.parent.mkdir(parents=True, exist_ok=True)
        folder = os.open(real.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise ToolError(f"the folder of the notes cannot be made: {error}; set `path` in `[skills.notes]`") from None
    try:
        yield folder, real.name, real
    finally:
        os.close(folder)


def _check_files(folder: int, name: str, path: Path) -> tuple[int, int]:
    """Make the database's file where it is missing, and check it and those that SQLite keeps beside it.

    Returns:
        What file it is, as device and number.
    """
    try:
        _write_new(folder, name, b"")
        for ending in ("", "-wal", "-shm", "-journal"):
            found = _regular(folder, name + ending, f"{path}{ending}")
            if ending == "-journal" and found is not None:
                _refuse_super_journal(folder, name + ending, f"{path}{ending}")
        information = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        raise ToolError(f"`{path}` cannot be opened: {error.strerror}; set `path` in `[skills.notes]`") from None
    return information.st_dev, information.st_ino


def _regular(folder: int, name: str, shown: str) -> os.stat_result | None:
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        kind = "a symbolic link" if stat.S_ISLNK(found.st_mode) else "not a regular file"
        raise ToolError(
            f"`{shown}` is {kind}; notes are kept in a file. Move it away, or set `path` in `[skills.notes]`"
        )
    return found


def _refuse_super_journal(folder: int, name: str, shown: str) -> None:
    """Refuse a journal of several databases: SQLite deletes the file that it names, wherever that is."""
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    with os.fdopen(descriptor, "rb") as file:
        file.seek(max(0, os.fstat(descriptor).st_size - len(_JOURNAL_MARK)))
        if file.read() == _JOURNAL_MARK:
            raise ToolError(
                f"`{shown}` names another file, which SQLite would delete; no note is written so. Move it away"
            )


def _check_opened(made: tuple[int, int], path: Path) -> None:
    """Check that SQLite, which opens by path, has opened the file that was checked."""
    for descriptor in os.listdir("/dev/fd"):
        try:
            information = os.stat(int(descriptor))
        except OSError:
            # The listing's own descriptor, closed by now.
            continue
        if (information.st_dev, information.st_ino) == made:
            return
    raise ToolError(f"`{path}` was replaced while it was opened; try again")


def _write_new(folder: int, name: str, data: bytes) -> None:
    """Write a file unless something of that name is there. Links are not followed."""
    try:
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=folder)
    except FileExistsError:
        return
    try:
        os.write(descriptor, data)
    finally:
        os.close(descriptor)


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
    if version < _SCHEMA_VERSION:
        database.execute("BEGIN IMMEDIATE")
        try:
            # Another worker may have made it while this one waited.
            made = _version(database)
            steps = [_SCHEMA] if made == 0 else []
            steps += [step for number, step in sorted(_ADDED.items()) if number > made]
            for statement in "".join(steps).split(";\n"):
                database.execute(statement)
            if made < _SCHEMA_VERSION:
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
