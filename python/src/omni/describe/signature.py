"""What goes into a function and what comes out, as schemas."""

from __future__ import annotations

import warnings
from inspect import Parameter, signature

from omni.describe import models
from omni.describe.fields import MISSING, Field, is_pydantic_field
from omni.describe.schema_post import finish, referenced, with_resolved_root, without_titles
from omni.describe.types import Writer, is_content, title_from_name, titled
from omni.hints import hints_of, scopes_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_WRAP = "x-fastmcp-wrap-result"


class Described:
    """A function's schemas, the parameters that are filled in, and what could not be described."""

    def __init__(self) -> None:
        self.input: dict = {}
        self.output: dict | None = None
        self.wrap = False
        self.inject: list[str] = []
        #: Parameter, or None for the result, and what is wrong with it.
        self.problems: list[tuple[str | None, str]] = []


def describe(function: Any, texts: list[tuple[str, str]]) -> Described:
    """Read a function's signature; `texts` are what its docstring says about parameters."""
    found = Described()
    hints = hints_of(function)
    raw = getattr(function, "__annotations__", None) or {}
    parameters = []
    for parameter in signature(function).parameters.values():
        if parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
            continue
        # A text that names nothing stays a text, and is reported as such.
        annotation = hints.get(parameter.name, raw.get(parameter.name, MISSING))
        if annotation is not MISSING and takes_context(annotation):
            found.inject.append(parameter.name)
        else:
            parameters.append((parameter.name, annotation, parameter.default))
    schema, titles = _input(function, parameters, found)
    found.input = _completed(without_titles(with_resolved_root(schema)), titles, texts)
    returns = hints.get("return", raw.get("return", MISSING))
    if returns is not MISSING:
        _output(function, returns, found)
    return found


def takes_context(annotation: Any) -> bool:
    """Tell whether an annotation is the call's context: itself, in a union, in `Annotated`."""
    if isinstance(annotation, type) and not hasattr(annotation, "__args__"):
        return any(_is_context(base) for base in annotation.__mro__)
    if hasattr(annotation, "__metadata__"):
        return takes_context(annotation.__origin__)
    from typing import get_args, get_origin

    origin = get_origin(annotation)
    name = getattr(origin, "__name__", None) or getattr(origin, "_name", None)
    if name in ("Union", "UnionType", "Optional"):
        return any(takes_context(member) for member in get_args(annotation))
    # `Context[Session, State]`.
    return isinstance(origin, type) and takes_context(origin)


def _is_context(kind: type) -> bool:
    module = kind.__module__
    return kind.__name__ == "Context" and (
        module.partition(".")[0] in ("omni", "fastmcp") or module.startswith("mcp.server")
    )


# -- what goes in ------------------------------------------------------------------------------------------


def _input(function: Any, parameters: list, found: Described) -> tuple[dict, dict[str, str]]:
    """Return the schema of the arguments, and the titles that authors gave them."""
    concerned = any(
        models.concerns(annotation) or is_pydantic_field(default) for _, annotation, default in parameters
    )
    if concerned:
        try:
            schema = models.alone(lambda: _by_pydantic(parameters))
        except Exception:
            # It refuses the whole function for one type; here each is described for itself.
            pass
        else:
            titles = {name: inner.get("title") for name, inner in schema["properties"].items()}
            return schema, _own_titles(titles)
    writer = Writer("validation")
    writer.scopes = [scopes_of(function)]
    properties: dict[str, dict] = {}
    required = []
    for name, annotation, default in parameters:
        shown, schema, needed = _argument(writer, name, annotation, default)
        properties[shown] = schema
        if needed:
            required.append(shown)
        found.problems += [(name, problem) for problem in writer.problems]
        writer.problems = []
    root: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    if required:
        root["required"] = required
    titles = {name: schema.get("title") for name, schema in properties.items()}
    return finish(root, writer), _own_titles(titles)


def _own_titles(titles: dict[str, Any]) -> dict[str, str]:
    return {name: title for name, title in titles.items() if title and title != title_from_name(name)}


def _argument(writer: Writer, name: str, annotation: Any, default: Any) -> tuple[str, dict, bool]:
    field = Field()
    inner = annotation
    if hasattr(annotation, "__metadata__"):
        field.read(annotation.__metadata__, alone=True)
        inner = annotation.__origin__
    if is_pydantic_field(default):
        field.read_field(default, bounds_win=False)
    elif default is not Parameter.empty and default is not Ellipsis:
        field.default = default
    shown = field.alias if field.alias is not None else name
    schema = {} if inner is MISSING else writer.schema(inner)
    return shown, titled(field.put_on(schema), shown, inner), field.default is MISSING


