"""Which folders are skills, which files make up one, and how to notice that they changed."""

from __future__ import annotations

import os

from omni.constants import FILE_BYTES_MAX
from omni.skills.find import sources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable


def skill_folders(skills_dir: str, report: Callable[[str, str], None]) -> list[str]:
    """Return the names of the folders that may be skills, sorted. `report` takes a path and what is wrong."""
    root = os.path.realpath(skills_dir)
    folders = []
    for name in sorted(os.listdir(root)):
        path = f"{root}/{name}"
        if name[0] in "._" or name == "__pycache__" or not os.path.isdir(path):
            continue
        if not _stays(path, root):
            report(name, "the link leads out of the skills folder and is not followed")
            continue
        folders.append(name)
    return folders


def files_of(skills_dir: str, folder: str, report: Callable[[str, str], None]) -> list[str]:
    """Return the files that a skill is described from, relative to its folder, helpers included."""
    root = os.path.realpath(skills_dir)
    path = f"{root}/{folder}"
    files = []
    for file in ("SKILL.md", "pyproject.toml", *sources(path, helpers=True)):
        full = f"{path}/{file}"
        if not os.path.isfile(full):
            continue
        if not _stays(full, root):
            report(f"{folder}/{file}", "the link leads out of the skills folder and is not followed")
        elif os.path.getsize(full) > FILE_BYTES_MAX:
            report(f"{folder}/{file}", f"the file is larger than {FILE_BYTES_MAX >> 20} MiB and is not read")
        else:
            files.append(file)
    return files


def stamps(skills_dir: str, folder: str, files: list[str]) -> list[tuple]:
    """Return what changes when one of the files does."""
    found: list[tuple] = []
    for file in files:
        try:
            state = os.stat(f"{skills_dir}/{folder}/{file}")
        except OSError:
            found.append((file,))
        else:
            found.append((file, state.st_mtime_ns, state.st_size, state.st_ino))
    return found


def _stays(path: str, root: str) -> bool:
    return not os.path.islink(path) or os.path.realpath(path).startswith(root + os.sep)
