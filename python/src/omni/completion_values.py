"""How a function that completes an argument is called, and what it may return."""

from __future__ import annotations

from itertools import islice

from omni import foreign_content
from omni.content import BadResultError, Rendered, Yielded, json_text, type_name
from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here
from omni.wire import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any, Callable

#: The values that one answer has at most, by MCP.
VALUES_MAX = 100


class CompletionResult:
    """Values for an argument, where a list alone does not say how many more there are.

    Args:
        values: The best first; of more than 100 the first 100 are sent.
        total: How many there are in all, where that is known.
        has_more: Whether there are more than `values` has.
        meta: The result's `_meta`.
    """

    __slots__ = ("has_more", "meta", "total", "values")

    def __init__(
        self,
        values: Any,
        total: int | None = None,
        *,
        has_more: bool | None = None,
        meta: dict[str, Any] | None = None,
    ) -> None:
        self.values = values
        self.total = total
        self.has_more = has_more
        self.meta = meta

    def __repr__(self) -> str:
        return f"<CompletionResult {self.values!r:.80}>"


class RenderedCompletion(Rendered):
    """A completion's parts: the content is an array of texts."""

    __slots__ = ("has_more", "total")

    def more(self) -> str:
        """Return the members of the result's frame that say how many values there are, as JSON text."""
        total = "" if self.total is None else ',"total":%d' % self.total
        return total + (
            "" if self.has_more is None else ',"has_more":%s' % ("false", "true")[bool(self.has_more)]
        )


def render_completion(value: Any) -> RenderedCompletion:
    """Turn a completion function's return value into MCP's `completion`.

    Raises:
        BadResultError: It is no list of texts.
    """
    total = has_more = meta = None
    if foreign_content.name_of_object(value) == "CompleteResult":
        value = value.completion
    if isinstance(value, CompletionResult) or foreign_content.name_of_object(value) == "Completion":
        total, meta = value.total, foreign_content.member(value, "meta")
        has_more = foreign_content.member(value, "has_more", "hasMore")
        value = value.values
    if value is None:
        value = ()
    if isinstance(value, (str, bytes, dict)) or not hasattr(type(value), "__iter__"):
        raise BadResultError(
            f"result is a `{type_name(type(value))}`, but a completion returns a list of texts"
        )
    known = len(value) if hasattr(type(value), "__len__") and not isinstance(value, Yielded) else None
    values = list(islice(value, VALUES_MAX + 1))
    if len(values) > VALUES_MAX:
        values.pop()
        has_more = True
        total = total if known is None else max(total or 0, known)
    rendered = RenderedCompletion(
        "[" + ",".join(_text(item, f"result[{index}]") for index, item in enumerate(values)) + "]",
        None,
        None if meta is None else json_text(meta, "result.meta"),
    )
    rendered.total = total
    rendered.has_more = has_more
    return rendered


def _text(value: Any, path: str) -> str:
    body = quote(value) if isinstance(value, str) else json_text(value, path)
    if body[0] in "[{n":
        raise BadResultError(f"{path} is a `{type_name(type(value))}`, but values are texts")
    return body if body[0] == '"' else quote(body)


def plan_completion(function: Callable[..., Any], injected: Collection[str]) -> Callable[[dict], dict]:
    """Return a function that makes the arguments of a completion function of a call's.

    A call has `value`, what has been typed, and `context`, the other arguments that are known already. A
    parameter of that name gets it; otherwise the first parameter gets the value, and the second the others.

    Args:
        function: The completion function.
        injected: Parameters that are filled in otherwise.
    """
    from omni.convert import unwrapped

    code = getattr(unwrapped(function), "__code__", None)
    count = 0 if code is None else code.co_argcount + code.co_kwonlyargcount
    names = [name for name in (code.co_varnames[:count] if code else ()) if name not in injected]
    plan = {name: name for name in names if name in ("value", "context")}
    rest = [member for member in ("value", "context") if member not in plan]
    plan.update(zip((name for name in names if name not in plan), rest))

    def convert(arguments: dict) -> dict:
        given = {"value": arguments.get("value") or "", "context": arguments.get("context") or {}}
        return {name: given[member] for name, member in plan.items()}

    return convert
