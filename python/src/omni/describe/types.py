"""From annotations, as Python has them once a file has run, to JSON Schema.

In the dialect that authors know from FastMCP, and by the same rules as the scanner's (`omni-scan`), which
reads them from the source: a node gets a title where that survives, named types go to `$defs`.
"""

from __future__ import annotations

from omni.describe import classes, models
from omni.describe.fields import Field
from omni.describe.schema_post import loses_title, reference, referenced
from omni.describe.values import NoJsonError, as_json, common_type
from omni.hints import resolved_text, with_arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Types within types; nobody follows a schema that is deeper.
_DEPTH_MAX = 40

_ANY: dict[str, Any] = {}
_TEXT = {"type": "string"}

#: By module and name: none of these modules is imported for it.
_LIBRARY: dict[tuple[str, str], dict[str, Any]] = {
    ("builtins", "str"): _TEXT,
    ("builtins", "int"): {"type": "integer"},
    ("builtins", "float"): {"type": "number"},
    ("builtins", "bool"): {"type": "boolean"},
    ("builtins", "bytes"): {"type": "string", "format": "binary"},
    ("builtins", "bytearray"): {"type": "string", "format": "binary"},
    ("builtins", "complex"): _TEXT,
    ("builtins", "NoneType"): {"type": "null"},
    ("builtins", "object"): _ANY,
    ("datetime", "datetime"): {"type": "string", "format": "date-time"},
    ("datetime", "date"): {"type": "string", "format": "date"},
    ("datetime", "time"): {"type": "string", "format": "time"},
    ("datetime", "timedelta"): {"type": "string", "format": "duration"},
    ("uuid", "UUID"): {"type": "string", "format": "uuid"},
    ("re", "Pattern"): {"type": "string", "format": "regex"},
    ("os", "PathLike"): {"type": "string", "format": "path"},
    ("zoneinfo", "ZoneInfo"): {"type": "string", "format": "zoneinfo"},
    **{
        ("ipaddress", name): {"type": "string", "format": name.replace("Address", "").lower()}
        for name in ("IPv4Address", "IPv6Address", "IPv4Network", "IPv6Network")
    },
    ("ipaddress", "IPv4Interface"): {"type": "string", "format": "ipv4interface"},
    ("ipaddress", "IPv6Interface"): {"type": "string", "format": "ipv6interface"},
}
_PATHS = {"Path", "PurePath", "PosixPath", "PurePosixPath", "PureWindowsPath"}

_LISTS = {
    *("list", "deque", "Sequence", "MutableSequence", "Iterable", "Iterator", "Generator"),
    *("Collection", "Container", "Reversible"),
}
_SETS = {"set", "frozenset", "Set", "MutableSet"}
_DICTS = {"dict", "OrderedDict", "Mapping", "MutableMapping", "defaultdict"}
_TRANSPARENT = {"Required", "NotRequired", "ReadOnly", "Final", "ClassVar", "InitVar"}

#: Classes that are no structured output, by module: MCP content of ours, of FastMCP, of the SDK.
_CONTENT = {
    "omni": {"Text", "Image", "Audio", "ResourceLink", "EmbeddedResource", "ToolResult"},
    "fastmcp": {"Image", "Audio", "File", "ToolResult"},
    "mcp": {
        *("TextContent", "ImageContent", "AudioContent", "ResourceLink", "EmbeddedResource"),
        *("CallToolResult", "Image", "Audio"),
    },
}
_CONTENT["mcp_types"] = _CONTENT["mcp"]


def is_content(kind: Any) -> bool:
    """Tell whether a class is MCP content, which carries no structured value."""
    bases = kind.__mro__ if isinstance(kind, type) else ()
    return any(base.__name__ in _CONTENT.get(base.__module__.partition(".")[0], ()) for base in bases)


