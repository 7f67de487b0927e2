"""What a running call asks of the server that runs it: other tools, resources, kept values, to be a task.

Loaded by the first of them; the methods of `Context` are in `skill.py`.
"""

from __future__ import annotations

from omni import wire
from omni.call_errors import AskRefused, CallCancelled, ToolError
from omni.constants import ASKS_OPEN_MAX
from omni.content import ToolResult, _Block, json_text
from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here
from omni.resource_contents import ResourceContent, ResourceResult

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from omni.asks import Asks
    from omni.skill import Context

_CALL = "tools/call"
_READ = "resources/read"
_GET = "omni/state/get"
_SET = "omni/state/set"
_BECOME_TASK = "omni/task/become"
#: So many tasks of a call ask the server at once; others wait. Fewer than questions may be open, so that the
#: client can be asked meanwhile.
_AT_ONCE = ASKS_OPEN_MAX - 4


class RequestError(ToolError):
    """The server has not done what a tool asked of it.

    What it says is meant for the client, as with `ToolError`.
    """


class ToolCallError(RequestError):
    """A tool that was called by `Context.call_tool` has failed, or could not be called.

    Args:
        message: The tool's text, or why it was not called.
        tool: The name that was called.
        result: What the tool has answered; None when it was not called.
    """

    def __init__(self, message: str, tool: str, result: ToolCallResult | None = None) -> None:
        super().__init__(message)
        self.tool = tool
        self.result = result


class ContentBlock(_Block):
    """A block of another tool's result, as MCP spells it: `block.type`, `block.text`, `block["mimeType"]`."""

    __slots__ = ("_members",)

    def __init__(self, members: dict[str, Any]) -> None:
        super().__init__(None, None)
        self._members = members

    def block(self) -> dict[str, Any]:
        """Return the block as MCP spells it."""
        return self._members

    def __getattr__(self, name: str) -> Any:
        try:
            return self._members[name]
        except KeyError:
            kind = self._members.get("type")
            message = f"a block of type `{kind}` has no `{name}`, only {', '.join(self._members)}"
            raise AttributeError(message) from None

    def __getitem__(self, name: str) -> Any:
        return self._members[name]


class ToolCallResult(ToolResult):
    """What another tool has answered. A tool may return it as its own result.

    `content` is a list of blocks (`result.content[0].text`), `structured` the structured content or None, and
    `meta` the result's `_meta` or None.

    Args:
        answer: MCP's result of a call.
    """

    __slots__ = ("_wrapped",)

    def __init__(self, answer: dict[str, Any]) -> None:
        blocks = [ContentBlock(block) for block in answer.get("content") or ()]
        super().__init__(
            blocks,
            answer.get("structuredContent"),
            answer.get("_meta"),
            is_error=bool(answer.get("isError")),
        )
        self._wrapped = bool(answer.get("wrapped"))

    @property
    def text(self) -> str:
        """The texts of the result, one under the other."""
        return "\n".join(block["text"] for block in self.content if block["type"] == "text")

    @property
    def data(self) -> Any:
        """What the tool has returned: its structured content, else its text."""
        if self.structured is None:
            return self.text
        return self.structured["result"] if self._wrapped else self.structured

    @property
    def structured_content(self) -> Any:
        """The structured content, under the name that other servers give it."""
        return self.structured


class ReadResourceResult(ResourceResult):
    """What a resource holds. A resource function may return it; its items are `ResourceContent`."""

    __slots__ = ()

    def __init__(self, answer: dict[str, Any]) -> None:
        contents = [_resource_content(item) for item in answer.get("contents") or ()]
        super().__init__(contents, answer.get("_meta"))

    @property
    def text(self) -> str:
        """The texts among the contents, one under the other."""
        return "\n".join(item.content for item in self.contents if isinstance(item.content, str))

    def __iter__(self) -> Iterator[ResourceContent]:
        return iter(self.contents)

    def __len__(self) -> int:
        return len(self.contents)

    def __getitem__(self, index: int) -> ResourceContent:
        return self.contents[index]


class Client:
    """Who has sent the request that a call answers, as the client says itself: nothing that proves anything.

    `name` (such as `claude-code`) and `version` are None when they are not known. `capabilities` has what it
    can be asked, of `elicitation.form`, `elicitation.url`, `sampling`, `sampling.tools`, `sampling.context`
    and `roots`.

    Args:
        said: An object with these as members.
    """

    __slots__ = ("capabilities", "name", "version")

    def __init__(self, said: dict[str, Any]) -> None:
        self.name: str | None = said.get("name") or None
        self.version: str | None = said.get("version") or None
        self.capabilities = frozenset(said.get("capabilities") or ())

    def can(self, capability: str) -> bool:
        """Tell whether the client can be asked that: one of `capabilities`, or all before the dot."""
        return any(one == capability or one.startswith(capability + ".") for one in self.capabilities)

    def __repr__(self) -> str:
        return f"<Client {self.name} {self.version}>"


# -- what a context asks for ------------------------------------------------------------------------------


def call_tool(context: Context, name: str, arguments: dict[str, Any] | None) -> ToolCallResult:
    """See `Context.call_tool_sync`."""
    params = _call_params(name, arguments)
    try:
        answer = _ask(context, _CALL, params)
    except RequestError as refused:
        raise ToolCallError(str(refused), name) from None
    return _called(name, answer)


