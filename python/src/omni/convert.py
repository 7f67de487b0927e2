"""How JSON arguments become the types that a function's annotations name.

The server has already checked the arguments against the tool's schema. What is left is to make a `Path`
of a string that stands for one, and so on inwards. The work is planned once per function, and a
function whose types are JSON's own needs none: then neither this file's plans nor `typing` cost a call
anything.
"""

from __future__ import annotations

import sys
from _thread import _local

from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here
from omni.stdlib_types import (
    ArgumentError,
    Faults,
    UnresolvedError,
    is_enum,
    library_class,
    pointer,
    shown,
    written,
)
from omni.wire import scan_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any, Callable

    Converter = Callable[[Any], Any]


def plan_arguments(
    function: Callable[..., Any],
    injected: Collection[str] = (),
    *,
    checked: bool = False,
    texts: bool = False,
) -> Callable[[dict], dict] | None:
    """Return a function that converts a call's arguments in place, or None when none need it.

    Args:
        function: The tool.
        injected: Parameters that do not come from the client.
        checked: Refuse values of a wrong JSON type too, for callers without a schema.
        texts: The values are texts that stand for others, such as those of a prompt or a template.
    """
    quick = None if checked else _quick_plan(function, injected, texts=texts)
    if quick is None:
        converters, fillers, names = _full_plan(function, injected, checked=checked, texts=texts)
    else:
        converters, fillers, names = quick, {}, {}
    if not converters and not fillers and not names and not checked:
        return None
    steps = tuple(converters.items())
    called = {name: alias for alias, name in names.items()}

    def convert(arguments: dict) -> dict:
        faults: Faults | None = None
        if checked:
            faults = _check_names(function, injected, names, {*names, *fillers}, arguments)
        for alias, name in names.items():
            if alias in arguments:
                arguments[name] = arguments.pop(alias)
        for name, converter in steps:
            if name in arguments:
                try:
                    arguments[name] = converter(arguments[name])
                except ArgumentError as error:
                    faults = faults or Faults()
                    # By the name that the client has used.
                    faults.add(error.inside(called.get(name, name)))
        if faults is not None:
            faults.finish()
        if texts:
            for name in [name for name, value in arguments.items() if value is _NOT_GIVEN]:
                del arguments[name]
        # Defaults last: they are the author's, and values of their types already.
        for name, make in fillers.items():
            if name not in arguments:
                arguments[name] = make()
        return arguments

    return convert


def plan_value(annotation: Any) -> Converter | None:
    """Return what makes a value of an annotated type out of its JSON form, or None when that is one already.

    It raises `ArgumentError` for a value that is none of the type. Raises `UnresolvedError` when the
    annotation names nothing.
    """
    return _Compiler(checked=True).converter(annotation)


def context_parameters(function: Callable[..., Any]) -> list[str]:
    """Return the parameters that are annotated with `Context`, alone or with `None`."""
    from omni.skill import Context

    def is_context(annotation: Any) -> bool:
        return annotation is Context or any(map(is_context, getattr(annotation, "__args__", ()) or ()))

    return [name for name, hint in _hints_of(function).items() if name != "return" and is_context(hint)]


def _check_names(
    function: Any, injected: Collection[str], aliases: dict[str, str], others: set[str], arguments: dict
) -> Faults | None:
    """Find arguments that the function does not take, and those it needs and has not been given."""
    from inspect import Parameter, signature

    parameters = {
        name: parameter for name, parameter in signature(function).parameters.items() if name not in injected
    }
    if any(parameter.kind is Parameter.VAR_KEYWORD for parameter in parameters.values()):
        return None
    called = {name: alias for alias, name in aliases.items()}
    faults = Faults()
    for name in arguments:
        if name not in parameters and name not in others:
            known = ", ".join(f"`{called.get(known, known)}`" for known in parameters)
            reason = f"unknown argument (known: {known})" if known else "unknown argument (none is known)"
            faults.add(ArgumentError(reason).inside(name))
    for name, parameter in parameters.items():
        given = name in arguments or called.get(name) in arguments
        if parameter.default is Parameter.empty and not given and name not in others:
            faults.add(ArgumentError("required, but missing").inside(called.get(name, name)))
    return faults


