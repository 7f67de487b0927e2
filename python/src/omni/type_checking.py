"""What a file binds for type checkers only: the names of its `if TYPE_CHECKING:` blocks.

An annotation may name such a class, and its values are then made of it like any other's: the statement that
binds the name runs once, when the first call plans its arguments, in a namespace apart from the file's own.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator
    from typing import Any


def bound_for_checkers(name: str, scope: dict[str, Any], above: frozenset[str] = frozenset()) -> Any:
    """Return what `name` is bound to in a `TYPE_CHECKING` block of the file whose globals `scope` is.

    `above` are the names whose statements need this one.

    Raises:
        NameError: No such block binds it, or the file cannot be read.
        Exception: Whatever the statement raises, such as an `ImportError`.
    """
    import ast

    statement = next((found for found in _statements(scope.get("__file__")) if name in _bound(found)), None)
    if statement is None:
        message = f"name {name!r} is not defined"
        raise NameError(message)
    # A copy: to the file's own code the name stays unbound, as its author expects.
    own = dict(scope)
    module = ast.Module(body=[statement], type_ignores=[])
    code = compile(module, scope["__file__"], "exec", dont_inherit=True)
    while True:
        try:
            exec(code, own)  # noqa: S102 - the author's own statement
        except NameError as error:
            missing = missing_name(error)
            if missing is None or missing in own or missing in above:
                raise
            own[missing] = bound_for_checkers(missing, scope, above | {name})
        else:
            return own[name]


def missing_name(error: NameError) -> str | None:
    """Return the name that was not found. Before Python 3.10 only the text has it."""
    return getattr(error, "name", None) or (str(error).split("'")[1:2] or [None])[0]


def _statements(file: str | None) -> Iterator[ast.stmt]:
    """Yield the statements that stand in a file's `TYPE_CHECKING` blocks."""
    import ast
    from tokenize import open as open_source

    if file is None or not file.endswith(".py"):
        return
    try:
        with open_source(file) as source:
            tree = ast.parse(source.read())
    except (OSError, SyntaxError, ValueError):
        return
    for statement in tree.body:
        if isinstance(statement, ast.If) and _is_flag(statement.test):
            yield from statement.body


def _is_flag(test: ast.expr) -> bool:
    name = getattr(test, "id", None) or getattr(test, "attr", None)
    return name == "TYPE_CHECKING"


def _bound(statement: ast.stmt) -> set[str]:
    """Return the names that an import, an assignment, a class or a `type` statement binds."""
    aliases = getattr(statement, "names", None)
    if aliases is not None and not isinstance(aliases[0], str):
        return {alias.asname or alias.name.partition(".")[0] for alias in aliases}
    targets = getattr(statement, "targets", None) or [getattr(statement, "target", None)]
    names = {getattr(target, "id", None) for target in targets}
    name = getattr(statement, "name", None)
    return names | {getattr(name, "id", name)}