async def call_tool_async(context: Context, name: str, arguments: dict[str, Any] | None) -> ToolCallResult:
    """See `Context.call_tool`."""
    params = _call_params(name, arguments)
    try:
        answer = await _ask_async(context, _CALL, params)
    except RequestError as refused:
        raise ToolCallError(str(refused), name) from None
    return _called(name, answer)


def read_resource(context: Context, uri: str) -> ReadResourceResult:
    """See `Context.read_resource_sync`."""
    return ReadResourceResult(_ask(context, _READ, {"uri": str(uri)}))


async def read_resource_async(context: Context, uri: str) -> ReadResourceResult:
    """See `Context.read_resource`."""
    return ReadResourceResult(await _ask_async(context, _READ, {"uri": str(uri)}))


def get_state(context: Context, key: str, default: Any, handle: str | None) -> Any:
    """See `Context.get_state_sync`."""
    params = _state_params(key, handle)
    kept = context._host.kept
    if kept is not None:
        return wire.scan_json(kept[key, handle]) if (key, handle) in kept else default
    return _ask(context, _GET, params).get("value", default)


async def get_state_async(context: Context, key: str, default: Any, handle: str | None) -> Any:
    """See `Context.get_state`."""
    if context._host.kept is not None:
        return get_state(context, key, default, handle)
    return (await _ask_async(context, _GET, _state_params(key, handle))).get("value", default)


def set_state(context: Context, params: dict[str, Any]) -> None:
    """Keep or drop what `state_change` says."""
    if not _set_here(context, params):
        _ask(context, _SET, params)


async def set_state_async(context: Context, params: dict[str, Any]) -> None:
    """Keep or drop what `state_change` says."""
    if not _set_here(context, params):
        await _ask_async(context, _SET, params)


def become_task(context: Context) -> bool:
    """See `Context.become_task_sync`."""
    try:
        return bool(_ask(context, _BECOME_TASK, {})["task"])
    except RequestError:
        return False


async def become_task_async(context: Context) -> bool:
    """See `Context.become_task`."""
    try:
        return bool((await _ask_async(context, _BECOME_TASK, {}))["task"])
    except RequestError:
        return False


def state_change(key: str, handle: str | None, *value: Any) -> dict[str, Any]:
    """Say what is to be kept under a key, or without a value that nothing is."""
    params = _state_params(key, handle)
    if value:
        params["value"] = value[0]
    return params


def _set_here(context: Context, params: dict[str, Any]) -> bool:
    """Keep a value of a context that belongs to no call. False for all others."""
    kept = context._host.kept
    if kept is None:
        return False
    where = params["key"], params.get("handle")
    if "value" in params:
        kept[where] = wire.write_json(params["value"])
    else:
        kept.pop(where, None)
    return True


def _state_params(key: str, handle: str | None) -> dict[str, Any]:
    params = {}
    for what, name in (("key", key), ("handle", handle)):
        if isinstance(name, str):
            params[what] = name
        elif name is not None or what == "key":
            message = f"the {what} of a value that is kept is a text, not `{type(name).__name__}`"
            raise TypeError(message)
    return params


def _call_params(name: str, arguments: dict[str, Any] | None) -> dict[str, Any]:
    if not isinstance(name, str):
        message = f"a tool is called by its name, a text, not by a `{type(name).__name__}`"
        raise TypeError(message)
    if arguments is None:
        return {"name": name}
    if not isinstance(arguments, dict):
        message = f"the arguments of `{name}` are a dictionary, not `{type(arguments).__name__}`"
        raise TypeError(message)
    # Written as results are, so that what one tool returns another may take.
    return {"name": name, "arguments": wire.scan_json(json_text(arguments, "arguments"))}


def _called(name: str, answer: dict[str, Any]) -> ToolCallResult:
    result = ToolCallResult(answer)
    if result.is_error:
        raise ToolCallError(result.text or f"`{name}` failed and said nothing", name, result)
    return result


def _resource_content(item: dict[str, Any]) -> ResourceContent:
    content: Any = item.get("text")
    if content is None:
        from binascii import a2b_base64

        content = a2b_base64(item.get("blob") or "")
    return ResourceContent(content, item.get("mimeType"), item.get("_meta"), uri=item.get("uri"))


def _ask(context: Context, method: str, params: dict[str, Any]) -> dict[str, Any]:
    """Have the server answer. Raises `RequestError` where it does not."""
    try:
        return _asker(context, method).ask(context, method, params, None)
    except AskRefused as refused:
        raise RequestError(str(refused)) from None


async def _ask_async(context: Context, method: str, params: dict[str, Any]) -> dict[str, Any]:
    """Do what `_ask` does, and let others run meanwhile."""
    try:
        asks = _asker(context, method)
        room = asks.rooms.get(context._call.id)
        if room is None:
            from asyncio import Semaphore

            room = asks.rooms[context._call.id] = Semaphore(_AT_ONCE)
        async with room:
            return await asks.ask_async(context, method, params, None)
    except AskRefused as refused:
        raise RequestError(str(refused)) from None


def _asker(context: Context, method: str) -> Asks:
    """Return what asks the server. Raises `AskRefused` where there is none."""
    if context._stopped:
        raise CallCancelled
    host = context._host
    asks = host.asks()
    if host.elsewhere is not None:
        reason = "in a process that a tool has started; ask in the call's own process"
    elif asks is None:
        reason = "here: the call was made by no server"
    elif not any(kind == "context" for _, kind in context._call.target.inject):
        reason = "for a tool that takes no `Context`: give its function a parameter `ctx: Context`"
    else:
        return asks
    message = f"no server answers `{method}` {reason}"
    raise AskRefused("unsupported", message)
