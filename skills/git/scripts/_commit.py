"""How is a commit made without starting any program?

`git add` asks git itself, in every submodule, what changed there, and obeys the submodule's settings; filters
turn files into what is stored. So submodules are staged by their commit alone, and a file that goes through a
filter is refused: without it, what is stored would not be what the repository stores.

A commit of some paths is made from an index of its own that is filled from the repository's index. `git commit
--only` would open the files again, and would follow a folder that became a link meanwhile.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Optional

from omni import ToolError, protected

from ._run import Repository

# Files whose filter is asked for; a commit of more is made in parts.
_LISTED_BYTES_MAX = 64 * 1024 * 1024


def make(
    repository: Repository, message: str, paths: Sequence[str], tracked: bool, in_progress: Optional[str]
) -> list[str]:
    """Stage what is asked for and commit it.

    Args:
        repository: Where.
        message: The commit message.
        paths: Only these, or what is staged when empty.
        tracked: Stage every change to a file that git knows first.
        in_progress: The merge or the like that was begun and not ended.

    Returns:
        What did not run or was left out, a sentence each.

    Raises:
        ToolError: There is nothing to commit, or git refused.
    """
    if paths and in_progress in ("merge", "cherry-pick"):
        raise ToolError(f"git commits no single paths during a {in_progress}; stage and commit without `paths`")
    plain = repository.allow_programs
    repository.check_written()
    submodules = repository.check_index()
    if paths or tracked:
        listed = _to_be_staged(repository, paths, submodules)
        if plain:
            repository.check_plain()
            _add(repository, paths, [], plain=True)
        else:
            _refuse_filters(repository, listed)
            _add(repository, paths, submodules)
    nothing_staged = repository.asks(
        "diff", "--cached", "--quiet", "--no-ext-diff", "--no-textconv", "--ignore-submodules=dirty", "--", *paths
    )
    # The end of a merge is a commit even when it changes no file.
    if nothing_staged is not None and in_progress is None:
        raise ToolError(
            "there is nothing to commit"
            + (" in these paths" if paths else "; name the files in `paths`, or set tracked=true")
        )
    command = ("commit", "--quiet", "--file=-", "--cleanup=whitespace")
    if plain:
        repository.check_plain()
        only = ["--only", "--", *(f":(literal){path}" for path in paths)] if paths else []
        # Hooks inherit what is set for patterns, and may use them.
        repository.change(*command, *only, text=message, patterns=True, plain=True)
        return []
    command = (*command, "--no-verify", "--no-gpg-sign")
    if paths:
        with repository.locked_index():
            repository.change(*command, text=message, index=_index_of(repository, paths))
    else:
        repository.change(*command, text=message)
    return [
        f"{sentence}: programs of a repository run only with `allow_programs = true` in `[skills.git]`"
        for sentence in repository.programs_left_out()
    ]


def _to_be_staged(repository: Repository, paths: Sequence[str], submodules: Sequence[str]) -> list[str]:
    """List the files that would be read, after a look at the repositories among them that are new."""
    for path in paths:
        repository.check_nested(path)
    others = ["--others", "--exclude-standard"] if paths else []
    listed = repository.read(
        "ls-files", "-z", "--modified", *others, "--", *(paths or ["."]), bytes_max=_LISTED_BYTES_MAX
    )
    if listed.cut:
        raise ToolError("these are too many files for one commit; name fewer in `paths`")
    found = [os.fsdecode(name) for name in dict.fromkeys(listed.data.split(b"\0")) if name]
    for path in found:
        if path.endswith("/"):
            repository.check_nested(path)
        elif protected.entries:
            repository.check_no_secret(path)
    known = set(submodules)
    return [path for path in found if not path.endswith("/") and path not in known]


def _refuse_filters(repository: Repository, paths: Sequence[str]) -> None:
    if not paths:
        return
    given = "".join(f"{path}\0" for path in paths)
    fields = repository.read("check-attr", "-z", "--stdin", "filter", text=given, bytes_max=_LISTED_BYTES_MAX * 2)
    records = fields.text.split("\0")
    for path, value in zip(records[::3], records[2::3]):
        if value not in ("unspecified", "unset", "set", ""):
            raise ToolError(
                f"`{path}` is stored through the filter `{value}` (`.gitattributes`), a program, and no program runs "
                "here; ask the user to commit it, or to set `allow_programs = true` in `[skills.git]`"
            )


def _add(repository: Repository, paths: Sequence[str], submodules: Sequence[str], *, plain: bool = False) -> None:
    known = set(submodules)
    named = [f":(literal){path}" for path in paths if path not in known]
    left_out = [f":(exclude,literal){path}" for path in submodules]
    if named:
        repository.change("add", "--all", "--", *named, *left_out, patterns=True, plain=plain)
    elif not paths:
        repository.change("add", "--update", "--", ".", *left_out, patterns=True, plain=plain)
    inside = [path for path in submodules if not paths or any(_covers(chosen, path) for chosen in paths)]
    if inside:
        repository.change("update-index", "--remove", "-z", "--stdin", text="".join(f"{path}\0" for path in inside))


def _covers(chosen: str, path: str) -> bool:
    return chosen in (".", path) or path.startswith(chosen.rstrip("/") + "/")


def _index_of(repository: Repository, paths: Sequence[str]) -> str:
    """Return an index with the last commit's files, and with the staged state of these paths."""
    index = repository.own_index()
    head = repository.asks("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    repository.change("read-tree", head or "--empty", index=index)
    before = repository.change("ls-files", "-z", "--", *paths, index=index).data
    staged = repository.read("ls-files", "--stage", "-z", "--", *paths, bytes_max=_LISTED_BYTES_MAX).data
    # What such a line says of a file that goes: no mode, and an id of noughts.
    nothing = b"0 " + b"0" * len(repository.empty_tree()) + b"\t"
    removed = b"".join(nothing + name + b"\0" for name in before.split(b"\0") if name)
    repository.change("update-index", "-z", "--index-info", data=removed + staged, index=index)
    return index
