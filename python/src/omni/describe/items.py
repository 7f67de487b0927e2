"""The resources, prompts and completions of a file, as its functions say when they are asked.

Each is a dictionary with the members that the server's scan has for the same function (`omni-scan`:
`Resource`, `Prompt`, `Completion`), and `kind`. What is not said is left out.
"""

from __future__ import annotations

import inspect
import json
import re

from omni.convert import unwrapped
from omni.describe import docstring, options
from omni.describe.signature import describe
from omni.names import is_tool_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any, Callable

    Report = Callable[[int, str], None]

#: `{name}`, `{name*}` and `{?a,b}` in a template.
_EXPRESSION = re.compile(r"\{(\??)([^{}]*)\}")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?=.)")

#: References to definitions that are followed at most.
_STEPS_MAX = 16


def items_of(module: ModuleType, file: str, report: Report) -> list[dict[str, Any]]:
    """Return what a module offers besides tools, for those who list and run it.

    Each has every member that its kind may have, None where nothing is said; `uri` is the template's too, and
    `arguments` are those of a prompt or the variables of a template.

    Args:
        module: The file, imported.
        file: Its path in the skill's folder.
        report: Takes a line and a message for what is not listed or not applied.
    """
    return [_listed(item) for item in described(module, file, report)]


def _listed(item: dict[str, Any]) -> dict[str, Any]:
    names = ("title", "description", "icons", "mime_type", "size", "annotations", "argument")
    of = item.get("of")
    arguments = _arguments(item["input_schema"]) if "input_schema" in item else []
    return {
        **dict.fromkeys(names),
        **item,
        "name": item.get("name", item["function"]),
        "async": item["is_async"],
        "inject": item.get("inject", []),
        "meta": options.listed_meta(item.get("meta"), item.get("tags", []), item.get("version")) or None,
        #: What is said of each of its contents too.
        "own_meta": item.get("meta"),
        "uri": item.get("uri") or item.get("uri_template"),
        "of": next(iter(of.items())) if of else None,
        "arguments": [
            {"title": None, "description": None, "choices": [], **argument} for argument in arguments
        ],
    }