# -- plain JSON types ----------------------------------------------------------------------------------


def _integer(value: Any) -> Any:
    # JSON Schema calls 3.0 an integer.
    return int(value) if type(value) is float and value.is_integer() else value


def _number(value: Any) -> Any:
    return float(value) if type(value) is int else value


_QUICK: dict[Any, Converter | None] = {
    str: None,
    bool: None,
    dict: None,
    list: None,
    object: None,
    None: None,
    int: _integer,
    float: _number,
}
# The same under `from __future__ import annotations`.
_QUICK.update({kind.__name__: convert for kind, convert in list(_QUICK.items()) if kind is not None})


def _quick_plan(function: Any, injected: Collection[str], *, texts: bool) -> dict[str, Converter] | None:
    """Plan a function whose annotations are plain classes. None when it takes more than that."""
    if hasattr(function, "__wrapped__") or any(map(_is_field, _defaults(function).values())):
        return None
    try:
        annotations = function.__annotations__
        scope = function.__globals__
    except (AttributeError, NameError):
        return None
    plan = {}
    for name, annotation in annotations.items():
        if name == "return" or name in injected:
            continue
        if not isinstance(annotation, (str, type)) or annotation not in _QUICK or annotation in scope:
            return None
        if texts and annotation not in (str, "str"):
            return None
        convert = _QUICK[annotation]
        if convert is not None:
            plan[name] = convert
    return plan


# -- everything else -----------------------------------------------------------------------------------


def _full_plan(
    function: Any, injected: Collection[str], *, checked: bool, texts: bool
) -> tuple[dict[str, Converter], dict[str, Callable[[], Any]], dict[str, str]]:
    """Return converters by parameter, makers of defaults, and parameters by the alias clients use."""
    compiler = _Compiler(checked=checked or texts)
    converters: dict[str, Converter] = {}
    fillers: dict[str, Callable[[], Any]] = {}
    names: dict[str, str] = {}
    fields: dict[str, list[Any]] = {}
    hints = _hints_of(function)
    _refuse_unresolved(function, hints, _parameter_names(function) - set(injected))
    for name, annotation in hints.items():
        if name == "return" or name in injected:
            continue
        fields[name] = [item for item in getattr(annotation, "__metadata__", ()) if _is_field(item)]
        convert = compiler.within(function, lambda annotation=annotation: compiler.converter(annotation))
        if convert is not None:
            converters[name] = convert
    optional = set()
    for name, default in _defaults(function).items():
        if _is_field(default):
            fields.setdefault(name, []).append(default)
        else:
            optional.add(name)
    for name, infos in fields.items():
        for info in infos:
            alias = info.validation_alias or info.alias
            if isinstance(alias, str) and alias != name:
                names[alias] = name
            if not info.is_required():
                fillers[name] = lambda info=info: info.get_default(call_default_factory=True)
    if texts:
        optional.update(fillers)
        converters = {
            name: _reading(convert, optional=name in optional) for name, convert in converters.items()
        }
    return converters, fillers, names


def _hints_of(thing: Any, arguments: tuple = ()) -> dict[str, Any]:
    # Only functions whose types are not JSON's own come here, so its import costs the others nothing.
    from omni.hints import hints_of

    return hints_of(thing, arguments)


def _refuse_unresolved(thing: Any, hints: dict[str, Any], names: Collection[str]) -> None:
    """Refuse an annotation that names nothing: its values would arrive as another type without a word."""
    from omni.hints import annotated_names, unresolved

    for name in annotated_names(thing):
        if name in names and name not in hints:
            raise unresolved(thing, name)


def _parameter_names(function: Any) -> set[str]:
    code = getattr(unwrapped(function), "__code__", None)
    return set() if code is None else set(code.co_varnames)


