"""What the body of `POST /run_tool` says."""

from __future__ import annotations

from omni import wire
from omni.constants import CALL_ID_MAX, LEVELS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class RefusedError(Exception):
    """A request is not answered as it hoped: with this status, code and sentence instead."""

    def __init__(self, status: int, code: str, message: str, failure: dict[str, Any] | None = None) -> None:
        """Refuse with `failure`, the body of an `error` event, where something has failed that is no tool."""
        super().__init__(message)
        self.status = status
        self.code = code
        self.failure = failure

    def body(self) -> dict[str, Any]:
        """Return what the answer says."""
        error: dict[str, Any] = {"code": self.code, "message": str(self)}
        if self.failure is not None:
            error["failure"] = self.failure
        return {"error": error}


class RunRequest:
    """One call, as it was asked for."""

    __slots__ = (
        "arguments",
        "ask",
        "attempt",
        "client",
        "deadline_ms",
        "id",
        "idle_ms",
        "log",
        "name",
        "progress",
        "request",
        "session",
    )

    def __init__(self, body: bytes) -> None:
        """Read a body.

        Raises:
            RefusedError: It is not what the contract says.
        """
        members = read_object(body)
        self.name: str = _of_type(members, "name", str, None, "the tool's name, `skill.command`")
        self.arguments: dict = _of_type(members, "arguments", dict, {}, "an object")
        self.id = _number(members, "id", 0, 0, CALL_ID_MAX)
        self.deadline_ms = _number(members, "deadline_ms", None, 0)
        self.idle_ms = _number(members, "idle_ms", None, 0)
        self.attempt = _number(members, "attempt", 1, 1)
        context: dict = _of_type(members, "context", dict, {}, "an object")
        self.progress = context.get("progress") is True
        self.log = context.get("log")
        if self.log is not None and self.log not in LEVELS:
            raise _wrong("context.log", f"null or one of {' '.join(LEVELS)}")
        self.session: str = _of_type(context, "session", str, "", "a string")
        #: The caller's client can be asked.
        self.ask = context.get("ask") is True
        #: The client's id of its request.
        self.request: str = _of_type(context, "request", str, "", "a string")
        #: What the client says of itself.
        self.client: dict = _of_type(context, "client", dict, {}, "an object")

    @property
    def context(self) -> dict[str, Any]:
        """What the caller wants to hear, as a tool's context is told it."""
        return {
            "progress": self.progress,
            "log": self.log,
            "session": self.session,
            "request": self.request,
            "client": self.client,
        }


def read_answer(body: bytes) -> dict[str, Any]:
    """Read the body of `POST /calls/CALL/answer`, as a worker is told it. Raises `RefusedError`."""
    members = read_object(body)
    answer = {"ask": _number(members, "ask", 0, 1)}
    if not answer["ask"]:
        raise _wrong("ask", "the question's number, an integer from 1 up")
    if ("result" in members) == ("refused" in members):
        raise RefusedError(400, "bad_request", "there must be either `result` or `refused`")
    if "result" in members:
        answer["result"] = members["result"]
        if type(members["result"]) is not dict:
            raise _wrong("result", "an object")
    else:
        answer["refused"] = members["refused"]
        if members["refused"] not in ("unsupported", "failed", "gone"):
            raise _wrong("refused", "one of unsupported failed gone")
        answer["message"] = _of_type(members, "message", str, "", "a string")
    return answer


def read_completing(body: bytes) -> tuple[str, str, str, str, dict[str, str]]:
    """Read the body of `POST /complete`.

    Returns a kind, the name or URI of what an argument is completed of, the argument, what stands there so
    far, and the other arguments that are known. Raises `RefusedError`.
    """
    members = read_object(body)
    reference = _of_type(members, "ref", dict, None, "an object")
    kind, member = {"ref/prompt": ("prompt", "name"), "ref/resource": ("resource", "uri")}.get(
        _of_type(reference, "type", str, None, "a string"), ("", "")
    )
    if not kind:
        raise _wrong("type", "`ref/prompt` or `ref/resource`")
    name = _of_type(reference, member, str, None, "a string")
    argument = _of_type(members, "argument", dict, None, "an object")
    completed, value = (_of_type(argument, own, str, None, "a string") for own in ("name", "value"))
    context = _of_type(members, "context", dict, {}, "an object")
    return kind, name, completed, value, read_texts(context, "arguments")


def read_text(members: dict, name: str) -> str:
    """Return a member that must be there and be a string. Raises `RefusedError`."""
    return _of_type(members, name, str, None, "a string")


def read_texts(members: dict, name: str) -> dict[str, str]:
    """Return a member that is an object of strings, or is not there. Raises `RefusedError`."""
    texts = _of_type(members, name, dict, {}, "an object")
    if not all(type(value) is str for value in texts.values()):
        raise _wrong(name, "an object of strings")
    return texts


def read_object(body: bytes) -> dict[str, Any]:
    """Parse a request's body. Raises `RefusedError` unless it is a JSON object."""
    try:
        value = wire.scan_json(body.decode())
    except (ValueError, RecursionError) as error:
        raise RefusedError(400, "bad_request", f"the body is no JSON: {error}") from None
    if type(value) is not dict:
        raise RefusedError(400, "bad_request", "the body is no JSON object")
    return value


def _of_type(members: dict, name: str, kind: type, default: Any, wanted: str) -> Any:
    value = members.get(name)
    value = default if value is None else value
    if type(value) is not kind:
        raise _wrong(name, wanted)
    return value


def _number(members: dict, name: str, default: Any, least: int, most: int | None = None) -> Any:
    value = members.get(name)
    if value is None:
        return default
    if type(value) is not int or value < least or (most is not None and value > most):
        raise _wrong(name, f"an integer from {least} {'up' if most is None else f'to {most}'}")
    return value


def _wrong(member: str, wanted: str) -> RefusedError:
    return RefusedError(400, "bad_request", f"`{member}` must be {wanted}")
