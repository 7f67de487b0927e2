"""What should be remembered beyond this conversation, and what was?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional, TypeVar

from omni import Context, ToolError, tool
from omni.answer_size import DATA_TOKENS, fitting, tokens

from ._store import Store, now, opened

TITLE_CHARS_MAX = 200
BODY_CHARS_MAX = 200_000
TAGS_MAX = 20
SNIPPET_CHARS = 160
# So many tags are named beside a list.
TAGS_NAMED_MAX = 200


@dataclass
class Saved:
    """A note that was written."""

    id: int
    title: str
    tags: list[str]
    created: bool
    # Grows with each change.
    version: int


@dataclass
class Note:
    """A whole note, or a piece of a long one."""

    id: int
    title: str
    body: str
    tags: list[str]
    created: str
    changed: str
    # Grows with each change; `notes_replace` takes it.
    version: int
    # Earlier versions that can be read.
    earlier: list[int]
    # Where a long body goes on: the next `start`; `null` when this is its end.
    next: Optional[int]


@dataclass
class Replaced:
    """A note that was replaced, and what it was before."""

    id: int
    title: str
    tags: list[str]
    version: int
    # What it was; `notes_read` gives it with this version.
    previous_version: int
    previous_title: str
    previous_tags: list[str]
    # The text before, cut when it is long; `null` when the text was not replaced.
    previous_body: Optional[str]


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


# A note in an answer.
_Row = TypeVar("_Row", Hit, Entry)


@dataclass
class Listing:
    """Notes, the one changed last first."""

    notes: list[Entry]
    # How many there are in all.
    total: int
    # The tags in use, the first 200.
    tags: list[str]
    # Whether there are more notes; go on with `skip`.
    more: bool


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
    """Save a note for later conversations, or add to one that exists. To correct one use `notes_replace`.

    Worth saving: decisions and their reasons, what was tried and failed, commands that work, what the user wants
    done their way. Search with `notes_find` first and add to the note that is there.

    Args:
        body: The text, in Markdown. It is read without this conversation: name things in full.
        title: One line that says what it is about; the body's first line when left out.
        tags: Words to find it by, such as `decision` or `build`.
        append_to: The id of a note to add to. A title is not needed then; tags are added to its own.

    Returns:
        The note's id.
    """
    _check_body(body)
    _check_text("title", title or "")
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
        return Saved(note, heading, words, created=True, version=1)


@tool(title="Replace a note", read_only=False, destructive=True, idempotent=False, open_world=False, timeout=30)
def replace(
    ctx: Context,
    id: int,  # noqa: A002 - as in `read`
    body: Optional[str] = None,
    title: Optional[str] = None,
    tags: Optional[list[str]] = None,
    version: Optional[int] = None,
) -> Replaced:
    """Replace the text, the title or the tags of a note. What is left out stays, and what was there is kept.

    Read the note first and give its `version`: when somebody has changed it since, nothing is replaced. To add
    something use `notes_save` with `append_to`.

    Args:
        id: The note's id, from `notes_find` or `notes_list`.
        body: The whole new text.
        title: The new title.
        tags: All tags it shall have; an empty list removes them.
        version: The version that was read.

    Returns:
        The note's new version, and what it was: `notes_read` with `version` gives that text again.
    """
    if body is None and title is None and tags is None:
        raise ToolError("nothing to replace; give `body`, `title` or `tags`")
    if body is not None:
        _check_body(body)
    _check_text("title", title or "")
    if title is not None and not title.strip():
        raise ToolError("`title` is empty; leave it out to keep the title that is there")
    with opened(ctx) as store, store.change():
        row = store.database.execute("SELECT title, body, version FROM notes WHERE id = ?", (_id(id),)).fetchone()
        if row is None:
            raise _missing(id)
        old_title, old_body, known = row
        if version is not None and version != known:
            raise ToolError(
                f"note {id} has version {known} by now, not {version}; nothing was replaced. Read it again, and bring "
                "what is new there into your text"
            )
        old_tags = store.tags_of(id)
        store.keep_earlier(id)
        heading = old_title if title is None else title.strip()[:TITLE_CHARS_MAX]
        store.database.execute(
            "UPDATE notes SET title = ?, body = ?, changed = ?, version = version + 1 WHERE id = ?",
            (heading, old_body if body is None else body, now(), id),
        )
        if tags is not None:
            words = _tags(tags)
            store.database.execute("DELETE FROM tags WHERE note = ?", (id,))
            _tag(store, id, words)
        previous = None
        if body is not None:
            shown = fitting(old_body, DATA_TOKENS // 2)
            previous = old_body if shown == len(old_body) else f"{old_body[:shown]}… [{len(old_body) - shown:,} more]"
        return Replaced(id, heading, store.tags_of(id), known + 1, known, old_title, old_tags, previous)


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
        Each note's id and title with the place that matches. Read it with `notes_read`.
    """
    limit = _between("limit", limit, 1, 100)
    words = re.findall(r"\w+", query)[:20]
    if not words:
        raise ToolError("`query` has no words; to see every note use `notes_list`")
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
        kept = _fitting(hits)
        return Hits(kept, len(found) > len(kept))


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
        tags = [
            row[0]
            for row in store.database.execute("SELECT DISTINCT tag FROM tags ORDER BY tag LIMIT ?", (TAGS_NAMED_MAX,))
        ]
        kept = _fitting(entries)
        return Listing(kept, total, tags, skip + len(kept) < total)