def _alias_value(alias: Any, arguments: tuple = ()) -> Any:
    from omni.hints import alias_value

    return alias_value(alias, arguments)


def unwrapped(function: Any) -> Any:
    """Return the function at the bottom of those that `functools.wraps` has put around it."""
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    return function


def _defaults(function: Any) -> dict[str, Any]:
    """Return a function's default values by parameter."""
    function = unwrapped(function)
    code = getattr(function, "__code__", None)
    if code is None:
        return {}
    values = function.__defaults__ or ()
    names = code.co_varnames[: code.co_argcount]
    return {**dict(zip(names[len(names) - len(values) :], values)), **(function.__kwdefaults__ or {})}


def _is_field(value: Any) -> bool:
    """Tell whether a value is what Pydantic's `Field(…)` returns. Does not import Pydantic."""
    kind = type(value)
    return kind.__name__ == "FieldInfo" and kind.__module__ == "pydantic.fields"


class _Compiler:
    """Makes converters out of annotations. None stands for "as it is".

    With `checked`, a value of a wrong JSON type is refused: inside a union that is how its member is found.
    Both kinds share what they have made, or a class that holds itself through `Optional` would never end.
    """

    def __init__(
        self,
        *,
        checked: bool,
        made: dict[Any, Converter] | None = None,
        scope: tuple[dict[str, Any], dict[str, Any]] = ({}, {}),
    ) -> None:
        self._checked = checked
        self._made: dict[Any, Converter] = {} if made is None else made
        #: The names that a text within the annotations at hand may use: see `within`.
        self._scope = scope

    def within(self, thing: Any, make: Callable[[], Any]) -> Any:
        """Make something of the annotations of a function or class, in which its names count."""
        from omni.hints import scopes_of

        outer, self._scope = self._scope, scopes_of(thing)
        try:
            return make()
        finally:
            self._scope = outer

    def checking(self) -> _Compiler:
        """Return the compiler of converters that refuse a value of a wrong JSON type."""
        return self if self._checked else _Compiler(checked=True, made=self._made, scope=self._scope)

    def converter(self, annotation: Any) -> Converter | None:
        """Return what turns a JSON value into a value of the annotated type."""
        if _wants_pydantic(annotation):
            return _pydantic(annotation)
        if hasattr(annotation, "__metadata__"):  # Annotated
            return self.converter(annotation.__origin__)
        if hasattr(annotation, "__supertype__"):  # NewType
            return self.converter(annotation.__supertype__)
        if hasattr(annotation, "__constraints__"):  # TypeVar that nobody has given a type
            return self._variable(annotation)
        if type(annotation).__name__ == "TypeAliasType":
            if _wants_pydantic(_alias_value(annotation)):
                return _pydantic(annotation)  # asked as a whole: its value may name it, as `JsonValue` does
            return self._named(annotation, (), lambda: self.converter(_alias_value(annotation)))
        from typing import ForwardRef, get_args, get_origin

        origin = get_origin(annotation)
        if origin is tuple and not get_args(annotation) and not str(annotation).endswith("Tuple"):
            return self._tuple(((),))  # `tuple[()]`, the empty one
        if origin is not None:
            return self._generic(origin, get_args(annotation))
        if isinstance(annotation, type):
            return self._class(annotation, ())
        if isinstance(annotation, (str, ForwardRef)):
            return self._forward(getattr(annotation, "__forward_arg__", annotation))
        return self._plain(type(None)) if annotation is None else None

    def _forward(self, text: str) -> Converter | None:
        """Return the converter of a text inside an annotation, such as that of an alias that holds itself."""
        from omni.hints import resolved_text

        scope, own = self._scope
        try:
            annotation = resolved_text(text, scope, own)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise UnresolvedError(
                f"`{text}` in an annotation cannot be resolved when the file runs ({reason})"
            ) from error
        return self._named((text, scope.get("__name__")), (), lambda: self.converter(annotation))

    def _variable(self, variable: Any) -> Converter | None:
        if variable.__bound__ is not None:
            return self.converter(variable.__bound__)
        if variable.__constraints__:
            return self._generic("Union", variable.__constraints__)
        return None

    def _named(self, thing: Any, arguments: tuple, make: Callable[[], Converter | None]) -> Converter | None:
        """Return the converter of a class or alias, made once: what it stands for may hold itself."""
        key = (thing, arguments, self._checked)
        try:
            found = self._made.get(key)
        except TypeError:  # an argument that has no hash, such as a list of types
            return make()
        if found is not None:
            return found
        # Set first, filled in below.
        slot: list[Converter | None] = [None]
        self._made[key] = lambda value: slot[0](value) if slot[0] else value
        slot[0] = make()
        if slot[0] is None:
            del self._made[key]
            return None
        self._made[key] = slot[0]
        return slot[0]

    def _plain(self, kind: type) -> Converter | None:
        if self._checked:
            return _CHECKS[kind]
        return _QUICK.get(kind)

    def _class(self, kind: type, arguments: tuple) -> Converter | None:
        if kind in _CHECKS and not arguments:
            return self._plain(kind)
        known = library_class(kind, arguments)
        if known is not None:
            return known
        name = _container_name(kind)
        if name is not None:
            return self._container(name, arguments)
        return self._named(kind, arguments, lambda: self._record(kind, arguments))

    def _record(self, kind: type, arguments: tuple) -> Converter | None:
        if hasattr(kind, "__dataclass_fields__"):
            make = self._dataclass
        elif issubclass(kind, dict) and hasattr(kind, "__total__"):
            make = self._typed_dict
        elif issubclass(kind, tuple) and hasattr(kind, "_fields"):
            make = self._named_tuple
        else:
            return None
        return self.within(kind, lambda: make(kind, arguments))

    def _generic(self, origin: Any, arguments: tuple) -> Converter | None:
        name = getattr(origin, "__name__", None) or getattr(origin, "_name", None) or str(origin)
        if name in ("Union", "UnionType"):
            return self._union(arguments)
        if name == "Literal":
            return self._literal(arguments)
        if name in ("Required", "NotRequired", "ReadOnly", "Final"):
            return self.converter(arguments[0])
        if type(origin).__name__ == "TypeAliasType":
            return self._named(origin, arguments, lambda: self.converter(_alias_value(origin, arguments)))
        if isinstance(origin, type):
            return self._class(origin, arguments)
        return None

    def _container(self, name: str, arguments: tuple) -> Converter | None:
        """Return the converter to a container class of the standard library, by its name."""
        first = arguments[0] if arguments else None
        if name == "tuple":
            return self._tuple(arguments) if arguments else self._collect(tuple, None)
        if name in _LISTS:
            return self._collect(list, first)
        if name in ("set", "Set", "MutableSet"):
            return self._collect(set, first)
        if name == "frozenset":
            return self._collect(frozenset, first)
        if name in _ITERATORS:
            # What is asked for can be gone through once, with `next`; a generator can be closed too.
            return self._collect(_generator, first)
        if name == "deque":
            from collections import deque

            return self._collect(deque, first)
        if name == "Counter":
            from collections import Counter

            return self._mapping(first if arguments else object, int, Counter)
        key, item = arguments if len(arguments) == 2 else (object, object)
        if name == "OrderedDict":
            from collections import OrderedDict

            return self._mapping(key, item, OrderedDict)
        if name == "defaultdict":
            from collections import defaultdict

            factory = _factory_of(item)
            return self._mapping(key, item, lambda pairs: defaultdict(factory, pairs))
        return self._mapping(key, item, None) if arguments else self._plain(dict)

    def _collect(self, maker: type, item: Any) -> Converter | None:
        convert = None if item is None else self.converter(item)
        if convert is None and maker is list and not self._checked:
            return None

        def collect(value: Any) -> Any:
            if type(value) is not list:
                raise ArgumentError(f"{shown(value)} is no list")
            if convert is None:
                return _made(maker, value)
            made: list = []
            try:
                # What was converted before one that cannot be is in the list by then, and says which it was.
                made.extend(map(convert, value))
            except ArgumentError as error:
                faults = Faults()
                faults.add(error.inside(len(made)))
                for index in range(len(made) + 1, len(value)):
                    faults.convert(convert, value[index], index)
                faults.finish()
            return _made(maker, made)

        return collect

    def _tuple(self, arguments: tuple) -> Converter | None:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return self._collect(tuple, arguments[0])
        converters = [self.converter(item) for item in arguments if item != ()]

        def make(value: Any) -> Any:
            if type(value) is not list or len(value) != len(converters):
                raise ArgumentError(f"{shown(value)} is no list of {len(converters)}")
            faults = Faults()
            made = tuple(
                item if convert is None else faults.convert(convert, item, index)
                for index, (convert, item) in enumerate(zip(converters, value))
            )
            faults.finish()
            return made

        return make

    def _mapping(self, key: Any, item: Any, maker: Callable[[Any], Any] | None) -> Converter | None:
        convert_key = _key_converter(key, self)
        convert = self.converter(item)
        if convert is None and convert_key is None and maker is None:
            return self._plain(dict)

        def make(value: Any) -> Any:
            if type(value) is not dict:
                raise ArgumentError(f"{shown(value)} is no object")
            faults = Faults()
            made = {}
            for name, held in value.items():
                key = name if convert_key is None else faults.convert(convert_key, name, name)
                item = held if convert is None else faults.convert(convert, held, name)
                made[key] = item
            faults.finish()
            return made if maker is None else _made(maker, made)

        return make

    def _literal(self, choices: tuple) -> Converter | None:
        shown_as = written(choices)
        members = [choice for choice in choices if is_enum(type(choice))]
        if not members and not shown_as and not self._checked:
            return None

        def choose(value: Any) -> Any:
            for choice in choices:
                if type(choice) is type(value) and choice == value:
                    return choice
            for member in members:
                if type(member.value) is type(value) and member.value == value:
                    return member
            for form, choice in shown_as:
                if type(form) is type(value) and form == value:
                    return choice
            if type(value) is float and value.is_integer():
                return choose(int(value))
            raise ArgumentError(f"{shown(value)} is none of {', '.join(map(repr, choices))}")

        return choose

    def _union(self, members: tuple) -> Converter | None:
        """Take the member that the value is already, else the first that can be made of it."""
        exact = {_JSON_KINDS[member] for member in members if _is_json_kind(member)}
        strict = self.checking()
        # Several kinds of object: the one that knows most of the names given comes first.
        converters = [(strict.converter(member), _names(member)) for member in members]
        if any(convert is None for convert, _ in converters):  # something takes any value
            return None

        def choose(value: Any) -> Any:
            kind = type(value)
            if kind in exact:
                return value
            return _once(attempt, value) if kind is dict or kind is list else attempt(value)

        def attempt(value: Any) -> Any:
            kind = type(value)
            order = converters
            if kind is dict:
                order = sorted(converters, key=lambda pair: -len(pair[1] & value.keys()))
            best: ArgumentError | None = None
            for convert, _ in order:
                try:
                    return convert(value)
                except ArgumentError as error:
                    # The most telling reason is that of a member that got inside the value, and is content
                    # with most of what it found there.
                    if best is None or (
                        error.path and (not best.path or len(error.faults) < len(best.faults))
                    ):
                        best = error
                except (ValueError, TypeError):
                    continue
            if best is not None and (best.path or len(converters) - (type(None) in members) == 1):
                raise best
            raise ArgumentError(f"{shown(value)} fits none of {', '.join(map(_called, members))}")

        return choose

    def _dataclass(self, kind: type, arguments: tuple) -> Converter:
        hints = _hints_of(kind, arguments)
        _refuse_unresolved(kind, hints, kind.__dataclass_fields__)
        fields = [
            (name, self.converter(_init_type(hints.get(name, object))))
            for name, field in kind.__dataclass_fields__.items()
            if field.init and "ClassVar" not in str(field._field_type)
        ]
        required = {
            name
            for name, field in kind.__dataclass_fields__.items()
            if field.init and _is_missing(field.default) and _is_missing(field.default_factory)
            if "ClassVar" not in str(field._field_type)
        }

        def make(value: Any) -> Any:
            return _built(kind, _members(value, fields, required, kind))

        return make

    def _typed_dict(self, kind: Any, arguments: tuple) -> Converter:
        hints = _hints_of(kind, arguments)
        _refuse_unresolved(kind, hints, getattr(kind, "__annotations__", ()))
        fields = [(name, self.converter(annotation)) for name, annotation in hints.items()]
        required = set(getattr(kind, "__required_keys__", ()))
        # Before 3.11 the class itself does not look inside `NotRequired[…]`.
        required -= {name for name, hint in hints.items() if "NotRequired[" in str(hint)[:40]}

        def make(value: Any) -> Any:
            return _members(value, fields, required, kind)

        return make

    def _named_tuple(self, kind: Any, arguments: tuple) -> Converter:
        hints = _hints_of(kind, arguments)
        _refuse_unresolved(kind, hints, kind._fields)
        fields = [(name, self.converter(hints.get(name, object))) for name in kind._fields]
        required = set(kind._fields) - set(kind._field_defaults)

        def make(value: Any) -> Any:
            if type(value) is list and len(value) <= len(fields):
                value = {name: item for (name, _), item in zip(fields, value)}
            return _built(kind, _members(value, fields, required, kind))

        return make


