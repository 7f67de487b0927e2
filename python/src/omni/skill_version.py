"""Which version of each skill has this process loaded, and does a file that is imported belong to it?

A version is named by its digest (`omni.skill_digest`). The first call of a skill settles which one runs here:
its files are hashed once, before anything is imported, and every source that is imported later is held to
these hashes as it is read. So no call ever runs files of two versions, without a look at the disk per call.

What was loaded stays: where a call means another version, the server takes another process for it. Inside the
server, where there is no other, a version is loaded beside the last one, as a package of another name.
"""

from __future__ import annotations

import sys
from _thread import RLock
from os.path import normpath, realpath

from omni import skill, skill_digest
from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Callable, NoReturn

    from omni.call_frame import Call

#: The package that has one for each skill.
ROOT = "omni_skills"

_modules = sys.modules
_lock = RLock()
#: The version that calls of a skill run here, by the skill's folder.
_current: dict[str, SkillVersion] = {}
#: Earlier ones, of which a call may still run.
_superseded: list[SkillVersion] = []
#: How many versions of a skill there have been, by its folder.
_counts: dict[str, int] = {}
#: What was refused and nobody has reported yet: see `take_refusals`.
refusals: list[str] = []
#: Says which versions calls run on at the moment, where a version may follow another in this process.
in_use: Callable[[], set[SkillVersion]] | None = None
#: Called with the modules that were taken out of `sys.modules` because their version is over.
forget: Callable[[dict[str, ModuleType]], None] | None = None


class StaleError(Exception):
    """The call means another version of its skill than is there, or is loaded. Nothing of it has run."""

    def __init__(self, digest: str) -> None:
        super().__init__(f"the digest of the skill's files is {digest}")
        #: Of what was found.
        self.digest = digest


class SkillChangedError(ImportError):
    """A file of a skill was to be imported that is not as it was when this process loaded the skill."""


class SkillVersion:
    """One version of a skill's Python files."""

    __slots__ = ("_places", "digest", "folder", "hashes", "is_kept", "is_loaded", "package")

    def __init__(
        self, folder: str, package: str, digest: str, hashes: dict[str, str], *, is_kept: bool = False
    ) -> None:
        self.folder = folder
        #: The package that its modules belong to.
        self.package = package
        self.digest = digest
        #: Of each file, by its path in the folder.
        self.hashes = hashes
        #: The folder has other files by now; what was compiled of these runs, as far as it is kept.
        self.is_kept = is_kept
        #: Whether a function of it was found, so that a call may have run.
        self.is_loaded = False
        self._places = tuple({f"{folder}/", f"{realpath(folder)}/"})

    def holds(self, path: str) -> bool:
        """Tell whether a path lies beneath the skill's folder."""
        return path.startswith(self._places)

    def meant(self, path: str, found: str, size: int) -> str:
        """Return the hash of what is to be imported as the file at a path beneath the folder.

        Args:
            path: Of the file, absolute.
            found: The hash of what stands in it.
            size: How many bytes that is.

        Raises:
            SkillChangedError: Nothing is: the file is not of this version.
        """
        inner = self.inner(path)
        known = self.hashes.get(inner)
        if known is None:
            # Written otherwise, or reached through a link to a folder. One that leads out leads to no file of
            # the skill.
            path = realpath(path)
            if not self.holds(path):
                return found
            inner = self.inner(path)
            known = self.hashes.get(inner)
        if known is None:
            if not skill_digest.counts(inner, size, len(self.hashes)):
                return found
            refuse(_objection(inner, "was added"))
        if known != found and not self.is_kept:
            refuse(_objection(inner, "changed"))
        return known

    def digest_now(self) -> str:
        """Return the digest of the files as they are now. Reads them all."""
        return skill_digest.read_skill(self.folder)[0]

    def absence(self) -> str | None:
        """Return what is said of a file that is not there any more, or None. Reads them all."""
        now = skill_digest.read_skill(self.folder)[1]
        gone = next((path for path in self.hashes if path not in now), None)
        return None if gone is None else _objection(gone, "was removed")

    def inner(self, path: str) -> str:
        """Return a path in the folder, as the files are named by; any other as it is."""
        for place in self._places:
            if path.startswith(place):
                return normpath(path[len(place) :])
        return path


def _objection(file: str, what: str) -> str:
    return f"`{file}` was not imported: the file {what} after this worker had loaded the skill"


def plain_package(name: str) -> str:
    """Return the package of a skill's modules, where there is one version of it."""
    return f"{ROOT}.{module_part(name)}"


def module_part(name: str) -> str:
    """Return a name that the import system takes for one part of a module's."""
    # A dot would make two levels of one name.
    return name.replace(".", "%2E")


