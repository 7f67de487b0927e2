"""What the body of `POST /run_tool` says."""

from __future__ import annotations

from omni import wire
from omni.runner.exchange import RefusedError, read_object

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ID_MAX = (1 << 53) - 1
_LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
_HEAD = b'{"name":"'
_ARGUMENTS = b'","arguments":'


class RunRequest:
    """One call, as it was asked for."""

    __slots__ = (
        "arguments",
        "attempt",
        "deadline_ms",
        "id",
        "idle_ms",
        "log",
        "name",
        "progress",
        "session",
    )

    def __init__(self, body: bytes) -> None:
        """Read a body.

        Raises:
            RefusedError: It is not what the contract says.
        """
        #: JSON text of an object.
        self.arguments, members = _split(body)
        name = members.get("name")
        if type(name) is not str:
            raise _wrong("name", "the tool's name, `skill.command`")
        self.name: str = name
        self.id = _number(members, "id", 0, 0, _ID_MAX)
        self.deadline_ms = _number(members, "deadline_ms", None, 0)
        self.idle_ms = _number(members, "idle_ms", None, 0)
        self.attempt = _number(members, "attempt", 1, 1)
        context = members.get("context")
        if context is None:
            context = {}
        elif type(context) is not dict:
            raise _wrong("context", "an object")
        self.progress = context.get("progress") is True
        self.log = context.get("log")
        if self.log is not None and self.log not in _LEVELS:
            raise _wrong("context.log", f"null or one of {' '.join(_LEVELS)}")
        self.session = context.get("session") or ""
        if type(self.session) is not str:
            raise _wrong("context.session", "a string")

    @property
    def context(self) -> dict[str, Any]:
        """What the caller wants to hear, as a worker is told it."""
        return {"progress": self.progress, "log": self.log, "session": self.session}


def _split(body: bytes) -> tuple[str, dict[str, Any]]:
    """Return the arguments as text and the other members."""
    fast = _split_at_arguments(body)
    if fast is not None:
        return fast
    members = read_object(body)
    arguments = members.pop("arguments", None)
    if arguments is None:
        arguments = {}
    elif type(arguments) is not dict:
        raise _wrong("arguments", "an object")
    return wire.write_json(arguments), members


def _split_at_arguments(body: bytes) -> tuple[str, dict[str, Any]] | None:
    """Read the order of members that omni writes, without building the arguments twice."""
    if not body.startswith(_HEAD):
        return None
    end = body.find(b'"', len(_HEAD))
    if not body.startswith(_ARGUMENTS, end):
        return None
    try:
        text = body.decode()
        start = len(body[: end + len(_ARGUMENTS)].decode())
        value, stop = wire.scan(text, start)
        if type(value) is not dict or text[stop] not in ",}":
            return None
        members = wire.scan_json(text[: len(body[: end + 1].decode())] + text[stop:])
    except (ValueError, StopIteration, IndexError, SystemError, RecursionError):
        return None  # said properly by the slow way
    return (text[start:stop], members) if type(members) is dict and "arguments" not in members else None


def _number(members: dict[str, Any], name: str, default: Any, least: int, most: int = 1 << 63) -> Any:
    value = members.get(name)
    if value is None:
        return default
    if type(value) is not int or not least <= value <= most:
        limit = f"from {least} up" if most == 1 << 63 else f"from {least} to {most}"
        raise _wrong(name, f"an integer {limit}")
    return value


def _wrong(member: str, wanted: str) -> RefusedError:
    return RefusedError(400, "bad_request", f"`{member}` must be {wanted}")