# The names of the library's container classes that a JSON list, or an object, becomes.
_LISTS = frozenset(
    {"list", "Sequence", "MutableSequence", "Iterable", "Collection", "Container", "Reversible"}
)
_ITERATORS = frozenset({"Iterator", "Generator"})
_CONTAINERS = {
    "builtins": frozenset({"tuple", "set", "frozenset", "list", "dict"}),
    "collections": frozenset({"deque", "Counter", "OrderedDict", "defaultdict"}),
    "collections.abc": _LISTS | _ITERATORS | {"Set", "MutableSet", "Mapping", "MutableMapping"},
}


def _container_name(kind: type) -> str | None:
    # Python 3.9 spells the module of some with an underscore.
    module = kind.__module__.replace("_collections_abc", "collections.abc")
    return kind.__name__ if kind.__name__ in _CONTAINERS.get(module, ()) else None


def _generator(items: Any) -> Any:
    # The items are made at once: a wrong one is an argument error, not an exception in the tool's loop.
    return (item for item in list(items))


def _factory_of(item: Any) -> Callable[[], Any] | None:
    """Return what a `defaultdict` makes of a missing key: an empty value of the type it holds."""
    kind = getattr(item, "__origin__", item)
    return kind if kind in (int, float, str, bool, list, dict, set, tuple, frozenset) else None


