"""Describes skills in processes of its own: `python -m omni.describe.child SKILLS_DIR SECONDS FOLDER…`.

A skill that is imported may print, exit, hang, kill its parent or leave threads behind. So each is imported
in a process that is forked for it and ended at its time limit, and this process stands between those and
whoever wants to know. What is found goes to standard output, one JSON object a line: `{"begin": folder}`
before a skill is imported, `{"folder", "functions", "problems"}` after it. When standard input ends, nobody
wants to know any more, and all of this ends.
"""

from __future__ import annotations

import json
import os
import select
import signal
import stat
import sys
import time

from omni.describe.folder import files_of
from omni.describe.functions import functions_of, prepare

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def main(words: list[str]) -> None:
    """Describe the folders that the command line names."""
    from omni.worker import forget_current_folder

    forget_current_folder()
    skills_dir, seconds, *folders = words
    skills_dir = os.path.realpath(skills_dir)
    # What a skill prints must not mix with what is said here.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    prepare()
    if _watched():
        tie(0, os.getpgrp())
    for folder in folders:
        print(json.dumps({"begin": folder}), file=out, flush=True)
        functions, problems = functions_in(skills_dir, folder, float(seconds))
        said = {"folder": folder, "functions": functions, "problems": problems}
        print(json.dumps(said), file=out, flush=True)


def functions_in(skills_dir: str, folder: str, seconds: float) -> tuple[list, list]:
    """Return the tools of a skill's Python files, and problems; one bad file costs its own tools only."""
    files = [
        file
        for file in files_of(skills_dir, folder, lambda _path, _why: None)
        if file.endswith(".py") and file.rpartition("/")[2][0] != "_"
    ]
    if not files:
        return [], []
    path = f"{skills_dir}/{folder}"
    found, why = _forked(folder, path, files, seconds)
    if found is None and len(files) > 1:
        parts = [(file, _forked(folder, path, [file], seconds)) for file in files]
    else:
        parts = [(files[0], (found, why))]
    functions: list = []
    problems: list = []
    for file, (part, why) in parts:
        if part is None:
            problems.append((file, 0, "error", f"importing the file {why}, so its tools are not listed"))
        else:
            functions += part[0]
            problems += part[1]
    return functions, problems


def _watched() -> list[int]:
    """Return the descriptor that tells when nobody wants to know any more, if there is one."""
    return [0] if stat.S_ISFIFO(os.fstat(0).st_mode) else []


def tie(life: int, group: int) -> None:
    """Have the kernel kill a process group when whoever started it dies, whatever the group is doing.

    It inherits the reading end of a pipe to which nobody ever writes. When its only writer is gone, the
    kernel sends the signal chosen here to the owner chosen here. Linux only; elsewhere `_read` notices.
    """
    import fcntl

    if not hasattr(fcntl, "F_SETSIG"):
        return
    try:
        fcntl.fcntl(life, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(life, fcntl.F_SETOWN, -group)
        fcntl.fcntl(life, fcntl.F_SETFL, fcntl.fcntl(life, fcntl.F_GETFL) | os.O_ASYNC)
    except OSError:  # a kernel that knows better
        pass


def _forked(skill: str, folder: str, files: list[str], seconds: float) -> tuple[Any, str]:
    """Import files in a process of their own; return what was found, or None and what happened instead."""
    reader, writer = os.pipe()
    life, lives = os.pipe()
    sys.stdout.flush()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        os.close(lives)
        # Of a group of its own, so that what it starts ends with it, and all of that with its parent.
        os.setsid()
        tie(life, os.getpid())
        if os.getppid() == parent:
            _describe(skill, folder, files, writer)
        os._exit(1)
    os.close(writer)
    try:
        answer = _read(reader, time.monotonic() + seconds)
    finally:
        for descriptor in (reader, life, lives):
            os.close(descriptor)
        try:
            # With what it may have started: nobody waits for that any more.
            os.killpg(child, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
    _, status = os.waitpid(child, 0)
    if answer is None:
        return None, f"took longer than {seconds:g} seconds"
    try:
        return json.loads(answer), ""
    except ValueError:
        pass
    if os.WIFSIGNALED(status) and answer == b"":
        return None, f"ended its process with signal {os.WTERMSIG(status)}"
    return None, f"ended its process with code {os.WEXITSTATUS(status) if os.WIFEXITED(status) else '?'}"


def _describe(skill: str, folder: str, files: list[str], writer: int) -> None:
    """Be the forked process. Does not return."""
    try:
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        answer = json.dumps(functions_of(skill, folder, files)).encode()
        while answer:
            answer = answer[os.write(writer, answer) :]
    except BaseException as error:
        os.write(2, f"omni: {skill}: {type(error).__name__}: {error}\n".encode("utf-8", "replace"))
        os._exit(1)
    os._exit(0)


def _read(reader: int, until: float) -> bytes | None:
    """Return all that comes down a pipe before it is closed; None when that takes too long."""
    parts = []
    while True:
        left = until - time.monotonic()
        ready = select.select([reader, *_watched()], [], [], left)[0] if left > 0 else []
        if reader not in ready:
            # Without the kernel's help against being left behind, this is how it is noticed.
            return None
        part = os.read(reader, 1 << 16)
        if not part:
            return b"".join(parts)
        parts.append(part)


if __name__ == "__main__":
    main(sys.argv[1:])
