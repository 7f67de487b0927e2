"""What a class looks like as a type: an enumeration, a dataclass, a typed dictionary, a named tuple."""

from __future__ import annotations

from omni.describe.docstring import cleaned
from omni.describe.fields import MISSING, Field, is_pydantic_field
from omni.describe.values import NoJsonError, as_json, common_type
from omni.hints import hints_of, scopes_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from omni.describe.types import Writer

_ROOT = "omni_skills."
# Enumerations have this one without an author's doing, before Python 3.11.
_NOBODYS_TEXT = "An enumeration."


def described(writer: Writer, kind: Any, arguments: tuple) -> dict:
    """Return the schema of a class: a reference, or an unconstrained schema and a problem."""
    from enum import Enum

    if issubclass(kind, Enum):
        return _enumeration(writer, kind)
    if not is_defined(kind):
        return writer.unknown(
            f"`{kind.__name__}` is a plain class: only an enumeration, a dataclass, a typed dictionary, a "
            "named tuple or a Pydantic model can be described"
        )
    from omni.describe.types import display

    name = f"{kind.__name__}[{','.join(map(display, arguments))}]" if arguments else kind.__name__
    variables = dict(zip(getattr(kind, "__parameters__", ()), arguments))

    def write() -> dict:
        writer.scopes.append(scopes_of(kind))
        try:
            if hasattr(kind, "__dataclass_fields__"):
                return _object(kind, name, _dataclass_members(kind), writer, variables)
            if _is_typed_dict(kind):
                return _object(kind, name, _typed_dict_members(kind), writer, variables)
            return _named_tuple(kind, writer)
        finally:
            writer.scopes.pop()

    return writer.define((kind, arguments), name, f"{place(kind.__module__)}.{name}", write)


def is_defined(kind: Any) -> bool:
    """Tell whether a class gets a definition of its own, and with it a title."""
    from enum import Enum

    if not isinstance(kind, type):
        return False
    if issubclass(kind, Enum):
        return len(kind.__members__) > 0
    return hasattr(kind, "__dataclass_fields__") or _is_typed_dict(kind) or _is_named_tuple(kind)


def place(module: str) -> str:
    """Return a skill's module as its files name it: `shapes` for `omni_skills.demo.shapes`."""
    return module[len(_ROOT) :].partition(".")[2] if module.startswith(_ROOT) else module


def _is_typed_dict(kind: type) -> bool:
    return issubclass(kind, dict) and hasattr(kind, "__total__")


def _is_named_tuple(kind: type) -> bool:
    return issubclass(kind, tuple) and hasattr(kind, "_fields")


def _enumeration(writer: Writer, kind: Any) -> dict:
    text = kind.__dict__.get("__doc__")
    description = None if not text or text == _NOBODYS_TEXT else cleaned(text)
    said = {} if description is None else {"description": description}
    if not kind.__members__:
        return {**said, "enum": [], "title": kind.__name__}

    def write() -> dict:
        values = []
        for member in kind.__members__.values():
            try:
                values.append(as_json(member.value))
            except NoJsonError:
                continue
        shared = common_type(values, with_null=False)
        return {**({"type": shared} if shared else {}), "title": kind.__name__, **said, "enum": values}

    return writer.define((kind, ()), kind.__name__, f"{place(kind.__module__)}.{kind.__name__}", write)


def _object(kind: Any, name: str, members: list, writer: Writer, variables: dict) -> dict:
    properties = {}
    required = []
    for member, annotation, field, needed in members:
        if writer.mode == "serialization" and member in _init_only(kind):
            continue
        shown = field.alias if field.alias is not None and writer.mode == "validation" else member
        if variables:
            inner = writer.with_variables(variables, annotation)
            from omni.describe.types import titled

            properties[shown] = titled(field.put_on(inner), shown, annotation)
        else:
            properties[shown] = writer.member(shown, annotation, field)
        if needed:
            required.append(shown)
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required
    schema["title"] = name
    text = cleaned(kind.__dict__.get("__doc__") or "")
    # A dataclass without a docstring gets its signature for one.
    if text and not (text.startswith(f"{kind.__name__}(") and text.endswith(")")):
        schema["description"] = text
    extra = (getattr(kind, "__pydantic_config__", None) or {}).get("extra")
    if extra in ("forbid", "allow"):
        schema["additionalProperties"] = extra == "allow"
    return schema


