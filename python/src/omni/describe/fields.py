"""What the metadata of a parameter or a class's field says: `Annotated[…]`, `Field(…)`, `field(…)`."""

from __future__ import annotations

from omni.describe.values import NoJsonError, as_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

#: A field that has none.
MISSING: Any = object()

_NUMERIC = {
    "multiple_of": "multipleOf",
    "le": "maximum",
    "ge": "minimum",
    "lt": "exclusiveMaximum",
    "gt": "exclusiveMinimum",
}
_LENGTHS = {
    "string": ("minLength", "maxLength"),
    "array": ("minItems", "maxItems"),
    "object": ("minProperties", "maxProperties"),
}
_BOUNDS = (*_NUMERIC, "min_length", "max_length", "pattern")


class Field:
    """Everything that the metadata of one parameter or field adds up to."""

    def __init__(self) -> None:
        self.bounds: list[tuple[str, Any]] = []
        #: `MISSING`, or a value, which JSON may have no form for.
        self.default = MISSING
        self.alias: str | None = None
        self.updates: dict[str, Any] = {}

    def read(self, metadata: Iterable[Any], *, alone: bool) -> None:
        """Read what stands in `Annotated`; a text says something only where it stands alone."""
        items = list(metadata)
        for item in items:
            if isinstance(item, str):
                if alone and len(items) == 1:
                    self.updates["description"] = item
            elif is_pydantic_field(item):
                self.read_field(item, bounds_win=True)
            else:
                self._read_bounds(item)

    def read_field(self, info: Any, *, bounds_win: bool) -> None:
        """Read what Pydantic's `Field(…)` returned. As a default it says more, but bounds less."""
        before = self.bounds
        self.bounds = []
        for item in info.metadata:
            self._read_bounds(item)
        self.bounds = [*before, *self.bounds] if bounds_win else [*self.bounds, *before]
        if not info.is_required():
            self.default = NoValue if info.default_factory is not None else info.default
        for name in ("title", "description", "examples"):
            value = getattr(info, name, None)
            if value is not None:
                self.updates[name] = value
        if getattr(info, "deprecated", None):
            self.updates["deprecated"] = True
        if isinstance(info.json_schema_extra, dict):
            self.updates.update(info.json_schema_extra)
        alias = info.validation_alias or info.alias
        if isinstance(alias, str):
            self.alias = alias

    def read_dataclass_field(self, field: Any) -> None:
        """Read what `dataclasses.field(…)` says, its `metadata` included."""
        if not _is_missing(field.default):
            self.default = field.default
        elif not _is_missing(field.default_factory):
            self.default = NoValue
        for name in ("description", "title"):
            text = field.metadata.get(name)
            if isinstance(text, str):
                self.updates[name] = text
        if isinstance(field.metadata.get("alias"), str):
            self.alias = field.metadata["alias"]

    def put_on(self, schema: dict) -> dict:
        """Return a schema with what is said here put on it, the default included."""
        for name, bound in self.bounds:
            schema = constrained(schema, name, bound)
        schema = {**schema, **self.updates}
        if self.default is not MISSING:
            try:
                schema["default"] = as_json(self.default)
            except NoJsonError:
                pass
        return schema

    def _read_bounds(self, item: Any) -> None:
        # By their names, since the package that has them may not be there.
        if type(item).__name__ in ("Doc", "FieldInfo") or isinstance(item, type):
            return
        for name in _BOUNDS:
            bound = getattr(item, name, None)
            if bound is None or callable(bound) or (name == "min_length" and bound == 0):
                continue
            self.bounds.append((name, getattr(bound, "pattern", bound)))


class _NoValue:
    """The default of a field that makes it anew each time."""


NoValue = _NoValue()


def is_pydantic_field(value: Any) -> bool:
    """Tell whether a value is what Pydantic's `Field(…)` returns. Does not import Pydantic."""
    return type(value).__name__ == "FieldInfo" and type(value).__module__ == "pydantic.fields"


def constrained(schema: dict, name: str, bound: Any) -> dict:
    """Return a schema with one bound, on the member of a union with null that it is about."""
    arms = schema.get("anyOf")
    if isinstance(arms, list) and {"type": "null"} in arms and len(arms) == 2:
        inside = [arm if arm == {"type": "null"} else constrained(arm, name, bound) for arm in arms]
        return {**schema, "anyOf": inside}
    kind = schema.get("type")
    if name in _NUMERIC:
        # What is no number keeps the bound under its Python name, as Pydantic has it.
        keyword = _NUMERIC[name] if kind in ("integer", "number") else name
        return schema if "format" in schema else {**schema, keyword: bound}
    if name == "pattern":
        return {**schema, "pattern": bound} if kind == "string" and "format" not in schema else schema
    keywords = _LENGTHS.get(str(kind), _LENGTHS["string"])
    return {**schema, keywords[name == "max_length"]: bound}


def _is_missing(value: Any) -> bool:
    return type(value).__name__ == "_MISSING_TYPE"
