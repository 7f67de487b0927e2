"""MCP as data: lines to messages, and what each revision writes differently."""

from __future__ import annotations

import json
import math

from omni import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Union

    Id = Union[str, int]

LEGACY = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
MODERN = "2026-07-28"
LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL = -32603
UNSUPPORTED_VERSION = -32022
OVERLOADED = -31000

_BATCHES = "2025-03-26"
_DEPTH_MAX = 64
_BATCH_MAX = 100
_META = "io.modelcontextprotocol/"
_LIST_TTL_MS = 60_000
# How much of a tool's description a revision knows.
_TOOL_MEMBERS = {
    "2024-11-05": ("name", "description", "inputSchema"),
    "2025-03-26": ("name", "description", "inputSchema", "annotations"),
    "2025-06-18": (
        *("name", "title", "description", "inputSchema", "outputSchema"),
        *("annotations", "_meta"),
    ),
}
_ALL_MEMBERS = (
    *("name", "title", "description", "icons", "inputSchema"),
    *("outputSchema", "annotations", "_meta"),
)


class RpcError(Exception):
    """A request that is refused."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.data = data
        self.id: Any = None


class _NoJsonError(ValueError):
    pass


def decode(line: bytes) -> Any:
    """Parse a line.

    Raises:
        RpcError: It is no JSON that every reader understands alike.
    """
    try:
        text = line.decode()
        value = json.loads(
            text, object_pairs_hook=_object, parse_constant=wire.refuse_constant, parse_float=_number
        )
    except UnicodeDecodeError as error:
        raise RpcError(PARSE_ERROR, f"the frame is not UTF-8: {error}") from None
    except RecursionError:
        raise RpcError(INVALID_REQUEST, f"nested deeper than {_DEPTH_MAX} levels") from None
    except ValueError as error:
        code = INVALID_REQUEST if isinstance(error, _NoJsonError) else PARSE_ERROR
        raise RpcError(code, f"not a JSON-RPC message: {error}") from None
    if _depth(value) > _DEPTH_MAX:
        raise RpcError(INVALID_REQUEST, f"nested deeper than {_DEPTH_MAX} levels")
    if "\\u" in text:
        try:
            wire.write_json(value).encode()
        except UnicodeEncodeError:
            message = "a string holds half a surrogate pair, which is no text"
            raise RpcError(PARSE_ERROR, message) from None
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        message = f"`{twice}` stands twice in one object"
        raise _NoJsonError(message)
    return made


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        message = "number out of range"
        raise ValueError(message)
    return value


def _depth(value: Any) -> int:
    deepest = 0
    waiting = [(value, 1)]
    while waiting:
        node, depth = waiting.pop()
        if isinstance(node, (dict, list)):
            deepest = max(deepest, depth)
            if depth <= _DEPTH_MAX:
                inner = node.values() if isinstance(node, dict) else node
                waiting += [(item, depth + 1) for item in inner]
    return deepest


class Message:
    """A request, or a notification when it has no id."""

    __slots__ = ("id", "method", "params")

    def __init__(self, value: Any) -> None:
        """Read an envelope.

        Raises:
            RpcError: It is no message of JSON-RPC 2.0.
        """
        if type(value) is not dict:
            raise RpcError(INVALID_REQUEST, "not a JSON-RPC message: expected a JSON object")
        self.id = value.get("id")
        self.method = value.get("method")
        self.params: dict = value.get("params") or {}
        fault = self._fault(value)
        if fault is not None:
            error = RpcError(INVALID_REQUEST, fault)
            error.id = self.id if type(self.id) in (str, int) else None
            raise error

    def _fault(self, value: dict) -> str | None:
        if "id" in value and type(self.id) not in (str, int):
            return f"`id` must be a string or an integer, not {wire.write_json(self.id)[:40]}"
        if value.get("jsonrpc") != "2.0":
            return '`jsonrpc` must be "2.0"'
        if "method" not in value:
            return None if value.keys() & {"result", "error"} else "`method` is missing"
        if type(self.method) is not str:
            return "`method` must be a string"
        # Some clients write `"params": null` where the specification has them leave it out.
        return None if type(self.params) is dict else "`params` must be an object"


def batch(value: list, revision: str | None) -> list:
    """Return the messages of a batch. Raises `RpcError` where the revision has none."""
    if not 1 <= len(value) <= _BATCH_MAX:
        raise RpcError(INVALID_REQUEST, f"a batch holds 1 to {_BATCH_MAX} messages, not {len(value)}")
    if revision != _BATCHES:
        raise RpcError(INVALID_REQUEST, "this protocol revision has no batches")
    return value


class Meta:
    """What a request says beside its parameters, and the revision that it is written in."""

    __slots__ = ("log", "revision", "token")

    def __init__(self, message: Message, session: str | None) -> None:
        """Read `params._meta`; a request that names a protocol version there is a modern one.

        Raises:
            RpcError: Something in it is wrong.
        """
        meta = message.params.get("_meta")
        meta = meta if type(meta) is dict else {}
        requested = meta.get(_META + "protocolVersion")
        self.revision: str | None = session
        self.log: str | None = None
        if requested is not None:
            if requested != MODERN:
                shown = requested[:40] if type(requested) is str else ""
                text = f'protocol version "{shown}" is not supported in a request\'s `_meta`'
                raise RpcError(UNSUPPORTED_VERSION, text, {"supported": [MODERN], "requested": shown})
            if type(meta.get(_META + "clientCapabilities")) is not dict:
                raise RpcError(
                    INVALID_PARAMS,
                    f"`params._meta` must hold an object `{_META}clientCapabilities` (`{{}}` for none)",
                )
            self.revision = MODERN
            self.log = meta.get(_META + "logLevel")
            if self.log is not None:
                level(self.log, "_meta.io.modelcontextprotocol/logLevel")
        self.token = meta.get("progressToken")
        if self.token is not None and type(self.token) not in (str, int, float):
            raise RpcError(INVALID_PARAMS, "`_meta.progressToken` must be a string or an integer")


def level(name: Any, at: str) -> str:
    """Return the name of a log level. Raises `RpcError` for anything else."""
    if name not in LEVELS:
        shown = wire.write_json(name) if type(name) is str else "no text"
        raise RpcError(INVALID_PARAMS, f"`{at}` is {shown}, not one of {', '.join(LEVELS)}")
    return name


# -- what is written ---------------------------------------------------------------------------------------


def error(request: Id | None, refused: RpcError) -> dict:
    """Return the answer that refuses a request; without an id when that could not be read."""
    body: dict[str, Any] = {"code": refused.code, "message": str(refused)}
    if refused.data is not None:
        body["data"] = refused.data
    named = {} if request is None else {"id": request}
    return {"jsonrpc": "2.0", **named, "error": body}


def notification(method: str, params: dict) -> dict:
    """Return a notification."""
    return {"jsonrpc": "2.0", "method": f"notifications/{method}", "params": params}


def log(level: str, logger: str | None, data: Any) -> dict:
    """Return `notifications/message`."""
    named = {} if logger is None else {"logger": logger}
    return notification("message", {"level": level, **named, "data": data})


class Writer:
    """Writes answers in the words of a revision."""

    def __init__(self, version: str) -> None:
        self._server = {"name": "omni", "title": "omni skills", "version": version}
        self._capabilities = {"logging": {}, "tools": {"listChanged": True}}

    def result(self, request: Id, revision: str | None, members: dict, meta: dict | None = None) -> dict:
        """Return an answer."""
        result: dict[str, Any] = {}
        if revision == MODERN:
            result["resultType"] = "complete"
            result["_meta"] = {_META + "serverInfo": self._server, **(meta or {})}
        elif meta:
            result["_meta"] = meta
        return {"jsonrpc": "2.0", "id": request, "result": {**result, **members}}

    def initialized(self, request: Id, agreed: str) -> dict:
        """Return the answer to `initialize`."""
        members = {"protocolVersion": agreed, "capabilities": self._capabilities, "serverInfo": self._server}
        return self.result(request, agreed, members)

    def discovered(self, request: Id) -> dict:
        """Return the answer to `server/discover`."""
        members = {"supportedVersions": [MODERN], "capabilities": self._capabilities, **_cached()}
        return self.result(request, MODERN, members)

    def tools(self, request: Id, revision: str | None, tools: list[dict]) -> dict:
        """Return the list of tools, whole, with what the revision knows of each."""
        known = _TOOL_MEMBERS.get(revision or _BATCHES, _ALL_MEMBERS)
        listed = [{member: tool[member] for member in known if member in tool} for tool in tools]
        cached = _cached() if revision == MODERN else {}
        return self.result(request, revision, {**cached, "tools": listed})

    def tool_result(self, request: Id, revision: str | None, result: dict) -> dict:
        """Return the answer to `tools/call`."""
        members: dict[str, Any] = {}
        if result.get("is_error"):
            members["isError"] = True
        structured = result.get("structured")
        knows = revision in (MODERN, *LEGACY[2:])
        if "structured" in result and knows and (revision == MODERN or type(structured) is dict):
            members["structuredContent"] = structured
        return self.result(request, revision, {**members, "content": result["content"]}, result.get("meta"))

    def progress(self, revision: str | None, token: Any, body: dict) -> dict:
        """Return `notifications/progress`."""
        params = {"progressToken": token, "progress": body["value"]}
        if body.get("total") is not None:
            params["total"] = body["total"]
        if body.get("message") is not None and revision != LEGACY[0]:
            params["message"] = body["message"]
        return notification("progress", params)


def _cached() -> dict:
    return {"ttlMs": _LIST_TTL_MS, "cacheScope": "public"}