def _is_json_kind(annotation: Any) -> bool:
    return isinstance(annotation, type) and annotation in _JSON_KINDS


def _members(value: Any, fields: list[tuple[str, Converter | None]], required: set[str], kind: type) -> dict:
    if type(value) is not dict:
        raise ArgumentError(f"{shown(value)} is no object for `{_called(kind)}`")
    faults = Faults()
    for name in sorted(required - value.keys()):
        faults.add(ArgumentError("required, but missing").inside(name))
    made = {
        name: value[name] if convert is None else faults.convert(convert, value[name], name)
        for name, convert in fields
        if name in value
    }
    faults.finish()
    return made


def _built(kind: type, members: dict) -> Any:
    """Make an object of a class whose own code (`__post_init__`, `__new__`) may refuse what it is given."""
    try:
        return kind(**members)
    except (ValueError, TypeError) as error:
        raise _refused(error, kind) from error


def _made(maker: Any, value: Any) -> Any:
    """Make a container, which may refuse what it is given: a list is no member of a set."""
    if maker is list:
        return value if type(value) is list else list(value)
    try:
        return maker(value)
    except (ValueError, TypeError) as error:
        raise _refused(error, maker) from error


def _refused(error: Exception, kind: Any) -> ArgumentError:
    """Return what the caller reads of an exception by which a type says no: as Pydantic, by its message."""
    from omni.failure import message_of

    return ArgumentError(message_of(error) or f"`{_called(kind)}` refuses it and gives no reason")