class Writer:
    """Writes schemas that share definitions."""

    def __init__(self, mode: str) -> None:
        #: `validation` for what goes in, `serialization` for what comes out.
        self.mode = mode
        self.written: dict[int, dict] = {}
        #: Name, and name with its module, of each definition.
        self.names: list[tuple[str, str]] = []
        #: What could not be described, in sentence fragments.
        self.problems: list[str] = []
        #: Where texts within annotations find their names.
        self.scopes: list[tuple[dict, dict]] = [({}, {})]
        self._numbers: dict[Any, int] = {}
        #: The texts that are being followed since the last definition began.
        self._following: set[Any] = set()
        self._variables: dict[Any, Any] = {}
        self._depth = 0

    def schema(self, annotation: Any) -> dict:
        """Return the schema of a type. What is not known becomes unconstrained and adds a problem."""
        if self._depth >= _DEPTH_MAX:
            return self.unknown("the type is too large to be followed")
        self._depth += 1
        try:
            return dict(self._schema(annotation))
        finally:
            self._depth -= 1

    def unknown(self, problem: str) -> dict:
        """Note that a type is not known and return what stands for it."""
        self.problems.append(problem)
        return {}

    def define(self, key: Any, name: str, qualified: str, write: Any) -> dict:
        """Return a reference to the definition of this key; `write` makes its schema when it is new."""
        try:
            number = self._numbers.get(key)
        except TypeError:  # metadata that cannot be hashed
            key = repr(key)
            number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self.names)
            self.names.append((name, qualified))
            # Present while it is written, so that a type that contains itself ends here.
            self.written[number] = {}
            outer, self._following = self._following, set()
            self.written[number] = write()
            self._following = outer
        return reference(number)

    def with_variables(self, variables: dict, annotation: Any) -> dict:
        """Return the schema of a type in which type variables stand for other types."""
        outer = self._variables
        self._variables = {**outer, **variables}
        try:
            return self.schema(annotation)
        finally:
            self._variables = outer

    def member(self, name: str, annotation: Any, field: Field, metadata_of: Any = None) -> dict:
        """Return the schema of one field of a class."""
        schema = titled(field.put_on(self.schema(annotation)), name, metadata_of or annotation)
        number = referenced(schema.get("$ref"))
        if number is None:
            return schema
        # Keywords beside a reference that only repeat what it refers to are dropped.
        target = self.written.get(number, {})
        return {key: value for key, value in schema.items() if key == "$ref" or target.get(key) != value}

    # -- one kind of annotation each -----------------------------------------------------------------------

    def _schema(self, annotation: Any) -> dict:
        if self._variables:
            annotation = with_arguments(annotation, self._variables)
        if annotation is None:
            return {"type": "null"}
        if isinstance(annotation, str) or type(annotation).__name__ == "ForwardRef":
            return self._text(getattr(annotation, "__forward_arg__", annotation))
        if models.knows(annotation):
            return models.embedded(self, annotation)
        if hasattr(annotation, "__metadata__"):  # Annotated
            field = Field()
            field.read(annotation.__metadata__, alone=False)
            return field.put_on(self.schema(annotation.__origin__))
        if hasattr(annotation, "__supertype__"):  # NewType
            return self.schema(annotation.__supertype__)
        from typing import get_args, get_origin

        origin = get_origin(annotation)
        if type(annotation).__name__ == "InitVar":
            return self.schema(annotation.type)
        if type(origin or annotation).__name__ == "TypeAliasType":
            return self._alias(annotation, origin)
        if origin is not None:
            return self._generic(annotation, origin, get_args(annotation))
        if type(annotation).__name__ == "TypeVar":
            return self._variable(annotation)
        return self._named(annotation)

    def _text(self, text: str) -> dict:
        """Describe what a text names. An alias that holds itself becomes a definition."""
        scope = self.scopes[-1][0]
        key = (text, id(scope))
        if key in self._following and key not in self._numbers:
            self._numbers[key] = len(self.names)
            self.names.append((text, f"{classes.place(scope.get('__name__', ''))}.{text}"))
            self.written[self._numbers[key]] = {}
        if key in self._numbers:
            return reference(self._numbers[key])
        self._following.add(key)
        try:
            schema = self.schema(resolved_text(text, *self.scopes[-1]))
        except RecursionError:
            raise
        except Exception:
            return self.unknown(f"`{text}` is not known in this file")
        finally:
            self._following.discard(key)
        number = self._numbers.get(key)
        if number is None:
            return schema
        self.written[number] = schema
        return reference(number)

    def _variable(self, variable: Any) -> dict:
        if variable in self._variables:
            return self.schema(self._variables[variable])
        if variable.__bound__ is not None:
            return self.schema(variable.__bound__)
        if variable.__constraints__:
            return self._union(variable.__constraints__)
        return {}

    def _alias(self, annotation: Any, origin: Any) -> dict:
        """`type Name = …`: a definition of its own."""
        alias = annotation if origin is None else origin
        arguments = () if origin is None else annotation.__args__
        name = _called(alias, arguments)
        variables = dict(zip(getattr(alias, "__type_params__", ()), arguments))
        module = getattr(alias, "__module__", None) or ""
        return self.define(
            (alias, arguments),
            name,
            f"{classes.place(module)}.{name}",
            lambda: self.with_variables(variables, alias.__value__),
        )

    def _named(self, annotation: Any) -> dict:
        name = getattr(annotation, "__name__", None) or getattr(annotation, "_name", None) or str(annotation)
        module = getattr(annotation, "__module__", "")
        if module in ("typing", "typing_extensions"):
            if name == "Any":
                return {}
            if name in ("Text", "LiteralString"):
                return dict(_TEXT)
            # `List`, `Dict` with nothing in brackets.
            return self._container(_library_name(annotation), ()) or self.unknown(
                f"`{module}.{name}` is not a type that can be described"
            )
        if not isinstance(annotation, type):
            return self.unknown(f"`{annotation!r}` is not a type")
        if module == "_decimal":
            module = "decimal"
        known = _LIBRARY.get((module, name))
        if known is not None:
            return dict(known)
        if module.startswith("pathlib") and name in _PATHS:
            return {"type": "string", "format": "path"}
        if (module, name) in (("decimal", "Decimal"), ("fractions", "Fraction")):
            return self._decimal(name)
        if is_content(annotation):
            return {}
        container = None
        if module in ("builtins", "collections", "collections.abc"):
            container = self._container(name, ())
        if container is None:
            container = classes.described(self, annotation, ())
        return container

    def _decimal(self, name: str) -> dict:
        text = {"type": "string", "format": "fraction"} if name == "Fraction" else {"type": "string"}
        return text if self.mode == "serialization" else {"anyOf": [{"type": "number"}, text]}

    def _generic(self, annotation: Any, origin: Any, arguments: tuple) -> dict:
        name = getattr(origin, "__name__", None) or getattr(origin, "_name", None) or str(origin)
        if name in ("Union", "UnionType"):
            return self._union(arguments)
        if name == "Literal":
            return self._literal(arguments)
        if name in _TRANSPARENT:
            return self.schema(arguments[0])
        if name == "tuple" and str(annotation) != "typing.Tuple":
            return self._tuple(arguments)
        if isinstance(origin, type):
            if (origin.__module__, name) in (("re", "Pattern"), ("os", "PathLike")):
                return dict(_LIBRARY[origin.__module__, name])
            if origin.__module__ in ("builtins", "collections", "collections.abc"):
                found = self._container(name, arguments)
                if found is not None:
                    return found
            else:
                return classes.described(self, origin, arguments)
        return self.unknown(f"`{_shown(annotation)}` is not a type that can be described")

    def _container(self, name: str, arguments: tuple) -> dict | None:
        if name in _LISTS:
            return {"type": "array", "items": self._item(arguments, 0)}
        if name in _SETS:
            return {"type": "array", "uniqueItems": True, "items": self._item(arguments, 0)}
        if name == "tuple":
            return {"type": "array", "items": {}}
        if name == "Counter":
            return self._dict(self._keys(arguments), {"type": "integer"})
        if name in _DICTS:
            return self._dict(self._keys(arguments), self._item(arguments, 1))
        return None

    def _item(self, arguments: tuple, at: int) -> dict:
        return self.schema(arguments[at]) if at < len(arguments) else {}

    def _keys(self, arguments: tuple) -> dict:
        """Return the schema of a mapping's keys, which must be something that text can become."""
        keys = target = self._item(arguments, 0)
        for _ in range(16):
            number = referenced(target.get("$ref"))
            if number is None:
                break
            target = self.written.get(number, {})
        if target.get("type") in ("array", "object"):
            self.problems.append(f"JSON's keys are text, which makes no `{_shown(arguments[0])}`")
        return keys

    def _tuple(self, arguments: tuple) -> dict:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return {"type": "array", "items": self.schema(arguments[0])}
        # Before Python 3.11 the empty tuple's type has one argument, the empty tuple.
        items = [self.schema(item) for item in arguments if item != ()]
        schema: dict[str, Any] = {"type": "array", "minItems": len(items), "maxItems": len(items)}
        return {**schema, "prefixItems": items} if items else schema

    def _dict(self, keys: dict, values: dict) -> dict:
        schema: dict[str, Any] = {"type": "object"}
        values = {key: value for key, value in values.items() if key != "title"}
        keys = dict(keys)
        pattern = None
        if "$ref" not in keys:
            pattern = keys.pop("pattern", None)
            keys.pop("title", None)
        if pattern is not None:
            schema["patternProperties"] = {pattern: values}
        else:
            schema["additionalProperties"] = values or True
        if (keys.get("type") == "string" and len(keys) > 1) or "$ref" in keys:
            keys.pop("type", None)
            schema["propertyNames"] = keys
        return schema

    def _union(self, members: tuple) -> dict:
        choices = [self.schema(member) for member in members if member is not type(None)]
        if len(choices) < len(members):
            choices.append({"type": "null"})
        return any_of(choices)

    def _literal(self, choices: tuple) -> dict:
        values: list[Any] = []
        for choice in choices:
            try:
                value = as_json(choice)
            except NoJsonError:
                continue
            if not any(type(value) is type(other) and value == other for other in values):
                values.append(value)
        schema: dict[str, Any] = {"const": values[0]} if len(values) == 1 else {"enum": values}
        kind = common_type(values, with_null=True)
        return {**schema, "type": kind} if kind else schema


