"""How a call ended, in the words that a model reads: those of the server (`conformance/shared.json`)."""

from __future__ import annotations

from omni.constants import OUTCOME_RETRYABLE, OUTCOME_SENTENCES, OUTCOME_SIGNALS, RESULT_BYTES_MAX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def failed(tool: str, error: dict[str, Any], *, started: bool, elapsed_ms: int, full: bool) -> dict[str, Any]:
    """Return the result of a failed call. `error` is its frame's body; `full` shows what masking hides."""
    kind = error["kind"]
    if kind == "tool_error" and "MemoryError" in (error.get("class"), *(error.get("bases") or ())):
        kind = "oom"
    # Nobody is told of a cancellation that was asked for, so this one the tool raised by itself.
    kind = "tool_error" if kind == "cancelled" else kind
    text = _sentence(tool, kind, error, full=full)
    shows = kind == "load_error" or (kind == "tool_error" and not error.get("intended"))
    if full and shows and error.get("traceback"):
        text += f"\n\n{error['traceback'].rstrip()}"
    if full and error.get("stderr"):
        text += f"\n\nlast output on stderr:\n{error['stderr'].rstrip()}"
    failure = {
        "kind": kind,
        "phase": "started" if started else "starting",
        "retryable": kind in OUTCOME_RETRYABLE,
        "elapsed_ms": elapsed_ms,
        "attempt": 1,
    }
    return _result(text, failure)


def refused(tool: str, faults: list[str]) -> dict[str, Any]:
    """Return the result of a call whose arguments break the schema: nothing has run."""
    plural = "" if len(faults) == 1 else "s"
    text = f"`{tool}` was not called: {len(faults)} problem{plural} with its arguments"
    text += "".join(f"\n- {fault}" for fault in faults)
    return _result(text, {"kind": "invalid_arguments", "phase": "validation", "retryable": False})


def _result(text: str, failure: dict[str, Any]) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text}], "isError": True, "_meta": {"omni/failure": failure}}


def _sentence(tool: str, kind: str, error: dict[str, Any], *, full: bool) -> str:
    form = kind
    if kind == "tool_error" and (full or error.get("intended")):
        form = "tool_error intended" if error.get("intended") else "tool_error full"
    location, signal = error.get("location"), error.get("signal")
    return OUTCOME_SENTENCES.get(form, OUTCOME_SENTENCES["lost"]).format_map(
        {
            "tool": tool,
            "class": error.get("class") or "Exception",
            "at": f" at {location}" if location else "",
            "message": error.get("message") or "",
            "code": error.get("code") or 0,
            "signal": signal,
            "name": OUTCOME_SIGNALS.get(signal, ""),
            "bytes": RESULT_BYTES_MAX,
            "hint": error.get("hint") or "is it installed, and executable?",
        }
    )
