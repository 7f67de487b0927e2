"""What Pydantic says about its own types. It is asked only when a skill has imported it."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from omni.describe.types import Writer

_ROOT_PACKAGES = ("pydantic", "pydantic_core", "annotated_types")
_MARKER = "\1{model}"
_DECIMAL_PATTERN = r"^(?!^[-+.]*$)[+-]?0*"


def knows(annotation: Any) -> bool:
    """Tell whether a type, without what it holds, is one that only Pydantic can describe."""
    if "pydantic" not in sys.modules:
        return False
    origin = getattr(annotation, "__origin__", annotation)
    if hasattr(annotation, "__metadata__"):
        return any(_hooked(item) for item in annotation.__metadata__)
    if isinstance(origin, type) and (_hooked(origin) or hasattr(origin, "__pydantic_validator__")):
        return True
    return (getattr(annotation, "__module__", None) or "").partition(".")[0] in _ROOT_PACKAGES


def _hooked(item: Any) -> bool:
    return hasattr(item, "__get_pydantic_core_schema__") or hasattr(item, "__get_pydantic_json_schema__")


def concerns(annotation: Any, seen: set[int] | None = None) -> bool:
    """Tell whether a type holds anything of Pydantic's, however deep."""
    if "pydantic" not in sys.modules:
        return False
    seen = set() if seen is None else seen
    if id(annotation) in seen:
        return False
    seen.add(id(annotation))
    if knows(annotation) or _is_metadata(annotation):
        return True
    if any(_is_metadata(item) for item in getattr(annotation, "__metadata__", ())):
        return True
    inner = [*(getattr(annotation, "__args__", None) or ()), getattr(annotation, "__origin__", None)]
    if type(annotation).__name__ == "TypeAliasType":
        try:
            inner.append(annotation.__value__)
        except Exception:
            return False
    if isinstance(annotation, type) and not hasattr(annotation, "__origin__"):
        inner += _members(annotation)
    return any(concerns(item, seen) for item in inner if item is not None)


def _members(kind: type) -> list:
    """Return the types, and what stands as a default, of a class that is described by its fields."""
    fields = getattr(kind, "__dataclass_fields__", None)
    if not fields and not hasattr(kind, "__total__") and not hasattr(kind, "_fields"):
        return []
    from omni.hints import hints_of

    defaults = [field.default for field in fields.values()] if fields else []
    return [*hints_of(kind).values(), *(item for item in defaults if _is_metadata(item))]


def _is_metadata(item: Any) -> bool:
    return type(item).__module__.partition(".")[0] in _ROOT_PACKAGES


def embedded(writer: Writer, annotation: Any) -> dict:
    """Return Pydantic's schema of a type, with its definitions among the writer's own."""
    pydantic = sys.modules["pydantic"]
    try:
        schema = pydantic.TypeAdapter(annotation).json_schema(
            mode=writer.mode,
            by_alias=writer.mode == "validation" or serializes_by_alias(annotation),
            ref_template=_MARKER,
        )
        schema = without_patterns(schema)
    except Exception as error:
        name = getattr(annotation, "__name__", None) or str(annotation)
        return writer.unknown(f"Pydantic can't describe `{name}`: {_first_line(error)}")
    numbers = {}
    for name, inner in schema.pop("$defs", {}).items():
        numbers[name] = writer.define(("pydantic", name), name, name, lambda inner=inner: inner)["$ref"]
    known = _renamed(schema, numbers)
    for reference in numbers.values():
        number = int(reference.rpartition("\0")[2])
        writer.written[number] = _renamed(writer.written[number], numbers)
    if "properties" in known and isinstance(annotation, type):
        name = known.get("title") or annotation.__name__
        return writer.define((annotation, ()), name, f"{annotation.__module__}.{name}", lambda: known)
    return known


def _renamed(value: Any, numbers: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _renamed(inner, numbers) for key, inner in value.items()}
    if isinstance(value, list):
        return [_renamed(item, numbers) for item in value]
    return numbers.get(value[1:], value) if isinstance(value, str) and value.startswith("\1") else value


def arguments_schema(parameters: list[tuple[str, Any, Any]]) -> dict:
    """Return what Pydantic makes of a function with these parameters: name, annotation and default.

    Raises:
        Exception: It refuses one of the types.
    """
    from inspect import Parameter, Signature

    pydantic = sys.modules["pydantic"]

    def stand_in(**_arguments: Any) -> None:
        """Only its signature is looked at."""

    kind = Parameter.KEYWORD_ONLY
    stand_in.__signature__ = Signature(  # type: ignore[attr-defined]
        [
            Parameter(name, kind, annotation=annotation, default=default)
            for name, annotation, default in parameters
        ]
    )
    stand_in.__annotations__ = {name: annotation for name, annotation, _ in parameters}
    stand_in.__module__ = __name__
    return without_patterns(pydantic.TypeAdapter(stand_in).json_schema(mode="validation"))


def result_schema(annotation: Any) -> dict:
    """Return what Pydantic makes of a result. Raises what Pydantic raises."""
    adapter = sys.modules["pydantic"].TypeAdapter(annotation)
    by_alias = serializes_by_alias(annotation)
    return without_patterns(adapter.json_schema(mode="serialization", by_alias=by_alias))


def serializes_by_alias(annotation: Any) -> bool:
    """Tell whether a model, or one inside of the type, says that its results carry the aliases."""
    config = getattr(annotation, "model_config", None)
    if isinstance(config, dict) and config.get("serialize_by_alias"):
        return True
    return any(map(serializes_by_alias, getattr(annotation, "__args__", None) or ()))


def without_patterns(value: Any) -> Any:
    """Leave out the pattern that newer versions give a decimal number: not every client's reader takes it."""
    if isinstance(value, dict):
        return {
            key: without_patterns(inner)
            for key, inner in value.items()
            if key != "pattern" or not str(inner).startswith(_DECIMAL_PATTERN)
        }
    return [without_patterns(item) for item in value] if isinstance(value, list) else value


def alone(work: Callable[[], Any]) -> Any:
    """Do some work in a process of its own and return its result, which must be JSON.

    Pydantic's cached schemas carry the description of one function's parameter into the next function's.
    """
    import json
    import os

    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reader)
            with os.fdopen(writer, "w", encoding="utf-8") as pipe:
                json.dump(work(), pipe)
            code = 0
        finally:
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return json.loads(answer)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
