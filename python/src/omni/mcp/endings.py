"""How a call ended, in the words that a model reads: the server's own (`omni-call/src/outcome.rs`)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_RETRYABLE = ("busy", "shutdown", "lost", "worker_start")
_SIGNALS = {
    4: " (SIGILL)",
    6: " (SIGABRT)",
    7: " (SIGBUS)",
    8: " (SIGFPE)",
    9: " (SIGKILL: perhaps out of memory)",
    11: " (SIGSEGV, a crash in native code)",
    15: " (SIGTERM)",
}
_RESULT_BYTES_MAX = 8 << 20


def failed(tool: str, error: dict, *, phase: str, elapsed: float, attempt: int, full: bool) -> dict:
    """Return the result that a failed call is answered with.

    Args:
        tool: The tool's name.
        error: The body of the `error` line.
        phase: How far the call had come: `queued`, `starting` or `started`.
        elapsed: Seconds since it was accepted.
        attempt: Counted from 1.
        full: Show the client an exception's message and traceback.
    """
    kind = kind_of(error)
    text = _sentence(tool, kind, error, full=full)
    starved = phase == "queued" and kind in ("timeout_total", "timeout_idle")
    if starved:
        text += "; it still waited for a worker, and no line of it has run"
    if error.get("stack"):
        text += f"\n\nPython was here:\n{error['stack'].rstrip()}"
    shows = kind == "load_error" or (kind == "tool_error" and not error.get("intended"))
    if full and shows and error.get("traceback"):
        text += f"\n\n{error['traceback'].rstrip()}"
    if full and error.get("stderr"):
        text += f"\n\nlast output on stderr:\n{error['stderr'].rstrip()}"
    failure: dict[str, Any] = {
        "kind": kind,
        "phase": phase,
        "retryable": starved or kind in _RETRYABLE,
        "elapsed_ms": int(elapsed * 1000),
        "attempt": attempt,
    }
    if error.get("stack"):
        failure["stack"] = error["stack"]
    return _result(text, failure)


def refused(text: str) -> dict:
    """Return the result of a call whose arguments break the schema."""
    return _result(text, {"kind": "invalid_arguments", "phase": "validation", "retryable": False})


def _result(text: str, failure: dict) -> dict:
    return {"content": [{"type": "text", "text": text}], "is_error": True, "meta": {"omni/failure": failure}}


def kind_of(error: dict) -> str:
    """Return the kind of an ending, where the tool's exception is not all there is to say."""
    kind = error["kind"]
    if kind == "tool_error" and "MemoryError" in (error.get("class"), *(error.get("bases") or ())):
        return "oom"
    # Nobody is told of a cancellation that was asked for, so this one the tool raised by itself.
    return "tool_error" if kind == "cancelled" else kind


def _sentence(tool: str, kind: str, error: dict, *, full: bool) -> str:
    message = error.get("message", "")
    if kind == "tool_error":
        if error.get("intended"):
            return message
        name = error.get("class") or ("CallCancelled" if error["kind"] == "cancelled" else "Exception")
        place = f" at {error['location']}" if error.get("location") else ""
        if full:
            return f"`{tool}` raised `{name}`{place}: {message}"
        return (
            f"`{tool}` raised `{name}`{place}; its message is in the server's log (start omni with "
            "`--errors full` to see it here)"
        )
    if kind == "oom":
        return f"`{tool}` wanted more memory than this machine has left"
    said = {
        "bad_result": f"`{tool}` returned an unusable result: {message}",
        "load_error": f"`{tool}` could not be loaded: {message}",
        "exited": f"`{tool}` ended its process with exit code {error.get('code') or 0}",
        "signalled": f"`{tool}` was ended by signal {error.get('signal')}"
        + _SIGNALS.get(error.get("signal") or 0, ""),
        "timeout_total": f"`{tool}` was stopped at its time limit of {_seconds(error)}",
        "timeout_idle": f"`{tool}` was stopped after {_seconds(error)} without a sign of life "
        "(progress or heartbeat)",
        "output_limit": f"`{tool}` returned more than {_RESULT_BYTES_MAX} bytes; ask for less at a time",
        "shutdown": f"`{tool}` was stopped because the server is shutting down",
        "busy": f"no worker is free for `{tool}`; try again in 1 s",
        "worker_start": f"no process could be started for `{tool}`: {message}",
    }
    return said.get(kind, f"the worker running `{tool}` was lost: {message}")


def _seconds(error: dict) -> str:
    return f"{(error.get('limit_ms') or 0) / 1000:g} s"
