"""What a function's or a class's annotations name, texts among them resolved.

Apart from `typing.get_type_hints`, since that knows all or nothing: here an annotation that names nothing
costs itself alone, a default of `None` changes no type, and `int | None` as text is understood before 3.10.
"""

from __future__ import annotations

import sys

from omni.convert import unwrapped
from omni.stdlib_types import UnresolvedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable


def hints_of(thing: Any, arguments: tuple = ()) -> dict[str, Any]:
    """Return the resolved annotations of a function or class; those that name nothing are left out.

    Args:
        thing: A function or class.
        arguments: The type arguments of a generic class, in the order of its parameters: they stand in the
            place of its type variables.
    """
    if isinstance(thing, type):
        hints = {}
        variables: dict[Any, Any] = {}
        _collect_variables(thing, arguments, variables)
        for base in reversed(thing.__mro__):
            # A class made by `TypedDict` or `NamedTuple` carries those of its bases itself.
            own = _resolved(_annotations_of(base), *scopes_of(base))
            given = variables.get(base) or variables.get(thing)
            hints.update({name: with_arguments(hint, given) for name, hint in own.items()} if given else own)
        return hints
    return _resolved(_annotations_of(thing), *scopes_of(thing))


def annotated_names(thing: Any) -> list[str]:
    """Return the names of the parameters or fields that have an annotation, bases' ones included."""
    kinds = reversed(thing.__mro__) if isinstance(thing, type) else [unwrapped(thing)]
    return [name for kind in kinds for name in _annotations_of(kind)]


def unresolved(thing: Any, name: str) -> UnresolvedError:
    """Return the error that says why the annotation of a parameter or field names nothing."""
    kinds = reversed(thing.__mro__) if isinstance(thing, type) else [thing]
    reason = None
    for kind in kinds:
        try:
            _resolve(_annotations_of(kind)[name], *scopes_of(kind))
        except KeyError:
            continue
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            annotation = _annotations_of(kind)[name]
    shown = annotation if reason and isinstance(annotation, str) else "…"
    return UnresolvedError(
        f"the annotation `{shown}` of `{name}` cannot be resolved when the file runs ({reason}); import what "
        "it names, outside of `if TYPE_CHECKING:` when that import fails"
    )


def alias_value(alias: Any, arguments: tuple = ()) -> Any:
    """Return what a `type` statement, or a `TypeAliasType(…)`, names, texts within resolved.

    `arguments` stand in the place of its type parameters. None for one that names what is not there.
    """
    try:
        value = alias.__value__
    except NameError:
        return None
    scope = vars(sys.modules.get(getattr(alias, "__module__", None) or "", object))
    given = dict(zip(getattr(alias, "__type_params__", ()), arguments))
    return with_arguments(_resolve(value, scope, {}), given)


def with_arguments(annotation: Any, given: dict[Any, Any]) -> Any:
    """Return an annotation in which the types of `given` stand in the place of its type variables."""
    if hasattr(annotation, "__constraints__"):  # TypeVar
        return given.get(annotation, annotation)
    parameters = () if isinstance(annotation, type) and not _is_alias(annotation) else _parameters(annotation)
    if not parameters or not any(parameter in given for parameter in parameters):
        return annotation
    try:
        return annotation[tuple(given.get(parameter, parameter) for parameter in parameters)]
    except TypeError:  # lists of types and unpacked tuples of them: such a class converts as if not generic
        return annotation


def _is_alias(annotation: Any) -> bool:
    return hasattr(annotation, "__origin__")


def _parameters(annotation: Any) -> tuple:
    return getattr(annotation, "__parameters__", None) or ()


def _collect_variables(kind: type, arguments: tuple, found: dict[Any, dict[Any, Any]]) -> None:
    """Note for a class and each of its bases what their type variables stand for."""
    given = dict(zip(_parameters(kind), arguments))
    found.setdefault(kind, given)
    for base in vars(kind).get("__orig_bases__", ()):
        origin = getattr(base, "__origin__", None)
        if isinstance(origin, type):
            inner = tuple(with_arguments(item, given) for item in getattr(base, "__args__", ()))
            _collect_variables(origin, inner, found)
            if not hasattr(kind, "__total__"):
                continue
            # A `TypedDict` has no bases at run time and carries their annotations: one table serves all.
            given.update({name: item for name, item in found[origin].items() if name not in given})
        elif isinstance(base, type) and base is not object:
            _collect_variables(base, (), found)