def _by_pydantic(parameters: list) -> dict:
    from typing import Annotated, Any

    import pydantic

    known = []
    for name, annotation, default in parameters:
        if annotation is MISSING:
            annotation = Any  # noqa: PLW2901
        metadata = getattr(annotation, "__metadata__", ())
        if len(metadata) == 1 and isinstance(metadata[0], str):
            described = pydantic.Field(description=metadata[0])
            annotation = Annotated[annotation.__origin__, described]  # noqa: PLW2901
        known.append((name, annotation, Parameter.empty if default is Ellipsis else default))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return models.arguments_schema(known)


def _completed(schema: dict, titles: dict[str, str], texts: list[tuple[str, str]]) -> dict:
    """Put back the titles that the author wrote and fill in descriptions from the docstring."""
    properties = schema.get("properties", {})
    for name, title in titles.items():
        if name in properties:
            properties[name]["title"] = title
    # The last text for a name is the one that counts.
    for name, text in dict(texts).items():
        if name in properties:
            properties[name].setdefault("description", text)
    return schema


# -- what comes out ----------------------------------------------------------------------------------------


def _output(function: Any, annotation: Any, found: Described) -> None:
    from typing import Any

    said_nothing = annotation is None or annotation is type(None) or annotation is Any
    if said_nothing or _holds_bytes(annotation) or _is_any_list(annotation) or _holds_content(annotation):
        return
    schema = None
    if models.concerns(annotation):
        try:
            schema, found.wrap = models.alone(lambda: _result_by_pydantic(annotation))
        except Exception:
            # As above.
            pass
    if schema is None:
        writer = Writer("serialization")
        writer.scopes = [scopes_of(function)]
        schema = _result(writer, annotation, found)
        if writer.problems:
            found.problems += [(None, problem) for problem in writer.problems]
            found.wrap = False
            return
    found.output = without_titles(with_resolved_root(schema))
    if found.wrap:
        found.output[_WRAP] = True


def _result(writer: Writer, annotation: Any, found: Described) -> dict:
    schema = writer.schema(annotation)
    target = schema
    for _ in range(16):
        number = referenced(target.get("$ref"))
        if number is None:
            break
        target = writer.written.get(number, {})
    found.wrap = target.get("type") != "object" and "properties" not in target
    if found.wrap:
        schema = _wrapped(titled(schema, "result", annotation))
    return finish(schema, writer)


def _wrapped(schema: dict) -> dict:
    return {"type": "object", "properties": {"result": schema}, "required": ["result"]}


def _result_by_pydantic(annotation: Any) -> tuple[dict, bool]:
    from dataclasses import make_dataclass

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        schema = models.result_schema(annotation)
        target = schema
        for _ in range(16):
            name = str(target.get("$ref", "")).rpartition("/")[2]
            if name not in schema.get("$defs", {}):
                break
            target = schema["$defs"][name]
        wrap = target.get("type") != "object" and "properties" not in target
        if wrap:
            schema = models.result_schema(make_dataclass("Result", [("result", annotation)]))
    return schema, wrap


def _members(annotation: Any) -> tuple[Any, tuple]:
    from typing import get_args, get_origin

    if hasattr(annotation, "__metadata__"):
        annotation = annotation.__origin__
    if hasattr(annotation, "__supertype__"):
        annotation = annotation.__supertype__
    return get_origin(annotation) or annotation, get_args(annotation)


def _is_union(origin: Any) -> bool:
    return (getattr(origin, "__name__", None) or getattr(origin, "_name", None)) in ("Union", "UnionType")


def _holds_bytes(annotation: Any) -> bool:
    """Bytes are not structured output, not even as one choice of a union."""
    origin, members = _members(annotation)
    chosen = getattr(annotation, "__constraints__", ()) or ()
    if chosen:  # a type variable, such as `AnyStr`
        return any(map(_holds_bytes, chosen))
    return origin in (bytes, bytearray) or (_is_union(origin) and any(map(_holds_bytes, members)))


def _is_any_list(annotation: Any) -> bool:
    """A list of anything says nothing that a client could use."""
    from typing import Any

    origin, members = _members(annotation)
    name = getattr(origin, "__name__", "")
    if name in ("list", "deque", "Sequence", "MutableSequence"):
        return not members or members[0] is Any
    if name != "tuple":
        return False
    bare = annotation is tuple or str(annotation) == "typing.Tuple"
    return bare or (len(members) == 2 and members[1] is Ellipsis and members[0] is Any)


def _holds_content(annotation: Any) -> bool:
    origin, members = _members(annotation)
    if is_content(origin):
        return True
    containers = (list, dict, tuple, set, frozenset)
    name = getattr(origin, "__name__", None) or getattr(origin, "_name", None)
    into = _is_union(origin) or origin in containers or name in ("Sequence", "Mapping", "Iterable", "deque")
    return into and any(_holds_content(member) for member in members if member is not Ellipsis)
