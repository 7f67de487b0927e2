"""How are several changes made so that all of them are there in the end, or none?

All are checked first, by a plan. Then they are made one after the other, each in one step of its own, and when one
fails after all (the disk is full, somebody else was faster, the call was cancelled), those before it are taken back.
No system makes changes of several files one step: who reads in between sees some of them.
"""

from __future__ import annotations

import os
import stat
from typing import Callable, Optional

from omni import Context, ToolError
from omni.safe_paths import Place, open_at, place

from ._edit import replace_exactly
from ._move import Move, check_move, make_move
from ._plan import EDIT_BYTES_MAX, Change, encoded
from ._replace import create, look, replace
from ._rules import check_may_write


class Batch:
    """Changes that are being made, and how each is taken back.

    Args:
        ctx: The call.
    """

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._undo: list[tuple[str, Callable[[], None]]] = []
        # What files have come to be by this batch; any other was changed by somebody else.
        self._ours: set[tuple[int, int]] = set()

    def make(self, change: Change) -> None:
        """Make a change that a plan has checked.

        Raises:
            ToolError: The system refuses, or somebody else was faster.
        """
        self._ctx.heartbeat()
        if change.do == "move":
            self._move(check_move(self._ctx.root, change.path, change.to or "", overwrite=change.overwrite))
            return
        path = check_may_write(self._ctx.root, change.path)
        self._make_folders(path if change.do == "make_folder" else os.path.dirname(path))
        if change.do == "make_folder":
            return
        with place(self._ctx.root, path, write=True) as here:
            if change.do == "write" and not change.overwrite:
                create(here, encoded(change.content or ""))
                self._keep(here)
                self._undo.append((path, lambda: self._unmake(path)))
                return
            before = look(here)
            old = None if before is None else _content(here)
            if change.do == "edit":
                everywhere = change.replace_all
                data = replace_exactly(
                    old or b"", change.old or "", change.new or "", everywhere=everywhere, shown=path
                ).data
            else:
                data = encoded(change.content or "")
            replace(here, data, before)
            self._keep(here)
        if old is None:
            self._undo.append((path, lambda: self._unmake(path)))
        else:
            self._undo.append((path, lambda: self._put_back(path, old)))

    def take_back(self) -> list[str]:
        """Take back what was made, the last first. Returns what could not be taken back, as text."""
        failed = []
        for path, undo in reversed(self._undo):
            try:
                undo()
            except (ToolError, OSError) as error:
                failed.append(f"`{path}`: {error}")
        self._undo.clear()
        return failed

    def _make_folders(self, path: str) -> None:
        parts = path.split("/") if path not in ("", ".") else []
        for count in range(1, len(parts) + 1):
            part = "/".join(parts[:count])
            with place(self._ctx.root, part, write=True) as here:
                if here.name == "." or (look(here) is not None):
                    continue
                try:
                    os.mkdir(here.name, dir_fd=here.folder)
                except FileExistsError:
                    continue
                except OSError as error:
                    raise ToolError(f"cannot make the folder `{part}`: {error.strerror}") from None
            self._undo.append((part, lambda part=part: self._unmake_folder(part)))  # type: ignore[misc]

    def _move(self, move: Move) -> None:
        self._make_folders(os.path.dirname(move.to))
        replaced: Optional[bytes] = None
        before: Optional[os.stat_result] = None
        if move.replaces:
            with place(self._ctx.root, move.to) as here:
                before, replaced = look(here), _content(here)
        make_move(self._ctx, move)
        back = Move(move.to, move.path, move.is_folder, replaces=False)

        def undo() -> None:
            make_move(self._ctx, back)
            if replaced is not None:
                with place(self._ctx.root, move.to, write=True) as here:
                    create(here, replaced)
                    os.chmod(here.name, stat.S_IMODE(before.st_mode) if before else 0o644, dir_fd=here.folder)
                    self._keep(here)

        self._undo.append((move.path, undo))

    def _keep(self, here: Place) -> None:
        made = look(here)
        if made is not None:
            self._ours.add((made.st_ino, made.st_mtime_ns))

    def _check_ours(self, here: Place) -> None:
        now = look(here)
        if now is None or (now.st_ino, now.st_mtime_ns) not in self._ours:
            raise ToolError("somebody else has changed it since")

    def _unmake(self, path: str) -> None:
        with place(self._ctx.root, path, write=True) as here:
            self._check_ours(here)
            os.unlink(here.name, dir_fd=here.folder)

    def _put_back(self, path: str, old: bytes) -> None:
        with place(self._ctx.root, path, write=True) as here:
            self._check_ours(here)
            replace(here, old, look(here))
            self._keep(here)

    def _unmake_folder(self, path: str) -> None:
        with place(self._ctx.root, path, write=True) as here:
            os.rmdir(here.name, dir_fd=here.folder)


def _content(here: Place) -> bytes:
    with open_at(here.folder, here.name, here.path) as file:
        data = file.read(EDIT_BYTES_MAX + 1)
    if len(data) > EDIT_BYTES_MAX:
        raise ToolError(f"`{here.path}` has more than {EDIT_BYTES_MAX >> 20} MB; change it by itself")
    return data
