"""What a tool asks the client itself: a completion of its model, or the folders that it works in."""

from __future__ import annotations

from omni.call_errors import AskRefused
from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

SAMPLE = "sampling/createMessage"
ROOTS = "roots/list"

_INCLUDED = ("none", "thisServer", "allServers")
_CHOICES = ("auto", "required", "none")


class SamplingResult:
    """What the client's model has said.

    Args:
        content: MCP's content blocks, as the client sent them.
        model: The model's name, as the client calls it; empty where nobody was asked.
        stop_reason: Why it stopped: `endTurn`, `maxTokens`, `stopSequence`, `toolUse`, another word, or None.
        role: Who speaks: `assistant`.
    """

    __slots__ = ("content", "model", "role", "stop_reason")

    def __init__(
        self,
        content: list[dict[str, Any]],
        model: str = "",
        stop_reason: str | None = None,
        role: str = "assistant",
    ) -> None:
        self.content = content
        self.model = model
        self.stop_reason = stop_reason
        self.role = role

    @property
    def text(self) -> str:
        """The text of it all; empty where the model has said none."""
        return "".join(str(block.get("text", "")) for block in self.content if block.get("type") == "text")

    @property
    def tool_calls(self) -> list[dict[str, Any]]:
        """The blocks in which the model wants a tool of yours called: `id`, `name`, `input`."""
        return [block for block in self.content if block.get("type") == "tool_use"]

    def __repr__(self) -> str:
        return f"<SamplingResult of {self.model!r}: {self.text!r:.80}>"


class Root:
    """A folder, or a file, that the client works in.

    Args:
        uri: Where it is, by `file://` as a rule.
        name: What a person calls it, if the client says so.
    """

    __slots__ = ("name", "uri")

    def __init__(self, uri: str, name: str | None = None) -> None:
        self.uri = uri
        self.name = name

    @property
    def path(self) -> Path | None:
        """Where it is on the client's machine, which may not be this one; None where the URI is no file's."""
        from pathlib import Path
        from urllib.parse import unquote, urlsplit

        parts = urlsplit(self.uri)
        return Path(unquote(parts.path)) if parts.scheme == "file" else None

    def __eq__(self, other: object) -> bool:
        return (self.uri, self.name) == (other.uri, other.name) if isinstance(other, Root) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.uri, self.name))

    def __repr__(self) -> str:
        return f"<Root {self.uri!r}>"


def sample_params(
    messages: Any,
    *,
    system_prompt: str | None,
    max_tokens: int,
    temperature: float | None,
    stop_sequences: list[str] | None,
    model_preferences: Any,
    include_context: str | None,
    tools: list[dict[str, Any]] | None,
    tool_choice: Any,
    metadata: dict[str, Any] | None,
) -> dict[str, Any]:
    """Return the parameters of `sampling/createMessage`.

    Raises:
        TypeError: The messages are none.
        ValueError: A number or a word is none that MCP has.
    """
    if type(max_tokens) is not int or max_tokens < 1:
        message = f"`max_tokens` is how long the answer may be, 1 or more, not {max_tokens!r:.40}"
        raise ValueError(message)
    if include_context is not None and include_context not in _INCLUDED:
        message = f"`include_context` is one of {', '.join(_INCLUDED)}, not {include_context!r:.40}"
        raise ValueError(message)
    if isinstance(model_preferences, str):
        model_preferences = [model_preferences]
    if isinstance(model_preferences, (list, tuple)):
        model_preferences = {"hints": [{"name": name} for name in model_preferences]}
    if temperature is not None and float(temperature) - float(temperature) != 0.0:  # NaN and the infinities
        message = f"`temperature` is a finite number, not {temperature}"
        raise ValueError(message)
    if isinstance(tool_choice, str):
        if tool_choice not in _CHOICES:
            message = f"`tool_choice` is one of {', '.join(_CHOICES)}, not {tool_choice!r:.40}"
            raise ValueError(message)
        tool_choice = {"mode": tool_choice}
    params = {
        "messages": _messages(messages),
        "modelPreferences": model_preferences,
        "systemPrompt": system_prompt,
        "includeContext": include_context,
        "temperature": temperature,
        "maxTokens": max_tokens,
        "stopSequences": None if stop_sequences is None else list(stop_sequences),
        "metadata": metadata,
        "tools": tools,
        "toolChoice": tool_choice,
    }
    return {name: value for name, value in params.items() if value is not None}


def _messages(messages: Any) -> list[dict[str, Any]]:
    from omni.content import BadResultError
    from omni.prompt_messages import message_list
    from omni.wire import scan_json

    listed = messages if isinstance(messages, (list, tuple)) else [messages]
    if not listed:
        raise TypeError("`messages` is empty: a model needs something to answer")
    found = []
    for index, message in enumerate(listed):
        if type(message) is dict and type(message.get("content")) in (dict, list):
            found.append(message)  # as MCP spells it, calls of tools and their results among them
            continue
        try:
            found += scan_json(message_list(message, f"messages[{index}]"))
        except BadResultError as error:
            raise TypeError(str(error)) from None
    return found


def read_sample(result: dict[str, Any]) -> SamplingResult:
    """Return what the client's model has said. Raises `AskRefused` where the client's result is none."""
    content = result.get("content")
    blocks = content if type(content) is list else [content]
    if not all(type(block) is dict for block in blocks):
        raise AskRefused(
            "failed", "the client's answer has no `content` that is a content block or a list of some"
        )
    model, stop_reason = result.get("model"), result.get("stopReason")
    return SamplingResult(
        blocks,
        model if isinstance(model, str) else "",
        stop_reason if isinstance(stop_reason, str) else None,
        str(result.get("role") or "assistant"),
    )


def default_sample(default: Any) -> Any:
    """Return the result that an author's `default` stands for."""
    return SamplingResult([{"type": "text", "text": default}]) if isinstance(default, str) else default


def read_roots(result: dict[str, Any]) -> list[Root]:
    """Return the client's folders. Raises `AskRefused` where the client's result is none."""
    roots = result.get("roots")
    if type(roots) is not list or not all(
        type(root) is dict and type(root.get("uri")) is str for root in roots
    ):
        raise AskRefused("failed", "the client's answer has no list of `roots`, each with its `uri`")
    return [Root(root["uri"], root.get("name")) for root in roots]
