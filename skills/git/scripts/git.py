"""What happened in the repository, what is changed now, and how is it committed?"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Literal, Optional, TypedDict, TypeVar

from omni import Context, Text, ToolError, tool
from omni.answer_size import DATA_TOKENS, TEXT_TOKENS, fitting, tokens

from . import _commit as commits
from ._patch import Options, shown_difference
from ._run import Repository
from ._status import Status, parse

ENTRIES_MAX = 1000
# Of a commit just made so many files are named.
FILES_NAMED_MAX = 100
# Longer lines of a file are cut, and longer subjects and bodies of commits.
_LINE_CHARS_MAX = 1000
_SUBJECT_CHARS_MAX = 300
_BODY_CHARS_MAX = 2000

_FIELD, _FIELDS = "\x1f", "%x1f"


class _CommitLine(TypedDict):
    # Abbreviated, unless everything is asked for; every tool takes it.
    commit: str
    # The day it was written; with everything, the time in ISO 8601.
    date: str
    author: str
    subject: str


class Commit(_CommitLine, total=False):
    """One commit. What was not asked for, or is not there, is left out."""

    # Branches and tags that point at it.
    refs: list[str]
    # The message below its first line, cut after 2,000 characters.
    body: str
    email: str
    parents: list[str]


@dataclass
class History:
    """Commits, the newest first."""

    commits: list[Commit]
    # Whether there are older ones; go on with `skip`.
    more: bool


@dataclass
class Committed:
    """A commit that was made."""

    commit: str
    branch: Optional[str]
    subject: str
    # The first 100.
    files: list[str]
    more_files: int
    added: int
    removed: int
    # What was left out: hooks that did not run, a signature.
    notes: list[str]


class _BranchLine(TypedDict):
    name: str
    commit: str
    # The day of its last commit.
    date: str
    subject: str


class Branch(_BranchLine, total=False):
    """A branch. What does not hold for it is left out."""

    # Whether it is the one that is checked out.
    current: bool
    upstream: str
    # Against the upstream, in git's words: `ahead 2, behind 1`; `gone` when it was deleted there.
    track: str


@dataclass
class Branches:
    """Branches, the one with the newest commit first."""

    branches: list[Branch]
    truncated: bool


@tool(title="Status of the repository", read_only=True, open_world=False, timeout=60)
def status(ctx: Context, repo: str = ".") -> Status:
    """Show the branch, how it stands to its upstream, and which files are staged, changed, untracked or in conflict.

    Args:
        repo: A folder in the repository, relative to the project root.

    Returns:
        Paths relative to the top of the repository. A folder that is wholly untracked ends in `/`.
    """
    with Repository(ctx, repo) as repository:
        repository.check_index()
        listed = repository.read(
            "status", "--porcelain=v2", "--branch", "-z", "--untracked-files=normal", "--ignore-submodules=dirty"
        )
        result = parse(listed.text, ENTRIES_MAX)
        result.truncated = result.truncated or listed.cut
        result.in_progress = repository.in_progress()
        return result


@tool(title="History", read_only=True, open_world=False, timeout=60)
def log(
    ctx: Context,
    ref: str = "HEAD",
    paths: Optional[list[str]] = None,
    author: Optional[str] = None,
    message: Optional[str] = None,
    changed_text: Optional[str] = None,
    since: Optional[str] = None,
    until: Optional[str] = None,
    limit: int = 20,
    skip: int = 0,
    detail: Literal["line", "message", "full"] = "line",
    repo: str = ".",
) -> History:
    """List commits, the newest first, filtered by path, author, message, date or the text they added or removed.

    Each has its id, day, author and subject; `detail` gives more, and `git_show` all of one commit.

    Args:
        ref: A branch, tag or id to start from, or a range: `main..feature` is what only feature has.
        paths: Only commits that changed these files or folders, relative to the top of the repository.
        author: Only commits whose author's name or address contains this, case ignored.
        message: Only commits whose message contains this, case ignored.
        changed_text: Only commits that changed how often this exact text occurs: when was it added or removed?
        since: Only commits after this, such as `2024-05-01` or `2 weeks ago`.
        until: Only commits before this.
        limit: The most commits to return, up to 500.
        skip: How many to leave out first, to read on.
        detail: `message` adds the bodies; `full` adds whole ids, times, e-mail addresses and parents, too.
        repo: A folder in the repository, relative to the project root.

    Returns:
        The commits, and whether there are more.
    """
    limit = _between("limit", limit, 1, 500)
    skip = _between("skip", skip, 0, 10_000_000)
    with Repository(ctx, repo) as repository:
        arguments = ["log", "-z", f"--max-count={limit + 1}", f"--skip={skip}", "--no-color", "--decorate=short"]
        # The order of the fields is that of `Commit`, but for the message, which may hold anything and comes last.
        arguments.append("--format=" + _FIELDS.join(("%H", "%an", "%ae", "%aI", "%D", "%P", "%s", "%b")))
        arguments.append("--abbrev=10")
        arguments += ["--regexp-ignore-case", "--fixed-strings"]
        for option, value in (("author", author), ("grep", message), ("since", since), ("until", until)):
            if value is not None:
                arguments.append(f"--{option}={value}")
        if changed_text:
            arguments += [f"-S{changed_text}", "--no-textconv", "--no-ext-diff"]
        arguments += [repository.range_of(ref), "--", *(repository.path(path) for path in paths or [])]
        records = [record for record in repository.read(*arguments).text.split("\0") if record]
        commits = _fitting([_commit(record, detail) for record in records[:limit]])
        return History(commits, len(records) > len(commits))


@tool(title="Show differences", read_only=True, open_world=False, timeout=60)
def diff(
    ctx: Context,
    what: Literal["all", "staged", "unstaged"] = "all",
    base: Optional[str] = None,
    head: Optional[str] = None,
    merge_base: bool = False,
    paths: Optional[list[str]] = None,
    context: int = 3,
    summary: bool = False,
    ignore_blanks: bool = False,
    repo: str = ".",
) -> Text:
    """Show what changed: in the working tree, or between two commits or branches.

    Without `base` it compares the working tree with the last commit. For what a branch changed since it
    left main, as a pull request shows it: base="main", head="HEAD", merge_base=true.

    Args:
        what: Without `base`: everything since the last commit, only what is staged, or only what is not.
        base: The older commit, branch or tag.
        head: The newer one; the working tree when left out.
        merge_base: Compare with the commit that `base` and `head` have in common instead of `base` itself.
        paths: Only these files or folders, relative to the top of the repository.
        context: Unchanged lines around each change, up to 50.
        summary: Only list the files with their numbers of added and removed lines.
        ignore_blanks: Leave out changes of blanks and tabs.
        repo: A folder in the repository, relative to the project root.

    Returns:
        The files with their counts, then the patch. A large patch is cut, and a note says what is missing.
    """
    with Repository(ctx, repo) as repository:
        options = Options(_between("context", context, 0, 50), summary, ignore_blanks)
        if base is None:
            if head is not None or merge_base:
                raise ToolError("`head` and `merge_base` need a `base` to compare with")
            compare = _compare_working_tree(repository, what)
        else:
            compare = [repository.commit_of(base)]
            newer = repository.commit_of(head or "HEAD") if head is not None or merge_base else None
            if merge_base and newer is not None:
                common = repository.asks("merge-base", compare[0], newer)
                if common is None:
                    raise ToolError(f"`{base}` and `{head or 'HEAD'}` have no commit in common; leave out `merge_base`")
                compare = [common]
            if head is not None and newer is not None:
                compare.append(newer)
        if len(compare) < 2:
            repository.check_index()
        return Text(shown_difference(repository, compare, [repository.path(path) for path in paths or []], options))


@tool(title="Show a commit or a file of it", read_only=True, open_world=False, timeout=60)
def show(
    ctx: Context,
    ref: str = "HEAD",
    path: Optional[str] = None,
    start: int = 1,
    limit: int = 1000,
    summary: bool = False,
    repo: str = ".",
) -> Text:
    """Show a commit with its message and patch, or a file (or folder) as it was in that commit.

    Args:
        ref: A branch, tag or id.
        path: A file or folder to show as it was then, relative to the top of the repository.
        start: For a file: the first line, from 1.
        limit: For a file: the most lines, up to 10,000.
        summary: For a commit: only list its files.
        repo: A folder in the repository, relative to the project root.

    Returns:
        The commit or the content. A merge is compared with its first parent.
    """
    with Repository(ctx, repo) as repository:
        commit = repository.commit_of(ref)
        if path is not None:
            return Text(_content(repository, commit, ref, repository.path(path), start, limit))
        form = "%H%n%an%n%aI%n%P%n%B"
        shown = repository.read("log", "--max-count=1", f"--format={form}", commit, "--").text
        name, author, date, parents, message = shown.split("\n", 4)
        older = parents.split(" ")[0] or repository.empty_tree()
        head = [f"commit {name}", f"author {author}", f"date   {date}"]
        if " " in parents:
            ids = " ".join(parent[:10] for parent in parents.split(" "))
            head.append(f"merge of {ids}, compared with the first")
        head += ["", _short(message.strip("\n"), _LINE_CHARS_MAX * 10), ""]
        most = TEXT_TOKENS - sum(tokens(row) for row in head)
        patch = shown_difference(repository, [older, name], [], Options(summary=summary, most=most))
        return Text("\n".join([*head, patch]))


@tool(title="Who wrote which line", read_only=True, open_world=False, timeout=60)
def blame(
    ctx: Context, path: str, start: int = 1, lines: int = 100, ref: Optional[str] = None, repo: str = "."
) -> Text:
    """Say for each line of a file which commit wrote it last, when and by whom.

    Args:
        path: The file, relative to the top of the repository.
        start: The first line, from 1.
        lines: How many lines, up to 1,000.
        ref: The file as of this commit; the working tree when left out.
        repo: A folder in the repository, relative to the project root.

    Returns:
        The lines with their numbers, beneath the commit, date and author that they are from. Commit 00000000 is not
        committed yet.
    """
    start = _between("start", start, 1, 100_000_000)
    lines = _between("lines", lines, 1, 1000)
    with Repository(ctx, repo) as repository:
        inside = repository.path(path)
        # `,+n` may reach beyond the end of the file; an absolute end may not.
        asked = ["blame", "--line-porcelain", "--no-textconv", f"-L{start},+{lines}"]
        if ref is None:
            # Git would open the file through a folder that is a link.
            repository.check_index()
            listed = repository.read(*asked, "--contents", "-", "--", inside, data=repository.working_file(inside))
        else:
            listed = repository.read(*asked, repository.commit_of(ref), "--", inside)
        return Text(_blamed(listed.text, start))


@tool(title="Branches", read_only=True, open_world=False, timeout=60)
def branches(ctx: Context, remote: bool = False, limit: int = 50, repo: str = ".") -> Branches:
    """List the branches with their last commit and how they stand to their upstream.

    Args:
        remote: List what is known of the remotes' branches too; nothing is fetched.
        limit: The most branches to return, up to 1,000.
        repo: A folder in the repository, relative to the project root.

    Returns:
        The branches, the one with the newest commit first.
    """
    limit = _between("limit", limit, 1, 1000)
    with Repository(ctx, repo) as repository:
        fields = (
            "%(refname:short)", "%(HEAD)", "%(objectname:short=10)", "%(committerdate:short)", "%(upstream:short)",
            "%(upstream:track,nobracket)", "%(symref)", "%(subject)",
        )  # fmt: skip
        listed = repository.read(
            "for-each-ref", f"--count={limit + 1}", "--sort=-committerdate", "--format=" + "%1f".join(fields),
            "refs/heads", *(["refs/remotes"] if remote else []),
        )  # fmt: skip
        rows = [line.split(_FIELD, 7) for line in listed.text.split("\n") if line]
        found = [
            _branch((name, commit, date, subject), is_current=head == "*", upstream=upstream, track=track)
            for name, head, commit, date, upstream, track, points_to, subject in rows[:limit]
            # `origin/HEAD` is another name of a branch that is listed itself.
            if not points_to
        ]
        kept = _fitting(found)
        return Branches(kept, len(rows) > limit or len(kept) < len(found))


@tool(title="Commit", read_only=False, destructive=False, idempotent=False, open_world=False, timeout=300)
def commit(
    ctx: Context, message: str, paths: Optional[list[str]] = None, tracked: bool = False, repo: str = "."
) -> Committed:
    """Commit changes: the given files, all tracked files, or what is staged already.

    Look at `git_diff` first and write a message that says why. No hook, filter or signing program runs unless the
    user's settings allow it; `notes` says what was left out. Nothing is pushed.

    Args:
        message: A first line of about 50 characters; then, after a blank line, the details.
        paths: Files or folders to stage and commit, new and deleted ones too; what else is staged stays staged.
            Relative to the top of the repository.
        tracked: Stage and commit every change to files that git already tracks.
        repo: A folder in the repository, relative to the project root.

    Returns:
        The commit and what it holds.
    """
    if not message.strip():
        raise ToolError("`message` is empty; say in one line what the commit changes")
    if paths and tracked:
        raise ToolError("give either `paths` or `tracked`, not both")
    with Repository(ctx, repo) as repository:
        chosen = [repository.path(path) for path in paths or []]
        notes = commits.make(repository, message, chosen, tracked, repository.in_progress())
        return _committed(repository, notes)


def _committed(repository: Repository, notes: list[str]) -> Committed:
    made = repository.commit_of("HEAD")
    older = repository.asks("rev-parse", "--verify", "--quiet", f"{made}^1") or repository.empty_tree()
    listed = repository.read("diff", "--numstat", "-z", "--no-renames", "--no-ext-diff", "--no-textconv", older, made)
    rows = [row.split("\t", 2) for row in listed.text.split("\0") if row]
    return Committed(
        commit=made,
        branch=repository.asks("symbolic-ref", "--quiet", "--short", "HEAD"),
        subject=repository.read("log", "--max-count=1", "--format=%s", made, "--").text.strip(),
        files=[path for _, _, path in rows[:FILES_NAMED_MAX]],
        more_files=max(0, len(rows) - FILES_NAMED_MAX),
        added=sum(int(added) for added, _, _ in rows if added != "-"),
        removed=sum(int(removed) for _, removed, _ in rows if removed != "-"),
        notes=notes,
    )


def _compare_working_tree(repository: Repository, what: str) -> list[str]:
    if what == "unstaged":
        return []
    if what == "staged":
        return ["--cached"]
    # Before the first commit everything is new.
    head = repository.asks("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    return [head or repository.empty_tree()]


def _commit(record: str, detail: str) -> Commit:
    commit, author, email, date, refs, parents, subject, body = record.split(_FIELD, 7)
    full = detail == "full"
    found = Commit(
        commit=commit if full else commit[:10],
        date=date if full else date[:10],
        author=author,
        subject=_short(subject, _SUBJECT_CHARS_MAX),
    )
    pointing = [ref.replace("HEAD -> ", "").replace("tag: ", "") for ref in refs.split(", ") if ref and ref != "HEAD"]
    if pointing:
        found["refs"] = pointing[:20]
    body = body.strip()
    if body and detail != "line":
        found["body"] = _short(body, _BODY_CHARS_MAX)
    if full:
        found["email"] = email
        found["parents"] = parents.split()
    return found


def _branch(line: tuple[str, str, str, str], *, is_current: bool, upstream: str, track: str) -> Branch:
    name, commit, date, subject = line
    found = Branch(name=name, commit=commit, date=date, subject=_short(subject, _SUBJECT_CHARS_MAX))
    if is_current:
        found["current"] = True
    if upstream:
        found["upstream"] = upstream
    if track:
        found["track"] = track
    return found


_Listed = TypeVar("_Listed")


def _fitting(found: list[_Listed], most: int = DATA_TOKENS) -> list[_Listed]:
    """Return as much of a list as an answer holds, at least one."""
    taken = 0
    for count, one in enumerate(found):
        taken += tokens(one if isinstance(one, str) else str(one)) + 1
        if taken > most and count:
            return found[:count]
    return found


def _short(text: str, chars_max: int) -> str:
    kept = min(chars_max, fitting(text, chars_max // 2))
    return text if kept >= len(text) else f"{text[:kept]}… [{len(text) - kept:,} more characters]"


def _content(repository: Repository, commit: str, ref: str, path: str, start: int, limit: int) -> str:
    thing = commit if path == "." else f"{commit}:{path}"
    kind = repository.asks("cat-file", "-t", thing)
    if kind is None:
        raise ToolError(f"there is no `{path}` in `{ref}`; list a folder of it by giving that as `path`, or `.`")
    if kind in ("tree", "commit"):
        names = repository.read("ls-tree", "-z", f"{commit}:{'' if path == '.' else path}")
        entries = [entry.split("\t", 1) for entry in names.text.split("\0") if entry]
        rows = [name + ("/" if " tree " in entry else "") for entry, name in entries]
        shown = _fitting(rows, TEXT_TOKENS)
        if len(shown) < len(rows):
            shown = [*shown, f"[{len(rows) - len(shown):,} more; give a folder further down as `path`]"]
        return "\n".join(shown) or "[an empty folder]"
    blob = repository.read("cat-file", "blob", thing)
    if b"\0" in blob.data[:8192]:
        raise ToolError(f"`{path}` is binary in `{ref}`")
    limit = _between("limit", limit, 1, 10_000)
    start = _between("start", start, 1, 100_000_000)
    every = blob.text.split("\n")
    if every[-1] == "":
        every.pop()
    if start > len(every):
        raise ToolError(f"`{path}` has {len(every):,} lines in `{ref}`; `start` is {start:,}")
    wanted = _fitting([_short(line, _LINE_CHARS_MAX) for line in every[start - 1 : start - 1 + limit]], TEXT_TOKENS)
    text = "\n".join(wanted)
    end = start + len(wanted) - 1
    more = f"\n[lines {start:,}-{end:,} of {len(every):,}; go on with start={end + 1}]" if end < len(every) else ""
    return text + more


def _blamed(listed: str, start: int) -> str:
    rows: list[str] = []
    taken, shown, last = 0, 0, ""
    entry = {"commit": "", "line": "", "author": "", "author-time": "0"}
    for line in listed.split("\n"):
        if line.startswith("\t"):
            if not entry["commit"].strip("0"):
                entry["author"] = "Not Committed Yet"
            if entry["commit"] != last:
                day = _day(int(entry["author-time"]))
                rows.append(f"{entry['commit'][:8]} {day} {entry['author'][:60]}")
                last = entry["commit"]
            rows.append(f"{entry['line']:>6}  {_short(line[1:], 500)}".rstrip())
            taken += tokens(rows[-1]) + 4
            shown += 1
            if taken > TEXT_TOKENS:
                return "\n".join([*rows, f"[cut; go on with start={start + shown}]"])
        elif re.match(r"[0-9a-f]{40,64} \d+ \d+", line) is not None:
            entry["commit"], _, entry["line"] = line.split(" ")[:3]
        else:
            key, _, value = line.partition(" ")
            if key in entry:
                entry[key] = value
    return "\n".join(rows)


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).date().isoformat()


def _between(name: str, value: int, low: int, high: int) -> int:
    if not low <= value <= high:
        raise ToolError(f"`{name}` is {value}; it must be between {low:,} and {high:,}")
    return value
