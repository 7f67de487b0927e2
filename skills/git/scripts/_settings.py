"""Which settings does git obey here?

Only those in the lists below: where a branch comes from, how files are compared, who commits. None of them
names a program or a file to be read. They are copied into a configuration of our own, and git is shown no
other: not the repository's file, not what that includes, not the user's, not the system's. So a setting
that runs a program need not be known to be refused; also one that a later git invents is not there.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Optional

from omni import ToolError

# How files are compared with what git knows of them, and what is written down of it. The last of the
# repository's own files counts.
_OF_FILES = frozenset(
    """
    core.autocrlf core.eol core.safecrlf core.filemode core.symlinks core.ignorecase core.precomposeunicode
    core.trustctime core.checkstat core.sparsecheckout core.sparsecheckoutcone core.logallrefupdates
    core.sharedrepository
    """.split()
)
_OF_PEOPLE = frozenset(
    """
    user.name user.email user.useconfigonly author.name author.email committer.name committer.email
    """.split()
)
# `branch.<name>.…` and `remote.<name>.…`: how a branch stands to its upstream. Nothing is fetched.
_OF_BRANCHES = {"branch": frozenset({"remote", "merge"}), "remote": frozenset({"fetch", "url"})}

# Who may use the repository besides its owner: the group, never the rest of the world.
_SHARED = frozenset({"group", "true", "umask", "false", "0", "1", "0600", "0640", "0660"})

# What changes how a repository is stored, with the values that may be handed on.
_FORMATS = {
    "extensions.objectformat": frozenset({"sha1", "sha256"}),
    "extensions.refstorage": frozenset({"files", "reftable"}),
}
# Formats that mean nothing to the commands that are run here, or are dealt with in this file.
_FORMATS_LEFT_OUT = frozenset(
    """
    extensions.noop extensions.noop-v1 extensions.partialclone extensions.preciousobjects extensions.worktreeconfig
    extensions.relativeworktrees
    """.split()
)

_ENTRIES_MAX = 20_000
_TRUE = frozenset({"true", "yes", "on", "1"})


class Entry(NamedTuple):
    """One setting. The key's first and last part are in lower case, as git lists them."""

    key: str
    # `None` for a key that stands alone, which means true.
    value: Optional[str]

    @property
    def truth(self) -> bool:
        """Whether the value means true."""
        return self.value is None or self.value.casefold() in _TRUE


def parsed(listed: bytes) -> list[Entry]:
    """Read what `git config --list --null` prints.

    Raises:
        ToolError: There are absurdly many settings.
    """
    records = _records(listed)
    if len(records) > _ENTRIES_MAX:
        raise ToolError(f"the repository's configuration has {len(records):,} settings; {_ENTRIES_MAX:,} are read")
    return [_entry(record) for record in records]


def of_user(listed: bytes) -> list[Entry]:
    """Read what `git config --list --null --show-scope` prints of the user's and the system's settings."""
    records = _records(listed)
    return [_entry(record) for scope, record in zip(records[::2], records[1::2]) if scope in ("global", "system")]


def _records(listed: bytes) -> list[str]:
    return listed.decode("utf-8", "surrogateescape").split("\0")[:-1]


def _entry(record: str) -> Entry:
    key, found, value = record.partition("\n")
    return Entry(key, value if found else None)


def last(entries: Iterable[Entry], key: str) -> Optional[Entry]:
    """Return the entry that counts: the last one with this key."""
    found = None
    for entry in entries:
        if entry.key == key:
            found = entry
    return found


def configuration(users: Iterable[Entry], repositorys: Iterable[Entry], excludes: Optional[str]) -> str:
    """Return the file that git is shown in place of all others.

    Args:
        users: What the user and the system have set.
        repositorys: What the repository's own files say, without what they include.
        excludes: The user's list of files that are ignored everywhere.

    Raises:
        ToolError: The repository is stored in a way that is not known here.
    """
    repositorys = list(repositorys)
    # An index of several packs names them by path, and a made one names those of others.
    lines = ["[core]", "\trepositoryformatversion = 1", "\tbare = false", "\tmultiPackIndex = false"]
    lines += _written(_formats(repositorys))
    if excludes is not None:
        lines += _written([Entry("core.excludesfile", excludes)])
    lines += _written(entry for entry in users if entry.key in _OF_FILES or entry.key in _OF_PEOPLE)
    lines += _written(
        entry
        for entry in repositorys
        if _obeyed(entry.key) and (entry.key != "core.sharedrepository" or (entry.value or "true") in _SHARED)
    )
    return "\n".join([*lines, ""])


def _obeyed(key: str) -> bool:
    if key in _OF_FILES or key in _OF_PEOPLE:
        return True
    section, _, rest = key.partition(".")
    name, dot, variable = rest.rpartition(".")
    return bool(dot and name) and variable in _OF_BRANCHES.get(section, ())


def _formats(repositorys: list[Entry]) -> Iterator[Entry]:
    version = last(repositorys, "core.repositoryformatversion")
    if version is not None and (version.value or "").strip() not in ("0", "1"):
        raise ToolError(
            f"`core.repositoryformatversion` is `{version.value}`; repositories of version 0 and 1 can be read"
        )
    for key in dict.fromkeys(entry.key for entry in repositorys if entry.key.startswith("extensions.")):
        entry = last(repositorys, key)
        if entry is None or key in _FORMATS_LEFT_OUT:
            continue
        if key not in _FORMATS or (entry.value or "").casefold() not in _FORMATS[key]:
            if version is None or version.value == "0":
                # Git itself minds them from version 1 on.
                continue
            raise ToolError(f"the repository uses `{key} = {entry.value}`, which this skill does not know")
        yield Entry(key, (entry.value or "").casefold())


def _written(entries: Iterable[Entry]) -> Iterator[str]:
    for key, value in entries:
        section, _, rest = key.partition(".")
        name, _, variable = rest.rpartition(".")
        if "\n" in name or "\0" in name:
            continue
        # In a name, only these two are escaped; what else follows a backslash stands for itself.
        inner = name.replace("\\", "\\\\").replace('"', '\\"')
        yield f'[{section} "{inner}"]' if name else f"[{section}]"
        yield f"\t{variable}" if value is None else f'\t{variable} = "{_escaped(value)}"'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")


def excludes_file(users: Iterable[Entry], home: Optional[str], config_home: Optional[str]) -> Optional[str]:
    """Return the user's list of files that are ignored everywhere, if there is one."""
    chosen = last(users, "core.excludesfile")
    if chosen is not None and chosen.value:
        return os.path.expanduser(chosen.value)
    folder = config_home or (home and os.path.join(home, ".config"))
    return os.path.join(folder, "git", "ignore") if folder else None