# What members of unions have made of the lists and objects of one argument, by thread.
_tries = _local()


def _once(attempt: Converter, value: Any) -> Any:
    """Return what `attempt` makes of a list or an object, made once for each argument.

    Each member of a union starts again with what is inside a value. In a recursive type each level would
    multiply that: twenty levels of two members took 17 seconds.
    """
    known = getattr(_tries, "known", None)
    if known is None:
        _tries.known = {}
        try:
            return attempt(value)
        finally:
            _tries.known = None
    key = (id(attempt), id(value))
    if key not in known:
        # The value is kept with what was made of it, or another could get its place in memory.
        try:
            known[key] = (value, attempt(value), None)
        except (ArgumentError, ValueError, TypeError) as error:
            known[key] = (value, None, error)
    _, made, error = known[key]
    if error is not None:
        raise error.with_traceback(None)
    return made


def _init_type(annotation: Any) -> Any:
    """Return the type inside `InitVar[…]`."""
    return annotation.type if type(annotation).__name__ == "InitVar" else annotation


def _is_missing(value: Any) -> bool:
    return type(value).__name__ == "_MISSING_TYPE"


def _names(annotation: Any) -> set[str]:
    """Return the member names of a class that is written as an object."""
    annotation = getattr(annotation, "__origin__", annotation)
    for attribute in ("model_fields", "__dataclass_fields__", "__annotations__"):
        names = getattr(annotation, attribute, None) if isinstance(annotation, type) else None
        if names:
            return set(names)
    return set()


