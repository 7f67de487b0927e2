"""Runs a tool that is a program of any kind: arguments in, output out, a clean end."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import tempfile
import time

from omni import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from omni.supervise import Job

_RESULT_BYTES_MAX = 8 << 20
_STDERR_BYTES_MAX = 8 << 10
_FLAG_BYTES_MAX = 100_000
_TERM_SECONDS = 1.0
_NOT_STARTED = 127


class _UnfitError(Exception):
    """The arguments cannot be passed on; the text says why."""


def run(job: Job, program: dict, environment: dict[str, str], root: str) -> bytes | None:
    """Run a program to its end and return the last line of the call; None when its caller went away."""
    folder = job.target["dir"]
    variables = {**environment, **program["env"], "OMNI_SKILL_DIR": folder}
    cwd = f"{folder}/{program['cwd']}" if program["cwd"] else root
    with tempfile.TemporaryFile() as given:
        try:
            argv = _argv(folder, program, json.loads(job.arguments))
        except _UnfitError as unfit:
            message = f"the arguments cannot be passed on: {unfit}"
            return job.failure(
                kind="tool_error", **{"class": "ArgumentError"}, message=message, intended=True
            )
        if program["input"] != "flags":
            given.write(job.arguments.encode())
            given.seek(0)
        try:
            process = subprocess.Popen(  # noqa: S603 - the program that the skill declares
                argv,
                stdin=given,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=cwd,
                env=variables,
                start_new_session=True,
            )
        except OSError as error:
            return job.failure(kind="worker_start", message=f"`{argv[0]}`: {error.strerror}")
    job.say(wire.seal_lossy(wire.write_json({"started": {"id": job.id}}))[4:])
    try:
        return _watch(job, process, program)
    finally:
        _end(process)


def _argv(folder: str, program: dict, arguments: dict) -> list[str]:
    first, *rest = program["argv"]
    # A script of the skill is meant wherever a word names one: the working folder is another.
    argv = [f"{folder}/{first}" if "/" in first else first]
    for word in rest:
        inside = "/" in word and not word.startswith("/") and os.path.isfile(f"{folder}/{word}")
        argv.append(f"{folder}/{word}" if inside else word)
    if program["input"] == "file":
        argv.append("/dev/stdin")
    elif program["input"] == "flags":
        argv += _flags(arguments)
    return argv


def _flags(arguments: dict) -> list[str]:
    flags = []
    for name, value in arguments.items():
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            flags.append(flag)
        elif value is not None and value is not False:
            for item in value if isinstance(value, list) else [value]:
                text = item if isinstance(item, str) else wire.write_json(item)
                if "\0" in text:
                    raise _UnfitError(f"`{name}` holds a NUL character, which no command line can")
                # With `=` a value is never taken for an option of its own.
                flags.append(f"{flag}={text}")
    size = sum(len(flag) + 1 for flag in flags)
    if size > _FLAG_BYTES_MAX:
        raise _UnfitError(f"they are {size} bytes, and a command line takes {_FLAG_BYTES_MAX} at most")
    return flags


def _watch(job: Job, process: subprocess.Popen, program: dict) -> bytes | None:
    """Collect what a program writes until it ends. Everything that it writes is a sign of life."""
    out, err = bytearray(), bytearray()
    silent_until = job.silent_until
    with selectors.DefaultSelector() as selector:
        for pipe, buffer in ((process.stdout, out), (process.stderr, err)):
            selector.register(pipe, selectors.EVENT_READ, buffer)
        if job.caller is not None:
            selector.register(job.caller.fileno(), selectors.EVENT_READ)
        while process.poll() is None or any(key.data is not None for key in selector.get_map().values()):
            now = time.monotonic()
            kind = job.expired(now, silent_until)
            if kind is not None:
                return job.failure(**job.overdue(kind), stderr=_text(err[-_STDERR_BYTES_MAX:]))
            limits = [limit - now for limit in (job.deadline, silent_until) if limit is not None]
            for key, _ in selector.select(max(0.0, min([0.25, *limits]))):
                if key.data is None:
                    if job.caller is not None and job.caller.left():
                        return None
                    continue
                piece = os.read(key.fd, 1 << 16)
                key.data.extend(piece)
                silent_until = None if job.idle is None else time.monotonic() + job.idle
                if not piece:
                    selector.unregister(key.fileobj)
                elif key.data is err:
                    _report(job, piece)
            if len(out) > _RESULT_BYTES_MAX:
                return job.failure(kind="output_limit")
            del err[: -_STDERR_BYTES_MAX or None]
            if process.poll() is not None and not selector.select(0):
                break  # what it left behind may hold the pipes open
    return _ended(job, process.wait(), program, bytes(out), _text(err))


def _report(job: Job, piece: bytes) -> None:
    if job.wants_log("warning"):
        for line in _text(piece).splitlines():
            log = {"id": job.id, "level": "warning", "logger": "stderr", "data": line}
            job.say(wire.seal_lossy(wire.write_json({"log": log}))[4:])


def _ended(job: Job, code: int, program: dict, out: bytes, stderr: str) -> bytes:
    if code < 0:
        return job.failure(kind="signalled", signal=-code, stderr=stderr)
    if code == _NOT_STARTED and not out:
        return job.failure(kind="worker_start", message=stderr.strip() or "it ended at once")
    if code:
        if not out:
            return job.failure(kind="exited", code=code, stderr=stderr)
        # What it has to say to the client it says on its output, whatever its code.
        return _result(job, out.decode("utf-8", "replace"), is_error=True)
    try:
        text = out.decode()
    except UnicodeDecodeError as error:
        message = f"its output is not UTF-8 (from byte {error.start} on)"
        return job.failure(kind="bad_result", message=message)
    if program["output"] == "text":
        return _result(job, text)
    try:
        value = wire.scan_json(text)
    except ValueError as error:
        message = f"its output should be one JSON value and is not: {error}"
        return job.failure(kind="bad_result", message=message)
    structured = isinstance(value, dict) or job.target["structured"]
    return _result(job, text.strip(), **({"structured": value} if structured else {}))


def _result(job: Job, text: str, **more: object) -> bytes:
    body = {"id": job.id, "content": [{"type": "text", "text": text.removesuffix("\n")}], **more}
    return wire.seal_lossy(wire.write_json({"result": body}))[4:]


def _text(data: bytes | bytearray) -> str:
    return bytes(data).decode("utf-8", "replace")


def _end(process: subprocess.Popen) -> None:
    """End a program and what it has started: SIGTERM, a second, SIGKILL."""
    for number, seconds in ((signal.SIGTERM, _TERM_SECONDS), (signal.SIGKILL, 5.0)):
        try:
            os.killpg(process.pid, number)
        except (ProcessLookupError, PermissionError):
            break
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
    process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
