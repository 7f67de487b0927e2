"""The form that a Python type stands for, and the value of that type that a filled in form becomes.

MCP's forms are flat: texts, numbers, booleans and choices, each with a name. What a type is in JSON Schema,
and how JSON becomes a value of it, is known from the arguments of tools; what is left to do here is to say it
in the few words that forms have, and to hold what comes back to it, since nobody else does.
"""

from __future__ import annotations

from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here
from omni.stdlib_types import ArgumentError, Faults, UnresolvedError, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

#: The only field of a form that asks for one value.
_SINGLE = "value"
#: What a field may say in a form, by its type.
_KEYWORDS = {
    "string": ("minLength", "maxLength", "format"),
    "integer": ("minimum", "maximum"),
    "number": ("minimum", "maximum"),
    "boolean": (),
    "array": ("minItems", "maxItems"),
}
_FORMATS = ("email", "uri", "date", "date-time")
_KINDS = "texts, numbers, booleans, choices (`Literal`, an enumeration) and lists of choices"


class Form:
    """What is asked for: its schema, and how an answer is read."""

    __slots__ = ("_fields", "_make", "_single", "schema")

    def __init__(
        self,
        fields: dict[str, _Field],
        make: Callable[[Any], Any] | None,
        *,
        single: bool,
        schema: Any = None,
    ) -> None:
        self._fields = fields
        self._make = make
        self._single = single
        #: The `requestedSchema` of MCP. Its root has no words besides these: Codex cancels a form that has.
        self.schema: dict[str, Any] = schema or {
            "type": "object",
            "properties": {name: field.schema for name, field in fields.items()},
        }
        required = [name for name, field in fields.items() if field.required]
        if schema is None and required:
            self.schema["required"] = required

    def read(self, content: dict[str, Any]) -> Any:
        """Return the value that a filled in form stands for. What the form does not ask for is passed over.

        Raises:
            ArgumentError: It does not fit.
        """
        faults = Faults()
        values = {}
        for name, field in self._fields.items():
            value = content.get(name)
            if name in content and not (value is None and not field.required):
                values[name] = faults.convert(field.read, value, name)
            elif field.required:
                faults.add(ArgumentError("required, but missing").inside(name))
            elif field.nullable:
                values[name] = None
            elif self._make is None and "default" in field.schema:
                values[name] = field.schema["default"]
        faults.finish()
        if not self._single:
            return values if self._make is None else self._make(values)
        value = values.get(_SINGLE)
        return value if self._make is None or value is None else self._make(value)


class _Field:
    """One value that is asked for."""

    __slots__ = ("_bounds", "_choices", "nullable", "required", "schema")

    def __init__(
        self,
        schema: dict[str, Any],
        *,
        required: bool = True,
        nullable: bool = False,
        bounds: dict[str, Any] | None = None,
        choices: dict[str, Any] | None = None,
    ) -> None:
        self.schema = schema
        self.required = required
        #: It may be left out, and is None then.
        self.nullable = nullable
        #: What its value is held to, which may be more than a form can say.
        self._bounds = schema if bounds is None else bounds
        #: What each choice stands for.
        self._choices = choices

    def read(self, value: Any) -> Any:
        """Return what a value in the answer stands for. Raises `ArgumentError`."""
        if self._choices is None:
            fault = _fault(value, self._bounds)
            if fault is not None:
                raise ArgumentError(fault)
            return int(value) if self.schema.get("type") == "integer" else value
        if self.schema.get("type") != "array":
            return self._chosen(value)
        fault = _fault(value, {**self.schema, "items": {}})
        if fault is not None:
            raise ArgumentError(fault)
        faults = Faults()
        values = [faults.convert(self._chosen, item, index) for index, item in enumerate(value)]
        faults.finish()
        return values

    def _chosen(self, value: Any) -> Any:
        if type(value) is str and value in self._choices:
            return self._choices[value]
        raise ArgumentError(f"{shown(value)} is none of {', '.join(map(shown, self._choices))}")


def form_of(schema: Any, title: str | None = None, description: str | None = None) -> Form:
    """Return the form that asks for a value of a type, or for one of some choices.

    Args:
        schema: What `Context.elicit` takes.
        title: The label of the one value, where there is just one.
        description: What is written beside it.

    Raises:
        TypeError: It is no type that a form can ask for.
        ValueError: There is nothing to choose from, or a choice stands for two things.
    """
    if type(schema) is list or (type(schema) is dict and not _is_schema(schema)):
        form = Form({_SINGLE: _listed(schema)}, None, single=True)
    elif type(schema) is dict:
        form = _written(schema)
    elif schema is None or isinstance(schema, str):
        raise TypeError(
            f"`schema` is {schema!r:.40}, which says nothing of what is asked for: give a type, such as "
            "`bool` for yes or no, or a list of choices"
        )
    else:
        form = _typed(schema)
    if title is None and description is None:
        return form
    if not form._single:
        raise TypeError(
            "`response_title` and `response_description` are for a form with one value; say it of each field "
            "of this one, as by `Field(title=…, description=…)`"
        )
    words = {"title": title, "description": description}
    form._fields[_SINGLE].schema.update({name: text for name, text in words.items() if text is not None})
    return form