def _key_converter(annotation: Any, compiler: _Compiler) -> Converter | None:
    """JSON's keys are text: a `dict[int, …]` has its numbers written as such."""
    if annotation in (int, float):

        def read(key: str) -> Any:
            try:
                number = annotation(key)
            except ValueError:
                raise ArgumentError(f"the key {shown(key)} is no number") from None
            if number - number != 0:
                raise ArgumentError(f"the key {shown(key)} is no finite number")
            return number

        return read
    if annotation in (str, object):
        return None
    convert = compiler.checking().converter(annotation)
    if convert is None:
        return None

    def attempt(key: str) -> Any:
        # As text first: a key that is meant as text may look like a number.
        try:
            return convert(key)
        except ArgumentError as error:
            for value in _readings(key):
                try:
                    return convert(value)
                except ArgumentError:
                    continue
            raise ArgumentError(f"as a key, {error.faults[0][1]}") from None

    return attempt


def _readings(key: str) -> list[Any]:
    """Return what the text of a key may stand for, in a mapping whose keys are no text."""
    if key in _WORDS:
        return [_WORDS[key]]
    for kind in (int, float):
        try:
            number = kind(key)
        except ValueError:
            continue
        return [number] if number - number == 0 else []
    return []


#: An argument that a form has sent empty, in the place of its value.
_NOT_GIVEN = object()


def _reading(convert: Converter, *, optional: bool) -> Converter:
    """Return what makes a value of a text that stands for it: `5` for a number, `["a"]` for a list.

    An empty one where no text is meant is an argument that was not given: forms send all their fields. The
    server checks arguments by the same rule.
    """

    def read(value: Any) -> Any:
        try:
            # As text first: what is meant as text may look like a number.
            return convert(value)
        except ArgumentError as error:
            if type(value) is not str:
                raise
            refused = error
        if optional and not value.strip():
            return _NOT_GIVEN
        for found in _meanings(value):
            try:
                return convert(found)
            except ArgumentError as error:
                if type(found) in (list, dict):
                    # It knows the place inside.
                    refused = error
        raise refused

    return read