@tool(title="Read a note", read_only=True, open_world=False, timeout=30)
def read(
    ctx: Context,
    id: int,  # noqa: A002 - the name that the other tools return it under
    version: Optional[int] = None,
    start: int = 0,
) -> Note:
    """Read a whole note, or what it was before it was changed.

    Args:
        id: The note's id, from `notes_find` or `notes_list`.
        version: An earlier version, as `earlier` names them; the newest when left out.
        start: Where to go on in a long text: the number of characters to leave out.

    Returns:
        Its title, body, tags and dates. A long body comes in pieces; `next` is the `start` of the next one.
    """
    start = _between("start", start, 0, BODY_CHARS_MAX)
    with opened(ctx) as store:
        row = store.database.execute(
            "SELECT id, title, body, created, changed, version FROM notes WHERE id = ?", (_id(id),)
        ).fetchone()
        if row is None:
            raise _missing(id)
        note, title, body, created, changed, known = row
        tags = store.tags_of(note)
        earlier = [
            found for (found,) in store.database.execute("SELECT version FROM earlier WHERE note = ? ORDER BY 1", (id,))
        ]
        if version is not None and version != known:
            if version not in earlier:
                kept = ", ".join(str(number) for number in [*earlier, known])
                raise ToolError(f"note {id} has no version {version}; there are {kept}")
            title, body, joined, changed = store.database.execute(
                "SELECT title, body, tags, changed FROM earlier WHERE note = ? AND version = ?", (id, version)
            ).fetchone()
            tags, known = joined.split("\n") if joined else [], version
        if start and start >= len(body):
            raise ToolError(f"the text of note {id} has {len(body):,} characters; `start` is {start:,}")
        end = start + fitting(body[start:], DATA_TOKENS)
        return Note(
            note, title, body[start:end], tags, created, changed, known, earlier, end if end < len(body) else None
        )


@tool(title="Delete a note", read_only=False, destructive=True, idempotent=False, open_world=False, timeout=30)
def delete(ctx: Context, id: int) -> Deleted:  # noqa: A002 - as in `read`
    """Delete a note for good, with its earlier versions. Ask the user first, unless they asked for it.

    Args:
        id: The note's id, from `notes_find` or `notes_list`.

    Returns:
        What was deleted. Its id is not used again.
    """
    with opened(ctx) as store, store.change():
        row = store.database.execute("SELECT title FROM notes WHERE id = ?", (_id(id),)).fetchone()
        if row is None:
            raise _missing(id)
        store.database.execute("DELETE FROM notes WHERE id = ?", (id,))
        return Deleted(id, row[0])


def _check_body(body: str) -> None:
    if not body.strip():
        raise ToolError("`body` is empty; write down what should be remembered")
    if len(body) > BODY_CHARS_MAX:
        raise ToolError(f"`body` has {len(body):,} characters; a note may have {BODY_CHARS_MAX:,}. Keep a file instead")
    _check_text("body", body)


def _check_text(name: str, text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ToolError(f"`{name}` holds half a character at {error.start:,}, which cannot be stored") from None


def _fitting(found: list[_Row]) -> list[_Row]:
    """Return as many notes as an answer holds, at least one."""
    taken = 0
    for count, row in enumerate(found):
        taken += tokens(str(row))
        if taken > DATA_TOKENS and count:
            return found[:count]
    return found


def _append(store: Store, note: int, title: Optional[str], body: str, tags: Sequence[str]) -> Saved:
    with store.change():
        row = store.database.execute("SELECT title, body, version FROM notes WHERE id = ?", (_id(note),)).fetchone()
        if row is None:
            raise _missing(note)
        heading, before, version = row
        addition = body if title is None else f"## {title}\n\n{body}"
        whole = f"{before.rstrip()}\n\n{addition}"
        if len(whole) > BODY_CHARS_MAX:
            raise ToolError(f"note {note} would have {len(whole):,} characters; begin a new one")
        store.database.execute(
            "UPDATE notes SET body = ?, changed = ?, version = version + 1 WHERE id = ?", (whole, now(), note)
        )
        _tag(store, note, tags)
    return Saved(note, heading, store.tags_of(note), created=False, version=version + 1)


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
        _check_text("tags", word)
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
    return ToolError(f"there is no note {note}; search with `notes_find` or see `notes_list`")


def _between(name: str, value: int, low: int, high: int) -> int:
    if not low <= value <= high:
        raise ToolError(f"`{name}` is {value}; it must be between {low:,} and {high:,}")
    return value