# -- choices that are listed -----------------------------------------------------------------------------


def _listed(choices: Any) -> _Field:
    """Read `["a", "b"]`, `{"a": "Title"}`, or either in a list: then several may be chosen."""
    several = type(choices) is list and len(choices) == 1 and type(choices[0]) in (list, dict)
    if several:
        choices = choices[0]
    if not choices:
        raise ValueError("there is nothing to choose from: `schema` lists no choice")
    stands_for: dict[str, Any] = {}
    titled = []
    for value in choices:
        if type(value) not in (str, int, float, bool):
            raise TypeError(f"a choice is a text or a number, not `{type(value).__name__}`: {value!r:.60}")
        text = value if type(value) is str else str(value)
        if text in stands_for:
            raise ValueError(f"the choice {text!r:.60} is there twice")
        stands_for[text] = value
        if type(choices) is dict:
            titled.append({"const": text, "title": _title(choices[value], text)})
    if several:
        items = {"anyOf": titled} if titled else {"type": "string", "enum": list(stands_for)}
        return _Field({"type": "array", "items": items}, choices=stands_for)
    words = {"oneOf": titled} if titled else {"enum": list(stands_for)}
    return _Field({"type": "string", **words}, choices=stands_for)


def _title(said: Any, value: str) -> str:
    title = said.get("title", value) if type(said) is dict else said
    if title is None:
        return value
    if not isinstance(title, str):
        raise TypeError(
            f'the title of the choice {value!r:.60} is a text, or `{{"title": text}}`, not {said!r:.60}'
        )
    return title


# -- a schema that is written out ------------------------------------------------------------------------


def _is_schema(value: dict) -> bool:
    return value.get("type") == "object" and isinstance(value.get("properties"), dict)


def _written(schema: dict[str, Any]) -> Form:
    """Take an author's schema as it is, if a form can be made of it."""
    needed = schema.get("required", ())
    fields = {}
    for name, inner in schema["properties"].items():
        if type(inner) is not dict:
            raise TypeError(f"the schema of `{name}` is no object: {inner!r:.60}")
        _narrowed(inner, schema, name)
        fields[name] = _Field(inner, required=name in needed)
    return Form(fields, None, single=False, schema=schema)


# -- types -----------------------------------------------------------------------------------------------


def _typed(annotation: Any) -> Form:
    from omni.convert import plan_value
    from omni.describe.schema_post import finish, with_resolved_root
    from omni.describe.types import Writer

    writer = Writer("validation")
    root = with_resolved_root(finish(writer.schema(annotation), writer))
    if writer.problems:
        raise TypeError(f"a form cannot ask for this: {writer.problems[0]}")
    try:
        make = plan_value(annotation)
    except UnresolvedError as error:
        raise TypeError(f"a form cannot ask for this: {error}") from None
    properties = root.get("properties")
    if root.get("type") != "object":
        if isinstance(annotation, type):
            # A class's name is nothing that a person is to read beside a field.
            root.pop("title", None)
        return Form({_SINGLE: _field(root, root, None, needed=True)}, make, single=True)
    if not properties:
        called = getattr(annotation, "__name__", None) or str(annotation)
        raise TypeError(f"`{called}` has no fields that a form could ask for: {_KINDS}, each with a name")
    needed = root.get("required", ())
    fields = {name: _field(inner, root, name, needed=name in needed) for name, inner in properties.items()}
    return Form(fields, make, single=False)


def _field(schema: dict, root: dict, name: str | None, *, needed: bool) -> _Field:
    inner, nullable = _narrowed(schema, root, name)
    kind = inner["type"]
    kept = {key: inner[key] for key in ("title", "description") if isinstance(inner.get(key), str)}
    words = {key: inner[key] for key in _KEYWORDS[kind] if key in inner}
    if words.get("format", "email") not in _FORMATS:
        del words["format"]
    choices = None
    default = inner.get("default")
    if kind == "array":
        choices, items = _choices_of(inner["items"], "anyOf")
        words["items"] = {"type": "string", **items} if "enum" in items else items
    elif "enum" in inner or "oneOf" in inner:
        choices, items = _choices_of(inner, "oneOf")
        kind = "string"
        words = items
    written = {"type": kind, **kept, **words}
    if choices is not None and default is not None:
        written["default"] = _choice_written(default)
    elif type(default) in _TYPES[kind][1]:
        written["default"] = default
    return _Field(
        written, required=needed and not nullable, nullable=needed and nullable, bounds=inner, choices=choices
    )


def _choice_written(default: Any) -> Any:
    if type(default) is list:
        return [_choice_written(item) for item in default]
    return default if type(default) is str else str(default)


