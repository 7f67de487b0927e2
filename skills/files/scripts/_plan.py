"""What would the project look like after changes, none of which is made?

Each change is checked against what the changes before it would have left, so that a file can be written, moved
and edited in one plan. Nothing on disk is touched.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Optional

from omni import ToolError
from omni.safe_paths import open_at, place, similar

from ._diff import difference
from ._edit import Replacement, replace_exactly
from ._move import check_move
from ._replace import look
from ._rules import check_may_write, refuse_holder

EDIT_BYTES_MAX = 16 * 1024 * 1024


@dataclass
class Change:
    """One change of several. Which members it needs depends on `do`."""

    # `edit` takes `old` and `new`, `write` takes `content`, `move` takes `to`, `make_folder` only `path`.
    do: Literal["edit", "write", "move", "make_folder"]
    # The file or folder, relative to the project root.
    path: str
    # For `edit`: the text that is there now; must occur exactly once.
    old: Optional[str] = None
    # For `edit`: the text to put in its place.
    new: Optional[str] = None
    # For `edit`: replace every occurrence of `old`.
    replace_all: bool = False
    # For `write`: the whole new content.
    content: Optional[str] = None
    # For `move`: the new path.
    to: Optional[str] = None
    # For `write` and `move`: replace a file that is there.
    overwrite: bool = False


class Plan:
    """Changes that are not made yet, and what they would do.

    Args:
        root: The project root.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        # Content by path; `None` for what would be gone.
        self._files: dict[str, Optional[bytes]] = {}
        self._folders: set[str] = set()
        # Folders that would have moved, in order.
        self._moved: list[tuple[str, str]] = []
        # What would change, as text to show.
        self.shown: list[str] = []

    def add(self, change: Change) -> str:
        """Check a change and keep what it would do. Returns the path that it leads to.

        Raises:
            ToolError: It cannot be made after those before it.
        """
        check_members(change)
        if change.do == "edit":
            return self.edit(change.path, change.old or "", change.new or "", everywhere=change.replace_all).path
        if change.do == "write":
            mode: Literal["create", "overwrite"] = "overwrite" if change.overwrite else "create"
            return self.write(change.path, encoded(change.content or ""), mode)[0]
        if change.do == "move":
            return self.move(change.path, change.to or "", overwrite=change.overwrite)
        return self.make_folder(change.path)[0]

    def edit(
        self,
        path: str,
        old: str,
        new: str,
        *,
        everywhere: bool = False,
        line: Optional[int] = None,
        encoding: Optional[str] = None,
    ) -> Edit:
        """Plan an edit."""
        found = check_may_write(self._root, path)
        before = self._data(found, path)
        result = replace_exactly(before, old, new, everywhere=everywhere, shown=path, line=line, encoding=encoding)
        self._files[found] = result.data
        self.shown.append(difference(found, before, result.data))
        return Edit(found, result)

    def write(self, path: str, data: bytes, mode: Literal["create", "overwrite", "append"]) -> tuple[str, bool]:
        """Plan a write. Returns the path, and whether the file is new."""
        found = check_may_write(self._root, path)
        kind = self._kind(found)
        if kind not in (None, "file"):
            raise ToolError(f"`{path}` is {'a folder' if kind == 'folder' else 'not a regular file'}")
        if kind == "file" and mode == "create":
            raise ToolError(
                f"`{path}` exists already; change a part of it with `files_edit`, or replace all of it by overwriting"
            )
        self._check_folders(found, path)
        before = self._data(found, path) if kind == "file" else None
        after = (before or b"") + data if mode == "append" else data
        self._files[found] = after
        self.shown.append(difference(found, before, after))
        return found, before is None

    def move(self, path: str, to: str, *, overwrite: bool) -> str:
        """Plan a move. Returns where it leads."""
        if not self._files and not self._moved and not self._folders:
            # Nothing planned is in the way of asking the disk.
            move = check_move(self._root, path, to, overwrite=overwrite)
            self._note_move(move.path, move.to, is_folder=move.is_folder)
            return move.to
        source = check_may_write(self._root, path)
        target = to + source.rpartition("/")[2] if to.endswith("/") else to
        found = check_may_write(self._root, target)
        kind, there = self._kind(source), self._kind(found)
        if kind is None:
            raise ToolError(f"there is no `{path}`; {self._hint(source)}")
        if kind not in ("file", "folder"):
            raise ToolError(f"`{path}` is neither a file nor a folder; it was left where it is")
        if found == source or found.startswith(f"{source}/"):
            raise ToolError(f"`{path}` cannot be moved to itself or into itself, `{to}`")
        if there == "folder":
            raise ToolError(f"`{to}` is a folder; to move into it, end `to` with `/`")
        if there is not None and (kind == "folder" or there != "file" or not overwrite):
            raise ToolError(
                f"`{to}` exists already; choose another name, or set overwrite=true to replace a file by a file"
            )
        if kind == "folder":
            refuse_holder(self._root, source, path)
            refuse_holder(self._root, found, to)
        self._check_folders(found, to)
        self._note_move(source, found, is_folder=kind == "folder")
        return found

    def make_folder(self, path: str) -> tuple[str, bool]:
        """Plan a folder. Returns its path, and whether it is new."""
        found = check_may_write(self._root, path)
        kind = self._kind(found)
        if kind not in (None, "folder"):
            raise ToolError(f"`{path}` is there already and is no folder")
        self._check_folders(found, path)
        if kind is None:
            self._folders.add(found)
            self.shown.append(f"make folder {found}/")
        return found, kind is None

    def _note_move(self, source: str, found: str, *, is_folder: bool) -> None:
        self.shown.append(f"move {source} -> {found}")
        if is_folder:
            self._moved.append((source, found))
            for known in [path for path in self._files if path.startswith(f"{source}/")]:
                self._files[found + known[len(source) :]] = self._files.pop(known)
            self._folders = {found + p[len(source) :] if p.startswith(f"{source}/") else p for p in self._folders}
            self._folders.discard(source)
            self._folders.add(found)
            return
        try:
            data = self._data(source, source)
        except ToolError:
            # Too large to be edited, which only a later edit of it minds.
            data = b""
        self._files[found] = data
        self._files[source] = None

    def _hint(self, path: str) -> str:
        folder, _, name = path.rpartition("/")
        with place(self._root, folder or ".") as here:
            return similar(here.folder, name).lstrip("; ") if here.name == "." else "see `files_list`"

    def _check_folders(self, path: str, shown: str) -> None:
        """Refuse a place whose folders would be files by then."""
        parts = path.split("/")
        for count in range(1, len(parts)):
            above = "/".join(parts[:count])
            if self._kind(above) not in (None, "folder"):
                raise ToolError(f"`{above}` in `{shown}` is a file, not a folder")

    def _on_disk(self, path: str) -> Optional[str]:
        """Return where what would be at a path is now, or `None` when it would be gone."""
        for source, target in reversed(self._moved):
            if path == target or path.startswith(f"{target}/"):
                path = source + path[len(target) :]
            elif path == source or path.startswith(f"{source}/"):
                return None
        return path

    def _kind(self, path: str) -> Optional[str]:
        if path in self._files:
            return None if self._files[path] is None else "file"
        if path in self._folders or any(
            known.startswith(f"{path}/") and self._files.get(known, b"") is not None
            for known in (*self._files, *self._folders)
        ):
            return "folder"
        now = self._on_disk(path)
        if now is None:
            return None
        parts = now.split("/")
        for count in range(1, len(parts) + 1):
            with place(self._root, "/".join(parts[:count])) as here:
                info = look(here)
            if info is None:
                return None
            if not stat.S_ISDIR(info.st_mode):
                is_last = count == len(parts)
                return ("file" if stat.S_ISREG(info.st_mode) else "other") if is_last else None
        return "folder"

    def _data(self, path: str, shown: str) -> bytes:
        if path in self._files:
            data = self._files[path]
            if data is None:
                raise ToolError(f"there is no file `{shown}` after the changes before this one")
            return data
        now = self._on_disk(path)
        if now is None:
            raise ToolError(f"there is no file `{shown}` after the changes before this one")
        with place(self._root, now) as here, open_at(here.folder, here.name, shown) as file:
            size = os.fstat(file.fileno()).st_size
            data = file.read(EDIT_BYTES_MAX + 1)
        if len(data) > EDIT_BYTES_MAX:
            raise ToolError(f"`{shown}` has {size >> 20:,} MB; up to {EDIT_BYTES_MAX >> 20} MB can be changed here")
        return data


