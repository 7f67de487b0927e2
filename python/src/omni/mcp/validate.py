"""Whether a value fits a tool's JSON Schema, and if not, what to say about it.

Draft 2020-12 as far as tools' schemas use it. The words are those of the server (`omni-
catalog/src/validate`), so that a model reads the same from both.
"""

from __future__ import annotations

import json
import re

from omni.mcp.similar import closest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_FAULTS_SHOWN_MAX = 20
_SHOWN_CHARACTERS_MAX = 100
_LISTED_MAX = 20
_DEPTH_MAX = 64

_TYPES = {
    "null": lambda value: value is None,
    "boolean": lambda value: type(value) is bool,
    "integer": lambda value: type(value) is int or (type(value) is float and value.is_integer()),
    "number": lambda value: type(value) in (int, float),
    "string": lambda value: type(value) is str,
    "array": lambda value: type(value) is list,
    "object": lambda value: type(value) is dict,
}


class Fault:
    """One place where a value breaks its schema."""

    __slots__ = ("message", "pointer", "rule")

    def __init__(self, pointer: str, rule: str, message: str) -> None:
        self.pointer = pointer
        self.rule = rule
        self.message = message

    def __str__(self) -> str:
        return f"{self.pointer or '(the whole value)'}: {self.message}"


def argument_faults(tool: str, schema: dict, arguments: dict) -> str | None:
    """Return what is wrong with a call's arguments, for the model that made it; None when nothing is."""
    faults = _faults(schema, arguments, "argument")
    if not faults:
        return None
    plural = "" if len(faults) == 1 else "s"
    return f"`{tool}` was not called: {len(faults)} problem{plural} with its arguments{_listed(faults)}"


def output_faults(schema: dict, value: Any) -> str | None:
    """Return what is wrong with a tool's structured result, for its author."""
    faults = _faults(schema, value, "property")
    return f"it does not fit the output schema{_listed(faults)}" if faults else None


def _faults(schema: dict, value: Any, what: str) -> list[Fault]:
    checker = _Checker(schema, what)
    found = checker.check(schema, value, "", 0)
    unique = {(fault.pointer, fault.rule, fault.message): fault for fault in found}
    return sorted(unique.values(), key=lambda fault: fault.pointer)


def _listed(faults: list[Fault]) -> str:
    lines = [f"\n- {fault}" for fault in faults[:_FAULTS_SHOWN_MAX]]
    if len(faults) > _FAULTS_SHOWN_MAX:
        lines.append(f"\n- … and {len(faults) - _FAULTS_SHOWN_MAX} more")
    return "".join(lines)


