"""The resources, prompts and completions that an imported file of a skill defines."""

from __future__ import annotations

import inspect

from omni.convert import unwrapped
from omni.describe import docstring
from omni.describe.signature import describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

KINDS = ("resource", "prompt", "completion")


def items_of(module: ModuleType, file: str) -> list[dict[str, Any]]:
    """Return what the functions of a module are offered as that are no tools."""
    return [
        _item(kind, value, file)
        for name, value in list(vars(module).items())
        for kind in KINDS
        if _is_own(module, name, value) and isinstance(getattr(value, f"__omni_{kind}__", None), dict)
    ]


def _is_own(module: ModuleType, name: str, value: Any) -> bool:
    if not callable(value) or isinstance(value, type):
        return False
    origin = unwrapped(value)
    return origin.__module__ == module.__name__ and origin.__name__ == name


def _item(kind: str, function: Any, file: str) -> dict[str, Any]:
    given = getattr(function, f"__omni_{kind}__")
    origin = unwrapped(function)
    description, texts = docstring.parse(function.__doc__ if isinstance(function.__doc__, str) else None)
    found = describe(function, texts)
    properties = found.input.get("properties", {})
    required = found.input.get("required", ())
    name = given.get("name") or origin.__name__
    item = {
        "kind": kind,
        "name": name,
        "function": origin.__name__,
        "file": file,
        "line": origin.__code__.co_firstlineno,
        "async": inspect.iscoroutinefunction(origin),
        "inject": [{"parameter": parameter, "kind": "context"} for parameter in found.inject],
        "title": given.get("title") or name.replace("_", " ").replace("-", " ").title(),
        "description": given.get("description") or description,
        "icons": given.get("icons"),
        "meta": given.get("meta"),
        "arguments": [
            {
                "name": argument,
                "description": schema.get("description"),
                "required": argument in required,
                "choices": [str(choice) for choice in schema.get("enum", ())],
            }
            for argument, schema in properties.items()
        ],
    }
    if kind == "resource":
        names = ("mime_type", "size", "annotations")
        item |= {"uri": given.get("uri"), **{name: given.get(name) for name in names}}
    elif kind == "completion":
        of = "prompt" if given.get("prompt") is not None else "resource"
        item |= {"of": [of, _named(given.get(of), of)], "argument": given.get("argument")}
    return item


def _named(meant: Any, kind: str) -> str | None:
    """Return the name of a prompt or resource that is given by its name or as its function."""
    if meant is None or isinstance(meant, str):
        return meant
    given = getattr(meant, f"__omni_{kind}__", None) or {}
    return given.get("name") or getattr(meant, "__name__", None)
