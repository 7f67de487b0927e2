"""How does a function become a tool, resource, prompt or completion?

It carries what the decorator was given, as `__omni_tool__`, `__omni_resource__`, `__omni_prompt__` or
`__omni_completion__`; the server reads the source.
"""

from __future__ import annotations

from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: While somebody keeps a list here, each kind and function that is marked is added: see `omni.describe`.
marked: list[tuple[str, Any]] | None = None


#: What the one positional argument of each decorator says.
_CALLED = {"tool": "name", "prompt": "name", "resource": "uri", "completion": "argument"}

_A_TEXT = {"name": "a name", "uri": "a URI", "argument": "an argument's name"}


def mark(function: Any, given: dict[str, Any], unknown: dict[str, Any], kind: str = "tool") -> Any:
    """Mark `function`, or return what marks one where it is None or a text, as in `@tool("name")`.

    Args:
        function: What stands below the decorator, or its one positional argument.
        given: The options that were given, by name.
        unknown: What was given besides, which is told and not applied.
        kind: `tool`, `resource`, `prompt` or `completion`: the decorator's name.

    Raises:
        TypeError: `function` is neither a function nor a text.
    """
    if isinstance(function, str):
        given.setdefault(_CALLED[kind], function)
        function = None
    if unknown or "executor" in given:
        given.update(_doubtful(kind, given, unknown))

    def carry(function: Any) -> Any:
        setattr(function, f"__omni_{kind}__", given)
        if marked is not None:
            marked.append((kind, function))
        return function

    if function is None:
        return carry
    if not callable(function):
        message = f"`@{kind}` takes {_A_TEXT[_CALLED[kind]]} and keywords, not {function!r}"
        raise TypeError(message)
    return carry(function)


def _doubtful(kind: str, given: dict[str, Any], unknown: dict[str, Any]) -> dict[str, Any]:
    """Warn of what is not applied, and return what there is to report about it, and second names' values."""
    from omni.executors import check
    from omni.options import OPTIONS, WITHOUT_EFFECT

    place = "decorator" if kind == "tool" else kind
    own = {name: option for name, option in OPTIONS.items() if place in option["at"]}
    second = {also: name for name, option in own.items() for also in option.get("also", ())}
    meant = {second[name]: unknown.pop(name) for name in list(unknown) if name in second}
    strange = {name: value for name, value in unknown.items() if name not in WITHOUT_EFFECT}
    names = ", ".join(own)
    messages = [f"`{kind}` has no option `{name}`; it has {names}" for name in strange]
    executor = given.get("executor")
    try:
        if executor is not None:
            check(executor)
    except ValueError as error:
        messages.append(f"`executor={executor!r}` is not applied: {error}")
    if messages:
        from warnings import warn

        for message in messages:
            # Three functions stand between here and the author's line: this one, `mark` and `tool`.
            warn(message, stacklevel=4)
    return {**meant, **strange}