def _meanings(text: str) -> list[Any]:
    """Return what a text may stand for where a value of another type is wanted, the likeliest first."""
    found: list[Any] = []
    try:
        found.append(scan_json(text))
    except (ValueError, RecursionError):
        pass
    word = text.strip().lower()
    if word in _FLAGS:
        found.append(_FLAGS[word])
    if word in _NOTHING:
        found.append(None)
    return [*found, *_readings(text.strip())]


_FLAGS = {
    "true": True,
    "1": True,
    "yes": True,
    "on": True,
    "false": False,
    "0": False,
    "no": False,
    "off": False,
}
_NOTHING = ("", "none", "null")
_WORDS = {"true": True, "false": False, "null": None, "None": None}


def _checker(name: str, *kinds: type) -> Converter:
    def check(value: Any) -> Any:
        if type(value) not in kinds:
            raise ArgumentError(f"{shown(value)} is no {name}")
        return value

    return check


def _checked_integer(value: Any) -> int:
    value = _integer(value)
    if type(value) is not int:
        raise ArgumentError(f"{shown(value)} is no integer")
    return value


def _checked_number(value: Any) -> float:
    if type(value) not in (int, float):
        raise ArgumentError(f"{shown(value)} is no number")
    return float(value)


_CHECKS: dict[Any, Converter | None] = {
    object: None,
    str: _checker("string", str),
    bool: _checker("boolean", bool),
    int: _checked_integer,
    float: _checked_number,
    list: _checker("list", list),
    dict: _checker("object", dict),
    type(None): _checker("null", type(None)),
}
_JSON_KINDS = {kind: kind for kind in _CHECKS if kind is not object}


# -- Pydantic, when the skill uses it --------------------------------------------------------------------


def _wants_pydantic(annotation: Any) -> bool:
    """Tell whether an annotation holds something that only Pydantic knows how to make."""
    if "pydantic" not in sys.modules:
        return False
    if isinstance(annotation, type) and not hasattr(annotation, "__origin__"):
        return hasattr(annotation, "__get_pydantic_core_schema__") or hasattr(
            annotation, "__pydantic_validator__"
        )
    if any(hasattr(item, "__get_pydantic_core_schema__") for item in getattr(annotation, "__metadata__", ())):
        return True
    inner = getattr(annotation, "__args__", ()) or ()
    origin = getattr(annotation, "__origin__", None)
    return any(map(_wants_pydantic, inner)) or (origin is not None and _wants_pydantic(origin))


def _pydantic(annotation: Any) -> Converter:
    pydantic = sys.modules["pydantic"]
    adapter = pydantic.TypeAdapter(annotation)

    def validate(value: Any) -> Any:
        try:
            return adapter.validate_python(value)
        except pydantic.ValidationError as error:
            faults = error.errors(include_url=False, include_context=False)
            raise ArgumentError(
                faults=[(_place_of(fault, value), fault["msg"]) for fault in faults]
            ) from None

    return validate


def _place_of(fault: Any, value: Any) -> str:
    """Return the JSON pointer to what Pydantic found; its own path names members of unions too."""
    steps: list[str | int] = []
    here = value
    path = fault["loc"]
    for at, step in enumerate(path):
        inside = step in here if isinstance(here, dict) else isinstance(here, list) and type(step) is int
        if inside:
            steps.append(step)
            here = here[step] if isinstance(here, dict) or step < len(here) else None
        elif fault["type"] == "missing" and at == len(path) - 1:
            steps.append(step)
    return pointer(*steps)


def _called(annotation: Any) -> str:
    return getattr(annotation, "__name__", None) or str(annotation).replace("typing.", "")