def settle(
    name: str,
    folder: str,
    digest: str | None,
    kept: Callable[[str], dict[str, str] | None] | None = None,
) -> SkillVersion:
    """Return the version of a skill that runs here, reading its files if none does yet.

    Args:
        name: The skill's.
        folder: Its folder.
        digest: The version that is meant. None takes what is there.
        kept: Returns the files of a version whose code may be kept, where that one may run though the folder
            has others by now.

    Raises:
        StaleError: It is not the one that is meant.
    """
    with _lock:
        known = _current.get(folder)
        if known is not None:
            if digest is None or known.digest == digest:
                # What it imports from now on the folder may not have any more.
                known.is_kept = known.is_kept or kept is not None
                return known
            # One that failed, or was overtaken while it was imported, has left nothing to be mixed with.
            if known.is_loaded and in_use is None:
                raise StaleError(known.digest)
        found, hashes = skill_digest.read_skill(folder)
        is_kept = digest is not None and found != digest
        if is_kept:
            former = kept and kept(digest)
            if former is None:
                raise StaleError(found)
            found, hashes = digest, former
        if known is not None:
            _supersede(known)
        count = _counts[folder] = _counts.get(folder, 0) + 1
        package = plain_package(name) + ("" if count == 1 else f"@{count}")
        version = _current[folder] = SkillVersion(folder, package, found, hashes, is_kept=is_kept)
        return version


def _supersede(version: SkillVersion) -> None:
    """Take out what a new version would find of earlier ones, and those of which no call runs any more.

    Code of a version that still runs finds its own package by its name.
    """
    used = set() if in_use is None else in_use()
    over = [one for one in _superseded if one not in used]
    _superseded[:] = [one for one in _superseded if one in used]
    _superseded.append(version)
    gone = {}
    for name, module in list(_modules.items()):
        file = getattr(module, "__file__", None)
        # By a path that the skill has put on `sys.path`, they are found under names that all versions share.
        shared = isinstance(file, str) and version.holds(file) and not name.startswith(f"{ROOT}.")
        ended = any(name == one.package or name.startswith(f"{one.package}.") for one in over)
        if ended or shared:
            gone[name] = module
    for name in gone:
        _modules.pop(name, None)
    if forget is not None:
        forget(gone)


def expect(package: str, folder: str, digest: str) -> None:
    """Hold what this process imports of a skill to the version that the process it was started by runs.

    Raises:
        SkillChangedError: The files are others by now.
    """
    with _lock:
        if folder in _current:
            return
        found, hashes = skill_digest.read_skill(folder)
        if found != digest:
            message = f"`{package}` was not imported: a file of the skill changed while the call ran"
            raise SkillChangedError(message)
        _current[folder] = SkillVersion(folder, package, found, hashes)


def check(path: str, module: str, found: str, size: int) -> str:
    """Return the hash of the source that is to run as the file at a path.

    That is another one than `found` only where the skill's version is kept.

    Args:
        path: Of the file, absolute.
        module: What it is to become.
        found: The hash of what stands in it.
        size: How many bytes that is.

    Raises:
        SkillChangedError: None is: the file is not as it was when its skill was loaded. See `refuse`.
    """
    version = _meant(path, module, _running_call()) if _current else None
    return found if version is None else version.meant(path, found, size)


def refuse(message: str) -> NoReturn:
    """Have a file not be imported. A running call has failed thereby, whatever it makes of the exception."""
    call = _running_call()
    if call is not None and call.target.prepared is not None:
        note_refusal(call, message)
    raise SkillChangedError(message)


def _running_call() -> Call | None:
    context = skill.current()
    return None if context is None else context._call


def kept_owner(module: str) -> SkillVersion | None:
    """Return the version that a module is of, where that version is kept: see `SkillVersion.is_kept`."""
    for version in (*_current.values(), *_superseded):
        if version.is_kept and module.startswith(f"{version.package}."):
            return version
    return None


def refuse_as_not_kept(path: str) -> NoReturn:
    """Have a file not be imported that is another by now, when what it was is not to be had any more."""
    refuse(f"`{path}` was not imported: the file changed, and its last good version is not kept")


def note_refusal(call: Call, message: str) -> None:
    """Have a call that runs fail, and this process be replaced."""
    call.refused = message
    refusals.append(message)


def _meant(path: str, module: str, call: Call | None) -> SkillVersion | None:
    """Return the version that a file is imported for: the call's, its package's, or the current one."""
    if call is not None:
        version = call.target.version
        if version is not None and version.holds(path):
            return version
    versions = [one for one in (*_current.values(), *_superseded) if one.holds(path)]
    for version in versions:
        if module.startswith(f"{version.package}."):
            return version
    return versions[0] if versions else None


def take_refusals() -> list[str]:
    """Return what was refused since the last time, for the server to be told."""
    found = refusals[:]
    refusals.clear()
    return found
