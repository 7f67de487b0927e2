"""What do the settings and the machine give to start with: folders, switches, the program?"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from omni import ToolError


def switch(settings: dict[str, Any], name: str) -> bool:
    """Return a setting that is true or false; false when it is not set.

    Raises:
        ToolError: It is something else, or an older setting is there.
    """
    if "hooks" in settings:
        raise ToolError(
            "`hooks` in `[skills.git]` is gone: no program of the repository's runs unless `allow_programs = true` is "
            "set there, which is for hooks, filters and signing alike"
        )
    value = settings.get(name, False)
    if not isinstance(value, bool):
        raise ToolError(f"`{name}` in `[skills.git]` is `{value!r}`; it is true or false")
    return value


def folders(settings: dict[str, Any], name: str) -> list[str]:
    """Return a setting that is a list of absolute folders; empty when it is not set.

    Raises:
        ToolError: It is something else.
    """
    value = settings.get(name, [])
    if not isinstance(value, list) or not all(isinstance(folder, str) for folder in value):
        raise ToolError(f"`{name}` in `[skills.git]` is `{value!r}`; it is a list of folders")
    for folder in value:
        if not os.path.isabs(os.path.expanduser(folder)):
            raise ToolError(f"`{folder}` in `{name}` of `[skills.git]` is no absolute path; write it out")
    return value


def program(root: Path) -> str:
    """Return the git that is run: never one beneath the root, where tools write.

    Raises:
        ToolError: There is none.
    """
    passed_by = ""
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        # An empty or relative one means a folder of the repository, once git is started there.
        if not os.path.isabs(folder):
            continue
        path = os.path.join(os.path.realpath(folder), "git")
        real = os.path.realpath(path)
        if not (os.path.isfile(real) and os.access(real, os.X_OK)):
            continue
        if str(root) == "/" or not any(place.startswith(f"{root}/") for place in (path, real)):
            return real
        passed_by = path
    if passed_by:
        raise ToolError(f"the only `git` on the PATH is `{passed_by}`, beneath the project root, where tools can write")
    raise ToolError("`git` is not installed, or not on the PATH of the server")


def scratch_folder(root: Path) -> str:
    """Make a folder for the call, not beneath the root where that can be had: tools write there."""
    usual = os.path.realpath(tempfile.gettempdir())
    for folder in (usual, "/dev/shm", "/var/tmp"):  # noqa: S108 - `mkdtemp` makes a folder of our own in it
        if not f"{folder}/".startswith(f"{str(root).rstrip('/')}/") and os.access(folder, os.W_OK | os.X_OK):
            return tempfile.mkdtemp(prefix="omni-git-", dir=folder)
    return tempfile.mkdtemp(prefix="omni-git-", dir=usual)


def no_repository(root: Path, folder: Path, shown: str) -> str:
    """Say why a folder is in no repository, and what to do about it."""
    for above in root.parents:
        if os.path.lexists(above / ".git" / "HEAD") or os.path.isfile(above / ".git"):
            return (
                f"the project root `{root}` lies inside the repository `{above}`; start the server with that as "
                "`--root` to work on it"
            )
    if all(os.path.lexists(folder / name) for name in ("HEAD", "objects", "refs")):
        return f"`{shown}` looks like a bare repository; only one with a `.git` and a working tree is used"
    return f"`{shown}` is in no git repository; when the repository is in a folder of the project, set `repo`"


def folder_beneath(root: Path, folder: str) -> Path:
    """Return a folder of the project with links resolved.

    Raises:
        ToolError: It is none, or outside the root.
    """
    if "\0" in folder:
        raise ToolError("`repo` holds a NUL byte; give a folder relative to the project root")
    # Git works by path itself, so this is a check of where the folder is, not a way to open it.
    real = Path(os.path.realpath(root / folder))
    if real != root and root not in real.parents:
        raise ToolError(f"`{folder}` is outside the project root; only repositories beneath it can be used")
    if not real.is_dir():
        raise ToolError(f"there is no folder `{folder}`; `repo` is a folder relative to the project root")
    return real