def any_of(choices: list[dict]) -> dict:
    """Return the schema of a union: flat, and nothing twice."""
    members: list[dict] = []
    for choice in choices:
        inner = choice["anyOf"] if len(choice) == 1 and "anyOf" in choice else [choice]
        members += [member for member in inner if member not in members]
    return members[0] if len(members) == 1 else {"anyOf": members}


def titled(schema: dict, name: str, annotation: Any) -> dict:
    """Add the title that a property gets from its name, where it would survive."""
    if "title" in schema or loses_title(schema) or not _takes_title(annotation):
        return schema
    return {**schema, "title": title_from_name(name)}


def _takes_title(annotation: Any) -> bool:
    """Named types bring their own title; everything else takes one from the property's name."""
    from typing import get_args, get_origin

    if hasattr(annotation, "__metadata__"):
        return _takes_title(annotation.__origin__)
    origin = get_origin(annotation)
    name = getattr(origin, "__name__", None) or getattr(origin, "_name", None)
    if name in ("Union", "UnionType"):
        members = [member for member in get_args(annotation) if member is not type(None)]
        return len(members) != 1 or _takes_title(members[0])
    if type(origin or annotation).__name__ == "TypeAliasType":
        return False
    return not classes.is_defined(origin or annotation)


def title_from_name(name: str) -> str:
    """`max_items_2x` as `Max Items 2X`."""
    return name.title().replace("_", " ").strip()


def display(annotation: Any) -> str:
    """Return a type as it stands in the name of a generic class: `Box[int]`."""
    from typing import get_args, get_origin

    origin = get_origin(annotation)
    if annotation is None or annotation is type(None):
        return "NoneType"
    if origin is None:
        return getattr(annotation, "__name__", None) or getattr(annotation, "_name", None) or "type"
    name = getattr(origin, "__name__", None) or getattr(origin, "_name", None) or "type"
    if name == "UnionType":
        name = "Union"
    return f"{name}[{', '.join(map(display, get_args(annotation)))}]"


def _called(thing: Any, arguments: tuple) -> str:
    return f"{thing.__name__}[{','.join(map(display, arguments))}]" if arguments else thing.__name__


def _library_name(annotation: Any) -> str:
    origin = getattr(annotation, "__origin__", None)
    return getattr(origin, "__name__", "")


def _shown(annotation: Any) -> str:
    text = str(annotation).replace("typing.", "")
    return text if len(text) <= 60 else text[:59] + "…"