def with_arguments(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the items of a skill, each completion with its argument: where it names none, the only one."""
    for item in items:
        if item["kind"] == "completion" and item["argument"] is None:
            of = [other for other in items if (other["kind"], other["name"]) == tuple(item["of"])]
            names = [argument["name"] for other in of for argument in other["arguments"]]
            item["argument"] = names[0] if len(names) == 1 else None
    return items


def described(module: ModuleType, file: str, report: Report) -> list[dict]:
    """Return the same as the server's scan has it: what is not said is left out."""
    found: list[dict] = []
    taken: set[tuple[str, str]] = set()
    for attribute, function in list(vars(module).items()):
        for kind, read in _READERS.items():
            if not _is_own(module, attribute, function) or not hasattr(function, f"__omni_{kind}__"):
                continue
            line = unwrapped(function).__code__.co_firstlineno
            try:
                item = read(function, lambda message, line=line: report(line, message))
            except _NotListedError as why:
                report(line, f"{why}, so the {kind} `{attribute}` is not listed")
                continue
            # A completion has no name of its own.
            name = item.get("name", attribute)
            if (kind, name) in taken:
                report(line, f"there is another {kind} `{name}` in the file, so this one is not listed")
                continue
            taken.add((kind, name))
            found.append({"kind": kind, "file": file, "line": line, **item})
    return found


def _is_own(module: ModuleType, name: str, value: Any) -> bool:
    if not callable(value) or isinstance(value, type):
        return False
    origin = unwrapped(value)
    is_function = hasattr(origin, "__code__")
    return is_function and origin.__module__ == module.__name__ and origin.__name__ == name


class _NotListedError(Exception):
    """Why a function is not what it is marked as."""


def _common(function: Any, kind: str, report: Callable[[str], None]) -> tuple[options.Options, Any, dict]:
    """Return what a function was given, its signature, and the members that all kinds have."""
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            message = f"`{parameter.name}` can't be given by name"
            raise _NotListedError(message)
    given = options.read(getattr(function, f"__omni_{kind}__"), report, kind)
    description, texts = docstring.parse(function.__doc__ if isinstance(function.__doc__, str) else None)
    signature = describe(function, texts)
    origin = unwrapped(function)
    name = given.name or origin.__name__
    if not is_tool_name(name):
        if kind != "resource":
            message = f"`{name}` can't be a {kind}'s name"
            raise _NotListedError(message)
        # A name that people wrote for people is the title: what clients read a resource by is its URI.
        given.title, name = given.title or name, origin.__name__
    members = {
        "name": name,
        "title": given.title_of(name),
        "description": description if given.description is None else given.description,
        "function": origin.__name__,
        "is_async": inspect.iscoroutinefunction(origin),
        "inject": [{"parameter": parameter, "kind": "context"} for parameter in signature.inject],
        "limits": given.call["limits"],
        "policy": given.call["policy"],
        "executor": given.executor,
        "fork": given.call["fork"],
        "meta": given.meta,
        "icons": given.icons,
        "tags": given.tags,
        "version": given.version,
    }
    return given, signature, members


def _said(members: dict) -> dict:
    """Leave out what is not said, as the server does."""
    always = ("limits", "input_schema", "is_async", "required")
    return {name: value for name, value in members.items() if name in always or value not in (None, [], {})}


def _prompt(function: Any, report: Callable[[str], None]) -> dict:
    _given, signature, members = _common(function, "prompt", report)
    return _said({**members, "arguments": _arguments(signature.input), "input_schema": signature.input})


def _resource(function: Any, report: Callable[[str], None]) -> dict:
    given, signature, members = _common(function, "resource", report)
    variables = {} if given.uri is None else _variables(given.uri)
    schema = signature.input
    required = schema.get("required", [])
    for name, is_optional in variables.items():
        if name not in schema["properties"]:
            message = f"no parameter is for the variable `{name}`"
            raise _NotListedError(message)
        if is_optional and name in required:
            message = f"a URI may leave out `{name}`, which has no default"
            raise _NotListedError(message)
    for name in required:
        if name not in variables:
            message = f"`{name}` has no default and is no variable of the URI"
            raise _NotListedError(message)
    return _said(
        {
            **members,
            "uri_template" if variables else "uri": given.uri,
            "mime_type": given.mime_type or _type_of(given.uri),
            "size": None if variables else given.size,
            "annotations": given.annotations,
            "cache": given.cache,
            "input_schema": _of_variables(schema, variables),
        }
    )


def _type_of(uri: str | None) -> str | None:
    """Return the type of what has such a URI, where its scheme says that: a page for an app."""
    return "text/html;profile=mcp-app" if uri and uri[:5].lower() == "ui://" else None


def _completion(function: Any, report: Callable[[str], None]) -> dict:
    given, signature, members = _common(function, "completion", report)
    # By these names, or else in this order: see `omni.completion_values`.
    names = list(signature.input["properties"])
    left = sum(name not in names for name in ("value", "context"))
    others = [name for name in names if name not in ("value", "context")]
    strange = [name for name in others[left:] if name in signature.input.get("required", [])]
    if strange:
        message = f"nobody gives `{strange[0]}` to it"
        raise _NotListedError(message)
    target = given.prompt if given.prompt is not None else given.resource
    kind = "prompt" if given.prompt is not None else "resource"
    if target is None:
        message = "it completes the argument of nothing"
        raise _NotListedError(message)
    if not isinstance(target, str):
        marked = getattr(target, f"__omni_{kind}__", None)
        if marked is None:
            message = f"`{getattr(target, '__name__', target)}` is no {kind}"
            raise _NotListedError(message)
        target = marked.get("name") or unwrapped(target).__name__
    own = ("function", "is_async", "inject", "limits", "policy", "executor", "fork")
    return _said({"of": {kind: target}, "argument": given.argument, **{name: members[name] for name in own}})


_READERS = {"prompt": _prompt, "resource": _resource, "completion": _completion}


# -- URIs ------------------------------------------------------------------------------------------------


def _variables(uri: str) -> dict[str, bool]:
    """Return the variables of a template, and of each whether a URI may leave it out."""
    if not _URI.match(uri):
        message = f"`{uri}` is no URI"
        raise _NotListedError(message)
    variables = {}
    for query, names in _EXPRESSION.findall(uri):
        for name in names.split(",") if query else [names.removesuffix("*")]:
            if not name.strip().isidentifier() or name.strip() in variables:
                message = f"`{uri}` is no template that is read here"
                raise _NotListedError(message)
            variables[name.strip()] = bool(query)
    if "{" in _EXPRESSION.sub("", uri) or "}" in _EXPRESSION.sub("", uri):
        message = f"`{uri}` has a brace that stands alone"
        raise _NotListedError(message)
    return variables


def _of_variables(schema: dict, variables: dict[str, bool]) -> dict:
    """Return a schema without the parameters that no URI gives."""
    schema = dict(schema)
    schema["properties"] = {name: value for name, value in schema["properties"].items() if name in variables}
    schema["required"] = [name for name in schema.get("required", []) if name in variables]
    if not schema["required"]:
        del schema["required"]
    if "#/$defs/" not in json.dumps(schema["properties"]):
        schema.pop("$defs", None)
    return schema


# -- arguments of prompts --------------------------------------------------------------------------------


def _arguments(schema: dict) -> list[dict]:
    """Return the arguments that an object's schema stands for, as clients are shown them."""
    return [
        _said(
            {
                "name": name,
                "title": value.get("title"),
                "description": _description(schema, value),
                "required": name in schema.get("required", []),
                "choices": _choices(schema, value, _STEPS_MAX) or [],
            }
        )
        # `None` is a default too.
        | ({"default": value["default"]} if "default" in value else {})
        for name, value in schema["properties"].items()
    ]


def _definition(root: dict, schema: dict) -> dict | None:
    reference = schema.get("$ref", "")
    return root.get("$defs", {}).get(reference[len("#/$defs/") :]) if reference else None


def _choices(root: dict, schema: dict, steps: int) -> list[str] | None:
    """Return the values that are listed, as text; None where another may be given."""
    if steps == 0:
        return None
    if "$ref" in schema:
        definition = _definition(root, schema)
        return None if definition is None else _choices(root, definition, steps - 1)
    if "enum" in schema or "const" in schema:
        values = schema["enum"] if "enum" in schema else [schema["const"]]
        if any(isinstance(value, (list, dict)) for value in values):
            return None
        texts = [item if isinstance(item, str) else json.dumps(item) for item in values if item is not None]
        return list(dict.fromkeys(texts))
    variants = schema.get("anyOf") or schema.get("oneOf")
    if variants:
        found: list[str] = []
        for variant in variants:
            part = _choices(root, variant, steps - 1)
            if part is None:
                return None
            found += [text for text in part if text not in found]
        return found
    return {"boolean": ["true", "false"], "null": []}.get(schema.get("type", ""))


def _is_plain(root: dict, schema: dict, steps: int) -> bool:
    """Tell whether a person can write a value without knowing JSON."""
    if steps == 0:
        return True
    if "$ref" in schema:
        definition = _definition(root, schema)
        return definition is None or _is_plain(root, definition, steps - 1)
    variants = schema.get("anyOf") or schema.get("oneOf")
    if variants:
        real = [variant for variant in variants if variant.get("type") != "null"]
        return any(_is_plain(root, variant, steps - 1) for variant in real)
    return schema.get("type") not in ("array", "object")


def _description(root: dict, schema: dict) -> str | None:
    """Return what the author says of an argument, and of one that is written as JSON how."""
    said = schema.get("description")
    if _is_plain(root, schema, _STEPS_MAX):
        return said
    shown = {key: value for key, value in schema.items() if key not in ("title", "description", "default")}
    if '"#/$defs/' in json.dumps(shown) and "$defs" in root:
        shown["$defs"] = root["$defs"]
    text = json.dumps(shown, separators=(",", ":"), ensure_ascii=False)
    note = f"Provide a value matching the following JSON schema: {text}. Encode non-string values as JSON."
    return note if said is None else f"{said}\n\n{note}"
