"""How the JSON form of a standard library class becomes a value of it: dates, paths, decimals and so on.

No module of the library is imported unless an annotation names a class of it.
"""

from __future__ import annotations

import sys

from omni.private import __builtins__  # noqa: F401 - functions find built-in names here

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    Converter = Callable[[Any], Any]


class ArgumentError(Exception):
    """An argument is no value of its type, such as the 30th of February for a date."""

    def __init__(self, reason: str, path: str = "") -> None:
        super().__init__(reason, path)
        self.reason = reason
        self.path = path

    def __str__(self) -> str:
        return f"`{self.path}`: {self.reason}" if self.path else self.reason

    def inside(self, outer: str) -> ArgumentError:
        """Return the same error as seen from the value around it."""
        return ArgumentError(self.reason, outer + self.path)


def is_enum(kind: type) -> bool:
    """Tell whether a class is an enumeration. Does not import `enum`."""
    enum = sys.modules.get("enum")
    return enum is not None and isinstance(kind, type) and issubclass(kind, enum.Enum)


def library_class(kind: type) -> Converter | None:
    """Return the converter to a class of the standard library that JSON writes as text or number."""
    if is_enum(kind):
        return _enum(kind)
    if kind in (bytes, bytearray):
        return parsed("text", lambda text: kind(text.encode()))
    module = kind.__module__
    if module == "datetime":
        from omni.times import CONVERTERS

        return CONVERTERS.get(kind.__name__)
    for base in kind.__mro__:
        if base.__name__ == "PurePath" and base.__module__.startswith("pathlib"):
            return parsed("path", kind)
    if module in ("decimal", "_decimal", "_pydecimal"):
        return _decimal(kind)
    if module == "uuid":
        return parsed("UUID", kind)
    if module == "ipaddress":
        return parsed(f"`{kind.__name__}`", kind)
    if kind.__name__ == "Pattern" and module == "re":
        import re

        return parsed("regular expression", re.compile, re.error)
    if kind.__name__ == "deque" and module == "collections":
        return kind
    return None


def parsed(name: str, parse: Callable[[str], Any], *faults: type[Exception]) -> Converter:
    """Return a converter from text. `faults` are what `parse` raises besides the usual."""
    refusals = (ValueError, ArithmeticError, *faults)

    def read(value: Any) -> Any:
        if type(value) is not str:
            raise ArgumentError(f"{shown(value)} is no {name}")
        try:
            return parse(value)
        except refusals as error:
            raise ArgumentError(f"{shown(value)} is no {name}: {error}") from None

    return read


def _enum(kind: Any) -> Converter:
    # JSON has no tuples: a member whose value is one is asked for with a list.
    by_list = [(list(member.value), member) for member in kind if isinstance(member.value, tuple)]

    def choose(value: Any) -> Any:
        try:
            return kind(value)
        except (ValueError, TypeError):
            for listed, member in by_list:
                if listed == value:
                    return member
        raise ArgumentError(f"{shown(value)} is none of {', '.join(repr(member.value) for member in kind)}")

    return choose


def _decimal(kind: type) -> Converter:
    def read(value: Any) -> Any:
        if type(value) not in (int, float, str):
            raise ArgumentError(f"{shown(value)} is no decimal number")
        try:
            return kind(str(value))
        except ArithmeticError:
            raise ArgumentError(f"{shown(value)} is no decimal number") from None

    return read


def shown(value: Any) -> str:
    """Return a value as it stands in a message, cut at 80 characters."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
