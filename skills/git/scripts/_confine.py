"""How does the kernel keep git to what it was started for?

Landlock (Linux 5.13 and later, no privileges needed) takes the rest of the file system and every other
program away from a process and its children. It is the second fence: what git obeys is decided in
`_settings.py` and where it may look in `_locate.py`, and both hold without it. It closes what a check
cannot: somebody who puts a link in the place of a folder between our look and git's.

Landlock is put on a thread, and a thread's children inherit it. So git is started from a thread made for
that, and nothing runs between `fork` and `exec`.
"""

from __future__ import annotations

import ctypes
import functools
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Iterable, Sequence
from typing import Callable, NamedTuple, Optional

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_PR_SET_NO_NEW_PRIVS = 38
_RULE_PATH_BENEATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIR, _REMOVE_FILE, _MAKE_DIR, _MAKE_FILE = 1 << 4, 1 << 5, 1 << 7, 1 << 8
_REFER, _TRUNCATE = 1 << 13, 1 << 14
# How many rights the kernel knows, by the version of its interface. What is not granted is refused.
_RIGHTS_BY_VERSION = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
# Rights that a rule on a file, not on a folder, may name.
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE
_BIND_AND_CONNECT_TCP = 3
_ABSTRACT_SOCKETS_AND_SIGNALS = 3

# What any program needs to start and to know the time and its user. None of it is written.
_SYSTEM = (
    "/usr", "/lib", "/lib32", "/lib64", "/libx32", "/bin", "/nix/store", "/gnu/store", "/etc/ld.so.cache",
    "/etc/ld.so.preload", "/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/localtime", "/etc/hostname",
    "/etc/mailname", "/dev/urandom", "/dev/zero",
)  # fmt: skip


class Reach(NamedTuple):
    """What one git may do. Everything that is not named is refused by the kernel."""

    # The program itself.
    program: str
    # Folders and files that may be read.
    read: Sequence[str]
    # Folders that may be written too.
    write: Sequence[str] = ()


def start(reach: Reach, popen: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    """Start a process that has only `reach`, where the kernel can see to that; elsewhere just start it.

    Raises:
        OSError: As `popen` does.
    """
    if not available(reach.program):
        return popen()
    started: list[subprocess.Popen[bytes]] = []
    failed: list[BaseException] = []

    def confined() -> None:
        try:
            _confine_thread(reach)
            started.append(popen())
        except BaseException as error:  # handed to the caller's thread
            failed.append(error)

    thread = threading.Thread(target=confined, name="start-git")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return started[0]


@functools.lru_cache(maxsize=4)
def available(program: str) -> bool:
    """Tell whether the kernel can confine `program`, and the program then still starts.

    A `git` that is a script of some package manager needs other programs to start: it is left unconfined.
    """
    if _version() < 1:
        return False
    worked: list[bool] = []

    def attempt() -> None:
        try:
            _confine_thread(Reach(program, ()))
            done = subprocess.run(  # noqa: S603 - the program that every call runs
                [program, "--version"], env={}, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, check=False
            )
            worked.append(done.returncode == 0)
        except (OSError, ValueError, struct.error):
            worked.append(False)

    thread = threading.Thread(target=attempt, name="try-git")
    thread.start()
    thread.join()
    return bool(worked and worked[0])


@functools.lru_cache(maxsize=1)
def _version() -> int:
    if sys.platform != "linux":
        return 0
    try:
        return _call(_CREATE_RULESET, None, 0, 1)
    except OSError:
        # No such system call, switched off at boot, or forbidden to this container.
        return 0


def _confine_thread(reach: Reach) -> None:
    version = _version()
    handled = (1 << _RIGHTS_BY_VERSION.get(version, 16)) - 1
    attributes = struct.pack("=Q", handled)
    if version >= 4:
        attributes += struct.pack("=Q", _BIND_AND_CONNECT_TCP)
    if version >= 6:
        attributes += struct.pack("=Q", _ABSTRACT_SOCKETS_AND_SIGNALS)
    ruleset = _call(_CREATE_RULESET, attributes, len(attributes), 0)
    try:
        reading = _READ_FILE | _READ_DIR
        writing = reading | _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_FILE | _REFER | _TRUNCATE
        prefix = os.path.dirname(os.path.dirname(os.path.realpath(reach.program)))
        system = [path for path in (*_SYSTEM, prefix) if path != "/"]
        _allow(ruleset, [*system, *reach.read], reading & handled)
        _allow(ruleset, ["/dev/null"], (_READ_FILE | _WRITE_FILE) & handled)
        _allow(ruleset, reach.write, writing & handled)
        _allow(ruleset, [reach.program, *_loader(reach.program)], (_EXECUTE | _READ_FILE) & handled)
        if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "no_new_privs")
        _call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, paths: Iterable[str], rights: int) -> None:
    for path in paths:
        try:
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            # What is not there need not be allowed.
            continue
        try:
            allowed = rights if os.path.isdir(f"/proc/self/fd/{descriptor}") else rights & _OF_FILES
            rule = struct.pack("=Qi", allowed, descriptor)
            _call(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, rule, 0)
        finally:
            os.close(descriptor)


def _loader(program: str) -> list[str]:
    """Return the program that the kernel starts in the place of a dynamically linked one, if there is one."""
    found: Optional[str] = None
    with open(program, "rb") as file:
        head = file.read(64)
        if head[:5] == b"\x7fELF\x02":
            order = "<" if head[5] == 1 else ">"
            offset = struct.unpack_from(order + "Q", head, 32)[0]
            size, count = struct.unpack_from(order + "HH", head, 54)
            for number in range(count):
                file.seek(offset + number * size)
                entry = file.read(56)
                if struct.unpack_from(order + "I", entry)[0] == 3:  # PT_INTERP
                    start, length = (
                        struct.unpack_from(order + "Q", entry, 8)[0],
                        struct.unpack_from(order + "Q", entry, 32)[0],
                    )
                    file.seek(start)
                    found = os.fsdecode(file.read(length).rstrip(b"\0"))
                    break
    return [] if found is None else [found]


def _call(number: int, *arguments: object) -> int:
    library = ctypes.CDLL(None, use_errno=True)
    library.syscall.restype = ctypes.c_long
    given = [ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments]
    result = int(library.syscall(ctypes.c_long(number), *given))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
