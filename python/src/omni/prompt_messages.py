"""What a prompt function may return, and how that becomes the messages that a model is sent."""

from __future__ import annotations

from omni import foreign_content
from omni.content import (
    BadResultError,
    Rendered,
    block_of,
    has_blocks,
    is_block,
    json_text,
    twin_text,
    type_name,
)
from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here
from omni.wire import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ROLES = ("user", "assistant")
_FOREIGN_RESULTS = frozenset(("PromptResult", "GetPromptResult"))


class Message:
    """One message of a prompt: `Message("Hello")` or `Message("Yes?", role="assistant")`.

    Args:
        content: Text, a content block (`Image`, `EmbeddedResource`, …), a list of blocks and texts, which
            becomes as many messages, or any other value, which becomes JSON.
        role: `user` or `assistant`, the roles that MCP has.

    Raises:
        ValueError: There is no such role.
    """

    __slots__ = ("content", "role")

    def __init__(self, content: Any, role: str = "user") -> None:
        if role not in _ROLES:
            message = f"`role` is `user` or `assistant`, not {role!r:.40}: `Message(content, role)`"
            raise ValueError(message)
        self.content = content
        self.role = role

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.role}: {self.content!r:.80}>"


class UserMessage(Message):
    """A message of the user: `Message(content, role="user")`.

    Args:
        content: As of `Message`.
    """

    __slots__ = ()

    def __init__(self, content: Any) -> None:
        super().__init__(content, "user")


class AssistantMessage(Message):
    """A message of the model, as if it had said that: `Message(content, role="assistant")`.

    Args:
        content: As of `Message`.
    """

    __slots__ = ()

    def __init__(self, content: Any) -> None:
        super().__init__(content, "assistant")


class PromptResult:
    """A prompt's messages with a description or a `_meta` of this result.

    Args:
        messages: Whatever a prompt function may return by itself.
        description: What the prompt is about, filled in as it is; the prompt's own by default.
        meta: The result's `_meta`.
    """

    __slots__ = ("description", "messages", "meta")

    def __init__(
        self, messages: Any, description: str | None = None, meta: dict[str, Any] | None = None
    ) -> None:
        self.messages = messages
        self.description = description
        self.meta = meta

    def __repr__(self) -> str:
        return f"<PromptResult {self.messages!r:.80}>"


def render_prompt(value: Any) -> tuple[Rendered, str | None]:
    """Turn a prompt function's return value into MCP's `messages`, and a description where it has one.

    Raises:
        BadResultError: It is no message and no list of some, or something in it has no form in JSON.
    """
    description = meta = None
    if isinstance(value, PromptResult) or foreign_content.name_of_object(value) in _FOREIGN_RESULTS:
        description, meta, value = value.description, foreign_content.member(value, "meta"), value.messages
    messages: list[str] = []
    if isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            messages += _messages(item, f"result[{index}]")
    else:
        messages = _messages(value, "result")
    rendered = Rendered(
        "[" + ",".join(messages) + "]", None, None if meta is None else json_text(meta, "result.meta")
    )
    return rendered, None if description is None else str(description)


def message_list(value: Any, path: str) -> str:
    """Return the messages that one value is, as a JSON array. Raises `BadResultError`."""
    return "[" + ",".join(_messages(value, path)) + "]"


def _messages(value: Any, path: str) -> list[str]:
    """Return the messages that one value is, each as JSON."""
    if isinstance(value, str) or is_block(type(value)):
        return [_message("user", value, path)]
    if isinstance(value, Message) or foreign_content.name_of_object(value) in (
        "Message",
        "UserMessage",
        "AssistantMessage",
        "PromptMessage",
    ):
        role, content = value.role, value.content
    elif type(value) is dict and "role" in value and "content" in value:
        unknown = sorted(map(str, value.keys() - {"role", "content"}))
        if unknown:
            raise BadResultError(f"{path} has `{unknown[0]}`, but a message has `role` and `content` alone")
        role, content = value["role"], value["content"]
    else:
        raise BadResultError(
            f"{path} is a `{type_name(type(value))}`, but a message is text, content, a `Message`, "
            '`{"role": …, "content": …}`, or a list of these; `Message(value)` sends any value as JSON'
        )
    role = getattr(role, "value", role)
    if role not in _ROLES:
        hint = "; MCP has no such role: begin with it as the user" if role == "system" else ""
        raise BadResultError(
            f"{path} has the role {role!r:.40}, which is neither `user` nor `assistant`{hint}"
        )
    if isinstance(content, (list, tuple)) and (has_blocks(content) or any(map(_is_written_block, content))):
        # A message of MCP holds one block.
        return [_message(role, item, f"{path}.content[{index}]") for index, item in enumerate(content)]
    return [_message(role, content, f"{path}.content")]


def _message(role: str, content: Any, path: str) -> str:
    if isinstance(content, str):
        block = '{"type":"text","text":' + quote(content) + "}"
    elif is_block(type(content)):
        block = json_text(block_of(content), path)
    elif _is_written_block(content):
        block = json_text(content, path)
    elif content is None:
        raise BadResultError(f"{path} is `None`, which says nothing")
    else:
        block = '{"type":"text","text":' + twin_text(json_text(content, path)) + "}"
    return '{"role":"' + role + '","content":' + block + "}"


#: What the blocks of MCP have besides `type`.
_WRITTEN = {
    "text": ("text",),
    "image": ("data", "mimeType"),
    "audio": ("data", "mimeType"),
    "resource": ("resource",),
    "resource_link": ("uri", "name"),
}


def _is_written_block(value: Any) -> bool:
    """Tell whether a dictionary is a content block as MCP spells it."""
    if type(value) is not dict:
        return False
    members = _WRITTEN.get(str(value.get("type")))
    return members is not None and all(name in value for name in members)