class Edit:
    """An edit that was planned.

    Args:
        path: Where it leads.
        replacement: What it makes of the file.
    """

    def __init__(self, path: str, replacement: Replacement) -> None:
        self.path = path
        self.replacement = replacement


def encoded(content: str) -> bytes:
    """Return text as the bytes of a file.

    Raises:
        ToolError: It holds half of a surrogate pair, which is no character.
    """
    try:
        return content.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ToolError(
            f"the text holds half a character (`\\u{ord(content[error.start]):04x}`) at {error.start:,}; send the whole"
        ) from None


_MEMBERS = {"edit": ("old", "new"), "write": ("content",), "move": ("to",), "make_folder": ()}


def check_members(change: Change) -> None:
    """Check that a change has what it needs and nothing of another kind.

    Raises:
        ToolError: It has not. The text says what is missing or too much.
    """
    needed = _MEMBERS[change.do]
    missing = [name for name in needed if getattr(change, name) is None]
    if missing:
        raise ToolError(f"`{change.do}` needs `{missing[0]}`")
    for name in ("old", "new", "content", "to"):
        if name not in needed and getattr(change, name) is not None:
            raise ToolError(f"`{change.do}` takes no `{name}`")
    if change.replace_all and change.do != "edit":
        raise ToolError(f"`{change.do}` takes no `replace_all`")
    if change.overwrite and change.do not in ("write", "move"):
        raise ToolError(f"`{change.do}` takes no `overwrite`")
