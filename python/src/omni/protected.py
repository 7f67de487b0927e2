"""What must no writing tool change, because the server runs it or obeys it?

A model that writes a skill, a settings file or a module into the cache has the server run what it wrote.
So the server says with its first frame which files and folders these are, and `omni.safe_paths` refuses to
write there. This guards against what a model asks tools for; code of a skill can do whatever its user can.
"""

from __future__ import annotations

import os
from os import path as _path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Any

#: What the server of this process has named: the real path, what it is, and whether it is a secret, too.
entries: Sequence[tuple[str, str, bool]] = ()


def take(said: Any) -> None:
    """Keep what the server's first frame says; without a word of it, what a server would find from here."""
    global entries  # noqa: PLW0603 - one process serves one server
    if said is None:
        here = os.getcwd()
        said = [
            [f"{here}/skills", "the folder of skills that omni serves when it starts there", False],
            [f"{here}/omni.toml", "the settings file that omni reads when it starts there", False],
        ]
    entries = [(path, what, bool(secret)) for path, what, secret in said]


def obstacle(root: str | Path, held: Sequence[int], names: Sequence[str]) -> str | None:
    """Return why nothing may be written at a place, or `None`.

    Both ways are looked at: by its path, which also finds what does not exist yet, and by what the folders
    and the file really are, which finds them by any other path: another case, a mount, a hard link.

    Args:
        root: The project root.
        held: Open folders from the root to the one that the last name is in.
        names: The path from the root on, links resolved.
    """
    if not entries:
        return None
    target = _path.join(_path.realpath(root), *names)
    on_the_way = [_identity(os.fstat(descriptor)) for descriptor in held]
    try:
        last = _identity(os.stat(names[-1], dir_fd=held[-1], follow_symlinks=False)) if names else None
    except OSError:
        last = None
    for path, what, _ in entries:
        try:
            found = os.stat(path)
        except OSError:
            # What does not exist yet is found by other letters, too, where a disk takes them for the same.
            is_within = _is_within(target.casefold(), path.casefold())
        else:
            identity = _identity(found)
            is_within = _is_within(target, path) or identity in on_the_way or identity == last
        if is_within:
            return f"`{path}` is {what}; ask the user to change it"
    return None


def held_by(folder: str) -> str | None:
    """Return what lies beneath a folder, or would, that the server runs or obeys, or `None`.

    Such a folder must not be moved away, and none must come to be there.

    Args:
        folder: Its real path, which need not exist.
    """
    try:
        identity = _identity(os.stat(folder, follow_symlinks=False))
    except OSError:
        identity = None
    for path, what, _ in entries:
        above = _path.dirname(path)
        # By letters, which finds what is not there yet, and by what the folders above it really are.
        found = _is_within(path.casefold(), folder.casefold())
        while not found and identity is not None and above != _path.dirname(above):
            try:
                found = _identity(os.stat(above)) == identity
            except OSError:
                # Not there yet.
                found = False
            above = _path.dirname(above)
        if found:
            return f"`{path}`, {what}, is beneath it; ask the user to do it"
    return None


def is_secret(descriptor: int) -> str | None:
    """Return what an open file is that holds a secret of the server's, or `None`."""
    secrets = [(path, what) for path, what, secret in entries if secret]
    if not secrets:
        return None
    here = _identity(os.fstat(descriptor))
    for path, what in secrets:
        try:
            if _identity(os.stat(path)) == here:
                return what
        except OSError:
            continue
    return None


def _is_within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _identity(info: os.stat_result) -> tuple[int, int]:
    return info.st_dev, info.st_ino
