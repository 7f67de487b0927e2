"""What is left to do once a schema is written: definitions in use, their names, the order, the titles."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from omni.describe.types import Writer

_PREFIX = "#/$defs/\0"
_NAMED = "#/$defs/"
_STRUCTURAL = {"type", "properties", "$ref", "items", "allOf", "oneOf", "anyOf", "required"}
_DESCRIPTIVE = {"title", "description", "deprecated", "readOnly", "writeOnly"}
_MAPS = {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"}
_SINGLE = {
    *("items", "additionalItems", "additionalProperties", "contains", "contentSchema", "propertyNames"),
    *("unevaluatedItems", "unevaluatedProperties", "if", "then", "else", "not"),
}
_LISTS = {"allOf", "anyOf", "oneOf", "prefixItems"}


def reference(number: int) -> dict:
    """Return a reference to a definition that has no name yet."""
    return {"$ref": f"{_PREFIX}{number}"}


def referenced(value: Any) -> int | None:
    """Return the number of the definition that a text refers to."""
    return int(value[len(_PREFIX) :]) if isinstance(value, str) and value.startswith(_PREFIX) else None


def finish(root: dict, writer: Writer) -> dict:
    """Complete a root schema: definitions in use, names, order."""
    uses = _uses(root, writer.written)
    _inline_aliases(uses, writer.written)
    # A lone reference is replaced by what it refers to, unless that is referred to again.
    only = referenced(root.get("$ref")) if len(root) == 1 else None
    if only is not None and uses.get(only) == 1:
        root = dict(writer.written[only])
        uses = _uses(root, writer.written)
    names = _names([number for number in uses if number in writer.written], writer.names)
    definitions = {name: writer.written[number] for number, name in names.items()}
    if definitions:
        root["$defs"] = dict(sorted(definitions.items()))
    return _arranged(root, None, names)


def _uses(root: dict, written: dict[int, dict]) -> dict[int, int]:
    """Count the references to each definition, directly or through others."""
    uses: dict[int, int] = {}
    waiting = list(_references(root))
    while waiting:
        number = waiting.pop()
        if number in uses:
            uses[number] += 1
        else:
            uses[number] = 1
            waiting.extend(_references(written.get(number, {})))
    return uses


def _references(schema: Any) -> Iterator[int]:
    if isinstance(schema, dict):
        for value in schema.values():
            yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)
    else:
        number = referenced(schema)
        if number is not None:
            yield number


def _inline_aliases(uses: dict[int, int], written: dict[int, dict]) -> None:
    """Let `type Name = Class` take the class's place when nothing else refers to the class."""
    for alias in list(uses):
        schema = written.get(alias, {})
        number = referenced(schema.get("$ref")) if len(schema) == 1 else None
        if number is not None and number != alias and uses.get(number) == 1 and number in written:
            written[alias] = dict(written[number])
            del uses[number]


def _names(used: list[int], known: list[tuple[str, str]]) -> dict[int, str]:
    """Give short names, or names with their module where two definitions share the short one."""
    short = {number: _normalized(known[number][0]) for number in used}
    taken: set[str] = set()
    names = {}
    for number in used:
        name = short[number]
        if list(short.values()).count(name) > 1:
            name = _normalized(known[number][1])
        while name in taken:
            name += "__2"
        taken.add(name)
        names[number] = name
    return names


def _normalized(name: str) -> str:
    return re.sub(r"[^a-zA-Z0-9.\-_]", "_", name).replace(".", "__")


def _arranged(value: Any, parent: str | None, names: dict[int, str]) -> Any:
    """Put keywords in alphabetical order, properties and defaults keeping theirs; name the definitions."""
    if isinstance(value, dict):
        keys = value if parent in ("properties", "default") else sorted(value)
        return {key: _arranged(value[key], key, names) for key in keys}
    if isinstance(value, list):
        return [_arranged(item, parent, names) for item in value]
    number = referenced(value)
    return value if number is None or number not in names else _NAMED + names[number]


def with_resolved_root(root: dict) -> dict:
    """Replace a reference at the root by what it refers to: MCP wants an object there."""
    if "$ref" not in root:
        return root
    resolved = dict(root)
    for _ in range(32):
        target = root.get("$defs", {}).get(str(resolved.get("$ref", ""))[len(_NAMED) :])
        if "type" in resolved or not isinstance(target, dict):
            break
        rest = {key: value for key, value in resolved.items() if key != "$ref"}
        resolved = {**target, **rest}
    used = _named_references(resolved)
    definitions = {name: schema for name, schema in resolved.get("$defs", {}).items() if name in used}
    if not definitions:
        return {key: value for key, value in resolved.items() if key != "$defs"}
    return {**resolved, "$defs": definitions}


def _named_references(root: dict) -> set[str]:
    used: set[str] = set()
    waiting: list[Any] = [value for key, value in root.items() if key != "$defs"]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
        elif isinstance(node, str) and node.startswith(_NAMED) and node[len(_NAMED) :] not in used:
            used.add(node[len(_NAMED) :])
            waiting.append(root.get("$defs", {}).get(node[len(_NAMED) :]))
    return used


def loses_title(schema: dict) -> bool:
    """Tell whether a node is recognisably a schema, so that its title is taken off in the end."""
    return not _STRUCTURAL.isdisjoint(schema) or schema.keys() <= _DESCRIPTIVE


def without_titles(schema: dict) -> dict:
    """Take the titles off every node that is recognisably a schema."""
    kept: dict = {}
    drop = isinstance(schema.get("title"), str) and loses_title(schema)
    for key, value in schema.items():
        if key == "title" and drop:
            continue
        if key in _MAPS and isinstance(value, dict):
            kept[key] = {name: _untitled(inner) for name, inner in value.items()}
        elif key in _LISTS and isinstance(value, list):
            kept[key] = [_untitled(item) for item in value]
        else:
            kept[key] = _untitled(value) if key in _SINGLE else value
    return kept


def _untitled(value: Any) -> Any:
    return without_titles(value) if isinstance(value, dict) else value