def scopes_of(thing: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the names that a function's or class's annotations may use: its module's, and its own."""
    parameters = {parameter.__name__: parameter for parameter in getattr(thing, "__type_params__", ())}
    if isinstance(thing, type):
        return vars(sys.modules.get(thing.__module__, object)), {**vars(thing), **parameters}
    return getattr(unwrapped(thing), "__globals__", {}), parameters


def resolved_text(text: str, scope: dict[str, Any], own: dict[str, Any]) -> Any:
    """Return what an annotation that is text names. Raises whatever evaluating it raises.

    Names that the file binds for type checkers only count.
    """
    return _with_names(scope, lambda names: _evaluated(text, names, own))


def _evaluated(text: str, scope: dict[str, Any], own: dict[str, Any]) -> Any:
    if sys.version_info >= (3, 10) or "|" not in text:
        return eval(text, scope, own)  # noqa: S307 - what Python does itself
    return eval(_with_unions(text), {**scope, "__omni_typing__": __import__("typing")}, own)  # noqa: S307


def _with_names(scope: dict[str, Any], evaluate: Callable[[dict[str, Any]], Any]) -> Any:
    """Evaluate in a copy of a file's names, to which those that it binds for type checkers come as needed."""
    names = dict(scope)
    while True:
        try:
            return evaluate(names)
        except NameError as error:
            from omni.type_checking import bound_for_checkers, missing_name

            missing = missing_name(error)
            if missing is None or missing in names:
                raise
            names[missing] = bound_for_checkers(missing, scope)


def _resolved(annotations: dict[str, Any], scope: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    hints = {}
    for name, annotation in annotations.items():
        try:
            hints[name] = _resolve(annotation, scope, own)
        except Exception:
            continue
    return hints


def _resolve(annotation: Any, scope: dict[str, Any], own: dict[str, Any]) -> Any:
    if isinstance(annotation, str):
        annotation = resolved_text(annotation, scope, own)
    if annotation is None or (isinstance(annotation, type) and not hasattr(annotation, "__origin__")):
        return annotation
    from typing import get_type_hints

    class Holder:
        """Has one annotation, which may hold texts within."""

    Holder.__annotations__ = {"held": annotation}
    try:
        return _with_names(
            scope, lambda names: get_type_hints(Holder, names, own, include_extras=True)["held"]
        )
    except Exception:
        # Texts within stay as they are: they may name something that is not there yet.
        return annotation


def _annotations_of(thing: Any) -> dict[str, Any]:
    """Return the annotations that a function, or a class without its bases, has itself."""
    own = vars(thing).get("__annotations__") if isinstance(thing, type) else None
    if own is not None:
        return own
    if isinstance(thing, type) and (sys.version_info < (3, 14) or thing is object):
        return {}
    try:
        return getattr(thing, "__annotations__", None) or {}
    except NameError:
        # From Python 3.14 on they are worked out when asked for, all or none: as texts, each stands alone.
        from annotationlib import Format, get_annotations

        return get_annotations(thing, format=Format.STRING)


def _with_unions(text: str) -> Any:
    """Compile an annotation with every `X | Y` written as `Union[X, Y]`."""
    import ast

    class Unions(ast.NodeTransformer):
        def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
            self.generic_visit(node)
            if not isinstance(node.op, ast.BitOr):
                return node
            union = ast.Attribute(ast.Name("__omni_typing__", ast.Load()), "Union", ast.Load())
            pair = ast.Tuple([node.left, node.right], ast.Load())
            return ast.Subscript(union, pair, ast.Load())

    tree = Unions().visit(ast.parse(text.strip(), mode="eval"))
    return compile(ast.fix_missing_locations(tree), "<annotation>", "eval")