def _choices_of(schema: dict, key: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what each choice stands for, and how a form lists them."""
    if "enum" in schema:
        stands_for = {value if type(value) is str else str(value): value for value in schema["enum"]}
        return stands_for, {"enum": list(stands_for)}
    titled = [
        {"const": str(arm["const"]), "title": str(arm.get("title", arm["const"]))} for arm in schema["oneOf"]
    ]
    stands_for = {str(arm["const"]): arm["const"] for arm in schema["oneOf"]}
    return stands_for, {key: titled}


def _narrowed(schema: dict, root: dict, name: str | None) -> tuple[dict, bool]:
    """Return a schema as one of a type that forms have, and whether null is a value of it, too.

    Choices are in `enum` or, with their titles, in `oneOf`.
    """
    nullable = False
    for _ in range(32):
        if "$ref" in schema:
            target = root.get("$defs", {}).get(str(schema["$ref"]).rpartition("/")[2], {})
            # As above.
            target = {key: value for key, value in target.items() if key != "title"}
            schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
        elif len(schema.get("allOf", ())) == 1:
            schema = {**schema["allOf"][0], **{key: value for key, value in schema.items() if key != "allOf"}}
        elif type(schema.get("type")) is list:
            kinds = [kind for kind in schema["type"] if kind != "null"]
            nullable = nullable or len(kinds) < len(schema["type"])
            schema = {**schema, "type": kinds[0] if len(kinds) == 1 else None}
        elif "anyOf" in schema:
            arms = [arm for arm in schema["anyOf"] if arm.get("type") != "null"]
            nullable = nullable or len(arms) < len(schema["anyOf"])
            rest = {key: value for key, value in schema.items() if key != "anyOf"}
            if len(arms) == 1:
                schema = {**arms[0], **rest}
            elif all("const" in arm for arm in arms):
                schema = {**rest, "oneOf": arms}
            else:
                # A decimal number may be written as text; a form asks for the number.
                kinds = {str(arm.get("type")) for arm in arms}
                if not ("number" in kinds and kinds <= {"integer", "number", "string"}):
                    break
                schema = {**next(arm for arm in arms if arm.get("type") == "number"), **rest}
        elif "const" in schema:
            schema = {
                **{key: value for key, value in schema.items() if key != "const"},
                "enum": [schema["const"]],
            }
        else:
            break
    if None in schema.get("enum", ()):
        nullable = True
        schema = {**schema, "enum": [value for value in schema["enum"] if value is not None]}
    if "enum" in schema or ("oneOf" in schema and all("const" in arm for arm in schema["oneOf"])):
        values = schema.get("enum") or [arm["const"] for arm in schema.get("oneOf", ())]
        if all(type(value) in (str, int, float, bool) for value in values) and values:
            return {**schema, "type": "string"}, nullable
    elif schema.get("type") == "array":
        items, _ = _narrowed(schema.get("items", {}), root, name)
        if "enum" in items or "oneOf" in items:
            return {**schema, "items": items}, nullable
    elif schema.get("type") in _KEYWORDS:
        return schema, nullable
    field = "the value" if name is None else f"the field `{name}`"
    raise TypeError(f"a form cannot ask for {field}: it is none of {_KINDS}")


# -- what comes back -------------------------------------------------------------------------------------


_TYPES = {
    "string": ("a text", (str,)),
    "boolean": ("true or false", (bool,)),
    "integer": ("a whole number", (int, float)),
    "number": ("a number", (int, float)),
    "array": ("a list", (list,)),
}
_COMPARED = {
    "minimum": (lambda size, bound: size >= bound, "at least"),
    "maximum": (lambda size, bound: size <= bound, "at most"),
    "exclusiveMinimum": (lambda size, bound: size > bound, "more than"),
    "exclusiveMaximum": (lambda size, bound: size < bound, "less than"),
}
_SIZED = {
    "minLength": ("minimum", " characters"),
    "maxLength": ("maximum", " characters"),
    "minItems": ("minimum", " choices"),
    "maxItems": ("maximum", " choices"),
}


def _fault(value: Any, schema: dict[str, Any]) -> str | None:
    """Return what is wrong with a value that a client has sent, if anything is."""
    name, kinds = _TYPES[schema["type"]]
    if type(value) not in kinds or (schema["type"] == "integer" and value % 1 != 0):
        return f"{shown(value)} is not {name}"
    choices = schema.get("enum") or [arm.get("const") for arm in schema.get("oneOf", ())]
    if choices and value not in choices:
        return f"{shown(value)} is none of {', '.join(map(shown, choices))}"
    if type(value) in (int, float):
        found = ((key, schema[key], value, "") for key in _COMPARED if key in schema)
    else:
        found = ((_SIZED[key][0], schema[key], len(value), _SIZED[key][1]) for key in _SIZED if key in schema)
    for key, bound, size, unit in found:
        holds, words = _COMPARED[key]
        if not holds(size, bound):
            return f"{shown(value)} is not {words} {bound}{unit}"
    if type(value) is str and "pattern" in schema:
        from re import search

        if search(schema["pattern"], value) is None:
            return f"{shown(value)} does not match `{schema['pattern']}`"
    if type(value) is list:
        items = schema.get("items", {})
        allowed = items.get("enum") or [
            arm.get("const") for arm in items.get("anyOf", items.get("oneOf", ()))
        ]
        for item in value:
            if allowed and item not in allowed:
                return f"{shown(item)} is none of {', '.join(map(shown, allowed))}"
    return None
