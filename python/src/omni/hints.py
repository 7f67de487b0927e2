"""What a function's or a class's annotations name, texts among them resolved.

Apart from `typing.get_type_hints`, since that knows all or nothing: here an annotation that names nothing
costs itself alone, a default of `None` changes no type, and `int | None` as text is understood before 3.10.
"""

from __future__ import annotations

import sys

from omni.convert import unwrapped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def hints_of(thing: Any) -> dict[str, Any]:
    """Return the resolved annotations of a function or class; those that name nothing are left out."""
    if isinstance(thing, type):
        hints = {}
        for base in reversed(thing.__mro__):
            # A class made by `TypedDict` or `NamedTuple` carries those of its bases itself.
            annotations = vars(base).get("__annotations__") or _lazy_annotations(base)
            hints.update(_resolved(annotations, *scopes_of(base)))
        return hints
    return _resolved(getattr(thing, "__annotations__", None) or {}, *scopes_of(thing))


def scopes_of(thing: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the names that a function's or class's annotations may use: its module's, and its own."""
    parameters = {parameter.__name__: parameter for parameter in getattr(thing, "__type_params__", ())}
    if isinstance(thing, type):
        return vars(sys.modules.get(thing.__module__, object)), {**vars(thing), **parameters}
    return getattr(unwrapped(thing), "__globals__", {}), parameters


def resolved_text(text: str, scope: dict[str, Any], own: dict[str, Any]) -> Any:
    """Return what an annotation that is text names. Raises whatever evaluating it raises."""
    if sys.version_info >= (3, 10) or "|" not in text:
        return eval(text, dict(scope), own)  # noqa: S307 - what Python does itself
    return eval(_with_unions(text), {**scope, "__omni_typing__": __import__("typing")}, own)  # noqa: S307


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
        return get_type_hints(Holder, scope, own, include_extras=True)["held"]
    except Exception:
        # Texts within stay as they are: they may name something that is not there yet.
        return annotation


def _lazy_annotations(kind: type) -> dict[str, Any]:
    # From Python 3.14 on they are not in a class's own dictionary until asked for.
    if sys.version_info < (3, 14) or kind is object:
        return {}
    return getattr(kind, "__annotations__", None) or {}


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
