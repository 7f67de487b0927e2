"""What should be remembered beyond this conversation, and what was?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

from omni import Context, ToolError, tool

from ._store import Store, now, opened

TITLE_CHARS_MAX = 200
BODY_CHARS_MAX = 200_000
TAGS_MAX = 20
SNIPPET_CHARS = 160


@dataclass
class Saved:
    """A note that was written."""

    id: int
    title: str
    tags: list[str]
    created: bool


@dataclass
class Note:
    """A whole note."""

    id: int
    title: str
    body: str
    tags: list[str]
    created: str
    changed: str


@dataclass
class Hit:
    """A note that was found, with the place that matches."""

    id: int
    title: str
    tags: list[str]
    changed: str
    snippet: str


@dataclass
class Hits:
    """What a search found, the best first."""

    notes: list[Hit]
    # Whether there are more.
    more: bool


@dataclass
class Entry:
    """A note in a list."""

    id: int
    title: str
    tags: list[str]
    changed: str
    characters: int


@dataclass
class Listing:
    """Notes, the one changed last first."""

    notes: list[Entry]
    # How many there are in all.
    total: int
    # Every tag in use.
    tags: list[str]


@dataclass
class Deleted:
    """A note that is gone."""

    id: int
    title: str


@tool(title="Save a note", read_only=False, destructive=False, idempotent=False, open_world=False, timeout=30)
def save(
    ctx: Context,
    body: str,
    title: Optional[str] = None,
    tags: Optional[list[str]] = None,
    append_to: Optional[int] = None,
) -> Saved:
    """Save a note for later conversations, or add to one that exists. Nothing that was saved is overwritten.

    Worth saving: decisions and their reasons, what was tried and failed, commands that work, what the user wants
    done their way. Search with `notes.find` first and add to the note that is there.

    Args:
        body: The text, in Markdown. It is read without this conversation: name things in full.
        title: One line that says what it is about; the body's first line when left out.
        tags: Words to find it by, such as `decision` or `build`.
        append_to: The id of a note to add to. A title is not needed then; tags are added to its own.

    Returns:
        The note's id.
    """
    if not body.strip():
        raise ToolError("`body` is empty; write down what should be remembered")
    if len(body) > BODY_CHARS_MAX:
        raise ToolError(f"`body` has {len(body):,} characters; a note may have {BODY_CHARS_MAX:,}. Keep a file instead")
    words = _tags(tags)
    with opened(ctx) as store:
        if append_to is not None:
            return _append(store, append_to, title, body, words)
        heading = (title or body.strip().split("\n")[0].lstrip("# "))[:TITLE_CHARS_MAX].strip() or "Note"
        with store.change():
            moment = now()
            added = store.database.execute(
                "INSERT INTO notes (title, body, created, changed) VALUES (?, ?, ?, ?)",
                (heading, body, moment, moment),
            )
            note = int(added.lastrowid or 0)
            _tag(store, note, words)
        return Saved(note, heading, words, created=True)


@tool(title="Find notes", read_only=True, open_world=False, timeout=30)
def find(ctx: Context, query: str, tag: Optional[str] = None, limit: int = 10) -> Hits:
    """Search the notes in full text: titles, bodies and tags. Use it at the beginning of a task, to know what is known.

    Notes that have all the words come first, then those that have some. A word also finds longer ones that begin
    with it; case and accents do not matter.

    Args:
        query: Words to look for.
        tag: Only notes with this tag.
        limit: The most notes to return, up to 100.

    Returns:
        Each note's id and title with the place that matches. Read it with `notes.read`.
    """
    limit = _between("limit", limit, 1, 100)
    words = re.findall(r"\w+", query)[:20]
    if not words:
        raise ToolError("`query` has no words; to see every note use `notes.list`")
    wanted = None if tag is None else _tags([tag])[0]
    with opened(ctx) as store:
        found = _search_words(store, words, wanted, limit + 1) if store.index_words() else []
        if not found:
            # Without an index, and for scripts that put no blanks between words.
            found = _search_text(store, words, wanted, limit + 1)
        hits = [
            Hit(note, title, store.tags_of(note), changed, _snippet(body, words))
            for note, title, body, changed in found[:limit]
        ]
        return Hits(hits, len(found) > limit)


@tool(name="list", title="List notes", read_only=True, open_world=False, timeout=30)
def list_notes(ctx: Context, tag: Optional[str] = None, limit: int = 50, skip: int = 0) -> Listing:
    """List the notes, the one changed last first, and the tags in use.

    Args:
        tag: Only notes with this tag.
        limit: The most notes to return, up to 1,000.
        skip: How many to leave out first, to read on.

    Returns:
        Titles and ids, without the bodies.
    """
    limit = _between("limit", limit, 1, 1000)
    skip = _between("skip", skip, 0, 10_000_000)
    wanted = None if tag is None else _tags([tag])[0]
    with opened(ctx) as store:
        condition, given = _tagged(wanted)
        total = store.database.execute(f"SELECT count(*) FROM notes WHERE {condition}", given).fetchone()[0]
        rows = store.database.execute(
            f"SELECT id, title, changed, length(body) FROM notes WHERE {condition} "
            "ORDER BY changed DESC, id DESC LIMIT ? OFFSET ?",
            (*given, limit, skip),
        ).fetchall()
        entries = [Entry(note, title, store.tags_of(note), changed, size) for note, title, changed, size in rows]
        tags = [row[0] for row in store.database.execute("SELECT DISTINCT tag FROM tags ORDER BY tag")]
        return Listing(entries, total, tags)


@tool(title="Read a note", read_only=True, open_world=False, timeout=30)
def read(ctx: Context, id: int) -> Note:  # noqa: A002 - the name that the other tools return it under
    """Read a whole note.

    Args:
        id: The note's id, from `notes.find` or `notes.list`.

    Returns:
        Its title, body, tags and dates.
    """
    with opened(ctx) as store:
        row = store.database.execute(
            "SELECT id, title, body, created, changed FROM notes WHERE id = ?", (_id(id),)
        ).fetchone()
        if row is None:
            raise _missing(id)
        note, title, body, created, changed = row
        return Note(note, title, body, store.tags_of(note), created, changed)


@tool(title="Delete a note", read_only=False, destructive=True, idempotent=False, open_world=False, timeout=30)
def delete(ctx: Context, id: int) -> Deleted:  # noqa: A002 - as in `read`
    """Delete a note for good. Ask the user first, unless they asked for it.

    Args:
        id: The note's id, from `notes.find` or `notes.list`.

    Returns:
        What was deleted. Its id is not used again.
    """
    with opened(ctx) as store, store.change():
        row = store.database.execute("SELECT title FROM notes WHERE id = ?", (_id(id),)).fetchone()
        if row is None:
            raise _missing(id)
        store.database.execute("DELETE FROM notes WHERE id = ?", (id,))
        return Deleted(id, row[0])


def _append(store: Store, note: int, title: Optional[str], body: str, tags: Sequence[str]) -> Saved:
    with store.change():
        row = store.database.execute("SELECT title, body FROM notes WHERE id = ?", (_id(note),)).fetchone()
        if row is None:
            raise _missing(note)
        heading, before = row
        addition = body if title is None else f"## {title}\n\n{body}"
        whole = f"{before.rstrip()}\n\n{addition}"
        if len(whole) > BODY_CHARS_MAX:
            raise ToolError(f"note {note} would have {len(whole):,} characters; begin a new one")
        store.database.execute("UPDATE notes SET body = ?, changed = ? WHERE id = ?", (whole, now(), note))
        _tag(store, note, tags)
    return Saved(note, heading, store.tags_of(note), created=False)


def _search_words(
    store: Store, words: Sequence[str], tag: Optional[str], limit: int
) -> list[tuple[int, str, str, str]]:
    condition, given = _tagged(tag)
    # A word in double quotes is a word, whatever FTS5 would make of `AND` or `*`.
    prefixes = [f'"{word}"*' for word in words]
    statement = (
        f"SELECT id, notes.title, notes.body, changed FROM words JOIN notes ON id = words.rowid "
        f"WHERE words MATCH ? AND {condition} "
        # Titles and tags say what a note is about.
        "ORDER BY bm25(words, 4.0, 1.0, 3.0), changed DESC LIMIT ?"
    )
    found = store.database.execute(statement, (" AND ".join(prefixes), *given, limit)).fetchall()
    if len(found) < limit and len(words) > 1:
        seen = {row[0] for row in found}
        some = store.database.execute(statement, (" OR ".join(prefixes), *given, limit)).fetchall()
        found += [row for row in some if row[0] not in seen]
    return found[:limit]


def _search_text(store: Store, words: Sequence[str], tag: Optional[str], limit: int) -> list[tuple[int, str, str, str]]:
    condition, given = _tagged(tag)
    patterns = ["%" + re.sub(r"([%_\\])", r"\\\1", word) + "%" for word in words]
    searched = (
        "(title || ' ' || body || ' ' || coalesce((SELECT group_concat(tag, ' ') FROM tags WHERE note = id), ''))"
    )
    each = " + ".join(f"({searched} LIKE ? ESCAPE '\\')" for _ in patterns)
    return store.database.execute(
        f"SELECT id, title, body, changed FROM (SELECT *, {each} AS matching FROM notes WHERE {condition}) "
        "WHERE matching > 0 ORDER BY matching DESC, changed DESC LIMIT ?",
        (*patterns, *given, limit),
    ).fetchall()


def _tagged(tag: Optional[str]) -> tuple[str, tuple[str, ...]]:
    """Return the condition for notes with a tag, and what it is asked with."""
    if tag is None:
        return "1", ()
    return "id IN (SELECT note FROM tags WHERE tag = ?)", (tag,)


def _snippet(body: str, words: Sequence[str]) -> str:
    flat = " ".join(body.split())
    found = re.search("|".join(re.escape(word) for word in words), flat, re.IGNORECASE)
    start = max(0, (found.start() if found else 0) - SNIPPET_CHARS // 3)
    cut = flat[start : start + SNIPPET_CHARS]
    return ("…" if start else "") + cut + ("…" if start + SNIPPET_CHARS < len(flat) else "")


def _tags(tags: Optional[Sequence[str]]) -> list[str]:
    words = list(dict.fromkeys(" ".join(tag.casefold().split()).lstrip("#") for tag in tags or []))
    if len(words) > TAGS_MAX:
        raise ToolError(f"{len(words)} tags; a note may have {TAGS_MAX}")
    for word in words:
        if not word or len(word) > 50:
            raise ToolError(f"`{word[:60]}` cannot be a tag; use a word of at most 50 characters")
    return words


def _tag(store: Store, note: int, tags: Sequence[str]) -> None:
    store.database.executemany("INSERT OR IGNORE INTO tags (note, tag) VALUES (?, ?)", [(note, tag) for tag in tags])


def _id(note: int) -> int:
    if not 0 < note < 2**63:
        raise _missing(note)
    return note


def _missing(note: int) -> ToolError:
    return ToolError(f"there is no note {note}; search with `notes.find` or see `notes.list`")


def _between(name: str, value: int, low: int, high: int) -> int:
    if not low <= value <= high:
        raise ToolError(f"`{name}` is {value}; it must be between {low:,} and {high:,}")
    return value