class _Checker:
    def __init__(self, root: dict, what: str) -> None:
        self._root = root
        #: What a member at the top is called.
        self._what = what

    def check(self, schema: Any, value: Any, at: str, depth: int) -> list[Fault]:
        if schema is True or not isinstance(schema, (dict, bool)):
            return []
        if schema is False:
            return [Fault(at, "falseSchema", f"nothing is allowed here, got {_shown(value)}")]
        if depth > _DEPTH_MAX:
            return [Fault(at, "$ref", "the schema is nested too deep to be checked")]
        faults: list[Fault] = []
        if "$ref" in schema:
            faults += self.check(self._target(schema["$ref"]), value, at, depth + 1)
        faults += _value_faults(schema, value, at)
        if type(value) is dict:
            faults += self._object(schema, value, at, depth)
        elif type(value) is list:
            faults += self._array(schema, value, at, depth)
        faults += self._combined(schema, value, at, depth)
        return faults

    def _target(self, reference: Any) -> Any:
        node: Any = self._root
        if not isinstance(reference, str) or not reference.startswith("#"):
            return True
        for step in reference[1:].split("/")[1:]:
            step = step.replace("~1", "/").replace("~0", "~")  # noqa: PLW2901
            if isinstance(node, list) and step.isdecimal() and int(step) < len(node):
                node = node[int(step)]
            elif isinstance(node, dict) and step in node:
                node = node[step]
            else:
                return True
        return node

    def _object(self, schema: dict, value: dict, at: str, depth: int) -> list[Fault]:
        faults = []
        properties = schema.get("properties", {})
        patterns = schema.get("patternProperties", {})
        additional = schema.get("additionalProperties", True)
        unknown = []
        for name, item in value.items():
            place = f"{at}/{_escaped(name)}"
            found = [inner for pattern, inner in patterns.items() if _matches(pattern, name)]
            if name in properties:
                found.append(properties[name])
            if not found:
                if additional is False:
                    unknown.append(name)
                    continue
                found = [additional]
            for inner in found:
                faults += self.check(inner, item, place, depth + 1)
            if "propertyNames" in schema:
                for fault in self.check(schema["propertyNames"], name, at, depth + 1):
                    message = f"the name {_shown(name)} is not allowed: {fault.message}"
                    faults.append(Fault(at, "propertyNames", message))
        faults += [self._unknown(name, value, list(properties), at) for name in unknown]
        for name in schema.get("required", ()):
            if name not in value:
                faults.append(Fault(f"{at}/{_escaped(name)}", "required", "required, but missing"))
        for name, others in schema.get("dependentRequired", {}).items():
            for other in others if name in value else ():
                if other not in value:
                    message = "required together with the others given, but missing"
                    faults.append(Fault(f"{at}/{_escaped(other)}", "required", message))
        return faults

    def _unknown(self, name: str, value: dict, known: list[str], at: str) -> Fault:
        # A name that is present already was not misspelt as the unknown one.
        meant = closest(name, (other for other in known if other not in value))
        if meant is not None:
            hint = f" (did you mean `{meant}`?)"
        elif known:
            hint = f" (known: {_joined((f'`{other}`' for other in known), ', ')})"
        else:
            hint = " (none is known)"
        what = "property" if at else self._what
        return Fault(f"{at}/{_escaped(name)}", "additionalProperties", f"unknown {what}{hint}")

    def _array(self, schema: dict, value: list, at: str, depth: int) -> list[Fault]:
        faults = []
        prefix = schema.get("prefixItems", [])
        for index, item in enumerate(value):
            inner = prefix[index] if index < len(prefix) else schema.get("items", True)
            faults += self.check(inner, item, f"{at}/{index}", depth + 1)
        contains = schema.get("contains")
        if contains is not None and all(self.check(contains, item, at, depth + 1) for item in value):
            faults.append(Fault(at, "contains", "none of its items is what one has to be"))
        return faults

    def _combined(self, schema: dict, value: Any, at: str, depth: int) -> list[Fault]:
        faults = []
        for inner in schema.get("allOf", ()):
            faults += self.check(inner, value, at, depth + 1)
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                branches = [self.check(inner, value, at, depth + 1) for inner in schema[keyword]]
                fitting = branches.count([])
                if fitting == 0:
                    faults += self._alternatives(keyword, schema[keyword], branches, value, at)
                elif keyword == "oneOf" and fitting > 1:
                    message = f"{_shown(value)} fits more than one of the alternatives"
                    faults.append(Fault(at, keyword, message))
        if "not" in schema and not self.check(schema["not"], value, at, depth + 1):
            faults.append(Fault(at, "not", f"{_shown(value)} is what is not allowed here"))
        if "if" in schema:
            met = not self.check(schema["if"], value, at, depth + 1)
            faults += self.check(schema.get("then" if met else "else", True), value, at, depth + 1)
        return faults

    def _alternatives(
        self, keyword: str, schemas: list, branches: list[list[Fault]], value: Any, at: str
    ) -> list[Fault]:
        """Explain a value that fits none. The alternative whose type fits was meant: its faults say more."""
        meant = [
            branch
            for branch in branches
            if not any(fault.pointer == at and fault.rule in ("type", "const") for fault in branch)
        ]
        if len(meant) == 1:
            return meant[0]
        expected = _joined(_unique(self._described(one, 0) for one in schemas), " or ")
        return [Fault(at, keyword, f"expected {expected}, got {_shown(value)}")]

    def _described(self, schema: Any, depth: int) -> str:
        """Return a few words for what a schema accepts."""
        if not isinstance(schema, dict) or depth >= 4:
            return "any value"
        if "$ref" in schema:
            return self._described(self._target(schema["$ref"]), depth + 1)
        if "const" in schema:
            return _shown(schema["const"])
        if isinstance(schema.get("enum"), list):
            return f"one of {_joined(map(_shown, schema['enum']), ', ')}"
        for keyword in ("anyOf", "oneOf"):
            if isinstance(schema.get(keyword), list):
                return _joined(_unique(self._described(one, depth + 1) for one in schema[keyword]), " or ")
        kind = schema.get("type")
        if kind == "array" and isinstance(schema.get("items"), dict):
            return f"array of {self._described(schema['items'], depth + 1)}"
        if isinstance(kind, list):
            return _joined(kind, " or ")
        return kind if isinstance(kind, str) else "any value"


