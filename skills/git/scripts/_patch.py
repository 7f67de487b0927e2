"""How is a difference shown so that a large one still fits, and says what was left out?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ._run import Repository

# What one answer may hold of a patch: about 20,000 tokens.
PATCH_CHARS_MAX = 80_000
# One file may take only so much of it while there are others.
_FILE_CHARS_MAX = 20_000
_FILES_LISTED_MAX = 300

# No program of the user's is run, renames are found, submodules are compared by their commit only.
_SAFE = ("--no-ext-diff", "--no-textconv", "--find-renames", "--ignore-submodules=dirty", "--no-color")


class FileChange(NamedTuple):
    """How much of a file changed; `-1` for a binary one."""

    path: str
    added: int
    removed: int


def shown_difference(repository: Repository, compare: Sequence[str], paths: Sequence[str], options: Options) -> str:
    """Return a difference as text: a summary by file, then as much of the patch as fits.

    Args:
        repository: Where.
        compare: What `git diff` compares: ids, or `--cached`.
        paths: Only these, or all when empty. Relative to the top of the repository.
        options: How to show it.
    """
    chosen = [*compare, "--", *paths]
    blanks = ["--ignore-all-space"] if options.ignore_blanks else []
    changes = _changes(repository.read("diff", "--numstat", "-z", *_SAFE, *blanks, *chosen).text)
    if not changes:
        return "[no differences]"
    rows = [_summary(changes)]
    rows += [f"  {_row(change)}" for change in changes[:_FILES_LISTED_MAX]]
    if len(changes) > _FILES_LISTED_MAX:
        rows.append(f"  … {len(changes) - _FILES_LISTED_MAX:,} more files")
    if not options.summary:
        patch = repository.read("diff", "--patch", f"--unified={options.context}", *_SAFE, *blanks, *chosen)
        rows += ["", _fitting(patch.text, patch.cut)]
    return "\n".join(rows)


class Options(NamedTuple):
    """How a difference is shown."""

    context: int = 3
    summary: bool = False
    ignore_blanks: bool = False


def _changes(listed: str) -> list[FileChange]:
    fields = listed.split("\0")
    changes, at = [], 0
    while at < len(fields) and fields[at]:
        added, removed, path = fields[at].split("\t", 2)
        at += 1
        if not path:
            # A rename: the old and the new path follow as fields of their own.
            path = f"{fields[at]} -> {fields[at + 1]}"
            at += 2
        counts = (-1, -1) if added == "-" else (int(added), int(removed))
        changes.append(FileChange(path, *counts))
    return changes


def _summary(changes: Sequence[FileChange]) -> str:
    added = sum(max(change.added, 0) for change in changes)
    removed = sum(max(change.removed, 0) for change in changes)
    return f"{len(changes):,} file{'' if len(changes) == 1 else 's'} changed, +{added:,} -{removed:,}"


def _row(change: FileChange) -> str:
    return f"{change.path}  " + ("binary" if change.added < 0 else f"+{change.added} -{change.removed}")


def _fitting(patch: str, cut: bool) -> str:
    """Return the patch with its long files shortened and the last ones left out, whichever is needed."""
    if len(patch) <= PATCH_CHARS_MAX and not cut:
        return patch.rstrip("\n")
    # Every line of a file's patch begins with a blank, `+`, `-`, `@` or `\`, or is one of its header.
    files = ["diff --git " + part for part in ("\n" + patch).split("\ndiff --git ")[1:]]
    shown: list[str] = []
    chars = shortened = 0
    for part in files:
        fitting = _shortened(part, _FILE_CHARS_MAX) if len(files) > 1 else part
        if chars + len(fitting) > PATCH_CHARS_MAX:
            break
        shortened += fitting != part
        shown.append(fitting.rstrip("\n"))
        chars += len(fitting)
    if not shown:
        shown, shortened = [_shortened(files[0] if files else patch, PATCH_CHARS_MAX)], 1
    left_out = len(files) - len(shown)
    note = (
        f"[cut: {shortened} files shortened, {left_out}{' or more' if cut else ''} left out; ask for them with `paths`]"
    )
    return "\n".join([*shown, note])


def _shortened(part: str, chars: int) -> str:
    if len(part) <= chars:
        return part
    kept = part[:chars].rsplit("\n", 1)[0]
    more = part.count("\n") - kept.count("\n")
    return f"{kept}\n[… {more:,} more lines of this file]"
