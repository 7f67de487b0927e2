"""How is a difference shown so that a large one still fits, and says what was left out?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from omni.answer_size import TEXT_TOKENS, fitting, tokens

from ._run import Repository

# The list of files may take so much of an answer, and one file's patch so much while there are others.
_LIST_TOKENS = TEXT_TOKENS // 4
_FILE_TOKENS = TEXT_TOKENS // 4
# Longer lines are cut, such as those of minified code.
_LINE_CHARS_MAX = 500

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
    taken = 0
    for number, change in enumerate(changes):
        row = f"  {_row(change)}"
        taken += tokens(row) + 1
        if taken > (options.most if options.summary else _LIST_TOKENS):
            rows.append(f"  … {len(changes) - number:,} more files; name folders in `paths` to see theirs")
            break
        rows.append(row)
    if not options.summary:
        patch = repository.read("diff", "--patch", f"--unified={options.context}", *_SAFE, *blanks, *chosen)
        rows += ["", _fitting(patch.text, patch.cut, options.most - taken)]
    return "\n".join(rows)


class Options(NamedTuple):
    """How a difference is shown."""

    context: int = 3
    summary: bool = False
    ignore_blanks: bool = False
    # How many tokens the answer may have.
    most: int = TEXT_TOKENS


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


def _fitting(patch: str, cut: bool, most: int) -> str:
    """Return the patch with its long files shortened and the last ones left out, whichever is needed."""
    # Every line of a file's patch begins with a blank, `+`, `-`, `@` or `\\`, or is one of its header.
    files = [_dense("diff --git " + part) for part in ("\n" + patch).split("\ndiff --git ")[1:]]
    sizes = [tokens(part) for part in files]
    if sum(sizes) <= most and not cut:
        return "\n".join(files)
    shown: list[str] = []
    left, shortened = most, 0
    for part, size in zip(files, sizes):
        share = min(left, most if len(files) == 1 else _FILE_TOKENS)
        if size > share and (left < most // 8 and shown):
            break
        fits = part if size <= share else _shortened(part, share)
        shortened += fits != part
        shown.append(fits)
        left -= min(size, share)
        if left <= 0:
            break
    left_out = len(files) - len(shown)
    note = (
        f"[cut: {shortened} files shortened, {left_out}{' or more' if cut else ''} left out; ask for them with `paths`]"
    )
    return "\n".join([*shown, note])


def _dense(part: str) -> str:
    """Return one file's patch without the lines that say nothing new, and with its long lines cut."""
    head, found, body = part.partition("\n--- ")
    if found:
        # Both names follow; what else is told, such as a rename or a mode, stays.
        kept = [line for line in head.split("\n")[1:] if not line.startswith("index ")]
        part = "\n".join([*kept, "--- " + body])
    else:
        part = re.sub(r"\nindex [^\n]*", "", part)
    return "\n".join(
        line if len(line) <= _LINE_CHARS_MAX else f"{line[:_LINE_CHARS_MAX]}… [{len(line) - _LINE_CHARS_MAX:,} more]"
        for line in part.rstrip("\n").split("\n")
    )


def _shortened(part: str, most: int) -> str:
    kept = part[: fitting(part, most)].rpartition("\n")[0]
    more = part.count("\n") - kept.count("\n")
    return f"{kept}\n[… {more:,} more lines of this file]"