def _value_faults(schema: dict, value: Any, at: str) -> list[Fault]:
    """Check the keywords that look at the value itself."""
    faults = []
    kinds = schema.get("type")
    if kinds is not None:
        wanted = [kinds] if isinstance(kinds, str) else kinds
        if not any(_TYPES.get(kind, bool)(value) for kind in wanted):
            expected = _joined(wanted, " or ")
            faults.append(Fault(at, "type", f"expected {expected}, got {_typed(value)}"))
    if "const" in schema and not _same(schema["const"], value):
        faults.append(Fault(at, "const", f"expected {_shown(schema['const'])}, got {_shown(value)}"))
    if "enum" in schema and not any(_same(option, value) for option in schema["enum"]):
        options = schema["enum"]
        meant = closest(value, (one for one in options if type(one) is str)) if type(value) is str else None
        hint = "" if meant is None else f" (did you mean {_shown(meant)}?)"
        listed = _joined(map(_shown, options), ", ")
        faults.append(Fault(at, "enum", f"expected one of {listed}, got {_shown(value)}{hint}"))
    for keyword, breaks, message in _BOUNDS.get(type(value), ()):
        if keyword in schema and breaks(value, schema[keyword]):
            limit = schema[keyword]
            said = message.format(limit=limit, got=_shown(value), length=_length(value))
            faults.append(Fault(at, keyword, said))
    if type(value) is list and schema.get("uniqueItems") and not _all_differ(value):
        faults.append(Fault(at, "uniqueItems", f"its items must all differ, got {_shown(value)}"))
    return faults


def _matches(pattern: str, text: str) -> bool:
    try:
        return re.search(pattern, text) is not None
    except re.error:  # written for another reader of patterns
        return True


def _is_multiple(value: float, of: float) -> bool:
    rest = value / of
    return rest == int(rest) if abs(rest) < 2**53 else True


_NUMBER_BOUNDS = (
    ("minimum", lambda value, limit: value < limit, "must be at least {limit}, got {got}"),
    ("maximum", lambda value, limit: value > limit, "must be at most {limit}, got {got}"),
    ("exclusiveMinimum", lambda value, limit: value <= limit, "must be more than {limit}, got {got}"),
    ("exclusiveMaximum", lambda value, limit: value >= limit, "must be less than {limit}, got {got}"),
    (
        "multipleOf",
        lambda value, limit: not _is_multiple(value, limit),
        "must be a multiple of {limit}, got {got}",
    ),
)
_BOUNDS: dict[type, tuple] = {
    int: _NUMBER_BOUNDS,
    float: _NUMBER_BOUNDS,
    str: (
        (
            "minLength",
            lambda value, limit: len(value) < limit,
            "must have at least {limit} characters, got {got}",
        ),
        (
            "maxLength",
            lambda value, limit: len(value) > limit,
            "must have at most {limit} characters, got {got}",
        ),
        (
            "pattern",
            lambda value, limit: not _matches(limit, value),
            "must match the pattern `{limit}`, got {got}",
        ),
    ),
    list: (
        (
            "minItems",
            lambda value, limit: len(value) < limit,
            "must have at least {limit} items, has {length}",
        ),
        (
            "maxItems",
            lambda value, limit: len(value) > limit,
            "must have at most {limit} items, has {length}",
        ),
    ),
    dict: (
        (
            "minProperties",
            lambda value, limit: len(value) < limit,
            "must have at least {limit} members, has {length}",
        ),
        (
            "maxProperties",
            lambda value, limit: len(value) > limit,
            "must have at most {limit} members, has {length}",
        ),
    ),
}


def _same(a: Any, b: Any) -> bool:
    """Compare as JSON does: `1` is `1.0`, and neither is `true`."""
    if type(a) is bool or type(b) is bool:
        return a is b
    if type(a) is list and type(b) is list:
        return len(a) == len(b) and all(map(_same, a, b))
    if type(a) is dict and type(b) is dict:
        return a.keys() == b.keys() and all(_same(a[name], b[name]) for name in a)
    return a == b


def _all_differ(items: list) -> bool:
    return not any(_same(a, b) for at, a in enumerate(items) for b in items[:at])


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text if len(text) <= _SHOWN_CHARACTERS_MAX else text[:_SHOWN_CHARACTERS_MAX] + "…"


def _typed(value: Any) -> str:
    if value is None:
        return "null"
    names = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return f"{names[type(value)]} {_shown(value)}"


def _length(value: Any) -> int:
    return len(value) if type(value) in (list, dict) else 0


def _joined(items: Iterable[str], separator: str) -> str:
    listed = list(items)
    if len(listed) > _LISTED_MAX:
        listed[_LISTED_MAX:] = ["…"]
    return separator.join(listed)


def _unique(items: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(items))


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
