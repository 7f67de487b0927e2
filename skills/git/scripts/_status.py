"""What does `git status --porcelain=v2 -z` say?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Optional, TypedDict

from omni.answer_size import DATA_TOKENS, tokens

_KINDS = {"M": "modified", "T": "type changed", "A": "added", "D": "deleted", "R": "renamed", "C": "copied"}


class _ChangeLine(TypedDict):
    path: str
    change: str


class Change(_ChangeLine, total=False):
    """A file that changed."""

    # Where it was before a rename or copy.
    old_path: str


@dataclass
class Status:
    """Where a working tree stands. Paths are relative to the top of the repository."""

    # `null` when no branch is checked out.
    branch: Optional[str] = None
    # Abbreviated; `null` before the first commit.
    commit: Optional[str] = None
    upstream: Optional[str] = None
    ahead: int = 0
    behind: int = 0
    # A merge, rebase, cherry-pick, revert or bisect that was begun and not ended.
    in_progress: Optional[str] = None
    staged: list[Change] = field(default_factory=list)
    unstaged: list[Change] = field(default_factory=list)
    untracked: list[str] = field(default_factory=list)
    conflicted: list[str] = field(default_factory=list)
    clean: bool = True
    # Whether there are more changes than are listed.
    truncated: bool = False


def parse(listed: str, entries_max: int) -> Status:
    """Read the output of `git status --porcelain=v2 --branch -z`.

    Args:
        listed: The output.
        entries_max: The most files to list, over all kinds.
    """
    status = Status()
    entries = taken = 0
    fields = iter(listed.split("\0"))
    for line in fields:
        if line.startswith("# "):
            _head(status, line)
            continue
        if not line:
            continue
        entries += 1
        taken += tokens(line) // 2 + 12
        if entries > entries_max or taken > DATA_TOKENS:
            status.truncated = True
            break
        _entry(status, line, fields)
    status.clean = not (status.staged or status.unstaged or status.untracked or status.conflicted)
    return status


def _head(status: Status, line: str) -> None:
    _, key, value = line.split(" ", 2)
    if key == "branch.oid" and value != "(initial)":
        status.commit = value[:10]
    elif key == "branch.head" and value != "(detached)":
        status.branch = value
    elif key == "branch.upstream":
        status.upstream = value
    elif key == "branch.ab":
        ahead, behind = value.split(" ")
        status.ahead, status.behind = int(ahead), -int(behind)


def _entry(status: Status, line: str, fields: Iterator[str]) -> None:
    kind = line[0]
    if kind == "?":
        status.untracked.append(line[2:])
    elif kind == "u":
        status.conflicted.append(line.split(" ", 10)[10])
    elif kind in "12":
        # `1 XY sub mH mI mW hH hI path`; a rename has one more field, and the old path after the NUL.
        path = line.split(" ", 8 if kind == "1" else 9)[-1]
        old_path = next(fields, None) if kind == "2" else None
        for letter, changes in zip(line[2:4], (status.staged, status.unstaged)):
            if letter in _KINDS:
                change = Change(path=path, change=_KINDS[letter])
                if letter in "RC" and old_path is not None:
                    change["old_path"] = old_path
                changes.append(change)
