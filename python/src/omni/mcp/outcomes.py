"""How a call ended, in the words that a model reads: those of the server (`conformance/shared.json`)."""

from __future__ import annotations

import sys

from omni.constants import (
    MESSAGE_BYTES_MAX,
    OUTCOME_RETRYABLE,
    OUTCOME_SENTENCES,
    OUTCOME_SIGNALS,
    OUTCOME_WITHHELD,
    RESULT_BYTES_MAX,
)
from omni.failure import cut, invalid_arguments_message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


#: Endings of which a process's standard error is the last word.
_LAST_WORDS = ("exited", "signalled", "lost", "worker_start")


def log_failure(name: str, error: dict[str, Any]) -> None:
    """Say in full, on standard error, what the client may see only part of."""
    if not error.get("intended") and error["kind"] != "invalid_arguments":
        text = error.get("traceback") or error.get("message") or ""
        sys.stderr.write(f"omni: {name}: {error['kind']}: {text.rstrip()}\n")


def failed_result(
    tool: str, error: dict[str, Any], *, started: bool, elapsed_ms: int, detail: str
) -> dict[str, Any]:
    """Return the result of a failed call.

    Args:
        tool: Its name.
        error: The body of the frame that says how it ended.
        started: Whether its own code had begun.
        elapsed_ms: How long it took.
        detail: How much the client reads of an exception: `masked`, `message` or `full`.
    """
    kind = error["kind"]
    if kind == "tool_error" and "MemoryError" in (error.get("class"), *(error.get("bases") or ())):
        kind = "oom"
    # Nobody is told of a cancellation that was asked for, so this one the tool raised by itself.
    kind = "tool_error" if kind == "cancelled" else kind
    text = _sentence(tool, kind, error, detail)
    said = error.get("message") if kind == "exited" else None
    stderr = (error.get("stderr") or "").rstrip()
    if stderr and said and said.strip() == stderr.strip():
        stderr = ""
    if detail == "masked" and kind in _LAST_WORDS and (stderr or (said and said.strip())):
        text += f"; what it said {OUTCOME_WITHHELD}"
    shows = kind in ("load_error", "oom") or (kind == "tool_error" and not error.get("intended"))
    if detail == "full" and shows and error.get("traceback"):
        text += f"\n\n{error['traceback'].rstrip()}"
    if stderr and (detail == "full" or (detail == "message" and kind in _LAST_WORDS and not said)):
        text += f"\n\nlast output on stderr:\n{stderr if detail == 'full' else tail(stderr)}"
    failure = {
        "kind": kind,
        "phase": "validation" if kind == "invalid_arguments" else "started" if started else "starting",
        "retryable": kind in OUTCOME_RETRYABLE,
        "elapsed_ms": elapsed_ms,
        "attempt": 1,
    }
    return _result(text, failure)


def with_stderr(body: dict[str, Any], detail: str) -> dict[str, Any]:
    """Return the result of a program that says on its output that it failed, with the end of its stderr."""
    stderr = (body.get("stderr") or "").rstrip()
    if not stderr:
        return body
    text = f"what it wrote to stderr {OUTCOME_WITHHELD}"
    if detail != "masked":
        text = f"last output on stderr:\n{stderr if detail == 'full' else tail(stderr)}"
    return {**body, "content": [*body["content"], {"type": "text", "text": text}]}


def refused_result(tool: str, faults: list[tuple[str, str]], *, elapsed_ms: int) -> dict[str, Any]:
    """Return the result of a call whose arguments break the schema: nothing has run."""
    error = {"kind": "invalid_arguments", "message": invalid_arguments_message(tool, faults)}
    return failed_result(tool, error, started=False, elapsed_ms=elapsed_ms, detail="masked")


def _result(text: str, failure: dict[str, Any]) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text}], "isError": True, "_meta": {"omni/failure": failure}}


def _sentence(tool: str, kind: str, error: dict[str, Any], detail: str) -> str:
    form = kind
    message = error.get("message") or ""
    if kind in ("tool_error", "load_error", "exited", "oom") and detail != "masked" and message.strip():
        form = f"{kind} message"
        # With its traceback nothing is lost by cutting it.
        if not error.get("intended") and (detail == "message" or error.get("traceback")):
            message = cut(message)
    elif kind == "tool_error" and detail != "masked":
        form = "tool_error message empty"
    if kind in ("tool_error", "load_error") and error.get("intended"):
        form = f"{kind} intended"
    if kind == "invalid_arguments":
        # By the name that the caller knows the tool by.
        _, called, faults = message.partition("` was not called: ")
        message = f"`{tool}{called}{faults}" if called else message
    location, signal = error.get("location"), error.get("signal")
    return OUTCOME_SENTENCES.get(form, OUTCOME_SENTENCES["lost"]).format_map(
        {
            "tool": tool,
            "class": error.get("class") or "Exception",
            "at": f" at {location}" if location else "",
            "message": message,
            "code": error.get("code") or 0,
            "signal": signal,
            "name": OUTCOME_SIGNALS.get(signal, ""),
            "bytes": RESULT_BYTES_MAX,
            "hint": error.get("hint") or "is it installed, and executable?",
        }
    )


def tail(text: str) -> str:
    """Return the end of a text, from the start of a line where there is one."""
    data = text.encode("utf-8", "replace")
    if len(data) <= MESSAGE_BYTES_MAX:
        return text
    rest = data[4 - MESSAGE_BYTES_MAX :].decode("utf-8", "ignore")
    lines = rest.partition("\n")[2]
    return f"…\n{lines}" if lines else f"…{rest}"