def _dataclass_members(kind: Any) -> list:
    """Return name, annotation, field and whether it is needed, positional ones first, as for `__init__`."""
    hints = hints_of(kind)
    members = []
    for name, declared in kind.__dataclass_fields__.items():
        if declared._field_type.name == "_FIELD_CLASSVAR":
            continue
        annotation = hints.get(name, declared.type)
        annotation, field = peeled(annotation)
        field.read_dataclass_field(declared)
        if is_pydantic_field(field.default):
            given, field.default = field.default, MISSING
            field.read_field(given, bounds_win=False)
        # Neither an argument nor a value: nothing to describe.
        if not declared.init and field.default is MISSING:
            continue
        keyword_only = getattr(declared, "kw_only", False) is True
        members.append((keyword_only, (name, annotation, field, field.default is MISSING)))
    members.sort(key=lambda member: member[0])
    return [member for _, member in members]


def _init_only(kind: Any) -> list[str]:
    """Return the arguments of a dataclass that its values do not have: no result shows them."""
    fields = getattr(kind, "__dataclass_fields__", {})
    return [name for name, field in fields.items() if field._field_type.name == "_FIELD_INITVAR"]


def _typed_dict_members(kind: Any) -> list:
    members = []
    stated = getattr(kind, "__required_keys__", frozenset(kind.__annotations__ if kind.__total__ else ()))
    for name, hint in hints_of(kind).items():
        # The class itself may not have seen through a text, or before 3.11 not at all.
        needed = name in stated
        annotation, field = peeled(hint)
        words = _qualifiers(hint)
        if "Required" in words or "NotRequired" in words:
            needed = "Required" in words
        members.append((name, annotation, field, needed))
    return members


def _named_tuple(kind: Any, writer: Writer) -> dict:
    hints = hints_of(kind)
    items = []
    for name in kind._fields:
        annotation, field = peeled(hints.get(name, Ellipsis))
        field.default = kind._field_defaults.get(name, MISSING)
        if annotation is Ellipsis:
            from typing import Any as annotation  # noqa: N813 - a field without a type
        items.append(writer.member(name, annotation, field))
    needed = len(kind._fields) - len(kind._field_defaults)
    schema: dict[str, Any] = {"type": "array", "maxItems": len(items)}
    if items:
        schema["prefixItems"] = items
    if needed:
        schema["minItems"] = needed
    return schema


_QUALIFIERS = ("Required", "NotRequired", "ReadOnly", "Final", "ClassVar", "InitVar")


def peeled(annotation: Any) -> tuple[Any, Field]:
    """Take the outermost `Annotated` and qualifiers off a field's annotation."""
    field = Field()
    layers = []
    for _ in range(16):
        if hasattr(annotation, "__metadata__"):
            layers.append(annotation.__metadata__)
            annotation = annotation.__origin__
        elif _qualifier(annotation):
            annotation = annotation.type if _qualifier(annotation) == "InitVar" else annotation.__args__[0]
        else:
            break
    field.read([item for metadata in reversed(layers) for item in metadata], alone=False)
    return annotation, field


def _qualifiers(annotation: Any) -> list[str]:
    words = []
    for _ in range(16):
        word = _qualifier(annotation)
        if hasattr(annotation, "__metadata__"):
            annotation = annotation.__origin__
        elif word and hasattr(annotation, "__args__"):
            words.append(word)
            annotation = annotation.__args__[0]
        else:
            break
    return words


def _qualifier(annotation: Any) -> str | None:
    if type(annotation).__name__ == "InitVar":
        return "InitVar"
    origin = getattr(annotation, "__origin__", None)
    name = getattr(origin, "__name__", None) or getattr(origin, "_name", None)
    return name if name in _QUALIFIERS and getattr(annotation, "__args__", None) else None
